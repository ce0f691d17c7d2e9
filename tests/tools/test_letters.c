/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=e2e timeout=120
 * Goal: a scenario can answer and claim letters by name, and say what it expects of mailboxes, of
 * what waits, of the agenda and of rent. Method: runs the binary on a program that asks the sender
 * questions, and on the example programs that wait and reserve. */
#include "support.h"

/* Sends "well?" to whoever wrote, with 100,000 gas, and says what was answered to its maker. */
#define ASK                                                                                        \
    "(module (import \"env\" \"memory\" (memory 1))\n"                                             \
    "  (import \"env\" \"gr_source\" (func $source (param i32)))\n"                                \
    "  (import \"env\" \"gr_send_wgas\"\n"                                                         \
    "    (func $send (param i32 i32 i32 i64 i32 i32)))\n"                                          \
    "  (data (i32.const 512) \"well?\")\n"                                                         \
    "  (func (export \"handle\")\n"                                                                \
    "    (call $source (i32.const 0))\n"                                                           \
    "    (call $send (i32.const 0) (i32.const 512) (i32.const 5) (i64.const 100000)\n"             \
    "                (i32.const 0) (i32.const 600)))\n"                                            \
    "  (func (export \"handle_reply\") nop))\n"

#define PROGRAMS "programs: [{name: ask, path: ask.wat, from: u}]\nblocks:\n"
#define ASKED                                                                                      \
    "- messages: [{from: u, to: ask}, {from: v, to: ask}, {from: u, to: ask}]\n"                   \
    "  expect:\n"                                                                                  \
    "    messages:\n"                                                                              \
    "    - {kind: send, to: u, as: first}\n"                                                       \
    "    - {kind: send, to: v, as: of v}\n"                                                        \
    "    - {kind: send, to: u}\n"                                                                  \
    "    mailbox:\n"                                                                               \
    "      u:\n"                                                                                   \
    "      - {from: ask, payload: {text: \"well?\"}, gas: 100_000, value: 0, since: 2,\n"          \
    "         until: 1002}\n"                                                                      \
    "      - {as: second}\n"                                                                       \
    "      v: [{since: 2}]\n"                                                                      \
    "      w: []\n"                                                                                \
    "    tasks: 3\n"                                                                               \
    "    gas_rent: 0\n"

static int run(const char *scenario, const char *arguments)
{
    write_text("ask.wat", ASK);
    write_text("scenario.yaml", scenario);
    return millrace("run scenario.yaml --no-pin %s", arguments);
}

static void assert_passes(int exit_code)
{
    if (exit_code != 0)
        fail_msg("exit code %d: %s%s", exit_code, command_out, command_err);
    assert_string_equal(command_err, "");
}

static void letters_are_answered_and_claimed_by_their_names(void **state)
{
    (void)state;
    const char *text =
        PROGRAMS ASKED "- repeat: 2\n"
                       "- messages:\n"
                       "  - {from: u, reply: second, payload: {text: fine}}\n"
                       "  - {from: v, to: ask, claim: of v}\n"
                       "  expect:\n"
                       "    receipts:\n"
                       "    - {from: u, to: ask, kind: reply, outcome: ok}\n"
                       "    - {from: v, to: ask, kind: reply, outcome: ok}\n"
                       "    mailbox: {u: [{since: 2}], v: []}\n"
                       "    gas_rent: 600\n" /* two letters, three blocks, 100 a block */
                       "    tasks: [{task: letter, of: u, height: 1002}]\n"
                       "- messages: [{from: u, claim: first}]\n"
                       "  expect: {mailbox: {u: []}, tasks: 0, gas_rent: 400}\n"
                       "- messages: [{from: u, reply: second}]\n"
                       "  expect: {admissions: [no_message]}\n";
    assert_passes(run(text, "--check"));
    assert_passes(run(text, "--check --db letters"));
    assert_int_equal(millrace("replay letters"), 0);
}

static void letters_can_be_claimed_by_their_number_too(void **state)
{
    (void)state;
    assert_passes(run(PROGRAMS ASKED
                      "- messages: [{from: u, to: ask, claim: 1}, {from: v, to: ask, claim: 0}]\n"
                      "  expect: {mailbox: {u: [{}], v: []}}\n",
                      "--check"));
}

static void a_letter_that_has_not_come_or_is_of_another_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *block, *sentence;
    } cases[] = {
        {"- messages: [{from: u, to: ask, claim: 2}]\n",
         "there is no message 2 to claim: u has had 2 from ask so far, counted from 0"},
        {"- expect: {messages: [{as: third}]}\n- messages: [{from: u, reply: third}]\n",
         "the letter to reply to has not come"},
        {"- messages: [{from: u, to: other, reply: first}]\n",
         "the letter to reply to is from ask, not from other"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[4096];
        (void)snprintf(text, sizeof text,
                       "programs:\n- {name: ask, path: ask.wat, from: u}\n"
                       "- {name: other, path: ask.wat, from: u, salt: other}\nblocks:\n%s%s",
                       ASKED, cases[i].block);
        assert_fails(run(text, ""), 1, cases[i].sentence);
    }
}

static void what_is_not_met_of_the_state_is_shown(void **state)
{
    (void)state;
    static const struct {
        const char *expect, *shown;
    } cases[] = {
        {"mailbox: {u: []}", "letters of u\n  expected 0\n  got      1\n"},
        {"mailbox: {v: [{}]}", "letters of v\n  expected 1\n  got      0\n"},
        {"mailbox: {u: [{from: other}]}", "letter 1: from\n  expected other\n  got      ask\n"},
        {"mailbox: {u: [{payload: {text: ill}}]}",
         "letter 1: payload\n  expected \"ill\"\n  got      \"well?\"\n"},
        {"mailbox: {u: [{gas: 5}]}", "letter 1: gas\n  expected 5\n  got      100000\n"},
        {"mailbox: {u: [{value: 5}]}", "letter 1: value\n  expected 5\n  got      0\n"},
        {"mailbox: {u: [{since: 5}]}", "letter 1: since\n  expected 5\n  got      2\n"},
        {"mailbox: {u: [{until: 5}]}", "letter 1: until\n  expected 5\n  got      1002\n"},
        {"tasks: 3", "tasks on the agenda\n  expected 3\n  got      1\n"},
        {"tasks: [{task: wake}]", "task 1: task\n  expected wake\n  got      letter\n"},
        {"tasks: [{of: v}]", "task 1: of\n  expected v\n  got      u\n"},
        {"tasks: [{height: 3}]", "task 1: height\n  expected 3\n  got      1002\n"},
        {"tasks: [{}, {}]", "tasks on the agenda\n  expected 2\n  got      1\n"},
        {"waiting: {ask: 2}", "messages that wait in ask\n  expected 2\n  got      0\n"},
        {"reservations: {ask: 2}", "reservations of ask\n  expected 2\n  got      0\n"},
        {"gas_rent: 2", "gas burned as rent\n  expected 2\n  got      0\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[2048], shown[512];
        (void)snprintf(text, sizeof text,
                       "programs:\n- {name: ask, path: ask.wat, from: u}\n"
                       "- {name: other, path: ask.wat, from: u, salt: other}\n"
                       "blocks:\n- messages: [{from: u, to: ask}]\n  expect: {%s}\n",
                       cases[i].expect);
        assert_int_equal(run(text, ""), 1);
        (void)snprintf(shown, sizeof shown, "scenario.yaml:6: block 2, %s", cases[i].shown);
        if (strncmp(command_err, shown, strlen(shown)) != 0)
            fail_msg("%s: expected\n%sgot\n%s", cases[i].expect, shown, command_err);
        assert_contains(command_err, "1 expectation is not met\n");
    }
}

static void waiting_and_reserving_programs_are_seen_into(void **state)
{
    (void)state;
    assert_passes(
        run("programs:\n"
            "- {name: timer, path: timer.wasm, from: alice}\n"
            "- {name: vault, path: reserve.wasm, from: alice}\n"
            "blocks:\n"
            "- messages:\n" /* a text that is replied two blocks later; another, sent after three */
            "  - {from: bob, to: timer, payload: [{u8: 1}, {u32: 2}, {text: hello}]}\n"
            "  - {from: bob, to: timer, payload: [{u8: 0}, {u32: 3}, {text: tea}]}\n"
            "  expect:\n"
            "    waiting: {timer: 1, vault: 0}\n"
            "    tasks:\n"
            "    - {task: end_wait, of: timer, height: 4}\n"
            "    - {task: send, of: bob, height: 5}\n"
            "- {}\n"
            "- expect: {waiting: {timer: 0}, gas_rent: 200}\n"
            "- expect: {tasks: [], messages: [{from: timer, to: bob, payload: {text: tea}}]}\n",
            "--check"));
}

static void a_tip_is_paid_beside_the_fee(void **state)
{
    (void)state;
    const char *text = "accounts: {alice: 1000000000000000, bob: 0}\n"
                       "blocks:\n"
                       "- messages: [{from: alice, to: bob, value: 5, tip: %s}]\n"
                       "  expect: {balances: {bob: 5, alice: %s}}\n";
    char with[512];
    /* The fee is 10,000 gas at 100 each. */
    (void)snprintf(with, sizeof with, text, "0", "999999998999995");
    assert_passes(run(with, "--check"));
    (void)snprintf(with, sizeof with, text, "1_000", "999999998998995");
    assert_passes(run(with, "--check"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_answered_and_claimed_by_their_names),
        cmocka_unit_test(letters_can_be_claimed_by_their_number_too),
        cmocka_unit_test(a_letter_that_has_not_come_or_is_of_another_is_told),
        cmocka_unit_test(what_is_not_met_of_the_state_is_shown),
        cmocka_unit_test(waiting_and_reserving_programs_are_seen_into),
        cmocka_unit_test(a_tip_is_paid_beside_the_fee),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
