/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the timer does what it is asked, as many blocks later. */
#include "tools/guest/examples/timer.c"

#include "tests/guest/programs.h"

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(sleepers);
    HOST_STATE(sleepers_count);
    return 0;
}

static void a_text_comes_later(void **state_)
{
    (void)state_;
    assert_runs(handle, host_id(5), "\0\7\0\0\0tea", 8);
    assert_int_equal(host_outbox_count, 1);
    assert_ids_equal(host_outbox[0].to, host_id(5));
    assert_int_equal(host_outbox[0].delay, 7);
    assert_bytes(host_outbox[0].payload, "tea", 3);
}

static void who_sleeps_is_replied_to_later(void **state_)
{
    (void)state_;
    assert_waits(handle, host_id(5), "\1\3\0\0\0up", 7);
    assert_int_equal(host_system_gas, signal_gas);
    assert_waits(handle, host_id(6), "\1\2\0\0\0", 5);
    host_next_block();
    assert_nobody_is_woken();
    host_next_block();
    assert_int_equal(run_woken(), HOST_OK);
    assert_bytes(host_reply, "", 0);
    assert_true(host_replied);
    host_next_block();
    assert_int_equal(run_woken(), HOST_OK);
    assert_bytes(host_reply, "up", 2);
    assert_int_equal(sleepers_count, 0);
}

static void who_has_slept_longest_is_woken(void **state_)
{
    (void)state_;
    assert_runs(handle, host_id(1), "\2\0\0\0\0", 5);
    assert_bytes(host_reply, "\0", 1);
    assert_waits(handle, host_id(5), "\1\100\0\0\0a", 6);
    assert_waits(handle, host_id(6), "\1\100\0\0\0b", 6);
    assert_runs(handle, host_id(1), "\2\2\0\0\0", 5);
    assert_bytes(host_reply, "\1", 1);
    assert_runs(handle, host_id(1), "\2\0\0\0\0", 5);
    assert_bytes(host_reply, "\1", 1);
    assert_int_equal(run_woken(), HOST_OK);
    assert_bytes(host_reply, "b", 1);
    host_next_block();
    assert_nobody_is_woken();
    host_next_block();
    assert_int_equal(run_woken(), HOST_OK);
    assert_bytes(host_reply, "a", 1);
    assert_runs(handle, host_id(1), "\2\0\0\0\0", 5);
    assert_bytes(host_reply, "\0", 1);
}

static void who_is_removed_is_forgotten(void **state_)
{
    (void)state_;
    assert_waits(handle, host_id(5), "\1\100\0\0\0a", 6);
    const gear_id message = host_message_id;
    host_remove(&message);
    assert_int_equal(signal_failure(handle_signal, message, GEAR_SIGNAL_REMOVED), HOST_OK);
    assert_int_equal(sleepers_count, 0);
    for (uint32_t i = 0; i < SLEEPERS_MAX; i++)
        assert_waits(handle, host_id(5), "\1\100\0\0\0a", 6);
    assert_panics(handle, host_id(5), "\1\100\0\0\0a", 6, "timer: too many sleep");
}

static void it_ticks_so_many_times_and_says_so(void **state_)
{
    (void)state_;
    uint8_t text[sizeof(tick)];
    assert_runs(handle, host_id(5), "\3\2\0\0\0\4\0\0\0", 9);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(host_outbox_count, 1);
        assert_ids_equal(host_outbox[0].to, host_id(UINT32_MAX));
        assert_int_equal(host_outbox[0].delay, 2);
        assert_int_equal(host_outbox[0].gas, host_gas - gas_kept);
        assert_int_equal(host_outbox[0].payload.size, sizeof text);
        memcpy(text, host_outbox[0].payload.data, sizeof text);
        assert_runs(handle, host_id(UINT32_MAX), text, sizeof text);
    }
    assert_int_equal(host_outbox_count, 1);
    assert_ids_equal(host_outbox[0].to, host_id(5));
    assert_bytes(host_outbox[0].payload, "\4\0\0\0", 4);
    /* Nobody else can make it tick so. */
    assert_panics(handle, host_id(5), text, sizeof text, "timer: malformed");
}

static void nonsense_is_refused(void **state_)
{
    (void)state_;
    static const uint8_t long_text[5 + TEXT_BYTES_MAX + 1];
    assert_panics(handle, host_id(1), "\0\1\0\0", 4, "timer: malformed");
    assert_panics(handle, host_id(1), "\4\1\0\0\0", 5, "timer: malformed");
    assert_panics(handle, host_id(1), "\3\1\0\0\0", 5, "timer: malformed");
    assert_panics(handle, host_id(1), long_text, sizeof long_text, "timer: malformed");
    host_gas = gas_kept;
    assert_panics(handle, host_id(1), "\3\2\0\0\0\4\0\0\0", 9, "timer: too little gas");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_text_comes_later, setup),
        cmocka_unit_test_setup(who_sleeps_is_replied_to_later, setup),
        cmocka_unit_test_setup(who_has_slept_longest_is_woken, setup),
        cmocka_unit_test_setup(who_is_removed_is_forgotten, setup),
        cmocka_unit_test_setup(it_ticks_so_many_times_and_says_so, setup),
        cmocka_unit_test_setup(nonsense_is_refused, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
