/* SPDX-License-Identifier: Apache-2.0 */
/* reference: docs/SEMANTICS.md as a program. It takes one message at a time from one queue, runs it
 * and appends what it sends. There are no threads, caches, rounds or undo records; things are
 * looked up by walking arrays, and the state root is computed from nothing after every block.
 *
 * With the engine it shares the execution of one entry over one memory (engine/execution.h, vm/)
 * and the hash functions. Order, gas, value, closing, letters, sequence numbers, records and root
 * are its own. Running out of memory ends the process: it is for tests. */
#ifndef MR_TESTS_REFERENCE_REFERENCE_H
#define MR_TESTS_REFERENCE_REFERENCE_H

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
    uint64_t gas_queued; /* in the queue after the block */
    bool closed;         /* the block's gas limit closed a destination */
} mr_reference_block;

/* A message that a user may reply to. */
typedef struct mr_reference_letter {
    mr_id user;
    mr_id message;
    mr_id program; /* which sent it */
} mr_reference_letter;

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

/* mr_reference_program describes the i-th program in the order of creation. False when there is
 * none. */
bool mr_reference_program(const mr_reference *reference, size_t i, mr_program_info *out);

/* mr_reference_memory returns the memory of the i-th program, info.pages pages, borrowed until the
 * next block. */
const uint8_t *mr_reference_memory(const mr_reference *reference, size_t i);

mr_value mr_reference_balance(const mr_reference *reference, const mr_id *account);
uint64_t mr_reference_gas_queued(const mr_reference *reference);
void mr_reference_totals(const mr_reference *reference, mr_value *issued, mr_value *burned);

#endif
