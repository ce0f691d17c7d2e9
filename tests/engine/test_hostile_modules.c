/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: no bytes uploaded as a module do anything but be refused with a sentence for their author,
 * or become a code that runs.
 * Method: modules wrong in one way each, then good ones cut, flipped and stretched; after each the
 * engine is asked to go on. */
#include "tests/engine/actor.h"

#include <sodium.h>

#define MEMORY "(import \"env\" \"memory\" (memory 1))"
#define HANDLE "(func (export \"handle\"))"

/* Uploads bytes and returns what became of them; refused ones must say why. */
static mr_transaction_result upload(fixture *f, mr_span module)
{
    const mr_transaction transaction = fixture_upload_of(f, module);
    fixture_run(f, &transaction, 1);
    const mr_transaction_result result = fixture_result(f, 0);
    if (result.admission != MR_ADMISSION_ACCEPTED) {
        assert_true(result.admission == MR_ADMISSION_MODULE);
        assert_true(strlen(result.text) > 10);
        for (const char *at = result.text; *at != '\0'; at++)
            assert_true(*at >= 0x20 && *at < 0x7f);
        mr_error error = {0};
        assert_int_equal(mr_module_check(&f->schedule, module, &error), MR_MODULE);
        assert_string_equal(error.text, result.text);
    } else {
        assert_int_equal(mr_module_check(&f->schedule, module, NULL), MR_OK);
    }
    return result;
}

static bool is_refused(fixture *f, mr_span module, const char *text)
{
    const mr_transaction_result result = upload(f, module);
    if (result.admission == MR_ADMISSION_MODULE && strstr(result.text, text) != NULL)
        return true;
    print_message("expected \"%s\": %s: %s\n", text, mr_admission_text(result.admission),
                  result.text);
    return false;
}

#define assert_refused(f, module, text) assert_true(is_refused((f), (module), (text)))

static void assert_goes_on(fixture *f)
{
    const mr_id program = fixture_program(f, "(module " MEMORY HANDLE ")");
    assert_int_equal(fixture_send(f, &program, (mr_span){0}).outcome, MR_OUTCOME_OK);
}

typedef struct wrong {
    const char *wat;
    const char *text; /* part of the refusal */
} wrong;

static const wrong wrongs[] = {
    /* Imports: each refusal names the one it is about. */
    {"(module " MEMORY "(import \"env\" \"gr_wait\" (func (param i32)))" HANDLE ")", "env.gr_wait"},
    {"(module " MEMORY "(import \"env\" \"gr_create_program\" (func))" HANDLE ")",
     "env.gr_create_program"},
    {"(module " MEMORY "(import \"env\" \"gr_system_break\" (func (param i32)))" HANDLE ")",
     "env.gr_system_break"},
    {"(module " MEMORY "(import \"env\" \"\" (func))" HANDLE ")", "import env."},
    {"(module " MEMORY "(import \"wasi\" \"gr_size\" (func (param i32)))" HANDLE ")",
     "wasi.gr_size"},
    {"(module " MEMORY "(import \"mr\" \"break\" (func (param i32)))" HANDLE ")", "mr.break"},
    {"(module " MEMORY "(import \"env\" \"gr_size\" (func (param i64)))" HANDLE ")",
     "env.gr_size: its type is (i32) -> ()"},
    {"(module " MEMORY "(import \"env\" \"gr_size\" (func (param i32) (result i32)))" HANDLE ")",
     "env.gr_size"},
    {"(module " MEMORY "(import \"env\" \"alloc\" (func (param i32)))" HANDLE ")", "env.alloc"},
    {"(module " MEMORY "(import \"env\" \"gr_leave\" (func (param i32)))" HANDLE ")",
     "env.gr_leave"},
    {"(module " MEMORY "(import \"env\" \"gr_size\" (func (param i32)))"
     "(import \"env\" \"gr_size\" (func (param i32)))" HANDLE ")",
     "env.gr_size is there twice"},
    {"(module " MEMORY "(import \"env\" \"x\\c3\\a9\\0a\\1b[31m\" (func))" HANDLE ")", "env.x"},
    {"(module " MEMORY "(import \"env\" \"table\" (table 1 funcref))" HANDLE ")", "table"},
    {"(module " MEMORY "(import \"env\" \"g\" (global i32))" HANDLE ")", "(g) is a global"},
    /* Memory. */
    {"(module " HANDLE ")", "does not import the memory env.memory"},
    {"(module (memory 1) " HANDLE ")", "memory"},
    {"(module " MEMORY "(memory 1) " HANDLE ")", "memory"},
    {"(module " MEMORY "(import \"env\" \"more\" (memory 1))" HANDLE ")", "more than one memory"},
    {"(module (import \"env\" \"memory\" (memory 1 2))" HANDLE ")", "declares a maximum"},
    {"(module (import \"env\" \"mem\" (memory 1))" HANDLE ")", "env.mem"},
    {"(module (import \"mr\" \"marks\" (memory 1))" HANDLE ")", "mr.marks"},
    {"(module (import \"env\" \"memory\" (memory 32769))" HANDLE ")", "32769 pages"},
    {"(module (import \"env\" \"memory\" (memory 65536))" HANDLE ")", "65536 pages"},
    {"(module (import \"env\" \"memory\" (memory i64 1))" HANDLE ")", "64-bit"},
    {"(module " MEMORY "(func (export \"handle\") (drop (memory.grow (i32.const 1)))))",
     "memory.grow"},
    /* Entries. */
    {"(module " MEMORY "(func))", "none of the entries init, handle is exported"},
    {"(module " MEMORY "(func (export \"handle_reply\")))", "init, handle"},
    {"(module " MEMORY "(func (export \"handle\") (param i32)))", "handle has type (i32) -> ()"},
    {"(module " MEMORY "(func (export \"init\") (result i64) (i64.const 1)))", "init has type"},
    {"(module " MEMORY "(func (export \"main\"))" HANDLE ")", "main"},
    {"(module " MEMORY "(import \"env\" \"gr_leave\" (func $l)) (export \"handle\" (func $l)))",
     "handle is an imported function"},
    {"(module " MEMORY HANDLE "(func $s) (start $s))", "start section"},
    {"(module " MEMORY HANDLE "(global (export \"g\") (mut i32) (i32.const 0)))", "mutable global"},
    /* The shadow stack. */
    {"(module " MEMORY HANDLE "(global (export \"__gear_stack_end\") i32 (i32.const 100)))",
     "not a multiple of 65536"},
    {"(module " MEMORY HANDLE "(global (export \"__gear_stack_end\") i32 (i32.const 131072)))",
     "beyond the static memory"},
    {"(module " MEMORY HANDLE "(global (export \"__gear_stack_end\") i64 (i64.const 0)))",
     "not an i32"},
    {"(module " MEMORY HANDLE "(global (export \"__gear_stack_end\") i32 (i32.const -65536)))",
     "beyond the static memory"},
    {"(module " MEMORY HANDLE "(table (export \"__gear_stack_end\") 1 funcref))", "not a global"},
    {"(module (import \"env\" \"memory\" (memory 2))" HANDLE
     "(global (export \"__gear_stack_end\") i32 (i32.const 65536)) (data (i32.const 65535) "
     "\"ab\"))",
     "inside the stack"},
    /* Data. */
    {"(module " MEMORY HANDLE "(data (i32.const 65535) \"ab\"))", "beyond the static memory"},
    {"(module " MEMORY HANDLE "(data (i32.const -1) \"a\"))", "beyond the static memory"},
    {"(module " MEMORY HANDLE "(data \"passive\"))", "data"},
    {"(module " MEMORY HANDLE "(table 1 funcref) (elem func 0))", "element"},
    {"(module " MEMORY HANDLE "(table 1 funcref) (func $f) (elem (i32.const 1) $f))", "elem"},
    {"(module " MEMORY HANDLE "(table 1 funcref) (table 1 funcref))", "table"},
    {"(module " MEMORY HANDLE "(table 4097 funcref))", "4097"},
    {"(module " MEMORY HANDLE "(table 1 externref))", "table"},
    /* Floats, in every place they can stand. */
    {"(module " MEMORY "(func (export \"handle\") (drop (f32.const 1))))", "float"},
    {"(module " MEMORY "(func (export \"handle\") (drop (f64.add (f64.const 1) (f64.const 2)))))",
     "float"},
    {"(module " MEMORY HANDLE "(func (param f32)))", "float"},
    {"(module " MEMORY HANDLE "(func (result f64) (unreachable)))", "float"},
    {"(module " MEMORY HANDLE "(func (local f64)))", "float"},
    {"(module " MEMORY HANDLE "(global f32 (f32.const 0)))", "float"},
    {"(module " MEMORY "(func (export \"handle\") (drop (f32.load (i32.const 0)))))", "float"},
    {"(module " MEMORY "(func (export \"handle\") (drop (block (result f32) (unreachable)))))",
     "float"},
    {"(module " MEMORY "(func (export \"handle\")"
     "(drop (i32.trunc_f32_s (unreachable)))))",
     "float"},
    /* What came to WebAssembly later. */
    {"(module " MEMORY "(func (export \"handle\") (drop (v128.const i32x4 0 0 0 0))))", "SIMD"},
    {"(module " MEMORY "(func (export \"handle\")"
     "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))))",
     "bulk memory"},
    {"(module " MEMORY "(func (export \"handle\")"
     "(memory.copy (i32.const 0) (i32.const 0) (i32.const 0))))",
     "bulk memory"},
    {"(module " MEMORY "(func (export \"handle\") (drop (ref.null func))))", "reference"},
    {"(module " MEMORY HANDLE "(func (result i32 i32) (i32.const 1) (i32.const 2)))",
     "more than one"},
    {"(module " MEMORY "(func (export \"handle\") (i32.const 1) (block (param i32) (drop))))", ""},
    {"(module " MEMORY HANDLE "(func $f (return_call $f)))", "tail"},
    {"(module " MEMORY "(func (export \"handle\") (drop (i32.atomic.load (i32.const 0)))))",
     "threads"},
    {"(module (import \"env\" \"memory\" (memory 1 2 shared))" HANDLE ")", "shared"},
};

static void a_module_wrong_in_one_way_is_refused_with_that_reason(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    unsigned mistaken = 0;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        mr_buffer module = {0};
        mr_error error = {0};
        if (mr_module_from_text(mr_span_text(wrongs[i].wat), "wrong.wat", &module, &error) != MR_OK)
            fail_msg("%s: %s", wrongs[i].wat, error.text);
        if (!is_refused(&f, mr_buffer_span(&module), wrongs[i].text)) {
            print_message("    %s\n", wrongs[i].wat);
            mistaken++;
        }
        mr_buffer_fini(&module);
    }
    assert_int_equal(mistaken, 0);
    mr_engine_info info;
    mr_engine_info_get(f.engine, &info);
    assert_int_equal(info.codes_count, 0);
    assert_goes_on(&f);
    fixture_close(&f);
}

/* Functions that are served under other names, or by a node alone. */
static const abi_function others[] = {
    {"gr_system_break", "i:"},
    {"gr_wait_until", "i:"},
    {"gr_create_program_w_gas", "iiiiilii:"},
    {"gr_reply_to_message", "i:"},
    {"memory_grow", "i:i"},
    {"gr_", ":"},
    {"", ":"},
};

static void functions_that_are_not_served_are_refused_by_name(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        wat_text wat = {0};
        text_add(&wat, "(module " MEMORY "(import \"env\" \"%s\" (func", others[i].name);
        for (const char *type = others[i].type; *type != ':'; type++)
            text_add(&wat, " (param %s)", *type == 'i' ? "i32" : "i64");
        text_add(&wat, "))" HANDLE ")");
        mr_buffer module = fixture_module(wat.at);
        text_fini(&wat);
        char refusal[128];
        (void)snprintf(refusal, sizeof refusal, "import env.%s: there is no such function",
                       others[i].name);
        assert_refused(&f, mr_buffer_span(&module), refusal);
        mr_buffer_fini(&module);
    }
    assert_goes_on(&f);
    fixture_close(&f);
}

/* ---- Bytes ---- */

static void bytes_that_are_no_module_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[32];
        size_t size;
    } cases[] = {
        {{0}, 0},
        {{0}, 1},
        {{0, 'a', 's', 'm'}, 4},
        {{0, 'a', 's', 'm', 1, 0, 0, 0}, 7},
        {{0, 'a', 's', 'm', 2, 0, 0, 0}, 8},
        {{0, 'a', 's', 'm', 1, 0, 0, 0}, 8},    /* nothing in it */
        {{0, 'a', 's', 'm', 1, 0, 0, 0, 1}, 9}, /* a section without a size */
        {{0, 'a', 's', 'm', 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f}, 14},    /* 4 GiB */
        {{0, 'a', 's', 'm', 1, 0, 0, 0, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0}, 15}, /* leb too long */
        {{0, 'a', 's', 'm', 1, 0, 0, 0, 1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f}, 15}, /* 2^32-1 types */
        {{0, 'a', 's', 'm', 1, 0, 0, 0, 99, 0}, 10},            /* an unknown section */
        {{0, 'a', 's', 'm', 1, 0, 0, 0, 3, 1, 0, 1, 1, 0}, 14}, /* sections out of order */
        {{'#', '!', '/', 'b', 'i', 'n'}, 6},
    };
    fixture f;
    fixture_open(&f, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(&f, mr_span_of(cases[i].bytes, cases[i].size), "");
    assert_goes_on(&f);
    fixture_close(&f);
}

static mr_buffer actor_module(void)
{
    wat_text wat = actor_text("init handle handle_reply");
    mr_buffer module = fixture_module(wat.at);
    text_fini(&wat);
    return module;
}

static void a_truncated_module_is_refused_wherever_it_is_cut(void **state)
{
    (void)state;
    mr_buffer module = actor_module();
    const mr_schedule schedule = mr_schedule_default();
    for (size_t size = 0; size < module.size; size++) {
        mr_error error = {0};
        const mr_status status = mr_module_check(&schedule, mr_span_of(module.data, size), &error);
        /* Without the name section at its end it is a module all the same. */
        if (status != MR_OK)
            assert_int_equal(status, MR_MODULE);
        assert_true(status == MR_OK || strlen(error.text) > 10);
    }
    mr_buffer_fini(&module);
}

/* A good module with a few bytes changed is refused, or runs: in both cases nothing breaks. */
static void a_module_with_flipped_bytes_is_refused_or_runs(void **state)
{
    (void)state;
    const char *given = getenv("MR_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : randombytes_random();
    print_message("MR_SEED=%llu\n", (unsigned long long)seed);
    fixture f;
    fixture_open(&f, NULL);
    f.gas = 30000000;
    mr_buffer module = actor_module();
    uint8_t *copy = malloc(module.size);
    assert_non_null(copy);
    unsigned accepted = 0;
    enum { TRIES = 600 };
    for (unsigned i = 0; i < TRIES; i++) {
        memcpy(copy, module.data, module.size);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        for (unsigned k = 0; k <= (seed >> 60) % 3; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            copy[(seed >> 20) % module.size] ^= (uint8_t)(1u << (seed >> 61));
        }
        const mr_span bytes = mr_span_of(copy, module.size);
        const mr_id code = mr_id_of_code(bytes);
        const uint32_t salt = i;
        const mr_id program = mr_id_of_program(&code, mr_span_of(&salt, sizeof salt));
        script s = script_new();
        STEP(&s, "store", 0x100, 1);
        STEP_FOR(&s, 0x108, "alloc", 1);
        STEP(&s, "gr_send", script_to(&s, &program, 0), 0, 8, 0, 0x200);
        const mr_transaction transactions[] = {
            fixture_upload_of(&f, bytes),
            {.kind = MR_TRANSACTION_CREATE,
             .from = f.from,
             .to = code,
             .salt = mr_span_of(&salt, sizeof salt),
             .payload = script_span(&s),
             .gas_limit = f.gas},
            fixture_send_of(&f, &program, script_span(&s)),
        };
        fixture_run(&f, transactions, 3);
        accepted += fixture_result(&f, 0).admission == MR_ADMISSION_ACCEPTED;
    }
    print_message("%u of %u accepted\n", accepted, TRIES);
    free(copy);
    mr_buffer_fini(&module);
    assert_goes_on(&f);
    fixture_close(&f);
}

/* ---- Limits ---- */

static void repeat(wat_text *to, unsigned count, const char *what)
{
    for (unsigned i = 0; i < count; i++)
        text_add(to, "%s", what);
}

/* Modules of `count` of something, good up to a limit and refused beyond. */
typedef struct limit {
    const char *before, *each, *after;
    unsigned most;
    const char *text;
} limit;

static const limit limits[] = {
    {"(module " MEMORY HANDLE, "(global i32 (i32.const 1))", ")", 256, "globals"},
    {"(module " MEMORY HANDLE, "(data (i32.const 0) \"a\")", ")", 1024, "data segments"},
    {"(module " MEMORY HANDLE "(func (local", " i64", ")))", 1024, "locals"},
    {"(module " MEMORY HANDLE "(func (param", " i32", ")))", 128, "parameters"},
    {"(module " MEMORY "(func (export \"handle\") (br_table", " 0", " 0 (i32.const 7))))", 256,
     "targets"},
};

static void each_limit_is_kept_to_the_unit(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        for (unsigned beyond = 0; beyond < 2; beyond++) {
            wat_text wat = {0};
            text_add(&wat, "%s", limits[i].before);
            repeat(&wat, limits[i].most + beyond, limits[i].each);
            text_add(&wat, "%s", limits[i].after);
            mr_buffer module = fixture_module(wat.at);
            text_fini(&wat);
            if (beyond == 0)
                assert_int_equal(upload(&f, mr_buffer_span(&module)).admission,
                                 MR_ADMISSION_ACCEPTED);
            else
                assert_refused(&f, mr_buffer_span(&module), limits[i].text);
            mr_buffer_fini(&module);
        }
    }
    assert_goes_on(&f);
    fixture_close(&f);
}

static void a_type_section_has_a_limit(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    wat_text wat = {0};
    text_add(&wat, "(module " MEMORY HANDLE);
    for (unsigned i = 0; i < 200; i++) {
        text_add(&wat, "(type (func (param");
        repeat(&wat, 100 + i % 20, " i32");
        text_add(&wat, ")))");
    }
    text_add(&wat, ")");
    mr_buffer module = fixture_module(wat.at);
    text_fini(&wat);
    assert_refused(&f, mr_buffer_span(&module), "type section");
    mr_buffer_fini(&module);
    fixture_close(&f);
}

/* Puts a custom section of `bytes` (10 or more) at the end, its name as given. */
static void add_custom(mr_buffer *module, const char *name, size_t name_bytes, size_t bytes)
{
    const size_t payload = bytes - 6;
    uint8_t head[6] = {0};
    for (unsigned i = 0; i < 5; i++)
        head[1 + i] = (uint8_t)((payload >> (7 * i) & 0x7f) | (i < 4 ? 0x80 : 0));
    assert_int_equal(mr_buffer_append(module, mr_span_of(head, 6)), MR_OK);
    assert_true(name_bytes < 128 && name_bytes + 1 <= payload);
    uint8_t *rest = calloc(payload, 1);
    assert_non_null(rest);
    rest[0] = (uint8_t)name_bytes;
    memcpy(rest + 1, name, name_bytes);
    assert_int_equal(mr_buffer_append(module, mr_span_of(rest, payload)), MR_OK);
    free(rest);
}

static void a_module_may_have_524288_bytes(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    for (size_t size = 524287; size <= 524289; size++) {
        mr_buffer module = fixture_module("(module " MEMORY HANDLE ")");
        add_custom(&module, "big", 3, size - module.size);
        assert_int_equal(module.size, size);
        const mr_transaction transaction = fixture_upload_of(&f, mr_buffer_span(&module));
        fixture_run(&f, &transaction, 1);
        assert_int_equal(fixture_result(&f, 0).admission,
                         size <= 524288 ? MR_ADMISSION_ACCEPTED : MR_ADMISSION_PAYLOAD);
        mr_buffer_fini(&module);
    }
    assert_goes_on(&f);
    fixture_close(&f);
}

/* A module that fits as uploaded may be too large as rewritten: refused, with the reason. */
static void many_functions_are_taken_until_the_rewritten_module_is_too_large(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    static const unsigned counts[] = {1000, 10000, 66000};
    for (size_t i = 0; i < 3; i++) {
        wat_text wat = {0};
        text_add(&wat, "(module " MEMORY HANDLE);
        repeat(&wat, counts[i], "(func)");
        text_add(&wat, ")");
        mr_buffer module = fixture_module(wat.at);
        text_fini(&wat);
        const mr_transaction transaction = fixture_upload_of(&f, mr_buffer_span(&module));
        fixture_run(&f, &transaction, 1);
        const mr_transaction_result result = fixture_result(&f, 0);
        assert_int_equal(result.admission, i < 2 ? MR_ADMISSION_ACCEPTED : MR_ADMISSION_MODULE);
        mr_buffer_fini(&module);
    }
    assert_goes_on(&f);
    fixture_close(&f);
}

/* Blocks within blocks: no depth of nesting overflows the stack of the parser, rewriter, validator
 * or interpreter; up to the limit it runs. */
static mr_buffer nested(unsigned depth, const uint8_t *open, size_t open_bytes)
{
    mr_buffer module = {0}, body = {0};
    static const uint8_t head[] = {
        0, 'a', 's', 'm', 1,   0,   0,   0,   1,   4,   1,   0x60, 0,   0, /* type () -> () */
        2, 15,  1,   3,   'e', 'n', 'v', 6,   'm', 'e', 'm', 'o',  'r', 'y', 2, 0, 1, /* memory */
        3, 2,   1,   0,                                         /* one function */
        7, 10,  1,   6,   'h', 'a', 'n', 'd', 'l', 'e', 0,   0, /* export */
    };
    assert_int_equal(mr_buffer_append(&body, mr_span_of("", 1)), MR_OK); /* no locals */
    for (unsigned i = 0; i < depth; i++)
        assert_int_equal(mr_buffer_append(&body, mr_span_of(open, open_bytes)), MR_OK);
    for (unsigned i = 0; i <= depth; i++)
        assert_int_equal(mr_buffer_append(&body, mr_span_of("\x0b", 1)), MR_OK);
    assert_int_equal(mr_buffer_append(&module, mr_span_of(head, sizeof head)), MR_OK);
    uint8_t sizes[1 + 5 + 1 + 5] = {10};
    const size_t values[] = {6 + body.size, body.size};
    for (unsigned v = 0; v < 2; v++) {
        uint8_t *at = sizes + 1 + 6 * v;
        for (unsigned i = 0; i < 5; i++)
            at[i] = (uint8_t)((values[v] >> (7 * i) & 0x7f) | (i < 4 ? 0x80 : 0));
    }
    sizes[6] = 1; /* bodies */
    assert_int_equal(mr_buffer_append(&module, mr_span_of(sizes, sizeof sizes)), MR_OK);
    assert_int_equal(mr_buffer_append(&module, mr_buffer_span(&body)), MR_OK);
    mr_buffer_fini(&body);
    return module;
}

static void blocks_nest_to_a_limit(void **state)
{
    (void)state;
    static const uint8_t block[] = {0x02, 0x40}, loop[] = {0x03, 0x40},
                         branch[] = {0x41, 0x01, 0x04, 0x40}; /* i32.const 1, if */
    static const struct {
        const uint8_t *open;
        size_t bytes;
    } kinds[] = {{block, 2}, {loop, 2}, {branch, 4}};
    static const unsigned depths[] = {1000, 1023, 1100, 100000};
    fixture f;
    fixture_open(&f, NULL);
    for (size_t k = 0; k < 3; k++) {
        for (size_t d = 0; d < 4; d++) {
            mr_buffer module = nested(depths[d], kinds[k].open, kinds[k].bytes);
            if (d >= 2) {
                assert_refused(&f, mr_buffer_span(&module), "");
                mr_buffer_fini(&module);
                continue;
            }
            const mr_transaction_result result = upload(&f, mr_buffer_span(&module));
            if (result.admission != MR_ADMISSION_ACCEPTED)
                fail_msg("%s", result.text);
            mr_buffer_fini(&module);
            const mr_id program = fixture_create(&f, &result.id, (mr_span){0});
            const mr_receipt receipt = fixture_send(&f, &program, (mr_span){0});
            assert_int_equal(receipt.outcome, MR_OUTCOME_OK);
            assert_int_equal(receipt.gas_burned, 11000 + (k == 2 ? 2000 * depths[d] : 0));
        }
    }
    assert_goes_on(&f);
    fixture_close(&f);
}

/* Many tables of branches, each as large as allowed, all jumping everywhere. */
static void tables_of_branches_do_not_explode(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    wat_text wat = {0};
    text_add(&wat, "(module " MEMORY "(func (export \"handle\") (local i32)");
    repeat(&wat, 200, "(block ");
    for (unsigned i = 0; i < 200; i++) {
        text_add(&wat, "(br_table");
        for (unsigned k = 0; k < 256; k++)
            text_add(&wat, " %u", (i * 7 + k * 13) % 200);
        text_add(&wat, " 199 (i32.const %u))", i);
    }
    repeat(&wat, 200, ")");
    text_add(&wat, "))");
    const mr_id program = fixture_program(&f, wat.at);
    text_fini(&wat);
    assert_int_equal(fixture_send(&f, &program, (mr_span){0}).outcome, MR_OUTCOME_OK);
    fixture_close(&f);
}

static void strange_names_are_harmless(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    static const uint8_t functions[] = {1, 8, 1, 0, 5, 0, 0xff, '\n', '%', 's'}; /* subsection 1 */
    static const uint8_t endless[] = {1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1};
    static const uint8_t wild[] = {1, 8, 1, 0xff, 0xff, 0xff, 0x7f, 1, 'x', 0};
    const mr_span sections[] = {mr_span_of(functions, sizeof functions),
                                mr_span_of(endless, sizeof endless), mr_span_of(wild, sizeof wild)};
    for (size_t i = 0; i < 3; i++) {
        mr_buffer wat = fixture_module("(module " MEMORY "(func (export \"handle\") unreachable))");
        /* The name section that the text has given it is replaced by ours: the last one counts. */
        uint8_t head[] = {0, (uint8_t)(5 + sections[i].size), 4, 'n', 'a', 'm', 'e'};
        assert_int_equal(mr_buffer_append(&wat, mr_span_of(head, sizeof head)), MR_OK);
        assert_int_equal(mr_buffer_append(&wat, sections[i]), MR_OK);
        const mr_transaction transaction = fixture_upload_of(&f, mr_buffer_span(&wat));
        fixture_run(&f, &transaction, 1);
        const mr_transaction_result result = fixture_result(&f, 0);
        if (result.admission != MR_ADMISSION_ACCEPTED)
            fail_msg("%u: %s", (unsigned)i, result.text);
        const mr_id program = fixture_create(&f, &result.id, (mr_span){0});
        assert_int_equal(fixture_send(&f, &program, (mr_span){0}).outcome, MR_OUTCOME_TRAP);
        mr_buffer_fini(&wat);
    }
    fixture_close(&f);
}

/* The text form is for tools, but a file may hold anything. */
static void text_of_any_depth_is_refused_not_followed(void **state)
{
    (void)state;
    static const char *const opens[] = {"(block ", "block ", "(if (i32.const 1) (then ", "(",
                                        "(; "};
    for (size_t i = 0; i < sizeof opens / sizeof opens[0]; i++) {
        wat_text wat = {0};
        text_add(&wat, "(module " MEMORY "(func (export \"handle\") ");
        repeat(&wat, 300000, opens[i]);
        mr_buffer module = {0};
        mr_error error = {0};
        assert_int_equal(
            mr_module_from_text(mr_span_of(wat.at, wat.size), "deep.wat", &module, &error),
            MR_MODULE);
        assert_non_null(strstr(error.text, "deep.wat"));
        text_fini(&wat);
        mr_buffer_fini(&module);
    }
}

int main(void)
{
    assert_true(sodium_init() >= 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_module_wrong_in_one_way_is_refused_with_that_reason),
        cmocka_unit_test(functions_that_are_not_served_are_refused_by_name),
        cmocka_unit_test(bytes_that_are_no_module_are_refused),
        cmocka_unit_test(a_truncated_module_is_refused_wherever_it_is_cut),
        cmocka_unit_test(a_module_with_flipped_bytes_is_refused_or_runs),
        cmocka_unit_test(each_limit_is_kept_to_the_unit),
        cmocka_unit_test(a_type_section_has_a_limit),
        cmocka_unit_test(a_module_may_have_524288_bytes),
        cmocka_unit_test(many_functions_are_taken_until_the_rewritten_module_is_too_large),
        cmocka_unit_test(blocks_nest_to_a_limit),
        cmocka_unit_test(tables_of_branches_do_not_explode),
        cmocka_unit_test(strange_names_are_harmless),
        cmocka_unit_test(text_of_any_depth_is_refused_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
