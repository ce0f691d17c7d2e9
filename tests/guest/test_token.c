/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the token's balances are those of an array that is obviously right.
 * Method: random messages, good and bad, to the program and to the model; every reply and every
 * panic must be the model's. Then the bench's use: 10,000 holders. */
#include "tools/guest/examples/token.c"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/guest/programs.h"

enum { IDS = 40, MODEL_HOLDERS_MAX = 24, STEPS = 30000 };

static uint64_t seed;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(table);
    HOST_STATE(slots_mask);
    HOST_STATE(holders_count);
    HOST_STATE(holders_max);
    HOST_STATE(mode);
    HOST_STATE(owner);
    HOST_STATE(supply);
    return 0;
}

/* ---- The model ---- */

static struct {
    gear_value balances[IDS];
    bool known[IDS];
    uint32_t known_count;
    gear_value supply;
    bool open;
} model;

static const char *model_receive(uint32_t to, gear_value amount)
{
    if (!model.known[to]) {
        if (model.known_count == MODEL_HOLDERS_MAX)
            return "token: too many holders";
        model.known[to] = true;
        model.known_count++;
    }
    model.balances[to] += amount;
    return NULL;
}

static const char *model_mint(uint32_t source, uint32_t to, gear_value amount)
{
    if (!model.open && source != 0)
        return "token: not allowed";
    if (amount == 0)
        return "token: nothing to move";
    if (amount > ~(gear_value)0 - model.supply)
        return "token: supply overflow";
    const char *failure = model_receive(to, amount);
    if (failure == NULL)
        model.supply += amount;
    return failure;
}

static const char *model_move(uint32_t source, uint32_t from, uint32_t to, gear_value amount)
{
    if (!model.open && source != from)
        return "token: not allowed";
    if (amount == 0)
        return "token: nothing to move";
    if (model.balances[from] < amount)
        return "token: insufficient balance";
    const char *failure = model_receive(to, amount);
    if (failure == NULL)
        model.balances[from] -= amount;
    return failure;
}

/* Sends one message and expects the panic, or the answer when there is none. */
static void expect(uint32_t source, const void *bytes, size_t size, const char *failure,
                   gear_value answer)
{
    if (failure != NULL) {
        assert_panics(handle, host_id(source), bytes, size, failure);
        return;
    }
    assert_runs(handle, host_id(source), bytes, size);
    assert_bytes(host_reply, &answer, sizeof answer);
}

static void step(void)
{
    const uint32_t source = (uint32_t)(draw() % IDS), from = (uint32_t)(draw() % IDS);
    const uint32_t to = (uint32_t)(draw() % IDS);
    const gear_value amount =
        draw() % 50 == 0 ? ~(gear_value)0 - draw() % 3000 : draw() % (draw() % 9 == 0 ? 9000 : 99);
    message m = {0};
    const char *failure;
    switch (m.kind = (uint8_t)(draw() % 5)) {
    case MINT:
        m.mint.to = host_id(to);
        m.mint.amount = amount;
        failure = model_mint(source, to, amount);
        expect(source, &m, sizeof m.mint, failure, model.balances[to]);
        break;
    case TRANSFER:
        m.transfer.to = host_id(to);
        m.transfer.amount = amount;
        failure = model_move(source, source, to, amount);
        expect(source, &m, sizeof m.transfer, failure, model.balances[source]);
        break;
    case TRANSFER_FROM:
        m.transfer_from.from = host_id(from);
        m.transfer_from.to = host_id(to);
        m.transfer_from.amount = amount;
        failure = model_move(source, from, to, amount);
        expect(source, &m, sizeof m.transfer_from, failure, model.balances[from]);
        break;
    case BALANCE_OF:
        m.balance_of.holder = host_id(to);
        expect(source, &m, sizeof m.balance_of, NULL, model.balances[to]);
        break;
    default:
        expect(source, &m, sizeof m.kind, NULL, model.supply);
    }
}

static void run_against_model(bool open)
{
    memset(&model, 0, sizeof model);
    model.open = open;
    const uint8_t options[5] = {MODEL_HOLDERS_MAX, 0, 0, 0, open};
    assert_runs(init, host_id(0), options, sizeof options);
    for (int i = 0; i < STEPS; i++)
        step();
    assert_int_equal(model.known_count, MODEL_HOLDERS_MAX);
}

static void a_guarded_token_agrees_with_the_model(void **state_)
{
    (void)state_;
    run_against_model(false);
}

static void an_open_token_agrees_with_the_model(void **state_)
{
    (void)state_;
    run_against_model(true);
}

static void ten_thousand_holders_find_their_balances(void **state_)
{
    (void)state_;
    const struct GEAR_PACKED {
        uint32_t holders_max;
        uint8_t mode;
    } options = {10000, MODE_OPEN};
    assert_runs(init, host_id(0), &options, sizeof options);
    message m = {.populate = {POPULATE, 0, 10000, 1000}};
    const gear_value total = 10000 * 1000;
    expect(0, &m, sizeof m.populate, NULL, total);
    static uint32_t balances[10000];
    for (int i = 0; i < 10000; i++)
        balances[i] = 1000;
    for (int i = 0; i < 5000; i++) {
        const uint32_t from = (uint32_t)(draw() % 10000), to = (uint32_t)(draw() % 10000);
        const uint32_t amount = (uint32_t)(draw() % 100) + 1;
        m.transfer_from.kind = TRANSFER_FROM;
        m.transfer_from.from = host_id(from);
        m.transfer_from.to = host_id(to);
        m.transfer_from.amount = amount;
        if (balances[from] < amount)
            continue;
        balances[from] -= amount;
        balances[to] += amount;
        expect(0, &m, sizeof m.transfer_from, NULL, balances[from]);
    }
    for (uint32_t i = 0; i < 10000; i++)
        assert_true(find(&(gear_id[]){host_id(i)}[0])->balance == balances[i]);
    assert_true(supply == total);
    assert_int_equal((uintptr_t)table % 64, 0);
}

static void malformed_messages_panic(void **state_)
{
    (void)state_;
    const uint8_t bad_inits[][6] = {{0, 0, 0, 0, 0}, {1, 0, 0, 0, 2}, {1, 0, 128, 0, 0}};
    for (size_t i = 0; i < sizeof bad_inits / sizeof *bad_inits; i++)
        assert_panics(init, host_id(0), bad_inits[i], 5, "token: malformed init");
    assert_panics(init, host_id(0), bad_inits[0], 4, "token: malformed init");
    assert_panics(init, host_id(0), bad_inits[0], 6, "payload too large");
    const uint8_t options[5] = {10, 0, 0, 0, MODE_GUARDED};
    assert_runs(init, host_id(0), options, sizeof options);

    const uint32_t sizes[] = {49, 49, 81, 33, 1, 25};
    uint8_t bytes[128] = {0};
    for (uint8_t kind = 0; kind < 8; kind++) {
        bytes[0] = kind;
        for (uint32_t size = 1; size <= sizeof(message); size++) {
            if (kind >= 6 || size != sizes[kind])
                assert_panics(handle, host_id(0), bytes, size, "token: malformed message");
        }
    }
    assert_panics(handle, host_id(0), bytes, 0, "token: malformed message");
    assert_panics(handle, host_id(0), bytes, sizeof(message) + 1, "payload too large");
    const message m = {.populate = {POPULATE, 0, 1, 1}};
    assert_panics(handle, host_id(0), &m, sizeof m.populate, "token: not allowed");
}

int main(void)
{
    const char *text = getenv("MR_SEED");
    seed = text != NULL ? strtoull(text, NULL, 0) : 1;
    printf("MR_SEED=%" PRIu64 "\n", seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_guarded_token_agrees_with_the_model, setup),
        cmocka_unit_test_setup(an_open_token_agrees_with_the_model, setup),
        cmocka_unit_test_setup(ten_thousand_holders_find_their_balances, setup),
        cmocka_unit_test_setup(malformed_messages_panic, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
