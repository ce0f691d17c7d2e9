/* SPDX-License-Identifier: Apache-2.0 */
/* block: executing a candidate, reading it, committing or discarding it. */
#include "engine/engine_internal.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/probe.h"
#include "engine/id.h"

void mr_block_destroy(mr_block *block, uint32_t streams_count)
{
    if (block == NULL)
        return;
    for (uint32_t s = 0; block->arenas != NULL && s <= streams_count; s++)
        mr_arena_fini(&block->arenas[s]);
    free(block->arenas);
    for (size_t i = 0; i < block->chunks_capacity; i++)
        mr_buffer_fini(&block->chunks[i].record);
    free(block->chunks);
    free(block->admitted);
    free(block->pending);
    free(block->chosen);
    free(block->remainder);
    free(block->rounds);
    free(block->user_places);
    free(block->debug_places);
    free(block->created);
    free(block->uploaded);
    free(block->uploaded_bytes);
    free(block->tasks);
    free(block->agenda_messages);
    free(block->letters);
    free(block->letter_slots);
    free(block->dirty);
    free(block->sealed);
    free(block->changes);
    free(block);
}

/* What an arena keeps from one block for the next: enough for a million messages, and no more, that
 * one huge block does not hold the machine's memory for good. */
static const size_t ARENA_KEEP_BYTES = (size_t)256 << 20;

/* Keeps one freed handle, so that its memory stays mapped and warm for the next block. */
static void release(mr_block *block)
{
    mr_engine *engine = block->engine;
    if (engine->spare != NULL)
        mr_block_destroy(block, engine->streams_count);
    else
        engine->spare = block;
}

/* Takes the kept handle, emptied, its arrays and arenas as they were. */
static mr_block *reuse(mr_engine *engine)
{
    mr_block *block = engine->spare;
    engine->spare = NULL;
    if (block == NULL)
        return calloc(1, sizeof *block);
    const mr_block old = *block;
    *block = (mr_block){
        .chunks = old.chunks,
        .chunks_capacity = old.chunks_capacity,
        .admitted = old.admitted,
        .admitted_capacity = old.admitted_capacity,
        .arenas = old.arenas,
        .pending = old.pending,
        .pending_capacity = old.pending_capacity,
        .chosen = old.chosen,
        .chosen_capacity = old.chosen_capacity,
        .remainder = old.remainder,
        .remainder_capacity = old.remainder_capacity,
        .rounds = old.rounds,
        .rounds_capacity = old.rounds_capacity,
        .user_places = old.user_places,
        .user_places_capacity = old.user_places_capacity,
        .debug_places = old.debug_places,
        .debug_places_capacity = old.debug_places_capacity,
        .created = old.created,
        .created_capacity = old.created_capacity,
        .uploaded = old.uploaded,
        .uploaded_capacity = old.uploaded_capacity,
        .uploaded_bytes = old.uploaded_bytes,
        .uploaded_bytes_capacity = old.uploaded_bytes_capacity,
        .tasks = old.tasks,
        .tasks_capacity = old.tasks_capacity,
        .agenda_messages = old.agenda_messages,
        .agenda_messages_capacity = old.agenda_messages_capacity,
        .letters = old.letters,
        .letters_capacity = old.letters_capacity,
        .dirty = old.dirty,
        .dirty_capacity = old.dirty_capacity,
        .sealed = old.sealed,
        .sealed_capacity = old.sealed_capacity,
        .changes = old.changes,
        .changes_capacity = old.changes_capacity,
    };
    free(old.letter_slots);
    for (uint32_t s = 0; s <= engine->streams_count; s++)
        mr_arena_reset(&block->arenas[s], ARENA_KEEP_BYTES);
    return block;
}

static void reset_stream(mr_stream *stream, mr_arena *block_arena)
{
    stream->block_arena = block_arena;
    mr_arena_reset(&stream->round_arena[0], ARENA_KEEP_BYTES);
    mr_arena_reset(&stream->round_arena[1], ARENA_KEEP_BYTES);
    stream->dirty_count = 0;
    stream->credits_count = 0;
    memset(stream->strangers, 0, sizeof stream->strangers);
    stream->tally = (mr_tally){0};
    stream->created_count = 0;
    stream->letters = NULL;
    stream->records_count = 0;
    stream->failure = MR_OK;
}

static mr_block *make(mr_engine *engine, const mr_block_params *params,
                      const mr_transaction *transactions, size_t transactions_count)
{
    mr_block *block = reuse(engine);
    if (block == NULL)
        return NULL;
    block->engine = engine;
    block->execution = ++engine->executions;
    block->params = *params;
    block->info.height = engine->height + 1;
    block->info.transactions_count = transactions_count;
    block->counters = engine->counters;
    block->transactions = transactions;
    block->gas_left = params->gas_limit;
    block->programs_per_task = 1;
    block->environment = (mr_environment){
        .height = (uint32_t)block->info.height,
        .timestamp_ms = params->timestamp_ms,
        .random = params->random,
        .schedule = &engine->schedule,
        .keep_debug = engine->keep_debug,
    };
    if (block->arenas == NULL)
        block->arenas = calloc(engine->streams_count + 1, sizeof *block->arenas);
    if (block->arenas == NULL ||
        MR_ROOM(block->admitted, block->admitted_capacity, transactions_count) != MR_OK) {
        mr_block_destroy(block, engine->streams_count);
        return NULL;
    }
    block->arena = &block->arenas[engine->streams_count];
    for (uint32_t s = 0; s < engine->streams_count; s++)
        reset_stream(&engine->streams[s], &block->arenas[s]);
    return block;
}

/* Gas is conserved: what was there and was bought is there, burned, or given back. Sums wrap
 * around, on both sides alike. */
static void check_gas(const mr_block *block)
{
    const mr_engine *engine = block->engine;
    uint64_t before = engine->counters.gas_held, after = block->counters.gas_held;
    for (size_t i = 0; i < engine->queue_count; i++) {
        const mr_queued *queued = engine->queue[i];
        before += queued->gas_before + queued->extra_gas;
    }
    for (size_t i = 0; i < block->remainder_count; i++)
        after += mr_dispatch_gas(&block->remainder[i]->dispatch);
    MR_ASSERT(before + block->gas_bought ==
              after + block->seen.gas_burned + block->seen.gas_rent + block->seen.gas_refunded);
}

/* Takes over what streams have counted up, all rounds being over. */
static void take_counts(mr_block *block)
{
    const mr_tally *seen = &block->seen;
    block->info.gas_rent = seen->gas_rent;
    block->info.agenda_messages_count = block->agenda_messages_count;
    block->info.user_messages_count = seen->users + block->agenda_messages_count;
    block->info.replies_count = seen->replies;
    block->info.failures_count = seen->failures;
    block->debug_count = seen->debug_lines;
    block->counters.gas_held += seen->gas_held;
    block->counters.waiting_count += seen->waiting;
    block->counters.letters_count += seen->letters;
}

static mr_status execute(mr_block *block, mr_error *error)
{
    mr_engine *engine = block->engine;
    const uint64_t start = mr_clock_ns();
    MR_PROBE(admission__begin, block->info.height, block->info.transactions_count);
    MR_TRY(mr_block_admit(block, error));
    MR_PROBE(admission__end, block->info.height);
    mr_status status = mr_stored_encode_transactions(block);
    block->transactions = NULL;
    if (status != MR_OK)
        return MR_FAIL(error, status, "out of memory");
    const uint64_t admitted = mr_clock_ns();
    engine->statistics.admit_ns += admitted - start;
    MR_TRY(mr_block_run(block, error));
    take_counts(block);
    check_gas(block);
    const uint64_t ran = mr_clock_ns();
    engine->statistics.rounds_ns += ran - admitted;
    /* Its pages come to be when somebody looks. */
    if (MR_ROOM(block->user_places, block->user_places_capacity, block->info.user_messages_count) !=
        MR_OK)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for messages to users");
    if (MR_ROOM(block->debug_places, block->debug_places_capacity, block->debug_count) != MR_OK)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for what programs printed");
    MR_PROBE(seal__begin, block->info.height);
    if (!engine->alone || engine->trying)
        MR_TRY(mr_block_seal(block, error));
    MR_PROBE(seal__end, block->info.height);
    const uint64_t sealed = mr_clock_ns();
    engine->statistics.seal_ns += sealed - ran;
    engine->statistics.commit_ns += sealed - ran;
    return engine->check ? mr_block_check(block, error) : MR_OK;
}

/* A program that the block has made is none. */
static void reject_created(mr_engine *engine, mr_program *program)
{
    atomic_fetch_sub_explicit(&engine->loaded_bytes, program->loaded_bytes, memory_order_relaxed);
    mr_index_remove(&engine->index, program);
    mr_program_free(program, engine->pool);
}

/* Messages of the queue have the gas they had, and those that have waited are known again: in the
 * places they had, for which there is memory. */
static void restore_queue(mr_engine *engine)
{
    for (size_t i = 0; i < engine->queue_count; i++) {
        mr_queued *queued = engine->queue[i];
        queued->dispatch.message.gas_limit = queued->gas_before;
        if (queued->dispatch.extra == NULL || !queued->dispatch.extra->waited)
            continue;
        mr_status status = mr_waitlist_restore(queued->dispatch.program, queued);
        MR_ASSERT(status == MR_OK);
    }
}

/* Needs no memory that there may not be: a block is discarded when there is none, too. */
static void take_back(mr_block *block)
{
    mr_engine *engine = block->engine;
    for (uint32_t s = 0; s < engine->streams_count; s++) {
        mr_stream *stream = &engine->streams[s];
        for (size_t i = 0; i < stream->dirty_count; i++) {
            if (!stream->dirty[i]->undo->created)
                mr_program_reject(stream->dirty[i], engine->pool);
        }
        stream->dirty_count = 0;
        while (stream->created_count > 0) /* in a round that failed: nobody knows of them yet */
            mr_program_free(stream->created[--stream->created_count], engine->pool);
    }
    for (size_t i = 0; i < block->created_count; i++)
        reject_created(engine, block->created[i]);
    for (size_t i = 0; i < block->uploaded_count; i++)
        mr_codes_remove(engine->codes, block->uploaded[i]);
    mr_accounts_reject(engine->accounts);
    if (engine->tree != NULL)
        mr_tree_revert(engine->tree);
    for (size_t i = 0; i < block->remainder_count; i++) {
        mr_queued *queued = block->remainder[i];
        if (queued->sequence >= engine->counters.queue_tail) /* MR_SEQUENCE_NONE is */
            mr_queued_free(queued);
        else
            queued->remains = false;
    }
    block->remainder_count = 0;
    restore_queue(engine);
    engine->next_due = 0; /* what is due is looked up again */
    engine->candidate = NULL;
}

mr_status mr_block_execute(mr_engine *engine, const mr_block_params *params,
                           const mr_transaction *transactions, size_t transactions_count,
                           mr_block **out, mr_error *error)
{
    if (engine->candidate != NULL)
        return MR_FAIL(error, MR_STATE,
                       "there is a candidate block already: commit or discard it first");
    if (engine->read_only)
        return MR_FAIL(error, MR_STATE, "the database was opened for reading only");
    if (engine->broken != MR_OK)
        return MR_FAIL(
            error, engine->broken,
            "an earlier block could not be stored (%s); open the database again to go on "
            "from the last one that was",
            mr_status_text(engine->broken));
    if (transactions_count > UINT32_MAX)
        return MR_FAIL(error, MR_LIMIT, "a block takes at most %u transactions", UINT32_MAX);
    if (engine->height + 1 >= UINT32_MAX) /* at which falls due what never does */
        return MR_FAIL(error, MR_LIMIT, "programs cannot be told of a block height beyond 32 bits");
    mr_block *block = make(engine, params, transactions, transactions_count);
    if (block == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a block");
    engine->candidate = block;
    atomic_store(&engine->damage_found, false);
    mr_status status = execute(block, error);
    if (status != MR_OK) {
        take_back(block);
        release(block);
        return mr_engine_tell_damage(engine, status, error);
    }
    *out = block;
    return MR_OK;
}

/* Receipts may lead to what no longer waits: it goes with the block's handle. */
static void keep_gone(mr_block *block, mr_queued *gone)
{
    mr_queued *last = gone;
    while (last->next_gone != NULL)
        last = last->next_gone;
    mr_queued *before = atomic_load_explicit(&block->gone, memory_order_relaxed);
    do {
        last->next_gone = before;
    } while (!atomic_compare_exchange_weak_explicit(&block->gone, &before, gone,
                                                    memory_order_release, memory_order_relaxed));
}

static void accept_programs(void *arg, size_t task, uint32_t worker)
{
    mr_block *block = arg;
    mr_engine *engine = block->engine;
    uint64_t loaded = 0; /* wraps around when programs shrank */
    mr_queued *gone = NULL;
    const size_t end = mr_block_task_end(block, task);
    for (size_t i = task * block->programs_per_task; i < end; i++) {
        mr_program *program = block->dirty[i];
        mr_program_accept(program, engine->streams[worker].pool, &gone);
        program->used_in = block->execution;
        const uint64_t bytes = mr_program_bytes(program);
        loaded += bytes - program->loaded_bytes;
        program->loaded_bytes = bytes;
    }
    atomic_fetch_add_explicit(&engine->loaded_bytes, loaded, memory_order_relaxed);
    if (gone != NULL)
        keep_gone(block, gone);
}

/* The candidate becomes the engine's state. Cannot fail. */
static void accept(mr_block *block)
{
    mr_engine *engine = block->engine;
    mr_parallel_run(&engine->parallel, mr_block_tasks(block), accept_programs, block);
    mr_accounts_accept(engine->accounts);
    mr_queued **old_queue = engine->queue;
    const size_t old_capacity = engine->queue_capacity;
    size_t gone = 0; /* receipts lead to them, so they go with the handle */
    for (size_t i = 0; i < engine->queue_count; i++) {
        if (!old_queue[i]->remains)
            old_queue[gone++] = old_queue[i];
    }
    for (size_t i = 0; i < block->remainder_count; i++) {
        mr_queued *queued = block->remainder[i];
        queued->remains = false;
        queued->gas_before = queued->dispatch.message.gas_limit; /* what a discard goes back to */
    }
    engine->queue = block->remainder;
    engine->queue_count = block->remainder_count;
    engine->queue_capacity = block->remainder_capacity;
    block->remainder = old_queue;
    block->remainder_capacity = old_capacity;
    block->remainder_count = gone;
    engine->counters = block->counters;
    engine->height = block->info.height;
    engine->root = block->root;
    engine->candidate = NULL;
    block->committed = true;
    mr_engine_evict(engine);
}

mr_status mr_block_commit(mr_block *block, mr_durability durability, mr_error *error)
{
    mr_engine *engine = block->engine;
    MR_ASSERT(!block->committed && engine->candidate == block);
    if (engine->of != NULL && !engine->trying)
        return MR_FAIL(error, MR_STATE, "a block on a view cannot be committed");
    const uint64_t start = mr_clock_ns();
    const uint64_t height = block->info.height;
    MR_PROBE(commit__begin, height);
    mr_status status = mr_block_write(block);
    if (status != MR_OK)
        return MR_FAIL(error, status, "the block could not be written: %s", mr_status_text(status));
    mr_batch **batches = malloc((engine->streams_count + 1) * sizeof(mr_batch *));
    if (batches == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a block");
    for (uint32_t s = 0; s < engine->streams_count; s++)
        batches[s] = engine->streams[s].batch;
    batches[engine->streams_count] = engine->batch;
    const uint64_t written = mr_clock_ns();
    status = mr_store_submit(engine->store, batches, engine->streams_count + 1, error);
    engine->statistics.wait_ns += mr_clock_ns() - written;
    free(batches);
    if (status != MR_OK) {
        /* Without memory for it the store has not taken the change; it says so itself if it had. */
        if (status != MR_NO_MEMORY)
            engine->broken = status;
        return status;
    }
    accept(block);
    engine->statistics.bytes_written = mr_store_bytes_written(engine->store);
    if (durability == MR_COMMIT_WAIT) {
        const uint64_t accepted = mr_clock_ns();
        status = engine->broken = mr_store_wait(engine->store, error);
        engine->statistics.wait_ns += mr_clock_ns() - accepted;
    }
    engine->statistics.commit_ns += mr_clock_ns() - start;
    MR_PROBE(commit__end, height, status);
    return status;
}

void mr_block_discard(mr_block *block)
{
    if (block == NULL)
        return;
    if (block->committed) {
        mr_block_free(block); /* accepted, but it did not become durable */
        return;
    }
    take_back(block);
    release(block);
}

void mr_block_free(mr_block *block)
{
    if (block == NULL)
        return;
    MR_ASSERT(block->committed);
    for (size_t i = 0; i < block->remainder_count; i++)
        mr_queued_free(block->remainder[i]);
    block->remainder_count = 0;
    mr_queued *gone = atomic_load_explicit(&block->gone, memory_order_acquire);
    while (gone != NULL) {
        mr_queued *next = gone->next_gone;
        mr_queued_free(gone);
        gone = next;
    }
    release(block);
}

mr_status mr_engine_sync(mr_engine *engine, mr_error *error)
{
    mr_status status = mr_store_wait(engine->store, error);
    if (status != MR_OK)
        engine->broken = status;
    return status;
}

void mr_block_info_get(const mr_block *block, mr_block_info *out)
{
    *out = block->info;
}

const mr_dispatch *mr_block_dispatch(const mr_block *block, uint64_t i)
{
    if (i >= block->info.receipts_count)
        return NULL;
    size_t low = 0, high = block->rounds_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (block->rounds[middle].first <= i)
            low = middle;
        else
            high = middle;
    }
    return block->rounds[low].dispatches[i - block->rounds[low].first];
}

bool mr_block_receipt(const mr_block *block, uint64_t i, mr_receipt *out)
{
    const mr_dispatch *dispatch = mr_block_dispatch(block, i);
    if (dispatch == NULL)
        return false;
    *out = (mr_receipt){
        .message = dispatch->message.id,
        .source = *dispatch->message.source,
        .program = *dispatch->program_id,
        .kind = dispatch->message.kind,
        .outcome = (mr_outcome)dispatch->outcome,
        .gas_limit = dispatch->gas_limit,
        .gas_burned = dispatch->gas_burned,
        .sent = dispatch->sent,
        .value = mr_dispatch_value(dispatch),
        .parent = dispatch->parent != NULL ? dispatch->parent->message.id : (mr_id){0},
        .text = dispatch->notes != NULL ? dispatch->notes->text : (mr_span){0},
    };
    return true;
}

bool mr_block_transaction(const mr_block *block, uint64_t i, mr_transaction_result *out)
{
    if (i >= block->info.transactions_count)
        return false;
    const mr_admitted *admitted = &block->admitted[i];
    *out = (mr_transaction_result){.admission = admitted->admission, .text = admitted->text};
    if (admitted->admission != MR_ADMISSION_ACCEPTED)
        return true;
    if (admitted->dispatch != NULL)
        out->id = out->message = admitted->dispatch->message.id;
    if (admitted->id != NULL)
        out->id = *admitted->id;
    return true;
}
