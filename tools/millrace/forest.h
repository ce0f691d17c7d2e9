/* SPDX-License-Identifier: Apache-2.0 */
/* forest: which dispatch of a block came of which. A dispatch is the child of the one whose
 * dispatch sent or woke its message; roots are what transactions sent, what the agenda did, and
 * what earlier blocks left in the queue. A node has the number of its receipt. */
#ifndef MR_TOOLS_FOREST_H
#define MR_TOOLS_FOREST_H

#include "tools/millrace/report.h"

#define MR_NODE_NONE UINT32_MAX

typedef struct mr_node {
    mr_receipt receipt;
    mr_trace trace;       /* all zero when traces are not kept */
    uint32_t parent;      /* of a root: MR_NODE_NONE */
    uint32_t root;        /* of the tree */
    uint32_t first_child; /* children in the order of their receipts */
    uint32_t last_child;
    uint32_t next;        /* child of the same parent */
    uint32_t transaction; /* number of the one that sent the message, or claimed the letter that it
                           * answers; or MR_NODE_NONE */
    uint32_t earlier;     /* last dispatch of the same message before this one; or MR_NODE_NONE */
    uint64_t users_first; /* number of the first message to users it sent, */
    uint32_t users_count; /* and how many */
    uint32_t letters;     /* of these, the letters */
    uint32_t later;       /* messages it sent that no node or user of this block has */
    bool claims;          /* its transaction is a claim: it is the automatic reply to a letter */
} mr_node;

/* Nodes by message: the first and the last of it. */
typedef struct mr_forest_slot {
    uint32_t first, last; /* MR_NODE_NONE: empty */
} mr_forest_slot;

typedef struct mr_forest {
    mr_node *nodes;
    uint32_t count;
    uint32_t
        *of_transaction; /* the node of each; MR_NODE_NONE: it sent nothing, or it has not run */
    const mr_transaction *transactions;
    uint64_t transactions_count;
    mr_forest_slot *slots;
    size_t slots_mask;
} mr_forest;

/* mr_forest_grow makes the forest of a block that `transactions` were given to, traces included.
 * Errors: MR_NO_MEMORY; MR_LIMIT it has 2^32 receipts or more.
 * Owns:   the caller ends *out by mr_forest_fini; spans live as long as the block, and the
 *         transactions as long as the forest. */
mr_status mr_forest_grow(const mr_block *block, const mr_transaction *transactions, mr_forest *out);
void mr_forest_fini(mr_forest *forest);

/* mr_forest_find returns the first node of a message, or MR_NODE_NONE. */
uint32_t mr_forest_find(const mr_forest *forest, const mr_id *message);

/* mr_forest_message returns which message a transaction has put in the queue: its own, or for a
 * claim the automatic reply, unless that was left out for want of gas. False: it puts none there.
 */
bool mr_forest_message(const mr_block *block, const mr_transaction *transactions, uint64_t t,
                       mr_id *out);

/* mr_node_failed tells whether the dispatch failed or was never run. */
static inline bool mr_node_failed(const mr_node *node)
{
    return node->receipt.outcome != MR_OUTCOME_OK && node->receipt.outcome != MR_OUTCOME_WAITING &&
           node->receipt.outcome != MR_OUTCOME_EXITED;
}

#endif
