/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=style
 * Goal: docs/ABI.md lists every host function with its type, every error code, every reply code and
 * every signal code, and each test it names exists. Method: compares it with the engine's table,
 * with the table of codes, with docs/SEMANTICS.md and with the sources of the tests; planted faults
 * show that each would be seen. */
#include "sources.h"

#include <ctype.h>

static char page[1 << 20], text[1 << 20];

static void read_text(const char *path, char *to, size_t capacity)
{
    FILE *file = open_source(path);
    size_t size = fread(to, 1, capacity - 1, file);
    assert_true(size < capacity - 1);
    to[size] = '\0';
    (void)fclose(file);
}

static bool page_has(const char *format, const char *first, const char *second)
{
    char wanted[256];
    (void)snprintf(wanted, sizeof wanted, format, first, second);
    return strstr(page, wanted) != NULL;
}

/* X(name, "type") of engine/abi_internal.h. */
static unsigned check_functions(findings *f)
{
    unsigned count = 0;
    char name[64], type[16];
    for (const char *at = text; (at = strstr(at, "X(")) != NULL; at++) {
        if (sscanf(at, "X(%63[a-z_], \"%15[il:]\")", name, type) != 2)
            continue;
        count++;
        if (!page_has("\n| `%s` | `%s` |", name, type))
            found(f, "no row of functions for %s\n", name);
        if (!page_has("\n| `%s` | success |%s", name, ""))
            found(f, "no test of success for %s\n", name);
        if (!page_has("\n| `%s` | price |%s", name, ""))
            found(f, "no test of the price of %s\n", name);
        if (!page_has("\n| `%s` | undone%s", name, "") && !page_has("\n| `%s` | kept%s", name, ""))
            found(f, "no test of what a failure does to %s\n", name);
    }
    return count;
}

/* {"name", code, of tests/engine/test_abi_codes.c. */
static unsigned check_codes(findings *f)
{
    unsigned count = 0;
    char name[64], code[16];
    for (const char *at = text; (at = strstr(at, "{\"gr_")) != NULL; at++) {
        if (sscanf(at, "{\"%63[a-z_]\", %15[0-9],", name, code) != 2)
            continue;
        count++;
        if (!page_has("\n| `%s` | %s |", name, code))
            found(f, "no row for %s and %s\n", name, code);
    }
    return count;
}

/* Rows of the page that name a code must be in the table of codes. */
static void check_rows(findings *f)
{
    char name[64], code[16], wanted[128];
    for (const char *at = page; (at = strstr(at, "\n| `")) != NULL; at++) {
        if (sscanf(at, "\n| `%63[a-z_]` | %15[0-9] |", name, code) != 2)
            continue;
        if (strcmp(code, "1") == 0) /* a result, not a code */
            continue;
        (void)snprintf(wanted, sizeof wanted, "{\"%s\", %s,", name, code);
        if (strstr(text, wanted) == NULL)
            found(f, "%s does not give %s in test_abi_codes.c\n", name, code);
    }
}

/* Four bytes, wherever docs/SEMANTICS.md has them: a code of a reply. */
static unsigned check_reply_codes(findings *f)
{
    unsigned count = 0;
    unsigned bytes[4];
    for (const char *at = text; *at != '\0'; at++) {
        if (at[0] != '0' || !isdigit((unsigned char)at[1]) || !isspace((unsigned char)at[2]) ||
            sscanf(at, "%2u %2u %2u %2u", &bytes[0], &bytes[1], &bytes[2], &bytes[3]) != 4)
            continue;
        count++;
        char code[32];
        (void)snprintf(code, sizeof code, "%02u %02u %02u %02u", bytes[0], bytes[1], bytes[2],
                       bytes[3]);
        if (!page_has("\n| reply | %s |%s", code, ""))
            found(f, "no test of the reply code %s\n", code);
    }
    return count;
}

/* The last column of a table there, when it is three digits: a code of a signal. */
static unsigned check_signal_codes(findings *f)
{
    unsigned count = 0;
    char code[8];
    for (const char *at = text; (at = strstr(at, "| ")) != NULL; at += 2) {
        if (sscanf(at, "| %3[0-9]", code) != 1 || strlen(code) != 3 ||
            strncmp(at + 5, " |\n", 3) != 0)
            continue;
        count++;
        if (!page_has("\n| signal | %s |%s", code, ""))
            found(f, "no test of the signal code %s\n", code);
    }
    return count;
}

/* `test_file.c` sentence, sentence ...: names follow their file. */
static unsigned check_tests(findings *f)
{
    unsigned count = 0;
    for (const char *at = page; (at = strstr(at, "`test_")) != NULL; at++) {
        char file[64], name[128], path[128], wanted[192];
        if (sscanf(at, "`%63[a-z_.]` %127[a-z0-9_]", file, name) != 2)
            continue;
        count++;
        (void)snprintf(path, sizeof path, "tests/engine/%s", file);
        if (access(path, R_OK) != 0) {
            found(f, "there is no %s\n", path);
            continue;
        }
        read_text(path, text, sizeof text);
        (void)snprintf(wanted, sizeof wanted, "cmocka_unit_test(%s)", name);
        if (strstr(text, wanted) == NULL)
            found(f, "there is no test %s in %s\n", name, path);
    }
    return count;
}

static void check_page(findings *f)
{
    read_text("engine/abi_internal.h", text, sizeof text);
    assert_true(check_functions(f) >= 55);
    read_text("tests/engine/test_abi_codes.c", text, sizeof text);
    assert_true(check_codes(f) >= 160);
    check_rows(f);
    read_text("docs/SEMANTICS.md", text, sizeof text);
    assert_true(check_reply_codes(f) >= 13);
    assert_int_equal(check_signal_codes(f), 7);
    assert_true(check_tests(f) >= 400);
}

static void the_page_lists_what_there_is(void **state)
{
    (void)state;
    findings f = {0};
    assert_int_equal(chdir(MR_SOURCE_DIR), 0);
    read_text("docs/ABI.md", page, sizeof page);
    check_page(&f);
    if (f.count > 0)
        fail_msg("%u findings:\n%s", f.count, f.text);
}

static void a_planted_fault_is_found(void **state)
{
    (void)state;
    static const char *const faults[] = {
        "\n| `gr_size` | `i:` |",        "\n| `gr_send` | 311 |",
        "\n| `gr_leave` | success |",    "\n| `gr_exit` | price |",
        "\n| `gr_value` | undone |",     "`test_abi_send.c` each_way_of",
        "\n| reply | 01 02 03 00 |",     "\n| signal | 200 |",
        "\n| `gr_wake` | 303 |",         "`test_abi_wait.c` a_64th_is",
        "`test_abi_memory.c` pages_are",
    };
    assert_int_equal(chdir(MR_SOURCE_DIR), 0);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        read_text("docs/ABI.md", page, sizeof page);
        char *at = strstr(page, faults[i]);
        assert_non_null(at);
        at[strlen(faults[i]) - 3] = '9';
        findings f = {0};
        check_page(&f);
        if (f.count == 0)
            fail_msg("not found: %s", faults[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_lists_what_there_is),
        cmocka_unit_test(a_planted_fault_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
