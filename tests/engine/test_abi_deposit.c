/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: gas deposited for the reply to a message rides on that reply, whatever becomes of the
 * message, or is refunded when there is none. Method: deposits on messages to programs and users
 * that answer, fail, wait, or are gone. */
#include "tests/engine/ledger.h"

enum { RUNS = 0x2000 };

/* Sends `payload` to world.b with 1500 gas and a deposit of 2000 for the answer. */
static script ask_with_deposit(const script *payload)
{
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &world.b, 0), script_script(&s, payload),
         script_span(payload).size, 1500, 0, OUT);
    STEP(&s, "gr_reply_deposit", OUT + 4, 2000, OUT + 64);
    return s;
}

LEDGER_TEST(each_kind_of_answer_carries_the_deposit)
{
    script silent = script_new(), reply = script_new(), limit = script_new(), fail = script_new(),
           send = script_new(), exit = script_new();
    STEP(&reply, "gr_reply", 0, 0, NO_VALUE, OUT);
    STEP(&limit, "gr_reply_wgas", 0, 0, 50, NO_VALUE, OUT);
    STEP(&fail, "unreachable");
    STEP(&send, "gr_send", script_to(&send, &world.quiet, 0), 0, 0, 0, OUT);
    STEP(&exit, "gr_exit", script_data(&exit, &world.bob, 32));
    const script *const answers[] = {&silent, &reply, &limit, &fail, &send, &exit};
    /* The gasless message beside takes the 500 that are left; the deposit is not for it. */
    static const uint64_t limits[] = {2500, 2500, 2500, 2500, 2000, 2500};
    for (unsigned i = 0; i < 6; i++) {
        const mr_value before = account(f, "alice");
        const script s = ask_with_deposit(answers[i]);
        (void)ledger_send(f, &world.a, &s, 20000);
        assert_int_equal(fixture_u32(f, &world.a, OUT + 64), 0);
        assert_ran(f, 0, &world.a, HANDLE, OK, 20000, RUN);
        assert_int_equal(fixture_receipt(f, 1).gas_limit, 1500);
        bool answered = false;
        for (uint64_t k = 2; k < fixture_info(f).receipts_count; k++) {
            const mr_receipt r = fixture_receipt(f, k);
            answered = answered || (r.kind == MR_KIND_REPLY && r.gas_limit == limits[i] &&
                                    memcmp(&r.program, &world.a, 32) == 0);
        }
        if (!answered)
            fail_msg("answer %u", i);
        assert_held(f, 0, 0, 0, 0);
        assert_paid(f, before, fixture_info(f).gas_burned);
    }
    /* The program has exited: its refusal carries the deposit, too. */
    const script s = ask_with_deposit(&silent);
    (void)ledger_send(f, &world.a, &s, 20000);
    assert_ran(f, 1, &world.b, HANDLE, UNAVAILABLE, 1500, 0);
    assert_ran(f, 2, &world.a, REPLY, OK, 3500, RUN);
}

LEDGER_TEST(a_deposit_waits_with_its_message)
{
    script wait = script_new();
    STEP(&wait, "count", RUNS);
    STEP(&wait, "unless", RUNS, 1, 1);
    STEP(&wait, "gr_wait_for", 5);
    script s = ask_with_deposit(&wait);
    (void)ledger_send(f, &world.a, &s, 20000);
    assert_ran(f, 1, &world.b, HANDLE, WAITING, 1500, RUN);
    assert_held(f, 500 + 2000, 1, 0, 1);
    blocks(f, 5);
    /* What is left is not enough for another run: the error carries the deposit. */
    assert_ran(f, 0, &world.b, HANDLE, OUT_OF_GAS, 450, 450);
    assert_ran(f, 1, &world.a, REPLY, OK, 2000, RUN);
    assert_held(f, 0, 0, 0, 0);
}

LEDGER_TEST(deposits_have_their_errors_in_order)
{
    const mr_id nothing = mr_id_of_name("nothing");
    script s = script_new();
    const uint32_t none = script_data(&s, &nothing, 32), to = script_to(&s, &world.quiet, 0);
    STEP(&s, "gr_send_wgas", to, 0, 0, 500, 0, OUT);
    STEP(&s, "gr_send_init", OUT + 64);
    STEP(&s, "gr_reply_deposit", none, 9000, OUT + 100);    /* 100 310 */
    STEP(&s, "gr_reply_deposit", none, 100, OUT + 104);     /* 310 */
    STEP(&s, "gr_reply_deposit", OUT + 4, 8501, OUT + 108); /* 100 */
    STEP(&s, "gr_reply_deposit", OUT + 4, 1000, OUT + 112);
    STEP(&s, "gr_reply_deposit", OUT + 4, 9000, OUT + 116); /* 100 309 */
    STEP(&s, "gr_reply_deposit", OUT + 4, 1000, OUT + 120); /* 309 */
    STEP(&s, "gr_reply_deposit", 0xfffffff0, 1, OUT + 124);
    STEP(&s, "gr_reply_commit", NO_VALUE, OUT + 200);
    STEP(&s, "gr_reply_deposit", OUT + 204, 1, OUT + 128); /* 310: a reply is not answered */
    STEP(&s, "gr_send_wgas", to, 0, 0, 500, 0, OUT + 240);
    STEP(&s, "gr_reply_deposit", OUT + 244, 0, OUT + 132);
    STEP(&s, "gr_reply_deposit", OUT + 244, 0, OUT + 136); /* 309, though it was of nothing */
    (void)ledger_send(f, &world.a, &s, 10000);
    static const uint32_t codes[] = {100, 310, 100, 0, 100, 309, 201, 310, 0, 309};
    for (uint32_t i = 0; i < 10; i++) {
        if (fixture_u32(f, &world.a, OUT + 100 + 4 * i) != codes[i])
            fail_msg("call %u: %u", i, fixture_u32(f, &world.a, OUT + 100 + 4 * i));
    }
    assert_ran(f, 3, &world.a, REPLY, OK, 1500, RUN);
    assert_ran(f, 4, &world.a, REPLY, OUT_OF_GAS, 500, 500);
    /* A message of an earlier dispatch has its deposit no more. */
    const mr_id earlier = fixture_receipt(f, 1).message;
    script later = script_new();
    STEP(&later, "gr_reply_deposit", script_data(&later, &earlier, 32), 1, OUT);
    (void)ledger_send(f, &world.a, &later, 10000);
    assert_int_equal(fixture_u32(f, &world.a, OUT), 310);
}

/* A user that answers a letter: the deposit is the sponsor's for what is left of it. */
LEDGER_TEST(who_answers_a_letter_spends_the_deposit_last)
{
    const mr_value alice = account(f, "alice"), bob = account(f, "bob");
    for (unsigned i = 0; i < 2; i++) {
        script s = script_new();
        STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 0), 0, 0, 500, 0, OUT);
        STEP(&s, "gr_reply_deposit", OUT + 4, 2500, OUT + 64);
        (void)ledger_send(f, &world.a, &s, 20000);
        assert_held(f, 3000, 0, 1, 1);
        const mr_transaction reply = {.kind = MR_TRANSACTION_REPLY,
                                      .from = world.bob,
                                      .to = fixture_message(f, 0).id,
                                      .gas_limit = i == 0 ? 600 : 0};
        fixture_run(f, &reply, 1);
        fixture_accepted(f);
        assert_ran(f, 0, &world.a, REPLY, OK, 2500 + reply.gas_limit, RUN);
        assert_held(f, 0, 0, 0, 0);
    }
    /* First: 2100 left, all of it the sponsor's. Second: 1500 left. Bob paid 600 and had none. */
    assert_value_equal(bob - account(f, "bob"), 600);
    assert_value_equal(alice - account(f, "alice"), 2 * RUN + 2 * RENT + (2500 - 2100) + RUN);
}

LEDGER_TEST(what_is_left_beyond_the_deposit_is_who_answered)
{
    const mr_value alice = account(f, "alice"), bob = account(f, "bob");
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 0), 0, 0, 500, 0, OUT);
    STEP(&s, "gr_reply_deposit", OUT + 4, 300, OUT + 64);
    (void)ledger_send(f, &world.a, &s, 20000);
    const mr_transaction reply = {.kind = MR_TRANSACTION_REPLY,
                                  .from = world.bob,
                                  .to = fixture_message(f, 0).id,
                                  .gas_limit = 5000};
    fixture_run(f, &reply, 1);
    assert_ran(f, 0, &world.a, REPLY, OK, 5300, RUN);
    assert_value_equal(bob - account(f, "bob"), RUN);
    assert_value_equal(alice - account(f, "alice"), RUN + RENT);
}

LEDGER_TEST(a_claim_sends_the_deposit_with_its_answer)
{
    const mr_value alice = account(f, "alice");
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 9), 0, 0, 500, 0, OUT);
    STEP(&s, "gr_reply_deposit", OUT + 4, 2000, OUT + 64);
    f->value = 9;
    (void)ledger_send(f, &world.a, &s, 20000);
    blocks(f, 3);
    const mr_transaction claim = {
        .kind = MR_TRANSACTION_CLAIM, .from = world.bob, .to = fixture_id(f, &world.a, OUT + 4)};
    fixture_run(f, &claim, 1);
    fixture_accepted(f);
    assert_ran(f, 0, &world.a, REPLY, OK, 500 - 4 * RENT + 2000, RUN);
    assert_value_equal(account(f, "bob"), WEALTH + 9);
    assert_paid(f, alice, 9 + 2 * RUN + 4 * RENT);
    assert_held(f, 0, 0, 0, 0);
}

LEDGER_TEST(without_an_answer_to_come_the_deposit_is_refunded)
{
    const mr_value before = account(f, "alice");
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 0), 0, 0, 0, 0, OUT); /* no letter */
    STEP(&s, "gr_reply_deposit", OUT + 4, 2000, OUT + 64);
    (void)ledger_send(f, &world.a, &s, 20000);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 64), 0);
    assert_held(f, 0, 0, 0, 0);
    assert_paid(f, before, RUN);
    /* Later, likewise. */
    script later = script_new();
    STEP(&later, "gr_send_wgas", script_to(&later, &world.bob, 0), 0, 0, 0, 2, OUT);
    STEP(&later, "gr_reply_deposit", OUT + 4, 2000, OUT + 64);
    (void)ledger_send(f, &world.a, &later, 20000);
    assert_held(f, 2000, 0, 0, 1);
    blocks(f, 2);
    assert_held(f, 0, 0, 0, 0);
    assert_paid(f, before, 2 * RUN + 20);
    /* And a failed dispatch deposits nothing. */
    script fail = script_new();
    STEP(&fail, "gr_send_wgas", script_to(&fail, &world.b, 0), 0, 0, 1000, 0, OUT);
    STEP(&fail, "gr_reply_deposit", OUT + 4, 2000, OUT + 64);
    STEP(&fail, "unreachable");
    (void)ledger_send(f, &world.a, &fail, 20000);
    assert_paid(f, before, 3 * RUN + 20);
}

/* Who answers a letter cannot have the deposit refunded to himself by sending it to nobody. */
LEDGER_TEST(a_deposit_that_comes_back_on_the_way_is_its_sponsors)
{
    const mr_value alice = account(f, "alice"), bob = account(f, "bob");
    script s = script_new(), on = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 0), 0, 0, 500, 0, OUT);
    STEP(&s, "gr_reply_deposit", OUT + 4, 5000, OUT + 64);
    STEP(&on, "gr_send_wgas", script_to(&on, &world.carol, 0), 0, 0, 0, 0, OUT); /* no letter */
    STEP(&on, "gr_reply_deposit", OUT + 4, 4000, OUT + 64);
    (void)ledger_send(f, &world.a, &s, 20000);
    const mr_transaction reply = {.kind = MR_TRANSACTION_REPLY,
                                  .from = world.bob,
                                  .to = fixture_message(f, 0).id,
                                  .payload = script_span(&on),
                                  .gas_limit = 3000};
    fixture_run(f, &reply, 1);
    fixture_accepted(f);
    assert_ran(f, 0, &world.a, REPLY, OK, 8000, RUN);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 64), 100); /* more than is his own */
    assert_value_equal(alice - account(f, "alice"), RUN + RENT);
    assert_value_equal(bob - account(f, "bob"), RUN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_answer_carries_the_deposit),
        cmocka_unit_test(a_deposit_waits_with_its_message),
        cmocka_unit_test(deposits_have_their_errors_in_order),
        cmocka_unit_test(who_answers_a_letter_spends_the_deposit_last),
        cmocka_unit_test(what_is_left_beyond_the_deposit_is_who_answered),
        cmocka_unit_test(a_claim_sends_the_deposit_with_its_answer),
        cmocka_unit_test(without_an_answer_to_come_the_deposit_is_refunded),
        cmocka_unit_test(a_deposit_that_comes_back_on_the_way_is_its_sponsors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
