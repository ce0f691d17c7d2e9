/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=e2e timeout=120
 * Goal: the path of a failure leads from the user's transaction to it, whatever lies in between:
 * delays, letters that are claimed, answered or expire, blocks that were full. Method: runs the
 * binary on a program that causes a failure in a later block in each of these ways. */
#include "support.h"

/* By the first letter of its message: d sends itself "t" two blocks later; c and a byte n, the same
 * with n - 1 until that is 0, and traps then; n sends itself "t" now; t traps; o burns all its gas;
 * l sends its user a letter with gas for 30 blocks and a deposit of 20,000 for the reply. On
 * replies it burns all gas, too. */
#define LATER                                                                                      \
    "(module (import \"env\" \"memory\" (memory 1))\n"                                             \
    "(import \"env\" \"gr_size\" (func $size (param i32)))\n"                                      \
    "(import \"env\" \"gr_read\" (func $read (param i32 i32 i32 i32)))\n"                          \
    "(import \"env\" \"gr_source\" (func $source (param i32)))\n"                                  \
    "(import \"env\" \"gr_program_id\" (func $self (param i32)))\n"                                \
    "(import \"env\" \"gr_send_wgas\" (func $send (param i32 i32 i32 i64 i32 i32)))\n"             \
    "(import \"env\" \"gr_reply_deposit\" (func $deposit (param i32 i64 i32)))\n"                  \
    "(data (i32.const 80) \"t\") (data (i32.const 96) \"well?\")\n"                                \
    "(func $handle (export \"handle\") (local $what i32)\n"                                        \
    "  (call $self (i32.const 256))\n"                                                             \
    "  (call $size (i32.const 0))\n"                                                               \
    "  (call $read (i32.const 0) (i32.load (i32.const 0)) (i32.const 64) (i32.const 48))\n"        \
    "  (local.set $what (i32.load8_u (i32.const 64)))\n"                                           \
    "  (if (i32.eq (local.get $what) (i32.const 100)) (then\n"                                     \
    "    (call $send (i32.const 256) (i32.const 80) (i32.const 1) (i64.const 1000000)\n"           \
    "                (i32.const 2) (i32.const 512))))\n"                                           \
    "  (if (i32.eq (local.get $what) (i32.const 110)) (then\n"                                     \
    "    (call $send (i32.const 256) (i32.const 80) (i32.const 1) (i64.const 1000000)\n"           \
    "                (i32.const 0) (i32.const 512))))\n"                                           \
    "  (if (i32.eq (local.get $what) (i32.const 99)) (then\n"                                      \
    "    (if (i32.eqz (i32.load8_u (i32.const 65))) (then unreachable))\n"                         \
    "    (i32.store8 (i32.const 65) (i32.sub (i32.load8_u (i32.const 65)) (i32.const 1)))\n"       \
    "    (call $send (i32.const 256) (i32.const 64) (i32.const 2)\n"                               \
    "                (i64.mul (i64.extend_i32_u (i32.load8_u (i32.const 65))) (i64.const "         \
    "200000))\n"                                                                                   \
    "                (i32.const 2) (i32.const 512))))\n"                                           \
    "  (if (i32.eq (local.get $what) (i32.const 108)) (then\n"                                     \
    "    (call $source (i32.const 128))\n"                                                         \
    "    (call $send (i32.const 128) (i32.const 96) (i32.const 5) (i64.const 3000)\n"              \
    "                (i32.const 0) (i32.const 512))\n"                                             \
    "    (call $deposit (i32.const 516) (i64.const 20000) (i32.const 600))))\n"                    \
    "  (if (i32.eq (local.get $what) (i32.const 111)) (then (loop $on (br $on))))\n"               \
    "  (if (i32.eq (local.get $what) (i32.const 116)) (then unreachable)))\n"                      \
    "(func (export \"handle_reply\") (loop $on (br $on))))\n"

#define PROGRAMS "programs: [{name: p, path: later.wat, from: u}]\nblocks:\n"

static void run(const char *scenario, const char *arguments)
{
    write_text("later.wat", LATER);
    write_text("scenario.yaml", scenario);
    if (millrace("run scenario.yaml --no-pin %s", arguments) != 0)
        fail_msg("%s%s", command_out, command_err);
}

static void a_delayed_message_has_the_way_of_who_sent_it(void **state)
{
    (void)state;
    run(PROGRAMS "- messages: [{from: u, to: p, payload: {text: d}}]\n- repeat: 3\n", "");
    assert_contains(command_out, "    path     handle u -> p \"d\", transaction 1 of block 2: ok\n"
                                 "             handle p -> p \"t\", run in block 4\n");
}

static void the_middle_of_a_way_over_many_blocks_is_left_out(void **state)
{
    (void)state;
    run(PROGRAMS "- messages: [{from: u, to: p, payload: {hex: 631f}}]\n- repeat: 64\n", "");
    /* 32 dispatches: one a transaction, 31 delayed. */
    assert_contains(command_out, "    path     handle u -> p 0x631f, transaction 1 of block 2: ok\n"
                                 "             handle p -> p 0x631e, run in block 4: ok\n");
    assert_contains(command_out, "0x6314, run in block 24: ok\n             ... 8 more\n"
                                 "             handle p -> p 0x630b, run in block 42: ok\n");
    assert_contains(command_out, "             handle p -> p 0x6300, run in block 64\n");
}

static void a_claimed_letter_leads_to_the_claim_and_to_who_wrote_it(void **state)
{
    (void)state;
    static const char text[] =
        PROGRAMS "- messages: [{from: v, to: p, payload: {text: l}, gas: 5_000_000}]\n- {}\n"
                 "- messages: [{from: u, to: p, payload: {text: x}}, {from: v, claim: 0, to: p}]\n";
    run(text, "--trace");
    assert_contains(command_out, "    path     handle v -> p \"l\", transaction 1 of block 2: ok\n"
                                 "             letter p -> v\n"
                                 "             reply v -> p 00000000, transaction 2 of block 4, "
                                 "which claims the letter\n"
                                 "    hint     its gas is what rent has left of the letter's, and "
                                 "the deposit for the reply, both paid by v: ");
    assert_contains(command_out, "\n  transaction 2: reply v -> p 00000000: out_of_gas");
    assert_true(strstr(command_out, "earlier block") == NULL);
    run(text, "--trace --json");
    json_t *object = json_loads(command_out, 0, NULL);
    json_t *block = json_array_get(json_object_get(object, "blocks"), 3);
    json_t *trace = json_object_get(block, "trace");
    json_t *claim = json_array_get(json_object_get(trace, "transactions"), 1);
    const json_int_t reply = json_integer_value(json_object_get(claim, "receipt"));
    json_t *message = json_array_get(json_object_get(trace, "messages"), (size_t)reply);
    assert_string_equal(json_string_value(json_object_get(message, "kind")), "reply");
    assert_int_equal(json_integer_value(json_object_get(message, "transaction")), 1);
    json_decref(object);
}

static void answered_and_expired_letters_lead_to_who_wrote_them(void **state)
{
    (void)state;
    run(PROGRAMS "- messages: [{from: v, to: p, payload: {text: l}}]\n"
                 "- messages: [{from: v, reply: 0, to: p, gas: 20000}]\n",
        "");
    assert_contains(command_out, "    path     handle v -> p \"l\", transaction 1 of block 2: ok\n"
                                 "             letter p -> v\n"
                                 "             reply v -> p, transaction 1 of block 3\n"
                                 "    hint     give the message more than gas: ");
    run(PROGRAMS "- messages: [{from: v, to: p, payload: {text: l}}]\n- repeat: 40\n", "--trace");
    assert_contains(command_out, "\n  for a letter: reply v -> p 00000000: out_of_gas");
    assert_contains(command_out,
                    "    path     handle v -> p \"l\", transaction 1 of block 2: ok\n"
                    "             letter p -> v\n"
                    "             reply v -> p 00000000, as the letter expired, run in "
                    "block 32\n"
                    "    hint     its gas is what rent has left of the letter's");
}

/* What burns all its gas leaves no room for what comes behind it. */
static void what_a_full_block_left_has_the_way_it_would_have_had(void **state)
{
    (void)state;
    run(PROGRAMS "- messages: [{from: v, to: p, payload: {text: l}}]\n"
                 "- gas_limit: 1_500_000\n"
                 "  messages:\n"
                 "  - {from: u, to: p, payload: {text: o}, gas: 1_490_000}\n"
                 "  - {from: v, claim: 0, to: p}\n"
                 "  - {from: w, to: p, payload: {text: t}, gas: 600_000}\n"
                 "- {}\n",
        "");
    assert_contains(command_out, "             reply v -> p 00000000, transaction 2 of block 3, "
                                 "which claims the letter, run in block 4\n"
                                 "    hint     its gas is what rent has left of the letter's");
    assert_contains(command_out,
                    "    path     handle w -> p \"t\", transaction 3 of block 3, run in block 4\n");
    run(PROGRAMS "- gas_limit: 1_500_000\n"
                 "  messages:\n"
                 "  - {from: v, to: p, payload: {text: n}, gas: 1_200_000}\n"
                 "  - {from: u, to: p, payload: {text: o}, gas: 900_000}\n"
                 "- {}\n",
        "--trace");
    assert_contains(command_out, "    path     handle v -> p \"n\", transaction 1 of block 2: ok\n"
                                 "             handle p -> p \"t\", run in block 3\n");
    assert_contains(command_out, "\n  from the queue: handle p -> p \"t\": trap");
}

/* The gas is the user's who sent it, though it ran later. */
static void the_hint_for_a_message_that_was_queued_is_for_its_sender(void **state)
{
    (void)state;
    run(PROGRAMS "- gas_limit: 1_500_000\n"
                 "  messages:\n"
                 "  - {from: u, to: p, payload: {text: o}, gas: 1_490_000}\n"
                 "  - {from: w, to: p, payload: {text: o}, gas: 600_000}\n"
                 "- {}\n",
        "");
    assert_contains(command_out, "hint     give the message more than gas: 600000; ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delayed_message_has_the_way_of_who_sent_it),
        cmocka_unit_test(the_middle_of_a_way_over_many_blocks_is_left_out),
        cmocka_unit_test(a_claimed_letter_leads_to_the_claim_and_to_who_wrote_it),
        cmocka_unit_test(answered_and_expired_letters_lead_to_who_wrote_them),
        cmocka_unit_test(what_a_full_block_left_has_the_way_it_would_have_had),
        cmocka_unit_test(the_hint_for_a_message_that_was_queued_is_for_its_sender),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
