/* SPDX-License-Identifier: Apache-2.0 */
/* Emitting, and the merge that puts what all streams emitted into tag order. Positions are dense,
 * so nothing is compared: counts of emissions per position, summed up, are the places.
 *
 *      position          0  1  2  3         stream 0 emitted (0,0) (0,1) (3,0)
 *      count             2  0  1  1         stream 1 emitted (2,0)
 *      base              0  2  2  3         output: (0,0) (0,1) (2,0) (3,0) */
#include "scheduler/scheduler_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/probe.h"

static void enter(mr_outbox *box, mr_outbox_chunk *chunk)
{
    box->current = chunk;
    box->at = chunk->records;
    box->end = chunk->records + MR_OUTBOX_CHUNK_RECORDS;
}

void mr_outbox_reset(mr_worker *worker)
{
    worker->ran = worker->scheduler->round.stamp;
    for (uint32_t channel = 0; channel < worker->scheduler->channels; channel++) {
        mr_outbox *box = &worker->outboxes[channel];
        *box = (mr_outbox){.first = box->first, .sorted = true};
        if (box->first != NULL)
            enter(box, box->first);
    }
}

void mr_outbox_fini(mr_outbox *box)
{
    while (box->first != NULL) {
        mr_outbox_chunk *chunk = box->first;
        box->first = chunk->next;
        free(chunk);
    }
    *box = (mr_outbox){0};
}

size_t mr_outbox_count(const mr_outbox *box)
{
    return box->current == NULL ? 0 : box->full + (size_t)(box->at - box->current->records);
}

static bool advance(mr_scheduler *scheduler, mr_outbox *box)
{
    mr_outbox_chunk *next = box->current == NULL ? box->first : box->current->next;
    if (next == NULL) {
        next = mr_scheduler_alloc(scheduler, sizeof *next);
        if (next == NULL)
            return false;
        next->next = NULL;
        if (box->current == NULL)
            box->first = next;
        else
            box->current->next = next;
    }
    if (box->current != NULL) {
        box->current->count = MR_OUTBOX_CHUNK_RECORDS;
        box->full += MR_OUTBOX_CHUNK_RECORDS;
    }
    enter(box, next);
    return true;
}

static inline uint64_t add_saturated(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

void mr_round_emit(mr_round *round, uint32_t stream, uint32_t channel, uint32_t position,
                   const mr_item *items, size_t count)
{
    mr_scheduler *scheduler = round->scheduler;
    MR_ASSERT(stream < scheduler->workers_count && channel < scheduler->channels);
    MR_ASSERT(position < round->count);
    mr_outbox *box = &scheduler->workers[stream]->outboxes[channel];
    if (position != box->position) {
        if (position < box->position)
            box->sorted = false;
        box->position = position;
        box->number = 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (box->at == box->end && !advance(scheduler, box)) {
            mr_fail(scheduler, MR_NO_MEMORY);
            return;
        }
        *box->at++ = (mr_record){.item = items[i], .position = position, .number = box->number++};
        box->cost = add_saturated(box->cost, items[i].cost);
    }
    /* A plain store, although the line may be another stream's: nobody waits for it. */
    round->counts[channel][position] = box->number;
}

void mr_merge_sum(mr_scheduler *scheduler, uint32_t slice)
{
    const mr_round *round = &scheduler->round;
    size_t begin = mr_slice_begin(round->count, slice, scheduler->active);
    size_t end = mr_slice_begin(round->count, slice + 1, scheduler->active);
    for (uint32_t channel = 0; channel < scheduler->channels; channel++) {
        const uint32_t *counts = round->counts[channel];
        uint64_t sum = 0;
        for (size_t i = begin; i < end; i++)
            sum += counts[i];
        scheduler->workers[slice]->sums[channel] = sum;
    }
}

void mr_merge_forget(mr_scheduler *scheduler)
{
    for (uint32_t channel = 0; channel < scheduler->channels; channel++) {
        for (int turn = 0; turn < 2; turn++) {
            scheduler->round.outputs[channel][turn].count = 0;
            scheduler->round.outputs[channel][turn].cost = 0;
        }
    }
}

void mr_merge_reserve(mr_scheduler *scheduler)
{
    mr_round *round = &scheduler->round;
    MR_PROBE(merge__begin, round->count);
    for (uint32_t channel = 0; channel < scheduler->channels; channel++) {
        mr_output *output = &round->outputs[channel][round->turn];
        output->count = 0;
        output->cost = 0;
        if (mr_failed(scheduler))
            continue;
        size_t count = 0;
        for (uint32_t i = 0; i < scheduler->emitters_count; i++) {
            const mr_outbox *box = &scheduler->emitters[i]->outboxes[channel];
            count += mr_outbox_count(box);
            output->cost = add_saturated(output->cost, box->cost);
        }
        if (count > UINT32_MAX)
            mr_fail(scheduler, MR_LIMIT);
        else if (!mr_room_reserve(scheduler, &output->room, count, sizeof(mr_item)))
            mr_fail(scheduler, MR_NO_MEMORY);
        else
            output->count = count;
        output->items = output->room.at;
    }
}

/* Turns the counts of positions begin .. end - 1 into output indices from `base`; returns the one
 * after the last. */
static uint64_t count_to_base(uint32_t *counts, size_t begin, size_t end, uint64_t base)
{
    for (size_t i = begin; i < end; i++) {
        uint32_t count = counts[i];
        counts[i] = (uint32_t)base;
        base += count;
    }
    return base;
}

void mr_merge_base(mr_scheduler *scheduler, uint32_t slice)
{
    const mr_round *round = &scheduler->round;
    size_t begin = mr_slice_begin(round->count, slice, scheduler->active);
    size_t end = mr_slice_begin(round->count, slice + 1, scheduler->active);
    for (uint32_t channel = 0; channel < scheduler->channels; channel++) {
        uint64_t base = 0;
        for (uint32_t i = 0; i < slice; i++)
            base += scheduler->workers[i]->sums[channel];
        base = count_to_base(round->counts[channel], begin, end, base);
        /* Emissions at a position that was left before would have been counted over. */
        if (end == round->count)
            MR_ASSERT(base == round->outputs[channel][round->turn].count);
    }
}

static void scatter_chunk(const mr_outbox_chunk *chunk, size_t count, const uint32_t *bases,
                          mr_item *items)
{
    for (size_t i = 0; i < count; i++) {
        const mr_record *record = &chunk->records[i];
        items[bases[record->position] + record->number] = record->item;
    }
}

static size_t records_in(const mr_outbox *box, const mr_outbox_chunk *chunk)
{
    return chunk == box->current ? (size_t)(box->at - chunk->records) : chunk->count;
}

static void scatter(const mr_outbox *box, const uint32_t *bases, mr_item *items)
{
    const mr_outbox_chunk *chunk = box->current == NULL ? NULL : box->first;
    while (chunk != NULL) {
        scatter_chunk(chunk, records_in(box, chunk), bases, items);
        chunk = chunk == box->current ? NULL : chunk->next;
    }
}

void mr_merge_scatter(mr_scheduler *scheduler, uint32_t emitter)
{
    const mr_round *round = &scheduler->round;
    const mr_worker *worker = scheduler->emitters[emitter];
    for (uint32_t channel = 0; channel < scheduler->channels; channel++)
        scatter(&worker->outboxes[channel], round->counts[channel],
                round->outputs[channel][round->turn].items);
}

static void copy_sorted(const mr_outbox *box, mr_item *items)
{
    const mr_outbox_chunk *chunk = box->current == NULL ? NULL : box->first;
    while (chunk != NULL) {
        size_t count = records_in(box, chunk);
        for (size_t i = 0; i < count; i++)
            *items++ = chunk->records[i].item;
        chunk = chunk == box->current ? NULL : chunk->next;
    }
}

/* The whole merge by one thread. One worker has often emitted in tag order already. */
void mr_merge_all(mr_scheduler *scheduler)
{
    mr_worker *const *workers = scheduler->emitters;
    uint32_t workers_count = scheduler->emitters_count;
    const mr_round *round = &scheduler->round;
    for (uint32_t channel = 0; channel < scheduler->channels; channel++) {
        const mr_output *output = &round->outputs[channel][round->turn];
        if (output->count == 0)
            continue;
        if (workers_count == 1 && workers[0]->outboxes[channel].sorted) {
            copy_sorted(&workers[0]->outboxes[channel], output->items);
            continue;
        }
        uint64_t count = count_to_base(round->counts[channel], 0, round->count, 0);
        MR_ASSERT(count == output->count);
        for (uint32_t i = 0; i < workers_count; i++)
            scatter(&workers[i]->outboxes[channel], round->counts[channel], output->items);
    }
}

size_t mr_round_output(const mr_round *round, uint32_t channel, const mr_item **items)
{
    MR_ASSERT(channel < round->scheduler->channels);
    const mr_output *output = &round->outputs[channel][round->turn ^ 1];
    *items = output->items;
    return output->count;
}

uint64_t mr_round_output_cost(const mr_round *round, uint32_t channel)
{
    MR_ASSERT(channel < round->scheduler->channels);
    return round->outputs[channel][round->turn ^ 1].cost;
}
