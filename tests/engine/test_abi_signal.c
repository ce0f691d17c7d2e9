/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a program is told of its failed messages by a signal, if these have reserved gas for it,
 * and only then; with the code of the failure, on the gas reserved. Method: actors that write down
 * what handle_signal is told, and every way to fail. */
#include "tests/engine/ledger.h"

enum { RUNS = 0x2000, TOLD = 0x3000 };

static mr_id teller; /* writes down what it is told, and has a script's entries besides */
static mr_id teller_code;

/* An actor whose handle_signal writes down what it can learn. */
static void make_teller(fixture *f)
{
    wat_text wat = actor_text("init handle handle_reply");
    wat.size -= 2; /* its closing parenthesis */
    text_add(&wat,
             "(func (export \"handle_signal\")"
             "(i64.store (i32.const %d) (i64.add (i64.const 1) (i64.load (i32.const %d))))"
             "(call $gr_signal_from (i32.const %d)) (call $gr_signal_code (i32.const %d))"
             "(call $gr_gas_available (i32.const %d)) (call $gr_message_id (i32.const %d))"
             "(call $gr_value (i32.const %d)) (call $gr_size (i32.const %d))"
             "(call $gr_reply_to (i32.const %d)) (call $gr_reply_code (i32.const %d))))\n",
             TOLD, TOLD, TOLD + 8, TOLD + 48, TOLD + 56, TOLD + 64, TOLD + 96, TOLD + 112,
             TOLD + 116, TOLD + 152);
    teller_code = fixture_upload(f, wat.at);
    text_fini(&wat);
    f->gas = 10000;
    teller = fixture_create(f, &teller_code, (mr_span){0});
}

static script failing(const char *how, uint64_t system_gas)
{
    script s = script_new();
    STEP(&s, "gr_system_reserve_gas", system_gas, OUT);
    STEP(&s, how, 0);
    return s;
}

static void assert_told(fixture *f, uint64_t times, uint32_t code, uint64_t gas, const mr_id *of)
{
    assert_int_equal(fixture_u64(f, &teller, TOLD), times);
    assert_int_equal(fixture_u32(f, &teller, TOLD + 8), 0);
    assert_id_equal(fixture_id(f, &teller, TOLD + 12), *of);
    assert_int_equal(fixture_u32(f, &teller, TOLD + 48), 0);
    assert_int_equal(fixture_u32(f, &teller, TOLD + 52), code);
    assert_int_equal(fixture_u64(f, &teller, TOLD + 56), gas);
    assert_value_equal(fixture_u128(f, &teller, TOLD + 96), 0);
    assert_int_equal(fixture_u32(f, &teller, TOLD + 112), 0);
    assert_int_equal(fixture_u32(f, &teller, TOLD + 116), 105);
    assert_int_equal(fixture_u32(f, &teller, TOLD + 152), 105);
}

static mr_schedule with_instructions(void)
{
    mr_schedule schedule = ledger_schedule();
    schedule.instruction = 1; /* a loop must end */
    return schedule;
}

LEDGER_TEST_WITH(every_failure_has_its_signal_code, with_instructions())
{
    make_teller(f);
    static const struct {
        const char *how;
        uint64_t arg;
        mr_outcome outcome;
        uint32_t code;
    } cases[] = {
        {"gr_panic", 0, MR_OUTCOME_PANIC, 100},   {"spin", 0, MR_OUTCOME_OUT_OF_GAS, 101},
        {"gr_wait_for", 0, MR_OUTCOME_TRAP, 102}, {"gr_oom_panic", 0, MR_OUTCOME_MEMORY, 103},
        {"unreachable", 0, MR_OUTCOME_TRAP, 104}, {"divide", 0, MR_OUTCOME_TRAP, 104},
        {"recurse", 0, MR_OUTCOME_STACK, 105},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const script s = failing(cases[i].how, 3000);
        const mr_value before = account(f, "alice");
        const mr_id id = ledger_send(f, &teller, &s, 200000);
        assert_int_equal(fixture_receipt(f, 0).outcome, cases[i].outcome);
        assert_block(f, 2, 1);
        const mr_receipt signal = fixture_receipt(f, 1);
        assert_int_equal(signal.kind, MR_KIND_SIGNAL);
        assert_int_equal(signal.outcome, MR_OUTCOME_OK);
        assert_int_equal(signal.gas_limit, 3000);
        assert_id_equal(signal.parent, id);
        assert_memory_equal(signal.source.bytes, "geargeargeargeargeargeargeargear", 32);
        const uint64_t at_call = fixture_u64(f, &teller, TOLD + 56);
        assert_told(f, i + 1, cases[i].code, at_call, &id);
        assert_id_equal(fixture_id(f, &teller, TOLD + 64), signal.message);
        assert_paid(f, before, fixture_receipt(f, 0).gas_burned + signal.gas_burned);
        if (cases[i].code == 101) /* all but what it had reserved */
            assert_int_equal(fixture_receipt(f, 0).gas_burned, 200000 - 3000);
        assert_int_equal(fixture_receipt(f, 0).sent, 2);
    }
}

/* 200: removed from the waitlist; the reservation has been kept while it waited. */
LEDGER_TEST(a_removed_message_has_its_signal)
{
    make_teller(f);
    script s = script_new();
    STEP(&s, "gr_system_reserve_gas", 1500, OUT);
    STEP(&s, "gr_system_reserve_gas", 500, OUT);
    STEP(&s, "gr_wait", 0);
    const mr_value before = account(f, "alice");
    const mr_id id = ledger_send(f, &teller, &s, RUN + 2000 + 25);
    assert_held(f, 2025, 1, 0, 1);
    blocks(f, 2);
    assert_ran(f, 0, &teller, HANDLE, REMOVED, 5, 0);
    assert_ran(f, 1, &teller, SIGNAL, OK, 2000, RUN);
    assert_code(fixture_message(f, 0), 1, 3, 0);
    assert_told(f, 1, 200, 1000, &id);
    assert_held(f, 0, 0, 0, 0);
    assert_paid(f, before, 2 * RUN + 20);
}

/* The signal goes first, then the error reply. */
LEDGER_TEST(a_signal_is_sent_before_the_error_reply)
{
    make_teller(f);
    const script fail = failing("unreachable", 1500);
    script ask = script_new();
    STEP(&ask, "gr_send_wgas", script_to(&ask, &teller, 3), script_script(&ask, &fail),
         script_span(&fail).size, 5000, 0, OUT);
    f->value = 3;
    (void)ledger_send(f, &world.a, &ask, 20000);
    assert_ran(f, 1, &teller, HANDLE, TRAP, 5000, RUN);
    assert_ran(f, 2, &teller, SIGNAL, OK, 1500, RUN);
    assert_ran(f, 3, &world.a, REPLY, OK, 5000 - RUN - 1500, RUN);
    assert_value_equal(fixture_program_info(f, &world.a).balance, 3);
}

LEDGER_TEST(a_success_has_no_signal_and_its_reservation_back)
{
    make_teller(f);
    const mr_value before = account(f, "alice");
    script s = script_new();
    STEP(&s, "gr_system_reserve_gas", 3000, OUT);
    STEP(&s, "gr_gas_available", OUT + 16);
    STEP(&s, "gr_system_reserve_gas", 0, OUT + 4);
    STEP(&s, "gr_system_reserve_gas", 6001, OUT + 8);
    STEP(&s, "gr_system_reserve_gas", 6000, OUT + 12);
    STEP(&s, "gr_send", script_to(&s, &world.quiet, 0), 0, 0, 0, OUT + 32); /* 100: no floor */
    (void)ledger_send(f, &teller, &s, 10000);
    static const uint32_t codes[] = {0, 503, 100, 0};
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(fixture_u32(f, &teller, OUT + 4 * i), codes[i]);
    assert_int_equal(fixture_u64(f, &teller, OUT + 16), 6000);
    assert_int_equal(fixture_u32(f, &teller, OUT + 32), 100);
    assert_block(f, 1, 1);
    assert_paid(f, before, RUN);
    /* Its share is of what was reserved, too. */
    script send = script_new();
    STEP(&send, "gr_system_reserve_gas", 3000, OUT);
    STEP(&send, "gr_send", script_to(&send, &world.quiet, 0), 0, 0, 0, OUT + 32);
    (void)ledger_send(f, &teller, &send, 10000);
    assert_ran(f, 1, &world.quiet, HANDLE, OK, 9000, 0);
}

/* Neither init, nor what never ran, nor an error reply, nor a signal is told of. */
LEDGER_TEST(some_failures_have_no_signal)
{
    make_teller(f);
    const mr_value before = account(f, "alice");
    script s = failing("unreachable", 3000);
    f->gas = 10000;
    const mr_id poor = fixture_create(f, &teller_code, script_span(&s)); /* init */
    assert_ran(f, 0, &poor, INIT, TRAP, 10000, RUN);
    assert_block(f, 1, 1);
    assert_paid(f, before, RUN);
    /* Without a reservation. */
    script plain = script_new();
    STEP(&plain, "unreachable");
    (void)ledger_send(f, &teller, &plain, 10000);
    assert_block(f, 1, 1);
    /* One that waited and finds its program gone. */
    script wait = script_new(), exit = script_new();
    STEP(&wait, "gr_system_reserve_gas", 3000, OUT);
    STEP(&wait, "gr_wait", 0);
    STEP(&exit, "gr_exit", script_data(&exit, &world.bob, 32));
    const mr_value then = account(f, "alice");
    (void)ledger_send(f, &teller, &wait, 10000);
    (void)ledger_send(f, &teller, &exit, 10000);
    assert_ran(f, 1, &teller, HANDLE, UNAVAILABLE, 10000 - RUN - 3000 - RENT, 0);
    assert_block(f, 2, 2);
    assert_held(f, 0, 0, 0, 0);
    assert_paid(f, then, 2 * RUN + RENT);
}

/* A handled reply is told of when it was a success, not when it was an error. */
LEDGER_TEST(a_failed_reply_has_a_signal_if_it_brought_a_success)
{
    make_teller(f);
    for (unsigned error = 0; error < 2; error++) {
        const script fail = failing("unreachable", 1500);
        script answer = script_new(), ask = script_new();
        const uint32_t payload = script_script(&answer, &fail);
        if (error)
            STEP(&answer, "gr_panic", payload, script_span(&fail).size);
        else
            STEP(&answer, "gr_reply", payload, script_span(&fail).size, NO_VALUE, OUT);
        STEP(&ask, "gr_send_wgas", script_to(&ask, &world.b, 0), script_script(&ask, &answer),
             script_span(&answer).size, 6000, 0, OUT);
        (void)ledger_send(f, &teller, &ask, 20000);
        assert_ran(f, 2, &teller, REPLY, TRAP, 5000, RUN);
        if (error)
            assert_block(f, 3, 1);
        else
            assert_ran(f, 3, &teller, SIGNAL, OK, 1500, RUN);
    }
    assert_held(f, 0, 0, 0, 0);
}

/* What adds to the reservation is not undone with the dispatch. */
LEDGER_TEST(the_reservation_grows_over_the_runs_of_a_message)
{
    make_teller(f);
    script s = script_new();
    STEP(&s, "count", RUNS);
    STEP(&s, "gr_system_reserve_gas", 1200, OUT);
    STEP(&s, "unless", RUNS, 1, 1);
    STEP(&s, "gr_wait_for", 2);
    STEP(&s, "unreachable");
    const mr_id id = ledger_send(f, &teller, &s, 10000);
    assert_held(f, 9000, 1, 0, 1);
    blocks(f, 2);
    assert_ran(f, 0, &teller, HANDLE, TRAP, 10000 - RUN - 1200 - 20, RUN);
    assert_ran(f, 1, &teller, SIGNAL, OK, 2400, RUN);
    assert_told(f, 1, 104, 1400, &id);
}

/* handle_signal may not ask who sent it, answer, or reserve for the system. */
LEDGER_TEST(what_a_signal_may_not_do_is_a_trap)
{
    static const char *const forbidden[] = {
        "(call $gr_source (i32.const 4000))",
        "(call $gr_reply (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 4000))",
        "(call $gr_reply_wgas (i32.const 0) (i32.const 0) (i64.const 0) (i32.const -1) (i32.const "
        "4000))",
        "(call $gr_reply_push (i32.const 0) (i32.const 0) (i32.const 4000))",
        "(call $gr_reply_push_input (i32.const 0) (i32.const 0) (i32.const 4000))",
        "(call $gr_reply_commit (i32.const -1) (i32.const 4000))",
        "(call $gr_reply_commit_wgas (i64.const 0) (i32.const -1) (i32.const 4000))",
        "(call $gr_reply_input (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 4000))",
        "(call $gr_reply_input_wgas (i32.const 0) (i32.const 0) (i64.const 0) (i32.const -1) "
        "(i32.const 4000))",
        "(call $gr_reservation_reply (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4000))",
        "(call $gr_reservation_reply_commit (i32.const 0) (i32.const 4000))",
        "(call $gr_system_reserve_gas (i64.const 1) (i32.const 4000))",
    };
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        wat_text body = {0};
        text_add(&body,
                 "(func (export \"handle\") (call $gr_system_reserve_gas (i64.const 2000)"
                 "(i32.const 4000)) (unreachable)) (func (export \"handle_signal\") %s)",
                 forbidden[i]);
        f->gas = 10000;
        const mr_id program = fixture_program_of(f, 1, body.at);
        text_fini(&body);
        f->gas = 10000;
        (void)fixture_send(f, &program, (mr_span){0});
        assert_ran(f, 1, &program, SIGNAL, TRAP, 2000, RUN);
        assert_text(fixture_receipt(f, 1).text,
                    "a host function was called that handle_signal may not call");
        assert_block(f, 2, 1); /* nobody is told of that */
    }
}

/* One without the entry takes it without running, and its gas is the payer's. */
LEDGER_TEST(a_program_without_handle_signal_is_told_nothing)
{
    const mr_id code = actor_upload(f, "handle");
    f->gas = 10000;
    const mr_id deaf = fixture_create(f, &code, (mr_span){0});
    const mr_value before = account(f, "alice");
    const script s = failing("unreachable", 1500);
    (void)ledger_send(f, &deaf, &s, 10000);
    assert_ran(f, 1, &deaf, SIGNAL, OK, 1500, 0);
    assert_paid(f, before, RUN);
}

/* A signal may send, and wait. */
LEDGER_TEST(a_signal_is_a_message_like_others)
{
    f->gas = 10000;
    const mr_id program = fixture_program_of(
        f, 1,
        "(func (export \"handle\") (call $gr_system_reserve_gas (i64.const 5000) (i32.const 4000))"
        "(unreachable)) (func (export \"handle_signal\")"
        "(call $gr_send_wgas (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0)"
        "(i32.const 4000))"
        "(if (i32.eqz (i32.load (i32.const 100))) (then (i32.store (i32.const 100) (i32.const 1))"
        "(call $gr_wait_for (i32.const 3)))))");
    (void)ledger_send(f, &program, &(script){0}, 10000);
    assert_ran(f, 1, &program, SIGNAL, WAITING, 5000, RUN);
    assert_held(f, 4000, 1, 0, 1);
    assert_block(f, 2, 2);
    blocks(f, 3);
    assert_ran(f, 0, &program, SIGNAL, OK, 4000 - 30, RUN);
    assert_block(f, 1, 1); /* sent, and nobody answered */
    assert_held(f, 0, 0, 0, 0);
}

LEDGER_TEST(outside_handle_signal_there_is_nothing_to_tell)
{
    script s = script_new();
    STEP(&s, "gr_signal_from", OUT);
    STEP(&s, "gr_signal_code", OUT + 64);
    (void)ledger_send(f, &world.a, &s, 10000);
    assert_int_equal(fixture_u32(f, &world.a, OUT), 106);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 64), 106);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_has_its_signal_code),
        cmocka_unit_test(a_removed_message_has_its_signal),
        cmocka_unit_test(a_signal_is_sent_before_the_error_reply),
        cmocka_unit_test(a_success_has_no_signal_and_its_reservation_back),
        cmocka_unit_test(some_failures_have_no_signal),
        cmocka_unit_test(a_failed_reply_has_a_signal_if_it_brought_a_success),
        cmocka_unit_test(the_reservation_grows_over_the_runs_of_a_message),
        cmocka_unit_test(what_a_signal_may_not_do_is_a_trap),
        cmocka_unit_test(a_program_without_handle_signal_is_told_nothing),
        cmocka_unit_test(a_signal_is_a_message_like_others),
        cmocka_unit_test(outside_handle_signal_there_is_nothing_to_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
