/* SPDX-License-Identifier: Apache-2.0 */
/* run: private parts of runs and workers. */
#ifndef MR_VM_RUN_H
#define MR_VM_RUN_H

#include "vm/live.h"
#include "vm/mark.h"
#include "vm/tier.h"
#include "vm/vm.h"

/* An instance kept ready by a worker, in a list of its hash bucket and in one by last use. */
typedef struct mr_ready {
    const mr_tier_ops *tier;
    const mr_artifact *artifact; /* NULL: interpreted */
    mr_tier_instance *instance;
    mr_code *code;
    uint64_t bytes;
    struct mr_ready *next;  /* same bucket */
    struct mr_ready *newer; /* idle ones only */
    struct mr_ready *older;
    bool busy;
} mr_ready;

/* A unit that a run may have changed. */
typedef struct mr_touched {
    mr_entry *entry;  /* of the unit, or NULL */
    mr_entry *before; /* of the unit before, or NULL */
    uint32_t unit;
    bool look_before; /* a store may have begun in the unit before */
} mr_touched;

struct mr_run {
    mr_vm_worker *worker;
    mr_image *image;
    mr_live *live;
    mr_ready *ready;
    uint32_t pages; /* grown by the run, the image's until then */
    uint32_t stack_units;
    uint32_t trim; /* pages after the commit; UINT32_MAX: as many as now */
    bool called;
    bool calling;
    uint64_t gas_aside;  /* beyond what the module's signed global can hold */
    uint64_t set_aside;  /* gas that left the call and is not burned */
    uint8_t *marks;      /* MR_MARKS_BYTES, all zero between runs */
    mr_touched *touched; /* room for MR_UNITS_MAX; filled when the run ends */
    mr_run *next_idle;
    bool has_backtrace;
    mr_backtrace backtrace; /* when has_backtrace */
};

enum { MR_READY_BUCKETS = 1024 };

struct mr_vm {
    mr_vm_options options;
    mr_native *native; /* NULL: everything is interpreted; of options.follow, if that is there */
    mr_lives *lives;
};

struct mr_vm_worker {
    mr_vm *vm;
    mr_unit_pool *pool;
    void *interp;
    void *native; /* NULL: everything is interpreted */
    uint64_t switch_random;
    mr_nursery nursery;
    mr_run *idle_runs;
    uint32_t runs_open;
    bool timing;
    bool keeps_backtraces;
    mr_profile *profile; /* of the caller, or NULL */
    mr_vm_counters counters;
    uint64_t ready_bytes;
    mr_ready *newest; /* idle instances by last use */
    mr_ready *oldest;
    mr_ready *buckets[MR_READY_BUCKETS];
};

/* mr_ready_take finds or makes an instance that no open run uses. Errors: MR_MODULE; MR_NO_MEMORY.
 */
mr_status mr_ready_take(mr_vm_worker *worker, mr_code *code, mr_ready **out, mr_error *error);
void mr_ready_give(mr_vm_worker *worker, mr_ready *ready);

#endif
