/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/index.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"

enum { CAPACITY_MIN = 1024 };

static size_t home_of(const mr_id *id, size_t capacity)
{
    return (size_t)(mr_id_bucket(id) >> 16) & (capacity - 1);
}

static void place(struct mr_program *_Atomic *slots, size_t capacity, mr_program *program)
{
    size_t i = home_of(&program->id, capacity);
    while (atomic_load_explicit(&slots[i], memory_order_relaxed) != NULL)
        i = (i + 1) & (capacity - 1);
    atomic_store_explicit(&slots[i], program, memory_order_relaxed);
}

mr_status mr_index_reserve(mr_index *index, size_t programs_count)
{
    size_t capacity = index->capacity < CAPACITY_MIN ? CAPACITY_MIN : index->capacity;
    while (capacity < programs_count * 2)
        capacity *= 2;
    if (capacity == index->capacity)
        return MR_OK;
    struct mr_program *_Atomic *slots = calloc(capacity, sizeof *slots);
    if (slots == NULL)
        return MR_NO_MEMORY;
    for (size_t i = 0; i < index->capacity; i++) {
        mr_program *program = mr_index_at(index, i);
        if (program != NULL)
            place(slots, capacity, program);
    }
    free(index->slots);
    index->slots = slots;
    index->capacity = capacity;
    return MR_OK;
}

mr_program *mr_index_find(const mr_index *index, const mr_id *id)
{
    if (index->capacity == 0)
        return NULL;
    for (size_t i = home_of(id, index->capacity);; i = (i + 1) & (index->capacity - 1)) {
        mr_program *program = atomic_load_explicit(&index->slots[i], memory_order_acquire);
        if (program == NULL || mr_id_equal(&program->id, id))
            return program;
    }
}

void mr_index_ahead(const mr_index *index, const mr_id *id, uint32_t distance)
{
    if (index->capacity == 0)
        return;
    struct mr_program *_Atomic *slot = &index->slots[home_of(id, index->capacity)];
    if (distance > 1) {
        __builtin_prefetch((const void *)slot);
        return;
    }
    const mr_program *program = atomic_load_explicit(slot, memory_order_relaxed);
    if (program != NULL)
        __builtin_prefetch(&program->id);
}

mr_program *mr_index_enter(mr_index *index, mr_program *program)
{
    MR_ASSERT(index->capacity > 0);
    for (size_t i = home_of(&program->id, index->capacity);; i = (i + 1) & (index->capacity - 1)) {
        mr_program *there = NULL;
        if (atomic_compare_exchange_strong_explicit(&index->slots[i], &there, program,
                                                    memory_order_acq_rel, memory_order_acquire)) {
            size_t count = atomic_fetch_add_explicit(&index->count, 1, memory_order_relaxed);
            MR_ASSERT(count < index->capacity - 1);
            return program;
        }
        if (mr_id_equal(&there->id, &program->id))
            return there;
    }
}

void mr_index_remove(mr_index *index, const mr_program *program)
{
    const size_t mask = index->capacity - 1;
    size_t hole = home_of(&program->id, index->capacity);
    while (mr_index_at(index, hole) != program) {
        MR_ASSERT(mr_index_at(index, hole) != NULL);
        hole = (hole + 1) & mask;
    }
    /* Close the gap: move back whoever probes over the hole. */
    for (size_t i = (hole + 1) & mask;; i = (i + 1) & mask) {
        mr_program *next = mr_index_at(index, i);
        if (next == NULL)
            break;
        size_t home = home_of(&next->id, index->capacity);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            atomic_store_explicit(&index->slots[hole], next, memory_order_relaxed);
            hole = i;
        }
    }
    atomic_store_explicit(&index->slots[hole], NULL, memory_order_relaxed);
    atomic_fetch_sub_explicit(&index->count, 1, memory_order_relaxed);
}

mr_program *mr_index_at(const mr_index *index, size_t i)
{
    return atomic_load_explicit(&index->slots[i], memory_order_relaxed);
}

void mr_index_fini(mr_index *index)
{
    free(index->slots);
    *index = (mr_index){0};
}
