/* SPDX-License-Identifier: Apache-2.0 */
/* rounds: the block's queue, from round to round. next() is where serial equivalence with the block
 * gas limit is decided (contract, 7): the longest prefix is admitted whose limits fit even if all
 * of it were burned, all of it as it stands when that is known without looking at each; what
 * follows is looked at again when the true burn is known. A message that does not fit what is truly
 * left closes its destination for the rest of the block. */
#include "engine/engine_internal.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/probe.h"
#include "engine/waiting.h"

void mr_tally_add(mr_tally *to, const mr_tally *more)
{
    to->gas_burned += more->gas_burned;
    to->gas_refunded += more->gas_refunded;
    to->gas_rent += more->gas_rent;
    to->gas_held += more->gas_held;
    to->values += more->values;
    to->replies += more->replies;
    to->failures += more->failures;
    to->users += more->users;
    to->letters += more->letters;
    to->waiting += more->waiting;
    to->debug_lines += more->debug_lines;
    to->unsteady += more->unsteady;
    to->value_left += more->value_left;
}

static mr_dispatch *dispatch_of(const mr_item *item)
{
    return item->object;
}

static mr_program *program_of(const mr_item *item)
{
    return (mr_program *)item->lane;
}

/* Puts a message aside for later blocks. */
static mr_status put_aside(mr_block *block, const mr_item *item)
{
    MR_TRY(MR_GROW(block->remainder, block->remainder_capacity, block->remainder_count));
    mr_dispatch *dispatch = dispatch_of(item);
    mr_queued *queued = mr_queued_of(dispatch);
    if (!dispatch->queued) {
        MR_TRY(mr_queued_new(dispatch, &queued));
        if (dispatch->extra != NULL && dispatch->extra->waited)
            mr_waitlist_replace(dispatch->program, dispatch, queued);
    }
    queued->remains = true;
    block->remainder[block->remainder_count++] = queued;
    return MR_OK;
}

/* Appends to the messages to be admitted. What has been admitted is cut off when it is the larger
 * part, so that a long queue is not moved again and again. */
static mr_status append_pending(mr_block *block, const mr_item *items, size_t count)
{
    if (count == 0)
        return MR_OK;
    if (block->pending_at >= block->pending_count - block->pending_at) {
        block->pending_count -= block->pending_at;
        memmove(block->pending, block->pending + block->pending_at,
                block->pending_count * sizeof *block->pending);
        block->pending_at = 0;
    }
    size_t needed = block->pending_count + count;
    if (needed > block->pending_capacity) {
        size_t capacity = needed + needed / 2;
        mr_item *pending = realloc(block->pending, capacity * sizeof *pending);
        if (pending == NULL)
            return MR_NO_MEMORY;
        block->pending = pending;
        block->pending_capacity = capacity;
    }
    if (count > 0)
        memcpy(block->pending + block->pending_count, items, count * sizeof *items);
    block->pending_count = needed;
    return MR_OK;
}

static bool has_limit(const mr_block *block)
{
    return block->params.gas_limit != 0;
}

/* Whether messages that cost `cost` in all may run at once: the common case. `steady` tells that
 * the cost says all that they may burn. */
static bool fits_whole(const mr_block *block, uint64_t cost, bool steady)
{
    /* What has been put aside has closed a destination. */
    return !has_limit(block) || (steady && block->remainder_count == 0 && cost <= block->gas_left);
}

/* What a message may burn: a reply that belongs to one that waits may draw on that one's gas.
 * `first` tells that nothing runs before it. Else its gas may be drawn on by others, or given to it
 * by them, which all of them together may not burn twice; and one of them may wake it: then no rent
 * is kept back for it any more, so all its gas counts. */
static mr_status limit_of(const mr_block *block, const mr_item *item, bool first, uint64_t *out)
{
    const mr_dispatch *dispatch = dispatch_of(item);
    const mr_id *origin = mr_dispatch_origin(dispatch);
    *out = dispatch->message.gas_limit;
    if (dispatch->message.kind != MR_KIND_REPLY || origin == NULL)
        return MR_OK;
    const mr_wait_source from = mr_wait_source_of(block, &block->engine->streams[0]);
    mr_dispatch *waiter;
    MR_TRY(mr_waitlist_find(program_of(item), &from, origin, &waiter));
    if (waiter == NULL)
        return MR_OK;
    const uint64_t room = mr_block_gas_room(block, *out);
    const uint64_t most =
        first ? mr_waiting_drawable(waiter, from.height, from.rent) : waiter->message.gas_limit;
    *out += most < room ? most : room;
    return MR_OK;
}

/* What running the message may take of what the block has left, beside its limit: the system
 * reservation of a reply that has waited goes home with what is left, and others may burn it. */
static uint64_t given_home(const mr_dispatch *dispatch)
{
    const bool goes_home =
        dispatch->message.kind == MR_KIND_REPLY && mr_dispatch_origin(dispatch) != NULL;
    return goes_home ? dispatch->extra->context.system_gas : 0;
}

/* Chooses from the pending messages. What stays pending begins at pending_at. A round is of one
 * generation: what it creates exists for the next one, which may be pending behind it. */
static mr_status choose(mr_block *block, size_t *chosen_count)
{
    const uint64_t execution = block->execution;
    uint64_t left = block->gas_left;
    size_t chosen = 0, at = block->pending_at;
    MR_TRY(MR_ROOM(block->chosen, block->chosen_capacity, block->pending_count - at));
    for (; at < block->pending_count; at++) {
        const mr_item *item = &block->pending[at];
        mr_program *program = program_of(item);
        if (chosen > 0 && dispatch_of(item)->generation != dispatch_of(block->chosen)->generation)
            break;
        uint64_t limit = 0;
        if (has_limit(block))
            MR_TRY(limit_of(block, item, chosen == 0, &limit));
        if (program->closed_in == execution) {
            MR_TRY(put_aside(block, item));
        } else if (limit <= left || !has_limit(block)) {
            const uint64_t home = given_home(dispatch_of(item));
            block->chosen[chosen++] = *item;
            left -= limit;
            if (home > left && has_limit(block)) {
                at++;
                break; /* whether what follows fits depends on what is made of that */
            }
            left -= home;
        } else if (chosen > 0) {
            break; /* whether it fits depends on what the chosen ones burn */
        } else {
            program->closed_in = execution;
            MR_TRY(put_aside(block, item));
        }
    }
    block->pending_at = at;
    *chosen_count = chosen;
    return MR_OK;
}

/* Leaves dispatches of kind VALUE out of the receipts of the round that has just ended. */
static void close_receipts(mr_block *block, uint64_t values)
{
    if (block->rounds_count == 0)
        return;
    mr_round_receipts *round = &block->rounds[block->rounds_count - 1];
    if (values > 0) {
        size_t kept = 0;
        for (size_t i = 0; i < round->count; i++) {
            if (round->dispatches[i]->message.kind != MR_KIND_VALUE)
                round->dispatches[kept++] = round->dispatches[i];
        }
        MR_ASSERT(kept == round->count - values);
        round->count = kept;
    }
    block->info.receipts_count += round->count;
}

/* Programs made in the round exist from now on. */
static mr_status take_created(mr_block *block, mr_stream *stream)
{
    mr_engine *engine = block->engine;
    if (stream->created_count == 0)
        return MR_OK;
    MR_TRY(
        mr_index_reserve(&engine->index, block->counters.programs_count + stream->created_count));
    while (stream->created_count > 0) {
        MR_TRY(MR_GROW(block->created, block->created_capacity, block->created_count));
        mr_program *program = stream->created[--stream->created_count];
        block->created[block->created_count++] = program;
        block->counters.programs_count++;
        program->epoch = engine->epoch;
        mr_program *there = mr_index_enter(&engine->index, program);
        MR_ASSERT(there == program);
    }
    for (uint32_t s = 0; s < engine->streams_count; s++)
        memset(engine->streams[s].strangers, 0, sizeof engine->streams[s].strangers);
    return MR_OK;
}

static mr_status take_tasks(mr_block *block, const mr_round *round)
{
    const mr_item *items;
    const size_t count = mr_round_output(round, MR_CHANNEL_TASKS, &items);
    for (size_t i = 0; i < count; i++) {
        MR_TRY(MR_GROW(block->tasks, block->tasks_capacity, block->tasks_count));
        block->tasks[block->tasks_count++] = items[i].object;
    }
    return MR_OK;
}

/* Takes up what the round that has just ended did. Yields whether its output costs what it says. */
static mr_status collect(mr_block *block, const mr_round *round, bool *steady)
{
    mr_engine *engine = block->engine;
    mr_tally now = {0};
    for (uint32_t s = 0; s < engine->streams_count; s++) {
        MR_TRY(engine->streams[s].failure);
        mr_tally_add(&now, &engine->streams[s].tally);
        MR_TRY(take_created(block, &engine->streams[s]));
    }
    MR_TRY(take_tasks(block, round));
    const uint64_t burned = now.gas_burned - block->seen.gas_burned;
    if (has_limit(block)) {
        MR_ASSERT(burned <= block->gas_left);
        block->gas_left -= burned;
    }
    close_receipts(block, now.values - block->seen.values);
    *steady = now.unsteady == block->seen.unsteady;
    block->seen = now;
    return MR_OK;
}

/* Makes room for the receipts of the coming round; `take` fills it. */
static mr_status open_receipts(mr_block *block, size_t count)
{
    MR_TRY(MR_GROW(block->rounds, block->rounds_capacity, block->rounds_count));
    const mr_dispatch **dispatches = mr_arena_alloc(block->arena, count * sizeof *dispatches);
    if (dispatches == NULL)
        return MR_NO_MEMORY;
    block->rounds[block->rounds_count++] = (mr_round_receipts){
        .dispatches = dispatches,
        .count = count,
        .first = block->info.receipts_count,
    };
    return MR_OK;
}

static void take(void *ctx, const mr_item *items, size_t begin, size_t count)
{
    const mr_block *block = ctx;
    const mr_dispatch **to = block->rounds[block->rounds_count - 1].dispatches + begin;
    for (size_t i = 0; i < count; i++)
        to[i] = items[i].object;
}

/* Gives the streams the arenas of the coming round. An arena is used again once nothing made in it
 * can still be in the queue: two rounds after the last time something was left pending. */
static void turn_arenas(mr_block *block)
{
    mr_engine *engine = block->engine;
    block->clean_rounds = block->pending_at < block->pending_count ? 0 : block->clean_rounds + 1;
    for (uint32_t s = 0; s < engine->streams_count; s++) {
        mr_stream *stream = &engine->streams[s];
        mr_arena *arena = &stream->round_arena[block->rounds_count & 1];
        if (block->clean_rounds >= 2)
            mr_arena_reset(arena, SIZE_MAX);
        stream->payloads = arena;
    }
}

static mr_status prepare(mr_block *block, mr_round *round, const mr_item **items, size_t *count)
{
    bool steady;
    MR_TRY(collect(block, round, &steady));
    const mr_item *output;
    size_t output_count = mr_round_output(round, MR_CHANNEL_QUEUE, &output);
    const bool pending = block->pending_at < block->pending_count;
    if (block->pending_plain && fits_whole(block, block->pending_most, true)) {
        *items = block->pending;
        *count = block->pending_at = block->pending_count;
    } else if (!pending && output_count > 0 &&
               fits_whole(block, mr_round_output_cost(round, MR_CHANNEL_QUEUE), steady)) {
        *items = output;
        *count = output_count;
    } else {
        MR_TRY(append_pending(block, output, output_count));
        do {
            MR_TRY(choose(block, count));
        } while (*count == 0 && block->pending_at < block->pending_count);
        *items = block->chosen;
    }
    block->pending_plain = false;
    if (*count > 0) {
        MR_TRY(open_receipts(block, *count));
        turn_arenas(block);
    }
    return MR_OK;
}

static size_t next(void *ctx, mr_round *round, const mr_item **items)
{
    mr_block *block = ctx;
    size_t count = 0;
    if (block->rounds_count > 0)
        MR_PROBE(round__end, block->info.height, block->rounds_count);
    mr_status status = prepare(block, round, items, &count);
    if (status == MR_OK && count > 0)
        MR_PROBE(round__begin, block->info.height, block->rounds_count, count);
    if (status == MR_OK)
        return count;
    if (block->failure == MR_OK)
        block->failure = status;
    return 0;
}

static void fetch(const void *at, size_t size)
{
    for (size_t line = 0; line < size; line += 64)
        __builtin_prefetch((const uint8_t *)at + line, 1);
}

static void run(void *ctx, mr_round *round, uint32_t stream_number, mr_lane *lane,
                const mr_work *work)
{
    mr_block *block = ctx;
    mr_stream *stream = &block->engine->streams[stream_number];
    mr_program *program = (mr_program *)lane;
    /* A round's messages are longer than any cache. */
    enum { ONCE = MR_FORESEEN_AT_ONCE, AHEAD = ONCE + 3 };
    mr_foreseen *foreseen = NULL;
    for (size_t i = 0; i < work->count; i++) {
        mr_dispatch *dispatch = work->objects[i];
        if (i + AHEAD < work->count)
            fetch(work->objects[i + AHEAD], sizeof(mr_dispatch) + sizeof(mr_id));
        if (i % ONCE == 0)
            foreseen = mr_foresee(&stream->foresight,
                                  &(mr_foreseeable){(const mr_dispatch *const *)work->objects + i,
                                                    work->count - i, &program->habits});
        stream->execution.foreseen = &foreseen[i % ONCE];
        mr_stream_dispatch(stream, block, round, program, dispatch, work->positions[i]);
        mr_foreseen_learn(&foreseen[i % ONCE], dispatch, &program->habits);
    }
    stream->execution.foreseen = NULL;
}

static void ahead(void *ctx, uint32_t stream, mr_lane *lane, const mr_work *work, uint32_t distance)
{
    const mr_block *block = ctx;
    const mr_program *program = (const mr_program *)lane;
    /* Of many messages, the first are fetched when they are next: till then caches forget them. */
    const bool few = work->count <= MR_FORESEEN_FEW;
    if (distance == 1 || (few && distance == MR_AHEAD_MAX))
        for (size_t i = 0; i < MR_FORESEEN_FEW && i < work->count; i++)
            fetch(work->objects[i], sizeof(mr_dispatch) + sizeof(mr_id));
    if (distance == MR_AHEAD_MAX)
        fetch(program, sizeof *program);
    else
        mr_memory_prefetch(&program->memory, distance);
    mr_foresee_next(&block->engine->streams[stream].foresight, distance,
                    &(mr_foreseeable){(const mr_dispatch *const *)work->objects, work->count,
                                      &program->habits});
}
static_assert((int)MR_AHEAD_MAX > (int)MR_FORESEEN_NEXT, "what is foreseen was asked for before");

mr_status mr_block_run(mr_block *block, mr_error *error)
{
    static const mr_round_ops ops = {.next = next, .take = take, .run = run, .ahead = ahead};
    mr_engine *engine = block->engine;
    for (uint32_t s = 0; s < engine->streams_count; s++)
        mr_foresee_nothing(&engine->streams[s].foresight);
    mr_status status = mr_scheduler_run(engine->scheduler, &ops, block);
    if (block->failure != MR_OK)
        status = block->failure;
    if (status != MR_OK)
        return MR_FAIL(error, status, "the block could not be run: %s", mr_status_text(status));
    block->info.rounds = block->rounds_count;
    block->info.gas_burned = block->seen.gas_burned;
    return MR_OK;
}
