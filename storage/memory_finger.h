/* SPDX-License-Identifier: Apache-2.0 */
/* memory_finger: a path to the leaf where a key belongs. It goes from one key to the next one in
 * order without a way down from the root. Private to storage/. */
#ifndef MR_STORAGE_MEMORY_FINGER_H
#define MR_STORAGE_MEMORY_FINGER_H

#include "storage/memory_tree.h"

typedef struct mr_memory_finger {
    mr_memory_node **root; /* of the tree; NULL: it points nowhere */
    mr_span key;           /* the one before; the caller's, as long as the finger points */
    uint64_t head;
    struct {
        mr_memory_node *at;
        uint32_t place; /* of the child that the way goes through; in the leaf the caller's */
    } path[MR_MEMORY_LEVELS_MAX];
} mr_memory_finger;

/* mr_memory_finger_point goes to the leaf of a key in a tree that is not empty, at which it does
 * not look. Keys may come in any order. Whoever changes the tree in between keeps the path right,
 * or makes `root` NULL. Returns false when it stays at the leaf of the key before, and the key does
 * not come before that one. */
bool mr_memory_finger_point(mr_memory_finger *finger, mr_memory_node **root, uint64_t head,
                            mr_span key);

/* mr_memory_finger_fetch has the leaf of a key brought from memory, at which somebody will look
 * soon: of keys in order, by a finger that serves nothing else. `root` may be that of an empty
 * tree. */
void mr_memory_finger_fetch(mr_memory_finger *finger, mr_memory_node **root, mr_span key);

#endif
