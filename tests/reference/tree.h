/* SPDX-License-Identifier: Apache-2.0 */
/* tree: the tree of storage/tree.h over a set of pairs, told recursively. */
#ifndef MR_TESTS_REFERENCE_TREE_H
#define MR_TESTS_REFERENCE_TREE_H

#include "storage/hash.h"

typedef struct mr_reference_leaf {
    mr_hash key;
    mr_hash leaf;
} mr_reference_leaf;

typedef struct mr_reference_leaves {
    mr_reference_leaf *at;
    size_t count;
} mr_reference_leaves;

/* mr_reference_tree_root returns the root of leaves that agree on all bits of their keys before
 * `depth`. It changes their order. */
mr_hash mr_reference_tree_root(mr_reference_leaf *at, size_t count, uint32_t depth);

#endif
