/* SPDX-License-Identifier: Apache-2.0 */
/* seal: after the last round, credits reach their accounts, what changed is hashed by all workers,
 * and the state tree yields the root. */
#include "engine/engine_internal.h"

#include <stdlib.h>

#include "base/assert.h"
#include "engine/id.h"

static mr_status apply_credit(mr_engine *engine, const mr_id *id, mr_value amount)
{
    mr_account *account;
    MR_TRY(mr_accounts_take(engine->accounts, id, &account));
    account->balance += amount;
    return MR_OK;
}

/* Values that left to users, refunds, and the author's reward. */
static mr_status apply_credits(mr_block *block)
{
    mr_engine *engine = block->engine;
    for (uint32_t s = 0; s < engine->streams_count; s++) {
        mr_stream *stream = &engine->streams[s];
        if (!engine->accounts_on)
            block->counters.issued -= stream->tally.value_left;
        for (size_t i = 0; i < stream->credits_count; i++)
            MR_TRY(apply_credit(engine, &stream->credits[i].account, stream->credits[i].amount));
    }
    if (!engine->accounts_on)
        return MR_OK;
    block->info.reward +=
        ((mr_value)block->info.gas_burned + block->info.gas_rent) * engine->schedule.value_per_gas;
    if (!mr_id_is_zero(&block->params.author))
        return apply_credit(engine, &block->params.author, block->info.reward);
    block->counters.burned += block->info.reward;
    return MR_OK;
}

static mr_status note(mr_stream *stream, mr_table table, mr_span key, mr_record **out)
{
    MR_TRY(MR_GROW(stream->records, stream->records_capacity, stream->records_count));
    mr_record *record = &stream->records[stream->records_count++];
    *record = (mr_record){.table = table, .key_bytes = (uint8_t)key.size};
    record->tree.key = mr_state_key(table, key);
    MR_ASSERT(key.size <= sizeof record->key);
    memcpy(record->key, key.data, key.size);
    *out = record;
    return MR_OK;
}

mr_status mr_stream_put(mr_stream *stream, mr_table table, mr_span key, mr_span bytes)
{
    uint8_t *copy = mr_arena_alloc(stream->block_arena, bytes.size);
    mr_record *record;
    if (copy == NULL)
        return MR_NO_MEMORY;
    MR_TRY(note(stream, table, key, &record));
    memcpy(copy, bytes.data, bytes.size);
    record->record = mr_span_of(copy, bytes.size);
    record->tree.leaf = mr_hash_bytes(bytes);
    record->tree.present = true;
    return MR_OK;
}

mr_status mr_stream_remove(mr_stream *stream, mr_table table, mr_span key)
{
    mr_record *record;
    return note(stream, table, key, &record);
}

/* Some tasks a worker, so that all are done at about the same time; a task of a few programs costs
 * little beside what they have changed. */
static void set_programs_per_task(mr_block *block)
{
    enum { PROGRAMS_MOST = 16, TASKS_PER_WORKER = 8 };
    const size_t share = block->dirty_count / (block->engine->streams_count * TASKS_PER_WORKER);
    block->programs_per_task = share < 1 ? 1 : share < PROGRAMS_MOST ? share : PROGRAMS_MOST;
}

static mr_status gather_dirty(mr_block *block)
{
    const mr_engine *engine = block->engine;
    size_t count = block->created_count;
    for (uint32_t s = 0; s < engine->streams_count; s++)
        count += engine->streams[s].dirty_count;
    MR_TRY(MR_ROOM(block->dirty, block->dirty_capacity, count));
    size_t at = 0;
    for (size_t i = 0; i < block->created_count; i++)
        block->dirty[at++] = block->created[i];
    for (uint32_t s = 0; s < engine->streams_count; s++) {
        const mr_stream *stream = &engine->streams[s];
        for (size_t i = 0; i < stream->dirty_count; i++)
            block->dirty[at++] = stream->dirty[i];
    }
    MR_ASSERT(at == count);
    block->dirty_count = count;
    set_programs_per_task(block);
    return MR_OK;
}

static mr_status remove_task(const mr_block *block, mr_stream *stream, uint32_t due,
                             uint64_t sequence)
{
    if (due == block->info.height)
        return MR_OK; /* carried out, and gone with that */
    uint8_t key[MR_TASK_KEY_BYTES];
    mr_task_key(due, sequence, key);
    return mr_stream_remove(stream, MR_TABLE_TASK, mr_span_of(key, sizeof key));
}

/* A message that waits now is kept on the heap. */
static mr_status keep_waiting(const mr_wait_slot *slot, mr_queued **out)
{
    const mr_extra *extra = slot->now->extra;
    mr_queued *after;
    MR_TRY(mr_queued_new(slot->now, &after));
    after->dispatch.sender = NULL; /* it may be dropped meanwhile */
    if (extra->task != NULL)
        after->extra.task_sequence = extra->task->sequence;
    after->extra.task = NULL;
    *out = after;
    return MR_OK;
}

static mr_status seal_slot(const mr_block *block, mr_stream *stream, const mr_program *program,
                           mr_wait_slot *slot)
{
    const mr_queued *before = slot->before;
    const bool waits = slot->now != NULL && slot->now->extra->waiting;
    if (before != NULL && slot->now == &before->dispatch)
        return MR_OK;
    if (before != NULL && (!waits || slot->now->extra->task != NULL))
        MR_TRY(remove_task(block, stream, before->extra.until, before->extra.task_sequence));
    uint8_t key[MR_WAIT_KEY_BYTES];
    mr_wait_key(&program->id, &slot->id, key);
    const mr_span key_span = mr_span_of(key, sizeof key);
    if (!waits)
        return before == NULL ? MR_OK : mr_stream_remove(stream, MR_TABLE_WAITLIST, key_span);
    MR_TRY(keep_waiting(slot, &slot->after));
    stream->scratch.size = 0;
    MR_TRY(mr_waitlist_encode(slot->after, &stream->scratch));
    return mr_stream_put(stream, MR_TABLE_WAITLIST, key_span, mr_buffer_span(&stream->scratch));
}

/* Reservations made in the block learn their tasks' numbers; tasks of those ended are removed. */
static mr_status seal_reservations(const mr_block *block, mr_stream *stream, mr_program *program)
{
    const mr_program_undo *undo = program->undo;
    if (!undo->reservations_saved)
        return MR_OK;
    for (uint32_t i = 0; i < program->reservations_count; i++) {
        mr_reservation *reservation = &program->reservations[i];
        if (reservation->task != NULL)
            reservation->sequence = reservation->task->sequence;
        reservation->task = NULL;
    }
    uint32_t k = 0; /* both ascend by id */
    for (uint32_t i = 0; i < undo->reservations_count; i++) {
        const mr_reservation *old = &undo->reservations[i];
        int order = 1;
        while (k < program->reservations_count &&
               (order = mr_id_order(&program->reservations[k].id, &old->id)) < 0)
            k++;
        if (k == program->reservations_count || order > 0)
            MR_TRY(remove_task(block, stream, old->finish, old->sequence));
    }
    return MR_OK;
}

static mr_status seal_program(mr_block *block, size_t i, mr_stream *stream, mr_buffer *record)
{
    mr_program *program = block->dirty[i];
    mr_sealed *sealed = &block->sealed[i];
    for (mr_wait_slot *slot = mr_waitlist_touched(program); slot != NULL; slot = slot->next)
        MR_TRY(seal_slot(block, stream, program, slot));
    MR_TRY(seal_reservations(block, stream, program));
    MR_TRY(mr_program_seal(program, stream->pool, &sealed->changes, &sealed->changes_count));
    record->size = 0;
    MR_TRY(mr_program_encode(program, record));
    uint8_t *copy = mr_arena_alloc(stream->block_arena, record->size);
    if (copy == NULL)
        return MR_NO_MEMORY;
    memcpy(copy, record->data, record->size);
    sealed->record = mr_span_of(copy, record->size);
    block->changes[i] = (mr_tree_change){
        .key = mr_state_key(MR_TABLE_PROGRAM, mr_id_span(&program->id)),
        .leaf = mr_hash_bytes(mr_buffer_span(record)),
        .present = true,
    };
    return MR_OK;
}

static void seal_programs(void *arg, size_t task, uint32_t worker)
{
    mr_block *block = arg;
    mr_stream *stream = &block->engine->streams[worker];
    mr_buffer *record = &stream->scratch;
    const size_t end = mr_block_task_end(block, task);
    for (size_t i = task * block->programs_per_task; i < end; i++) {
        mr_status status = seal_program(block, i, stream, record);
        if (status != MR_OK && stream->failure == MR_OK)
            stream->failure = status;
    }
}

static mr_status change(mr_block *block, mr_table table, mr_span key, const mr_hash *leaf)
{
    MR_TRY(MR_GROW(block->changes, block->changes_capacity, block->changes_count));
    mr_tree_change *made = &block->changes[block->changes_count++];
    *made = (mr_tree_change){.key = mr_state_key(table, key), .present = leaf != NULL};
    if (leaf != NULL)
        made->leaf = *leaf;
    return MR_OK;
}

static mr_status seal_accounts(mr_block *block)
{
    for (const mr_account *account = mr_accounts_dirty(block->engine->accounts); account != NULL;
         account = account->dirty_next) {
        if (account->balance == account->before)
            continue;
        block->counters.accounts_count += account->before == 0;
        block->counters.accounts_count -= account->balance == 0;
        uint8_t record[MR_ACCOUNT_RECORD_BYTES];
        mr_accounts_encode(account->balance, record);
        const mr_hash leaf = mr_hash_bytes(mr_span_of(record, sizeof record));
        MR_TRY(change(block, MR_TABLE_ACCOUNT, mr_id_span(&account->id),
                      account->balance == 0 ? NULL : &leaf));
    }
    return MR_OK;
}

static mr_status seal_codes(mr_block *block)
{
    for (size_t i = 0; i < block->uploaded_count; i++) {
        const mr_id *id = &block->uploaded[i]->id;
        const mr_hash leaf = mr_hash_bytes(mr_id_span(id));
        MR_TRY(change(block, MR_TABLE_CODE, mr_id_span(id), &leaf));
    }
    return MR_OK;
}

enum { TASKS_PER_TASK = 1024 /* of the agenda */ };

static void fail(mr_stream *stream, mr_status status)
{
    if (status != MR_OK && stream->failure == MR_OK)
        stream->failure = status;
}

static void seal_tasks(void *arg, size_t task, uint32_t worker)
{
    mr_block *block = arg;
    mr_stream *stream = &block->engine->streams[worker];
    size_t end = (task + 1) * TASKS_PER_TASK;
    if (end > block->tasks_count)
        end = block->tasks_count;
    fail(stream, mr_agenda_seal(block, stream, task * TASKS_PER_TASK, end));
}

static void seal_letters(void *arg, size_t task, uint32_t worker)
{
    mr_block *block = arg;
    mr_stream *stream = &block->engine->streams[worker];
    fail(stream, mr_mailbox_seal_stream(&block->engine->streams[task], stream));
}

/* What streams have noted becomes part of the tree's changes. */
static mr_status take_records(mr_block *block)
{
    const mr_engine *engine = block->engine;
    for (uint32_t s = 0; s < engine->streams_count; s++) {
        const mr_stream *stream = &engine->streams[s];
        for (size_t i = 0; i < stream->records_count; i++) {
            const mr_record *record = &stream->records[i];
            MR_TRY(MR_GROW(block->changes, block->changes_capacity, block->changes_count));
            block->changes[block->changes_count++] = record->tree;
            if (record->table == MR_TABLE_TASK)
                block->counters.tasks_count += record->tree.present ? 1 : UINT64_MAX;
        }
    }
    return MR_OK;
}

/* What the block took out of the stored queue, and what it leaves there anew or with other gas. */
static mr_status seal_queue(mr_block *block)
{
    const mr_engine *engine = block->engine;
    mr_stream *stream = &engine->streams[0];
    uint8_t key[8];
    const mr_span key_span = mr_span_of(key, sizeof key);
    for (size_t i = 0; i < engine->queue_count; i++) {
        mr_store_be64(key, engine->queue[i]->sequence);
        if (!engine->queue[i]->remains)
            MR_TRY(mr_stream_remove(stream, MR_TABLE_QUEUE, key_span));
    }
    block->info.queue_count = block->remainder_count;
    for (size_t i = 0; i < block->remainder_count; i++) {
        mr_queued *queued = block->remainder[i];
        if (queued->sequence != MR_SEQUENCE_NONE &&
            queued->dispatch.message.gas_limit == queued->gas_before)
            continue;
        if (queued->sequence == MR_SEQUENCE_NONE)
            queued->sequence = block->counters.queue_tail++;
        mr_store_be64(key, queued->sequence);
        stream->scratch.size = 0;
        MR_TRY(mr_queued_encode(queued, &stream->scratch));
        MR_TRY(mr_stream_put(stream, MR_TABLE_QUEUE, key_span, mr_buffer_span(&stream->scratch)));
    }
    return MR_OK;
}

static mr_status seal_all(mr_block *block)
{
    mr_engine *engine = block->engine;
    MR_TRY(apply_credits(block));
    MR_TRY(gather_dirty(block));
    MR_TRY(MR_ROOM(block->sealed, block->sealed_capacity, block->dirty_count));
    MR_TRY(MR_ROOM(block->changes, block->changes_capacity, block->dirty_count + 64));
    block->changes_count = block->dirty_count;
    mr_agenda_number(block);
    mr_parallel_run(&engine->parallel, mr_block_tasks(block), seal_programs, block);
    mr_parallel_run(&engine->parallel, (block->tasks_count + TASKS_PER_TASK - 1) / TASKS_PER_TASK,
                    seal_tasks, block);
    if (block->seen.letters > 0)
        mr_parallel_run(&engine->parallel, engine->streams_count, seal_letters, block);
    for (uint32_t s = 0; s < engine->streams_count; s++)
        MR_TRY(engine->streams[s].failure);
    MR_TRY(mr_mailbox_seal_main(block));
    MR_TRY(seal_queue(block));
    MR_TRY(take_records(block));
    MR_TRY(seal_accounts(block));
    MR_TRY(seal_codes(block));
    mr_hash counters;
    MR_TRY(mr_state_counters_leaf(engine, &block->counters, &counters));
    return change(block, MR_TABLE_META, mr_span_text("counters"), &counters);
}

mr_status mr_block_seal(mr_block *block, mr_error *error)
{
    mr_engine *engine = block->engine;
    mr_status status = seal_all(block);
    if (status != MR_OK)
        return MR_FAIL(error, status, "the block's changes could not be hashed: %s",
                       mr_status_text(status));
    if (engine->tree == NULL)
        return MR_OK; /* a view that is alone has no root */
    MR_TRY(mr_tree_update(engine->tree, block->changes, block->changes_count, &engine->parallel,
                          error));
    block->root = mr_tree_root(engine->tree);
    memcpy(block->info.root.bytes, block->root.bytes, sizeof block->info.root.bytes);
    return MR_OK;
}
