/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/guest/host_internal.h"

#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "tools/guest/gear_async.h"

enum { STATES_MAX = 32, PAGES_MAX = 4096 };

gear_id host_message_id;
host_wake host_wakes[HOST_WAKES_MAX];
uint32_t host_wakes_count;
uint64_t host_system_gas;
gear_id host_inheritor;
char host_text[256];
gear_value host_balance;
uint32_t host_pages_max = 1024;
uint64_t host_gas;
uint32_t host_height;
host_reservation host_reservations[HOST_RESERVATIONS_MAX];
uint32_t host_reservations_count;
uint32_t host_waiting_count;

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

const host_message *host_current;
uint32_t host_runs_count;

/* A message that waits. */
typedef struct waiting {
    void (*entry)(void);
    host_message message;
    host_bytes payload;
    uint32_t until;    /* height at which it is woken */
    uint32_t woken_at; /* height; 0: it has not been woken */
    uint64_t order;    /* of waking */
} waiting;

static waiting waitlist[HOST_WAITING_MAX];
/* Delayed wakes, each with the height at which it is due. */
static struct {
    gear_id message;
    uint32_t height;
} delayed[HOST_WAKES_MAX];
static uint32_t delayed_count;

static uint64_t wakings_count;
static uint32_t wait_blocks;
static jmp_buf ending;
static host_outcome ended_as;

_Noreturn void host_end(host_outcome outcome)
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

void host_clear(host_bytes *bytes)
{
    free(bytes->data);
    *bytes = (host_bytes){0};
}

static void forget_results(void)
{
    host_forget_sent();
    host_forget_reply();
    host_wakes_count = 0;
    host_system_gas = 0;
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
    host_state(&gear_async_, sizeof gear_async_);
    gear_heap_ = (gear_heap){0};
    gear_async_ = (gear_async_state_){0};
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
    host_gas = 1000000000;
    host_height = 1;
    host_reservations_count = 0;
    delayed_count = 0;
    while (host_waiting_count > 0)
        host_clear(&waitlist[--host_waiting_count].payload);
}

void host_append(host_bytes *to, const void *bytes, uint32_t size)
{
    if (size == 0)
        return;
    to->data = realloc(to->data, to->size + size);
    MR_ASSERT(to->data != NULL);
    memcpy(to->data + to->size, bytes, size);
    to->size += size;
}

const uint8_t *host_input(uint32_t offset)
{
    return (const uint8_t *)host_current->payload + offset;
}

/* ---- Waiting ---- */

static waiting *find_waiting(const gear_id *message)
{
    for (uint32_t i = 0; i < host_waiting_count; i++) {
        if (gear_id_equal(&waitlist[i].message.id, message))
            return &waitlist[i];
    }
    return NULL;
}

void host_remove(const gear_id *message)
{
    waiting *gone = find_waiting(message);
    MR_ASSERT(gone != NULL);
    host_clear(&gone->payload);
    *gone = waitlist[--host_waiting_count];
}

static void wake(waiting *woken)
{
    if (woken == NULL || woken->woken_at != 0)
        return;
    woken->woken_at = host_height;
    woken->order = wakings_count++;
}

static void keep_waiting(void (*entry)(void), const host_message *message)
{
    MR_ASSERT(host_waiting_count < HOST_WAITING_MAX);
    const bool for_ever = wait_blocks > UINT32_MAX - host_height;
    waiting *kept = &waitlist[host_waiting_count++];
    *kept = (waiting){.entry = entry,
                      .message = *message,
                      .until = for_ever ? UINT32_MAX : host_height + wait_blocks};
    host_append(&kept->payload, message->payload, message->size);
    kept->message.id = host_message_id;
    kept->message.payload = kept->payload.data;
}

static void settle_wakes(void)
{
    for (uint32_t i = 0; i < host_wakes_count; i++) {
        const host_wake *made = &host_wakes[i];
        if (made->delay == 0) {
            wake(find_waiting(&made->message));
            continue;
        }
        MR_ASSERT(delayed_count < HOST_WAKES_MAX);
        delayed[delayed_count].message = made->message;
        delayed[delayed_count++].height = host_height + made->delay;
    }
}

void host_next_block(void)
{
    host_height++;
    for (uint32_t i = 0; i < host_waiting_count; i++) {
        if (waitlist[i].until == host_height)
            wake(&waitlist[i]);
    }
    for (uint32_t i = delayed_count; i > 0; i--) {
        if (delayed[i - 1].height != host_height)
            continue;
        wake(find_waiting(&delayed[i - 1].message));
        delayed[i - 1] = delayed[--delayed_count];
    }
}

static host_outcome run(void (*entry)(void), const host_message *message, bool again);

bool host_run_woken(host_outcome *outcome)
{
    const waiting *first = NULL;
    for (uint32_t i = 0; i < host_waiting_count; i++) {
        const waiting *one = &waitlist[i];
        if (one->woken_at != 0 && (first == NULL || one->order < first->order))
            first = one;
    }
    if (first == NULL)
        return false;
    waiting woken = *first;
    waitlist[first - waitlist] = waitlist[--host_waiting_count];
    *outcome = run(woken.entry, &woken.message, true);
    host_clear(&woken.payload);
    return true;
}

/* ---- Running ---- */

static void undo(uint32_t pages_before)
{
    host_forget_sent();
    host_forget_reply();
    host_wakes_count = 0;
    for (uint32_t i = 0; i < states_count; i++)
        memcpy(states[i].bytes, states[i].before, states[i].size);
    memcpy(stretch, stretch_before, (size_t)pages_before * GEAR_PAGE_BYTES);
    memset(stretch + (size_t)pages_before * GEAR_PAGE_BYTES, 0,
           (size_t)(pages_count - pages_before) * GEAR_PAGE_BYTES);
    pages_count = pages_before;
}

static void remember(void)
{
    for (uint32_t i = 0; i < states_count; i++)
        memcpy(states[i].before, states[i].bytes, states[i].size);
    stretch_before = realloc(stretch_before, (size_t)pages_count * GEAR_PAGE_BYTES + 1);
    MR_ASSERT(stretch_before != NULL);
    memcpy(stretch_before, stretch, (size_t)pages_count * GEAR_PAGE_BYTES);
}

static host_outcome run(void (*entry)(void), const host_message *message, bool again)
{
    static const gear_id none;
    static host_reservation reservations_before[HOST_RESERVATIONS_MAX];
    forget_results();
    host_current = message;
    host_runs_count++;
    host_message_id =
        gear_id_equal(&message->id, &none) ? host_id(1000000 + host_runs_count) : message->id;
    const gear_value balance_before = host_balance;
    const uint32_t pages_before = pages_count, reservations_count = host_reservations_count;
    memcpy(reservations_before, host_reservations, sizeof reservations_before);
    remember();
    if (!again) /* its value has been received when it ran first */
        host_balance += message->value;

    ended_as = HOST_OK;
    if (setjmp(ending) == 0)
        entry();
    if (ended_as == HOST_PANIC || ended_as == HOST_OUT_OF_MEMORY) {
        undo(pages_before);
        host_balance = balance_before;
        host_reservations_count = reservations_count;
        memcpy(host_reservations, reservations_before, sizeof reservations_before);
        return ended_as;
    }
    if (ended_as == HOST_WAITING)
        keep_waiting(entry, message);
    settle_wakes();
    return ended_as;
}

host_outcome host_run(void (*entry)(void), const host_message *message)
{
    return run(entry, message, false);
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
    *bytes = host_current->size;
}

void gr_source(gear_id *id)
{
    MR_ASSERT(!host_current->is_signal);
    *id = host_current->source;
}

void gr_message_id(gear_id *id)
{
    *id = host_message_id;
}

void gr_program_id(gear_id *id)
{
    *id = host_id(UINT32_MAX);
}

void gr_value(gear_value *value)
{
    *value = host_current->value;
}

void gr_value_available(gear_value *value)
{
    *value = host_balance;
}

void gr_gas_available(uint64_t *gas)
{
    *gas = host_gas;
}

void gr_block_height(uint32_t *height)
{
    *height = host_height;
}

void gr_read(uint32_t at, uint32_t size, void *buffer, uint32_t *error)
{
    *error = GEAR_OK;
    if (at > UINT32_MAX - size)
        *error = GEAR_ERROR_READ_LENGTH;
    else if (at + size > host_current->size)
        *error = GEAR_ERROR_READ_RANGE;
    else if (size > 0)
        memcpy(buffer, host_input(at), size);
}

void gr_reply_to(gr_error_with_hash *result)
{
    result->error = host_current->is_reply ? GEAR_OK : GEAR_ERROR_NO_REPLY;
    result->id = host_current->reply_to;
}

void gr_reply_code(gr_error_with_reply_code *result)
{
    result->error = host_current->is_reply ? GEAR_OK : GEAR_ERROR_NO_REPLY;
    memcpy(result->code, host_current->code, sizeof result->code);
}

void gr_signal_from(gr_error_with_hash *result)
{
    result->error = host_current->is_signal ? GEAR_OK : GEAR_ERROR_NO_SIGNAL;
    result->id = host_current->signal_from;
}

void gr_signal_code(gr_error_with_signal_code *result)
{
    result->error = host_current->is_signal ? GEAR_OK : GEAR_ERROR_NO_SIGNAL;
    result->code = host_current->signal_code;
}

/* ---- Keeping gas ---- */

host_reservation *host_find_reservation(const gear_id *id)
{
    for (uint32_t i = 0; i < host_reservations_count; i++) {
        host_reservation *one = &host_reservations[i];
        if (!one->is_ended && host_height < one->until && gear_id_equal(&one->id, id))
            return one;
    }
    return NULL;
}

void gr_reserve_gas(uint64_t gas, uint32_t blocks, gr_error_with_hash *result)
{
    enum { FIRST_ID = 3000000 };
    result->error = blocks == 0 ? GEAR_ERROR_RESERVATION_BLOCKS
                    : host_reservations_count == HOST_RESERVATIONS_MAX
                        ? GEAR_ERROR_RESERVATIONS_COUNT
                        : GEAR_OK;
    if (result->error != GEAR_OK)
        return;
    host_reservation *made = &host_reservations[host_reservations_count];
    *made = (host_reservation){.id = host_id(FIRST_ID + host_reservations_count),
                               .gas = gas,
                               .until = host_height + blocks};
    host_reservations_count++;
    result->id = made->id;
}

void gr_unreserve_gas(const gear_id *id, gr_error_with_gas *result)
{
    host_reservation *ended = host_find_reservation(id);
    result->error = ended == NULL ? GEAR_ERROR_RESERVATION : GEAR_OK;
    result->gas = ended == NULL ? 0 : ended->gas;
    if (ended != NULL)
        ended->is_ended = true;
}

void gr_system_reserve_gas(uint64_t gas, uint32_t *error)
{
    MR_ASSERT(!host_current->is_signal);
    *error = gas == 0 ? GEAR_ERROR_RESERVATION_ZERO : GEAR_OK;
    host_system_gas += gas;
}

/* ---- Control ---- */

void gr_wake(const gear_id *message, uint32_t delay, uint32_t *error)
{
    *error = GEAR_OK;
    for (uint32_t i = 0; i < host_wakes_count; i++) {
        if (gear_id_equal(&host_wakes[i].message, message))
            *error = GEAR_ERROR_DUPLICATE_WAKE;
    }
    if (*error != GEAR_OK)
        return;
    MR_ASSERT(host_wakes_count < HOST_WAKES_MAX);
    host_wakes[host_wakes_count++] = (host_wake){.message = *message, .delay = delay};
}

_Noreturn void gr_wait_for(uint32_t blocks)
{
    MR_ASSERT(blocks > 0 && !host_replied);
    wait_blocks = blocks;
    host_end(HOST_WAITING);
}

_Noreturn void gr_wait_up_to(uint32_t blocks)
{
    gr_wait_for(blocks);
}

_Noreturn void gr_wait(void)
{
    gr_wait_for(UINT32_MAX);
}

_Noreturn void gr_panic(const void *text, uint32_t size)
{
    const size_t kept = size < sizeof host_text ? size : sizeof host_text - 1;
    memcpy(host_text, text, kept);
    host_text[kept] = '\0';
    host_end(HOST_PANIC);
}

_Noreturn void gr_oom_panic(void)
{
    host_end(HOST_OUT_OF_MEMORY);
}

_Noreturn void gr_leave(void)
{
    host_end(HOST_OK);
}

_Noreturn void gr_exit(const gear_id *inheritor)
{
    host_inheritor = *inheritor;
    host_end(HOST_EXITED);
}
