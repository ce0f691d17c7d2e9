/* SPDX-License-Identifier: Apache-2.0 */
/* counter: one number, in one 256-byte unit of memory. The smallest program with state, and the
 * bench's "hot" destination when every message goes to one of them.
 *
 *   handle  empty: adds 1.   u64: adds it; the sum wraps.   "?": replies the sum, u64.
 *
 * Panics: "counter: expected nothing, a u64 or ?" for other payloads. */
#include "gear.h"

static uint64_t sum;

GEAR_HANDLE
{
    uint64_t number = 1;
    uint8_t question;
    switch (gear_size()) {
    case 0:
        sum++;
        return;
    case sizeof number:
        gear_read(0, &number, sizeof number);
        sum += number;
        return;
    case sizeof question:
        gear_read(0, &question, sizeof question);
        if (question == '?') {
            gear_reply(&sum, sizeof sum);
            return;
        }
        break;
    default:
        break;
    }
    gear_panic("counter: expected nothing, a u64 or ?");
}
