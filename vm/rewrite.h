/* SPDX-License-Identifier: Apache-2.0 */
/* rewrite: turns a checked and validated module into the form every tier runs. Private to vm.
 *
 * The steps, each in a file of its own and each deterministic:
 *   prune   drops instructions that no path reaches, so that the others may forget about them
 *   stack   finds recursion, and what height each function must account for
 *   gas     finds where to charge how much
 *   marks   finds which stores need which marks
 *   emit    writes the new function
 * Nothing is written to the module but the bodies that pruning shortens. */
#ifndef MR_VM_REWRITE_H
#define MR_VM_REWRITE_H

#include "vm/module.h"
#include "vm/module_write.h"

/* What one function needs beyond its own instructions. Arrays are by position in its body. */
typedef struct mr_mark {
    uint32_t after;   /* position of the store it follows */
    bool is_constant; /* `local` is not used, `add` is the address */
    uint32_t local;   /* that holds the base address */
    uint32_t add;     /* to the base address, modulo 2^32 */
} mr_mark;

typedef struct mr_plan {
    uint64_t *charges; /* instructions to charge before a position; 0 none */
    bool *checks;      /* gas is checked before a position, after its charge */
    uint32_t *tees;    /* local that keeps the result of a position, plus 1; 0 none */
    mr_mark *marks;    /* by `after`, ascending */
    uint32_t marks_count;
    uint32_t temps_count; /* i32 locals added for tees, after the function's own */
} mr_plan;

/* How a function accounts for the height of the stack. */
typedef struct mr_stack_cost {
    bool is_dynamic;  /* counts itself; the others are bounded by the chains they are in */
    uint32_t push;    /* added to the height while it runs */
    uint32_t highest; /* height on entry beyond which it breaks */
} mr_stack_cost;

/* mr_prune_function drops unreachable instructions and turns loops that nobody repeats into blocks;
 * *height is the greatest operand height. */
mr_status mr_prune_function(mr_module *module, mr_function *function, mr_arena *scratch,
                            uint32_t *height, mr_error *error);

/* mr_plan_stack fills `costs`, one a function of the module itself, from the functions' frames.
 * Errors: MR_MODULE when a chain of calls without recursion exceeds the limit; MR_NO_MEMORY. */
mr_status mr_plan_stack(const mr_module *module, const mr_module_rules *rules,
                        const mr_code_prices *prices, const uint32_t *frames, mr_stack_cost *costs,
                        mr_error *error);

/* mr_plan_gas fills plan->charges and plan->checks; *charged is the number of instructions that
 * cost gas. The plan lives in `scratch`. */
mr_status mr_plan_gas(const mr_module *module, const mr_function *function, mr_arena *scratch,
                      mr_plan *plan, uint32_t *charged);

/* mr_plan_marks fills the rest of the plan. */
mr_status mr_plan_marks(const mr_module *module, const mr_function *function, mr_arena *scratch,
                        mr_plan *plan);

/* Numbers of the additions in the rewritten module. */
typedef struct mr_additions {
    uint64_t price;          /* gas of one instruction */
    uint32_t break_function; /* functions from here on are moved up by one */
    uint32_t gas_global;
    uint32_t height_global;
    uint32_t marks_memory;
} mr_additions;

/* mr_emit_function appends the body of a function, without its size. */
void mr_emit_function(mr_writer *writer, const mr_module *module, const mr_function *function,
                      const mr_plan *plan, const mr_stack_cost *cost,
                      const mr_additions *additions);

/* mr_rewrite appends the rewritten module to *out. */
mr_status mr_rewrite(mr_module *module, const mr_module_rules *rules, const mr_code_prices *prices,
                     mr_buffer *out, uint32_t *instructions, mr_error *error);

/* mr_frames_max returns how many blocks of the function can be open at once, itself included. */
static inline uint32_t mr_frames_max(const mr_function *function)
{
    return (function->body_count < MR_CODE_NESTING_MAX ? function->body_count
                                                       : MR_CODE_NESTING_MAX) +
           1;
}

/* mr_scratch returns zeroed memory for `count` items, never NULL for none. */
void *mr_scratch(mr_arena *arena, size_t count, size_t item_bytes);

#endif
