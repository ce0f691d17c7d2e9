/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/perturb.h"

#include <sched.h>

#include "scheduler/scheduler_internal.h"

/* Every worker draws from a sequence of its own, begun anew by every mr_scheduler_perturb. */
static _Thread_local uint64_t state;
static _Thread_local uint64_t state_for; /* `perturbed` of the scheduler when it was begun */

static uint64_t draw(void)
{
    /* splitmix64: every seed gives a full-period sequence, zero included. */
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t mr_perturb_random(const mr_scheduler *scheduler)
{
    if (state_for != scheduler->perturbed) {
        state_for = scheduler->perturbed;
        state = scheduler->perturb.seed + mr_scheduler_self() * UINT64_C(0x94d049bb133111eb);
    }
    return draw();
}

void mr_perturb_step_slow(const mr_scheduler *scheduler)
{
    if (mr_perturb_random(scheduler) % scheduler->perturb.yield_one_in == 0)
        (void)sched_yield();
}

bool mr_perturb_absent(mr_scheduler *scheduler)
{
    /* Asked outside of phases, where only atomics may be read. */
    uint32_t one_in = atomic_load_explicit(&scheduler->absent_one_in, memory_order_relaxed);
    return one_in != 0 && draw() % one_in == 0;
}

void mr_scheduler_perturb(mr_scheduler *scheduler, const mr_perturb *perturb)
{
    scheduler->perturb = *perturb;
    scheduler->perturbed++;
    /* When nobody may steal, what an absent worker was to run would not be run. */
    uint32_t absent = perturb->steal == MR_PERTURB_STEAL_NEVER ? 0 : perturb->absent_one_in;
    atomic_store_explicit(&scheduler->absent_one_in, absent, memory_order_relaxed);
    atomic_store_explicit(&scheduler->allocations_left, perturb->fail_allocation,
                          memory_order_relaxed);
}
