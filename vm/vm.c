/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm.h"

#include <unistd.h>

#include "vm/memory_heap.h"
#include "vm/run.h"

const char *mr_vm_outcome_text(mr_vm_outcome outcome)
{
    switch (outcome) {
    case MR_VM_DONE:
        return "returned";
    case MR_VM_STOPPED:
        return "stopped by a host function";
    case MR_VM_OUT_OF_GAS:
        return "out of gas";
    case MR_VM_STACK_LIMIT:
        return "the stack is too high";
    case MR_VM_UNREACHABLE:
        return "executed unreachable";
    case MR_VM_OUT_OF_BOUNDS:
        return "access outside memory";
    case MR_VM_INTEGER:
        return "integer division by zero or overflow";
    case MR_VM_INDIRECT:
        return "indirect call of no function or one of another type";
    case MR_VM_NO_MEMORY:
        return "the machine is out of memory";
    }
    return "unknown outcome";
}

static uint32_t cores(void)
{
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (uint32_t)count;
}

static mr_status fill(mr_vm *vm, const mr_vm_options *options, mr_error *error)
{
    vm->options = *options;
    vm->lives = mr_lives_new(options->live_bytes_max);
    if (vm->lives == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "no memory for the virtual machine");
    if (options->follow != NULL) {
        vm->options.tier = options->follow->options.tier;
        vm->native = options->follow->native;
        return MR_OK;
    }
    if (options->tier == MR_TIER_INTERP)
        return MR_OK;
    mr_native_options native = {0};
    if (options->native != NULL)
        native = *options->native;
    if (native.builders_max == 0 && options->tier == MR_TIER_NATIVE)
        native.builders_max = cores(); /* workers wait for them */
    return mr_native_new(&native, options->rules, options->prices, &vm->native, error);
}

mr_status mr_vm_new(const mr_vm_options *options, mr_vm **out, mr_error *error)
{
    MR_TRY(mr_interp_tier.check(error));
    mr_vm *vm = mr_heap_zalloc(sizeof *vm);
    if (vm == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "no memory for the virtual machine");
    mr_status status = fill(vm, options, error);
    if (status != MR_OK) {
        mr_vm_free(vm);
        return status;
    }
    *out = vm;
    return MR_OK;
}

void mr_vm_free(mr_vm *vm)
{
    if (vm == NULL)
        return;
    if (vm->options.follow == NULL)
        mr_native_free(vm->native);
    mr_lives_free(vm->lives);
    mr_heap_free(vm);
}

mr_status mr_vm_compile(mr_vm *vm, mr_code *code)
{
    if (vm->native == NULL)
        return MR_STATE;
    return mr_native_make(vm->native, code, 100000000);
}

static uint64_t address_mix(const void *address)
{
    return ((uint64_t)(uintptr_t)address >> 4) * 0x9e3779b97f4a7c15u;
}

mr_status mr_vm_worker_new(mr_vm *vm, mr_vm_worker **out, mr_error *error)
{
    mr_vm_worker *worker = mr_heap_zalloc(sizeof *worker);
    if (worker == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "no memory for a worker");
    worker->vm = vm;
    worker->nursery.random = address_mix(worker) | 1;
    worker->pool = mr_unit_pool_new();
    worker->switch_random = vm->options.switch_seed;
    mr_status status = worker->pool == NULL
                           ? MR_FAIL(error, MR_NO_MEMORY, "no memory for a worker's units")
                           : mr_interp_tier.worker_new(vm->options.rules, &worker->interp, error);
    if (status == MR_OK && vm->native != NULL)
        status = mr_native_tier.worker_new(vm->options.rules, &worker->native, error);
    if (status != MR_OK) {
        mr_vm_worker_free(worker);
        return status;
    }
    *out = worker;
    return MR_OK;
}

mr_unit_pool *mr_vm_worker_pool(mr_vm_worker *worker)
{
    return worker->pool;
}

void mr_vm_worker_counters(const mr_vm_worker *worker, mr_vm_counters *out)
{
    *out = worker->counters;
}

void mr_vm_worker_set_timing(mr_vm_worker *worker, bool on)
{
    worker->timing = on;
}

void mr_vm_worker_set_backtrace(mr_vm_worker *worker, bool on)
{
    worker->keeps_backtraces = on;
}

void mr_vm_worker_set_profile(mr_vm_worker *worker, mr_profile *profile)
{
    worker->profile = profile;
}

/* ---- Instances kept ready ---- */

static mr_ready **bucket_of(mr_vm_worker *worker, const mr_code *code)
{
    return &worker->buckets[address_mix(code) >> 54];
}
static_assert(MR_READY_BUCKETS == 1 << (64 - 54), "a bucket is chosen by the top bits");

static void unlink_idle(mr_vm_worker *worker, mr_ready *ready)
{
    *(ready->newer != NULL ? &ready->newer->older : &worker->newest) = ready->older;
    *(ready->older != NULL ? &ready->older->newer : &worker->oldest) = ready->newer;
}

static void link_idle(mr_vm_worker *worker, mr_ready *ready)
{
    ready->newer = NULL;
    ready->older = worker->newest;
    *(worker->newest != NULL ? &worker->newest->newer : &worker->oldest) = ready;
    worker->newest = ready;
}

static void discard(mr_vm_worker *worker, mr_ready *ready)
{
    mr_ready **link = bucket_of(worker, ready->code);
    while (*link != ready)
        link = &(*link)->next;
    *link = ready->next;
    worker->ready_bytes -= ready->bytes;
    ready->tier->release(ready->instance);
    mr_code_put(ready->code);
    mr_heap_free(ready);
}

static void make_room(mr_vm_worker *worker)
{
    while (worker->ready_bytes > worker->vm->options.instance_bytes_max && worker->oldest != NULL) {
        mr_ready *ready = worker->oldest;
        unlink_idle(worker, ready);
        discard(worker, ready);
    }
}

/* Every run may be another's turn: the interpreter's, NULL, the artifact's, or that of the one
 * before it. xorshift. */
static const mr_artifact *draw(mr_vm_worker *worker, const mr_artifact *artifact)
{
    uint64_t x = worker->switch_random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    worker->switch_random = x;
    switch ((x >> 32) % 3) {
    case 0:
        return NULL;
    case 1:
        return artifact;
    default:
        return mr_artifact_before(artifact) != NULL ? mr_artifact_before(artifact) : artifact;
    }
}

/* What is to run the code this time, NULL: the interpreter. That has calls that are watched, and
 * those for whose worst case the thread has no stack, or of which is asked what code cannot tell.
 */
static const mr_artifact *choose(mr_vm_worker *worker, mr_code *code)
{
    mr_native *native = worker->vm->native;
    if (native == NULL || worker->profile != NULL)
        return NULL;
    const bool draws = worker->switch_random != 0;
    const mr_artifact *artifact = mr_native_find(code);
    if (artifact == NULL && worker->vm->options.tier != MR_TIER_NATIVE)
        mr_native_want(native, code);
    else if (artifact == NULL)
        artifact = draws ? mr_native_need_all(native, code) : mr_native_need(native, code);
    if (artifact != NULL && draws)
        artifact = draw(worker, artifact);
    if (artifact == NULL || !mr_artifact_fits(artifact) ||
        (worker->keeps_backtraces && mr_artifact_frames_max(artifact) == 0))
        return NULL;
    return artifact;
}

static mr_status make_ready(mr_vm_worker *worker, mr_code *code, const mr_artifact *artifact,
                            mr_ready **out, mr_error *error)
{
    const mr_tier_ops *tier = artifact == NULL ? &mr_interp_tier : &mr_native_tier;
    mr_ready *ready = mr_heap_zalloc(sizeof *ready);
    if (ready == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "no memory for an instance");
    mr_status status = tier->prepare(artifact == NULL ? worker->interp : worker->native, code,
                                     artifact, &ready->instance, &ready->bytes, error);
    if (status != MR_OK) {
        mr_heap_free(ready);
        return status;
    }
    mr_ready **bucket = bucket_of(worker, code);
    ready->tier = tier;
    ready->artifact = artifact;
    ready->code = mr_code_get(code);
    ready->next = *bucket;
    ready->busy = true;
    *bucket = ready;
    worker->ready_bytes += ready->bytes;
    worker->counters.instances_made++;
    make_room(worker);
    *out = ready;
    return MR_OK;
}

mr_status mr_ready_take(mr_vm_worker *worker, mr_code *code, mr_ready **out, mr_error *error)
{
    const mr_artifact *artifact = choose(worker, code);
    for (mr_ready *ready = *bucket_of(worker, code); ready != NULL; ready = ready->next) {
        if (ready->code != code || ready->artifact != artifact || ready->busy)
            continue;
        unlink_idle(worker, ready);
        ready->busy = true;
        *out = ready;
        return MR_OK;
    }
    return make_ready(worker, code, artifact, out, error);
}

void mr_ready_give(mr_vm_worker *worker, mr_ready *ready)
{
    ready->busy = false;
    link_idle(worker, ready);
    if (worker->ready_bytes > worker->vm->options.instance_bytes_max)
        make_room(worker);
}

static void free_idle_runs(mr_vm_worker *worker)
{
    while (worker->idle_runs != NULL) {
        mr_run *run = worker->idle_runs;
        worker->idle_runs = run->next_idle;
        mr_heap_unmap(run->marks, MR_MARKS_BYTES);
        mr_heap_unmap(run->touched, MR_UNITS_MAX * sizeof *run->touched);
        mr_heap_free(run);
    }
}

void mr_vm_worker_free(mr_vm_worker *worker)
{
    if (worker == NULL)
        return;
    MR_ASSERT(worker->runs_open == 0);
    free_idle_runs(worker);
    mr_nursery_fini(&worker->nursery);
    while (worker->oldest != NULL) {
        mr_ready *ready = worker->oldest;
        unlink_idle(worker, ready);
        discard(worker, ready);
    }
    if (worker->native != NULL)
        mr_native_tier.worker_free(worker->native);
    if (worker->interp != NULL)
        mr_interp_tier.worker_free(worker->interp);
    mr_unit_pool_free(worker->pool);
    mr_heap_free(worker);
}
