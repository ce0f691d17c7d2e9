/* SPDX-License-Identifier: Apache-2.0 */
/* memory_table: an ordered map from keys to values in memory. Private to storage/.
 *
 * A B+ tree. Its leaves hold entries in ascending order; an inner node holds, for each child but
 * the first, an entry that is no greater than any key there and greater than any key before. Beside
 * each entry stand the first 8 bytes of its key, so that a search reads entries only where these
 * are alike. Entries are counted: who walks keeps those it has found, whatever becomes of the
 * table.
 *
 *          find  walk  put  remove
 *   find    -     -     X     X       (- : side by side, from any threads)
 *   put     X     X     X     X       (X : the caller orders them) */
#ifndef MR_STORAGE_MEMORY_TABLE_H
#define MR_STORAGE_MEMORY_TABLE_H

#include <stdatomic.h>

#include "storage/store_backend.h"

typedef struct mr_entry {
    atomic_uint references;
    uint32_t key_bytes;
    uint32_t value_bytes;
    uint8_t bytes[]; /* the key, then the value; never changed */
} mr_entry;

static inline mr_span mr_entry_key(const mr_entry *entry)
{
    return mr_span_of(entry->bytes, entry->key_bytes);
}

static inline mr_span mr_entry_value(const mr_entry *entry)
{
    return mr_span_of(entry->bytes + entry->key_bytes, entry->value_bytes);
}

mr_entry *mr_entry_get(mr_entry *entry);
void mr_entry_put(mr_entry *entry);

typedef struct mr_memory_node mr_memory_node;

/* All zero is an empty table. */
typedef struct mr_memory_table {
    mr_memory_node *root; /* NULL when empty */
} mr_memory_table;

/* mr_memory_table_fini frees what the table holds and leaves it empty. */
void mr_memory_table_fini(mr_memory_table *table);

/* mr_memory_table_find returns the entry of `key`, borrowed, NULL when there is none. */
const mr_entry *mr_memory_table_find(const mr_memory_table *table, mr_span key);

/* mr_memory_table_put gives `key` a value. Errors: MR_NO_MEMORY, the table means the same. */
mr_status mr_memory_table_put(mr_memory_table *table, mr_span key, mr_span value);

/* mr_memory_table_remove removes `key` if it is there. */
void mr_memory_table_remove(mr_memory_table *table, mr_span key);

/* mr_memory_table_walk calls `visit` for the entries whose keys are not less than `from`, in
 * ascending order, as long as it returns true. */
typedef bool mr_memory_visit(void *arg, mr_entry *entry);
void mr_memory_table_walk(const mr_memory_table *table, mr_span from, mr_memory_visit *visit,
                          void *arg);

#endif
