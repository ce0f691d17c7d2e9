/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a message goes on with one hop less and the same bytes, and stops at 0. */
#include "tools/guest/examples/ring.c"

#include "tests/guest/programs.h"

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(next);
    HOST_STATE(visits);
    const gear_id id = host_id(8);
    assert_runs(init, host_id(0), &id, sizeof id);
    return 0;
}

static void hops_count_down_to_zero(void **state_)
{
    (void)state_;
    assert_runs(handle, host_id(0), "\0\1\0\0ballast", 11);
    assert_int_equal(host_outbox_count, 1);
    assert_bytes(host_outbox[0].payload, "\377\0\0\0ballast", 11);
    assert_true(gear_id_equal(&host_outbox[0].to, &next));
    assert_runs(handle, host_id(0), "\1\0\0\0", 4);
    assert_bytes(host_outbox[0].payload, "\0\0\0\0", 4);
    assert_runs(handle, host_id(0), "\0\0\0\0ballast", 11);
    assert_int_equal(host_outbox_count, 0);
    assert_runs(handle, host_id(0), "?", 1);
    assert_bytes(host_reply, &(uint64_t){3}, 8);
}

static void malformed_messages_panic(void **state_)
{
    (void)state_;
    assert_panics(init, host_id(0), "short", 5, "ring: expected an id");
    assert_panics(handle, host_id(0), "", 0, "ring: malformed message");
    assert_panics(handle, host_id(0), "!", 1, "ring: malformed message");
    assert_panics(handle, host_id(0), "\1\0\0", 3, "ring: malformed message");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(hops_count_down_to_zero, setup),
        cmocka_unit_test_setup(malformed_messages_panic, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
