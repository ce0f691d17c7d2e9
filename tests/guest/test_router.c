/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the router passes bytes and value on unchanged, to the named program or in turns. */
#include "tools/guest/examples/router.c"

#include "tests/guest/programs.h"

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(destinations);
    HOST_STATE(destinations_count);
    HOST_STATE(turn);
    return 0;
}

static void expect_forwarded(uint32_t to, const char *text)
{
    assert_int_equal(host_outbox_count, 1);
    assert_true(gear_id_equal(&host_outbox[0].to, &(gear_id[]){host_id(to)}[0]));
    assert_int_equal(host_outbox[0].payload.size, strlen(text));
    if (*text != '\0')
        assert_memory_equal(host_outbox[0].payload.data, text, strlen(text));
}

static void an_addressed_router_sends_the_rest_to_the_id_in_front(void **state_)
{
    (void)state_;
    assert_runs(init, host_id(0), "", 0);
    uint8_t bytes[35];
    const gear_id to = host_id(44);
    memcpy(bytes, &to, sizeof to);
    memcpy(bytes + 32, "abc", 3);
    const host_message with_value = {.payload = bytes, .size = 35, .value = 12};
    assert_int_equal(host_run(handle, &with_value), HOST_OK);
    expect_forwarded(44, "abc");
    assert_true(host_outbox[0].value == 12);
    assert_true(host_balance == 0);
    assert_runs(handle, host_id(0), bytes, 32);
    expect_forwarded(44, "");
    assert_panics(handle, host_id(0), bytes, 31, "router: no destination");
}

static void a_router_with_a_list_takes_turns(void **state_)
{
    (void)state_;
    const gear_id list[] = {host_id(1), host_id(2), host_id(3)};
    assert_runs(init, host_id(0), list, sizeof list);
    for (uint32_t i = 0; i < 7; i++) {
        assert_runs(handle, host_id(0), "xyz", i % 4 == 3 ? 0 : 3);
        expect_forwarded(i % 3 + 1, i % 4 == 3 ? "" : "xyz");
    }
}

static void what_is_no_list_of_ids_is_refused(void **state_)
{
    (void)state_;
    static const uint8_t zeros[257 * 32];
    assert_panics(init, host_id(0), zeros, 31, "router: not a list of ids");
    assert_panics(init, host_id(0), zeros, 33, "router: not a list of ids");
    assert_panics(init, host_id(0), zeros, sizeof zeros, "router: not a list of ids");
    assert_runs(init, host_id(0), zeros, sizeof zeros - 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_addressed_router_sends_the_rest_to_the_id_in_front, setup),
        cmocka_unit_test_setup(a_router_with_a_list_takes_turns, setup),
        cmocka_unit_test_setup(what_is_no_list_of_ids_is_refused, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
