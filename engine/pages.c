/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/pages.h"

#include <stdlib.h>

#include "base/assert.h"

static mr_status reserve(mr_pages *pages, uint32_t count)
{
    if (count <= pages->capacity)
        return MR_OK;
    uint32_t capacity = pages->capacity < 4 ? 4 : pages->capacity * 2;
    while (capacity < count)
        capacity *= 2;
    mr_page_range *ranges = realloc(pages->ranges, capacity * sizeof *ranges);
    if (ranges == NULL)
        return MR_NO_MEMORY;
    pages->ranges = ranges;
    pages->capacity = capacity;
    return MR_OK;
}

mr_status mr_pages_copy(mr_pages *to, const mr_pages *from)
{
    MR_TRY(reserve(to, from->count));
    if (from->count > 0)
        memcpy(to->ranges, from->ranges, from->count * sizeof *to->ranges);
    to->count = from->count;
    to->gap_max = from->gap_max;
    return MR_OK;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* The end of the range before index `i`. */
static uint32_t end_before(const mr_pages *pages, uint32_t i)
{
    return i == 0 ? 0 : pages->ranges[i - 1].end;
}

/* Index of the first range that ends after `page`; count when there is none. */
static uint32_t lower(const mr_pages *pages, uint32_t page)
{
    uint32_t low = 0, high = pages->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (pages->ranges[middle].end <= page)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t mr_pages_find(mr_pages *pages, uint32_t low, uint32_t high, uint32_t count)
{
    uint32_t at = low;
    for (uint32_t i = lower(pages, low); i < pages->count && count <= pages->gap_max; i++) {
        const mr_page_range *range = &pages->ranges[i];
        if (range->first > at && range->first - at >= count)
            return at <= high && high - at >= count ? at : UINT32_MAX;
        at = range->end;
    }
    if (pages->gap_max >= count)
        pages->gap_max = count - 1;
    at = larger(low, mr_pages_end(pages));
    return at <= high && high - at >= count ? at : UINT32_MAX;
}

mr_status mr_pages_add(mr_pages *pages, uint32_t first, uint32_t end)
{
    MR_ASSERT(first < end);
    uint32_t i = lower(pages, first);
    MR_ASSERT(i == pages->count || pages->ranges[i].first >= end);
    if (i == pages->count)
        pages->gap_max = larger(pages->gap_max, first - end_before(pages, i));
    bool joins_left = i > 0 && pages->ranges[i - 1].end == first;
    bool joins_right = i < pages->count && pages->ranges[i].first == end;
    if (joins_left && joins_right) {
        pages->ranges[i - 1].end = pages->ranges[i].end;
        memmove(pages->ranges + i, pages->ranges + i + 1,
                (pages->count - i - 1) * sizeof *pages->ranges);
        pages->count--;
    } else if (joins_left) {
        pages->ranges[i - 1].end = end;
    } else if (joins_right) {
        pages->ranges[i].first = first;
    } else {
        MR_TRY(reserve(pages, pages->count + 1));
        memmove(pages->ranges + i + 1, pages->ranges + i,
                (pages->count - i) * sizeof *pages->ranges);
        pages->ranges[i] = (mr_page_range){.first = first, .end = end};
        pages->count++;
    }
    return MR_OK;
}

mr_status mr_pages_remove(mr_pages *pages, uint32_t first, uint32_t end, uint32_t *removed)
{
    MR_TRY(reserve(pages, pages->count + 1));
    uint32_t total = 0;
    uint32_t i = lower(pages, first);
    while (i < pages->count && pages->ranges[i].first < end) {
        mr_page_range *range = &pages->ranges[i];
        uint32_t from = range->first > first ? range->first : first;
        uint32_t to = range->end < end ? range->end : end;
        total += to - from;
        if (from == range->first && to == range->end) {
            memmove(range, range + 1, (pages->count - i - 1) * sizeof *range);
            pages->count--;
        } else if (from == range->first) {
            range->first = to;
            i++;
        } else if (to == range->end) {
            range->end = from;
            i++;
        } else {
            memmove(range + 1, range, (pages->count - i) * sizeof *range);
            pages->count++;
            range[0].end = from;
            range[1].first = to;
            i += 2;
        }
    }
    i = lower(pages, first);
    if (i < pages->count)
        pages->gap_max = larger(pages->gap_max, pages->ranges[i].first - end_before(pages, i));
    *removed = total;
    return MR_OK;
}

bool mr_pages_next(const mr_pages *pages, uint32_t first, uint32_t end, mr_page_range *out)
{
    uint32_t i = lower(pages, first);
    if (first >= end || i == pages->count || pages->ranges[i].first >= end)
        return false;
    const mr_page_range *range = &pages->ranges[i];
    out->first = range->first > first ? range->first : first;
    out->end = range->end < end ? range->end : end;
    return true;
}

uint32_t mr_pages_end(const mr_pages *pages)
{
    return pages->count == 0 ? 0 : pages->ranges[pages->count - 1].end;
}

void mr_pages_fini(mr_pages *pages)
{
    free(pages->ranges);
    *pages = (mr_pages){0};
}
