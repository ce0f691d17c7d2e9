/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: messages with a delay pay its rent at once, are held, and leave in their block, to whatever
 * is then at their destination.
 * Method: actors that send later, and blocks counted one by one. */
#include "tests/engine/ledger.h"

LEDGER_TEST(each_way_of_sending_may_be_delayed)
{
    const mr_value before = account(f, "alice");
    script s = script_new();
    const uint32_t to = script_to(&s, &world.quiet, 3);
    STEP(&s, "gr_send_init", OUT);
    STEP(&s, "gr_send_push", 0, 0, 5, OUT + 8);
    STEP(&s, "gr_send_init", OUT + 8);
    STEP(&s, "gr_reserve_gas", 700, 9, to + 48);
    (void)script_data(&s, (const uint8_t[4]){0}, 4); /* its answer: code and id */
    (void)script_data(&s, &world.bob, 32);
    (void)script_to(&s, &world.quiet, 3);
    STEP(&s, "gr_send_wgas", to, 0, 3, 500, 3, OUT + 0x100);
    STEP(&s, "gr_send_commit_wgas", 0, to, 600, 3, OUT + 0x130);
    STEP(&s, "gr_send_input_wgas", to, 0, 4, 550, 2, OUT + 0x160);
    STEP(&s, "gr_reservation_send", to + 52, 0, 1, 3, OUT + 0x190);
    STEP(&s, "gr_send", to, 0, 0, 3, OUT + 0x1c0);
    f->value = 50;
    (void)ledger_send(f, &world.a, &s, 10000);
    f->value = 0;
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(fixture_u32(f, &world.a, OUT + 0x100 + 0x30 * i), 0);
    const uint64_t rent = (3 + 3 + 2 + 3 + 3) * RENT;
    const uint64_t share = 10000 - RUN - 500 - 600 - 550 - 700 - rent - 9 * RENT;
    assert_ran(f, 0, &world.a, HANDLE, OK, 10000, RUN);
    assert_block(f, 1, 1);
    assert_int_equal(fixture_receipt(f, 0).sent, 6);
    assert_int_equal(fixture_info(f).gas_rent, rent);
    assert_held(f, 500 + 600 + 550 + 700 + share, 0, 0, 5);
    assert_value_equal(fixture_program_info(f, &world.a).balance, 50 - 15);
    blocks(f, 1);
    assert_block(f, 0, 0);
    blocks(f, 1);
    assert_ran(f, 0, &world.quiet, HANDLE, OK, 550, 0);
    assert_id_equal(fixture_receipt(f, 0).message, fixture_id(f, &world.a, OUT + 0x164));
    assert_id_equal(fixture_receipt(f, 0).source, world.a);
    assert_ran(f, 1, &world.a, REPLY, OUT_OF_GAS, 550, 550);
    blocks(f, 1);
    const uint64_t limits[] = {500, 600, 700, share};
    static const uint32_t places[] = {0x100, 0x130, 0x190, 0x1c0};
    for (unsigned i = 0; i < 4; i++) {
        assert_ran(f, i, &world.quiet, HANDLE, OK, limits[i], 0);
        assert_id_equal(fixture_receipt(f, i).message,
                        fixture_id(f, &world.a, OUT + places[i] + 4));
    }
    assert_held(f, 0, 0, 0, 0);
    assert_value_equal(fixture_program_info(f, &world.quiet).balance, 15);
    assert_paid(f, before, 50 + RUN + rent + 550 + 500 + 600 + 700 + RUN);
}

LEDGER_TEST(delays_that_cannot_be_paid_are_refused_in_their_place)
{
    script s = script_new();
    const uint32_t to = script_to(&s, &world.quiet, 0), dear = script_to(&s, &world.quiet, 1);
    STEP(&s, "gr_send_wgas", to, 0, 0, 9001, 1, OUT);            /* 100 399 */
    STEP(&s, "gr_send_wgas", dear, 0, 0, 500, 9000, OUT + 48);   /* 101 399 */
    STEP(&s, "gr_send_commit_wgas", 7, to, 500, 851, OUT + 96);  /* 399 305 */
    STEP(&s, "gr_send_commit_wgas", 7, to, 500, 850, OUT + 144); /* 305 */
    STEP(&s, "gr_send", to, 0, 0, 891, OUT + 192);
    STEP(&s, "gr_send_input", to, 0, 1, 891, OUT + 240);
    STEP(&s, "gr_create_program", dear, 0, 0, 0, 0, 9000, OUT + 288); /* 101 399 */
    STEP(&s, "gr_create_program", to, 0, 0, 0, 0, 891, OUT + 388);
    STEP(&s, "gr_create_program_wgas", to, 0, 0, 0, 0, 9001, 0, OUT + 488);
    STEP(&s, "gr_create_program_wgas", to, 0, 0, 0, 0, 9000, 1, OUT + 588);
    STEP(&s, "gr_send", to, 0, 0, UINT32_MAX, OUT + 688);
    (void)ledger_send(f, &world.a, &s, 10000);
    static const struct {
        uint32_t at, code;
    } codes[] = {{0, 100},   {48, 101},  {96, 399},  {144, 305}, {192, 399}, {240, 399},
                 {288, 101}, {388, 399}, {488, 100}, {588, 399}, {688, 399}};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (fixture_u32(f, &world.a, OUT + codes[i].at) != codes[i].code)
            fail_msg("call %zu: %u", i, fixture_u32(f, &world.a, OUT + codes[i].at));
    }
    assert_ran(f, 0, &world.a, HANDLE, OK, 10000, RUN);
    assert_held(f, 0, 0, 0, 0);
}

LEDGER_TEST(a_delayed_message_to_a_user_becomes_a_letter_in_its_block)
{
    const mr_value before = account(f, "alice");
    script s = script_new();
    const uint32_t to = script_to(&s, &world.bob, 8);
    STEP(&s, "gr_send_wgas", to, script_text(&s, "later"), 5, 400, 2, OUT);
    STEP(&s, "gr_send_wgas", to, 0, 0, 0, 2, OUT + 48); /* no letter */
    STEP(&s, "gr_send", to, 0, 0, 2, OUT + 96);         /* the threshold is its gas */
    f->value = 30;
    (void)ledger_send(f, &world.a, &s, 10000);
    f->value = 0;
    assert_block(f, 1, 1);
    assert_held(f, 400 + FLOOR, 0, 0, 3);
    assert_paid(f, before, 30 + RUN + 60 + 500);
    assert_value_equal(account(f, "bob"), WEALTH);
    blocks(f, 2);
    assert_block(f, 0, 3);
    assert_int_equal(fixture_info(f).agenda_messages_count, 3);
    const mr_user_message first = fixture_message(f, 0);
    assert_id_equal(first.id, fixture_id(f, &world.a, OUT + 4));
    assert_id_equal(first.from, world.a);
    assert_id_equal(first.to, world.bob);
    assert_text(first.payload, "later");
    assert_false(first.is_reply);
    assert_int_equal(first.until, height_of(f) + 40);
    assert_int_equal(fixture_message(f, 1).until, 0);
    assert_int_equal(fixture_message(f, 2).until, height_of(f) + 10);
    assert_held(f, 500, 0, 2, 2);
    assert_value_equal(account(f, "bob"), WEALTH + 8);
    blocks(f, 10); /* the short one expires: its value is bob's, its answer the program's */
    assert_value_equal(account(f, "bob"), WEALTH + 16);
    assert_held(f, 400, 0, 1, 1);
}

LEDGER_TEST(what_is_at_the_destination_is_looked_at_when_the_message_is_due)
{
    /* A user when it was sent, a program when it arrives: it has what was set aside. */
    const mr_id later = mr_id_of_program(&world.code, mr_span_text("later"));
    script s = script_new();
    STEP(&s, "gr_send", script_to(&s, &later, 0), 0, 0, 2, OUT);
    /* A program when it was sent, and gone when it arrives. */
    STEP(&s, "gr_send_wgas", script_to(&s, &world.c, 5), 0, 0, 3000, 2, OUT + 48);
    f->value = 5;
    (void)ledger_send(f, &world.a, &s, 20000);
    f->value = 0;
    assert_held(f, 3000 + FLOOR, 0, 0, 2);
    script exit = script_new();
    STEP(&exit, "gr_exit", script_data(&exit, &world.bob, 32));
    f->gas = 10000;
    const mr_transaction transactions[] = {{.kind = MR_TRANSACTION_CREATE,
                                            .from = f->from,
                                            .to = world.code,
                                            .salt = mr_span_text("later"),
                                            .gas_limit = 5000},
                                           fixture_send_of(f, &world.c, script_span(&exit))};
    fixture_run(f, transactions, 2);
    fixture_accepted(f);
    blocks(f, 1);
    assert_ran(f, 0, &later, HANDLE, OUT_OF_GAS, FLOOR, FLOOR);
    assert_ran(f, 1, &world.c, HANDLE, UNAVAILABLE, 3000, 0);
    assert_ran(f, 2, &world.a, REPLY, OUT_OF_GAS, 0, 0);
    assert_ran(f, 3, &world.a, REPLY, OK, 3000, RUN);
    assert_value_equal(fixture_program_info(f, &world.a).balance, 5);
    assert_held(f, 0, 0, 0, 0);
}

LEDGER_TEST(a_program_whose_init_is_delayed_exists_uninitialized)
{
    script s = script_new(), init = script_new();
    STEP(&init, "store", OUT, 77);
    STEP(&s, "gr_create_program_wgas", script_to(&s, &world.code, 4), 0, 0,
         script_script(&s, &init), script_span(&init).size, 3000, 3, OUT);
    f->value = 4;
    (void)ledger_send(f, &world.a, &s, 20000);
    f->value = 0;
    assert_int_equal(fixture_u32(f, &world.a, OUT), 0);
    const mr_id made = fixture_id(f, &world.a, OUT + 36);
    assert_block(f, 1, 1);
    assert_int_equal(fixture_program_info(f, &made).status, MR_PROGRAM_UNINITIALIZED);
    assert_value_equal(fixture_program_info(f, &made).balance, 0);
    assert_held(f, 3000, 0, 0, 1);
    f->gas = 5000;
    (void)fixture_send(f, &made, (mr_span){0});
    assert_ran(f, 0, &made, HANDLE, UNAVAILABLE, 5000, 0);
    assert_code(fixture_message(f, 0), 1, 2, 2);
    blocks(f, 2);
    assert_ran(f, 0, &made, INIT, OK, 3000, RUN);
    assert_id_equal(fixture_receipt(f, 0).message, fixture_id(f, &world.a, OUT + 4));
    assert_ran(f, 1, &world.a, REPLY, OK, 2000, RUN);
    assert_int_equal(fixture_u64(f, &made, OUT), 77);
    assert_value_equal(fixture_program_info(f, &made).balance, 4);
    assert_held(f, 0, 0, 0, 0);
}

/* So long a delay that no block has its height: it stays where it is. */
LEDGER_TEST(a_delay_beyond_all_heights_never_ends)
{
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &world.quiet, 0), 0, 0, 500, UINT32_MAX, OUT);
    (void)ledger_send(f, &world.a, &s, (uint64_t)RENT * UINT32_MAX + 10000);
    assert_int_equal(fixture_u32(f, &world.a, OUT), 0);
    assert_int_equal(fixture_info(f).gas_rent, (uint64_t)RENT * UINT32_MAX);
    assert_held(f, 500, 0, 0, 1);
    blocks(f, 2);
    assert_held(f, 500, 0, 0, 1);
}

LEDGER_TEST(a_failed_dispatch_sends_nothing_later)
{
    const mr_value before = account(f, "alice");
    script s = script_new();
    STEP(&s, "gr_send", script_to(&s, &world.quiet, 1), 0, 0, 1, OUT);
    STEP(&s, "gr_create_program", script_to(&s, &world.code, 1), 0, 0, 0, 0, 1, OUT);
    STEP(&s, "gr_panic", 0, 0);
    f->value = 10;
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_held(f, 0, 0, 0, 0);
    assert_paid(f, before, RUN);
    blocks(f, 2);
    assert_block(f, 0, 0);
}

/* What a dispatch that waits sends later is still an answer to it. */
LEDGER_TEST(the_answer_to_a_delayed_message_belongs_to_what_waits)
{
    enum { RUNS = 0x2000 };
    script s = script_new();
    STEP(&s, "count", RUNS);
    STEP(&s, "unless", RUNS, 1, 2);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.quiet, 0), 0, 0, 300, 2, OUT);
    STEP(&s, "gr_wait_for", 10);
    (void)ledger_send(f, &world.a, &s, 10000);
    uint64_t gas = 10000 - RUN - 300 - 20;
    assert_held(f, gas + 300, 1, 0, 2);
    blocks(f, 2);
    assert_ran(f, 0, &world.quiet, HANDLE, OK, 300, 0);
    assert_ran(f, 1, &world.a, REPLY, OK, 300 + gas - 100, RUN);
    gas -= RUN - 300;
    assert_held(f, gas, 1, 0, 1);
    blocks(f, 8);
    assert_ran(f, 0, &world.a, HANDLE, OK, gas - 100, RUN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_way_of_sending_may_be_delayed),
        cmocka_unit_test(delays_that_cannot_be_paid_are_refused_in_their_place),
        cmocka_unit_test(a_delayed_message_to_a_user_becomes_a_letter_in_its_block),
        cmocka_unit_test(what_is_at_the_destination_is_looked_at_when_the_message_is_due),
        cmocka_unit_test(a_program_whose_init_is_delayed_exists_uninitialized),
        cmocka_unit_test(a_delay_beyond_all_heights_never_ends),
        cmocka_unit_test(a_failed_dispatch_sends_nothing_later),
        cmocka_unit_test(the_answer_to_a_delayed_message_belongs_to_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
