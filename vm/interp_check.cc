/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/interp_check.h"

#include <cstring>
#include <memory>
#include <vector>

#include "base/bytes.h"

#include "wabt/binary-writer.h"
#include "wabt/ir.h"
#include "wabt/stream.h"
#include "wabt/validator.h"
#include "wabt/wast-lexer.h"
#include "wabt/wast-parser.h"

namespace
{

/* Stores in both memories, changes a global, calls the host; then every way to trap, and depth. */
const char kCheckText[] = R"((module
  (type $v (func))
  (import "check" "host" (func $host (param i32 i64) (result i64)))
  (import "check" "memory" (memory $memory 1))
  (import "mr" "marks" (memory $marks 128))
  (global $gas (export "mr_gas") (mut i64) (i64.const 0))
  (global $count (mut i32) (i32.const 7))
  (table 3 funcref)
  (elem (i32.const 0) $other)
  (func $other (param i32))
  (func (export "store")
    global.get $count  i32.const 1  i32.add  global.set $count
    i32.const 65528
    i32.const -2  i64.const -3  call $host
    i64.store $memory
    i32.const 15  global.get $count  i32.store8 $marks
    i32.const 0  memory.size $memory  i32.store $memory
    global.get $gas  i64.const 5  i64.sub  global.set $gas)
  (func (export "unreachable") unreachable)
  (func (export "outside") i32.const 65529  i64.const 1  i64.store $memory)
  (func (export "outside_marks") i32.const 256  i32.const 1  i32.store8 $marks)
  (func (export "divide") i32.const 1  i32.const 0  i32.div_u  drop)
  (func (export "overflow") i32.const -2147483648  i32.const -1  i32.div_s  drop)
  (func (export "undefined") i32.const 3  call_indirect (type $v))
  (func (export "uninitialized") i32.const 1  call_indirect (type $v))
  (func (export "mismatch") i32.const 0  call_indirect (type $v))
  (func $down (param i32)
    local.get 0  i32.eqz  if return end
    local.get 0  i32.const 1  i32.sub  call $down)
  (func (export "deep") i32.const 20000  call $down)))";

struct CheckEntry {
    const char *name;
    mr_tier_end end;
};

constexpr CheckEntry kCheckEntries[] = {
    {"store", MR_TIER_RETURNED},        {"unreachable", MR_TIER_UNREACHABLE},
    {"outside", MR_TIER_OUT_OF_BOUNDS}, {"outside_marks", MR_TIER_OUT_OF_BOUNDS},
    {"divide", MR_TIER_DIVIDE_BY_ZERO}, {"overflow", MR_TIER_OVERFLOW},
    {"undefined", MR_TIER_NO_ELEMENT},  {"uninitialized", MR_TIER_EMPTY_ELEMENT},
    {"mismatch", MR_TIER_ELEMENT_TYPE}, {"deep", MR_TIER_RETURNED},
};
constexpr uint32_t kCheckCount = sizeof kCheckEntries / sizeof *kCheckEntries;

constexpr uint64_t kCheckValue = 0x0123456789abcdef;

mr_host_action check_host(void *context, mr_run *, const uint64_t *args, uint64_t *result)
{
    int *calls = static_cast<int *>(context);
    if (args[0] == 0xfffffffe && args[1] == UINT64_MAX - 2)
        ++*calls;
    *result = kCheckValue;
    return MR_HOST_CONTINUE;
}

bool text_to_module(const char *text, std::vector<uint8_t> *out)
{
    wabt::Errors errors;
    auto lexer = wabt::WastLexer::CreateBufferLexer("check", text, std::strlen(text), &errors);
    std::unique_ptr<wabt::Module> module;
    wabt::WastParseOptions parse(mr_interp_features());
    if (Failed(wabt::ParseWatModule(lexer.get(), &module, &errors, &parse)))
        return false;
    if (Failed(wabt::ValidateModule(module.get(), &errors,
                                    wabt::ValidateOptions(mr_interp_features()))))
        return false;
    wabt::MemoryStream stream;
    wabt::WriteBinaryOptions write;
    write.features = mr_interp_features();
    if (Failed(wabt::WriteBinaryModule(&stream, module.get(), write)))
        return false;
    *out = stream.output_buffer().data;
    return true;
}

/* What "store" must have left behind, besides nothing anywhere else. */
bool stored_as_expected(const std::vector<uint8_t> &bytes, const std::vector<uint8_t> &marks)
{
    return mr_load_le64(bytes.data() + 65528) == kCheckValue && bytes[0] == 1 && marks[15] == 8;
}

/* Twice in a row: the second time must not see the first. */
const char *check_calls(mr_tier_instance *instance)
{
    mr_host_fn *const functions[] = {check_host};
    for (int round = 0; round < 2; round++) {
        for (uint32_t entry = 0; entry < kCheckCount; entry++) {
            std::vector<uint8_t> bytes(MR_PAGE_BYTES);
            std::vector<uint8_t> marks(MR_PAGE_UNITS);
            int calls = 0;
            mr_tier_call what{};
            what.context = &calls;
            what.functions = functions;
            what.memory = {bytes.data(), marks.data(), 1};
            what.entry = entry;
            what.gas = 1000;
            if (mr_interp_tier.call(instance, &what) != kCheckEntries[entry].end)
                return kCheckEntries[entry].name;
            if (entry == 0 &&
                (calls != 1 || !stored_as_expected(bytes, marks) || *instance->gas != 995))
                return "memory";
        }
    }
    return nullptr;
}

mr_status check_all(mr_error *error)
{
    const char *entries[kCheckCount];
    for (uint32_t i = 0; i < kCheckCount; i++)
        entries[i] = kCheckEntries[i].name;
    const mr_import_rule imports[] = {{"host", "il:l"}};
    mr_module_rules rules{};
    rules.import_module = "check";
    rules.memory_name = "memory";
    rules.imports = imports;
    rules.imports_count = 1;
    rules.entries = entries;
    rules.entries_count = kCheckCount;
    std::vector<uint8_t> module;
    void *worker = nullptr;
    mr_tier_instance *instance = nullptr;
    uint64_t bytes = 0;
    if (!text_to_module(kCheckText, &module))
        return MR_FAIL(error, MR_UNSUPPORTED, "WABT does not read the interpreter's check module");
    MR_TRY(mr_interp_tier.worker_new(&rules, &worker, error));
    mr_status status = mr_interp_prepare(worker, mr_span_of(module.data(), module.size()),
                                         &instance, &bytes, error);
    const char *wrong = status == MR_OK ? check_calls(instance) : nullptr;
    if (status == MR_OK)
        mr_interp_tier.release(instance);
    mr_interp_tier.worker_free(worker);
    if (status == MR_OK && wrong != nullptr)
        return MR_FAIL(error, MR_UNSUPPORTED,
                       "this WABT does not behave as the interpreter tier needs (%s)", wrong);
    return status;
}

} // namespace

mr_status mr_interp_check(mr_error *error)
{
    try {
        return check_all(error);
    } catch (...) {
        return MR_FAIL(error, MR_NO_MEMORY, "no memory to check the interpreter");
    }
}
