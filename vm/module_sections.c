/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/module.h"

#include <inttypes.h>

#include "vm/module_ops.h"

static mr_status no_memory(mr_reader *reader)
{
    return MR_FAIL(reader->error, MR_NO_MEMORY, "out of memory for a module");
}

static mr_status read_types(mr_reader *reader, mr_module *module, const mr_module_rules *rules)
{
    if (mr_reader_left(reader) > rules->type_section_bytes_max)
        return MR_FAIL(reader->error, MR_MODULE,
                       "the type section has %zu bytes, more than the limit of %u",
                       mr_reader_left(reader), rules->type_section_bytes_max);
    MR_TRY(mr_read_count(reader, "the number of types", 3, &module->types_count));
    module->types_bytes = mr_span_of(reader->at, mr_reader_left(reader));
    module->types = mr_module_alloc(module, module->types_count, sizeof *module->types);
    if (module->types == NULL)
        return no_memory(reader);
    for (uint32_t i = 0; i < module->types_count; i++) {
        mr_func_type *type = &module->types[i];
        uint8_t form = 0;
        MR_TRY(mr_read_byte(reader, "a type", &form));
        if (form != 0x60)
            return MR_FAIL(reader->error, MR_MODULE, "type %u is not a function type", i);
        MR_TRY(mr_read_count(reader, "the number of parameters", 1, &type->params_count));
        type->params = reader->at;
        for (uint32_t p = 0; p < type->params_count; p++) {
            uint8_t ignored = 0;
            MR_TRY(mr_read_type(reader, "a parameter", &ignored));
        }
        uint32_t results = 0;
        MR_TRY(mr_read_count(reader, "the number of results", 1, &results));
        if (results > 1)
            return MR_FAIL(reader->error, MR_MODULE,
                           "type %u has %u results: more than one is not allowed", i, results);
        type->result = MR_TYPE_NONE;
        if (results == 1)
            MR_TRY(mr_read_type(reader, "a result", &type->result));
        if (type->params_count + results > rules->params_max)
            return MR_FAIL(reader->error, MR_MODULE,
                           "type %u has %u parameters and results, more than the limit of %u", i,
                           type->params_count + results, rules->params_max);
    }
    return MR_OK;
}

static mr_status read_limits(mr_reader *reader, const char *what, uint32_t *min, uint32_t *max,
                             bool *has_max)
{
    uint8_t flags = 0;
    MR_TRY(mr_read_byte(reader, what, &flags));
    if (flags > 1)
        return MR_FAIL(reader->error, MR_MODULE, "%s is shared or 64-bit, which is not allowed",
                       what);
    *has_max = flags == 1;
    MR_TRY(mr_read_u32(reader, what, min));
    if (*has_max)
        MR_TRY(mr_read_u32(reader, what, max));
    return MR_OK;
}

static mr_status read_memory_import(mr_reader *reader, mr_module *module, const mr_import *import)
{
    if (module->has_memory)
        return MR_FAIL(reader->error, MR_MODULE, "the module imports more than one memory");
    module->has_memory = true;
    module->memory_module = import->module;
    module->memory_name = import->name;
    uint32_t max = 0;
    return read_limits(reader, "the imported memory", &module->memory_pages, &max,
                       &module->memory_has_max);
}

static mr_status read_imports(mr_reader *reader, mr_module *module)
{
    uint32_t count = 0;
    MR_TRY(mr_read_count(reader, "the number of imports", 4, &count));
    module->imports = mr_module_alloc(module, count, sizeof *module->imports);
    if (module->imports == NULL)
        return no_memory(reader);
    for (uint32_t i = 0; i < count; i++) {
        mr_import import = {0};
        uint8_t kind = 0;
        MR_TRY(mr_read_span(reader, "the module of an import", &import.module));
        MR_TRY(mr_read_span(reader, "the name of an import", &import.name));
        MR_TRY(mr_read_byte(reader, "the kind of an import", &kind));
        if (kind == MR_EXTERN_MEMORY) {
            MR_TRY(read_memory_import(reader, module, &import));
            continue;
        }
        if (kind != MR_EXTERN_FUNCTION) {
            char name[MR_TEXT_BYTES];
            return MR_FAIL(reader->error, MR_MODULE,
                           "import %u (%s) is %s: only functions and the memory can be imported", i,
                           mr_text(import.name, name),
                           kind == MR_EXTERN_TABLE    ? "a table"
                           : kind == MR_EXTERN_GLOBAL ? "a global"
                                                      : "of an unknown kind");
        }
        MR_TRY(mr_read_u32(reader, "the type of an import", &import.type));
        if (import.type >= module->types_count)
            return MR_FAIL(reader->error, MR_MODULE, "import %u has type %u, which does not exist",
                           i, import.type);
        module->imports[module->imports_count++] = import;
    }
    return MR_OK;
}

static mr_status read_functions(mr_reader *reader, mr_module *module)
{
    MR_TRY(mr_read_count(reader, "the number of functions", 1, &module->functions_count));
    module->functions = mr_module_alloc(module, module->functions_count, sizeof(mr_function));
    if (module->functions == NULL)
        return no_memory(reader);
    for (uint32_t i = 0; i < module->functions_count; i++) {
        MR_TRY(mr_read_u32(reader, "the type of a function", &module->functions[i].type));
        if (module->functions[i].type >= module->types_count)
            return MR_FAIL(reader->error, MR_MODULE,
                           "function %u has type %u, which does not exist",
                           module->imports_count + i, module->functions[i].type);
    }
    return MR_OK;
}

static mr_status read_tables(mr_reader *reader, mr_module *module, const mr_module_rules *rules)
{
    uint32_t count = 0;
    MR_TRY(mr_read_count(reader, "the number of tables", 3, &count));
    if (count > 1)
        return MR_FAIL(reader->error, MR_MODULE, "the module has %u tables: one is allowed", count);
    if (count == 0)
        return MR_OK;
    uint8_t type = 0;
    MR_TRY(mr_read_byte(reader, "the table", &type));
    if (type != 0x70)
        return MR_FAIL(reader->error, MR_MODULE, "the table is not one of functions");
    module->has_table = true;
    MR_TRY(read_limits(reader, "the table", &module->table_min, &module->table_max,
                       &module->table_has_max));
    if (module->table_min > rules->table_elements_max)
        return MR_FAIL(reader->error, MR_MODULE,
                       "the table has %u elements, more than the limit of %u", module->table_min,
                       rules->table_elements_max);
    return MR_OK;
}

static mr_status read_memories(mr_reader *reader)
{
    uint32_t count = 0;
    MR_TRY(mr_read_u32(reader, "the number of memories", &count));
    if (count != 0)
        return MR_FAIL(reader->error, MR_MODULE,
                       "the module defines a memory of its own: it must import it "
                       "(wasm-ld --import-memory)");
    return MR_OK;
}

/* A constant of type `type` and the end of its expression. */
static mr_status read_constant(mr_reader *reader, const char *what, uint8_t type, uint64_t *out)
{
    uint8_t op = 0, end = 0;
    MR_TRY(mr_read_byte(reader, what, &op));
    if (op != (type == MR_TYPE_I32 ? MR_OP_I32_CONST : MR_OP_I64_CONST))
        return MR_FAIL(reader->error, MR_MODULE, "%s at byte %zu is not a constant %s", what,
                       mr_reader_offset(reader) - 1, type == MR_TYPE_I32 ? "i32" : "i64");
    if (type == MR_TYPE_I32) {
        uint32_t value = 0;
        MR_TRY(mr_read_s32(reader, what, &value));
        *out = value;
    } else {
        MR_TRY(mr_read_s64(reader, what, out));
    }
    MR_TRY(mr_read_byte(reader, what, &end));
    if (end != MR_OP_END)
        return MR_FAIL(reader->error, MR_MODULE, "%s at byte %zu is more than one constant", what,
                       mr_reader_offset(reader) - 1);
    return MR_OK;
}

static mr_status read_globals(mr_reader *reader, mr_module *module, const mr_module_rules *rules)
{
    MR_TRY(mr_read_count(reader, "the number of globals", 5, &module->globals_count));
    if (module->globals_count > rules->globals_max)
        return MR_FAIL(reader->error, MR_MODULE,
                       "the module has %u globals, more than the limit of %u",
                       module->globals_count, rules->globals_max);
    module->globals_bytes = mr_span_of(reader->at, mr_reader_left(reader));
    module->globals = mr_module_alloc(module, module->globals_count, sizeof *module->globals);
    if (module->globals == NULL)
        return no_memory(reader);
    for (uint32_t i = 0; i < module->globals_count; i++) {
        mr_global *global = &module->globals[i];
        uint8_t is_mutable = 0;
        MR_TRY(mr_read_type(reader, "a global", &global->type));
        MR_TRY(mr_read_byte(reader, "a global", &is_mutable));
        if (is_mutable > 1)
            return MR_FAIL(reader->error, MR_MODULE, "global %u has malformed mutability", i);
        global->is_mutable = is_mutable == 1;
        MR_TRY(read_constant(reader, "the value of a global", global->type, &global->value));
    }
    return MR_OK;
}

static mr_status read_exports(mr_reader *reader, mr_module *module)
{
    MR_TRY(mr_read_count(reader, "the number of exports", 3, &module->exports_count));
    module->exports = mr_module_alloc(module, module->exports_count, sizeof *module->exports);
    if (module->exports == NULL)
        return no_memory(reader);
    for (uint32_t i = 0; i < module->exports_count; i++) {
        mr_export *export = &module->exports[i];
        MR_TRY(mr_read_span(reader, "the name of an export", &export->name));
        MR_TRY(mr_read_byte(reader, "the kind of an export", &export->kind));
        MR_TRY(mr_read_u32(reader, "what is exported", &export->index));
        uint32_t limit = 0;
        switch (export->kind) {
        case MR_EXTERN_FUNCTION:
            limit = module->imports_count + module->functions_count;
            break;
        case MR_EXTERN_TABLE:
            limit = module->has_table;
            break;
        case MR_EXTERN_MEMORY:
            limit = module->has_memory;
            break;
        case MR_EXTERN_GLOBAL:
            limit = module->globals_count;
            break;
        }
        if (export->index >= limit)
            return MR_FAIL(reader->error, MR_MODULE, "export %u is of something that is not there",
                           i);
    }
    return MR_OK;
}

static mr_status read_elements(mr_reader *reader, mr_module *module, const mr_module_rules *rules)
{
    MR_TRY(mr_read_count(reader, "the number of element segments", 3, &module->elems_count));
    module->elems = mr_module_alloc(module, module->elems_count, sizeof *module->elems);
    if (module->elems == NULL)
        return no_memory(reader);
    for (uint32_t i = 0; i < module->elems_count; i++) {
        mr_elem *elem = &module->elems[i];
        uint32_t flags = 0;
        uint64_t offset = 0;
        MR_TRY(mr_read_u32(reader, "an element segment", &flags));
        if (flags != 0)
            return MR_FAIL(reader->error, MR_MODULE,
                           "element segment %u is passive or of a later version of WebAssembly", i);
        MR_TRY(read_constant(reader, "the offset of an element segment", MR_TYPE_I32, &offset));
        elem->offset = (uint32_t)offset;
        MR_TRY(mr_read_count(reader, "the size of an element segment", 1, &elem->count));
        if ((uint64_t)elem->offset + elem->count > (module->has_table ? module->table_min : 0) ||
            elem->count > rules->table_elements_max)
            return MR_FAIL(
                reader->error, MR_MODULE,
                "element segment %u fills elements %u to %" PRIu64 ", beyond the table's %u", i,
                elem->offset, (uint64_t)elem->offset + elem->count, module->table_min);
        uint32_t *functions = mr_module_alloc(module, elem->count, sizeof *functions);
        if (functions == NULL)
            return no_memory(reader);
        for (uint32_t k = 0; k < elem->count; k++) {
            MR_TRY(mr_read_u32(reader, "an element", &functions[k]));
            if (functions[k] >= module->imports_count + module->functions_count)
                return MR_FAIL(reader->error, MR_MODULE,
                               "element segment %u names function %u, which does not exist", i,
                               functions[k]);
        }
        elem->functions = functions;
    }
    return MR_OK;
}

static mr_status read_data(mr_reader *reader, mr_module *module, const mr_module_rules *rules)
{
    MR_TRY(mr_read_count(reader, "the number of data segments", 2, &module->data_count));
    if (module->data_count > rules->data_segments_max)
        return MR_FAIL(reader->error, MR_MODULE,
                       "the module has %u data segments, more than the limit of %u",
                       module->data_count, rules->data_segments_max);
    module->data = mr_module_alloc(module, module->data_count, sizeof *module->data);
    if (module->data == NULL)
        return no_memory(reader);
    for (uint32_t i = 0; i < module->data_count; i++) {
        mr_data *data = &module->data[i];
        uint32_t flags = 0;
        uint64_t offset = 0;
        MR_TRY(mr_read_u32(reader, "a data segment", &flags));
        if (flags != 0)
            return MR_FAIL(reader->error, MR_MODULE,
                           "data segment %u is passive or for a second memory: only active ones "
                           "are allowed",
                           i);
        MR_TRY(read_constant(reader, "the offset of a data segment", MR_TYPE_I32, &offset));
        data->offset = (uint32_t)offset;
        MR_TRY(mr_read_span(reader, "a data segment", &data->bytes));
    }
    return MR_OK;
}

static mr_status read_code(mr_reader *reader, mr_module *module, const mr_module_rules *rules)
{
    uint32_t count = 0;
    MR_TRY(mr_read_count(reader, "the number of function bodies", 3, &count));
    if (count != module->functions_count)
        return MR_FAIL(reader->error, MR_MODULE, "%u functions are declared and %u have bodies",
                       module->functions_count, count);
    /* Every br_table target takes at least a byte of what is left. */
    module->targets = mr_module_alloc(module, mr_reader_left(reader), sizeof *module->targets);
    module->open = mr_module_alloc(module, MR_CODE_NESTING_MAX, sizeof *module->open);
    if (module->targets == NULL || module->open == NULL)
        return no_memory(reader);
    for (uint32_t i = 0; i < count; i++) {
        mr_span body = {0};
        MR_TRY(mr_read_span(reader, "a function body", &body));
        mr_reader inner = *reader;
        inner.at = body.data;
        inner.end = body.data + body.size;
        MR_TRY(mr_read_body(&inner, module, rules, i));
    }
    return MR_OK;
}

mr_status mr_read_section(mr_reader *reader, mr_module *module, const mr_module_rules *rules,
                          uint8_t id)
{
    switch (id) {
    case MR_SECTION_TYPE:
        return read_types(reader, module, rules);
    case MR_SECTION_IMPORT:
        return read_imports(reader, module);
    case MR_SECTION_FUNCTION:
        return read_functions(reader, module);
    case MR_SECTION_TABLE:
        return read_tables(reader, module, rules);
    case MR_SECTION_MEMORY:
        return read_memories(reader);
    case MR_SECTION_GLOBAL:
        return read_globals(reader, module, rules);
    case MR_SECTION_EXPORT:
        return read_exports(reader, module);
    case MR_SECTION_START:
        return MR_FAIL(reader->error, MR_MODULE, "the module has a start section");
    case MR_SECTION_ELEMENT:
        return read_elements(reader, module, rules);
    case MR_SECTION_CODE:
        return read_code(reader, module, rules);
    case MR_SECTION_DATA:
        return read_data(reader, module, rules);
    case MR_SECTION_DATA_COUNT:
        return MR_FAIL(reader->error, MR_MODULE,
                       "the module has a data count section, which belongs to bulk memory: compile "
                       "with -mcpu=mvp");
    default:
        return MR_FAIL(reader->error, MR_MODULE, "section %u is unknown", id);
    }
}
