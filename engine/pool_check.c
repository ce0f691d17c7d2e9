/* SPDX-License-Identifier: Apache-2.0 */
/* pool_check: the pool walked from end to end. */
#include "base/assert.h"
#include "engine/id.h"
#include "engine/pool_internal.h"

/* Asserts what holds of one sender, and adds what it has. */
static void check_sender(const mr_pool *pool, const mr_pool_sender *sender, mr_pool_info *sum)
{
    mr_value cost = 0;
    uint64_t count = 0;
    const mr_pooled *previous = NULL, *head = NULL;
    for (const mr_pooled *at = sender->first; at != NULL; at = at->next) {
        MR_ASSERT(at->sender == sender && at->previous == previous && !at->doomed);
        MR_ASSERT(mr_id_equal(&at->transaction.from, &sender->id));
        MR_ASSERT(previous == NULL || previous->rank.ticket < at->rank.ticket);
        MR_ASSERT(!at->taken || head == NULL);
        if (!at->taken && head == NULL)
            head = at;
        MR_ASSERT(at->taken || at->rank.open == (at == head));
        MR_ASSERT(at->rank.ticket <= pool->tickets_last);
        cost += at->cost;
        count++;
        sum->taken_count += at->taken;
        sum->bytes += at->rank.bytes;
        previous = at;
    }
    MR_ASSERT(sender->last == previous && sender->head == head && sender->doomed == NULL);
    MR_ASSERT(count > 0 && sender->count == count && sender->cost == cost);
    MR_ASSERT(count <= pool->options.sender_max);
    sum->transactions_count += count;
    sum->senders_count++;
}

/* Asserts that a table has each transaction once. */
static void check_tables(const mr_pool *pool)
{
    uint64_t tickets = 0, contents = 0;
    for (size_t i = 0; i < (size_t)1 << pool->bits; i++) {
        for (const mr_pooled *at = pool->tickets[i]; at != NULL; at = at->ticket_next)
            tickets++;
        const mr_pooled *previous = NULL;
        for (const mr_pooled *at = pool->contents[i].first; at != NULL; at = at->twin_next) {
            MR_ASSERT(at->twin_previous == previous);
            MR_ASSERT(previous == NULL || previous->rank.ticket < at->rank.ticket);
            previous = at;
            contents++;
        }
        MR_ASSERT(pool->contents[i].last == previous);
    }
    MR_ASSERT(tickets == pool->info.transactions_count);
    MR_ASSERT(contents == pool->info.transactions_count);
}

void mr_pool_check(mr_pool *pool)
{
    mr_pool_lock(pool);
    mr_pool_info sum = {.evicted_count = pool->info.evicted_count};
    for (size_t i = 0; i < (size_t)1 << pool->bits; i++)
        for (const mr_pool_sender *at = pool->senders[i]; at != NULL; at = at->next)
            check_sender(pool, at, &sum);
    MR_ASSERT(memcmp(&sum, &pool->info, sizeof sum) == 0);
    MR_ASSERT(sum.bytes <= pool->options.bytes_max);
    MR_ASSERT(sum.transactions_count <= pool->options.transactions_max);
    MR_ASSERT(sum.taken_count == pool->batch_count && (pool->has_batch || pool->batch_count == 0));
    MR_ASSERT(mr_ranking_check(&pool->ranking) == sum.transactions_count - sum.taken_count);
    check_tables(pool);
    mr_pool_unlock(pool);
}
