/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/workload.h"

enum {
    RING_HOPS = 99,
    FANOUT_WIDTH = 64,
    TOKEN_HOLDERS = 10000,
    TOKEN_POPULATE = 500, /* holders a setup message mints for */
    COMPUTE_STEPS = 200,
    ACTIVE = 100, /* programs that get messages, of the idle workload */
    ANSWER_GAS = 1000000000,
};

/* The ring of a part is closed: its last program sends to its first. */
static mr_span ring_init(mr_plan *plan, const mr_part *part, uint64_t j)
{
    return mr_span_of(&plan->program[part->first + (j + 1) % part->count], sizeof(mr_id));
}

/* A ring of two: every program sends to its partner, the odd one at the end to itself. */
static mr_span pair_init(mr_plan *plan, const mr_part *part, uint64_t j)
{
    const uint64_t partner = (j ^ 1) < part->count ? j ^ 1 : j;
    return mr_span_of(&plan->program[part->first + partner], sizeof(mr_id));
}

static mr_span peer_init(mr_plan *plan, const mr_part *part, uint64_t j)
{
    return mr_span_of(&plan->program[part->peers + j], sizeof(mr_id));
}

/* The code of the programs to make, which is that of the part of peers. */
static mr_span creator_init(mr_plan *plan, const mr_part *part, uint64_t j)
{
    (void)j;
    return mr_span_of(&plan->part[part->peers].code, sizeof(mr_id));
}

static mr_span units4_init(mr_plan *plan, const mr_part *part, uint64_t j)
{
    (void)part;
    (void)j;
    static const uint32_t count = 4;
    return mr_plan_bytes(plan, &count, sizeof count);
}

static mr_span ring_message(mr_plan *plan, const mr_part *part, uint64_t random)
{
    (void)part;
    (void)random;
    static const uint32_t hops = RING_HOPS;
    return mr_plan_bytes(plan, &hops, sizeof hops);
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
    return mr_plan_bytes(plan, &options, sizeof options);
}

static mr_span token_setup(mr_plan *plan, const mr_part *part, uint64_t turn)
{
    (void)part;
    token_populate populate = {.kind = 5,
                               .first = (uint32_t)turn * TOKEN_POPULATE,
                               .count = TOKEN_POPULATE,
                               .amount = {UINT64_C(1) << 40}};
    return mr_plan_bytes(plan, &populate, sizeof populate);
}

static mr_span token_message(mr_plan *plan, const mr_part *part, uint64_t random)
{
    (void)part;
    uint32_t from = (uint32_t)(random % TOKEN_HOLDERS);
    uint32_t to = (from + 1 + (uint32_t)(random >> 20) % (TOKEN_HOLDERS - 1)) % TOKEN_HOLDERS;
    token_transfer transfer = {.kind = 2, .from = from, .to = to, .amount = {1}};
    return mr_plan_bytes(plan, &transfer, sizeof transfer);
}

static mr_span compute_message(mr_plan *plan, const mr_part *part, uint64_t random)
{
    (void)part;
    (void)random;
    static const uint32_t steps = COMPUTE_STEPS;
    return mr_plan_bytes(plan, &steps, sizeof steps);
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

static const mr_part_kind empty = {
    .module = "empty", .gas = ANSWER_GAS, .messages_per_transaction = 1};
static const mr_part_kind unit = {
    .module = "units", .gas = ANSWER_GAS, .messages_per_transaction = 1};
static const mr_part_kind units4 = {
    .module = "units", .init = units4_init, .gas = ANSWER_GAS, .messages_per_transaction = 1};
static const mr_part_kind replier = {
    .module = "replier", .gas = ANSWER_GAS, .messages_per_transaction = 1};
static const mr_part_kind sender = {
    .module = "sender", .init = peer_init, .gas = ANSWER_GAS, .messages_per_transaction = 2};
static const mr_part_kind creator = {
    .module = "creator", .init = creator_init, .gas = ANSWER_GAS, .messages_per_transaction = 2};
static const mr_part_kind pair = {.module = "ring",
                                  .init = pair_init,
                                  .message = ring_message,
                                  .gas = UINT64_C(1) << 40,
                                  .messages_per_transaction = RING_HOPS + 1};
static const mr_part_kind zipf = {
    .module = "counter", .gas = ANSWER_GAS, .messages_per_transaction = 1, .zipf = true};
static const mr_part_kind idle = {
    .module = "counter", .setup_count = 1, .gas = ANSWER_GAS, .messages_per_transaction = 1};

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

/* Workloads of one kind of program. */
#define ALL_OF(name, kind)                                                                         \
    static void lay_out_##name(mr_plan *plan, uint64_t n)                                          \
    {                                                                                              \
        add_part(plan, &kind, n, 100);                                                             \
    }
ALL_OF(counter, counter)
ALL_OF(ring, ring)
ALL_OF(token, token)
ALL_OF(compute, compute)
ALL_OF(cold, cold)
ALL_OF(empty, empty)
ALL_OF(unit, unit)
ALL_OF(units4, units4)
ALL_OF(reply, replier)
ALL_OF(pingpong, pair)
ALL_OF(zipf, zipf)
#undef ALL_OF

static void lay_out_senders(mr_plan *plan, const mr_part_kind *to, uint64_t n)
{
    const mr_part *peers = add_part(plan, to, n / 2, 0);
    mr_part *senders = add_part(plan, &sender, n / 2, 100);
    senders->peers = peers->first;
}
static void lay_out_send(mr_plan *plan, uint64_t n)
{
    lay_out_senders(plan, &empty, n);
}
static void lay_out_ask(mr_plan *plan, uint64_t n)
{
    lay_out_senders(plan, &replier, n);
}

/* One program of the code to be made comes first, so that the code is there. */
static void lay_out_create(mr_plan *plan, uint64_t n)
{
    const size_t made = plan->parts_count;
    add_part(plan, &empty, 1, 0);
    mr_part *creators = add_part(plan, &creator, n, 100);
    creators->peers = made;
}

static void lay_out_idle(mr_plan *plan, uint64_t n)
{
    add_part(plan, &idle, n > ACTIVE ? n - ACTIVE : 1, 0);
    add_part(plan, &counter, ACTIVE, 100);
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
    {"empty", "a message that does nothing", 1000, lay_out_empty},
    {"unit", "a message that changes one unit of memory", 1000, lay_out_unit},
    {"units4", "a message that changes four units", 1000, lay_out_units4},
    {"send", "each message sends one that does nothing", 1000, lay_out_send},
    {"reply", "a user gets 16 bytes in reply", 1000, lay_out_reply},
    {"ask", "a program asks another one and handles its reply", 1000, lay_out_ask},
    {"create", "each message makes a program", 100, lay_out_create},
    {"pingpong", "a message goes to and fro between two programs, 100 times", 1000,
     lay_out_pingpong},
    {"zipf", "the k-th of the programs gets a share of 1/k", 10000, lay_out_zipf},
    {"idle", "100 programs are busy among many that nobody calls", 1000000, lay_out_idle},
    {"demo", "all kinds mixed", 1000, lay_out_demo},
};
const size_t mr_workloads_count = sizeof mr_workloads / sizeof mr_workloads[0];
