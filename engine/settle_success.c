/* SPDX-License-Identifier: Apache-2.0 */
/* settle_success: what follows from a dispatch that went well, or waits. */
#include "engine/settle_gas.h"

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
        return mr_settle_not_created(at, draft, gas);
    mr_settle_give(at, &out, gas);
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
        mr_settle_refund(stream, dispatch->payer, rest + mr_settle_deposit(at));
        dispatch->sent++;
        dispatch->automatic = true;
        stream->tally.users++;
        return;
    }
    mr_outgoing reply = mr_settle_reply(
        at, draft->committed ? manual : automatic, draft->value,
        draft->committed ? mr_span_of(draft->payload, draft->payload_bytes) : (mr_span){0});
    const uint64_t explicit_gas = draft->committed && draft->has_gas ? draft->gas : 0;
    const mr_draft_extra *extra = draft->committed ? draft->extra : NULL;
    if (extra != NULL && extra->is_reserved && !mr_id_equal(&extra->payer, dispatch->payer)) {
        mr_id *payer = mr_arena_alloc(stream->block_arena, sizeof *payer);
        if (payer == NULL)
            return mr_settle_fail(stream, MR_NO_MEMORY);
        *payer = extra->payer;
        reply.payer = payer;
        mr_settle_refund(stream, dispatch->payer, rest);
        if (rides && mr_settle_deposit(at) > 0) {
            reply.sponsor = dispatch->payer;
            reply.sponsored = mr_settle_deposit(at);
        }
        mr_settle_give(at, &reply, explicit_gas + (rides ? mr_settle_deposit(at) : 0));
    } else if (rides) {
        mr_settle_give(at, &reply,
                       explicit_gas + rest + (shares ? share : 0) + mr_settle_deposit(at));
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

/* Before anything is sent, for what a dispatch creates is there for it at once. */
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
        at->created[i] = mr_settle_create(at, draft);
    }
}

static bool address(mr_settling *at, const mr_execution *execution, outbox *out)
{
    const mr_draft *reply = &execution->reply;
    *out = (outbox){.reply_shares = mr_settle_wants_reply(at) && at->dispatch->sender != NULL &&
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
        out->destinations[i] =
            creates ? (at->created != NULL ? at->created[i] : NULL)
                    : mr_settle_destination(at, &draft->to, execution->committed_count);
        if (draft->has_gas || (out->destinations[i] == NULL && !creates))
            continue;
        out->sharers++;
        out->floors += draft->gas;
    }
    return true;
}

void mr_settle_success(mr_settling *at, mr_execution *execution)
{
    mr_dispatch *dispatch = at->dispatch;
    const bool waits = dispatch->outcome == MR_OUTCOME_WAITING;
    outbox box;
    if (!address(at, execution, &box))
        return;
    const uint64_t system_gas = mr_settle_system_gas(at) + execution->system_gas;
    uint64_t used = execution->gas - execution->gas_left - box.floors;
    if (waits)
        used += execution->wait_reserve;
    uint64_t left = mr_settle_unsponsor(at, mr_settle_take_used(at, used), box.floors);
    if (!waits)
        left += system_gas;
    const mr_sharing shared = mr_settle_divide(at, left, box.sharers, box.floors, waits);
    at->stream->tally.gas_rent += execution->rent;
    if (!waits && !mr_settle_wants_reply(at))
        mr_settle_go_home(at, shared.rest);
    mr_settle_waiter_gas(at);
    for (uint32_t i = 0; i < execution->committed_count; i++)
        send_draft(at, &execution->drafts[execution->committed[i]], box.destinations[i],
                   shared.share);
    if (!waits && mr_settle_wants_reply(at))
        send_reply(at, &execution->reply, box.reply_shares, shared.share, shared.rest);
    mr_settle_reservations(at, execution);
    mr_settle_wake(at, execution);
    mr_settle_waiter_until(at);
    if (waits)
        mr_settle_wait(at, execution, execution->wait_reserve + shared.rest);
}
