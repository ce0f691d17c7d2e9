/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=e2e timeout=300
 * Goal: every command explains itself, ends with 0, 1 or 2 as it should, and says in one sentence
 * what went wrong. Method: runs the binary. */
#include "support.h"

#include <sys/mount.h>

#include "tools/millrace/names.h"

static void every_command_has_help(void **state)
{
    (void)state;
    static const char *const commands[] = {"",      "run",    "demo",  "bench", "inspect",
                                           "query", "replay", "check", "pack",  "schedule"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        assert_int_equal(millrace("%s --help", commands[i]), 0);
        assert_contains(command_out, "Usage: millrace");
        assert_string_equal(command_err, "");
        if (commands[i][0] != '\0')
            assert_contains(command_out, commands[i]);
    }
    assert_int_equal(millrace("bench --help"), 0);
    assert_contains(command_out, "\n  fanout     1040  one message becomes 64, to 64 counters\n");
    char with_option[sizeof command_out];
    assert_int_equal(millrace("run --help"), 0);
    memcpy(with_option, command_out, sizeof with_option);
    assert_int_equal(millrace("help run"), 0);
    assert_string_equal(command_out, with_option);
    assert_int_equal(millrace("--version"), 0);
    assert_contains(command_out, "millrace 0.");
}

static void a_wrong_command_line_is_a_usage_error(void **state)
{
    (void)state;
    static const struct {
        const char *arguments, *sentence;
    } wrong[] = {
        {"", "Usage: millrace COMMAND"},
        {"fly", "there is no command 'fly'; `millrace --help' lists them"},
        {"run", "millrace run: which scenario?"},
        {"run a.yaml b.yaml", "Too many arguments"},
        {"run a.yaml --streams many", "--streams takes a number from 0 to 1024, not 'many'"},
        {"run a.yaml --streams -1", "--streams takes a number from 0 to 1024, not '-1'"},
        {"demo --streams 1025", "--streams takes a number from 0 to 1024, not '1025'"},
        {"bench counter --streams 2000", "--streams takes a number from 0 to 1024, not '2000'"},
        {"run a.yaml --tier steam", "there is no tier 'steam'; there are interp, native and auto"},
        {"run a.yaml --wings", "unrecognized option '--wings'"},
        {"bench", "which workload? --help lists them"},
        {"bench juggle", "there is no workload 'juggle'; --help lists them"},
        {"bench counter ring", "one workload at a time"},
        {"bench counter --messages 0", "--messages takes a number from 1"},
        {"run a.yaml --db ''", "--db needs a directory"},
        {"bench counter --db ''", "--db needs a directory"},
        {"inspect ''", "which database?"},
        {"replay ''", "which database?"},
        {"bench counter --db x --memory", "--db and --memory exclude each other"},
        {"inspect", "which database?"},
        {"run a.yaml --lines x", "--lines takes a number from 0 to 2^64 - 1, not 'x'"},
        {"run a.yaml --trace 2", "A number for --trace stands behind an equals sign: --trace=2"},
        {"help fly", "there is no command 'fly'; `millrace --help' lists them"},
        {"inspect x dreams", "there is nothing called 'dreams' to look at"},
        {"inspect x program", "which program?"},
        {"inspect x block", "which block?"},
        {"inspect x summary y", "Too many arguments"},
        {"replay", "which database?"},
        {"replay x --from 3 --to 2", "--from lies behind --to"},
        {"check", "which file?"},
        {"pack a.wasm", "which file to write?"},
        {"demo --programs 3", "--programs takes a number from 20"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_fails(millrace("%s", wrong[i].arguments), 2, wrong[i].sentence);
        assert_string_equal(command_out, "");
    }
}

static void a_missing_or_foreign_file_is_named(void **state)
{
    (void)state;
    write_text("text.wasm", "this is no module");
    write_text("bad.wat", "(module\n  (func (unreachabel)))\n");
    (void)mkdir("empty", 0777);
    static const struct {
        const char *arguments, *sentence;
    } wrong[] = {
        {"run nowhere.yaml", "millrace: cannot open nowhere.yaml: no such file or directory"},
        {"run counter.wasm", "millrace: counter.wasm is a WebAssembly module, and no scenario"},
        {"check nowhere.wasm", "millrace: cannot open nowhere.wasm: no such file or directory"},
        {"check text.wasm", "millrace: text.wasm: "},
        {"check bad.wat", "bad.wat:2:"},
        {"pack text.wasm out.wasm", "millrace: text.wasm: "},
        {"pack counter.wasm nowhere/out.wasm",
         "millrace: cannot write nowhere/out.wasm: no such file or directory"},
        {"inspect nowhere", "millrace: nowhere: no database there\n"},
        {"inspect empty", "empty"},
        {"replay nowhere", "nowhere"},
        {"bench counter -m 10 --db counter.wasm", "millrace: counter.wasm is not a directory\n"},
        {"bench counter -m 10 --db counter.wasm/db",
         "millrace: counter.wasm/db: Not a directory\n"},
        {"bench counter -m 10 --db /proc/database", "/proc/database"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_fails(millrace("%s", wrong[i].arguments), 1, wrong[i].sentence);
        assert_string_equal(command_out, "");
    }
    assert_int_equal(access("nowhere", F_OK), -1);
}

static json_t *json_of(const char *arguments, int expected)
{
    assert_int_equal(millrace("%s", arguments), expected);
    return command_object();
}

static void a_module_can_be_checked_and_packed(void **state)
{
    (void)state;
    assert_int_equal(millrace("check counter.wasm"), 0);
    assert_contains(command_out, "counter.wasm: accepted, ");
    write_text("good.wat",
               "(module (import \"env\" \"memory\" (memory 1)) (func (export \"handle\")))");
    assert_int_equal(millrace("check good.wat"), 0);
    assert_int_equal(millrace("pack good.wat good.wasm"), 0);
    assert_int_equal(millrace("check good.wasm"), 0);
    json_t *object = json_of("check good.wasm --json", 0);
    assert_string_equal(text_of(object, "file"), "good.wasm");
    assert_true(json_is_true(json_object_get(object, "accepted")));
    mr_buffer module = {0};
    mr_error error = {0};
    assert_int_equal(mr_file_read("good.wasm", MR_FILE_BYTES_MAX, &module, &error), MR_OK);
    const mr_id code = mr_id_of_code(mr_buffer_span(&module));
    assert_string_equal(text_of(object, "code"), mr_id_print(&code).text);
    assert_int_equal(json_integer_value(json_object_get(object, "bytes")), module.size);
    json_decref(object);
    object = json_of("pack good.wat again.wasm --json", 0);
    assert_string_equal(text_of(object, "from"), "good.wat");
    assert_string_equal(text_of(object, "file"), "again.wasm");
    assert_string_equal(text_of(object, "code"), mr_id_print(&code).text);
    assert_int_equal(json_integer_value(json_object_get(object, "bytes")), module.size);
    json_decref(object);
    mr_buffer_fini(&module);
    write_text("float.wat",
               "(module (import \"env\" \"memory\" (memory 1)) (func (export \"handle\")"
               " f32.const 1 drop))");
    assert_fails(millrace("check float.wat"), 1, "float.wat: ");
    object = json_of("check float.wat --json", 1);
    assert_contains(command_err, "millrace: float.wat: ");
    assert_true(json_is_false(json_object_get(object, "accepted")));
    assert_contains(command_err, text_of(object, "reason"));
    json_decref(object);
}

static void the_gas_schedule_is_printed(void **state)
{
    (void)state;
    assert_int_equal(millrace("schedule"), 0);
    assert_contains(command_out, "instruction ");
    assert_int_equal(millrace("schedule --json"), 0);
    json_t *object = json_loads(command_out, 0, NULL);
    assert_non_null(object);
    assert_int_equal(json_integer_value(json_object_get(object, "page_alloc")),
                     mr_schedule_default().page_alloc);
    json_decref(object);
}

static void output_that_cannot_be_written_is_a_failure(void **state)
{
    (void)state;
    char command[8192];
    (void)snprintf(command, sizeof command, "%s schedule >/dev/full 2>err.txt",
                   getenv("MR_MILLRACE"));
    int status = system(command);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    read_text("err.txt", command_err, sizeof command_err);
    assert_string_equal(command_err,
                        "millrace: cannot write to standard output: No space left on device\n");
}

/* On a file system of 8 MiB, where one can be mounted; a container may not allow it. */
static void a_full_disk_is_reported_and_what_was_committed_is_kept(void **state)
{
    (void)state;
    (void)mkdir("small", 0777);
    if (mount("tmpfs", "small", "tmpfs", 0, "size=8m") != 0)
        skip();
    int exit_code = millrace("bench cold -p 200 -m 2000000 -b 2000 --db small/db");
    char bench_err[512];
    (void)snprintf(bench_err, sizeof bench_err, "%.500s", command_err);
    int inspected = millrace("inspect small/db --json");
    (void)umount("small");
    assert_int_equal(exit_code, 1);
    assert_contains(bench_err, "space");
    if (inspected != 0) /* an engine that needs room to open says so */
        assert_contains(command_err, "space");
}

/* A run whose database is on that file system, too; its report says what was committed. */
static void a_full_disk_ends_a_run_with_a_sentence(void **state)
{
    (void)state;
    write_text(
        "long.yaml",
        "programs: [{name: c, path: cold.wasm, from: a, init: {u32: 200}, gas: 9000000000}]\n"
        "blocks:\n"
        "  - repeat: 100000\n"
        "    messages:\n"
        "      - {from: a, to: c, payload: {u32: 1}, gas: 1000000000}\n");
    (void)mkdir("small", 0777);
    if (mount("tmpfs", "small", "tmpfs", 0, "size=4m") != 0)
        skip();
    const int exit_code = millrace("run long.yaml --db small/db");
    char run_err[512];
    (void)snprintf(run_err, sizeof run_err, "%.500s", command_err);
    (void)umount("small");
    if (exit_code != 1)
        fail_msg("exit code %d: %s", exit_code, run_err);
    assert_contains(run_err, "space");
}

/* Where nothing can be mounted: a limit on the size of files, which comes with a signal. */
static void a_file_that_may_not_grow_is_reported_and_what_was_committed_is_kept(void **state)
{
    (void)state;
    char command[8192];
    (void)snprintf(command, sizeof command,
                   "ulimit -f 3000; exec %s bench cold -p 200 -m 2000000 -b 2000 --no-pin "
                   "--db limited >out.txt 2>err.txt",
                   getenv("MR_MILLRACE"));
    const int status = system(command);
    read_text("err.txt", command_err, sizeof command_err);
    if (!WIFEXITED(status))
        fail_msg("ended by a signal, status %d", status);
    assert_fails(WEXITSTATUS(status), 1, "limited");
    assert_contains(command_err, "File too large");
    assert_int_equal(millrace("inspect limited"), 0);
    assert_int_equal(millrace("replay limited"), 0);
}

/* A test that failed half way may have left the small disk mounted. */
static int leave(void **state)
{
    (void)umount2("small", MNT_DETACH);
    return leave_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_has_help),
        cmocka_unit_test(a_wrong_command_line_is_a_usage_error),
        cmocka_unit_test(a_missing_or_foreign_file_is_named),
        cmocka_unit_test(a_module_can_be_checked_and_packed),
        cmocka_unit_test(the_gas_schedule_is_printed),
        cmocka_unit_test(output_that_cannot_be_written_is_a_failure),
        cmocka_unit_test(a_full_disk_is_reported_and_what_was_committed_is_kept),
        cmocka_unit_test(a_full_disk_ends_a_run_with_a_sentence),
        cmocka_unit_test(a_file_that_may_not_grow_is_reported_and_what_was_committed_is_kept),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave);
}
