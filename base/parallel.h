/* SPDX-License-Identifier: Apache-2.0 */
/* parallel: how a layer that knows no threads asks for its work to be spread over them. The
 * scheduler implements it; a NULL or zero executor runs everything on the caller. */
#ifndef MR_BASE_PARALLEL_H
#define MR_BASE_PARALLEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One task of a batch: `task` counts from 0, `worker` names the thread that runs it (0 to
 * workers_count - 1; two tasks with the same worker never overlap). */
typedef void mr_parallel_fn(void *arg, size_t task, uint32_t worker);

typedef struct mr_parallel {
    /* Runs fn(arg, 0 .. tasks_count - 1) and returns when all have returned. */
    void (*run)(void *self, size_t tasks_count, mr_parallel_fn *fn, void *arg);
    void *self;
    uint32_t workers_count; /* 1 or more */
} mr_parallel;

static inline void mr_parallel_run(const mr_parallel *parallel, size_t tasks_count,
                                   mr_parallel_fn *fn, void *arg)
{
    if (parallel != NULL && parallel->run != NULL && tasks_count > 1) {
        parallel->run(parallel->self, tasks_count, fn, arg);
        return;
    }
    for (size_t task = 0; task < tasks_count; task++)
        fn(arg, task, 0);
}

#ifdef __cplusplus
}
#endif

#endif
