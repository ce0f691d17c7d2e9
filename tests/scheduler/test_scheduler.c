/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=race timeout=300
 *
 * Goal: what scheduler.h promises beside the order of outputs: starting and stopping, who runs
 * what, tasks, sums, limits, and what happens when memory runs out. Where timing could change who
 * runs a lane, stealing and measured weights are switched off through the seam of perturb.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "scheduler/perturb.h"
#include "scheduler/scheduler.h"

static mr_scheduler *started(uint32_t streams, uint32_t channels)
{
    mr_scheduler *scheduler = NULL;
    mr_scheduler_options options = {.streams = streams, .pin = true, .channels = channels};
    mr_error error;
    assert_int_equal(mr_scheduler_new(&options, &scheduler, &error), MR_OK);
    return scheduler;
}

enum { LANES = 1100 };

/* A run of `rounds` rounds that all have the items of the first. */
typedef struct scene {
    mr_lane lanes[LANES];
    uint32_t ran_by[LANES]; /* stream of the last run, plus 1 */
    uint32_t moves;         /* how often a lane changed its stream */
    uint32_t runs[130];     /* lanes run by each stream in the last round */
    mr_item *items;
    size_t items_count;
    uint32_t rounds;
    uint32_t emits;          /* per item */
    uint64_t cost;           /* of each emission */
    mr_scheduler *scheduler; /* for those that call back */
    mr_status status;
    uint64_t seen_cost;
    size_t seen_output;
    _Atomic uint64_t handled;
    _Atomic uint32_t tasks[4096];
} scene;

static scene *scene_new(size_t lanes, size_t items)
{
    scene *s = calloc(1, sizeof *s);
    s->items = calloc(items, sizeof *s->items);
    MR_ASSERT(lanes <= LANES);
    for (size_t i = 0; i < LANES; i++)
        s->lanes[i].key = i * 77;
    for (size_t i = 0; i < items; i++)
        s->items[i] = (mr_item){.object = s, .lane = &s->lanes[i % lanes]};
    s->items_count = items;
    s->rounds = 1;
    return s;
}

static void scene_free(scene *s)
{
    free(s->items);
    free(s);
}

static size_t next(void *ctx, mr_round *round, const mr_item **items)
{
    scene *s = ctx;
    const mr_item *output;
    s->seen_output = mr_round_output(round, 0, &output);
    s->seen_cost = mr_round_output_cost(round, 0);
    if (s->rounds == 0)
        return 0;
    s->rounds--;
    memset(s->runs, 0, sizeof s->runs);
    *items = s->items;
    return s->items_count;
}

static void run(void *ctx, mr_round *round, uint32_t stream, mr_lane *lane, const mr_work *work)
{
    scene *s = ctx;
    size_t number = (size_t)(lane - s->lanes);
    if (s->ran_by[number] != 0 && s->ran_by[number] != stream + 1)
        atomic_fetch_add((_Atomic uint32_t *)&s->moves, 1);
    s->ran_by[number] = stream + 1;
    s->runs[stream]++;
    atomic_fetch_add(&s->handled, work->count);
    for (size_t i = 0; i < work->count; i++) {
        for (uint32_t k = 0; k < s->emits; k++) {
            mr_item item = {.object = s, .lane = NULL, .cost = s->cost};
            mr_round_emit(round, stream, 0, work->positions[i], &item, 1);
        }
    }
}

static const mr_round_ops ops = {.next = next, .run = run};

static void it_starts_and_stops_a_hundred_times(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        mr_scheduler *scheduler = started(1 + i % 9, 1);
        assert_int_equal(mr_scheduler_streams(scheduler), 1 + i % 9);
        if (i % 2 == 0) {
            scene *s = scene_new(10, 100);
            assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
            assert_int_equal(s->handled, 100);
            scene_free(s);
        }
        mr_scheduler_free(scheduler);
    }
    mr_scheduler_free(NULL);
}

static void asked_for_no_number_it_starts_one_stream_a_core(void **state)
{
    (void)state;
    mr_scheduler *scheduler = started(0, 1);
    char text[200];
    mr_scheduler_describe(scheduler, text, sizeof text);
    unsigned streams = 0, cores = 0;
    assert_int_equal(sscanf(text, "%u stream%*[s] on %u", &streams, &cores), 2);
    assert_int_equal(streams, mr_scheduler_streams(scheduler));
    assert_int_equal(streams, cores);
    mr_scheduler_free(scheduler);
}

static void it_describes_itself_in_a_sentence(void **state)
{
    (void)state;
    char text[200];
    mr_scheduler *scheduler = started(1, 1);
    mr_scheduler_describe(scheduler, text, sizeof text);
    assert_non_null(strstr(text, "1 stream on "));
    assert_non_null(strstr(text, "pinned"));
    mr_scheduler_describe(scheduler, text, 4);
    assert_string_equal(text, "1 s");
    mr_scheduler_free(scheduler);

    scheduler = started(1000, 1);
    mr_scheduler_describe(scheduler, text, sizeof text);
    assert_non_null(strstr(text, "1000 streams on "));
    assert_non_null(strstr(text, "not pinned, there being more streams than"));
    mr_scheduler_free(scheduler);

    mr_scheduler_options options = {.streams = 1, .pin = false, .channels = 1};
    assert_int_equal(mr_scheduler_new(&options, &scheduler, NULL), MR_OK);
    mr_scheduler_describe(scheduler, text, sizeof text);
    assert_non_null(strstr(text, "not pinned, as asked"));
    mr_scheduler_free(scheduler);
}

static void too_many_streams_or_channels_are_refused(void **state)
{
    (void)state;
    mr_scheduler *scheduler = NULL;
    mr_error error;
    mr_scheduler_options options = {.streams = 1025, .channels = 1};
    assert_int_equal(mr_scheduler_new(&options, &scheduler, &error), MR_LIMIT);
    options = (mr_scheduler_options){.streams = 1, .channels = 0};
    assert_int_equal(mr_scheduler_new(&options, &scheduler, &error), MR_LIMIT);
    options.channels = MR_CHANNELS_MAX + 1;
    assert_int_equal(mr_scheduler_new(&options, &scheduler, &error), MR_LIMIT);
    assert_non_null(strstr(error.text, "channels"));
    assert_null(scheduler);
}

static void deal_only(mr_scheduler *scheduler, mr_perturb_phases phases)
{
    mr_perturb perturb = {.size = MR_PERTURB_SIZE_ALL,
                          .deal = MR_PERTURB_DEAL_COUNTED,
                          .steal = MR_PERTURB_STEAL_NEVER,
                          .phases = phases};
    mr_scheduler_perturb(scheduler, &perturb);
}

static void a_hundred_lanes_of_one_item_are_dealt_fifty_and_fifty(void **state)
{
    (void)state;
    for (int phases = MR_PERTURB_PHASES_PARALLEL; phases <= MR_PERTURB_PHASES_SERIAL; phases++) {
        mr_scheduler *scheduler = started(2, 1);
        deal_only(scheduler, (mr_perturb_phases)phases);
        for (uint32_t rounds = 1; rounds < 5; rounds++) {
            scene *s = scene_new(100, 100);
            for (size_t i = 0; i < LANES; i++)
                s->lanes[i].key = i < 50 * rounds ? 0 : i; /* equal keys are harmless */
            s->rounds = rounds;
            assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
            assert_in_range(s->runs[0], 45, 55);
            assert_int_equal(s->runs[0] + s->runs[1], 100);
            scene_free(s);
        }
        mr_scheduler_free(scheduler);
    }
}

static void lanes_of_equal_weight_stay_where_they_ran(void **state)
{
    (void)state;
    for (int phases = MR_PERTURB_PHASES_PARALLEL; phases <= MR_PERTURB_PHASES_SERIAL; phases++) {
        mr_scheduler *scheduler = started(8, 1);
        deal_only(scheduler, (mr_perturb_phases)phases);
        scene *s = scene_new(1000, 3000);
        assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
        for (uint32_t stream = 0; stream < 8; stream++)
            assert_in_range(s->runs[stream], 115, 135);
        s->rounds = 20;
        assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
        assert_int_equal(s->moves, 0);
        scene_free(s);
        mr_scheduler_free(scheduler);
    }
}

static void a_hot_lane_has_its_stream_to_itself(void **state)
{
    (void)state;
    for (int phases = MR_PERTURB_PHASES_PARALLEL; phases <= MR_PERTURB_PHASES_SERIAL; phases++) {
        mr_scheduler *scheduler = started(4, 1);
        deal_only(scheduler, (mr_perturb_phases)phases);
        scene *s = scene_new(1, 101000);
        for (size_t i = 0; i < 1000; i++)
            s->items[i * 101].lane = &s->lanes[1 + i];
        assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
        uint32_t hot = s->ran_by[0] - 1;
        assert_in_range(s->runs[hot], 1, 3); /* a share is rounded to a lane or two */
        for (uint32_t stream = 0; stream < 4; stream++) {
            if (stream != hot)
                assert_in_range(s->runs[stream], 300, 370);
        }
        scene_free(s);
        mr_scheduler_free(scheduler);
    }
}

static void heavy_lanes_are_dealt_one_by_one(void **state)
{
    (void)state;
    /* Six lanes of 1000 items and three streams: two each, wherever they were at home. */
    mr_scheduler *scheduler = started(3, 1);
    deal_only(scheduler, MR_PERTURB_PHASES_PARALLEL);
    scene *s = scene_new(6, 6000);
    for (size_t i = 0; i < 6; i++)
        s->lanes[i].key = 0;
    assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
    for (uint32_t stream = 0; stream < 3; stream++)
        assert_int_equal(s->runs[stream], 2);
    scene_free(s);
    mr_scheduler_free(scheduler);
}

static void an_idle_stream_steals(void **state)
{
    (void)state;
    /* Everything is at home with one stream and not dealt; the others are there only to steal, and
     * do so before their own lanes are done. */
    mr_scheduler *scheduler = started(4, 1);
    mr_perturb perturb = {.size = MR_PERTURB_SIZE_ALL,
                          .deal = MR_PERTURB_DEAL_NONE,
                          .phases = MR_PERTURB_PHASES_PARALLEL,
                          .yield_one_in = 2};
    mr_scheduler_perturb(scheduler, &perturb);
    mr_scheduler_times times = {0};
    for (int tries = 0; tries < 1000 && times.lanes_stolen == 0; tries++) {
        scene *s = scene_new(1000, 20000);
        for (size_t i = 0; i < LANES; i++)
            s->lanes[i].key = 0;
        assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
        assert_int_equal(s->handled, 20000);
        scene_free(s);
        mr_scheduler_times_get(scheduler, &times);
    }
    assert_true(times.lanes_stolen > 0);
    mr_scheduler_free(scheduler);
}

static void more_streams_than_bits_in_a_word_share_a_round(void **state)
{
    (void)state;
    for (uint32_t absent = 0; absent < 3; absent++) {
        mr_scheduler *scheduler = started(130, 1);
        mr_perturb perturb = {.seed = absent,
                              .size = MR_PERTURB_SIZE_ALL,
                              .phases = MR_PERTURB_PHASES_PARALLEL,
                              .absent_one_in = absent};
        mr_scheduler_perturb(scheduler, &perturb);
        scene *s = scene_new(1000, 5000);
        s->rounds = 3;
        s->emits = 1;
        assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
        assert_int_equal(s->handled, 15000);
        assert_int_equal(s->seen_output, 5000);
        scene_free(s);
        mr_scheduler_free(scheduler);
    }
}

static void a_round_of_one_item_wakes_nobody(void **state)
{
    (void)state;
    mr_scheduler *scheduler = started(2, 1);
    scene *s = scene_new(1, 1);
    s->rounds = 1000;
    s->emits = 1;
    assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
    assert_int_equal(s->handled, 1000);
    assert_int_equal(s->moves, 0);
    mr_scheduler_times times;
    mr_scheduler_times_get(scheduler, &times);
    assert_int_equal(times.rounds, 1000);
    assert_int_equal(times.rounds_small, 1000);
    assert_int_equal(times.items, 1000);
    assert_true(times.total_ns >= times.next_ns + times.run_ns);
    assert_true(times.serial_ns >= times.next_ns);
    scene_free(s);
    mr_scheduler_free(scheduler);
}

static void costs_of_an_output_are_summed_and_never_wrap(void **state)
{
    (void)state;
    for (uint32_t streams = 1; streams <= 3; streams++) {
        mr_scheduler *scheduler = started(streams, 1);
        deal_only(scheduler, MR_PERTURB_PHASES_PARALLEL);
        scene *s = scene_new(50, 1000);
        s->emits = 3;
        s->cost = 5;
        assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
        assert_int_equal(s->seen_output, 3000);
        assert_int_equal(s->seen_cost, 15000);
        s->rounds = 1;
        s->cost = UINT64_MAX / 2000;
        assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
        assert_true(s->seen_cost == UINT64_MAX);
        /* A new run begins without the output of the last. */
        s->rounds = 0;
        assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
        assert_int_equal(s->seen_output, 0);
        assert_int_equal(s->seen_cost, 0);
        scene_free(s);
        mr_scheduler_free(scheduler);
    }
}

static void trimming_gives_memory_back_and_changes_nothing(void **state)
{
    (void)state;
    mr_scheduler *scheduler = started(3, 1);
    scene *s = scene_new(100, 10000);
    s->emits = 1;
    for (uint64_t i = 1; i <= 3; i++) {
        s->rounds = 1;
        assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
        assert_int_equal(s->handled, i * 10000);
        assert_int_equal(s->seen_output, 10000);
        mr_scheduler_trim(scheduler);
    }
    scene_free(s);
    mr_scheduler_free(scheduler);
}

static size_t next_too_many(void *ctx, mr_round *round, const mr_item **items)
{
    scene *s = ctx;
    (void)round;
    *items = s->items;
    return (size_t)UINT32_MAX + 1;
}

static void a_round_of_too_many_items_is_refused(void **state)
{
    (void)state;
    mr_scheduler *scheduler = started(2, 1);
    scene *s = scene_new(1, 1);
    const mr_round_ops too_many = {.next = next_too_many, .run = run};
    assert_int_equal(mr_scheduler_run(scheduler, &too_many, s), MR_LIMIT);
    assert_int_equal(s->handled, 0);
    assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
    assert_int_equal(s->handled, 1);
    scene_free(s);
    mr_scheduler_free(scheduler);
}

static void run_that_runs(void *ctx, mr_round *round, uint32_t stream, mr_lane *lane,
                          const mr_work *work)
{
    scene *s = ctx;
    s->status = mr_scheduler_run(s->scheduler, &ops, s);
    run(ctx, round, stream, lane, work);
}

static void a_run_inside_a_run_is_refused(void **state)
{
    (void)state;
    mr_scheduler *scheduler = started(2, 1);
    scene *s = scene_new(1, 1);
    s->scheduler = scheduler;
    const mr_round_ops inside = {.next = next, .run = run_that_runs};
    assert_int_equal(mr_scheduler_run(scheduler, &inside, s), MR_OK);
    assert_int_equal(s->status, MR_STATE);
    scene_free(s);
    mr_scheduler_free(scheduler);
}

/* Allocations fail from the n-th on, for every n until a run needs no more of them. */
static void running_out_of_memory_is_reported_and_survived(void **state)
{
    (void)state;
    for (int phases = MR_PERTURB_PHASES_PARALLEL; phases <= MR_PERTURB_PHASES_SERIAL; phases++) {
        uint64_t n = 1;
        for (;; n++) {
            /* A new scheduler, since memory once had is kept. */
            mr_scheduler *scheduler = started(3, 2);
            mr_perturb perturb = {.size = n % 4 == 3 ? MR_PERTURB_SIZE_ONE : MR_PERTURB_SIZE_ALL,
                                  .phases = (mr_perturb_phases)phases,
                                  .fail_allocation = n};
            mr_scheduler_perturb(scheduler, &perturb);
            scene *s = scene_new(100, 5000);
            s->emits = 2;
            s->cost = 1;
            s->rounds = 2;
            mr_status status = mr_scheduler_run(scheduler, &ops, s);
            uint64_t handled = s->handled;
            assert_true(status == MR_OK || status == MR_NO_MEMORY);
            assert_int_equal(handled % 5000, 0); /* whole rounds only */
            mr_scheduler_perturb(scheduler, &(mr_perturb){0});
            s->rounds = 1;
            assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
            assert_int_equal(s->handled, handled + 5000);
            assert_int_equal(s->seen_output, 10000);
            assert_int_equal(s->seen_cost, 10000);
            scene_free(s);
            mr_scheduler_free(scheduler);
            if (status == MR_OK && n % 4 != 3)
                break;
        }
        assert_true(n > 8);
    }
}

static void mark(void *arg, size_t task, uint32_t worker)
{
    scene *s = arg;
    MR_ASSERT(worker < 64);
    atomic_fetch_add(&s->tasks[task], 1);
}

static const size_t TASKS[] = {0, 1, 2, 3, 7, 100, 4096};

static void each_task_of_a_batch_runs_once(void **state)
{
    (void)state;
    for (uint32_t streams = 1; streams <= 9; streams += 4) {
        mr_scheduler *scheduler = started(streams, 1);
        mr_parallel parallel = mr_scheduler_parallel(scheduler);
        assert_int_equal(parallel.workers_count, streams);
        for (size_t i = 0; i < sizeof TASKS / sizeof *TASKS; i++) {
            scene *s = scene_new(1, 1);
            mr_parallel_run(&parallel, TASKS[i], mark, s);
            for (size_t task = 0; task < 4096; task++)
                assert_int_equal(s->tasks[task], task < TASKS[i] ? 1 : 0);
            scene_free(s);
        }
        mr_scheduler_free(scheduler);
    }
}

typedef struct nest {
    mr_parallel parallel;
    _Atomic uint64_t leaves;
    _Atomic uint32_t busy[64]; /* tasks a worker is in, by worker */
} nest;

static void leaf(void *arg, size_t task, uint32_t worker)
{
    nest *n = arg;
    (void)task;
    (void)worker;
    atomic_fetch_add(&n->leaves, 1);
}

static void branch(void *arg, size_t task, uint32_t worker)
{
    nest *n = arg;
    MR_ASSERT(atomic_fetch_add(&n->busy[worker], 1) == 0);
    mr_parallel_run(&n->parallel, task % 5, leaf, n);
    atomic_fetch_sub(&n->busy[worker], 1);
}

static void a_task_may_ask_for_tasks(void **state)
{
    (void)state;
    mr_scheduler *scheduler = started(3, 1);
    nest n = {.parallel = mr_scheduler_parallel(scheduler)};
    for (int i = 0; i < 20; i++)
        mr_parallel_run(&n.parallel, 500, branch, &n);
    assert_int_equal(n.leaves, 20 * 500 / 5 * (0 + 1 + 2 + 3 + 4));
    mr_scheduler_free(scheduler);
}

static size_t next_with_tasks(void *ctx, mr_round *round, const mr_item **items)
{
    scene *s = ctx;
    mr_parallel parallel = mr_scheduler_parallel(s->scheduler);
    for (size_t i = 0; i < sizeof TASKS / sizeof *TASKS; i++)
        mr_parallel_run(&parallel, TASKS[i], mark, s);
    return next(ctx, round, items);
}

static void run_with_tasks(void *ctx, mr_round *round, uint32_t stream, mr_lane *lane,
                           const mr_work *work)
{
    scene *s = ctx;
    mr_parallel parallel = mr_scheduler_parallel(s->scheduler);
    mr_parallel_run(&parallel, 2, mark, s);
    run(ctx, round, stream, lane, work);
}

static void next_and_run_may_ask_for_tasks(void **state)
{
    (void)state;
    for (uint32_t streams = 1; streams <= 4; streams++) {
        mr_scheduler *scheduler = started(streams, 1);
        mr_perturb perturb = {.seed = streams, .size = MR_PERTURB_SIZE_RANDOM, .yield_one_in = 5};
        mr_scheduler_perturb(scheduler, &perturb);
        scene *s = scene_new(10, 100);
        s->scheduler = scheduler;
        s->rounds = 30;
        const mr_round_ops with_tasks = {.next = next_with_tasks, .run = run_with_tasks};
        assert_int_equal(mr_scheduler_run(scheduler, &with_tasks, s), MR_OK);
        assert_int_equal(s->handled, 3000);
        /* 31 calls of next, and 10 lanes in each of 30 rounds. */
        assert_int_equal(s->tasks[4095], 31);
        assert_int_equal(s->tasks[0], 31 * 6 + 300);
        scene_free(s);
        mr_scheduler_free(scheduler);
    }
}

static void *ask_for_tasks(void *arg)
{
    scene *s = arg;
    mr_parallel parallel = mr_scheduler_parallel(s->scheduler);
    for (int i = 0; i < 100; i++)
        mr_parallel_run(&parallel, 50, mark, s);
    return NULL;
}

static void other_threads_may_ask_for_tasks_during_a_run(void **state)
{
    (void)state;
    mr_scheduler *scheduler = started(2, 1);
    scene *s = scene_new(10, 100);
    s->scheduler = scheduler;
    s->rounds = 500;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_for_tasks, s), 0);
    assert_int_equal(mr_scheduler_run(scheduler, &ops, s), MR_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(s->handled, 50000);
    for (size_t task = 0; task < 50; task++)
        assert_int_equal(s->tasks[task], 200);
    scene_free(s);
    mr_scheduler_free(scheduler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_and_stops_a_hundred_times),
        cmocka_unit_test(asked_for_no_number_it_starts_one_stream_a_core),
        cmocka_unit_test(it_describes_itself_in_a_sentence),
        cmocka_unit_test(too_many_streams_or_channels_are_refused),
        cmocka_unit_test(a_hundred_lanes_of_one_item_are_dealt_fifty_and_fifty),
        cmocka_unit_test(lanes_of_equal_weight_stay_where_they_ran),
        cmocka_unit_test(a_hot_lane_has_its_stream_to_itself),
        cmocka_unit_test(heavy_lanes_are_dealt_one_by_one),
        cmocka_unit_test(an_idle_stream_steals),
        cmocka_unit_test(more_streams_than_bits_in_a_word_share_a_round),
        cmocka_unit_test(a_round_of_one_item_wakes_nobody),
        cmocka_unit_test(costs_of_an_output_are_summed_and_never_wrap),
        cmocka_unit_test(trimming_gives_memory_back_and_changes_nothing),
        cmocka_unit_test(a_round_of_too_many_items_is_refused),
        cmocka_unit_test(a_run_inside_a_run_is_refused),
        cmocka_unit_test(running_out_of_memory_is_reported_and_survived),
        cmocka_unit_test(each_task_of_a_batch_runs_once),
        cmocka_unit_test(a_task_may_ask_for_tasks),
        cmocka_unit_test(next_and_run_may_ask_for_tasks),
        cmocka_unit_test(other_threads_may_ask_for_tasks_during_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
