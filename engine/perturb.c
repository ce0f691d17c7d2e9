/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/perturb.h"

#include "engine/engine_internal.h"

void mr_engine_perturb(mr_engine *engine, const mr_perturb *perturb)
{
    mr_scheduler_perturb(engine->scheduler, perturb);
}
