/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a block does what docs/SEMANTICS.md says, seen from the public header alone.
 * Method: the example programs, in memory, every block checked against the state rebuilt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/millrace.h"
#include "tools/guest/embedded.h"

static const uint64_t plenty = 10000000000;

static mr_engine *open_engine_with(uint32_t streams, uint64_t loaded_bytes_max)
{
    const mr_engine_options options = {
        .streams = streams,
        .no_pin = true,
        .check = true,
        .loaded_bytes_max = loaded_bytes_max,
    };
    mr_engine *engine;
    mr_error error = {0};
    mr_status status = mr_engine_open(&options, &engine, &error);
    if (status != MR_OK)
        fail_msg("%s", error.text);
    return engine;
}

static mr_engine *open_engine(uint32_t streams)
{
    return open_engine_with(streams, 0);
}

static mr_block *execute(mr_engine *engine, const mr_transaction *transactions, size_t count)
{
    const mr_block_params params = {.timestamp_ms = 1000};
    mr_block *block;
    mr_error error = {0};
    mr_status status = mr_block_execute(engine, &params, transactions, count, &block, &error);
    if (status != MR_OK)
        fail_msg("%s: %s", mr_status_name(status), error.text);
    return block;
}

static void commit(mr_block *block)
{
    mr_error error = {0};
    if (mr_block_commit(block, MR_COMMIT_WAIT, &error) != MR_OK)
        fail_msg("%s", error.text);
    mr_block_free(block);
}

/* Uploads an example program and makes one of it. */
static mr_id deploy(mr_engine *engine, const char *name, const char *salt, const char *init)
{
    const mr_span module = mr_embedded_find(name);
    assert_true(module.size > 0);
    const mr_id alice = mr_id_of_name("alice"), code = mr_id_of_code(module);
    const mr_transaction transactions[] = {
        {.kind = MR_TRANSACTION_UPLOAD, .from = alice, .payload = module},
        {.kind = MR_TRANSACTION_CREATE,
         .from = alice,
         .to = code,
         .salt = mr_span_text(salt),
         .payload = mr_span_text(init),
         .gas_limit = plenty},
    };
    mr_block *block = execute(engine, transactions, 2);
    mr_transaction_result result;
    assert_true(mr_block_transaction(block, 1, &result));
    if (result.admission != MR_ADMISSION_ACCEPTED) {
        mr_block_transaction(block, 0, &result);
        fail_msg("%s: %s", mr_admission_text(result.admission), result.text);
    }
    mr_receipt receipt;
    assert_true(mr_block_receipt(block, 0, &receipt));
    assert_int_equal(receipt.outcome, MR_OUTCOME_OK);
    const mr_id id = result.id;
    commit(block);
    return id;
}

static mr_transaction send(mr_id to, const char *text)
{
    return (mr_transaction){
        .kind = MR_TRANSACTION_SEND,
        .from = mr_id_of_name("alice"),
        .to = to,
        .payload = mr_span_text(text),
        .gas_limit = plenty,
    };
}

static void a_capacitor_discharges_at_its_limit(void **state)
{
    (void)state;
    mr_engine *engine = open_engine(2);
    const mr_id capacitor = deploy(engine, "capacitor", "1", "2500");
    const mr_transaction charges[] = {send(capacitor, "2000"), send(capacitor, "600")};
    mr_block *block = execute(engine, charges, 2);
    mr_user_message message;
    assert_true(mr_block_user_message(block, 1, &message));
    assert_false(message.is_reply);
    assert_true(mr_span_equal(message.payload, mr_span_text("Discharged: 2600")));
    mr_receipt receipt;
    for (uint64_t i = 0; mr_block_receipt(block, i, &receipt); i++)
        assert_int_equal(receipt.outcome, MR_OUTCOME_OK);
    commit(block);
    assert_int_equal(mr_engine_close(engine, NULL), MR_OK);
}

static void a_panic_leaves_nothing_but_its_receipt_and_reply(void **state)
{
    (void)state;
    mr_engine *engine = open_engine(1);
    const mr_id capacitor = deploy(engine, "capacitor", "1", "2500");
    mr_program_info before, after;
    assert_int_equal(mr_engine_program(engine, &capacitor, &before), MR_OK);
    const mr_transaction bad = send(capacitor, "many");
    mr_block *block = execute(engine, &bad, 1);
    mr_receipt receipt;
    assert_true(mr_block_receipt(block, 0, &receipt));
    assert_int_equal(receipt.outcome, MR_OUTCOME_PANIC);
    assert_true(mr_span_equal(receipt.text, mr_span_text("capacitor: not a number")));
    mr_user_message message;
    assert_true(mr_block_user_message(block, 0, &message));
    assert_true(message.is_reply);
    assert_memory_equal(message.code, ((uint8_t[]){1, 0, 3, 0}), 4);
    commit(block);
    assert_int_equal(mr_engine_program(engine, &capacitor, &after), MR_OK);
    assert_memory_equal(&before.memory_root, &after.memory_root, 32);
    assert_int_equal(mr_engine_close(engine, NULL), MR_OK);
}

static void a_discarded_block_leaves_no_trace(void **state)
{
    (void)state;
    mr_engine *engine = open_engine(3);
    const mr_id capacitor = deploy(engine, "capacitor", "1", "2500");
    mr_engine_info before, after;
    mr_engine_info_get(engine, &before);
    const mr_transaction charge = send(capacitor, "2000");
    const mr_transaction more[] = {
        charge,
        {.kind = MR_TRANSACTION_UPLOAD, .payload = mr_embedded_find("ping")},
        {.kind = MR_TRANSACTION_CREATE,
         .to = mr_id_of_code(mr_embedded_find("ping")),
         .gas_limit = plenty},
    };
    mr_block_info first, second;
    mr_block *block = execute(engine, more, 3);
    mr_block_info_get(block, &first);
    mr_block_discard(block);
    mr_engine_info_get(engine, &after);
    assert_memory_equal(&before, &after, sizeof before);
    block = execute(engine, more, 3);
    mr_block_info_get(block, &second);
    assert_memory_equal(&first.root, &second.root, 32);
    commit(block);
    assert_int_equal(mr_engine_close(engine, NULL), MR_OK);
}

/* 20 counters count to 100 each, in 10 blocks. */
static void run_counters(uint32_t streams, uint64_t loaded_bytes_max, mr_id *root)
{
    mr_engine *engine = open_engine_with(streams, loaded_bytes_max);
    mr_id counters[20];
    const mr_span module = mr_embedded_find("counter");
    const mr_id code = mr_id_of_code(module);
    mr_transaction transactions[21] = {{.kind = MR_TRANSACTION_UPLOAD, .payload = module}};
    for (uint8_t i = 0; i < 20; i++) {
        static uint8_t salts[20];
        salts[i] = i;
        transactions[1 + i] = (mr_transaction){
            .kind = MR_TRANSACTION_CREATE,
            .to = code,
            .salt = mr_span_of(&salts[i], 1),
            .gas_limit = plenty,
        };
        counters[i] = mr_id_of_program(&code, mr_span_of(&salts[i], 1));
    }
    commit(execute(engine, transactions, 21));
    mr_transaction messages[2000];
    for (size_t i = 0; i < 2000; i++)
        messages[i] = send(counters[(i * 7) % 20], "");
    for (size_t i = 0; i < 2000; i += 200)
        commit(execute(engine, messages + i, 200));
    mr_engine_info info;
    mr_engine_info_get(engine, &info);
    *root = info.root;
    assert_int_equal(mr_engine_close(engine, NULL), MR_OK);
}

static void the_root_does_not_depend_on_the_number_of_streams(void **state)
{
    (void)state;
    mr_id one, other;
    run_counters(1, 0, &one);
    static const uint32_t streams[] = {2, 3, 8, 32};
    for (size_t i = 0; i < 4; i++) {
        run_counters(streams[i], 0, &other);
        assert_memory_equal(&one, &other, sizeof one);
    }
}

static void programs_dropped_for_memory_come_back_as_they_were(void **state)
{
    (void)state;
    mr_id kept, dropped;
    run_counters(2, 0, &kept);
    run_counters(2, 1, &dropped);
    assert_memory_equal(&kept, &dropped, sizeof kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_capacitor_discharges_at_its_limit),
        cmocka_unit_test(a_panic_leaves_nothing_but_its_receipt_and_reply),
        cmocka_unit_test(a_discarded_block_leaves_no_trace),
        cmocka_unit_test(programs_dropped_for_memory_come_back_as_they_were),
        cmocka_unit_test(the_root_does_not_depend_on_the_number_of_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
