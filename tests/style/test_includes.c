/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=style
 * Goal: arrows between layers go down only, every third-party library has one home, and private
 * headers stay in their folder and its tests. Method: reads every #include of every file; trees
 * with one planted fault each show that it would be seen. docs/ARCHITECTURE.md has the picture. */
#include "sources.h"

/* What a folder may include of ours. The first prefix that fits a file counts. */
typedef struct layer {
    const char *folder, *may; /* prefixes of includes, each ended by a space */
} layer;

static const layer layers[] = {
    {"base/", "base/ "},
    {"scheduler/", "base/ scheduler/ "},
    {"vm/", "base/ vm/ "},
    {"storage/", "base/ storage/ "},
    {"engine/", "base/ scheduler/ vm/ storage/ engine/ "},
    {"tools/guest/examples/", "gear.h gear_async.h "},
    {"tools/guest/loads/", "gear.h "},
    {"tools/guest/gear_async.h", "gear.h "},
    {"tools/embed/", "gear.h "},
    {"tools/", "base/ engine/millrace.h tools/ "},
    {"perf/", "base/ scheduler/ vm/ storage/ engine/ perf/ tools/guest/ "},
    {"tests/base/", "base/ tests/base/ "},
    {"tests/scheduler/", "base/ tests/base/ scheduler/ tests/scheduler/ "},
    {"tests/vm/", "base/ tests/base/ vm/ tests/vm/ "},
    {"tests/storage/", "base/ tests/base/ storage/ tests/storage/ "},
    {"tests/tools/", "base/ storage/store.h engine/millrace.h tools/ tests/tools/ "},
    {"tests/guest/", "base/ tools/guest/ tests/guest/ gear.h "},
    {"tests/style/", "tests/style/ "},
    {"tests/", "base/ scheduler/ vm/ storage/ engine/ tools/ tests/ gear.h "},
};

/* Libraries, and the folders that may name them. */
static const layer homes[] = {
    {"hwloc", "scheduler/ tests/scheduler/ "},
    {"urcu", "scheduler/ tests/scheduler/ "},
    {"wabt/", "vm/ tests/vm/ perf/bench_metering.cc "},
    {"rocksdb/", "storage/ tests/storage/ "},
    {"openssl/", "storage/ vm/ tests/storage/ "},
    {"sodium", "engine/ tests/engine/ tests/reference/ "},
    {"uv.h", "tools/ tests/tools/ "},
    {"yaml.h", "tools/ "},
    {"jansson.h", "tools/ tests/tools/ "},
    {"argp.h", "tools/ "},
    {"cmocka.h", "tests/ "},
    {"millrace/millrace.h", "tools/embed/ "},
    {"caf/", "perf/peer/ "},
};

/* Of the C library, the C++ library, the compiler and the kernel. Headers of C++ have no dot. */
static const char system_headers[] =
    "arpa/ assert.h ctype.h cpuid.h dirent.h dlfcn.h elf.h emmintrin.h errno.h fcntl.h ftw.h "
    "immintrin.h "
    "inttypes.h limits.h linux/ malloc.h math.h memory poll.h pthread.h sanitizer/ sched.h "
    "search.h "
    "setjmp.h signal.h spawn.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h "
    "stdlib.h string.h strings.h sys/ termios.h time.h ucontext.h unistd.h wchar.h ";

static bool in_list(const char *list, const char *text)
{
    while (list[0] != '\0') {
        size_t size = strcspn(list, " ");
        bool prefix = list[size - 1] == '/';
        if (strncmp(list, text, size) == 0 && (prefix || text[size] == '\0'))
            return true;
        list += size + 1;
    }
    return false;
}

static const layer *layer_of(const char *path)
{
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
        if (begins_with(path, layers[i].folder))
            return &layers[i];
    return NULL;
}

static bool is_ours(const char *include)
{
    static const char folders[] = "base/ scheduler/ vm/ storage/ engine/ tools/ perf/ tests/ ";
    return in_list(folders, include);
}

static bool same_folder(const char *path, const char *include)
{
    if (strchr(path, '/') == NULL)
        return false;
    size_t folder = (size_t)(strrchr(path, '/') - path) + 1;
    return strncmp(path, include, folder) == 0 && strchr(include + folder, '/') == NULL;
}

/* A folder's own files may, and the tests of a layer. */
static bool may_look_into(const char *path, const char *include)
{
    return same_folder(path, include) ||
           (begins_with(path, "tests/") && same_folder(path + strlen("tests/"), include));
}

static void check_ours(findings *f, const char *path, unsigned line, const char *include)
{
    const layer *from = layer_of(path);
    if (from == NULL || !in_list(from->may, include))
        found(f, "%s:%u: may not include %s: the arrow goes up or sideways\n", path, line, include);
    else if (ends_in(include, "_internal.h") && !may_look_into(path, include))
        found(f, "%s:%u: %s is private to its folder\n", path, line, include);
}

static bool is_beside(const char *path, const char *include)
{
    char beside[PATH_MAX];
    int used =
        snprintf(beside, sizeof beside, "%.*s/%s", (int)(strrchr(path, '/') - path), path, include);
    return used > 0 && (size_t)used < sizeof beside && access(beside, F_OK) == 0;
}

static void check_include(findings *f, const char *path, unsigned line, const char *include,
                          bool quoted)
{
    if (is_ours(include)) {
        check_ours(f, path, line, include);
        return;
    }
    for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++) {
        if (!begins_with(include, homes[i].folder))
            continue;
        if (!in_list(homes[i].may, path))
            found(f, "%s:%u: %s has its only home in %s\n", path, line, include, homes[i].may);
        return;
    }
    const layer *from = layer_of(path);
    if (quoted) {
        bool library = strchr(include, '/') == NULL && from != NULL && in_list(from->may, include);
        if (!library && (!begins_with(path, "tests/") || !is_beside(path, include)))
            found(f, "%s:%u: %s: name the folder, as in \"base/bytes.h\"\n", path, line, include);
        return;
    }
    bool cxx = ends_in(path, ".cc") || begins_with(path, "vm/");
    if (!in_list(system_headers, include) && !(cxx && strchr(include, '.') == NULL))
        found(f, "%s:%u: %s is of a library that this check does not know\n", path, line, include);
}

static void check_includes(findings *f, const char *path)
{
    if (!ends_in(path, ".c") && !ends_in(path, ".h") && !ends_in(path, ".cc"))
        return;
    if (strchr(path, '/') == NULL) {
        found(f, "%s:1: sources live in the folders of their layers\n", path);
        return;
    }
    FILE *file = open_source(path);
    char text[1024], include[256];
    for (unsigned line = 1; fgets(text, sizeof text, file) != NULL; line++) {
        char open = 0;
        if (sscanf(text, " # include %c%255[^\">]", &open, include) == 2 &&
            (open == '"' || open == '<'))
            check_include(f, path, line, include, open == '"');
    }
    (void)fclose(file);
}

static void every_include_of_the_tree_is_allowed(void **state)
{
    (void)state;
    assert_tree_is_clean(check_includes, 150);
}

static void a_planted_fault_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text, *finding;
    } faults[] = {
        {"base/a.c", "#include \"vm/vm.h\"\n", "base/a.c:1: may not include vm/vm.h"},
        {"vm/a.cc", "\n#include \"storage/store.h\"\n",
         "vm/a.cc:2: may not include storage/store.h"},
        {"storage/a.h", "#  include \"engine/millrace.h\"\n", "may not include engine/millrace.h"},
        {"scheduler/a.c", "#include <engine/millrace.h>\n", "may not include engine/millrace.h"},
        {"engine/a.c", "#include \"tools/millrace/file.h\"\n", "may not include tools/"},
        {"tools/millrace/a.c", "#include \"vm/vm.h\"\n", "may not include vm/vm.h"},
        {"tools/millrace/a.c", "#include \"engine/codec.h\"\n", "may not include engine/codec.h"},
        {"engine/a.c", "#include \"vm/vm_internal.h\"\n",
         "vm/vm_internal.h is private to its folder"},
        {"tests/engine/a.c", "#include \"vm/vm_internal.h\"\n", "is private to its folder"},
        {"engine/a.c", "#include <hwloc.h>\n", "hwloc.h has its only home in scheduler/"},
        {"vm/a.c", "#include <urcu-qsbr.h>\n", "urcu-qsbr.h has its only home in scheduler/"},
        {"engine/a.cc", "#include \"wabt/ir.h\"\n", "wabt/ir.h has its only home in vm/"},
        {"engine/a.c", "#include <rocksdb/c.h>\n", "rocksdb/c.h has its only home in storage/"},
        {"engine/a.c", "#include <openssl/sha.h>\n", "openssl/sha.h has its only home in storage/"},
        {"storage/a.c", "#include <sodium.h>\n", "sodium.h has its only home in engine/"},
        {"engine/a.c", "#include <uv.h>\n", "uv.h has its only home in tools/"},
        {"engine/a.c", "#include <jansson.h>\n", "jansson.h has its only home in tools/"},
        {"base/a.c", "#include <cmocka.h>\n", "cmocka.h has its only home in tests/"},
        {"base/a.c", "#include <glib.h>\n", "glib.h is of a library that this check does not know"},
        {"base/a.c", "#include \"bytes.h\"\n", "bytes.h: name the folder"},
        {"a.c", "", "sources live in the folders of their layers"},
        {"extra/a.c", "#include \"base/bytes.h\"\n", "extra/a.c:1: may not include base/bytes.h"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        assert_found(check_includes, faults[i].path, faults[i].text, faults[i].finding);
    assert_found(check_includes, "engine/a.c",
                 "#include \"engine/a_internal.h\"\n#include \"vm/vm.h\"\n#include <sodium.h>\n"
                 "#include <sys/stat.h>\n",
                 NULL);
    assert_found(check_includes, "tests/vm/a.c", "#include \"vm/vm_internal.h\"\n", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_planted_fault_is_found),
        cmocka_unit_test(every_include_of_the_tree_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
