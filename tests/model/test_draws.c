/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=600
 * Goal: block gas is kept as docs/SEMANTICS.md says also where what a message may burn depends on
 * others: replies that draw on what waits or was woken, wait themselves, are woken beside what they
 * draw on, and bring home gas and system reservations. Method: random programs of hardly anything
 * else (scripted.h), few of them, under block limits near what their messages have; the reference
 * says what each block is, engines live through the same.
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

enum {
    CASES = 150,
    BLOCKS = 24,
    PROGRAMS = 3,
    OPS_MAX = 24,
    TRANSACTIONS_MAX = 4,
    RUNS = 12, /* of an entry, that scripts tell apart */
    GAS_MAX = 30000,
};

typedef struct draws {
    scripted s;
    mr_random random;
    mr_id programs[PROGRAMS]; /* the last one is silent */
    op ops[TRANSACTIONS_MAX][OPS_MAX];
} draws;

/* What the cases have covered. */
static uint64_t replies_run, replies_waited, closed, receipts;

static uint64_t below(draws *d, uint64_t n)
{
    return mr_random_below(&d->random, n);
}

static mr_id some_destination(draws *d)
{
    if (mr_random_chance(&d->random, 40))
        return mr_random_chance(&d->random, 70) ? d->s.alice : d->s.bob;
    return d->programs[below(d, PROGRAMS)];
}

/* Of what a message carries on or sets aside. */
static uint64_t some_gas(draws *d)
{
    return mr_random_magnitude(&d->random, THRESHOLD, GAS_MAX / 4);
}

/* Of a transaction. */
static uint64_t some_limit(draws *d)
{
    const uint64_t limit = d->s.params.gas_limit;
    return mr_random_range(&d->random, DISPATCH, limit != 0 ? limit : GAS_MAX);
}

/* A message that waits; false when there is none. */
static bool some_wait(draws *d, mr_reference_wait *out)
{
    size_t count = 0;
    while (mr_reference_waiting(d->s.r, count, out))
        count++;
    return count > 0 && mr_reference_waiting(d->s.r, (size_t)below(d, count), out);
}

static mr_id some_waiting(draws *d)
{
    mr_reference_wait wait = {0};
    (void)some_wait(d, &wait);
    return wait.message;
}

static op some_op(draws *d, uint8_t entry)
{
    static const uint8_t what[] = {SEND,     SEND,    SEND_GAS, SEND_GAS, SEND_GAS,  WAIT_FOR,
                                   WAIT_FOR, WAIT,    SYSTEM,   SYSTEM,   BURN,      WAKE,
                                   WAKE,     DEPOSIT, REPLY,    PANIC,    WAIT_UP_TO};
    op made = {
        .entry = entry,
        .run = mr_random_chance(&d->random, 30) ? ANY_RUN : (uint8_t)below(d, RUNS),
        .what = what[below(d, sizeof what)],
        .slot = (uint8_t)below(d, 4),
        .gas = some_gas(d),
    };
    switch (made.what) {
    case SEND:
    case SEND_GAS:
        made.id = some_destination(d);
        break;
    case WAKE:
        made.id = some_waiting(d);
        break;
    case WAIT_FOR:
    case WAIT_UP_TO:
        made.n = 1 + (uint32_t)below(d, mr_random_chance(&d->random, 50) ? 4 : 50);
        break;
    case BURN:
        made.n = 1 + (uint32_t)below(d, mr_random_chance(&d->random, 30) ? 200 : 10);
        break;
    case PANIC:
        made.run = (uint8_t)below(d, RUNS);
        break;
    default:
        break;
    }
    return made;
}

/* Wakes a few of those that wait. */
static size_t some_wakes(draws *d, op *ops)
{
    const size_t count = 1 + (size_t)below(d, 3);
    for (size_t i = 0; i < count; i++)
        ops[i] = (op){.entry = HANDLE, .run = ANY_RUN, .what = WAKE, .id = some_waiting(d)};
    return count;
}

static size_t some_ops(draws *d, op *ops, bool of_message)
{
    const size_t count = of_message ? 1 + (size_t)below(d, 4) : OPS_MAX;
    for (size_t i = 0; i < count; i++) {
        ops[i] = some_op(d, of_message ? HANDLE : (uint8_t)(HANDLE + below(d, 3)));
        if (of_message)
            ops[i].run = ANY_RUN;
    }
    return count;
}

static mr_transaction some_transaction(draws *d, op *ops)
{
    size_t letters_count;
    const mr_reference_letter *letters = mr_reference_letters(d->s.r, &letters_count);
    if (letters_count > 0 && mr_random_chance(&d->random, 50)) {
        const mr_reference_letter *letter = &letters[below(d, letters_count)];
        const bool claims = mr_random_chance(&d->random, 20);
        return take_letter(claims ? MR_TRANSACTION_CLAIM : MR_TRANSACTION_REPLY, &letter->user,
                           &letter->message, claims ? 0 : some_limit(d));
    }
    size_t count = 0;
    if (mr_random_chance(&d->random, 40))
        count = some_wakes(d, ops);
    else if (mr_random_chance(&d->random, 30))
        count = some_ops(d, ops, true);
    return scripted_message(&d->s, &d->programs[below(d, PROGRAMS - 1)], some_limit(d), ops, count);
}

static void count_up(const mr_reference_block *block)
{
    closed += block->closed;
    for (uint64_t i = 0; i < block->info.receipts_count; i++) {
        const mr_receipt *receipt = &block->receipts[i];
        receipts++;
        if (receipt->kind != MR_KIND_REPLY)
            continue;
        replies_waited += receipt->outcome == MR_OUTCOME_WAITING;
        replies_run += receipt->gas_burned > 0;
    }
}

/* Little more than to wake one, and a limit that leaves about what it has. */
static bool sharp_block(draws *d)
{
    mr_reference_wait wait;
    if (!some_wait(d, &wait))
        return false;
    mr_transaction transactions[2];
    size_t count = 0;
    d->s.params.gas_limit =
        3 * DISPATCH + wait.gas + mr_random_magnitude(&d->random, 1, GAS_MAX / 2);
    d->ops[0][0] = (op){.entry = HANDLE, .run = ANY_RUN, .what = WAKE, .id = wait.message};
    transactions[count++] =
        scripted_message(&d->s, &wait.program, DISPATCH + below(d, DISPATCH), d->ops[0], 1);
    if (mr_random_chance(&d->random, 50))
        transactions[count++] = some_transaction(d, d->ops[1]);
    count_up(scripted_block(&d->s, transactions, count));
    return true;
}

static void some_block(draws *d)
{
    if (mr_random_chance(&d->random, 40) && sharp_block(d))
        return;
    mr_transaction transactions[TRANSACTIONS_MAX];
    d->s.params.gas_limit = mr_random_chance(&d->random, 40)
                                ? 0
                                : mr_random_magnitude(&d->random, 2 * DISPATCH, GAS_MAX);
    const size_t count = (size_t)below(d, TRANSACTIONS_MAX + 1);
    for (size_t i = 0; i < count; i++)
        transactions[i] = some_transaction(d, d->ops[i]);
    count_up(scripted_block(&d->s, transactions, count));
}

static void live(uint64_t seed)
{
    static draws d;
    d = (draws){.random = {.state = seed}};
    scripted_open(&d.s);
    for (unsigned i = 0; i < PROGRAMS - 1; i++) {
        op ops[OPS_MAX];
        d.programs[i] = scripted_make(&d.s, ops, some_ops(&d, ops, false));
    }
    d.programs[PROGRAMS - 1] = scripted_make_silent(&d.s);
    for (unsigned b = 0; b < BLOCKS; b++)
        some_block(&d);
    d.s.params.gas_limit = 0;
    (void)scripted_block(&d.s, NULL, 0);
    scripted_close(&d.s);
}

static void what_depends_on_others_fits_as_it_does_one_by_one(void **state)
{
    (void)state;
    const uint64_t seed = mr_play_number("MR_SEED", 20), cases = mr_play_number("MR_CASES", CASES),
                   only = mr_play_number("MR_CASE", UINT64_MAX);
    for (uint64_t i = 0; i < cases; i++) {
        if (only != UINT64_MAX && i != only)
            continue;
        printf("MR_SEED=%llu MR_CASE=%llu\r", (unsigned long long)seed, (unsigned long long)i);
        (void)fflush(stdout);
        live(mr_random_part(seed, i));
    }
    printf("%llu receipts, of replies that ran %llu, waited %llu; %llu blocks closed something\n",
           (unsigned long long)receipts, (unsigned long long)replies_run,
           (unsigned long long)replies_waited, (unsigned long long)closed);
    if (only == UINT64_MAX && cases >= CASES)
        assert_true(replies_waited > cases && closed > cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_depends_on_others_fits_as_it_does_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
