/* SPDX-License-Identifier: Apache-2.0 */
/* settle_send: how messages leave a dispatch: to a program they are emitted, to a user they become
 * letters or are handed over at once, and those with a delay become tasks. */
#include "engine/settle.h"

#include "base/assert.h"
#include "engine/id.h"

void mr_settle_fail(mr_stream *stream, mr_status status)
{
    if (stream->failure == MR_OK)
        stream->failure = status;
}

/* The program of `id` that exists for messages of `generation`, or NULL: a user. */
static mr_program *resolve(mr_stream *stream, const mr_id *id, uint32_t generation)
{
    mr_program *program = mr_engine_peek(stream->engine, id);
    if (program != NULL) {
        const bool exists =
            program->made_in != stream->engine->executions || program->made_for <= generation;
        return exists ? program : NULL;
    }
    if (mr_id_is_zero(id))
        return NULL;
    mr_id *stranger = &stream->strangers[mr_id_bucket(id) >> 40 & (MR_STRANGERS - 1)];
    if (mr_id_equal(stranger, id))
        return NULL;
    mr_status status = mr_engine_find_program(stream->engine, id, &program);
    if (status == MR_OK)
        return program;
    if (status == MR_NOT_FOUND)
        *stranger = *id;
    else
        mr_settle_fail(stream, status);
    return NULL;
}

mr_program *mr_settle_destination(mr_settling *at, const mr_id *id, uint32_t drafts_count)
{
    for (uint32_t i = 0; at->created != NULL && i < drafts_count; i++) {
        if (at->created[i] != NULL && mr_id_equal(&at->created[i]->id, id))
            return at->created[i];
    }
    return resolve(at->stream, id, at->dispatch->generation);
}

mr_span mr_settle_keep(mr_stream *stream, mr_arena *arena, mr_span span)
{
    if (span.size == 0)
        return (mr_span){0};
    uint8_t *copy = mr_arena_alloc(arena, span.size);
    if (copy == NULL) {
        mr_settle_fail(stream, MR_NO_MEMORY);
        return (mr_span){0};
    }
    memcpy(copy, span.data, span.size);
    return mr_span_of(copy, span.size);
}

/* Memory that lives as long as the block; NULL, and the block cannot go on, when there is none. */
static void *allocate(mr_stream *stream, size_t size)
{
    void *at = mr_arena_alloc(stream->block_arena, size);
    if (at == NULL)
        mr_settle_fail(stream, MR_NO_MEMORY);
    return at;
}

void mr_settle_emit(mr_settling *at, mr_dispatch *dispatch)
{
    if (dispatch->message.kind == MR_KIND_REPLY && mr_dispatch_origin(dispatch) != NULL)
        at->stream->tally.unsteady++;
    const mr_item item = {
        .object = dispatch,
        .lane = &dispatch->program->lane,
        .cost = dispatch->message.gas_limit,
    };
    mr_round_emit(at->round, at->stream->number, MR_CHANNEL_QUEUE, at->position, &item, 1);
}

mr_task *mr_settle_task(mr_settling *at, mr_task_kind kind, uint32_t due, const mr_id *owner,
                        const mr_id *subject)
{
    mr_task *task = allocate(at->stream, sizeof *task);
    if (task == NULL)
        return NULL;
    *task = (mr_task){.kind = (uint8_t)kind, .due = due, .owner = *owner, .subject = *subject};
    const mr_item item = {.object = task};
    mr_round_emit(at->round, at->stream->number, MR_CHANNEL_TASKS, at->position, &item, 1);
    return task;
}

static const mr_id *payer_of(const mr_settling *at, const mr_outgoing *out)
{
    return out->payer != NULL ? out->payer : at->dispatch->payer;
}

/* The message whose dispatch waits for what comes of this one, if it does; a reply passes on what
 * it is an answer to. */
static const mr_id *origin_of(const mr_settling *at, const mr_outgoing *out)
{
    if (out->kind == MR_KIND_REPLY)
        return mr_dispatch_origin(at->dispatch);
    return at->dispatch->outcome == MR_OUTCOME_WAITING ? &at->dispatch->message.id : NULL;
}

/* The rare part of a message, when it has one. */
static mr_extra *make_extra(mr_settling *at, const mr_outgoing *out)
{
    const mr_id *origin = origin_of(at, out);
    if (origin == NULL && out->deposit == 0 && out->sponsor == NULL)
        return NULL;
    mr_extra *extra = allocate(at->stream, sizeof *extra);
    if (extra == NULL)
        return NULL;
    *extra = (mr_extra){
        .origin = origin,
        .sponsor = out->sponsor,
        .sponsored = out->sponsored,
        .deposit = out->deposit,
    };
    return extra;
}

static mr_dispatch *make_dispatch(mr_settling *at, const mr_outgoing *out, mr_arena *payloads)
{
    mr_dispatch *dispatch = allocate(at->stream, sizeof *dispatch);
    if (dispatch == NULL)
        return NULL;
    const bool is_signal = out->kind == MR_KIND_SIGNAL;
    *dispatch = (mr_dispatch){
        .message =
            {
                .id = out->id,
                .source = is_signal ? &mr_id_system : at->dispatch->program_id,
                .value = out->value,
                .gas_limit = out->gas,
                .payload = mr_settle_keep(at->stream, payloads, out->payload),
                .kind = out->kind,
            },
        .program = out->program,
        .sender = is_signal ? NULL : at->program,
        .from_program = !is_signal,
        .payer = payer_of(at, out),
        .parent = at->dispatch,
        .generation = at->dispatch->generation + 1,
        .extra = make_extra(at, out),
    };
    if (out->kind == MR_KIND_REPLY || is_signal) {
        dispatch->message.reply_to = &at->dispatch->message.id;
        memcpy(dispatch->message.code, out->code, sizeof out->code);
    }
    return dispatch;
}

mr_outgoing mr_settle_reply(const mr_settling *at, const uint8_t code[4], mr_value value,
                            mr_span payload)
{
    mr_outgoing out = {
        .to = *at->dispatch->message.source,
        .program = at->dispatch->sender,
        .kind = MR_KIND_REPLY,
        .value = value,
        .payload = payload,
    };
    if (out.program != NULL) /* that to a user is computed when somebody looks */
        out.id = mr_foreseen_reply(at->stream->execution.foreseen, &at->dispatch->message.id);
    memcpy(out.code, code, sizeof out.code);
    return out;
}

/* A message that is not to leave yet. */
static void send_later(mr_settling *at, const mr_outgoing *out)
{
    mr_dispatch *dispatch = make_dispatch(at, out, at->stream->block_arena);
    mr_task *task = mr_settle_task(at, MR_TASK_SEND,
                                   mr_height_after((uint32_t)at->block->info.height, out->delay),
                                   &out->to, &out->id);
    if (dispatch == NULL || task == NULL)
        return;
    task->dispatch = dispatch;
    at->stream->tally.gas_held += out->gas + out->deposit;
}

/* The user may answer it, and has to take what it brings. */
static void send_letter(mr_settling *at, const mr_outgoing *out, mr_user_entry *entry)
{
    mr_stream *stream = at->stream;
    mr_letter *letter = allocate(stream, sizeof *letter);
    if (letter == NULL)
        return;
    const uint32_t since = (uint32_t)at->block->info.height;
    const mr_id *origin = origin_of(at, out);
    *letter = (mr_letter){
        .user = out->to,
        .message = out->id,
        .program = *at->dispatch->program_id,
        .payer = *payer_of(at, out),
        .value = out->value,
        .gas = out->gas,
        .deposit = out->deposit,
        .payload = entry->payload,
        .since = since,
        .until = mr_height_paid(since, out->gas, stream->engine->schedule.rent),
        .next = stream->letters,
    };
    if (origin != NULL) {
        letter->origin_id = *origin;
        letter->has_origin = true;
    }
    letter->task = mr_settle_task(at, MR_TASK_LETTER, letter->until, &out->to, &out->id);
    entry->until = letter->until;
    stream->letters = letter;
    stream->tally.letters++;
    stream->tally.gas_held += out->gas + out->deposit;
}

static void send_to_user(mr_settling *at, const mr_outgoing *out)
{
    mr_stream *stream = at->stream;
    mr_user_entry *entry = allocate(stream, sizeof *entry);
    if (entry == NULL)
        return;
    *entry = (mr_user_entry){
        .to = out->to,
        .value = out->value,
        .payload = mr_settle_keep(stream, stream->block_arena, out->payload),
        .nonce = out->nonce,
        .is_reply = out->kind == MR_KIND_REPLY,
    };
    *at->users_end = entry;
    at->users_end = &entry->next;
    stream->tally.users++;
    if (entry->is_reply)
        memcpy(entry->code, out->code, sizeof entry->code);
    else if (out->gas > 0 && out->gas >= stream->engine->schedule.rent)
        return send_letter(at, out, entry);
    if (out->payer != NULL)
        mr_settle_refund(stream, out->payer, out->gas + out->deposit);
    else
        mr_settle_give_back(at, out->gas + out->deposit);
    stream->tally.value_left += out->value;
    mr_settle_credit(stream, &out->to, out->value);
}

void mr_settle_send(mr_settling *at, const mr_outgoing *out)
{
    if (out->kind != MR_KIND_VALUE)
        at->dispatch->sent++;
    if (out->kind != MR_KIND_VALUE && (out->delay > 0 || out->program != NULL))
        mr_trace_sent(at->stream, &out->id);
    if (out->delay > 0) {
        send_later(at, out);
    } else if (out->program == NULL) {
        send_to_user(at, out);
    } else {
        mr_dispatch *dispatch = make_dispatch(at, out, at->stream->payloads);
        at->gas_sent += out->gas + out->deposit;
        if (dispatch != NULL)
            mr_settle_emit(at, dispatch);
    }
}
