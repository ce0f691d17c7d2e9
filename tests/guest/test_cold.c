/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: cold touches exactly one unit a message, and visits all before it comes back. */
#include "tools/guest/examples/cold.c"

#include "tests/guest/programs.h"

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(memory);
    HOST_STATE(units_count);
    HOST_STATE(walk);
    return 0;
}

static uint64_t count_of(uint32_t unit)
{
    uint64_t count;
    memcpy(&count, memory + unit * UNIT_BYTES, sizeof count);
    return count;
}

static void a_walk_visits_every_unit_once(void **state_)
{
    (void)state_;
    const uint32_t pages = 3;
    assert_runs(init, host_id(0), &pages, sizeof pages);
    assert_int_equal(units_count, 768);
    assert_int_equal((uintptr_t)memory % UNIT_BYTES, 0);
    for (uint32_t i = 0; i < 2 * 768; i++)
        assert_runs(handle, host_id(0), "", 0);
    for (uint32_t i = 0; i < 768; i++)
        assert_int_equal(count_of(i), 2);
}

static void a_number_names_the_unit(void **state_)
{
    (void)state_;
    assert_runs(init, host_id(0), "", 0);
    assert_int_equal(units_count, 4096);
    const uint32_t unit = 4096 + 77;
    assert_runs(handle, host_id(0), &unit, sizeof unit);
    assert_int_equal(count_of(77), 1);
    assert_int_equal(count_of(0), 0);
    assert_panics(handle, host_id(0), "abc", 3, "cold: malformed message");
    assert_panics(init, host_id(0), "\0\0\0\0", 4, "cold: malformed init");
    assert_panics(init, host_id(0), "\1\4\0\0", 4, "cold: malformed init");
    assert_panics(init, host_id(0), "\1", 1, "cold: malformed init");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_walk_visits_every_unit_once, setup),
        cmocka_unit_test_setup(a_number_names_the_unit, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
