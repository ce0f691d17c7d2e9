/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=e2e timeout=120
 * millrace query: the command as it is typed, over a database that a scenario made.
 *
 * Goal: state, messages tried out and estimates say what they should, as text and as JSON; nothing
 * in the database changes; what cannot be answered is told with the reason. */
#include "support.h"

#include "tools/millrace/names.h"

static const char module[] =
    "(module (import \"env\" \"memory\" (memory 1))\n"
    "(import \"env\" \"gr_size\" (func $size (param i32)))\n"
    "(import \"env\" \"gr_reply\" (func $reply (param i32 i32 i32 i32)))\n"
    "(import \"env\" \"gr_panic\" (func $panic (param i32 i32)))\n"
    "(import \"env\" \"gr_wait\" (func $wait))\n"
    "(func (export \"handle\") (call $size (i32.const 8))\n"
    "(if (i32.eq (i32.load (i32.const 8)) (i32.const 4))\n"
    "(then (call $panic (i32.const 16) (i32.const 4))))\n"
    "(if (i32.eq (i32.load (i32.const 8)) (i32.const 7)) (then (call $wait)))\n"
    "(i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 1)))\n"
    "(call $reply (i32.const 0) (i32.const 1) (i32.const -1) (i32.const 32)))\n"
    "(func (export \"state\") (call $reply (i32.const 0) (i32.const 1) (i32.const -1)\n"
    "(i32.const 32)))\n"
    "(data (i32.const 0) \"a\") (data (i32.const 16) \"oops\"))\n";

static const char scenario[] = "programs:\n"
                               "  - {name: it, path: it.wat, from: alice}\n"
                               "blocks:\n"
                               "  - messages:\n"
                               "      - {from: alice, to: it}\n";

static char id[80]; /* of the program */

static int make_database(void **state)
{
    if (enter_folder(state) != 0)
        return -1;
    write_text("it.wat", module);
    write_text("it.yaml", scenario);
    if (millrace("run it.yaml --db it.db") != 0 || millrace("inspect it.db programs") != 0)
        return -1;
    (void)snprintf(id, sizeof id, "%.66s", command_out);
    return 0;
}

static void state_is_told_by_any_beginning_of_the_id(void **state)
{
    (void)state;
    assert_int_equal(millrace("query it.db %s", id), 0);
    assert_string_equal(command_out, "\"b\"\n");
    assert_int_equal(millrace("query it.db %.10s", id), 0);
    assert_string_equal(command_out, "\"b\"\n");
    assert_int_equal(millrace("query it.db %.8s", id + 2), 0);
    assert_string_equal(command_out, "\"b\"\n");
}

static void a_message_is_tried_out_and_changes_nothing(void **state)
{
    (void)state;
    char root[sizeof command_out];
    assert_int_equal(millrace("inspect it.db"), 0);
    memcpy(root, command_out, sizeof root);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(millrace("query it.db %s --message --value 3", id), 0);
        assert_contains(command_out, ": ok, gas ");
        assert_contains(command_out, ": \"c\", reply 00010000\n");
    }
    assert_int_equal(millrace("query it.db %s --message --value 0x10000000000000000", id), 0);
    assert_contains(command_out, ": ok, gas ");
    assert_fails(millrace("query it.db %s --message --value -1", id), 2,
                 "--value takes a number from 0 to 2^128 - 1, not '-1'");
    assert_int_equal(millrace("query it.db %s --message --payload 0x01020304", id), 0);
    assert_contains(command_out, ": panic, gas ");
    assert_contains(command_out, "\"oops\"");
    assert_int_equal(millrace("inspect it.db"), 0);
    assert_string_equal(command_out, root);
}

/* What a program says of its failure is printed as all that programs say: nothing of it gets at the
 * terminal. */
static void a_panic_of_the_state_entry_is_told(void **state)
{
    (void)state;
    static const char *const said[][2] = {{"oops\\n \\e2\\82\\ac", "\"oops\\n \u20ac\""},
                                          {"oops\\1b[2J!", "0x6f6f70731b5b324a21"}};
    for (size_t i = 0; i < 2; i++) {
        char text[600];
        (void)snprintf(text, sizeof text,
                       "(module (import \"env\" \"memory\" (memory 1))\n"
                       "(import \"env\" \"gr_panic\" (func $panic (param i32 i32)))\n"
                       "(func (export \"handle\"))\n"
                       "(func (export \"state\") (call $panic (i32.const 0) (i32.const 9)))\n"
                       "(data (i32.const 0) \"%s\"))\n",
                       said[i][0]);
        write_text("loud.wat", text);
        write_text("loud.yaml",
                   "programs:\n  - {name: it, path: loud.wat, from: alice}\nblocks: []\n");
        assert_int_equal(millrace("run loud.yaml --db loud%zu.db", i), 0);
        assert_int_equal(millrace("inspect loud%zu.db programs", i), 0);
        char loud[80], expected[120];
        (void)snprintf(loud, sizeof loud, "%.66s", command_out);
        (void)snprintf(expected, sizeof expected, "state ended in panic: %s\n", said[i][1]);
        assert_fails(millrace("query loud%zu.db %s", i, loud), 1, expected);
    }
}

static void an_estimate_is_enough_and_one_less_is_not(void **state)
{
    (void)state;
    assert_int_equal(millrace("query it.db %s --estimate", id), 0);
    unsigned long long gas;
    assert_int_equal(sscanf(command_out, "gas limit %llu", &gas), 1);
    assert_int_equal(millrace("query it.db %s --message --gas %llu", id, gas), 0);
    assert_contains(command_out, ": ok, gas ");
    assert_int_equal(millrace("query it.db %s --message --gas %llu", id, gas - 1), 0);
    assert_contains(command_out, ": out_of_gas, gas ");
    assert_fails(millrace("query it.db %s --estimate --payload four", id), 1,
                 "with any gas it fails: panic in program 0x");
    assert_contains(command_err, "oops");
}

static json_t *query_json(int expected, const char *arguments)
{
    assert_int_equal(millrace("query it.db %s --json %s", id, arguments), expected);
    return command_object();
}

static void answers_are_told_as_json(void **state)
{
    (void)state;
    json_t *object = query_json(0, "");
    assert_string_equal(text_of(object, "program"), id);
    assert_string_equal(text_of(object, "entry"), "state");
    assert_string_equal(text_of(object, "outcome"), "ok");
    assert_string_equal(text_of(object, "payload"), "62");
    assert_string_equal(text_of(object, "text"), "b");
    assert_true(json_integer_value(json_object_get(object, "gas_burned")) > 0);
    json_decref(object);
    object = query_json(1, "--gas 10");
    assert_string_equal(text_of(object, "outcome"), "out_of_gas");
    json_decref(object);
    object = query_json(1, "--metahash");
    assert_string_equal(text_of(object, "outcome"), "unavailable");
    json_decref(object);
    object = query_json(0, "--message");
    const json_t *receipt = json_array_get(json_object_get(object, "receipts"), 0);
    const json_t *reply = json_array_get(json_object_get(object, "messages"), 0);
    assert_string_equal(text_of(receipt, "outcome"), "ok");
    assert_string_equal(text_of(reply, "payload"), "63");
    assert_null(json_object_get(object, "root"));
    json_decref(object);
    object = query_json(1, "--estimate --payload four");
    assert_true(json_is_false(json_object_get(object, "succeeds")));
    assert_string_equal(text_of(object, "failed"), id);
    assert_string_equal(text_of(object, "text"), "oops");
    assert_contains(command_err, "with any gas it fails: panic in program 0x");
    json_decref(object);
}

static void an_estimate_says_that_it_holds_the_rent_of_all_blocks(void **state)
{
    (void)state;
    assert_int_equal(millrace("query it.db %s --estimate --payload forever", id), 0);
    assert_contains(command_out, "; after 1,000 blocks it still waits: the gas holds the rent of "
                                 "all of them");
    json_t *object = query_json(0, "--estimate --payload forever");
    assert_true(json_is_true(json_object_get(object, "waits")));
    assert_true(json_is_true(json_object_get(object, "cut")));
    assert_true(json_integer_value(json_object_get(object, "gas_limit")) > 1000 * 100);
    json_decref(object);
    object = query_json(0, "--estimate");
    assert_true(json_is_false(json_object_get(object, "waits")));
    assert_true(json_is_false(json_object_get(object, "cut")));
    json_decref(object);
}

static void an_account_is_a_name_or_an_id_and_nothing_else(void **state)
{
    (void)state;
    const mr_id bob = mr_id_of_name("bob");
    char by_name[sizeof command_out];
    assert_int_equal(millrace("query it.db %s --message -f bob", id), 0);
    memcpy(by_name, command_out, sizeof by_name);
    assert_int_equal(millrace("query it.db %s --message -f %s", id, mr_id_print(&bob).text), 0);
    assert_string_equal(command_out, by_name);
    assert_fails(millrace("query it.db %s -f 0x12", id), 1,
                 "0x12 is too short for the beginning of an id");
    assert_fails(millrace("query it.db %s -f 0xzz", id), 1, "'0xzz' is no id: 64 hex digits");
    assert_fails(millrace("query it.db %s -f 0x123456", id), 1,
                 "no account has the id 0x123456, or an id that begins with it");
}

static void options_that_do_not_go_together_are_refused(void **state)
{
    (void)state;
    assert_fails(millrace("query it.db %s --metahash -m", id), 2,
                 "--metahash asks the program's metahash entry, and takes no --message");
    assert_fails(millrace("query it.db %s -e --metahash", id), 2, "--metahash asks");
    assert_fails(millrace("query it.db %s -m -e", id), 2,
                 "--message and --estimate exclude each other");
    assert_fails(millrace("query it.db %s -v 3", id), 2,
                 "--value is for messages: add --message or --estimate");
    assert_int_equal(millrace("query it.db %s -e -v 3", id), 0);
}

static void a_limit_that_no_block_has_is_told_as_it_is(void **state)
{
    (void)state;
    assert_fails(millrace("query it.db %s -m -g %llu", id, (1ULL << 62) + 1), 1,
                 "millrace: the gas limit is too large: no message has more than 2^62\n");
}

static void what_cannot_be_answered_is_said(void **state)
{
    (void)state;
    assert_fails(millrace("query"), 2, "which database?");
    assert_fails(millrace("query it.db"), 2, "which program?");
    assert_fails(millrace("query nowhere.db 0x1234"), 1, "nowhere.db");
    assert_fails(millrace("query it.db 0x1"), 1, "0x1 is too short for the beginning of an id");
    assert_fails(millrace("query it.db 0x1234567"), 1, "no program has the id 0x1234567");
    assert_fails(millrace("query it.db %s --metahash", id), 1, "has no entry metahash");
    assert_fails(millrace("query it.db ''"), 2, "which program?");
    assert_fails(millrace("query it.db %s --from ''", id), 1, "an account has a name, or an id");
    assert_fails(millrace("query it.db %s --payload 0x123", id), 1,
                 "is not pairs of hexadecimal digits");
    assert_fails(millrace("query it.db %s --gas few", id), 2, "--gas takes a number");
    assert_fails(millrace("query it.db %s --gas 10", id), 1, "state ended in out_of_gas");
    assert_int_equal(millrace("query --help"), 0);
    assert_contains(command_out, "Usage: millrace query");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_is_told_by_any_beginning_of_the_id),
        cmocka_unit_test(a_message_is_tried_out_and_changes_nothing),
        cmocka_unit_test(a_panic_of_the_state_entry_is_told),
        cmocka_unit_test(an_estimate_is_enough_and_one_less_is_not),
        cmocka_unit_test(answers_are_told_as_json),
        cmocka_unit_test(an_estimate_says_that_it_holds_the_rent_of_all_blocks),
        cmocka_unit_test(an_account_is_a_name_or_an_id_and_nothing_else),
        cmocka_unit_test(options_that_do_not_go_together_are_refused),
        cmocka_unit_test(a_limit_that_no_block_has_is_told_as_it_is),
        cmocka_unit_test(what_cannot_be_answered_is_said),
    };
    return cmocka_run_group_tests(tests, make_database, leave_folder);
}
