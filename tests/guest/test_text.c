/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: decimal numbers of gear.h come out and go in as the C library's do.
 * Method: compare with snprintf over edges and random numbers of every length. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/guest/programs.h"

static uint64_t seed;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void expect_u64(uint64_t number)
{
    char expected[32], text[GEAR_U64_DIGITS];
    const int size = snprintf(expected, sizeof expected, "%" PRIu64, number);
    assert_int_equal(gear_format_u64(number, text), size);
    assert_memory_equal(text, expected, (size_t)size);
    uint64_t back = ~number;
    assert_true(gear_parse_u64(expected, (uint32_t)size, &back));
    assert_true(back == number);
}

static void numbers_are_written_and_read_as_decimals(void **state)
{
    (void)state;
    const uint64_t edges[] = {0,         1, 9, 10, 99, 100, 4294967295, 4294967296, UINT64_MAX - 1,
                              UINT64_MAX};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        expect_u64(edges[i]);
    for (int i = 0; i < 100000; i++)
        expect_u64(draw() >> (draw() % 64));
}

static void values_beyond_64_bits_are_written_as_decimals(void **state)
{
    (void)state;
    const uint64_t split = UINT64_C(10000000000000000000); /* 10^19 */
    for (int i = 0; i < 100000; i++) {
        const gear_value value = ((gear_value)draw() << 64 | draw()) >> (i == 0 ? 0 : draw() % 128);
        const uint64_t low = (uint64_t)(value % split), middle = (uint64_t)(value / split % split);
        const uint64_t high = (uint64_t)(value / split / split);
        char expected[64], text[GEAR_VALUE_DIGITS];
        int size;
        if (high > 0)
            size = snprintf(expected, sizeof expected, "%" PRIu64 "%019" PRIu64 "%019" PRIu64, high,
                            middle, low);
        else if (middle > 0)
            size = snprintf(expected, sizeof expected, "%" PRIu64 "%019" PRIu64, middle, low);
        else
            size = snprintf(expected, sizeof expected, "%" PRIu64, low);
        assert_int_equal(gear_format_value(value, text), size);
        assert_memory_equal(text, expected, (size_t)size);
    }
    char text[GEAR_VALUE_DIGITS];
    assert_int_equal(gear_format_value(~(gear_value)0, text), GEAR_VALUE_DIGITS);
    assert_memory_equal(text, "340282366920938463463374607431768211455", GEAR_VALUE_DIGITS);
}

static void what_is_no_number_is_refused_and_leaves_the_result_alone(void **state)
{
    (void)state;
    const char *const bad[] = {"",
                               "-1",
                               "+1",
                               " 1",
                               "1 ",
                               "1.0",
                               "0x10",
                               "1a",
                               "a1",
                               "/",
                               ":",
                               "18446744073709551616",
                               "18446744073709551620",
                               "99999999999999999999",
                               "100000000000000000000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t number = 77;
        assert_false(gear_parse_u64(bad[i], (uint32_t)strlen(bad[i]), &number));
        assert_true(number == 77);
    }
    uint64_t number;
    assert_true(gear_parse_u64("000000000000000000000018446744073709551615", 42, &number));
    assert_true(number == UINT64_MAX);
    assert_false(gear_parse_u64("1\0", 2, &number));
}

static void every_error_code_has_a_text_of_its_own(void **state)
{
    (void)state;
#define DIFFERS(name, code, text)                                                                  \
    assert_string_equal(gear_error_text(code), text);                                              \
    assert_string_not_equal(text, gear_error_text(0));
    GEAR_ERROR_MAP(DIFFERS)
#undef DIFFERS
    assert_string_equal(gear_error_text(1), "unknown error");
}

static void reply_codes_are_sorted(void **state)
{
    (void)state;
    static const uint8_t panicked[4] = {1, 0, 3, 0}, exited[4] = {1, 2, 0, 0};
    assert_int_equal(gear_code_of(panicked), GEAR_CODE_PANIC);
    assert_int_equal(gear_code_of(exited), GEAR_CODE_EXITED);
    static const uint32_t succeeded[] = {GEAR_CODE_AUTOMATIC, GEAR_CODE_REPLY};
    static const uint32_t failed[] = {GEAR_CODE_OUT_OF_GAS, GEAR_CODE_MEMORY, GEAR_CODE_HOST_CALL,
                                      GEAR_CODE_PANIC,      GEAR_CODE_TRAP,   GEAR_CODE_STACK};
    static const uint32_t unavailable[] = {GEAR_CODE_EXITED, GEAR_CODE_INIT_FAILED,
                                           GEAR_CODE_UNINITIALIZED, GEAR_CODE_NOT_CREATED};
#define SORTED(codes, s, f, u)                                                                     \
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {                                  \
        assert_int_equal(gear_code_succeeded(codes[i]), s);                                        \
        assert_int_equal(gear_code_failed(codes[i]), f);                                           \
        assert_int_equal(gear_code_unavailable(codes[i]), u);                                      \
    }
    SORTED(succeeded, 1, 0, 0)
    SORTED(failed, 0, 1, 0)
    SORTED(unavailable, 0, 0, 1)
#undef SORTED
    assert_false(gear_code_succeeded(GEAR_CODE_REMOVED) || gear_code_failed(GEAR_CODE_REMOVED) ||
                 gear_code_unavailable(GEAR_CODE_REMOVED));
}

int main(void)
{
    const char *text = getenv("MR_SEED");
    seed = text != NULL ? strtoull(text, NULL, 0) : 1;
    printf("MR_SEED=%" PRIu64 "\n", seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_and_read_as_decimals),
        cmocka_unit_test(values_beyond_64_bits_are_written_as_decimals),
        cmocka_unit_test(what_is_no_number_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(every_error_code_has_a_text_of_its_own),
        cmocka_unit_test(reply_codes_are_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
