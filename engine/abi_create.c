/* SPDX-License-Identifier: Apache-2.0 */
/* abi_create: host functions that create programs. The new program's init message is a draft like
 * any other, under a handle, whose destination is the new program. */
#include "engine/abi_internal.h"

#include "engine/id.h"

/* What both forms are given. */
typedef struct create_args {
    uint64_t code_at, salt_at, salt_size, payload_at, size, gas, delay, answer_at;
    bool has_gas;
} create_args;

/* What these point to, borrowed from memory. */
typedef struct create_terms {
    const uint8_t *code; /* id, and the value to send along */
    mr_span salt;
    mr_span payload;
} create_terms;

static uint32_t read_terms(const mr_execution *execution, const mr_run *run,
                           const create_args *args, create_terms *out)
{
    const uint64_t most = mr_abi_schedule(execution)->payload_bytes_max;
    out->code = mr_run_bytes(run, (uint32_t)args->code_at, sizeof(mr_id) + sizeof(mr_value));
    if (out->code == NULL)
        return MR_ABI_ACCESS_OUT_OF_BOUNDS;
    if (args->salt_size > most || args->size > most)
        return MR_ABI_MESSAGE_TOO_LARGE;
    out->salt =
        mr_span_of(mr_abi_bytes(run, args->salt_at, (uint32_t)args->salt_size), args->salt_size);
    out->payload =
        mr_span_of(mr_abi_bytes(run, args->payload_at, (uint32_t)args->size), args->size);
    return out->salt.data == NULL || out->payload.data == NULL ? MR_ABI_ACCESS_OUT_OF_BOUNDS
                                                               : MR_ABI_OK;
}

/* Whether a dispatch of the message, this one or one before it waited, has created the program. */
static bool is_created_already(const mr_execution *execution, const mr_id *program)
{
    const mr_context *context = execution->context;
    for (uint32_t i = 0; context != NULL && i < context->created_count; i++) {
        if (mr_id_equal(&context->created[i], program))
            return true;
    }
    for (uint32_t i = 0; i < execution->committed_count; i++) {
        const mr_draft *draft = &execution->drafts[execution->committed[i]];
        if (draft->extra != NULL && draft->extra->creates && mr_id_equal(&draft->to, program))
            return true;
    }
    return false;
}

/* Commits the init message, in the order of Gear's checks. A failure takes nothing. */
static uint32_t create(mr_execution *execution, mr_run *run, const create_args *args,
                       const create_terms *terms, mr_id ids[2])
{
    const uint64_t gas = args->has_gas ? args->gas : mr_abi_schedule(execution)->mailbox_threshold;
    const uint32_t payable = mr_abi_check_gas(execution, run, gas, (uint32_t)args->delay);
    if (payable == MR_ABI_NOT_ENOUGH_GAS)
        return payable;
    const mr_value value = mr_abi_load_value(terms->code + sizeof(mr_id));
    if (value > execution->balance - execution->spent)
        return MR_ABI_NOT_ENOUGH_VALUE;
    if (payable != MR_ABI_OK)
        return payable;
    mr_id code;
    memcpy(code.bytes, terms->code, sizeof code.bytes);
    const mr_id program = mr_id_of_child(&execution->message->id, &code, terms->salt);
    if (is_created_already(execution, &program))
        return MR_ABI_DUPLICATE_INIT;
    const mr_draft none = {0};
    uint32_t handle;
    uint32_t error = mr_abi_check_growth(execution, &none, (uint32_t)terms->payload.size);
    if (error == MR_ABI_OK)
        error = mr_abi_open_draft(execution, &handle);
    if (error != MR_ABI_OK)
        return error;
    mr_draft *draft = &execution->drafts[handle - execution->handles_before];
    mr_draft_extra *extra = mr_abi_draft_extra(execution, draft);
    if (extra == NULL)
        return MR_ABI_OK;
    extra->creates = true;
    extra->code = code;
    draft->to = program;
    draft->value = value;
    draft->has_gas = args->has_gas;
    draft->id = mr_foreseen_sent(execution->foreseen, &execution->message->id, handle);
    if (!mr_abi_draft_append(execution, draft, terms->payload.data, (uint32_t)terms->payload.size))
        execution->failure = MR_NO_MEMORY;
    else
        (void)mr_abi_commit_draft(execution, run, draft, gas, (uint32_t)args->delay);
    execution->outgoing_bytes += terms->payload.size;
    ids[0] = draft->id;
    ids[1] = program;
    return MR_ABI_OK;
}

static mr_host_action create_program(mr_execution *execution, mr_run *run, const create_args *args)
{
    const mr_schedule *schedule = mr_abi_schedule(execution);
    const uint64_t most = schedule->payload_bytes_max;
    const uint64_t size = args->size <= most ? args->size : 0;
    const uint64_t salt_size = args->salt_size <= most ? args->salt_size : 0;
    if (!mr_abi_charge(run, schedule->host_call + schedule->send + schedule->create,
                       schedule->send_byte + schedule->host_byte, size + salt_size))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, args->answer_at, 2 * sizeof(mr_id)))
        return mr_abi_unanswerable(execution);
    if (mr_abi_only_reads(execution))
        return mr_abi_trap(execution, MR_ABI_ONLY_READS);
    create_terms terms;
    mr_id ids[2] = {0};
    uint32_t code = read_terms(execution, run, args, &terms);
    if (code == MR_ABI_OK)
        code = create(execution, run, args, &terms, ids);
    if (execution->failure != MR_OK)
        return mr_abi_machine_failure(execution, execution->failure);
    return mr_abi_answer(execution, run, args->answer_at, code, ids, sizeof ids);
}

MR_ABI_FUNCTION(gr_create_program)
{
    return create_program(mr_abi_execution(context), run,
                          &(create_args){.code_at = args[0],
                                         .salt_at = args[1],
                                         .salt_size = args[2],
                                         .payload_at = args[3],
                                         .size = args[4],
                                         .delay = args[5],
                                         .answer_at = args[6]});
}

MR_ABI_FUNCTION(gr_create_program_wgas)
{
    return create_program(mr_abi_execution(context), run,
                          &(create_args){.code_at = args[0],
                                         .salt_at = args[1],
                                         .salt_size = args[2],
                                         .payload_at = args[3],
                                         .size = args[4],
                                         .has_gas = true,
                                         .gas = args[5],
                                         .delay = args[6],
                                         .answer_at = args[7]});
}
