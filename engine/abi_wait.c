/* SPDX-License-Identifier: Apache-2.0 */
/* abi_wait: host functions that end the dispatch to go on later, and that wake what waits. */
#include "engine/abi_internal.h"

#include <stdlib.h>

#include "engine/id.h"

/* Ends the dispatch waiting for `blocks`, the rent of which is `reserve`. */
static mr_host_action wait_for(mr_execution *execution, uint32_t blocks, uint64_t reserve)
{
    execution->wait_blocks = blocks;
    execution->wait_reserve = reserve;
    return mr_abi_stop(execution, MR_ENDING_WAIT);
}

/* Charges for waiting, and for the payload, which is stored anew. False when the call is over, with
 * *action. */
static bool may_wait(mr_execution *execution, mr_run *run, uint64_t blocks, mr_host_action *action)
{
    const mr_schedule *schedule = mr_abi_schedule(execution);
    *action = MR_HOST_STOP;
    if (!mr_abi_charge(run, schedule->host_call + schedule->wait, schedule->send_byte,
                       execution->message->payload.size))
        return false;
    if (mr_abi_only_reads(execution))
        *action = mr_abi_trap(execution, MR_ABI_ONLY_READS);
    else if (execution->reply.committed)
        *action = mr_abi_trap(execution, "the program replied and then wanted to wait");
    else if (blocks == 0)
        *action = mr_abi_trap(execution, "the program wanted to wait for 0 blocks");
    else
        return true;
    return false;
}

/* Waiting is a matter of gas: without enough of it the dispatch is out of gas. */
static mr_host_action run_out(mr_run *run)
{
    (void)mr_run_charge(run, UINT64_MAX);
    return MR_HOST_STOP;
}

MR_ABI_FUNCTION(gr_wait)
{
    mr_execution *execution = mr_abi_execution(context);
    mr_host_action action;
    if (!may_wait(execution, run, 1, &action))
        return action;
    const uint64_t reserve = mr_abi_rent(execution, 1);
    if (reserve > mr_abi_own_gas(execution, run))
        return run_out(run);
    return wait_for(execution, UINT32_MAX, reserve);
}

MR_ABI_FUNCTION(gr_wait_for)
{
    mr_execution *execution = mr_abi_execution(context);
    const uint32_t blocks = (uint32_t)args[0];
    mr_host_action action;
    if (!may_wait(execution, run, blocks, &action))
        return action;
    const uint64_t reserve = mr_abi_rent(execution, blocks);
    if (reserve > mr_abi_own_gas(execution, run))
        return run_out(run);
    return wait_for(execution, blocks, reserve);
}

MR_ABI_FUNCTION(gr_wait_up_to)
{
    mr_execution *execution = mr_abi_execution(context);
    const uint32_t blocks = (uint32_t)args[0];
    mr_host_action action;
    if (!may_wait(execution, run, blocks, &action))
        return action;
    const uint64_t gas = mr_abi_own_gas(execution, run), one = mr_abi_rent(execution, 1);
    if (one > gas)
        return run_out(run);
    const uint64_t all = mr_abi_rent(execution, blocks);
    return wait_for(execution, blocks, all <= gas ? all : gas - gas % one);
}

/* Where the waking of `message` stands, or would. There are slots. */
static uint32_t *slot_of(const mr_execution *execution, const mr_id *message)
{
    const uint32_t mask = execution->waking_slots_count - 1;
    for (uint64_t at = mr_id_bucket(message) >> 16;; at++) {
        uint32_t *slot = &execution->waking_slots[at & mask];
        if (*slot == 0 || mr_id_equal(&execution->wakings[*slot - 1].message, message))
            return slot;
    }
}

/* Makes room for one more waking, at most half of the slots being taken: a program pays for each
 * call the same, so that a call may not cost more the more there were before. */
static bool reserve_slot(mr_execution *execution)
{
    enum { SLOTS_MIN = 16 };
    if (2 * ((uint64_t)execution->wakings_count + 1) <= execution->waking_slots_count)
        return true;
    const uint32_t count =
        execution->waking_slots_count == 0 ? SLOTS_MIN : 2 * execution->waking_slots_count;
    if (count > execution->waking_slots_capacity) {
        uint32_t *slots = malloc(count * sizeof *slots);
        if (slots == NULL)
            return false;
        free(execution->waking_slots);
        execution->waking_slots = slots;
        execution->waking_slots_capacity = count;
    }
    memset(execution->waking_slots, 0, count * sizeof *execution->waking_slots);
    execution->waking_slots_count = count;
    for (uint32_t i = 0; i < execution->wakings_count; i++)
        *slot_of(execution, &execution->wakings[i].message) = i + 1;
    return true;
}

static uint32_t wake(mr_execution *execution, mr_run *run, const uint8_t *message, uint32_t delay)
{
    if (!reserve_slot(execution) ||
        !mr_abi_reserve((void **)&execution->wakings, &execution->wakings_capacity,
                        execution->wakings_count, sizeof *execution->wakings)) {
        execution->failure = MR_NO_MEMORY;
        return MR_ABI_OK;
    }
    mr_waking *waking = &execution->wakings[execution->wakings_count];
    *waking = (mr_waking){.delay = delay};
    memcpy(waking->message.bytes, message, sizeof(mr_id));
    uint32_t *slot = slot_of(execution, &waking->message);
    if (*slot != 0)
        return MR_ABI_DUPLICATE_WAKING;
    const uint64_t rent = mr_abi_rent(execution, delay);
    if (rent > mr_abi_own_gas(execution, run))
        return MR_ABI_NOT_ENOUGH_GAS;
    *slot = ++execution->wakings_count;
    (void)mr_run_set_aside(run, rent);
    execution->rent += rent;
    return MR_ABI_OK;
}

MR_ABI_FUNCTION(gr_wake)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call + schedule->wake, schedule->host_byte,
                       sizeof(mr_id)))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, args[2], 0))
        return mr_abi_unanswerable(execution);
    if (mr_abi_only_reads(execution))
        return mr_abi_trap(execution, MR_ABI_ONLY_READS);
    const uint8_t *message = mr_run_bytes(run, (uint32_t)args[0], sizeof(mr_id));
    uint32_t code = message == NULL ? MR_ABI_ACCESS_OUT_OF_BOUNDS
                                    : wake(execution, run, message, (uint32_t)args[1]);
    if (execution->failure != MR_OK)
        return mr_abi_machine_failure(execution, execution->failure);
    return mr_abi_answer(execution, run, args[2], code, NULL, 0);
}
