/* SPDX-License-Identifier: Apache-2.0 */
/* A program that calls every raw function of gear.h, so that the test of modules sees the type of
 * each. Not meant to be run. */
#include "gear.h"

void every_reply(void);
const char *error_texts(uint32_t error);

static gr_hash_with_value to;
static gr_error_with_hash sent;
static gr_error_with_handle draft;
static gr_two_hashes_with_value from_to;
static gr_error_with_two_hashes created;
static gr_error_with_gas unreserved;
static gr_env env;
static uint32_t error;
static uint8_t buffer[64];

GEAR_INIT
{
    uint32_t page = alloc(1);
    error = gr_free(page);
    error = free_range(page, page + 1);
    buffer[0] = *(uint8_t *)gear_allocate(10);

    gr_send(&to, buffer, sizeof buffer, 0, &sent);
    gr_send_wgas(&to, buffer, sizeof buffer, 1000000, 0, &sent);
    gr_send_input(&to, 0, 1, 0, &sent);
    gr_send_input_wgas(&to, 0, 1, 1000000, 0, &sent);
    gr_send_init(&draft);
    gr_send_push(draft.handle, buffer, sizeof buffer, &error);
    gr_send_push_input(draft.handle, 0, 1, &error);
    gr_send_commit(draft.handle, &to, 0, &sent);
    gr_send_commit_wgas(draft.handle, &to, 1000000, 0, &sent);
    gr_reservation_send(&from_to, buffer, sizeof buffer, 0, &sent);
    gr_reservation_send_commit(draft.handle, &from_to, 0, &sent);
    gr_reply_deposit(&sent.id, 1000000, &error);
    gr_create_program(&to, buffer, 8, buffer, sizeof buffer, 0, &created);
    gr_create_program_wgas(&to, buffer, 8, buffer, sizeof buffer, 1000000, 0, &created);
    gr_reserve_gas(1000000, 10, &sent);
    gr_unreserve_gas(&sent.id, &unreserved);
    gr_system_reserve_gas(1000000, &error);
}

GEAR_HANDLE
{
    gr_size(&error);
    gr_read(0, sizeof buffer, buffer, &error);
    gr_source(&to.id);
    gr_value(&to.value);
    gr_message_id(&to.id);
    gr_program_id(&to.id);
    gr_block_height(&error);
    gr_block_timestamp((uint64_t *)(void *)buffer);
    gr_gas_available((uint64_t *)(void *)buffer);
    gr_value_available(&to.value);
    gr_env_vars(1, &env);
    gr_random(&to.id, (gr_block_number_with_hash *)(void *)buffer);
    const char *text = error_texts(error);
    gr_debug(text, strlen(text));
    if (error == 1)
        gear_panic("panic");
    if (error == 2)
        gr_oom_panic();
    if (error == 3)
        gr_leave();
    if (error == 4)
        gr_exit(&to.id);
    gr_wake(&to.id, 1, &error);
    if (error == 5)
        gr_wait();
    if (error == 6)
        gr_wait_for(10);
    if (error == 7)
        gr_wait_up_to(10);
    every_reply();
}
