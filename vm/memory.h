/* SPDX-License-Identifier: Apache-2.0 */
/* memory: one program's linear memory. It is two things kept apart:
 *
 *   image  the memory's content as of the last settled dispatch: versions of the units that differ
 *          from the code's data segments, and the number of pages. Small when little was touched.
 *   live   the contiguous bytes that code runs on; present while the program is warm, dropped and
 *          made again from the image at will.
 *
 * Within a block the first change of a unit makes a new version and keeps the old one, later
 * changes overwrite the new one in place. A block ends with mr_memory_accept (old versions are
 * freed) or mr_memory_reject (they come back).
 *
 * The shadow stack (below the code's stack end) is not state: it is part of no image.
 *
 * Threads: one at a time on one memory, ordered by the caller (the scheduler's phases). */
#ifndef MR_VM_MEMORY_H
#define MR_VM_MEMORY_H

#include "vm/code.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Allocates unit versions; one per worker, so that no lock is needed. A version may be freed into
 * another pool than it came from; what one pool frees and another needs moves over in batches.
 * Memory goes back to the system when the last pool of the process is freed. */
typedef struct mr_unit_pool mr_unit_pool;
mr_unit_pool *mr_unit_pool_new(void);       /* NULL when out of memory */
void mr_unit_pool_free(mr_unit_pool *pool); /* after every memory that used it is gone */

/* Who else may still read a version when the image lets go of it? With `retire` set, a version that
 * was part of an accepted block is handed to it instead of being freed, and must come back through
 * mr_unit_pool_give, into any pool, once no reader is left (an RCU grace period). Versions of the
 * block in progress were never seen by anyone and are freed at once. */
typedef struct mr_unit_retire {
    void (*retire)(void *self, mr_unit_pool *pool, uint8_t *bytes);
    void *self;
} mr_unit_retire;
void mr_unit_pool_set_retire(mr_unit_pool *pool, const mr_unit_retire *retire); /* NULL: free */
void mr_unit_pool_give(mr_unit_pool *pool, uint8_t *bytes);

/* Caller's memory, small: an idle program with one touched unit holds nothing but this struct and
 * the unit. Must stay at its address between init and fini. Fields are private. */
typedef struct mr_memory {
    uint64_t private_[12];
} mr_memory;

/* mr_memory_init makes the memory of a new program of `code`: its static pages, data segments as
 * initial content, no unit of its own. Takes a reference to `code`.
 * mr_memory_fini drops live bytes and block in progress, too; accepts a struct of all zero. */
void mr_memory_init(mr_memory *memory, mr_code *code);
void mr_memory_fini(mr_memory *memory, mr_unit_pool *pool);

uint32_t mr_memory_pages(const mr_memory *memory); /* pages now, static ones included */
bool mr_memory_is_live(const mr_memory *memory);
size_t mr_memory_live_bytes(const mr_memory *memory);    /* resident cost of the live part, about */
size_t mr_memory_image_bytes(const mr_memory *memory);   /* tables, units not counted */
uint32_t mr_memory_units_count(const mr_memory *memory); /* units of its own in the image */

/* mr_memory_load sets pages and one unit's content from storage, outside any block; the memory
 * must not be live. `bytes` has MR_UNIT_BYTES.  Errors: MR_NO_MEMORY; MR_CORRUPT unit out of
 * range. */
mr_status mr_memory_load_pages(mr_memory *memory, uint32_t pages);
mr_status mr_memory_load_unit(mr_memory *memory, mr_unit_pool *pool, uint32_t unit,
                              const uint8_t *bytes);

/* mr_memory_read copies `size` bytes at `address` out of the image. Errors: MR_LIMIT beyond the
 * end of memory. Stack bytes read as zero. */
mr_status mr_memory_read(const mr_memory *memory, uint64_t address, void *out, size_t size);

/* mr_memory_unit returns the image's content of `unit`: its own version, or the code's, or NULL
 * when it is zero. */
const uint8_t *mr_memory_unit(const mr_memory *memory, uint32_t unit);

/* mr_memory_own_unit returns the image's own version of `unit`, or NULL when it has none. */
const uint8_t *mr_memory_own_unit(const mr_memory *memory, uint32_t unit);

/* mr_memory_prefetch asks the caches for what running the program will need first. Whoever knows
 * which programs run next calls it with distance 3 for the one after the next two, 2 for the one
 * after the next and 1 for the next: each step fetches what the one before found the address of.
 * Changes nothing. With ten thousand programs in turn a message costs a third of what it does
 * without (docs/PERFORMANCE.md). Threads: whoever may run the program. */
void mr_memory_prefetch(const mr_memory *memory, uint32_t distance);

/* mr_memory_clear makes the content that of the code's initial memory again, and the live bytes go.
 * Part of the block in progress. */
void mr_memory_clear(mr_memory *memory, mr_unit_pool *pool);

/* mr_memory_drop_live gives the live bytes back. The image has everything. */
void mr_memory_drop_live(mr_memory *memory);

/* A unit changed since the last accept or reject. */
typedef struct mr_unit_change {
    uint32_t unit;
    bool present; /* false: content is again that of the code, so the image has no version */
    const uint8_t *bytes; /* the new version when present */
} mr_unit_change;

/* mr_memory_changes lists the net changes of the block so far, ascending by unit; a unit whose
 * content is again what it was before the block is left out. Valid until the memory changes.
 * Errors: MR_NO_MEMORY. */
mr_status mr_memory_changes(mr_memory *memory, mr_unit_pool *pool, const mr_unit_change **changes,
                            size_t *count);

void mr_memory_accept(mr_memory *memory, mr_unit_pool *pool);
void mr_memory_reject(mr_memory *memory, mr_unit_pool *pool);

/* mr_memory_check walks the image and, if live, compares every unit with it; asserts. */
void mr_memory_check(const mr_memory *memory);

#ifdef __cplusplus
}
#endif

#endif
