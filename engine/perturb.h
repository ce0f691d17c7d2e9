/* SPDX-License-Identifier: Apache-2.0 */
/* perturb: how a test makes an engine's workers meet in ways they rarely would. Private to the
 * engine and tests; a block's result must not change. */
#ifndef MR_ENGINE_PERTURB_H
#define MR_ENGINE_PERTURB_H

#include "engine/millrace.h"
#include "scheduler/perturb.h"

/* mr_engine_perturb passes the perturbation on to the engine's scheduler. */
void mr_engine_perturb(mr_engine *engine, const mr_perturb *perturb);

#endif
