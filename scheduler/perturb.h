/* SPDX-License-Identifier: Apache-2.0 */
/* perturb: the one seam through which a test chooses what is otherwise left to time and chance, so
 * that a seed makes workers meet in ways they rarely would. Private to the scheduler and its tests.
 *
 * Nothing here may change an output of a round: that is what the tests that use it check. */
#ifndef MR_SCHEDULER_PERTURB_H
#define MR_SCHEDULER_PERTURB_H

#include <stdint.h>

#include "scheduler/scheduler.h"

typedef enum mr_perturb_size {
    MR_PERTURB_SIZE_MEASURED, /* workers as the measured time of an item asks for */
    MR_PERTURB_SIZE_ONE,      /* every round is run whole by one worker */
    MR_PERTURB_SIZE_ALL,      /* every round is run by all workers */
    MR_PERTURB_SIZE_RANDOM,   /* any number of workers, another for every round */
} mr_perturb_size;

typedef enum mr_perturb_phases {
    MR_PERTURB_PHASES_MEASURED, /* the leader alone partitions and merges small rounds */
    MR_PERTURB_PHASES_PARALLEL, /* all workers of a round partition and merge it */
    MR_PERTURB_PHASES_SERIAL,   /* the leader does, however large the round */
} mr_perturb_phases;

typedef enum mr_perturb_deal {
    MR_PERTURB_DEAL_WEIGHED, /* as the weights ask for */
    MR_PERTURB_DEAL_COUNTED, /* all items weigh the same, whatever they took */
    MR_PERTURB_DEAL_NONE,    /* lanes stay where they were grouped */
    MR_PERTURB_DEAL_RANDOM,  /* weights are random numbers */
} mr_perturb_deal;

typedef enum mr_perturb_steal {
    MR_PERTURB_STEAL_IDLE,  /* when there is nothing else to do */
    MR_PERTURB_STEAL_NEVER, /* nor stay away */
    MR_PERTURB_STEAL_EAGER, /* at random, before the worker's own lanes are done */
} mr_perturb_steal;

/* All zero is the scheduler as it is. */
typedef struct mr_perturb {
    uint64_t seed;
    uint32_t yield_one_in;  /* yield the core before one in so many steps; 0 is never */
    uint32_t absent_one_in; /* stay away from one in so many phases; 0 is never */
    mr_perturb_size size;
    mr_perturb_phases phases;
    mr_perturb_deal deal;
    mr_perturb_steal steal;
    uint64_t fail_allocation; /* the n-th from now fails, and all after it; 0 is none */
} mr_perturb;

/* mr_scheduler_perturb sets the perturbation; effective from the next run.
 * Threads: while nothing runs. */
void mr_scheduler_perturb(mr_scheduler *scheduler, const mr_perturb *perturb);

#endif
