/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a tree holds
 *     'h'                           head: format version, number of the last record contained in
 *                                   the tiles, root region
 *     't' depth / 2, prefix bytes   tiles
 *     'r' number, 8 big-endian      records of changes: the root after them, then per update what
 *                                   note_pending in tree_update.c writes
 * See docs/FORMATS.md. */
#include "storage/tree.h"

#include <stdlib.h>

#include "base/assert.h"
#include "storage/tree_internal.h"

enum {
    FORMAT_VERSION = 1,
    HEAD_BYTES = 4 + 8 + 2 + 32,
    RECORD_KEY_BYTES = 9,
    CACHE_BYTES_DEFAULT = 256 << 20,
};

static const uint8_t HEAD_KEY[] = {'h'};

/* ---- Memory ---- */

bool mr_tree_grow(void **at, size_t *capacity, size_t item_bytes, size_t needed)
{
    size_t grown_capacity = *capacity < 32 ? 64 : 2 * *capacity;
    if (grown_capacity < needed)
        grown_capacity = needed;
    void *grown = reallocarray(*at, grown_capacity, item_bytes);
    if (grown == NULL)
        return false;
    *at = grown;
    *capacity = grown_capacity;
    return true;
}

mr_status mr_tree_workers(mr_tree *tree, uint32_t count)
{
    if (count <= tree->workers_count)
        return MR_OK;
    mr_tree_worker *grown = reallocarray(tree->workers, count, sizeof *grown);
    if (grown == NULL)
        return MR_NO_MEMORY;
    memset(grown + tree->workers_count, 0, (count - tree->workers_count) * sizeof *grown);
    tree->workers = grown;
    tree->workers_count = count;
    return MR_OK;
}

static void worker_fini(mr_tree_worker *worker)
{
    mr_hash_plan_fini(&worker->plan);
    mr_hash_plan_fini(&worker->load_plan);
    mr_buffer_fini(&worker->value);
    free(worker->entries);
    free(worker->superseded);
    free(worker->dead);
}

void mr_tree_settle(mr_tree *tree)
{
    for (uint32_t i = 0; i < tree->workers_count; i++) {
        mr_tree_worker *worker = &tree->workers[i];
        tree->tiles_bytes += worker->tiles_bytes;
        tree->dirty_bytes += worker->dirty_bytes;
        worker->tiles_bytes = 0;
        worker->dirty_bytes = 0;
        worker->superseded_count = 0;
        worker->dead_count = 0;
    }
    MR_ASSERT(tree->tiles_bytes >= 0 && tree->dirty_bytes >= 0);
}

void mr_tree_tile_made(mr_tree_worker *worker, const mr_tile *tile)
{
    int64_t bytes = (int64_t)mr_tile_bytes(tile);
    worker->tiles_bytes += bytes;
    worker->dirty_bytes += tile->dirty ? bytes : 0;
}

void mr_tree_tile_free(mr_tree_worker *worker, mr_tile *tile)
{
    int64_t bytes = (int64_t)mr_tile_bytes(tile);
    worker->tiles_bytes -= bytes;
    worker->dirty_bytes -= tile->dirty ? bytes : 0;
    free(tile);
}

mr_status mr_tree_dead(mr_tree_worker *worker, uint32_t depth, const mr_hash *prefix)
{
    if (!MR_GROW(worker->dead, worker->dead_count, worker->dead_capacity))
        return MR_NO_MEMORY;
    worker->dead[worker->dead_count++] = (mr_dead_tile){.depth = depth, .prefix = *prefix};
    return MR_OK;
}

void mr_tree_drop_newer(mr_tree *tree, mr_region *region, uint64_t update)
{
    mr_tile *tile = region->tile;
    if (tile == NULL || tile->update <= update)
        return;
    if (tile->kind == MR_REGION_INDEX) {
        for (uint32_t i = 0; i < 4; i++)
            mr_tree_drop_newer(tree, &((mr_index *)tile)->regions[i], update);
    }
    mr_tree_tile_free(&tree->workers[0], tile);
    region->tile = NULL;
}

static void free_tiles(mr_tile *tile)
{
    if (tile == NULL)
        return;
    if (tile->kind == MR_REGION_INDEX) {
        for (uint32_t i = 0; i < 4; i++)
            free_tiles(((mr_index *)tile)->regions[i].tile);
    }
    free(tile);
}

void mr_tree_free(mr_tree *tree)
{
    if (tree == NULL)
        return;
    if (tree->workers != NULL)
        mr_tree_revert(tree);
    free_tiles(tree->root.tile);
    for (uint32_t i = 0; i < tree->workers_count; i++)
        worker_fini(&tree->workers[i]);
    free(tree->workers);
    free(tree->items);
    free(tree->superseded);
    free(tree->dead);
    mr_buffer_fini(&tree->pending);
    free(tree);
}

/* ---- Tiles ---- */

mr_status mr_tree_load(mr_tree *tree, mr_tree_worker *worker, mr_region *region, uint32_t depth,
                       const mr_hash *prefix, uint64_t update)
{
    MR_ASSERT(region->kind != MR_REGION_EMPTY);
    if (region->tile != NULL)
        return MR_OK;
    uint8_t key[MR_TILE_KEY_BYTES_MAX];
    size_t key_bytes = mr_tile_key(depth, prefix, key);
    worker->value.size = 0;
    mr_status status =
        mr_store_get(tree->store, tree->table, mr_span_of(key, key_bytes), &worker->value);
    if (status != MR_OK)
        return status == MR_NOT_FOUND ? MR_CORRUPT : status;
    mr_tile *tile;
    MR_TRY(mr_tile_decode(mr_buffer_span(&worker->value), region, depth, prefix, &worker->load_plan,
                          &tile));
    tile->update = update;
    mr_tree_tile_made(worker, tile);
    region->tile = tile;
    return MR_OK;
}

/* The node between keys i and i + 1 of a new bucket, if it separated the same keys before. */
static const mr_hash *old_node(mr_bucket *old, const mr_hash *old_top, const int8_t *numbers,
                               uint32_t i)
{
    if (old == NULL || numbers[i] < 0 || numbers[i + 1] != numbers[i] + 1)
        return NULL;
    uint32_t node = (uint32_t)numbers[i];
    bool is_top = mr_bucket_top(old, 0, old->tile.keys) == node;
    return is_top ? old_top : &mr_bucket_nodes(old)[node];
}

static mr_status build_bucket(mr_tree_worker *worker, mr_region *region,
                              const mr_tree_entry *entries, uint32_t count, mr_bucket *old,
                              const mr_hash *old_top, uint64_t update)
{
    mr_bucket *made = mr_bucket_new(count, update);
    if (made == NULL)
        return MR_NO_MEMORY;
    mr_tree_tile_made(worker, &made->tile);
    int8_t numbers[MR_BUCKET_KEYS_MAX];
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < count; i++) {
        mr_hash *key = &mr_bucket_keys(made)[i];
        mr_hash *leaf = &mr_bucket_leaves(made)[i];
        mr_hash *digest = &mr_bucket_leaf_digests(made)[i];
        *key = *entries[i].key;
        *leaf = *entries[i].leaf;
        numbers[i] = entries[i].number;
        if (i > 0)
            made->tile.branch_bits[i - 1] = (uint8_t)mr_key_branch_bit(key - 1, key);
        if (entries[i].digest != NULL) {
            *digest = *entries[i].digest;
            continue;
        }
        fresh |= 1u << i;
        (void)mr_hash_plan_pair(&worker->plan, MR_HASH_LEAF, (mr_hash_ref){.at = key},
                                (mr_hash_ref){.at = leaf}, digest);
    }
    for (uint32_t i = 0; i + 1 < count; i++) {
        const mr_hash *node = old_node(old, old_top, numbers, i);
        if (node != NULL)
            mr_bucket_nodes(made)[i] = *node;
    }
    region->tile = &made->tile;
    region->kind = MR_REGION_BUCKET;
    region->keys = (uint8_t)count;
    mr_bucket_reuse reuse = {
        .fresh = fresh, .old = old == NULL ? NULL : &old->tile, .numbers = numbers};
    mr_bucket_plan(made, &reuse, &worker->plan, region);
    return MR_OK;
}

static mr_status build(mr_tree_worker *worker, mr_region *region, uint32_t depth,
                       const mr_tree_entry *entries, size_t count, mr_bucket *old,
                       const mr_hash *old_top, uint64_t update)
{
    if (count <= MR_BUCKET_KEYS_MAX)
        return build_bucket(worker, region, entries, (uint32_t)count, old, old_top, update);
    mr_index *index = mr_index_new(update);
    if (index == NULL)
        return MR_NO_MEMORY;
    mr_tree_tile_made(worker, &index->tile);
    region->tile = &index->tile;
    region->kind = MR_REGION_INDEX;
    region->keys = 0;
    size_t first = 0;
    for (uint32_t part = 0; part < 4; part++) {
        size_t end = first;
        while (end < count && mr_key_region(entries[end].key, depth) == part)
            end++;
        index->regions[part].changed = true;
        if (end > first)
            MR_TRY(build(worker, &index->regions[part], depth + 2, entries + first, end - first,
                         old, old_top, update));
        first = end;
    }
    MR_ASSERT(first == count);
    mr_index_combine(index, depth, &worker->plan, region);
    return MR_OK;
}

mr_status mr_tree_build(mr_tree_worker *worker, mr_region *region, uint32_t depth,
                        const mr_tree_entry *entries, size_t count, mr_bucket *old, uint64_t update)
{
    mr_hash old_top = region->hash;
    region->tile = NULL;
    return build(worker, region, depth, entries, count, old, &old_top, update);
}

/* ---- Opening ---- */

static size_t record_key(uint64_t number, uint8_t *out)
{
    out[0] = 'r';
    mr_store_be64(out + 1, number);
    return RECORD_KEY_BYTES;
}

static mr_status read_head(mr_tree *tree, mr_span head, mr_error *error)
{
    if (head.size < 4)
        return MR_FAIL(error, MR_CORRUPT, "the head of the state tree has %zu bytes", head.size);
    uint32_t version = mr_load_le32(head.data);
    if (version != FORMAT_VERSION)
        return MR_FAIL(error, MR_VERSION,
                       "the state tree is stored in format %u, this program knows format %d",
                       version, FORMAT_VERSION);
    if (head.size != HEAD_BYTES)
        return MR_FAIL(error, MR_CORRUPT, "the head of the state tree has %zu bytes", head.size);
    tree->flushed_record = mr_load_le64(head.data + 4);
    tree->record = tree->flushed_record;
    tree->root.kind = head.data[12];
    tree->root.keys = head.data[13];
    memcpy(tree->root.hash.bytes, head.data + 14, 32);
    bool bucket = tree->root.kind == MR_REGION_BUCKET;
    if (tree->root.kind > MR_REGION_INDEX || bucket != (tree->root.keys > 0) ||
        tree->root.keys > MR_BUCKET_KEYS_MAX)
        return MR_FAIL(error, MR_CORRUPT, "the root region of the state tree makes no sense");
    tree->flushed_once = true;
    return MR_OK;
}

/* Applies one update of a record and moves *bytes behind it. */
static mr_status apply_part(mr_tree *tree, mr_span *bytes, mr_error *error)
{
    if (bytes->size < 8)
        return MR_FAIL(error, MR_CORRUPT, "a record of the state tree is cut off");
    uint32_t puts = mr_load_le32(bytes->data);
    uint32_t removals = mr_load_le32(bytes->data + 4);
    size_t size = 8 + (size_t)puts * 64 + (size_t)removals * 32;
    if (bytes->size < size)
        return MR_FAIL(error, MR_CORRUPT, "a record of the state tree is cut off");
    size_t count = (size_t)puts + removals;
    mr_tree_change *changes = calloc(count + 1, sizeof *changes);
    if (changes == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for the state tree");
    const uint8_t *from = bytes->data + 8;
    for (size_t i = 0; i < count; i++) {
        changes[i].present = i < puts;
        memcpy(changes[i].key.bytes, from, 32);
        if (i < puts)
            memcpy(changes[i].leaf.bytes, from + 32, 32);
        from += i < puts ? 64 : 32;
    }
    mr_status status = mr_tree_update(tree, changes, count, NULL, error);
    free(changes);
    *bytes = mr_span_of(bytes->data + size, bytes->size - size);
    return status;
}

/* Makes what is pending the state of the last write. */
static void settle_write(mr_tree *tree)
{
    for (size_t i = 0; i < tree->superseded_count; i++)
        mr_tree_tile_free(&tree->workers[0], tree->superseded[i]);
    tree->superseded_count = 0;
    tree->dead_written_count = tree->dead_count;
    tree->pending.size = 0;
    tree->written = tree->root;
    tree->written_update = tree->update;
    mr_tree_settle(tree);
}

static mr_status apply_record(mr_tree *tree, mr_span key, mr_span value, mr_error *error)
{
    if (key.size != RECORD_KEY_BYTES || mr_load_be64(key.data + 1) != tree->record + 1 ||
        value.size < 32)
        return MR_FAIL(error, MR_CORRUPT, "the records of the state tree have a gap");
    mr_span rest = mr_span_of(value.data + 32, value.size - 32);
    while (rest.size > 0)
        MR_TRY(apply_part(tree, &rest, error));
    if (memcmp(value.data, tree->root.hash.bytes, 32) != 0)
        return MR_FAIL(error, MR_CORRUPT,
                       "the state tree does not have the root that its records tell");
    tree->record++;
    tree->records_bytes += value.size;
    settle_write(tree);
    return MR_OK;
}

static mr_status apply_records(mr_tree *tree, mr_error *error)
{
    mr_cursor *cursor = NULL;
    mr_status status =
        mr_cursor_open(tree->store, tree->table, mr_span_text("r"), (mr_span){0}, &cursor);
    mr_status applied = MR_OK;
    while (status == MR_OK) {
        mr_span key, value;
        status = mr_cursor_next(cursor, &key, &value);
        if (status == MR_OK)
            status = applied = apply_record(tree, key, value, error);
    }
    mr_cursor_close(cursor);
    if (applied != MR_OK)
        return applied;
    if (status != MR_NOT_FOUND)
        return MR_FAIL(error, status, "reading the state tree: %s", mr_status_text(status));
    return MR_OK;
}

static void free_tree(mr_tree **tree)
{
    mr_tree_free(*tree);
}

mr_status mr_tree_open(mr_store *store, uint32_t table, mr_tree **out, mr_error *error)
{
    __attribute__((cleanup(free_tree))) mr_tree *tree = calloc(1, sizeof *tree);
    if (tree == NULL || mr_tree_workers(tree, 1) != MR_OK)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for the state tree");
    tree->store = store;
    tree->table = table;
    tree->cache_bytes = CACHE_BYTES_DEFAULT;
    mr_buffer head = {0};
    mr_status status = mr_store_get(store, table, mr_span_of(HEAD_KEY, sizeof HEAD_KEY), &head);
    if (status == MR_OK)
        status = read_head(tree, mr_buffer_span(&head), error);
    else if (status == MR_NOT_FOUND)
        status = MR_OK;
    else
        (void)MR_FAIL(error, status, "reading the state tree: %s", mr_status_text(status));
    mr_buffer_fini(&head);
    MR_TRY(status);
    tree->written = tree->root;
    MR_TRY(apply_records(tree, error));
    *out = tree;
    tree = NULL;
    return MR_OK;
}

void mr_tree_set_cache(mr_tree *tree, size_t bytes)
{
    tree->cache_bytes = bytes;
}

mr_hash mr_tree_root(const mr_tree *tree)
{
    return tree->root.hash;
}

/* ---- Writing ---- */

/* Tells whether all regions of an index are buckets in memory that fit into one. */
static bool can_join(const mr_index *index)
{
    uint32_t keys = 0;
    for (uint32_t i = 0; i < 4; i++) {
        const mr_region *part = &index->regions[i];
        if (part->kind == MR_REGION_INDEX || (part->kind == MR_REGION_BUCKET && part->tile == NULL))
            return false;
        keys += part->keys;
    }
    return keys <= MR_BUCKET_KEYS_JOIN;
}

/* Replaces an index of small buckets by one bucket; the digest stays, as it knows no tiles. Nothing
 * may be pending. */
static mr_status join_buckets(mr_tree *tree, mr_region *region, uint32_t depth, mr_hash *prefix)
{
    mr_tree_worker *worker = &tree->workers[0];
    mr_index *index = (mr_index *)region->tile;
    mr_tree_entry entries[MR_BUCKET_KEYS_JOIN];
    uint32_t count = 0;
    for (uint32_t i = 0; i < 4; i++) {
        mr_bucket *bucket = (mr_bucket *)index->regions[i].tile;
        for (uint32_t j = 0; j < index->regions[i].keys; j++)
            entries[count++] = (mr_tree_entry){.key = &mr_bucket_keys(bucket)[j],
                                               .leaf = &mr_bucket_leaves(bucket)[j],
                                               .digest = &mr_bucket_leaf_digests(bucket)[j],
                                               .number = -1};
        mr_prefix_set(prefix, depth, i);
        if (bucket != NULL)
            MR_TRY(mr_tree_dead(worker, depth + 2, prefix));
    }
    mr_region made = {0};
    MR_TRY(build_bucket(worker, &made, entries, count, NULL, NULL, tree->update));
    mr_status status = mr_hash_plan_run(&worker->plan);
    if (status != MR_OK) {
        mr_tree_tile_free(worker, made.tile);
        return status;
    }
    MR_ASSERT(mr_hash_equal(&made.hash, &region->hash));
    for (uint32_t i = 0; i < 4; i++) {
        if (index->regions[i].tile != NULL)
            mr_tree_tile_free(worker, index->regions[i].tile);
    }
    mr_tree_tile_free(worker, &index->tile);
    *region = made;
    return MR_OK;
}

/* Marks the tiles under `region` as stored, and joins buckets that have become small. What that
 * changes is dirty again, up to the root, and left to the next flush. Returns whether there is
 * any of it. */
static bool after_flush(mr_tree *tree, mr_region *region, uint32_t depth, mr_hash *prefix)
{
    mr_tile *tile = region->tile;
    if (tile == NULL || !tile->dirty)
        return false;
    tile->dirty = false;
    if (tile->kind == MR_REGION_BUCKET)
        return false;
    mr_index *index = (mr_index *)tile;
    bool joined = false;
    for (uint32_t i = 0; i < 4; i++) {
        mr_prefix_set(prefix, depth, i);
        joined |= after_flush(tree, &index->regions[i], depth + 2, prefix);
    }
    if (can_join(index) && join_buckets(tree, region, depth, prefix) == MR_OK)
        return true;
    if (joined) {
        tile->dirty = true;
        tree->workers[0].dirty_bytes += (int64_t)mr_tile_bytes(tile);
    }
    return joined;
}

static mr_status put_tiles(mr_tree *tree, const mr_region *region, uint32_t depth, mr_hash *prefix,
                           mr_batch *batch)
{
    const mr_tile *tile = region->tile;
    if (tile == NULL || !tile->dirty)
        return MR_OK;
    if (tile->kind == MR_REGION_INDEX) {
        for (uint32_t i = 0; i < 4; i++) {
            mr_prefix_set(prefix, depth, i);
            MR_TRY(
                put_tiles(tree, &((const mr_index *)tile)->regions[i], depth + 2, prefix, batch));
        }
    }
    uint8_t key[MR_TILE_KEY_BYTES_MAX];
    size_t key_bytes = mr_tile_key(depth, prefix, key);
    mr_buffer *value = &tree->workers[0].value;
    value->size = 0;
    MR_TRY(mr_tile_encode(tile, value));
    return mr_batch_put(batch, tree->table, mr_span_of(key, key_bytes), mr_buffer_span(value));
}

static mr_status put_head(mr_tree *tree, mr_batch *batch)
{
    uint8_t head[HEAD_BYTES];
    mr_store_le32(head, FORMAT_VERSION);
    mr_store_le64(head + 4, tree->record);
    head[12] = tree->root.kind;
    head[13] = tree->root.keys;
    memcpy(head + 14, tree->root.hash.bytes, 32);
    return mr_batch_put(batch, tree->table, mr_span_of(HEAD_KEY, sizeof HEAD_KEY),
                        mr_span_of(head, sizeof head));
}

/* Adds everything the table lacks to the batch. Removals go first: what has been removed and made
 * again since the last flush is dirty. */
static mr_status put_all(mr_tree *tree, mr_batch *batch)
{
    uint8_t key[MR_TILE_KEY_BYTES_MAX];
    for (uint64_t number = tree->flushed_record + 1; number <= tree->record; number++)
        MR_TRY(mr_batch_delete(batch, tree->table, mr_span_of(key, record_key(number, key))));
    for (size_t i = 0; i < tree->dead_count; i++) {
        size_t key_bytes = mr_tile_key(tree->dead[i].depth, &tree->dead[i].prefix, key);
        MR_TRY(mr_batch_delete(batch, tree->table, mr_span_of(key, key_bytes)));
    }
    mr_hash prefix = {0};
    MR_TRY(put_tiles(tree, &tree->root, 0, &prefix, batch));
    return put_head(tree, batch);
}

static mr_status flush(mr_tree *tree, mr_batch *batch)
{
    MR_TRY(put_all(tree, batch));
    settle_write(tree);
    tree->flushed_record = tree->record;
    tree->flushed_once = true;
    tree->records_bytes = 0;
    tree->dirty_bytes = 0;
    tree->dead_count = 0;
    mr_hash prefix = {0};
    (void)after_flush(tree, &tree->root, 0, &prefix);
    mr_tree_worker *worker = &tree->workers[0];
    if (worker->dead_count > 0) {
        mr_dead_tile *dead = tree->dead;
        size_t capacity = tree->dead_capacity;
        tree->dead = worker->dead;
        tree->dead_count = worker->dead_count;
        tree->dead_capacity = worker->dead_capacity;
        worker->dead = dead;
        worker->dead_capacity = capacity;
    }
    tree->dead_written_count = tree->dead_count;
    tree->written = tree->root;
    mr_tree_settle(tree);
    return MR_OK;
}

static mr_status put_record(mr_tree *tree, mr_batch *batch)
{
    uint8_t key[RECORD_KEY_BYTES];
    memcpy(tree->pending.data, tree->root.hash.bytes, 32);
    MR_TRY(mr_batch_put(batch, tree->table, mr_span_of(key, record_key(tree->record + 1, key)),
                        mr_buffer_span(&tree->pending)));
    tree->record++;
    tree->records_bytes += tree->pending.size;
    settle_write(tree);
    return MR_OK;
}

/* Frees clean tiles older than `update`; returns whether the whole region could go. */
static bool evict(mr_tree *tree, mr_region *region, uint64_t update)
{
    mr_tile *tile = region->tile;
    if (tile == NULL)
        return true;
    bool all = !tile->dirty && tile->update < update;
    if (tile->kind == MR_REGION_INDEX) {
        for (uint32_t i = 0; i < 4; i++)
            all &= evict(tree, &((mr_index *)tile)->regions[i], update);
    }
    if (!all)
        return false;
    region->tile = NULL;
    mr_tree_tile_free(&tree->workers[0], tile);
    return true;
}

/* Keeps what recent updates made or read, as far as three quarters of the cache hold
 * it, so that this walk over all tiles does not come at every write. */
static void evict_old(mr_tree *tree)
{
    for (uint64_t age = 64; tree->tiles_bytes > (int64_t)(tree->cache_bytes / 4 * 3); age /= 4) {
        uint64_t update = tree->update + 1;
        (void)evict(tree, &tree->root, age < update ? update - age : 0);
        mr_tree_settle(tree);
        if (age == 0)
            break;
    }
    tree->written = tree->root;
}

mr_status mr_tree_write(mr_tree *tree, mr_batch *batch)
{
    bool full = tree->records_bytes + tree->pending.size > MR_TREE_RECORDS_BYTES_MAX;
    bool dirty = tree->dirty_bytes > (int64_t)(tree->cache_bytes / 2);
    if (!tree->flushed_once || full || dirty)
        MR_TRY(flush(tree, batch));
    else if (tree->pending.size > 0)
        MR_TRY(put_record(tree, batch));
    if (tree->tiles_bytes > (int64_t)tree->cache_bytes)
        evict_old(tree);
    return MR_OK;
}

void mr_tree_revert(mr_tree *tree)
{
    mr_tree_drop_newer(tree, &tree->root, tree->written_update);
    tree->root = tree->written;
    tree->superseded_count = 0;
    tree->dead_count = tree->dead_written_count;
    tree->pending.size = 0;
    mr_tree_settle(tree);
}

/* ---- Proofs ---- */

static void add_step(mr_tree_proof *proof, uint32_t depth, const mr_hash *sibling)
{
    MR_ASSERT(proof->steps_count < 256);
    proof->step_depth[proof->steps_count] = (uint8_t)depth;
    proof->step_sibling[proof->steps_count++] = *sibling;
}

/* The digest of one half of an index, NULL when it is empty. */
static const mr_hash *half_of(const mr_index *index, uint32_t half)
{
    const mr_region *left = &index->regions[2 * half];
    const mr_region *right = left + 1;
    if (left->kind == MR_REGION_EMPTY || right->kind == MR_REGION_EMPTY) {
        const mr_region *only = left->kind == MR_REGION_EMPTY ? right : left;
        return only->kind == MR_REGION_EMPTY ? NULL : &only->hash;
    }
    return &index->halves[half];
}

/* Takes the way of `key` through one index; where its side is empty, the only other one. */
static mr_region *step_down(mr_index *index, const mr_hash *key, uint32_t depth,
                            mr_tree_proof *proof)
{
    uint32_t half = mr_key_bit(key, depth);
    if (half_of(index, half) == NULL)
        half = !half;
    else if (half_of(index, !half) != NULL)
        add_step(proof, depth, half_of(index, !half));
    mr_region *parts = &index->regions[2 * half];
    uint32_t side = mr_key_bit(key, depth + 1);
    if (parts[side].kind == MR_REGION_EMPTY)
        side = !side;
    else if (parts[!side].kind != MR_REGION_EMPTY)
        add_step(proof, depth + 1, &parts[!side].hash);
    return &parts[side];
}

static const mr_hash *node_of(mr_bucket *bucket, uint32_t first, uint32_t end)
{
    if (end - first == 1)
        return &mr_bucket_leaf_digests(bucket)[first];
    return &mr_bucket_nodes(bucket)[mr_bucket_top(bucket, first, end)];
}

static uint32_t walk_bucket(mr_bucket *bucket, const mr_hash *key, mr_tree_proof *proof)
{
    uint32_t first = 0;
    uint32_t end = bucket->tile.keys;
    while (end - first > 1) {
        uint32_t top = mr_bucket_top(bucket, first, end);
        uint32_t bit = bucket->tile.branch_bits[top];
        if (mr_key_bit(key, bit) == 1) {
            add_step(proof, bit, node_of(bucket, first, top + 1));
            first = top + 1;
        } else {
            add_step(proof, bit, node_of(bucket, top + 1, end));
            end = top + 1;
        }
    }
    return first;
}

static void reverse_steps(mr_tree_proof *proof)
{
    for (uint32_t i = 0; i < proof->steps_count / 2; i++) {
        uint32_t j = proof->steps_count - 1 - i;
        uint8_t depth = proof->step_depth[i];
        mr_hash sibling = proof->step_sibling[i];
        proof->step_depth[i] = proof->step_depth[j];
        proof->step_sibling[i] = proof->step_sibling[j];
        proof->step_depth[j] = depth;
        proof->step_sibling[j] = sibling;
    }
}

/* A tile read on the way belongs to whatever version the tile above it belongs to. The way to an
 * absent key may lead through regions that are not the key's own, so each step writes the bits it
 * takes into `prefix`. */
static mr_status walk(mr_tree *tree, const mr_hash *key, mr_tree_proof *out)
{
    mr_region *region = &tree->root;
    mr_hash prefix = {0};
    uint64_t update = 0;
    uint32_t depth = 0;
    MR_TRY(mr_tree_load(tree, &tree->workers[0], region, depth, &prefix, update));
    if (tree->pending.size == 0)
        tree->written.tile = region->tile;
    while (region->kind == MR_REGION_INDEX) {
        mr_index *index = (mr_index *)region->tile;
        update = index->tile.update;
        region = step_down(index, key, depth, out);
        mr_prefix_set(&prefix, depth, (uint32_t)(region - index->regions));
        depth += 2;
        MR_TRY(mr_tree_load(tree, &tree->workers[0], region, depth, &prefix, update));
    }
    mr_bucket *bucket = (mr_bucket *)region->tile;
    uint32_t found = walk_bucket(bucket, key, out);
    out->found_key = mr_bucket_keys(bucket)[found];
    out->found_leaf = mr_bucket_leaves(bucket)[found];
    return MR_OK;
}

mr_status mr_tree_prove(mr_tree *tree, const mr_hash *key, mr_tree_proof *out, mr_error *error)
{
    memset(out, 0, sizeof *out);
    out->key = *key;
    out->empty = tree->root.kind == MR_REGION_EMPTY;
    if (out->empty)
        return MR_OK;
    mr_status status = walk(tree, key, out);
    mr_tree_settle(tree);
    if (status != MR_OK)
        return MR_FAIL(error, status, "reading the state tree: %s", mr_status_text(status));
    out->present = mr_hash_equal(&out->found_key, key);
    reverse_steps(out);
    return MR_OK;
}

bool mr_tree_verify(const mr_tree_proof *proof, const mr_hash *root)
{
    if (proof->empty)
        return !proof->present && mr_hash_equal(root, &(mr_hash){0});
    if (proof->steps_count > 256 || proof->present != mr_hash_equal(&proof->key, &proof->found_key))
        return false;
    mr_hash hash = mr_hash_pair(MR_HASH_LEAF, &proof->found_key, &proof->found_leaf);
    uint32_t above = 256;
    for (uint32_t i = 0; i < proof->steps_count; i++) {
        uint32_t bit = proof->step_depth[i];
        uint32_t side = mr_key_bit(&proof->found_key, bit);
        /* Bits ascend towards the leaf, and the key asked for takes the same turns as the leaf. */
        if (bit >= above || mr_key_bit(&proof->key, bit) != side)
            return false;
        above = bit;
        hash = side == 1 ? mr_hash_pair(bit, &proof->step_sibling[i], &hash)
                         : mr_hash_pair(bit, &hash, &proof->step_sibling[i]);
    }
    return mr_hash_equal(&hash, root);
}
