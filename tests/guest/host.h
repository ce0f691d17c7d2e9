/* SPDX-License-Identifier: Apache-2.0 */
/* host: stands in for the engine while a program runs natively in a test: serves the raw functions
 * of gear.h, undoes what a failed dispatch did, and keeps the messages that wait. It charges no
 * gas.
 *
 * A test includes the program's source, tells the host which variables are its state, and calls its
 * entries by host_run. One program at a time. */
#ifndef MR_TESTS_GUEST_HOST_H
#define MR_TESTS_GUEST_HOST_H

#include "tools/guest/gear.h"

enum {
    HOST_PAYLOAD_BYTES_MAX = 8 << 20,
    HOST_SENT_MAX = 1024,
    HOST_WAKES_MAX = 64,
    HOST_WAITING_MAX = 256,
    HOST_RESERVATIONS_MAX = 64,
};

typedef enum host_outcome {
    HOST_OK,
    HOST_PANIC,
    HOST_OUT_OF_MEMORY,
    HOST_EXITED,
    HOST_WAITING,
} host_outcome;

typedef struct host_bytes {
    uint8_t *data;
    uint32_t size;
} host_bytes;

typedef struct host_sent {
    gear_id id;
    gear_id to; /* of a new program: its id */
    gear_value value;
    host_bytes payload;
    bool has_gas; /* a limit of its own, `gas`, also from a reservation */
    uint64_t gas;
    uint32_t delay;
    uint64_t deposit;
    gear_id reservation; /* zero: none */
    bool creates;
    gear_id code;
    host_bytes salt;
} host_sent;

/* The message to be handled: set by the test before host_run. */
typedef struct host_message {
    gear_id id; /* zero: a new one */
    gear_id source;
    gear_value value;
    const void *payload;
    uint32_t size;
    bool is_reply;
    gear_id reply_to;
    uint8_t code[4];
    bool is_signal;
    gear_id signal_from;
    uint32_t signal_code;
} host_message;

typedef struct host_wake {
    gear_id message;
    uint32_t delay;
} host_wake;

typedef struct host_reservation {
    gear_id id;
    uint64_t gas;
    uint32_t until;
    bool is_ended;
} host_reservation;

/* What the last host_run did. */
extern gear_id host_message_id;
extern host_sent host_outbox[HOST_SENT_MAX];
extern uint32_t host_outbox_count;
extern host_wake host_wakes[HOST_WAKES_MAX];
extern uint32_t host_wakes_count;
extern uint64_t host_system_gas; /* it reserved; kept when it failed */
extern bool host_replied;
extern host_bytes host_reply;
extern gear_value host_reply_value;
extern gear_id host_reply_reservation; /* zero: none */
extern gear_id host_inheritor;
extern char host_text[256]; /* of a panic, zero-terminated */

/* What there is. */
extern gear_value host_balance; /* of the program */
extern uint32_t host_pages_max; /* alloc fails beyond; 1024 after host_reset */
extern uint64_t host_gas;       /* what gr_gas_available tells; 1000000000 after host_reset */
extern uint32_t host_height;    /* 1 after host_reset */
extern host_reservation host_reservations[HOST_RESERVATIONS_MAX];
extern uint32_t host_reservations_count;
extern uint32_t host_waiting_count; /* messages that wait, those that were woken included */

/* host_reset forgets everything: pages, state, results, what waits. */
void host_reset(void);

/* host_state names a variable as state: it is cleared by host_reset and restored after failure.
 * The variables of gear.h itself are known. */
void host_state(void *bytes, size_t size);
#define HOST_STATE(variable) host_state(&(variable), sizeof(variable))

/* host_run handles a message. One that waits is kept until it is woken, or its time has come. */
host_outcome host_run(void (*entry)(void), const host_message *message);

/* host_next_block begins the next block: what is due there is woken. */
void host_next_block(void);

/* host_run_woken handles the message woken first of those that are, and yields how it ended. False
 * when none is. */
bool host_run_woken(host_outcome *outcome);

/* host_remove drops a message that waits, as one whose gas ran out. */
void host_remove(const gear_id *message);

/* Ids for tests: the number in the first four bytes, zero behind. */
gear_id host_id(uint32_t number);

#endif
