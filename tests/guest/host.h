/* SPDX-License-Identifier: Apache-2.0 */
/* host: stands in for the engine while a program runs natively in a test: serves the raw functions
 * of gear.h, and undoes what a failed dispatch did. It charges no gas.
 *
 * A test includes the program's source, tells the host which variables are its state, and calls its
 * entries by host_run. One program at a time. */
#ifndef MR_TESTS_GUEST_HOST_H
#define MR_TESTS_GUEST_HOST_H

#include "tools/guest/gear.h"

enum { HOST_PAYLOAD_BYTES_MAX = 8 << 20, HOST_SENT_MAX = 1024 };

typedef enum host_outcome { HOST_OK, HOST_PANIC, HOST_OUT_OF_MEMORY, HOST_EXITED } host_outcome;

typedef struct host_bytes {
    uint8_t *data;
    uint32_t size;
} host_bytes;

typedef struct host_sent {
    gear_id id;
    gear_id to;
    gear_value value;
    host_bytes payload;
} host_sent;

/* The message to be handled: set by the test before host_run. */
typedef struct host_message {
    gear_id source;
    gear_value value;
    const void *payload;
    uint32_t size;
    bool is_reply;
    gear_id reply_to;
    uint8_t code[4];
} host_message;

/* What the last host_run did. */
extern host_sent host_outbox[HOST_SENT_MAX];
extern uint32_t host_outbox_count;
extern bool host_replied;
extern host_bytes host_reply;
extern gear_value host_reply_value;
extern gear_id host_inheritor;
extern char host_text[256]; /* of a panic, zero-terminated */

extern gear_value host_balance; /* of the program */
extern uint32_t host_pages_max; /* alloc fails beyond; 1024 after host_reset */

/* host_reset forgets everything: pages, state, results. */
void host_reset(void);

/* host_state names a variable as state: it is cleared by host_reset and restored after failure.
 * The variables of gear.h itself are known. */
void host_state(void *bytes, size_t size);
#define HOST_STATE(variable) host_state(&(variable), sizeof(variable))

host_outcome host_run(void (*entry)(void), const host_message *message);

/* Ids for tests: the number in the first four bytes, zero behind. */
gear_id host_id(uint32_t number);

#endif
