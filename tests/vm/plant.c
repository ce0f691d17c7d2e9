/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/vm/plant.h"

#include <stdlib.h>

#include "tests/vm/bare.h"
#include "tests/vm/random_module.h"
#include "vm/module_ops.h"
#include "vm/rewrite.h"

enum {
    PLACES_MAX = 4096,
    GAS = 2, /* globals of a rewritten random module, whose own are 0 and 1 */
    HEIGHT = 3,
    BREAK = RM_IMPORTS, /* function: mr.break */
    SMALL = 256,        /* in a pattern: a byte below 0x40, a number by itself */
    PATTERN_MAX = 9,
    I64_LE_S = 0x57,
};

/* Instructions that the rewriting writes. A trap goes over some of them, the numbers say which
 * bytes. */
typedef struct fault {
    const char *name;
    uint16_t pattern[PATTERN_MAX];
    uint8_t bytes; /* of the pattern */
    uint8_t trap, trap_bytes;
} fault;

#define MARK   MR_OP_I32_CONST, 1, MR_OP_I32_STORE8, 0x40, 1, 0
#define CHARGE MR_OP_I64_CONST, SMALL, MR_OP_I64_SUB
#define CHECK  MR_OP_I64_CONST, 0, MR_OP_I64_LT_S, MR_OP_IF, MR_TYPE_NONE
static const fault faults[PLANT_KINDS] = {
    [PLANT_MARK_SHIFT] = {"a mark's shift is one more",
                          {MR_OP_I32_CONST, MR_UNIT_SHIFT, MR_OP_I32_SHR_U, MARK},
                          9,
                          0,
                          9},
    [PLANT_MARK_MISSING] = {"a mark is 0", {MARK}, 6, 0, 6},
    [PLANT_MARK_MEMORY] = {"a mark is stored in the program's memory", {MARK}, 6, 0, 6},
    [PLANT_CHARGE_MORE] = {"a charge is 1 too much", {CHARGE}, 3, 0, 3},
    [PLANT_CHARGE_LESS] = {"a charge is 1 too little", {CHARGE}, 3, 0, 3},
    [PLANT_CHARGE_NONE] = {"a charge is 0", {CHARGE}, 3, 0, 3},
    [PLANT_CHARGE_MOVED] = {"a charge is moved to the next", {CHARGE}, 3, 0, 3},
    [PLANT_CHECK_EARLY] = {"a check breaks at 0 gas", {CHECK}, 5, 0, 3},
    [PLANT_HEIGHT_LEFT] = {"the height is not put back",
                           {MR_OP_END, MR_OP_LOCAL_GET, SMALL, MR_OP_GLOBAL_SET, HEIGHT},
                           5,
                           1,
                           4},
    [PLANT_ELEMENT] = {"an element of the table is the function before", {SMALL}, 1, 0, 1},
};

static struct {
    plant_what what;
    plant_kind kind;
    bool everywhere;
    uint64_t seed;
    uint32_t planted;
} plant;

void plant_next(plant_what what, plant_kind kind, bool everywhere, uint64_t seed)
{
    plant.what = what;
    plant.kind = kind;
    plant.everywhere = everywhere;
    plant.seed = seed;
    plant.planted = 0;
}

uint32_t plant_places(void)
{
    return plant.planted;
}

const char *plant_name(plant_kind kind)
{
    return faults[kind].name;
}

/* ---- Where ---- */

/* Charges are what is taken from the gas, by way of a local now and then. */
static bool is_charge(const uint8_t *after)
{
    return (after[0] == MR_OP_GLOBAL_SET && after[1] == GAS) ||
           (after[0] == MR_OP_LOCAL_TEE && after[2] == MR_OP_GLOBAL_SET && after[3] == GAS);
}

static bool is_place(plant_kind kind, const uint8_t *at)
{
    const fault *f = &faults[kind];
    for (uint32_t i = 0; i < f->bytes; i++) {
        if (f->pattern[i] == SMALL ? at[i] >= 0x40 : at[i] != f->pattern[i])
            return false;
    }
    switch (kind) {
    case PLANT_CHARGE_MORE:
        return is_charge(at + f->bytes) && at[1] + 1 < 0x40;
    case PLANT_CHARGE_MOVED:
        return is_charge(at + f->bytes);
    case PLANT_CHARGE_LESS:
    case PLANT_CHARGE_NONE:
        return is_charge(at + f->bytes) && at[1] > 0;
    case PLANT_ELEMENT:
        return at[0] > BREAK;
    default:
        return true;
    }
}

/* Looks in the table's elements, which stand in front of the code, or in the code, whose end is
 * that of the module, as random modules have no names. The last function's end ends all patterns.
 */
static uint32_t find_places(plant_kind kind, mr_span module, uint32_t *places)
{
    static const uint8_t head[] = {1, 0, MR_OP_I32_CONST, 1, MR_OP_END, RM_ELEMENTS};
    const uint8_t *found = memmem(module.data, module.size, head, sizeof head);
    if (found == NULL)
        abort();
    const size_t elements = (size_t)(found - module.data) + sizeof head;
    const size_t code = elements + RM_ELEMENTS;
    const size_t end = kind == PLANT_ELEMENT ? code : module.size + 1 - faults[kind].bytes;
    uint32_t count = 0;
    for (size_t at = kind == PLANT_ELEMENT ? elements : code; at < end && count < PLACES_MAX; at++)
        if (is_place(kind, module.data + at))
            places[count++] = (uint32_t)at;
    return count;
}

/* ---- What ---- */

static void plant_trap(plant_kind kind, uint8_t *at)
{
    if (kind == PLANT_ELEMENT) { /* it breaks, or has another type */
        *at = BREAK;
        return;
    }
    memset(at + faults[kind].trap, MR_OP_NOP, faults[kind].trap_bytes);
    at[faults[kind].trap] = MR_OP_UNREACHABLE;
}

static void plant_fault(plant_kind kind, uint8_t *at, uint8_t *next)
{
    switch (kind) {
    case PLANT_MARK_SHIFT:
    case PLANT_CHARGE_MORE:
        at[1]++;
        break;
    case PLANT_CHARGE_LESS:
        at[1]--;
        break;
    case PLANT_MARK_MISSING:
    case PLANT_CHARGE_NONE:
        at[1] = 0;
        break;
    case PLANT_MARK_MEMORY:
        at[4] = 0;
        break;
    case PLANT_CHARGE_MOVED:
        next[1] = (uint8_t)(next[1] + at[1]);
        at[1] = 0;
        break;
    case PLANT_CHECK_EARLY:
        at[2] = I64_LE_S;
        break;
    case PLANT_HEIGHT_LEFT:
        memset(at + 1, MR_OP_NOP, 4);
        break;
    case PLANT_ELEMENT:
        at[0]--;
        break;
    case PLANT_KINDS:
        break;
    }
}

static void plant_in(mr_buffer *module)
{
    static uint32_t places[PLACES_MAX];
    const uint32_t count = find_places(plant.kind, mr_buffer_span(module), places);
    const uint64_t drawn = bare_mix(bare_mix(plant.seed, plant.kind), 1) >> 20;
    plant.planted = 0;
    for (uint32_t tries = 0; tries < count; tries++) {
        const uint32_t i = (uint32_t)((drawn + tries) % count);
        uint8_t *at = module->data + places[i], *next = NULL;
        if (plant.kind == PLANT_CHARGE_MOVED) { /* the next must have room for it */
            next = i + 1 < count ? module->data + places[i + 1] : NULL;
            if (next == NULL || at[1] == 0 || at[1] + next[1] >= 0x40)
                continue;
        }
        if (plant.what == PLANT_TRAP)
            plant_trap(plant.kind, at);
        else
            plant_fault(plant.kind, at, next);
        plant.planted++;
        if (!plant.everywhere)
            return;
    }
}

mr_status __real_mr_rewrite(mr_module *module, const mr_module_rules *rules,
                            const mr_code_prices *prices, mr_buffer *out, uint32_t *instructions,
                            mr_error *error);
mr_status __wrap_mr_rewrite(mr_module *module, const mr_module_rules *rules,
                            const mr_code_prices *prices, mr_buffer *out, uint32_t *instructions,
                            mr_error *error);

mr_status __wrap_mr_rewrite(mr_module *module, const mr_module_rules *rules,
                            const mr_code_prices *prices, mr_buffer *out, uint32_t *instructions,
                            mr_error *error)
{
    MR_TRY(__real_mr_rewrite(module, rules, prices, out, instructions, error));
    if (module->globals_count != GAS || module->imports_count != BREAK)
        abort();
    if (plant.what != PLANT_NOTHING)
        plant_in(out);
    return MR_OK;
}
