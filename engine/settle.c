/* SPDX-License-Identifier: Apache-2.0 */
/* settle: one dispatch from the queue to what follows from it. Runs on a worker, changes its
 * program and its stream, and reaches everybody else by emitting messages alone.
 *
 * Linear gas. What a dispatch does not burn goes on, in this order: messages sent with an explicit
 * limit carry that; the rest is shared equally by the gasless messages to programs, among which
 * counts the program's own reply to a program without a limit; what cannot be shared rides home on
 * the reply to a program, the automatic one too, or is refunded to the user who paid. Explicit
 * limits of messages to users are refunded. Nothing is shared between two messages. */
#include "engine/engine_internal.h"

#include <stdlib.h>

#include "base/assert.h"
#include "engine/id.h"

mr_status mr_grow(void **array, size_t *capacity, size_t count, size_t element_bytes)
{
    if (count < *capacity)
        return MR_OK;
    size_t grown = *capacity < 64 ? 64 : *capacity * 2;
    void *moved = realloc(*array, grown * element_bytes);
    if (moved == NULL)
        return MR_NO_MEMORY;
    *array = moved;
    *capacity = grown;
    return MR_OK;
}

mr_status mr_room(void **array, size_t *capacity, size_t count, size_t element_bytes)
{
    if (count <= *capacity)
        return MR_OK;
    free(*array);
    *capacity = 0;
    *array = malloc((count + count / 4) * element_bytes);
    if (*array == NULL)
        return MR_NO_MEMORY;
    *capacity = count + count / 4;
    return MR_OK;
}

/* One dispatch being settled. */
typedef struct context {
    mr_stream *stream;
    mr_block *block;
    mr_round *round;
    mr_program *program;
    mr_dispatch *dispatch;
    mr_user_entry **users_end; /* where the next message to a user is hung up */
    uint32_t position;
} context;

static void fail(mr_stream *stream, mr_status status)
{
    if (stream->failure == MR_OK)
        stream->failure = status;
}

static void credit(mr_stream *stream, const mr_id *account, mr_value amount)
{
    if (amount == 0)
        return;
    if (!stream->engine->accounts_on)
        return;
    if (stream->credits_count > 0) {
        mr_credit *last = &stream->credits[stream->credits_count - 1];
        if (mr_id_equal(&last->account, account)) {
            last->amount += amount;
            return;
        }
    }
    if (MR_GROW(stream->credits, stream->credits_capacity, stream->credits_count) != MR_OK) {
        fail(stream, MR_NO_MEMORY);
        return;
    }
    stream->credits[stream->credits_count++] = (mr_credit){.account = *account, .amount = amount};
}

static void refund(context *at, uint64_t gas)
{
    at->stream->gas_refunded += gas;
    credit(at->stream, at->dispatch->payer,
           (mr_value)gas * at->stream->engine->schedule.value_per_gas);
}

/* The program of `id`, or NULL: a user. Programs come to be at admission only, so an id that is
 * none stays none for the rest of the block. */
static mr_program *resolve(mr_stream *stream, const mr_id *id)
{
    mr_program *program = mr_index_find(&stream->engine->index, id);
    if (program != NULL || mr_id_is_zero(id))
        return program;
    mr_id *stranger = &stream->strangers[mr_id_bucket(id) >> 40 & (MR_STRANGERS - 1)];
    if (mr_id_equal(stranger, id))
        return NULL;
    mr_status status = mr_engine_find_program(stream->engine, id, &program);
    if (status == MR_OK)
        return program;
    if (status == MR_NOT_FOUND)
        *stranger = *id;
    else
        fail(stream, status);
    return NULL;
}

/* A message about to leave the dispatch. */
typedef struct outgoing {
    mr_id id;
    mr_id to;
    mr_program *program; /* destination; NULL: a user */
    mr_kind kind;
    mr_value value;
    uint64_t gas;
    mr_span payload;
    uint8_t code[4];
    uint32_t nonce;
    bool replyable; /* to a user, who may reply */
} outgoing;

static mr_span keep_in(mr_stream *stream, mr_arena *arena, mr_span bytes)
{
    if (bytes.size == 0)
        return (mr_span){0};
    uint8_t *copy = mr_arena_alloc(arena, bytes.size);
    if (copy == NULL) {
        fail(stream, MR_NO_MEMORY);
        return (mr_span){0};
    }
    memcpy(copy, bytes.data, bytes.size);
    return mr_span_of(copy, bytes.size);
}

static void emit_to_user(context *at, const outgoing *out)
{
    mr_stream *stream = at->stream;
    mr_user_entry *entry = mr_arena_alloc(stream->block_arena, sizeof *entry);
    if (entry == NULL) {
        fail(stream, MR_NO_MEMORY);
        return;
    }
    *entry = (mr_user_entry){
        .to = out->to,
        .value = out->value,
        .payload = keep_in(stream, stream->block_arena, out->payload),
        .nonce = out->nonce,
        .is_reply = out->kind == MR_KIND_REPLY,
        .replyable = out->replyable,
    };
    memcpy(entry->code, out->code, sizeof entry->code);
    *at->users_end = entry;
    at->users_end = &entry->next;
    stream->users++;
    stream->letters += out->replyable;
    stream->value_left += out->value;
    credit(stream, &out->to, out->value);
}

static void emit_to_program(context *at, const outgoing *out)
{
    mr_stream *stream = at->stream;
    mr_dispatch *dispatch = mr_arena_alloc(stream->block_arena, sizeof *dispatch);
    if (dispatch == NULL) {
        fail(stream, MR_NO_MEMORY);
        return;
    }
    *dispatch = (mr_dispatch){
        .message =
            {
                .id = out->id,
                .source = at->dispatch->program_id,
                .value = out->value,
                .gas_limit = out->gas,
                .payload = keep_in(stream, stream->payloads, out->payload),
                .kind = out->kind,
            },
        .program = out->program,
        .sender = at->program,
        .payer = at->dispatch->payer,
    };
    if (out->kind == MR_KIND_REPLY) {
        dispatch->message.reply_to = &at->dispatch->message.id;
        memcpy(dispatch->message.code, out->code, sizeof out->code);
    }
    const mr_item item = {.object = dispatch, .lane = &out->program->lane, .cost = out->gas};
    mr_round_emit(at->round, stream->number, 0, at->position, &item, 1);
}

static void emit(context *at, const outgoing *out)
{
    at->dispatch->sent++;
    if (out->program == NULL)
        emit_to_user(at, out);
    else
        emit_to_program(at, out);
}

static bool wants_reply(mr_kind kind)
{
    return kind == MR_KIND_INIT || kind == MR_KIND_HANDLE;
}

/* A reply to the dispatch's source. */
static outgoing reply_of(context *at, const uint8_t code[4], mr_value value, mr_span payload)
{
    outgoing out = {
        .to = *at->dispatch->message.source,
        .program = at->dispatch->sender,
        .kind = MR_KIND_REPLY,
        .value = value,
        .payload = payload,
    };
    if (out.program != NULL) /* that to a user is computed when somebody looks */
        out.id = mr_id_of_reply(&at->dispatch->message.id);
    memcpy(out.code, code, sizeof out.code);
    return out;
}

/* Everything undone: the value goes back with the error reply, and with it the gas that is left. */
static void settle_failure(context *at, const uint8_t code[4], mr_span payload, uint64_t left)
{
    const mr_message *message = &at->dispatch->message;
    if (!wants_reply(message->kind)) {
        /* A failed reply is answered by nobody: its value stays with the program. */
        at->program->balance += message->value;
        refund(at, left);
        return;
    }
    outgoing out = reply_of(at, code, message->value, payload);
    if (out.program == NULL)
        refund(at, left);
    else
        out.gas = left;
    emit(at, &out);
}

/* What is left to share, and among how many. */
typedef struct sharing {
    uint64_t share;
    uint64_t rest;
} sharing;

static sharing share(uint64_t left, uint64_t sharers)
{
    if (sharers == 0)
        return (sharing){.rest = left};
    return (sharing){.share = left / sharers, .rest = left % sharers};
}

/* Emits what a successful execution committed, and its reply. Returns nothing: all that is left
 * afterwards has been refunded. */
static void settle_messages(context *at, mr_execution *execution)
{
    const mr_dispatch *dispatch = at->dispatch;
    const bool replies = wants_reply(dispatch->message.kind);
    const bool reply_rides = replies && dispatch->sender != NULL;
    const bool reply_shares =
        reply_rides && execution->reply.committed && !execution->reply.has_gas;
    uint64_t sharers = reply_shares ? 1 : 0;
    mr_program **destinations =
        mr_arena_alloc(execution->arena, execution->committed_count * sizeof(mr_program *));
    if (destinations == NULL) {
        fail(at->stream, MR_NO_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < execution->committed_count; i++) {
        const mr_draft *draft = &execution->drafts[execution->committed[i]];
        destinations[i] = resolve(at->stream, &draft->to);
        if (destinations[i] != NULL && !draft->has_gas)
            sharers++;
    }
    const sharing shared = share(execution->gas_left, sharers);
    for (uint32_t i = 0; i < execution->committed_count; i++) {
        const mr_draft *draft = &execution->drafts[execution->committed[i]];
        outgoing out = {
            .id = draft->id,
            .to = draft->to,
            .program = destinations[i],
            .kind = MR_KIND_HANDLE,
            .value = draft->value,
            .gas = draft->has_gas ? draft->gas : shared.share,
            .payload = mr_span_of(draft->payload, draft->payload_bytes),
            .nonce = draft->nonce,
        };
        if (out.program == NULL && draft->has_gas) {
            out.replyable = draft->gas > 0;
            refund(at, draft->gas);
        }
        emit(at, &out);
    }
    if (!replies) {
        refund(at, shared.rest);
        return;
    }
    static const uint8_t automatic[4] = {0, 0, 0, 0}, manual[4] = {0, 1, 0, 0};
    const mr_draft *draft = &execution->reply;
    if (!draft->committed && !reply_rides) {
        refund(at, shared.rest);
        at->dispatch->sent++;
        at->dispatch->automatic = true;
        at->stream->users++;
        return;
    }
    outgoing reply = reply_of(at, draft->committed ? manual : automatic, draft->value,
                              mr_span_of(draft->payload, draft->payload_bytes));
    const uint64_t explicit_gas = draft->committed && draft->has_gas ? draft->gas : 0;
    if (reply_rides)
        reply.gas = explicit_gas + shared.rest + (reply_shares ? shared.share : 0);
    else
        refund(at, explicit_gas + shared.rest);
    if (!draft->committed)
        reply.payload = (mr_span){0};
    emit(at, &reply);
}

/* What the exited program owned goes to its heir: at once to a user, by a message to a program. */
static void settle_exit(context *at, const mr_execution *execution)
{
    mr_program *program = at->program;
    program->inheritor = malloc(sizeof *program->inheritor);
    if (program->inheritor == NULL) {
        fail(at->stream, MR_NO_MEMORY);
        return;
    }
    *program->inheritor = execution->inheritor;
    program->status = MR_PROGRAM_EXITED;
    if (program->balance == 0)
        return;
    outgoing out = {
        .to = execution->inheritor,
        .program = resolve(at->stream, &execution->inheritor),
        .kind = MR_KIND_VALUE,
        .value = program->balance,
    };
    program->balance = 0;
    if (out.program == NULL) {
        at->stream->value_left += out.value;
        credit(at->stream, &out.to, out.value);
    } else {
        emit_to_program(at, &out);
    }
}

static void settle_success(context *at, mr_execution *execution)
{
    mr_program *program = at->program;
    program->balance = execution->balance - execution->spent;
    if (execution->heap_changed) {
        mr_status status = mr_program_set_heap(program, &execution->heap_new);
        if (status != MR_OK)
            fail(at->stream, status);
    }
    if (at->dispatch->message.kind == MR_KIND_INIT)
        program->status = MR_PROGRAM_ACTIVE;
    settle_messages(at, execution);
    if (execution->exited)
        settle_exit(at, execution);
}

/* Keeps the text of the receipt and what the program printed for the block's readers. */
static void keep_notes(context *at, const mr_execution *execution)
{
    if (execution->text.size == 0 && execution->debug_first == NULL)
        return;
    mr_notes *notes = mr_arena_alloc(at->stream->block_arena, sizeof *notes);
    if (notes == NULL) {
        fail(at->stream, MR_NO_MEMORY);
        return;
    }
    *notes = (mr_notes){.text = keep_in(at->stream, at->stream->block_arena, execution->text)};
    at->dispatch->notes = notes;
    mr_debug_text **link = &notes->debug;
    for (const mr_debug_text *line = execution->debug_first; line != NULL; line = line->next) {
        mr_debug_text *copy = mr_arena_alloc(at->stream->block_arena, sizeof *copy);
        if (copy == NULL) {
            fail(at->stream, MR_NO_MEMORY);
            return;
        }
        *copy = (mr_debug_text){.text = keep_in(at->stream, at->stream->block_arena, line->text)};
        *link = copy;
        link = &copy->next;
        at->stream->debug_lines++;
    }
}

/* Why a program cannot take a message, as a reply code; or NULL. */
static const uint8_t *unavailable(const mr_program *program, mr_kind kind)
{
    static const uint8_t exited[4] = {1, 2, 0, 0}, terminated[4] = {1, 2, 1, 0},
                         uninitialized[4] = {1, 2, 2, 0};
    switch (program->status) {
    case MR_PROGRAM_EXITED:
        return exited;
    case MR_PROGRAM_TERMINATED:
        return terminated;
    case MR_PROGRAM_UNINITIALIZED:
        return kind == MR_KIND_HANDLE ? uninitialized : NULL;
    case MR_PROGRAM_ACTIVE:
        return NULL;
    }
    return NULL;
}

static uint32_t entry_of(mr_kind kind)
{
    switch (kind) {
    case MR_KIND_INIT:
        return MR_ENTRY_INIT;
    case MR_KIND_REPLY:
        return MR_ENTRY_REPLY;
    case MR_KIND_SIGNAL:
        return MR_ENTRY_SIGNAL;
    case MR_KIND_HANDLE:
    case MR_KIND_VALUE:
        break;
    }
    return MR_ENTRY_HANDLE;
}

/* What a dispatch costs before its first instruction. */
static uint64_t entry_charge(const mr_schedule *schedule, const mr_program *program)
{
    uint64_t pages = mr_memory_pages(&program->memory) -
                     mr_code_stack_end(program->module->code) / MR_PAGE_BYTES;
    return schedule->dispatch + schedule->page_load * pages;
}

static mr_status ensure_memory(mr_stream *stream, mr_program *program)
{
    if (program->memory_loaded)
        return MR_OK;
    return mr_program_load_memory(program, stream->engine->store, MR_TABLE_UNIT, stream->pool);
}

/* Runs the program. The machine's failures end up in the stream. */
static void execute(context *at)
{
    mr_stream *stream = at->stream;
    mr_execution *execution = &stream->execution;
    mr_program *program = at->program;
    const mr_message *message = &at->dispatch->message;
    const uint64_t charge = entry_charge(&stream->engine->schedule, program);
    if (charge > message->gas_limit) {
        static const uint8_t out_of_gas[4] = {1, 0, 0, 0};
        at->dispatch->outcome = MR_OUTCOME_OUT_OF_GAS;
        at->dispatch->gas_burned = message->gas_limit;
        if (message->kind == MR_KIND_INIT)
            program->status = MR_PROGRAM_TERMINATED;
        settle_failure(at, out_of_gas, (mr_span){0}, 0);
        return;
    }
    mr_status status = ensure_memory(stream, program);
    if (status != MR_OK) {
        fail(stream, status);
        return;
    }
    execution->environment = &at->block->environment;
    execution->message = message;
    execution->program = at->dispatch->program_id;
    execution->payer = at->dispatch->payer;
    execution->context = NULL;
    execution->gas = message->gas_limit;
    execution->reservations = NULL;
    execution->reservations_count = 0;
    execution->balance = program->balance + message->value;
    execution->heap = &program->heap;
    status =
        mr_execution_run(execution, stream->vm, &program->memory, entry_of(message->kind), charge);
    if (status != MR_OK) {
        fail(stream, status);
        return;
    }
    at->dispatch->outcome = (uint8_t)execution->outcome;
    at->dispatch->gas_burned = message->gas_limit - execution->gas_left;
    keep_notes(at, execution);
    if (execution->outcome == MR_OUTCOME_OK || execution->outcome == MR_OUTCOME_EXITED) {
        at->dispatch->gas_burned -= execution->explicit_gas;
        settle_success(at, execution);
    } else {
        if (message->kind == MR_KIND_INIT)
            program->status = MR_PROGRAM_TERMINATED;
        mr_span payload = execution->outcome == MR_OUTCOME_PANIC ? execution->text : (mr_span){0};
        settle_failure(at, execution->error, payload, execution->gas_left);
    }
}

/* A dispatch whose entry the program does not have succeeds without running. */
static void skip(context *at)
{
    const mr_message *message = &at->dispatch->message;
    mr_execution *execution = &at->stream->execution;
    execution->committed_count = 0;
    execution->reply = (mr_draft){0};
    execution->gas_left = message->gas_limit;
    at->program->balance += message->value;
    if (message->kind == MR_KIND_INIT)
        at->program->status = MR_PROGRAM_ACTIVE;
    settle_messages(at, execution);
}

static void refuse(context *at, const uint8_t *code)
{
    at->dispatch->outcome = MR_OUTCOME_UNAVAILABLE;
    mr_span payload = {0};
    if (at->program->status == MR_PROGRAM_EXITED)
        payload = mr_id_span(at->program->inheritor);
    settle_failure(at, code, payload, at->dispatch->message.gas_limit);
}

static void touch(mr_stream *stream, mr_program *program)
{
    bool first;
    mr_status status = mr_program_touch(program, stream->block_arena, &first);
    if (status == MR_OK && first) {
        status = MR_GROW(stream->dirty, stream->dirty_capacity, stream->dirty_count);
        if (status == MR_OK)
            stream->dirty[stream->dirty_count++] = program;
    }
    if (status != MR_OK)
        fail(stream, status);
}

void mr_stream_dispatch(mr_stream *stream, mr_block *block, mr_round *round, mr_program *program,
                        mr_dispatch *dispatch, uint32_t position)
{
    if (stream->failure != MR_OK)
        return;
    enum { SCRATCH_KEEP_BYTES = 1 << 20 };
    const mr_message *message = &dispatch->message;
    mr_arena_reset(&stream->scratch_arena, SCRATCH_KEEP_BYTES);
    touch(stream, program);
    if (stream->failure != MR_OK)
        return;
    dispatch->program_id = &program->undo->id;
    dispatch->gas_burned = 0;
    dispatch->users = NULL;
    dispatch->notes = NULL;
    dispatch->sent = 0;
    dispatch->outcome = MR_OUTCOME_OK;
    dispatch->automatic = false;
    if (message->kind == MR_KIND_VALUE) {
        stream->values++;
        program->balance += message->value;
        return;
    }
    context at = {
        .stream = stream,
        .block = block,
        .round = round,
        .program = program,
        .dispatch = dispatch,
        .users_end = &dispatch->users,
        .position = position,
    };
    stream->dispatches++;
    const uint8_t *code = unavailable(program, message->kind);
    if (code != NULL)
        refuse(&at, code);
    else if (!mr_code_has_entry(program->module->code, entry_of(message->kind)))
        skip(&at);
    else
        execute(&at);
    stream->gas_burned += dispatch->gas_burned;
    stream->replies += message->kind == MR_KIND_REPLY;
    stream->failures +=
        dispatch->outcome != MR_OUTCOME_OK && dispatch->outcome != MR_OUTCOME_EXITED;
}
