/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a dispatch of init or handle is answered once, by the program's reply, an automatic one or
 * an error, and no way of replying does anything else.
 * Method: scripts of the actor; codes read from its memory, replies from the block. */
#include "tests/engine/actor.h"

#include <sodium.h>

enum { CODES = 0x1000 /* where error codes go, 64 bytes apart */ };

static uint64_t code_slot(unsigned i)
{
    return CODES + 64 * i;
}

static void assert_codes(const fixture *f, const mr_id *actor, const uint32_t *codes, size_t bytes)
{
    for (unsigned i = 0; i < bytes / sizeof *codes; i++) {
        const uint32_t code = fixture_u32(f, actor, code_slot(i));
        if (code != codes[i])
            fail_msg("call %u: code %u, not %u", i, code, codes[i]);
    }
}

static mr_id reply_id(const mr_id *message)
{
    uint8_t bytes[37] = "reply";
    memcpy(bytes + 5, message->bytes, 32);
    mr_id id;
    assert_int_equal(crypto_generichash(id.bytes, 32, bytes, sizeof bytes, NULL, 0), 0);
    return id;
}

enum { WAYS = 8 };

/* Adds one way of replying "hello world" with value 5; its code goes to slot 0. */
static void add_reply(script *s, unsigned way)
{
    const uint32_t text = script_text(s, "hello world"), value = script_value(s, 5);
    const uint32_t offset = text - ACTOR_SCRIPT;
    switch (way) {
    case 0:
        STEP(s, "gr_reply", text, 11, value, code_slot(0));
        break;
    case 1:
        STEP(s, "gr_reply_wgas", text, 11, 1, value, code_slot(0));
        break;
    case 2:
        STEP(s, "gr_reply_input", offset, 11, value, code_slot(0));
        break;
    case 3:
        STEP(s, "gr_reply_input_wgas", offset, 11, 77, value, code_slot(0));
        break;
    case 4:
        STEP(s, "gr_reply_push", text, 11, code_slot(1));
        STEP(s, "gr_reply_commit", value, code_slot(0));
        break;
    case 5:
        STEP(s, "gr_reply_push_input", offset, 6, code_slot(1));
        STEP(s, "gr_reply_push", text + 6, 5, code_slot(2));
        STEP(s, "gr_reply_commit_wgas", 0, value, code_slot(0));
        break;
    case 6: /* what was pushed comes first */
        STEP(s, "gr_reply_push", text, 5, code_slot(1));
        STEP(s, "gr_reply", text + 5, 6, value, code_slot(0));
        break;
    default:
        STEP(s, "gr_reply_push", text, 5, code_slot(1));
        STEP(s, "gr_reply_input", offset + 5, 6, value, code_slot(0));
    }
}

static void each_way_of_replying_gives_the_same_reply(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    for (unsigned way = 0; way < WAYS; way++) {
        const mr_id actor = actor_new(&f);
        script s = script_new();
        add_reply(&s, way);
        f.value = 8;
        script_run_ok(&f, &actor, &s);
        const mr_receipt receipt = fixture_receipt(&f, 0);
        assert_int_equal(receipt.sent, 1);
        assert_int_equal(fixture_info(&f).user_messages_count, 1);
        const mr_user_message reply = fixture_message(&f, 0);
        assert_int_equal(fixture_u32(&f, &actor, code_slot(0)), 0);
        assert_id_equal(fixture_id(&f, &actor, code_slot(0) + 4), reply_id(&receipt.message));
        assert_id_equal(reply.id, reply_id(&receipt.message));
        assert_id_equal(reply.reply_to, receipt.message);
        assert_id_equal(reply.from, actor);
        assert_id_equal(reply.to, f.from);
        assert_code(reply, 0, 1, 0);
        assert_value_equal(reply.value, 5);
        assert_text(reply.payload, "hello world");
        assert_value_equal(fixture_program_info(&f, &actor).balance, 3);
        f.value = 0;
    }
    fixture_close(&f);
}

static void a_dispatch_replies_once(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    for (unsigned way = 0; way < WAYS; way++) {
        const mr_id actor = actor_new(&f);
        script s = script_new();
        add_reply(&s, way);
        STEP(&s, "gr_reply", 0, 1, NO_VALUE, code_slot(1));
        STEP(&s, "gr_reply_wgas", 0, 1, 0, NO_VALUE, code_slot(2));
        STEP(&s, "gr_reply_commit", NO_VALUE, code_slot(3));
        STEP(&s, "gr_reply_commit_wgas", 0, NO_VALUE, code_slot(4));
        STEP(&s, "gr_reply_push", 0, 1, code_slot(5));
        STEP(&s, "gr_reply_push_input", 0, 1, code_slot(6));
        STEP(&s, "gr_reply_input", 0, 1, NO_VALUE, code_slot(7));
        STEP(&s, "gr_reply_input_wgas", 0, 1, 0, NO_VALUE, code_slot(8));
        f.value = 5;
        script_run_ok(&f, &actor, &s);
        assert_codes(&f, &actor, (uint32_t[]){0, 302, 302, 302, 302, 304, 304, 304, 304}, 36);
        assert_int_equal(fixture_info(&f).user_messages_count, 1);
        assert_text(fixture_message(&f, 0).payload, "hello world");
        f.value = 0;
    }
    fixture_close(&f);
}

static void a_reply_may_be_made_in_init(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id code = actor_upload(&f, "init");
    script s = script_new();
    STEP(&s, "gr_reply", script_text(&s, "born"), 4, NO_VALUE, code_slot(0));
    (void)fixture_create(&f, &code, script_span(&s));
    assert_text(fixture_message(&f, 0).payload, "born");
    assert_code(fixture_message(&f, 0), 0, 1, 0);
    fixture_close(&f);
}

/* In handle_reply every way of replying is refused with 108, after gas and value were looked at. */
static void a_reply_is_not_answered(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &bob, 0), 0, 0, 3000, 0, code_slot(0));
    script_run_ok(&f, &actor, &s);
    script answer = script_new();
    const uint32_t dear = script_value(&answer, 1);
    STEP(&answer, "gr_reply", 0, 1, NO_VALUE, code_slot(0));
    STEP(&answer, "gr_reply_wgas", 0, 1, 0, NO_VALUE, code_slot(1));
    STEP(&answer, "gr_reply_push", 0, 1, code_slot(2));
    STEP(&answer, "gr_reply_push_input", 0, 1, code_slot(3));
    STEP(&answer, "gr_reply_commit", NO_VALUE, code_slot(4));
    STEP(&answer, "gr_reply_commit_wgas", 0, NO_VALUE, code_slot(5));
    STEP(&answer, "gr_reply_input", 0, 1, NO_VALUE, code_slot(6));
    STEP(&answer, "gr_reply_input_wgas", 0, 1, 0, NO_VALUE, code_slot(7));
    STEP(&answer, "gr_reply_wgas", 0, 1, UINT64_MAX, dear, code_slot(8));
    STEP(&answer, "gr_reply", 0, 1, dear, code_slot(9));
    STEP(&answer, "gr_reply_input", UINT32_MAX, 1, NO_VALUE, code_slot(10));
    const mr_transaction reply = {
        .kind = MR_TRANSACTION_REPLY,
        .from = bob,
        .to = fixture_message(&f, 0).id,
        .payload = script_span(&answer),
        .gas_limit = PLENTY,
    };
    fixture_run(&f, &reply, 1);
    fixture_accepted(&f);
    assert_int_equal(fixture_receipt(&f, 0).outcome, MR_OUTCOME_OK);
    assert_codes(&f, &actor, (uint32_t[]){108, 108, 108, 108, 108, 108, 108, 108, 100, 101, 312},
                 44);
    assert_int_equal(fixture_info(&f).user_messages_count, 0);
    fixture_close(&f);
}

static void a_reply_takes_gas_and_value_that_are_there(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    script s = script_new();
    const uint32_t most = script_value(&s, ~(mr_value)0), dear = script_value(&s, 11),
                   all = script_value(&s, 10);
    STEP(&s, "gr_reply", 0, 0, most, code_slot(0));
    STEP(&s, "gr_reply_wgas", 0, 0, UINT64_MAX, all, code_slot(1));
    STEP(&s, "gr_reply_wgas", 0, 0, PLENTY, dear, code_slot(2)); /* 100 before 101 */
    STEP(&s, "gr_reply_commit_wgas", PLENTY, all, code_slot(3));
    STEP(&s, "gr_reply_commit", dear, code_slot(4));
    STEP(&s, "gr_reply_input", 0, 1, dear, code_slot(5));
    STEP(&s, "gr_reply_wgas", 0, 0, 1, all, code_slot(6)); /* a reply's gas has no floor */
    f.value = 10;
    script_run_ok(&f, &actor, &s);
    assert_codes(&f, &actor, (uint32_t[]){101, 100, 100, 100, 101, 101, 0}, 28);
    assert_value_equal(fixture_message(&f, 0).value, 10);
    assert_int_equal(fixture_message(&f, 0).payload.size, 1); /* what reply_input had pushed */
    fixture_close(&f);
}

static void what_was_pushed_survives_a_failed_commit(void **state)
{
    (void)state;
    mr_schedule schedule = mr_schedule_default();
    schedule.payload_bytes_max = 6000;
    fixture f;
    fixture_open(&f, &(mr_engine_options){.schedule = &schedule});
    const mr_id actor = actor_new(&f);
    script s = script_new();
    STEP(&s, "gr_reply_push", 0, 6001, code_slot(0));
    STEP(&s, "gr_reply_push", 0, 4000, code_slot(1));
    STEP(&s, "gr_reply_push", 0, 2001, code_slot(2));
    STEP(&s, "gr_reply_push_input", 0, 2001, code_slot(3));
    STEP(&s, "gr_reply", 0, 2001, NO_VALUE, code_slot(4));
    STEP(&s, "gr_reply_input", 0, 2001, NO_VALUE, code_slot(5));
    STEP(&s, "gr_reply", 0, 6001, NO_VALUE, code_slot(6));
    STEP(&s, "gr_reply_push_input", 0, 1000, code_slot(7));
    STEP(&s, "gr_reply", 0, 1000, NO_VALUE, code_slot(8));
    script_run_ok(&f, &actor, &s);
    assert_codes(&f, &actor, (uint32_t[]){300, 0, 300, 300, 300, 300, 300, 0, 0}, 36);
    assert_int_equal(fixture_message(&f, 0).payload.size, 6000);
    fixture_close(&f);
}

static void pushing_alone_is_no_reply(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    script s = script_new();
    STEP(&s, "gr_reply_push", 0, 100, code_slot(0));
    script_run_ok(&f, &actor, &s);
    assert_code(fixture_message(&f, 0), 0, 0, 0); /* automatic */
    assert_int_equal(fixture_message(&f, 0).payload.size, 0);
    assert_value_equal(fixture_message(&f, 0).value, 0);
    /* Nor is it there in the next dispatch. */
    script next = script_new();
    STEP(&next, "gr_reply_commit", NO_VALUE, code_slot(0));
    script_run_ok(&f, &actor, &next);
    assert_code(fixture_message(&f, 0), 0, 1, 0);
    assert_int_equal(fixture_message(&f, 0).payload.size, 0);
    fixture_close(&f);
}

static void slices_of_the_message_must_be_inside(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    script s = script_new();
    const uint32_t size = (uint32_t)script_span(&s).size;
    STEP(&s, "gr_reply_push_input", size, 0, code_slot(0));
    STEP(&s, "gr_reply_push_input", 0, size + 1, code_slot(1));
    STEP(&s, "gr_reply_input", size, 0, NO_VALUE, code_slot(2));
    STEP(&s, "gr_reply_input", 1, UINT32_MAX, NO_VALUE, code_slot(3));
    STEP(&s, "gr_reply_input_wgas", UINT32_MAX, 1, 0, NO_VALUE, code_slot(4));
    STEP(&s, "gr_reply_input_wgas", size - 1, 2, 0, NO_VALUE, code_slot(5));
    STEP(&s, "gr_reply_input", 0, 1, UINT32_MAX - 1, code_slot(6)); /* value: a bad pointer */
    STEP(&s, "gr_reply_input", 0, size, NO_VALUE, code_slot(7));
    script_run_ok(&f, &actor, &s);
    assert_codes(&f, &actor, (uint32_t[]){312, 313, 312, 313, 312, 313, 201, 0}, 32);
    assert_int_equal(fixture_message(&f, 0).payload.size, size);
    fixture_close(&f);
}

static void a_reply_to_the_system_address_traps(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    memcpy(f.from.bytes, "geargeargeargeargeargeargeargear", 32);
    for (unsigned way = 0; way < WAYS; way++) {
        script s = script_new();
        add_reply(&s, way);
        assert_int_equal(script_run(&f, &actor, &s).outcome, MR_OUTCOME_TRAP);
        assert_code(fixture_message(&f, 0), 1, 0, 2);
    }
    fixture_close(&f);
}

static void replying_costs_what_the_schedule_says(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        uint64_t instructions, host;
    } cases[] = {
        {"(call $gr_reply (i32.const 64) (i32.const 7) (i32.const -1) (i32.const 256))", 5,
         22000 + 7 * 30},
        {"(call $gr_reply_wgas (i32.const 64) (i32.const 7) (i64.const 9) (i32.const -1)"
         "(i32.const 256))",
         6, 22000 + 7 * 30},
        {"(call $gr_reply_push (i32.const 64) (i32.const 7) (i32.const 256))", 4, 2000 + 7 * 30},
        {"(call $gr_reply_push_input (i32.const 0) (i32.const 3) (i32.const 256))", 4,
         2000 + 3 * 20},
        {"(call $gr_reply_commit (i32.const -1) (i32.const 256))", 3, 22000},
        {"(call $gr_reply_commit_wgas (i64.const 9) (i32.const -1) (i32.const 256))", 4, 22000},
        {"(call $gr_reply_input (i32.const 0) (i32.const 3) (i32.const -1) (i32.const 256))", 5,
         22000 + 3 * 20},
        {"(call $gr_reply_input_wgas (i32.const 0) (i32.const 3) (i64.const 9) (i32.const -1)"
         "(i32.const 256))",
         6, 22000 + 3 * 20},
        {"(call $gr_reply (i32.const 64) (i32.const -1) (i32.const -1) (i32.const 256))", 5, 22000},
        {"(call $gr_reply_input (i32.const 1) (i32.const 3) (i32.const -1) (i32.const 256))", 5,
         22000},
    };
    fixture f;
    fixture_open(&f, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wat_text body = {0};
        text_add(&body, "(func (export \"handle\") %s)", cases[i].call);
        const mr_id program = fixture_program_of(&f, 1, body.at);
        text_fini(&body);
        const mr_receipt receipt = fixture_send(&f, &program, mr_span_text("abc"));
        assert_int_equal(receipt.outcome, MR_OUTCOME_OK);
        assert_int_equal(receipt.gas_burned,
                         10000 + 1000 + cases[i].instructions * 1000 + cases[i].host);
    }
    fixture_close(&f);
}

int main(void)
{
    assert_true(sodium_init() >= 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_way_of_replying_gives_the_same_reply),
        cmocka_unit_test(a_dispatch_replies_once),
        cmocka_unit_test(a_reply_may_be_made_in_init),
        cmocka_unit_test(a_reply_is_not_answered),
        cmocka_unit_test(a_reply_takes_gas_and_value_that_are_there),
        cmocka_unit_test(what_was_pushed_survives_a_failed_commit),
        cmocka_unit_test(pushing_alone_is_no_reply),
        cmocka_unit_test(slices_of_the_message_must_be_inside),
        cmocka_unit_test(a_reply_to_the_system_address_traps),
        cmocka_unit_test(replying_costs_what_the_schedule_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
