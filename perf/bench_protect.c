/* SPDX-License-Identifier: Apache-2.0 */
/* What would a message cost if page faults told which memory it changed?
 *
 * The usual way to take a failed handler's changes back: memory is read-only; the first write to a
 * page traps (SIGSEGV), the handler of the signal keeps a copy and makes the page writable; at the
 * message's end the pages are protected again and, after a failure, copied back. Sketch: a fault
 * and the signal take 1.5 us, two calls of mprotect 1 us: 2 to 3 us a page; and threads of one
 * process wait for each other in the kernel. The engine's own answer is `millrace bench unit` and
 * `units4`: marks written by the code itself.
 *
 * Handlers are native and add 1 to a word in each of 1 or 4 pages of 64; each thread has its own
 * memory. One JSON line for each number of pages and threads; ns of one thread a message.
 *
 * Usage: bench_protect [MESSAGES [THREADS]]; 20000, as many as cores */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"

enum { PAGES = 64, PAGE_BYTES = 4096, DIRTY_MAX = 4, THREADS_MAX = 1024 };

typedef struct tracker {
    uint8_t *memory; /* PAGES, read-only between messages */
    size_t dirty[DIRTY_MAX];
    size_t dirty_count;
    uint8_t before[DIRTY_MAX][PAGE_BYTES];
} tracker;

typedef struct task {
    size_t messages, pages;
    bool fails;
    double ns; /* a message */
} task;

static _Thread_local tracker *current;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void protect(uint8_t *page, int rights)
{
    if (mprotect(page, PAGE_BYTES, rights) != 0)
        fail("mprotect");
}

/* A fault outside the memory is a defect of the bench, and ends it. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    tracker *t = current;
    const size_t at = (size_t)((uint8_t *)info->si_addr - t->memory) / PAGE_BYTES;
    if (at >= PAGES || t->dirty_count == DIRTY_MAX)
        abort();
    uint8_t *page = t->memory + at * PAGE_BYTES;
    memcpy(t->before[t->dirty_count], page, PAGE_BYTES);
    t->dirty[t->dirty_count++] = at;
    protect(page, PROT_READ | PROT_WRITE);
}

static void settle(tracker *t, bool failed)
{
    for (size_t i = 0; i < t->dirty_count; i++) {
        uint8_t *page = t->memory + t->dirty[i] * PAGE_BYTES;
        if (failed)
            memcpy(page, t->before[i], PAGE_BYTES);
        protect(page, PROT_READ);
    }
    t->dirty_count = 0;
}

static void handle(tracker *t, size_t message, size_t pages)
{
    for (size_t i = 0; i < pages; i++) {
        volatile uint64_t *word =
            (volatile uint64_t *)(void *)(t->memory + (message * 7 + i * 16) % PAGES * PAGE_BYTES);
        *word = *word + 1;
    }
}

static void *work(void *arg)
{
    task *job = arg;
    tracker *t = calloc(1, sizeof *t);
    if (t == NULL)
        fail("calloc");
    t->memory =
        mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (t->memory == MAP_FAILED)
        fail("mmap");
    memset(t->memory, 1, PAGES * PAGE_BYTES);
    if (mprotect(t->memory, PAGES * PAGE_BYTES, PROT_READ) != 0)
        fail("mprotect");
    current = t;
    const uint64_t begin_ns = mr_clock_ns();
    for (size_t i = 0; i < job->messages; i++) {
        handle(t, i, job->pages);
        settle(t, job->fails);
    }
    job->ns = (double)(mr_clock_ns() - begin_ns) / (double)job->messages;
    (void)munmap(t->memory, PAGES * PAGE_BYTES);
    free(t);
    return NULL;
}

static double run(size_t messages, size_t pages, bool fails, size_t threads)
{
    static pthread_t thread[THREADS_MAX];
    static task jobs[THREADS_MAX];
    double sum = 0;
    for (size_t i = 0; i < threads; i++) {
        jobs[i] = (task){.messages = messages, .pages = pages, .fails = fails};
        if (pthread_create(&thread[i], NULL, work, &jobs[i]) != 0)
            fail("pthread_create");
    }
    for (size_t i = 0; i < threads; i++) {
        (void)pthread_join(thread[i], NULL);
        sum += jobs[i].ns;
    }
    return sum / (double)threads;
}

int main(int argc, char **argv)
{
    const size_t messages = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t most = argc > 2 ? strtoull(argv[2], NULL, 10) : cores > 0 ? (size_t)cores : 1;
    if (messages == 0 || most == 0 || most > THREADS_MAX) {
        (void)fprintf(stderr, "usage: bench_protect [MESSAGES [THREADS]]\n");
        return 2;
    }
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (sigaction(SIGSEGV, &action, NULL) != 0)
        fail("sigaction");
    const size_t threads[] = {1, most};
    for (size_t t = 0; t < (most > 1 ? 2u : 1u); t++)
        for (size_t pages = 1; pages <= DIRTY_MAX; pages += DIRTY_MAX - 1)
            (void)printf("{\"question\": \"protect\", \"dirty_pages\": %zu, \"threads\": %zu, "
                         "\"commit_ns\": %.0f, \"rollback_ns\": %.0f}\n",
                         pages, threads[t], run(messages, pages, false, threads[t]),
                         run(messages, pages, true, threads[t]));
    return 0;
}
