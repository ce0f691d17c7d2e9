/* SPDX-License-Identifier: Apache-2.0 */
/* settle_wait: what a dispatch does to what its program keeps: messages that wait, and
 * reservations. */
#include "engine/settle.h"

#include "base/assert.h"
#include "engine/id.h"
#include "engine/waiting.h"

static uint64_t rent_of(const mr_settling *at)
{
    return at->stream->engine->schedule.rent;
}

static uint32_t height_of(const mr_settling *at)
{
    return (uint32_t)at->block->info.height;
}

uint64_t mr_settle_waiter(mr_settling *at)
{
    const mr_id *origin = mr_dispatch_origin(at->dispatch);
    if (at->dispatch->message.kind != MR_KIND_REPLY || origin == NULL)
        return 0;
    const mr_wait_source from = mr_wait_source_of(at->block, at->stream);
    mr_status status = mr_waitlist_find(at->program, &from, origin, &at->waiter);
    if (status != MR_OK)
        mr_settle_fail(at->stream, status);
    if (at->waiter == NULL)
        return 0;
    const uint64_t room = mr_block_gas_room(at->block, at->dispatch->message.gas_limit);
    const uint64_t most = mr_waiting_drawable(at->waiter, height_of(at), rent_of(at));
    return most < room ? most : room;
}

/* Makes a message of the waitlist one that may be changed. False when the block cannot go on. */
static bool edit(mr_settling *at, mr_dispatch **waiting)
{
    mr_status status = mr_waitlist_edit(at->program, at->stream->block_arena, *waiting, waiting);
    if (status == MR_OK)
        return true;
    mr_settle_fail(at->stream, status);
    return false;
}

void mr_settle_waiter_gas(mr_settling *at)
{
    if (at->waiter == NULL || (at->drawn == 0 && at->home == 0) || !edit(at, &at->waiter))
        return;
    MR_ASSERT(at->drawn <= at->waiter->message.gas_limit);
    at->waiter->message.gas_limit += at->home - at->drawn;
    if (at->waiter->extra->waiting)
        at->stream->tally.gas_held += at->home - at->drawn;
    else
        at->stream->tally.unsteady++; /* it may stand in the queue already */
}

void mr_settle_waiter_until(mr_settling *at)
{
    if (at->waiter == NULL || (at->drawn == 0 && at->home == 0))
        return;
    mr_extra *extra = at->waiter->extra;
    if (!extra->waiting)
        return;
    const uint32_t until = mr_waiting_until(at->waiter, rent_of(at));
    if (until == extra->until)
        return;
    extra->until = until;
    if (extra->task != NULL)
        extra->task->cancelled = true;
    extra->task = mr_settle_task(at, MR_TASK_END_WAIT, until, at->dispatch->program_id,
                                 &at->waiter->message.id);
}

/* Takes a message off the waitlist and puts it into the queue. */
static void wake(mr_settling *at, mr_dispatch *waiting)
{
    mr_stream *stream = at->stream;
    if (!edit(at, &waiting))
        return;
    stream->tally.gas_held -= mr_dispatch_gas(waiting);
    const uint64_t rent = mr_waiting_leave(waiting, height_of(at), rent_of(at));
    stream->tally.gas_rent += rent;
    at->rent_of_woken += rent;
    stream->tally.waiting--;
    at->program->waiting--;
    waiting->parent = at->dispatch;
    waiting->generation = at->dispatch->generation + 1;
    if (waiting->from_program) {
        mr_status status =
            mr_engine_find_program(stream->engine, waiting->message.source, &waiting->sender);
        if (status != MR_OK)
            return mr_settle_fail(stream, status == MR_NOT_FOUND ? MR_CORRUPT : status);
    }
    mr_settle_emit(at, waiting);
}

void mr_settle_wake(mr_settling *at, const mr_execution *execution)
{
    const mr_wait_source from = mr_wait_source_of(at->block, at->stream);
    for (uint32_t i = 0; i < execution->wakings_count; i++) {
        const mr_waking *waking = &execution->wakings[i];
        if (waking->delay > 0) {
            (void)mr_settle_task(at, MR_TASK_WAKE, mr_height_after(height_of(at), waking->delay),
                                 at->dispatch->program_id, &waking->message);
            continue;
        }
        mr_dispatch *waiting;
        mr_status status = mr_waitlist_find(at->program, &from, &waking->message, &waiting);
        if (status != MR_OK)
            return mr_settle_fail(at->stream, status);
        if (waiting != NULL && waiting->extra->waiting)
            wake(at, waiting);
    }
}

/* What the message remembers: what it remembered, and what this run added. */
static mr_status make_context(mr_settling *at, const mr_execution *execution, mr_context *out)
{
    static const mr_context none;
    const mr_context *old = execution->context != NULL ? execution->context : &none;
    *out = *old;
    out->handles = execution->handles_before + execution->drafts_count;
    out->reservations = execution->reservations_made;
    out->system_gas += execution->system_gas;
    if (at->created == NULL)
        return MR_OK;
    mr_id *created =
        mr_arena_alloc(at->stream->block_arena,
                       (old->created_count + execution->committed_count) * sizeof *created);
    if (created == NULL)
        return MR_NO_MEMORY;
    if (old->created_count > 0)
        memcpy(created, old->created, old->created_count * sizeof *created);
    for (uint32_t i = 0; i < execution->committed_count; i++) {
        const mr_draft *draft = &execution->drafts[execution->committed[i]];
        if (draft->extra != NULL && draft->extra->creates)
            created[out->created_count++] = draft->to;
    }
    out->created = created;
    return MR_OK;
}

void mr_settle_wait(mr_settling *at, const mr_execution *execution, uint64_t gas)
{
    mr_stream *stream = at->stream;
    const mr_dispatch *ran = at->dispatch;
    mr_dispatch *waiting = mr_arena_alloc(stream->block_arena, sizeof *waiting);
    mr_extra *extra = mr_arena_alloc(stream->block_arena, sizeof *extra);
    if (waiting == NULL || extra == NULL)
        return mr_settle_fail(stream, MR_NO_MEMORY);
    static const mr_extra none;
    *extra = ran->extra != NULL ? *ran->extra : none;
    mr_status status = make_context(at, execution, &extra->context);
    if (status != MR_OK)
        return mr_settle_fail(stream, status);
    extra->waited = extra->waiting = true;
    extra->sponsor = NULL; /* has what is left */
    extra->sponsored = 0;
    extra->since = height_of(at);
    extra->wish = execution->wait_blocks == UINT32_MAX
                      ? UINT32_MAX
                      : mr_height_after(extra->since, execution->wait_blocks);
    *waiting = (mr_dispatch){
        .message = ran->message,
        .program = at->program,
        .sender = ran->sender,
        .from_program = ran->from_program,
        .elder = ran->elder,
        .payer = ran->payer,
        .extra = extra,
    };
    waiting->message.gas_limit = gas;
    if (ran->extra == NULL || !ran->extra->waited) /* it may be in memory of the round */
        waiting->message.payload =
            mr_settle_keep(stream, stream->block_arena, ran->message.payload);
    extra->until = at->until = mr_waiting_until(waiting, rent_of(at));
    extra->task =
        mr_settle_task(at, MR_TASK_END_WAIT, extra->until, ran->program_id, &ran->message.id);
    const mr_wait_source from = mr_wait_source_of(at->block, stream);
    status = mr_waitlist_put(at->program, &from, waiting);
    if (status != MR_OK)
        return mr_settle_fail(stream, status);
    stream->tally.gas_held += mr_dispatch_gas(waiting);
    stream->tally.waiting++;
    at->program->waiting++;
}

/* What it has paid for being kept is rent, the rest of that its payer's again. */
static void end_reservation(mr_settling *at, const mr_reservation *reservation)
{
    mr_stream *stream = at->stream;
    uint32_t now = height_of(at);
    if (now > reservation->finish && at->stream->engine->alone)
        now = reservation->finish; /* nobody has carried out what was due */
    const uint64_t all = (uint64_t)(reservation->finish - reservation->start) * rent_of(at);
    const uint64_t paid = (uint64_t)(now - reservation->start) * rent_of(at);
    if (now < reservation->start || now > reservation->finish)
        return mr_settle_fail(stream, MR_CORRUPT); /* it was read so */
    stream->tally.gas_rent += paid;
    mr_settle_refund(stream, &reservation->payer, all - paid);
    if (!reservation->used)
        mr_settle_refund(stream, &reservation->payer, reservation->amount);
    if (!reservation->made)
        stream->tally.gas_held -= reservation->amount + all;
}

void mr_settle_reservations(mr_settling *at, const mr_execution *execution)
{
    if (!execution->reservations_changed)
        return;
    for (uint32_t i = 0; i < execution->reservations_new_count; i++) {
        mr_reservation *reservation = &execution->reservations_new[i];
        if (reservation->ended) {
            end_reservation(at, reservation);
            if (reservation->task != NULL)
                reservation->task->cancelled = true;
        } else if (reservation->made) {
            at->stream->tally.gas_held +=
                reservation->amount +
                (uint64_t)(reservation->finish - reservation->start) * rent_of(at);
            reservation->task = mr_settle_task(at, MR_TASK_RESERVATION, reservation->finish,
                                               at->dispatch->program_id, &reservation->id);
        }
    }
    mr_status status = mr_program_set_reservations(at->program, execution->reservations_new,
                                                   execution->reservations_new_count);
    if (status != MR_OK)
        mr_settle_fail(at->stream, status);
}

void mr_settle_end(mr_settling *at)
{
    const mr_wait_source from = mr_wait_source_of(at->block, at->stream);
    mr_dispatch **all;
    size_t count;
    mr_status status = mr_waitlist_all(at->program, &from, &all, &count);
    if (status != MR_OK)
        return mr_settle_fail(at->stream, status);
    for (size_t i = 0; i < count; i++)
        wake(at, all[i]);
    for (uint32_t i = 0; i < at->program->reservations_count; i++) {
        mr_reservation *reservation = &at->program->reservations[i];
        end_reservation(at, &(mr_reservation){.payer = reservation->payer,
                                              .amount = reservation->amount,
                                              .start = reservation->start,
                                              .finish = reservation->finish});
        if (reservation->task != NULL)
            reservation->task->cancelled = true;
    }
    status = mr_program_set_reservations(at->program, NULL, 0);
    if (status != MR_OK)
        mr_settle_fail(at->stream, status);
}
