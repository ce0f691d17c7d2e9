/* SPDX-License-Identifier: Apache-2.0 */
/* The tier that runs compiled codes. The state of an instance is one block of memory: globals, the
 * bounds of the memory it is bound to, and its table. A call that fails jumps back over the
 * compiled functions, none of which has anything to undo. */
#include <setjmp.h>
#include <string.h>

#include "base/assert.h"
#include "vm/memory_heap.h"
#include "vm/native.h"
#include "vm/native_runtime.h"
#include "vm/tier.h"

static const mr_tier_end ends[] = {
    [MR_NATIVE_BREAK_GAS] = MR_TIER_BREAK_GAS,
    [MR_NATIVE_BREAK_STACK] = MR_TIER_BREAK_STACK,
    [MR_NATIVE_UNREACHABLE] = MR_TIER_UNREACHABLE,
    [MR_NATIVE_OOB] = MR_TIER_OUT_OF_BOUNDS,
    [MR_NATIVE_DIV_BY_ZERO] = MR_TIER_DIVIDE_BY_ZERO,
    [MR_NATIVE_INT_OVERFLOW] = MR_TIER_OVERFLOW,
    [MR_NATIVE_NO_ELEMENT] = MR_TIER_NO_ELEMENT,
    [MR_NATIVE_EMPTY_ELEMENT] = MR_TIER_EMPTY_ELEMENT,
    [MR_NATIVE_ELEMENT_TYPE] = MR_TIER_ELEMENT_TYPE,
};

/* State of one worker. */
typedef struct native_worker {
    const mr_module_rules *rules;
} native_worker;

typedef struct native_instance {
    mr_tier_instance base;
    mr_native_host host;
    const mr_native_module *module;
    const mr_tier_call *call; /* in progress */
    mr_tier_end end;
    jmp_buf back;
    uint8_t numbers[MR_IMPORTS_MAX]; /* in the rules, of the module's imports */
    uint8_t *initial;                /* the state before each call */
    uint8_t *state;                  /* instance_bytes, as the module lays them out */
} native_instance;

static native_instance *instance_of(mr_native_host *host)
{
    return (native_instance *)((char *)host - offsetof(native_instance, host));
}

/* ---- Called by compiled code ---- */

_Noreturn static void leave(native_instance *in, mr_tier_end end)
{
    in->end = end;
    _longjmp(in->back, 1);
}

static void on_trap(mr_native_host *host, int why)
{
    leave(instance_of(host), ends[why]);
}

static void on_call(mr_native_host *host, unsigned import, unsigned long long *args)
{
    native_instance *in = instance_of(host);
    const mr_tier_call *call = in->call;
    uint64_t result = 0;
    if (*in->base.gas >= 0 &&
        call->functions[in->numbers[import]](call->context, call->run, (const uint64_t *)args,
                                             &result) != MR_HOST_STOP &&
        *in->base.gas >= 0) {
        args[0] = result;
        return;
    }
    if (call->frames != NULL)
        call->frames->functions[call->frames->count++] = import;
    leave(in, MR_TIER_STOPPED);
}

/* ---- Prepare ---- */

static void release(mr_tier_instance *instance)
{
    native_instance *in = (native_instance *)instance;
    mr_heap_free(in->state);
    mr_heap_free(in->initial);
    mr_heap_free(in->host.functions);
    mr_heap_free(in);
}

static void number_imports(native_instance *in, const mr_module_rules *rules, const mr_code *code)
{
    const char *name;
    for (uint32_t i = 0;
         i < mr_code_functions_count(code) && (name = mr_code_import_name(code, i)) != NULL; i++) {
        uint8_t number = 0;
        while (strcmp(rules->imports[number].name, name) != 0)
            number++;
        in->numbers[i] = number;
    }
}

static mr_status prepare(void *worker, mr_code *code, const mr_artifact *artifact,
                         mr_tier_instance **out, uint64_t *bytes, mr_error *error)
{
    const native_worker *of = worker;
    const mr_native_module *module = mr_artifact_module(artifact);
    const uint32_t frames_max = mr_artifact_frames_max(artifact);
    native_instance *in = mr_heap_zalloc(sizeof *in);
    if (in == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "no memory to instantiate a module");
    in->state = mr_heap_zalloc(module->instance_bytes);
    in->initial = mr_heap_alloc(module->state_bytes);
    if (frames_max > 0)
        in->host.functions = mr_heap_alloc(frames_max * sizeof *in->host.functions);
    if (in->state == NULL || in->initial == NULL ||
        (frames_max > 0 && in->host.functions == NULL)) {
        release(&in->base);
        return MR_FAIL(error, MR_NO_MEMORY, "no memory to instantiate a module");
    }
    in->module = module;
    in->host.call = on_call;
    in->host.trap = on_trap;
    number_imports(in, of->rules, code);
    module->instantiate(in->state, &in->host);
    memcpy(in->initial, in->state, module->state_bytes);
    in->base.gas = (int64_t *)module->gas(in->state);
    *bytes = sizeof *in + module->instance_bytes + module->state_bytes +
             frames_max * sizeof *in->host.functions;
    *out = &in->base;
    return MR_OK;
}

/* ---- Call ---- */

static void rebind(mr_tier_instance *instance, const mr_tier_memory *memory)
{
    native_instance *in = (native_instance *)instance;
    in->module->bind(in->state, memory->bytes, memory->pages, memory->marks,
                     memory->pages * MR_PAGE_UNITS);
}

/* Those that are active go on the list after the host function that ended the call, if one did. */
static void list_frames(const native_instance *in, mr_tier_frames *out)
{
    uint32_t left = in->host.depth;
    while (left > 0 && out->count < MR_BACKTRACE_FRAMES_MAX)
        out->functions[out->count++] = in->host.functions[--left];
    out->left_out = left;
}

static mr_tier_end call(mr_tier_instance *instance, const mr_tier_call *call)
{
    native_instance *in = (native_instance *)instance;
    MR_ASSERT(in->call == NULL);
    memcpy(in->state, in->initial, in->module->state_bytes);
    rebind(instance, &call->memory);
    *in->base.gas = call->gas;
    in->call = call;
    in->host.depth = 0;
    in->end = MR_TIER_RETURNED;
    if (_setjmp(in->back) == 0)
        in->module->entries[call->entry](in->state);
    in->call = NULL;
    if (call->frames != NULL && in->end != MR_TIER_RETURNED)
        list_frames(in, call->frames);
    return in->end;
}

/* ---- Worker ---- */

static mr_status worker_new(const mr_module_rules *rules, void **out, mr_error *error)
{
    native_worker *worker = mr_heap_zalloc(sizeof *worker);
    if (worker == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "no memory for compiled code");
    worker->rules = rules;
    *out = worker;
    return MR_OK;
}

static void worker_free(void *worker)
{
    mr_heap_free(worker);
}

static mr_status check(mr_error *error)
{
    (void)error;
    return MR_OK;
}

const mr_tier_ops mr_native_tier = {
    .name = "native",
    .check = check,
    .worker_new = worker_new,
    .worker_free = worker_free,
    .prepare = prepare,
    .release = release,
    .call = call,
    .rebind = rebind,
};
