/* SPDX-License-Identifier: Apache-2.0 */
/* abi_message: host functions that tell of the message, the program and the block. */
#include "engine/abi_internal.h"

#include "engine/id.h"

/* An infallible function that yields `size` bytes at pointer args[0]. */
static mr_host_action tell(mr_execution *execution, mr_run *run, uint64_t address,
                           const void *bytes, uint32_t size)
{
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call, schedule->host_byte, size))
        return MR_HOST_STOP;
    return mr_abi_give(execution, run, address, bytes, size);
}

MR_ABI_FUNCTION(gr_size)
{
    mr_execution *execution = mr_abi_execution(context);
    uint32_t size = (uint32_t)execution->message->payload.size;
    return tell(execution, run, args[0], &size, sizeof size);
}

MR_ABI_FUNCTION(gr_source)
{
    mr_execution *execution = mr_abi_execution(context);
    if (mr_abi_in_signal(execution))
        return mr_abi_trap(execution, MR_ABI_IN_SIGNAL);
    return tell(execution, run, args[0], execution->message->source, sizeof(mr_id));
}

MR_ABI_FUNCTION(gr_value)
{
    mr_execution *execution = mr_abi_execution(context);
    mr_value value = execution->message->value;
    return tell(execution, run, args[0], &value, sizeof value);
}

MR_ABI_FUNCTION(gr_message_id)
{
    mr_execution *execution = mr_abi_execution(context);
    return tell(execution, run, args[0], &execution->message->id, sizeof(mr_id));
}

MR_ABI_FUNCTION(gr_program_id)
{
    mr_execution *execution = mr_abi_execution(context);
    return tell(execution, run, args[0], execution->program, sizeof(mr_id));
}

MR_ABI_FUNCTION(gr_block_height)
{
    mr_execution *execution = mr_abi_execution(context);
    return tell(execution, run, args[0], &execution->environment->height, sizeof(uint32_t));
}

MR_ABI_FUNCTION(gr_block_timestamp)
{
    mr_execution *execution = mr_abi_execution(context);
    return tell(execution, run, args[0], &execution->environment->timestamp_ms, sizeof(uint64_t));
}

MR_ABI_FUNCTION(gr_gas_available)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    uint64_t gas;
    if (!mr_abi_charge(run, schedule->host_call, schedule->host_byte, sizeof gas))
        return MR_HOST_STOP;
    gas = mr_run_gas(run);
    return mr_abi_give(execution, run, args[0], &gas, sizeof gas);
}

MR_ABI_FUNCTION(gr_value_available)
{
    mr_execution *execution = mr_abi_execution(context);
    mr_value value = execution->balance - execution->spent;
    return tell(execution, run, args[0], &value, sizeof value);
}

MR_ABI_FUNCTION(gr_env_vars)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    enum { VERSION = 1, BYTES = 52, PERFORMANCE_PERCENT = 100 };
    if (args[0] != VERSION)
        return mr_abi_trap(execution, "gr_env_vars was asked for an unknown version");
    uint8_t vars[BYTES] = {0};
    mr_store_le32(vars, PERFORMANCE_PERCENT);
    mr_store_le64(vars + 4, schedule->existential_deposit);
    mr_store_le64(vars + 20, schedule->mailbox_threshold);
    /* Gas per value and value per gas: where one gas costs more than one value, only the latter. */
    mr_store_le64(vars + 28, schedule->value_per_gas == 1);
    mr_store_le64(vars + 36, schedule->value_per_gas);
    return tell(execution, run, args[1], vars, sizeof vars);
}

MR_ABI_FUNCTION(gr_random)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call + schedule->hash, schedule->host_byte, 68))
        return MR_HOST_STOP;
    const uint8_t *subject = mr_run_bytes(run, (uint32_t)args[0], 32);
    if (subject == NULL)
        return mr_abi_trap(execution, "gr_random was given a bad pointer for its subject");
    const mr_span spans[] = {mr_span_of(subject, 32), mr_id_span(&execution->environment->random)};
    mr_id digest = mr_id_blake2b(spans, 2);
    uint8_t answer[36];
    mr_store_le32(answer, execution->environment->height);
    memcpy(answer + 4, digest.bytes, sizeof digest.bytes);
    return mr_abi_give(execution, run, args[1], answer, sizeof answer);
}

MR_ABI_FUNCTION(gr_read)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    const uint32_t at = (uint32_t)args[0], size = (uint32_t)args[1], to = (uint32_t)args[2];
    const mr_span payload = execution->message->payload;
    if (!mr_abi_charge(run, schedule->host_call, 0, 0))
        return MR_HOST_STOP;
    if (!mr_abi_answerable(run, args[3], 0))
        return mr_abi_unanswerable(execution);
    uint32_t code = MR_ABI_OK;
    if (at > UINT32_MAX - size)
        code = MR_ABI_TOO_BIG_READ;
    else if (at + size > payload.size)
        code = MR_ABI_WRONG_READ_RANGE;
    else if (mr_abi_bytes(run, to, size) == NULL)
        code = MR_ABI_ACCESS_OUT_OF_BOUNDS;
    if (code == MR_ABI_OK && size > 0) {
        if (!mr_abi_charge(run, 0, schedule->host_byte, size))
            return MR_HOST_STOP;
        (void)mr_run_write(run, to, payload.data + at, size);
    }
    return mr_abi_answer(execution, run, args[3], code, NULL, 0);
}

MR_ABI_FUNCTION(gr_reply_to)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call, schedule->host_byte, 36))
        return MR_HOST_STOP;
    uint32_t code = execution->message->kind == MR_KIND_REPLY ? MR_ABI_OK : MR_ABI_NO_REPLY_CONTEXT;
    return mr_abi_answer(execution, run, args[0], code, execution->message->reply_to, 32);
}

MR_ABI_FUNCTION(gr_reply_code)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call, schedule->host_byte, 8))
        return MR_HOST_STOP;
    uint32_t code = execution->message->kind == MR_KIND_REPLY ? MR_ABI_OK : MR_ABI_NO_REPLY_CONTEXT;
    return mr_abi_answer(execution, run, args[0], code, execution->message->code, 4);
}

MR_ABI_FUNCTION(gr_signal_from)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call, schedule->host_byte, 36))
        return MR_HOST_STOP;
    uint32_t code = mr_abi_in_signal(execution) ? MR_ABI_OK : MR_ABI_NO_SIGNAL_CONTEXT;
    return mr_abi_answer(execution, run, args[0], code, execution->message->reply_to, 32);
}

MR_ABI_FUNCTION(gr_signal_code)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call, schedule->host_byte, 8))
        return MR_HOST_STOP;
    uint32_t code = mr_abi_in_signal(execution) ? MR_ABI_OK : MR_ABI_NO_SIGNAL_CONTEXT;
    return mr_abi_answer(execution, run, args[0], code, &execution->message->signal, 4);
}
