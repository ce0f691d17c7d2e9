/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=spec timeout=120 tiers=own
 * Goal: loads and stores of every width are those of the WebAssembly core specification, at the
 * borders of memory and of addresses, in every tier, and memory that a host function makes grow is
 * there for the next instruction. Method: every width with every offset at every place around a
 * border, compared with a plain array, what a trap leaves behind included. */
#include "tests/vm/spec.h"

enum { BYTES = MR_PAGE_BYTES };

typedef struct access {
    const char *name;
    unsigned bytes;
    unsigned bits; /* of the integer */
    bool is_signed;
} access;

static const access loads[] = {
    {"i32.load", 4, 32, false},     {"i32.load8_s", 1, 32, true},   {"i32.load8_u", 1, 32, false},
    {"i32.load16_s", 2, 32, true},  {"i32.load16_u", 2, 32, false}, {"i64.load", 8, 64, false},
    {"i64.load8_s", 1, 64, true},   {"i64.load8_u", 1, 64, false},  {"i64.load16_s", 2, 64, true},
    {"i64.load16_u", 2, 64, false}, {"i64.load32_s", 4, 64, true},  {"i64.load32_u", 4, 64, false},
};
static const access stores[] = {
    {"i32.store", 4, 32, false},   {"i32.store8", 1, 32, false}, {"i32.store16", 2, 32, false},
    {"i64.store", 8, 64, false},   {"i64.store8", 1, 64, false}, {"i64.store16", 2, 64, false},
    {"i64.store32", 4, 64, false},
};
enum { LOADS = sizeof loads / sizeof loads[0], STORES = sizeof stores / sizeof stores[0] };

static const uint32_t offsets[] = {0,     1,          7,          255,        BYTES - 9, BYTES - 1,
                                   BYTES, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff};
enum { OFFSETS = sizeof offsets / sizeof offsets[0] };

/* Places where an access may begin: around the beginning of memory, a border of units, the end of
 * memory, that of addresses without sign and that of all. */
static const uint64_t places[] = {
    0,          1,          3,          248,         249,         252,         253,
    254,        255,        256,        BYTES - 9,   BYTES - 8,   BYTES - 7,   BYTES - 5,
    BYTES - 4,  BYTES - 3,  BYTES - 2,  BYTES - 1,   BYTES,       BYTES + 1,   0x7fffffff,
    0x80000000, 0xfffffff8, 0xffffffff, 0x100000000, 0x100000001, 0x17fffffff, 0x1fffffffe};
enum { PLACES = sizeof places / sizeof places[0] };

/* The operand that leads to the place, if there is one. */
static bool address_of(uint64_t place, uint32_t offset, uint32_t *address)
{
    *address = (uint32_t)(place - offset);
    return place >= offset && place - offset <= UINT32_MAX;
}

static uint8_t content(uint64_t at)
{
    return (uint8_t)(0x80 + at * 37 + at / 251);
}

static uint64_t loaded(const access *a, uint64_t place)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < a->bytes; i++)
        number += (uint64_t)content(place + i) << 8 * i;
    const uint64_t sign = UINT64_C(1) << (8 * a->bytes - 1);
    if (a->is_signed && (number & sign) != 0)
        number -= 2 * sign; /* modulo 2^64, which is right for 8 bytes, too */
    return a->bits == 32 ? number % (UINT64_C(1) << 32) : number;
}

/* A module with function i * OFFSETS + k for access i with offset k, chosen by in(0). in(1) is the
 * address, in(2) what is stored. */
static void begin_accesses(spec_module *m, const access *all, size_t count, bool are_stores)
{
    mr_buffer text = {0};
    spec_add(&text,
             "(module (import \"env\" \"memory\" (memory 1))\n" SPEC_IMPORTS
             "(type $two (func (param i32 i64) (result i64)))\n(table %zu funcref)\n"
             "(elem (i32.const 0)",
             count * OFFSETS);
    for (size_t i = 0; i < count * OFFSETS; i++)
        spec_add(&text, " $f%zu", i);
    spec_add(&text, ")\n");
    for (size_t i = 0; i < count * OFFSETS; i++) {
        const access *a = &all[i / OFFSETS];
        const uint32_t offset = offsets[i % OFFSETS];
        spec_add(&text, "(func $f%zu (param i32 i64) (result i64) ", i);
        if (are_stores)
            spec_add(&text, "(%s offset=%u (local.get 0) %s) (i64.const 0)", a->name, offset,
                     a->bits == 32 ? "(i32.wrap_i64 (local.get 1))" : "(local.get 1)");
        else
            spec_add(&text, "%s(%s offset=%u (local.get 0))%s",
                     a->bits == 32 ? "(i64.extend_i32_u " : "", a->name, offset,
                     a->bits == 32 ? ")" : "");
        spec_add(&text, ")\n");
    }
    spec_add(&text, "(func (export \"handle\") (call $out (call_indirect (type $two)\n"
                    "  (i32.wrap_i64 (call $in (i32.const 1))) (call $in (i32.const 2))\n"
                    "  (i32.wrap_i64 (call $in (i32.const 0))))))\n");
    for (unsigned i = 0; i < 32; i++) { /* lets the rewriting make the module larger */
        spec_add(&text, "(data (i32.const %u) \"", i * 64);
        for (unsigned k = 0; k < 64; k++)
            spec_add(&text, "\\01");
        spec_add(&text, "\")\n");
    }
    spec_add(&text, ")\n");
    spec_begin_buffer(m, &text);
}

/* A run on memory filled by the host. What it leaves is in `after`, before it is undone. */
static int run_filled(spec_module *m, uint32_t w, const uint64_t ins[SPEC_INS], uint64_t *out,
                      uint8_t after[BYTES])
{
    uint8_t before[BYTES];
    const uint64_t all[1][SPEC_INS] = {{ins[0], ins[1], ins[2], ins[3]}};
    spec_host host = {.ins = all, .outs = out, .outs_max = 1};
    mr_run *run = spec_run_begin(m, w);
    for (uint32_t i = 0; i < BYTES; i++)
        before[i] = content(i);
    assert_true(mr_run_write(run, 0, before, BYTES));
    const int end = spec_call(run, &host);
    memcpy(after, mr_run_bytes(run, 0, BYTES), BYTES);
    mr_run_rollback(run);
    return end;
}

static void try_access(spec_module *m, const access *a, size_t function, uint32_t offset,
                       uint64_t place, const uint64_t *stored)
{
    static uint8_t expected[BYTES], after[BYTES];
    uint32_t address;
    if (!address_of(place, offset, &address))
        return;
    const bool fits = place + a->bytes <= BYTES;
    for (uint32_t i = 0; i < BYTES; i++)
        expected[i] = content(i);
    for (unsigned i = 0; stored != NULL && fits && i < a->bytes; i++)
        expected[place + i] = (uint8_t)(*stored >> 8 * i);
    for (uint32_t w = 0; w < SPEC_WAYS; w++) {
        const uint64_t ins[SPEC_INS] = {function, address, stored != NULL ? *stored : 0, 0};
        uint64_t out = 0;
        const int end = run_filled(m, w, ins, &out, after);
        if (end != (fits ? SPEC_DONE : MR_TRAP_OUT_OF_BOUNDS))
            fail_msg("%s at %u + %u by %s: %s", a->name, address, offset, spec_ways[w],
                     spec_end_text(end));
        if (fits && stored == NULL && out != loaded(a, place))
            fail_msg("%s at %u + %u by %s: %llx, not %llx", a->name, address, offset, spec_ways[w],
                     (unsigned long long)out, (unsigned long long)loaded(a, place));
        if (memcmp(after, expected, BYTES) != 0)
            fail_msg("%s at %u + %u by %s leaves other bytes", a->name, address, offset,
                     spec_ways[w]);
    }
}

static void loads_at_every_border(void **state)
{
    (void)state;
    spec_module m;
    begin_accesses(&m, loads, LOADS, false);
    for (size_t i = 0; i < (size_t)LOADS * OFFSETS; i++) {
        for (size_t p = 0; p < PLACES; p++)
            try_access(&m, &loads[i / OFFSETS], i, offsets[i % OFFSETS], places[p], NULL);
    }
    spec_end(&m);
}

static void stores_at_every_border(void **state)
{
    (void)state;
    static const uint64_t values[] = {0x0102030405060708, 0xf1e2d3c4b5a69788};
    spec_module m;
    begin_accesses(&m, stores, STORES, true);
    for (size_t i = 0; i < (size_t)STORES * OFFSETS; i++) {
        for (size_t p = 0; p < PLACES; p++)
            try_access(&m, &stores[i / OFFSETS], i, offsets[i % OFFSETS], places[p],
                       &values[p % 2]);
    }
    spec_end(&m);
}

/* Without a page everything is out of bounds; with all there may be, the last bytes are not. */
static void the_smallest_memory_and_the_largest(void **state)
{
    (void)state;
    static const struct {
        uint32_t pages, address;
        int end;
    } cases[] = {
        {0, 0, MR_TRAP_OUT_OF_BOUNDS},
        {0, 0xffffffff, MR_TRAP_OUT_OF_BOUNDS},
        {MR_PAGES_MAX, 0x7ffffff8, SPEC_DONE},
        {MR_PAGES_MAX, 0x7ffffff9, MR_TRAP_OUT_OF_BOUNDS},
        {MR_PAGES_MAX, 0x80000000, MR_TRAP_OUT_OF_BOUNDS},
        {MR_PAGES_MAX, 0xfffffffc, MR_TRAP_OUT_OF_BOUNDS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mr_buffer text = {0};
        spec_add(&text,
                 "(module (import \"env\" \"memory\" (memory %u))\n" SPEC_IMPORTS
                 "(func (export \"handle\") (local $at i32)\n"
                 "  (local.set $at (i32.const %u))\n"
                 "  (call $out (i64.extend_i32_u (memory.size)))\n"
                 "  (i64.store (local.get $at) (i64.const -3))\n"
                 "  (call $out (i64.load (local.get $at)))))\n",
                 cases[i].pages, cases[i].address);
        spec_module m;
        spec_begin_buffer(&m, &text);
        const uint64_t outs[] = {cases[i].pages, (uint64_t)-3};
        spec_expect(&m, "a store", NULL, outs, cases[i].end == SPEC_DONE ? 2 : 1, cases[i].end);
        spec_end(&m);
    }
}

/* A load whose result nobody wants. */
static void a_load_traps_for_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOADS; i++) {
        mr_buffer text = {0};
        spec_add(&text,
                 "(module (import \"env\" \"memory\" (memory 1))\n" SPEC_IMPORTS
                 "(func (export \"handle\") (call $out (i64.const 5))\n"
                 "  (drop (%s (i32.const %u))) (call $out (i64.const 6))))\n",
                 loads[i].name, BYTES - loads[i].bytes + 1);
        spec_module m;
        spec_begin_buffer(&m, &text);
        spec_expect(&m, loads[i].name, NULL, (const uint64_t[]){5}, 1, MR_TRAP_OUT_OF_BOUNDS);
        spec_end(&m);
    }
}

/* Memory is a page; each way of calling somebody who adds one is followed by a store to it, a load,
 * and memory.size. */
static void memory_that_grew_in_a_call_is_there_at_once(void **state)
{
    (void)state;
    static const char *const calls[] = {
        "(call $grow_one)",
        "(drop (call $grow (i32.const 1)))",
        "(local.set $x (call $grow (i32.const 1)))",
        "(local.set $x (i32.add (i32.const 7) (call $grow (i32.const 1))))",
        "(if (call $grow (i32.const 1)) (then (local.set $x (i32.const 3))))",
        "(block $b (br_if $b (call $grow (i32.const 1))))",
        "(call $own)",
        "(call $own_deep)",
        "(drop (call $own_result (i32.const 1)))",
        "(call_indirect (type $none) (i32.const 0))",
        "(call_indirect (type $none) (i32.const 1))",
        "(drop (call_indirect (type $one) (i32.const 1) (i32.const 2)))",
        "(drop (call_indirect (type $one) (i32.const 1) (i32.const 3)))",
        "(loop $l (call $grow_one) (br_if $l (i32.lt_u (memory.size) (i32.const 2))))",
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        mr_buffer text = {0};
        spec_add(&text,
                 "(module (import \"env\" \"memory\" (memory 1))\n" SPEC_IMPORTS
                 "(type $none (func)) (type $one (func (param i32) (result i32)))\n"
                 "(table 4 funcref) (elem (i32.const 0) $grow_one $own $grow $own_result)\n"
                 "(func $own (call $grow_one))\n"
                 "(func $own_deep (call $own))\n"
                 "(func $own_result (param i32) (result i32) (call $grow (local.get 0)))\n"
                 "(func (export \"handle\") (local $x i32)\n"
                 "  (i64.store (i32.const 65528) (i64.const 77))\n"
                 "  (call $out (i64.extend_i32_u (memory.size)))\n"
                 "  %s\n"
                 "  (i64.store (i32.const 131064) (i64.const 99))\n"
                 "  (i64.store8 (i32.const 65536) (i64.const 1))\n"
                 "  (call $out (i64.load (i32.const 131064)))\n"
                 "  (call $out (i64.load (i32.const 65528)))\n"
                 "  (call $out (i64.load (i32.const 65529)))\n"
                 "  (call $out (i64.extend_i32_u (memory.size)))\n"
                 "  (i32.store (i32.const 131069) (i32.const 1))))\n",
                 calls[i]);
        spec_module m;
        spec_begin_buffer(&m, &text);
        const uint64_t outs[] = {1, 99, 77, UINT64_C(1) << 56, 2};
        spec_expect(&m, calls[i], NULL, outs, 5, MR_TRAP_OUT_OF_BOUNDS);
        spec_end(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_at_every_border),
        cmocka_unit_test(stores_at_every_border),
        cmocka_unit_test(the_smallest_memory_and_the_largest),
        cmocka_unit_test(a_load_traps_for_nothing),
        cmocka_unit_test(memory_that_grew_in_a_call_is_there_at_once),
    };
    return cmocka_run_group_tests(tests, spec_set_up, spec_tear_down);
}
