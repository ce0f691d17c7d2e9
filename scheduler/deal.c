/* SPDX-License-Identifier: Apache-2.0 */
/* Dealing: which stream runs which lanes. Serial, so its work depends on the number of streams and
 * not on that of lanes or items.
 *
 * Each stream has grouped the lanes that are at home with it, its heaviest few first. Those are
 * dealt one by one, longest processing time first, each staying at home unless another stream
 * would be done earlier. The rest is only shifted: a stream with more than its share gives the tail
 * of its list to streams with less, in ranges cut by a binary search in the running sums. */
#include "scheduler/scheduler_internal.h"

#include <stdlib.h>

static void add_part(mr_scheduler *scheduler, mr_worker *to, mr_worker *owner, uint32_t begin,
                     uint32_t end)
{
    if (begin == end)
        return;
    uint32_t index = scheduler->parts_count++;
    mr_part *parts = scheduler->parts;
    uint32_t upto = to->parts_last == 0 ? 0 : parts[to->parts_last].upto;
    parts[index] =
        (mr_part){.owner = owner, .begin = begin, .end = end, .upto = upto + (end - begin)};
    if (to->parts_last == 0)
        to->parts_first = index;
    else
        parts[to->parts_last].next = index;
    to->parts_last = index;
}

static int by_falling_weight(const void *a, const void *b)
{
    const mr_heavy *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    if (x->owner != y->owner)
        return x->owner->index < y->owner->index ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static mr_worker *least_loaded(mr_scheduler *scheduler)
{
    mr_worker *least = scheduler->workers[0];
    for (uint32_t i = 1; i < scheduler->active; i++) {
        if (scheduler->workers[i]->load < least->load)
            least = scheduler->workers[i];
    }
    return least;
}

static void deal_heavies(mr_scheduler *scheduler, uint64_t share)
{
    uint32_t count = 0;
    mr_heavy *heavies = scheduler->heavies;
    for (uint32_t i = 0; i < scheduler->active; i++) {
        mr_worker *worker = scheduler->workers[i];
        for (uint32_t h = 0; h < worker->heavies_count; h++)
            heavies[count++] =
                (mr_heavy){.owner = worker, .index = h, .weight = worker->heavies[h]};
    }
    qsort(heavies, count, sizeof *heavies, by_falling_weight);
    bool stay = scheduler->perturb.deal == MR_PERTURB_DEAL_NONE;
    for (uint32_t i = 0; i < count; i++) {
        mr_worker *to = heavies[i].owner;
        if (!stay && to->load != 0 && to->load + heavies[i].weight > share)
            to = least_loaded(scheduler);
        add_part(scheduler, to, heavies[i].owner, heavies[i].index, heavies[i].index + 1);
        to->load += heavies[i].weight;
        to->single++;
    }
}

static uint64_t weight_before(const mr_worker *owner, uint32_t index)
{
    const mr_member *members = owner->members.at;
    return index == owner->members_count ? owner->light_weight : members[index].before;
}

/* The index at which to cut the light lanes of `owner` so that those behind weigh about `weight`.
 */
static uint32_t cut(const mr_worker *owner, uint64_t weight)
{
    uint64_t all = weight_before(owner, owner->light_end);
    uint64_t goal = weight < all ? all - weight : 0;
    uint32_t low = owner->heavies_count, high = owner->light_end;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (weight_before(owner, middle) < goal)
            low = middle + 1;
        else
            high = middle;
    }
    /* One lane more, if that is nearer to the goal. */
    if (low > owner->heavies_count &&
        goal - weight_before(owner, low - 1) < weight_before(owner, low) - goal)
        low--;
    return low;
}

/* The load up to which streams are to be filled with light lanes. A stream whose heavy lanes exceed
 * it gets none, and leaves the more to each of the others. */
static uint64_t level(const mr_scheduler *scheduler, uint64_t light)
{
    enum { ROUNDS_MAX = 8 }; /* every one takes out all streams above the level of the last */
    uint64_t found = UINT64_MAX;
    for (int i = 0; i < ROUNDS_MAX; i++) {
        uint64_t sum = light;
        uint32_t count = 0;
        for (uint32_t k = 0; k < scheduler->active; k++) {
            if (scheduler->workers[k]->load <= found) {
                sum += scheduler->workers[k]->load;
                count++;
            }
        }
        if (sum / count >= found)
            break;
        found = sum / count;
    }
    return found + 1;
}

static void shift_light(mr_scheduler *scheduler, uint64_t share)
{
    mr_worker **workers = scheduler->workers;
    /* A lane that moves has to be made warm elsewhere; a small difference is not worth that. */
    uint64_t tolerance = share / 64;
    uint32_t from = 0, to = 0;
    while (from < scheduler->active && to < scheduler->active) {
        mr_worker *giver = workers[from], *taker = workers[to];
        if (giver->load <= share + tolerance || giver->light_end == giver->heavies_count) {
            from++;
            continue;
        }
        if (taker->load >= share) {
            to++;
            continue;
        }
        uint64_t surplus = giver->load - share, deficit = share - taker->load;
        uint32_t begin = cut(giver, surplus < deficit ? surplus : deficit);
        uint64_t moved = weight_before(giver, giver->light_end) - weight_before(giver, begin);
        add_part(scheduler, taker, giver, begin, giver->light_end);
        giver->light_end = begin;
        giver->load -= moved;
        taker->load += moved;
        /* Whoever was to be served in full has been, but for less than a lane. */
        if (surplus < deficit)
            from++;
        else
            to++;
    }
}

static void clear(mr_worker *worker)
{
    worker->load = 0;
    worker->light_end = worker->members_count;
    worker->parts_first = worker->parts_last = 0;
    worker->single = 0;
}

mr_deal_ns mr_deal(mr_scheduler *scheduler)
{
    uint64_t total = 0, light = 0;
    size_t lanes = 0;
    scheduler->parts_count = 1;
    for (uint32_t i = 0; i < scheduler->active; i++) {
        mr_worker *worker = scheduler->workers[i];
        clear(worker);
        light += worker->light_weight;
        for (uint32_t h = 0; h < worker->heavies_count; h++)
            total += worker->heavies[h];
        lanes += worker->members_count;
    }
    total += light;
    deal_heavies(scheduler, total / scheduler->active + 1);
    uint64_t share = level(scheduler, light);
    for (uint32_t i = 0; i < scheduler->active; i++)
        scheduler->workers[i]->load += scheduler->workers[i]->light_weight;
    /* Parts are run in the order they are added: heavy lanes, received ones, one's own. What was
     * received is cold either way; one's own are at the end, from where others steal. */
    if (scheduler->perturb.deal != MR_PERTURB_DEAL_NONE)
        shift_light(scheduler, share);
    uint64_t longest = 0;
    for (uint32_t i = 0; i < scheduler->active; i++) {
        mr_worker *worker = scheduler->workers[i];
        add_part(scheduler, worker, worker, worker->heavies_count, worker->light_end);
        longest = worker->load > longest ? worker->load : longest;
        uint64_t left = worker->parts_last == 0 ? 0 : scheduler->parts[worker->parts_last].upto;
        atomic_store_explicit(&worker->lanes_left, left << 32, memory_order_relaxed);
    }
    enum { BATCH_NS = 10000, BATCH_LANES_MAX = 64 };
    uint64_t lane_ns = lanes == 0 ? 0 : total / lanes / 16;
    uint64_t batch = lane_ns == 0 ? BATCH_LANES_MAX : BATCH_NS / lane_ns;
    scheduler->batch_lanes = batch < 1                 ? 1
                             : batch > BATCH_LANES_MAX ? BATCH_LANES_MAX
                                                       : (uint32_t)batch;
    return (mr_deal_ns){.total_ns = total / 16, .longest_ns = longest / 16};
}
