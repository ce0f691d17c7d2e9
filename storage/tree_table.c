/* SPDX-License-Identifier: Apache-2.0 */
/* tree_table: opening a tree and writing it. Its table holds
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
    MR_TRY(mr_tree_build(worker, &made, depth, entries, count, NULL, tree->update));
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
