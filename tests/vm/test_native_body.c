/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=240 tiers=own
 * Goal: loops that are written twice do what they did. Method: random loops that access fields,
 * masked indices and whatever a base that moves points to, a local or a global, near and far, in
 * all widths, with jumps of every kind in between, and numbers of 64 bits that bases, indices and
 * bits are cut out of, most of them with something in the upper half; some in loops whose other
 * calls write memory and move it. Run in every way on bases at the borders of memory and of units,
 * aligned and not, beyond the end, and with too little gas. How they end, memory, marks and gas are
 * the same. That there were loops written twice is seen in the text. MR_SEED replays, MR_CASES sets
 * how many modules. */
#include "tests/vm/number.h"
#include "tests/vm/spec.h"
#include "vm/native_text.h"

enum {
    PAGES = 2, /* at first */
    PAGES_MAX = 5,
    BYTES = PAGES * MR_PAGE_BYTES,
    FUNCTIONS = 16, /* of a module, with a loop or two each */
    TRIES = 40,     /* of each */
    GAS = 100000,
};

/* ---- Random loops ---- */

typedef struct maker {
    uint64_t state;
    mr_buffer *text;
    unsigned labels;
    unsigned loops; /* innermost ones */
} maker;

static uint32_t draw(uint64_t *state, uint32_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 20) % below;
}

static void put(maker *m, const char *text)
{
    spec_add(m->text, "%s ", text);
}

/* A field's place, or now and then one further off. */
static void put_offset(maker *m)
{
    static const uint32_t far[] = {1000, 4088, 20000, 65528};
    static const uint32_t outside[] = {131070, 1048570, 1048580, 0x7ffffffc, 0xfffffff0};
    if (draw(&m->state, 150) == 0)
        spec_add(m->text, "offset=%u ", outside[draw(&m->state, 5)]);
    else if (draw(&m->state, 12) == 0)
        spec_add(m->text, "offset=%u ", far[draw(&m->state, 4)]);
    else
        spec_add(m->text, "offset=%u ", 4 * draw(&m->state, 20));
}

static void put_value(maker *m, uint32_t depth);
static void put_address(maker *m, uint32_t depth);

/* 64 bits. */
static void put_wide(maker *m, uint32_t depth)
{
    static const char *const sums[] = {"add",   "or",    "and", "mul", "xor",
                                       "shr_s", "shr_u", "shl", "rotl"};
    static const char *const loads[] = {"i64.load",     "i64.load8_u",  "i64.load8_s",
                                        "i64.load16_u", "i64.load32_u", "i64.load32_s"};
    const uint32_t what = draw(&m->state, depth == 0 ? 2 : 6);
    if (what < 2) {
        put(m, what == 0 ? "(local.get $L)" : "(local.get $M)");
    } else if (what == 2) {
        put(m, draw(&m->state, 2) == 0 ? "(i64.extend_i32_u" : "(i64.extend_i32_s");
        put_value(m, depth - 1);
        put(m, ")");
    } else if (what < 5) {
        spec_add(m->text, "(i64.%s ", sums[draw(&m->state, 9)]);
        put_wide(m, depth - 1);
        put_wide(m, depth - 1);
        put(m, ")");
    } else {
        spec_add(m->text, "(%s ", loads[draw(&m->state, 6)]);
        put_offset(m);
        put_address(m, depth - 1);
        put(m, ")");
    }
}

/* 32 bits cut out of 64. */
static void put_cut(maker *m)
{
    static const char *const wide[] = {"(local.get $L)", "(local.get $M)"};
    static const char *const how[] = {"shr_u", "and", "shl", "or", "add"};
    const char *const from = wide[draw(&m->state, 2)];
    if (draw(&m->state, 2) == 0)
        spec_add(m->text, "(i32.wrap_i64 %s) ", from);
    else
        spec_add(m->text, "(i32.wrap_i64 (i64.%s %s (i64.const %u))) ", how[draw(&m->state, 5)],
                 from, draw(&m->state, 64));
}

/* A number from 0 to a mask, mostly. */
static void put_index(maker *m, uint32_t depth)
{
    static const uint32_t masks[] = {3, 7, 12, 15, 28, 60, 255, 1020, 4092, 70000};
    const uint32_t what = draw(&m->state, 10);
    if (what == 9) {
        put_cut(m);
    } else if (what == 8) {
        put(m, draw(&m->state, 4) == 0 ? "(i32.shr_s" : "(i32.shr_u");
        put_cut(m);
        spec_add(m->text, "(i32.const %u)) ", draw(&m->state, 40));
    } else if (what == 0) {
        spec_add(m->text, "(i32.const %u) ", draw(&m->state, 300));
    } else if (what == 1) {
        put_value(m, depth);
    } else if (what < 4) {
        put(m, "(i32.shl (i32.and");
        put_value(m, depth);
        spec_add(m->text, "(i32.const %u)) (i32.const %u)) ", masks[draw(&m->state, 5)],
                 draw(&m->state, 5) + (draw(&m->state, 8) == 0 ? 32 : 0));
    } else {
        put(m, "(i32.and");
        put_value(m, depth);
        spec_add(m->text, "(i32.const %u)) ", masks[draw(&m->state, 10)]);
    }
}

static void put_address(maker *m, uint32_t depth)
{
    static const char *const bases[] = {"(local.get $a)",
                                        "(local.get $a)",
                                        "(local.get $b)",
                                        "(local.get $x)",
                                        "(local.get $c)",
                                        "(global.get $g)",
                                        "(i32.const 4096)",
                                        "(i32.wrap_i64 (local.get $L))",
                                        "(i32.wrap_i64 (local.get $W))"};
    static const char *const tees[] = {"(local.tee $x", "(local.tee $y"};
    const uint32_t what = draw(&m->state, 10);
    const bool keeps = draw(&m->state, 4) == 0;
    if (keeps)
        put(m, tees[draw(&m->state, 2)]);
    const char *const base = bases[draw(&m->state, 9)];
    if (what == 0) {
        put(m, base);
    } else if (what == 1) {
        put(m, "(local.get $y)");
    } else if (what == 2) {
        const int more = draw(&m->state, 4) == 0 ? INT32_MIN : (int)draw(&m->state, 100) - 8;
        spec_add(m->text, "(i32.add (i32.or %s ", base);
        put_index(m, depth);
        spec_add(m->text, ") (i32.const %d)) ", more);
    } else {
        put(m, draw(&m->state, 2) == 0 ? "(i32.or" : "(i32.add");
        if (draw(&m->state, 2) == 0) {
            put(m, base);
            put_index(m, depth);
        } else {
            put_index(m, depth);
            put(m, base);
        }
        put(m, ")");
    }
    if (keeps)
        put(m, ")");
}

/* One of two, by a jump. */
static void put_choice(maker *m, uint32_t depth)
{
    const uint32_t what = draw(&m->state, 20);
    if (what == 0) {
        put(m, "(block (result i32) (br_table 0 0 0");
        put_value(m, depth);
        put_value(m, depth);
        put(m, "))");
    } else if (what < 10) {
        put(m, "(block (result i32) (drop (br_if 0");
        put_value(m, depth);
        put_value(m, depth);
        put(m, "))");
        put_value(m, depth);
        put(m, ")");
    } else {
        put(m, "(if (result i32)");
        put_value(m, depth);
        put(m, "(then");
        put_value(m, depth);
        put(m, ") (else");
        put_value(m, depth);
        put(m, "))");
    }
}

/* 32 bits that come of 64, or are shifted, or are the instance's. */
static void put_other(maker *m, uint32_t depth)
{
    static const char *const compares[] = {"lt_u", "lt_s", "eq", "ge_s", "gt_u"};
    static const char *const shifts[] = {"shl", "shr_u", "shr_s", "rotr"};
    const uint32_t what = draw(&m->state, 8);
    if (what < 2) {
        put(m, "(i32.wrap_i64");
        put_wide(m, depth);
        put(m, ")");
    } else if (what < 4) {
        spec_add(m->text, "(i64.%s ", compares[draw(&m->state, 5)]);
        put_wide(m, depth);
        put_wide(m, depth);
        put(m, ")");
    } else if (what < 7) {
        spec_add(m->text, "(i32.%s ", shifts[draw(&m->state, 4)]);
        put_value(m, depth);
        spec_add(m->text, "(i32.const %u)) ", draw(&m->state, 70));
    } else {
        put(m, draw(&m->state, 2) == 0 ? "(memory.size)" : "(global.get $g)");
    }
}

static void put_value(maker *m, uint32_t depth)
{
    static const char *const loads[] = {"i32.load", "i32.load8_u", "i32.load16_u", "i32.load8_s",
                                        "i32.load16_s"};
    static const char *const sums[] = {"i32.add", "i32.xor", "i32.mul", "i32.or", "i32.rotl"};
    const uint32_t what = depth == 0 ? draw(&m->state, 3) : draw(&m->state, 10);
    if (what == 8) {
        put_choice(m, depth - 1);
    } else if (what == 9) {
        put_other(m, depth - 1);
    } else if (what < 3) {
        static const char *const locals[] = {"(local.get $s)", "(local.get $i)", "(local.get $n)"};
        put(m, locals[what]);
    } else if (what < 5) {
        spec_add(m->text, "(%s ", sums[draw(&m->state, 5)]);
        put_value(m, depth - 1);
        put_value(m, depth - 1);
        put(m, ")");
    } else if (what == 5) {
        put(m, "(select");
        put_address(m, depth - 1);
        put_address(m, depth - 1);
        put_value(m, depth - 1);
        put(m, ")");
    } else {
        spec_add(m->text, "(%s ", loads[draw(&m->state, 5)]);
        put_offset(m);
        put_address(m, depth - 1);
        put(m, ")");
    }
}

static void put_statements(maker *m, uint32_t depth);

static void put_store(maker *m)
{
    static const char *const stores[] = {"i32.store",   "i32.store8", "i32.store16", "i64.store",
                                         "i64.store32", "i64.store8", "i64.store16"};
    const uint32_t what = draw(&m->state, 10) % 7; /* those of 32 bits more often */
    spec_add(m->text, "(%s ", stores[what]);
    put_offset(m);
    put_address(m, 2);
    if (what < 3)
        put_value(m, 2);
    else
        put_wide(m, 2);
    put(m, ")\n");
}

/* Sets what is no base, or one that moves. */
static void put_set(maker *m)
{
    const uint32_t what = draw(&m->state, 8);
    if (what == 0) {
        put(m, "(global.set $g");
        put_address(m, 1);
    } else if (what < 4) {
        put(m, "(local.set $M");
        put_wide(m, 2);
    } else {
        put(m, "(local.set $s");
        put_value(m, 2);
    }
    put(m, ")\n");
}

/* Ahead to one of three places, seldom back to the loop or out of it. */
static void put_table(maker *m, uint32_t depth)
{
    static const char *const others[] = {"$out", "$l", "0", "1", "2", "0", "1", "2"};
    spec_add(m->text, "(block (block (block (br_table 1 0 2 %s %u ", others[draw(&m->state, 8)],
             draw(&m->state, 3));
    put_index(m, 1);
    put(m, "))\n");
    for (uint32_t i = 0; i < 2; i++) {
        put_statements(m, depth);
        put(m, ")\n");
    }
}

/* A call: memory may be larger afterwards, elsewhere, and have other content. */
static void put_call(maker *m)
{
    static const char *const calls[] = {
        "(if (i32.lt_u (memory.size) (i32.const 5)) (then (call $grow_one)))",
        "(if (i32.lt_u (memory.size) (i32.const 5))"
        " (then (local.set $s (call $grow (i32.const 1)))))",
        "(local.set $M (call $in (i32.const 2)))",
        "(call $write (local.get $a) (local.get $s))",
        "(call_indirect (type $w) (local.get $b) (local.get $s) (i32.const 0))",
    };
    put(m, calls[draw(&m->state, 5)]);
}

static void put_statement(maker *m, uint32_t depth)
{
    const uint32_t what = draw(&m->state, depth == 0 ? 8 : 13);
    if (draw(&m->state, 150) == 0) {
        put_call(m); /* seldom, as the loop is not written twice then */
    } else if (what == 12) {
        put_table(m, depth - 1);
    } else if (what < 5) {
        put_store(m);
    } else if (what < 7) {
        put_set(m);
    } else if (what == 7) {
        put(m, draw(&m->state, 2) == 0 ? "(local.set $x" : "(local.set $y");
        put_address(m, 1);
        put(m, ")\n");
    } else if (what < 10) {
        const unsigned label = m->labels++;
        spec_add(m->text, "(block $k%u ", label);
        put_statements(m, depth - 1);
        spec_add(m->text, "(br_if %s ", draw(&m->state, 8) == 0 ? "$out" : "0");
        put_value(m, 1);
        put(m, ")\n");
        put_statements(m, depth - 1);
        put(m, ")\n");
    } else {
        put(m, "(if");
        put_value(m, 1);
        put(m, "(then");
        put_statements(m, depth - 1);
        put(m, ")");
        if (draw(&m->state, 2) == 0) {
            put(m, "(else");
            put_statements(m, depth - 1);
            put(m, ")");
        }
        put(m, ")\n");
    }
}

static void put_statements(maker *m, uint32_t depth)
{
    const uint32_t count = 1 + draw(&m->state, 4);
    for (uint32_t i = 0; i < count; i++)
        put_statement(m, depth);
}

/* So many that the lists of both widths go over several lines of C. */
#define MANY "i64 i32 i64 i64 i32 i32 i64 i32 "

/* The innermost one. It may leave a number. */
static void put_inner(maker *m)
{
    const bool leaves = draw(&m->state, 3) == 0;
    m->loops++;
    put(m, "(local.set $i (i32.const 0)) (block $out\n");
    put(m, leaves ? "(local.set $s (loop $l (result i32)\n" : "(loop $l\n");
    put_statements(m, 2);
    put(m, "(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))"
           " (local.get $n)))");
    if (leaves)
        put_value(m, 1);
    put(m, leaves ? ")))\n" : "))\n");
}

/* $a, $b, $c, $L and $W are bases, $x, $y, $g and $M move. */
static void put_loop(maker *m, uint32_t number)
{
    const bool again = draw(&m->state, 2) == 0;
    spec_add(m->text,
             "(func $f%u (param $a i32) (param $b i32) (param $n i32) (param $s i32)\n"
             "  (param $L i64) (local " MANY MANY MANY MANY
             ") (local $c i32) (local $i i32) (local $j i32) (local $x i32) (local $y i32)\n"
             "  (local $M i64) (local $W i64) (local.set $M (local.get $L))\n"
             "  (local.set $W (local.get $L))\n"
             "  (local.set $c (i32.add (local.get $a) (i32.const 64)))\n"
             "  (local.set $x (local.get $b))\n",
             number);
    if (again)
        put(m, "(loop $again\n");
    put_inner(m);
    if (again) {
        put_call(m);
        if (draw(&m->state, 2) == 0)
            put_inner(m);
        spec_add(m->text,
                 "(br_if $again (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1)))"
                 " (i32.const 3))))\n");
    }
    put(m, "(call $out (i64.extend_i32_u (local.get $s))))\n");
}

/* in(0) has the bases, in(1) how often and what else there is, in(2) a base in the lower half of 64
 * bits, in(3) which function. Returns how many innermost loops there are. */
static uint32_t make(uint64_t seed, mr_buffer *text)
{
    maker m = {.state = seed * 0x9e3779b97f4a7c15u + 1, .text = text};
    spec_add(text,
             "(module (import \"env\" \"memory\" (memory %d))\n" SPEC_IMPORTS
             "(type $f (func (param i32 i32 i32 i32 i64))) (type $w (func (param i32 i32)))\n"
             "(table %d funcref) (elem (i32.const 0) $write) (global $g (mut i32) (i32.const 0))\n"
             "(func $write (param i32 i32)\n"
             "  (i32.store (i32.and (local.get 0) (i32.const 0xffff)) (local.get 1)))\n"
             "(func (export \"init\"))\n"
             "(func (export \"handle\") (local $bases i64)\n"
             "  (local.set $bases (call $in (i32.const 0)))\n"
             "  (global.set $g (i32.add (i32.wrap_i64 (local.get $bases)) (i32.const 16)))\n"
             "  (call_indirect (type $f) (i32.wrap_i64 (local.get $bases))\n"
             "    (i32.wrap_i64 (i64.shr_u (local.get $bases) (i64.const 32)))\n"
             "    (i32.wrap_i64 (call $in (i32.const 1))) (i32.wrap_i64 (i64.shr_u (call $in "
             "(i32.const 1)) (i64.const 32)))\n"
             "    (call $in (i32.const 2)) (i32.wrap_i64 (call $in (i32.const 3)))))\n",
             PAGES, 1 + FUNCTIONS);
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        put_loop(&m, i);
        spec_add(text, "(elem (i32.const %u) $f%u)\n", 1 + i, i);
    }
    put(&m, ")");
    return m.loops;
}

/* ---- Runs ---- */

typedef struct report {
    mr_vm_outcome outcome;
    uint64_t gas_left;
    uint64_t out;
    uint32_t pages;
    uint8_t bytes[PAGES_MAX * MR_PAGE_BYTES];
    uint8_t marks[PAGES_MAX * MR_PAGE_UNITS];
} report;

static report reports[SPEC_WAYS];

static void run(spec_module *m, uint32_t w, const uint64_t (*ins)[SPEC_INS], uint64_t gas)
{
    report *to = &reports[w];
    to->out = 0;
    spec_host host = {.ins = ins, .outs = &to->out, .outs_max = 1};
    mr_run *run = spec_run_begin(m, w);
    to->outcome = mr_run_call(run, 1, gas, &host, &to->gas_left);
    to->pages = mr_run_pages(run);
    assert_in_range(to->pages, PAGES, PAGES_MAX);
    memcpy(to->bytes, mr_run_bytes(run, 0, 0), (size_t)to->pages * MR_PAGE_BYTES);
    memcpy(to->marks, run->marks, to->pages * MR_PAGE_UNITS);
    mr_run_rollback(run);
    mr_memory_check(&m->memories[w]);
}

/* A store out of bounds is found some stores early by the interpreter, now and then, by a mark that
 * it shares with them (tests/vm/test_tiers_random.c). */
static const char *compare(const report *a, const report *b, bool are_compiled)
{
    if (a->outcome != b->outcome)
        return "ends in another way";
    if (a->gas_left != b->gas_left)
        return "burns other gas";
    if (a->out != b->out)
        return "yields another number";
    if (a->pages != b->pages)
        return "leaves other pages";
    if (a->outcome == MR_VM_OUT_OF_BOUNDS && !are_compiled)
        return NULL;
    if (memcmp(a->bytes, b->bytes, (size_t)a->pages * MR_PAGE_BYTES) != 0)
        return "leaves another memory";
    return memcmp(a->marks, b->marks, a->pages * MR_PAGE_UNITS) != 0 ? "leaves other marks" : NULL;
}

/* Bases: anywhere, or just before and after where something ends. */
static uint32_t draw_base(uint64_t *state)
{
    static const uint32_t places[] = {0, 256, 4096, MR_PAGE_BYTES, BYTES, BYTES - 4096};
    const uint32_t what = draw(state, 4), place = places[draw(state, 6)];
    if (what == 0)
        return draw(state, BYTES);
    if (what == 1)
        return place + 16 * (draw(state, 32) - 16);
    return what == 2 ? place + draw(state, 200) - 100 : place;
}

static uint64_t draw_wide(uint64_t *state)
{
    const uint64_t base = draw_base(state);
    switch (draw(state, 4)) {
    case 0:
        return base;
    case 1:
        return UINT64_MAX - draw(state, 600); /* just below zero */
    case 2:
        return base | UINT64_MAX << 32;
    default:
        return base | (uint64_t)draw(state, 1 << 16) << 32;
    }
}

static void try_function(spec_module *m, uint64_t seed, uint32_t function, uint32_t *ends)
{
    uint64_t state = (seed * FUNCTIONS + function) * 0x9e3779b97f4a7c15u + 1;
    for (uint32_t i = 0; i < TRIES; i++) {
        const uint64_t a = draw_base(&state), b = draw_base(&state);
        const uint64_t ins[2][SPEC_INS] = {
            {a | b << 32, draw(&state, 12) | state << 32, draw_wide(&state), 1 + function}};
        const uint64_t gas = draw(&state, 8) == 0 ? draw(&state, 500) : GAS;
        const char *text = NULL;
        for (uint32_t w = 0; w < SPEC_WAYS && text == NULL; w++) {
            run(m, w, ins, gas);
            text = compare(&reports[SPEC_INTERP], &reports[w], w == SPEC_INTERP);
            if (text == NULL && w == SPEC_GCC)
                text = compare(&reports[SPEC_TCC], &reports[w], true);
            if (text != NULL)
                fail_msg("MR_SEED=%llu, function %u, try %u: %s %s", (unsigned long long)seed,
                         function, i, spec_ways[w], text);
        }
        ends[reports[SPEC_INTERP].outcome]++;
    }
}

/* How many loops of the module are written twice. */
static uint32_t count_near(mr_code *code)
{
    mr_native_text text = {0};
    mr_error error = {0};
    if (mr_native_write(&spec_rules, code, true, &text, &error) != MR_OK ||
        mr_buffer_append(&text.c, mr_span_of("", 1)) != MR_OK)
        fail_msg("%s", error.text);
    uint32_t count = 0;
    for (const char *at = (const char *)text.c.data; (at = strstr(at, "_near:;")) != NULL; at++)
        count += at[-2] == 'L' || at[-3] == 'L' || at[-4] == 'L';
    mr_native_text_fini(&text);
    return count;
}

static void loops_that_are_written_twice_do_what_they_did(void **state)
{
    (void)state;
    const uint64_t seed = number_from("MR_SEED", 1), cases = number_from("MR_CASES", 6);
    uint32_t loops = 0, near = 0, ends[MR_VM_NO_MEMORY + 1] = {0};
    for (uint64_t i = seed; i < seed + cases; i++) {
        spec_module m;
        mr_buffer text = {0};
        loops += make(i, &text);
        spec_begin_buffer(&m, &text);
        near += count_near(m.codes[SPEC_GCC]);
        for (uint32_t function = 0; function < FUNCTIONS; function++)
            try_function(&m, i, function, ends);
        spec_end(&m);
    }
    print_message("MR_SEED=%llu: %u of %u loops written twice; ends: %u well, %u out of bounds, %u "
                  "out of gas\n",
                  (unsigned long long)seed, near, loops, ends[MR_VM_DONE],
                  ends[MR_VM_OUT_OF_BOUNDS], ends[MR_VM_OUT_OF_GAS]);
    assert_true(2 * near > loops);
    assert_true(ends[MR_VM_DONE] > 0 && ends[MR_VM_OUT_OF_BOUNDS] > 0 &&
                ends[MR_VM_OUT_OF_GAS] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loops_that_are_written_twice_do_what_they_did),
    };
    return cmocka_run_group_tests(tests, spec_set_up, spec_tear_down);
}
