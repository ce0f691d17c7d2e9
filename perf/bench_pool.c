/* SPDX-License-Identifier: Apache-2.0 */
/* bench_pool: how many transactions a second does the pool take in and give out, when it holds a
 * million of a hundred thousand senders; and for how long does a block being taken keep others out?
 *
 * Sketch: adding is a copy, two short hashes (150 ns), three look-ups in tables beyond the caches
 * (100 ns each) and the way down a tree of a million, 28 steps, of which the last ten miss (100 ns
 * each): 1.5 us. Taking goes down, takes out, and goes up from the next head: twice that. Expected:
 * 600,000 added and 300,000 taken a second; a block of 10,000 keeps the lock for 30 ms.
 *
 * Times are those of one thread over a whole phase; five pools, one after the other, median. Tips
 * are random, payloads 64 bytes. Usage: bench_pool [TRANSACTIONS [SENDERS [BLOCK]]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/millrace.h"

enum { PAYLOAD_BYTES = 64, ROUNDS = 5 };

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void need(mr_status status)
{
    if (status == MR_OK)
        return;
    fprintf(stderr, "bench_pool: %s\n", mr_status_text(status));
    exit(1);
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0)
        need(MR_UNSUPPORTED);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

typedef struct times {
    double add, full, take, block, done; /* ns a transaction; block: of the longest, in all */
} times;

/* Transactions of random senders, for twice what the pool holds. */
static mr_transaction *make(size_t count, uint64_t senders)
{
    static uint8_t payload[PAYLOAD_BYTES];
    mr_transaction *transactions = calloc(count, sizeof *transactions);
    if (transactions == NULL)
        need(MR_NO_MEMORY);
    for (size_t i = 0; i < count; i++) {
        mr_transaction *at = &transactions[i];
        at->kind = MR_TRANSACTION_SEND;
        mr_store_le64(at->from.bytes, next_random() % senders * 0x9e3779b97f4a7c15u);
        mr_store_le64(at->to.bytes, i);
        at->gas_limit = 100000 + next_random() % 1000000;
        at->tip = next_random() % 1000000000;
        at->payload = mr_span_of(payload, sizeof payload);
    }
    return transactions;
}

static double ns_each(uint64_t since, size_t count)
{
    return (double)(cpu_ns() - since) / (double)count;
}

static times run(const mr_transaction *transactions, size_t count, uint64_t block)
{
    mr_pool *pool;
    need(mr_pool_new(&(mr_pool_options){.accounts = true,
                                        .transactions_max = count,
                                        .bytes_max = (uint64_t)1 << 40,
                                        .sender_max = count},
                     &pool));
    times result = {0};
    uint64_t ticket, since = cpu_ns();
    for (size_t i = 0; i < count; i++)
        need(mr_pool_add(pool, &transactions[i], &ticket, NULL));
    result.add = ns_each(since, count);
    since = cpu_ns();
    for (size_t i = count; i < 2 * count; i++) {
        const mr_status status = mr_pool_add(pool, &transactions[i], &ticket, NULL);
        if (status != MR_FULL)
            need(status);
    }
    result.full = ns_each(since, count);
    size_t taken = 0;
    while (taken < count) {
        mr_pool_batch batch;
        since = cpu_ns();
        need(mr_pool_take(pool, &(mr_pool_wish){.transactions_max = block}, &batch));
        const double spent = (double)(cpu_ns() - since);
        result.take += spent / (double)count;
        result.block = spent > result.block ? spent : result.block;
        since = cpu_ns();
        need(mr_pool_done(pool, NULL, 0, 0));
        result.done += (double)(cpu_ns() - since) / (double)count;
        taken += batch.count;
    }
    mr_pool_free(pool);
    return result;
}

static int by_number(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(const times *all, size_t offset)
{
    double values[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++)
        memcpy(&values[i], (const char *)&all[i] + offset, sizeof values[i]);
    qsort(values, ROUNDS, sizeof values[0], by_number);
    return values[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    const size_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    const uint64_t senders = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
    const uint64_t block = argc > 3 ? strtoull(argv[3], NULL, 10) : 10000;
    if (count == 0 || senders == 0 || block == 0) {
        fprintf(stderr, "usage: bench_pool [TRANSACTIONS [SENDERS [BLOCK]]]\n");
        return 2;
    }
    mr_transaction *transactions = make(2 * count, senders);
    times all[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++)
        all[i] = run(transactions, count, block);
    free(transactions);
    const double add = median(all, offsetof(times, add)), take = median(all, offsetof(times, take));
    printf("{\"question\": \"pool\", \"transactions\": %zu, \"senders\": %llu, \"block\": %llu, "
           "\"add_ns\": %.0f, \"add_full_ns\": %.0f, \"take_ns\": %.0f, \"done_ns\": %.0f, "
           "\"adds_per_second\": %.0f, \"takes_per_second\": %.0f, \"longest_take_ms\": %.1f}\n",
           count, (unsigned long long)senders, (unsigned long long)block, add,
           median(all, offsetof(times, full)), take, median(all, offsetof(times, done)), 1e9 / add,
           1e9 / take, median(all, offsetof(times, block)) / 1e6);
    return 0;
}
