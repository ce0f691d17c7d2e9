/* SPDX-License-Identifier: Apache-2.0 */
/* gear: everything a program in C needs to live on Millrace. One header, no library.
 *
 *     #include "gear.h"
 *
 *     static uint64_t visits;            a static variable is the program's state
 *
 *     GEAR_HANDLE                        runs once for every message
 *     {
 *         visits++;
 *         gear_reply(&visits, sizeof visits);
 *     }
 *
 *     clang --target=wasm32 -mcpu=mvp -O2 -ffreestanding -nostdlib -o visits.wasm visits.c \
 *           -Wl,--no-entry,--import-memory,--stack-first,-z,stack-size=65536 \
 *           -Wl,--export=__gear_stack_end
 *
 * The file has two halves. The raw functions `gr_...`, `alloc`, `free` and `free_range` are the
 * Gear program ABI as the engine serves it. The helpers `gear_...` stand above them: they return
 * values instead of filling structures, and those that can fail but have no `try` in their name
 * panic when they do. A panic undoes the whole dispatch, so a program that ignores errors in this
 * way is never left with half a change.
 *
 * Costs: every instruction is charged. "A host call" below means the price of entering the host;
 * "by the byte" that each byte copied into or out of the program's memory is charged beside it.
 *
 * C11, 32-bit WebAssembly 1.0: no floating point, no memory.grow. A program may consist of several
 * files; each includes this header first. On other targets than WebAssembly the raw functions are
 * plain external ones, so that a test can supply them and run a program natively. */
#ifndef GEAR_H
#define GEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#error "gear.h is for C"
#endif

#ifdef __wasm__
#define GEAR_IMPORT(name) __attribute__((import_module("env"), import_name(name)))
#define GEAR_EXPORT(name) __attribute__((export_name(name), used))
#else
#include <string.h>
#define GEAR_IMPORT(name)
#define GEAR_EXPORT(name)
#endif

/* ---- Entry points: write `GEAR_HANDLE { ... }` ----
 *
 * GEAR_INIT runs once, for the message that creates the program; if it fails there is no program.
 * GEAR_HANDLE runs for every message from a user or a program. GEAR_REPLY runs for every reply to
 * a message the program sent, automatic replies included; it cannot reply. GEAR_SIGNAL tells the
 * program that one of its messages failed, if that message had reserved gas for it
 * (gr_system_reserve_gas); there is nobody to reply to.
 * GEAR_STATE and GEAR_METAHASH answer questions about the program from outside of any block: they
 * read a payload and reply, and may change nothing.
 * A program has at least one of GEAR_INIT and GEAR_HANDLE. A message whose entry is left out
 * succeeds and changes nothing. */
#define GEAR_INIT     GEAR_EXPORT("init") void init(void)
#define GEAR_HANDLE   GEAR_EXPORT("handle") void handle(void)
#define GEAR_REPLY    GEAR_EXPORT("handle_reply") void handle_reply(void)
#define GEAR_SIGNAL   GEAR_EXPORT("handle_signal") void handle_signal(void)
#define GEAR_STATE    GEAR_EXPORT("state") void state(void)
#define GEAR_METAHASH GEAR_EXPORT("metahash") void metahash(void)

/* ---- Layouts: little endian, without padding ---- */

#define GEAR_PACKED __attribute__((packed))

/* An account, program, message or code. */
typedef struct gear_id {
    uint8_t bytes[32];
} gear_id;

/* An amount of value. Sums and comparisons work; products and quotients would need functions of a
 * compiler's run-time library, which is not there. */
__extension__ typedef unsigned __int128 gear_value;

typedef struct gr_hash_with_value {
    gear_id id;
    gear_value value;
} gr_hash_with_value;

typedef struct gr_two_hashes {
    gear_id first;
    gear_id second;
} gr_two_hashes;

typedef struct gr_two_hashes_with_value {
    gear_id reservation; /* what it is sent from */
    gear_id id;          /* where it goes */
    gear_value value;
} gr_two_hashes_with_value;

typedef struct gr_block_number_with_hash {
    uint32_t block;
    gear_id hash;
} gr_block_number_with_hash;

typedef struct gr_error_with_handle {
    uint32_t error;
    uint32_t handle;
} gr_error_with_handle;

typedef struct gr_error_with_reply_code {
    uint32_t error;
    uint8_t code[4];
} gr_error_with_reply_code;

typedef struct gr_error_with_signal_code {
    uint32_t error;
    uint32_t code;
} gr_error_with_signal_code;

typedef struct GEAR_PACKED gr_error_with_gas {
    uint32_t error;
    uint64_t gas;
} gr_error_with_gas;

typedef struct gr_error_with_hash {
    uint32_t error;
    gear_id id;
} gr_error_with_hash;

typedef struct gr_error_with_two_hashes {
    uint32_t error;
    gear_id message; /* the init message */
    gear_id program; /* the new program */
} gr_error_with_two_hashes;

typedef struct GEAR_PACKED gr_env {
    uint32_t performance_percent;   /* multiplier of gas prices */
    gear_value existential_deposit; /* least balance of an account that exists */
    uint64_t mailbox_threshold;     /* least gas limit, other than 0, of a message sent */
    uint64_t gas_per_value;
    gear_value value_per_gas;
} gr_env;

_Static_assert(sizeof(gear_id) == 32 && _Alignof(gear_id) == 1, "layout");
_Static_assert(sizeof(gear_value) == 16, "layout");
_Static_assert(sizeof(gr_hash_with_value) == 48, "layout");
_Static_assert(offsetof(gr_hash_with_value, value) == 32, "layout");
_Static_assert(sizeof(gr_two_hashes) == 64, "layout");
_Static_assert(offsetof(gr_two_hashes, second) == 32, "layout");
_Static_assert(sizeof(gr_two_hashes_with_value) == 80, "layout");
_Static_assert(offsetof(gr_two_hashes_with_value, id) == 32, "layout");
_Static_assert(offsetof(gr_two_hashes_with_value, value) == 64, "layout");
_Static_assert(sizeof(gr_block_number_with_hash) == 36, "layout");
_Static_assert(offsetof(gr_block_number_with_hash, hash) == 4, "layout");
_Static_assert(sizeof(gr_error_with_handle) == 8, "layout");
_Static_assert(offsetof(gr_error_with_handle, handle) == 4, "layout");
_Static_assert(sizeof(gr_error_with_reply_code) == 8, "layout");
_Static_assert(offsetof(gr_error_with_reply_code, code) == 4, "layout");
_Static_assert(sizeof(gr_error_with_signal_code) == 8, "layout");
_Static_assert(offsetof(gr_error_with_signal_code, code) == 4, "layout");
_Static_assert(sizeof(gr_error_with_gas) == 12, "layout");
_Static_assert(offsetof(gr_error_with_gas, gas) == 4, "layout");
_Static_assert(sizeof(gr_error_with_hash) == 36, "layout");
_Static_assert(offsetof(gr_error_with_hash, id) == 4, "layout");
_Static_assert(sizeof(gr_error_with_two_hashes) == 68, "layout");
_Static_assert(offsetof(gr_error_with_two_hashes, message) == 4, "layout");
_Static_assert(offsetof(gr_error_with_two_hashes, program) == 36, "layout");
_Static_assert(sizeof(gr_env) == 52, "layout");
_Static_assert(offsetof(gr_env, existential_deposit) == 4, "layout");
_Static_assert(offsetof(gr_env, mailbox_threshold) == 20, "layout");
_Static_assert(offsetof(gr_env, gas_per_value) == 28, "layout");
_Static_assert(offsetof(gr_env, value_per_gas) == 36, "layout");

/* ---- Error codes: X(name, code, when) ---- */
#define GEAR_ERROR_MAP(X)                                                                          \
    X(NOT_ENOUGH_GAS, 100, "the dispatch has less gas than it wants to give away")                 \
    X(NOT_ENOUGH_VALUE, 101, "the program has less value than it wants to send")                   \
    X(READ_LENGTH, 103, "offset and length of a read overflow")                                    \
    X(READ_RANGE, 104, "a read beyond the end of the payload")                                     \
    X(NO_REPLY, 105, "asked for a reply's facts outside handle_reply")                             \
    X(NO_SIGNAL, 106, "asked for a signal's facts outside handle_signal")                          \
    X(NO_STATUS, 107, "this entry has no status code")                                             \
    X(REPLY_ENTRY, 108, "this entry must not reply")                                               \
    X(ALLOCATION, 200, "an allocation out of bounds")                                              \
    X(ACCESS, 201, "a pointer to memory the program does not have")                                \
    X(MESSAGE_SIZE, 300, "the payload is larger than a message may be")                            \
    X(MESSAGES_COUNT, 301, "the dispatch has sent as many messages as it may")                     \
    X(DUPLICATE_REPLY, 302, "the message has been replied to")                                     \
    X(DUPLICATE_WAKE, 303, "the message has been woken by this dispatch")                          \
    X(LATE_ACCESS, 304, "the message under this handle has been sent")                             \
    X(HANDLE, 305, "no message was begun under this handle")                                       \
    X(DUPLICATE_INIT, 306, "the program has been created by this dispatch")                        \
    X(VALUE_TOO_SMALL, 307, "the value is below the existential deposit")                          \
    X(GAS_TOO_SMALL, 308, "the gas limit is above 0 and below the mailbox threshold")              \
    X(DUPLICATE_DEPOSIT, 309, "the reply to this message has a deposit")                           \
    X(NOT_SENT, 310, "the dispatch did not send this message")                                     \
    X(MESSAGES_BYTES, 311, "the dispatch has sent as many bytes as it may")                        \
    X(INPUT_OFFSET, 312, "the offset is not inside the payload, or the payload is empty")          \
    X(INPUT_LENGTH, 313, "offset and length reach beyond the payload")                             \
    X(DELAY_GAS, 399, "not enough gas to keep a delayed message")                                  \
    X(RESERVATION, 500, "the program has no such reservation")                                     \
    X(RESERVATIONS_COUNT, 501, "the program has as many reservations as it may")                   \
    X(RESERVATION_BLOCKS, 502, "a reservation for no block")                                       \
    X(RESERVATION_ZERO, 503, "a system reservation of no gas")                                     \
    X(RESERVATION_GAS, 504, "a reservation of less gas than the mailbox threshold")                \
    X(UNSUPPORTED, 0xffff, "this version does not serve the request")

enum {
    GEAR_OK = 0,
#define GEAR_ERROR_ENUM(name, code, text) GEAR_ERROR_##name = (code),
    GEAR_ERROR_MAP(GEAR_ERROR_ENUM)
#undef GEAR_ERROR_ENUM
};

/* ---- Reply codes: how a message went, in the 4 bytes of its reply: X(name, bytes, how) ----
 *
 * Written as the bytes stand in hex: 0x01000300 is 01 00 03 00. */
#define GEAR_CODE_MAP(X)                                                                           \
    X(AUTOMATIC, 0x00000000, "handled, with nothing to say")                                       \
    X(REPLY, 0x00010000, "handled, and replied to")                                                \
    X(OUT_OF_GAS, 0x01000000, "failed: out of gas")                                                \
    X(MEMORY, 0x01000100, "failed: out of memory")                                                 \
    X(HOST_CALL, 0x01000200, "failed: a wrong call of a host function")                            \
    X(PANIC, 0x01000300, "failed: a panic, whose text is the payload")                             \
    X(TRAP, 0x01000400, "failed: a trap of the code")                                              \
    X(STACK, 0x01000500, "failed: the stack")                                                      \
    X(EXITED, 0x01020000, "the program has exited; the payload is its heir")                       \
    X(INIT_FAILED, 0x01020100, "the init of the program failed")                                   \
    X(UNINITIALIZED, 0x01020200, "the program is not initialized yet")                             \
    X(NOT_CREATED, 0x01020300, "there is no code to make the program of")                          \
    X(REMOVED, 0x01030000, "the gas for waiting ran out")

enum {
#define GEAR_CODE_ENUM(name, bytes, text) GEAR_CODE_##name = (bytes),
    GEAR_CODE_MAP(GEAR_CODE_ENUM)
#undef GEAR_CODE_ENUM
};

/* ---- Signal codes: why a message failed: X(name, code, why) ---- */
#define GEAR_SIGNAL_MAP(X)                                                                         \
    X(PANIC, 100, "a panic")                                                                       \
    X(OUT_OF_GAS, 101, "out of gas")                                                               \
    X(HOST_CALL, 102, "a wrong call of a host function")                                           \
    X(MEMORY, 103, "out of memory")                                                                \
    X(TRAP, 104, "a trap of the code")                                                             \
    X(STACK, 105, "the stack")                                                                     \
    X(REMOVED, 200, "the gas for waiting ran out")

enum {
#define GEAR_SIGNAL_ENUM(name, code, text) GEAR_SIGNAL_##name = (code),
    GEAR_SIGNAL_MAP(GEAR_SIGNAL_ENUM)
#undef GEAR_SIGNAL_ENUM
};

/* ================================ Raw functions ================================
 *
 * A function whose last parameter points to a structure beginning with an error can fail: it
 * writes the error, 0 for success, and on success the rest. A bad pointer to data is error
 * GEAR_ERROR_ACCESS; a bad pointer to the result ends the dispatch in a trap. The other functions
 * cannot fail; a bad pointer given to them is a trap.
 *
 * Delays and durations are in blocks. Keeping something for later costs rent for each block, paid
 * at once: a delayed message, wake or reservation is not made when the gas does not cover it. Value
 * is in the smallest unit. */

/* ---- Memory, in pages of 64 KiB ---- */

/* alloc adds `pages` consecutive pages of zeros and returns the number of the first; its address
 * is the number times 65536. alloc(0) returns the first page behind the program's static memory.
 * Returns GEAR_NO_PAGE when there is no room. Costs a host call and a price for each page. */
uint32_t alloc(uint32_t pages) GEAR_IMPORT("alloc");
#define GEAR_NO_PAGE UINT32_MAX

/* free gives one page back; its content is lost. Returns 0, or 1 when the page is not one that
 * alloc gave. Traps for a number beyond the largest page. Costs a host call and a price for the
 * page. Known to C as gr_free, because C compilers have their own idea of `free`. */
uint32_t gr_free(uint32_t page) GEAR_IMPORT("free");

/* free_range gives back those of the pages first .. last (inclusive) that the program owns.
 * Returns 0, or 1 when the range is not inside the heap. Costs as gr_free, page by page. */
uint32_t free_range(uint32_t first, uint32_t last) GEAR_IMPORT("free_range");

/* ---- The message that is being handled. A host call each; cannot fail. ---- */

void gr_size(uint32_t *bytes) GEAR_IMPORT("gr_size"); /* of the payload */
void gr_source(gear_id *id) GEAR_IMPORT("gr_source"); /* who sent it */
void gr_message_id(gear_id *id) GEAR_IMPORT("gr_message_id");
void gr_program_id(gear_id *id) GEAR_IMPORT("gr_program_id"); /* of the program itself */
void gr_value(gear_value *value) GEAR_IMPORT("gr_value");     /* that came with the message */

/* gr_read copies `size` bytes of the payload, from offset `at`. Errors: READ_LENGTH, READ_RANGE,
 * ACCESS. Costs a host call, by the byte. */
void gr_read(uint32_t at, uint32_t size, void *buffer, uint32_t *error) GEAR_IMPORT("gr_read");

/* gr_reply_to tells which message the reply answers, gr_reply_code how it went. In handle_reply
 * only; elsewhere NO_REPLY. A host call each. */
void gr_reply_to(gr_error_with_hash *result) GEAR_IMPORT("gr_reply_to");
void gr_reply_code(gr_error_with_reply_code *result) GEAR_IMPORT("gr_reply_code");

/* gr_signal_from tells which message failed, gr_signal_code why (GEAR_SIGNAL_...). In handle_signal
 * only; elsewhere NO_SIGNAL. gr_source, all that reply and gr_system_reserve_gas are traps there. A
 * host call each. */
void gr_signal_from(gr_error_with_hash *result) GEAR_IMPORT("gr_signal_from");
void gr_signal_code(gr_error_with_signal_code *result) GEAR_IMPORT("gr_signal_code");

/* ---- Surroundings. A host call each; cannot fail. ---- */

void gr_block_height(uint32_t *height) GEAR_IMPORT("gr_block_height");
void gr_block_timestamp(uint64_t *ms) GEAR_IMPORT("gr_block_timestamp");
void gr_gas_available(uint64_t *gas) GEAR_IMPORT("gr_gas_available");
void gr_value_available(gear_value *value) GEAR_IMPORT("gr_value_available"); /* of the program */

/* gr_env_vars fills the structure of `version`, which must be 1 (gr_env); else it traps. */
void gr_env_vars(uint32_t version, gr_env *env) GEAR_IMPORT("gr_env_vars");

/* gr_random mixes `subject` with the block's randomness: same subject and block, same result. The
 * randomness is known to whoever makes the block. Costs a hash beside the host call. */
void gr_random(const gear_id *subject, gr_block_number_with_hash *result) GEAR_IMPORT("gr_random");

/* ---- Sending ----
 *
 * A message leaves when the dispatch succeeds, and not at all when it fails. Messages from one
 * program to another are handled in the order sent. Without a gas limit of its own (the forms
 * without `wgas`) a message gets an equal share, with the others sent so, of the gas left when the
 * dispatch ends, the least limit being set aside for it; with one, that gas leaves the dispatch at
 * once. On success `result` holds the id of the message. Costs a host call and the price of a
 * message, by the byte.
 *
 * With a `delay` the message leaves so many blocks later; until then it costs rent.
 *
 * Errors: NOT_ENOUGH_GAS, DELAY_GAS, NOT_ENOUGH_VALUE, GAS_TOO_SMALL, MESSAGE_SIZE, MESSAGES_COUNT,
 * MESSAGES_BYTES, ACCESS; HANDLE and LATE_ACCESS where there is a handle; INPUT_OFFSET and
 * INPUT_LENGTH in the `input` forms, which send a part of the payload being handled without
 * bringing it into memory. */

void gr_send(const gr_hash_with_value *to, const void *payload, uint32_t size, uint32_t delay,
             gr_error_with_hash *result) GEAR_IMPORT("gr_send");
void gr_send_wgas(const gr_hash_with_value *to, const void *payload, uint32_t size, uint64_t gas,
                  uint32_t delay, gr_error_with_hash *result) GEAR_IMPORT("gr_send_wgas");
void gr_send_input(const gr_hash_with_value *to, uint32_t offset, uint32_t size, uint32_t delay,
                   gr_error_with_hash *result) GEAR_IMPORT("gr_send_input");
void gr_send_input_wgas(const gr_hash_with_value *to, uint32_t offset, uint32_t size, uint64_t gas,
                        uint32_t delay, gr_error_with_hash *result)
    GEAR_IMPORT("gr_send_input_wgas");

/* A message in parts: init gives a handle, push appends to its payload, commit sends it. */
void gr_send_init(gr_error_with_handle *result) GEAR_IMPORT("gr_send_init");
void gr_send_push(uint32_t handle, const void *bytes, uint32_t size, uint32_t *error)
    GEAR_IMPORT("gr_send_push");
void gr_send_push_input(uint32_t handle, uint32_t offset, uint32_t size, uint32_t *error)
    GEAR_IMPORT("gr_send_push_input");
void gr_send_commit(uint32_t handle, const gr_hash_with_value *to, uint32_t delay,
                    gr_error_with_hash *result) GEAR_IMPORT("gr_send_commit");
void gr_send_commit_wgas(uint32_t handle, const gr_hash_with_value *to, uint64_t gas,
                         uint32_t delay, gr_error_with_hash *result)
    GEAR_IMPORT("gr_send_commit_wgas");

/* A message sent from a reservation has its gas, and ends it. Errors: also RESERVATION. */
void gr_reservation_send(const gr_two_hashes_with_value *from_to, const void *payload,
                         uint32_t size, uint32_t delay, gr_error_with_hash *result)
    GEAR_IMPORT("gr_reservation_send");
void gr_reservation_send_commit(uint32_t handle, const gr_two_hashes_with_value *from_to,
                                uint32_t delay, gr_error_with_hash *result)
    GEAR_IMPORT("gr_reservation_send_commit");

/* gr_reply_deposit puts `gas` aside for the reply to a message that this dispatch has sent: it is
 * added to what the reply brings for handle_reply. Errors: NOT_ENOUGH_GAS, NOT_SENT,
 * DUPLICATE_DEPOSIT, ACCESS. Costs a host call. */
void gr_reply_deposit(const gear_id *message, uint64_t gas, uint32_t *error)
    GEAR_IMPORT("gr_reply_deposit");

/* ---- Creating programs ----
 *
 * gr_create_program makes a program of the code `code->id` and sends its init message, with the
 * value `code->value`. Its id is made of the message at hand, the code and the salt: the same three
 * in one message are DUPLICATE_INIT. If there is no such code the init message is replied to with
 * GEAR_CODE_NOT_CREATED. Gas as with gr_send, but a limit of its own may be anything. Errors: those
 * of sending, and DUPLICATE_INIT. Costs a host call, the prices of a message and of a program, by
 * the byte. */
void gr_create_program(const gr_hash_with_value *code, const void *salt, uint32_t salt_size,
                       const void *payload, uint32_t size, uint32_t delay,
                       gr_error_with_two_hashes *result) GEAR_IMPORT("gr_create_program");
void gr_create_program_wgas(const gr_hash_with_value *code, const void *salt, uint32_t salt_size,
                            const void *payload, uint32_t size, uint64_t gas, uint32_t delay,
                            gr_error_with_two_hashes *result) GEAR_IMPORT("gr_create_program_wgas");

/* ---- Replying ----
 *
 * One reply to the message being handled, in init and handle. A message that is not replied to
 * gets an empty automatic reply. `value` may be GEAR_NO_VALUE. Errors: those of sending, and
 * DUPLICATE_REPLY, REPLY_ENTRY. Costs a host call and the price of a reply, by the byte. */

#define GEAR_NO_VALUE ((const gear_value *)(uintptr_t)UINT32_MAX)

void gr_reply(const void *payload, uint32_t size, const gear_value *value,
              gr_error_with_hash *result) GEAR_IMPORT("gr_reply");
void gr_reply_wgas(const void *payload, uint32_t size, uint64_t gas, const gear_value *value,
                   gr_error_with_hash *result) GEAR_IMPORT("gr_reply_wgas");
void gr_reply_input(uint32_t offset, uint32_t size, const gear_value *value,
                    gr_error_with_hash *result) GEAR_IMPORT("gr_reply_input");
void gr_reply_input_wgas(uint32_t offset, uint32_t size, uint64_t gas, const gear_value *value,
                         gr_error_with_hash *result) GEAR_IMPORT("gr_reply_input_wgas");

/* A reply in parts: push appends to its payload, commit sends it. */
void gr_reply_push(const void *bytes, uint32_t size, uint32_t *error) GEAR_IMPORT("gr_reply_push");
void gr_reply_push_input(uint32_t offset, uint32_t size, uint32_t *error)
    GEAR_IMPORT("gr_reply_push_input");
void gr_reply_commit(const gear_value *value, gr_error_with_hash *result)
    GEAR_IMPORT("gr_reply_commit");
void gr_reply_commit_wgas(uint64_t gas, const gear_value *value, gr_error_with_hash *result)
    GEAR_IMPORT("gr_reply_commit_wgas");

/* A reply from a reservation has its gas, and ends it. `from` is its id and the reply's value.
 * Errors: also RESERVATION. */
void gr_reservation_reply(const gr_hash_with_value *from, const void *payload, uint32_t size,
                          gr_error_with_hash *result) GEAR_IMPORT("gr_reservation_reply");
void gr_reservation_reply_commit(const gr_hash_with_value *from, gr_error_with_hash *result)
    GEAR_IMPORT("gr_reservation_reply_commit");

/* ---- Keeping gas ---- */

/* gr_reserve_gas takes gas aside for a message or reply of a later dispatch, whatever pays for that
 * one. It is given back when `blocks` are over. Errors: RESERVATION_BLOCKS for 0 blocks,
 * RESERVATION_GAS below the mailbox threshold, NOT_ENOUGH_GAS, RESERVATIONS_COUNT. Costs a host
 * call, the price of a reservation, and rent. */
void gr_reserve_gas(uint64_t gas, uint32_t blocks, gr_error_with_hash *result)
    GEAR_IMPORT("gr_reserve_gas");

/* gr_unreserve_gas ends a reservation: gas it still has goes back to who paid, and to the dispatch
 * itself when that has made it. Errors: RESERVATION, ACCESS. Costs a host call and the price of a
 * reservation. */
void gr_unreserve_gas(const gear_id *reservation, gr_error_with_gas *result)
    GEAR_IMPORT("gr_unreserve_gas");

/* gr_system_reserve_gas takes gas aside for handle_signal, should the message fail, in this run or
 * in one after it waited; it is also kept when it is just this run that fails. What is not used
 * comes back when the message succeeds. Several calls add up. Errors: RESERVATION_ZERO,
 * NOT_ENOUGH_GAS. Costs a host call and the price of a reservation. */
void gr_system_reserve_gas(uint64_t gas, uint32_t *error) GEAR_IMPORT("gr_system_reserve_gas");

/* ---- Control ---- */

/* gr_debug gives a line of UTF-8 to whoever watches the engine; text that is not UTF-8 is a trap.
 * Not part of the result of a block. Costs a host call, by the byte. */
void gr_debug(const void *text, uint32_t size) GEAR_IMPORT("gr_debug");

/* gr_panic ends the dispatch as failed: its memory, messages and value are as they were before it,
 * and the sender gets an error reply with this text. The gas burned stays burned.
 * gr_oom_panic does so for want of memory. */
_Noreturn void gr_panic(const void *text, uint32_t size) GEAR_IMPORT("gr_panic");
_Noreturn void gr_oom_panic(void) GEAR_IMPORT("gr_oom_panic");

/* gr_leave ends the dispatch here, as a success. */
_Noreturn void gr_leave(void) GEAR_IMPORT("gr_leave");

/* gr_wait ends the dispatch so that the message goes on later: memory is kept, what was sent
 * leaves, there is no reply yet. When the message is woken its entry runs again from the top, with
 * the same id, payload and source; its value has been received and is not received again.
 *   gr_wait        until it is woken, or the gas it has left for rent is used up
 *   gr_wait_for    until it is woken, and for so many blocks at most: out of gas when they cannot
 *                  be paid
 *   gr_wait_up_to  likewise, but for fewer blocks when more cannot be paid
 * A message whose gas is used up while it waits is removed: it fails with GEAR_CODE_REMOVED.
 * Waiting for 0 blocks, or after a reply, is a trap. Costs a host call and the price of waiting,
 * and rent for each block. gear_async.h makes asking another program and going on with its answer
 * of this. */
_Noreturn void gr_wait(void) GEAR_IMPORT("gr_wait");
_Noreturn void gr_wait_for(uint32_t blocks) GEAR_IMPORT("gr_wait_for");
_Noreturn void gr_wait_up_to(uint32_t blocks) GEAR_IMPORT("gr_wait_up_to");

/* gr_wake wakes a message of this program that waits, `delay` blocks from now; nothing happens if
 * it does not. Errors: DUPLICATE_WAKE, NOT_ENOUGH_GAS for the rent of the delay, ACCESS. Costs a
 * host call and the price of a wake. */
void gr_wake(const gear_id *message, uint32_t delay, uint32_t *error) GEAR_IMPORT("gr_wake");

/* gr_exit ends the dispatch and the program: its value goes to `inheritor`, its memory is gone,
 * later messages to it get an error reply with the inheritor's id. */
_Noreturn void gr_exit(const gear_id *inheritor) GEAR_IMPORT("gr_exit");

/* ================================ Helpers ================================ */

/* Functions that several files of a program share. */
#define GEAR_SHARED __attribute__((weak, visibility("hidden"), noinline))

#ifdef __wasm__
/* The end of the shadow stack, where static data begins. The engine demands this symbol as an
 * export; it is not state below. Module-level assembly comes first in an object file and
 * read-only data first behind the stack, so that this empty object, aligned to a page, is first of
 * all data; were it not, the engine would refuse the module for having data in its stack. */
__asm__(".section .rodata.__gear_stack_end,\"\",@\n"
        ".weak __gear_stack_end\n"
        ".type __gear_stack_end,@object\n"
        ".p2align 16\n"
        "__gear_stack_end:\n"
        ".size __gear_stack_end, 0\n"
        ".text\n");

/* The part of the C library that compilers call on their own. Calls with a small constant size
 * become plain loads and stores. Cost of others: tens of instructions for the call, and about one
 * instruction a byte. */
typedef uint64_t __attribute__((may_alias, aligned(1))) gear_word_;

GEAR_SHARED __attribute__((no_builtin)) void *memcpy(void *restrict to, const void *restrict from,
                                                     size_t size)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    for (; size >= 32; size -= 32, t += 32, f += 32) {
        gear_word_ *to_words = (gear_word_ *)t;
        const gear_word_ *from_words = (const gear_word_ *)f;
        to_words[0] = from_words[0];
        to_words[1] = from_words[1];
        to_words[2] = from_words[2];
        to_words[3] = from_words[3];
    }
    for (; size >= 8; size -= 8, t += 8, f += 8)
        *(gear_word_ *)t = *(const gear_word_ *)f;
    for (; size > 0; size--)
        *t++ = *f++;
    return to;
}

GEAR_SHARED __attribute__((no_builtin)) void *memmove(void *to, const void *from, size_t size)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((uintptr_t)t - (uintptr_t)f >= size)
        return memcpy(to, from, size);
    for (; size >= 8; size -= 8)
        *(gear_word_ *)(t + size - 8) = *(const gear_word_ *)(f + size - 8);
    while (size > 0) {
        size--;
        t[size] = f[size];
    }
    return to;
}

GEAR_SHARED __attribute__((no_builtin)) void *memset(void *to, int byte, size_t size)
{
    uint8_t *t = to;
    uint64_t word = (uint8_t)byte * UINT64_C(0x0101010101010101);
    for (; size >= 8; size -= 8, t += 8)
        *(gear_word_ *)t = word;
    for (; size > 0; size--)
        *t++ = (uint8_t)byte;
    return to;
}

GEAR_SHARED __attribute__((no_builtin)) int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *p = a, *q = b;
    for (; size >= 8 && *(const gear_word_ *)p == *(const gear_word_ *)q; size -= 8, p += 8, q += 8)
        ;
    for (; size > 0; size--, p++, q++) {
        if (*p != *q)
            return *p < *q ? -1 : 1;
    }
    return 0;
}

GEAR_SHARED __attribute__((no_builtin)) size_t strlen(const char *text)
{
    size_t size = 0;
    while (text[size] != '\0')
        size++;
    return size;
}

#define memcpy(to, from, size)  __builtin_memcpy(to, from, size)
#define memmove(to, from, size) __builtin_memmove(to, from, size)
#define memset(to, byte, size)  __builtin_memset(to, byte, size)
#define memcmp(a, b, size)      __builtin_memcmp(a, b, size)
#define strlen(text)            __builtin_strlen(text)
#endif

/* ---- Text ---- */

enum { GEAR_U64_DIGITS = 20, GEAR_VALUE_DIGITS = 39 };

/* gear_format_u64 writes `number` in decimal, without a terminating zero, and returns the number of
 * characters, 1 .. GEAR_U64_DIGITS. */
GEAR_SHARED uint32_t gear_format_u64(uint64_t number, char text[GEAR_U64_DIGITS])
{
    char digits[GEAR_U64_DIGITS];
    uint32_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (uint32_t i = 0; i < count; i++)
        text[i] = digits[count - 1 - i];
    return count;
}

/* gear_format_value does so for a value: 1 .. GEAR_VALUE_DIGITS characters. */
GEAR_SHARED uint32_t gear_format_value(gear_value value, char text[GEAR_VALUE_DIGITS])
{
    uint32_t limbs[4];
    for (uint32_t i = 0; i < 4; i++)
        limbs[i] = (uint32_t)(value >> (96 - 32 * i));
    char digits[GEAR_VALUE_DIGITS];
    uint32_t count = 0;
    do {
        uint64_t rest = 0;
        for (uint32_t i = 0; i < 4; i++) {
            rest = rest << 32 | limbs[i];
            limbs[i] = (uint32_t)(rest / 10);
            rest %= 10;
        }
        digits[count++] = (char)('0' + rest);
    } while ((limbs[0] | limbs[1] | limbs[2] | limbs[3]) != 0);
    for (uint32_t i = 0; i < count; i++)
        text[i] = digits[count - 1 - i];
    return count;
}

/* gear_parse_u64 reads a decimal number that is nothing but digits. False, and *number untouched,
 * when it is empty, has another character, or does not fit. */
GEAR_SHARED bool gear_parse_u64(const void *text, uint32_t size, uint64_t *number)
{
    const uint8_t *digits = text;
    uint64_t sum = 0;
    if (size == 0)
        return false;
    for (uint32_t i = 0; i < size; i++) {
        uint8_t digit = (uint8_t)(digits[i] - '0');
        if (digit > 9 || sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *number = sum;
    return true;
}

/* ---- Giving up. The text must be a string literal. ---- */

#define gear_panic(text) gr_panic("" text, (uint32_t)sizeof(text) - 1)
#define gear_debug(text) gr_debug("" text, (uint32_t)sizeof(text) - 1)

/* gear_require(condition, "text") panics unless the condition holds. */
#define gear_require(condition, text)                                                              \
    do {                                                                                           \
        if (!(condition))                                                                          \
            gear_panic(text);                                                                      \
    } while (0)

/* gear_check passes when `error` is 0 and else panics with "error N". */
_Noreturn GEAR_SHARED void gear_fail_(uint32_t error)
{
    char text[6 + GEAR_U64_DIGITS] = {'e', 'r', 'r', 'o', 'r', ' '};
    gr_panic(text, 6 + gear_format_u64(error, text + 6));
}

static inline void gear_check(uint32_t error)
{
    if (error != GEAR_OK)
        gear_fail_(error);
}

/* gear_error_text explains an error code. Never NULL. Brings a kilobyte of texts with it. */
static inline const char *gear_error_text(uint32_t error)
{
    switch (error) {
    case GEAR_OK:
        return "success";
#define GEAR_ERROR_CASE(name, code, text)                                                          \
    case GEAR_ERROR_##name:                                                                        \
        return text;
        GEAR_ERROR_MAP(GEAR_ERROR_CASE)
#undef GEAR_ERROR_CASE
    default:
        return "unknown error";
    }
}

/* ---- The message that is being handled ---- */

static inline uint32_t gear_size(void)
{
    uint32_t bytes;
    gr_size(&bytes);
    return bytes;
}

/* gear_read copies `size` bytes of the payload from offset `at`; panics beyond its end. */
static inline void gear_read(uint32_t at, void *buffer, uint32_t size)
{
    uint32_t error;
    gr_read(at, size, buffer, &error);
    gear_check(error);
}

/* gear_payload copies the whole payload and returns its size. Panics with "payload too large" when
 * that is above `capacity`. Two host calls, one for an empty payload. */
static inline uint32_t gear_payload(void *buffer, uint32_t capacity)
{
    uint32_t size = gear_size();
    gear_require(size <= capacity, "payload too large");
    if (size > 0)
        gear_read(0, buffer, size);
    return size;
}

static inline gear_id gear_source(void)
{
    gear_id id;
    gr_source(&id);
    return id;
}

static inline gear_id gear_message_id(void)
{
    gear_id id;
    gr_message_id(&id);
    return id;
}

static inline gear_id gear_program_id(void)
{
    gear_id id;
    gr_program_id(&id);
    return id;
}

static inline gear_value gear_value_received(void)
{
    gear_value value;
    gr_value(&value);
    return value;
}

static inline bool gear_id_equal(const gear_id *a, const gear_id *b)
{
    uint64_t p[4], q[4];
    memcpy(p, a, sizeof p);
    memcpy(q, b, sizeof q);
    return ((p[0] ^ q[0]) | (p[1] ^ q[1]) | (p[2] ^ q[2]) | (p[3] ^ q[3])) == 0;
}

/* gear_reply_to tells which message this reply answers. In handle_reply; elsewhere it panics. */
static inline gear_id gear_reply_to(void)
{
    gr_error_with_hash result;
    gr_reply_to(&result);
    gear_check(result.error);
    return result.id;
}

/* gear_code_of puts the bytes of a reply code together: a number to compare with GEAR_CODE_... . */
static inline uint32_t gear_code_of(const uint8_t code[4])
{
    return (uint32_t)code[0] << 24 | (uint32_t)code[1] << 16 | (uint32_t)code[2] << 8 | code[3];
}

/* What a reply code says of the message: it was handled; its handler ran and failed; there was no
 * program to handle it. A message that is none of these waited for too long. */
static inline bool gear_code_succeeded(uint32_t code)
{
    return code >> 24 == 0;
}

static inline bool gear_code_failed(uint32_t code)
{
    return code >> 16 == 0x0100;
}

static inline bool gear_code_unavailable(uint32_t code)
{
    return code >> 16 == 0x0102;
}

/* gear_reply_code returns the code of this reply, gear_reply_succeeded whether it is a success. In
 * handle_reply; elsewhere they panic. */
static inline uint32_t gear_reply_code(void)
{
    gr_error_with_reply_code result;
    gr_reply_code(&result);
    gear_check(result.error);
    return gear_code_of(result.code);
}

static inline bool gear_reply_succeeded(void)
{
    return gear_code_succeeded(gear_reply_code());
}

/* gear_signal_from returns the id of the message that failed, gear_signal_code why: GEAR_SIGNAL_...
 * In handle_signal; elsewhere they panic. */
static inline gear_id gear_signal_from(void)
{
    gr_error_with_hash result;
    gr_signal_from(&result);
    gear_check(result.error);
    return result.id;
}

static inline uint32_t gear_signal_code(void)
{
    gr_error_with_signal_code result;
    gr_signal_code(&result);
    gear_check(result.error);
    return result.code;
}

/* ---- Surroundings ---- */

static inline uint32_t gear_block_height(void)
{
    uint32_t height;
    gr_block_height(&height);
    return height;
}

static inline uint64_t gear_block_timestamp_ms(void)
{
    uint64_t ms;
    gr_block_timestamp(&ms);
    return ms;
}

static inline uint64_t gear_gas_available(void)
{
    uint64_t gas;
    gr_gas_available(&gas);
    return gas;
}

static inline gear_value gear_value_available(void)
{
    gear_value value;
    gr_value_available(&value);
    return value;
}

/* ---- Sending. See the raw functions for shares of gas, errors and costs. ---- */

static inline gr_hash_with_value gear_to_(const gear_id *to, gear_value value)
{
    return (gr_hash_with_value){.id = *to, .value = value};
}

/* gear_try_send sends `size` bytes to a program or user, and returns the error. `message`, when not
 * NULL, receives the id of the message, which the reply will name. */
static inline uint32_t gear_try_send(const gear_id *to, const void *bytes, uint32_t size,
                                     gear_value value, gear_id *message)
{
    gr_hash_with_value to_value = gear_to_(to, value);
    gr_error_with_hash result;
    gr_send(&to_value, bytes, size, 0, &result);
    if (message != NULL && result.error == GEAR_OK)
        *message = result.id;
    return result.error;
}

/* gear_try_send_gas does so with a gas limit of the message's own. */
static inline uint32_t gear_try_send_gas(const gear_id *to, const void *bytes, uint32_t size,
                                         uint64_t gas, gear_value value, gear_id *message)
{
    gr_hash_with_value to_value = gear_to_(to, value);
    gr_error_with_hash result;
    gr_send_wgas(&to_value, bytes, size, gas, 0, &result);
    if (message != NULL && result.error == GEAR_OK)
        *message = result.id;
    return result.error;
}

/* gear_send and gear_send_gas panic when the message cannot be sent, and return its id. */
static inline gear_id gear_send(const gear_id *to, const void *bytes, uint32_t size,
                                gear_value value)
{
    gear_id message;
    gear_check(gear_try_send(to, bytes, size, value, &message));
    return message;
}

static inline gear_id gear_send_gas(const gear_id *to, const void *bytes, uint32_t size,
                                    uint64_t gas, gear_value value)
{
    gear_id message;
    gear_check(gear_try_send_gas(to, bytes, size, gas, value, &message));
    return message;
}

/* gear_try_send_delayed sends so that the message leaves `delay` blocks later, and returns the
 * error. gear_send_delayed panics when it cannot, and returns the message's id. */
static inline uint32_t gear_try_send_delayed(const gear_id *to, const void *bytes, uint32_t size,
                                             uint64_t gas, gear_value value, uint32_t delay,
                                             gear_id *message)
{
    gr_hash_with_value to_value = gear_to_(to, value);
    gr_error_with_hash result;
    gr_send_wgas(&to_value, bytes, size, gas, delay, &result);
    if (message != NULL && result.error == GEAR_OK)
        *message = result.id;
    return result.error;
}

static inline gear_id gear_send_delayed(const gear_id *to, const void *bytes, uint32_t size,
                                        uint64_t gas, gear_value value, uint32_t delay)
{
    gear_id message;
    gear_check(gear_try_send_delayed(to, bytes, size, gas, value, delay, &message));
    return message;
}

/* gear_send_input sends `size` bytes of the payload being handled, from offset `at`, and returns
 * the message's id. The bytes do not pass through memory. Panics when it cannot. */
static inline gear_id gear_send_input(const gear_id *to, uint32_t at, uint32_t size,
                                      gear_value value)
{
    gr_hash_with_value to_value = gear_to_(to, value);
    gr_error_with_hash result;
    if (size == 0)
        gr_send(&to_value, &to_value, 0, 0, &result);
    else
        gr_send_input(&to_value, at, size, 0, &result);
    gear_check(result.error);
    return result.id;
}

/* gear_forward sends so what follows offset `at`, which may be nothing. Panics when `at` is beyond
 * the payload. */
static inline gear_id gear_forward(const gear_id *to, uint32_t at, gear_value value)
{
    uint32_t size = gear_size();
    gear_require(at <= size, "nothing to forward");
    return gear_send_input(to, at, size - at, value);
}

/* A message in parts: begin, add any number of times, finish. Panic when they cannot. */
static inline uint32_t gear_send_begin(void)
{
    gr_error_with_handle result;
    gr_send_init(&result);
    gear_check(result.error);
    return result.handle;
}

static inline void gear_send_add(uint32_t handle, const void *bytes, uint32_t size)
{
    uint32_t error;
    gr_send_push(handle, bytes, size, &error);
    gear_check(error);
}

static inline void gear_send_add_input(uint32_t handle, uint32_t at, uint32_t size)
{
    uint32_t error;
    gr_send_push_input(handle, at, size, &error);
    gear_check(error);
}

static inline gear_id gear_send_finish(uint32_t handle, const gear_id *to, gear_value value)
{
    gr_hash_with_value to_value = gear_to_(to, value);
    gr_error_with_hash result;
    gr_send_commit(handle, &to_value, 0, &result);
    gear_check(result.error);
    return result.id;
}

static inline gear_id gear_send_finish_gas(uint32_t handle, const gear_id *to, uint64_t gas,
                                           gear_value value)
{
    gr_hash_with_value to_value = gear_to_(to, value);
    gr_error_with_hash result;
    gr_send_commit_wgas(handle, &to_value, gas, 0, &result);
    gear_check(result.error);
    return result.id;
}

/* gear_deposit puts gas aside for the reply to a message just sent. Panics when it cannot. */
static inline void gear_deposit(const gear_id *message, uint64_t gas)
{
    uint32_t error;
    gr_reply_deposit(message, gas, &error);
    gear_check(error);
}

/* ---- Creating programs ---- */

/* A new program, and the message whose reply tells whether its init succeeded. */
typedef struct gear_created {
    gear_id message;
    gear_id program;
} gear_created;

/* gear_try_create makes a program of `code` whose init message has `size` bytes, and returns the
 * error; the salt is any bytes. gear_try_create_gas gives the init message a gas limit of its own.
 */
static inline uint32_t gear_try_create(const gear_id *code, const void *salt, uint32_t salt_size,
                                       const void *bytes, uint32_t size, gear_value value,
                                       gear_created *created)
{
    gr_hash_with_value code_value = gear_to_(code, value);
    gr_error_with_two_hashes result;
    gr_create_program(&code_value, salt, salt_size, bytes, size, 0, &result);
    if (result.error == GEAR_OK)
        *created = (gear_created){.message = result.message, .program = result.program};
    return result.error;
}

static inline uint32_t gear_try_create_gas(const gear_id *code, const void *salt,
                                           uint32_t salt_size, const void *bytes, uint32_t size,
                                           uint64_t gas, gear_value value, gear_created *created)
{
    gr_hash_with_value code_value = gear_to_(code, value);
    gr_error_with_two_hashes result;
    gr_create_program_wgas(&code_value, salt, salt_size, bytes, size, gas, 0, &result);
    if (result.error == GEAR_OK)
        *created = (gear_created){.message = result.message, .program = result.program};
    return result.error;
}

/* gear_create and gear_create_gas panic when they cannot. */
static inline gear_created gear_create(const gear_id *code, const void *salt, uint32_t salt_size,
                                       const void *bytes, uint32_t size, gear_value value)
{
    gear_created created;
    gear_check(gear_try_create(code, salt, salt_size, bytes, size, value, &created));
    return created;
}

static inline gear_created gear_create_gas(const gear_id *code, const void *salt,
                                           uint32_t salt_size, const void *bytes, uint32_t size,
                                           uint64_t gas, gear_value value)
{
    gear_created created;
    gear_check(gear_try_create_gas(code, salt, salt_size, bytes, size, gas, value, &created));
    return created;
}

/* ---- Keeping gas ---- */

/* gear_try_reserve takes gas aside for `blocks`, and returns the error; gear_reserve panics when it
 * cannot, and returns the reservation's id. */
static inline uint32_t gear_try_reserve(uint64_t gas, uint32_t blocks, gear_id *reservation)
{
    gr_error_with_hash result;
    gr_reserve_gas(gas, blocks, &result);
    if (result.error == GEAR_OK)
        *reservation = result.id;
    return result.error;
}

static inline gear_id gear_reserve(uint64_t gas, uint32_t blocks)
{
    gear_id reservation;
    gear_check(gear_try_reserve(gas, blocks, &reservation));
    return reservation;
}

/* gear_try_unreserve ends a reservation and yields the gas it had; gear_unreserve panics when there
 * is no such reservation. */
static inline uint32_t gear_try_unreserve(const gear_id *reservation, uint64_t *gas)
{
    gr_error_with_gas result;
    gr_unreserve_gas(reservation, &result);
    if (result.error == GEAR_OK)
        *gas = result.gas;
    return result.error;
}

static inline uint64_t gear_unreserve(const gear_id *reservation)
{
    uint64_t gas;
    gear_check(gear_try_unreserve(reservation, &gas));
    return gas;
}

/* gear_try_send_reserved sends a message with the gas of a reservation, and returns the error;
 * gear_send_reserved panics when it cannot, and returns the message's id. */
static inline uint32_t gear_try_send_reserved(const gear_id *reservation, const gear_id *to,
                                              const void *bytes, uint32_t size, gear_value value,
                                              gear_id *message)
{
    const gr_two_hashes_with_value from_to = {
        .reservation = *reservation, .id = *to, .value = value};
    gr_error_with_hash result;
    gr_reservation_send(&from_to, bytes, size, 0, &result);
    if (message != NULL && result.error == GEAR_OK)
        *message = result.id;
    return result.error;
}

static inline gear_id gear_send_reserved(const gear_id *reservation, const gear_id *to,
                                         const void *bytes, uint32_t size, gear_value value)
{
    gear_id message;
    gear_check(gear_try_send_reserved(reservation, to, bytes, size, value, &message));
    return message;
}

/* gear_reply_reserved replies with the gas of a reservation; gear_signal_reserve takes gas aside
 * for handle_signal. Both panic when they cannot. */
static inline void gear_reply_reserved(const gear_id *reservation, const void *bytes, uint32_t size,
                                       gear_value value)
{
    const gr_hash_with_value from = gear_to_(reservation, value);
    gr_error_with_hash result;
    gr_reservation_reply(&from, bytes, size, &result);
    gear_check(result.error);
}

static inline void gear_signal_reserve(uint64_t gas)
{
    uint32_t error;
    gr_system_reserve_gas(gas, &error);
    gear_check(error);
}

/* ---- Waking ---- */

/* gear_wake wakes a message of this program, if it waits. Panics when this dispatch has woken it
 * already. gear_wake_delayed does so `delay` blocks later, and panics also when the gas does not
 * cover their rent. */
static inline void gear_wake_delayed(const gear_id *message, uint32_t delay)
{
    uint32_t error;
    gr_wake(message, delay, &error);
    gear_check(error);
}

static inline void gear_wake(const gear_id *message)
{
    gear_wake_delayed(message, 0);
}

/* ---- Replying. All panic when they cannot. ---- */

static inline void gear_reply(const void *bytes, uint32_t size)
{
    gr_error_with_hash result;
    gr_reply(bytes, size, GEAR_NO_VALUE, &result);
    gear_check(result.error);
}

static inline void gear_reply_value(const void *bytes, uint32_t size, gear_value value)
{
    gr_error_with_hash result;
    gr_reply(bytes, size, &value, &result);
    gear_check(result.error);
}

/* gear_reply_text("text") replies with a string literal. */
#define gear_reply_text(text) gear_reply("" text, (uint32_t)sizeof(text) - 1)

/* A reply in parts: add any number of times, finish. */
static inline void gear_reply_add(const void *bytes, uint32_t size)
{
    uint32_t error;
    gr_reply_push(bytes, size, &error);
    gear_check(error);
}

static inline void gear_reply_add_input(uint32_t at, uint32_t size)
{
    uint32_t error;
    gr_reply_push_input(at, size, &error);
    gear_check(error);
}

static inline void gear_reply_finish(gear_value value)
{
    gr_error_with_hash result;
    gr_reply_commit(&value, &result);
    gear_check(result.error);
}

/* ---- Heap: memory that is taken and kept ---- */

enum { GEAR_PAGE_BYTES = 65536 };

/* What is left of the pages taken last. State, like everything static. */
typedef struct gear_heap {
    uintptr_t top; /* address of the next free byte, a multiple of 16 */
    uintptr_t end; /* 0 before the first call */
} gear_heap;

__attribute__((weak, visibility("hidden"))) gear_heap gear_heap_;

/* gear_allocate returns `size` bytes of zeros, aligned to 16. There is no way to give them back:
 * programs that free take pages from alloc themselves, and both may be used side by side. Takes
 * what is left of the last static page first, so small programs never pay for a page. Panics for
 * want of memory. Costs tens of instructions; a host call and a price for each page when it needs
 * more pages.
 * gear_allocate_aligned aligns to `alignment`, a power of two, 16 .. 65536. Memory is copied and
 * stored in units of 256 bytes: what is changed together costs least when it lies in one. */
GEAR_SHARED void *gear_allocate_aligned(uint32_t size, uint32_t alignment)
{
    gear_heap *heap = &gear_heap_;
    if (size > UINT32_MAX - GEAR_PAGE_BYTES)
        gr_oom_panic();
    size = (size + 15) & ~UINT32_C(15);
#ifdef __wasm__
    extern uint8_t __heap_base; /* made by the linker: the end of static data */
    if (heap->end == 0) {
        heap->top = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
        heap->end = ((uintptr_t)&__heap_base + GEAR_PAGE_BYTES - 1) & ~(uintptr_t)0xffff;
    }
#endif
    uintptr_t start = (heap->top + alignment - 1) & ~((uintptr_t)alignment - 1);
    if (heap->end - start < size) {
        uint32_t pages = (size + GEAR_PAGE_BYTES - 1) / GEAR_PAGE_BYTES;
        uint32_t page = alloc(pages);
        if (page == GEAR_NO_PAGE)
            gr_oom_panic();
        uintptr_t added = (uintptr_t)page * GEAR_PAGE_BYTES;
        if (added != heap->end)
            start = added;
        heap->end = added + (uintptr_t)pages * GEAR_PAGE_BYTES;
    }
    heap->top = start + size;
    return (void *)start;
}

static inline void *gear_allocate(uint32_t size)
{
    return gear_allocate_aligned(size, 16);
}

#endif
