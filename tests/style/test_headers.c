/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=style timeout=300
 * Goal: every header compiles alone; the public one and what it includes also as C++ and as older
 * C. Method: runs the compiler on each; a planted header that lacks an include shows that it would
 * be seen. */
#include "sources.h"

#include <sys/wait.h>

static bool compiles(const char *compiler, const char *path)
{
    char command[2 * PATH_MAX];
    (void)snprintf(command, sizeof command,
                   "%s -fsyntax-only -Wall -Wextra -Werror -I. '%s' >/dev/null 2>&1", compiler,
                   path);
    int status = system(command);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A header for C++ alone says so in its name or in its first include of WABT. */
static bool is_for_cxx(const char *path)
{
    FILE *file = open_source(path);
    char line[512];
    bool cxx = false;
    while (!cxx && fgets(line, sizeof line, file) != NULL)
        cxx = begins_with(line, "#include \"wabt/") || begins_with(line, "namespace ") ||
              begins_with(line, "#include <vector>") || begins_with(line, "#include <memory>");
    (void)fclose(file);
    return cxx;
}

static void check_header(findings *f, const char *path)
{
    static const char *const elsewhere[] = {"tests/", "tools/guest/gear.h"};
    if (!ends_in(path, ".h"))
        return;
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
        if (begins_with(path, elsewhere[i]))
            return;
    bool cxx = is_for_cxx(path);
    if (!compiles(cxx ? MR_CXX " -std=c++17 -x c++" : MR_CC " -std=gnu2x -D_GNU_SOURCE -x c", path))
        found(f, "%s: does not compile alone\n", path);
    if (!begins_with(path, "base/") && strcmp(path, "engine/millrace.h") != 0)
        return;
    if (!compiles(MR_CXX " -std=c++17 -Wpedantic -x c++", path))
        found(f, "%s: does not compile as C++17\n", path);
    if (!compiles(MR_CC " -std=c11 -Wpedantic -x c", path))
        found(f, "%s: does not compile as C11\n", path);
}

static void every_header_compiles_alone(void **state)
{
    (void)state;
    assert_tree_is_clean(check_header, 150);
}

static void a_planted_fault_is_found(void **state)
{
    (void)state;
    assert_found(check_header, "vm/a.h", "typedef struct a { uint32_t b; } a;\n",
                 "vm/a.h: does not compile alone");
    assert_found(check_header, "vm/a.h",
                 "#include <stdint.h>\ntypedef struct a { uint32_t b; } a;\n", NULL);
    assert_found(check_header, "base/a.h", "typedef struct a { int class; } a;\n",
                 "base/a.h: does not compile as C++17");
    assert_found(check_header, "base/a.h", "enum [[nodiscard]] a { B };\n",
                 "base/a.h: does not compile as C11");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_planted_fault_is_found),
        cmocka_unit_test(every_header_compiles_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
