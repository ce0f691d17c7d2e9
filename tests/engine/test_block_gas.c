/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: with replies that may draw on what waits, and messages whose gas changes in the queue, the
 * block's gas limit is kept as docs/SEMANTICS.md says: what does not fit closes its destination.
 * Method: blocks of small limits, and gas that can be added up. */
#include "tests/engine/ledger.h"

enum { RUNS = 0x2000 };

/* A message in world.a that waits for a letter's answer; the letter's id. */
static mr_id waits_for_bob(fixture *f, const char *how, uint64_t blocks_count, uint64_t gas,
                           mr_id *message)
{
    script s = script_new();
    STEP(&s, "count", RUNS);
    STEP(&s, "unless", RUNS, 1, 3);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 0), 0, 0, 1000, 0, OUT);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 0), 0, 0, 1000, 0, OUT);
    STEP(&s, how, blocks_count);
    *message = ledger_send(f, &world.a, &s, gas);
    assert_ran(f, 0, &world.a, HANDLE, WAITING, gas, RUN);
    return fixture_message(f, 0).id;
}

static mr_transaction reply_by_bob(const mr_id *letter, const script *s, uint64_t gas)
{
    return (mr_transaction){.kind = MR_TRANSACTION_REPLY,
                            .from = world.bob,
                            .to = *letter,
                            .payload = s == NULL ? (mr_span){0} : script_span(s),
                            .gas_limit = gas};
}

LEDGER_TEST(a_reply_closes_its_program_when_what_it_may_draw_does_not_fit)
{
    mr_id message;
    const mr_id letter = waits_for_bob(f, "gr_wait_for", 50, 20000, &message);
    const uint64_t drawable = 20000 - RUN - 2000 - 500;
    f->params.gas_limit = 2000 + drawable;
    f->gas = 1500;
    const mr_transaction sends[] = {fixture_send_of(f, &world.b, (mr_span){0}), /* burns some */
                                    reply_by_bob(&letter, NULL, 2000),
                                    fixture_send_of(f, &world.a, (mr_span){0})};
    fixture_run(f, sends, 3);
    fixture_accepted(f);
    assert_block(f, 1, 1);
    assert_ran(f, 0, &world.b, HANDLE, OK, 1500, RUN); /* no other is held up */
    assert_int_equal(fixture_info(f).queue_count, 2);
    fixture_run(f, NULL, 0);
    assert_ran(f, 0, &world.a, REPLY, OK, 2000 + drawable, RUN);
    assert_ran(f, 1, &world.a, HANDLE, OK, 1500, RUN);
    assert_int_equal(fixture_info(f).queue_count, 0);
}

/* What is woken may be drawn on whole: more than when the block's messages were looked at. */
LEDGER_TEST(a_message_woken_meanwhile_lets_a_reply_burn_more)
{
    mr_id message;
    const mr_id letter = waits_for_bob(f, "gr_wait_for", 3000, 40000, &message);
    const uint64_t gas = 40000 - RUN - 2000, drawable = gas - 30000;
    script wake = script_new();
    STEP(&wake, "gr_wake", script_data(&wake, &message, 32), 0, OUT);
    f->gas = 2000;
    /* The waker burns 1000; then the reply may burn 1500 and the whole gas of what was woken. */
    const mr_transaction sends[] = {fixture_send_of(f, &world.a, script_span(&wake)),
                                    reply_by_bob(&letter, NULL, 1500)};
    f->params.gas_limit = 2000 + 1500 + drawable + 5000;
    assert_true(f->params.gas_limit - RUN < 1500 + gas - RENT);
    fixture_run(f, sends, 2);
    fixture_accepted(f);
    assert_block(f, 1, 1);
    assert_ran(f, 0, &world.a, HANDLE, OK, 2000, RUN);
    assert_int_equal(fixture_info(f).queue_count, 2); /* the reply, and behind it the woken */
    f->params.gas_limit = 0;
    fixture_run(f, NULL, 0);
    assert_ran(f, 0, &world.a, REPLY, OK, 1500 + gas - RENT, RUN);
    assert_ran(f, 1, &world.a, HANDLE, OK, gas - RENT, RUN);
}

/* A program that burns all it gets must not burn more than the block has. */
LEDGER_TEST(no_reply_burns_more_than_the_block_has)
{
    mr_id message;
    const mr_id letter = waits_for_bob(f, "gr_wait_for", 3000, 40000, &message);
    const uint64_t gas = 40000 - RUN - 2000;
    script wake = script_new(), burn = script_new();
    STEP(&wake, "gr_wake", script_data(&wake, &message, 32), 0, OUT);
    STEP(&burn, "gr_wait_for", UINT32_MAX); /* costs more than there is */
    f->gas = 2000;
    const mr_transaction sends[] = {fixture_send_of(f, &world.a, script_span(&wake)),
                                    reply_by_bob(&letter, &burn, 1500)};
    f->params.gas_limit = 2000 + 1500 + gas - 30000 + 5000;
    fixture_run(f, sends, 2);
    fixture_accepted(f);
    assert_true(fixture_info(f).gas_burned <= f->params.gas_limit);
    f->params.gas_limit = 0;
    fixture_run(f, NULL, 0);
    assert_ran(f, 0, &world.a, REPLY, OUT_OF_GAS, 1500 + gas - RENT, 1500 + gas - RENT);
    assert_ran(f, 1, &world.a, HANDLE, OUT_OF_GAS, 0, 0);
}

/* A woken message that stays in the queue is drawn on and added to by replies, block by block. */
LEDGER_TEST(what_stays_in_the_queue_is_still_drawn_on)
{
    mr_id message;
    const mr_id letter = waits_for_bob(f, "gr_wait_for", 100, 40000, &message);
    const mr_id second = fixture_message(f, 1).id;
    uint64_t gas = 40000 - RUN - 2000;
    script wake = script_new();
    STEP(&wake, "gr_wake", script_data(&wake, &message, 32), 0, OUT);
    f->gas = 2000;
    f->params.gas_limit = 3000;
    const mr_transaction waking = fixture_send_of(f, &world.a, script_span(&wake));
    fixture_run(f, &waking, 1);
    gas -= RENT;
    assert_int_equal(fixture_info(f).queue_count, 1);
    assert_held(f, 2000, 0, 2, 2);
    /* Behind it in the queue: its own destination is closed by then. */
    const mr_transaction reply = reply_by_bob(&letter, NULL, 1500);
    fixture_run(f, &reply, 1);
    fixture_accepted(f);
    assert_int_equal(fixture_info(f).queue_count, 2);
    assert_block(f, 0, 0);
    f->params.gas_limit = 0;
    const mr_transaction other = reply_by_bob(&second, NULL, 0);
    fixture_run(f, &other, 1);
    fixture_accepted(f);
    assert_ran(f, 0, &world.a, HANDLE, OK, gas, RUN);
    assert_ran(f, 1, &world.a, REPLY, OK, 1500, RUN); /* nothing is there to draw on any more */
    assert_ran(f, 2, &world.a, REPLY, OUT_OF_GAS, 0, 0);
    assert_held(f, 0, 0, 0, 0);
}

/* The gas of a message in the queue has grown in one block; when the next is discarded, or cannot
 * be made for lack of memory, it has what it had. */
static void gas_that_grew_in_the_queue_is_there_after_a_discarded_block(void **state)
{
    (void)state;
    fixture f;
    const mr_schedule schedule = ledger_schedule();
    ledger_make(&f, &schedule, (mr_engine_options){.streams = 1});
    mr_id message;
    const mr_id alice = mr_id_of_name("alice");
    script s = script_new();
    STEP(&s, "count", RUNS);
    STEP(&s, "unless", RUNS, 1, 2);
    STEP(&s, "gr_send_wgas", script_to(&s, &alice, 0), 0, 0, 1000, 0, OUT);
    STEP(&s, "gr_wait_for", 100);
    message = ledger_send(&f, &world.a, &s, 40000);
    const mr_id letter = fixture_message(&f, 0).id;
    script wake = script_new();
    STEP(&wake, "gr_wake", script_data(&wake, &message, 32), 0, OUT);
    const uint64_t gas = 40000 - RUN - 1000 - RENT;
    /* The waker, then a reply whose gas goes home to the woken message, which stays behind both. */
    f.gas = 2000;
    mr_transaction sends[] = {
        fixture_send_of(&f, &world.a, script_span(&wake)),
        {.kind = MR_TRANSACTION_REPLY, .from = alice, .to = letter, .gas_limit = 5000},
        fixture_send_of(&f, &world.a, (mr_span){0})};
    f.params.gas_limit = sends[2].gas_limit = 5000 + gas + RUN; /* the third closes the program */
    fixture_run(&f, sends, 3);
    fixture_accepted(&f);
    assert_block(&f, 2, 1);
    assert_ran(&f, 1, &world.a, REPLY, OK, 5000 + gas, RUN);
    assert_int_equal(fixture_info(&f).queue_count, 2);
    f.params.gas_limit = 0;
    mr_block_discard(fixture_execute(&f, NULL, 0));
    fixture_run(&f, NULL, 0);
    assert_ran(&f, 1, &world.a, HANDLE, OK, gas + 5000 - RUN, RUN);
    fixture_close(&f);
}

/* A reply that has waited draws like any other when it goes on: what is woken in a round may burn
 * more than the gas it brings. */
LEDGER_TEST(a_woken_reply_that_may_draw_more_than_the_block_has_stays)
{
    mr_id message;
    const mr_id letter = waits_for_bob(f, "gr_wait_for", 50, 40000, &message);
    const uint64_t drawable = 40000 - RUN - 2000 - 50 * RENT;
    script slow = script_new();
    STEP(&slow, "count", RUNS + 8);
    STEP(&slow, "unless", RUNS + 8, 1, 1);
    STEP(&slow, "gr_wait_for", 100);
    STEP(&slow, "gr_wait_for", UINT32_MAX); /* burns all there is */
    const mr_transaction reply = reply_by_bob(&letter, &slow, 8000);
    fixture_run(f, &reply, 1);
    fixture_accepted(f);
    assert_ran(f, 0, &world.a, REPLY, WAITING, 8000 + drawable, RUN);
    const mr_id waiting = fixture_receipt(f, 0).message;
    script wake = script_new();
    STEP(&wake, "gr_wake", script_data(&wake, &waiting, 32), 0, OUT);
    f->params.gas_limit = 10000;
    (void)ledger_send(f, &world.a, &wake, 2000);
    assert_block(f, 1, 1);
    assert_int_equal(fixture_info(f).queue_count, 1);
    f->params.gas_limit = 0;
    fixture_run(f, NULL, 0);
    assert_ran(f, 0, &world.a, REPLY, OUT_OF_GAS, 7000 - RENT + drawable, 7000 - RENT + drawable);
}

/* Asks alice twice and waits: what her answers do not burn goes home to it. */
static void ask_alice(fixture *f, uint64_t blocks_count, uint64_t gas, uint64_t system_gas,
                      const mr_id *at_last, mr_id letters[2])
{
    const mr_id alice = mr_id_of_name("alice");
    script s = script_new();
    STEP(&s, "count", RUNS);
    STEP(&s, "unless", RUNS, 1, 4);
    STEP(&s, "gr_system_reserve_gas", system_gas, OUT);
    STEP(&s, "gr_send_wgas", script_to(&s, &alice, 0), 0, 0, 1000, 0, OUT);
    STEP(&s, "gr_send_wgas", script_to(&s, &alice, 0), 0, 0, 1000, 0, OUT);
    STEP(&s, "gr_wait_for", blocks_count);
    STEP(&s, "gr_send", script_to(&s, at_last, 0), 0, 0, 0, OUT);
    (void)ledger_send(f, &world.a, &s, gas);
    assert_ran(f, 0, &world.a, HANDLE, WAITING, gas, RUN);
    for (uint64_t i = 0; i < 2; i++)
        letters[i] = fixture_message(f, i).id;
}

static mr_transaction reply_by_alice(const mr_id *letter, const script *s, uint64_t gas)
{
    mr_transaction reply = reply_by_bob(letter, s, gas);
    reply.from = mr_id_of_name("alice");
    return reply;
}

/* The system reservation of a reply that has waited is no part of what it may burn, and goes home
 * with what is left of it: the next reply may draw it in the same round. */
LEDGER_TEST(a_reply_that_gives_its_system_reservation_home_lets_no_other_burn_too_much)
{
    mr_id letters[2];
    enum { W = 10000 - RUN - 10 - 2000, KEEPS = 30000 - RUN - 20000 };
    ask_alice(f, 50, 10000, 10, &world.quiet, letters);
    script slow = script_new(), burn = script_new();
    STEP(&slow, "count", RUNS + 8);
    STEP(&slow, "unless", RUNS + 8, 1, 2);
    STEP(&slow, "gr_system_reserve_gas", 20000, OUT);
    STEP(&slow, "gr_wait_for", 2);
    STEP(&burn, "gr_wait_for", UINT32_MAX);
    const mr_transaction first = reply_by_alice(&letters[0], &slow, 30000);
    fixture_run(f, &first, 1);
    fixture_accepted(f);
    assert_ran(f, 0, &world.a, REPLY, WAITING, 30000 + W - 50 * RENT, RUN);
    blocks(f, 1);
    const mr_transaction second = reply_by_alice(&letters[1], &burn, 1500);
    f->params.gas_limit = KEEPS - 2 * RENT + W - 50 * RENT + 1500 + W + 100;
    fixture_run(f, &second, 1);
    fixture_accepted(f);
    assert_ran(f, 0, &world.a, REPLY, OK, KEEPS - 2 * RENT + W - 50 * RENT, RUN);
    assert_block(f, 1, 0);
    assert_int_equal(fixture_info(f).queue_count, 1);
    const uint64_t all = 1500 + f->params.gas_limit - 50 * RENT; /* no more went home */
    f->params.gas_limit = 0;
    fixture_run(f, NULL, 0);
    assert_ran(f, 0, &world.a, REPLY, OUT_OF_GAS, all, all);
}

/* What a message had, and its system reservation, together exceed what fits a block: what shares
 * them must not be given more than that, or its destination would be closed for ever. */
LEDGER_TEST(no_share_is_more_than_a_block_has)
{
    enum { MOST = 100000, SYSTEM = 60000 };
    mr_id letters[2];
    f->params.gas_limit = MOST;
    ask_alice(f, 3, MOST, SYSTEM, &world.quiet, letters);
    const mr_transaction reply = reply_by_alice(&letters[0], NULL, MOST);
    fixture_run(f, &reply, 1);
    fixture_accepted(f);
    assert_ran(f, 0, &world.a, REPLY, OK, MOST, RUN);
    blocks(f, 1);
    const mr_value before = account(f, "alice");
    fixture_run(f, NULL, 0);
    assert_ran(f, 0, &world.a, HANDLE, OK, MOST - 3 * RENT, RUN);
    assert_int_equal(fixture_info(f).queue_count, 1); /* what is left of this block is less */
    fixture_run(f, NULL, 0);
    assert_ran(f, 0, &world.quiet, HANDLE, OK, MOST, 0);
    assert_ran(f, 1, &world.a, REPLY, OK, MOST, RUN);
    assert_int_equal(fixture_info(f).queue_count, 0);
    assert_value_equal(account(f, "alice") - before,
                       MOST - 3 * RENT - RUN + SYSTEM - RUN); /* the reply's, too */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_closes_its_program_when_what_it_may_draw_does_not_fit),
        cmocka_unit_test(a_message_woken_meanwhile_lets_a_reply_burn_more),
        cmocka_unit_test(no_reply_burns_more_than_the_block_has),
        cmocka_unit_test(what_stays_in_the_queue_is_still_drawn_on),
        cmocka_unit_test(gas_that_grew_in_the_queue_is_there_after_a_discarded_block),
        cmocka_unit_test(a_woken_reply_that_may_draw_more_than_the_block_has_stays),
        cmocka_unit_test(
            a_reply_that_gives_its_system_reservation_home_lets_no_other_burn_too_much),
        cmocka_unit_test(no_share_is_more_than_a_block_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
