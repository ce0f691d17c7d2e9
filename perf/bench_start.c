/* SPDX-License-Identifier: Apache-2.0 */
/* How long does it take to open a large database, and until its first messages are done?
 *
 * Sketch: opening reads a handful of records, and RocksDB its list of files and their indexes:
 * some milliseconds, nearly the same for any number of programs. What it had not flushed is in its
 * log and is read again, 100 MB a second: that is what grows, up to the size of its memory tables.
 * The first message reads the program's record, its code, which is rewritten again (1 ms for a
 * small one), and its units.
 *
 * A database of that many programs, each with one unit touched, is made in DIRECTORY, which must
 * not be there; closed, and opened again five times. The system's cache of files stays warm. One
 * JSON line: medians.
 *
 * Usage: bench_start DIRECTORY [PROGRAMS [TIER]]; 1000000 programs, interp */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "perf/harness.h"

enum { TURNS = 5, MESSAGES_PER_BLOCK = 50000, THOUSAND = 1000 };

static mr_engine *open_at(const char *path, mr_engine_tier tier)
{
    const mr_engine_options options = {.path = path, .create = true, .tier = tier};
    mr_error error = {0};
    mr_engine *engine;
    mr_harness_check(mr_engine_open(&options, &engine, &error), &error);
    return engine;
}

static void fill(mr_engine *engine, const mr_transaction *messages, size_t programs)
{
    mr_harness_deploy(engine, "counter", programs);
    for (size_t done = 0; done < programs; done += MESSAGES_PER_BLOCK)
        (void)mr_harness_run(engine, messages + done,
                             programs - done < MESSAGES_PER_BLOCK ? programs - done
                                                                  : MESSAGES_PER_BLOCK,
                             MR_COMMIT_PIPELINED);
}

int main(int argc, char **argv)
{
    const size_t programs = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    const char *tier = argc > 3 ? argv[3] : "interp";
    if (argc < 2 || programs < 1) {
        (void)fprintf(stderr, "usage: bench_start DIRECTORY [PROGRAMS [TIER]]\n");
        return 2;
    }
    mr_error error = {0};
    mr_transaction *messages = mr_harness_messages("counter", programs, programs);
    mr_engine *engine = open_at(argv[1], mr_harness_tier(tier));
    mr_engine_info info;
    mr_engine_info_get(engine, &info);
    if (info.height > 0) {
        (void)fprintf(stderr, "bench_start: there is a database in %s\n", argv[1]);
        return 2;
    }
    fill(engine, messages, programs);
    mr_harness_check(mr_engine_close(engine, &error), &error);

    const size_t block = programs < THOUSAND ? programs : THOUSAND;
    double open_ms[TURNS], first_ms[TURNS], block_ms[TURNS];
    for (size_t turn = 0; turn < TURNS; turn++) {
        const uint64_t begin_ns = mr_clock_ns();
        engine = open_at(argv[1], mr_harness_tier(tier));
        open_ms[turn] = (double)(mr_clock_ns() - begin_ns) / 1e6;
        first_ms[turn] = (double)mr_harness_run(engine, messages, 1, MR_COMMIT_WAIT) / 1e6;
        block_ms[turn] =
            (double)mr_harness_run(engine, messages + programs - block, block, MR_COMMIT_WAIT) /
            1e6;
        mr_harness_check(mr_engine_close(engine, &error), &error);
    }
    (void)printf("{\"question\": \"start\", \"programs\": %zu, \"tier\": \"%s\", \"open_ms\": "
                 "%.2f, \"first_message_ms\": %.2f, \"block_messages\": %zu, \"block_ms\": %.2f}\n",
                 programs, tier, mr_harness_percentile(open_ms, TURNS, 0.5),
                 mr_harness_percentile(first_ms, TURNS, 0.5), block,
                 mr_harness_percentile(block_ms, TURNS, 0.5));
    free(messages);
    return 0;
}
