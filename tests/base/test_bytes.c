/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: buffers grow without losing bytes and integers keep their byte order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"

static void a_buffer_keeps_what_was_appended(void **state)
{
    (void)state;
    mr_buffer buffer = {0};
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(mr_buffer_append(&buffer, mr_span_of(&i, sizeof i)), MR_OK);
    assert_int_equal(buffer.size, 4000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(mr_load_le32(buffer.data + 4 * (size_t)i), i);
    mr_buffer_fini(&buffer);
    assert_null(buffer.data);
}

static void an_impossible_reservation_leaves_the_buffer_unchanged(void **state)
{
    (void)state;
    mr_buffer buffer = {0};
    assert_int_equal(mr_buffer_append(&buffer, mr_span_text("abc")), MR_OK);
    assert_int_equal(mr_buffer_reserve(&buffer, SIZE_MAX - 1), MR_NO_MEMORY);
    assert_true(mr_span_equal(mr_buffer_span(&buffer), mr_span_text("abc")));
    mr_buffer_fini(&buffer);
}

static void big_endian_keys_sort_as_their_numbers_do(void **state)
{
    (void)state;
    uint8_t a[8], b[8];
    mr_store_be64(a, 255);
    mr_store_be64(b, 256);
    assert_true(memcmp(a, b, 8) < 0);
    assert_int_equal(mr_load_be64(b), 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_keeps_what_was_appended),
        cmocka_unit_test(an_impossible_reservation_leaves_the_buffer_unchanged),
        cmocka_unit_test(big_endian_keys_sort_as_their_numbers_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
