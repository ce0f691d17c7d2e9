/* SPDX-License-Identifier: Apache-2.0 */
/* batch: changes in the form in which they are kept. Private to storage/.
 *
 * A record is a head of 12 bytes (table, key size, value size, little endian), the key and the
 * value; a value size of MR_RECORD_REMOVED removes the key. Beside the records stands one entry for
 * each, so that a layer (storage/store_layer.h) is indexed and divided without reading them. */
#ifndef MR_STORAGE_BATCH_H
#define MR_STORAGE_BATCH_H

#include "storage/store_backend.h"

#define MR_RECORD_REMOVED UINT32_MAX
#define MR_RECORD_SUPERSEDED                                                                       \
    0x80000000u /* in the table's number: a later record has the same key */

enum { MR_RECORD_HEAD_BYTES = 12 };

typedef struct mr_batch_entry {
    uint64_t offset; /* of the record in `records` */
    uint64_t head;   /* of the key, see mr_span_head */
    uint32_t hash;   /* of table and key, see mr_record_hash */
    uint32_t table;
} mr_batch_entry;

/* Each worker fills its own, a record at a time, so none shares a line of the cache. */
struct mr_batch {
    _Alignas(128) mr_buffer records;
    mr_buffer entries;      /* of mr_batch_entry, in the order of the records */
    uint64_t payload_bytes; /* of keys and values */
    uint64_t seed;          /* of the hashes, the store's */
    uint32_t tables_count;
};

/* mr_batch_make returns a batch without records, of no store yet. Errors: NULL when out of memory.
 * Owns: mr_batch_free. */
mr_batch *mr_batch_make(void);

static inline const mr_batch_entry *mr_batch_entries(const mr_batch *batch)
{
    return (const mr_batch_entry *)(const void *)batch->entries.data;
}

static inline size_t mr_batch_count(const mr_batch *batch)
{
    return batch->entries.size / sizeof(mr_batch_entry);
}

/* mr_record_read tells what the record at `at` says. */
static inline mr_change mr_record_read(const uint8_t *at)
{
    uint32_t key_bytes = mr_load_le32(at + 4);
    uint32_t value_bytes = mr_load_le32(at + 8);
    bool present = value_bytes != MR_RECORD_REMOVED;
    return (mr_change){
        .table = mr_load_le32(at),
        .present = present,
        .key = mr_span_of(at + MR_RECORD_HEAD_BYTES, key_bytes),
        .value = mr_span_of(at + MR_RECORD_HEAD_BYTES + key_bytes, present ? value_bytes : 0)};
}

/* mr_record_write writes a record of MR_RECORD_HEAD_BYTES and the bytes of key and value. */
static inline void mr_record_write(uint8_t *at, uint32_t table, mr_span key, mr_span value,
                                   bool present)
{
    mr_store_le32(at, table);
    mr_store_le32(at + 4, (uint32_t)key.size);
    mr_store_le32(at + 8, present ? (uint32_t)value.size : MR_RECORD_REMOVED);
    if (key.size > 0)
        memcpy(at + MR_RECORD_HEAD_BYTES, key.data, key.size);
    if (value.size > 0)
        memcpy(at + MR_RECORD_HEAD_BYTES + key.size, value.data, value.size);
}

/* mr_record_hash spreads table and key over 32 bits. Whoever does not know `seed` cannot choose
 * keys that collide more often than others. Nothing that is stored or seen depends on it. */
uint32_t mr_record_hash(uint64_t seed, uint32_t table, mr_span key);

/* mr_batch_take moves what `from` holds to `to`, which is empty and whose memory `from` gets. */
void mr_batch_take(mr_batch *to, mr_batch *from);

#endif
