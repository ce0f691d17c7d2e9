/* SPDX-License-Identifier: Apache-2.0 */
/* arena: memory that dies together. Allocation is a pointer bump; everything goes at once with
 * mr_arena_reset, which keeps the chunks for the next use.
 *
 * Threads: one thread at a time. Memory taken from an arena may be read by others as long as the
 * caller orders the hand-over and nobody resets. */
#ifndef MR_BASE_ARENA_H
#define MR_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_arena_chunk mr_arena_chunk;

/* All zero is an empty arena. */
typedef struct mr_arena {
    mr_arena_chunk *first;   /* all chunks, in the order they are used */
    mr_arena_chunk *current; /* chunk being filled, or NULL */
    uint8_t *at;             /* next free byte of `current` */
    uint8_t *end;            /* end of `current` */
    size_t used_bytes;       /* handed out since the last reset, chunk tails not counted */
} mr_arena;

/* mr_arena_alloc returns `size` bytes, aligned to 16, contents unspecified; `size` may be 0.
 * Errors: NULL when out of memory, the arena unchanged. */
void *mr_arena_alloc(mr_arena *arena, size_t size);

/* mr_arena_reset forgets everything handed out and keeps at most `keep_bytes` of chunks. */
void mr_arena_reset(mr_arena *arena, size_t keep_bytes);

/* mr_arena_fini frees all chunks and leaves an empty arena. */
void mr_arena_fini(mr_arena *arena);

#ifdef __cplusplus
}
#endif

#endif
