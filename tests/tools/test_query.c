/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=e2e timeout=120
 * millrace query: the command as it is typed, over a database that a scenario made.
 *
 * Goal: state, messages tried out and estimates say what they should; nothing in the database
 * changes; what cannot be answered is told with the reason. */
#include "support.h"

static const char module[] =
    "(module (import \"env\" \"memory\" (memory 1))\n"
    "(import \"env\" \"gr_size\" (func $size (param i32)))\n"
    "(import \"env\" \"gr_reply\" (func $reply (param i32 i32 i32 i32)))\n"
    "(import \"env\" \"gr_panic\" (func $panic (param i32 i32)))\n"
    "(func (export \"handle\") (call $size (i32.const 8))\n"
    "(if (i32.eq (i32.load (i32.const 8)) (i32.const 4))\n"
    "(then (call $panic (i32.const 16) (i32.const 4))))\n"
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
    assert_int_equal(millrace("query it.db %s --message --payload 0x01020304", id), 0);
    assert_contains(command_out, ": panic, gas ");
    assert_contains(command_out, "\"oops\"");
    assert_int_equal(millrace("inspect it.db"), 0);
    assert_string_equal(command_out, root);
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

static void what_cannot_be_answered_is_said(void **state)
{
    (void)state;
    assert_fails(millrace("query"), 2, "which database?");
    assert_fails(millrace("query it.db"), 2, "which program?");
    assert_fails(millrace("query nowhere.db 0x1234"), 1, "nowhere.db");
    assert_fails(millrace("query it.db 0x1"), 1, "0x1 is too short for the beginning of an id");
    assert_fails(millrace("query it.db 0x1234567"), 1, "no program has the id 0x1234567");
    assert_fails(millrace("query it.db %s --metahash", id), 1, "has no entry metahash");
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
        cmocka_unit_test(an_estimate_is_enough_and_one_less_is_not),
        cmocka_unit_test(what_cannot_be_answered_is_said),
    };
    return cmocka_run_group_tests(tests, make_database, leave_folder);
}
