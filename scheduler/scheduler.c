/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/scheduler.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "scheduler/rcu.h"
#include "scheduler/scheduler_internal.h"

enum {
    /* How long a worker waits before it parks. Waking a parked one was measured at 35 us, so that
     * waiting about as long never costs much more than twice the better choice. */
    SPIN_NS = 50000,
    ITEM_NS_GUESS = 500, /* until something has been measured */
    SCHEDULER_BITS = 24, /* of a stamp, above those of the round */
};

/* The worker the thread is, or NULL. */
static _Thread_local mr_worker *self;

/* Numbers schedulers, so that no two rounds of a process have the same stamp. */
static _Atomic uint64_t schedulers_made;

uint32_t mr_scheduler_self(void)
{
    return self->index;
}

static void *worker_main(void *arg)
{
    mr_worker *worker = arg;
    mr_scheduler *scheduler = worker->scheduler;
    self = worker;
    char name[16];
    (void)snprintf(name, sizeof name, "mr-stream-%u", worker->index);
    (void)pthread_setname_np(pthread_self(), name);
    if (scheduler->pin) {
        int refusal = mr_cores_bind(scheduler->cores, worker->index);
        if (refusal != 0)
            atomic_store_explicit(&scheduler->pin_errno, refusal, memory_order_relaxed);
    }
    mr_rcu_register();
    /* Release and acquire: who waits for the last one reads pin_errno. */
    if (atomic_fetch_add_explicit(&scheduler->started, 1, memory_order_acq_rel) + 1 ==
        scheduler->workers_count)
        mr_signal_set(&scheduler->run_done);
    mr_work_phases(worker);
    mr_rcu_unregister();
    return NULL;
}

static void worker_trim(mr_worker *worker)
{
    mr_room_fini(&worker->entries);
    mr_room_fini(&worker->streams);
    mr_room_fini(&worker->objects);
    mr_room_fini(&worker->positions);
    mr_room_fini(&worker->members);
    for (uint32_t channel = 0; channel < MR_CHANNELS_MAX; channel++)
        mr_outbox_fini(&worker->outboxes[channel]);
}

static void worker_free(mr_worker *worker)
{
    if (worker == NULL)
        return;
    worker_trim(worker);
    free(worker->parcels);
    free(worker->slices);
    free(worker);
}

static mr_worker *worker_new(mr_scheduler *scheduler, uint32_t index)
{
    mr_worker *worker = aligned_alloc(MR_LINE_BYTES, sizeof *worker);
    if (worker == NULL)
        return NULL;
    memset(worker, 0, sizeof *worker);
    worker->scheduler = scheduler;
    worker->index = index;
    worker->parcels = calloc(scheduler->workers_count, sizeof *worker->parcels);
    worker->slices = calloc(scheduler->workers_count, sizeof *worker->slices);
    __cds_wfcq_init(&worker->inbox_head, &worker->inbox_tail);
    if (worker->parcels == NULL || worker->slices == NULL) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

static void trim_round(mr_round *round)
{
    for (uint32_t channel = 0; channel < MR_CHANNELS_MAX; channel++) {
        mr_room_fini(&round->counts_room[channel]);
        mr_room_fini(&round->outputs[channel][0].room);
        mr_room_fini(&round->outputs[channel][1].room);
    }
}

static void release(mr_scheduler *scheduler)
{
    for (uint32_t i = 0; scheduler->workers != NULL && i < scheduler->workers_count; i++)
        worker_free(scheduler->workers[i]);
    free(scheduler->workers);
    trim_round(&scheduler->round);
    free(scheduler->emitters);
    free(scheduler->heavies);
    free(scheduler->parts);
    mr_cores_free(scheduler->cores);
    (void)pthread_mutex_destroy(&scheduler->use);
    free(scheduler);
}

/* Opens the gate for all threads and joins the first `started`. */
static void stop(mr_scheduler *scheduler, uint32_t started)
{
    scheduler->word =
        mr_gate_next(scheduler->word, MR_PHASE_STOP, mr_gate_class(scheduler->workers_count));
    mr_gate_call(&scheduler->gate, scheduler->word);
    for (uint32_t i = 0; i < started; i++)
        (void)pthread_join(scheduler->workers[i]->thread, NULL);
}

static mr_status allocate(mr_scheduler *scheduler)
{
    uint32_t count = scheduler->workers_count;
    scheduler->workers = calloc(count, sizeof *scheduler->workers);
    scheduler->emitters = calloc(count, sizeof *scheduler->emitters);
    scheduler->heavies = calloc((size_t)count * MR_HEAVIES_MAX, sizeof *scheduler->heavies);
    /* Part 0 is not used; one for every heavy lane; one's own for every stream; and every shift of
     * light lanes serves a giver or a taker, each of which is served once. */
    scheduler->parts = calloc((size_t)count * (MR_HEAVIES_MAX + 3) + 1, sizeof *scheduler->parts);
    if (scheduler->workers == NULL || scheduler->emitters == NULL || scheduler->heavies == NULL ||
        scheduler->parts == NULL)
        return MR_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        scheduler->workers[i] = worker_new(scheduler, i);
        if (scheduler->workers[i] == NULL)
            return MR_NO_MEMORY;
    }
    return MR_OK;
}

/* Of a worker: what it runs may recurse deeply. Memory is used only where that happens. */
enum { STACK_BYTES = 32 << 20 };

static bool start_threads(mr_scheduler *scheduler)
{
    /* Signals are for the threads of the program that uses the library, not for workers. */
    sigset_t all, before;
    pthread_attr_t how;
    if (pthread_attr_init(&how) != 0)
        return false;
    (void)pthread_attr_setstacksize(&how, STACK_BYTES);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    uint32_t count = 0;
    while (count < scheduler->workers_count &&
           pthread_create(&scheduler->workers[count]->thread, &how, worker_main,
                          scheduler->workers[count]) == 0)
        count++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&how);
    if (count < scheduler->workers_count) {
        stop(scheduler, count);
        return false;
    }
    mr_signal_wait(&scheduler->run_done, 0);
    return true;
}

mr_status mr_scheduler_new(const mr_scheduler_options *options, mr_scheduler **out, mr_error *error)
{
    if (options->streams > MR_STREAMS_MAX)
        return MR_FAIL(error, MR_LIMIT, "%u streams asked for; at most %d are possible",
                       options->streams, MR_STREAMS_MAX);
    if (options->channels < 1 || options->channels > MR_CHANNELS_MAX)
        return MR_FAIL(error, MR_LIMIT, "%u channels asked for; 1 to %d are possible",
                       options->channels, MR_CHANNELS_MAX);
    mr_scheduler *scheduler = aligned_alloc(MR_LINE_BYTES, sizeof *scheduler);
    if (scheduler == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "no memory for a scheduler");
    memset(scheduler, 0, sizeof *scheduler);
    (void)pthread_mutex_init(&scheduler->use, NULL);
    scheduler->round.scheduler = scheduler;
    scheduler->channels = options->channels;
    scheduler->item_ns = scheduler->light_item_ns = ITEM_NS_GUESS * 16;
    uint64_t number = atomic_fetch_add_explicit(&schedulers_made, 1, memory_order_relaxed) + 1;
    scheduler->round.stamp = number << (64 - SCHEDULER_BITS);
    if (mr_cores_new(&scheduler->cores) != MR_OK) {
        release(scheduler);
        return MR_FAIL(error, MR_NO_MEMORY, "no memory for the topology of the machine");
    }
    scheduler->cores_count = mr_cores_count(scheduler->cores);
    scheduler->places = mr_cores_threads(scheduler->cores);
    uint32_t streams = options->streams != 0 ? options->streams : scheduler->cores_count;
    scheduler->workers_count = streams < MR_STREAMS_MAX ? streams : MR_STREAMS_MAX;
    /* With more workers than places to run, spinning keeps the one awaited from running, and
     * binding keeps the kernel from making the best of it. */
    scheduler->pin_asked = options->pin;
    scheduler->pin = options->pin && scheduler->workers_count <= scheduler->places;
    scheduler->spin_ns = scheduler->workers_count <= scheduler->places ? SPIN_NS : 0;
    if (allocate(scheduler) != MR_OK) {
        release(scheduler);
        return MR_FAIL(error, MR_NO_MEMORY, "no memory for %u streams", streams);
    }
    if (!start_threads(scheduler)) {
        release(scheduler);
        return MR_FAIL(error, MR_IO, "the system refuses to start %u threads", streams);
    }
    *out = scheduler;
    return MR_OK;
}

void mr_scheduler_free(mr_scheduler *scheduler)
{
    if (scheduler == NULL)
        return;
    stop(scheduler, scheduler->workers_count);
    release(scheduler);
}

void mr_scheduler_trim(mr_scheduler *scheduler)
{
    (void)pthread_mutex_lock(&scheduler->use);
    for (uint32_t i = 0; i < scheduler->workers_count; i++)
        worker_trim(scheduler->workers[i]);
    trim_round(&scheduler->round);
    (void)pthread_mutex_unlock(&scheduler->use);
}

uint32_t mr_scheduler_streams(const mr_scheduler *scheduler)
{
    return scheduler->workers_count;
}

void mr_scheduler_describe(const mr_scheduler *scheduler, char *text, size_t text_bytes)
{
    int refusal = atomic_load_explicit(&scheduler->pin_errno, memory_order_relaxed);
    const char *pinned = "each pinned to one";
    char refused[64];
    if (!scheduler->pin_asked) {
        pinned = "not pinned, as asked";
    } else if (!scheduler->pin) {
        pinned = "not pinned, there being more streams than places to run";
    } else if (refusal != 0) {
        (void)snprintf(refused, sizeof refused, "not pinned, the system refuses it (errno %d)",
                       refusal);
        pinned = refused;
    }
    (void)snprintf(text, text_bytes, "%u stream%s on %u core%s, %s", scheduler->workers_count,
                   scheduler->workers_count == 1 ? "" : "s", scheduler->cores_count,
                   scheduler->cores_count == 1 ? "" : "s", pinned);
}

mr_status mr_scheduler_run(mr_scheduler *scheduler, const mr_round_ops *ops, void *ctx)
{
    if (self != NULL && self->scheduler == scheduler)
        return MR_STATE;
    bool reader = mr_rcu_registered();
    if (reader)
        mr_rcu_offline();
    (void)pthread_mutex_lock(&scheduler->use);
    uint64_t began_ns = mr_clock_ns();
    scheduler->ops = ops;
    scheduler->ctx = ctx;
    scheduler->status = MR_OK;
    scheduler->phase = MR_PHASE_LEAD;
    atomic_store_explicit(&scheduler->failure, MR_OK, memory_order_relaxed);
    mr_merge_forget(scheduler);
    scheduler->word = mr_gate_next(scheduler->word, MR_PHASE_LEAD, 0);
    mr_gate_call(&scheduler->gate, scheduler->word);
    mr_signal_wait(&scheduler->run_done, 0);
    mr_status status = scheduler->status;
    scheduler->times.total_ns += mr_clock_ns() - began_ns;
    (void)pthread_mutex_unlock(&scheduler->use);
    if (reader)
        mr_rcu_online();
    return status;
}

void mr_scheduler_times_get(const mr_scheduler *scheduler, mr_scheduler_times *out)
{
    *out = scheduler->times;
}

/* Takes tasks until none is left; true for the one who finds that first. */
static bool take_tasks(mr_job *job, uint32_t worker)
{
    for (;;) {
        size_t task = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);
        if (task >= job->tasks_count)
            return task == job->tasks_count;
        job->fn(job->arg, task, worker);
    }
}

void mr_job_help(mr_worker *worker, uint64_t word)
{
    mr_scheduler *scheduler = worker->scheduler;
    if (!mr_gate_enter(&scheduler->gate, word))
        return;
    if (take_tasks(&scheduler->job, worker->index) && scheduler->job.outside)
        mr_signal_set(&scheduler->job_taken);
    mr_rcu_quiescent();
    if (mr_gate_leave(&scheduler->gate))
        mr_signal_set(&scheduler->job_done);
}

/* Runs a job on as many workers as it has tasks. `leader` is the calling worker, or NULL. */
static void run_job(mr_scheduler *scheduler, mr_worker *leader, size_t tasks_count,
                    mr_parallel_fn *fn, void *arg)
{
    mr_job *job = &scheduler->job;
    uint32_t most = scheduler->workers_count;
    uint32_t class = mr_gate_class(tasks_count < most ? (uint32_t)tasks_count : most);
    job->fn = fn;
    job->arg = arg;
    job->tasks_count = tasks_count;
    job->outside = leader == NULL;
    atomic_store_explicit(&job->next, 0, memory_order_relaxed);
    scheduler->word = mr_gate_next(scheduler->word, MR_PHASE_PARALLEL, class);
    mr_gate_open(&scheduler->gate, scheduler->word);
    /* Whoever starts a job is inside until there is no task left to enter for. */
    if (leader != NULL)
        (void)take_tasks(job, leader->index);
    else
        mr_signal_wait(&scheduler->job_taken, 0);
    if (!mr_gate_leave(&scheduler->gate))
        mr_signal_wait(&scheduler->job_done, leader != NULL ? scheduler->spin_ns : 0);
}

static void run_tasks(void *arg_scheduler, size_t tasks_count, mr_parallel_fn *fn, void *arg)
{
    mr_scheduler *scheduler = arg_scheduler;
    mr_worker *worker = self != NULL && self->scheduler == scheduler ? self : NULL;
    if (tasks_count == 0)
        return;
    if (worker != NULL && worker->leading) {
        /* A task of the job may ask for tasks again: it does them alone. */
        worker->leading = false;
        run_job(scheduler, worker, tasks_count, fn, arg);
        worker->leading = true;
        return;
    }
    if (worker == NULL && pthread_mutex_trylock(&scheduler->use) == 0) {
        bool reader = mr_rcu_registered();
        if (reader)
            mr_rcu_offline();
        run_job(scheduler, NULL, tasks_count, fn, arg);
        if (reader)
            mr_rcu_online();
        (void)pthread_mutex_unlock(&scheduler->use);
        return;
    }
    for (size_t task = 0; task < tasks_count; task++)
        fn(arg, task, worker != NULL ? worker->index : 0);
}

mr_parallel mr_scheduler_parallel(mr_scheduler *scheduler)
{
    return (mr_parallel){
        .run = run_tasks, .self = scheduler, .workers_count = scheduler->workers_count};
}
