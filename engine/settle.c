/* SPDX-License-Identifier: Apache-2.0 */
/* settle: one dispatch from the queue to what follows from it.
 *
 * Linear gas. What a dispatch does not burn goes on, in this order: messages sent with an explicit
 * limit carry that; the rest is shared equally by the gasless messages to programs, among which
 * counts the program's own reply to a program without a limit; what cannot be shared rides home on
 * the reply to a program, the automatic one too, or is refunded to the user who paid. A dispatch
 * that waits keeps its rent and a 64th. A reply is handled on its own gas first and then on that of
 * the message it belongs to, in the same program, and gives what it has left to that. Nothing is
 * shared between two programs. docs/SEMANTICS.md has the rules. */
#include "engine/settle.h"

#include <stdlib.h>

#include "base/assert.h"
#include "engine/id.h"

static bool wants_reply(const mr_settling *at)
{
    const mr_kind kind = at->dispatch->message.kind;
    return kind == MR_KIND_INIT || kind == MR_KIND_HANDLE;
}

static uint64_t deposit_of(const mr_settling *at)
{
    return at->dispatch->extra != NULL ? at->dispatch->extra->deposit : 0;
}

static uint64_t system_gas_of(const mr_settling *at)
{
    return at->dispatch->extra != NULL ? at->dispatch->extra->context.system_gas : 0;
}

/* Gas that nobody takes along: a reply's is for the message it belongs to. */
static void go_home(mr_settling *at, uint64_t gas)
{
    const mr_dispatch *dispatch = at->dispatch;
    if (at->waiter != NULL && mr_id_equal(at->waiter->payer, dispatch->payer)) {
        const uint64_t room =
            mr_block_gas_room(at->block, at->waiter->message.gas_limit - at->drawn);
        at->home += gas < room ? gas : room;
        gas -= gas < room ? gas : room;
    }
    mr_settle_give_back(at, gas);
}

/* Takes `used` from the dispatch's own gas and what that lacks from the message it belongs to.
 * Returns what is left of its own. */
static uint64_t take_used(mr_settling *at, uint64_t used)
{
    const uint64_t own = at->dispatch->message.gas_limit;
    if (used <= own)
        return own - used;
    at->drawn = used - own;
    MR_ASSERT(at->drawn <= at->dispatch->gas_drawn);
    return 0;
}

/* A reply to the dispatch's source. */
static mr_outgoing reply_of(const mr_settling *at, const uint8_t code[4], mr_value value,
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
        out.id = mr_id_of_reply(&at->dispatch->message.id);
    memcpy(out.code, code, sizeof out.code);
    return out;
}

/* How much of `gas` a message of `payer` may be given; what is more is refunded. */
static uint64_t limit(mr_settling *at, const mr_id *payer, uint64_t gas)
{
    const uint64_t most = mr_block_gas_max(at->block);
    if (gas <= most)
        return gas;
    mr_settle_refund(at->stream, payer, gas - most);
    return most;
}

/* Gives a message its gas. */
static void give(mr_settling *at, mr_outgoing *out, uint64_t gas)
{
    out->gas = limit(at, out->payer != NULL ? out->payer : at->dispatch->payer, gas);
}

/* The program of `id` as the dispatch knows it, which has committed `drafts_count` messages, or
 * NULL: a user. What it creates is there for it at once. */
static mr_program *destination_of(mr_settling *at, const mr_id *id, uint32_t drafts_count)
{
    for (uint32_t i = 0; at->created != NULL && i < drafts_count; i++) {
        if (at->created[i] != NULL && mr_id_equal(&at->created[i]->id, id))
            return at->created[i];
    }
    return mr_settle_resolve(at->stream, id, at->dispatch->generation);
}

/* What a program that is no more owns goes to `heir`: by a message to a program, at once to a user,
 * when `to` is NULL. */
static void bequeath(mr_settling *at, const mr_id *heir, mr_program *to)
{
    mr_program *program = at->program;
    mr_outgoing out = {
        .to = *heir,
        .program = to,
        .kind = MR_KIND_VALUE,
        .value = program->balance,
    };
    program->balance = 0;
    if (out.value == 0)
        return;
    if (out.program != NULL) {
        mr_settle_send(at, &out);
    } else {
        at->stream->tally.value_left += out.value;
        mr_settle_credit(at->stream, heir, out.value);
    }
}

/* How a dispatch failed. */
typedef struct failure {
    mr_outcome outcome;
    uint8_t code[4];     /* of the error reply */
    bool signals;        /* the program is told, if it has reserved gas for that */
    mr_span payload;     /* of the error reply */
    uint64_t left;       /* of what it might burn, the system reservation not counted */
    uint64_t system_gas; /* of the system reservation */
} failure;

static uint32_t signal_code(const failure *why)
{
    enum { REMOVED = 200 };
    static const uint32_t codes[] = {
        [MR_OUTCOME_PANIC] = 100, [MR_OUTCOME_OUT_OF_GAS] = 101,  [MR_OUTCOME_MEMORY] = 103,
        [MR_OUTCOME_STACK] = 105, [MR_OUTCOME_REMOVED] = REMOVED,
    };
    enum { REASON_BACKEND = 2, BACKEND = 102, UNREACHABLE = 104 };
    if (why->outcome == MR_OUTCOME_TRAP)
        return why->code[2] == REASON_BACKEND ? BACKEND : UNREACHABLE;
    return codes[why->outcome];
}

static bool sends_signal(const mr_settling *at, const failure *why)
{
    const mr_message *message = &at->dispatch->message;
    if (!why->signals || why->system_gas == 0)
        return false;
    return message->kind == MR_KIND_HANDLE ||
           (message->kind == MR_KIND_REPLY && message->code[0] == 0);
}

static void send_signal(mr_settling *at, const failure *why)
{
    mr_outgoing out = {
        .id = mr_id_of_signal(&at->dispatch->message.id),
        .to = *at->dispatch->program_id,
        .program = at->program,
        .kind = MR_KIND_SIGNAL,
        .signal = signal_code(why),
    };
    give(at, &out, why->system_gas);
    mr_settle_send(at, &out);
}

/* An init that failed leaves no program. */
static void terminate(mr_settling *at)
{
    const mr_id *source = at->dispatch->message.source;
    at->program->status = MR_PROGRAM_TERMINATED;
    mr_settle_end(at);
    bequeath(at, source, destination_of(at, source, 0));
}

/* Everything undone: the value goes back with the error reply, and with it the gas that is left. */
static void settle_failure(mr_settling *at, const failure *why)
{
    mr_dispatch *dispatch = at->dispatch;
    const mr_value value = mr_dispatch_value(dispatch);
    dispatch->outcome = (uint8_t)why->outcome;
    dispatch->gas_burned = dispatch->gas_limit + system_gas_of(at) - why->left - why->system_gas;
    uint64_t left = take_used(at, dispatch->gas_burned + why->system_gas - system_gas_of(at));
    if (dispatch->message.kind == MR_KIND_INIT && at->program->status == MR_PROGRAM_UNINITIALIZED)
        terminate(at);
    if (sends_signal(at, why))
        send_signal(at, why);
    else
        left += why->system_gas;
    if (wants_reply(at)) {
        mr_outgoing out = reply_of(at, why->code, value, why->payload);
        if (out.program != NULL)
            give(at, &out, left + deposit_of(at));
        else
            mr_settle_refund(at->stream, dispatch->payer, left + deposit_of(at));
        mr_settle_send(at, &out);
    } else {
        /* A failed reply or signal is answered by nobody: its value stays with the program. */
        at->program->balance += value;
        go_home(at, left);
    }
    mr_settle_waiter_gas(at);
    mr_settle_waiter_until(at);
}

/* What is left to share, and among how many. */
typedef struct sharing {
    uint64_t share;
    uint64_t rest; /* or, when the message waits, what it keeps */
} sharing;

/* Divides what is `left` of the dispatch's own gas, the floors set aside for the sharers included.
 * A reply may be left with less than these: then they come from the message it belongs to. */
static sharing divide(mr_settling *at, uint64_t left, uint64_t sharers, uint64_t floors, bool waits)
{
    enum { KEPT_SHARE = 64 /* of the rest, one in this is kept by who waits */ };
    if (sharers == 0)
        return (sharing){.rest = left};
    const uint64_t free_gas = left > floors ? left - floors : 0;
    const uint64_t kept = waits ? free_gas / KEPT_SHARE : 0;
    uint64_t pool = left - kept;
    if (pool < floors) {
        at->drawn += floors - pool;
        pool = floors;
    }
    return (sharing){.share = pool / sharers, .rest = kept + pool % sharers};
}

/* Makes the program of a draft that creates one; NULL when there is no such code. */
static mr_program *create(mr_settling *at, const mr_draft *draft)
{
    mr_stream *stream = at->stream;
    mr_module *module;
    mr_status status = mr_codes_find(stream->engine->codes, &draft->extra->code, &module);
    if (status == MR_NOT_FOUND)
        return NULL;
    mr_program *program = NULL;
    if (status == MR_OK)
        status = MR_GROW(stream->created, stream->created_capacity, stream->created_count);
    if (status == MR_OK)
        status = mr_program_new(&draft->to, module, &program);
    bool first;
    if (status == MR_OK)
        status = mr_program_touch(program, stream->block_arena, &first);
    if (status != MR_OK) {
        mr_program_free(program, stream->pool);
        mr_settle_fail(stream, status);
        return NULL;
    }
    program->undo->created = true;
    program->made_in = stream->engine->executions;
    program->made_for = at->dispatch->generation + 1;
    stream->created[stream->created_count++] = program;
    return program;
}

static void create_all(mr_settling *at, const mr_execution *execution)
{
    for (uint32_t i = 0; i < execution->committed_count; i++) {
        const mr_draft *draft = &execution->drafts[execution->committed[i]];
        if (draft->extra == NULL || !draft->extra->creates)
            continue;
        if (at->created == NULL) {
            at->created =
                mr_arena_alloc(execution->arena, execution->committed_count * sizeof *at->created);
            if (at->created == NULL)
                return mr_settle_fail(at->stream, MR_NO_MEMORY);
            memset(at->created, 0, execution->committed_count * sizeof *at->created);
        }
        at->created[i] = create(at, draft);
    }
}

/* There is no code for the program: its creator gets the answer that its init would have got. */
static void send_not_created(mr_settling *at, const mr_draft *draft, uint64_t gas)
{
    static const uint8_t not_created[4] = {1, 2, 3, 0};
    mr_stream *stream = at->stream;
    mr_dispatch *reply = mr_arena_alloc(stream->block_arena, sizeof *reply);
    mr_extra *extra = mr_arena_alloc(stream->block_arena, sizeof *extra);
    mr_id *ids = mr_arena_alloc(stream->block_arena, 2 * sizeof *ids);
    if (reply == NULL || extra == NULL || ids == NULL)
        return mr_settle_fail(stream, MR_NO_MEMORY);
    ids[0] = draft->to;
    ids[1] = draft->id;
    *reply = (mr_dispatch){
        .message =
            {
                .id = mr_id_of_reply(&draft->id),
                .source = &ids[0],
                .reply_to = &ids[1],
                .value = draft->value,
                .gas_limit = limit(at, at->dispatch->payer, gas + draft->extra->deposit),
                .kind = MR_KIND_REPLY,
            },
        .program = at->program,
        .from_program = false,
        .payer = at->dispatch->payer,
        .parent = at->dispatch,
        .generation = at->dispatch->generation + 1,
    };
    memcpy(reply->message.code, not_created, sizeof not_created);
    if (at->dispatch->outcome == MR_OUTCOME_WAITING) {
        *extra = (mr_extra){.origin = &at->dispatch->message.id};
        reply->extra = extra;
    }
    at->dispatch->sent++;
    mr_trace_sent(at->stream, &reply->message.id);
    at->gas_sent += reply->message.gas_limit;
    mr_settle_emit(at, reply);
}

/* One committed draft leaves. */
static void send_draft(mr_settling *at, const mr_draft *draft, mr_program *destination,
                       uint64_t share)
{
    const mr_draft_extra *extra = draft->extra;
    const bool creates = extra != NULL && extra->creates;
    mr_outgoing out = {
        .id = draft->id,
        .to = draft->to,
        .program = destination,
        .kind = creates ? MR_KIND_INIT : MR_KIND_HANDLE,
        .value = draft->value,
        .payload = mr_span_of(draft->payload, draft->payload_bytes),
        .nonce = draft->nonce,
    };
    const uint64_t gas = draft->has_gas || (destination == NULL && !creates) ? draft->gas : share;
    if (creates && destination == NULL)
        return send_not_created(at, draft, gas);
    give(at, &out, gas);
    if (extra != NULL) {
        out.deposit = extra->deposit;
        out.delay = extra->delay;
        if (extra->is_reserved) {
            mr_id *kept = mr_arena_alloc(at->stream->block_arena, sizeof *kept);
            if (kept == NULL)
                return mr_settle_fail(at->stream, MR_NO_MEMORY);
            *kept = extra->payer;
            out.payer = kept;
        }
    }
    mr_settle_send(at, &out);
}

/* The reply of a dispatch that wants one; `rest` is the gas that nobody else has taken. */
static void send_reply(mr_settling *at, const mr_draft *draft, bool shares, uint64_t share,
                       uint64_t rest)
{
    static const uint8_t automatic[4] = {0, 0, 0, 0}, manual[4] = {0, 1, 0, 0};
    mr_stream *stream = at->stream;
    mr_dispatch *dispatch = at->dispatch;
    const bool rides = dispatch->sender != NULL;
    if (!draft->committed && !rides) {
        mr_settle_refund(stream, dispatch->payer, rest + deposit_of(at));
        dispatch->sent++;
        dispatch->automatic = true;
        stream->tally.users++;
        return;
    }
    mr_outgoing reply = reply_of(at, draft->committed ? manual : automatic, draft->value,
                                 draft->committed ? mr_span_of(draft->payload, draft->payload_bytes)
                                                  : (mr_span){0});
    const uint64_t explicit_gas = draft->committed && draft->has_gas ? draft->gas : 0;
    const mr_draft_extra *extra = draft->committed ? draft->extra : NULL;
    if (extra != NULL && extra->is_reserved && !mr_id_equal(&extra->payer, dispatch->payer)) {
        mr_id *payer = mr_arena_alloc(stream->block_arena, sizeof *payer);
        if (payer == NULL)
            return mr_settle_fail(stream, MR_NO_MEMORY);
        *payer = extra->payer;
        reply.payer = payer;
        mr_settle_refund(stream, dispatch->payer, rest);
        if (rides && deposit_of(at) > 0) {
            reply.sponsor = dispatch->payer;
            reply.sponsored = deposit_of(at);
        }
        give(at, &reply, explicit_gas + (rides ? deposit_of(at) : 0));
    } else if (rides) {
        give(at, &reply, explicit_gas + rest + (shares ? share : 0) + deposit_of(at));
    } else {
        reply.gas = explicit_gas + rest;
    }
    mr_settle_send(at, &reply); /* to a user: its gas is refunded */
}

/* Where the drafts go, and who shares what is left. */
typedef struct outbox {
    mr_program **destinations;
    uint64_t sharers;
    uint64_t floors; /* set aside for sharers */
    bool reply_shares;
} outbox;

static bool address(mr_settling *at, const mr_execution *execution, outbox *out)
{
    const mr_draft *reply = &execution->reply;
    *out = (outbox){.reply_shares = wants_reply(at) && at->dispatch->sender != NULL &&
                                    reply->committed && !reply->has_gas};
    out->sharers = out->reply_shares;
    out->destinations =
        mr_arena_alloc(execution->arena, execution->committed_count * sizeof(mr_program *));
    if (out->destinations == NULL) {
        mr_settle_fail(at->stream, MR_NO_MEMORY);
        return false;
    }
    create_all(at, execution);
    for (uint32_t i = 0; i < execution->committed_count; i++) {
        const mr_draft *draft = &execution->drafts[execution->committed[i]];
        const bool creates = draft->extra != NULL && draft->extra->creates;
        out->destinations[i] = creates ? (at->created != NULL ? at->created[i] : NULL)
                                       : destination_of(at, &draft->to, execution->committed_count);
        if (draft->has_gas || (out->destinations[i] == NULL && !creates))
            continue;
        out->sharers++;
        out->floors += draft->gas;
    }
    return true;
}

/* What went well: messages leave, others are woken, and the gas that is left goes on. */
static void settle_messages(mr_settling *at, mr_execution *execution)
{
    mr_dispatch *dispatch = at->dispatch;
    const bool waits = dispatch->outcome == MR_OUTCOME_WAITING;
    outbox box;
    if (!address(at, execution, &box))
        return;
    const uint64_t system_gas = system_gas_of(at) + execution->system_gas;
    uint64_t used = execution->gas - execution->gas_left - box.floors;
    if (waits)
        used += execution->wait_reserve;
    uint64_t left = take_used(at, used);
    if (!waits)
        left += system_gas;
    const sharing shared = divide(at, left, box.sharers, box.floors, waits);
    at->stream->tally.gas_rent += execution->rent;
    if (!waits && !wants_reply(at))
        go_home(at, shared.rest);
    mr_settle_waiter_gas(at);
    for (uint32_t i = 0; i < execution->committed_count; i++)
        send_draft(at, &execution->drafts[execution->committed[i]], box.destinations[i],
                   shared.share);
    if (!waits && wants_reply(at))
        send_reply(at, &execution->reply, box.reply_shares, shared.share, shared.rest);
    mr_settle_reservations(at, execution);
    mr_settle_wake(at, execution);
    mr_settle_waiter_until(at);
    if (waits)
        mr_settle_wait(at, execution, execution->wait_reserve + shared.rest);
}

/* The program is no more: its heir gets what it owns, its messages their answers. */
static void settle_exit(mr_settling *at, const mr_execution *execution)
{
    mr_program *program = at->program;
    program->inheritor = malloc(sizeof *program->inheritor);
    if (program->inheritor == NULL)
        return mr_settle_fail(at->stream, MR_NO_MEMORY);
    *program->inheritor = execution->inheritor;
    program->status = MR_PROGRAM_EXITED;
    mr_settle_end(at);
    mr_status status = mr_program_clear(program, at->stream->pool);
    if (status != MR_OK)
        return mr_settle_fail(at->stream, status);
    bequeath(at, &execution->inheritor,
             destination_of(at, &execution->inheritor, execution->committed_count));
}

static void settle_success(mr_settling *at, mr_execution *execution)
{
    mr_program *program = at->program;
    program->balance = execution->balance - execution->spent;
    if (execution->heap_changed) {
        mr_status status = mr_program_set_heap(program, &execution->heap_new);
        if (status != MR_OK)
            mr_settle_fail(at->stream, status);
    }
    if (at->dispatch->message.kind == MR_KIND_INIT && execution->outcome != MR_OUTCOME_WAITING)
        program->status = MR_PROGRAM_ACTIVE;
    settle_messages(at, execution);
    if (execution->exited)
        settle_exit(at, execution);
}

/* Keeps the text of the receipt and what the program printed for the block's readers. */
static void keep_notes(mr_settling *at, const mr_execution *execution)
{
    mr_stream *stream = at->stream;
    if (execution->text.size == 0 && execution->debug_first == NULL)
        return;
    mr_notes *notes = mr_arena_alloc(stream->block_arena, sizeof *notes);
    if (notes == NULL)
        return mr_settle_fail(stream, MR_NO_MEMORY);
    *notes = (mr_notes){.text = mr_settle_keep(stream, stream->block_arena, execution->text)};
    at->dispatch->notes = notes;
    mr_debug_text **link = &notes->debug;
    for (const mr_debug_text *line = execution->debug_first; line != NULL; line = line->next) {
        mr_debug_text *copy = mr_arena_alloc(stream->block_arena, sizeof *copy);
        if (copy == NULL)
            return mr_settle_fail(stream, MR_NO_MEMORY);
        *copy = (mr_debug_text){.text = mr_settle_keep(stream, stream->block_arena, line->text)};
        *link = copy;
        link = &copy->next;
        stream->tally.debug_lines++;
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

uint64_t mr_entry_charge(const mr_schedule *schedule, const mr_program *program)
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

/* Gives the execution what the dispatch has. */
static void prepare(mr_settling *at, mr_execution *execution)
{
    const mr_dispatch *dispatch = at->dispatch;
    const mr_program *program = at->program;
    execution->environment = &at->block->environment;
    execution->message = &dispatch->message;
    execution->program = dispatch->program_id;
    execution->payer = dispatch->payer;
    execution->context =
        dispatch->extra != NULL && dispatch->extra->waited ? &dispatch->extra->context : NULL;
    execution->gas = dispatch->gas_limit;
    execution->balance = program->balance + mr_dispatch_value(dispatch);
    execution->heap = &at->program->heap;
    execution->reservations = program->reservations;
    execution->reservations_count = program->reservations_count;
}

/* Runs the program. The machine's failures end up in the stream. */
static void execute(mr_settling *at)
{
    mr_stream *stream = at->stream;
    mr_execution *execution = &stream->execution;
    mr_program *program = at->program;
    mr_dispatch *dispatch = at->dispatch;
    const uint64_t charge = mr_entry_charge(&stream->engine->schedule, program);
    if (charge > dispatch->gas_limit) {
        return settle_failure(at, &(failure){.outcome = MR_OUTCOME_OUT_OF_GAS,
                                             .code = {1, 0, 0, 0},
                                             .signals = true,
                                             .left = dispatch->gas_drawn,
                                             .system_gas = system_gas_of(at)});
    }
    mr_status status = ensure_memory(stream, program);
    if (status != MR_OK)
        return mr_settle_fail(stream, status);
    prepare(at, execution);
    status = mr_execution_run(execution, stream->vm, &program->memory,
                              entry_of(dispatch->message.kind), charge);
    if (status != MR_OK)
        return mr_settle_fail(stream, status);
    keep_notes(at, execution);
    dispatch->outcome = (uint8_t)execution->outcome;
    if (mr_execution_succeeded(execution)) {
        dispatch->gas_burned = execution->gas - execution->gas_left - execution->set_aside -
                               execution->explicit_gas - execution->system_gas -
                               execution->reserved_gas - execution->rent;
        return settle_success(at, execution);
    }
    failure why = {
        .outcome = execution->outcome,
        .signals = true,
        .payload = execution->outcome == MR_OUTCOME_PANIC ? execution->text : (mr_span){0},
        .left = execution->gas_left,
        .system_gas = system_gas_of(at) + execution->system_gas,
    };
    memcpy(why.code, execution->error, sizeof why.code);
    settle_failure(at, &why);
}

/* A dispatch whose entry the program does not have succeeds without running. */
static void skip(mr_settling *at)
{
    mr_dispatch *dispatch = at->dispatch;
    mr_execution *execution = &at->stream->execution;
    mr_execution_skip(execution);
    prepare(at, execution);
    execution->gas_left = execution->gas;
    at->program->balance += mr_dispatch_value(dispatch);
    if (dispatch->message.kind == MR_KIND_INIT)
        at->program->status = MR_PROGRAM_ACTIVE;
    settle_messages(at, execution);
}

/* The dispatch fails without running. */
static void refuse(mr_settling *at, mr_outcome outcome, const uint8_t code[4])
{
    failure why = {
        .outcome = outcome,
        .signals = outcome == MR_OUTCOME_REMOVED,
        .left = at->dispatch->gas_limit,
        .system_gas = system_gas_of(at),
    };
    memcpy(why.code, code, sizeof why.code);
    if (outcome == MR_OUTCOME_UNAVAILABLE && at->program->status == MR_PROGRAM_EXITED)
        why.payload = mr_id_span(at->program->inheritor);
    settle_failure(at, &why);
}

mr_status mr_stream_touch(mr_stream *stream, mr_program *program)
{
    if (program->undo != NULL)
        return MR_OK;
    bool first;
    MR_TRY(MR_GROW(stream->dirty, stream->dirty_capacity, stream->dirty_count));
    MR_TRY(mr_program_touch(program, stream->block_arena, &first));
    stream->dirty[stream->dirty_count++] = program;
    return MR_OK;
}

static void begin_receipt(mr_dispatch *dispatch, const mr_program *program)
{
    dispatch->program_id = &program->undo->id;
    dispatch->gas_burned = 0;
    dispatch->gas_drawn = 0;
    dispatch->users = NULL;
    dispatch->notes = NULL;
    dispatch->sent = 0;
    dispatch->outcome = MR_OUTCOME_OK;
    dispatch->automatic = false;
}

static void handle(mr_settling *at)
{
    static const uint8_t removed[4] = {1, 3, 0, 0};
    mr_dispatch *dispatch = at->dispatch;
    if (dispatch->extra != NULL) {
        if (dispatch->extra->waited)
            mr_waitlist_remove(at->program, &dispatch->message.id);
        at->sponsored = dispatch->extra->sponsor != NULL ? dispatch->extra->sponsored : 0;
        dispatch->gas_drawn = mr_settle_waiter(at);
    }
    dispatch->gas_limit = dispatch->message.gas_limit + dispatch->gas_drawn;
    const uint8_t *code = unavailable(at->program, dispatch->message.kind);
    if (dispatch->extra != NULL && dispatch->extra->removed)
        refuse(at, MR_OUTCOME_REMOVED, removed);
    else if (code != NULL)
        refuse(at, MR_OUTCOME_UNAVAILABLE, code);
    else if (!mr_code_has_entry(at->program->module->code, entry_of(dispatch->message.kind)))
        skip(at);
    else
        execute(at);
}

void mr_stream_dispatch(mr_stream *stream, mr_block *block, mr_round *round, mr_program *program,
                        mr_dispatch *dispatch, uint32_t position)
{
    if (stream->failure != MR_OK)
        return;
    enum { SCRATCH_KEEP_BYTES = 1 << 20 };
    mr_arena_reset(&stream->scratch_arena, SCRATCH_KEEP_BYTES);
    mr_status status = mr_stream_touch(stream, program);
    if (status != MR_OK)
        return mr_settle_fail(stream, status);
    begin_receipt(dispatch, program);
    if (dispatch->message.kind == MR_KIND_VALUE) {
        stream->tally.values++;
        program->balance += dispatch->message.value;
        return;
    }
    mr_settling at = {
        .stream = stream,
        .block = block,
        .round = round,
        .program = program,
        .dispatch = dispatch,
        .users_end = &dispatch->users,
        .position = position,
    };
    stream->dispatches++;
    mr_trace_start start;
    const bool traced = stream->engine->keep_traces;
    if (traced)
        mr_trace_begin(&at, &start);
    handle(&at);
    if (traced)
        mr_trace_end(&at, &start);
    stream->tally.gas_burned += dispatch->gas_burned;
    stream->tally.replies += dispatch->message.kind == MR_KIND_REPLY;
    stream->tally.failures += dispatch->outcome != MR_OUTCOME_OK &&
                              dispatch->outcome != MR_OUTCOME_EXITED &&
                              dispatch->outcome != MR_OUTCOME_WAITING;
}
