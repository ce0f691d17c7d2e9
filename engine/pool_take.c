/* SPDX-License-Identifier: Apache-2.0 */
/* pool_take: a block's transactions, head by head, and what becomes of them. */
#include "engine/engine_internal.h"
#include "engine/pool_internal.h"

/* What of the wish is left. */
typedef struct rest {
    uint64_t count, bytes, gas;
    bool gas_bound, bytes_bound;
} rest;

/* No transaction takes so much of anything. */
static const uint64_t plenty = UINT64_MAX - 1;

static rest rest_of(const mr_pool_wish *wish)
{
    return (rest){
        .count = wish->transactions_max != 0 ? wish->transactions_max : UINT64_MAX,
        .bytes = wish->bytes_max != 0 ? wish->bytes_max : plenty,
        .gas = wish->gas_limit != 0 ? wish->gas_limit : plenty,
        .gas_bound = wish->gas_limit != 0,
        .bytes_bound = wish->bytes_max != 0,
    };
}

static mr_status note(mr_pool *pool, mr_pooled *pooled)
{
    const size_t count = pool->batch_count;
    MR_TRY(MR_GROW(pool->batch, pool->batch_capacity, count));
    MR_TRY(MR_GROW(pool->batch_transactions, pool->batch_transactions_capacity, count));
    MR_TRY(MR_GROW(pool->batch_tickets, pool->batch_tickets_capacity, count));
    pool->batch[count] = pooled;
    pool->batch_transactions[count] = pooled->transaction;
    pool->batch_tickets[count] = pooled->rank.ticket;
    pool->batch_count++;
    return MR_OK;
}

static void take_one(mr_pool *pool, mr_pooled *pooled, rest *left, mr_pool_batch *batch)
{
    mr_pool_leave(pool, pooled);
    pooled->taken = true;
    pool->info.taken_count++;
    left->count--;
    if (left->gas_bound)
        left->gas -= pooled->rank.gas;
    if (left->bytes_bound)
        left->bytes -= pooled->rank.bytes;
    batch->gas += pooled->rank.gas;
    batch->bytes += pooled->rank.bytes;
}

/* Takes while something fits. Heads that do not fit are closed meanwhile: what is left only gets
 * less, so no head is looked at twice. */
static mr_status take_all(mr_pool *pool, rest left, mr_pool_batch *batch)
{
    mr_status status = MR_OK;
    mr_pooled_list aside = {0};
    while (left.count > 0 && status == MR_OK) {
        bool fits;
        mr_ranked *best = mr_ranking_first(&pool->ranking, left.gas, left.bytes, &fits);
        if (best == NULL)
            break;
        if (!fits) {
            mr_ranking_open(best, false);
            mr_pooled_list_add(&aside, mr_pooled_of(best));
            continue;
        }
        status = note(pool, mr_pooled_of(best));
        if (status == MR_OK)
            take_one(pool, mr_pooled_of(best), &left, batch);
    }
    for (mr_pooled *at = aside.first; at != NULL; at = at->link)
        mr_ranking_open(&at->rank, true);
    return status;
}

static void put_back(mr_pool *pool, mr_pooled *pooled)
{
    pooled->taken = false;
    mr_ranking_insert(&pool->ranking, &pooled->rank);
}

/* The first of a sender is its head again, nothing of it being taken any more. */
static void restore_head(mr_pool_sender *sender)
{
    if (sender->head == sender->first)
        return;
    if (sender->head != NULL)
        mr_ranking_open(&sender->head->rank, false);
    sender->head = sender->first;
    mr_ranking_open(&sender->head->rank, true);
}

/* Ends the batch, of which the first `kept` are pending again. */
static void end_batch(mr_pool *pool, size_t kept)
{
    for (size_t i = 0; i < kept; i++)
        restore_head(pool->batch[i]->sender);
    pool->batch_count = 0;
    pool->has_batch = false;
    pool->info.taken_count = 0;
}

static void undo(mr_pool *pool)
{
    for (size_t i = 0; i < pool->batch_count; i++)
        put_back(pool, pool->batch[i]);
    end_batch(pool, pool->batch_count);
}

static mr_status take(mr_pool *pool, const mr_pool_wish *wish, mr_pool_batch *out)
{
    if (pool->has_batch)
        return MR_STATE;
    pool->has_batch = true;
    mr_pool_batch batch = {0};
    const mr_status status = take_all(pool, rest_of(wish), &batch);
    if (status != MR_OK) {
        undo(pool);
        return status;
    }
    batch.transactions = pool->batch_transactions;
    batch.tickets = pool->batch_tickets;
    batch.count = pool->batch_count;
    *out = batch;
    return MR_OK;
}

mr_status mr_pool_take(mr_pool *pool, const mr_pool_wish *wish, mr_pool_batch *out)
{
    mr_pool_lock(pool);
    const mr_status status = take(pool, wish, out);
    mr_pool_unlock(pool);
    return status;
}

/* Whether the block refused a transaction that is to be tried again. */
static bool is_kept(const mr_pool *pool, mr_pooled *pooled, const mr_block *block, uint64_t i,
                    uint32_t keep)
{
    mr_transaction_result result;
    if (!mr_block_transaction(block, i, &result) || result.admission == MR_ADMISSION_ACCEPTED)
        return false;
    return (keep >> result.admission & 1) != 0 && ++pooled->tries < pool->options.tries_max;
}

static mr_status finish(mr_pool *pool, const mr_block *block, uint64_t first, uint32_t keep,
                        mr_pooled_list *gone)
{
    if (!pool->has_batch)
        return MR_STATE;
    const size_t count = pool->batch_count;
    if (block != NULL && count > 0) {
        uint64_t last;
        mr_transaction_result result;
        if (__builtin_add_overflow(first, count - 1, &last) ||
            !mr_block_transaction(block, last, &result))
            return MR_INVALID;
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        mr_pooled *pooled = pool->batch[i];
        if (block != NULL && is_kept(pool, pooled, block, first + i, keep)) {
            put_back(pool, pooled);
            pool->batch[kept++] = pooled;
        } else {
            mr_pool_drop(pool, pooled);
            mr_pooled_list_add(gone, pooled);
        }
    }
    end_batch(pool, kept);
    return MR_OK;
}

mr_status mr_pool_done(mr_pool *pool, const mr_block *block, uint64_t first, uint32_t keep)
{
    mr_pooled_list gone = {0};
    mr_pool_lock(pool);
    const mr_status status = finish(pool, block, first, keep, &gone);
    mr_pool_unlock(pool);
    mr_pooled_list_free(&gone);
    return status;
}

void mr_pool_undo(mr_pool *pool)
{
    mr_pool_lock(pool);
    if (pool->has_batch)
        undo(pool);
    mr_pool_unlock(pool);
}
