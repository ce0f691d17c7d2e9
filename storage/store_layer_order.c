/* SPDX-License-Identifier: Apache-2.0 */
/* The records of a layer in the order of their keys. */
#include "storage/store_layer.h"

#include <stdlib.h>

#include "base/assert.h"

enum { BUCKETS = 1024, INSERT_MAX = 64 };

/* ---- Parts ---- */

static bool is_superseded(const mr_batch *batch, const mr_batch_entry *entry)
{
    return (mr_load_le32(batch->records.data + entry->offset) & MR_RECORD_SUPERSEDED) != 0;
}

static void count_parts(mr_layer *layer)
{
    for (size_t b = 0; b < layer->batches_count; b++) {
        const mr_batch *batch = layer->batches[b];
        const mr_batch_entry *entries = mr_batch_entries(batch);
        for (size_t i = 0; i < mr_batch_count(batch); i++) {
            if (layer->superseded_count == 0 || !is_superseded(batch, &entries[i]))
                layer->tables[entries[i].table].ends[mr_part_of(entries[i].head)]++;
        }
    }
}

/* Puts each record into its part; those of a part stay in the order in which they came. */
static void fill_parts(mr_layer *layer)
{
    for (size_t b = 0; b < layer->batches_count; b++) {
        const mr_batch *batch = layer->batches[b];
        const mr_batch_entry *entries = mr_batch_entries(batch);
        for (size_t i = 0; i < mr_batch_count(batch); i++) {
            if (layer->superseded_count > 0 && is_superseded(batch, &entries[i]))
                continue;
            mr_layer_table *table = &layer->tables[entries[i].table];
            table->records[table->ends[mr_part_of(entries[i].head)]++] = (mr_record){
                .head = entries[i].head, .bytes = batch->records.data + entries[i].offset};
        }
    }
}

static mr_status reserve_records(mr_layer_table *table)
{
    if (table->records_capacity >= table->records_count)
        return MR_OK;
    mr_record *records = malloc(table->records_count * sizeof *records);
    if (records == NULL)
        return MR_NO_MEMORY;
    free(table->records);
    table->records = records;
    table->records_capacity = table->records_count;
    return MR_OK;
}

static mr_status divide(mr_layer *layer)
{
    for (uint32_t t = 0; t < layer->tables_count; t++) {
        mr_layer_table *table = &layer->tables[t];
        MR_TRY(reserve_records(table));
        memset(table->ends, 0, sizeof table->ends);
        for (uint32_t p = 0; p < MR_PARTS; p++)
            atomic_store_explicit(&table->sorted[p], false, memory_order_relaxed);
    }
    count_parts(layer);
    for (uint32_t t = 0; t < layer->tables_count; t++) {
        size_t before = 0;
        for (uint32_t p = 0; p < MR_PARTS; p++) {
            const size_t count = layer->tables[t].ends[p];
            layer->tables[t].ends[p] = before; /* where fill_parts begins */
            before += count;
        }
        MR_ASSERT(before == layer->tables[t].records_count);
    }
    fill_parts(layer);
    return MR_OK;
}

static mr_status need_divided(mr_layer *layer)
{
    if (atomic_load_explicit(&layer->divided, memory_order_acquire))
        return MR_OK;
    pthread_mutex_lock(&layer->divide_lock);
    mr_status status = MR_OK;
    if (!atomic_load_explicit(&layer->divided, memory_order_relaxed))
        status = divide(layer);
    if (status == MR_OK)
        atomic_store_explicit(&layer->divided, true, memory_order_release);
    pthread_mutex_unlock(&layer->divide_lock);
    return status;
}

static size_t begin_of(const mr_layer_table *table, uint32_t part)
{
    return part == 0 ? 0 : table->ends[part - 1];
}

/* ---- Sorting one part ---- */

static mr_span key_of(const mr_record *record)
{
    return mr_record_read(record->bytes).key;
}

/* Heads decide between most keys, at no look at the records. */
static int compare(const mr_record *a, const mr_record *b)
{
    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    return mr_span_compare(key_of(a), key_of(b));
}

static int by_key(const void *a, const void *b)
{
    return compare(a, b);
}

static void sort_records(mr_record *records, size_t count)
{
    if (count > INSERT_MAX) {
        qsort(records, count, sizeof *records, by_key);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        const mr_record record = records[i];
        size_t at = i;
        for (; at > 0 && compare(&records[at - 1], &record) > 0; at--)
            records[at] = records[at - 1];
        records[at] = record;
    }
}

/* Records that stand one after the other with one head and in order: what a program wrote. */
typedef struct run {
    uint64_t head;
    uint32_t first, count;
} run;

static size_t find_runs(const mr_record *records, size_t count, run *runs)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && records[i - 1].head == records[i].head &&
            compare(&records[i - 1], &records[i]) < 0)
            runs[found - 1].count++;
        else
            runs[found++] = (run){records[i].head, (uint32_t)i, 1};
    }
    return found;
}

static void sort_few(run *runs, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        const run moved = runs[i];
        size_t at = i;
        for (; at > 0 && runs[at - 1].head > moved.head; at--)
            runs[at] = runs[at - 1];
        runs[at] = moved;
    }
}

static int by_head(const void *a, const void *b)
{
    const run *left = a, *right = b;
    return (left->head > right->head) - (left->head < right->head);
}

/* Sorts runs by heads only: by buckets first, into which the beginnings of digests fall evenly.
 * `sorted` has room for as many. */
static void sort_runs(const run *runs, size_t count, run *sorted)
{
    uint32_t ends[BUCKETS + 1] = {0};
    uint64_t least = UINT64_MAX, greatest = 0;
    uint32_t shift = 0, first = 0;
    for (size_t i = 0; i < count; i++) {
        least = runs[i].head < least ? runs[i].head : least;
        greatest = runs[i].head > greatest ? runs[i].head : greatest;
    }
    while ((greatest - least) >> shift >= BUCKETS)
        shift++;
    for (size_t i = 0; i < count; i++)
        ends[1 + ((runs[i].head - least) >> shift)]++;
    for (size_t b = 1; b <= BUCKETS; b++)
        ends[b] += ends[b - 1];
    for (size_t i = 0; i < count; i++)
        sorted[ends[(runs[i].head - least) >> shift]++] = runs[i];
    for (size_t b = 0; b < BUCKETS; first = ends[b++]) {
        if (ends[b] - first > INSERT_MAX)
            qsort(sorted + first, ends[b] - first, sizeof *sorted, by_head);
        else
            sort_few(sorted + first, ends[b] - first);
    }
}

/* Lays the runs end to end, and sorts what has one head and came in several that are not in order.
 */
static void lay_out(const mr_record *records, const run *runs, size_t count, mr_record *out)
{
    size_t done = 0, same = 0; /* from `same` on the head is that of the run before */
    bool ordered = true;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && runs[i].head != runs[i - 1].head) {
            if (!ordered)
                sort_records(out + same, done - same);
            same = done;
            ordered = true;
        }
        memcpy(out + done, records + runs[i].first, runs[i].count * sizeof *out);
        ordered = ordered && (done == same || compare(&out[done - 1], &out[done]) < 0);
        done += runs[i].count;
    }
    if (!ordered)
        sort_records(out + same, done - same);
}

static mr_status sort_part(mr_record *records, size_t count)
{
    if (count <= INSERT_MAX || count > UINT32_MAX) {
        sort_records(records, count);
        return MR_OK;
    }
    static_assert(sizeof(run) == sizeof(mr_record), "runs are laid out over records");
    run *runs = malloc(2 * count * sizeof *runs);
    if (runs == NULL)
        return MR_NO_MEMORY;
    const size_t found = find_runs(records, count, runs);
    mr_record *out = malloc(count * sizeof *out);
    if (out != NULL) {
        sort_runs(runs, found, runs + count);
        lay_out(records, runs + count, found, out);
        memcpy(records, out, count * sizeof *out);
    }
    free(out);
    free(runs);
    return out == NULL ? MR_NO_MEMORY : MR_OK;
}

static mr_status need_sorted(mr_layer *layer, mr_layer_table *table, uint32_t part)
{
    if (atomic_load_explicit(&table->sorted[part], memory_order_acquire))
        return MR_OK;
    pthread_mutex_t *lock = &layer->sort_locks[part % MR_SORT_LOCKS];
    pthread_mutex_lock(lock);
    mr_status status = MR_OK;
    if (!atomic_load_explicit(&table->sorted[part], memory_order_relaxed)) {
        const size_t begin = begin_of(table, part);
        status = sort_part(table->records + begin, table->ends[part] - begin);
    }
    if (status == MR_OK)
        atomic_store_explicit(&table->sorted[part], true, memory_order_release);
    pthread_mutex_unlock(lock);
    return status;
}

/* Points *out at the records of some parts, in order. */
static mr_status list(mr_layer *layer, uint32_t number, uint32_t first, uint32_t end,
                      const mr_record **out, size_t *count)
{
    mr_layer_table *table = &layer->tables[number];
    *out = NULL;
    *count = 0;
    if (table->records_count == 0)
        return MR_OK;
    MR_TRY(need_divided(layer));
    for (uint32_t p = first; p < end; p++) {
        if (table->ends[p] > begin_of(table, p))
            MR_TRY(need_sorted(layer, table, p));
    }
    *out = table->records + begin_of(table, first);
    *count = table->ends[end - 1] - begin_of(table, first);
    return MR_OK;
}

/* ---- Ranges ---- */

/* Whether `key` comes before all keys >= `bound`, or (past_prefix) before or among those that start
 * with it. */
static bool is_before(mr_span key, mr_span bound, bool past_prefix)
{
    if (past_prefix && key.size > bound.size)
        key.size = bound.size;
    int order = mr_span_compare(key, bound);
    return order < 0 || (past_prefix && order == 0);
}

/* The first record at or after `low` that is_before does not hold for. */
static size_t search(const mr_record *records, size_t low, size_t high, mr_span bound,
                     bool past_prefix)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_before(key_of(&records[middle]), bound, past_prefix))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

mr_status mr_layer_range(mr_layer *layer, uint32_t number, mr_span prefix, mr_span from,
                         const mr_record **out, size_t *count)
{
    const mr_span low = mr_span_compare(prefix, from) > 0 ? prefix : from;
    const uint32_t first = mr_part_of(mr_span_head(low)), last = mr_part_of(mr_prefix_last(prefix));
    *out = NULL;
    *count = 0;
    if (first > last)
        return MR_OK;
    const mr_record *records;
    size_t listed;
    MR_TRY(list(layer, number, first, last + 1, &records, &listed));
    const size_t begin = search(records, 0, listed, low, false);
    const size_t end = prefix.size == 0 ? listed : search(records, begin, listed, prefix, true);
    if (end > begin) {
        *out = records + begin;
        *count = end - begin;
    }
    return MR_OK;
}

/* ---- All changes ---- */

static size_t count_changes(const mr_changes *base, uint32_t table)
{
    return ((const mr_layer_changes *)base)->layer->tables[table].records_count;
}

static mr_status list_changes(mr_changes *base, uint32_t table, uint32_t first, uint32_t end,
                              const mr_record **out, size_t *count)
{
    return list(((mr_layer_changes *)base)->layer, table, first, end, out, count);
}

mr_layer_changes mr_layer_changes_of(mr_layer *layer)
{
    return (mr_layer_changes){.changes = {.tables_count = layer->tables_count,
                                          .count = count_changes,
                                          .list = list_changes},
                              .layer = layer};
}
