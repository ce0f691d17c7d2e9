/* SPDX-License-Identifier: Apache-2.0 */
/* inspect: what its files share. */
#ifndef MR_TOOLS_INSPECT_INTERNAL_H
#define MR_TOOLS_INSPECT_INTERNAL_H

#include "tools/millrace/inspect.h"

/* mr_inspect_failed makes a sentence of a query's failure. */
mr_status mr_inspect_failed(mr_inspect *inspect, mr_status status, const char *what);

/* mr_inspect_height reads the argument as the height of a block. Errors: MR_INVALID. */
mr_status mr_inspect_height(mr_inspect *inspect, uint64_t *out);

/* A list: begun, entries printed or appended, ended with the status of the walk. mr_inspect_next is
 * false when a person has seen enough of them; mr_inspect_append is false, and the walk is over,
 * when there is no memory for the entry. */
mr_status mr_inspect_begin(mr_inspect *inspect);
bool mr_inspect_next(mr_inspect *inspect);
bool mr_inspect_append(mr_inspect *inspect, json_t *entry);
mr_status mr_inspect_end(mr_inspect *inspect, mr_status status, const char *what);

#endif
