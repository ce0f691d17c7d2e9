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

/* Makes room for one more element of `size` bytes. */
static bool reserve(void **array, uint32_t *capacity, uint32_t count, size_t size)
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

/* Makes an empty draft. Sets execution->failure when the machine has no memory. */
static uint32_t open_draft(mr_execution *execution, uint32_t *handle)
{
    if (execution->drafts_count >= mr_abi_schedule(execution)->outgoing_max)
        return MR_ABI_TOO_MANY_MESSAGES;
    if (!reserve((void **)&execution->drafts, &execution->drafts_capacity, execution->drafts_count,
                 sizeof *execution->drafts)) {
        execution->failure = MR_NO_MEMORY;
        return MR_ABI_TOO_MANY_MESSAGES;
    }
    *handle = execution->drafts_count++;
    execution->drafts[*handle] = (mr_draft){.nonce = *handle};
    return MR_ABI_OK;
}

static uint32_t find_draft(mr_execution *execution, uint32_t handle, mr_draft **out)
{
    if (handle >= execution->drafts_count)
        return MR_ABI_BAD_HANDLE;
    *out = &execution->drafts[handle];
    return (*out)->committed ? MR_ABI_LATE_ACCESS : MR_ABI_OK;
}

/* Whether `size` more bytes fit the dispatch's total and the message. */
static uint32_t check_growth(const mr_execution *execution, const mr_draft *draft, uint32_t size)
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
        code = check_growth(execution, draft, size);
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
    uint32_t payload_bytes;
    uint64_t gas;
    bool has_gas;
} send_terms;

bool mr_abi_is_system(const uint8_t *id)
{
    for (size_t i = 0; i < 32; i += 4) {
        if (memcmp(id + i, "gear", 4) != 0)
            return false;
    }
    return true;
}

/* Commits a draft: takes gas and value, in the order of Gear's checks. A failure takes nothing. */
static uint32_t commit(mr_execution *execution, mr_run *run, uint32_t handle,
                       const send_terms *terms)
{
    const mr_schedule *schedule = mr_abi_schedule(execution);
    const uint64_t set_aside = terms->has_gas ? terms->gas : schedule->mailbox_threshold;
    if (set_aside != 0 && set_aside < schedule->mailbox_threshold)
        return MR_ABI_GAS_LIMIT_TOO_LOW;
    if (set_aside > mr_run_gas(run))
        return MR_ABI_NOT_ENOUGH_GAS;
    const mr_value value = mr_abi_load_value(terms->destination + 32);
    if (value > execution->balance - execution->spent)
        return MR_ABI_NOT_ENOUGH_VALUE;
    mr_draft *draft;
    uint32_t code = find_draft(execution, handle, &draft);
    if (code == MR_ABI_OK)
        code = check_growth(execution, draft, terms->payload_bytes);
    if (code != MR_ABI_OK)
        return code;
    if (!mr_abi_draft_append(execution, draft, terms->payload, terms->payload_bytes) ||
        !reserve((void **)&execution->committed, &execution->committed_capacity,
                 execution->committed_count, sizeof *execution->committed)) {
        execution->failure = MR_NO_MEMORY;
        return MR_ABI_OK;
    }
    memcpy(draft->to.bytes, terms->destination, sizeof draft->to.bytes);
    draft->value = value;
    draft->gas = set_aside;
    draft->has_gas = terms->has_gas;
    draft->committed = true;
    (void)mr_run_charge(run, set_aside);
    execution->set_aside += set_aside;
    execution->explicit_gas += terms->has_gas ? set_aside : 0;
    execution->spent += value;
    execution->outgoing_bytes += terms->payload_bytes;
    execution->committed[execution->committed_count++] = handle;
    return MR_ABI_OK;
}

/* The end of every sending function: commits and answers with the message id. */
static mr_host_action depart(mr_execution *execution, mr_run *run, uint32_t handle,
                             const send_terms *terms, uint32_t code, uint64_t answer_at)
{
    if (code == MR_ABI_OK && mr_abi_is_system(terms->destination))
        return mr_abi_trap(execution, MR_ABI_TO_SYSTEM);
    if (code == MR_ABI_OK)
        code = commit(execution, run, handle, terms);
    if (execution->failure != MR_OK)
        return mr_abi_machine_failure(execution, execution->failure);
    mr_id id = {0};
    if (code == MR_ABI_OK)
        id = execution->drafts[handle].id = mr_id_of_outgoing(&execution->message->id, handle);
    return mr_abi_answer(execution, run, answer_at, code, &id, sizeof id);
}

static mr_host_action refuse_delay(mr_execution *execution)
{
    return mr_abi_trap(execution, "delayed messages are not part of this version");
}

/* gr_send and gr_send_wgas. */
static mr_host_action send(mr_execution *execution, mr_run *run, uint64_t destination_at,
                           uint64_t payload_at, uint64_t size, bool has_gas, uint64_t gas,
                           uint64_t delay, uint64_t answer_at)
{
    const mr_schedule *schedule = mr_abi_schedule(execution);
    const bool fits = size <= schedule->payload_bytes_max;
    if (!mr_abi_charge(run, schedule->host_call + schedule->send,
                       schedule->send_byte + schedule->host_byte, fits ? size : 0))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, answer_at, 32))
        return mr_abi_unanswerable(execution);
    if (delay != 0)
        return refuse_delay(execution);
    send_terms terms = {
        .destination = mr_run_bytes(run, (uint32_t)destination_at, DESTINATION_BYTES),
        .payload = mr_abi_bytes(run, payload_at, (uint32_t)size),
        .payload_bytes = (uint32_t)size,
        .gas = gas,
        .has_gas = has_gas,
    };
    uint32_t handle = 0;
    uint32_t code = MR_ABI_OK;
    if (terms.destination == NULL)
        code = MR_ABI_ACCESS_OUT_OF_BOUNDS;
    else if (!fits)
        code = MR_ABI_MESSAGE_TOO_LARGE;
    else if (terms.payload == NULL)
        code = MR_ABI_ACCESS_OUT_OF_BOUNDS;
    else
        code = open_draft(execution, &handle);
    return depart(execution, run, handle, &terms, code, answer_at);
}

MR_ABI_FUNCTION(gr_send)
{
    return send(mr_abi_execution(context), run, args[0], args[1], args[2], false, 0, args[3],
                args[4]);
}

MR_ABI_FUNCTION(gr_send_wgas)
{
    return send(mr_abi_execution(context), run, args[0], args[1], args[2], true, args[3], args[4],
                args[5]);
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
    if (delay != 0)
        return refuse_delay(execution);
    const send_terms terms = {
        .destination = mr_run_bytes(run, (uint32_t)destination_at, DESTINATION_BYTES),
        .gas = gas,
        .has_gas = has_gas,
    };
    uint32_t handle = 0;
    uint32_t code =
        terms.destination == NULL ? MR_ABI_ACCESS_OUT_OF_BOUNDS : open_draft(execution, &handle);
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
    uint32_t code = open_draft(execution, &handle);
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

/* gr_send_commit and gr_send_commit_wgas. */
static mr_host_action send_commit(mr_execution *execution, mr_run *run, uint64_t handle,
                                  uint64_t destination_at, bool has_gas, uint64_t gas,
                                  uint64_t delay, uint64_t answer_at)
{
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call + schedule->send, 0, 0))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, answer_at, 32))
        return mr_abi_unanswerable(execution);
    if (delay != 0)
        return refuse_delay(execution);
    const send_terms terms = {
        .destination = mr_run_bytes(run, (uint32_t)destination_at, DESTINATION_BYTES),
        .gas = gas,
        .has_gas = has_gas,
    };
    uint32_t code = terms.destination == NULL ? MR_ABI_ACCESS_OUT_OF_BOUNDS : MR_ABI_OK;
    return depart(execution, run, (uint32_t)handle, &terms, code, answer_at);
}

MR_ABI_FUNCTION(gr_send_commit)
{
    return send_commit(mr_abi_execution(context), run, args[0], args[1], false, 0, args[2],
                       args[3]);
}

MR_ABI_FUNCTION(gr_send_commit_wgas)
{
    return send_commit(mr_abi_execution(context), run, args[0], args[1], true, args[2], args[3],
                       args[4]);
}
