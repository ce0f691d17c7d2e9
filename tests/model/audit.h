/* SPDX-License-Identifier: Apache-2.0 */
/* audit: the laws of gas and value, from what the engine itself tells after each block. */
#ifndef MR_TESTS_MODEL_AUDIT_H
#define MR_TESTS_MODEL_AUDIT_H

#include "tests/model/compare.h"

/* mr_audit_gas adds up the gas of a block: bought, or there before, is burned, rent, refunded, in
 * the queue or held. False, and `difference`, when it is not. */
bool mr_audit_gas(const mr_history_block *block, const mr_block *made, uint64_t gas_before,
                  mr_difference *difference);

/* mr_audit_value walks the engine, which has committed the block, and adds up all value there is:
 * of accounts, programs, the queue, letters and tasks, what gas was bought with, what was burned.
 * False, and `difference`, when that is not what was issued, or the gas held is another. */
bool mr_audit_value(const mr_reference_block *expected, mr_engine *engine,
                    mr_difference *difference);

#endif
