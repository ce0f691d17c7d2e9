/* SPDX-License-Identifier: Apache-2.0 */
/* capacitor: adds up charge and gives it back all at once.
 *
 *   init    decimal text: the limit
 *   handle  decimal text: the charge added. When the sum reaches the limit, the program sends
 *           "Discharged: <sum>" to who sent the last charge, and begins again at 0.
 *
 * Panics: "capacitor: not a number" for text that is empty, has other characters than digits or
 * does not fit 64 bits; "capacitor: overcharged" when the sum does not fit. Nothing is added then.
 */
#include "gear.h"

static uint64_t limit;
static uint64_t charge;

static uint64_t number_in_payload(void)
{
    char text[64];
    uint64_t number;
    uint32_t size = gear_payload(text, sizeof text);
    gear_require(gear_parse_u64(text, size, &number), "capacitor: not a number");
    return number;
}

GEAR_INIT
{
    limit = number_in_payload();
}

GEAR_HANDLE
{
    uint64_t added = number_in_payload();
    gear_require(added <= UINT64_MAX - charge, "capacitor: overcharged");
    charge += added;
    if (charge < limit)
        return;

    char text[12 + GEAR_U64_DIGITS] = "Discharged: ";
    uint32_t size = 12 + gear_format_u64(charge, text + 12);
    gear_id source = gear_source();
    gear_send(&source, text, size, 0);
    charge = 0;
}
