/* SPDX-License-Identifier: Apache-2.0 */
/* actor: one program that calls any host function with any arguments, as its messages tell it.
 *
 * A message that begins with a magic number is a script: steps of 80 bytes, each an operation,
 * up to 8 arguments and where its result goes, then data. All entries run the script they receive
 * and do nothing with any other payload, so the script of a reply can travel inside the script of a
 * message.
 *
 * The actor's memory: page 0 is for results; the message is copied to page 1. */
#ifndef MR_TESTS_ENGINE_ACTOR_H
#define MR_TESTS_ENGINE_ACTOR_H

#include "tests/engine/fixture.h"

enum {
    ACTOR_PAGES = 4,
    ACTOR_SCRIPT = PAGE,        /* where the message is copied to */
    ACTOR_BYTES_MAX = 2 * PAGE, /* copied of a message */
    ACTOR_STEP_BYTES = 80,
    ACTOR_STEPS_MAX = 64,
    ACTOR_DATA = 16 + ACTOR_STEPS_MAX * ACTOR_STEP_BYTES, /* offset of data in a script */
    ACTOR_SCRATCH = 0xff00,                               /* of the actor itself */
    ACTOR_ARGS_MAX = 8,
    ACTOR_RESULT = 9, /* word of a step: address of the result */
};

#define NO_VALUE ((uint64_t)UINT32_MAX) /* a pointer that stands for a reply's value of 0 */

#define ACTOR_MAGIC 0x3141592653589793u

/* Operations beside the host functions: X(name, code over the step at local $at). */
#define ACTOR_MAP(X)                                                                               \
    X(store,                                                                                       \
      "(i64.store (i32.load offset=8 (local.get $at)) (i64.load offset=16 (local.get $at)))")      \
    X(load, "(drop (i64.load (i32.load offset=8 (local.get $at))))")                               \
    X(unreachable, "(unreachable)")                                                                \
    X(divide, "(drop (i64.div_u (i64.const 1) (i64.load offset=8 (local.get $at))))")              \
    X(indirect, "(call_indirect (type $none) (i32.load offset=8 (local.get $at)))")                \
    X(count, "(i64.store (i32.load offset=8 (local.get $at))"                                      \
             "(i64.add (i64.const 1) (i64.load (i32.load offset=8 (local.get $at)))))")            \
    X(unless, /* address, number, steps to be left out unless the number is there */               \
      "(if (i64.ne (i64.load (i32.load offset=8 (local.get $at)))"                                 \
      "(i64.load offset=16 (local.get $at)))"                                                      \
      "(then (local.set $at (i32.add (local.get $at) (i32.mul (i32.const 80)"                      \
      "(i32.load offset=24 (local.get $at)))))))")                                                 \
    X(spin, "(loop $spin (br $spin))")                                                             \
    X(recurse, "(call $recurse)")                                                                  \
    X(stop, "(return)")

static const abi_function actor_operations[] = {
#define ACTOR_OPERATION(name, code) {#name, code},
    ACTOR_MAP(ACTOR_OPERATION)
#undef ACTOR_OPERATION
};

enum { ACTOR_OPERATIONS_COUNT = sizeof actor_operations / sizeof actor_operations[0] };

static inline void actor_case(wat_text *to, const abi_function *function)
{
    const char *type = function->type;
    const char *end = strchr(type, ':');
    const bool has_result = end[1] != '\0';
    if (has_result)
        text_add(to, "(i32.store (i32.load offset=%d (local.get $at)) ", 8 * ACTOR_RESULT);
    text_add(to, "(call $%s", function->name);
    for (unsigned i = 0; &type[i] < end; i++)
        text_add(to, " (%s.load offset=%u (local.get $at))", type[i] == 'i' ? "i32" : "i64",
                 8 + 8 * i);
    text_add(to, has_result ? "))\n" : ")\n");
}

/* The actor's text; the caller frees it. `entries` are those it exports, separated by blanks. */
static inline wat_text actor_text(const char *entries)
{
    enum { CASES = ABI_FUNCTIONS_COUNT + ACTOR_OPERATIONS_COUNT };
    wat_text body = {0};
    text_add(&body,
             "(type $none (func)) (table 2 funcref) (elem (i32.const 0) $wrong)\n"
             "(func $wrong (param i64))\n"
             "(func $recurse (call $recurse))\n"
             "(func $run (local $at i32) (local $end i32) (local $size i32)\n"
             "(call $gr_size (i32.const %d))\n"
             "(local.set $size (i32.load (i32.const %d)))\n"
             "(if (i32.gt_u (local.get $size) (i32.const %d))\n"
             "(then (local.set $size (i32.const %d))))\n"
             "(call $gr_read (i32.const 0) (local.get $size) (i32.const %d) (i32.const %d))\n"
             "(if (i32.lt_u (local.get $size) (i32.const 16)) (then (return)))\n"
             "(if (i64.ne (i64.load (i32.const %d)) (i64.const 0x%llx)) (then (return)))\n"
             "(local.set $at (i32.const %d))\n"
             "(local.set $end (i32.add (local.get $at)\n"
             "(i32.mul (i32.const %d) (i32.load (i32.const %d)))))\n"
             "(block $done (loop $next\n"
             "(br_if $done (i32.ge_u (local.get $at) (local.get $end)))\n(block $step\n",
             ACTOR_SCRATCH, ACTOR_SCRATCH, ACTOR_BYTES_MAX, ACTOR_BYTES_MAX, ACTOR_SCRIPT,
             ACTOR_SCRATCH + 4, ACTOR_SCRIPT, (unsigned long long)ACTOR_MAGIC, ACTOR_SCRIPT + 16,
             ACTOR_STEP_BYTES, ACTOR_SCRIPT + 8);
    for (unsigned i = 0; i < CASES; i++)
        text_add(&body, "(block ");
    text_add(&body, "(br_table");
    for (unsigned i = 0; i <= CASES; i++)
        text_add(&body, " %u", i);
    text_add(&body, " (i32.load (local.get $at)))");
    for (unsigned i = 0; i < CASES; i++) {
        text_add(&body, ")\n");
        if (i < ABI_FUNCTIONS_COUNT)
            actor_case(&body, &abi_functions[i]);
        else
            text_add(&body, "%s\n", actor_operations[i - ABI_FUNCTIONS_COUNT].type);
        text_add(&body, "(br $step)");
    }
    text_add(&body, ")\n(local.set $at (i32.add (local.get $at) (i32.const %d)))\n(br $next))))\n",
             ACTOR_STEP_BYTES);
    while (*entries != '\0') {
        int length = (int)strcspn(entries, " ");
        text_add(&body, "(export \"%.*s\" (func $run))\n", length, entries);
        entries += length + (entries[length] == ' ');
    }
    wat_text wat = {0};
    fixture_wrap(&wat, ACTOR_PAGES, body.at);
    text_fini(&body);
    return wat;
}

static inline mr_id actor_upload(fixture *f, const char *entries)
{
    wat_text wat = actor_text(entries);
    const mr_id code = fixture_upload(f, wat.at);
    text_fini(&wat);
    return code;
}

#define ACTOR_ENTRIES "init handle handle_reply handle_signal"

static inline mr_id actor_new(fixture *f)
{
    const mr_id code = actor_upload(f, ACTOR_ENTRIES);
    const mr_id actor = fixture_create(f, &code, (mr_span){0});
    assert_int_equal(fixture_receipt(f, 0).outcome, MR_OUTCOME_OK);
    return actor;
}

/* ---- Scripts ---- */

typedef struct script {
    uint64_t head[2]; /* magic, steps */
    uint64_t steps[ACTOR_STEPS_MAX][ACTOR_STEP_BYTES / 8];
    uint8_t data[24 * 1024];
    uint32_t data_bytes;
} script;

static_assert(offsetof(script, data) == ACTOR_DATA, "a script is sent as it stands in memory");

static inline script script_new(void)
{
    return (script){.head = {ACTOR_MAGIC, 0}};
}

static inline unsigned actor_operation(const char *name)
{
    for (unsigned i = 0; i < ABI_FUNCTIONS_COUNT; i++) {
        if (strcmp(abi_functions[i].name, name) == 0)
            return i;
    }
    for (unsigned i = 0; i < ACTOR_OPERATIONS_COUNT; i++) {
        if (strcmp(actor_operations[i].name, name) == 0)
            return ABI_FUNCTIONS_COUNT + i;
    }
    fail_msg("no operation %s", name);
    return 0;
}

static inline void script_step(script *s, const char *name, const uint64_t *args, size_t count)
{
    assert_true(s->head[1] < ACTOR_STEPS_MAX && count <= ACTOR_ARGS_MAX);
    uint64_t *step = s->steps[s->head[1]++];
    step[0] = actor_operation(name);
    for (size_t i = 0; i < count; i++)
        step[1 + i] = args[i];
}

/* STEP(&s, "gr_send_init", error_at) adds a call; STEP_FOR also says where the result of alloc and
 * the like goes to. */
#define STEP(s, name, ...)                                                                         \
    script_step((s), (name), (const uint64_t[]){__VA_ARGS__},                                      \
                sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static inline void script_step_for(script *s, uint32_t result_at, const char *name,
                                   const uint64_t *args, size_t count)
{
    script_step(s, name, args, count);
    s->steps[s->head[1] - 1][ACTOR_RESULT] = result_at;
}

#define STEP_FOR(s, result_at, name, ...)                                                          \
    script_step_for((s), (result_at), (name), (const uint64_t[]){__VA_ARGS__},                     \
                    sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* Adds data and returns the address it will have in the actor. */
static inline uint32_t script_data(script *s, const void *bytes, size_t size)
{
    assert_true(size <= sizeof s->data - s->data_bytes);
    uint32_t at = s->data_bytes;
    memcpy(s->data + at, bytes, size);
    s->data_bytes += (uint32_t)size;
    return ACTOR_SCRIPT + ACTOR_DATA + at;
}

static inline uint32_t script_text(script *s, const char *of)
{
    return script_data(s, of, strlen(of));
}

/* Adds a destination: an id and the value to send there. */
static inline uint32_t script_to(script *s, const mr_id *id, mr_value value)
{
    uint32_t at = script_data(s, id, sizeof *id);
    (void)script_data(s, &value, sizeof value);
    return at;
}

static inline uint32_t script_value(script *s, mr_value value)
{
    return script_data(s, &value, sizeof value);
}

static inline mr_span script_span(const script *s)
{
    return mr_span_of(s, ACTOR_DATA + s->data_bytes);
}

/* Adds a script as data: what another actor, or this one later, is to run. */
static inline uint32_t script_script(script *s, const script *inner)
{
    const mr_span span = script_span(inner);
    return script_data(s, span.data, span.size);
}

static inline mr_receipt script_run(fixture *f, const mr_id *actor, const script *s)
{
    return fixture_send(f, actor, script_span(s));
}

static inline void script_run_ok(fixture *f, const mr_id *actor, const script *s)
{
    const mr_receipt receipt = script_run(f, actor, s);
    if (receipt.outcome != MR_OUTCOME_OK)
        fail_msg("%s: %.*s", mr_outcome_name(receipt.outcome), (int)receipt.text.size,
                 (const char *)receipt.text.data);
}

#endif
