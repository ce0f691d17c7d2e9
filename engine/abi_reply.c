/* SPDX-License-Identifier: Apache-2.0 */
/* abi_reply: host functions that answer the message. One reply a dispatch, from init and handle. */
#include "engine/abi_internal.h"

#include "engine/id.h"

bool mr_abi_reply_value(mr_run *run, uint32_t address, mr_value *out)
{
    *out = 0;
    if (address == (uint32_t)MR_POINTER_NONE)
        return true;
    const uint8_t *bytes = mr_run_bytes(run, address, 16);
    if (bytes == NULL)
        return false;
    *out = mr_abi_load_value(bytes);
    return true;
}

static bool may_reply(const mr_execution *execution)
{
    return execution->message->kind == MR_KIND_INIT || execution->message->kind == MR_KIND_HANDLE;
}

static uint32_t check_size(const mr_execution *execution, uint32_t size)
{
    uint64_t total = (uint64_t)execution->reply.payload_bytes + size;
    return total > mr_abi_schedule(execution)->payload_bytes_max ? MR_ABI_MESSAGE_TOO_LARGE
                                                                 : MR_ABI_OK;
}

static uint32_t push(mr_execution *execution, const uint8_t *bytes, uint32_t size)
{
    if (!may_reply(execution))
        return MR_ABI_WRONG_ENTRY_FOR_REPLY;
    if (execution->reply.committed)
        return MR_ABI_LATE_ACCESS;
    uint32_t code = check_size(execution, size);
    if (code == MR_ABI_OK && !mr_abi_draft_append(execution, &execution->reply, bytes, size))
        execution->failure = MR_NO_MEMORY;
    return code;
}

/* Gas and value of a reply, and what is appended to its payload. */
typedef struct reply_terms {
    mr_value value;
    uint64_t gas;
    const uint8_t *payload;
    const uint8_t *reservation; /* id of the one to reply from, or NULL */
    uint32_t payload_bytes;
    bool has_gas;
} reply_terms;

/* Gives the reply the reservation's gas. */
static void reply_from(mr_execution *execution, mr_reservation *reservation)
{
    mr_draft_extra *extra = mr_abi_draft_extra(execution, &execution->reply);
    if (extra == NULL)
        return;
    extra->is_reserved = true;
    extra->payer = reservation->payer;
    execution->reply.gas = reservation->amount;
    reservation->ended = reservation->used = true;
}

/* Commits the reply, in the order of Gear's checks. A failure takes nothing. */
static uint32_t commit(mr_execution *execution, mr_run *run, const reply_terms *terms)
{
    if (terms->gas > mr_abi_own_gas(execution, run))
        return MR_ABI_NOT_ENOUGH_GAS;
    if (terms->value > execution->balance - execution->spent)
        return MR_ABI_NOT_ENOUGH_VALUE;
    mr_reservation *reservation = NULL;
    if (terms->reservation != NULL) {
        reservation = mr_abi_reservation(execution, terms->reservation);
        if (reservation == NULL)
            return MR_ABI_BAD_RESERVATION;
    }
    if (!may_reply(execution))
        return MR_ABI_WRONG_ENTRY_FOR_REPLY;
    mr_draft *reply = &execution->reply;
    if (reply->committed)
        return MR_ABI_DUPLICATE_REPLY;
    uint32_t code = check_size(execution, terms->payload_bytes);
    if (code != MR_ABI_OK)
        return code;
    if (!mr_abi_draft_append(execution, reply, terms->payload, terms->payload_bytes)) {
        execution->failure = MR_NO_MEMORY;
        return MR_ABI_OK;
    }
    reply->value = terms->value;
    reply->gas = terms->gas;
    reply->has_gas = terms->has_gas || reservation != NULL;
    reply->committed = true;
    (void)mr_run_set_aside(run, terms->gas);
    execution->explicit_gas += terms->gas;
    execution->spent += terms->value;
    if (reservation != NULL)
        reply_from(execution, reservation);
    return MR_ABI_OK;
}

/* The end of every replying function: commits and answers with the message id. */
static mr_host_action depart(mr_execution *execution, mr_run *run, const reply_terms *terms,
                             uint32_t code, uint64_t answer_at)
{
    if (code == MR_ABI_OK && mr_abi_is_system(execution->message->source->bytes))
        return mr_abi_trap(execution, MR_ABI_TO_SYSTEM);
    if (code == MR_ABI_OK)
        code = commit(execution, run, terms);
    if (execution->failure != MR_OK)
        return mr_abi_machine_failure(execution, execution->failure);
    mr_id id = {0};
    if (code == MR_ABI_OK)
        id = mr_foreseen_reply(execution->foreseen, &execution->message->id);
    return mr_abi_answer(execution, run, answer_at, code, &id, sizeof id);
}

/* Reads value and, before it, the reservation of a reply from one. False when the pointer is bad.
 */
static bool read_terms(mr_run *run, uint64_t at, bool reserved, reply_terms *terms)
{
    if (!reserved)
        return mr_abi_reply_value(run, (uint32_t)at, &terms->value);
    terms->reservation = mr_run_bytes(run, (uint32_t)at, sizeof(mr_id) + 16);
    if (terms->reservation == NULL)
        return false;
    terms->value = mr_abi_load_value(terms->reservation + sizeof(mr_id));
    return true;
}

/* What the whole replies are given: gr_reply, gr_reply_wgas, gr_reservation_reply; and the commits,
 * with an empty payload at 0. */
typedef struct reply_args {
    uint64_t payload_at, size, gas, value_at, answer_at;
    bool has_gas, reserved;
} reply_args;

static mr_host_action reply(mr_execution *execution, mr_run *run, const reply_args *args)
{
    const mr_schedule *schedule = mr_abi_schedule(execution);
    const bool fits = args->size <= schedule->payload_bytes_max;
    if (mr_abi_in_signal(execution))
        return mr_abi_trap(execution, MR_ABI_IN_SIGNAL);
    if (!mr_abi_charge(run, schedule->host_call + schedule->reply,
                       schedule->send_byte + schedule->host_byte, fits ? args->size : 0))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, args->answer_at, 32))
        return mr_abi_unanswerable(execution);
    reply_terms terms = {
        .gas = args->gas,
        .payload = mr_abi_bytes(run, args->payload_at, (uint32_t)args->size),
        .payload_bytes = (uint32_t)args->size,
        .has_gas = args->has_gas,
    };
    uint32_t code = MR_ABI_OK;
    if (!read_terms(run, args->value_at, args->reserved, &terms))
        code = MR_ABI_ACCESS_OUT_OF_BOUNDS;
    else if (!fits)
        code = MR_ABI_MESSAGE_TOO_LARGE;
    else if (terms.payload == NULL)
        code = MR_ABI_ACCESS_OUT_OF_BOUNDS;
    return depart(execution, run, &terms, code, args->answer_at);
}

MR_ABI_FUNCTION(gr_reply)
{
    return reply(
        mr_abi_execution(context), run,
        &(reply_args){
            .payload_at = args[0], .size = args[1], .value_at = args[2], .answer_at = args[3]});
}

MR_ABI_FUNCTION(gr_reply_wgas)
{
    return reply(mr_abi_execution(context), run,
                 &(reply_args){.payload_at = args[0],
                               .size = args[1],
                               .has_gas = true,
                               .gas = args[2],
                               .value_at = args[3],
                               .answer_at = args[4]});
}

MR_ABI_FUNCTION(gr_reservation_reply)
{
    return reply(mr_abi_execution(context), run,
                 &(reply_args){.reserved = true,
                               .value_at = args[0],
                               .payload_at = args[1],
                               .size = args[2],
                               .answer_at = args[3]});
}

MR_ABI_FUNCTION(gr_reply_commit)
{
    return reply(mr_abi_execution(context), run,
                 &(reply_args){.value_at = args[0], .answer_at = args[1]});
}

MR_ABI_FUNCTION(gr_reply_commit_wgas)
{
    return reply(
        mr_abi_execution(context), run,
        &(reply_args){.has_gas = true, .gas = args[0], .value_at = args[1], .answer_at = args[2]});
}

MR_ABI_FUNCTION(gr_reservation_reply_commit)
{
    return reply(mr_abi_execution(context), run,
                 &(reply_args){.reserved = true, .value_at = args[0], .answer_at = args[1]});
}

MR_ABI_FUNCTION(gr_reply_push)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (mr_abi_in_signal(execution))
        return mr_abi_trap(execution, MR_ABI_IN_SIGNAL);
    if (!mr_abi_charge(run, schedule->host_call, schedule->send_byte + schedule->host_byte,
                       args[1]))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, args[2], 0))
        return mr_abi_unanswerable(execution);
    const uint8_t *bytes = mr_abi_bytes(run, args[0], (uint32_t)args[1]);
    uint32_t code =
        bytes == NULL ? MR_ABI_ACCESS_OUT_OF_BOUNDS : push(execution, bytes, (uint32_t)args[1]);
    if (execution->failure != MR_OK)
        return mr_abi_machine_failure(execution, execution->failure);
    return mr_abi_answer(execution, run, args[2], code, NULL, 0);
}

MR_ABI_FUNCTION(gr_reply_push_input)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    const uint32_t offset = (uint32_t)args[0], size = (uint32_t)args[1];
    if (mr_abi_in_signal(execution))
        return mr_abi_trap(execution, MR_ABI_IN_SIGNAL);
    if (!mr_abi_charge(run, schedule->host_call, 0, 0))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, args[2], 0))
        return mr_abi_unanswerable(execution);
    uint32_t code = mr_abi_input_range(execution, offset, size);
    if (code == MR_ABI_OK && !mr_abi_charge(run, 0, schedule->send_byte, size))
        return MR_HOST_STOP;
    if (code == MR_ABI_OK)
        code = push(execution, execution->message->payload.data + offset, size);
    if (execution->failure != MR_OK)
        return mr_abi_machine_failure(execution, execution->failure);
    return mr_abi_answer(execution, run, args[2], code, NULL, 0);
}

/* gr_reply_input and gr_reply_input_wgas. What was pushed stays even when the commit fails. */
static mr_host_action reply_input(mr_execution *execution, mr_run *run, uint64_t offset,
                                  uint64_t size, bool has_gas, uint64_t gas, uint64_t value_at,
                                  uint64_t answer_at)
{
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (mr_abi_in_signal(execution))
        return mr_abi_trap(execution, MR_ABI_IN_SIGNAL);
    if (!mr_abi_charge(run, schedule->host_call + schedule->reply, 0, 0))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, answer_at, 32))
        return mr_abi_unanswerable(execution);
    reply_terms terms = {.gas = gas, .has_gas = has_gas};
    uint32_t code = MR_ABI_OK;
    if (!mr_abi_reply_value(run, (uint32_t)value_at, &terms.value))
        code = MR_ABI_ACCESS_OUT_OF_BOUNDS;
    if (code == MR_ABI_OK)
        code = mr_abi_input_range(execution, (uint32_t)offset, (uint32_t)size);
    if (code == MR_ABI_OK && !mr_abi_charge(run, 0, schedule->send_byte, size))
        return MR_HOST_STOP;
    if (code == MR_ABI_OK)
        code = push(execution, execution->message->payload.data + offset, (uint32_t)size);
    return depart(execution, run, &terms, code, answer_at);
}

MR_ABI_FUNCTION(gr_reply_input)
{
    return reply_input(mr_abi_execution(context), run, args[0], args[1], false, 0, args[2],
                       args[3]);
}

MR_ABI_FUNCTION(gr_reply_input_wgas)
{
    return reply_input(mr_abi_execution(context), run, args[0], args[1], true, args[2], args[3],
                       args[4]);
}
