/* SPDX-License-Identifier: Apache-2.0 */
/* index: the programs in memory, by id. An open-addressing table of pointers.
 *
 *              find   enter   reserve   remove
 *   find        -       -        X        X       (- : may run side by side, from any workers)
 *   enter       -       -        X        X       (X : the caller keeps them apart: serial phase)
 *
 * Progress: find and enter are lock-free. enter linearises at the compare-and-swap of its slot:
 * release there, paired with the acquire of find. */
#ifndef MR_ENGINE_INDEX_H
#define MR_ENGINE_INDEX_H

#include "engine/program.h"

typedef struct mr_index {
    struct mr_program *_Atomic *slots;
    size_t capacity;      /* a power of two, or 0 */
    _Atomic size_t count; /* programs in the table */
} mr_index;

/* mr_index_reserve makes room for `programs_count` in all. Errors: MR_NO_MEMORY, unchanged. */
mr_status mr_index_reserve(mr_index *index, size_t programs_count);

/* mr_index_find returns the program of `id`, or NULL. Threads: any. */
mr_program *mr_index_find(const mr_index *index, const mr_id *id);

/* mr_index_ahead asks the caches for what finding `id` will need: the slot when `distance` is 2,
 * the program there when it is 1 and the slot has come. Threads: any. */
void mr_index_ahead(const mr_index *index, const mr_id *id, uint32_t distance);

/* mr_index_enter adds `program` unless one of its id is there already, and returns the one that is
 * there afterwards. Room must have been reserved. Threads: any. */
mr_program *mr_index_enter(mr_index *index, mr_program *program);

/* mr_index_remove takes a program out, which is in the table. */
void mr_index_remove(mr_index *index, const mr_program *program);

/* mr_index_at returns the program in slot `i` of `capacity`, or NULL: for walks. */
mr_program *mr_index_at(const mr_index *index, size_t i);

void mr_index_fini(mr_index *index);

#endif
