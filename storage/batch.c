/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/batch.h"

#include <stdlib.h>

#include "base/assert.h"

/* Both halves of the 128-bit product: every bit of the result depends on every bit of both. */
static inline uint64_t multiply(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The last 1 to 7 bytes of a key as a number; 0 for none. */
static inline uint64_t load_tail(const uint8_t *at, size_t size)
{
    uint64_t tail = 0;
    for (size_t i = 0; i < size; i++)
        tail |= (uint64_t)at[i] << (8 * i);
    return tail;
}

/* Multiplies two words of the key at a time, each made secret by the seed first.
 * Source: the folded multiplication of Wang Yi's wyhash. */
uint32_t mr_record_hash(uint64_t seed, uint32_t table, mr_span key)
{
    const uint64_t other = seed ^ 0x9e3779b97f4a7c15u;
    uint64_t hash = seed + table;
    const uint8_t *at = key.data;
    size_t left = key.size;
    for (; left >= 16; left -= 16, at += 16)
        hash = multiply(mr_load_le64(at) ^ seed, mr_load_le64(at + 8) ^ other ^ hash);
    if (left >= 8) {
        hash = multiply(mr_load_le64(at) ^ seed, other ^ hash);
        left -= 8;
        at += 8;
    }
    hash = multiply(load_tail(at, left) ^ seed, other ^ hash);
    return (uint32_t)(multiply(hash ^ key.size, other) >> 32);
}

static mr_status add(mr_batch *batch, uint32_t table, mr_span key, mr_span value, bool present)
{
    MR_ASSERT(table < batch->tables_count);
    if (key.size > UINT32_MAX - 1 || value.size > UINT32_MAX - 1)
        return MR_LIMIT;
    const size_t record_bytes = MR_RECORD_HEAD_BYTES + key.size + value.size;
    if (record_bytes > batch->records.capacity - batch->records.size)
        MR_TRY(mr_buffer_reserve(&batch->records, record_bytes));
    const mr_batch_entry entry = {.offset = batch->records.size,
                                  .head = mr_span_head(key),
                                  .hash = mr_record_hash(batch->seed, table, key),
                                  .table = table};
    MR_TRY(mr_buffer_append(&batch->entries, mr_span_of(&entry, sizeof entry)));
    mr_record_write(batch->records.data + batch->records.size, table, key, value, present);
    batch->records.size += record_bytes;
    batch->payload_bytes += key.size + value.size;
    return MR_OK;
}

mr_status mr_batch_put(mr_batch *batch, uint32_t table, mr_span key, mr_span value)
{
    return add(batch, table, key, value, true);
}

mr_status mr_batch_delete(mr_batch *batch, uint32_t table, mr_span key)
{
    return add(batch, table, key, (mr_span){0}, false);
}

void mr_batch_reset(mr_batch *batch)
{
    batch->records.size = 0;
    batch->entries.size = 0;
    batch->payload_bytes = 0;
}

void mr_batch_take(mr_batch *to, mr_batch *from)
{
    mr_batch taken = *from;
    from->records = to->records;
    from->entries = to->entries;
    mr_batch_reset(from);
    *to = taken;
}

mr_batch *mr_batch_make(void)
{
    mr_batch *batch = aligned_alloc(_Alignof(mr_batch), sizeof *batch);
    if (batch != NULL)
        *batch = (mr_batch){0};
    return batch;
}

void mr_batch_free(mr_batch *batch)
{
    if (batch == NULL)
        return;
    mr_buffer_fini(&batch->records);
    mr_buffer_fini(&batch->entries);
    free(batch);
}
