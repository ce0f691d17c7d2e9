/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: when a program ends, what waits in it, what it reserved and what it owns go where
 * docs/SEMANTICS.md says, in that order, whoever its heir is.
 * Method: programs full of such things that exit, or whose init fails. */
#include "tests/engine/ledger.h"

#include "engine/id.h"

enum { MANY = 9 };

static void wait_many(fixture *f, const mr_id *program, mr_id *ids)
{
    script s = script_new();
    STEP(&s, "gr_wait", 0);
    mr_transaction sends[MANY];
    f->gas = 5000;
    f->value = 3;
    for (unsigned i = 0; i < MANY; i++)
        sends[i] = fixture_send_of(f, program, script_span(&s));
    f->value = 0;
    fixture_run(f, sends, MANY);
    fixture_accepted(f);
    for (unsigned i = 0; i < MANY; i++)
        ids[i] = fixture_result(f, i).id;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(mr_id));
}

LEDGER_TEST(what_waits_is_flushed_in_the_order_of_the_ids)
{
    mr_id ids[MANY];
    const mr_value alice = account(f, "alice"), bob = account(f, "bob");
    wait_many(f, &world.a, ids);
    assert_held(f, MANY * 4000, MANY, 0, MANY);
    script reserve = script_new(), s = script_new();
    STEP(&reserve, "gr_reserve_gas", 700, 50, OUT);
    (void)ledger_send(f, &world.a, &reserve, 10000);
    assert_held(f, MANY * 4000 + 700 + 500, MANY, 0, MANY + 1);
    STEP(&s, "gr_exit", script_data(&s, &world.bob, 32));
    (void)ledger_send(f, &world.a, &s, 10000);
    qsort(ids, MANY, sizeof(mr_id), by_bytes);
    assert_block(f, MANY + 1, MANY + 1);
    for (unsigned i = 0; i < MANY; i++) {
        assert_ran(f, 1 + i, &world.a, HANDLE, UNAVAILABLE, 4000 - 2 * RENT, 0);
        assert_id_equal(fixture_receipt(f, 1 + i).message, ids[i]);
        const mr_user_message answer = fixture_message(f, 1 + i);
        assert_code(answer, 1, 2, 0);
        assert_memory_equal(answer.payload.data, world.bob.bytes, 32);
        assert_value_equal(answer.value, 0); /* its value had come already */
    }
    assert_held(f, 0, 0, 0, 0);
    assert_value_equal(account(f, "bob"), bob + 3 * MANY);
    assert_paid(f, alice, MANY * (3 + RUN + 2 * RENT) + 2 * RUN + RENT);
    const mr_program_info info = fixture_program_info(f, &world.a);
    assert_int_equal(info.waiting, 0);
    assert_int_equal(info.reservations, 0);
    assert_int_equal(info.pages, ACTOR_PAGES);
    assert_int_equal(info.units, 0); /* an empty memory */
}

/* A program made by the dispatch that leaves to it is a program to it. */
LEDGER_TEST(who_is_made_in_the_same_dispatch_inherits)
{
    const mr_id alice = mr_id_of_name("alice");
    const mr_id message = mr_id_of_user_message(height_of(f) + 1, &alice, 0);
    const mr_id heir = mr_id_of_child(&message, &world.code, (mr_span){0});
    script s = script_new();
    STEP(&s, "gr_create_program_wgas", script_to(&s, &world.code, 1), 0, 0, 0, 0, 2000, 0, OUT);
    STEP(&s, "gr_exit", script_data(&s, &heir, 32));
    f->value = 50;
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_ran(f, 0, &world.a, HANDLE, EXITED, 10000, RUN);
    assert_ran(f, 1, &heir, INIT, OK, 2000, RUN);
    assert_value_equal(fixture_program_info(f, &heir).balance, 50);
    mr_value nothing;
    assert_int_equal(mr_engine_account(f->engine, &heir, &nothing), MR_NOT_FOUND);
}

/* Its init being delayed makes no difference. */
LEDGER_TEST(an_heir_that_is_not_born_yet_inherits)
{
    const mr_id alice = mr_id_of_name("alice");
    const mr_id message = mr_id_of_user_message(height_of(f) + 1, &alice, 0);
    const mr_id heir = mr_id_of_child(&message, &world.code, (mr_span){0});
    script s = script_new();
    STEP(&s, "gr_create_program_wgas", script_to(&s, &world.code, 1), 0, 0, 0, 0, 2000, 3, OUT);
    STEP(&s, "gr_exit", script_data(&s, &heir, 32));
    f->value = 50;
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_value_equal(fixture_program_info(f, &heir).balance, 49);
    blocks(f, 3);
    assert_ran(f, 0, &heir, INIT, OK, 2000, RUN);
    assert_value_equal(fixture_program_info(f, &heir).balance, 50);
}

/* An init that waited, was sent things, and fails: all of it is given back. */
LEDGER_TEST(a_failed_init_gives_everything_back)
{
    const mr_value alice = account(f, "alice");
    script init = script_new();
    STEP(&init, "count", 0x2000);
    STEP(&init, "unless", 0x2000, 1, 2);
    STEP(&init, "gr_reserve_gas", 600, 20, OUT);
    STEP(&init, "gr_wait_for", 3);
    STEP(&init, "unreachable");
    f->gas = 10000;
    f->value = 40;
    const mr_id poor = fixture_create(f, &world.code, script_span(&init));
    assert_ran(f, 0, &poor, INIT, WAITING, 10000, RUN);
    f->value = 0;
    assert_held(f, 9000, 1, 0, 2);
    blocks(f, 3);
    assert_ran(f, 0, &poor, INIT, TRAP, 9000 - 600 - 200 - 30, RUN);
    assert_value_equal(fixture_message(f, 0).value, 0); /* that was the program's, */
    assert_int_equal(fixture_program_info(f, &poor).status, MR_PROGRAM_TERMINATED);
    assert_value_equal(fixture_program_info(f, &poor).balance,
                       0); /* and came back as its heritage */
    assert_held(f, 0, 0, 0, 0);
    assert_paid(f, alice, 2 * RUN + 30 + 30);
}

/* Letters and delayed messages of a program that is gone stay what they are. */
LEDGER_TEST(what_left_the_program_goes_on_without_it)
{
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 1), 0, 0, 300, 0, OUT);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.quiet, 1), 0, 0, 1700, 3, OUT);
    STEP(&s, "gr_exit", script_data(&s, &world.carol, 32));
    f->value = 10;
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_held(f, 2000, 0, 1, 2);
    assert_value_equal(account(f, "carol"), WEALTH + 8);
    blocks(f, 3);
    assert_ran(f, 0, &world.quiet, HANDLE, OK, 1700, 0);
    assert_ran(f, 1, &world.a, REPLY, UNAVAILABLE, 1700, 0);
    assert_held(f, 300, 0, 1, 1);
}

/* A reply that ends its program, with the message it belongs to waiting in it. */
LEDGER_TEST(a_reply_that_exits_flushes_what_waited_for_it)
{
    const mr_value alice = account(f, "alice");
    script exit = script_new(), answer = script_new(), s = script_new();
    STEP(&exit, "gr_exit", script_data(&exit, &world.bob, 32));
    STEP(&answer, "gr_reply", script_script(&answer, &exit), script_span(&exit).size, NO_VALUE,
         OUT);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.b, 0), script_script(&s, &answer),
         script_span(&answer).size, 1400, 0, OUT);
    STEP(&s, "gr_wait", 0);
    (void)ledger_send(f, &world.a, &s, 10000);
    const uint64_t gas = 10000 - RUN - 1400;
    assert_ran(f, 2, &world.a, REPLY, EXITED, 400 + gas - RENT, RUN);
    assert_ran(f, 3, &world.a, HANDLE, UNAVAILABLE, gas - 600, 0);
    assert_held(f, 0, 0, 0, 0);
    assert_paid(f, alice, 3 * RUN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_is_flushed_in_the_order_of_the_ids),
        cmocka_unit_test(who_is_made_in_the_same_dispatch_inherits),
        cmocka_unit_test(an_heir_that_is_not_born_yet_inherits),
        cmocka_unit_test(a_failed_init_gives_everything_back),
        cmocka_unit_test(what_left_the_program_goes_on_without_it),
        cmocka_unit_test(a_reply_that_exits_flushes_what_waited_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
