/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/forest.h"

#include <stdlib.h>
#include <string.h>

typedef struct growing {
    mr_forest *forest;
    const mr_block *block;
    const mr_transaction *transactions;
} growing;

static bool same(const mr_id *a, const mr_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static bool is_zero(const mr_id *id)
{
    static const mr_id zero;
    return same(id, &zero);
}

/* Ids of messages are digests, so their first bytes spread them well. */
static mr_forest_slot *find(const mr_forest *forest, const mr_id *message)
{
    for (size_t at = mr_load_le64(message->bytes);; at++) {
        mr_forest_slot *there = &forest->slots[at & forest->slots_mask];
        if (there->first == MR_NODE_NONE ||
            same(&forest->nodes[there->first].receipt.message, message))
            return there;
    }
}

uint32_t mr_forest_find(const mr_forest *forest, const mr_id *message)
{
    return forest->slots == NULL ? MR_NODE_NONE : find(forest, message)->first;
}

static mr_status make_slots(mr_forest *forest)
{
    size_t count = 16;
    while (count < 2 * (size_t)forest->count)
        count *= 2;
    forest->slots = malloc(count * sizeof *forest->slots);
    if (forest->slots == NULL)
        return MR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        forest->slots[i].first = forest->slots[i].last = MR_NODE_NONE;
    forest->slots_mask = count - 1;
    return MR_OK;
}

/* A message's children have run before it runs again, so the parent is its last dispatch so far. */
static void hang_up(const growing *g, uint32_t i)
{
    mr_node *node = &g->forest->nodes[i];
    if (is_zero(&node->receipt.parent))
        return;
    const mr_forest_slot *there = find(g->forest, &node->receipt.parent);
    if (there->first == MR_NODE_NONE)
        return;
    mr_node *parent = &g->forest->nodes[there->last];
    node->parent = there->last;
    node->root = parent->root;
    if (parent->first_child == MR_NODE_NONE)
        parent->first_child = i;
    else
        g->forest->nodes[parent->last_child].next = i;
    parent->last_child = i;
    if (!node->trace.waited && parent->later > 0)
        parent->later--;
}

static void add_node(const growing *g, uint32_t i, uint64_t *user)
{
    mr_node *node = &g->forest->nodes[i];
    *node = (mr_node){
        .parent = MR_NODE_NONE,
        .root = i,
        .first_child = MR_NODE_NONE,
        .last_child = MR_NODE_NONE,
        .next = MR_NODE_NONE,
        .transaction = MR_NODE_NONE,
        .users_first = *user,
    };
    (void)mr_block_receipt(g->block, i, &node->receipt);
    (void)mr_block_trace(g->block, i, &node->trace);
    mr_user_message message;
    for (; mr_block_user_message(g->block, *user, &message) && message.receipt == i; ++*user) {
        node->users_count++;
        node->letters += message.until != 0;
    }
    node->later = node->receipt.sent - node->users_count;
    hang_up(g, i);
    mr_forest_slot *there = find(g->forest, &node->receipt.message);
    node->earlier = there->last;
    if (there->first == MR_NODE_NONE)
        there->first = i;
    there->last = i;
}

static mr_status grow(growing *g)
{
    MR_TRY(make_slots(g->forest));
    mr_block_info info;
    mr_block_info_get(g->block, &info);
    uint64_t user = info.agenda_messages_count;
    for (uint32_t i = 0; i < g->forest->count; i++)
        add_node(g, i, &user);
    for (uint64_t t = 0; t < g->forest->transactions_count; t++) {
        mr_id message;
        g->forest->of_transaction[t] = MR_NODE_NONE;
        if (!mr_forest_message(g->block, g->transactions, t, &message))
            continue;
        const uint32_t first = find(g->forest, &message)->first;
        g->forest->of_transaction[t] = first;
        if (first == MR_NODE_NONE)
            continue;
        g->forest->nodes[first].transaction = (uint32_t)t;
        g->forest->nodes[first].claims = g->transactions[t].kind == MR_TRANSACTION_CLAIM;
    }
    return MR_OK;
}

bool mr_forest_message(const mr_block *block, const mr_transaction *transactions, uint64_t t,
                       mr_id *out)
{
    mr_transaction_result result;
    if (!mr_block_transaction(block, t, &result) || result.admission != MR_ADMISSION_ACCEPTED)
        return false;
    *out = transactions[t].kind == MR_TRANSACTION_CLAIM ? mr_id_of_reply(&transactions[t].to)
                                                        : result.message;
    return !is_zero(out);
}

mr_status mr_forest_grow(const mr_block *block, const mr_transaction *transactions, mr_forest *out)
{
    mr_block_info info;
    mr_block_info_get(block, &info);
    if (info.receipts_count >= MR_NODE_NONE || info.transactions_count >= MR_NODE_NONE)
        return MR_LIMIT;
    mr_forest forest = {
        .nodes = malloc((info.receipts_count + 1) * sizeof *forest.nodes),
        .count = (uint32_t)info.receipts_count,
        .of_transaction = malloc((info.transactions_count + 1) * sizeof *forest.of_transaction),
        .transactions = transactions,
        .transactions_count = info.transactions_count,
    };
    growing g = {.forest = &forest, .block = block, .transactions = transactions};
    mr_status status =
        forest.nodes == NULL || forest.of_transaction == NULL ? MR_NO_MEMORY : grow(&g);
    if (status != MR_OK) {
        mr_forest_fini(&forest);
        return status;
    }
    *out = forest;
    return MR_OK;
}

void mr_forest_fini(mr_forest *forest)
{
    free(forest->nodes);
    free(forest->of_transaction);
    free(forest->slots);
    *forest = (mr_forest){0};
}
