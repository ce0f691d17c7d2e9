/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/memory_dead.h"

#include <stdlib.h>

#include "base/assert.h"

enum { CHUNK = 510, PREFETCH = 8, NEXT = 4, FETCH_BYTES = 320, CACHE_LINE = 64 };

/* A page of memory. */
struct mr_memory_chunk {
    mr_memory_chunk *next;
    uint32_t count;
    mr_memory_object *objects[CHUNK];
};

typedef mr_memory_chunk chunk;

mr_status mr_memory_dead_reserve(mr_memory_dead *dead, uint32_t objects)
{
    MR_ASSERT(objects <= CHUNK);
    if (dead->spare != NULL || (dead->last != NULL && CHUNK - dead->last->count >= objects))
        return MR_OK;
    dead->spare = malloc(sizeof *dead->spare);
    return dead->spare == NULL ? MR_NO_MEMORY : MR_OK;
}

static void link_spare(mr_memory_dead *dead)
{
    chunk *made = dead->spare;
    MR_ASSERT(made != NULL);
    made->next = NULL;
    made->count = 0;
    if (dead->last != NULL)
        dead->last->next = made;
    else
        dead->first = made;
    dead->last = made;
    dead->spare = NULL;
}

void mr_memory_dead_add(mr_memory_dead *dead, mr_memory_object *object)
{
    if (dead->last == NULL || dead->last->count == CHUNK)
        link_spare(dead);
    dead->last->objects[dead->last->count++] = object;
}

/* What is taken here is freed, and its memory used again next. */
static void fetch(const mr_memory_object *object)
{
    const char *bytes = (const char *)object;
    for (int i = 0; i < FETCH_BYTES; i += CACHE_LINE)
        __builtin_prefetch(bytes + i, 1);
}

mr_memory_object *mr_memory_dead_take(mr_memory_dead *dead)
{
    chunk *at = dead->first;
    if (at == NULL)
        return NULL;
    mr_memory_object *object = at->objects[--at->count];
    if (at->count >= NEXT)
        fetch(at->objects[at->count - NEXT]);
    if (at->count == 0) {
        dead->first = at->next;
        if (dead->first == NULL)
            dead->last = NULL;
        free(at);
    }
    return object;
}

/* Frees what is not kept, and closes the gaps. */
static size_t free_in(chunk *at, uint64_t kept)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < at->count; i++) {
        if (i + PREFETCH < at->count)
            __builtin_prefetch(at->objects[i + PREFETCH]);
        if (kept == 0 || at->objects[i]->born > kept)
            free(at->objects[i]);
        else
            at->objects[left++] = at->objects[i];
    }
    size_t freed = at->count - left;
    at->count = left;
    return freed;
}

/* Moves the objects of a list's last chunk to the one before, as far as there is room. So a list
 * out of which much was freed again and again is not one of chunks that are nearly empty. */
static bool absorb(chunk *into, chunk *from)
{
    if (into == NULL || into->count + from->count > CHUNK)
        return false;
    memcpy(into->objects + into->count, from->objects, from->count * sizeof from->objects[0]);
    into->count += from->count;
    free(from);
    return true;
}

size_t mr_memory_dead_free(mr_memory_dead *dead, uint64_t kept)
{
    size_t freed = 0;
    chunk *at = dead->first;
    dead->first = dead->last = NULL;
    while (at != NULL) {
        chunk *next = at->next;
        freed += free_in(at, kept);
        at->next = NULL;
        if (at->count == 0) {
            free(at);
        } else if (!absorb(dead->last, at)) {
            if (dead->last != NULL)
                dead->last->next = at;
            else
                dead->first = at;
            dead->last = at;
        }
        at = next;
    }
    return freed;
}

void mr_memory_dead_move(mr_memory_dead *to, mr_memory_dead *from)
{
    free(from->spare);
    if (from->first != NULL) {
        if (to->last != NULL)
            to->last->next = from->first;
        else
            to->first = from->first;
        to->last = from->last;
    }
    *from = (mr_memory_dead){0};
}

void mr_memory_dead_deal(mr_memory_dead *from, mr_memory_dead *const *to, size_t to_count)
{
    chunk *next;
    size_t dealt = 0;
    for (chunk *at = from->first; at != NULL; at = next) {
        mr_memory_dead *list = to[dealt++ % to_count];
        next = at->next;
        at->next = list->first;
        list->first = at;
        if (at->next == NULL)
            list->last = at;
    }
    free(from->spare);
    *from = (mr_memory_dead){0};
}

void mr_memory_dead_fini(mr_memory_dead *dead)
{
    free(dead->spare);
    while (dead->first != NULL) {
        chunk *next = dead->first->next;
        free(dead->first);
        dead->first = next;
    }
    *dead = (mr_memory_dead){0};
}
