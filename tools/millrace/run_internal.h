/* SPDX-License-Identifier: Apache-2.0 */
/* run: what its files share. */
#ifndef MR_TOOLS_RUN_INTERNAL_H
#define MR_TOOLS_RUN_INTERNAL_H

#include "tools/millrace/explain.h"
#include "tools/millrace/inbox.h"
#include "tools/millrace/run.h"
#include "tools/millrace/watch.h"

typedef struct mr_running {
    const mr_run_options *options;
    mr_scenario scenario;
    mr_engine *engine;
    mr_engine *view; /* that estimates; NULL until one is asked for */
    mr_watch *watch;
    mr_buffer transactions; /* of the block at hand */
    mr_buffer due;          /* tasks due in it, when it is traced */
    json_t *estimates;      /* for it, in JSON */
    mr_inbox inbox;         /* when the scenario needs it */
    mr_explainer explainer;
    uint64_t blocks_count, failures;
    bool began; /* printing */
    mr_error *error;
} mr_running;

mr_status mr_run_no_memory(mr_running *run);

/* mr_run_tell prints what happened in a block that has been committed: a line only when it is
 * brief. Failures that `expect` does not expect are explained; it may be NULL. */
mr_status mr_run_tell(mr_running *run, const mr_block_view *view, const char *note, bool brief,
                      const mr_expect *expect);

/* mr_run_estimate prints or keeps what gas the transactions of a block need, before it is executed.
 */
mr_status mr_run_estimate(mr_running *run, const mr_block_params *params);

#endif
