/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: timeout=120
 *
 * Goal: every rule refuses with a sentence that says what and where, what follows the rules is
 * accepted, and the facts of a code are right.
 * Method: modules in text, each wrong in one way, next to the words its refusal must have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/vm/bare.h"

static const mr_code_prices prices = {.instruction = 1, .stack_height_max = 36743};

static mr_buffer binary(const char *text)
{
    mr_buffer out = {0};
    mr_error error = {0};
    if (mr_code_from_text(mr_span_text(text), "test.wat", &out, &error) != MR_OK)
        fail_msg("%s\n%s", error.text, text);
    return out;
}

static mr_code *accept(const char *text)
{
    mr_buffer module = binary(text);
    mr_error error = {0};
    mr_code *code = NULL;
    if (mr_code_new(&bare_rules, &prices, mr_buffer_span(&module), &code, &error) != MR_OK)
        fail_msg("refused: %s\n%s", error.text, text);
    mr_buffer_fini(&module);
    return code;
}

static void refuse_bytes(mr_span module, const char *words, const char *what)
{
    mr_error error = {0};
    mr_code *code = NULL;
    if (mr_code_new(&bare_rules, &prices, module, &code, &error) == MR_OK)
        fail_msg("accepted: %s", what);
    assert_int_equal(error.status, MR_MODULE);
    assert_null(code);
    if (strstr(error.text, words) == NULL)
        fail_msg("\"%s\" lacks \"%s\": %s", error.text, words, what);
}

static void refuse(const char *text, const char *words)
{
    mr_buffer module = binary(text);
    refuse_bytes(mr_buffer_span(&module), words, text);
    mr_buffer_fini(&module);
}

#define MEMORY             "(import \"env\" \"memory\" (memory 1))"
#define HANDLE             "(func (export \"handle\"))"
#define MODULE(fields)     "(module " MEMORY HANDLE fields ")"
#define BODY(instructions) "(module " MEMORY "(func $go (export \"handle\") " instructions "))"

typedef struct refusal {
    const char *text;
    const char *words;
} refusal;

static const refusal refusals[] = {
    /* Imports. */
    {"(module (import \"env\" \"memory\" (memory 1)) (import \"env\" \"gr_error\" (func (param "
     "i32)))" HANDLE ")",
     "import env.gr_error: there is no such function"},
    {"(module " MEMORY "(import \"env\" \"ask\" (func (param i32 i32) (result i64)))" HANDLE ")",
     "import env.ask: its type is (i32, i64) -> i64, but the module imports it as (i32, i32) -> "
     "i64"},
    {"(module " MEMORY "(import \"env\" \"stop\" (func (result i32)))" HANDLE ")",
     "import env.stop: its type is () -> (), but the module imports it as () -> i32"},
    {"(module " MEMORY "(import \"env\" \"note\" (func (param i32 i32)))" HANDLE ")",
     "its type is (i32) -> (), but the module imports it as (i32, i32) -> ()"},
    {"(module " MEMORY "(import \"env\" \"stop\" (func)) (import \"env\" \"stop\" (func))" HANDLE
     ")",
     "import env.stop is there twice"},
    {"(module " MEMORY "(import \"wasi\" \"stop\" (func))" HANDLE ")",
     "import wasi.stop: functions can only be imported from env"},
    {"(module " MEMORY "(import \"env\" \"t\" (table 1 funcref))" HANDLE ")",
     "(t) is a table: only functions and the memory can be imported"},
    {"(module " MEMORY "(import \"env\" \"g\" (global i32))" HANDLE ")", "(g) is a global"},
    {"(module " MEMORY "(import \"mr\" \"break\" (func (param i32)))" HANDLE ")",
     "import mr.break: functions can only be imported from env"},
    /* Memory. */
    {"(module " HANDLE ")", "does not import the memory env.memory"},
    {"(module (memory 1) " HANDLE ")", "defines a memory of its own"},
    {"(module " MEMORY "(memory 1) " HANDLE ")", "defines a memory of its own"},
    {"(module " MEMORY MEMORY HANDLE ")", "imports more than one memory"},
    {"(module (import \"env\" \"ram\" (memory 1))" HANDLE ")",
     "memory env.ram is imported, but the memory is env.memory"},
    {"(module (import \"sys\" \"memory\" (memory 1))" HANDLE ")", "memory sys.memory is imported"},
    {"(module (import \"env\" \"memory\" (memory 1 2))" HANDLE ")", "declares a maximum"},
    {"(module (import \"env\" \"memory\" (memory 32769))" HANDLE ")",
     "has 32769 pages, more than the limit of 32768"},
    {BODY("(drop (memory.grow (i32.const 1)))"), "memory.grow at byte"},
    /* Exports. */
    {"(module " MEMORY "(func))", "none of the entries init, handle is exported"},
    {"(module " MEMORY "(func (export \"main\")))", "export main: no entry of a program"},
    {MODULE("(func (export \"debug\"))"), "export debug: no entry"},
    {"(module " MEMORY "(func (export \"handle\") (param i32)))",
     "export handle has type (i32) -> ()"},
    {"(module " MEMORY "(func (export \"handle\") (result i64) (i64.const 0)))",
     "export handle has type () -> i64"},
    {"(module " MEMORY "(import \"env\" \"stop\" (func $s)) (export \"handle\" (func $s)))",
     "export handle is an imported function"},
    {MODULE("(global (export \"g\") (mut i32) (i32.const 0))"), "export g is a mutable global"},
    {MODULE("(global (export \"mr_gas\") (mut i64) (i64.const 0))"),
     "export mr_gas is a mutable global"},
    {MODULE("(func $s) (start $s)"), "start section"},
    /* Stack end. */
    {MODULE("(global (export \"__gear_stack_end\") i32 (i32.const 100))"),
     "export __gear_stack_end is 100, not a multiple of 65536"},
    {MODULE("(global (export \"__gear_stack_end\") i32 (i32.const 131072))"),
     "export __gear_stack_end is 131072, beyond the static memory of 65536 bytes"},
    {MODULE("(global (export \"__gear_stack_end\") i32 (i32.const -65536))"),
     "export __gear_stack_end is 4294901760, beyond"},
    {MODULE("(global (export \"__gear_stack_end\") i64 (i64.const 65536))"), "is not an i32"},
    {MODULE("(global (export \"__gear_stack_end\") (mut i32) (i32.const 65540))"),
     "export __gear_stack_end is 65540, not a multiple"},
    {MODULE("(func (export \"__gear_stack_end\"))"), "export __gear_stack_end: no entry"},
    {"(module " MEMORY HANDLE "(export \"__gear_stack_end\" (memory 0)))",
     "export __gear_stack_end is not a global"},
    /* Segments. */
    {MODULE("(data (i32.const 65533) \"four\")"),
     "data segment 0 ends at 65537, beyond the static memory of 65536 bytes"},
    {MODULE("(data (i32.const 0) \"\") (data (i32.const -1) \"x\")"),
     "data segment 1 ends at 4294967296"},
    {"(module (import \"env\" \"memory\" (memory 2)) " HANDLE
     "(global (export \"__gear_stack_end\") i32 (i32.const 65536))"
     "(data (i32.const 65535) \"x\"))",
     "data segment 0 starts at 65535, inside the stack, which ends at 65536"},
    {MODULE("(data \"passive\")"), "data segment 0 is passive"},
    {MODULE("(table 2 funcref) (elem (i32.const 1) 0 0)"),
     "element segment 0 fills elements 1 to 3, beyond the table's 2"},
    {MODULE("(table 2 funcref) (elem func 0)"), "element segment 0 is passive"},
    {MODULE("(table 2 externref)"), "the table is not one of functions"},
    {MODULE("(table 1 funcref) (table 1 funcref)"), "the module has 2 tables"},
    {MODULE("(table 4097 funcref)"), "the table has 4097 elements, more than the limit of 4096"},
    /* Floats, everywhere. */
    {BODY("(drop (f32.const 1))"), "function 0 (go): f32.const at byte"},
    {BODY("(drop (f64.convert_i32_s (i32.const 1)))"), "f64.convert_i32_s at byte"},
    {BODY("(drop (i32.trunc_f32_s (f32.load (i32.const 1))))"), "f32.load at byte"},
    {BODY("(local f64)"), "function 0 (go): a local at byte"},
    {BODY("unreachable f64.add drop"), "f64.add at byte"},
    {MODULE("(func (param f32))"), "a parameter at byte"},
    {MODULE("(func (result f32) (f32.const 0))"), "a result at byte"},
    {MODULE("(global f64 (f64.const 0))"), "a global at byte"},
    {BODY("(drop (block (result f32) (f32.const 0)))"), "a block type at byte"},
    /* What came after version 1. */
    {BODY("(drop (v128.const i32x4 0 0 0 0))"), "belongs to SIMD"},
    {BODY("(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))"), "belongs to bulk memory"},
    {BODY("(drop (ref.is_null (ref.null func)))"), "belongs to reference types"},
    {MODULE("(func (result i32 i32) (i32.const 0) (i32.const 0))"), "has 2 results"},
    {BODY("(return_call 0)"), "is a tail call"},
    {BODY("(drop (i32.atomic.load (i32.const 0)))"), "belongs to threads"},
    {BODY("(drop (select (result i32) (i32.const 0) (i32.const 0) (i32.const 0)))"),
     "belongs to reference types"},
};

static void every_rule_refuses_with_its_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        refuse(refusals[i].text, refusals[i].words);
}

/* Text made of `head`, `count` times `part`, and `tail`. */
static char *repeated(const char *head, const char *part, uint32_t count, const char *tail)
{
    size_t size = strlen(head) + strlen(part) * count + strlen(tail) + 1;
    char *text = malloc(size), *at = text;
    assert_non_null(text);
    at += sprintf(at, "%s", head);
    for (uint32_t i = 0; i < count; i++)
        at += sprintf(at, "%s", part);
    sprintf(at, "%s", tail);
    return text;
}

static void check_limit(const char *head, const char *part, uint32_t most, const char *tail,
                        const char *words)
{
    char *text = repeated(head, part, most, tail);
    mr_code_put(accept(text));
    free(text);
    text = repeated(head, part, most + 1, tail);
    refuse(text, words);
    free(text);
}

static void every_limit_admits_its_number_and_no_more(void **state)
{
    (void)state;
    check_limit("(module " MEMORY HANDLE "(func (param ", "i32 ", 128, ")))",
                "has 129 parameters and results, more than the limit of 128");
    check_limit("(module " MEMORY HANDLE "(func (param ", "i32 ", 127,
                ") (result i64) (i64.const 0)))",
                "has 129 parameters and results, more than the limit of 128");
    check_limit("(module " MEMORY HANDLE "(func $f (local ", "i64 ", 1024, ")))",
                "function 1 (f): 1025 locals and more, more than the limit of 1024");
    check_limit("(module " MEMORY HANDLE, "(global i32 (i32.const 0))", 256, ")",
                "has 257 globals, more than the limit of 256");
    check_limit("(module " MEMORY HANDLE, "(data (i32.const 0) \"x\")", 1024, ")",
                "has 1025 data segments, more than the limit of 1024");
    check_limit("(module " MEMORY "(func $go (export \"handle\") (block (br_table ", "0 ", 256,
                "0 (i32.const 0)))))", "br_table at byte");
}

/* A module of one function with `instructions` as its body, without text in between. */
static mr_buffer with_body(mr_span instructions)
{
    static const uint8_t head[] = {0,   'a', 's', 'm', 1,   0,   0,   0,   1,   4, 1,   0x60,
                                   0,   0,   2,   15,  1,   3,   'e', 'n', 'v', 6, 'm', 'e',
                                   'm', 'o', 'r', 'y', 2,   0,   1,   3,   2,   1, 0,   7,
                                   10,  1,   6,   'h', 'a', 'n', 'd', 'l', 'e', 0, 0,   10};
    mr_buffer out = {0};
    uint32_t body = (uint32_t)instructions.size + 1, section = body + 6;
    uint8_t sizes[12] = {(uint8_t)(section | 0x80),       (uint8_t)(section >> 7 | 0x80),
                         (uint8_t)(section >> 14 | 0x80), (uint8_t)(section >> 21 | 0x80),
                         (uint8_t)(section >> 28),        1,
                         (uint8_t)(body | 0x80),          (uint8_t)(body >> 7 | 0x80),
                         (uint8_t)(body >> 14 | 0x80),    (uint8_t)(body >> 21 | 0x80),
                         (uint8_t)(body >> 28),           0};
    assert_int_equal(mr_buffer_append(&out, mr_span_of(head, sizeof head)), MR_OK);
    assert_int_equal(mr_buffer_append(&out, mr_span_of(sizes, sizeof sizes)), MR_OK);
    assert_int_equal(mr_buffer_append(&out, instructions), MR_OK);
    return out;
}

/* `count` blocks within each other, opened by `op`, in a function of which nothing else is known.
 */
static mr_buffer nested(uint8_t op, uint32_t count)
{
    mr_buffer body = {0};
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t condition[] = {0x41, 1}, open[] = {op, 0x40};
        if (op == 0x04)
            assert_int_equal(mr_buffer_append(&body, mr_span_of(condition, 2)), MR_OK);
        assert_int_equal(mr_buffer_append(&body, mr_span_of(open, 2)), MR_OK);
    }
    for (uint32_t i = 0; i <= count; i++)
        assert_int_equal(mr_buffer_append(&body, mr_span_of("\x0b", 1)), MR_OK);
    mr_buffer module = with_body(mr_buffer_span(&body));
    mr_buffer_fini(&body);
    return module;
}

static void nesting_is_limited_before_anything_recurses(void **state)
{
    (void)state;
    const uint8_t ops[] = {0x02, 0x03, 0x04};
    for (size_t i = 0; i < sizeof ops; i++) {
        mr_error error = {0};
        mr_code *code = NULL;
        mr_buffer deepest = nested(ops[i], MR_CODE_NESTING_MAX);
        assert_int_equal(mr_code_new(&bare_rules, &prices, mr_buffer_span(&deepest), &code, &error),
                         MR_OK);
        mr_code_put(code);
        mr_buffer too_deep = nested(ops[i], MR_CODE_NESTING_MAX + 1);
        refuse_bytes(mr_buffer_span(&too_deep), "nested deeper than the limit of 1024", "1025");
        mr_buffer far_too_deep = nested(ops[i], 100000);
        refuse_bytes(mr_buffer_span(&far_too_deep), "nested deeper", "100000");
        mr_buffer_fini(&deepest);
        mr_buffer_fini(&too_deep);
        mr_buffer_fini(&far_too_deep);
    }
    /* In text, where every parenthesis nests. */
    char *text = repeated("(module (func (drop ", "(i32.eqz ", 100000, "(i32.const 1)");
    mr_buffer out = {0};
    mr_error error = {0};
    assert_int_equal(mr_code_from_text(mr_span_text(text), "deep.wat", &out, &error), MR_MODULE);
    assert_non_null(strstr(error.text, "nested"));
    free(text);
    text = repeated("(module (func ", "block ", 100000, "");
    assert_int_equal(mr_code_from_text(mr_span_text(text), "deep.wat", &out, &error), MR_MODULE);
    assert_non_null(strstr(error.text, "nested"));
    free(text);
    mr_buffer_fini(&out);
}

static void sizes_are_limited(void **state)
{
    (void)state;
    mr_buffer big = {0};
    assert_int_equal(mr_buffer_reserve(&big, 600000), MR_OK);
    memset(big.data, 0, 600000);
    refuse_bytes(mr_span_of(big.data, 524289),
                 "the module has 524289 bytes, more than the limit of 524288", "size");
    refuse_bytes(mr_span_of(big.data, 524288), "not a WebAssembly module", "zeroes");
    refuse_bytes((mr_span){0}, "not a WebAssembly module", "nothing");
    mr_buffer_fini(&big);
    /* 3 bytes a type */
    char *text = repeated("(module " MEMORY HANDLE, "(type (func))", 6825,
                          ")"); /* one more is that of handle */
    mr_code_put(accept(text));
    free(text);
    text = repeated("(module " MEMORY HANDLE, "(type (func))", 6827, ")");
    refuse(text, "the type section has 20483 bytes, more than the limit of 20480");
    free(text);
}

/* The rewritten form has a limit of its own. */
static void rewriting_cannot_blow_a_module_up(void **state)
{
    (void)state;
    mr_buffer body = {0};
    /* loop end, loop end, ...: each loop has a charge and a check */
    const uint8_t part[] = {0x03, 0x40, 0x41, 0, 0x0d, 0, 0x0b};
    for (uint32_t i = 0; i < 70000; i++)
        assert_int_equal(mr_buffer_append(&body, mr_span_of(part, sizeof part)), MR_OK);
    assert_int_equal(mr_buffer_append(&body, mr_span_of("\x0b", 1)), MR_OK);
    mr_buffer module = with_body(mr_buffer_span(&body));
    refuse_bytes(mr_buffer_span(&module), "bytes when rewritten, more than the limit of", "loops");
    mr_buffer_fini(&module);
    mr_buffer_fini(&body);
}

static void a_deep_chain_of_calls_is_refused(void **state)
{
    (void)state;
    char text[4096];
    /* 1000 locals in each of 40 functions, one calling the next. */
    char *locals = repeated("(local ", "i32 ", 1000, ")");
    mr_buffer all = {0};
    assert_int_equal(mr_buffer_append(&all, mr_span_text("(module " MEMORY)), MR_OK);
    for (uint32_t i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "(func $f%u %s ", i, i == 0 ? "(export \"handle\")" : "");
        assert_int_equal(mr_buffer_append(&all, mr_span_text(text)), MR_OK);
        assert_int_equal(mr_buffer_append(&all, mr_span_text(locals)), MR_OK);
        if (i < 39)
            snprintf(text, sizeof text, "(call $f%u))", i + 1);
        else
            snprintf(text, sizeof text, "))");
        assert_int_equal(mr_buffer_append(&all, mr_span_text(text)), MR_OK);
    }
    assert_int_equal(mr_buffer_append(&all, mr_span_of("", 1)), MR_OK);
    refuse((const char *)all.data, "function 0 (f0) and what it calls take 40320 values of stack "
                                   "without any recursion, more than the limit of 36743");
    mr_buffer_fini(&all);
    free(locals);
}

static void malformed_bytes_are_told_where(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t size;
        const char *words;
    } cases[] = {
#define CASE(bytes, words) {bytes, sizeof bytes - 1, words}
        CASE("\0asm\2\0\0\0", "not a WebAssembly module of version 1"),
        CASE("\0asm\1\0\0\0\1", "cut short at byte 9"),
        CASE("\0asm\1\0\0\0\1\5\0", "cut short"),
        CASE("\0asm\1\0\0\0\3\1\0\1\1\0", "section 1 is out of order"),
        CASE("\0asm\1\0\0\0\1\1\0\1\1\0", "section 1 is out of order or there twice"),
        CASE("\0asm\1\0\0\0\1\2\0\0", "section 1 has 1 bytes too many"),
        CASE("\0asm\1\0\0\0\15\1\0", "section 13 is unknown"),
        CASE("\0asm\1\0\0\0\14\1\0", "data count section"),
        CASE("\0asm\1\0\0\0\1\5\377\377\377\377\17", "claims 4294967295, more than can follow"),
        CASE("\0asm\1\0\0\0\1\6\377\377\377\377\377\0", "too large a number"),
        CASE("\0asm\1\0\0\0\1\5\377\377\377\377\37", "too large a number"),
        CASE("\0asm\1\0\0\0\1\4\1\137\0\0", "type 0 is not a function type"),
        CASE("\0asm\1\0\0\0\13\6\1\0\43\0\13\0",
             "the offset of a data segment at byte 12 is not a constant i32"),
        CASE("\0asm\1\0\0\0\13\7\1\0\101\0\101\0\13",
             "the offset of a data segment at byte 14 is more than one constant"),
        CASE("\0asm\1\0\0\0\0\5\5name", "cut short at byte 11, in the name of a custom"),
        CASE("\0asm\1\0\0\0\2\13\1\1a\1b\2\3\1\1\0\0", "shared or 64-bit"),
        CASE("\0asm\1\0\0\0\1\4\1\140\0\0\3\2\1\0", "functions but no code section"),
        CASE("\0asm\1\0\0\0\1\4\1\140\0\0\3\2\1\1", "has type 1, which does not exist"),
#undef CASE
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse_bytes(mr_span_of(cases[i].bytes, cases[i].size), cases[i].words, cases[i].words);
}

static void malformed_bodies_are_told_where(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t size;
        const char *words;
    } cases[] = {
#define CASE(bytes, words) {bytes, sizeof bytes - 1, words}
        CASE("", "function 0: the module is cut short"), CASE("\1", "cut short"),
        CASE("\13\1", "function 0: 1 bytes after the last end"), CASE("\5\13", "belongs to no if"),
        CASE("\2\100\5\13\13", "belongs to no if"),
        CASE("\101\0\4\100\5\5\13\13", "belongs to no if"), CASE("\14\1\13", "br at byte"),
        CASE("\40\0\13", "local.get at byte"), CASE("\43\0\13", "global.get at byte"),
        CASE("\20\5\13", "call at byte"), CASE("\21\1\0\13", "call_indirect at byte"),
        CASE("\77\1\13", "of a second table or memory"),
        CASE("\101\0\50\4\0\32\13", "malformed alignment"),
        CASE("\101\0\50\1\0\32\52\13", "f32.load at byte"),
        CASE("\377\13", "instruction 0xff at byte"), CASE("\6\100\13\13", "belongs to exceptions"),
        CASE("\16\377\377\377\377\17\13", "claims"),
        CASE("\101\200\200\200\200\20\32\13", "too large a number"),
        /* WABT's: a value is left over, a value is missing */
        CASE("\101\0\13", "function 0: invalid at byte 63: type mismatch"),
        CASE("\152\32\13", "function 0: invalid at byte 61: type mismatch in i32.add"),
        CASE("\2\177\13\32\13", "invalid at byte"),
        CASE("\101\0\50\3\0\32\13", "invalid at byte"), /* alignment beyond the natural */
        CASE("\21\0\0\13", "invalid at byte"),          /* no table */
#undef CASE
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mr_buffer module = with_body(mr_span_of(cases[i].bytes, cases[i].size));
        refuse_bytes(mr_buffer_span(&module), cases[i].words, cases[i].words);
        mr_buffer_fini(&module);
    }
}

static void names_of_authors_cannot_garble_a_message(void **state)
{
    (void)state;
    refuse("(module " MEMORY "(func (export \"bad\\0a\\1b[31m name\")))",
           "export bad??[31m name: no entry");
    refuse("(module " MEMORY
           "(func (export \"a name that is far longer than anything a person would want to read in "
           "a message about it\")))",
           "export a name that is far longer than anything a person would want to : no entry");
}

static void linkers_exports_are_accepted_and_dropped(void **state)
{
    (void)state;
    mr_code *code = accept("(module " MEMORY "(table (export \"t\") 1 funcref)"
                           "(global (export \"__heap_base\") i32 (i32.const 70000))"
                           "(export \"memory\" (memory 0))"
                           "(func (export \"init\")) (func (export \"handle\")))");
    assert_true(mr_code_has_entry(code, 0));
    assert_true(mr_code_has_entry(code, 1));
    assert_false(mr_code_has_entry(code, 2));
    mr_span rewritten = mr_code_rewritten(code);
    assert_null(memmem(rewritten.data, rewritten.size, "__heap_base", 11));
    assert_null(memmem(rewritten.data, rewritten.size, "\1t\1", 3));
    assert_non_null(memmem(rewritten.data, rewritten.size, MR_CODE_GAS_EXPORT, 6));
    mr_code_put(code);
}

static void the_facts_are_those_of_the_module(void **state)
{
    (void)state;
    mr_code *code =
        accept("(module (import \"env\" \"memory\" (memory 3))"
               "(import \"env\" \"stop\" (func $stop))"
               "(global (export \"__gear_stack_end\") i32 (i32.const 65536))"
               "(func $helper (param i32) (result i32) local.get 0 i32.const 1 i32.add)"
               "(func $go (export \"handle\") block nop i32.const 1 call $helper drop end)"
               "(func))");
    assert_int_equal(mr_code_static_pages(code), 3);
    assert_int_equal(mr_code_stack_end(code), 65536);
    assert_int_equal(mr_code_instructions(code), 5);
    assert_string_equal(mr_code_function_name(code, 0), "stop");
    assert_string_equal(mr_code_function_name(code, 1), "helper");
    assert_string_equal(mr_code_function_name(code, 2), "go");
    assert_null(mr_code_function_name(code, 3));
    assert_null(mr_code_function_name(code, UINT32_MAX));
    assert_true(mr_code_bytes(code) > mr_code_rewritten(code).size);
    mr_span rewritten = mr_code_rewritten(code);
    assert_non_null(memmem(rewritten.data, rewritten.size, "helper", 6));
    mr_code *again = mr_code_get(code);
    mr_code_put(code);
    assert_int_equal(mr_code_static_pages(again), 3);
    mr_code_put(again);
    code = accept(MODULE(""));
    assert_int_equal(mr_code_stack_end(code), 0);
    assert_null(mr_code_function_name(code, 1));
    mr_code_put(code);
}

static void the_same_bytes_give_the_same_bytes(void **state)
{
    (void)state;
    const char *text = "(module " MEMORY "(func $f (param i32) (i32.store (local.get 0) (i32.const "
                       "5))) (func (export \"handle\") (loop (call $f (i32.const 9)) (br 0))))";
    mr_code *a = accept(text), *b = accept(text);
    assert_true(mr_span_equal(mr_code_rewritten(a), mr_code_rewritten(b)));
    mr_code_put(a);
    mr_code_put(b);
}

static void base_units_are_what_data_segments_make(void **state)
{
    (void)state;
    mr_code *code = accept("(module (import \"env\" \"memory\" (memory 2)) " HANDLE
                           "(data (i32.const 255) \"ab\")"            /* units 0 and 1 */
                           "(data (i32.const 1024) \"\\00\\00\\00\")" /* zeroes: no unit */
                           "(data (i32.const 131071) \"z\")"          /* the last byte */
                           "(data (i32.const 256) \"c\")"             /* over the first's b */
                           "(data (i32.const 2048) \"xyz\")"
                           "(data (i32.const 2047) \"\\00\\00\\00\\00\")" /* back to zero */
                           "(data (i32.const 5000) \"\"))");
    uint32_t count = 0;
    const uint32_t *units = mr_code_base_units(code, &count);
    assert_int_equal(count, 3);
    assert_int_equal(units[0], 0);
    assert_int_equal(units[1], 1);
    assert_int_equal(units[2], 131071 / MR_UNIT_BYTES);
    assert_int_equal(mr_code_base_unit(code, 0)[255], 'a');
    assert_int_equal(mr_code_base_unit(code, 1)[0], 'c');
    assert_int_equal(mr_code_base_unit(code, 1)[1], 0);
    assert_int_equal(mr_code_base_unit(code, units[2])[MR_UNIT_BYTES - 1], 'z');
    assert_null(mr_code_base_unit(code, 2));
    assert_null(mr_code_base_unit(code, 8));
    assert_null(mr_code_base_unit(code, UINT32_MAX));
    mr_code_put(code);
    code = accept(MODULE(""));
    (void)mr_code_base_units(code, &count);
    assert_int_equal(count, 0);
    assert_null(mr_code_base_unit(code, 0));
    mr_code_put(code);
}

static void text_errors_say_line_and_column(void **state)
{
    (void)state;
    mr_buffer out = {0};
    mr_error error = {0};
    const char *text = "(module\n  (func\n    i32.cons 1))";
    assert_int_equal(mr_code_from_text(mr_span_text(text), "my.wat", &out, &error), MR_MODULE);
    assert_non_null(strstr(error.text, "my.wat:3:5: "));
    text = "(module (func (result i32)))";
    assert_int_equal(mr_code_from_text(mr_span_text(text), "my.wat", &out, &error), MR_MODULE);
    assert_non_null(strstr(error.text, "my.wat:1:"));
    assert_int_equal(out.size, 0);
    assert_int_equal(mr_code_from_text((mr_span){0}, "my.wat", &out, &error), MR_MODULE);
    mr_buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_refuses_with_its_sentence),
        cmocka_unit_test(every_limit_admits_its_number_and_no_more),
        cmocka_unit_test(nesting_is_limited_before_anything_recurses),
        cmocka_unit_test(sizes_are_limited),
        cmocka_unit_test(rewriting_cannot_blow_a_module_up),
        cmocka_unit_test(a_deep_chain_of_calls_is_refused),
        cmocka_unit_test(malformed_bytes_are_told_where),
        cmocka_unit_test(malformed_bodies_are_told_where),
        cmocka_unit_test(names_of_authors_cannot_garble_a_message),
        cmocka_unit_test(linkers_exports_are_accepted_and_dropped),
        cmocka_unit_test(the_facts_are_those_of_the_module),
        cmocka_unit_test(the_same_bytes_give_the_same_bytes),
        cmocka_unit_test(base_units_are_what_data_segments_make),
        cmocka_unit_test(text_errors_say_line_and_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
