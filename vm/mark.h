/* SPDX-License-Identifier: Apache-2.0 */
/* mark: one byte a unit, set by stores, in memory that a run lends to the code.
 *
 * A mark says that bytes of its unit, or up to MR_STRADDLE_BYTES before it, may have changed: a
 * store marks the unit of its last byte, and may have begun in the unit before, which is not marked
 * then. Whoever collects marks looks at the bytes before a marked unit, too. */
#ifndef MR_VM_MARK_H
#define MR_VM_MARK_H

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "vm/unit.h"

enum {
    MR_UNITS_MAX = MR_PAGES_MAX * MR_PAGE_UNITS,
    MR_MARKS_BYTES = 1 << (32 - MR_UNIT_SHIFT), /* one for each unit that an address can be in */
    MR_STRADDLE_BYTES = 8,                      /* 7 would do: i64.store is the widest */
    MR_MARK_STEP = 64,                          /* marks taken together */
};

/* mr_marks_find returns the first multiple of MR_MARK_STEP from `at` on in whose step a mark is
 * set, `end` or more when there is none. `at` is a multiple, `marks` aligned to a page, and there
 * are marks, all zero, up to the next multiple of 256 beyond `end`. */
extern uint32_t (*mr_marks_find)(const uint8_t *marks, uint32_t at, uint32_t end);

/* mr_marks_bits tells which of MR_MARK_STEP marks are set, the first in the lowest bit. */
static inline uint64_t mr_marks_bits(const uint8_t *marks)
{
    uint64_t clear = 0;
#ifdef __SSE2__
    for (uint32_t i = 0; i < MR_MARK_STEP; i += 16) {
        const __m128i some = _mm_load_si128((const __m128i *)(const void *)(marks + i));
        const __m128i none = _mm_cmpeq_epi8(some, _mm_setzero_si128());
        clear |= (uint64_t)(uint32_t)_mm_movemask_epi8(none) << i;
    }
#else
    for (uint32_t i = 0; i < MR_MARK_STEP; i++)
        clear |= (uint64_t)(marks[i] == 0) << i;
#endif
    return ~clear;
}

/* mr_marks_take stores the marked units of `first` .. `first` + MR_MARK_STEP - 1 at `units`,
 * ascending, and clears the marks. Returns one past the last unit stored. */
static inline uint32_t *mr_marks_take(uint8_t *marks, uint32_t first, uint32_t *units)
{
    for (uint64_t bits = mr_marks_bits(marks + first); bits != 0; bits &= bits - 1)
        *units++ = first + (uint32_t)__builtin_ctzll(bits);
    memset(marks + first, 0, MR_MARK_STEP);
    return units;
}

#endif
