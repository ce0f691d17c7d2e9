/* SPDX-License-Identifier: Apache-2.0 */
/* admission_send: messages are sent, letters answered and claimed, value transferred. */
#include "engine/admission.h"

#include "engine/settle.h"

mr_status mr_admission_send(const mr_admitting *at)
{
    const mr_dispatch *made = at->result->dispatch;
    mr_program *program = made == NULL ? NULL : made->program;
    if (program == NULL) {
        mr_status status = mr_engine_find_program(at->engine, &at->transaction->to, &program);
        if (status == MR_NOT_FOUND) {
            mr_admission_refuse(at, MR_ADMISSION_NO_PROGRAM);
            return MR_OK;
        }
        MR_TRY(status);
    }
    bool paid;
    MR_TRY(mr_admission_pay(at, &paid));
    if (!paid)
        return MR_OK;
    return mr_admission_post(at, program);
}

/* The letter that the transaction names, or a refusal: then *out is NULL. */
static mr_status find_letter(const mr_admitting *at, mr_letter **out)
{
    *out = NULL;
    const mr_transaction *transaction = at->transaction;
    mr_status status = mr_mailbox_find(at->block, &transaction->from, &transaction->to, out);
    if (status != MR_NOT_FOUND)
        return status;
    mr_admission_refuse(at, MR_ADMISSION_NO_MESSAGE);
    return MR_OK;
}

/* A reply belongs to what waits for it, and has the deposit that was made for it. */
static mr_status add_extra(const mr_admitting *at, mr_letter *letter)
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

mr_status mr_admission_reply(const mr_admitting *at)
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
    MR_TRY(mr_admission_pay(at, &paid));
    if (!paid)
        return MR_OK;
    stream->tally.value_left += letter->value;
    mr_settle_credit(stream, &letter->user, letter->value);
    mr_settle_refund(stream, &letter->payer, mr_mailbox_take(block, letter));
    MR_TRY(stream->failure);
    MR_TRY(mr_admission_post(at, program));
    return add_extra(at, letter);
}

mr_status mr_admission_claim(const mr_admitting *at)
{
    mr_letter *letter;
    MR_TRY(find_letter(at, &letter));
    if (letter == NULL)
        return MR_OK;
    bool paid;
    MR_TRY(mr_admission_pay(at, &paid));
    if (!paid)
        return MR_OK;
    return mr_agenda_answer(at->block, letter);
}

mr_status mr_admission_transfer(const mr_admitting *at)
{
    mr_engine *engine = at->engine;
    const mr_transaction *transaction = at->transaction;
    mr_program *program;
    mr_status status = mr_engine_find_program(engine, &transaction->to, &program);
    if (status == MR_OK) {
        at->result->text = "value reaches a program with a message";
        mr_admission_refuse(at, MR_ADMISSION_MALFORMED);
        return MR_OK;
    }
    if (status != MR_NOT_FOUND)
        return status;
    if (!engine->accounts_on)
        return MR_OK; /* every account can pay anything: nothing changes */
    mr_account *to;
    MR_TRY(mr_accounts_take(engine->accounts, &transaction->to, &to));
    bool paid;
    MR_TRY(mr_admission_pay(at, &paid));
    if (paid)
        to->balance += transaction->value;
    return MR_OK;
}
