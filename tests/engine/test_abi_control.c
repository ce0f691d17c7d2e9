/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: each way a dispatch can end gives its outcome, reply code and payload; a failure undoes
 * everything else; what is printed is kept when it is asked for.
 * Method: the actor does what leaves a trace in every place there is, then ends in each way. */
#include "tests/engine/actor.h"

enum { OUT = 0x1000 };

static void leaving_is_success_at_once(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    script s = script_new();
    STEP(&s, "store", OUT, 1);
    STEP(&s, "gr_send", script_to(&s, &bob, 0), 0, 0, 0, OUT + 64);
    STEP(&s, "gr_leave");
    STEP(&s, "store", OUT, 2);
    STEP(&s, "unreachable");
    script_run_ok(&f, &actor, &s);
    assert_int_equal(fixture_u64(&f, &actor, OUT), 1);
    assert_int_equal(fixture_receipt(&f, 0).sent, 2);
    assert_code(fixture_message(&f, 1), 0, 0, 0);
    fixture_close(&f);
}

/* Leaves a trace in memory, heap, messages, value, reply. */
static void leave_traces(script *s)
{
    const mr_id bob = mr_id_of_name("bob");
    STEP(s, "store", OUT, 0x5555555555555555);
    STEP_FOR(s, OUT + 8, "alloc", 5);
    STEP(s, "store", 8 * PAGE, 0x5555555555555555);
    STEP_FOR(s, OUT + 16, "free", 5);
    STEP(s, "gr_send", script_to(s, &bob, 3), 0, 5, 0, OUT + 64);
    STEP(s, "gr_send_wgas", script_to(s, &bob, 3), 0, 5, 100000, 0, OUT + 128);
    STEP(s, "gr_send_init", OUT + 192);
    STEP(s, "gr_send_push", 2, 0, 10, OUT + 200);
    STEP(s, "gr_reply_wgas", 0, 5, 50000, script_value(s, 2), OUT + 256);
}

typedef struct ending {
    const char *name;
    uint64_t args[6];
    size_t args_count;
    mr_outcome outcome;
    uint8_t code[3];
    const char *receipt_text;
    const char *payload;
} ending;

static const ending endings[] = {
    {"gr_panic", {0}, 0, MR_OUTCOME_PANIC, {1, 0, 3}, "no reason", "no reason"},
    {"gr_oom_panic", {0}, 0, MR_OUTCOME_MEMORY, {1, 0, 1}, "the program ran out of memory", ""},
    {"gr_debug",
     {UINT32_MAX, 1},
     2,
     MR_OUTCOME_TRAP,
     {1, 0, 2},
     "gr_debug was given a bad pointer",
     ""},
    {"unreachable", {0}, 0, MR_OUTCOME_TRAP, {1, 0, 4}, "executed unreachable", ""},
    {"load", {UINT32_MAX}, 1, MR_OUTCOME_TRAP, {1, 0, 4}, "access outside memory", ""},
    {"store",
     {(uint64_t)ACTOR_PAGES * PAGE + 5 * PAGE - 7},
     1,
     MR_OUTCOME_TRAP,
     {1, 0, 4},
     "access outside memory",
     ""},
    {"divide", {0}, 1, MR_OUTCOME_TRAP, {1, 0, 4}, "integer division by zero or overflow", ""},
    {"indirect",
     {0},
     1,
     MR_OUTCOME_TRAP,
     {1, 0, 4},
     "indirect call of no function or one of another type",
     ""},
    {"indirect",
     {1},
     1,
     MR_OUTCOME_TRAP,
     {1, 0, 4},
     "indirect call of no function or one of another type",
     ""},
    {"indirect",
     {2},
     1,
     MR_OUTCOME_TRAP,
     {1, 0, 4},
     "indirect call of no function or one of another type",
     ""},
    {"spin", {0}, 0, MR_OUTCOME_OUT_OF_GAS, {1, 0, 0}, "out of gas", ""},
    {"recurse", {0}, 0, MR_OUTCOME_STACK, {1, 0, 5}, "the stack is too high", ""},
};

static void every_failure_has_its_code_and_leaves_no_trace(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    const script nothing = script_new();
    f.value = 10;
    script_run_ok(&f, &actor, &nothing);
    const mr_program_info before = fixture_program_info(&f, &actor);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const ending *end = &endings[i];
        script s = script_new();
        leave_traces(&s);
        if (end->outcome == MR_OUTCOME_PANIC)
            STEP(&s, end->name, script_text(&s, "no reason"), 9);
        else
            script_step(&s, end->name, end->args, end->args_count);
        f.value = 4;
        const mr_receipt receipt = script_run(&f, &actor, &s);
        if (receipt.outcome != end->outcome)
            fail_msg("%s: %s", end->name, mr_outcome_name(receipt.outcome));
        assert_text(receipt.text, end->receipt_text);
        assert_int_equal(receipt.sent, 1);
        /* What was given to messages is not burned: they were never sent. */
        if (end->outcome == MR_OUTCOME_OUT_OF_GAS)
            assert_int_equal(receipt.gas_burned, receipt.gas_limit - 3000 - 100000 - 50000);
        else
            assert_true(receipt.gas_burned < receipt.gas_limit / 2);
        assert_int_equal(fixture_info(&f).user_messages_count, 1);
        const mr_user_message reply = fixture_message(&f, 0);
        assert_code(reply, end->code[0], end->code[1], end->code[2]);
        assert_text(reply.payload, end->payload);
        assert_value_equal(reply.value, 4); /* comes back */
        const mr_program_info after = fixture_program_info(&f, &actor);
        assert_memory_equal(&before, &after, sizeof before);
        assert_value_equal(after.balance, 10);
    }
    fixture_close(&f);
}

/* The same traces, kept when the dispatch succeeds: else the test above could not fail. */
static void a_success_keeps_what_a_failure_undoes(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    script s = script_new();
    leave_traces(&s);
    f.value = 20;
    script_run_ok(&f, &actor, &s);
    assert_int_equal(fixture_u64(&f, &actor, OUT), 0x5555555555555555);
    assert_int_equal(fixture_u64(&f, &actor, 8 * PAGE), 0x5555555555555555);
    assert_int_equal(fixture_u32(&f, &actor, OUT + 8), ACTOR_PAGES);
    assert_int_equal(fixture_u32(&f, &actor, OUT + 16), 0);
    assert_int_equal(fixture_receipt(&f, 0).sent, 3);
    assert_value_equal(fixture_program_info(&f, &actor).balance, 12);
    assert_int_equal(fixture_program_info(&f, &actor).pages, 9);
    fixture_close(&f);
}

static void a_panic_may_be_as_long_as_a_message_and_hold_any_bytes(void **state)
{
    (void)state;
    mr_schedule schedule = mr_schedule_default();
    schedule.payload_bytes_max = 6000;
    fixture f;
    fixture_open(&f, &(mr_engine_options){.schedule = &schedule});
    const mr_id actor = actor_new(&f);
    script s = script_new();
    STEP(&s, "gr_panic", ACTOR_SCRIPT, 6000);
    mr_receipt receipt = script_run(&f, &actor, &s);
    assert_int_equal(receipt.outcome, MR_OUTCOME_PANIC);
    assert_int_equal(receipt.text.size, 6000);
    assert_int_equal(fixture_message(&f, 0).payload.size, 6000);
    assert_memory_equal(fixture_message(&f, 0).payload.data, &s, script_span(&s).size);
    s = script_new();
    STEP(&s, "gr_panic", 0, 6001);
    receipt = script_run(&f, &actor, &s);
    assert_int_equal(receipt.outcome, MR_OUTCOME_TRAP);
    assert_text(receipt.text, "gr_panic was given a text that is too long");
    assert_code(fixture_message(&f, 0), 1, 0, 2);
    s = script_new();
    STEP(&s, "gr_panic", 0, UINT32_MAX); /* too long before it is paid for */
    assert_int_equal(script_run(&f, &actor, &s).outcome, MR_OUTCOME_TRAP);
    fixture_close(&f);
}

static void endings_cost_what_the_schedule_says(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        uint64_t instructions, host;
        mr_outcome outcome;
    } cases[] = {
        {"(call $gr_leave)", 1, 2000, MR_OUTCOME_OK},
        {"(call $gr_oom_panic)", 1, 2000, MR_OUTCOME_MEMORY},
        {"(call $gr_panic (i32.const 0) (i32.const 12))", 3, 2000 + 12 * 10, MR_OUTCOME_PANIC},
        {"(call $gr_exit (i32.const 0))", 2, 2000 + 32 * 10, MR_OUTCOME_EXITED},
        {"(call $gr_debug (i32.const 0) (i32.const 12))", 3, 2000 + 12 * 10, MR_OUTCOME_OK},
        {"(unreachable)", 1, 0, MR_OUTCOME_TRAP},
        {"(return)", 1, 0, MR_OUTCOME_OK},
        {"", 0, 0, MR_OUTCOME_OK},
    };
    fixture f;
    fixture_open(&f, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wat_text body = {0};
        text_add(&body, "(func (export \"handle\") %s)", cases[i].call);
        const mr_id program = fixture_program_of(&f, 1, body.at);
        text_fini(&body);
        const uint64_t cost = 10000 + 1000 + cases[i].instructions * 1000 + cases[i].host;
        f.gas = cost - 1;
        mr_receipt receipt = fixture_send(&f, &program, (mr_span){0});
        assert_int_equal(receipt.outcome, MR_OUTCOME_OUT_OF_GAS);
        assert_int_equal(receipt.gas_burned, cost - 1);
        f.gas = PLENTY;
        receipt = fixture_send(&f, &program, (mr_span){0});
        assert_int_equal(receipt.outcome, cases[i].outcome);
        assert_int_equal(receipt.gas_burned, cost);
    }
    fixture_close(&f);
}

static void what_is_printed_is_kept_in_order_when_asked_for(void **state)
{
    (void)state;
    for (unsigned keep = 0; keep < 2; keep++) {
        fixture f;
        fixture_open(&f, &(mr_engine_options){.keep_debug = keep == 1});
        const mr_id actor = actor_new(&f);
        static const char first[] = "gr\xc3\xbc\xc3\x9f dich", second[] = "";
        script s = script_new(), failing = script_new();
        STEP(&s, "gr_debug", script_text(&s, first), sizeof first - 1);
        STEP(&s, "gr_debug", script_text(&s, second), 0);
        STEP(&failing, "gr_debug", script_text(&failing, "I fail"), 6);
        STEP(&failing, "unreachable");
        const mr_transaction sends[] = {fixture_send_of(&f, &actor, script_span(&s)),
                                        fixture_send_of(&f, &actor, script_span(&failing))};
        fixture_run(&f, sends, 2);
        mr_debug_line line;
        static const char *const texts[] = {first, second, "I fail"};
        for (uint64_t i = 0; i < 3 && keep == 1; i++) {
            assert_true(mr_block_debug(f.block, i, &line));
            assert_text(line.text, texts[i]);
            assert_id_equal(line.program, actor);
            assert_id_equal(line.message, fixture_receipt(&f, i / 2).message);
        }
        assert_false(mr_block_debug(f.block, keep == 1 ? 3 : 0, &line));
        fixture_close(&f);
    }
}

static void only_utf8_is_printed(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool good;
    } cases[] = {
        {"plain", true},
        {"\x7f", true},
        {"\xc2\x80", true},
        {"\xdf\xbf", true},
        {"\xe0\xa0\x80", true},
        {"\xed\x9f\xbf", true},
        {"\xee\x80\x80", true},
        {"\xef\xbf\xbf", true},
        {"\xf0\x90\x80\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\x80", false}, /* continuation without a lead */
        {"a\xbf", false},
        {"\xc0\x80", false}, /* overlong */
        {"\xc1\xbf", false},
        {"\xe0\x9f\xbf", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xed\xa0\x80", false}, /* surrogates */
        {"\xed\xbf\xbf", false},
        {"\xf4\x90\x80\x80", false}, /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"\xc2", false}, /* cut short */
        {"\xe2\x82", false},
        {"\xf0\x9f\x98", false},
        {"\xc2"
         "a",
         false},
        {"\xe2\x82"
         "a",
         false},
        {"\xe2"
         "a\x82",
         false},
    };
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        script s = script_new();
        STEP(&s, "gr_debug", script_text(&s, cases[i].bytes), strlen(cases[i].bytes));
        const mr_receipt receipt = script_run(&f, &actor, &s);
        if (receipt.outcome != (cases[i].good ? MR_OUTCOME_OK : MR_OUTCOME_TRAP))
            fail_msg("text %u: %s", (unsigned)i, mr_outcome_name(receipt.outcome));
        if (!cases[i].good)
            assert_text(receipt.text, "gr_debug was given a text that is not UTF-8");
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaving_is_success_at_once),
        cmocka_unit_test(every_failure_has_its_code_and_leaves_no_trace),
        cmocka_unit_test(a_success_keeps_what_a_failure_undoes),
        cmocka_unit_test(a_panic_may_be_as_long_as_a_message_and_hold_any_bytes),
        cmocka_unit_test(endings_cost_what_the_schedule_says),
        cmocka_unit_test(what_is_printed_is_kept_in_order_when_asked_for),
        cmocka_unit_test(only_utf8_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
