/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=300
 * Goal: programs are made and end, tasks are ordered and blocks account as docs/SEMANTICS.md says.
 * Method: scripted programs (scripted.h) under prices with which the numbers can be added up by
 * hand: a dispatch that runs burns 1000 gas, a block of rent is 10, the mailbox threshold 300. What
 * is expected is written as these sums. What the reference did the engine must do, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/model/rules.h"

/* ---- Programs made by programs ---- */

static op creation(const scripted *s, uint32_t delay)
{
    return (op){
        .entry = HANDLE, .run = ANY_RUN, .what = CREATE, .slot = 1, .n = delay, .id = s->code};
}

/* The program that such an operation of `message` makes. */
static mr_id child_of(const op *made, const mr_id *message)
{
    return mr_id_of_child(message, &made->id, mr_span_of(made, 5));
}

static void a_created_program_is_initialised_and_may_be_sent_to(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    op ops[2] = {creation(&s, 0)};
    const mr_id message = next_id(&s), child = child_of(ops, &message);
    ops[1] = (op){.entry = HANDLE, .run = ANY_RUN, .what = SEND, .slot = 2, .id = child};
    (void)scripted_send(&s, &program, 9000, ops, 2);
    /* 9000 - 1000 are two halves. */
    expect_receipt(&s, 1, MR_KIND_INIT, MR_OUTCOME_OK, 4000, 1000);
    expect_receipt(&s, 2, MR_KIND_HANDLE, MR_OUTCOME_OK, 4000, 1000);
    assert_same_id(s.block->receipts[1].program, child);
    assert_int_equal(scripted_program(&s, &child).status, MR_PROGRAM_ACTIVE);
    scripted_close(&s);
}

static void without_a_code_the_creator_gets_an_error_reply(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    op ops[1] = {creation(&s, 3)};
    ops[0].id = s.bob; /* no code */
    ops[0].value = 4;
    const mr_id message = next_id(&s), child = child_of(ops, &message);
    mr_transaction send = scripted_message(&s, &program, 5000, ops, 1);
    send.value = 4;
    (void)scripted_block(&s, &send, 1);
    const mr_id init = mr_id_of_outgoing(&message, 0);
    expect_receipt(&s, 1, MR_KIND_REPLY, MR_OUTCOME_OK, 4000 - 30, 1000);
    assert_same_id(s.block->receipts[1].message, mr_id_of_reply(&init));
    assert_same_id(s.block->receipts[1].source, child);
    expect_block(&s, 2, 30, 2970);
    assert_int_equal(scripted_program(&s, &program).balance, 4);
    assert_int_equal(tasks_count(&s), 0);
    scripted_close(&s);
}

static void a_program_whose_init_is_delayed_exists_uninitialised(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op ops[] = {creation(&s, 3)};
    const mr_id message = scripted_send(&s, &program, 5000, ops, 1);
    const mr_id child = child_of(ops, &message);
    assert_int_equal(scripted_program(&s, &child).status, MR_PROGRAM_UNINITIALIZED);
    (void)scripted_send(&s, &child, 2000, NULL, 0);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_UNAVAILABLE, 2000, 0);
    expect_reply(&s, 0, 1, 2, 2);
    scripted_until(&s, height(&s) + 2);
    expect_receipt(&s, 0, MR_KIND_INIT, MR_OUTCOME_OK, 3970, 1000);
    scripted_close(&s);
}

static void a_program_is_seen_by_the_next_generation_not_by_its_own(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id maker = scripted_make(&s, NULL, 0), guesser = scripted_make(&s, NULL, 0);
    const mr_id asker = scripted_make(&s, NULL, 0);
    const op ops[] = {creation(&s, 0)};
    const mr_id made_by = mr_id_of_user_message(height(&s) + 2, &s.alice, 0);
    const mr_id born = child_of(ops, &made_by);
    const op late_ops[] = {{.entry = HANDLE, .run = ANY_RUN, .what = SEND, .slot = 2, .id = born}};
    const mr_id late = scripted_make(&s, late_ops, 1);
    const op early[] = {{.entry = HANDLE, .run = ANY_RUN, .what = SEND, .slot = 2, .id = born}};
    const op ask[] = {{.entry = HANDLE, .run = ANY_RUN, .what = SEND, .slot = 2, .id = late}};
    const mr_transaction sends[] = {
        scripted_message(&s, &maker, 5000, ops, 1),
        scripted_message(&s, &guesser, 5000, early, 1),
        scripted_message(&s, &asker, 9000, ask, 1),
    };
    (void)scripted_block(&s, sends, 3);
    /* The guesser's message of generation 0 goes to a user, that of generation 1 to the program. */
    assert_int_equal(letters_count(&s), 1);
    assert_same_id(only_letter(&s).user, born);
    assert_same_id(only_letter(&s).program, guesser);
    uint64_t handled = 0;
    for (uint64_t i = 0; i < s.block->info.receipts_count; i++)
        handled += memcmp(&s.block->receipts[i].program, &born, sizeof born) == 0;
    assert_int_equal(handled, 2); /* init, and the late message */
    scripted_close(&s);
}

/* ---- Ends of programs ---- */

static void an_exit_flushes_what_waits_and_ends_reservations(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op wait[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = RESERVE, .slot = 1, .gas = 300, .n = 10},
        {.entry = HANDLE, .run = ANY_RUN, .what = SYSTEM, .gas = 500},
        {.entry = HANDLE, .run = ANY_RUN, .what = WAIT},
    };
    const mr_transaction sends[] = {scripted_message(&s, &program, 5000, wait, 3),
                                    scripted_message(&s, &program, 5000, wait, 3)};
    (void)scripted_block(&s, sends, 2);
    mr_id ids[2] = {s.block->transactions[0].id, s.block->transactions[1].id};
    if (memcmp(&ids[0], &ids[1], sizeof ids[0]) > 0) {
        const mr_id swapped = ids[0];
        ids[0] = ids[1];
        ids[1] = swapped;
    }
    assert_int_equal(tasks_count(&s), 4);
    const op leave[] = {{.entry = HANDLE, .run = ANY_RUN, .what = EXIT, .id = s.bob}};
    mr_transaction send = scripted_message(&s, &program, 5000, leave, 1);
    send.value = 11;
    (void)scripted_block(&s, &send, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_EXITED, 5000, 1000);
    /* 5000 - 1000 - 400 - 500 less a block of rent, and no signal: 500 are refunded with it. */
    expect_receipt(&s, 1, MR_KIND_HANDLE, MR_OUTCOME_UNAVAILABLE, 3100 - 10, 0);
    expect_receipt(&s, 2, MR_KIND_HANDLE, MR_OUTCOME_UNAVAILABLE, 3100 - 10, 0);
    assert_same_id(s.block->receipts[1].message, ids[0]);
    assert_same_id(s.block->receipts[2].message, ids[1]);
    assert_same_id(s.block->receipts[1].parent, s.block->receipts[0].message);
    expect_reply(&s, 1, 1, 2, 0);
    /* Rent: 2 messages and 2 reservations, a block each. */
    expect_block(&s, 3, 40, 4000 + 2 * (300 + 90) + 2 * (3090 + 500));
    assert_int_equal(tasks_count(&s), 0);
    const mr_program_info info = scripted_program(&s, &program);
    assert_int_equal(info.status, MR_PROGRAM_EXITED);
    assert_int_equal(info.units, 0);
    assert_int_equal(info.balance, 0);
    mr_value issued, burned;
    mr_reference_totals(s.r, &issued, &burned);
    assert_int_equal(issued, 0);
    scripted_close(&s);
}

static void an_init_that_waited_and_fails_leaves_nothing_to_wait(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const op ops[] = {
        {.entry = INIT, .run = 0, .what = RESERVE, .slot = 1, .gas = 300, .n = 10},
        {.entry = INIT, .run = 0, .what = WAIT_FOR, .n = 2},
        {.entry = INIT, .run = 1, .what = PANIC},
    };
    mr_transaction create = scripted_creation(&s, ops, COUNT(ops), 5000);
    create.value = 8;
    (void)scripted_block(&s, &create, 1);
    expect_receipt(&s, 0, MR_KIND_INIT, MR_OUTCOME_WAITING, 5000, 1000);
    const mr_id program = s.block->transactions[0].id;
    assert_int_equal(scripted_program(&s, &program).status, MR_PROGRAM_UNINITIALIZED);
    assert_int_equal(scripted_program(&s, &program).balance, 8);
    scripted_until(&s, height(&s) + 2);
    expect_receipt(&s, 0, MR_KIND_INIT, MR_OUTCOME_PANIC, 3600 - 20, 1000);
    /* The reservation: 20 are rent, 80 and 300 come back. */
    expect_block(&s, 1, 40, 2580 + 380);
    assert_int_equal(scripted_program(&s, &program).status, MR_PROGRAM_TERMINATED);
    assert_int_equal(scripted_program(&s, &program).balance, 0);
    assert_int_equal(s.block->user_messages[0].value, 0);
    mr_value issued, burned;
    mr_reference_totals(s.r, &issued, &burned);
    assert_int_equal(issued, 0); /* alice has her 8 */
    scripted_close(&s);
}

/* ---- Tasks, blocks and accounts ---- */

static void tasks_are_numbered_in_the_order_of_what_a_dispatch_does(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id silent = scripted_make_silent(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op ops[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = WAKE, .n = 9, .id = s.bob},
        {.entry = HANDLE, .run = ANY_RUN, .what = RESERVE, .slot = 1, .gas = 300, .n = 9},
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND, .id = s.bob},
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND, .n = 9, .id = silent},
        {.entry = HANDLE, .run = ANY_RUN, .what = WAIT_FOR, .n = 9},
    };
    (void)scripted_send(&s, &program, 9000, ops, COUNT(ops));
    static const mr_reference_what order[] = {MR_REFERENCE_END_OF_LETTER, MR_REFERENCE_SEND,
                                              MR_REFERENCE_END_OF_RESERVATION, MR_REFERENCE_WAKE,
                                              MR_REFERENCE_END_OF_WAITING};
    assert_int_equal(tasks_count(&s), COUNT(order));
    for (size_t i = 0; i < COUNT(order); i++) {
        mr_reference_due due;
        assert_true(mr_reference_task(s.r, i, &due));
        assert_int_equal(due.what, order[i]);
        assert_int_equal(due.sequence, i);
    }
    scripted_close(&s);
}

static void a_wake_that_comes_first_takes_the_end_of_waiting_away(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    /* Woken in the block in which its own time is up; the task of the wake is the older one. */
    const mr_id message = mr_id_of_user_message(height(&s) + 2, &s.alice, 0);
    const op wake[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAKE, .n = 3, .id = message}};
    const op wait[] = {{.entry = HANDLE,
                        .height = (uint8_t)(height(&s) + 2),
                        .run = ANY_RUN,
                        .what = WAIT_FOR,
                        .n = 2}};
    (void)scripted_send(&s, &program, 3000, wake, 1);
    assert_same_id(scripted_send(&s, &program, 3000, wait, 1), message);
    scripted_until(&s, height(&s) + 2);
    assert_int_equal(s.block->info.tasks_count, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OK, 2000 - 20, 1000);
    assert_int_equal(s.block->info.receipts_count, 1);
    scripted_close(&s);
}

static void what_a_reply_may_draw_counts_for_the_gas_of_the_block(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id silent = scripted_make_silent(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const mr_id other = scripted_make(&s, NULL, 0);
    const op burn[] = {{.entry = HANDLE, .run = ANY_RUN, .what = BURN, .n = 1}};
    const op ops[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND_GAS, .gas = 1000, .id = silent},
        {.entry = HANDLE, .run = ANY_RUN, .what = WAIT_FOR, .n = 2},
    };
    const mr_transaction sends[] = {scripted_message(&s, &program, 20000, ops, 2),
                                    scripted_message(&s, &other, 1100, burn, 1)};
    /* When the reply is looked at, 1000 + 1100 + 1000 are burned; it has no gas of its own and may
     * draw 20000 - 1000 - 1000 - 20: both together are as much as the block has. */
    s.params.gas_limit = 21080;
    (void)scripted_block(&s, sends, 2);
    assert_int_equal(s.block->info.receipts_count, 4);
    assert_false(s.block->closed);
    s.params.gas_limit = 21079;
    (void)scripted_block(&s, sends, 2);
    assert_int_equal(s.block->info.receipts_count, 3);
    assert_true(s.block->closed);
    assert_int_equal(s.block->info.queue_count, 1);
    scripted_close(&s);
}

static void refunds_and_letters_reach_accounts_at_the_end_of_the_block(void **state)
{
    (void)state;
    scripted s;
    const mr_balance genesis[] = {{mr_id_of_name("alice"), 100000}};
    scripted_open_with(&s, &(mr_reference_options){.schedule = scripted_prices(),
                                                   .accounts = true,
                                                   .genesis = genesis,
                                                   .genesis_count = 1});
    const mr_id program = scripted_make(&s, NULL, 0);
    const op ops[] = {{.entry = HANDLE, .run = ANY_RUN, .what = SEND, .value = 50, .id = s.bob}};
    mr_transaction send = scripted_message(&s, &program, 5000, ops, 1);
    send.value = 50;
    send.tip = 9;
    s.params.author = mr_id_of_name("author");
    const mr_value before = mr_reference_balance(s.r, &s.alice);
    (void)scripted_block(&s, &send, 1);
    assert_int_equal(s.block->info.reward, 1000 * PRICE + 9);
    assert_int_equal(mr_reference_balance(s.r, &s.params.author), 1000 * PRICE + 9);
    assert_int_equal(mr_reference_balance(s.r, &s.alice), before - 50 - 9 - 1300 * PRICE);
    assert_int_equal(mr_reference_balance(s.r, &s.bob), 0);
    const mr_id letter = only_letter(&s).message;
    const mr_transaction both[] = {
        take_letter(MR_TRANSACTION_CLAIM, &s.bob, &letter, 0),
        {.kind = MR_TRANSACTION_TRANSFER, .from = s.bob, .to = s.alice, .value = 50},
    };
    (void)scripted_block(&s, both, 2);
    assert_int_equal(s.block->transactions[0].admission, MR_ADMISSION_ACCEPTED);
    assert_int_equal(s.block->transactions[1].admission, MR_ADMISSION_BALANCE);
    assert_int_equal(mr_reference_balance(s.r, &s.bob), 50);
    /* Rent is rewarded, too: 10, and 290 that did not suffice to begin. */
    assert_int_equal(s.block->info.reward, 300 * PRICE);
    scripted_close(&s);
}

static void no_message_has_more_than_2_to_the_62_gas(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const uint64_t most = (uint64_t)1 << 62;
    const op ops[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND, .slot = 1, .id = s.bob},
        {.entry = HANDLE, .run = ANY_RUN, .what = DEPOSIT, .slot = 1, .gas = 700},
    };
    const mr_transaction sends[] = {scripted_message(&s, &program, most + 1, ops, 1),
                                    scripted_message(&s, &program, 3000, ops, 2)};
    (void)scripted_block(&s, sends, 2);
    assert_int_equal(s.block->transactions[0].admission, MR_ADMISSION_GAS_LIMIT);
    const mr_id letter = only_letter(&s).message;
    const mr_transaction reply = take_letter(MR_TRANSACTION_REPLY, &s.bob, &letter, most - 100);
    (void)scripted_block(&s, &reply, 1);
    /* 600 of the deposit are too much: they are refunded, as 290 of the letter and what is left. */
    expect_receipt(&s, 0, MR_KIND_REPLY, MR_OUTCOME_OK, most, 1000);
    expect_block(&s, 1, 10, 600 + 290 + most - 1000);
    scripted_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_created_program_is_initialised_and_may_be_sent_to),
        cmocka_unit_test(without_a_code_the_creator_gets_an_error_reply),
        cmocka_unit_test(a_program_whose_init_is_delayed_exists_uninitialised),
        cmocka_unit_test(a_program_is_seen_by_the_next_generation_not_by_its_own),
        cmocka_unit_test(an_exit_flushes_what_waits_and_ends_reservations),
        cmocka_unit_test(an_init_that_waited_and_fails_leaves_nothing_to_wait),
        cmocka_unit_test(tasks_are_numbered_in_the_order_of_what_a_dispatch_does),
        cmocka_unit_test(a_wake_that_comes_first_takes_the_end_of_waiting_away),
        cmocka_unit_test(what_a_reply_may_draw_counts_for_the_gas_of_the_block),
        cmocka_unit_test(refunds_and_letters_reach_accounts_at_the_end_of_the_block),
        cmocka_unit_test(no_message_has_more_than_2_to_the_62_gas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
