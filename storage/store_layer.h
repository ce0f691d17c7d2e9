/* SPDX-License-Identifier: Apache-2.0 */
/* store_layer: the records of one submitted change, readable while the backend is still being told
 * of them. Private to storage/.
 *
 * The index is an open hash table of 8-byte slots:
 *
 *      bits 63..48   upper half of the hash of table and key
 *      bits 47..0    address of the record
 *
 * A layer is filled by the submitter alone; once published it does not change but for the order of
 * its records. Whoever needs that first, a cursor or the committer, divides all tables into parts
 * (storage/store_backend.h) under `divide_lock`; who needs a part first sorts it under one of the
 * `sort_locks`. So a walk over one program sorts one part of one table, and several threads sort
 * several. */
#ifndef MR_STORAGE_STORE_LAYER_H
#define MR_STORAGE_STORE_LAYER_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/batch.h"

enum { MR_SORT_LOCKS = 16 };

/* The records of one table. Before they are divided all but the first is of an earlier change. */
typedef struct mr_layer_table {
    size_t records_count; /* of different keys */
    mr_record *records;   /* part after part */
    size_t records_capacity;
    size_t ends[MR_PARTS];         /* of the parts, in `records` */
    _Atomic bool sorted[MR_PARTS]; /* a part's are in the order of their keys */
} mr_layer_table;

typedef struct mr_layer {
    struct mr_layer *next;  /* among those that wait to be used again */
    atomic_uint references; /* the store's and one for each cursor */
    uint64_t number;        /* of the change, 1 for the store's first */
    uint64_t payload_bytes; /* of keys and values */
    mr_batch **batches;     /* the layer's own; those after batches_count are spare */
    size_t batches_count;
    size_t batches_capacity;
    uint64_t *slots;    /* 0 is a free one */
    size_t slots_count; /* a power of two */
    size_t slots_capacity;
    size_t superseded_count;
    pthread_mutex_t divide_lock;
    _Atomic bool divided;
    pthread_mutex_t sort_locks[MR_SORT_LOCKS]; /* of parts by their number */
    uint32_t tables_count;
    mr_layer_table tables[];
} mr_layer;

/* mr_layer_new makes an empty layer. Errors: NULL when out of memory. */
mr_layer *mr_layer_new(uint32_t tables_count);
void mr_layer_free(mr_layer *layer);

/* mr_layer_fill takes over the records of the batches, empties them, and indexes what it took. The
 * batches get memory that the layer had from earlier changes.
 * Errors: MR_NO_MEMORY, layer and batches unchanged. */
mr_status mr_layer_fill(mr_layer *layer, mr_batch *const *batches, size_t batches_count);

/* mr_layer_clear forgets the records and keeps memory for the next ones. */
void mr_layer_clear(mr_layer *layer);

/* mr_layer_find returns the record of a key, NULL when the change does not touch it. `hash` is its
 * mr_record_hash. Threads: any. */
const uint8_t *mr_layer_find(const mr_layer *layer, uint32_t hash, uint32_t table, mr_span key);

/* mr_layer_range points *out at the records of `table` whose keys start with `prefix` and are not
 * less than `from`, in ascending order. Errors: MR_NO_MEMORY. Threads: any. */
mr_status mr_layer_range(mr_layer *layer, uint32_t table, mr_span prefix, mr_span from,
                         const mr_record **out, size_t *count);

/* The changes of a layer, which are sorted when they are asked for. */
typedef struct mr_layer_changes {
    mr_changes changes;
    mr_layer *layer;
} mr_layer_changes;

mr_layer_changes mr_layer_changes_of(mr_layer *layer);

#endif
