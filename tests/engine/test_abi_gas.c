/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: gas left over is shared, rides home and is refunded to the unit as docs/SEMANTICS.md says.
 * Method: a program whose own cost is known sends messages to programs that burn nothing (they lack
 * the entry), so that every limit on a receipt can be computed by hand. */
#include "tests/engine/actor.h"

enum { COST_BASE = 10000 + 1000 /* a dispatch, one page */ };

static const mr_value wealth = (mr_value)1 << 100;

typedef struct net {
    fixture f;
    mr_id quiet[4]; /* programs that take any message without running */
} net;

static void net_open(net *n)
{
    const mr_balance genesis[] = {{mr_id_of_name("alice"), wealth}};
    fixture_open(&n->f,
                 &(mr_engine_options){.accounts = true, .genesis = genesis, .genesis_count = 1});
    const mr_id code = actor_upload(&n->f, "init");
    for (size_t i = 0; i < 4; i++)
        n->quiet[i] = fixture_create(&n->f, &code, (mr_span){0});
}

static mr_value alice(const net *n)
{
    const mr_id id = mr_id_of_name("alice");
    mr_value value;
    assert_int_equal(mr_engine_account(n->f.engine, &id, &value), MR_OK);
    return value;
}

/* A program whose handle is `body`. Data: destinations of 48 bytes from 0 on, quiet[0..3], then the
 * user bob; 256 is for answers. */
static mr_id program(net *n, const char *entry, const char *body)
{
    wat_text wat = {0};
    text_add(&wat, "(data (i32.const 0) \"");
    for (size_t i = 0; i < 5; i++) {
        const mr_id id = i < 4 ? n->quiet[i] : mr_id_of_name("bob");
        for (size_t b = 0; b < 48; b++)
            text_add(&wat, "\\%02x", b < 32 ? id.bytes[b] : 0);
    }
    text_add(&wat, "\") (func (export \"%s\") %s)", entry, body);
    const mr_id made = fixture_program_of(&n->f, 1, wat.at);
    text_fini(&wat);
    return made;
}

#define SEND(to)                                                                                   \
    "(call $gr_send (i32.const " #to ") (i32.const 0) (i32.const 0) (i32.const 0)"                 \
    "(i32.const 256))"
#define SEND_GAS(to, gas)                                                                          \
    "(call $gr_send_wgas (i32.const " #to ") (i32.const 0) (i32.const 0) (i64.const " #gas ")"     \
    "(i32.const 0) (i32.const 256))"
#define REPLY "(call $gr_reply (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 256))"
#define REPLY_GAS(gas)                                                                             \
    "(call $gr_reply_wgas (i32.const 0) (i32.const 0) (i64.const " #gas ") (i32.const -1)"         \
    "(i32.const 256))"

enum {
    COST_SEND = 6000 + 22000,
    COST_SEND_GAS = 7000 + 22000,
    COST_REPLY = 5000 + 22000,
    COST_REPLY_GAS = 6000 + 22000,
};

static uint64_t limit(const net *n, uint64_t i)
{
    return fixture_receipt(&n->f, i).gas_limit;
}

static void assert_limits(const net *n, const uint64_t *limits, size_t count)
{
    assert_int_equal(fixture_info(&n->f).receipts_count, count);
    for (size_t i = 0; i < count; i++) {
        if (limit(n, i) != limits[i])
            fail_msg("receipt %u has limit %llu, not %llu", (unsigned)i,
                     (unsigned long long)limit(n, i), (unsigned long long)limits[i]);
    }
}

/* What a block cost alice beside the fee of its one empty message. */
static uint64_t spent(const net *n, mr_value before)
{
    const mr_value paid = before - alice(n) - (mr_value)10000 * 100;
    assert_int_equal((uint64_t)(paid % 100), 0);
    return (uint64_t)(paid / 100);
}

static void what_a_user_bought_and_nobody_needs_comes_back(void **state)
{
    (void)state;
    net n;
    net_open(&n);
    const mr_id from = program(&n, "handle", "");
    const mr_value before = alice(&n);
    n.f.gas = 1000000;
    const mr_receipt receipt = fixture_send(&n.f, &from, (mr_span){0});
    assert_int_equal(receipt.gas_burned, COST_BASE);
    assert_int_equal(spent(&n, before), COST_BASE);
    fixture_close(&n.f);
}

static void one_message_takes_all_that_is_left(void **state)
{
    (void)state;
    net n;
    net_open(&n);
    const mr_id from = program(&n, "handle", SEND(0));
    const mr_value before = alice(&n);
    n.f.gas = 1000000;
    fixture_send(&n.f, &from, (mr_span){0});
    const uint64_t left = 1000000 - COST_BASE - COST_SEND;
    /* The automatic reply to the message brings the gas back to `from`, and home from there. */
    assert_limits(&n, (uint64_t[]){1000000, left, left}, 3);
    assert_int_equal(fixture_receipt(&n.f, 0).gas_burned, COST_BASE + COST_SEND);
    assert_int_equal(spent(&n, before), COST_BASE + COST_SEND);
    fixture_close(&n.f);
}

static void equal_shares_and_what_does_not_divide_goes_home(void **state)
{
    (void)state;
    net n;
    net_open(&n);
    const mr_id from = program(&n, "handle", SEND(0) SEND(48) SEND(96));
    const mr_value before = alice(&n);
    n.f.gas = 1000003;
    fixture_send(&n.f, &from, (mr_span){0});
    const uint64_t left = 1000003 - COST_BASE - 3 * COST_SEND, share = left / 3;
    assert_int_equal(left % 3, 2);
    assert_limits(&n, (uint64_t[]){1000003, share, share, share, share, share, share}, 7);
    assert_int_equal(spent(&n, before), COST_BASE + 3 * COST_SEND);
    fixture_close(&n.f);
}

static void explicit_limits_are_carried_away_and_the_others_share_the_rest(void **state)
{
    (void)state;
    net n;
    net_open(&n);
    const mr_id from = program(&n, "handle", SEND_GAS(0, 5000) SEND(48) SEND_GAS(96, 0) SEND(144));
    const mr_value before = alice(&n);
    n.f.gas = 1000000;
    fixture_send(&n.f, &from, (mr_span){0});
    const uint64_t left = 1000000 - COST_BASE - 2 * COST_SEND - 2 * COST_SEND_GAS - 5000;
    const uint64_t share = left / 2;
    assert_limits(&n, (uint64_t[]){1000000, 5000, share, 0, share, 5000, share, 0, share}, 9);
    assert_int_equal(spent(&n, before), COST_BASE + 2 * COST_SEND + 2 * COST_SEND_GAS);
    fixture_close(&n.f);
}

/* What they have is that of their letters, held as long as these wait. */
static void messages_to_users_share_nothing(void **state)
{
    (void)state;
    net n;
    net_open(&n);
    const mr_id from = program(&n, "handle", SEND(192) SEND_GAS(192, 7000) SEND(0) SEND(192));
    const mr_value before = alice(&n);
    n.f.gas = 1000000;
    fixture_send(&n.f, &from, (mr_span){0});
    const uint64_t held = 7000 + 2 * 3000; /* a limit, and twice the mailbox threshold */
    const uint64_t left = 1000000 - COST_BASE - 3 * COST_SEND - COST_SEND_GAS - held;
    assert_limits(&n, (uint64_t[]){1000000, left, left}, 3);
    assert_int_equal(spent(&n, before), COST_BASE + 3 * COST_SEND + COST_SEND_GAS + held);
    mr_engine_info info;
    mr_engine_info_get(n.f.engine, &info);
    assert_int_equal(info.gas_held, held);
    assert_int_equal(info.letters_count, 3);
    fixture_close(&n.f);
}

/* A program asked by another: `asker` sends with a limit, so what the asked one has is known. */
typedef struct asked {
    mr_value before;
    uint64_t limit;
    mr_receipt receipt; /* of the dispatch of the asked program */
} asked;

static asked ask(net *n, const mr_id *program_id)
{
    enum { LIMIT = 300000 };
    const mr_id asker = fixture_program_of(
        &n->f, 1,
        "(func (export \"handle\") (call $gr_read (i32.const 0) (i32.const 32) (i32.const 0)"
        "(i32.const 256)) (call $gr_send_wgas (i32.const 0) (i32.const 0) (i32.const 0)"
        "(i64.const 300000) (i32.const 0) (i32.const 256)))");
    asked result = {.before = alice(n), .limit = LIMIT};
    n->f.gas = 1000000;
    fixture_send(&n->f, &asker, mr_span_of(program_id->bytes, 32));
    result.receipt = fixture_receipt(&n->f, 1);
    assert_id_equal(result.receipt.program, *program_id);
    assert_int_equal(result.receipt.gas_limit, LIMIT);
    /* Whatever way it took, what was not burned came home. */
    uint64_t burned = 0;
    for (uint64_t i = 0; i < fixture_info(&n->f).receipts_count; i++)
        burned += fixture_receipt(&n->f, i).gas_burned;
    assert_int_equal(fixture_info(&n->f).gas_burned, burned);
    assert_int_equal(spent(n, result.before) - 32 * 20, burned);
    return result;
}

static void an_automatic_reply_to_a_program_carries_the_rest_but_no_share(void **state)
{
    (void)state;
    net n;
    net_open(&n);
    /* Alone it carries all. */
    const mr_id silent = program(&n, "handle", "");
    asked a = ask(&n, &silent);
    assert_int_equal(limit(&n, 2), a.limit - COST_BASE);
    /* Beside gasless messages only what does not divide. */
    const mr_id sender = program(&n, "handle", SEND(0) SEND(48) SEND(96));
    a = ask(&n, &sender);
    const uint64_t left = a.limit - COST_BASE - 3 * COST_SEND;
    assert_int_equal(left % 3, 1);
    assert_limits(&n,
                  (uint64_t[]){1000000, a.limit, left / 3, left / 3, left / 3, 1, left / 3,
                               left / 3, left / 3},
                  9);
    fixture_close(&n.f);
}

static void a_programs_own_reply_to_a_program_takes_a_share_and_the_rest(void **state)
{
    (void)state;
    net n;
    net_open(&n);
    const mr_id sender = program(&n, "handle", SEND(0) REPLY SEND(48));
    const asked a = ask(&n, &sender);
    const uint64_t left = a.limit - COST_BASE - 2 * COST_SEND - COST_REPLY;
    const uint64_t share = left / 3, rest = left % 3;
    assert_limits(&n, (uint64_t[]){1000000, a.limit, share, share, share + rest, share, share}, 7);
    fixture_close(&n.f);
}

static void a_reply_with_a_limit_carries_that_and_the_rest(void **state)
{
    (void)state;
    net n;
    net_open(&n);
    const mr_id alone = program(&n, "handle", REPLY_GAS(1000));
    asked a = ask(&n, &alone);
    assert_int_equal(limit(&n, 2), a.limit - COST_BASE - COST_REPLY_GAS);
    const mr_id sender = program(&n, "handle", SEND(0) REPLY_GAS(1000) SEND(48));
    a = ask(&n, &sender);
    const uint64_t left = a.limit - COST_BASE - 2 * COST_SEND - COST_REPLY_GAS - 1000;
    assert_limits(
        &n, (uint64_t[]){1000000, a.limit, left / 2, left / 2, 1000 + left % 2, left / 2, left / 2},
        7);
    fixture_close(&n.f);
}

static void gas_of_a_reply_to_a_user_is_refunded(void **state)
{
    (void)state;
    net n;
    net_open(&n);
    const mr_id from = program(&n, "handle", REPLY_GAS(500000));
    const mr_value before = alice(&n);
    n.f.gas = 1000000;
    const mr_receipt receipt = fixture_send(&n.f, &from, (mr_span){0});
    assert_int_equal(receipt.gas_burned, COST_BASE + COST_REPLY_GAS);
    assert_int_equal(spent(&n, before), COST_BASE + COST_REPLY_GAS);
    fixture_close(&n.f);
}

static void an_error_reply_to_a_program_carries_all_that_is_left(void **state)
{
    (void)state;
    net n;
    net_open(&n);
    const mr_id failing = program(&n, "handle", SEND(0) SEND_GAS(48, 9000) "(unreachable)");
    const asked a = ask(&n, &failing);
    assert_int_equal(a.receipt.gas_burned, COST_BASE + COST_SEND + COST_SEND_GAS + 1000);
    assert_limits(&n, (uint64_t[]){1000000, a.limit, a.limit - a.receipt.gas_burned}, 3);
    fixture_close(&n.f);
}

static void a_dispatch_with_too_little_gas_to_begin_burns_it_whole(void **state)
{
    (void)state;
    net n;
    net_open(&n);
    const mr_id from = program(&n, "handle", "");
    static const uint64_t limits[] = {0, 1, COST_BASE - 1};
    for (size_t i = 0; i < 3; i++) {
        const mr_value before = alice(&n);
        n.f.gas = limits[i];
        const mr_receipt receipt = fixture_send(&n.f, &from, (mr_span){0});
        assert_int_equal(receipt.outcome, MR_OUTCOME_OUT_OF_GAS);
        assert_int_equal(receipt.gas_burned, limits[i]);
        assert_code(fixture_message(&n.f, 0), 1, 0, 0);
        assert_int_equal(spent(&n, before), limits[i]);
    }
    n.f.gas = COST_BASE;
    assert_int_equal(fixture_send(&n.f, &from, (mr_span){0}).outcome, MR_OUTCOME_OK);
    fixture_close(&n.f);
}

/* A handled reply shares like any message, but is answered by nobody: the rest goes to the payer.
 */
static void what_a_handled_reply_does_not_need_goes_to_who_paid(void **state)
{
    (void)state;
    net n;
    net_open(&n);
    wat_text body = {0};
    /* handle asks quiet[0], handle_reply sends two messages. */
    text_add(&body, "(data (i32.const 0) \"");
    for (size_t i = 0; i < 3; i++)
        for (size_t b = 0; b < 48; b++)
            text_add(&body, "\\%02x", b < 32 ? n.quiet[i].bytes[b] : 0);
    text_add(&body, "\") (func (export \"handle\") %s) (func (export \"handle_reply\") %s)",
             SEND(0), SEND(48) SEND(96));
    const mr_id chain = fixture_program_of(&n.f, 1, body.at);
    text_fini(&body);
    const mr_value before = alice(&n);
    n.f.gas = 1000000;
    fixture_send(&n.f, &chain, (mr_span){0});
    const uint64_t first = 1000000 - COST_BASE - COST_SEND; /* rides there and back */
    const uint64_t left = first - COST_BASE - 2 * COST_SEND;
    /* handle, quiet, handle_reply, then two quiet ones whose replies make two more handle_reply:
     * these send again; follow the first five only. */
    assert_int_equal(limit(&n, 1), first);
    assert_int_equal(limit(&n, 2), first);
    assert_int_equal(limit(&n, 3), left / 2);
    assert_int_equal(limit(&n, 4), left / 2);
    uint64_t burned = 0;
    for (uint64_t i = 0; i < fixture_info(&n.f).receipts_count; i++)
        burned += fixture_receipt(&n.f, i).gas_burned;
    assert_int_equal(spent(&n, before), burned);
    assert_int_equal(fixture_info(&n.f).queue_count, 0);
    fixture_close(&n.f);
}

/* Gas is for who bought it, wherever it went: bob pays for what alice's program does for him. */
static void each_user_pays_for_his_own_messages(void **state)
{
    (void)state;
    net n;
    net_open(&n);
    const mr_id from = program(&n, "handle", SEND(0) SEND(48));
    const mr_transaction gift = {.kind = MR_TRANSACTION_TRANSFER,
                                 .from = n.f.from,
                                 .to = mr_id_of_name("bob"),
                                 .value = (mr_value)1 << 80};
    fixture_run(&n.f, &gift, 1);
    const mr_value before = alice(&n);
    n.f.gas = 1000000;
    mr_transaction sends[2];
    sends[0] = fixture_send_of(&n.f, &from, (mr_span){0});
    n.f.from = mr_id_of_name("bob");
    n.f.gas = 500000;
    sends[1] = fixture_send_of(&n.f, &from, (mr_span){0});
    fixture_run(&n.f, sends, 2);
    assert_int_equal(spent(&n, before), COST_BASE + 2 * COST_SEND);
    mr_value bob;
    assert_int_equal(mr_engine_account(n.f.engine, &n.f.from, &bob), MR_OK);
    assert_value_equal(((mr_value)1 << 80) - bob,
                       (mr_value)(COST_BASE + 2 * COST_SEND + 10000) * 100);
    fixture_close(&n.f);
}

/* The most gas there is can be bought, used and given back, on and off the books. */
static void the_largest_gas_limit_comes_back_whole(void **state)
{
    (void)state;
    net n;
    net_open(&n);
    const mr_id from = program(&n, "handle", SEND(0) SEND(48) REPLY_GAS(2305843009213693952));
    const mr_value before = alice(&n);
    const uint64_t most = (uint64_t)1 << 62;
    n.f.gas = most;
    fixture_send(&n.f, &from, (mr_span){0});
    const uint64_t cost = COST_BASE + 2 * COST_SEND + COST_REPLY_GAS;
    const uint64_t left = most - cost - most / 2;
    assert_limits(&n, (uint64_t[]){most, left / 2, left / 2, left / 2, left / 2}, 5);
    assert_int_equal(spent(&n, before), cost);
    fixture_close(&n.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_user_bought_and_nobody_needs_comes_back),
        cmocka_unit_test(one_message_takes_all_that_is_left),
        cmocka_unit_test(equal_shares_and_what_does_not_divide_goes_home),
        cmocka_unit_test(explicit_limits_are_carried_away_and_the_others_share_the_rest),
        cmocka_unit_test(messages_to_users_share_nothing),
        cmocka_unit_test(an_automatic_reply_to_a_program_carries_the_rest_but_no_share),
        cmocka_unit_test(a_programs_own_reply_to_a_program_takes_a_share_and_the_rest),
        cmocka_unit_test(a_reply_with_a_limit_carries_that_and_the_rest),
        cmocka_unit_test(gas_of_a_reply_to_a_user_is_refunded),
        cmocka_unit_test(an_error_reply_to_a_program_carries_all_that_is_left),
        cmocka_unit_test(a_dispatch_with_too_little_gas_to_begin_burns_it_whole),
        cmocka_unit_test(what_a_handled_reply_does_not_need_goes_to_who_paid),
        cmocka_unit_test(each_user_pays_for_his_own_messages),
        cmocka_unit_test(the_largest_gas_limit_comes_back_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
