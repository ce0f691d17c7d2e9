/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/store_layer.h"

#include <stdlib.h>

#include "base/assert.h"

enum { ADDRESS_BITS = 48, SLOTS_MIN = 64, PREFETCH = 8, BUCKETS = 4096, INSERT_MAX = 64 };
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
    pthread_mutex_init(&layer->sort_lock, NULL);
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
        free(layer->tables[i].items);
    free(layer->batches);
    free(layer->slots);
    pthread_mutex_destroy(&layer->sort_lock);
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
        mr_batch *spare = calloc(1, sizeof *spare);
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
    if (layer->slots_capacity * sizeof layer->slots[0] > SPARE_BYTES_MAX) {
        free(layer->slots);
        layer->slots = NULL;
        layer->slots_capacity = 0;
    }
    for (uint32_t i = 0; i < layer->tables_count; i++) {
        mr_layer_table *table = &layer->tables[i];
        table->records_count = 0;
        atomic_store_explicit(&table->sorted, false, memory_order_relaxed);
        if (table->items_capacity * sizeof table->items[0] > SPARE_BYTES_MAX) {
            free(table->items);
            table->items = NULL;
            table->items_capacity = 0;
        }
    }
}

const uint8_t *mr_layer_find(const mr_layer *layer, uint32_t hash, uint32_t table, mr_span key)
{
    const uint64_t slot = layer->slots[find_slot(layer, hash, table, key)];
    return slot == 0 ? NULL : slot_record(slot);
}

/* ---- Tables in order ---- */

/* Heads decide between most keys, at no look at the records. */
static int compare(const mr_layer_item *a, const mr_layer_item *b)
{
    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    return mr_span_compare(mr_record_read(a->record).key, mr_record_read(b->record).key);
}

static int by_key(const void *a, const void *b)
{
    return compare(a, b);
}

/* What one program or one stream has written is in order already, most often. */
static void sort_few(mr_layer_item *items, size_t count)
{
    if (count > INSERT_MAX) {
        qsort(items, count, sizeof *items, by_key);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        const mr_layer_item item = items[i];
        size_t at = i;
        for (; at > 0 && compare(&items[at - 1], &item) > 0; at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
}

/* Which of the buckets a head falls into, when the heads from `least` on are spread over them. */
typedef struct spread {
    uint64_t least;
    uint32_t shift;
} spread;

static spread spread_of(const mr_layer_item *items, size_t count)
{
    uint64_t least = UINT64_MAX, greatest = 0;
    for (size_t i = 0; i < count; i++) {
        least = items[i].head < least ? items[i].head : least;
        greatest = items[i].head > greatest ? items[i].head : greatest;
    }
    uint32_t shift = 0;
    while ((greatest - least) >> shift >= BUCKETS)
        shift++;
    return (spread){least, shift};
}

/* Sorts by buckets of heads first: keys that begin with digests fall evenly into them, and a bucket
 * is in the nearest cache. `scratch` has room for as many items. */
static void sort_items(mr_layer_item *items, size_t count, mr_layer_item *scratch)
{
    uint32_t ends[BUCKETS + 1] = {0};
    const spread by = spread_of(items, count);
    for (size_t i = 0; i < count; i++)
        ends[1 + ((items[i].head - by.least) >> by.shift)]++;
    for (size_t b = 1; b <= BUCKETS; b++)
        ends[b] += ends[b - 1];
    for (size_t i = 0; i < count; i++)
        scratch[ends[(items[i].head - by.least) >> by.shift]++] = items[i];
    uint32_t first = 0;
    for (size_t b = 0; b < BUCKETS; b++) {
        sort_few(scratch + first, ends[b] - first);
        first = ends[b];
    }
    memcpy(items, scratch, count * sizeof *items);
}

/* Gathers the items of a table, those of superseded records left out. */
static void gather(const mr_layer *layer, uint32_t table, mr_layer_item *items)
{
    size_t count = 0;
    for (size_t b = 0; b < layer->batches_count; b++) {
        const mr_batch *batch = layer->batches[b];
        const mr_batch_entry *entries = mr_batch_entries(batch);
        for (size_t i = 0; i < mr_batch_count(batch); i++) {
            if (entries[i].table != table)
                continue;
            if (i + PREFETCH < mr_batch_count(batch))
                __builtin_prefetch(batch->records.data + entries[i + PREFETCH].offset);
            const uint8_t *record = batch->records.data + entries[i].offset;
            if ((mr_load_le32(record) & MR_RECORD_SUPERSEDED) == 0)
                items[count++] = (mr_layer_item){.head = mr_span_head(mr_record_read(record).key),
                                                 .record = record};
        }
    }
    MR_ASSERT(count == layer->tables[table].records_count);
}

static mr_status sort_table(mr_layer *layer, uint32_t number)
{
    mr_layer_table *table = &layer->tables[number];
    if (table->items_capacity < table->records_count) {
        mr_layer_item *items = malloc(table->records_count * sizeof *items);
        if (items == NULL)
            return MR_NO_MEMORY;
        free(table->items);
        table->items = items;
        table->items_capacity = table->records_count;
    }
    gather(layer, number, table->items);
    if (table->records_count <= BUCKETS / 4 || table->records_count > UINT32_MAX) {
        sort_few(table->items, table->records_count);
    } else {
        mr_layer_item *scratch = malloc(table->records_count * sizeof *scratch);
        if (scratch == NULL)
            return MR_NO_MEMORY;
        sort_items(table->items, table->records_count, scratch);
        free(scratch);
    }
    atomic_store_explicit(&table->sorted, true, memory_order_release);
    return MR_OK;
}

static mr_status need_sorted(mr_layer *layer, uint32_t number)
{
    if (atomic_load_explicit(&layer->tables[number].sorted, memory_order_acquire))
        return MR_OK;
    pthread_mutex_lock(&layer->sort_lock);
    mr_status status = MR_OK;
    if (!atomic_load_explicit(&layer->tables[number].sorted, memory_order_relaxed))
        status = sort_table(layer, number);
    pthread_mutex_unlock(&layer->sort_lock);
    return status;
}

/* Whether `key` comes before all keys >= `bound`, or (past_prefix) before or among those that start
 * with it. */
static bool is_before(mr_span key, mr_span bound, bool past_prefix)
{
    if (past_prefix && key.size > bound.size)
        key.size = bound.size;
    int order = mr_span_compare(key, bound);
    return order < 0 || (past_prefix && order == 0);
}

/* The first item at or after `low` that is_before does not hold for. */
static size_t search(const mr_layer_table *table, size_t low, mr_span bound, bool past_prefix)
{
    size_t high = table->records_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_before(mr_record_read(table->items[middle].record).key, bound, past_prefix))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

mr_status mr_layer_range(mr_layer *layer, uint32_t number, mr_span prefix, mr_span from,
                         const mr_layer_item **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    const mr_layer_table *table = &layer->tables[number];
    if (table->records_count == 0)
        return MR_OK;
    MR_TRY(need_sorted(layer, number));
    size_t first = search(table, 0, mr_span_compare(prefix, from) > 0 ? prefix : from, false);
    size_t end = prefix.size == 0 ? table->records_count : search(table, first, prefix, true);
    if (end > first) {
        *out = table->items + first;
        *count = end - first;
    }
    return MR_OK;
}

static bool source_next(mr_change_source *base, mr_change *out)
{
    mr_layer_source *source = (mr_layer_source *)base;
    const mr_layer *layer = source->layer;
    while (source->table < layer->tables_count &&
           source->item == layer->tables[source->table].records_count) {
        source->table++;
        source->item = 0;
    }
    if (source->table == layer->tables_count)
        return false;
    const mr_layer_table *table = &layer->tables[source->table];
    if (source->item + PREFETCH < table->records_count)
        __builtin_prefetch(table->items[source->item + PREFETCH].record);
    *out = mr_record_read(table->items[source->item++].record);
    return true;
}

mr_status mr_layer_source_open(mr_layer *layer, mr_layer_source *out)
{
    for (uint32_t i = 0; i < layer->tables_count; i++) {
        if (layer->tables[i].records_count > 0)
            MR_TRY(need_sorted(layer, i));
    }
    *out = (mr_layer_source){.source = {.next = source_next}, .layer = layer};
    return MR_OK;
}
