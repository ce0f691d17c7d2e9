/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: whatever a host function writes, and whatever the program stores, across a border of a
 * unit, a page, the stack or memory, is state to the byte when the dispatch ends well, and was
 * never there when it fails.
 * Method: each function writes at a quiet place and, in the same dispatch, across each border; both
 * must read the same afterwards, and nothing else may have changed. */
#include "tests/engine/actor.h"

enum { UNIT = 256, END = ACTOR_PAGES * PAGE, QUIET = 0x1000, PATTERN = 0x66, SPARE = 0x1800 };

/* `to` is the argument that is written to. */
typedef struct writing {
    const char *name;
    uint64_t args[6];
    unsigned to;
    uint32_t bytes;
} writing;

static const writing writings[] = {
    {"store", {0, 0x0123456789abcdef}, 0, 8},
    {"gr_read", {16, 1, 0, SPARE}, 2, 1},
    {"gr_read", {16, 24, 0, SPARE}, 2, 24},
    {"gr_read", {16, 300, 0, SPARE}, 2, 300},
    {"gr_read", {100000, 1, SPARE, 0}, 3, 4},
    {"gr_size", {0}, 0, 4},
    {"gr_source", {0}, 0, 32},
    {"gr_value", {0}, 0, 16},
    {"gr_message_id", {0}, 0, 32},
    {"gr_program_id", {0}, 0, 32},
    {"gr_reply_to", {0}, 0, 36},
    {"gr_reply_code", {0}, 0, 8},
    {"gr_block_height", {0}, 0, 4},
    {"gr_block_timestamp", {0}, 0, 8},
    {"gr_value_available", {0}, 0, 16},
    {"gr_env_vars", {1, 0}, 1, 52},
    {"gr_random", {0x100, 0}, 1, 36},
    {"gr_send_push", {9, 0, 1, 0}, 3, 4},
    {"gr_send_commit", {9, 0x100, 0, 0}, 3, 36},
    {"gr_reply_push", {0, 1, 0}, 2, 4},
};

/* Unit, 4 KiB and page borders, and the end of memory. Pages 2 and 3 are nobody's. */
static const uint32_t borders[] = {2 * PAGE + 3 * UNIT, 2 * PAGE + 16 * UNIT, 3 * PAGE - UNIT,
                                   3 * PAGE, END};

static uint8_t before[END], after[END], expected[END];

static void write_pattern(fixture *f, const mr_id *actor)
{
    script s = script_new();
    for (size_t b = 0; b < sizeof borders / sizeof borders[0]; b++) {
        for (uint32_t at = borders[b] - 16; at < borders[b] + 16 && at < END; at += 8)
            STEP(&s, "store", at, PATTERN * 0x0101010101010101u);
    }
    script_run_ok(f, actor, &s);
}

static script script_at(const writing *of, uint32_t place, const char *end)
{
    script s = script_new();
    const uint32_t places[] = {QUIET, place};
    for (unsigned i = 0; i < 2; i++) {
        uint64_t args[6];
        memcpy(args, of->args, sizeof args);
        args[of->to] = places[i];
        script_step(&s, of->name, args, 6);
    }
    STEP(&s, end);
    return s;
}

static void try_place(fixture *f, const mr_id *actor, const writing *of, uint32_t place)
{
    fixture_memory(f, actor, 0, before, END);
    const script failing = script_at(of, place, "unreachable");
    assert_int_equal(script_run(f, actor, &failing).outcome, MR_OUTCOME_TRAP);
    fixture_memory(f, actor, 0, after, END);
    if (memcmp(before, after, END) != 0)
        fail_msg("%s at %u is not undone", of->name, place);
    const script s = script_at(of, place, "stop");
    script_run_ok(f, actor, &s);
    fixture_memory(f, actor, 0, after, END);
    memcpy(expected, before + 2 * PAGE, 2 * PAGE);
    memcpy(expected + (place - 2 * PAGE), after + QUIET, of->bytes);
    for (uint32_t i = 0; i < 2 * PAGE; i++) {
        if (after[2 * PAGE + i] != expected[i])
            fail_msg("%s at %u: byte %u is %u, not %u", of->name, place, 2 * PAGE + i,
                     after[2 * PAGE + i], expected[i]);
    }
}

static void every_border_is_written_across_to_the_byte(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    f.value = 3;
    for (size_t w = 0; w < sizeof writings / sizeof writings[0]; w++) {
        const writing *of = &writings[w];
        for (size_t b = 0; b < sizeof borders / sizeof borders[0]; b++) {
            const uint32_t places[] = {borders[b] - of->bytes, borders[b] - of->bytes + 1,
                                       borders[b] - of->bytes / 2, borders[b] - 1, borders[b]};
            for (size_t p = 0; p < 5; p++) {
                if (places[p] + of->bytes > END)
                    continue; /* test_abi_pointers.c has these */
                write_pattern(&f, &actor);
                try_place(&f, &actor, of, places[p]);
            }
        }
    }
    fixture_close(&f);
}

/* What lies on the shadow stack is gone with the dispatch, what lies behind it stays. */
static void across_the_end_of_the_stack_only_what_is_behind_it_stays(void **state)
{
    (void)state;
    static const char *const writes[] = {
        "(call $gr_source (i32.add (local.get $at) (i32.const %d)))",
        "(call $gr_read (i32.const 0) (i32.const 32) (i32.add (local.get $at) (i32.const %d))"
        "(i32.const 131072))",
        "(i64.store (i32.add (local.get $at) (i32.const %d)) (i64.const -1))",
    };
    static const uint32_t sizes[] = {32, 32, 8};
    uint8_t payload[32];
    memset(payload, 0x5a, sizeof payload);
    fixture f;
    fixture_open(&f, NULL);
    memset(f.from.bytes, 0x5b, sizeof f.from.bytes);
    for (size_t w = 0; w < 3; w++) {
        for (uint32_t below = 0; below <= sizes[w]; below += w == 2 ? 1 : 4) {
            wat_text body = {0};
            text_add(&body, "(global (export \"__gear_stack_end\") i32 (i32.const 65536))"
                            "(func (export \"handle\") (local $at i32)"
                            "(local.set $at (i32.const 65536))");
            text_add(&body, "(i32.store (i32.const 131076) (i32.load8_u (i32.const 65535)))");
            char call[256];
            (void)snprintf(call, sizeof call, "%s)", writes[w]);
            const char *split = strstr(call, "%d");
            text_add(&body, "%.*s%d%s", (int)(split - call), call, -(int)below, split + 2);
            const mr_id program = fixture_program_of(&f, 3, body.at);
            text_fini(&body);
            const uint8_t byte = (uint8_t)(w == 0 ? 0x5b : w == 1 ? 0x5a : 0xff);
            for (unsigned again = 0; again < 2; again++) {
                assert_int_equal(fixture_send(&f, &program, mr_span_of(payload, 32)).outcome,
                                 MR_OUTCOME_OK);
                uint8_t around[128];
                fixture_memory(&f, &program, 65536 - 64, around, sizeof around);
                for (uint32_t i = 0; i < sizeof around; i++) {
                    const bool kept = i >= 64 && i - 64 < sizes[w] - below;
                    assert_int_equal(around[i], kept ? byte : 0);
                }
                assert_int_equal(fixture_u32(&f, &program, 131076), 0); /* nothing of the last */
            }
        }
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_border_is_written_across_to_the_byte),
        cmocka_unit_test(across_the_end_of_the_stack_only_what_is_behind_it_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
