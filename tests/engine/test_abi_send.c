/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: each way of sending a message sends exactly that message, or says why not and changes
 * nothing but what docs/ABI.md says it changes.
 * Method: scripts of the actor; codes read from its memory, messages from the block. */
#include "tests/engine/actor.h"

#include <sodium.h>

enum { CODES = 0x1000 /* where error codes go, 64 bytes apart */ };

static uint64_t code_slot(unsigned i)
{
    return CODES + 64 * i;
}

static uint32_t code(const fixture *f, const mr_id *actor, unsigned i)
{
    return fixture_u32(f, actor, code_slot(i));
}

static mr_id outgoing_id(const mr_id *message, uint32_t handle)
{
    uint8_t bytes[44] = "outgoing";
    memcpy(bytes + 8, message->bytes, 32);
    memcpy(bytes + 40, &handle, 4);
    mr_id id;
    assert_int_equal(crypto_generichash(id.bytes, 32, bytes, sizeof bytes, NULL, 0), 0);
    return id;
}

/* All ways to send "hello world" to bob with value 5; the handle is the number of the message. */
static void each_way_of_sending_delivers_the_same_message(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    script s = script_new();
    const uint32_t to = script_to(&s, &bob, 5), text = script_text(&s, "hello world");
    const uint32_t offset = text - ACTOR_SCRIPT; /* in the message itself */
    unsigned i = 0;
    STEP(&s, "gr_send", to, text, 11, 0, code_slot(i++));
    STEP(&s, "gr_send_wgas", to, text, 11, 4000, 0, code_slot(i++));
    STEP(&s, "gr_send_input", to, offset, 11, 0, code_slot(i++));
    STEP(&s, "gr_send_input_wgas", to, offset, 11, 4000, 0, code_slot(i++));
    STEP(&s, "gr_send_init", code_slot(10));
    STEP(&s, "gr_send_push", 4, text, 6, code_slot(11));
    STEP(&s, "gr_send_push_input", 4, offset + 6, 5, code_slot(12));
    STEP(&s, "gr_send_commit", 4, to, 0, code_slot(i++));
    STEP(&s, "gr_send_init", code_slot(13));
    STEP(&s, "gr_send_push_input", 5, offset, 11, code_slot(14));
    STEP(&s, "gr_send_commit_wgas", 5, to, 0, 0, code_slot(i++));
    f.value = 100;
    script_run_ok(&f, &actor, &s);
    const mr_receipt receipt = fixture_receipt(&f, 0);
    assert_int_equal(receipt.sent, i + 1); /* and the automatic reply */
    for (unsigned k = 0; k < i; k++) {
        const mr_user_message message = fixture_message(&f, k);
        const mr_id id = outgoing_id(&receipt.message, k);
        assert_int_equal(code(&f, &actor, k), 0);
        assert_id_equal(fixture_id(&f, &actor, code_slot(k) + 4), id);
        assert_id_equal(message.id, id);
        assert_id_equal(message.from, actor);
        assert_id_equal(message.to, bob);
        assert_false(message.is_reply);
        assert_value_equal(message.value, 5);
        assert_text(message.payload, "hello world");
    }
    assert_int_equal(fixture_u32(&f, &actor, code_slot(10) + 4), 4); /* handles */
    assert_int_equal(fixture_u32(&f, &actor, code_slot(13) + 4), 5);
    assert_value_equal(fixture_program_info(&f, &actor).balance, 100 - 5 * i);
    fixture_close(&f);
}

static void messages_leave_in_the_order_of_their_commits(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    script s = script_new();
    const uint32_t to = script_to(&s, &bob, 0), text = script_text(&s, "abcd");
    for (unsigned i = 0; i < 3; i++)
        STEP(&s, "gr_send_init", code_slot(0));
    STEP(&s, "gr_send_push", 0, text, 1, code_slot(0));
    STEP(&s, "gr_send_push", 1, text + 1, 1, code_slot(0));
    STEP(&s, "gr_send", to, text + 3, 1, 0, code_slot(3)); /* handle 3, the first to leave */
    STEP(&s, "gr_send_push", 2, text + 2, 1, code_slot(0));
    STEP(&s, "gr_send_commit", 2, to, 0, code_slot(2));
    STEP(&s, "gr_send_push", 0, text, 1, code_slot(0));
    STEP(&s, "gr_send_commit", 0, to, 0, code_slot(0));
    script_run_ok(&f, &actor, &s);
    static const char *const texts[] = {"d", "c", "aa"};
    static const uint32_t handles[] = {3, 2, 0};
    const mr_id message = fixture_receipt(&f, 0).message;
    assert_int_equal(fixture_info(&f).user_messages_count, 4); /* handle 1 was never committed */
    for (unsigned i = 0; i < 3; i++) {
        assert_text(fixture_message(&f, i).payload, texts[i]);
        assert_id_equal(fixture_message(&f, i).id, outgoing_id(&message, handles[i]));
    }
    assert_true(fixture_message(&f, 3).is_reply);
    fixture_close(&f);
}

static void a_handle_is_good_until_its_commit(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    script s = script_new();
    const uint32_t to = script_to(&s, &bob, 0);
    STEP(&s, "gr_send_push", 0, to, 1, code_slot(0));
    STEP(&s, "gr_send_push_input", 0, 0, 1, code_slot(1));
    STEP(&s, "gr_send_commit", 0, to, 0, code_slot(2));
    STEP(&s, "gr_send_commit_wgas", UINT32_MAX, to, 0, 0, code_slot(3));
    STEP(&s, "gr_send_init", code_slot(4));
    STEP(&s, "gr_send_commit", 0, to, 0, code_slot(5));
    STEP(&s, "gr_send_push", 0, to, 1, code_slot(6));
    STEP(&s, "gr_send_push_input", 0, 0, 1, code_slot(7));
    STEP(&s, "gr_send_commit", 0, to, 0, code_slot(8));
    STEP(&s, "gr_send_commit_wgas", 0, to, 0, 0, code_slot(9));
    STEP(&s, "gr_send", to, 0, 0, 0, code_slot(10));
    STEP(&s, "gr_send_push", 1, to, 1, code_slot(11)); /* a message sent whole has a handle, too */
    STEP(&s, "gr_send_push", 2, to, 1, code_slot(12));
    script_run_ok(&f, &actor, &s);
    static const uint32_t codes[] = {305, 305, 305, 305, 0, 0, 304, 304, 304, 304, 0, 304, 305};
    for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_int_equal(code(&f, &actor, i), codes[i]);
    fixture_close(&f);
}

static void a_handle_is_used_up_even_when_its_commit_fails(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    script s = script_new();
    const uint32_t to = script_to(&s, &bob, 0), dear = script_to(&s, &bob, 1);
    STEP(&s, "gr_send", dear, 0, 0, 0, code_slot(0));             /* handle 0 */
    STEP(&s, "gr_send_wgas", to, 0, 0, 1, 0, code_slot(1));       /* handle 1 */
    STEP(&s, "gr_send_input", to, 1u << 30, 0, 0, code_slot(2));  /* handle 2 */
    STEP(&s, "gr_send", UINT32_MAX, 0, 0, 0, code_slot(3));       /* none */
    STEP(&s, "gr_send", to, 0, (8 << 20) + 1, 0, code_slot(4));   /* none */
    STEP(&s, "gr_send", to, UINT32_MAX, 2, 0, code_slot(5));      /* none */
    STEP(&s, "gr_send_input", UINT32_MAX, 0, 1, 0, code_slot(6)); /* none */
    STEP(&s, "gr_send", to, 0, 0, 0, code_slot(7));               /* handle 3 */
    STEP(&s, "gr_send_push", 2, to, 1, code_slot(8));
    STEP(&s, "gr_send_commit", 2, to, 0, code_slot(9)); /* and may still be committed */
    STEP(&s, "gr_send_commit", 0, to, 0, code_slot(10));
    script_run_ok(&f, &actor, &s);
    static const uint32_t codes[] = {101, 308, 312, 201, 300, 201, 201, 0, 0, 0, 0};
    for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_int_equal(code(&f, &actor, i), codes[i]);
    static const uint32_t handles[] = {3, 2, 0};
    const mr_id message = fixture_receipt(&f, 0).message;
    for (unsigned i = 0; i < 3; i++)
        assert_id_equal(fixture_message(&f, i).id, outgoing_id(&message, handles[i]));
    fixture_close(&f);
}

static void a_failed_commit_may_be_tried_again(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    script s = script_new();
    const uint32_t dear = script_to(&s, &bob, 11), cheap = script_to(&s, &bob, 10);
    STEP(&s, "gr_send_init", code_slot(0));
    STEP(&s, "gr_send_push", 0, dear, 32, code_slot(1));
    STEP(&s, "gr_send_commit", 0, dear, 0, code_slot(2));
    STEP(&s, "gr_send_commit_wgas", 0, cheap, 2999, 0, code_slot(3));
    STEP(&s, "gr_send_commit_wgas", 0, cheap, UINT64_MAX, 0, code_slot(4));
    STEP(&s, "gr_send_commit_wgas", 0, cheap, 3000, 0, code_slot(5));
    f.value = 10;
    script_run_ok(&f, &actor, &s);
    static const uint32_t codes[] = {0, 0, 101, 308, 100, 0};
    for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_int_equal(code(&f, &actor, i), codes[i]);
    assert_memory_equal(fixture_message(&f, 0).payload.data, bob.bytes, 32);
    assert_value_equal(fixture_message(&f, 0).value, 10);
    fixture_close(&f);
}

static void gas_limits_have_a_floor_and_zero(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    static const struct {
        uint64_t gas;
        uint32_t code;
    } cases[] = {{0, 0},    {1, 308},      {2999, 308},      {3000, 0},
                 {3001, 0}, {PLENTY, 100}, {INT64_MAX, 100}, {UINT64_MAX, 100}};
    enum { CASES = sizeof cases / sizeof cases[0] };
    script s = script_new();
    const uint32_t to = script_to(&s, &bob, 0);
    for (unsigned i = 0; i < CASES; i++) {
        STEP(&s, "gr_send_wgas", to, 0, 0, cases[i].gas, 0, code_slot(3 * i));
        STEP(&s, "gr_send_input_wgas", to, 0, 1, cases[i].gas, 0, code_slot(3 * i + 1));
        STEP(&s, "gr_send_init", CODES - 64);
        STEP(&s, "gr_send_commit_wgas", 3 * i + 2, to, cases[i].gas, 0, code_slot(3 * i + 2));
    }
    script_run_ok(&f, &actor, &s);
    for (unsigned i = 0; i < 3 * CASES; i++)
        assert_int_equal(code(&f, &actor, i), cases[i / 3].code);
    /* Gas for messages to users comes back: what was burned is what the calls cost. */
    assert_true(fixture_receipt(&f, 0).gas_burned < 3000000);
    fixture_close(&f);
}

/* A message without a limit needs the mailbox threshold: exactly. */
static void a_message_without_a_limit_sets_the_threshold_aside(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program =
        fixture_program_of(&f, 1,
                           "(func (export \"handle\") (call $gr_send (i32.const 0) (i32.const 0)"
                           "(i32.const 0) (i32.const 0) (i32.const 256)))");
    const uint64_t cost = 10000 + 1000 + 6 * 1000 + 2000 + 20000;
    f.gas = cost + 3000;
    mr_receipt receipt = fixture_send(&f, &program, (mr_span){0});
    assert_int_equal(receipt.outcome, MR_OUTCOME_OK);
    assert_int_equal(receipt.gas_burned, cost);
    assert_int_equal(fixture_u32(&f, &program, 256), 0);
    f.gas = cost + 2999;
    receipt = fixture_send(&f, &program, (mr_span){0});
    assert_int_equal(receipt.outcome, MR_OUTCOME_OK);
    assert_int_equal(receipt.gas_burned, cost);
    assert_int_equal(fixture_u32(&f, &program, 256), 100);
    f.gas = cost - 1;
    receipt = fixture_send(&f, &program, (mr_span){0});
    assert_int_equal(receipt.outcome, MR_OUTCOME_OUT_OF_GAS);
    assert_int_equal(receipt.gas_burned, cost - 1);
    fixture_close(&f);
}

static void value_is_taken_from_what_is_there_and_no_more(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    script s = script_new();
    const uint32_t most = script_to(&s, &bob, ~(mr_value)0), half = script_to(&s, &bob, 60),
                   rest = script_to(&s, &bob, 40), one = script_to(&s, &bob, 1);
    STEP(&s, "gr_send", most, 0, 0, 0, code_slot(0));
    STEP(&s, "gr_send", half, 0, 0, 0, code_slot(1));
    STEP(&s, "gr_send_wgas", half, 0, 0, 0, 0, code_slot(2));
    STEP(&s, "gr_send_input", half, 0, 1, 0, code_slot(3));
    STEP(&s, "gr_send_input_wgas", rest, 0, 1, 0, 0, code_slot(4));
    STEP(&s, "gr_send", one, 0, 0, 0, code_slot(5));
    f.value = 100;
    script_run_ok(&f, &actor, &s);
    static const uint32_t codes[] = {101, 0, 101, 101, 0, 101};
    for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_int_equal(code(&f, &actor, i), codes[i]);
    assert_value_equal(fixture_program_info(&f, &actor).balance, 0);
    fixture_close(&f);
}

/* When several things are wrong, the first in Gear's order is said. */
static void the_first_of_several_errors_is_told(void **state)
{
    (void)state;
    mr_schedule schedule = mr_schedule_default();
    schedule.outgoing_bytes_max = 7000;
    schedule.payload_bytes_max = 6000;
    fixture f;
    fixture_open(&f, &(mr_engine_options){.schedule = &schedule});
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    script s = script_new();
    const uint32_t dear = script_to(&s, &bob, 1), to = script_to(&s, &bob, 0);
    STEP(&s, "gr_send_commit_wgas", 9, dear, 1, 0, code_slot(0));          /* 308 100 101 305 */
    STEP(&s, "gr_send_commit_wgas", 9, dear, UINT64_MAX, 0, code_slot(1)); /* 100 101 305 */
    STEP(&s, "gr_send_commit_wgas", 9, dear, 0, 0, code_slot(2));          /* 101 305 */
    STEP(&s, "gr_send_commit_wgas", 9, to, 0, 0, code_slot(3));            /* 305 */
    STEP(&s, "gr_send_init", code_slot(4));                                /* handle 0 */
    STEP(&s, "gr_send_push", 9, UINT32_MAX, 1, code_slot(5));              /* 201 305 */
    STEP(&s, "gr_send_push", 9, 0, 8000, code_slot(6));                    /* 305 311 300 */
    STEP(&s, "gr_send_push", 0, 0, 8000, code_slot(7));                    /* 311 300 */
    STEP(&s, "gr_send_push", 0, 0, 6001, code_slot(8));                    /* 300 */
    STEP(&s, "gr_send_push_input", 9, UINT32_MAX, 1, code_slot(9));        /* 312 305 */
    STEP(&s, "gr_send_push_input", 9, 0, UINT32_MAX, code_slot(10));       /* 313 305 */
    STEP(&s, "gr_send", UINT32_MAX, UINT32_MAX, 8000, 0, code_slot(11));   /* 201 300 */
    STEP(&s, "gr_send", dear, UINT32_MAX, 8000, 0, code_slot(12));         /* 300 201 101 */
    STEP(&s, "gr_send", dear, UINT32_MAX, 1, 0, code_slot(13));            /* 201 101 */
    STEP(&s, "gr_send_push", 0, 0, 4000, code_slot(14));
    STEP(&s, "gr_send", dear, 0, 4000, 0, code_slot(15)); /* 101 311 */
    STEP(&s, "gr_send", to, 0, 4000, 0, code_slot(16));   /* 311 */
    STEP(&s, "gr_send_push", 0, 0, 2500, code_slot(17));  /* 300 */
    STEP(&s, "gr_send_push", 0, 0, 2000, code_slot(18));
    STEP(&s, "gr_send_commit", 0, to, 0, code_slot(19));
    STEP(&s, "gr_send_push", 0, 0, 8000, code_slot(20)); /* 304 311 */
    script_run_ok(&f, &actor, &s);
    static const uint32_t codes[] = {308, 100, 101, 305, 0,   201, 305, 311, 300, 312, 313,
                                     201, 300, 201, 0,   101, 311, 300, 0,   0,   304};
    for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (code(&f, &actor, i) != codes[i])
            fail_msg("call %u: code %u, not %u", i, code(&f, &actor, i), codes[i]);
    }
    fixture_close(&f);
}

static void payloads_have_a_limit_each_and_all_together(void **state)
{
    (void)state;
    mr_schedule schedule = mr_schedule_default();
    schedule.payload_bytes_max = 6000;
    schedule.outgoing_bytes_max = 10000;
    fixture f;
    fixture_open(&f, &(mr_engine_options){.schedule = &schedule});
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    script s = script_new();
    const uint32_t to = script_to(&s, &bob, 0);
    STEP(&s, "gr_send", to, 0, 6001, 0, code_slot(0));
    STEP(&s, "gr_send", to, 0, 6000, 0, code_slot(1));       /* 6000 in all */
    STEP(&s, "gr_send_input", to, 0, 4001, 0, code_slot(2)); /* 10001, were it sent */
    STEP(&s, "gr_send_init", code_slot(3));
    STEP(&s, "gr_send_push_input", 2, 0, 4000, code_slot(4)); /* 10000 in all, not committed */
    STEP(&s, "gr_send_push", 2, 0, 1, code_slot(5));
    STEP(&s, "gr_send", to, 0, 1, 0, code_slot(6));
    STEP(&s, "gr_send", to, 0, 0, 0, code_slot(7));
    STEP(&s, "gr_send_commit", 2, to, 0, code_slot(8));
    STEP(&s, "gr_reply", 0, 6000, UINT32_MAX, code_slot(9)); /* a reply does not count */
    script_run_ok(&f, &actor, &s);
    static const uint32_t codes[] = {300, 0, 311, 0, 0, 311, 311, 0, 0, 0};
    for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_int_equal(code(&f, &actor, i), codes[i]);
    fixture_close(&f);
}

/* 1024 handles a dispatch, whichever way they are made, and none counts for the next dispatch. */
static void a_dispatch_has_1024_handles(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program_of(
        &f, 1,
        "(func (export \"handle\") (local $i i32)"
        "(call $gr_send_init (i32.const 256))"
        "(loop $next (call $gr_send (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)"
        "(i32.const 256)) (local.set $i (i32.add (local.get $i) (i32.const 1)))"
        "(br_if $next (i32.eqz (i32.load (i32.const 256)))))"
        "(i32.store (i32.const 512) (local.get $i))"
        "(call $gr_send_init (i32.const 1024))"
        "(call $gr_send_input (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0)"
        "(i32.const 1100)))");
    for (unsigned i = 0; i < 2; i++) {
        const mr_receipt receipt = fixture_send(&f, &program, mr_span_text("x"));
        assert_int_equal(receipt.outcome, MR_OUTCOME_OK);
        assert_int_equal(receipt.sent, 1024); /* 1023 and the reply */
        assert_int_equal(fixture_u32(&f, &program, 512), 1024);
        assert_int_equal(fixture_u32(&f, &program, 256), 301);
        assert_int_equal(fixture_u32(&f, &program, 1024), 301);
        assert_int_equal(fixture_u32(&f, &program, 1100), 301);
        assert_int_equal(fixture_info(&f).user_messages_count, 1024);
    }
    fixture_close(&f);
}

static void nobody_sends_to_the_system_address(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    mr_id system;
    memcpy(system.bytes, "geargeargeargeargeargeargeargear", 32);
    for (unsigned i = 0; i < 6; i++) {
        const mr_id actor = actor_new(&f);
        script s = script_new();
        const uint32_t to = script_to(&s, &system, 1);
        const uint64_t delay = i % 2; /* does not matter */
        STEP(&s, "gr_send_init", code_slot(0));
        switch (i) {
        case 0:
            STEP(&s, "gr_send", to, 0, 0, delay, code_slot(1));
            break;
        case 1:
            STEP(&s, "gr_send_wgas", to, 0, 0, 1, delay, code_slot(1));
            break;
        case 2:
            STEP(&s, "gr_send_commit", 0, to, delay, code_slot(1));
            break;
        case 3:
            STEP(&s, "gr_send_commit_wgas", 0, to, 1, delay, code_slot(1));
            break;
        case 4:
            STEP(&s, "gr_send_input", to, 0, 1, delay, code_slot(1));
            break;
        default:
            STEP(&s, "gr_send_input_wgas", to, 0, 1, 1, delay, code_slot(1));
        }
        const mr_receipt receipt = script_run(&f, &actor, &s);
        assert_int_equal(receipt.outcome, MR_OUTCOME_TRAP);
        assert_text(receipt.text, "a message was sent to the forbidden system address");
        assert_code(fixture_message(&f, 0), 1, 0, 2);
    }
    fixture_close(&f);
}

static void a_slice_of_the_message_must_begin_and_end_in_it(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    script s = script_new();
    const uint32_t to = script_to(&s, &bob, 0);
    const uint32_t size = (uint32_t)script_span(&s).size;
    const struct {
        uint32_t offset, size, code;
    } cases[] = {
        {0, size, 0},
        {size - 1, 1, 0},
        {size - 1, 0, 0},
        {size, 0, 312},
        {size + 1, 0, 312},
        {UINT32_MAX, 0, 312},
        {0, size + 1, 313},
        {size - 1, 2, 313},
        {1, UINT32_MAX, 313},
        {size, 1, 312},
        {UINT32_MAX, UINT32_MAX, 312},
    };
    enum { CASES = sizeof cases / sizeof cases[0] };
    STEP(&s, "gr_send_init", CODES - 64);
    for (unsigned i = 0; i < CASES; i++) {
        STEP(&s, "gr_send_input", to, cases[i].offset, cases[i].size, 0, code_slot(3 * i));
        STEP(&s, "gr_send_input_wgas", to, cases[i].offset, cases[i].size, 0, 0,
             code_slot(3 * i + 1));
        STEP(&s, "gr_send_push_input", 0, cases[i].offset, cases[i].size, code_slot(3 * i + 2));
    }
    script_run_ok(&f, &actor, &s);
    for (unsigned i = 0; i < 3 * CASES; i++)
        assert_int_equal(code(&f, &actor, i), cases[i / 3].code);
    assert_int_equal(fixture_message(&f, 0).payload.size, size);
    fixture_close(&f);
}

static void an_empty_message_has_no_slice(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program_of(
        &f, 1,
        "(func (export \"handle\") (call $gr_send_input (i32.const 0) (i32.const 0) (i32.const 0)"
        "(i32.const 0) (i32.const 256)) (call $gr_reply_push_input (i32.const 0) (i32.const 0)"
        "(i32.const 512)))");
    assert_int_equal(fixture_send(&f, &program, (mr_span){0}).outcome, MR_OUTCOME_OK);
    assert_int_equal(fixture_u32(&f, &program, 256), 312);
    assert_int_equal(fixture_u32(&f, &program, 512), 312);
    fixture_close(&f);
}

/* Prices of the sending functions, in gas burned. */
static void sending_costs_what_the_schedule_says(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        uint64_t instructions, host;
    } cases[] = {
        {"(call $gr_send (i32.const 0) (i32.const 64) (i32.const 7) (i32.const 0) (i32.const 256))",
         6, 2000 + 20000 + 7 * 30},
        {"(call $gr_send_wgas (i32.const 0) (i32.const 64) (i32.const 7) (i64.const 5000)"
         "(i32.const 0) (i32.const 256))",
         7, 2000 + 20000 + 7 * 30},
        {"(call $gr_send_init (i32.const 256))", 2, 2000},
        {"(call $gr_send_init (i32.const 256)) (call $gr_send_push (i32.const 0) (i32.const 64)"
         "(i32.const 7) (i32.const 256))",
         7, 2000 + 2000 + 7 * 30},
        {"(call $gr_send_init (i32.const 256)) (call $gr_send_push_input (i32.const 0)"
         "(i32.const 0) (i32.const 3) (i32.const 256))",
         7, 2000 + 2000 + 3 * 20},
        {"(call $gr_send_init (i32.const 256)) (call $gr_send_commit (i32.const 0) (i32.const 0)"
         "(i32.const 0) (i32.const 256))",
         7, 2000 + 22000},
        {"(call $gr_send_init (i32.const 256)) (call $gr_send_commit_wgas (i32.const 0)"
         "(i32.const 0) (i64.const 0) (i32.const 0) (i32.const 256))",
         8, 2000 + 22000},
        {"(call $gr_send_input (i32.const 0) (i32.const 0) (i32.const 3) (i32.const 0)"
         "(i32.const 256))",
         6, 22000 + 3 * 20},
        {"(call $gr_send_input_wgas (i32.const 0) (i32.const 0) (i32.const 3) (i64.const 9000)"
         "(i32.const 0) (i32.const 256))",
         7, 22000 + 3 * 20},
        /* What is not copied is not paid for. */
        {"(call $gr_send (i32.const 0) (i32.const 64) (i32.const -1) (i32.const 0)"
         "(i32.const 256))",
         6, 22000},
        {"(call $gr_send_input (i32.const 0) (i32.const 1) (i32.const 3) (i32.const 0)"
         "(i32.const 256))",
         6, 22000},
        {"(call $gr_send_push_input (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 256))", 5,
         2000},
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

/* From init and handle_reply messages go out as they do from handle. */
static void init_and_handle_reply_may_send(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id bob = mr_id_of_name("bob");
    const mr_id code_id = actor_upload(&f, "init handle_reply");
    script inner = script_new();
    STEP(&inner, "gr_send", script_to(&inner, &bob, 0), script_text(&inner, "two"), 3, 0,
         code_slot(0));
    script s = script_new();
    STEP(&s, "gr_send_wgas", script_to(&s, &bob, 0), script_text(&s, "one"), 3, 5000, 0,
         code_slot(0));
    const mr_id actor = fixture_create(&f, &code_id, script_span(&s));
    assert_text(fixture_message(&f, 0).payload, "one");
    const mr_transaction reply = {
        .kind = MR_TRANSACTION_REPLY,
        .from = bob,
        .to = fixture_message(&f, 0).id,
        .payload = script_span(&inner),
        .gas_limit = PLENTY,
    };
    fixture_run(&f, &reply, 1);
    fixture_accepted(&f);
    assert_int_equal(fixture_receipt(&f, 0).outcome, MR_OUTCOME_OK);
    assert_int_equal(fixture_info(&f).user_messages_count, 1); /* no reply to a reply */
    assert_text(fixture_message(&f, 0).payload, "two");
    assert_id_equal(fixture_message(&f, 0).from, actor);
    fixture_close(&f);
}

int main(void)
{
    assert_true(sodium_init() >= 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_way_of_sending_delivers_the_same_message),
        cmocka_unit_test(messages_leave_in_the_order_of_their_commits),
        cmocka_unit_test(a_handle_is_good_until_its_commit),
        cmocka_unit_test(a_handle_is_used_up_even_when_its_commit_fails),
        cmocka_unit_test(a_failed_commit_may_be_tried_again),
        cmocka_unit_test(gas_limits_have_a_floor_and_zero),
        cmocka_unit_test(a_message_without_a_limit_sets_the_threshold_aside),
        cmocka_unit_test(value_is_taken_from_what_is_there_and_no_more),
        cmocka_unit_test(the_first_of_several_errors_is_told),
        cmocka_unit_test(payloads_have_a_limit_each_and_all_together),
        cmocka_unit_test(a_dispatch_has_1024_handles),
        cmocka_unit_test(nobody_sends_to_the_system_address),
        cmocka_unit_test(a_slice_of_the_message_must_begin_and_end_in_it),
        cmocka_unit_test(an_empty_message_has_no_slice),
        cmocka_unit_test(sending_costs_what_the_schedule_says),
        cmocka_unit_test(init_and_handle_reply_may_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
