/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the host functions that tell of the message, the program and the block tell the truth.
 * Method: the actor writes what it is told into its memory, where it is compared with what the
 * test knows; identifiers are computed here, with libsodium alone. */
#include "tests/engine/actor.h"

#include <sodium.h>

enum { AT = 0x100, ERROR_AT = 0x400 };

static mr_id blake2b(const void *bytes, size_t size)
{
    mr_id id;
    assert_int_equal(crypto_generichash(id.bytes, 32, bytes, size, NULL, 0), 0);
    return id;
}

/* "external", height as u32, user, index of the transaction as u128. */
static mr_id external_id(uint32_t height, const mr_id *user, uint64_t index)
{
    uint8_t bytes[60] = "external";
    memcpy(bytes + 8, &height, 4);
    memcpy(bytes + 12, user->bytes, 32);
    memcpy(bytes + 44, &index, 8);
    return blake2b(bytes, sizeof bytes);
}

static mr_id reply_id(const mr_id *message)
{
    uint8_t bytes[37] = "reply";
    memcpy(bytes + 5, message->bytes, 32);
    return blake2b(bytes, sizeof bytes);
}

static void a_message_is_told_its_size_source_value_and_ids(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    script s = script_new();
    STEP(&s, "gr_size", AT);
    STEP(&s, "gr_source", AT + 4);
    STEP(&s, "gr_value", AT + 36);
    STEP(&s, "gr_message_id", AT + 52);
    STEP(&s, "gr_program_id", AT + 84);
    f.value = ((mr_value)7 << 64) + 5;
    script_run_ok(&f, &actor, &s);
    assert_int_equal(fixture_u32(&f, &actor, AT), script_span(&s).size);
    assert_id_equal(fixture_id(&f, &actor, AT + 4), mr_id_of_name("alice"));
    assert_value_equal(fixture_u128(&f, &actor, AT + 36), f.value);
    const mr_id alice = mr_id_of_name("alice");
    const mr_id expected = external_id((uint32_t)fixture_info(&f).height, &alice, 0);
    assert_id_equal(fixture_id(&f, &actor, AT + 52), expected);
    assert_id_equal(fixture_receipt(&f, 0).message, expected);
    assert_id_equal(fixture_id(&f, &actor, AT + 84), actor);
    fixture_close(&f);
}

static void ids_of_code_and_program_are_blake2b_of_their_parts(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    mr_buffer module = fixture_module("(module (import \"env\" \"memory\" (memory 1))"
                                      "(func (export \"handle\")))");
    const mr_id code = blake2b(module.data, module.size);
    uint8_t bytes[17 + 32 + 3] = "program_from_user";
    memcpy(bytes + 17, code.bytes, 32);
    memcpy(bytes + 49, "abc", 3);
    const mr_id program = blake2b(bytes, sizeof bytes);
    const mr_transaction transactions[] = {
        fixture_upload_of(&f, mr_buffer_span(&module)),
        {.kind = MR_TRANSACTION_CREATE, .to = code, .salt = mr_span_text("abc")},
        {.kind = MR_TRANSACTION_CREATE, .to = code},
    };
    fixture_run(&f, transactions, 3);
    fixture_accepted(&f);
    assert_id_equal(fixture_result(&f, 0).id, code);
    assert_id_equal(fixture_result(&f, 1).id, program);
    assert_id_equal(fixture_result(&f, 2).id, blake2b(bytes, 49));
    assert_id_equal(fixture_result(&f, 2).message, external_id(1, &(mr_id){0}, 2));
    mr_buffer_fini(&module);
    fixture_close(&f);
}

static void a_block_tells_its_height_time_and_randomness(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    f.params.timestamp_ms = 0x0123456789abcdef;
    f.params.random = mr_id_of_name("dice");
    script s = script_new();
    uint8_t subject[64];
    for (uint8_t i = 0; i < 32; i++)
        subject[i] = (uint8_t)(i * 7);
    STEP(&s, "gr_block_height", AT);
    STEP(&s, "gr_block_timestamp", AT + 8);
    STEP(&s, "gr_random", script_data(&s, subject, 32), AT + 16);
    script_run_ok(&f, &actor, &s);
    const uint32_t height = (uint32_t)fixture_info(&f).height;
    assert_int_equal(fixture_u32(&f, &actor, AT), height);
    assert_int_equal(fixture_u64(&f, &actor, AT + 8), 0x0123456789abcdef);
    assert_int_equal(fixture_u32(&f, &actor, AT + 16), height);
    memcpy(subject + 32, f.params.random.bytes, 32);
    assert_id_equal(fixture_id(&f, &actor, AT + 20), blake2b(subject, 64));
    fixture_close(&f);
}

static void environment_variables_have_the_layout_of_version_1(void **state)
{
    (void)state;
    mr_schedule schedule = mr_schedule_default();
    schedule.existential_deposit = 0x1122334455667788;
    schedule.mailbox_threshold = 3001;
    fixture f;
    fixture_open(&f, &(mr_engine_options){.schedule = &schedule});
    const mr_id actor = actor_new(&f);
    script s = script_new();
    STEP(&s, "store", AT + 52, UINT64_MAX);
    STEP(&s, "gr_env_vars", 1, AT);
    script_run_ok(&f, &actor, &s);
    assert_int_equal(fixture_u32(&f, &actor, AT), 100);
    assert_value_equal(fixture_u128(&f, &actor, AT + 4), 0x1122334455667788);
    assert_int_equal(fixture_u64(&f, &actor, AT + 20), 3001);
    assert_int_equal(fixture_u64(&f, &actor, AT + 52), UINT64_MAX);
    fixture_close(&f);
}

static void gas_and_value_converters_follow_the_price_of_gas(void **state)
{
    (void)state;
    static const uint64_t prices[][3] = {{100, 0, 100}, {1, 1, 1}};
    for (size_t i = 0; i < 2; i++) {
        mr_schedule schedule = mr_schedule_default();
        schedule.value_per_gas = prices[i][0];
        fixture f;
        fixture_open(&f, &(mr_engine_options){.schedule = &schedule});
        const mr_id actor = actor_new(&f);
        script s = script_new();
        STEP(&s, "gr_env_vars", 1, AT);
        script_run_ok(&f, &actor, &s);
        assert_int_equal(fixture_u64(&f, &actor, AT + 28), prices[i][1]);
        assert_value_equal(fixture_u128(&f, &actor, AT + 36), prices[i][2]);
        fixture_close(&f);
    }
}

static void another_version_of_the_environment_traps(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    static const uint32_t versions[] = {0, 2, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        script s = script_new();
        STEP(&s, "gr_env_vars", versions[i], AT);
        const mr_receipt receipt = script_run(&f, &actor, &s);
        assert_int_equal(receipt.outcome, MR_OUTCOME_TRAP);
        assert_text(receipt.text, "gr_env_vars was asked for an unknown version");
        assert_code(fixture_message(&f, 0), 1, 0, 2);
    }
    fixture_close(&f);
}

static void available_value_is_balance_and_message_less_what_was_sent(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    const script empty = script_new();
    f.value = 1000;
    script_run_ok(&f, &actor, &empty);
    script s = script_new();
    STEP(&s, "gr_value_available", AT);
    STEP(&s, "gr_send", script_to(&s, &bob, 300), 0, 0, 0, ERROR_AT);
    STEP(&s, "gr_value_available", AT + 16);
    STEP(&s, "gr_reply", 0, 0, script_value(&s, 7), ERROR_AT);
    STEP(&s, "gr_value_available", AT + 32);
    f.value = 20;
    script_run_ok(&f, &actor, &s);
    assert_value_equal(fixture_u128(&f, &actor, AT), 1020);
    assert_value_equal(fixture_u128(&f, &actor, AT + 16), 720);
    assert_value_equal(fixture_u128(&f, &actor, AT + 32), 713);
    assert_value_equal(fixture_program_info(&f, &actor).balance, 713);
    fixture_close(&f);
}

static void reading_beyond_the_payload_is_an_error(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    script s = script_new();
    const uint32_t size = ACTOR_DATA + 8;
    (void)script_data(&s, "abcdefgh", 8);
    static const struct {
        uint32_t at, size, code;
    } cases[] = {
        {0, ACTOR_DATA + 8, 0},   {ACTOR_DATA, 8, 0},
        {ACTOR_DATA + 8, 0, 0},   {0, 0, 0},
        {ACTOR_DATA, 9, 104},     {ACTOR_DATA + 9, 0, 104},
        {ACTOR_DATA + 8, 1, 104}, {0xfffffff0, 16, 103},
        {0xfffffff0, 15, 104},    {UINT32_MAX, UINT32_MAX, 103},
        {1, UINT32_MAX, 103},     {UINT32_MAX, 0, 104},
        {0, UINT32_MAX, 104},
    };
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        STEP(&s, "gr_read", cases[i].at, cases[i].size, 0x8000, ERROR_AT + 4 * i);
    STEP(&s, "gr_read", ACTOR_DATA, 8, AT, ERROR_AT + 0x200);
    f.gas = (uint64_t)1 << 62;
    script_run_ok(&f, &actor, &s);
    assert_int_equal(script_span(&s).size, size);
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(fixture_u32(&f, &actor, ERROR_AT + 4 * i), cases[i].code);
    char read[8];
    fixture_memory(&f, &actor, AT, read, 8);
    assert_memory_equal(read, "abcdefgh", 8);
    fixture_close(&f);
}

static void a_bad_range_is_reported_before_a_bad_buffer(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    script s = script_new();
    STEP(&s, "gr_read", UINT32_MAX, 2, 0xfffffff0, ERROR_AT);
    STEP(&s, "gr_read", 1u << 20, 16, 0xfffffff0, ERROR_AT + 4);
    STEP(&s, "gr_read", 0, 16, 0xfffffff0, ERROR_AT + 8);
    STEP(&s, "gr_read", 0, 16, ACTOR_PAGES * PAGE - 15, ERROR_AT + 12);
    STEP(&s, "gr_read", 0, 16, ACTOR_PAGES * PAGE - 16, ERROR_AT + 16);
    STEP(&s, "gr_read", 0, 0, UINT32_MAX, ERROR_AT + 20);
    script_run_ok(&f, &actor, &s);
    static const uint32_t codes[] = {103, 104, 201, 201, 0, 0};
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(fixture_u32(&f, &actor, ERROR_AT + 4 * i), codes[i]);
    fixture_close(&f);
}

static void a_failed_read_pays_for_no_bytes(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    script s = script_new();
    STEP(&s, "gr_read", 0, 0x80000000u, 0, ERROR_AT); /* 21 G gas, were it paid for */
    script_run_ok(&f, &actor, &s);
    assert_int_equal(fixture_u32(&f, &actor, ERROR_AT), 104);
    fixture_close(&f);
}

static void only_a_reply_knows_what_it_answers(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    script s = script_new();
    STEP(&s, "gr_reply_to", AT);
    STEP(&s, "gr_reply_code", AT + 36);
    STEP(&s, "gr_send_wgas", script_to(&s, &bob, 0), 0, 0, 3000, 0, ERROR_AT);
    script_run_ok(&f, &actor, &s);
    assert_int_equal(fixture_u32(&f, &actor, AT), 105);
    assert_int_equal(fixture_u32(&f, &actor, AT + 36), 105);
    const mr_user_message letter = fixture_message(&f, 0);
    script answer = script_new();
    STEP(&answer, "gr_reply_to", AT);
    STEP(&answer, "gr_reply_code", AT + 36);
    STEP(&answer, "gr_message_id", AT + 44);
    STEP(&answer, "gr_source", AT + 76);
    const mr_transaction reply = {
        .kind = MR_TRANSACTION_REPLY,
        .from = bob,
        .to = letter.id,
        .payload = script_span(&answer),
        .gas_limit = PLENTY,
    };
    fixture_run(&f, &reply, 1);
    fixture_accepted(&f);
    assert_int_equal(fixture_receipt(&f, 0).outcome, MR_OUTCOME_OK);
    assert_int_equal(fixture_receipt(&f, 0).kind, MR_KIND_REPLY);
    assert_int_equal(fixture_u32(&f, &actor, AT), 0);
    assert_id_equal(fixture_id(&f, &actor, AT + 4), letter.id);
    assert_int_equal(fixture_u32(&f, &actor, AT + 36), 0);
    assert_int_equal(fixture_u32(&f, &actor, AT + 40), 0x100); /* 00 01 00 00: success, manual */
    assert_id_equal(fixture_id(&f, &actor, AT + 44), reply_id(&letter.id));
    assert_id_equal(fixture_result(&f, 0).id, reply_id(&letter.id));
    assert_id_equal(fixture_id(&f, &actor, AT + 76), bob);
    fixture_close(&f);
}

static void getters_cost_what_the_schedule_says(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    static const struct {
        const char *call;
        unsigned instructions;
        uint64_t host;
    } cases[] = {
        {"(call $gr_size (i32.const 256))", 2, 2000 + 4 * 10},
        {"(call $gr_source (i32.const 256))", 2, 2000 + 32 * 10},
        {"(call $gr_value (i32.const 256))", 2, 2000 + 16 * 10},
        {"(call $gr_message_id (i32.const 256))", 2, 2000 + 32 * 10},
        {"(call $gr_program_id (i32.const 256))", 2, 2000 + 32 * 10},
        {"(call $gr_block_height (i32.const 256))", 2, 2000 + 4 * 10},
        {"(call $gr_block_timestamp (i32.const 256))", 2, 2000 + 8 * 10},
        {"(call $gr_gas_available (i32.const 256))", 2, 2000 + 8 * 10},
        {"(call $gr_value_available (i32.const 256))", 2, 2000 + 16 * 10},
        {"(call $gr_env_vars (i32.const 1) (i32.const 256))", 3, 2000 + 52 * 10},
        {"(call $gr_random (i32.const 64) (i32.const 256))", 3, 2000 + 5000 + 68 * 10},
        {"(call $gr_reply_to (i32.const 256))", 2, 2000 + 36 * 10},
        {"(call $gr_reply_code (i32.const 256))", 2, 2000 + 8 * 10},
        {"(call $gr_read (i32.const 0) (i32.const 3) (i32.const 256) (i32.const 512))", 5,
         2000 + 3 * 10},
        {"(call $gr_read (i32.const 0) (i32.const 9) (i32.const 256) (i32.const 512))", 5, 2000},
        {"(call $gr_debug (i32.const 64) (i32.const 5))", 3, 2000 + 5 * 10},
        {"(nop) (block (drop (i32.const 1)))", 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wat_text body = {0};
        text_add(&body,
                 "(func (export \"handle\") (call $gr_gas_available (i32.const 0)) %s"
                 "(call $gr_gas_available (i32.const 8)))",
                 cases[i].call);
        const mr_id program = fixture_program_of(&f, 1, body.at);
        text_fini(&body);
        const mr_receipt receipt = fixture_send(&f, &program, mr_span_text("abc"));
        assert_int_equal(receipt.outcome, MR_OUTCOME_OK);
        const uint64_t ask = 2000 + 8 * 10;
        assert_int_equal(receipt.gas_burned, 10000 + 1000 + 2 * (2 * 1000 + ask) +
                                                 cases[i].instructions * 1000 + cases[i].host);
        /* Instructions are charged at the start of their basic block. */
        assert_int_equal(fixture_u64(&f, &program, 0) - fixture_u64(&f, &program, 8),
                         cases[i].host + ask);
        assert_int_equal(receipt.gas_limit, PLENTY);
    }
    fixture_close(&f);
}

int main(void)
{
    assert_true(sodium_init() >= 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_told_its_size_source_value_and_ids),
        cmocka_unit_test(ids_of_code_and_program_are_blake2b_of_their_parts),
        cmocka_unit_test(a_block_tells_its_height_time_and_randomness),
        cmocka_unit_test(environment_variables_have_the_layout_of_version_1),
        cmocka_unit_test(gas_and_value_converters_follow_the_price_of_gas),
        cmocka_unit_test(another_version_of_the_environment_traps),
        cmocka_unit_test(available_value_is_balance_and_message_less_what_was_sent),
        cmocka_unit_test(reading_beyond_the_payload_is_an_error),
        cmocka_unit_test(a_bad_range_is_reported_before_a_bad_buffer),
        cmocka_unit_test(a_failed_read_pays_for_no_bytes),
        cmocka_unit_test(only_a_reply_knows_what_it_answers),
        cmocka_unit_test(getters_cost_what_the_schedule_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
