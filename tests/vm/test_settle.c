/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: settling finds the entries of an image that are there, and no others. */
#include "fixture.h"

enum { PAGE = MR_PAGE_BYTES, UNIT = MR_UNIT_BYTES };

static void an_entry_that_went_is_not_found_beside_the_one_that_stayed(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(2, PAGE, "");
    mr_memory memory;
    mr_memory_init(&memory, code);
    step write[] = {{STEP_STORE8, PAGE, 1, 0}, {STEP_STORE8, PAGE + UNIT, 1, 0}, {0}};
    step clear[] = {{STEP_STORE8, PAGE + UNIT, 0, 0}, {0}};
    assert_int_equal(fixture_run(f.worker, &memory, write), MR_VM_DONE);
    mr_memory_accept(&memory, f.pool);
    assert_int_equal(fixture_run(f.worker, &memory, clear), MR_VM_DONE);
    mr_memory_accept(&memory, f.pool);
    assert_int_equal(mr_memory_units_count(&memory), 1);
    /* The place beside the first unit's entry still looks like the second unit's. */
    assert_int_equal(fixture_run(f.worker, &memory, write), MR_VM_DONE);
    mr_memory_check(&memory);
    assert_int_equal(mr_memory_units_count(&memory), 2);
    mr_memory_accept(&memory, f.pool);
    uint8_t byte;
    assert_int_equal(mr_memory_read(&memory, PAGE + UNIT, &byte, 1), MR_OK);
    assert_int_equal(byte, 1);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_that_went_is_not_found_beside_the_one_that_stayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
