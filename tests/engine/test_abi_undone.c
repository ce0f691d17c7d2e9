/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: whatever host function a dispatch called with success, nothing of it is left when the
 * dispatch fails: not in memory, heap, balance or messages, and not in the next dispatch.
 * Method: each function is called in a dispatch that ends well, which must leave a trace, and in
 * one that traps, which must not. */
#include "tests/engine/actor.h"

enum { MEMORY_PAGES = ACTOR_PAGES + 2, OUT = 0x800, SPARE = 0xa00, BYTES = MEMORY_PAGES * PAGE };

#define TO    ((uint64_t)1 << 40) /* bob and value 1 */
#define VALUE ((uint64_t)2 << 40) /* value 1 */
#define CODE  ((uint64_t)3 << 40) /* the actor's code and value 1 */

/* Room for the answer of gr_reserve_gas, whose id stands before what goes with a reservation. */
#define MADE        ((uint64_t)4 << 40)
#define MADE_FOR    ((uint64_t)5 << 40) /* the id, bob and value 1 */
#define MADE_ANSWER ((uint64_t)6 << 40) /* likewise, for a reply */
#define MADE_REPLY  ((uint64_t)7 << 40) /* the id and value 1 */

typedef struct call {
    const char *name;
    uint64_t args[8];
} call;

/* The function is the first of each; the others make its effect visible. */
typedef struct effect {
    call calls[3];
    unsigned at; /* which call is the function's */
} effect;

static const effect effects[] = {
    {{{"alloc", {1}}}, 0},
    {{{"free", {ACTOR_PAGES + 1}}}, 0},
    {{{"free_range", {ACTOR_PAGES, ACTOR_PAGES + 1}}}, 0},
    {{{"gr_read", {16, 24, OUT, SPARE}}}, 0},
    {{{"gr_size", {OUT}}}, 0},
    {{{"gr_source", {OUT}}}, 0},
    {{{"gr_value", {OUT}}}, 0},
    {{{"gr_message_id", {OUT}}}, 0},
    {{{"gr_program_id", {OUT}}}, 0},
    {{{"gr_reply_to", {OUT}}}, 0},
    {{{"gr_reply_code", {OUT}}}, 0},
    {{{"gr_block_height", {OUT}}}, 0},
    {{{"gr_block_timestamp", {OUT}}}, 0},
    {{{"gr_gas_available", {OUT}}}, 0},
    {{{"gr_value_available", {OUT}}}, 0},
    {{{"gr_env_vars", {1, OUT}}}, 0},
    {{{"gr_random", {ACTOR_SCRIPT, OUT}}}, 0},
    {{{"gr_signal_from", {OUT}}}, 0},
    {{{"gr_signal_code", {OUT}}}, 0},
    {{{"gr_send", {TO, 0, 5, 0, OUT}}}, 0},
    {{{"gr_send_wgas", {TO, 0, 5, 4000, 0, OUT}}}, 0},
    {{{"gr_send_init", {OUT}}, {"gr_send_commit", {0, TO, 0, OUT}}}, 0},
    {{{"gr_send_init", {OUT}},
      {"gr_send_push", {0, 0, 5, OUT}},
      {"gr_send_commit", {0, TO, 0, OUT}}},
     1},
    {{{"gr_send_init", {OUT}},
      {"gr_send_push_input", {0, 0, 5, OUT}},
      {"gr_send_commit", {0, TO, 0, OUT}}},
     1},
    {{{"gr_send_init", {OUT}}, {"gr_send_commit", {0, TO, 0, OUT}}}, 1},
    {{{"gr_send_init", {OUT}}, {"gr_send_commit_wgas", {0, TO, 4000, 0, OUT}}}, 1},
    {{{"gr_send_input", {TO, 0, 5, 0, OUT}}}, 0},
    {{{"gr_send_input_wgas", {TO, 0, 5, 4000, 0, OUT}}}, 0},
    {{{"gr_reserve_gas", {4000, 10, MADE}}, {"gr_reservation_send", {MADE_FOR, 0, 5, 0, OUT}}}, 1},
    {{{"gr_reserve_gas", {4000, 10, MADE}},
      {"gr_send_init", {OUT}},
      {"gr_reservation_send_commit", {0, MADE_FOR, 0, OUT}}},
     2},
    {{{"gr_create_program", {CODE, 0, 5, 0, 5, 0, OUT}}}, 0},
    {{{"gr_create_program_wgas", {CODE, 0, 5, 0, 5, 400000, 0, OUT}}}, 0},
    {{{"gr_reply", {0, 5, VALUE, OUT}}}, 0},
    {{{"gr_reply_wgas", {0, 5, 4000, VALUE, OUT}}}, 0},
    {{{"gr_reply_push", {0, 5, OUT}}, {"gr_reply_commit", {VALUE, OUT}}}, 0},
    {{{"gr_reply_push_input", {0, 5, OUT}}, {"gr_reply_commit", {VALUE, OUT}}}, 0},
    {{{"gr_reply_commit", {VALUE, OUT}}}, 0},
    {{{"gr_reply_commit_wgas", {4000, VALUE, OUT}}}, 0},
    {{{"gr_reply_input", {0, 5, VALUE, OUT}}}, 0},
    {{{"gr_reply_input_wgas", {0, 5, 4000, VALUE, OUT}}}, 0},
    {{{"gr_reserve_gas", {4000, 10, MADE_ANSWER}},
      {"gr_reservation_reply", {MADE_REPLY, 0, 5, OUT}}},
     1},
    {{{"gr_reserve_gas", {4000, 10, MADE_ANSWER}},
      {"gr_reservation_reply_commit", {MADE_REPLY, OUT}}},
     1},
    {{{"gr_send", {TO, 0, 5, 0, OUT}}, {"gr_reply_deposit", {OUT + 4, 4000, SPARE}}}, 1},
    {{{"gr_wake", {ACTOR_SCRIPT, 0, OUT}}}, 0},
    {{{"gr_reserve_gas", {4000, 10, OUT}}}, 0},
    {{{"gr_reserve_gas", {4000, 10, OUT}}, {"gr_unreserve_gas", {OUT + 4, SPARE}}}, 1},
    {{{"gr_system_reserve_gas", {4000, OUT}}}, 0},
};

enum { EFFECTS = sizeof effects / sizeof effects[0] };

/* Without these: gr_panic and gr_oom_panic are failures themselves, gr_leave, gr_exit and those
 * that wait end the dispatch well, and what gr_debug prints is kept whatever follows. */
static void every_function_that_returns_is_tried(void **state)
{
    (void)state;
    static const char *const others[] = {"gr_debug", "gr_panic", "gr_oom_panic", "gr_leave",
                                         "gr_exit",  "gr_wait",  "gr_wait_for",  "gr_wait_up_to"};
    for (unsigned i = 0; i < ABI_FUNCTIONS_COUNT; i++) {
        unsigned found = 0;
        for (unsigned k = 0; k < EFFECTS; k++)
            found += strcmp(effects[k].calls[effects[k].at].name, abi_functions[i].name) == 0;
        for (unsigned k = 0; k < sizeof others / sizeof others[0]; k++)
            found += strcmp(others[k], abi_functions[i].name) == 0;
        if (found != 1)
            fail_msg("%s is tried %u times", abi_functions[i].name, found);
    }
}

/* Two pages of heap with something in them, and a balance. */
static mr_id actor_with_a_past(fixture *f)
{
    /* Without handle_signal: what that does is no trace of what failed. */
    const mr_id code = actor_upload(f, "init handle handle_reply");
    const mr_id actor = fixture_create(f, &code, (mr_span){0});
    script s = script_new();
    STEP_FOR(&s, SPARE, "alloc", 2);
    for (uint32_t page = ACTOR_PAGES; page < MEMORY_PAGES; page++)
        STEP(&s, "store", page * PAGE + 77, 0x7777777777777777);
    for (uint32_t i = 0; i < 64; i += 8)
        STEP(&s, "store", OUT + i, 0x6666666666666666);
    f->value = 100;
    script_run_ok(f, &actor, &s);
    return actor;
}

static uint64_t place_of(uint64_t arg, uint32_t to)
{
    enum { CODE_AT = 48, MADE_AT = CODE_AT + 48, ANSWER_AT = MADE_AT + 4 + 80 };
    return arg == TO            ? to
           : arg == VALUE       ? to + 32
           : arg == CODE        ? to + CODE_AT
           : arg == MADE        ? to + MADE_AT
           : arg == MADE_FOR    ? to + MADE_AT + 4
           : arg == MADE_ANSWER ? to + ANSWER_AT
           : arg == MADE_REPLY  ? to + ANSWER_AT + 4
                                : arg;
}

static script script_of(const fixture *f, const mr_id *actor, const effect *of, const char *end)
{
    static const uint8_t answer[36];
    script s = script_new();
    const mr_id bob = mr_id_of_name("bob"), code = fixture_program_info(f, actor).code;
    const uint32_t to = script_to(&s, &bob, 1);
    (void)script_to(&s, &code, 1);
    (void)script_data(&s, answer, sizeof answer);
    (void)script_to(&s, &bob, 1);
    (void)script_data(&s, answer, sizeof answer);
    (void)script_value(&s, 1);
    for (size_t i = 0; i < 3 && of->calls[i].name != NULL; i++) {
        uint64_t args[8];
        for (size_t a = 0; a < 8; a++)
            args[a] = place_of(of->calls[i].args[a], to);
        script_step_for(&s, OUT, of->calls[i].name, args, 8);
    }
    STEP(&s, end);
    return s;
}

static uint8_t before[BYTES], after[BYTES];

/* That nothing is left over is seen by the next dispatch, too. */
static void assert_next_dispatch_is_fresh(fixture *f, const mr_id *actor)
{
    script s = script_new();
    STEP(&s, "gr_send_init", SPARE);
    STEP(&s, "gr_value_available", SPARE + 16);
    STEP(&s, "gr_reply_commit", NO_VALUE, SPARE + 32);
    f->value = 0;
    script_run_ok(f, actor, &s);
    assert_int_equal(fixture_u32(f, actor, SPARE), 0);
    assert_int_equal(fixture_u32(f, actor, SPARE + 4), 0); /* the first handle */
    assert_value_equal(fixture_u128(f, actor, SPARE + 16), fixture_program_info(f, actor).balance);
    assert_int_equal(fixture_u32(f, actor, SPARE + 32), 0);
    assert_int_equal(fixture_info(f).user_messages_count, 1);
    assert_int_equal(fixture_message(f, 0).payload.size, 0);
}

static void a_failed_dispatch_takes_every_call_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EFFECTS; i++) {
        fixture f; /* one each: checking the state takes as long as there are programs */
        fixture_open(&f, NULL);
        const mr_id actor = actor_with_a_past(&f);
        const char *name = effects[i].calls[effects[i].at].name;
        const mr_program_info info_before = fixture_program_info(&f, &actor);
        fixture_memory(&f, &actor, 0, before, BYTES);
        const script failing = script_of(&f, &actor, &effects[i], "unreachable");
        f.value = 4;
        const mr_receipt receipt = script_run(&f, &actor, &failing);
        assert_int_equal(receipt.outcome, MR_OUTCOME_TRAP);
        const mr_program_info info_after = fixture_program_info(&f, &actor);
        fixture_memory(&f, &actor, 0, after, BYTES);
        if (memcmp(&info_before, &info_after, sizeof info_before) != 0 ||
            memcmp(before, after, BYTES) != 0)
            fail_msg("%s leaves something in the program", name);
        assert_int_equal(fixture_info(&f).user_messages_count, 1);
        assert_code(fixture_message(&f, 0), 1, 0, 4);
        assert_int_equal(fixture_message(&f, 0).payload.size, 0);
        assert_value_equal(fixture_message(&f, 0).value, 4);
        assert_next_dispatch_is_fresh(&f, &actor);
        fixture_close(&f);
    }
}

/* Else the test above could not fail. */
static void a_dispatch_that_ends_well_keeps_them(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EFFECTS; i++) {
        fixture f;
        fixture_open(&f, NULL);
        const mr_id actor = actor_with_a_past(&f);
        const mr_program_info info_before = fixture_program_info(&f, &actor);
        fixture_memory(&f, &actor, OUT, before, 64);
        const script s = script_of(&f, &actor, &effects[i], "stop");
        f.value = 4;
        script_run_ok(&f, &actor, &s);
        const mr_program_info info_after = fixture_program_info(&f, &actor);
        fixture_memory(&f, &actor, OUT, after, 64);
        if (memcmp(before, after, 64) == 0 && info_before.pages == info_after.pages)
            fail_msg("%s has no effect", effects[i].calls[effects[i].at].name);
        const uint64_t first = effects[i].calls[0].args[0];
        const char *name = effects[i].calls[effects[i].at].name;
        if (first == TO || first == CODE ||
            (effects[i].calls[1].name != NULL && strcmp(name, "gr_unreserve_gas") != 0))
            assert_true(info_after.balance < info_before.balance + 4);
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_that_returns_is_tried),
        cmocka_unit_test(a_failed_dispatch_takes_every_call_back),
        cmocka_unit_test(a_dispatch_that_ends_well_keeps_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
