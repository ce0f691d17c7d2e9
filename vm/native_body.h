/* SPDX-License-Identifier: Apache-2.0 */
/* native_body: puts the functions that WABT's C writer made into the words of vm/native_runtime.h:
 * accesses, marks, and what is read anew after calls. Private to vm.
 *
 * Innermost loops that call nothing are written twice when what they access seems to lie near
 * variables that they do not set: fields, arrays on the stack, tables with masked indices.
 *
 *     base    a local of 32 bits that the loop does not set
 *     span    bytes from where it points to that hold all that the loop seems to access by it
 *
 * Spans are compared with where memory ends before the first writing runs, once; in it, accesses
 * are compared with their base and span, which C compilers mostly find needless, as they see the
 * masks, and then fold what is left of the address into the access. What is not in its span after
 * all is accessed as ever, so nothing depends on what was guessed here; a bad guess costs time. */
#ifndef MR_VM_NATIVE_BODY_H
#define MR_VM_NATIVE_BODY_H

#include <string>

namespace mr
{

/* native_body returns the text in other words. Throws std::bad_alloc. */
std::string native_body(const std::string &text);

} // namespace mr

#endif
