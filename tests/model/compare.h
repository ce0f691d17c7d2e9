/* SPDX-License-Identifier: Apache-2.0 */
/* compare: what the engine made of a block against what the reference made of it. */
#ifndef MR_TESTS_MODEL_COMPARE_H
#define MR_TESTS_MODEL_COMPARE_H

#include "tests/model/history.h"

/* The first thing that differs, as a sentence; "" when nothing does. */
typedef struct mr_difference {
    char text[1024];
} mr_difference;

/* mr_compare_block compares everything a block shows. False when something differs. */
bool mr_compare_block(const mr_reference_block *expected, const mr_block *block,
                      mr_difference *difference);

/* mr_compare_state compares everything that can be asked of the engine, which has committed the
 * reference's last block: queue, programs, their memory, accounts, totals. */
bool mr_compare_state(const mr_reference *expected, mr_engine *engine, mr_difference *difference);

/* mr_compare_queue compares the engine's queue with that after `expected`. */
bool mr_compare_queue(const mr_reference_block *expected, mr_engine *engine,
                      mr_difference *difference);

/* mr_compare_stored compares a block read back from the store with what it was. */
bool mr_compare_stored(const mr_history_block *expected, mr_engine *engine,
                       mr_difference *difference);

#endif
