/* SPDX-License-Identifier: Apache-2.0 */
/* memory_pool: slots for unit versions.
 *
 * A pool belongs to one worker and works without locks. Slots move between pools as programs move
 * between workers: a slot is freed into the pool at hand. What a pool has too much of it hands on,
 * a magazine of slots at a time, through a shared depot under a lock; so a pool keeps at most two
 * magazines and the rest of one chunk to itself, whatever the traffic between workers. */
#ifndef MR_VM_MEMORY_POOL_H
#define MR_VM_MEMORY_POOL_H

#include "base/assert.h"
#include "vm/memory.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define MR_POISON(at, size)   ASAN_POISON_MEMORY_REGION((at), (size))
#define MR_UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION((at), (size))
#else
#define MR_POISON(at, size)   ((void)(at), (void)(size))
#define MR_UNPOISON(at, size) ((void)(at), (void)(size))
#endif

/* A free slot. `next_magazine` is used in the first slot of a magazine in the depot. */
typedef struct mr_slot {
    struct mr_slot *next;
    struct mr_slot *next_magazine;
} mr_slot;

enum {
    MR_MAGAZINE_SLOTS = (256 << 10) / MR_UNIT_BYTES,
    MR_CHUNK_BYTES = 1 << 20,
};

struct mr_unit_pool {
    mr_slot *free; /* list of free_count slots */
    size_t free_count;
    mr_slot *spare; /* a full magazine of MR_MAGAZINE_SLOTS, or NULL */
    uint8_t *fresh; /* slots never used yet: fresh .. fresh_end */
    uint8_t *fresh_end;
    mr_unit_retire retire;
};

/* mr_unit_pool_reserve makes sure that the next `count` takes succeed. Errors: MR_NO_MEMORY. */
mr_status mr_unit_pool_reserve(mr_unit_pool *pool, size_t count);

/* mr_unit_pool_spill hands the oldest full magazine to the depot; part of giving a slot back. */
void mr_unit_pool_spill(mr_unit_pool *pool);

static inline size_t mr_unit_pool_ready(const mr_unit_pool *pool)
{
    return pool->free_count + (pool->spare != NULL ? (size_t)MR_MAGAZINE_SLOTS : 0) +
           (size_t)(pool->fresh_end - pool->fresh) / MR_UNIT_BYTES;
}

/* mr_unit_pool_take returns a reserved slot, content unspecified. */
static inline uint8_t *mr_unit_pool_take(mr_unit_pool *pool)
{
    if (pool->free == NULL && pool->spare != NULL) {
        pool->free = pool->spare;
        pool->free_count = MR_MAGAZINE_SLOTS;
        pool->spare = NULL;
    }
    mr_slot *slot = pool->free;
    if (slot != NULL) {
        MR_UNPOISON(slot, MR_UNIT_BYTES);
        pool->free = slot->next;
        pool->free_count--;
        return (uint8_t *)slot;
    }
    MR_ASSERT(pool->fresh < pool->fresh_end);
    uint8_t *bytes = pool->fresh;
    pool->fresh += MR_UNIT_BYTES;
    return bytes;
}

#endif
