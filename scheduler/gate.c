/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/gate.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "scheduler/rcu.h"

static void futex_wait(void *word, uint32_t expected, uint32_t mask)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, NULL, NULL, mask);
}

static void futex_wake(void *word, uint32_t mask)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, mask);
}

/* The kernel wakes by mask: worker i sleeps under the bit of the smallest class that holds it. */
static uint32_t class_of(uint32_t worker)
{
    return worker == 0 ? 0 : 32 - (uint32_t)__builtin_clz(worker);
}

static uint32_t mask_up_to(uint32_t class)
{
    return (UINT32_C(2) << class) - 1;
}

void mr_gate_open(mr_gate *gate, uint64_t word)
{
    /* Relaxed: nobody who could enter has seen the word yet. */
    atomic_store_explicit(&gate->crew, ((word << 8) >> 16) << 16 | 1, memory_order_relaxed);
    mr_gate_call(gate, word);
}

void mr_gate_call(mr_gate *gate, uint64_t word)
{
    /* The store and the loads below are sequentially consistent, as are their counterparts in
     * park: either the opener sees the worker counted, or the worker sees the new word. */
    uint32_t class = (uint32_t)(word >> 4) & 15;
    atomic_store(&gate->word, word);
    if (mr_gate_parked(gate, class) != 0)
        futex_wake(&gate->word, mask_up_to(class));
}

static inline bool names(uint64_t word, uint32_t class)
{
    return ((word >> 4) & 15) >= class;
}

static uint64_t park(mr_gate *gate, uint64_t seen, uint32_t class)
{
    mr_rcu_offline();
    atomic_fetch_add(&gate->parked[class], 1);
    uint64_t word;
    for (;;) {
        word = atomic_load(&gate->word);
        if (word != seen && names(word, class))
            break;
        /* Sleep on the word as it is: a word that names others is no reason to wake. The kernel
         * compares its low half, which comes first in memory and differs from word to word. */
        futex_wait(&gate->word, (uint32_t)word, UINT32_C(1) << class);
    }
    atomic_fetch_sub_explicit(&gate->parked[class], 1, memory_order_relaxed);
    mr_rcu_online();
    return word;
}

static inline void pause_turn(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* True while a wait that began at `began_ns` is to go on spinning. Reads the clock now and then, as
 * turns take anything from 10 to 140 cycles. */
static inline bool spins_on(uint32_t *turn, uint64_t *began_ns, uint32_t spin_ns)
{
    if (spin_ns == 0)
        return false;
    pause_turn();
    if (++*turn % 32 != 0)
        return true;
    uint64_t now_ns = mr_clock_ns();
    if (*began_ns == 0)
        *began_ns = now_ns;
    return now_ns - *began_ns < spin_ns;
}

uint64_t mr_gate_wait(mr_gate *gate, uint64_t seen, uint32_t worker, uint32_t spin_ns)
{
    uint32_t class = class_of(worker), turn = 0;
    uint64_t began_ns = 0;
    do {
        uint64_t word = atomic_load_explicit(&gate->word, memory_order_acquire);
        if (word != seen && names(word, class))
            return word;
    } while (spins_on(&turn, &began_ns, spin_ns));
    return park(gate, seen, class);
}

void mr_signal_set(mr_signal *signal)
{
    if (atomic_exchange_explicit(&signal->state, 1, memory_order_release) == 2)
        futex_wake(&signal->state, UINT32_MAX);
}

void mr_signal_wait(mr_signal *signal, uint32_t spin_ns)
{
    uint32_t turn = 0;
    uint64_t began_ns = 0;
    do {
        if (atomic_load_explicit(&signal->state, memory_order_acquire) == 1)
            break;
    } while (spins_on(&turn, &began_ns, spin_ns));
    uint32_t state = 0;
    if (atomic_compare_exchange_strong_explicit(&signal->state, &state, 2, memory_order_acquire,
                                                memory_order_acquire)) {
        while (atomic_load_explicit(&signal->state, memory_order_acquire) != 1)
            futex_wait(&signal->state, 2, UINT32_MAX);
    }
    atomic_store_explicit(&signal->state, 0, memory_order_relaxed);
}
