/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/store_layer.h"

#include <stdlib.h>

#include "base/assert.h"

enum { ADDRESS_BITS = 48, SLOTS_MIN = 64, PREFETCH = 8 };
#define ADDRESS_MASK ((UINT64_C(1) << ADDRESS_BITS) - 1)

/* Memory that one exceptional change needed is not kept for ever: what an ordinary change of 10 MB
 * needs is. */
static const size_t SPARE_BYTES_MAX = 64u << 20;

static_assert(sizeof(void *) == 8, "a slot holds an address and 16 bits of a hash");

mr_layer *mr_layer_new(uint32_t tables_count)
{
    mr_layer *layer = calloc(1, sizeof *layer + tables_count * sizeof layer->tables[0]);
    if (layer == NULL)
        return NULL;
    pthread_mutex_init(&layer->divide_lock, NULL);
    for (size_t i = 0; i < MR_SORT_LOCKS; i++)
        pthread_mutex_init(&layer->sort_locks[i], NULL);
    layer->tables_count = tables_count;
    return layer;
}

void mr_layer_free(mr_layer *layer)
{
    if (layer == NULL)
        return;
    for (size_t i = 0; i < layer->batches_capacity; i++)
        mr_batch_free(layer->batches[i]);
    for (uint32_t i = 0; i < layer->tables_count; i++)
        free(layer->tables[i].records);
    free(layer->batches);
    free(layer->slots);
    for (size_t i = 0; i < MR_SORT_LOCKS; i++)
        pthread_mutex_destroy(&layer->sort_locks[i]);
    pthread_mutex_destroy(&layer->divide_lock);
    free(layer);
}

static mr_status reserve_batches(mr_layer *layer, size_t count)
{
    if (count <= layer->batches_capacity)
        return MR_OK;
    mr_batch **grown = realloc(layer->batches, count * sizeof(mr_batch *));
    if (grown == NULL)
        return MR_NO_MEMORY;
    layer->batches = grown;
    while (layer->batches_capacity < count) {
        mr_batch *spare = mr_batch_make();
        if (spare == NULL)
            return MR_NO_MEMORY;
        grown[layer->batches_capacity++] = spare;
    }
    return MR_OK;
}

/* At most half of the slots are taken, so that a search ends after one or two. */
static mr_status reserve_slots(mr_layer *layer, size_t records)
{
    size_t count = SLOTS_MIN;
    while (count < 2 * records)
        count *= 2;
    if (count > layer->slots_capacity) {
        uint64_t *grown = malloc(count * sizeof *grown);
        if (grown == NULL)
            return MR_NO_MEMORY;
        free(layer->slots);
        layer->slots = grown;
        layer->slots_capacity = count;
    }
    layer->slots_count = count;
    memset(layer->slots, 0, count * sizeof layer->slots[0]);
    return MR_OK;
}

static inline uint64_t slot_tag(uint32_t hash)
{
    return (uint64_t)(hash >> 16) << ADDRESS_BITS;
}

static inline uint8_t *slot_record(uint64_t slot)
{
    return (uint8_t *)(uintptr_t)(slot & ADDRESS_MASK);
}

static inline bool record_is(const uint8_t *record, uint32_t table, mr_span key)
{
    return mr_load_le32(record) == table && mr_load_le32(record + 4) == key.size &&
           (key.size == 0 || memcmp(record + MR_RECORD_HEAD_BYTES, key.data, key.size) == 0);
}

/* The slot of a key: the one that holds it, or the free one where it belongs. */
static size_t find_slot(const mr_layer *layer, uint32_t hash, uint32_t table, mr_span key)
{
    const uint64_t tag = slot_tag(hash);
    for (size_t i = hash;; i++) {
        i &= layer->slots_count - 1;
        const uint64_t slot = layer->slots[i];
        if (slot == 0 ||
            ((slot & ~ADDRESS_MASK) == tag && record_is(slot_record(slot), table, key)))
            return i;
    }
}

/* Puts one record in place. The key is read only where the tag is already there. */
static inline void insert(mr_layer *layer, const mr_batch_entry *entry, uint8_t *record)
{
    const uint64_t tag = slot_tag(entry->hash);
    size_t i = entry->hash & (layer->slots_count - 1);
    while (layer->slots[i] != 0 && (layer->slots[i] & ~ADDRESS_MASK) != tag)
        i = (i + 1) & (layer->slots_count - 1);
    if (layer->slots[i] != 0) {
        const mr_change change = mr_record_read(record);
        i = find_slot(layer, entry->hash, entry->table, change.key);
    }
    if (layer->slots[i] == 0) {
        layer->tables[entry->table].records_count++;
    } else {
        uint8_t *old = slot_record(layer->slots[i]);
        mr_store_le32(old, mr_load_le32(old) | MR_RECORD_SUPERSEDED);
        layer->superseded_count++;
    }
    layer->slots[i] = tag | (uintptr_t)record;
}

static void index_batch(mr_layer *layer, const mr_batch *batch)
{
    const mr_batch_entry *entries = mr_batch_entries(batch);
    const size_t count = mr_batch_count(batch);
    const size_t mask = layer->slots_count - 1;
    MR_ASSERT(((uintptr_t)(batch->records.data + batch->records.size) >> ADDRESS_BITS) == 0);
    for (size_t i = 0; i < count; i++) {
        if (i + PREFETCH < count)
            __builtin_prefetch(&layer->slots[entries[i + PREFETCH].hash & mask], 1);
        insert(layer, &entries[i], batch->records.data + entries[i].offset);
    }
}

mr_status mr_layer_fill(mr_layer *layer, mr_batch *const *batches, size_t batches_count)
{
    MR_ASSERT(layer->batches_count == 0);
    size_t records = 0;
    for (size_t i = 0; i < batches_count; i++)
        records += mr_batch_count(batches[i]);
    MR_TRY(reserve_batches(layer, batches_count));
    MR_TRY(reserve_slots(layer, records));
    for (size_t i = 0; i < batches_count; i++) {
        mr_batch_take(layer->batches[i], batches[i]);
        layer->payload_bytes += layer->batches[i]->payload_bytes;
        index_batch(layer, layer->batches[i]);
    }
    layer->batches_count = batches_count;
    return MR_OK;
}

static void trim(mr_buffer *buffer)
{
    if (buffer->capacity > SPARE_BYTES_MAX)
        mr_buffer_fini(buffer);
}

void mr_layer_clear(mr_layer *layer)
{
    for (size_t i = 0; i < layer->batches_count; i++) {
        mr_batch_reset(layer->batches[i]);
        trim(&layer->batches[i]->records);
        trim(&layer->batches[i]->entries);
    }
    layer->batches_count = 0;
    layer->payload_bytes = 0;
    layer->superseded_count = 0;
    atomic_store_explicit(&layer->divided, false, memory_order_relaxed);
    if (layer->slots_capacity * sizeof layer->slots[0] > SPARE_BYTES_MAX) {
        free(layer->slots);
        layer->slots = NULL;
        layer->slots_capacity = 0;
    }
    for (uint32_t i = 0; i < layer->tables_count; i++) {
        mr_layer_table *table = &layer->tables[i];
        table->records_count = 0;
        if (table->records_capacity * sizeof table->records[0] > SPARE_BYTES_MAX) {
            free(table->records);
            table->records = NULL;
            table->records_capacity = 0;
        }
    }
}

const uint8_t *mr_layer_find(const mr_layer *layer, uint32_t hash, uint32_t table, mr_span key)
{
    const uint64_t slot = layer->slots[find_slot(layer, hash, table, key)];
    return slot == 0 ? NULL : slot_record(slot);
}
