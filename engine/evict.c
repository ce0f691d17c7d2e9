/* SPDX-License-Identifier: Apache-2.0 */
/* evict: programs in memory are a cache of the store. When they exceed their budget, a hand goes
 * round the index and drops those that no block has used since it last came by, until a part of the
 * budget is free again. What the queue points to stays. */
#include "engine/engine_internal.h"

#include <stdatomic.h>

#include "base/assert.h"

enum { FREE_SHARE = 8 /* of the budget is freed at once: one in this */ };

static uint64_t loaded(const mr_engine *engine)
{
    return atomic_load_explicit(&engine->loaded_bytes, memory_order_relaxed);
}

/* Marks what the queue points to as used. */
static void pin_queue(mr_engine *engine)
{
    for (size_t i = 0; i < engine->queue_count; i++) {
        engine->queue[i]->dispatch.program->used_in = engine->executions;
        if (engine->queue[i]->dispatch.sender != NULL)
            engine->queue[i]->dispatch.sender->used_in = engine->executions;
    }
}

void mr_engine_drop(mr_engine *engine, mr_program *program)
{
    MR_ASSERT(program->undo == NULL);
    atomic_fetch_sub_explicit(&engine->loaded_bytes, program->loaded_bytes, memory_order_relaxed);
    mr_index_remove(&engine->index, program);
    mr_program_free(program, engine->pool);
}

/* One round of the hand: drops what was last used in or before execution `limit`. */
static void sweep(mr_engine *engine, uint64_t limit, uint64_t goal)
{
    for (size_t steps = 0; steps < engine->index.capacity && loaded(engine) > goal; steps++) {
        mr_program *program = mr_index_at(&engine->index, engine->sweep_at);
        if (program != NULL && program->used_in <= limit)
            mr_engine_drop(engine, program); /* closes the gap: another may stand here now */
        else
            engine->sweep_at = (engine->sweep_at + 1) & (engine->index.capacity - 1);
    }
}

void mr_engine_evict(mr_engine *engine)
{
    if (loaded(engine) <= engine->loaded_bytes_max)
        return;
    const uint64_t goal = engine->loaded_bytes_max - engine->loaded_bytes_max / FREE_SHARE;
    pin_queue(engine);
    /* Older ones first: used 16 blocks ago or more, then 8, 4, 2, and at last all but this block's.
     * The last are kept: the next block will most likely want them. */
    for (uint64_t age = 16; age >= 1 && loaded(engine) > goal; age /= 2) {
        if (engine->executions > age)
            sweep(engine, engine->executions - age, goal);
    }
}
