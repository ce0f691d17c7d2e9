/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/guest/host.h"

#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/assert.h"

enum { STATES_MAX = 32, PAGES_MAX = 4096 };

host_sent host_outbox[HOST_SENT_MAX];
uint32_t host_outbox_count;
bool host_replied;
host_bytes host_reply;
gear_value host_reply_value;
gear_id host_inheritor;
char host_text[256];
gear_value host_balance;
uint32_t host_pages_max = 1024;

typedef struct state {
    uint8_t *bytes;
    uint8_t *before;
    size_t size;
} state;

static state states[STATES_MAX];
static uint32_t states_count;

/* Heap pages lie in one reserved stretch, at a multiple of 64 KiB, so that numbers of pages are
 * addresses as they are in WebAssembly. */
static uint8_t *stretch;
static uint8_t *stretch_before; /* as long as `pages_count` pages */
static uint32_t pages_count;

static const host_message *current;
static uint32_t runs_count;
static uint32_t drafts_count;
static struct {
    host_bytes payload;
    bool sent;
} drafts[HOST_SENT_MAX];
static host_bytes reply_draft;
static jmp_buf ending;
static host_outcome ended_as;

static _Noreturn void end(host_outcome outcome)
{
    ended_as = outcome;
    longjmp(ending, 1);
}

gear_id host_id(uint32_t number)
{
    gear_id id = {{0}};
    memcpy(id.bytes, &number, sizeof number);
    return id;
}

void host_state(void *bytes, size_t size)
{
    MR_ASSERT(states_count < STATES_MAX);
    states[states_count++] = (state){.bytes = bytes, .before = calloc(1, size), .size = size};
}

static void clear(host_bytes *bytes)
{
    free(bytes->data);
    *bytes = (host_bytes){0};
}

static void forget_results(void)
{
    for (uint32_t i = 0; i < host_outbox_count; i++)
        clear(&host_outbox[i].payload);
    for (uint32_t i = 0; i < drafts_count; i++)
        clear(&drafts[i].payload);
    host_outbox_count = 0;
    drafts_count = 0;
    clear(&host_reply);
    clear(&reply_draft);
    host_replied = false;
    host_reply_value = 0;
    host_text[0] = '\0';
}

void host_reset(void)
{
    forget_results();
    for (uint32_t i = 0; i < states_count; i++) {
        memset(states[i].bytes, 0, states[i].size);
        free(states[i].before);
    }
    states_count = 0;
    host_state(&gear_heap_, sizeof gear_heap_);
    gear_heap_ = (gear_heap){0};
    if (stretch == NULL) {
        const size_t bytes = (size_t)(PAGES_MAX + 1) * GEAR_PAGE_BYTES;
        uint8_t *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        MR_ASSERT(area != MAP_FAILED);
        uintptr_t start = ((uintptr_t)area + GEAR_PAGE_BYTES - 1) & ~(uintptr_t)0xffff;
        stretch = (uint8_t *)start;
    }
    memset(stretch, 0, (size_t)pages_count * GEAR_PAGE_BYTES);
    free(stretch_before);
    stretch_before = NULL;
    pages_count = 0;
    host_balance = 0;
    host_pages_max = 1024;
}

static void append(host_bytes *to, const void *bytes, uint32_t size)
{
    if (size == 0)
        return;
    to->data = realloc(to->data, to->size + size);
    MR_ASSERT(to->data != NULL);
    memcpy(to->data + to->size, bytes, size);
    to->size += size;
}

static uint32_t input_range(uint32_t offset, uint32_t size)
{
    if (offset >= current->size)
        return GEAR_ERROR_INPUT_OFFSET;
    return size > current->size - offset ? GEAR_ERROR_INPUT_LENGTH : GEAR_OK;
}

static const uint8_t *input(uint32_t offset)
{
    return (const uint8_t *)current->payload + offset;
}

host_outcome host_run(void (*entry)(void), const host_message *message)
{
    forget_results();
    current = message;
    runs_count++;
    const gear_value balance_before = host_balance;
    const uint32_t pages_before = pages_count;
    for (uint32_t i = 0; i < states_count; i++)
        memcpy(states[i].before, states[i].bytes, states[i].size);
    stretch_before = realloc(stretch_before, (size_t)pages_count * GEAR_PAGE_BYTES + 1);
    memcpy(stretch_before, stretch, (size_t)pages_count * GEAR_PAGE_BYTES);
    host_balance += message->value;

    if (setjmp(ending) == 0) {
        entry();
        return HOST_OK;
    }
    if (ended_as == HOST_EXITED)
        return HOST_EXITED;
    for (uint32_t i = 0; i < host_outbox_count; i++)
        clear(&host_outbox[i].payload);
    host_outbox_count = 0;
    clear(&host_reply);
    host_replied = false;
    host_balance = balance_before;
    for (uint32_t i = 0; i < states_count; i++)
        memcpy(states[i].bytes, states[i].before, states[i].size);
    memcpy(stretch, stretch_before, (size_t)pages_before * GEAR_PAGE_BYTES);
    memset(stretch + (size_t)pages_before * GEAR_PAGE_BYTES, 0,
           (size_t)(pages_count - pages_before) * GEAR_PAGE_BYTES);
    pages_count = pages_before;
    return ended_as;
}

/* ---- The raw functions ---- */

uint32_t alloc(uint32_t pages)
{
    const uint32_t first = (uint32_t)((uintptr_t)stretch / GEAR_PAGE_BYTES);
    MR_ASSERT(host_pages_max <= PAGES_MAX);
    if (pages > host_pages_max - pages_count)
        return GEAR_NO_PAGE;
    pages_count += pages;
    return first + pages_count - pages;
}

void gr_size(uint32_t *bytes)
{
    *bytes = current->size;
}

void gr_source(gear_id *id)
{
    *id = current->source;
}

void gr_message_id(gear_id *id)
{
    *id = host_id(1000000 + runs_count);
}

void gr_program_id(gear_id *id)
{
    *id = host_id(UINT32_MAX);
}

void gr_value(gear_value *value)
{
    *value = current->value;
}

void gr_value_available(gear_value *value)
{
    *value = host_balance;
}

void gr_read(uint32_t at, uint32_t size, void *buffer, uint32_t *error)
{
    *error = GEAR_OK;
    if (at > UINT32_MAX - size)
        *error = GEAR_ERROR_READ_LENGTH;
    else if (at + size > current->size)
        *error = GEAR_ERROR_READ_RANGE;
    else if (size > 0)
        memcpy(buffer, input(at), size);
}

void gr_reply_to(gr_error_with_hash *result)
{
    result->error = current->is_reply ? GEAR_OK : GEAR_ERROR_NO_REPLY;
    result->id = current->reply_to;
}

void gr_reply_code(gr_error_with_reply_code *result)
{
    result->error = current->is_reply ? GEAR_OK : GEAR_ERROR_NO_REPLY;
    memcpy(result->code, current->code, sizeof result->code);
}

static uint32_t push(uint32_t handle, const void *bytes, uint32_t size)
{
    if (handle >= drafts_count)
        return GEAR_ERROR_HANDLE;
    if (drafts[handle].sent)
        return GEAR_ERROR_LATE_ACCESS;
    append(&drafts[handle].payload, bytes, size);
    return GEAR_OK;
}

static void commit(uint32_t handle, const gr_hash_with_value *to, gr_error_with_hash *result)
{
    result->error = push(handle, NULL, 0);
    if (result->error == GEAR_OK && to->value > host_balance)
        result->error = GEAR_ERROR_NOT_ENOUGH_VALUE;
    if (result->error != GEAR_OK)
        return;
    host_sent *sent = &host_outbox[host_outbox_count++];
    *sent = (host_sent){.id = host_id(2000000 + runs_count * HOST_SENT_MAX + handle),
                        .to = to->id,
                        .value = to->value,
                        .payload = drafts[handle].payload};
    drafts[handle].payload = (host_bytes){0};
    drafts[handle].sent = true;
    host_balance -= to->value;
    result->id = sent->id;
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
        *error = push(handle, input(offset), size);
}

void gr_send_commit(uint32_t handle, const gr_hash_with_value *to, uint32_t delay,
                    gr_error_with_hash *result)
{
    MR_ASSERT(delay == 0);
    commit(handle, to, result);
}

void gr_send(const gr_hash_with_value *to, const void *payload, uint32_t size, uint32_t delay,
             gr_error_with_hash *result)
{
    gr_error_with_handle draft;
    gr_send_init(&draft);
    result->error = draft.error;
    if (draft.error != GEAR_OK)
        return;
    (void)push(draft.handle, payload, size);
    gr_send_commit(draft.handle, to, delay, result);
}

void gr_send_input(const gr_hash_with_value *to, uint32_t offset, uint32_t size, uint32_t delay,
                   gr_error_with_hash *result)
{
    result->error = input_range(offset, size);
    if (result->error == GEAR_OK)
        gr_send(to, input(offset), size, delay, result);
}

void gr_reply_push(const void *bytes, uint32_t size, uint32_t *error)
{
    *error = host_replied ? GEAR_ERROR_LATE_ACCESS : GEAR_OK;
    if (!host_replied)
        append(&reply_draft, bytes, size);
}

void gr_reply_commit(const gear_value *value, gr_error_with_hash *result)
{
    const gear_value amount = value == GEAR_NO_VALUE ? 0 : *value;
    result->error = current->is_reply       ? GEAR_ERROR_REPLY_ENTRY
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

_Noreturn void gr_panic(const void *text, uint32_t size)
{
    const size_t kept = size < sizeof host_text ? size : sizeof host_text - 1;
    memcpy(host_text, text, kept);
    host_text[kept] = '\0';
    end(HOST_PANIC);
}

_Noreturn void gr_oom_panic(void)
{
    end(HOST_OUT_OF_MEMORY);
}

_Noreturn void gr_exit(const gear_id *inheritor)
{
    host_inheritor = *inheritor;
    end(HOST_EXITED);
}
