/* SPDX-License-Identifier: Apache-2.0 */
/* demangle: names of Rust functions, as compilers put them into name sections, in the form their
 * authors know. Private to vm. */
#ifndef MR_VM_DEMANGLE_H
#define MR_VM_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

/* mr_demangle writes what `name` stands for, cut to `size` bytes with the NUL, and returns true
 * when it is a name of Rust's: in the scheme of RFC 2603 ("_R..."), the one before ("_ZN...17h
 * 0123456789abcdefE"), or the latter as linkers that demangle C++ leave it
 * ("core::fmt::write::h0123456789abcdef"). Hashes are left off. Any other name is copied.
 *
 * Names are an uploader's: time is bounded whatever they say, and nothing else is read. Identifiers
 * outside ASCII stay encoded, as punycode{...}.
 *
 * Source: RFC 2603 for the former scheme, rustc's output for the latter. */
bool mr_demangle(const char *name, char *out, size_t size);

#endif
