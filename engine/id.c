/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/id.h"

#include <sodium.h>
#include <sys/auxv.h>

#include "base/assert.h"
#include "engine/blake2b.h"

static_assert((int)MR_IDS_AT_ONCE == (int)MR_BLAKE2B_LANES, "ids are made a vector at a time");

uint64_t mr_id_salt[4];

/* The kernel gives every process 16 random bytes; using them costs no call that can fail. */
__attribute__((constructor)) static void choose_salt(void)
{
    const void *random = (const void *)getauxval(AT_RANDOM);
    uint8_t seed[16] = {0};
    if (random != NULL)
        memcpy(seed, random, sizeof seed);
    (void)crypto_generichash((uint8_t *)mr_id_salt, sizeof mr_id_salt, seed, sizeof seed,
                             (const uint8_t *)"millrace buckets", 16);
}

static mr_id blake2b_long(const mr_span *spans, size_t count)
{
    mr_id id;
    crypto_generichash_state state;
    int failed = crypto_generichash_init(&state, NULL, 0, sizeof id.bytes);
    for (size_t i = 0; i < count; i++)
        failed |= crypto_generichash_update(&state, spans[i].data, spans[i].size);
    failed |= crypto_generichash_final(&state, id.bytes, sizeof id.bytes);
    MR_ASSERT(failed == 0);
    return id;
}

mr_id mr_id_blake2b(const mr_span *spans, size_t count)
{
    uint8_t bytes[MR_BLAKE2B_SHORT_MAX];
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (spans[i].size > sizeof bytes - size)
            return blake2b_long(spans, count);
        if (spans[i].size > 0)
            memcpy(bytes + size, spans[i].data, spans[i].size);
        size += spans[i].size;
    }
    mr_id id;
    mr_blake2b_short(bytes, size, &id);
    return id;
}

mr_id mr_id_of_code(mr_span module)
{
    return mr_id_blake2b(&module, 1);
}

mr_id mr_id_of_program(const mr_id *code, mr_span salt)
{
    const mr_span spans[] = {mr_span_text("program_from_user"), mr_id_span(code), salt};
    return mr_id_blake2b(spans, 3);
}

mr_id mr_id_of_name(const char *name)
{
    const mr_span spans[] = {mr_span_text("millrace account "), mr_span_text(name)};
    return mr_id_blake2b(spans, 2);
}

enum { USER_MESSAGE_BYTES = 8 + 4 + 32 + 16 };

static void fill_user_message(uint32_t height, const mr_id *user, uint64_t nonce,
                              uint8_t bytes[USER_MESSAGE_BYTES])
{
    memcpy(bytes, "external", 8);
    mr_store_le32(bytes + 8, height);
    memcpy(bytes + 12, user->bytes, 32);
    mr_store_le64(bytes + 44, nonce);
    mr_store_le64(bytes + 52, 0);
}

void mr_id_of_user_messages(uint32_t height, const mr_id *const users[MR_IDS_AT_ONCE],
                            uint64_t first_nonce, mr_id *const out[MR_IDS_AT_ONCE])
{
    uint8_t bytes[MR_IDS_AT_ONCE][USER_MESSAGE_BYTES];
    const uint8_t *messages[MR_IDS_AT_ONCE];
    size_t sizes[MR_IDS_AT_ONCE];
    for (size_t i = 0; i < MR_IDS_AT_ONCE; i++) {
        fill_user_message(height, users[i], first_nonce + i, bytes[i]);
        messages[i] = bytes[i];
        sizes[i] = USER_MESSAGE_BYTES;
    }
    mr_blake2b_lanes(messages, sizes, out);
}

mr_id mr_id_of_user_message(uint32_t height, const mr_id *user, uint64_t nonce)
{
    uint8_t bytes[USER_MESSAGE_BYTES];
    mr_id id;
    fill_user_message(height, user, nonce, bytes);
    mr_blake2b_short(bytes, sizeof bytes, &id);
    return id;
}

enum { DERIVED_BYTES_MAX = 8 + 32 + 4 };

/* What the id is the digest of: a prefix, the message's id and, of what it sends, a number. */
static size_t fill_derived(const mr_id_wish *wish, uint8_t bytes[DERIVED_BYTES_MAX])
{
    static const char prefixes[][9] = {
        [MR_ID_REPLY] = "reply", [MR_ID_SIGNAL] = "signal", [MR_ID_OUTGOING] = "outgoing"};
    const char *prefix = prefixes[wish->kind];
    const size_t size = strlen(prefix);
    memcpy(bytes, prefix, size);
    memcpy(bytes + size, wish->message->bytes, 32);
    if (wish->kind != MR_ID_OUTGOING)
        return size + 32;
    mr_store_le32(bytes + size + 32, wish->nonce);
    return size + 36;
}

static void make_lanes(const mr_id_wish *wishes, size_t count)
{
    uint8_t bytes[MR_IDS_AT_ONCE][DERIVED_BYTES_MAX];
    const uint8_t *messages[MR_IDS_AT_ONCE];
    size_t sizes[MR_IDS_AT_ONCE];
    mr_id *out[MR_IDS_AT_ONCE];
    mr_id unused;
    for (size_t i = 0; i < MR_IDS_AT_ONCE; i++) {
        messages[i] = bytes[i];
        sizes[i] = i < count ? fill_derived(&wishes[i], bytes[i]) : 0;
        out[i] = i < count ? wishes[i].out : &unused;
    }
    mr_blake2b_lanes(messages, sizes, out);
}

void mr_id_make(const mr_id_wish *wishes, size_t count)
{
    for (; count >= MR_IDS_WORTH_LANES; wishes += MR_IDS_AT_ONCE) {
        const size_t now = count < MR_IDS_AT_ONCE ? count : MR_IDS_AT_ONCE;
        make_lanes(wishes, now);
        count -= now;
    }
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[DERIVED_BYTES_MAX];
        const size_t size = fill_derived(&wishes[i], bytes);
        mr_blake2b_short(bytes, size, wishes[i].out);
    }
}

static mr_id make_one(mr_id_kind kind, const mr_id *message, uint32_t nonce)
{
    mr_id id;
    mr_id_make(&(mr_id_wish){.kind = kind, .message = message, .nonce = nonce, .out = &id}, 1);
    return id;
}

mr_id mr_id_of_outgoing(const mr_id *origin, uint32_t nonce)
{
    return make_one(MR_ID_OUTGOING, origin, nonce);
}

mr_id mr_id_of_reply(const mr_id *origin)
{
    return make_one(MR_ID_REPLY, origin, 0);
}

mr_id mr_id_of_signal(const mr_id *origin)
{
    return make_one(MR_ID_SIGNAL, origin, 0);
}

mr_id mr_id_of_reservation(const mr_id *origin, uint64_t nonce)
{
    uint8_t number[8];
    mr_store_le64(number, nonce);
    const mr_span spans[] = {mr_span_text("reservation"), mr_id_span(origin),
                             mr_span_of(number, sizeof number)};
    return mr_id_blake2b(spans, 3);
}

mr_id mr_id_of_child(const mr_id *origin, const mr_id *code, mr_span salt)
{
    const mr_span spans[] = {mr_span_text("program_from_wasm"), mr_id_span(origin),
                             mr_id_span(code), salt};
    return mr_id_blake2b(spans, 4);
}

const mr_id mr_id_system = {{
    'g', 'e', 'a', 'r', 'g', 'e', 'a', 'r', 'g', 'e', 'a', 'r', 'g', 'e', 'a', 'r',
    'g', 'e', 'a', 'r', 'g', 'e', 'a', 'r', 'g', 'e', 'a', 'r', 'g', 'e', 'a', 'r',
}};
