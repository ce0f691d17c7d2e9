/* SPDX-License-Identifier: Apache-2.0 */
/* gate: where workers wait for the next phase, and how a phase ends.
 *
 * Whoever ended a phase opens the next with a new word. The workers it names enter if they come
 * while somebody is inside, do what is left to do, and leave; whoever leaves last has ended the
 * phase and opens the next. So a phase never waits for a worker that has not come: one that is
 * parked, or kept off its core by something else, costs its help and no more.
 *
 *      open(w1)  enter(w1)   leave       leave: last      open(w2)
 *   A  ---+----------work------+----.
 *   B  --------+-----work------------------+------serial-----+-----
 *   C                                          enter(w1): refused, waits on
 *
 * The word holds everything a waiting worker may read, so nobody outside reads plain data that a
 * later phase could be writing:
 *      bits 0-3   phase      what to do
 *      bits 4-7   class      workers with index < 2^class take part
 *      bits 8-63  sequence   differs from word to word
 *
 *              open  wait  enter leave
 *       open    X     -      -     X      (X : ordered by the caller: the opener is inside alone,
 * or wait    -     -      -     -       the scheduler is idle) enter   -     -      -     - leave
 * X     -      -     -
 *
 * Progress: open is wait-free but for a system call when somebody is parked. enter is lock-free,
 * leave wait-free. wait spins for a bounded time and then sleeps in the kernel. */
#ifndef MR_SCHEDULER_GATE_H
#define MR_SCHEDULER_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    MR_GATE_CLASSES = 11, /* up to 1024 workers */
    MR_LINE_BYTES = 128,  /* two lines of 64, since hardware fetches them in pairs */
};

typedef struct mr_gate {
    /* Written by the opener, read by every waiting worker. */
    _Alignas(MR_LINE_BYTES) _Atomic uint64_t word;
    /* Workers inside in bits 0-15, the sequence of the word in the others. Written by workers
     * entering and leaving, and by the opener. */
    _Alignas(MR_LINE_BYTES) _Atomic uint64_t crew;
    /* Workers asleep or about to be, by the smallest class that holds them. Written by them, read
     * by the opener. */
    _Alignas(MR_LINE_BYTES) _Atomic uint32_t parked[MR_GATE_CLASSES];
} mr_gate;

static inline uint32_t mr_gate_phase(uint64_t word)
{
    return (uint32_t)(word & 15);
}

/* mr_gate_workers returns how many of `workers_count` workers `class` holds. */
static inline uint32_t mr_gate_workers(uint32_t class, uint32_t workers_count)
{
    uint32_t named = UINT32_C(1) << class;
    return named < workers_count ? named : workers_count;
}

/* mr_gate_class returns the smallest class that holds `workers` workers, 1 or more. */
static inline uint32_t mr_gate_class(uint32_t workers)
{
    return workers <= 1 ? 0 : 32 - (uint32_t)__builtin_clz(workers - 1);
}

/* mr_gate_parked returns how many workers of `class` are parked. */
static inline uint32_t mr_gate_parked(const mr_gate *gate, uint32_t class)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i <= class; i++)
        count += atomic_load(&gate->parked[i]);
    return count;
}

/* mr_gate_next returns the word that follows `word` for `phase` and `class`. */
static inline uint64_t mr_gate_next(uint64_t word, uint32_t phase, uint32_t class)
{
    return (word & ~UINT64_C(255)) + 256 + (class << 4) + phase;
}

/* mr_gate_open publishes `word`, with the calling thread inside, and wakes the parked workers it
 * names. Nobody is inside before.
 * Order: release; pairs with mr_gate_wait. */
void mr_gate_open(mr_gate *gate, uint64_t word);

/* mr_gate_call publishes `word` without a phase that could be entered.
 * Order: release; pairs with mr_gate_wait. */
void mr_gate_call(mr_gate *gate, uint64_t word);

/* mr_gate_wait returns the first word other than `seen` that names `worker`; it spins for
 * `spin_ns` and then parks. While parked the thread is offline to RCU.
 * Order: acquire; pairs with mr_gate_open and mr_gate_call. */
uint64_t mr_gate_wait(mr_gate *gate, uint64_t seen, uint32_t worker, uint32_t spin_ns);

/* mr_gate_enter returns false when the phase of `word` has ended. */
static inline bool mr_gate_enter(mr_gate *gate, uint64_t word)
{
    /* Relaxed: what there is to see inside was published with the word. The swap compares the
     * sequence, too, so it fails when the phase ends meanwhile. */
    uint64_t crew = atomic_load_explicit(&gate->crew, memory_order_relaxed);
    do {
        if (crew >> 16 != (word << 8) >> 16 || (crew & UINT16_MAX) == 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&gate->crew, &crew, crew + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* mr_gate_leave returns true for the last one, who has ended the phase.
 * Order: release, and for the last one acquire: it sees what all others did inside. */
static inline bool mr_gate_leave(mr_gate *gate)
{
    return (atomic_fetch_sub_explicit(&gate->crew, 1, memory_order_acq_rel) & UINT16_MAX) == 1;
}

/* A flag one thread waits for and another sets, once per use; the waiter clears it. */
typedef struct mr_signal {
    /* 0 not set, 1 set, 2 somebody sleeps. Written by both. */
    _Alignas(MR_LINE_BYTES) _Atomic uint32_t state;
} mr_signal;

/* mr_signal_set: release; pairs with mr_signal_wait. */
void mr_signal_set(mr_signal *signal);

/* mr_signal_wait returns after mr_signal_set, leaving the flag clear: acquire. */
void mr_signal_wait(mr_signal *signal, uint32_t spin_ns);

#endif
