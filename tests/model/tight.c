/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/tight.h"

/* A block executed for nothing. */
typedef struct rehearsal {
    mr_reference *reference;
    const mr_reference_block *block;
} rehearsal;

static rehearsal rehearse(const mr_history *history, const mr_block_params *params,
                          const mr_transaction *transactions, size_t count)
{
    rehearsal made = {.reference = mr_reference_new(&history->options)};
    for (size_t b = 0; b < history->blocks_count; b++) {
        const mr_history_block *block = &history->blocks[b];
        (void)mr_reference_execute(made.reference, &block->params, block->transactions,
                                   block->transactions_count);
    }
    made.block = mr_reference_execute(made.reference, params, transactions, count);
    return made;
}

/* The number of a message's first dispatch; that of receipts when there is none. */
static uint64_t find(const mr_reference_block *block, const mr_id *message)
{
    uint64_t i = 0;
    while (i < block->info.receipts_count &&
           memcmp(&block->receipts[i].message, message, sizeof *message) != 0)
        i++;
    return i;
}

/* The least block gas with which the dispatch fits after all those before it. */
static uint64_t border_of(const mr_reference_block *block, uint64_t dispatch)
{
    uint64_t burned = 0;
    for (uint64_t i = 0; i < dispatch; i++)
        burned += block->receipts[i].gas_burned;
    return burned + block->receipts[dispatch].gas_limit;
}

/* Messages have much more gas than they burn, and what has been before would decide nothing. */
static void tighten(const mr_reference_block *block, mr_random *random,
                    mr_transaction *transactions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t at = find(block, &block->transactions[i].id);
        if (block->transactions[i].admission != MR_ADMISSION_ACCEPTED ||
            at == block->info.receipts_count || mr_random_chance(random, 30))
            continue;
        transactions[i].gas_limit =
            block->receipts[at].gas_burned +
            mr_random_magnitude(random, 1, 1 + block->receipts[at].gas_burned / 2);
    }
}

/* A reply if there is one, for it may draw; or that which asks for most. */
static uint64_t some_dispatch(const mr_reference_block *block, mr_random *random)
{
    const uint64_t count = block->info.receipts_count;
    const bool most = mr_random_chance(random, 25);
    uint64_t chosen = mr_random_below(random, count);
    for (uint64_t tries = 0; !most && tries < count; tries++) {
        const uint64_t at = (chosen + tries) % count;
        const mr_receipt *receipt = &block->receipts[at];
        if (receipt->kind == MR_KIND_REPLY && receipt->gas_burned > 0)
            return at;
    }
    for (uint64_t i = 0; most && i < count; i++) {
        if (border_of(block, i) > border_of(block, chosen))
            chosen = i;
    }
    return chosen;
}

/* With a lower limit transactions are refused and destinations closed, and the message comes up
 * after others, or not at all: its border is looked for again. */
static uint64_t settle_limit(const mr_history *history, mr_block_params params,
                             const mr_transaction *transactions, size_t count, const mr_id *message)
{
    enum { TRIES = 3 };
    for (unsigned i = 0; i < TRIES; i++) {
        const rehearsal again = rehearse(history, &params, transactions, count);
        const uint64_t at = find(again.block, message);
        const bool there = at < again.block->info.receipts_count;
        const uint64_t border = there ? border_of(again.block, at) : params.gas_limit;
        mr_reference_free(again.reference);
        if (border == params.gas_limit)
            break;
        params.gas_limit = border;
    }
    return params.gas_limit;
}

void mr_tight_block(const mr_history *history, mr_random *random, mr_block_params *params,
                    mr_transaction *transactions, size_t transactions_count)
{
    params->gas_limit = 0;
    rehearsal seen = rehearse(history, params, transactions, transactions_count);
    if (mr_random_chance(random, 75)) {
        tighten(seen.block, random, transactions, transactions_count);
        mr_reference_free(seen.reference);
        seen = rehearse(history, params, transactions, transactions_count);
    }
    if (seen.block->info.receipts_count > 0) {
        const uint64_t at = some_dispatch(seen.block, random);
        const mr_id message = seen.block->receipts[at].message;
        params->gas_limit = border_of(seen.block, at);
        params->gas_limit =
            settle_limit(history, *params, transactions, transactions_count, &message);
        /* It fits, misses by one, or by as much as others may give and take. */
        const uint64_t less = mr_random_chance(random, 40) ? 0
                              : mr_random_chance(random, 50)
                                  ? 1
                                  : mr_random_magnitude(random, 1, params->gas_limit / 4);
        params->gas_limit = less < params->gas_limit ? params->gas_limit - less : 1;
    }
    mr_reference_free(seen.reference);
}
