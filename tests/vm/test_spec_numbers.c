/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=spec timeout=120 tiers=own
 * Goal: every integer operation gives what the WebAssembly core specification says, on operands at
 * the borders of their types, in every tier. Method: each operation with both operands unknown to
 * compilers, with the right one known, and with both known; what it must give is worked out here
 * bit by bit or from wider integers, in another way than tiers do. */
#include "tests/vm/spec.h"

typedef struct op op;
typedef uint64_t formula(uint64_t a, uint64_t b, unsigned bits);
struct op {
    const char *name;
    formula *is;
    bool is_unary;
    bool divides; /* traps, too */
    bool is_test; /* gives an i32 */
};

/* ---- What the specification says, for integers of `bits` bits ---- */

static uint64_t cut(uint64_t x, unsigned bits)
{
    return bits == 64 ? x : x & ((UINT64_C(1) << bits) - 1);
}

static bool bit(uint64_t x, unsigned at)
{
    return (x >> at & 1) != 0;
}

/* The number that the bits mean when they have a sign. */
static __int128 value(uint64_t x, unsigned bits)
{
    return (__int128)x - (bit(x, bits - 1) ? (__int128)1 << bits : 0);
}

static uint64_t is_add(uint64_t a, uint64_t b, unsigned bits)
{
    return cut((uint64_t)((__int128)a + b), bits);
}

static uint64_t is_sub(uint64_t a, uint64_t b, unsigned bits)
{
    return cut((uint64_t)((__int128)a - b), bits);
}

static uint64_t is_mul(uint64_t a, uint64_t b, unsigned bits)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < bits; i++)
        sum = bit(b, i) ? is_add(sum, cut(a << i, bits), bits) : sum;
    return sum;
}

/* Long division of numbers without a sign. */
static uint64_t divide(uint64_t a, uint64_t b, uint64_t *rest)
{
    uint64_t quotient = 0;
    __int128 left = 0;
    for (unsigned i = 64; i-- > 0;) {
        left = left * 2 + bit(a, i);
        if (left >= (__int128)b) {
            left -= b;
            quotient |= UINT64_C(1) << i;
        }
    }
    *rest = (uint64_t)left;
    return quotient;
}

static uint64_t magnitude(uint64_t a, unsigned bits)
{
    return (uint64_t)(bit(a, bits - 1) ? -value(a, bits) : value(a, bits));
}

static uint64_t negate(uint64_t a, unsigned bits)
{
    return is_sub(0, a, bits);
}

static uint64_t is_div_u(uint64_t a, uint64_t b, unsigned bits)
{
    uint64_t rest;
    (void)bits;
    return divide(a, b, &rest);
}

static uint64_t is_rem_u(uint64_t a, uint64_t b, unsigned bits)
{
    uint64_t rest;
    (void)bits;
    (void)divide(a, b, &rest);
    return rest;
}

static uint64_t is_div_s(uint64_t a, uint64_t b, unsigned bits)
{
    uint64_t rest, quotient = divide(magnitude(a, bits), magnitude(b, bits), &rest);
    return bit(a, bits - 1) != bit(b, bits - 1) ? negate(quotient, bits) : quotient;
}

/* The rest has the sign of what is divided. */
static uint64_t is_rem_s(uint64_t a, uint64_t b, unsigned bits)
{
    uint64_t rest;
    (void)divide(magnitude(a, bits), magnitude(b, bits), &rest);
    return bit(a, bits - 1) ? negate(rest, bits) : rest;
}

/* Bits one by one, from where `from` says, or all as the sign is. */
#define BITWISE(name, expression)                                                                  \
    static uint64_t name(uint64_t a, uint64_t b, unsigned bits)                                    \
    {                                                                                              \
        uint64_t made = 0;                                                                         \
        const unsigned by = (unsigned)(b % bits);                                                  \
        (void)by;                                                                                  \
        for (unsigned i = 0; i < bits; i++)                                                        \
            made |= (uint64_t)(expression) << i;                                                   \
        return made;                                                                               \
    }
BITWISE(is_and, bit(a, i) && bit(b, i))
BITWISE(is_or, bit(a, i) || bit(b, i))
BITWISE(is_xor, bit(a, i) != bit(b, i))
BITWISE(is_shl, i >= by && bit(a, i - by))
BITWISE(is_shr_u, i + by < bits && bit(a, i + by))
BITWISE(is_shr_s, i + by < bits ? bit(a, i + by) : bit(a, bits - 1))
BITWISE(is_rotl, bit(a, (i + bits - by) % bits))
BITWISE(is_rotr, bit(a, (i + by) % bits))
BITWISE(is_extend8, bit(a, i < 8 ? i : 7))
BITWISE(is_extend16, bit(a, i < 16 ? i : 15))
BITWISE(is_extend32, bit(a, i < 32 ? i : 31))

static uint64_t is_clz(uint64_t a, uint64_t b, unsigned bits)
{
    unsigned n = 0;
    (void)b;
    for (unsigned i = bits; i-- > 0 && !bit(a, i);)
        n++;
    return n;
}

static uint64_t is_ctz(uint64_t a, uint64_t b, unsigned bits)
{
    unsigned n = 0;
    (void)b;
    for (unsigned i = 0; i < bits && !bit(a, i); i++)
        n++;
    return n;
}

static uint64_t is_popcnt(uint64_t a, uint64_t b, unsigned bits)
{
    unsigned n = 0;
    (void)b;
    for (unsigned i = 0; i < bits; i++)
        n += bit(a, i);
    return n;
}

#define COMPARES(name, expression)                                                                 \
    static uint64_t name(uint64_t a, uint64_t b, unsigned bits)                                    \
    {                                                                                              \
        const __int128 x = value(a, bits), y = value(b, bits), u = a, v = b;                       \
        (void)x, (void)y, (void)u, (void)v;                                                        \
        return (expression) ? 1 : 0;                                                               \
    }
COMPARES(is_eqz, u == 0)
COMPARES(is_eq, x - y == 0)
COMPARES(is_ne, x - y != 0)
COMPARES(is_lt_s, x < y)
COMPARES(is_lt_u, u < v)
COMPARES(is_gt_s, x > y)
COMPARES(is_gt_u, u > v)
COMPARES(is_le_s, x <= y)
COMPARES(is_le_u, u <= v)
COMPARES(is_ge_s, x >= y)
COMPARES(is_ge_u, u >= v)

static const op ops[] = {
    {"add", is_add, false, false, false},
    {"sub", is_sub, false, false, false},
    {"mul", is_mul, false, false, false},
    {"div_s", is_div_s, false, true, false},
    {"div_u", is_div_u, false, true, false},
    {"rem_s", is_rem_s, false, true, false},
    {"rem_u", is_rem_u, false, true, false},
    {"and", is_and, false, false, false},
    {"or", is_or, false, false, false},
    {"xor", is_xor, false, false, false},
    {"shl", is_shl, false, false, false},
    {"shr_s", is_shr_s, false, false, false},
    {"shr_u", is_shr_u, false, false, false},
    {"rotl", is_rotl, false, false, false},
    {"rotr", is_rotr, false, false, false},
    {"clz", is_clz, true, false, false},
    {"ctz", is_ctz, true, false, false},
    {"popcnt", is_popcnt, true, false, false},
    {"extend8_s", is_extend8, true, false, false},
    {"extend16_s", is_extend16, true, false, false},
    {"extend32_s", is_extend32, true, false, false}, /* of 64 bits only */
    {"eqz", is_eqz, true, false, true},
    {"eq", is_eq, false, false, true},
    {"ne", is_ne, false, false, true},
    {"lt_s", is_lt_s, false, false, true},
    {"lt_u", is_lt_u, false, false, true},
    {"gt_s", is_gt_s, false, false, true},
    {"gt_u", is_gt_u, false, false, true},
    {"le_s", is_le_s, false, false, true},
    {"le_u", is_le_u, false, false, true},
    {"ge_s", is_ge_s, false, false, true},
    {"ge_u", is_ge_u, false, false, true},
};
enum { OPS = sizeof ops / sizeof ops[0] };

static bool exists(const op *o, unsigned bits)
{
    return bits == 64 || o->is != is_extend32;
}

/* ---- Operands ---- */

enum { OPERANDS = 26, OPERANDS_KNOWN = 13 };

/* The first ones are those that compilers get to know. */
static uint64_t operand(unsigned i, unsigned bits)
{
    const uint64_t top = UINT64_C(1) << (bits - 1);
    const uint64_t all[OPERANDS] = {0,
                                    1,
                                    UINT64_MAX,
                                    top,
                                    top - 1,
                                    bits,
                                    bits - 1,
                                    2,
                                    0x80,
                                    0x8000,
                                    7,
                                    UINT64_MAX - 1,
                                    10,
                                    top + 1,
                                    bits + 1,
                                    bits / 2,
                                    UINT64_C(0x80000000),
                                    0xff,
                                    0x7f,
                                    0x7fff,
                                    0x123456789abcdef0,
                                    0xfedcba9876543210,
                                    3,
                                    2 * bits,
                                    0xffffffff,
                                    0x100000000};
    return cut(all[i], bits);
}

/* The trap, or SPEC_DONE. */
static int end_of(const op *o, uint64_t a, uint64_t b, unsigned bits)
{
    if (!o->divides)
        return SPEC_DONE;
    if (b == 0)
        return MR_TRAP_DIVIDE_BY_ZERO;
    return o->is == is_div_s && a == UINT64_C(1) << (bits - 1) && value(b, bits) == -1
               ? MR_TRAP_OVERFLOW
               : SPEC_DONE;
}

/* ---- Modules ---- */

/* `text` as an operand of so many bits, which is 64 bits wide at first, and back. */
static void add_op(mr_buffer *to, const op *o, unsigned bits, const char *a, const char *b)
{
    const bool narrow = bits == 32, widen = narrow || o->is_test;
    const char *wrap = narrow ? "(i32.wrap_i64 " : "(block (result i64) ";
    spec_add(to, "%s(i%u.%s %s%s)", widen ? "(i64.extend_i32_u " : "", bits, o->name, wrap, a);
    if (!o->is_unary)
        spec_add(to, " %s%s)", wrap, b);
    spec_add(to, ")%s", widen ? ")" : "");
}

static const char in_front[] = "(module (import \"env\" \"memory\" (memory 1))\n" SPEC_IMPORTS
                               "(type $two (func (param i64 i64) (result i64)))\n";

/* Calls function in(0) of the table with in(1) and in(2), and goes on as long as in(3) is not 0. So
 * much data lets the rewriting make the module larger. */
static void add_end(mr_buffer *text, size_t functions)
{
    spec_add(text, "(table %zu funcref) (elem (i32.const 0)", functions);
    for (size_t i = 0; i < functions; i++)
        spec_add(text, " $f%zu", i);
    spec_add(text, ")\n(func (export \"handle\") (local $more i32) (loop $next\n"
                   "  (local.set $more (i32.wrap_i64 (call $in (i32.const 3))))\n"
                   "  (call $out (call_indirect (type $two) (call $in (i32.const 1))\n"
                   "    (call $in (i32.const 2)) (i32.wrap_i64 (call $in (i32.const 0)))))\n"
                   "  (br_if $next (local.get $more))))\n");
    for (unsigned i = 0; i < 60; i++)
        spec_add(text, "(data (i32.const %u) \"%01000d\")\n", i * 1000, 7);
    spec_add(text, ")\n");
}

typedef struct cases {
    uint64_t (*ins)[SPEC_INS];
    uint64_t *outs;
    size_t count;
} cases;

enum { CASES_MAX = 2 * OPS * OPERANDS * OPERANDS };

static void cases_begin(cases *c)
{
    c->ins = malloc(CASES_MAX * sizeof *c->ins);
    c->outs = malloc(CASES_MAX * sizeof *c->outs);
    c->count = 0;
}

/* Runs at once what traps, and keeps the rest for later. */
static void add_case(cases *c, spec_module *m, size_t function, const op *o, unsigned bits,
                     uint64_t a, uint64_t b)
{
    const int end = end_of(o, a, b, bits);
    if (end != SPEC_DONE) {
        char what[128];
        const uint64_t ins[1][SPEC_INS] = {{function, a, b, 0}};
        (void)snprintf(what, sizeof what, "i%u.%s of %llx and %llx", bits, o->name,
                       (unsigned long long)a, (unsigned long long)b);
        spec_expect(m, what, ins, NULL, 0, end);
        return;
    }
    assert_true(c->count < CASES_MAX);
    const uint64_t ins[SPEC_INS] = {function, a, b, 1};
    memcpy(c->ins[c->count], ins, sizeof ins);
    c->outs[c->count++] = o->is(a, b, bits);
}

static void cases_run(cases *c, spec_module *m, const char *what)
{
    c->ins[c->count - 1][3] = 0;
    spec_expect(m, what, (const uint64_t(*)[SPEC_INS])c->ins, c->outs, c->count, SPEC_DONE);
    free(c->ins);
    free(c->outs);
}

static void operations_on_operands_unknown_to_compilers(void **state)
{
    (void)state;
    mr_buffer text = {0};
    spec_add(&text, "%s", in_front);
    for (size_t i = 0; i < 2 * OPS; i++) {
        const unsigned bits = i % 2 == 0 ? 32 : 64;
        spec_add(&text, "(func $f%zu (param $a i64) (param $b i64) (result i64) ", i);
        if (exists(&ops[i / 2], bits))
            add_op(&text, &ops[i / 2], bits, "(local.get $a)", "(local.get $b)");
        else
            spec_add(&text, "unreachable");
        spec_add(&text, ")\n");
    }
    add_end(&text, 2 * (size_t)OPS);
    spec_module m;
    spec_begin_buffer(&m, &text);
    cases c;
    cases_begin(&c);
    for (size_t i = 0; i < 2 * OPS; i++) {
        const unsigned bits = i % 2 == 0 ? 32 : 64;
        for (unsigned k = 0; exists(&ops[i / 2], bits) && k < OPERANDS * OPERANDS; k++)
            add_case(&c, &m, i, &ops[i / 2], bits, operand(k / OPERANDS, bits),
                     operand(k % OPERANDS, bits));
    }
    cases_run(&c, &m, "operands unknown");
    spec_end(&m);
}

/* One operation of two operands and one operand, function by function. */
static void operations_on_a_right_operand_that_compilers_know(void **state)
{
    (void)state;
    for (unsigned bits = 32; bits <= 64; bits += 32) {
        mr_buffer text = {0};
        spec_add(&text, "%s", in_front);
        for (size_t i = 0; i < (size_t)OPS * OPERANDS_KNOWN; i++) {
            const op *o = &ops[i / OPERANDS_KNOWN];
            char known[64];
            (void)snprintf(known, sizeof known, "(i64.const 0x%llx)",
                           (unsigned long long)operand((unsigned)i % OPERANDS_KNOWN, bits));
            spec_add(&text, "(func $f%zu (param $a i64) (param $b i64) (result i64) ", i);
            add_op(&text, exists(o, bits) ? o : ops, bits, "(local.get $a)", known);
            spec_add(&text, ")\n");
        }
        add_end(&text, (size_t)OPS * OPERANDS_KNOWN);
        spec_module m;
        spec_begin_buffer(&m, &text);
        cases c;
        cases_begin(&c);
        for (size_t i = 0; i < (size_t)OPS * OPERANDS_KNOWN; i++) {
            const op *o = &ops[i / OPERANDS_KNOWN];
            for (unsigned k = 0; exists(o, bits) && k < OPERANDS; k++)
                add_case(&c, &m, i, o, bits, operand(k, bits),
                         operand((unsigned)i % OPERANDS_KNOWN, bits));
        }
        cases_run(&c, &m, bits == 32 ? "right operand known, i32" : "right operand known, i64");
        spec_end(&m);
    }
}

/* A function for each operation and left operand, which goes through all right ones it does not
 * trap for. */
static void operations_on_operands_that_compilers_know(void **state)
{
    (void)state;
    for (unsigned bits = 32; bits <= 64; bits += 32) {
        mr_buffer text = {0};
        uint64_t *outs = malloc(CASES_MAX * sizeof *outs);
        size_t count = 0;
        spec_add(&text, "%s", in_front);
        for (size_t i = 0; i < (size_t)OPS * OPERANDS_KNOWN; i++) {
            const op *o = &ops[i / OPERANDS_KNOWN];
            spec_add(&text, "(func $f%zu\n", i);
            for (unsigned k = 0; exists(o, bits) && k < OPERANDS_KNOWN; k++) {
                const uint64_t a = operand((unsigned)i % OPERANDS_KNOWN, bits),
                               b = operand(k, bits);
                char left[64], right[64];
                if (end_of(o, a, b, bits) != SPEC_DONE)
                    continue;
                (void)snprintf(left, sizeof left, "(i64.const 0x%llx)", (unsigned long long)a);
                (void)snprintf(right, sizeof right, "(i64.const 0x%llx)", (unsigned long long)b);
                spec_add(&text, "(call $out ");
                add_op(&text, o, bits, left, right);
                spec_add(&text, ")\n");
                outs[count++] = o->is(a, b, bits);
            }
            spec_add(&text, ")\n");
        }
        spec_add(&text, "(func (export \"handle\")\n");
        for (size_t i = 0; i < (size_t)OPS * OPERANDS_KNOWN; i++)
            spec_add(&text, "(call $f%zu)", i);
        spec_add(&text, "))\n");
        spec_module m;
        spec_begin_buffer(&m, &text);
        spec_expect(&m, "operands known", NULL, outs, count, SPEC_DONE);
        spec_end(&m);
        free(outs);
    }
}

/* What a division gives is not used, and yet it traps. */
static void divisions_of_known_operands_trap_for_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int end;
    } kinds[] = {{"div_s", MR_TRAP_DIVIDE_BY_ZERO},
                 {"div_u", MR_TRAP_DIVIDE_BY_ZERO},
                 {"rem_s", MR_TRAP_DIVIDE_BY_ZERO},
                 {"rem_u", MR_TRAP_DIVIDE_BY_ZERO},
                 {"div_s", MR_TRAP_OVERFLOW}};
    for (unsigned bits = 32; bits <= 64; bits += 32) {
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            mr_buffer text = {0};
            spec_add(&text, "%s(func (export \"handle\")\n", in_front);
            spec_add(&text, "(call $out (i64.const 5)) (drop (i%u.%s (i%u.const 0x%llx)", bits,
                     kinds[i].name, bits, (unsigned long long)operand(3, bits));
            spec_add(&text, " (i%u.const %d))) (call $out (i64.const 6))))\n", bits,
                     kinds[i].end == MR_TRAP_OVERFLOW ? -1 : 0);
            spec_module m;
            spec_begin_buffer(&m, &text);
            spec_expect(&m, kinds[i].name, NULL, (const uint64_t[]){5}, 1, kinds[i].end);
            spec_end(&m);
        }
    }
}

static void integers_of_one_width_become_those_of_the_other(void **state)
{
    (void)state;
    mr_buffer text = {0};
    spec_add(&text,
             "%s(func $f0 (param i64 i64) (result i64)\n"
             "  (i64.extend_i32_s (i32.wrap_i64 (local.get 0))))\n"
             "(func $f1 (param i64 i64) (result i64)\n"
             "  (i64.extend_i32_u (i32.wrap_i64 (local.get 0))))\n"
             "(func $f2 (param i64 i64) (result i64)\n"
             "  (i64.extend_i32_s (i32.add (i32.wrap_i64 (local.get 0)) (i32.const 1))))\n"
             "(func $f3 (param i64 i64) (result i64)\n"
             "  (i64.extend_i32_u (i32.add (i32.wrap_i64 (local.get 0)) (i32.const 1))))\n",
             in_front);
    add_end(&text, 4);
    spec_module m;
    spec_begin_buffer(&m, &text);
    uint64_t ins[4 * OPERANDS][SPEC_INS], outs[4 * OPERANDS];
    for (unsigned i = 0; i < 4 * OPERANDS; i++) {
        const uint64_t a = operand(i / 4, 64), low = cut(a + (i % 4 >= 2), 32);
        const uint64_t in[SPEC_INS] = {i % 4, a, 0, i + 1 < 4 * OPERANDS};
        memcpy(ins[i], in, sizeof in);
        outs[i] = i % 2 == 0 ? (uint64_t)value(low, 32) : low;
    }
    spec_expect(&m, "conversions", (const uint64_t(*)[SPEC_INS])ins, outs, 4 * OPERANDS, SPEC_DONE);
    spec_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_on_operands_unknown_to_compilers),
        cmocka_unit_test(operations_on_a_right_operand_that_compilers_know),
        cmocka_unit_test(operations_on_operands_that_compilers_know),
        cmocka_unit_test(divisions_of_known_operands_trap_for_nothing),
        cmocka_unit_test(integers_of_one_width_become_those_of_the_other),
    };
    return cmocka_run_group_tests(tests, spec_set_up, spec_tear_down);
}
