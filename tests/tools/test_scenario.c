/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a scenario means what docs/SCENARIOS.md says, and a wrong one is refused with the line and
 * a sentence that helps. Method: good files looked at piece by piece; a table of bad ones with the
 * exact text of each error. */
#include "support.h"

#include "tools/millrace/number.h"
#include "tools/millrace/scenario.h"

/* One program, so that blocks have somebody to write to. */
#define PROGRAM "programs: [{name: cap, path: capacitor.wasm, from: alice}]\n"
/* Line 2 on: the parts of one message, one payload, one expectation. */
#define MESSAGE(text) PROGRAM "blocks:\n- messages:\n  - " text "\n"
#define PAYLOAD(text) MESSAGE("{from: alice, to: cap, payload: " text "}")
#define EXPECT(text)                                                                               \
    PROGRAM "blocks:\n- messages: [{from: alice, to: cap}]\n  expect:\n    " text "\n"

static void open_good(const char *text, mr_scenario *scenario)
{
    mr_error error = {0};
    write_text("scenario.yaml", text);
    if (mr_scenario_open("scenario.yaml", scenario, &error) != MR_OK)
        fail_msg("%s", error.text);
}

static void expect_error(const char *text, const char *message)
{
    mr_error error = {0};
    mr_scenario scenario;
    write_text("scenario.yaml", text);
    if (mr_scenario_open("scenario.yaml", &scenario, &error) == MR_OK) {
        mr_scenario_close(&scenario);
        fail_msg("accepted, but should be refused with: %s\n%s", message, text);
    }
    assert_string_equal(error.text, message);
}

static void the_scenario_of_the_manual_is_read(void **state)
{
    (void)state;
    mr_scenario s;
    open_good(
        "title: a capacitor discharges at its limit\n"
        "accounts:\n"
        "  alice: 1000000000000000\n"
        "programs:\n"
        "  - {name: cap, path: capacitor.wasm, from: alice, salt: \"1\",\n"
        "     init: {text: \"2500\"}, gas: 20000000000, value: 7}\n"
        "blocks:\n"
        "  - gas_limit: 1000000000000\n"
        "    repeat: 3\n"
        "    messages:\n"
        "      - {from: alice, to: cap, payload: {text: \"2000\"}, gas: 5000000000, value: 0}\n"
        "      - {from: alice, to: cap, payload: {text: \"600\"},  gas: 5000000000}\n"
        "    expect:\n"
        "      messages:\n"
        "        - {from: cap, to: alice, kind: send, payload: {text: \"Discharged: 2600\"}}\n"
        "      receipts:\n"
        "        - {to: cap, outcome: ok}\n"
        "      balances: {alice: 999}\n"
        "      memory: [{program: cap, address: 65560, hex: \"00000000\"}]\n"
        "      queue: 0\n",
        &s);
    assert_string_equal(s.title, "a capacitor discharges at its limit");
    assert_true(s.accounts);
    assert_int_equal(s.genesis_count, 1);
    mr_id alice = mr_id_of_name("alice");
    assert_memory_equal(&s.genesis[0].account, &alice, sizeof alice);
    assert_true(s.genesis[0].balance == 1000000000000000);

    assert_int_equal(s.codes_count, 1);
    mr_id code = mr_id_of_code(mr_embedded_find("capacitor"));
    assert_memory_equal(&s.code[0].id, &code, sizeof code);
    assert_int_equal(s.programs_count, 1);
    mr_id program = mr_id_of_program(&code, mr_span_text("1"));
    assert_memory_equal(&s.program[0].id, &program, sizeof program);
    assert_true(mr_span_equal(s.program[0].init, mr_span_text("2500")));
    assert_int_equal(s.program[0].gas, 20000000000);
    assert_true(s.program[0].value == 7);

    assert_int_equal(s.blocks_count, 1);
    const mr_scenario_block *block = &s.block[0];
    assert_int_equal(block->gas_limit, 1000000000000);
    assert_int_equal(block->repeat, 3);
    assert_int_equal(block->messages_count, 2);
    assert_int_equal(block->message[1].kind, MR_TRANSACTION_SEND);
    assert_memory_equal(&block->message[1].to, &program, sizeof program);
    assert_true(mr_span_equal(block->message[1].payload, mr_span_text("600")));

    const mr_expect *expect = block->expect;
    assert_int_equal(expect->messages_count, 1);
    assert_int_equal(expect->message[0].has,
                     MR_HAS_FROM | MR_HAS_TO | MR_HAS_KIND | MR_HAS_PAYLOAD);
    assert_int_equal(expect->receipt[0].has, MR_HAS_TO | MR_HAS_OUTCOME);
    assert_int_equal(expect->receipt[0].outcome, MR_OUTCOME_OK);
    assert_true(expect->balance[0].balance == 999);
    assert_int_equal(expect->memory[0].address, 65560);
    assert_int_equal(expect->memory[0].bytes.size, 4);
    assert_true(expect->queue);
    assert_int_equal(expect->queue_count, 0);
    mr_scenario_close(&s);
}

static void every_form_of_payload_has_its_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hex;
    } forms[] = {
        {"{text: abc}", "616263"},
        {"{text: 2500}", "32353030"},
        {"{text: \"\"}", ""},
        {"{text: \"a\\0b\"}", "610062"},
        {"{hex: \"\"}", ""},
        {"{hex: 00fF10}", "00ff10"},
        {"{hex: 0x0102}", "0102"},
        {"{u8: 255}", "ff"},
        {"{i8: -128}", "80"},
        {"{u16: 65535}", "ffff"},
        {"{i16: -2}", "feff"},
        {"{u32: 0xdeadbeef}", "efbeadde"},
        {"{i32: -2147483648}", "00000080"},
        {"{u64: 18446744073709551615}", "ffffffffffffffff"},
        {"{i64: 1_000}", "e803000000000000"},
        {"{u128: 340282366920938463463374607431768211455}", "ffffffffffffffffffffffffffffffff"},
        {"{u128: 1}", "01000000000000000000000000000000"},
        {"{i128: -1}", "ffffffffffffffffffffffffffffffff"},
        {"[]", ""},
        {"[{u8: 1}, {text: ab}, [{u16: 2}, {hex: 03}]]", "016162020003"},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char text[512], hex[128];
        (void)snprintf(text, sizeof text, PAYLOAD("%s"), forms[i].text);
        mr_scenario s;
        open_good(text, &s);
        mr_hex_print(s.block[0].message[0].payload, hex);
        assert_string_equal(hex, forms[i].hex);
        mr_scenario_close(&s);
    }
}

static void an_id_in_a_payload_is_that_of_the_account_program_or_code(void **state)
{
    (void)state;
    mr_scenario s;
    open_good("codes: [{name: child, path: ping.wasm, from: alice}]\n"
              "programs:\n"
              "- {name: first, path: ring.wasm, from: alice, init: {id: second}}\n"
              "- {name: second, path: ring.wasm, from: alice, salt: {u8: 1}, init: {id: first}}\n"
              "blocks:\n"
              "- messages:\n"
              "  - {from: alice, to: first, payload: [{id: bob}, {id: child}]}\n",
              &s);
    assert_int_equal(s.codes_count, 2);
    assert_memory_equal(s.program[0].init.data, &s.program[1].id, sizeof(mr_id));
    assert_memory_equal(s.program[1].init.data, &s.program[0].id, sizeof(mr_id));
    mr_id bob = mr_id_of_name("bob");
    mr_span payload = s.block[0].message[0].payload;
    assert_int_equal(payload.size, 64);
    assert_memory_equal(payload.data, &bob, 32);
    assert_memory_equal(payload.data + 32, &s.code[0].id, 32);
    mr_scenario_close(&s);
}

static void one_module_in_two_files_is_one_code(void **state)
{
    (void)state;
    write_bytes("copy.wasm", mr_embedded_find("counter"));
    mr_scenario s;
    open_good("programs:\n"
              "- {name: a, path: counter.wasm, from: u, salt: a}\n"
              "- {name: b, path: ./counter.wasm, from: u, salt: b}\n"
              "- {name: c, path: copy.wasm, from: u, salt: c}\n",
              &s);
    assert_int_equal(s.codes_count, 1);
    assert_int_equal(s.programs_count, 3);
    mr_scenario_close(&s);
}

static void an_anchor_stands_for_what_it_names(void **state)
{
    (void)state;
    mr_scenario s;
    open_good(PROGRAM "blocks:\n- messages:\n"
                      "  - &m {from: alice, to: cap, payload: {text: \"1\"}}\n"
                      "  - *m\n",
              &s);
    assert_int_equal(s.block[0].messages_count, 2);
    assert_true(mr_span_equal(s.block[0].message[1].payload, mr_span_text("1")));
    mr_scenario_close(&s);
}

static void a_message_to_an_account_is_a_transfer(void **state)
{
    (void)state;
    mr_scenario s;
    open_good(
        "accounts: {alice: 5, bob: 0}\nblocks: [{messages: [{from: alice, to: bob, value: 3}]}]\n",
        &s);
    assert_int_equal(s.block[0].message[0].kind, MR_TRANSACTION_TRANSFER);
    assert_true(s.block[0].message[0].value == 3);
    mr_scenario_close(&s);
}

static void time_goes_on_by_three_seconds_a_block_unless_told(void **state)
{
    (void)state;
    mr_scenario s;
    open_good(PROGRAM "blocks: [{}, {repeat: 10}, {timestamp: 50000}, {}]\n", &s);
    assert_int_equal(s.block[0].timestamp_ms, 6000);
    assert_int_equal(s.block[1].timestamp_ms, 9000);
    assert_int_equal(s.block[2].timestamp_ms, 50000);
    assert_int_equal(s.block[3].timestamp_ms, 53000);
    mr_scenario_close(&s);
}

static void a_wrong_file_is_refused_with_line_and_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"", "scenario.yaml:1: the file is empty"},
        {"# only this\n", "scenario.yaml:1: the file is empty"},
        {"hello\n",
         "scenario.yaml:1: a scenario must be a map with some of the keys title accounts "
         "codes programs blocks, not \"hello\""},
        {"titel: x\n", "scenario.yaml:1: unknown key \"titel\"; a scenario takes title accounts "
                       "codes programs blocks"},
        {"title: x\ntitle: y\n",
         "scenario.yaml:2: the key \"title\" stands here twice (also line 1)"},
        {"title: [x]\n", "scenario.yaml:1: title must be a text, not a list"},
        {"title: \"a\\0b\"\n", "scenario.yaml:1: title holds a zero byte"},
        {"title: x\n---\ntitle: y\n", "scenario.yaml:2: a second document begins, one is expected"},
        {"title: \"x\n", "scenario.yaml:2: found unexpected end of stream"},
        {"title: x\n\tblocks: []\n",
         "scenario.yaml:2: found a tab character that violates indentation"},
        {"[a, b]: c\n", "scenario.yaml:1: a key must be a single word, not a list or a map"},
        {"title: &a [*a]\n", "scenario.yaml:1: an alias stands inside the value it names"},
        {"title: *b\n", "scenario.yaml:1: there is no anchor \"b\""},
        {"title: \xff\n", "scenario.yaml: byte 7: invalid leading UTF-8 octet"},
        {"title: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]\n",
         "scenario.yaml:1: more than 32 lists and maps inside one another"},

        {"accounts: [alice]\n",
         "scenario.yaml:1: accounts must be a map of names to balances, not a list"},
        {"accounts:\n  alice: -1\n",
         "scenario.yaml:2: alice must lie between 0 and 2^128 - 1; it is \"-1\""},
        {"accounts:\n  alice: 340282366920938463463374607431768211456\n",
         "scenario.yaml:2: alice must lie between 0 and 2^128 - 1; it is "
         "\"340282366920938463463374607431768211456\""},
        {"accounts:\n  alice: 1.5\n", "scenario.yaml:2: alice must be a whole number, not \"1.5\""},
        {"accounts:\n  alice:\n", "scenario.yaml:2: alice must be a whole number, not \"\""},
        {"accounts:\n  a: 340282366920938463463374607431768211455\n  b: 1\n",
         "scenario.yaml:3: the balances add up to 2^128 or more"},
        {"accounts:\n  \"\": 1\n", "scenario.yaml:2: an account is empty"},
        {"accounts:\n  0x12: 1\n",
         "scenario.yaml:2: an account is no id: \"0x\" and 64 hex digits, not \"0x12\""},

        {"programs: {}\n", "scenario.yaml:1: programs must be a list, not a map"},
        {"programs: [cap]\n", "scenario.yaml:1: a program must be a map with some of the keys name "
                              "path from salt init gas value, not \"cap\""},
        {"programs: [{path: capacitor.wasm, from: a}]\n",
         "scenario.yaml:1: a program needs the key name"},
        {"programs: [{name: p, from: a}]\n", "scenario.yaml:1: a program needs the key path"},
        {"programs: [{name: p, path: capacitor.wasm}]\n",
         "scenario.yaml:1: a program needs the key from"},
        {"programs:\n- {name: p, path: capacitor.wasm, from: a, slat: 1}\n",
         "scenario.yaml:2: unknown key \"slat\"; a program takes name path from salt init gas "
         "value"},
        {"programs:\n- {name: p, path: missing.wasm, from: a}\n",
         "scenario.yaml:2: cannot open missing.wasm: no such file or directory"},
        {"programs:\n- {name: p, path: ., from: a}\n",
         "scenario.yaml:2: cannot read .: it is a directory"},
        {"programs:\n- {name: p, path: /dev/null, from: a}\n",
         "scenario.yaml:2: cannot read /dev/null: it is not a regular file"},
        {"accounts: {a: 1}\nprograms:\n- {name: p, path: capacitor.wasm, from: b}\n",
         "scenario.yaml:3: there is no account \"b\"; add it to accounts"},
        {"accounts: {a: 1}\nprograms:\n- {name: a, path: capacitor.wasm, from: a}\n",
         "scenario.yaml:3: the name \"a\" is taken already, in line 1"},
        {"programs: [{name: p, path: capacitor.wasm, from: a}, {name: p, path: ping.wasm, from: "
         "a}]\n",
         "scenario.yaml:1: the name \"p\" is taken already, in line 1"},
        {"programs:\n- {name: p, path: capacitor.wasm, from: a}\n"
         "- {name: q, path: capacitor.wasm, from: a}\n",
         "scenario.yaml:3: this program has the module and salt of \"p\" in line 2; give it "
         "another "
         "salt"},
        {"programs:\n- {name: p, path: capacitor.wasm, from: a, gas: 18446744073709551616}\n",
         "scenario.yaml:2: gas must lie between 0 and 18446744073709551615; it is "
         "\"18446744073709551616\""},

        {"blocks: 3\n", "scenario.yaml:1: blocks must be a list, not \"3\""},
        {"blocks:\n- repeat: 0\n",
         "scenario.yaml:2: repeat must lie between 1 and 1000000000; it is \"0\""},
        {"blocks:\n- gas_limit: lots\n",
         "scenario.yaml:2: gas_limit must be a whole number, not \"lots\""},
        {"blocks:\n- timestamp: 10000\n- timestamp: 9999\n",
         "scenario.yaml:3: timestamp 9999 lies before that of the block before, 10000"},
        {"blocks:\n- random: 12\n", "scenario.yaml:2: random must be 64 hex digits, not \"12\""},
        {MESSAGE("{to: cap}"), "scenario.yaml:4: a message needs the key from"},
        {MESSAGE("{from: alice}"), "scenario.yaml:4: a message needs the key to"},
        {MESSAGE("{from: cap, to: cap}"),
         "scenario.yaml:4: from must be an account; \"cap\" is the "
         "program or code of line 1"},
        {MESSAGE("{from: alice, to: cab}"), "scenario.yaml:4: there is no program \"cab\""},
        {MESSAGE("{from: alice, to: alice}"), "scenario.yaml:4: there is no program \"alice\""},
        {MESSAGE("{from: alice, to: cap, gas: -1}"),
         "scenario.yaml:4: gas must lie between 0 and 18446744073709551615; it is \"-1\""},
        {MESSAGE("{from: alice, to: cap, reply: x}"),
         "scenario.yaml:4: no letter was named \"x\" before; what is expected of a block before "
         "this "
         "one names it, with the key as"},
        {MESSAGE("{from: alice, reply: 1}"),
         "scenario.yaml:4: a message that is found by its number needs the key to"},
        {MESSAGE("{from: alice, to: cap, claim: 0, gas: 5}"),
         "scenario.yaml:4: a claim has no gas"},
        {MESSAGE("{from: alice, to: cap, claim: 0, reply: 0}"),
         "scenario.yaml:4: a claim has no reply"},
        {MESSAGE("{from: alice, to: cap, tip: 5}"),
         "scenario.yaml:4: a tip is only paid when the scenario has accounts"},
        {"accounts: {a: 1, b: 2}\nblocks:\n- messages:\n  - {from: a, to: b, payload: {u8: 1}}\n",
         "scenario.yaml:4: a transfer to an account has no payload"},

        {PAYLOAD("2000"), "scenario.yaml:4: a payload must be a map with some of the keys text hex "
                          "u8 i8 u16 i16 u32 i32 u64 i64 u128 i128 id, not \"2000\""},
        {PAYLOAD("{txt: a}"),
         "scenario.yaml:4: unknown key \"txt\"; a payload takes text hex u8 i8 "
         "u16 i16 u32 i32 u64 i64 u128 i128 id"},
        {PAYLOAD("{u8: 1, u16: 2}"),
         "scenario.yaml:4: a payload has one key of text hex u8 i8 u16 i16 u32 i32 u64 i64 u128 "
         "i128 id; for several in a row write a list"},
        {PAYLOAD("{}"), "scenario.yaml:4: a payload has one key of text hex u8 i8 u16 i16 u32 i32 "
                        "u64 i64 u128 i128 id; for several in a row write a list"},
        {PAYLOAD("{text: [a]}"), "scenario.yaml:4: text must be a value, not a list"},
        {PAYLOAD("{hex: abc}"), "scenario.yaml:4: hex has an odd number of digits: \"abc\""},
        {PAYLOAD("{hex: zz}"), "scenario.yaml:4: hex holds something else than hex digits: \"zz\""},
        {PAYLOAD("{hex: \"00\\0a\"}"),
         "scenario.yaml:4: hex holds something else than hex digits: \"00\\x00a\""},
        {PAYLOAD("{u8: 256}"), "scenario.yaml:4: \"256\" does not fit u8"},
        {PAYLOAD("{u8: -1}"), "scenario.yaml:4: \"-1\" does not fit u8"},
        {PAYLOAD("{i8: 128}"), "scenario.yaml:4: \"128\" does not fit i8"},
        {PAYLOAD("{i8: -129}"), "scenario.yaml:4: \"-129\" does not fit i8"},
        {PAYLOAD("{u128: 999999999999999999999999999999999999999999}"),
         "scenario.yaml:4: \"999999999999999999999999999999999999999999\" does not fit u128"},
        {PAYLOAD("{u32: twelve}"), "scenario.yaml:4: u32 must be a whole number, not \"twelve\""},
        {PAYLOAD("{u32: 1__0}"), "scenario.yaml:4: u32 must be a whole number, not \"1__0\""},
        {PAYLOAD("{id: 0xab}"),
         "scenario.yaml:4: id is no id: \"0x\" and 64 hex digits, not \"0xab\""},

        {EXPECT("message: []"), "scenario.yaml:5: unknown key \"message\"; expect takes messages "
                                "receipts queue gas_rent admissions balances memory waiting "
                                "reservations mailbox tasks"},
        {EXPECT("messages: [{as: 7}]"),
         "scenario.yaml:5: a letter's name is no number, as \"7\" is"},
        {EXPECT("messages: [{as: q}, {as: q}]"),
         "scenario.yaml:5: there is a letter \"q\" already, in line 5"},
        {EXPECT("messages: [{kind: reply, as: q}]"),
         "scenario.yaml:5: a reply cannot be answered, so it needs no name"},
        {EXPECT("waiting: {dog: 1}"), "scenario.yaml:5: there is no program \"dog\""},
        {EXPECT("waiting: 5"),
         "scenario.yaml:5: waiting must be a map of names to numbers, not \"5\""},
        {EXPECT("reservations: {cap: some}"),
         "scenario.yaml:5: cap must be a whole number, not \"some\""},
        {EXPECT("mailbox: {alice: 3}"), "scenario.yaml:5: alice must be a list, not \"3\""},
        {EXPECT("mailbox: {alice: [{form: cap}]}"),
         "scenario.yaml:5: unknown key \"form\"; an expected letter takes from payload value gas "
         "since until as"},
        {EXPECT("tasks: [{task: sleep}]"),
         "scenario.yaml:5: task must be one of end_wait, wake, send, letter, reservation; it is "
         "\"sleep\""},
        {EXPECT("gas_rent: x"), "scenario.yaml:5: gas_rent must be a whole number, not \"x\""},
        {EXPECT("queue: many"), "scenario.yaml:5: queue must be a whole number, not \"many\""},
        {EXPECT("receipts: [{outcome: fine}]"),
         "scenario.yaml:5: outcome must be one of ok, panic, trap, out_of_gas, stack, memory, "
         "unavailable, waiting, exited, removed; it is \"fine\""},
        {EXPECT("receipts: [{to: cat}]"), "scenario.yaml:5: there is no program \"cat\""},
        {EXPECT("messages: [{kind: handle}]"),
         "scenario.yaml:5: kind must be one of send, reply; it is \"handle\""},
        {EXPECT("messages: [{code: 12}]"),
         "scenario.yaml:5: code must be the 8 hex digits of a reply code, not \"12\""},
        {EXPECT("messages: [{kind: send, code: 00000000}]"),
         "scenario.yaml:5: only a message of kind reply has a code"},
        {EXPECT("balances: {alice: 1}"),
         "scenario.yaml:5: balances of accounts are only kept when the scenario has accounts"},
        {EXPECT("memory: [{program: cap, address: 0}]"),
         "scenario.yaml:5: an expected memory needs the key hex"},
        {EXPECT("memory: [{program: cap, address: 4294967296, hex: 00}]"),
         "scenario.yaml:5: address must lie between 0 and 4294967295; it is \"4294967296\""},
        {EXPECT("admissions: []"),
         "scenario.yaml:5: admissions has 0 entries for the 1 messages of the block"},
        {EXPECT("admissions: [denied]"),
         "scenario.yaml:5: admissions must be one of accepted, balance, no_program, no_code, "
         "no_message, program_exists, code_exists, module, payload, malformed, gas_limit; it is "
         "\"denied\""},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_error(wrong[i].text, wrong[i].message);
}

static void a_name_shown_in_a_message_is_cut_and_without_control_characters(void **state)
{
    (void)state;
    char text[400], message[400];
    memset(text, 'k', 300);
    memcpy(text, "\"\\x1b", 5);
    memcpy(text + 300, "\": 1\n", 6);
    (void)snprintf(
        message, sizeof message,
        "scenario.yaml:1: unknown key \"\\x1b%.68s...\"; a scenario takes title accounts "
        "codes programs blocks",
        text + 10);
    expect_error(text, message);
}

static void sharing_by_aliases_does_not_multiply_work(void **state)
{
    (void)state;
    char text[4096] = "title: x\nprograms: []\nblocks:\n- &a0 [1,2,3,4,5,6,7,8,9]\n";
    for (int i = 1; i < 20; i++) {
        char line[128];
        (void)snprintf(line, sizeof line, "- &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i,
                       i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
        strcat(text, line);
    }
    expect_error(text, "scenario.yaml:11: the document has more than 4000000 values");
}

static void what_is_not_a_readable_file_is_said_so(void **state)
{
    (void)state;
    mr_scenario s;
    mr_error error = {0};
    assert_int_equal(mr_scenario_open("nowhere.yaml", &s, &error), MR_NOT_FOUND);
    assert_string_equal(error.text, "cannot open nowhere.yaml: no such file or directory");
    assert_int_equal(mr_scenario_open(".", &s, &error), MR_INVALID);
    assert_string_equal(error.text, "cannot read .: it is a directory");

    FILE *big = fopen("big.yaml", "w");
    assert_non_null(big);
    assert_int_equal(ftruncate(fileno(big), MR_FILE_BYTES_MAX + 1), 0);
    (void)fclose(big);
    assert_int_equal(mr_scenario_open("big.yaml", &s, &error), MR_LIMIT);
    assert_string_equal(error.text, "big.yaml has 16777217 bytes, at most 16777216 are read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scenario_of_the_manual_is_read),
        cmocka_unit_test(every_form_of_payload_has_its_bytes),
        cmocka_unit_test(an_id_in_a_payload_is_that_of_the_account_program_or_code),
        cmocka_unit_test(one_module_in_two_files_is_one_code),
        cmocka_unit_test(an_anchor_stands_for_what_it_names),
        cmocka_unit_test(a_message_to_an_account_is_a_transfer),
        cmocka_unit_test(time_goes_on_by_three_seconds_a_block_unless_told),
        cmocka_unit_test(a_wrong_file_is_refused_with_line_and_reason),
        cmocka_unit_test(a_name_shown_in_a_message_is_cut_and_without_control_characters),
        cmocka_unit_test(sharing_by_aliases_does_not_multiply_work),
        cmocka_unit_test(what_is_not_a_readable_file_is_said_so),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
