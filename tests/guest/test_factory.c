/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the factory makes a program of each message and says what became of it. */
#include "tools/guest/examples/factory.c"

#include "tests/guest/programs.h"

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(code);
    HOST_STATE(tries);
    const gear_id id = host_id(77);
    assert_runs(init, host_id(0), &id, sizeof id);
    return 0;
}

/* Orders a program and returns the id of its init message. */
static host_sent order_one(const char *text, gear_value value)
{
    const host_message message = {
        .source = host_id(1), .payload = text, .size = (uint32_t)strlen(text), .value = value};
    assert_int_equal(host_run(handle, &message), HOST_WAITING);
    assert_int_equal(host_outbox_count, 1);
    assert_true(host_outbox[0].creates);
    assert_ids_equal(host_outbox[0].code, host_id(77));
    assert_bytes(host_outbox[0].payload, text, strlen(text));
    assert_true(host_outbox[0].value == value);
    return host_outbox[0];
}

static void a_program_is_made_and_its_id_replied(void **state_)
{
    (void)state_;
    for (uint64_t i = 0; i < 3; i++) {
        const host_sent made = order_one("so", 5);
        assert_bytes(host_outbox[0].salt, &i, sizeof i);
        uint8_t expected[33] = {1};
        memcpy(expected + 1, &made.to, sizeof made.to);
        assert_int_equal(reply_bytes(handle_reply, made.id, GEAR_CODE_AUTOMATIC, "", 0), HOST_OK);
        assert_int_equal(run_woken(), HOST_OK);
        assert_bytes(host_reply, expected, sizeof expected);
        assert_true(host_reply_value == 0);
    }
    assert_int_equal(gear_async_.count, 0);
}

static void a_failure_is_told_and_the_value_goes_back(void **state_)
{
    (void)state_;
    static const uint32_t codes[] = {GEAR_CODE_PANIC, GEAR_CODE_NOT_CREATED};
    for (uint32_t i = 0; i < 2; i++) {
        const host_sent made = order_one("so", 5);
        const host_message reply = {
            .is_reply = true,
            .reply_to = made.id,
            .value = 5,
            .code = {1, (uint8_t)(codes[i] >> 16), (uint8_t)(codes[i] >> 8)}};
        assert_int_equal(host_run(handle_reply, &reply), HOST_OK);
        assert_int_equal(run_woken(), HOST_OK);
        uint8_t expected[5] = {0};
        memcpy(expected + 1, &codes[i], sizeof codes[i]);
        assert_bytes(host_reply, expected, sizeof expected);
        assert_true(host_reply_value == 5);
        assert_true(host_balance == 0);
    }
}

static void silence_is_told_as_no_code(void **state_)
{
    (void)state_;
    (void)order_one("so", 0);
    for (uint32_t i = 0; i < BLOCKS; i++)
        host_next_block();
    assert_int_equal(run_woken(), HOST_OK);
    assert_bytes(host_reply, "\0\0\0\0", 5);
}

static void nonsense_is_refused(void **state_)
{
    (void)state_;
    static const uint8_t zeros[PAYLOAD_BYTES_MAX + 1];
    assert_panics(init, host_id(0), zeros, 31, "factory: expected an id");
    assert_panics(handle, host_id(1), zeros, sizeof zeros, "payload too large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_program_is_made_and_its_id_replied, setup),
        cmocka_unit_test_setup(a_failure_is_told_and_the_value_goes_back, setup),
        cmocka_unit_test_setup(silence_is_told_as_no_code, setup),
        cmocka_unit_test_setup(nonsense_is_refused, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
