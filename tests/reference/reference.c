/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/reference/reference.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/assert.h"
#include "engine/abi.h"
#include "tests/reference/reference_internal.h"

/* ---- Arrays that grow, and bytes that stay ---- */

void *mr_reference_room(void *array, size_t count, size_t element_bytes)
{
    /* Grown by one at a time, in steps of 64. */
    if (count % 64 != 0)
        return array;
    array = realloc(array, (count + 64) * element_bytes);
    MR_ASSERT(array != NULL);
    return array;
}

#define ADD(array, count, element)                                                                 \
    do {                                                                                           \
        (array) = mr_reference_room((array), (count), sizeof *(array));                            \
        (array)[(count)++] = (element);                                                            \
    } while (0)

static void *keep(mr_reference *r, const void *bytes, size_t size)
{
    void *copy = mr_arena_alloc(&r->kept, size);
    MR_ASSERT(copy != NULL);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

static mr_span keep_span(mr_reference *r, mr_span span)
{
    return span.size == 0 ? (mr_span){0} : mr_span_of(keep(r, span.data, span.size), span.size);
}

static const mr_id *keep_id(mr_reference *r, const mr_id *id)
{
    return keep(r, id, sizeof *id);
}

static bool same(const mr_id *a, const mr_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* ---- Identifiers ---- */

static mr_id blake2b(const void *bytes, size_t size)
{
    mr_id id;
    (void)crypto_generichash(id.bytes, sizeof id.bytes, bytes, size, NULL, 0);
    return id;
}

static mr_id id_of_transaction(uint32_t height, const mr_id *payer, uint64_t index)
{
    struct __attribute__((packed)) {
        char prefix[8];
        uint32_t height;
        mr_id payer;
        mr_value index;
    } text = {.prefix = {'e', 'x', 't', 'e', 'r', 'n', 'a', 'l'}, height, *payer, index};
    return blake2b(&text, sizeof text);
}

static mr_id id_of_outgoing(const mr_id *message, uint32_t handle)
{
    struct __attribute__((packed)) {
        char prefix[8];
        mr_id message;
        uint32_t handle;
    } text = {.prefix = {'o', 'u', 't', 'g', 'o', 'i', 'n', 'g'}, *message, handle};
    return blake2b(&text, sizeof text);
}

static mr_id id_of_reply(const mr_id *message)
{
    struct __attribute__((packed)) {
        char prefix[5];
        mr_id message;
    } text = {.prefix = {'r', 'e', 'p', 'l', 'y'}, *message};
    return blake2b(&text, sizeof text);
}

static mr_id id_of_program(const mr_id *code, mr_span salt)
{
    mr_buffer text = {0};
    mr_reference_put(&text, "program_from_user", 17);
    mr_reference_put(&text, code, sizeof *code);
    mr_reference_put(&text, salt.data, salt.size);
    mr_id id = blake2b(text.data, text.size);
    mr_buffer_fini(&text);
    return id;
}

/* ---- Looking things up ---- */

static mr_reference_actor *find_program(const mr_reference *r, const mr_id *id)
{
    for (size_t i = 0; i < r->programs_count; i++) {
        if (same(&r->programs[i].id, id))
            return &r->programs[i];
    }
    return NULL;
}

static mr_reference_code *find_code(const mr_reference *r, const mr_id *id)
{
    for (size_t i = 0; i < r->codes_count; i++) {
        if (same(&r->codes[i].id, id))
            return &r->codes[i];
    }
    return NULL;
}

static mr_balance *account_of(mr_reference *r, const mr_id *id)
{
    for (size_t i = 0; i < r->accounts_count; i++) {
        if (same(&r->accounts[i].account, id))
            return &r->accounts[i];
    }
    ADD(r->accounts, r->accounts_count, ((mr_balance){.account = *id}));
    return &r->accounts[r->accounts_count - 1];
}

static void credit(mr_reference *r, const mr_id *user, mr_value amount)
{
    if (r->accounts_on)
        account_of(r, user)->balance += amount;
}

/* Value reaches a user: it leaves the engine when there are no accounts. */
static void pay_out(mr_reference *r, const mr_id *user, mr_value amount)
{
    if (!r->accounts_on)
        r->issued -= amount;
    credit(r, user, amount);
}

/* ---- Admission ---- */

/* Takes what a transaction costs from its payer. False when it cannot pay. */
static mr_value fee_of(const mr_reference *r, const mr_transaction *t)
{
    const mr_value size = t->payload.size;
    mr_value fee = r->schedule.post + r->schedule.post_byte * size;
    if (t->kind == MR_TRANSACTION_UPLOAD)
        fee += r->schedule.upload_byte * size;
    return fee * r->schedule.value_per_gas;
}

static bool can_pay(mr_reference *r, const mr_transaction *t)
{
    if (!r->accounts_on)
        return true;
    const mr_balance *payer = account_of(r, &t->from);
    const mr_value cost = t->gas_limit * (mr_value)r->schedule.value_per_gas + fee_of(r, t);
    return payer->balance >= cost && payer->balance - cost >= t->value;
}

static bool pay(mr_reference *r, const mr_transaction *t)
{
    if (!r->accounts_on) {
        r->issued += t->value;
        return true;
    }
    if (!can_pay(r, t))
        return false;
    account_of(r, &t->from)->balance -=
        t->gas_limit * (mr_value)r->schedule.value_per_gas + fee_of(r, t) + t->value;
    r->reward += fee_of(r, t);
    return true;
}

/* Puts the message of an accepted transaction at the queue's tail. */
static void post(mr_reference *r, const mr_transaction *t, const mr_id *id, mr_kind kind,
                 const mr_id *destination)
{
    mr_reference_message m = {
        .message =
            {
                .id = *id,
                .source = keep_id(r, &t->from),
                .value = t->value,
                .gas_limit = t->gas_limit,
                .payload = keep_span(r, t->payload),
                .kind = kind,
            },
        .destination = *destination,
        .payer = t->from,
    };
    if (kind == MR_KIND_REPLY) {
        m.message.reply_to = keep_id(r, &t->to);
        memcpy(m.message.code, (uint8_t[]){0, 1, 0, 0}, 4);
    }
    r->block->gas_bought += t->gas_limit;
    ADD(r->queue, r->queue_count, m);
}

static mr_admission admit_upload(mr_reference *r, const mr_transaction *t,
                                 mr_transaction_result *result)
{
    if (t->value != 0 || t->gas_limit != 0 || t->salt.size != 0)
        return MR_ADMISSION_MALFORMED;
    if (t->payload.size > r->schedule.code_bytes_max)
        return MR_ADMISSION_PAYLOAD;
    if (!can_pay(r, t))
        return MR_ADMISSION_BALANCE;
    const mr_id id = blake2b(t->payload.data, t->payload.size);
    if (find_code(r, &id) != NULL)
        return MR_ADMISSION_CODE_EXISTS;
    mr_code *code;
    mr_status status = mr_code_new(&r->rules, &r->prices, t->payload, &code, NULL);
    if (status != MR_OK) {
        MR_ASSERT(status == MR_MODULE);
        return MR_ADMISSION_MODULE;
    }
    (void)pay(r, t);
    ADD(r->codes, r->codes_count, ((mr_reference_code){.id = id, .code = code}));
    result->id = id;
    return MR_ADMISSION_ACCEPTED;
}

static mr_admission admit_create(mr_reference *r, const mr_transaction *t, uint64_t index,
                                 mr_transaction_result *result)
{
    const mr_reference_code *code = find_code(r, &t->to);
    if (code == NULL)
        return MR_ADMISSION_NO_CODE;
    const mr_id id = id_of_program(&t->to, t->salt);
    if (find_program(r, &id) != NULL)
        return MR_ADMISSION_PROGRAM_EXISTS;
    if (!pay(r, t))
        return MR_ADMISSION_BALANCE;
    mr_reference_actor made = {
        .id = id,
        .code_id = t->to,
        .code = code->code,
        .status = MR_PROGRAM_UNINITIALIZED,
        .pages = mr_code_static_pages(code->code),
    };
    made.memory = calloc(made.pages + 1, MR_PAGE_BYTES);
    MR_ASSERT(made.memory != NULL);
    for (uint32_t unit = 0; unit < made.pages * MR_PAGE_UNITS; unit++) {
        const uint8_t *initial = mr_code_base_unit(code->code, unit);
        if (initial != NULL)
            memcpy(made.memory + (size_t)unit * MR_UNIT_BYTES, initial, MR_UNIT_BYTES);
    }
    ADD(r->programs, r->programs_count, made);
    result->id = id;
    result->message = id_of_transaction(r->environment.height, &t->from, index);
    post(r, t, &result->message, MR_KIND_INIT, &id);
    return MR_ADMISSION_ACCEPTED;
}

static mr_admission admit_send(mr_reference *r, const mr_transaction *t, uint64_t index,
                               mr_transaction_result *result)
{
    if (find_program(r, &t->to) == NULL)
        return MR_ADMISSION_NO_PROGRAM;
    if (!pay(r, t))
        return MR_ADMISSION_BALANCE;
    result->id = result->message = id_of_transaction(r->environment.height, &t->from, index);
    post(r, t, &result->id, MR_KIND_HANDLE, &t->to);
    return MR_ADMISSION_ACCEPTED;
}

static mr_admission admit_reply(mr_reference *r, const mr_transaction *t,
                                mr_transaction_result *result)
{
    size_t i = 0;
    while (i < r->letters_count &&
           !(same(&r->letters[i].user, &t->from) && same(&r->letters[i].message, &t->to)))
        i++;
    if (i == r->letters_count)
        return MR_ADMISSION_NO_MESSAGE;
    if (!pay(r, t))
        return MR_ADMISSION_BALANCE;
    const mr_id program = r->letters[i].program;
    r->letters[i] = r->letters[--r->letters_count];
    result->id = result->message = id_of_reply(&t->to);
    post(r, t, &result->id, MR_KIND_REPLY, &program);
    return MR_ADMISSION_ACCEPTED;
}

static mr_admission admit_transfer(mr_reference *r, const mr_transaction *t)
{
    if (t->gas_limit != 0 || t->payload.size != 0 || t->salt.size != 0 ||
        find_program(r, &t->to) != NULL)
        return MR_ADMISSION_MALFORMED;
    if (!pay(r, t))
        return MR_ADMISSION_BALANCE;
    pay_out(r, &t->to, t->value);
    return MR_ADMISSION_ACCEPTED;
}

static mr_admission admit(mr_reference *r, const mr_transaction *t, uint64_t index,
                          mr_transaction_result *result)
{
    const uint64_t payload_max = r->schedule.payload_bytes_max;
    if (t->kind == MR_TRANSACTION_UPLOAD)
        return admit_upload(r, t, result);
    if (t->kind == MR_TRANSACTION_TRANSFER)
        return admit_transfer(r, t);
    if (t->kind > MR_TRANSACTION_TRANSFER)
        return MR_ADMISSION_MALFORMED;
    if (t->kind != MR_TRANSACTION_CREATE && t->salt.size != 0)
        return MR_ADMISSION_MALFORMED;
    if (t->payload.size > payload_max || t->salt.size > payload_max)
        return MR_ADMISSION_PAYLOAD;
    if (r->block_limit != 0 && t->gas_limit > r->block_limit)
        return MR_ADMISSION_GAS_LIMIT;
    switch (t->kind) {
    case MR_TRANSACTION_CREATE:
        return admit_create(r, t, index, result);
    case MR_TRANSACTION_SEND:
        return admit_send(r, t, index, result);
    case MR_TRANSACTION_REPLY:
        return admit_reply(r, t, result);
    default:
        return MR_ADMISSION_MALFORMED;
    }
}

/* ---- A dispatch ---- */

/* One dispatch and what became of its gas. */
typedef struct step {
    mr_reference *r;
    const mr_reference_message *from;
    mr_reference_actor *program;
    mr_receipt receipt;
    uint64_t passed_on; /* gas that went on with messages or back to the payer */
} step;

static void refund(step *s, uint64_t gas)
{
    s->passed_on += gas;
    s->r->block->gas_refunded += gas;
    credit(s->r, &s->from->payer, (mr_value)gas * s->r->schedule.value_per_gas);
}

/* A message of the dispatch reaches a user. */
static void tell_user(step *s, const mr_message *m, const mr_id *user, bool may_reply)
{
    mr_reference *r = s->r;
    pay_out(r, user, m->value);
    mr_user_message told = {
        .id = m->id,
        .from = s->program->id,
        .to = *user,
        .is_reply = m->kind == MR_KIND_REPLY,
        .value = m->value,
        .payload = keep_span(r, m->payload),
    };
    if (m->reply_to != NULL)
        told.reply_to = *m->reply_to;
    memcpy(told.code, m->code, sizeof told.code);
    ADD(r->block->user_messages, r->block->info.user_messages_count, told);
    if (may_reply)
        ADD(r->letters, r->letters_count,
            ((mr_reference_letter){.user = *user, .message = m->id, .program = s->program->id}));
}

/* A message of the dispatch goes to the queue's tail. */
static void enqueue(step *s, const mr_message *m, const mr_id *destination)
{
    mr_reference_message q = {
        .message = *m,
        .destination = *destination,
        .payer = s->from->payer,
        .from_program = true,
    };
    q.message.source = keep_id(s->r, &s->program->id);
    q.message.payload = keep_span(s->r, m->payload);
    s->passed_on += m->gas_limit;
    ADD(s->r->queue, s->r->queue_count, q);
}

static bool is_answered(const step *s)
{
    return s->from->message.kind == MR_KIND_INIT || s->from->message.kind == MR_KIND_HANDLE;
}

/* Answers the dispatch's message. `gas` travels to a program and is refunded for a user. */
static void answer(step *s, const uint8_t code[4], mr_value value, mr_span payload, uint64_t gas)
{
    mr_message reply = {
        .id = id_of_reply(&s->from->message.id),
        .reply_to = keep_id(s->r, &s->from->message.id),
        .value = value,
        .payload = payload,
        .kind = MR_KIND_REPLY,
    };
    memcpy(reply.code, code, sizeof reply.code);
    s->receipt.sent++;
    if (s->from->from_program) {
        reply.gas_limit = gas;
        enqueue(s, &reply, s->from->message.source);
    } else {
        tell_user(s, &reply, s->from->message.source, false);
        refund(s, gas);
    }
}

static void fail(step *s, const uint8_t code[4], mr_span payload, uint64_t gas_left)
{
    const mr_message *m = &s->from->message;
    if (m->kind == MR_KIND_INIT)
        s->program->status = MR_PROGRAM_TERMINATED;
    if (is_answered(s)) {
        answer(s, code, m->value, payload, gas_left);
    } else {
        s->program->balance += m->value;
        refund(s, gas_left);
    }
}

/* Sends what a successful dispatch committed, and the reply. */
static void send_all(step *s, const mr_execution *e)
{
    const bool own_reply = e->reply.committed;
    const bool reply_shares = own_reply && !e->reply.has_gas && s->from->from_program;
    uint64_t sharers = reply_shares;
    for (uint32_t i = 0; i < e->committed_count; i++) {
        const mr_draft *draft = &e->drafts[e->committed[i]];
        sharers += !draft->has_gas && find_program(s->r, &draft->to) != NULL;
    }
    const uint64_t share = sharers == 0 ? 0 : e->gas_left / sharers;
    const uint64_t rest = e->gas_left - share * sharers;

    for (uint32_t i = 0; i < e->committed_count; i++) {
        const mr_draft *draft = &e->drafts[e->committed[i]];
        mr_message m = {
            .id = id_of_outgoing(&s->from->message.id, e->committed[i]),
            .value = draft->value,
            .payload = mr_span_of(draft->payload, draft->payload_bytes),
            .kind = MR_KIND_HANDLE,
        };
        s->receipt.sent++;
        if (find_program(s->r, &draft->to) != NULL) {
            m.gas_limit = draft->has_gas ? draft->gas : share;
            enqueue(s, &m, &draft->to);
        } else {
            tell_user(s, &m, &draft->to, draft->has_gas && draft->gas > 0);
            refund(s, draft->has_gas ? draft->gas : 0);
        }
    }

    if (!is_answered(s)) {
        refund(s, rest);
    } else if (own_reply) {
        uint64_t gas = e->reply.has_gas ? e->reply.gas : reply_shares ? share : 0;
        answer(s, (const uint8_t[]){0, 1, 0, 0}, e->reply.value,
               mr_span_of(e->reply.payload, e->reply.payload_bytes), gas + rest);
    } else {
        answer(s, (const uint8_t[]){0, 0, 0, 0}, 0, (mr_span){0}, rest);
    }
}

/* The program has exited: what it owns goes to its heir. */
static void bequeath(step *s, const mr_id *heir)
{
    s->program->status = MR_PROGRAM_EXITED;
    s->program->heir = *heir;
    const mr_value estate = s->program->balance;
    s->program->balance = 0;
    if (estate == 0)
        return;
    if (find_program(s->r, heir) != NULL) {
        const mr_message m = {.kind = MR_KIND_VALUE, .value = estate};
        enqueue(s, &m, heir);
    } else {
        pay_out(s->r, heir, estate);
    }
}

/* Runs the entry over a copy of the program's memory and heap. */
static void run(step *s, mr_execution *e, uint32_t entry, uint64_t charge)
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
    e->message = &s->from->message;
    e->program = &p->id;
    e->payer = &s->from->payer;
    e->gas = s->from->message.gas_limit;
    e->balance = p->balance + s->from->message.value;
    e->heap = &p->heap;
    e->arena = &r->kept;
    status = mr_execution_run(e, r->worker, &memory, entry, charge);
    MR_ASSERT(status == MR_OK);

    if (e->outcome == MR_OUTCOME_OK || e->outcome == MR_OUTCOME_EXITED) {
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

static void execute(step *s, uint32_t entry)
{
    mr_reference *r = s->r;
    const mr_message *m = &s->from->message;
    const uint64_t stack_pages = mr_code_stack_end(s->program->code) / MR_PAGE_BYTES;
    const uint64_t charge =
        r->schedule.dispatch + r->schedule.page_load * (s->program->pages - stack_pages);
    if (m->gas_limit < charge) {
        s->receipt.outcome = MR_OUTCOME_OUT_OF_GAS;
        fail(s, (const uint8_t[]){1, 0, 0, 0}, (mr_span){0}, 0);
        return;
    }
    mr_execution *e = &r->execution;
    run(s, e, entry, charge);
    s->receipt.outcome = e->outcome;
    s->receipt.text = keep_span(r, e->text);
    for (const mr_debug_text *line = e->debug_first; line != NULL; line = line->next)
        ADD(r->block->debug, r->block->debug_count,
            ((mr_debug_line){s->program->id, m->id, keep_span(r, line->text)}));
    if (e->outcome != MR_OUTCOME_OK && e->outcome != MR_OUTCOME_EXITED) {
        fail(s, e->error, e->outcome == MR_OUTCOME_PANIC ? e->text : (mr_span){0}, e->gas_left);
        return;
    }
    if (m->kind == MR_KIND_INIT)
        s->program->status = MR_PROGRAM_ACTIVE;
    send_all(s, e);
    if (e->exited)
        bequeath(s, &e->inheritor);
}

/* A dispatch of an entry that the code does not have. */
static void pass_over(step *s)
{
    const mr_message *m = &s->from->message;
    s->program->balance += m->value;
    if (m->kind == MR_KIND_INIT)
        s->program->status = MR_PROGRAM_ACTIVE;
    const mr_execution nothing = {.gas_left = m->gas_limit};
    send_all(s, &nothing);
}

static void dispatch(mr_reference *r, const mr_reference_message *q)
{
    const mr_message *m = &q->message;
    mr_reference_actor *p = find_program(r, &q->destination);
    if (m->kind == MR_KIND_VALUE) {
        p->balance += m->value;
        return;
    }
    step s = {
        .r = r,
        .from = q,
        .program = p,
        .receipt =
            {
                .message = m->id,
                .source = *m->source,
                .program = p->id,
                .kind = m->kind,
                .gas_limit = m->gas_limit,
            },
    };
    const uint32_t entry = m->kind == MR_KIND_INIT     ? MR_ENTRY_INIT
                           : m->kind == MR_KIND_HANDLE ? MR_ENTRY_HANDLE
                                                       : MR_ENTRY_REPLY;
    if (p->status == MR_PROGRAM_EXITED) {
        s.receipt.outcome = MR_OUTCOME_UNAVAILABLE;
        fail(&s, (const uint8_t[]){1, 2, 0, 0}, mr_span_of(&p->heir, 32), m->gas_limit);
    } else if (p->status == MR_PROGRAM_TERMINATED) {
        s.receipt.outcome = MR_OUTCOME_UNAVAILABLE;
        fail(&s, (const uint8_t[]){1, 2, 1, 0}, (mr_span){0}, m->gas_limit);
    } else if (p->status == MR_PROGRAM_UNINITIALIZED && m->kind == MR_KIND_HANDLE) {
        s.receipt.outcome = MR_OUTCOME_UNAVAILABLE;
        fail(&s, (const uint8_t[]){1, 2, 2, 0}, (mr_span){0}, m->gas_limit);
    } else if (!mr_code_has_entry(p->code, entry)) {
        pass_over(&s);
    } else {
        execute(&s, entry);
    }
    s.receipt.gas_burned = m->gas_limit - s.passed_on;
    r->block->info.gas_burned += s.receipt.gas_burned;
    ADD(r->block->receipts, r->block->info.receipts_count, s.receipt);
}

/* ---- A block ---- */

/* Looks at every message of the queue, in order, those appended meanwhile included. */
static void run_queue(mr_reference *r, uint64_t gas_limit)
{
    mr_reference_message *staying = NULL;
    size_t staying_count = 0;
    for (size_t i = 0; i < r->programs_count; i++)
        r->programs[i].closed = false;
    for (size_t i = 0; i < r->queue_count; i++) {
        const mr_reference_message head = r->queue[i];
        mr_reference_actor *p = find_program(r, &head.destination);
        const uint64_t left = gas_limit - r->block->info.gas_burned;
        if (gas_limit != 0 && !p->closed && head.message.gas_limit > left)
            p->closed = r->block->closed = true;
        if (p->closed)
            ADD(staying, staying_count, head);
        else
            dispatch(r, &head);
    }
    free(r->queue);
    r->queue = staying;
    r->queue_count = staying_count;
}

static void number_queue(mr_reference *r)
{
    mr_reference_block *block = r->block;
    block->info.queue_count = r->queue_count;
    block->queue = calloc(r->queue_count + 1, sizeof *block->queue);
    MR_ASSERT(block->queue != NULL);
    for (size_t i = 0; i < r->queue_count; i++) {
        mr_reference_message *q = &r->queue[i];
        if (!q->numbered)
            q->sequence = r->sequences++;
        q->numbered = true;
        block->gas_queued += q->message.gas_limit;
        block->queue[i] = (mr_queued_message){
            .sequence = q->sequence,
            .id = q->message.id,
            .source = *q->message.source,
            .program = q->destination,
            .kind = q->message.kind,
            .gas_limit = q->message.gas_limit,
            .value = q->message.value,
            .payload = q->message.payload,
        };
    }
}

/* Block objects are found again when the reference is freed. */
static mr_reference_block *new_block(mr_reference *r, uint64_t transactions_count)
{
    mr_reference_block *block = calloc(1, sizeof *block);
    MR_ASSERT(block != NULL);
    block->info.height = ++r->height;
    block->info.transactions_count = transactions_count;
    block->transactions = calloc(transactions_count + 1, sizeof *block->transactions);
    MR_ASSERT(block->transactions != NULL);
    ADD(r->blocks, r->blocks_count, block);
    r->block = block;
    return block;
}

const mr_reference_block *mr_reference_execute(mr_reference *r, const mr_block_params *params,
                                               const mr_transaction *transactions,
                                               size_t transactions_count)
{
    mr_reference_block *block = new_block(r, transactions_count);
    r->reward = 0;
    r->block_limit = params->gas_limit;
    r->environment = (mr_environment){
        .height = (uint32_t)r->height,
        .timestamp_ms = params->timestamp_ms,
        .random = params->random,
        .schedule = &r->schedule,
        .keep_debug = true,
    };
    uint64_t gas_before = 0;
    for (size_t i = 0; i < r->queue_count; i++)
        gas_before += r->queue[i].message.gas_limit;

    for (size_t i = 0; i < transactions_count; i++) {
        mr_transaction_result *result = &block->transactions[i];
        result->text = "";
        result->admission = admit(r, &transactions[i], i, result);
        block->info.transactions_accepted += result->admission == MR_ADMISSION_ACCEPTED;
    }
    run_queue(r, params->gas_limit);
    if (r->accounts_on) {
        static const mr_id nobody;
        r->reward += (mr_value)block->info.gas_burned * r->schedule.value_per_gas;
        if (same(&params->author, &nobody))
            r->burned += r->reward;
        else
            credit(r, &params->author, r->reward);
    }
    block->info.reward = r->reward;
    number_queue(r);
    block->info.root = mr_reference_root(r);
    MR_ASSERT(gas_before + block->gas_bought ==
              block->gas_queued + block->info.gas_burned + block->gas_refunded);
    return block;
}

/* ---- Life ---- */

mr_reference *mr_reference_new(const mr_reference_options *options)
{
    mr_reference *r = calloc(1, sizeof *r);
    MR_ASSERT(r != NULL);
    r->schedule = options->schedule;
    r->accounts_on = options->accounts;
    mr_abi_rules(&r->schedule, &r->rules);
    mr_abi_prices(&r->schedule, &r->prices);
    const mr_vm_options vm_options = {
        .rules = &r->rules,
        .functions = mr_abi_functions(),
        .tier = MR_TIER_INTERP,
        .instance_bytes_max = (uint64_t)64 << 20,
        .live_bytes_max = (uint64_t)64 << 20,
    };
    mr_status status = mr_vm_new(&vm_options, &r->vm, NULL);
    MR_ASSERT(status == MR_OK);
    status = mr_vm_worker_new(r->vm, &r->worker, NULL);
    MR_ASSERT(status == MR_OK);
    for (size_t i = 0; i < options->genesis_count; i++) {
        credit(r, &options->genesis[i].account, options->genesis[i].balance);
        r->issued += options->genesis[i].balance;
    }
    return r;
}

void mr_reference_free(mr_reference *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->programs_count; i++) {
        free(r->programs[i].memory);
        mr_pages_fini(&r->programs[i].heap);
    }
    for (size_t i = 0; i < r->codes_count; i++)
        mr_code_put(r->codes[i].code);
    for (size_t i = 0; i < r->blocks_count; i++) {
        free(r->blocks[i]->receipts);
        free(r->blocks[i]->user_messages);
        free(r->blocks[i]->transactions);
        free(r->blocks[i]->debug);
        free(r->blocks[i]->queue);
        free(r->blocks[i]);
    }
    free(r->blocks);
    free(r->programs);
    free(r->codes);
    free(r->accounts);
    free(r->letters);
    free(r->queue);
    mr_execution_fini(&r->execution);
    mr_vm_worker_free(r->worker);
    mr_vm_free(r->vm);
    mr_arena_fini(&r->kept);
    free(r);
}

uint64_t mr_reference_height(const mr_reference *r)
{
    return r->height;
}

const mr_reference_letter *mr_reference_letters(const mr_reference *r, size_t *count)
{
    *count = r->letters_count;
    return r->letters;
}

const uint8_t *mr_reference_memory(const mr_reference *r, size_t i)
{
    return r->programs[i].memory;
}

mr_value mr_reference_balance(const mr_reference *r, const mr_id *account)
{
    for (size_t i = 0; i < r->accounts_count; i++) {
        if (same(&r->accounts[i].account, account))
            return r->accounts[i].balance;
    }
    return 0;
}

uint64_t mr_reference_gas_queued(const mr_reference *r)
{
    return r->block != NULL ? r->block->gas_queued : 0;
}

void mr_reference_totals(const mr_reference *r, mr_value *issued, mr_value *burned)
{
    *issued = r->issued;
    *burned = r->burned;
}
