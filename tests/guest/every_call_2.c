/* SPDX-License-Identifier: Apache-2.0 */
/* The second file of the program in every_call.c. */
#include "gear.h"

void every_reply(void);
const char *error_texts(uint32_t error);

static gr_error_with_hash sent;
static gr_error_with_reply_code reply_code;
static gr_error_with_signal_code signal_code;
static gr_hash_with_value from;

const char *error_texts(uint32_t error)
{
    return gear_error_text(error);
}

void every_reply(void)
{
    uint32_t error;
    gear_value value = 1;
    uint8_t *bytes = gear_allocate(100);
    gr_reply(bytes, 100, &value, &sent);
    gr_reply_wgas(bytes, 100, 1000000, &value, &sent);
    gr_reply_input(0, 1, &value, &sent);
    gr_reply_input_wgas(0, 1, 1000000, &value, &sent);
    gr_reply_push(bytes, 100, &error);
    gr_reply_push_input(0, 1, &error);
    gr_reply_commit(GEAR_NO_VALUE, &sent);
    gr_reply_commit_wgas(1000000, GEAR_NO_VALUE, &sent);
    gr_reservation_reply(&from, bytes, 100, &sent);
    gr_reservation_reply_commit(&from, &sent);
}

GEAR_REPLY
{
    gr_reply_to(&sent);
    gr_reply_code(&reply_code);
}

GEAR_SIGNAL
{
    gr_signal_from(&sent);
    gr_signal_code(&signal_code);
}

GEAR_STATE
{
    every_reply();
}

GEAR_METAHASH
{
    every_reply();
}
