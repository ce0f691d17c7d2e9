/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model
 * Goal: random scripts are what tests/programs/actor.h says, and use all of it.
 * Method: an independent reader of that language walks scripts of many seeds, those inside of
 * messages, too, and counts operations. The names of what must come up often are spelled out here:
 * a history without it tests nothing of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "tests/model/play.h"
#include "tests/model/script.h"
#include "tests/programs/actor.h"

enum { SCRIPTS = 4000, DEPTH = 3 };

/* Operands: 1, 2, 4, 8 that many bytes; D destination, T terms, W wait, C code; B bytes, S bytes
 * that are a script, P likewise unless terms took the input, I those of an init message. */
static const char *const operands[ACTOR_OPERATIONS] = {
    [ACTOR_STORE] = "421",
    [ACTOR_STORE8] = "48",
    [ACTOR_COPY] = "442",
    [ACTOR_LOAD] = "42",
    [ACTOR_CELL] = "11",
    [ACTOR_CHECK] = "1",
    [ACTOR_ALLOC] = "11",
    [ACTOR_FREE] = "1",
    [ACTOR_FREE_PAGE] = "2",
    [ACTOR_FREE_RANGE] = "22",
    [ACTOR_FILL] = "1221",
    [ACTOR_SEND] = "DTP",
    [ACTOR_BEGIN] = "1",
    [ACTOR_PUSH] = "1TP",
    [ACTOR_COMMIT] = "1DT",
    [ACTOR_REPLY] = "TP",
    [ACTOR_REPLY_PUSH] = "TP",
    [ACTOR_REPLY_COMMIT] = "T",
    [ACTOR_REPLY_DIGEST] = "T",
    [ACTOR_BURN] = "4",
    [ACTOR_REPEAT] = "2S",
    [ACTOR_SKIP_IF] = "1S", /* what it skips stands where bytes would */
    [ACTOR_PANIC] = "B",
    [ACTOR_RECURSE] = "4",
    [ACTOR_EXIT] = "D",
    [ACTOR_RANDOM] = "1",
    [ACTOR_ON_REPLY] = "B",
    [ACTOR_DEBUG] = "B",
    [ACTOR_BAD_POINTER] = "1",
    [ACTOR_WAIT] = "W",
    [ACTOR_AWAIT] = "W",
    [ACTOR_AWAIT_REPLIES] = "W",
    [ACTOR_WAKE] = "12",
    [ACTOR_LOCK] = "W",
    [ACTOR_CREATE] = "C1TI",
    [ACTOR_RESERVE] = "184",
    [ACTOR_UNRESERVE] = "1",
    [ACTOR_RESERVATION_SEND] = "1DTP",
    [ACTOR_RESERVATION_COMMIT] = "11DT",
    [ACTOR_RESERVATION_REPLY] = "1TP",
    [ACTOR_RESERVATION_REPLY_COMMIT] = "1T",
    [ACTOR_SYSTEM_RESERVE] = "8",
    [ACTOR_DEPOSIT] = "8",
    [ACTOR_ON_SIGNAL] = "B",
};

typedef struct reader {
    const uint8_t *at;
    const uint8_t *end;
    unsigned terms; /* of the operation at hand */
    unsigned depth; /* of messages in messages */
} reader;

static struct {
    uint64_t operations[ACTOR_OPERATIONS];
    uint64_t waits[3];
    uint64_t delays, to_children, nested;
} seen;

static uint64_t take(reader *r, unsigned bytes)
{
    uint64_t value = 0;
    assert_true((size_t)(r->end - r->at) >= bytes);
    memcpy(&value, r->at, bytes);
    r->at += bytes;
    return value;
}

static void pass(reader *r, size_t bytes)
{
    assert_true((size_t)(r->end - r->at) >= bytes);
    r->at += bytes;
}

static void read_script(reader *r, bool is_text);

/* A message's payload, with nobody to run it at the last depth: letters, which are no operations.
 */
static void read_inner(reader *r, char kind)
{
    const size_t size = (size_t)take(r, 2);
    reader inner = {.at = r->at, .end = r->at + size, .depth = r->depth + 1};
    pass(r, size);
    if (kind == 'B')
        return;
    const bool is_text = size > 0 && inner.at[0] >= 'a' && inner.at[0] <= 'z';
    if (kind == 'I' && !is_text && size > 0) {
        const uint64_t peers = take(&inner, 1), codes = take(&inner, 1);
        assert_true(peers <= ACTOR_PEERS_MAX && codes <= ACTOR_CODES_MAX);
        pass(&inner, (peers + codes) * sizeof(mr_id));
    }
    seen.nested += inner.depth > 2;
    read_script(&inner, is_text);
}

static void read_terms(reader *r)
{
    r->terms = (unsigned)take(r, 1);
    assert_true(r->terms < 16);
    pass(r, (r->terms & ACTOR_TERMS_GAS ? 8 : 0) + (r->terms & ACTOR_TERMS_VALUE ? 8 : 0));
    if (r->terms & ACTOR_TERMS_DELAY) {
        pass(r, 2);
        seen.delays++;
    }
}

static void read_operand(reader *r, char kind)
{
    uint64_t which;
    switch (kind) {
    case 'D':
        which = take(r, 1);
        seen.to_children += which >= ACTOR_TO_CHILD && which < ACTOR_TO_CHILD + ACTOR_CHILDREN_MAX;
        pass(r, which == ACTOR_TO_ID ? sizeof(mr_id) : 0);
        break;
    case 'C':
        pass(r, take(r, 1) == ACTOR_CODE_ID ? sizeof(mr_id) : 0);
        break;
    case 'T':
        read_terms(r);
        break;
    case 'W':
        which = take(r, 1);
        assert_true(which < 3);
        seen.waits[which]++;
        pass(r, 4);
        break;
    case 'P':
        if (r->terms & ACTOR_TERMS_INPUT)
            pass(r, 4);
        else
            read_inner(r, 'P');
        break;
    case 'B':
    case 'S':
    case 'I':
        read_inner(r, kind);
        break;
    default:
        pass(r, (size_t)(kind - '0'));
    }
}

static void read_script(reader *r, bool is_text)
{
    while (r->at < r->end) {
        const uint64_t operation = take(r, 1);
        if (operation >= ACTOR_OPERATIONS) {
            assert_true(is_text);
            return;
        }
        seen.operations[operation]++;
        const char *kinds = operands[operation];
        r->terms = 0;
        for (size_t i = 0; kinds != NULL && kinds[i] != '\0'; i++)
            read_operand(r, kinds[i]);
    }
}

static mr_id ids[8];

static mr_script_world world(bool calm)
{
    return (mr_script_world){.users = ids,
                             .users_count = 2,
                             .strangers = ids + 2,
                             .strangers_count = 3,
                             .codes = ids + 5,
                             .codes_count = 3,
                             .gas_least = 3000,
                             .calm = calm};
}

static void read_scripts(bool calm)
{
    const uint64_t seed = mr_play_seed();
    const mr_script_world w = world(calm);
    printf("MR_SEED=%llu\n", (unsigned long long)seed);
    memset(&seen, 0, sizeof seen);
    for (uint64_t i = 0; i < SCRIPTS; i++) {
        mr_random random = {.state = mr_random_part(seed, i)};
        mr_buffer script = {0};
        mr_script_random(&w, &random, DEPTH, &script);
        reader r = {.at = script.data, .end = script.data + script.size};
        read_script(&r, false);
        assert_true(script.size <= ACTOR_SCRIPT_MAX);
        mr_buffer_fini(&script);
    }
}

static const char *const names[ACTOR_OPERATIONS] = {
#define NAME(name) #name,
    ACTOR_MAP(NAME)
#undef NAME
};

static void every_operation_comes_up_and_is_well_formed(void **state)
{
    (void)state;
    read_scripts(false);
    for (size_t i = 0; i < ACTOR_OPERATIONS; i++) {
        printf("%s %llu%s", names[i], (unsigned long long)seen.operations[i],
               i + 1 < ACTOR_OPERATIONS ? ", " : "\n");
        if (i != ACTOR_END && seen.operations[i] < 20)
            fail_msg("%s comes up %llu times in %d scripts", names[i],
                     (unsigned long long)seen.operations[i], SCRIPTS);
    }
}

static void what_goes_on_for_several_blocks_comes_up_often(void **state)
{
    (void)state;
    static const unsigned often[] = {ACTOR_AWAIT,   ACTOR_AWAIT_REPLIES, ACTOR_EXPECT,
                                     ACTOR_WAKE,    ACTOR_LOCK,          ACTOR_CREATE,
                                     ACTOR_RESERVE, ACTOR_DEPOSIT,       ACTOR_SYSTEM_RESERVE};
    read_scripts(false);
    for (size_t i = 0; i < sizeof often / sizeof often[0]; i++)
        assert_true(seen.operations[often[i]] > SCRIPTS / 20);
    for (size_t i = 0; i < 3; i++)
        assert_true(seen.waits[i] > SCRIPTS / 20);
    assert_true(seen.delays > SCRIPTS / 20);
    assert_true(seen.to_children > SCRIPTS / 20);
    assert_true(seen.nested > SCRIPTS / 4); /* a conversation is three messages deep */
}

static void calm_scripts_neither_fail_nor_send_nor_wait(void **state)
{
    (void)state;
    static const unsigned calm[] = {
        ACTOR_BUMP,   ACTOR_CELL, ACTOR_CHECK,       ACTOR_REPLY_DIGEST, ACTOR_FACTS,
        ACTOR_RANDOM, ACTOR_GAS,  ACTOR_REPLY_FACTS, ACTOR_SIGNAL_FACTS, ACTOR_DEBUG};
    read_scripts(true);
    for (size_t i = 0; i < sizeof calm / sizeof calm[0]; i++)
        seen.operations[calm[i]] = 0;
    for (size_t i = 0; i < ACTOR_OPERATIONS; i++)
        assert_int_equal(seen.operations[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_comes_up_and_is_well_formed),
        cmocka_unit_test(what_goes_on_for_several_blocks_comes_up_often),
        cmocka_unit_test(calm_scripts_neither_fail_nor_send_nor_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
