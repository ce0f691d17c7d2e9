/* SPDX-License-Identifier: Apache-2.0 */
/* transaction: the rules about transactions that need no state: what is malformed or too large, and
 * what one costs. Admission goes by them, and so does the pool. Threads: any, for all functions. */
#ifndef MR_ENGINE_TRANSACTION_H
#define MR_ENGINE_TRANSACTION_H

#include "engine/millrace.h"

/* mr_transaction_check returns the first refusal that the transaction earns by itself, in a block
 * with that gas limit (0: none): MALFORMED, PAYLOAD, GAS_LIMIT; or ACCEPTED. *why has more about
 * it, or is "". */
mr_admission mr_transaction_check(const mr_schedule *schedule, uint64_t block_gas_limit,
                                  const mr_transaction *transaction, const char **why);

/* mr_transaction_gas returns the gas that the sender pays for: the limit, and the posting fee with
 * that of an upload. `schedule` has passed mr_schedule_check, so it fits. */
mr_value mr_transaction_gas(const mr_schedule *schedule, const mr_transaction *transaction);

#endif
