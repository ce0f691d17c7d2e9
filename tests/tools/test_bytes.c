/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: what programs say can be read, in any language and with more than one line, and nothing of
 * it gets at the terminal; what is no text stands in hex. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/millrace/bytes.h"

static void assert_printed(const char *bytes, size_t size, const char *expected)
{
    assert_string_equal(mr_bytes_print(mr_span_of(bytes, size)).text, expected);
}

#define PRINTED(bytes, expected) assert_printed(bytes, sizeof(bytes) - 1, expected)

static void text_is_read_as_it_was_written(void **state)
{
    (void)state;
    PRINTED("", "(empty)");
    PRINTED("oops", "\"oops\"");
    PRINTED("gr\u00fc\u00dfe, \u4f60\u597d", "\"gr\u00fc\u00dfe, \u4f60\u597d\"");
    PRINTED("not equal\n  left: 1\n\tright: 2\r\n",
            "\"not equal\\n  left: 1\\n\\tright: 2\\r\\n\"");
    PRINTED("a\\nb", "\"a\\\\nb\"");
}

static void what_is_no_text_stands_in_hex(void **state)
{
    (void)state;
    PRINTED("\n", "0x0a");
    PRINTED("a\0b", "0x610062");
    PRINTED("a\xff", "0x61ff");
    PRINTED("a\xc3", "0x61c3");
    PRINTED("a\xc0\xaf", "0x61c0af");
    PRINTED("a\xed\xa0\x80", "0x61eda080");
    PRINTED("a\xf4\x90\x80\x80", "0x61f4908080");
}

static void nothing_gets_at_the_terminal(void **state)
{
    (void)state;
    PRINTED("a\x1b[2J", "0x611b5b324a");
    PRINTED("a\x7f", "0x617f");
    PRINTED("a\xc2\x9b"
            "2J",
            "0x61c29b324a");
    PRINTED("a\u202ez", "0x61e280ae7a");
}

static void what_is_long_is_cut_between_characters(void **state)
{
    (void)state;
    char bytes[300], expected[300];
    memset(bytes, 'a', sizeof bytes);
    memcpy(bytes + 126, "\u20ac", 3);
    (void)snprintf(expected, sizeof expected, "\"%.126s\"... 300 bytes", bytes);
    assert_printed(bytes, sizeof bytes, expected);
    /* An escape takes two. */
    memcpy(bytes + 125, "\u20ac\n", 4);
    (void)snprintf(expected, sizeof expected, "\"%.128s\"... 300 bytes", bytes);
    assert_printed(bytes, sizeof bytes, expected);
    mr_span begun = mr_bytes_begin(mr_span_of(bytes, sizeof bytes), 127);
    assert_int_equal(begun.size, 125);
    begun = mr_bytes_begin(mr_span_of("\x80\x80\x80\x80\x80", 5), 4);
    assert_int_equal(begun.size, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_read_as_it_was_written),
        cmocka_unit_test(what_is_no_text_stands_in_hex),
        cmocka_unit_test(nothing_gets_at_the_terminal),
        cmocka_unit_test(what_is_long_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
