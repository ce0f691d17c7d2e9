/* SPDX-License-Identifier: Apache-2.0 */
/* backtrace: where and why a call ended before its entry returned. Plain data: it may be copied and
 * kept, and read beside the code it was made with. */
#ifndef MR_VM_BACKTRACE_H
#define MR_VM_BACKTRACE_H

#include "vm/code.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Why, and the sentence that says it. Finer than mr_vm_outcome. */
#define MR_TRAP_MAP(X)                                                                             \
    X(HOST, "stopped by a host function")                                                          \
    X(GAS, "out of gas")                                                                           \
    X(STACK, "the stack is too high")                                                              \
    X(UNREACHABLE, "executed unreachable")                                                         \
    X(OUT_OF_BOUNDS, "access outside memory")                                                      \
    X(DIVIDE_BY_ZERO, "integer division by zero")                                                  \
    X(OVERFLOW, "integer overflow in a division")                                                  \
    X(NO_ELEMENT, "indirect call beyond the end of the table")                                     \
    X(EMPTY_ELEMENT, "indirect call of no function")                                               \
    X(ELEMENT_TYPE, "indirect call of a function of another type")

typedef enum mr_trap {
#define MR_TRAP_ENUM(name, text) MR_TRAP_##name,
    MR_TRAP_MAP(MR_TRAP_ENUM)
#undef MR_TRAP_ENUM
} mr_trap;

/* mr_trap_text returns the sentence. Never NULL. */
const char *mr_trap_text(mr_trap trap);

enum { MR_BACKTRACE_FRAMES_MAX = 32 };

typedef struct mr_backtrace {
    mr_trap trap;
    uint32_t frames_count;                    /* 1 .. MR_BACKTRACE_FRAMES_MAX */
    uint32_t left_out;                        /* functions active beyond those */
    uint32_t frames[MR_BACKTRACE_FRAMES_MAX]; /* functions of the uploaded module, imports counted,
                                               * innermost first. The first is a host function when
                                               * the call ended in one */
} mr_backtrace;

/* mr_backtrace_print appends a line that says why, then one a frame, innermost first:
 *
 *     integer division by zero
 *         in divide
 *         in handle
 *         and 3969 more
 *
 * Errors: MR_NO_MEMORY.  Threads: any, as `code` is immutable. */
mr_status mr_backtrace_print(const mr_backtrace *backtrace, const mr_code *code, mr_buffer *out);

#ifdef __cplusplus
}
#endif

#endif
