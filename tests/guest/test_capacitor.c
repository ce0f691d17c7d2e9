/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the capacitor discharges at its limit, and bad input changes nothing. */
#include "tools/guest/examples/capacitor.c"

#include "tests/guest/programs.h"

static gear_id alice;

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(limit);
    HOST_STATE(charge);
    alice = host_id(7);
    return 0;
}

static void charges_add_up_until_the_limit(void **state_)
{
    (void)state_;
    assert_runs(init, alice, "2500", 4);
    assert_runs(handle, alice, "2000", 4);
    assert_int_equal(host_outbox_count, 0);
    assert_runs(handle, alice, "600", 3);
    assert_int_equal(host_outbox_count, 1);
    assert_bytes(host_outbox[0].payload, "Discharged: 2600", 16);
    assert_true(gear_id_equal(&host_outbox[0].to, &alice));
    assert_false(host_replied);
    assert_runs(handle, alice, "2499", 4);
    assert_int_equal(host_outbox_count, 0);
    assert_runs(handle, alice, "1", 1);
    assert_bytes(host_outbox[0].payload, "Discharged: 2500", 16);
}

static void the_greatest_charge_fits(void **state_)
{
    (void)state_;
    assert_runs(init, alice, "18446744073709551615", 20);
    assert_runs(handle, alice, "18446744073709551614", 20);
    assert_panics(handle, alice, "2", 1, "capacitor: overcharged");
    assert_runs(handle, alice, "1", 1);
    assert_bytes(host_outbox[0].payload, "Discharged: 18446744073709551615", 32);
}

static void what_is_no_number_panics(void **state_)
{
    (void)state_;
    assert_panics(init, alice, "", 0, "capacitor: not a number");
    assert_runs(init, alice, "10", 2);
    assert_panics(handle, alice, "-5", 2, "capacitor: not a number");
    assert_panics(handle, alice, "18446744073709551616", 20, "capacitor: not a number");
    char long_text[65];
    memset(long_text, '0', sizeof long_text);
    assert_panics(handle, alice, long_text, 65, "payload too large");
    assert_runs(handle, alice, long_text, 64);
    assert_int_equal(charge, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(charges_add_up_until_the_limit, setup),
        cmocka_unit_test_setup(the_greatest_charge_fits, setup),
        cmocka_unit_test_setup(what_is_no_number_panics, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
