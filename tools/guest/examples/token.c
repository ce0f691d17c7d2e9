/* SPDX-License-Identifier: Apache-2.0 */
/* token: balances of many holders in one program's memory.
 *
 *   init    u32 holders_max, u8 mode    1 .. 8388608 holders; mode 0 guarded, 1 open
 *   handle  one of (u8 kind first; integers little endian, without padding):
 *     0 mint           id to, u128 amount            replies to's new balance, u128
 *     1 transfer       id to, u128 amount            replies the sender's new balance, u128
 *     2 transfer_from  id from, id to, u128 amount   replies from's new balance, u128
 *     3 balance_of     id holder                     replies u128; 0 for who never held any
 *     4 total_supply                                 replies u128
 *     5 populate       u32 first, u32 count, u128 amount
 *                      mints `amount` for each of the holders first .. first + count - 1, where
 *                      holder n is the id that begins with n as u32 and is zero behind it;
 *                      replies the total supply, u128
 *
 * A guarded token lets only the creator mint, everybody move only what is theirs, and nobody
 * populate. An open one lets anybody do everything: for demonstrations and load, where one account
 * moves the balances of 10,000 holders.
 *
 * The table of holders is made at init and never grows: one that grew would make one unlucky
 * transfer pay for moving everybody. The price is that whoever owns holders_max units can fill the
 * table with dust; a holder stays in it even with nothing left.
 *
 * Panics, all with "token: " in front: "malformed init", "malformed message", "not allowed",
 * "nothing to move" for an amount of 0, "insufficient balance", "too many holders",
 * "supply overflow". */
#include "gear.h"

/* 64 bytes, so that four holders share a 256-byte unit of memory and none lies in two. */
typedef struct holder {
    gear_id id;
    gear_value balance;
    uint64_t used; /* 0 or 1 */
    uint64_t reserved;
} holder;

_Static_assert(sizeof(holder) == 64, "layout");

enum { HOLDERS_LIMIT = 1 << 23 };
enum { MODE_GUARDED = 0, MODE_OPEN = 1 };
enum { MINT, TRANSFER, TRANSFER_FROM, BALANCE_OF, TOTAL_SUPPLY, POPULATE };

typedef union message {
    uint8_t kind;
    struct GEAR_PACKED {
        uint8_t kind;
        gear_id to;
        gear_value amount;
    } mint, transfer;
    struct GEAR_PACKED {
        uint8_t kind;
        gear_id from, to;
        gear_value amount;
    } transfer_from;
    struct GEAR_PACKED {
        uint8_t kind;
        gear_id holder;
    } balance_of;
    struct GEAR_PACKED {
        uint8_t kind;
        uint32_t first, count;
        gear_value amount;
    } populate;
} message;

static holder *table; /* open addressing, linear probing */
static uint32_t slots_mask;
static uint32_t holders_count;
static uint32_t holders_max;
static uint32_t mode;
static gear_id owner;
static gear_value supply; /* sum of all balances, so no balance can overflow before it does */

static uint32_t hash(const gear_id *id)
{
    uint64_t words[4];
    memcpy(words, id, sizeof words);
    uint64_t sum = (words[0] ^ words[1] >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    sum = (sum ^ words[2] ^ sum >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    sum = (sum ^ words[3] ^ words[1] ^ sum >> 32) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(sum >> 32);
}

/* Returns the holder's slot, or the free one it would take. At least a quarter of all are free. */
static holder *find(const gear_id *id)
{
    uint32_t slot = hash(id) & slots_mask;
    while (table[slot].used && !gear_id_equal(&table[slot].id, id))
        slot = (slot + 1) & slots_mask;
    return &table[slot];
}

static holder *find_or_add(const gear_id *id)
{
    holder *found = find(id);
    if (!found->used) {
        gear_require(holders_count < holders_max, "token: too many holders");
        holders_count++;
        found->id = *id;
        found->used = 1;
    }
    return found;
}

static gear_value mint(const gear_id *to, gear_value amount)
{
    gear_require(amount > 0, "token: nothing to move");
    gear_require(supply + amount > supply, "token: supply overflow");
    supply += amount;
    holder *receiver = find_or_add(to);
    receiver->balance += amount;
    return receiver->balance;
}

static gear_value move(const gear_id *from, const gear_id *to, gear_value amount)
{
    gear_require(amount > 0, "token: nothing to move");
    holder *sender = find(from);
    gear_require(sender->used && sender->balance >= amount, "token: insufficient balance");
    holder *receiver = find_or_add(to);
    sender->balance -= amount;
    receiver->balance += amount;
    return sender->balance;
}

static gear_value populate(uint32_t first, uint32_t count, gear_value amount)
{
    gear_require(count <= UINT32_MAX - first, "token: malformed message");
    for (uint32_t number = first; number < first + count; number++) {
        gear_id id = {{0}};
        memcpy(id.bytes, &number, sizeof number);
        mint(&id, amount);
    }
    return supply;
}

GEAR_INIT
{
    struct GEAR_PACKED {
        uint32_t holders_max;
        uint8_t mode;
    } options;
    gear_require(gear_payload(&options, sizeof options) == sizeof options &&
                     options.holders_max >= 1 && options.holders_max <= HOLDERS_LIMIT &&
                     options.mode <= MODE_OPEN,
                 "token: malformed init");
    holders_max = options.holders_max;
    mode = options.mode;
    owner = gear_source();

    uint32_t slots = 4;
    while (slots / 4 * 3 < holders_max)
        slots *= 2;
    slots_mask = slots - 1;
    /* Fresh pages are zero, and cost nothing but their price until somebody is put there. */
    table = gear_allocate_aligned(slots * (uint32_t)sizeof *table, sizeof *table);
}

static void expect_bytes(uint32_t size, uint32_t expected)
{
    gear_require(size == expected, "token: malformed message");
}

GEAR_HANDLE
{
    message m;
    uint32_t size = gear_payload(&m, sizeof m);
    gear_require(size > 0, "token: malformed message");
    gear_id source = gear_source();
    gear_value answer = 0;

    switch (m.kind) {
    case MINT:
        expect_bytes(size, sizeof m.mint);
        gear_require(mode == MODE_OPEN || gear_id_equal(&source, &owner), "token: not allowed");
        answer = mint(&m.mint.to, m.mint.amount);
        break;
    case TRANSFER:
        expect_bytes(size, sizeof m.transfer);
        answer = move(&source, &m.transfer.to, m.transfer.amount);
        break;
    case TRANSFER_FROM:
        expect_bytes(size, sizeof m.transfer_from);
        gear_require(mode == MODE_OPEN || gear_id_equal(&source, &m.transfer_from.from),
                     "token: not allowed");
        answer = move(&m.transfer_from.from, &m.transfer_from.to, m.transfer_from.amount);
        break;
    case BALANCE_OF:
        expect_bytes(size, sizeof m.balance_of);
        answer = find(&m.balance_of.holder)->balance;
        break;
    case TOTAL_SUPPLY:
        expect_bytes(size, sizeof m.kind);
        answer = supply;
        break;
    case POPULATE:
        expect_bytes(size, sizeof m.populate);
        gear_require(mode == MODE_OPEN, "token: not allowed");
        answer = populate(m.populate.first, m.populate.count, m.populate.amount);
        break;
    default:
        gear_panic("token: malformed message");
    }
    gear_reply(&answer, sizeof answer);
}
