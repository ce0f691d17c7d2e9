/* SPDX-License-Identifier: Apache-2.0 */
/* inspect: the parts of `millrace inspect`, one function for each thing to look at. */
#ifndef MR_TOOLS_INSPECT_H
#define MR_TOOLS_INSPECT_H

#include "engine/millrace.h"
#include "tools/millrace/report.h"

typedef struct mr_inspect {
    mr_engine *engine;
    const char *db;
    const char *argument; /* of those that look at one thing; NULL: at all */
    bool json, dot;
    uint64_t lines_max; /* entries printed of a list for people */
    mr_error *error;

    /* Of the walk at hand. */
    uint64_t seen;
    json_t *array;
} mr_inspect;

/* Each prints to standard output. Errors: those of queries; MR_INVALID the argument is no id or
 * height; MR_NOT_FOUND; MR_NO_MEMORY. */
mr_status mr_inspect_summary(mr_inspect *inspect);
mr_status mr_inspect_programs(mr_inspect *inspect);
mr_status mr_inspect_program(mr_inspect *inspect);
mr_status mr_inspect_accounts(mr_inspect *inspect);
mr_status mr_inspect_account(mr_inspect *inspect);
mr_status mr_inspect_queue(mr_inspect *inspect);
mr_status mr_inspect_blocks(mr_inspect *inspect);
mr_status mr_inspect_block(mr_inspect *inspect);
mr_status mr_inspect_codes(mr_inspect *inspect);
mr_status mr_inspect_waitlist(mr_inspect *inspect);
mr_status mr_inspect_mailbox(mr_inspect *inspect);
mr_status mr_inspect_agenda(mr_inspect *inspect);
mr_status mr_inspect_reservations(mr_inspect *inspect);
mr_status mr_inspect_message(mr_inspect *inspect);
mr_status mr_inspect_graph(mr_inspect *inspect);

#endif
