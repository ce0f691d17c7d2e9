/* SPDX-License-Identifier: Apache-2.0 */
/* How long does a query take while blocks run, and how long when nothing does?
 *
 * Sketch: a query binds the program's memory, runs `state`, a dozen instructions, and throws away
 * what it did: 2 us interpreted. Beside blocks the view is renewed when there is a new block, and
 * the caches and, with as many streams as cores, the core are shared: the median should stay below
 * twice that; the 99th percentile holds the time slices of the system then.
 *
 * One thread asks 1000 programs in turn, of the newest block each time; its latencies, alone and
 * beside blocks of 10,000 messages to the same programs. One JSON line for each.
 *
 * Usage: bench_query [TIER [STREAMS [QUERIES]]]; interp, 1, 200000 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "perf/harness.h"
#include "tools/guest/embedded.h"

enum { PROGRAMS = 1000, MESSAGES = 10000 };

typedef struct asker {
    mr_engine *engine;
    double *latencies_ns;
    size_t queries;
    _Atomic bool done; /* written by the asking thread */
} asker;

static void *ask(void *arg)
{
    asker *a = arg;
    const mr_id code = mr_id_of_code(mr_embedded_find("units"));
    mr_error error = {0};
    mr_engine *view;
    mr_harness_check(mr_view_open(a->engine, MR_VIEW_ALONE, &view, &error), &error);
    for (size_t i = 0; i < a->queries; i++) {
        const mr_reading reading = {.program = mr_harness_program(&code, i % PROGRAMS),
                                    .entry = "state",
                                    .gas_limit = MR_HARNESS_GAS};
        mr_answer answer;
        const uint64_t begin_ns = mr_clock_ns();
        mr_harness_check(mr_view_refresh(view, &error), &error);
        mr_harness_check(mr_engine_read(view, &reading, &answer, &error), &error);
        a->latencies_ns[i] = (double)(mr_clock_ns() - begin_ns);
        if (answer.outcome != MR_OUTCOME_OK)
            mr_harness_check(MR_INVALID, &error);
    }
    mr_harness_check(mr_engine_close(view, NULL), NULL);
    atomic_store(&a->done, true);
    return NULL;
}

int main(int argc, char **argv)
{
    const char *tier = argc > 1 ? argv[1] : "interp";
    const uint32_t streams = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1;
    const size_t queries = argc > 3 ? strtoull(argv[3], NULL, 10) : 200000;
    const mr_engine_options options = {.streams = streams, .tier = mr_harness_tier(tier)};
    mr_error error = {0};
    asker a = {.queries = queries, .latencies_ns = calloc(queries + 1, sizeof(double))};
    if (a.latencies_ns == NULL || queries == 0)
        mr_harness_check(MR_NO_MEMORY, &error);
    mr_harness_check(mr_engine_open(&options, &a.engine, &error), &error);
    mr_harness_deploy(a.engine, "units", PROGRAMS);
    mr_transaction *messages = mr_harness_messages("units", PROGRAMS, MESSAGES);
    (void)mr_harness_run(a.engine, messages, MESSAGES, MR_COMMIT_WAIT);
    for (unsigned beside = 0; beside < 2; beside++) {
        pthread_t thread;
        uint64_t blocks = 0;
        atomic_store(&a.done, false);
        if (pthread_create(&thread, NULL, ask, &a) != 0)
            mr_harness_check(MR_NO_MEMORY, &error);
        for (; beside == 1 && !atomic_load(&a.done); blocks++)
            (void)mr_harness_run(a.engine, messages, MESSAGES, MR_COMMIT_PIPELINED);
        (void)pthread_join(thread, NULL);
        const double median = mr_harness_percentile(a.latencies_ns, queries, 0.5);
        (void)printf("{\"question\": \"query\", \"case\": \"%s\", \"tier\": \"%s\", \"streams\": "
                     "%u, \"queries\": %zu, \"blocks\": %llu, \"median_ns\": %.0f, \"p99_ns\": "
                     "%.0f, \"worst_ns\": %.0f}\n",
                     beside ? "beside blocks" : "alone", tier, streams, queries,
                     (unsigned long long)blocks, median,
                     mr_harness_percentile(a.latencies_ns, queries, 0.99),
                     mr_harness_percentile(a.latencies_ns, queries, 1));
    }
    free(messages);
    free(a.latencies_ns);
    mr_harness_check(mr_engine_close(a.engine, &error), &error);
    return 0;
}
