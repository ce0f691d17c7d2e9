/* SPDX-License-Identifier: Apache-2.0 */
/* history: a database's whole life, made from a seed: genesis, blocks of random transactions over
 * programs of tests/programs/actor.c, and what the reference makes of every block. */
#ifndef MR_TESTS_MODEL_HISTORY_H
#define MR_TESTS_MODEL_HISTORY_H

#include "base/arena.h"
#include "tests/reference/reference.h"

typedef struct mr_history_block {
    mr_block_params params;
    mr_transaction *transactions;
    size_t transactions_count;
    const mr_reference_block *expected;
} mr_history_block;

typedef struct mr_history {
    mr_reference_options options;
    mr_history_block *blocks;
    size_t blocks_count;
    mr_reference *reference; /* after the last block */
    mr_arena arena;          /* for what transactions point to */
} mr_history;

/* How histories are to be; all zero leaves everything to chance. */
typedef struct mr_history_wishes {
    size_t blocks_count;
    bool calm; /* programs that mostly succeed, and no tight gas limits */
} mr_history_wishes;

/* mr_history_new makes the history of `seed`. Owns: the caller frees it. */
mr_history *mr_history_new(uint64_t seed, const mr_history_wishes *wishes);
void mr_history_free(mr_history *history);

/* mr_history_begin makes a history without blocks, mr_history_add adds one: the reference executes
 * it. Owns: `transactions`, from malloc, becomes the history's; what it points to must last. */
mr_history *mr_history_begin(const mr_reference_options *options);
const mr_reference_block *mr_history_add(mr_history *history, const mr_block_params *params,
                                         mr_transaction *transactions, size_t transactions_count);

/* mr_history_part makes a history of those transactions for which keep[n] holds, n counting over
 * all blocks, and of the first `blocks_count` blocks. It borrows the transactions' bytes. */
mr_history *mr_history_part(const mr_history *whole, size_t blocks_count, const bool *keep);

/* mr_history_count returns the number of transactions in the first `blocks_count` blocks. */
size_t mr_history_count(const mr_history *history, size_t blocks_count);

/* mr_history_print tells every transaction of the blocks, one a line. */
void mr_history_print(const mr_history *history);

/* The modules of tests/programs. */
typedef enum mr_history_module {
    MR_MODULE_ACTOR,
    MR_MODULE_ACTOR_DEEP, /* two pages of shadow stack */
    MR_MODULE_ACTOR_NO_INIT,
    MR_MODULE_ACTOR_NO_HANDLE,
    MR_MODULE_ACTOR_NO_REPLY,
    MR_MODULE_ACTOR_NO_SIGNAL,
    MR_MODULES_COUNT
} mr_history_module;

mr_span mr_history_module_of(mr_history_module module);

#endif
