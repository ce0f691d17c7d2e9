/* SPDX-License-Identifier: Apache-2.0 */
/* agenda: what lasts for blocks and costs rent (letters, waiting messages, reservations, delayed
 * messages and wakes), and the tasks that end it. */
#include <stdlib.h>

#include "base/assert.h"
#include "tests/reference/reference_internal.h"

static uint32_t now(const mr_reference *r)
{
    return r->environment.height;
}

/* ---- Heights and rent ---- */

uint32_t mr_reference_later(uint32_t height, uint64_t blocks)
{
    return blocks > UINT32_MAX - height ? UINT32_MAX : height + (uint32_t)blocks;
}

uint32_t mr_reference_paid_until(const mr_reference *r, uint32_t since, uint64_t gas)
{
    return r->schedule.rent == 0 ? UINT32_MAX : mr_reference_later(since, gas / r->schedule.rent);
}

/* ---- Tasks ---- */

void mr_reference_add_task(mr_reference *r, const mr_reference_task_entry *task)
{
    MR_ASSERT(task->height > now(r) || task->height == UINT32_MAX);
    MR_REFERENCE_ADD(r->tasks, r->tasks_count, *task);
}

void mr_reference_drop_task(mr_reference *r, mr_reference_what what, const mr_id *owner,
                            const mr_id *object)
{
    const size_t i = mr_reference_find_task(r, what, owner, object);
    MR_ASSERT(i != SIZE_MAX);
    MR_REFERENCE_CUT(r->tasks, r->tasks_count, i);
}

/* ---- Messages on their way ---- */

void mr_reference_enqueue(mr_reference *r, const mr_reference_message *m)
{
    MR_ASSERT(mr_reference_find_program(r, &m->destination) != NULL);
    MR_REFERENCE_ADD(r->queue, r->queue_count, *m);
}

static void add_letter(mr_reference *r, const mr_reference_message *m)
{
    const mr_reference_letter letter = {
        .user = m->destination,
        .message = m->message.id,
        .program = *m->message.source,
        .payer = m->payer,
        .value = m->message.value,
        .gas = m->message.gas_limit,
        .since = now(r),
        .until = mr_reference_paid_until(r, now(r), m->message.gas_limit),
        .has_origin = m->has_origin,
        .origin = m->origin,
        .deposit = m->deposit,
        .payload = mr_reference_keep_span(r, m->message.payload),
    };
    MR_REFERENCE_ADD(r->letters, r->letters_count, letter);
    mr_reference_add_task(r, &(mr_reference_task_entry){.what = MR_REFERENCE_END_OF_LETTER,
                                                        .height = letter.until,
                                                        .owner = letter.user,
                                                        .object = letter.message});
}

uint64_t mr_reference_tell_user(mr_reference *r, const mr_reference_message *m)
{
    const bool is_reply = m->message.kind == MR_KIND_REPLY;
    const uint64_t gas = m->message.gas_limit;
    const bool is_letter = !is_reply && gas > 0 && gas >= r->schedule.rent;
    mr_user_message told = {
        .id = m->message.id,
        .from = *m->message.source,
        .to = m->destination,
        .is_reply = is_reply,
        .value = m->message.value,
        .until = is_letter ? mr_reference_paid_until(r, now(r), gas) : 0,
        .payload = mr_reference_keep_span(r, m->message.payload),
    };
    if (is_reply) {
        told.reply_to = *m->message.reply_to;
        memcpy(told.code, m->message.code, sizeof told.code);
    }
    MR_REFERENCE_ADD(r->block->user_messages, r->block->info.user_messages_count, told);
    if (is_letter) {
        add_letter(r, m);
        return 0;
    }
    mr_reference_pay_out(r, &m->destination, m->message.value);
    return gas + m->deposit;
}

/* ---- Letters ---- */

mr_reference_letter mr_reference_take_letter(mr_reference *r, size_t i)
{
    mr_reference_letter letter = r->letters[i];
    const size_t task =
        mr_reference_find_task(r, MR_REFERENCE_END_OF_LETTER, &letter.user, &letter.message);
    if (task != SIZE_MAX) /* else it is the task that is carried out */
        MR_REFERENCE_CUT(r->tasks, r->tasks_count, task);
    MR_REFERENCE_CUT(r->letters, r->letters_count, i);
    const uint64_t rent = (now(r) - letter.since) * r->schedule.rent;
    MR_ASSERT(rent <= letter.gas);
    mr_reference_rent(r, rent);
    letter.gas -= rent;
    mr_reference_pay_out(r, &letter.user, letter.value);
    return letter;
}

bool mr_reference_answer_letter(mr_reference *r, const mr_reference_letter *letter)
{
    const uint64_t gas = mr_reference_most(r, &letter->payer, letter->gas + letter->deposit);
    if (gas == 0 && !letter->has_origin)
        return false;
    const mr_reference_message m = {
        .message =
            {
                .id = mr_reference_id_of_reply(&letter->message),
                .source = mr_reference_keep_id(r, &letter->user),
                .gas_limit = gas,
                .reply_to = mr_reference_keep_id(r, &letter->message),
                .kind = MR_KIND_REPLY,
            },
        .destination = letter->program,
        .payer = letter->payer,
        .has_origin = letter->has_origin,
        .origin = letter->origin,
    };
    mr_reference_enqueue(r, &m);
    return true;
}

/* ---- Waiting ---- */

void mr_reference_wake(mr_reference *r, size_t i, bool removed, uint64_t generation,
                       const mr_id *parent)
{
    const mr_reference_waiting_message waiting = r->waitlist[i];
    mr_reference_message m = waiting.message;
    const size_t task =
        mr_reference_find_task(r, MR_REFERENCE_END_OF_WAITING, &m.destination, &m.message.id);
    if (task != SIZE_MAX) /* else it is the task that is carried out */
        MR_REFERENCE_CUT(r->tasks, r->tasks_count, task);
    MR_REFERENCE_CUT(r->waitlist, r->waitlist_count, i);
    const uint64_t rent = (now(r) - waiting.since) * r->schedule.rent;
    MR_ASSERT(rent <= m.message.gas_limit);
    mr_reference_rent(r, rent);
    m.message.gas_limit -= rent;
    m.removed = removed;
    m.generation = generation;
    m.parent = *parent;
    mr_reference_enqueue(r, &m);
}

void mr_reference_flush(mr_reference *r, const mr_id *program, uint64_t generation,
                        const mr_id *parent)
{
    for (;;) {
        size_t least = SIZE_MAX;
        for (size_t i = 0; i < r->waitlist_count; i++) {
            const mr_reference_message *m = &r->waitlist[i].message;
            if (mr_reference_same(&m->destination, program) &&
                (least == SIZE_MAX ||
                 memcmp(&m->message.id, &r->waitlist[least].message.message.id, sizeof(mr_id)) < 0))
                least = i;
        }
        if (least == SIZE_MAX)
            return;
        mr_reference_wake(r, least, false, generation, parent);
    }
}

/* ---- Reservations ---- */

void mr_reference_end_reservation(mr_reference *r, const mr_reservation *reservation,
                                  bool amount_is_used)
{
    const uint64_t rent = r->schedule.rent;
    mr_reference_rent(r, (now(r) - reservation->start) * rent);
    mr_reference_refund(r, &reservation->payer, (reservation->finish - now(r)) * rent);
    if (!amount_is_used)
        mr_reference_refund(r, &reservation->payer, reservation->amount);
}

void mr_reference_drop_reservation(mr_reference *r, mr_reference_actor *p, const mr_id *id)
{
    size_t i = 0;
    while (!mr_reference_same(&p->reservations[i].id, id))
        i++;
    MR_REFERENCE_CUT(p->reservations, p->reservations_count, i);
    const size_t task = mr_reference_find_task(r, MR_REFERENCE_END_OF_RESERVATION, &p->id, id);
    if (task != SIZE_MAX) /* else it is the task that is carried out */
        MR_REFERENCE_CUT(r->tasks, r->tasks_count, task);
}

/* ---- What is due ---- */

static void send_delayed(mr_reference *r, mr_reference_message m)
{
    /* It was sent by the agenda, not by a dispatch of this block. */
    m.generation = 0;
    m.parent = (mr_id){0};
    if (mr_reference_find_program(r, &m.destination) != NULL)
        mr_reference_enqueue(r, &m);
    else
        mr_reference_refund(r, &m.payer, mr_reference_tell_user(r, &m));
}

static void end_reservation(mr_reference *r, const mr_id *program, const mr_id *id)
{
    mr_reference_actor *p = mr_reference_find_program(r, program);
    for (size_t i = 0; i < p->reservations_count; i++) {
        const mr_reservation reservation = p->reservations[i];
        if (!mr_reference_same(&reservation.id, id))
            continue;
        mr_reference_end_reservation(r, &reservation, false);
        mr_reference_drop_reservation(r, p, id);
        return;
    }
    MR_ASSERT(!"a reservation's task outlived it");
}

static void carry_out(mr_reference *r, const mr_reference_task_entry *task)
{
    static const mr_id nobody;
    size_t i;
    switch (task->what) {
    case MR_REFERENCE_END_OF_WAITING:
        i = mr_reference_find_waiting(r, &task->owner, &task->object);
        mr_reference_wake(r, i, r->waitlist[i].until < r->waitlist[i].wish, 0, &nobody);
        return;
    case MR_REFERENCE_WAKE:
        i = mr_reference_find_waiting(r, &task->owner, &task->object);
        if (i != SIZE_MAX)
            mr_reference_wake(r, i, false, 0, &nobody);
        return;
    case MR_REFERENCE_SEND:
        send_delayed(r, task->message);
        return;
    case MR_REFERENCE_END_OF_LETTER: {
        i = mr_reference_find_letter(r, &task->owner, &task->object);
        const mr_reference_letter letter = mr_reference_take_letter(r, i);
        (void)mr_reference_answer_letter(r, &letter);
        return;
    }
    case MR_REFERENCE_END_OF_RESERVATION:
        end_reservation(r, &task->owner, &task->object);
        return;
    }
}

void mr_reference_agenda(mr_reference *r)
{
    /* What is carried out takes other tasks away, but makes none for this height. */
    for (size_t i = 0; i < r->tasks_count;) {
        if (r->tasks[i].height != now(r)) {
            i++;
            continue;
        }
        const mr_reference_task_entry task = r->tasks[i];
        MR_REFERENCE_CUT(r->tasks, r->tasks_count, i);
        r->block->info.tasks_count++;
        carry_out(r, &task);
        i = 0; /* from the start: those before may have moved */
    }
    r->block->info.agenda_messages_count = r->block->info.user_messages_count;
}
