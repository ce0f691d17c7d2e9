/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: ids are those of Gear's protocol, and many at once are the same as one by one.
 * Method: against libsodium's one-shot hash over bytes spelled out here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>

#include "engine/blake2b.h"
#include "engine/id.h"

static mr_id by_libsodium(const uint8_t *bytes, size_t size)
{
    mr_id id;
    assert_int_equal(crypto_generichash(id.bytes, sizeof id.bytes, bytes, size, NULL, 0), 0);
    return id;
}

static void fill(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 131 + i / 7);
}

static void lanes_hash_as_one_message_does(void **state)
{
    (void)state;
    uint8_t bytes[MR_BLAKE2B_LANES][MR_BLAKE2B_SHORT_MAX];
    fill((uint8_t *)bytes, sizeof bytes);
    for (size_t size = 0; size <= MR_BLAKE2B_SHORT_MAX; size++) {
        const uint8_t *messages[MR_BLAKE2B_LANES];
        size_t sizes[MR_BLAKE2B_LANES];
        mr_id digests[MR_BLAKE2B_LANES], *out[MR_BLAKE2B_LANES];
        for (size_t i = 0; i < MR_BLAKE2B_LANES; i++) {
            messages[i] = bytes[i];
            sizes[i] = (size + i * 17) % (MR_BLAKE2B_SHORT_MAX + 1);
            out[i] = &digests[i];
        }
        mr_blake2b_lanes(messages, sizes, out);
        for (size_t i = 0; i < MR_BLAKE2B_LANES; i++) {
            const mr_id expected = by_libsodium(bytes[i], sizes[i]);
            assert_memory_equal(&digests[i], &expected, sizeof expected);
        }
    }
}

static void short_messages_hash_as_by_libsodium(void **state)
{
    (void)state;
    uint8_t bytes[MR_BLAKE2B_SHORT_MAX + 40];
    fill(bytes, sizeof bytes);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        const mr_id expected = by_libsodium(bytes, size);
        const mr_span halves[] = {mr_span_of(bytes, size / 3),
                                  mr_span_of(bytes + size / 3, size - size / 3)};
        const mr_id whole = mr_id_blake2b(halves, 2); /* long ones, too */
        assert_memory_equal(&whole, &expected, sizeof expected);
        if (size > MR_BLAKE2B_SHORT_MAX)
            continue;
        mr_id id;
        mr_blake2b_short(bytes, size, &id);
        assert_memory_equal(&id, &expected, sizeof expected);
    }
}

static void a_known_digest_comes_out(void **state)
{
    (void)state;
    /* BLAKE2b-256 of "abc", as b2sum -l 256 prints it. */
    static const uint8_t known[32] = {0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72,
                                      0x31, 0x71, 0xef, 0x3f, 0xee, 0x98, 0x57, 0x9b,
                                      0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb, 0x3e, 0x42,
                                      0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19};
    const mr_span span = mr_span_text("abc");
    const mr_id id = mr_id_blake2b(&span, 1);
    assert_memory_equal(id.bytes, known, sizeof known);
}

static void many_user_messages_have_the_ids_of_each(void **state)
{
    (void)state;
    mr_id users[MR_IDS_AT_ONCE], ids[MR_IDS_AT_ONCE];
    const mr_id *froms[MR_IDS_AT_ONCE];
    mr_id *outs[MR_IDS_AT_ONCE];
    for (size_t i = 0; i < MR_IDS_AT_ONCE; i++) {
        memset(&users[i], (int)i + 1, sizeof users[i]);
        froms[i] = &users[i];
        outs[i] = &ids[i];
    }
    mr_id_of_user_messages(77, froms, 1000, outs);
    for (size_t i = 0; i < MR_IDS_AT_ONCE; i++) {
        const mr_id expected = mr_id_of_user_message(77, &users[i], 1000 + i);
        assert_memory_equal(&ids[i], &expected, sizeof expected);
    }
}

static void ids_made_together_are_those_made_alone(void **state)
{
    (void)state;
    enum { MOST = 2 * MR_IDS_AT_ONCE + 3 };
    mr_id messages[MOST], ids[MOST];
    mr_id_wish wishes[MOST];
    fill((uint8_t *)messages, sizeof messages);
    for (uint32_t i = 0; i < MOST; i++)
        wishes[i] =
            (mr_id_wish){.message = &messages[i], .out = &ids[i], .nonce = i * 1000, .kind = i % 3};
    for (size_t count = 1; count <= MOST; count++) {
        memset(ids, 0, sizeof ids);
        mr_id_make(wishes, count);
        for (size_t i = 0; i < count; i++) {
            const mr_id expected = wishes[i].kind == MR_ID_REPLY ? mr_id_of_reply(&messages[i])
                                   : wishes[i].kind == MR_ID_SIGNAL
                                       ? mr_id_of_signal(&messages[i])
                                       : mr_id_of_outgoing(&messages[i], wishes[i].nonce);
            assert_memory_equal(&ids[i], &expected, sizeof expected);
        }
    }
    uint8_t bytes[8 + 32 + 4] = "outgoing";
    memcpy(bytes + 8, &messages[2], 32);
    mr_store_le32(bytes + 40, 2000);
    const mr_id expected = by_libsodium(bytes, sizeof bytes);
    assert_memory_equal(&ids[2], &expected, sizeof expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_hash_as_one_message_does),
        cmocka_unit_test(short_messages_hash_as_by_libsodium),
        cmocka_unit_test(ids_made_together_are_those_made_alone),
        cmocka_unit_test(a_known_digest_comes_out),
        cmocka_unit_test(many_user_messages_have_the_ids_of_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
