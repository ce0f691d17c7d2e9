/* SPDX-License-Identifier: Apache-2.0 */
/* admission: transactions are checked against accounts and state, in order, and become messages at
 * the tail of the queue. A refused transaction changes nothing.
 *
 * The queue of the block is what earlier blocks left, then the messages made here. */
#include "engine/engine_internal.h"

#include <stdlib.h>

#include "engine/id.h"
#include "engine/settle.h"
#include "engine/transaction.h"

/* One transaction being admitted. */
typedef struct context {
    mr_block *block;
    mr_engine *engine;
    const mr_transaction *transaction;
    mr_admitted *result;
    size_t index;
} context;

static mr_admission refuse(const context *at, mr_admission admission)
{
    at->result->admission = admission;
    return admission;
}

/* Takes value, tip, gas and fee from the sender. */
static mr_status pay(const context *at, bool *paid)
{
    const mr_transaction *transaction = at->transaction;
    const mr_schedule *schedule = &at->engine->schedule;
    if (!at->engine->accounts_on) {
        /* Everybody can pay anything, but all value there is must fit 128 bits: then every balance
         * does. */
        mr_value issued;
        *paid = !__builtin_add_overflow(at->block->counters.issued, transaction->value, &issued);
        if (*paid)
            at->block->counters.issued = issued;
        return MR_OK;
    }
    mr_value cost;
    *paid = mr_transaction_cost(schedule, transaction, &cost);
    if (!*paid)
        return MR_OK;
    mr_account *account;
    MR_TRY(mr_accounts_take(at->engine->accounts, &transaction->from, &account));
    *paid = account->balance >= cost;
    if (!*paid && at->engine->alone) {
        account->balance = cost; /* it is not about that */
        *paid = true;
    }
    if (*paid) {
        account->balance -= cost;
        at->block->info.reward +=
            cost - transaction->value - (mr_value)transaction->gas_limit * schedule->value_per_gas;
    }
    return MR_OK;
}

/* Takes back what an upload paid: it has neither value nor gas, so all of it was reward. */
static mr_status pay_back(const context *at)
{
    if (!at->engine->accounts_on)
        return MR_OK;
    mr_value cost;
    if (!mr_transaction_cost(&at->engine->schedule, at->transaction, &cost))
        return MR_INVALID;
    mr_account *account;
    MR_TRY(mr_accounts_take(at->engine->accounts, &at->transaction->from, &account));
    account->balance += cost;
    at->block->info.reward -= cost;
    return MR_OK;
}

/* The message a transaction sends. Only replies have their id yet. */
static mr_message message_of(const mr_transaction *transaction)
{
    mr_message message = {
        .value = transaction->value,
        .gas_limit = transaction->gas_limit,
        .kind = MR_KIND_HANDLE,
    };
    if (transaction->kind == MR_TRANSACTION_REPLY) {
        message.kind = MR_KIND_REPLY;
        message.id = mr_id_of_reply(&transaction->to);
        message.code[1] = 1; /* success, manual */
        return message;
    }
    if (transaction->kind == MR_TRANSACTION_CREATE)
        message.kind = MR_KIND_INIT;
    return message;
}

/* Makes the dispatch of a transaction that sends, its destination not yet known to be there, and
 * its id not yet computed unless it is a reply. */
static mr_dispatch *prepare(const mr_block *block, size_t index, mr_arena *arena)
{
    const mr_transaction *transaction = &block->transactions[index];
    const mr_span payload = transaction->payload;
    const bool answers = transaction->kind == MR_TRANSACTION_REPLY;
    const size_t ids_count = answers ? 2 : 1;
    mr_dispatch *dispatch =
        mr_arena_alloc(arena, sizeof *dispatch + ids_count * sizeof(mr_id) + payload.size);
    if (dispatch == NULL)
        return NULL;
    mr_id *ids = (mr_id *)(dispatch + 1);
    ids[0] = transaction->from;
    if (answers)
        ids[1] = transaction->to;
    uint8_t *bytes = (uint8_t *)(ids + ids_count);
    if (payload.size > 0)
        memcpy(bytes, payload.data, payload.size);
    *dispatch = (mr_dispatch){.message = message_of(transaction), .payer = &ids[0]};
    if (!answers)
        dispatch->message.transaction = (uint32_t)index;
    dispatch->message.source = &ids[0];
    dispatch->message.reply_to = answers ? &ids[1] : NULL;
    dispatch->message.payload = mr_span_of(bytes, payload.size);
    return dispatch;
}

enum { TRANSACTIONS_PER_TASK = 512 };

/* What one task of the parallel part found. */
typedef struct prepared {
    uint64_t gas; /* limits of all its transactions */
    mr_value value;
    bool regular; /* all of them send to programs that are in memory */
} prepared;

typedef struct preparation {
    mr_block *block;
    prepared *tasks;
} preparation;

/* Computes the ids of transactions first .. end - 1, as many at a time as there are lanes. */
static void compute_ids(const mr_block *block, size_t first, size_t end)
{
    mr_id unused;
    for (size_t i = first; i < end; i += MR_IDS_AT_ONCE) {
        const mr_id *users[MR_IDS_AT_ONCE];
        mr_id *ids[MR_IDS_AT_ONCE];
        for (size_t k = 0; k < MR_IDS_AT_ONCE; k++) {
            mr_dispatch *dispatch = i + k < end ? block->admitted[i + k].dispatch : NULL;
            users[k] = &block->transactions[i + k < end ? i + k : i].from;
            ids[k] = dispatch != NULL ? &dispatch->message.id : &unused;
        }
        mr_id_of_user_messages((uint32_t)block->info.height, users, i, ids);
    }
}

/* Asks the caches for the destinations of later transactions; `count` are left. */
static void look_ahead(const mr_engine *engine, const mr_transaction *transaction, size_t count)
{
    enum { SLOT_AHEAD = 16, PROGRAM_AHEAD = 8 };
    if (count > SLOT_AHEAD)
        mr_index_ahead(&engine->index, &transaction[SLOT_AHEAD].to, 2);
    if (count > PROGRAM_AHEAD)
        mr_index_ahead(&engine->index, &transaction[PROGRAM_AHEAD].to, 1);
}

/* What needs no order is done by all workers: ids, copies, and looking up destinations that are in
 * memory. A destination found here was there before the block. Each message is put where it stands
 * in the queue if none before it is refused. */
static void prepare_sends(void *arg, size_t task, uint32_t worker)
{
    const preparation *work = arg;
    mr_block *block = work->block;
    mr_engine *engine = block->engine;
    prepared *found = &work->tasks[task];
    *found = (prepared){.regular = true};
    mr_item *places = block->pending + block->pending_count;
    size_t end = (task + 1) * TRANSACTIONS_PER_TASK;
    if (end > block->info.transactions_count)
        end = block->info.transactions_count;
    for (size_t i = task * TRANSACTIONS_PER_TASK; i < end; i++) {
        look_ahead(engine, &block->transactions[i], end - i);
        const mr_transaction *transaction = &block->transactions[i];
        mr_admitted *admitted = &block->admitted[i];
        *admitted = (mr_admitted){.admission = MR_ADMISSION_ACCEPTED, .text = ""};
        const char *why;
        if (transaction->kind == MR_TRANSACTION_SEND &&
            mr_transaction_check(&engine->schedule, block->params.gas_limit, transaction, &why) ==
                MR_ADMISSION_ACCEPTED)
            admitted->dispatch = prepare(block, i, engine->streams[worker].block_arena);
        if (admitted->dispatch == NULL) {
            found->regular = false;
            continue;
        }
        mr_program *program = mr_engine_peek(engine, &transaction->to);
        admitted->dispatch->program = program;
        if (program == NULL) {
            found->regular = false;
            continue;
        }
        found->gas += transaction->gas_limit;
        if (__builtin_add_overflow(found->value, transaction->value, &found->value))
            found->regular = false;
        places[i] = (mr_item){
            .object = admitted->dispatch,
            .lane = &program->lane,
            .cost = transaction->gas_limit,
        };
    }
    compute_ids(block, task * TRANSACTIONS_PER_TASK, end);
}

/* Puts the message of an accepted transaction at the tail. */
static mr_status post(const context *at, mr_program *program)
{
    mr_block *block = at->block;
    mr_dispatch *dispatch = at->result->dispatch;
    if (dispatch == NULL) {
        dispatch = at->result->dispatch = prepare(block, at->index, block->arena);
        if (dispatch == NULL)
            return MR_NO_MEMORY;
        if (dispatch->message.kind != MR_KIND_REPLY)
            dispatch->message.id = mr_id_of_user_message((uint32_t)block->info.height,
                                                         &at->transaction->from, at->index);
    }
    dispatch->program = program;
    block->pending[block->pending_count++] = (mr_item){
        .object = dispatch,
        .lane = &program->lane,
        .cost = dispatch->message.gas_limit,
    };
    block->gas_bought += dispatch->message.gas_limit;
    return MR_OK;
}

/* Remembers the id that an upload or a creation yields. */
static mr_status yield_id(const context *at, const mr_id *id)
{
    at->result->id = mr_arena_alloc(at->block->arena, sizeof *id);
    if (at->result->id == NULL)
        return MR_NO_MEMORY;
    *at->result->id = *id;
    return MR_OK;
}

static mr_status admit_upload(const context *at)
{
    mr_engine *engine = at->engine;
    mr_block *block = at->block;
    const mr_span payload = at->transaction->payload;
    uint8_t *bytes = mr_arena_alloc(block->arena, payload.size);
    if (bytes == NULL)
        return MR_NO_MEMORY;
    MR_TRY(MR_GROW(block->uploaded_bytes, block->uploaded_bytes_capacity, block->uploaded_count));
    MR_TRY(MR_GROW(block->uploaded, block->uploaded_capacity, block->uploaded_count));
    bool paid;
    MR_TRY(pay(at, &paid));
    if (!paid) {
        (void)refuse(at, MR_ADMISSION_BALANCE);
        return MR_OK;
    }
    /* Reading a module is work, which nobody gets who could not pay for it. */
    mr_module *module;
    mr_error why = {0};
    mr_status status = mr_codes_add(engine->codes, payload, &module, &why);
    if (status != MR_OK)
        MR_TRY(pay_back(at));
    if (status == MR_EXISTS || status == MR_MODULE) {
        (void)refuse(at, status == MR_EXISTS ? MR_ADMISSION_CODE_EXISTS : MR_ADMISSION_MODULE);
        size_t size = strlen(why.text);
        char *text = mr_arena_alloc(block->arena, size + 1);
        if (text == NULL)
            return MR_NO_MEMORY;
        memcpy(text, why.text, size + 1);
        at->result->text = text;
        return MR_OK;
    }
    MR_TRY(status);
    memcpy(bytes, payload.data, payload.size);
    block->uploaded_bytes[block->uploaded_count] = mr_span_of(bytes, payload.size);
    block->uploaded[block->uploaded_count++] = module;
    block->counters.codes_count++;
    return yield_id(at, &module->id);
}

/* Makes the program, uninitialized, and enters it. */
static mr_status create_program(const context *at, const mr_id *id, mr_module *module,
                                mr_program **out)
{
    mr_block *block = at->block;
    mr_engine *engine = at->engine;
    MR_TRY(MR_GROW(block->created, block->created_capacity, block->created_count));
    MR_TRY(mr_index_reserve(&engine->index, block->counters.programs_count + 1));
    mr_program *program;
    MR_TRY(mr_program_new(id, module, &program));
    bool first;
    mr_status status = mr_program_touch(program, block->arena, &first);
    if (status != MR_OK) {
        mr_program_free(program, engine->pool);
        return status;
    }
    program->undo->created = true;
    program->epoch = engine->epoch;
    (void)mr_index_enter(&engine->index, program);
    block->created[block->created_count++] = program;
    block->counters.programs_count++;
    *out = program;
    return MR_OK;
}

static mr_status admit_create(const context *at)
{
    const mr_transaction *transaction = at->transaction;
    mr_module *module;
    mr_status status = mr_codes_find(at->engine->codes, &transaction->to, &module);
    if (status == MR_NOT_FOUND) {
        (void)refuse(at, MR_ADMISSION_NO_CODE);
        return MR_OK;
    }
    MR_TRY(status);
    const mr_id id = mr_id_of_program(&module->id, transaction->salt);
    mr_program *program;
    status = mr_engine_find_program(at->engine, &id, &program);
    if (status == MR_OK) {
        (void)refuse(at, MR_ADMISSION_PROGRAM_EXISTS);
        return MR_OK;
    }
    if (status != MR_NOT_FOUND)
        return status;
    bool paid;
    MR_TRY(pay(at, &paid));
    if (!paid) {
        (void)refuse(at, MR_ADMISSION_BALANCE);
        return MR_OK;
    }
    MR_TRY(create_program(at, &id, module, &program));
    MR_TRY(yield_id(at, &id));
    return post(at, program);
}

static mr_status admit_send(const context *at)
{
    const mr_dispatch *made = at->result->dispatch;
    mr_program *program = made == NULL ? NULL : made->program;
    if (program == NULL) {
        mr_status status = mr_engine_find_program(at->engine, &at->transaction->to, &program);
        if (status == MR_NOT_FOUND) {
            (void)refuse(at, MR_ADMISSION_NO_PROGRAM);
            return MR_OK;
        }
        MR_TRY(status);
    }
    bool paid;
    MR_TRY(pay(at, &paid));
    if (!paid) {
        (void)refuse(at, MR_ADMISSION_BALANCE);
        return MR_OK;
    }
    return post(at, program);
}

/* The letter that the transaction names, or a refusal: then *out is NULL. */
static mr_status find_letter(const context *at, mr_letter **out)
{
    *out = NULL;
    const mr_transaction *transaction = at->transaction;
    mr_status status = mr_mailbox_find(at->block, &transaction->from, &transaction->to, out);
    if (status != MR_NOT_FOUND)
        return status;
    (void)refuse(at, MR_ADMISSION_NO_MESSAGE);
    return MR_OK;
}

/* A reply belongs to what waits for it, and has the deposit that was made for it. */
static mr_status add_extra(const context *at, mr_letter *letter)
{
    if (!letter->has_origin && letter->deposit == 0)
        return MR_OK;
    mr_extra *extra = mr_arena_alloc(at->block->arena, sizeof *extra);
    if (extra == NULL)
        return MR_NO_MEMORY;
    mr_dispatch *dispatch = at->result->dispatch;
    const uint64_t room = mr_block_gas_room(at->block, dispatch->message.gas_limit);
    const uint64_t fits = letter->deposit < room ? letter->deposit : room;
    *extra = (mr_extra){.origin = letter->has_origin ? &letter->origin_id : NULL};
    if (fits > 0) {
        extra->sponsor = &letter->payer;
        extra->sponsored = fits;
    }
    dispatch->extra = extra;
    dispatch->message.gas_limit += fits;
    mr_settle_refund(&at->engine->streams[0], &letter->payer, letter->deposit - fits);
    at->block->pending[at->block->pending_count - 1].cost = dispatch->message.gas_limit;
    return MR_OK;
}

static mr_status admit_reply(const context *at)
{
    mr_block *block = at->block;
    mr_stream *stream = &at->engine->streams[0];
    mr_letter *letter;
    MR_TRY(find_letter(at, &letter));
    if (letter == NULL)
        return MR_OK;
    mr_program *program;
    mr_status status = mr_engine_find_program(at->engine, &letter->program, &program);
    if (status != MR_OK)
        return status == MR_NOT_FOUND ? MR_CORRUPT : status; /* who wrote the letter stays known */
    bool paid;
    MR_TRY(pay(at, &paid));
    if (!paid) {
        (void)refuse(at, MR_ADMISSION_BALANCE);
        return MR_OK;
    }
    stream->tally.value_left += letter->value;
    mr_settle_credit(stream, &letter->user, letter->value);
    mr_settle_refund(stream, &letter->payer, mr_mailbox_take(block, letter));
    MR_TRY(stream->failure);
    MR_TRY(post(at, program));
    return add_extra(at, letter);
}

static mr_status admit_claim(const context *at)
{
    mr_letter *letter;
    MR_TRY(find_letter(at, &letter));
    if (letter == NULL)
        return MR_OK;
    bool paid;
    MR_TRY(pay(at, &paid));
    if (!paid) {
        (void)refuse(at, MR_ADMISSION_BALANCE);
        return MR_OK;
    }
    return mr_agenda_answer(at->block, letter);
}

static mr_status admit_transfer(const context *at)
{
    mr_engine *engine = at->engine;
    const mr_transaction *transaction = at->transaction;
    mr_program *program;
    mr_status status = mr_engine_find_program(engine, &transaction->to, &program);
    if (status == MR_OK) {
        at->result->text = "value reaches a program with a message";
        (void)refuse(at, MR_ADMISSION_MALFORMED);
        return MR_OK;
    }
    if (status != MR_NOT_FOUND)
        return status;
    if (!engine->accounts_on)
        return MR_OK; /* every account can pay anything: nothing changes */
    mr_account *to;
    MR_TRY(mr_accounts_take(engine->accounts, &transaction->to, &to));
    bool paid;
    MR_TRY(pay(at, &paid));
    if (paid)
        to->balance += transaction->value;
    else
        (void)refuse(at, MR_ADMISSION_BALANCE);
    return MR_OK;
}

static mr_status admit(const context *at)
{
    const mr_admission flaw = mr_transaction_check(
        &at->engine->schedule, at->block->params.gas_limit, at->transaction, &at->result->text);
    if (flaw != MR_ADMISSION_ACCEPTED) {
        (void)refuse(at, flaw);
        return MR_OK;
    }
    switch (at->transaction->kind) {
    case MR_TRANSACTION_UPLOAD:
        return admit_upload(at);
    case MR_TRANSACTION_CREATE:
        return admit_create(at);
    case MR_TRANSACTION_SEND:
        return admit_send(at);
    case MR_TRANSACTION_REPLY:
        return admit_reply(at);
    case MR_TRANSACTION_TRANSFER:
        return admit_transfer(at);
    case MR_TRANSACTION_CLAIM:
        return admit_claim(at);
    }
    return MR_INVALID;
}

/* The messages earlier blocks left go first. */
static mr_status take_up_queue(mr_block *block)
{
    const mr_engine *engine = block->engine;
    MR_TRY(MR_ROOM(block->pending, block->pending_capacity,
                   engine->queue_count + block->info.transactions_count));
    for (size_t i = 0; i < engine->queue_count; i++) {
        mr_dispatch *dispatch = &engine->queue[i]->dispatch;
        engine->queue[i]->gas_before = dispatch->message.gas_limit;
        block->pending[i] = (mr_item){
            .object = dispatch,
            .lane = &dispatch->program->lane,
            .cost = dispatch->message.gas_limit,
        };
    }
    block->pending_count = engine->queue_count;
    return MR_OK;
}

/* Takes the transactions one by one, in order. */
static mr_status admit_each(mr_block *block)
{
    for (size_t i = 0; i < block->info.transactions_count; i++) {
        const context at = {
            .block = block,
            .engine = block->engine,
            .transaction = &block->transactions[i],
            .result = &block->admitted[i],
            .index = i,
        };
        MR_TRY(admit(&at));
        block->info.transactions_accepted += block->admitted[i].admission == MR_ADMISSION_ACCEPTED;
    }
    return MR_OK;
}

/* All transactions send, to programs there are, and nobody need pay: their messages stand where
 * they belong already. */
static void admit_whole(mr_block *block, const prepared *tasks, size_t tasks_count, mr_value issued)
{
    for (size_t i = 0; i < tasks_count; i++)
        block->gas_bought += tasks[i].gas;
    block->counters.issued = issued;
    block->pending_count += block->info.transactions_count;
    block->info.transactions_accepted = block->info.transactions_count;
}

/* Makes room for the messages of all transactions behind those that are there. */
static mr_status make_room(mr_block *block)
{
    const size_t needed = block->pending_count + block->info.transactions_count;
    if (needed <= block->pending_capacity)
        return MR_OK;
    mr_item *pending = realloc(block->pending, needed * sizeof *pending);
    if (pending == NULL)
        return MR_NO_MEMORY;
    block->pending = pending;
    block->pending_capacity = needed;
    return MR_OK;
}

static mr_status admit_all(mr_block *block)
{
    MR_TRY(take_up_queue(block));
    MR_TRY(mr_agenda_run(block));
    MR_TRY(make_room(block));
    const size_t tasks_count =
        (block->info.transactions_count + TRANSACTIONS_PER_TASK - 1) / TRANSACTIONS_PER_TASK;
    prepared *tasks = mr_arena_alloc(block->arena, tasks_count * sizeof *tasks);
    if (tasks == NULL)
        return MR_NO_MEMORY;
    preparation work = {.block = block, .tasks = tasks};
    mr_parallel_run(&block->engine->parallel, tasks_count, prepare_sends, &work);
    bool regular = !block->engine->accounts_on;
    mr_value issued = block->counters.issued;
    for (size_t i = 0; i < tasks_count; i++)
        regular =
            regular && tasks[i].regular && !__builtin_add_overflow(issued, tasks[i].value, &issued);
    if (!regular)
        return admit_each(block);
    admit_whole(block, tasks, tasks_count, issued);
    return MR_OK;
}

mr_status mr_block_admit(mr_block *block, mr_error *error)
{
    mr_status status = admit_all(block);
    if (status != MR_OK)
        return MR_FAIL(error, status, "a transaction could not be admitted: %s",
                       mr_status_text(status));
    return MR_OK;
}
