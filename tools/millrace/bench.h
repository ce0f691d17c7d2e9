/* SPDX-License-Identifier: Apache-2.0 */
/* bench: one workload through a fresh engine, measured.
 *
 *     deploy (not measured) -> warm-up (not measured) -> blocks of messages (measured) -> report
 *
 * The transactions of a million messages or so are made ahead, with the clock stopped; then it runs
 * while their blocks are executed and committed, until the last one is durable. */
#ifndef MR_TOOLS_BENCH_H
#define MR_TOOLS_BENCH_H

#include <jansson.h>

#include "tools/millrace/command.h"
#include "tools/millrace/watch.h"
#include "tools/millrace/workload.h"

typedef struct mr_bench_options {
    const mr_workload *workload;
    mr_engine_flags engine;
    const char *db;    /* NULL: the state stays in memory */
    uint64_t programs; /* 0: the workload's default */
    uint64_t messages; /* to handle, about */
    uint64_t block;    /* messages a block, about; 1 or more */
    uint64_t warm_up_blocks;
    bool timing; /* the clock around every call of a program, too */
} mr_bench_options;

typedef struct mr_bench_result {
    const mr_bench_options *options;
    uint32_t streams;
    char description[160]; /* of streams and cores */
    uint64_t programs;
    uint64_t blocks;
    uint64_t messages; /* handled by programs: receipts but replies */
    uint64_t replies;  /* receipts of replies, most of them automatic ones that run no code */
    uint64_t failed;   /* receipts with another outcome than ok */
    double hottest;    /* share of the transactions that went to the program with the most */
    uint64_t seconds_ns;
    uint64_t gas_burned;
    uint64_t rss_bytes;
    mr_id root;
    mr_statistics statistics; /* of the measured part */
    bool stopped;             /* by a signal, before the end */
} mr_bench_result;

/* mr_bench_run deploys, runs and measures. A signal ends it at the next block: that is MR_OK with
 * out->stopped.
 * Errors: those of the engine; MR_INVALID a transaction was refused or a message failed. */
mr_status mr_bench_run(const mr_bench_options *options, mr_bench_result *out, mr_error *error);

/* Messages per second, and nanoseconds of one stream per message; 0 when nothing was run. */
double mr_bench_rate(const mr_bench_result *result);
double mr_bench_ns(const mr_bench_result *result);

void mr_bench_print(const mr_bench_result *result);
/* The keys are those of docs: workload, tier, streams, programs, messages, seconds... */
json_t *mr_bench_json(const mr_bench_result *result);

#endif
