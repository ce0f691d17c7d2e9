/* SPDX-License-Identifier: Apache-2.0 */
/* actor: a program that does whatever its messages say, see actor.h.
 *
 *   init    u8 peers, u8 codes, their ids, then a script
 *   handle  a script
 *   reply   runs the script that ON_REPLY has stored; what came with the reply is folded in
 *   signal  runs the script that ON_SIGNAL has stored; what it tells is folded in
 *
 * Built with ACTOR_NO_INIT, ACTOR_NO_HANDLE, ACTOR_NO_REPLY or ACTOR_NO_SIGNAL it lacks that
 * entry. */
#include "gear.h"

#include "tests/programs/actor.h"

static uint64_t digest = 0x6a09e667f3bcc908;
static uint64_t counter;
static uint32_t peers_count;
static gear_id peers[ACTOR_PEERS_MAX];
static uint8_t cells[ACTOR_CELLS][ACTOR_CELL_BYTES];
static uint8_t cell_seeds[ACTOR_CELLS];
static uint32_t pages[ACTOR_SLOTS];
static uint8_t scribble[ACTOR_SCRIBBLE_BYTES];
static uint32_t codes_count;
static gear_id codes[ACTOR_CODES_MAX];
static uint32_t children_count; /* ever made */
static gear_id children[ACTOR_CHILDREN_MAX];
static gear_id reservations[ACTOR_RESERVATIONS];
static gear_id last_sent;

typedef struct stored_script {
    uint32_t size;
    uint8_t text[ACTOR_STORED_MAX];
} stored_script;
static stored_script on_reply_script, on_signal_script;

/* What a REPEAT goes back to: offsets in the script. */
typedef struct level {
    uint16_t start; /* of the body */
    uint16_t left;  /* turns */
    uint16_t after;
    uint16_t end; /* of what it stands in */
} level;

typedef struct script {
    const uint8_t *text;
    const uint8_t *at;
    const uint8_t *end;
    uint32_t size;
    uint32_t handles[ACTOR_SLOTS];
    uint32_t depth;
    level levels[ACTOR_LEVELS];
    bool over;
} script;

/* A message that is remembered: where it goes on, and what it waits for. */
typedef struct waiter {
    gear_id message;
    bool used;
    bool waits; /* at a place to go on from */
    uint8_t tries;
    uint8_t depth;
    uint16_t expected; /* replies not yet here */
    uint16_t at;
    uint16_t end;
    level levels[ACTOR_LEVELS];
} waiter;

static waiter waiters[ACTOR_WAITERS];
static uint32_t waiters_used;
static uint32_t waiters_next; /* to be forgotten */

typedef struct expected_reply {
    gear_id sent;
    gear_id message;
} expected_reply;

static expected_reply expected[ACTOR_EXPECTED];
static uint32_t expected_next;
static uint32_t expected_used;

static struct {
    bool held;
    gear_id holder;
    uint32_t queue_count;
    gear_id queue[ACTOR_LOCK_QUEUE];
} lock;

static void fold(uint64_t value)
{
    digest = (digest ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    digest ^= digest >> 29;
}

static __attribute__((noinline)) void fold_bytes(const void *bytes, uint32_t size)
{
    const uint8_t *at = bytes;
    fold(size);
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        fold(word);
    }
    for (; size > 0; size--)
        fold(*at++);
}

/* ---- Operands ---- */

static __attribute__((noinline)) uint64_t take(script *s, uint32_t bytes)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < bytes && s->at < s->end; i++)
        value |= (uint64_t)*s->at++ << (8 * i);
    return value;
}

typedef struct bytes {
    const uint8_t *at;
    uint32_t size;
} bytes;

static bytes take_bytes(script *s)
{
    uint32_t size = (uint32_t)take(s, 2);
    if (size > (uint32_t)(s->end - s->at))
        size = (uint32_t)(s->end - s->at);
    bytes taken = {s->at, size};
    s->at += size;
    return taken;
}

static __attribute__((noinline)) void take_destination(script *s, gear_id *to)
{
    uint32_t which = (uint32_t)take(s, 1);
    if (which == ACTOR_TO_ID) {
        for (uint32_t i = 0; i < sizeof *to; i++)
            to->bytes[i] = (uint8_t)take(s, 1);
    } else if (which == ACTOR_TO_SOURCE) {
        gr_source(to);
    } else if (which >= ACTOR_TO_CHILD && which < ACTOR_TO_CHILD + ACTOR_CHILDREN_MAX &&
               children_count > 0) {
        const uint32_t known =
            children_count < ACTOR_CHILDREN_MAX ? children_count : ACTOR_CHILDREN_MAX;
        *to = children[(which - ACTOR_TO_CHILD) % known];
    } else if (which == ACTOR_TO_SELF || peers_count == 0) {
        gr_program_id(to);
    } else {
        *to = peers[which % peers_count];
    }
}

typedef struct terms {
    uint32_t bits;
    uint32_t delay;
    uint64_t gas;
    gear_value value;
} terms;

static __attribute__((noinline)) void take_terms(script *s, terms *t)
{
    t->bits = (uint32_t)take(s, 1);
    t->gas = t->bits & ACTOR_TERMS_GAS ? take(s, 8) : 0;
    t->value = t->bits & ACTOR_TERMS_VALUE ? take(s, 8) : 0;
    t->delay = t->bits & ACTOR_TERMS_DELAY ? (uint32_t)take(s, 2) : 0;
}

static uint32_t take_slot(script *s)
{
    return (uint32_t)take(s, 1) % ACTOR_SLOTS;
}

/* ---- Memory ---- */

static uint8_t pattern(uint8_t seed, uint32_t i)
{
    return seed == 0 ? 0 : (uint8_t)(seed * 7 + i * 13 + (i >> 8));
}

static void fill(uint8_t *at, uint32_t count, uint8_t seed)
{
    for (uint32_t i = 0; i < count; i++)
        at[i] = pattern(seed, i);
}

static void store_word(uint32_t address, uint64_t value)
{
    typedef uint64_t __attribute__((aligned(1), may_alias)) word;
    *(volatile word *)(uintptr_t)address = value;
}

static void check_cell(uint32_t cell)
{
    uint8_t wrong = 0;
    for (uint32_t i = 0; i < ACTOR_CELL_BYTES; i++)
        wrong |= cells[cell][i] ^ pattern(cell_seeds[cell], i);
    gear_require(wrong == 0, ACTOR_DAMAGE);
}

static void allocate(uint32_t slot, uint32_t count)
{
    uint32_t page = alloc(count);
    fold(page);
    if (page == GEAR_NO_PAGE || count == 0)
        return;
    pages[slot] = page;
    /* A sample of every unit: first, middle and last bytes. */
    uint64_t wrong = 0;
    for (uint32_t i = 0; i < count * GEAR_PAGE_BYTES; i += 256) {
        const uint8_t *unit = (const uint8_t *)((uintptr_t)page * GEAR_PAGE_BYTES + i);
        wrong |= *(const uint64_t *)(const void *)unit |
                 *(const uint64_t *)(const void *)(unit + 248) | unit[77];
    }
    gear_require(wrong == 0, ACTOR_DAMAGE);
}

/* ---- Messages ---- */

/* What sending yields. */
static void note_sent(const gr_error_with_hash *result)
{
    fold(result->error);
    fold_bytes(&result->id, sizeof result->id);
    if (result->error == GEAR_OK)
        last_sent = result->id;
}

static void send(script *s)
{
    gear_id to;
    take_destination(s, &to);
    terms t;
    take_terms(s, &t);
    gr_hash_with_value to_value = {to, t.value};
    gr_error_with_hash result;
    if (t.bits & ACTOR_TERMS_INPUT) {
        uint32_t offset = (uint32_t)take(s, 2), size = (uint32_t)take(s, 2);
        if (t.bits & ACTOR_TERMS_GAS)
            gr_send_input_wgas(&to_value, offset, size, t.gas, t.delay, &result);
        else
            gr_send_input(&to_value, offset, size, t.delay, &result);
    } else {
        bytes payload = take_bytes(s);
        if (t.bits & ACTOR_TERMS_GAS)
            gr_send_wgas(&to_value, payload.at, payload.size, t.gas, t.delay, &result);
        else
            gr_send(&to_value, payload.at, payload.size, t.delay, &result);
    }
    note_sent(&result);
}

static void begin(script *s)
{
    uint32_t slot = take_slot(s);
    gr_error_with_handle result;
    gr_send_init(&result);
    fold(result.error);
    s->handles[slot] = result.handle;
}

static void push(script *s)
{
    uint32_t slot = take_slot(s), error;
    terms t;
    take_terms(s, &t);
    if (t.bits & ACTOR_TERMS_INPUT) {
        uint32_t offset = (uint32_t)take(s, 2), size = (uint32_t)take(s, 2);
        gr_send_push_input(s->handles[slot], offset, size, &error);
    } else {
        bytes part = take_bytes(s);
        gr_send_push(s->handles[slot], part.at, part.size, &error);
    }
    fold(error);
}

static void commit(script *s)
{
    uint32_t slot = take_slot(s);
    gear_id to;
    take_destination(s, &to);
    terms t;
    take_terms(s, &t);
    gr_hash_with_value to_value = {to, t.value};
    gr_error_with_hash result;
    if (t.bits & ACTOR_TERMS_GAS)
        gr_send_commit_wgas(s->handles[slot], &to_value, t.gas, t.delay, &result);
    else
        gr_send_commit(s->handles[slot], &to_value, t.delay, &result);
    note_sent(&result);
}

static void reply_with(const terms *t, const void *payload, uint32_t size)
{
    gr_error_with_hash result;
    const gear_value *value = t->bits & ACTOR_TERMS_VALUE ? &t->value : GEAR_NO_VALUE;
    if (t->bits & ACTOR_TERMS_GAS)
        gr_reply_wgas(payload, size, t->gas, value, &result);
    else
        gr_reply(payload, size, value, &result);
    fold(result.error);
}

static void reply(script *s)
{
    terms t;
    take_terms(s, &t);
    if ((t.bits & ACTOR_TERMS_INPUT) == 0) {
        bytes payload = take_bytes(s);
        reply_with(&t, payload.at, payload.size);
        return;
    }
    uint32_t offset = (uint32_t)take(s, 2), size = (uint32_t)take(s, 2);
    gr_error_with_hash result;
    if (t.bits & ACTOR_TERMS_GAS)
        gr_reply_input_wgas(offset, size, t.gas, &t.value, &result);
    else
        gr_reply_input(offset, size, &t.value, &result);
    fold(result.error);
}

static void reply_push(script *s)
{
    terms t;
    take_terms(s, &t);
    uint32_t error;
    if (t.bits & ACTOR_TERMS_INPUT) {
        uint32_t offset = (uint32_t)take(s, 2), size = (uint32_t)take(s, 2);
        gr_reply_push_input(offset, size, &error);
    } else {
        bytes part = take_bytes(s);
        gr_reply_push(part.at, part.size, &error);
    }
    fold(error);
}

static void reply_commit(script *s)
{
    terms t;
    take_terms(s, &t);
    gr_error_with_hash result;
    if (t.bits & ACTOR_TERMS_GAS)
        gr_reply_commit_wgas(t.gas, &t.value, &result);
    else
        gr_reply_commit(&t.value, &result);
    fold(result.error);
}

static void reply_digest(script *s)
{
    terms t;
    take_terms(s, &t);
    uint64_t told[2] = {digest, counter};
    reply_with(&t, told, sizeof told);
}

/* ---- Creating, reserving ---- */

static void create(script *s)
{
    gr_hash_with_value code = {0};
    const uint32_t which = (uint32_t)take(s, 1);
    if (which == ACTOR_CODE_ID) {
        for (uint32_t i = 0; i < sizeof code.id; i++)
            code.id.bytes[i] = (uint8_t)take(s, 1);
    } else if (codes_count > 0) {
        code.id = codes[which % codes_count];
    }
    const uint8_t salt = (uint8_t)take(s, 1);
    terms t;
    take_terms(s, &t);
    code.value = t.value;
    const bytes init_text = take_bytes(s);
    gr_error_with_two_hashes result;
    if (t.bits & ACTOR_TERMS_GAS)
        gr_create_program_wgas(&code, &salt, salt & 1, init_text.at, init_text.size, t.gas, t.delay,
                               &result);
    else
        gr_create_program(&code, &salt, salt & 1, init_text.at, init_text.size, t.delay, &result);
    const gr_error_with_hash sent = {result.error, result.message};
    note_sent(&sent);
    fold_bytes(&result.program, sizeof result.program);
    if (result.error == GEAR_OK)
        children[children_count++ % ACTOR_CHILDREN_MAX] = result.program;
}

static uint32_t take_reservation(script *s)
{
    return (uint32_t)take(s, 1) % ACTOR_RESERVATIONS;
}

static void reserve(script *s)
{
    const uint32_t slot = take_reservation(s);
    const uint64_t gas = take(s, 8);
    gr_error_with_hash result;
    gr_reserve_gas(gas, (uint32_t)take(s, 4), &result);
    fold(result.error);
    fold_bytes(&result.id, sizeof result.id);
    if (result.error == GEAR_OK)
        reservations[slot] = result.id;
}

static void unreserve(script *s)
{
    gr_error_with_gas result;
    gr_unreserve_gas(&reservations[take_reservation(s)], &result);
    fold(result.error);
    fold(result.gas);
}

static void reservation_send(script *s, bool whole)
{
    gr_two_hashes_with_value from_to = {.reservation = reservations[take_reservation(s)]};
    const uint32_t slot = whole ? 0 : take_slot(s);
    take_destination(s, &from_to.id);
    terms t;
    take_terms(s, &t);
    from_to.value = t.value;
    gr_error_with_hash result;
    if (whole) {
        const bytes payload = take_bytes(s);
        gr_reservation_send(&from_to, payload.at, payload.size, t.delay, &result);
    } else {
        gr_reservation_send_commit(s->handles[slot], &from_to, t.delay, &result);
    }
    note_sent(&result);
}

static void reservation_reply(script *s, bool whole)
{
    gr_hash_with_value from = {.id = reservations[take_reservation(s)]};
    terms t;
    take_terms(s, &t);
    from.value = t.value;
    gr_error_with_hash result;
    if (whole) {
        const bytes payload = take_bytes(s);
        gr_reservation_reply(&from, payload.at, payload.size, &result);
    } else {
        gr_reservation_reply_commit(&from, &result);
    }
    fold(result.error);
    fold_bytes(&result.id, sizeof result.id);
}

static void system_reserve(script *s)
{
    uint32_t error;
    gr_system_reserve_gas(take(s, 8), &error);
    fold(error);
}

static void deposit(script *s)
{
    uint32_t error;
    gr_reply_deposit(&last_sent, take(s, 8), &error);
    fold(error);
}

/* ---- Waiting ---- */

static __attribute__((noinline)) waiter *find_waiter(const gear_id *message)
{
    for (uint32_t i = 0; waiters_used > 0 && i < ACTOR_WAITERS; i++) {
        if (waiters[i].used && gear_id_equal(&waiters[i].message, message))
            return &waiters[i];
    }
    return NULL;
}

/* The entry of a message, a new one if it has none: the oldest is forgotten if there is no room. */
static waiter *remember(const gear_id *message)
{
    waiter *found = find_waiter(message);
    if (found != NULL)
        return found;
    for (uint32_t i = 0; i < ACTOR_WAITERS && found == NULL; i++) {
        if (!waiters[i].used)
            found = &waiters[i];
    }
    if (found == NULL)
        found = &waiters[waiters_next++ % ACTOR_WAITERS];
    else
        waiters_used++;
    memset(found, 0, sizeof *found);
    found->used = true;
    found->message = *message;
    return found;
}

static void forget(const gear_id *message)
{
    waiter *found = find_waiter(message);
    if (found == NULL)
        return;
    found->used = false;
    waiters_used--;
}

/* The message at hand is over. */
static void forget_this(void)
{
    if (waiters_used == 0)
        return;
    const gear_id message = gear_message_id();
    forget(&message);
}

/* Sets a script to where the message at hand waited, if it did. */
static void go_on(script *s)
{
    if (waiters_used == 0)
        return;
    const gear_id message = gear_message_id();
    waiter *entry = find_waiter(&message);
    if (entry == NULL || !entry->waits)
        return;
    entry->waits = false;
    /* The script may be another one by now, when it is a stored one. */
    s->end = s->text + (entry->end < s->size ? entry->end : s->size);
    s->at = s->text + (entry->at < s->size ? entry->at : s->size);
    s->depth = entry->depth;
    for (uint32_t i = 0; i < s->depth; i++) {
        s->levels[i] = entry->levels[i];
        if (s->levels[i].after > s->size || s->levels[i].end > s->size ||
            s->levels[i].start > s->size)
            s->depth = 0;
    }
}

typedef struct wait_terms {
    uint32_t how;
    uint32_t blocks;
} wait_terms;

static wait_terms take_wait(script *s)
{
    wait_terms w = {.how = (uint32_t)take(s, 1)};
    w.blocks = (uint32_t)take(s, 4);
    return w;
}

static void wait_raw(wait_terms w)
{
    switch (w.how % 3) {
    case ACTOR_WAIT_FOR_EVER:
        gr_wait();
    case ACTOR_WAIT_FOR:
        gr_wait_for(w.blocks);
    default:
        gr_wait_up_to(w.blocks);
    }
}

/* Waits, to go on at `at`. */
static void wait_at(const script *s, waiter *entry, const uint8_t *at, wait_terms w)
{
    entry->waits = true;
    entry->at = (uint16_t)(at - s->text);
    entry->end = (uint16_t)(s->end - s->text);
    entry->depth = (uint8_t)s->depth;
    for (uint32_t i = 0; i < s->depth; i++)
        entry->levels[i] = s->levels[i];
    wait_raw(w);
}

static void await(script *s)
{
    const wait_terms w = take_wait(s);
    const gear_id message = gear_message_id();
    wait_at(s, remember(&message), s->at, w);
}

static void expect(void)
{
    const gear_id message = gear_message_id();
    expected_reply *entry = &expected[expected_next++ % ACTOR_EXPECTED];
    if (expected_used < ACTOR_EXPECTED)
        expected_used++;
    *entry = (expected_reply){last_sent, message};
    remember(&message)->expected++;
}

static void await_replies(script *s, const uint8_t *operation_at)
{
    const wait_terms w = take_wait(s);
    const gear_id message = gear_message_id();
    waiter *entry = find_waiter(&message);
    if (entry == NULL)
        return;
    if (entry->expected > 0 && entry->tries < ACTOR_TRIES) {
        entry->tries++;
        wait_at(s, entry, operation_at, w);
    }
    fold(entry->expected);
    entry->tries = 0;
    entry->expected = 0;
}

static void wake(const gear_id *message, uint32_t delay)
{
    uint32_t error;
    gr_wake(message, delay, &error);
    fold(error);
}

static void wake_some(script *s)
{
    const uint32_t which = (uint32_t)take(s, 1), delay = (uint32_t)take(s, 2);
    gear_id message = waiters[which % ACTOR_WAITERS].message;
    if (which == ACTOR_WAKE_SELF)
        message = gear_message_id();
    else if (which == ACTOR_WAKE_LAST_SENT)
        message = last_sent;
    wake(&message, delay);
}

static void take_lock(script *s, const uint8_t *operation_at)
{
    const wait_terms w = take_wait(s);
    const gear_id message = gear_message_id();
    if (!lock.held || gear_id_equal(&lock.holder, &message)) {
        lock.held = true;
        lock.holder = message;
        return;
    }
    waiter *entry = remember(&message);
    if (entry->tries >= ACTOR_TRIES) { /* it goes on without */
        entry->tries = 0;
        return;
    }
    entry->tries++;
    if (lock.queue_count < ACTOR_LOCK_QUEUE)
        lock.queue[lock.queue_count++] = message;
    wait_at(s, entry, operation_at, w);
}

static void unlock(const gear_id *message)
{
    if (!lock.held || !gear_id_equal(&lock.holder, message))
        return;
    lock.held = false;
    if (lock.queue_count == 0)
        return;
    const gear_id first = lock.queue[0];
    lock.queue_count--;
    for (uint32_t i = 0; i < lock.queue_count; i++)
        lock.queue[i] = lock.queue[i + 1];
    wake(&first, 0);
}

static void give_lock(void)
{
    const gear_id message = gear_message_id();
    unlock(&message);
}

/* ---- Ends ---- */

static void divide(void)
{
    volatile uint32_t zero = 0;
    fold(1000 / zero);
}

static void call_nothing(void)
{
    void (*volatile nothing)(void) = (void (*)(void))(uintptr_t)1000;
    nothing();
}

static void loop_for_ever(void)
{
    volatile uint32_t turns = 0;
    for (;;)
        turns++;
}

static __attribute__((noinline)) uint64_t recurse(uint32_t depth, uint32_t end)
{
    volatile uint64_t here = depth;
    if (depth == end)
        return 1;
    uint64_t below = recurse(depth + 1, end);
    return below + here;
}

static void burn(uint32_t iterations)
{
    volatile uint32_t sum = 0;
    for (uint32_t i = 0; i < iterations; i++)
        sum = sum + i;
}

/* ---- What the program is told ---- */

static void fold_facts(void)
{
    gear_id id;
    gear_value value;
    uint64_t ms;
    uint32_t number;
    gr_env env;
    gr_source(&id);
    fold_bytes(&id, sizeof id);
    gr_message_id(&id);
    fold_bytes(&id, sizeof id);
    gr_program_id(&id);
    fold_bytes(&id, sizeof id);
    gr_value(&value);
    fold_bytes(&value, sizeof value);
    gr_value_available(&value);
    fold_bytes(&value, sizeof value);
    gr_size(&number);
    fold(number);
    gr_block_height(&number);
    fold(number);
    gr_block_timestamp(&ms);
    fold(ms);
    gr_env_vars(1, &env);
    fold_bytes(&env, sizeof env);
}

static void fold_reply_facts(void)
{
    gr_error_with_hash to;
    gr_error_with_reply_code code;
    gr_reply_to(&to);
    fold_bytes(&to, sizeof to);
    gr_reply_code(&code);
    fold_bytes(&code, sizeof code);
}

static void fold_signal_facts(void)
{
    gr_error_with_hash from;
    gr_error_with_signal_code code;
    gr_signal_from(&from);
    fold_bytes(&from, sizeof from);
    gr_signal_code(&code);
    fold_bytes(&code, sizeof code);
}

static void fold_random(uint8_t subject)
{
    gear_id id;
    gr_block_number_with_hash result;
    for (uint32_t i = 0; i < sizeof id; i++)
        id.bytes[i] = (uint8_t)(subject + i);
    gr_random(&id, &result);
    fold_bytes(&result, sizeof result);
}

static void give_bad_pointer(uint32_t which)
{
    const uint32_t far = 0xfffffff0;
    void *bad = (void *)(uintptr_t)far;
    gr_error_with_hash result = {0};
    gr_hash_with_value to = {0};
    gr_error_with_two_hashes two = {0};
    gr_error_with_gas unreserved = {0};
    uint32_t error = 0;
    switch (which % 16) {
    case 0:
        gr_size(bad);
        break;
    case 1:
        gr_read(0, 64, bad, &error);
        break;
    case 2:
        gr_send(bad, &to, 0, 0, &result);
        break;
    case 3:
        gr_send(&to, bad, 64, 0, &result);
        break;
    case 4:
        gr_send(&to, &to, 1, 0, bad);
        break;
    case 5:
        gr_reply(bad, 64, GEAR_NO_VALUE, &result);
        break;
    case 6:
        gr_exit(bad);
    case 7:
        gr_wake(bad, 0, &error);
        break;
    case 8:
        gr_wake(&to.id, 0, bad);
        break;
    case 9:
        gr_create_program(&to, bad, 1, &to, 0, 0, &two);
        error = two.error;
        break;
    case 10:
        gr_create_program(&to, &to, 1, &to, 0, 0, bad);
        break;
    case 11:
        gr_reserve_gas(1000000, 1, bad);
        break;
    case 12:
        gr_unreserve_gas(bad, &unreserved);
        error = unreserved.error;
        break;
    case 13:
        gr_reservation_send(bad, &to, 0, 0, &result);
        break;
    case 14:
        gr_reply_deposit(bad, 1, &error);
        break;
    default:
        gr_panic(bad, 64);
    }
    fold(error);
    fold(result.error);
}

/* ---- The interpreter ---- */

static void repeat(script *s)
{
    uint32_t times = (uint32_t)take(s, 2);
    bytes body = take_bytes(s);
    if (times == 0 || body.size == 0 || s->depth == ACTOR_LEVELS)
        return;
    s->levels[s->depth++] = (level){.start = (uint16_t)(body.at - s->text),
                                    .left = (uint16_t)(times - 1),
                                    .after = (uint16_t)(s->at - s->text),
                                    .end = (uint16_t)(s->end - s->text)};
    s->at = body.at;
    s->end = body.at + body.size;
}

/* At the end of a body: the next turn, or what follows. False at the end of all. */
static bool turn(script *s)
{
    if (s->depth == 0)
        return false;
    level *inner = &s->levels[s->depth - 1];
    if (inner->left > 0) {
        inner->left--;
        s->at = s->text + inner->start;
    } else {
        s->depth--;
        s->at = s->text + inner->after;
        s->end = s->text + inner->end;
    }
    return true;
}

static void store_script(script *s, stored_script *kept)
{
    bytes text = take_bytes(s);
    kept->size = text.size < ACTOR_STORED_MAX ? text.size : ACTOR_STORED_MAX;
    memcpy(kept->text, text.at, kept->size);
}

static void skip_if(script *s)
{
    uint32_t bit = (uint32_t)take(s, 1) & 63, size = (uint32_t)take(s, 2);
    if ((digest >> bit & 1) == 0)
        return;
    s->at += size > (uint32_t)(s->end - s->at) ? (uint32_t)(s->end - s->at) : size;
}

static void exit_to(script *s)
{
    gear_id heir;
    take_destination(s, &heir);
    gr_exit(&heir);
}

/* `size` bytes of the scribbling area, or of no memory. */
static uint32_t take_address(script *s, uint32_t size)
{
    uint32_t address = (uint32_t)take(s, 4);
    if (address & 0x80000000)
        return address;
    return (uint32_t)(uintptr_t)scribble + address % (ACTOR_SCRIBBLE_BYTES - size);
}

static void touch_memory(script *s, uint32_t operation)
{
    enum { COUNT_MAX = 4000 };
    uint32_t address = take_address(s, operation == ACTOR_STORE8 ? 8 : COUNT_MAX);
    if (operation == ACTOR_STORE) {
        uint32_t count = (uint32_t)take(s, 2) % COUNT_MAX;
        fill((uint8_t *)(uintptr_t)address, count, (uint8_t)take(s, 1));
    } else if (operation == ACTOR_STORE8) {
        store_word(address, take(s, 8));
    } else if (operation == ACTOR_COPY) {
        uint32_t from = take_address(s, COUNT_MAX), size = (uint32_t)take(s, 2) % COUNT_MAX;
        memmove((void *)(uintptr_t)address, (void *)(uintptr_t)from, size);
    } else {
        fold_bytes((void *)(uintptr_t)address, (uint32_t)take(s, 2) % COUNT_MAX);
    }
}

static void touch_pages(script *s, uint32_t operation)
{
    if (operation == ACTOR_ALLOC) {
        uint32_t slot = take_slot(s);
        allocate(slot, (uint32_t)take(s, 1));
    } else if (operation == ACTOR_FREE) {
        fold(gr_free(pages[take_slot(s)]));
    } else if (operation == ACTOR_FREE_PAGE) {
        fold(gr_free((uint32_t)take(s, 2)));
    } else if (operation == ACTOR_FREE_RANGE) {
        uint32_t first = (uint32_t)take(s, 2);
        fold(free_range(first, (uint32_t)take(s, 2)));
    } else {
        uint32_t slot = take_slot(s), offset = (uint32_t)take(s, 2), count = (uint32_t)take(s, 2);
        uint8_t seed = (uint8_t)take(s, 1);
        if (pages[slot] != 0)
            fill((uint8_t *)(uintptr_t)(pages[slot] * GEAR_PAGE_BYTES + offset), count, seed);
    }
}

static void set_cell(script *s)
{
    uint32_t cell = (uint32_t)take(s, 1) % ACTOR_CELLS;
    cell_seeds[cell] = (uint8_t)take(s, 1);
    fill(cells[cell], ACTOR_CELL_BYTES, cell_seeds[cell]);
}

static void keep_gas(script *s, uint32_t operation)
{
    switch (operation) {
    case ACTOR_RESERVE:
        reserve(s);
        break;
    case ACTOR_UNRESERVE:
        unreserve(s);
        break;
    case ACTOR_RESERVATION_SEND:
    case ACTOR_RESERVATION_COMMIT:
        reservation_send(s, operation == ACTOR_RESERVATION_SEND);
        break;
    case ACTOR_RESERVATION_REPLY:
    case ACTOR_RESERVATION_REPLY_COMMIT:
        reservation_reply(s, operation == ACTOR_RESERVATION_REPLY);
        break;
    case ACTOR_SYSTEM_RESERVE:
        system_reserve(s);
        break;
    default:
        deposit(s);
    }
}

static void wait_or_wake(script *s, uint32_t operation)
{
    const uint8_t *operation_at = s->at - 1;
    switch (operation) {
    case ACTOR_WAIT:
        wait_raw(take_wait(s));
        break;
    case ACTOR_AWAIT:
        await(s);
        break;
    case ACTOR_EXPECT:
        expect();
        break;
    case ACTOR_AWAIT_REPLIES:
        await_replies(s, operation_at);
        break;
    case ACTOR_WAKE:
        wake_some(s);
        break;
    case ACTOR_LOCK:
        take_lock(s, operation_at);
        break;
    default:
        give_lock();
    }
}

static void run(script *s)
{
    while (!s->over && (s->at < s->end || turn(s))) {
        if (s->at >= s->end)
            continue;
        uint32_t operation = (uint32_t)take(s, 1);
        switch (operation) {
        case ACTOR_STORE:
        case ACTOR_STORE8:
        case ACTOR_COPY:
        case ACTOR_LOAD:
            touch_memory(s, operation);
            break;
        case ACTOR_CELL:
            set_cell(s);
            break;
        case ACTOR_CHECK:
            check_cell((uint32_t)take(s, 1) % ACTOR_CELLS);
            break;
        case ACTOR_ALLOC:
        case ACTOR_FREE:
        case ACTOR_FREE_PAGE:
        case ACTOR_FREE_RANGE:
        case ACTOR_FILL:
            touch_pages(s, operation);
            break;
        case ACTOR_SEND:
            send(s);
            break;
        case ACTOR_BEGIN:
            begin(s);
            break;
        case ACTOR_PUSH:
            push(s);
            break;
        case ACTOR_COMMIT:
            commit(s);
            break;
        case ACTOR_REPLY:
            reply(s);
            break;
        case ACTOR_REPLY_PUSH:
            reply_push(s);
            break;
        case ACTOR_REPLY_COMMIT:
            reply_commit(s);
            break;
        case ACTOR_REPLY_DIGEST:
            reply_digest(s);
            break;
        case ACTOR_BURN:
            burn((uint32_t)take(s, 4));
            break;
        case ACTOR_REPEAT:
            repeat(s);
            break;
        case ACTOR_SKIP_IF:
            skip_if(s);
            break;
        case ACTOR_PANIC: {
            bytes text = take_bytes(s);
            gr_panic(text.at, text.size);
        }
        case ACTOR_OOM_PANIC:
            gr_oom_panic();
        case ACTOR_UNREACHABLE:
            __builtin_trap();
        case ACTOR_OUT_OF_BOUNDS:
            fold(*(volatile uint64_t *)(uintptr_t)0xfffffff0);
            break;
        case ACTOR_DIVIDE:
            divide();
            break;
        case ACTOR_INDIRECT:
            call_nothing();
            break;
        case ACTOR_LOOP:
            loop_for_ever();
            break;
        case ACTOR_RECURSE:
            fold(recurse(1, (uint32_t)take(s, 4)));
            break;
        case ACTOR_LEAVE:
            gr_leave();
        case ACTOR_EXIT:
            exit_to(s);
            break;
        case ACTOR_FACTS:
            fold_facts();
            break;
        case ACTOR_GAS:
            fold(gear_gas_available());
            break;
        case ACTOR_RANDOM:
            fold_random((uint8_t)take(s, 1));
            break;
        case ACTOR_REPLY_FACTS:
            fold_reply_facts();
            break;
        case ACTOR_SIGNAL_FACTS:
            fold_signal_facts();
            break;
        case ACTOR_ON_REPLY:
            store_script(s, &on_reply_script);
            break;
        case ACTOR_ON_SIGNAL:
            store_script(s, &on_signal_script);
            break;
        case ACTOR_WAIT:
        case ACTOR_AWAIT:
        case ACTOR_EXPECT:
        case ACTOR_AWAIT_REPLIES:
        case ACTOR_WAKE:
        case ACTOR_LOCK:
        case ACTOR_UNLOCK:
            wait_or_wake(s, operation);
            break;
        case ACTOR_CREATE:
            create(s);
            break;
        case ACTOR_RESERVE:
        case ACTOR_UNRESERVE:
        case ACTOR_RESERVATION_SEND:
        case ACTOR_RESERVATION_COMMIT:
        case ACTOR_RESERVATION_REPLY:
        case ACTOR_RESERVATION_REPLY_COMMIT:
        case ACTOR_SYSTEM_RESERVE:
        case ACTOR_DEPOSIT:
            keep_gas(s, operation);
            break;
        case ACTOR_BUMP:
            counter++;
            break;
        case ACTOR_DEBUG: {
            bytes text = take_bytes(s);
            gr_debug(text.at, text.size);
            break;
        }
        case ACTOR_BAD_POINTER:
            give_bad_pointer((uint32_t)take(s, 1));
            break;
        default:
            s->over = true;
        }
    }
}

/* Runs a script, from where the message waited. */
static void run_script(const uint8_t *text, uint32_t size)
{
    script s = {.text = text, .at = text, .end = text + size, .size = size};
    go_on(&s);
    run(&s);
    forget_this();
}

static void run_payload(uint32_t from, uint32_t size)
{
    uint8_t text[ACTOR_SCRIPT_MAX];
    if (size > sizeof text)
        size = sizeof text;
    if (size > 0)
        gear_read(from, text, size);
    run_script(text, size);
}

static void run_stored(const stored_script *kept)
{
    uint8_t text[ACTOR_STORED_MAX];
    const uint32_t size = kept->size;
    memcpy(text, kept->text, size);
    run_script(text, size);
}

#ifndef ACTOR_NO_INIT
static uint32_t read_ids(uint32_t at, uint32_t size, gear_id *ids, uint32_t count)
{
    const uint32_t ids_bytes = count * (uint32_t)sizeof(gear_id);
    gear_require(ids_bytes <= size - at, "actor: malformed init");
    if (ids_bytes > 0)
        gear_read(at, ids, ids_bytes);
    return at + ids_bytes;
}

GEAR_INIT
{
    uint32_t size = gear_size(), at = 2;
    uint8_t counts[2] = {0, 0};
    if (size < sizeof counts)
        return;
    gear_read(0, counts, sizeof counts);
    gear_require(counts[0] <= ACTOR_PEERS_MAX && counts[1] <= ACTOR_CODES_MAX,
                 "actor: malformed init");
    peers_count = counts[0];
    codes_count = counts[1];
    at = read_ids(at, size, peers, peers_count);
    at = read_ids(at, size, codes, codes_count);
    run_payload(at, size - at);
}
#endif

#ifndef ACTOR_NO_HANDLE
GEAR_HANDLE
{
    run_payload(0, gear_size());
}
#endif

#ifndef ACTOR_NO_REPLY
/* Wakes who waits for the reply at hand, when it is the last one. */
static void reply_came(void)
{
    if (expected_used == 0)
        return;
    const gear_id sent = gear_reply_to();
    uint32_t i = 0;
    while (i < expected_used && !gear_id_equal(&expected[i].sent, &sent))
        i++;
    if (i == expected_used)
        return;
    waiter *entry = find_waiter(&expected[i].message);
    memset(&expected[i], 0, sizeof expected[i]);
    if (entry == NULL || entry->expected == 0)
        return;
    fold(--entry->expected);
    if (entry->expected == 0)
        wake(&entry->message, 0);
}

GEAR_REPLY
{
    uint8_t part[256];
    uint32_t size = gear_size();
    if (size > sizeof part)
        size = sizeof part;
    if (size > 0)
        gear_read(0, part, size);
    fold_bytes(part, size);
    fold_reply_facts();
    reply_came();
    run_stored(&on_reply_script);
}
#endif

#ifndef ACTOR_NO_SIGNAL
GEAR_SIGNAL
{
    fold_signal_facts();
    const gear_id failed = gear_signal_from();
    forget(&failed);
    unlock(&failed);
    run_stored(&on_signal_script);
}
#endif
