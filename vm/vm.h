/* SPDX-License-Identifier: Apache-2.0 */
/* vm: runs an entry of a code over a program's memory, under gas, with host functions of the
 * caller's. It knows nothing of actors and messages.
 *
 * Life of one run, all on one worker:
 *
 *   begin ---> call ---> commit     dirty units become versions of the image
 *                   `--> rollback   dirty units are copied back from the image
 *
 * Either way the shadow stack and the globals are clean for the next run, so nothing of one message
 * is visible to the next. A run belongs to its (dispatch, memory) pair: several may be open on one
 * worker at the same time, on different memories. */
#ifndef MR_VM_VM_H
#define MR_VM_VM_H

#include "vm/backtrace.h"
#include "vm/memory.h"
#include "vm/native.h"
#include "vm/profile.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_vm mr_vm;               /* shared by all workers */
typedef struct mr_vm_worker mr_vm_worker; /* one per stream; used by one thread at a time */
typedef struct mr_run mr_run;

/* How codes are run. Nothing but time depends on it. */
typedef enum mr_tier {
    MR_TIER_INTERP, /* by the interpreter */
    MR_TIER_NATIVE, /* compiled, before a code's first use */
    MR_TIER_AUTO,   /* by the interpreter, until it has been compiled in the background */
} mr_tier;

/* How a call ended. Same in every tier. When the gas left is negative at the end of a call, by the
 * code's own charges or by mr_run_charge, the outcome is MR_VM_OUT_OF_GAS whatever else happened
 * last; no host function is called from then on. */
typedef enum mr_vm_outcome {
    MR_VM_DONE,    /* the entry returned */
    MR_VM_STOPPED, /* a host function asked to end the call */
    MR_VM_OUT_OF_GAS,
    MR_VM_STACK_LIMIT,
    MR_VM_UNREACHABLE,
    MR_VM_OUT_OF_BOUNDS, /* load or store outside memory */
    MR_VM_INTEGER,       /* division by zero, or overflow */
    MR_VM_INDIRECT,      /* call_indirect: no such element, or another type */
    MR_VM_NO_MEMORY,     /* not the program's doing: this machine could not go on. Roll back and
                          * give up the block; it must not become a receipt */
} mr_vm_outcome;

const char *mr_vm_outcome_text(mr_vm_outcome outcome);

typedef enum mr_host_action { MR_HOST_CONTINUE, MR_HOST_STOP } mr_host_action;

/* A host function. `args` holds the parameters, i32 zero-extended; *result is 0 on entry and is
 * the result if the type has one. `context` is that of mr_run_call. Returning MR_HOST_STOP ends the
 * call with MR_VM_STOPPED; running out of gas in mr_run_charge must be answered with it too, and
 * the outcome is then MR_VM_OUT_OF_GAS. */
typedef mr_host_action mr_host_fn(void *context, mr_run *run, const uint64_t *args,
                                  uint64_t *result);

typedef struct mr_vm_options {
    const mr_module_rules *rules; /* static; import i is served by functions[i] */
    mr_host_fn *const *functions; /* static, rules->imports_count of them */
    mr_tier tier;
    const mr_code_prices *prices;    /* of all codes; read when the tier is not MR_TIER_INTERP */
    const mr_native_options *native; /* also, or NULL: the defaults */
    struct mr_vm *follow; /* another with the same rules, which outlives this one and whose compiled
                           * codes this one runs, too, in its tier; or NULL */
    uint64_t switch_seed; /* not 0: for tests: who runs is drawn anew for every run: the
                           * interpreter, or what either compiler has made, which MR_TIER_NATIVE
                           * waits for */
    uint64_t instance_bytes_max; /* instances a worker keeps ready, all codes together, about */
    uint64_t live_bytes_max;     /* live memories, all workers together; the least recently run
                                  * are dropped beyond it */
} mr_vm_options;

/* Errors: MR_NO_MEMORY; MR_UNSUPPORTED the linked WABT does not behave as this layer needs. */
mr_status mr_vm_new(const mr_vm_options *options, mr_vm **out, mr_error *error);
void mr_vm_free(mr_vm *vm);

/* mr_vm_compile compiles a code now, unless it has been. Errors: MR_STATE the tier is
 * MR_TIER_INTERP; MR_BUSY it takes longer than a tenth of a second: ask again; MR_UNSUPPORTED it
 * cannot be compiled, and the log says why. Threads: any. */
mr_status mr_vm_compile(mr_vm *vm, mr_code *code);

mr_status mr_vm_worker_new(mr_vm *vm, mr_vm_worker **out, mr_error *error);
void mr_vm_worker_free(mr_vm_worker *worker);
mr_unit_pool *mr_vm_worker_pool(mr_vm_worker *worker);

/* mr_run_begin binds `memory`, made live if it is not. Errors: MR_NO_MEMORY; MR_MODULE the tier
 * cannot instantiate the code (a bug of the rewriting). Ends with mr_run_commit or
 * mr_run_rollback. */
mr_status mr_run_begin(mr_vm_worker *worker, mr_memory *memory, mr_run **out, mr_error *error);

/* mr_run_call runs `entry` (index into rules->entries, which the code must have) with `gas`.
 * What is left comes back in *gas_left, 0 when it ran out. Once per run. */
mr_vm_outcome mr_run_call(mr_run *run, uint32_t entry, uint64_t gas, void *context,
                          uint64_t *gas_left);

/* mr_run_backtrace returns where and why the call of this run ended, borrowed until the run ends:
 * NULL after MR_VM_DONE and MR_VM_NO_MEMORY, and when the worker keeps no backtraces. A host
 * function may have ended the call for a good reason: that is its owner's to know. */
const mr_backtrace *mr_run_backtrace(const mr_run *run);

/* mr_run_commit makes what the run wrote the image's new content.
 * Errors: MR_NO_MEMORY; the run was rolled back instead. */
mr_status mr_run_commit(mr_run *run);
void mr_run_rollback(mr_run *run);

/* ---- For host functions, during mr_run_call ---- */

/* mr_run_gas returns the gas left. mr_run_charge takes `amount`, or all and returns false. */
uint64_t mr_run_gas(const mr_run *run);
bool mr_run_charge(mr_run *run, uint64_t amount);

/* mr_run_set_aside is mr_run_charge for gas that leaves the call without being burned: given away
 * or kept for later. Only a profile tells the two apart. mr_run_refund takes some of it back. */
bool mr_run_set_aside(mr_run *run, uint64_t amount);
void mr_run_refund(mr_run *run, uint64_t amount);

/* mr_run_bytes borrows memory for reading, NULL when not all of it is inside. It moves when memory
 * grows. size 0 is inside when address is not beyond the end. */
const uint8_t *mr_run_bytes(const mr_run *run, uint32_t address, uint32_t size);

/* mr_run_write copies into memory and marks it. False, and nothing written, when outside. */
bool mr_run_write(mr_run *run, uint32_t address, const void *bytes, uint32_t size);

uint32_t mr_run_pages(const mr_run *run);
uint32_t mr_run_static_pages(const mr_run *run);

/* mr_run_grow adds zero pages at the end; undone by a rollback. Errors: MR_NO_MEMORY; MR_LIMIT. */
mr_status mr_run_grow(mr_run *run, uint32_t pages);

/* mr_run_trim makes memory end after `pages` pages, whose rest is clear; takes effect with the
 * commit of the run, for the runs that follow. */
void mr_run_trim(mr_run *run, uint32_t pages);

/* mr_run_clear makes whole pages zero again (marked, undone by a rollback). */
void mr_run_clear(mr_run *run, uint32_t first_page, uint32_t pages);

/* ---- For authors of programs ---- */

/* mr_vm_worker_set_backtrace says whether calls from now on that fail keep a backtrace; off at
 * first. No result depends on it. */
void mr_vm_worker_set_backtrace(mr_vm_worker *worker, bool on);

/* mr_vm_worker_set_profile has calls from now on watched and added to `profile`, which nobody else
 * uses meanwhile; NULL ends it. Slow, but no result depends on it (vm/profile.h). Not within a
 * call. */
void mr_vm_worker_set_profile(mr_vm_worker *worker, mr_profile *profile);

/* ---- Counters of one worker, for reports ---- */
typedef struct mr_vm_counters {
    uint64_t calls;
    uint64_t call_ns; /* inside the tier, host functions included, when timing is on */
    uint64_t units_committed;
    uint64_t units_rolled_back;
    uint64_t instances_made;
    uint64_t memories_made_live;
} mr_vm_counters;
void mr_vm_worker_counters(const mr_vm_worker *worker, mr_vm_counters *out);
void mr_vm_worker_set_timing(mr_vm_worker *worker, bool on);

#ifdef __cplusplus
}
#endif

#endif
