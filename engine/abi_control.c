/* SPDX-License-Identifier: Apache-2.0 */
/* abi_control: host functions that print or end the dispatch. */
#include "base/utf8.h"
#include "engine/abi_internal.h"

static bool is_utf8(const uint8_t *text, uint32_t size)
{
    for (size_t at = 0, step; at < size; at += step) {
        uint32_t point;
        step = mr_utf8_next(mr_span_of(text + at, size - at), &point);
        if (step == 0)
            return false;
    }
    return true;
}

/* Copies bytes of the program's into the arena. False when the machine has no memory. */
static bool keep(mr_execution *execution, const uint8_t *bytes, uint32_t size, mr_span *out)
{
    uint8_t *copy = mr_arena_alloc(execution->arena, size);
    if (copy == NULL)
        return false;
    memcpy(copy, bytes, size);
    *out = mr_span_of(copy, size);
    return true;
}

static bool keep_debug(mr_execution *execution, const uint8_t *bytes, uint32_t size)
{
    mr_debug_text *line = mr_arena_alloc(execution->arena, sizeof *line);
    if (line == NULL || !keep(execution, bytes, size, &line->text))
        return false;
    line->next = NULL;
    if (execution->debug_last == NULL)
        execution->debug_first = line;
    else
        execution->debug_last->next = line;
    execution->debug_last = line;
    return true;
}

MR_ABI_FUNCTION(gr_debug)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    const uint32_t size = (uint32_t)args[1];
    if (!mr_abi_charge(run, schedule->host_call, schedule->host_byte, size))
        return MR_HOST_STOP;
    const uint8_t *bytes = mr_abi_bytes(run, args[0], size);
    if (bytes == NULL)
        return mr_abi_trap(execution, "gr_debug was given a bad pointer");
    if (!is_utf8(bytes, size))
        return mr_abi_trap(execution, "gr_debug was given a text that is not UTF-8");
    if (execution->environment->keep_debug && !keep_debug(execution, bytes, size))
        return mr_abi_machine_failure(execution, MR_NO_MEMORY);
    return MR_HOST_CONTINUE;
}

MR_ABI_FUNCTION(gr_panic)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    const uint32_t size = (uint32_t)args[1];
    if (!mr_abi_charge(run, schedule->host_call, 0, 0))
        return MR_HOST_STOP;
    if (size > schedule->payload_bytes_max)
        return mr_abi_trap(execution, "gr_panic was given a text that is too long");
    const uint8_t *bytes = mr_abi_bytes(run, args[0], size);
    if (bytes == NULL)
        return mr_abi_trap(execution, "gr_panic was given a bad pointer");
    if (!mr_abi_charge(run, 0, schedule->host_byte, size))
        return MR_HOST_STOP;
    if (!keep(execution, bytes, size, &execution->text))
        return mr_abi_machine_failure(execution, MR_NO_MEMORY);
    return mr_abi_stop(execution, MR_ENDING_PANIC);
}

MR_ABI_FUNCTION(gr_oom_panic)
{
    mr_execution *execution = mr_abi_execution(context);
    if (!mr_abi_charge(run, mr_abi_schedule(execution)->host_call, 0, 0))
        return MR_HOST_STOP;
    execution->text = mr_span_text("the program ran out of memory");
    return mr_abi_stop(execution, MR_ENDING_OUT_OF_MEMORY);
}

MR_ABI_FUNCTION(gr_leave)
{
    mr_execution *execution = mr_abi_execution(context);
    if (!mr_abi_charge(run, mr_abi_schedule(execution)->host_call, 0, 0))
        return MR_HOST_STOP;
    return mr_abi_stop(execution, MR_ENDING_LEAVE);
}

MR_ABI_FUNCTION(gr_exit)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call, schedule->host_byte, sizeof(mr_id)))
        return MR_HOST_STOP;
    if (mr_abi_only_reads(execution))
        return mr_abi_trap(execution, MR_ABI_ONLY_READS);
    const uint8_t *inheritor = mr_run_bytes(run, (uint32_t)args[0], sizeof(mr_id));
    if (inheritor == NULL)
        return mr_abi_trap(execution, "gr_exit was given a bad pointer");
    memcpy(execution->inheritor.bytes, inheritor, sizeof(mr_id));
    return mr_abi_stop(execution, MR_ENDING_EXIT);
}
