/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: every destination gets its turn, across messages, with the bytes of each. */
#include "tools/guest/examples/fanout.c"

#include "tests/guest/programs.h"

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(destinations);
    HOST_STATE(destinations_count);
    HOST_STATE(turn);
    const gear_id list[] = {host_id(1), host_id(2), host_id(3)};
    assert_runs(init, host_id(0), list, sizeof list);
    return 0;
}

static void expect_to(uint32_t index, uint32_t to, uint32_t size)
{
    assert_true(gear_id_equal(&host_outbox[index].to, &(gear_id[]){host_id(to)}[0]));
    assert_int_equal(host_outbox[index].payload.size, size);
}

static void messages_go_round_the_destinations(void **state_)
{
    (void)state_;
    assert_runs(handle, host_id(0), "\4\0\0\0ab", 6);
    assert_int_equal(host_outbox_count, 4);
    expect_to(0, 1, 2);
    expect_to(3, 1, 2);
    assert_memory_equal(host_outbox[3].payload.data, "ab", 2);
    assert_runs(handle, host_id(0), "", 0);
    assert_int_equal(host_outbox_count, 3);
    expect_to(0, 2, 0);
    expect_to(2, 1, 0);
    assert_runs(handle, host_id(0), "\1\0\0\0", 4);
    expect_to(0, 2, 0);
    assert_runs(handle, host_id(0), "\0\0\0\0", 4);
    assert_int_equal(host_outbox_count, 0);
    assert_runs(handle, host_id(0), "\0\4\0\0", 4);
    assert_int_equal(host_outbox_count, 1024);
}

static void malformed_messages_panic(void **state_)
{
    (void)state_;
    static const uint8_t zeros[1025 * 32];
    assert_panics(handle, host_id(0), "\1\0\0", 3, "fanout: malformed message");
    assert_panics(handle, host_id(0), "\1\4\0\0", 4, "fanout: malformed message");
    assert_panics(init, host_id(0), zeros, 0, "fanout: not a list of ids");
    assert_panics(init, host_id(0), zeros, 40, "fanout: not a list of ids");
    assert_panics(init, host_id(0), zeros, sizeof zeros, "fanout: not a list of ids");
    assert_runs(init, host_id(0), zeros, sizeof zeros - 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(messages_go_round_the_destinations, setup),
        cmocka_unit_test_setup(malformed_messages_panic, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
