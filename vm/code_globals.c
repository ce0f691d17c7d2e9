/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/code_globals.h"

#include "vm/module_ops.h"
#include "vm/unit.h"

enum { SLOT_BYTES = 8 };

static bool moves(const mr_moved_globals *moved, uint32_t global)
{
    return moved->addresses[global] != UINT32_MAX;
}

mr_status mr_globals_move(mr_module *module, const mr_module_rules *rules, uint32_t stack_pointer,
                          mr_moved_globals *out, mr_error *error)
{
    uint32_t *addresses = mr_module_alloc(module, module->globals_count, sizeof *addresses);
    uint8_t *bytes = mr_module_alloc(module, module->globals_count, SLOT_BYTES);
    if (addresses == NULL || bytes == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a module");
    bool has_room = module->has_memory && !module->memory_has_max;
    uint64_t start = (uint64_t)module->memory_pages * MR_PAGE_BYTES;
    *out = (mr_moved_globals){.addresses = addresses};
    for (uint32_t i = 0; i < module->globals_count; i++) {
        const mr_global *global = &module->globals[i];
        addresses[i] = UINT32_MAX;
        if (!has_room || !global->is_mutable || i == stack_pointer)
            continue;
        if (module->memory_pages >= rules->static_pages_max)
            return MR_FAIL(error, MR_MODULE,
                           "global %u is mutable, and there is no page left to move it to", i);
        addresses[i] = (uint32_t)(start + out->count * SLOT_BYTES);
        mr_store_le64(bytes + (size_t)out->count * SLOT_BYTES, global->value);
        out->count++;
    }
    out->initial = (mr_data){.offset = (uint32_t)start,
                             .bytes = mr_span_of(bytes, (size_t)out->count * SLOT_BYTES)};
    return MR_OK;
}

void mr_globals_write_imports(mr_writer *writer, const mr_module *module)
{
    mr_write_u32(writer, module->imports_count + 1);
    for (uint32_t i = 0; i < module->imports_count; i++) {
        mr_write_span(writer, module->imports[i].module);
        mr_write_span(writer, module->imports[i].name);
        mr_write_byte(writer, MR_EXTERN_FUNCTION);
        mr_write_u32(writer, module->imports[i].type);
    }
    mr_write_span(writer, module->memory_module);
    mr_write_span(writer, module->memory_name);
    mr_write_byte(writer, MR_EXTERN_MEMORY);
    mr_write_byte(writer, 0); /* no maximum */
    mr_write_u32(writer, module->memory_pages + 1);
}

void mr_globals_write_globals(mr_writer *writer, const mr_module *module,
                              const mr_moved_globals *moved)
{
    for (uint32_t i = 0; i < module->globals_count; i++) {
        const mr_global *global = &module->globals[i];
        bool is_i32 = global->type == MR_TYPE_I32;
        mr_write_byte(writer, global->type);
        mr_write_byte(writer, global->is_mutable && !moves(moved, i));
        mr_write_byte(writer, is_i32 ? MR_OP_I32_CONST : MR_OP_I64_CONST);
        if (is_i32)
            mr_write_s32(writer, (uint32_t)global->value);
        else
            mr_write_s64(writer, global->value);
        mr_write_byte(writer, MR_OP_END);
    }
}

/* Locals that hold a value while its address goes below it, by type; as many as are needed. */
typedef struct temporaries {
    uint32_t i32, i64;
    uint32_t i32_count, i64_count; /* 0 or 1 */
} temporaries;

static temporaries plan_temporaries(const mr_module *module, const mr_function *function,
                                    const mr_moved_globals *moved)
{
    temporaries t = {0};
    for (uint32_t i = 0; i < function->body_count; i++) {
        const mr_instr *instr = &function->body[i];
        if (instr->op != MR_OP_GLOBAL_SET || !moves(moved, instr->a))
            continue;
        if (module->globals[instr->a].type == MR_TYPE_I32)
            t.i32_count = 1;
        else
            t.i64_count = 1;
    }
    t.i32 = module->types[function->type].params_count + function->locals_count;
    t.i64 = t.i32 + t.i32_count;
    return t;
}

static void write_locals(mr_writer *writer, const mr_function *function, const temporaries *t)
{
    mr_write_u32(writer, function->runs_count + t->i32_count + t->i64_count);
    for (uint32_t i = 0; i < function->runs_count; i++) {
        mr_write_u32(writer, function->runs[i].count);
        mr_write_byte(writer, function->runs[i].type);
    }
    if (t->i32_count > 0) {
        mr_write_u32(writer, 1);
        mr_write_byte(writer, MR_TYPE_I32);
    }
    if (t->i64_count > 0) {
        mr_write_u32(writer, 1);
        mr_write_byte(writer, MR_TYPE_I64);
    }
}

/* A load or store of a global's whole value. */
static void write_access(mr_writer *writer, enum mr_op op, bool is_i32)
{
    mr_write_byte(writer, (uint8_t)op);
    mr_write_u32(writer, is_i32 ? 2 : 3); /* its alignment, as a power of 2 */
    mr_write_u32(writer, 0);
}

static void write_get(mr_writer *writer, uint32_t address, bool is_i32)
{
    mr_write_byte(writer, MR_OP_I32_CONST);
    mr_write_s32(writer, address);
    write_access(writer, is_i32 ? MR_OP_I32_LOAD : MR_OP_I64_LOAD, is_i32);
}

static void write_set(mr_writer *writer, uint32_t address, bool is_i32, const temporaries *t)
{
    uint32_t local = is_i32 ? t->i32 : t->i64;
    mr_write_byte(writer, MR_OP_LOCAL_SET);
    mr_write_u32(writer, local);
    mr_write_byte(writer, MR_OP_I32_CONST);
    mr_write_s32(writer, address);
    mr_write_byte(writer, MR_OP_LOCAL_GET);
    mr_write_u32(writer, local);
    write_access(writer, is_i32 ? MR_OP_I32_STORE : MR_OP_I64_STORE, is_i32);
}

static void write_body(mr_writer *writer, const mr_module *module, const mr_function *function,
                       const mr_moved_globals *moved)
{
    temporaries t = plan_temporaries(module, function, moved);
    write_locals(writer, function, &t);
    for (uint32_t i = 0; i < function->body_count; i++) {
        const mr_instr *instr = &function->body[i];
        bool is_get = instr->op == MR_OP_GLOBAL_GET, is_set = instr->op == MR_OP_GLOBAL_SET;
        if ((!is_get && !is_set) || !moves(moved, instr->a)) {
            mr_write_instr(writer, module, instr);
            continue;
        }
        bool is_i32 = module->globals[instr->a].type == MR_TYPE_I32;
        if (is_get)
            write_get(writer, moved->addresses[instr->a], is_i32);
        else
            write_set(writer, moved->addresses[instr->a], is_i32, &t);
    }
}

void mr_globals_write_code(mr_writer *writer, const mr_module *module,
                           const mr_moved_globals *moved)
{
    mr_writer body = {0};
    mr_write_u32(writer, module->functions_count);
    for (uint32_t i = 0; i < module->functions_count; i++) {
        body.buffer.size = 0;
        write_body(&body, module, &module->functions[i], moved);
        mr_write_span(writer, mr_buffer_span(&body.buffer));
    }
    writer->failed |= body.failed;
    mr_buffer_fini(&body.buffer);
}
