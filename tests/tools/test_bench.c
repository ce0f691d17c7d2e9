/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=e2e timeout=600
 * Goal: every workload runs, its root does not depend on streams or on where the state is kept, and
 * the database it leaves can be inspected and replayed. Method: runs the binary with few messages
 * and reads its JSON. */
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>

static json_t *bench(const char *arguments)
{
    int exit_code = millrace("bench %s --json --no-pin", arguments);
    if (exit_code != 0)
        fail_msg("bench %s: exit code %d: %s", arguments, exit_code, command_err);
    assert_string_equal(command_err, "");
    return command_object();
}

static void root_of(const char *arguments, char *out, size_t out_bytes)
{
    json_t *object = bench(arguments);
    (void)snprintf(out, out_bytes, "%s", json_string_value(json_object_get(object, "root")));
    json_decref(object);
}

static void every_workload_has_the_same_root_on_any_number_of_streams(void **state)
{
    (void)state;
    static const char *const workloads[] = {
        "counter -p 20 -m 2000 -b 300", "ring -p 40 -m 3000 -b 1000",
        "token -p 2 -m 1000 -b 400",    "fanout -p 130 -m 1300 -b 300",
        "hot -m 2000 -b 700",           "compute -p 3 -m 40 -b 15",
        "cold -p 50 -m 1000 -b 300",    "demo -p 60 -m 2000 -b 700 --warm-up",
        "empty -p 20 -m 2000 -b 300",   "unit -p 20 -m 2000 -b 300",
        "units4 -p 20 -m 2000 -b 300",  "send -p 20 -m 2000 -b 300",
        "reply -p 20 -m 2000 -b 300",   "ask -p 20 -m 2000 -b 300",
        "create -p 5 -m 200 -b 50",     "pingpong -p 21 -m 2000 -b 1000",
        "zipf -p 50 -m 2000 -b 300",    "idle -p 300 -m 2000 -b 300",
    };
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++) {
        char arguments[128], roots[3][80];
        static const char *const ways[] = {"-s 1", "-s 3", "-s 2 --db database"};
        for (size_t way = 0; way < 3; way++) {
            (void)snprintf(arguments, sizeof arguments, "%s %s", workloads[i], ways[way]);
            root_of(arguments, roots[way], sizeof roots[way]);
        }
        assert_string_equal(roots[1], roots[0]);
        assert_string_equal(roots[2], roots[0]);
        assert_int_equal(millrace("replay database --streams 2 --json"), 0);
        json_t *object = command_object();
        assert_true(json_is_true(json_object_get(object, "same")));
        json_decref(object);
        mr_error error = {0};
        assert_int_equal(mr_file_remove_directory("database", &error), MR_OK);
    }
}

/* The sum of 1/k up to 100 is 5.19, so the first of 100 programs gets 19% of the messages. */
static void zipf_favours_the_first_program_as_it_should(void **state)
{
    (void)state;
    json_t *object = bench("zipf -p 100 -m 20000 -b 5000 -s 1");
    const double share = json_real_value(json_object_get(object, "hottest_share"));
    if (share < 0.18 || share > 0.21)
        fail_msg("a share of %.3f", share);
    json_decref(object);
    object = bench("counter -p 100 -m 20000 -b 5000 -s 1");
    assert_true(json_real_value(json_object_get(object, "hottest_share")) < 0.02);
    json_decref(object);
}

static void the_report_has_the_keys_it_promises(void **state)
{
    (void)state;
    json_t *object = bench("ring -p 10 -m 1000 -b 500 -s 2");
    static const char *const keys[] = {"workload",
                                       "tier",
                                       "streams",
                                       "programs",
                                       "messages",
                                       "block",
                                       "hottest_share",
                                       "seconds",
                                       "messages_per_second",
                                       "ns_per_message_per_stream",
                                       "gas_burned",
                                       "root",
                                       "bytes_written",
                                       "rss_bytes",
                                       "phases"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (json_object_get(object, keys[i]) == NULL)
            fail_msg("no key %s in %s", keys[i], command_out);
    json_t *phases = json_object_get(object, "phases");
    static const char *const phase_keys[] = {
        "admit", "partition", "run", "merge", "commit", "root", "wait", "calls", "serial_fraction"};
    for (size_t i = 0; i < sizeof phase_keys / sizeof phase_keys[0]; i++)
        if (json_object_get(phases, phase_keys[i]) == NULL)
            fail_msg("no key phases.%s in %s", phase_keys[i], command_out);
    assert_string_equal(json_string_value(json_object_get(object, "workload")), "ring");
    assert_string_equal(json_string_value(json_object_get(object, "tier")), "interp");
    assert_int_equal(json_integer_value(json_object_get(object, "streams")), 2);
    assert_int_equal(json_integer_value(json_object_get(object, "programs")), 10);
    assert_int_equal(json_integer_value(json_object_get(object, "messages")), 1000);
    assert_int_equal(json_integer_value(json_object_get(object, "blocks")), 2);
    double seconds = json_real_value(json_object_get(object, "seconds"));
    double rate = json_real_value(json_object_get(object, "messages_per_second"));
    double ns = json_real_value(json_object_get(object, "ns_per_message_per_stream"));
    assert_true(seconds > 0 && rate > 0.99 * 1000 / seconds && rate < 1.01 * 1000 / seconds);
    assert_true(ns > 0.99 * 2e9 / rate && ns < 1.01 * 2e9 / rate);
    json_decref(object);
}

static void repetitions_are_objects_of_their_own_with_one_root(void **state)
{
    (void)state;
    assert_int_equal(millrace("bench counter -p 5 -m 100 -r 3 --json --no-pin --db again"), 0);
    const char *at = command_out;
    char first[80] = "";
    for (int turn = 0; turn < 3; turn++) {
        json_error_t error;
        json_t *object = json_loads(at, JSON_DISABLE_EOF_CHECK, &error);
        assert_non_null(object);
        at += error.position;
        const char *root = json_string_value(json_object_get(object, "root"));
        if (turn == 0)
            (void)snprintf(first, sizeof first, "%s", root);
        assert_string_equal(root, first);
        json_decref(object);
    }
    assert_int_equal(access("again-3", F_OK), 0);
    assert_fails(millrace("bench counter -m 10 --db again-3"), 1, "again-3 holds ");
}

static void a_database_can_be_looked_into(void **state)
{
    (void)state;
    root_of("demo -p 60 -m 1000 -b 500 --db looked", (char[80]){0}, 80);
    static const struct {
        const char *what, *shown;
    } subjects[] = {
        {"", "\nprograms  "},
        {"summary", "\nroot      0x"},
        {"programs", "active"},
        {"accounts", "no accounts"},
        {"queue", "no messages"},
        {"blocks", "       1  0x"},
        {"block 1", "block 1 (time 1000 ms): "},
        {"block 2 --lines 1", "more receipts"},
        {"codes", " bytes\n"},
        {"programs --lines 1", "more\n"},
    };
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        assert_int_equal(millrace("inspect looked %s", subjects[i].what), 0);
        assert_contains(command_out, subjects[i].shown);
    }
    static const char *const lists[] = {"programs", "accounts", "blocks", "codes"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        assert_int_equal(millrace("inspect looked %s --json", lists[i]), 0);
        json_t *object = command_object();
        assert_true(json_is_array(json_object_get(object, lists[i])));
        json_decref(object);
    }
    assert_int_equal(millrace("inspect looked programs --json"), 0);
    json_t *object = command_object();
    const char *id = json_string_value(
        json_object_get(json_array_get(json_object_get(object, "programs"), 0), "id"));
    assert_int_equal(millrace("inspect looked program %s", id), 0);
    assert_contains(command_out, id);
    json_decref(object);
    assert_fails(millrace("inspect looked program cap"), 1, "'cap' is no id: 64 hex digits");
    assert_fails(millrace("inspect looked program %064d", 0), 1, "looked: there is no program 0x0");
    assert_fails(millrace("inspect looked block x"), 1, "'x' is no height of a block");
    assert_int_equal(millrace("inspect looked block 999999"), 1);
    assert_fails(millrace("replay looked --from 999999"), 1, "looked has blocks 1 to ");
}

static void one_of_a_thing_is_told_in_the_singular(void **state)
{
    (void)state;
    assert_int_equal(millrace("bench counter -p 1 -m 1 --no-pin --db single"), 0);
    assert_contains(command_out, " 1 handled by 1 program in 1 block\n");
    assert_int_equal(millrace("inspect single programs"), 0);
    assert_contains(command_out, " 2 pages, 1 unit, value 0\n");
    assert_int_equal(millrace("inspect single blocks"), 0);
    assert_contains(command_out, " 1 transaction, 0 receipts, gas 0\n");
    assert_contains(command_out, " 1 transaction, 1 receipt, gas ");
}

static void a_signal_ends_it_after_a_block_with_a_report(void **state)
{
    (void)state;
    char command[8192];
    /* The signal comes when the database is there, and long before all messages are done. */
    (void)snprintf(command, sizeof command,
                   "%s bench counter -p 10 -m 30000000 -b 100 --json --no-pin --db signalled "
                   ">out.txt 2>err.txt & p=$!; until [ -e signalled/CURRENT ]; do :; done; "
                   "kill -INT $p; wait $p",
                   getenv("MR_MILLRACE"));
    /* A shell without job control starts background commands with SIGINT ignored; the handler is
     * set all the same. */
    int status = system(command);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    read_text("err.txt", command_err, sizeof command_err);
    read_text("out.txt", command_out, sizeof command_out);
    if (strstr(command_err, "stopped by a signal") == NULL)
        fail_msg("%s%s", command_err, command_out);
    json_t *object = command_object();
    assert_true(json_is_true(json_object_get(object, "stopped")));
    json_decref(object);
    assert_int_equal(millrace("inspect signalled"), 0);
}

/* Runs a bench that would take minutes with standard error on `terminal`, until the bar is drawn.
 */
static void a_terminal_gets_a_progress_bar(void **state)
{
    (void)state;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0)
        skip(); /* nothing like a terminal here */
    assert_int_equal(grantpt(terminal), 0);
    assert_int_equal(unlockpt(terminal), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int other_end = open(ptsname(terminal), O_RDWR | O_NOCTTY);
        int out = open("bar.txt", O_WRONLY | O_CREAT | O_TRUNC, 0666);
        if (other_end >= 0 && out >= 0 && dup2(other_end, 2) >= 0 && dup2(out, 1) >= 0)
            execl(getenv("MR_MILLRACE"), "millrace", "bench", "counter", "-m", "100000000", "-b",
                  "1000", "--no-pin", (char *)NULL);
        _exit(127);
    }
    char text[4096] = "";
    size_t used = 0;
    while (used < sizeof text - 1 && strstr(text, " messages  ") == NULL) {
        ssize_t got = read(terminal, text + used, sizeof text - 1 - used);
        if (got <= 0)
            break;
        used += (size_t)got;
        text[used] = '\0';
    }
    assert_int_equal(kill(child, SIGINT), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(terminal);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_contains(text, "\rcounter [");
    assert_contains(text, "%  ");
    read_text("bar.txt", command_out, sizeof command_out);
    assert_contains(command_out, "; stopped before the end");
}

/* Starts a demonstration whose temporary directory is to be in "temporary". */
static pid_t start_demo(const char *messages, int out)
{
    assert_int_equal(mkdir("temporary", 0777), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    int err = open("err.txt", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    /* Whoever runs the tests may ignore the signals. */
    if (signal(SIGHUP, SIG_DFL) != SIG_ERR && signal(SIGPIPE, SIG_DFL) != SIG_ERR &&
        setenv("TMPDIR", "temporary", 1) == 0 && dup2(out, 1) >= 0 && dup2(err, 2) >= 0)
        execl(getenv("MR_MILLRACE"), "millrace", "demo", "-p", "20", "-m", messages, "--no-pin",
              (char *)NULL);
    _exit(127);
}

/* It failed with this sentence, and what it made has gone. */
static void assert_cleaned_up(pid_t child, const char *sentence)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    read_text("err.txt", command_err, sizeof command_err);
    if (!WIFEXITED(status))
        fail_msg("ended by a signal, status %d", status);
    assert_fails(WEXITSTATUS(status), 1, sentence);
    assert_int_equal(rmdir("temporary"), 0);
}

static bool has_ended(pid_t child)
{
    siginfo_t info = {0};
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    return info.si_pid == child;
}

static bool has_begun(void)
{
    bool begun = false;
    DIR *folder = opendir("temporary");
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof path, "temporary/%.255s/first/CURRENT", entry->d_name);
        begun |= access(path, F_OK) == 0;
    }
    (void)closedir(folder);
    return begun;
}

static void a_terminal_that_goes_leaves_no_temporary_directory(void **state)
{
    (void)state;
    int out = open("out.txt", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_true(out >= 0);
    pid_t child = start_demo("100000000", out);
    while (!has_begun() && !has_ended(child))
        ;
    assert_int_equal(kill(child, SIGHUP), 0);
    /* Once more while it cleans up: shells and the system both send it. */
    struct stat info = {0};
    while (info.st_size == 0 && !has_ended(child))
        assert_int_equal(fstat(out, &info), 0);
    assert_int_equal(kill(child, SIGHUP), 0);
    (void)close(out);
    assert_cleaned_up(child, "millrace: stopped by a signal\n");
}

static void a_reader_that_goes_leaves_no_temporary_directory(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    (void)close(ends[0]);
    pid_t child = start_demo("1000", ends[1]);
    (void)close(ends[1]);
    assert_cleaned_up(child, "millrace: cannot write to standard output: Broken pipe\n");
}

static void the_demonstration_shows_one_root(void **state)
{
    (void)state;
    assert_int_equal(millrace("demo -p 60 -m 3000 --no-pin"), 0);
    assert_contains(command_out, "\nThe root is the same on ");
    assert_int_equal(millrace("demo -p 60 -m 3000 --no-pin --json -s 3"), 0);
    json_t *object = command_object();
    assert_true(json_is_true(json_object_get(object, "same_root")));
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_workload_has_the_same_root_on_any_number_of_streams),
        cmocka_unit_test(zipf_favours_the_first_program_as_it_should),
        cmocka_unit_test(the_report_has_the_keys_it_promises),
        cmocka_unit_test(repetitions_are_objects_of_their_own_with_one_root),
        cmocka_unit_test(a_database_can_be_looked_into),
        cmocka_unit_test(one_of_a_thing_is_told_in_the_singular),
        cmocka_unit_test(a_signal_ends_it_after_a_block_with_a_report),
        cmocka_unit_test(a_terminal_gets_a_progress_bar),
        cmocka_unit_test(a_terminal_that_goes_leaves_no_temporary_directory),
        cmocka_unit_test(a_reader_that_goes_leaves_no_temporary_directory),
        cmocka_unit_test(the_demonstration_shows_one_root),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
