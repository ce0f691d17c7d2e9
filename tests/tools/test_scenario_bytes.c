/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=fuzz timeout=300
 * Goal: whatever bytes a scenario consists of, reading it ends with a scenario or with a sentence.
 * Method: thousands of small damages to a scenario that uses every key; seed from MR_SEED. */
#include "support.h"

#include <time.h>

#include "tools/millrace/scenario.h"

static const char whole[] =
    "title: everything at once\n"
    "accounts: {alice: 1000000000000000, bob: 0x10, \"carol\": 1_000}\n"
    "codes:\n"
    "- {name: child, path: ping.wasm, from: alice}\n"
    "programs:\n"
    "- &one {name: cap, path: capacitor.wasm, from: alice, salt: \"1\", init: {text: \"2500\"},\n"
    "   gas: 10000000000, value: 0}\n"
    "- name: ring\n"
    "  path: ./ring.wasm\n"
    "  from: bob\n"
    "  salt: [{u8: 7}, {hex: 0aff}]\n"
    "  init:\n"
    "  - {id: ring}\n"
    "blocks:\n"
    "- gas_limit: 1000000000000\n"
    "  repeat: 2\n"
    "  timestamp: 12345\n"
    "  random: 0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
    "  messages:\n"
    "  - &m {from: alice, to: cap, payload: {text: \"folded\n     text\"}, gas: 5, value: 6}\n"
    "  - *m\n"
    "  - {from: alice, to: bob, value: 340282366920938463463374607431768211455}\n"
    "  - {from: bob, to: ring, payload: [{i8: -1}, {u16: 2}, {i16: -3}, {u32: 4}, {i32: -5},\n"
    "     {u64: 6}, {i64: -7}, {u128: 8}, {i128: -9}, {id: child}, {text: 'it''s'}]}\n"
    "  - {from: alice, to: cap, reply: 0}\n"
    "  expect:\n"
    "    messages:\n"
    "    - {from: cap, to: alice, kind: reply, code: \"00000000\", payload: {text: x}, value: 1}\n"
    "    receipts:\n"
    "    - {from: alice, to: cap, kind: handle, outcome: out_of_gas, gas_burned: 5, sent: 1,\n"
    "       text: why}\n"
    "    balances: {alice: 999, cap: 1}\n"
    "    memory: [{program: cap, address: 65560, hex: \"00000000\"}]\n"
    "    queue: 0\n"
    "    admissions: [accepted, balance, no_program, module, malformed]\n"
    "- {}\n";

static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % below;
}

static void insert(mr_buffer *text, size_t at, mr_span bytes)
{
    assert_int_equal(mr_buffer_reserve(text, bytes.size), MR_OK);
    memmove(text->data + at + bytes.size, text->data + at, text->size - at);
    memcpy(text->data + at, bytes.data, bytes.size);
    text->size += bytes.size;
}

static void damage(mr_buffer *text)
{
    static const char *const pieces[] = {"{",
                                         "}",
                                         "[",
                                         "]",
                                         ": ",
                                         "\n",
                                         "\n  ",
                                         "- ",
                                         "&a ",
                                         "*a",
                                         "*one",
                                         "*m",
                                         "\"",
                                         "'",
                                         ">-\n",
                                         "!!int ",
                                         "? ",
                                         "---\n",
                                         "...\n",
                                         "%YAML 9.9\n",
                                         "#",
                                         "\t",
                                         "\xef\xbb\xbf",
                                         "\xff\xfe",
                                         "\\0",
                                         "-1",
                                         "99999999999999999999999999999999999999999999",
                                         "0x",
                                         "<<: *m",
                                         "~",
                                         "\xf0\x9f\x98\x80"};
    size_t at = draw(text->size + 1), size = 1 + draw(20);
    switch (draw(5)) {
    case 0:
        if (at < text->size)
            text->data[at] = (uint8_t)draw(256);
        break;
    case 1: /* cut out */
        if (size > text->size - at)
            size = text->size - at;
        memmove(text->data + at, text->data + at + size, text->size - at - size);
        text->size -= size;
        break;
    case 2: /* copy a part elsewhere */
        if (size <= text->size) {
            uint8_t part[32];
            memcpy(part, text->data + draw(text->size - size + 1), size);
            insert(text, at, mr_span_of(part, size));
        }
        break;
    case 3:
        insert(text, at, mr_span_text(pieces[draw(sizeof pieces / sizeof pieces[0])]));
        break;
    default: /* end early */
        if (draw(8) == 0)
            text->size = at;
        break;
    }
}

static void damaged_scenarios_are_read_or_refused(void **state)
{
    (void)state;
    const char *text = getenv("MR_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
    print_message("MR_SEED=%llu\n", (unsigned long long)seed);
    random_state = seed;
    unsigned accepted = 0;
    for (int turn = 0; turn < 8000; turn++) {
        mr_buffer bytes = {0};
        assert_int_equal(mr_buffer_append(&bytes, mr_span_text(whole)), MR_OK);
        for (uint64_t hits = turn == 0 ? 0 : 1 + draw(4); hits > 0; hits--)
            damage(&bytes);
        write_bytes("scenario.yaml", mr_buffer_span(&bytes));
        mr_scenario scenario;
        mr_error error = {0};
        if (mr_scenario_open("scenario.yaml", &scenario, &error) == MR_OK) {
            accepted++;
            mr_scenario_close(&scenario);
        } else {
            assert_int_equal(strncmp(error.text, "scenario.yaml:", 14), 0);
            assert_true(strlen(error.text) > 20);
        }
        if (turn == 0 && accepted != 1)
            fail_msg("%s", error.text);
        mr_buffer_fini(&bytes);
    }
    print_message("%u of 8000 accepted\n", accepted);
    assert_in_range(accepted, 80, 7900); /* else the damages are too small or too large */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_scenarios_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
