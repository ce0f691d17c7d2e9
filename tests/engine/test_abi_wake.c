/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: gr_wake wakes what waits in the same program, at once or later, once a dispatch; nothing
 * else, and nothing when the dispatch fails.
 * Method: messages that wait, and scripts that are told their ids. */
#include "tests/engine/ledger.h"

enum { RUNS = 0x2000, GAS = 50000 };

/* A message that waits in `program` in its first run, counted at `counter`. */
static mr_id waiting_in(fixture *f, const mr_id *program, uint32_t counter)
{
    script s = script_new();
    STEP(&s, "count", counter);
    STEP(&s, "unless", counter, 1, 1);
    STEP(&s, "gr_wait", 0);
    const mr_id id = ledger_send(f, program, &s, GAS);
    assert_ran(f, 0, program, HANDLE, WAITING, GAS, RUN);
    return id;
}

static script waker(const mr_id *id, uint64_t delay)
{
    script s = script_new();
    STEP(&s, "gr_wake", script_data(&s, id, 32), delay, OUT);
    return s;
}

LEDGER_TEST(a_woken_message_goes_to_the_tail_of_the_queue)
{
    const mr_id id = waiting_in(f, &world.a, RUNS);
    blocks(f, 1);
    const script s = waker(&id, 0), nothing = script_new();
    f->gas = 10000;
    const mr_transaction sends[] = {fixture_send_of(f, &world.a, script_span(&s)),
                                    fixture_send_of(f, &world.a, script_span(&nothing))};
    fixture_run(f, sends, 2);
    assert_block(f, 3, 3);
    assert_ran(f, 2, &world.a, HANDLE, OK, GAS - RUN - 2 * RENT, RUN);
    assert_id_equal(fixture_receipt(f, 2).message, id);
    assert_id_equal(fixture_receipt(f, 2).parent, fixture_receipt(f, 0).message);
    assert_int_equal(fixture_u64(f, &world.a, RUNS), 2);
    assert_held(f, 0, 0, 0, 0);
}

/* Woken in the block in which it began to wait it pays no rent. */
LEDGER_TEST(waking_in_the_same_block_costs_no_rent)
{
    script s = script_new();
    STEP(&s, "count", RUNS);
    STEP(&s, "unless", RUNS, 1, 2);
    STEP(&s, "gr_message_id", RUNS + 0x100);
    STEP(&s, "gr_wait", 0);
    script wake = script_new();
    STEP(&wake, "gr_wake", RUNS + 0x100, 0, OUT);
    f->gas = GAS;
    const mr_transaction sends[] = {fixture_send_of(f, &world.a, script_span(&s)),
                                    fixture_send_of(f, &world.a, script_span(&wake))};
    fixture_run(f, sends, 2);
    assert_ran(f, 2, &world.a, HANDLE, OK, GAS - RUN, RUN);
    assert_int_equal(fixture_info(f).gas_rent, 0);
    assert_held(f, 0, 0, 0, 0);
}

LEDGER_TEST(only_what_waits_in_the_same_program_is_woken)
{
    const mr_id here = waiting_in(f, &world.a, RUNS), nowhere = mr_id_of_name("nowhere");
    /* Not by another program, though it succeeds. */
    script s = waker(&here, 0);
    (void)ledger_send(f, &world.b, &s, 10000);
    assert_int_equal(fixture_u32(f, &world.b, OUT), 0);
    assert_block(f, 1, 1);
    assert_held(f, GAS - RUN, 1, 0, 1);
    /* Nor is what does not wait, or what runs. */
    s = waker(&nowhere, 0);
    STEP(&s, "gr_message_id", OUT + 0x100);
    STEP(&s, "gr_wake", OUT + 0x100, 0, OUT + 4);
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_block(f, 1, 1);
    assert_int_equal(fixture_u32(f, &world.a, OUT), 0);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 4), 0);
    /* What wakes itself and then waits, waits. */
    s = script_new();
    STEP(&s, "gr_message_id", OUT + 0x100);
    STEP(&s, "gr_wake", OUT + 0x100, 0, OUT);
    STEP(&s, "gr_wait_for", 3);
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_block(f, 1, 0);
    assert_int_equal(ledger_info(f).waiting_count, 2);
}

LEDGER_TEST(a_message_is_woken_once_a_dispatch)
{
    const mr_id first = waiting_in(f, &world.a, RUNS), second = waiting_in(f, &world.a, RUNS + 8);
    script s = script_new();
    const uint32_t one = script_data(&s, &first, 32), two = script_data(&s, &second, 32);
    STEP(&s, "gr_wake", one, 0, OUT);
    STEP(&s, "gr_wake", one, 0, OUT + 4);
    STEP(&s, "gr_wake", two, 7, OUT + 8);
    STEP(&s, "gr_wake", two, 0, OUT + 12);
    STEP(&s, "gr_wake", one, 7, OUT + 16);
    (void)ledger_send(f, &world.a, &s, 10000);
    static const uint32_t codes[] = {0, 303, 0, 303, 303};
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(fixture_u32(f, &world.a, OUT + 4 * i), codes[i]);
    assert_block(f, 2, 2); /* the waker and the first */
    assert_int_equal(ledger_info(f).waiting_count, 1);
    /* In the next dispatch it may be woken again. */
    s = waker(&second, 0);
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_block(f, 2, 2);
    assert_held(f, 0, 0, 0, 1); /* the later waking has its task still, and finds nothing */
    blocks(f, 6);
    assert_int_equal(fixture_info(f).tasks_count, 1);
    assert_block(f, 0, 0);
    assert_held(f, 0, 0, 0, 0);
}

LEDGER_TEST(a_later_waking_costs_its_rent_and_comes_in_its_block)
{
    const mr_id id = waiting_in(f, &world.a, RUNS);
    const mr_value before = account(f, "alice");
    const script s = waker(&id, 3);
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_ran(f, 0, &world.a, HANDLE, OK, 10000, RUN);
    assert_paid(f, before, RUN + 3 * RENT);
    assert_int_equal(fixture_info(f).gas_rent, 3 * RENT);
    assert_held(f, GAS - RUN, 1, 0, 2);
    blocks(f, 2);
    assert_block(f, 0, 0);
    blocks(f, 1);
    assert_block(f, 1, 1);
    assert_ran(f, 0, &world.a, HANDLE, OK, GAS - RUN - 4 * RENT, RUN);
    assert_held(f, 0, 0, 0, 0);
}

LEDGER_TEST(a_later_waking_that_cannot_be_paid_is_refused)
{
    const mr_id id = waiting_in(f, &world.a, RUNS);
    script s = waker(&id, 901);
    STEP(&s, "gr_wake", 0xfffffff0, 0, OUT + 4);
    STEP(&s, "gr_wake", ACTOR_SCRIPT, UINT32_MAX, OUT + 8);
    (void)ledger_send(f, &world.a, &s, RUN + 9000);
    assert_int_equal(fixture_u32(f, &world.a, OUT), 100);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 4), 201);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 8), 100);
    assert_held(f, GAS - RUN, 1, 0, 1);
    const script exact = waker(&id, 900);
    (void)ledger_send(f, &world.a, &exact, RUN + 9000);
    assert_int_equal(fixture_u32(f, &world.a, OUT), 0);
    assert_held(f, GAS - RUN, 1, 0, 2);
}

LEDGER_TEST(a_failed_dispatch_wakes_nothing)
{
    const mr_id id = waiting_in(f, &world.a, RUNS);
    const mr_value before = account(f, "alice");
    for (uint64_t delay = 0; delay < 2; delay++) {
        script s = waker(&id, delay * 5);
        STEP(&s, "unreachable");
        (void)ledger_send(f, &world.a, &s, 10000);
        assert_ran(f, 0, &world.a, HANDLE, TRAP, 10000, RUN);
        assert_block(f, 1, 1);
        assert_held(f, GAS - RUN, 1, 0, 1);
    }
    assert_paid(f, before, 2 * RUN);
}

/* A dispatch that waits wakes as well. */
LEDGER_TEST(who_waits_wakes_others_first)
{
    const mr_id id = waiting_in(f, &world.a, RUNS);
    script s = waker(&id, 0);
    STEP(&s, "gr_wait_for", 9);
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_ran(f, 0, &world.a, HANDLE, WAITING, 10000, RUN);
    assert_id_equal(fixture_receipt(f, 1).message, id);
    assert_held(f, 9000, 1, 0, 1);
}

/* Messages that wait in one program are many; each is found, in whatever order they are woken. */
LEDGER_TEST(any_of_many_is_found)
{
    enum { MANY = 40 };
    static mr_id ids[MANY];
    static script s;
    s = script_new();
    STEP(&s, "gr_message_id", RUNS + 0x100);
    STEP(&s, "gr_wait", 0);
    mr_transaction sends[MANY];
    f->gas = GAS;
    for (unsigned i = 0; i < MANY; i++)
        sends[i] = fixture_send_of(f, &world.a, script_span(&s));
    fixture_run(f, sends, MANY);
    for (unsigned i = 0; i < MANY; i++)
        ids[i] = fixture_result(f, i).id;
    assert_held(f, MANY * (GAS - RUN), MANY, 0, MANY);
    for (unsigned k = 0; k < MANY; k += 10) {
        script wake = script_new();
        for (unsigned i = 0; i < 10; i++)
            STEP(&wake, "gr_wake", script_data(&wake, &ids[(k + i) * 7 % MANY], 32), 0, OUT);
        (void)ledger_send(f, &world.a, &wake, 10000);
        assert_block(f, 11, 1);
        for (unsigned i = 0; i < 10; i++) /* they wait again */
            assert_id_equal(fixture_receipt(f, 1 + i).message, ids[(k + i) * 7 % MANY]);
        assert_int_equal(fixture_program_info(f, &world.a).waiting, MANY);
    }
}

/* Wakes ids 0 .. 199999, then each 50000th again: the answers to those are summed up. Quadratic in
 * the number of calls, this would take a minute. */
LEDGER_TEST(each_waking_of_many_in_a_dispatch_is_known)
{
    enum { MANY = 200000, EACH = 50000, ID = 64, ANSWER = 128, SUM = 256, DUPLICATE = 303 };
    wat_text body = {0};
    text_add(&body,
             "(func (export \"handle\") (local $i i32)\n"
             "(loop $first (i32.store (i32.const %d) (local.get $i))\n"
             "(call $gr_wake (i32.const %d) (i32.const 0) (i32.const %d))\n"
             "(if (i32.load (i32.const %d)) (then (unreachable)))\n"
             "(br_if $first (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))\n"
             "(i32.const %d))))\n"
             "(loop $again (local.set $i (i32.sub (local.get $i) (i32.const %d)))\n"
             "(i32.store (i32.const %d) (local.get $i))\n"
             "(call $gr_wake (i32.const %d) (i32.const 0) (i32.const %d))\n"
             "(i32.store (i32.const %d) (i32.add (i32.load (i32.const %d))\n"
             "(i32.load (i32.const %d))))\n"
             "(br_if $again (local.get $i))))\n",
             ID, ID, ANSWER, ANSWER, MANY, EACH, ID, ID, ANSWER, SUM, SUM, ANSWER);
    const mr_id program = fixture_program_of(f, 1, body.at);
    text_fini(&body);
    assert_int_equal(fixture_send(f, &program, (mr_span){0}).outcome, MR_OUTCOME_OK);
    assert_int_equal(fixture_u32(f, &program, SUM), MANY / EACH * DUPLICATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_woken_message_goes_to_the_tail_of_the_queue),
        cmocka_unit_test(waking_in_the_same_block_costs_no_rent),
        cmocka_unit_test(only_what_waits_in_the_same_program_is_woken),
        cmocka_unit_test(a_message_is_woken_once_a_dispatch),
        cmocka_unit_test(a_later_waking_costs_its_rent_and_comes_in_its_block),
        cmocka_unit_test(a_later_waking_that_cannot_be_paid_is_refused),
        cmocka_unit_test(a_failed_dispatch_wakes_nothing),
        cmocka_unit_test(who_waits_wakes_others_first),
        cmocka_unit_test(any_of_many_is_found),
        cmocka_unit_test(each_waking_of_many_in_a_dispatch_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
