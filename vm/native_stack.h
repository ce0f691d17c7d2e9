/* SPDX-License-Identifier: Apache-2.0 */
/* native_stack: how much of a thread's stack a call of compiled code can take. Private to vm.
 *
 * The functions active in a call hold so many values together and no more (mr_code_values_max), of
 * which each has its own number at least. So a call takes no more than that number of values times
 * the greatest ratio of a function's frame to its values. What functions are inlined into others
 * counts for in those. */
#ifndef MR_VM_NATIVE_STACK_H
#define MR_VM_NATIVE_STACK_H

#include "vm/native_text.h"

typedef struct mr_stack_facts {
    const mr_native_text *text;
    const mr_code_prices *prices;
    const char *directory; /* where a compiler's list is, made by -fstack-usage */
    mr_span object;        /* the shared object */
    bool is_tcc;           /* which makes no such list, but puts frames into its code in one way */
} mr_stack_facts;

/* mr_native_stack tells the bytes, some for host functions included. Errors: MR_MODULE it cannot be
 * told; MR_NO_MEMORY. */
mr_status mr_native_stack(const mr_stack_facts *facts, uint64_t *out);

#endif
