/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=300
 * Goal: whatever programs do, the reference neither makes nor loses gas or value, and the engine
 * does the same.
 * Method: thousands of trees of messages, of scripted programs (scripted.h) that do anything at
 * random: messages, waits, wakes, reservations, creations, exits. After every block the reference
 * asserts both laws, and so does the engine that lives through the same, beside which its public
 * figures are added up (audit.h).
 *
 * MR_SEED=n replays a run, MR_CASE=n one case of it, MR_CASES=n asks for more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "tests/model/random.h"
#include "tests/model/rules.h"

#ifdef MR_SANITIZED
enum { CASES = 15 };
#else
enum { CASES = 100 };
#endif

/* A world of programs that do anything at all. */
enum { WORLD_PROGRAMS = 8, WORLD_OPS = 24, WORLD_BLOCKS = 25 };

typedef struct world {
    scripted s;
    mr_random random;
    mr_id programs[WORLD_PROGRAMS];
    mr_id waited[64]; /* messages that waited at some time */
    size_t waited_count;
} world;

/* What was seen of all worlds, so that one that has gone dull is noticed. */
static struct {
    uint64_t outcomes[MR_OUTCOME_REMOVED + 1], kinds[MR_KIND_VALUE + 1], claims, replies, left;
    uint64_t blocks, trees, failures, expiries;
} seen;

static mr_id some_id(world *w)
{
    if (mr_random_chance(&w->random, 75))
        return w->programs[mr_random_below(&w->random, WORLD_PROGRAMS)];
    return mr_random_chance(&w->random, 50) ? w->s.alice : w->s.bob;
}

static op some_op(world *w)
{
    static const uint8_t entries[] = {HANDLE, HANDLE, HANDLE, ON_REPLY, ON_REPLY, ON_SIGNAL, INIT};
    static const uint64_t gases[] = {0, 300, 305, 1000, 1100, 2000, 5000};
    static const uint8_t rare[] = {PANIC, EXIT, UNREACHABLE, NO_MEMORY, BAD_POINTER};
    mr_random *random = &w->random;
    op made = {
        .entry = entries[mr_random_below(random, sizeof entries)],
        .run = mr_random_chance(random, 40) ? (uint8_t)mr_random_below(random, 4) : ANY_RUN,
        .what = (uint8_t)mr_random_range(random, SEND, DEPOSIT),
        .slot = (uint8_t)mr_random_below(random, 4),
        .n = mr_random_chance(random, 50) ? 0 : (uint32_t)mr_random_below(random, 9),
        .id = some_id(w),
        .value = mr_random_chance(random, 30) ? mr_random_below(random, 20) : 0,
        .gas = gases[mr_random_below(random, COUNT(gases))],
    };
    if (mr_random_chance(random, 6)) {
        made.what = rare[mr_random_below(random, sizeof rare)];
        made.run = (uint8_t)mr_random_below(random, 6);
    }
    if (made.what == CREATE || made.what == CREATE_GAS)
        made.id = mr_random_chance(random, 80) ? w->s.silent : w->s.bob;
    if (made.what == WAKE && w->waited_count > 0)
        made.id = w->waited[mr_random_below(random, w->waited_count)];
    return made;
}

static mr_transaction some_transaction(world *w, op ops[WORLD_OPS])
{
    mr_random *random = &w->random;
    size_t letters;
    const mr_reference_letter *letter = mr_reference_letters(w->s.r, &letters);
    if (letters > 0 && mr_random_chance(random, 40)) {
        letter += mr_random_below(random, letters);
        const bool claims = mr_random_chance(random, 50);
        *(claims ? &seen.claims : &seen.replies) += 1;
        return take_letter(claims ? MR_TRANSACTION_CLAIM : MR_TRANSACTION_REPLY, &letter->user,
                           &letter->message, claims ? 0 : mr_random_below(random, 5000));
    }
    const size_t count = mr_random_below(random, 6);
    for (size_t i = 0; i < count; i++)
        ops[i] = some_op(w);
    mr_transaction send =
        scripted_message(&w->s, &w->programs[mr_random_below(random, WORLD_PROGRAMS)],
                         mr_random_magnitude(random, 500, 60000), ops, count);
    send.from = mr_random_chance(random, 50) ? w->s.alice : w->s.bob;
    send.value = mr_random_below(random, 30);
    return send;
}

static void look_at(world *w)
{
    const mr_reference_block *block = w->s.block;
    for (uint64_t i = 0; i < block->info.receipts_count; i++) {
        const mr_receipt *receipt = &block->receipts[i];
        assert_true(receipt->gas_burned <= receipt->gas_limit);
        seen.outcomes[receipt->outcome]++;
        seen.kinds[receipt->kind]++;
        seen.failures += receipt->outcome != MR_OUTCOME_OK &&
                         receipt->outcome != MR_OUTCOME_WAITING &&
                         receipt->outcome != MR_OUTCOME_EXITED;
        if (receipt->outcome == MR_OUTCOME_WAITING)
            w->waited[w->waited_count++ % COUNT(w->waited)] = receipt->message;
        if (w->waited_count > COUNT(w->waited))
            w->waited_count = COUNT(w->waited);
    }
    for (uint64_t i = 0; i < block->info.transactions_count; i++)
        seen.trees += block->transactions[i].admission == MR_ADMISSION_ACCEPTED;
    seen.expiries += block->info.tasks_count;
    seen.left += block->info.queue_count;
    seen.blocks++;
}

static void live(world *w)
{
    static op ops[WORLD_PROGRAMS][WORLD_OPS];
    mr_transaction transactions[WORLD_PROGRAMS];
    for (uint32_t i = 0; i < WORLD_PROGRAMS; i++) {
        transactions[i] = scripted_creation(&w->s, ops[i], WORLD_OPS, 30000);
        w->programs[i] = mr_id_of_program(&w->s.code, transactions[i].salt);
    }
    for (uint32_t i = 0; i < WORLD_PROGRAMS; i++) {
        for (size_t k = 0; k < WORLD_OPS; k++)
            ops[i][k] = some_op(w);
    }
    (void)scripted_block(&w->s, transactions, WORLD_PROGRAMS);
    look_at(w);
    for (int block = 0; block < WORLD_BLOCKS; block++) {
        const size_t count = mr_random_below(&w->random, WORLD_PROGRAMS);
        for (size_t i = 0; i < count; i++)
            transactions[i] = some_transaction(w, ops[i]);
        w->s.params.gas_limit =
            mr_random_chance(&w->random, 30) ? mr_random_range(&w->random, 1000, 100000) : 0;
        (void)scripted_block(&w->s, transactions, count);
        look_at(w);
    }
    w->s.params.gas_limit = 0;
    for (int block = 0; block < 3; block++)
        (void)scripted_block(&w->s, NULL, 0);
}

static void random_scripts_neither_make_nor_lose_gas_or_value(void **state)
{
    (void)state;
    const uint64_t seed = mr_play_seed(), cases = mr_play_number("MR_CASES", CASES);
    const uint64_t only = mr_play_number("MR_CASE", UINT64_MAX);
    printf("MR_SEED=%llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < cases; i++) {
        if (only != UINT64_MAX && only != i)
            continue;
        printf("MR_CASE=%llu\r", (unsigned long long)i);
        world w = {.random = {.state = mr_random_part(seed, i)}};
        const mr_balance genesis[] = {{mr_id_of_name("alice"), 2000000},
                                      {mr_id_of_name("bob"), 2000000}};
        scripted_open_with(&w.s, &(mr_reference_options){.schedule = scripted_prices(),
                                                         .accounts = i % 2 == 0,
                                                         .genesis = genesis,
                                                         .genesis_count = i % 2 == 0 ? 2 : 0});
        live(&w);
        scripted_close(&w.s);
    }
    for (unsigned i = 0; i <= MR_OUTCOME_REMOVED; i++) {
        printf("%s %llu, ", mr_outcome_name((mr_outcome)i), (unsigned long long)seen.outcomes[i]);
        assert_true(seen.outcomes[i] > 0 || i == MR_OUTCOME_STACK);
    }
    for (unsigned i = 0; i < MR_KIND_VALUE; i++) {
        printf("%s %llu, ", mr_kind_name((mr_kind)i), (unsigned long long)seen.kinds[i]);
        assert_true(seen.kinds[i] > 0);
    }
    printf("%llu claims, %llu replies, %llu left\n", (unsigned long long)seen.claims,
           (unsigned long long)seen.replies, (unsigned long long)seen.left);
    printf("%llu blocks, %llu trees of messages, %llu failures, %llu times something was due\n",
           (unsigned long long)seen.blocks, (unsigned long long)seen.trees,
           (unsigned long long)seen.failures, (unsigned long long)seen.expiries);
    assert_true(seen.claims > 0 && seen.replies > 0 && seen.left > 0);
    if (only == UINT64_MAX && cases >= CASES)
        assert_true(seen.trees > 40 * cases && seen.failures > 20 * cases &&
                    seen.expiries > 5 * cases && seen.outcomes[MR_OUTCOME_WAITING] > 5 * cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_scripts_neither_make_nor_lose_gas_or_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
