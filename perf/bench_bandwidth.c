/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory traffic does this machine bear, from 1 to N threads? Bounds the speed-up of
 * whatever is slower in memory than in computing.
 *
 *   copy     GB/s read and written by memcpy between buffers beyond the caches
 *   random   millions of units of 256 bytes a second of which one word is changed, at random places
 *            in 256 MiB a thread: what messages to programs that are not in the caches do
 *
 * Sketch: a core of a server copies 10 GB/s and changes 15 to 30 M units a second, 10 misses being
 * under way at once; a socket bears 100 GB/s and more. One JSON line for each number of threads;
 * best of three.
 *
 * Usage: bench_bandwidth [THREADS [MIB]]; as many as cores, 256 MiB a thread */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { THREADS_MAX = 1024, UNIT_WORDS = 32, TURNS = 3, COPIES = 4 };

typedef struct task {
    pthread_barrier_t *barrier;
    size_t words; /* of the thread's memory; a power of two of units */
    uint64_t copy_ns[TURNS], random_ns[TURNS];
    uint64_t sum; /* so that nothing is left out */
} task;

static void copy(uint64_t *memory, size_t words)
{
    for (unsigned i = 0; i < COPIES; i++) {
        memcpy(memory, memory + words / 2, words / 2 * sizeof *memory);
        __asm__ volatile("" ::: "memory");
    }
}

static void change(uint64_t *memory, size_t units)
{
    uint64_t random = 88172645463325252u;
    for (size_t i = 0; i < units; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        memory[(random & (units - 1)) * UNIT_WORDS]++;
    }
}

static void *work(void *arg)
{
    task *job = arg;
    uint64_t *memory = malloc(job->words * sizeof *memory);
    if (memory == NULL)
        exit(1);
    memset(memory, 1, job->words * sizeof *memory);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        (void)pthread_barrier_wait(job->barrier);
        uint64_t begin_ns = mr_clock_ns();
        copy(memory, job->words);
        job->copy_ns[turn] = mr_clock_ns() - begin_ns;
        (void)pthread_barrier_wait(job->barrier);
        begin_ns = mr_clock_ns();
        change(memory, job->words / UNIT_WORDS);
        job->random_ns[turn] = mr_clock_ns() - begin_ns;
    }
    job->sum = memory[job->words / 3];
    free(memory);
    return NULL;
}

static void run(size_t threads, size_t words)
{
    static pthread_t thread[THREADS_MAX];
    static task jobs[THREADS_MAX];
    pthread_barrier_t barrier;
    if (pthread_barrier_init(&barrier, NULL, (unsigned)threads) != 0)
        exit(1);
    for (size_t i = 0; i < threads; i++) {
        jobs[i] = (task){.barrier = &barrier, .words = words};
        if (pthread_create(&thread[i], NULL, work, &jobs[i]) != 0)
            exit(1);
    }
    for (size_t i = 0; i < threads; i++)
        (void)pthread_join(thread[i], NULL);
    double copied = 0, changed = 0; /* of the best turn, by its slowest thread */
    for (unsigned turn = 0; turn < TURNS; turn++) {
        uint64_t copy_ns = 0, random_ns = 0;
        for (size_t i = 0; i < threads; i++) {
            copy_ns = jobs[i].copy_ns[turn] > copy_ns ? jobs[i].copy_ns[turn] : copy_ns;
            random_ns = jobs[i].random_ns[turn] > random_ns ? jobs[i].random_ns[turn] : random_ns;
        }
        /* Bytes a nanosecond are GB/s; half the memory is read and half written. */
        const double gb = (double)(threads * words * sizeof(uint64_t) * COPIES) / (double)copy_ns;
        const double units = (double)(threads * words / UNIT_WORDS) * 1000 / (double)random_ns;
        copied = gb > copied ? gb : copied;
        changed = units > changed ? units : changed;
    }
    (void)printf("{\"question\": \"bandwidth\", \"threads\": %zu, \"copy_gb_per_second\": %.2f, "
                 "\"random_units_m_per_second\": %.2f}\n",
                 threads, copied, changed);
    (void)pthread_barrier_destroy(&barrier);
}

int main(int argc, char **argv)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t most = argc > 1 ? strtoull(argv[1], NULL, 10) : cores > 0 ? (size_t)cores : 1;
    const size_t wanted = argc > 2 ? strtoull(argv[2], NULL, 10) : 256;
    if (most == 0 || most > THREADS_MAX || wanted == 0 || wanted > 1 << 20) {
        (void)fprintf(stderr, "usage: bench_bandwidth [THREADS [MIB]]\n");
        return 2;
    }
    size_t mib = 1;
    while (mib * 2 <= wanted)
        mib *= 2;
    for (size_t threads = 1; threads < most; threads *= 2)
        run(threads, mib << 17);
    run(most, mib << 17);
    return 0;
}
