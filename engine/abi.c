/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/abi.h"

#include "engine/abi_internal.h"

static const mr_import_rule imports[] = {
#define IMPORT(name, type) {#name, type},
    MR_ABI_MAP(IMPORT)
#undef IMPORT
};

static mr_host_fn *const functions[] = {
#define FUNCTION(name, type) mr_abi_##name,
    MR_ABI_MAP(FUNCTION)
#undef FUNCTION
};

static const char *const entries[MR_ENTRIES_COUNT] = {
    [MR_ENTRY_INIT] = "init",          [MR_ENTRY_HANDLE] = "handle",
    [MR_ENTRY_REPLY] = "handle_reply", [MR_ENTRY_SIGNAL] = "handle_signal",
    [MR_ENTRY_STATE] = "state",        [MR_ENTRY_METAHASH] = "metahash",
};

void mr_abi_rules(const mr_schedule *schedule, mr_module_rules *out)
{
    *out = (mr_module_rules){
        .import_module = "env",
        .memory_name = "memory",
        .imports = imports,
        .imports_count = sizeof imports / sizeof imports[0],
        .entries = entries,
        .entries_count = MR_ENTRIES_COUNT,
        .entries_required = 1u << MR_ENTRY_INIT | 1u << MR_ENTRY_HANDLE,
        .stack_end_export = "__gear_stack_end",
        .code_bytes_max = (uint32_t)schedule->code_bytes_max,
        .static_pages_max = (uint32_t)schedule->pages_max,
        .type_section_bytes_max = 20480,
        .data_segments_max = 1024,
        .params_max = 128,
        .locals_max = 1024,
        .globals_max = 256,
        .table_elements_max = 4096,
        .br_table_targets_max = 256,
    };
}

void mr_abi_prices(const mr_schedule *schedule, mr_code_prices *out)
{
    *out = (mr_code_prices){
        .instruction = schedule->instruction,
        .stack_height_max = (uint32_t)schedule->stack_height_max,
    };
}

mr_host_fn *const *mr_abi_functions(void)
{
    return functions;
}
