/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/audit.h"

#include <stdio.h>

static bool broken(mr_difference *difference, const char *law)
{
    (void)snprintf(difference->text, sizeof difference->text, "%s", law);
    return false;
}

bool mr_audit_gas(const mr_history_block *block, const mr_block *made, uint64_t gas_before,
                  mr_difference *difference)
{
    uint64_t burned = 0, bought = 0;
    mr_receipt receipt;
    for (uint64_t i = 0; mr_block_receipt(made, i, &receipt); i++)
        burned += receipt.gas_burned;
    mr_transaction_result result;
    for (uint64_t i = 0; mr_block_transaction(made, i, &result); i++) {
        if (result.admission == MR_ADMISSION_ACCEPTED)
            bought += block->transactions[i].gas_limit;
    }
    mr_block_info info;
    mr_block_info_get(made, &info);
    const mr_reference_block *expected = block->expected;
    if (burned == info.gas_burned &&
        gas_before + bought == expected->gas_queued + expected->gas_held + burned + info.gas_rent +
                                   expected->gas_refunded)
        return true;
    return broken(difference, "gas is not conserved");
}

/* ---- Value ---- */

static bool add_account(void *arg, const mr_id *account, mr_value balance)
{
    (void)account;
    *(mr_value *)arg += balance;
    return true;
}

static bool add_program(void *arg, const mr_program_info *program)
{
    *(mr_value *)arg += program->balance;
    return true;
}

static bool add_letter(void *arg, const mr_letter_info *letter)
{
    *(mr_value *)arg += letter->value;
    return true;
}

static bool add_task(void *arg, const mr_task_info *task)
{
    *(mr_value *)arg += task->value; /* 0 but of a message to be sent */
    return true;
}

bool mr_audit_value(const mr_reference_block *expected, mr_engine *engine,
                    mr_difference *difference)
{
    /* What waits has brought its value: it is the program's. Which messages of the queue have, no
     * walk tells. */
    mr_value sum = expected->value_queued;
    if (mr_engine_accounts(engine, add_account, &sum) != MR_OK ||
        mr_engine_programs(engine, add_program, &sum) != MR_OK ||
        mr_engine_letters(engine, NULL, add_letter, &sum) != MR_OK ||
        mr_engine_tasks(engine, 0, add_task, &sum) != MR_OK)
        return broken(difference, "the state cannot be walked");
    mr_engine_info info;
    mr_engine_info_get(engine, &info);
    if (info.gas_held != expected->gas_held)
        return broken(difference, "the gas held is another");
    if (info.accounts)
        sum += info.burned +
               (mr_value)(expected->gas_queued + info.gas_held) * info.schedule.value_per_gas;
    return sum == info.issued || broken(difference, "value is not conserved");
}
