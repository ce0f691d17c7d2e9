/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/rewrite.h"

#include "vm/module_ops.h"

/* A block that is open and reached. */
typedef struct frame {
    uint32_t begin;   /* position of its block, loop or if, in the pruned body */
    uint32_t other;   /* position of its else, or 0 */
    uint32_t height;  /* operands below it */
    bool is_targeted; /* some branch goes to its label */
    bool then_lives;  /* at its else, the first arm went on */
} frame;

typedef struct pruner {
    const mr_module *module;
    mr_function *function;
    frame *frames;
    uint32_t depth;  /* of frames; frame 0 is the function */
    uint32_t height; /* operands now */
    uint32_t height_max;
    uint32_t count; /* instructions kept */
    bool is_dead;   /* no path reaches the current position */
    bool owes;      /* an end was kept that no path reaches; see drop */
    bool is_valid;
} pruner;

static void pop(pruner *p, uint32_t count)
{
    if (p->height < p->frames[p->depth - 1].height + count)
        p->is_valid = false;
    else
        p->height -= count;
}

static void push(pruner *p, uint32_t count)
{
    p->height += count;
    if (p->height > p->height_max)
        p->height_max = p->height;
}

static void keep(pruner *p, mr_instr instr)
{
    p->function->body[p->count++] = instr;
}

static void target(pruner *p, uint32_t depth)
{
    if (depth >= p->depth)
        p->is_valid = false;
    else
        p->frames[p->depth - 1 - depth].is_targeted = true;
}

static void call(pruner *p, const mr_func_type *type)
{
    pop(p, type->params_count);
    push(p, type->result != MR_TYPE_NONE);
}

static void open_block(pruner *p, mr_instr instr)
{
    if (instr.op == MR_OP_IF)
        pop(p, 1);
    p->frames[p->depth++] = (frame){.begin = p->count, .height = p->height};
    keep(p, instr);
}

static void visit_else(pruner *p, mr_instr instr)
{
    frame *top = &p->frames[p->depth - 1];
    top->then_lives = !p->is_dead;
    top->other = p->count;
    p->is_dead = false;
    p->height = top->height;
    keep(p, instr);
}

static void visit_end(pruner *p, mr_instr instr)
{
    frame top = p->frames[--p->depth];
    uint32_t end = p->count;
    keep(p, instr);
    if (p->depth == 0)
        return;
    mr_instr *begin = &p->function->body[top.begin];
    begin->b = (uint64_t)top.other << 32 | end;
    if (top.other != 0)
        p->function->body[top.other].b = end;
    bool has_no_else = begin->op == MR_OP_IF && top.other == 0;
    bool jumps_here = begin->op != MR_OP_LOOP && top.is_targeted;
    if (begin->op == MR_OP_LOOP && !top.is_targeted)
        begin->op = MR_OP_BLOCK;
    p->is_dead = p->is_dead && !jumps_here && !has_no_else && !top.then_lives;
    p->owes = p->is_dead;
    p->height = top.height;
    push(p, begin->a != MR_TYPE_NONE);
}

/* To the validator every end is reached and results lie on the stack. When what would have used
 * them is dropped, an unreachable in its place makes the validator accept that. */
static void drop(pruner *p)
{
    if (p->owes)
        keep(p, (mr_instr){.op = MR_OP_UNREACHABLE});
    p->owes = false;
}

static void visit(pruner *p, mr_instr instr)
{
    const mr_op_info *info = &mr_op_table[instr.op];
    switch (instr.op) {
    case MR_OP_BLOCK:
    case MR_OP_LOOP:
    case MR_OP_IF:
        open_block(p, instr);
        return;
    case MR_OP_BR:
        target(p, instr.a);
        break;
    case MR_OP_BR_IF:
        pop(p, 1);
        target(p, instr.a);
        break;
    case MR_OP_BR_TABLE:
        pop(p, 1);
        for (uint64_t i = 0; i <= instr.b; i++)
            target(p, p->module->targets[instr.a + i]);
        break;
    case MR_OP_CALL:
        call(p, mr_module_type(p->module, instr.a));
        break;
    case MR_OP_CALL_INDIRECT:
        pop(p, 1);
        call(p, &p->module->types[instr.a]);
        break;
    default:
        if (info->pops > 0)
            pop(p, (uint32_t)info->pops);
        push(p, (uint32_t)info->pushes);
    }
    keep(p, instr);
    p->is_dead = mr_op_ends_path(instr.op);
}

mr_status mr_prune_function(mr_module *module, mr_function *function, mr_arena *scratch,
                            uint32_t *height, mr_error *error)
{
    pruner p = {.module = module,
                .function = function,
                .frames = mr_scratch(scratch, mr_frames_max(function), sizeof(frame)),
                .depth = 1,
                .is_valid = true};
    if (p.frames == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a module");
    p.frames[0] = (frame){0};
    uint32_t skipped = 0; /* open blocks that are not reached */
    for (uint32_t i = 0; i < function->body_count && p.is_valid; i++) {
        mr_instr instr = function->body[i];
        bool opens = instr.op == MR_OP_BLOCK || instr.op == MR_OP_LOOP || instr.op == MR_OP_IF;
        if (p.is_dead && (opens || skipped > 0)) {
            skipped += opens;
            skipped -= instr.op == MR_OP_END;
            drop(&p);
        } else if (instr.op == MR_OP_END) {
            visit_end(&p, instr);
        } else if (instr.op == MR_OP_ELSE) {
            visit_else(&p, instr);
        } else if (p.is_dead) {
            drop(&p);
        } else {
            visit(&p, instr);
        }
    }
    if (!p.is_valid || p.depth != 0)
        return MR_FAIL(error, MR_MODULE, "operands or labels do not fit");
    function->body_count = p.count;
    *height = p.height_max;
    return MR_OK;
}
