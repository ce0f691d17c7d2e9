/* SPDX-License-Identifier: Apache-2.0 */
/* units: changes one word in each of some 256-byte units of memory, and does nothing else.
 *
 *   init    u32 count: 1 .. 16; empty: 1
 *   handle  any bytes: adds 1 to a u64 in each of the first `count` units
 *   state   replies the number in the first unit, u64
 *
 * Panics: "units: malformed init". */
#include "gear.h"

enum { UNITS_MAX = 16, UNIT_BYTES = 256 };

typedef struct unit {
    _Alignas(UNIT_BYTES) uint64_t number;
} unit;

static unit units[UNITS_MAX];
static uint32_t count = 1; /* in a unit that handle does not write */

GEAR_INIT
{
    if (gear_size() == 0)
        return;
    gear_require(gear_payload(&count, sizeof count) == sizeof count && count >= 1 &&
                     count <= UNITS_MAX,
                 "units: malformed init");
}

GEAR_HANDLE
{
    for (uint32_t i = 0; i < count; i++)
        units[i].number++;
}

GEAR_STATE
{
    gear_reply(&units[0].number, sizeof units[0].number);
}
