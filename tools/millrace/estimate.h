/* SPDX-License-Identifier: Apache-2.0 */
/* estimate: how an estimate came out, for people and as JSON. */
#ifndef MR_TOOLS_ESTIMATE_H
#define MR_TOOLS_ESTIMATE_H

#include "tools/millrace/report.h"

/* What the figures of an estimate that succeeds leave open: "" or what follows them in a sentence.
 * It was made with the default number of blocks. */
typedef struct mr_estimate_text {
    char text[200];
} mr_estimate_text;
mr_estimate_text mr_estimate_print_open(const mr_estimate *estimate);

/* mr_estimate_json returns an object: `succeeds`, `gas_limit`, `gas_burned`, `blocks`, `waits`,
 * `cut`; or when it does not succeed `outcome`, `failed`, `text`. NULL when out of memory. */
json_t *mr_estimate_json(const mr_names *names, const mr_estimate *estimate);

#endif
