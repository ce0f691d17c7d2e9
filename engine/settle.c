/* SPDX-License-Identifier: Apache-2.0 */
/* settle: one dispatch from the queue to its end. Here it is run, or refused, or succeeds without
 * running; what follows from that is in the files settle_*.c. */
#include "engine/settle_gas.h"

#include "base/probe.h"

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
    execution->foreign = mr_settle_foreign(at);
    execution->balance = program->balance + mr_dispatch_value(dispatch);
    execution->heap = &at->program->heap;
    execution->reservations = program->reservations;
    execution->reservations_count = program->reservations_count;
}

/* The program is as the execution left it; what that sent, woke and kept follows. */
static void succeed(mr_settling *at, mr_execution *execution)
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
    mr_settle_success(at, execution);
    if (execution->exited)
        mr_settle_exit(at, execution);
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
        return mr_settle_failure(at, &(mr_failure){.outcome = MR_OUTCOME_OUT_OF_GAS,
                                                   .code = {1, 0, 0, 0},
                                                   .signals = true,
                                                   .left = dispatch->gas_drawn,
                                                   .system_gas = mr_settle_system_gas(at)});
    }
    mr_status status = ensure_memory(stream, program);
    if (status != MR_OK)
        return mr_settle_fail(stream, status);
    prepare(at, execution);
    MR_PROBE(run__begin, &program->id, &dispatch->message.id, dispatch->gas_limit);
    status = mr_execution_run(execution, stream->vm, &program->memory,
                              entry_of(dispatch->message.kind), charge);
    MR_PROBE(run__end, &program->id, execution->outcome, execution->gas_left);
    if (status != MR_OK)
        return mr_settle_fail(stream, status);
    MR_PROBE(settle__begin, &program->id, &dispatch->message.id);
    keep_notes(at, execution);
    dispatch->outcome = (uint8_t)execution->outcome;
    if (mr_execution_succeeded(execution)) {
        dispatch->gas_burned = execution->gas - execution->gas_left - execution->set_aside -
                               execution->explicit_gas - execution->system_gas -
                               execution->reserved_gas - execution->rent;
        return succeed(at, execution);
    }
    mr_failure why = {
        .outcome = execution->outcome,
        .signals = true,
        .payload = execution->outcome == MR_OUTCOME_PANIC ? execution->text : (mr_span){0},
        .left = execution->gas_left,
        .system_gas = mr_settle_system_gas(at) + execution->system_gas,
    };
    memcpy(why.code, execution->error, sizeof why.code);
    mr_settle_failure(at, &why);
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
    mr_settle_success(at, execution);
}

/* The dispatch fails without running. */
static void refuse(mr_settling *at, mr_outcome outcome, const uint8_t code[4])
{
    mr_failure why = {
        .outcome = outcome,
        .signals = outcome == MR_OUTCOME_REMOVED,
        .left = at->dispatch->gas_limit,
        .system_gas = mr_settle_system_gas(at),
    };
    memcpy(why.code, code, sizeof why.code);
    if (outcome == MR_OUTCOME_UNAVAILABLE && at->program->status == MR_PROGRAM_EXITED)
        why.payload = mr_id_span(at->program->inheritor);
    mr_settle_failure(at, &why);
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
    MR_PROBE(settle__end, &program->id, &dispatch->message.id, dispatch->gas_burned);
    stream->tally.gas_burned += dispatch->gas_burned;
    stream->tally.replies += dispatch->message.kind == MR_KIND_REPLY;
    stream->tally.failures += dispatch->outcome != MR_OUTCOME_OK &&
                              dispatch->outcome != MR_OUTCOME_EXITED &&
                              dispatch->outcome != MR_OUTCOME_WAITING;
}
