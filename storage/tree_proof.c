/* SPDX-License-Identifier: Apache-2.0 */
/* tree_proof: that a key is in the tree with that leaf, or is not. */
#include "storage/tree.h"

#include "base/assert.h"
#include "storage/tree_internal.h"

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
