/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/interp.h"

#include <cstdio>
#include <memory>
#include <new>
#include <string>

#include "base/assert.h"
#include "vm/interp_bind.h"
#include "vm/interp_check.h"
#include "vm/memory_heap.h"
#include "vm/reading_desc.h"
#include "vm/watch.h"

#include "wabt/binary-reader.h"
#include "wabt/cast.h"
#include "wabt/interp/binary-reader-interp.h"

namespace
{

namespace interp = wabt::interp;
using interp::Extern;
using interp::FuncType;
using interp::HostFunc;
using interp::Memory;
using interp::RunResult;
using interp::Store;
using interp::Thread;
using interp::Trap;
using interp::Value;
using interp::Values;
using wabt::Result;

constexpr int kStep = 1000;              /* instructions between two looks at the call stack */
constexpr size_t kFixedBytes = 48 << 10; /* an instance of an empty module, about */
constexpr size_t kBytesPerByte = MR_READING_BYTES_PER_BYTE; /* more for each byte of module */

/* Objects that come from mr_heap_alloc, so that tests can make this side fail, too. */
struct OnHeap {
    static void *operator new(size_t size)
    {
        void *memory = mr_heap_alloc(size);
        if (memory == nullptr)
            throw std::bad_alloc();
        return memory;
    }
    static void operator delete(void *memory) { mr_heap_free(memory); }
};

/* Call stacks, lent to the thread of whichever instance runs, so that each worker has one pair and
 * not each instance. A call within a call (from a host function) finds them lent, and starts with
 * empty ones of its own, which end up here in turn. */
struct Worker : OnHeap {
    const mr_module_rules *rules;
    std::vector<interp::Frame> frames;
    Values values;
};

/* A mutable global and what it is before every call. */
struct Reset {
    Value *value;
    Value initial;
};

struct Instance : mr_tier_instance, OnHeap {
    explicit Instance(Worker *w, const wabt::Features &features)
        : worker(w), store(features), thread(store)
    {
        /* WABT reserves 128 KiB of stacks for every thread. */
        std::vector<interp::Frame>().swap(mr::frames_of(thread));
        Values().swap(mr::values_of(thread));
    }

    Worker *worker;
    Store store; /* of its own: whatever the instance made goes with it */
    Thread thread;
    interp::Instance::Ptr instance;
    Memory::Ptr memory;
    Memory::Ptr marks;
    interp::DefinedFunc::Ptr entries[MR_ENTRIES_MAX];
    std::vector<Reset> resets;
    std::vector<uint32_t> numbers;      /* of functions, by the index of their references */
    const mr_tier_call *call = nullptr; /* the call in progress */
    mr_tier_end stopped = MR_TIER_STOPPED;
};

/* ---- Host functions ---- */

/* Small and trivial, so that std::function keeps it in place. */
struct HostCall {
    Instance *instance;
    uint32_t function;
    uint8_t wide;   /* bit i: parameter i is an i64 */
    uint8_t result; /* 0 none, 1 i32, 2 i64 */
    uint8_t number; /* of the function in the module */

    Result operator()(Thread &, const Values &params, Values &results, Trap::Ptr *) const
    {
        uint64_t args[MR_HOST_PARAMS_MAX];
        for (size_t i = 0; i < params.size(); i++)
            args[i] = (wide >> i & 1) != 0 ? params[i].Get<uint64_t>() : params[i].Get<uint32_t>();
        uint64_t value = 0;
        const mr_tier_call *call = instance->call;
        if (*instance->gas < 0)
            return stop(MR_TIER_STOPPED);
        if (call->watch != nullptr)
            mr_watch_enter(call->watch, number);
        mr_host_action action = call->functions[function](call->context, call->run, args, &value);
        if (call->watch != nullptr)
            mr_watch_leave(call->watch);
        if (action == MR_HOST_STOP || *instance->gas < 0)
            return stop(MR_TIER_STOPPED);
        if (result == 1)
            results[0] = Value::Make(static_cast<uint32_t>(value));
        else if (result == 2)
            results[0] = Value::Make(value);
        return Result::Ok;
    }

    /* No trap object is made: that there is none tells a stop from a trap. */
    Result stop(mr_tier_end end) const
    {
        instance->stopped = end;
        return Result::Error;
    }
};
static_assert(sizeof(HostCall) <= 16 && std::is_trivially_copyable<HostCall>::value,
              "must fit into std::function without an allocation");
static_assert(MR_IMPORTS_MAX <= UINT8_MAX, "a number takes a byte");

struct Break {
    Instance *instance;

    Result operator()(Thread &, const Values &params, Values &, Trap::Ptr *) const
    {
        instance->stopped =
            params[0].Get<uint32_t>() == MR_BREAK_GAS ? MR_TIER_BREAK_GAS : MR_TIER_BREAK_STACK;
        return Result::Error;
    }
};

bool host_call_of(const FuncType &type, HostCall *out)
{
    if (type.params.size() > MR_HOST_PARAMS_MAX || type.results.size() > 1)
        return false;
    out->wide = 0;
    for (size_t i = 0; i < type.params.size(); i++) {
        if (type.params[i] == wabt::Type::I64)
            out->wide = static_cast<uint8_t>(out->wide | 1u << i);
        else if (type.params[i] != wabt::Type::I32)
            return false;
    }
    out->result = 0;
    if (type.results.size() == 1)
        out->result = type.results[0] == wabt::Type::I64 ? 2 : 1;
    return true;
}

/* `number` counts imported functions. */
Extern::Ptr import_function(Instance *to, const interp::ImportType &import, size_t number)
{
    const FuncType &type = *wabt::cast<FuncType>(import.type.get());
    if (import.module == MR_CODE_MARKS_MODULE && import.name == MR_CODE_BREAK_NAME)
        return HostFunc::New(to->store, type, Break{to});
    const mr_module_rules *rules = to->worker->rules;
    HostCall host{to, 0, 0, 0, static_cast<uint8_t>(number)};
    if (import.module != rules->import_module || !host_call_of(type, &host))
        return {};
    for (; host.function < rules->imports_count; host.function++)
        if (import.name == rules->imports[host.function].name)
            return HostFunc::New(to->store, type, host);
    return {};
}

/* A memory as declared, but without bytes: those are lent for each call. */
Extern::Ptr import_memory(Instance *to, const interp::ImportType &import)
{
    interp::MemoryType type = *wabt::cast<interp::MemoryType>(import.type.get());
    interp::MemoryType empty = type;
    empty.limits.initial = 0;
    Memory::Ptr memory = Memory::New(to->store, empty);
    mr::type_of(*memory) = type;
    if (import.module == MR_CODE_MARKS_MODULE && import.name == MR_CODE_MARKS_NAME)
        to->marks = memory;
    else if (import.module == to->worker->rules->import_module &&
             import.name == to->worker->rules->memory_name)
        to->memory = memory;
    else
        return {};
    return memory;
}

Extern::Ptr import_one(Instance *to, const interp::ImportType &import, size_t *functions)
{
    switch (import.type->kind) {
    case wabt::ExternalKind::Func:
        return import_function(to, import, (*functions)++);
    case wabt::ExternalKind::Memory:
        return import_memory(to, import);
    default:
        return {};
    }
}

/* ---- Prepare ---- */

mr_status fail(mr_error *error, const char *what)
{
    return MR_FAIL(error, MR_MODULE, "the rewritten module %s", what);
}

void find_exports(Instance *to, const interp::ModuleDesc &desc)
{
    const mr_module_rules *rules = to->worker->rules;
    for (size_t i = 0; i < desc.exports.size(); i++) {
        const interp::ExportType &type = desc.exports[i].type;
        interp::Ref ref = to->instance->exports()[i];
        if (type.type->kind == wabt::ExternalKind::Global && type.name == MR_CODE_GAS_EXPORT) {
            interp::Global::Ptr global(to->store, ref);
            to->gas = reinterpret_cast<int64_t *>(&mr::value_of(*global));
        }
        if (type.type->kind != wabt::ExternalKind::Func)
            continue;
        for (uint32_t entry = 0; entry < rules->entries_count; entry++)
            if (type.name == rules->entries[entry])
                to->entries[entry] = interp::DefinedFunc::Ptr(to->store, ref);
    }
}

void find_resets(Instance *to, const interp::ModuleDesc &desc)
{
    size_t imported = to->instance->globals().size() - desc.globals.size();
    for (size_t i = 0; i < desc.globals.size(); i++) {
        if (desc.globals[i].type.mut != interp::Mutability::Var)
            continue;
        interp::Global::Ptr global(to->store, to->instance->globals()[imported + i]);
        to->resets.push_back(Reset{&mr::value_of(*global), global->Get()});
    }
}

void number_functions(Instance *to)
{
    const interp::RefVec &functions = to->instance->funcs();
    for (size_t i = 0; i < functions.size(); i++) {
        if (functions[i].index >= to->numbers.size())
            to->numbers.resize(functions[i].index + 1);
        to->numbers[functions[i].index] = static_cast<uint32_t>(i);
    }
}

mr_status read(mr_span bytes, interp::ModuleDesc *out, mr_error *error)
{
    wabt::Errors errors;
    wabt::ReadBinaryOptions options(mr_interp_features(), nullptr, false, true, false);
    if (Failed(interp::ReadBinaryInterp("module", bytes.data, bytes.size, options, &errors, out)))
        return fail(error, "cannot be read");
    return MR_OK;
}

mr_status instantiate(Instance *to, interp::ModuleDesc desc, mr_error *error)
{
    /* Live memory already has what data segments say; a start function is never allowed. */
    desc.datas.clear();
    desc.starts.clear();
    interp::Module::Ptr module = interp::Module::New(to->store, std::move(desc));
    interp::RefVec imports;
    size_t functions = 0;
    for (const interp::ImportType &import : module->import_types()) {
        Extern::Ptr found = import_one(to, import, &functions);
        if (found.empty())
            return fail(error, "imports something that is not there");
        imports.push_back(found.ref());
    }
    Trap::Ptr trap;
    to->instance = interp::Instance::Instantiate(to->store, module.ref(), imports, &trap);
    if (to->instance.empty())
        return fail(error, "cannot be instantiated");
    find_exports(to, module->desc());
    find_resets(to, module->desc());
    number_functions(to);
    if (to->gas == nullptr || to->memory.empty() || to->marks.empty())
        return fail(error, "lacks its gas global, memory or marks");
    return MR_OK;
}

/* `code` is NULL for a module that is no code's. */
mr_status prepare_in(void *worker, const mr_code *code, mr_span module, mr_tier_instance **out,
                     uint64_t *bytes, mr_error *error)
{
    try {
        auto instance =
            std::make_unique<Instance>(static_cast<Worker *>(worker), mr_interp_features());
        interp::ModuleDesc desc;
        const auto kept = code == nullptr ? nullptr : mr::reading_of(code);
        if (kept != nullptr)
            desc = kept->desc;
        else
            MR_TRY(read(module, &desc, error));
        MR_TRY(instantiate(instance.get(), std::move(desc), error));
        *bytes = kFixedBytes + kBytesPerByte * module.size;
        *out = instance.release();
        return MR_OK;
    } catch (...) {
        return MR_FAIL(error, MR_NO_MEMORY, "no memory to instantiate a module");
    }
}

} // namespace

mr_status mr_interp_prepare(void *worker, mr_span module, mr_tier_instance **out, uint64_t *bytes,
                            mr_error *error)
{
    return prepare_in(worker, nullptr, module, out, bytes, error);
}

namespace
{

mr_status prepare(void *worker, mr_code *code, const mr_artifact *, mr_tier_instance **out,
                  uint64_t *bytes, mr_error *error)
{
    return prepare_in(worker, code, mr_code_rewritten(code), out, bytes, error);
}

void release(mr_tier_instance *instance)
{
    delete static_cast<Instance *>(instance);
}

/* ---- Call ---- */

void lend_memory(Instance *to, const mr_tier_memory &memory)
{
    mr::lend(mr::bytes_of(*to->memory), memory.bytes, size_t{memory.pages} * MR_PAGE_BYTES);
    mr::lend(mr::bytes_of(*to->marks), memory.marks, size_t{memory.pages} * MR_PAGE_UNITS);
    mr::pages_of(*to->memory) = memory.pages;
}

/* Memory, stacks and call, lent to an instance for as long as this lives. */
class Lease
{
  public:
    Lease(Instance *to, const mr_tier_call *call) : to_(to)
    {
        MR_ASSERT(to->call == nullptr);
        to->call = call;
        swap_stacks();
        lend_memory(to, call->memory);
    }
    ~Lease()
    {
        mr::frames_of(to_->thread).clear();
        mr::values_of(to_->thread).clear();
        swap_stacks();
        mr::unlend(mr::bytes_of(*to_->memory));
        mr::unlend(mr::bytes_of(*to_->marks));
        to_->call = nullptr;
    }
    Lease(const Lease &) = delete;
    Lease &operator=(const Lease &) = delete;

  private:
    void swap_stacks()
    {
        std::swap(mr::frames_of(to_->thread), to_->worker->frames);
        std::swap(mr::values_of(to_->thread), to_->worker->values);
    }
    Instance *to_;
};

struct TrapKind {
    const char *prefix;
    mr_tier_end end;
};

/* WABT tells traps apart by text only. check() meets each of these but the last. */
constexpr TrapKind kTrapKinds[] = {
    {"unreachable executed", MR_TIER_UNREACHABLE},
    {"out of bounds memory access", MR_TIER_OUT_OF_BOUNDS},
    {"integer divide by zero", MR_TIER_DIVIDE_BY_ZERO},
    {"integer overflow", MR_TIER_OVERFLOW},
    {"undefined table index", MR_TIER_NO_ELEMENT},
    {"uninitialized table element", MR_TIER_EMPTY_ELEMENT},
    {"indirect call signature mismatch", MR_TIER_ELEMENT_TYPE},
};

/* Names the trap and frees it at once, so that no number of traps makes the store grow. */
mr_tier_end trap_end(Instance *in, Trap::Ptr *trap)
{
    if (trap->empty())
        return in->stopped;
    std::string message = (*trap)->message();
    interp::Ref ref = trap->ref();
    trap->reset();
    mr::delete_object(in->store, ref);
    for (const TrapKind &kind : kTrapKinds)
        if (message.rfind(kind.prefix, 0) == 0)
            return kind.end;
    MR_ASSERT(!"a trap of WABT that this tier does not know");
    return MR_TIER_UNREACHABLE;
}

/* WABT's call stack does not grow and is 1638 frames high; how deep code may go is for its own
 * limit to say, so there is always room for the frames of the next steps. */
void make_frames(Thread &thread)
{
    std::vector<interp::Frame> &frames = mr::frames_of(thread);
    if (frames.capacity() - frames.size() <= kStep)
        frames.reserve(frames.capacity() * 2 + 2 * kStep);
}

/* WABT leaves the frames of a trap where they are, that of a host function included. */
void list_frames(Instance *in, mr_tier_end end, mr_tier_frames *out)
{
    const std::vector<interp::Frame> &frames = mr::frames_of(in->thread);
    size_t left = frames.size();
    if (left > 0 && (end == MR_TIER_BREAK_GAS || end == MR_TIER_BREAK_STACK))
        left--; /* mr.break */
    while (left > 0 && out->count < MR_BACKTRACE_FRAMES_MAX)
        out->functions[out->count++] = in->numbers[frames[--left].func.index];
    out->left_out = static_cast<uint32_t>(left);
}

RunResult run_on(Instance *in, Trap::Ptr *trap)
{
    RunResult result = RunResult::Ok;
    while (result == RunResult::Ok) {
        make_frames(in->thread);
        result = in->thread.Run(kStep, trap);
    }
    return result;
}

/* No instruction changes the number of frames by more than one, but for host functions, whose frame
 * is gone again after it, and which say themselves when they begin and end. */
RunResult run_watched(Instance *in, Trap::Ptr *trap)
{
    const std::vector<interp::Frame> &frames = mr::frames_of(in->thread);
    mr_watch *watch = in->call->watch;
    size_t depth = 0;
    RunResult result = RunResult::Ok;
    while (result == RunResult::Ok) {
        if (frames.size() > depth)
            mr_watch_enter(watch, in->numbers[frames.back().func.index]);
        else if (frames.size() < depth)
            mr_watch_leave(watch);
        depth = frames.size();
        make_frames(in->thread);
        result = mr::step(in->thread, trap);
    }
    return result;
}

mr_tier_end run(Instance *in, const interp::DefinedFunc &entry)
{
    Trap::Ptr trap;
    make_frames(in->thread);
    RunResult result = mr::push_call(in->thread, entry, &trap);
    if (result == RunResult::Ok)
        result = in->call->watch != nullptr ? run_watched(in, &trap) : run_on(in, &trap);
    if (result == RunResult::Return)
        return MR_TIER_RETURNED;
    mr_tier_end end = trap_end(in, &trap);
    if (in->call->frames != nullptr)
        list_frames(in, end, in->call->frames);
    return end;
}

mr_tier_end call(mr_tier_instance *instance, const mr_tier_call *call)
{
    Instance *in = static_cast<Instance *>(instance);
    try {
        Lease lease(in, call);
        for (const Reset &reset : in->resets)
            *reset.value = reset.initial;
        *in->gas = call->gas;
        return run(in, *in->entries[call->entry]);
    } catch (...) {
        return MR_TIER_NO_MEMORY;
    }
}

void rebind(mr_tier_instance *instance, const mr_tier_memory *memory)
{
    lend_memory(static_cast<Instance *>(instance), *memory);
}

/* ---- Worker ---- */

mr_status worker_new(const mr_module_rules *rules, void **out, mr_error *error)
{
    try {
        auto worker = std::make_unique<Worker>();
        worker->rules = rules;
        worker->frames.reserve(4 * kStep);
        worker->values.reserve(8192);
        *out = worker.release();
        return MR_OK;
    } catch (...) {
        return MR_FAIL(error, MR_NO_MEMORY, "no memory for an interpreter");
    }
}

void worker_free(void *worker)
{
    delete static_cast<Worker *>(worker);
}

} // namespace

wabt::Features mr_interp_features()
{
    wabt::Features features;
    features.enable_multi_memory();
    return features;
}

const mr_tier_ops mr_interp_tier = {
    "interp", mr_interp_check, worker_new, worker_free, prepare, release, call, rebind,
};
