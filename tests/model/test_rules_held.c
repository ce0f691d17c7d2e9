/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=300
 * Goal: letters, delayed messages, reservations and deposits are what docs/SEMANTICS.md says.
 * Method: scripted programs (scripted.h) under prices with which the numbers can be added up by
 * hand: a dispatch that runs burns 1000 gas, a block of rent is 10, the mailbox threshold 300. What
 * is expected is written as these sums. What the reference did the engine must do, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/model/rules.h"

/* ---- Letters ---- */

static void a_message_to_a_user_is_a_letter_while_its_gas_pays_the_rent(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op ops[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND, .value = 9, .id = s.bob},
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND_GAS, .gas = 0, .value = 5, .id = s.bob},
    };
    mr_transaction send = scripted_message(&s, &program, 5000, ops, 2);
    send.value = 20;
    (void)scripted_block(&s, &send, 1);
    /* 300 are set aside for the first; the second leaves at once. */
    expect_block(&s, 1, 0, 5000 - 1000 - 300);
    const mr_reference_letter letter = only_letter(&s);
    assert_same_id(letter.user, s.bob);
    assert_same_id(letter.payer, s.alice);
    assert_int_equal(letter.gas, 300);
    assert_int_equal(letter.value, 9);
    assert_int_equal(letter.until, height(&s) + 30);
    assert_false(letter.has_origin);
    assert_int_equal(s.block->user_messages[0].until, height(&s) + 30);
    assert_int_equal(s.block->user_messages[1].until, 0);
    mr_value issued, burned;
    mr_reference_totals(s.r, &issued, &burned);
    assert_int_equal(issued, 15); /* 9 are in the letter, 6 with the program */

    scripted_until(&s, letter.until);
    expect_block(&s, 0, 300, 0); /* no gas, no origin: no automatic reply */
    assert_int_equal(s.block->info.tasks_count, 1);
    mr_reference_totals(s.r, &issued, &burned);
    assert_int_equal(issued, 6);
    assert_int_equal(letters_count(&s), 0);
    scripted_close(&s);
}

static void a_letter_that_ends_is_answered_with_what_is_left_of_its_gas(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op ops[] = {{.entry = HANDLE, .run = ANY_RUN, .what = SEND_GAS, .gas = 305, .id = s.bob}};
    (void)scripted_send(&s, &program, 5000, ops, 1);
    scripted_until(&s, only_letter(&s).until);
    /* 5 do not suffice to begin: they are burned. */
    expect_receipt(&s, 0, MR_KIND_REPLY, MR_OUTCOME_OUT_OF_GAS, 5, 5);
    assert_same_id(s.block->receipts[0].source, s.bob);
    expect_block(&s, 1, 300, 0);
    scripted_close(&s);
}

static void a_claim_answers_with_the_gas_of_the_letter_and_a_reply_refunds_it(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op ops[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND_GAS, .gas = 2000, .id = s.bob}};
    (void)scripted_send(&s, &program, 5000, ops, 1);
    const mr_id first = only_letter(&s).message;
    scripted_until(&s, height(&s) + 3);
    mr_transaction claim = take_letter(MR_TRANSACTION_CLAIM, &s.bob, &first, 0);
    claim.gas_limit = 1;
    (void)scripted_block(&s, &claim, 1);
    assert_int_equal(s.block->transactions[0].admission, MR_ADMISSION_MALFORMED);
    claim.gas_limit = 0;
    claim.from = s.alice;
    (void)scripted_block(&s, &claim, 1);
    assert_int_equal(s.block->transactions[0].admission, MR_ADMISSION_NO_MESSAGE);
    claim.from = s.bob;
    (void)scripted_block(&s, &claim, 1);
    assert_int_equal(s.block->transactions[0].admission, MR_ADMISSION_ACCEPTED);
    /* Six blocks of rent; 1000 burned; the rest goes back to alice, who paid. */
    expect_receipt(&s, 0, MR_KIND_REPLY, MR_OUTCOME_OK, 2000 - 60, 1000);
    expect_block(&s, 1, 60, 940);
    assert_int_equal(tasks_count(&s), 0);

    (void)scripted_send(&s, &program, 5000, ops, 1);
    const mr_id second = only_letter(&s).message;
    const mr_transaction reply = take_letter(MR_TRANSACTION_REPLY, &s.bob, &second, 1500);
    (void)scripted_block(&s, &reply, 1);
    expect_receipt(&s, 0, MR_KIND_REPLY, MR_OUTCOME_OK, 1500, 1000);
    assert_same_id(s.block->receipts[0].message, mr_id_of_reply(&second));
    expect_block(&s, 1, 10, 1990 + 500);
    scripted_close(&s);
}

static void an_answer_to_a_letter_of_a_waiting_message_belongs_to_it(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op ops[] = {
        {.entry = HANDLE, .run = 0, .what = SEND, .id = s.bob},
        {.entry = HANDLE, .run = 0, .what = WAIT_FOR, .n = 40},
    };
    const mr_id message = scripted_send(&s, &program, 5000, ops, 2);
    const uint32_t since = height(&s);
    assert_true(only_letter(&s).has_origin);
    assert_same_id(only_letter(&s).origin, message);
    assert_int_equal(only_waiting(&s).gas, 5000 - 1000 - 300);
    scripted_until(&s, only_letter(&s).until);
    /* No gas of its own, but an origin: it is sent, and draws 1000 of 3700 - 400. */
    expect_receipt(&s, 0, MR_KIND_REPLY, MR_OUTCOME_OK, 3300, 1000);
    assert_int_equal(only_waiting(&s).gas, 2700);
    assert_int_equal(only_waiting(&s).until, since + 40);

    /* What a user replies belongs to it, too: 1000 of bob's own, then 300 that are drawn. */
    scripted_until(&s, since + 40);
    const op burn[] = {{.entry = ON_REPLY, .run = ANY_RUN, .what = BURN, .n = 3}};
    const mr_id other = scripted_make(&s, burn, 1);
    (void)scripted_send(&s, &other, 5000, ops, 2);
    const mr_id letter = only_letter(&s).message;
    const mr_transaction reply = take_letter(MR_TRANSACTION_REPLY, &s.bob, &letter, 1000);
    (void)scripted_block(&s, &reply, 1);
    expect_receipt(&s, 0, MR_KIND_REPLY, MR_OUTCOME_OK, 1000 + 3700 - 400, 1300);
    assert_int_equal(only_waiting(&s).gas, 3400);
    scripted_close(&s);
}

static void a_reply_with_a_deposit_refunds_its_sponsor_first(void **state)
{
    (void)state;
    scripted s;
    const mr_balance genesis[] = {{mr_id_of_name("alice"), 1000000}, {mr_id_of_name("bob"), 10000}};
    scripted_open_with(&s, &(mr_reference_options){.schedule = scripted_prices(),
                                                   .accounts = true,
                                                   .genesis = genesis,
                                                   .genesis_count = 2});
    const mr_id program = scripted_make(&s, NULL, 0);
    const op ops[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND, .slot = 1, .id = s.bob},
        {.entry = HANDLE, .run = ANY_RUN, .what = DEPOSIT, .slot = 1, .gas = 700},
    };
    (void)scripted_send(&s, &program, 5000, ops, 2);
    const mr_reference_letter letter = only_letter(&s);
    assert_int_equal(letter.deposit, 700);
    assert_int_equal(s.block->gas_held, 300 + 700);
    const mr_value alice = mr_reference_balance(s.r, &s.alice);
    const mr_transaction reply = take_letter(MR_TRANSACTION_REPLY, &s.bob, &letter.message, 1200);
    (void)scripted_block(&s, &reply, 1);
    /* 1200 + 700, 1000 burned; of 900 left 700 are alice's, who also has back 290 of the letter. */
    expect_receipt(&s, 0, MR_KIND_REPLY, MR_OUTCOME_OK, 1900, 1000);
    expect_block(&s, 1, 10, 290 + 900);
    assert_int_equal(mr_reference_balance(s.r, &s.alice), alice + (290 + 700) * PRICE);
    assert_int_equal(mr_reference_balance(s.r, &s.bob), 10000 - 1200 * PRICE + 200 * PRICE);
    scripted_close(&s);
}

/* ---- Delays ---- */

static void a_delayed_message_pays_rent_at_once_and_is_sent_when_due(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id silent = scripted_make_silent(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op ops[] = {{.entry = HANDLE, .run = ANY_RUN, .what = SEND, .n = 4, .id = silent}};
    (void)scripted_send(&s, &program, 5000, ops, 1);
    /* The message shares: 5000 - 1000 - 40 of rent are its. */
    expect_block(&s, 1, 40, 0);
    assert_int_equal(s.block->receipts[0].sent, 2);
    const mr_reference_due due = only_task(&s);
    assert_int_equal(due.what, MR_REFERENCE_SEND);
    assert_int_equal(due.height, height(&s) + 4);
    assert_int_equal(due.gas, 3960);
    assert_int_equal(s.block->gas_held, 3960);
    scripted_until(&s, due.height);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OK, 3960, 1000);
    assert_same_id(s.block->receipts[0].message, due.object);
    assert_same_id(s.block->receipts[0].parent, (mr_id){0});

    const op short_of[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND, .n = 4, .slot = 3, .id = silent}};
    (void)scripted_send(&s, &program, 1000 + 300 + 39, short_of, 1);
    assert_int_equal(scripted_code(&s, &program, 3), 399);
    scripted_close(&s);
}

static void a_delayed_message_to_a_user_becomes_a_letter_of_the_agenda(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op ops[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND, .n = 2, .value = 3, .id = s.bob},
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND_GAS, .n = 2, .gas = 0, .id = s.bob},
    };
    mr_transaction send = scripted_message(&s, &program, 5000, ops, 2);
    send.value = 3;
    (void)scripted_block(&s, &send, 1);
    expect_block(&s, 1, 40, 5000 - 1000 - 300 - 40);
    scripted_until(&s, height(&s) + 2);
    assert_int_equal(s.block->info.agenda_messages_count, 2);
    assert_int_equal(s.block->info.tasks_count, 2);
    assert_int_equal(only_letter(&s).since, height(&s));
    assert_int_equal(only_letter(&s).until, height(&s) + 30);
    assert_int_equal(s.block->user_messages[0].until, height(&s) + 30);
    assert_int_equal(s.block->user_messages[1].until, 0);
    assert_int_equal(only_task(&s).what, MR_REFERENCE_END_OF_LETTER);
    scripted_close(&s);
}

/* ---- Reservations ---- */

static void a_reservation_holds_its_rent_and_refunds_its_amount_at_its_end(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op ops[] = {{.entry = HANDLE, .run = ANY_RUN, .what = RESERVE, .gas = 500, .n = 10}};
    const mr_id message = scripted_send(&s, &program, 5000, ops, 1);
    expect_block(&s, 1, 0, 5000 - 1000 - 600);
    assert_int_equal(s.block->gas_held, 600);
    mr_reservation reservation;
    assert_true(mr_reference_reservation(s.r, &program, 0, &reservation));
    assert_same_id(reservation.id, mr_id_of_reservation(&message, 0));
    assert_same_id(reservation.payer, s.alice);
    assert_int_equal(reservation.finish, height(&s) + 10);
    scripted_until(&s, reservation.finish);
    expect_block(&s, 0, 100, 500);
    assert_false(mr_reference_reservation(s.r, &program, 0, &reservation));
    scripted_close(&s);
}

static void a_message_from_a_reservation_has_its_amount_and_its_payer(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id silent = scripted_make_silent(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op reserve[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = RESERVE, .slot = 1, .gas = 1500, .n = 10}};
    (void)scripted_send(&s, &program, 5000, reserve, 1);
    scripted_until(&s, height(&s) + 3);
    const op use[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND_FROM, .slot = 1, .id = silent}};
    mr_transaction send = scripted_message(&s, &program, 1200, use, 1);
    send.from = s.bob;
    (void)scripted_block(&s, &send, 1);
    /* Four blocks of rent; six come back, and bob's 200; the message has 1500 and burns 1000; its
     * reply has 500, too little to begin. */
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OK, 1200, 1000);
    expect_receipt(&s, 1, MR_KIND_HANDLE, MR_OUTCOME_OK, 1500, 1000);
    expect_receipt(&s, 2, MR_KIND_REPLY, MR_OUTCOME_OUT_OF_GAS, 500, 500);
    expect_block(&s, 3, 40, 60 + 200);
    assert_int_equal(tasks_count(&s), 0);
    scripted_close(&s);
}

static void a_reservation_is_given_up_at_once_or_later(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op reserve = {
        .entry = HANDLE, .run = ANY_RUN, .what = RESERVE, .slot = 1, .gas = 500, .n = 10};
    const op give_up = {.entry = HANDLE, .run = ANY_RUN, .what = UNRESERVE, .slot = 1};
    const op both[] = {reserve, give_up};
    (void)scripted_send(&s, &program, 5000, both, 2);
    expect_block(&s, 1, 0, 4000);
    assert_int_equal(tasks_count(&s), 0);
    (void)scripted_send(&s, &program, 5000, &reserve, 1);
    expect_block(&s, 1, 0, 4000 - 600);
    scripted_until(&s, height(&s) + 3);
    (void)scripted_send(&s, &program, 5000, &give_up, 1);
    expect_block(&s, 1, 40, 4000 + 60 + 500);
    assert_int_equal(tasks_count(&s), 0);
    /* Used by the dispatch that made it: its rent comes back. */
    const op use[] = {reserve,
                      {.entry = HANDLE, .run = ANY_RUN, .what = SEND_FROM, .slot = 1, .id = s.bob}};
    (void)scripted_send(&s, &program, 5000, use, 2);
    expect_block(&s, 1, 0, 5000 - 1000 - 500);
    assert_int_equal(only_letter(&s).gas, 500);
    scripted_close(&s);
}

static void a_failure_undoes_what_was_done_to_reservations(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op reserve = {
        .entry = HANDLE, .run = ANY_RUN, .what = RESERVE, .slot = 1, .gas = 500, .n = 10};
    const op panic = {.entry = HANDLE, .run = ANY_RUN, .what = PANIC};
    (void)scripted_send(&s, &program, 5000, &reserve, 1);
    const op ops[] = {
        reserve, {.entry = HANDLE, .run = ANY_RUN, .what = UNRESERVE, .slot = 1}, panic};
    (void)scripted_send(&s, &program, 5000, ops, 3);
    expect_block(&s, 1, 0, 4000);
    assert_int_equal(scripted_program(&s, &program).reservations, 1);
    assert_int_equal(s.block->gas_held, 600);
    scripted_close(&s);
}

static void a_reply_from_a_reservation_carries_the_rest_of_the_same_payer_only(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    /* Reserves in its first run, replies from it in the second and third. */
    const op server_ops[] = {
        {.entry = HANDLE, .run = 0, .what = RESERVE, .slot = 1, .gas = 1500, .n = 100},
        {.entry = HANDLE, .run = 0, .what = RESERVE, .slot = 2, .gas = 1500, .n = 100},
        {.entry = HANDLE, .run = 1, .what = REPLY_FROM, .slot = 1},
        {.entry = HANDLE, .run = 2, .what = REPLY_FROM, .slot = 2},
    };
    const mr_id server = scripted_make(&s, server_ops, COUNT(server_ops));
    const mr_id client = scripted_make(&s, NULL, 0);
    (void)scripted_send(&s, &server, 20000, NULL, 0);
    const op ask[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND_GAS, .slot = 1, .gas = 1200, .id = server},
        {.entry = HANDLE, .run = ANY_RUN, .what = DEPOSIT, .slot = 1, .gas = 250},
    };
    (void)scripted_send(&s, &client, 5000, ask, 2);
    /* Alice's all: 1500 + 200 that are left of 1200 + the deposit. */
    expect_receipt(&s, 2, MR_KIND_REPLY, MR_OUTCOME_OK, 1500 + 200 + 250, 1000);
    mr_transaction send = scripted_message(&s, &client, 5000, ask, 2);
    send.from = s.bob;
    (void)scripted_block(&s, &send, 1);
    expect_receipt(&s, 2, MR_KIND_REPLY, MR_OUTCOME_OK, 1500 + 250, 1000);
    /* Back: bob's 5000 - 1000 - 1200 - 250, his 200, 2 of 100 blocks were rent, then 250 to bob and
     * 500 to alice. */
    expect_block(&s, 3, 20, 2550 + 200 + 980 + 750);
    scripted_close(&s);
}

static void a_program_has_so_many_reservations_and_no_more(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    op ops[7];
    for (uint8_t i = 0; i < 7; i++)
        ops[i] =
            (op){.entry = HANDLE, .run = ANY_RUN, .what = RESERVE, .slot = i, .gas = 300, .n = 1};
    ops[5].n = 0;
    ops[6].gas = 299;
    (void)scripted_send(&s, &program, 5000, ops, 7);
    assert_int_equal(scripted_program(&s, &program).reservations, 4);
    assert_int_equal(scripted_code(&s, &program, 3), 0);
    assert_int_equal(scripted_code(&s, &program, 4), 501);
    assert_int_equal(scripted_code(&s, &program, 5), 502);
    assert_int_equal(scripted_code(&s, &program, 6), 504);
    scripted_close(&s);
}

/* ---- Deposits ---- */

static void a_deposit_rides_on_the_reply_also_on_that_of_a_failure(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const op server_ops[] = {{.entry = HANDLE, .run = 1, .what = PANIC}};
    const mr_id server = scripted_make(&s, server_ops, 1);
    const mr_id client = scripted_make(&s, NULL, 0);
    const op ask[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND_GAS, .slot = 1, .gas = 1000, .id = server},
        {.entry = HANDLE, .run = ANY_RUN, .what = DEPOSIT, .slot = 1, .gas = 1400},
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND_GAS, .slot = 2, .gas = 0, .id = s.bob},
        {.entry = HANDLE, .run = ANY_RUN, .what = DEPOSIT, .slot = 2, .gas = 100},
    };
    for (int run = 0; run < 2; run++) {
        (void)scripted_send(&s, &client, 5000, ask, COUNT(ask));
        expect_receipt(&s, 1, MR_KIND_HANDLE, run == 0 ? MR_OUTCOME_OK : MR_OUTCOME_PANIC, 1000,
                       1000);
        expect_receipt(&s, 2, MR_KIND_REPLY, MR_OUTCOME_OK, 1400, 1000);
        /* 5000 - 1000 - 1000 - 1400; the 100 for the user's reply come back, too. */
        expect_block(&s, 3, 0, 1600 + 400);
    }
    scripted_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_to_a_user_is_a_letter_while_its_gas_pays_the_rent),
        cmocka_unit_test(a_letter_that_ends_is_answered_with_what_is_left_of_its_gas),
        cmocka_unit_test(a_claim_answers_with_the_gas_of_the_letter_and_a_reply_refunds_it),
        cmocka_unit_test(an_answer_to_a_letter_of_a_waiting_message_belongs_to_it),
        cmocka_unit_test(a_reply_with_a_deposit_refunds_its_sponsor_first),
        cmocka_unit_test(a_delayed_message_pays_rent_at_once_and_is_sent_when_due),
        cmocka_unit_test(a_delayed_message_to_a_user_becomes_a_letter_of_the_agenda),
        cmocka_unit_test(a_reservation_holds_its_rent_and_refunds_its_amount_at_its_end),
        cmocka_unit_test(a_message_from_a_reservation_has_its_amount_and_its_payer),
        cmocka_unit_test(a_reservation_is_given_up_at_once_or_later),
        cmocka_unit_test(a_failure_undoes_what_was_done_to_reservations),
        cmocka_unit_test(a_reply_from_a_reservation_carries_the_rest_of_the_same_payer_only),
        cmocka_unit_test(a_program_has_so_many_reservations_and_no_more),
        cmocka_unit_test(a_deposit_rides_on_the_reply_also_on_that_of_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
