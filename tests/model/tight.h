/* SPDX-License-Identifier: Apache-2.0 */
/* tight: blocks whose gas limit is at the edge of what they do, where it shows whether the engine
 * chooses what may run as the rules say. Found by rehearsing the block: what a message may burn,
 * and what is left when its turn comes, is known only then. */
#ifndef MR_TESTS_MODEL_TIGHT_H
#define MR_TESTS_MODEL_TIGHT_H

#include "tests/model/history.h"
#include "tests/model/random.h"

/* mr_tight_block sets the gas limit of the block that is to follow the history: such that one of
 * its messages fits as it is, or misses by little. Some of the transactions get hardly more gas
 * than they burn. */
void mr_tight_block(const mr_history *history, mr_random *random, mr_block_params *params,
                    mr_transaction *transactions, size_t transactions_count);

#endif
