/* SPDX-License-Identifier: Apache-2.0 */
/* state: arrays that grow, bytes that stay, identifiers, looking things up, accounts. */
#include <sodium.h>
#include <stdlib.h>

#include "base/assert.h"
#include "tests/reference/reference_internal.h"

/* ---- Arrays and bytes ---- */

void *mr_reference_room(void *array, size_t count, size_t element_bytes)
{
    /* Grown by one at a time, in steps of 64; what was cut and comes again has its room. */
    if (count % 64 != 0)
        return array;
    array = realloc(array, (count + 64) * element_bytes);
    MR_ASSERT(array != NULL);
    return array;
}

void mr_reference_put(mr_buffer *to, const void *bytes, size_t size)
{
    mr_status status = mr_buffer_append(to, mr_span_of(bytes, size));
    MR_ASSERT(status == MR_OK);
}

void *mr_reference_keep(mr_reference *r, const void *bytes, size_t size)
{
    void *copy = mr_arena_alloc(&r->kept, size);
    MR_ASSERT(copy != NULL);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

mr_span mr_reference_keep_span(mr_reference *r, mr_span span)
{
    return span.size == 0 ? (mr_span){0}
                          : mr_span_of(mr_reference_keep(r, span.data, span.size), span.size);
}

const mr_id *mr_reference_keep_id(mr_reference *r, const mr_id *id)
{
    return mr_reference_keep(r, id, sizeof *id);
}

/* ---- Identifiers ---- */

bool mr_reference_same(const mr_id *a, const mr_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static mr_id blake2b(const void *bytes, size_t size)
{
    mr_id id;
    (void)crypto_generichash(id.bytes, sizeof id.bytes, bytes, size, NULL, 0);
    return id;
}

/* Of up to three things, one after the other. */
static mr_id id_of(const char *prefix, mr_span a, mr_span b, mr_span c)
{
    mr_buffer text = {0};
    mr_reference_put(&text, prefix, strlen(prefix));
    mr_reference_put(&text, a.data, a.size);
    mr_reference_put(&text, b.data, b.size);
    mr_reference_put(&text, c.data, c.size);
    const mr_id id = blake2b(text.data, text.size);
    mr_buffer_fini(&text);
    return id;
}

#define SPAN(thing) mr_span_of(&(thing), sizeof(thing))

mr_id mr_reference_id_of_code(mr_span module)
{
    return blake2b(module.data, module.size);
}

mr_id mr_reference_id_of_transaction(uint32_t height, const mr_id *payer, uint64_t index)
{
    const mr_value wide = index;
    return id_of("external", SPAN(height), SPAN(*payer), SPAN(wide));
}

mr_id mr_reference_id_of_outgoing(const mr_id *message, uint32_t handle)
{
    return id_of("outgoing", SPAN(*message), SPAN(handle), (mr_span){0});
}

mr_id mr_reference_id_of_reply(const mr_id *message)
{
    return id_of("reply", SPAN(*message), (mr_span){0}, (mr_span){0});
}

mr_id mr_reference_id_of_signal(const mr_id *message)
{
    return id_of("signal", SPAN(*message), (mr_span){0}, (mr_span){0});
}

mr_id mr_reference_id_of_program(const mr_id *code, mr_span salt)
{
    return id_of("program_from_user", SPAN(*code), salt, (mr_span){0});
}

/* ---- Looking things up ---- */

mr_reference_actor *mr_reference_find_program(const mr_reference *r, const mr_id *id)
{
    for (size_t i = 0; i < r->programs_count; i++) {
        if (mr_reference_same(&r->programs[i]->id, id))
            return r->programs[i];
    }
    return NULL;
}

mr_reference_code *mr_reference_find_code(const mr_reference *r, const mr_id *id)
{
    for (size_t i = 0; i < r->codes_count; i++) {
        if (mr_reference_same(&r->codes[i].id, id))
            return &r->codes[i];
    }
    return NULL;
}

size_t mr_reference_find_letter(const mr_reference *r, const mr_id *user, const mr_id *message)
{
    for (size_t i = 0; i < r->letters_count; i++) {
        if (mr_reference_same(&r->letters[i].user, user) &&
            mr_reference_same(&r->letters[i].message, message))
            return i;
    }
    return SIZE_MAX;
}

size_t mr_reference_find_waiting(const mr_reference *r, const mr_id *program, const mr_id *message)
{
    for (size_t i = 0; i < r->waitlist_count; i++) {
        if (mr_reference_same(&r->waitlist[i].message.destination, program) &&
            mr_reference_same(&r->waitlist[i].message.message.id, message))
            return i;
    }
    return SIZE_MAX;
}

size_t mr_reference_find_task(const mr_reference *r, mr_reference_what what, const mr_id *owner,
                              const mr_id *object)
{
    for (size_t i = 0; i < r->tasks_count; i++) {
        if (r->tasks[i].what == what && mr_reference_same(&r->tasks[i].owner, owner) &&
            mr_reference_same(&r->tasks[i].object, object))
            return i;
    }
    return SIZE_MAX;
}

/* ---- Programs ---- */

void mr_reference_reset_memory(mr_reference_actor *p)
{
    p->pages = mr_code_static_pages(p->code);
    free(p->memory);
    p->memory = calloc(p->pages + 1, MR_PAGE_BYTES);
    MR_ASSERT(p->memory != NULL);
    for (uint32_t unit = 0; unit < p->pages * MR_PAGE_UNITS; unit++) {
        const uint8_t *initial = mr_code_base_unit(p->code, unit);
        if (initial != NULL)
            memcpy(p->memory + (size_t)unit * MR_UNIT_BYTES, initial, MR_UNIT_BYTES);
    }
}

mr_reference_actor *mr_reference_add_program(mr_reference *r, const mr_id *id,
                                             const mr_reference_code *code)
{
    mr_reference_actor *made = calloc(1, sizeof *made);
    MR_ASSERT(made != NULL);
    made->id = *id;
    made->code_id = code->id;
    made->code = code->code;
    made->status = MR_PROGRAM_UNINITIALIZED;
    mr_reference_reset_memory(made);
    MR_REFERENCE_ADD(r->programs, r->programs_count, made);
    return made;
}

/* ---- Value and gas that reach users ---- */

mr_reference_account *mr_reference_account_of(mr_reference *r, const mr_id *id)
{
    for (size_t i = 0; i < r->accounts_count; i++) {
        if (mr_reference_same(&r->accounts[i].id, id))
            return &r->accounts[i];
    }
    MR_REFERENCE_ADD(r->accounts, r->accounts_count, ((mr_reference_account){.id = *id}));
    return &r->accounts[r->accounts_count - 1];
}

void mr_reference_pay_out(mr_reference *r, const mr_id *user, mr_value amount)
{
    if (r->accounts_on)
        mr_reference_account_of(r, user)->coming += amount;
    else
        r->leaving += amount;
}

void mr_reference_refund(mr_reference *r, const mr_id *payer, uint64_t gas)
{
    r->block->gas_refunded += gas;
    if (r->accounts_on)
        mr_reference_account_of(r, payer)->coming += (mr_value)gas * r->schedule.value_per_gas;
}

uint64_t mr_reference_gas_max(const mr_reference *r)
{
    const uint64_t ever = (uint64_t)1 << 62;
    return r->block_limit == 0 || r->block_limit > ever ? ever : r->block_limit;
}

uint64_t mr_reference_most(mr_reference *r, const mr_id *payer, uint64_t gas)
{
    const uint64_t most = mr_reference_gas_max(r);
    if (gas <= most)
        return gas;
    mr_reference_refund(r, payer, gas - most);
    return most;
}

void mr_reference_rent(mr_reference *r, uint64_t gas)
{
    r->block->info.gas_rent += gas;
}
