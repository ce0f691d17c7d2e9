/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=race timeout=120
 *
 * Goal: a reader never sees an object after its end was deferred and came; nobody waits for threads
 * that are offline, unregistered or parked in the scheduler.
 * Method: objects are poisoned when they end, and counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "scheduler/rcu.h"
#include "scheduler/scheduler.h"

enum { READERS = 3, VERSIONS = 3000, ALIVE = 0x600d, DEAD = 0xdead };

typedef struct version {
    mr_rcu_head rcu; /* first, so that one is the other */
    uint64_t number;
    uint64_t number_again;
    uint32_t state;
} version;

static void *published;
static _Atomic uint32_t ended;
static _Atomic bool writing;

static version *version_new(uint64_t number)
{
    version *v = malloc(sizeof *v);
    MR_ASSERT(v != NULL);
    *v = (version){.number = number, .number_again = number, .state = ALIVE};
    return v;
}

static void version_end(mr_rcu_head *head)
{
    version *v = (version *)head;
    MR_ASSERT(v->state == ALIVE);
    v->state = DEAD;
    free(v);
    atomic_fetch_add(&ended, 1);
}

static void look(uint64_t *last)
{
    const version *v = mr_rcu_read(&published);
    MR_ASSERT(v->state == ALIVE && v->number == v->number_again && v->number >= *last);
    *last = v->number;
}

static void *read_on(void *arg)
{
    uint64_t last = 0, turn = 0;
    (void)arg;
    mr_rcu_register();
    while (atomic_load(&writing)) {
        look(&last);
        mr_rcu_quiescent();
        if (++turn % 64 == 0) {
            mr_rcu_offline();
            mr_rcu_online();
        }
    }
    mr_rcu_unregister();
    return NULL;
}

static void readers_never_see_an_object_that_has_ended(void **state)
{
    (void)state;
    pthread_t readers[READERS];
    atomic_store(&ended, 0);
    atomic_store(&writing, true);
    mr_rcu_publish(&published, version_new(0));
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, NULL), 0);
    for (uint64_t i = 1; i <= VERSIONS; i++) {
        version *old = published;
        mr_rcu_publish(&published, version_new(i));
        if (i % 100 == 0) {
            mr_rcu_synchronize();
            version_end(&old->rcu);
        } else {
            mr_rcu_defer(&old->rcu, version_end);
        }
    }
    atomic_store(&writing, false);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    mr_rcu_barrier();
    assert_int_equal(ended, VERSIONS);
    free(published);
}

static void registering_nests(void **state)
{
    (void)state;
    assert_false(mr_rcu_registered());
    mr_rcu_register();
    mr_rcu_register();
    mr_rcu_unregister();
    assert_true(mr_rcu_registered());
    mr_rcu_synchronize(); /* a registered caller does not wait for itself */
    mr_rcu_barrier();
    mr_rcu_unregister();
    assert_false(mr_rcu_registered());
}

static void parked_workers_hold_nothing_up(void **state)
{
    (void)state;
    mr_scheduler_options options = {.streams = 3, .channels = 1};
    mr_scheduler *scheduler = NULL;
    assert_int_equal(mr_scheduler_new(&options, &scheduler, NULL), MR_OK);
    for (int i = 0; i < 3; i++)
        mr_rcu_synchronize();
    mr_scheduler_free(scheduler);
}

typedef struct scene {
    mr_lane lanes[100];
    mr_item items[100];
    uint64_t last[100]; /* newest version each lane saw */
    uint64_t next_version;
    uint32_t rounds;
} scene;

static size_t next(void *ctx, mr_round *round, const mr_item **items)
{
    scene *s = ctx;
    (void)round;
    version *old = published;
    mr_rcu_publish(&published, version_new(s->next_version++));
    mr_rcu_defer(&old->rcu, version_end);
    *items = s->items;
    return s->rounds-- > 0 ? 100 : 0;
}

static void run(void *ctx, mr_round *round, uint32_t stream, mr_lane *lane, const mr_work *work)
{
    scene *s = ctx;
    (void)round, (void)stream, (void)work;
    look(&s->last[lane - s->lanes]);
}

static void *write_beside(void *arg)
{
    (void)arg;
    while (atomic_load(&writing))
        mr_rcu_synchronize();
    return NULL;
}

static void what_a_worker_reads_lives_while_it_runs(void **state)
{
    (void)state;
    mr_scheduler_options options = {.streams = 3, .channels = 1};
    mr_scheduler *scheduler = NULL;
    assert_int_equal(mr_scheduler_new(&options, &scheduler, NULL), MR_OK);
    scene s = {.rounds = 2000, .next_version = 1};
    for (int i = 0; i < 100; i++)
        s.items[i] = (mr_item){.lane = &s.lanes[i]};
    atomic_store(&ended, 0);
    atomic_store(&writing, true);
    mr_rcu_publish(&published, version_new(0));
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, write_beside, NULL), 0);
    const mr_round_ops ops = {.next = next, .run = run};
    mr_rcu_register(); /* a reader that waits for a run must not hold up grace periods */
    assert_int_equal(mr_scheduler_run(scheduler, &ops, &s), MR_OK);
    mr_rcu_unregister();
    atomic_store(&writing, false);
    assert_int_equal(pthread_join(other, NULL), 0);
    mr_rcu_barrier();
    assert_int_equal(ended, 2001);
    free(published);
    mr_scheduler_free(scheduler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registering_nests),
        cmocka_unit_test(readers_never_see_an_object_that_has_ended),
        cmocka_unit_test(parked_workers_hold_nothing_up),
        cmocka_unit_test(what_a_worker_reads_lives_while_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
