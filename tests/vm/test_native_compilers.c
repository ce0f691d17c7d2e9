/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: timeout=120
 * Goal: programs are interpreted when the compiler is missing, fails, hangs, or eats what it is
 * given. Method: shell scripts in the compiler's place. */
#include <signal.h>
#include <stdatomic.h>

#include "tests/vm/native.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_compiler_programs_are_interpreted),
        cmocka_unit_test(a_compiler_that_does_not_do_it_leaves_programs_interpreted),
        cmocka_unit_test(a_compiler_that_hangs_is_ended),
        cmocka_unit_test(a_machine_that_ends_does_not_wait_for_its_compiler),
        cmocka_unit_test(compiled_programs_need_nothing_of_the_compilers_library),
    };
    return cmocka_run_group_tests(tests, native_set_up, native_tear_down);
}
