/* SPDX-License-Identifier: Apache-2.0 */
/* pool_tables: transactions found by ticket and by content, senders by id; in and out of all that
 * holds them. */
#include <sodium.h>
#include <stdlib.h>

#include "base/assert.h"
#include "engine/id.h"
#include "engine/pool_internal.h"

/* ---- Content ---- */

/* Under the process's secret, so that nobody can choose contents that meet. */
static uint64_t hash_bytes(const void *bytes, size_t size)
{
    static_assert(sizeof mr_id_salt >= crypto_shorthash_KEYBYTES, "the secret is a key");
    static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "a digest is a number");
    uint8_t digest[crypto_shorthash_BYTES];
    const int failed = crypto_shorthash(digest, bytes, size, (const uint8_t *)mr_id_salt);
    MR_ASSERT(failed == 0);
    return mr_load_le64(digest);
}

static uint64_t hash_span(mr_span span)
{
    static const uint8_t nothing;
    return hash_bytes(span.size > 0 ? span.data : &nothing, span.size);
}

uint64_t mr_pool_hash_content(const mr_transaction *transaction)
{
    const struct {
        mr_id from, to;
        mr_value value;
        uint64_t kind, gas_limit, payload, salt;
    } content = {
        .from = transaction->from,
        .to = transaction->to,
        .value = transaction->value,
        .kind = (uint64_t)transaction->kind,
        .gas_limit = transaction->gas_limit,
        .payload = hash_span(transaction->payload),
        .salt = hash_span(transaction->salt),
    };
    static_assert(sizeof content == 2 * 32 + 16 + 4 * 8, "no byte of it is left open");
    return hash_bytes(&content, sizeof content);
}

bool mr_pool_is_same(const mr_transaction *a, const mr_transaction *b)
{
    return a->kind == b->kind && mr_id_equal(&a->from, &b->from) && mr_id_equal(&a->to, &b->to) &&
           a->gas_limit == b->gas_limit && a->value == b->value &&
           mr_span_equal(a->payload, b->payload) && mr_span_equal(a->salt, b->salt);
}

static mr_twins *twins_of(const mr_pool *pool, uint64_t content)
{
    return &pool->contents[content & (((uint64_t)1 << pool->bits) - 1)];
}

mr_pooled *mr_pool_find_twin(const mr_pool *pool, uint64_t content,
                             const mr_transaction *transaction)
{
    mr_pooled *at = twins_of(pool, content)->first;
    while (at != NULL &&
           (at->content != content || !mr_pool_is_same(&at->transaction, transaction)))
        at = at->twin_next;
    return at;
}

/* Enters the content behind those that are older: at the end, but for one that replaces another. */
static void enter_content(mr_pool *pool, mr_pooled *pooled)
{
    mr_twins *twins = twins_of(pool, pooled->content);
    mr_pooled *before = twins->last;
    while (before != NULL && before->rank.ticket > pooled->rank.ticket)
        before = before->twin_previous;
    pooled->twin_previous = before;
    pooled->twin_next = before != NULL ? before->twin_next : twins->first;
    *(before != NULL ? &before->twin_next : &twins->first) = pooled;
    *(pooled->twin_next != NULL ? &pooled->twin_next->twin_previous : &twins->last) = pooled;
}

static void leave_content(mr_pool *pool, mr_pooled *pooled)
{
    mr_twins *twins = twins_of(pool, pooled->content);
    *(pooled->twin_previous != NULL ? &pooled->twin_previous->twin_next : &twins->first) =
        pooled->twin_next;
    *(pooled->twin_next != NULL ? &pooled->twin_next->twin_previous : &twins->last) =
        pooled->twin_previous;
}

/* ---- Tickets and senders ---- */

/* Where the pointer to the transaction of a ticket stands, or would. Tickets are consecutive
 * numbers, so they fill buckets evenly. */
static mr_pooled **place_of_ticket(const mr_pool *pool, uint64_t ticket)
{
    mr_pooled **place = &pool->tickets[ticket & (((uint64_t)1 << pool->bits) - 1)];
    while (*place != NULL && (*place)->rank.ticket != ticket)
        place = &(*place)->ticket_next;
    return place;
}

static mr_pool_sender **place_of_sender(const mr_pool *pool, const mr_id *id)
{
    mr_pool_sender **place = &pool->senders[mr_id_bucket(id) >> (64 - pool->bits)];
    while (*place != NULL && !mr_id_equal(&(*place)->id, id))
        place = &(*place)->next;
    return place;
}

mr_pooled *mr_pool_find_ticket(const mr_pool *pool, uint64_t ticket)
{
    return *place_of_ticket(pool, ticket);
}

mr_pool_sender *mr_pool_find_sender(const mr_pool *pool, const mr_id *id)
{
    return *place_of_sender(pool, id);
}

void mr_pool_enter_sender(mr_pool *pool, mr_pool_sender *sender)
{
    *place_of_sender(pool, &sender->id) = sender;
    pool->info.senders_count++;
}

/* ---- In and out ---- */

void mr_pool_leave(mr_pool *pool, mr_pooled *pooled)
{
    mr_ranking_remove(&pool->ranking, &pooled->rank);
    mr_pool_sender *sender = pooled->sender;
    if (sender->head != pooled)
        return;
    sender->head = pooled->next;
    if (sender->head != NULL)
        mr_ranking_open(&sender->head->rank, true);
}

void mr_pool_drop(mr_pool *pool, mr_pooled *pooled)
{
    mr_pool_sender *sender = pooled->sender;
    *(pooled->previous != NULL ? &pooled->previous->next : &sender->first) = pooled->next;
    *(pooled->next != NULL ? &pooled->next->previous : &sender->last) = pooled->previous;
    sender->cost -= pooled->cost;
    sender->count--;
    pool->info.transactions_count--;
    pool->info.bytes -= pooled->rank.bytes;
    mr_pooled **place = place_of_ticket(pool, pooled->rank.ticket);
    *place = pooled->ticket_next;
    leave_content(pool, pooled);
    if (sender->count > 0)
        return;
    mr_pool_sender **home = place_of_sender(pool, &sender->id);
    *home = sender->next;
    pool->info.senders_count--;
    free(sender);
}

void mr_pool_enter(mr_pool *pool, mr_pool_sender *sender, mr_pooled *pooled)
{
    pooled->rank.ticket = ++pool->tickets_last;
    pooled->sender = sender;
    pooled->previous = sender->last;
    *(sender->last != NULL ? &sender->last->next : &sender->first) = pooled;
    sender->last = pooled;
    sender->cost += pooled->cost;
    sender->count++;
    pool->info.transactions_count++;
    pool->info.bytes += pooled->rank.bytes;
    *place_of_ticket(pool, pooled->rank.ticket) = pooled;
    enter_content(pool, pooled);
    mr_ranking_insert(&pool->ranking, &pooled->rank);
    if (sender->head != NULL)
        return;
    sender->head = pooled;
    mr_ranking_open(&pooled->rank, true);
}

void mr_pool_exchange(mr_pool *pool, mr_pooled *old, mr_pooled *pooled)
{
    mr_pool_sender *sender = old->sender;
    const bool is_head = sender->head == old;
    mr_ranking_remove(&pool->ranking, &old->rank);
    leave_content(pool, old);
    pooled->rank.ticket = old->rank.ticket;
    pooled->sender = sender;
    pooled->previous = old->previous;
    pooled->next = old->next;
    *(old->previous != NULL ? &old->previous->next : &sender->first) = pooled;
    *(old->next != NULL ? &old->next->previous : &sender->last) = pooled;
    mr_pooled **place = place_of_ticket(pool, old->rank.ticket);
    *place = pooled;
    pooled->ticket_next = old->ticket_next;
    sender->cost = sender->cost - old->cost + pooled->cost;
    pool->info.bytes = pool->info.bytes - old->rank.bytes + pooled->rank.bytes;
    enter_content(pool, pooled);
    mr_ranking_insert(&pool->ranking, &pooled->rank);
    if (!is_head)
        return;
    sender->head = pooled;
    mr_ranking_open(&pooled->rank, true);
}
