/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/assert.h"

enum { ALIGNMENT = 16, CHUNK_BYTES_MIN = 256 * 1024 };

struct mr_arena_chunk {
    mr_arena_chunk *next;
    size_t bytes; /* of `data` */
    _Alignas(ALIGNMENT) uint8_t data[];
};

static void enter(mr_arena *arena, mr_arena_chunk *chunk)
{
    arena->current = chunk;
    arena->at = chunk->data;
    arena->end = chunk->data + chunk->bytes;
}

/* Moves to the next chunk that holds `size` bytes, adding one behind the current if need be. */
static bool advance(mr_arena *arena, size_t size)
{
    mr_arena_chunk *next = arena->current == NULL ? arena->first : arena->current->next;
    if (next != NULL && next->bytes >= size) {
        enter(arena, next);
        return true;
    }
    size_t bytes = size > CHUNK_BYTES_MIN ? size : CHUNK_BYTES_MIN;
    if (bytes > SIZE_MAX - sizeof(mr_arena_chunk))
        return false;
    mr_arena_chunk *chunk = malloc(sizeof *chunk + bytes);
    if (chunk == NULL)
        return false;
    chunk->bytes = bytes;
    chunk->next = next;
    if (arena->current == NULL)
        arena->first = chunk;
    else
        arena->current->next = chunk;
    enter(arena, chunk);
    return true;
}

void *mr_arena_alloc(mr_arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT)
        return NULL;
    size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (rounded > (size_t)(arena->end - arena->at) || arena->current == NULL) {
        if (!advance(arena, rounded))
            return NULL;
    }
    void *result = arena->at;
    arena->at += rounded;
    arena->used_bytes += rounded;
    return result;
}

void mr_arena_reset(mr_arena *arena, size_t keep_bytes)
{
    size_t kept = 0;
    mr_arena_chunk **link = &arena->first;
    while (*link != NULL) {
        mr_arena_chunk *chunk = *link;
        if (chunk->bytes <= keep_bytes - kept) {
            kept += chunk->bytes;
            link = &chunk->next;
        } else {
            *link = chunk->next;
            free(chunk);
        }
    }
    mr_arena_chunk *first = arena->first;
    *arena = (mr_arena){.first = first};
}

void mr_arena_fini(mr_arena *arena)
{
    mr_arena_reset(arena, 0);
    MR_ASSERT(arena->first == NULL);
}
