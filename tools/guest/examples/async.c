/* SPDX-License-Identifier: Apache-2.0 */
/* async: adds up numbers over a network of programs: a chain, a tree, whatever their init makes of
 * them. Shows how a handler asks other programs and goes on with their answers (gear_async.h).
 *
 *   init    u64: its number; then the ids of the programs it asks, PEERS_MAX at most
 *   handle  u8 ALL_AT_ONCE or IN_TURN: asks each the same, and replies a u64, the sum of its own
 *           number and of what they reply
 *
 * Every program keeps some gas for itself and gives the rest to those it asks; what they do not
 * burn comes back with their replies.
 *
 * Panics: "async: malformed", "async: too little gas", "async: no answer" when one has not come
 * within BLOCKS, "async: one failed". */
#include "gear_async.h"

enum { PEERS_MAX = 8, BLOCKS = 20, ALL_AT_ONCE = 0, IN_TURN = 1 };

static const uint64_t gas_kept = 5000000; /* for going on, and for handle_signal */

static uint64_t number;
static uint32_t peers_count;
static gear_id peers[PEERS_MAX];

GEAR_ASYNC

GEAR_INIT
{
    uint32_t size = gear_size();
    gear_require(size >= 8 && (size - 8) % sizeof(gear_id) == 0, "async: malformed");
    peers_count = (size - 8) / (uint32_t)sizeof(gear_id);
    gear_require(peers_count <= PEERS_MAX, "async: malformed");
    gear_read(0, &number, sizeof number);
    if (peers_count > 0)
        gear_read(8, peers, peers_count * (uint32_t)sizeof(gear_id));
}

typedef struct sum {
    uint64_t total;
    uint32_t asked;
    uint8_t how;
    gear_answer *answers[PEERS_MAX];
} sum;

static uint64_t part_of_gas(uint32_t count)
{
    uint64_t gas = gear_gas_available();
    gear_require(gas > gas_kept, "async: too little gas");
    return (gas - gas_kept) / count;
}

static void add(sum *my, const gear_answer *answer)
{
    uint64_t part;
    gear_require(answer->arrived, "async: no answer");
    gear_require(gear_answered(answer) && answer->size == sizeof part, "async: one failed");
    memcpy(&part, answer->bytes, sizeof part);
    my->total += part;
}

GEAR_ASYNC_HANDLE(sum, my)
{
    GEAR_BEGIN;
    gear_require(gear_payload(&my->how, 1) == 1 && my->how <= IN_TURN, "async: malformed");
    my->total = number;
    if (my->how == ALL_AT_ONCE && peers_count > 0) {
        uint64_t gas = part_of_gas(peers_count);
        for (uint32_t i = 0; i < peers_count; i++)
            my->answers[i] = gear_ask_gas(&peers[i], &my->how, 1, gas, 0);
        GEAR_AWAIT_ALL(BLOCKS);
        for (uint32_t i = 0; i < peers_count; i++)
            add(my, my->answers[i]);
    }
    if (my->how == IN_TURN) {
        for (my->asked = 0; my->asked < peers_count; my->asked++) {
            my->answers[0] = gear_ask_gas(&peers[my->asked], &my->how, 1, part_of_gas(1), 0);
            GEAR_AWAIT(my->answers[0], BLOCKS);
            add(my, my->answers[0]);
        }
    }
    gear_reply(&my->total, sizeof my->total);
    GEAR_END;
}
