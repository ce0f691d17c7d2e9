/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=900
 * Goal: whatever the number of streams, a block does what one queue and one message at a time do.
 * Method: random histories (history.h), some of them with block gas at the edge (tight.h), each
 * lived through by engines of 1, 2, 3, 8 and 32 streams and compared with tests/reference after
 * every block: transactions, receipts, messages to users, gas, value, reward, root, queue; the
 * whole state at the end; the stored blocks, read back and run again.
 *
 * MR_SEED=n replays a run, MR_CASE=n one case of it, MR_CASES=n asks for more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>

#include "tests/model/play.h"
#include "tests/model/random.h"
#include "tests/programs/actor.h"

#ifdef MR_SANITIZED
enum { CASES = 25 };
#else
enum { CASES = 120 };
#endif

static const uint32_t streams_counts[] = {1, 2, 3, 8, 32};

/* What the cases have covered, so that a generator gone dull is noticed. */
static struct {
    uint64_t blocks, receipts, users, left, closed;
    uint64_t admissions[MR_ADMISSION_GAS_LIMIT + 1];
    uint64_t outcomes[MR_OUTCOME_REMOVED + 1];
    uint64_t kinds[MR_KIND_VALUE + 1];
} seen;

static void count(const mr_history *history)
{
    for (size_t b = 0; b < history->blocks_count; b++) {
        const mr_reference_block *block = history->blocks[b].expected;
        seen.blocks++;
        seen.receipts += block->info.receipts_count;
        seen.users += block->info.user_messages_count;
        seen.left += block->info.queue_count;
        seen.closed += block->closed;
        for (uint64_t i = 0; i < block->info.transactions_count; i++)
            seen.admissions[block->transactions[i].admission]++;
        for (uint64_t i = 0; i < block->info.receipts_count; i++) {
            /* What programs check themselves is wrong in engine and reference alike. */
            assert_false(mr_span_equal(block->receipts[i].text, mr_span_text(ACTOR_DAMAGE)));
            seen.outcomes[block->receipts[i].outcome]++;
            seen.kinds[block->receipts[i].kind]++;
        }
    }
}

static void report(uint64_t cases)
{
    printf("%llu cases: %llu blocks (%llu closed a destination), %llu receipts, %llu messages to "
           "users, %llu times a message was left\n",
           (unsigned long long)cases, (unsigned long long)seen.blocks,
           (unsigned long long)seen.closed, (unsigned long long)seen.receipts,
           (unsigned long long)seen.users, (unsigned long long)seen.left);
    for (unsigned i = 0; i <= MR_ADMISSION_GAS_LIMIT; i++)
        printf("%s: %llu; ", mr_admission_text((mr_admission)i),
               (unsigned long long)seen.admissions[i]);
    printf("\n");
    for (unsigned i = 0; i <= MR_OUTCOME_REMOVED; i++)
        printf("%s %llu, ", mr_outcome_name((mr_outcome)i), (unsigned long long)seen.outcomes[i]);
    for (unsigned i = 0; i <= MR_KIND_VALUE; i++)
        printf("%s %llu%s", mr_kind_name((mr_kind)i), (unsigned long long)seen.kinds[i],
               i < MR_KIND_VALUE ? ", " : "\n");
}

/* The case at hand, for whoever is left when a bug of ours ends it. */
static struct {
    uint64_t seed, index;
    uint32_t streams;
} now;

static int tell_where(void **state)
{
    (void)state;
    if (now.streams != 0)
        printf("ended in MR_SEED=%llu MR_CASE=%llu, %u streams\n", (unsigned long long)now.seed,
               (unsigned long long)now.index, now.streams);
    return 0;
}

static void aborted(int signal_number)
{
    (void)signal_number;
    (void)tell_where(NULL);
    (void)fflush(stdout);
}

static void run_case(uint64_t seed, uint64_t index)
{
    const mr_history_wishes wishes = {0};
    mr_history *history = mr_history_new(mr_random_part(seed, index), &wishes);
    count(history);
    for (size_t i = 0; i < sizeof streams_counts / sizeof streams_counts[0]; i++) {
        const mr_play play = {
            .streams = streams_counts[i],
            .discards = index % 4 == 1,
            .replays = i == index % 5,
            /* Some run with hardly any room for live memories. */
            .live_bytes_max = index % 3 == 0 ? 1 << 20 : 0,
            .perturb = mr_play_perturb(mr_random_part(seed + i, index)),
        };
        now.seed = seed;
        now.index = index;
        now.streams = play.streams;
        mr_difference difference;
        size_t block;
        if (mr_play_history(history, &play, &block, &difference))
            continue;
        printf("MR_SEED=%llu MR_CASE=%llu, %u streams, block %zu: %s\n", (unsigned long long)seed,
               (unsigned long long)index, play.streams, block + 1, difference.text);
        mr_play_shrink(history, &play, block);
        mr_history_free(history);
        fail_msg("the engine differs from the reference");
    }
    now.streams = 0;
    mr_history_free(history);
}

static void every_number_of_streams_gives_the_serial_result(void **state)
{
    (void)state;
    const uint64_t seed = mr_play_seed();
    const uint64_t cases = mr_play_number("MR_CASES", CASES);
    const uint64_t only = mr_play_number("MR_CASE", UINT64_MAX);
    printf("MR_SEED=%llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < cases; i++) {
        if (only == UINT64_MAX || only == i)
            run_case(seed, i);
    }
    report(cases);
    if (only == UINT64_MAX && cases >= CASES)
        assert_true(seen.closed > cases / 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_number_of_streams_gives_the_serial_result, tell_where),
    };
    (void)signal(SIGABRT, aborted);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
