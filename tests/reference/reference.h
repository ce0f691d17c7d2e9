/* SPDX-License-Identifier: Apache-2.0 */
/* reference: docs/SEMANTICS.md as a program. It takes one message at a time from one queue, runs it
 * and appends what it sends. There are no threads, caches, rounds or undo records; things are
 * looked up by walking arrays, and the state root is computed from nothing after every block.
 *
 * With the engine it shares the execution of one entry over one memory (engine/execution.h, vm/)
 * and the hash functions. Order, gas, value, closing, waiting, letters, tasks, reservations,
 * sequence numbers, records and root are its own. Running out of memory ends the process: it is for
 * tests. */
#ifndef MR_TESTS_REFERENCE_REFERENCE_H
#define MR_TESTS_REFERENCE_REFERENCE_H

#include "engine/execution.h"
#include "engine/millrace.h"

typedef struct mr_reference mr_reference;

typedef struct mr_reference_options {
    mr_schedule schedule;
    bool accounts;
    const mr_balance *genesis; /* with accounts only */
    size_t genesis_count;
} mr_reference_options;

/* The outcome of a block. Lives as long as the reference. */
typedef struct mr_reference_block {
    mr_block_info info; /* `rounds` is 0: there are none */
    mr_receipt *receipts;
    mr_user_message *user_messages;
    mr_transaction_result *transactions;
    mr_debug_line *debug;
    size_t debug_count;
    mr_queued_message *queue; /* what is left for later blocks, info.queue_count of them */
    uint64_t gas_bought;
    uint64_t gas_refunded;
    uint64_t gas_queued;   /* in the queue after the block, deposits and system reservations too */
    uint64_t gas_held;     /* of waiting messages, letters, tasks and reservations after it */
    mr_value value_queued; /* that messages of the queue bring after it */
    bool closed;           /* the block's gas limit closed a destination */
} mr_reference_block;

/* A message that a user may reply to. */
typedef struct mr_reference_letter {
    mr_id user;
    mr_id message;
    mr_id program; /* which sent it */
    mr_id payer;
    mr_value value;
    uint64_t gas; /* without the deposit */
    uint32_t since;
    uint32_t until;
    bool has_origin;
    mr_id origin;
    uint64_t deposit;
    mr_span payload;
} mr_reference_letter;

/* A message that waits. */
typedef struct mr_reference_wait {
    mr_id program;
    mr_id message;
    uint32_t since;
    uint32_t wish; /* UINT32_MAX for none */
    uint32_t until;
    uint64_t gas;
    uint64_t system_gas;
} mr_reference_wait;

typedef enum mr_reference_what {
    MR_REFERENCE_END_OF_WAITING,
    MR_REFERENCE_WAKE,
    MR_REFERENCE_SEND,
    MR_REFERENCE_END_OF_LETTER,
    MR_REFERENCE_END_OF_RESERVATION,
} mr_reference_what;

/* What falls due at a height. */
typedef struct mr_reference_due {
    mr_reference_what what;
    uint32_t height;
    uint64_t sequence;
    mr_id owner;  /* program; of a letter the user; of SEND the destination */
    mr_id object; /* message or reservation */
    uint64_t gas; /* of SEND */
} mr_reference_due;

/* mr_reference_new makes the state before the first block. Owns: the caller frees it. */
mr_reference *mr_reference_new(const mr_reference_options *options);
void mr_reference_free(mr_reference *reference);

/* mr_reference_execute executes the next block and makes it the last one. */
const mr_reference_block *mr_reference_execute(mr_reference *reference,
                                               const mr_block_params *params,
                                               const mr_transaction *transactions,
                                               size_t transactions_count);

/* ---- The state after the last block ---- */

mr_id mr_reference_root(const mr_reference *reference);
uint64_t mr_reference_height(const mr_reference *reference);

/* mr_reference_letters returns all letters, borrowed until the next block. */
const mr_reference_letter *mr_reference_letters(const mr_reference *reference, size_t *count);

/* mr_reference_waiting describes the i-th waiting message, mr_reference_task the i-th task, in no
 * order that means anything. False when there is none. */
bool mr_reference_waiting(const mr_reference *reference, size_t i, mr_reference_wait *out);
bool mr_reference_task(const mr_reference *reference, size_t i, mr_reference_due *out);

/* mr_reference_program describes the i-th program in the order of creation. False when there is
 * none. */
bool mr_reference_program(const mr_reference *reference, size_t i, mr_program_info *out);

/* mr_reference_reservation yields the i-th reservation of a program, ascending by id. False when
 * there is none. */
bool mr_reference_reservation(const mr_reference *reference, const mr_id *program, size_t i,
                              mr_reservation *out);

/* mr_reference_memory returns the memory of the i-th program, info.pages pages, borrowed until the
 * next block. */
const uint8_t *mr_reference_memory(const mr_reference *reference, size_t i);

mr_value mr_reference_balance(const mr_reference *reference, const mr_id *account);

/* Gas in the queue, deposits and system reservations included; gas held beside it. */
uint64_t mr_reference_gas_queued(const mr_reference *reference);
uint64_t mr_reference_gas_held(const mr_reference *reference);

void mr_reference_totals(const mr_reference *reference, mr_value *issued, mr_value *burned);

#endif
