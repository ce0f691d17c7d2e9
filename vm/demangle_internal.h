/* SPDX-License-Identifier: Apache-2.0 */
/* demangle_internal: what both schemes of Rust's names write to. */
#ifndef MR_VM_DEMANGLE_INTERNAL_H
#define MR_VM_DEMANGLE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

/* Text of a bounded size, without a NUL. What does not fit is cut. */
typedef struct mr_demangled {
    char *text;
    size_t size; /* room in text */
    size_t used;
    bool is_full; /* something was cut */
} mr_demangled;

void mr_demangled_put(mr_demangled *out, const char *text, size_t size);

/* mr_demangle_rfc2603 writes what `name` stands for; false, and anything written, when it is no
 * name of that scheme. */
bool mr_demangle_rfc2603(const char *name, mr_demangled *out);

/* mr_demangle_hex returns the value of a lower-case digit, -1 for anything else. */
static inline int mr_demangle_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
