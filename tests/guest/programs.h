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

#define assert_waits(entry, source, payload, size)                                                 \
    assert_int_equal(send_bytes(entry, source, payload, size), HOST_WAITING)

/* How the message that was woken first ended; fails when none was. */
static inline host_outcome run_woken(void)
{
    host_outcome outcome = HOST_OK;
    assert_true(host_run_woken(&outcome));
    return outcome;
}

#define assert_nobody_is_woken()                                                                   \
    do {                                                                                           \
        host_outcome outcome_;                                                                     \
        assert_false(host_run_woken(&outcome_));                                                   \
    } while (0)

/* Handles a reply with the code GEAR_CODE_... to a message the program sent. */
static inline host_outcome reply_bytes(void (*entry)(void), gear_id answered, uint32_t how,
                                       const void *payload, size_t size)
{
    const host_message reply = {
        .payload = payload,
        .size = (uint32_t)size,
        .is_reply = true,
        .reply_to = answered,
        .code = {(uint8_t)(how >> 24), (uint8_t)(how >> 16), (uint8_t)(how >> 8), (uint8_t)how},
    };
    return host_run(entry, &reply);
}

static inline host_outcome signal_failure(void (*entry)(void), gear_id failed, uint32_t how)
{
    const host_message signal = {.is_signal = true, .signal_from = failed, .signal_code = how};
    return host_run(entry, &signal);
}

#define assert_ids_equal(a, b)                                                                     \
    do {                                                                                           \
        const gear_id a_ = (a), b_ = (b);                                                          \
        assert_memory_equal(&a_, &b_, sizeof a_);                                                  \
    } while (0)

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
