/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the memory functions of gear.h, in the form in which programs run them, do what the C
 * library's do. Method: every size and distance up to some, in an interpreter; each exported check
 * returns 0, or the line that failed. */
#include "gear.h"

#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen

enum { AREA = 256, SIZES = 75, SHIFTS = 40, BASE = 80 };

static uint8_t area[AREA], expected[AREA];

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return __LINE__;                                                                       \
    } while (0)

static void fill(void)
{
    for (uint32_t i = 0; i < AREA; i++)
        expected[i] = area[i] = (uint8_t)(i * 7 + 1);
}

static bool areas_agree(void)
{
    for (uint32_t i = 0; i < AREA; i++) {
        if (area[i] != expected[i])
            return false;
    }
    return true;
}

__attribute__((export_name("memmove_moves_overlapping_bytes"))) int check_memmove(void)
{
    for (uint32_t size = 0; size < SIZES; size++) {
        for (uint32_t to = BASE - SHIFTS; to < BASE + SHIFTS; to++) {
            fill();
            for (uint32_t i = 0; i < size; i++)
                expected[to + i] = (uint8_t)((BASE + i) * 7 + 1);
            CHECK(memmove(area + to, area + BASE, size) == area + to);
            CHECK(areas_agree());
        }
    }
    return 0;
}

__attribute__((export_name("memcpy_copies"))) int check_memcpy(void)
{
    for (uint32_t size = 0; size < SIZES; size++) {
        for (uint32_t to = 0; to < 9; to++) {
            fill();
            for (uint32_t i = 0; i < size; i++)
                expected[to + i] = expected[BASE + to + i];
            CHECK(memcpy(area + to, area + BASE + to, size) == area + to);
            CHECK(areas_agree());
        }
    }
    return 0;
}

__attribute__((export_name("memset_fills"))) int check_memset(void)
{
    for (uint32_t size = 0; size < SIZES; size++) {
        fill();
        for (uint32_t i = 0; i < size; i++)
            expected[5 + i] = 0xab;
        CHECK(memset(area + 5, 0x1ab, size) == area + 5);
        CHECK(areas_agree());
    }
    return 0;
}

__attribute__((export_name("memcmp_orders"))) int check_memcmp(void)
{
    for (uint32_t size = 0; size < SIZES; size++) {
        fill();
        CHECK(memcmp(area, expected, size) == 0);
        for (uint32_t at = 0; at < size; at++) {
            area[at] = 200;
            expected[at] = 100;
            area[size] = 0;
            CHECK(memcmp(area, expected, size) > 0);
            CHECK(memcmp(expected, area, size) < 0);
            CHECK(memcmp(area, expected, at) == 0);
            fill();
        }
    }
    return 0;
}

__attribute__((export_name("strlen_counts"))) int check_strlen(void)
{
    CHECK(strlen("") == 0);
    CHECK(strlen("a\0b") == 1);
    for (uint32_t size = 0; size < SIZES; size++) {
        fill();
        for (uint32_t i = 0; i < AREA; i++)
            area[i] = (uint8_t)(area[i] | 1);
        area[size] = 0;
        CHECK(strlen((const char *)area) == size);
    }
    return 0;
}

__attribute__((export_name("numbers_are_written"))) int check_format(void)
{
    char text[GEAR_VALUE_DIGITS];
    CHECK(gear_format_u64(UINT64_MAX, text) == 20);
    CHECK(memcmp(text, "18446744073709551615", 20) == 0);
    CHECK(gear_format_value(~(gear_value)0, text) == 39);
    CHECK(memcmp(text, "340282366920938463463374607431768211455", 39) == 0);
    CHECK(gear_format_value(0, text) == 1 && text[0] == '0');
    return 0;
}
