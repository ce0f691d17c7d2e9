/* SPDX-License-Identifier: Apache-2.0 */
/* sender: sends one message on, and changes nothing itself. To a program that replies, it is who
 * asks: the reply runs handle_reply, which does nothing.
 *
 *   init          id: where to send
 *   handle        any bytes: sends an empty message
 *   handle_reply  nothing
 *
 * Panics: "sender: expected an id". */
#include "gear.h"

static gear_id destination;

GEAR_INIT
{
    gear_require(gear_payload(&destination, sizeof destination) == sizeof destination,
                 "sender: expected an id");
}

GEAR_HANDLE
{
    gear_send(&destination, NULL, 0, 0);
}

GEAR_REPLY {}
