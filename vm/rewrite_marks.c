/* SPDX-License-Identifier: Apache-2.0 */
/* Which stores need which marks.
 *
 * A mark says: bytes of this unit, or some bytes before it (vm/mark.h), may have changed. So one
 * mark, of its last byte, does for a store that straddles two units, and a whole range of up to a
 * unit's size
 *
 *     base + low .. base + high
 *
 * is covered by the marks of base + high and of base + low + MR_STRADDLE_BYTES: it touches two
 * units at most; if the latter lies in the second, what is in the first is near enough before it.
 *
 * Stores to offsets of the same base, a local that is not set in between, form a group with such a
 * range and share its marks, which are made right after the group's first store: that one was
 * inside memory, so the others' marks are inside the marks memory, unless they trap as well; what
 * that leaves behind is for the run to mend (vm/run.c). A group grows only as long as nothing but
 * stores and loads can trap or leave. Later stores within its range need nothing, as long as the
 * first store lies on every path to them. */
#include "vm/rewrite.h"

#include "vm/mark.h"
#include "vm/module_ops.h"

enum { NONE = UINT32_MAX, ACTIVE_MAX = 16 };

static const int64_t MEMORY_BYTES_MAX = (int64_t)MR_PAGES_MAX * MR_PAGE_BYTES;

/* What is known of an operand: a local's value plus `add`, `add` alone, or nothing. */
typedef struct operand {
    uint32_t at;      /* position that produced it */
    uint32_t local;   /* or NONE */
    uint32_t version; /* of that local */
    bool is_constant;
    int32_t add;
} operand;

typedef struct group {
    uint32_t first; /* position of the first store */
    uint32_t local; /* base; NONE for constant addresses */
    uint32_t version;
    uint32_t region;
    int64_t low;  /* offset of the first byte */
    int64_t high; /* offset of the last byte */
} group;

/* An address kept in a temporary from its computation to its store. */
typedef struct kept {
    uint32_t tee;   /* position of the computation */
    uint32_t group; /* that it is the base of */
    uint32_t temp;
} kept;

typedef struct frame {
    uint32_t begin;
    uint32_t height;
    bool has_result;
    bool is_straight; /* a block or loop that no branch leaves to its end */
} frame;

typedef struct planner {
    const mr_module *module;
    const mr_function *function;
    mr_plan *plan;
    operand *operands;
    uint32_t height;
    frame *frames;
    uint32_t depth;
    uint32_t *versions; /* of locals */
    uint32_t clock;     /* of versions, and of regions */
    uint32_t region;    /* changes where groups stop growing */
    group *groups;
    uint32_t groups_count;
    uint32_t active[ACTIVE_MAX]; /* groups whose first store lies on every path to here */
    uint32_t active_count;
    kept *kept; /* not inside one another, ascending */
    uint32_t kept_count;
} planner;

static void push(planner *p, operand value)
{
    p->operands[p->height++] = value;
}

static void push_unknown(planner *p, uint32_t at)
{
    push(p, (operand){.at = at, .local = NONE});
}

static void set_local(planner *p, uint32_t local)
{
    p->versions[local] = ++p->clock;
}

/* Groups that begin after `position` are not on every path from here on. */
static void forget_since(planner *p, uint32_t position)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < p->active_count; i++) {
        if (p->groups[p->active[i]].first < position)
            p->active[left++] = p->active[i];
    }
    p->active_count = left;
}

static void activate(planner *p, uint32_t added)
{
    if (p->active_count == ACTIVE_MAX) {
        memmove(p->active, p->active + 1, (ACTIVE_MAX - 1) * sizeof *p->active);
        p->active_count--;
    }
    p->active[p->active_count++] = added;
}

/* Joins a store of offsets low to high to a group that has or can have it. */
static bool join_group(planner *p, uint32_t local, uint32_t version, int64_t low, int64_t high)
{
    for (uint32_t i = p->active_count; i-- > 0;) {
        group *g = &p->groups[p->active[i]];
        if (g->local != local || g->version != version)
            continue;
        if (low >= g->low && high <= g->high)
            return true;
        int64_t new_low = low < g->low ? low : g->low;
        int64_t new_high = high > g->high ? high : g->high;
        if (g->region == p->region && new_high - new_low < MR_UNIT_BYTES) {
            g->low = new_low;
            g->high = new_high;
            return true;
        }
    }
    return false;
}

static uint32_t add_group(planner *p, group added)
{
    p->groups[p->groups_count] = added;
    return p->groups_count++;
}

/* Keeps the address in a temporary. Those computed since then are inside, and their temporaries
 * must not be used again. */
static void keep_address(planner *p, uint32_t tee, uint32_t added)
{
    uint32_t temp = 0;
    while (p->kept_count > 0 && p->kept[p->kept_count - 1].tee > tee) {
        uint32_t inner = p->kept[--p->kept_count].temp;
        if (inner >= temp)
            temp = inner + 1;
    }
    p->kept[p->kept_count++] = (kept){.tee = tee, .group = added, .temp = temp};
    uint32_t first_temp =
        p->module->types[p->function->type].params_count + p->function->locals_count;
    p->groups[added].local = first_temp + temp;
    p->plan->tees[tee] = first_temp + temp + 1;
    if (temp >= p->plan->temps_count)
        p->plan->temps_count = temp + 1;
}

static void visit_store(planner *p, uint32_t at)
{
    const mr_instr *instr = &p->function->body[at];
    operand address = p->operands[p->height - 2];
    uint32_t width = mr_op_table[instr->op].store_bytes;
    bool is_named = address.local != NONE && p->versions[address.local] == address.version;
    p->height -= 2;
    int64_t low = instr->a;
    if (is_named)
        low += address.add;
    else if (address.is_constant)
        low += (uint32_t)address.add;
    int64_t least = address.is_constant ? low : (int64_t)instr->a; /* that it can be */
    if (least + width > MEMORY_BYTES_MAX)
        return; /* it always traps */
    if ((is_named || address.is_constant) &&
        join_group(p, address.local, address.version, low, low + width - 1))
        return;
    uint32_t added = add_group(p, (group){.first = at,
                                          .local = address.local,
                                          .version = address.version,
                                          .region = p->region,
                                          .low = low,
                                          .high = low + width - 1});
    if (is_named || address.is_constant)
        activate(p, added);
    else
        keep_address(p, address.at, added);
}

static void open_frame(planner *p, uint32_t at)
{
    const mr_instr *instr = &p->function->body[at];
    if (instr->op == MR_OP_IF)
        p->height--;
    p->frames[p->depth++] = (frame){.begin = at,
                                    .height = p->height,
                                    .has_result = instr->a != MR_TYPE_NONE,
                                    .is_straight = instr->op != MR_OP_IF};
    if (instr->op == MR_OP_LOOP) /* what the loop sets may have changed */
        p->active_count = 0;
    if (instr->op != MR_OP_BLOCK)
        p->region = ++p->clock;
}

static void visit_else(planner *p)
{
    frame *top = &p->frames[p->depth - 1];
    p->height = top->height;
    forget_since(p, top->begin);
    p->region = ++p->clock;
}

static void visit_end(planner *p, uint32_t at)
{
    frame top = p->frames[--p->depth];
    p->height = top.height;
    if (top.has_result)
        push_unknown(p, at);
    if (!top.is_straight)
        forget_since(p, top.begin);
    if (!top.is_straight || p->function->body[top.begin].op != MR_OP_BLOCK)
        p->region = ++p->clock;
}

static void branch(planner *p, uint32_t depth)
{
    frame *to = &p->frames[p->depth - 1 - depth];
    if (p->function->body[to->begin].op != MR_OP_LOOP)
        to->is_straight = false;
}

static void visit_call(planner *p, uint32_t at, const mr_func_type *type)
{
    p->height -= type->params_count;
    if (type->result != MR_TYPE_NONE)
        push_unknown(p, at);
    p->region = ++p->clock;
}

static bool divides(uint8_t op)
{
    return (op >= MR_OP_I32_DIV_S && op <= MR_OP_I32_REM_U) ||
           (op >= MR_OP_I64_DIV_S && op <= MR_OP_I64_REM_U);
}

/* A base and a constant make another offset of that base. Sums are modulo 2^32, as marks' are. */
static void visit_add(planner *p, uint32_t at)
{
    operand right = p->operands[p->height - 1], left = p->operands[p->height - 2];
    p->height -= 2;
    operand base = right.is_constant ? left : right, constant = right.is_constant ? right : left;
    if (!constant.is_constant || base.local == NONE || base.is_constant) {
        push_unknown(p, at);
        return;
    }
    base.at = at;
    base.add = (int32_t)((uint32_t)base.add + (uint32_t)constant.add);
    push(p, base);
}

static void visit_other(planner *p, uint32_t at)
{
    const mr_op_info *info = &mr_op_table[p->function->body[at].op];
    p->height -= (uint8_t)info->pops;
    if (info->pushes > 0)
        push_unknown(p, at);
    if (divides(p->function->body[at].op))
        p->region = ++p->clock;
}

static void visit(planner *p, uint32_t at)
{
    const mr_instr *instr = &p->function->body[at];
    switch (instr->op) {
    case MR_OP_BLOCK:
    case MR_OP_LOOP:
    case MR_OP_IF:
        open_frame(p, at);
        break;
    case MR_OP_ELSE:
        visit_else(p);
        break;
    case MR_OP_END:
        visit_end(p, at);
        break;
    case MR_OP_BR_IF:
        p->height--;
        branch(p, instr->a);
        p->region = ++p->clock;
        break;
    case MR_OP_BR:
        branch(p, instr->a);
        break;
    case MR_OP_BR_TABLE:
        for (uint64_t i = 0; i <= instr->b; i++)
            branch(p, p->module->targets[instr->a + i]);
        break;
    case MR_OP_RETURN:
    case MR_OP_UNREACHABLE:
        break;
    case MR_OP_CALL:
        visit_call(p, at, mr_module_type(p->module, instr->a));
        break;
    case MR_OP_CALL_INDIRECT:
        p->height--;
        visit_call(p, at, &p->module->types[instr->a]);
        break;
    case MR_OP_LOCAL_GET:
        push(p, (operand){.at = at, .local = instr->a, .version = p->versions[instr->a]});
        break;
    case MR_OP_LOCAL_SET:
        p->height--;
        set_local(p, instr->a);
        break;
    case MR_OP_LOCAL_TEE:
        p->height--;
        set_local(p, instr->a);
        push(p, (operand){.at = at, .local = instr->a, .version = p->versions[instr->a]});
        break;
    case MR_OP_I32_CONST:
        push(p, (operand){.at = at, .local = NONE, .is_constant = true, .add = (int32_t)instr->b});
        break;
    case MR_OP_I32_ADD:
        visit_add(p, at);
        break;
    default:
        if (mr_op_table[instr->op].store_bytes > 0)
            visit_store(p, at);
        else
            visit_other(p, at);
    }
}

static void add_mark(mr_plan *plan, const group *g, int64_t offset)
{
    plan->marks[plan->marks_count++] = (mr_mark){.after = g->first,
                                                 .is_constant = g->local == NONE,
                                                 .local = g->local,
                                                 .add = (uint32_t)offset};
}

static void make_marks(planner *p)
{
    for (uint32_t i = 0; i < p->groups_count; i++) {
        const group *g = &p->groups[i];
        int64_t other = g->low + MR_STRADDLE_BYTES;
        bool is_same = g->local == NONE && other >> MR_UNIT_SHIFT == g->high >> MR_UNIT_SHIFT;
        add_mark(p->plan, g, g->high);
        if (other < g->high && !is_same)
            add_mark(p->plan, g, other);
    }
}

mr_status mr_plan_marks(const mr_module *module, const mr_function *function, mr_arena *scratch,
                        mr_plan *plan)
{
    uint32_t count = function->body_count, stores = 0;
    uint32_t locals = module->types[function->type].params_count + function->locals_count;
    for (uint32_t i = 0; i < count; i++)
        stores += mr_op_table[function->body[i].op].store_bytes > 0;
    planner p = {.module = module,
                 .function = function,
                 .plan = plan,
                 .operands = mr_scratch(scratch, count, sizeof(operand)),
                 .frames = mr_scratch(scratch, mr_frames_max(function), sizeof(frame)),
                 .versions = mr_scratch(scratch, locals, sizeof(uint32_t)),
                 .groups = mr_scratch(scratch, stores, sizeof(group)),
                 .kept = mr_scratch(scratch, stores, sizeof(kept)),
                 .depth = 1};
    plan->tees = mr_scratch(scratch, count, sizeof *plan->tees);
    plan->marks = mr_scratch(scratch, 2 * (size_t)stores, sizeof *plan->marks);
    if (p.operands == NULL || p.frames == NULL || p.versions == NULL || p.groups == NULL ||
        p.kept == NULL || plan->tees == NULL || plan->marks == NULL)
        return MR_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        visit(&p, i);
    make_marks(&p);
    return MR_OK;
}
