/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: whatever a program does to pages it has given back, those it is given are clear. */
#include "tests/engine/actor.h"

enum { FIRST = ACTOR_PAGES }; /* the first page of the heap */

static void a_page_written_to_between_others_is_clear_when_it_is_allocated(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    script s = script_new();
    STEP_FOR(&s, 0, "alloc", 3);
    STEP(&s, "free", FIRST + 1);
    STEP(&s, "store", (FIRST + 1) * PAGE + 1000, 0x5555555555555555);
    script_run_ok(&f, &actor, &s);
    script again = script_new();
    STEP_FOR(&again, 0, "alloc", 1);
    script_run_ok(&f, &actor, &again);
    assert_int_equal(fixture_u32(&f, &actor, 0), FIRST + 1);
    assert_int_equal(fixture_u64(&f, &actor, (FIRST + 1) * PAGE + 1000), 0);
    fixture_close(&f);
}

static void memory_that_ends_before_a_freed_page_forgets_what_was_stored_there(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    script s = script_new();
    STEP_FOR(&s, 0, "alloc", 2);
    STEP(&s, "free", FIRST);
    STEP(&s, "store", FIRST * PAGE + 1000, 0x5555555555555555);
    script_run_ok(&f, &actor, &s);
    script freeing = script_new();
    STEP(&freeing, "free", FIRST + 1);
    script_run_ok(&f, &actor, &freeing);
    assert_int_equal(fixture_program_info(&f, &actor).pages, ACTOR_PAGES);
    script again = script_new();
    STEP_FOR(&again, 0, "alloc", 2);
    script_run_ok(&f, &actor, &again);
    assert_int_equal(fixture_u64(&f, &actor, FIRST * PAGE + 1000), 0);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_written_to_between_others_is_clear_when_it_is_allocated),
        cmocka_unit_test(memory_that_ends_before_a_freed_page_forgets_what_was_stored_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
