/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: no pointer of a program makes a host function read or write outside its memory. A bad data
 * pointer of a fallible function is code 201, any other bad pointer ends the dispatch as a trap.
 * Method: every function is called with good arguments, then with each of its pointers moved to the
 * last place where it fits, one byte further, to the end of memory, and so that it wraps around. */
#include "tests/engine/actor.h"

#include <sodium.h>

enum {
    END = ACTOR_PAGES * PAGE,
    ERROR_AT = 0x400,
    OUT_AT = 0x800,
    INPUT = 16, /* offset in the payload: any */
};

/* READ and WRITE of a fallible function answer 201, of an infallible one they trap; ERROR traps. */
enum role { CONST, READ, WRITE, ERROR };

typedef struct argument {
    enum role role;
    uint64_t value; /* bytes pointed to, or the constant itself */
} argument;

typedef struct call {
    const char *name;
    argument args[ACTOR_ARGS_MAX];
    uint32_t code; /* of the good call, when fallible */
} call;

#define C(value)                                                                                   \
    {                                                                                              \
        CONST, value                                                                               \
    }
#define R(bytes)                                                                                   \
    {                                                                                              \
        READ, bytes                                                                                \
    }
#define W(bytes)                                                                                   \
    {                                                                                              \
        WRITE, bytes                                                                               \
    }
#define E(bytes)                                                                                   \
    {                                                                                              \
        ERROR, bytes                                                                               \
    }

static const call calls[] = {
    {"gr_read", {C(INPUT), C(24), W(24), E(4)}, 0},
    {"gr_size", {W(4)}, 0},
    {"gr_source", {W(32)}, 0},
    {"gr_value", {W(16)}, 0},
    {"gr_message_id", {W(32)}, 0},
    {"gr_program_id", {W(32)}, 0},
    {"gr_reply_to", {E(36)}, 105},
    {"gr_reply_code", {E(8)}, 105},
    {"gr_block_height", {W(4)}, 0},
    {"gr_block_timestamp", {W(8)}, 0},
    {"gr_gas_available", {W(8)}, 0},
    {"gr_value_available", {W(16)}, 0},
    {"gr_env_vars", {C(1), W(52)}, 0},
    {"gr_random", {R(32), W(36)}, 0},
    {"gr_signal_from", {E(36)}, 106},
    {"gr_signal_code", {E(8)}, 106},
    {"gr_send", {R(48), R(5), C(5), C(0), E(36)}, 0},
    {"gr_send_wgas", {R(48), R(5), C(5), C(4000), C(0), E(36)}, 0},
    {"gr_send_init", {E(8)}, 0},
    {"gr_send_push", {C(0), R(5), C(5), E(4)}, 305},
    {"gr_send_push_input", {C(0), C(INPUT), C(5), E(4)}, 305},
    {"gr_send_commit", {C(0), R(48), C(0), E(36)}, 305},
    {"gr_send_commit_wgas", {C(0), R(48), C(4000), C(0), E(36)}, 305},
    {"gr_send_input", {R(48), C(INPUT), C(5), C(0), E(36)}, 0},
    {"gr_send_input_wgas", {R(48), C(INPUT), C(5), C(4000), C(0), E(36)}, 0},
    {"gr_reservation_send", {R(80), R(5), C(5), C(0), E(36)}, 500},
    {"gr_reservation_send_commit", {C(0), R(80), C(0), E(36)}, 500},
    {"gr_create_program", {R(48), R(5), C(5), R(5), C(5), C(0), E(68)}, 0},
    {"gr_create_program_wgas", {R(48), R(5), C(5), R(5), C(5), C(4000), C(0), E(68)}, 0},
    {"gr_reply", {R(5), C(5), R(16), E(36)}, 0},
    {"gr_reply_wgas", {R(5), C(5), C(4000), R(16), E(36)}, 0},
    {"gr_reply_push", {R(5), C(5), E(4)}, 0},
    {"gr_reply_push_input", {C(INPUT), C(5), E(4)}, 0},
    {"gr_reply_commit", {R(16), E(36)}, 0},
    {"gr_reply_commit_wgas", {C(4000), R(16), E(36)}, 0},
    {"gr_reply_input", {C(INPUT), C(5), R(16), E(36)}, 0},
    {"gr_reply_input_wgas", {C(INPUT), C(5), C(4000), R(16), E(36)}, 0},
    {"gr_reservation_reply", {R(48), R(5), C(5), E(36)}, 500},
    {"gr_reservation_reply_commit", {R(48), E(36)}, 500},
    {"gr_reply_deposit", {R(32), C(4000), E(4)}, 310},
    {"gr_wake", {R(32), C(0), E(4)}, 0},
    {"gr_reserve_gas", {C(4000), C(10), E(36)}, 0},
    {"gr_unreserve_gas", {R(32), E(12)}, 500},
    {"gr_system_reserve_gas", {C(4000), E(4)}, 0},
    {"gr_debug", {R(5), C(5)}, 0},
    {"gr_panic", {R(5), C(5)}, 0}, /* the last two end the call */
    {"gr_exit", {R(32)}, 0},
};

enum { CALLS = sizeof calls / sizeof calls[0] };

static unsigned arguments(const call *of)
{
    const char *type = abi_functions[actor_operation(of->name)].type;
    return (unsigned)(strchr(type, ':') - type);
}

static bool is_fallible(const call *of)
{
    unsigned last = arguments(of) - 1;
    return of->args[last].role == ERROR;
}

/* The arguments of a good call. */
static void good(const call *of, uint64_t *args)
{
    for (unsigned i = 0; i < arguments(of); i++) {
        switch (of->args[i].role) {
        case CONST:
            args[i] = of->args[i].value;
            break;
        case READ:
            args[i] = 0x100;
            break;
        case WRITE:
            args[i] = OUT_AT;
            break;
        case ERROR:
            args[i] = ERROR_AT;
            break;
        }
    }
}

static mr_receipt run(fixture *f, const call *of, const uint64_t *args)
{
    const mr_id actor = actor_new(f);
    script s = script_new();
    script_step(&s, of->name, args, arguments(of));
    return script_run(f, &actor, &s);
}

static mr_outcome good_outcome(const call *of)
{
    if (strcmp(of->name, "gr_panic") == 0)
        return MR_OUTCOME_PANIC;
    return strcmp(of->name, "gr_exit") == 0 ? MR_OUTCOME_EXITED : MR_OUTCOME_OK;
}

static uint32_t code_at(const fixture *f, uint64_t error_at)
{
    const mr_receipt receipt = fixture_receipt(f, 0);
    return fixture_u32(f, &receipt.program, error_at);
}

/* One pointer of a good call at another place. */
static void try_at(fixture *f, const call *of, unsigned which, uint64_t place, bool fits)
{
    uint64_t args[ACTOR_ARGS_MAX];
    good(of, args);
    args[which] = place;
    const mr_receipt receipt = run(f, of, args);
    const bool answers = is_fallible(of) && of->args[which].role != ERROR;
    const mr_outcome expected = fits || answers ? good_outcome(of) : MR_OUTCOME_TRAP;
    if (receipt.outcome != expected)
        fail_msg("%s, argument %u at 0x%llx: %s", of->name, which, (unsigned long long)place,
                 mr_outcome_name(receipt.outcome));
    if (expected == MR_OUTCOME_TRAP) {
        assert_true(receipt.text.size > 0);
        assert_code(fixture_message(f, 0), 1, 0, 2);
    } else if (is_fallible(of)) {
        const uint32_t code = code_at(f, args[arguments(of) - 1]);
        if (code != (fits ? of->code : 201))
            fail_msg("%s, argument %u at 0x%llx: code %u", of->name, which,
                     (unsigned long long)place, code);
    }
}

static bool is_reply_value(const call *of, unsigned which)
{
    return strncmp(of->name, "gr_reply", 8) == 0 && of->args[which].value == 16;
}

static void every_pointer_is_kept_inside_memory(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CALLS; i++) {
        const call *of = &calls[i];
        fixture f; /* one each: checking the state takes as long as there are programs */
        fixture_open(&f, NULL);
        for (unsigned which = 0; which < arguments(of); which++) {
            const uint64_t bytes = of->args[which].value;
            if (of->args[which].role == CONST)
                continue;
            try_at(&f, of, which, END - bytes, true);
            try_at(&f, of, which, END - bytes + 1, false);
            try_at(&f, of, which, END, false);
            try_at(&f, of, which, (uint64_t)UINT32_MAX + 1 - bytes, false);
            try_at(&f, of, which, UINT32_MAX - 1, false);
            try_at(&f, of, which, UINT32_MAX, is_reply_value(of, which)); /* there: value 0 */
        }
        fixture_close(&f);
    }
}

static void the_table_has_every_function_with_a_pointer(void **state)
{
    (void)state;
    unsigned found = 0;
    for (unsigned i = 0; i < ABI_FUNCTIONS_COUNT; i++) {
        for (unsigned k = 0; k < CALLS; k++)
            found += strcmp(abi_functions[i].name, calls[k].name) == 0;
    }
    assert_int_equal(found, CALLS);
    /* Not: alloc, free, free_range, oom_panic, leave, wait, wait_for, wait_up_to. */
    assert_int_equal(CALLS, ABI_FUNCTIONS_COUNT - 8);
}

static void nothing_is_read_or_written_at_a_pointer_to_nothing(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f), bob = mr_id_of_name("bob");
    script s = script_new();
    const uint32_t to = script_to(&s, &bob, 0);
    STEP(&s, "gr_send", to, UINT32_MAX, 0, 0, ERROR_AT);
    STEP(&s, "gr_send_wgas", to, END + 1, 0, 0, 0, ERROR_AT + 36);
    STEP(&s, "gr_send_init", ERROR_AT + 72);
    STEP(&s, "gr_send_push", 2, UINT32_MAX, 0, ERROR_AT + 80);
    STEP(&s, "gr_reply_push", UINT32_MAX, 0, ERROR_AT + 84);
    STEP(&s, "gr_debug", UINT32_MAX, 0);
    STEP(&s, "gr_read", 0, 0, UINT32_MAX, ERROR_AT + 88);
    STEP(&s, "gr_reply", UINT32_MAX, 0, UINT32_MAX, ERROR_AT + 92);
    script_run_ok(&f, &actor, &s);
    static const uint32_t offsets[] = {0, 36, 72, 80, 84, 88, 92};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
        assert_int_equal(fixture_u32(&f, &actor, ERROR_AT + offsets[i]), 0);
    script panic = script_new();
    STEP(&panic, "gr_panic", UINT32_MAX, 0);
    assert_int_equal(script_run(&f, &actor, &panic).outcome, MR_OUTCOME_PANIC);
    fixture_close(&f);
}

/* Lengths that make a good start end outside, or wrap. */
static void a_length_that_leads_outside_is_a_bad_pointer(void **state)
{
    (void)state;
    static const struct {
        uint64_t at, size;
    } ranges[] = {
        {END - 1, 2}, {1, END}, {0x100, UINT32_MAX}, {UINT32_MAX, UINT32_MAX}, {1, UINT32_MAX}};
    fixture f;
    fixture_open(&f, NULL);
    f.gas = (uint64_t)1 << 60;
    const mr_id bob = mr_id_of_name("bob");
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        const mr_id actor = actor_new(&f);
        const uint64_t at = ranges[i].at, size = ranges[i].size;
        script s = script_new();
        const uint32_t to = script_to(&s, &bob, 0);
        STEP(&s, "gr_send_init", ERROR_AT);
        STEP(&s, "gr_send_push", 0, at, size, ERROR_AT);
        STEP(&s, "gr_reply_push", at, size, ERROR_AT + 4);
        STEP(&s, "gr_send", to, at, size, 0, ERROR_AT + 8);
        STEP(&s, "gr_reply", at, size, UINT32_MAX, ERROR_AT + 44);
        script_run_ok(&f, &actor, &s);
        const uint32_t whole = size > 8u << 20 ? 300 : 201; /* too large is said first */
        assert_int_equal(fixture_u32(&f, &actor, ERROR_AT), 201);
        assert_int_equal(fixture_u32(&f, &actor, ERROR_AT + 4), 201);
        assert_int_equal(fixture_u32(&f, &actor, ERROR_AT + 8), whole);
        assert_int_equal(fixture_u32(&f, &actor, ERROR_AT + 44), whole);
        static const char *const trapping[] = {"gr_debug", "gr_panic"};
        for (size_t k = 0; k < 2; k++) {
            script trap = script_new();
            STEP(&trap, trapping[k], at, size);
            assert_int_equal(script_run(&f, &actor, &trap).outcome, MR_OUTCOME_TRAP);
            assert_code(fixture_message(&f, 0), 1, 0, 2);
        }
    }
    fixture_close(&f);
}

/* A program without any memory page has no good pointer at all. */
static void a_program_without_memory_can_be_told_nothing(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    mr_id program =
        fixture_program_of(&f, 0,
                           "(func (export \"handle\") (call $gr_debug (i32.const 9) (i32.const 0))"
                           "(call $gr_size (i32.const 0)))");
    mr_receipt receipt = fixture_send(&f, &program, (mr_span){0});
    assert_int_equal(receipt.outcome, MR_OUTCOME_TRAP);
    assert_text(receipt.text, "a host function was given a bad pointer for its result");
    program = fixture_program_of(
        &f, 0, "(func (export \"handle\") (call $gr_panic (i32.const 9) (i32.const 0)))");
    receipt = fixture_send(&f, &program, (mr_span){0});
    assert_int_equal(receipt.outcome, MR_OUTCOME_PANIC);
    program =
        fixture_program_of(&f, 0, "(func (export \"handle\") (drop (i32.load (i32.const 0))))");
    receipt = fixture_send(&f, &program, (mr_span){0});
    assert_int_equal(receipt.outcome, MR_OUTCOME_TRAP);
    fixture_close(&f);
}

static uint32_t draw(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % below;
}

/* A call of any function; about two arguments in three are good ones. */
static void random_step(script *s, uint64_t *seed)
{
    static const uint64_t numbers[] = {
        0,
        1,
        2,
        3,
        16,
        100,
        3000,
        4096,
        PAGE - 1,
        PAGE,
        END - 36,
        END - 4,
        END,
        END + 1,
        1u << 20,
        (8u << 20) + 1,
        0x7fffffff,
        0x80000000,
        UINT32_MAX - 3,
        UINT32_MAX,
        (uint64_t)1 << 32,
        INT64_MAX,
        (uint64_t)1 << 63,
        UINT64_MAX,
    };
    const call *of = &calls[draw(seed, draw(seed, 8) == 0 ? CALLS : CALLS - 2)];
    uint64_t args[ACTOR_ARGS_MAX] = {0};
    if (draw(seed, 5) == 0) {
        static const char *const others[] = {"alloc",   "free",        "free_range",   "gr_leave",
                                             "gr_wait", "gr_wait_for", "gr_wait_up_to"};
        const char *name = others[draw(seed, 7)];
        for (unsigned a = 0; a < 2; a++)
            args[a] = draw(seed, 2) == 0 ? draw(seed, 12) : numbers[draw(seed, 24)];
        script_step_for(s, OUT_AT, name, args, 2);
        return;
    }
    good(of, args);
    const unsigned count = arguments(of);
    for (unsigned a = 0; a < count; a++) {
        if (draw(seed, 3) == 0 && (of->args[a].role != ERROR || draw(seed, 20) == 0))
            args[a] = numbers[draw(seed, 24)];
    }
    script_step(s, of->name, args, count);
}

/* All functions, arguments drawn from numbers that break things: whatever the outcome, the engine
 * goes on and its books balance (checked after every block). */
static void any_arguments_leave_the_engine_standing(void **state)
{
    (void)state;
    const char *given = getenv("MR_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : randombytes_random();
    print_message("MR_SEED=%llu\n", (unsigned long long)seed);
    fixture f;
    fixture_open(&f, NULL);
    enum { ROUNDS = 40, MESSAGES = 20, STEPS = 12 };
    static script scripts[MESSAGES];
    mr_transaction sends[MESSAGES];
    const mr_id code = actor_upload(&f, ACTOR_ENTRIES);
    uint64_t outcomes[MR_OUTCOME_REMOVED + 1] = {0};
    for (unsigned round = 0; round < ROUNDS; round++) {
        const mr_id first = fixture_create(&f, &code, (mr_span){0});
        const mr_id second = fixture_create(&f, &code, (mr_span){0});
        f.value = round;
        for (unsigned m = 0; m < MESSAGES; m++) {
            scripts[m] = script_new();
            /* Where a good argument points to, there stands another actor. */
            const uint64_t *words = (const uint64_t *)(const void *)second.bytes;
            for (uint32_t w = 0; w < 4; w++)
                STEP(&scripts[m], "store", 0x100 + 8 * w, words[w]);
            for (unsigned step = 0; step < STEPS; step++)
                random_step(&scripts[m], &seed);
            sends[m] = fixture_send_of(&f, m % 4 == 0 ? &second : &first, script_span(&scripts[m]));
        }
        fixture_run(&f, sends, MESSAGES);
        fixture_accepted(&f);
        const mr_block_info info = fixture_info(&f);
        for (uint64_t i = 0; i < info.receipts_count; i++)
            outcomes[fixture_receipt(&f, i).outcome]++;
    }
    for (unsigned i = 0; i <= MR_OUTCOME_REMOVED; i++)
        print_message("%s: %llu\n", mr_outcome_name((mr_outcome)i),
                      (unsigned long long)outcomes[i]);
    fixture_close(&f);
}

int main(void)
{
    assert_true(sodium_init() >= 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_has_every_function_with_a_pointer),
        cmocka_unit_test(every_pointer_is_kept_inside_memory),
        cmocka_unit_test(nothing_is_read_or_written_at_a_pointer_to_nothing),
        cmocka_unit_test(a_length_that_leads_outside_is_a_bad_pointer),
        cmocka_unit_test(a_program_without_memory_can_be_told_nothing),
        cmocka_unit_test(any_arguments_leave_the_engine_standing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
