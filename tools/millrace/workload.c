/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/workload.h"

#include <stdlib.h>
#include <string.h>

#include "tools/guest/embedded.h"

enum {
    RING_HOPS = 99,
    FANOUT_WIDTH = 64,
    TOKEN_HOLDERS = 10000,
    TOKEN_POPULATE = 500, /* holders a setup message mints for */
    COMPUTE_STEPS = 200,
    ANSWER_GAS = 1000000000,
};

/* A different number for every i, the same on every machine (splitmix64's mixer). */
static uint64_t mix(uint64_t i)
{
    uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static mr_span bytes(mr_plan *plan, const void *data, size_t size)
{
    void *copy = mr_arena_alloc(&plan->arena, size);
    if (copy == NULL) {
        plan->no_memory = true;
        return (mr_span){0};
    }
    memcpy(copy, data, size);
    return mr_span_of(copy, size);
}

/* The ring of a part is closed: its last program sends to its first. */
static mr_span ring_init(mr_plan *plan, const mr_part *part, uint64_t j)
{
    return mr_span_of(&plan->program[part->first + (j + 1) % part->count], sizeof(mr_id));
}

static mr_span ring_message(mr_plan *plan, const mr_part *part, uint64_t random)
{
    (void)part;
    (void)random;
    static const uint32_t hops = RING_HOPS;
    return bytes(plan, &hops, sizeof hops);
}

/* Every fan has counters of its own. */
static mr_span fanout_init(mr_plan *plan, const mr_part *part, uint64_t j)
{
    return mr_span_of(&plan->program[part->peers + j * FANOUT_WIDTH], FANOUT_WIDTH * sizeof(mr_id));
}

typedef struct __attribute__((packed)) token_options {
    uint32_t holders_max;
    uint8_t open;
} token_options;

typedef struct __attribute__((packed)) token_populate {
    uint8_t kind;
    uint32_t first, count;
    uint64_t amount[2];
} token_populate;

typedef struct __attribute__((packed)) token_transfer {
    uint8_t kind;
    uint32_t from;
    uint8_t from_rest[28];
    uint32_t to;
    uint8_t to_rest[28];
    uint64_t amount[2];
} token_transfer;

static mr_span token_init(mr_plan *plan, const mr_part *part, uint64_t j)
{
    (void)part;
    (void)j;
    token_options options = {.holders_max = TOKEN_HOLDERS, .open = 1};
    return bytes(plan, &options, sizeof options);
}

static mr_span token_setup(mr_plan *plan, const mr_part *part, uint64_t turn)
{
    (void)part;
    token_populate populate = {.kind = 5,
                               .first = (uint32_t)turn * TOKEN_POPULATE,
                               .count = TOKEN_POPULATE,
                               .amount = {UINT64_C(1) << 40}};
    return bytes(plan, &populate, sizeof populate);
}

static mr_span token_message(mr_plan *plan, const mr_part *part, uint64_t random)
{
    (void)part;
    uint32_t from = (uint32_t)(random % TOKEN_HOLDERS);
    uint32_t to = (from + 1 + (uint32_t)(random >> 20) % (TOKEN_HOLDERS - 1)) % TOKEN_HOLDERS;
    token_transfer transfer = {.kind = 2, .from = from, .to = to, .amount = {1}};
    return bytes(plan, &transfer, sizeof transfer);
}

static mr_span compute_message(mr_plan *plan, const mr_part *part, uint64_t random)
{
    (void)part;
    (void)random;
    static const uint32_t steps = COMPUTE_STEPS;
    return bytes(plan, &steps, sizeof steps);
}

static mr_span ping_message(mr_plan *plan, const mr_part *part, uint64_t random)
{
    (void)plan;
    (void)part;
    (void)random;
    return mr_span_text("PING");
}

static mr_span capacitor_init(mr_plan *plan, const mr_part *part, uint64_t j)
{
    (void)plan;
    (void)part;
    (void)j;
    return mr_span_text("2500");
}

static mr_span capacitor_message(mr_plan *plan, const mr_part *part, uint64_t random)
{
    (void)plan;
    (void)part;
    return mr_span_text(random % 3 == 0 ? "2000" : "600");
}

static const mr_part_kind counter = {
    .module = "counter", .gas = ANSWER_GAS, .messages_per_transaction = 1};
static const mr_part_kind ring = {.module = "ring",
                                  .init = ring_init,
                                  .message = ring_message,
                                  .gas = UINT64_C(1) << 40,
                                  .messages_per_transaction = RING_HOPS + 1};
static const mr_part_kind fanout = {.module = "fanout",
                                    .init = fanout_init,
                                    .gas = UINT64_C(1) << 40,
                                    .messages_per_transaction = FANOUT_WIDTH + 1};
static const mr_part_kind token = {.module = "token",
                                   .init = token_init,
                                   .setup_count = TOKEN_HOLDERS / TOKEN_POPULATE,
                                   .setup = token_setup,
                                   .message = token_message,
                                   .gas = ANSWER_GAS,
                                   .messages_per_transaction = 1};
static const mr_part_kind compute = {.module = "compute",
                                     .message = compute_message,
                                     .gas = ANSWER_GAS,
                                     .messages_per_transaction = 1};
static const mr_part_kind cold = {
    .module = "cold", .gas = ANSWER_GAS, .messages_per_transaction = 1};
static const mr_part_kind ping = {
    .module = "ping", .message = ping_message, .gas = ANSWER_GAS, .messages_per_transaction = 1};
static const mr_part_kind capacitor = {.module = "capacitor",
                                       .init = capacitor_init,
                                       .message = capacitor_message,
                                       .gas = ANSWER_GAS,
                                       .messages_per_transaction = 1};

static mr_part *add_part(mr_plan *plan, const mr_part_kind *kind, uint64_t count, uint64_t share)
{
    mr_part *part = &plan->part[plan->parts_count++];
    *part = (mr_part){.kind = kind,
                      .first = plan->programs_count,
                      .count = count > 0 ? count : 1,
                      .share = share};
    plan->programs_count += part->count;
    return part;
}

static void add_fanout(mr_plan *plan, uint64_t fans, uint64_t share)
{
    mr_part *counters = add_part(plan, &counter, fans * FANOUT_WIDTH, 0);
    mr_part *part = add_part(plan, &fanout, fans, share);
    part->peers = counters->first;
}

static void lay_out_counter(mr_plan *plan, uint64_t n)
{
    add_part(plan, &counter, n, 100);
}
static void lay_out_ring(mr_plan *plan, uint64_t n)
{
    add_part(plan, &ring, n, 100);
}
static void lay_out_token(mr_plan *plan, uint64_t n)
{
    add_part(plan, &token, n, 100);
}
static void lay_out_compute(mr_plan *plan, uint64_t n)
{
    add_part(plan, &compute, n, 100);
}
static void lay_out_cold(mr_plan *plan, uint64_t n)
{
    add_part(plan, &cold, n, 100);
}

static void lay_out_hot(mr_plan *plan, uint64_t n)
{
    (void)n;
    add_part(plan, &counter, 1, 100);
}

static void lay_out_fanout(mr_plan *plan, uint64_t n)
{
    add_fanout(plan, n / (FANOUT_WIDTH + 1) > 0 ? n / (FANOUT_WIDTH + 1) : 1, 100);
}

/* Shares are of transactions; a ring makes 100 messages of one, a fan 65. */
static void lay_out_demo(mr_plan *plan, uint64_t n)
{
    add_part(plan, &counter, n * 3 / 10, 40);
    add_part(plan, &ring, n / 10, 1);
    add_part(plan, &token, n / 100, 20);
    add_fanout(plan, n / (5 * (FANOUT_WIDTH + 1)) > 0 ? n / (5 * (FANOUT_WIDTH + 1)) : 1, 1);
    add_part(plan, &ping, n / 10, 23);
    add_part(plan, &capacitor, n / 10, 14);
    add_part(plan, &compute, n / 20, 1);
}

const mr_workload mr_workloads[] = {
    {"counter", "a number goes up by one", 1000, lay_out_counter},
    {"ring", "a message goes through 100 programs, one after the other", 1000, lay_out_ring},
    {"token", "transfers between random pairs of 10,000 holders", 16, lay_out_token},
    {"fanout", "one message becomes 64, to 64 counters", 1040, lay_out_fanout},
    {"hot", "every message goes to the same program", 1, lay_out_hot},
    {"compute", "200 rounds of a hash's mixing step, 12,000 instructions", 64, lay_out_compute},
    {"cold", "each message changes 8 bytes of a random program's 1 MiB", 10000, lay_out_cold},
    {"demo", "all kinds mixed", 1000, lay_out_demo},
};
const size_t mr_workloads_count = sizeof mr_workloads / sizeof mr_workloads[0];

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
    return bytes(plan, &number, sizeof number);
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
    if (status != MR_OK)
        mr_plan_fini(plan);
    return status;
}

void mr_plan_fini(mr_plan *plan)
{
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
                                .payload = part->kind->setup(plan, part, i / part->count),
                                .gas_limit = UINT64_C(1) << 40};
        return true;
    }
    return false;
}

void mr_plan_message(mr_plan *plan, uint64_t i, mr_transaction *out)
{
    /* 37 and 100 have no common divisor: each hundred in a row draws every part by its share. */
    uint64_t random = mix(i), draw = i * 37 % 100;
    size_t p = 0;
    while (draw >= plan->part[p].share) {
        draw -= plan->part[p].share;
        p++;
    }
    const mr_part *part = &plan->part[p];
    *out = (mr_transaction){.kind = MR_TRANSACTION_SEND,
                            .from = plan->user,
                            .to = plan->program[part->first + (random >> 24) % part->count],
                            .gas_limit = part->kind->gas};
    if (part->kind->message != NULL)
        out->payload = part->kind->message(plan, part, random);
}

uint64_t mr_plan_transactions(const mr_plan *plan, uint64_t messages)
{
    uint64_t of_hundred = 0;
    for (size_t p = 0; p < plan->parts_count; p++)
        of_hundred += plan->part[p].share * plan->part[p].kind->messages_per_transaction;
    uint64_t hundreds = messages / of_hundred, rest = messages % of_hundred;
    return hundreds * 100 + (rest * 100 + of_hundred - 1) / of_hundred;
}
