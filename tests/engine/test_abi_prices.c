/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: functions of waiting, waking, reservations, signals and creation cost what docs/ABI.md
 * says, when they succeed and when they fail. Method: programs of one call each, whose instructions
 * are counted. */
#include "tests/engine/fixture.h"

enum {
    BEGIN = 10000 + 1000, /* a dispatch, one page */
    CALL = 2000,
    BYTE = 10,
    SEND = 20000,
    SEND_BYTE = 20,
    REPLY = 20000,
    CREATE = 100000,
    WAIT = 40000,
    WAKE = 10000,
    RESERVE = 10000,
};

#define I(n) "(i32.const " #n ")"
#define L(n) "(i64.const " #n ")"

typedef struct priced {
    const char *call;
    uint64_t instructions, price;
    mr_outcome outcome;
    uint32_t code; /* at 512, when it ends well */
} priced;

static const priced cases[] = {
    {"(call $gr_wait)", 1, CALL + WAIT, MR_OUTCOME_WAITING, 0},
    {"(call $gr_wait_for " I(9) ")", 2, CALL + WAIT, MR_OUTCOME_WAITING, 0},
    {"(call $gr_wait_up_to " I(9) ")", 2, CALL + WAIT, MR_OUTCOME_WAITING, 0},
    {"(call $gr_wait_for " I(0) ")", 2, CALL + WAIT, MR_OUTCOME_TRAP, 0},
    {"(call $gr_wake " I(0) I(0) I(512) ")", 4, CALL + WAKE + 32 * BYTE, MR_OUTCOME_OK, 0},
    {"(call $gr_wake " I(0) I(-1) I(512) ")", 4, CALL + WAKE + 32 * BYTE, MR_OUTCOME_OK, 100},
    {"(call $gr_reserve_gas " L(5000) I(9) I(512) ")", 4, CALL + RESERVE + 36 * BYTE, MR_OUTCOME_OK,
     0},
    {"(call $gr_reserve_gas " L(5000) I(0) I(512) ")", 4, CALL + RESERVE + 36 * BYTE, MR_OUTCOME_OK,
     502},
    {"(call $gr_unreserve_gas " I(0) I(512) ")", 3, CALL + RESERVE + (32 + 12) * BYTE,
     MR_OUTCOME_OK, 500},
    {"(call $gr_system_reserve_gas " L(5000) I(512) ")", 3, CALL + RESERVE, MR_OUTCOME_OK, 0},
    {"(call $gr_reply_deposit " I(0) L(1) I(512) ")", 4, CALL + 32 * BYTE, MR_OUTCOME_OK, 310},
    {"(call $gr_signal_from " I(512) ")", 2, CALL + 36 * BYTE, MR_OUTCOME_OK, 106},
    {"(call $gr_signal_code " I(512) ")", 2, CALL + 8 * BYTE, MR_OUTCOME_OK, 106},
    {"(call $gr_create_program " I(0) I(0) I(5) I(0) I(7) I(0) I(512) ")", 8,
     CALL + SEND + CREATE + 12 * (SEND_BYTE + BYTE), MR_OUTCOME_OK, 0},
    {"(call $gr_create_program_wgas " I(0) I(0) I(5) I(0) I(7) L(0) I(0) I(512) ")", 9,
     CALL + SEND + CREATE + 12 * (SEND_BYTE + BYTE), MR_OUTCOME_OK, 0},
    {"(call $gr_create_program " I(0) I(0) I(5) I(0) I(0x7fffffff) I(0) I(512) ")", 8,
     CALL + SEND + CREATE + 5 * (SEND_BYTE + BYTE), MR_OUTCOME_OK, 300},
    {"(call $gr_reservation_send " I(0) I(0) I(7) I(0) I(512) ")", 6,
     CALL + SEND + 7 * (SEND_BYTE + BYTE), MR_OUTCOME_OK, 500},
    {"(call $gr_reservation_send_commit " I(0) I(0) I(0) I(512) ")", 5, CALL + SEND, MR_OUTCOME_OK,
     500},
    {"(call $gr_reservation_reply " I(0) I(0) I(7) I(512) ")", 5,
     CALL + REPLY + 7 * (SEND_BYTE + BYTE), MR_OUTCOME_OK, 500},
    {"(call $gr_reservation_reply_commit " I(0) I(512) ")", 3, CALL + REPLY, MR_OUTCOME_OK, 500},
};

/* The receipt of what has just been sent: those that waited may have gone on before it. */
static mr_receipt receipt_of(const fixture *f, const mr_id *program)
{
    for (uint64_t i = 0; i < fixture_info(f).receipts_count; i++) {
        const mr_receipt receipt = fixture_receipt(f, i);
        if (memcmp(&receipt.program, program, sizeof *program) == 0)
            return receipt;
    }
    fail_msg("the program has not run");
    return (mr_receipt){0};
}

static void each_call_costs_what_the_page_says(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wat_text body = {0};
        text_add(&body, "(func (export \"handle\") %s)", cases[i].call);
        const mr_id program = fixture_program_of(&f, 1, body.at);
        text_fini(&body);
        (void)fixture_send(&f, &program, (mr_span){0});
        const mr_receipt receipt = receipt_of(&f, &program);
        const uint64_t expected = BEGIN + 1000 * cases[i].instructions + cases[i].price;
        if (receipt.outcome != cases[i].outcome || receipt.gas_burned != expected)
            fail_msg("%s: %s, %llu, not %llu", cases[i].call, mr_outcome_name(receipt.outcome),
                     (unsigned long long)receipt.gas_burned, (unsigned long long)expected);
        if (receipt.outcome == MR_OUTCOME_OK)
            assert_int_equal(fixture_u32(&f, &program, 512), cases[i].code);
    }
    fixture_close(&f);
}

/* What cannot be paid ends the dispatch, out of gas, before anything is looked at. */
static void one_gas_less_is_out_of_gas(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wat_text body = {0};
        text_add(&body, "(func (export \"handle\") %s)", cases[i].call);
        f.gas = PLENTY;
        const mr_id program = fixture_program_of(&f, 1, body.at);
        text_fini(&body);
        f.gas = BEGIN + 1000 * cases[i].instructions + cases[i].price - 1;
        (void)fixture_send(&f, &program, (mr_span){0});
        const mr_receipt receipt = receipt_of(&f, &program);
        assert_int_equal(receipt.outcome, MR_OUTCOME_OUT_OF_GAS);
        assert_int_equal(receipt.gas_burned, f.gas);
    }
    fixture_close(&f);
}

/* The payload is stored anew. */
static void who_waits_pays_for_the_payload(void **state)
{
    (void)state;
    static const char *const calls[] = {"(call $gr_wait)", "(call $gr_wait_for " I(9) ")",
                                        "(call $gr_wait_up_to " I(9) ")"};
    static const uint8_t payload[100];
    fixture f;
    fixture_open(&f, NULL);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        wat_text body = {0};
        text_add(&body, "(func (export \"handle\") %s)", calls[i]);
        const mr_id program = fixture_program_of(&f, 1, body.at);
        text_fini(&body);
        (void)fixture_send(&f, &program, mr_span_of(payload, sizeof payload));
        const mr_receipt receipt = receipt_of(&f, &program);
        assert_int_equal(receipt.outcome, MR_OUTCOME_WAITING);
        assert_int_equal(receipt.gas_burned, BEGIN + (i == 0 ? 1000u : 2000u) + CALL + WAIT +
                                                 SEND_BYTE * sizeof payload);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_costs_what_the_page_says),
        cmocka_unit_test(one_gas_less_is_out_of_gas),
        cmocka_unit_test(who_waits_pays_for_the_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
