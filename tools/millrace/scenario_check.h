/* SPDX-License-Identifier: Apache-2.0 */
/* scenario_check: compares a block that has been committed with what its scenario expects. */
#ifndef MR_TOOLS_SCENARIO_CHECK_H
#define MR_TOOLS_SCENARIO_CHECK_H

#include <stdio.h>

#include "tools/millrace/inbox.h"
#include "tools/millrace/report.h"
#include "tools/millrace/scenario.h"

/* mr_scenario_check prints every expectation that is not met to `out`, as
 *
 *     scenario.yaml:31: message 1 to users: payload
 *       expected "Discharged: 2600"
 *       got      "Discharged: 2601"
 *
 * and adds their number to *failures. Messages without any expectation of the block about them
 * that were refused count as failures, too. Letters that expectations name are named in `inbox`,
 * which has taken the block already if the scenario needs one.
 * Errors: of queries; what the block was is then unknown. */
mr_status mr_scenario_check(const mr_scenario *scenario, const mr_scenario_block *block,
                            const mr_block_view *view, mr_engine *engine, mr_inbox *inbox,
                            FILE *out, uint64_t *failures, mr_error *error);

#endif
