/* SPDX-License-Identifier: Apache-2.0 */
/* The run phase: a stream takes its lanes from the front of its list, a few light ones at a time;
 * when it has none left it takes from others' lists. One compare-and-swap of
 * `lanes_left` hands out lanes, so a lane is handed out once. */
#include "scheduler/scheduler_internal.h"

#include <sched.h>

#include "base/clock.h"

enum {
    TIMED_COUNT_MIN = 16,     /* a lane with so many items is timed by itself */
    TIMED_ITEM_NS_MIN = 4000, /* and all are, when reading the clock is nothing beside an item */
};

/* Time passes from one reading to the next; what ran between them is accounted together. */
typedef struct stopwatch {
    uint64_t since_ns;
    uint64_t items; /* of light lanes, run since then */
} stopwatch;

static void account_light(mr_worker *worker, stopwatch *watch)
{
    uint64_t now_ns = mr_clock_ns();
    worker->light_ns += now_ns - watch->since_ns;
    worker->light_items += watch->items;
    *watch = (stopwatch){.since_ns = now_ns};
}

static void account_lane(mr_worker *worker, stopwatch *watch, mr_lane *lane, uint32_t count)
{
    uint64_t now_ns = mr_clock_ns();
    uint64_t taken_ns = now_ns - watch->since_ns;
    worker->run_ns += taken_ns;
    worker->run_items += count;
    uint64_t item_ns = taken_ns / count;
    if (lane->private_.item_ns != 0)
        item_ns = (3 * (uint64_t)lane->private_.item_ns + item_ns) / 4;
    lane->private_.item_ns = item_ns < MR_ITEM_NS_MAX ? (uint32_t)item_ns | 1 : MR_ITEM_NS_MAX;
    *watch = (stopwatch){.since_ns = now_ns};
}

static inline mr_work work_of(const mr_worker *owner, const mr_member *member)
{
    const uint32_t begin = member->end - member->count;
    return (mr_work){
        .objects = (void *const *)owner->objects.at + begin,
        .positions = (const uint32_t *)owner->positions.at + begin,
        .count = member->count,
    };
}

static inline void run_member(mr_worker *worker, const mr_worker *owner, const mr_member *member,
                              stopwatch *watch, bool time_all)
{
    mr_scheduler *scheduler = worker->scheduler;
    mr_lane *lane = member->lane;
    const mr_work work = work_of(owner, member);
    bool timed = member->count >= TIMED_COUNT_MIN || time_all;
    if (timed && watch->items != 0)
        account_light(worker, watch);
    if (lane->private_.home != worker->index + 1)
        lane->private_.home = worker->index + 1;
    scheduler->ops->run(scheduler->ctx, &scheduler->round, worker->index, lane, &work);
    if (timed)
        account_lane(worker, watch, lane, member->count);
    else
        watch->items += member->count;
}

/* Announces the lanes after members[0]; all up to members[left - 1] are this worker's to run. */
static inline void announce(const mr_worker *worker, const mr_worker *owner,
                            const mr_member *members, uint32_t left)
{
    const mr_scheduler *scheduler = worker->scheduler;
    if (scheduler->ops->ahead == NULL)
        return;
    for (uint32_t distance = 1; distance <= MR_AHEAD_MAX && distance < left; distance++) {
        const mr_work work = work_of(owner, &members[distance]);
        scheduler->ops->ahead(scheduler->ctx, worker->index, members[distance].lane, &work,
                              distance);
    }
}

static bool times_all(const mr_scheduler *scheduler)
{
    return scheduler->light_item_ns >= TIMED_ITEM_NS_MIN * 16;
}

/* Runs lanes begin .. end - 1 of what was dealt to `stream`. */
static void run_range(mr_worker *worker, const mr_worker *stream, uint32_t begin, uint32_t end,
                      stopwatch *watch)
{
    const mr_part *parts = worker->scheduler->parts;
    const mr_part *part = &parts[stream->parts_first];
    bool time_all = times_all(worker->scheduler);
    while (part->upto <= begin)
        part = &parts[part->next];
    while (begin < end) {
        const mr_member *members = part->owner->members.at;
        uint32_t stop = part->upto < end ? part->upto : end;
        uint32_t index = part->end - (part->upto - begin);
        for (; begin < stop; begin++, index++) {
            announce(worker, part->owner, &members[index], stop - begin);
            run_member(worker, part->owner, &members[index], watch, time_all);
        }
        part = &parts[part->next];
    }
    if (watch->items != 0)
        account_light(worker, watch);
}

static uint64_t pack(uint32_t begin, uint32_t end)
{
    return (uint64_t)end << 32 | begin;
}

/* Takes lanes of the list of `from`: heavy ones singly from the front, so that the heaviest are
 * begun first, whoever begins them; then light ones, the stream itself from the front and thieves
 * from the back, in batches that shrink towards the end. The order is relaxed because the word
 * hands out indices only; the lists behind them were ordered by the gate. */
static bool take(mr_worker *from, bool thief, uint32_t *begin, uint32_t *end)
{
    uint64_t left = atomic_load_explicit(&from->lanes_left, memory_order_relaxed);
    for (;;) {
        uint32_t first = (uint32_t)left, last = (uint32_t)(left >> 32);
        if (first >= last)
            return false;
        uint32_t count = 1;
        if (first >= from->single) {
            count = (last - first + 3) / 4;
            if (count > from->scheduler->batch_lanes)
                count = from->scheduler->batch_lanes;
        }
        bool back = thief && first >= from->single;
        uint64_t rest = back ? pack(first, last - count) : pack(first + count, last);
        if (atomic_compare_exchange_weak_explicit(&from->lanes_left, &left, rest,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            *begin = back ? last - count : first;
            *end = *begin + count;
            return true;
        }
    }
}

/* Steals once from the first stream after this worker that has lanes left. Lists only shrink, so
 * when a look at all of them finds none, there is nothing left to start. */
static bool steal(mr_worker *worker, stopwatch *watch)
{
    mr_scheduler *scheduler = worker->scheduler;
    uint32_t begin, end;
    for (uint32_t i = 1; i <= scheduler->active; i++) {
        mr_worker *from = scheduler->workers[(worker->index + i) % scheduler->active];
        if (from == worker)
            continue;
        mr_perturb_step(scheduler);
        if (!take(from, true, &begin, &end))
            continue;
        watch->since_ns = mr_clock_ns();
        worker->stolen += end - begin;
        run_range(worker, from, begin, end, watch);
        return true;
    }
    return false;
}

static bool steals_now(const mr_scheduler *scheduler)
{
    return scheduler->perturb.steal == MR_PERTURB_STEAL_EAGER &&
           mr_perturb_random(scheduler) % 4 == 0;
}

static bool anything_left(const mr_scheduler *scheduler)
{
    for (uint32_t i = 0; i < scheduler->active; i++) {
        uint64_t left =
            atomic_load_explicit(&scheduler->workers[i]->lanes_left, memory_order_relaxed);
        if ((uint32_t)left < (uint32_t)(left >> 32))
            return true;
    }
    return false;
}

void mr_run_lanes(mr_worker *worker)
{
    mr_scheduler *scheduler = worker->scheduler;
    mr_outbox_reset(worker);
    stopwatch watch = {.since_ns = mr_clock_ns()};
    uint32_t begin, end;
    while (worker->index < scheduler->active) {
        mr_perturb_step(scheduler);
        if (__builtin_expect(steals_now(scheduler), 0) && steal(worker, &watch))
            continue;
        if (!take(worker, false, &begin, &end))
            break;
        run_range(worker, worker, begin, end, &watch);
    }
    if (scheduler->perturb.steal == MR_PERTURB_STEAL_NEVER) {
        /* The phase must not end before all streams have come. */
        while (anything_left(scheduler))
            (void)sched_yield();
        return;
    }
    while (steal(worker, &watch))
        continue;
}

void mr_run_single(mr_worker *worker)
{
    mr_outbox_reset(worker);
    const mr_member *members = worker->members.at;
    stopwatch watch = {.since_ns = mr_clock_ns()};
    bool time_all = times_all(worker->scheduler);
    for (uint32_t i = 0; i < worker->members_count; i++) {
        announce(worker, worker, &members[i], worker->members_count - i);
        run_member(worker, worker, &members[i], &watch, time_all);
    }
    if (watch.items != 0)
        account_light(worker, &watch);
}

/* Runs alone what was dealt to all. */
void mr_run_dealt(mr_worker *worker)
{
    mr_scheduler *scheduler = worker->scheduler;
    mr_outbox_reset(worker);
    stopwatch watch = {.since_ns = mr_clock_ns()};
    for (uint32_t i = 0; i < scheduler->active; i++) {
        const mr_worker *stream = scheduler->workers[i];
        if (stream->parts_last != 0)
            run_range(worker, stream, 0, scheduler->parts[stream->parts_last].upto, &watch);
    }
}
