/* SPDX-License-Identifier: Apache-2.0 */
/* pool: adding, replacing, removing, looking. Copies are made and hashed before the lock is taken,
 * and freed after it. */
#include <stdlib.h>

#include "base/assert.h"
#include "engine/engine_internal.h"
#include "engine/id.h"
#include "engine/pool_internal.h"
#include "engine/transaction.h"

enum {
    TRANSACTIONS_MAX = 100000,
    BYTES_MAX = 256 << 20,
    SENDER_MAX = 1000,
    TRIES_MAX = 3,
    BITS_MIN = 4,
};

static void fill_in(uint64_t *option, uint64_t usual)
{
    if (*option == 0)
        *option = usual;
}

static mr_status set_up(mr_pool *pool, const mr_pool_options *options)
{
    pool->schedule = options->schedule != NULL ? *options->schedule : mr_schedule_default();
    pool->options = *options;
    pool->options.schedule = NULL;
    fill_in(&pool->options.transactions_max, TRANSACTIONS_MAX);
    fill_in(&pool->options.bytes_max, BYTES_MAX);
    fill_in(&pool->options.sender_max, SENDER_MAX);
    fill_in(&pool->options.tries_max, TRIES_MAX);
    MR_TRY(mr_schedule_check(&pool->schedule, NULL));
    if (pool->options.transactions_max > MR_POOL_TRANSACTIONS_MAX)
        return MR_INVALID;
    pool->bits = BITS_MIN;
    while (pool->options.transactions_max > (uint64_t)1 << pool->bits)
        pool->bits++;
    const size_t buckets = (size_t)1 << pool->bits;
    pool->senders = calloc(buckets, sizeof *pool->senders);
    pool->tickets = calloc(buckets, sizeof *pool->tickets);
    pool->contents = calloc(buckets, sizeof *pool->contents);
    if (pool->senders == NULL || pool->tickets == NULL || pool->contents == NULL)
        return MR_NO_MEMORY;
    mr_ranking_init(&pool->ranking, mr_id_salt[0]);
    return MR_OK;
}

mr_status mr_pool_new(const mr_pool_options *options, mr_pool **out)
{
    mr_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return MR_NO_MEMORY;
    if (pthread_mutex_init(&pool->lock, NULL) != 0) {
        free(pool);
        return MR_NO_MEMORY;
    }
    const mr_status status = set_up(pool, options);
    if (status != MR_OK) {
        mr_pool_free(pool);
        return status;
    }
    *out = pool;
    return MR_OK;
}

void mr_pool_free(mr_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; pool->senders != NULL && i < (size_t)1 << pool->bits; i++) {
        mr_pool_sender *next;
        for (mr_pool_sender *sender = pool->senders[i]; sender != NULL; sender = next) {
            next = sender->next;
            mr_pooled *after;
            for (mr_pooled *at = sender->first; at != NULL; at = after) {
                after = at->next;
                free(at);
            }
            free(sender);
        }
    }
    free(pool->senders);
    free(pool->tickets);
    free(pool->contents);
    free(pool->batch);
    free(pool->batch_transactions);
    free(pool->batch_tickets);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void mr_pool_lock(mr_pool *pool)
{
    const int failed = pthread_mutex_lock(&pool->lock);
    MR_ASSERT(failed == 0);
}

void mr_pool_unlock(mr_pool *pool)
{
    const int failed = pthread_mutex_unlock(&pool->lock);
    MR_ASSERT(failed == 0);
}

void mr_pooled_list_add(mr_pooled_list *list, mr_pooled *pooled)
{
    pooled->link = NULL;
    if (list->first == NULL)
        list->first = pooled;
    else
        list->last->link = pooled;
    list->last = pooled;
}

void mr_pooled_list_free(const mr_pooled_list *list)
{
    mr_pooled *next;
    for (mr_pooled *at = list->first; at != NULL; at = next) {
        next = at->link;
        free(at);
    }
}

/* ---- Adding ---- */

/* Makes the copy of a transaction that could be in the pool; without the lock. */
static mr_status make(const mr_pool *pool, const mr_transaction *transaction, mr_pooled **out,
                      mr_error *error)
{
    const char *why;
    const mr_admission flaw =
        mr_transaction_check(&pool->schedule, pool->options.gas_limit, transaction, &why);
    if (flaw == MR_ADMISSION_MALFORMED)
        return MR_FAIL(error, MR_INVALID, "%s", why);
    if (flaw != MR_ADMISSION_ACCEPTED)
        return MR_FAIL(error, MR_LIMIT, "%s%s%s", mr_admission_text(flaw),
                       why[0] != '\0' ? ": " : "", why);
    mr_value cost = 0;
    if (pool->options.accounts && !mr_transaction_cost(&pool->schedule, transaction, &cost))
        return MR_FAIL(error, MR_INVALID, "nobody can pay value, tip, gas limit and fee together");
    const size_t payload_bytes = transaction->payload.size, salt_bytes = transaction->salt.size;
    const uint64_t bytes = MR_POOL_TRANSACTION_BYTES + payload_bytes + salt_bytes;
    if (bytes > pool->options.bytes_max)
        return MR_FAIL(error, MR_LIMIT, "the transaction is larger than the pool");
    mr_pooled *pooled = malloc(sizeof *pooled + payload_bytes + salt_bytes);
    if (pooled == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "no memory for a transaction");
    uint8_t *copy = (uint8_t *)(pooled + 1);
    if (payload_bytes > 0)
        memcpy(copy, transaction->payload.data, payload_bytes);
    if (salt_bytes > 0)
        memcpy(copy + payload_bytes, transaction->salt.data, salt_bytes);
    /* A salt is not charged for, but takes room as a payload does. */
    const mr_value weight = mr_transaction_gas(&pool->schedule, transaction) +
                            (mr_value)pool->schedule.post_byte * salt_bytes;
    *pooled = (mr_pooled){
        .rank =
            {
                .tip = pool->options.accounts ? transaction->tip : 0,
                .weight = weight > UINT64_MAX ? UINT64_MAX
                          : weight > 0        ? (uint64_t)weight
                                              : 1,
                .gas = transaction->gas_limit,
                .bytes = bytes,
            },
        .transaction = *transaction,
        .cost = cost,
        .content = mr_pool_hash_content(transaction),
    };
    pooled->transaction.payload = mr_span_of(copy, payload_bytes);
    pooled->transaction.salt = mr_span_of(copy + payload_bytes, salt_bytes);
    *out = pooled;
    return MR_OK;
}

static bool is_too_dear(const mr_pool_sender *sender, mr_value without, const mr_pooled *pooled)
{
    mr_value sum;
    return sender != NULL && __builtin_add_overflow(sender->cost - without, pooled->cost, &sum);
}

static mr_status refuse_dear(mr_error *error)
{
    return MR_FAIL(error, MR_INVALID, "the sender's transactions cost more than there can be");
}

static mr_status refuse_twin(mr_error *error)
{
    return MR_FAIL(error, MR_EXISTS, "the sender has this transaction in the pool already");
}

static mr_status add(mr_pool *pool, mr_pooled *pooled, mr_pooled_list *gone, mr_error *error)
{
    const mr_id *from = &pooled->transaction.from;
    mr_pool_sender *sender = mr_pool_find_sender(pool, from);
    if (!pool->options.duplicates && sender != NULL &&
        mr_pool_find_twin(pool, pooled->content, &pooled->transaction) != NULL)
        return refuse_twin(error);
    if (sender != NULL && sender->count >= pool->options.sender_max)
        return MR_FAIL(error, MR_FULL,
                       "the sender has as many transactions in the pool as one may");
    if (is_too_dear(sender, 0, pooled))
        return refuse_dear(error);
    mr_pool_sender *fresh = NULL;
    if (sender == NULL) {
        fresh = calloc(1, sizeof *fresh);
        if (fresh == NULL)
            return MR_FAIL(error, MR_NO_MEMORY, "no memory for a sender");
    }
    if (!mr_pool_make_room(pool, pooled, sender, gone)) {
        free(fresh);
        return MR_FAIL(error, MR_FULL, "the pool is full, and the tip is too low for others to go");
    }
    if (fresh != NULL) {
        sender = fresh;
        sender->id = *from;
        mr_pool_enter_sender(pool, sender);
    }
    mr_pool_enter(pool, sender, pooled);
    return MR_OK;
}

mr_status mr_pool_add(mr_pool *pool, const mr_transaction *transaction, uint64_t *ticket,
                      mr_error *error)
{
    mr_pooled *pooled;
    MR_TRY(make(pool, transaction, &pooled, error));
    mr_pooled_list gone = {0};
    mr_pool_lock(pool);
    const mr_status status = add(pool, pooled, &gone, error);
    if (status == MR_OK)
        *ticket = pooled->rank.ticket;
    mr_pool_unlock(pool);
    if (status != MR_OK)
        free(pooled);
    mr_pooled_list_free(&gone);
    return status;
}

/* ---- Replacing and removing ---- */

/* Finds a pending transaction. */
static mr_status find_pending(const mr_pool *pool, uint64_t ticket, mr_pooled **out)
{
    mr_pooled *pooled = mr_pool_find_ticket(pool, ticket);
    if (pooled == NULL)
        return MR_NOT_FOUND;
    if (pooled->taken)
        return MR_STATE;
    *out = pooled;
    return MR_OK;
}

static mr_status replace(mr_pool *pool, uint64_t ticket, mr_pooled *pooled, mr_pooled **out,
                         mr_error *error)
{
    mr_pooled *old;
    const mr_status status = find_pending(pool, ticket, &old);
    if (status != MR_OK)
        return MR_FAIL(error, status,
                       status == MR_STATE ? "the transaction is being put into a block"
                                          : "there is no such ticket");
    if (!mr_id_equal(&old->transaction.from, &pooled->transaction.from))
        return MR_FAIL(error, MR_INVALID, "the transaction is of another sender");
    if (pooled->transaction.tip <= old->transaction.tip)
        return MR_FAIL(error, MR_INVALID, "the tip is no higher than before");
    if (is_too_dear(old->sender, old->cost, pooled))
        return refuse_dear(error);
    if (!pool->options.duplicates && !mr_pool_is_same(&old->transaction, &pooled->transaction) &&
        mr_pool_find_twin(pool, pooled->content, &pooled->transaction) != NULL)
        return refuse_twin(error);
    const uint64_t others = pool->info.bytes - old->rank.bytes;
    if (pooled->rank.bytes > pool->options.bytes_max - others)
        return MR_FAIL(error, MR_FULL, "the pool has no room for a larger transaction");
    mr_pool_exchange(pool, old, pooled);
    *out = old;
    return MR_OK;
}

mr_status mr_pool_replace(mr_pool *pool, uint64_t ticket, const mr_transaction *transaction,
                          mr_error *error)
{
    mr_pooled *pooled, *old = NULL;
    MR_TRY(make(pool, transaction, &pooled, error));
    mr_pool_lock(pool);
    const mr_status status = replace(pool, ticket, pooled, &old, error);
    mr_pool_unlock(pool);
    free(status == MR_OK ? old : pooled);
    return status;
}

mr_status mr_pool_remove(mr_pool *pool, uint64_t ticket)
{
    mr_pooled *pooled = NULL;
    mr_pool_lock(pool);
    const mr_status status = find_pending(pool, ticket, &pooled);
    if (status == MR_OK) {
        mr_pool_leave(pool, pooled);
        mr_pool_drop(pool, pooled);
    }
    mr_pool_unlock(pool);
    free(pooled);
    return status;
}

/* ---- Looking ---- */

mr_status mr_pool_find(mr_pool *pool, const mr_transaction *transaction, uint64_t *ticket)
{
    const uint64_t content = mr_pool_hash_content(transaction);
    mr_pool_lock(pool);
    const mr_pooled *found = mr_pool_find_twin(pool, content, transaction);
    if (found != NULL)
        *ticket = found->rank.ticket;
    mr_pool_unlock(pool);
    return found != NULL ? MR_OK : MR_NOT_FOUND;
}

mr_status mr_pool_get(mr_pool *pool, uint64_t ticket, bool *taken)
{
    mr_pool_lock(pool);
    const mr_pooled *found = mr_pool_find_ticket(pool, ticket);
    if (found != NULL)
        *taken = found->taken;
    mr_pool_unlock(pool);
    return found != NULL ? MR_OK : MR_NOT_FOUND;
}

void mr_pool_info_get(mr_pool *pool, mr_pool_info *out)
{
    mr_pool_lock(pool);
    *out = pool->info;
    mr_pool_unlock(pool);
}

void mr_pool_sender_get(mr_pool *pool, const mr_id *id, mr_pool_sender_info *out)
{
    mr_pool_lock(pool);
    const mr_pool_sender *sender = mr_pool_find_sender(pool, id);
    *out = sender == NULL
               ? (mr_pool_sender_info){0}
               : (mr_pool_sender_info){.transactions_count = sender->count, .cost = sender->cost};
    mr_pool_unlock(pool);
}
