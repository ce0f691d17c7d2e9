/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler: runs keyed, ordered items on pinned workers in rounds. It knows nothing of messages.
 *
 * A *round* takes a list of items. Each item has a position in the list and a *lane* (the program
 * it is for). Lanes are dealt to *streams*, one worker thread each; a stream handles the items of
 * one lane in position order and never shares a lane with another stream. While it handles position
 * p it emits new items, tagged (p, 0), (p, 1) ... The output of the round is everything emitted, in
 * tag order, which is exactly what one worker taking items off one FIFO queue would have appended.
 *
 *      serial: next()        all workers            all workers         all workers
 *     +---------------+   +------------------+   +----------------+   +----------------+
 *  -->| choose items  |-->| partition: weigh |-->| run: lane by   |-->| merge: prefix  |--> next()
 *     | of this round |   | lanes, deal them |   | lane, steal at |   | sums, scatter  |
 *     +---------------+   +------------------+   | the end        |   | in tag order   |
 *                                                +----------------+   +----------------+
 *
 * A phase ends when the last worker inside has left it; that one leads to the next, and runs
 * next(). A worker that does not come in time is not waited for: others do its part. Rounds too
 * small to be worth waking anybody are run whole by one worker, with the same result. What the
 * scheduler learns on the way (how long an item of a lane takes, where it ran last) decides who
 * runs a lane and when, and never shows in an output. */
#ifndef MR_SCHEDULER_SCHEDULER_H
#define MR_SCHEDULER_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/parallel.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_scheduler mr_scheduler;
typedef struct mr_round mr_round;

/* A lane is embedded in the caller's object (a program). Zero it before first use and set the key;
 * the private fields belong to the scheduler. A lane may be used with one scheduler after another,
 * not with two at once. */
typedef struct mr_lane {
    uint64_t key; /* set by the caller: spreads lanes over streams; equal keys are harmless */
    struct {
        uint64_t stamp;   /* round in which `slot` was given, unique in the process */
        uint32_t slot;    /* index in the list of the stream that groups it */
        uint32_t home;    /* stream that ran it last, plus 1; 0 is none yet */
        uint32_t item_ns; /* moving average of what an item of it takes; 0 is not measured */
        uint32_t unused;
    } private_;
} mr_lane;

/* One entry of a round's input or output. */
typedef struct mr_item {
    void *object;  /* the caller's (a dispatch); never touched here */
    mr_lane *lane; /* destination; NULL is allowed in outputs, never in inputs */
    uint64_t cost; /* the caller's measure (gas limit); summed, see mr_round_output_cost */
} mr_item;

enum { MR_AHEAD_MAX = 4 };

enum { MR_CHANNELS_MAX = 2 }; /* independent ordered outputs of a round */

/* Items of one lane in one round, in position order. */
typedef struct mr_work {
    void *const *objects;
    const uint32_t *positions; /* index of each in the round's input */
    size_t count;              /* 1 or more */
} mr_work;

typedef struct mr_round_ops {
    /* next chooses the items of the next round, or returns 0 to end. Called by one thread, all
     * others waiting. It may read mr_round_output of the round that has just ended (empty before
     * the first), and returns in *items an array it keeps alive and unchanged until it is called
     * again. At most UINT32_MAX items. */
    size_t (*next)(void *ctx, mr_round *round, const mr_item **items);

    /* run handles the items of one lane in the order of `work`, calling mr_round_emit on the way.
     * `stream` is the worker (0 .. streams - 1); one lane is never run twice in a round. `work`
     * and its arrays live until run returns. */
    void (*run)(void *ctx, mr_round *round, uint32_t stream, mr_lane *lane, const mr_work *work);

    /* take, which may be NULL, is shown the round's items once, in slices: those at positions
     * begin .. begin + count - 1. Any worker, slices side by side, before any item is run. */
    void (*take)(void *ctx, const mr_item *items, size_t begin, size_t count);

    /* ahead, which may be NULL, is told before a lane is run which ones this worker will run after
     * it, up to MR_AHEAD_MAX: the lane, its items, and how far off it is, 1 being next. So that
     * caches can be asked for what these need, and what can be made ready is. Not all are
     * announced; those that are, are run by this worker in this order. `work` goes, its arrays stay
     * until the lane has been run. */
    void (*ahead)(void *ctx, uint32_t stream, mr_lane *lane, const mr_work *work,
                  uint32_t distance);
} mr_round_ops;

typedef struct mr_scheduler_options {
    uint32_t streams;  /* workers; 0 is one per core this process may use */
    bool pin;          /* bind each worker to a core with hwloc */
    uint32_t channels; /* ordered outputs in use, 1 .. MR_CHANNELS_MAX */
} mr_scheduler_options;

/* Where the time went, in nanoseconds since mr_scheduler_new, summed over rounds. A phase's time is
 * from its opening to its end, on the wall clock. */
typedef struct mr_scheduler_times {
    uint64_t next_ns;      /* serial: the caller's next() */
    uint64_t partition_ns; /* parallel part */
    uint64_t deal_ns;      /* serial: dealing lanes to streams */
    uint64_t run_ns;
    uint64_t merge_ns;
    uint64_t small_ns;  /* rounds run by one worker, next() not included */
    uint64_t serial_ns; /* all time during which only one worker could work, next and deal
                         * included, waiting for stragglers and small rounds not */
    uint64_t total_ns;  /* wall time inside mr_scheduler_run */
    uint64_t rounds;
    uint64_t rounds_small; /* of these, run whole by one worker */
    uint64_t items;
    uint64_t lanes_stolen;
} mr_scheduler_times;

enum { MR_STREAMS_MAX = 1024 };

/* mr_scheduler_new starts the workers. A machine that refuses pinning still works; see
 * mr_scheduler_describe. Any number of streams on any number of cores gives the same results.
 * Errors: MR_NO_MEMORY; MR_LIMIT more than MR_STREAMS_MAX streams; MR_IO threads cannot be started.
 */
mr_status mr_scheduler_new(const mr_scheduler_options *options, mr_scheduler **out,
                           mr_error *error);

/* mr_scheduler_trim gives back the memory that is kept between rounds, a few hundred bytes for
 * every item of the largest so far. Threads: while nothing runs. */
void mr_scheduler_trim(mr_scheduler *scheduler);

/* mr_scheduler_free stops and joins the workers. Accepts NULL. */
void mr_scheduler_free(mr_scheduler *scheduler);

uint32_t mr_scheduler_streams(const mr_scheduler *scheduler);

/* mr_scheduler_describe writes one sentence: streams, cores, whether pinned and if not why. */
void mr_scheduler_describe(const mr_scheduler *scheduler, char *text, size_t text_bytes);

/* mr_scheduler_run runs rounds until next() returns 0. The caller's thread sleeps meanwhile.
 * Errors:  MR_NO_MEMORY; MR_LIMIT a round has more than UINT32_MAX items or emits more than that on
 *          a channel; MR_STATE called from a worker. next() is not called again after the first
 *          two. The round that failed has run whole or not at all, and its output is lost: what the
 *          items changed is incomplete and for the caller to throw away.
 * Threads: one call at a time, from a thread that is no worker. */
mr_status mr_scheduler_run(mr_scheduler *scheduler, const mr_round_ops *ops, void *ctx);

/* mr_scheduler_parallel returns an executor over the same workers. Tasks are taken by whichever
 * worker is free.
 * Threads: any. From next(), and from outside while nothing runs, all workers help. In all other
 *          cases (from run() or from a task, or while another thread is using the workers) the
 *          caller runs every task itself, as the worker it is or, when it is none, as worker 0.
 * Order:   what the caller wrote is seen by the tasks, what they wrote by the caller after. */
mr_parallel mr_scheduler_parallel(mr_scheduler *scheduler);

/* mr_scheduler_times_get copies the times. Threads: while nothing runs, and from next(). */
void mr_scheduler_times_get(const mr_scheduler *scheduler, mr_scheduler_times *out);

/* mr_round_emit appends `count` items to output `channel`, tagged with `position`, which must be
 * that of an item of the lane being run. Positions must not fall within one call of run(): all
 * emissions of an item come before those of the lane's next. Copies the items.
 * Threads: the worker running the lane. Wait-free; allocates rarely (chunks, kept between rounds).
 * Errors: a failure to allocate is remembered and returned by mr_scheduler_run. */
void mr_round_emit(mr_round *round, uint32_t stream, uint32_t channel, uint32_t position,
                   const mr_item *items, size_t count);

/* mr_round_output yields what the round that has just ended emitted on `channel`, in tag order.
 * Valid inside next() only; the array may be kept as the input of the round it chooses, and stays
 * until the next() after that. */
size_t mr_round_output(const mr_round *round, uint32_t channel, const mr_item **items);

/* mr_round_output_cost returns the sum of the costs of that output, UINT64_MAX if it is more. */
uint64_t mr_round_output_cost(const mr_round *round, uint32_t channel);

#ifdef __cplusplus
}
#endif

#endif
