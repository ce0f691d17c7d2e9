/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=e2e timeout=300
 * Goal: `millrace run` executes scenarios, tells met expectations from others, and prints what
 * happened. Method: runs the binary on scenarios whose outcome is known. */
#include "support.h"

#include <jansson.h>

#define CAP                                                                                        \
    "programs:\n- {name: cap, path: capacitor.wasm, from: alice, init: {text: "                    \
    "\"2500\"}}\nblocks:\n"
#define DISCHARGE                                                                                  \
    "- messages:\n"                                                                                \
    "  - {from: alice, to: cap, payload: {text: \"2000\"}}\n"                                      \
    "  - {from: alice, to: cap, payload: {text: \"600\"}}\n"

static int run(const char *scenario, const char *arguments)
{
    write_text("scenario.yaml", scenario);
    return millrace("run scenario.yaml %s", arguments);
}

static void assert_passes(int exit_code)
{
    if (exit_code != 0)
        fail_msg("exit code %d: %s%s", exit_code, command_out, command_err);
    assert_string_equal(command_err, "");
}

static void a_met_expectation_is_success(void **state)
{
    (void)state;
    assert_passes(run("title: a title\n" CAP DISCHARGE "  expect:\n"
                      "    messages:\n"
                      "    - {from: cap, to: alice, kind: reply, code: \"00000000\"}\n"
                      "    - {kind: send, payload: {text: \"Discharged: 2600\"}, value: 0}\n"
                      "    - {kind: reply}\n"
                      "    receipts:\n"
                      "    - {from: alice, to: cap, kind: handle, outcome: ok, sent: 1}\n"
                      "    - {to: cap, outcome: ok, sent: 2}\n"
                      "    queue: 0\n"
                      "    admissions: [accepted, accepted]\n",
                      ""));
    assert_contains(command_out, "a title\nblock 1 (programs): 1 message run");
    assert_contains(command_out, "\n  cap to alice: \"Discharged: 2600\"\n");
}

static void automatic_replies_may_be_left_out_of_what_is_expected(void **state)
{
    (void)state;
    assert_passes(
        run(CAP DISCHARGE
            "  expect:\n"
            "    messages:\n"
            "    - {from: cap, to: alice, kind: send, payload: {text: \"Discharged: 2600\"}}\n",
            ""));
}

static void what_is_not_met_is_shown_with_line_expected_and_got(void **state)
{
    (void)state;
    static const struct {
        const char *expect, *shown;
    } cases[] = {
        {"    messages:\n    - {payload: {text: \"Discharged: 2601\"}}\n",
         "scenario.yaml:9: block 2, message to users 1: payload\n"
         "  expected \"Discharged: 2601\"\n"
         "  got      \"Discharged: 2600\"\n"},
        {"    messages: []\n", "scenario.yaml:8: block 2, number of messages to users\n"
                               "  expected 0\n  got      3\n"},
        {"    messages:\n    - {}\n    - {kind: reply, code: 00010000}\n    - {to: cap}\n",
         "scenario.yaml:10: block 2, message to users 2: kind\n  expected reply\n  got      send\n"
         "scenario.yaml:10: block 2, message to users 2: code\n"
         "  expected 00010000\n  got      no reply\n"
         "scenario.yaml:11: block 2, message to users 3: to\n  expected cap\n  got      alice\n"},
        {"    messages:\n    - {value: 5}\n",
         "scenario.yaml:9: block 2, message to users 1: value\n  expected 5\n  got      0\n"},
        {"    receipts:\n    - {outcome: panic}\n    - {from: bob, kind: init, sent: 3}\n",
         "scenario.yaml:9: block 2, receipt 1: outcome\n  expected panic\n  got      ok\n"
         "scenario.yaml:10: block 2, receipt 2: from\n  expected bob\n  got      alice\n"
         "scenario.yaml:10: block 2, receipt 2: kind\n  expected init\n  got      handle\n"
         "scenario.yaml:10: block 2, receipt 2: sent\n  expected 3\n  got      2\n"},
        {"    receipts:\n    - {to: cap}\n",
         "scenario.yaml:9: block 2, number of receipts\n  expected 1\n  got      2\n"},
        {"    queue: 4\n",
         "scenario.yaml:8: block 2, messages left in the queue\n  expected 4\n  got      0\n"},
        {"    balances: {cap: 5}\n",
         "scenario.yaml:8: block 2, balance of cap\n  expected 5\n  got      0\n"},
        {"    memory: [{program: cap, address: 4294967295, hex: \"00\"}]\n",
         "scenario.yaml:8: block 2, memory 1: cap\n  expected 0x00\n"
         "  got      nothing: the program has not that much memory\n"},
        {"    admissions: [balance, accepted]\n",
         "scenario.yaml:5: block 2, message 1: admission\n  expected balance\n  got      "
         "accepted\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[2048];
        (void)snprintf(text, sizeof text, "%s  expect:\n%s", CAP DISCHARGE, cases[i].expect);
        assert_int_equal(run(text, ""), 1);
        if (strncmp(command_err, cases[i].shown, strlen(cases[i].shown)) != 0)
            fail_msg("expected\n%sgot\n%s", cases[i].shown, command_err);
        assert_contains(command_err, "\nmillrace: scenario.yaml: ");
        assert_contains(command_err, "not met\n");
    }
}

static void balances_are_kept_when_there_are_accounts(void **state)
{
    (void)state;
    const char *text = "accounts: {alice: 1000000000000000, bob: 7, poor: 1}\n"
                       "programs:\n- {name: bank, path: piggy.wasm, from: alice, gas: 100000000}\n"
                       "blocks:\n"
                       "- messages:\n"
                       "  - {from: alice, to: bank, value: 1000, gas: 100000000}\n"
                       "  - {from: bob, to: poor, value: 1}\n"
                       "  - {from: poor, to: bank, gas: 100000000}\n"
                       "  expect:\n"
                       "    balances: {bank: 1000, poor: 1, bob: 7}\n"
                       "    admissions: [accepted, balance, balance]\n";
    assert_passes(run(text, "--check"));
    /* A transfer costs the posting fee, which the rich can pay. */
    assert_passes(run("accounts: {alice: 1000000000000000, bob: 0}\n"
                      "blocks:\n"
                      "- messages: [{from: alice, to: bob, value: 123}]\n"
                      "  expect: {balances: {bob: 123, carol: 0}, receipts: []}\n",
                      "--check"));
}

static void a_refused_message_fails_the_run_unless_something_is_expected(void **state)
{
    (void)state;
    const char *text = "accounts: {alice: 1000000000000000, poor: 1}\n"
                       "programs:\n- {name: c, path: counter.wasm, from: alice, gas: 100000000}\n"
                       "blocks:\n- messages:\n  - {from: poor, to: c, gas: 100000000}\n";
    assert_fails(
        run(text, ""), 1,
        "scenario.yaml:6: block 2, message 1 is refused: the account cannot pay value, gas "
        "limit and fee\n");
    char with[1024];
    (void)snprintf(with, sizeof with, "%s  expect: {receipts: []}\n", text);
    assert_int_equal(run(with, ""), 0);
    assert_contains(command_err, "message 1 is refused");
}

static void a_program_that_cannot_be_deployed_is_named(void **state)
{
    (void)state;
    write_text("text.wasm", "no module");
    assert_fails(run("programs:\n- {name: a, path: counter.wasm, from: u}\n"
                     "- {name: b, path: text.wasm, from: u}\n",
                     ""),
                 1, "millrace: scenario.yaml:3: cannot upload the module: the module is refused: ");
    assert_fails(run("accounts: {u: 1}\nprograms:\n- {name: a, path: counter.wasm, from: u}\n", ""),
                 1, "millrace: scenario.yaml:3: cannot upload the module: the account cannot pay");
}

static void a_user_can_answer_a_message(void **state)
{
    (void)state;
    write_text("ask.wat",
               "(module (import \"env\" \"memory\" (memory 1))\n"
               "  (import \"env\" \"gr_source\" (func $source (param i32)))\n"
               "  (import \"env\" \"gr_send_wgas\"\n"
               "    (func $send (param i32 i32 i32 i64 i32 i32)))\n"
               "  (data (i32.const 512) \"well?\")\n"
               "  (func (export \"handle\")\n"
               "    (call $source (i32.const 0))\n"
               "    (call $send (i32.const 0) (i32.const 512) (i32.const 5) (i64.const 100000)\n"
               "                (i32.const 0) (i32.const 600)))\n"
               "  (func (export \"handle_reply\") nop))\n");
    const char *text = "programs: [{name: ask, path: ask.wat, from: u}]\nblocks:\n"
                       "- messages: [{from: u, to: ask}]\n"
                       "  expect: {messages: [{kind: send, payload: {text: \"well?\"}}]}\n"
                       "- messages: [{from: u, to: ask, reply: 0, payload: {text: fine}}]\n"
                       "  expect: {receipts: [{kind: reply, from: u, outcome: ok}]}\n";
    assert_passes(run(text, "--check"));
    char more[1024];
    (void)snprintf(more, sizeof more, "%s- messages: [{from: u, to: ask, reply: 1}]\n", text);
    assert_fails(
        run(more, ""), 1,
        "millrace: scenario.yaml:7: there is no message 1 to reply to: u has had 1 from ask "
        "so far, counted from 0");
}

static void a_repeated_block_is_run_that_often(void **state)
{
    (void)state;
    assert_passes(run("programs: [{name: c, path: counter.wasm, from: u}]\n"
                      "blocks:\n"
                      "- repeat: 20\n"
                      "  messages: [{from: u, to: c}, {from: u, to: c}]\n"
                      "- messages: [{from: u, to: c, payload: {text: \"?\"}}]\n"
                      "  expect: {messages: [{payload: {u64: 40}}]}\n",
                      ""));
    assert_contains(command_out, "block 22: 1 message run");
}

static void messages_beyond_the_gas_of_a_block_wait_in_the_queue(void **state)
{
    (void)state;
    assert_passes(
        run("programs: [{name: c, path: counter.wasm, from: u}]\n"
            "blocks:\n"
            "- gas_limit: 1000000\n"
            "  messages: [{from: u, to: c, gas: 1000000}, {from: u, to: c, gas: 1000000}]\n"
            "  expect: {queue: 1, receipts: [{to: c}]}\n"
            "- expect: {queue: 0, receipts: [{to: c}]}\n",
            "--check"));
}

static void json_is_one_object_with_blocks_receipts_and_messages(void **state)
{
    (void)state;
    assert_passes(run("title: \"a \\\"title\\\"\"\n" CAP DISCHARGE "- {}\n", "--json"));
    json_t *run_object = json_loads(command_out, 0, NULL);
    assert_non_null(run_object);
    assert_string_equal(json_string_value(json_object_get(run_object, "scenario")), "a \"title\"");
    assert_true(json_is_true(json_object_get(run_object, "passed")));
    json_t *blocks = json_object_get(run_object, "blocks");
    assert_int_equal(json_array_size(blocks), 3);
    json_t *block = json_array_get(blocks, 1);
    assert_int_equal(json_integer_value(json_object_get(block, "height")), 2);
    assert_true(json_integer_value(json_object_get(block, "gas_burned")) > 0);
    assert_int_equal(strlen(json_string_value(json_object_get(block, "root"))), 66);
    assert_int_equal(json_array_size(json_object_get(block, "receipts")), 2);
    json_t *message = json_array_get(json_object_get(block, "messages"), 1);
    assert_string_equal(json_string_value(json_object_get(message, "from")), "cap");
    assert_string_equal(json_string_value(json_object_get(message, "kind")), "send");
    assert_string_equal(json_string_value(json_object_get(message, "text")), "Discharged: 2600");
    assert_string_equal(json_string_value(json_object_get(message, "payload")),
                        "446973636861726765643a2032363030");
    assert_string_equal(json_string_value(json_object_get(message, "value")), "0");
    json_decref(run_object);

    assert_int_equal(run(CAP DISCHARGE "  expect: {queue: 1}\n", "--json"), 1);
    run_object = json_loads(command_out, 0, NULL);
    assert_non_null(run_object);
    assert_true(json_is_false(json_object_get(run_object, "passed")));
    assert_int_equal(json_integer_value(json_object_get(run_object, "failures")), 1);
    json_decref(run_object);
}

static void the_root_is_the_same_on_any_number_of_streams_and_on_disk(void **state)
{
    (void)state;
    write_text("scenario.yaml", CAP DISCHARGE DISCHARGE DISCHARGE);
    char first[sizeof command_out];
    assert_passes(millrace("run scenario.yaml --streams 1"));
    memcpy(first, command_out, sizeof first);
    assert_passes(millrace("run scenario.yaml --streams 5 --no-pin"));
    assert_string_equal(command_out, first);
    assert_passes(millrace("run scenario.yaml --db one"));
    assert_string_equal(command_out, first);
    assert_fails(
        millrace("run scenario.yaml --db one"), 1,
        "one holds 4 blocks already, and a scenario begins with the first; give --db a new "
        "directory");
    assert_passes(millrace("replay one"));
    assert_contains(command_out, "blocks 1 to 4 came out as they are stored");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_met_expectation_is_success),
        cmocka_unit_test(automatic_replies_may_be_left_out_of_what_is_expected),
        cmocka_unit_test(what_is_not_met_is_shown_with_line_expected_and_got),
        cmocka_unit_test(balances_are_kept_when_there_are_accounts),
        cmocka_unit_test(a_refused_message_fails_the_run_unless_something_is_expected),
        cmocka_unit_test(a_program_that_cannot_be_deployed_is_named),
        cmocka_unit_test(a_user_can_answer_a_message),
        cmocka_unit_test(a_repeated_block_is_run_that_often),
        cmocka_unit_test(messages_beyond_the_gas_of_a_block_wait_in_the_queue),
        cmocka_unit_test(json_is_one_object_with_blocks_receipts_and_messages),
        cmocka_unit_test(the_root_is_the_same_on_any_number_of_streams_and_on_disk),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
