/* SPDX-License-Identifier: Apache-2.0 */
/* fanout: one message in, many out. The destinations are usually counters (counter.c).
 *
 *   init    ids of 1 .. 1024 destinations
 *   handle  u32 k, then any bytes: sends the bytes to the next k destinations, in turn, beginning
 *           where the message before stopped. Empty: as k = number of destinations, without bytes.
 *
 * All k get equal shares of the gas left. There is no handle_reply: the automatic replies of the
 * destinations end here without running anything.
 *
 * Panics: "fanout: not a list of ids", "fanout: malformed message" also for k above 1024, which is
 * as many as one dispatch may send. */
#include "gear.h"

enum { DESTINATIONS_MAX = 1024, SENDS_MAX = 1024 };

static gear_id *destinations;
static uint32_t destinations_count;
static uint32_t turn;

GEAR_INIT
{
    uint32_t size = gear_size();
    gear_require(size % sizeof(gear_id) == 0 && size > 0 &&
                     size / sizeof(gear_id) <= DESTINATIONS_MAX,
                 "fanout: not a list of ids");
    destinations = gear_allocate(size);
    gear_read(0, destinations, size);
    destinations_count = size / (uint32_t)sizeof(gear_id);
}

GEAR_HANDLE
{
    uint32_t size = gear_size();
    uint32_t count = destinations_count;
    uint32_t bytes = 0;
    if (size > 0) {
        gear_require(size >= sizeof count, "fanout: malformed message");
        gear_read(0, &count, sizeof count);
        gear_require(count <= SENDS_MAX, "fanout: malformed message");
        bytes = size - (uint32_t)sizeof count;
    }
    for (; count > 0; count--) {
        gear_send_input(&destinations[turn], sizeof count, bytes, 0);
        turn = turn + 1 < destinations_count ? turn + 1 : 0;
    }
}
