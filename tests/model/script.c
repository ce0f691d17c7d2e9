/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/script.h"

#include "base/assert.h"
#include "tests/programs/actor.h"

typedef struct writer {
    const mr_script_world *world;
    mr_random *random;
    mr_buffer *out;
    unsigned depth;
} writer;

static void put(mr_buffer *out, const void *bytes, size_t size)
{
    mr_status status = mr_buffer_append(out, mr_span_of(bytes, size));
    MR_ASSERT(status == MR_OK);
}

static void number(const writer *w, uint64_t value, unsigned bytes)
{
    put(w->out, &value, bytes);
}

static uint64_t below(const writer *w, uint64_t bound)
{
    return mr_random_below(w->random, bound);
}

static bool chance(const writer *w, unsigned percent)
{
    return mr_random_chance(w->random, percent);
}

/* ---- Operands ---- */

/* Begins "bytes"; returns where its size stands. */
static size_t open_bytes(const writer *w)
{
    number(w, 0, 2);
    return w->out->size;
}

static void close_bytes(const writer *w, size_t from)
{
    size_t size = w->out->size - from;
    MR_ASSERT(size <= UINT16_MAX);
    mr_store_le16(w->out->data + from - 2, (uint16_t)size);
}

static void filler(const writer *w, size_t size)
{
    for (size_t i = 0; i < size; i++)
        number(w, 'a' + below(w, 26), 1);
}

static void destination(const writer *w)
{
    const uint64_t kind = below(w, 100);
    if (kind < 66) {
        number(w, below(w, 200), 1);
    } else if (kind < 70) {
        number(w, ACTOR_TO_CHILD + below(w, ACTOR_CHILDREN_MAX), 1);
    } else if (kind < 73) {
        number(w, ACTOR_TO_SELF, 1);
    } else if (kind < 78) {
        number(w, ACTOR_TO_SOURCE, 1);
    } else {
        number(w, ACTOR_TO_ID, 1);
        mr_id id = mr_random_id(w->random);
        if (kind < 90)
            id = w->world->users[below(w, w->world->users_count)];
        else if (kind < 98 && w->world->strangers_count > 0)
            id = w->world->strangers[below(w, w->world->strangers_count)];
        else if (kind == 98)
            id = (mr_id){0};
        put(w->out, &id, sizeof id);
    }
}

static uint64_t some_gas(const writer *w)
{
    const uint64_t kind = below(w, 100);
    if (kind < 8)
        return 0;
    if (kind < 14)
        return below(w, 20000); /* below or just above the threshold */
    if (kind < 16)
        return mr_random_next(w->random);
    if (kind < 18)
        return w->world->gas_least - below(w, 2);
    return mr_random_magnitude(w->random, 2000000, 120000000);
}

/* Few, so that they are over within the history; and all there may be. */
static uint32_t some_blocks(const writer *w)
{
    const uint64_t kind = below(w, 100);
    if (kind < 2)
        return 0;
    if (kind < 80)
        return (uint32_t)mr_random_range(w->random, 1, 4);
    if (kind < 96)
        return (uint32_t)mr_random_magnitude(w->random, 1, 100000);
    return (uint32_t)mr_random_next(w->random);
}

static void terms(const writer *w, unsigned allowed)
{
    unsigned bits = 0;
    if (chance(w, 35))
        bits |= ACTOR_TERMS_GAS;
    if (chance(w, 25))
        bits |= ACTOR_TERMS_VALUE;
    if (chance(w, 12))
        bits |= ACTOR_TERMS_INPUT;
    if (chance(w, 12))
        bits |= ACTOR_TERMS_DELAY;
    bits &= allowed;
    number(w, bits, 1);
    if (bits & ACTOR_TERMS_GAS)
        number(w, some_gas(w), 8);
    if (bits & ACTOR_TERMS_VALUE)
        number(w, chance(w, 90) ? below(w, 300) : mr_random_next(w->random), 8);
    if (bits & ACTOR_TERMS_DELAY)
        number(w, some_blocks(w), 2);
    if (bits & ACTOR_TERMS_INPUT) {
        number(w, below(w, chance(w, 80) ? 20 : 2000), 2);
        number(w, below(w, chance(w, 80) ? 60 : 2000), 2);
    }
}

enum {
    REPLY_TERMS = ACTOR_TERMS_GAS | ACTOR_TERMS_VALUE | ACTOR_TERMS_INPUT,
    SEND_TERMS = REPLY_TERMS | ACTOR_TERMS_DELAY,
};

static bool wrote_input(const writer *w, size_t terms_at)
{
    return (w->out->data[terms_at] & ACTOR_TERMS_INPUT) != 0;
}

/* What a message carries: a script for its receiver. */
static void payload(const writer *w)
{
    size_t from = open_bytes(w);
    if (w->depth > 0 && w->out->size < 3000)
        mr_script_random(w->world, w->random, w->depth - 1, w->out);
    else
        filler(w, below(w, 40));
    close_bytes(w, from);
}

/* Terms, and bytes unless they are taken from the input. */
static void terms_and_payload(const writer *w, unsigned allowed)
{
    size_t at = w->out->size;
    terms(w, allowed);
    if (!wrote_input(w, at))
        payload(w);
}

/* ---- Memory ---- */

static uint32_t some_address(const writer *w)
{
    const uint64_t kind = below(w, 100);
    if (kind < 55)
        return (uint32_t)below(w, 3000);
    if (kind < 95) /* borders of units and pages, wherever the area begins: any residue will do */
        return (uint32_t)below(w, ACTOR_SCRIBBLE_BYTES);
    return (uint32_t)mr_random_next(w->random) | 0x80000000;
}

static void touch_memory(const writer *w)
{
    switch (below(w, 8)) {
    case 0:
        number(w, ACTOR_STORE, 1);
        number(w, some_address(w), 4);
        number(w, below(w, 40), 2);
        number(w, below(w, 4), 1);
        break;
    case 1:
        number(w, ACTOR_STORE8, 1);
        number(w, some_address(w), 4);
        number(w, chance(w, 30) ? 0 : mr_random_next(w->random), 8);
        break;
    case 2:
        number(w, ACTOR_COPY, 1);
        number(w, some_address(w), 4);
        number(w, some_address(w), 4);
        number(w, below(w, 600), 2);
        break;
    case 3:
        number(w, ACTOR_LOAD, 1);
        number(w, some_address(w), 4);
        number(w, below(w, 300), 2);
        break;
    case 4:
        number(w, ACTOR_CHECK, 1);
        number(w, below(w, ACTOR_CELLS), 1);
        break;
    default:
        number(w, ACTOR_CELL, 1);
        number(w, below(w, ACTOR_CELLS), 1);
        number(w, below(w, 4), 1);
    }
}

/* Only what does not break the program's own data: the rest of its memory is free for it. */
static void touch_own_memory(const writer *w)
{
    bool check = chance(w, 30);
    number(w, check ? ACTOR_CHECK : ACTOR_CELL, 1);
    number(w, below(w, ACTOR_CELLS), 1);
    if (!check)
        number(w, below(w, 4), 1);
}

static void touch_page(const writer *w, uint64_t slot)
{
    switch (below(w, 8)) {
    case 0:
    case 1:
        number(w, ACTOR_ALLOC, 1);
        number(w, slot, 1);
        number(w, chance(w, 90) ? mr_random_range(w->random, 1, 2) : below(w, 6), 1);
        break;
    case 2:
    case 3:
        number(w, ACTOR_FREE, 1);
        number(w, slot, 1);
        break;
    case 4:
        number(w, ACTOR_FREE_PAGE, 1);
        number(w, below(w, 12), 2);
        break;
    case 5:
        number(w, ACTOR_FREE_RANGE, 1);
        number(w, mr_random_range(w->random, 3, 8), 2);
        number(w, mr_random_range(w->random, 3, 12), 2);
        break;
    default:
        number(w, ACTOR_FILL, 1);
        number(w, slot, 1);
        number(w, chance(w, 5) ? 65500 : below(w, 2000), 2);
        number(w, below(w, 80), 2);
        number(w, below(w, 3), 1);
    }
}

/* A few steps among few pages, so that they meet: holes, pages written to when they were free. */
static void touch_pages(const writer *w)
{
    for (uint64_t steps = mr_random_range(w->random, 1, 5); steps > 0; steps--)
        touch_page(w, below(w, 4));
}

/* ---- Messages ---- */

static void send(const writer *w)
{
    number(w, ACTOR_SEND, 1);
    destination(w);
    terms_and_payload(w, SEND_TERMS);
}

/* Several messages in parts, begun in one order and sent off in another. */
static void send_in_parts(const writer *w)
{
    const unsigned count = (unsigned)mr_random_range(w->random, 1, 3);
    const unsigned first = (unsigned)below(w, ACTOR_SLOTS);
    for (unsigned i = 0; i < count; i++) {
        number(w, ACTOR_BEGIN, 1);
        number(w, (first + i) % ACTOR_SLOTS, 1);
    }
    for (unsigned i = 0; i < count; i++) {
        number(w, ACTOR_PUSH, 1);
        number(w, (first + i) % ACTOR_SLOTS, 1);
        terms_and_payload(w, ACTOR_TERMS_INPUT);
    }
    for (unsigned i = count; i > 0; i--) {
        if (chance(w, 10))
            continue;
        number(w, ACTOR_COMMIT, 1);
        number(w, (first + i - 1) % ACTOR_SLOTS, 1);
        destination(w);
        terms(w, ACTOR_TERMS_GAS | ACTOR_TERMS_VALUE | ACTOR_TERMS_DELAY);
    }
}

static void send_many(const writer *w)
{
    number(w, ACTOR_REPEAT, 1);
    number(w, chance(w, 95) ? mr_random_range(w->random, 2, 40) : 1100, 2);
    size_t from = open_bytes(w);
    number(w, ACTOR_SEND, 1);
    destination(w);
    const writer leaf = {w->world, w->random, w->out, w->depth > 1 ? 1 : 0};
    terms_and_payload(&leaf, SEND_TERMS);
    close_bytes(w, from);
}

static void reply(const writer *w)
{
    switch (below(w, 4)) {
    case 0:
        number(w, ACTOR_REPLY, 1);
        terms_and_payload(w, REPLY_TERMS);
        break;
    case 1:
        number(w, ACTOR_REPLY_PUSH, 1);
        terms_and_payload(w, ACTOR_TERMS_INPUT);
        number(w, ACTOR_REPLY_COMMIT, 1);
        terms(w, ACTOR_TERMS_GAS | ACTOR_TERMS_VALUE);
        break;
    default:
        number(w, ACTOR_REPLY_DIGEST, 1);
        terms(w, ACTOR_TERMS_GAS | ACTOR_TERMS_VALUE);
    }
}

/* What runs on replies, or on signals, from now on. */
static void on_reply(const writer *w)
{
    number(w, chance(w, 60) ? ACTOR_ON_REPLY : ACTOR_ON_SIGNAL, 1);
    size_t from = open_bytes(w);
    mr_buffer kept = {0};
    mr_script_random(w->world, w->random, 0, &kept);
    put(w->out, kept.data, kept.size < ACTOR_STORED_MAX ? kept.size : ACTOR_STORED_MAX);
    mr_buffer_fini(&kept);
    close_bytes(w, from);
}

/* ---- Ends ---- */

static void end(const writer *w)
{
    static const uint8_t ends[] = {
        ACTOR_OOM_PANIC, ACTOR_UNREACHABLE, ACTOR_OUT_OF_BOUNDS, ACTOR_DIVIDE, ACTOR_INDIRECT,
        ACTOR_LEAVE,     ACTOR_LEAVE,       ACTOR_LEAVE,         ACTOR_LOOP,
    };
    const uint64_t kind = below(w, 100);
    if (kind < 20) {
        number(w, ACTOR_PANIC, 1);
        size_t from = open_bytes(w);
        filler(w, below(w, 30));
        close_bytes(w, from);
    } else if (kind < 24) { /* few: nothing happens in a program that has exited */
        number(w, ACTOR_EXIT, 1);
        destination(w);
    } else if (kind < 30) {
        number(w, ACTOR_RECURSE, 1);
        number(w, 0, 4);
    } else if (kind < 40) {
        number(w, ACTOR_BAD_POINTER, 1);
        number(w, below(w, 16), 1);
    } else {
        number(w, ends[below(w, sizeof ends)], 1);
    }
}

static void look(const writer *w)
{
    switch (below(w, 7)) {
    case 6:
        number(w, ACTOR_SIGNAL_FACTS, 1);
        break;
    case 0:
        number(w, ACTOR_RANDOM, 1);
        number(w, below(w, 256), 1);
        break;
    case 1:
        number(w, ACTOR_GAS, 1);
        break;
    case 2:
        number(w, ACTOR_REPLY_FACTS, 1);
        break;
    case 3: {
        number(w, ACTOR_DEBUG, 1);
        size_t from = open_bytes(w);
        filler(w, below(w, 20));
        close_bytes(w, from);
        break;
    }
    default:
        number(w, ACTOR_FACTS, 1);
    }
}

static void work(const writer *w)
{
    if (chance(w, 85)) {
        number(w, ACTOR_BURN, 1);
        number(w, mr_random_magnitude(w->random, 1, 4000), 4);
    } else {
        number(w, ACTOR_RECURSE, 1);
        number(w, mr_random_range(w->random, 1, 500), 4);
    }
}

/* ---- Waiting ---- */

static void wait_operand(const writer *w)
{
    const uint64_t kind = below(w, 100);
    number(w, kind < 15 ? ACTOR_WAIT_FOR_EVER : kind < 50 ? ACTOR_WAIT_FOR : ACTOR_WAIT_UP_TO, 1);
    number(w, some_blocks(w), 4);
}

static void wait_as(const writer *w, uint64_t operation)
{
    number(w, operation, 1);
    wait_operand(w);
}

/* Something small to see that it went on, and with what. */
static void look_on(const writer *w)
{
    number(w, chance(w, 50) ? ACTOR_BUMP : ACTOR_FACTS, 1);
}

static void reply_digest(const writer *w)
{
    number(w, ACTOR_REPLY_DIGEST, 1);
    terms(w, chance(w, 20) ? ACTOR_TERMS_GAS | ACTOR_TERMS_VALUE : 0);
}

/* Gas for a request: mostly a limit of its own, so that something is left for going on. */
static void request_terms(const writer *w)
{
    unsigned bits = chance(w, 70) ? ACTOR_TERMS_GAS : 0;
    if (chance(w, 20))
        bits |= ACTOR_TERMS_VALUE;
    number(w, bits, 1);
    if (bits & ACTOR_TERMS_GAS)
        number(w, chance(w, 90) ? mr_random_magnitude(w->random, 3000000, 60000000) : some_gas(w),
               8);
    if (bits & ACTOR_TERMS_VALUE)
        number(w, below(w, 300), 8);
}

/* Mostly enough to handle a signal. */
static void reserve_for_signal(const writer *w)
{
    number(w, ACTOR_SYSTEM_RESERVE, 1);
    number(w,
           chance(w, 80)   ? mr_random_magnitude(w->random, 1500000, 20000000)
           : chance(w, 90) ? mr_random_magnitude(w->random, 1, 1000000)
                           : below(w, 2),
           8);
}

static void converse(const writer *w, unsigned depth);

/* A request to a peer, or to who asks, whose reply is expected. */
static void ask(const writer *w, unsigned depth)
{
    number(w, ACTOR_SEND, 1);
    if (chance(w, 75))
        number(w, below(w, 200), 1);
    else if (chance(w, 50))
        number(w, ACTOR_TO_SOURCE, 1);
    else
        destination(w);
    request_terms(w);
    const size_t from = open_bytes(w);
    if (depth > 0 && w->out->size < 3000)
        converse(w, depth - 1);
    reply_digest(w);
    close_bytes(w, from);
    if (chance(w, 10)) {
        number(w, ACTOR_DEPOSIT, 1);
        number(w, mr_random_magnitude(w->random, 1, 5000000), 8);
    }
    number(w, ACTOR_EXPECT, 1);
}

/* Requests, to one or to several, and going on with the replies: chains when the receiver asks
 * another, mutual recursion when it asks back. */
static void converse(const writer *w, unsigned depth)
{
    if (chance(w, 40))
        reserve_for_signal(w);
    const uint64_t requests = chance(w, 70) ? 1 : mr_random_range(w->random, 2, 5);
    for (uint64_t i = 0; i < requests; i++)
        ask(w, i == 0 ? depth : 0);
    wait_as(w, ACTOR_AWAIT_REPLIES);
    look_on(w);
}

/* What a signal is about: failing with gas put aside for it, at once or having waited. */
static void fail_with_signal(const writer *w)
{
    reserve_for_signal(w);
    if (chance(w, 50))
        wait_as(w, ACTOR_AWAIT);
    end(w);
}

static unsigned conversation_depth(const writer *w)
{
    return w->depth > 0 ? (unsigned)mr_random_below(w->random, 3) : 0;
}

/* Requests one after the other, in a loop. */
static void converse_in_a_loop(const writer *w)
{
    number(w, ACTOR_REPEAT, 1);
    number(w, mr_random_range(w->random, 2, 4), 2);
    const size_t from = open_bytes(w);
    ask(w, 0);
    wait_as(w, ACTOR_AWAIT_REPLIES);
    look_on(w);
    close_bytes(w, from);
}

/* A question to a user: a letter, mostly with gas for handling the answer. */
static void ask_a_user(const writer *w)
{
    const mr_id *user = &w->world->users[below(w, w->world->users_count)];
    number(w, ACTOR_SEND, 1);
    number(w, ACTOR_TO_ID, 1);
    put(w->out, user, sizeof *user);
    number(w, ACTOR_TERMS_GAS, 1);
    number(w, mr_random_magnitude(w->random, 100000, 20000000), 8);
    const size_t from = open_bytes(w);
    filler(w, below(w, 20));
    close_bytes(w, from);
    if (chance(w, 70)) {
        number(w, ACTOR_DEPOSIT, 1);
        number(w, mr_random_magnitude(w->random, 100000, 10000000), 8);
    }
    if (chance(w, 50)) {
        number(w, ACTOR_EXPECT, 1);
        wait_as(w, ACTOR_AWAIT_REPLIES);
    }
}

/* Something of two parts, with a wait in between that others must not see. */
static void hold_lock(const writer *w)
{
    const uint64_t cell = below(w, ACTOR_CELLS);
    wait_as(w, ACTOR_LOCK);
    number(w, ACTOR_CELL, 1);
    number(w, cell, 1);
    number(w, below(w, 4), 1);
    if (chance(w, 60))
        wait_as(w, ACTOR_AWAIT);
    else
        converse(w, 0);
    number(w, ACTOR_CHECK, 1);
    number(w, cell, 1);
    if (chance(w, 90))
        number(w, ACTOR_UNLOCK, 1);
}

static void wake_one(const writer *w)
{
    const uint64_t kind = below(w, 100);
    number(w, ACTOR_WAKE, 1);
    number(w,
           kind < 80   ? below(w, ACTOR_WAITERS)
           : kind < 90 ? ACTOR_WAKE_SELF
                       : ACTOR_WAKE_LAST_SENT,
           1);
    number(w, chance(w, 70) ? 0 : some_blocks(w), 2);
}

/* Wakes everybody who is remembered, in an order of its own. */
static void wake_all(const writer *w)
{
    const uint64_t first = below(w, ACTOR_WAITERS);
    for (uint64_t i = 0; i < ACTOR_WAITERS; i++) {
        number(w, ACTOR_WAKE, 1);
        number(w, (first + i * 5) % ACTOR_WAITERS, 1);
        number(w, 0, 2);
    }
}

/* The program sends itself something for later, which may do so again. */
static void set_timer(const writer *w, unsigned depth)
{
    number(w, ACTOR_SEND, 1);
    number(w, ACTOR_TO_SELF, 1);
    number(w, ACTOR_TERMS_DELAY | ACTOR_TERMS_GAS, 1);
    number(w, mr_random_magnitude(w->random, 1000000, 60000000), 8);
    number(w, some_blocks(w), 2);
    const size_t from = open_bytes(w);
    look_on(w);
    if (depth > 0)
        set_timer(w, depth - 1);
    else if (chance(w, 50))
        wake_all(w);
    close_bytes(w, from);
}

static void wait_somehow(const writer *w)
{
    switch (below(w, 15)) {
    case 0:
        wait_as(w, ACTOR_WAIT);
        break;
    case 10:
    case 11:
        ask_a_user(w);
        break;
    case 9:
        fail_with_signal(w);
        break;
    case 1:
    case 2:
        wait_as(w, ACTOR_AWAIT);
        look_on(w);
        break;
    case 3:
        set_timer(w, (unsigned)below(w, 3));
        break;
    case 4:
    case 5:
        wake_one(w);
        break;
    case 6:
        wake_all(w);
        break;
    case 7:
        hold_lock(w);
        break;
    case 8:
        converse_in_a_loop(w);
        break;
    default:
        converse(w, conversation_depth(w));
        reply_digest(w);
    }
}

/* ---- Creating, reserving ---- */

static void ids(const writer *w, const mr_id *from, size_t from_count, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put(w->out, &from[below(w, from_count)], sizeof *from);
}

static void child_init(const writer *w)
{
    const size_t from = open_bytes(w);
    if (chance(w, 90)) {
        const size_t peers = w->world->strangers_count < 3 ? w->world->strangers_count : 3;
        const size_t codes = w->world->codes_count < 2 ? w->world->codes_count : 2;
        number(w, peers, 1);
        number(w, codes, 1);
        ids(w, w->world->strangers, w->world->strangers_count, peers);
        ids(w, w->world->codes, w->world->codes_count, codes);
        if (w->depth > 0 && w->out->size < 3000)
            mr_script_random(w->world, w->random, w->depth - 1, w->out);
    } else {
        filler(w, below(w, 40));
    }
    close_bytes(w, from);
}

static void create(const writer *w)
{
    number(w, ACTOR_CREATE, 1);
    if (chance(w, 88) || w->world->codes_count == 0) {
        number(w, below(w, 200), 1);
    } else {
        const mr_id unknown = mr_random_id(w->random);
        number(w, ACTOR_CODE_ID, 1);
        put(w->out, chance(w, 50) ? &unknown : w->world->codes, sizeof unknown);
    }
    number(w, below(w, 256), 1);
    if (chance(w, 50))
        request_terms(w);
    else
        terms(w, ACTOR_TERMS_GAS | ACTOR_TERMS_VALUE | ACTOR_TERMS_DELAY);
    child_init(w);
}

/* A new program, which is told something before or after its init is known to have succeeded. */
static void found(const writer *w)
{
    create(w);
    if (chance(w, 60)) {
        number(w, ACTOR_EXPECT, 1);
        wait_as(w, ACTOR_AWAIT_REPLIES);
    }
    if (chance(w, 70)) {
        number(w, ACTOR_SEND, 1);
        number(w, ACTOR_TO_CHILD + below(w, ACTOR_CHILDREN_MAX), 1);
        request_terms(w);
        payload(w);
    }
}

static void reserve(const writer *w, uint64_t slot)
{
    number(w, ACTOR_RESERVE, 1);
    number(w, slot, 1);
    number(w, chance(w, 90) ? mr_random_magnitude(w->random, 2000, 20000000) : some_gas(w), 8);
    number(w, some_blocks(w), 4);
}

/* One of the ways to use or end a reservation. */
static void use_reservation(const writer *w, uint64_t slot)
{
    switch (below(w, 5)) {
    case 0:
        number(w, ACTOR_UNRESERVE, 1);
        number(w, slot, 1);
        break;
    case 1:
        number(w, ACTOR_BEGIN, 1);
        number(w, 0, 1);
        number(w, ACTOR_RESERVATION_COMMIT, 1);
        number(w, slot, 1);
        number(w, 0, 1);
        destination(w);
        terms(w, ACTOR_TERMS_VALUE | ACTOR_TERMS_DELAY);
        break;
    case 2:
        number(w, ACTOR_RESERVATION_REPLY, 1);
        number(w, slot, 1);
        terms(w, ACTOR_TERMS_VALUE);
        payload(w);
        break;
    case 3:
        number(w, ACTOR_RESERVATION_REPLY_COMMIT, 1);
        number(w, slot, 1);
        terms(w, ACTOR_TERMS_VALUE);
        break;
    default:
        number(w, ACTOR_RESERVATION_SEND, 1);
        number(w, slot, 1);
        destination(w);
        terms(w, ACTOR_TERMS_VALUE | ACTOR_TERMS_DELAY);
        payload(w);
    }
}

static void keep_gas(const writer *w)
{
    const uint64_t kind = below(w, 10), slot = below(w, ACTOR_RESERVATIONS);
    if (kind < 3) {
        reserve(w, slot);
    } else if (kind < 5) {
        use_reservation(w, slot);
    } else if (kind < 7) {
        reserve(w, slot);
        if (chance(w, 30))
            wait_as(w, ACTOR_AWAIT);
        use_reservation(w, slot);
    } else if (kind < 8) {
        send(w);
        number(w, ACTOR_DEPOSIT, 1);
        number(w, mr_random_magnitude(w->random, 1, 10000000), 8);
        if (chance(w, 10)) {
            number(w, ACTOR_DEPOSIT, 1);
            number(w, 1, 8);
        }
    } else {
        reserve_for_signal(w);
    }
}

/* The next instructions run, or do not, as the digest has it. */
static void perhaps(const writer *w)
{
    number(w, ACTOR_SKIP_IF, 1);
    number(w, below(w, 64), 1);
    size_t from = open_bytes(w);
    if (chance(w, 50))
        send(w);
    else
        end(w);
    close_bytes(w, from);
}

static void calm_step(const writer *w)
{
    switch (below(w, 4)) {
    case 0:
        number(w, ACTOR_BUMP, 1);
        break;
    case 1:
        look(w);
        break;
    case 2:
        touch_own_memory(w);
        break;
    default:
        number(w, ACTOR_REPLY_DIGEST, 1);
        number(w, 0, 1);
    }
}

static void step(const writer *w)
{
    const uint64_t kind = below(w, 100);
    if (w->world->calm)
        calm_step(w);
    else if (kind < 20)
        send(w);
    else if (kind < 23)
        send_in_parts(w);
    else if (kind < 26)
        send_many(w);
    else if (kind < 42)
        wait_somehow(w);
    else if (kind < 46)
        found(w);
    else if (kind < 52)
        keep_gas(w);
    else if (kind < 58)
        reply(w);
    else if (kind < 63)
        on_reply(w);
    else if (kind < 69)
        touch_own_memory(w);
    else if (kind < 72)
        touch_memory(w);
    else if (kind < 77)
        touch_pages(w);
    else if (kind < 84)
        look(w);
    else if (kind < 89)
        work(w);
    else if (kind < 92)
        number(w, ACTOR_BUMP, 1);
    else if (kind < 96)
        perhaps(w);
    else
        end(w);
}

void mr_script_random(const mr_script_world *world, mr_random *random, unsigned depth,
                      mr_buffer *out)
{
    const writer w = {world, random, out, depth};
    const uint64_t steps = mr_random_below(random, 7);
    for (uint64_t i = 0; i < steps; i++)
        step(&w);
}

void mr_script_init(const mr_script_world *world, mr_random *random, const mr_id *peers,
                    size_t peers_count, mr_buffer *out)
{
    MR_ASSERT(peers_count <= ACTOR_PEERS_MAX && world->codes_count <= ACTOR_CODES_MAX);
    const uint8_t counts[2] = {(uint8_t)peers_count, (uint8_t)world->codes_count};
    put(out, counts, sizeof counts);
    put(out, peers, peers_count * sizeof *peers);
    put(out, world->codes, world->codes_count * sizeof *world->codes);
    mr_script_random(world, random, 2, out);
}
