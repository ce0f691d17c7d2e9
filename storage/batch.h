/* SPDX-License-Identifier: Apache-2.0 */
/* batch: changes in the form in which they are kept. Private to storage/.
 *
 * A record is a head of 12 bytes (table, key size, value size, little endian), the key and the
 * value; a value size of RECORD_REMOVED removes the key. */
#ifndef MR_STORAGE_BATCH_H
#define MR_STORAGE_BATCH_H

#include "storage/store_backend.h"

struct mr_batch {
    mr_buffer records;
    uint64_t payload_bytes; /* of keys and values */
    uint32_t tables_count;
};

/* The records of several batches, one after the other. */
typedef struct mr_batch_source {
    mr_change_source source;
    mr_batch *const *batches;
    size_t batches_count;
    size_t batch;
    size_t offset;
} mr_batch_source;

mr_batch_source mr_batch_source_of(mr_batch *const *batches, size_t batches_count);

#endif
