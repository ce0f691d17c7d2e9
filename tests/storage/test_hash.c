/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: digests are SHA-256 as published, and pairs are what hash.h says.
 * Method: vectors of FIPS 180-4's example document; OpenSSL as oracle. */
#include "support.h"

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "storage/hash_internal.h"

static void assert_hex(mr_hash hash, const char *hex)
{
    char text[65];
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", hash.bytes[i]);
    assert_string_equal(text, hex);
}

static void digests_match_the_published_vectors(void **state)
{
    (void)state;
    assert_hex(mr_hash_bytes(mr_span_text("")),
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hex(mr_hash_bytes(mr_span_text("abc")),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_hex(
        mr_hash_bytes(mr_span_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void spans_hash_like_their_concatenation(void **state)
{
    (void)state;
    mr_span spans[] = {mr_span_text("ab"), {0}, mr_span_text("c")};
    mr_hash joined = mr_hash_spans(spans, 3);
    mr_hash whole = mr_hash_bytes(mr_span_text("abc"));
    assert_true(mr_hash_equal(&joined, &whole));
}

static void fill(uint64_t *random, void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)test_random(random);
}

/* The definition in hash.h, through libcrypto. */
static mr_hash pair_by_definition(uint32_t kind, const mr_hash *left, const mr_hash *right)
{
    uint8_t message[128] = "millrace tree v1";
    message[62] = (uint8_t)(kind >> 8);
    message[63] = (uint8_t)kind;
    memcpy(message + 64, left, 32);
    memcpy(message + 96, right, 32);
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, message, sizeof message);
    mr_hash expected;
    for (size_t i = 0; i < 8; i++)
        mr_store_be32(expected.bytes + 4 * i, context.h[i]);
    return expected;
}

/* The same for R, of up to 300 bytes. */
static mr_hash run_by_definition(const uint8_t *run, size_t size)
{
    uint8_t message[64 + 320] = "millrace run v1";
    mr_store_be64(message + 56, size);
    memcpy(message + 64, run, size);
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, message, 64 + (size + 63) / 64 * 64);
    mr_hash expected;
    for (size_t i = 0; i < 8; i++)
        mr_store_be32(expected.bytes + 4 * i, context.h[i]);
    return expected;
}

static void a_pair_is_the_state_of_sha256_after_its_128_bytes(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    for (uint32_t kind = 0; kind < MR_HASH_KINDS; kind++) {
        mr_hash sides[2];
        fill(&random, sides, sizeof sides);
        mr_hash expected = pair_by_definition(kind, &sides[0], &sides[1]);
        mr_hash pair = mr_hash_pair(kind, &sides[0], &sides[1]);
        assert_memory_equal(pair.bytes, expected.bytes, 32);
    }
}

static void check_ops(const mr_hash_ops *ops)
{
    uint64_t random = test_seed();
    enum { COUNT = 7 };
    for (uint32_t step = 0; step < 300; step++) {
        size_t count = test_below(&random, COUNT + 1);
        mr_hash sides[COUNT + 1];
        mr_hash out[COUNT];
        mr_hash_pair_job jobs[COUNT];
        fill(&random, sides, sizeof sides);
        for (size_t i = 0; i < count; i++)
            jobs[i] = (mr_hash_pair_job){.left = &sides[i],
                                         .right = &sides[i + 1],
                                         .out = &out[i],
                                         .kind = test_below(&random, MR_HASH_KINDS)};
        ops->pairs(jobs, count);
        for (size_t i = 0; i < count; i++) {
            mr_hash expected = pair_by_definition(jobs[i].kind, &sides[i], &sides[i + 1]);
            assert_memory_equal(out[i].bytes, expected.bytes, 32);
        }
    }
    for (size_t size = 0; size <= 300; size++) {
        uint8_t bytes[COUNT][300];
        const uint8_t *runs[COUNT];
        mr_hash digests[COUNT];
        size_t count = 1 + test_below(&random, COUNT);
        fill(&random, bytes, sizeof bytes);
        for (size_t i = 0; i < count; i++)
            runs[i] = bytes[i];
        uint32_t first[8];
        uint8_t block[64] = "millrace run v1";
        mr_store_be64(block + 56, size);
        SHA256_CTX context;
        SHA256_Init(&context);
        SHA256_Transform(&context, block);
        memcpy(first, context.h, sizeof first);
        ops->runs(first, runs, size, digests, count);
        for (size_t i = 0; i < count; i++) {
            mr_hash expected = run_by_definition(bytes[i], size);
            assert_memory_equal(digests[i].bytes, expected.bytes, 32);
        }
    }
}

static void many_at_once_hash_like_one_by_one_with_instructions(void **state)
{
    (void)state;
    if (mr_hash_shani() == NULL)
        skip();
    check_ops(mr_hash_shani());
}

static void many_at_once_hash_like_one_by_one_without_instructions(void **state)
{
    (void)state;
    check_ops(&mr_hash_portable);
}

static void runs_of_any_length_have_the_digest_of_the_definition(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    for (size_t size = 0; size <= 300; size++) {
        uint8_t bytes[300];
        fill(&random, bytes, sizeof bytes);
        const uint8_t *run = bytes;
        mr_hash digest;
        mr_hash_runs(&run, size, &digest, 1);
        mr_hash expected = run_by_definition(bytes, size);
        assert_memory_equal(digest.bytes, expected.bytes, 32);
    }
}

static void a_pair_may_be_written_over_its_own_side(void **state)
{
    (void)state;
    mr_hash sides[2] = {{{1}}, {{2}}};
    mr_hash expected = pair_by_definition(5, &sides[0], &sides[1]);
    mr_hash_pair_job job = {.left = &sides[0], .right = &sides[1], .out = &sides[1], .kind = 5};
    mr_hash_pairs(&job, 1);
    assert_memory_equal(sides[1].bytes, expected.bytes, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_match_the_published_vectors),
        cmocka_unit_test(spans_hash_like_their_concatenation),
        cmocka_unit_test(a_pair_is_the_state_of_sha256_after_its_128_bytes),
        cmocka_unit_test(many_at_once_hash_like_one_by_one_with_instructions),
        cmocka_unit_test(many_at_once_hash_like_one_by_one_without_instructions),
        cmocka_unit_test(runs_of_any_length_have_the_digest_of_the_definition),
        cmocka_unit_test(a_pair_may_be_written_over_its_own_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
