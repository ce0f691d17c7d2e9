/* SPDX-License-Identifier: Apache-2.0 */
/* abi_reserve: host functions that keep gas for later: reservations, the system reservation, and
 * deposits for replies. The dispatch works on a copy of the program's reservations, those that
 * ended included, so that a failure drops it. */
#include "engine/abi_internal.h"

#include "base/assert.h"
#include "engine/id.h"

/* Copies the program's reservations before the first change. False when out of memory. */
static bool prepare(mr_execution *execution)
{
    if (execution->reservations_changed)
        return true;
    const uint32_t count = execution->reservations_count;
    execution->reservations_new_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!mr_abi_reserve((void **)&execution->reservations_new,
                            &execution->reservations_capacity, i,
                            sizeof *execution->reservations_new)) {
            execution->failure = MR_NO_MEMORY;
            return false;
        }
        mr_reservation *copy = &execution->reservations_new[i];
        *copy = execution->reservations[i];
        copy->made = copy->ended = copy->used = false;
    }
    execution->reservations_new_count = count;
    execution->reservations_changed = true;
    return true;
}

mr_reservation *mr_abi_reservation(mr_execution *execution, const uint8_t *id)
{
    if (execution->reservations_count == 0 && !execution->reservations_changed)
        return NULL;
    if (!prepare(execution))
        return NULL;
    for (uint32_t i = 0; i < execution->reservations_new_count; i++) {
        mr_reservation *reservation = &execution->reservations_new[i];
        if (!reservation->ended && memcmp(reservation->id.bytes, id, sizeof(mr_id)) == 0)
            return reservation;
    }
    return NULL;
}

/* What a reservation made by this dispatch holds for its rent. */
static uint64_t rent_of(const mr_execution *execution, const mr_reservation *reservation)
{
    return mr_abi_rent(execution, reservation->finish - reservation->start);
}

static uint32_t living(const mr_execution *execution)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < execution->reservations_new_count; i++)
        count += !execution->reservations_new[i].ended;
    return count;
}

static uint32_t reserve(mr_execution *execution, mr_run *run, uint64_t amount, uint32_t blocks,
                        mr_id *id)
{
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (blocks == 0)
        return MR_ABI_RESERVATION_DURATION;
    if (amount < schedule->mailbox_threshold)
        return MR_ABI_RESERVATION_TOO_LOW;
    const uint32_t start = execution->environment->height;
    const uint32_t finish = blocks > UINT32_MAX - start ? UINT32_MAX : start + blocks;
    const uint64_t rent = mr_abi_rent(execution, finish - start),
                   left = mr_abi_own_gas(execution, run);
    if (amount > left || rent > left - amount)
        return MR_ABI_NOT_ENOUGH_GAS;
    if (!prepare(execution))
        return MR_ABI_OK;
    if (living(execution) >= schedule->reservations_max)
        return MR_ABI_TOO_MANY_RESERVATIONS;
    if (!mr_abi_reserve((void **)&execution->reservations_new, &execution->reservations_capacity,
                        execution->reservations_new_count, sizeof *execution->reservations_new)) {
        execution->failure = MR_NO_MEMORY;
        return MR_ABI_OK;
    }
    *id = mr_id_of_reservation(&execution->message->id, execution->reservations_made++);
    execution->reservations_new[execution->reservations_new_count++] = (mr_reservation){
        .id = *id,
        .payer = *execution->payer,
        .amount = amount,
        .start = start,
        .finish = finish,
        .made = true,
    };
    (void)mr_run_set_aside(run, amount + rent);
    execution->reserved_gas += amount + rent;
    return MR_ABI_OK;
}

MR_ABI_FUNCTION(gr_reserve_gas)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call + schedule->reserve, schedule->host_byte, 36))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, args[2], sizeof(mr_id)))
        return mr_abi_unanswerable(execution);
    if (mr_abi_only_reads(execution))
        return mr_abi_trap(execution, MR_ABI_ONLY_READS);
    mr_id id = {0};
    const uint32_t code = reserve(execution, run, args[0], (uint32_t)args[1], &id);
    if (execution->failure != MR_OK)
        return mr_abi_machine_failure(execution, execution->failure);
    return mr_abi_answer(execution, run, args[2], code, &id, sizeof id);
}

/* Ends a reservation. One that this dispatch made has never been: all of it comes back. */
static void end(mr_execution *execution, mr_run *run, mr_reservation *reservation)
{
    reservation->ended = true;
    if (!reservation->made)
        return;
    const uint64_t gas = reservation->amount + rent_of(execution, reservation);
    execution->reserved_gas -= gas;
    mr_run_refund(run, gas);
    /* Nothing is left of it: what follows must not take it for one that is to be refunded. */
    const size_t at = (size_t)(reservation - execution->reservations_new);
    const size_t after = --execution->reservations_new_count - at;
    memmove(reservation, reservation + 1, after * sizeof *reservation);
}

MR_ABI_FUNCTION(gr_unreserve_gas)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    enum { ANSWER_BYTES = 12 };
    if (!mr_abi_charge(run, schedule->host_call + schedule->reserve, schedule->host_byte,
                       sizeof(mr_id) + ANSWER_BYTES))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, args[1], ANSWER_BYTES - 4))
        return mr_abi_unanswerable(execution);
    if (mr_abi_only_reads(execution))
        return mr_abi_trap(execution, MR_ABI_ONLY_READS);
    const uint8_t *id = mr_run_bytes(run, (uint32_t)args[0], sizeof(mr_id));
    uint32_t code = MR_ABI_ACCESS_OUT_OF_BOUNDS;
    uint64_t amount = 0;
    if (id != NULL) {
        mr_reservation *reservation = mr_abi_reservation(execution, id);
        code = reservation == NULL ? MR_ABI_BAD_RESERVATION : MR_ABI_OK;
        if (reservation != NULL) {
            amount = reservation->amount;
            end(execution, run, reservation);
        }
    }
    if (execution->failure != MR_OK)
        return mr_abi_machine_failure(execution, execution->failure);
    return mr_abi_answer(execution, run, args[1], code, &amount, sizeof amount);
}

/* How much more the message's system reservation may have: what it had before it waited counts. */
static uint64_t system_room(const mr_execution *execution)
{
    const uint64_t before = execution->context != NULL ? execution->context->system_gas : 0;
    return MR_GAS_MAX - before - execution->system_gas;
}

MR_ABI_FUNCTION(gr_system_reserve_gas)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (mr_abi_in_signal(execution))
        return mr_abi_trap(execution, MR_ABI_IN_SIGNAL);
    if (!mr_abi_charge(run, schedule->host_call + schedule->reserve, 0, 0))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, args[1], 0))
        return mr_abi_unanswerable(execution);
    if (mr_abi_only_reads(execution))
        return mr_abi_trap(execution, MR_ABI_ONLY_READS);
    const uint64_t amount = args[0];
    uint32_t code = MR_ABI_OK;
    if (amount == 0) {
        code = MR_ABI_RESERVATION_AMOUNT;
    } else if (amount > mr_abi_own_gas(execution, run) || amount > system_room(execution)) {
        code = MR_ABI_NOT_ENOUGH_GAS;
    } else {
        (void)mr_run_set_aside(run, amount);
        execution->system_gas += amount;
    }
    return mr_abi_answer(execution, run, args[1], code, NULL, 0);
}

/* The message `id` that this dispatch has sent, or NULL. */
static mr_draft *find_sent(mr_execution *execution, const uint8_t *id)
{
    for (uint32_t i = 0; i < execution->committed_count; i++) {
        mr_draft *draft = &execution->drafts[execution->committed[i]];
        if (memcmp(draft->id.bytes, id, sizeof(mr_id)) == 0)
            return draft;
    }
    return NULL;
}

/* The answer is paid for by who paid for the message; that must be who paid for the deposit. */
static bool is_paid_by_another(const mr_execution *execution, const mr_draft *draft)
{
    return draft->extra != NULL && draft->extra->is_reserved &&
           !mr_id_equal(&draft->extra->payer, execution->payer);
}

static uint32_t deposit(mr_execution *execution, mr_run *run, const uint8_t *id, uint64_t gas)
{
    if (gas > mr_abi_own_gas(execution, run))
        return MR_ABI_NOT_ENOUGH_GAS;
    mr_draft *draft = find_sent(execution, id);
    if (draft == NULL || is_paid_by_another(execution, draft))
        return MR_ABI_NOT_SENT_HERE;
    mr_draft_extra *extra = mr_abi_draft_extra(execution, draft);
    if (extra == NULL)
        return MR_ABI_OK;
    if (extra->has_deposit)
        return MR_ABI_DUPLICATE_DEPOSIT;
    extra->has_deposit = true;
    extra->deposit = gas;
    (void)mr_run_set_aside(run, gas);
    execution->explicit_gas += gas;
    return MR_ABI_OK;
}

MR_ABI_FUNCTION(gr_reply_deposit)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call, schedule->host_byte, sizeof(mr_id)))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, args[2], 0))
        return mr_abi_unanswerable(execution);
    if (mr_abi_only_reads(execution))
        return mr_abi_trap(execution, MR_ABI_ONLY_READS);
    const uint8_t *id = mr_run_bytes(run, (uint32_t)args[0], sizeof(mr_id));
    const uint32_t code =
        id == NULL ? MR_ABI_ACCESS_OUT_OF_BOUNDS : deposit(execution, run, id, args[1]);
    if (execution->failure != MR_OK)
        return mr_abi_machine_failure(execution, execution->failure);
    return mr_abi_answer(execution, run, args[2], code, NULL, 0);
}
