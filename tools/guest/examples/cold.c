/* SPDX-License-Identifier: Apache-2.0 */
/* cold: a large memory of which a message touches very little. Made in great numbers, so that
 * hardly any of them is still warm when its next message comes.
 *
 *   init    u32 pages: 1 .. 1024 pages of 64 KiB; empty: 16
 *   handle  empty: adds 1 to a u64 somewhere in these pages, each time in another 256-byte unit.
 *           u32 n: adds 1 in unit n, counted modulo the number of units.
 *
 * Replies nothing. Panics: "cold: malformed init", "cold: malformed message". */
#include "gear.h"

enum { PAGES_DEFAULT = 16, PAGES_MAX = 1024, UNIT_BYTES = 256 };

/* Odd, so that a walk in such strides visits all units before it comes back, their number being a
 * multiple of 256; and never two neighbours in turn. */
enum { STRIDE = 10007 };

static uint8_t *memory;
static uint32_t units_count;
static uint32_t walk; /* unit of the next empty message */

GEAR_INIT
{
    uint32_t pages = PAGES_DEFAULT;
    uint32_t size = gear_size();
    if (size > 0) {
        gear_require(size == sizeof pages, "cold: malformed init");
        gear_read(0, &pages, sizeof pages);
        gear_require(pages >= 1 && pages <= PAGES_MAX, "cold: malformed init");
    }
    memory = gear_allocate_aligned(pages * GEAR_PAGE_BYTES, UNIT_BYTES);
    units_count = pages * (GEAR_PAGE_BYTES / UNIT_BYTES);
}

GEAR_HANDLE
{
    uint32_t unit;
    uint32_t size = gear_size();
    if (size == 0) {
        unit = walk;
        walk = (walk + STRIDE) % units_count;
    } else {
        gear_require(size == sizeof unit, "cold: malformed message");
        gear_read(0, &unit, sizeof unit);
        unit %= units_count;
    }
    uint64_t *counter = (uint64_t *)(void *)(memory + unit * UNIT_BYTES);
    ++*counter;
}
