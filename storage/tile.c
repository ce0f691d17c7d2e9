/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/tile.h"

#include <stdlib.h>

#include "base/assert.h"

enum { HEAD_BYTES = 8, PAIR_BYTES = 64 };

static size_t bucket_bytes(uint32_t keys)
{
    return sizeof(mr_bucket) + 4 * (size_t)keys * sizeof(mr_hash);
}

size_t mr_tile_bytes(const mr_tile *tile)
{
    return tile->kind == MR_REGION_INDEX ? sizeof(mr_index) : bucket_bytes(tile->keys);
}

mr_bucket *mr_bucket_new(uint32_t keys, uint64_t update)
{
    MR_ASSERT(keys >= 1 && keys <= MR_BUCKET_KEYS_MAX);
    mr_bucket *bucket = malloc(bucket_bytes(keys));
    if (bucket != NULL)
        bucket->tile = (mr_tile){
            .update = update, .dirty = true, .kind = MR_REGION_BUCKET, .keys = (uint8_t)keys};
    return bucket;
}

mr_index *mr_index_new(uint64_t update)
{
    mr_index *index = calloc(1, sizeof *index);
    if (index != NULL)
        index->tile = (mr_tile){.update = update, .dirty = true, .kind = MR_REGION_INDEX};
    return index;
}

uint32_t mr_bucket_top(const mr_bucket *bucket, uint32_t first, uint32_t end)
{
    uint32_t top = first;
    for (uint32_t i = first + 1; i + 1 < end; i++) {
        if (bucket->tile.branch_bits[i] < bucket->tile.branch_bits[top])
            top = i;
    }
    return top;
}

/* Tells whether the node over keys first .. end - 1, branching at `bit`, was over the same leaves
 * before. Those must have been neighbours, and the keys beside them outside of that node: a key
 * of the same node branches off at a later bit. */
static bool unchanged(const mr_bucket_reuse *reuse, uint32_t first, uint32_t end, uint32_t bit)
{
    uint32_t range = (1u << end) - (1u << first);
    if ((reuse->fresh & range) != 0)
        return false;
    if (reuse->numbers == NULL)
        return true;
    int from = reuse->numbers[first];
    int to = reuse->numbers[end - 1];
    if (from < 0 || to - from != (int)(end - 1 - first))
        return false;
    return (from == 0 || reuse->old->branch_bits[from - 1] < bit) &&
           (to + 1 == reuse->old->keys || reuse->old->branch_bits[to] < bit);
}

/* Plans the trie over keys first .. end - 1; the topmost node goes to *out if that is given. */
static mr_hash_ref plan_keys(mr_bucket *bucket, const mr_bucket_reuse *reuse, uint32_t first,
                             uint32_t end, mr_hash_plan *plan, mr_hash *out)
{
    if (end - first == 1)
        return (mr_hash_ref){.at = &mr_bucket_leaf_digests(bucket)[first],
                             .height = reuse->fresh >> first & 1};
    uint32_t top = mr_bucket_top(bucket, first, end);
    mr_hash *node = &mr_bucket_nodes(bucket)[top];
    if (unchanged(reuse, first, end, bucket->tile.branch_bits[top]))
        return (mr_hash_ref){.at = node, .height = 0};
    mr_hash_ref left = plan_keys(bucket, reuse, first, top + 1, plan, NULL);
    mr_hash_ref right = plan_keys(bucket, reuse, top + 1, end, plan, NULL);
    return mr_hash_plan_pair(plan, bucket->tile.branch_bits[top], left, right,
                             out != NULL ? out : node);
}

void mr_bucket_plan(mr_bucket *bucket, const mr_bucket_reuse *reuse, mr_hash_plan *plan,
                    mr_region *region)
{
    mr_hash_ref top = plan_keys(bucket, reuse, 0, bucket->tile.keys, plan, &region->hash);
    if (top.at != &region->hash)
        top = mr_hash_plan_copy(plan, top, &region->hash);
    region->height = (uint16_t)top.height;
    region->changed = true;
}

static mr_hash_ref ref_of(const mr_region *region)
{
    if (region->kind == MR_REGION_EMPTY)
        return (mr_hash_ref){0};
    return (mr_hash_ref){.at = &region->hash, .height = region->changed ? region->height : 0};
}

/* Joins two sides into *out; a side that is alone stays where it is. */
static mr_hash_ref join(mr_hash_ref left, mr_hash_ref right, uint32_t bit, bool changed,
                        mr_hash_plan *plan, mr_hash *out)
{
    if (left.at == NULL || right.at == NULL)
        return left.at == NULL ? right : left;
    if (!changed)
        return (mr_hash_ref){.at = out, .height = 0};
    return mr_hash_plan_pair(plan, bit, left, right, out);
}

void mr_index_combine(mr_index *index, uint32_t depth, mr_hash_plan *plan, mr_region *region)
{
    const mr_region *at = index->regions;
    bool changed[2] = {at[0].changed || at[1].changed, at[2].changed || at[3].changed};
    region->changed = changed[0] || changed[1];
    region->height = 0;
    if (!region->changed)
        return;
    mr_hash_ref halves[2];
    for (uint32_t half = 0; half < 2; half++)
        halves[half] = join(ref_of(&at[2 * half]), ref_of(&at[2 * half + 1]), depth + 1,
                            changed[half], plan, &index->halves[half]);
    mr_hash_ref top = join(halves[0], halves[1], depth, true, plan, &region->hash);
    if (top.at == NULL) {
        region->kind = MR_REGION_EMPTY;
        region->hash = (mr_hash){0};
        return;
    }
    if (top.at != &region->hash)
        top = mr_hash_plan_copy(plan, top, &region->hash);
    region->height = (uint16_t)top.height;
}

size_t mr_tile_key(uint32_t depth, const mr_hash *prefix, uint8_t *out)
{
    MR_ASSERT(depth % 2 == 0 && depth <= MR_TILE_DEPTH_MAX);
    size_t bytes = (depth + 7) / 8;
    out[0] = 't';
    out[1] = (uint8_t)(depth / 2);
    memcpy(out + 2, prefix->bytes, bytes);
    if (depth % 8 != 0)
        out[1 + bytes] &= (uint8_t)(0xff00u >> depth % 8);
    return 2 + bytes;
}

/* Stored form of either kind: kind, keys of a bucket, two zero bytes, and for an index the kind
 * (2 bits) and keys (6 bits) of its regions; then for a bucket its keys, each followed by its
 * leaf, for an index the digests of its occupied regions. */
mr_status mr_tile_encode(const mr_tile *tile, mr_buffer *out)
{
    uint8_t head[HEAD_BYTES] = {tile->kind, tile->keys};
    size_t start = out->size;
    MR_TRY(mr_buffer_reserve(out, sizeof head + MR_BUCKET_KEYS_MAX * PAIR_BYTES));
    uint8_t *to = out->data + start + sizeof head;
    if (tile->kind == MR_REGION_INDEX) {
        const mr_region *regions = ((const mr_index *)tile)->regions;
        for (uint32_t i = 0; i < 4; i++) {
            head[4 + i] = (uint8_t)(regions[i].kind << 6 | regions[i].keys);
            if (regions[i].kind != MR_REGION_EMPTY)
                to = (uint8_t *)mempcpy(to, regions[i].hash.bytes, 32);
        }
    } else {
        mr_bucket *bucket = (mr_bucket *)tile;
        for (uint32_t i = 0; i < tile->keys; i++) {
            to = (uint8_t *)mempcpy(to, mr_bucket_keys(bucket)[i].bytes, 32);
            to = (uint8_t *)mempcpy(to, mr_bucket_leaves(bucket)[i].bytes, 32);
        }
    }
    memcpy(out->data + start, head, sizeof head);
    out->size = (size_t)(to - out->data);
    return MR_OK;
}

static bool has_prefix(const mr_hash *key, const mr_hash *prefix, uint32_t depth)
{
    return mr_key_branch_bit(key, prefix) >= depth;
}

/* Runs the plan of a tile just read and compares its digest with the one above. */
static mr_status confirm(mr_hash_plan *plan, const mr_region *made, const mr_region *region)
{
    mr_status status = mr_hash_plan_run(plan);
    if (status == MR_OK && !mr_hash_equal(&made->hash, &region->hash))
        status = MR_CORRUPT;
    return status;
}

/* Copies keys and leaves; false when they are not in order or not of this region. */
static bool fill_bucket(mr_bucket *bucket, const uint8_t *from, uint32_t depth,
                        const mr_hash *prefix)
{
    for (uint32_t i = 0; i < bucket->tile.keys; i++, from += PAIR_BYTES) {
        mr_hash *key = &mr_bucket_keys(bucket)[i];
        memcpy(key->bytes, from, 32);
        memcpy(mr_bucket_leaves(bucket)[i].bytes, from + 32, 32);
        if (!has_prefix(key, prefix, depth))
            return false;
        if (i == 0)
            continue;
        if (memcmp(key[-1].bytes, key->bytes, 32) >= 0)
            return false;
        bucket->tile.branch_bits[i - 1] = (uint8_t)mr_key_branch_bit(key - 1, key);
    }
    return true;
}

static mr_status decode_bucket(mr_span bytes, const mr_region *region, uint32_t depth,
                               const mr_hash *prefix, mr_hash_plan *plan, mr_tile **out)
{
    uint32_t keys = region->keys;
    if (mr_load_le64(bytes.data) != (MR_REGION_BUCKET | keys << 8) ||
        bytes.size != HEAD_BYTES + (size_t)keys * PAIR_BYTES)
        return MR_CORRUPT;
    mr_bucket *bucket = mr_bucket_new(keys, 0);
    if (bucket == NULL)
        return MR_NO_MEMORY;
    mr_status status = MR_CORRUPT;
    if (fill_bucket(bucket, bytes.data + HEAD_BYTES, depth, prefix)) {
        for (uint32_t i = 0; i < keys; i++)
            (void)mr_hash_plan_pair(plan, MR_HASH_LEAF,
                                    (mr_hash_ref){.at = &mr_bucket_keys(bucket)[i]},
                                    (mr_hash_ref){.at = &mr_bucket_leaves(bucket)[i]},
                                    &mr_bucket_leaf_digests(bucket)[i]);
        mr_region made = {0};
        mr_bucket_reuse reuse = {.fresh = UINT32_MAX};
        mr_bucket_plan(bucket, &reuse, plan, &made);
        status = confirm(plan, &made, region);
    }
    if (status != MR_OK) {
        free(bucket);
        return status;
    }
    bucket->tile.dirty = false;
    *out = &bucket->tile;
    return MR_OK;
}

/* Copies kinds and digests of the four regions; false when they are not well-formed. */
static bool fill_index(mr_index *index, mr_span bytes)
{
    size_t at = HEAD_BYTES;
    if (mr_load_le32(bytes.data) != MR_REGION_INDEX)
        return false;
    for (uint32_t i = 0; i < 4; i++) {
        mr_region *part = &index->regions[i];
        part->kind = bytes.data[4 + i] >> 6;
        part->keys = bytes.data[4 + i] & 0x3f;
        part->changed = true;
        bool bucket = part->kind == MR_REGION_BUCKET;
        if (part->kind > MR_REGION_INDEX || part->keys > MR_BUCKET_KEYS_MAX ||
            bucket != (part->keys > 0))
            return false;
        if (part->kind == MR_REGION_EMPTY)
            continue;
        if (bytes.size - at < 32)
            return false;
        memcpy(part->hash.bytes, bytes.data + at, 32);
        at += 32;
    }
    return at > HEAD_BYTES && at == bytes.size;
}

static mr_status decode_index(mr_span bytes, const mr_region *region, uint32_t depth,
                              mr_hash_plan *plan, mr_tile **out)
{
    if (depth > MR_TILE_DEPTH_MAX - 2)
        return MR_CORRUPT;
    mr_index *index = mr_index_new(0);
    if (index == NULL)
        return MR_NO_MEMORY;
    mr_status status = MR_CORRUPT;
    if (fill_index(index, bytes)) {
        mr_region made = {0};
        mr_index_combine(index, depth, plan, &made);
        status = confirm(plan, &made, region);
    }
    if (status != MR_OK) {
        free(index);
        return status;
    }
    index->tile.dirty = false;
    *out = &index->tile;
    return MR_OK;
}

mr_status mr_tile_decode(mr_span bytes, const mr_region *region, uint32_t depth,
                         const mr_hash *prefix, mr_hash_plan *plan, mr_tile **out)
{
    if (bytes.size < HEAD_BYTES || bytes.data[0] != region->kind)
        return MR_CORRUPT;
    if (region->kind == MR_REGION_INDEX)
        return decode_index(bytes, region, depth, plan, out);
    return decode_bucket(bytes, region, depth, prefix, plan, out);
}
