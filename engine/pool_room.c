/* SPDX-License-Identifier: Apache-2.0 */
/* pool_room: who gives way when the pool is full. The pending transaction of the lowest rank
 * decides; the last one of its sender goes. So a chain counts for as much as its lowest link, and
 * a newcomer must rank above each that decides and bring more than all that goes is worth at that
 * rank: else a few large ones could drive out many small ones for little. */
#include "engine/pool_internal.h"

/* floor(a * b / c), which fits 128 bits. */
static mr_value scale(mr_value a, uint64_t b, uint64_t c)
{
    const mr_value front = (a >> 64) * b, back = (mr_value)(uint64_t)a * b;
    const mr_value rest = (front % c) << 64;
    return ((front / c) << 64) + rest / c + back / c + (rest % c + back % c) / c;
}

mr_value mr_pool_worth(const mr_ranked *rank, const mr_ranked *deciding)
{
    return scale(deciding->tip, rank->weight, deciding->weight);
}

static bool is_room(const mr_pool *pool, const mr_pool_info *without, const mr_pooled *newcomer)
{
    return without->transactions_count < pool->options.transactions_max &&
           newcomer->rank.bytes <= pool->options.bytes_max - without->bytes;
}

/* Dooms as many as must give way, or finds that they need not. */
static bool doom(const mr_pool *pool, const mr_pooled *newcomer, const mr_pool_sender *sender,
                 mr_pooled_list *doomed)
{
    mr_pool_info without = pool->info;
    mr_value total = 0;
    mr_ranked *deciding = mr_ranking_last(&pool->ranking);
    while (!is_room(pool, &without, newcomer)) {
        while (deciding != NULL && mr_pooled_of(deciding)->doomed)
            deciding = mr_ranking_before(deciding);
        if (deciding == NULL || mr_ranked_compare(&newcomer->rank, deciding) <= 0)
            return false;
        mr_pool_sender *owner = mr_pooled_of(deciding)->sender;
        if (owner == sender)
            return false;
        mr_pooled *goes = owner->doomed != NULL ? owner->doomed->previous : owner->last;
        if (__builtin_add_overflow(total, mr_pool_worth(&goes->rank, deciding), &total) ||
            total >= newcomer->rank.tip)
            return false;
        goes->doomed = true;
        owner->doomed = goes;
        mr_pooled_list_add(doomed, goes);
        without.transactions_count--;
        without.bytes -= goes->rank.bytes;
    }
    return true;
}

bool mr_pool_make_room(mr_pool *pool, const mr_pooled *newcomer, const mr_pool_sender *sender,
                       mr_pooled_list *gone)
{
    mr_pooled_list doomed = {0};
    const bool found = doom(pool, newcomer, sender, &doomed);
    mr_pooled *next;
    for (mr_pooled *at = doomed.first; at != NULL; at = next) {
        next = at->link;
        at->doomed = false;
        at->sender->doomed = NULL;
        if (!found)
            continue;
        mr_pool_leave(pool, at);
        mr_pool_drop(pool, at);
        pool->info.evicted_count++;
        mr_pooled_list_add(gone, at);
    }
    return found;
}
