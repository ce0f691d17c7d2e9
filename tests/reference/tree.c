/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/reference/tree.h"

static int bit_of(const mr_hash *key, uint32_t bit)
{
    return key->bytes[bit / 8] >> (7 - bit % 8) & 1;
}

/* Parts the leaves by their bit `depth`: those with 0 come first. Returns how many these are. */
static size_t part(mr_reference_leaf *at, size_t count, uint32_t depth)
{
    size_t zeros = 0;
    for (size_t i = 0; i < count; i++) {
        if (bit_of(&at[i].key, depth) != 0)
            continue;
        const mr_reference_leaf moved = at[i];
        at[i] = at[zeros];
        at[zeros++] = moved;
    }
    return zeros;
}

mr_hash mr_reference_tree_root(mr_reference_leaf *at, size_t count, uint32_t depth)
{
    if (count == 0)
        return (mr_hash){0};
    if (count == 1)
        return mr_hash_pair(MR_HASH_LEAF, &at[0].key, &at[0].leaf);
    const size_t zeros = part(at, count, depth);
    if (zeros == 0 || zeros == count)
        return mr_reference_tree_root(at, count, depth + 1);
    const mr_hash left = mr_reference_tree_root(at, zeros, depth + 1);
    const mr_hash right = mr_reference_tree_root(at + zeros, count - zeros, depth + 1);
    return mr_hash_pair(depth, &left, &right);
}
