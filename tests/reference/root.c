/* SPDX-License-Identifier: Apache-2.0 */
/* root: the commitment to the whole state, computed from nothing. Every thing is a pair
 * (H(table number, key), H(record)); the tree over the pairs is that of storage/tree.h, told
 * recursively. */
#include <stdlib.h>

#include "base/assert.h"
#include "storage/hash.h"
#include "tests/reference/reference_internal.h"

/* Numbers of the tables. */
enum { META = 0, CODE = 1, PROGRAM = 2, QUEUE = 4, MAILBOX = 5, ACCOUNT = 6 };

enum { RECORD_VERSION = 1 };

typedef struct leaf {
    mr_hash key;
    mr_hash leaf;
} leaf;

typedef struct leaves {
    leaf *at;
    size_t count;
} leaves;

/* ---- The tree ---- */

static int bit_of(const mr_hash *key, uint32_t bit)
{
    return key->bytes[bit / 8] >> (7 - bit % 8) & 1;
}

/* Parts the leaves by their bit `depth`: those with 0 come first. Returns how many these are. */
static size_t part(leaf *at, size_t count, uint32_t depth)
{
    size_t zeros = 0;
    for (size_t i = 0; i < count; i++) {
        if (bit_of(&at[i].key, depth) != 0)
            continue;
        const leaf moved = at[i];
        at[i] = at[zeros];
        at[zeros++] = moved;
    }
    return zeros;
}

/* The root of leaves that agree on all bits before `depth`. */
static mr_hash root_of(leaf *at, size_t count, uint32_t depth)
{
    if (count == 0)
        return (mr_hash){0};
    if (count == 1)
        return mr_hash_pair(MR_HASH_LEAF, &at[0].key, &at[0].leaf);
    const size_t zeros = part(at, count, depth);
    if (zeros == 0 || zeros == count)
        return root_of(at, count, depth + 1);
    const mr_hash left = root_of(at, zeros, depth + 1);
    const mr_hash right = root_of(at + zeros, count - zeros, depth + 1);
    return mr_hash_pair(depth, &left, &right);
}

/* ---- Records ---- */

void mr_reference_put(mr_buffer *to, const void *bytes, size_t size)
{
    mr_status status = mr_buffer_append(to, mr_span_of(bytes, size));
    MR_ASSERT(status == MR_OK);
}

static void put_u8(mr_buffer *to, unsigned value)
{
    const uint8_t byte = (uint8_t)value;
    mr_reference_put(to, &byte, 1);
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

static void add(leaves *all, uint8_t table, const void *key, size_t key_bytes,
                const mr_buffer *record)
{
    mr_buffer text = {0};
    put_u8(&text, table);
    mr_reference_put(&text, key, key_bytes);
    const leaf made = {mr_hash_bytes(mr_buffer_span(&text)), mr_hash_bytes(mr_buffer_span(record))};
    mr_buffer_fini(&text);
    all->at = mr_reference_room(all->at, all->count, sizeof *all->at);
    all->at[all->count++] = made;
}

/* ---- Everything there is ---- */

/* Root of the 256-byte units that differ from the code's; how many they are. */
static mr_hash memory_root(const mr_reference_actor *p, uint32_t *differ)
{
    static const uint8_t zeros[MR_UNIT_BYTES];
    leaves units = {0};
    for (uint32_t unit = 0; unit < p->pages * MR_PAGE_UNITS; unit++) {
        const uint8_t *bytes = p->memory + (size_t)unit * MR_UNIT_BYTES;
        const uint8_t *initial = mr_code_base_unit(p->code, unit);
        if (memcmp(bytes, initial != NULL ? initial : zeros, MR_UNIT_BYTES) == 0)
            continue;
        leaf made;
        memset(&made, 0, sizeof made);
        mr_hash_runs(&bytes, MR_UNIT_BYTES, &made.leaf, 1);
        mr_store_be32(made.key.bytes, unit);
        units.at = mr_reference_room(units.at, units.count, sizeof *units.at);
        units.at[units.count++] = made;
    }
    *differ = (uint32_t)units.count;
    const mr_hash root = root_of(units.at, units.count, 0);
    free(units.at);
    return root;
}

static void add_program(leaves *all, const mr_reference_actor *p)
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
    if (p->status == MR_PROGRAM_EXITED)
        put_id(&record, &p->heir);
    uint32_t differ;
    const mr_hash memory = memory_root(p, &differ);
    mr_reference_put(&record, &memory, sizeof memory);
    add(all, PROGRAM, &p->id, sizeof p->id, &record);
    mr_buffer_fini(&record);
}

static void add_message(leaves *all, const mr_reference_message *q)
{
    mr_buffer record = {0};
    put_u8(&record, RECORD_VERSION);
    put_u8(&record, q->message.kind);
    put_u8(&record, q->from_program);
    put_id(&record, &q->message.id);
    put_id(&record, &q->destination);
    put_id(&record, q->message.source);
    put_id(&record, &q->payer);
    put_value(&record, q->message.value);
    put_u64(&record, q->message.gas_limit);
    if (q->message.kind == MR_KIND_REPLY) {
        put_id(&record, q->message.reply_to);
        mr_reference_put(&record, q->message.code, sizeof q->message.code);
    }
    put_span(&record, q->message.payload);
    uint8_t key[8];
    mr_store_be64(key, q->sequence);
    add(all, QUEUE, key, sizeof key, &record);
    mr_buffer_fini(&record);
}

static void add_letter(leaves *all, const mr_reference_letter *letter)
{
    mr_id key[2] = {letter->user, letter->message};
    mr_buffer record = {0};
    put_id(&record, &letter->program);
    add(all, MAILBOX, key, sizeof key, &record);
    mr_buffer_fini(&record);
}

static void add_account(leaves *all, const mr_balance *account)
{
    mr_buffer record = {0};
    put_u8(&record, RECORD_VERSION);
    put_value(&record, account->balance);
    add(all, ACCOUNT, &account->account, sizeof account->account, &record);
    mr_buffer_fini(&record);
}

static void add_counters(leaves *all, const mr_reference *r, uint64_t accounts_count)
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
    put_u64(&record, r->sequences);
    put_u64(&record, r->programs_count);
    put_u64(&record, r->codes_count);
    put_u64(&record, accounts_count);
    add(all, META, "counters", strlen("counters"), &record);
    mr_buffer_fini(&record);
}

mr_id mr_reference_root(const mr_reference *r)
{
    leaves all = {0};
    uint64_t accounts_count = 0;
    for (size_t i = 0; i < r->codes_count; i++) {
        mr_buffer record = {0};
        put_id(&record, &r->codes[i].id);
        add(&all, CODE, &r->codes[i].id, sizeof(mr_id), &record);
        mr_buffer_fini(&record);
    }
    for (size_t i = 0; i < r->programs_count; i++)
        add_program(&all, &r->programs[i]);
    for (size_t i = 0; i < r->queue_count; i++)
        add_message(&all, &r->queue[i]);
    for (size_t i = 0; i < r->letters_count; i++)
        add_letter(&all, &r->letters[i]);
    for (size_t i = 0; i < r->accounts_count; i++) {
        if (r->accounts[i].balance == 0)
            continue;
        accounts_count++;
        add_account(&all, &r->accounts[i]);
    }
    add_counters(&all, r, accounts_count);
    const mr_hash root = root_of(all.at, all.count, 0);
    free(all.at);
    mr_id out;
    memcpy(out.bytes, root.bytes, sizeof out.bytes);
    return out;
}

bool mr_reference_program(const mr_reference *r, size_t i, mr_program_info *out)
{
    if (i >= r->programs_count)
        return false;
    const mr_reference_actor *p = &r->programs[i];
    *out = (mr_program_info){
        .id = p->id,
        .code = p->code_id,
        .status = p->status,
        .inheritor = p->heir,
        .balance = p->balance,
        .pages = p->pages,
    };
    const mr_hash root = memory_root(p, &out->units);
    memcpy(out->memory_root.bytes, root.bytes, sizeof out->memory_root.bytes);
    return true;
}
