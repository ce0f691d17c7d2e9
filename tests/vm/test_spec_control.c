/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=spec timeout=120 tiers=own
 * Goal: blocks, branches, calls, tables, locals and globals do what the WebAssembly core
 * specification says, in every tier. Method: small functions, each with the numbers it must hand
 * out and the way it must end, worked out by hand. */
#include "tests/vm/spec.h"

typedef struct example {
    const char *what;
    const char *body; /* of the entry, which has i32 locals x and y and i64 locals p and q */
    const char *outs; /* in decimal, a blank behind each */
    int end;
} example;

/* What examples may use. */
static const char around[] =
    "(module (import \"env\" \"memory\" (memory 1))\n" SPEC_IMPORTS
    "(type $none (func)) (type $none_too (func))\n"
    "(type $i_i (func (param i32) (result i32))) (type $i_l (func (param i32) (result i64)))\n"
    "(type $l_i (func (param i64) (result i32))) (type $l (func (param i64)))\n"
    "(type $ii_i (func (param i32 i32) (result i32)))\n"
    "(global $g (mut i32) (i32.const -5)) (global $h (mut i64) (i64.const -6))\n"
    "(global $k i64 (i64.const 0x8000000000000000))\n"
    "(table 8 funcref)\n"
    "(elem (i32.const 1) $noop $out $grow $twice $fac)\n"
    "(func $noop)\n"
    "(func $o (param i32) (call $out (i64.extend_i32_s (local.get 0))))\n"
    "(func $tell (param i32) (result i32) (call $o (local.get 0)) (local.get 0))\n"
    "(func $twice (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))\n"
    "(func $fac (param i64) (result i32)\n"
    "  (if (result i32) (i64.eqz (local.get 0)) (then (i32.const 1))\n"
    "    (else (i32.mul (i32.wrap_i64 (local.get 0))\n"
    "      (call $fac (i64.sub (local.get 0) (i64.const 1)))))))\n"
    "(func $even (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const "
    "1))))"
    "  (call $odd (i32.sub (local.get 0) (i32.const 1))))\n"
    "(func $odd (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const "
    "0))))"
    "  (call $even (i32.sub (local.get 0) (i32.const 1))))\n"
    "(func $ackermann (param i32 i32) (result i32)\n"
    "  (if (i32.eqz (local.get 0)) (then (return (i32.add (local.get 1) (i32.const 1)))))\n"
    "  (if (i32.eqz (local.get 1)) (then (return\n"
    "    (call $ackermann (i32.sub (local.get 0) (i32.const 1)) (i32.const 1)))))\n"
    "  (call $ackermann (i32.sub (local.get 0) (i32.const 1))\n"
    "    (call $ackermann (local.get 0) (i32.sub (local.get 1) (i32.const 1)))))\n"
    "(func $forever (result i64) (i64.add (call $forever) (i64.const 1)))\n"
    "(func $twelve (param i32 i64 i32 i64 i32 i64 i32 i64 i32 i64 i32 i64)\n"
    "  (call $o (local.get 0)) (call $out (local.get 1)) (call $o (local.get 2))\n"
    "  (call $out (local.get 3)) (call $o (local.get 4)) (call $out (local.get 5))\n"
    "  (call $o (local.get 6)) (call $out (local.get 7)) (call $o (local.get 8))\n"
    "  (call $out (local.get 9)) (call $o (local.get 10)) (call $out (local.get 11)))\n"
    "(func $table (param i32) (result i32)\n"
    "  (block $d (block $c (block $b (block $a\n"
    "    (br_table $a $b $c $a $d (local.get 0)))\n"
    "    (return (i32.const 10))) (return (i32.const 11))) (return (i32.const 12)))\n"
    "  (i32.const 13))\n"
    "(func $table_value (param i32) (result i32)\n"
    "  (i32.add (i32.const 1000) (block $a (result i32)\n"
    "    (i32.add (i32.const 100) (block $b (result i32)\n"
    "      (br_table $a $b $a (i32.const 7) (local.get 0)))))))\n"
    "(func $table_only (param i32) (result i32)\n"
    "  (block $a (br_table $a (local.get 0))) (i32.const 4))\n"
    "(func $early (param i32) (result i32) (local i32)\n"
    "  (i32.const 1) (i32.const 2) (i32.const 3)\n"
    "  (if (local.get 0) (then (return (i32.const 40))))\n"
    "  i32.add i32.add)\n"
    "(func $choose (param i32) (result i32)\n"
    "  (select (i32.const 21) (i32.const 22) (local.get 0)))\n"
    "(func (export \"handle\") (local $x i32) (local $y i32) (local $p i64) (local $q i64)\n"
    "  %s))\n";

#define TELL(text) "(call $o " text ")"

static const example examples[] = {
    /* Blocks and branches. */
    {"a block's value", TELL("(block (result i32) (i32.const 3))"), "3 ", SPEC_DONE},
    {"a branch with a value over others",
     TELL("(i32.add (i32.const 100) (block (result i32) (i32.const 1) (i32.const 2) (i32.const 3)"
          " (br 0)))"),
     "103 ", SPEC_DONE},
    {"a branch out of two blocks with a value over others",
     TELL("(block $a (result i32) (i32.const 1) (i64.const 2)"
          " (block $b (result i32) (i64.const 9) (br $a (i32.const 5))) drop drop)"),
     "5 ", SPEC_DONE},
    {"br_if that is taken keeps its value",
     TELL("(block (result i32) (br_if 0 (i32.const 6) (i32.const -1)) (drop) (i32.const 7))"), "6 ",
     SPEC_DONE},
    {"br_if that is not taken, too",
     TELL("(block (result i32) (i32.add (br_if 0 (i32.const 6) (i32.const 0)) (i32.const 1)))"),
     "7 ", SPEC_DONE},
    {"br_if takes any bit",
     TELL("(block (result i32) (br_if 0 (i32.const 6) (i32.const 0x80000000)"
          ") (drop) (i32.const 7))"),
     "6 ", SPEC_DONE},
    {"a value of 64 bits through a branch",
     "(call $out (block (result i64) (i32.const 1) (br 0 (i64.const 0x123456789)) ))",
     "4886718345 ", SPEC_DONE},
    {"code behind a branch is not run", "(block (br 0) (call $out (i64.const 1)))", "", SPEC_DONE},
    {"a loop that counts",
     "(loop $l " TELL("(local.get $x)") "(local.set $x (i32.add (local.get $x) (i32.const 1)))"
                                        "(br_if $l (i32.lt_u (local.get $x) (i32.const 4))))",
     "0 1 2 3 ", SPEC_DONE},
    {"a loop is left at its end", TELL("(loop (result i32) (i32.const 8))"), "8 ", SPEC_DONE},
    {"a branch out of loops",
     "(block $out (loop $a (loop $b (local.set $x (i32.add (local.get $x) (i32.const 1)))"
     " (br_if $b (i32.lt_s (local.get $x) (i32.const 5)))"
     " (br_if $out (i32.gt_s (local.get $x) (i32.const 7))) (br $a))))" TELL("(local.get $x)"),
     "8 ", SPEC_DONE},
    {"if without else",
     "(if (i32.const 0) (then (call $out (i64.const 1))))"
     "(if (i32.const 2) (then (call $out (i64.const 3))))",
     "3 ", SPEC_DONE},
    {"if with values",
     TELL("(if (result i32) (i32.const 0) (then (i32.const 1)) (else (i32.const 2)))")
         TELL("(if (result i32) (i32.const 0x100) (then (i32.const 1)) (else (i32.const 2)))"),
     "2 1 ", SPEC_DONE},
    {"a branch out of an if",
     TELL("(if (result i32) (i32.const 1) (then (br 0 (i32.const 5)))"
          " (else (i32.const 6)))"),
     "5 ", SPEC_DONE},
    {"br_table",
     TELL("(call $table (i32.const 0))") TELL("(call $table (i32.const 1))")
         TELL("(call $table (i32.const 2))") TELL("(call $table (i32.const 3))")
             TELL("(call $table (i32.const 4))") TELL("(call $table (i32.const -1))")
                 TELL("(call $table (i32.const 0x80000000))"),
     "10 11 12 10 13 13 13 ", SPEC_DONE},
    {"br_table with a value",
     TELL("(call $table_value (i32.const 0))") TELL("(call $table_value (i32.const 1))")
         TELL("(call $table_value (i32.const 2))") TELL("(call $table_value (i32.const -1))"),
     "1007 1107 1007 1007 ", SPEC_DONE},
    {"br_table of nothing else",
     TELL("(call $table_only (i32.const 0))") TELL("(call $table_only (i32.const -1))"), "4 4 ",
     SPEC_DONE},
    {"return over other values",
     TELL("(call $early (i32.const 0))") TELL("(call $early (i32.const 1))"), "6 40 ", SPEC_DONE},
    {"return of the entry from within", "(loop (block (return))) (call $out (i64.const 1))", "",
     SPEC_DONE},
    {"unreachable", "(call $out (i64.const 1)) unreachable (call $out (i64.const 2))", "1 ",
     MR_TRAP_UNREACHABLE},
    {"unreachable where a value is wanted", TELL("(i32.add (i32.const 1) (unreachable))"), "",
     MR_TRAP_UNREACHABLE},
    /* Values. */
    {"select",
     TELL("(call $choose (i32.const 0))") TELL("(call $choose (i32.const 1))")
         TELL("(call $choose (i32.const 0x80000000))"),
     "22 21 21 ", SPEC_DONE},
    {"select has all operands worked out",
     TELL("(select (call $tell (i32.const 1)) (call $tell (i32.const 2)) (call $tell (i32.const "
          "0)))"),
     "1 2 0 2 ", SPEC_DONE},
    {"select of 64 bits",
     "(call $out (select (i64.const 0x100000000) (i64.const 1) (i32.const 4)))", "4294967296 ",
     SPEC_DONE},
    {"locals are zero at first", TELL("(local.get $x)") "(call $out (local.get $q))", "0 0 ",
     SPEC_DONE},
    {"a value read before its local is set",
     TELL("(i32.sub (local.get $x) (local.tee $x (i32.const 4)))") TELL("(local.get $x)"), "-4 4 ",
     SPEC_DONE},
    {"a local that is set from itself",
     "(local.set $x (i32.const 3)) (local.set $y (i32.const 5))"
     "(local.get $x) (local.get $y) (local.set $x) (local.set $y)" TELL("(local.get $x)")
         TELL("(local.get $y)"),
     "5 3 ", SPEC_DONE},
    {"a local that a loop sets, read before",
     "(local.get $x) (loop (local.set $x (i32.add (local.get $x) (i32.const 1)))"
     " (br_if 0 (i32.lt_s (local.get $x) (i32.const 3)))) (call $o) " TELL("(local.get $x)"),
     "0 3 ", SPEC_DONE},
    {"globals",
     TELL("(global.get $g)") "(call $out (global.get $h)) (call $out (global.get $k))"
                             "(global.set $g (i32.const 9)) (global.set $h (i64.const "
                             "0x7fffffffffffffff))" TELL(
                                 "(global.get $g)") "(call $out (global.get $h))",
     "-5 -6 9223372036854775808 9 9223372036854775807 ", SPEC_DONE},
    {"a global read before a call sets it",
     "(global.get $g) (global.set $g (i32.const 1)) (call "
     "$o)" TELL("(global.get $g)"),
     "-5 1 ", SPEC_DONE},
    /* Calls. */
    {"arguments in their order",
     "(drop (call $ackermann (call $tell (i32.const 1)) (call $tell (i32.const 2))))", "1 2 ",
     SPEC_DONE},
    {"operands in their order",
     TELL("(i32.sub (call $tell (i32.const 9)) (call $tell (i32.const 4)))"), "9 4 5 ", SPEC_DONE},
    {"what traps does so in its turn",
     "(drop (i32.add (call $tell (i32.const 1)) (i32.div_u (i32.const 1) (call $tell (i32.const "
     "0)))))"
     "(call $out (i64.const 3))",
     "1 0 ", MR_TRAP_DIVIDE_BY_ZERO},
    {"the address before the value of a store",
     "(i32.store (call $tell (i32.const -1)) (call $tell (i32.const 2)))", "-1 2 ",
     MR_TRAP_OUT_OF_BOUNDS},
    {"twelve arguments",
     "(call $twelve (i32.const -1) (i64.const -2) (i32.const 3) (i64.const 0x300000000)"
     " (i32.const 5) (i64.const 6) (i32.const 7) (i64.const 8) (i32.const -9) (i64.const 10)"
     " (i32.const 11) (i64.const -12))",
     "-1 -2 3 12884901888 5 6 7 8 -9 10 11 -12 ", SPEC_DONE},
    {"eight arguments of a host function",
     "(call $out (call $eight (i32.const -1) (i64.const -2) (i32.const 3) (i64.const 4)"
     " (i64.const 0x500000000) (i32.const 0x80000000) (i32.const 7) (i64.const 4294967298)))",
     "4294967295 -2 3 4 21474836480 2147483648 7 4294967298 3 ", SPEC_DONE},
    {"an i32 of a host function has 32 bits",
     "(call $out (i64.extend_i32_u (call $grow (i32.const 0))))"
     "(call $out (i64.extend_i32_s (call $grow (i32.const 0))))"
     "(if (i32.eq (call $grow (i32.const 0)) (i32.const 1)) (then (call $out (i64.const 5))))",
     "1 1 5 ", SPEC_DONE},
    {"recursion",
     TELL("(call $fac (i64.const 10))") TELL("(call $ackermann (i32.const 2)"
                                             " (i32.const 3))"),
     "3628800 9 ", SPEC_DONE},
    {"two functions that call each other",
     TELL("(call $even (i32.const 101))") TELL("(call $odd (i32.const 101))"), "0 1 ", SPEC_DONE},
    {"recursion without end", "(call $out (i64.const 1)) (call $out (call $forever))", "1 ",
     MR_TRAP_STACK},
    /* Tables. */
    {"an indirect call", TELL("(call_indirect (type $i_i) (i32.const 4) (i32.const 4))"), "8 ",
     SPEC_DONE},
    {"an indirect call of a host function",
     "(call_indirect (type $l) (i64.const -8) (i32.const 2))" TELL(
         "(call_indirect (type $i_i) (i32.const 2) (i32.const 3))"),
     "-8 3 ", SPEC_DONE},
    {"an indirect call by a type that looks the same",
     "(call_indirect (type $none_too) (i32.const 1)) (call $out (i64.const 2))", "2 ", SPEC_DONE},
    {"an indirect call of a recursive function",
     TELL("(call_indirect (type $l_i) (i64.const 5) (i32.const 5))"), "120 ", SPEC_DONE},
    {"the index of an indirect call comes last",
     TELL("(call_indirect (type $i_i) (call $tell (i32.const 3)) (call $tell (i32.const 4)))"),
     "3 4 6 ", SPEC_DONE},
    {"an indirect call beyond the table", "(call_indirect (type $none) (call $tell (i32.const 8)))",
     "8 ", MR_TRAP_NO_ELEMENT},
    {"an indirect call far beyond the table", "(call_indirect (type $none) (i32.const -1))", "",
     MR_TRAP_NO_ELEMENT},
    {"an indirect call where the sign is", "(call_indirect (type $none) (i32.const 0x80000001))",
     "", MR_TRAP_NO_ELEMENT},
    {"an indirect call of nothing", "(call_indirect (type $none) (i32.const 0))", "",
     MR_TRAP_EMPTY_ELEMENT},
    {"an indirect call of nothing at the end", "(call_indirect (type $none) (i32.const 7))", "",
     MR_TRAP_EMPTY_ELEMENT},
    {"an indirect call by another type", "(call_indirect (type $none) (i32.const 4))", "",
     MR_TRAP_ELEMENT_TYPE},
    {"an indirect call with another result",
     "(call $out (call_indirect (type $i_l) (i32.const 4) (i32.const 4)))", "",
     MR_TRAP_ELEMENT_TYPE},
    {"an indirect call with another parameter",
     TELL("(call_indirect (type $l_i) (i64.const 4) (i32.const 4))"), "", MR_TRAP_ELEMENT_TYPE},
    {"an indirect call with more parameters",
     TELL("(call_indirect (type $ii_i) (i32.const 4) (i32.const 4) (i32.const 4))"), "",
     MR_TRAP_ELEMENT_TYPE},
    {"an indirect call of a host function by another type",
     "(call_indirect (type $none) (i32.const 2))", "", MR_TRAP_ELEMENT_TYPE},
};

static size_t read_outs(const char *text, uint64_t outs[16])
{
    size_t count = 0;
    char *end;
    for (; *text != '\0'; text = end + 1) {
        assert_true(count < 16);
        outs[count++] = *text == '-' ? (uint64_t)strtoll(text, &end, 10) : strtoull(text, &end, 10);
    }
    return count;
}

/* Twice each, as what one call leaves in globals does not show in the next. */
static void examples_do_what_they_must(void **state)
{
    (void)state;
    enum { COUNT = sizeof examples / sizeof examples[0] };
    static spec_module modules[COUNT]; /* all compiled at the same time */
    for (size_t i = 0; i < COUNT; i++) {
        mr_buffer text = {0};
        char *whole = malloc(sizeof around + strlen(examples[i].body));
        (void)sprintf(whole, around, examples[i].body);
        assert_int_equal(mr_buffer_append(&text, mr_span_text(whole)), MR_OK);
        spec_begin_buffer(&modules[i], &text);
        free(whole);
    }
    for (size_t i = 0; i < COUNT; i++) {
        uint64_t outs[16];
        const size_t count = read_outs(examples[i].outs, outs);
        for (unsigned time = 0; time < 2; time++)
            spec_expect(&modules[i], examples[i].what, NULL, outs, count, examples[i].end);
        spec_end(&modules[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_do_what_they_must),
    };
    return cmocka_run_group_tests(tests, spec_set_up, spec_tear_down);
}
