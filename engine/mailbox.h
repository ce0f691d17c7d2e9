/* SPDX-License-Identifier: Apache-2.0 */
/* mailbox: letters, messages to users that are kept until they are answered, claimed, or expire.
 * They stay in the store; a block holds those it made and those it took. */
#ifndef MR_ENGINE_MAILBOX_H
#define MR_ENGINE_MAILBOX_H

#include "engine/agenda.h"

typedef struct mr_letter {
    mr_id user;
    mr_id message;
    mr_id program; /* which sent it */
    mr_id payer;
    mr_id origin_id;
    mr_value value;
    uint64_t gas;
    uint64_t deposit;
    uint64_t sequence; /* of its task, when the store has it */
    mr_task *task;     /* of a letter the block made */
    mr_span payload;
    struct mr_letter *next; /* of those a stream made */
    uint32_t since, until;  /* heights */
    bool has_origin;
    bool stored; /* the store has it */
    bool taken;  /* by the block */
} mr_letter;

/* mr_mailbox_find yields the letter of `user` about `message` that may still be taken, in the
 * block's memory. Main thread. Errors: MR_NOT_FOUND; MR_IO; MR_CORRUPT; MR_NO_MEMORY. */
mr_status mr_mailbox_find(mr_block *block, const mr_id *user, const mr_id *message,
                          mr_letter **out);

/* mr_mailbox_take takes it: it is gone with the block, and its gas and value no longer held. What
 * it paid for being kept is rent; returns the gas that is left, the deposit not included. */
uint64_t mr_mailbox_take(mr_block *block, mr_letter *letter);

/* mr_mailbox_add enters a letter that the main thread made or read. Errors: MR_NO_MEMORY;
 * MR_CORRUPT there is one of this id. */
mr_status mr_mailbox_add(mr_block *block, mr_letter *letter);

/* mr_mailbox_seal enters the records of all letters made and taken into what streams store.
 * Errors: MR_NO_MEMORY. */
mr_status mr_mailbox_seal_main(mr_block *block);
mr_status mr_mailbox_seal_stream(struct mr_stream *of, struct mr_stream *by);

/* mr_letter_encode appends the record; mr_letter_decode reads it, payload borrowed.
 * Errors: MR_NO_MEMORY; MR_CORRUPT. */
mr_status mr_letter_encode(const mr_letter *letter, mr_buffer *out);
mr_status mr_letter_decode(const mr_id *user, const mr_id *message, mr_span record, mr_letter *out);

enum { MR_LETTER_KEY_BYTES = 2 * sizeof(mr_id) };
static inline void mr_letter_key(const mr_id *user, const mr_id *message,
                                 uint8_t out[MR_LETTER_KEY_BYTES])
{
    memcpy(out, user->bytes, sizeof *user);
    memcpy(out + sizeof *user, message->bytes, sizeof *message);
}

#endif
