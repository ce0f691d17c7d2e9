/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/batch.h"

#include <stdlib.h>

#include "base/assert.h"

enum { HEAD_BYTES = 12 };
#define RECORD_REMOVED UINT32_MAX /* as a value size */

static mr_status add(mr_batch *batch, uint32_t table, mr_span key, mr_span value, uint32_t size)
{
    MR_ASSERT(table < batch->tables_count);
    if (key.size > UINT32_MAX - 1 || value.size > UINT32_MAX - 1)
        return MR_LIMIT;
    MR_TRY(mr_buffer_reserve(&batch->records, HEAD_BYTES + key.size + value.size));
    uint8_t *at = batch->records.data + batch->records.size;
    mr_store_le32(at, table);
    mr_store_le32(at + 4, (uint32_t)key.size);
    mr_store_le32(at + 8, size);
    if (key.size > 0)
        memcpy(at + HEAD_BYTES, key.data, key.size);
    if (value.size > 0)
        memcpy(at + HEAD_BYTES + key.size, value.data, value.size);
    batch->records.size += HEAD_BYTES + key.size + value.size;
    batch->payload_bytes += key.size + value.size;
    return MR_OK;
}

mr_status mr_batch_put(mr_batch *batch, uint32_t table, mr_span key, mr_span value)
{
    return add(batch, table, key, value, (uint32_t)value.size);
}

mr_status mr_batch_delete(mr_batch *batch, uint32_t table, mr_span key)
{
    return add(batch, table, key, (mr_span){0}, RECORD_REMOVED);
}

void mr_batch_reset(mr_batch *batch)
{
    batch->records.size = 0;
    batch->payload_bytes = 0;
}

void mr_batch_free(mr_batch *batch)
{
    if (batch == NULL)
        return;
    mr_buffer_fini(&batch->records);
    free(batch);
}

static bool source_next(mr_change_source *base, mr_change *out)
{
    mr_batch_source *source = (mr_batch_source *)base;
    while (source->batch < source->batches_count &&
           source->offset == source->batches[source->batch]->records.size) {
        source->batch++;
        source->offset = 0;
    }
    if (source->batch == source->batches_count)
        return false;
    const uint8_t *at = source->batches[source->batch]->records.data + source->offset;
    uint32_t key_bytes = mr_load_le32(at + 4);
    uint32_t value_bytes = mr_load_le32(at + 8);
    out->table = mr_load_le32(at);
    out->present = value_bytes != RECORD_REMOVED;
    out->key = mr_span_of(at + HEAD_BYTES, key_bytes);
    out->value = mr_span_of(at + HEAD_BYTES + key_bytes, out->present ? value_bytes : 0);
    source->offset += HEAD_BYTES + out->key.size + out->value.size;
    return true;
}

mr_batch_source mr_batch_source_of(mr_batch *const *batches, size_t batches_count)
{
    return (mr_batch_source){
        .source = {.next = source_next}, .batches = batches, .batches_count = batches_count};
}
