/* SPDX-License-Identifier: Apache-2.0 */
/* timer: does things later. Shows delayed messages, and waiting and waking by hand; gear_async.h
 * has GEAR_SLEEP for the former half of it.
 *
 *   handle  u8 LATER, u32 blocks, then any bytes: who asks gets them that many blocks later
 *           u8 SLEEP, u32 blocks, then any bytes: the reply are these bytes, after so many blocks
 * or when woken u8 WAKE, u32 blocks: wakes who has slept longest, so many blocks from now; replies
 * a u8, whether anybody sleeps u8 TICK, u32 blocks, u32 times: the program sends itself a message
 * so many times, as many blocks apart. In the end who asked is told how often it ticked, a u32
 *
 * Panics: "timer: malformed", "timer: too many sleep", "timer: too little gas". */
#include "gear.h"

enum { LATER, SLEEP, WAKE, TICK, SLEEPERS_MAX = 64, TEXT_BYTES_MAX = 256 };

static const uint64_t gas_kept = 1000000;   /* of a tick, for what it does beside the next one */
static const uint64_t signal_gas = 1000000; /* for learning that a sleeper is no more */

typedef struct sleeper {
    gear_id message;
    bool is_woken;
} sleeper;

static sleeper sleepers[SLEEPERS_MAX]; /* who has slept longest first */
static uint32_t sleepers_count;

typedef struct GEAR_PACKED command {
    uint8_t what;
    uint32_t blocks;
} command;

typedef struct GEAR_PACKED tick {
    command head;
    uint32_t left;
    uint32_t done;
    gear_id who;
} tick;

/* What follows the command. */
static uint32_t read_text(char text[TEXT_BYTES_MAX])
{
    uint32_t size = gear_size() - (uint32_t)sizeof(command);
    gear_require(size <= TEXT_BYTES_MAX, "timer: malformed");
    if (size > 0)
        gear_read(sizeof(command), text, size);
    return size;
}

static void later(uint32_t blocks)
{
    char text[TEXT_BYTES_MAX];
    uint32_t size = read_text(text);
    gear_id who = gear_source();
    gear_send_delayed(&who, text, size, 0, 0, blocks);
}

/* Whether the message slept; then it does so no longer. */
static bool forget(gear_id message)
{
    uint32_t i = 0;
    while (i < sleepers_count && !gear_id_equal(&sleepers[i].message, &message))
        i++;
    if (i == sleepers_count)
        return false;
    sleepers_count--;
    for (; i < sleepers_count; i++)
        sleepers[i] = sleepers[i + 1];
    return true;
}

/* A sleeper failed, or the gas it waited on ran out. */
GEAR_SIGNAL
{
    forget(gear_signal_from());
}

/* Runs twice: in the second run, `blocks` later or woken, the message is among the sleepers. */
static void sleep_for(uint32_t blocks)
{
    char text[TEXT_BYTES_MAX];
    gear_id message = gear_message_id();
    if (!forget(message)) {
        gear_require(sleepers_count < SLEEPERS_MAX, "timer: too many sleep");
        gear_signal_reserve(signal_gas);
        sleepers[sleepers_count++] = (sleeper){.message = message};
        gr_wait_up_to(blocks);
    }
    gear_reply(text, read_text(text));
}

static void wake_one(uint32_t blocks)
{
    uint32_t i = 0;
    while (i < sleepers_count && sleepers[i].is_woken)
        i++;
    uint8_t found = i < sleepers_count;
    if (found) {
        sleepers[i].is_woken = true;
        gear_wake_delayed(&sleepers[i].message, blocks);
    }
    gear_reply(&found, sizeof found);
}

static void send_tick(const tick *next)
{
    gear_id self = gear_program_id();
    uint64_t gas = gear_gas_available();
    gear_require(gas > gas_kept, "timer: too little gas");
    gear_send_delayed(&self, next, sizeof *next, gas - gas_kept, 0, next->head.blocks);
}

static void begin_ticking(uint32_t size)
{
    tick first = {.who = gear_source()};
    gear_require(size == offsetof(tick, done), "timer: malformed");
    gear_read(0, &first, size);
    if (first.left > 0)
        send_tick(&first);
}

static void go_on_ticking(uint32_t size)
{
    tick now;
    gear_require(size == sizeof now, "timer: malformed");
    gear_read(0, &now, sizeof now);
    now.done++;
    if (--now.left > 0)
        send_tick(&now);
    else
        gear_send_gas(&now.who, &now.done, sizeof now.done, 0, 0);
}

GEAR_HANDLE
{
    command head;
    uint32_t size = gear_size();
    gear_require(size >= sizeof head, "timer: malformed");
    gear_read(0, &head, sizeof head);
    gear_id source = gear_source(), self = gear_program_id();
    if (head.what == LATER)
        later(head.blocks);
    else if (head.what == SLEEP)
        sleep_for(head.blocks);
    else if (head.what == WAKE)
        wake_one(head.blocks);
    else if (head.what == TICK && gear_id_equal(&source, &self))
        go_on_ticking(size);
    else if (head.what == TICK)
        begin_ticking(size);
    else
        gear_panic("timer: malformed");
}
