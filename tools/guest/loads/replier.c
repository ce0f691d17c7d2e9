/* SPDX-License-Identifier: Apache-2.0 */
/* replier: replies 16 bytes, the size of an amount of value, and changes nothing.
 *
 *   handle  any bytes: replies 16 zeros */
#include "gear.h"

GEAR_HANDLE
{
    static const uint8_t answer[16];
    gear_reply(answer, sizeof answer);
}
