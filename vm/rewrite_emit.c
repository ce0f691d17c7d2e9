/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/rewrite.h"

#include "base/assert.h"
#include "vm/module_ops.h"

enum { MEMORY_FLAG = 0x40 /* of an alignment: the memory's number follows */ };

typedef struct emitter {
    mr_writer *out;
    const mr_module *module;
    const mr_function *function;
    const mr_plan *plan;
    const mr_stack_cost *cost;
    const mr_additions *additions;
    uint32_t locals_count; /* of the original, parameters included */
    uint32_t old_height;   /* local that keeps the height of the caller, if dynamic */
    uint32_t kept_gas;     /* local that keeps the gas left, if keeps_gas */
    bool keeps_gas;
    uint32_t depth; /* open blocks of the original */
    uint32_t next_mark;
} emitter;

static void op(emitter *e, enum mr_op code)
{
    mr_write_byte(e->out, (uint8_t)code);
}

static void op_u32(emitter *e, enum mr_op code, uint32_t value)
{
    op(e, code);
    mr_write_u32(e->out, value);
}

static void i32_const(emitter *e, uint32_t value)
{
    op(e, MR_OP_I32_CONST);
    mr_write_s32(e->out, value);
}

static void i64_const(emitter *e, uint64_t value)
{
    op(e, MR_OP_I64_CONST);
    mr_write_s64(e->out, value);
}

/* if the condition on the stack holds, break */
static void break_if(emitter *e, uint32_t reason)
{
    op(e, MR_OP_IF);
    mr_write_byte(e->out, MR_TYPE_NONE);
    i32_const(e, reason);
    op_u32(e, MR_OP_CALL, e->additions->break_function);
    op(e, MR_OP_UNREACHABLE);
    op(e, MR_OP_END);
}

/* Functions that loop and call nothing keep the gas left in a local beside the global: nobody else
 * changes it, and a compiler then has no load to wait for between two charges. */
static bool keeps_gas(const mr_function *function)
{
    bool loops = false;
    for (uint32_t i = 0; i < function->body_count; i++) {
        uint8_t code = function->body[i].op;
        if (code == MR_OP_CALL || code == MR_OP_CALL_INDIRECT)
            return false;
        loops |= code == MR_OP_LOOP;
    }
    return loops;
}

static void get_gas(emitter *e, bool kept)
{
    if (kept)
        op_u32(e, MR_OP_LOCAL_GET, e->kept_gas);
    else
        op_u32(e, MR_OP_GLOBAL_GET, e->additions->gas_global);
}

static void emit_charge(emitter *e, uint32_t at)
{
    bool takes = e->keeps_gas && at == 0;
    if (e->plan->charges[at] != 0 || takes) {
        get_gas(e, e->keeps_gas && !takes);
        i64_const(e, e->plan->charges[at] * e->additions->price);
        op(e, MR_OP_I64_SUB);
        if (e->keeps_gas)
            op_u32(e, MR_OP_LOCAL_TEE, e->kept_gas);
        op_u32(e, MR_OP_GLOBAL_SET, e->additions->gas_global);
    }
    if (e->plan->checks[at]) {
        get_gas(e, e->keeps_gas);
        i64_const(e, 0);
        op(e, MR_OP_I64_LT_S);
        break_if(e, MR_BREAK_GAS);
    }
}

/* Marks the unit of base + add. The value stored is 1. */
static void emit_mark(emitter *e, const mr_mark *mark)
{
    if (mark->is_constant) {
        i32_const(e, mark->add >> MR_UNIT_SHIFT);
    } else {
        op_u32(e, MR_OP_LOCAL_GET, mark->local);
        if (mark->add != 0) {
            i32_const(e, mark->add);
            op(e, MR_OP_I32_ADD);
        }
        i32_const(e, MR_UNIT_SHIFT);
        op(e, MR_OP_I32_SHR_U);
    }
    i32_const(e, 1);
    op(e, MR_OP_I32_STORE8);
    mr_write_u32(e->out, MEMORY_FLAG);
    mr_write_u32(e->out, e->additions->marks_memory);
    mr_write_u32(e->out, 0);
}

static void emit_instr(emitter *e, const mr_instr *instr)
{
    if (instr->op == MR_OP_RETURN && e->cost->is_dynamic) {
        op_u32(e, MR_OP_BR, e->depth);
        return;
    }
    if (instr->op == MR_OP_CALL)
        op_u32(e, MR_OP_CALL, instr->a + (instr->a >= e->additions->break_function));
    else
        mr_write_instr(e->out, e->module, instr);
}

static void emit_locals(emitter *e)
{
    const mr_function *function = e->function;
    uint32_t added = e->plan->temps_count + e->cost->is_dynamic;
    mr_write_u32(e->out, function->runs_count + (added > 0) + e->keeps_gas);
    for (uint32_t i = 0; i < function->runs_count; i++) {
        mr_write_u32(e->out, function->runs[i].count);
        mr_write_byte(e->out, function->runs[i].type);
    }
    if (added > 0) {
        mr_write_u32(e->out, added);
        mr_write_byte(e->out, MR_TYPE_I32);
    }
    if (e->keeps_gas) {
        mr_write_u32(e->out, 1);
        mr_write_byte(e->out, MR_TYPE_I64);
    }
}

/* Keeps the caller's height, breaks when this call does not fit, and opens a block that every way
 * out of the original body leads to. */
static void enter_dynamic(emitter *e, uint8_t result)
{
    op_u32(e, MR_OP_GLOBAL_GET, e->additions->height_global);
    op_u32(e, MR_OP_LOCAL_TEE, e->old_height);
    i32_const(e, e->cost->highest);
    op(e, MR_OP_I32_GT_U);
    break_if(e, MR_BREAK_STACK);
    op_u32(e, MR_OP_LOCAL_GET, e->old_height);
    i32_const(e, e->cost->push);
    op(e, MR_OP_I32_ADD);
    op_u32(e, MR_OP_GLOBAL_SET, e->additions->height_global);
    op(e, MR_OP_BLOCK);
    mr_write_byte(e->out, result);
}

static void leave_dynamic(emitter *e)
{
    op(e, MR_OP_END);
    op_u32(e, MR_OP_LOCAL_GET, e->old_height);
    op_u32(e, MR_OP_GLOBAL_SET, e->additions->height_global);
}

void mr_emit_function(mr_writer *writer, const mr_module *module, const mr_function *function,
                      const mr_plan *plan, const mr_stack_cost *cost, const mr_additions *additions)
{
    const mr_func_type *type = &module->types[function->type];
    uint32_t locals = type->params_count + function->locals_count;
    emitter e = {.out = writer,
                 .module = module,
                 .function = function,
                 .plan = plan,
                 .cost = cost,
                 .additions = additions,
                 .locals_count = locals,
                 .old_height = locals + plan->temps_count,
                 .kept_gas = locals + plan->temps_count,
                 .keeps_gas = keeps_gas(function)};
    MR_ASSERT(!e.keeps_gas || !cost->is_dynamic); /* what recurses calls */
    emit_locals(&e);
    if (cost->is_dynamic)
        enter_dynamic(&e, type->result);
    for (uint32_t i = 0; i < function->body_count; i++) {
        const mr_instr *instr = &function->body[i];
        emit_charge(&e, i);
        if (i + 1 == function->body_count && cost->is_dynamic)
            leave_dynamic(&e);
        emit_instr(&e, instr);
        if (plan->tees[i] != 0)
            op_u32(&e, MR_OP_LOCAL_TEE, plan->tees[i] - 1);
        while (e.next_mark < plan->marks_count && plan->marks[e.next_mark].after == i)
            emit_mark(&e, &plan->marks[e.next_mark++]);
        e.depth += instr->op == MR_OP_BLOCK || instr->op == MR_OP_LOOP || instr->op == MR_OP_IF;
        e.depth -= instr->op == MR_OP_END;
    }
}
