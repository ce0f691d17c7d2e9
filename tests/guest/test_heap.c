/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: gear_allocate gives zeroed, aligned, disjoint memory and takes no more pages than needed.
 * Method: random requests, each filled with a byte of its own and looked at again at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/guest/programs.h"

enum { REQUESTS = 2000 };

static uint64_t seed;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void allocations_are_zero_aligned_and_do_not_overlap(void **state)
{
    (void)state;
    static struct {
        uint8_t *bytes;
        uint32_t size;
    } requests[REQUESTS];
    host_reset();
    for (uint32_t i = 0; i < REQUESTS; i++) {
        const uint32_t size = (uint32_t)(draw() % (UINT64_C(1) << (draw() % 17 + 1)));
        const uint32_t alignment = UINT32_C(1) << (draw() % 4 == 0 ? 4 + draw() % 13 : 4);
        uint8_t *bytes = gear_allocate_aligned(size, alignment);
        assert_int_equal((uintptr_t)bytes % alignment, 0);
        for (uint32_t k = 0; k < size; k++)
            assert_int_equal(bytes[k], 0);
        if (size > 0)
            memset(bytes, (int)(i % 255 + 1), size);
        requests[i].bytes = bytes;
        requests[i].size = size;
        if (i % 16 == 0)
            (void)alloc(1); /* pages the program takes for itself */
    }
    for (uint32_t i = 0; i < REQUESTS; i++) {
        for (uint32_t k = 0; k < requests[i].size; k++)
            assert_int_equal(requests[i].bytes[k], i % 255 + 1);
    }
}

static void small_requests_share_a_page_and_large_ones_use_up_what_is_left(void **state)
{
    (void)state;
    host_reset();
    uint8_t *first = gear_allocate(1);
    assert_ptr_equal(gear_allocate(1), first + 16);
    assert_ptr_equal(gear_allocate(GEAR_PAGE_BYTES), first + 32);
    uint8_t *third = gear_allocate(GEAR_PAGE_BYTES - 32);
    assert_ptr_equal(third, first + 32 + GEAR_PAGE_BYTES);
    assert_ptr_equal(gear_allocate(0), first + 2 * GEAR_PAGE_BYTES);
}

static uint32_t wanted;

static void take(void)
{
    (void)gear_allocate(wanted);
}

static void a_program_without_memory_ends(void **state)
{
    (void)state;
    host_reset();
    host_pages_max = 2;
    const host_message message = {0};
    const uint32_t too_much[] = {2 * GEAR_PAGE_BYTES + 1, UINT32_MAX, UINT32_MAX - 15,
                                 UINT32_MAX - GEAR_PAGE_BYTES, UINT32_MAX - GEAR_PAGE_BYTES + 1};
    for (size_t i = 0; i < sizeof too_much / sizeof *too_much; i++) {
        wanted = too_much[i];
        assert_int_equal(host_run(take, &message), HOST_OUT_OF_MEMORY);
    }
    wanted = 2 * GEAR_PAGE_BYTES;
    assert_int_equal(host_run(take, &message), HOST_OK);
    wanted = 1;
    assert_int_equal(host_run(take, &message), HOST_OUT_OF_MEMORY);
}

int main(void)
{
    const char *text = getenv("MR_SEED");
    seed = text != NULL ? strtoull(text, NULL, 0) : 1;
    printf("MR_SEED=%" PRIu64 "\n", seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zero_aligned_and_do_not_overlap),
        cmocka_unit_test(small_requests_share_a_page_and_large_ones_use_up_what_is_left),
        cmocka_unit_test(a_program_without_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
