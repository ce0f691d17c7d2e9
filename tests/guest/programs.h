/* SPDX-License-Identifier: Apache-2.0 */
/* programs: what the tests of example programs share. Included behind the program's source. */
#ifndef MR_TESTS_GUEST_PROGRAMS_H
#define MR_TESTS_GUEST_PROGRAMS_H

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/guest/host.h"

static inline host_outcome send_bytes(void (*entry)(void), gear_id source, const void *payload,
                                      size_t size)
{
    host_message handled = {.source = source, .payload = payload, .size = (uint32_t)size};
    return host_run(entry, &handled);
}

#define assert_runs(entry, source, payload, size)                                                  \
    assert_int_equal(send_bytes(entry, source, payload, size), HOST_OK)

#define assert_panics(entry, source, payload, size, text)                                          \
    do {                                                                                           \
        assert_int_equal(send_bytes(entry, source, payload, size), HOST_PANIC);                    \
        assert_string_equal(host_text, text);                                                      \
    } while (0)

#define assert_bytes(bytes, expected, expected_size)                                               \
    do {                                                                                           \
        assert_int_equal((bytes).size, expected_size);                                             \
        assert_memory_equal((bytes).data, expected, expected_size);                                \
    } while (0)

#endif
