/* SPDX-License-Identifier: Apache-2.0 */
/* scenario_check: what its files share. */
#ifndef MR_TOOLS_SCENARIO_CHECK_INTERNAL_H
#define MR_TOOLS_SCENARIO_CHECK_INTERNAL_H

#include "tools/millrace/scenario_check.h"

typedef struct mr_check {
    const mr_scenario *scenario;
    const mr_block_view *view;
    mr_engine *engine;
    mr_inbox *inbox;
    FILE *out;
    uint64_t failures;
    mr_error *error;
} mr_check;

/* mr_check_differs prints and counts a difference in `what`. */
void mr_check_differs(mr_check *check, uint32_t line, const char *what, const char *expected,
                      const char *got);

/* What is compared: the key `key` of the i-th entry, from 0, of a list of `kind`. */
typedef struct mr_check_place {
    const char *kind;
    size_t i;
    const char *key;
    uint32_t line;
} mr_check_place;

void mr_check_differs_at(mr_check *check, mr_check_place at, const char *expected, const char *got);
void mr_check_ids(mr_check *check, mr_check_place at, const mr_id *expected, const mr_id *got);
void mr_check_words(mr_check *check, mr_check_place at, const char *expected, const char *got);
void mr_check_values(mr_check *check, mr_check_place at, mr_value expected, mr_value got);
void mr_check_bytes(mr_check *check, mr_check_place at, mr_span expected, mr_span got);
void mr_check_count(mr_check *check, uint32_t line, const char *what, uint64_t expected,
                    uint64_t got);

/* mr_check_state compares the state after the block. Errors: of queries. */
mr_status mr_check_state(mr_check *check, const mr_expect *expect);

#endif
