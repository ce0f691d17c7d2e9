/* SPDX-License-Identifier: Apache-2.0 */
/* host_internal: what the two halves of the host share: host.c, which runs entries, and
 * host_send.c, which serves the functions that send. */
#ifndef MR_TESTS_GUEST_HOST_INTERNAL_H
#define MR_TESTS_GUEST_HOST_INTERNAL_H

#include "tests/guest/host.h"

/* The message that is handled. */
extern const host_message *host_current;
extern uint32_t host_runs_count;

/* host_end ends the entry that runs. */
_Noreturn void host_end(host_outcome outcome);

/* host_clear frees, host_append adds bytes. */
void host_clear(host_bytes *bytes);
void host_append(host_bytes *to, const void *bytes, uint32_t size);

/* host_input returns the payload at hand from an offset inside it on. */
const uint8_t *host_input(uint32_t offset);

/* host_forget_sent drops what was sent and begun; host_forget_reply likewise the reply. */
void host_forget_sent(void);
void host_forget_reply(void);

/* host_find_reservation returns the one that may be used, or NULL. */
host_reservation *host_find_reservation(const gear_id *id);

#endif
