/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/waitlist.h"

#include <stdlib.h>

#include "base/assert.h"
#include "engine/engine_internal.h"
#include "engine/id.h"
#include "engine/waiting.h"

enum { RECORD_VERSION = 2, CAPACITY_MIN = 8, SLAB_MAX = 256 };

/* Slots are cut from slabs, the next one larger than those before. */
typedef struct slab {
    struct slab *next;
    mr_wait_slot slots[];
} slab;

/* Slots stay where they are, so that lists may lead through them; the table has pointers. */
struct mr_waitlist {
    mr_wait_slot **slots; /* linear probing; capacity a power of two, at most half full */
    size_t capacity;
    size_t count;
    mr_wait_slot *touched; /* newest first */
    mr_wait_slot *unused;
    slab *slabs;
    size_t slab_slots; /* of the newest */
    uint64_t bytes;    /* of messages on the heap that it owns, about */
};

static size_t home_of(const mr_id *id, size_t capacity)
{
    return (size_t)(mr_id_bucket(id) >> 16) & (capacity - 1);
}

/* Where the slot of `id` is, or would be. */
static size_t place_of(mr_wait_slot *const *slots, size_t capacity, const mr_id *id)
{
    size_t at = home_of(id, capacity);
    while (slots[at] != NULL && !mr_id_equal(&slots[at]->id, id))
        at = (at + 1) & (capacity - 1);
    return at;
}

static mr_wait_slot *find_slot(const mr_program *program, const mr_id *id)
{
    const mr_waitlist *list = program->waitlist;
    if (list == NULL || list->capacity == 0) /* there was no memory for a table */
        return NULL;
    return list->slots[place_of(list->slots, list->capacity, id)];
}

static mr_status grow(mr_waitlist *list)
{
    if ((list->count + 1) * 2 <= list->capacity)
        return MR_OK;
    const size_t capacity = list->capacity == 0 ? CAPACITY_MIN : 2 * list->capacity;
    mr_wait_slot **slots = calloc(capacity, sizeof *slots);
    if (slots == NULL)
        return MR_NO_MEMORY;
    for (size_t i = 0; i < list->capacity; i++) {
        if (list->slots[i] != NULL)
            slots[place_of(slots, capacity, &list->slots[i]->id)] = list->slots[i];
    }
    free(list->slots);
    list->slots = slots;
    list->capacity = capacity;
    return MR_OK;
}

static mr_status cut_slots(mr_waitlist *list)
{
    const size_t count = list->slab_slots == 0          ? 1
                         : list->slab_slots >= SLAB_MAX ? SLAB_MAX
                                                        : 2 * list->slab_slots;
    slab *made = malloc(sizeof *made + count * sizeof *made->slots);
    if (made == NULL)
        return MR_NO_MEMORY;
    made->next = list->slabs;
    list->slabs = made;
    list->slab_slots = count;
    for (size_t i = 0; i < count; i++) {
        made->slots[i].next = list->unused;
        list->unused = &made->slots[i];
    }
    return MR_OK;
}

/* Makes an empty slot for `id`, which has none. */
static mr_status add_slot(mr_program *program, const mr_id *id, mr_wait_slot **out)
{
    if (program->waitlist == NULL) {
        program->waitlist = calloc(1, sizeof *program->waitlist);
        if (program->waitlist == NULL)
            return MR_NO_MEMORY;
    }
    mr_waitlist *list = program->waitlist;
    MR_TRY(grow(list));
    if (list->unused == NULL)
        MR_TRY(cut_slots(list));
    mr_wait_slot *slot = list->unused;
    list->unused = slot->next;
    *slot = (mr_wait_slot){.id = *id};
    list->slots[place_of(list->slots, list->capacity, id)] = slot;
    list->count++;
    *out = slot;
    return MR_OK;
}

/* Takes a slot out of the table, closing the gap. */
static void drop_slot(mr_waitlist *list, mr_wait_slot *slot)
{
    const size_t mask = list->capacity - 1;
    size_t hole = place_of(list->slots, list->capacity, &slot->id);
    for (size_t at = (hole + 1) & mask; list->slots[at] != NULL; at = (at + 1) & mask) {
        const size_t home = home_of(&list->slots[at]->id, list->capacity);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            list->slots[hole] = list->slots[at];
            hole = at;
        }
    }
    list->slots[hole] = NULL;
    list->count--;
    slot->next = list->unused;
    list->unused = slot;
}

static uint64_t bytes_of(const mr_queued *queued)
{
    return sizeof *queued + sizeof(mr_wait_slot) + queued->dispatch.message.payload.size;
}

static void touch(mr_program *program, mr_wait_slot *slot)
{
    if (slot->touched)
        return;
    slot->touched = true;
    slot->next = program->waitlist->touched;
    program->waitlist->touched = slot;
}

/* Puts a message that the store has into the table. */
static mr_status take_in(mr_program *program, const mr_wait_source *from, const mr_id *id,
                         mr_span record, mr_wait_slot **out)
{
    mr_queued *waiting;
    MR_TRY(mr_waitlist_decode(program, from, id, record, &waiting));
    mr_status status = program->waiting_stored == 0 ? MR_CORRUPT : add_slot(program, id, out);
    if (status != MR_OK) {
        mr_queued_free(waiting);
        return status;
    }
    (*out)->before = waiting;
    (*out)->now = &waiting->dispatch;
    program->waitlist->bytes += bytes_of(waiting);
    program->waiting_stored--;
    return MR_OK;
}

/* The slot of `id`, read from the store if need be; NULL when there is none. */
static mr_status need_slot(mr_program *program, const mr_wait_source *from, const mr_id *id,
                           mr_wait_slot **out)
{
    *out = find_slot(program, id);
    if (*out != NULL || program->waiting_stored == 0)
        return MR_OK;
    uint8_t key[MR_WAIT_KEY_BYTES];
    mr_wait_key(&program->id, id, key);
    mr_buffer record = {0};
    mr_status status =
        mr_store_get(from->store, MR_TABLE_WAITLIST, mr_span_of(key, sizeof key), &record);
    if (status == MR_OK)
        status = take_in(program, from, id, mr_buffer_span(&record), out);
    mr_buffer_fini(&record);
    return status == MR_NOT_FOUND ? MR_OK : status;
}

/* What waits beyond its end should have been ended: its task is lost. */
static bool is_overdue(const mr_dispatch *waiting, const mr_wait_source *from)
{
    return waiting->extra->waiting && waiting->extra->until < from->height;
}

mr_status mr_waitlist_find(mr_program *program, const mr_wait_source *from, const mr_id *id,
                           mr_dispatch **out)
{
    mr_wait_slot *slot;
    MR_TRY(need_slot(program, from, id, &slot));
    *out = slot == NULL ? NULL : slot->now;
    if (*out == NULL || !is_overdue(*out, from))
        return MR_OK;
    *out = NULL;
    return from->alone ? MR_OK : MR_CORRUPT;
}

mr_status mr_waitlist_put(mr_program *program, const mr_wait_source *from, mr_dispatch *dispatch)
{
    mr_wait_slot *slot;
    MR_TRY(need_slot(program, from, &dispatch->message.id, &slot));
    if (slot == NULL)
        MR_TRY(add_slot(program, &dispatch->message.id, &slot));
    if (slot->now != NULL)
        return MR_CORRUPT; /* there were two of this id */
    slot->now = dispatch;
    touch(program, slot);
    return MR_OK;
}

void mr_waitlist_remove(mr_program *program, const mr_id *id)
{
    mr_wait_slot *slot = find_slot(program, id);
    MR_ASSERT(slot != NULL && slot->now != NULL);
    slot->now = NULL;
    touch(program, slot);
}

mr_status mr_waitlist_edit(mr_program *program, mr_arena *arena, mr_dispatch *dispatch,
                           mr_dispatch **out)
{
    *out = dispatch;
    mr_wait_slot *slot = find_slot(program, &dispatch->message.id);
    MR_ASSERT(slot != NULL && slot->now == dispatch);
    if (slot->before == NULL || dispatch != &slot->before->dispatch)
        return MR_OK;
    mr_dispatch *copy = mr_arena_alloc(arena, sizeof *copy);
    mr_extra *extra = mr_arena_alloc(arena, sizeof *extra);
    if (copy == NULL || extra == NULL)
        return MR_NO_MEMORY;
    *copy = *dispatch;
    *extra = *dispatch->extra;
    copy->extra = extra;
    copy->queued = false;
    slot->now = *out = copy;
    touch(program, slot);
    return MR_OK;
}

void mr_waitlist_replace(mr_program *program, const mr_dispatch *dispatch, mr_queued *queued)
{
    mr_wait_slot *slot = find_slot(program, &dispatch->message.id);
    MR_ASSERT(slot != NULL && slot->now == dispatch);
    slot->now = &queued->dispatch;
    touch(program, slot);
}

/* Reads what the store has and the table has not. */
static mr_status load_all(mr_program *program, const mr_wait_source *from)
{
    if (program->waiting_stored == 0)
        return MR_OK;
    mr_cursor *cursor;
    MR_TRY(mr_cursor_open(from->store, MR_TABLE_WAITLIST, mr_id_span(&program->id), (mr_span){0},
                          &cursor));
    mr_status status;
    do {
        mr_span key, value;
        status = mr_cursor_next(cursor, &key, &value);
        if (status != MR_OK)
            break;
        mr_id id;
        if (key.size != MR_WAIT_KEY_BYTES) {
            status = MR_CORRUPT;
            break;
        }
        memcpy(id.bytes, key.data + sizeof id, sizeof id);
        mr_wait_slot *slot = find_slot(program, &id);
        if (slot == NULL)
            status = take_in(program, from, &id, value, &slot);
    } while (status == MR_OK);
    mr_cursor_close(cursor);
    if (status != MR_NOT_FOUND)
        return status;
    return program->waiting_stored == 0 ? MR_OK : MR_CORRUPT;
}

static int by_id(const void *a, const void *b)
{
    const mr_dispatch *left = *(mr_dispatch *const *)a, *right = *(mr_dispatch *const *)b;
    return mr_id_order(&left->message.id, &right->message.id);
}

mr_status mr_waitlist_all(mr_program *program, const mr_wait_source *from, mr_dispatch ***out,
                          size_t *count)
{
    *out = NULL;
    *count = 0;
    if (program->waiting == 0)
        return MR_OK;
    MR_TRY(load_all(program, from));
    const mr_waitlist *list = program->waitlist;
    mr_dispatch **all = mr_arena_alloc(from->arena, program->waiting * sizeof(mr_dispatch *));
    if (all == NULL)
        return MR_NO_MEMORY;
    size_t at = 0, overdue = 0;
    for (size_t i = 0; i < list->capacity; i++) {
        mr_dispatch *now = list->slots[i] != NULL ? list->slots[i]->now : NULL;
        if (now == NULL || !now->extra->waiting)
            continue;
        if (at + overdue == program->waiting)
            return MR_CORRUPT;
        if (is_overdue(now, from))
            overdue++;
        else
            all[at++] = now;
    }
    if (at + overdue != program->waiting || (overdue > 0 && !from->alone))
        return MR_CORRUPT;
    qsort(all, at, sizeof *all, by_id);
    *out = all;
    *count = at;
    return MR_OK;
}

mr_wait_slot *mr_waitlist_touched(const mr_program *program)
{
    return program->waitlist == NULL ? NULL : program->waitlist->touched;
}

/* Gives up what the heap has of a message, for receipts to lead to as long as the block is read. */
static void let_go(mr_waitlist *list, mr_queued *before, mr_queued **gone)
{
    if (before == NULL)
        return;
    list->bytes -= bytes_of(before);
    before->next_gone = *gone;
    *gone = before;
}

void mr_waitlist_accept(mr_program *program, mr_queued **gone)
{
    mr_waitlist *list = program->waitlist;
    if (list == NULL)
        return;
    while (list->touched != NULL) {
        mr_wait_slot *slot = list->touched;
        list->touched = slot->next;
        slot->touched = false;
        if (slot->before != NULL && slot->now == &slot->before->dispatch)
            continue;
        let_go(list, slot->before, gone);
        slot->before = NULL;
        if (slot->after != NULL) {
            list->bytes += bytes_of(slot->after);
            slot->before = slot->after;
            slot->after = NULL;
            slot->now = &slot->before->dispatch;
        } else if (slot->now == NULL) {
            drop_slot(list, slot);
        }
    }
}

void mr_waitlist_reject(mr_program *program)
{
    mr_waitlist *list = program->waitlist;
    if (list == NULL)
        return;
    while (list->touched != NULL) {
        mr_wait_slot *slot = list->touched;
        list->touched = slot->next;
        slot->touched = false;
        mr_queued_free(slot->after);
        slot->after = NULL;
        slot->now = slot->before != NULL ? &slot->before->dispatch : NULL;
        if (slot->now == NULL)
            drop_slot(list, slot);
    }
}

mr_status mr_waitlist_restore(mr_program *program, mr_queued *queued)
{
    mr_wait_slot *slot = find_slot(program, &queued->dispatch.message.id);
    if (slot == NULL)
        MR_TRY(add_slot(program, &queued->dispatch.message.id, &slot));
    MR_ASSERT(slot->before == NULL);
    slot->now = &queued->dispatch;
    return MR_OK;
}

mr_status mr_waitlist_encode(const mr_queued *waiting, mr_buffer *out)
{
    const mr_extra *extra = &waiting->extra;
    mr_writer writer = {.buffer = out};
    mr_write_u8(&writer, RECORD_VERSION);
    mr_write_u32(&writer, extra->since);
    mr_write_u32(&writer, extra->wish);
    mr_write_u32(&writer, extra->until);
    mr_write_u64(&writer, extra->task_sequence);
    mr_dispatch_write(&writer, &waiting->dispatch, &waiting->dispatch.program->id);
    return writer.failed ? MR_NO_MEMORY : MR_OK;
}

bool mr_waitlist_read(mr_span record, mr_dispatch_record *out)
{
    mr_reader reader = mr_reader_of(record);
    if (mr_read_u8(&reader) != RECORD_VERSION)
        return false;
    const uint32_t since = mr_read_u32(&reader), wish = mr_read_u32(&reader),
                   until = mr_read_u32(&reader);
    const uint64_t sequence = mr_read_u64(&reader);
    if (!mr_dispatch_read(&reader, out) || !mr_reader_done(&reader) ||
        out->dispatch.extra == NULL || !out->extra.waited || out->extra.removed ||
        out->dispatch.message.kind == MR_KIND_VALUE)
        return false;
    out->extra.since = since;
    out->extra.wish = wish;
    out->extra.until = until;
    out->extra.task_sequence = sequence;
    return true;
}

mr_status mr_waitlist_decode(mr_program *program, const mr_wait_source *from, const mr_id *id,
                             mr_span record, mr_queued **out)
{
    mr_dispatch_record read;
    if (!mr_waitlist_read(record, &read) || !mr_id_equal(&read.dispatch.message.id, id) ||
        !mr_id_equal(&read.destination, &program->id))
        return MR_CORRUPT;
    if (read.extra.since > from->height || (read.extra.until < from->height && !from->alone) ||
        read.extra.until != mr_waiting_until(&read.dispatch, from->rent))
        return MR_CORRUPT;
    mr_queued *waiting;
    read.dispatch.program = program;
    MR_TRY(mr_queued_new(&read.dispatch, &waiting));
    waiting->extra.waiting = true;
    *out = waiting;
    return MR_OK;
}

uint64_t mr_waitlist_bytes(const mr_program *program)
{
    const mr_waitlist *list = program->waitlist;
    if (list == NULL)
        return 0;
    return sizeof *list + list->capacity * sizeof *list->slots + list->bytes;
}

void mr_waitlist_free(mr_waitlist *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->capacity; i++) {
        if (list->slots[i] == NULL)
            continue;
        mr_queued_free(list->slots[i]->after);
        mr_queued_free(list->slots[i]->before);
    }
    while (list->slabs != NULL) {
        slab *next = list->slabs->next;
        free(list->slabs);
        list->slabs = next;
    }
    free(list->slots);
    free(list);
}
