/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/rcu.h"

#include <assert.h>

#include <urcu-qsbr.h>

#include "base/assert.h"

/* liburcu is not instrumented, so the thread sanitizer cannot see that a grace period orders what
 * readers did before what follows it. These two calls say so. Nor can it see how the library hands
 * its own memory from thread to thread; what it allocates and frees itself is left alone. */
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
const char *__tsan_default_suppressions(void);
__attribute__((visibility("default"), used)) const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:liburcu-qsbr.so";
}
static char grace_period;
static void readers_done(void)
{
    __tsan_release(&grace_period);
}
static void readers_seen_done(void)
{
    __tsan_acquire(&grace_period);
}
#else
static inline void readers_done(void) {}
static inline void readers_seen_done(void) {}
#endif

/* What an mr_rcu_head holds: liburcu's head, and the call to make once it is due. */
struct deferred {
    struct rcu_head head;
    void (*done)(mr_rcu_head *head);
};

static_assert(sizeof(mr_rcu_head) == sizeof(struct deferred), "the opaque head holds ours");
static_assert(_Alignof(mr_rcu_head) == _Alignof(struct deferred), "and is aligned like it");

static _Thread_local uint32_t registrations;

void mr_rcu_register(void)
{
    if (registrations++ == 0)
        urcu_qsbr_register_thread();
}

void mr_rcu_unregister(void)
{
    MR_ASSERT(registrations > 0);
    if (--registrations == 0) {
        readers_done();
        urcu_qsbr_unregister_thread();
    }
}

bool mr_rcu_registered(void)
{
    return registrations > 0;
}

void mr_rcu_quiescent(void)
{
    readers_done();
    urcu_qsbr_quiescent_state();
}

void mr_rcu_offline(void)
{
    readers_done();
    urcu_qsbr_thread_offline();
}

void mr_rcu_online(void)
{
    urcu_qsbr_thread_online();
}

void mr_rcu_synchronize(void)
{
    if (registrations > 0)
        readers_done();
    urcu_qsbr_synchronize_rcu();
    readers_seen_done();
}

static void make_call(struct rcu_head *head)
{
    readers_seen_done();
    struct deferred *deferred = (struct deferred *)head;
    deferred->done((mr_rcu_head *)deferred);
}

void mr_rcu_defer(mr_rcu_head *head, void (*done)(mr_rcu_head *head))
{
    struct deferred *deferred = (struct deferred *)head;
    deferred->done = done;
    readers_done();
    urcu_qsbr_call_rcu(&deferred->head, make_call);
}

void mr_rcu_barrier(void)
{
    if (registrations > 0)
        readers_done();
    urcu_qsbr_barrier();
    readers_seen_done();
}
