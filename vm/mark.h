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

/* mr_marks_take stores the marked units of `first` .. `first` + MR_MARK_STEP - 1 at `units`,
 * ascending, and clears the marks. Returns one past the last unit stored. */
static inline uint32_t *mr_marks_take(uint8_t *marks, uint32_t first, uint32_t *units)
{
    for (uint32_t i = first; i < first + MR_MARK_STEP; i += 8) {
        uint64_t word;
        memcpy(&word, marks + i, 8);
        while (word != 0) {
            uint32_t byte = (uint32_t)__builtin_ctzll(word) / 8;
            *units++ = i + byte;
            word &= ~((uint64_t)0xff << (byte * 8));
        }
    }
    memset(marks + first, 0, MR_MARK_STEP);
    return units;
}

#endif
