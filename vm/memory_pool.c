/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/memory_pool.h"

#include <pthread.h>

#include "vm/memory_heap.h"

/* A mapping that slots were cut from. */
typedef struct chunk {
    struct chunk *next;
    uint8_t *bytes;
    size_t size;
} chunk;

/* What all pools of the process share. A slot may end up in any pool, so no chunk can go before the
 * last pool has gone. */
static struct {
    pthread_mutex_t lock;
    mr_slot *magazines; /* full magazines, linked by next_magazine */
    chunk *chunks;
    size_t pools_count;
} depot = {.lock = PTHREAD_MUTEX_INITIALIZER};

mr_unit_pool *mr_unit_pool_new(void)
{
    mr_unit_pool *pool = mr_heap_zalloc(sizeof *pool);
    if (pool == NULL)
        return NULL;
    pthread_mutex_lock(&depot.lock);
    depot.pools_count++;
    pthread_mutex_unlock(&depot.lock);
    return pool;
}

static void depot_clear(void)
{
    while (depot.chunks != NULL) {
        chunk *at = depot.chunks;
        depot.chunks = at->next;
        MR_UNPOISON(at->bytes, at->size);
        mr_heap_unmap(at->bytes, at->size);
        mr_heap_free(at);
    }
    depot.magazines = NULL;
}

void mr_unit_pool_free(mr_unit_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&depot.lock);
    MR_ASSERT(depot.pools_count > 0);
    if (--depot.pools_count == 0)
        depot_clear();
    pthread_mutex_unlock(&depot.lock);
    mr_heap_free(pool);
}

void mr_unit_pool_set_retire(mr_unit_pool *pool, const mr_unit_retire *retire)
{
    pool->retire = retire != NULL ? *retire : (mr_unit_retire){0};
}

static mr_slot *depot_take_magazine(void)
{
    pthread_mutex_lock(&depot.lock);
    mr_slot *magazine = depot.magazines;
    if (magazine != NULL) {
        MR_UNPOISON(magazine, sizeof *magazine);
        depot.magazines = magazine->next_magazine;
        MR_POISON(magazine, sizeof *magazine);
    }
    pthread_mutex_unlock(&depot.lock);
    return magazine;
}

static mr_status fresh_chunk(mr_unit_pool *pool, size_t size)
{
    chunk *made = mr_heap_alloc(sizeof *made);
    if (made == NULL)
        return MR_NO_MEMORY;
    made->size = size;
    made->bytes = mr_heap_map(size);
    if (made->bytes == NULL) {
        mr_heap_free(made);
        return MR_NO_MEMORY;
    }
    pthread_mutex_lock(&depot.lock);
    made->next = depot.chunks;
    depot.chunks = made;
    pthread_mutex_unlock(&depot.lock);
    pool->fresh = made->bytes;
    pool->fresh_end = made->bytes + size;
    return MR_OK;
}

mr_status mr_unit_pool_reserve(mr_unit_pool *pool, size_t count)
{
    while (mr_unit_pool_ready(pool) < count && pool->spare == NULL) {
        pool->spare = depot_take_magazine();
        if (pool->spare == NULL)
            break;
    }
    if (mr_unit_pool_ready(pool) >= count)
        return MR_OK;
    size_t size = (count * MR_UNIT_BYTES + MR_CHUNK_BYTES - 1) / MR_CHUNK_BYTES * MR_CHUNK_BYTES;
    uint8_t *rest = pool->fresh;
    uint8_t *rest_end = pool->fresh_end;
    MR_TRY(fresh_chunk(pool, size));
    for (; rest < rest_end; rest += MR_UNIT_BYTES)
        mr_unit_pool_give(pool, rest);
    return MR_OK;
}

void mr_unit_pool_spill(mr_unit_pool *pool)
{
    mr_slot *full = pool->spare;
    pool->spare = pool->free;
    pool->free = NULL;
    pool->free_count = 0;
    if (full == NULL)
        return;
    pthread_mutex_lock(&depot.lock);
    MR_UNPOISON(full, sizeof *full);
    full->next_magazine = depot.magazines;
    MR_POISON(full, sizeof *full);
    depot.magazines = full;
    pthread_mutex_unlock(&depot.lock);
}

void mr_unit_pool_give(mr_unit_pool *pool, uint8_t *bytes)
{
    mr_slot *slot = (mr_slot *)bytes;
    slot->next = pool->free;
    MR_POISON(slot, MR_UNIT_BYTES);
    pool->free = slot;
    if (++pool->free_count == MR_MAGAZINE_SLOTS)
        mr_unit_pool_spill(pool);
}
