/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model
 * Goal: the actor of the random histories forms the patterns it is there for: it goes on behind a
 * wait, once and with the replies; a lock is held across waits; requests nest and come back.
 * Method: scripts written by hand, run by the reference; a program's counter and the order of its
 * debug lines tell what was done, and how often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "tests/model/history.h"
#include "tests/programs/actor.h"

enum { PROGRAMS = 3, PEER_NEXT = 0, PEER_LAST = 1 };

static const uint64_t plenty = 2000000000;

typedef struct world {
    mr_history *history;
    mr_id user;
    mr_id code;
    mr_id programs[PROGRAMS]; /* each has the others for peers, the next one first */
} world;

typedef struct script {
    uint8_t bytes[4096];
    size_t size;
} script;

static void put(script *s, const void *bytes, size_t size)
{
    assert_true(size <= sizeof s->bytes - s->size);
    memcpy(s->bytes + s->size, bytes, size);
    s->size += size;
}

static void number(script *s, uint64_t value, unsigned bytes)
{
    put(s, &value, bytes);
}

static void operation(script *s, unsigned which)
{
    number(s, which, 1);
}

static void bytes(script *s, const void *from, size_t size)
{
    number(s, size, 2);
    put(s, from, size);
}

/* Says a letter. */
static void say(script *s, char letter)
{
    operation(s, ACTOR_DEBUG);
    bytes(s, &letter, 1);
}

static void wait_as(script *s, unsigned which, unsigned how, uint32_t blocks)
{
    operation(s, which);
    number(s, how, 1);
    number(s, blocks, 4);
}

/* A request with gas of its own, whose reply is expected. */
static void ask(script *s, unsigned to, uint64_t gas, const script *payload)
{
    operation(s, ACTOR_SEND);
    number(s, to, 1);
    number(s, ACTOR_TERMS_GAS, 1);
    number(s, gas, 8);
    bytes(s, payload->bytes, payload->size);
    operation(s, ACTOR_EXPECT);
}

static void reply(script *s)
{
    operation(s, ACTOR_REPLY_DIGEST);
    number(s, 0, 1);
}

/* ---- Blocks ---- */

static mr_span keep(world *w, const void *from, size_t size)
{
    void *copy = mr_arena_alloc(&w->history->arena, size);
    assert_non_null(copy);
    memcpy(copy, from, size);
    return mr_span_of(copy, size);
}

/* A block in which the user sends scripts, each to the program of its place. */
static const mr_reference_block *send(world *w, const script *const *scripts, const size_t *to,
                                      size_t count)
{
    const mr_block_params params = {.timestamp_ms = 1};
    mr_transaction *made = calloc(count + 1, sizeof *made);
    assert_non_null(made);
    for (size_t i = 0; i < count; i++)
        made[i] = (mr_transaction){.kind = MR_TRANSACTION_SEND,
                                   .from = w->user,
                                   .to = w->programs[to[i]],
                                   .payload = keep(w, scripts[i]->bytes, scripts[i]->size),
                                   .gas_limit = plenty};
    return mr_history_add(w->history, &params, made, count);
}

static const mr_reference_block *send_one(world *w, const script *s)
{
    return send(w, (const script *const[]){s}, (const size_t[]){0}, 1);
}

static const mr_reference_block *idle(world *w)
{
    return send(w, NULL, NULL, 0);
}

/* What was said in a block, in order. */
static const char *said(const mr_reference_block *block)
{
    static char text[64];
    assert_true(block->debug_count < sizeof text);
    for (size_t i = 0; i < block->debug_count; i++)
        text[i] = (char)block->debug[i].text.data[0];
    text[block->debug_count] = '\0';
    return text;
}

static int setup(void **state)
{
    static world w;
    const mr_reference_options options = {.schedule = mr_schedule_default()};
    const mr_span module = mr_history_module_of(MR_MODULE_ACTOR);
    w = (world){.history = mr_history_begin(&options), .user = {"a user"}};
    w.code = mr_id_of_code(module);
    for (uint8_t i = 0; i < PROGRAMS; i++)
        w.programs[i] = mr_id_of_program(&w.code, mr_span_of(&i, 1));
    mr_transaction *made = calloc(PROGRAMS + 1, sizeof *made);
    assert_non_null(made);
    made[0] = (mr_transaction){.kind = MR_TRANSACTION_UPLOAD, .from = w.user, .payload = module};
    for (uint8_t i = 0; i < PROGRAMS; i++) {
        script init = {0};
        number(&init, 2, 1);
        number(&init, 1, 1);
        put(&init, &w.programs[(i + 1) % PROGRAMS], sizeof(mr_id));
        put(&init, &w.programs[(i + 2) % PROGRAMS], sizeof(mr_id));
        put(&init, &w.code, sizeof w.code);
        made[1 + i] = (mr_transaction){.kind = MR_TRANSACTION_CREATE,
                                       .from = w.user,
                                       .to = w.code,
                                       .salt = keep(&w, &i, 1),
                                       .payload = keep(&w, init.bytes, init.size),
                                       .gas_limit = plenty};
    }
    const mr_block_params params = {0};
    const mr_reference_block *block = mr_history_add(w.history, &params, made, PROGRAMS + 1);
    for (uint64_t i = 0; i < PROGRAMS; i++)
        assert_int_equal(block->receipts[i].outcome, MR_OUTCOME_OK);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    world *w = *state;
    mr_history_free(w->history);
    return 0;
}

/* ---- Tests ---- */

static void it_goes_on_behind_a_wait_also_in_a_loop(void **state)
{
    world *w = *state;
    script s = {0}, body = {0};
    say(&s, 'a');
    say(&body, 'b');
    wait_as(&body, ACTOR_AWAIT, ACTOR_WAIT_FOR, 1);
    say(&body, 'c');
    operation(&s, ACTOR_REPEAT);
    number(&s, 2, 2);
    bytes(&s, body.bytes, body.size);
    say(&s, 'd');
    reply(&s);
    assert_string_equal(said(send_one(w, &s)), "ab");
    assert_string_equal(said(idle(w)), "cb");
    const mr_reference_block *last = idle(w);
    assert_string_equal(said(last), "cd");
    assert_int_equal(last->info.user_messages_count, 1);
    assert_int_equal(last->user_messages[0].code[1], 1);
    assert_int_equal(idle(w)->info.receipts_count, 0);
}

static void a_raw_wait_begins_again(void **state)
{
    world *w = *state;
    script s = {0};
    say(&s, 'a');
    wait_as(&s, ACTOR_WAIT, ACTOR_WAIT_UP_TO, 2);
    say(&s, 'b');
    assert_string_equal(said(send_one(w, &s)), "a");
    assert_string_equal(said(idle(w)), "");
    assert_string_equal(said(idle(w)), "a");
}

static void replies_of_all_asked_wake_it_once(void **state)
{
    world *w = *state;
    script s = {0}, asked = {0};
    say(&asked, 'x');
    reply(&asked);
    say(&s, 'a');
    ask(&s, PEER_NEXT, plenty / 8, &asked);
    ask(&s, PEER_LAST, plenty / 8, &asked);
    wait_as(&s, ACTOR_AWAIT_REPLIES, ACTOR_WAIT_UP_TO, 5);
    say(&s, 'b');
    reply(&s);
    const mr_reference_block *block = send_one(w, &s);
    assert_string_equal(said(block), "axxb");
    assert_int_equal(block->info.receipts_count, 6);
    assert_int_equal(block->receipts[0].outcome, MR_OUTCOME_WAITING);
    assert_int_equal(block->receipts[5].outcome, MR_OUTCOME_OK);
    assert_int_equal(idle(w)->info.receipts_count, 0);
}

static void who_is_asked_may_ask_back(void **state)
{
    world *w = *state;
    script s = {0}, asked = {0}, back = {0};
    say(&back, '3');
    reply(&back);
    say(&asked, '2');
    ask(&asked, ACTOR_TO_SOURCE, plenty / 64, &back);
    wait_as(&asked, ACTOR_AWAIT_REPLIES, ACTOR_WAIT_FOR, 5);
    say(&asked, '4');
    reply(&asked);
    say(&s, '1');
    ask(&s, PEER_NEXT, plenty / 8, &asked);
    wait_as(&s, ACTOR_AWAIT_REPLIES, ACTOR_WAIT_FOR, 5);
    say(&s, '5');
    assert_string_equal(said(send_one(w, &s)), "12345");
}

static void silence_is_waited_for_some_times_only(void **state)
{
    world *w = *state;
    script s = {0}, asked = {0};
    wait_as(&asked, ACTOR_AWAIT, ACTOR_WAIT_FOR, 1000);
    ask(&s, PEER_NEXT, plenty / 8, &asked);
    wait_as(&s, ACTOR_AWAIT_REPLIES, ACTOR_WAIT_FOR, 1);
    say(&s, 'b');
    assert_string_equal(said(send_one(w, &s)), "");
    for (int i = 1; i < ACTOR_TRIES; i++)
        assert_string_equal(said(idle(w)), "");
    assert_string_equal(said(idle(w)), "b");
}

static void a_lock_is_held_across_a_wait(void **state)
{
    world *w = *state;
    script s[2] = {{.size = 0}};
    for (int i = 0; i < 2; i++) {
        wait_as(&s[i], ACTOR_LOCK, ACTOR_WAIT_FOR_EVER, 0);
        say(&s[i], (char)('a' + 2 * i));
        wait_as(&s[i], ACTOR_AWAIT, ACTOR_WAIT_FOR, 2);
        say(&s[i], (char)('b' + 2 * i));
        operation(&s[i], ACTOR_UNLOCK);
    }
    assert_string_equal(
        said(send(w, (const script *const[]){&s[0], &s[1]}, (const size_t[]){0, 0}, 2)), "a");
    assert_string_equal(said(idle(w)), "");
    assert_string_equal(said(idle(w)), "bc");
    assert_string_equal(said(idle(w)), "");
    assert_string_equal(said(idle(w)), "d");
}

static void a_signal_frees_the_lock_of_who_failed(void **state)
{
    world *w = *state;
    script failing = {0}, next = {0};
    operation(&failing, ACTOR_SYSTEM_RESERVE);
    number(&failing, 20000000, 8);
    wait_as(&failing, ACTOR_LOCK, ACTOR_WAIT_FOR_EVER, 0);
    wait_as(&failing, ACTOR_AWAIT, ACTOR_WAIT_FOR, 1);
    operation(&failing, ACTOR_UNREACHABLE);
    wait_as(&next, ACTOR_LOCK, ACTOR_WAIT_FOR_EVER, 0);
    say(&next, 'n');
    assert_string_equal(
        said(send(w, (const script *const[]){&failing, &next}, (const size_t[]){0, 0}, 2)), "");
    const mr_reference_block *block = idle(w);
    assert_int_equal(block->receipts[0].outcome, MR_OUTCOME_TRAP);
    assert_int_equal(block->receipts[1].kind, MR_KIND_SIGNAL);
    assert_string_equal(said(block), "n");
}

static void a_child_is_made_and_can_be_asked(void **state)
{
    world *w = *state;
    script s = {0}, init = {0}, asked = {0};
    number(&init, 0, 2);
    say(&init, 'i');
    say(&asked, 'h');
    operation(&s, ACTOR_CREATE);
    number(&s, 0, 1);
    number(&s, 7, 1);
    number(&s, 0, 1);
    bytes(&s, init.bytes, init.size);
    operation(&s, ACTOR_EXPECT);
    wait_as(&s, ACTOR_AWAIT_REPLIES, ACTOR_WAIT_FOR, 5);
    say(&s, 'm');
    ask(&s, ACTOR_TO_CHILD, plenty / 8, &asked);
    wait_as(&s, ACTOR_AWAIT_REPLIES, ACTOR_WAIT_FOR, 5);
    say(&s, 'e');
    assert_string_equal(said(send_one(w, &s)), "imhe");
}

static void a_reservation_is_sent_from_later(void **state)
{
    world *w = *state;
    script s = {0}, sent = {0}, use = {0};
    operation(&s, ACTOR_RESERVE);
    number(&s, 3, 1);
    number(&s, 50000000, 8);
    number(&s, 3, 4);
    say(&sent, 's');
    operation(&use, ACTOR_RESERVATION_SEND);
    number(&use, 3, 1);
    number(&use, PEER_NEXT, 1);
    number(&use, 0, 1);
    bytes(&use, sent.bytes, sent.size);
    (void)send_one(w, &s);
    assert_string_equal(said(send_one(w, &use)), "s");
    assert_string_equal(said(send_one(w, &use)), ""); /* once */
    (void)send_one(w, &s);
    (void)idle(w);
    (void)idle(w);
    assert_string_equal(said(send_one(w, &use)), ""); /* its blocks are over */
}

static void a_delayed_message_wakes_who_waits(void **state)
{
    world *w = *state;
    script s = {0}, later = {0};
    operation(&later, ACTOR_WAKE);
    number(&later, 0, 1);
    number(&later, 1, 2);
    say(&later, 'l');
    operation(&s, ACTOR_SEND);
    number(&s, ACTOR_TO_SELF, 1);
    number(&s, ACTOR_TERMS_GAS | ACTOR_TERMS_DELAY, 1);
    number(&s, 50000000, 8);
    number(&s, 2, 2);
    bytes(&s, later.bytes, later.size);
    wait_as(&s, ACTOR_AWAIT, ACTOR_WAIT_FOR_EVER, 0);
    say(&s, 'w');
    assert_string_equal(said(send_one(w, &s)), "");
    assert_string_equal(said(idle(w)), "");
    assert_string_equal(said(idle(w)), "l");
    assert_string_equal(said(idle(w)), "w");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_goes_on_behind_a_wait_also_in_a_loop), TEST(a_raw_wait_begins_again),
        TEST(replies_of_all_asked_wake_it_once),       TEST(who_is_asked_may_ask_back),
        TEST(silence_is_waited_for_some_times_only),   TEST(a_lock_is_held_across_a_wait),
        TEST(a_signal_frees_the_lock_of_who_failed),   TEST(a_child_is_made_and_can_be_asked),
        TEST(a_reservation_is_sent_from_later),        TEST(a_delayed_message_wakes_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
