/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: what falls due in a block is done before its transactions, in the order in which it was
 * made, whatever it is; and once. Method: things of every kind made in one order and due at one
 * height, beside things of other heights; what the agenda sends shows the order. */
#include "tests/engine/ledger.h"

enum { RUNS = 0x2000 };

static script waits_once(uint32_t counter, uint64_t blocks_count)
{
    script s = script_new();
    STEP(&s, "count", counter);
    STEP(&s, "unless", counter, 1, 1);
    STEP(&s, "gr_wait_for", blocks_count);
    return s;
}

/* One dispatch makes: a delayed message, a letter, a reservation, a delayed waking and its own
 * wait, all for the same block: docs/SEMANTICS.md, Tasks, has their order. */
LEDGER_TEST(a_dispatch_makes_its_tasks_in_their_order)
{
    const script wait = waits_once(RUNS, 90);
    const mr_id sleeper = ledger_send(f, &world.a, &wait, 20000);
    script s = script_new();
    STEP(&s, "count", RUNS + 8);
    STEP(&s, "unless", RUNS + 8, 1, 6);
    STEP(&s, "gr_wake", script_data(&s, &sleeper, 32), 20, OUT + 0x300);
    STEP(&s, "gr_reserve_gas", 500, 20, OUT + 0x310);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 0), 0, 0, 20 * RENT + 5, 0, OUT);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.quiet, 0), 0, 0, 1100, 20, OUT + 0x40);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.carol, 0), 0, 0, 700, 20, OUT + 0x80);
    STEP(&s, "gr_wait_for", 20);
    const mr_id second = ledger_send(f, &world.a, &s, 20000);
    assert_held(f, 19000 + 205 + 1100 + 700 + 700 + (20000 - RUN - 205 - 1300 - 900 - 700 - 200), 2,
                1, 7);
    const mr_id sent = fixture_id(f, &world.a, OUT + 0x44);
    blocks(f, 19);
    assert_block(f, 0, 0);
    const mr_value before = account(f, "alice");
    f->gas = 5000;
    const mr_transaction last = fixture_send_of(f, &world.b, (mr_span){0});
    fixture_run(f, &last, 1);
    assert_int_equal(fixture_info(f).tasks_count, 6);
    assert_int_equal(fixture_info(f).agenda_messages_count, 1); /* carol's letter */
    /* The letter's answer, what was delayed, who was woken, who waited, and then the transaction.
     */
    assert_int_equal(fixture_receipt(f, 0).kind, MR_KIND_REPLY);
    assert_id_equal(fixture_receipt(f, 0).source, world.bob);
    assert_id_equal(fixture_receipt(f, 1).message, sent);
    assert_id_equal(fixture_receipt(f, 2).message, sleeper);
    assert_id_equal(fixture_receipt(f, 3).message, second);
    assert_ran(f, 4, &world.b, HANDLE, OK, 5000, RUN);
    assert_int_equal(fixture_program_info(f, &world.a).reservations, 0);
    assert_held(f, 700, 0, 1, 1);
    assert_true(before + 500 < account(f, "alice") + 5000); /* the reservation's gas is back */
}

/* Of several dispatches those of the earlier come first, be they of other kinds and programs. */
LEDGER_TEST(earlier_dispatches_have_the_earlier_tasks)
{
    enum { MANY = 6 };
    mr_id ids[MANY];
    for (unsigned i = 0; i < MANY; i++) { /* made in order, all due at once */
        script s = script_new();
        if (i % 2 == 0) {
            s = waits_once(RUNS, MANY - i + 1);
        } else {
            STEP(&s, "gr_send_wgas", script_to(&s, &world.quiet, 0), 0, 0, 1500, MANY - i + 1, OUT);
        }
        const mr_id *program = i % 3 == 0 ? &world.c : i % 3 == 1 ? &world.b : &world.a;
        ids[i] = ledger_send(f, program, &s, 20000);
        if (i % 2 == 1)
            ids[i] = fixture_id(f, program, OUT + 4);
    }
    blocks(f, 2);
    assert_int_equal(fixture_info(f).tasks_count, MANY);
    for (unsigned i = 0; i < MANY; i++)
        assert_id_equal(fixture_receipt(f, i).message, ids[i]);
}

/* In one block: by the queue's order, not by program or stream. */
LEDGER_TEST(tasks_of_one_block_are_in_the_order_of_its_queue)
{
    enum { MANY = 12 };
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &world.quiet, 0), 0, 0, 1500, 2, OUT);
    const mr_id programs[] = {world.c, world.a, world.b};
    mr_transaction sends[MANY];
    f->gas = 10000;
    for (unsigned i = 0; i < MANY; i++)
        sends[i] = fixture_send_of(f, &programs[i % 3], script_span(&s));
    fixture_run(f, sends, MANY);
    fixture_accepted(f);
    blocks(f, 2);
    for (unsigned i = 0; i < MANY; i++)
        assert_id_equal(fixture_receipt(f, i).source, programs[i % 3]);
}

/* What moved, was taken or has ended is not due any more. */
LEDGER_TEST(a_task_that_is_not_wanted_is_gone_at_once)
{
    const script wait = waits_once(RUNS, 10);
    const mr_id sleeper = ledger_send(f, &world.a, &wait, 20000);
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 0), 0, 0, 500, 0, OUT);
    STEP(&s, "gr_reserve_gas", 500, 10, OUT + 0x40);
    (void)ledger_send(f, &world.a, &s, 20000);
    assert_int_equal(ledger_info(f).tasks_count, 3);
    const mr_id letter = fixture_id(f, &world.a, OUT + 4),
                reserved = fixture_id(f, &world.a, OUT + 0x44);
    script end = script_new();
    STEP(&end, "gr_wake", script_data(&end, &sleeper, 32), 0, OUT);
    STEP(&end, "gr_unreserve_gas", script_data(&end, &reserved, 32), OUT);
    f->gas = 10000;
    const mr_transaction both[] = {fixture_send_of(f, &world.a, script_span(&end)),
                                   {.kind = MR_TRANSACTION_CLAIM, .from = world.bob, .to = letter}};
    fixture_run(f, both, 2);
    fixture_accepted(f);
    assert_held(f, 0, 0, 0, 0);
    for (unsigned i = 0; i < 60; i++) {
        blocks(f, 1);
        assert_int_equal(fixture_info(f).tasks_count, 0);
        assert_block(f, 0, 0);
        if (f->reopens != NULL && i > 12)
            break;
    }
}

/* Made and ended in one block a task is never stored; numbers are not used up by it. */
LEDGER_TEST(what_begins_and_ends_in_one_block_leaves_no_task)
{
    script wake = script_new();
    script first = script_new();
    STEP(&first, "count", RUNS);
    STEP(&first, "unless", RUNS, 1, 2);
    STEP(&first, "gr_message_id", RUNS + 0x100);
    STEP(&first, "gr_wait_for", 10);
    STEP(&wake, "gr_wake", RUNS + 0x100, 0, OUT);
    f->gas = 10000;
    const mr_transaction sends[] = {fixture_send_of(f, &world.a, script_span(&first)),
                                    fixture_send_of(f, &world.a, script_span(&wake))};
    fixture_run(f, sends, 2);
    assert_block(f, 3, 2);
    assert_held(f, 0, 0, 0, 0);
    blocks(f, 12);
    assert_int_equal(fixture_info(f).tasks_count, 0);
}

/* A wake and the end of the waiting are due together, the wake being the older: it wakes, and the
 * other is gone. */
LEDGER_TEST(a_wake_that_is_due_with_the_end_comes_first)
{
    script s = script_new();
    STEP(&s, "gr_message_id", OUT + 0x100);
    STEP(&s, "gr_wake", OUT + 0x100, 8, OUT);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.b, 0), 0, 0, RUN, 0, OUT);
    STEP(&s, "gr_wait", 0);
    /* 85 gas are left when the reply has drawn on it: its end has moved to where the wake is. */
    (void)ledger_send(f, &world.a, &s, 3 * RUN + 8 * RENT + 85);
    assert_held(f, 85, 1, 0, 2);
    blocks(f, 7);
    assert_block(f, 0, 0);
    blocks(f, 1);
    assert_ran(f, 0, &world.a, HANDLE, OUT_OF_GAS, 5, 5); /* woken, not removed */
    assert_code(fixture_message(f, 0), 1, 0, 0);
    assert_held(f, 0, 0, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dispatch_makes_its_tasks_in_their_order),
        cmocka_unit_test(earlier_dispatches_have_the_earlier_tasks),
        cmocka_unit_test(tasks_of_one_block_are_in_the_order_of_its_queue),
        cmocka_unit_test(a_task_that_is_not_wanted_is_gone_at_once),
        cmocka_unit_test(what_begins_and_ends_in_one_block_leaves_no_task),
        cmocka_unit_test(a_wake_that_is_due_with_the_end_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
