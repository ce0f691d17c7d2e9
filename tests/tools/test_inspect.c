/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=e2e timeout=120
 * Goal: `millrace inspect` shows what waits, lies in mailboxes, is due and is reserved, the story
 * of a message, and who messaged whom. Method: runs a scenario of the example programs into a
 * database and looks into it, in text and in JSON; ids come from the run's own JSON. */
#include "support.h"

#include "tools/millrace/names.h"

/* bob's text is replied in block 12; alice's reservation ends with block 22; carol has a letter,
 * and another one comes in block 23. */
static const char scenario[] =
    "programs:\n"
    "- {name: timer, path: timer.wasm, from: alice}\n"
    "- {name: ask, path: ask.wat, from: alice}\n"
    "- {name: holder, path: holder.wat, from: alice}\n"
    "blocks:\n"
    "- messages:\n"
    "  - {from: bob, to: timer, payload: [{u8: 1}, {u32: 10}, {text: later}], value: 5}\n"
    "  - {from: carol, to: ask}\n"
    "  - {from: alice, to: holder}\n"
    "  - {from: carol, to: timer, payload: [{u8: 0}, {u32: 21}, {text: tea}]}\n"
    "  - {from: dave, to: ask}\n"
    "- messages: [{from: dave, to: ask, reply: 0, payload: {text: fine}}]\n";

static const char ask[] =
    "(module (import \"env\" \"memory\" (memory 1))\n"
    "  (import \"env\" \"gr_source\" (func $source (param i32)))\n"
    "  (import \"env\" \"gr_send_wgas\" (func $send (param i32 i32 i32 i64 i32 i32)))\n"
    "  (data (i32.const 512) \"well?\")\n"
    "  (func (export \"handle\")\n"
    "    (call $source (i32.const 0))\n"
    "    (call $send (i32.const 0) (i32.const 512) (i32.const 5) (i64.const 100000)\n"
    "                (i32.const 0) (i32.const 600)))\n"
    "  (func (export \"handle_reply\") nop))\n";

static const char holder[] =
    "(module (import \"env\" \"memory\" (memory 1))\n"
    "  (import \"env\" \"gr_reserve_gas\" (func $reserve (param i64 i32 i32)))\n"
    "  (func (export \"handle\")\n"
    "    (call $reserve (i64.const 70000) (i32.const 20) (i32.const 0))))\n";

static void print(char *out, size_t size, const char *format, const char *a, const char *b)
{
    (void)snprintf(out, size, format, a, b);
}

static json_int_t number(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

static json_t *inspect(const char *what)
{
    if (millrace("inspect db --json %s", what) != 0)
        fail_msg("%s: %s", what, command_err);
    return command_object();
}

/* The only entry of a list, kept by the caller with its list. */
static json_t *only(json_t *list, const char *key)
{
    json_t *array = json_object_get(list, key);
    assert_int_equal(json_array_size(array), 1);
    return json_array_get(array, 0);
}

/* The ids of messages sent by the transactions of block 2. */
static char messages[5][67];

static int make_database(void **state)
{
    if (enter_folder(state) != 0)
        return -1;
    write_text("scenario.yaml", scenario);
    write_text("ask.wat", ask);
    write_text("holder.wat", holder);
    if (millrace("run scenario.yaml --no-pin --db db --json --trace") != 0)
        fail_msg("%s", command_err);
    json_t *run = json_load_file("out.txt", JSON_ALLOW_NUL, NULL);
    assert_non_null(run);
    json_t *receipts =
        json_object_get(json_array_get(json_object_get(run, "blocks"), 1), "receipts");
    for (size_t i = 0; i < 5; i++)
        print(messages[i], sizeof messages[i], "%s%s",
              text_of(json_array_get(receipts, i), "message"), "");
    json_decref(run);
    return 0;
}

static void what_waits_is_listed(void **state)
{
    (void)state;
    json_t *list = inspect("waitlist");
    const json_t *waiting = only(list, "messages");
    assert_string_equal(text_of(waiting, "id"), messages[0]);
    assert_int_equal(number(waiting, "since"), 2);
    assert_int_equal(number(waiting, "wish"), 12);
    assert_int_equal(number(waiting, "until"), 12);
    assert_string_equal(text_of(waiting, "value"), "5");
    const mr_id bob = mr_id_of_name("bob");
    assert_string_equal(text_of(waiting, "from"), mr_id_print(&bob).text);
    char of_program[128], of_another[128];
    print(of_program, sizeof of_program, "waitlist %s%s", text_of(waiting, "program"), "");
    print(of_another, sizeof of_another, "waitlist %s%s", messages[0], "");
    assert_int_equal(millrace("inspect db %s", of_program), 0);
    assert_contains(command_out, ", waits since 2, woken at 12, gas ");
    json_t *of = inspect(of_program);
    (void)only(of, "messages");
    json_decref(of);
    of = inspect(of_another);
    assert_int_equal(json_array_size(json_object_get(of, "messages")), 0);
    json_decref(of);
    json_decref(list);
    assert_int_equal(millrace("inspect db"), 0);
    assert_contains(command_out, "\nwaiting   1\nletters   1\nagenda    4\n");
}

static void a_mailbox_is_listed_by_name_or_id(void **state)
{
    (void)state;
    json_t *list = inspect("mailbox");
    const json_t *letter = only(list, "letters");
    assert_int_equal(number(letter, "gas"), 100000);
    assert_int_equal(number(letter, "until"), 1002);
    assert_string_equal(text_of(letter, "payload"), "77656c6c3f");
    char by_id[128];
    print(by_id, sizeof by_id, "mailbox %s%s", text_of(letter, "user"), "");
    assert_int_equal(millrace("inspect db mailbox carol"), 0);
    assert_contains(command_out, ", since 2, until 1002, gas 100,000, value 0: \"well?\"\n");
    char by_name[sizeof command_out];
    memcpy(by_name, command_out, sizeof by_name);
    assert_int_equal(millrace("inspect db %s", by_id), 0);
    assert_string_equal(command_out, by_name);
    assert_int_equal(millrace("inspect db mailbox dave"), 0);
    assert_string_equal(command_out, "no letters\n");
    json_decref(list);
}

static void the_agenda_is_listed_by_height(void **state)
{
    (void)state;
    static const struct {
        const char *task;
        json_int_t height;
    } due[] = {{"end_wait", 12}, {"reservation", 22}, {"send", 23}, {"letter", 1002}};
    json_t *list = inspect("agenda");
    json_t *tasks = json_object_get(list, "tasks");
    assert_int_equal(json_array_size(tasks), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(text_of(json_array_get(tasks, i), "task"), due[i].task);
        assert_int_equal(number(json_array_get(tasks, i), "height"), due[i].height);
    }
    assert_string_equal(text_of(json_array_get(tasks, 0), "subject"), messages[0]);
    assert_string_equal(text_of(json_object_get(json_array_get(tasks, 2), "message"), "payload"),
                        "746561");
    json_decref(list);
    assert_int_equal(millrace("inspect db agenda --lines 2"), 0);
    assert_contains(command_out, "      12  end_wait     0x");
    assert_contains(command_out, "... and 2 more\n");
}

static void reservations_are_listed(void **state)
{
    (void)state;
    json_t *list = inspect("reservations");
    const json_t *reservation = only(list, "reservations");
    assert_int_equal(number(reservation, "amount"), 70000);
    assert_int_equal(number(reservation, "start"), 2);
    assert_int_equal(number(reservation, "finish"), 22);
    char of_program[128];
    print(of_program, sizeof of_program, "program %s%s", text_of(reservation, "program"), "");
    json_t *program = inspect(of_program);
    assert_int_equal(number(program, "reservations"), 1);
    assert_int_equal(number(program, "waiting"), 0);
    json_decref(program);
    json_decref(list);
    assert_fails(millrace("inspect db reservations %s", messages[0]), 1, "not found");
    assert_fails(millrace("inspect db reservations moon"), 1, "'moon' is no id");
}

static void a_message_has_its_story(void **state)
{
    (void)state;
    assert_int_equal(millrace("inspect db message %s", messages[0]), 0);
    assert_contains(command_out, "block 2: handled, handle 0x");
    assert_contains(command_out, ": waiting, gas ");
    assert_contains(command_out, "\nnow: waits in 0x");
    assert_contains(command_out, ", until block 12\n");
    /* dave was asked, and answered: the program's message has a letter, a reply and its dispatch.
     */
    assert_int_equal(millrace("inspect db block 2 --json"), 0);
    json_t *block = json_loads(command_out, 0, NULL);
    assert_non_null(block);
    const mr_id dave = mr_id_of_name("dave");
    char letter[67] = "";
    size_t i;
    json_t *message;
    json_array_foreach(json_object_get(block, "messages"), i,
                       message) if (strcmp(text_of(message, "to"), mr_id_print(&dave).text) == 0 &&
                                    strcmp(text_of(message, "kind"), "send") == 0)
        print(letter, sizeof letter, "%s%s", text_of(message, "id"), "");
    json_decref(block);
    char what[96];
    print(what, sizeof what, "message %s%s", letter, "");
    json_t *story = inspect(what);
    json_t *events = json_object_get(story, "events");
    assert_int_equal(json_array_size(events), 2);
    assert_string_equal(text_of(json_array_get(events, 0), "event"), "a letter");
    assert_int_equal(number(json_array_get(events, 0), "block"), 2);
    assert_string_equal(text_of(json_array_get(events, 1), "event"), "replied to");
    assert_int_equal(number(json_array_get(events, 1), "block"), 3);
    assert_string_equal(text_of(json_array_get(events, 1), "outcome"), "ok");
    assert_true(json_is_null(json_object_get(story, "now")));
    json_decref(story);
    assert_fails(millrace("inspect db message 0x%064d", 7), 1, "nothing is known of a message 0x");
    assert_fails(millrace("inspect db message"), 2, "which message?");
}

/* By what it shows: the id may be typed in full, or as far as no other begins so. */
static void beginnings_of_ids_do_where_they_are_of_one(void **state)
{
    (void)state;
    char whole[sizeof command_out];
    json_t *list = inspect("reservations"), *letters = inspect("mailbox");
    const char *program = text_of(only(list, "reservations"), "program");
    const mr_id carol = mr_id_of_name("carol");
    const struct {
        const char *what, *id;
    } cases[] = {
        {"program", program},     {"reservations", program},
        {"waitlist", program},    {"mailbox", mr_id_print(&carol).text},
        {"message", messages[0]}, {"message", text_of(only(letters, "letters"), "id")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(millrace("inspect db %s %s", cases[i].what, cases[i].id), 0);
        memcpy(whole, command_out, sizeof whole);
        assert_int_equal(millrace("inspect db %s %.14s", cases[i].what, cases[i].id), 0);
        assert_string_equal(command_out, whole);
    }
    json_decref(list);
    json_decref(letters);
    assert_fails(millrace("inspect db mailbox 0xzz"), 1, "'0xzz' is no id: 64 hex digits");
    assert_fails(millrace("inspect db account 0x12"), 1, "0x12 is too short for the beginning");
    assert_fails(millrace("inspect db mailbox 0x1234"), 1, "no account has the id 0x1234");
    assert_fails(millrace("inspect db program 0x1234"), 1, "no program has the id 0x1234");
    assert_fails(millrace("inspect db message 0x12345"), 1, "no message has the id 0x12345");
    assert_fails(millrace("inspect db program %s0", messages[0]), 1, "is no id");
}

/* Two salts that make programs of a module whose ids begin with the same four digits. */
static void find_twins(const mr_id *code, unsigned salts[2])
{
    static unsigned by_beginning[1 << 16]; /* 0: none */
    for (unsigned salt = 1;; salt++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%u", salt);
        const mr_id id = mr_id_of_program(code, mr_span_text(text));
        unsigned *there = &by_beginning[id.bytes[0] << 8 | id.bytes[1]];
        salts[0] = *there;
        salts[1] = *there = salt;
        if (salts[0] != 0)
            return;
    }
}

static void a_beginning_of_two_ids_lists_both(void **state)
{
    (void)state;
    mr_buffer module = {0};
    mr_error error = {0};
    assert_int_equal(mr_file_read("ping.wasm", MR_FILE_BYTES_MAX, &module, &error), MR_OK);
    const mr_id code = mr_id_of_code(mr_buffer_span(&module));
    mr_buffer_fini(&module);
    unsigned salts[2];
    find_twins(&code, salts);
    char twins[512], id[2][67];
    (void)snprintf(twins, sizeof twins,
                   "programs:\n- {name: a, path: ping.wasm, from: u, salt: \"%u\"}\n"
                   "- {name: b, path: ping.wasm, from: u, salt: \"%u\"}\nblocks: [{}]\n",
                   salts[0], salts[1]);
    write_text("twins.yaml", twins);
    assert_int_equal(millrace("run twins.yaml --db twins"), 0);
    for (unsigned i = 0; i < 2; i++) {
        char salt[16];
        (void)snprintf(salt, sizeof salt, "%u", salts[i]);
        const mr_id program = mr_id_of_program(&code, mr_span_text(salt));
        (void)snprintf(id[i], sizeof id[i], "%s", mr_id_print(&program).text);
        assert_int_equal(millrace("inspect twins program %s", id[i]), 0);
    }
    static const char *const commands[] = {"inspect twins program", "query twins"};
    for (unsigned i = 0; i < 2; i++) {
        assert_fails(millrace("%s %.6s", commands[i], id[0]), 1,
                     "more than one program's id begins with 0x");
        assert_contains(command_err, id[0]);
        assert_contains(command_err, id[1]);
    }
}

/* A message that waited and was woken in the block ran twice, and is one message. */
static void a_graph_counts_messages_and_not_how_often_they_ran(void **state)
{
    (void)state;
    write_text("asking.yaml",
               "programs:\n- {name: leaf, path: async.wasm, from: u, salt: l, init: {u64: 1}}\n"
               "- {name: top, path: async.wasm, from: u, salt: t, init: [{u64: 4}, {id: leaf}]}\n"
               "blocks:\n- messages:\n  - {from: u, to: top, payload: {u8: 0}, gas: 2000000000}\n");
    assert_int_equal(millrace("run asking.yaml --db asking"), 0);
    assert_int_equal(millrace("inspect asking block 2 --json"), 0);
    json_t *block = json_load_file("out.txt", JSON_ALLOW_NUL, NULL);
    assert_int_equal(json_array_size(json_object_get(block, "receipts")), 4);
    assert_int_equal(millrace("inspect asking graph 2 --json"), 0);
    json_t *graph = json_load_file("out.txt", JSON_ALLOW_NUL, NULL);
    json_int_t dispatched = 0;
    size_t i;
    json_t *edge;
    json_array_foreach(json_object_get(graph, "edges"), i, edge)
    {
        assert_int_equal(number(edge, "count"), 1);
        dispatched += !json_is_true(json_object_get(edge, "to_user"));
    }
    assert_int_equal(dispatched, 3); /* u asks top, top asks leaf, leaf answers */
    json_decref(block);
    json_decref(graph);
}

static void a_graph_has_every_message_of_the_block(void **state)
{
    (void)state;
    json_t *block = inspect("block 2"), *graph = inspect("graph 2");
    json_int_t dispatches = 0, users = 0, gas = 0, value = 0;
    size_t i;
    json_t *edge, *receipt;
    json_array_foreach(json_object_get(graph, "edges"), i, edge)
    {
        if (json_is_true(json_object_get(edge, "to_user")))
            users += number(edge, "count");
        else
            dispatches += number(edge, "count");
        gas += number(edge, "gas");
        value += strtoll(text_of(edge, "value"), NULL, 10);
    }
    assert_int_equal(dispatches, json_array_size(json_object_get(block, "receipts")));
    assert_int_equal(users, json_array_size(json_object_get(block, "messages")));
    json_int_t burned = 0;
    json_array_foreach(json_object_get(block, "receipts"), i, receipt) burned +=
        number(receipt, "gas_burned");
    assert_int_equal(gas, burned);
    assert_int_equal(value, 5); /* bob's */
    assert_int_equal(json_array_size(json_object_get(graph, "nodes")), 3 + 4);
    json_decref(block);
    json_decref(graph);
    assert_int_equal(millrace("inspect db graph 2"), 0);
    assert_contains(command_out, "program  0x");
    assert_contains(command_out, "user     0x");
    assert_contains(command_out, "  1 letter\n");
    assert_contains(command_out, "  1 handle, gas ");
    assert_int_equal(millrace("inspect db graph 2 --dot"), 0);
    assert_contains(command_out, "digraph \"block 2\" {\n");
    assert_contains(command_out, ", shape=box];\n");
    assert_contains(command_out, "\\nvalue 5\"];\n");
    assert_contains(command_out, "\"1 letter\", style=dashed];\n");
    assert_fails(millrace("inspect db graph 99"), 1, "99");
    assert_fails(millrace("inspect db graph"), 2, "which block?");
    assert_fails(millrace("inspect db agenda --dot"), 2, "--dot is for graphs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_is_listed),
        cmocka_unit_test(a_mailbox_is_listed_by_name_or_id),
        cmocka_unit_test(the_agenda_is_listed_by_height),
        cmocka_unit_test(reservations_are_listed),
        cmocka_unit_test(a_message_has_its_story),
        cmocka_unit_test(beginnings_of_ids_do_where_they_are_of_one),
        cmocka_unit_test(a_beginning_of_two_ids_lists_both),
        cmocka_unit_test(a_graph_has_every_message_of_the_block),
        cmocka_unit_test(a_graph_counts_messages_and_not_how_often_they_ran),
    };
    return cmocka_run_group_tests(tests, make_database, leave_folder);
}
