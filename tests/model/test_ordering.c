/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=300
 * Goal: messages from one program to another are handled in the order sent, none lost, none twice,
 * whatever else fails, however many streams there are, and however little gas a block has.
 * Method: programs that number what they send to each of the others and refuse a gap
 * (tools/guest/examples/numbered.c), all to all. In the end everyone is asked how much it sent and
 * how much of it arrived. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "tests/model/play.h"
#include "tests/model/random.h"
#include "tools/guest/embedded.h"

enum { PROGRAMS_MAX = 16, BLOCKS = 6, COMMANDS_MAX = 12, CASES = 12 };

/* What a command needs at most; what it sends shares it. */
static const uint64_t plenty = 20000000000;

typedef struct network {
    mr_random random;
    mr_history *history;
    mr_id users[3];
    mr_id code;
    mr_id programs[PROGRAMS_MAX];
    uint32_t programs_count;
} network;

static mr_transaction *new_transactions(size_t count)
{
    mr_transaction *made = calloc(count + 1, sizeof *made);
    assert_non_null(made);
    return made;
}

static mr_span keep(network *n, const void *bytes, size_t size)
{
    void *copy = mr_arena_alloc(&n->history->arena, size);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    return mr_span_of(copy, size);
}

static void create(network *n)
{
    const mr_span module = mr_embedded_find("numbered");
    n->code = mr_id_of_code(module);
    n->programs_count = (uint32_t)mr_random_range(&n->random, 2, PROGRAMS_MAX);
    for (uint32_t i = 0; i < n->programs_count; i++)
        n->programs[i] = mr_id_of_program(&n->code, mr_span_of(&i, sizeof i));
    mr_transaction *made = new_transactions(n->programs_count + 1);
    made[0] = (mr_transaction){.kind = MR_TRANSACTION_UPLOAD, .payload = module};
    for (uint32_t i = 0; i < n->programs_count; i++) {
        struct {
            uint32_t number, senders_max;
            mr_id peers[PROGRAMS_MAX];
        } init = {i, n->programs_count, {{{0}}}};
        memcpy(init.peers, n->programs, n->programs_count * sizeof(mr_id));
        made[1 + i] = (mr_transaction){
            .kind = MR_TRANSACTION_CREATE,
            .to = n->code,
            .salt = keep(n, &i, sizeof i),
            .payload = keep(n, &init, 8 + n->programs_count * sizeof(mr_id)),
            .gas_limit = plenty,
        };
    }
    const mr_block_params params = {0};
    const mr_reference_block *block =
        mr_history_add(n->history, &params, made, n->programs_count + 1);
    for (uint32_t i = 0; i < n->programs_count; i++)
        assert_int_equal(block->receipts[i].outcome, MR_OUTCOME_OK);
}

/* A command to send to all peers, which may then fail. */
static mr_transaction command(network *n)
{
    struct __attribute__((packed)) {
        uint8_t kind;
        uint32_t k;
        uint8_t hops;
        uint8_t fail;
    } text = {1, (uint32_t)mr_random_range(&n->random, 0, 4), 0, mr_random_chance(&n->random, 30)};
    text.hops = n->programs_count <= 6 ? (uint8_t)mr_random_below(&n->random, 3)
                                       : (uint8_t)mr_random_below(&n->random, 2);
    return (mr_transaction){
        .kind = MR_TRANSACTION_SEND,
        .from = n->users[mr_random_below(&n->random, 3)],
        .to = n->programs[mr_random_below(&n->random, n->programs_count)],
        .payload = keep(n, &text, sizeof text),
        .gas_limit = plenty,
    };
}

static void command_some(network *n)
{
    const size_t count = mr_random_range(&n->random, 1, COMMANDS_MAX);
    mr_transaction *made = new_transactions(count);
    for (size_t i = 0; i < count; i++) {
        made[i] = command(n);
        /* Some fail with nothing, before they have sent anything or after. */
        if (mr_random_chance(&n->random, 10))
            made[i].gas_limit = mr_random_below(&n->random, 30000);
    }
    mr_block_params params = {0};
    /* A little more than a command, so that destinations close all the time. */
    if (mr_random_chance(&n->random, 70))
        params.gas_limit = plenty + mr_random_below(&n->random, 400000000);
    (void)mr_history_add(n->history, &params, made, count);
}

static mr_transaction question(network *n, uint32_t program, uint8_t kind, uint32_t index)
{
    struct __attribute__((packed)) {
        uint8_t kind;
        uint32_t index;
    } text = {kind, index};
    return (mr_transaction){
        .kind = MR_TRANSACTION_SEND,
        .from = n->users[0],
        .to = n->programs[program],
        .payload = keep(n, &text, sizeof text),
        .gas_limit = plenty,
    };
}

/* Asks for every pair: how many were sent, and the last one that arrived. */
static void everything_arrived(network *n)
{
    enum { LAST = 2, SENT = 3 };
    const uint32_t count = n->programs_count;
    mr_transaction *made = new_transactions(2 * count * count);
    for (uint32_t from = 0; from < count; from++) {
        for (uint32_t to = 0; to < count; to++) {
            const size_t at = 2 * (from * count + to);
            made[at] = question(n, from, SENT, to);
            made[at + 1] = question(n, to, LAST, from);
        }
    }
    const mr_block_params params = {0};
    const mr_reference_block *block =
        mr_history_add(n->history, &params, made, 2 * (size_t)count * count);
    assert_int_equal(block->info.user_messages_count, 2 * count * count);
    uint64_t all = 0;
    for (uint32_t i = 0; i < count * count; i++) {
        const mr_span sent = block->user_messages[2 * i].payload;
        const mr_span last = block->user_messages[2 * i + 1].payload;
        assert_int_equal(sent.size, 8);
        assert_true(mr_span_equal(sent, last));
        all += mr_load_le64(sent.data);
    }
    printf("%u programs, %llu numbered messages\n", count, (unsigned long long)all);
}

static void nothing_was_out_of_order(const mr_history *history)
{
    for (size_t b = 0; b < history->blocks_count; b++) {
        const mr_reference_block *block = history->blocks[b].expected;
        for (uint64_t i = 0; i < block->info.receipts_count; i++) {
            const mr_receipt *receipt = &block->receipts[i];
            assert_false(mr_span_equal(receipt->text, mr_span_text("numbered: out of order")));
            if (receipt->outcome == MR_OUTCOME_PANIC)
                assert_true(mr_span_equal(receipt->text, mr_span_text("numbered: told to fail")));
            else if (receipt->outcome != MR_OUTCOME_OK) /* a command without gas */
                assert_true(receipt->gas_limit < 30000);
        }
    }
}

static void run_case(uint64_t seed, uint64_t index)
{
    network n = {.random = {.state = mr_random_part(seed, index)}};
    for (unsigned i = 0; i < 3; i++)
        n.users[i] = mr_random_id(&n.random);
    const mr_reference_options options = {.schedule = mr_schedule_default()};
    n.history = mr_history_begin(&options);
    create(&n);
    for (unsigned b = 0; b < BLOCKS; b++)
        command_some(&n);
    const mr_block_params boundless = {0};
    const mr_reference_block *drained =
        mr_history_add(n.history, &boundless, new_transactions(0), 0);
    assert_int_equal(drained->info.queue_count, 0);
    everything_arrived(&n);
    nothing_was_out_of_order(n.history);

    static const uint32_t streams_counts[] = {1, 2, 3, 8, 32};
    for (size_t i = 0; i < sizeof streams_counts / sizeof streams_counts[0]; i++) {
        const mr_play play = {
            .streams = streams_counts[i],
            .perturb = mr_play_perturb(mr_random_part(seed + i, index)),
        };
        mr_difference difference;
        size_t block;
        if (!mr_play_history(n.history, &play, &block, &difference))
            fail_msg("MR_SEED=%llu case %llu, %u streams, block %zu: %s", (unsigned long long)seed,
                     (unsigned long long)index, play.streams, block + 1, difference.text);
    }
    mr_history_free(n.history);
}

static void numbered_messages_arrive_in_order_once_and_all(void **state)
{
    (void)state;
    const uint64_t seed = mr_play_seed();
    printf("MR_SEED=%llu\n", (unsigned long long)seed);
    const uint64_t cases = mr_play_number("MR_CASES", CASES);
    for (uint64_t i = 0; i < cases; i++)
        run_case(seed, i);
}

/* Every program sends to the next one in the queue, which is about to run in the same round. */
static void a_message_to_a_program_that_runs_later_in_the_round_comes_after(void **state)
{
    (void)state;
    network n = {.random = {.state = 1}};
    const mr_reference_options options = {.schedule = mr_schedule_default()};
    n.history = mr_history_begin(&options);
    create(&n);
    mr_transaction *made = new_transactions(4 * n.programs_count);
    for (uint32_t i = 0; i < 4 * n.programs_count; i++) {
        made[i] = command(&n);
        made[i].to = n.programs[i % n.programs_count];
        made[i].payload = keep(&n, "\1\2\0\0\0\1\0", 7); /* 2 to each, who send on, no failure */
    }
    const mr_block_params params = {0};
    const mr_reference_block *block =
        mr_history_add(n.history, &params, made, 4 * n.programs_count);
    /* Each command makes 2 messages to each, each of which makes one to each. */
    const uint64_t count = n.programs_count;
    assert_int_equal(block->info.receipts_count, 4 * count * (1 + 2 * count * (2 + 2 * count)));
    everything_arrived(&n);
    nothing_was_out_of_order(n.history);
    for (uint32_t streams = 1; streams <= 5; streams++) {
        const mr_play play = {.streams = streams};
        mr_difference difference;
        size_t at;
        if (!mr_play_history(n.history, &play, &at, &difference))
            fail_msg("%u streams, block %zu: %s", streams, at + 1, difference.text);
    }
    mr_history_free(n.history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbered_messages_arrive_in_order_once_and_all),
        cmocka_unit_test(a_message_to_a_program_that_runs_later_in_the_round_comes_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
