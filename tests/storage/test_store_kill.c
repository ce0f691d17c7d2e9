/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=crash timeout=300 */
/* Goal: killed at any instant, a store is found after a whole number of the changes that were
 * submitted, and not before the last one that was durable.
 * Method: a child process submits the history of changes.h to a database, some changes with much
 * more data, and reports in shared memory what it has done; the parent kills it after a random
 * time. The next child looks at what it finds and goes on from there.
 *
 * MR_SEED=n replays the times, MR_KILLS=n asks for more. */
#include "changes.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { KILLS = 40, VALUE_BYTES = 700, LARGE_BYTES = 60000, KILL_US_MAX = 80000 };

/* Written by the child, read by the parent and the next child. */
typedef struct progress {
    _Atomic uint64_t submitted; /* the last change for which submit was called */
    _Atomic uint64_t durable;   /* the last one that wait confirmed */
    _Atomic uint64_t found;     /* where the last child took up */
    _Atomic bool opened;        /* by this child */
} progress;

static void require(bool fact, const char *what)
{
    if (fact)
        return;
    fprintf(stderr, "child: %s\n", what);
    _exit(1);
}

_Noreturn static void child(const char *path, progress *shared)
{
    mr_store_options options = {
        .path = path, .tables = test_tables(), .tables_count = TEST_TABLES, .create = true};
    mr_store *store;
    mr_error error = {0};
    require(mr_store_open(&options, &store, &error) == MR_OK, error.text);
    uint64_t n;
    require(find_change(store, atomic_load(&shared->submitted), &n) == MR_OK, "it is not whole");
    require(n >= atomic_load(&shared->durable), "what was durable is gone");
    atomic_store(&shared->found, n);
    atomic_store(&shared->opened, true);
    mr_batch *batches[2] = {mr_batch_new(store), mr_batch_new(store)};
    for (;;) {
        n++;
        require(fill(batches, n, n % 16 == 0 ? LARGE_BYTES : VALUE_BYTES) == MR_OK, "fill");
        atomic_store(&shared->submitted, n);
        require(mr_store_submit(store, batches, 2, &error) == MR_OK, error.text);
        if (n % 5 == 0) {
            require(mr_store_wait(store, &error) == MR_OK, error.text);
            atomic_store(&shared->durable, n);
        }
    }
}

/* Every fourth is killed while it opens the database, the others when they have. */
static void run_and_kill(const char *path, progress *shared, uint64_t *random)
{
    bool early = test_below(random, 4) == 0;
    atomic_store(&shared->opened, false);
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(path, shared);
    siginfo_t ended = {0};
    while (!early && !atomic_load(&shared->opened) && ended.si_pid == 0) {
        assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
        (void)sched_yield();
    }
    uint64_t end = mr_clock_ns() + 1000u * (uint64_t)test_below(random, KILL_US_MAX);
    while (mr_clock_ns() < end)
        (void)sched_yield();
    (void)kill(pid, SIGKILL);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void a_killed_store_is_found_after_a_whole_number_of_changes(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    const char *wish = getenv("MR_KILLS");
    uint64_t kills = wish != NULL ? strtoull(wish, NULL, 0) : KILLS;
    char *directory = test_directory();
    char path[300];
    (void)snprintf(path, sizeof path, "%s/db", directory);
    progress *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    printf("killed at");
    for (uint64_t i = 0; i < kills; i++) {
        run_and_kill(path, shared, &random);
        printf(" %llu", (unsigned long long)atomic_load(&shared->submitted));
    }
    printf("\n");
    mr_store *store = test_store_open(path);
    uint64_t found;
    assert_int_equal(find_change(store, atomic_load(&shared->submitted), &found), MR_OK);
    assert_true(found >= atomic_load(&shared->durable) && found > kills);
    mr_store_close(store);
    (void)munmap(shared, sizeof *shared);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_store_is_found_after_a_whole_number_of_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
