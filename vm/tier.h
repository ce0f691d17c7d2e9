/* SPDX-License-Identifier: Apache-2.0 */
/* tier: what a way of executing rewritten modules has to offer. The run above it owns memory,
 * marks, gas rules and outcomes; a tier instantiates, binds and calls.
 *
 * An instance belongs to one worker and serves one open run at a time. Between calls it is bound to
 * no memory, and what a call left in globals or stacks never shows in the next. */
#ifndef MR_VM_TIER_H
#define MR_VM_TIER_H

#include "vm/vm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* First part of a tier's own instance. */
typedef struct mr_tier_instance {
    int64_t *gas; /* the module's gas global; negative is out of gas */
} mr_tier_instance;

/* Plain bytes, whoever executes. There are MR_MARKS_BYTES of marks; a tier that cannot make one for
 * a store that is out of bounds ends the call there with MR_TIER_OUT_OF_BOUNDS. */
typedef struct mr_tier_memory {
    uint8_t *bytes;
    uint8_t *marks;
    uint32_t pages;
} mr_tier_memory;

typedef enum mr_tier_end {
    MR_TIER_RETURNED,
    MR_TIER_STOPPED, /* by a host function, or one was not called because gas is negative */
    MR_TIER_BREAK_GAS,
    MR_TIER_BREAK_STACK,
    MR_TIER_UNREACHABLE,
    MR_TIER_OUT_OF_BOUNDS,
    MR_TIER_DIVIDE_BY_ZERO,
    MR_TIER_OVERFLOW,
    MR_TIER_NO_ELEMENT,    /* call_indirect: beyond the table */
    MR_TIER_EMPTY_ELEMENT, /* call_indirect: no function there */
    MR_TIER_ELEMENT_TYPE,  /* call_indirect: a function of another type */
    MR_TIER_NO_MEMORY,
} mr_tier_end;

/* The functions active when a call failed, innermost first, as numbered in the rewritten module; a
 * host function that stopped the call comes first, mr.break is left out. */
typedef struct mr_tier_frames {
    uint32_t functions[MR_BACKTRACE_FRAMES_MAX];
    uint32_t count;
    uint32_t left_out; /* active beyond those */
} mr_tier_frames;

typedef struct mr_tier_call {
    mr_run *run;
    void *context;
    mr_host_fn *const *functions;
    mr_tier_memory memory;
    uint32_t entry;
    int64_t gas;
    mr_tier_frames *frames; /* NULL, or empty and filled unless the call returns */
    struct mr_watch *watch; /* NULL, or told of every function that begins and ends: vm/watch.h */
} mr_tier_call;

typedef struct mr_tier_ops {
    const char *name;

    /* check tries the tier out on a tiny module. Errors: MR_UNSUPPORTED; MR_NO_MEMORY. */
    mr_status (*check)(mr_error *error);

    /* State of one worker, shared by its instances. */
    mr_status (*worker_new)(const mr_module_rules *rules, void **out, mr_error *error);
    void (*worker_free)(void *worker);

    /* prepare instantiates a code's rewritten module, or `artifact` of it. *bytes is what the
     * instance costs, about. Errors: MR_MODULE; MR_NO_MEMORY. */
    mr_status (*prepare)(void *worker, mr_code *code, const mr_artifact *artifact,
                         mr_tier_instance **out, uint64_t *bytes, mr_error *error);
    void (*release)(mr_tier_instance *instance);

    /* call binds the memory, sets gas and globals, runs the entry, and unbinds. */
    mr_tier_end (*call)(mr_tier_instance *instance, const mr_tier_call *call);

    /* rebind gives a call in progress its memory anew, after it grew. */
    void (*rebind)(mr_tier_instance *instance, const mr_tier_memory *memory);
} mr_tier_ops;

extern const mr_tier_ops mr_interp_tier;
extern const mr_tier_ops mr_native_tier; /* which runs artifacts: vm/native.h */

#ifdef __cplusplus
}
#endif

#endif
