/* SPDX-License-Identifier: Apache-2.0 */
/* waiting: how a message leaves the waitlist and what it may give meanwhile; shared by dispatches
 * and the agenda. */
#ifndef MR_ENGINE_WAITING_H
#define MR_ENGINE_WAITING_H

#include "base/assert.h"
#include "engine/agenda.h"

/* mr_waiting_until returns the height at which a message that waits is woken, or removed. */
static inline uint32_t mr_waiting_until(const mr_dispatch *dispatch, uint64_t rent)
{
    const mr_extra *extra = dispatch->extra;
    const uint32_t paid = mr_height_paid(extra->since, dispatch->message.gas_limit, rent);
    return paid < extra->wish ? paid : extra->wish;
}

/* mr_waiting_leave takes a message that may be changed off the waitlist at `height`: its rent is
 * taken off its gas and returned. */
static inline uint64_t mr_waiting_leave(mr_dispatch *dispatch, uint32_t height, uint64_t rent)
{
    mr_extra *extra = dispatch->extra;
    const uint64_t paid = (uint64_t)(height - extra->since) * rent;
    MR_ASSERT(extra->waiting && paid <= dispatch->message.gas_limit);
    dispatch->message.gas_limit -= paid;
    extra->waiting = false;
    if (extra->task != NULL)
        extra->task->cancelled = true;
    extra->task = NULL;
    return paid;
}

/* mr_waiting_drawable returns the gas that replies which belong to the message may draw on. */
static inline uint64_t mr_waiting_drawable(const mr_dispatch *dispatch, uint32_t height,
                                           uint64_t rent)
{
    const mr_extra *extra = dispatch->extra;
    const uint64_t gas = dispatch->message.gas_limit;
    if (!extra->waiting)
        return gas;
    const uint64_t end = extra->until == extra->wish ? extra->wish : (uint64_t)height + 1;
    uint64_t kept;
    if (__builtin_mul_overflow(end - extra->since, rent, &kept))
        return 0;
    return gas > kept ? gas - kept : 0;
}

#endif
