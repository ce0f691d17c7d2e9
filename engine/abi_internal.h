/* SPDX-License-Identifier: Apache-2.0 */
/* abi_internal: what the files of host functions share: charging, pointers, results, endings. */
#ifndef MR_ENGINE_ABI_INTERNAL_H
#define MR_ENGINE_ABI_INTERNAL_H

#include "engine/abi.h"

enum { MR_POINTER_NONE = UINT32_MAX /* a value pointer that stands for value 0 */ };

/* X(name, type, function): every import, with its host function. */
#define MR_ABI_MAP(X)                                                                              \
    X(alloc, "i:i")                                                                                \
    X(free, "i:i")                                                                                 \
    X(free_range, "ii:i")                                                                          \
    X(gr_read, "iiii:")                                                                            \
    X(gr_size, "i:")                                                                               \
    X(gr_source, "i:")                                                                             \
    X(gr_value, "i:")                                                                              \
    X(gr_message_id, "i:")                                                                         \
    X(gr_program_id, "i:")                                                                         \
    X(gr_reply_to, "i:")                                                                           \
    X(gr_reply_code, "i:")                                                                         \
    X(gr_block_height, "i:")                                                                       \
    X(gr_block_timestamp, "i:")                                                                    \
    X(gr_gas_available, "i:")                                                                      \
    X(gr_value_available, "i:")                                                                    \
    X(gr_env_vars, "ii:")                                                                          \
    X(gr_random, "ii:")                                                                            \
    X(gr_signal_from, "i:")                                                                        \
    X(gr_signal_code, "i:")                                                                        \
    X(gr_send, "iiiii:")                                                                           \
    X(gr_send_wgas, "iiilii:")                                                                     \
    X(gr_send_init, "i:")                                                                          \
    X(gr_send_push, "iiii:")                                                                       \
    X(gr_send_push_input, "iiii:")                                                                 \
    X(gr_send_commit, "iiii:")                                                                     \
    X(gr_send_commit_wgas, "iilii:")                                                               \
    X(gr_send_input, "iiiii:")                                                                     \
    X(gr_send_input_wgas, "iiilii:")                                                               \
    X(gr_reservation_send, "iiiii:")                                                               \
    X(gr_reservation_send_commit, "iiii:")                                                         \
    X(gr_create_program, "iiiiiii:")                                                               \
    X(gr_create_program_wgas, "iiiiilii:")                                                         \
    X(gr_reply, "iiii:")                                                                           \
    X(gr_reply_wgas, "iilii:")                                                                     \
    X(gr_reply_push, "iii:")                                                                       \
    X(gr_reply_push_input, "iii:")                                                                 \
    X(gr_reply_commit, "ii:")                                                                      \
    X(gr_reply_commit_wgas, "lii:")                                                                \
    X(gr_reply_input, "iiii:")                                                                     \
    X(gr_reply_input_wgas, "iilii:")                                                               \
    X(gr_reservation_reply, "iiii:")                                                               \
    X(gr_reservation_reply_commit, "ii:")                                                          \
    X(gr_reply_deposit, "ili:")                                                                    \
    X(gr_wait, ":")                                                                                \
    X(gr_wait_for, "i:")                                                                           \
    X(gr_wait_up_to, "i:")                                                                         \
    X(gr_wake, "iii:")                                                                             \
    X(gr_reserve_gas, "lii:")                                                                      \
    X(gr_unreserve_gas, "ii:")                                                                     \
    X(gr_system_reserve_gas, "li:")                                                                \
    X(gr_debug, "ii:")                                                                             \
    X(gr_panic, "ii:")                                                                             \
    X(gr_oom_panic, ":")                                                                           \
    X(gr_leave, ":")                                                                               \
    X(gr_exit, "i:")

#define MR_ABI_DECLARE(name, type)                                                                 \
    mr_host_action mr_abi_##name(void *context, mr_run *run, const uint64_t *args,                 \
                                 uint64_t *result);
MR_ABI_MAP(MR_ABI_DECLARE)
#undef MR_ABI_DECLARE

/* Opens a host function: `execution` and `schedule` in scope, unused parameters silenced. */
#define MR_ABI_FUNCTION(name)                                                                      \
    mr_host_action mr_abi_##name([[maybe_unused]] void *context, [[maybe_unused]] mr_run *run,     \
                                 [[maybe_unused]] const uint64_t *args,                            \
                                 [[maybe_unused]] uint64_t *result)

static inline mr_execution *mr_abi_execution(void *context)
{
    return (mr_execution *)context;
}

static inline const mr_schedule *mr_abi_schedule(const mr_execution *execution)
{
    return execution->environment->schedule;
}

/* Borrows memory as mr_run_bytes does, but nothing is inside wherever the pointer points. */
static inline const uint8_t *mr_abi_bytes(const mr_run *run, uint64_t address, uint32_t size)
{
    return mr_run_bytes(run, size == 0 ? 0 : (uint32_t)address, size);
}

/* Takes price * count, saturating: what cannot be paid is out of gas either way. */
static inline bool mr_abi_charge(mr_run *run, uint64_t base, uint64_t price, uint64_t count)
{
    uint64_t amount;
    if (__builtin_mul_overflow(price, count, &amount) ||
        __builtin_add_overflow(amount, base, &amount))
        amount = UINT64_MAX;
    return mr_run_charge(run, amount);
}

static inline mr_host_action mr_abi_stop(mr_execution *execution, mr_ending ending)
{
    execution->ending = ending;
    return MR_HOST_STOP;
}

/* Ends the call with a trap that says why; `text` is static. */
static inline mr_host_action mr_abi_trap(mr_execution *execution, const char *text)
{
    execution->text = mr_span_text(text);
    return mr_abi_stop(execution, MR_ENDING_FORBIDDEN);
}

static inline mr_host_action mr_abi_machine_failure(mr_execution *execution, mr_status status)
{
    execution->failure = status;
    return mr_abi_stop(execution, MR_ENDING_FORBIDDEN);
}

/* Writes the result of an infallible function: a bad pointer is a trap. */
static inline mr_host_action mr_abi_give(mr_execution *execution, mr_run *run, uint64_t address,
                                         const void *bytes, uint32_t size)
{
    if (!mr_run_write(run, (uint32_t)address, bytes, size))
        return mr_abi_trap(execution, "a host function was given a bad pointer for its result");
    return MR_HOST_CONTINUE;
}

enum { MR_ABI_RESULT_MAX = 68 };

/* Writes the result of a fallible function: a u32 code, then `size` bytes, zero when it failed. */
static inline mr_host_action mr_abi_answer(mr_execution *execution, mr_run *run, uint64_t address,
                                           uint32_t code, const void *bytes, uint32_t size)
{
    uint8_t answer[MR_ABI_RESULT_MAX] = {0};
    mr_store_le32(answer, code);
    if (code == MR_ABI_OK && size > 0)
        memcpy(answer + 4, bytes, size);
    return mr_abi_give(execution, run, address, answer, 4 + size);
}

/* Whether a fallible function can answer at all; checked before anything else happens. */
static inline bool mr_abi_answerable(mr_run *run, uint64_t address, uint32_t size)
{
    return mr_run_bytes(run, (uint32_t)address, 4 + size) != NULL;
}

static inline mr_host_action mr_abi_unanswerable(mr_execution *execution)
{
    return mr_abi_trap(execution, "a host function was given a bad pointer for its error");
}

/* Entries that read (state, metahash) may change nothing. */
static inline bool mr_abi_only_reads(const mr_execution *execution)
{
    return execution->query;
}
#define MR_ABI_ONLY_READS "an entry that only reads called a host function that changes something"

/* A signal has no sender, and cannot be answered. */
static inline bool mr_abi_in_signal(const mr_execution *execution)
{
    return execution->message->kind == MR_KIND_SIGNAL;
}
#define MR_ABI_IN_SIGNAL "a host function was called that handle_signal may not call"

/* The rent of `blocks` blocks, saturating. */
static inline uint64_t mr_abi_rent(const mr_execution *execution, uint32_t blocks)
{
    uint64_t rent;
    return __builtin_mul_overflow(mr_abi_schedule(execution)->rent, blocks, &rent) ? UINT64_MAX
                                                                                   : rent;
}

/* The gas left that can be given away, reserved or set aside: the payer's own. */
static inline uint64_t mr_abi_own_gas(const mr_execution *execution, const mr_run *run)
{
    const uint64_t left = mr_run_gas(run);
    return left > execution->foreign ? left - execution->foreign : 0;
}

/* Makes room for one more element of `size` bytes. False when the machine has no memory. */
bool mr_abi_reserve(void **array, uint32_t *capacity, uint32_t count, size_t size);

/* The rare part of a draft, made when there is none. NULL when the machine has no memory. */
mr_draft_extra *mr_abi_draft_extra(mr_execution *execution, mr_draft *draft);

/* abi_reserve.c: the reservation `id` that may be used or ended, in the dispatch's own copy, or
 * NULL. Sets execution->failure when the machine has no memory. */
mr_reservation *mr_abi_reservation(mr_execution *execution, const uint8_t *id);

/* Adds bytes to a draft. False when the machine has no memory. */
bool mr_abi_draft_append(mr_execution *execution, mr_draft *draft, const uint8_t *bytes,
                         uint32_t size);

/* ---- abi_send.c, for all that send ---- */

/* Makes an empty draft and yields its handle. MR_ABI_OK or a code; sets execution->failure when the
 * machine has no memory. */
uint32_t mr_abi_open_draft(mr_execution *execution, uint32_t *handle);

/* Whether `size` more bytes fit the dispatch's total and the message. */
uint32_t mr_abi_check_growth(const mr_execution *execution, const mr_draft *draft, uint32_t size);

/* Whether the payer's gas is `gas` at least (else NOT_ENOUGH_GAS) and the rent of `delay`
 * (NO_GAS_FOR_DELAY).
 */
uint32_t mr_abi_check_gas(const mr_execution *execution, const mr_run *run, uint64_t gas,
                          uint32_t delay);

/* Commits a draft that is complete but for its gas: takes that and the rent of `delay` from the
 * counter, which has them, and its value. False, and execution->failure set, when the machine has
 * no memory. */
bool mr_abi_commit_draft(mr_execution *execution, mr_run *run, mr_draft *draft, uint64_t gas,
                         uint32_t delay);

/* MR_ABI_OK, or the code for a bad range of the incoming payload. */
uint32_t mr_abi_input_range(const mr_execution *execution, uint32_t offset, uint32_t size);

/* Whether the 32 bytes are the address that nobody may send to. */
bool mr_abi_is_system(const uint8_t *id);
#define MR_ABI_TO_SYSTEM "a message was sent to the forbidden system address"

/* Reads the value of a reply. False when the pointer is bad. */
bool mr_abi_reply_value(mr_run *run, uint32_t address, mr_value *out);

static inline mr_value mr_abi_load_value(const uint8_t *bytes)
{
    return (mr_value)mr_load_le64(bytes) | (mr_value)mr_load_le64(bytes + 8) << 64;
}

#endif
