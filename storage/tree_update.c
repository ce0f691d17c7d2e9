/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a set of changes into new versions of tiles:
 *
 *   1. keys are dealt into 256 groups by their first byte;
 *   2. index tiles near the top get new versions, down to where there is one region for about
 *      CHANGES_PER_TASK changes; each such region is a task, and tasks share nothing;
 *   3. a task sorts its changes, makes new versions of its tiles, collecting the digests to be
 *      computed by height, and computes them;
 *   4. digests of the top are computed. */
#include "storage/tree_internal.h"

#include <stdlib.h>

#include "base/assert.h"

enum {
    CHANGES_PER_TASK = 128,
    TASK_DEPTH_MAX = 8,
    GROUPS = 1 << TASK_DEPTH_MAX,
    TOPS_MAX = 1 + 4 + 16 + 64, /* index tiles of depth 0, 2, 4, 6 */
    INSERTION_SORT_MAX = 24,
};

/* A change and the first 64 bits of its key, which nearly always decide comparisons. */
typedef struct mr_tree_item {
    uint64_t prefix;
    const mr_tree_change *change;
} item;

typedef struct task {
    mr_region *region;
    uint32_t depth;
    mr_status status;
    size_t first; /* items */
    size_t count;
} task;

/* An index tile above the tasks. */
typedef struct top {
    mr_region *region;
    uint32_t depth;
    const mr_hash *prefix; /* some key below it */
} top;

typedef struct job {
    mr_tree *tree;
    item *items;
    item *scratch;
    size_t groups[GROUPS + 1]; /* first item of each group */
    task tasks[GROUPS];
    size_t tasks_count;
    top tops[TOPS_MAX];
    size_t tops_count;
} job;

/* ---- Sorting ---- */

static bool item_before(const item *a, const item *b)
{
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix;
    return memcmp(a->change->key.bytes, b->change->key.bytes, 32) < 0;
}

static void insertion_sort(item *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        item moving = items[i];
        size_t at = i;
        for (; at > 0 && item_before(&moving, &items[at - 1]); at--)
            items[at] = items[at - 1];
        items[at] = moving;
    }
}

/* Sorts by the bits of the prefix from `shift` + 7 downwards; those above are equal. Once the
 * prefix is used up, few items can be left that agree in all of it. */
static void radix_sort(item *items, item *scratch, size_t count, int shift)
{
    if (count <= INSERTION_SORT_MAX || shift < 0) {
        insertion_sort(items, count);
        return;
    }
    uint32_t ends[256] = {0};
    for (size_t i = 0; i < count; i++)
        ends[items[i].prefix >> shift & 255]++;
    uint32_t sum = 0;
    for (size_t i = 0; i < 256; i++) {
        sum += ends[i];
        ends[i] = sum - ends[i];
    }
    for (size_t i = 0; i < count; i++)
        scratch[ends[items[i].prefix >> shift & 255]++] = items[i];
    memcpy(items, scratch, count * sizeof *items);
    uint32_t start = 0;
    for (size_t i = 0; i < 256; start = ends[i++]) {
        if (ends[i] - start > 1)
            radix_sort(items + start, scratch + start, ends[i] - start, shift - 8);
    }
}

/* Deals items into groups by the first byte of their keys. */
static void group(job *at, const mr_tree_change *changes, size_t count)
{
    size_t counts[GROUPS] = {0};
    for (size_t i = 0; i < count; i++) {
        at->scratch[i] =
            (item){.prefix = mr_load_be64(changes[i].key.bytes), .change = &changes[i]};
        counts[changes[i].key.bytes[0]]++;
    }
    size_t next[GROUPS];
    size_t sum = 0;
    for (size_t i = 0; i < GROUPS; i++) {
        next[i] = at->groups[i] = sum;
        sum += counts[i];
    }
    at->groups[GROUPS] = sum;
    for (size_t i = 0; i < count; i++)
        at->items[next[at->scratch[i].prefix >> 56]++] = at->scratch[i];
}

/* ---- New versions ---- */

static mr_status supersede(mr_tree_worker *worker, mr_tile *tile, uint64_t update)
{
    if (tile->update == update) {
        mr_tree_tile_free(worker, tile);
        return MR_OK;
    }
    if (!MR_GROW(worker->superseded, worker->superseded_count, worker->superseded_capacity))
        return MR_NO_MEMORY;
    worker->superseded[worker->superseded_count++] = tile;
    return MR_OK;
}

/* Gives an index region a version of its tile that belongs to this update. */
static mr_status own_index(mr_tree *tree, mr_tree_worker *worker, mr_region *region, uint32_t depth,
                           const mr_hash *prefix, mr_index **out)
{
    MR_TRY(mr_tree_load(tree, worker, region, depth, prefix, tree->update));
    mr_index *index = (mr_index *)region->tile;
    if (index->tile.update != tree->update) {
        mr_index *copy = malloc(sizeof *copy);
        if (copy == NULL)
            return MR_NO_MEMORY;
        *copy = *index;
        copy->tile.update = tree->update;
        copy->tile.dirty = true;
        mr_status status = supersede(worker, &index->tile, tree->update);
        if (status != MR_OK) {
            free(copy);
            return status;
        }
        mr_tree_tile_made(worker, &copy->tile);
        region->tile = &copy->tile;
        index = copy;
    } else if (!index->tile.dirty) {
        index->tile.dirty = true;
        worker->dirty_bytes += (int64_t)sizeof *index;
    }
    for (uint32_t i = 0; i < 4; i++)
        index->regions[i].changed = false;
    *out = index;
    return MR_OK;
}

/* The number of items that belong to parts 0 .. part of an index at `depth`. */
static size_t part_end(const item *items, size_t count, uint32_t depth, uint32_t part)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mr_key_region(&items[middle].change->key, depth) <= part)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static mr_status update_region(mr_tree *tree, mr_tree_worker *worker, mr_region *region,
                               uint32_t depth, const item *items, size_t count);

/* Buckets that could be joined into one must be in memory for that. */
static mr_status load_for_join(mr_tree *tree, mr_tree_worker *worker, mr_index *index,
                               uint32_t depth, const mr_hash *prefix)
{
    uint32_t keys = 0;
    for (uint32_t i = 0; i < 4; i++) {
        if (index->regions[i].kind == MR_REGION_INDEX)
            return MR_OK;
        keys += index->regions[i].keys;
    }
    if (keys > MR_BUCKET_KEYS_JOIN)
        return MR_OK;
    for (uint32_t i = 0; i < 4; i++) {
        if (index->regions[i].kind == MR_REGION_EMPTY)
            continue;
        mr_hash part = *prefix;
        mr_prefix_set(&part, depth, i);
        MR_TRY(mr_tree_load(tree, worker, &index->regions[i], depth + 2, &part, tree->update));
    }
    return MR_OK;
}

static mr_status finish_index(mr_tree *tree, mr_tree_worker *worker, mr_region *region,
                              uint32_t depth, const mr_hash *prefix)
{
    mr_index *index = (mr_index *)region->tile;
    mr_index_combine(index, depth, &worker->plan, region);
    if (region->kind != MR_REGION_EMPTY)
        return region->changed ? load_for_join(tree, worker, index, depth, prefix) : MR_OK;
    region->tile = NULL;
    mr_tree_tile_free(worker, &index->tile);
    return mr_tree_dead(worker, depth, prefix);
}

static mr_status update_index(mr_tree *tree, mr_tree_worker *worker, mr_region *region,
                              uint32_t depth, const item *items, size_t count)
{
    mr_index *index;
    MR_TRY(own_index(tree, worker, region, depth, &items[0].change->key, &index));
    size_t ends[4];
    size_t start = 0;
    for (uint32_t part = 0; part < 4; part++) {
        ends[part] =
            part == 3 ? count : start + part_end(items + start, count - start, depth, part);
        if (ends[part] > start)
            __builtin_prefetch(index->regions[part].tile);
        start = ends[part];
    }
    start = 0;
    for (uint32_t part = 0; part < 4; start = ends[part++]) {
        if (ends[part] > start)
            MR_TRY(update_region(tree, worker, &index->regions[part], depth + 2, items + start,
                                 ends[part] - start));
    }
    return finish_index(tree, worker, region, depth, &items[0].change->key);
}

/* Where in the bucket `key` is, from `start` on, or where it would have to be. */
static uint32_t bucket_find(mr_bucket *bucket, uint32_t start, const item *wanted, bool *found)
{
    const mr_hash *keys = mr_bucket_keys(bucket);
    for (uint32_t i = start; i < bucket->tile.keys; i++) {
        uint64_t prefix = mr_load_be64(keys[i].bytes);
        int order = prefix != wanted->prefix ? (prefix > wanted->prefix) - (prefix < wanted->prefix)
                                             : memcmp(keys[i].bytes, wanted->change->key.bytes, 32);
        if (order >= 0) {
            *found = order == 0;
            return i;
        }
    }
    *found = false;
    return bucket->tile.keys;
}

/* Changes leaves of keys that are all there: the new version has the same shape. Leaves *done
 * false, and nothing changed, when that is not the case. */
static mr_status update_leaves(mr_tree *tree, mr_tree_worker *worker, mr_region *region,
                               const item *items, size_t count, bool *done)
{
    mr_bucket *old = (mr_bucket *)region->tile;
    *done = false;
    if (count > old->tile.keys)
        return MR_OK;
    uint8_t places[MR_BUCKET_KEYS_MAX];
    uint32_t place = 0;
    for (size_t i = 0; i < count; i++) {
        bool found;
        place = bucket_find(old, place, &items[i], &found);
        if (!found || !items[i].change->present)
            return MR_OK;
        places[i] = (uint8_t)place;
    }
    *done = true;
    uint32_t fresh = 0;
    for (size_t i = 0; i < count; i++) {
        if (!mr_hash_equal(&mr_bucket_leaves(old)[places[i]], &items[i].change->leaf))
            fresh |= 1u << places[i];
    }
    if (fresh == 0)
        return MR_OK;
    mr_bucket *made = mr_bucket_new(old->tile.keys, tree->update);
    if (made == NULL)
        return MR_NO_MEMORY;
    memcpy(made->tile.branch_bits, old->tile.branch_bits, sizeof old->tile.branch_bits);
    memcpy(made->digests, old->digests, 4 * (size_t)old->tile.keys * sizeof(mr_hash));
    mr_status status = supersede(worker, &old->tile, tree->update);
    if (status != MR_OK) {
        free(made);
        return status;
    }
    mr_tree_tile_made(worker, &made->tile);
    region->tile = &made->tile;
    for (size_t i = 0; i < count; i++) {
        mr_hash *leaf = &mr_bucket_leaves(made)[places[i]];
        if ((fresh >> places[i] & 1) == 0)
            continue;
        *leaf = items[i].change->leaf;
        (void)mr_hash_plan_pair(
            &worker->plan, MR_HASH_LEAF, (mr_hash_ref){.at = &mr_bucket_keys(made)[places[i]]},
            (mr_hash_ref){.at = leaf}, &mr_bucket_leaf_digests(made)[places[i]]);
    }
    mr_bucket_plan(made, &(mr_bucket_reuse){.fresh = fresh}, &worker->plan, region);
    return MR_OK;
}

/* Merges the keys of a bucket, or of none, with the changes. Returns the number of entries, and in
 * *changed whether there is any difference. */
static size_t merge(mr_tree_worker *worker, mr_bucket *old, const item *items, size_t count,
                    bool *changed)
{
    mr_tree_entry *entries = worker->entries;
    size_t entries_count = 0;
    uint32_t old_count = old == NULL ? 0 : old->tile.keys;
    uint32_t place = 0;
    *changed = false;
    for (size_t i = 0; i <= count; i++) {
        bool found = false;
        uint32_t stop = old_count;
        if (i < count && old != NULL)
            stop = bucket_find(old, place, &items[i], &found);
        for (; place < stop; place++)
            entries[entries_count++] =
                (mr_tree_entry){.key = &mr_bucket_keys(old)[place],
                                .leaf = &mr_bucket_leaves(old)[place],
                                .digest = &mr_bucket_leaf_digests(old)[place],
                                .number = (int8_t)place};
        if (i == count)
            break;
        const mr_tree_change *change = items[i].change;
        bool same =
            found && change->present && mr_hash_equal(&mr_bucket_leaves(old)[place], &change->leaf);
        *changed |= !same && (found || change->present);
        if (change->present)
            entries[entries_count++] =
                (mr_tree_entry){.key = &change->key,
                                .leaf = &change->leaf,
                                .digest = same ? &mr_bucket_leaf_digests(old)[place] : NULL,
                                .number = (int8_t)(found ? (int)place : -1)};
        place += found;
    }
    return entries_count;
}

static mr_status update_bucket(mr_tree *tree, mr_tree_worker *worker, mr_region *region,
                               uint32_t depth, const item *items, size_t count)
{
    region->changed = false;
    if (region->kind == MR_REGION_BUCKET) {
        bool done;
        MR_TRY(mr_tree_load(tree, worker, region, depth, &items[0].change->key, tree->update));
        MR_TRY(update_leaves(tree, worker, region, items, count, &done));
        if (done)
            return MR_OK;
    }
    size_t needed = count + MR_BUCKET_KEYS_MAX;
    if (worker->entries_capacity < needed &&
        !mr_tree_grow((void **)&worker->entries, &worker->entries_capacity, sizeof *worker->entries,
                      needed))
        return MR_NO_MEMORY;
    mr_bucket *old = (mr_bucket *)region->tile;
    bool changed;
    size_t entries_count = merge(worker, old, items, count, &changed);
    if (!changed)
        return MR_OK;
    mr_status status;
    if (entries_count > 0) {
        status =
            mr_tree_build(worker, region, depth, worker->entries, entries_count, old, tree->update);
    } else {
        *region = (mr_region){.changed = true};
        status = mr_tree_dead(worker, depth, &items[0].change->key);
    }
    if (old == NULL)
        return status;
    mr_status superseded = supersede(worker, &old->tile, tree->update);
    return status != MR_OK ? status : superseded;
}

static mr_status update_region(mr_tree *tree, mr_tree_worker *worker, mr_region *region,
                               uint32_t depth, const item *items, size_t count)
{
    return region->kind == MR_REGION_INDEX
               ? update_index(tree, worker, region, depth, items, count)
               : update_bucket(tree, worker, region, depth, items, count);
}

/* ---- Tasks ---- */

static void run_task(void *arg, size_t number, uint32_t worker_number)
{
    job *at = arg;
    task *todo = &at->tasks[number];
    mr_tree_worker *worker = &at->tree->workers[worker_number];
    item *items = at->items + todo->first;
    radix_sort(items, at->scratch + todo->first, todo->count, 56 - (int)todo->depth);
    todo->status = update_region(at->tree, worker, todo->region, todo->depth, items, todo->count);
    mr_status hashed = mr_hash_plan_run(&worker->plan);
    if (todo->status == MR_OK)
        todo->status = hashed;
    if (todo->region->changed)
        todo->region->height = 0;
}

/* Gives the index tiles above `task_depth` new versions and notes the tasks below. `group_first`
 * and `group_count` are the groups of items that belong to the region. */
static mr_status plan_tasks(job *at, mr_region *region, uint32_t depth, uint32_t task_depth,
                            size_t group_first, size_t group_count)
{
    size_t first = at->groups[group_first];
    size_t count = at->groups[group_first + group_count] - first;
    if (count == 0)
        return MR_OK;
    if (depth == task_depth || region->kind != MR_REGION_INDEX) {
        at->tasks[at->tasks_count++] =
            (task){.region = region, .depth = depth, .first = first, .count = count};
        return MR_OK;
    }
    mr_index *index;
    const mr_hash *prefix = &at->items[first].change->key;
    MR_TRY(own_index(at->tree, &at->tree->workers[0], region, depth, prefix, &index));
    at->tops[at->tops_count++] = (top){.region = region, .depth = depth, .prefix = prefix};
    for (uint32_t part = 0; part < 4; part++)
        MR_TRY(plan_tasks(at, &index->regions[part], depth + 2, task_depth,
                          group_first + part * group_count / 4, group_count / 4));
    return MR_OK;
}

/* Tops were noted from the root downwards, so going backwards meets the lower ones first. */
static mr_status finish_tops(job *at)
{
    mr_tree_worker *worker = &at->tree->workers[0];
    mr_status status = MR_OK;
    for (size_t i = at->tops_count; i-- > 0 && status == MR_OK;)
        status = finish_index(at->tree, worker, at->tops[i].region, at->tops[i].depth,
                              at->tops[i].prefix);
    mr_status hashed = mr_hash_plan_run(&worker->plan);
    return status != MR_OK ? status : hashed;
}

static mr_status run_job(job *at, mr_region *root, size_t changes_count,
                         const mr_parallel *parallel)
{
    uint32_t task_depth = 0;
    while (task_depth < TASK_DEPTH_MAX && changes_count >> task_depth > CHANGES_PER_TASK)
        task_depth += 2;
    MR_TRY(plan_tasks(at, root, 0, task_depth, 0, GROUPS));
    mr_parallel_run(parallel, at->tasks_count, run_task, at);
    for (size_t i = 0; i < at->tasks_count; i++)
        MR_TRY(at->tasks[i].status);
    return finish_tops(at);
}

/* Adds the changes to the record of what is pending: number of puts and removals, each put's key
 * and leaf, each removal's key. */
static mr_status note_pending(mr_tree *tree, const mr_tree_change *changes, size_t count)
{
    mr_buffer *pending = &tree->pending;
    if (count > UINT32_MAX)
        return MR_LIMIT;
    MR_TRY(mr_buffer_reserve(pending, sizeof(mr_hash) + 8 + count * 64));
    if (pending->size == 0)
        pending->size = sizeof(mr_hash); /* for the root, known when the record is written */
    size_t head = pending->size;
    uint8_t *to = pending->data + head + 8;
    uint32_t puts = 0;
    for (size_t i = 0; i < count; i++) {
        if (!changes[i].present)
            continue;
        memcpy(to, changes[i].key.bytes, 32);
        memcpy(to + 32, changes[i].leaf.bytes, 32);
        to += 64;
        puts++;
    }
    for (size_t i = 0; puts < count && i < count; i++) {
        if (!changes[i].present)
            to = (uint8_t *)mempcpy(to, changes[i].key.bytes, 32);
    }
    mr_store_le32(pending->data + head, puts);
    mr_store_le32(pending->data + head + 4, (uint32_t)count - puts);
    pending->size = (size_t)(to - pending->data);
    return MR_OK;
}

static mr_status reserve(mr_tree *tree, size_t changes_count, uint32_t workers_count)
{
    MR_TRY(mr_tree_workers(tree, workers_count));
    if (tree->items_capacity >= changes_count)
        return MR_OK;
    item *items = malloc(2 * changes_count * sizeof *items);
    if (items == NULL)
        return MR_NO_MEMORY;
    free(tree->items);
    tree->items = items;
    tree->items_capacity = changes_count;
    return MR_OK;
}

/* Takes over the workers' lists: tiles that only a version since the last write has seen die at
 * once, the others wait for the next write. */
static mr_status take_lists(mr_tree *tree)
{
    size_t superseded = tree->superseded_count;
    size_t dead = tree->dead_count;
    for (uint32_t i = 0; i < tree->workers_count; i++) {
        superseded += tree->workers[i].superseded_count;
        dead += tree->workers[i].dead_count;
    }
    if ((tree->superseded_capacity < superseded &&
         !mr_tree_grow((void **)&tree->superseded, &tree->superseded_capacity,
                       sizeof *tree->superseded, superseded)) ||
        (tree->dead_capacity < dead &&
         !mr_tree_grow((void **)&tree->dead, &tree->dead_capacity, sizeof *tree->dead, dead)))
        return MR_NO_MEMORY;
    for (uint32_t i = 0; i < tree->workers_count; i++) {
        mr_tree_worker *worker = &tree->workers[i];
        for (size_t j = 0; j < worker->superseded_count; j++) {
            if (worker->superseded[j]->update > tree->written_update)
                mr_tree_tile_free(worker, worker->superseded[j]);
            else
                tree->superseded[tree->superseded_count++] = worker->superseded[j];
        }
        for (size_t j = 0; j < worker->dead_count; j++)
            tree->dead[tree->dead_count++] = worker->dead[j];
    }
    return MR_OK;
}

static mr_status update(mr_tree *tree, mr_region *root, mr_tree_change *changes,
                        size_t changes_count, const mr_parallel *parallel)
{
    job *at = malloc(sizeof *at);
    if (at == NULL)
        return MR_NO_MEMORY;
    at->tree = tree;
    at->items = tree->items;
    at->scratch = tree->items + changes_count;
    at->tasks_count = 0;
    at->tops_count = 0;
    group(at, changes, changes_count);
    mr_status status = run_job(at, root, changes_count, parallel);
    free(at);
    return status == MR_OK ? take_lists(tree) : status;
}

mr_status mr_tree_update(mr_tree *tree, mr_tree_change *changes, size_t changes_count,
                         const mr_parallel *parallel, mr_error *error)
{
    if (changes_count == 0)
        return MR_OK;
    size_t pending_bytes = tree->pending.size;
    uint32_t workers = parallel == NULL || parallel->run == NULL ? 1 : parallel->workers_count;
    mr_status status = reserve(tree, changes_count, workers);
    if (status == MR_OK)
        status = note_pending(tree, changes, changes_count);
    if (status != MR_OK)
        return MR_FAIL(error, status, "the state tree cannot take %zu changes: %s", changes_count,
                       mr_status_text(status));
    tree->update++;
    mr_region root = tree->root;
    status = update(tree, &root, changes, changes_count, parallel);
    if (status == MR_OK) {
        tree->root = root;
    } else {
        mr_tree_drop_newer(tree, &root, tree->update - 1);
        tree->pending.size = pending_bytes;
        (void)MR_FAIL(error, status, "updating the state tree: %s", mr_status_text(status));
    }
    mr_tree_settle(tree);
    return status;
}
