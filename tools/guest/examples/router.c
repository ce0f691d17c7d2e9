/* SPDX-License-Identifier: Apache-2.0 */
/* router: passes messages on to other programs, with the value that came with them.
 *
 *   init    empty: the router is addressed. Otherwise a list of 1 .. 256 ids: it takes turns.
 *   handle  addressed: id destination, then any bytes: the bytes are sent to the destination.
 *           taking turns: any bytes, sent as they are to the next program of the list.
 *
 * The bytes never enter the router's memory: they are sent as a part of the message being handled.
 * It looks at no replies, so the sender gets only the automatic reply, which says that the message
 * was passed on; relay.c brings answers back.
 *
 * Panics: "router: not a list of ids", "router: no destination". */
#include "gear.h"

enum { DESTINATIONS_MAX = 256 };

static gear_id *destinations;
static uint32_t destinations_count; /* 0 when addressed */
static uint32_t turn;

GEAR_INIT
{
    uint32_t size = gear_size();
    gear_require(size % sizeof(gear_id) == 0 && size / sizeof(gear_id) <= DESTINATIONS_MAX,
                 "router: not a list of ids");
    if (size == 0)
        return;
    destinations = gear_allocate(size);
    gear_read(0, destinations, size);
    destinations_count = size / (uint32_t)sizeof(gear_id);
}

GEAR_HANDLE
{
    if (destinations_count > 0) {
        gear_forward(&destinations[turn], 0, gear_value_received());
        turn = turn + 1 < destinations_count ? turn + 1 : 0;
        return;
    }
    gear_id destination;
    gear_require(gear_size() >= sizeof destination, "router: no destination");
    gear_read(0, &destination, sizeof destination);
    gear_forward(&destination, sizeof destination, gear_value_received());
}
