/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=style
 * Goal: every source file says its licence, and none knows the machine it was written on.
 * Method: reads every line; planted faults show that each would be seen. */
#include "sources.h"

#include <ctype.h>

/* Files of these kinds begin with a licence line; documents may. */
static bool needs_licence(const char *path)
{
    static const char *const ends[] = {".c",    ".h",   ".cc", ".in",   ".sh",           ".cmake",
                                       ".yaml", ".wat", ".rs", ".toml", "CMakeLists.txt"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (ends_in(path, ends[i]))
            return !ends_in(path, ".pc.in"); /* pkg-config's files have no comments of that kind */
    return false;
}

static bool is_text(const char *path)
{
    return needs_licence(path) || ends_in(path, ".md") || ends_in(path, ".json") ||
           ends_in(path, ".pc.in") || ends_in(path, "tools/dev");
}

/* Of a home folder, or of one at the root where people keep their work. /tmp, /dev, /proc, /usr
 * are everywhere. */
static bool names_a_machine(const char *line)
{
    static const char *const folders[] = {"/home"
                                          "/",
                                          "/root"
                                          "/",
                                          "/work"
                                          "/",
                                          "/Users"
                                          "/",
                                          "/mnt"
                                          "/"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        const char *at = strstr(line, folders[i]);
        if (at != NULL && (at == line || !(isalnum((unsigned char)at[-1]) || at[-1] == '}' ||
                                           at[-1] == '.' || at[-1] == '>')))
            return true;
    }
    return false;
}

static void check_lines(findings *f, const char *path)
{
    if (!is_text(path))
        return;
    FILE *file = open_source(path);
    char *line = NULL;
    size_t size = 0;
    bool licence = false;
    for (unsigned number = 1; getline(&line, &size, file) > 0; number++) {
        licence |= number <= 3 && strstr(line, "SPDX-License-Identifier: Apache-2.0") != NULL;
        if (names_a_machine(line))
            found(f, "%s:%u: names a folder of one machine\n", path, number);
        size_t length = strcspn(line, "\n");
        if (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\r'))
            found(f, "%s:%u: ends in white space\n", path, number);
    }
    free(line);
    (void)fclose(file);
    if (!licence && needs_licence(path))
        found(f, "%s:1: has no line SPDX-License-Identifier: Apache-2.0 at its top\n", path);
}

static void every_file_says_its_licence_and_names_no_machine(void **state)
{
    (void)state;
    assert_tree_is_clean(check_lines, 150);
}

static void a_planted_fault_is_found(void **state)
{
    (void)state;
    static const char licence[] = "/* SPDX-License-Identifier: Apache-2.0 */\n";
    char text[256];
    assert_found(check_lines, "base/a.c", "int a;\n", "base/a.c:1: has no line SPDX");
    assert_found(check_lines, "base/a.c", "\n\n\n/* SPDX-License-Identifier: Apache-2.0 */\n",
                 "has no line SPDX");
    assert_found(check_lines, "base/a.c", licence, NULL);
    (void)snprintf(text, sizeof text, "%s// see /home%ssomebody/notes\n", licence, "/");
    assert_found(check_lines, "base/a.c", text, "base/a.c:2: names a folder of one machine");
    (void)snprintf(text, sizeof text, "\"/root%sx\"\n", "/");
    assert_found(check_lines, "docs/A.md", text, "docs/A.md:1: names a folder of one machine");
    (void)snprintf(text, sizeof text, "%sint a; \n", licence);
    assert_found(check_lines, "vm/a.cc", text, "vm/a.cc:2: ends in white space");
    (void)snprintf(text, sizeof text, "%s// ${prefix}/home%sx, /tmp/x\n", licence, "/");
    assert_found(check_lines, "base/a.c", text, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_planted_fault_is_found),
        cmocka_unit_test(every_file_says_its_licence_and_names_no_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
