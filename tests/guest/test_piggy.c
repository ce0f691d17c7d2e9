/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the piggy bank gives value to its owner only, and never more than it has. */
#include "tools/guest/examples/piggy.c"

#include "tests/guest/programs.h"

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(owner);
    assert_runs(init, host_id(1), "", 0);
    return 0;
}

static host_outcome say(uint32_t source, const char *text, gear_value value)
{
    const host_message m = {
        .source = host_id(source), .payload = text, .size = (uint32_t)strlen(text), .value = value};
    return host_run(handle, &m);
}

static void value_is_kept_and_given_to_the_owner(void **state_)
{
    (void)state_;
    const gear_value much = (gear_value)1 << 70;
    assert_int_equal(say(2, "", much), HOST_OK);
    assert_int_equal(say(2, "balance", 5), HOST_OK);
    assert_bytes(host_reply, "1180591620717411303429", 22);
    assert_int_equal(say(1, "withdraw 400", 0), HOST_OK);
    assert_true(host_reply_value == 400);
    assert_true(host_balance == much - 395);
    assert_int_equal(say(1, "withdraw 18446744073709551615", 0), HOST_OK);
    assert_int_equal(say(1, "smash", 0), HOST_EXITED);
    assert_true(gear_id_equal(&host_inheritor, &owner));
}

static void others_and_too_much_are_refused(void **state_)
{
    (void)state_;
    assert_int_equal(say(2, "", 10), HOST_OK);
    assert_int_equal(say(2, "withdraw 1", 0), HOST_PANIC);
    assert_string_equal(host_text, "piggy: not yours");
    assert_int_equal(say(2, "smash", 0), HOST_PANIC);
    assert_int_equal(say(1, "withdraw 14", 3), HOST_PANIC);
    assert_string_equal(host_text, "piggy: not enough");
    assert_true(host_balance == 10);
    const char *const bad[] = {"withdraw", "withdraw ", "withdraw x", "Balance", "smash!"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(say(1, bad[i], 0), HOST_PANIC);
        assert_string_equal(host_text, "piggy: what?");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(value_is_kept_and_given_to_the_owner, setup),
        cmocka_unit_test_setup(others_and_too_much_are_refused, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
