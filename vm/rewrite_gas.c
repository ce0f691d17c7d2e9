/* SPDX-License-Identifier: Apache-2.0 */
/* Where to charge gas, and how much.
 *
 * A body is cut into stretches: runs of instructions that are entered at the start and left at the
 * end only. Every path pays for exactly the instructions it executes, but not every stretch
 * charges:
 *
 *   A stretch prepays what every way out of it will cost in any case. Its successors then charge
 *   only what they cost beyond that: of the two arms of an if the dearer one pays the difference,
 *   and what follows the if is paid for before it.
 *
 * Charges are never negative, so gas left only falls, and a run given exactly the gas it burned
 * burns it again. Nothing is prepaid across the start of a loop, which charges every time around,
 * nor across the end of the function.
 *
 * All successors of one stretch must be prepaid alike, as it cannot know which will be taken; so
 * must all successors of all predecessors of these, and so on. Such stretches form a group, found
 * by union. What is prepaid for a group is the cheapest way from any of its members to an end:
 *
 *   prepaid(group) = min over its stretches s of  cost(s) + prepaid(successors of s)
 *   charge(s)      = cost(s) + prepaid(successors of s) - prepaid(group of s)   >= 0
 *
 * with 0 for the group of function entry, loop starts and ends. These are shortest paths, found by
 * Dijkstra's algorithm. */
#include "vm/rewrite.h"

#include "vm/module_ops.h"

enum { NONE = UINT32_MAX, ENDS = 0 };

typedef struct stretch {
    uint32_t start;      /* position of its first instruction */
    uint32_t cost;       /* instructions that cost gas */
    uint32_t successors; /* a member of the group of its successors, or NONE so far */
    uint32_t group;      /* union-find parent */
    uint32_t next;       /* stretch with the same group of successors, see shortest_paths */
    uint32_t first;      /* of the stretches this group succeeds, when it is a group's root */
    uint32_t prepaid;    /* of the group, when it is a group's root */
    bool is_done;        /* `prepaid` is final */
} stretch;

typedef struct frame {
    uint8_t op;
    uint32_t label;     /* stretch that branches go to; NONE until one does */
    uint32_t condition; /* of an if: the stretch that ends with it */
} frame;

typedef struct planner {
    const mr_module *module;
    const mr_function *function;
    stretch *stretches; /* 0 stands for every end: of a path, and starts of loops */
    uint32_t count;
    frame *frames;
    uint32_t depth;
    uint32_t now; /* stretch of the current position, NONE when no path reaches it */
    uint32_t charged;
} planner;

static uint32_t root_of(planner *p, uint32_t member)
{
    stretch *s = p->stretches;
    while (s[member].group != member) {
        s[member].group = s[s[member].group].group;
        member = s[member].group;
    }
    return member;
}

/* The lower root wins, so that ENDS stays a root. */
static void unite(planner *p, uint32_t a, uint32_t b)
{
    a = root_of(p, a);
    b = root_of(p, b);
    if (a < b)
        p->stretches[b].group = a;
    else
        p->stretches[a].group = b;
}

static uint32_t add_stretch(planner *p, uint32_t start)
{
    uint32_t added = p->count++;
    p->stretches[added] =
        (stretch){.start = start, .successors = NONE, .group = added, .first = NONE};
    return added;
}

static void add_edge(planner *p, uint32_t from, uint32_t to)
{
    if (from == NONE)
        return;
    if (p->stretches[from].successors == NONE)
        p->stretches[from].successors = to;
    else
        unite(p, p->stretches[from].successors, to);
}

static void branch(planner *p, uint32_t depth)
{
    frame *to = &p->frames[p->depth - 1 - depth];
    if (p->now == NONE)
        return;
    if (to->label == NONE)
        to->label = add_stretch(p, NONE);
    add_edge(p, p->now, to->label);
}

static void open_frame(planner *p, uint8_t op, uint32_t label)
{
    p->frames[p->depth++] = (frame){.op = op, .label = label, .condition = p->now};
}

/* Goes on with the stretch that starts at `start`, reached from the current one and others. */
static void join(planner *p, uint32_t label, uint32_t start)
{
    add_edge(p, p->now, label);
    p->stretches[label].start = start;
    p->now = label;
}

static void split(planner *p, uint32_t start)
{
    uint32_t next = add_stretch(p, start);
    add_edge(p, p->now, next);
    p->now = next;
}

static void visit_else(planner *p, uint32_t at)
{
    frame *top = &p->frames[p->depth - 1];
    if (p->now != NONE) {
        if (top->label == NONE)
            top->label = add_stretch(p, NONE);
        add_edge(p, p->now, top->label);
    }
    uint32_t next = add_stretch(p, at + 1);
    add_edge(p, top->condition, next);
    top->condition = NONE;
    p->now = next;
}

static void visit_end(planner *p, uint32_t at)
{
    frame top = p->frames[--p->depth];
    if (p->depth == 0) {
        add_edge(p, p->now, ENDS);
        return;
    }
    bool skips = top.op == MR_OP_IF && top.condition != NONE;
    if (skips) {
        if (top.label == NONE)
            top.label = add_stretch(p, NONE);
        add_edge(p, top.condition, top.label);
    }
    if (top.op != MR_OP_LOOP && top.label != NONE)
        join(p, top.label, at + 1);
}

static void visit(planner *p, uint32_t at, bool *checks)
{
    const mr_instr *instr = &p->function->body[at];
    if (p->now != NONE && mr_op_is_charged(instr->op)) {
        p->stretches[p->now].cost++;
        p->charged++;
    }
    switch (instr->op) {
    case MR_OP_BLOCK:
        open_frame(p, instr->op, NONE);
        break;
    case MR_OP_LOOP:
        split(p, at + 1);
        unite(p, p->now, ENDS);
        checks[at + 1] = true;
        open_frame(p, instr->op, p->now);
        break;
    case MR_OP_IF:
        open_frame(p, instr->op, NONE);
        split(p, at + 1);
        break;
    case MR_OP_ELSE:
        visit_else(p, at);
        break;
    case MR_OP_END:
        visit_end(p, at);
        break;
    case MR_OP_BR:
        branch(p, instr->a);
        p->now = NONE;
        break;
    case MR_OP_BR_IF:
        branch(p, instr->a);
        split(p, at + 1);
        break;
    case MR_OP_BR_TABLE:
        for (uint64_t i = 0; i <= instr->b; i++)
            branch(p, p->module->targets[instr->a + i]);
        p->now = NONE;
        break;
    case MR_OP_RETURN:
    case MR_OP_UNREACHABLE:
        add_edge(p, p->now, ENDS);
        p->now = NONE;
        break;
    }
}

/* A heap of groups by what would be prepaid for them. */
typedef struct entry {
    uint32_t prepaid;
    uint32_t group;
} entry;

typedef struct heap {
    entry *entries;
    uint32_t count;
} heap;

static void heap_push(heap *h, entry e)
{
    uint32_t at = h->count++;
    for (; at > 0 && h->entries[(at - 1) / 2].prepaid > e.prepaid; at = (at - 1) / 2)
        h->entries[at] = h->entries[(at - 1) / 2];
    h->entries[at] = e;
}

static entry heap_pop(heap *h)
{
    entry top = h->entries[0], last = h->entries[--h->count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < h->count && h->entries[child + 1].prepaid < h->entries[child].prepaid)
            child++;
        if (child >= h->count || h->entries[child].prepaid >= last.prepaid)
            break;
        h->entries[at] = h->entries[child];
        at = child;
    }
    h->entries[at] = last;
    return top;
}

/* Sets `prepaid` of all groups, from ENDS backwards. Each stretch is pushed at most once. */
static bool shortest_paths(planner *p, mr_arena *scratch)
{
    stretch *s = p->stretches;
    heap h = {.entries = mr_scratch(scratch, (size_t)p->count + 1, sizeof(entry))};
    if (h.entries == NULL)
        return false;
    for (uint32_t i = 1; i < p->count; i++) {
        uint32_t to = root_of(p, s[i].successors);
        s[i].successors = to;
        s[i].next = s[to].first;
        s[to].first = i;
    }
    heap_push(&h, (entry){0, ENDS});
    while (h.count > 0) {
        entry e = heap_pop(&h);
        if (s[e.group].is_done)
            continue;
        s[e.group].is_done = true;
        s[e.group].prepaid = e.prepaid;
        for (uint32_t i = s[e.group].first; i != NONE; i = s[i].next) {
            uint32_t group = root_of(p, i);
            if (!s[group].is_done)
                heap_push(&h, (entry){e.prepaid + s[i].cost, group});
        }
    }
    return true;
}

mr_status mr_plan_gas(const mr_module *module, const mr_function *function, mr_arena *scratch,
                      mr_plan *plan, uint32_t *charged)
{
    /* Every instruction starts at most two stretches: what follows it, and where it jumps. */
    size_t most = 2 * (size_t)function->body_count + 2;
    planner p = {.module = module,
                 .function = function,
                 .stretches = mr_scratch(scratch, most, sizeof(stretch)),
                 .frames = mr_scratch(scratch, mr_frames_max(function), sizeof(frame))};
    plan->charges = mr_scratch(scratch, function->body_count, sizeof *plan->charges);
    plan->checks = mr_scratch(scratch, function->body_count, sizeof *plan->checks);
    if (p.stretches == NULL || p.frames == NULL || plan->charges == NULL || plan->checks == NULL)
        return MR_NO_MEMORY;
    (void)add_stretch(&p, NONE);
    p.now = add_stretch(&p, 0);
    unite(&p, p.now, ENDS);
    plan->checks[0] = true;
    p.frames[p.depth++] = (frame){.op = MR_OP_BLOCK, .label = ENDS, .condition = NONE};
    for (uint32_t i = 0; i < function->body_count; i++)
        visit(&p, i, plan->checks);
    if (!shortest_paths(&p, scratch))
        return MR_NO_MEMORY;
    for (uint32_t i = 1; i < p.count; i++) {
        const stretch *s = &p.stretches[i];
        uint32_t before = p.stretches[root_of(&p, i)].prepaid;
        uint32_t after = p.stretches[s->successors].prepaid;
        plan->charges[s->start] += (uint64_t)s->cost + after - before;
    }
    *charged = p.charged;
    return MR_OK;
}
