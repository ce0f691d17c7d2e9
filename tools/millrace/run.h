/* SPDX-License-Identifier: Apache-2.0 */
/* run: executes a scenario block by block, tells what happened and checks what it expects. */
#ifndef MR_TOOLS_RUN_H
#define MR_TOOLS_RUN_H

#include "tools/millrace/command.h"

typedef struct mr_run_options {
    mr_engine_flags engine;
    const char *scenario;
    const char *db; /* NULL: the state stays in memory */
    uint64_t lines_max;
    bool json, check, debug;
    bool explain;             /* expected failures, too */
    bool trace;               /* in place of the lists of receipts and messages */
    uint64_t trace_only;      /* the tree of this transaction of each block, from 1; 0: all */
    bool profile;             /* gas by function */
    const char *profile_file; /* folded stacks go there; or NULL */
    bool estimate;            /* the gas that each message needs, before its block */
} mr_run_options;

/* mr_run runs the scenario and prints to standard output. *failures is the number of expectations
 * not met, which are told on standard error.
 * Errors: those of reading the scenario and of the engine; what was printed then ends early. */
mr_status mr_run_scenario(const mr_run_options *options, uint64_t *failures, mr_error *error);

#endif
