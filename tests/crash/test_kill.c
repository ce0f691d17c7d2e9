/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=crash timeout=600
 * Goal: killed at any instant, the engine reopens at the last durable block, with its root, queue,
 * receipts and everything, and goes on to the same end.
 * Method: a history (tests/model) whose every root the reference has told before. A child process
 * runs it into a RocksDB directory with pipelined commits; the parent kills it with SIGKILL, the
 * next child looks at what it finds and goes on from there, until one reaches the end. When to kill
 * is counted in steps that the child reports in shared memory, and then a little later. What is
 * under way in the states it is found in after kills is counted: messages that wait, letters,
 * delayed messages and wakes, reservations must all have been there.
 *
 * MR_SEED=n replays the histories and steps, MR_KILLS=n asks for more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/model/play.h"
#include "tests/model/random.h"

/* MORE: times as many kills at most, when not everything has been under way. */
enum { KILLS = 30, KILLS_A_HISTORY = 10, MORE = 5, BLOCKS = 25, STEPS_A_BLOCK = 4 };

/* Written by the child, read by the parent and the next child. */
typedef struct progress {
    _Atomic uint64_t found_with[MR_TASK_RESERVATION + 1]; /* times tasks of a kind were found */
    _Atomic uint64_t steps;                               /* of this child */
    _Atomic uint64_t durable_height; /* of all children: confirmed by the engine */
    _Atomic uint64_t found_height;   /* where the last child took up */
} progress;

typedef struct workload {
    const mr_history *history;
    const char *path;
    progress *shared;
    uint32_t streams;
} workload;

static void step(const workload *w)
{
    atomic_fetch_add_explicit(&w->shared->steps, 1, memory_order_release);
}

/* ---- The child ---- */

_Noreturn static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    _exit(1);
}

static void require(bool fact, const char *what, const char *why)
{
    if (!fact)
        give_up(what, why);
}

static mr_engine *open_engine(const workload *w)
{
    const mr_reference_options *with = &w->history->options;
    const mr_engine_options options = {
        .path = w->path,
        .create = true,
        .streams = w->streams,
        .no_pin = true,
        .keep_debug = true,
        .check = true,
        .schedule = &with->schedule,
        .accounts = with->accounts,
        .genesis = with->genesis,
        .genesis_count = with->genesis_count,
    };
    mr_engine *engine;
    mr_error error = {0};
    if (mr_engine_open(&options, &engine, &error) != MR_OK)
        give_up("open", error.text);
    return engine;
}

/* What was found must be the state after some block, and everything of that block and before. */
static uint64_t look(const workload *w, mr_engine *engine)
{
    mr_engine_info info;
    mr_engine_info_get(engine, &info);
    require(info.height <= w->history->blocks_count, "look", "a height beyond the history");
    require(info.height >= atomic_load(&w->shared->durable_height), "look",
            "a block that was durable is gone");
    mr_difference difference;
    for (uint64_t b = 0; b < info.height; b++)
        require(mr_compare_stored(&w->history->blocks[b], engine, &difference), "stored block",
                difference.text);
    if (info.height > 0) {
        const mr_reference_block *last = w->history->blocks[info.height - 1].expected;
        require(memcmp(&last->info.root, &info.root, sizeof info.root) == 0, "look",
                "the root is not that of the block");
        require(mr_compare_queue(last, engine, &difference), "queue", difference.text);
    }
    return info.height;
}

static bool note_task(void *arg, const mr_task_info *task)
{
    bool *there = arg;
    there[task->task] = true;
    return true;
}

/* What is under way: everything that is has a task. */
static void count_tasks(const workload *w, mr_engine *engine)
{
    bool there[MR_TASK_RESERVATION + 1] = {0};
    require(mr_engine_tasks(engine, 0, note_task, there) == MR_OK, "look", "no tasks");
    for (size_t i = 0; i <= MR_TASK_RESERVATION; i++)
        atomic_fetch_add(&w->shared->found_with[i], there[i]);
}

static void run_block(const workload *w, mr_engine *engine, uint64_t b)
{
    const mr_history_block *block = &w->history->blocks[b];
    mr_block *made;
    mr_error error = {0};
    mr_difference difference;
    step(w);
    if (mr_block_execute(engine, &block->params, block->transactions, block->transactions_count,
                         &made, &error) != MR_OK)
        give_up("execute", error.text);
    step(w);
    require(mr_compare_block(block->expected, made, &difference), "block", difference.text);
    /* Most are pipelined; a few are waited for, and must then be there for good. */
    const bool wait = b % 7 == 6;
    if (mr_block_commit(made, wait ? MR_COMMIT_WAIT : MR_COMMIT_PIPELINED, &error) != MR_OK)
        give_up("commit", error.text);
    step(w);
    if (wait)
        atomic_store(&w->shared->durable_height, b + 1);
    mr_block_free(made);
    step(w);
}

_Noreturn static void child(const workload *w)
{
    mr_engine *engine = open_engine(w);
    const uint64_t height = look(w, engine);
    atomic_store(&w->shared->found_height, height);
    if (height < w->history->blocks_count)
        count_tasks(w, engine);
    for (uint64_t b = height; b < w->history->blocks_count; b++)
        run_block(w, engine, b);
    mr_error error = {0};
    if (mr_engine_sync(engine, &error) != MR_OK)
        give_up("sync", error.text);
    step(w);
    mr_difference difference;
    require(mr_compare_state(w->history->reference, engine, &difference), "the end",
            difference.text);
    if (mr_engine_close(engine, &error) != MR_OK)
        give_up("close", error.text);
    _exit(0);
}

/* ---- The parent ---- */

/* Waits until the child has made `steps` steps, or has ended. */
static void wait_for(const progress *shared, uint64_t steps, pid_t pid)
{
    for (;;) {
        if (atomic_load_explicit(&shared->steps, memory_order_acquire) >= steps)
            return;
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid)
            return;
        (void)sched_yield();
    }
}

static void spin(uint64_t ns)
{
    const uint64_t end = mr_clock_ns() + ns;
    while (mr_clock_ns() < end)
        continue;
}

/* Starts a child and kills it somewhere. True when the child was faster and reached the end. */
static bool run_and_kill(const workload *w, mr_random *random, bool kill_it)
{
    const uint64_t left =
        (w->history->blocks_count - atomic_load(&w->shared->found_height)) * STEPS_A_BLOCK;
    /* Often early, in opening and creating, too. */
    const uint64_t steps = mr_random_chance(random, 15) ? 0 : mr_random_below(random, left / 2 + 2);
    atomic_store(&w->shared->steps, 0);
    (void)fflush(NULL);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(w);
    if (kill_it) {
        wait_for(w->shared, steps, pid);
        spin(steps == 0 ? mr_random_below(random, 60000000) : mr_random_below(random, 4000000));
        (void)kill(pid, SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return false;
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    return true;
}

static unsigned run_history(uint64_t seed, uint64_t index, progress *shared, unsigned kills_max)
{
    const mr_history_wishes wishes = {.blocks_count = BLOCKS};
    mr_random random = {.state = mr_random_part(seed, index)};
    mr_history *history = mr_history_new(mr_random_next(&random), &wishes);
    char directory[256], path[300];
    mr_play_directory(directory, sizeof directory);
    (void)snprintf(path, sizeof path, "%s/db", directory);
    atomic_store(&shared->durable_height, 0);
    atomic_store(&shared->found_height, 0);
    unsigned kills = 0;
    printf("history %llu of %zu blocks, found at", (unsigned long long)index,
           history->blocks_count);
    for (;;) {
        const workload w = {history, path, shared, (uint32_t)mr_random_range(&random, 1, 4)};
        const bool ended = run_and_kill(&w, &random, kills < kills_max);
        printf(" %llu", (unsigned long long)atomic_load(&shared->found_height));
        if (ended)
            break;
        kills++;
    }
    printf("; killed %u times\n", kills);
    mr_play_remove(directory);
    mr_history_free(history);
    return kills;
}

static bool all_found(const progress *shared)
{
    for (size_t i = 0; i <= MR_TASK_RESERVATION; i++)
        if (atomic_load(&shared->found_with[i]) == 0)
            return false;
    return true;
}

static void killed_at_any_instant_it_goes_on_from_a_whole_block(void **state)
{
    (void)state;
    const uint64_t seed = mr_play_seed();
    const uint64_t wanted = mr_play_number("MR_KILLS", KILLS);
    printf("MR_SEED=%llu\n", (unsigned long long)seed);
    progress *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    uint64_t kills = 0;
    for (uint64_t index = 0; kills < wanted || (!all_found(shared) && kills < MORE * wanted);
         index++)
        kills += run_history(seed, index, shared, KILLS_A_HISTORY);
    for (size_t i = 0; i <= MR_TASK_RESERVATION; i++)
        printf("found with %s: %llu times\n", mr_task_kind_name((mr_task_kind)i),
               (unsigned long long)atomic_load(&shared->found_with[i]));
    assert_true(all_found(shared) || wanted < KILLS);
    (void)munmap(shared, sizeof *shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_any_instant_it_goes_on_from_a_whole_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
