/* SPDX-License-Identifier: Apache-2.0 */
/* tile: the pieces in which the state tree is kept, in memory and in its table. Private to
 * storage/.
 *
 * A *region* of the tree is all keys that start with the same `depth` bits, depth being even. An
 * empty region has no tile. One with few keys is a *bucket*: its keys in order. Any other is an
 * *index* of four regions, one for each value of the next two bits:
 *
 *      index, depth 0      [00] [01] [10] [11]
 *                           |    |         |
 *      index, depth 2      ...  bucket    index ...
 *
 * The layout depends on history (a region may be an index or a bucket when it has few keys); the
 * digests do not: a digest covers the nodes of the binary trie, wherever tiles cut it.
 *
 * A tile belongs to the update that made it and is not changed by later ones, which make new
 * versions instead; the tile pointers of an index are filled in by whoever loads what they point
 * to. */
#ifndef MR_STORAGE_TILE_H
#define MR_STORAGE_TILE_H

#include "storage/batch.h"
#include "storage/hash_plan.h"

enum {
    MR_BUCKET_KEYS_MAX = 16,
    MR_TILE_KEY_BYTES_MAX = 2 + 32,
    MR_TILE_DEPTH_MAX = 256, /* of a region; it holds one key at most */
};

typedef enum mr_region_kind {
    MR_REGION_EMPTY = 0,
    MR_REGION_BUCKET = 1,
    MR_REGION_INDEX = 2
} mr_region_kind;

typedef struct mr_tile mr_tile;

/* A region as the tile above it (or the tree, for all keys) knows it. */
typedef struct mr_region {
    mr_hash hash;    /* of the trie over the region's keys; zeros when empty */
    mr_tile *tile;   /* NULL when empty or not loaded */
    uint8_t kind;    /* mr_region_kind */
    uint8_t keys;    /* of a bucket: 1 .. MR_BUCKET_KEYS_MAX; otherwise 0 */
    bool changed;    /* by the update in progress; meaningless otherwise */
    uint16_t height; /* of `hash`, likewise */
} mr_region;

struct mr_tile {
    uint64_t update;                             /* number of the update that made this version */
    bool dirty;                                  /* not in the table as it is here */
    uint8_t kind;                                /* mr_region_kind, not empty */
    uint8_t keys;                                /* of a bucket */
    uint8_t branch_bits[MR_BUCKET_KEYS_MAX - 1]; /* of a bucket: where keys i and i + 1 branch */
};

typedef struct mr_index {
    mr_tile tile;
    mr_region regions[4];
    mr_hash halves[2]; /* of regions 0, 1 and 2, 3, where both are occupied */
} mr_index;

/* Four arrays of `keys` digests: keys in ascending order; leaves as the caller gave them; leaf
 * digests; and the digests of the trie's nodes, nodes[i] being the one that separates keys i and
 * i + 1. The topmost node's digest is kept only in the region above. */
typedef struct mr_bucket {
    mr_tile tile;
    mr_hash digests[];
} mr_bucket;

static inline mr_hash *mr_bucket_keys(mr_bucket *bucket)
{
    return bucket->digests;
}
static inline mr_hash *mr_bucket_leaves(mr_bucket *bucket)
{
    return bucket->digests + bucket->tile.keys;
}
static inline mr_hash *mr_bucket_leaf_digests(mr_bucket *bucket)
{
    return bucket->digests + 2 * (size_t)bucket->tile.keys;
}
static inline mr_hash *mr_bucket_nodes(mr_bucket *bucket)
{
    return bucket->digests + 3 * (size_t)bucket->tile.keys;
}

static inline uint32_t mr_key_bit(const mr_hash *key, uint32_t bit)
{
    return (uint32_t)(key->bytes[bit / 8] >> (7 - bit % 8)) & 1;
}

/* Which region of an index at `depth` a key belongs to. */
static inline uint32_t mr_key_region(const mr_hash *key, uint32_t depth)
{
    return (uint32_t)(key->bytes[depth / 8] >> (6 - depth % 8)) & 3;
}

/* Turns bits depth and depth + 1 of `prefix` into those of a region of an index. */
static inline void mr_prefix_set(mr_hash *prefix, uint32_t depth, uint32_t region)
{
    uint8_t *byte = &prefix->bytes[depth / 8];
    uint32_t shift = 6 - depth % 8;
    *byte = (uint8_t)((*byte & ~(3u << shift)) | region << shift);
}

/* mr_key_branch_bit returns the first bit in which two keys differ, 256 when they are equal. */
static inline uint32_t mr_key_branch_bit(const mr_hash *a, const mr_hash *b)
{
    for (uint32_t i = 0; i < 32; i += 8) {
        uint64_t difference = mr_load_be64(a->bytes + i) ^ mr_load_be64(b->bytes + i);
        if (difference != 0)
            return 8 * i + (uint32_t)__builtin_clzll(difference);
    }
    return 256;
}

size_t mr_tile_bytes(const mr_tile *tile);

mr_bucket *mr_bucket_new(uint32_t keys, uint64_t update);
mr_index *mr_index_new(uint64_t update);

/* mr_bucket_top returns i such that nodes[i] is the top of the trie over keys first .. end - 1,
 * of which there are at least two. */
uint32_t mr_bucket_top(const mr_bucket *bucket, uint32_t first, uint32_t end);

/* mr_index_combine plans the digest of a region from those of its index's four regions. Those
 * that did not change are taken as they are. Sets changed, height and, if empty, kind of
 * `region`. */
void mr_index_combine(mr_index *index, uint32_t depth, mr_hash_plan *plan, mr_region *region);

/* mr_tile_key writes the key under which the tile of a region is kept: 't', depth / 2, and the
 * bytes of `prefix` that hold its bits, others zero. Returns its size. */
size_t mr_tile_key(uint32_t depth, const mr_hash *prefix, uint8_t *out);

/* mr_tile_encode appends the stored form of a tile, see docs/FORMATS.md. Errors: MR_NO_MEMORY. */
mr_status mr_tile_encode(const mr_tile *tile, mr_buffer *out);

/* mr_tile_decode makes the tile of `region` at `depth` from its stored form, and checks that it
 * is well-formed and has the region's digest. `prefix` is any key of the region; `plan` is empty
 * before and after.
 * Errors: MR_CORRUPT; MR_NO_MEMORY. Owns: the caller frees *out. */
mr_status mr_tile_decode(mr_span bytes, const mr_region *region, uint32_t depth,
                         const mr_hash *prefix, mr_hash_plan *plan, mr_tile **out);

/* What a new bucket shares with the version before it. */
typedef struct mr_bucket_reuse {
    uint32_t fresh;        /* bit i: the digest of leaf i is planned, not final */
    const mr_tile *old;    /* the bucket before; NULL if it had the same keys */
    const int8_t *numbers; /* of each key in `old`, -1 if new; NULL if it had the same keys */
} mr_bucket_reuse;

/* mr_bucket_plan plans the digest of a bucket's region into region->hash. A node over the same
 * leaves as before is taken from nodes[], where the caller has put the old digests. */
void mr_bucket_plan(mr_bucket *bucket, const mr_bucket_reuse *reuse, mr_hash_plan *plan,
                    mr_region *region);

#endif
