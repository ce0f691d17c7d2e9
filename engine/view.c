/* SPDX-License-Identifier: Apache-2.0 */
/* view: an engine over a snapshot of another's store. What is in its memory is a cache of the
 * snapshot, as an engine's is of its store; when it moves to a later one, every program is compared
 * with its record before it is used again. A view that is alone has an overlay for a store, so that
 * blocks can follow each other on it for a while. */
#include <stdatomic.h>
#include <stdlib.h>

#include "engine/engine_internal.h"
#include "engine/id.h"

enum { LOADED_SHARE = 8 /* of its engine's budgets a view has one in this */ };

static mr_status open_store(mr_engine *view, mr_error *error)
{
    mr_snapshot *snapshot;
    mr_status status = mr_store_snapshot(view->of->store, &snapshot);
    if (status != MR_OK)
        return MR_FAIL(error, status, "out of memory for a view");
    if (view->alone) {
        const uint64_t hidden = (uint64_t)1 << MR_TABLE_QUEUE | (uint64_t)1 << MR_TABLE_TASK;
        status = mr_store_open_overlay(snapshot, hidden, &view->store, error);
    } else {
        status = mr_store_open_view(snapshot, &view->store);
    }
    view->sequence = mr_snapshot_sequence(snapshot);
    mr_snapshot_put(snapshot);
    return status;
}

static mr_status open_accounts(mr_engine *view, mr_error *error)
{
    mr_accounts *accounts;
    mr_status status = mr_accounts_new(view->store, MR_TABLE_ACCOUNT, &accounts);
    if (status != MR_OK)
        return MR_FAIL(error, status, "out of memory for a view");
    mr_accounts_free(view->accounts);
    view->accounts = accounts;
    return MR_OK;
}

/* What depends on the block it sees, beside programs. */
static mr_status load(mr_engine *view, mr_error *error)
{
    view->next_due = view->alone ? UINT32_MAX : 0;
    MR_TRY(open_accounts(view, error));
    if (!view->alone) {
        mr_tree *tree;
        MR_TRY(mr_tree_open(view->store, MR_TABLE_TREE, &tree, error));
        mr_tree_free(view->tree);
        view->tree = tree;
    }
    for (size_t i = 0; i < view->queue_count; i++)
        mr_queued_free(view->queue[i]);
    view->queue_count = 0;
    return mr_state_reload(view, error);
}

static mr_status open_view(mr_engine *view, mr_error *error)
{
    MR_TRY(open_store(view, error));
    mr_status status =
        mr_codes_new(view->store, MR_TABLE_CODE, &view->rules, &view->prices, &view->codes);
    view->batch = mr_batch_new(view->store);
    view->pool = mr_unit_pool_new();
    if (status != MR_OK || view->batch == NULL || view->pool == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a view");
    mr_codes_follow(view->codes, view->of->codes);
    const mr_engine_options options = {
        .streams = 1,
        .no_pin = true,
        .live_bytes_max = view->loaded_bytes_max,
    };
    MR_TRY(mr_engine_start(view, &options, error));
    return load(view, error);
}

mr_status mr_view_open(mr_engine *engine, mr_view_kind kind, mr_engine **out, mr_error *error)
{
    mr_engine *view = calloc(1, sizeof *view);
    if (view == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a view");
    pthread_mutex_init(&view->readers, NULL);
    view->of = engine;
    view->alone = kind == MR_VIEW_ALONE;
    view->schedule = engine->schedule;
    view->rules = engine->rules;
    view->prices = engine->prices;
    view->accounts_on = engine->accounts_on;
    view->keep_debug = engine->keep_debug;
    view->keep_traces = engine->keep_traces;
    view->loaded_bytes_max = engine->loaded_bytes_max / LOADED_SHARE;
    view->epoch = 1;
    mr_status status = open_view(view, error);
    if (status != MR_OK) {
        (void)mr_engine_close(view, NULL);
        return status;
    }
    *out = view;
    return MR_OK;
}

/* Forgets what there is too much of. */
static void trim(mr_engine *view)
{
    if (atomic_load_explicit(&view->loaded_bytes, memory_order_relaxed) > view->loaded_bytes_max)
        mr_engine_forget(view);
}

/* Programs that no block has made in the end. */
static void forget_made(mr_engine *view)
{
    for (size_t at = 0; at < view->made.size; at += sizeof(mr_id)) {
        mr_id id;
        memcpy(&id, view->made.data + at, sizeof id);
        mr_program *program = mr_index_find(&view->index, &id);
        if (program != NULL)
            mr_engine_drop(view, program);
    }
    view->made.size = 0;
}

static mr_status try_to_move(mr_engine *view, mr_snapshot *snapshot, mr_error *error)
{
    view->broken = MR_OK;
    forget_made(view);
    if (view->alone) {
        mr_status status = mr_store_overlay_move(view->store, snapshot);
        if (status != MR_OK)
            return MR_FAIL(error, status, "out of memory for a view");
    } else if (snapshot != NULL) {
        mr_store_view_move(view->store, snapshot);
    }
    view->epoch++;
    trim(view);
    return load(view, error);
}

/* A view that could not move shows no block, until it can. */
static mr_status move(mr_engine *view, mr_snapshot *snapshot, mr_error *error)
{
    return view->broken = try_to_move(view, snapshot, error);
}

mr_status mr_view_refresh(mr_engine *view, mr_error *error)
{
    if (view->of == NULL)
        return MR_FAIL(error, MR_STATE, "only a view can be refreshed");
    if (view->candidate != NULL)
        return MR_FAIL(error, MR_STATE, "there is a candidate block: discard it first");
    if (mr_store_sequence(view->of->store) == view->sequence && view->broken == MR_OK)
        return MR_OK;
    mr_snapshot *snapshot;
    mr_status status = mr_store_snapshot(view->of->store, &snapshot);
    if (status != MR_OK)
        return MR_FAIL(error, status, "out of memory for a view");
    view->sequence = mr_snapshot_sequence(snapshot);
    status = move(view, snapshot, error);
    mr_snapshot_put(snapshot);
    return status;
}

/* ---- Reading ---- */

static uint32_t entry_of(const char *name)
{
    if (strcmp(name, "state") == 0)
        return MR_ENTRY_STATE;
    return strcmp(name, "metahash") == 0 ? MR_ENTRY_METAHASH : MR_ENTRIES_COUNT;
}

static void answer(const mr_execution *execution, mr_answer *out)
{
    const mr_draft *reply = &execution->reply;
    *out = (mr_answer){
        .outcome = execution->outcome,
        .gas_burned = execution->gas - execution->gas_left,
        .text = execution->text,
    };
    if (reply->committed && mr_execution_succeeded(execution))
        out->payload = mr_span_of(reply->payload, reply->payload_bytes);
}

static mr_status read_program(mr_engine *engine, const mr_reading *reading, uint32_t entry,
                              mr_program *program, mr_answer *out)
{
    mr_stream *stream = &engine->streams[0];
    mr_execution *execution = &stream->execution;
    const mr_environment environment = {
        .height = (uint32_t)engine->height,
        .timestamp_ms = reading->timestamp_ms,
        .schedule = &engine->schedule,
    };
    const mr_message message = {
        .source = &reading->source,
        .payload = reading->payload,
        .gas_limit = reading->gas_limit,
        .kind = MR_KIND_HANDLE,
    };
    const uint64_t charge = mr_entry_charge(&engine->schedule, program);
    if (charge > reading->gas_limit) {
        *out = (mr_answer){.outcome = MR_OUTCOME_OUT_OF_GAS, .gas_burned = reading->gas_limit};
        return MR_OK;
    }
    mr_arena_reset(&stream->scratch_arena, SIZE_MAX);
    execution->environment = &environment;
    execution->message = &message;
    execution->program = &program->id;
    execution->payer = &reading->source;
    execution->context = NULL;
    execution->gas = reading->gas_limit;
    execution->foreign = 0;
    execution->balance = program->balance;
    execution->heap = &program->heap;
    execution->reservations = NULL;
    execution->reservations_count = 0;
    execution->query = true;
    mr_status status = mr_execution_run(execution, stream->vm, &program->memory, entry, charge);
    execution->query = false;
    if (status == MR_OK)
        answer(execution, out);
    return status;
}

mr_status mr_engine_read(mr_engine *engine, const mr_reading *reading, mr_answer *out,
                         mr_error *error)
{
    if (engine->candidate != NULL)
        return MR_FAIL(error, MR_STATE, "there is a candidate block: commit or discard it first");
    if (engine->of != NULL && engine->broken != MR_OK)
        return MR_FAIL(error, engine->broken, "the view shows no block: refresh it");
    const uint32_t entry = entry_of(reading->entry);
    if (entry == MR_ENTRIES_COUNT)
        return MR_FAIL(error, MR_INVALID, "'%s' is no entry that reads: state and metahash are",
                       reading->entry);
    mr_program *program;
    mr_status status = mr_engine_find_program(engine, &reading->program, &program);
    if (status == MR_NOT_FOUND)
        return MR_FAIL(error, status, "there is no such program");
    if (status == MR_OK && (program->status != MR_PROGRAM_ACTIVE ||
                            !mr_code_has_entry(program->module->code, entry))) {
        *out = (mr_answer){.outcome = MR_OUTCOME_UNAVAILABLE};
        return MR_OK;
    }
    if (status == MR_OK && !program->memory_loaded)
        status = mr_program_load_memory(program, engine->store, MR_TABLE_UNIT, engine->pool);
    if (status == MR_OK)
        status = read_program(engine, reading, entry, program, out);
    if (status != MR_OK)
        return MR_FAIL(error, status, "the program cannot be read: %s", mr_status_text(status));
    return MR_OK;
}

/* ---- Estimating ---- */

/* One attempt, with one gas limit. */
typedef struct attempt {
    bool succeeded;
    bool waits;
    uint64_t burned;
    uint32_t blocks;
    mr_outcome outcome;
    mr_id failed;
} attempt;

/* Whether no dispatch of the block failed; notes the first that did. */
static bool look_at(mr_engine *view, const mr_block *block, attempt *at)
{
    mr_receipt receipt;
    for (uint64_t i = 0; mr_block_receipt(block, i, &receipt); i++) {
        if (receipt.outcome == MR_OUTCOME_OK || receipt.outcome == MR_OUTCOME_EXITED ||
            receipt.outcome == MR_OUTCOME_WAITING)
            continue;
        at->outcome = receipt.outcome;
        at->failed = receipt.program;
        view->told.size = 0;
        (void)mr_buffer_append(&view->told, receipt.text);
        return false;
    }
    return true;
}

/* Notes the programs that a block has made. */
static mr_status note_made(mr_engine *view, const mr_block *block)
{
    for (size_t i = 0; i < block->created_count; i++)
        MR_TRY(mr_buffer_append(&view->made, mr_id_span(&block->created[i]->id)));
    return MR_OK;
}

static mr_status run_block(mr_engine *view, const mr_block_params *params,
                           const mr_transaction *transaction, attempt *at, mr_error *error)
{
    const mr_block_params free_of_limits = {
        .timestamp_ms = params->timestamp_ms,
        .random = params->random,
    };
    mr_block *block;
    MR_TRY(
        mr_block_execute(view, &free_of_limits, transaction, transaction != NULL, &block, error));
    mr_transaction_result result = {0};
    mr_status status = MR_OK;
    if (transaction != NULL && mr_block_transaction(block, 0, &result) &&
        result.admission != MR_ADMISSION_ACCEPTED)
        status = MR_FAIL(error, MR_INVALID, "%s%s%s", mr_admission_text(result.admission),
                         result.text[0] != '\0' ? ": " : "", result.text);
    at->succeeded = look_at(view, block, at);
    at->burned += block->info.gas_burned + block->info.gas_rent;
    at->blocks++;
    if (status == MR_OK && at->succeeded)
        status = note_made(view, block);
    if (status == MR_OK && at->succeeded)
        status = mr_block_commit(block, MR_COMMIT_PIPELINED, error);
    mr_block_discard(block); /* frees one that is committed */
    return status;
}

/* Runs the transaction, and blocks after it as long as something of it is still to come. Blocks in
 * which nothing is due are left out: they would change nothing. */
static mr_status try_gas(mr_engine *view, const mr_block_params *params,
                         const mr_transaction *transaction, uint64_t gas, uint32_t blocks_max,
                         attempt *at, mr_error *error)
{
    *at = (attempt){0};
    mr_transaction with_gas = *transaction;
    with_gas.gas_limit = gas;
    const uint64_t height = view->height;
    view->trying = true;
    view->next_due = UINT32_MAX;
    mr_status status = run_block(view, params, &with_gas, at, error);
    while (status == MR_OK && at->succeeded && view->next_due != UINT32_MAX) {
        if (view->next_due - height > blocks_max) {
            at->waits = true;
            break;
        }
        if (view->next_due > view->height + 1)
            view->height = view->next_due - 1;
        status = run_block(view, params, NULL, at, error);
    }
    at->blocks = (uint32_t)(view->height - height) + !at->succeeded;
    view->trying = false;
    mr_status moved = move(view, NULL, error);
    return status != MR_OK ? status : moved;
}

/* The least gas up to `high` that does, knowing that `high` does, and that `low` does not unless it
 * is 0. */
static mr_status bisect(mr_engine *view, const mr_block_params *params,
                        const mr_transaction *transaction, uint64_t low, uint64_t high,
                        uint32_t blocks_max, attempt *best, uint64_t *gas, mr_error *error)
{
    /* Most often it is `high`, or a little less: down from there by steps that double, so that
     * little is run in vain; then by halves. */
    bool near = true;
    for (uint64_t step = 1; high - low > 1; step *= 2) {
        near = near && step < (high - low) / 2;
        const uint64_t middle = near ? high - step : low + (high - low) / 2;
        attempt at;
        MR_TRY(try_gas(view, params, transaction, middle, blocks_max, &at, error));
        if (at.succeeded) {
            high = middle;
            *best = at;
        } else {
            low = middle;
            near = false;
        }
    }
    *gas = high;
    if (high != 1)
        return MR_OK;
    /* That nothing does not do was taken for granted; but a reply may draw on what waits for it. */
    attempt at;
    MR_TRY(try_gas(view, params, transaction, 0, blocks_max, &at, error));
    if (at.succeeded) {
        *gas = 0;
        *best = at;
    }
    return MR_OK;
}

/* A message that is not woken is removed when its gas pays no more rent, which is a failure: so
 * the least gas found pays it up to the last block looked at, and in the next one it is removed. */
static mr_status look_further(mr_engine *view, const mr_block_params *params,
                              const mr_transaction *transaction, uint32_t blocks_max,
                              mr_estimate *out, mr_error *error)
{
    if (blocks_max == UINT32_MAX)
        return MR_OK;
    attempt at;
    MR_TRY(try_gas(view, params, transaction, out->gas_limit, blocks_max + 1, &at, error));
    out->cut = !at.succeeded && at.outcome == MR_OUTCOME_REMOVED;
    return MR_OK;
}

static mr_status estimate(mr_engine *view, const mr_block_params *params,
                          const mr_transaction *transaction, uint64_t gas_max, uint32_t blocks_max,
                          mr_estimate *out, mr_error *error)
{
    attempt at;
    MR_TRY(try_gas(view, params, transaction, gas_max, blocks_max, &at, error));
    *out = (mr_estimate){
        .succeeds = at.succeeded,
        .gas_limit = gas_max,
        .gas_burned = at.burned,
        .blocks = at.blocks,
        .waits = at.waits,
        .outcome = at.outcome,
        .failed = at.failed,
        .text = mr_buffer_span(&view->told),
    };
    if (!at.succeeded)
        return MR_OK;
    /* What is burned with plenty is most often near what is needed: look there first. */
    uint64_t low = 0, high = gas_max;
    for (uint64_t guess = at.burned; guess < high; guess += guess / 2 + 1) {
        attempt guessed;
        MR_TRY(try_gas(view, params, transaction, guess, blocks_max, &guessed, error));
        if (guessed.succeeded) {
            high = guess;
            at = guessed;
            break;
        }
        low = guess;
    }
    MR_TRY(bisect(view, params, transaction, low, high, blocks_max, &at, &out->gas_limit, error));
    out->gas_burned = at.burned;
    out->blocks = at.blocks;
    out->waits = at.waits;
    out->text = (mr_span){0};
    return at.waits ? look_further(view, params, transaction, blocks_max, out, error) : MR_OK;
}

mr_status mr_view_estimate(mr_engine *view, const mr_block_params *params,
                           const mr_transaction *transaction, uint64_t gas_max, uint32_t blocks_max,
                           mr_estimate *out, mr_error *error)
{
    if (view->of == NULL || !view->alone)
        return MR_FAIL(error, MR_STATE, "gas is estimated on a view that is alone");
    if (view->candidate != NULL)
        return MR_FAIL(error, MR_STATE, "there is a candidate block: discard it first");
    if (transaction->kind != MR_TRANSACTION_CREATE && transaction->kind != MR_TRANSACTION_SEND &&
        transaction->kind != MR_TRANSACTION_REPLY)
        return MR_FAIL(error, MR_INVALID, "only messages have a gas limit to be estimated");
    if (view->broken != MR_OK)
        MR_TRY(move(view, NULL, error));
    return estimate(view, params, transaction, gas_max != 0 ? gas_max : MR_ESTIMATE_GAS,
                    blocks_max != 0 ? blocks_max : MR_ESTIMATE_BLOCKS, out, error);
}
