/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: what was read of a module is there for whoever instantiates it next, for no more modules
 * and bytes than is said, and goes with its code; and programs do the same with it and without.
 * Method: codes made in numbers, small ones and large ones, some put in between. */
#include "tests/vm/fixture.h"

#include "vm/reading.h"

/* Like all others, but for its size. */
static mr_code *code_of(uint32_t functions)
{
    static char text[1 << 20];
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < functions; i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "(func (result i32) (i32.const %u))", i);
    assert_true(used < sizeof text);
    return fixture_code(3, MR_PAGE_BYTES, text);
}

static void run_once(const fixture *f, mr_code *code)
{
    mr_memory memory;
    mr_memory_init(&memory, code);
    const step steps[] = {{STEP_STORE32, 2 * MR_PAGE_BYTES, 7, 0}, {0}};
    assert_int_equal(fixture_run(f->worker, &memory, steps), MR_VM_DONE);
    mr_memory_fini(&memory, f->pool);
}

static void the_latest_are_kept(void **state)
{
    (void)state;
    enum { COUNT = MR_READINGS_MAX + 10 };
    mr_code *codes[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        codes[i] = code_of(1);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(mr_reading_is_kept(codes[i]), i >= COUNT - MR_READINGS_MAX);
    fixture f = fixture_new(UINT64_MAX);
    run_once(&f, codes[0]); /* read again */
    run_once(&f, codes[COUNT - 1]);
    run_once(&f, codes[COUNT - 1]);
    assert_true(mr_reading_is_kept(codes[COUNT - 1])); /* for other threads */
    fixture_free(&f);
    for (size_t i = 0; i < COUNT; i++)
        mr_code_put(codes[i]);
}

static void it_goes_with_its_code(void **state)
{
    (void)state;
    mr_code *first = code_of(1), *second = code_of(2);
    mr_code_put(first);
    assert_false(mr_reading_is_kept(first));
    assert_true(mr_reading_is_kept(second));
    mr_code *const again = mr_code_get(second);
    mr_code_put(second);
    assert_true(mr_reading_is_kept(again));
    mr_code_put(again);
    assert_false(mr_reading_is_kept(again));
}

static void large_ones_take_the_place_of_several(void **state)
{
    (void)state;
    mr_code *small[8], *large[4];
    for (size_t i = 0; i < 8; i++)
        small[i] = code_of(1);
    size_t bytes = 0;
    for (size_t i = 0; i < 4; i++) {
        large[i] = code_of(20000);
        bytes = MR_READING_BYTES_PER_BYTE * mr_code_rewritten(large[i]).size;
    }
    /* Three of these are too many, whatever small ones there are. */
    assert_in_range(bytes, MR_READINGS_BYTES_MAX / 3 + 1, MR_READINGS_BYTES_MAX);
    size_t kept = 0;
    for (size_t i = 0; i < 4; i++)
        kept += mr_reading_is_kept(large[i]);
    assert_in_range(kept, 1, 2);
    assert_true(mr_reading_is_kept(large[3]));
    for (size_t i = 0; i < 8; i++)
        assert_false(mr_reading_is_kept(small[i]));
    for (size_t i = 0; i < 4; i++)
        mr_code_put(large[i]);
    for (size_t i = 0; i < 8; i++)
        mr_code_put(small[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_are_kept),
        cmocka_unit_test(it_goes_with_its_code),
        cmocka_unit_test(large_ones_take_the_place_of_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
