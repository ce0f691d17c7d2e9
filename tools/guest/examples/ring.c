/* SPDX-License-Identifier: Apache-2.0 */
/* ring: a message that goes from program to program. With every program sending to the next, and
 * many messages under way, all programs are busy in every round.
 *
 *   init    id: the next program of the ring
 *   handle  u32 hops, then any bytes: when hops > 0, sends hops - 1 and the same bytes to the next.
 *           "?": replies how many messages came through, u64.
 *
 * Messages are sent without a gas limit of their own: each hop hands on all that it has not burned,
 * so the first message must bring the gas for all of them. Programs may name one that does not
 * exist yet: its id follows from its code and salt.
 *
 * Panics: "ring: expected an id", "ring: malformed message". */
#include "gear.h"

static gear_id next;
static uint64_t visits;

GEAR_INIT
{
    gear_require(gear_size() == sizeof next, "ring: expected an id");
    gear_read(0, &next, sizeof next);
}

GEAR_HANDLE
{
    uint32_t size = gear_size();
    uint32_t hops;
    if (size == 1) {
        uint8_t question;
        gear_read(0, &question, sizeof question);
        gear_require(question == '?', "ring: malformed message");
        gear_reply(&visits, sizeof visits);
        return;
    }
    gear_require(size >= sizeof hops, "ring: malformed message");
    gear_read(0, &hops, sizeof hops);
    visits++;
    if (hops == 0)
        return;
    hops--;
    if (size == sizeof hops) {
        gear_send(&next, &hops, sizeof hops, 0);
        return;
    }
    uint32_t message = gear_send_begin();
    gear_send_add(message, &hops, sizeof hops);
    gear_send_add_input(message, sizeof hops, size - (uint32_t)sizeof hops);
    gear_send_finish(message, &next, 0);
}
