/* SPDX-License-Identifier: Apache-2.0 */
/* actor: a program that does whatever its messages say, see actor.h.
 *
 *   init    u8 peers, their ids, then a script
 *   handle  a script
 *   reply   runs the script that ON_REPLY has stored; what came with the reply is folded in
 *
 * Built with ACTOR_NO_INIT, ACTOR_NO_HANDLE or ACTOR_NO_REPLY it lacks that entry. */
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
static uint32_t stored_size;
static uint8_t stored[ACTOR_STORED_MAX];

typedef struct script {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t handles[ACTOR_SLOTS];
    bool over;
} script;

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
    } else if (which == ACTOR_TO_SELF || peers_count == 0) {
        gr_program_id(to);
    } else {
        *to = peers[which % peers_count];
    }
}

typedef struct terms {
    uint32_t bits;
    uint64_t gas;
    gear_value value;
} terms;

static __attribute__((noinline)) void take_terms(script *s, terms *t)
{
    t->bits = (uint32_t)take(s, 1);
    t->gas = t->bits & ACTOR_TERMS_GAS ? take(s, 8) : 0;
    t->value = t->bits & ACTOR_TERMS_VALUE ? take(s, 8) : 0;
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
            gr_send_input_wgas(&to_value, offset, size, t.gas, 0, &result);
        else
            gr_send_input(&to_value, offset, size, 0, &result);
    } else {
        bytes payload = take_bytes(s);
        if (t.bits & ACTOR_TERMS_GAS)
            gr_send_wgas(&to_value, payload.at, payload.size, t.gas, 0, &result);
        else
            gr_send(&to_value, payload.at, payload.size, 0, &result);
    }
    fold(result.error);
    fold_bytes(&result.id, sizeof result.id);
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
        gr_send_commit_wgas(s->handles[slot], &to_value, t.gas, 0, &result);
    else
        gr_send_commit(s->handles[slot], &to_value, 0, &result);
    fold(result.error);
    fold_bytes(&result.id, sizeof result.id);
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
    uint32_t error = 0;
    switch (which % 8) {
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
    default:
        gr_panic(bad, 64);
    }
    fold(error);
    fold(result.error);
}

/* ---- The interpreter ---- */

static void run(script *s);

static void repeat(script *s)
{
    uint32_t times = (uint32_t)take(s, 2);
    bytes body = take_bytes(s);
    const uint8_t *after = s->at, *end = s->end;
    for (uint32_t i = 0; i < times && !s->over; i++) {
        s->at = body.at;
        s->end = body.at + body.size;
        run(s);
    }
    s->at = after;
    s->end = end;
}

static void on_reply(script *s)
{
    bytes kept = take_bytes(s);
    if (kept.size > ACTOR_STORED_MAX)
        kept.size = ACTOR_STORED_MAX;
    memcpy(stored, kept.at, kept.size);
    stored_size = kept.size;
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

static void run(script *s)
{
    while (s->at < s->end && !s->over) {
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
        case ACTOR_ON_REPLY:
            on_reply(s);
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

static void run_payload(uint32_t from, uint32_t size)
{
    uint8_t text[ACTOR_SCRIPT_MAX];
    if (size > sizeof text)
        size = sizeof text;
    if (size > 0)
        gear_read(from, text, size);
    script s = {.at = text, .end = text + size};
    run(&s);
}

#ifndef ACTOR_NO_INIT
GEAR_INIT
{
    uint32_t size = gear_size();
    uint8_t count = 0;
    if (size > 0)
        gear_read(0, &count, 1);
    uint32_t ids_bytes = count * (uint32_t)sizeof(gear_id);
    gear_require(count <= ACTOR_PEERS_MAX && 1 + ids_bytes <= size, "actor: malformed init");
    peers_count = count;
    if (ids_bytes > 0)
        gear_read(1, peers, ids_bytes);
    run_payload(1 + ids_bytes, size - 1 - ids_bytes);
}
#endif

#ifndef ACTOR_NO_HANDLE
GEAR_HANDLE
{
    run_payload(0, gear_size());
}
#endif

#ifndef ACTOR_NO_REPLY
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
    uint8_t text[ACTOR_STORED_MAX];
    memcpy(text, stored, stored_size);
    script s = {.at = text, .end = text + stored_size};
    run(&s);
}
#endif
