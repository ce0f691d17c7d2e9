/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a tip is paid by who offers it, reaches the author, and is in every sum that can overflow;
 * a claim that carries anything is malformed.
 * Method: exact balances around blocks of one transaction; every block is checked for conservation
 * of value (options.check). */
#include "tests/engine/fixture.h"

static const mr_value wealth = (mr_value)1 << 100;
static const mr_value post = (mr_value)10000 * 100; /* of a transaction without payload */
static const mr_value most = ~(mr_value)0;

static const char quiet[] =
    "(module (import \"env\" \"memory\" (memory 1)) (func (export \"handle\")))";

/* Sends whoever sends to it a letter of value 0. */
static const char writer[] =
    "(func (export \"handle\") (call $gr_source (i32.const 0))"
    "(call $gr_send_wgas (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 100000)"
    "(i32.const 0) (i32.const 128)))";

static void open_rich(fixture *f)
{
    const mr_balance genesis[] = {{mr_id_of_name("alice"), wealth}};
    fixture_open(f, &(mr_engine_options){.accounts = true, .genesis = genesis, .genesis_count = 1});
}

static mr_value balance(const fixture *f, const char *name)
{
    const mr_id id = mr_id_of_name(name);
    mr_value value = 0;
    const mr_status status = mr_engine_account(f->engine, &id, &value);
    assert_true(status == MR_OK || status == MR_NOT_FOUND);
    return value;
}

static mr_id root_of(const fixture *f)
{
    mr_engine_info info;
    mr_engine_info_get(f->engine, &info);
    return info.root;
}

static void assert_refused(fixture *f, const mr_transaction *transaction, mr_admission expected)
{
    const mr_id before = root_of(f);
    fixture_run(f, transaction, 1);
    const mr_transaction_result result = fixture_result(f, 0);
    if (result.admission != expected)
        fail_msg("%s: %s", mr_admission_text(result.admission), result.text);
    assert_true(fixture_info(f).reward == 0);
    assert_id_equal(root_of(f), before);
}

/* Runs one transaction of alice's, whose tip is far above everything else, for an author. What she
 * pays and the author gets beside the tip is gas, fee, and gas of letters. */
static void assert_tip_moves(fixture *f, const mr_transaction *transaction)
{
    const mr_value rest = (mr_value)1 << 40;
    f->params.author = mr_id_of_name("dave");
    const mr_value before = balance(f, "alice"), author = balance(f, "dave");
    fixture_run(f, transaction, 1);
    fixture_accepted(f);
    f->params.author = (mr_id){0};
    const mr_value spent = before - balance(f, "alice"), gained = balance(f, "dave") - author;
    assert_true(gained == fixture_info(f).reward);
    assert_true(gained >= transaction->tip + post && gained < transaction->tip + rest);
    assert_true(spent > transaction->tip - rest && spent < transaction->tip + rest);
}

/* A letter of `program` in alice's mailbox. */
static mr_id letter_of(fixture *f, const mr_id *program)
{
    fixture_send(f, program, (mr_span){0});
    const mr_user_message letter = fixture_message(f, 0);
    assert_false(letter.is_reply);
    assert_true(letter.until > 0);
    return letter.id;
}

static void a_tip_is_paid_with_every_kind_of_transaction(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_value tip = ((mr_value)1 << 70) + 12345;
    const mr_id alice = f.from, program = fixture_program_of(&f, 1, writer);
    mr_buffer module = fixture_module(quiet);
    const mr_id code = mr_id_of_code(mr_buffer_span(&module));
    const mr_id first = letter_of(&f, &program), second = letter_of(&f, &program);
    const mr_transaction transactions[] = {
        {.kind = MR_TRANSACTION_UPLOAD, .payload = mr_buffer_span(&module)},
        {.kind = MR_TRANSACTION_CREATE, .to = code, .gas_limit = 1000000},
        {.kind = MR_TRANSACTION_SEND, .to = program, .gas_limit = 1000000},
        {.kind = MR_TRANSACTION_REPLY, .to = first, .gas_limit = 1000000},
        {.kind = MR_TRANSACTION_CLAIM, .to = second},
        {.kind = MR_TRANSACTION_TRANSFER, .to = alice, .value = 5},
    };
    for (size_t i = 0; i < sizeof transactions / sizeof transactions[0]; i++) {
        mr_transaction transaction = transactions[i];
        transaction.from = alice;
        transaction.tip = tip;
        assert_tip_moves(&f, &transaction);
    }
    mr_buffer_fini(&module);
    fixture_close(&f);
}

static void a_payer_needs_exactly_the_price_with_the_tip(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id carol = mr_id_of_name("carol");
    mr_transaction gift = {.kind = MR_TRANSACTION_TRANSFER,
                           .from = f.from,
                           .to = carol,
                           .value = post + 77 + 1000 - 1};
    const mr_transaction back = {
        .kind = MR_TRANSACTION_TRANSFER, .from = carol, .to = f.from, .value = 77, .tip = 1000};
    mr_value cost;
    assert_true(mr_transaction_cost(&f.schedule, &back, &cost));
    assert_true(cost == post + 77 + 1000);
    fixture_run(&f, &gift, 1);
    assert_refused(&f, &back, MR_ADMISSION_BALANCE);
    gift.value = 1;
    fixture_run(&f, &gift, 1);
    const mr_value before = balance(&f, "alice");
    fixture_run(&f, &back, 1);
    fixture_accepted(&f);
    assert_true(fixture_info(&f).reward == post + 1000);
    assert_true(balance(&f, "carol") == 0);
    assert_true(balance(&f, "alice") == before + 77);
    fixture_close(&f);
}

static void a_tip_without_an_author_is_burned(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_transaction transfer = {
        .kind = MR_TRANSACTION_TRANSFER, .from = f.from, .to = f.from, .tip = 999};
    mr_engine_info before, after;
    mr_engine_info_get(f.engine, &before);
    fixture_run(&f, &transfer, 1);
    fixture_accepted(&f);
    mr_engine_info_get(f.engine, &after);
    assert_true(after.burned - before.burned == post + 999);
    assert_true(after.issued == before.issued);
    fixture_close(&f);
}

static void a_refused_transaction_keeps_its_tip(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id nothing = mr_id_of_name("nothing");
    const mr_transaction refused[] = {
        {.kind = MR_TRANSACTION_UPLOAD, .payload = mr_span_text("no module")},
        {.kind = MR_TRANSACTION_CREATE, .to = nothing},
        {.kind = MR_TRANSACTION_SEND, .to = nothing},
        {.kind = MR_TRANSACTION_REPLY, .to = nothing},
        {.kind = MR_TRANSACTION_CLAIM, .to = nothing},
    };
    static const mr_admission expected[] = {MR_ADMISSION_MODULE, MR_ADMISSION_NO_CODE,
                                            MR_ADMISSION_NO_PROGRAM, MR_ADMISSION_NO_MESSAGE,
                                            MR_ADMISSION_NO_MESSAGE};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        mr_transaction transaction = refused[i];
        transaction.from = f.from;
        transaction.tip = 123456;
        assert_refused(&f, &transaction, expected[i]);
    }
    assert_true(balance(&f, "alice") == wealth);
    fixture_close(&f);
}

/* Each sum of two parts of the price, and of all, beyond 128 bits. */
static void a_price_beyond_128_bits_is_refused(void **state)
{
    (void)state;
    const mr_balance genesis[] = {{mr_id_of_name("alice"), most}}; /* who can pay anything less */
    fixture f;
    fixture_open(&f,
                 &(mr_engine_options){.accounts = true, .genesis = genesis, .genesis_count = 1});
    const mr_transaction mint = {.from = f.from, .to = f.from};
    const struct {
        mr_transaction_kind kind;
        uint64_t gas_limit;
        mr_value value, tip;
    } cases[] = {
        {MR_TRANSACTION_TRANSFER, 0, most, 1},
        {MR_TRANSACTION_TRANSFER, 0, 1, most},
        {MR_TRANSACTION_TRANSFER, 0, most, most},
        {MR_TRANSACTION_TRANSFER, 0, 0, most},            /* tip and fee */
        {MR_TRANSACTION_TRANSFER, 0, 0, most - post + 1}, /* by one */
        {MR_TRANSACTION_TRANSFER, 0, 1, most - post},     /* by one, with the value */
        {MR_TRANSACTION_TRANSFER, 0, (mr_value)1 << 127, (mr_value)1 << 127},
        {MR_TRANSACTION_TRANSFER, 0, most - post + 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mr_transaction transaction = mint;
        transaction.kind = cases[i].kind;
        transaction.gas_limit = cases[i].gas_limit;
        transaction.value = cases[i].value;
        transaction.tip = cases[i].tip;
        mr_value cost = 4711;
        assert_false(mr_transaction_cost(&f.schedule, &transaction, &cost));
        assert_true(cost == 4711);
        assert_refused(&f, &transaction, MR_ADMISSION_BALANCE);
    }
    const mr_id program = fixture_program(&f, quiet);
    const mr_transaction gas = {.kind = MR_TRANSACTION_SEND,
                                .from = f.from,
                                .to = program,
                                .gas_limit = (uint64_t)1 << 62,
                                .tip = most - post - ((mr_value)100 << 62) + 1};
    assert_refused(&f, &gas, MR_ADMISSION_BALANCE);
    fixture_close(&f);
}

/* The counter of gas that is held wraps around; its worth does not. */
static void more_gas_than_64_bits_may_be_held(void **state)
{
    (void)state;
    static const char waits[] = "(module (import \"env\" \"memory\" (memory 1))\n"
                                "(import \"env\" \"gr_wait\" (func $wait))\n"
                                "(func (export \"handle\") (call $wait)))\n";
    enum { COUNT = 5 };
    const mr_balance genesis[] = {{mr_id_of_name("alice"), most}};
    fixture f;
    fixture_open(&f,
                 &(mr_engine_options){.accounts = true, .genesis = genesis, .genesis_count = 1});
    const mr_id program = fixture_program(&f, waits);
    f.gas = (uint64_t)1 << 62;
    mr_transaction sends[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        sends[i] = fixture_send_of(&f, &program, (mr_span){0});
    fixture_run(&f, sends, COUNT); /* which adds up all value there is */
    fixture_accepted(&f);
    mr_engine_info info;
    mr_engine_info_get(f.engine, &info);
    assert_int_equal(info.waiting_count, COUNT);
    assert_int_equal(info.gas_held, COUNT * f.gas - fixture_info(&f).gas_burned);
    fixture_close(&f);
}

static void the_largest_price_there_is_can_be_paid(void **state)
{
    (void)state;
    const mr_balance genesis[] = {{mr_id_of_name("alice"), most}};
    fixture f;
    fixture_open(&f,
                 &(mr_engine_options){.accounts = true, .genesis = genesis, .genesis_count = 1});
    f.params.author = mr_id_of_name("dave");
    const mr_transaction all = {
        .kind = MR_TRANSACTION_TRANSFER, .from = f.from, .to = f.from, .tip = most - post};
    fixture_run(&f, &all, 1);
    fixture_accepted(&f);
    assert_true(fixture_info(&f).reward == most);
    assert_true(balance(&f, "dave") == most);
    assert_true(balance(&f, "alice") == 0);
    fixture_close(&f);
}

static void without_accounts_a_tip_is_not_paid(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program(&f, quiet), alice = f.from;
    const mr_transaction transactions[] = {
        {.kind = MR_TRANSACTION_SEND,
         .from = alice,
         .to = program,
         .gas_limit = 1000000,
         .tip = most},
        {.kind = MR_TRANSACTION_SEND,
         .from = alice,
         .to = program,
         .gas_limit = 1000000,
         .value = 7,
         .tip = most},
    };
    fixture_run(&f, transactions, 2);
    fixture_accepted(&f);
    mr_engine_info info;
    mr_engine_info_get(f.engine, &info);
    assert_true(info.issued == 7);
    /* What is burned is at the price of gas, in value, as without tips: fees are not paid. */
    assert_true(fixture_info(&f).reward < most / 2);
    fixture_close(&f);
}

static void a_stored_transaction_has_its_tip(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_transaction transfers[] = {
        {.kind = MR_TRANSACTION_TRANSFER, .from = f.from, .to = f.from, .tip = 1},
        {.kind = MR_TRANSACTION_TRANSFER, .from = f.from, .to = f.from, .value = 3},
        {.kind = MR_TRANSACTION_TRANSFER, .from = f.from, .to = f.from, .tip = most},
        {.kind = MR_TRANSACTION_TRANSFER, .from = f.from, .to = f.from, .tip = (mr_value)1 << 64},
    };
    fixture_run(&f, transfers, 4);
    mr_stored_block *block;
    assert_int_equal(mr_engine_block(f.engine, fixture_info(&f).height, &block, NULL), MR_OK);
    size_t count;
    const mr_transaction *stored = mr_stored_block_transactions(block, &count);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++)
        assert_true(stored[i].tip == transfers[i].tip && stored[i].value == transfers[i].value);
    mr_stored_block_free(block);
    fixture_close(&f);
}

/* ---- Claims ---- */

static void a_claim_carries_neither_value_nor_gas_nor_payload_nor_salt(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id program = fixture_program_of(&f, 1, writer), letter = letter_of(&f, &program);
    const mr_transaction claim = {.kind = MR_TRANSACTION_CLAIM, .from = f.from, .to = letter};
    mr_transaction bad[4] = {claim, claim, claim, claim};
    bad[0].value = 1;
    bad[1].gas_limit = 1;
    bad[2].payload = mr_span_text("x");
    bad[3].salt = mr_span_text("x");
    for (size_t i = 0; i < 4; i++) {
        assert_refused(&f, &bad[i], MR_ADMISSION_MALFORMED);
        assert_string_equal(fixture_result(&f, 0).text,
                            i == 3 ? "only the creation of a program takes a salt"
                                   : "a claim carries neither value nor gas nor payload");
    }
    /* The letter is there still, for who it was sent to alone, and once. */
    mr_transaction other = claim;
    other.from = mr_id_of_name("bob");
    assert_refused(&f, &other, MR_ADMISSION_NO_MESSAGE);
    fixture_run(&f, &claim, 1);
    fixture_accepted(&f);
    assert_refused(&f, &claim, MR_ADMISSION_NO_MESSAGE);
    fixture_close(&f);
}

static void a_claim_that_cannot_be_paid_leaves_the_letter(void **state)
{
    (void)state;
    fixture f;
    open_rich(&f);
    const mr_id program = fixture_program_of(&f, 1, writer), letter = letter_of(&f, &program);
    mr_transaction claim = {
        .kind = MR_TRANSACTION_CLAIM, .from = f.from, .to = letter, .tip = wealth};
    assert_refused(&f, &claim, MR_ADMISSION_BALANCE);
    claim.tip = 0;
    fixture_run(&f, &claim, 1);
    fixture_accepted(&f);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tip_is_paid_with_every_kind_of_transaction),
        cmocka_unit_test(a_payer_needs_exactly_the_price_with_the_tip),
        cmocka_unit_test(a_tip_without_an_author_is_burned),
        cmocka_unit_test(a_refused_transaction_keeps_its_tip),
        cmocka_unit_test(a_price_beyond_128_bits_is_refused),
        cmocka_unit_test(more_gas_than_64_bits_may_be_held),
        cmocka_unit_test(the_largest_price_there_is_can_be_paid),
        cmocka_unit_test(without_accounts_a_tip_is_not_paid),
        cmocka_unit_test(a_stored_transaction_has_its_tip),
        cmocka_unit_test(a_claim_carries_neither_value_nor_gas_nor_payload_nor_salt),
        cmocka_unit_test(a_claim_that_cannot_be_paid_leaves_the_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
