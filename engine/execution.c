/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/execution.h"

#include <stdlib.h>

#include "base/assert.h"

/* Reasons inside an execution error's reply code. Source: Gear's protocol, reply codes. */
enum {
    REASON_OUT_OF_GAS = 0,
    REASON_MEMORY = 1,
    REASON_BACKEND = 2,
    REASON_PANIC = 3,
    REASON_UNREACHABLE = 4,
    REASON_STACK = 5,
};

static void reset(mr_execution *execution)
{
    execution->outcome = MR_OUTCOME_OK;
    memset(execution->error, 0, sizeof execution->error);
    execution->gas_left = 0;
    execution->set_aside = 0;
    execution->explicit_gas = 0;
    execution->system_gas = 0;
    execution->reserved_gas = 0;
    execution->rent = 0;
    execution->handles_before = execution->context != NULL ? execution->context->handles : 0;
    execution->reservations_made =
        execution->context != NULL ? execution->context->reservations : 0;
    execution->drafts_count = 0;
    execution->committed_count = 0;
    execution->wakings_count = 0;
    execution->waking_slots_count = 0;
    execution->reply = (mr_draft){0};
    execution->reservations_changed = false;
    execution->exited = false;
    execution->text = (mr_span){0};
    execution->heap_changed = false;
    execution->debug_first = execution->debug_last = NULL;
    execution->has_backtrace = false;
    execution->outgoing_bytes = 0;
    execution->spent = 0;
    execution->ending = MR_ENDING_NONE;
    execution->failure = MR_OK;
}

void mr_execution_skip(mr_execution *execution)
{
    execution->context = NULL;
    reset(execution);
}

static void fail(mr_execution *execution, mr_outcome outcome, uint8_t reason)
{
    execution->outcome = outcome;
    execution->error[0] = 1; /* error */
    execution->error[1] = 0; /* of execution */
    execution->error[2] = reason;
    execution->error[3] = 0;
}

static void judge_stop(mr_execution *execution)
{
    switch (execution->ending) {
    case MR_ENDING_LEAVE:
        return;
    case MR_ENDING_EXIT:
        execution->outcome = MR_OUTCOME_EXITED;
        execution->exited = true;
        return;
    case MR_ENDING_WAIT:
        execution->outcome = MR_OUTCOME_WAITING;
        return;
    case MR_ENDING_PANIC:
        fail(execution, MR_OUTCOME_PANIC, REASON_PANIC);
        return;
    case MR_ENDING_OUT_OF_MEMORY:
        fail(execution, MR_OUTCOME_MEMORY, REASON_MEMORY);
        return;
    case MR_ENDING_FORBIDDEN:
        fail(execution, MR_OUTCOME_TRAP, REASON_BACKEND);
        return;
    case MR_ENDING_UNREACHABLE:
        fail(execution, MR_OUTCOME_TRAP, REASON_UNREACHABLE);
        return;
    case MR_ENDING_NONE:
        break;
    }
    MR_ASSERT(!"a host function stopped the call without saying why");
}

static void judge(mr_execution *execution, mr_vm_outcome outcome)
{
    switch (outcome) {
    case MR_VM_DONE:
        return;
    case MR_VM_STOPPED:
        judge_stop(execution);
        return;
    case MR_VM_OUT_OF_GAS:
        fail(execution, MR_OUTCOME_OUT_OF_GAS, REASON_OUT_OF_GAS);
        break;
    case MR_VM_STACK_LIMIT:
        fail(execution, MR_OUTCOME_STACK, REASON_STACK);
        break;
    case MR_VM_UNREACHABLE:
    case MR_VM_OUT_OF_BOUNDS:
    case MR_VM_INTEGER:
    case MR_VM_INDIRECT:
        fail(execution, MR_OUTCOME_TRAP, REASON_UNREACHABLE);
        break;
    case MR_VM_NO_MEMORY:
        execution->failure = MR_NO_MEMORY;
        return;
    }
    execution->text = mr_span_text(mr_vm_outcome_text(outcome));
}

/* Memory ends with the last allocated page, as the next run will find it. What the program wrote
 * beyond after it freed the pages there goes with them. */
static void settle_heap(const mr_execution *execution, mr_run *run)
{
    if (!execution->heap_changed)
        return;
    uint32_t end = mr_pages_end(&execution->heap_new);
    if (end < mr_run_static_pages(run))
        end = mr_run_static_pages(run);
    mr_run_clear(run, end, mr_run_pages(run) - end);
    mr_run_trim(run, end);
}

static void keep_backtrace(mr_execution *execution, const mr_run *run)
{
    const mr_backtrace *backtrace = mr_run_backtrace(run);
    if (backtrace == NULL)
        return;
    execution->has_backtrace = true;
    execution->backtrace = *backtrace;
}

/* A failure gives back all gas that was given away, but for the signal that it may lead to. */
static void undo(mr_execution *execution)
{
    execution->gas_left +=
        execution->set_aside + execution->explicit_gas + execution->reserved_gas + execution->rent;
    execution->set_aside = execution->explicit_gas = 0;
    execution->reserved_gas = execution->rent = 0;
    execution->heap_changed = false;
    execution->reservations_changed = false;
}

mr_status mr_execution_run(mr_execution *execution, mr_vm_worker *worker, mr_memory *memory,
                           uint32_t entry, uint64_t charge)
{
    MR_ASSERT(charge <= execution->gas);
    reset(execution);
    mr_run *run;
    MR_TRY(mr_run_begin(worker, memory, &run, NULL));
    uint64_t gas_left;
    mr_vm_outcome outcome = mr_run_call(run, entry, execution->gas - charge, execution, &gas_left);
    if (execution->failure == MR_OK)
        judge(execution, outcome);
    if (execution->failure != MR_OK) {
        mr_run_rollback(run);
        return execution->failure;
    }
    execution->gas_left = gas_left;
    if (mr_execution_succeeded(execution) && !execution->query) {
        settle_heap(execution, run);
        MR_TRY(mr_run_commit(run));
    } else {
        if (!mr_execution_succeeded(execution))
            keep_backtrace(execution, run);
        mr_run_rollback(run);
        undo(execution);
    }
    MR_ASSERT(execution->gas_left <= execution->gas);
    return MR_OK;
}

void mr_execution_fini(mr_execution *execution)
{
    free(execution->drafts);
    free(execution->committed);
    free(execution->wakings);
    free(execution->waking_slots);
    free(execution->reservations_new);
    mr_pages_fini(&execution->heap_new);
    *execution = (mr_execution){0};
}
