/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/agenda.h"

#include <stdlib.h>

#include "base/assert.h"
#include "engine/engine_internal.h"
#include "engine/id.h"
#include "engine/settle.h"
#include "engine/waiting.h"

enum { RECORD_VERSION = 2, FIRST_NONE = UINT32_MAX };

/* ---- Records ---- */

static mr_status encode(const mr_task *task, mr_buffer *out)
{
    mr_writer writer = {.buffer = out};
    mr_write_u8(&writer, RECORD_VERSION);
    mr_write_u8(&writer, task->kind);
    if (task->kind == MR_TASK_SEND) {
        mr_dispatch_write(&writer, task->dispatch, &task->owner);
    } else {
        mr_write_id(&writer, &task->owner);
        mr_write_id(&writer, &task->subject);
    }
    return writer.failed ? MR_NO_MEMORY : MR_OK;
}

bool mr_task_read(mr_span record, mr_task_record *out)
{
    mr_reader reader = mr_reader_of(record);
    if (mr_read_u8(&reader) != RECORD_VERSION)
        return false;
    const uint8_t kind = mr_read_u8(&reader);
    if (kind >= MR_TASK_KINDS)
        return false;
    out->kind = (mr_task_kind)kind;
    if (out->kind == MR_TASK_SEND)
        return mr_dispatch_read(&reader, &out->message) && mr_reader_done(&reader);
    out->owner = mr_read_id(&reader);
    out->subject = mr_read_id(&reader);
    return mr_reader_done(&reader);
}

/* ---- Carrying tasks out: the main thread, with the first stream's lists and memory ---- */

typedef struct context {
    mr_block *block;
    mr_engine *engine;
    mr_stream *stream;
} context;

static mr_status append(const context *at, mr_dispatch *dispatch)
{
    mr_block *block = at->block;
    if (block->pending_count == block->pending_capacity) {
        const size_t capacity = block->pending_capacity < 64 ? 64 : 2 * block->pending_capacity;
        mr_item *pending = realloc(block->pending, capacity * sizeof *pending);
        if (pending == NULL)
            return MR_NO_MEMORY;
        block->pending = pending;
        block->pending_capacity = capacity;
    }
    block->pending[block->pending_count++] = (mr_item){
        .object = dispatch,
        .lane = &dispatch->program->lane,
        .cost = dispatch->message.gas_limit,
    };
    return MR_OK;
}

/* A program that the state must have. */
static mr_status need_program(const context *at, const mr_id *id, mr_program **out)
{
    mr_status status = mr_engine_find_program(at->engine, id, out);
    return status == MR_NOT_FOUND ? MR_CORRUPT : status;
}

static mr_status end_wait(const context *at, const mr_task_record *task, bool *carried_out)
{
    const mr_wait_source from = mr_wait_source_of(at->block, at->stream);
    mr_program *program;
    mr_dispatch *waiting;
    MR_TRY(need_program(at, &task->owner, &program));
    MR_TRY(mr_waitlist_find(program, &from, &task->subject, &waiting));
    const bool waits = waiting != NULL && waiting->extra->waiting;
    if (task->kind == MR_TASK_WAKE && !waits)
        return MR_OK;
    if (waiting != NULL && !waits) { /* a wake before it in this agenda took this task away */
        *carried_out = false;
        return MR_OK;
    }
    if (!waits || (task->kind == MR_TASK_END_WAIT && waiting->extra->until != from.height))
        return MR_CORRUPT;
    MR_TRY(mr_stream_touch(at->stream, program));
    MR_TRY(mr_waitlist_edit(program, at->stream->block_arena, waiting, &waiting));
    waiting->extra->removed =
        task->kind == MR_TASK_END_WAIT && waiting->extra->until < waiting->extra->wish;
    at->stream->tally.gas_held -= mr_dispatch_gas(waiting);
    at->stream->tally.gas_rent += mr_waiting_leave(waiting, from.height, from.rent);
    at->stream->tally.waiting--;
    program->waiting--;
    waiting->parent = NULL;
    waiting->generation = 0;
    waiting->program = program;
    if (waiting->from_program)
        MR_TRY(need_program(at, waiting->message.source, &waiting->sender));
    return append(at, waiting);
}

/* Copies what was read into the block's memory. */
static mr_status keep_dispatch(const context *at, const mr_dispatch_record *read, mr_dispatch **out)
{
    mr_arena *arena = at->stream->block_arena;
    mr_dispatch *dispatch = mr_arena_alloc(arena, sizeof *dispatch);
    mr_extra *extra = mr_arena_alloc(arena, sizeof *extra);
    mr_id *ids = mr_arena_alloc(arena, 5 * sizeof *ids);
    uint8_t *payload = mr_arena_alloc(arena, read->dispatch.message.payload.size);
    if (dispatch == NULL || extra == NULL || ids == NULL || payload == NULL)
        return MR_NO_MEMORY;
    *dispatch = read->dispatch;
    const mr_id *const from[5] = {&read->source, &read->payer, &read->reply_to, &read->origin,
                                  &read->sponsor};
    for (size_t i = 0; i < 5; i++)
        ids[i] = *from[i];
    dispatch->message.source = &ids[0];
    dispatch->payer = &ids[1];
    if (dispatch->message.reply_to != NULL)
        dispatch->message.reply_to = &ids[2];
    const mr_span from_payload = read->dispatch.message.payload;
    if (from_payload.size > 0)
        memcpy(payload, from_payload.data, from_payload.size);
    dispatch->message.payload = mr_span_of(payload, from_payload.size);
    if (read->dispatch.extra != NULL) {
        *extra = read->extra;
        extra->origin = read->extra.origin != NULL ? &ids[3] : NULL;
        extra->sponsor = read->extra.sponsor != NULL ? &ids[4] : NULL;
        dispatch->extra = extra;
    }
    *out = dispatch;
    return MR_OK;
}

/* The task of a letter that the agenda makes. */
static mr_status add_task(const context *at, mr_letter *letter)
{
    mr_block *block = at->block;
    MR_TRY(MR_GROW(block->tasks, block->tasks_capacity, block->tasks_count));
    mr_task *task = mr_arena_alloc(at->stream->block_arena, sizeof *task);
    if (task == NULL)
        return MR_NO_MEMORY;
    *task = (mr_task){
        .kind = MR_TASK_LETTER,
        .due = letter->until,
        .owner = letter->user,
        .subject = letter->message,
    };
    block->tasks[block->tasks_count++] = letter->task = task;
    return MR_OK;
}

static mr_status make_letter(const context *at, const mr_dispatch *dispatch, const mr_id *user,
                             uint32_t *until)
{
    const uint32_t since = (uint32_t)at->block->info.height;
    mr_letter *letter = mr_arena_alloc(at->stream->block_arena, sizeof *letter);
    if (letter == NULL)
        return MR_NO_MEMORY;
    *letter = (mr_letter){
        .user = *user,
        .message = dispatch->message.id,
        .program = *dispatch->message.source,
        .payer = *dispatch->payer,
        .value = dispatch->message.value,
        .gas = dispatch->message.gas_limit,
        .deposit = dispatch->extra != NULL ? dispatch->extra->deposit : 0,
        .payload = dispatch->message.payload,
        .since = since,
        .until = mr_height_paid(since, dispatch->message.gas_limit, at->engine->schedule.rent),
    };
    if (mr_dispatch_origin(dispatch) != NULL) {
        letter->origin_id = *mr_dispatch_origin(dispatch);
        letter->has_origin = true;
    }
    *until = letter->until;
    at->stream->tally.letters++;
    at->stream->tally.gas_held += letter->gas + letter->deposit;
    MR_TRY(add_task(at, letter));
    return mr_mailbox_add(at->block, letter);
}

static mr_status send_to_user(const context *at, const mr_dispatch *dispatch, const mr_id *user)
{
    mr_block *block = at->block;
    MR_TRY(MR_GROW(block->agenda_messages, block->agenda_messages_capacity,
                   block->agenda_messages_count));
    const mr_message *message = &dispatch->message;
    mr_user_message *told = &block->agenda_messages[block->agenda_messages_count];
    *told = (mr_user_message){
        .id = message->id,
        .from = *message->source,
        .to = *user,
        .value = message->value,
        .receipt = MR_RECEIPT_NONE,
        .payload = message->payload,
    };
    if (message->gas_limit > 0 && message->gas_limit >= at->engine->schedule.rent) {
        MR_TRY(make_letter(at, dispatch, user, &told->until));
    } else {
        mr_settle_refund(at->stream, dispatch->payer, mr_dispatch_gas(dispatch));
        at->stream->tally.value_left += message->value;
        mr_settle_credit(at->stream, user, message->value);
    }
    block->agenda_messages_count++;
    return at->stream->failure;
}

static mr_status send(const context *at, const mr_task_record *task)
{
    mr_dispatch *dispatch;
    MR_TRY(keep_dispatch(at, &task->message, &dispatch));
    if (dispatch->message.kind != MR_KIND_INIT && dispatch->message.kind != MR_KIND_HANDLE)
        return MR_CORRUPT;
    if (!dispatch->from_program || (dispatch->extra != NULL && dispatch->extra->waited))
        return MR_CORRUPT;
    at->stream->tally.gas_held -= mr_dispatch_gas(dispatch);
    mr_status status =
        mr_engine_find_program(at->engine, &task->message.destination, &dispatch->program);
    if (status == MR_NOT_FOUND)
        return send_to_user(at, dispatch, &task->message.destination);
    MR_TRY(status);
    MR_TRY(need_program(at, dispatch->message.source, &dispatch->sender));
    return append(at, dispatch);
}

mr_status mr_agenda_answer(mr_block *block, mr_letter *letter)
{
    const context at = {block, block->engine, &block->engine->streams[0]};
    at.stream->tally.value_left += letter->value;
    mr_settle_credit(at.stream, &letter->user, letter->value);
    uint64_t gas = mr_mailbox_take(block, letter) + letter->deposit;
    const uint64_t most = mr_block_gas_max(block);
    if (gas > most) {
        mr_settle_refund(at.stream, &letter->payer, gas - most);
        gas = most;
    }
    if (gas == 0 && !letter->has_origin)
        return at.stream->failure;
    mr_dispatch *reply = mr_arena_alloc(at.stream->block_arena, sizeof *reply);
    mr_extra *extra = mr_arena_alloc(at.stream->block_arena, sizeof *extra);
    if (reply == NULL || extra == NULL)
        return MR_NO_MEMORY;
    *reply = (mr_dispatch){
        .message =
            {
                .id = mr_id_of_reply(&letter->message),
                .source = &letter->user,
                .reply_to = &letter->message,
                .gas_limit = gas,
                .kind = MR_KIND_REPLY,
            },
        .payer = &letter->payer,
        .elder = true,
    };
    if (letter->has_origin) {
        *extra = (mr_extra){.origin = &letter->origin_id};
        reply->extra = extra;
    }
    MR_TRY(need_program(&at, &letter->program, &reply->program));
    return append(&at, reply);
}

static mr_status end_letter(const context *at, const mr_task_record *task)
{
    mr_letter *letter;
    mr_status status = mr_mailbox_find(at->block, &task->owner, &task->subject, &letter);
    if (status != MR_OK)
        return status == MR_NOT_FOUND ? MR_CORRUPT : status;
    if (letter->until != at->block->info.height)
        return MR_CORRUPT;
    return mr_agenda_answer(at->block, letter);
}

static mr_status end_reservation(const context *at, const mr_task_record *task)
{
    mr_program *program;
    MR_TRY(need_program(at, &task->owner, &program));
    uint32_t i = 0;
    while (i < program->reservations_count &&
           !mr_id_equal(&program->reservations[i].id, &task->subject))
        i++;
    if (i == program->reservations_count ||
        program->reservations[i].finish != at->block->info.height)
        return MR_CORRUPT;
    MR_TRY(mr_stream_touch(at->stream, program));
    const mr_reservation ended = program->reservations[i];
    const uint64_t rent = (uint64_t)(ended.finish - ended.start) * at->engine->schedule.rent;
    at->stream->tally.gas_held -= ended.amount + rent;
    at->stream->tally.gas_rent += rent;
    mr_settle_refund(at->stream, &ended.payer, ended.amount);
    const uint32_t count = program->reservations_count;
    mr_reservation *left = mr_arena_alloc(at->stream->block_arena, count * sizeof *left);
    if (left == NULL)
        return MR_NO_MEMORY;
    memcpy(left, program->reservations, count * sizeof *left);
    left[i].ended = true;
    MR_TRY(mr_program_set_reservations(program, left, count));
    return at->stream->failure;
}

/* *carried_out is made false when one before it in this agenda has taken the task away. */
static mr_status carry_out(const context *at, const mr_task_record *task, bool *carried_out)
{
    switch (task->kind) {
    case MR_TASK_END_WAIT:
    case MR_TASK_WAKE:
        return end_wait(at, task, carried_out);
    case MR_TASK_SEND:
        return send(at, task);
    case MR_TASK_LETTER:
        return end_letter(at, task);
    case MR_TASK_RESERVATION:
        return end_reservation(at, task);
    }
    return MR_CORRUPT;
}

/* The height of the first task after `height`, FIRST_NONE when there is none. */
static mr_status find_next(mr_engine *engine, uint32_t height, uint32_t *out)
{
    *out = FIRST_NONE;
    uint8_t from[MR_TASK_KEY_BYTES];
    mr_task_key(height, UINT64_MAX, from);
    mr_cursor *cursor;
    MR_TRY(mr_cursor_open(engine->store, MR_TABLE_TASK, (mr_span){0}, mr_span_of(from, sizeof from),
                          &cursor));
    mr_span key, value;
    mr_status status = mr_cursor_next(cursor, &key, &value);
    if (status == MR_OK && key.size != MR_TASK_KEY_BYTES)
        status = MR_CORRUPT;
    if (status == MR_OK)
        *out = mr_load_be32(key.data);
    mr_cursor_close(cursor);
    return status == MR_NOT_FOUND ? MR_OK : status;
}

static mr_status run_due(const context *at)
{
    uint8_t prefix[4];
    mr_store_be32(prefix, (uint32_t)at->block->info.height);
    mr_cursor *cursor;
    MR_TRY(mr_cursor_open(at->engine->store, MR_TABLE_TASK, mr_span_of(prefix, sizeof prefix),
                          (mr_span){0}, &cursor));
    mr_status status;
    do {
        mr_span key, value;
        status = mr_cursor_next(cursor, &key, &value);
        if (status != MR_OK)
            break;
        mr_task_record task;
        bool carried_out = true;
        if (key.size != MR_TASK_KEY_BYTES || !mr_task_read(value, &task))
            status = MR_CORRUPT;
        if (status == MR_OK)
            status = carry_out(at, &task, &carried_out);
        if (status == MR_OK)
            status = mr_stream_remove(at->stream, MR_TABLE_TASK, key);
        at->block->info.tasks_count += carried_out;
    } while (status == MR_OK);
    mr_cursor_close(cursor);
    return status == MR_NOT_FOUND ? MR_OK : status;
}

mr_status mr_agenda_run(mr_block *block)
{
    mr_engine *engine = block->engine;
    const uint32_t height = (uint32_t)block->info.height;
    if (height < engine->next_due)
        return MR_OK;
    const context at = {block, engine, &engine->streams[0]};
    MR_TRY(run_due(&at));
    return find_next(engine, height, &engine->next_due);
}

/* ---- Sealing ---- */

void mr_agenda_number(mr_block *block)
{
    mr_engine *engine = block->engine;
    for (size_t i = 0; i < block->tasks_count; i++) {
        mr_task *task = block->tasks[i];
        if (task->cancelled)
            continue;
        task->sequence = block->counters.task_tail++;
        block->tasks_stored++;
        if (task->due < engine->next_due)
            engine->next_due = task->due;
    }
}

mr_status mr_agenda_seal(mr_block *block, mr_stream *stream, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        const mr_task *task = block->tasks[i];
        if (task->cancelled)
            continue;
        stream->scratch.size = 0;
        MR_TRY(encode(task, &stream->scratch));
        uint8_t key[MR_TASK_KEY_BYTES];
        mr_task_key(task->due, task->sequence, key);
        MR_TRY(mr_stream_put(stream, MR_TABLE_TASK, mr_span_of(key, sizeof key),
                             mr_buffer_span(&stream->scratch)));
    }
    return MR_OK;
}
