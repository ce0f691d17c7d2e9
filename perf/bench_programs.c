/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what does a program cost that nobody calls, and what does it cost the others?
 *
 *   bytes    memory of an idle program with one page touched, on top of its units: 512 bytes at
 * most idle     a block with 100 active programs among many: as among few, within a tenth
 *
 * Usage: bench_programs [PROGRAMS [MESSAGES]]; 1,000,000 programs and blocks of 10,000 messages.
 * Prints one JSON line for each answer. Programs are counters; the database is in memory. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/millrace.h"
#include "tools/guest/embedded.h"

enum { ACTIVE = 100, BLOCKS = 21, CREATED_PER_BLOCK = 50000, UNIT_BYTES = 256 };
static const uint64_t gas = 1000000000;

static void check(mr_status status, const mr_error *error)
{
    if (status == MR_OK)
        return;
    fprintf(stderr, "bench_programs: %s: %s\n", mr_status_name(status), error->text);
    exit(1);
}

/* What one loaded program holds beside its unit: its records, tables and share of the index. */
static double bytes_per_program(mr_engine *engine)
{
    mr_statistics statistics;
    mr_engine_statistics(engine, &statistics);
    return (double)statistics.loaded_bytes / (double)statistics.programs_loaded - UNIT_BYTES;
}

static uint64_t run(mr_engine *engine, const mr_transaction *transactions, size_t count)
{
    const mr_block_params params = {0};
    mr_error error = {0};
    mr_block *block;
    const uint64_t start = mr_clock_ns();
    check(mr_block_execute(engine, &params, transactions, count, &block, &error), &error);
    check(mr_block_commit(block, MR_COMMIT_WAIT, &error), &error);
    const uint64_t took = mr_clock_ns() - start;
    mr_block_info info;
    mr_block_info_get(block, &info);
    if (info.transactions_accepted != count) {
        fprintf(stderr, "bench_programs: only %llu of %zu transactions were accepted\n",
                (unsigned long long)info.transactions_accepted, count);
        exit(1);
    }
    mr_block_free(block);
    return took;
}

static mr_id counter_id(const mr_id *code, uint64_t number)
{
    return mr_id_of_program(code, mr_span_of(&number, sizeof number));
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
    check(mr_engine_open(&options, &engine, &error), &error);
    const mr_span module = mr_embedded_find("counter");
    const mr_id code = mr_id_of_code(module);
    const mr_transaction upload = {.kind = MR_TRANSACTION_UPLOAD, .payload = module};
    (void)run(engine, &upload, 1);
    mr_transaction *transactions = calloc(CREATED_PER_BLOCK, sizeof *transactions);
    uint64_t *numbers = calloc(CREATED_PER_BLOCK, sizeof *numbers);
    for (size_t first = 0; first < count; first += CREATED_PER_BLOCK) {
        size_t n = count - first < CREATED_PER_BLOCK ? count - first : CREATED_PER_BLOCK;
        for (size_t i = 0; i < n; i++) {
            numbers[i] = first + i;
            transactions[i] = (mr_transaction){
                .kind = MR_TRANSACTION_CREATE,
                .to = code,
                .salt = mr_span_of(&numbers[i], sizeof numbers[i]),
                .gas_limit = gas,
            };
        }
        (void)run(engine, transactions, n);
        for (size_t i = 0; i < n; i++)
            transactions[i] = (mr_transaction){
                .kind = MR_TRANSACTION_SEND,
                .to = counter_id(&code, first + i),
                .gas_limit = gas,
            };
        (void)run(engine, transactions, n);
    }
    free(numbers);
    free(transactions);
    return engine;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values)
{
    qsort(values, BLOCKS, sizeof *values, compare);
    return values[BLOCKS / 2];
}

/* Messages to ACTIVE of the programs. */
static mr_transaction *messages_to(size_t programs, size_t messages)
{
    const mr_id code = mr_id_of_code(mr_embedded_find("counter"));
    mr_transaction *transactions = calloc(messages, sizeof *transactions);
    for (size_t i = 0; transactions != NULL && i < messages; i++)
        transactions[i] = (mr_transaction){
            .kind = MR_TRANSACTION_SEND,
            .to = counter_id(&code, i % ACTIVE * (programs / ACTIVE)),
            .gas_limit = gas,
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
        (void)run(engines[e], transactions[e], messages);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t e = 0; e < 2; e++)
            ns[e][i] = (double)run(engines[e], transactions[e], messages);
        ratios[i] = ns[1][i] / ns[0][i];
    }
    free(transactions[0]);
    free(transactions[1]);
    printf("{\"question\": \"idle\", \"active\": %d, \"messages\": %zu, \"programs\": [%zu, %zu], "
           "\"block_ns\": [%.0f, %.0f], \"ratio\": %.3f}\n",
           ACTIVE, messages, programs[0], programs[1], median(ns[0]), median(ns[1]),
           median(ratios));
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
    check(mr_engine_close(engines[0], NULL), NULL);
    check(mr_engine_close(engines[1], NULL), NULL);
    return 0;
}
