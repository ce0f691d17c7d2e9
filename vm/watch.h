/* SPDX-License-Identifier: Apache-2.0 */
/* watch: a call in progress whose gas is noted by function. Private to vm.
 *
 * A tier that is given a watch says when functions begin and end. Gas burned in between belongs to
 * the function that is innermost, so it need not be looked at anywhere else; functions that a trap
 * ends are ended by mr_watch_end.
 *
 * The interpreter looks at its call stack after each instruction. That was chosen over calls of the
 * host at the beginning and the end of every function, in a second form of the rewritten module:
 * there is nothing more to keep for each code, and what is run is what is always run. A tier that
 * cannot tell leaves calls with a watch to the interpreter, which burns the same. */
#ifndef MR_VM_WATCH_H
#define MR_VM_WATCH_H

#include "vm/profile.h"
#include "vm/vm.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_watch_frame {
    uint32_t function; /* of the uploaded module */
    uint32_t path;     /* the function's, or the last on the way there that has one */
    bool is_beyond;    /* it has none */
    uint64_t before;   /* burned when it began */
} mr_watch_frame;

typedef struct mr_watch {
    mr_profile *profile;
    struct mr_profiled *to;
    const mr_run *run;
    uint64_t gas;    /* given to the call */
    uint64_t burned; /* up to the last time a function began or ended */
    mr_watch_frame *frames;
    uint32_t frames_count;
    uint32_t frames_capacity;
    uint32_t *active; /* by function, how many frames are its */
    bool is_lost;     /* memory ran out: nothing more is noted */
} mr_watch;

/* mr_watch_begin watches a call that begins with `gas`. False, and the profile is told, when there
 * is no memory for it. */
bool mr_watch_begin(mr_watch *watch, mr_profile *profile, const mr_run *run, const mr_code *code,
                    uint64_t gas);
void mr_watch_end(mr_watch *watch);

/* For tiers: a function, as numbered in the rewritten module, begins; the innermost one ends. Host
 * functions likewise, except for mr.break. */
void mr_watch_enter(mr_watch *watch, uint32_t function);
void mr_watch_leave(mr_watch *watch);

#ifdef __cplusplus
}
#endif

#endif
