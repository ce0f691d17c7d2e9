/* SPDX-License-Identifier: Apache-2.0 */
/* abi_send: host functions that send messages. A message is composed as a draft under a handle,
 * the number of drafts made before it in the dispatch; the one-call forms make, fill and commit a
 * draft at once, and a handle is used up even when the commit fails. */
#include "engine/abi_internal.h"

#include <stdlib.h>

#include "engine/id.h"

enum { DESTINATION_BYTES = 48 /* program id and value */ };

bool mr_abi_draft_append(mr_execution *execution, mr_draft *draft, const uint8_t *bytes,
                         uint32_t size)
{
    uint32_t needed = draft->payload_bytes + size;
    if (needed > draft->payload_capacity) {
        uint32_t capacity =
            draft->payload_capacity * 2 > needed ? draft->payload_capacity * 2 : needed;
        uint8_t *payload = mr_arena_alloc(execution->arena, capacity);
        if (payload == NULL)
            return false;
        if (draft->payload_bytes > 0)
            memcpy(payload, draft->payload, draft->payload_bytes);
        draft->payload = payload;
        draft->payload_capacity = capacity;
    }
    if (size > 0)
        memcpy(draft->payload + draft->payload_bytes, bytes, size);
    draft->payload_bytes = needed;
    return true;
}

uint32_t mr_abi_input_range(const mr_execution *execution, uint32_t offset, uint32_t size)
{
    const size_t input = execution->message->payload.size;
    if (offset >= input)
        return MR_ABI_INPUT_OFFSET;
    return size > input - offset ? MR_ABI_INPUT_LENGTH : MR_ABI_OK;
}

bool mr_abi_reserve(void **array, uint32_t *capacity, uint32_t count, size_t size)
{
    if (count < *capacity)
        return true;
    uint32_t grown = *capacity < 8 ? 8 : *capacity * 2;
    void *moved = realloc(*array, grown * size);
    if (moved == NULL)
        return false;
    *array = moved;
    *capacity = grown;
    return true;
}

mr_draft_extra *mr_abi_draft_extra(mr_execution *execution, mr_draft *draft)
{
    if (draft->extra != NULL)
        return draft->extra;
    mr_draft_extra *extra = mr_arena_alloc(execution->arena, sizeof *extra);
    if (extra == NULL) {
        execution->failure = MR_NO_MEMORY;
        return NULL;
    }
    *extra = (mr_draft_extra){0};
    draft->extra = extra;
    return extra;
}

uint32_t mr_abi_open_draft(mr_execution *execution, uint32_t *handle)
{
    const uint32_t nonce = execution->handles_before + execution->drafts_count;
    if (nonce >= mr_abi_schedule(execution)->outgoing_max)
        return MR_ABI_TOO_MANY_MESSAGES;
    if (!mr_abi_reserve((void **)&execution->drafts, &execution->drafts_capacity,
                        execution->drafts_count, sizeof *execution->drafts)) {
        execution->failure = MR_NO_MEMORY;
        return MR_ABI_TOO_MANY_MESSAGES;
    }
    execution->drafts[execution->drafts_count++] = (mr_draft){.nonce = nonce};
    *handle = nonce;
    return MR_ABI_OK;
}

/* Handles of earlier runs of the message are no longer known. */
static uint32_t find_draft(mr_execution *execution, uint32_t handle, mr_draft **out)
{
    const uint32_t index = handle - execution->handles_before;
    if (handle < execution->handles_before || index >= execution->drafts_count)
        return MR_ABI_BAD_HANDLE;
    *out = &execution->drafts[index];
    return (*out)->committed ? MR_ABI_LATE_ACCESS : MR_ABI_OK;
}

uint32_t mr_abi_check_growth(const mr_execution *execution, const mr_draft *draft, uint32_t size)
{
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (execution->outgoing_bytes + size > schedule->outgoing_bytes_max)
        return MR_ABI_OUTGOING_BYTES;
    if ((uint64_t)draft->payload_bytes + size > schedule->payload_bytes_max)
        return MR_ABI_MESSAGE_TOO_LARGE;
    return MR_ABI_OK;
}

static uint32_t push(mr_execution *execution, uint32_t handle, const uint8_t *bytes, uint32_t size)
{
    mr_draft *draft;
    uint32_t code = find_draft(execution, handle, &draft);
    if (code == MR_ABI_OK)
        code = mr_abi_check_growth(execution, draft, size);
    if (code != MR_ABI_OK)
        return code;
    if (!mr_abi_draft_append(execution, draft, bytes, size))
        execution->failure = MR_NO_MEMORY;
    execution->outgoing_bytes += size;
    return MR_ABI_OK;
}

/* How a message is sent off: where to, with which value and gas. */
typedef struct send_terms {
    const uint8_t
        *destination;       /* DESTINATION_BYTES in the program's memory, or NULL: bad pointer */
    const uint8_t *payload; /* appended to the draft; borrowed from memory or the input */
    const uint8_t *reservation; /* id of the one to send it from, or NULL */
    uint64_t gas;
    uint32_t payload_bytes;
    uint32_t delay; /* blocks */
    bool has_gas;
} send_terms;

bool mr_abi_is_system(const uint8_t *id)
{
    return memcmp(id, mr_id_system.bytes, sizeof mr_id_system.bytes) == 0;
}

uint32_t mr_abi_check_gas(const mr_execution *execution, const mr_run *run, uint64_t gas,
                          uint32_t delay)
{
    const uint64_t left = mr_abi_own_gas(execution, run), rent = mr_abi_rent(execution, delay);
    if (gas > left)
        return MR_ABI_NOT_ENOUGH_GAS;
    return rent > left - gas ? MR_ABI_NO_GAS_FOR_DELAY : MR_ABI_OK;
}

bool mr_abi_commit_draft(mr_execution *execution, mr_run *run, mr_draft *draft, uint64_t gas,
                         uint32_t delay)
{
    if (!mr_abi_reserve((void **)&execution->committed, &execution->committed_capacity,
                        execution->committed_count, sizeof *execution->committed) ||
        (delay != 0 && mr_abi_draft_extra(execution, draft) == NULL)) {
        execution->failure = MR_NO_MEMORY;
        return false;
    }
    const uint64_t rent = mr_abi_rent(execution, delay);
    if (delay != 0)
        draft->extra->delay = delay;
    draft->gas = gas;
    draft->committed = true;
    (void)mr_run_set_aside(run, gas + rent);
    *(draft->has_gas ? &execution->explicit_gas : &execution->set_aside) += gas;
    execution->rent += rent;
    execution->spent += draft->value;
    execution->committed[execution->committed_count++] = draft->nonce - execution->handles_before;
    return true;
}

/* What a message takes from the gas counter, beside the rent of a delay. */
static uint64_t gas_of(const mr_execution *execution, const send_terms *terms)
{
    if (terms->reservation != NULL)
        return 0;
    return terms->has_gas ? terms->gas : mr_abi_schedule(execution)->mailbox_threshold;
}

/* Gives the message the reservation's gas in place of some of the counter's. */
static void send_from(mr_execution *execution, mr_draft *draft, mr_reservation *reservation)
{
    mr_draft_extra *extra = mr_abi_draft_extra(execution, draft);
    if (extra == NULL)
        return;
    extra->is_reserved = true;
    extra->payer = reservation->payer;
    draft->gas = reservation->amount;
    reservation->ended = reservation->used = true;
}

/* Commits a draft: takes gas and value, in the order of Gear's checks. A failure takes nothing. */
static uint32_t commit(mr_execution *execution, mr_run *run, uint32_t handle,
                       const send_terms *terms)
{
    const uint64_t gas = gas_of(execution, terms);
    if (gas != 0 && gas < mr_abi_schedule(execution)->mailbox_threshold)
        return MR_ABI_GAS_LIMIT_TOO_LOW;
    const uint32_t payable = mr_abi_check_gas(execution, run, gas, terms->delay);
    if (payable == MR_ABI_NOT_ENOUGH_GAS)
        return payable;
    const mr_value value = mr_abi_load_value(terms->destination + 32);
    if (value > execution->balance - execution->spent)
        return MR_ABI_NOT_ENOUGH_VALUE;
    if (payable != MR_ABI_OK)
        return payable;
    mr_reservation *reservation = NULL;
    if (terms->reservation != NULL) {
        reservation = mr_abi_reservation(execution, terms->reservation);
        if (reservation == NULL)
            return MR_ABI_BAD_RESERVATION;
    }
    mr_draft *draft;
    uint32_t code = find_draft(execution, handle, &draft);
    if (code == MR_ABI_OK)
        code = mr_abi_check_growth(execution, draft, terms->payload_bytes);
    if (code != MR_ABI_OK)
        return code;
    if (!mr_abi_draft_append(execution, draft, terms->payload, terms->payload_bytes)) {
        execution->failure = MR_NO_MEMORY;
        return MR_ABI_OK;
    }
    memcpy(draft->to.bytes, terms->destination, sizeof draft->to.bytes);
    draft->value = value;
    draft->has_gas = terms->has_gas || reservation != NULL;
    if (!mr_abi_commit_draft(execution, run, draft, gas, terms->delay))
        return MR_ABI_OK;
    execution->outgoing_bytes += terms->payload_bytes;
    if (reservation != NULL)
        send_from(execution, draft, reservation);
    return MR_ABI_OK;
}

/* The end of every sending function: commits and answers with the message id. */
static mr_host_action depart(mr_execution *execution, mr_run *run, uint32_t handle,
                             const send_terms *terms, uint32_t code, uint64_t answer_at)
{
    if (mr_abi_only_reads(execution))
        return mr_abi_trap(execution, MR_ABI_ONLY_READS);
    if (code == MR_ABI_OK && mr_abi_is_system(terms->destination))
        return mr_abi_trap(execution, MR_ABI_TO_SYSTEM);
    if (code == MR_ABI_OK)
        code = commit(execution, run, handle, terms);
    if (execution->failure != MR_OK)
        return mr_abi_machine_failure(execution, execution->failure);
    mr_id id = {0};
    if (code == MR_ABI_OK)
        id = execution->drafts[handle - execution->handles_before].id =
            mr_foreseen_sent(execution->foreseen, &execution->message->id, handle);
    return mr_abi_answer(execution, run, answer_at, code, &id, sizeof id);
}

/* Where a message goes: behind the id of a reservation when it is sent from one. Sets both in
 * `terms`; NULL for a bad pointer. */
static void read_destination(const mr_run *run, uint64_t at, bool reserved, send_terms *terms)
{
    const uint32_t before = reserved ? sizeof(mr_id) : 0;
    const uint8_t *bytes = mr_run_bytes(run, (uint32_t)at, before + DESTINATION_BYTES);
    terms->destination = bytes == NULL ? NULL : bytes + before;
    terms->reservation = reserved ? bytes : NULL;
}

/* What the one-call forms are given: gr_send, gr_send_wgas, gr_reservation_send. */
typedef struct send_args {
    uint64_t destination_at, payload_at, size, gas, delay, answer_at;
    bool has_gas, reserved;
} send_args;

static mr_host_action send(mr_execution *execution, mr_run *run, const send_args *args)
{
    const mr_schedule *schedule = mr_abi_schedule(execution);
    const uint64_t size = args->size, answer_at = args->answer_at;
    const bool fits = size <= schedule->payload_bytes_max;
    if (!mr_abi_charge(run, schedule->host_call + schedule->send,
                       schedule->send_byte + schedule->host_byte, fits ? size : 0))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, answer_at, 32))
        return mr_abi_unanswerable(execution);
    send_terms terms = {
        .payload = mr_abi_bytes(run, args->payload_at, (uint32_t)size),
        .payload_bytes = (uint32_t)size,
        .gas = args->gas,
        .delay = (uint32_t)args->delay,
        .has_gas = args->has_gas,
    };
    read_destination(run, args->destination_at, args->reserved, &terms);
    uint32_t handle = 0;
    uint32_t code = MR_ABI_OK;
    if (terms.destination == NULL)
        code = MR_ABI_ACCESS_OUT_OF_BOUNDS;
    else if (!fits)
        code = MR_ABI_MESSAGE_TOO_LARGE;
    else if (terms.payload == NULL)
        code = MR_ABI_ACCESS_OUT_OF_BOUNDS;
    else
        code = mr_abi_open_draft(execution, &handle);
    return depart(execution, run, handle, &terms, code, answer_at);
}

MR_ABI_FUNCTION(gr_send)
{
    return send(mr_abi_execution(context), run,
                &(send_args){.destination_at = args[0],
                             .payload_at = args[1],
                             .size = args[2],
                             .delay = args[3],
                             .answer_at = args[4]});
}

MR_ABI_FUNCTION(gr_send_wgas)
{
    return send(mr_abi_execution(context), run,
                &(send_args){.destination_at = args[0],
                             .payload_at = args[1],
                             .size = args[2],
                             .has_gas = true,
                             .gas = args[3],
                             .delay = args[4],
                             .answer_at = args[5]});
}

MR_ABI_FUNCTION(gr_reservation_send)
{
    return send(mr_abi_execution(context), run,
                &(send_args){.destination_at = args[0],
                             .reserved = true,
                             .payload_at = args[1],
                             .size = args[2],
                             .delay = args[3],
                             .answer_at = args[4]});
}

/* gr_send_input and gr_send_input_wgas. */
static mr_host_action send_input(mr_execution *execution, mr_run *run, uint64_t destination_at,
                                 uint64_t offset, uint64_t size, bool has_gas, uint64_t gas,
                                 uint64_t delay, uint64_t answer_at)
{
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call + schedule->send, 0, 0))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, answer_at, 32))
        return mr_abi_unanswerable(execution);
    send_terms terms = {.gas = gas, .delay = (uint32_t)delay, .has_gas = has_gas};
    read_destination(run, destination_at, false, &terms);
    uint32_t handle = 0;
    uint32_t code = terms.destination == NULL ? MR_ABI_ACCESS_OUT_OF_BOUNDS
                                              : mr_abi_open_draft(execution, &handle);
    if (code == MR_ABI_OK)
        code = mr_abi_input_range(execution, (uint32_t)offset, (uint32_t)size);
    if (code == MR_ABI_OK && !mr_abi_charge(run, 0, schedule->send_byte, size))
        return MR_HOST_STOP;
    if (code == MR_ABI_OK)
        code = push(execution, handle, execution->message->payload.data + offset, (uint32_t)size);
    return depart(execution, run, handle, &terms, code, answer_at);
}

MR_ABI_FUNCTION(gr_send_input)
{
    return send_input(mr_abi_execution(context), run, args[0], args[1], args[2], false, 0, args[3],
                      args[4]);
}

MR_ABI_FUNCTION(gr_send_input_wgas)
{
    return send_input(mr_abi_execution(context), run, args[0], args[1], args[2], true, args[3],
                      args[4], args[5]);
}

MR_ABI_FUNCTION(gr_send_init)
{
    mr_execution *execution = mr_abi_execution(context);
    if (!mr_abi_charge(run, mr_abi_schedule(execution)->host_call, 0, 0))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, args[0], 4))
        return mr_abi_unanswerable(execution);
    uint32_t handle = 0;
    uint32_t code = mr_abi_open_draft(execution, &handle);
    if (execution->failure != MR_OK)
        return mr_abi_machine_failure(execution, execution->failure);
    return mr_abi_answer(execution, run, args[0], code, &handle, sizeof handle);
}

MR_ABI_FUNCTION(gr_send_push)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call, schedule->send_byte + schedule->host_byte,
                       args[2]))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, args[3], 0))
        return mr_abi_unanswerable(execution);
    const uint8_t *bytes = mr_abi_bytes(run, args[1], (uint32_t)args[2]);
    uint32_t code = bytes == NULL ? MR_ABI_ACCESS_OUT_OF_BOUNDS
                                  : push(execution, (uint32_t)args[0], bytes, (uint32_t)args[2]);
    if (execution->failure != MR_OK)
        return mr_abi_machine_failure(execution, execution->failure);
    return mr_abi_answer(execution, run, args[3], code, NULL, 0);
}

MR_ABI_FUNCTION(gr_send_push_input)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    const uint32_t offset = (uint32_t)args[1], size = (uint32_t)args[2];
    if (!mr_abi_charge(run, schedule->host_call, 0, 0))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, args[3], 0))
        return mr_abi_unanswerable(execution);
    uint32_t code = mr_abi_input_range(execution, offset, size);
    if (code == MR_ABI_OK && !mr_abi_charge(run, 0, schedule->send_byte, size))
        return MR_HOST_STOP;
    if (code == MR_ABI_OK)
        code = push(execution, (uint32_t)args[0], execution->message->payload.data + offset, size);
    if (execution->failure != MR_OK)
        return mr_abi_machine_failure(execution, execution->failure);
    return mr_abi_answer(execution, run, args[3], code, NULL, 0);
}

/* gr_send_commit, gr_send_commit_wgas and gr_reservation_send_commit: `terms` names the gas. */
static mr_host_action send_commit(mr_execution *execution, mr_run *run, uint64_t handle,
                                  uint64_t destination_at, bool reserved, send_terms terms,
                                  uint64_t answer_at)
{
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call + schedule->send, 0, 0))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, answer_at, 32))
        return mr_abi_unanswerable(execution);
    read_destination(run, destination_at, reserved, &terms);
    uint32_t code = terms.destination == NULL ? MR_ABI_ACCESS_OUT_OF_BOUNDS : MR_ABI_OK;
    return depart(execution, run, (uint32_t)handle, &terms, code, answer_at);
}

MR_ABI_FUNCTION(gr_send_commit)
{
    return send_commit(mr_abi_execution(context), run, args[0], args[1], false,
                       (send_terms){.delay = (uint32_t)args[2]}, args[3]);
}

MR_ABI_FUNCTION(gr_send_commit_wgas)
{
    const send_terms terms = {.has_gas = true, .gas = args[2], .delay = (uint32_t)args[3]};
    return send_commit(mr_abi_execution(context), run, args[0], args[1], false, terms, args[4]);
}

MR_ABI_FUNCTION(gr_reservation_send_commit)
{
    return send_commit(mr_abi_execution(context), run, args[0], args[1], true,
                       (send_terms){.delay = (uint32_t)args[2]}, args[3]);
}
