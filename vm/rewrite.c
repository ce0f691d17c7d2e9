/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/rewrite.h"

#include "vm/module_ops.h"

enum {
    SCRATCH_KEEP_BYTES = 4 << 20,
    MARKS_PAGES = (MR_PAGES_MAX * MR_PAGE_UNITS) / MR_PAGE_BYTES,
    EXPORT_FUNCTION = 0,
    EXPORT_GLOBAL = 3,
};

void *mr_scratch(mr_arena *arena, size_t count, size_t item_bytes)
{
    if (count > SIZE_MAX / item_bytes)
        return NULL;
    void *items = mr_arena_alloc(arena, count * item_bytes);
    if (items != NULL)
        memset(items, 0, count * item_bytes);
    return items;
}

/* ---- The module around the functions ---- */

typedef struct rewriter {
    mr_module *module;
    const mr_module_rules *rules;
    const mr_code_prices *prices;
    mr_error *error;
    mr_arena arena;   /* lives as long as this */
    mr_arena scratch; /* of one function */
    mr_plan plan;     /* of one function */
    mr_stack_cost *costs;
    mr_additions additions;
    uint32_t break_type;
    uint32_t instructions;
    mr_writer out;
    mr_writer section; /* being written */
    mr_writer body;    /* being written */
} rewriter;

static mr_status no_memory(rewriter *r)
{
    return MR_FAIL(r->error, MR_NO_MEMORY, "out of memory for a module");
}

static void finish_section(rewriter *r, uint8_t id)
{
    mr_write_byte(&r->out, id);
    mr_write_span(&r->out, mr_buffer_span(&r->section.buffer));
    r->out.failed |= r->section.failed;
    r->section.buffer.size = 0;
}

static void write_types(rewriter *r)
{
    mr_writer *s = &r->section;
    mr_write_u32(s, r->module->types_count + 1);
    mr_write_bytes(s, r->module->types_bytes);
    mr_write_bytes(s, mr_span_of((const uint8_t[]){0x60, 1, MR_TYPE_I32, 0}, 4));
    finish_section(r, 1);
}

static void write_imports(rewriter *r)
{
    const mr_module *module = r->module;
    mr_writer *s = &r->section;
    mr_write_u32(s, module->imports_count + 3);
    for (uint32_t i = 0; i < module->imports_count; i++) {
        mr_write_span(s, module->imports[i].module);
        mr_write_span(s, module->imports[i].name);
        mr_write_byte(s, MR_EXTERN_FUNCTION);
        mr_write_u32(s, module->imports[i].type);
    }
    mr_write_text(s, MR_CODE_MARKS_MODULE);
    mr_write_text(s, MR_CODE_BREAK_NAME);
    mr_write_byte(s, MR_EXTERN_FUNCTION);
    mr_write_u32(s, r->break_type);
    mr_write_span(s, module->memory_module);
    mr_write_span(s, module->memory_name);
    mr_write_byte(s, MR_EXTERN_MEMORY);
    mr_write_byte(s, 0);
    mr_write_u32(s, module->memory_pages);
    mr_write_text(s, MR_CODE_MARKS_MODULE);
    mr_write_text(s, MR_CODE_MARKS_NAME);
    mr_write_byte(s, MR_EXTERN_MEMORY);
    mr_write_byte(s, 0);
    mr_write_u32(s, MARKS_PAGES);
    finish_section(r, 2);
}

static void write_functions(rewriter *r)
{
    mr_write_u32(&r->section, r->module->functions_count);
    for (uint32_t i = 0; i < r->module->functions_count; i++)
        mr_write_u32(&r->section, r->module->functions[i].type);
    finish_section(r, 3);
}

static void write_table(rewriter *r)
{
    const mr_module *module = r->module;
    if (!module->has_table)
        return;
    mr_write_bytes(&r->section, mr_span_of((const uint8_t[]){1, 0x70}, 2));
    mr_write_byte(&r->section, module->table_has_max);
    mr_write_u32(&r->section, module->table_min);
    if (module->table_has_max)
        mr_write_u32(&r->section, module->table_max);
    finish_section(r, 4);
}

static void write_global(mr_writer *s, mr_global global)
{
    mr_write_byte(s, global.type);
    mr_write_byte(s, global.is_mutable);
    if (global.type == MR_TYPE_I32) {
        mr_write_byte(s, MR_OP_I32_CONST);
        mr_write_s32(s, (uint32_t)global.value);
    } else {
        mr_write_byte(s, MR_OP_I64_CONST);
        mr_write_s64(s, global.value);
    }
    mr_write_byte(s, MR_OP_END);
}

static void write_globals(rewriter *r)
{
    mr_write_u32(&r->section, r->module->globals_count + 2);
    for (uint32_t i = 0; i < r->module->globals_count; i++)
        write_global(&r->section, r->module->globals[i]);
    write_global(&r->section, (mr_global){.type = MR_TYPE_I64, .is_mutable = true});
    write_global(&r->section, (mr_global){.type = MR_TYPE_I32, .is_mutable = true});
    finish_section(r, 6);
}

static uint32_t moved(const rewriter *r, uint32_t function)
{
    return function + (function >= r->additions.break_function);
}

static void write_exports(rewriter *r)
{
    const mr_module *module = r->module;
    mr_writer *s = &r->section;
    uint32_t count = 2;
    for (uint32_t i = 0; i < module->exports_count; i++)
        count += module->exports[i].kind == MR_EXTERN_FUNCTION;
    mr_write_u32(s, count);
    for (uint32_t i = 0; i < module->exports_count; i++) {
        if (module->exports[i].kind != MR_EXTERN_FUNCTION)
            continue;
        mr_write_span(s, module->exports[i].name);
        mr_write_byte(s, MR_EXTERN_FUNCTION);
        mr_write_u32(s, moved(r, module->exports[i].index));
    }
    mr_write_text(s, MR_CODE_GAS_EXPORT);
    mr_write_byte(s, MR_EXTERN_GLOBAL);
    mr_write_u32(s, r->additions.gas_global);
    mr_write_text(s, MR_CODE_HEIGHT_EXPORT);
    mr_write_byte(s, MR_EXTERN_GLOBAL);
    mr_write_u32(s, r->additions.height_global);
    finish_section(r, 7);
}

static void write_elements(rewriter *r)
{
    const mr_module *module = r->module;
    if (module->elems_count == 0)
        return;
    mr_writer *s = &r->section;
    mr_write_u32(s, module->elems_count);
    for (uint32_t i = 0; i < module->elems_count; i++) {
        mr_write_u32(s, 0);
        mr_write_byte(s, MR_OP_I32_CONST);
        mr_write_s32(s, module->elems[i].offset);
        mr_write_byte(s, MR_OP_END);
        mr_write_u32(s, module->elems[i].count);
        for (uint32_t k = 0; k < module->elems[i].count; k++)
            mr_write_u32(s, moved(r, module->elems[i].functions[k]));
    }
    finish_section(r, 9);
}

/* Function names, for profiles. They come from an uploader: one line of printable text each. */
static void write_names(rewriter *r)
{
    const mr_module *module = r->module;
    if (module->names == NULL)
        return;
    uint32_t functions = module->imports_count + module->functions_count, count = 0;
    mr_writer *s = &r->body;
    s->buffer.size = 0;
    for (uint32_t i = 0; i < functions; i++)
        count += module->names[i].size > 0;
    mr_write_u32(s, count);
    for (uint32_t i = 0; i < functions; i++) {
        mr_span name = module->names[i];
        if (name.size == 0)
            continue;
        mr_write_u32(s, moved(r, i));
        mr_write_u32(s, (uint32_t)name.size);
        for (size_t k = 0; k < name.size; k++)
            mr_write_byte(s, (uint8_t)mr_printable(name.data[k]));
    }
    mr_write_text(&r->section, "name");
    mr_write_byte(&r->section, 1);
    mr_write_span(&r->section, mr_buffer_span(&s->buffer));
    r->section.failed |= s->failed;
    finish_section(r, 0);
}

/* ---- The functions ---- */

static mr_status in_function(const rewriter *r, uint32_t number, mr_status status)
{
    char where[MR_WHERE_BYTES];
    uint32_t index = r->module->imports_count + number;
    if (status == MR_OK)
        return status;
    return mr_error_prefix(r->error, status, "%s: ", mr_module_where(r->module, index, where));
}

/* Plans what does not depend on the stack, which depends on the temporaries that marks need. */
static mr_status plan_function(rewriter *r, const mr_function *function, uint32_t *charged)
{
    r->plan = (mr_plan){0};
    mr_arena_reset(&r->scratch, SCRATCH_KEEP_BYTES);
    if (mr_plan_gas(r->module, function, &r->scratch, &r->plan, charged) != MR_OK ||
        mr_plan_marks(r->module, function, &r->scratch, &r->plan) != MR_OK)
        return no_memory(r);
    return MR_OK;
}

static mr_status plan_stack(rewriter *r)
{
    mr_module *module = r->module;
    uint32_t *frames = mr_scratch(&r->arena, module->functions_count, sizeof *frames);
    r->costs = mr_scratch(&r->arena, module->functions_count, sizeof *r->costs);
    if (frames == NULL || r->costs == NULL)
        return no_memory(r);
    for (uint32_t i = 0; i < module->functions_count; i++) {
        mr_function *function = &module->functions[i];
        uint32_t height = 0, charged = 0;
        mr_arena_reset(&r->scratch, SCRATCH_KEEP_BYTES);
        MR_TRY(
            in_function(r, i, mr_prune_function(module, function, &r->scratch, &height, r->error)));
        MR_TRY(plan_function(r, function, &charged));
        r->instructions += charged;
        frames[i] = module->types[function->type].params_count + function->locals_count +
                    r->plan.temps_count + height + MR_CODE_FRAME_VALUES;
    }
    return mr_plan_stack(module, r->rules, r->prices, frames, r->costs, r->error);
}

static mr_status write_code(rewriter *r)
{
    mr_module *module = r->module;
    mr_write_u32(&r->section, module->functions_count);
    for (uint32_t i = 0; i < module->functions_count; i++) {
        uint32_t ignored = 0;
        MR_TRY(plan_function(r, &module->functions[i], &ignored));
        r->body.buffer.size = 0;
        mr_emit_function(&r->body, module, &module->functions[i], &r->plan, &r->costs[i],
                         &r->additions);
        mr_write_span(&r->section, mr_buffer_span(&r->body.buffer));
        r->section.failed |= r->body.failed;
    }
    finish_section(r, 10);
    return MR_OK;
}

static mr_status rewrite(rewriter *r)
{
    static const uint8_t version[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    MR_TRY(plan_stack(r));
    mr_write_bytes(&r->out, mr_span_of(version, sizeof version));
    write_types(r);
    write_imports(r);
    write_functions(r);
    write_table(r);
    write_globals(r);
    write_exports(r);
    write_elements(r);
    MR_TRY(write_code(r));
    write_names(r);
    return r->out.failed ? no_memory(r) : MR_OK;
}

mr_status mr_rewrite(mr_module *module, const mr_module_rules *rules, const mr_code_prices *prices,
                     mr_buffer *out, uint32_t *instructions, mr_error *error)
{
    rewriter r = {.module = module,
                  .rules = rules,
                  .prices = prices,
                  .error = error,
                  .break_type = module->types_count,
                  .additions = {.price = prices->instruction,
                                .break_function = module->imports_count,
                                .gas_global = module->globals_count,
                                .height_global = module->globals_count + 1,
                                .marks_memory = 1}};
    mr_status status = rewrite(&r);
    if (status == MR_OK) {
        status = mr_buffer_append(out, mr_buffer_span(&r.out.buffer));
        *instructions = r.instructions;
    }
    mr_buffer_fini(&r.out.buffer);
    mr_buffer_fini(&r.section.buffer);
    mr_buffer_fini(&r.body.buffer);
    mr_arena_fini(&r.arena);
    mr_arena_fini(&r.scratch);
    return status;
}
