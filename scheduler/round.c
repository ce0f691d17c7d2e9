/* SPDX-License-Identifier: Apache-2.0 */
/* The serial part of a round: what the leader, the worker that left a phase last, does until the
 * next.
 *
 *                 large                                            large
 *   choose --+----------> SPLIT -> GROUP -> deal --+--> RUN --+------------> SUM -> BASE -> SCATTER
 *    ^  ^    |                                     ^          |                                |
 *    |  |    | small: leader splits, groups, deals |          | small: leader merges           |
 *    |  |    +-------------------------------------+          |                                |
 *    |  |    | tiny: leader runs and merges, too              |                                |
 *    |  +----+------------------------------------------------+                                |
 *    +-----------------------------------------------------------------------------------------+
 *
 * Upper-case steps are phases, in which all workers that come take part. Which way a round takes
 * depends on what items took before, and never shows in its output. */
#include "scheduler/scheduler_internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/probe.h"
#include "scheduler/rcu.h"

enum {
    /* Work that pays for one more worker that waits spinning: its part in the phases. */
    WORKER_NS = 4000,
    /* And for one that takes turns with others on a core. */
    CROWDED_WORKER_NS = 200000,
    /* What it costs to wake a parked one, who then comes when it comes. */
    WAKE_NS = 10000,
    TIMED_ROUND_MIN = 64, /* smaller ones are not timed by phase */
    HEAVY_NS_MIN = 2000,  /* lighter lanes are not worth being dealt one by one */
};

/* The class of workers that so much expected work pays for, at most `most`. While workers are
 * parked those awake have to do, until what the others would have saved pays for waking them. */
static uint32_t class_paid_for(mr_scheduler *scheduler, uint64_t work_ns, uint64_t most)
{
    uint64_t wanted = work_ns / WORKER_NS;
    /* More workers than places to run take turns: only for much work, as they were asked for. */
    if (wanted > scheduler->places) {
        uint64_t worth = work_ns / CROWDED_WORKER_NS;
        wanted = worth > scheduler->places ? worth : scheduler->places;
    }
    wanted = wanted < most ? wanted : most;
    if (wanted < 2) {
        scheduler->missed_ns = 0;
        return 0;
    }
    uint64_t awake =
        scheduler->workers_count - mr_gate_parked(&scheduler->gate, MR_GATE_CLASSES - 1);
    if (wanted > awake) {
        scheduler->missed_ns += work_ns / awake - work_ns / wanted;
        if (scheduler->missed_ns < WAKE_NS)
            return 31 - (uint32_t)__builtin_clz((uint32_t)awake);
        scheduler->missed_ns = 0;
    }
    return mr_gate_class((uint32_t)wanted);
}

/* How many workers to use for `count` items, as a class of the gate. */
static uint32_t choose_class(mr_scheduler *scheduler, size_t count)
{
    uint32_t class_max = mr_gate_class(scheduler->workers_count);
    switch (scheduler->perturb.size) {
    case MR_PERTURB_SIZE_ONE:
        return 0;
    case MR_PERTURB_SIZE_ALL:
        return class_max;
    case MR_PERTURB_SIZE_RANDOM:
        return (uint32_t)(mr_perturb_random(scheduler) % (class_max + 1));
    case MR_PERTURB_SIZE_MEASURED:
        break;
    }
    if (count < 2 || class_max == 0)
        return 0;
    size_t most = count < scheduler->workers_count ? count : scheduler->workers_count;
    return class_paid_for(scheduler, count * scheduler->item_ns / 16, most);
}

static size_t emitted(const mr_scheduler *scheduler)
{
    size_t count = 0;
    for (uint32_t channel = 0; channel < scheduler->channels; channel++)
        count += scheduler->round.outputs[channel][scheduler->round.turn].count;
    return count;
}

/* True when the leader alone does a step over `count` things faster than all workers of the round,
 * who need a phase for it: up to `spinning` things for every worker while they wait spinning, and
 * up to `parked` things when some would have to be woken first. */
static bool is_small(mr_scheduler *scheduler, size_t count, size_t spinning, size_t parked)
{
    switch (scheduler->perturb.phases) {
    case MR_PERTURB_PHASES_PARALLEL:
        return false;
    case MR_PERTURB_PHASES_SERIAL:
        return true;
    case MR_PERTURB_PHASES_MEASURED:
        break;
    }
    if (scheduler->spin_ns == 0)
        parked *= 10; /* nobody spins, so every phase wakes everybody */
    if (mr_gate_parked(&scheduler->gate, scheduler->class) != 0)
        return count <= parked;
    return count <= spinning * scheduler->active;
}

static bool partition_is_small(mr_scheduler *scheduler)
{
    return is_small(scheduler, scheduler->round.count, 16, 1000);
}

static bool merge_is_small(mr_scheduler *scheduler)
{
    return is_small(scheduler, scheduler->round.count + emitted(scheduler), 256, 8000);
}

/* Moves an average, kept in 1/16 ns, by a quarter towards what `items` items took. */
static void average(uint64_t *average_16, uint64_t ns, uint64_t items)
{
    if (items == 0)
        return;
    uint64_t item_16 = ns / items < MR_ITEM_NS_MAX ? ns * 16 / items : MR_ITEM_NS_MAX * 16;
    *average_16 = (*average_16 * 3 + item_16) / 4 + 1;
}

/* Learns from the round what items take. */
static void learn(mr_scheduler *scheduler)
{
    uint64_t light_ns = 0, light_items = 0, all_ns = 0, all_items = 0;
    for (uint32_t i = 0; i < scheduler->emitters_count; i++) {
        mr_worker *worker = scheduler->emitters[i];
        light_ns += worker->light_ns;
        light_items += worker->light_items;
        all_ns += worker->run_ns;
        all_items += worker->run_items;
        worker->light_ns = worker->light_items = worker->run_ns = worker->run_items = 0;
        scheduler->times.lanes_stolen += worker->stolen;
        worker->stolen = 0;
    }
    /* When every lane is timed by itself, that is the best guess for a new one, too. */
    if (light_items != 0)
        average(&scheduler->light_item_ns, light_ns, light_items);
    else
        average(&scheduler->light_item_ns, all_ns, all_items);
    average(&scheduler->item_ns, all_ns + light_ns, all_items + light_items);
}

/* Ends the round: what it emitted becomes the output, unless something failed on the way. */
static void publish(mr_scheduler *scheduler)
{
    mr_round *round = &scheduler->round;
    uint32_t failure = atomic_load_explicit(&scheduler->failure, memory_order_relaxed);
    if (failure != MR_OK) {
        scheduler->status = (mr_status)failure;
        for (uint32_t channel = 0; channel < scheduler->channels; channel++) {
            round->outputs[channel][round->turn].count = 0;
            round->outputs[channel][round->turn].cost = 0;
        }
    }
    MR_PROBE(merge__end, round->count);
    round->turn ^= 1;
    scheduler->times.rounds++;
    scheduler->times.items += round->count;
}

/* One item alone: nothing to group. */
static void run_one_item(mr_worker *worker)
{
    mr_scheduler *scheduler = worker->scheduler;
    const mr_item *item = scheduler->round.items;
    const uint32_t position = 0;
    mr_work work = {.objects = &item->object, .positions = &position, .count = 1};
    mr_outbox_reset(worker);
    scheduler->ops->run(scheduler->ctx, &scheduler->round, worker->index, item->lane, &work);
}

/* What is left to do for a round that one worker ran. */
static void merge_own(mr_worker *worker)
{
    mr_scheduler *scheduler = worker->scheduler;
    scheduler->emitters[0] = worker;
    scheduler->emitters_count = 1;
    mr_merge_reserve(scheduler);
    if (!mr_failed(scheduler))
        mr_merge_all(scheduler);
    scheduler->times.rounds_small++;
    publish(scheduler);
}

/* A few items, or the items of the only stream. Returns the time it ended. */
static uint64_t run_whole(mr_worker *worker, uint64_t began_ns)
{
    mr_scheduler *scheduler = worker->scheduler;
    mr_scheduler_times *times = &scheduler->times;
    mr_round *round = &scheduler->round;
    bool timed = round->count >= TIMED_ROUND_MIN;
    uint64_t grouped_ns = began_ns, ran_ns = began_ns;
    for (uint32_t channel = 0; channel < scheduler->channels; channel++)
        memset(round->counts[channel], 0, round->count * sizeof(uint32_t));
    if (scheduler->ops->take != NULL)
        scheduler->ops->take(scheduler->ctx, round->items, 0, round->count);
    if (round->count == 1) {
        run_one_item(worker);
    } else if (mr_group_all(worker)) {
        if (timed)
            grouped_ns = mr_clock_ns();
        mr_run_single(worker);
    } else {
        mr_fail(scheduler, MR_NO_MEMORY);
        mr_outbox_reset(worker);
    }
    if (timed)
        ran_ns = mr_clock_ns();
    merge_own(worker);
    uint64_t now_ns = mr_clock_ns();
    if (timed) {
        times->partition_ns += grouped_ns - began_ns;
        times->run_ns += ran_ns - grouped_ns;
        times->merge_ns += now_ns - ran_ns;
        learn(scheduler);
    } else {
        times->run_ns += now_ns - began_ns;
        worker->light_ns = worker->light_items = worker->run_ns = worker->run_items = 0;
        average(&scheduler->item_ns, now_ns - began_ns, round->count);
    }
    times->small_ns += now_ns - began_ns;
    return now_ns;
}

/* Does for all streams what they do in the phases SPLIT and GROUP. */
static void partition_alone(mr_scheduler *scheduler)
{
    scheduler->slices = 1;
    mr_split_slice(scheduler, 0);
    for (uint32_t i = 0; i < scheduler->active; i++)
        mr_group_inbox(scheduler->workers[i]);
}

/* Partitions a round that is small, but worth running on several workers. It may turn out that
 * nearly all of it is in one lane; then it is run here, too. Returns false when it is done. */
static bool prepare(mr_worker *worker, uint64_t *now_ns)
{
    mr_scheduler *scheduler = worker->scheduler;
    mr_scheduler_times *times = &scheduler->times;
    uint64_t began_ns = *now_ns;
    partition_alone(scheduler);
    uint64_t grouped_ns = mr_clock_ns();
    times->partition_ns += grouped_ns - began_ns;
    times->serial_ns += grouped_ns - began_ns;
    *now_ns = grouped_ns;
    if (mr_failed(scheduler)) {
        publish(scheduler);
        return false;
    }
    mr_deal_ns dealt = mr_deal(scheduler);
    uint64_t dealt_ns = mr_clock_ns();
    times->deal_ns += dealt_ns - grouped_ns;
    times->serial_ns += dealt_ns - grouped_ns;
    *now_ns = dealt_ns;
    if (dealt.total_ns - dealt.longest_ns >= WORKER_NS ||
        scheduler->perturb.size != MR_PERTURB_SIZE_MEASURED)
        return true;
    mr_run_dealt(worker);
    uint64_t ran_ns = mr_clock_ns();
    merge_own(worker);
    learn(scheduler);
    *now_ns = mr_clock_ns();
    times->run_ns += ran_ns - dealt_ns;
    times->merge_ns += *now_ns - ran_ns;
    times->small_ns += *now_ns - dealt_ns;
    return false;
}

/* Prepares everything a round of `count` items needs before its first phase. */
static mr_status begin_round(mr_scheduler *scheduler, const mr_item *items, size_t count)
{
    mr_round *round = &scheduler->round;
    if (count > UINT32_MAX)
        return MR_LIMIT;
    round->items = items;
    round->count = count;
    round->stamp++;
    for (uint32_t channel = 0; channel < scheduler->channels; channel++) {
        if (!mr_room_reserve(scheduler, &round->counts_room[channel], count, sizeof(uint32_t)))
            return MR_NO_MEMORY;
        round->counts[channel] = round->counts_room[channel].at;
    }
    return MR_OK;
}

/* Asks for rounds and runs those for one worker. Returns the next phase, MR_PHASE_LEAD when the
 * run is over. `now_ns` is the time, in and out. */
static mr_phase choose(mr_worker *worker, uint64_t *now_ns)
{
    mr_scheduler *scheduler = worker->scheduler;
    while (scheduler->status == MR_OK) {
        const mr_item *items = NULL;
        size_t count = scheduler->ops->next(scheduler->ctx, &scheduler->round, &items);
        uint64_t chosen_ns = mr_clock_ns();
        scheduler->times.next_ns += chosen_ns - *now_ns;
        scheduler->times.serial_ns += chosen_ns - *now_ns;
        *now_ns = chosen_ns;
        if (count == 0)
            break;
        scheduler->status = begin_round(scheduler, items, count);
        if (scheduler->status != MR_OK)
            break;
        scheduler->class = choose_class(scheduler, count);
        scheduler->active = mr_gate_workers(scheduler->class, scheduler->workers_count);
        if (scheduler->active == 1) {
            *now_ns = run_whole(worker, chosen_ns);
        } else {
            uint64_t share = count * scheduler->item_ns / scheduler->active;
            scheduler->heavy_weight = share / 8 > HEAVY_NS_MIN * 16 ? share / 8 : HEAVY_NS_MIN * 16;
            scheduler->slices = scheduler->active;
            if (!partition_is_small(scheduler))
                return MR_PHASE_SPLIT;
            if (prepare(worker, now_ns))
                return MR_PHASE_RUN;
        }
        mr_rcu_quiescent();
    }
    return MR_PHASE_LEAD;
}

/* Whoever came to the phase RUN has something in its outbox, or an empty one. */
static void find_emitters(mr_scheduler *scheduler)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < scheduler->workers_count; i++) {
        mr_worker *worker = scheduler->workers[i];
        if (worker->ran != scheduler->round.stamp)
            continue;
        worker->emitter = count;
        scheduler->emitters[count++] = worker;
    }
    scheduler->emitters_count = count;
}

/* Adds the time of the phase that has just ended to where it belongs. */
static void account_phase(mr_scheduler *scheduler, uint64_t now_ns)
{
    uint64_t taken_ns = now_ns - scheduler->phase_began_ns;
    switch (scheduler->phase) {
    case MR_PHASE_SPLIT:
    case MR_PHASE_GROUP:
        scheduler->times.partition_ns += taken_ns;
        break;
    case MR_PHASE_RUN:
        scheduler->times.run_ns += taken_ns;
        break;
    case MR_PHASE_SUM:
    case MR_PHASE_BASE:
    case MR_PHASE_SCATTER:
        scheduler->times.merge_ns += taken_ns;
        break;
    case MR_PHASE_LEAD:
    case MR_PHASE_PARALLEL:
    case MR_PHASE_STOP:
        break;
    }
}

/* The phase after the one that has just ended; MR_PHASE_LEAD means a new round is to be chosen. */
static mr_phase follow(mr_scheduler *scheduler, uint64_t now_ns)
{
    switch (scheduler->phase) {
    case MR_PHASE_SPLIT:
        /* The inboxes have to be emptied even when nothing can be made of them. */
        return MR_PHASE_GROUP;
    case MR_PHASE_GROUP:
        if (mr_failed(scheduler))
            break;
        (void)mr_deal(scheduler);
        scheduler->times.deal_ns += mr_clock_ns() - now_ns;
        return MR_PHASE_RUN;
    case MR_PHASE_RUN:
        find_emitters(scheduler);
        learn(scheduler);
        mr_merge_reserve(scheduler);
        if (mr_failed(scheduler))
            break;
        if (!merge_is_small(scheduler))
            return MR_PHASE_SUM;
        mr_merge_all(scheduler);
        scheduler->times.merge_ns += mr_clock_ns() - now_ns;
        break;
    case MR_PHASE_SUM:
        return MR_PHASE_BASE;
    case MR_PHASE_BASE:
        return MR_PHASE_SCATTER;
    case MR_PHASE_SCATTER:
        break;
    case MR_PHASE_LEAD:
    case MR_PHASE_PARALLEL:
    case MR_PHASE_STOP:
        return MR_PHASE_LEAD;
    }
    publish(scheduler);
    return MR_PHASE_LEAD;
}

/* Prepares the next phase, but for opening the gate. */
static void open_phase(mr_scheduler *scheduler, mr_phase phase)
{
    scheduler->phase = phase;
    scheduler->tasks_count =
        phase == MR_PHASE_SCATTER ? scheduler->emitters_count : scheduler->active;
    for (uint32_t i = 0; i < (scheduler->tasks_count + 63) / 64; i++)
        atomic_store_explicit(&scheduler->claims[i], 0, memory_order_relaxed);
    scheduler->word = mr_gate_next(scheduler->word, phase, scheduler->class);
}

/* Leads from the end of a phase to the beginning of the next, in which the leader is inside, and
 * sets *word to its word. Returns false when the run is over; *word is then the last word. */
static bool lead(mr_worker *worker, uint64_t *word)
{
    mr_scheduler *scheduler = worker->scheduler;
    worker->leading = true;
    uint64_t began_ns = mr_clock_ns();
    account_phase(scheduler, began_ns);
    mr_phase next = follow(scheduler, began_ns);
    if (next == MR_PHASE_LEAD) {
        uint64_t now_ns = began_ns;
        if (scheduler->phase != MR_PHASE_LEAD) {
            now_ns = mr_clock_ns();
            scheduler->times.serial_ns += now_ns - began_ns;
        }
        next = choose(worker, &now_ns);
        began_ns = now_ns;
    }
    worker->leading = false;
    if (next == MR_PHASE_LEAD) {
        *word = scheduler->word;
        mr_signal_set(&scheduler->run_done);
        return false;
    }
    open_phase(scheduler, next);
    *word = scheduler->word;
    scheduler->phase_began_ns = mr_clock_ns();
    scheduler->times.serial_ns += scheduler->phase_began_ns - began_ns;
    mr_gate_open(&scheduler->gate, *word);
    return true;
}

/* Claims a task of the phase, the one wanted if it is free, or else one after it. */
static bool claim(mr_scheduler *scheduler, uint32_t wanted, uint32_t *task)
{
    uint32_t count = scheduler->tasks_count, words = (count + 63) / 64;
    if (wanted >= count)
        wanted = 0;
    for (uint32_t i = 0; i < words; i++) {
        uint32_t word = (wanted / 64 + i) % words;
        uint64_t valid = count - word * 64 >= 64 ? UINT64_MAX : (UINT64_C(1) << count % 64) - 1;
        /* Relaxed: a bit gives a number; what it stands for was ordered by the gate. */
        uint64_t claimed = atomic_load_explicit(&scheduler->claims[word], memory_order_relaxed);
        uint64_t free;
        while ((free = ~claimed & valid) != 0) {
            uint64_t later = i == 0 ? free & (UINT64_MAX << wanted % 64) : free;
            uint64_t bit = later != 0 ? later & -later : free & -free;
            claimed = atomic_fetch_or_explicit(&scheduler->claims[word], bit, memory_order_relaxed);
            if ((claimed & bit) == 0) {
                *task = word * 64 + (uint32_t)__builtin_ctzll(bit);
                return true;
            }
        }
    }
    return false;
}

static void run_task(mr_scheduler *scheduler, mr_phase phase, uint32_t task)
{
    switch (phase) {
    case MR_PHASE_SPLIT:
        mr_split_slice(scheduler, task);
        break;
    case MR_PHASE_GROUP:
        mr_group_inbox(scheduler->workers[task]);
        break;
    case MR_PHASE_SUM:
        mr_merge_sum(scheduler, task);
        break;
    case MR_PHASE_BASE:
        mr_merge_base(scheduler, task);
        break;
    case MR_PHASE_SCATTER:
        mr_merge_scatter(scheduler, task);
        break;
    case MR_PHASE_RUN:
    case MR_PHASE_LEAD:
    case MR_PHASE_PARALLEL:
    case MR_PHASE_STOP:
        break;
    }
}

/* Does what there is left to do of a phase. A worker begins with the task whose memory it used in
 * the phase before. */
static void run_phase(mr_worker *worker, mr_phase phase)
{
    mr_scheduler *scheduler = worker->scheduler;
    if (phase == MR_PHASE_RUN) {
        mr_run_lanes(worker);
        return;
    }
    uint32_t wanted = phase == MR_PHASE_SCATTER ? worker->emitter : worker->index;
    if (scheduler->perturb.steal == MR_PERTURB_STEAL_EAGER)
        wanted = (uint32_t)mr_perturb_random(scheduler);
    uint32_t task;
    while (claim(scheduler, wanted, &task)) {
        run_task(scheduler, phase, task);
        mr_perturb_step(scheduler);
        wanted = task + 1;
    }
}

/* Phases from the one of `word` on, for as long as the worker ends them; then the word to wait
 * with. */
static uint64_t work(mr_worker *worker, uint64_t word)
{
    mr_scheduler *scheduler = worker->scheduler;
    mr_gate *gate = &scheduler->gate;
    mr_phase phase = (mr_phase)mr_gate_phase(word);
    bool going = phase == MR_PHASE_LEAD ? lead(worker, &word) : mr_gate_enter(gate, word);
    while (going) {
        mr_perturb_step(scheduler);
        run_phase(worker, (mr_phase)mr_gate_phase(word));
        mr_rcu_quiescent();
        mr_perturb_step(scheduler);
        going = mr_gate_leave(gate) && lead(worker, &word);
    }
    return word;
}

void mr_work_phases(mr_worker *worker)
{
    mr_scheduler *scheduler = worker->scheduler;
    uint64_t seen = 0;
    for (;;) {
        seen = mr_gate_wait(&scheduler->gate, seen, worker->index, scheduler->spin_ns);
        mr_phase phase = (mr_phase)mr_gate_phase(seen);
        if (phase == MR_PHASE_STOP)
            return;
        if (phase == MR_PHASE_PARALLEL)
            mr_job_help(worker, seen);
        else if (phase == MR_PHASE_LEAD || !mr_perturb_absent(scheduler))
            seen = work(worker, seen);
    }
}
