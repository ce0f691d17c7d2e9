/* SPDX-License-Identifier: Apache-2.0 */
/* memory_dead: a list of entries and nodes that one version has and the next one has not. Private
 * to storage/. All zero is an empty list. */
#ifndef MR_STORAGE_MEMORY_DEAD_H
#define MR_STORAGE_MEMORY_DEAD_H

#include "storage/memory_tree.h"

typedef struct mr_memory_chunk mr_memory_chunk;

typedef struct mr_memory_dead {
    mr_memory_chunk *first; /* NULL when empty */
    mr_memory_chunk *last;
    mr_memory_chunk *spare; /* for when `last` is full; NULL */
} mr_memory_dead;

/* mr_memory_dead_reserve makes room for some more objects, up to 500.
 * Errors: MR_NO_MEMORY, nothing has changed. */
mr_status mr_memory_dead_reserve(mr_memory_dead *dead, uint32_t objects);

/* mr_memory_dead_add adds an object, for which there is room. */
void mr_memory_dead_add(mr_memory_dead *dead, mr_memory_object *object);

/* mr_memory_dead_take returns an object and takes it out of the list, NULL when there is none. */
mr_memory_object *mr_memory_dead_take(mr_memory_dead *dead);

/* mr_memory_dead_free frees the objects that were born after version `kept`, none of which has
 * number 0, and leaves the others in the list. Returns how many it freed. */
size_t mr_memory_dead_free(mr_memory_dead *dead, uint64_t kept);

/* mr_memory_dead_move adds what is in `from` to `to`, and empties `from`. */
void mr_memory_dead_move(mr_memory_dead *to, mr_memory_dead *from);

/* mr_memory_dead_deal moves what is in `from` to lists that are empty, to each about as much. */
void mr_memory_dead_deal(mr_memory_dead *from, mr_memory_dead *const *to, size_t to_count);

/* mr_memory_dead_fini empties the list and frees no object. */
void mr_memory_dead_fini(mr_memory_dead *dead);

#endif
