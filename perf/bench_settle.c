/* SPDX-License-Identifier: Apache-2.0 */
/* bench_settle: what does a message cost beside the instructions it runs? Binding a warm program,
 * settling what it wrote, making a cold one live; and how many bytes an idle program holds.
 *
 * Sketch: one dirty unit is two cache lines of marks, a look-up and a copy of 256 bytes, about
 * 25 ns; a whole 4 KiB (16 units) is bounded by copying it, 95 ns hot; the marks of 1 MiB are 4 KiB
 * to look through, 30 to 50 ns in any case. Expected: 16 units <= 200 ns.
 *
 * Times are the median and the best over rounds of a loop's mean. Everything is on one worker. The
 * messages write through mr_run_write, whose cost is in the figures: what settling 4 KiB costs by
 * itself is the time with them less that with nothing written, less the difference between writing
 * them twice and once. Build with -DMR_UNIT_SHIFT=12 to see units of 4 KiB. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "vm/vm.h"

enum { ROUNDS = 61, PROGRAM_PAGES = 18, STACK_END = 16 * MR_PAGE_BYTES };

static mr_host_action host_nothing(void *context, mr_run *run, const uint64_t *args,
                                   uint64_t *result)
{
    (void)context;
    (void)run;
    *result = args[0];
    return MR_HOST_CONTINUE;
}

static const mr_import_rule imports[] = {{"nothing", "i:i"}};
static mr_host_fn *const functions[] = {host_nothing};
static const char *const entries[] = {"empty", "host", "store"};
enum { ENTRY_EMPTY, ENTRY_HOST, ENTRY_STORE };

static const mr_module_rules rules = {
    .import_module = "env",
    .memory_name = "memory",
    .imports = imports,
    .imports_count = 1,
    .entries = entries,
    .entries_count = 3,
    .entries_required = 1,
    .stack_end_export = "__gear_stack_end",
    .code_bytes_max = 1 << 20,
    .static_pages_max = 32768,
    .type_section_bytes_max = 20 << 10,
    .data_segments_max = 1024,
    .params_max = 128,
    .locals_max = 1000,
    .globals_max = 1000,
    .table_elements_max = 10000,
    .br_table_targets_max = 256,
};
static const mr_code_prices prices = {.instruction = 1, .stack_height_max = 65536};

/* As the linker makes it: 1 MiB of stack, then data. */
static const char text[] = "(module (import \"env\" \"memory\" (memory 18))"
                           "  (import \"env\" \"nothing\" (func $nothing (param i32) (result i32)))"
                           "  (global (export \"__gear_stack_end\") i32 (i32.const 1048576))"
                           "  (global $sp (mut i32) (i32.const 1048576))"
                           "  (data (i32.const 1048576) \"some initial data\")"
                           "  (func (export \"empty\"))"
                           "  (func (export \"host\") (drop (call $nothing (i32.const 1))))"
                           "  (func (export \"store\") (i32.store (i32.const 1052672)"
                           "    (i32.add (i32.load (i32.const 1052672)) (i32.const 1)))))";

static void need(mr_status status, const mr_error *error)
{
    if (status == MR_OK)
        return;
    fprintf(stderr, "bench_settle: %s: %s\n", mr_status_text(status), error->text);
    exit(1);
}

typedef struct bench {
    mr_vm *vm;
    mr_vm_worker *worker;
    mr_unit_pool *pool;
    mr_code *code;
    mr_memory *memories;
    uint32_t *order; /* a random permutation */
    uint32_t count;
    uint32_t counter;
} bench;

static bench open_bench(uint32_t count, uint64_t live_bytes_max)
{
    bench b = {.count = count};
    mr_error error = {0};
    mr_buffer module = {0};
    mr_vm_options options = {.rules = &rules,
                             .functions = functions,
                             .tier = MR_TIER_INTERP,
                             .instance_bytes_max = 64 << 20,
                             .live_bytes_max = live_bytes_max};
    need(mr_vm_new(&options, &b.vm, &error), &error);
    need(mr_vm_worker_new(b.vm, &b.worker, &error), &error);
    need(mr_code_from_text(mr_span_text(text), "bench", &module, &error), &error);
    need(mr_code_new(&rules, &prices, mr_buffer_span(&module), &b.code, &error), &error);
    mr_buffer_fini(&module);
    b.pool = mr_vm_worker_pool(b.worker);
    b.memories = calloc(count, sizeof *b.memories);
    b.order = calloc(count, sizeof *b.order);
    uint64_t random = 88172645463325252u;
    for (uint32_t i = 0; i < count; i++) {
        mr_memory_init(&b.memories[i], b.code);
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint32_t other = (uint32_t)(random % (i + 1));
        b.order[i] = b.order[other];
        b.order[other] = i;
    }
    return b;
}

static void close_bench(bench *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        mr_memory_fini(&b->memories[i], b->pool);
    mr_vm_worker_free(b->worker);
    mr_vm_free(b->vm);
    mr_code_put(b->code);
    free(b->memories);
    free(b->order);
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* How a message touches memory. */
typedef struct pattern {
    const char *name;
    uint32_t places; /* dirty places a message */
    uint32_t bytes;  /* of each */
    uint32_t stride; /* from one to the next */
    enum { COMMIT, COMMIT_ACCEPT, ROLLBACK, CALL_EMPTY, CALL_HOST, CALL_STORE } end;
} pattern;

static void message(bench *b, const pattern *p, mr_memory *memory)
{
    mr_error error;
    mr_run *run;
    uint8_t bytes[4096];
    uint64_t left;
    uint32_t value = ++b->counter;
    need(mr_run_begin(b->worker, memory, &run, &error), &error);
    for (uint32_t i = 0; i < p->places; i++) {
        uint32_t address = STACK_END + 4096 + i * p->stride;
        if (p->bytes == 4) {
            (void)mr_run_write(run, address, &value, 4);
        } else {
            memset(bytes, (int)value, p->bytes);
            (void)mr_run_write(run, address, bytes, p->bytes);
        }
    }
    if (p->end >= CALL_EMPTY)
        (void)mr_run_call(run, p->end - CALL_EMPTY, 1000000, NULL, &left);
    if (p->end == ROLLBACK)
        mr_run_rollback(run);
    else
        need(mr_run_commit(run), &error);
    if (p->end == COMMIT_ACCEPT)
        mr_memory_accept(memory, b->pool);
}

/* Time of one message, over all programs in random order. */
typedef struct time_of {
    double median_ns;
    double best_ns; /* of all rounds: what others on the machine disturb least */
} time_of;

static const mr_memory *nth(const bench *b, uint32_t i)
{
    return &b->memories[b->order[i % b->count]];
}

static time_of measure_with(bench *b, const pattern *p, uint32_t messages, bool prefetch)
{
    double means[ROUNDS];
    for (int round = -2; round < ROUNDS; round++) {
        uint64_t start = mr_clock_ns();
        for (uint32_t i = 0; i < messages; i++) {
            for (uint32_t distance = 3; prefetch && distance > 0; distance--)
                mr_memory_prefetch(nth(b, i + distance), distance);
            message(b, p, &b->memories[b->order[i % b->count]]);
        }
        if (round >= 0)
            means[round] = (double)(mr_clock_ns() - start) / messages;
    }
    qsort(means, ROUNDS, sizeof *means, by_value);
    return (time_of){.median_ns = means[ROUNDS / 2], .best_ns = means[0]};
}

static time_of measure(bench *b, const pattern *p, uint32_t messages)
{
    return measure_with(b, p, messages, false);
}

static void report_time(const char *question, const char *name, time_of time)
{
    printf("{\"bench\":\"settle\",\"unit_bytes\":%d,\"question\":\"%s\",\"case\":\"%s\","
           "\"median\":%.1f,\"best\":%.1f,\"in\":\"ns\"}\n",
           MR_UNIT_BYTES, question, name, time.median_ns, time.best_ns);
    fflush(stdout);
}

static void report(const char *question, const char *name, double value, const char *unit)
{
    printf("{\"bench\":\"settle\",\"unit_bytes\":%d,\"question\":\"%s\",\"case\":\"%s\","
           "\"value\":%.1f,\"in\":\"%s\"}\n",
           MR_UNIT_BYTES, question, name, value, unit);
    fflush(stdout);
}

static void settle_table(const char *question, uint32_t programs, bool prefetch)
{
    static const pattern patterns[] = {
        {"begin and commit, nothing written", 0, 4, 0, COMMIT},
        {"commit 1 place", 1, 4, 0, COMMIT},
        {"commit 4 places", 4, 4, 8192, COMMIT},
        {"commit one dirty 4 KiB", 1, 4096, 0, COMMIT},
        {"commit one dirty 4 KiB written twice", 2, 4096, 0, COMMIT},
        {"commit and accept 1 place", 1, 4, 0, COMMIT_ACCEPT},
        {"commit and accept 4 places", 4, 4, 8192, COMMIT_ACCEPT},
        {"commit and accept one dirty 4 KiB", 1, 4096, 0, COMMIT_ACCEPT},
        {"rollback 1 place", 1, 4, 0, ROLLBACK},
        {"rollback 4 places", 4, 4, 8192, ROLLBACK},
        {"rollback one dirty 4 KiB", 1, 4096, 0, ROLLBACK},
        {"call an empty entry", 0, 4, 0, CALL_EMPTY},
        {"call an entry with one host call", 0, 4, 0, CALL_HOST},
        {"call an entry with one store", 0, 4, 0, CALL_STORE},
    };
    uint32_t messages = programs > 4000 ? programs : 4000; /* a round is a few milliseconds */
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        /* New programs for each, so that they have no more units than the pattern makes. */
        bench b = open_bench(programs, UINT64_MAX);
        report_time(question, patterns[i].name, measure_with(&b, &patterns[i], messages, prefetch));
        close_bench(&b);
    }
}

static void switching(void)
{
    static const pattern store = {"", 1, 4, 0, COMMIT};
    const uint32_t programs = 10000;
    /* What one such program costs live. */
    bench b = open_bench(1, UINT64_MAX);
    message(&b, &store, &b.memories[0]);
    uint64_t each = mr_memory_live_bytes(&b.memories[0]);
    close_bench(&b);
    report("live bytes of a program with one touched unit", "", (double)each, "bytes");
    static const uint32_t percents[] = {200, 90, 50, 10, 1};
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        b = open_bench(programs, each * programs * percents[i] / 100);
        time_of time = measure(&b, &store, programs);
        mr_vm_counters before;
        mr_vm_counters after;
        mr_vm_worker_counters(b.worker, &before);
        measure(&b, &store, programs);
        mr_vm_worker_counters(b.worker, &after);
        char name[64];
        snprintf(name, sizeof name, "room for %u%% of 10000 programs", percents[i]);
        report_time("one store each, round robin", name, time);
        report("made live again, of all messages", name,
               100.0 * (double)(after.memories_made_live - before.memories_made_live) /
                   ((ROUNDS + 2) * programs),
               "percent");
        close_bench(&b);
    }
}

static long resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void idle(void)
{
    static const pattern store = {"", 1, 4, 0, COMMIT_ACCEPT};
    const uint32_t programs = 100000;
    bench b = open_bench(programs, 1 << 20);
    message(&b, &store, &b.memories[0]);
    long before = resident_bytes();
    for (uint32_t i = 1; i < programs; i++)
        message(&b, &store, &b.memories[i]);
    long after = resident_bytes();
    for (uint32_t i = 0; i < programs; i++)
        mr_memory_drop_live(&b.memories[i]);
    report("bytes per idle program with one touched unit", "struct mr_memory",
           (double)sizeof(mr_memory), "bytes");
    report("bytes per idle program with one touched unit", "tables",
           (double)mr_memory_image_bytes(&b.memories[1]), "bytes");
    report("bytes per idle program with one touched unit", "resident, struct not counted",
           (double)(after - before) / programs, "bytes");
    close_bench(&b);
}

int main(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sysconf(_SC_NPROCESSORS_ONLN) - 1, &one);
    if (pthread_setaffinity_np(pthread_self(), sizeof one, &one) != 0)
        fprintf(stderr, "bench_settle: not pinned\n");
    settle_table("hot: one program", 1, false);
    settle_table("warm: 200 programs", 200, false);
    settle_table("cold: 10000 programs", 10000, false);
    settle_table("cold: 10000 programs, prefetched", 10000, true);
    switching();
    idle();
    return 0;
}
