/* SPDX-License-Identifier: Apache-2.0 */
/* reserve: keeps gas for messages that are sent later, and learns of its own failures. Shows
 * reservations and signals.
 *
 *   handle  u8 KEEP, u64 gas, u32 blocks: reserves gas; replies a u32, the number of the
 *                        reservation
 *           u8 SEND, u32 number, then any bytes: sends them with that gas to who reserved it,
 *                        whoever asks
 *           u8 GIVE_BACK, u32 number: ends the reservation; replies a u64, the gas it had
 *           u8 FAIL, u64 gas: keeps gas for a signal, then fails
 *           u8 FAILURES: replies u32 how many failures there were, and u32 the code of the last
 *
 * Reservations end by themselves when their blocks are over; SEND and GIVE_BACK then fail with
 * "error 500". Panics: "reserve: malformed", "reserve: too many", "reserve: told to fail". */
#include "gear.h"

enum { KEEP, SEND, GIVE_BACK, FAIL, FAILURES, KEPT_MAX = 64, TEXT_BYTES_MAX = 256 };

typedef struct kept {
    gear_id reservation;
    gear_id owner;
} kept;

static kept all[KEPT_MAX];
static uint32_t kept_count;
static struct {
    uint32_t count;
    uint32_t code;
} failures;

GEAR_SIGNAL
{
    failures.count++;
    failures.code = gear_signal_code();
}

static kept *find(uint32_t size)
{
    uint32_t number;
    gear_require(size >= 1 + sizeof number, "reserve: malformed");
    gear_read(1, &number, sizeof number);
    gear_require(number < kept_count, "reserve: malformed");
    return &all[number];
}

static void keep(uint32_t size)
{
    struct GEAR_PACKED {
        uint64_t gas;
        uint32_t blocks;
    } wish;
    gear_require(size == 1 + sizeof wish, "reserve: malformed");
    gear_require(kept_count < KEPT_MAX, "reserve: too many");
    gear_read(1, &wish, sizeof wish);
    all[kept_count] =
        (kept){.reservation = gear_reserve(wish.gas, wish.blocks), .owner = gear_source()};
    gear_reply(&kept_count, sizeof kept_count);
    kept_count++;
}

static void send(uint32_t size)
{
    enum { HEAD_BYTES = 5 };
    char text[TEXT_BYTES_MAX];
    const kept *from = find(size);
    gear_require(size - HEAD_BYTES <= sizeof text, "reserve: malformed");
    if (size > HEAD_BYTES)
        gear_read(HEAD_BYTES, text, size - HEAD_BYTES);
    gear_send_reserved(&from->reservation, &from->owner, text, size - HEAD_BYTES, 0);
}

static void fail(uint32_t size)
{
    uint64_t gas;
    gear_require(size == 1 + sizeof gas, "reserve: malformed");
    gear_read(1, &gas, sizeof gas);
    gear_signal_reserve(gas);
    gear_panic("reserve: told to fail");
}

GEAR_HANDLE
{
    uint32_t size = gear_size();
    uint8_t command = FAILURES + 1;
    if (size > 0)
        gear_read(0, &command, 1);
    switch (command) {
    case KEEP:
        keep(size);
        break;
    case SEND:
        send(size);
        break;
    case GIVE_BACK: {
        uint64_t gas = gear_unreserve(&find(size)->reservation);
        gear_reply(&gas, sizeof gas);
        break;
    }
    case FAIL:
        fail(size);
        break;
    case FAILURES:
        gear_reply(&failures, sizeof failures);
        break;
    default:
        gear_panic("reserve: malformed");
    }
}
