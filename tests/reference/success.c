/* SPDX-License-Identifier: Apache-2.0 */
/* success: what a dispatch that succeeded or waits sends, and how it divides its gas. */
#include "base/assert.h"
#include "tests/reference/step.h"

/* How the gas that is left is divided. */
typedef struct division {
    uint64_t share; /* of each sharer */
    uint64_t rest;  /* what does not divide, or everything */
    uint64_t kept;  /* by a message that waits */
} division;

static bool waits(const mr_execution *e)
{
    return e->outcome == MR_OUTCOME_WAITING;
}

static const mr_draft *committed(const mr_execution *e, uint32_t i)
{
    return &e->drafts[e->committed[i]];
}

static bool creates(const mr_draft *draft)
{
    return draft->extra != NULL && draft->extra->creates;
}

static bool is_reserved(const mr_draft *draft)
{
    return draft->extra != NULL && draft->extra->is_reserved;
}

static bool shares(const mr_reference_step *s, const mr_draft *draft)
{
    return !draft->has_gas && (creates(draft) || mr_reference_exists(s, &draft->to));
}

static bool reply_shares(const mr_reference_step *s, const mr_execution *e)
{
    return e->reply.committed && !e->reply.has_gas && s->m.from_program;
}

/* Of the message's gas that is left, what was sponsored goes back, the message's own being used
 * first. */
static uint64_t unsponsor(mr_reference_step *s, uint64_t left)
{
    const uint64_t sponsored = mr_reference_sponsored(s);
    const uint64_t back = sponsored < left ? sponsored : left;
    if (sponsored == 0)
        return 0;
    s->m.sponsored = 0;
    mr_reference_refund(s->r, &s->m.sponsor, back);
    return back;
}

static division divide(mr_reference_step *s, const mr_execution *e)
{
    uint64_t sharers = reply_shares(s, e), set_aside = 0;
    for (uint32_t i = 0; i < e->committed_count; i++) {
        if (!shares(s, committed(e, i)))
            continue;
        sharers++;
        set_aside += committed(e, i)->gas;
    }
    /* Gas that is nobody's yet; of it what may be drawn stays where it is, as far as it is not
     * needed. The system reservation is the message's own. */
    const uint64_t system_gas = waits(e) ? 0 : mr_reference_system_gas(s, e->system_gas);
    const uint64_t unused = e->gas_left - (waits(e) ? e->wait_reserve : 0);
    const uint64_t back = unsponsor(s, unused > s->draw ? unused - s->draw : 0);
    const uint64_t left = unused - back + set_aside;
    const uint64_t own = (left > s->draw ? left - s->draw : 0) + system_gas;
    uint64_t to_share = own > set_aside ? own : set_aside;
    s->drawn = s->draw - (left + system_gas - to_share);
    division d = {0};
    if (waits(e))
        d.kept = sharers > 0 ? (to_share - set_aside) / 64 : to_share;
    to_share -= d.kept;
    if (sharers > 0)
        d.share = to_share / sharers;
    d.rest = to_share - d.share * sharers;
    if (waits(e))
        d.kept += e->wait_reserve + d.rest;
    return d;
}

/* ---- Messages ---- */

/* Programs exist for the whole dispatch that creates them. */
static void create_programs(mr_reference_step *s, const mr_execution *e)
{
    for (uint32_t i = 0; i < e->committed_count; i++) {
        const mr_draft *draft = committed(e, i);
        if (!creates(draft))
            continue;
        const mr_reference_code *code = mr_reference_find_code(s->r, &draft->extra->code);
        if (code == NULL)
            continue;
        mr_reference_actor *made = mr_reference_add_program(s->r, &draft->to, code);
        made->is_new = true;
        made->creator = s->m.message.id;
        made->generation = s->m.generation;
    }
}

/* In place of an init message for a program without code: an error reply from it. */
static mr_reference_message refusal(const mr_reference_step *s, const mr_reference_message *init)
{
    mr_reference_message reply = *init;
    reply.message.id = mr_reference_id_of_reply(&init->message.id);
    reply.message.source = mr_reference_keep_id(s->r, &init->destination);
    reply.message.gas_limit =
        mr_reference_most(s->r, &init->payer, init->message.gas_limit + init->deposit);
    reply.message.payload = (mr_span){0};
    reply.message.reply_to = mr_reference_keep_id(s->r, &init->message.id);
    memcpy(reply.message.code, (uint8_t[]){1, 2, 3, 0}, 4);
    reply.message.kind = MR_KIND_REPLY;
    reply.destination = s->program->id;
    reply.from_program = false;
    reply.deposit = 0;
    return reply;
}

static mr_reference_message message_of(const mr_reference_step *s, const mr_execution *e,
                                       const mr_draft *draft, uint64_t gas)
{
    mr_reference_message m =
        mr_reference_child(s, &draft->to,
                           &(mr_message){
                               .id = mr_reference_id_of_outgoing(&s->m.message.id, draft->nonce),
                               .value = draft->value,
                               .gas_limit = gas,
                               .payload = mr_span_of(draft->payload, draft->payload_bytes),
                               .kind = creates(draft) ? MR_KIND_INIT : MR_KIND_HANDLE,
                           });
    if (draft->extra != NULL)
        m.deposit = draft->extra->deposit;
    if (is_reserved(draft))
        m.payer = draft->extra->payer;
    if (waits(e)) {
        m.has_origin = true;
        m.origin = s->m.message.id;
    }
    return m;
}

static void send(mr_reference_step *s, const mr_execution *e, const mr_draft *draft, uint64_t gas)
{
    mr_reference *r = s->r;
    const uint32_t delay = draft->extra != NULL ? draft->extra->delay : 0;
    mr_reference_message m = message_of(s, e, draft, gas);
    s->receipt.sent++;
    if (creates(draft) && mr_reference_find_code(r, &draft->extra->code) == NULL) {
        m = refusal(s, &m);
        mr_reference_enqueue(r, &m);
    } else if (delay > 0) {
        mr_reference_add_task(r, &(mr_reference_task_entry){
                                     .what = MR_REFERENCE_SEND,
                                     .height = mr_reference_later(r->environment.height, delay),
                                     .owner = m.destination,
                                     .object = m.message.id,
                                     .message = m,
                                 });
    } else if (mr_reference_exists(s, &m.destination)) {
        mr_reference_enqueue(r, &m);
    } else {
        const uint64_t unused = mr_reference_tell_user(r, &m);
        if (is_reserved(draft))
            mr_reference_refund(r, &m.payer, unused);
        else
            mr_reference_give_back(s, unused);
    }
}

/* ---- The reply ---- */

static void reply_to_user(mr_reference_step *s, const mr_execution *e,
                          const mr_reference_message *reply, uint64_t rest)
{
    (void)mr_reference_tell_user(s->r, reply);
    const uint64_t limit = e->reply.committed && e->reply.has_gas ? e->reply.gas : 0;
    if (is_reserved(&e->reply))
        mr_reference_refund(s->r, &e->reply.extra->payer, limit);
    else
        mr_reference_give_back(s, limit);
    mr_reference_give_back(s, rest + s->m.deposit);
}

static void reply_to_program(mr_reference_step *s, const mr_execution *e,
                             mr_reference_message *reply, const division *d)
{
    if (e->reply.committed)
        reply->message.gas_limit = e->reply.has_gas ? e->reply.gas : d->share;
    reply->message.gas_limit += s->m.deposit;
    if (is_reserved(&e->reply) && !mr_reference_same(&e->reply.extra->payer, &s->m.payer)) {
        reply->payer = e->reply.extra->payer;
        reply->sponsor = s->m.payer;
        reply->sponsored = s->m.deposit;
        mr_reference_give_back(s, d->rest);
    } else {
        reply->message.gas_limit += d->rest;
    }
    reply->message.gas_limit = mr_reference_most(s->r, &reply->payer, reply->message.gas_limit);
    mr_reference_enqueue(s->r, reply);
}

/* Answers the message, or leaves what is left. */
static void answer(mr_reference_step *s, const mr_execution *e, const division *d)
{
    if (!mr_reference_is_answered(s)) {
        mr_reference_leave_rest(s, d->rest);
        return;
    }
    const bool own = e->reply.committed;
    mr_reference_message reply = mr_reference_reply(
        s, (const uint8_t[]){0, own, 0, 0}, own ? e->reply.value : 0,
        own ? mr_span_of(e->reply.payload, e->reply.payload_bytes) : (mr_span){0}, 0);
    s->receipt.sent++;
    if (s->m.from_program)
        reply_to_program(s, e, &reply, d);
    else
        reply_to_user(s, e, &reply, d->rest);
}

/* ---- Reservations and wakes ---- */

static void add_reservation(mr_reference_step *s, const mr_reservation *made)
{
    mr_reference_actor *p = s->program;
    MR_REFERENCE_ADD(p->reservations, p->reservations_count, *made);
    size_t i = p->reservations_count - 1;
    for (; i > 0 && memcmp(&made->id, &p->reservations[i - 1].id, sizeof made->id) < 0; i--)
        p->reservations[i] = p->reservations[i - 1];
    p->reservations[i] = *made;
    mr_reference_add_task(s->r, &(mr_reference_task_entry){.what = MR_REFERENCE_END_OF_RESERVATION,
                                                           .height = made->finish,
                                                           .owner = p->id,
                                                           .object = made->id});
}

static void change_reservations(mr_reference_step *s, const mr_execution *e)
{
    if (!e->reservations_changed)
        return;
    for (uint32_t i = 0; i < e->reservations_new_count; i++) {
        const mr_reservation *reservation = &e->reservations_new[i];
        if (reservation->ended) {
            mr_reference_end_reservation(s->r, reservation, reservation->used);
            if (!reservation->made)
                mr_reference_drop_reservation(s->r, s->program, &reservation->id);
        } else if (reservation->made) {
            add_reservation(s, reservation);
        }
    }
}

static void wake(mr_reference_step *s, const mr_execution *e)
{
    mr_reference *r = s->r;
    for (uint32_t i = 0; i < e->wakings_count; i++) {
        const mr_waking *waking = &e->wakings[i];
        if (waking->delay > 0) {
            mr_reference_add_task(
                r, &(mr_reference_task_entry){
                       .what = MR_REFERENCE_WAKE,
                       .height = mr_reference_later(r->environment.height, waking->delay),
                       .owner = s->program->id,
                       .object = waking->message,
                   });
            continue;
        }
        const size_t at = mr_reference_find_waiting(r, &s->program->id, &waking->message);
        if (at != SIZE_MAX)
            mr_reference_wake(r, at, false, s->m.generation + 1, &s->m.message.id);
    }
}

/* ---- Waiting ---- */

/* What the message remembers when it goes on. */
static mr_context remember(mr_reference_step *s, const mr_execution *e)
{
    const mr_context *before = &s->m.context;
    mr_context context = {
        .handles = e->handles_before + e->drafts_count,
        .reservations = e->reservations_made,
        .system_gas = mr_reference_system_gas(s, e->system_gas),
    };
    mr_id *created = mr_arena_alloc(&s->r->kept, (before->created_count + e->committed_count + 1) *
                                                     sizeof *created);
    MR_ASSERT(created != NULL);
    for (uint32_t i = 0; i < before->created_count; i++)
        created[context.created_count++] = before->created[i];
    for (uint32_t i = 0; i < e->committed_count; i++) {
        const mr_draft *draft = committed(e, i);
        if (creates(draft)) /* a code or none: the id is used up */
            created[context.created_count++] = draft->to;
    }
    context.created = created;
    return context;
}

static void wait(mr_reference_step *s, const mr_execution *e, uint64_t kept)
{
    mr_reference *r = s->r;
    const uint32_t now = r->environment.height;
    mr_reference_waiting_message w = {
        .message = s->m,
        .since = now,
        .wish = mr_reference_later(now, e->wait_blocks),
    };
    const uint32_t paid = mr_reference_paid_until(r, now, kept);
    w.until = paid < w.wish ? paid : w.wish;
    w.message.message.gas_limit = kept;
    w.message.has_waited = true;
    w.message.sponsored = 0;
    w.message.numbered = false;
    w.message.context = remember(s, e);
    MR_REFERENCE_ADD(r->waitlist, r->waitlist_count, w);
    mr_reference_add_task(r, &(mr_reference_task_entry){.what = MR_REFERENCE_END_OF_WAITING,
                                                        .height = w.until,
                                                        .owner = s->program->id,
                                                        .object = s->m.message.id});
}

/* ---- All of it ---- */

void mr_reference_succeed(mr_reference_step *s, const mr_execution *e)
{
    mr_reference_actor *p = s->program;
    create_programs(s, e);
    const division d = divide(s, e);
    for (uint32_t i = 0; i < e->committed_count; i++) {
        const mr_draft *draft = committed(e, i);
        send(s, e, draft,
             shares(s, draft) ? mr_reference_most(s->r, &s->m.payer, d.share) : draft->gas);
    }
    if (!waits(e))
        answer(s, e, &d);
    mr_reference_rent(s->r, e->rent);
    change_reservations(s, e);
    mr_reference_return_drawn(s);
    wake(s, e);
    mr_reference_find_end_again(s);
    if (waits(e)) {
        wait(s, e, d.kept);
        return;
    }
    if (s->m.message.kind == MR_KIND_INIT)
        p->status = MR_PROGRAM_ACTIVE;
    if (!e->exited)
        return;
    p->status = MR_PROGRAM_EXITED;
    p->heir = e->inheritor;
    mr_pages_fini(&p->heap);
    mr_reference_reset_memory(p);
    mr_reference_close_program(s, &e->inheritor, mr_reference_exists(s, &e->inheritor));
}
