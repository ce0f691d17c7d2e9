/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of an ABI, each with a sentence for the module's author. */
#include "vm/module.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"

static uint8_t type_of_letter(char letter)
{
    return letter == 'i' ? MR_TYPE_I32 : MR_TYPE_I64;
}

static bool type_matches(const mr_func_type *type, const char *rule)
{
    uint32_t i = 0;
    for (; rule[i] != '\0' && rule[i] != ':'; i++) {
        if (i >= type->params_count || type->params[i] != type_of_letter(rule[i]))
            return false;
    }
    bool has_result = rule[i] == ':' && rule[i + 1] != '\0';
    uint8_t result = has_result ? type_of_letter(rule[i + 1]) : MR_TYPE_NONE;
    return i == type->params_count && type->result == result;
}

enum { TYPE_TEXT_BYTES = 96 };

static const char *word_of(uint8_t type)
{
    return type == MR_TYPE_I32 ? "i32" : "i64";
}

/* "(i32, i64) -> i32", of a type found. */
static const char *found_text(const mr_func_type *type, char out[TYPE_TEXT_BYTES])
{
    int used = snprintf(out, TYPE_TEXT_BYTES, "(");
    for (uint32_t i = 0; i < type->params_count && used < TYPE_TEXT_BYTES - 24; i++)
        used += snprintf(out + used, TYPE_TEXT_BYTES - (size_t)used, i == 0 ? "%s" : ", %s",
                         word_of(type->params[i]));
    (void)snprintf(out + used, TYPE_TEXT_BYTES - (size_t)used, ") -> %s",
                   type->result == MR_TYPE_NONE ? "()" : word_of(type->result));
    return out;
}

/* The same of a type expected. */
static const char *expected_text(const char *rule, char out[TYPE_TEXT_BYTES])
{
    uint8_t params[MR_HOST_PARAMS_MAX];
    mr_func_type type = {.params = params, .result = MR_TYPE_NONE};
    for (; *rule != '\0' && *rule != ':'; rule++) {
        MR_ASSERT(type.params_count < MR_HOST_PARAMS_MAX);
        params[type.params_count++] = type_of_letter(*rule);
    }
    if (*rule == ':' && rule[1] != '\0')
        type.result = type_of_letter(rule[1]);
    return found_text(&type, out);
}

static const mr_import_rule *find_rule(const mr_module_rules *rules, mr_span name,
                                       uint32_t *position)
{
    for (uint32_t i = 0; i < rules->imports_count; i++) {
        if (mr_span_equal(name, mr_span_text(rules->imports[i].name))) {
            *position = i;
            return &rules->imports[i];
        }
    }
    return NULL;
}

static mr_status check_imports(const mr_module *module, const mr_module_rules *rules,
                               mr_error *error)
{
    uint64_t seen[MR_IMPORTS_MAX / 64] = {0};
    for (uint32_t i = 0; i < module->imports_count; i++) {
        const mr_import *import = &module->imports[i];
        char from[MR_TEXT_BYTES], name[MR_TEXT_BYTES];
        if (!mr_span_equal(import->module, mr_span_text(rules->import_module)))
            return MR_FAIL(error, MR_MODULE, "import %s.%s: functions can only be imported from %s",
                           mr_text(import->module, from), mr_text(import->name, name),
                           rules->import_module);
        uint32_t position = 0;
        const mr_import_rule *rule = find_rule(rules, import->name, &position);
        if (rule == NULL)
            return MR_FAIL(error, MR_MODULE, "import %s.%s: there is no such function",
                           rules->import_module, mr_text(import->name, name));
        const mr_func_type *type = &module->types[import->type];
        if (!type_matches(type, rule->type)) {
            char expected[TYPE_TEXT_BYTES], found[TYPE_TEXT_BYTES];
            return MR_FAIL(error, MR_MODULE,
                           "import %s.%s: its type is %s, but the module imports it as %s",
                           rules->import_module, rule->name, expected_text(rule->type, expected),
                           found_text(type, found));
        }
        if ((seen[position / 64] >> (position % 64) & 1) != 0)
            return MR_FAIL(error, MR_MODULE, "import %s.%s is there twice", rules->import_module,
                           rule->name);
        seen[position / 64] |= (uint64_t)1 << (position % 64);
    }
    return MR_OK;
}

static mr_status check_memory(const mr_module *module, const mr_module_rules *rules,
                              mr_error *error)
{
    char from[MR_TEXT_BYTES], name[MR_TEXT_BYTES];
    if (!module->has_memory)
        return MR_FAIL(error, MR_MODULE,
                       "the module does not import the memory %s.%s (wasm-ld --import-memory)",
                       rules->import_module, rules->memory_name);
    if (!mr_span_equal(module->memory_module, mr_span_text(rules->import_module)) ||
        !mr_span_equal(module->memory_name, mr_span_text(rules->memory_name)))
        return MR_FAIL(error, MR_MODULE, "memory %s.%s is imported, but the memory is %s.%s",
                       mr_text(module->memory_module, from), mr_text(module->memory_name, name),
                       rules->import_module, rules->memory_name);
    if (module->memory_has_max)
        return MR_FAIL(error, MR_MODULE,
                       "the imported memory %s.%s declares a maximum: the host's has none",
                       rules->import_module, rules->memory_name);
    if (module->memory_pages > rules->static_pages_max)
        return MR_FAIL(error, MR_MODULE,
                       "the imported memory has %u pages, more than the limit of %u",
                       module->memory_pages, rules->static_pages_max);
    return MR_OK;
}

static bool entry_index(const mr_module_rules *rules, mr_span name, uint32_t *out)
{
    for (uint32_t i = 0; i < rules->entries_count; i++) {
        if (mr_span_equal(name, mr_span_text(rules->entries[i]))) {
            *out = i;
            return true;
        }
    }
    return false;
}

static mr_status check_function_export(const mr_module *module, const mr_module_rules *rules,
                                       const mr_export *export, uint32_t *entries, mr_error *error)
{
    char name[MR_TEXT_BYTES], found[TYPE_TEXT_BYTES];
    uint32_t entry = 0;
    if (!entry_index(rules, export->name, &entry))
        return MR_FAIL(error, MR_MODULE, "export %s: no entry of a program has this name",
                       mr_text(export->name, name));
    if (export->index < module->imports_count)
        return MR_FAIL(error, MR_MODULE, "export %s is an imported function",
                       rules->entries[entry]);
    const mr_func_type *type = mr_module_type(module, export->index);
    if (!type_matches(type, ""))
        return MR_FAIL(error, MR_MODULE, "export %s has type %s: an entry has () -> ()",
                       rules->entries[entry], found_text(type, found));
    *entries |= (uint32_t)1 << entry;
    return MR_OK;
}

static mr_status check_stack_end(const mr_module *module, const mr_module_rules *rules,
                                 const mr_export *export, mr_error *error)
{
    const mr_global *global = &module->globals[export->index];
    uint64_t static_bytes = (uint64_t)module->memory_pages * MR_PAGE_BYTES;
    if (global->type != MR_TYPE_I32)
        return MR_FAIL(error, MR_MODULE, "export %s is not an i32", rules->stack_end_export);
    if (global->value % MR_PAGE_BYTES != 0)
        return MR_FAIL(error, MR_MODULE, "export %s is %" PRIu64 ", not a multiple of %d",
                       rules->stack_end_export, global->value, MR_PAGE_BYTES);
    if (global->value > static_bytes)
        return MR_FAIL(error, MR_MODULE,
                       "export %s is %" PRIu64 ", beyond the static memory of %" PRIu64 " bytes",
                       rules->stack_end_export, global->value, static_bytes);
    return MR_OK;
}

/* Of exports that are not functions only mutable globals do harm: the others are accepted and
 * dropped, as Gear does, because linkers like to add them. The stack end is dropped before that, so
 * it may be the stack pointer itself, as in programs that Gear's older tools made. */
static mr_status check_exports(const mr_module *module, const mr_module_rules *rules,
                               mr_error *error)
{
    uint32_t entries = 0;
    char name[MR_TEXT_BYTES];
    for (uint32_t i = 0; i < module->exports_count; i++) {
        const mr_export *export = &module->exports[i];
        bool is_stack_end = mr_span_equal(export->name, mr_span_text(rules->stack_end_export));
        switch (export->kind) {
        case MR_EXTERN_FUNCTION:
            MR_TRY(check_function_export(module, rules, export, &entries, error));
            break;
        case MR_EXTERN_GLOBAL:
            if (is_stack_end)
                MR_TRY(check_stack_end(module, rules, export, error));
            else if (module->globals[export->index].is_mutable)
                return MR_FAIL(error, MR_MODULE,
                               "export %s is a mutable global, which cannot be exported",
                               mr_text(export->name, name));
            break;
        default:
            if (is_stack_end)
                return MR_FAIL(error, MR_MODULE, "export %s is not a global",
                               rules->stack_end_export);
        }
    }
    if ((entries & rules->entries_required) != 0 || rules->entries_required == 0)
        return MR_OK;
    char list[128] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < rules->entries_count && used < sizeof list; i++) {
        if ((rules->entries_required >> i & 1) != 0)
            used += (size_t)snprintf(list + used, sizeof list - used, used == 0 ? "%s" : ", %s",
                                     rules->entries[i]);
    }
    return MR_FAIL(error, MR_MODULE, "none of the entries %s is exported", list);
}

static mr_status check_data(const mr_module *module, uint32_t stack_end, mr_error *error)
{
    uint64_t static_bytes = (uint64_t)module->memory_pages * MR_PAGE_BYTES;
    for (uint32_t i = 0; i < module->data_count; i++) {
        const mr_data *data = &module->data[i];
        uint64_t end = (uint64_t)data->offset + data->bytes.size;
        if (data->offset < stack_end)
            return MR_FAIL(error, MR_MODULE,
                           "data segment %u starts at %u, inside the stack, which ends at %u: link "
                           "with --stack-first",
                           i, data->offset, stack_end);
        if (end > static_bytes)
            return MR_FAIL(error, MR_MODULE,
                           "data segment %u ends at %" PRIu64 ", beyond the static memory of "
                           "%" PRIu64 " bytes",
                           i, end, static_bytes);
    }
    return MR_OK;
}

uint32_t mr_module_stack_end(const mr_module *module, const mr_module_rules *rules)
{
    for (uint32_t i = 0; i < module->exports_count; i++) {
        const mr_export *export = &module->exports[i];
        if (export->kind == MR_EXTERN_GLOBAL &&
            mr_span_equal(export->name, mr_span_text(rules->stack_end_export)))
            return (uint32_t)module->globals[export->index].value;
    }
    return 0;
}

mr_status mr_module_check_rules(const mr_module *module, const mr_module_rules *rules,
                                mr_error *error)
{
    MR_ASSERT(rules->imports_count <= MR_IMPORTS_MAX && rules->entries_count <= MR_ENTRIES_MAX);
    MR_TRY(check_memory(module, rules, error));
    MR_TRY(check_imports(module, rules, error));
    MR_TRY(check_exports(module, rules, error));
    return check_data(module, mr_module_stack_end(module, rules), error);
}
