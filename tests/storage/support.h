/* SPDX-License-Identifier: Apache-2.0 */
/* What the storage tests share: seeds, random numbers, directories that go away. */
#ifndef MR_TESTS_STORAGE_SUPPORT_H
#define MR_TESTS_STORAGE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parallel.h"
#include "storage/store.h"

#ifdef __SANITIZE_THREAD__
/* RocksDB is not instrumented, so that the thread sanitizer does not see its synchronisation. */
const char *__tsan_default_suppressions(void);
__attribute__((visibility("default"), used)) const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:librocksdb.so\nrace:librocksdb.so\n";
}
#endif

/* The seed of a random test, printed so that a failure can be repeated with MR_SEED. */
static inline uint64_t test_seed(void)
{
    const char *given = getenv("MR_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : mr_clock_ns();
    print_message("MR_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* splitmix64 */
static inline uint64_t test_random(uint64_t *state)
{
    uint64_t bits = *state += 0x9e3779b97f4a7c15u;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

static inline uint32_t test_below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)(test_random(state) % bound);
}

static inline char *test_directory(void)
{
    const char *parent = getenv("TMPDIR");
    char *path = NULL;
    assert_true(asprintf(&path, "%s/millrace-test-XXXXXX", parent != NULL ? parent : "/tmp") > 0);
    assert_non_null(mkdtemp(path));
    return path;
}

static inline int test_remove_entry(const char *path, const struct stat *info, int kind,
                                    struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline void test_directory_remove(char *path)
{
    (void)nftw(path, test_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

static inline const char *const *test_tables(void)
{
    static const char *const names[] = {"first", "second", "third"};
    return names;
}

enum { TEST_TABLES = 3 };

/* Opens or makes a store at `path`, in memory when that is NULL. */
static inline mr_store *test_store_open(const char *path)
{
    mr_store_options options = {
        .path = path, .tables = test_tables(), .tables_count = TEST_TABLES, .create = true};
    mr_error error = {0};
    mr_store *store = NULL;
    mr_status status = mr_store_open(&options, &store, &error);
    if (status != MR_OK)
        fail_msg("%s: %s", mr_status_name(status), error.text);
    return store;
}

static inline void test_submit(mr_store *store, mr_batch *batch)
{
    mr_error error = {0};
    mr_status status = mr_store_submit(store, &batch, 1, &error);
    if (status != MR_OK)
        fail_msg("%s: %s", mr_status_name(status), error.text);
}

/* An executor with real threads, so that what runs in parallel is seen by the sanitizers. */
typedef struct test_threads {
    mr_parallel parallel;
    mr_parallel_fn *fn;
    void *arg;
    size_t tasks_count;
    atomic_size_t next_task;
    atomic_uint next_worker;
} test_threads;

static inline void *test_threads_main(void *arg)
{
    test_threads *threads = arg;
    uint32_t worker = atomic_fetch_add(&threads->next_worker, 1);
    for (size_t task; (task = atomic_fetch_add(&threads->next_task, 1)) < threads->tasks_count;)
        threads->fn(threads->arg, task, worker);
    return NULL;
}

static inline void test_threads_run(void *self, size_t tasks_count, mr_parallel_fn *fn, void *arg)
{
    test_threads *threads = self;
    threads->fn = fn;
    threads->arg = arg;
    threads->tasks_count = tasks_count;
    atomic_store(&threads->next_task, 0);
    atomic_store(&threads->next_worker, 0);
    pthread_t handles[16];
    uint32_t count = threads->parallel.workers_count;
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(pthread_create(&handles[i], NULL, test_threads_main, threads), 0);
    for (uint32_t i = 0; i < count; i++)
        pthread_join(handles[i], NULL);
}

static inline void test_threads_init(test_threads *threads, uint32_t workers_count)
{
    memset(threads, 0, sizeof *threads);
    assert_true(workers_count <= 16);
    threads->parallel =
        (mr_parallel){.run = test_threads_run, .self = threads, .workers_count = workers_count};
}

#endif
