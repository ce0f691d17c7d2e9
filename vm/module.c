/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/module.h"

#include <inttypes.h>
#include <stdio.h>

#include "vm/module_ops.h"

enum { VERSION_BYTES = 8 };

void *mr_module_alloc(mr_module *module, size_t count, size_t item_bytes)
{
    if (count > SIZE_MAX / item_bytes)
        return NULL;
    void *items = mr_arena_alloc(&module->arena, count * item_bytes);
    if (items != NULL)
        memset(items, 0, count * item_bytes);
    return items;
}

static mr_status next_section(mr_reader *reader, uint8_t *id, mr_reader *inside)
{
    mr_span payload = {0};
    MR_TRY(mr_read_byte(reader, "a section", id));
    MR_TRY(mr_read_span(reader, "a section", &payload));
    *inside = *reader;
    inside->at = payload.data;
    inside->end = payload.data + payload.size;
    return MR_OK;
}

/* The name section comes last, but messages about functions want it first. */
static mr_status find_names(mr_reader reader, mr_reader *names)
{
    while (reader.at != reader.end) {
        uint8_t id = 0;
        mr_reader inside;
        mr_span name = {0};
        MR_TRY(next_section(&reader, &id, &inside));
        if (id != MR_SECTION_CUSTOM)
            continue;
        MR_TRY(mr_read_span(&inside, "the name of a custom section", &name));
        if (mr_span_equal(name, mr_span_text("name")))
            *names = inside;
    }
    return MR_OK;
}

static mr_status read_sections(mr_reader *reader, mr_module *module, const mr_module_rules *rules)
{
    uint8_t last = MR_SECTION_CUSTOM;
    bool has_code = false;
    mr_reader names = {0};
    MR_TRY(find_names(*reader, &names));
    while (reader->at != reader->end) {
        uint8_t id = 0;
        mr_reader inside;
        const uint8_t *start = reader->at;
        MR_TRY(next_section(reader, &id, &inside));
        if (id == MR_SECTION_CUSTOM) {
            if (!has_code)
                module->custom_bytes += (size_t)(reader->at - start);
            continue;
        }
        if (id == MR_SECTION_CODE)
            module->code_start = mr_reader_offset(&inside);
        if (id <= last)
            return MR_FAIL(reader->error, MR_MODULE, "section %u is out of order or there twice",
                           id);
        last = id;
        has_code |= id == MR_SECTION_CODE;
        MR_TRY(mr_read_section(&inside, module, rules, id));
        if (inside.at != inside.end)
            return MR_FAIL(reader->error, MR_MODULE, "section %u has %zu bytes too many", id,
                           mr_reader_left(&inside));
        if (id == MR_SECTION_FUNCTION && names.at != NULL)
            mr_read_names(names, module);
    }
    if (module->functions_count != 0 && !has_code)
        return MR_FAIL(reader->error, MR_MODULE, "the module has functions but no code section");
    return MR_OK;
}

mr_status mr_module_parse(mr_span bytes, const mr_module_rules *rules, mr_module *out,
                          mr_error *error)
{
    static const uint8_t version[VERSION_BYTES] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    *out = (mr_module){0};
    if (bytes.size > rules->code_bytes_max)
        return MR_FAIL(error, MR_MODULE, "the module has %zu bytes, more than the limit of %u",
                       bytes.size, rules->code_bytes_max);
    if (bytes.size < VERSION_BYTES || memcmp(bytes.data, version, VERSION_BYTES) != 0)
        return MR_FAIL(error, MR_MODULE, "this is not a WebAssembly module of version 1");
    mr_reader reader = {.start = bytes.data,
                        .at = bytes.data + VERSION_BYTES,
                        .end = bytes.data + bytes.size,
                        .error = error};
    return read_sections(&reader, out, rules);
}

mr_status mr_module_strip(mr_span bytes, mr_buffer *out, mr_error *error)
{
    mr_reader reader = {.start = bytes.data,
                        .at = bytes.data + VERSION_BYTES,
                        .end = bytes.data + bytes.size,
                        .error = error};
    mr_status status = mr_buffer_append(out, mr_span_of(bytes.data, VERSION_BYTES));
    while (status == MR_OK && reader.at != reader.end) {
        uint8_t id = 0;
        mr_reader inside;
        const uint8_t *start = reader.at;
        MR_TRY(next_section(&reader, &id, &inside));
        if (id != MR_SECTION_CUSTOM)
            status = mr_buffer_append(out, mr_span_of(start, (size_t)(reader.at - start)));
    }
    if (status != MR_OK)
        return MR_FAIL(error, status, "out of memory for a module");
    return MR_OK;
}

void mr_module_fini(mr_module *module)
{
    mr_arena_fini(&module->arena);
    *module = (mr_module){0};
}

uint32_t mr_module_at(const mr_module *module, size_t offset)
{
    for (uint32_t i = 0; i < module->functions_count && offset >= module->code_start; i++) {
        if (offset <= module->functions[i].end)
            return module->imports_count + i;
    }
    return UINT32_MAX;
}

const mr_func_type *mr_module_type(const mr_module *module, uint32_t index)
{
    uint32_t type = index < module->imports_count
                        ? module->imports[index].type
                        : module->functions[index - module->imports_count].type;
    return &module->types[type];
}

bool mr_func_type_equal(const mr_func_type *a, const mr_func_type *b)
{
    return a->result == b->result && a->params_count == b->params_count &&
           memcmp(a->params, b->params, a->params_count) == 0;
}

const char *mr_text(mr_span bytes, char out[MR_TEXT_BYTES])
{
    size_t size = bytes.size < MR_TEXT_BYTES ? bytes.size : MR_TEXT_BYTES - 1;
    for (size_t i = 0; i < size; i++) {
        out[i] = mr_printable(bytes.data[i]);
    }
    out[size] = '\0';
    return out;
}

const char *mr_module_where(const mr_module *module, uint32_t index, char out[MR_WHERE_BYTES])
{
    mr_span name = module->names == NULL ? (mr_span){0} : module->names[index];
    char text[MR_TEXT_BYTES];
    if (name.size == 0)
        (void)snprintf(out, MR_WHERE_BYTES, "function %u", index);
    else
        (void)snprintf(out, MR_WHERE_BYTES, "function %u (%s)", index, mr_text(name, text));
    return out;
}
