/* SPDX-License-Identifier: Apache-2.0 */
/* millrace run: executes a scenario block by block and checks what it expects. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/millrace/command.h"
#include "tools/millrace/report.h"
#include "tools/millrace/scenario.h"
#include "tools/millrace/scenario_check.h"
#include "tools/millrace/watch.h"

typedef struct run_options {
    mr_engine_flags engine;
    const char *scenario;
    const char *db; /* NULL: the state stays in memory */
    uint64_t lines_max;
    bool json, check, debug;
} run_options;

/* A message that a user may answer. */
typedef struct received {
    mr_id from, to, message;
} received;

typedef struct run {
    const run_options *options;
    mr_scenario scenario;
    mr_engine *engine;
    mr_watch *watch;
    mr_buffer transactions; /* of the block at hand */
    mr_buffer inbox;        /* received, when the scenario answers any */
    uint64_t blocks_count, failures;
    bool began; /* printing */
    mr_error *error;
} run;

static mr_status no_memory(run *r)
{
    return MR_FAIL(r->error, MR_NO_MEMORY, "out of memory running %s", r->options->scenario);
}

static mr_status add(run *r, const mr_transaction *transaction)
{
    return mr_buffer_append(&r->transactions, mr_span_of(transaction, sizeof *transaction)) == MR_OK
               ? MR_OK
               : no_memory(r);
}

static mr_status report(run *r, const mr_block_view *view, const char *note, bool brief)
{
    if (!r->options->json) {
        mr_report_block(stdout, view, note, brief ? 0 : r->options->lines_max);
        mr_debug_line line;
        for (uint64_t i = 0; r->options->debug && mr_block_debug(view->block, i, &line); i++)
            (void)printf("  %s says %s\n", mr_names_print(view->names, &line.program).text,
                         mr_bytes_print(line.text).text);
        return mr_stdout_flush(r->error);
    }
    /* One object for the whole run, printed block by block so that it need not fit in memory. */
    json_t *object = mr_json_block(view);
    if (object == NULL)
        return no_memory(r);
    (void)fputs(r->blocks_count > 1 ? ",\n" : "\n", stdout);
    int failed = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(object);
    return failed == 0 || ferror(stdout) ? mr_stdout_flush(r->error) : no_memory(r);
}

static mr_status remember(run *r, const mr_block_view *view)
{
    mr_user_message message;
    for (uint64_t i = 0; r->scenario.replies && mr_view_user_message(view, i, &message); i++) {
        if (message.is_reply)
            continue;
        received entry = {.from = message.from, .to = message.to, .message = message.id};
        if (mr_buffer_append(&r->inbox, mr_span_of(&entry, sizeof entry)) != MR_OK)
            return no_memory(r);
    }
    return MR_OK;
}

/* Executes r->transactions as a block and commits it; *out is for the caller to free. */
static mr_status execute(run *r, const mr_block_params *params, mr_block_view *out)
{
    mr_block *block;
    size_t count = r->transactions.size / sizeof(mr_transaction);
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
static mr_status check_deployed(run *r, const mr_block *block)
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

static mr_status deploy(run *r)
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
    return report(r, &view, "programs", false);
}

static mr_status find_answered(run *r, const mr_scenario_message *message, mr_id *out)
{
    const received *entries = (const received *)(void *)r->inbox.data;
    uint64_t seen = 0;
    for (size_t i = 0; i < r->inbox.size / sizeof *entries; i++) {
        if (memcmp(&entries[i].from, &message->to, sizeof(mr_id)) != 0 ||
            memcmp(&entries[i].to, &message->from, sizeof(mr_id)) != 0)
            continue;
        if (seen++ == message->answer) {
            *out = entries[i].message;
            return MR_OK;
        }
    }
    return MR_FAIL(r->error, MR_INVALID,
                   "%s:%u: there is no message %" PRIu64 " to reply to: %s has had %" PRIu64
                   " from %s so far, counted from 0",
                   r->scenario.file_name, message->line, message->answer,
                   mr_names_print(&r->scenario.names, &message->from).text, seen,
                   mr_names_print(&r->scenario.names, &message->to).text);
}

static mr_status add_messages(run *r, const mr_scenario_block *block)
{
    r->transactions.size = 0;
    for (size_t i = 0; i < block->messages_count; i++) {
        const mr_scenario_message *message = &block->message[i];
        mr_transaction transaction = {.kind = message->kind,
                                      .from = message->from,
                                      .to = message->to,
                                      .payload = message->payload,
                                      .gas_limit = message->gas,
                                      .value = message->value};
        if (message->kind == MR_TRANSACTION_TRANSFER)
            transaction.gas_limit = 0;
        if (message->kind == MR_TRANSACTION_REPLY)
            MR_TRY(find_answered(r, message, &transaction.to));
        MR_TRY(add(r, &transaction));
    }
    return MR_OK;
}

static mr_status run_once(run *r, const mr_scenario_block *scenario_block, uint64_t turn)
{
    mr_block_params params = {.timestamp_ms =
                                  scenario_block->timestamp_ms + turn * MR_SCENARIO_BLOCK_MS,
                              .gas_limit = scenario_block->gas_limit,
                              .random = scenario_block->random};
    MR_TRY(add_messages(r, scenario_block));
    mr_block_view view;
    MR_TRY(execute(r, &params, &view));
    __attribute__((cleanup(free_block))) mr_block *block = (mr_block *)(uintptr_t)view.block;
    MR_TRY(remember(r, &view));
    MR_TRY(report(r, &view, turn > 0 ? "repeated" : "", turn > 0));
    return mr_scenario_check(&r->scenario, scenario_block, &view, r->engine, stderr, &r->failures,
                             r->error);
}

static mr_status run_blocks(run *r)
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

static mr_status open_engine(run *r)
{
    const run_options *options = r->options;
    mr_engine_options engine = {.path = options->db,
                                .create = true,
                                .streams = options->engine.streams,
                                .no_pin = options->engine.no_pin,
                                .tier = options->engine.tier,
                                .keep_debug = options->debug,
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
    return MR_OK;
}

static mr_status run_scenario(run *r)
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

static int conclude(run *r, mr_status status)
{
    bool passed = status == MR_OK && r->failures == 0;
    mr_watch_stop(r->watch);
    mr_error close_error = {0};
    mr_status closed = mr_engine_close(r->engine, &close_error);
    if (r->options->json && r->began)
        (void)printf("], \"failures\": %" PRIu64 ", \"passed\": %s}\n", r->failures,
                     passed && closed == MR_OK ? "true" : "false");
    mr_scenario_close(&r->scenario);
    mr_buffer_fini(&r->transactions);
    mr_buffer_fini(&r->inbox);
    if (status != MR_OK)
        return mr_command_failed(r->error);
    if (closed != MR_OK)
        return mr_command_failed(&close_error);
    if (r->failures > 0) {
        (void)MR_FAIL(r->error, MR_INVALID, "%s: %" PRIu64 " expectation%s not met",
                      r->options->scenario, r->failures, r->failures == 1 ? " is" : "s are");
        return mr_command_failed(r->error);
    }
    return mr_stdout_flush(r->error) == MR_OK ? MR_EXIT_OK : mr_command_failed(r->error);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    run_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->engine;
        return 0;
    case 'd':
        options->db = mr_argp_db(state, argument);
        return 0;
    case 'j':
        options->json = true;
        return 0;
    case 'l':
        options->lines_max = mr_argp_u64(state, "--lines", argument, 0, UINT64_MAX);
        return 0;
    case 'c':
        options->check = true;
        return 0;
    case 'g':
        options->debug = true;
        return 0;
    case ARGP_KEY_ARG:
        if (options->scenario != NULL)
            return ARGP_ERR_UNKNOWN;
        options->scenario = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which scenario?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int mr_command_run(int argc, char **argv)
{
    static const struct argp_option argp_options[] = {
        {"db", 'd', "DIR", 0, "keep the state in a new database there; else it is in memory", 0},
        {"json", 'j', NULL, 0, "print one JSON object", 0},
        {"lines", 'l', "N", 0, "print at most N receipts and N messages a block; default 50", 0},
        {"check", 'c', NULL, 0, "check conservation and roots after every block; slow", 0},
        {"debug", 'g', NULL, 0, "print what programs say with gr_debug", 0},
        {0},
    };
    static const struct argp_child children[] = {{&mr_engine_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse,
        .args_doc = "SCENARIO.yaml",
        .doc = "Deploys the scenario's programs, feeds its messages block by block, prints "
               "receipts and checks what is expected.",
        .children = children};
    run_options options = {.lines_max = 50};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &options);
    mr_error error = {0};
    run r = {.options = &options, .error = &error};
    mr_status status = run_scenario(&r);
    return conclude(&r, status);
}
