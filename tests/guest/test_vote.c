/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: everybody votes once, and a bad vote may be cast again. */
#include "tools/guest/examples/vote.c"

#include "tests/guest/programs.h"

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(yes);
    HOST_STATE(no);
    HOST_STATE(voters_max);
    HOST_STATE(voters);
    return 0;
}

static void everybody_votes_once(void **state_)
{
    (void)state_;
    assert_runs(init, host_id(0), "12", 2);
    for (uint32_t i = 1; i <= 12; i++) {
        assert_panics(handle, host_id(i), "yesterday", 9, "payload too large");
        assert_panics(handle, host_id(i), "maybe", 5, "vote: yes or no?");
        assert_runs(handle, host_id(i), i > 1 ? "no" : "yes", i > 1 ? 2 : 3);
        assert_panics(handle, host_id(i), "no", 2, "vote: you have voted");
    }
    assert_panics(handle, host_id(13), "no", 2, "vote: closed");
    assert_int_equal(yes, 1);
    assert_int_equal(no, 11);
}

static void counts_are_told_in_text(void **state_)
{
    (void)state_;
    assert_runs(init, host_id(0), "100000", 6);
    assert_runs(handle, host_id(1), "no", 2);
    assert_bytes(host_reply, "yes 0, no 1", 11);
    yes = 12345;
    assert_runs(handle, host_id(2), "yes", 3);
    assert_bytes(host_reply, "yes 12346, no 1", 15);
}

static void the_number_of_voters_has_bounds(void **state_)
{
    (void)state_;
    assert_panics(init, host_id(0), "", 0, "vote: how many voters?");
    assert_panics(init, host_id(0), "0", 1, "vote: how many voters?");
    assert_panics(init, host_id(0), "100001", 6, "vote: how many voters?");
    assert_panics(init, host_id(0), "all", 3, "vote: how many voters?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(everybody_votes_once, setup),
        cmocka_unit_test_setup(counts_are_told_in_text, setup),
        cmocka_unit_test_setup(the_number_of_voters_has_bounds, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
