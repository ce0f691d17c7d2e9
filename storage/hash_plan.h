/* SPDX-License-Identifier: Apache-2.0 */
/* hash_plan: digests that depend on one another, computed in as few rounds as possible so that
 * each round keeps all lanes busy. Private to storage/.
 *
 * Every digest has a height: 0 when its bytes are final already, otherwise one more than the
 * heights of what it is made of. All digests of one height are independent of each other. */
#ifndef MR_STORAGE_HASH_PLAN_H
#define MR_STORAGE_HASH_PLAN_H

#include "storage/hash.h"

/* Enough for the deepest path: a leaf, 15 nodes in a bucket, 2 in each of 128 index tiles. */
enum { MR_HASH_PLAN_ROUNDS = 288 };

typedef struct mr_hash_plan_round {
    mr_hash_pair_job *jobs;
    size_t jobs_count;
    size_t jobs_capacity;
} mr_hash_plan_round;

/* All zero is an empty plan. */
typedef struct mr_hash_plan {
    mr_hash_plan_round rounds[MR_HASH_PLAN_ROUNDS];
    uint32_t rounds_count;
    bool failed; /* out of memory: the plan is incomplete */
} mr_hash_plan;

/* A digest that will be final once the plan has run; `at` NULL means that there is none. */
typedef struct mr_hash_ref {
    const mr_hash *at;
    uint32_t height;
} mr_hash_ref;

/* mr_hash_plan_pair plans *out = P(kind, left, right), and returns its reference. */
mr_hash_ref mr_hash_plan_pair(mr_hash_plan *plan, uint32_t kind, mr_hash_ref left,
                              mr_hash_ref right, mr_hash *out);

/* mr_hash_plan_copy plans *out = *from, and returns its reference. */
mr_hash_ref mr_hash_plan_copy(mr_hash_plan *plan, mr_hash_ref from, mr_hash *out);

/* mr_hash_plan_run computes everything planned and empties the plan.
 * Errors: MR_NO_MEMORY, and nothing is computed. */
mr_status mr_hash_plan_run(mr_hash_plan *plan);

void mr_hash_plan_fini(mr_hash_plan *plan);

#endif
