/* SPDX-License-Identifier: Apache-2.0 */
/* profile: which functions burn the gas of calls. Exact, by function and by call path.
 *
 * A worker that was given a profile (mr_vm_worker_set_profile) adds each of its calls to it. The
 * call runs as ever, the same rewritten module with the same charges, and is watched: whenever a
 * function begins or ends, what was burned since the last such moment is that of the function that
 * ran. Gas, results and traps are those of a call nobody watches; it takes several times as long.
 * All ways of executing burn the same, so what is found holds for every one.
 *
 * For each code
 *
 *     gas = sum of self_gas over its functions = gas given - gas left - gas set aside
 *
 * over its calls, however they ended. Functions are those of the uploaded module by number, imports
 * counted; what a host function charges is its own self_gas, and noted with who called it. */
#ifndef MR_VM_PROFILE_H
#define MR_VM_PROFILE_H

#include "vm/code.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_profile mr_profile;

/* One function of a code that was called at least once. */
typedef struct mr_profile_row {
    uint32_t function; /* of the uploaded module, see mr_code_function_text */
    bool is_host;
    uint64_t calls;
    uint64_t self_gas;  /* by its own instructions; of a host function, what it charged */
    uint64_t host_gas;  /* charged by host functions it called itself; 0 for a host function */
    uint64_t total_gas; /* self_gas and that of all it called, a recursion counted once */
} mr_profile_row;

typedef struct mr_profile_code {
    const mr_code *code;
    uint64_t calls; /* of entries */
    uint64_t gas;
    const mr_profile_row *rows; /* most self_gas first, then most total_gas, then by number */
    uint32_t rows_count;
} mr_profile_code;

/* Errors: NULL when out of memory. A profile holds references to its codes. */
mr_profile *mr_profile_new(void);
void mr_profile_free(mr_profile *profile);

/* mr_profile_merge adds what is in `from`, another worker's, to `into`. Errors: MR_NO_MEMORY, some
 * codes may be added already. Threads: neither profile's worker may be running. */
mr_status mr_profile_merge(mr_profile *into, const mr_profile *from);

/* mr_profile_is_complete tells whether memory sufficed to watch every call. */
bool mr_profile_is_complete(const mr_profile *profile);

/* mr_profile_list returns the codes, most gas first, the same for the same calls on any number of
 * workers. Borrowed until the profile is changed or listed again. */
const mr_profile_code *mr_profile_list(mr_profile *profile, size_t *count);

/* Paths beyond these are put together as "[deeper]" below the last function there is room for: no
 * gas is lost, but which paths have room may then depend on how calls were dealt to workers. */
enum { MR_PROFILE_PATHS_MAX = 1 << 16 /* of one code */, MR_PROFILE_DEPTH_MAX = 128 };

/* Given one line, without its end; it is gone when the function returns. */
typedef mr_status mr_profile_line_fn(void *context, mr_span line);

/* mr_profile_fold calls `each` for every call path of `code` that burned gas itself, with a line as
 * tools for flame graphs read it: functions from the entry on, then the gas.
 *
 *     root;handle;app::transfer;gr_send 12000
 *
 * `root` begins every line unless it is NULL. A semicolon within a name becomes a comma.
 * Order:  depth first, by numbers of functions.
 * Errors: MR_NO_MEMORY; whatever `each` returns ends the walk and is returned. */
mr_status mr_profile_fold(const mr_profile *profile, const mr_code *code, const char *root,
                          mr_profile_line_fn *each, void *context);

#ifdef __cplusplus
}
#endif

#endif
