/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: timeout=120
 * Goal: compiled programs are a cache: found again, never trusted when damaged, and done without
 * when the compiler is missing, fails, hangs, or eats what it is given. Method: shell scripts in
 * the compiler's place; files spoiled byte by byte. That compiled code does what the interpreter
 * does is for the other tests to show, each of which runs once more with the tier drawn anew for
 * every call (tests/vm/tier.c). */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/vm/fixture.h"

static char folder[64]; /* of this run of the test */

/* The path of `name`, which stays where it is. */
static const char *in_folder(const char *name)
{
    static char paths[64][128];
    static size_t count;
    char path[sizeof paths[0]];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    size_t i = 0;
    while (i < count && strcmp(paths[i], path) != 0)
        i++;
    assert_true(i < sizeof paths / sizeof paths[0]);
    if (i == count)
        memcpy(paths[count++], path, sizeof path);
    return paths[i];
}

static const char *compiler(void)
{
    const char *named = getenv("MR_TEST_COMPILER");
    return named != NULL ? named : "gcc";
}

/* ---- What the log was told ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char told[4096];
static unsigned told_count;

static void listen(void *arg, mr_log_level level, const char *text)
{
    (void)arg;
    (void)level;
    (void)pthread_mutex_lock(&lock);
    told_count++;
    (void)snprintf(told, sizeof told, "%s", text);
    (void)pthread_mutex_unlock(&lock);
}

/* How often the log was told something since this was asked last; the last of it is in `text`. */
static unsigned take_told(char text[sizeof told])
{
    (void)pthread_mutex_lock(&lock);
    const unsigned count = told_count;
    memcpy(text, told, sizeof told);
    told_count = 0;
    (void)pthread_mutex_unlock(&lock);
    return count;
}

static void assert_told_once(const char *what)
{
    char text[sizeof told];
    const unsigned count = take_told(text);
    if (count != 1 || strstr(text, what) == NULL)
        fail_msg("told %u times, last: %s; not once: %s", count, text, what);
}

static void assert_told_nothing(void)
{
    char text[sizeof told];
    if (take_told(text) != 0)
        fail_msg("told: %s", text);
}

/* ---- Machines ---- */

static fixture machine(mr_tier tier, const mr_native_options *native)
{
    fixture f = {0};
    mr_error error = {0};
    mr_vm_options options = {.rules = &fixture_rules,
                             .functions = fixture_functions,
                             .tier = tier,
                             .prices = &fixture_prices,
                             .native = native,
                             .instance_bytes_max = 16 << 20,
                             .live_bytes_max = UINT64_MAX};
    if (mr_vm_new(&options, &f.vm, &error) != MR_OK ||
        mr_vm_worker_new(f.vm, &f.worker, &error) != MR_OK)
        fail_msg("%s", error.text);
    f.pool = mr_vm_worker_pool(f.worker);
    return f;
}

/* A program of its own for every number. */
static mr_code *code_number(unsigned number)
{
    char more[64];
    (void)snprintf(more, sizeof more, "(func (result i32) (i32.const %u))", number);
    return fixture_code(3, MR_PAGE_BYTES, more);
}

static void run_once(fixture *f, mr_code *code)
{
    mr_memory memory;
    mr_memory_init(&memory, code);
    const step steps[] = {{STEP_STORE32, 2 * MR_PAGE_BYTES, 0x01020304, 0}, {0}};
    assert_int_equal(fixture_run(f->worker, &memory, steps), MR_VM_DONE);
    uint32_t stored = 0;
    assert_int_equal(mr_memory_read(&memory, 2 * MR_PAGE_BYTES, &stored, sizeof stored), MR_OK);
    assert_int_equal(stored, 0x01020304);
    mr_memory_fini(&memory, f->pool);
}

/* Runs a code on a machine of its own. Tells whether it was compiled. */
static bool is_compiled(const mr_native_options *native, unsigned number)
{
    fixture f = machine(MR_TIER_NATIVE, native);
    mr_code *code = code_number(number);
    run_once(&f, code);
    const bool compiled = mr_native_find(code) != NULL;
    fixture_free(&f);
    mr_code_put(code);
    return compiled;
}

/* ---- Files ---- */

/* The only compiled program of a directory. */
static void find_artifact(const char *directory, char path[512])
{
    DIR *open = opendir(directory);
    assert_non_null(open);
    unsigned found = 0;
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        found++;
        (void)snprintf(path, 512, "%s/%s", directory, entry->d_name);
    }
    (void)closedir(open);
    if (found != 1)
        fail_msg("%s has %u files, not 1", directory, found);
}

static void assert_empty(const char *directory)
{
    DIR *open = opendir(directory);
    assert_non_null(open);
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        if (entry->d_name[0] != '.')
            fail_msg("%s has %s", directory, entry->d_name);
    }
    (void)closedir(open);
}

static size_t read_bytes(const char *path, uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t got = fread(bytes, 1, size, file);
    (void)fclose(file);
    return got;
}

static void write_bytes(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static const char *write_script(const char *name, const char *text)
{
    const char *path = in_folder(name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "#!/bin/sh\n%s\n", text);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0700), 0);
    return path;
}

static void what_was_compiled_is_found_again(void **state)
{
    (void)state;
    /* A compiler that notes that it was called. */
    char text[512];
    (void)snprintf(text, sizeof text, "echo >>%s; exec %s \"$@\"", in_folder("calls"), compiler());
    const mr_native_options native = {.directory = in_folder("again"),
                                      .compiler = write_script("noting-gcc", text)};
    uint8_t calls[16];
    for (unsigned i = 0; i < 3; i++) {
        assert_true(is_compiled(&native, 1));
        assert_int_equal(read_bytes(in_folder("calls"), calls, sizeof calls), 1);
    }
    /* Another code, and the same one compiled in another way, are other files. */
    assert_true(is_compiled(&native, 2));
    assert_int_equal(read_bytes(in_folder("calls"), calls, sizeof calls), 2);
    mr_native_options other = native;
    other.frames = true;
    assert_true(is_compiled(&other, 2));
    assert_int_equal(read_bytes(in_folder("calls"), calls, sizeof calls), 3);
    assert_told_nothing();
}

static void assert_text_is_compiled(const char *text, const char *name)
{
    const mr_native_options native = {.directory = in_folder(name), .compiler = compiler()};
    fixture f = machine(MR_TIER_NATIVE, &native);
    mr_buffer module = {0};
    mr_error error = {0};
    mr_code *code = NULL;
    if (mr_code_from_text(mr_span_text(text), name, &module, &error) != MR_OK ||
        mr_code_new(&fixture_rules, &fixture_prices, mr_buffer_span(&module), &code, &error) !=
            MR_OK)
        fail_msg("%s", error.text);
    mr_memory memory;
    mr_memory_init(&memory, code);
    assert_int_equal(fixture_run(f.worker, &memory, (const step[]){{0}}), MR_VM_DONE);
    assert_non_null(mr_native_find(code));
    mr_memory_fini(&memory, f.pool);
    mr_buffer_fini(&module);
    fixture_free(&f);
    mr_code_put(code);
    assert_told_nothing();
}

static void a_module_that_imports_no_function_is_compiled(void **state)
{
    (void)state;
    assert_text_is_compiled("(module (import \"env\" \"memory\" (memory 1))"
                            "(func (export \"init\")) (func (export \"handle\")))",
                            "alone");
}

/* More than registers hold: compilers push them, and say so of the stack. */
static void functions_of_many_parameters_are_compiled(void **state)
{
    (void)state;
    assert_text_is_compiled(
        "(module (import \"env\" \"memory\" (memory 1))"
        "(type $t (func (param i32 i32 i32 i32 i32 i32 i32) (result i32)))"
        "(table 2 funcref) (elem (i32.const 0) $f $g)"
        "(func $f (type $t) (i32.add (local.get 6) (i32.load (local.get 5))))"
        "(func $g (type $t) (i32.add (local.get 0) (i32.load (local.get 6))))"
        "(func (export \"init\"))"
        "(func (export \"handle\") (i32.store (i32.const 4)"
        "  (call_indirect (type $t) (i32.load (i32.const 0)) (i32.load (i32.const 4))"
        "    (i32.load (i32.const 8)) (i32.load (i32.const 12)) (i32.load (i32.const 16))"
        "    (i32.load (i32.const 20)) (i32.load (i32.const 24)) (i32.load (i32.const 28))))))",
        "many");
}

/* Files are spoiled after the machine that made them has gone, as a disk would. */
static void a_damaged_file_is_made_anew(void **state)
{
    (void)state;
    enum { MOST = 1 << 20 };
    const mr_native_options native = {.directory = in_folder("damage"), .compiler = compiler()};
    uint8_t *good = malloc(MOST), *bad = malloc(MOST);
    char path[512];
    assert_true(is_compiled(&native, 3));
    find_artifact(native.directory, path);
    const size_t size = read_bytes(path, good, MOST);
    for (unsigned i = 0; i < 12; i++) {
        memcpy(bad, good, size);
        /* Of the object, then of what stands behind it. */
        const size_t at = i < 6 ? i * (size / 6) : size - 1 - (i - 6) * 15;
        bad[at] ^= (uint8_t)(1u << (i % 8));
        write_bytes(path, bad, size);
        assert_true(is_compiled(&native, 3));
        assert_told_once("is damaged or not ours");
        assert_int_equal(read_bytes(path, bad, MOST), size);
    }
    static const size_t lengths[] = {0, 1, 79, 80, 4096};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        write_bytes(path, good, lengths[i]);
        assert_true(is_compiled(&native, 3));
        assert_told_once("is damaged or not ours");
    }
    /* A good file under another name. */
    char other[512];
    assert_int_equal(unlink(path), 0);
    assert_true(is_compiled(&native, 4));
    find_artifact(native.directory, other);
    assert_int_equal(rename(other, path), 0);
    assert_true(is_compiled(&native, 3));
    assert_told_once("is damaged or not ours");
    free(good);
    free(bad);
}

/* Whatever stands in a compiled program's place, it takes no time and is made anew. */
static void what_is_no_file_is_made_anew(void **state)
{
    (void)state;
    const mr_native_options native = {.directory = in_folder("odd"), .compiler = compiler()};
    assert_true(is_compiled(&native, 14));
    char path[512];
    find_artifact(native.directory, path);
    for (int what = 0; what < 4; what++) {
        assert_int_equal(unlink(path), 0);
        if (what == 0)
            assert_int_equal(mkfifo(path, 0600), 0);
        else if (what == 1)
            assert_int_equal(mkdir(path, 0700), 0);
        else if (what == 2)
            assert_int_equal(symlink("/dev/zero", path), 0);
        else
            write_bytes(path, (const uint8_t *)"x", 1);
        if (what == 3) /* takes no room */
            assert_int_equal(truncate(path, (off_t)1 << 38), 0);
        assert_true(is_compiled(&native, 14));
        assert_told_once("is damaged or not ours");
        assert_true(is_compiled(&native, 14));
        assert_told_nothing();
    }
}

static void without_a_compiler_programs_are_interpreted(void **state)
{
    (void)state;
    const mr_native_options native = {.directory = in_folder("none"),
                                      .compiler = "/nowhere/compiler"};
    fixture f = machine(MR_TIER_NATIVE, &native);
    assert_told_once("there is no C compiler /nowhere/compiler");
    mr_code *codes[] = {code_number(5), code_number(6)};
    for (size_t i = 0; i < 2; i++) {
        run_once(&f, codes[i]);
        run_once(&f, codes[i]);
        assert_null(mr_native_find(codes[i]));
    }
    fixture_free(&f);
    mr_code_put(codes[0]);
    mr_code_put(codes[1]);
    assert_told_nothing();
}

static void without_a_directory_programs_are_interpreted(void **state)
{
    (void)state;
    write_bytes(in_folder("file"), (const uint8_t *)"x", 1);
    const mr_native_options native = {.directory = in_folder("file/below"), .compiler = compiler()};
    assert_false(is_compiled(&native, 7));
    assert_told_once("file/below");
}

/* What a process that was killed left, and only that. */
static void abandoned_directories_are_removed(void **state)
{
    (void)state;
    const struct timespec before = {.tv_sec = time(NULL) - 2 * 24 * 60 * 60};
    const struct timespec old[2] = {before, before};
    static const char *const names[] = {"left/build-old", "left/build-new", "left/other-old",
                                        "elsewhere"};
    char path[256];
    assert_int_equal(mkdir(in_folder("left"), 0700), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(mkdir(in_folder(names[i]), 0700), 0);
        (void)snprintf(path, sizeof path, "%s/m.c", in_folder(names[i]));
        write_bytes(path, (const uint8_t *)"x", 1);
        if (i != 1)
            assert_int_equal(utimensat(AT_FDCWD, in_folder(names[i]), old, 0), 0);
    }
    assert_int_equal(symlink(in_folder("elsewhere"), in_folder("left/build-link")), 0);
    assert_int_equal(utimensat(AT_FDCWD, in_folder("left/build-link"), old, AT_SYMLINK_NOFOLLOW),
                     0);
    const mr_native_options native = {.directory = in_folder("left"), .compiler = compiler()};
    fixture f = machine(MR_TIER_NATIVE, &native);
    fixture_free(&f);
    assert_int_not_equal(access(in_folder("left/build-old"), F_OK), 0);
    for (size_t i = 1; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s/m.c", in_folder(names[i]));
        assert_int_equal(access(path, F_OK), 0);
    }
    assert_told_nothing();
}

static void a_compiler_that_does_not_do_it_leaves_programs_interpreted(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *told;
    } cases[] = {
        {"failing", "echo 'm.c:1: it is too hard' >&2; exit 1", "failed: m.c:1: it is too hard"},
        {"silent", "exit 3", "failed"},
        {"lazy", "exit 0", "cannot be read"},
        {"empty", ": >m.so; printf 'm.c:1:1:w2c_f1\\t16\\tstatic\\n' >m.su", "cannot load"},
        {"garbage", "echo garbage >m.so; printf 'm.c:1:1:w2c_f1\\t16\\tstatic\\n' >m.su",
         "cannot load"},
        {"untold", "echo garbage >m.so", "does not tell what code takes of the stack"},
        {"greedy", "printf 'm.c:1:1:w2c_f1\\t400000\\tstatic\\n' >m.su; echo >m.so",
         "MiB of stack"},
        {"split",
         "printf 'm.c:1:1:w2c_f1\\t20000\\tstatic\\nm.c:1:1:w2c_f1.part.0\\t20000\\tstatic\\n' "
         ">m.su;"
         "echo >m.so",
         "MiB of stack"},
        {"moving", "printf 'm.c:1:1:w2c_f1\\t40\\tdynamic\\n' >m.su; echo >m.so", "does not tell"},
        {"piping", "mkfifo m.so", "cannot be read"},
        {"linking", "ln -s /dev/zero m.so", "cannot be read"},
        {"muttering", "rm m.txt; mkfifo m.txt; exit 1", "failed"},
        {"listing", "mkfifo m.su; echo >m.so", "does not tell"},
        {"crashing", "kill -SEGV $$", "failed"},
        {"hungry", "x=0123456789abcdef; while :; do x=$x$x; done", "failed"},
        {"writing", "while cat m.c m.c m.c m.c; do :; done >m.so; exit 1", "failed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const mr_native_options native = {.directory = in_folder(cases[i].name),
                                          .compiler = write_script("a-compiler", cases[i].text),
                                          .memory_bytes_max = 256 << 20,
                                          .artifact_bytes_max = 8 << 20};
        assert_false(is_compiled(&native, 8));
        assert_told_once(cases[i].told);
        assert_empty(in_folder(cases[i].name));
    }
}

static bool is_zombie(pid_t number)
{
    char path[64], line[256] = {0};
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)number);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return true;
    (void)!fgets(line, sizeof line, file);
    (void)fclose(file);
    const char *end = strrchr(line, ')');
    return end == NULL || end[1] == 0 || end[2] == 'Z' || end[2] == 'X';
}

/* By the clock: it sleeps. By the processor: it does not. What it has begun ends, too. */
static void a_compiler_that_hangs_is_ended(void **state)
{
    (void)state;
    static const char *const texts[] = {"sleep 1000 & echo $! >../../child; sleep 1000",
                                        "while :; do :; done"};
    for (size_t i = 0; i < 2; i++) {
        const mr_native_options native = {.directory = in_folder("hang"),
                                          .compiler = write_script("hanging", texts[i]),
                                          .seconds_max = 1};
        assert_false(is_compiled(&native, 9));
        assert_told_once("hanging");
        assert_empty(in_folder("hang"));
    }
    uint8_t child[16] = {0};
    (void)read_bytes(in_folder("child"), child, sizeof child - 1);
    /* It was killed; whoever inherited it may have yet to notice. */
    const pid_t number = (pid_t)strtol((const char *)child, NULL, 10);
    assert_true(number > 0);
    while (kill(number, 0) == 0 && !is_zombie(number))
        (void)sched_yield();
}

static void a_machine_that_ends_does_not_wait_for_its_compiler(void **state)
{
    (void)state;
    char text[256];
    (void)snprintf(text, sizeof text, "echo >cc-left.o; echo >%s; sleep 1000", in_folder("begun"));
    const mr_native_options native = {.directory = in_folder("ending"),
                                      .compiler = write_script("endless", text),
                                      .quick = "/nowhere"};
    fixture f = machine(MR_TIER_AUTO, &native);
    mr_code *code = code_number(10);
    while (access(in_folder("begun"), F_OK) != 0)
        run_once(&f, code);
    fixture_free(&f);
    mr_code_put(code);
    assert_told_nothing();
    assert_empty(in_folder("ending"));
}

/* What the C library has, the process has, too; of the compiler's own that is not certain. */
static void compiled_programs_need_nothing_of_the_compilers_library(void **state)
{
    (void)state;
    char text[512];
    (void)snprintf(text, sizeof text, "%s \"$@\" && ! nm -D m.so | grep ' U __'", compiler());
    const mr_native_options native = {.directory = in_folder("library"),
                                      .compiler = write_script("looking-gcc", text)};
    fixture f = machine(MR_TIER_NATIVE, &native);
    mr_code *code = fixture_code(3, MR_PAGE_BYTES,
                                 "(func $wide (param i64 i64) (result i64)\n"
                                 "  (i64.add (i64.popcnt (local.get 0)) (i64.add\n"
                                 "    (i64.div_s (i64.ctz (local.get 0)) (local.get 1))\n"
                                 "    (i64.rem_u (i64.clz (local.get 1)) (local.get 0)))))\n"
                                 "(func $narrow (param i32 i32) (result i32)\n"
                                 "  (i32.mul (i32.popcnt (local.get 0)) (i32.add\n"
                                 "    (i32.ctz (local.get 0)) (i32.clz (local.get 1)))))\n"
                                 "(elem (i32.const 2) $wide $narrow)");
    run_once(&f, code);
    assert_non_null(mr_native_find(code));
    fixture_free(&f);
    mr_code_put(code);
    assert_told_nothing();
}

/* ---- In the background ---- */

static void in_the_background_a_code_is_compiled_once_and_taken_up(void **state)
{
    (void)state;
    char text[512];
    (void)snprintf(text, sizeof text, "echo >>%s; exec %s \"$@\"", in_folder("background-calls"),
                   compiler());
    const mr_native_options native = {.directory = in_folder("background"),
                                      .compiler = write_script("background-gcc", text),
                                      .quick = "/nowhere"};
    fixture f = machine(MR_TIER_AUTO, &native);
    mr_code *code = code_number(11);
    mr_vm_counters counters;
    run_once(&f, code);
    while (mr_native_find(code) == NULL)
        run_once(&f, code);
    run_once(&f, code);
    run_once(&f, code);
    mr_vm_worker_counters(f.worker, &counters);
    assert_int_equal(counters.instances_made, 2); /* one of each kind */
    uint8_t calls[16];
    assert_int_equal(read_bytes(in_folder("background-calls"), calls, sizeof calls), 1);
    fixture_free(&f);
    mr_code_put(code);
    assert_told_nothing();
}

static void a_quick_one_comes_first_and_a_good_one_takes_its_place(void **state)
{
    (void)state;
    /* The good compiler waits until a program has run as the quick one left it. */
    char text[512];
    (void)snprintf(text, sizeof text, "until [ -e %s ]; do sleep 0.01; done; exec %s \"$@\"",
                   in_folder("go"), compiler());
    const mr_native_options native = {.directory = in_folder("quick"),
                                      .compiler = write_script("late-gcc", text),
                                      .quick = "tcc"};
    fixture f = machine(MR_TIER_AUTO, &native);
    mr_code *code = code_number(12);
    while (mr_native_find(code) == NULL)
        run_once(&f, code);
    const mr_artifact *quick = mr_native_find(code);
    run_once(&f, code);
    write_bytes(in_folder("go"), (const uint8_t *)"", 0);
    while (mr_native_find(code) == quick)
        run_once(&f, code);
    run_once(&f, code);
    mr_vm_counters counters;
    mr_vm_worker_counters(f.worker, &counters);
    assert_int_equal(counters.instances_made, 3);
    fixture_free(&f);
    mr_code_put(code);
    assert_told_nothing();
}

static long read_number(const char *name)
{
    char text[32] = {0};
    (void)read_bytes(in_folder(name), (uint8_t *)text, sizeof text - 1);
    return strtol(text, NULL, 10);
}

/* Whoever asks may be tied to one core, and be busy there. The quick one is as important. */
static void compilers_may_use_every_core(void **state)
{
    (void)state;
    char good[512], quick[512], own[256], found[256] = {0};
    (void)snprintf(
        good, sizeof good,
        "nice >%s; grep Cpus_allowed_list /proc/self/status >%s; echo >%s; exec %s \"$@\"",
        in_folder("nice-good"), in_folder("cores-good"), in_folder("cores-told"), compiler());
    (void)snprintf(quick, sizeof quick, "nice >%s; exec tcc \"$@\"", in_folder("nice-quick"));
    const mr_native_options native = {.directory = in_folder("cores"),
                                      .compiler = write_script("core-gcc", good),
                                      .quick = write_script("core-tcc", quick)};
    cpu_set_t all, first;
    CPU_ZERO(&first);
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    for (size_t core = CPU_SETSIZE; core-- > 0;) {
        if (CPU_ISSET(core, &all)) {
            CPU_ZERO(&first);
            CPU_SET(core, &first);
        }
    }
    (void)snprintf(own, sizeof own, "grep Cpus_allowed_list /proc/self/status >%s",
                   in_folder("cores-own"));
    assert_int_equal(system(own), 0);
    fixture f = machine(MR_TIER_AUTO, &native);
    mr_code *code = code_number(13);
    assert_int_equal(sched_setaffinity(0, sizeof first, &first), 0);
    while (access(in_folder("cores-told"), F_OK) != 0)
        run_once(&f, code);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    fixture_free(&f);
    mr_code_put(code);
    memset(own, 0, sizeof own);
    (void)read_bytes(in_folder("cores-own"), (uint8_t *)own, sizeof own);
    (void)read_bytes(in_folder("cores-good"), (uint8_t *)found, sizeof found);
    assert_string_equal(found, own);
    const int nice = getpriority(PRIO_PROCESS, 0);
    assert_int_equal(read_number("nice-good"), nice + 19 < 19 ? nice + 19 : 19);
    assert_int_equal(read_number("nice-quick"), nice);
}

/* ---- Threads ---- */

enum { THREADS = 4, CODES = 6 };

typedef struct shared {
    mr_vm *vm;
    mr_code *codes[CODES];
} shared;

static void *run_all(void *arg)
{
    const shared *with = arg;
    mr_error error = {0};
    fixture f = {.vm = with->vm};
    if (mr_vm_worker_new(f.vm, &f.worker, &error) != MR_OK)
        fail_msg("%s", error.text);
    f.pool = mr_vm_worker_pool(f.worker);
    for (unsigned i = 0; i < 3 * CODES; i++)
        run_once(&f, with->codes[i % CODES]);
    mr_vm_worker_free(f.worker);
    return NULL;
}

static void many_threads_may_want_the_same_codes(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        const mr_native_options native = {.directory = in_folder("threads"),
                                          .compiler = compiler()};
        fixture f = machine(round == 0 ? MR_TIER_NATIVE : MR_TIER_AUTO, &native);
        shared with = {.vm = f.vm};
        pthread_t threads[THREADS];
        for (unsigned i = 0; i < CODES; i++)
            with.codes[i] = code_number(20 + round * CODES + i);
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, run_all, &with), 0);
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        fixture_free(&f);
        for (unsigned i = 0; i < CODES; i++)
            mr_code_put(with.codes[i]);
    }
    assert_told_nothing();
}

static void *recurse(void *arg)
{
    fixture *f = arg;
    mr_code *code = code_number(40);
    mr_memory memory;
    mr_memory_init(&memory, code);
    const step steps[] = {{STEP_RECURSE, 0, 0, 0}, {0}};
    assert_int_equal(fixture_run(f->worker, &memory, steps), MR_VM_STACK_LIMIT);
    mr_memory_fini(&memory, f->pool);
    mr_code_put(code);
    return NULL;
}

/* A thread whose stack is too small for the worst case runs the interpreter, and comes to the same
 * end. */
static void a_small_stack_is_enough(void **state)
{
    (void)state;
    const mr_native_options native = {.directory = in_folder("stack"), .compiler = compiler()};
    static const size_t stacks[] = {256 << 10, 64 << 20};
    for (size_t i = 0; i < 2; i++) {
        fixture f = machine(MR_TIER_NATIVE, &native);
        pthread_attr_t how;
        pthread_t thread;
        assert_int_equal(pthread_attr_init(&how), 0);
        assert_int_equal(pthread_attr_setstacksize(&how, stacks[i]), 0);
        assert_int_equal(pthread_create(&thread, &how, recurse, &f), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        (void)pthread_attr_destroy(&how);
        fixture_free(&f);
    }
    assert_told_nothing();
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/millrace-native-XXXXXX");
    mr_log_set_sink(listen, NULL);
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_compiled_is_found_again),
        cmocka_unit_test(a_module_that_imports_no_function_is_compiled),
        cmocka_unit_test(functions_of_many_parameters_are_compiled),
        cmocka_unit_test(a_damaged_file_is_made_anew),
        cmocka_unit_test(what_is_no_file_is_made_anew),
        cmocka_unit_test(without_a_compiler_programs_are_interpreted),
        cmocka_unit_test(without_a_directory_programs_are_interpreted),
        cmocka_unit_test(abandoned_directories_are_removed),
        cmocka_unit_test(a_compiler_that_does_not_do_it_leaves_programs_interpreted),
        cmocka_unit_test(a_compiler_that_hangs_is_ended),
        cmocka_unit_test(a_machine_that_ends_does_not_wait_for_its_compiler),
        cmocka_unit_test(compiled_programs_need_nothing_of_the_compilers_library),
        cmocka_unit_test(in_the_background_a_code_is_compiled_once_and_taken_up),
        cmocka_unit_test(a_quick_one_comes_first_and_a_good_one_takes_its_place),
        cmocka_unit_test(compilers_may_use_every_core),
        cmocka_unit_test(many_threads_may_want_the_same_codes),
        cmocka_unit_test(a_small_stack_is_enough),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
