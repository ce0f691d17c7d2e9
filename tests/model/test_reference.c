/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=300
 * Goal: the reference does what docs/SEMANTICS.md says, rule by rule.
 * Method: scripted programs (scripted.h) under prices with which the numbers can be added up by
 * hand: a dispatch that runs burns 1000 gas, a block of rent is 10, the mailbox threshold 300. What
 * is expected is written as these sums. Conservation of gas and value is asserted by the reference
 * itself after every block; random histories give it something to assert on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "engine/id.h"
#include "tests/model/history.h"
#include "tests/model/random.h"
#include "tests/model/scripted.h"

/* ---- Short forms ---- */

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const op nothing[] = {{.entry = HANDLE, .run = ANY_RUN}};

#define assert_same_id(a, b)                                                                       \
    do {                                                                                           \
        const mr_id assert_a_ = (a), assert_b_ = (b);                                              \
        assert_memory_equal(&assert_a_, &assert_b_, sizeof(mr_id));                                \
    } while (0)

static void expect_receipt(const scripted *s, uint64_t i, mr_kind kind, mr_outcome outcome,
                           uint64_t gas_limit, uint64_t burned)
{
    assert_true(i < s->block->info.receipts_count);
    const mr_receipt *receipt = &s->block->receipts[i];
    assert_int_equal(receipt->kind, kind);
    assert_int_equal(receipt->outcome, outcome);
    assert_int_equal(receipt->gas_limit, gas_limit);
    assert_int_equal(receipt->gas_burned, burned);
}

static void expect_block(const scripted *s, uint64_t receipts, uint64_t rent, uint64_t refunded)
{
    assert_int_equal(s->block->info.receipts_count, receipts);
    assert_int_equal(s->block->info.gas_rent, rent);
    assert_int_equal(s->block->gas_refunded, refunded);
}

static void expect_reply(const scripted *s, uint64_t i, uint8_t first, uint8_t second,
                         uint8_t third)
{
    assert_true(i < s->block->info.user_messages_count);
    const mr_user_message *m = &s->block->user_messages[i];
    assert_true(m->is_reply);
    const uint8_t code[4] = {first, second, third, 0};
    assert_memory_equal(m->code, code, 4);
}

static mr_reference_wait only_waiting(const scripted *s)
{
    mr_reference_wait wait, other;
    assert_true(mr_reference_waiting(s->r, 0, &wait));
    assert_false(mr_reference_waiting(s->r, 1, &other));
    return wait;
}

static mr_reference_letter only_letter(const scripted *s)
{
    size_t count;
    const mr_reference_letter *letters = mr_reference_letters(s->r, &count);
    assert_int_equal(count, 1);
    return letters[0];
}

static size_t letters_count(const scripted *s)
{
    size_t count;
    (void)mr_reference_letters(s->r, &count);
    return count;
}

static size_t tasks_count(const scripted *s)
{
    mr_reference_due due;
    size_t count = 0;
    while (mr_reference_task(s->r, count, &due))
        count++;
    return count;
}

static mr_reference_due only_task(const scripted *s)
{
    mr_reference_due due;
    assert_true(mr_reference_task(s->r, 0, &due));
    assert_int_equal(tasks_count(s), 1);
    return due;
}

static uint32_t height(const scripted *s)
{
    return (uint32_t)mr_reference_height(s->r);
}

/* Id of the first transaction of the next block, when alice sends it. */
static mr_id next_id(const scripted *s)
{
    return mr_id_of_user_message(height(s) + 1, &s->alice, 0);
}

static mr_transaction take_letter(mr_transaction_kind kind, const mr_id *user,
                                  const mr_id *message, uint64_t gas)
{
    return (mr_transaction){.kind = kind, .from = *user, .to = *message, .gas_limit = gas};
}

/* ---- Waiting ---- */

static void a_message_that_waits_for_blocks_is_woken_at_its_wish(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const op ops[] = {{.entry = HANDLE, .run = 0, .what = WAIT_FOR, .n = 5}};
    const mr_id program = scripted_make(&s, ops, COUNT(ops));
    const mr_id message = scripted_send(&s, &program, 5000, NULL, 0);
    const uint32_t since = height(&s);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_WAITING, 5000, 1000);
    expect_block(&s, 1, 0, 0);
    assert_int_equal(s.block->gas_held, 4000);
    assert_int_equal(s.block->info.user_messages_count, 0);
    const mr_reference_wait wait = only_waiting(&s);
    assert_same_id(wait.message, message);
    assert_int_equal(wait.since, since);
    assert_int_equal(wait.wish, since + 5);
    assert_int_equal(wait.until, since + 5); /* 4000 / 10 would be longer */
    assert_int_equal(wait.gas, 4000);
    assert_int_equal(only_task(&s).height, since + 5);
    assert_int_equal(scripted_program(&s, &program).waiting, 1);

    scripted_until(&s, since + 4);
    assert_int_equal(s.block->info.receipts_count, 0);
    scripted_until(&s, since + 5);
    assert_int_equal(s.block->info.tasks_count, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OK, 4000 - 5 * 10, 1000);
    expect_block(&s, 1, 50, 2950);
    expect_reply(&s, 0, 0, 0, 0);
    assert_int_equal(tasks_count(&s), 0);
    assert_int_equal(s.block->gas_held, 0);
    scripted_close(&s);
}

static void a_message_whose_gas_runs_out_while_it_waits_is_removed(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const op ops[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAIT}};
    const mr_id program = scripted_make(&s, ops, COUNT(ops));
    (void)scripted_send(&s, &program, 1035, NULL, 0);
    const mr_reference_wait wait = only_waiting(&s);
    assert_int_equal(wait.wish, UINT32_MAX);
    assert_int_equal(wait.gas, 35);
    assert_int_equal(wait.until, wait.since + 3);
    scripted_until(&s, wait.until);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_REMOVED, 5, 0);
    expect_block(&s, 1, 30, 5);
    expect_reply(&s, 0, 1, 3, 0);
    assert_int_equal(s.block->info.failures_count, 1);
    scripted_close(&s);
}

static void waiting_is_out_of_gas_when_its_rent_is_not_covered(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op wait_for[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAIT_FOR, .n = 5}};
    const op up_to[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAIT_UP_TO, .n = 5}};
    const op wait[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAIT}};
    (void)scripted_send(&s, &program, 1049, wait_for, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OUT_OF_GAS, 1049, 1049);
    expect_reply(&s, 0, 1, 0, 0);
    (void)scripted_send(&s, &program, 1009, up_to, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OUT_OF_GAS, 1009, 1009);
    (void)scripted_send(&s, &program, 1009, wait, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OUT_OF_GAS, 1009, 1009);
    (void)scripted_send(&s, &program, 1049, up_to, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_WAITING, 1049, 1000);
    const mr_reference_wait waiting = only_waiting(&s);
    assert_int_equal(waiting.gas, 49);
    assert_int_equal(waiting.wish, waiting.since + 5);
    assert_int_equal(waiting.until, waiting.since + 4);
    scripted_close(&s);
}

static void a_message_that_waits_cannot_have_replied_nor_wait_for_nothing(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op replied[] = {{.entry = HANDLE, .run = ANY_RUN, .what = REPLY},
                          {.entry = HANDLE, .run = ANY_RUN, .what = WAIT}};
    (void)scripted_send(&s, &program, 5000, replied, 2);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_TRAP, 5000, 1000);
    expect_reply(&s, 0, 1, 0, 2);
    const op nought[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAIT_FOR, .n = 0}};
    (void)scripted_send(&s, &program, 5000, nought, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_TRAP, 5000, 1000);
    scripted_close(&s);
}

static void a_message_that_waits_keeps_a_64th_and_replies_bring_gas_home(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id silent = scripted_make_silent(&s);
    const op ops[] = {
        {.entry = HANDLE, .run = 0, .what = SEND, .slot = 0, .id = silent},
        {.entry = HANDLE, .run = 0, .what = SEND, .slot = 1, .id = silent},
        {.entry = HANDLE, .run = 0, .what = SEND, .slot = 2, .id = silent},
        {.entry = HANDLE, .run = 0, .what = WAIT_FOR, .n = 2},
    };
    const mr_id program = scripted_make(&s, ops, COUNT(ops));
    const mr_id message = scripted_send(&s, &program, 10000, NULL, 0);
    /* 10000 - 1000 burned - 3 * 300 set aside - 20 reserve = 8080; a 64th is 126; 7954 + 900 are
     * three times 2951 and 1. */
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_WAITING, 10000, 1000);
    assert_int_equal(s.block->receipts[0].sent, 3);
    expect_receipt(&s, 1, MR_KIND_HANDLE, MR_OUTCOME_OK, 2951, 1000);
    expect_receipt(&s, 3, MR_KIND_HANDLE, MR_OUTCOME_OK, 2951, 1000);
    assert_same_id(s.block->receipts[1].parent, message);
    /* It waits with 20 + 126 + 1 = 147. Replies have 1951, and may draw 147 - 20, and what came
     * home before them. */
    expect_receipt(&s, 4, MR_KIND_REPLY, MR_OUTCOME_OK, 1951 + 127, 1000);
    expect_receipt(&s, 5, MR_KIND_REPLY, MR_OUTCOME_OK, 1951 + 127 + 951, 1000);
    expect_receipt(&s, 6, MR_KIND_REPLY, MR_OUTCOME_OK, 1951 + 127 + 2 * 951, 1000);
    expect_block(&s, 7, 0, 0);
    assert_int_equal(s.block->info.replies_count, 3);
    const mr_reference_wait wait = only_waiting(&s);
    assert_int_equal(wait.gas, 147 + 3 * 951);
    assert_int_equal(wait.until, wait.since + 2);
    scripted_close(&s);
}

static void a_reply_without_gas_draws_on_the_message_it_belongs_to(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id silent = scripted_make_silent(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op timed[] = {
        {.entry = HANDLE, .run = 0, .what = SEND_GAS, .gas = 1000, .id = silent},
        {.entry = HANDLE, .run = 0, .what = WAIT_FOR, .n = 2},
    };
    (void)scripted_send(&s, &program, 10000, timed, 2);
    /* 10000 - 1000 - 1000 wait; until = wish: all but two blocks may be drawn. */
    expect_receipt(&s, 2, MR_KIND_REPLY, MR_OUTCOME_OK, 8000 - 20, 1000);
    assert_int_equal(only_waiting(&s).gas, 7000);
    assert_int_equal(only_waiting(&s).until, height(&s) + 2);
    scripted_until(&s, height(&s) + 2);

    const op untimed[] = {
        {.entry = HANDLE, .run = 2, .what = SEND_GAS, .gas = 1000, .id = silent},
        {.entry = HANDLE, .run = 2, .what = WAIT},
    };
    (void)scripted_send(&s, &program, 10000, untimed, 2);
    /* No wish: all but the block to the next one. */
    expect_receipt(&s, 2, MR_KIND_REPLY, MR_OUTCOME_OK, 8000 - 10, 1000);
    assert_int_equal(only_waiting(&s).gas, 7000);
    assert_int_equal(only_waiting(&s).until, height(&s) + 700);
    const mr_reference_due moved = only_task(&s);
    assert_int_equal(moved.height, height(&s) + 700);
    scripted_close(&s);
}

static void a_reply_wakes_its_message_and_may_draw_all_of_one_that_was_woken(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id silent = scripted_make_silent(&s);
    /* The message is sent two blocks after this, its program made in the next one. */
    const mr_id message = mr_id_of_user_message(height(&s) + 2, &s.alice, 0);
    const op ops[] = {
        {.entry = HANDLE, .run = 0, .what = SEND_GAS, .slot = 0, .gas = 1000, .id = silent},
        {.entry = HANDLE, .run = 0, .what = SEND_GAS, .slot = 1, .gas = 1000, .id = silent},
        {.entry = HANDLE, .run = 0, .what = WAIT},
        {.entry = ON_REPLY, .run = 0, .what = WAKE, .slot = 2, .id = message},
    };
    const mr_id program = scripted_make(&s, ops, COUNT(ops));
    assert_same_id(scripted_send(&s, &program, 10000, NULL, 0), message);
    /* Waits with 7000. The first reply draws 1000 and wakes it: it is behind the second reply,
     * which may draw all 6000 of it and takes 1000. It goes on with 5000. */
    expect_receipt(&s, 3, MR_KIND_REPLY, MR_OUTCOME_OK, 7000 - 10, 1000);
    expect_receipt(&s, 4, MR_KIND_REPLY, MR_OUTCOME_OK, 6000, 1000);
    expect_receipt(&s, 5, MR_KIND_HANDLE, MR_OUTCOME_OK, 5000, 1000);
    assert_same_id(s.block->receipts[5].message, message);
    assert_same_id(s.block->receipts[5].parent, s.block->receipts[3].message);
    expect_block(&s, 6, 0, 4000);
    assert_int_equal(tasks_count(&s), 0);
    scripted_close(&s);
}

static void handles_go_on_counting_and_value_is_brought_once(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id silent = scripted_make_silent(&s);
    const op ops[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND_GAS, .slot = 0, .gas = 1000, .id = silent},
        {.entry = HANDLE, .run = 0, .what = WAIT_FOR, .n = 1},
        {.entry = HANDLE, .run = 1, .what = PANIC},
    };
    const mr_id program = scripted_make(&s, ops, COUNT(ops));
    mr_transaction send = scripted_message(&s, &program, 20000, NULL, 0);
    send.value = 7;
    (void)scripted_block(&s, &send, 1);
    const mr_id message = s.block->transactions[0].id;
    assert_int_equal(scripted_program(&s, &program).balance, 7);
    assert_same_id(s.block->receipts[1].message, mr_id_of_outgoing(&message, 0));
    scripted_until(&s, height(&s) + 1);
    /* It waited with 18000, of which the reply drew 1000. The failure sends nothing of what its run
     * sent, and the value stays. */
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_PANIC, 17000 - 10, 1000);
    expect_reply(&s, 0, 1, 0, 3);
    assert_int_equal(s.block->user_messages[0].value, 0);
    assert_int_equal(scripted_program(&s, &program).balance, 7);

    const op again[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND_GAS, .slot = 0, .gas = 1000, .id = silent},
        {.entry = HANDLE, .height = (uint8_t)(height(&s) + 1), .run = ANY_RUN, .what = WAIT_FOR, .n = 1},
    };
    const mr_id second = scripted_send(&s, &program, 20000, again, 2);
    scripted_until(&s, height(&s) + 1);
    assert_same_id(s.block->receipts[1].message, mr_id_of_outgoing(&second, 1));
    scripted_close(&s);
}

static void only_messages_of_the_same_program_are_woken_and_late_wakes_are_tasks(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const op wait[] = {{.entry = HANDLE, .run = 0, .what = WAIT}};
    const mr_id program = scripted_make(&s, wait, 1);
    const mr_id other = scripted_make(&s, NULL, 0);
    const mr_id message = scripted_send(&s, &program, 3000, NULL, 0);
    const uint32_t since = height(&s);
    const op wake[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAKE, .id = message}};
    (void)scripted_send(&s, &other, 3000, wake, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OK, 3000, 1000);
    assert_int_equal(only_waiting(&s).gas, 2000);

    const op late[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAKE, .n = 4, .id = message}};
    (void)scripted_send(&s, &program, 3000, late, 1);
    expect_block(&s, 1, 4 * 10, 2000 - 40);
    assert_int_equal(tasks_count(&s), 2);
    const uint32_t due = height(&s) + 4;
    scripted_until(&s, due);
    assert_int_equal(s.block->info.tasks_count, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OK, 2000 - 10 * (due - since), 1000);
    assert_int_equal(tasks_count(&s), 0);

    const op short_of[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAKE, .n = 4, .slot = 3}};
    (void)scripted_send(&s, &program, 1039, short_of, 1);
    assert_int_equal(scripted_code(&s, &program, 3), 100);
    scripted_close(&s);
}

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
    const op ops[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND_GAS, .gas = 305, .id = s.bob}};
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
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND, .id = s.bob},
        {.entry = HANDLE, .run = ANY_RUN, .what = WAIT_FOR, .n = 40},
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
        ops[i] = (op){.entry = HANDLE, .run = ANY_RUN, .what = RESERVE, .slot = i, .gas = 300, .n = 1};
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

/* ---- Signals ---- */

static void a_message_that_fails_after_it_waited_signals_on_its_system_reservation(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const op ops[] = {
        {.entry = HANDLE, .run = 0, .what = SYSTEM, .gas = 2000},
        {.entry = HANDLE, .run = 0, .what = WAIT_FOR, .n = 1},
        {.entry = HANDLE, .run = 1, .what = UNREACHABLE},
    };
    const mr_id program = scripted_make(&s, ops, COUNT(ops));
    const mr_id message = scripted_send(&s, &program, 5000, NULL, 0);
    assert_int_equal(only_waiting(&s).gas, 2000);
    assert_int_equal(only_waiting(&s).system_gas, 2000);
    assert_int_equal(s.block->gas_held, 4000);
    scripted_until(&s, height(&s) + 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_TRAP, 1990, 1000);
    assert_int_equal(s.block->receipts[0].sent, 2);
    expect_receipt(&s, 1, MR_KIND_SIGNAL, MR_OUTCOME_OK, 2000, 1000);
    assert_same_id(s.block->receipts[1].message, mr_id_of_signal(&message));
    assert_same_id(s.block->receipts[1].source, mr_id_system);
    assert_same_id(s.block->receipts[1].program, program);
    expect_block(&s, 2, 10, 990 + 1000);
    scripted_close(&s);
}

static void a_removed_message_signals_too_and_a_success_gives_the_reservation_back(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op ops[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SYSTEM, .gas = 1700},
        {.entry = HANDLE, .run = ANY_RUN, .what = WAIT},
    };
    (void)scripted_send(&s, &program, 1000 + 1700 + 25, ops, 2);
    scripted_until(&s, height(&s) + 2);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_REMOVED, 5, 0);
    expect_receipt(&s, 1, MR_KIND_SIGNAL, MR_OUTCOME_OK, 1700, 1000);
    expect_block(&s, 2, 20, 5 + 700);

    (void)scripted_send(&s, &program, 5000, ops, 1);
    expect_block(&s, 1, 0, 4000);
    const op once[] = {
        ops[0],
        {.entry = HANDLE, .height = (uint8_t)(height(&s) + 1), .run = ANY_RUN, .what = WAIT_FOR, .n = 1},
    };
    (void)scripted_send(&s, &program, 9000, once, 2);
    scripted_until(&s, height(&s) + 1);
    /* 6300 - 10 wait; the second run reserves once more, and all of it is left. */
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OK, 6290, 1000);
    expect_block(&s, 1, 10, 5290 + 1700);
    scripted_close(&s);
}

static void a_woken_message_with_too_little_gas_to_begin_signals(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op ops[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SYSTEM, .gas = 1700},
        {.entry = HANDLE, .run = ANY_RUN, .what = WAIT_FOR, .n = 1},
    };
    (void)scripted_send(&s, &program, 1000 + 1700 + 25, ops, 2);
    scripted_until(&s, height(&s) + 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OUT_OF_GAS, 15, 15);
    expect_receipt(&s, 1, MR_KIND_SIGNAL, MR_OUTCOME_OK, 1700, 1000);
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

/* ---- Programs made by programs ---- */

static op creation(const scripted *s, uint32_t delay)
{
    return (op){.entry = HANDLE, .run = ANY_RUN, .what = CREATE, .slot = 1, .n = delay, .id = s->code};
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
    (void)scripted_send(&s, &child, 2000, nothing, 1);
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
    static const mr_reference_what order[] = {
        MR_REFERENCE_END_OF_LETTER, MR_REFERENCE_SEND, MR_REFERENCE_END_OF_RESERVATION,
        MR_REFERENCE_WAKE, MR_REFERENCE_END_OF_WAITING};
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
    const op wait[] = {
        {.entry = HANDLE, .height = (uint8_t)(height(&s) + 2), .run = ANY_RUN, .what = WAIT_FOR, .n = 2}};
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

/* ---- Whatever programs do ---- */

static void random_histories_neither_make_nor_lose_gas_or_value(void **state)
{
    (void)state;
    enum { CASES = 40 };
    for (uint64_t i = 0; i < CASES; i++) {
        mr_history *history = mr_history_new(mr_random_part(1, i), &(mr_history_wishes){0});
        assert_true(history->blocks_count > 0);
        mr_history_free(history);
    }
}

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
        if (receipt->outcome == MR_OUTCOME_WAITING)
            w->waited[w->waited_count++ % COUNT(w->waited)] = receipt->message;
        if (w->waited_count > COUNT(w->waited))
            w->waited_count = COUNT(w->waited);
    }
    seen.left += block->info.queue_count;
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
    const uint64_t seed = mr_play_seed(), cases = mr_play_number("MR_CASES", 100);
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
    assert_true(seen.claims > 0 && seen.replies > 0 && seen.left > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_that_waits_for_blocks_is_woken_at_its_wish),
        cmocka_unit_test(a_message_whose_gas_runs_out_while_it_waits_is_removed),
        cmocka_unit_test(waiting_is_out_of_gas_when_its_rent_is_not_covered),
        cmocka_unit_test(a_message_that_waits_cannot_have_replied_nor_wait_for_nothing),
        cmocka_unit_test(a_message_that_waits_keeps_a_64th_and_replies_bring_gas_home),
        cmocka_unit_test(a_reply_without_gas_draws_on_the_message_it_belongs_to),
        cmocka_unit_test(a_reply_wakes_its_message_and_may_draw_all_of_one_that_was_woken),
        cmocka_unit_test(handles_go_on_counting_and_value_is_brought_once),
        cmocka_unit_test(only_messages_of_the_same_program_are_woken_and_late_wakes_are_tasks),
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
        cmocka_unit_test(a_message_that_fails_after_it_waited_signals_on_its_system_reservation),
        cmocka_unit_test(a_removed_message_signals_too_and_a_success_gives_the_reservation_back),
        cmocka_unit_test(a_woken_message_with_too_little_gas_to_begin_signals),
        cmocka_unit_test(a_deposit_rides_on_the_reply_also_on_that_of_a_failure),
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
        cmocka_unit_test(random_histories_neither_make_nor_lose_gas_or_value),
        cmocka_unit_test(random_scripts_neither_make_nor_lose_gas_or_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
