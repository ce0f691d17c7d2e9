// SPDX-License-Identifier: Apache-2.0
#include "vm/native_text.h"

#include "vm/native_body.h"
#include "vm/native_runtime.h"
#include "vm/unit.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "wabt/apply-names.h"
#include "wabt/binary-reader-ir.h"
#include "wabt/binary-reader.h"
#include "wabt/c-writer.h"
#include "wabt/cast.h"
#include "wabt/generate-names.h"
#include "wabt/ir.h"
#include "wabt/stream.h"
#pragma GCC diagnostic pop

#include <algorithm>
#include <map>
#include <string>

// The text of vm/native_runtime.h.
__asm__(".section .rodata\n"
        ".globl mr_native_runtime_text, mr_native_runtime_end\n"
        ".hidden mr_native_runtime_text, mr_native_runtime_end\n"
        "mr_native_runtime_text: .incbin \"" MR_NATIVE_RUNTIME "\"\n"
        "mr_native_runtime_end:\n"
        ".previous\n");

namespace
{

using wabt::cast;
using wabt::ExternalKind;
using wabt::Index;

constexpr size_t kNameBytes = 100; // of a function's own name in a symbol

struct Failure {
    const char *what;
};

std::string numbered(const char *prefix, size_t number)
{
    return prefix + std::to_string(number);
}

// A function's number, and its name with whatever C has no use for made into "_".
std::string function_name(const mr_code *code, Index rewritten)
{
    std::string name = numbered("$f", rewritten);
    const char *own = mr_code_function_name(code, mr_code_uploaded(code, rewritten));
    if (own == nullptr)
        return name;
    name += '_';
    for (size_t i = 0; own[i] != 0 && i < kNameBytes; i++)
        name += isalnum(static_cast<unsigned char>(own[i])) != 0 ? own[i] : '_';
    return name;
}

void name_functions(const mr_code *code, wabt::Module *module)
{
    for (Index i = module->num_func_imports; i < module->funcs.size(); i++) {
        module->funcs[i]->name = function_name(code, i);
        module->func_bindings.emplace(module->funcs[i]->name, wabt::Binding(i));
    }
}

// Imported functions are named after their numbers in the rules, so that nothing depends on how
// WABT spells a name. Which there are is noted.
struct Imported {
    uint32_t number; // in the rules
    const wabt::FuncSignature *signature;
};
using Imports = std::vector<Imported>; // by number in the module

Imports name_imports(const mr_module_rules *rules, wabt::Module *module)
{
    Imports imports;
    for (wabt::Import *import : module->imports) {
        if (import->kind() == ExternalKind::Memory) {
            import->field_name = import->module_name == rules->import_module ? "memory" : "marks";
            import->module_name = import->field_name == "memory" ? "env" : "mr";
            continue;
        }
        if (import->kind() != ExternalKind::Func)
            throw Failure{"imports something that is not there"};
        if (import->module_name != rules->import_module)
            continue; // mr.break
        uint32_t number = 0;
        while (number < rules->imports_count && import->field_name != rules->imports[number].name)
            number++;
        if (number == rules->imports_count)
            throw Failure{"imports a function that is not there"};
        imports.push_back(Imported{number, &cast<wabt::FuncImport>(import)->func.decl.sig});
        import->module_name = "env";
        import->field_name = numbered("f", number);
    }
    return imports;
}

// Exports are the gas and entries by number; others are of no use here.
uint32_t name_exports(const mr_module_rules *rules, wabt::Module *module)
{
    uint32_t entries = 0;
    std::vector<wabt::Export *> kept;
    for (wabt::Export *one : module->exports) {
        if (one->kind == ExternalKind::Global && one->name == MR_CODE_GAS_EXPORT) {
            one->name = "gas";
            kept.push_back(one);
        }
        for (uint32_t i = 0; one->kind == ExternalKind::Func && i < rules->entries_count; i++) {
            if (one->name != rules->entries[i])
                continue;
            one->name = numbered("e", i);
            entries |= uint32_t{1} << i;
            kept.push_back(one);
            break;
        }
    }
    module->exports.swap(kept);
    return entries;
}

// The types of functions, equal ones with the same number.
std::string types_text(const wabt::Module &module)
{
    std::map<std::pair<wabt::TypeVector, wabt::TypeVector>, size_t> known;
    std::string text = "\nstatic const u32 func_types[] = {";
    for (const wabt::TypeEntry *entry : module.types) {
        const wabt::FuncSignature &sig = cast<wabt::FuncType>(entry)->sig;
        const size_t next = known.size();
        text +=
            std::to_string(known.emplace(std::make_pair(sig.param_types, sig.result_types), next)
                               .first->second) +
            ", ";
    }
    return text + "0};\n";
}

const char *c_type(const wabt::TypeVector &types)
{
    return types.empty() ? "void" : types[0] == wabt::Type::I64 ? "u64" : "u32";
}

// One function that hands arguments over to the engine.
std::string import_text(size_t index, const Imported &imported)
{
    const wabt::FuncSignature &sig = *imported.signature;
    std::string text = std::string(c_type(sig.result_types)) + " Z_envZ_f" +
                       std::to_string(imported.number) + "(mr_native_host *host";
    std::string args;
    for (size_t i = 0; i < sig.param_types.size(); i++) {
        text += (sig.param_types[i] == wabt::Type::I64 ? ", u64 a" : ", u32 a") + std::to_string(i);
        args += "args[" + std::to_string(i) + "] = a" + std::to_string(i) + "; ";
    }
    text += ") { u64 args[MR_NATIVE_ARGS_MAX]; " + args + "host->call(host, " +
            std::to_string(index) + ", args); ";
    if (!sig.result_types.empty())
        text += std::string("return (") + c_type(sig.result_types) + ")args[0]; ";
    return text + "}\n";
}

// What follows the module: how tables are filled, and the way in.
std::string end_text(const wabt::Module &module, const Imports &imports, uint32_t entries)
{
    std::string text = "\n";
    const uint64_t elements = module.tables.empty() ? 0 : module.tables[0]->elem_limits.initial;
    for (size_t i = 0; i < imports.size(); i++)
        text += import_text(i, imports[i]);
    text += "void Z_mrZ_break(mr_native_host *host, u32 why) { mr_trap(host, (int)why); }\n"
            "static void mr_instantiate(void *at, mr_native_host *host)\n{\n"
            "    Z_m_instance_t *instance = at;\n"
            "    instance->Z_mr_instance = host;\n";
    if (!imports.empty())
        text += "    instance->Z_env_instance = host;\n";
    if (!module.globals.empty())
        text += "    init_globals(instance);\n";
    if (!module.tables.empty())
        text += "    init_tables(instance);\n";
    text += "}\n"
            "static long long *mr_gas(void *at) { return (long long *)Z_mZ_gas(at); }\n"
            "static void mr_bind(void *at, u8 *bytes, u32 pages, u8 *marks, u32 marks_bytes)\n{\n"
            "    Z_m_instance_t *instance = at;\n"
            "    instance->Z_envZ_memory->data = bytes;\n"
            "    instance->Z_envZ_memory->size = (u64)pages << 16;\n"
            "    instance->Z_envZ_memory->pages = pages;\n"
            "    instance->Z_mrZ_marks->data = marks;\n"
            "    instance->Z_mrZ_marks->size = marks_bytes;\n}\n"
            "extern MR_SHOWN const mr_native_module mr_module;\n"
            "const mr_native_module mr_module = {\n"
            "    MR_NATIVE_VERSION, sizeof(Z_m_instance_t), sizeof(Z_m_instance_t) + " +
            std::to_string(elements) +
            " * sizeof(wasm_rt_funcref_t),\n"
            "    mr_instantiate, mr_gas, mr_bind, {\n";
    for (uint32_t i = 0; i < MR_NATIVE_ENTRIES_MAX; i++)
        text += (entries >> i & 1) != 0 ? "    (void (*)(void *))Z_mZ_e" + std::to_string(i) + ",\n"
                                        : "    0,\n";
    return text + "    }};\n";
}

std::string text_of(const wabt::MemoryStream &stream)
{
    const std::vector<uint8_t> &bytes =
        const_cast<wabt::MemoryStream &>(stream).output_buffer().data;
    return std::string(reinterpret_cast<const char *>(bytes.data()), bytes.size());
}

// Replaces what WABT wrote from `begin` to the end of `end` after it, which must be there.
void replace(std::string *text, size_t from, const char *begin, const char *end,
             const std::string &by)
{
    const size_t at = text->find(begin, from);
    const size_t last = at == std::string::npos ? at : text->find(end, at);
    if (last == std::string::npos)
        throw Failure{"comes out of WABT's writer in another form than expected"};
    text->replace(at, last + strlen(end) - at, by);
}

std::string header_of(const wabt::MemoryStream &stream)
{
    std::string text = text_of(stream);
    replace(&text, 0, "#include <stdint.h>", "\n", "");
    replace(&text, 0, "#include \"wasm-rt.h\"", "\n", "");
    // The instance has its memories' bounds itself, not a pointer to them.
    replace(&text, 0, "wasm_rt_memory_t *Z_envZ_memory;", "\n",
            "wasm_rt_memory_t Z_envZ_memory[1];\n");
    replace(&text, 0, "void Z_mrZ_break(", ";", "MR_COLD void Z_mrZ_break(mr_native_host *, u32);");
    replace(&text, 0, "wasm_rt_memory_t *Z_mrZ_marks;", "\n", "wasm_rt_memory_t Z_mrZ_marks[1];\n");
    return text;
}

std::string source_of(const wabt::MemoryStream &stream, const wabt::Module &module)
{
    std::string text = text_of(stream);
    const char *const first = "static bool s_module_initialized = false;\n";
    const size_t begin = text.find(first);
    if (begin == std::string::npos)
        throw Failure{"comes out of WABT's writer in another form than expected"};
    text.erase(0, begin + strlen(first));
    if (!module.types.empty())
        replace(&text, 0, "static u32 func_types[", "\n}\n", types_text(module));
    for (const char *type : {"void", "u32", "u64"}) {
        const std::string own = std::string("\nstatic ") + type + " w2c_f";
        for (size_t at = 0; (at = text.find(own, at)) != std::string::npos; at++)
            text.replace(at, strlen("\nstatic "), "\nMR_OWN ");
    }
    const size_t end = text.rfind("static void init_instance_import(");
    if (end == std::string::npos)
        throw Failure{"comes out of WABT's writer in another form than expected"};
    text.erase(end);
    return mr::native_body(text);
}

uint32_t *values_of(const wabt::Module &module)
{
    const size_t count = module.funcs.size();
    auto *values = static_cast<uint32_t *>(malloc((count + 1) * sizeof(uint32_t)));
    if (values == nullptr)
        throw std::bad_alloc();
    for (size_t i = 0; i < count; i++)
        values[i] = MR_CODE_FRAME_VALUES + module.funcs[i]->GetNumParamsAndLocals();
    return values;
}

void write(const mr_module_rules *rules, const mr_code *code, bool frames, mr_native_text *out)
{
    const mr_span bytes = mr_code_rewritten(code);
    wabt::Features features;
    features.enable_multi_memory();
    wabt::Errors errors;
    wabt::Module module;
    wabt::ReadBinaryOptions options(features, nullptr, false, true, false);
    if (Failed(wabt::ReadBinaryIr("module", bytes.data, bytes.size, options, &errors, &module)))
        throw Failure{"cannot be read"};
    module.data_segments.clear(); // live memory has what they say
    const Imports imports = name_imports(rules, &module);
    const uint32_t entries = name_exports(rules, &module);
    name_functions(code, &module);
    if (Failed(wabt::GenerateNames(&module)) || Failed(wabt::ApplyNames(&module)))
        throw Failure{"cannot be given names"};
    wabt::MemoryStream source, header;
    wabt::WriteCOptions write_options;
    write_options.module_name = "m";
    if (Failed(wabt::WriteC(&source, &header, "m.h", &module, write_options)))
        throw Failure{"cannot be written as C"};
    out->values = values_of(module);
    out->functions_count = static_cast<uint32_t>(module.funcs.size());
    out->imports_count = module.num_func_imports;
    for (const wabt::Func *func : module.funcs)
        out->params_max = std::max(out->params_max, func->GetNumParams());
    std::string text =
        "#define MR_NATIVE_MODULE\n#define MR_UNIT_SHIFT " + std::to_string(MR_UNIT_SHIFT) + "\n";
    if (frames)
        text += "#define MR_NATIVE_FRAMES " + std::to_string(module.num_func_imports) + "\n";
    text.append(mr_native_runtime_text, mr_native_runtime_end);
    text += header_of(header) + source_of(source, module) + end_text(module, imports, entries);
    if (mr_buffer_append(&out->c, mr_span_of(text.data(), text.size())) != MR_OK)
        throw std::bad_alloc();
}

} // namespace

mr_status mr_native_write(const mr_module_rules *rules, const mr_code *code, bool frames,
                          mr_native_text *out, mr_error *error)
{
    static_assert(int{MR_ENTRIES_MAX} <= int{MR_NATIVE_ENTRIES_MAX}, "entries have their places");
    static_assert(int{MR_HOST_PARAMS_MAX} <= int{MR_NATIVE_ARGS_MAX}, "arguments have places");
    try {
        write(rules, code, frames, out);
        return MR_OK;
    } catch (const Failure &failure) {
        return MR_FAIL(error, MR_MODULE, "the rewritten module %s", failure.what);
    } catch (...) {
        return MR_FAIL(error, MR_NO_MEMORY, "no memory to write a module as C");
    }
}

void mr_native_text_fini(mr_native_text *text)
{
    mr_buffer_fini(&text->c);
    free(text->values);
    text->values = nullptr;
}
