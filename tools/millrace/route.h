/* SPDX-License-Identifier: Apache-2.0 */
/* route: how messages came about, from the user's transaction on: a line for each dispatch that led
 * there, over programs and blocks. What one block leaves for a later one (messages that wait, are
 * delayed or stand in the queue, letters that may be answered) is remembered until then. */
#ifndef MR_TOOLS_ROUTE_H
#define MR_TOOLS_ROUTE_H

#include "tools/millrace/forest.h"

/* All zero but `names` is one that remembers nothing. */
typedef struct mr_routes {
    const mr_names *names;
    void *waiting; /* search trees, by message: what waits, */
    void *coming;  /* and what is to run, or be answered, for the first time */
} mr_routes;

void mr_routes_fini(mr_routes *routes);

/* mr_routes_remember_any tells whether the next block may have what an earlier one caused. */
bool mr_routes_remember_any(const mr_routes *routes);

/* mr_routes_make appends lines, each ended, that lead to node `end`. The middle of a long path is
 * left out. Errors: MR_NO_MEMORY. */
mr_status mr_routes_make(const mr_routes *routes, const mr_forest *forest, uint32_t end,
                         uint64_t height, mr_buffer *out);

/* mr_routes_take remembers what the block leaves, and forgets what it has done. `view` is that of a
 * candidate or committed block, not a stored one. Errors: MR_NO_MEMORY. */
mr_status mr_routes_take(mr_routes *routes, const mr_forest *forest, const mr_block_view *view);

/* Who gave a dispatch the gas it has. */
typedef enum mr_gas_giver {
    MR_GIVER_USER,    /* with the message */
    MR_GIVER_LETTER,  /* it is an automatic reply, and has what is left of the letter's */
    MR_GIVER_MESSAGE, /* the dispatch that sent it */
} mr_gas_giver;
mr_gas_giver mr_routes_giver(const mr_routes *routes, const mr_node *node);

#endif
