/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of the host that send, create and reply. */
#include <stdlib.h>

#include "base/assert.h"
#include "tests/guest/host_internal.h"

host_sent host_outbox[HOST_SENT_MAX];
uint32_t host_outbox_count;
bool host_replied;
host_bytes host_reply;
gear_value host_reply_value;
gear_id host_reply_reservation;

static uint32_t drafts_count;
static struct {
    host_bytes payload;
    bool sent;
} drafts[HOST_SENT_MAX];
static host_bytes reply_draft;

void host_forget_sent(void)
{
    for (uint32_t i = 0; i < host_outbox_count; i++) {
        host_clear(&host_outbox[i].payload);
        host_clear(&host_outbox[i].salt);
    }
    for (uint32_t i = 0; i < drafts_count; i++)
        host_clear(&drafts[i].payload);
    host_outbox_count = 0;
    drafts_count = 0;
}

void host_forget_reply(void)
{
    host_clear(&host_reply);
    host_clear(&reply_draft);
    host_replied = false;
    host_reply_value = 0;
    host_reply_reservation = (gear_id){{0}};
}

static uint32_t input_range(uint32_t offset, uint32_t size)
{
    if (offset >= host_current->size)
        return GEAR_ERROR_INPUT_OFFSET;
    return size > host_current->size - offset ? GEAR_ERROR_INPUT_LENGTH : GEAR_OK;
}

/* ---- Sending ---- */

static uint32_t push(uint32_t handle, const void *bytes, uint32_t size)
{
    if (handle >= drafts_count)
        return GEAR_ERROR_HANDLE;
    if (drafts[handle].sent)
        return GEAR_ERROR_LATE_ACCESS;
    host_append(&drafts[handle].payload, bytes, size);
    return GEAR_OK;
}

/* Sends a draft as `terms` say, which have all but id and payload. */
static host_sent *commit(uint32_t handle, const host_sent *terms, gr_error_with_hash *result)
{
    result->error = push(handle, NULL, 0);
    if (result->error == GEAR_OK && terms->value > host_balance)
        result->error = GEAR_ERROR_NOT_ENOUGH_VALUE;
    if (result->error != GEAR_OK)
        return NULL;
    host_sent *sent = &host_outbox[host_outbox_count++];
    *sent = *terms;
    sent->id = host_id(2000000 + host_runs_count * HOST_SENT_MAX + handle);
    sent->payload = drafts[handle].payload;
    drafts[handle].payload = (host_bytes){0};
    drafts[handle].sent = true;
    host_balance -= terms->value;
    result->id = sent->id;
    return sent;
}

void gr_send_init(gr_error_with_handle *result)
{
    result->error = drafts_count < HOST_SENT_MAX ? GEAR_OK : GEAR_ERROR_MESSAGES_COUNT;
    if (result->error != GEAR_OK)
        return;
    drafts[drafts_count].sent = false;
    result->handle = drafts_count++;
}

void gr_send_push(uint32_t handle, const void *bytes, uint32_t size, uint32_t *error)
{
    *error = push(handle, bytes, size);
}

void gr_send_push_input(uint32_t handle, uint32_t offset, uint32_t size, uint32_t *error)
{
    *error = input_range(offset, size);
    if (*error == GEAR_OK)
        *error = push(handle, host_input(offset), size);
}

void gr_send_commit(uint32_t handle, const gr_hash_with_value *to, uint32_t delay,
                    gr_error_with_hash *result)
{
    (void)commit(handle, &(host_sent){.to = to->id, .value = to->value, .delay = delay}, result);
}

/* A whole message. */
static host_sent *send(const host_sent *terms, const void *payload, uint32_t size,
                       gr_error_with_hash *result)
{
    gr_error_with_handle draft;
    gr_send_init(&draft);
    result->error = draft.error;
    if (draft.error != GEAR_OK)
        return NULL;
    (void)push(draft.handle, payload, size);
    return commit(draft.handle, terms, result);
}

void gr_send(const gr_hash_with_value *to, const void *payload, uint32_t size, uint32_t delay,
             gr_error_with_hash *result)
{
    const host_sent terms = {.to = to->id, .value = to->value, .delay = delay};
    (void)send(&terms, payload, size, result);
}

void gr_send_wgas(const gr_hash_with_value *to, const void *payload, uint32_t size, uint64_t gas,
                  uint32_t delay, gr_error_with_hash *result)
{
    const host_sent terms = {
        .to = to->id, .value = to->value, .has_gas = true, .gas = gas, .delay = delay};
    (void)send(&terms, payload, size, result);
}

void gr_send_input(const gr_hash_with_value *to, uint32_t offset, uint32_t size, uint32_t delay,
                   gr_error_with_hash *result)
{
    result->error = input_range(offset, size);
    if (result->error == GEAR_OK)
        gr_send(to, host_input(offset), size, delay, result);
}

void gr_reservation_send(const gr_two_hashes_with_value *from_to, const void *payload,
                         uint32_t size, uint32_t delay, gr_error_with_hash *result)
{
    host_reservation *from = host_find_reservation(&from_to->reservation);
    result->error = from == NULL ? GEAR_ERROR_RESERVATION : GEAR_OK;
    if (from == NULL)
        return;
    const host_sent terms = {.to = from_to->id,
                             .value = from_to->value,
                             .has_gas = true,
                             .gas = from->gas,
                             .delay = delay,
                             .reservation = from->id};
    from->is_ended = send(&terms, payload, size, result) != NULL;
}

void gr_reply_deposit(const gear_id *message, uint64_t gas, uint32_t *error)
{
    *error = GEAR_ERROR_NOT_SENT;
    for (uint32_t i = 0; i < host_outbox_count; i++) {
        host_sent *sent = &host_outbox[i];
        if (!gear_id_equal(&sent->id, message))
            continue;
        *error = sent->deposit != 0 ? GEAR_ERROR_DUPLICATE_DEPOSIT : GEAR_OK;
        if (*error == GEAR_OK)
            sent->deposit = gas;
    }
}

/* ---- Creating programs: the id is that of the message, but for its last byte ---- */

static void create(const host_sent *terms, const void *salt, uint32_t salt_size,
                   const void *payload, uint32_t size, gr_error_with_two_hashes *result)
{
    gr_error_with_hash sent_as;
    host_sent *sent = send(terms, payload, size, &sent_as);
    result->error = sent_as.error;
    if (sent == NULL)
        return;
    host_append(&sent->salt, salt, salt_size);
    sent->to = sent->id;
    sent->to.bytes[31] = 1;
    result->message = sent->id;
    result->program = sent->to;
}

void gr_create_program(const gr_hash_with_value *code, const void *salt, uint32_t salt_size,
                       const void *payload, uint32_t size, uint32_t delay,
                       gr_error_with_two_hashes *result)
{
    const host_sent terms = {
        .value = code->value, .delay = delay, .creates = true, .code = code->id};
    create(&terms, salt, salt_size, payload, size, result);
}

/* ---- Replying ---- */

void gr_reply_push(const void *bytes, uint32_t size, uint32_t *error)
{
    MR_ASSERT(!host_current->is_signal);
    *error = host_replied ? GEAR_ERROR_LATE_ACCESS : GEAR_OK;
    if (!host_replied)
        host_append(&reply_draft, bytes, size);
}

void gr_reply_commit(const gear_value *value, gr_error_with_hash *result)
{
    const gear_value amount = value == GEAR_NO_VALUE ? 0 : *value;
    MR_ASSERT(!host_current->is_signal);
    result->error = host_current->is_reply  ? GEAR_ERROR_REPLY_ENTRY
                    : amount > host_balance ? GEAR_ERROR_NOT_ENOUGH_VALUE
                    : host_replied          ? GEAR_ERROR_DUPLICATE_REPLY
                                            : GEAR_OK;
    if (result->error != GEAR_OK)
        return;
    host_balance -= amount;
    host_replied = true;
    host_reply = reply_draft;
    host_reply_value = amount;
    reply_draft = (host_bytes){0};
}

void gr_reply(const void *payload, uint32_t size, const gear_value *value,
              gr_error_with_hash *result)
{
    uint32_t error;
    gr_reply_push(payload, size, &error);
    gr_reply_commit(value, result);
}

void gr_reservation_reply(const gr_hash_with_value *from, const void *payload, uint32_t size,
                          gr_error_with_hash *result)
{
    host_reservation *reservation = host_find_reservation(&from->id);
    result->error = reservation == NULL ? GEAR_ERROR_RESERVATION : GEAR_OK;
    if (reservation == NULL)
        return;
    gr_reply(payload, size, &from->value, result);
    reservation->is_ended = result->error == GEAR_OK;
    if (result->error == GEAR_OK)
        host_reply_reservation = from->id;
}
