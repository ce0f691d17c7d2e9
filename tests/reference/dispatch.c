/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch: how a message is handled, in which of the ways it ends, and what a failure does. */
#include <stdlib.h>

#include "base/assert.h"
#include "tests/reference/step.h"

/* Where a signal comes from. */
static const mr_id system_id = {"geargeargeargeargeargeargeargear"};

/* ---- What a dispatch sends ---- */

mr_value mr_reference_brings(const mr_reference_message *m)
{
    return m->has_waited ? 0 : m->message.value;
}

bool mr_reference_is_answered(const mr_reference_step *s)
{
    return s->m.message.kind == MR_KIND_INIT || s->m.message.kind == MR_KIND_HANDLE;
}

bool mr_reference_exists(const mr_reference_step *s, const mr_id *id)
{
    const mr_reference_actor *p = mr_reference_find_program(s->r, id);
    return p != NULL && (!p->is_new || p->generation < s->m.generation ||
                         mr_reference_same(&p->creator, &s->m.message.id));
}

mr_reference_message mr_reference_child(const mr_reference_step *s, const mr_id *destination,
                                        const mr_message *message)
{
    mr_reference_message made = {
        .message = *message,
        .destination = *destination,
        .payer = s->m.payer,
        .from_program = true,
        .generation = s->m.generation + 1,
        .parent = s->m.message.id,
    };
    made.message.source = mr_reference_keep_id(s->r, &s->program->id);
    made.message.payload = mr_reference_keep_span(s->r, message->payload);
    return made;
}

mr_reference_message mr_reference_reply(const mr_reference_step *s, const uint8_t code[4],
                                        mr_value value, mr_span payload, uint64_t gas)
{
    mr_message reply = {
        .id = mr_reference_id_of_reply(&s->m.message.id),
        .value = value,
        .gas_limit = gas,
        .payload = payload,
        .reply_to = mr_reference_keep_id(s->r, &s->m.message.id),
        .kind = MR_KIND_REPLY,
    };
    memcpy(reply.code, code, sizeof reply.code);
    mr_reference_message made = mr_reference_child(s, s->m.message.source, &reply);
    made.has_origin = s->m.has_origin;
    made.origin = s->m.origin;
    return made;
}

/* ---- The end of a program ---- */

void mr_reference_close_program(mr_reference_step *s, const mr_id *heir, bool heir_is_program)
{
    mr_reference *r = s->r;
    mr_reference_actor *p = s->program;
    mr_reference_flush(r, &p->id, s->m.generation + 1, &s->m.message.id);
    while (p->reservations_count > 0) {
        const mr_reservation ended = p->reservations[0];
        mr_reference_end_reservation(r, &ended, false);
        mr_reference_drop_reservation(r, p, &ended.id);
    }
    const mr_value estate = p->balance;
    p->balance = 0;
    if (estate == 0)
        return;
    if (heir_is_program) {
        const mr_reference_message m =
            mr_reference_child(s, heir, &(mr_message){.kind = MR_KIND_VALUE, .value = estate});
        mr_reference_enqueue(r, &m);
    } else {
        mr_reference_pay_out(r, heir, estate);
    }
}

/* ---- A failure ---- */

static uint32_t signal_code(const uint8_t code[4])
{
    static const uint32_t of_execution[] = {101, 103, 102, 100, 104, 105};
    return code[1] == 3 ? 200 : of_execution[code[2]];
}

/* Tells the program that the message failed. False when it cannot. */
static bool send_signal(mr_reference_step *s, const uint8_t code[4], uint64_t gas)
{
    const mr_reference_message *m = &s->m;
    const bool is_told = m->message.kind == MR_KIND_HANDLE ||
                         (m->message.kind == MR_KIND_REPLY && m->message.code[0] == 0);
    if (!is_told || gas == 0 || s->receipt.outcome == MR_OUTCOME_UNAVAILABLE)
        return false;
    mr_reference_message signal =
        mr_reference_child(s, &s->program->id,
                           &(mr_message){
                               .id = mr_reference_id_of_signal(&m->message.id),
                               .gas_limit = mr_reference_most(s->r, &m->payer, gas),
                               .reply_to = mr_reference_keep_id(s->r, &m->message.id),
                               .signal = signal_code(code),
                               .kind = MR_KIND_SIGNAL,
                           });
    signal.message.source = &system_id;
    signal.from_program = false;
    s->receipt.sent++;
    mr_reference_enqueue(s->r, &signal);
    return true;
}

/* `left` is the gas that the dispatch has not burned, what it may draw included but not what it
 * added to the system reservation, `added`. */
static void fail(mr_reference_step *s, const uint8_t code[4], mr_span payload, uint64_t left,
                 uint64_t added)
{
    const mr_reference_message *m = &s->m;
    const uint64_t system_gas = mr_reference_system_gas(s, added);
    if (m->message.kind == MR_KIND_INIT && s->program->status == MR_PROGRAM_UNINITIALIZED) {
        s->program->status = MR_PROGRAM_TERMINATED;
        mr_reference_close_program(s, m->message.source, m->from_program);
    }
    uint64_t own = mr_reference_own_part(s, left);
    if (!send_signal(s, code, system_gas))
        own += system_gas;
    if (mr_reference_is_answered(s)) {
        const uint64_t gas = own + m->deposit;
        mr_reference_message reply =
            mr_reference_reply(s, code, mr_reference_brings(m), payload, 0);
        s->receipt.sent++;
        if (m->from_program) {
            reply.message.gas_limit = mr_reference_most(s->r, &m->payer, gas);
            mr_reference_enqueue(s->r, &reply);
        } else {
            (void)mr_reference_tell_user(s->r, &reply);
            mr_reference_give_back(s, gas);
        }
    } else {
        s->program->balance += mr_reference_brings(m);
        mr_reference_leave_rest(s, own);
    }
    mr_reference_return_drawn(s);
    mr_reference_find_end_again(s);
}

/* ---- Running ---- */

/* Runs the entry over a copy of the program's memory and heap. */
static void run(mr_reference_step *s, mr_execution *e, uint32_t entry, uint64_t charge)
{
    mr_reference *r = s->r;
    mr_reference_actor *p = s->program;
    static const uint8_t zeros[MR_UNIT_BYTES];
    mr_unit_pool *pool = mr_vm_worker_pool(r->worker);
    mr_memory memory;
    mr_memory_init(&memory, p->code);
    mr_status status = mr_memory_load_pages(&memory, p->pages);
    for (uint32_t unit = 0; unit < p->pages * MR_PAGE_UNITS && status == MR_OK; unit++) {
        const uint8_t *bytes = p->memory + (size_t)unit * MR_UNIT_BYTES;
        const uint8_t *initial = mr_code_base_unit(p->code, unit);
        if (memcmp(bytes, initial != NULL ? initial : zeros, MR_UNIT_BYTES) != 0)
            status = mr_memory_load_unit(&memory, pool, unit, bytes);
    }
    MR_ASSERT(status == MR_OK);

    e->environment = &r->environment;
    e->message = &s->m.message;
    e->program = &p->id;
    e->payer = &s->m.payer;
    e->context = s->m.has_waited ? &s->m.context : NULL;
    e->gas = s->m.message.gas_limit + s->draw;
    e->foreign = mr_reference_sponsored(s) + (s->draws_foreign ? s->draw : 0);
    e->balance = p->balance + mr_reference_brings(&s->m);
    e->heap = &p->heap;
    e->reservations = p->reservations;
    e->reservations_count = (uint32_t)p->reservations_count;
    e->arena = &r->kept;
    e->query = false;
    status = mr_execution_run(e, r->worker, &memory, entry, charge);
    MR_ASSERT(status == MR_OK);

    if (mr_execution_succeeded(e)) {
        p->pages = mr_memory_pages(&memory);
        p->memory = realloc(p->memory, ((size_t)p->pages + 1) * MR_PAGE_BYTES);
        MR_ASSERT(p->memory != NULL);
        status = mr_memory_read(&memory, 0, p->memory, (size_t)p->pages * MR_PAGE_BYTES);
        MR_ASSERT(status == MR_OK);
        p->balance = e->balance - e->spent;
        if (e->heap_changed)
            status = mr_pages_copy(&p->heap, &e->heap_new);
        MR_ASSERT(status == MR_OK);
    }
    mr_memory_fini(&memory, pool);
}

static void execute(mr_reference_step *s, uint32_t entry)
{
    mr_reference *r = s->r;
    const uint64_t own = s->m.message.gas_limit, gas = own + s->draw;
    const uint64_t stack_pages = mr_code_stack_end(s->program->code) / MR_PAGE_BYTES;
    const uint64_t charge =
        r->schedule.dispatch + r->schedule.page_load * (s->program->pages - stack_pages);
    if (gas < charge) {
        s->receipt.outcome = MR_OUTCOME_OUT_OF_GAS;
        s->receipt.gas_burned = own;
        fail(s, (const uint8_t[]){1, 0, 0, 0}, (mr_span){0}, gas - own, 0);
        return;
    }
    mr_execution *e = &r->execution;
    run(s, e, entry, charge);
    s->receipt.outcome = e->outcome;
    s->receipt.text = mr_reference_keep_span(r, e->text);
    s->receipt.gas_burned = gas - e->gas_left - e->set_aside - e->explicit_gas - e->system_gas -
                            e->reserved_gas - e->rent;
    for (const mr_debug_text *line = e->debug_first; line != NULL; line = line->next)
        MR_REFERENCE_ADD(r->block->debug, r->block->debug_count,
                         ((mr_debug_line){s->program->id, s->m.message.id,
                                          mr_reference_keep_span(r, line->text)}));
    if (mr_execution_succeeded(e))
        mr_reference_succeed(s, e);
    else
        fail(s, e->error, e->outcome == MR_OUTCOME_PANIC ? e->text : (mr_span){0}, e->gas_left,
             e->system_gas);
}

/* A dispatch of an entry that the code does not have. */
static void pass_over(mr_reference_step *s)
{
    s->program->balance += mr_reference_brings(&s->m);
    const mr_execution nothing = {.gas_left = s->m.message.gas_limit + s->draw};
    mr_reference_succeed(s, &nothing);
}

static uint32_t entry_of(mr_kind kind)
{
    switch (kind) {
    case MR_KIND_INIT:
        return MR_ENTRY_INIT;
    case MR_KIND_HANDLE:
        return MR_ENTRY_HANDLE;
    case MR_KIND_REPLY:
        return MR_ENTRY_REPLY;
    default:
        return MR_ENTRY_SIGNAL;
    }
}

/* Ends the dispatch in one of its ways. */
static void end(mr_reference_step *s)
{
    const mr_reference_actor *p = s->program;
    const mr_kind kind = s->m.message.kind;
    const uint64_t gas = s->m.message.gas_limit + s->draw;
    if (s->m.removed) {
        s->receipt.outcome = MR_OUTCOME_REMOVED;
        fail(s, (const uint8_t[]){1, 3, 0, 0}, (mr_span){0}, gas, 0);
    } else if (p->status == MR_PROGRAM_EXITED) {
        s->receipt.outcome = MR_OUTCOME_UNAVAILABLE;
        fail(s, (const uint8_t[]){1, 2, 0, 0}, mr_span_of(&p->heir, sizeof p->heir), gas, 0);
    } else if (p->status == MR_PROGRAM_TERMINATED) {
        s->receipt.outcome = MR_OUTCOME_UNAVAILABLE;
        fail(s, (const uint8_t[]){1, 2, 1, 0}, (mr_span){0}, gas, 0);
    } else if (p->status == MR_PROGRAM_UNINITIALIZED && kind == MR_KIND_HANDLE) {
        s->receipt.outcome = MR_OUTCOME_UNAVAILABLE;
        fail(s, (const uint8_t[]){1, 2, 2, 0}, (mr_span){0}, gas, 0);
    } else if (!mr_code_has_entry(p->code, entry_of(kind))) {
        pass_over(s);
    } else {
        execute(s, entry_of(kind));
    }
}

void mr_reference_dispatch(mr_reference *r, const mr_reference_message *m)
{
    mr_reference_actor *p = mr_reference_find_program(r, &m->destination);
    if (m->message.kind == MR_KIND_VALUE) {
        p->balance += m->message.value;
        return;
    }
    mr_reference_step s = {
        .r = r,
        .m = *m,
        .program = p,
        .receipt =
            {
                .message = m->message.id,
                .source = *m->message.source,
                .program = p->id,
                .kind = m->message.kind,
                .parent = m->parent,
            },
        .draw = mr_reference_may_draw(r, m),
        .draws_foreign = mr_reference_draws_foreign(r, m),
    };
    s.receipt.gas_limit = m->message.gas_limit + s.draw;
    end(&s);
    mr_block_info *info = &r->block->info;
    info->gas_burned += s.receipt.gas_burned;
    info->replies_count += s.receipt.kind == MR_KIND_REPLY;
    info->failures_count += s.receipt.outcome != MR_OUTCOME_OK &&
                            s.receipt.outcome != MR_OUTCOME_EXITED &&
                            s.receipt.outcome != MR_OUTCOME_WAITING;
    MR_REFERENCE_ADD(r->block->receipts, info->receipts_count, s.receipt);
}
