/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a program is born, answers, dies and is inherited from as docs/SEMANTICS.md says, and no
 * value is lost on the way.
 * Method: actors that send each other scripts; accounts are on, so that every unit of value and gas
 * is somewhere, and the check of the state counts it after every block. */
#include "tests/engine/actor.h"

enum { OUT = 0x1000, CHEAP = 50000000 };

static const mr_value wealth = (mr_value)1 << 100;

static void open_rich(fixture *f)
{
    const mr_balance genesis[] = {
        {mr_id_of_name("alice"), wealth},
        {mr_id_of_name("bob"), wealth},
    };
    fixture_open(f, &(mr_engine_options){.accounts = true, .genesis = genesis, .genesis_count = 2});
}

static mr_value balance(const fixture *f, const char *name)
{
    const mr_id id = mr_id_of_name(name);
    mr_value value = 0;
    const mr_status status = mr_engine_account(f->engine, &id, &value);
    assert_true(status == MR_OK || status == MR_NOT_FOUND);
    return value;
}

/* What a message of `bytes` costs alice beside the gas it burns. */
static mr_value fee(size_t bytes)
{
    return (mr_value)(10000 + 20 * bytes) * 100;
}

static mr_value program_balance(const fixture *f, const mr_id *program)
{
    return fixture_program_info(f, program).balance;
}

static void give(fixture *f, const mr_id *actor, mr_value value)
{
    const script nothing = script_new();
    f->value = value;
    script_run_ok(f, actor, &nothing);
    f->value = 0;
}

static void assert_receipt(const fixture *f, uint64_t i, const mr_id *program, mr_kind kind,
                           mr_outcome outcome)
{
    const mr_receipt receipt = fixture_receipt(f, i);
    assert_id_equal(receipt.program, *program);
    if (receipt.kind != kind || receipt.outcome != outcome)
        fail_msg("receipt %u: %s %s %.*s", (unsigned)i, mr_kind_name(receipt.kind),
                 mr_outcome_name(receipt.outcome), (int)receipt.text.size,
                 (const char *)receipt.text.data);
}

/* ---- Entries ---- */

static void a_program_without_an_entry_succeeds_without_running(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id handle_only = actor_upload(&f, "handle"), init_only = actor_upload(&f, "init");
    f.value = 7;
    const mr_value before = balance(&f, "alice");
    const mr_id first = fixture_create(&f, &handle_only, mr_span_text("hello"));
    assert_receipt(&f, 0, &first, MR_KIND_INIT, MR_OUTCOME_OK);
    assert_int_equal(fixture_receipt(&f, 0).gas_burned, 0);
    assert_code(fixture_message(&f, 0), 0, 0, 0);
    assert_int_equal(fixture_program_info(&f, &first).status, MR_PROGRAM_ACTIVE);
    assert_value_equal(program_balance(&f, &first), 7);
    assert_value_equal(before - balance(&f, "alice"), 7 + fee(5));

    const mr_id second = fixture_create(&f, &init_only, (mr_span){0});
    assert_true(fixture_receipt(&f, 0).gas_burned > 0);
    const mr_receipt receipt = fixture_send(&f, &second, mr_span_text("hello"));
    assert_int_equal(receipt.outcome, MR_OUTCOME_OK);
    assert_int_equal(receipt.gas_burned, 0);
    assert_int_equal(receipt.sent, 1);
    assert_code(fixture_message(&f, 0), 0, 0, 0);
    assert_value_equal(program_balance(&f, &second), 14);
    fixture_close(&f);
}

static void a_reply_to_a_program_without_handle_reply_is_taken_without_running(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id code = actor_upload(&f, "handle"), bob = mr_id_of_name("bob");
    const mr_id actor = fixture_create(&f, &code, (mr_span){0});
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &bob, 0), 0, 0, 3000, 0, OUT);
    script_run_ok(&f, &actor, &s);
    const mr_transaction reply = {
        .kind = MR_TRANSACTION_REPLY,
        .from = bob,
        .to = fixture_message(&f, 0).id,
        .payload = mr_span_text("hello"),
        .gas_limit = CHEAP,
        .value = 9,
    };
    fixture_run(&f, &reply, 1);
    fixture_accepted(&f);
    assert_receipt(&f, 0, &actor, MR_KIND_REPLY, MR_OUTCOME_OK);
    assert_int_equal(fixture_receipt(&f, 0).gas_burned, 0);
    assert_int_equal(fixture_receipt(&f, 0).sent, 0);
    assert_value_equal(program_balance(&f, &actor), 9);
    assert_value_equal(balance(&f, "bob"), wealth - 9 - fee(5));
    fixture_close(&f);
}

/* init is first in the queue of its program, whoever was faster to write to it. */
static void a_message_sent_before_the_program_was_made_comes_after_its_init(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id code = actor_upload(&f, "init handle handle_reply");
    const mr_id sender = fixture_create(&f, &code, (mr_span){0});
    const mr_id later = mr_id_of_program(&code, mr_span_text("later"));
    script s = script_new(), note = script_new();
    STEP(&note, "store", OUT, 1);
    STEP(&s, "gr_send", script_to(&s, &later, 0), script_script(&s, &note), script_span(&note).size,
         0, OUT);
    const mr_transaction transactions[] = {
        fixture_send_of(&f, &sender, script_span(&s)),
        {.kind = MR_TRANSACTION_CREATE,
         .from = f.from,
         .to = code,
         .salt = mr_span_text("later"),
         .gas_limit = CHEAP},
    };
    fixture_run(&f, transactions, 2);
    fixture_accepted(&f);
    assert_receipt(&f, 0, &sender, MR_KIND_HANDLE, MR_OUTCOME_OK);
    assert_receipt(&f, 1, &later, MR_KIND_INIT, MR_OUTCOME_OK);
    assert_receipt(&f, 2, &later, MR_KIND_HANDLE, MR_OUTCOME_OK);
    assert_int_equal(fixture_u64(&f, &later, OUT), 1);
    fixture_close(&f);
}

/* ---- Programs that take no messages ---- */

static void a_failed_init_terminates_the_program(void **state)
{
    (void)state;
    static const char *const endings[] = {"unreachable", "gr_oom_panic", "spin", "recurse"};
    fixture f;
    open_rich(&f);
    f.gas = CHEAP;
    const mr_id code = actor_upload(&f, "init handle handle_reply");
    for (size_t i = 0; i <= 4; i++) {
        script s = script_new();
        STEP(&s, "store", OUT, 1);
        if (i < 4)
            STEP(&s, endings[i]);
        else
            f.gas = 10000; /* too little to begin */
        f.value = 11;
        const mr_value before = balance(&f, "alice");
        const mr_id actor = fixture_create(&f, &code, script_span(&s));
        const mr_receipt receipt = fixture_receipt(&f, 0);
        assert_true(receipt.outcome != MR_OUTCOME_OK);
        assert_value_equal(fixture_message(&f, 0).value, 11);
        assert_int_equal(fixture_program_info(&f, &actor).status, MR_PROGRAM_TERMINATED);
        assert_value_equal(program_balance(&f, &actor), 0);
        assert_int_equal(fixture_u64(&f, &actor, OUT), 0);
        assert_value_equal(before - balance(&f, "alice"),
                           (mr_value)receipt.gas_burned * 100 + fee(script_span(&s).size));

        f.gas = CHEAP;
        const mr_value middle = balance(&f, "alice");
        const mr_receipt refused = fixture_send(&f, &actor, mr_span_text("hello"));
        assert_int_equal(refused.outcome, MR_OUTCOME_UNAVAILABLE);
        assert_int_equal(refused.gas_burned, 0);
        assert_int_equal(refused.sent, 1);
        assert_code(fixture_message(&f, 0), 1, 2, 1);
        assert_int_equal(fixture_message(&f, 0).payload.size, 0);
        assert_value_equal(fixture_message(&f, 0).value, 11);
        assert_value_equal(middle - balance(&f, "alice"), fee(5));
    }
    fixture_close(&f);
}

static void an_exited_program_names_its_heir(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id actor = actor_new(&f), carol = mr_id_of_name("carol");
    script s = script_new();
    STEP(&s, "gr_exit", script_data(&s, &carol, 32));
    assert_int_equal(script_run(&f, &actor, &s).outcome, MR_OUTCOME_EXITED);
    const mr_program_info info = fixture_program_info(&f, &actor);
    assert_int_equal(info.status, MR_PROGRAM_EXITED);
    assert_id_equal(info.inheritor, carol);
    f.value = 5;
    const mr_value before = balance(&f, "alice");
    const mr_receipt receipt = fixture_send(&f, &actor, script_span(&s));
    assert_int_equal(receipt.outcome, MR_OUTCOME_UNAVAILABLE);
    assert_code(fixture_message(&f, 0), 1, 2, 0);
    assert_int_equal(fixture_message(&f, 0).payload.size, 32);
    assert_memory_equal(fixture_message(&f, 0).payload.data, carol.bytes, 32);
    assert_value_equal(fixture_message(&f, 0).value, 5);
    assert_value_equal(before - balance(&f, "alice"), fee(script_span(&s).size));
    fixture_close(&f);
}

/* The error of a program that sent to one that is gone: code, payload and value come back to it. */
static void a_program_is_told_that_its_partner_is_gone(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id gone = actor_new(&f), carol = mr_id_of_name("carol");
    script exit = script_new();
    STEP(&exit, "gr_exit", script_data(&exit, &carol, 32));
    assert_int_equal(script_run(&f, &gone, &exit).outcome, MR_OUTCOME_EXITED);
    /* Whatever it is told it writes down. */
    const mr_id teller = fixture_program_of(
        &f, 2,
        "(func (export \"handle\") (call $gr_read (i32.const 0) (i32.const 48) (i32.const 0)"
        "(i32.const 4000)) (call $gr_send (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)"
        "(i32.const 4000)))"
        "(func (export \"handle_reply\") (call $gr_reply_code (i32.const 256))"
        "(call $gr_reply_to (i32.const 264)) (call $gr_source (i32.const 300))"
        "(call $gr_value (i32.const 332)) (call $gr_size (i32.const 348))"
        "(call $gr_read (i32.const 0) (i32.load (i32.const 348)) (i32.const 352) (i32.const "
        "4000)))");
    uint8_t payload[48] = {0};
    memcpy(payload, gone.bytes, 32);
    payload[32] = 6;
    f.value = 10;
    fixture_send(&f, &teller, mr_span_of(payload, 48));
    assert_receipt(&f, 1, &gone, MR_KIND_HANDLE, MR_OUTCOME_UNAVAILABLE);
    assert_receipt(&f, 2, &teller, MR_KIND_REPLY, MR_OUTCOME_OK);
    assert_int_equal(fixture_u32(&f, &teller, 256), 0);
    assert_int_equal(fixture_u32(&f, &teller, 260), 0x0201); /* 01 02 00 00 */
    assert_int_equal(fixture_u32(&f, &teller, 264), 0);
    assert_id_equal(fixture_id(&f, &teller, 268), fixture_receipt(&f, 1).message);
    assert_id_equal(fixture_id(&f, &teller, 300), gone);
    assert_value_equal(fixture_u128(&f, &teller, 332), 6);
    assert_int_equal(fixture_u32(&f, &teller, 348), 32);
    assert_id_equal(fixture_id(&f, &teller, 352), carol);
    assert_value_equal(program_balance(&f, &teller), 10);
    fixture_close(&f);
}

/* ---- Replies between programs ---- */

static void a_panic_reaches_the_program_that_asked(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id asker = actor_new(&f), answerer = actor_new(&f);
    script told = script_new(), panic = script_new(), s = script_new();
    STEP(&told, "gr_reply_code", OUT);
    STEP(&told, "gr_value", OUT + 8);
    STEP(&panic, "gr_panic", script_script(&panic, &told), script_span(&told).size);
    STEP(&s, "gr_send", script_to(&s, &answerer, 6), script_script(&s, &panic),
         script_span(&panic).size, 0, OUT + 64);
    f.value = 10;
    fixture_send(&f, &asker, script_span(&s));
    assert_int_equal(fixture_info(&f).receipts_count, 3);
    assert_receipt(&f, 0, &asker, MR_KIND_HANDLE, MR_OUTCOME_OK);
    assert_receipt(&f, 1, &answerer, MR_KIND_HANDLE, MR_OUTCOME_PANIC);
    assert_receipt(&f, 2, &asker, MR_KIND_REPLY, MR_OUTCOME_OK);
    assert_int_equal(fixture_u32(&f, &asker, OUT + 4), 0x030001); /* 01 00 03 00 */
    assert_value_equal(fixture_u128(&f, &asker, OUT + 8), 6);
    assert_value_equal(program_balance(&f, &asker), 10);
    assert_value_equal(program_balance(&f, &answerer), 0);
    fixture_close(&f);
}

static void an_automatic_reply_reaches_the_program_that_asked(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id asker = actor_new(&f), answerer = actor_new(&f);
    script s = script_new();
    STEP(&s, "gr_send", script_to(&s, &answerer, 6), 0, 0, 0, OUT);
    f.value = 10;
    fixture_send(&f, &asker, script_span(&s));
    assert_int_equal(fixture_info(&f).receipts_count, 3);
    assert_receipt(&f, 1, &answerer, MR_KIND_HANDLE, MR_OUTCOME_OK);
    assert_receipt(&f, 2, &asker, MR_KIND_REPLY, MR_OUTCOME_OK);
    assert_int_equal(fixture_receipt(&f, 2).sent, 0);
    assert_value_equal(program_balance(&f, &asker), 4);
    assert_value_equal(program_balance(&f, &answerer), 6);
    assert_int_equal(fixture_info(&f).user_messages_count, 1);
    fixture_close(&f);
}

/* Values ride on messages and replies; what a failed handle_reply was sent stays where it is. */
static void value_moves_with_messages_and_stays_with_a_failed_reply(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id asker = actor_new(&f), answerer = actor_new(&f);
    script fail = script_new(), answer = script_new(), s = script_new();
    STEP(&fail, "unreachable");
    STEP(&answer, "gr_reply", script_script(&answer, &fail), script_span(&fail).size,
         script_value(&answer, 4), OUT);
    STEP(&s, "gr_send", script_to(&s, &answerer, 6), script_script(&s, &answer),
         script_span(&answer).size, 0, OUT);
    f.value = 10;
    fixture_send(&f, &asker, script_span(&s));
    assert_receipt(&f, 1, &answerer, MR_KIND_HANDLE, MR_OUTCOME_OK);
    assert_receipt(&f, 2, &asker, MR_KIND_REPLY, MR_OUTCOME_TRAP);
    assert_int_equal(fixture_receipt(&f, 2).sent, 0);
    assert_value_equal(program_balance(&f, &asker), 8);
    assert_value_equal(program_balance(&f, &answerer), 2);
    fixture_close(&f);
}

/* ---- Exit ---- */

static script exit_to(const mr_id *heir)
{
    script s = script_new();
    STEP(&s, "gr_exit", script_data(&s, heir, 32));
    return s;
}

static void a_user_inherits_at_once(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id actor = actor_new(&f), carol = mr_id_of_name("carol"), bob = mr_id_of_name("bob");
    give(&f, &actor, 100);
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &bob, 20), 0, 0, 0, 0, OUT);
    STEP(&s, "gr_reply", 0, 0, script_value(&s, 3), OUT);
    STEP(&s, "gr_exit", script_data(&s, &carol, 32));
    STEP(&s, "unreachable");
    f.value = 1;
    const mr_receipt receipt = script_run(&f, &actor, &s);
    assert_int_equal(receipt.outcome, MR_OUTCOME_EXITED);
    assert_int_equal(receipt.sent, 2);
    assert_int_equal(fixture_info(&f).user_messages_count, 2);
    assert_code(fixture_message(&f, 1), 0, 1, 0);
    assert_value_equal(balance(&f, "carol"), 78);
    assert_value_equal(balance(&f, "bob"), wealth + 20);
    assert_value_equal(program_balance(&f, &actor), 0);
    fixture_close(&f);
}

static void a_program_inherits_by_a_message_without_receipt(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id actor = actor_new(&f), heir = actor_new(&f);
    give(&f, &actor, 100);
    const script s = exit_to(&heir);
    f.value = 1;
    assert_int_equal(script_run(&f, &actor, &s).outcome, MR_OUTCOME_EXITED);
    assert_int_equal(fixture_info(&f).receipts_count, 1);
    assert_int_equal(fixture_info(&f).user_messages_count, 1); /* the automatic reply */
    assert_value_equal(program_balance(&f, &actor), 0);
    assert_value_equal(program_balance(&f, &heir), 101);
    fixture_close(&f);
}

static void who_inherits_from_itself_keeps_what_nobody_gets(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id actor = actor_new(&f);
    const script s = exit_to(&actor);
    f.value = 100;
    assert_int_equal(script_run(&f, &actor, &s).outcome, MR_OUTCOME_EXITED);
    assert_int_equal(fixture_program_info(&f, &actor).status, MR_PROGRAM_EXITED);
    assert_id_equal(fixture_program_info(&f, &actor).inheritor, actor);
    assert_value_equal(program_balance(&f, &actor), 100);
    fixture_close(&f);
}

/* A line of programs each of which leaves to the next, all in one block. */
static void a_heritage_goes_down_a_line_of_exits(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    enum { LINE = 5 };
    mr_id line[LINE];
    script scripts[LINE];
    mr_transaction sends[LINE];
    const mr_id carol = mr_id_of_name("carol");
    for (int i = LINE - 1; i >= 0; i--) {
        line[i] = actor_new(&f);
        scripts[i] = exit_to(i == LINE - 1 ? &carol : &line[i + 1]);
        f.value = 10;
        sends[i] = fixture_send_of(&f, &line[i], script_span(&scripts[i]));
        f.value = 0;
    }
    fixture_run(&f, sends, LINE);
    /* Each exits in the first round, the values arrive in the second: with the exited. */
    for (int i = 0; i < LINE; i++) {
        assert_receipt(&f, (uint64_t)i, &line[i], MR_KIND_HANDLE, MR_OUTCOME_EXITED);
        assert_value_equal(program_balance(&f, &line[i]), i == 0 ? 0 : 10);
    }
    assert_value_equal(balance(&f, "carol"), 10);
    fixture_close(&f);
}

static void messages_in_flight_to_an_exiting_program_come_back(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id actor = actor_new(&f), other = actor_new(&f), carol = mr_id_of_name("carol");
    const script exit = exit_to(&carol);
    script told = script_new(), s = script_new();
    STEP(&told, "store", OUT, 1);
    for (int i = 0; i < 3; i++)
        STEP(&s, "gr_send", script_to(&s, &actor, 5), script_script(&s, &told),
             script_span(&told).size, 0, OUT + 64);
    f.value = 15;
    mr_transaction sends[] = {
        fixture_send_of(&f, &other, script_span(&s)), /* its messages stand behind the rest */
        fixture_send_of(&f, &actor, script_span(&exit)),
        fixture_send_of(&f, &actor, script_span(&told)),
    };
    fixture_run(&f, sends, 3);
    fixture_accepted(&f);
    assert_receipt(&f, 0, &other, MR_KIND_HANDLE, MR_OUTCOME_OK);
    assert_receipt(&f, 1, &actor, MR_KIND_HANDLE, MR_OUTCOME_EXITED);
    assert_receipt(&f, 2, &actor, MR_KIND_HANDLE, MR_OUTCOME_UNAVAILABLE);
    for (uint64_t i = 3; i < 6; i++) {
        assert_receipt(&f, i, &actor, MR_KIND_HANDLE, MR_OUTCOME_UNAVAILABLE);
        assert_receipt(&f, i + 3, &other, MR_KIND_REPLY, MR_OUTCOME_OK);
    }
    assert_value_equal(balance(&f, "carol"), 15);
    assert_value_equal(program_balance(&f, &other), 15);
    assert_value_equal(program_balance(&f, &actor), 0);
    assert_int_equal(fixture_u64(&f, &actor, OUT), 0);
    fixture_close(&f);
}

/* A reply that comes too late: its value stays with the exited program, and nobody is answered. */
static void a_reply_to_an_exited_program_is_lost_with_its_value(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id actor = actor_new(&f), other = actor_new(&f), carol = mr_id_of_name("carol");
    script answer = script_new(), s = script_new();
    STEP(&answer, "gr_reply", 0, 0, script_value(&answer, 4), OUT);
    STEP(&s, "gr_send", script_to(&s, &other, 6), script_script(&s, &answer),
         script_span(&answer).size, 0, OUT + 64);
    STEP(&s, "gr_exit", script_data(&s, &carol, 32));
    f.value = 10;
    fixture_send(&f, &actor, script_span(&s));
    assert_receipt(&f, 0, &actor, MR_KIND_HANDLE, MR_OUTCOME_EXITED);
    assert_receipt(&f, 1, &other, MR_KIND_HANDLE, MR_OUTCOME_OK);
    assert_receipt(&f, 2, &actor, MR_KIND_REPLY, MR_OUTCOME_UNAVAILABLE);
    assert_int_equal(fixture_receipt(&f, 2).sent, 0);
    assert_int_equal(fixture_receipt(&f, 2).gas_burned, 0);
    assert_value_equal(program_balance(&f, &actor), 4);
    assert_value_equal(balance(&f, "carol"), 4);
    assert_value_equal(program_balance(&f, &other), 2);
    fixture_close(&f);
}

static void exit_works_in_init_and_in_handle_reply(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id code = actor_upload(&f, "init handle handle_reply");
    const mr_id carol = mr_id_of_name("carol");
    const script exit = exit_to(&carol);
    f.value = 10;
    const mr_id first = fixture_create(&f, &code, script_span(&exit));
    assert_receipt(&f, 0, &first, MR_KIND_INIT, MR_OUTCOME_EXITED);
    assert_int_equal(fixture_program_info(&f, &first).status, MR_PROGRAM_EXITED);
    assert_value_equal(balance(&f, "carol"), 10);
    const mr_id asker = actor_new(&f), answerer = actor_new(&f);
    script answer = script_new(), s = script_new();
    STEP(&answer, "gr_reply", script_script(&answer, &exit), script_span(&exit).size, NO_VALUE,
         OUT);
    STEP(&s, "gr_send", script_to(&s, &answerer, 0), script_script(&s, &answer),
         script_span(&answer).size, 0, OUT);
    fixture_send(&f, &asker, script_span(&s));
    assert_receipt(&f, 2, &asker, MR_KIND_REPLY, MR_OUTCOME_EXITED);
    assert_value_equal(balance(&f, "carol"),
                       30); /* with what the actors got when made and called */
    fixture_close(&f);
}

/* An exit is undone like everything else when the block is discarded. */
static void a_discarded_exit_never_happened(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id actor = actor_new(&f), carol = mr_id_of_name("carol");
    give(&f, &actor, 10);
    const mr_program_info before = fixture_program_info(&f, &actor);
    const script exit = exit_to(&carol);
    const mr_transaction send = fixture_send_of(&f, &actor, script_span(&exit));
    mr_block_discard(fixture_execute(&f, &send, 1));
    const mr_program_info after = fixture_program_info(&f, &actor);
    assert_memory_equal(&before, &after, sizeof before);
    assert_value_equal(balance(&f, "carol"), 0);
    give(&f, &actor, 1);
    fixture_close(&f);
}

/* ---- Letters ---- */

static mr_admission reply_as(fixture *f, const char *name, const mr_id *message)
{
    const mr_transaction reply = {
        .kind = MR_TRANSACTION_REPLY,
        .from = mr_id_of_name(name),
        .to = *message,
        .gas_limit = CHEAP,
    };
    fixture_run(f, &reply, 1);
    return fixture_result(f, 0).admission;
}

static void only_messages_with_gas_may_be_answered_once_by_who_got_them(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    script s = script_new();
    const uint32_t to = script_to(&s, &bob, 0);
    STEP(&s, "gr_send", to, 0, 0, 0, OUT);
    STEP(&s, "gr_send_wgas", to, 0, 0, 0, 0, OUT);
    STEP(&s, "gr_send_wgas", to, 0, 0, 3000, 0, OUT);
    STEP(&s, "gr_send_wgas", to, 0, 0, 4000, 0, OUT);
    STEP(&s, "gr_reply_wgas", 0, 0, 5000, NO_VALUE, OUT);
    script_run_ok(&f, &actor, &s);
    mr_id ids[5];
    for (uint64_t i = 0; i < 5; i++)
        ids[i] = fixture_message(&f, i).id;
    assert_int_equal(reply_as(&f, "bob", &ids[0]), MR_ADMISSION_ACCEPTED); /* the threshold */
    assert_int_equal(reply_as(&f, "bob", &ids[0]), MR_ADMISSION_NO_MESSAGE);
    assert_int_equal(reply_as(&f, "bob", &ids[1]), MR_ADMISSION_NO_MESSAGE);
    assert_int_equal(reply_as(&f, "alice", &ids[2]), MR_ADMISSION_NO_MESSAGE);
    assert_int_equal(reply_as(&f, "bob", &ids[2]), MR_ADMISSION_ACCEPTED);
    assert_int_equal(reply_as(&f, "bob", &ids[2]), MR_ADMISSION_NO_MESSAGE);
    assert_int_equal(reply_as(&f, "bob", &ids[4]), MR_ADMISSION_NO_MESSAGE); /* replies: none */
    assert_int_equal(reply_as(&f, "alice", &ids[4]), MR_ADMISSION_NO_MESSAGE);
    /* Twice in one block. */
    const mr_transaction reply = {
        .kind = MR_TRANSACTION_REPLY, .from = bob, .to = ids[3], .gas_limit = CHEAP};
    const mr_transaction twice[] = {reply, reply};
    fixture_run(&f, twice, 2);
    assert_int_equal(fixture_result(&f, 0).admission, MR_ADMISSION_ACCEPTED);
    assert_int_equal(fixture_result(&f, 1).admission, MR_ADMISSION_NO_MESSAGE);
    assert_int_equal(reply_as(&f, "bob", &ids[3]), MR_ADMISSION_NO_MESSAGE);
    fixture_close(&f);
}

static void a_refused_or_discarded_answer_leaves_the_letter(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id actor = actor_new(&f), carol = mr_id_of_name("carol");
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &carol, 0), 0, 0, 3000, 0, OUT);
    script_run_ok(&f, &actor, &s);
    const mr_id letter = fixture_message(&f, 0).id;
    assert_int_equal(reply_as(&f, "carol", &letter), MR_ADMISSION_BALANCE); /* she has nothing */
    const mr_transaction gift = {
        .kind = MR_TRANSACTION_TRANSFER, .from = f.from, .to = carol, .value = (mr_value)1 << 60};
    fixture_run(&f, &gift, 1);
    fixture_accepted(&f);
    const mr_transaction reply = {
        .kind = MR_TRANSACTION_REPLY, .from = carol, .to = letter, .gas_limit = CHEAP};
    mr_block_discard(fixture_execute(&f, &reply, 1));
    assert_int_equal(reply_as(&f, "carol", &letter), MR_ADMISSION_ACCEPTED);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_without_an_entry_succeeds_without_running),
        cmocka_unit_test(a_reply_to_a_program_without_handle_reply_is_taken_without_running),
        cmocka_unit_test(a_message_sent_before_the_program_was_made_comes_after_its_init),
        cmocka_unit_test(a_failed_init_terminates_the_program),
        cmocka_unit_test(an_exited_program_names_its_heir),
        cmocka_unit_test(a_program_is_told_that_its_partner_is_gone),
        cmocka_unit_test(a_panic_reaches_the_program_that_asked),
        cmocka_unit_test(an_automatic_reply_reaches_the_program_that_asked),
        cmocka_unit_test(value_moves_with_messages_and_stays_with_a_failed_reply),
        cmocka_unit_test(a_user_inherits_at_once),
        cmocka_unit_test(a_program_inherits_by_a_message_without_receipt),
        cmocka_unit_test(who_inherits_from_itself_keeps_what_nobody_gets),
        cmocka_unit_test(a_heritage_goes_down_a_line_of_exits),
        cmocka_unit_test(messages_in_flight_to_an_exiting_program_come_back),
        cmocka_unit_test(a_reply_to_an_exited_program_is_lost_with_its_value),
        cmocka_unit_test(exit_works_in_init_and_in_handle_reply),
        cmocka_unit_test(a_discarded_exit_never_happened),
        cmocka_unit_test(only_messages_with_gas_may_be_answered_once_by_who_got_them),
        cmocka_unit_test(a_refused_or_discarded_answer_leaves_the_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
