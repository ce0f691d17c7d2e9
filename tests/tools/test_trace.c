/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=e2e timeout=180
 * Goal: `millrace run` explains failures, traces what came of what, profiles and estimates gas, in
 * text and in JSON. Method: runs the binary on programs that fail in known places; figures in JSON
 * are added up and compared with each other. */
#include "support.h"

/* By the first letter of its message: w waits 10 blocks, once; f the same and fails then; t traps
 * in $inner below $outer; l loops; r recurses; p panics with its message; m gr_oom_panic; e exits.
 */
#define MOODS                                                                                      \
    "(module (import \"env\" \"memory\" (memory 1))\n"                                             \
    "(import \"env\" \"gr_size\" (func $size (param i32)))\n"                                      \
    "(import \"env\" \"gr_read\" (func $read (param i32 i32 i32 i32)))\n"                          \
    "(import \"env\" \"gr_source\" (func $source (param i32)))\n"                                  \
    "(import \"env\" \"gr_wait_up_to\" (func $wait (param i32)))\n"                                \
    "(import \"env\" \"gr_panic\" (func $panic (param i32 i32)))\n"                                \
    "(import \"env\" \"gr_oom_panic\" (func $oom))\n"                                              \
    "(import \"env\" \"gr_exit\" (func $exit (param i32)))\n"                                      \
    "(func $inner unreachable)\n"                                                                  \
    "(func $outer (call $inner))\n"                                                                \
    "(func $recurse (call $recurse))\n"                                                            \
    "(func $act (param $mood i32)\n"                                                               \
    "  (if (i32.or (i32.eq (local.get $mood) (i32.const 119))\n"                                   \
    "              (i32.eq (local.get $mood) (i32.const 102)))\n"                                  \
    "    (then (if (i32.eqz (i32.load (i32.const 256))) (then\n"                                   \
    "      (i32.store (i32.const 256) (i32.const 1))\n"                                            \
    "      (call $wait (i32.const 10))))\n"                                                        \
    "      (i32.store (i32.const 256) (i32.const 0))))\n"                                          \
    "  (if (i32.eq (local.get $mood) (i32.const 102)) (then (call $inner)))\n"                     \
    "  (if (i32.eq (local.get $mood) (i32.const 116)) (then (call $outer)))\n"                     \
    "  (if (i32.eq (local.get $mood) (i32.const 108)) (then (loop $on (br $on))))\n"               \
    "  (if (i32.eq (local.get $mood) (i32.const 114)) (then (call $recurse)))\n"                   \
    "  (if (i32.eq (local.get $mood) (i32.const 112))\n"                                           \
    "    (then (call $panic (i32.const 64) (i32.load (i32.const 0)))))\n"                          \
    "  (if (i32.eq (local.get $mood) (i32.const 109)) (then (call $oom)))\n"                       \
    "  (if (i32.eq (local.get $mood) (i32.const 101))\n"                                           \
    "    (then (call $source (i32.const 512)) (call $exit (i32.const 512)))))\n"                   \
    "(func $mood (result i32)\n"                                                                   \
    "  (call $size (i32.const 0))\n"                                                               \
    "  (if (i32.eqz (i32.load (i32.const 0))) (then (return (i32.const 0))))\n"                    \
    "  (call $read (i32.const 0) (i32.load (i32.const 0)) (i32.const 64) (i32.const 48))\n"        \
    "  (i32.load8_u (i32.const 64)))\n"                                                            \
    "(func $init (export \"init\") (call $act (call $mood)))\n"                                    \
    "(func $handle (export \"handle\") (call $act (call $mood))))\n"

#define PROGRAMS "programs: [{name: moods, path: moods.wat, from: alice}]\nblocks:\n"

/* Sends what it gets on to the program whose id begins the message. */
#define FORWARD                                                                                    \
    "(module (import \"env\" \"memory\" (memory 1))\n"                                             \
    "(import \"env\" \"gr_size\" (func $size (param i32)))\n"                                      \
    "(import \"env\" \"gr_read\" (func $read (param i32 i32 i32 i32)))\n"                          \
    "(import \"env\" \"gr_send\" (func $send (param i32 i32 i32 i32 i32)))\n"                      \
    "(func $handle (export \"handle\")\n"                                                          \
    "  (call $size (i32.const 0))\n"                                                               \
    "  (call $read (i32.const 0) (i32.const 32) (i32.const 64) (i32.const 48))\n"                  \
    "  (call $read (i32.const 32) (i32.sub (i32.load (i32.const 0)) (i32.const 32))\n"             \
    "              (i32.const 512) (i32.const 48))\n"                                              \
    "  (call $send (i32.const 64) (i32.const 512)\n"                                               \
    "              (i32.sub (i32.load (i32.const 0)) (i32.const 32)) (i32.const 0)\n"              \
    "              (i32.const 48)))\n"                                                             \
    "(func (export \"handle_reply\")))\n"

static int run(const char *scenario, const char *arguments)
{
    write_text("moods.wat", MOODS);
    write_text("forward.wat", FORWARD);
    write_text("scenario.yaml", scenario);
    return millrace("run scenario.yaml --no-pin %s", arguments);
}

static void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("\"%s\"\nis in\n%s", part, text);
}

static json_int_t number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value))
        fail_msg("%s is no number", key);
    return json_integer_value(value);
}

static json_t *run_json(const char *scenario, const char *arguments)
{
    char all[256];
    (void)snprintf(all, sizeof all, "--json %s", arguments);
    if (run(scenario, all) == 2)
        fail_msg("%s", command_err);
    json_t *object = json_load_file("out.txt", JSON_ALLOW_NUL, NULL); /* it may be long */
    if (object == NULL)
        fail_msg("no JSON: %s%s", command_out, command_err);
    return object;
}

#define LONG                                                                                       \
    "panicked at a place with a long name which is told together with what was expected and what " \
    "was found all of which is wanted and none of which fits a line of those that lists have"

static void every_way_to_fail_is_explained_with_a_hint(void **state)
{
    (void)state;
    static const struct {
        const char *mood, *shown;
    } cases[] = {
        {"text: t", "handle of moods failed: trap\n"},
        {"text: t", "    where    executed unreachable\n             in inner\n"
                    "             in outer\n             in act\n             in handle\n"},
        {"text: t", "    from     alice, payload \"t\", value 0\n"},
        {"text: t", "    hint     the program gave up without a panic's text"},
        {"text: pardon",
         "    text     \"pardon\"\n    where    in gr_panic\n             in act\n"},
        {"text: \"pardon, \\u00e9t\\u00e9:\\n  left: 1\"",
         "    text     \"pardon, \u00e9t\u00e9:\\n  left: 1\"\n"},
        {"text: " LONG, "    text     \"" LONG "\"\n"},
        {"text: l", "    gas      limit 30,000,000, burned 30,000,000\n"},
        {"text: l",
         "    hint     give the message more than gas: 30000000; millrace run --estimate"},
        {"text: r", "    where    the stack is too high\n             in recurse\n"},
        {"text: r", "    hint     calls are nested too deeply: at most 36,743 values"},
        {"text: m", "    hint     the allocator found no room; a program has at most 32,768 pages"},
        {"hex: 74ff00", "    path     handle alice -> moods 0x74ff00, transaction 1 of block 2\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        (void)snprintf(text, sizeof text,
                       PROGRAMS "- messages: [{from: alice, to: moods, gas: 30000000, "
                                "payload: {%s}}]\n",
                       cases[i].mood);
        assert_int_equal(run(text, ""), 0);
        assert_contains(command_out, cases[i].shown);
    }
}

static void a_message_to_a_program_that_is_not_there_for_it_is_explained(void **state)
{
    (void)state;
    assert_int_equal(
        run("programs:\n- {name: dead, path: moods.wat, from: alice, init: {text: t}}\n"
            "- {name: slow, path: moods.wat, from: alice, salt: slow, init: {text: w}}\n"
            "- {name: gone, path: moods.wat, from: alice, salt: gone}\nblocks:\n"
            "- messages: [{from: alice, to: gone, payload: {text: e}}]\n"
            "- messages:\n  - {from: alice, to: dead}\n  - {from: alice, to: slow}\n"
            "  - {from: alice, to: gone}\n",
            ""),
        0);
    assert_contains(command_out, "init of dead failed: trap\n");
    assert_contains(command_out, "hint     dead: its init failed, so there will never be");
    assert_contains(command_out, "hint     slow: its init message has not ended yet");
    assert_contains(command_out, "hint     gone: it has ended itself with gr_exit; its heir is in");
    /* What is no message that is answered gets no error reply. */
    write_text("leave.wat",
               "(module (import \"env\" \"memory\" (memory 1))\n"
               "(import \"env\" \"gr_read\" (func $read (param i32 i32 i32 i32)))\n"
               "(import \"env\" \"gr_send\" (func $send (param i32 i32 i32 i32 i32)))\n"
               "(import \"env\" \"gr_exit\" (func $exit (param i32)))\n"
               "(func (export \"handle\")\n"
               "  (call $read (i32.const 0) (i32.const 32) (i32.const 64) (i32.const 128))\n"
               "  (call $send (i32.const 64) (i32.const 0) (i32.const 0) (i32.const 0)\n"
               "              (i32.const 128))\n"
               "  (call $exit (i32.const 64))))\n");
    assert_int_equal(run("programs:\n- {name: moods, path: moods.wat, from: alice}\n"
                         "- {name: leave, path: leave.wat, from: alice}\nblocks:\n"
                         "- messages: [{from: alice, to: leave, payload: {id: moods}}]\n",
                         ""),
                     0);
    assert_contains(command_out, "reply of leave failed: unavailable\n");
    assert_contains(command_out, "hint     leave: it has ended itself with gr_exit\n");
    /* Too little to begin is another thing than too little to end. */
    assert_int_equal(run(PROGRAMS "- messages: [{from: alice, to: moods, gas: 5000}]\n", ""), 0);
    assert_contains(command_out, "hint     5,000 gas do not cover what it costs to begin: 10,000");
}

static void what_is_expected_is_not_explained_unless_asked_for(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "receipts: [{outcome: trap}]",
        "receipts: [{from: alice, to: moods, outcome: trap}]",
        "messages: [{code: 01000400}]",
    };
    static const char *const others[] = {
        "receipts: [{to: moods}]",
        "messages: [{to: alice}]",
        "queue: 0",
    };
    char text[512];
    static const char message[] = "- messages: [{from: alice, to: moods, payload: {text: t}}]\n";
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(text, sizeof text, PROGRAMS "%s  expect: {%s}\n", message, expected[i]);
        assert_int_equal(run(text, ""), 0);
        assert_lacks(command_out, " failed: ");
        assert_int_equal(run(text, "--explain"), 0);
        assert_contains(command_out, "handle of moods failed: trap\n");
        (void)snprintf(text, sizeof text, PROGRAMS "%s  expect: {%s}\n", message, others[i]);
        assert_int_equal(run(text, ""), 0);
        assert_contains(command_out, "handle of moods failed: trap\n");
    }
    (void)snprintf(text, sizeof text, PROGRAMS "%s  expect: {receipts: [{outcome: panic}]}\n",
                   message);
    assert_int_equal(run(text, ""), 1);
    assert_contains(command_out, "handle of moods failed: trap\n");
}

static void the_path_leads_from_the_user_over_programs_and_blocks(void **state)
{
    (void)state;
    static const char text[] =
        "programs:\n- {name: moods, path: moods.wat, from: alice}\n"
        "- {name: way, path: forward.wat, from: alice}\nblocks:\n"
        "- messages: [{from: bob, to: way, payload: [{id: way}, {id: moods}, {text: far}]}]\n"
        "- repeat: 20\n";
    assert_int_equal(run(text, ""), 0);
    assert_contains(command_out, "handle of moods failed: trap\n");
    assert_contains(command_out, "    from     way, payload \"far\", value 0\n");
    /* It waited from block 2 to block 12. */
    assert_contains(command_out, ", transaction 1 of block 2: ok\n             handle way -> way ");
    assert_contains(command_out, "             handle way -> moods \"far\": waiting\n"
                                 "             handle way -> moods \"far\", goes on in block 12\n");
    json_t *object = run_json(text, "");
    json_t *block = json_array_get(json_object_get(object, "blocks"), 11);
    json_t *failure =
        json_object_get(json_array_get(json_object_get(block, "receipts"), 0), "failure");
    assert_int_equal(json_array_size(json_object_get(failure, "path")), 4);
    assert_string_equal(json_string_value(json_array_get(json_object_get(failure, "backtrace"), 0)),
                        "executed unreachable");
    assert_string_equal(json_string_value(json_object_get(failure, "payload")), "666172");
    json_decref(object);
}

static void a_message_that_cannot_pay_its_waiting_is_explained(void **state)
{
    (void)state;
    static const char text[] = PROGRAMS "- messages: [{from: alice, to: moods, gas: %lld, "
                                        "payload: {text: w}}]\n- repeat: 20\n";
    char with[512];
    (void)snprintf(with, sizeof with, text, 1000000LL);
    json_t *object = run_json(with, "");
    json_t *block = json_array_get(json_object_get(object, "blocks"), 1);
    const json_int_t burned = number(block, "gas_burned");
    json_decref(object);
    (void)snprintf(with, sizeof with, text, (long long)burned + 550); /* five blocks, and a half */
    assert_int_equal(run(with, "--trace"), 0);
    assert_contains(command_out, "waiting until block 7; ");
    assert_contains(command_out, "handle of moods failed: removed\n");
    assert_contains(command_out, "hint     the gas of the message paid for no more waiting: each "
                                 "block costs 100");
    assert_contains(command_out, "  after waiting: handle alice -> moods \"w\": removed");
}

static void a_trace_shows_waiting_waking_letters_and_the_agenda(void **state)
{
    (void)state;
    static const char text[] =
        "programs: [{name: timer, path: timer.wasm, from: alice}]\nblocks:\n"
        "- messages:\n"
        "  - {from: bob, to: timer, payload: [{u8: 1}, {u32: 1000}, {text: long}]}\n"
        "  - {from: carol, to: timer, payload: [{u8: 2}, {u32: 0}]}\n"
        "  - {from: bob, to: timer, payload: [{u8: 1}, {u32: 2}, {text: short}]}\n"
        "  - {from: bob, to: timer, payload: [{u8: 0}, {u32: 2}, {text: tea}]}\n"
        "  - {from: bob, to: 0x0000000000000000000000000000000000000000000000000000000000000001}\n"
        "  expect: {admissions: [accepted, accepted, accepted, accepted, no_program]}\n"
        "- {}\n- {}\n";
    assert_int_equal(run(text, "--trace"), 0);
    assert_contains(command_out, "  transaction 1: handle bob -> timer 0x01e80300006c6f6e67: "
                                 "waiting until block 1002; gas 10,000,000,000: burned ");
    assert_contains(command_out, "\n  transaction 2: handle carol -> timer 0x0200000000: ok; gas ");
    assert_contains(command_out, "  ├─ reply to carol 0x01, code 00010000\n"
                                 "  └─ woken: handle bob -> timer 0x01e80300006c6f6e67: ok; gas ");
    assert_contains(command_out, "\n     └─ reply to bob \"long\", code 00010000\n");
    assert_contains(command_out, "\n  └─ 1 message for later block\n");
    assert_contains(command_out, "\n  transaction 5: there is no such program\n");
    assert_contains(command_out, "\n  agenda: the waiting ends of 0x");
    assert_contains(command_out, "\n  agenda: sends 0x");
    assert_contains(command_out, "\n  delayed: timer message to bob \"tea\"\n");
    assert_contains(command_out,
                    "\n  after waiting: handle bob -> timer 0x010200000073686f7274: ok");
    assert_lacks(command_out, "\n  timer to bob"); /* the lists are not printed, too */
    assert_int_equal(run(text, "--trace=2"), 0);
    assert_contains(command_out, "  transaction 2: handle carol");
    assert_contains(command_out, "  └─ woken: handle bob");
    assert_lacks(command_out, "transaction 1: handle");
    assert_lacks(command_out, "agenda");
}

static void the_gas_of_a_trace_adds_up(void **state)
{
    (void)state;
    static const char text[] =
        "programs:\n- {name: leaf1, path: async.wasm, from: u, salt: l1, init: {u64: 1}}\n"
        "- {name: leaf2, path: async.wasm, from: u, salt: l2, init: {u64: 2}}\n"
        "- {name: top, path: async.wasm, from: u, salt: t, init: [{u64: 4}, {id: leaf1}, "
        "{id: leaf2}]}\nblocks:\n"
        "- messages: [{from: u, to: top, payload: {u8: 0}}, {from: u, to: top, payload: {u8: 1}}]\n"
        "  expect: {messages: [{kind: reply, payload: {u64: 7}}, {payload: {u64: 7}}]}\n";
    json_t *object = run_json(text, "--trace");
    json_t *block = json_array_get(json_object_get(object, "blocks"), 1);
    json_t *messages = json_object_get(json_object_get(block, "trace"), "messages");
    const size_t count = json_array_size(messages);
    assert_int_equal(count, json_array_size(json_object_get(block, "receipts")));
    assert_true(count > 10);
    json_int_t *children = calloc(count, sizeof *children), refunded = 0, burned = 0;
    bool woken = false;
    for (size_t i = 0; i < count; i++) {
        json_t *message = json_array_get(messages, i);
        json_t *gas = json_object_get(message, "gas");
        assert_int_equal(number(gas, "in") + number(gas, "drawn"),
                         number(gas, "burned") + number(gas, "sent") + number(gas, "home") +
                             number(gas, "refunded") + number(gas, "rent") + number(gas, "held"));
        refunded += number(gas, "refunded");
        burned += number(gas, "burned");
        assert_int_equal(number(message, "receipt"), i);
        const json_t *parent = json_object_get(message, "parent");
        assert_int_equal(json_is_null(parent), i < 2);
        assert_int_equal(json_is_null(json_object_get(message, "transaction")), i >= 2);
        if (json_is_true(json_object_get(message, "waited")))
            woken = true;
        else if (!json_is_null(parent))
            children[json_integer_value(parent)] += number(gas, "in");
    }
    assert_true(woken);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(children[i],
                         number(json_object_get(json_array_get(messages, i), "gas"), "sent"));
    /* Two messages of 10^10, and nothing is left. */
    assert_int_equal(refunded + burned, 20000000000);
    free(children);
    json_decref(object);
    object = run_json(text, "--trace=2");
    block = json_array_get(json_object_get(object, "blocks"), 1);
    messages = json_object_get(json_object_get(block, "trace"), "messages");
    assert_int_equal(count, 13);
    assert_int_equal(json_array_size(messages), 7); /* it asks one after the other */
    json_decref(object);
}

static void long_chains_are_cut_for_people_and_whole_for_machines(void **state)
{
    (void)state;
    /* Each hop takes all gas along: a tree as deep as it has messages. */
    static const char text[] =
        "programs:\n- {name: a, path: ring.wasm, from: u, salt: a, init: {id: a}}\nblocks:\n"
        "- messages: [{from: u, to: a, payload: {u32: 3000}}]\n";
    json_t *object = run_json(text, "--trace");
    json_t *block = json_array_get(json_object_get(object, "blocks"), 1);
    const size_t count =
        json_array_size(json_object_get(json_object_get(block, "trace"), "messages"));
    assert_true(count > 3000);
    json_decref(object);
    assert_int_equal(run(text, "--trace --lines 100"), 0);
    assert_contains(command_out, "(32 deep) ");
    assert_contains(command_out, "(99 deep) ");
    assert_lacks(command_out, "(101 deep) ");
    char more[64];
    (void)snprintf(more, sizeof more, "  ... and %zu,%03zu more messages\n", (count - 100) / 1000,
                   (count - 100) % 1000);
    assert_contains(command_out, more);
}

static void traces_and_profiles_do_not_depend_on_streams(void **state)
{
    (void)state;
    char first[sizeof command_out];
    static const char text[] =
        "programs:\n- {name: moods, path: moods.wat, from: alice}\n"
        "- {name: way, path: forward.wat, from: alice}\n"
        "- {name: timer, path: timer.wasm, from: alice}\nblocks:\n"
        "- repeat: 3\n  messages:\n"
        "  - {from: bob, to: way, payload: [{id: way}, {id: moods}, {text: far}]}\n"
        "  - {from: bob, to: moods, payload: {text: t}}\n"
        "  - {from: bob, to: timer, payload: [{u8: 1}, {u32: 2}, {text: short}]}\n"
        "- repeat: 20\n";
    for (unsigned json = 0; json < 2; json++) {
        char arguments[64];
        (void)snprintf(arguments, sizeof arguments, "--trace --profile gas %s --streams",
                       json ? "--json" : "");
        char one[80], three[80];
        (void)snprintf(one, sizeof one, "%s 1", arguments);
        (void)snprintf(three, sizeof three, "%s 3", arguments);
        assert_int_equal(run(text, one), 0);
        memcpy(first, command_out, sizeof first);
        assert_int_equal(run(text, three), 0);
        assert_string_equal(command_out, first);
    }
}

static void gas_is_profiled_by_function_and_program(void **state)
{
    (void)state;
    static const char text[] =
        PROGRAMS "- messages: [{from: alice, to: moods, payload: {text: t}},\n"
                 "             {from: alice, to: moods, gas: 1000000, payload: {text: l}}]\n";
    assert_int_equal(run(text, "--profile gas"), 0);
    assert_contains(command_out, "\ngas of moods: ");
    assert_contains(command_out, " in 3 calls of entries\n");
    assert_contains(command_out, "  act\n");
    assert_contains(command_out, "  gr_read (engine)\n");
    assert_contains(command_out, " 100.0                                                sum\n");
    assert_int_equal(run(text, "--profile gas=stacks.txt"), 0);
    char stacks[4096];
    read_text("stacks.txt", stacks, sizeof stacks);
    assert_contains(stacks, "moods;handle;act;outer;inner ");
    assert_contains(stacks, "moods;handle;mood;gr_read ");
    json_t *object = run_json(text, "--profile gas");
    json_t *code = json_array_get(json_object_get(object, "profile"), 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(code, "programs"), 0)),
                        "moods");
    json_int_t sum = 0, folded = 0;
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(code, "functions"), i, row) sum += number(row, "self");
    assert_int_equal(sum, number(code, "gas"));
    for (const char *line = stacks; *line != '\0'; line = strchr(line, '\n') + 1)
        folded += strtoll(strchr(line, ' '), NULL, 10);
    assert_int_equal(folded, sum);
    /* What is not of a function is what it costs to begin: 11,000 each. */
    json_int_t burned = 0;
    for (size_t b = 0; b < 2; b++)
        burned += number(json_array_get(json_object_get(object, "blocks"), b), "gas_burned");
    assert_int_equal(burned - sum, 3 * 11000);
    assert_true(json_is_true(json_object_get(object, "passed")));
    json_decref(object);
    assert_fails(run(text, "--profile gas=nowhere/x"), 1, "nowhere/x");
    assert_fails(run(text, "--profile time"), 2, "--profile takes gas or gas=FILE, not 'time'");
    assert_fails(run(text, "--trace=0"), 2, "--trace takes a number from 1");
}

static void what_is_estimated_suffices_and_less_does_not(void **state)
{
    (void)state;
    static const char text[] =
        PROGRAMS "- messages: [{from: alice, to: moods},\n"
                 "             {from: alice, to: moods, payload: {text: t}}]\n";
    json_t *object = run_json(text, "--estimate");
    json_t *block = json_array_get(json_object_get(object, "blocks"), 1);
    json_t *estimates = json_object_get(block, "estimates");
    const json_int_t gas = number(json_array_get(estimates, 0), "gas_limit");
    assert_true(json_is_false(json_object_get(json_array_get(estimates, 1), "succeeds")));
    json_decref(object);
    for (json_int_t less = 0; less < 2; less++) {
        char with[512];
        (void)snprintf(with, sizeof with,
                       PROGRAMS "- messages: [{from: alice, to: moods, gas: %lld}]\n"
                                "  expect: {receipts: [{outcome: %s}]}\n",
                       (long long)(gas - less), less ? "out_of_gas" : "ok");
        assert_int_equal(run(with, ""), 0);
    }
    assert_int_equal(run(text, "--estimate"), 0);
    assert_contains(command_out, "estimate for message 1 of block 2: gas ");
    assert_contains(command_out,
                    "estimate for message 2 of block 2: no gas suffices: trap in moods");
    assert_int_equal(run(PROGRAMS
                         "- messages: [{from: alice, to: moods, payload: {text: l}, gas: 1}]\n",
                         "--estimate"),
                     0);
    assert_contains(command_out, "block 2: no gas suffices: out_of_gas in moods");
}

static void an_estimate_says_what_it_has_not_looked_at(void **state)
{
    (void)state;
    static const char text[] =
        "programs: [{name: timer, path: timer.wasm, from: alice}]\nblocks:\n"
        "- messages:\n"
        "  - {from: bob, to: timer, payload: [{u8: 0}, {u32: 2000}, {text: later}]}\n"
        "  - {from: bob, to: timer, payload: [{u8: 1}, {u32: 200}, {text: short}]}\n"
        "  - {from: bob, to: timer, payload: [{u8: 1}, {u32: 2000}, {text: long}]}\n";
    assert_int_equal(run(text, "--estimate"), 0);
    assert_contains(command_out, ", in 1 block; after 1,000 blocks something of it still waits: "
                                 "what that will need is not in the gas\n");
    assert_contains(command_out, ", in 201 blocks\n");
    assert_contains(command_out,
                    ", in 1 block; after 1,000 blocks it still waits: the gas holds the "
                    "rent of all of them");
    json_t *object = run_json(text, "--estimate");
    json_t *block = json_array_get(json_object_get(object, "blocks"), 1);
    json_t *estimates = json_object_get(block, "estimates");
    assert_true(json_is_true(json_object_get(json_array_get(estimates, 0), "waits")));
    assert_true(json_is_false(json_object_get(json_array_get(estimates, 0), "cut")));
    assert_true(json_is_false(json_object_get(json_array_get(estimates, 1), "waits")));
    assert_int_equal(number(json_array_get(estimates, 1), "message"), 1);
    assert_true(json_is_true(json_object_get(json_array_get(estimates, 2), "cut")));
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_fail_is_explained_with_a_hint),
        cmocka_unit_test(a_message_to_a_program_that_is_not_there_for_it_is_explained),
        cmocka_unit_test(what_is_expected_is_not_explained_unless_asked_for),
        cmocka_unit_test(the_path_leads_from_the_user_over_programs_and_blocks),
        cmocka_unit_test(a_message_that_cannot_pay_its_waiting_is_explained),
        cmocka_unit_test(a_trace_shows_waiting_waking_letters_and_the_agenda),
        cmocka_unit_test(the_gas_of_a_trace_adds_up),
        cmocka_unit_test(long_chains_are_cut_for_people_and_whole_for_machines),
        cmocka_unit_test(traces_and_profiles_do_not_depend_on_streams),
        cmocka_unit_test(gas_is_profiled_by_function_and_program),
        cmocka_unit_test(what_is_estimated_suffices_and_less_does_not),
        cmocka_unit_test(an_estimate_says_what_it_has_not_looked_at),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
