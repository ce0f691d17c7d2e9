/* SPDX-License-Identifier: Apache-2.0 */
/* rcu: how a thread reads what another replaces, without a lock. Readers take a pointer and use it
 * until they next say they are quiescent; who replaces it frees the old one after a grace period,
 * when every registered thread has been quiescent or offline since.
 *
 *      writer                                 reader (registered, online)
 *      mr_rcu_publish(&slot, new)             p = mr_rcu_read(&slot); ... use *p ...
 *      mr_rcu_defer(&old->rcu, free_it)       mr_rcu_quiescent()      p is dead from here
 *
 * The scheduler's workers are registered. They are quiescent between two phases of a round and
 * offline while parked, so what a worker reads in run() is good until run() returns.
 *
 * Threads: all calls from any thread; those marked (registered) from a registered one.
 * Source:  liburcu, QSBR flavour; its headers stay behind this one. */
#ifndef MR_SCHEDULER_RCU_H
#define MR_SCHEDULER_RCU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Embedded in an object whose end is to be deferred. */
typedef struct mr_rcu_head {
    void *private_[3];
} mr_rcu_head;

/* mr_rcu_register makes the calling thread a reader, online. Calls nest; the last
 * mr_rcu_unregister ends it, and must come before the thread does. */
void mr_rcu_register(void);
void mr_rcu_unregister(void);

/* mr_rcu_registered tells whether the calling thread is a reader. */
bool mr_rcu_registered(void);

/* mr_rcu_quiescent says that the thread holds no pointer it read. (registered) Costs about a load
 * when no grace period is waiting. */
void mr_rcu_quiescent(void);

/* mr_rcu_offline is a quiescent state that lasts until mr_rcu_online: around anything that may
 * block for long. Grace periods do not wait for an offline thread. (registered) */
void mr_rcu_offline(void);
void mr_rcu_online(void);

/* mr_rcu_publish makes `object` what readers find in *slot. Release; pairs with mr_rcu_read. */
static inline void mr_rcu_publish(void **slot, void *object)
{
    __atomic_store_n(slot, object, __ATOMIC_RELEASE);
}

/* mr_rcu_read returns what *slot holds. Acquire; pairs with mr_rcu_publish. (registered) */
static inline void *mr_rcu_read(void *const *slot)
{
    return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}

/* mr_rcu_synchronize returns after a grace period. A registered caller is quiescent meanwhile.
 * Blocks; not for workers inside run(). */
void mr_rcu_synchronize(void);

/* mr_rcu_defer calls done(head) after a grace period, from a thread of its own that is registered.
 * Wait-free, does not allocate; the first call starts that thread. `done` must not block for
 * long. */
void mr_rcu_defer(mr_rcu_head *head, void (*done)(mr_rcu_head *head));

/* mr_rcu_barrier returns when every call deferred before it has been made. Blocks; a registered
 * caller is offline meanwhile. */
void mr_rcu_barrier(void);

#ifdef __cplusplus
}
#endif

#endif
