/* SPDX-License-Identifier: Apache-2.0 */
/* abi_memory: host functions of the heap: whole pages after the static ones, first fit. */
#include "engine/abi_internal.h"

enum { PAGE_NUMBERS = 65536 /* page numbers a 32-bit memory can have */ };

/* A number no page has ends the call as the unreachable instruction would, not as a bad pointer. */
static mr_host_action no_such_page(mr_execution *execution, const char *text)
{
    execution->text = mr_span_text(text);
    return mr_abi_stop(execution, MR_ENDING_UNREACHABLE);
}

/* The heap to read; the working copy once this dispatch has changed it. */
static mr_pages *heap(mr_execution *execution)
{
    return execution->heap_changed ? &execution->heap_new : execution->heap;
}

static mr_status heap_to_change(mr_execution *execution, mr_pages **out)
{
    if (!execution->heap_changed) {
        MR_TRY(mr_pages_copy(&execution->heap_new, execution->heap));
        execution->heap_changed = true;
    }
    *out = &execution->heap_new;
    return MR_OK;
}

MR_ABI_FUNCTION(alloc)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call, 0, 0))
        return MR_HOST_STOP;
    const uint32_t count = (uint32_t)args[0];
    const uint32_t low = mr_run_static_pages(run);
    const uint32_t high = (uint32_t)schedule->pages_max;
    *result = UINT32_MAX;
    if (low >= high || count > high)
        return MR_HOST_CONTINUE;
    if (count == 0) {
        *result = low;
        return MR_HOST_CONTINUE;
    }
    uint32_t first = mr_pages_find(heap(execution), low, high, count);
    if (first == UINT32_MAX)
        return MR_HOST_CONTINUE;
    if (!mr_abi_charge(run, 0, schedule->page_alloc, count))
        return MR_HOST_STOP;
    const uint32_t pages = mr_run_pages(run);
    const uint32_t end = first + count;
    /* Pages between others may have been written to after they were freed. */
    if (first < pages)
        mr_run_clear(run, first, (end < pages ? end : pages) - first);
    mr_pages *changed;
    mr_status status = heap_to_change(execution, &changed);
    if (status == MR_OK && end > pages)
        status = mr_run_grow(run, end - pages);
    if (status == MR_OK)
        status = mr_pages_add(changed, first, end);
    if (status != MR_OK)
        return mr_abi_machine_failure(execution, status);
    *result = first;
    return MR_HOST_CONTINUE;
}

/* Frees what is owned of [first, end), which lies in the heap, and clears it. The time this takes
 * is that of the pages owned, which are paid for. */
static mr_host_action release(mr_execution *execution, mr_run *run, uint32_t first, uint32_t end,
                              uint32_t *released)
{
    *released = 0;
    mr_page_range owned;
    for (uint32_t at = first; mr_pages_next(heap(execution), at, end, &owned); at = owned.end)
        *released += owned.end - owned.first;
    if (*released == 0)
        return MR_HOST_CONTINUE;
    if (!mr_abi_charge(run, 0, mr_abi_schedule(execution)->page_free, *released))
        return MR_HOST_STOP;
    for (uint32_t at = first; mr_pages_next(heap(execution), at, end, &owned); at = owned.end)
        mr_run_clear(run, owned.first, owned.end - owned.first);
    mr_pages *changed;
    mr_status status = heap_to_change(execution, &changed);
    if (status == MR_OK)
        status = mr_pages_remove(changed, first, end, released);
    return status == MR_OK ? MR_HOST_CONTINUE : mr_abi_machine_failure(execution, status);
}

MR_ABI_FUNCTION(free)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call, 0, 0))
        return MR_HOST_STOP;
    const uint32_t page = (uint32_t)args[0];
    if (page >= PAGE_NUMBERS)
        return no_such_page(execution, "free was given a page beyond any memory");
    *result = 1;
    if (page < mr_run_static_pages(run) || page >= schedule->pages_max)
        return MR_HOST_CONTINUE;
    uint32_t released;
    mr_host_action action = release(execution, run, page, page + 1, &released);
    *result = released == 0;
    return action;
}

MR_ABI_FUNCTION(free_range)
{
    mr_execution *execution = mr_abi_execution(context);
    const mr_schedule *schedule = mr_abi_schedule(execution);
    if (!mr_abi_charge(run, schedule->host_call, 0, 0))
        return MR_HOST_STOP;
    const uint32_t first = (uint32_t)args[0], last = (uint32_t)args[1];
    if (first >= PAGE_NUMBERS || last >= PAGE_NUMBERS)
        return no_such_page(execution, "free_range was given a page beyond any memory");
    *result = 1;
    if (first > last || first < mr_run_static_pages(run) || last >= schedule->pages_max)
        return MR_HOST_CONTINUE;
    uint32_t released;
    *result = 0;
    return release(execution, run, first, last + 1, &released);
}
