/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/clock.h"
#include "tools/millrace/report.h"

enum { DEPLOY_TRANSACTIONS = 1000, AHEAD_TRANSACTIONS = 1000000, BLOCK_MS = 1000 };

typedef struct bench {
    const mr_bench_options *options;
    mr_bench_result *result;
    mr_plan plan;
    mr_engine *engine;
    mr_watch *watch;
    mr_transaction *transactions; /* of the blocks at hand */
    uint64_t transactions_max;    /* of a block */
    uint64_t blocks_max;          /* whose transactions are made ahead */
    uint64_t *sent;               /* transactions to each program */
    uint64_t height;
    mr_error *error;
} bench;

/* Every transaction is made by the bench itself: one that is refused is a defect of the workload
 * or a sign of another gas schedule, and the figures would mean nothing. */
static mr_status check_accepted(bench *b, const mr_block *block, const mr_block_info *info)
{
    if (info->transactions_accepted == info->transactions_count)
        return MR_OK;
    mr_transaction_result result;
    for (uint64_t i = 0; mr_block_transaction(block, i, &result); i++)
        if (result.admission != MR_ADMISSION_ACCEPTED)
            return MR_FAIL(
                b->error, MR_INVALID,
                "workload %s: transaction %" PRIu64 " of block %" PRIu64 " is not taken: %s%s%s",
                b->options->workload->name, i, info->height, mr_admission_text(result.admission),
                result.text[0] != '\0' ? ": " : "", result.text);
    return MR_OK;
}

/* Says which message failed first. */
static mr_status check_receipts(bench *b, const mr_block *block, const mr_block_info *info)
{
    mr_receipt receipt;
    for (uint64_t i = 0; info->failures_count > 0 && mr_block_receipt(block, i, &receipt); i++) {
        if (receipt.outcome != MR_OUTCOME_OK && receipt.outcome != MR_OUTCOME_EXITED)
            return MR_FAIL(
                b->error, MR_INVALID,
                "workload %s: message %" PRIu64 " of block %" PRIu64 " ended with %s: %.*s",
                b->options->workload->name, i, info->height, mr_outcome_name(receipt.outcome),
                (int)receipt.text.size, (const char *)receipt.text.data);
    }
    return MR_OK;
}

/* Runs and commits a block of `count` transactions. */
static mr_status run_block(bench *b, const mr_transaction *transactions, uint64_t count)
{
    mr_block_params params = {.timestamp_ms = ++b->height * BLOCK_MS};
    mr_block *block;
    MR_TRY(mr_block_execute(b->engine, &params, transactions, count, &block, b->error));
    mr_block_info info;
    mr_block_info_get(block, &info);
    mr_status status = mr_block_commit(block, MR_COMMIT_PIPELINED, b->error);
    if (status != MR_OK) {
        mr_block_discard(block);
        return status;
    }
    b->result->replies += info.replies_count;
    b->result->messages += info.receipts_count - info.replies_count;
    b->result->gas_burned += info.gas_burned;
    b->result->root = info.root;
    b->result->blocks++;
    status = check_accepted(b, block, &info);
    if (status == MR_OK)
        status = check_receipts(b, block, &info);
    mr_block_free(block);
    return status;
}

/* Runs blocks of the first `count` transactions until they are durable; the clock of the result
 * runs meanwhile, and at no other time, so the disk has no time that is not counted. */
static mr_status run_blocks(bench *b, uint64_t count)
{
    if (b->plan.no_memory)
        return MR_FAIL(b->error, MR_NO_MEMORY, "out of memory making messages");
    const uint64_t begin_ns = mr_clock_ns();
    for (uint64_t done = 0; done < count && !mr_watch_stopped(b->watch);) {
        const uint64_t size =
            count - done < b->transactions_max ? count - done : b->transactions_max;
        const uint64_t before = b->result->messages;
        MR_TRY(run_block(b, b->transactions + done, size));
        done += size;
        mr_watch_add(b->watch, b->result->messages - before);
    }
    MR_TRY(mr_engine_sync(b->engine, b->error));
    b->result->seconds_ns += mr_clock_ns() - begin_ns;
    mr_plan_forget(&b->plan);
    return MR_OK;
}

typedef bool transactions_of(mr_plan *plan, uint64_t i, mr_transaction *out);

static mr_status run_all(bench *b, transactions_of *next)
{
    uint64_t count = 0;
    for (uint64_t i = 0; next(&b->plan, i, &b->transactions[count]); i++) {
        if (++count < DEPLOY_TRANSACTIONS)
            continue;
        MR_TRY(run_block(b, b->transactions, count));
        mr_plan_forget(&b->plan);
        count = 0;
        if (mr_watch_stopped(b->watch))
            return MR_OK;
    }
    if (count > 0)
        MR_TRY(run_block(b, b->transactions, count));
    mr_plan_forget(&b->plan);
    return MR_OK;
}

static mr_status run_messages(bench *b, uint64_t first, uint64_t count)
{
    const uint64_t room = b->transactions_max * b->blocks_max;
    for (uint64_t done = 0; done < count && !mr_watch_stopped(b->watch);) {
        const uint64_t size = count - done < room ? count - done : room;
        for (uint64_t i = 0; i < size; i++)
            b->sent[mr_plan_message(&b->plan, first + done + i, &b->transactions[i])]++;
        MR_TRY(run_blocks(b, size));
        done += size;
    }
    return MR_OK;
}

static mr_statistics minus(const mr_statistics *after, const mr_statistics *before)
{
    /* All fields are counters of the same width. */
    mr_statistics out;
    static_assert(sizeof out % sizeof(uint64_t) == 0, "statistics are 64-bit counters");
    uint64_t a[sizeof out / sizeof(uint64_t)], b[sizeof out / sizeof(uint64_t)];
    memcpy(a, after, sizeof a);
    memcpy(b, before, sizeof b);
    for (size_t i = 0; i < sizeof a / sizeof a[0]; i++)
        a[i] -= b[i];
    memcpy(&out, a, sizeof out);
    return out;
}

static double hottest(const bench *b)
{
    uint64_t sum = 0, most = 0;
    for (uint64_t i = 0; i < b->plan.programs_count; i++) {
        sum += b->sent[i];
        most = b->sent[i] > most ? b->sent[i] : most;
    }
    return sum == 0 ? 0 : (double)most / (double)sum;
}

static mr_status measure(bench *b, uint64_t transactions, uint64_t warm_up)
{
    MR_TRY(run_all(b, mr_plan_upload));
    MR_TRY(run_all(b, mr_plan_create));
    MR_TRY(run_all(b, mr_plan_setup));
    MR_TRY(run_messages(b, 0, warm_up));
    MR_TRY(mr_engine_sync(b->engine, b->error));

    mr_bench_result *result = b->result;
    result->messages = result->replies = result->blocks = result->gas_burned = 0;
    result->seconds_ns = 0;
    mr_statistics before, after;
    mr_engine_statistics(b->engine, &before);
    MR_TRY(run_messages(b, warm_up, transactions));
    mr_engine_statistics(b->engine, &after);
    result->statistics = minus(&after, &before);
    result->stopped = mr_watch_stopped(b->watch);
    result->hottest = hottest(b);
    size_t rss = 0;
    if (uv_resident_set_memory(&rss) == 0)
        result->rss_bytes = rss;
    return MR_OK;
}

static mr_status open_engine(bench *b)
{
    const mr_bench_options *options = b->options;
    mr_engine_options engine = {.path = options->db,
                                .create = true,
                                .streams = options->engine.streams,
                                .no_pin = options->engine.no_pin,
                                .tier = options->engine.tier,
                                .native_directory = options->engine.native_directory,
                                .compiler = options->engine.compiler};
    MR_TRY(mr_engine_open(&engine, &b->engine, b->error));
    mr_engine_info info;
    mr_engine_info_get(b->engine, &info);
    if (info.height > 0)
        return MR_FAIL(b->error, MR_EXISTS,
                       "%s holds %" PRIu64 " block%s already; give --db a new directory",
                       options->db, info.height, mr_plural(info.height));
    mr_engine_set_timing(b->engine, options->timing);
    b->result->streams = info.streams;
    b->result->programs = b->plan.programs_count;
    mr_engine_describe(b->engine, b->result->description, sizeof b->result->description);
    return MR_OK;
}

static mr_status run_bench(bench *b)
{
    const mr_bench_options *options = b->options;
    MR_TRY(mr_plan_init(&b->plan, options->workload, options->programs, b->error));
    b->transactions_max = mr_plan_transactions(&b->plan, options->block);
    b->blocks_max =
        b->transactions_max < AHEAD_TRANSACTIONS ? AHEAD_TRANSACTIONS / b->transactions_max : 1;
    uint64_t room = b->transactions_max * b->blocks_max;
    if (room < DEPLOY_TRANSACTIONS)
        room = DEPLOY_TRANSACTIONS;
    b->transactions = calloc(room + 1, sizeof *b->transactions);
    b->sent = calloc(b->plan.programs_count, sizeof *b->sent);
    if (b->transactions == NULL || b->sent == NULL)
        return MR_FAIL(b->error, MR_NO_MEMORY, "out of memory for blocks of %" PRIu64 " messages",
                       options->block);
    /* First, so that a signal never leaves a database half made. */
    MR_TRY(mr_watch_start(options->workload->name, "messages",
                          options->messages + options->warm_up_blocks * options->block, &b->watch,
                          b->error));
    MR_TRY(open_engine(b));
    uint64_t warm_up = options->warm_up_blocks * b->transactions_max;
    return measure(b, mr_plan_transactions(&b->plan, options->messages), warm_up);
}

mr_status mr_bench_run(const mr_bench_options *options, mr_bench_result *out, mr_error *error)
{
    mr_bench_result result = {.options = options};
    bench b = {.options = options, .result = &result, .error = error};
    mr_status status = run_bench(&b);
    mr_watch_stop(b.watch);
    mr_error close_error = {0};
    mr_status closed = mr_engine_close(b.engine, &close_error);
    mr_plan_fini(&b.plan);
    free(b.transactions);
    free(b.sent);
    if (status == MR_OK && closed != MR_OK) {
        if (error != NULL)
            *error = close_error;
        return closed;
    }
    if (status == MR_OK)
        *out = result;
    return status;
}
