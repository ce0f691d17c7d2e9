/* SPDX-License-Identifier: Apache-2.0 */
/* creator: makes one program of another code with each message.
 *
 *   init          id: of the code
 *   handle        any bytes: makes a program of that code, its init message empty
 *   handle_reply  nothing
 *
 * Panics: "creator: expected an id". */
#include "gear.h"

static gear_id code;
static uint64_t made; /* the salt of the next program */

GEAR_INIT
{
    gear_require(gear_payload(&code, sizeof code) == sizeof code, "creator: expected an id");
}

GEAR_HANDLE
{
    gear_create(&code, &made, sizeof made, NULL, 0, 0);
    made++;
}

GEAR_REPLY {}
