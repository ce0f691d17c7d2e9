/* SPDX-License-Identifier: Apache-2.0 */
/* The obviously right tree: the definition at the top of storage/tree.h, read aloud. */
#ifndef MR_TESTS_STORAGE_REFERENCE_TREE_H
#define MR_TESTS_STORAGE_REFERENCE_TREE_H

#include <stdlib.h>

#include "storage/hash.h"

typedef struct reference_leaf {
    mr_hash key;
    mr_hash leaf;
} reference_leaf;

static inline int reference_bit(const mr_hash *key, uint32_t bit)
{
    return key->bytes[bit / 8] >> (7 - bit % 8) & 1;
}

/* The root of `count` leaves in any order, all of which agree on the bits before `depth`. */
static inline mr_hash reference_root(const reference_leaf *leaves, size_t count, uint32_t depth)
{
    if (count == 0)
        return (mr_hash){0};
    if (count == 1)
        return mr_hash_pair(MR_HASH_LEAF, &leaves[0].key, &leaves[0].leaf);
    reference_leaf *sides[2] = {malloc(count * sizeof *leaves), malloc(count * sizeof *leaves)};
    size_t counts[2] = {0, 0};
    for (size_t i = 0; i < count; i++) {
        int side = reference_bit(&leaves[i].key, depth);
        sides[side][counts[side]++] = leaves[i];
    }
    mr_hash left = reference_root(sides[0], counts[0], depth + 1);
    mr_hash right = reference_root(sides[1], counts[1], depth + 1);
    free(sides[0]);
    free(sides[1]);
    if (counts[0] == 0)
        return right;
    if (counts[1] == 0)
        return left;
    return mr_hash_pair(depth, &left, &right);
}

#endif
