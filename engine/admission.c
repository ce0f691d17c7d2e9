/* SPDX-License-Identifier: Apache-2.0 */
/* admission: transactions are checked against accounts and state, in order, and become messages at
 * the tail of the queue. A refused transaction changes nothing.
 *
 * The queue of the block is what earlier blocks left, then the messages made here. */
#include "engine/admission.h"

#include <stdlib.h>

#include "engine/id.h"
#include "engine/transaction.h"

mr_status mr_admission_post(const mr_admitting *at, mr_program *program)
{
    mr_block *block = at->block;
    mr_dispatch *dispatch = at->result->dispatch;
    if (dispatch == NULL) {
        dispatch = at->result->dispatch = mr_admission_dispatch(block, at->index, block->arena);
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

static mr_status admit(const mr_admitting *at)
{
    const mr_admission flaw = mr_transaction_check(
        &at->engine->schedule, at->block->params.gas_limit, at->transaction, &at->result->text);
    if (flaw != MR_ADMISSION_ACCEPTED) {
        mr_admission_refuse(at, flaw);
        return MR_OK;
    }
    switch (at->transaction->kind) {
    case MR_TRANSACTION_UPLOAD:
        return mr_admission_upload(at);
    case MR_TRANSACTION_CREATE:
        return mr_admission_create(at);
    case MR_TRANSACTION_SEND:
        return mr_admission_send(at);
    case MR_TRANSACTION_REPLY:
        return mr_admission_reply(at);
    case MR_TRANSACTION_TRANSFER:
        return mr_admission_transfer(at);
    case MR_TRANSACTION_CLAIM:
        return mr_admission_claim(at);
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
        const mr_admitting at = {
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
 * they belong already. Without others before them, their limits say all that they may burn. */
static void admit_whole(mr_block *block, const mr_prepared *prepared)
{
    block->pending_plain = block->pending_count == 0;
    block->pending_most = prepared->most;
    block->gas_bought += prepared->gas;
    block->counters.issued = prepared->issued;
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
    mr_prepared prepared;
    MR_TRY(mr_admission_prepare(block, &prepared));
    if (block->engine->accounts_on || !prepared.regular)
        return admit_each(block);
    admit_whole(block, &prepared);
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
