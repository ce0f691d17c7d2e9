/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a message that waits keeps what docs/SEMANTICS.md lets it keep, pays its rent, and goes on
 * with what it had; or is removed when it can pay no longer.
 * Method: actors whose scripts do something else in each run, and prices that can be added up. */
#include "tests/engine/ledger.h"

enum { RUNS = 0x2000 };

/* A script that does `first` in its first run, ends well in the others. */
static script wait_once(const char *name, uint64_t blocks)
{
    script s = script_new();
    GO_ON(&s, RUNS);
    STEP(&s, "unless", RUNS, 1, 1);
    STEP(&s, name, blocks);
    return s;
}

LEDGER_TEST(who_waits_for_some_blocks_is_woken_then_and_has_paid_their_rent)
{
    const mr_value before = account(f, "alice");
    const script s = wait_once("gr_wait_for", 3);
    f->value = 7;
    const mr_id message = ledger_send(f, &world.a, &s, 100000);
    assert_ran(f, 0, &world.a, HANDLE, WAITING, 100000, RUN);
    assert_block(f, 1, 0);
    assert_int_equal(fixture_receipt(f, 0).sent, 0);
    assert_held(f, 99000, 1, 0, 1);
    assert_int_equal(fixture_program_info(f, &world.a).waiting, 1);
    assert_value_equal(fixture_program_info(f, &world.a).balance, 7); /* it has it already */
    blocks(f, 2);
    assert_block(f, 0, 0);
    assert_held(f, 99000, 1, 0, 1);
    blocks(f, 1);
    assert_ran(f, 0, &world.a, HANDLE, OK, 99000 - 3 * RENT, RUN);
    assert_id_equal(fixture_receipt(f, 0).message, message);
    assert_int_equal(fixture_info(f).tasks_count, 1);
    assert_int_equal(fixture_info(f).gas_rent, 3 * RENT);
    assert_code(fixture_message(f, 0), 0, 0, 0);
    assert_id_equal(fixture_message(f, 0).reply_to, message);
    assert_held(f, 0, 0, 0, 0);
    assert_value_equal(fixture_program_info(f, &world.a).balance, 7); /* and not twice */
    assert_paid(f, before, 7 + 2 * RUN + 3 * RENT);
    assert_int_equal(fixture_u64(f, &world.a, RUNS), 2);
}

LEDGER_TEST(who_waits_without_end_is_removed_when_the_gas_is_gone)
{
    const mr_value before = account(f, "alice");
    const script s = wait_once("gr_wait", 0);
    f->value = 7;
    (void)ledger_send(f, &world.a, &s, RUN + 5 * RENT + 4);
    assert_held(f, 5 * RENT + 4, 1, 0, 1);
    blocks(f, 4);
    assert_held(f, 5 * RENT + 4, 1, 0, 1);
    blocks(f, 1);
    assert_ran(f, 0, &world.a, HANDLE, REMOVED, 4, 0);
    assert_code(fixture_message(f, 0), 1, 3, 0);
    assert_int_equal(fixture_message(f, 0).payload.size, 0);
    assert_value_equal(fixture_message(f, 0).value, 0); /* it is the program's since it waited */
    assert_value_equal(fixture_program_info(f, &world.a).balance, 7);
    assert_held(f, 0, 0, 0, 0);
    assert_paid(f, before, 7 + RUN + 5 * RENT);
    assert_int_equal(fixture_u64(f, &world.a, RUNS), 1);
}

LEDGER_TEST(who_waits_up_to_what_it_can_pay_is_removed_there)
{
    mr_value before = account(f, "alice");
    script s = wait_once("gr_wait_up_to", 10);
    (void)ledger_send(f, &world.a, &s, RUN + 35); /* 3 blocks */
    assert_held(f, 35, 1, 0, 1);
    blocks(f, 3);
    assert_ran(f, 0, &world.a, HANDLE, REMOVED, 5, 0);
    assert_paid(f, before, RUN + 30);
    /* Covered, it is woken. */
    before = account(f, "alice");
    (void)ledger_send(f, &world.b, &s, 2 * RUN + 100);
    assert_held(f, RUN + 100, 1, 0, 1);
    blocks(f, 10);
    assert_ran(f, 0, &world.b, HANDLE, OK, RUN, RUN);
    assert_paid(f, before, 2 * RUN + 100);
    /* Exactly one block is the least. */
    s = wait_once("gr_wait_up_to", 10);
    (void)ledger_send(f, &world.c, &s, RUN + RENT);
    assert_ran(f, 0, &world.c, HANDLE, WAITING, RUN + RENT, RUN);
    blocks(f, 1);
    assert_ran(f, 0, &world.c, HANDLE, REMOVED, 0, 0);
}

LEDGER_TEST(waiting_that_cannot_be_paid_is_out_of_gas)
{
    static const struct {
        const char *name;
        uint64_t blocks, gas;
    } cases[] = {
        {"gr_wait", 0, RENT - 1},
        {"gr_wait_for", 5, 5 * RENT - 1},
        {"gr_wait_up_to", 5, RENT - 1},
        {"gr_wait_for", UINT32_MAX, (uint64_t)UINT32_MAX * RENT - 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        script s = script_new();
        STEP(&s, "store", OUT, 99);
        STEP(&s, cases[i].name, cases[i].blocks);
        (void)ledger_send(f, &world.a, &s, RUN + cases[i].gas);
        assert_ran(f, 0, &world.a, HANDLE, OUT_OF_GAS, RUN + cases[i].gas, RUN + cases[i].gas);
        assert_code(fixture_message(f, 0), 1, 0, 0);
        assert_int_equal(fixture_u64(f, &world.a, OUT), 0);
        assert_held(f, 0, 0, 0, 0);
        (void)ledger_send(f, &world.b, &s, RUN + cases[i].gas + 1); /* one more, and it waits */
        assert_ran(f, 0, &world.b, HANDLE, WAITING, RUN + cases[i].gas + 1, RUN);
        script wake = script_new();
        const mr_id id = fixture_result(f, 0).id;
        STEP(&wake, "gr_wake", script_data(&wake, &id, 32), 0, OUT);
        (void)ledger_send(f, &world.b, &wake, 100000);
        /* Waits again, or, the gas being less, cannot. */
        blocks(f, i == 3 ? 0 : 6);
        if (i != 3)
            assert_held(f, 0, 0, 0, 0);
    }
}

LEDGER_TEST(who_has_replied_or_waits_for_no_block_traps)
{
    static const char *const names[] = {"gr_wait", "gr_wait_for", "gr_wait_up_to"};
    for (size_t i = 0; i < 3; i++) {
        script s = script_new();
        STEP(&s, "gr_reply", 0, 0, NO_VALUE, OUT);
        STEP(&s, names[i], 5);
        (void)ledger_send(f, &world.a, &s, 10000);
        assert_ran(f, 0, &world.a, HANDLE, TRAP, 10000, RUN);
        assert_code(fixture_message(f, 0), 1, 0, 2);
        assert_block(f, 1, 1);
    }
    for (size_t i = 1; i < 3; i++) {
        script s = script_new();
        STEP(&s, names[i], 0);
        (void)ledger_send(f, &world.a, &s, 10000);
        assert_ran(f, 0, &world.a, HANDLE, TRAP, 10000, RUN);
        assert_code(fixture_message(f, 0), 1, 0, 2);
    }
    /* What was pushed and not committed is no reply: and is gone when it goes on. */
    script s = script_new();
    GO_ON(&s, RUNS);
    STEP(&s, "unless", RUNS, 1, 2);
    STEP(&s, "gr_reply_push", 0, 9, OUT);
    STEP(&s, "gr_wait_for", 1);
    STEP(&s, "gr_reply_commit", NO_VALUE, OUT);
    (void)ledger_send(f, &world.b, &s, 10000);
    assert_ran(f, 0, &world.b, HANDLE, WAITING, 10000, RUN);
    blocks(f, 1);
    assert_code(fixture_message(f, 0), 0, 1, 0);
    assert_int_equal(fixture_message(f, 0).payload.size, 0);
}

/* With gasless children the waiting message keeps its rent and a 64th of the rest. */
LEDGER_TEST(a_64th_is_kept_and_the_children_share_the_others)
{
    const mr_value before = account(f, "alice");
    script s = script_new();
    GO_ON(&s, RUNS);
    STEP(&s, "unless", RUNS, 1, 5);
    STEP(&s, "gr_send", script_to(&s, &world.b, 0), 0, 0, 0, OUT);
    STEP(&s, "gr_send", script_to(&s, &world.b, 0), 0, 0, 0, OUT);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.quiet, 0), 0, 0, 700, 0, OUT);
    STEP(&s, "gr_send", script_to(&s, &world.bob, 0), 0, 0, 0, OUT); /* a letter: no sharer */
    STEP(&s, "gr_wait_for", 10);
    (void)ledger_send(f, &world.a, &s, 101800);
    /* 101800 - 1000 burned - 700 - 100 for the letter - 100 rent = 99900 with the floors of two. */
    enum { FREE = 99900 - 2 * FLOOR, KEPT = FREE / 64, POOL = 99900 - KEPT, SHARE = POOL / 2 };
    assert_int_equal(KEPT, 1557);
    assert_int_equal(POOL % 2, 1);
    assert_ran(f, 0, &world.a, HANDLE, WAITING, 101800, RUN);
    assert_ran(f, 1, &world.b, HANDLE, OK, SHARE, RUN);
    assert_ran(f, 2, &world.b, HANDLE, OK, SHARE, RUN);
    assert_ran(f, 3, &world.quiet, HANDLE, OK, 700, 0);
    /* Their replies: own gas, and what they may draw: what waits has beyond its rent. */
    const uint64_t beyond = KEPT + 1;
    assert_ran(f, 4, &world.a, REPLY, OK, SHARE - RUN + beyond, RUN);
    assert_ran(f, 5, &world.a, REPLY, OK, SHARE - RUN + beyond + (SHARE - 2 * RUN), RUN);
    assert_ran(f, 6, &world.a, REPLY, OK, 700 + beyond + 2 * (SHARE - 2 * RUN), RUN);
    /* The third burned its 700, and 300 of the waiting message's. */
    const uint64_t gas = 100 + beyond + 2 * (SHARE - 2 * RUN) - 300;
    assert_held(f, gas + FLOOR, 1, 1, 2);
    blocks(f, 10);
    /* The letter expires in the same block, and its task is the older: its answer comes first, and
     * runs on the gas of what has been woken, and is behind it. */
    assert_int_equal(fixture_info(f).tasks_count, 2);
    assert_ran(f, 0, &world.a, REPLY, OK, gas - 100, RUN);
    assert_ran(f, 1, &world.a, HANDLE, OK, gas - 100 - RUN, RUN);
    assert_paid(f, before, 100 + 100 + 8 * RUN);
    assert_held(f, 0, 0, 0, 0);
}

/* Without children it keeps all, and the rent comes off that. */
LEDGER_TEST(a_reply_draws_on_the_message_that_waits_for_it)
{
    const mr_value before = account(f, "alice");
    script s = script_new(), told = script_new();
    STEP(&told, "count", RUNS + 8);
    STEP(&told, "gr_gas_available", RUNS + 16);
    script answer = script_new();
    STEP(&answer, "gr_reply", script_script(&answer, &told), script_span(&told).size, NO_VALUE,
         OUT);
    GO_ON(&s, RUNS);
    STEP(&s, "unless", RUNS, 1, 2);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.b, 0), script_script(&s, &answer),
         script_span(&answer).size, RUN + 150, 0, OUT);
    STEP(&s, "gr_wait", 0);
    (void)ledger_send(f, &world.a, &s, 20000);
    const uint64_t kept = 20000 - RUN - (RUN + 150);
    assert_ran(f, 0, &world.a, HANDLE, WAITING, 20000, RUN);
    assert_ran(f, 1, &world.b, HANDLE, OK, RUN + 150, RUN);
    /* No wish: all but the rent to the next block may be drawn. */
    assert_ran(f, 2, &world.a, REPLY, OK, 150 + kept - RENT, RUN);
    assert_int_equal(fixture_u64(f, &world.a, RUNS + 8), 1);
    assert_int_equal(fixture_u64(f, &world.a, RUNS + 16), 150 + kept - RENT - RUN);
    const uint64_t left = kept - (RUN - 150);
    assert_held(f, left, 1, 0, 1);
    /* Its end has moved with its gas. */
    const uint32_t since = height_of(f);
    const unsigned until = (unsigned)(left / RENT);
    assert_true(until > 100);
    script wake = script_new();
    const mr_id id = fixture_receipt(f, 0).message;
    STEP(&wake, "gr_wake", script_data(&wake, &id, 32), 0, OUT);
    blocks(f, 2);
    (void)ledger_send(f, &world.a, &wake, 5000);
    const uint64_t rent = (height_of(f) - since) * RENT;
    assert_int_equal(rent, 3 * RENT);
    assert_ran(f, 0, &world.a, HANDLE, OK, 5000, RUN);
    assert_ran(f, 1, &world.a, HANDLE, OK, left - rent, RUN);
    assert_paid(f, before, 5 * RUN + rent);
    assert_held(f, 0, 0, 0, 0);
}

/* The end of what waits is found again when a reply drew on it: it is removed at that block. */
LEDGER_TEST(what_a_reply_drew_brings_the_end_nearer)
{
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &world.b, 0), 0, 0, RUN, 0, OUT);
    STEP(&s, "gr_wait", 0);
    /* Keeps 1085: the reply burns 1000 of it, which leaves 8 blocks and 5. */
    (void)ledger_send(f, &world.a, &s, 2 * RUN + RUN + 85);
    assert_ran(f, 2, &world.a, REPLY, OK, RUN + 85 - RENT, RUN);
    assert_held(f, 85, 1, 0, 1);
    blocks(f, 7);
    assert_held(f, 85, 1, 0, 1);
    blocks(f, 1);
    assert_ran(f, 0, &world.a, HANDLE, REMOVED, 5, 0);
    assert_held(f, 0, 0, 0, 0);
}

/* With a wish that it can pay the rent up to that is not drawn on. */
LEDGER_TEST(rent_up_to_the_wish_is_not_drawn_on)
{
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &world.b, 0), 0, 0, RUN, 0, OUT);
    STEP(&s, "gr_wait_for", 50);
    (void)ledger_send(f, &world.a, &s, 2 * RUN + 500 + RUN - 1);
    /* The reply lacks 1 gas to begin; it burns all it may: nothing of its own, all it may draw. */
    assert_ran(f, 2, &world.a, REPLY, OUT_OF_GAS, RUN - 1, 0);
    assert_held(f, 500 + RUN - 1, 1, 0, 1);
}

LEDGER_TEST(gas_goes_home_to_the_same_payer_only)
{
    /* Bob answers a letter of what alice's message waits for: his gas is his again. */
    const mr_value before = account(f, "alice"), bob = account(f, "bob");
    script s = script_new();
    GO_ON(&s, RUNS);
    STEP(&s, "unless", RUNS, 1, 2);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 0), 0, 0, 500, 0, OUT);
    STEP(&s, "gr_wait_for", 20);
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_held(f, 10000 - RUN, 1, 1, 2);
    const mr_transaction reply = {.kind = MR_TRANSACTION_REPLY,
                                  .from = world.bob,
                                  .to = fixture_message(f, 0).id,
                                  .gas_limit = 3000};
    fixture_run(f, &reply, 1);
    fixture_accepted(f);
    /* It may draw on what alice's message has beyond its rent. */
    const uint64_t beyond = 10000 - RUN - 500 - 200;
    assert_ran(f, 0, &world.a, REPLY, OK, 3000 + beyond, RUN);
    assert_value_equal(bob - account(f, "bob"), RUN);
    assert_held(f, 10000 - RUN - 500, 1, 0, 1);
    assert_paid(f, before, 10000 - (500 - RENT)); /* the letter's gas less a block of rent */
    /* Alice's own answer to a letter goes home. */
    script ask = script_new();
    const mr_id alice = mr_id_of_name("alice");
    GO_ON(&ask, RUNS);
    STEP(&ask, "unless", RUNS, 1, 2);
    STEP(&ask, "gr_send_wgas", script_to(&ask, &alice, 0), 0, 0, 500, 0, OUT);
    STEP(&ask, "gr_wait_for", 30);
    (void)ledger_send(f, &world.b, &ask, 10000);
    const uint64_t held = ledger_info(f).gas_held;
    const mr_transaction own = {.kind = MR_TRANSACTION_REPLY,
                                .from = alice,
                                .to = fixture_message(f, 0).id,
                                .gas_limit = 3000};
    fixture_run(f, &own, 1);
    fixture_accepted(f);
    assert_ran(f, 0, &world.b, REPLY, OK, 3000 + 10000 - RUN - 500 - 300, RUN);
    assert_held(f, held - 500 + 3000 - RUN, 2, 0, 2);
}

/* Handles and reservations go on counting, and there are as many for all runs together. */
static mr_schedule few_handles(void)
{
    mr_schedule schedule = ledger_schedule();
    schedule.outgoing_max = 4;
    return schedule;
}

LEDGER_TEST_WITH(handles_go_on_counting_over_all_runs, few_handles())
{
    script s = script_new();
    const uint32_t to = script_to(&s, &world.quiet, 0);
    GO_ON(&s, RUNS);
    STEP(&s, "unless", RUNS, 1, 6);
    STEP(&s, "gr_send_init", OUT);     /* 0, not committed */
    STEP(&s, "gr_send_init", OUT + 8); /* 1 */
    STEP(&s, "gr_send_push", 0, 0, 4, OUT + 16);
    STEP(&s, "gr_send_commit_wgas", 1, to, 500, 0, OUT + 20);
    STEP(&s, "gr_reserve_gas", 200, 90, OUT + 56);
    STEP(&s, "gr_wait_for", 2);
    STEP(&s, "unless", RUNS, 2, 9);
    STEP(&s, "gr_send_push", 0, 0, 4, OUT + 0x100);          /* 305: a handle of another run */
    STEP(&s, "gr_send_commit", 1, to, 0, OUT + 0x104);       /* 305 */
    STEP(&s, "gr_send_wgas", to, 0, 0, 500, 0, OUT + 0x130); /* 2 */
    STEP(&s, "gr_send_init", OUT + 0x160);                   /* 3 */
    STEP(&s, "gr_send_init", OUT + 0x168);                   /* 301 */
    STEP(&s, "gr_send_wgas", to, 0, 0, 500, 0, OUT + 0x170); /* 301 */
    STEP(&s, "gr_create_program_wgas", to, 0, 0, 0, 0, 500, 0, OUT + 0x1a0); /* 301 */
    STEP(&s, "gr_reserve_gas", 300, 80, OUT + 0x200);
    STEP(&s, "gr_wait_for", 2);
    STEP(&s, "gr_send_init", OUT + 0x300); /* 301 in the third run, too */
    const mr_id message = ledger_send(f, &world.a, &s, 50000);
    assert_ran(f, 0, &world.a, HANDLE, WAITING, 50000, RUN);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 4), 0);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 12), 1);
    const mr_id first = fixture_id(f, &world.a, OUT + 24);
    assert_id_equal(fixture_receipt(f, 1).message, first);
    const mr_id reserved = fixture_id(f, &world.a, OUT + 60);
    assert_int_equal(fixture_program_info(f, &world.a).reservations, 1);
    blocks(f, 2);
    assert_ran(f, 0, &world.a, HANDLE, WAITING, fixture_receipt(f, 0).gas_limit, RUN);
    assert_id_equal(fixture_receipt(f, 0).message, message);
    static const struct {
        uint32_t at, code;
    } codes[] = {{0x100, 305}, {0x104, 305}, {0x130, 0},   {0x160, 0},
                 {0x168, 301}, {0x170, 301}, {0x1a0, 301}, {0x200, 0}};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_int_equal(fixture_u32(f, &world.a, OUT + codes[i].at), codes[i].code);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 0x164), 3);
    assert_id_equal(fixture_receipt(f, 1).message, fixture_id(f, &world.a, OUT + 0x134));
    const mr_id second = fixture_id(f, &world.a, OUT + 0x204);
    assert_memory_not_equal(&reserved, &second, 32);
    assert_int_equal(fixture_program_info(f, &world.a).reservations, 2);
    blocks(f, 2);
    assert_int_equal(fixture_receipt(f, 0).outcome, MR_OUTCOME_OK);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 0x300), 301);
}

LEDGER_TEST(an_init_that_waits_leaves_the_program_uninitialized)
{
    script s = wait_once("gr_wait_for", 2);
    f->gas = 10000;
    f->value = 9;
    const mr_id made = fixture_create(f, &world.code, script_span(&s));
    f->value = 0;
    assert_ran(f, 0, &made, INIT, WAITING, 10000, RUN);
    assert_int_equal(fixture_program_info(f, &made).status, MR_PROGRAM_UNINITIALIZED);
    assert_value_equal(fixture_program_info(f, &made).balance, 9);
    (void)fixture_send(f, &made, (mr_span){0});
    assert_ran(f, 0, &made, HANDLE, UNAVAILABLE, 10000, 0);
    assert_code(fixture_message(f, 0), 1, 2, 2);
    blocks(f, 1);
    assert_ran(f, 0, &made, INIT, OK, 10000 - RUN - 20, RUN);
    assert_int_equal(fixture_program_info(f, &made).status, MR_PROGRAM_ACTIVE);
    /* One that is removed terminates it: what it owns goes to who made it. */
    s = wait_once("gr_wait", 0);
    f->gas = RUN + RENT;
    f->value = 9;
    const mr_value before = account(f, "alice");
    const mr_id poor = fixture_create(f, &world.code, script_span(&s));
    f->value = 0;
    blocks(f, 1);
    assert_ran(f, 0, &poor, INIT, REMOVED, 0, 0);
    assert_code(fixture_message(f, 0), 1, 3, 0);
    assert_int_equal(fixture_program_info(f, &poor).status, MR_PROGRAM_TERMINATED);
    assert_value_equal(fixture_program_info(f, &poor).balance, 0);
    assert_paid(f, before, RUN + RENT);
}

/* handle_reply and handle_signal may wait as well. */
LEDGER_TEST(replies_and_signals_wait_like_messages)
{
    script told = script_new();
    STEP(&told, "count", RUNS + 8);
    STEP(&told, "unless", RUNS + 8, 1, 1);
    STEP(&told, "gr_wait_for", 2);
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 0), 0, 0, 200, 0, OUT);
    (void)ledger_send(f, &world.a, &s, 10000);
    const mr_value bob = account(f, "bob");
    const mr_transaction reply = {.kind = MR_TRANSACTION_REPLY,
                                  .from = world.bob,
                                  .to = fixture_message(f, 0).id,
                                  .payload = script_span(&told),
                                  .gas_limit = 5000,
                                  .value = 3};
    fixture_run(f, &reply, 1);
    assert_ran(f, 0, &world.a, REPLY, WAITING, 5000, RUN);
    assert_held(f, 4000, 1, 0, 1);
    blocks(f, 2);
    assert_ran(f, 0, &world.a, REPLY, OK, 4000 - 20, RUN);
    assert_value_equal(bob - account(f, "bob"), 3 + 2 * RUN + 20);
    assert_held(f, 0, 0, 0, 0);
    assert_value_equal(fixture_program_info(f, &world.a).balance, 3);
    assert_int_equal(fixture_u64(f, &world.a, RUNS + 8), 2);
}

/* The message is as it was in each run. */
LEDGER_TEST(what_a_message_says_of_itself_does_not_change)
{
    script s = script_new();
    GO_ON(&s, RUNS);
    STEP(&s, "unless", RUNS, 1, 6);
    STEP(&s, "gr_message_id", OUT);
    STEP(&s, "gr_source", OUT + 32);
    STEP(&s, "gr_value", OUT + 64);
    STEP(&s, "gr_size", OUT + 80);
    STEP(&s, "gr_value_available", OUT + 96);
    STEP(&s, "gr_wait_for", 1);
    STEP(&s, "gr_message_id", OUT + 0x100);
    STEP(&s, "gr_source", OUT + 0x100 + 32);
    STEP(&s, "gr_value", OUT + 0x100 + 64);
    STEP(&s, "gr_size", OUT + 0x100 + 80);
    STEP(&s, "gr_value_available", OUT + 0x100 + 96);
    f->value = 1234567;
    (void)ledger_send(f, &world.a, &s, 10000);
    blocks(f, 1);
    assert_int_equal(fixture_receipt(f, 0).outcome, MR_OUTCOME_OK);
    uint8_t first[112], second[112];
    fixture_memory(f, &world.a, OUT, first, sizeof first);
    fixture_memory(f, &world.a, OUT + 0x100, second, sizeof second);
    assert_memory_equal(first, second, sizeof first);
    assert_value_equal(fixture_u128(f, &world.a, OUT + 64), 1234567);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_for_some_blocks_is_woken_then_and_has_paid_their_rent),
        cmocka_unit_test(who_waits_without_end_is_removed_when_the_gas_is_gone),
        cmocka_unit_test(who_waits_up_to_what_it_can_pay_is_removed_there),
        cmocka_unit_test(waiting_that_cannot_be_paid_is_out_of_gas),
        cmocka_unit_test(who_has_replied_or_waits_for_no_block_traps),
        cmocka_unit_test(a_64th_is_kept_and_the_children_share_the_others),
        cmocka_unit_test(a_reply_draws_on_the_message_that_waits_for_it),
        cmocka_unit_test(what_a_reply_drew_brings_the_end_nearer),
        cmocka_unit_test(rent_up_to_the_wish_is_not_drawn_on),
        cmocka_unit_test(gas_goes_home_to_the_same_payer_only),
        cmocka_unit_test(handles_go_on_counting_over_all_runs),
        cmocka_unit_test(an_init_that_waits_leaves_the_program_uninitialized),
        cmocka_unit_test(replies_and_signals_wait_like_messages),
        cmocka_unit_test(what_a_message_says_of_itself_does_not_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
