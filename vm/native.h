/* SPDX-License-Identifier: Apache-2.0 */
/* native: codes compiled by the machine's own C compiler. A compiled code is a cache of what the
 * interpreter does with the rewritten module, kept in files that are found again by what went into
 * them; none of it is state, and losing it loses time only.
 *
 *     code --WABT's writer--> C --compiler, bounded--> shared object --checked, loaded--> artifact
 *
 * What cannot be compiled here is interpreted: no compiler, one that fails, takes too long, too
 * much memory or writes too much, code that would need more of a thread's stack than there is. The
 * log is told once a code, and once when there is no compiler. */
#ifndef MR_VM_NATIVE_H
#define MR_VM_NATIVE_H

#include "vm/code.h"

typedef struct mr_native mr_native;     /* the compiler and its files; of one mr_vm */
typedef struct mr_artifact mr_artifact; /* one code, compiled and loaded; belongs to the code */

typedef struct mr_native_options {
    const char *directory; /* of the files; made when it is not there. NULL: millrace in the user's
                            * folder for caches ($XDG_CACHE_HOME, or ~/.cache) */
    const char *compiler;  /* a program that takes gcc's options; NULL: the first of gcc, clang,
                            * cc and tcc in $PATH */
    const char
        *quick; /* tcc, whose code is slower and made in no time; NULL: that of $PATH, if there
                 * is one. It has the first turn when something is asked for in the background */
    uint32_t seconds_max;        /* of processor time, and twice that by the clock; 0: 120. A module
                                  * has 10 of them, and one more for every 4 KiB; the quick one
                                  * has 10 at most */
    uint32_t wait_seconds_max;   /* who waits for a code interprets it after so many; 0: 30. While
                                  * one is late, the others are waited for 1 s */
    uint64_t memory_bytes_max;   /* of each process of the compiler; 0: 2 GiB */
    uint64_t artifact_bytes_max; /* of what comes out; 0: 64 MiB */
    uint32_t builders_max; /* compilers at once, of either; 0: one for every four cores, but one
                            * at least */
    bool frames; /* compiled code tells which functions are active when it fails, for which every
                  * call writes a word */
} mr_native_options;

/* mr_native_new finds the compiler and makes the directory. What is missing is no error: then
 * nothing is compiled, and the log says so. `rules` and `prices` are those of all codes; static.
 * Errors: MR_NO_MEMORY. Owns: strings are copied. */
mr_status mr_native_new(const mr_native_options *options, const mr_module_rules *rules,
                        const mr_code_prices *prices, mr_native **out, mr_error *error);

/* mr_native_free ends the compilers in progress, if any. */
void mr_native_free(mr_native *native);

/* mr_native_need yields the artifact of a code, loaded or built now, or NULL when it cannot be
 * compiled, or takes too long: it is found when it is ready. Threads: any; a code is built once
 * however many ask. */
const mr_artifact *mr_native_need(mr_native *native, mr_code *code);

/* mr_native_need_all is the same, and if there is a quick compiler, its artifact is built, too:
 * mr_artifact_before the other. */
const mr_artifact *mr_native_need_all(mr_native *native, mr_code *code);

/* mr_native_make makes the artifact of a code, or loads it. Errors: MR_BUSY it takes longer than
 * `ns`: ask again; MR_UNSUPPORTED it cannot be compiled, and the log says why. Threads: any. */
mr_status mr_native_make(mr_native *native, mr_code *code, uint64_t ns);

/* mr_native_want has the artifact of a code made in the background, soon. Threads: any. Does
 * nothing when that has been asked for before. */
void mr_native_want(mr_native *native, mr_code *code);

/* mr_native_find returns the artifact of a code if it is ready, else NULL. Threads: any. Order:
 * what the builder wrote is seen. */
const mr_artifact *mr_native_find(const mr_code *code);

/* mr_native_forget unloads what a code's slot holds, if that is an artifact. For the code, when it
 * dies. */
void mr_native_forget(void *slot);

/* mr_artifact_free unloads. Accepts NULL. */
void mr_artifact_free(mr_artifact *artifact);

/* mr_artifact_fits tells whether the calling thread has stack left for a call of any entry. */
bool mr_artifact_fits(const mr_artifact *artifact);

/* mr_artifact_frames_max returns how many functions can be active at once, 0 when the artifact does
 * not tell which are. */
uint32_t mr_artifact_frames_max(const mr_artifact *artifact);

/* mr_artifact_before returns the one whose place this one took, which can still be run; or NULL. */
const mr_artifact *mr_artifact_before(const mr_artifact *artifact);

/* mr_artifact_module returns what the artifact offers (vm/native_runtime.h). */
struct mr_native_module;
const struct mr_native_module *mr_artifact_module(const mr_artifact *artifact);

#endif
