/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a message with gas to a user is a letter: it holds its value, pays its rent, and is
 * answered, claimed or expires, once. Method: letters of all kinds, taken in every way and in the
 * wrong ones. */
#include "tests/engine/ledger.h"

/* A letter to bob with `value` and `gas`; its id. */
static mr_id letter(fixture *f, mr_value value, uint64_t gas)
{
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, value), script_text(&s, "dear bob"), 8, gas,
         0, OUT);
    f->value = value;
    (void)ledger_send(f, &world.a, &s, 20000);
    f->value = 0;
    return fixture_message(f, 0).id;
}

static mr_transaction taking(mr_transaction_kind kind, const char *who, const mr_id *message,
                             uint64_t gas)
{
    return (mr_transaction){
        .kind = kind, .from = mr_id_of_name(who), .to = *message, .gas_limit = gas};
}

static mr_admission take(fixture *f, mr_transaction_kind kind, const char *who,
                         const mr_id *message, uint64_t gas)
{
    const mr_transaction transaction = taking(kind, who, message, gas);
    fixture_run(f, &transaction, 1);
    return fixture_result(f, 0).admission;
}

LEDGER_TEST(a_letter_holds_its_value_until_it_is_answered)
{
    const mr_value alice = account(f, "alice"), bob = account(f, "bob");
    const mr_id id = letter(f, 7, 200);
    const mr_user_message message = fixture_message(f, 0);
    assert_int_equal(message.until, height_of(f) + 20);
    assert_value_equal(message.value, 7);
    assert_text(message.payload, "dear bob");
    assert_held(f, 200, 0, 1, 1);
    assert_value_equal(account(f, "bob"), bob);
    blocks(f, 2);
    assert_int_equal(take(f, MR_TRANSACTION_REPLY, "bob", &id, 3000), MR_ADMISSION_ACCEPTED);
    assert_ran(f, 0, &world.a, REPLY, OK, 3000, RUN);
    assert_held(f, 0, 0, 0, 0);
    assert_value_equal(account(f, "bob"), bob + 7 - RUN);
    assert_paid(f, alice, 7 + RUN + 3 * RENT);
    assert_int_equal(take(f, MR_TRANSACTION_REPLY, "bob", &id, 3000), MR_ADMISSION_NO_MESSAGE);
    assert_int_equal(take(f, MR_TRANSACTION_CLAIM, "bob", &id, 0), MR_ADMISSION_NO_MESSAGE);
}

/* Answered in the block in which it was written it has paid nothing; that cannot be: transactions
 * come first. In the next it has paid one block. */
LEDGER_TEST(a_claimed_letter_is_answered_with_what_is_left)
{
    const mr_value alice = account(f, "alice"), bob = account(f, "bob");
    const mr_id id = letter(f, 7, 1500);
    assert_int_equal(take(f, MR_TRANSACTION_CLAIM, "alice", &id, 0), MR_ADMISSION_NO_MESSAGE);
    assert_int_equal(take(f, MR_TRANSACTION_CLAIM, "bob", &world.a, 0), MR_ADMISSION_NO_MESSAGE);
    assert_held(f, 1500, 0, 1, 1);
    assert_int_equal(take(f, MR_TRANSACTION_CLAIM, "bob", &id, 0), MR_ADMISSION_ACCEPTED);
    assert_ran(f, 0, &world.a, REPLY, OK, 1500 - 3 * RENT, RUN);
    assert_int_equal(fixture_receipt(f, 0).source.bytes[0], world.bob.bytes[0]);
    assert_value_equal(account(f, "bob"), bob + 7);
    assert_paid(f, alice, 7 + 2 * RUN + 3 * RENT);
    assert_held(f, 0, 0, 0, 0);
    assert_int_equal(take(f, MR_TRANSACTION_CLAIM, "bob", &id, 0), MR_ADMISSION_NO_MESSAGE);
}

LEDGER_TEST(a_letter_that_expires_goes_to_its_reader_without_a_word)
{
    const mr_value alice = account(f, "alice"), bob = account(f, "bob");
    const mr_id id = letter(f, 7, 105);
    blocks(f, 9);
    assert_held(f, 105, 0, 1, 1);
    assert_int_equal(take(f, MR_TRANSACTION_REPLY, "bob", &id, 3000), MR_ADMISSION_NO_MESSAGE);
    /* The agenda comes first: 5 gas are left for the answer, which is too little to run. */
    assert_ran(f, 0, &world.a, REPLY, OUT_OF_GAS, 5, 5);
    assert_block(f, 1, 0);
    assert_held(f, 0, 0, 0, 0);
    assert_value_equal(account(f, "bob"), bob + 7);
    assert_paid(f, alice, 7 + RUN + 105);
    /* With nothing left there is no answer. */
    (void)letter(f, 0, 100);
    blocks(f, 10);
    assert_block(f, 0, 0);
    assert_int_equal(fixture_info(f).tasks_count, 1);
    assert_held(f, 0, 0, 0, 0);
}

LEDGER_TEST(an_answer_of_nothing_comes_when_somebody_waits_for_it)
{
    enum { RUNS = 0x2000 };
    script s = script_new();
    STEP(&s, "count", RUNS);
    STEP(&s, "unless", RUNS, 1, 2);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 0), 0, 0, 100, 0, OUT);
    STEP(&s, "gr_wait_for", 30);
    (void)ledger_send(f, &world.a, &s, 10000);
    const uint64_t gas = 10000 - RUN - 100;
    blocks(f, 10);
    assert_ran(f, 0, &world.a, REPLY, OK, gas - 300, RUN);
    assert_held(f, gas - RUN, 1, 0, 1);
}

/* Only what has gas for one block of rent is a letter. */
LEDGER_TEST(what_is_no_letter_leaves_at_once)
{
    const mr_value bob = account(f, "bob"), alice = account(f, "alice");
    const mr_id id = letter(f, 7, 0);
    assert_int_equal(fixture_message(f, 0).until, 0);
    assert_value_equal(account(f, "bob"), bob + 7);
    assert_held(f, 0, 0, 0, 0);
    assert_int_equal(take(f, MR_TRANSACTION_CLAIM, "bob", &id, 0), MR_ADMISSION_NO_MESSAGE);
    assert_paid(f, alice, 7 + RUN);
    /* A gasless message has the threshold. */
    script s = script_new();
    STEP(&s, "gr_send", script_to(&s, &world.bob, 0), 0, 0, 0, OUT);
    (void)ledger_send(f, &world.a, &s, 20000);
    assert_int_equal(fixture_message(f, 0).until, height_of(f) + FLOOR / RENT);
    assert_held(f, FLOOR, 0, 1, 1);
}

static mr_schedule dear_rent(void)
{
    mr_schedule schedule = ledger_schedule();
    schedule.rent = FLOOR + 1;
    return schedule;
}

LEDGER_TEST_WITH(where_a_block_costs_more_than_the_threshold_gasless_messages_leave, dear_rent())
{
    const mr_value alice = account(f, "alice");
    script s = script_new();
    STEP(&s, "gr_send", script_to(&s, &world.bob, 0), 0, 0, 0, OUT);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 0), 0, 0, FLOOR + 1, 0, OUT);
    (void)ledger_send(f, &world.a, &s, 20000);
    assert_int_equal(fixture_message(f, 0).until, 0);
    assert_int_equal(fixture_message(f, 1).until, height_of(f) + 1);
    assert_held(f, FLOOR + 1, 0, 1, 1);
    assert_paid(f, alice, RUN + FLOOR + 1);
}

static mr_schedule no_rent(void)
{
    mr_schedule schedule = ledger_schedule();
    schedule.rent = 0;
    return schedule;
}

LEDGER_TEST_WITH(where_nothing_costs_rent_letters_stay_for_ever, no_rent())
{
    const mr_id id = letter(f, 3, 1000);
    assert_int_equal(fixture_message(f, 0).until, UINT32_MAX);
    blocks(f, 3);
    assert_held(f, 1000, 0, 1, 1);
    assert_int_equal(take(f, MR_TRANSACTION_CLAIM, "bob", &id, 0), MR_ADMISSION_ACCEPTED);
    assert_ran(f, 0, &world.a, REPLY, OK, 1000, RUN);
    script s = script_new();
    STEP(&s, "gr_wait", 0);
    (void)ledger_send(f, &world.b, &s, RUN);
    assert_held(f, 0, 1, 0, 1);
    blocks(f, 2);
    assert_held(f, 0, 1, 0, 1);
}

/* Taken twice in one block, or by one transaction and its expiry: once. */
LEDGER_TEST(a_letter_is_taken_once_a_block)
{
    const mr_id id = letter(f, 7, 1500);
    const mr_value bob = account(f, "bob");
    const mr_transaction both[] = {taking(MR_TRANSACTION_CLAIM, "bob", &id, 0),
                                   taking(MR_TRANSACTION_REPLY, "bob", &id, 3000),
                                   taking(MR_TRANSACTION_CLAIM, "bob", &id, 0)};
    fixture_run(f, both, 3);
    assert_int_equal(fixture_result(f, 0).admission, MR_ADMISSION_ACCEPTED);
    assert_int_equal(fixture_result(f, 1).admission, MR_ADMISSION_NO_MESSAGE);
    assert_int_equal(fixture_result(f, 2).admission, MR_ADMISSION_NO_MESSAGE);
    assert_value_equal(account(f, "bob"), bob + 7);
    assert_block(f, 1, 0);
}

/* The writer is gone: its letters are answered all the same, and nobody is told. */
LEDGER_TEST(letters_outlive_their_writer)
{
    const mr_id first = letter(f, 7, 1500), second = letter(f, 0, 1500);
    script s = script_new();
    STEP(&s, "gr_exit", script_data(&s, &world.carol, 32));
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_held(f, 3000, 0, 2, 2);
    assert_int_equal(take(f, MR_TRANSACTION_CLAIM, "bob", &first, 0), MR_ADMISSION_ACCEPTED);
    assert_ran(f, 0, &world.a, REPLY, UNAVAILABLE, 1500 - 3 * RENT, 0);
    assert_value_equal(account(f, "bob"), WEALTH + 7);
    assert_int_equal(take(f, MR_TRANSACTION_REPLY, "bob", &second, 2000), MR_ADMISSION_ACCEPTED);
    assert_ran(f, 0, &world.a, REPLY, UNAVAILABLE, 2000, 0);
    assert_value_equal(account(f, "bob"), WEALTH + 7);
    assert_held(f, 0, 0, 0, 0);
}

/* Many letters, made and taken in one block. */
LEDGER_TEST(many_letters_are_kept_apart)
{
    enum { MANY = 30 };
    script s = script_new();
    for (unsigned i = 0; i < MANY; i++)
        STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, i), 0, 0, 200 + i, 0, OUT);
    f->value = MANY * MANY;
    (void)ledger_send(f, &world.a, &s, 50000);
    f->value = 0;
    mr_transaction claims[MANY];
    mr_id ids[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        ids[i] = fixture_message(f, i).id;
        claims[i] = taking(MR_TRANSACTION_CLAIM, "bob", &ids[i], 0);
    }
    fixture_run(f, claims, MANY / 2);
    fixture_accepted(f);
    assert_block(f, MANY / 2, 0);
    assert_int_equal(ledger_info(f).letters_count, MANY / 2);
    blocks(f, 21);
    assert_int_equal(ledger_info(f).letters_count, 0);
    assert_held(f, 0, 0, 0, 0);
    assert_value_equal(account(f, "bob"), WEALTH + MANY * (MANY - 1) / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_holds_its_value_until_it_is_answered),
        cmocka_unit_test(a_claimed_letter_is_answered_with_what_is_left),
        cmocka_unit_test(a_letter_that_expires_goes_to_its_reader_without_a_word),
        cmocka_unit_test(an_answer_of_nothing_comes_when_somebody_waits_for_it),
        cmocka_unit_test(what_is_no_letter_leaves_at_once),
        cmocka_unit_test(where_a_block_costs_more_than_the_threshold_gasless_messages_leave),
        cmocka_unit_test(where_nothing_costs_rent_letters_stay_for_ever),
        cmocka_unit_test(a_letter_is_taken_once_a_block),
        cmocka_unit_test(letters_outlive_their_writer),
        cmocka_unit_test(many_letters_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
