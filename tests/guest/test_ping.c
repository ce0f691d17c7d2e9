/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: PING is answered by PONG, anything else by a panic. */
#include "tools/guest/examples/ping.c"

#include "tests/guest/programs.h"

static void ping_is_answered_by_pong(void **state_)
{
    (void)state_;
    host_reset();
    assert_runs(handle, host_id(0), "PING", 4);
    assert_true(host_replied);
    assert_bytes(host_reply, "PONG", 4);
    assert_panics(handle, host_id(0), "PINGS", 5, "ping: expected PING");
    assert_panics(handle, host_id(0), "PIN", 3, "ping: expected PING");
    assert_panics(handle, host_id(0), "ping", 4, "ping: expected PING");
    assert_panics(handle, host_id(0), "", 0, "ping: expected PING");
    assert_false(host_replied);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ping_is_answered_by_pong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
