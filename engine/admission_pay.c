/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/admission.h"

#include "engine/transaction.h"

/* Takes what it costs, if the sender has it. */
static mr_status take(const mr_admitting *at, bool *paid)
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

mr_status mr_admission_pay(const mr_admitting *at, bool *paid)
{
    MR_TRY(take(at, paid));
    if (!*paid)
        mr_admission_refuse(at, MR_ADMISSION_BALANCE);
    return MR_OK;
}

/* An upload has neither value nor gas, so all of it was reward. */
mr_status mr_admission_pay_back(const mr_admitting *at)
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
