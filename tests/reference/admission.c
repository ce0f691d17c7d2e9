/* SPDX-License-Identifier: Apache-2.0 */
/* admission: what becomes of a block's transactions. */
#include "base/assert.h"
#include "tests/reference/reference_internal.h"

/* ---- Paying ---- */

/* Takes `amount` off *left. False when there is less. */
static bool take(mr_value *left, mr_value amount)
{
    if (*left < amount)
        return false;
    *left -= amount;
    return true;
}

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
        return t->value <= ~(mr_value)0 - r->issued;
    mr_value left = mr_reference_account_of(r, &t->from)->balance;
    return take(&left, t->value) && take(&left, t->tip) && take(&left, fee_of(r, t)) &&
           take(&left, t->gas_limit * (mr_value)r->schedule.value_per_gas);
}

/* Takes what a transaction costs from its payer. False when it cannot pay. */
static bool pay(mr_reference *r, const mr_transaction *t)
{
    if (!can_pay(r, t))
        return false;
    if (!r->accounts_on) {
        r->issued += t->value;
        return true;
    }
    mr_reference_account_of(r, &t->from)->balance -=
        t->value + t->tip + fee_of(r, t) + t->gas_limit * (mr_value)r->schedule.value_per_gas;
    r->reward += fee_of(r, t) + t->tip;
    return true;
}

/* ---- The kinds ---- */

/* The message of an accepted transaction. */
static mr_reference_message message_of(mr_reference *r, const mr_transaction *t, const mr_id *id,
                                       mr_kind kind, const mr_id *destination)
{
    r->block->gas_bought += t->gas_limit;
    return (mr_reference_message){
        .message =
            {
                .id = *id,
                .source = mr_reference_keep_id(r, &t->from),
                .value = t->value,
                .gas_limit = t->gas_limit,
                .payload = mr_reference_keep_span(r, t->payload),
                .kind = kind,
            },
        .destination = *destination,
        .payer = t->from,
    };
}

static mr_admission admit_upload(mr_reference *r, const mr_transaction *t,
                                 mr_transaction_result *result)
{
    if (t->payload.size > r->schedule.code_bytes_max)
        return MR_ADMISSION_PAYLOAD;
    if (!can_pay(r, t))
        return MR_ADMISSION_BALANCE;
    const mr_id id = mr_reference_id_of_code(t->payload);
    if (mr_reference_find_code(r, &id) != NULL)
        return MR_ADMISSION_CODE_EXISTS;
    mr_code *code;
    mr_status status = mr_code_new(&r->rules, &r->prices, t->payload, &code, NULL);
    if (status != MR_OK) {
        MR_ASSERT(status == MR_MODULE);
        return MR_ADMISSION_MODULE;
    }
    (void)pay(r, t);
    MR_REFERENCE_ADD(r->codes, r->codes_count, ((mr_reference_code){.id = id, .code = code}));
    result->id = id;
    return MR_ADMISSION_ACCEPTED;
}

static mr_admission admit_create(mr_reference *r, const mr_transaction *t, uint64_t index,
                                 mr_transaction_result *result)
{
    const mr_reference_code *code = mr_reference_find_code(r, &t->to);
    if (code == NULL)
        return MR_ADMISSION_NO_CODE;
    const mr_id id = mr_reference_id_of_program(&t->to, t->salt);
    if (mr_reference_find_program(r, &id) != NULL)
        return MR_ADMISSION_PROGRAM_EXISTS;
    if (!pay(r, t))
        return MR_ADMISSION_BALANCE;
    (void)mr_reference_add_program(r, &id, code);
    result->id = id;
    result->message = mr_reference_id_of_transaction(r->environment.height, &t->from, index);
    const mr_reference_message m = message_of(r, t, &result->message, MR_KIND_INIT, &id);
    mr_reference_enqueue(r, &m);
    return MR_ADMISSION_ACCEPTED;
}

static mr_admission admit_send(mr_reference *r, const mr_transaction *t, uint64_t index,
                               mr_transaction_result *result)
{
    if (mr_reference_find_program(r, &t->to) == NULL)
        return MR_ADMISSION_NO_PROGRAM;
    if (!pay(r, t))
        return MR_ADMISSION_BALANCE;
    result->id = result->message =
        mr_reference_id_of_transaction(r->environment.height, &t->from, index);
    const mr_reference_message m = message_of(r, t, &result->id, MR_KIND_HANDLE, &t->to);
    mr_reference_enqueue(r, &m);
    return MR_ADMISSION_ACCEPTED;
}

static mr_admission admit_reply(mr_reference *r, const mr_transaction *t,
                                mr_transaction_result *result)
{
    const size_t i = mr_reference_find_letter(r, &t->from, &t->to);
    if (i == SIZE_MAX)
        return MR_ADMISSION_NO_MESSAGE;
    if (!pay(r, t))
        return MR_ADMISSION_BALANCE;
    const mr_reference_letter letter = mr_reference_take_letter(r, i);
    mr_reference_refund(r, &letter.payer, letter.gas);
    result->id = result->message = mr_reference_id_of_reply(&t->to);
    mr_reference_message m = message_of(r, t, &result->id, MR_KIND_REPLY, &letter.program);
    m.message.reply_to = mr_reference_keep_id(r, &t->to);
    memcpy(m.message.code, (uint8_t[]){0, 1, 0, 0}, 4);
    m.message.gas_limit = mr_reference_most(r, &letter.payer, m.message.gas_limit + letter.deposit);
    m.sponsor = letter.payer;
    m.sponsored = m.message.gas_limit - t->gas_limit;
    m.has_origin = letter.has_origin;
    m.origin = letter.origin;
    mr_reference_enqueue(r, &m);
    return MR_ADMISSION_ACCEPTED;
}

static mr_admission admit_claim(mr_reference *r, const mr_transaction *t)
{
    const size_t i = mr_reference_find_letter(r, &t->from, &t->to);
    if (i == SIZE_MAX)
        return MR_ADMISSION_NO_MESSAGE;
    if (!pay(r, t))
        return MR_ADMISSION_BALANCE;
    const mr_reference_letter letter = mr_reference_take_letter(r, i);
    mr_reference_answer_letter(r, &letter);
    return MR_ADMISSION_ACCEPTED;
}

static mr_admission admit_transfer(mr_reference *r, const mr_transaction *t)
{
    if (!pay(r, t))
        return MR_ADMISSION_BALANCE;
    /* The one transaction that moves value at once. */
    if (r->accounts_on)
        mr_reference_account_of(r, &t->to)->balance += t->value;
    else
        r->issued -= t->value;
    return MR_ADMISSION_ACCEPTED;
}

static bool is_malformed(const mr_reference *r, const mr_transaction *t)
{
    switch (t->kind) {
    case MR_TRANSACTION_UPLOAD:
        return t->value != 0 || t->gas_limit != 0 || t->salt.size != 0;
    case MR_TRANSACTION_CREATE:
        return false;
    case MR_TRANSACTION_SEND:
    case MR_TRANSACTION_REPLY:
        return t->salt.size != 0;
    case MR_TRANSACTION_TRANSFER:
        return t->gas_limit != 0 || t->payload.size != 0 || t->salt.size != 0 ||
               mr_reference_find_program(r, &t->to) != NULL;
    case MR_TRANSACTION_CLAIM:
        return t->value != 0 || t->gas_limit != 0 || t->payload.size != 0 || t->salt.size != 0;
    }
    return true;
}

static mr_admission admit(mr_reference *r, const mr_transaction *t, uint64_t index,
                          mr_transaction_result *result)
{
    if (is_malformed(r, t))
        return MR_ADMISSION_MALFORMED;
    if (t->kind == MR_TRANSACTION_UPLOAD)
        return admit_upload(r, t, result);
    const uint64_t payload_max = r->schedule.payload_bytes_max;
    if (t->payload.size > payload_max || t->salt.size > payload_max)
        return MR_ADMISSION_PAYLOAD;
    if (t->gas_limit > mr_reference_gas_max(r))
        return MR_ADMISSION_GAS_LIMIT;
    switch (t->kind) {
    case MR_TRANSACTION_CREATE:
        return admit_create(r, t, index, result);
    case MR_TRANSACTION_SEND:
        return admit_send(r, t, index, result);
    case MR_TRANSACTION_REPLY:
        return admit_reply(r, t, result);
    case MR_TRANSACTION_CLAIM:
        return admit_claim(r, t);
    default:
        return admit_transfer(r, t);
    }
}

void mr_reference_admit(mr_reference *r, const mr_transaction *t, uint64_t index,
                        mr_transaction_result *result)
{
    result->text = "";
    result->admission = admit(r, t, index, result);
    r->block->info.transactions_accepted += result->admission == MR_ADMISSION_ACCEPTED;
}
