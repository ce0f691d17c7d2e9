/* SPDX-License-Identifier: Apache-2.0 */
/* explain: why a message failed, as the author of the program wants to know it: what it was, where
 * the program was, what became of the gas, how the message came about, and what to do. */
#ifndef MR_TOOLS_EXPLAIN_H
#define MR_TOOLS_EXPLAIN_H

#include "tools/millrace/route.h"
#include "tools/millrace/scenario.h"
#include "tools/millrace/trace.h"

typedef struct mr_explainer {
    const mr_names *names;
    mr_engine *engine;
    mr_schedule schedule;
    mr_routes routes; /* for the caller to tell of each block, when its failures are explained */
} mr_explainer;

void mr_explainer_init(mr_explainer *explainer, const mr_names *names, mr_engine *engine);
void mr_explainer_fini(mr_explainer *explainer);

/* mr_explain_is_expected tells whether a failure is what the scenario wants to see: it expects a
 * receipt with that outcome, or an error reply of that program. `expect` may be NULL. */
bool mr_explain_is_expected(const mr_expect *expect, const mr_node *node);

/* mr_explain_print prints why node `i` failed. Errors: MR_NO_MEMORY. */
mr_status mr_explain_print(FILE *out, const mr_explainer *explainer, const mr_forest *forest,
                           uint32_t i, uint64_t height);

/* mr_explain_json returns the same as an object: `path`, `backtrace`, `payload`, `hint`. NULL when
 * out of memory. */
json_t *mr_explain_json(const mr_explainer *explainer, const mr_forest *forest, uint32_t i,
                        uint64_t height);

#endif
