/* SPDX-License-Identifier: Apache-2.0 */
/* ranking: the pool's pending transactions, the best paying first. A search tree kept shallow by
 * random priorities (a treap), whose nodes also know the least that an open one below takes.
 *
 * An order of two numbers, tip / weight and age, decides; the shape of the tree never shows.
 *
 * Source: Seidel and Aragon, Randomized Search Trees, Algorithmica 16 (1996). */
#ifndef MR_ENGINE_RANKING_H
#define MR_ENGINE_RANKING_H

#include "engine/millrace.h"

/* Lies in what is ranked. The caller sets the first group before inserting. */
typedef struct mr_ranked {
    mr_value tip;
    uint64_t weight;            /* 1 or more */
    uint64_t ticket;            /* unlike any other in the ranking; lower is older */
    struct mr_ranked *child[2]; /* before and after it */
    struct mr_ranked *parent;
    uint32_t priority;           /* no higher than the parent's */
    bool open;                   /* may be found by mr_ranking_first; set by mr_ranking_open */
    uint64_t gas, bytes;         /* what it takes; below UINT64_MAX; the caller's, too */
    uint64_t gas_min, bytes_min; /* of the open ones from here down; UINT64_MAX: none is open */
} mr_ranked;

typedef struct mr_ranking {
    mr_ranked *root;
    uint64_t random; /* state of the generator of priorities */
} mr_ranking;

/* mr_ranking_init makes an empty ranking. `seed` shall not be known to who chooses what is ranked.
 */
void mr_ranking_init(mr_ranking *ranking, uint64_t seed);

/* mr_ranked_compare orders by tip / weight, exactly: negative if that of `a` is lower. */
int mr_ranked_compare(const mr_ranked *a, const mr_ranked *b);

/* mr_ranking_insert adds a node, not open; _remove takes one out. Expected O(log n). */
void mr_ranking_insert(mr_ranking *ranking, mr_ranked *node);
void mr_ranking_remove(mr_ranking *ranking, mr_ranked *node);

/* mr_ranking_open opens or closes a node of the ranking. Expected O(log n). */
void mr_ranking_open(mr_ranked *node, bool open);

/* mr_ranking_first returns the best open node that takes no more than `gas` and `bytes`, and *fits
 * is true. Or it comes upon one that does not fit, and whose closing brings the search further:
 * *fits is false. NULL: none fits. Expected O(log n). */
mr_ranked *mr_ranking_first(const mr_ranking *ranking, uint64_t gas, uint64_t bytes, bool *fits);

/* mr_ranking_last returns the worst node of all, mr_ranking_before the next better one. NULL: none.
 */
mr_ranked *mr_ranking_last(const mr_ranking *ranking);
mr_ranked *mr_ranking_before(const mr_ranked *node);

/* mr_ranking_check asserts order, priorities and sums of all nodes, and returns how many there are.
 */
size_t mr_ranking_check(const mr_ranking *ranking);

#endif
