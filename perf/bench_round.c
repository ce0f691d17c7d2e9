/* SPDX-License-Identifier: Apache-2.0 */
/* What does a round cost beside its items? Expected: under 200 ns for a round of one item, 20 to 40
 * ns of one core for an item of a large round, a serial part under 1% when items take 1 us, and,
 * with such items, a time within a few percent of max(work / streams, hottest lane).
 *
 * Every item emits one item to its own lane, so that every round has the shape of the first:
 *   uniform   10,000 lanes, each as likely
 *   hot       one lane has 99 of 100 items, the others one each
 *   zipf      10,000 lanes, the k-th with a share of 1/k
 * Two measurements of each: with items that do nothing ("overhead", ns of wall time an item and ns
 * of processor time of all threads an item, waiting included), and with items that compute for
 * about 1 us ("ratio" to the bound, "serial" fraction of the wall time). Medians over repeats, and
 * the best ratio: on a machine with other work the median shows that work, too. One JSON line each.
 *
 * Usage: bench_round [--streams LIST] [--sizes LIST] [--shapes LIST] [--repeats N] [--items N]
 *                    [--work-ns N] */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "scheduler/scheduler.h"

enum { LANES = 10000, REPEATS_MAX = 99 };

/* Apart by more than a line, as lanes in real objects are. */
typedef struct program {
    mr_lane lane;
    uint64_t state[24];
} program;

typedef struct setup {
    program *programs;
    mr_item *first;
    size_t count;
    uint64_t rounds;  /* to go */
    uint64_t steps;   /* of computation an item takes */
    uint64_t hottest; /* items of the lane with the most */
} setup;

static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t compute(uint64_t state, uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++)
        state = mix(state);
    return state;
}

static size_t next(void *ctx, mr_round *round, const mr_item **items)
{
    setup *s = ctx;
    if (s->rounds == 0)
        return 0;
    s->rounds--;
    size_t count = mr_round_output(round, 0, items);
    if (count == 0) {
        *items = s->first;
        count = s->count;
    }
    return count;
}

static void run(void *ctx, mr_round *round, uint32_t stream, mr_lane *lane, const mr_work *work)
{
    const setup *s = ctx;
    program *p = (program *)(void *)lane;
    for (size_t i = 0; i < work->count; i++) {
        if (s->steps != 0)
            p->state[0] = compute(p->state[0], s->steps);
        mr_item item = {.object = work->objects[i], .lane = lane, .cost = 1};
        mr_round_emit(round, stream, 0, work->positions[i], &item, 1);
    }
}

static const mr_round_ops ops = {.next = next, .run = run};

/* The lane of each item of a round, by shape. */
static void shape(setup *s, const char *name, size_t count)
{
    static double sums[LANES];
    double sum = 0;
    for (int i = 0; i < LANES; i++)
        sums[i] = sum += 1.0 / (i + 1);
    uint32_t *counts = calloc(count > LANES ? count : LANES, sizeof *counts);
    for (size_t i = 0; i < count; i++) {
        uint64_t h = mix(i * 2654435761u + 12345);
        size_t lane;
        if (strcmp(name, "uniform") == 0) {
            lane = h % LANES;
        } else if (strcmp(name, "hot") == 0) {
            lane = i % 100 == 99 ? 1 + i / 100 : 0;
        } else {
            double at = (double)(h >> 11) * 0x1p-53 * sum;
            size_t low = 0, high = LANES - 1;
            while (low < high) {
                size_t middle = (low + high) / 2;
                if (sums[middle] < at)
                    low = middle + 1;
                else
                    high = middle;
            }
            lane = low;
        }
        counts[lane]++;
        s->first[i] = (mr_item){.object = s->first, .lane = &s->programs[lane].lane, .cost = 1};
    }
    s->hottest = 0;
    for (size_t i = 0; i < (count > LANES ? count : LANES); i++)
        s->hottest = counts[i] > s->hottest ? counts[i] : s->hottest;
    s->count = count;
    free(counts);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

typedef struct measured {
    double wall_ns, partition_ns, run_ns, merge_ns, next_ns; /* per item */
    double serial, rounds_small, stolen, best_ns, core_ns;
} measured;

static double processor_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Runs `rounds` rounds and says what an item took. */
static measured measure(mr_scheduler *scheduler, setup *s, uint64_t rounds)
{
    mr_scheduler_times before, after;
    mr_scheduler_times_get(scheduler, &before);
    s->rounds = rounds;
    double core_ns = processor_ns();
    if (mr_scheduler_run(scheduler, &ops, s) != MR_OK)
        abort();
    core_ns = processor_ns() - core_ns;
    mr_scheduler_times_get(scheduler, &after);
    double items = (double)(rounds * s->count);
    double total = (double)(after.total_ns - before.total_ns);
    return (measured){
        .wall_ns = total / items,
        .core_ns = core_ns / items,
        .partition_ns = (double)(after.partition_ns - before.partition_ns) / items,
        .run_ns = (double)(after.run_ns - before.run_ns) / items,
        .merge_ns = (double)(after.merge_ns - before.merge_ns) / items,
        .next_ns = (double)(after.next_ns - before.next_ns) / items,
        .serial = (double)(after.serial_ns - before.serial_ns) / total,
        .rounds_small = (double)(after.rounds_small - before.rounds_small) / (double)rounds,
        .stolen = (double)(after.lanes_stolen - before.lanes_stolen) / (double)rounds,
    };
}

static measured medians(mr_scheduler *scheduler, setup *s, uint64_t rounds, int repeats)
{
    double values[9][REPEATS_MAX];
    for (int i = -1; i < repeats; i++) {
        measured m = measure(scheduler, s, rounds);
        if (i < 0)
            continue; /* warm-up */
        const double all[9] = {m.wall_ns, m.partition_ns, m.run_ns, m.merge_ns, m.next_ns,
                               m.serial,  m.rounds_small, m.stolen, m.core_ns};
        for (int k = 0; k < 9; k++)
            values[k][i] = all[k];
    }
    double middle[9];
    for (int k = 0; k < 9; k++)
        middle[k] = median(values[k], repeats); /* and sorts */
    return (measured){.wall_ns = middle[0],
                      .partition_ns = middle[1],
                      .run_ns = middle[2],
                      .merge_ns = middle[3],
                      .next_ns = middle[4],
                      .serial = middle[5],
                      .rounds_small = middle[6],
                      .stolen = middle[7],
                      .best_ns = values[0][0],
                      .core_ns = middle[8]};
}

/* Steps of `compute` that take `ns`, and what they really take. */
static uint64_t calibrate(double ns, double *real_ns)
{
    static volatile uint64_t sink;
    uint64_t steps = 1000;
    double best = 1e18;
    for (int i = 0; i < 50; i++) {
        uint64_t began = mr_clock_ns();
        sink = compute(sink, 100000);
        double taken = (double)(mr_clock_ns() - began) / 100000;
        best = taken < best ? taken : best;
    }
    steps = (uint64_t)(ns / best);
    *real_ns = best * (double)steps;
    return steps;
}

/* What the items of a round really take on one core, without a scheduler. */
static double plain_ns(setup *s, uint64_t steps, int repeats)
{
    double values[REPEATS_MAX];
    size_t count = s->count < 20000 ? s->count : 20000;
    for (int r = 0; r < repeats; r++) {
        uint64_t began = mr_clock_ns();
        for (size_t i = 0; i < count; i++) {
            program *p = (program *)(void *)s->first[i].lane;
            p->state[0] = compute(p->state[0], steps);
        }
        values[r] = (double)(mr_clock_ns() - began) / (double)count;
    }
    return median(values, repeats);
}

static void bench(uint32_t streams, const char *shape_name, size_t count, setup *s, int repeats,
                  double items_wanted, double work_ns)
{
    mr_scheduler *scheduler;
    mr_scheduler_options options = {.streams = streams, .pin = true, .channels = 1};
    mr_error error;
    if (mr_scheduler_new(&options, &scheduler, &error) != MR_OK) {
        (void)fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    memset(s->programs, 0, sizeof *s->programs * (LANES + count / 100 + 1));
    for (size_t i = 0; i < LANES + count / 100 + 1; i++)
        s->programs[i].lane.key = mix(i);
    shape(s, shape_name, count);
    uint64_t rounds = (uint64_t)(items_wanted / (double)count) + 3;
    s->steps = 0;
    measured empty = medians(scheduler, s, rounds, repeats);
    double real_ns;
    s->steps = calibrate(work_ns, &real_ns);
    rounds = (uint64_t)(items_wanted / 20 / (double)count) + 2;
    measured busy = medians(scheduler, s, rounds, repeats);
    real_ns = plain_ns(s, s->steps, repeats);
    double parallel =
        (double)s->hottest > (double)count / streams ? (double)s->hottest : (double)count / streams;
    double bound = parallel / (double)count * real_ns;
    printf("{\"bench\":\"round\",\"streams\":%u,\"shape\":\"%s\",\"items\":%zu,"
           "\"overhead_wall_ns\":%.1f,\"overhead_core_ns\":%.1f,\"partition_ns\":%.1f,"
           "\"run_ns\":%.1f,\"merge_ns\":%.1f,\"item_ns\":%.0f,\"ratio\":%.3f,\"ratio_best\":%.3f,"
           "\"serial\":%.4f,"
           "\"small\":%.2f,\"stolen\":%.1f}\n",
           streams, shape_name, count, empty.wall_ns, empty.core_ns, empty.partition_ns,
           empty.run_ns, empty.merge_ns, real_ns, busy.wall_ns / bound, busy.best_ns / bound,
           busy.serial, busy.rounds_small, busy.stolen);
    (void)fflush(stdout);
    mr_scheduler_free(scheduler);
}

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    }
    return otherwise;
}

int main(int argc, char **argv)
{
    const char *streams = option(argc, argv, "--streams", "1,2");
    const char *sizes = option(argc, argv, "--sizes", "1,10,100,1000,10000,100000,1000000");
    const char *shapes = option(argc, argv, "--shapes", "uniform,hot,zipf");
    int repeats = atoi(option(argc, argv, "--repeats", "7"));
    double items = atof(option(argc, argv, "--items", "2000000"));
    double work_ns = atof(option(argc, argv, "--work-ns", "1000"));
    if (repeats < 1 || repeats > REPEATS_MAX)
        repeats = 7;
    size_t most = 1;
    for (const char *at = sizes; at != NULL; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t size = strtoull(at, NULL, 10);
        most = size > most ? size : most;
    }
    setup s = {
        .programs = calloc(LANES + most / 100 + 1, sizeof(program)),
        .first = calloc(most, sizeof(mr_item)),
    };
    if (s.programs == NULL || s.first == NULL)
        return 1;
    for (const char *a = streams; a != NULL; a = strchr(a, ',') ? strchr(a, ',') + 1 : NULL) {
        for (const char *b = shapes; b != NULL; b = strchr(b, ',') ? strchr(b, ',') + 1 : NULL) {
            for (const char *c = sizes; c != NULL; c = strchr(c, ',') ? strchr(c, ',') + 1 : NULL) {
                char name[16] = {0};
                (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(b, ","), b);
                size_t count = strtoull(c, NULL, 10);
                if (count > 0)
                    bench((uint32_t)strtoul(a, NULL, 10), name, count, &s, repeats, items, work_ns);
            }
        }
    }
    free(s.programs);
    free(s.first);
    return 0;
}
