/* SPDX-License-Identifier: Apache-2.0 */
/* race: readers of a store on threads of their own, beside a writer; the frame of such tests. */
#ifndef MR_TESTS_STORAGE_RACE_H
#define MR_TESTS_STORAGE_RACE_H

#include "held_backend.h"

enum { RACE_READERS_MAX = 4 };

typedef struct race {
    mr_store *store;
    _Atomic uint64_t rounds; /* of readers */
    atomic_bool stop;
    pthread_mutex_t lock;
    char failure[256]; /* the first one, under `lock` */
} race;

/* Asserting is for the main thread: here the first thing that is wrong is kept, and ends the race.
 */
static inline void report(race *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void report(race *r, const char *format, ...)
{
    pthread_mutex_lock(&r->lock);
    if (r->failure[0] == '\0') {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(r->failure, sizeof r->failure, format, arguments);
        va_end(arguments);
    }
    pthread_mutex_unlock(&r->lock);
    atomic_store(&r->stop, true);
}

/* What a test races. */
typedef struct race_plan {
    void *(*read)(void *arg); /* a reader: until `stop` of the race that is its argument */
    void (*write)(race *r, uint64_t n); /* makes and submits change n */
    void (*fini)(race *r);              /* when all readers have ended; or NULL */
    int readers;
    uint64_t changes_min, rounds_min; /* it lasts at least as long as that */
    uint64_t wait_every;              /* changes between two waits until all are durable */
} race_plan;

static inline void race_run(mr_store *store, const race_plan *plan)
{
    race r = {.store = store, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[RACE_READERS_MAX];
    assert_true(plan->readers <= RACE_READERS_MAX);
    for (int i = 0; i < plan->readers; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, plan->read, &r), 0);
    for (uint64_t n = 1; !atomic_load(&r.stop); n++) {
        plan->write(&r, n);
        if (n % plan->wait_every == 0 && mr_store_wait(store, NULL) != MR_OK)
            report(&r, "wait");
        if (n >= plan->changes_min && atomic_load(&r.rounds) >= plan->rounds_min)
            atomic_store(&r.stop, true);
    }
    for (int i = 0; i < plan->readers; i++)
        pthread_join(threads[i], NULL);
    if (plan->fini != NULL)
        plan->fini(&r);
    mr_store_close(store);
    if (r.failure[0] != '\0')
        fail_msg("%s", r.failure);
}

static inline void race_in_memory(const race_plan *plan)
{
    race_run(test_store_open(NULL), plan);
}

static inline void race_over_a_slow_backend(const race_plan *plan)
{
    mr_store *store;
    held_reset(&mr_backend_memory);
    held.yields = 30; /* so that changes go by between a look at the layer and one at the backend */
    assert_int_equal(held_store_open(NULL, &store, NULL), MR_OK);
    race_run(store, plan);
}

static inline void race_in_rocksdb(const race_plan *plan)
{
    char *directory = test_directory();
    race_run(test_store_open(directory), plan);
    test_directory_remove(directory);
}

#endif
