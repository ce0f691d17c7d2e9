/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/hash_plan.h"

#include <stdlib.h>

#include "base/assert.h"

/* Makes room for one job of `height` and returns it, or NULL. */
static mr_hash_pair_job *job_new(mr_hash_plan *plan, uint32_t height)
{
    MR_ASSERT(height >= 1 && height <= MR_HASH_PLAN_ROUNDS);
    mr_hash_plan_round *round = &plan->rounds[height - 1];
    if (round->jobs_count == round->jobs_capacity) {
        size_t capacity = round->jobs_capacity == 0 ? 64 : 2 * round->jobs_capacity;
        mr_hash_pair_job *grown = realloc(round->jobs, capacity * sizeof *grown);
        if (grown == NULL) {
            plan->failed = true;
            return NULL;
        }
        round->jobs = grown;
        round->jobs_capacity = capacity;
    }
    if (plan->rounds_count < height)
        plan->rounds_count = height;
    return &round->jobs[round->jobs_count++];
}

mr_hash_ref mr_hash_plan_pair(mr_hash_plan *plan, uint32_t kind, mr_hash_ref left,
                              mr_hash_ref right, mr_hash *out)
{
    uint32_t height = 1 + (left.height > right.height ? left.height : right.height);
    mr_hash_pair_job *job = job_new(plan, height);
    if (job != NULL)
        *job = (mr_hash_pair_job){.left = left.at, .right = right.at, .out = out, .kind = kind};
    return (mr_hash_ref){.at = out, .height = height};
}

/* A copy is a job without a right side; they are few, and none reads what its own round writes. */
mr_hash_ref mr_hash_plan_copy(mr_hash_plan *plan, mr_hash_ref from, mr_hash *out)
{
    if (from.height == 0) {
        *out = *from.at;
        return (mr_hash_ref){.at = out, .height = 0};
    }
    mr_hash_pair_job *job = job_new(plan, from.height + 1);
    if (job != NULL)
        *job = (mr_hash_pair_job){.left = from.at, .out = out};
    return (mr_hash_ref){.at = out, .height = from.height + 1};
}

static void run_round(mr_hash_plan_round *round)
{
    size_t start = 0;
    for (size_t i = 0; i < round->jobs_count; i++) {
        if (round->jobs[i].right != NULL)
            continue;
        mr_hash_pairs(round->jobs + start, i - start);
        *round->jobs[i].out = *round->jobs[i].left;
        start = i + 1;
    }
    mr_hash_pairs(round->jobs + start, round->jobs_count - start);
    round->jobs_count = 0;
}

mr_status mr_hash_plan_run(mr_hash_plan *plan)
{
    mr_status status = plan->failed ? MR_NO_MEMORY : MR_OK;
    for (uint32_t i = 0; i < plan->rounds_count; i++) {
        if (status == MR_OK)
            run_round(&plan->rounds[i]);
        plan->rounds[i].jobs_count = 0;
    }
    plan->rounds_count = 0;
    plan->failed = false;
    return status;
}

void mr_hash_plan_fini(mr_hash_plan *plan)
{
    for (uint32_t i = 0; i < MR_HASH_PLAN_ROUNDS; i++)
        free(plan->rounds[i].jobs);
    *plan = (mr_hash_plan){0};
}
