// SPDX-License-Identifier: Apache-2.0
// What do gas, height and marks cost? Each kernel of metering_kernels.c runs as uploaded and as
// rewritten, both in a bare WABT interpreter and, with --native, both through wasm2c and the C
// compiler. Expected from a sketch: about half the speed interpreted, since a charge is 4
// instructions, a check 4, a mark 5 to 7; nearly the same speed compiled.
//
//     bench_metering [--native] [--json] [--kernel NAME] [--dump FILE]
//
// Times are the best of several rounds, from the clock of the calling thread, so that other work on
// the machine shows least. Instructions are those of the module as uploaded that cost gas.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <unistd.h>
#include <vector>

#include "vm/code.h"

#include "wabt/binary-reader.h"
#include "wabt/cast.h"
#include "wabt/interp/binary-reader-interp.h"
#include "wabt/interp/interp.h"

__asm__(".section .rodata\n"
        "metering_kernels: .incbin \"" METERING_KERNELS "\"\n"
        "metering_kernels_end:\n"
        ".previous\n");
extern "C" const unsigned char metering_kernels[], metering_kernels_end[];

namespace
{

namespace interp = wabt::interp;

const char *const kernels[] = {"hash", "mix",  "sort",   "quick_sort", "sieve",
                               "copy", "fill", "update", "fib",        "interpret"};
constexpr uint32_t kKernels = sizeof kernels / sizeof *kernels;
constexpr int kRounds = 9;
constexpr uint64_t kGas = uint64_t{1} << 62;

mr_module_rules make_rules()
{
    mr_module_rules rules = {};
    rules.import_module = "env";
    rules.memory_name = "memory";
    rules.entries = kernels;
    rules.entries_count = kKernels;
    rules.entries_required = 1;
    rules.stack_end_export = "__gear_stack_end";
    rules.code_bytes_max = 1 << 20;
    rules.static_pages_max = MR_PAGES_MAX;
    rules.type_section_bytes_max = 20480;
    rules.data_segments_max = 1024;
    rules.params_max = 128;
    rules.locals_max = 1024;
    rules.globals_max = 256;
    rules.table_elements_max = 4096;
    rules.br_table_targets_max = 256;
    return rules;
}

void give_up(const char *what, const char *text)
{
    fprintf(stderr, "bench_metering: %s: %s\n", what, text);
    exit(1);
}

double now_ns()
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// A module alone in a WABT store.
struct Bare {
    interp::Store store;
    interp::Instance::Ptr instance;
    interp::Memory::Ptr memory;
    interp::Global::Ptr gas; // empty when not metered
    interp::Func::Ptr entries[kKernels];

    explicit Bare(mr_span module)
    {
        wabt::Features features;
        features.enable_multi_memory();
        store.setFeatures(features);
        wabt::Errors errors;
        interp::ModuleDesc desc;
        wabt::ReadBinaryOptions options(features, nullptr, false, true, false);
        if (Failed(interp::ReadBinaryInterp("module", module.data, module.size, options, &errors,
                                            &desc)))
            give_up("module", errors.empty() ? "?" : errors.front().message.c_str());
        interp::Module::Ptr made = interp::Module::New(store, desc);
        interp::RefVec imports;
        for (const interp::ImportType &import : made->import_types()) {
            if (import.type->kind == wabt::ExternalKind::Memory) {
                auto type = *wabt::cast<interp::MemoryType>(import.type.get());
                interp::Memory::Ptr added = interp::Memory::New(store, type);
                if (import.name == "memory")
                    memory = added;
                imports.push_back(added.ref());
            } else {
                auto type = *wabt::cast<interp::FuncType>(import.type.get());
                imports.push_back(interp::HostFunc::New(
                                      store, type,
                                      [](interp::Thread &, const interp::Values &, interp::Values &,
                                         interp::Trap::Ptr *) { return wabt::Result::Error; })
                                      .ref());
            }
        }
        interp::Trap::Ptr trap;
        instance = interp::Instance::Instantiate(store, made.ref(), imports, &trap);
        if (!instance)
            give_up("module", "cannot be instantiated");
        for (size_t i = 0; i < desc.exports.size(); i++) {
            const interp::ExportType &type = desc.exports[i].type;
            interp::Ref ref = instance->exports()[i];
            if (type.name == MR_CODE_GAS_EXPORT)
                gas = store.UnsafeGet<interp::Global>(ref);
            for (uint32_t k = 0; k < kKernels; k++) {
                if (type.name == kernels[k])
                    entries[k] = store.UnsafeGet<interp::Func>(ref);
            }
        }
    }

    // Runs one kernel; *burned is the gas it took, 0 when not metered.
    double run(uint32_t kernel, uint64_t *burned)
    {
        if (!gas.empty())
            gas->UnsafeSet(interp::Value::Make(kGas));
        interp::Values results;
        interp::Trap::Ptr trap;
        double start = now_ns();
        if (Failed(entries[kernel]->Call(store, {}, results, &trap)))
            give_up(kernels[kernel], trap ? trap->message().c_str() : "stopped");
        double end = now_ns();
        *burned = 0;
        if (!gas.empty())
            *burned = kGas - gas->Get().Get<uint64_t>();
        return end - start;
    }
};

struct Row {
    uint64_t instructions = 0;
    double plain_ns = 0;
    double metered_ns = 0;
    double native_plain_ns = 0;
    double native_metered_ns = 0;
};

Row measure(Bare &plain, Bare &metered, uint32_t kernel)
{
    Row row;
    uint64_t ignored = 0;
    for (int round = 0; round < kRounds; round++) {
        double plain_ns = plain.run(kernel, &ignored);
        double metered_ns = metered.run(kernel, &row.instructions);
        row.plain_ns = round == 0 ? plain_ns : std::min(row.plain_ns, plain_ns);
        row.metered_ns = round == 0 ? metered_ns : std::min(row.metered_ns, metered_ns);
    }
    if (memcmp(plain.memory->UnsafeData(), metered.memory->UnsafeData(),
               plain.memory->ByteSize()) != 0)
        give_up(kernels[kernel], "left another memory than when not metered");
    return row;
}

// ---- Compiled ----

const char native_main[] = R"(
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
struct Z_env_instance_t { wasm_rt_memory_t memory; };
struct Z_mr_instance_t { wasm_rt_memory_t marks; };
static struct Z_mr_instance_t marks;
wasm_rt_memory_t *Z_envZ_memory(struct Z_env_instance_t *i) { return &i->memory; }
wasm_rt_memory_t *Z_mrZ_marks(struct Z_mr_instance_t *i) { return &i->marks; }
void Z_mrZ_break(struct Z_mr_instance_t *i, u32 reason) { (void)i; printf("break %u\n", reason); exit(1); }
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}
static void make(wasm_rt_memory_t *m, u32 pages)
{
    memset(m, 0, sizeof *m);
    m->data = calloc(pages, 65536);
    m->pages = pages;
    m->max_pages = 65536;
    m->size = (u32)pages * 65536;
}
enum { ROUNDS = 41 };
int main(void)
{
    static struct Z_env_instance_t env[2];
    static Z_plain_instance_t plain;
    static Z_metered_instance_t metered;
    wasm_rt_init();
    make(&env[0].memory, PAGES);
    make(&env[1].memory, PAGES);
    make(&marks.marks, 128);
    Z_plain_init_module();
    Z_metered_init_module();
    Z_plain_instantiate(&plain, &env[0]);
    Z_metered_instantiate(&metered, &env[1], &marks);
    FILL
#define KERNEL(name) do { double a = 1e18, b = 1e18; \
    for (int i = 0; i < ROUNDS; i++) { \
        double t0 = now(); Z_plainZ_##name(&plain); double t1 = now(); \
        *Z_meteredZ_mr_gas(&metered) = (u64)1 << 62; \
        double t2 = now(); Z_meteredZ_##name(&metered); double t3 = now(); \
        a = t1 - t0 < a ? t1 - t0 : a; b = t3 - t2 < b ? t3 - t2 : b; } \
    printf("%.0f %.0f\n", a, b); } while (0)
    KERNELS
    return memcmp(env[0].memory.data, env[1].memory.data, PAGES * 65536ul) != 0;
}
)";

void write_file(const std::string &path, const void *bytes, size_t size)
{
    FILE *file = fopen(path.c_str(), "wb");
    if (file == nullptr || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        give_up(path.c_str(), strerror(errno));
}

void must_run(const std::string &command)
{
    if (system(command.c_str()) != 0)
        give_up(command.c_str(), "failed");
}

std::string replaced(std::string text, const std::string &from, const std::string &to)
{
    size_t at = text.find(from);
    return text.replace(at, from.size(), to);
}

void measure_native(mr_span plain, const mr_code *code, std::vector<Row> &rows)
{
    const char *parent = getenv("TMPDIR");
    std::string folder =
        std::string(parent != nullptr ? parent : "/tmp") + "/bench_metering_XXXXXX";
    if (mkdtemp(folder.data()) == nullptr)
        give_up("mkdtemp", strerror(errno));
    std::string at = folder + "/";
    mr_span metered = mr_code_rewritten(code);
    write_file(at + "plain.wasm", plain.data, plain.size);
    write_file(at + "metered.wasm", metered.data, metered.size);
    /* The rewritten module has no data segments: live memory has them. */
    std::string fill;
    uint32_t count = 0;
    const uint32_t *units = mr_code_base_units(code, &count);
    for (uint32_t i = 0; i < count; i++) {
        std::string address = std::to_string(uint64_t{units[i]} * MR_UNIT_BYTES);
        fill += "memcpy(env[1].memory.data + " + address + ", env[0].memory.data + " + address +
                ", " + std::to_string(MR_UNIT_BYTES) + ");";
    }
    std::string calls;
    for (const char *kernel : kernels)
        calls += std::string("KERNEL(") + kernel + ");";
    std::string text = replaced(native_main, "KERNELS\n", calls + "\n");
    text = replaced(text, "FILL", fill);
    text = "#define PAGES " + std::to_string(mr_code_static_pages(code)) + "\n" + text;
    write_file(at + "main.c", text.data(), text.size());
    must_run("cd " + at +
             " && wasm2c -n plain plain.wasm -o plain.c"
             " && wasm2c --enable-multi-memory -n metered metered.wasm -o metered.c"
             " && echo '#include \"plain.h\"\n#include \"metered.h\"' | cat - main.c > whole.c"
             " && cc -O2 -w -DWASM_RT_MEMCHECK_SIGNAL_HANDLER=0 -I/usr/share/wabt/wasm2c"
             " whole.c plain.c metered.c /usr/share/wabt/wasm2c/wasm-rt-impl.c -o native -lm");
    FILE *pipe = popen((at + "native").c_str(), "r");
    for (Row &row : rows) {
        if (pipe == nullptr ||
            fscanf(pipe, "%lf %lf", &row.native_plain_ns, &row.native_metered_ns) != 2)
            give_up("native", "printed something else");
    }
    if (pclose(pipe) != 0)
        give_up("native", "left another memory than when not metered");
    must_run("rm -r " + at);
}

void print_head(size_t packed, size_t rewritten, bool native)
{
    printf("%zu bytes packed, %zu rewritten\n", packed, rewritten);
    printf("%-11s %12s %12s %12s %7s", "kernel", "instructions", "bare ns", "rewritten ns",
           "speed");
    if (native)
        printf(" %12s %12s %7s", "native ns", "rewritten ns", "time");
    printf("\n");
}

void print_row(const char *kernel, const Row &row, bool native, bool json)
{
    auto instructions = static_cast<unsigned long long>(row.instructions);
    if (json) {
        printf("{\"kernel\": \"%s\", \"instructions\": %llu, \"bare_ns\": %.0f, "
               "\"rewritten_ns\": %.0f",
               kernel, instructions, row.plain_ns, row.metered_ns);
        if (native)
            printf(", \"native_ns\": %.0f, \"native_rewritten_ns\": %.0f", row.native_plain_ns,
                   row.native_metered_ns);
        printf("}\n");
        return;
    }
    printf("%-11s %12llu %12.0f %12.0f %6.2fx", kernel, instructions, row.plain_ns, row.metered_ns,
           row.plain_ns / row.metered_ns);
    if (native)
        printf(" %12.0f %12.0f %6.2fx", row.native_plain_ns, row.native_metered_ns,
               row.native_metered_ns / row.native_plain_ns);
    printf("\n");
}

} // namespace

int main(int argc, char **argv)
{
    bool native = false, json = false;
    const char *only = nullptr, *dump = nullptr;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--native") == 0)
            native = true;
        else if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--kernel") == 0 && i + 1 < argc)
            only = argv[++i];
        else if (strcmp(argv[i], "--dump") == 0 && i + 1 < argc)
            dump = argv[++i];
        else
            give_up("usage", "bench_metering [--native] [--json] [--kernel NAME] [--dump FILE]");
    }
    mr_error error = {};
    mr_module_rules rules = make_rules();
    mr_code_prices prices = {1, 36743};
    mr_buffer packed = {};
    mr_code *code = nullptr;
    mr_span built =
        mr_span_of(metering_kernels, static_cast<size_t>(metering_kernels_end - metering_kernels));
    if (mr_code_pack(&rules, built, &packed, &error) != MR_OK ||
        mr_code_new(&rules, &prices, mr_buffer_span(&packed), &code, &error) != MR_OK)
        give_up("kernels", error.text);
    mr_span rewritten = mr_code_rewritten(code);
    if (dump != nullptr)
        write_file(dump, rewritten.data, rewritten.size);
    Bare plain(mr_buffer_span(&packed)), metered(rewritten);
    uint32_t count = 0;
    const uint32_t *units = mr_code_base_units(code, &count);
    for (uint32_t i = 0; i < count; i++)
        memcpy(metered.memory->UnsafeData() + uint64_t{units[i]} * MR_UNIT_BYTES,
               mr_code_base_unit(code, units[i]), MR_UNIT_BYTES);
    std::vector<Row> rows;
    for (uint32_t i = 0; i < kKernels; i++) {
        if (only == nullptr || strcmp(only, kernels[i]) == 0)
            rows.push_back(measure(plain, metered, i));
        else
            rows.push_back(Row());
    }
    if (native)
        measure_native(mr_buffer_span(&packed), code, rows);
    if (!json)
        print_head(packed.size, rewritten.size, native);
    for (uint32_t i = 0; i < kKernels; i++) {
        if (rows[i].instructions != 0)
            print_row(kernels[i], rows[i], native, json);
    }
    mr_code_put(code);
    mr_buffer_fini(&packed);
    return 0;
}
