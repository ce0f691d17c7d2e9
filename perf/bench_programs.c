/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what does a program cost that nobody calls, and what does it cost the others?
 *
 *   bytes    memory of an idle program with one page touched, on top of its units: 512 at most
 *   idle     a block with 100 active programs among many: as among few, within a tenth
 *
 * Usage: bench_programs [PROGRAMS [MESSAGES]]; 1,000,000 programs and blocks of 10,000 messages.
 * Prints one JSON line for each answer. Programs are counters; the database is in memory. */
#include <stdio.h>
#include <stdlib.h>

#include "perf/harness.h"
#include "tools/guest/embedded.h"

enum { ACTIVE = 100, BLOCKS = 21, PER_BLOCK = 50000, UNIT_BYTES = 256 };

/* What one loaded program holds beside its unit: its records, tables and share of the index. */
static double bytes_per_program(mr_engine *engine)
{
    mr_statistics statistics;
    mr_engine_statistics(engine, &statistics);
    return (double)statistics.loaded_bytes / (double)statistics.programs_loaded - UNIT_BYTES;
}

/* Makes `count` counters and sends each one message, so that each has a unit of its own. */
static mr_engine *make(size_t count)
{
    const mr_engine_options options = {
        .streams = 1,
        .loaded_bytes_max = UINT64_MAX / 2,
        .live_bytes_max = 16 << 20,
    };
    mr_error error = {0};
    mr_engine *engine;
    mr_harness_check(mr_engine_open(&options, &engine, &error), &error);
    mr_harness_deploy(engine, "counter", count);
    mr_transaction *transactions = mr_harness_messages("counter", count, count);
    for (size_t first = 0; first < count; first += PER_BLOCK)
        (void)mr_harness_run(engine, transactions + first,
                             count - first < PER_BLOCK ? count - first : PER_BLOCK, MR_COMMIT_WAIT);
    free(transactions);
    return engine;
}

/* Messages to ACTIVE of the programs. */
static mr_transaction *messages_to(size_t programs, size_t messages)
{
    const mr_id code = mr_id_of_code(mr_embedded_find("counter"));
    mr_transaction *transactions = calloc(messages, sizeof *transactions);
    for (size_t i = 0; transactions != NULL && i < messages; i++)
        transactions[i] = (mr_transaction){
            .kind = MR_TRANSACTION_SEND,
            .to = mr_harness_program(&code, i % ACTIVE * (programs / ACTIVE)),
            .gas_limit = MR_HARNESS_GAS,
        };
    return transactions;
}

/* Blocks of both engines take turns, so that the machine's moods meet both. */
static void compare_idle(mr_engine *const engines[2], const size_t programs[2], size_t messages)
{
    mr_transaction *transactions[2];
    double ns[2][BLOCKS], ratios[BLOCKS];
    for (size_t e = 0; e < 2; e++) {
        transactions[e] = messages_to(programs[e], messages);
        (void)mr_harness_run(engines[e], transactions[e], messages, MR_COMMIT_WAIT);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t e = 0; e < 2; e++)
            ns[e][i] =
                (double)mr_harness_run(engines[e], transactions[e], messages, MR_COMMIT_WAIT);
        ratios[i] = ns[1][i] / ns[0][i];
    }
    free(transactions[0]);
    free(transactions[1]);
    printf("{\"question\": \"idle\", \"active\": %d, \"messages\": %zu, \"programs\": [%zu, %zu], "
           "\"block_ns\": [%.0f, %.0f], \"ratio\": %.3f}\n",
           ACTIVE, messages, programs[0], programs[1], mr_harness_percentile(ns[0], BLOCKS, 0.5),
           mr_harness_percentile(ns[1], BLOCKS, 0.5), mr_harness_percentile(ratios, BLOCKS, 0.5));
}

int main(int argc, char **argv)
{
    const size_t many = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    const size_t messages = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000;
    const size_t programs[2] = {1000, many};
    mr_engine *const engines[2] = {make(programs[0]), make(programs[1])};
    compare_idle(engines, programs, messages);
    printf("{\"question\": \"bytes\", \"programs\": %zu, \"bytes_per_program\": %.0f}\n", many,
           bytes_per_program(engines[1]));
    mr_harness_check(mr_engine_close(engines[0], NULL), NULL);
    mr_harness_check(mr_engine_close(engines[1], NULL), NULL);
    return 0;
}
