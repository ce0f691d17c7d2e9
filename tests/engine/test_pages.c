/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the ranges of a heap are the set of its pages, and first fit finds the first that fits.
 * Method: random changes, compared with one flag a page. MR_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "engine/pages.h"

enum { LOW = 3, HIGH = 80 };

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static uint32_t first_fit(const bool *used, uint32_t low, uint32_t high, uint32_t count)
{
    for (uint32_t at = low; at + count <= high; at++) {
        uint32_t free_pages = 0;
        while (free_pages < count && !used[at + free_pages])
            free_pages++;
        if (free_pages == count)
            return at;
    }
    return UINT32_MAX;
}

static void check(const mr_pages *pages, const bool *used)
{
    uint32_t before = 0, end = 0;
    for (uint32_t i = 0; i < pages->count; i++) {
        const mr_page_range *range = &pages->ranges[i];
        assert_true(range->first < range->end && range->end <= HIGH);
        assert_true(i == 0 || range->first > before); /* neither touching nor overlapping */
        for (uint32_t p = i == 0 ? 0 : before; p < range->end; p++)
            assert_int_equal(used[p], p >= range->first);
        before = end = range->end;
    }
    for (uint32_t p = end; p < HIGH; p++)
        assert_false(used[p]);
    assert_int_equal(mr_pages_end(pages), end);
}

static void check_next(const mr_pages *pages, const bool *used)
{
    const uint32_t first = draw(HIGH + 1), end = draw(HIGH + 1);
    mr_page_range part;
    uint32_t expected = first;
    while (expected < end && !used[expected])
        expected++;
    const bool found = mr_pages_next(pages, first, end, &part);
    assert_int_equal(found, expected < end);
    if (!found)
        return;
    assert_int_equal(part.first, expected);
    while (expected < end && used[expected])
        expected++;
    assert_int_equal(part.end, expected);
}

static void random_changes_match_a_flag_a_page(void **state)
{
    (void)state;
    for (unsigned run = 0; run < 300; run++) {
        mr_pages pages = {0};
        bool used[HIGH] = {false};
        for (unsigned step = 0; step < 200; step++) {
            const uint32_t count = 1 + draw(draw(4) == 0 ? HIGH : 5);
            const uint32_t found = mr_pages_find(&pages, LOW, HIGH, count);
            assert_int_equal(found, first_fit(used, LOW, HIGH, count));
            if (draw(2) == 0 && found != UINT32_MAX) {
                assert_int_equal(mr_pages_add(&pages, found, found + count), MR_OK);
                for (uint32_t p = found; p < found + count; p++)
                    used[p] = true;
            } else {
                const uint32_t first = LOW + draw(HIGH - LOW);
                const uint32_t end = first + 1 + draw(draw(4) == 0 ? HIGH - first : 2);
                const uint32_t stop = end > HIGH ? HIGH : end;
                uint32_t removed, expected = 0;
                assert_int_equal(mr_pages_remove(&pages, first, stop, &removed), MR_OK);
                for (uint32_t p = first; p < stop; p++) {
                    expected += used[p];
                    used[p] = false;
                }
                assert_int_equal(removed, expected);
            }
            if (draw(20) == 0) {
                mr_pages copy = {0};
                assert_int_equal(mr_pages_copy(&copy, &pages), MR_OK);
                mr_pages_fini(&pages);
                pages = copy;
            }
            check(&pages, used);
            check_next(&pages, used);
        }
        mr_pages_fini(&pages);
    }
}

/* As a heap read from a database: ranges added from low to high, with gaps. */
static void gaps_of_ranges_added_in_order_are_found(void **state)
{
    (void)state;
    mr_pages pages = {0};
    assert_int_equal(mr_pages_add(&pages, 10, 11), MR_OK);
    assert_int_equal(mr_pages_add(&pages, 14, 15), MR_OK);
    assert_int_equal(mr_pages_add(&pages, 16, 70), MR_OK);
    assert_int_equal(mr_pages_find(&pages, 3, 80, 8), 70);
    assert_int_equal(mr_pages_find(&pages, 3, 80, 7), 3);
    assert_int_equal(mr_pages_find(&pages, 3, 80, 11), UINT32_MAX);
    assert_int_equal(mr_pages_find(&pages, 11, 80, 3), 11);
    pages.gap_max = 7;
    assert_int_equal(mr_pages_find(&pages, 11, 80, 4), 70);
    mr_pages_fini(&pages);
}

static void nothing_fits_where_the_heap_is_empty(void **state)
{
    (void)state;
    mr_pages pages = {0};
    assert_int_equal(mr_pages_find(&pages, 80, 80, 1), UINT32_MAX);
    assert_int_equal(mr_pages_find(&pages, 81, 80, 1), UINT32_MAX);
    assert_int_equal(mr_pages_find(&pages, 79, 80, 1), 79);
    assert_int_equal(mr_pages_find(&pages, 79, 80, UINT32_MAX), UINT32_MAX);
}

int main(void)
{
    const char *given = getenv("MR_SEED");
    seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("MR_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_match_a_flag_a_page),
        cmocka_unit_test(gaps_of_ranges_added_in_order_are_found),
        cmocka_unit_test(nothing_fits_where_the_heap_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
