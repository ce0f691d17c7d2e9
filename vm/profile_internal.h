/* SPDX-License-Identifier: Apache-2.0 */
/* profile_internal: what calls being watched add to. */
#ifndef MR_VM_PROFILE_INTERNAL_H
#define MR_VM_PROFILE_INTERNAL_H

#include "vm/profile.h"

/* ---- Call paths of one code ---- */

enum { MR_PATH_NONE = UINT32_MAX, MR_PATH_ROOT = 0 };

/* A function as called along the path that is its parent; of the root only beyond_gas counts. */
typedef struct mr_path {
    uint32_t parent; /* lower than the path itself */
    uint32_t function;
    uint32_t depth;      /* 0 of the root */
    uint64_t gas;        /* of the function itself */
    uint64_t beyond_gas; /* of what it called that has no path */
} mr_path;

typedef struct mr_paths {
    mr_path *paths;
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots; /* hash table of paths, 2 * capacity of them; 0 is empty */
} mr_paths;

/* mr_paths_init makes the root. Errors: MR_NO_MEMORY. */
mr_status mr_paths_init(mr_paths *paths);
void mr_paths_fini(mr_paths *paths);

/* mr_paths_step finds or makes the path to `function` called from the end of `parent`; MR_PATH_NONE
 * beyond the limits, or when memory ends. */
uint32_t mr_paths_step(mr_paths *paths, uint32_t parent, uint32_t function);

/* mr_paths_merge adds `from` to `into`. Errors: MR_NO_MEMORY. */
mr_status mr_paths_merge(mr_paths *into, const mr_paths *from);

mr_status mr_paths_fold(const mr_paths *paths, const mr_code *code, const char *root,
                        mr_profile_line_fn *each, void *context);

/* ---- One code ---- */

typedef struct mr_profiled {
    mr_code *code;
    uint64_t calls;
    uint64_t gas;
    mr_profile_row *rows;   /* by function */
    mr_profile_row *sorted; /* room for as many */
    mr_paths paths;
    struct mr_profiled *next; /* same bucket */
} mr_profiled;

/* mr_profile_find finds or makes what there is of `code`; it stays where it is. Errors: NULL when
 * out of memory. */
mr_profiled *mr_profile_find(mr_profile *profile, const mr_code *code);

void mr_profile_set_incomplete(mr_profile *profile);

#endif
