/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=fuzz timeout=300
 *
 * Goal: no bytes crash an upload, and whatever is accepted does what it did before.
 * Method: valid modules with bits flipped, bytes changed, inserted, removed, cut off, or parts of
 * another module put in; each is uploaded and packed, and if accepted compared with itself as
 * uploaded (tests/vm/compare.h). Texts likewise. MR_SEED replays, MR_CASES sets how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/vm/compare.h"
#include "tests/vm/number.h"
#include "tests/vm/random_module.h"

static void append(mr_buffer *to, const uint8_t *bytes, size_t size)
{
    assert_int_equal(mr_buffer_append(to, mr_span_of(bytes, size)), MR_OK);
}

/* Replaces `removed` bytes at `at` by `bytes`. */
static void splice(mr_buffer *buffer, size_t at, size_t removed, const uint8_t *bytes, size_t size)
{
    mr_buffer out = {0};
    append(&out, buffer->data, at);
    append(&out, bytes, size);
    append(&out, buffer->data + at + removed, buffer->size - at - removed);
    mr_buffer_fini(buffer);
    *buffer = out;
}

static uint32_t below(rm *m, size_t limit)
{
    return limit == 0 ? 0 : rm_random(m, (uint32_t)limit);
}

static void mutate(rm *m, mr_buffer *buffer, mr_span other)
{
    static const uint8_t interesting[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x40, 0x0b,
                                          0x05, 0x03, 0x0e, 0x11, 0xfc, 0x70, 0x7b};
    static const uint8_t large[] = {0xff, 0xff, 0xff, 0xff, 0x0f};
    for (uint32_t count = 1 + below(m, 3); count > 0; count--) {
        size_t at = 8 + below(m, buffer->size - 8), left = buffer->size - at;
        uint8_t byte = (uint8_t)below(m, 256);
        switch (below(m, 9)) {
        case 0:
        case 1:
            buffer->data[at] ^= (uint8_t)(1u << below(m, 8));
            break;
        case 2:
        case 3:
            buffer->data[at] = interesting[below(m, sizeof interesting)];
            break;
        case 4:
            buffer->data[at] = byte;
            break;
        case 5:
            splice(buffer, at, 0, &byte, 1);
            break;
        case 6:
            splice(buffer, at, below(m, left < 8 ? left : 8), &byte, 0);
            break;
        case 7:
            if (below(m, 4) == 0)
                splice(buffer, at, left, &byte, 0);
            else
                splice(buffer, at, 1, large, sizeof large);
            break;
        case 8: {
            size_t size = below(m, 40), from = below(m, other.size - size);
            splice(buffer, at, left < size ? left : size, other.data + from, size);
            break;
        }
        }
        if (buffer->size <= 8)
            return;
    }
}

/* The reference counts by calling function 0. */
static bool is_comparable(const mr_buffer *module, const mr_code *code)
{
    static const char first[] = "\3env\5count\0\0";
    return mr_code_static_pages(code) <= 16 &&
           memmem(module->data, module->size, first, sizeof first - 1) != NULL &&
           mr_code_has_entry(code, 1);
}

static void mutated_modules_are_refused_or_do_the_same(void **state)
{
    (void)state;
    uint64_t seed = number_from("MR_SEED", 1), cases = number_from("MR_CASES", 20000);
    mr_code_prices prices = {.instruction = 1, .stack_height_max = 20000};
    uint32_t accepted = 0, compared = 0;
    for (uint64_t i = seed; i < seed + cases; i++) {
        rm m = {.state = i * 2 + 1};
        mr_buffer module = {0}, other = {0}, packed = {0};
        mr_error error = {0};
        mr_code *code = NULL;
        random_module(i / 16, &module);
        random_module(i / 16 + 1, &other);
        mutate(&m, &module, mr_buffer_span(&other));
        mr_status status =
            mr_code_new(&bare_rules, &prices, mr_buffer_span(&module), &code, &error);
        if (status == MR_OK) {
            bare_end end = BARE_OTHER;
            accepted++;
            const char *text = NULL;
            if (is_comparable(&module, code)) {
                compared++;
                text = compare_module(mr_buffer_span(&module), code, 5000, &end);
            }
            if (text != NULL)
                fail_msg("MR_SEED=%llu: %s", (unsigned long long)i, text);
            mr_code_put(code);
        } else if (status != MR_MODULE || strstr(error.text, "fault") != NULL) {
            fail_msg("MR_SEED=%llu: %s", (unsigned long long)i, error.text);
        }
        status = mr_code_pack(&bare_rules, mr_buffer_span(&module), &packed, &error);
        assert_true(status == MR_OK || status == MR_MODULE);
        mr_buffer_fini(&module);
        mr_buffer_fini(&other);
        mr_buffer_fini(&packed);
    }
    print_message("MR_SEED=%llu: %llu mutations, %u accepted, %u compared\n",
                  (unsigned long long)seed, (unsigned long long)cases, accepted, compared);
    assert_true(cases < 1000 || compared > cases / 50);
}

static const char sample[] =
    "(module (import \"env\" \"memory\" (memory 1)) (type $t (func (param i32) (result i64)))\n"
    " (import \"env\" \"stop\" (func $stop)) (table 2 funcref) (elem (i32.const 0) $f $g)\n"
    " (global $x (mut i32) (i32.const 5)) (data (i32.const 8) \"a\\00\\ff\\n\") ;; comment\n"
    " (func $f (type $t) (block $b (result i64) (br_if $b (i64.const -1) (local.get 0))\n"
    "  drop (; block (; nested ;) ;) (i64.load offset=3 align=1 (i32.const 0x10))))\n"
    " (func $g (param $p i32) (local $l i64) loop $l block if (i32.const 1) unreachable else\n"
    "  br $l end end end local.get $p i32.eqz drop f32.const 0x1p-3 drop)\n"
    " (func (export \"handle\") call $stop (call_indirect (type $t) (i32.const 1) (i32.const 0))\n"
    "  drop))\n";

static void mutated_texts_are_refused_or_read(void **state)
{
    (void)state;
    uint64_t seed = number_from("MR_SEED", 1), cases = number_from("MR_CASES", 20000);
    for (uint64_t i = seed; i < seed + cases; i++) {
        rm m = {.state = i * 2 + 1};
        mr_buffer text = {0}, out = {0};
        mr_error error = {0};
        append(&text, (const uint8_t *)sample, sizeof sample - 1);
        for (uint32_t count = 1 + below(&m, 3); count > 0; count--) {
            size_t from = below(&m, sizeof sample - 32), size = below(&m, 30);
            size_t at = below(&m, text.size), left = text.size - at;
            size_t removed = below(&m, left < 20 ? left : 20);
            uint8_t byte = (uint8_t)sample[from];
            if (below(&m, 8) == 0)
                byte = (uint8_t)below(&m, 256);
            if (below(&m, 2) == 0)
                splice(&text, at, removed, (const uint8_t *)sample + from, size);
            else
                text.data[at] = byte;
        }
        mr_status status = mr_code_from_text(mr_buffer_span(&text), "fuzz.wat", &out, &error);
        assert_true(status == MR_OK || status == MR_MODULE);
        mr_buffer_fini(&text);
        mr_buffer_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutated_modules_are_refused_or_do_the_same),
        cmocka_unit_test(mutated_texts_are_refused_or_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
