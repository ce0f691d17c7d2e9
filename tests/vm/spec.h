/* SPDX-License-Identifier: Apache-2.0 */
/* spec: runs a module in every way there is: by the interpreter, by tcc's code, by gcc's. Modules
 * import functions of the host, which hands numbers in, takes numbers out and grows memory. What
 * comes out, and how the call ends, is to be as the test says. */
#ifndef MR_TESTS_VM_SPEC_H
#define MR_TESTS_VM_SPEC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/log.h"
#include "vm/run.h"

typedef enum spec_way { SPEC_INTERP, SPEC_TCC, SPEC_GCC, SPEC_WAYS } spec_way;
static const char *const spec_ways[] = {"the interpreter", "tcc's code", "gcc's code"};

/* The context of a call. in(i) is ins[i] of the case at hand, out(x) notes x and goes on to the
 * next case. */
enum { SPEC_INS = 4 };
typedef struct spec_host {
    const uint64_t (*ins)[SPEC_INS];
    uint64_t *outs;
    size_t outs_max;
    size_t outs_count;
} spec_host;

static inline mr_host_action spec_in(void *context, mr_run *run, const uint64_t *args,
                                     uint64_t *result)
{
    (void)run;
    const spec_host *h = context;
    *result = h->ins[h->outs_count][args[0] % SPEC_INS];
    return MR_HOST_CONTINUE;
}

static inline mr_host_action spec_out(void *context, mr_run *run, const uint64_t *args,
                                      uint64_t *result)
{
    (void)run;
    (void)result;
    spec_host *h = context;
    if (h->outs_count < h->outs_max)
        h->outs[h->outs_count] = args[0];
    h->outs_count++;
    return MR_HOST_CONTINUE;
}

/* Grows memory by the pages asked for, and gives what memory.size then is; an i32 has no room for
 * the rest. */
static inline mr_host_action spec_grow(void *context, mr_run *run, const uint64_t *args,
                                       uint64_t *result)
{
    (void)context;
    if (mr_run_grow(run, (uint32_t)args[0]) != MR_OK)
        return MR_HOST_STOP;
    *result = 0xfeedface00000000u + mr_run_pages(run);
    return MR_HOST_CONTINUE;
}

static inline mr_host_action spec_grow_one(void *context, mr_run *run, const uint64_t *args,
                                           uint64_t *result)
{
    (void)context;
    (void)args;
    (void)result;
    return mr_run_grow(run, 1) == MR_OK ? MR_HOST_CONTINUE : MR_HOST_STOP;
}

/* Notes all eight. */
static inline mr_host_action spec_eight(void *context, mr_run *run, const uint64_t *args,
                                        uint64_t *result)
{
    for (size_t i = 0; i < 8; i++)
        (void)spec_out(context, run, &args[i], result);
    *result = args[7] - args[0];
    return MR_HOST_CONTINUE;
}

static const mr_import_rule spec_imports[] = {
    {"in", "i:l"}, {"out", "l"}, {"grow", "i:i"}, {"grow_one", ""}, {"eight", "ililliil:l"},
};
static mr_host_fn *const spec_functions[] = {spec_in, spec_out, spec_grow, spec_grow_one,
                                             spec_eight};
static const char *const spec_entries[] = {"init", "handle"};

static const mr_module_rules spec_rules = {
    .import_module = "env",
    .memory_name = "memory",
    .imports = spec_imports,
    .imports_count = sizeof spec_imports / sizeof spec_imports[0],
    .entries = spec_entries,
    .entries_count = 2,
    .entries_required = 2,
    .stack_end_export = "__gear_stack_end",
    .code_bytes_max = 4 << 20,
    .static_pages_max = MR_PAGES_MAX,
    .type_section_bytes_max = 20 << 10,
    .data_segments_max = 1024,
    .params_max = 128,
    .locals_max = 1000,
    .globals_max = 1000,
    .table_elements_max = 20000,
    .br_table_targets_max = 256,
};
static const mr_code_prices spec_prices = {.instruction = 1, .stack_height_max = 20000};

typedef struct spec_machine {
    mr_vm *vm;
    mr_vm_worker *worker;
} spec_machine;
static spec_machine spec_machines[SPEC_WAYS];
static char spec_folder[64];

static inline void spec_tell(void *arg, mr_log_level level, const char *text)
{
    (void)arg;
    (void)level;
    (void)fprintf(stderr, "%s\n", text);
}

static inline int spec_set_up(void **state)
{
    (void)state;
    static const char *const compilers[] = {[SPEC_TCC] = "tcc", [SPEC_GCC] = "gcc"};
    mr_log_set_sink(spec_tell, NULL);
    (void)snprintf(spec_folder, sizeof spec_folder, "/tmp/millrace-spec-XXXXXX");
    if (mkdtemp(spec_folder) == NULL)
        return -1;
    for (uint32_t w = 0; w < SPEC_WAYS; w++) {
        mr_error error = {0};
        const mr_native_options native = {.directory = spec_folder,
                                          .compiler = compilers[w],
                                          .quick = "/nowhere",
                                          .wait_seconds_max = 1000,
                                          .frames = true};
        const mr_vm_options options = {.rules = &spec_rules,
                                       .functions = spec_functions,
                                       .tier = w == SPEC_INTERP ? MR_TIER_INTERP : MR_TIER_NATIVE,
                                       .prices = &spec_prices,
                                       .native = &native,
                                       .instance_bytes_max = 16 << 20,
                                       .live_bytes_max = UINT64_MAX};
        if (mr_vm_new(&options, &spec_machines[w].vm, &error) != MR_OK ||
            mr_vm_worker_new(spec_machines[w].vm, &spec_machines[w].worker, &error) != MR_OK)
            fail_msg("%s", error.text);
        mr_vm_worker_set_backtrace(spec_machines[w].worker, true);
    }
    return 0;
}

/* What a failed test leaves open is left to the system. */
static inline int spec_tear_down(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", spec_folder);
    return system(command);
}

/* One module, as each way has it. */
typedef struct spec_module {
    mr_code *codes[SPEC_WAYS];
    mr_memory memories[SPEC_WAYS];
} spec_module;

static inline void spec_begin(spec_module *m, const char *text)
{
    mr_buffer module = {0};
    mr_error error = {0};
    if (mr_code_from_text(mr_span_text(text), "spec.wat", &module, &error) != MR_OK)
        fail_msg("%s", error.text);
    for (uint32_t w = 0; w < SPEC_WAYS; w++) {
        if (mr_code_new(&spec_rules, &spec_prices, mr_buffer_span(&module), &m->codes[w], &error) !=
            MR_OK)
            fail_msg("%s", error.text);
        mr_memory_init(&m->memories[w], m->codes[w]);
        if (w != SPEC_INTERP)
            mr_native_want(spec_machines[w].vm->native, m->codes[w]);
    }
    mr_buffer_fini(&module);
}

static inline void spec_end(spec_module *m)
{
    for (uint32_t w = 0; w < SPEC_WAYS; w++) {
        mr_memory_fini(&m->memories[w], mr_vm_worker_pool(spec_machines[w].worker));
        mr_code_put(m->codes[w]);
    }
}

/* How a call ends: SPEC_DONE, or a trap. */
enum { SPEC_DONE = -1 };

/* Begins a run that is certain to be done in this way. */
static inline mr_run *spec_run_begin(spec_module *m, uint32_t w)
{
    mr_run *run = NULL;
    mr_error error = {0};
    if (mr_run_begin(spec_machines[w].worker, &m->memories[w], &run, &error) != MR_OK)
        fail_msg("%s", error.text);
    if ((run->ready->artifact != NULL) != (w != SPEC_INTERP))
        fail_msg("it is not %s that runs", spec_ways[w]);
    return run;
}

/* Calls `handle` of the run. */
static inline int spec_call(mr_run *run, spec_host *host)
{
    uint64_t left;
    host->outs_count = 0;
    const mr_vm_outcome outcome = mr_run_call(run, 1, UINT64_C(1) << 40, host, &left);
    return outcome == MR_VM_DONE ? SPEC_DONE : (int)mr_run_backtrace(run)->trap;
}

static inline const char *spec_end_text(int end)
{
    return end == SPEC_DONE ? "returned" : mr_trap_text((mr_trap)end);
}

/* Runs the module in every way on memory as it is at first, nothing kept. What comes out must be
 * `outs`, and the end `end`. `what` says what is tried. */
static inline void spec_expect(spec_module *m, const char *what, const uint64_t (*ins)[SPEC_INS],
                               const uint64_t *outs, size_t count, int end)
{
    uint64_t *got = malloc((count + 1) * sizeof *got);
    for (uint32_t w = 0; w < SPEC_WAYS; w++) {
        spec_host host = {.ins = ins, .outs = got, .outs_max = count};
        mr_run *run = spec_run_begin(m, w);
        const int ended = spec_call(run, &host);
        mr_run_rollback(run);
        for (size_t i = 0; i < count && i < host.outs_count; i++) {
            if (got[i] != outs[i])
                fail_msg("%s, number %zu: %llx by %s, not %llx", what, i,
                         (unsigned long long)got[i], spec_ways[w], (unsigned long long)outs[i]);
        }
        if (ended != end)
            fail_msg("%s by %s: %s, not: %s", what, spec_ways[w], spec_end_text(ended),
                     spec_end_text(end));
        if (host.outs_count != count)
            fail_msg("%s by %s: %zu numbers, not %zu", what, spec_ways[w], host.outs_count, count);
    }
    free(got);
}

/* A text that grows. */
static inline void spec_add(mr_buffer *to, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    const int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert_in_range(size, 0, sizeof text - 1);
    assert_int_equal(mr_buffer_append(to, mr_span_of(text, (size_t)size)), MR_OK);
}

/* Ends and takes the text. */
static inline void spec_begin_buffer(spec_module *m, mr_buffer *text)
{
    assert_int_equal(mr_buffer_append(text, mr_span_of("", 1)), MR_OK);
    spec_begin(m, (const char *)text->data);
    mr_buffer_fini(text);
}

#define SPEC_IMPORTS                                                                               \
    "(import \"env\" \"in\" (func $in (param i32) (result i64)))\n"                                \
    "(import \"env\" \"out\" (func $out (param i64)))\n"                                           \
    "(import \"env\" \"grow\" (func $grow (param i32) (result i32)))\n"                            \
    "(import \"env\" \"grow_one\" (func $grow_one))\n"                                             \
    "(import \"env\" \"eight\" (func $eight (param i32 i64 i32 i64 i64 i32 i32 i64)"               \
    " (result i64)))\n"

#endif
