/* SPDX-License-Identifier: Apache-2.0 */
/* random_module: valid modules made from a seed, with everything uploads may have: loops, branches
 * of every kind, calls, indirect calls, recursion, stores around unit borders, code no path
 * reaches. They import what bare_rules allow, env.count first. */
#ifndef MR_TESTS_VM_RANDOM_MODULE_H
#define MR_TESTS_VM_RANDOM_MODULE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum {
    RM_I32 = 0x7f,
    RM_I64 = 0x7e,
    RM_VOID = 0x40,
    RM_FUNCTIONS_MAX = 6,
    RM_IMPORTS = 6,
    RM_LOCALS_MAX = 10,
    RM_LABELS_MAX = 64,
    RM_TABLE = 8,
    RM_ELEMENTS = 6, /* elements 1 to 6 */
    RM_PAGES = 2,
};

typedef struct rm_type {
    const char *params; /* i and l */
    char result;        /* i, l or 0 */
} rm_type;

static const rm_type rm_types[] = {{"", 0},    {"i", 0},  {"il", 'l'}, {"", 'i'},    {"l", 0},
                                   {"i", 'i'}, {"", 'l'}, {"ll", 0},   {"iii", 'i'}, {"l", 'l'}};
enum { RM_TYPES = sizeof rm_types / sizeof *rm_types };
static const uint32_t rm_import_types[RM_IMPORTS] = {0, 1, 2, 3, 0, 4};
static const char *const rm_import_names[RM_IMPORTS] = {"count", "note", "ask",
                                                        "pick",  "stop", "result"};

typedef struct rm {
    uint64_t state;
    mr_buffer *out;
    bool is_packable;   /* does not ask for the memory's size; global 0 is no stack pointer */
    uint32_t functions; /* of the module itself */
    uint32_t type_of[RM_FUNCTIONS_MAX];
    uint32_t elements[RM_ELEMENTS];
    uint32_t function; /* being made */
    char locals[RM_LOCALS_MAX];
    uint32_t locals_count; /* general use, parameters included */
    uint32_t counters;     /* i32 locals behind them, for loops */
    uint32_t counters_used;
    char labels[RM_LABELS_MAX]; /* what a branch there carries: i, l or 0 */
    bool is_loop[RM_LABELS_MAX];
    uint32_t depth;
    int budget; /* instructions left to make */
} rm;

static inline uint32_t rm_random(rm *m, uint32_t below)
{
    m->state ^= m->state << 13;
    m->state ^= m->state >> 7;
    m->state ^= m->state << 17;
    return (uint32_t)((m->state * 0x2545f4914f6cdd1du) >> 33) % below;
}

static inline void rm_byte(rm *m, uint32_t byte)
{
    uint8_t b = (uint8_t)byte;
    if (mr_buffer_append(m->out, mr_span_of(&b, 1)) != MR_OK)
        abort();
}

static inline void rm_u32(rm *m, uint32_t value)
{
    for (; value >= 0x80; value >>= 7)
        rm_byte(m, value | 0x80);
    rm_byte(m, value);
}

static inline void rm_s64(rm *m, int64_t value)
{
    for (; value < -0x40 || value >= 0x40; value >>= 7)
        rm_byte(m, (uint32_t)(value & 0x7f) | 0x80);
    rm_byte(m, (uint32_t)(value & 0x7f));
}

/* How often each instruction was made, all modules together. */
static uint64_t rm_made[256];

static inline void rm_op(rm *m, uint32_t op)
{
    rm_byte(m, op);
    rm_made[op]++;
    m->budget--;
}

static inline void rm_op_u32(rm *m, uint32_t op, uint32_t value)
{
    rm_op(m, op);
    rm_u32(m, value);
}

static inline void rm_i32(rm *m, int32_t value)
{
    rm_op(m, 0x41);
    rm_s64(m, value);
}

static inline uint32_t rm_value_type(char type)
{
    return type == 'i' ? RM_I32 : type == 'l' ? RM_I64 : RM_VOID;
}

static inline void rm_expr(rm *m, char type, int depth);
static inline void rm_statements(rm *m, int depth);
static inline void rm_open(rm *m, uint32_t op, char carries, bool is_loop, char result);
static inline void rm_close(rm *m);

/* A local of the type, or -1. */
static inline int rm_pick_local(rm *m, char type)
{
    for (int tries = 0; tries < 6 && m->locals_count > 0; tries++) {
        uint32_t local = rm_random(m, m->locals_count);
        if (m->locals[local] == type)
            return (int)local;
    }
    return -1;
}

static inline void rm_const(rm *m, char type)
{
    static const int64_t special[] = {0, 1, -1, 255, 256, 257, 65536, 131071, INT32_MIN, INT32_MAX};
    int64_t value = rm_random(m, 3) == 0 ? special[rm_random(m, 10)] : rm_random(m, 600);
    if (type == 'l' && rm_random(m, 4) == 0)
        value = (int64_t)m->state;
    rm_op(m, type == 'i' ? 0x41 : 0x42);
    rm_s64(m, value);
}

/* Of units, or seldom of memory: its end, or its beginning from either side. */
static inline int32_t rm_near_border(rm *m)
{
    uint32_t unit =
        rm_random(m, 12) == 0 ? RM_PAGES * 256 * rm_random(m, 2) : rm_random(m, RM_PAGES * 256);
    return (int32_t)(256 * unit + rm_random(m, 24)) - 12;
}

/* An address, usually inside memory and often near the border of a unit. */
static inline void rm_address(rm *m, int depth)
{
    int local = rm_pick_local(m, 'i');
    switch (rm_random(m, 8)) {
    case 0:
        rm_i32(m, rm_near_border(m));
        return;
    case 1:
    case 2:
    case 3:
        if (local >= 0) {
            rm_op_u32(m, 0x20, (uint32_t)local);
            return;
        }
        break;
    case 4:
        rm_expr(m, 'i', depth);
        return;
    }
    rm_expr(m, 'i', depth);
    rm_i32(m, 0x1ff0f);
    rm_op(m, 0x71);
    if (local >= 0 && rm_random(m, 2) == 0)
        rm_op_u32(m, 0x22, (uint32_t)local);
}

static inline void rm_offset(rm *m, uint32_t align_max)
{
    static const uint32_t offsets[] = {0, 0, 0, 1, 4, 8, 12, 16, 24, 250, 255, 256, 300, 70000};
    rm_u32(m, rm_random(m, align_max + 1));
    rm_u32(m, rm_random(m, 40) == 0 ? 0x7fffffff + rm_random(m, 2)
                                    : offsets[rm_random(m, 14)] + rm_random(m, 3));
}

static inline void rm_store(rm *m, int depth)
{
    static const struct {
        uint8_t op, align;
        char type;
    } stores[] = {{0x36, 2, 'i'}, {0x37, 3, 'l'}, {0x3a, 0, 'i'}, {0x3b, 1, 'i'},
                  {0x3c, 0, 'l'}, {0x3d, 1, 'l'}, {0x3e, 2, 'l'}};
    uint32_t kind = rm_random(m, 7);
    rm_address(m, depth);
    rm_expr(m, stores[kind].type, depth);
    rm_op(m, stores[kind].op);
    rm_offset(m, stores[kind].align);
}

static inline void rm_store_at(rm *m, uint32_t local, int depth)
{
    bool is_wide = rm_random(m, 2) == 0;
    rm_op_u32(m, 0x20, local);
    if (rm_random(m, 4) == 0) {
        rm_i32(m, (int32_t)rm_random(m, 60) - 30);
        rm_op(m, 0x6a);
    }
    rm_expr(m, is_wide ? 'l' : 'i', depth);
    rm_op(m, is_wide ? 0x37 : rm_random(m, 2) == 0 ? 0x36 : 0x3a);
    rm_u32(m, 0);
    rm_u32(m, rm_random(m, rm_random(m, 4) == 0 ? 400 : 24));
}

/* Several stores around one base, some of them on one path only, with a disturbance now and then.
 */
static inline void rm_store_run(rm *m, int depth)
{
    int local = rm_pick_local(m, 'i');
    if (local < 0)
        return;
    uint32_t base = (uint32_t)local;
    int inner = rm_random(m, 2) == 0 ? depth - 2 : 0; /* or nothing in between */
    rm_i32(m, rm_near_border(m));
    rm_op_u32(m, 0x21, base);
    for (uint32_t count = 2 + rm_random(m, 5); count > 0; count--) {
        switch (rm_random(m, 12)) {
        case 0:
            rm_statements(m, 1);
            break;
        case 1: /* in one arm, or each in one */
            rm_expr(m, 'i', 1);
            rm_open(m, 0x04, 0, false, 0);
            rm_store_at(m, base, 0);
            if (rm_random(m, 2) == 0) {
                rm_op(m, 0x05);
                rm_store_at(m, base, 0);
            }
            rm_close(m);
            break;
        case 2: /* skipped now and then */
            rm_open(m, 0x02, 0, false, 0);
            rm_expr(m, 'i', 1);
            rm_op_u32(m, 0x0d, 0);
            rm_store_at(m, base, 0);
            rm_close(m);
            break;
        case 3: /* moved in a loop */
            if (m->counters_used == m->counters)
                break;
            uint32_t counter = m->locals_count + m->counters_used;
            rm_i32(m, 3);
            rm_op_u32(m, 0x21, counter);
            rm_open(m, 0x03, 0, true, 0);
            rm_store_at(m, base, 0);
            rm_op_u32(m, 0x20, base);
            rm_i32(m, 100);
            rm_op(m, 0x6a);
            rm_op_u32(m, 0x21, base);
            rm_op_u32(m, 0x20, counter);
            rm_i32(m, 1);
            rm_op(m, 0x6b);
            rm_op_u32(m, 0x22, counter);
            rm_op_u32(m, 0x0d, 0);
            rm_close(m);
            break;
        default:
            rm_store_at(m, base, inner);
        }
    }
}

/* The type of function `function`, imports counted. */
static inline uint32_t rm_type_of(const rm *m, uint32_t function)
{
    return function < RM_IMPORTS ? rm_import_types[function] : m->type_of[function - RM_IMPORTS];
}

static inline void rm_call(rm *m, uint32_t function, int depth)
{
    uint32_t type = rm_type_of(m, function);
    for (const char *p = rm_types[type].params; *p != '\0'; p++)
        rm_expr(m, *p, depth - 1);
    rm_op_u32(m, 0x10, function);
}

/* A call that leaves `result`; false when no function does. */
static inline bool rm_call_for(rm *m, char result, int depth)
{
    for (int tries = 0; tries < 4; tries++) {
        /* Not env.count, and env.stop seldom. */
        uint32_t function = 1 + rm_random(m, RM_IMPORTS + m->functions - 1);
        if (function == 4 && rm_random(m, 20) != 0)
            continue;
        if (rm_types[rm_type_of(m, function)].result == result) {
            rm_call(m, function, depth);
            return true;
        }
    }
    return false;
}

/* Usually an element of the type called. */
static inline bool rm_call_indirect(rm *m, char result, int depth)
{
    uint32_t element = rm_random(m, RM_ELEMENTS), type = rm_type_of(m, m->elements[element]);
    if (rm_types[type].result != result)
        return false;
    for (const char *p = rm_types[type].params; *p != '\0'; p++)
        rm_expr(m, *p, depth - 1);
    if (rm_random(m, 80) == 0)
        rm_expr(m, 'i', depth - 1);
    else
        rm_i32(m, (int32_t)(rm_random(m, 40) == 0 ? rm_random(m, RM_TABLE + 2) : element + 1));
    rm_op_u32(m, 0x11, type);
    rm_byte(m, 0);
    return true;
}

static inline void rm_open(rm *m, uint32_t op, char carries, bool is_loop, char result)
{
    rm_op(m, op);
    rm_byte(m, rm_value_type(result));
    m->labels[m->depth] = carries;
    m->is_loop[m->depth++] = is_loop;
}

static inline void rm_close(rm *m)
{
    rm_op(m, 0x0b);
    m->depth--;
}

/* The depth of a label that carries `type`, not of a loop (or seldom), or -1. */
static inline int rm_pick_label(rm *m, char type)
{
    for (int tries = 0; tries < 4; tries++) {
        uint32_t depth = rm_random(m, m->depth);
        uint32_t at = m->depth - 1 - depth;
        if (m->labels[at] == type && (!m->is_loop[at] || rm_random(m, 12) == 0))
            return (int)depth;
    }
    return -1;
}

/* Instructions no path reaches, after one that ends the path. */
static inline void rm_dead(rm *m)
{
    switch (rm_random(m, 6)) {
    case 0:
        rm_op(m, 0x6a); /* i32.add, of whatever */
        rm_op(m, 0x1a);
        break;
    case 1:
        rm_statements(m, 1);
        break;
    case 2:
        rm_op(m, 0x02);
        rm_byte(m, RM_I32);
        rm_op(m, 0x00);
        rm_op(m, 0x0b);
        rm_op(m, 0x1a);
        break;
    case 3:
        rm_op(m, 0x00);
        break;
    }
}

/* Of the ways to divide, which trap now and then, only a few. */
static inline void rm_binary(rm *m, char type, int depth)
{
    static const uint8_t i32_ops[] = {0x6a, 0x6a, 0x6b, 0x6c, 0x71, 0x72, 0x73, 0x74,
                                      0x75, 0x76, 0x77, 0x78, 0x6d, 0x6e, 0x6f, 0x70};
    static const uint8_t i64_ops[] = {0x7c, 0x7d, 0x7e, 0x83, 0x84, 0x85, 0x86, 0x87,
                                      0x88, 0x89, 0x8a, 0x7f, 0x80, 0x81, 0x82};
    rm_expr(m, type, depth - 1);
    rm_expr(m, type, depth - 1);
    if (type == 'i')
        rm_op(m, i32_ops[rm_random(m, sizeof i32_ops - (rm_random(m, 8) == 0 ? 0 : 4))]);
    else
        rm_op(m, i64_ops[rm_random(m, sizeof i64_ops - (rm_random(m, 8) == 0 ? 0 : 4))]);
}

/* The operand that makes a division overflow, or one like it. */
static inline void rm_overflow(rm *m, char type)
{
    rm_op(m, type == 'i' ? 0x41 : 0x42);
    rm_s64(m, type == 'i' ? INT32_MIN : INT64_MIN);
    rm_op(m, type == 'i' ? 0x41 : 0x42);
    rm_s64(m, -1 + (int64_t)(rm_random(m, 8) == 0));
    rm_op(m, (type == 'i' ? 0x6d : 0x7f) + (rm_random(m, 8) == 0 ? 0 : 1 + rm_random(m, 3)));
}

static inline void rm_comparison(rm *m, int depth)
{
    char type = rm_random(m, 2) == 0 ? 'i' : 'l';
    rm_expr(m, type, depth - 1);
    rm_expr(m, type, depth - 1);
    rm_op(m, (type == 'i' ? 0x46 : 0x51) + rm_random(m, 10));
}

static inline void rm_unary(rm *m, char type, int depth)
{
    static const uint8_t i32_ops[] = {0x67, 0x68, 0x69, 0x45, 0xc0, 0xc1};
    static const uint8_t i64_ops[] = {0x79, 0x7a, 0x7b, 0xc2, 0xc3, 0xc4};
    bool converts = rm_random(m, 3) == 0;
    rm_expr(m, converts ? (type == 'i' ? 'l' : 'i') : type, depth - 1);
    if (converts)
        rm_op(m, type == 'i' ? (rm_random(m, 2) == 0 ? 0xa7 : 0x50)
                             : (rm_random(m, 2) == 0 ? 0xac : 0xad));
    else
        rm_op(m, type == 'i' ? i32_ops[rm_random(m, 6)] : i64_ops[rm_random(m, 6)]);
}

static inline void rm_load(rm *m, char type, int depth)
{
    static const uint8_t i32_ops[] = {0x28, 0x2c, 0x2d, 0x2e, 0x2f};
    static const uint8_t i64_ops[] = {0x29, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35};
    rm_address(m, depth - 1);
    rm_op(m, type == 'i' ? i32_ops[rm_random(m, 5)] : i64_ops[rm_random(m, 7)]);
    rm_offset(m, 0);
}

/* A block with a result, left early now and then. */
static inline void rm_block_expr(rm *m, char type, int depth)
{
    rm_open(m, 0x02, type, false, type);
    rm_statements(m, depth - 1);
    rm_expr(m, type, depth - 1);
    int label = rm_pick_label(m, type);
    if (label >= 0) {
        rm_expr(m, 'i', depth - 2);
        rm_op_u32(m, 0x0d, (uint32_t)label);
    }
    if (rm_random(m, 4) == 0) {
        label = rm_pick_label(m, type);
        if (label >= 0) {
            rm_op_u32(m, 0x0c, (uint32_t)label);
            rm_dead(m);
        }
    }
    rm_close(m);
}

static inline void rm_if_expr(rm *m, char type, int depth)
{
    rm_expr(m, 'i', depth - 1);
    rm_open(m, 0x04, type, false, type);
    rm_expr(m, type, depth - 1);
    rm_op(m, 0x05);
    rm_statements(m, depth - 2);
    rm_expr(m, type, depth - 1);
    rm_close(m);
}

/* A br_table whose targets take a value along. */
static inline void rm_table_expr(rm *m, char type, int depth)
{
    uint32_t targets = rm_random(m, 5);
    rm_open(m, 0x02, type, false, type);
    rm_open(m, 0x02, type, false, type);
    rm_expr(m, type, depth - 1);
    rm_expr(m, 'i', depth - 1);
    if (rm_random(m, 2) == 0) {
        rm_i32(m, 7);
        rm_op(m, 0x71); /* i32.and */
    }
    rm_op_u32(m, 0x0e, targets);
    for (uint32_t i = 0; i <= targets; i++)
        rm_u32(m, rm_random(m, 2));
    rm_close(m);
    rm_const(m, type);
    rm_op(m, type == 'i' ? 0x6a : 0x7c);
    rm_close(m);
}

static inline void rm_expr(rm *m, char type, int depth)
{
    int local = rm_pick_local(m, type);
    if (depth <= 0 || m->budget <= 0 || m->depth > RM_LABELS_MAX - 4) {
        if (local >= 0 && rm_random(m, 3) != 0)
            rm_op_u32(m, 0x20, (uint32_t)local);
        else
            rm_const(m, type);
        return;
    }
    switch (rm_random(m, 18)) {
    case 0:
    case 1:
    case 2:
        if (rm_random(m, 60) == 0)
            rm_overflow(m, type);
        else if (type == 'i' && rm_random(m, 3) == 0)
            rm_comparison(m, depth);
        else
            rm_binary(m, type, depth);
        return;
    case 3:
        rm_unary(m, type, depth);
        return;
    case 4:
        rm_load(m, type, depth);
        return;
    case 5:
        rm_block_expr(m, type, depth);
        return;
    case 6:
        rm_if_expr(m, type, depth);
        return;
    case 7:
        if (rm_call_for(m, type, depth))
            return;
        break;
    case 8:
        if (rm_call_indirect(m, type, depth))
            return;
        break;
    case 9:
        rm_expr(m, type, depth - 1);
        rm_expr(m, type, depth - 1);
        rm_expr(m, 'i', depth - 1);
        rm_op(m, 0x1b);
        return;
    case 10:
        if (local >= 0) {
            rm_expr(m, type, depth - 1);
            rm_op_u32(m, 0x22, (uint32_t)local);
            return;
        }
        break;
    case 11:
        rm_op_u32(m, 0x23, type == 'i' ? 0 : 1);
        return;
    case 12:
        if (type == 'i' && !m->is_packable) {
            rm_op(m, 0x3f);
            rm_byte(m, 0);
            return;
        }
        break;
    case 13:
        rm_table_expr(m, type, depth);
        return;
    }
    if (local >= 0 && rm_random(m, 3) != 0)
        rm_op_u32(m, 0x20, (uint32_t)local);
    else
        rm_const(m, type);
}

/* Goes away from here, now and then. */
static inline void rm_go(rm *m)
{
    int label = rm_pick_label(m, 0);
    if (label < 0 || rm_random(m, 4) != 0)
        return;
    rm_op_u32(m, 0x0c, (uint32_t)label);
    if (rm_random(m, 2) == 0)
        rm_dead(m);
}

static inline void rm_if(rm *m, int depth)
{
    rm_expr(m, 'i', depth);
    rm_open(m, 0x04, 0, false, 0);
    rm_statements(m, depth - 1);
    rm_go(m);
    if (rm_random(m, 2) == 0) {
        rm_op(m, 0x05);
        rm_statements(m, depth - 1);
        rm_go(m);
    }
    rm_close(m);
}

static inline void rm_loop(rm *m, int depth)
{
    if (m->counters_used == m->counters)
        return;
    uint32_t counter = m->locals_count + m->counters_used++;
    rm_i32(m, (int32_t)rm_random(m, 6));
    rm_op_u32(m, 0x21, counter);
    bool leaves = rm_random(m, 2) == 0;
    if (leaves)
        rm_open(m, 0x02, 0, false, 0);
    rm_open(m, 0x03, 0, true, 0);
    rm_statements(m, depth - 1);
    if (leaves && rm_random(m, 2) == 0) {
        rm_expr(m, 'i', depth - 1);
        rm_op_u32(m, 0x0d, 1);
        rm_statements(m, depth - 2);
    }
    rm_op_u32(m, 0x20, counter);
    rm_op_u32(m, 0x20, counter);
    rm_i32(m, 1);
    rm_op(m, 0x6b);
    rm_op_u32(m, 0x21, counter);
    rm_i32(m, 0);
    rm_op(m, 0x4a); /* i32.gt_s */
    rm_op_u32(m, 0x0d, 0);
    rm_close(m);
    if (leaves)
        rm_close(m);
    m->counters_used--;
}

/* A switch: nested blocks and a br_table. */
static inline void rm_switch(rm *m, int depth)
{
    uint32_t cases = 1 + rm_random(m, 4);
    if (m->depth + cases + 4 > RM_LABELS_MAX)
        return;
    for (uint32_t i = 0; i < cases; i++)
        rm_open(m, 0x02, 0, false, 0);
    rm_expr(m, 'i', depth - 1);
    rm_op_u32(m, 0x0e, cases);
    for (uint32_t i = 0; i <= cases; i++)
        rm_u32(m, rm_random(m, cases));
    rm_dead(m);
    for (uint32_t i = 0; i < cases; i++) {
        rm_close(m);
        rm_statements(m, depth - 1);
        int label = rm_pick_label(m, 0);
        if (label >= 0 && rm_random(m, 2) == 0 && i + 1 < cases) {
            rm_op_u32(m, 0x0c, (uint32_t)label);
            rm_dead(m);
        }
    }
}

static inline void rm_leave(rm *m, int depth)
{
    char result = rm_types[m->type_of[m->function]].result;
    rm_expr(m, 'i', depth - 1);
    rm_open(m, 0x04, 0, false, 0);
    if (rm_random(m, 12) == 0) {
        rm_op(m, 0x00);
    } else if (rm_random(m, 3) == 0) {
        if (result != 0)
            rm_expr(m, result, depth - 1);
        rm_op(m, 0x0f);
    } else {
        int label = rm_pick_label(m, 0);
        if (label >= 0)
            rm_op_u32(m, 0x0c, (uint32_t)label);
    }
    if (rm_random(m, 2) == 0 && m->budget > 0)
        rm_statements(m, depth - 1);
    rm_close(m);
}

static inline void rm_statement(rm *m, int depth)
{
    int local;
    char type = rm_random(m, 2) == 0 ? 'i' : 'l';
    switch (rm_random(m, 18)) {
    case 0:
    case 1:
        rm_store(m, depth);
        break;
    case 2:
        rm_store_run(m, depth);
        break;
    case 3:
        rm_if(m, depth);
        break;
    case 4:
        rm_open(m, 0x02, 0, false, 0);
        rm_statements(m, depth - 1);
        rm_close(m);
        break;
    case 5:
        rm_loop(m, depth);
        break;
    case 6:
        rm_switch(m, depth);
        break;
    case 7:
        rm_leave(m, depth);
        break;
    case 8:
        local = rm_pick_label(m, 0);
        if (local >= 0) {
            rm_expr(m, 'i', depth);
            rm_op_u32(m, 0x0d, (uint32_t)local);
        }
        break;
    case 9:
        if (!rm_call_for(m, 0, depth))
            (void)rm_call_indirect(m, 0, depth);
        break;
    case 10:
        rm_expr(m, type, depth);
        rm_op(m, 0x1a);
        break;
    case 11:
        rm_op(m, 0x01);
        break;
    case 12:
        rm_expr(m, type, depth);
        rm_op_u32(m, 0x24, type == 'i' ? 0 : 1);
        break;
    case 13:
        rm_expr(m, 'i', depth);
        rm_op_u32(m, 0x10, 1); /* note */
        break;
    default:
        local = rm_pick_local(m, type);
        if (local >= 0) {
            rm_expr(m, type, depth);
            rm_op_u32(m, 0x21, (uint32_t)local);
        }
    }
}

static inline void rm_statements(rm *m, int depth)
{
    if (depth <= 0 || m->depth > RM_LABELS_MAX - 8)
        return;
    for (uint32_t count = rm_random(m, 5); count > 0 && m->budget > 0; count--)
        rm_statement(m, depth);
}

static inline void rm_function(rm *m, uint32_t function)
{
    const rm_type *type = &rm_types[m->type_of[function]];
    mr_buffer *whole = m->out, body = {0};
    uint32_t params = (uint32_t)strlen(type->params), more = rm_random(m, RM_LOCALS_MAX - 3);
    m->out = &body;
    m->function = function;
    m->locals_count = params + more;
    m->counters = 3;
    m->counters_used = 0;
    m->depth = 0;
    m->budget = 30 + (int)rm_random(m, 200);
    memcpy(m->locals, type->params, params);
    rm_u32(m, more + 1);
    for (uint32_t i = 0; i < more; i++) {
        m->locals[params + i] = rm_random(m, 3) == 0 ? 'l' : 'i';
        rm_u32(m, 1);
        rm_byte(m, rm_value_type(m->locals[params + i]));
    }
    rm_u32(m, m->counters);
    rm_byte(m, RM_I32);
    m->labels[m->depth] = type->result;
    m->is_loop[m->depth++] = false;
    for (int i = 0; i < 3; i++)
        rm_statements(m, 5);
    if (type->result != 0)
        rm_expr(m, type->result, 4);
    else if (rm_random(m, 6) == 0)
        rm_op(m, 0x0f);
    rm_byte(m, 0x0b);
    m->out = whole;
    rm_u32(m, (uint32_t)body.size);
    if (mr_buffer_append(m->out, mr_buffer_span(&body)) != MR_OK)
        abort();
    mr_buffer_fini(&body);
}

static inline void rm_section(rm *m, uint32_t id, void (*write)(rm *m))
{
    mr_buffer *whole = m->out, section = {0};
    m->out = &section;
    write(m);
    m->out = whole;
    rm_byte(m, id);
    rm_u32(m, (uint32_t)section.size);
    if (mr_buffer_append(m->out, mr_buffer_span(&section)) != MR_OK)
        abort();
    mr_buffer_fini(&section);
}

static inline void rm_name(rm *m, const char *name)
{
    rm_u32(m, (uint32_t)strlen(name));
    for (; *name != '\0'; name++)
        rm_byte(m, (uint8_t)*name);
}

static inline void rm_write_types(rm *m)
{
    rm_u32(m, RM_TYPES);
    for (uint32_t i = 0; i < RM_TYPES; i++) {
        rm_byte(m, 0x60);
        rm_u32(m, (uint32_t)strlen(rm_types[i].params));
        for (const char *p = rm_types[i].params; *p != '\0'; p++)
            rm_byte(m, rm_value_type(*p));
        rm_u32(m, rm_types[i].result != 0);
        if (rm_types[i].result != 0)
            rm_byte(m, rm_value_type(rm_types[i].result));
    }
}

static inline void rm_write_imports(rm *m)
{
    rm_u32(m, RM_IMPORTS + 1);
    for (uint32_t i = 0; i < RM_IMPORTS; i++) {
        rm_name(m, "env");
        rm_name(m, rm_import_names[i]);
        rm_byte(m, 0);
        rm_u32(m, rm_import_types[i]);
    }
    rm_name(m, "env");
    rm_name(m, "memory");
    rm_byte(m, 2);
    rm_byte(m, 0);
    rm_u32(m, RM_PAGES);
}

static inline void rm_write_functions(rm *m)
{
    rm_u32(m, m->functions);
    for (uint32_t i = 0; i < m->functions; i++)
        rm_u32(m, m->type_of[i]);
}

static inline void rm_write_table(rm *m)
{
    rm_byte(m, 1);
    rm_byte(m, 0x70);
    rm_byte(m, 0);
    rm_u32(m, RM_TABLE);
}

static inline void rm_write_globals(rm *m)
{
    rm_u32(m, 2);
    rm_byte(m, RM_I32);
    rm_byte(m, 1);
    rm_i32(m, m->is_packable ? 0 : 65536);
    rm_byte(m, 0x0b);
    rm_byte(m, RM_I64);
    rm_byte(m, 1);
    rm_op(m, 0x42);
    rm_s64(m, (int64_t)m->state);
    rm_byte(m, 0x0b);
}

static inline void rm_write_exports(rm *m)
{
    rm_u32(m, 1);
    rm_name(m, "handle");
    rm_byte(m, 0);
    rm_u32(m, RM_IMPORTS);
}

static inline void rm_write_elements(rm *m)
{
    rm_u32(m, 1);
    rm_u32(m, 0);
    rm_i32(m, 1);
    rm_byte(m, 0x0b);
    rm_u32(m, RM_ELEMENTS);
    for (uint32_t i = 0; i < RM_ELEMENTS; i++)
        rm_u32(m, m->elements[i]);
}

static inline void rm_write_code(rm *m)
{
    rm_u32(m, m->functions);
    for (uint32_t i = 0; i < m->functions; i++)
        rm_function(m, i);
}

static inline void rm_write_data(rm *m)
{
    rm_u32(m, 2);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t size = rm_random(m, 700);
        rm_u32(m, 0);
        rm_i32(m, (int32_t)rm_random(m, 130000));
        rm_byte(m, 0x0b);
        rm_u32(m, size);
        for (; size > 0; size--)
            rm_byte(m, rm_random(m, 3) == 0 ? rm_random(m, 256) : 0);
    }
}

static inline void rm_module(uint64_t seed, bool is_packable, mr_buffer *out)
{
    static const uint8_t version[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    rm m = {.state = seed * 2 + 1, .out = out, .is_packable = is_packable};
    (void)rm_random(&m, 2);
    (void)rm_random(&m, 2);
    m.functions = 1 + rm_random(&m, RM_FUNCTIONS_MAX);
    for (uint32_t i = 1; i < m.functions; i++)
        m.type_of[i] = rm_random(&m, RM_TYPES);
    for (uint32_t i = 0; i < RM_ELEMENTS; i++)
        m.elements[i] = 1 + rm_random(&m, RM_IMPORTS + m.functions - 1);
    if (mr_buffer_append(out, mr_span_of(version, sizeof version)) != MR_OK)
        abort();
    rm_section(&m, 1, rm_write_types);
    rm_section(&m, 2, rm_write_imports);
    rm_section(&m, 3, rm_write_functions);
    rm_section(&m, 4, rm_write_table);
    rm_section(&m, 6, rm_write_globals);
    rm_section(&m, 7, rm_write_exports);
    rm_section(&m, 9, rm_write_elements);
    rm_section(&m, 10, rm_write_code);
    rm_section(&m, 11, rm_write_data);
}

/* random_module appends the module of `seed` to *out. */
static inline void random_module(uint64_t seed, mr_buffer *out)
{
    rm_module(seed, false, out);
}

/* random_packable_module appends one that does the same once mr_code_pack has moved its globals,
 * unless it reaches beyond its memory. */
static inline void random_packable_module(uint64_t seed, mr_buffer *out)
{
    rm_module(seed, true, out);
}

#endif
