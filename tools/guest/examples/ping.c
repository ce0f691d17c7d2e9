/* SPDX-License-Identifier: Apache-2.0 */
/* ping: the smallest conversation.
 *
 *   handle  "PING": replies "PONG".
 *
 * Panics: "ping: expected PING" for anything else. */
#include "gear.h"

GEAR_HANDLE
{
    char text[4];
    uint32_t size = gear_size();
    gear_require(size == sizeof text, "ping: expected PING");
    gear_read(0, text, sizeof text);
    gear_require(memcmp(text, "PING", 4) == 0, "ping: expected PING");
    gear_reply_text("PONG");
}
