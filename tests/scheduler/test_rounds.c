/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=race timeout=300
 *
 * Goal: whatever the number of streams, the timing and the dealing, a run leaves behind what one
 * loop over one FIFO queue leaves behind: the same states, the same outputs in the same order.
 * Method: random topologies. What an item does is a pure function of its lane's state and itself;
 * the state is a hash that every item of the lane goes into, so that a single exchange of two items
 * changes everything after it. MR_SEED repeats a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "scheduler/perturb.h"
#include "scheduler/scheduler.h"

static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

typedef struct topology {
    uint64_t seed;
    uint32_t lanes_count;
    uint32_t first_items; /* in the first round */
    uint32_t emits_max;   /* an item emits 0 .. this many on channel 0 */
    uint32_t events_max;  /* and on channel 1 */
    uint32_t hot_percent; /* of the emissions go to lane 0 */
    uint32_t rounds_max;
    uint32_t items_max; /* a round takes at most so many; the rest is cut off */
    bool spin;          /* items take time */
} topology;

typedef struct program {
    mr_lane lane;
    uint64_t state;
    uint64_t items;
    _Atomic uint32_t running; /* to catch two streams in one lane */
} program;

typedef struct plan {
    uint32_t count;
    struct {
        uint64_t object;
        uint32_t to; /* UINT32_MAX: no lane */
        uint32_t channel;
    } emissions[16];
} plan;

/* What an item does: its effect on the state and what it emits. */
static void handle(const topology *t, uint64_t *state, uint64_t object, plan *doing)
{
    uint64_t h = *state = mix(*state ^ object);
    uint32_t emits = (uint32_t)(h % (t->emits_max + 1));
    uint32_t events = (uint32_t)((h >> 20) % (t->events_max + 1));
    doing->count = emits + events;
    for (uint32_t i = 0; i < doing->count; i++) {
        h = mix(h);
        bool event = i % 2 == 1 ? events > 0 : emits == 0;
        if (event)
            events--;
        else
            emits--;
        doing->emissions[i].object = h | 1;
        doing->emissions[i].channel = event ? 1 : 0;
        doing->emissions[i].to = event && h % 3 == 0 ? UINT32_MAX
                                 : (h >> 8) % 100 < t->hot_percent
                                     ? 0
                                     : (uint32_t)((h >> 32) % t->lanes_count);
    }
}

typedef struct record {
    uint64_t object;
    uint32_t to;
} record;

typedef struct history {
    record *items; /* everything that appeared on a channel, round after round */
    size_t count, capacity;
} history;

static void note(history *h, uint64_t object, uint32_t to)
{
    if (h->count == h->capacity) {
        h->capacity = h->capacity == 0 ? 1024 : 2 * h->capacity;
        h->items = realloc(h->items, h->capacity * sizeof *h->items);
        MR_ASSERT(h->items != NULL);
    }
    h->items[h->count++] = (record){object, to};
}

typedef struct result {
    program *programs;
    history channels[2];
    size_t rounds;
    uint64_t cost;
} result;

static void result_init(result *r, const topology *t)
{
    memset(r, 0, sizeof *r);
    r->programs = calloc(t->lanes_count, sizeof *r->programs);
    for (uint32_t i = 0; i < t->lanes_count; i++) {
        r->programs[i].lane.key = mix(i);
        r->programs[i].state = i;
    }
}

static void result_fini(result *r)
{
    free(r->programs);
    free(r->channels[0].items);
    free(r->channels[1].items);
}

static record first_item(const topology *t, uint32_t i)
{
    uint64_t h = mix(t->seed * 1000003 + i);
    return (record){h | 1,
                    (h >> 8) % 100 < t->hot_percent ? 0 : (uint32_t)(h >> 32) % t->lanes_count};
}

/* The reference: one queue, one loop. */
static void run_reference(const topology *t, result *r)
{
    history queue = {0};
    for (uint32_t i = 0; i < t->first_items; i++)
        note(&queue, first_item(t, i).object, first_item(t, i).to);
    while (queue.count > 0 && r->rounds < t->rounds_max) {
        history next = {0};
        if (queue.count > t->items_max)
            queue.count = t->items_max;
        for (size_t i = 0; i < queue.count; i++) {
            plan doing;
            program *p = &r->programs[queue.items[i].to];
            handle(t, &p->state, queue.items[i].object, &doing);
            p->items++;
            for (uint32_t k = 0; k < doing.count; k++) {
                note(&r->channels[doing.emissions[k].channel], doing.emissions[k].object,
                     doing.emissions[k].to);
                if (doing.emissions[k].channel == 0)
                    note(&next, doing.emissions[k].object, doing.emissions[k].to);
            }
        }
        r->rounds++;
        free(queue.items);
        queue = next;
    }
    free(queue.items);
}

typedef struct bench {
    const topology *t;
    result *r;
    mr_item *first;
    uint32_t streams;
    bool began;
} bench;

static uint32_t lane_number(const bench *b, const mr_lane *lane)
{
    return lane == NULL ? UINT32_MAX
                        : (uint32_t)((const program *)(const void *)lane - b->r->programs);
}

static size_t next(void *ctx, mr_round *round, const mr_item **items)
{
    bench *b = ctx;
    size_t count = 0;
    if (!b->began) {
        b->began = true;
        MR_ASSERT(mr_round_output(round, 0, items) == 0);
        *items = b->first;
        count = b->t->first_items;
    } else {
        b->r->rounds++;
        for (uint32_t channel = 0; channel < 2; channel++) {
            const mr_item *output;
            count = mr_round_output(round, channel, &output);
            for (size_t i = 0; i < count; i++)
                note(&b->r->channels[channel], (uint64_t)(uintptr_t)output[i].object,
                     lane_number(b, output[i].lane));
            b->r->cost += mr_round_output_cost(round, channel);
        }
        count = mr_round_output(round, 0, items);
    }
    if (b->r->rounds >= b->t->rounds_max)
        return 0;
    return count < b->t->items_max ? count : b->t->items_max;
}

static void run(void *ctx, mr_round *round, uint32_t stream, mr_lane *lane, const mr_work *work)
{
    bench *b = ctx;
    program *p = (program *)(void *)lane;
    MR_ASSERT(stream < b->streams);
    MR_ASSERT(atomic_fetch_add(&p->running, 1) == 0);
    for (size_t i = 0; i < work->count; i++) {
        plan doing;
        if (i > 0)
            MR_ASSERT(work->positions[i - 1] < work->positions[i]);
        handle(b->t, &p->state, (uint64_t)(uintptr_t)work->objects[i], &doing);
        p->items++;
        if (b->t->spin) {
            uint64_t until = mr_clock_ns() + doing.count * 1000;
            while (mr_clock_ns() < until)
                continue;
        }
        for (uint32_t k = 0; k < doing.count;) {
            /* One by one or, where neighbours go to one channel, several at once. */
            mr_item items[16];
            uint32_t channel = doing.emissions[k].channel, n = 0;
            do {
                uint32_t to = doing.emissions[k].to;
                items[n++] = (mr_item){
                    .object = (void *)(uintptr_t)doing.emissions[k].object,
                    .lane = to == UINT32_MAX ? NULL : &b->r->programs[to].lane,
                    .cost = 1,
                };
                k++;
            } while (k < doing.count && doing.emissions[k].channel == channel && k % 3 != 0);
            mr_round_emit(round, stream, channel, work->positions[i], items, n);
        }
    }
    atomic_fetch_sub(&p->running, 1);
}

static const mr_round_ops ops = {.next = next, .run = run};

static void run_scheduled(mr_scheduler *scheduler, const topology *t, result *r)
{
    bench b = {.t = t, .r = r, .streams = mr_scheduler_streams(scheduler)};
    b.first = calloc(t->first_items + 1, sizeof *b.first);
    for (uint32_t i = 0; i < t->first_items; i++) {
        record item = first_item(t, i);
        b.first[i] = (mr_item){.object = (void *)(uintptr_t)item.object,
                               .lane = &r->programs[item.to].lane,
                               .cost = 1};
    }
    assert_int_equal(mr_scheduler_run(scheduler, &ops, &b), MR_OK);
    free(b.first);
}

static void assert_same(const topology *t, const result *expected, const result *actual,
                        const char *what)
{
    for (int channel = 0; channel < 2; channel++) {
        const history *e = &expected->channels[channel], *a = &actual->channels[channel];
        size_t least = e->count < a->count ? e->count : a->count;
        for (size_t i = 0; i < least; i++) {
            if (e->items[i].object != a->items[i].object || e->items[i].to != a->items[i].to)
                fail_msg("%s: item %zu of channel %d differs (topology seed %llu)", what, i,
                         channel, (unsigned long long)t->seed);
        }
        if (e->count != a->count)
            fail_msg("%s: channel %d has %zu items, not %zu (topology seed %llu)", what, channel,
                     a->count, e->count, (unsigned long long)t->seed);
    }
    for (uint32_t i = 0; i < t->lanes_count; i++) {
        if (expected->programs[i].state != actual->programs[i].state ||
            expected->programs[i].items != actual->programs[i].items)
            fail_msg("%s: lane %u differs (topology seed %llu)", what, i,
                     (unsigned long long)t->seed);
    }
    assert_int_equal(expected->rounds, actual->rounds);
    assert_int_equal(actual->cost, actual->channels[0].count + actual->channels[1].count);
}

static const uint32_t STREAMS[] = {1, 2, 3, 8, 32};
enum { STREAMS_COUNT = sizeof STREAMS / sizeof *STREAMS, PERTURBATIONS = 4 };

static mr_scheduler *schedulers[STREAMS_COUNT];

static uint64_t base_seed;

static int start(void **state)
{
    (void)state;
    const char *text = getenv("MR_SEED");
    base_seed = text != NULL ? strtoull(text, NULL, 0) : mr_clock_ns();
    printf("MR_SEED=%llu\n", (unsigned long long)base_seed);
    for (int i = 0; i < STREAMS_COUNT; i++) {
        mr_scheduler_options options = {.streams = STREAMS[i], .pin = true, .channels = 2};
        if (mr_scheduler_new(&options, &schedulers[i], NULL) != MR_OK)
            return -1;
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (int i = 0; i < STREAMS_COUNT; i++)
        mr_scheduler_free(schedulers[i]);
    return 0;
}

/* A perturbation for every seed; 0 gives none. */
static mr_perturb perturbation(uint64_t seed)
{
    if (seed == 0)
        return (mr_perturb){0};
    uint64_t h = mix(seed);
    static const uint32_t yields[] = {0, 1, 2, 7, 50};
    return (mr_perturb){
        .seed = h,
        .yield_one_in = yields[h % 5],
        .absent_one_in = (uint32_t)((h >> 40) % 4),
        .size = (mr_perturb_size)((h >> 8) % 4),
        .phases = (mr_perturb_phases)((h >> 16) % 3),
        .deal = (mr_perturb_deal)((h >> 24) % 4),
        .steal = (mr_perturb_steal)((h >> 32) % 3),
    };
}

/* Compares the reference with every number of streams, under several perturbations. */
static void check(const topology *t)
{
    result expected;
    result_init(&expected, t);
    run_reference(t, &expected);
    for (uint64_t i = 0; i < STREAMS_COUNT * PERTURBATIONS; i++) {
        mr_scheduler *scheduler = schedulers[i % STREAMS_COUNT];
        uint64_t seed = i / STREAMS_COUNT == 0 ? 0 : t->seed + i;
        mr_perturb perturb = perturbation(seed);
        mr_scheduler_perturb(scheduler, &perturb);
        result actual;
        result_init(&actual, t);
        run_scheduled(scheduler, t, &actual);
        char what[100];
        (void)snprintf(what, sizeof what, "%u streams, perturbation %llu",
                       mr_scheduler_streams(scheduler), (unsigned long long)seed);
        assert_same(t, &expected, &actual, what);
        result_fini(&actual);
    }
    result_fini(&expected);
}

static void random_topologies_give_the_serial_result(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 12; i++) {
        uint64_t h = mix(base_seed + i);
        topology t = {
            .seed = h,
            .lanes_count = 1 + (uint32_t)(h % 2 == 0 ? (h >> 8) % 10 : (h >> 8) % 1000),
            .first_items = 1 + (uint32_t)((h >> 20) % 500),
            .emits_max = 1 + (uint32_t)((h >> 32) % 4),
            .events_max = (uint32_t)((h >> 36) % 4),
            .hot_percent = (h >> 40) % 3 == 0 ? 60 : 0,
            .rounds_max = 12,
            .items_max = 2000,
            .spin = (h >> 44) % 6 == 0,
        };
        check(&t);
    }
}

static void a_ring_of_one_item_goes_round(void **state)
{
    (void)state;
    /* Emissions are 0 or 1, so the one item dies after a while; many first items make many rings
     * of different length, ending in rounds of one. */
    topology t = {.seed = base_seed,
                  .lanes_count = 10,
                  .first_items = 1,
                  .emits_max = 1,
                  .rounds_max = 50,
                  .items_max = 100};
    for (int i = 0; i < 20; i++) {
        t.seed = mix(t.seed);
        check(&t);
    }
}

static void one_hot_lane_keeps_its_order(void **state)
{
    (void)state;
    topology t = {.seed = base_seed,
                  .lanes_count = 1,
                  .first_items = 3000,
                  .emits_max = 2,
                  .events_max = 1,
                  .rounds_max = 3,
                  .items_max = 3000};
    check(&t);
    t.lanes_count = 300;
    t.hot_percent = 90;
    check(&t);
}

static void all_lanes_distinct(void **state)
{
    (void)state;
    topology t = {.seed = base_seed,
                  .lanes_count = 200000,
                  .first_items = 20000,
                  .emits_max = 2,
                  .events_max = 1,
                  .rounds_max = 2,
                  .items_max = 20000};
    check(&t);
}

static void nothing_emitted_ends_the_run(void **state)
{
    (void)state;
    topology t = {.seed = base_seed,
                  .lanes_count = 100,
                  .first_items = 1000,
                  .rounds_max = 10,
                  .items_max = 1000};
    check(&t);
}

static void no_item_at_all_ends_the_run_at_once(void **state)
{
    (void)state;
    topology t = {.seed = base_seed, .lanes_count = 1, .rounds_max = 10, .items_max = 1000};
    check(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_item_at_all_ends_the_run_at_once),
        cmocka_unit_test(nothing_emitted_ends_the_run),
        cmocka_unit_test(a_ring_of_one_item_goes_round),
        cmocka_unit_test(one_hot_lane_keeps_its_order),
        cmocka_unit_test(all_lanes_distinct),
        cmocka_unit_test(random_topologies_give_the_serial_result),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
