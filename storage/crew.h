/* SPDX-License-Identifier: Apache-2.0 */
/* crew: some threads that help one other with tasks. Private to storage/.
 *
 *      asleep --begin--> taking tasks --none left--> asleep
 *
 * Who runs a job takes tasks, too, and then waits for those that are still at one. A helper that
 * wakes up when there are none left costs its help and no more. */
#ifndef MR_STORAGE_CREW_H
#define MR_STORAGE_CREW_H

#include "base/error.h"
#include "base/parallel.h"

typedef struct mr_crew mr_crew;

enum { MR_CREW_HELPERS_MAX = 31 };

/* mr_crew_new starts helpers, at most MR_CREW_HELPERS_MAX; 0 makes *out NULL.
 * Errors: MR_NO_MEMORY; MR_IO a thread cannot be started. */
mr_status mr_crew_new(uint32_t helpers_count, mr_crew **out, mr_error *error);

/* mr_crew_free stops and joins the helpers. Accepts NULL. */
void mr_crew_free(mr_crew *crew);

/* mr_crew_workers returns how many threads run the tasks of a job: the helpers and its caller, who
 * is worker 0. */
uint32_t mr_crew_workers(const mr_crew *crew);

/* mr_crew_run runs fn(arg, 0 .. tasks_count - 1) and returns when all have returned. Without a crew
 * (NULL) the caller runs them all, in order. What was written before is seen by the tasks, and what
 * they wrote is seen after it. Threads: one at a time. */
void mr_crew_run(mr_crew *crew, size_t tasks_count, mr_parallel_fn *fn, void *arg);

#endif
