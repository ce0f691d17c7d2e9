/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the scheduler share. Three roles touch it:
 *
 *   worker     runs phases. A phase consists of tasks, each of which is claimed once and belongs to
 *              whoever claimed it: slice i, or the lists of stream i, wherever they are stored
 *   leader     the worker that left a phase last, until it opens the next; it alone writes mr_round
 *              and the scheduler's own members, while nobody is inside a phase
 *   caller     the thread in mr_scheduler_run or a batch of tasks; writes while all workers wait
 *
 * A member without a remark is written in one phase and read in a later one. The gate orders the
 * two: what a worker wrote before mr_gate_leave (release) is seen by the leader (acquire) and,
 * through the word (release, acquire), by every worker that enters the next phase. */
#ifndef MR_SCHEDULER_SCHEDULER_INTERNAL_H
#define MR_SCHEDULER_SCHEDULER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <urcu/wfcqueue.h>

#include "base/assert.h"
#include "scheduler/cores.h"
#include "scheduler/gate.h"
#include "scheduler/perturb.h"
#include "scheduler/scheduler.h"

#define MR_OWN_LINE _Alignas(MR_LINE_BYTES)

enum {
    MR_ITEM_NS_MAX = (1 << 27) - 1, /* longer items weigh no more, so that no sum overflows */
    MR_HEAVIES_MAX = 16,            /* lanes a stream offers to be dealt one by one */
    MR_OUTBOX_CHUNK_RECORDS = 1023, /* 32 KiB with the header */
};

static_assert(1 << (MR_GATE_CLASSES - 1) == MR_STREAMS_MAX, "the last class is all workers");

typedef enum mr_phase {
    MR_PHASE_LEAD,     /* worker 0 begins a run */
    MR_PHASE_SPLIT,    /* slices of the input are split by stream */
    MR_PHASE_GROUP,    /* the items of each stream are grouped by lane */
    MR_PHASE_RUN,      /* lanes run */
    MR_PHASE_SUM,      /* the emission counts of slices of positions are summed up */
    MR_PHASE_BASE,     /* and turned into output indices */
    MR_PHASE_SCATTER,  /* what each worker emitted is copied to its place */
    MR_PHASE_PARALLEL, /* tasks of mr_parallel */
    MR_PHASE_STOP,     /* threads end */
} mr_phase;

typedef struct mr_worker mr_worker;

/* An array that only grows; contents are lost when it does. */
typedef struct mr_room {
    void *at;
    size_t bytes;
} mr_room;

/* One input item on its way to the stream of its lane. */
typedef struct mr_entry {
    mr_lane *lane;
    void *object;
    uint32_t position;
    uint32_t slot; /* index of its lane in the list of the stream, once grouped */
} mr_entry;

/* What one slice of the input holds for one stream, in position order. */
typedef struct mr_parcel {
    struct cds_wfcq_node node; /* in the inbox of the stream */
    uint32_t slice;
    uint32_t count;
    mr_entry *entries;
} mr_parcel;

/* A lane of this round in the list of the stream that grouped it. */
typedef struct mr_member {
    mr_lane *lane;
    uint64_t before; /* weight of the light lanes before it in the list */
    uint32_t end;    /* of its items in `objects` and `positions` */
    uint32_t count;
} mr_member;

/* A lane heavy enough to be dealt by itself. */
typedef struct mr_heavy {
    mr_worker *owner; /* stream that grouped it */
    uint32_t index;   /* in the owner's list */
    uint64_t weight;
} mr_heavy;

/* Lanes begin .. end - 1 of the list of `owner`, as a part of what a stream is to run. */
typedef struct mr_part {
    mr_worker *owner;
    uint32_t begin;
    uint32_t end;
    uint32_t upto; /* lanes in this part and those before it */
    uint32_t next; /* index in the scheduler's parts; 0 is none */
} mr_part;

typedef struct mr_record {
    mr_item item;
    uint32_t position;
    uint32_t number; /* of the emission at that position */
} mr_record;

typedef struct mr_outbox_chunk {
    struct mr_outbox_chunk *next;
    size_t count;
    mr_record records[MR_OUTBOX_CHUNK_RECORDS];
} mr_outbox_chunk;

/* What one stream emitted on one channel, in the order it did. */
typedef struct mr_outbox {
    mr_record *at, *end; /* free records of `current` */
    uint32_t position;   /* of the last emission */
    uint32_t number;     /* emissions at it so far */
    bool sorted;         /* positions never fell */
    mr_outbox_chunk *current;
    mr_outbox_chunk *first;
    size_t full;   /* records in the chunks before `current` */
    uint64_t cost; /* saturating sum */
} mr_outbox;

struct mr_worker {
    mr_scheduler *scheduler;
    uint32_t index;
    bool leading; /* in the serial part between two phases; own thread only */
    pthread_t thread;

    /* Split: the entries of the slice, sorted by stream, and the list of where they are. */
    mr_room entries;
    mr_room streams;    /* uint16_t: stream of each item of the slice */
    mr_parcel *parcels; /* one per stream */

    /* Group: the stream's items, lane by lane. */
    mr_room objects;    /* void * */
    mr_room positions;  /* uint32_t */
    mr_room members;    /* mr_member */
    mr_parcel **slices; /* parcels received, by slice */
    uint32_t members_count;
    uint32_t heavies_count;           /* the first members of the list, by falling weight */
    uint64_t heavies[MR_HEAVIES_MAX]; /* their weights */
    uint64_t light_weight;            /* of all other members */

    /* Deal: what the stream is to run. Written by the leader. */
    uint64_t load;        /* weight dealt so far */
    uint32_t light_end;   /* light members kept are heavies_count .. light_end - 1 */
    uint32_t parts_first; /* index in the scheduler's parts; 0 is none */
    uint32_t parts_last;
    uint32_t single; /* lanes at the front that are taken one at a time */

    /* Run. Written all the time by the worker, so apart from what thieves read. */
    MR_OWN_LINE uint64_t ran; /* stamp of the last round in which the worker emitted */
    uint32_t emitter;         /* its index among the workers that did; written by the leader */
    mr_outbox outboxes[MR_CHANNELS_MAX];
    uint64_t light_ns; /* time in light lanes, and their items */
    uint64_t light_items;
    uint64_t run_ns; /* time in all lanes, and their items */
    uint64_t run_items;
    uint64_t stolen;

    /* Merge. */
    uint64_t sums[MR_CHANNELS_MAX]; /* emissions at the positions of the slice */

    /* Parcels for this stream. Tail: written by every worker while splitting. Head: the stream. */
    MR_OWN_LINE struct cds_wfcq_tail inbox_tail;
    MR_OWN_LINE struct __cds_wfcq_head inbox_head;

    /* Lanes of the parts not yet started: begin in the low half, end in the high. Taken by the
     * stream at the beginning and by thieves at the end; both write it. Set by the leader. */
    MR_OWN_LINE _Atomic uint64_t lanes_left;
};

typedef struct mr_output {
    mr_item *items;
    size_t count;
    uint64_t cost;
    mr_room room;
} mr_output;

struct mr_round {
    mr_scheduler *scheduler;
    const mr_item *items;
    size_t count;
    uint64_t stamp;
    uint32_t turn; /* which of the outputs is being filled; the other one is published */
    uint32_t *counts[MR_CHANNELS_MAX]; /* per position: emissions, later the first output index */
    mr_room counts_room[MR_CHANNELS_MAX];
    mr_output outputs[MR_CHANNELS_MAX][2];
};

typedef struct mr_job {
    mr_parallel_fn *fn;
    void *arg;
    size_t tasks_count;
    bool outside; /* who started it is no worker and waits for the last task to be taken */
    MR_OWN_LINE _Atomic size_t next; /* written by all workers */
} mr_job;

struct mr_scheduler {
    /* Set once by mr_scheduler_new. */
    uint32_t workers_count;
    uint32_t channels;
    uint32_t spin_ns; /* how long to wait before parking */
    uint32_t cores_count;
    uint32_t places; /* hardware threads there are to run on */
    bool pin_asked;
    bool pin;
    mr_cores *cores;
    mr_worker **workers;
    mr_perturb perturb;
    uint64_t perturbed; /* how often it was set */

    /* The leader's. */
    const mr_round_ops *ops;
    void *ctx;
    mr_status status;   /* of the run */
    mr_phase phase;     /* in progress or just ended */
    uint32_t class;     /* of the round in progress */
    uint32_t active;    /* workers in the round in progress */
    uint32_t slices;    /* of its input; 1 when the leader partitions it alone, else active */
    uint64_t missed_ns; /* what parked workers could have done in the last rounds */
    uint64_t word;      /* last word of the gate */
    uint64_t phase_began_ns;
    uint64_t item_ns;       /* moving average over all items, in 1/16 ns */
    uint64_t light_item_ns; /* over items of lanes not measured by themselves, in 1/16 ns */
    uint64_t heavy_weight;  /* lanes of this weight are dealt one by one */
    uint32_t batch_lanes;   /* light lanes a stream takes at once */
    mr_heavy *heavies;      /* room for MR_HEAVIES_MAX a stream */
    mr_part *parts;         /* room for all there can be; parts[0] is not used */
    uint32_t parts_count;
    mr_worker **emitters; /* workers that took part in RUN */
    uint32_t emitters_count;
    uint32_t tasks_count; /* of the phase in progress */
    mr_round round;
    mr_scheduler_times times;
    mr_job job;

    MR_OWN_LINE mr_gate gate;
    /* A bit for every task of the phase that has been claimed. Written by all workers. */
    MR_OWN_LINE _Atomic uint64_t claims[MR_STREAMS_MAX / 64];
    /* First failure of a phase, an mr_status. Written by any worker, read by the leader. */
    MR_OWN_LINE _Atomic uint32_t failure;
    /* Held by the caller that uses the workers; guards everything a caller writes. */
    pthread_mutex_t use;
    _Atomic uint32_t started; /* threads; written by them as they start */
    mr_signal run_done;       /* set by the leader, awaited by the caller of mr_scheduler_run */
    mr_signal job_taken;      /* set by who took the last task, awaited by a caller */
    mr_signal job_done;       /* set by who leaves last, awaited by who started the job */
    _Atomic uint32_t absent_one_in;    /* of the perturbation */
    _Atomic uint64_t allocations_left; /* before one fails; only counted under perturbation */
    _Atomic int pin_errno;             /* first refusal; written by workers as they start */
};

/* memory.c */
bool mr_room_reserve(mr_scheduler *scheduler, mr_room *room, size_t count, size_t element_bytes);
void mr_room_fini(mr_room *room);
void *mr_scheduler_alloc(mr_scheduler *scheduler, size_t bytes);

/* mr_fail records the first failure of a round. Threads: any worker. */
void mr_fail(mr_scheduler *scheduler, mr_status status);
bool mr_failed(mr_scheduler *scheduler);

/* perturb.c */
void mr_perturb_step_slow(const mr_scheduler *scheduler);

/* mr_perturb_random draws from the calling worker's sequence. Threads: inside a phase. */
uint64_t mr_perturb_random(const mr_scheduler *scheduler);

/* mr_perturb_absent tells whether the calling worker is to stay away from a phase. */
bool mr_perturb_absent(mr_scheduler *scheduler);

/* mr_perturb_step is called inside phases, where the order of two workers could matter. */
static inline void mr_perturb_step(const mr_scheduler *scheduler)
{
    if (__builtin_expect(scheduler->perturb.yield_one_in != 0, 0))
        mr_perturb_step_slow(scheduler);
}

/* partition.c */
void mr_split_slice(mr_scheduler *scheduler, uint32_t slice);
void mr_group_inbox(mr_worker *stream);
bool mr_group_all(mr_worker *worker);

/* deal.c */
/* mr_deal decides who runs what, and returns the expected time of all in ns, and of the worker
 * with the most to do. */
typedef struct mr_deal_ns {
    uint64_t total_ns;
    uint64_t longest_ns;
} mr_deal_ns;
mr_deal_ns mr_deal(mr_scheduler *scheduler);

/* run.c */
void mr_run_lanes(mr_worker *worker);
void mr_run_single(mr_worker *worker);
void mr_run_dealt(mr_worker *worker);

/* merge.c */
void mr_outbox_reset(mr_worker *worker);
void mr_outbox_fini(mr_outbox *box);
size_t mr_outbox_count(const mr_outbox *box);
void mr_merge_sum(mr_scheduler *scheduler, uint32_t slice);
void mr_merge_reserve(mr_scheduler *scheduler);
void mr_merge_forget(mr_scheduler *scheduler);
void mr_merge_base(mr_scheduler *scheduler, uint32_t slice);
void mr_merge_scatter(mr_scheduler *scheduler, uint32_t emitter);
void mr_merge_all(mr_scheduler *scheduler);

/* round.c */
void mr_work_phases(mr_worker *worker);

/* scheduler.c */
uint32_t mr_scheduler_self(void); /* index of the calling worker */
void mr_job_help(mr_worker *worker, uint64_t word);

/* The slice of `count` things that belongs to the index-th of `parts`. */
static inline size_t mr_slice_begin(size_t count, uint32_t index, uint32_t parts)
{
    return (size_t)((unsigned __int128)count * index / parts);
}

#endif
