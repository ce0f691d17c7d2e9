/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a reservation keeps gas of one message for later ones, pays its rent, and ends: by expiry,
 * use, hand, or with its program; every unit of it is then burned, rent, carried or refunded.
 * Method: actors that make and end reservations, and prices that can be added up. */
#include "tests/engine/ledger.h"

enum { MADE = 0x3000 /* where an actor keeps code and id of its reservation */ };

/* Makes a reservation of world.a's, paid by alice; the id stays at MADE + 4. */
static void reserve(fixture *f, uint64_t amount, uint64_t duration)
{
    script s = script_new();
    STEP(&s, "gr_reserve_gas", amount, duration, MADE);
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_int_equal(fixture_u32(f, &world.a, MADE), 0);
    assert_ran(f, 0, &world.a, HANDLE, OK, 10000, RUN);
}

static mr_id made(const fixture *f)
{
    return fixture_id(f, &world.a, MADE + 4);
}

/* Adds id of a reservation, destination and value. */
static uint32_t script_from(script *s, const mr_id *reservation, const mr_id *to, mr_value value)
{
    const uint32_t at = script_data(s, reservation, 32);
    (void)script_to(s, to, value);
    return at;
}

LEDGER_TEST(a_reservation_that_expires_is_refunded_and_has_paid_its_rent)
{
    const mr_value before = account(f, "alice");
    reserve(f, 500, 4);
    assert_held(f, 500 + 4 * RENT, 0, 0, 1);
    assert_int_equal(fixture_program_info(f, &world.a).reservations, 1);
    assert_paid(f, before, RUN + 500 + 4 * RENT);
    blocks(f, 3);
    assert_held(f, 500 + 4 * RENT, 0, 0, 1);
    blocks(f, 1);
    assert_int_equal(fixture_info(f).gas_rent, 4 * RENT);
    assert_held(f, 0, 0, 0, 0);
    assert_int_equal(fixture_program_info(f, &world.a).reservations, 0);
    assert_paid(f, before, RUN + 4 * RENT);
    const mr_id id = made(f);
    script s = script_new();
    STEP(&s, "gr_unreserve_gas", script_data(&s, &id, 32), OUT);
    STEP(&s, "gr_reservation_send", script_from(&s, &id, &world.quiet, 0), 0, 0, 0, OUT + 16);
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_int_equal(fixture_u32(f, &world.a, OUT), 500);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 16), 500);
}

LEDGER_TEST(a_message_carries_the_amount_and_its_payer)
{
    const mr_value alice = account(f, "alice"), bob = account(f, "bob");
    for (unsigned way = 0; way < 2; way++) {
        reserve(f, 3000, 10);
        const mr_id id = made(f);
        script s = script_new();
        const uint32_t from = script_from(&s, &id, &world.quiet, 2);
        const uint32_t again = script_from(&s, &id, &world.quiet, 0);
        STEP(&s, "gr_send_init", OUT);
        STEP(&s, "gr_send_push", 0, 0, 3, OUT);
        if (way == 0)
            STEP(&s, "gr_reservation_send", from, 0, 5, 0, OUT);
        else
            STEP(&s, "gr_reservation_send_commit", 0, from, 0, OUT);
        STEP(&s, "gr_reservation_send", again, 0, 5, 0, OUT + 64); /* it is used up */
        blocks(f, 2);
        f->from = world.bob;
        f->value = 2;
        (void)ledger_send(f, &world.a, &s, 10000);
        f->from = mr_id_of_name("alice");
        f->value = 0;
        assert_int_equal(fixture_u32(f, &world.a, OUT), 0);
        assert_int_equal(fixture_u32(f, &world.a, OUT + 64), 500);
        assert_ran(f, 0, &world.a, HANDLE, OK, 10000, RUN);
        assert_ran(f, 1, &world.quiet, HANDLE, OK, 3000, 0);
        assert_ran(f, 2, &world.a, REPLY, OK, 3000, RUN); /* and what is left is alice's */
        assert_int_equal(fixture_info(f).gas_rent, 3 * RENT);
        assert_held(f, 0, 0, 0, 0);
        assert_int_equal(fixture_program_info(f, &world.a).reservations, 0);
    }
    assert_value_equal(alice - account(f, "alice"), 2 * (2 * RUN + 3 * RENT));
    assert_value_equal(bob - account(f, "bob"), 2 * (RUN + 2));
}

/* Made and used in one dispatch it pays no rent. */
LEDGER_TEST(a_reservation_of_the_same_dispatch_is_used_without_rent)
{
    const mr_value before = account(f, "alice");
    script s = script_new();
    const uint32_t answer = script_data(&s, (const uint8_t[4]){0}, 4);
    const uint32_t from = script_from(&s, &world.bob, &world.quiet, 0); /* the id comes later */
    STEP(&s, "gr_reserve_gas", 3000, 100, answer);
    STEP(&s, "gr_gas_available", OUT + 64);
    STEP(&s, "gr_reservation_send", from, 0, 0, 0, OUT);
    STEP(&s, "gr_gas_available", OUT + 72);
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_int_equal(fixture_u64(f, &world.a, OUT + 64), 10000 - RUN - 3000 - 100 * RENT);
    assert_int_equal(fixture_u64(f, &world.a, OUT + 72), 10000 - RUN - 3000 - 100 * RENT);
    assert_ran(f, 1, &world.quiet, HANDLE, OK, 3000, 0);
    assert_int_equal(fixture_info(f).gas_rent, 0);
    assert_held(f, 0, 0, 0, 0);
    assert_paid(f, before, 2 * RUN);
}

LEDGER_TEST(what_is_unreserved_comes_back)
{
    /* To the counter, when the same dispatch made it. */
    mr_value before = account(f, "alice");
    script s = script_new();
    STEP(&s, "gr_reserve_gas", 3000, 100, MADE);
    STEP(&s, "gr_reserve_gas", 500, 7, MADE + 64);
    STEP(&s, "gr_unreserve_gas", MADE + 4, OUT);
    STEP(&s, "gr_gas_available", OUT + 16);
    STEP(&s, "gr_unreserve_gas", MADE + 4, OUT + 32);
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_int_equal(fixture_u32(f, &world.a, OUT), 0);
    assert_int_equal(fixture_u64(f, &world.a, OUT + 4), 3000);
    assert_int_equal(fixture_u64(f, &world.a, OUT + 16), 10000 - RUN - 500 - 70);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 32), 500);
    assert_int_equal(fixture_u64(f, &world.a, OUT + 36), 0);
    assert_held(f, 570, 0, 0, 1);
    assert_paid(f, before, RUN + 570);
    /* To its payer, when another did: the counter has nothing of it. */
    const mr_id id = fixture_id(f, &world.a, MADE + 64 + 4);
    script end = script_new();
    STEP(&end, "gr_gas_available", OUT + 16);
    STEP(&end, "gr_unreserve_gas", script_data(&end, &id, 32), OUT);
    STEP(&end, "gr_gas_available", OUT + 24);
    blocks(f, 1);
    f->from = world.bob;
    (void)ledger_send(f, &world.a, &end, 10000);
    f->from = mr_id_of_name("alice");
    assert_int_equal(fixture_u64(f, &world.a, OUT + 4), 500);
    assert_int_equal(fixture_u64(f, &world.a, OUT + 16), fixture_u64(f, &world.a, OUT + 24));
    assert_held(f, 0, 0, 0, 0);
    assert_paid(f, before, RUN + 2 * RENT);
}

static mr_schedule few_reservations(void)
{
    mr_schedule schedule = ledger_schedule();
    schedule.reservations_max = 2;
    return schedule;
}

LEDGER_TEST_WITH(reservations_have_their_errors_in_order, few_reservations())
{
    script s = script_new();
    STEP(&s, "gr_reserve_gas", FLOOR - 1, 0, OUT);         /* 502 504 */
    STEP(&s, "gr_reserve_gas", FLOOR - 1, 9000, OUT + 36); /* 504 100 */
    STEP(&s, "gr_reserve_gas", FLOOR, 891, OUT + 72);      /* 100 */
    STEP(&s, "gr_reserve_gas", UINT64_MAX, UINT32_MAX, OUT + 108);
    STEP(&s, "gr_reserve_gas", FLOOR, 1, OUT + 144);
    STEP(&s, "gr_reserve_gas", FLOOR, 1, OUT + 180);
    STEP(&s, "gr_reserve_gas", 9000, 1, OUT + 216);  /* 100 501 */
    STEP(&s, "gr_reserve_gas", FLOOR, 1, OUT + 252); /* 501 */
    STEP(&s, "gr_unreserve_gas", OUT + 148, OUT + 300);
    STEP(&s, "gr_reserve_gas", FLOOR, 1, OUT + 312); /* there is room again */
    STEP(&s, "gr_unreserve_gas", 0xfffffff0, OUT + 352);
    STEP(&s, "gr_unreserve_gas", 0, OUT + 364);
    (void)ledger_send(f, &world.a, &s, RUN + 9000);
    static const struct {
        uint32_t at, code;
    } codes[] = {{0, 502},   {36, 504},  {72, 100}, {108, 100}, {144, 0},   {180, 0},
                 {216, 100}, {252, 501}, {300, 0},  {312, 0},   {352, 201}, {364, 500}};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (fixture_u32(f, &world.a, OUT + codes[i].at) != codes[i].code)
            fail_msg("call %zu: %u", i, fixture_u32(f, &world.a, OUT + codes[i].at));
    }
    assert_held(f, 2 * (FLOOR + RENT), 0, 0, 2);
    /* The second dispatch: the two are there still. */
    script more = script_new();
    STEP(&more, "gr_reserve_gas", FLOOR, 1, OUT);
    f->gas = 10000;
    const mr_transaction send = fixture_send_of(f, &world.a, script_span(&more));
    fixture_run(f, &send, 1); /* they have expired at its beginning */
    assert_int_equal(fixture_u32(f, &world.a, OUT), 0);
    assert_held(f, FLOOR + RENT, 0, 0, 1);
}

typedef struct task_set {
    uint64_t count, reservations;
    mr_id of[16];
} task_set;

static bool see_task(void *arg, const mr_task_info *task)
{
    task_set *set = arg;
    assert_int_equal(task->task, MR_TASK_RESERVATION);
    assert_true(set->count < 16);
    set->of[set->count++] = task->subject;
    return true;
}

static bool see_reservation(void *arg, const mr_reservation_info *reservation)
{
    task_set *set = arg;
    uint64_t i = 0;
    while (i < set->count && memcmp(&set->of[i], &reservation->id, sizeof(mr_id)) != 0)
        i++;
    assert_true(i < set->count);
    set->reservations++;
    return true;
}

/* In one block some of many end, wherever they stand among the others, and others are made. */
LEDGER_TEST(a_task_is_there_for_each_reservation_that_is_left_and_no_other)
{
    enum { AT_FIRST = 7, ENTRY = 36 };
    for (unsigned ended = 0; ended < 1u << AT_FIRST; ended += 5) {
        script make = script_new(), change = script_new();
        for (unsigned i = 0; i < AT_FIRST; i++)
            STEP(&make, "gr_reserve_gas", FLOOR, 3, MADE + i * ENTRY);
        (void)ledger_send(f, &world.a, &make, 20000);
        uint64_t left = AT_FIRST + 2;
        for (unsigned i = 0; i < AT_FIRST; i++) {
            if ((ended >> i & 1) == 0)
                continue;
            STEP(&change, "gr_unreserve_gas", MADE + i * ENTRY + 4, OUT);
            left--;
        }
        STEP(&change, "gr_reserve_gas", FLOOR, 2, OUT);
        STEP(&change, "gr_reserve_gas", FLOOR, 2, OUT + ENTRY);
        (void)ledger_send(f, &world.a, &change, 20000);
        task_set set = {0};
        assert_int_equal(mr_engine_tasks(f->engine, 0, see_task, &set), MR_OK);
        assert_int_equal(mr_engine_reservations(f->engine, &world.a, see_reservation, &set), MR_OK);
        assert_int_equal(set.count, left);
        assert_int_equal(set.reservations, left);
        blocks(f, 2);
        assert_held(f, 0, 0, 0, 0);
    }
}

/* A reply from a reservation to a program: with the rest when one payer has bought both. */
LEDGER_TEST(a_reply_from_a_reservation_takes_the_rest_along_for_the_same_payer)
{
    const mr_value alice = account(f, "alice"), bob = account(f, "bob");
    for (unsigned i = 0; i < 4; i++) {
        const bool same = i < 2;
        reserve(f, 2000, 10);
        const mr_id id = made(f);
        script reply = script_new(), ask = script_new();
        const uint32_t from = script_data(&reply, &id, 32);
        (void)script_value(&reply, 1);
        if (i % 2 == 0) {
            STEP(&reply, "gr_reservation_reply", from, 0, 5, OUT);
        } else {
            STEP(&reply, "gr_reply_push", 0, 5, OUT);
            STEP(&reply, "gr_reservation_reply_commit", from, OUT);
        }
        STEP(&ask, "gr_send_wgas", script_to(&ask, &world.a, 1), script_script(&ask, &reply),
             script_span(&reply).size, 4000, 0, OUT);
        f->from = same ? mr_id_of_name("alice") : world.bob;
        f->value = 1;
        (void)ledger_send(f, &world.b, &ask, 10000);
        f->from = mr_id_of_name("alice");
        f->value = 0;
        assert_int_equal(fixture_u32(f, &world.a, OUT), 0);
        assert_ran(f, 1, &world.a, HANDLE, OK, 4000, RUN);
        assert_ran(f, 2, &world.b, REPLY, OK, same ? 2000 + 3000 : 2000, RUN);
        assert_held(f, 0, 0, 0, 0);
        assert_value_equal(fixture_program_info(f, &world.b).balance, i + 1);
    }
    /* Bob paid for two dispatches of each of his messages; alice for the replies. */
    assert_value_equal(bob - account(f, "bob"), 2 * (2 * RUN + 1));
    assert_value_equal(alice - account(f, "alice"), 4 * (RUN + RENT) + 2 * (3 * RUN + 1) + 2 * RUN);
}

/* To a user its amount is refunded to its payer. */
LEDGER_TEST(a_reply_from_a_reservation_to_a_user_gives_the_gas_back)
{
    const mr_value alice = account(f, "alice"), bob = account(f, "bob");
    reserve(f, 2000, 10);
    const mr_id id = made(f);
    script s = script_new();
    const uint32_t from = script_data(&s, &id, 32);
    (void)script_value(&s, 0);
    STEP(&s, "gr_reservation_reply", from, 0, 5, OUT);
    f->from = world.bob;
    (void)ledger_send(f, &world.a, &s, 10000);
    f->from = mr_id_of_name("alice");
    assert_code(fixture_message(f, 0), 0, 1, 0);
    assert_value_equal(bob - account(f, "bob"), RUN);
    assert_value_equal(alice - account(f, "alice"), RUN + RENT);
    assert_held(f, 0, 0, 0, 0);
}

LEDGER_TEST(a_failed_dispatch_leaves_reservations_as_they_were)
{
    const mr_value before = account(f, "alice");
    reserve(f, 2000, 10);
    const mr_id id = made(f);
    script s = script_new();
    STEP(&s, "gr_reservation_send", script_from(&s, &id, &world.quiet, 0), 0, 0, 0, OUT);
    STEP(&s, "gr_reserve_gas", 500, 5, OUT);
    STEP(&s, "unreachable");
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_held(f, 2000 + 10 * RENT, 0, 0, 1);
    script end = script_new();
    STEP(&end, "gr_unreserve_gas", script_data(&end, &id, 32), OUT);
    STEP(&end, "gr_oom_panic");
    (void)ledger_send(f, &world.a, &end, 10000);
    assert_held(f, 2000 + 10 * RENT, 0, 0, 1);
    assert_paid(f, before, 3 * RUN + 2000 + 10 * RENT);
    blocks(f, 8);
    assert_held(f, 0, 0, 0, 0);
    assert_paid(f, before, 3 * RUN + 10 * RENT);
}

LEDGER_TEST(reservations_end_with_their_program)
{
    const mr_value before = account(f, "alice");
    reserve(f, 2000, 10);
    script s = script_new();
    STEP(&s, "gr_reserve_gas", 500, 5, OUT);
    STEP(&s, "gr_exit", script_data(&s, &world.bob, 32));
    blocks(f, 2);
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_ran(f, 0, &world.a, HANDLE, EXITED, 10000, RUN);
    assert_held(f, 0, 0, 0, 0);
    assert_int_equal(fixture_program_info(f, &world.a).reservations, 0);
    assert_paid(f, before, 2 * RUN + 3 * RENT);
    /* Those of an init that waited and failed, too. */
    script init = script_new();
    STEP(&init, "count", 0x2000);
    STEP(&init, "unless", 0x2000, 1, 2);
    STEP(&init, "gr_reserve_gas", 700, 30, OUT);
    STEP(&init, "gr_wait_for", 2);
    STEP(&init, "unreachable");
    f->gas = 10000;
    const mr_value then = account(f, "alice");
    const mr_id poor = fixture_create(f, &world.code, script_span(&init));
    assert_held(f, 10000 - RUN, 1, 0, 2);
    blocks(f, 2);
    assert_ran(f, 0, &poor, INIT, TRAP, 10000 - RUN - 1000 - 20, RUN);
    assert_int_equal(fixture_program_info(f, &poor).status, MR_PROGRAM_TERMINATED);
    assert_held(f, 0, 0, 0, 0);
    assert_paid(f, then, 2 * RUN + 20 + 20);
}

/* Expiry in the block in which it would be used comes first. */
LEDGER_TEST(a_reservation_is_gone_in_its_last_block)
{
    reserve(f, 500, 1);
    const mr_id id = made(f);
    script s = script_new();
    STEP(&s, "gr_reservation_send", script_from(&s, &id, &world.quiet, 0), 0, 0, 0, OUT);
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_int_equal(fixture_u32(f, &world.a, OUT), 500);
    assert_held(f, 0, 0, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reservation_that_expires_is_refunded_and_has_paid_its_rent),
        cmocka_unit_test(a_message_carries_the_amount_and_its_payer),
        cmocka_unit_test(a_reservation_of_the_same_dispatch_is_used_without_rent),
        cmocka_unit_test(what_is_unreserved_comes_back),
        cmocka_unit_test(reservations_have_their_errors_in_order),
        cmocka_unit_test(a_task_is_there_for_each_reservation_that_is_left_and_no_other),
        cmocka_unit_test(a_reply_from_a_reservation_takes_the_rest_along_for_the_same_payer),
        cmocka_unit_test(a_reply_from_a_reservation_to_a_user_gives_the_gas_back),
        cmocka_unit_test(a_failed_dispatch_leaves_reservations_as_they_were),
        cmocka_unit_test(reservations_end_with_their_program),
        cmocka_unit_test(a_reservation_is_gone_in_its_last_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
