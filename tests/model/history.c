/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/history.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "tests/model/random.h"
#include "tests/model/script.h"
#include "tests/model/tight.h"
#include "tests/programs/actor.h"

enum { USERS_MAX = 8, PROGRAMS_MAX = 28 };

/* What blocks are made of, while a history is being made. */
typedef struct maker {
    mr_history *history;
    mr_random random;
    bool calm;
    mr_id users[USERS_MAX];
    size_t users_count;
    mr_id codes[MR_MODULES_COUNT];
    mr_id programs[PROGRAMS_MAX]; /* created or to be */
    mr_history_module kinds[PROGRAMS_MAX];
    size_t programs_count;
    size_t created_count;
    unsigned topology;
    unsigned tight;     /* so many of 100 blocks have a gas limit at the edge of what they do */
    uint64_t gas_usual; /* of blocks; 0: no limit */
    mr_transaction *made;
    size_t made_count;
} maker;

static uint64_t below(maker *m, uint64_t bound)
{
    return mr_random_below(&m->random, bound);
}

static bool chance(maker *m, unsigned percent)
{
    return mr_random_chance(&m->random, percent);
}

static mr_span keep(maker *m, const void *bytes, size_t size)
{
    void *copy = mr_arena_alloc(&m->history->arena, size);
    MR_ASSERT(copy != NULL);
    if (size > 0)
        memcpy(copy, bytes, size);
    return mr_span_of(copy, size);
}

static mr_span keep_buffer(maker *m, mr_buffer *buffer)
{
    mr_span kept = keep(m, buffer->data, buffer->size);
    mr_buffer_fini(buffer);
    return kept;
}

static void add(maker *m, mr_transaction transaction)
{
    if (chance(m, 8))
        transaction.tip = chance(m, 90) ? below(m, 100000) : mr_random_next(&m->random);
    if (m->made_count % 64 == 0) {
        m->made = realloc(m->made, (m->made_count + 64) * sizeof *m->made);
        MR_ASSERT(m->made != NULL);
    }
    m->made[m->made_count++] = transaction;
}

static mr_id some_user(maker *m)
{
    return m->users[below(m, m->users_count)];
}

static mr_script_world world_of(const maker *m, bool calm)
{
    return (mr_script_world){
        .users = m->users,
        .users_count = m->users_count,
        .strangers = m->programs,
        .strangers_count = m->programs_count,
        .codes = m->codes,
        .codes_count = MR_MODULES_COUNT,
        .gas_least = m->history->options.schedule.mailbox_threshold,
        .calm = calm,
    };
}

/* ---- Transactions ---- */

static uint64_t some_gas(maker *m)
{
    const uint64_t kind = below(m, 100);
    if (!m->calm && kind < 3)
        return 0;
    if (!m->calm && kind < 5)
        return mr_random_range(&m->random, 1, 20000); /* about what beginning costs */
    if (!m->calm && kind < 7)                         /* just that, if memory has so many pages */
        return m->history->options.schedule.dispatch +
               m->history->options.schedule.page_load * mr_random_range(&m->random, 2, 6) -
               below(m, 2);
    if (kind < 9)
        return mr_random_magnitude(&m->random, 20000, 4000000);
    return mr_random_magnitude(&m->random, 4000000, 400000000);
}

static mr_value some_value(maker *m)
{
    const uint64_t kind = below(m, 100);
    if (kind < 50)
        return 0;
    if (kind < 95)
        return below(m, 1000);
    if (kind < 98)
        return mr_random_next(&m->random);
    return (mr_value)mr_random_next(&m->random) << below(m, 60);
}

/* Up to the largest there may be, and one more. */
static void pad(maker *m, mr_buffer *script)
{
    static const uint8_t zeros[1 << 18];
    const uint64_t max = m->history->options.schedule.payload_bytes_max;
    uint64_t size = below(m, sizeof zeros);
    if (max < sizeof zeros)
        size = max + below(m, 2);
    if (size > script->size)
        (void)mr_buffer_append(script, mr_span_of(zeros, size - script->size));
}

/* About as much as there may be. */
static uint64_t some_boundless_gas(maker *m)
{
    return chance(m, 50) ? UINT64_MAX - below(m, 2) : ((uint64_t)1 << 62) + 1 - below(m, 3);
}

static void add_send(maker *m)
{
    mr_id to = m->programs[below(m, m->programs_count)];
    if (m->created_count > 0 && chance(m, 95))
        to = m->programs[below(m, m->created_count)];
    /* Boundless gas needs a script that comes to an end by itself. */
    const bool boundless = chance(m, 2);
    const mr_script_world world = world_of(m, boundless || (m->calm && chance(m, 50)));
    mr_buffer script = {0};
    mr_script_random(&world, &m->random, 3, &script);
    if (chance(m, 2))
        pad(m, &script);
    add(m, (mr_transaction){
               .kind = MR_TRANSACTION_SEND,
               .from = chance(m, 99) ? some_user(m) : to,
               .to = to,
               .payload = keep_buffer(m, &script),
               .gas_limit = boundless ? some_boundless_gas(m) : some_gas(m),
               .value = some_value(m),
           });
}

static size_t peers_of(maker *m, size_t program, mr_id peers[ACTOR_PEERS_MAX])
{
    size_t count = 0;
    const size_t all = m->programs_count;
    switch (m->topology) {
    case 0: /* a ring */
        peers[count++] = m->programs[(program + 1) % all];
        break;
    case 1: /* a star */
        for (size_t i = program == 0 ? 1 : 0; i < (program == 0 ? all : 1); i++) {
            if (count < ACTOR_PEERS_MAX)
                peers[count++] = m->programs[i];
        }
        break;
    case 2: /* all to all */
        for (size_t i = 0; i < all && count < ACTOR_PEERS_MAX; i++)
            peers[count++] = m->programs[i];
        break;
    default:
        for (uint64_t left = below(m, 6); left > 0; left--)
            peers[count++] = m->programs[below(m, all)];
    }
    return count;
}

static mr_span salt_of(maker *m, size_t program)
{
    const uint64_t salt = program;
    return keep(m, &salt, program % 9); /* of any size; program 0 has none */
}

static void add_create(maker *m, size_t program)
{
    const mr_script_world world = world_of(m, m->calm || chance(m, 80));
    mr_buffer init = {0};
    mr_id peers[ACTOR_PEERS_MAX];
    const size_t peers_count = peers_of(m, program, peers);
    if (chance(m, 90)) {
        mr_script_init(&world, &m->random, peers, peers_count, &init);
    } else { /* an init that does nothing */
        const uint8_t none[2] = {0};
        (void)mr_buffer_append(&init, mr_span_of(none, chance(m, 80) ? sizeof none : below(m, 2)));
    }
    add(m, (mr_transaction){
               .kind = MR_TRANSACTION_CREATE,
               .from = chance(m, 90) ? m->users[0] : some_user(m), /* who can pay it */
               .to = m->codes[m->kinds[program]],
               .salt = salt_of(m, program),
               .payload = keep_buffer(m, &init),
               .gas_limit = chance(m, 92) ? 200000000 : some_gas(m),
               .value = some_value(m),
           });
}

/* Who takes which letter: mostly who has it, else anybody, or nothing that is there. */
static mr_transaction for_a_letter(maker *m, mr_transaction_kind kind)
{
    size_t count;
    const mr_reference_letter *letters = mr_reference_letters(m->history->reference, &count);
    mr_transaction taking = {
        .kind = kind,
        .from = some_user(m),
        .to = mr_random_id(&m->random),
    };
    if (count > 0) {
        const mr_reference_letter *letter = &letters[below(m, count)];
        taking.to = letter->message;
        if (chance(m, 95))
            taking.from = letter->user;
    }
    return taking;
}

static void add_reply(maker *m)
{
    mr_transaction reply = for_a_letter(m, MR_TRANSACTION_REPLY);
    const uint8_t text[40] = "an answer of a user";
    reply.gas_limit = some_gas(m);
    reply.value = some_value(m);
    reply.payload = keep(m, text, below(m, sizeof text));
    add(m, reply);
    if (chance(m, 10)) /* nobody answers twice */
        add(m, reply);
}

static void add_claim(maker *m)
{
    mr_transaction claim = for_a_letter(m, MR_TRANSACTION_CLAIM);
    if (chance(m, 4))
        claim.value = 1;
    if (chance(m, 4))
        claim.gas_limit = 1;
    if (chance(m, 4))
        claim.payload = mr_span_text("nothing belongs here");
    add(m, claim);
    if (chance(m, 10)) /* nobody takes it twice, in whatever way */
        add(m, (mr_transaction){.kind = MR_TRANSACTION_REPLY, .from = claim.from, .to = claim.to});
}

static void add_transfer(maker *m)
{
    mr_transaction transfer = {
        .kind = MR_TRANSACTION_TRANSFER,
        .from = some_user(m),
        .to = some_user(m),
        .value = some_value(m),
    };
    if (chance(m, 20))
        transfer.to = mr_random_id(&m->random);
    else if (chance(m, 20))
        transfer.to = m->programs[below(m, m->programs_count)];
    if (chance(m, 10)) /* all of it, nothing is left for the fee */
        transfer.value = mr_reference_balance(m->history->reference, &transfer.from);
    add(m, transfer);
}

/* A module with some bytes changed, cut off, or none at all. */
static void add_bad_upload(maker *m)
{
    const mr_span module = mr_history_module_of((mr_history_module)below(m, MR_MODULES_COUNT));
    size_t size = chance(m, 30) ? below(m, module.size) : module.size;
    mr_span copy = keep(m, module.data, size);
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.data;
    for (uint64_t left = below(m, 4); left > 0 && size > 0; left--)
        bytes[below(m, size)] = (uint8_t)mr_random_next(&m->random);
    if (chance(m, 10))
        copy.size = 0;
    add(m, (mr_transaction){.kind = MR_TRANSACTION_UPLOAD, .from = some_user(m), .payload = copy});
}

static void add_malformed(maker *m)
{
    const mr_span text = mr_span_text("what is this?");
    mr_transaction bad = {
        .kind = MR_TRANSACTION_SEND,
        .from = some_user(m),
        .to = m->programs[below(m, m->programs_count)],
        .gas_limit = 5000000,
    };
    switch (below(m, 8)) {
    case 0:
        bad.salt = text;
        break;
    case 6: { /* too large, where little is allowed */
        const uint64_t max = m->history->options.schedule.payload_bytes_max;
        static const uint8_t zeros[5000];
        if (max < sizeof zeros)
            bad.payload = keep(m, zeros, max + 1);
        break;
    }
    case 1:
        bad.kind = MR_TRANSACTION_UPLOAD;
        bad.payload = text;
        break;
    case 2:
        bad.kind = MR_TRANSACTION_TRANSFER;
        bad.gas_limit = 0;
        bad.to = some_user(m);
        bad.payload = text;
        break;
    case 3:
        bad.kind = (mr_transaction_kind)(MR_TRANSACTION_CLAIM + 1 + below(m, 40));
        break;
    case 4:
        bad.to = mr_random_id(&m->random);
        break;
    case 5: /* code of nobody */
        bad.kind = MR_TRANSACTION_CREATE;
        break;
    default: /* too dear */
        bad.value = ~(mr_value)0 - below(m, 3);
        bad.kind = chance(m, 50) ? MR_TRANSACTION_SEND : MR_TRANSACTION_TRANSFER;
        /* Without accounts everybody could pay it. */
        if (!m->history->options.accounts)
            bad.salt = text;
        break;
    }
    add(m, bad);
}

static void add_something(maker *m)
{
    const uint64_t kind = below(m, 100);
    size_t letters_count;
    (void)mr_reference_letters(m->history->reference, &letters_count);
    if (kind < 14 && m->created_count < m->programs_count)
        add_create(m, m->created_count++);
    else if (kind < 72)
        add_send(m);
    else if (kind < 80 && (letters_count > 0 || chance(m, 10)))
        add_reply(m);
    else if (kind < 86 && (letters_count > 0 || chance(m, 10)))
        add_claim(m);
    else if (kind < 90)
        add_transfer(m);
    else if (kind < 91)
        add_create(m, below(m, m->programs_count)); /* most exist already */
    else if (kind < 93)
        add_bad_upload(m);
    else if (kind < 96)
        add_malformed(m);
    else
        add_send(m);
}

/* ---- Blocks ---- */

static mr_block_params some_params(maker *m)
{
    mr_block_params params = {
        .timestamp_ms = 1700000000000 + m->history->blocks_count * 3000,
        .random = mr_random_id(&m->random),
    };
    if (chance(m, 60))
        params.author = some_user(m);
    if (m->gas_usual != 0 && chance(m, 85))
        params.gas_limit = mr_random_range(&m->random, m->gas_usual / 2, m->gas_usual * 2);
    if (!m->calm && chance(m, 2))
        params.gas_limit = 1 + below(m, 20000);
    if (chance(m, 2))
        params.gas_limit = UINT64_MAX;
    if (chance(m, 2))
        params.author = m->programs[below(m, m->programs_count)];
    return params;
}

mr_history *mr_history_begin(const mr_reference_options *options)
{
    mr_history *history = calloc(1, sizeof *history);
    MR_ASSERT(history != NULL);
    history->options = *options;
    history->reference = mr_reference_new(options);
    return history;
}

const mr_reference_block *mr_history_add(mr_history *history, const mr_block_params *params,
                                         mr_transaction *transactions, size_t transactions_count)
{
    if (history->blocks_count % 64 == 0) {
        history->blocks =
            realloc(history->blocks, (history->blocks_count + 64) * sizeof *history->blocks);
        MR_ASSERT(history->blocks != NULL);
    }
    mr_history_block *block = &history->blocks[history->blocks_count++];
    *block = (mr_history_block){
        .params = *params,
        .transactions = transactions,
        .transactions_count = transactions_count,
        .expected =
            mr_reference_execute(history->reference, params, transactions, transactions_count),
    };
    return block->expected;
}

static void finish_block(maker *m, const mr_block_params *params)
{
    (void)mr_history_add(m->history, params, m->made, m->made_count);
    m->made = NULL;
    m->made_count = 0;
}

/* The first block brings the modules and most programs. */
static void make_first_block(maker *m)
{
    for (size_t i = 0; i < MR_MODULES_COUNT; i++) {
        add(m, (mr_transaction){.kind = MR_TRANSACTION_UPLOAD,
                                .from = m->users[i % m->users_count],
                                .payload = mr_history_module_of((mr_history_module)i)});
    }
    while (m->created_count < m->programs_count && chance(m, 85))
        add_create(m, m->created_count++);
    const mr_block_params params = some_params(m);
    finish_block(m, &params);
}

/* Somebody gives away all there is, to the last unit. */
static void add_last_transfer(maker *m)
{
    const mr_schedule *prices = &m->history->options.schedule;
    const mr_id from = some_user(m);
    const mr_value balance = mr_reference_balance(m->history->reference, &from);
    const mr_value fee = (mr_value)prices->post * prices->value_per_gas;
    if (balance < fee)
        return;
    add(m, (mr_transaction){
               .kind = MR_TRANSACTION_TRANSFER,
               .from = from,
               .to = chance(m, 50) ? some_user(m) : mr_random_id(&m->random),
               .value = balance - fee + (chance(m, 20) ? 1 : 0),
           });
}

/* Messages that burn all their gas before they begin, and a limit that leaves for the next just
 * what it has, or one less. */
static void make_exact_block(maker *m)
{
    mr_block_params params = some_params(m);
    params.gas_limit = 0;
    for (uint64_t left = below(m, 4); left > 0; left--) {
        add_send(m);
        m->made[m->made_count - 1].gas_limit = below(m, 3000);
        params.gas_limit += m->made[m->made_count - 1].gas_limit;
    }
    add_send(m);
    if (m->made[m->made_count - 1].gas_limit < UINT64_MAX - params.gas_limit)
        params.gas_limit += m->made[m->made_count - 1].gas_limit - below(m, 2);
    for (uint64_t left = below(m, 6); left > 0; left--)
        add_send(m);
    finish_block(m, &params);
}

/* Few transactions, for it is made several times. */
static void make_tight_block(maker *m)
{
    for (uint64_t left = mr_random_magnitude(&m->random, 1, 8); left > 0; left--)
        add_something(m);
    mr_block_params params = some_params(m);
    mr_tight_block(m->history, &m->random, &params, m->made, m->made_count);
    finish_block(m, &params);
}

static void make_block(maker *m)
{
    if (chance(m, m->tight)) {
        make_tight_block(m);
        return;
    }
    if (!m->calm && chance(m, 8)) {
        make_exact_block(m);
        return;
    }
    uint64_t count = mr_random_magnitude(&m->random, 1, 32);
    if (chance(m, 8))
        count = 0;
    else if (chance(m, 3))
        count = 250;
    if (chance(m, 10))
        add_last_transfer(m);
    while (count-- > 0)
        add_something(m);
    const mr_block_params params = some_params(m);
    finish_block(m, &params);
}

/* Time passes: blocks in which nobody does anything but what falls due. */
static void make_idle_blocks(maker *m)
{
    for (uint64_t left = mr_random_range(&m->random, 1, 4); left > 0; left--) {
        const mr_block_params params = some_params(m);
        finish_block(m, &params);
    }
}

/* An empty block without a limit: nothing is left in the queue. */
static void drain(maker *m)
{
    const mr_history_block *last = &m->history->blocks[m->history->blocks_count - 1];
    if (last->expected->info.queue_count == 0)
        return;
    const mr_block_params params = {.timestamp_ms = 1};
    finish_block(m, &params);
    MR_ASSERT(m->history->blocks[m->history->blocks_count - 1].expected->info.queue_count == 0);
}

/* ---- A world ---- */

/* Prices and limits at which more goes wrong than usual. */
static mr_schedule some_schedule(maker *m)
{
    mr_schedule schedule = mr_schedule_default();
    if (m->calm)
        return schedule;
    if (chance(m, 35)) /* dear: what is kept for later does not last long */
        schedule.rent = mr_random_magnitude(&m->random, 10000, 5000000);
    else if (chance(m, 10))
        schedule.rent = chance(m, 50) ? 0 : mr_random_magnitude(&m->random, 1, UINT32_MAX);
    if (chance(m, 60))
        return schedule;
    if (chance(m, 40))
        schedule.mailbox_threshold = mr_random_magnitude(&m->random, 1, 3000000);
    if (chance(m, 10))
        schedule.mailbox_threshold = 0;
    if (chance(m, 30))
        schedule.outgoing_max = mr_random_range(&m->random, 0, 6);
    if (chance(m, 30))
        schedule.outgoing_bytes_max = mr_random_range(&m->random, 0, 500);
    if (chance(m, 20))
        schedule.payload_bytes_max = mr_random_range(&m->random, 900, 4000);
    if (chance(m, 20))
        schedule.pages_max = mr_random_range(&m->random, 4, 12);
    if (chance(m, 20))
        schedule.stack_height_max = mr_random_range(&m->random, 200, 3000);
    if (chance(m, 30))
        schedule.page_load = mr_random_magnitude(&m->random, 1, 200000);
    if (chance(m, 20))
        schedule.value_per_gas = mr_random_magnitude(&m->random, 1, 20000);
    if (chance(m, 20))
        schedule.dispatch = 0;
    if (chance(m, 10))
        schedule.post = 0;
    if (chance(m, 20))
        schedule.reservations_max = below(m, 4);
    if (chance(m, 20)) {
        schedule.wait = mr_random_magnitude(&m->random, 1, 400000);
        schedule.wake = mr_random_magnitude(&m->random, 1, 400000);
        schedule.reserve = mr_random_magnitude(&m->random, 1, 400000);
        schedule.create = mr_random_magnitude(&m->random, 1, 4000000);
    }
    return schedule;
}

static void make_accounts(maker *m)
{
    mr_reference_options *options = &m->history->options;
    options->accounts = chance(m, 55);
    if (!options->accounts)
        return;
    mr_balance *genesis = mr_arena_alloc(&m->history->arena, USERS_MAX * sizeof *genesis);
    MR_ASSERT(genesis != NULL);
    for (size_t i = 0; i < m->users_count; i++) {
        uint64_t balance = mr_random_magnitude(&m->random, (uint64_t)1 << 40, (uint64_t)1 << 48);
        if (i == 0)
            balance = (uint64_t)1 << 60;
        else if (chance(m, 25))
            balance = mr_random_magnitude(&m->random, 1, (uint64_t)1 << 36);
        if (i > 1 && chance(m, 10))
            continue;
        genesis[options->genesis_count++] = (mr_balance){m->users[i], balance};
    }
    options->genesis = genesis;
}

static void make_world(maker *m, const mr_history_wishes *wishes)
{
    m->calm = wishes->calm;
    m->users_count = mr_random_range(&m->random, 1, USERS_MAX);
    for (size_t i = 0; i < m->users_count; i++)
        m->users[i] = mr_random_id(&m->random);
    if (chance(m, 10))
        m->users[0] = (mr_id){0};
    make_accounts(m);
    m->history->options.schedule = some_schedule(m);
    m->topology = (unsigned)below(m, 4);
    m->programs_count = mr_random_magnitude(&m->random, 1, PROGRAMS_MAX - 1);
    for (size_t i = 0; i < MR_MODULES_COUNT; i++)
        m->codes[i] = mr_id_of_code(mr_history_module_of((mr_history_module)i));
    for (size_t i = 0; i < m->programs_count; i++) {
        m->kinds[i] =
            chance(m, 80) ? MR_MODULE_ACTOR : (mr_history_module)below(m, MR_MODULES_COUNT);
        m->programs[i] = mr_id_of_program(&m->codes[m->kinds[i]], salt_of(m, i));
    }
    if (!m->calm)
        m->tight = chance(m, 30) ? 80 : 10;
    if (!m->calm && chance(m, 65)) /* mostly more than one message has */
        m->gas_usual = chance(m, 85) ? mr_random_magnitude(&m->random, 400000000, 8000000000)
                                     : mr_random_magnitude(&m->random, 30000000, 400000000);
}

mr_history *mr_history_new(uint64_t seed, const mr_history_wishes *wishes)
{
    maker m = {.history = calloc(1, sizeof(mr_history)), .random = {.state = seed}};
    MR_ASSERT(m.history != NULL);
    make_world(&m, wishes);
    m.history->reference = mr_reference_new(&m.history->options);
    uint64_t blocks = mr_random_range(&m.random, 2, 7);
    if (wishes->blocks_count > 0)
        blocks = wishes->blocks_count;
    make_first_block(&m);
    for (uint64_t i = 1; i < blocks; i++) {
        make_block(&m);
        if (!m.calm && chance(&m, 30))
            make_idle_blocks(&m);
    }
    if (chance(&m, 50))
        drain(&m);
    return m.history;
}

mr_history *mr_history_part(const mr_history *whole, size_t blocks_count, const bool *keep_it)
{
    maker m = {.history = mr_history_begin(&whole->options)};
    size_t n = 0;
    for (size_t b = 0; b < blocks_count; b++) {
        const mr_history_block *block = &whole->blocks[b];
        for (size_t i = 0; i < block->transactions_count; i++) {
            if (keep_it[n++])
                add(&m, block->transactions[i]);
        }
        finish_block(&m, &block->params);
    }
    return m.history;
}

size_t mr_history_count(const mr_history *history, size_t blocks_count)
{
    size_t count = 0;
    for (size_t b = 0; b < blocks_count; b++)
        count += history->blocks[b].transactions_count;
    return count;
}

void mr_history_free(mr_history *history)
{
    if (history == NULL)
        return;
    mr_reference_free(history->reference);
    for (size_t b = 0; b < history->blocks_count; b++)
        free(history->blocks[b].transactions);
    free(history->blocks);
    mr_arena_fini(&history->arena);
    free(history);
}

/* ---- Showing ---- */

static void print_id(const mr_id *id)
{
    printf("%02x%02x%02x%02x", id->bytes[0], id->bytes[1], id->bytes[2], id->bytes[3]);
}

static void print_transaction(const mr_transaction *t, const mr_transaction_result *result)
{
    static const char *const kinds[] = {"upload", "create", "send", "reply", "transfer", "claim"};
    printf("    %s from ", t->kind <= MR_TRANSACTION_CLAIM ? kinds[t->kind] : "?");
    print_id(&t->from);
    printf(" to ");
    print_id(&t->to);
    printf(" gas %llu value %llu", (unsigned long long)t->gas_limit, (unsigned long long)t->value);
    if (t->tip != 0)
        printf(" tip %llu", (unsigned long long)t->tip);
    if (t->kind == MR_TRANSACTION_UPLOAD) {
        printf(" of %zu bytes", t->payload.size);
    } else {
        printf(" payload ");
        for (size_t i = 0; i < t->payload.size; i++)
            printf("%02x", t->payload.data[i]);
    }
    printf(": %s, ", mr_admission_text(result->admission));
    print_id(&result->id);
    printf("\n");
}

void mr_history_print(const mr_history *history)
{
    printf("  accounts %s\n", history->options.accounts ? "on" : "off");
    const mr_schedule usual = mr_schedule_default();
#define PRINT_PRICE(field, value, text)                                                            \
    if (history->options.schedule.field != usual.field)                                            \
        printf("  %s = %llu\n", #field, (unsigned long long)history->options.schedule.field);
    MR_SCHEDULE_MAP(PRINT_PRICE)
#undef PRINT_PRICE
    for (size_t b = 0; b < history->blocks_count; b++) {
        const mr_history_block *block = &history->blocks[b];
        printf("  block %zu: gas limit %llu, %zu transactions, %llu receipts, %llu left\n", b + 1,
               (unsigned long long)block->params.gas_limit, block->transactions_count,
               (unsigned long long)block->expected->info.receipts_count,
               (unsigned long long)block->expected->info.queue_count);
        for (size_t i = 0; i < block->transactions_count; i++)
            print_transaction(&block->transactions[i], &block->expected->transactions[i]);
    }
}
