/* SPDX-License-Identifier: Apache-2.0 */
/* live: the contiguous bytes that code runs on.
 *
 * Live memories are slots of a few sizes in large mappings that cost memory only where written.
 * A slot remembers which units may differ from the content its code starts with, so that it can
 * pass from one program to another of the same code for the price of the units both have of their
 * own, whatever the size of memory.
 *
 * Anyone may take an idle live memory away when the budget is spent, while its program is owned by
 * another worker. One word says whose it is:
 *
 *        0 ---- take: store -----> image|1 ---- release: store-release ----> image
 *        ^                         |     ^                                   |   |
 *        |<---- drop: store -------'     '---- claim: CAS acquire -----------'   |
 *        '<---------------------- evict: CAS acquire ----------------------------'
 *
 *   0        nobody's: in a free list (under the lock) or in the hands of who took it away
 *   image    idle; the image's `live` points here
 *   image|1  in use by the worker that owns the image
 *
 * An image may point to a live memory that was taken away; its next claim fails and tells it so.
 * Live structs stay where they are until mr_lives_free, so that claiming never follows a dangling
 * pointer, and mr_memory_fini claims, so that no stale owner is left behind. All transitions are
 * wait-free; mr_live_release pairs with the CAS of the next claim or eviction. */
#ifndef MR_VM_LIVE_H
#define MR_VM_LIVE_H

#include <stdatomic.h>

#include "vm/image.h"

typedef struct mr_lives mr_lives; /* all live memories of one mr_vm. Threads: any */

/* A worker's own live memories of small programs. Making a small program live again costs less than
 * running it on bytes that have gone cold: its units come out of a few dense pages instead of a
 * page or two each. So a worker keeps only this many of them, the last ones to run, and passes the
 * oldest on; active programs up to this number stay live. Large programs are outside of it, and
 * only the budget of all live memories takes them away. (docs/PERFORMANCE.md has the figures.) */
enum { MR_NURSERY_LIVES = 256, MR_NURSERY_UNITS_MAX = 32 };

typedef struct mr_nursery {
    mr_live *ring[MR_NURSERY_LIVES]; /* some may be elsewhere by now, see mr_live.home */
    uint32_t oldest;
    uint32_t count;
    uint64_t random; /* not 0; chooses who is looked at first, of no result */
    mr_live *last;   /* ran last */
} mr_nursery;

/* mr_nursery_fini forgets its live memories, which stay. */
void mr_nursery_fini(mr_nursery *nursery);

struct mr_live {
    _Atomic uintptr_t owner;
    uint8_t *bytes;
    mr_code *code;     /* whose content is in `bytes` where `differs` is clear; NULL: zero */
    uint64_t *differs; /* bit a unit: may differ from the code's content */
    uint64_t *groups;  /* bit a word of `differs` that is not zero */
    uint64_t *written; /* bit a 4 KiB: has memory */
    mr_lives *lives;
    mr_live *next_free;
    uint32_t resident_kpages;       /* bits set in `written` */
    uint32_t counted_kpages;        /* of these, in the sum of all live memories */
    _Atomic uint32_t differs_count; /* bits set in `differs` */
    _Atomic uint8_t used;       /* up to MR_USED_MAX: came to run again since evictors came by */
    uint8_t class_log2;         /* 1 << class_log2 pages */
    _Atomic(mr_nursery *) home; /* whose ring it is in; may be out of date either way */
};

enum { MR_USED_MAX = 3 };

/* Errors: NULL when out of memory. Free: after all memories have been dropped or finished. */
mr_lives *mr_lives_new(uint64_t bytes_max);
void mr_lives_free(mr_lives *lives);
uint64_t mr_lives_bytes(const mr_lives *lives); /* resident, all together, about */

/* mr_live_take makes the image live and claims it. Errors: NULL when out of memory. */
mr_live *mr_live_take(mr_lives *lives, mr_nursery *nursery, mr_image *image);

/* mr_live_move moves the claimed live memory to a slot for `pages` pages, with what the run in
 * progress wrote, as marked in `marks` for its present pages.
 * Errors: NULL when out of memory, nothing changed. */
mr_live *mr_live_move(mr_image *image, mr_live *live, mr_nursery *nursery, uint32_t pages,
                      const uint8_t *marks, uint32_t marks_pages);

/* mr_live_clear makes units zero and marks those that may not have been. */
void mr_live_clear(mr_live *live, uint8_t *marks, uint32_t first, uint32_t count);

/* mr_live_drop gives a claimed live memory back. */
void mr_live_drop(mr_image *image, mr_live *live);

/* mr_lives_trim takes an idle live memory away if there are far more bytes than allowed. */
void mr_lives_trim(mr_lives *lives, mr_nursery *nursery);

/* mr_live_count brings the sum of all live memories up to date with this one. True when it is more
 * than it should be. */
bool mr_live_count(mr_live *live);

/* mr_live_used notes that a worker came to run it. */
static inline void mr_live_used(mr_nursery *nursery, mr_live *live)
{
    if (nursery->last == live)
        return; /* message after message of one program count once */
    nursery->last = live;
    uint8_t used = atomic_load_explicit(&live->used, memory_order_relaxed);
    if (used < MR_USED_MAX)
        atomic_store_explicit(&live->used, (uint8_t)(used + 1), memory_order_relaxed);
}

static inline uint32_t mr_live_pages_max(const mr_live *live)
{
    return 1u << live->class_log2;
}

static inline uint8_t *mr_live_unit(const mr_live *live, uint32_t unit)
{
    return live->bytes + ((size_t)unit << MR_UNIT_SHIFT);
}

static inline bool mr_live_is_of(const mr_image *image)
{
    return image->live != NULL && (atomic_load_explicit(&image->live->owner, memory_order_relaxed) &
                                   ~(uintptr_t)1) == (uintptr_t)image;
}

/* mr_live_claim returns the image's live memory, now in use, or NULL when it has none. */
static inline mr_live *mr_live_claim(mr_image *image)
{
    mr_live *live = image->live;
    if (live == NULL)
        return NULL;
    uintptr_t owner = (uintptr_t)image;
    if (atomic_compare_exchange_strong_explicit(&live->owner, &owner, owner | 1,
                                                memory_order_acquire, memory_order_relaxed))
        return live;
    MR_ASSERT(owner != ((uintptr_t)image | 1)); /* a second run, or a drop during a run */
    image->live = NULL;
    return NULL;
}

static inline void mr_live_release(mr_image *image, mr_live *live)
{
    atomic_store_explicit(&live->owner, (uintptr_t)image, memory_order_release);
}

enum { MR_KPAGE_UNITS_SHIFT = 12 - MR_UNIT_SHIFT };

/* mr_live_wrote notes that a unit was written to; mr_live_differs, that it may have stayed so. */
static inline void mr_live_wrote(mr_live *live, uint32_t unit)
{
    uint32_t kpage = unit >> MR_KPAGE_UNITS_SHIFT;
    uint64_t bit = (uint64_t)1 << (kpage & 63);
    uint64_t *word = &live->written[kpage >> 6];
    if (__builtin_expect((*word & bit) == 0, 0)) {
        *word |= bit;
        live->resident_kpages++;
    }
}

static inline void mr_live_differs(mr_live *live, uint32_t unit)
{
    uint64_t bit = (uint64_t)1 << (unit & 63);
    uint64_t *word = &live->differs[unit >> 6];
    mr_live_wrote(live, unit);
    if ((*word & bit) == 0) {
        /* Read by other workers that look for a live memory to take away. */
        uint32_t count = atomic_load_explicit(&live->differs_count, memory_order_relaxed);
        atomic_store_explicit(&live->differs_count, count + 1, memory_order_relaxed);
        *word |= bit;
    }
    live->groups[unit >> 12] |= (uint64_t)1 << ((unit >> 6) & 63);
}

/* mr_live_resident returns what the live memory costs, page table and records included, about. */
static inline size_t mr_live_resident(const mr_live *live)
{
    return live->resident_kpages == 0 ? 0 : ((size_t)live->resident_kpages + 1) << 12;
}

static inline void mr_live_copy(uint8_t *to, const uint8_t *content)
{
    if (content != NULL)
        __builtin_memcpy(to, content, MR_UNIT_BYTES);
    else
        __builtin_memset(to, 0, MR_UNIT_BYTES);
}

/* mr_live_restore writes the image's content of `unit` over the live bytes. */
static inline void mr_live_restore(const mr_image *image, mr_live *live, uint32_t unit)
{
    mr_live_differs(live, unit);
    mr_live_copy(mr_live_unit(live, unit), mr_image_content(image, unit));
}

#endif
