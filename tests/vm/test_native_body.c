/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=240 tiers=own
 * Goal: loops that are written twice do what they did. Method: random loops that access fields,
 * masked indices and whatever a base that moves points to, with jumps in between, and numbers of 64
 * bits that bases, indices and bits are cut out of, most of them with something in the upper half;
 * run in every way on bases at the borders of memory and of units, aligned and not, beyond the end,
 * and with too little gas. How they end, memory, marks and gas are the same. That there were loops
 * written twice is seen in the text. MR_SEED replays, MR_CASES sets how many modules. */
#include "tests/vm/spec.h"
#include "vm/native_text.h"

enum { PAGES = 2, BYTES = PAGES * MR_PAGE_BYTES, LOOPS = 16, TRIES = 40, GAS = 100000 };

/* ---- Random loops ---- */

typedef struct maker {
    uint64_t state;
    mr_buffer *text;
    unsigned labels;
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

static void put_value(maker *m, uint32_t depth);

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
        put(m, "(i32.shr_u");
        put_cut(m);
        spec_add(m->text, "(i32.const %u)) ", draw(&m->state, 32));
    } else if (what == 0) {
        spec_add(m->text, "(i32.const %u) ", draw(&m->state, 300));
    } else if (what == 1) {
        put_value(m, depth);
    } else if (what < 4) {
        put(m, "(i32.shl (i32.and");
        put_value(m, depth);
        spec_add(m->text, "(i32.const %u)) (i32.const %u)) ", masks[draw(&m->state, 5)],
                 draw(&m->state, 5));
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
                                        "(i32.const 4096)",
                                        "(i32.wrap_i64 (local.get $L))",
                                        "(i32.wrap_i64 (local.get $W))"};
    static const char *const tees[] = {"(local.tee $x", "(local.tee $y"};
    const uint32_t what = draw(&m->state, 10);
    const bool keeps = draw(&m->state, 4) == 0;
    if (keeps)
        put(m, tees[draw(&m->state, 2)]);
    const char *const base = bases[draw(&m->state, 8)];
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

static void put_value(maker *m, uint32_t depth)
{
    static const char *const loads[] = {"i32.load", "i32.load8_u", "i32.load16_u", "i32.load8_s"};
    static const char *const sums[] = {"i32.add", "i32.xor", "i32.mul", "i32.or", "i32.rotl"};
    const uint32_t what = depth == 0 ? draw(&m->state, 3) : draw(&m->state, 8);
    if (what < 3) {
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
        spec_add(m->text, "(%s offset=%u ", loads[draw(&m->state, 4)], 4 * draw(&m->state, 20));
        put_address(m, depth - 1);
        put(m, ")");
    }
}

static void put_statements(maker *m, uint32_t depth);

static void put_store(maker *m)
{
    static const char *const stores[] = {"i32.store", "i32.store8", "i32.store16"};
    spec_add(m->text, "(%s offset=%u ", stores[draw(&m->state, 3)], 4 * draw(&m->state, 20));
    put_address(m, 2);
    put_value(m, 2);
    put(m, ")\n");
}

static void put_wide(maker *m)
{
    static const char *const how[] = {"add", "or", "shl", "mul", "xor"};
    spec_add(m->text, "(local.set $M (i64.%s (local.get $M) (i64.extend_i32_u",
             how[draw(&m->state, 5)]);
    put_value(m, 1);
    put(m, ")))\n");
}

static void put_statement(maker *m, uint32_t depth)
{
    const uint32_t what = draw(&m->state, depth == 0 ? 9 : 13);
    if (what == (depth == 0 ? 8 : 12)) {
        put_wide(m);
    } else if (what < 5) {
        put_store(m);
    } else if (what < 7) {
        put(m, "(local.set $s");
        put_value(m, 2);
        put(m, ")\n");
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

/* $a, $b, $c, $L and $W are bases, $x, $y and $M move. */
static void put_loop(maker *m, uint32_t number)
{
    spec_add(m->text,
             "(func $f%u (param $a i32) (param $b i32) (param $n i32) (param $s i32)\n"
             "  (param $L i64) (local " MANY MANY MANY MANY
             ") (local $c i32) (local $i i32) (local $x i32) (local $y i32)\n"
             "  (local $M i64) (local $W i64) (local.set $M (local.get $L))\n"
             "  (local.set $W (local.get $L))\n"
             "  (local.set $c (i32.add (local.get $a) (i32.const 64)))\n"
             "  (local.set $x (local.get $b))\n"
             "  (block $out (loop $l\n",
             number);
    put_statements(m, 2);
    put(m, "(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))"
           " (local.get $n)))))\n"
           "(call $out (i64.extend_i32_u (local.get $s))))\n");
}

/* in(0) has the bases, in(1) how often and what else there is, in(2) a base in the lower half of 64
 * bits, in(3) which loop. */
static void make(uint64_t seed, mr_buffer *text)
{
    maker m = {.state = seed * 0x9e3779b97f4a7c15u + 1, .text = text};
    spec_add(text,
             "(module (import \"env\" \"memory\" (memory %d))\n" SPEC_IMPORTS
             "(type $f (func (param i32 i32 i32 i32 i64))) (table %d funcref)\n"
             "(func (export \"init\"))\n"
             "(func (export \"handle\") (local $bases i64)\n"
             "  (local.set $bases (call $in (i32.const 0)))\n"
             "  (call_indirect (type $f) (i32.wrap_i64 (local.get $bases))\n"
             "    (i32.wrap_i64 (i64.shr_u (local.get $bases) (i64.const 32)))\n"
             "    (i32.wrap_i64 (call $in (i32.const 1))) (i32.wrap_i64 (i64.shr_u (call $in "
             "(i32.const 1)) (i64.const 32)))\n"
             "    (call $in (i32.const 2)) (i32.wrap_i64 (call $in (i32.const 3)))))\n",
             PAGES, LOOPS);
    for (uint32_t i = 0; i < LOOPS; i++) {
        put_loop(&m, i);
        spec_add(text, "(elem (i32.const %u) $f%u)\n", i, i);
    }
    put(&m, ")");
}

/* ---- Runs ---- */

typedef struct report {
    mr_vm_outcome outcome;
    uint64_t gas_left;
    uint64_t out;
    uint8_t bytes[BYTES];
    uint8_t marks[PAGES * MR_PAGE_UNITS];
} report;

static report reports[SPEC_WAYS];

static void run(spec_module *m, uint32_t w, const uint64_t (*ins)[SPEC_INS], uint64_t gas)
{
    report *to = &reports[w];
    to->out = 0;
    spec_host host = {.ins = ins, .outs = &to->out, .outs_max = 1};
    mr_run *run = spec_run_begin(m, w);
    to->outcome = mr_run_call(run, 1, gas, &host, &to->gas_left);
    memcpy(to->bytes, mr_run_bytes(run, 0, 0), BYTES);
    memcpy(to->marks, run->marks, sizeof to->marks);
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
    if (a->outcome == MR_VM_OUT_OF_BOUNDS && !are_compiled)
        return NULL;
    if (memcmp(a->bytes, b->bytes, BYTES) != 0)
        return "leaves another memory";
    return memcmp(a->marks, b->marks, sizeof a->marks) != 0 ? "leaves other marks" : NULL;
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

static void try_loop(spec_module *m, uint64_t seed, uint32_t loop, uint32_t *ends)
{
    uint64_t state = (seed * LOOPS + loop) * 0x9e3779b97f4a7c15u + 1;
    for (uint32_t i = 0; i < TRIES; i++) {
        const uint64_t a = draw_base(&state), b = draw_base(&state);
        const uint64_t ins[2][SPEC_INS] = {
            {a | b << 32, draw(&state, 12) | state << 32, draw_wide(&state), loop}};
        const uint64_t gas = draw(&state, 8) == 0 ? draw(&state, 500) : GAS;
        const char *text = NULL;
        for (uint32_t w = 0; w < SPEC_WAYS && text == NULL; w++) {
            run(m, w, ins, gas);
            text = compare(&reports[SPEC_INTERP], &reports[w], w == SPEC_INTERP);
            if (text == NULL && w == SPEC_GCC)
                text = compare(&reports[SPEC_TCC], &reports[w], true);
            if (text != NULL)
                fail_msg("MR_SEED=%llu, loop %u, try %u: %s %s", (unsigned long long)seed, loop, i,
                         spec_ways[w], text);
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

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static void loops_that_are_written_twice_do_what_they_did(void **state)
{
    (void)state;
    const uint64_t seed = number_from("MR_SEED", 1), cases = number_from("MR_CASES", 6);
    uint32_t near = 0, ends[MR_VM_NO_MEMORY + 1] = {0};
    for (uint64_t i = seed; i < seed + cases; i++) {
        spec_module m;
        mr_buffer text = {0};
        make(i, &text);
        spec_begin_buffer(&m, &text);
        near += count_near(m.codes[SPEC_GCC]);
        for (uint32_t loop = 0; loop < LOOPS; loop++)
            try_loop(&m, i, loop, ends);
        spec_end(&m);
    }
    print_message("MR_SEED=%llu: %u of %u loops written twice; ends: %u well, %u out of bounds, %u "
                  "out of gas\n",
                  (unsigned long long)seed, near, (uint32_t)cases * LOOPS, ends[MR_VM_DONE],
                  ends[MR_VM_OUT_OF_BOUNDS], ends[MR_VM_OUT_OF_GAS]);
    assert_true(2 * near > cases * LOOPS);
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
