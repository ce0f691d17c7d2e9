/* SPDX-License-Identifier: Apache-2.0 */
/* agenda: what falls due at a height. Tasks are made by dispatches (and by the agenda itself), each
 * in its place in the order of the serial queue, and numbered in that order when the block is
 * sealed. A block carries out the tasks of its height before it admits transactions; then their
 * records are gone. A task that is no longer wanted is cancelled: one of this block is not stored,
 * an older one's record is removed when the block is sealed. */
#ifndef MR_ENGINE_AGENDA_H
#define MR_ENGINE_AGENDA_H

#include "engine/dispatch.h"

struct mr_letter;
struct mr_stream;

#define MR_TASK_ONE(name, text) +1
enum { MR_TASK_KINDS = MR_TASK_MAP(MR_TASK_ONE) };
#undef MR_TASK_ONE

/* A task made by the block; in its memory. */
typedef struct mr_task {
    mr_id owner; /* of SEND: the destination */
    mr_id subject;
    const mr_dispatch *dispatch; /* SEND */
    uint64_t sequence;           /* when sealed */
    uint32_t due;                /* height; UINT32_MAX is never */
    uint8_t kind;
    bool cancelled;
} mr_task;

/* A task as it is read from its record; pointers lead into that. */
typedef struct mr_task_record {
    mr_task_kind kind;
    mr_id owner, subject;       /* not of SEND */
    mr_dispatch_record message; /* SEND */
} mr_task_record;

/* mr_task_read reads a record. False when it makes no sense. */
bool mr_task_read(mr_span record, mr_task_record *out);

/* mr_agenda_run carries out the tasks that are due. What they send is appended to block->pending.
 * Errors: MR_IO; MR_CORRUPT; MR_NO_MEMORY. */
mr_status mr_agenda_run(mr_block *block);

/* mr_agenda_answer takes a letter that expires or is claimed: its value goes to the user, and an
 * automatic reply to the program. Errors: as mr_agenda_run. */
mr_status mr_agenda_answer(mr_block *block, struct mr_letter *letter);

/* mr_agenda_number gives the tasks made and not cancelled their numbers. */
void mr_agenda_number(mr_block *block);

/* mr_agenda_seal enters the records of numbered tasks begin .. end - 1 of the block's into what
 * `stream` stores. Errors: MR_NO_MEMORY. */
mr_status mr_agenda_seal(mr_block *block, struct mr_stream *stream, size_t begin, size_t end);

/* mr_height_after returns the height `blocks` after `height`, UINT32_MAX when it would be more. */
static inline uint32_t mr_height_after(uint32_t height, uint64_t blocks)
{
    return blocks > UINT32_MAX - height ? UINT32_MAX : height + (uint32_t)blocks;
}

/* mr_height_paid returns the height to which `gas` pays rent from `since` on. */
static inline uint32_t mr_height_paid(uint32_t since, uint64_t gas, uint64_t rent)
{
    return rent == 0 ? UINT32_MAX : mr_height_after(since, gas / rent);
}

/* The key of a task in the store: its height and number, big endian. */
enum { MR_TASK_KEY_BYTES = 12 };
static inline void mr_task_key(uint32_t due, uint64_t sequence, uint8_t out[MR_TASK_KEY_BYTES])
{
    mr_store_be32(out, due);
    mr_store_be64(out + 4, sequence);
}

#endif
