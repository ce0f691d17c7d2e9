/* SPDX-License-Identifier: Apache-2.0 */
/* draw: the message a reply belongs to, gas that is drawn from it and goes home to it, and gas that
 * goes back to whoever paid. */
#include "tests/reference/step.h"

#include "base/assert.h"

uint64_t mr_reference_system_gas(const mr_reference_step *s, uint64_t added)
{
    const uint64_t most = (uint64_t)1 << 62, before = s->m.context.system_gas;
    MR_ASSERT(before <= most && added <= most - before);
    return before + added;
}

/* ---- The message a reply belongs to ---- */

/* The message that `m`, a reply, belongs to: in the waitlist or in the queue; or neither. */
typedef struct belonging {
    mr_reference_waiting_message *waiting;
    mr_reference_message *woken;
} belonging;

static belonging belongs(const mr_reference *r, const mr_reference_message *m)
{
    if (m->message.kind != MR_KIND_REPLY || !m->has_origin)
        return (belonging){0};
    const size_t i = mr_reference_find_waiting(r, &m->destination, &m->origin);
    if (i != SIZE_MAX)
        return (belonging){.waiting = &r->waitlist[i]};
    for (size_t q = r->queue_at; q < r->queue_count; q++) {
        mr_reference_message *woken = &r->queue[q];
        if (woken->has_waited && mr_reference_same(&woken->message.id, &m->origin) &&
            mr_reference_same(&woken->destination, &m->destination))
            return (belonging){.woken = woken};
    }
    return (belonging){0};
}

uint64_t mr_reference_may_draw(const mr_reference *r, const mr_reference_message *m)
{
    const belonging b = belongs(r, m);
    uint64_t draw = 0;
    if (b.woken != NULL) {
        draw = b.woken->message.gas_limit;
    } else if (b.waiting != NULL) {
        const mr_reference_waiting_message *w = b.waiting;
        const uint32_t next = mr_reference_later(r->environment.height, 1);
        const uint32_t paid_to = w->until == w->wish ? w->wish : next;
        const mr_value rent = (mr_value)(paid_to - w->since) * r->schedule.rent;
        const uint64_t gas = w->message.message.gas_limit;
        draw = gas > rent ? gas - (uint64_t)rent : 0;
    }
    const uint64_t most = mr_reference_gas_max(r);
    if (m->message.gas_limit >= most)
        return 0;
    return draw < most - m->message.gas_limit ? draw : most - m->message.gas_limit;
}

void mr_reference_return_drawn(mr_reference_step *s)
{
    if (s->drawn == 0 && s->home == 0)
        return;
    mr_reference *r = s->r;
    const belonging b = belongs(r, &s->m);
    mr_message *to = b.woken != NULL ? &b.woken->message : &b.waiting->message.message;
    to->gas_limit -= s->drawn;
    const uint64_t most = mr_reference_gas_max(r);
    const uint64_t room = to->gas_limit < most ? most - to->gas_limit : 0;
    const uint64_t stays = s->home < room ? s->home : room;
    to->gas_limit += stays;
    mr_reference_give_back(s, s->home - stays);
}

void mr_reference_find_end_again(mr_reference_step *s)
{
    if (s->drawn == 0 && s->home == 0)
        return;
    mr_reference *r = s->r;
    mr_reference_waiting_message *w = belongs(r, &s->m).waiting;
    if (w == NULL)
        return;
    const uint32_t paid = mr_reference_paid_until(r, w->since, w->message.message.gas_limit);
    const uint32_t until = paid < w->wish ? paid : w->wish;
    if (until == w->until)
        return;
    w->until = until;
    const mr_id message = w->message.message.id;
    mr_reference_drop_task(r, MR_REFERENCE_END_OF_WAITING, &s->program->id, &message);
    mr_reference_add_task(r, &(mr_reference_task_entry){.what = MR_REFERENCE_END_OF_WAITING,
                                                        .height = until,
                                                        .owner = s->program->id,
                                                        .object = message});
}

bool mr_reference_draws_foreign(const mr_reference *r, const mr_reference_message *m)
{
    const belonging b = belongs(r, m);
    const mr_reference_message *to = b.waiting != NULL ? &b.waiting->message : b.woken;
    return to != NULL && !mr_reference_same(&to->payer, &m->payer);
}

/* ---- Gas that is left ---- */

uint64_t mr_reference_sponsored(const mr_reference_step *s)
{
    return mr_reference_same(&s->m.sponsor, &s->m.payer) ? 0 : s->m.sponsored;
}

uint64_t mr_reference_own_part(mr_reference_step *s, uint64_t left)
{
    if (left < s->draw) {
        s->drawn = s->draw - left;
        return 0;
    }
    s->drawn = 0;
    return left - s->draw;
}

void mr_reference_give_back(mr_reference_step *s, uint64_t gas)
{
    const uint64_t sponsored = gas < s->m.sponsored ? gas : s->m.sponsored;
    if (sponsored > 0)
        mr_reference_refund(s->r, &s->m.sponsor, sponsored);
    s->m.sponsored -= sponsored;
    mr_reference_refund(s->r, &s->m.payer, gas - sponsored);
}

void mr_reference_leave_rest(mr_reference_step *s, uint64_t gas)
{
    const belonging b = belongs(s->r, &s->m);
    const mr_reference_message *to = b.waiting != NULL ? &b.waiting->message : b.woken;
    if (to != NULL && mr_reference_same(&to->payer, &s->m.payer))
        s->home += gas;
    else
        mr_reference_give_back(s, gas);
}
