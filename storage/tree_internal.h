/* SPDX-License-Identifier: Apache-2.0 */
/* tree_internal: what the files of the state tree share. Private to storage/.
 *
 * Versions. Updates are numbered; a tile carries the number of the update that made it. Tiles of
 * the last write stay as they are until the next one, so that mr_tree_revert only drops what is
 * newer:
 *
 *     written ---> index (5) --> bucket (3) <--+          numbers <= written_update: both see it
 *     root    ---> index (7) --> bucket (7)    |          numbers above: only `root` sees it
 *                            \-----------------+
 *
 * What the table holds. Tiles are written now and then ("flush"), all dirty ones at once. In
 * between, a write only adds a record of the changes themselves, 64 bytes each, which mr_tree_open
 * applies again. So keys that change in every block are hashed in every block, but their tiles are
 * stored once per flush. */
#ifndef MR_STORAGE_TREE_INTERNAL_H
#define MR_STORAGE_TREE_INTERNAL_H

#include "storage/tile.h"
#include "storage/tree.h"

enum {
    /* More than this many bytes of change records and the next write flushes: bounds the time
     * mr_tree_open takes to apply them again (half a second). */
    MR_TREE_RECORDS_BYTES_MAX = 32 << 20,
    /* An index of buckets that hold no more keys than this together becomes a bucket at the next
     * flush. Half of what makes a bucket split, so that a region does not flip to and fro. */
    MR_BUCKET_KEYS_JOIN = MR_BUCKET_KEYS_MAX / 2,
};

/* A tile that is to be removed from the table at the next flush. */
typedef struct mr_dead_tile {
    uint32_t depth;
    mr_hash prefix;
} mr_dead_tile;

/* One key of a region about to be built. */
typedef struct mr_tree_entry {
    const mr_hash *key;
    const mr_hash *leaf;
    const mr_hash *digest; /* of the leaf; NULL when it has to be computed */
    int8_t number;         /* in the bucket before, -1 if not from there */
} mr_tree_entry;

/* What one worker needs during an update, kept for the next one. */
typedef struct mr_tree_worker {
    mr_hash_plan plan;      /* digests of the update */
    mr_hash_plan load_plan; /* digests of a tile just read */
    mr_buffer value;        /* of a tile just read */
    mr_tree_entry *entries;
    size_t entries_capacity;
    mr_tile **superseded; /* tiles that have a newer version since this update */
    size_t superseded_count;
    size_t superseded_capacity;
    mr_dead_tile *dead;
    size_t dead_count;
    size_t dead_capacity;
    int64_t tiles_bytes; /* difference this update makes to the tree's */
    int64_t dirty_bytes;
} mr_tree_worker;

struct mr_tree {
    mr_store *store;
    uint32_t table;
    mr_region root;
    mr_region written; /* the root as of the last write */
    uint64_t update;   /* number of the last update */
    uint64_t written_update;

    mr_buffer pending;       /* record of the changes since the last write; see tree_table.c */
    uint64_t record;         /* number of the last record written */
    uint64_t flushed_record; /* number of the last record contained in the stored tiles */
    uint64_t records_bytes;  /* of records since then */
    bool flushed_once;

    mr_tile **superseded; /* tiles of `written` that `root` does not see */
    size_t superseded_count;
    size_t superseded_capacity;
    mr_dead_tile *dead;
    size_t dead_count;
    size_t dead_written_count; /* of these, known at the last write */
    size_t dead_capacity;

    int64_t tiles_bytes; /* of all tiles in memory */
    int64_t dirty_bytes; /* of those the table does not have */
    size_t cache_bytes;

    mr_tree_worker *workers;
    uint32_t workers_count;
    struct mr_tree_item *items; /* two arrays of items_capacity, for sorting */
    size_t items_capacity;
};

/* mr_tree_load makes sure that the tile of an occupied region is in memory, as a part of `update`.
 * `prefix` is any key of the region. Errors: MR_CORRUPT; MR_IO; MR_NO_MEMORY. */
mr_status mr_tree_load(mr_tree *tree, mr_tree_worker *worker, mr_region *region, uint32_t depth,
                       const mr_hash *prefix, uint64_t update);

/* mr_tree_build fills `region`, at `depth`, with new tiles for `count` entries, one or more, in
 * ascending order, and plans its digest. `old` is the bucket that was there, or NULL.
 * Errors: MR_NO_MEMORY, and `region` holds what has been built so far. */
mr_status mr_tree_build(mr_tree_worker *worker, mr_region *region, uint32_t depth,
                        const mr_tree_entry *entries, size_t count, mr_bucket *old,
                        uint64_t update);

/* mr_tree_drop_newer frees the tiles under `region` that are newer than `update`. */
void mr_tree_drop_newer(mr_tree *tree, mr_region *region, uint64_t update);

/* mr_tree_tile_free frees a tile and counts it out, mr_tree_tile_made counts one in. */
void mr_tree_tile_free(mr_tree_worker *worker, mr_tile *tile);
void mr_tree_tile_made(mr_tree_worker *worker, const mr_tile *tile);

/* mr_tree_dead notes that the stored tile of a region has to go. Errors: MR_NO_MEMORY. */
mr_status mr_tree_dead(mr_tree_worker *worker, uint32_t depth, const mr_hash *prefix);

/* mr_tree_workers makes sure that there are `count` workers. Errors: MR_NO_MEMORY. */
mr_status mr_tree_workers(mr_tree *tree, uint32_t count);

/* mr_tree_settle adds to the tree what its workers counted. */
void mr_tree_settle(mr_tree *tree);

/* MR_GROW makes room in array `at` of `capacity` for one more than `count`; false when out of
 * memory. */
#define MR_GROW(at, count, capacity)                                                               \
    ((count) < (capacity) || mr_tree_grow((void **)&(at), &(capacity), sizeof *(at), (count) + 1))
bool mr_tree_grow(void **at, size_t *capacity, size_t item_bytes, size_t needed);

#endif
