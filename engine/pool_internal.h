/* SPDX-License-Identifier: Apache-2.0 */
/* pool_internal: what the files of the pool share. Everything here is called with the lock held,
 * unless it says otherwise.
 *
 *   pool.c         adding, replacing, removing, looking
 *   pool_tables.c  what is in the pool, by ticket, by content, by sender
 *   pool_room.c    who gives way
 *   pool_take.c    taking a block's transactions, and what becomes of them
 *
 * A sender's transactions stand in one list by age: taken ones, then pending ones. Pending ones are
 * ranked, the first of each sender open. */
#ifndef MR_ENGINE_POOL_INTERNAL_H
#define MR_ENGINE_POOL_INTERNAL_H

#include <pthread.h>

#include "engine/millrace.h"
#include "engine/ranking.h"

/* A transaction in the pool. Payload and salt stand behind it. */
typedef struct mr_pooled {
    mr_ranked rank; /* its ticket, gas and bytes, too. First: see mr_pooled_of */
    mr_transaction transaction;
    struct mr_pool_sender *sender;
    struct mr_pooled *next, *previous;           /* of the sender, by age */
    struct mr_pooled *twin_next, *twin_previous; /* of the bucket of contents, by age */
    struct mr_pooled *ticket_next;               /* of the bucket of tickets */
    struct mr_pooled *link;                      /* of a list of whoever has it in hand */
    mr_value cost;                               /* accounts off: 0 */
    uint64_t content;                            /* keyed hash of all but the tip */
    uint64_t tries;                              /* blocks that refused it */
    bool taken;
    bool doomed; /* only while somebody looks for room */
} mr_pooled;

static inline mr_pooled *mr_pooled_of(mr_ranked *rank)
{
    return (mr_pooled *)rank;
}

typedef struct mr_pool_sender {
    mr_id id;
    mr_value cost; /* of all together */
    uint64_t count;
    mr_pooled *first, *last;     /* by age */
    mr_pooled *head;             /* the first that is not taken, open in the ranking; or NULL */
    mr_pooled *doomed;           /* the first that is doomed: all after it are, too; or NULL */
    struct mr_pool_sender *next; /* of the bucket */
} mr_pool_sender;

typedef struct mr_twins {
    mr_pooled *first, *last;
} mr_twins;

struct mr_pool {
    pthread_mutex_t lock; /* guards everything below `schedule` that is not set once and for all */
    mr_pool_options options; /* without zeros that stand for something */
    mr_schedule schedule;
    mr_ranking ranking;
    mr_pool_info info;
    uint64_t tickets_last;
    /* Tables of 1 << bits buckets, as many as transactions there may be: nothing ever grows. */
    unsigned bits;
    mr_pool_sender **senders;
    mr_pooled **tickets;
    mr_twins *contents;
    /* What is taken. */
    bool has_batch;
    mr_pooled **batch;
    mr_transaction *batch_transactions;
    uint64_t *batch_tickets;
    size_t batch_count, batch_capacity, batch_transactions_capacity, batch_tickets_capacity;
};

/* A list of transactions to be freed, by `link`, in the order in which they came. */
typedef struct mr_pooled_list {
    mr_pooled *first, *last;
} mr_pooled_list;
void mr_pooled_list_add(mr_pooled_list *list, mr_pooled *pooled);
/* mr_pooled_list_free frees them; without the lock. */
void mr_pooled_list_free(const mr_pooled_list *list);

void mr_pool_lock(mr_pool *pool);
void mr_pool_unlock(mr_pool *pool);

/* mr_pool_hash_content returns a hash of all but the tip, under the process's secret, so that
 * nobody can choose contents that meet; mr_pool_is_same compares. Both without the lock, too. */
uint64_t mr_pool_hash_content(const mr_transaction *transaction);
bool mr_pool_is_same(const mr_transaction *a, const mr_transaction *b);

/* mr_pool_find_* return NULL when there is none; of several of one content the oldest. */
mr_pooled *mr_pool_find_twin(const mr_pool *pool, uint64_t content,
                             const mr_transaction *transaction);
mr_pooled *mr_pool_find_ticket(const mr_pool *pool, uint64_t ticket);
mr_pool_sender *mr_pool_find_sender(const mr_pool *pool, const mr_id *id);

/* mr_pool_enter_sender adds a sender that has nothing yet, but will. */
void mr_pool_enter_sender(mr_pool *pool, mr_pool_sender *sender);

/* mr_pool_enter appends to the sender's, which has room, in a pool that has. */
void mr_pool_enter(mr_pool *pool, mr_pool_sender *sender, mr_pooled *pooled);

/* mr_pool_exchange puts a transaction in the place of a pending one, which is then the caller's. */
void mr_pool_exchange(mr_pool *pool, mr_pooled *old, mr_pooled *pooled);

/* mr_pool_leave takes a pending transaction out of the ranking; the next of its sender is the head
 * if it was. It stays in the pool. */
void mr_pool_leave(mr_pool *pool, mr_pooled *pooled);

/* mr_pool_drop takes a transaction that is not in the ranking out of the pool, and its sender if
 * that has no others; the transaction is not freed. */
void mr_pool_drop(mr_pool *pool, mr_pooled *pooled);

/* mr_pool_make_room lets others give way to `newcomer`, of `sender` (NULL: who has nothing in the
 * pool). False: there is no room for it, and nothing has changed. Those that went are added to
 * *gone. */
bool mr_pool_make_room(mr_pool *pool, const mr_pooled *newcomer, const mr_pool_sender *sender,
                       mr_pooled_list *gone);

/* mr_pool_worth returns the tip of a transaction at the rank of another that ranks no higher,
 * rounded down. */
mr_value mr_pool_worth(const mr_ranked *rank, const mr_ranked *deciding);

/* mr_pool_check asserts everything that is said above; takes the lock. For tests. */
void mr_pool_check(mr_pool *pool);

#endif
