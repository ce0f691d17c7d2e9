/* SPDX-License-Identifier: Apache-2.0 */
/* query: what `millrace query` asks of a program. */
#ifndef MR_TOOLS_QUERY_H
#define MR_TOOLS_QUERY_H

#include "engine/millrace.h"

typedef enum mr_query_what {
    MR_QUERY_STATE,
    MR_QUERY_METAHASH,
    MR_QUERY_MESSAGE,  /* what a message would do */
    MR_QUERY_ESTIMATE, /* what gas it needs */
} mr_query_what;

typedef struct mr_query {
    const char *db, *program, *payload, *from; /* as they were typed */
    mr_query_what what;
    bool json;
    uint64_t gas;
    mr_value value;
    uint64_t timestamp_ms;
} mr_query;

/* mr_query_run asks, and prints the answer to standard output; nothing in the database changes.
 * Errors: what keeps it from asking, or that the program failed. As JSON, that is printed, too. */
mr_status mr_query_run(const mr_query *query, mr_error *error);

#endif
