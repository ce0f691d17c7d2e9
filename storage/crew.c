/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

struct mr_crew {
    /* Guarded by `lock`. */
    pthread_mutex_t lock;
    pthread_cond_t called; /* there is a job, or it is time to go */
    pthread_cond_t done;   /* nobody is inside */
    uint64_t job;          /* number of the last one */
    uint32_t inside;       /* helpers that take tasks of it */
    bool stopping;

    /* Of the job: written while nobody is inside. */
    mr_parallel_fn *fn;
    void *arg;
    size_t tasks_count;
    atomic_size_t next_task;

    uint32_t helpers_count;
    struct helper {
        mr_crew *crew;
        uint32_t number; /* as a worker: 1 or more */
        pthread_t thread;
    } helpers[];
};

/* Relaxed: it hands out numbers; `lock` ordered what they mean. */
static void take_tasks(mr_crew *crew, uint32_t worker)
{
    for (;;) {
        const size_t task = atomic_fetch_add_explicit(&crew->next_task, 1, memory_order_relaxed);
        if (task >= crew->tasks_count)
            return;
        crew->fn(crew->arg, task, worker);
    }
}

/* A helper that sees the job late, when its caller has gone on, finds `tasks_count` zero. */
static void *helper_main(void *arg)
{
    const struct helper *self = arg;
    mr_crew *crew = self->crew;
    uint64_t seen = 0;
    pthread_mutex_lock(&crew->lock);
    for (;;) {
        while (crew->job == seen && !crew->stopping)
            pthread_cond_wait(&crew->called, &crew->lock);
        if (crew->stopping)
            break;
        seen = crew->job;
        if (crew->tasks_count == 0)
            continue;
        crew->inside++;
        pthread_mutex_unlock(&crew->lock);
        take_tasks(crew, self->number);
        pthread_mutex_lock(&crew->lock);
        if (--crew->inside == 0)
            pthread_cond_signal(&crew->done);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

static mr_status start(mr_crew *crew, mr_error *error)
{
    struct helper *helper = &crew->helpers[crew->helpers_count];
    helper->crew = crew;
    helper->number = crew->helpers_count + 1;
    int code = pthread_create(&helper->thread, NULL, helper_main, helper);
    if (code != 0)
        return MR_FAIL(error, MR_IO, "a thread of the store cannot be started: %s", strerror(code));
    crew->helpers_count++;
    return MR_OK;
}

mr_status mr_crew_new(uint32_t helpers_count, mr_crew **out, mr_error *error)
{
    MR_ASSERT(helpers_count <= MR_CREW_HELPERS_MAX);
    *out = NULL;
    if (helpers_count == 0)
        return MR_OK;
    mr_crew *crew = calloc(1, sizeof *crew + helpers_count * sizeof crew->helpers[0]);
    if (crew == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a store");
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->called, NULL);
    pthread_cond_init(&crew->done, NULL);
    mr_status status = MR_OK;
    while (status == MR_OK && crew->helpers_count < helpers_count)
        status = start(crew, error);
    if (status != MR_OK) {
        mr_crew_free(crew);
        return status;
    }
    *out = crew;
    return MR_OK;
}

void mr_crew_free(mr_crew *crew)
{
    if (crew == NULL)
        return;
    pthread_mutex_lock(&crew->lock);
    crew->stopping = true;
    pthread_cond_broadcast(&crew->called);
    pthread_mutex_unlock(&crew->lock);
    for (uint32_t i = 0; i < crew->helpers_count; i++)
        pthread_join(crew->helpers[i].thread, NULL);
    pthread_cond_destroy(&crew->done);
    pthread_cond_destroy(&crew->called);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
}

uint32_t mr_crew_workers(const mr_crew *crew)
{
    return crew == NULL ? 1 : 1 + crew->helpers_count;
}

static void begin_job(mr_crew *crew, size_t tasks_count, mr_parallel_fn *fn, void *arg)
{
    pthread_mutex_lock(&crew->lock);
    crew->fn = fn;
    crew->arg = arg;
    crew->tasks_count = tasks_count;
    atomic_store_explicit(&crew->next_task, 0, memory_order_relaxed);
    crew->job++;
    pthread_cond_broadcast(&crew->called);
    pthread_mutex_unlock(&crew->lock);
}

static void end_job(mr_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    while (crew->inside > 0)
        pthread_cond_wait(&crew->done, &crew->lock);
    crew->tasks_count = 0;
    pthread_mutex_unlock(&crew->lock);
}

void mr_crew_run(mr_crew *crew, size_t tasks_count, mr_parallel_fn *fn, void *arg)
{
    if (crew == NULL || tasks_count <= 1) {
        for (size_t task = 0; task < tasks_count; task++)
            fn(arg, task, 0);
        return;
    }
    begin_job(crew, tasks_count, fn, arg);
    take_tasks(crew, 0);
    end_job(crew);
}
