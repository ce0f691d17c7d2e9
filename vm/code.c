/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/code.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "vm/code_wabt.h"
#include "vm/demangle.h"
#include "vm/native.h"
#include "vm/rewrite.h"

struct mr_code {
    _Atomic uint32_t references;
    _Atomic(void *) artifact;
    uint32_t entries; /* bit set */
    uint32_t static_pages;
    uint32_t stack_end; /* bytes */
    uint32_t instructions;
    uint32_t units_count;
    uint32_t names_count;
    uint32_t functions_count; /* imports counted */
    uint32_t imports_count;
    const char **import_names; /* static texts of the rules */
    uint32_t entry_functions[MR_ENTRIES_MAX];
    mr_buffer rewritten;
    uint32_t *units;       /* ascending */
    uint8_t *unit_bytes;   /* MR_UNIT_BYTES for each */
    uint32_t *name_starts; /* in name_texts, by function */
    char *name_texts;      /* NUL-terminated each */
    size_t name_bytes;
};

static int compare_u32(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

/* All units that some segment touches, ascending. */
static uint32_t *list_units(const mr_module *module, mr_arena *arena, uint32_t *count)
{
    size_t most = 0;
    for (uint32_t i = 0; i < module->data_count; i++)
        most += module->data[i].bytes.size / MR_UNIT_BYTES + 2;
    uint32_t *units = mr_arena_alloc(arena, most * sizeof *units);
    if (units == NULL)
        return NULL;
    size_t listed = 0;
    for (uint32_t i = 0; i < module->data_count; i++) {
        const mr_data *data = &module->data[i];
        if (data->bytes.size == 0)
            continue;
        uint32_t last = (uint32_t)((data->offset + data->bytes.size - 1) >> MR_UNIT_SHIFT);
        for (uint32_t unit = data->offset >> MR_UNIT_SHIFT; unit <= last; unit++)
            units[listed++] = unit;
    }
    if (listed > 0)
        qsort(units, listed, sizeof *units, compare_u32);
    uint32_t unique = 0;
    for (size_t i = 0; i < listed; i++) {
        if (unique == 0 || units[unique - 1] != units[i])
            units[unique++] = units[i];
    }
    *count = unique;
    return units;
}

static uint32_t find_unit(const uint32_t *units, uint32_t count, uint32_t unit)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (units[middle] < unit)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void fill_units(mr_code *code, const mr_module *module)
{
    for (uint32_t i = 0; i < module->data_count; i++) {
        const mr_data *data = &module->data[i];
        for (size_t done = 0; done < data->bytes.size;) {
            size_t address = data->offset + done;
            size_t inside = address % MR_UNIT_BYTES, left = data->bytes.size - done;
            size_t size = left < MR_UNIT_BYTES - inside ? left : MR_UNIT_BYTES - inside;
            uint32_t at =
                find_unit(code->units, code->units_count, (uint32_t)(address >> MR_UNIT_SHIFT));
            memcpy(code->unit_bytes + (size_t)at * MR_UNIT_BYTES + inside, data->bytes.data + done,
                   size);
            done += size;
        }
    }
}

static bool is_zero(const uint8_t *bytes)
{
    for (size_t i = 0; i < MR_UNIT_BYTES; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

static void drop_zero_units(mr_code *code)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < code->units_count; i++) {
        uint8_t *bytes = code->unit_bytes + (size_t)i * MR_UNIT_BYTES;
        if (is_zero(bytes))
            continue;
        memmove(code->unit_bytes + (size_t)left * MR_UNIT_BYTES, bytes, MR_UNIT_BYTES);
        code->units[left++] = code->units[i];
    }
    code->units_count = left;
}

static mr_status make_units(mr_code *code, mr_module *module)
{
    uint32_t count = 0;
    uint32_t *units = list_units(module, &module->arena, &count);
    if (units == NULL)
        return MR_NO_MEMORY;
    if (count == 0)
        return MR_OK;
    code->units = malloc(count * sizeof *code->units);
    code->unit_bytes = calloc(count, MR_UNIT_BYTES);
    if (code->units == NULL || code->unit_bytes == NULL)
        return MR_NO_MEMORY;
    memcpy(code->units, units, count * sizeof *units);
    code->units_count = count;
    fill_units(code, module);
    drop_zero_units(code);
    return MR_OK;
}

/* Names as they stand in messages and profiles: without control characters, ended by NUL. Offset 0
 * is the empty text of functions without a name. */
static mr_status make_names(mr_code *code, const mr_module *module)
{
    uint32_t functions = module->imports_count + module->functions_count;
    size_t bytes = 1;
    if (module->names == NULL)
        return MR_OK;
    for (uint32_t i = 0; i < functions; i++)
        bytes += module->names[i].size + 1;
    code->name_starts = calloc((size_t)functions + 1, sizeof *code->name_starts);
    code->name_texts = calloc(bytes, 1);
    if (code->name_starts == NULL || code->name_texts == NULL)
        return MR_NO_MEMORY;
    code->name_bytes = bytes;
    code->names_count = functions;
    uint32_t at = 1;
    for (uint32_t i = 0; i < functions; i++) {
        mr_span name = module->names[i];
        if (name.size == 0)
            continue;
        code->name_starts[i] = at;
        for (size_t k = 0; k < name.size; k++)
            code->name_texts[at++] = mr_printable(name.data[k]);
        at++;
    }
    return MR_OK;
}

/* The module passed the check: each import is in the rules. */
static mr_status find_imports(mr_code *code, const mr_module *module, const mr_module_rules *rules)
{
    code->imports_count = module->imports_count;
    code->functions_count = module->imports_count + module->functions_count;
    if (code->imports_count == 0)
        return MR_OK;
    code->import_names = calloc(code->imports_count, sizeof *code->import_names);
    if (code->import_names == NULL)
        return MR_NO_MEMORY;
    for (uint32_t i = 0; i < code->imports_count; i++) {
        for (uint32_t k = 0; k < rules->imports_count; k++) {
            if (mr_span_equal(module->imports[i].name, mr_span_text(rules->imports[k].name)))
                code->import_names[i] = rules->imports[k].name;
        }
    }
    return MR_OK;
}

static void find_entries(mr_code *code, const mr_module *module, const mr_module_rules *rules)
{
    for (uint32_t i = 0; i < module->exports_count; i++) {
        for (uint32_t k = 0; k < rules->entries_count; k++) {
            if (module->exports[i].kind != MR_EXTERN_FUNCTION ||
                !mr_span_equal(module->exports[i].name, mr_span_text(rules->entries[k])))
                continue;
            code->entries |= (uint32_t)1 << k;
            code->entry_functions[k] = module->exports[i].index;
        }
    }
}

/* Tells which function an offset of WABT's is in, of the module without its custom sections. */
static mr_status in_function(const mr_module *module, mr_status status, size_t offset,
                             mr_error *error)
{
    char where[MR_WHERE_BYTES];
    offset += module->custom_bytes;
    uint32_t function = mr_module_at(module, offset);
    if (function == UINT32_MAX)
        return mr_error_prefix(error, status, "invalid at byte %zu: ", offset);
    return mr_error_prefix(error, status,
                           "%s: invalid at byte %zu: ", mr_module_where(module, function, where),
                           offset);
}

static mr_status validate_original(const mr_module *module, mr_span original, mr_error *error)
{
    mr_buffer stripped = {0};
    size_t offset = 0;
    mr_status status = mr_module_strip(original, &stripped, error);
    if (status == MR_OK) {
        status =
            mr_wabt_validate(mr_buffer_span(&stripped), MR_WABT_ORIGINAL, NULL, &offset, error);
        if (status == MR_MODULE)
            status = in_function(module, status, offset, error);
    }
    mr_buffer_fini(&stripped);
    return status;
}

static mr_status build(mr_code *code, mr_module *module, const mr_module_rules *rules,
                       const mr_code_prices *prices, mr_span original, mr_error *error)
{
    MR_TRY(mr_module_parse(original, rules, module, error));
    MR_TRY(mr_module_check_rules(module, rules, error));
    MR_TRY(validate_original(module, original, error));
    code->static_pages = module->memory_pages;
    code->stack_end = mr_module_stack_end(module, rules);
    find_entries(code, module, rules);
    if (make_units(code, module) != MR_OK || make_names(code, module) != MR_OK ||
        find_imports(code, module, rules) != MR_OK)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a module");
    MR_TRY(mr_rewrite(module, rules, prices, &code->rewritten, &code->instructions, error));
    if (code->rewritten.size > (uint64_t)MR_CODE_GROWTH_MAX * rules->code_bytes_max)
        return MR_FAIL(error, MR_MODULE,
                       "the module has %zu bytes when rewritten, more than the limit of %" PRIu64,
                       code->rewritten.size, (uint64_t)MR_CODE_GROWTH_MAX * rules->code_bytes_max);
    size_t offset = 0;
    mr_reading *reading = NULL;
    mr_status status = mr_wabt_validate(mr_buffer_span(&code->rewritten), MR_WABT_REWRITTEN,
                                        &reading, &offset, error);
    if (status == MR_OK)
        mr_reading_keep(code, reading);
    if (status == MR_MODULE)
        return mr_error_prefix(error, status,
                               "a fault of this software, rewritten module at byte %zu: ", offset);
    return status;
}

mr_status mr_code_new(const mr_module_rules *rules, const mr_code_prices *prices, mr_span original,
                      mr_code **out, mr_error *error)
{
    MR_ASSERT(prices->instruction <= MR_CODE_PRICE_MAX);
    mr_code *code = calloc(1, sizeof *code);
    if (code == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a module");
    atomic_init(&code->references, 1);
    mr_module module = {0};
    mr_status status = build(code, &module, rules, prices, original, error);
    mr_module_fini(&module);
    if (status == MR_OK)
        *out = code;
    else
        mr_code_put(code);
    return status;
}

mr_code *mr_code_get(mr_code *code)
{
    uint32_t before = atomic_fetch_add_explicit(&code->references, 1, memory_order_relaxed);
    MR_ASSERT(before > 0 && before < UINT32_MAX);
    return code;
}

void mr_code_put(mr_code *code)
{
    if (code == NULL)
        return;
    /* Release: this holder's reads come before the free. Acquire: the others' do. */
    if (atomic_fetch_sub_explicit(&code->references, 1, memory_order_acq_rel) != 1)
        return;
    mr_reading_forget(code);
    mr_buffer_fini(&code->rewritten);
    mr_native_forget(atomic_load_explicit(&code->artifact, memory_order_acquire));
    free(code->units);
    free(code->unit_bytes);
    free(code->name_starts);
    free(code->name_texts);
    free(code->import_names);
    free(code);
}

mr_span mr_code_rewritten(const mr_code *code)
{
    return mr_buffer_span(&code->rewritten);
}

bool mr_code_has_entry(const mr_code *code, uint32_t entry)
{
    return entry < MR_ENTRIES_MAX && (code->entries >> entry & 1) != 0;
}

uint32_t mr_code_static_pages(const mr_code *code)
{
    return code->static_pages;
}

uint32_t mr_code_stack_end(const mr_code *code)
{
    return code->stack_end;
}

uint32_t mr_code_instructions(const mr_code *code)
{
    return code->instructions;
}

size_t mr_code_bytes(const mr_code *code)
{
    return sizeof *code + code->rewritten.capacity +
           (size_t)code->units_count * (MR_UNIT_BYTES + sizeof *code->units) +
           code->names_count * sizeof *code->name_starts + code->name_bytes +
           code->imports_count * sizeof *code->import_names;
}

const uint8_t *mr_code_base_unit(const mr_code *code, uint32_t unit)
{
    uint32_t at = find_unit(code->units, code->units_count, unit);
    bool is_there = at < code->units_count && code->units[at] == unit;
    return is_there ? code->unit_bytes + (size_t)at * MR_UNIT_BYTES : NULL;
}

const uint32_t *mr_code_base_units(const mr_code *code, uint32_t *count)
{
    *count = code->units_count;
    return code->units;
}

const char *mr_code_function_name(const mr_code *code, uint32_t index)
{
    if (index >= code->names_count || code->name_starts[index] == 0)
        return NULL;
    return code->name_texts + code->name_starts[index];
}

uint32_t mr_code_functions_count(const mr_code *code)
{
    return code->functions_count;
}

const char *mr_code_import_name(const mr_code *code, uint32_t index)
{
    return index < code->imports_count ? code->import_names[index] : NULL;
}

uint32_t mr_code_entry_function(const mr_code *code, uint32_t entry)
{
    MR_ASSERT(mr_code_has_entry(code, entry));
    return code->entry_functions[entry];
}

/* The rewriting puts mr.break behind the imports of functions. */
uint32_t mr_code_uploaded(const mr_code *code, uint32_t rewritten)
{
    MR_ASSERT(rewritten != code->imports_count && rewritten <= code->functions_count);
    return rewritten - (rewritten > code->imports_count);
}

const char *mr_code_function_text(const mr_code *code, uint32_t index,
                                  char out[MR_FUNCTION_TEXT_BYTES])
{
    const char *name = mr_code_function_name(code, index);
    if (index < code->imports_count)
        (void)snprintf(out, MR_FUNCTION_TEXT_BYTES, "%s", code->import_names[index]);
    else if (name != NULL)
        (void)mr_demangle(name, out, MR_FUNCTION_TEXT_BYTES);
    else
        (void)snprintf(out, MR_FUNCTION_TEXT_BYTES, "function %" PRIu32, index);
    return out;
}

_Atomic(void *) *mr_code_artifact(mr_code *code)
{
    return &code->artifact;
}
