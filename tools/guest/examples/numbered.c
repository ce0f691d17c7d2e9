/* SPDX-License-Identifier: Apache-2.0 */
/* numbered: checks that messages between programs arrive in the order sent, none lost, none twice.
 * A network of these under random commands is a test of the engine, not of the program.
 *
 *   init    u32 own number, u32 senders_max, then the ids of 0 .. 256 peers
 *           own numbers are 0 .. senders_max - 1, no two the same; at most 65536 senders
 *   handle  u8 kind, then
 *     0 numbered  u32 sender, u64 sequence, u8 hops
 *                 panics unless sequence is one above the last of this sender, which begins at 0;
 *                 when hops > 0, sends a numbered message with hops - 1 to every peer
 *     1 send      u32 k, u8 hops, u8 fail
 *                 sends k numbered messages to every peer, in turns over the peers; when fail is
 *                 1, then panics with "numbered: told to fail", and so has sent none. One dispatch
 *                 may send 1024 messages: more is a panic, too
 *     2 last      u32 sender: replies the last sequence that came from it, u64
 *     3 sent      u32 peer, as it stands in the list: replies how many were sent to it, u64
 *
 * Panics: "numbered: malformed init", "numbered: malformed message", "numbered: out of order". */
#include "gear.h"

enum { NUMBERED, SEND, LAST, SENT };
enum { SENDERS_LIMIT = 65536, PEERS_MAX = 256 };

typedef struct GEAR_PACKED numbered_message {
    uint8_t kind;
    uint32_t sender;
    uint64_t sequence;
    uint8_t hops;
} numbered_message;

typedef union message {
    uint8_t kind;
    numbered_message numbered;
    struct GEAR_PACKED {
        uint8_t kind;
        uint32_t k;
        uint8_t hops;
        uint8_t fail;
    } send;
    struct GEAR_PACKED {
        uint8_t kind;
        uint32_t index;
    } question;
} message;

static uint32_t own_number;
static uint32_t senders_max;
static uint32_t peers_count;
static uint64_t *last; /* of each sender */
static uint64_t *sent; /* to each peer */
static gear_id *peers;

static void send_numbered(uint32_t peer, uint8_t hops)
{
    numbered_message m = {NUMBERED, own_number, ++sent[peer], hops};
    gear_send(&peers[peer], &m, sizeof m, 0);
}

GEAR_INIT
{
    struct GEAR_PACKED {
        uint32_t own_number;
        uint32_t senders_max;
    } options;
    uint32_t size = gear_size();
    gear_require(size >= sizeof options && (size - sizeof options) % sizeof(gear_id) == 0 &&
                     (size - sizeof options) / sizeof(gear_id) <= PEERS_MAX,
                 "numbered: malformed init");
    gear_read(0, &options, sizeof options);
    gear_require(options.senders_max <= SENDERS_LIMIT && options.own_number < options.senders_max,
                 "numbered: malformed init");
    own_number = options.own_number;
    senders_max = options.senders_max;
    last = gear_allocate(senders_max * (uint32_t)sizeof *last);

    uint32_t peers_bytes = size - (uint32_t)sizeof options;
    peers_count = peers_bytes / (uint32_t)sizeof(gear_id);
    sent = gear_allocate(peers_count * (uint32_t)sizeof *sent);
    peers = gear_allocate(peers_bytes);
    if (peers_bytes > 0)
        gear_read(sizeof options, peers, peers_bytes);
}

GEAR_HANDLE
{
    message m;
    uint32_t size = gear_payload(&m, sizeof m);
    gear_require(size > 0, "numbered: malformed message");

    if (m.kind == NUMBERED && size == sizeof m.numbered) {
        gear_require(m.numbered.sender < senders_max, "numbered: malformed message");
        gear_require(m.numbered.sequence == last[m.numbered.sender] + 1, "numbered: out of order");
        last[m.numbered.sender]++;
        if (m.numbered.hops > 0) {
            for (uint32_t peer = 0; peer < peers_count; peer++)
                send_numbered(peer, (uint8_t)(m.numbered.hops - 1));
        }
    } else if (m.kind == SEND && size == sizeof m.send && m.send.fail <= 1) {
        for (uint32_t i = 0; i < m.send.k; i++) {
            for (uint32_t peer = 0; peer < peers_count; peer++)
                send_numbered(peer, m.send.hops);
        }
        gear_require(!m.send.fail, "numbered: told to fail");
    } else if (m.kind == LAST && size == sizeof m.question) {
        gear_require(m.question.index < senders_max, "numbered: malformed message");
        gear_reply(&last[m.question.index], sizeof *last);
    } else if (m.kind == SENT && size == sizeof m.question) {
        gear_require(m.question.index < peers_count, "numbered: malformed message");
        gear_reply(&sent[m.question.index], sizeof *sent);
    } else {
        gear_panic("numbered: malformed message");
    }
}
