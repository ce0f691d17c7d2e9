/* SPDX-License-Identifier: Apache-2.0 */
/* The two parallel steps that bring the items of a round to their streams.
 *
 *  slice 0 [a c a b]  --split-->  parcel for stream 0 [a a], for stream 1 [c b] --+
 *  slice 1 [c a d b]  --split-->  parcel for stream 0 [a],   for stream 1 [c d b] |  inboxes
 *                                                                                  v
 *  stream 1: parcels by slice [c b][c d b]  --group-->  c: c c   b: b b   d: d
 *
 * A slice is in position order, so are its parcels, and so are the parcels of a stream laid end to
 * end by slice: counting items by lane and copying them in that order keeps every lane in position
 * order. Nothing is sorted. A worker does one queue operation per stream, none per item. */
#include "scheduler/scheduler_internal.h"

#include <string.h>

enum { PREFETCH_ITEMS = 12 };

static inline uint32_t stream_of(const mr_lane *lane, uint32_t active)
{
    uint32_t home = lane->private_.home;
    if (home != 0 && home <= active)
        return home - 1;
    /* Fibonacci hashing: the high bits of the product depend on all bits of the key. */
    uint64_t hash = (lane->key * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
    return (uint32_t)((hash * active) >> 32);
}

/* Finds the stream of each item and how many items each stream gets. */
static void count_by_stream(mr_worker *worker, const mr_item *items, size_t count, uint32_t active)
{
    uint16_t *streams = worker->streams.at;
    mr_parcel *parcels = worker->parcels;
    for (uint32_t stream = 0; stream < active; stream++)
        parcels[stream].count = 0;
    size_t fetched = count > PREFETCH_ITEMS ? count - PREFETCH_ITEMS : 0;
    for (size_t i = 0; i < count; i++) {
        if (i < fetched)
            __builtin_prefetch(items[i + PREFETCH_ITEMS].lane);
        MR_DCHECK(items[i].lane != NULL);
        uint32_t stream = stream_of(items[i].lane, active);
        streams[i] = (uint16_t)stream;
        parcels[stream].count++;
    }
}

static void copy_by_stream(mr_worker *worker, const mr_item *items, size_t begin, size_t count,
                           uint32_t active)
{
    const uint16_t *streams = worker->streams.at;
    mr_parcel *parcels = worker->parcels;
    mr_entry *at = worker->entries.at;
    for (uint32_t stream = 0; stream < active; stream++) {
        parcels[stream].entries = at;
        at += parcels[stream].count;
        parcels[stream].count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        mr_parcel *parcel = &parcels[streams[i]];
        parcel->entries[parcel->count++] = (mr_entry){
            .lane = items[i].lane, .object = items[i].object, .position = (uint32_t)(begin + i)};
    }
}

void mr_split_slice(mr_scheduler *scheduler, uint32_t slice)
{
    mr_worker *worker = scheduler->workers[slice]; /* whose memory it is */
    const mr_round *round = &scheduler->round;
    uint32_t active = scheduler->active;
    size_t begin = mr_slice_begin(round->count, slice, scheduler->slices);
    size_t count = mr_slice_begin(round->count, slice + 1, scheduler->slices) - begin;
    for (uint32_t channel = 0; channel < scheduler->channels; channel++)
        memset(round->counts[channel] + begin, 0, count * sizeof(uint32_t));
    if (!mr_room_reserve(scheduler, &worker->streams, count, sizeof(uint16_t)) ||
        !mr_room_reserve(scheduler, &worker->entries, count, sizeof(mr_entry))) {
        mr_fail(scheduler, MR_NO_MEMORY);
        return;
    }
    if (scheduler->ops->take != NULL)
        scheduler->ops->take(scheduler->ctx, round->items + begin, begin, count);
    count_by_stream(worker, round->items + begin, count, active);
    copy_by_stream(worker, round->items + begin, begin, count, active);
    for (uint32_t i = 0; i < active; i++) {
        /* Everybody begins with another inbox, so that they do not all meet at the first. */
        uint32_t stream = (slice + i) % active;
        mr_parcel *parcel = &worker->parcels[stream];
        if (parcel->count == 0)
            continue;
        mr_perturb_step(scheduler);
        mr_worker *to = scheduler->workers[stream];
        parcel->slice = slice;
        cds_wfcq_node_init(&parcel->node);
        (void)cds_wfcq_enqueue(&to->inbox_head, &to->inbox_tail, &parcel->node);
    }
}

/* Empties the inbox into `slices`, by slice number; returns how many items there are. */
static size_t open_inbox(mr_worker *worker)
{
    uint32_t slices = worker->scheduler->slices;
    memset(worker->slices, 0, slices * sizeof(mr_parcel *));
    struct __cds_wfcq_head head;
    struct cds_wfcq_tail tail;
    __cds_wfcq_init(&head, &tail);
    (void)__cds_wfcq_splice_blocking(&head, &tail, &worker->inbox_head, &worker->inbox_tail);
    size_t count = 0;
    struct cds_wfcq_node *node;
    while ((node = __cds_wfcq_dequeue_blocking(&head, &tail)) != NULL) {
        mr_parcel *parcel = caa_container_of(node, mr_parcel, node);
        MR_ASSERT(parcel->slice < slices && worker->slices[parcel->slice] == NULL);
        worker->slices[parcel->slice] = parcel;
        count += parcel->count;
    }
    return count;
}

/* Puts one more item of `lane` on the list; returns the lane's index there. */
static inline uint32_t enlist(mr_worker *worker, mr_lane *lane, uint64_t stamp, uint32_t *count)
{
    mr_member *members = worker->members.at;
    uint32_t slot = lane->private_.slot;
    if (lane->private_.stamp != stamp) {
        slot = (*count)++;
        lane->private_.stamp = stamp;
        lane->private_.slot = slot;
        members[slot] = (mr_member){.lane = lane};
    }
    members[slot].count++;
    return slot;
}

/* What the items of a lane are expected to take, in 1/16 ns. The cost the caller gives is a limit
 * that most items stay far below, so it is not asked: the lane's own past is, or what items of
 * lanes too light to be timed one by one took on average. */
static inline uint64_t weight_of(mr_worker *worker, const mr_member *member)
{
    const mr_scheduler *scheduler = worker->scheduler;
    if (__builtin_expect(scheduler->perturb.deal != MR_PERTURB_DEAL_WEIGHED, 0)) {
        if (scheduler->perturb.deal == MR_PERTURB_DEAL_RANDOM)
            return 1 + mr_perturb_random(scheduler) % 1000 * member->count;
        return member->count * scheduler->item_ns;
    }
    uint64_t item_ns = member->lane->private_.item_ns;
    return member->count * (item_ns != 0 ? item_ns * 16 : scheduler->light_item_ns);
}

/* Gives every lane its place in the arrays, and its weight. Returns where the heavy ones are. */
static void place_members(mr_worker *worker, uint32_t *heavies)
{
    mr_member *members = worker->members.at;
    uint64_t heavy_weight = worker->scheduler->heavy_weight;
    uint32_t at = 0;
    worker->heavies_count = 0;
    for (uint32_t i = 0; i < worker->members_count; i++) {
        mr_member *member = &members[i];
        member->end = at; /* moves to the end as the items are copied */
        at += member->count;
        member->before = weight_of(worker, member);
        if (member->before >= heavy_weight && worker->heavies_count < MR_HEAVIES_MAX)
            heavies[worker->heavies_count++] = i;
    }
}

/* Moves the heavy lanes to the front, heaviest first, and sums up the light ones. */
static void order_members(mr_worker *worker, const uint32_t *heavies)
{
    mr_member *members = worker->members.at;
    for (uint32_t i = 0; i < worker->heavies_count; i++) {
        mr_member heavy = members[heavies[i]];
        members[heavies[i]] = members[i];
        uint32_t to = i;
        for (; to > 0 && members[to - 1].before < heavy.before; to--)
            members[to] = members[to - 1];
        members[to] = heavy;
    }
    for (uint32_t i = 0; i < worker->heavies_count; i++)
        worker->heavies[i] = members[i].before;
    uint64_t sum = 0;
    for (uint32_t i = worker->heavies_count; i < worker->members_count; i++) {
        uint64_t weight = members[i].before;
        members[i].before = sum;
        sum += weight;
    }
    worker->light_weight = sum;
}

static bool reserve_groups(mr_worker *worker, size_t count)
{
    mr_scheduler *scheduler = worker->scheduler;
    return mr_room_reserve(scheduler, &worker->objects, count, sizeof(void *)) &&
           mr_room_reserve(scheduler, &worker->positions, count, sizeof(uint32_t)) &&
           mr_room_reserve(scheduler, &worker->members, count, sizeof(mr_member));
}

static void list_lanes(mr_worker *worker)
{
    uint32_t slices = worker->scheduler->slices;
    uint64_t stamp = worker->scheduler->round.stamp;
    uint32_t members_count = 0;
    for (uint32_t slice = 0; slice < slices; slice++) {
        const mr_parcel *parcel = worker->slices[slice];
        if (parcel == NULL)
            continue;
        mr_entry *entries = parcel->entries;
        uint32_t fetched = parcel->count > PREFETCH_ITEMS ? parcel->count - PREFETCH_ITEMS : 0;
        for (uint32_t i = 0; i < parcel->count; i++) {
            if (i < fetched)
                __builtin_prefetch(entries[i + PREFETCH_ITEMS].lane, 1);
            entries[i].slot = enlist(worker, entries[i].lane, stamp, &members_count);
        }
    }
    worker->members_count = members_count;
}

static void copy_by_lane(mr_worker *worker)
{
    mr_member *members = worker->members.at;
    void **objects = worker->objects.at;
    uint32_t *positions = worker->positions.at;
    for (uint32_t slice = 0; slice < worker->scheduler->slices; slice++) {
        const mr_parcel *parcel = worker->slices[slice];
        if (parcel == NULL)
            continue;
        for (uint32_t i = 0; i < parcel->count; i++) {
            const mr_entry *entry = &parcel->entries[i];
            uint32_t at = members[entry->slot].end++;
            objects[at] = entry->object;
            positions[at] = entry->position;
        }
    }
}

void mr_group_inbox(mr_worker *worker)
{
    size_t count = open_inbox(worker);
    worker->members_count = 0;
    worker->heavies_count = 0;
    worker->light_weight = 0;
    if (!reserve_groups(worker, count)) {
        mr_fail(worker->scheduler, MR_NO_MEMORY);
        return;
    }
    uint32_t heavies[MR_HEAVIES_MAX];
    list_lanes(worker);
    place_members(worker, heavies);
    copy_by_lane(worker);
    order_members(worker, heavies);
}

bool mr_group_all(mr_worker *worker)
{
    mr_scheduler *scheduler = worker->scheduler;
    const mr_round *round = &scheduler->round;
    const mr_item *items = round->items;
    uint32_t count = (uint32_t)round->count;
    if (!reserve_groups(worker, count) ||
        !mr_room_reserve(scheduler, &worker->entries, count, sizeof(uint32_t)))
        return false;
    uint32_t *slots = worker->entries.at;
    uint32_t members_count = 0;
    uint32_t fetched = count > PREFETCH_ITEMS ? count - PREFETCH_ITEMS : 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i < fetched)
            __builtin_prefetch(items[i + PREFETCH_ITEMS].lane, 1);
        slots[i] = enlist(worker, items[i].lane, round->stamp, &members_count);
    }
    worker->members_count = members_count;
    mr_member *members = worker->members.at;
    uint32_t at = 0;
    for (uint32_t i = 0; i < members_count; i++) {
        members[i].end = at;
        at += members[i].count;
    }
    void **objects = worker->objects.at;
    uint32_t *positions = worker->positions.at;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t to = members[slots[i]].end++;
        objects[to] = items[i].object;
        positions[to] = i;
    }
    return true;
}
