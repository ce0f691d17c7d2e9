/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the store gives back every record as it was put in, over many blocks of records. */
#include "tools/guest/examples/store.c"

#include <stdlib.h>

#include "tests/guest/programs.h"

enum { RECORDS = 3000 };

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(blocks);
    HOST_STATE(records_count);
    return 0;
}

/* Record i: i % 97 bytes, each of them i. Returns the message's size. */
static uint32_t message_of(uint32_t i, uint8_t *bytes)
{
    bytes[0] = APPEND;
    memset(bytes + 1, (int)(i & 0xff), i % 97);
    return 1 + i % 97;
}

static void records_are_read_back_by_index(void **state_)
{
    (void)state_;
    uint8_t bytes[128];
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint32_t size = message_of(i, bytes);
        assert_runs(handle, host_id(i), bytes, size);
        assert_bytes(host_reply, &i, 4);
    }
    bytes[0] = COUNT;
    assert_runs(handle, host_id(0), bytes, 1);
    assert_bytes(host_reply, &(uint32_t){RECORDS}, 4);
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint8_t question[5] = {READ};
        memcpy(question + 1, &i, 4);
        assert_runs(handle, host_id(0), question, 5);
        const uint32_t size = message_of(i, bytes);
        assert_int_equal(host_reply.size, size - 1);
        if (size > 1)
            assert_memory_equal(host_reply.data, bytes + 1, size - 1);
    }
    uint8_t question[5] = {READ};
    memcpy(question + 1, &(uint32_t){RECORDS}, 4);
    assert_panics(handle, host_id(0), question, 5, "store: no such record");
}

static void the_largest_record_fits_and_one_byte_more_does_not(void **state_)
{
    (void)state_;
    uint8_t *bytes = calloc(1, RECORD_BYTES_MAX + 2);
    assert_non_null(bytes);
    memset(bytes + 1, 0xab, RECORD_BYTES_MAX);
    assert_panics(handle, host_id(0), bytes, RECORD_BYTES_MAX + 2, "store: malformed message");
    assert_runs(handle, host_id(0), bytes, RECORD_BYTES_MAX + 1);
    assert_runs(handle, host_id(0), ((const uint8_t[]){READ, 0, 0, 0, 0}), 5);
    assert_bytes(host_reply, bytes + 1, RECORD_BYTES_MAX);
    free(bytes);
}

static void malformed_messages_panic(void **state_)
{
    (void)state_;
    assert_panics(handle, host_id(0), "", 0, "store: malformed message");
    assert_panics(handle, host_id(0), "\3", 1, "store: malformed message");
    assert_panics(handle, host_id(0), "\1\0\0\0", 4, "store: malformed message");
    assert_panics(handle, host_id(0), "\2\0", 2, "store: malformed message");
    assert_panics(handle, host_id(0), "\1\0\0\0\0", 5, "store: no such record");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(records_are_read_back_by_index, setup),
        cmocka_unit_test_setup(the_largest_record_fits_and_one_byte_more_does_not, setup),
        cmocka_unit_test_setup(malformed_messages_panic, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
