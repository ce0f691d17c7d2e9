/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ranking.h"

#include "base/assert.h"

enum { BEFORE, AFTER };

void mr_ranking_init(mr_ranking *ranking, uint64_t seed)
{
    *ranking = (mr_ranking){.random = seed | 1};
}

/* The 192 bits of tip * weight. */
typedef struct product {
    mr_value high;
    uint64_t low;
} product;

static product multiply(mr_value tip, uint64_t weight)
{
    const mr_value low = (mr_value)(uint64_t)tip * weight;
    return (product){
        .high = (tip >> 64) * weight + (low >> 64),
        .low = (uint64_t)low,
    };
}

int mr_ranked_compare(const mr_ranked *a, const mr_ranked *b)
{
    const product left = multiply(a->tip, b->weight), right = multiply(b->tip, a->weight);
    if (left.high != right.high)
        return left.high < right.high ? -1 : 1;
    return (left.low > right.low) - (left.low < right.low);
}

/* Which of two different nodes comes first. */
static bool precedes(const mr_ranked *a, const mr_ranked *b)
{
    const int order = mr_ranked_compare(a, b);
    return order != 0 ? order > 0 : a->ticket < b->ticket;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Computes the sums of a node again. False: they were right. */
static bool refresh(mr_ranked *node)
{
    uint64_t gas = node->open ? node->gas : UINT64_MAX;
    uint64_t bytes = node->open ? node->bytes : UINT64_MAX;
    for (unsigned side = BEFORE; side <= AFTER; side++) {
        const mr_ranked *child = node->child[side];
        if (child == NULL)
            continue;
        gas = least(gas, child->gas_min);
        bytes = least(bytes, child->bytes_min);
    }
    if (gas == node->gas_min && bytes == node->bytes_min)
        return false;
    node->gas_min = gas;
    node->bytes_min = bytes;
    return true;
}

static void refresh_up(mr_ranked *node)
{
    while (node != NULL && refresh(node))
        node = node->parent;
}

/* Where the tree points at the node. */
static mr_ranked **place_of(mr_ranking *ranking, const mr_ranked *node)
{
    if (node->parent == NULL)
        return &ranking->root;
    return &node->parent->child[node->parent->child[AFTER] == node];
}

/* Puts a node in the place of its parent, which becomes its child. */
static void rotate_up(mr_ranking *ranking, mr_ranked *node)
{
    mr_ranked *parent = node->parent;
    const unsigned side = parent->child[AFTER] == node;
    *place_of(ranking, parent) = node;
    node->parent = parent->parent;
    parent->child[side] = node->child[!side];
    if (parent->child[side] != NULL)
        parent->child[side]->parent = parent;
    node->child[!side] = parent;
    parent->parent = node;
    (void)refresh(parent);
    (void)refresh(node);
}

static uint32_t next_priority(mr_ranking *ranking)
{
    ranking->random ^= ranking->random >> 12;
    ranking->random ^= ranking->random << 25;
    ranking->random ^= ranking->random >> 27;
    return (uint32_t)((ranking->random * 0x2545f4914f6cdd1du) >> 32);
}

void mr_ranking_insert(mr_ranking *ranking, mr_ranked *node)
{
    node->child[BEFORE] = node->child[AFTER] = NULL;
    node->gas_min = node->bytes_min = UINT64_MAX;
    node->open = false;
    node->priority = next_priority(ranking);
    node->parent = NULL;
    mr_ranked **place = &ranking->root;
    while (*place != NULL) {
        node->parent = *place;
        place = &node->parent->child[precedes(node->parent, node)];
    }
    *place = node;
    while (node->parent != NULL && node->parent->priority < node->priority)
        rotate_up(ranking, node);
}

void mr_ranking_remove(mr_ranking *ranking, mr_ranked *node)
{
    for (;;) {
        mr_ranked *before = node->child[BEFORE], *after = node->child[AFTER];
        if (before == NULL && after == NULL)
            break;
        if (before == NULL || (after != NULL && after->priority > before->priority))
            rotate_up(ranking, after);
        else
            rotate_up(ranking, before);
    }
    *place_of(ranking, node) = NULL;
    refresh_up(node->parent);
    node->parent = NULL;
}

void mr_ranking_open(mr_ranked *node, bool open)
{
    node->open = open;
    refresh_up(node);
}

/* Whether some of the open nodes from here down may fit: the least gas and the fewest bytes need
 * not be of the same one. */
static bool may_fit(const mr_ranked *node, uint64_t gas, uint64_t bytes)
{
    return node != NULL && node->gas_min != UINT64_MAX && node->gas_min <= gas &&
           node->bytes_min <= bytes;
}

/* An open node from here down, of which there is one. */
static mr_ranked *any_open(mr_ranked *node)
{
    while (!node->open) {
        mr_ranked *before = node->child[BEFORE];
        node = before != NULL && before->gas_min != UINT64_MAX ? before : node->child[AFTER];
    }
    return node;
}

mr_ranked *mr_ranking_first(const mr_ranking *ranking, uint64_t gas, uint64_t bytes, bool *fits)
{
    mr_ranked *node = ranking->root;
    if (!may_fit(node, gas, bytes))
        return NULL;
    for (;;) {
        if (may_fit(node->child[BEFORE], gas, bytes)) {
            node = node->child[BEFORE];
        } else if (node->open && node->gas <= gas && node->bytes <= bytes) {
            *fits = true;
            return node;
        } else if (may_fit(node->child[AFTER], gas, bytes)) {
            node = node->child[AFTER];
        } else {
            /* Nothing fits from here down: the least gas and the fewest bytes were of two nodes.
             * Any of the open ones is in the way. */
            *fits = false;
            return any_open(node);
        }
    }
}

mr_ranked *mr_ranking_last(const mr_ranking *ranking)
{
    mr_ranked *node = ranking->root;
    while (node != NULL && node->child[AFTER] != NULL)
        node = node->child[AFTER];
    return node;
}

mr_ranked *mr_ranking_before(const mr_ranked *node)
{
    mr_ranked *at = node->child[BEFORE];
    if (at != NULL) {
        while (at->child[AFTER] != NULL)
            at = at->child[AFTER];
        return at;
    }
    while (node->parent != NULL && node->parent->child[BEFORE] == node)
        node = node->parent;
    return node->parent;
}

size_t mr_ranking_check(const mr_ranking *ranking)
{
    size_t count = 0;
    for (mr_ranked *node = mr_ranking_last(ranking); node != NULL; count++) {
        MR_ASSERT(node->parent == NULL || node->parent->priority >= node->priority);
        MR_ASSERT(!refresh(node));
        mr_ranked *before = mr_ranking_before(node);
        MR_ASSERT(before == NULL || precedes(before, node));
        node = before;
    }
    return count;
}
