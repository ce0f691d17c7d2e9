/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/tree.h"

#include <stdlib.h>

#include "base/assert.h"
#include "storage/tree_internal.h"

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

void mr_tree_set_cache(mr_tree *tree, size_t bytes)
{
    tree->cache_bytes = bytes;
}

mr_hash mr_tree_root(const mr_tree *tree)
{
    return tree->root.hash;
}
