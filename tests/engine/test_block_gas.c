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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_closes_its_program_when_what_it_may_draw_does_not_fit),
        cmocka_unit_test(a_message_woken_meanwhile_lets_a_reply_burn_more),
        cmocka_unit_test(no_reply_burns_more_than_the_block_has),
        cmocka_unit_test(what_stays_in_the_queue_is_still_drawn_on),
        cmocka_unit_test(gas_that_grew_in_the_queue_is_there_after_a_discarded_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
