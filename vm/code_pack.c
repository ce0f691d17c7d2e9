/* SPDX-License-Identifier: Apache-2.0 */
/* Packing copies sections as they are, but for exports, one more global, custom sections, and the
 * zeroes at the ends of data segments: a linker that imports the memory does not know that it is
 * zero, and writes out every variable that is. Where mutable globals move into memory, imports,
 * globals and code are written anew. */
#include <stdlib.h>

#include "base/assert.h"
#include "vm/code_globals.h"
#include "vm/module.h"
#include "vm/module_ops.h"
#include "vm/module_write.h"

enum {
    NAMES_OF_GLOBALS = 7,
    NAMES_OF_DATA = 9,
    NONE = UINT32_MAX,
    INPUT_BYTES_MAX = 256 << 20, /* before the zeroes are gone */
};

typedef struct packer {
    const mr_module_rules *rules;
    mr_module *module;
    mr_moved_globals moved;
    uint32_t stack_pointer; /* global, or NONE */
    bool has_stack_end;     /* exported already */
    bool has_data;          /* written already */
    mr_error *error;
    mr_writer out;
    mr_writer section;
} packer;

static void finish_section(packer *p, uint8_t id)
{
    mr_write_byte(&p->out, id);
    mr_write_span(&p->out, mr_buffer_span(&p->section.buffer));
    p->out.failed |= p->section.failed;
    p->section.buffer.size = 0;
}

/* The global that the name section calls __stack_pointer; NONE without, or when it is malformed. */
static uint32_t named_stack_pointer(mr_reader reader)
{
    mr_error ignored;
    reader.error = &ignored;
    while (reader.at != reader.end) {
        uint8_t kind = 0;
        uint32_t count = 0;
        mr_span payload = {0};
        if (mr_read_byte(&reader, "names", &kind) != MR_OK ||
            mr_read_span(&reader, "names", &payload) != MR_OK)
            return NONE;
        if (kind != NAMES_OF_GLOBALS)
            continue;
        mr_reader inner = reader;
        inner.at = payload.data;
        inner.end = payload.data + payload.size;
        if (mr_read_u32(&inner, "names", &count) != MR_OK)
            return NONE;
        for (; count > 0; count--) {
            uint32_t index = 0;
            mr_span name = {0};
            if (mr_read_u32(&inner, "a name", &index) != MR_OK ||
                mr_read_span(&inner, "a name", &name) != MR_OK)
                return NONE;
            if (mr_span_equal(name, mr_span_text("__stack_pointer")))
                return index;
        }
    }
    return NONE;
}

/* Without names it is the first mutable i32, where wasm-ld puts it. No stack ends at 0. */
static uint32_t first_mutable(const mr_module *module)
{
    for (uint32_t i = 0; i < module->globals_count; i++) {
        const mr_global *global = &module->globals[i];
        if (global->is_mutable && global->type == MR_TYPE_I32)
            return global->value != 0 ? i : NONE;
    }
    return NONE;
}

/* Some linkers' helpers export the stack pointer itself as the end of the stack. */
static uint32_t exported_stack_pointer(const packer *p)
{
    const mr_module *module = p->module;
    for (uint32_t i = 0; i < module->exports_count; i++) {
        const mr_export *export = &module->exports[i];
        if (export->kind == MR_EXTERN_GLOBAL && module->globals[export->index].is_mutable &&
            mr_span_equal(export->name, mr_span_text(p->rules->stack_end_export)))
            return export->index;
    }
    return NONE;
}

static mr_status check_stack(packer *p)
{
    const mr_module *module = p->module;
    if (p->stack_pointer == NONE || p->has_stack_end)
        return MR_OK;
    uint64_t end = module->globals[p->stack_pointer].value;
    if (end % MR_PAGE_BYTES != 0)
        return MR_FAIL(p->error, MR_MODULE,
                       "the stack ends at %llu, not a multiple of %d: link with -z "
                       "stack-size=65536 or a multiple, and --stack-first",
                       (unsigned long long)end, MR_PAGE_BYTES);
    return MR_OK;
}

static bool is_entry(const packer *p, const mr_export *export)
{
    for (uint32_t i = 0; i < p->rules->entries_count; i++) {
        if (export->kind == MR_EXTERN_FUNCTION &&
            mr_span_equal(export->name, mr_span_text(p->rules->entries[i])))
            return true;
    }
    return mr_span_equal(export->name, mr_span_text(p->rules->stack_end_export));
}

static void write_globals(packer *p)
{
    const mr_module *module = p->module;
    bool adds = p->stack_pointer != NONE && !p->has_stack_end;
    if (module->globals_count + adds == 0)
        return;
    mr_write_u32(&p->section, module->globals_count + adds);
    if (p->moved.count > 0)
        mr_globals_write_globals(&p->section, module, &p->moved);
    else
        mr_write_bytes(&p->section, module->globals_bytes);
    if (adds) {
        mr_write_byte(&p->section, MR_TYPE_I32);
        mr_write_byte(&p->section, 0);
        mr_write_byte(&p->section, MR_OP_I32_CONST);
        mr_write_s32(&p->section, (uint32_t)module->globals[p->stack_pointer].value);
        mr_write_byte(&p->section, MR_OP_END);
    }
    finish_section(p, MR_SECTION_GLOBAL);
}

static void write_exports(packer *p)
{
    const mr_module *module = p->module;
    bool adds = p->stack_pointer != NONE && !p->has_stack_end;
    uint32_t count = adds;
    for (uint32_t i = 0; i < module->exports_count; i++)
        count += is_entry(p, &module->exports[i]);
    mr_write_u32(&p->section, count);
    for (uint32_t i = 0; i < module->exports_count; i++) {
        const mr_export *export = &module->exports[i];
        if (!is_entry(p, export))
            continue;
        mr_write_span(&p->section, export->name);
        mr_write_byte(&p->section, export->kind);
        mr_write_u32(&p->section, export->index);
    }
    if (adds) {
        mr_write_text(&p->section, p->rules->stack_end_export);
        mr_write_byte(&p->section, MR_EXTERN_GLOBAL);
        mr_write_u32(&p->section, module->globals_count);
    }
    finish_section(p, MR_SECTION_EXPORT);
}

static int compare_offsets(const void *a, const void *b)
{
    const mr_data *left = a, *right = b;
    if (left->offset != right->offset)
        return left->offset < right->offset ? -1 : 1;
    return left->bytes.size < right->bytes.size ? -1 : left->bytes.size > right->bytes.size;
}

/* Zeroes of one segment may overwrite another: then they are no waste. Sorts the segments. */
static bool overlap(mr_data *data, uint32_t count)
{
    if (count > 0)
        qsort(data, count, sizeof *data, compare_offsets);
    for (uint32_t i = 1; i < count; i++) {
        if (data[i - 1].offset + (uint64_t)data[i - 1].bytes.size > data[i].offset)
            return true;
    }
    return false;
}

static void trim(mr_data *data)
{
    mr_span *bytes = &data->bytes;
    while (bytes->size > 0 && bytes->data[bytes->size - 1] == 0)
        bytes->size--;
    while (bytes->size > 0 && bytes->data[0] == 0) {
        bytes->data++;
        bytes->size--;
        data->offset++;
    }
}

static uint32_t copy_data(const packer *p, mr_data *out)
{
    uint32_t count = p->module->data_count;
    for (uint32_t i = 0; i < count; i++)
        out[i] = p->module->data[i];
    if (p->moved.count > 0)
        out[count++] = p->moved.initial;
    return count;
}

static mr_status write_data(packer *p)
{
    mr_data *data = calloc((size_t)p->module->data_count + 1, sizeof *data);
    if (data == NULL)
        return MR_FAIL(p->error, MR_NO_MEMORY, "out of memory for a module");
    uint32_t total = copy_data(p, data), count = 0;
    bool keeps = overlap(data, total);
    if (keeps) /* and their order */
        (void)copy_data(p, data);
    for (uint32_t i = 0; i < total; i++) {
        if (!keeps)
            trim(&data[i]);
        if (data[i].bytes.size > 0)
            data[count++] = data[i];
    }
    mr_write_u32(&p->section, count);
    for (uint32_t i = 0; i < count; i++) {
        mr_write_u32(&p->section, 0);
        mr_write_byte(&p->section, MR_OP_I32_CONST);
        mr_write_s32(&p->section, data[i].offset);
        mr_write_byte(&p->section, MR_OP_END);
        mr_write_span(&p->section, data[i].bytes);
    }
    finish_section(p, MR_SECTION_DATA);
    free(data);
    p->has_data = true;
    return MR_OK;
}

/* Names but those of data segments, which may be gone or in another order. What is malformed ends
 * the section. */
static void write_names(packer *p, mr_reader reader)
{
    mr_error ignored;
    reader.error = &ignored;
    mr_write_text(&p->section, "name");
    while (reader.at != reader.end) {
        uint8_t kind = 0;
        mr_span payload = {0};
        if (mr_read_byte(&reader, "names", &kind) != MR_OK ||
            mr_read_span(&reader, "names", &payload) != MR_OK)
            break;
        if (kind == NAMES_OF_DATA)
            continue;
        mr_write_byte(&p->section, kind);
        mr_write_span(&p->section, payload);
    }
    finish_section(p, MR_SECTION_CUSTOM);
}

typedef struct section {
    uint8_t id;
    mr_span payload;
    mr_reader inside; /* custom sections: behind the name */
    bool is_names;
} section;

/* The parser has accepted the module, so its sections can be read. */
static bool next_section(mr_reader *reader, section *out)
{
    if (reader->at == reader->end)
        return false;
    *out = (section){0};
    mr_status status = mr_read_byte(reader, "a section", &out->id);
    MR_ASSERT(status == MR_OK);
    status = mr_read_span(reader, "a section", &out->payload);
    MR_ASSERT(status == MR_OK);
    if (out->id != MR_SECTION_CUSTOM)
        return true;
    mr_span name = {0};
    out->inside = *reader;
    out->inside.at = out->payload.data;
    out->inside.end = out->payload.data + out->payload.size;
    status = mr_read_span(&out->inside, "a name", &name);
    MR_ASSERT(status == MR_OK);
    out->is_names = mr_span_equal(name, mr_span_text("name"));
    return true;
}

static mr_reader sections_of(const packer *p, mr_span bytes)
{
    enum { VERSION_BYTES = 8 };
    return (mr_reader){.start = bytes.data,
                       .at = bytes.data + VERSION_BYTES,
                       .end = bytes.data + bytes.size,
                       .error = p->error};
}

/* Initial values of moved globals, if the module has no data to write them with. */
static mr_status add_data(packer *p)
{
    return p->moved.count > 0 && !p->has_data ? write_data(p) : MR_OK;
}

static mr_status write_section(packer *p, const section *s)
{
    if (s->is_names) {
        MR_TRY(add_data(p)); /* names come last */
        write_names(p, s->inside);
        return MR_OK;
    }
    if (s->id == MR_SECTION_DATA)
        return p->has_data ? MR_OK : write_data(p); /* names may stand in front of it */
    if (p->moved.count > 0 && s->id == MR_SECTION_IMPORT) {
        mr_globals_write_imports(&p->section, p->module);
        finish_section(p, s->id);
    } else if (p->moved.count > 0 && s->id == MR_SECTION_CODE) {
        mr_globals_write_code(&p->section, p->module, &p->moved);
        finish_section(p, s->id);
    } else {
        mr_write_byte(&p->out, s->id);
        mr_write_span(&p->out, s->payload);
    }
    return MR_OK;
}

static mr_status write_sections(packer *p, mr_span bytes)
{
    static const uint8_t version[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    mr_reader reader = sections_of(p, bytes);
    section s;
    bool is_added = false;
    mr_write_bytes(&p->out, mr_span_of(version, sizeof version));
    while (next_section(&reader, &s)) {
        bool is_behind = s.is_names || (s.id != MR_SECTION_CUSTOM && s.id >= MR_SECTION_GLOBAL);
        if (is_behind && !is_added) {
            write_globals(p);
            write_exports(p);
            is_added = true;
        }
        if (s.id == MR_SECTION_GLOBAL || s.id == MR_SECTION_EXPORT ||
            (s.id == MR_SECTION_CUSTOM && !s.is_names))
            continue;
        MR_TRY(write_section(p, &s));
    }
    return add_data(p);
}

static mr_status pack(packer *p, mr_span bytes)
{
    const mr_module *module = p->module;
    mr_reader reader = sections_of(p, bytes);
    section s;
    p->stack_pointer = exported_stack_pointer(p);
    while (p->stack_pointer == NONE && next_section(&reader, &s)) {
        if (s.is_names)
            p->stack_pointer = named_stack_pointer(s.inside);
    }
    if (p->stack_pointer >= module->globals_count ||
        module->globals[p->stack_pointer].type != MR_TYPE_I32)
        p->stack_pointer = first_mutable(module);
    for (uint32_t i = 0; i < module->exports_count; i++)
        p->has_stack_end |=
            mr_span_equal(module->exports[i].name, mr_span_text(p->rules->stack_end_export));
    MR_TRY(check_stack(p));
    MR_TRY(mr_globals_move(p->module, p->rules, p->stack_pointer, &p->moved, p->error));
    MR_TRY(write_sections(p, bytes));
    if (p->out.failed)
        return MR_FAIL(p->error, MR_NO_MEMORY, "out of memory for a module");
    return MR_OK;
}

/* What was packed passes the rules of uploads, or the author hears of it now. */
static mr_status check_packed(const packer *p)
{
    mr_module packed = {0};
    mr_status status = mr_module_parse(mr_buffer_span(&p->out.buffer), p->rules, &packed, p->error);
    if (status == MR_OK)
        status = mr_module_check_rules(&packed, p->rules, p->error);
    mr_module_fini(&packed);
    return status;
}

mr_status mr_code_pack(const mr_module_rules *rules, mr_span module, mr_buffer *out,
                       mr_error *error)
{
    mr_module parsed = {0};
    mr_module_rules lenient = *rules;
    lenient.code_bytes_max = INPUT_BYTES_MAX;
    packer p = {.rules = rules, .module = &parsed, .error = error};
    mr_status status = mr_module_parse(module, &lenient, &parsed, error);
    if (status == MR_OK)
        status = pack(&p, module);
    if (status == MR_OK)
        status = check_packed(&p);
    if (status == MR_OK && mr_buffer_append(out, mr_buffer_span(&p.out.buffer)) != MR_OK)
        status = MR_FAIL(error, MR_NO_MEMORY, "out of memory for a module");
    mr_buffer_fini(&p.out.buffer);
    mr_buffer_fini(&p.section.buffer);
    mr_module_fini(&parsed);
    return status;
}
