/* SPDX-License-Identifier: Apache-2.0 */
/* root: the records of docs/FORMATS.md, and the commitment to the whole state, computed from
 * nothing. Every thing is a pair (H(table number, key), H(record)). */
#include <stdlib.h>

#include "base/assert.h"
#include "storage/hash.h"
#include "tests/reference/reference_internal.h"
#include "tests/reference/tree.h"

/* Numbers of the tables. */
enum {
    META = 0,
    CODE = 1,
    PROGRAM = 2,
    QUEUE = 4,
    MAILBOX = 5,
    ACCOUNT = 6,
    WAITLIST = 10,
    TASK = 11,
};

enum { RECORD_VERSION = 2, ACCOUNT_VERSION = 1 };

/* What a message may have, as flags of its record. */
enum {
    FROM_PROGRAM = 1,
    REMOVED = 2,
    HAS_ORIGIN = 4,
    HAS_DEPOSIT = 8,
    HAS_SPONSOR = 16,
    HAS_WAITED = 32,
};

/* The same for a letter. */
enum { LETTER_HAS_ORIGIN = 1, LETTER_HAS_DEPOSIT = 2 };

/* ---- Records ---- */

static void put_u8(mr_buffer *to, unsigned value)
{
    const uint8_t byte = (uint8_t)value;
    mr_reference_put(to, &byte, 1);
}

static void put_u32(mr_buffer *to, uint32_t value)
{
    mr_reference_put(to, &value, sizeof value);
}

static void put_u64(mr_buffer *to, uint64_t value)
{
    mr_reference_put(to, &value, sizeof value);
}

static void put_value(mr_buffer *to, mr_value value)
{
    mr_reference_put(to, &value, sizeof value);
}

static void put_id(mr_buffer *to, const mr_id *id)
{
    mr_reference_put(to, id, sizeof *id);
}

/* LEB128 */
static void put_number(mr_buffer *to, uint64_t value)
{
    while (value >= 0x80) {
        put_u8(to, (value & 0x7f) | 0x80);
        value >>= 7;
    }
    put_u8(to, (unsigned)value);
}

static void put_span(mr_buffer *to, mr_span span)
{
    put_number(to, span.size);
    mr_reference_put(to, span.data, span.size);
}

static void add(mr_reference_leaves *all, uint8_t table, const void *key, size_t key_bytes,
                const mr_buffer *record)
{
    mr_buffer text = {0};
    put_u8(&text, table);
    mr_reference_put(&text, key, key_bytes);
    const mr_reference_leaf made = {mr_hash_bytes(mr_buffer_span(&text)),
                                    mr_hash_bytes(mr_buffer_span(record))};
    mr_buffer_fini(&text);
    all->at = mr_reference_room(all->at, all->count, sizeof *all->at);
    all->at[all->count++] = made;
}

/* ---- Everything there is ---- */

/* Root of the 256-byte units that differ from the code's; how many they are. */
static mr_hash memory_root(const mr_reference_actor *p, uint32_t *differ)
{
    static const uint8_t zeros[MR_UNIT_BYTES];
    mr_reference_leaves units = {0};
    for (uint32_t unit = 0; unit < p->pages * MR_PAGE_UNITS; unit++) {
        const uint8_t *bytes = p->memory + (size_t)unit * MR_UNIT_BYTES;
        const uint8_t *initial = mr_code_base_unit(p->code, unit);
        if (memcmp(bytes, initial != NULL ? initial : zeros, MR_UNIT_BYTES) == 0)
            continue;
        mr_reference_leaf made;
        memset(&made, 0, sizeof made);
        mr_hash_runs(&bytes, MR_UNIT_BYTES, &made.leaf, 1);
        mr_store_be32(made.key.bytes, unit);
        units.at = mr_reference_room(units.at, units.count, sizeof *units.at);
        units.at[units.count++] = made;
    }
    *differ = (uint32_t)units.count;
    const mr_hash root = mr_reference_tree_root(units.at, units.count, 0);
    free(units.at);
    return root;
}

/* Sequence number of the task that ends something; all that has one has it. */
static uint64_t sequence_of(const mr_reference *r, mr_reference_what what, const mr_id *owner,
                            const mr_id *object)
{
    const size_t i = mr_reference_find_task(r, what, owner, object);
    MR_ASSERT(i != SIZE_MAX && r->tasks[i].numbered);
    return r->tasks[i].sequence;
}

static void put_reservation(mr_buffer *to, const mr_reference *r, const mr_id *program,
                            const mr_reservation *reservation)
{
    put_id(to, &reservation->id);
    put_id(to, &reservation->payer);
    put_number(to, reservation->amount);
    put_u32(to, reservation->start);
    put_u32(to, reservation->finish);
    put_u64(to, sequence_of(r, MR_REFERENCE_END_OF_RESERVATION, program, &reservation->id));
}

static uint64_t waiting_in(const mr_reference *r, const mr_id *program)
{
    uint64_t count = 0;
    for (size_t i = 0; i < r->waitlist_count; i++)
        count += mr_reference_same(&r->waitlist[i].message.destination, program);
    return count;
}

static void add_program(mr_reference_leaves *all, const mr_reference *r,
                        const mr_reference_actor *p)
{
    mr_buffer record = {0};
    put_u8(&record, RECORD_VERSION);
    put_u8(&record, p->status);
    put_id(&record, &p->code_id);
    put_value(&record, p->balance);
    put_number(&record, p->pages);
    put_number(&record, p->heap.count);
    for (uint32_t i = 0; i < p->heap.count; i++) {
        put_number(&record, p->heap.ranges[i].first);
        put_number(&record, p->heap.ranges[i].end);
    }
    put_number(&record, waiting_in(r, &p->id));
    put_number(&record, p->reservations_count);
    for (size_t i = 0; i < p->reservations_count; i++)
        put_reservation(&record, r, &p->id, &p->reservations[i]);
    if (p->status == MR_PROGRAM_EXITED)
        put_id(&record, &p->heir);
    uint32_t differ;
    const mr_hash memory = memory_root(p, &differ);
    mr_reference_put(&record, &memory, sizeof memory);
    add(all, PROGRAM, &p->id, sizeof p->id, &record);
    mr_buffer_fini(&record);
}

static void put_context(mr_buffer *to, const mr_context *context)
{
    put_number(to, context->handles);
    put_number(to, context->reservations);
    put_number(to, context->system_gas);
    put_number(to, context->created_count);
    for (uint32_t i = 0; i < context->created_count; i++)
        put_id(to, &context->created[i]);
}

static unsigned flags_of(const mr_reference_message *m)
{
    return (m->from_program ? FROM_PROGRAM : 0u) | (m->removed ? REMOVED : 0u) |
           (m->has_origin ? HAS_ORIGIN : 0u) | (m->deposit != 0 ? HAS_DEPOSIT : 0u) |
           (m->sponsored != 0 ? HAS_SPONSOR : 0u) | (m->has_waited ? HAS_WAITED : 0u);
}

static void put_message(mr_buffer *to, const mr_reference_message *m)
{
    put_u8(to, m->message.kind);
    put_u8(to, flags_of(m));
    put_id(to, &m->message.id);
    put_id(to, &m->destination);
    put_id(to, m->message.source);
    put_id(to, &m->payer);
    put_value(to, m->message.value);
    put_u64(to, m->message.gas_limit);
    if (m->message.kind == MR_KIND_REPLY) {
        put_id(to, m->message.reply_to);
        mr_reference_put(to, m->message.code, sizeof m->message.code);
    } else if (m->message.kind == MR_KIND_SIGNAL) {
        put_id(to, m->message.reply_to);
        put_u32(to, m->message.signal);
    }
    put_span(to, m->message.payload);
    if (m->has_origin)
        put_id(to, &m->origin);
    if (m->deposit != 0)
        put_number(to, m->deposit);
    if (m->sponsored != 0) {
        put_id(to, &m->sponsor);
        put_number(to, m->sponsored);
    }
    if (m->has_waited)
        put_context(to, &m->context);
}

static void add_queued(mr_reference_leaves *all, const mr_reference_message *q)
{
    mr_buffer record = {0};
    put_u8(&record, RECORD_VERSION);
    put_message(&record, q);
    uint8_t key[8];
    mr_store_be64(key, q->sequence);
    add(all, QUEUE, key, sizeof key, &record);
    mr_buffer_fini(&record);
}

static void add_waiting(mr_reference_leaves *all, const mr_reference *r,
                        const mr_reference_waiting_message *w)
{
    const mr_id key[2] = {w->message.destination, w->message.message.id};
    mr_buffer record = {0};
    put_u8(&record, RECORD_VERSION);
    put_u32(&record, w->since);
    put_u32(&record, w->wish);
    put_u32(&record, w->until);
    put_u64(&record, sequence_of(r, MR_REFERENCE_END_OF_WAITING, &key[0], &key[1]));
    put_message(&record, &w->message);
    add(all, WAITLIST, key, sizeof key, &record);
    mr_buffer_fini(&record);
}

static void add_task(mr_reference_leaves *all, const mr_reference_task_entry *task)
{
    mr_buffer record = {0};
    put_u8(&record, RECORD_VERSION);
    put_u8(&record, task->what);
    if (task->what == MR_REFERENCE_SEND) {
        put_message(&record, &task->message);
    } else {
        put_id(&record, &task->owner);
        put_id(&record, &task->object);
    }
    uint8_t key[12];
    mr_store_be32(key, task->height);
    mr_store_be64(key + 4, task->sequence);
    add(all, TASK, key, sizeof key, &record);
    mr_buffer_fini(&record);
}

static void add_letter(mr_reference_leaves *all, const mr_reference *r,
                       const mr_reference_letter *letter)
{
    const mr_id key[2] = {letter->user, letter->message};
    mr_buffer record = {0};
    put_u8(&record, RECORD_VERSION);
    put_u8(&record, (letter->has_origin ? LETTER_HAS_ORIGIN : 0u) |
                        (letter->deposit != 0 ? LETTER_HAS_DEPOSIT : 0u));
    put_id(&record, &letter->program);
    put_id(&record, &letter->payer);
    put_value(&record, letter->value);
    put_u64(&record, letter->gas);
    put_u32(&record, letter->since);
    put_u32(&record, letter->until);
    put_u64(&record, sequence_of(r, MR_REFERENCE_END_OF_LETTER, &key[0], &key[1]));
    put_span(&record, letter->payload);
    if (letter->has_origin)
        put_id(&record, &letter->origin);
    if (letter->deposit != 0)
        put_number(&record, letter->deposit);
    add(all, MAILBOX, key, sizeof key, &record);
    mr_buffer_fini(&record);
}

static void add_account(mr_reference_leaves *all, const mr_reference_account *account)
{
    mr_buffer record = {0};
    put_u8(&record, ACCOUNT_VERSION);
    put_value(&record, account->balance);
    add(all, ACCOUNT, &account->id, sizeof account->id, &record);
    mr_buffer_fini(&record);
}

static void add_counters(mr_reference_leaves *all, const mr_reference *r)
{
    mr_buffer record = {0};
    put_u8(&record, r->accounts_on);
    put_number(&record, MR_CODE_VERSION);
#define PRICE(field, value, text)                                                                  \
    put_span(&record, mr_span_text(#field));                                                       \
    put_number(&record, r->schedule.field);
    MR_SCHEDULE_MAP(PRICE)
#undef PRICE
    put_value(&record, r->issued);
    put_value(&record, r->burned);
    put_u64(&record, r->queue_sequences);
    put_u64(&record, r->task_sequences);
    put_u64(&record, r->programs_count);
    put_u64(&record, r->codes_count);
    put_u64(&record, mr_reference_accounts_count(r));
    put_u64(&record, r->waitlist_count);
    put_u64(&record, r->letters_count);
    put_u64(&record, r->tasks_count);
    put_u64(&record, mr_reference_gas_held(r));
    add(all, META, "counters", strlen("counters"), &record);
    mr_buffer_fini(&record);
}

mr_id mr_reference_root(const mr_reference *r)
{
    mr_reference_leaves all = {0};
    for (size_t i = 0; i < r->codes_count; i++) {
        mr_buffer record = {0};
        put_id(&record, &r->codes[i].id);
        add(&all, CODE, &r->codes[i].id, sizeof(mr_id), &record);
        mr_buffer_fini(&record);
    }
    for (size_t i = 0; i < r->programs_count; i++)
        add_program(&all, r, r->programs[i]);
    for (size_t i = 0; i < r->queue_count; i++)
        add_queued(&all, &r->queue[i]);
    for (size_t i = 0; i < r->letters_count; i++)
        add_letter(&all, r, &r->letters[i]);
    for (size_t i = 0; i < r->accounts_count; i++) {
        if (r->accounts[i].balance != 0)
            add_account(&all, &r->accounts[i]);
    }
    for (size_t i = 0; i < r->waitlist_count; i++)
        add_waiting(&all, r, &r->waitlist[i]);
    for (size_t i = 0; i < r->tasks_count; i++)
        add_task(&all, &r->tasks[i]);
    add_counters(&all, r);
    const mr_hash root = mr_reference_tree_root(all.at, all.count, 0);
    free(all.at);
    mr_id out;
    memcpy(out.bytes, root.bytes, sizeof out.bytes);
    return out;
}

bool mr_reference_program(const mr_reference *r, size_t i, mr_program_info *out)
{
    if (i >= r->programs_count)
        return false;
    const mr_reference_actor *p = r->programs[i];
    *out = (mr_program_info){
        .id = p->id,
        .code = p->code_id,
        .status = p->status,
        .inheritor = p->heir,
        .balance = p->balance,
        .pages = p->pages,
        .reservations = (uint32_t)p->reservations_count,
        .waiting = waiting_in(r, &p->id),
    };
    const mr_hash root = memory_root(p, &out->units);
    memcpy(out->memory_root.bytes, root.bytes, sizeof out->memory_root.bytes);
    return true;
}
