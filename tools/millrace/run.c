/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/millrace/gas_report.h"
#include "tools/millrace/run_internal.h"
#include "tools/millrace/scenario_check.h"

mr_status mr_run_no_memory(mr_running *r)
{
    return MR_FAIL(r->error, MR_NO_MEMORY, "out of memory running %s", r->options->scenario);
}

static mr_status add(mr_running *r, const mr_transaction *transaction)
{
    return mr_buffer_append(&r->transactions, mr_span_of(transaction, sizeof *transaction)) == MR_OK
               ? MR_OK
               : mr_run_no_memory(r);
}

static mr_status remember(mr_running *r, const mr_block_view *view)
{
    if (!r->scenario.needs_inbox || mr_inbox_take(&r->inbox, view) == MR_OK)
        return MR_OK;
    return mr_run_no_memory(r);
}

/* What the agenda is going to do is gone once it has done it. */
static mr_status look_ahead(mr_running *r)
{
    r->due.size = 0;
    if (!r->options->trace)
        return MR_OK;
    mr_status status = mr_trace_due(r->engine, r->blocks_count + 1, &r->due);
    return status == MR_OK
               ? MR_OK
               : MR_FAIL(r->error, status, "cannot look at the agenda: %s", mr_status_text(status));
}

/* Executes r->transactions as a block and commits it; *out is for the caller to free. */
static mr_status execute(mr_running *r, const mr_block_params *params, mr_block_view *out)
{
    mr_block *block;
    size_t count = r->transactions.size / sizeof(mr_transaction);
    MR_TRY(look_ahead(r));
    MR_TRY(mr_block_execute(r->engine, params, (const mr_transaction *)(void *)r->transactions.data,
                            count, &block, r->error));
    mr_status status = mr_block_commit(
        block, r->options->db != NULL ? MR_COMMIT_PIPELINED : MR_COMMIT_WAIT, r->error);
    if (status != MR_OK) {
        mr_block_discard(block);
        return status;
    }
    r->blocks_count++;
    *out = (mr_block_view){.block = block, .names = &r->scenario.names};
    mr_block_info_get(block, &out->info);
    return MR_OK;
}

static void free_block(mr_block **block)
{
    mr_block_free(*block);
}

/* Uploads and init messages are taken, or there is no sense in going on. */
static mr_status check_deployed(mr_running *r, const mr_block *block)
{
    mr_transaction_result result;
    for (uint64_t i = 0; mr_block_transaction(block, i, &result); i++) {
        bool code = i < r->scenario.codes_count;
        uint32_t line =
            code ? r->scenario.code[i].line : r->scenario.program[i - r->scenario.codes_count].line;
        if (result.admission != MR_ADMISSION_ACCEPTED)
            return MR_FAIL(r->error, MR_INVALID, "%s:%u: cannot %s: %s%s%s", r->scenario.file_name,
                           line, code ? "upload the module" : "create the program",
                           mr_admission_text(result.admission), result.text[0] != '\0' ? ": " : "",
                           result.text);
    }
    return MR_OK;
}

static mr_status deploy(mr_running *r)
{
    const mr_scenario *scenario = &r->scenario;
    if (scenario->codes_count == 0)
        return MR_OK;
    for (size_t i = 0; i < scenario->codes_count; i++)
        MR_TRY(add(r, &(mr_transaction){.kind = MR_TRANSACTION_UPLOAD,
                                        .from = scenario->code[i].from,
                                        .payload = scenario->code[i].module}));
    for (size_t i = 0; i < scenario->programs_count; i++) {
        const mr_scenario_program *program = &scenario->program[i];
        MR_TRY(add(r, &(mr_transaction){.kind = MR_TRANSACTION_CREATE,
                                        .from = program->from,
                                        .to = program->code,
                                        .payload = program->init,
                                        .salt = program->salt,
                                        .gas_limit = program->gas,
                                        .value = program->value}));
    }
    mr_block_view view;
    MR_TRY(execute(r, &(mr_block_params){.timestamp_ms = MR_SCENARIO_BLOCK_MS}, &view));
    __attribute__((cleanup(free_block))) mr_block *block = (mr_block *)(uintptr_t)view.block;
    MR_TRY(check_deployed(r, block));
    MR_TRY(remember(r, &view));
    return mr_run_tell(r, &view, "programs", false, NULL);
}

static mr_status add_messages(mr_running *r, const mr_scenario_block *block)
{
    r->transactions.size = 0;
    for (size_t i = 0; i < block->messages_count; i++) {
        const mr_scenario_message *message = &block->message[i];
        mr_transaction transaction = {.kind = message->kind,
                                      .from = message->from,
                                      .to = message->to,
                                      .payload = message->payload,
                                      .gas_limit = message->gas,
                                      .value = message->value,
                                      .tip = message->tip};
        if (message->kind == MR_TRANSACTION_REPLY || message->kind == MR_TRANSACTION_CLAIM)
            MR_TRY(mr_inbox_find(&r->inbox, &r->scenario, message, &transaction.to, r->error));
        MR_TRY(add(r, &transaction));
    }
    return MR_OK;
}

static mr_status run_once(mr_running *r, const mr_scenario_block *scenario_block, uint64_t turn)
{
    mr_block_params params = {.timestamp_ms =
                                  scenario_block->timestamp_ms + turn * MR_SCENARIO_BLOCK_MS,
                              .gas_limit = scenario_block->gas_limit,
                              .random = scenario_block->random};
    MR_TRY(add_messages(r, scenario_block));
    if (r->options->estimate && turn == 0)
        MR_TRY(mr_run_estimate(r, &params));
    mr_block_view view;
    MR_TRY(execute(r, &params, &view));
    __attribute__((cleanup(free_block))) mr_block *block = (mr_block *)(uintptr_t)view.block;
    MR_TRY(remember(r, &view));
    MR_TRY(mr_run_tell(r, &view, turn > 0 ? "repeated" : "", turn > 0, scenario_block->expect));
    return mr_scenario_check(&r->scenario, scenario_block, &view, r->engine, &r->inbox, stderr,
                             &r->failures, r->error);
}

static mr_status run_blocks(mr_running *r)
{
    MR_TRY(deploy(r));
    for (size_t i = 0; i < r->scenario.blocks_count; i++) {
        const mr_scenario_block *block = &r->scenario.block[i];
        for (uint64_t turn = 0; turn < block->repeat; turn++) {
            if (mr_watch_stopped(r->watch))
                return MR_FAIL(r->error, MR_STATE, "stopped after block %" PRIu64, r->blocks_count);
            MR_TRY(run_once(r, block, turn));
            mr_watch_add(r->watch, 1);
        }
    }
    return mr_engine_sync(r->engine, r->error);
}

static mr_status open_engine(mr_running *r)
{
    const mr_run_options *options = r->options;
    mr_engine_options engine = {.path = options->db,
                                .create = true,
                                .streams = options->engine.streams,
                                .no_pin = options->engine.no_pin,
                                .tier = options->engine.tier,
                                .native_directory = options->engine.native_directory,
                                .compiler = options->engine.compiler,
                                .keep_debug = options->debug,
                                .keep_traces = true,
                                .check = options->check,
                                .accounts = r->scenario.accounts,
                                .genesis = r->scenario.genesis,
                                .genesis_count = r->scenario.genesis_count};
    MR_TRY(mr_engine_open(&engine, &r->engine, r->error));
    mr_engine_info info;
    mr_engine_info_get(r->engine, &info);
    if (info.height > 0)
        return MR_FAIL(r->error, MR_EXISTS,
                       "%s holds %" PRIu64
                       " block%s already, and a scenario begins with the first; "
                       "give --db a new directory",
                       options->db, info.height, mr_plural(info.height));
    mr_explainer_init(&r->explainer, &r->scenario.names, r->engine);
    if (options->profile && mr_engine_set_gas_profile(r->engine, true) != MR_OK)
        return mr_run_no_memory(r);
    return MR_OK;
}

static mr_status tell_profile(mr_running *r)
{
    const mr_run_options *options = r->options;
    const mr_names *names = &r->scenario.names;
    if (options->profile_file != NULL)
        MR_TRY(mr_gas_report_fold(options->profile_file, r->engine, names, r->error));
    if (!options->json)
        return mr_gas_report_print(stdout, r->engine, names, r->error);
    json_t *profile = NULL;
    MR_TRY(mr_gas_report_json(r->engine, names, &profile, r->error));
    (void)fputs("], \"profile\": ", stdout);
    int failed = json_dumpf(profile, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(profile);
    return failed == 0 || ferror(stdout) ? MR_OK : mr_run_no_memory(r);
}

static mr_status run_all(mr_running *r)
{
    MR_TRY(mr_scenario_open(r->options->scenario, &r->scenario, r->error));
    uint64_t total = 0;
    for (size_t i = 0; i < r->scenario.blocks_count; i++)
        total += r->scenario.block[i].repeat;
    MR_TRY(mr_watch_start("run", "blocks", total, &r->watch, r->error));
    MR_TRY(open_engine(r));
    r->began = true;
    if (r->options->json) {
        json_t *title = json_string(r->scenario.title);
        (void)fputs("{\"scenario\": ", stdout);
        if (title != NULL)
            (void)json_dumpf(title, stdout, JSON_ENCODE_ANY);
        json_decref(title);
        (void)fputs(", \"blocks\": [", stdout);
    } else if (r->scenario.title[0] != '\0') {
        (void)printf("%s\n", r->scenario.title);
    }
    return run_blocks(r);
}

/* The profile is that of all blocks, or of those before the failure; what went wrong first is told.
 */
static mr_status finish(mr_running *r, mr_status status)
{
    const bool profiled = r->options->profile && r->began;
    bool closes_list = r->options->json && r->began;
    if (profiled && status == MR_OK) {
        status = tell_profile(r);
        closes_list &= status != MR_OK;
    }
    mr_watch_stop(r->watch);
    mr_error close_error = {0};
    mr_explainer_fini(&r->explainer);
    (void)mr_engine_close(r->view, NULL);
    mr_status closed = mr_engine_close(r->engine, &close_error);
    if (status == MR_OK && closed != MR_OK) {
        status = closed;
        *r->error = close_error;
    }
    if (r->options->json && r->began)
        (void)printf("%s, \"failures\": %" PRIu64 ", \"passed\": %s}\n", closes_list ? "]" : "",
                     r->failures, status == MR_OK && r->failures == 0 ? "true" : "false");
    mr_scenario_close(&r->scenario);
    mr_buffer_fini(&r->transactions);
    mr_buffer_fini(&r->due);
    mr_inbox_fini(&r->inbox);
    json_decref(r->estimates);
    return status == MR_OK ? mr_stdout_flush(r->error) : status;
}

mr_status mr_run_scenario(const mr_run_options *options, uint64_t *failures, mr_error *error)
{
    mr_running r = {.options = options, .error = error};
    mr_status status = run_all(&r);
    status = finish(&r, status);
    *failures = r.failures;
    return status;
}
