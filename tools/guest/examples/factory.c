/* SPDX-License-Identifier: Apache-2.0 */
/* factory: makes programs of one code, and tells whether they could be made. Shows how a program
 * creates programs and waits for their init.
 *
 *   init    id: of the code
 *   handle  any bytes: the init message of a new program, which gets the value that came with
 *           them. The reply is
 *             u8 1, id         of the new program
 *             u8 0, u32 code   there is none; the code of the reply to its init (GEAR_CODE_...), 0
 * if there was no reply. The value that came back goes back
 *
 * Panics: "factory: expected an id", "payload too large" above PAYLOAD_BYTES_MAX. */
#include "gear_async.h"

enum { BLOCKS = 20, PAYLOAD_BYTES_MAX = 4096 };

static gear_id code;
static uint64_t tries; /* the salt of the next program */

GEAR_ASYNC

GEAR_INIT
{
    gear_require(gear_size() == sizeof code, "factory: expected an id");
    gear_read(0, &code, sizeof code);
}

typedef struct order {
    gear_id program;
    gear_answer *init;
} order;

static void deliver(const order *my)
{
    uint8_t made = gear_answered(my->init);
    gear_reply_add(&made, sizeof made);
    if (made)
        gear_reply_add(&my->program, sizeof my->program);
    else
        gear_reply_add(&my->init->code, sizeof my->init->code);
    gear_reply_finish(my->init->value);
}

GEAR_ASYNC_HANDLE(order, my)
{
    GEAR_BEGIN;
    uint8_t payload[PAYLOAD_BYTES_MAX];
    uint32_t size = gear_payload(payload, sizeof payload);
    gear_created created =
        gear_create(&code, &tries, sizeof tries, payload, size, gear_value_received());
    tries++;
    my->program = created.program;
    my->init = gear_expect(created.message);
    GEAR_AWAIT(my->init, BLOCKS);
    deliver(my);
    GEAR_END;
}
