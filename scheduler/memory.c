/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/scheduler_internal.h"

#include <stdlib.h>

/* Counts down to the allocation a test wants to fail; every later one fails, too. */
static bool refused(mr_scheduler *scheduler)
{
    if (scheduler->perturb.fail_allocation == 0)
        return false;
    uint64_t left = atomic_load_explicit(&scheduler->allocations_left, memory_order_relaxed);
    while (left > 0) {
        if (atomic_compare_exchange_weak_explicit(&scheduler->allocations_left, &left, left - 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return left == 1;
    }
    return true;
}

void *mr_scheduler_alloc(mr_scheduler *scheduler, size_t bytes)
{
    return refused(scheduler) ? NULL : malloc(bytes);
}

bool mr_room_reserve(mr_scheduler *scheduler, mr_room *room, size_t count, size_t element_bytes)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, element_bytes, &bytes))
        return false;
    if (bytes <= room->bytes)
        return true;
    size_t bytes_new = bytes + bytes / 2;
    if (bytes_new < bytes)
        bytes_new = bytes;
    void *at = mr_scheduler_alloc(scheduler, bytes_new);
    if (at == NULL)
        return false;
    free(room->at);
    *room = (mr_room){.at = at, .bytes = bytes_new};
    return true;
}

void mr_room_fini(mr_room *room)
{
    free(room->at);
    *room = (mr_room){0};
}

void mr_fail(mr_scheduler *scheduler, mr_status status)
{
    uint32_t none = MR_OK;
    (void)atomic_compare_exchange_strong_explicit(&scheduler->failure, &none, (uint32_t)status,
                                                  memory_order_relaxed, memory_order_relaxed);
}

bool mr_failed(mr_scheduler *scheduler)
{
    return atomic_load_explicit(&scheduler->failure, memory_order_relaxed) != MR_OK;
}
