/* SPDX-License-Identifier: Apache-2.0 */
/* Views: a state seen beside blocks, blocks tried out on it, and what a message needs.
 *
 * Goal: a view shows one committed block, whatever the engine does, until it is refreshed; nothing
 * tried out on it stays; an estimate is the least gas, proved by running the message with that and
 * with one less. Method: programs as text, over an engine in memory. */
#include "tests/engine/actor.h"

/* Counts in memory; state tells the count; a payload of one byte n waits n blocks first. */
static const char counter[] =
    "(module (import \"env\" \"memory\" (memory 1))\n"
    "(import \"env\" \"gr_size\" (func $size (param i32)))\n"
    "(import \"env\" \"gr_read\" (func $read (param i32 i32 i32 i32)))\n"
    "(import \"env\" \"gr_reply\" (func $reply (param i32 i32 i32 i32)))\n"
    "(import \"env\" \"gr_wait_for\" (func $wait (param i32)))\n"
    "(import \"env\" \"gr_panic\" (func $panic (param i32 i32)))\n"
    "(import \"env\" \"gr_exit\" (func $exit (param i32)))\n"
    "(func (export \"handle\")\n"
    "(call $size (i32.const 16))\n"
    "(if (i32.load (i32.const 16)) (then\n"
    "(call $read (i32.const 0) (i32.const 1) (i32.const 32) (i32.const 24))\n"
    "(if (i32.eq (i32.load8_u (i32.const 32)) (i32.const 255))\n"
    "(then (call $panic (i32.const 40) (i32.const 4))))\n"
    "(if (i32.eqz (i32.load (i32.const 8))) (then\n"
    "(i32.store (i32.const 8) (i32.const 1))\n"
    "(call $wait (i32.load8_u (i32.const 32)))))))\n"
    "(i32.store (i32.const 8) (i32.const 0))\n"
    "(i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))\n"
    "(call $reply (i32.const 0) (i32.const 4) (i32.const -1) (i32.const 48)))\n"
    "(func (export \"state\")\n"
    "(i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 100)))\n"
    "(call $reply (i32.const 0) (i32.const 4) (i32.const -1) (i32.const 48)))\n"
    "(func (export \"metahash\") (call $exit (i32.const 0)))\n"
    "(data (i32.const 40) \"oops\"))\n";

static mr_engine *open_view(const fixture *f, mr_view_kind kind)
{
    mr_engine *view;
    mr_error error = {0};
    if (mr_view_open(f->engine, kind, &view, &error) != MR_OK)
        fail_msg("%s", error.text);
    return view;
}

static mr_answer read_entry(mr_engine *view, const mr_id *program, const char *entry)
{
    const mr_reading reading = {.program = *program, .entry = entry, .gas_limit = PLENTY};
    mr_answer answer;
    mr_error error = {0};
    if (mr_engine_read(view, &reading, &answer, &error) != MR_OK)
        fail_msg("%s", error.text);
    return answer;
}

static uint32_t read_count(mr_engine *view, const mr_id *program)
{
    const mr_answer answer = read_entry(view, program, "state");
    assert_int_equal(answer.outcome, MR_OUTCOME_OK);
    assert_int_equal(answer.payload.size, 4);
    return mr_load_le32(answer.payload.data) - 100;
}

static void refresh(mr_engine *view)
{
    mr_error error = {0};
    if (mr_view_refresh(view, &error) != MR_OK)
        fail_msg("%s", error.text);
}

static void a_view_stays_at_its_block_until_it_is_refreshed(void **unused)
{
    (void)unused;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program(&f, counter);
    for (unsigned kind = MR_VIEW_WHOLE; kind <= MR_VIEW_ALONE; kind++) {
        mr_engine *view = open_view(&f, (mr_view_kind)kind);
        const uint32_t before = read_count(view, &program);
        (void)fixture_send(&f, &program, (mr_span){0});
        assert_int_equal(read_count(view, &program), before);
        refresh(view);
        assert_int_equal(read_count(view, &program), before + 1);
        assert_int_equal(read_count(view, &program), before + 1); /* reading changes nothing */
        assert_int_equal(mr_engine_close(view, NULL), MR_OK);
    }
    fixture_close(&f);
}

static void an_entry_that_reads_may_change_nothing(void **unused)
{
    (void)unused;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program(&f, counter);
    mr_engine *view = open_view(&f, MR_VIEW_ALONE);
    assert_int_equal(read_entry(view, &program, "metahash").outcome, MR_OUTCOME_TRAP);
    assert_int_equal(read_count(view, &program), 0);
    const mr_reading unknown = {.program = program, .entry = "handle", .gas_limit = PLENTY};
    mr_answer answer;
    mr_error error = {0};
    assert_int_equal(mr_engine_read(view, &unknown, &answer, &error), MR_INVALID);
    const mr_reading nobody = {.entry = "state", .gas_limit = PLENTY};
    assert_int_equal(mr_engine_read(view, &nobody, &answer, &error), MR_NOT_FOUND);
    const mr_reading poor = {.program = program, .entry = "state", .gas_limit = 20000};
    assert_int_equal(mr_engine_read(view, &poor, &answer, &error), MR_OK);
    assert_int_equal(answer.outcome, MR_OUTCOME_OUT_OF_GAS);
    assert_int_equal(mr_engine_close(view, NULL), MR_OK);
    fixture_close(&f);
}

static void a_block_on_a_whole_view_has_the_root_it_would_have(void **unused)
{
    (void)unused;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program(&f, counter);
    const uint8_t three = 3;
    (void)fixture_send(&f, &program, mr_span_of(&three, 1)); /* something waits, too */
    mr_engine *view = open_view(&f, MR_VIEW_WHOLE);
    const mr_transaction send = fixture_send_of(&f, &program, (mr_span){0});
    for (unsigned i = 0; i < 4; i++) {
        refresh(view);
        mr_block *tried;
        mr_error error = {0};
        const mr_block_params params = f.params;
        assert_int_equal(mr_block_execute(view, &params, &send, 1, &tried, &error), MR_OK);
        mr_block_info expected;
        mr_block_info_get(tried, &expected);
        assert_int_equal(mr_block_commit(tried, MR_COMMIT_WAIT, &error), MR_STATE);
        mr_block_discard(tried);
        fixture_run(&f, &send, 1);
        const mr_block_info info = fixture_info(&f);
        assert_memory_equal(&info, &expected, sizeof info);
    }
    assert_int_equal(mr_engine_close(view, NULL), MR_OK);
    fixture_close(&f);
}

static mr_estimate estimate(mr_engine *view, const fixture *f, const mr_transaction *transaction)
{
    const mr_block_params params = f->params;
    mr_estimate out;
    mr_error error = {0};
    if (mr_view_estimate(view, &params, transaction, 0, 0, &out, &error) != MR_OK)
        fail_msg("%s", error.text);
    return out;
}

/* Whether the message, and what it waits for in `blocks` blocks, succeeds with that gas. */
static bool succeeds(fixture *f, mr_transaction send, uint64_t gas, uint32_t blocks)
{
    send.gas_limit = gas;
    fixture_run(f, &send, 1);
    fixture_accepted(f);
    bool good = true;
    for (uint32_t b = 0;; b++) {
        mr_receipt receipt;
        for (uint64_t i = 0; mr_block_receipt(f->block, i, &receipt); i++)
            good =
                good && (receipt.outcome == MR_OUTCOME_OK || receipt.outcome == MR_OUTCOME_WAITING);
        if (b + 1 >= blocks)
            return good;
        fixture_run(f, NULL, 0);
    }
}

static void an_estimate_is_the_least_gas_that_does(void **unused)
{
    (void)unused;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program(&f, counter);
    mr_engine *view = open_view(&f, MR_VIEW_ALONE);
    const uint8_t waits = 5;
    const mr_span payloads[] = {{0}, mr_span_of(&waits, 1)};
    const uint32_t blocks[] = {1, 6};
    for (unsigned i = 0; i < 2; i++) {
        refresh(view);
        const mr_transaction send = fixture_send_of(&f, &program, payloads[i]);
        const mr_estimate found = estimate(view, &f, &send);
        assert_true(found.succeeds && !found.waits);
        assert_int_equal(found.blocks, blocks[i]);
        assert_true(succeeds(&f, send, found.gas_limit, blocks[i]));
        assert_false(succeeds(&f, send, found.gas_limit - 1, blocks[i]));
        assert_int_equal(read_count(view, &program), i); /* the view is as it was */
    }
    assert_int_equal(mr_engine_close(view, NULL), MR_OK);
    fixture_close(&f);
}

static void an_estimate_says_why_a_message_fails(void **unused)
{
    (void)unused;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program(&f, counter);
    mr_engine *view = open_view(&f, MR_VIEW_ALONE);
    const uint8_t panics = 255;
    mr_transaction send = fixture_send_of(&f, &program, mr_span_of(&panics, 1));
    const mr_estimate found = estimate(view, &f, &send);
    assert_false(found.succeeds);
    assert_int_equal(found.outcome, MR_OUTCOME_PANIC);
    assert_memory_equal(&found.failed, &program, sizeof program);
    assert_text(found.text, "oops");
    send.to = (mr_id){{1}};
    mr_estimate out;
    mr_error error = {0};
    const mr_block_params params = f.params;
    assert_int_equal(mr_view_estimate(view, &params, &send, 0, 0, &out, &error), MR_INVALID);
    assert_non_null(strstr(error.text, "there is no such program"));
    assert_int_equal(mr_view_estimate(f.engine, &params, &send, 0, 0, &out, &error), MR_STATE);
    assert_int_equal(mr_engine_close(view, NULL), MR_OK);
    fixture_close(&f);
}

static mr_estimate estimate_for(mr_engine *view, const fixture *f, const mr_transaction *send,
                                uint32_t blocks_max)
{
    const mr_block_params params = f->params;
    mr_estimate out;
    mr_error error = {0};
    assert_int_equal(mr_view_estimate(view, &params, send, 0, blocks_max, &out, &error), MR_OK);
    assert_true(out.succeeds);
    return out;
}

/* What nothing wakes pays rent for as many blocks as are looked at; what has set its rent aside, or
 * has come to its end, does not. */
static void an_estimate_that_is_rent_up_to_its_last_block_says_so(void **unused)
{
    (void)unused;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    mr_engine *view = open_view(&f, MR_VIEW_ALONE);
    script s = script_new();
    STEP(&s, "gr_wait");
    const mr_transaction never = fixture_send_of(&f, &actor, script_span(&s));
    const mr_estimate ten = estimate_for(view, &f, &never, 10);
    const mr_estimate more = estimate_for(view, &f, &never, 110);
    const mr_estimate most = estimate_for(view, &f, &never, 0);
    assert_true(ten.waits && ten.cut && more.waits && more.cut && most.waits && most.cut);
    assert_int_equal(more.gas_limit - ten.gas_limit, 100 * f.schedule.rent);
    assert_int_equal(most.gas_limit - ten.gas_limit, (MR_ESTIMATE_BLOCKS - 10) * f.schedule.rent);
    script t = script_new();
    STEP(&t, "count", 0x2000);
    STEP(&t, "unless", 0x2000, 1, 1);
    STEP(&t, "gr_wait_for", 50);
    const mr_transaction later = fixture_send_of(&f, &actor, script_span(&t));
    const mr_estimate before = estimate_for(view, &f, &later, 50);
    const mr_estimate after = estimate_for(view, &f, &later, 51);
    assert_true(before.waits && !before.cut);
    assert_true(!after.waits && !after.cut);
    assert_int_equal(mr_engine_close(view, NULL), MR_OK);
    fixture_close(&f);
}

/* Each attempt makes the same program anew. */
static void what_makes_programs_can_be_estimated(void **unused)
{
    (void)unused;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id code = actor_upload(&f, ACTOR_ENTRIES);
    const mr_id actor = fixture_create(&f, &code, (mr_span){0});
    mr_engine *view = open_view(&f, MR_VIEW_ALONE);
    script s = script_new();
    STEP(&s, "gr_create_program", script_to(&s, &code, 0), 0, 0, 0, 0, 0, 0x1000);
    STEP(&s, "gr_wait_for", 2);
    const mr_transaction send = fixture_send_of(&f, &actor, script_span(&s));
    const mr_estimate found = estimate(view, &f, &send);
    assert_true(found.succeeds);
    assert_int_equal(mr_engine_close(view, NULL), MR_OK);
    fixture_close(&f);
}

/* Programs of attempts are gone with them, however many there are. */
static void any_number_of_creations_can_be_estimated_on_one_view(void **unused)
{
    (void)unused;
    enum { ESTIMATES = 1100 };
    fixture f;
    fixture_open(&f, NULL);
    const mr_id code = actor_upload(&f, ACTOR_ENTRIES);
    mr_engine *view = open_view(&f, MR_VIEW_ALONE);
    for (uint32_t i = 0; i < ESTIMATES; i++) {
        const mr_transaction create = {
            .kind = MR_TRANSACTION_CREATE,
            .from = f.from,
            .to = code,
            .salt = mr_span_of(&i, sizeof i),
            .gas_limit = f.gas,
        };
        const mr_block_params params = f.params;
        mr_estimate out;
        mr_error error = {0};
        assert_int_equal(mr_view_estimate(view, &params, &create, PLENTY, 0, &out, &error), MR_OK);
        assert_true(out.succeeds);
    }
    assert_int_equal(mr_engine_close(view, NULL), MR_OK);
    fixture_close(&f);
}

/* An estimate runs what one message causes, not what falls due meanwhile: what has come to its end
 * by then is found by nobody. */
static void what_ends_before_an_estimate_does_is_not_in_its_way(void **unused)
{
    (void)unused;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), heir = mr_id_of_name("bob");
    script waits = script_new();
    STEP(&waits, "gr_reserve_gas", 1000000, 3, 0x1000);
    STEP(&waits, "gr_wait_for", 3);
    assert_int_equal(script_run(&f, &actor, &waits).outcome, MR_OUTCOME_WAITING);
    const mr_id message = fixture_receipt(&f, 0).message;
    const mr_id reserved = fixture_id(&f, &actor, 0x1004);
    for (unsigned what = 0; what < 3; what++) {
        script s = script_new();
        STEP(&s, "count", 0x2000);
        STEP(&s, "unless", 0x2000, 1, 1);
        STEP(&s, "gr_wait_for", 10);
        if (what == 0)
            STEP(&s, "gr_wake", script_data(&s, &message, 32), 0, 0x1100);
        else if (what == 1)
            STEP(&s, "gr_unreserve_gas", script_data(&s, &reserved, 32), 0x1100);
        else
            STEP(&s, "gr_exit", script_data(&s, &heir, 32));
        mr_engine *view = open_view(&f, MR_VIEW_ALONE);
        const mr_transaction send = fixture_send_of(&f, &actor, script_span(&s));
        const mr_estimate found = estimate(view, &f, &send);
        assert_true(found.succeeds);
        assert_int_equal(found.blocks, 11);
        assert_int_equal(mr_engine_close(view, NULL), MR_OK);
    }
    fixture_close(&f);
}

/* A reply that draws on the message it belongs to needs no gas of its own. */
static void a_reply_that_draws_on_what_waits_needs_no_gas(void **unused)
{
    (void)unused;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), alice = mr_id_of_name("alice");
    script asks = script_new();
    uint8_t to[48] = {0};
    memcpy(to, alice.bytes, sizeof alice.bytes);
    STEP(&asks, "gr_send_wgas", script_data(&asks, to, sizeof to), 0, 0, 500000, 0, 0x1000);
    STEP(&asks, "gr_wait_for", 20);
    assert_int_equal(script_run(&f, &actor, &asks).outcome, MR_OUTCOME_WAITING);
    const mr_transaction answer = {
        .kind = MR_TRANSACTION_REPLY, .from = alice, .to = fixture_id(&f, &actor, 0x1004)};
    mr_engine *view = open_view(&f, MR_VIEW_ALONE);
    const mr_estimate found = estimate(view, &f, &answer);
    assert_true(found.succeeds);
    assert_true(found.gas_burned > 0);
    assert_int_equal(found.gas_limit, 0);
    assert_int_equal(mr_engine_close(view, NULL), MR_OK);
    assert_true(succeeds(&f, answer, 0, 1));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_stays_at_its_block_until_it_is_refreshed),
        cmocka_unit_test(an_entry_that_reads_may_change_nothing),
        cmocka_unit_test(a_block_on_a_whole_view_has_the_root_it_would_have),
        cmocka_unit_test(an_estimate_is_the_least_gas_that_does),
        cmocka_unit_test(an_estimate_says_why_a_message_fails),
        cmocka_unit_test(an_estimate_that_is_rent_up_to_its_last_block_says_so),
        cmocka_unit_test(what_makes_programs_can_be_estimated),
        cmocka_unit_test(any_number_of_creations_can_be_estimated_on_one_view),
        cmocka_unit_test(what_ends_before_an_estimate_does_is_not_in_its_way),
        cmocka_unit_test(a_reply_that_draws_on_what_waits_needs_no_gas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
