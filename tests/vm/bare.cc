// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/bare.h"

#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "wabt/binary-reader-ir.h"
#include "wabt/binary-reader.h"
#include "wabt/binary-writer.h"
#include "wabt/cast.h"
#include "wabt/interp/binary-reader-interp.h"
#include "wabt/interp/interp.h"
#include "wabt/ir.h"
#include "wabt/stream.h"
#pragma GCC diagnostic pop

namespace interp = wabt::interp;
using wabt::Result;

namespace
{

const mr_import_rule imports[] = {{"count", ""},  {"note", "i"}, {"ask", "il:l"},
                                  {"pick", ":i"}, {"stop", ""},  {"result", "l"}};
const char *const entries[] = {"init", "handle"};

mr_module_rules make_rules()
{
    mr_module_rules rules = {};
    rules.import_module = "env";
    rules.memory_name = "memory";
    rules.imports = imports;
    rules.imports_count = sizeof imports / sizeof *imports;
    rules.entries = entries;
    rules.entries_count = 2;
    rules.entries_required = 3;
    rules.stack_end_export = "__gear_stack_end";
    rules.code_bytes_max = 524288;
    rules.static_pages_max = 32768;
    rules.type_section_bytes_max = 20480;
    rules.data_segments_max = 1024;
    rules.params_max = 128;
    rules.locals_max = 1024;
    rules.globals_max = 256;
    rules.table_elements_max = 4096;
    rules.br_table_targets_max = 256;
    return rules;
}

wabt::Features all_features()
{
    wabt::Features features;
    features.enable_multi_memory();
    return features;
}

} // namespace

extern const mr_module_rules bare_rules = make_rules();

struct bare {
    interp::Store store;
    interp::Instance::Ptr instance;
    interp::ModuleDesc desc;
    interp::Memory::Ptr memory;
    interp::Memory::Ptr marks;
    interp::Global::Ptr gas;
    interp::Global::Ptr height;
    uint64_t count = 0;
    uint64_t count_max = 0;
    uint64_t notes = 0;
    uint64_t result = 0;
    bare_end ended = BARE_DONE; // why a host function stopped
    bool acts = false;

    void note(uint64_t value) { notes = bare_mix(notes, value); }
    void act();
    Result stop(bare_end end)
    {
        ended = end;
        return Result::Error;
    }
    Result host(const std::string &name, const interp::Values &params, interp::Values &results);
    Result instantiate(mr_span module, std::string *text);
};

void bare::act()
{
    const bare_act what = bare_act_of(notes);
    if (what.grows && memory->PageSize() < BARE_PAGES_MAX)
        (void)memory->Grow(1);
    uint8_t *bytes = memory->UnsafeData() + what.at;
    for (uint32_t i = 0; i < BARE_READ_BYTES; i++)
        note(bytes[i]);
    memset(bytes, what.value, what.write_bytes);
}

Result bare::host(const std::string &name, const interp::Values &params, interp::Values &results)
{
    if (name == "count")
        return ++count > count_max ? stop(BARE_COUNT) : Result(Result::Ok);
    if (name == MR_CODE_BREAK_NAME)
        return stop(params[0].Get<uint32_t>() == MR_BREAK_GAS ? BARE_OUT_OF_GAS : BARE_STACK);
    if (!gas.empty() && static_cast<int64_t>(gas->Get().Get<uint64_t>()) < 0)
        return stop(BARE_OUT_OF_GAS);
    for (char letter : name)
        note(static_cast<uint64_t>(letter));
    if (name == "note") {
        note(params[0].Get<uint32_t>());
        count += acts ? BARE_NOTE_GAS : 0;
    }
    if (name == "ask") {
        note(params[0].Get<uint32_t>());
        note(params[1].Get<uint64_t>());
    }
    if (acts && (name == "ask" || name == "pick"))
        act();
    if (name == "ask")
        results[0] = interp::Value::Make(notes);
    if (name == "pick")
        results[0] = interp::Value::Make(static_cast<uint32_t>(notes >> 7));
    if (name == "result")
        note(result = params[0].Get<uint64_t>());
    return name == "stop" ? stop(BARE_STOPPED) : Result(Result::Ok);
}

Result bare::instantiate(mr_span module, std::string *text)
{
    wabt::Features features = all_features();
    store.setFeatures(features);
    wabt::Errors errors;
    wabt::ReadBinaryOptions options(features, nullptr, false, true, true);
    if (Failed(interp::ReadBinaryInterp("module", module.data, module.size, options, &errors,
                                        &desc))) {
        *text = errors.empty() ? "unreadable" : errors.front().message;
        return Result::Error;
    }
    interp::Module::Ptr made = interp::Module::New(store, desc);
    interp::RefVec refs;
    for (const interp::ImportType &import : made->import_types()) {
        std::string name = import.name;
        if (import.type->kind == wabt::ExternalKind::Memory) {
            interp::Memory::Ptr added =
                interp::Memory::New(store, *wabt::cast<interp::MemoryType>(import.type.get()));
            (name == MR_CODE_MARKS_NAME ? marks : memory) = added;
            refs.push_back(added.ref());
            continue;
        }
        auto type = *wabt::cast<interp::FuncType>(import.type.get());
        auto call = [this, name](interp::Thread &, const interp::Values &params,
                                 interp::Values &results,
                                 interp::Trap::Ptr *) { return host(name, params, results); };
        refs.push_back(interp::HostFunc::New(store, type, call).ref());
    }
    interp::Trap::Ptr trap;
    instance = interp::Instance::Instantiate(store, made.ref(), refs, &trap);
    if (!instance) {
        *text = trap ? trap->message() : "cannot be instantiated";
        return Result::Error;
    }
    for (size_t i = 0; i < desc.exports.size(); i++) {
        const std::string &name = desc.exports[i].type.name;
        interp::Ref ref = instance->exports()[i];
        if (name == MR_CODE_GAS_EXPORT)
            gas = store.UnsafeGet<interp::Global>(ref);
        if (name == MR_CODE_HEIGHT_EXPORT)
            height = store.UnsafeGet<interp::Global>(ref);
    }
    return Result::Ok;
}

namespace
{

bool is_charged(const wabt::Expr &expr)
{
    switch (expr.type()) {
    case wabt::ExprType::Block:
    case wabt::ExprType::Loop:
    case wabt::ExprType::Nop:
    case wabt::ExprType::Drop:
        return false;
    default:
        return true;
    }
}

/* Puts a call of function 0, env.count, in front of every charged expression. */
void count_in(wabt::ExprList &exprs)
{
    for (auto it = exprs.begin(); it != exprs.end(); ++it) {
        if (auto *block = wabt::dyn_cast<wabt::BlockExpr>(&*it))
            count_in(block->block.exprs);
        if (auto *loop = wabt::dyn_cast<wabt::LoopExpr>(&*it))
            count_in(loop->block.exprs);
        if (auto *branch = wabt::dyn_cast<wabt::IfExpr>(&*it)) {
            count_in(branch->true_.exprs);
            count_in(branch->false_);
        }
        if (is_charged(*it))
            exprs.insert(it, std::make_unique<wabt::CallExpr>(wabt::Var(0, wabt::Location())));
    }
}

bare *make(mr_span module, mr_error *error)
{
    auto made = std::make_unique<bare>();
    std::string text;
    if (Failed(made->instantiate(module, &text))) {
        (void)MR_FAIL(error, MR_MODULE, "%s", text.c_str());
        return nullptr;
    }
    return made.release();
}

} // namespace

bare *bare_new_reference(mr_span original, mr_error *error)
{
    wabt::Features features = all_features();
    wabt::Errors errors;
    wabt::Module module;
    wabt::ReadBinaryOptions options(features, nullptr, false, true, false);
    if (Failed(wabt::ReadBinaryIr("module", original.data, original.size, options, &errors,
                                  &module))) {
        (void)MR_FAIL(error, MR_MODULE, "%s", errors.empty() ? "?" : errors[0].message.c_str());
        return nullptr;
    }
    for (wabt::Func *func : module.funcs)
        count_in(func->exprs);
    wabt::MemoryStream stream;
    (void)wabt::WriteBinaryModule(&stream, &module,
                                  wabt::WriteBinaryOptions(features, true, false, false));
    const std::vector<uint8_t> &bytes = stream.output_buffer().data;
    return make(mr_span_of(bytes.data(), bytes.size()), error);
}

/* The marks of 2 GiB take milliseconds to make. Test modules have a few pages, so that a page of
 * marks does, once the import asks for no more. */
static std::string with_few_marks(mr_span module)
{
    static const char asked[] = "\x02mr\x05marks\x02\x00\x80\x01", asks[] = "\x81";
    std::string bytes(reinterpret_cast<const char *>(module.data), module.size);
    std::string_view import(asked, sizeof asked - 1);
    size_t at = bytes.find(import);
    if (at != std::string::npos) {
        bytes[at + import.size() - 2] = asks[0];
        bytes[at + import.size() - 1] = 0;
    }
    return bytes;
}

bare *bare_new_rewritten(const mr_code *code, mr_error *error)
{
    std::string bytes = with_few_marks(mr_code_rewritten(code));
    bare *made = make(mr_span_of(bytes.data(), bytes.size()), error);
    if (made == nullptr)
        return nullptr;
    uint32_t count = 0;
    const uint32_t *units = mr_code_base_units(code, &count);
    for (uint32_t i = 0; i < count; i++)
        memcpy(made->memory->UnsafeData() + size_t{units[i]} * MR_UNIT_BYTES,
               mr_code_base_unit(code, units[i]), MR_UNIT_BYTES);
    return made;
}

void bare_free(bare *b)
{
    delete b;
}

void bare_let_act(bare *b)
{
    b->acts = true;
}

bare_end bare_run(bare *b, const char *entry, int64_t gas, uint64_t count_max)
{
    b->count = 0;
    b->count_max = count_max;
    b->notes = 1;
    b->result = 0;
    b->ended = BARE_OTHER;
    if (!b->gas.empty()) {
        b->gas->UnsafeSet(interp::Value::Make(static_cast<uint64_t>(gas)));
        b->height->UnsafeSet(interp::Value::Make(uint32_t{0}));
    }
    for (size_t i = 0; i < b->desc.exports.size(); i++) {
        if (b->desc.exports[i].type.name != entry)
            continue;
        auto func = b->store.UnsafeGet<interp::Func>(b->instance->exports()[i]);
        interp::Values results;
        interp::Trap::Ptr trap;
        if (Succeeded(func->Call(b->store, {}, results, &trap)))
            return !b->gas.empty() && bare_gas_left(b) < 0 ? BARE_OUT_OF_GAS : BARE_DONE;
        if (!trap)
            return b->ended;
        std::string text = trap->message();
        auto starts = [&](const char *with) { return text.rfind(with, 0) == 0; };
        if (starts("unreachable"))
            return BARE_UNREACHABLE;
        if (starts("out of bounds memory access"))
            return BARE_BOUNDS;
        if (starts("integer"))
            return BARE_INTEGER;
        if (starts("undefined table index") || starts("uninitialized table element") ||
            starts("indirect call signature mismatch"))
            return BARE_INDIRECT;
        if (starts("call stack exhausted"))
            return BARE_DEPTH;
        return BARE_OTHER;
    }
    return BARE_OTHER;
}

uint64_t bare_count(const bare *b)
{
    return b->count;
}

int64_t bare_gas_left(const bare *b)
{
    return static_cast<int64_t>(b->gas->Get().Get<uint64_t>());
}

int32_t bare_height(const bare *b)
{
    return static_cast<int32_t>(b->height->Get().Get<uint32_t>());
}

uint64_t bare_notes(const bare *b)
{
    return b->notes;
}

uint64_t bare_results(const bare *b)
{
    return b->result;
}

const uint8_t *bare_memory(const bare *b, size_t *size)
{
    *size = b->memory->ByteSize();
    return b->memory->UnsafeData();
}

uint8_t *bare_marks(const bare *b, size_t *size)
{
    *size = b->marks->ByteSize();
    return b->marks->UnsafeData();
}
