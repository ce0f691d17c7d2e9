/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=120
 * Goal: random histories go where the rules of a block are: everything a dispatch, a transaction
 * and the agenda can end in comes up.
 * Method: the reference alone lives through some, and what it says of their blocks is counted. The
 * seed is fixed unless MR_SEED names one, so that a generator gone dull is seen at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "tests/model/history.h"
#include "tests/model/play.h"
#include "tests/model/random.h"

enum { CASES = 60, CODES = 13 };

/* Codes that programs and users are told, as in docs/SEMANTICS.md. */
static const uint8_t codes[CODES][4] = {
    {0, 0, 0, 0}, {0, 1, 0, 0}, {1, 0, 0, 0}, {1, 0, 1, 0}, {1, 0, 2, 0},
    {1, 0, 3, 0}, {1, 0, 4, 0}, {1, 0, 5, 0}, {1, 2, 0, 0}, {1, 2, 1, 0},
    {1, 2, 2, 0}, {1, 2, 3, 0}, {1, 3, 0, 0},
};

static struct {
    uint64_t blocks, receipts, idle, tasks, agenda_messages, rent, letters, left, closed;
    uint64_t admissions[MR_ADMISSION_GAS_LIMIT + 1];
    uint64_t outcomes[MR_OUTCOME_REMOVED + 1];
    uint64_t kinds[MR_KIND_VALUE + 1];
    uint64_t ends[MR_KIND_VALUE + 1][MR_OUTCOME_REMOVED + 1];
    uint64_t codes[CODES];
    uint64_t claims, replies;
    uint64_t went_on; /* messages that waited, and then succeeded */
} seen;

static void count_block(const mr_history_block *block)
{
    const mr_reference_block *is = block->expected;
    seen.blocks++;
    seen.receipts += is->info.receipts_count;
    seen.idle += block->transactions_count == 0;
    seen.tasks += is->info.tasks_count;
    seen.agenda_messages += is->info.agenda_messages_count;
    seen.rent += is->info.gas_rent > 0;
    seen.left += is->info.queue_count;
    seen.closed += is->closed;
    for (uint64_t i = 0; i < is->info.receipts_count; i++) {
        seen.outcomes[is->receipts[i].outcome]++;
        seen.kinds[is->receipts[i].kind]++;
        seen.ends[is->receipts[i].kind][is->receipts[i].outcome]++;
    }
    for (uint64_t i = 0; i < is->info.user_messages_count; i++) {
        const mr_user_message *message = &is->user_messages[i];
        seen.letters += message->until != 0;
        for (size_t k = 0; message->is_reply && k < CODES; k++)
            seen.codes[k] += memcmp(message->code, codes[k], 4) == 0;
    }
    for (uint64_t i = 0; i < is->info.transactions_count; i++) {
        const mr_admission admission = is->transactions[i].admission;
        seen.admissions[admission]++;
        if (admission != MR_ADMISSION_ACCEPTED)
            continue;
        seen.claims += block->transactions[i].kind == MR_TRANSACTION_CLAIM;
        seen.replies += block->transactions[i].kind == MR_TRANSACTION_REPLY;
    }
}

static bool waited(const mr_history *history, size_t blocks_count, const mr_id *message)
{
    for (size_t b = 0; b < blocks_count; b++) {
        const mr_reference_block *block = history->blocks[b].expected;
        for (uint64_t i = 0; i < block->info.receipts_count; i++) {
            if (block->receipts[i].outcome == MR_OUTCOME_WAITING &&
                memcmp(&block->receipts[i].message, message, sizeof *message) == 0)
                return true;
        }
    }
    return false;
}

static void count_history(const mr_history *history)
{
    for (size_t b = 0; b < history->blocks_count; b++) {
        const mr_reference_block *block = history->blocks[b].expected;
        count_block(&history->blocks[b]);
        for (uint64_t i = 0; i < block->info.receipts_count; i++)
            seen.went_on += block->receipts[i].outcome == MR_OUTCOME_OK &&
                            waited(history, b + 1, &block->receipts[i].message);
    }
}

static void print(const char *name, uint64_t number)
{
    printf("%s %llu, ", name, (unsigned long long)number);
}

static void report(void)
{
    print("blocks", seen.blocks);
    print("idle", seen.idle);
    print("closed a destination", seen.closed);
    print("left", seen.left);
    print("receipts", seen.receipts);
    print("tasks", seen.tasks);
    print("messages of the agenda", seen.agenda_messages);
    print("letters", seen.letters);
    print("claims", seen.claims);
    print("replies", seen.replies);
    print("went on", seen.went_on);
    printf("\n");
    for (unsigned i = 0; i <= MR_ADMISSION_GAS_LIMIT; i++)
        print(mr_admission_text((mr_admission)i), seen.admissions[i]);
    for (unsigned k = 0; k <= MR_KIND_VALUE; k++) {
        printf("\n%s: ", mr_kind_name((mr_kind)k));
        for (unsigned i = 0; i <= MR_OUTCOME_REMOVED; i++)
            print(mr_outcome_name((mr_outcome)i), seen.ends[k][i]);
    }
    printf("\n");
    for (unsigned k = 0; k < CODES; k++)
        printf("%02x%02x%02x%02x %llu, ", codes[k][0], codes[k][1], codes[k][2], codes[k][3],
               (unsigned long long)seen.codes[k]);
    printf("\n");
}

static void histories_go_everywhere(void **state)
{
    (void)state;
    const uint64_t seed = mr_play_number("MR_SEED", 1);
    printf("MR_SEED=%llu\n", (unsigned long long)seed);
    const mr_history_wishes wishes = {0};
    for (uint64_t i = 0; i < CASES; i++) {
        mr_history *history = mr_history_new(mr_random_part(seed, i), &wishes);
        count_history(history);
        mr_history_free(history);
    }
    report();
    static const struct {
        mr_kind kind;
        mr_outcome outcome;
    } wanted[] = {
        {MR_KIND_INIT, MR_OUTCOME_PANIC},        {MR_KIND_INIT, MR_OUTCOME_WAITING},
        {MR_KIND_REPLY, MR_OUTCOME_REMOVED},     {MR_KIND_REPLY, MR_OUTCOME_OUT_OF_GAS},
        {MR_KIND_REPLY, MR_OUTCOME_WAITING},     {MR_KIND_SIGNAL, MR_OUTCOME_OK},
        {MR_KIND_SIGNAL, MR_OUTCOME_OUT_OF_GAS}, {MR_KIND_HANDLE, MR_OUTCOME_REMOVED},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (seen.ends[wanted[i].kind][wanted[i].outcome] == 0)
            fail_msg("no %s ends as %s", mr_kind_name(wanted[i].kind),
                     mr_outcome_name(wanted[i].outcome));
    }
    for (unsigned i = 0; i <= MR_OUTCOME_REMOVED; i++) {
        if (seen.outcomes[i] == 0)
            fail_msg("nothing ends as %s", mr_outcome_name((mr_outcome)i));
    }
    for (unsigned i = 0; i <= MR_ADMISSION_GAS_LIMIT; i++) {
        if (seen.admissions[i] == 0)
            fail_msg("no transaction: %s", mr_admission_text((mr_admission)i));
    }
    /* What users get to see; programs see more. */
    for (unsigned k = 0; k < CODES; k++) {
        const bool rare = k == 3 || k == 7 || k == 11;
        if (seen.codes[k] == 0 && !rare)
            fail_msg("no user got code %02x%02x%02x", codes[k][0], codes[k][1], codes[k][2]);
    }
    assert_true(seen.outcomes[MR_OUTCOME_WAITING] > seen.receipts / 50);
    assert_true(seen.tasks > seen.blocks / 2);
    assert_true(seen.idle > seen.blocks / 10);
    assert_true(seen.agenda_messages > 0 && seen.rent > 0 && seen.left > 0 && seen.closed > 0);
    assert_true(seen.claims > 5 && seen.replies > 5);
    assert_true(seen.went_on > seen.receipts / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_go_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
