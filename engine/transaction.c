/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/transaction.h"

#include "engine/dispatch.h"

/* What is wrong with the form of the transaction, or "". */
static const char *flaw_of(const mr_transaction *transaction)
{
    if (transaction->kind != MR_TRANSACTION_CREATE && transaction->salt.size != 0)
        return "only the creation of a program takes a salt";
    switch (transaction->kind) {
    case MR_TRANSACTION_UPLOAD:
        if (transaction->value != 0 || transaction->gas_limit != 0)
            return "an upload carries neither value nor gas";
        return "";
    case MR_TRANSACTION_TRANSFER:
        if (transaction->gas_limit != 0 || transaction->payload.size != 0)
            return "a transfer carries neither gas nor payload";
        return "";
    case MR_TRANSACTION_CLAIM:
        if (transaction->value != 0 || transaction->gas_limit != 0 ||
            transaction->payload.size != 0)
            return "a claim carries neither value nor gas nor payload";
        return "";
    case MR_TRANSACTION_CREATE:
    case MR_TRANSACTION_SEND:
    case MR_TRANSACTION_REPLY:
        return "";
    }
    return "the transaction is of an unknown kind";
}

mr_admission mr_transaction_check(const mr_schedule *schedule, uint64_t block_gas_limit,
                                  const mr_transaction *transaction, const char **why)
{
    *why = flaw_of(transaction);
    if ((*why)[0] != '\0')
        return MR_ADMISSION_MALFORMED;
    const uint64_t bytes_max = transaction->kind == MR_TRANSACTION_UPLOAD
                                   ? schedule->code_bytes_max
                                   : schedule->payload_bytes_max;
    if (transaction->payload.size > bytes_max || transaction->salt.size > bytes_max)
        return MR_ADMISSION_PAYLOAD;
    /* A message that fits no block like this one would close its destination again and again. */
    if (transaction->gas_limit > MR_GAS_MAX)
        *why = "no message has more than 2^62";
    else if (block_gas_limit != 0 && transaction->gas_limit > block_gas_limit)
        *why = "it is more than the block's";
    else
        return MR_ADMISSION_ACCEPTED;
    return MR_ADMISSION_GAS_LIMIT;
}

mr_value mr_transaction_gas(const mr_schedule *schedule, const mr_transaction *transaction)
{
    mr_value byte = schedule->post_byte;
    if (transaction->kind == MR_TRANSACTION_UPLOAD)
        byte += schedule->upload_byte;
    return (mr_value)transaction->gas_limit + schedule->post + byte * transaction->payload.size;
}

bool mr_transaction_cost(const mr_schedule *schedule, const mr_transaction *transaction,
                         mr_value *out)
{
    mr_value cost;
    if (__builtin_mul_overflow(mr_transaction_gas(schedule, transaction),
                               (mr_value)schedule->value_per_gas, &cost) ||
        __builtin_add_overflow(cost, transaction->tip, &cost) ||
        __builtin_add_overflow(cost, transaction->value, &cost))
        return false;
    *out = cost;
    return true;
}
