/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the table of an image finds exactly what was added, in every size and after any removals.
 * Method: random adds and removes of clustered unit numbers against an array of flags. */
#include "fixture.h"

#include "vm/image.h"

enum { UNITS = 20000 };

static uint8_t present[UNITS];

static mr_image *new_image(mr_memory *memory, mr_code *code)
{
    mr_memory_init(memory, code);
    return mr_image_of(memory);
}

static void add(mr_image *image, uint32_t unit)
{
    assert_int_equal(mr_image_reserve(image, 1), MR_OK);
    mr_entry *entry = mr_image_add(image, unit);
    assert_int_equal(entry->unit, unit);
    assert_int_equal(entry->next, MR_NOT_CHANGED);
    assert_null(entry->bytes);
    entry->old = (uint8_t *)(uintptr_t)(unit * 8 + 8); /* recognised again, never read */
    present[unit] = 1;
}

static void assert_all(const mr_image *image)
{
    uint32_t count = 0;
    for (uint32_t unit = 0; unit < UNITS; unit++) {
        const mr_entry *entry = mr_image_find(image, unit);
        assert_int_equal(entry != NULL, present[unit]);
        if (entry == NULL)
            continue;
        assert_int_equal(entry->unit, unit);
        assert_ptr_equal(entry->old, (void *)(uintptr_t)(unit * 8 + 8));
        count++;
    }
    assert_int_equal(count, image->entries_count);
}

static void entries_are_found_after_any_adds_and_removes(void **state)
{
    (void)state;
    uint64_t random = fixture_seed();
    mr_code *code = fixture_code(1, 0, "");
    for (int round = 0; round < 60; round++) {
        mr_memory memory;
        mr_image *image = new_image(&memory, code);
        memset(present, 0, sizeof present);
        uint32_t range = round % 3 == 0 ? 12 : round % 3 == 1 ? 400 : UNITS;
        uint32_t adds = 20 + (uint32_t)(fixture_random(&random) % 80);
        for (int i = 0; i < 600; i++) {
            uint32_t unit = (uint32_t)(fixture_random(&random) % range);
            mr_entry *entry = mr_image_find(image, unit);
            assert_int_equal(entry != NULL, present[unit]);
            if (entry == NULL && fixture_random(&random) % 100 < adds) {
                add(image, unit);
            } else if (entry != NULL && fixture_random(&random) % 100 >= adds / 2) {
                mr_image_remove(image, entry);
                present[unit] = 0;
            }
            if (fixture_random(&random) % 50 == 0)
                mr_image_shrink(image);
        }
        assert_all(image);
        for (uint32_t unit = 0; unit < UNITS; unit++)
            if (present[unit])
                mr_image_remove(image, mr_image_find(image, unit));
        assert_int_equal(image->entries_count, 0);
        mr_memory_fini(&memory, NULL);
    }
    mr_code_put(code);
}

static void a_large_table_shrinks_once_it_is_nearly_empty(void **state)
{
    (void)state;
    mr_code *code = fixture_code(1, 0, "");
    mr_memory memory;
    mr_image *image = new_image(&memory, code);
    memset(present, 0, sizeof present);
    assert_int_equal(mr_memory_image_bytes(&memory), 0);
    for (uint32_t unit = 0; unit < UNITS; unit++)
        add(image, unit);
    size_t full = mr_memory_image_bytes(&memory);
    assert_true(full < UNITS * sizeof(mr_entry) * 3);
    for (uint32_t unit = 0; unit < UNITS - 10; unit++) {
        mr_image_remove(image, mr_image_find(image, unit));
        present[unit] = 0;
    }
    mr_image_shrink(image);
    assert_true(mr_memory_image_bytes(&memory) < 256 * sizeof(mr_entry));
    assert_all(image);
    for (uint32_t unit = UNITS - 10; unit < UNITS; unit++)
        mr_image_remove(image, mr_image_find(image, unit));
    mr_memory_fini(&memory, NULL);
    mr_code_put(code);
}

/* Units a page apart, units of one place in every group: nothing a program chooses makes chains. */
static void regular_patterns_do_not_make_long_probes(void **state)
{
    (void)state;
    mr_code *code = fixture_code(1, 0, "");
    static const uint32_t strides[] = {1, 2, 4, 16, 64, 256, 1024, 4096};
    for (size_t s = 0; s < sizeof strides / sizeof *strides; s++) {
        mr_memory memory;
        mr_image *image = new_image(&memory, code);
        const uint32_t count = 2000;
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(mr_image_reserve(image, 1), MR_OK);
            mr_image_add(image, i * strides[s]);
        }
        uint64_t probes = 0;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t home = mr_image_place(i * strides[s], image->capacity);
            uint32_t at = (uint32_t)(mr_image_find(image, i * strides[s]) - image->table);
            probes += ((at - home) & (image->capacity - 1)) + 1;
        }
        if (probes > 8 * count)
            fail_msg("stride %u: %.1f probes", strides[s], (double)probes / count);
        for (uint32_t i = 0; i < count; i++)
            mr_image_remove(image, mr_image_find(image, i * strides[s]));
        mr_memory_fini(&memory, NULL);
    }
    mr_code_put(code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_found_after_any_adds_and_removes),
        cmocka_unit_test(a_large_table_shrinks_once_it_is_nearly_empty),
        cmocka_unit_test(regular_patterns_do_not_make_long_probes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
