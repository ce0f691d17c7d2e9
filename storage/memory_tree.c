/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/memory_tree.h"

#include <stdlib.h>

#include "base/assert.h"

typedef mr_memory_node node;

/* The place of a key in a leaf. */
static uint32_t place_in_leaf(const node *leaf, mr_span key)
{
    const int side = mr_memory_leaf_side(leaf, key);
    if (side != 0)
        return side < 0 ? 0 : leaf->count;
    return mr_memory_node_place(leaf, 0, leaf->count, mr_memory_leaf_head(leaf, key), key, false);
}

/* In the leaf a key that does not begin as its keys do is found nowhere, wherever it is looked for;
 * so what the keys begin with is not looked at but in the one that is found. */
const mr_entry *mr_memory_tree_find(const mr_memory_node *root, mr_span key)
{
    const uint64_t head = mr_span_head(key);
    const node *at = root;
    if (at == NULL)
        return NULL;
    while (at->level > 0)
        at = at->children[mr_memory_node_place(at, 1, at->count, head, key, true) - 1];
    if (key.size < at->skip)
        return NULL;
    uint32_t i = mr_memory_node_place(at, 0, at->count, mr_memory_leaf_head(at, key), key, false);
    return i < at->count && mr_span_equal(mr_entry_key(at->entries[i]), key) ? at->entries[i]
                                                                             : NULL;
}

/* What a node of an earlier version reaches is of earlier versions, too. */
size_t mr_memory_tree_free(mr_memory_node *root, uint64_t born)
{
    if (root == NULL || root->object.born < born)
        return 0;
    size_t freed = 1;
    for (uint32_t i = 0; i < root->count; i++) {
        mr_entry *entry = root->entries[i];
        if (entry != NULL && entry->object.born >= born) {
            free(entry);
            freed++;
        }
        if (root->level > 0)
            freed += mr_memory_tree_free(root->children[i], born);
    }
    free(root);
    return freed;
}

void mr_memory_walk_from(mr_memory_walk *walk, const mr_memory_node *root, mr_span from)
{
    walk->levels = 0;
    if (root == NULL)
        return;
    const uint64_t head = mr_span_head(from);
    const node *at = root;
    MR_ASSERT(at->level < MR_MEMORY_LEVELS_MAX);
    walk->levels = at->level + 1;
    for (; at->level > 0; at = at->children[walk->path[at->level].place]) {
        walk->path[at->level].at = at;
        walk->path[at->level].place = mr_memory_node_place(at, 1, at->count, head, from, true) - 1;
    }
    walk->path[0].at = at;
    walk->path[0].place = place_in_leaf(at, from);
}

/* Goes to the first entry of the next leaf; false when there is none. */
static bool next_leaf(mr_memory_walk *walk)
{
    uint32_t level = 1;
    while (level < walk->levels && walk->path[level].place + 1 == walk->path[level].at->count)
        level++;
    if (level >= walk->levels)
        return false;
    walk->path[level].place++;
    for (; level > 0; level--) {
        walk->path[level - 1].at = walk->path[level].at->children[walk->path[level].place];
        walk->path[level - 1].place = 0;
    }
    return true;
}

const mr_entry *mr_memory_walk_next(mr_memory_walk *walk)
{
    if (walk->levels == 0)
        return NULL;
    if (walk->path[0].place == walk->path[0].at->count && !next_leaf(walk)) {
        walk->levels = 0;
        return NULL;
    }
    const node *leaf = walk->path[0].at;
    const uint32_t i = walk->path[0].place++;
    if (i + 1 < leaf->count)
        __builtin_prefetch(leaf->entries[i + 1]);
    return leaf->entries[i];
}
