/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/workload.h"

#include <stdlib.h>
#include <string.h>

#include "tools/guest/embedded.h"

/* A different number for every i, the same on every machine (splitmix64's mixer). */
static uint64_t mix(uint64_t i)
{
    uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

mr_span mr_plan_bytes(mr_plan *plan, const void *data, size_t size)
{
    void *copy = mr_arena_alloc(&plan->arena, size);
    if (copy == NULL) {
        plan->no_memory = true;
        return (mr_span){0};
    }
    memcpy(copy, data, size);
    return mr_span_of(copy, size);
}

const mr_workload *mr_workload_find(const char *name)
{
    for (size_t i = 0; i < mr_workloads_count; i++)
        if (strcmp(mr_workloads[i].name, name) == 0)
            return &mr_workloads[i];
    return NULL;
}

/* Programs of one code differ by their salt: their number. */
static mr_span salt_of(mr_plan *plan, uint64_t number)
{
    return mr_plan_bytes(plan, &number, sizeof number);
}

static mr_status find_modules(mr_plan *plan, mr_error *error)
{
    for (size_t i = 0; i < plan->parts_count; i++) {
        mr_part *part = &plan->part[i];
        part->module = mr_embedded_find(part->kind->module);
        if (part->module.size == 0)
            return MR_FAIL(error, MR_NOT_FOUND, "this millrace was built without the program %s",
                           part->kind->module);
        part->code = mr_id_of_code(part->module);
        for (uint64_t j = 0; j < part->count; j++) {
            uint64_t number = part->first + j;
            plan->program[number] =
                mr_id_of_program(&part->code, mr_span_of(&number, sizeof number));
        }
    }
    return MR_OK;
}

static mr_status find_weights(mr_plan *plan, mr_error *error)
{
    for (size_t i = 0; i < plan->parts_count; i++) {
        mr_part *part = &plan->part[i];
        if (!part->kind->zipf)
            continue;
        part->weights = calloc(part->count, sizeof *part->weights);
        if (part->weights == NULL)
            return MR_FAIL(error, MR_NO_MEMORY, "out of memory for %llu programs",
                           (unsigned long long)part->count);
        uint64_t sum = 0;
        for (uint64_t j = 0; j < part->count; j++)
            part->weights[j] = sum += (UINT64_C(1) << 40) / (j + 1);
    }
    return MR_OK;
}

mr_status mr_plan_init(mr_plan *plan, const mr_workload *workload, uint64_t programs,
                       mr_error *error)
{
    *plan = (mr_plan){.workload = workload, .user = mr_id_of_name("bench")};
    workload->lay_out(plan, programs > 0 ? programs : workload->programs_default);
    plan->program = calloc(plan->programs_count, sizeof *plan->program);
    if (plan->program == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for %llu programs",
                       (unsigned long long)plan->programs_count);
    mr_status status = find_modules(plan, error);
    if (status == MR_OK)
        status = find_weights(plan, error);
    if (status != MR_OK)
        mr_plan_fini(plan);
    return status;
}

void mr_plan_fini(mr_plan *plan)
{
    for (size_t p = 0; p < plan->parts_count; p++)
        free(plan->part[p].weights);
    free(plan->program);
    mr_arena_fini(&plan->arena);
    *plan = (mr_plan){0};
}

void mr_plan_forget(mr_plan *plan)
{
    mr_arena_reset(&plan->arena, SIZE_MAX);
}

/* Two parts may have the same module; it is uploaded once. */
bool mr_plan_upload(mr_plan *plan, uint64_t i, mr_transaction *out)
{
    for (size_t p = 0; p < plan->parts_count; p++) {
        bool before = false;
        for (size_t q = 0; q < p; q++)
            before |= plan->part[q].kind->module == plan->part[p].kind->module;
        if (before || i-- > 0)
            continue;
        *out = (mr_transaction){
            .kind = MR_TRANSACTION_UPLOAD, .from = plan->user, .payload = plan->part[p].module};
        return true;
    }
    return false;
}

static const mr_part *part_of(const mr_plan *plan, uint64_t number)
{
    size_t p = 0;
    while (number >= plan->part[p].first + plan->part[p].count)
        p++;
    return &plan->part[p];
}

bool mr_plan_create(mr_plan *plan, uint64_t i, mr_transaction *out)
{
    if (i >= plan->programs_count)
        return false;
    const mr_part *part = part_of(plan, i);
    *out = (mr_transaction){.kind = MR_TRANSACTION_CREATE,
                            .from = plan->user,
                            .to = part->code,
                            .salt = salt_of(plan, i),
                            .gas_limit = UINT64_C(1) << 40};
    if (part->kind->init != NULL)
        out->payload = part->kind->init(plan, part, i - part->first);
    return true;
}

bool mr_plan_setup(mr_plan *plan, uint64_t i, mr_transaction *out)
{
    for (size_t p = 0; p < plan->parts_count; p++) {
        const mr_part *part = &plan->part[p];
        uint64_t count = part->count * part->kind->setup_count;
        if (i >= count) {
            i -= count;
            continue;
        }
        *out = (mr_transaction){.kind = MR_TRANSACTION_SEND,
                                .from = plan->user,
                                .to = plan->program[part->first + i % part->count],
                                .gas_limit = UINT64_C(1) << 40};
        if (part->kind->setup != NULL)
            out->payload = part->kind->setup(plan, part, i / part->count);
        return true;
    }
    return false;
}

/* The program of the part that `random` falls on. */
static uint64_t draw_program(const mr_part *part, uint64_t random)
{
    if (part->weights == NULL)
        return (random >> 24) % part->count;
    const uint64_t at = random % part->weights[part->count - 1];
    uint64_t low = 0, high = part->count - 1; /* the first whose sum is above `at` is in here */
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (part->weights[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

uint64_t mr_plan_message(mr_plan *plan, uint64_t i, mr_transaction *out)
{
    /* 37 and 100 have no common divisor: each hundred in a row draws every part by its share. */
    uint64_t random = mix(i), draw = i * 37 % 100;
    size_t p = 0;
    while (draw >= plan->part[p].share) {
        draw -= plan->part[p].share;
        p++;
    }
    const mr_part *part = &plan->part[p];
    const uint64_t number = part->first + draw_program(part, random);
    *out = (mr_transaction){.kind = MR_TRANSACTION_SEND,
                            .from = plan->user,
                            .to = plan->program[number],
                            .gas_limit = part->kind->gas};
    if (part->kind->message != NULL)
        out->payload = part->kind->message(plan, part, random);
    return number;
}

uint64_t mr_plan_transactions(const mr_plan *plan, uint64_t messages)
{
    uint64_t of_hundred = 0;
    for (size_t p = 0; p < plan->parts_count; p++)
        of_hundred += plan->part[p].share * plan->part[p].kind->messages_per_transaction;
    uint64_t hundreds = messages / of_hundred, rest = messages % of_hundred;
    return hundreds * 100 + (rest * 100 + of_hundred - 1) / of_hundred;
}
