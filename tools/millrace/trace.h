/* SPDX-License-Identifier: Apache-2.0 */
/* trace: what happened in a block, message by message, as trees for people and as a list in JSON.
 */
#ifndef MR_TOOLS_TRACE_H
#define MR_TOOLS_TRACE_H

#include "tools/millrace/forest.h"

/* Words for a node, the same in traces and explanations: "handle alice -> cap "2000"", with what a
 * message is an answer to or goes on from. */
typedef struct mr_node_text {
    char text[400];
} mr_node_text;
mr_node_text mr_node_print(const mr_names *names, const mr_node *node);

/* mr_trace_due appends the tasks that are due at a height, mr_task_info without payloads, to *out:
 * to be asked before the block of that height is executed. Errors: of queries. */
mr_status mr_trace_due(mr_engine *engine, uint64_t height, mr_buffer *out);

typedef struct mr_trace_view {
    const mr_block_view *view; /* of a block, not a stored one */
    const mr_forest *forest;
    const mr_task_info *due; /* of the block, as mr_trace_due has them */
    size_t due_count;
    uint64_t only;      /* transaction, from 1, whose tree alone is shown; 0: everything is */
    uint64_t lines_max; /* dispatches shown to people */
} mr_trace_view;

void mr_trace_print(FILE *out, const mr_trace_view *trace);

/* mr_trace_json returns an object with `agenda`, `transactions` and `messages`; the latter name
 * their parents by number. NULL when out of memory. */
json_t *mr_trace_json(const mr_trace_view *trace);

#endif
