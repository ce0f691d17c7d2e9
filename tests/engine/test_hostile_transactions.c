/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a transaction is accepted and paid for, or refused for one reason and costs nothing, to the
 * unit.
 * Method: balances before and after each transaction. */
#include "tests/engine/actor.h"

enum { OUT = 0x1000 };

static const mr_value wealth = (mr_value)1 << 100;

static const char quiet[] =
    "(module (import \"env\" \"memory\" (memory 1)) (func (export \"handle\")))";

static void open_rich(fixture *f, const mr_schedule *schedule)
{
    const mr_balance genesis[] = {
        {mr_id_of_name("alice"), wealth},
        {mr_id_of_name("bob"), 1000},
    };
    fixture_open(
        f, &(mr_engine_options){
               .accounts = true, .genesis = genesis, .genesis_count = 2, .schedule = schedule});
}

static mr_value balance_of(const fixture *f, const mr_id *id)
{
    mr_value value = 0;
    const mr_status status = mr_engine_account(f->engine, id, &value);
    assert_true(status == MR_OK || (status == MR_NOT_FOUND && value == 0));
    return value;
}

static mr_value balance(const fixture *f, const char *name)
{
    const mr_id id = mr_id_of_name(name);
    return balance_of(f, &id);
}

static void assert_refused(fixture *f, const mr_transaction *transaction, mr_admission expected)
{
    const mr_value before = balance_of(f, &transaction->from);
    mr_engine_info info_before, info_after;
    mr_engine_info_get(f->engine, &info_before);
    fixture_run(f, transaction, 1);
    mr_engine_info_get(f->engine, &info_after);
    const mr_transaction_result result = fixture_result(f, 0);
    if (result.admission != expected)
        fail_msg("%s: %s", mr_admission_text(result.admission), result.text);
    assert_value_equal(balance_of(f, &transaction->from), before);
    assert_int_equal(fixture_info(f).transactions_accepted, 0);
    assert_int_equal(fixture_info(f).receipts_count, 0);
    assert_value_equal(fixture_info(f).reward, 0);
    assert_memory_equal(&info_before.root, &info_after.root, 32); /* nothing changed at all */
}

/* ---- Refusals ---- */

static void every_refusal_costs_nothing_and_changes_nothing(void **state)
{
    (void)state;
    mr_schedule schedule = mr_schedule_default();
    schedule.payload_bytes_max = 10000;
    schedule.code_bytes_max = 20000;
    fixture f;
    open_rich(&f, &schedule);
    const mr_id program = fixture_program(&f, quiet), alice = f.from;
    const mr_id code = fixture_program_info(&f, &program).code;
    mr_buffer module = fixture_module(quiet);
    const mr_id nobody = mr_id_of_name("nobody"), nothing = mr_id_of_name("nothing");
    static uint8_t big[20001];
    const uint32_t salt = 0; /* of the program made above */
    const mr_span known = mr_buffer_span(&module), huge = mr_span_of(big, 10001);
    const struct {
        mr_transaction transaction;
        mr_admission admission;
    } cases[] = {
        {{.kind = MR_TRANSACTION_UPLOAD, .from = alice, .payload = mr_span_text("no module")},
         MR_ADMISSION_MODULE},
        {{.kind = MR_TRANSACTION_UPLOAD, .from = alice}, MR_ADMISSION_MODULE},
        {{.kind = MR_TRANSACTION_UPLOAD, .from = alice, .payload = known},
         MR_ADMISSION_CODE_EXISTS},
        {{.kind = MR_TRANSACTION_UPLOAD, .from = alice, .payload = mr_span_of(big, 20001)},
         MR_ADMISSION_PAYLOAD},
        {{.kind = MR_TRANSACTION_UPLOAD, .from = alice, .payload = known, .value = 1},
         MR_ADMISSION_MALFORMED},
        {{.kind = MR_TRANSACTION_UPLOAD, .from = alice, .payload = known, .gas_limit = 1},
         MR_ADMISSION_MALFORMED},
        {{.kind = MR_TRANSACTION_UPLOAD, .from = alice, .payload = known, .salt = known},
         MR_ADMISSION_MALFORMED},
        {{.kind = MR_TRANSACTION_CREATE, .from = alice, .to = nothing}, MR_ADMISSION_NO_CODE},
        {{.kind = MR_TRANSACTION_CREATE, .from = alice, .to = program}, MR_ADMISSION_NO_CODE},
        {{.kind = MR_TRANSACTION_CREATE, .from = alice, .to = code, .salt = mr_span_of(&salt, 4)},
         MR_ADMISSION_PROGRAM_EXISTS},
        {{.kind = MR_TRANSACTION_CREATE, .from = alice, .to = code, .payload = huge},
         MR_ADMISSION_PAYLOAD},
        {{.kind = MR_TRANSACTION_CREATE, .from = alice, .to = code, .salt = huge},
         MR_ADMISSION_PAYLOAD},
        {{.kind = MR_TRANSACTION_CREATE, .from = alice, .to = code, .value = wealth},
         MR_ADMISSION_BALANCE},
        {{.kind = MR_TRANSACTION_SEND, .from = alice, .to = nothing}, MR_ADMISSION_NO_PROGRAM},
        {{.kind = MR_TRANSACTION_SEND, .from = alice, .to = code}, MR_ADMISSION_NO_PROGRAM},
        {{.kind = MR_TRANSACTION_SEND, .from = alice, .to = alice}, MR_ADMISSION_NO_PROGRAM},
        {{.kind = MR_TRANSACTION_SEND, .from = alice}, MR_ADMISSION_NO_PROGRAM},
        {{.kind = MR_TRANSACTION_SEND, .from = alice, .to = program, .payload = huge},
         MR_ADMISSION_PAYLOAD},
        {{.kind = MR_TRANSACTION_SEND, .from = alice, .to = program, .salt = known},
         MR_ADMISSION_MALFORMED},
        {{.kind = MR_TRANSACTION_SEND, .from = nobody, .to = program}, MR_ADMISSION_BALANCE},
        {{.kind = MR_TRANSACTION_SEND, .from = alice, .to = program, .value = ~(mr_value)0},
         MR_ADMISSION_BALANCE},
        {{.kind = MR_TRANSACTION_SEND,
          .from = alice,
          .to = program,
          .gas_limit = (uint64_t)1 << 62,
          .value = ~(mr_value)0},
         MR_ADMISSION_BALANCE},
        {{.kind = MR_TRANSACTION_SEND,
          .from = alice,
          .to = program,
          .gas_limit = ((uint64_t)1 << 62) + 1},
         MR_ADMISSION_GAS_LIMIT},
        {{.kind = MR_TRANSACTION_CREATE, .from = alice, .to = nothing, .gas_limit = UINT64_MAX},
         MR_ADMISSION_GAS_LIMIT},
        {{.kind = MR_TRANSACTION_REPLY, .from = alice, .to = nothing, .gas_limit = UINT64_MAX},
         MR_ADMISSION_GAS_LIMIT},
        {{.kind = MR_TRANSACTION_REPLY, .from = alice, .to = nothing}, MR_ADMISSION_NO_MESSAGE},
        {{.kind = MR_TRANSACTION_REPLY, .from = alice, .to = program}, MR_ADMISSION_NO_MESSAGE},
        {{.kind = MR_TRANSACTION_REPLY, .from = alice, .to = nothing, .payload = huge},
         MR_ADMISSION_PAYLOAD},
        {{.kind = MR_TRANSACTION_REPLY, .from = alice, .to = nothing, .salt = known},
         MR_ADMISSION_MALFORMED},
        {{.kind = MR_TRANSACTION_TRANSFER, .from = alice, .to = program, .value = 1},
         MR_ADMISSION_MALFORMED},
        {{.kind = MR_TRANSACTION_TRANSFER, .from = alice, .to = nobody, .gas_limit = 1},
         MR_ADMISSION_MALFORMED},
        {{.kind = MR_TRANSACTION_TRANSFER, .from = alice, .to = nobody, .payload = known},
         MR_ADMISSION_MALFORMED},
        {{.kind = MR_TRANSACTION_TRANSFER, .from = alice, .to = nobody, .salt = known},
         MR_ADMISSION_MALFORMED},
        {{.kind = MR_TRANSACTION_TRANSFER, .from = alice, .to = nobody, .value = wealth},
         MR_ADMISSION_BALANCE},
        {{.kind = MR_TRANSACTION_TRANSFER, .from = nobody, .to = alice}, MR_ADMISSION_BALANCE},
        {{.kind = MR_TRANSACTION_TRANSFER, .from = nobody, .to = nobody, .value = 1},
         MR_ADMISSION_BALANCE},
        {{.kind = MR_TRANSACTION_CLAIM, .from = alice, .to = nothing}, MR_ADMISSION_NO_MESSAGE},
        {{.kind = MR_TRANSACTION_CLAIM, .from = nobody, .to = nothing}, MR_ADMISSION_NO_MESSAGE},
        {{.kind = MR_TRANSACTION_CLAIM, .from = alice, .to = nothing, .value = 1},
         MR_ADMISSION_MALFORMED},
        {{.kind = MR_TRANSACTION_CLAIM, .from = alice, .to = nothing, .gas_limit = 1},
         MR_ADMISSION_MALFORMED},
        {{.kind = MR_TRANSACTION_CLAIM, .from = alice, .to = nothing, .payload = known},
         MR_ADMISSION_MALFORMED},
        {{.kind = MR_TRANSACTION_CLAIM, .from = alice, .to = nothing, .salt = known},
         MR_ADMISSION_MALFORMED},
        {{.kind = (mr_transaction_kind)6, .from = alice}, MR_ADMISSION_MALFORMED},
        {{.kind = (mr_transaction_kind)255, .from = alice, .to = program}, MR_ADMISSION_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(&f, &cases[i].transaction, cases[i].admission);
    mr_buffer_fini(&module);
    fixture_close(&f);
}

static void a_payer_needs_exactly_the_price(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f, NULL);
    const mr_id program = fixture_program(&f, quiet), carol = mr_id_of_name("carol");
    const mr_value price = 77 + (mr_value)(50000 + 10000 + 5 * 20) * 100;
    mr_transaction gift = {
        .kind = MR_TRANSACTION_TRANSFER, .from = f.from, .to = carol, .value = price - 1};
    const mr_transaction send = {
        .kind = MR_TRANSACTION_SEND,
        .from = carol,
        .to = program,
        .payload = mr_span_text("hello"),
        .gas_limit = 50000,
        .value = 77,
    };
    fixture_run(&f, &gift, 1);
    assert_refused(&f, &send, MR_ADMISSION_BALANCE);
    gift.value = 1;
    fixture_run(&f, &gift, 1);
    fixture_run(&f, &send, 1);
    fixture_accepted(&f);
    assert_int_equal(fixture_receipt(&f, 0).gas_burned, 11000);
    assert_value_equal(balance(&f, "carol"), (mr_value)(50000 - 11000) * 100);
    assert_value_equal(fixture_program_info(&f, &program).balance, 77);
    fixture_close(&f);
}

static void fees_and_burned_gas_go_to_the_author_or_are_burned(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f, NULL);
    const mr_id program = fixture_program(&f, quiet);
    mr_engine_info before, after;
    mr_engine_info_get(f.engine, &before);
    fixture_send(&f, &program, mr_span_text("hello"));
    const mr_value reward = (mr_value)(11000 + 10000 + 5 * 20) * 100;
    assert_value_equal(fixture_info(&f).reward, reward);
    mr_engine_info_get(f.engine, &after);
    assert_value_equal(after.burned - before.burned, reward);
    f.params.author = mr_id_of_name("dave");
    fixture_send(&f, &program, mr_span_text("hello"));
    assert_value_equal(balance(&f, "dave"), reward);
    mr_engine_info_get(f.engine, &before);
    assert_value_equal(after.burned, before.burned);
    /* An author who pays himself: the price goes round. */
    f.params.author = f.from;
    const mr_value alice = balance(&f, "alice");
    fixture_send(&f, &program, mr_span_text("hello"));
    assert_value_equal(balance(&f, "alice"), alice);
    assert_value_equal(after.issued, wealth + 1000);
    fixture_close(&f);
}

static void an_upload_costs_its_bytes(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f, NULL);
    mr_buffer module = fixture_module(quiet);
    const mr_value before = balance(&f, "alice");
    const mr_transaction upload = fixture_upload_of(&f, mr_buffer_span(&module));
    fixture_run(&f, &upload, 1);
    fixture_accepted(&f);
    assert_value_equal(before - balance(&f, "alice"), (mr_value)(10000 + 2020 * module.size) * 100);
    mr_buffer_fini(&module);
    fixture_close(&f);
}

static void a_transfer_moves_value_and_costs_the_post(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f, NULL);
    const mr_id carol = mr_id_of_name("carol");
    const mr_value fee = 10000 * 100;
    const mr_transaction transfers[] = {
        {.kind = MR_TRANSACTION_TRANSFER, .from = f.from, .to = carol, .value = 5 * fee},
        {.kind = MR_TRANSACTION_TRANSFER, .from = carol, .to = carol, .value = 3 * fee},
        {.kind = MR_TRANSACTION_TRANSFER, .from = carol, .to = carol, .value = 4 * fee},
        {.kind = MR_TRANSACTION_TRANSFER, .from = carol, .to = f.from, .value = 2 * fee},
        {.kind = MR_TRANSACTION_TRANSFER, .from = carol, .to = f.from},
    };
    fixture_run(&f, transfers, 5);
    static const mr_admission expected[] = {MR_ADMISSION_ACCEPTED, MR_ADMISSION_ACCEPTED,
                                            MR_ADMISSION_BALANCE, MR_ADMISSION_ACCEPTED,
                                            MR_ADMISSION_ACCEPTED};
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(fixture_result(&f, i).admission, expected[i]);
    assert_value_equal(balance(&f, "carol"), 0);
    assert_value_equal(balance(&f, "alice"), wealth - 4 * fee);
    mr_engine_info info;
    mr_engine_info_get(f.engine, &info);
    assert_int_equal(info.accounts_count, 2); /* carol has nothing and is no account */
    fixture_close(&f);
}

/* What was paid for in a block cannot be paid with again in it. */
static void an_account_spends_its_balance_once(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f, NULL);
    const mr_id program = fixture_program(&f, quiet), carol = mr_id_of_name("carol");
    const mr_value price = (mr_value)(50000 + 10000) * 100;
    mr_transaction transactions[6] = {
        {.kind = MR_TRANSACTION_TRANSFER, .from = f.from, .to = carol, .value = 2 * price + 1}};
    for (size_t i = 1; i < 6; i++)
        transactions[i] = (mr_transaction){
            .kind = MR_TRANSACTION_SEND, .from = carol, .to = program, .gas_limit = 50000};
    fixture_run(&f, transactions, 6);
    for (uint64_t i = 0; i < 6; i++)
        assert_int_equal(fixture_result(&f, i).admission,
                         i < 3 ? MR_ADMISSION_ACCEPTED : MR_ADMISSION_BALANCE);
    assert_value_equal(balance(&f, "carol"), 1 + 2 * (mr_value)(50000 - 11000) * 100);
    fixture_close(&f);
}

static void one_salt_makes_one_program(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f, NULL);
    const mr_id code = fixture_upload(&f, quiet);
    const mr_transaction create = {.kind = MR_TRANSACTION_CREATE,
                                   .from = f.from,
                                   .to = code,
                                   .salt = mr_span_text("s"),
                                   .gas_limit = 50000,
                                   .value = 5};
    mr_transaction empty = create;
    empty.salt = (mr_span){0};
    const mr_transaction transactions[] = {create, create, empty, empty, create};
    fixture_run(&f, transactions, 5);
    static const mr_admission expected[] = {MR_ADMISSION_ACCEPTED, MR_ADMISSION_PROGRAM_EXISTS,
                                            MR_ADMISSION_ACCEPTED, MR_ADMISSION_PROGRAM_EXISTS,
                                            MR_ADMISSION_PROGRAM_EXISTS};
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(fixture_result(&f, i).admission, expected[i]);
    assert_refused(&f, &create, MR_ADMISSION_PROGRAM_EXISTS);
    const mr_id program = mr_id_of_program(&code, mr_span_text("s"));
    assert_value_equal(fixture_program_info(&f, &program).balance, 5);
    fixture_close(&f);
}

static void one_code_is_uploaded_once_and_used_in_the_same_block(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f, NULL);
    mr_buffer module = fixture_module(quiet);
    const mr_id code = mr_id_of_code(mr_buffer_span(&module));
    const mr_transaction upload = fixture_upload_of(&f, mr_buffer_span(&module));
    const mr_transaction create = {
        .kind = MR_TRANSACTION_CREATE, .from = f.from, .to = code, .gas_limit = 50000};
    const mr_id program = mr_id_of_program(&code, (mr_span){0});
    const mr_transaction send = fixture_send_of(&f, &program, (mr_span){0});
    const mr_transaction transactions[] = {create, upload, upload, send, create, send};
    for (unsigned twice = 0; twice < 2; twice++) {
        mr_block *block = fixture_execute(&f, transactions, 6);
        static const mr_admission expected[] = {MR_ADMISSION_NO_CODE,     MR_ADMISSION_ACCEPTED,
                                                MR_ADMISSION_CODE_EXISTS, MR_ADMISSION_NO_PROGRAM,
                                                MR_ADMISSION_ACCEPTED,    MR_ADMISSION_ACCEPTED};
        for (uint64_t i = 0; i < 6; i++) {
            mr_transaction_result result;
            assert_true(mr_block_transaction(block, i, &result));
            assert_int_equal(result.admission, expected[i]);
        }
        if (twice == 0) {
            mr_block_discard(block); /* and everything is as it was */
            continue;
        }
        assert_int_equal(mr_block_commit(block, MR_COMMIT_WAIT, NULL), MR_OK);
        mr_block_free(block);
    }
    mr_buffer_fini(&module);
    fixture_close(&f);
}

/* ---- The largest values ---- */

static void the_whole_supply_moves_through_programs(void **state)
{
    (void)state;
    const mr_value all = ~(mr_value)0;
    const mr_balance genesis[] = {{mr_id_of_name("alice"), all}};
    mr_schedule schedule = mr_schedule_default();
    schedule.value_per_gas = 0;
    fixture f;
    fixture_open(
        &f, &(mr_engine_options){
                .accounts = true, .genesis = genesis, .genesis_count = 1, .schedule = &schedule});
    const mr_id first = actor_new(&f), second = actor_new(&f), bob = mr_id_of_name("bob");
    script on = script_new(), s = script_new();
    STEP(&on, "gr_value_available", OUT + 64);
    STEP(&on, "gr_send_wgas", script_to(&on, &bob, all), 0, 0, 0, 0, OUT);
    STEP(&s, "gr_value_available", OUT + 64);
    STEP(&s, "gr_send", script_to(&s, &second, all), script_script(&s, &on), script_span(&on).size,
         0, OUT);
    f.value = all;
    script_run_ok(&f, &first, &s);
    assert_value_equal(fixture_u128(&f, &first, OUT + 64), all);
    assert_value_equal(fixture_u128(&f, &second, OUT + 64), all);
    assert_value_equal(balance(&f, "bob"), all);
    assert_value_equal(balance(&f, "alice"), 0);
    fixture_close(&f);
}

static void initial_balances_beyond_128_bits_are_refused(void **state)
{
    (void)state;
    const mr_balance genesis[] = {{mr_id_of_name("alice"), ~(mr_value)0},
                                  {mr_id_of_name("bob"), 1}};
    fixture f;
    mr_error error = {0};
    assert_int_equal(
        fixture_try_open(
            &f, &(mr_engine_options){.accounts = true, .genesis = genesis, .genesis_count = 2},
            &error),
        MR_INVALID);
    assert_string_equal(error.text, "the initial balances together exceed 128 bits");
}

/* Without accounts anybody pays anything, until all value there is would not fit 128 bits. */
static void value_issued_without_accounts_does_not_overflow(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program(&f, quiet), other = fixture_program(&f, quiet);
    f.value = ~(mr_value)0 - 5;
    fixture_send(&f, &program, (mr_span){0});
    f.value = 6;
    const mr_transaction six = fixture_send_of(&f, &other, (mr_span){0});
    f.value = 3;
    const mr_transaction three = fixture_send_of(&f, &other, (mr_span){0});
    const mr_transaction sends[] = {six, three, three, six, three};
    fixture_run(&f, sends, 5);
    static const mr_admission expected[] = {MR_ADMISSION_BALANCE, MR_ADMISSION_ACCEPTED,
                                            MR_ADMISSION_BALANCE, MR_ADMISSION_BALANCE,
                                            MR_ADMISSION_BALANCE};
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(fixture_result(&f, i).admission, expected[i]);
    assert_value_equal(fixture_program_info(&f, &program).balance, ~(mr_value)0 - 5);
    assert_value_equal(fixture_program_info(&f, &other).balance, 3);
    mr_engine_info info;
    mr_engine_info_get(f.engine, &info);
    assert_value_equal(info.issued, ~(mr_value)0 - 2);
    fixture_close(&f);
}

static void many_values_in_one_block_do_not_overflow(void **state)
{
    (void)state;
    enum { COUNT = 1100 }; /* more than a task of admission takes */
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program(&f, quiet);
    static mr_transaction sends[COUNT];
    f.value = (mr_value)1 << 118;
    for (size_t i = 0; i < COUNT; i++)
        sends[i] = fixture_send_of(&f, &program, (mr_span){0});
    fixture_run(&f, sends, COUNT);
    for (uint64_t i = 0; i < COUNT; i++)
        assert_int_equal(fixture_result(&f, i).admission,
                         i < 1023 ? MR_ADMISSION_ACCEPTED : MR_ADMISSION_BALANCE);
    assert_value_equal(fixture_program_info(&f, &program).balance, f.value * 1023);
    fixture_close(&f);
}

/* ---- Schedules ---- */

static void each_price_is_charged_as_it_is_set(void **state)
{
    (void)state;
    const mr_schedule standard = mr_schedule_default();
    static const char body[] =
        "(func (export \"handle\") (drop (call $alloc (i32.const 3)))" /* 2 instructions */
        "(drop (call $free (i32.const 2)))"                            /* 2 */
        "(call $gr_random (i32.const 0) (i32.const 64))"               /* 3 */
        "(call $gr_send (i32.const 0) (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 128))"
        "(call $gr_reply (i32.const 0) (i32.const 9) (i32.const -1) (i32.const 192)))"; /* 6, 5 */
    const uint64_t host_calls = 5, host_bytes = 68 + 7 + 9, instructions = 18;
#define CASE(name, count)                                                                          \
    {                                                                                              \
        offsetof(mr_schedule, name), count                                                         \
    }
    const struct {
        size_t field;
        uint64_t count; /* how many of it the program pays for */
    } cases[] = {
        CASE(instruction, instructions),
        CASE(page_alloc, 3),
        CASE(page_load, 1),
        CASE(dispatch, 1),
        CASE(host_call, host_calls),
        CASE(host_byte, host_bytes),
        CASE(send, 1),
        CASE(send_byte, 16),
        CASE(reply, 1),
        CASE(hash, 1),
        CASE(page_free, 1),
        CASE(create, 0),
        CASE(wait, 0),
        CASE(wake, 0),
        CASE(reserve, 0),
        CASE(rent, 0),
        CASE(mailbox_threshold, 0),
        CASE(post, 0),
        CASE(post_byte, 0),
        CASE(upload_byte, 0),
        CASE(value_per_gas, 0),
    };
#undef CASE
    uint64_t usual = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t price;
        memcpy(&price, (const char *)&standard + cases[i].field, sizeof price);
        usual += price * cases[i].count;
    }
    for (size_t i = 0; i <= sizeof cases / sizeof cases[0]; i++) {
        mr_schedule schedule = standard;
        uint64_t expected = usual;
        if (i > 0) {
            uint64_t price;
            memcpy(&price, (const char *)&schedule + cases[i - 1].field, sizeof price);
            price += 123;
            memcpy((char *)&schedule + cases[i - 1].field, &price, sizeof price);
            expected += 123 * cases[i - 1].count;
        }
        fixture f;
        open_rich(&f, &schedule);
        const mr_id program = fixture_program_of(&f, 1, body);
        const mr_value before = balance(&f, "alice");
        const mr_receipt receipt = fixture_send(&f, &program, mr_span_text("abc"));
        assert_int_equal(receipt.outcome, MR_OUTCOME_OK);
        assert_int_equal(receipt.gas_burned, expected);
        assert_value_equal(before - balance(&f, "alice"),
                           (mr_value)(expected + schedule.post + 3 * schedule.post_byte +
                                      schedule.mailbox_threshold) * /* held for the letter */
                               schedule.value_per_gas);
        fixture_close(&f);
    }
}

static void a_schedule_beyond_what_is_supported_is_refused_by_name(void **state)
{
    (void)state;
#define FIELD(field, value, text) {#field, offsetof(mr_schedule, field)},
    static const struct {
        const char *name;
        size_t offset;
    } fields[] = {MR_SCHEDULE_MAP(FIELD)};
#undef FIELD
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        mr_schedule schedule = mr_schedule_default();
        const uint64_t most = UINT64_MAX;
        if (fields[i].offset == offsetof(mr_schedule, existential_deposit))
            continue; /* is told to programs, and counts for nothing */
        memcpy((char *)&schedule + fields[i].offset, &most, sizeof most);
        fixture f;
        mr_error error = {0};
        assert_int_equal(fixture_try_open(&f, &(mr_engine_options){.schedule = &schedule}, &error),
                         MR_INVALID);
        assert_non_null(strstr(error.text, fields[i].name));
    }
    /* The most there may be, all at once, is no trouble. */
    mr_schedule schedule = mr_schedule_default();
    schedule.dispatch = schedule.page_load = schedule.host_call = schedule.send = schedule.post =
        schedule.post_byte = schedule.value_per_gas = (uint64_t)1 << 40;
    fixture f;
    fixture_open(&f, &(mr_engine_options){.schedule = &schedule});
    const mr_id program = fixture_program(&f, quiet);
    f.gas = (uint64_t)1 << 62;
    const mr_receipt receipt = fixture_send(&f, &program, (mr_span){0});
    assert_int_equal(receipt.gas_burned, (uint64_t)2 << 40);
    fixture_close(&f);
}

static void limits_of_the_schedule_bind_programs(void **state)
{
    (void)state;
    mr_schedule schedule = mr_schedule_default();
    schedule.stack_height_max = 100;
    schedule.mailbox_threshold = 0;
    schedule.outgoing_max = 0;
    fixture f;
    fixture_open(&f, &(mr_engine_options){.schedule = &schedule});
    const mr_id deep = fixture_program_of(
        &f, 1,
        "(func $f (param i32) (if (local.get 0) (then (call $f (i32.sub (local.get 0)"
        "(i32.const 1)))))) (func (export \"handle\") (call $f (i32.const 12)))");
    assert_int_equal(fixture_send(&f, &deep, (mr_span){0}).outcome, MR_OUTCOME_STACK);
    const mr_id mute =
        fixture_program_of(&f, 1, "(func (export \"handle\") (call $gr_send_init (i32.const 0)))");
    assert_int_equal(fixture_send(&f, &mute, (mr_span){0}).outcome, MR_OUTCOME_OK);
    assert_int_equal(fixture_u32(&f, &mute, 0), 301);
    fixture_close(&f);
}

/* ---- Ends of ranges ---- */

static void time_and_randomness_are_passed_as_they_are(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program =
        fixture_program_of(&f, 1,
                           "(func (export \"handle\") (call $gr_block_timestamp (i32.const 0))"
                           "(call $gr_random (i32.const 200) (i32.const 8)))");
    static const uint64_t times[] = {0, 1, UINT64_MAX, 5};
    mr_id last = {0};
    for (size_t i = 0; i < 4; i++) {
        f.params.timestamp_ms = times[i];
        f.params.random.bytes[i] = (uint8_t)(i + 1);
        fixture_send(&f, &program, (mr_span){0});
        assert_int_equal(fixture_u64(&f, &program, 0), times[i]);
        const mr_id drawn = fixture_id(&f, &program, 12);
        assert_memory_not_equal(&drawn, &last, sizeof last);
        last = drawn;
    }
    fixture_close(&f);
}

static void an_empty_block_is_a_block(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f, NULL);
    mr_engine_info before, after;
    mr_engine_info_get(f.engine, &before);
    fixture_run(&f, NULL, 0);
    mr_engine_info_get(f.engine, &after);
    assert_int_equal(after.height, before.height + 1);
    assert_memory_equal(&before.root, &after.root, sizeof before.root);
    assert_int_equal(fixture_info(&f).rounds, 0);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_costs_nothing_and_changes_nothing),
        cmocka_unit_test(a_payer_needs_exactly_the_price),
        cmocka_unit_test(fees_and_burned_gas_go_to_the_author_or_are_burned),
        cmocka_unit_test(an_upload_costs_its_bytes),
        cmocka_unit_test(a_transfer_moves_value_and_costs_the_post),
        cmocka_unit_test(an_account_spends_its_balance_once),
        cmocka_unit_test(one_salt_makes_one_program),
        cmocka_unit_test(one_code_is_uploaded_once_and_used_in_the_same_block),
        cmocka_unit_test(the_whole_supply_moves_through_programs),
        cmocka_unit_test(initial_balances_beyond_128_bits_are_refused),
        cmocka_unit_test(value_issued_without_accounts_does_not_overflow),
        cmocka_unit_test(many_values_in_one_block_do_not_overflow),
        cmocka_unit_test(each_price_is_charged_as_it_is_set),
        cmocka_unit_test(a_schedule_beyond_what_is_supported_is_refused_by_name),
        cmocka_unit_test(limits_of_the_schedule_bind_programs),
        cmocka_unit_test(time_and_randomness_are_passed_as_they_are),
        cmocka_unit_test(an_empty_block_is_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
