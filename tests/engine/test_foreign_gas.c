/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: gas that one user has paid for never becomes another's, however programs pass it on: what
 * is drawn from a message of another payer, or sponsored by one, is burned or goes back. Method:
 * alice asks, bob answers with little gas or none and a script that tries to keep alice's;
 * everything is added up. */
#include "tests/engine/ledger.h"

enum { RUNS = 0x2000, MADE = 0x3000 };

/* A message of alice's in world.a that waits for the answer to a letter to bob, which is returned.
 */
static mr_id waits_for_bob(fixture *f, uint64_t deposit, unsigned number)
{
    const uint32_t runs = RUNS + 8 * number; /* of this message */
    script s = script_new();
    STEP(&s, "count", runs);
    STEP(&s, "unless", runs, 1, deposit > 0 ? 3 : 2);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 0), 0, 0, 1000, 0, OUT);
    if (deposit > 0)
        STEP(&s, "gr_reply_deposit", OUT + 4, deposit, OUT + 64);
    STEP(&s, "gr_wait_for", 20);
    (void)ledger_send(f, &world.a, &s, 30000);
    return fixture_message(f, 0).id;
}

/* Bob answers; what the answer's handler does is for `s` to say. */
static void answer(fixture *f, const mr_id *letter, const script *s, uint64_t gas)
{
    const mr_transaction reply = {.kind = MR_TRANSACTION_REPLY,
                                  .from = world.bob,
                                  .to = *letter,
                                  .payload = script_span(s),
                                  .gas_limit = gas};
    fixture_run(f, &reply, 1);
    fixture_accepted(f);
}

/* Tries to give away, reserve, and set aside `gas` in every way, and notes what it is told. */
static const char *const ways[] = {"send", "reserve", "system", "deposit", "delay", "wake"};
enum { WAYS = sizeof ways / sizeof ways[0] };

static void try_to_keep(script *s, unsigned way, uint64_t gas)
{
    switch (way) {
    case 0:
        STEP(s, "gr_send_wgas", script_to(s, &world.quiet, 0), 0, 0, gas, 0, OUT);
        break;
    case 1:
        STEP(s, "gr_reserve_gas", gas - RENT, 1, OUT);
        break;
    case 2:
        STEP(s, "gr_system_reserve_gas", gas, OUT);
        break;
    case 3:
        STEP(s, "gr_send_wgas", script_to(s, &world.quiet, 0), 0, 0, 0, 0, OUT + 64);
        STEP(s, "gr_reply_deposit", OUT + 68, gas, OUT);
        break;
    case 4:
        STEP(s, "gr_send_wgas", script_to(s, &world.quiet, 0), 0, 0, 0, gas / RENT, OUT);
        break;
    default:
        STEP(s, "gr_wake", script_data(s, &world.bob, 32), gas / RENT, OUT);
    }
}

/* Of an answer whose gas is 1200, 1000 are burned by beginning; so 200 are bob's to give. */
static void answers_keep_what_is_bobs(fixture *f, uint64_t deposit)
{
    for (unsigned way = 0; way < WAYS; way++) {
        for (unsigned more = 0; more < 2; more++) {
            const mr_value bob = account(f, "bob"), alice = account(f, "alice");
            const mr_id letter = waits_for_bob(f, deposit, 2 * way + more);
            script s = script_new();
            try_to_keep(&s, way, 200 + (more == 1 ? RENT : 0));
            answer(f, &letter, &s, RUN + 200);
            const uint32_t told = fixture_u32(f, &world.a, OUT);
            if ((told != 0) != (more == 1))
                fail_msg("%s: told %u", ways[way], told);
            /* All ends: the message that waits, delayed ones, reservations. */
            for (unsigned i = 0; i < 25; i++)
                fixture_run(f, NULL, 0);
            assert_held(f, 0, 0, 0, 0);
            assert_true(account(f, "bob") <= bob);
            assert_true(account(f, "alice") <= alice);
            assert_true(account(f, "bob") >= bob - RUN - 200);
        }
    }
}

/* In memory: it is many blocks. */
static void answers_keep_it_in_memory(uint64_t deposit)
{
    const mr_schedule schedule = ledger_schedule();
    fixture f;
    ledger_make(&f, &schedule, (mr_engine_options){0});
    answers_keep_what_is_bobs(&f, deposit);
    fixture_close(&f);
}

static void what_is_drawn_from_anothers_message_is_burned_only(void **state)
{
    (void)state;
    answers_keep_it_in_memory(0);
}

static void what_another_sponsors_is_burned_only(void **state)
{
    (void)state;
    answers_keep_it_in_memory(5000);
}

/* Without gas of his own bob's answer runs on alice's, and gives nothing. */
LEDGER_TEST(an_answer_without_gas_runs_and_gives_nothing)
{
    const mr_id letter = waits_for_bob(f, 0, 0);
    const mr_value bob = account(f, "bob");
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &world.quiet, 0), 0, 0, FLOOR, 0, OUT);
    STEP(&s, "gr_send", script_to(&s, &world.quiet, 0), 0, 0, 0, OUT + 64);
    answer(f, &letter, &s, 0);
    assert_ran(f, 0, &world.a, REPLY, OK, fixture_receipt(f, 0).gas_limit, RUN);
    assert_int_equal(fixture_u32(f, &world.a, OUT), 100);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 64), 100); /* shares nothing */
    assert_int_equal(fixture_info(f).receipts_count, 1);
    assert_true(account(f, "bob") == bob);
}

/* What is left of a sponsor's gas goes back to the sponsor, and is shared by nobody. */
LEDGER_TEST(what_is_left_of_a_sponsors_gas_goes_back)
{
    const mr_id letter = waits_for_bob(f, 5000, 0);
    const mr_value bob = account(f, "bob"), alice = account(f, "alice");
    script s = script_new();
    STEP(&s, "gr_send", script_to(&s, &world.b, 0), 0, 0, 0, OUT);
    answer(f, &letter, &s, 1700);
    assert_int_equal(fixture_receipt(f, 1).gas_limit, 700);
    /* The rent of the letter is alice's; so are the 5000. */
    assert_true(account(f, "alice") >= alice + 5000);
    assert_true(account(f, "bob") == bob - 1700);
}

/* A reservation of bob's sends a message; a deposit of alice's does not ride on it. */
LEDGER_TEST(a_message_from_anothers_reservation_takes_no_deposit)
{
    script make = script_new(), use = script_new();
    STEP(&make, "gr_reserve_gas", 3000, 100, MADE);
    const mr_id alice = f->from;
    f->from = world.bob;
    (void)ledger_send(f, &world.a, &make, 20000);
    f->from = alice;
    const mr_id id = fixture_id(f, &world.a, MADE + 4);
    const uint32_t from = script_data(&use, &id, 32);
    (void)script_to(&use, &world.quiet, 0);
    STEP(&use, "gr_reservation_send", from, 0, 0, 0, OUT);
    STEP(&use, "gr_reply_deposit", OUT + 4, 2000, OUT + 64);
    (void)ledger_send(f, &world.a, &use, 20000);
    assert_int_equal(fixture_u32(f, &world.a, OUT), 0);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 64), 310);
    assert_held(f, 0, 0, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_drawn_from_anothers_message_is_burned_only),
        cmocka_unit_test(what_another_sponsors_is_burned_only),
        cmocka_unit_test(an_answer_without_gas_runs_and_gives_nothing),
        cmocka_unit_test(what_is_left_of_a_sponsors_gas_goes_back),
        cmocka_unit_test(a_message_from_anothers_reservation_takes_no_deposit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
