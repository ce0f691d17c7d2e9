/* SPDX-License-Identifier: Apache-2.0 */
/* pages: the heap pages a program has allocated, as sorted, disjoint, non-adjacent ranges. */
#ifndef MR_ENGINE_PAGES_H
#define MR_ENGINE_PAGES_H

#include "base/bytes.h"
#include "base/status.h"

typedef struct mr_page_range {
    uint32_t first; /* 0 .. MR_PAGES_MAX - 1 */
    uint32_t end;   /* one past the last; first < end <= MR_PAGES_MAX */
} mr_page_range;

/* All zero is the empty set. */
typedef struct mr_pages {
    mr_page_range *ranges;
    uint32_t count;
    uint32_t capacity;
    uint32_t gap_max; /* no gap before the last range is longer: spares searching in vain */
} mr_pages;

/* mr_pages_copy makes `to` equal to `from`. Errors: MR_NO_MEMORY, `to` unchanged. */
mr_status mr_pages_copy(mr_pages *to, const mr_pages *from);

/* mr_pages_find returns the first page of the lowest gap of `count` pages in [low, high), or
 * UINT32_MAX when there is none. `count` is 1 or more. What it learns about gaps makes the next
 * search in vain cost nothing until pages are removed. */
uint32_t mr_pages_find(mr_pages *pages, uint32_t low, uint32_t high, uint32_t count);

/* mr_pages_add adds [first, end), which must be free. Errors: MR_NO_MEMORY, unchanged. */
mr_status mr_pages_add(mr_pages *pages, uint32_t first, uint32_t end);

/* mr_pages_remove removes what the set has of [first, end) and yields how many pages those were.
 * Errors: MR_NO_MEMORY, unchanged. */
mr_status mr_pages_remove(mr_pages *pages, uint32_t first, uint32_t end, uint32_t *removed);

/* mr_pages_next yields the first run of pages in [first, end) that the set has, cut to that. False
 * when there is none. */
bool mr_pages_next(const mr_pages *pages, uint32_t first, uint32_t end, mr_page_range *out);

/* mr_pages_end returns one past the highest page, 0 when empty. */
uint32_t mr_pages_end(const mr_pages *pages);

void mr_pages_fini(mr_pages *pages);

#endif
