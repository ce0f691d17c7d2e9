/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/memory_finger.h"

#include "base/assert.h"

enum { CACHE_LINE = 64 };

typedef mr_memory_node node;
typedef mr_memory_finger finger;

/* The lowest level of the path whose node is the right one for a key not less than the one before.
 * Between the path and what comes after it in the tree stand the separators at its right side, each
 * no less than those of lower levels. */
static uint32_t level_of(const finger *f, uint64_t head, mr_span key)
{
    const uint32_t top = (*f->root)->level;
    uint32_t level = 0;
    for (uint32_t i = 1; i <= top; i++) {
        const node *at = f->path[i].at;
        const uint32_t after = f->path[i].place + 1;
        if (after == at->count)
            continue;
        if (mr_memory_is_less(head, key, at->heads[after], mr_entry_key(at->entries[after])))
            break;
        level = i;
    }
    return level;
}

/* Goes to a leaf from the path (forward) or from the root; false when it was there before. */
static bool go(finger *f, node **root, bool forward, uint64_t head, mr_span key)
{
    uint32_t level = (*root)->level, low = 0;
    MR_ASSERT(level < MR_MEMORY_LEVELS_MAX);
    if (forward) {
        level = level_of(f, head, key);
        if (level == 0)
            return false;
        low = f->path[level].place;
    } else {
        f->path[level].at = *root;
        f->root = root;
    }
    for (; level > 0; level--, low = 0) {
        const node *at = f->path[level].at;
        f->path[level].place = mr_memory_node_place(at, low + 1, at->count, head, key, true) - 1;
        f->path[level - 1].at = at->children[f->path[level].place];
    }
    return true;
}

bool mr_memory_finger_point(mr_memory_finger *f, mr_memory_node **root, uint64_t head, mr_span key)
{
    bool forward = f->root == root && !mr_memory_is_less(head, key, f->head, f->key);
    bool moved = go(f, root, forward, head, key);
    f->head = head;
    f->key = key;
    return moved;
}

/* Keys that are not in order are not fetched, which costs time and nothing else. */
void mr_memory_finger_fetch(mr_memory_finger *f, mr_memory_node **root, mr_span key)
{
    if (*root == NULL || !go(f, root, f->root == root, mr_span_head(key), key))
        return;
    const char *leaf = (const char *)f->path[0].at;
    for (size_t i = 0; i < sizeof(node); i += CACHE_LINE)
        __builtin_prefetch(leaf + i);
}
