/* SPDX-License-Identifier: Apache-2.0 */
/* native_artifact: a compiled code as a file that shows whether it is whole, and loaded. The layout
 * is in docs/FORMATS.md. Private to vm. */
#ifndef MR_VM_NATIVE_ARTIFACT_H
#define MR_VM_NATIVE_ARTIFACT_H

#include <stdio.h>
#include <sys/types.h>

#include "vm/native.h"
#include "vm/native_digest.h"

/* mr_artifact_seal appends to a shared object what makes it a file under `key`. `stack_bytes` is
 * the most that a call takes of the stack. Errors: MR_NO_MEMORY. */
mr_status mr_artifact_seal(mr_buffer *object, const uint8_t key[MR_DIGEST_BYTES],
                           uint64_t stack_bytes);

/* mr_artifact_load checks and loads a file. `frames_max` is how many functions can be active at
 * once, 0 when it was not compiled to tell which. Errors: MR_NOT_FOUND; MR_CORRUPT it is not what
 * was written under the key; MR_MODULE it cannot be loaded; MR_IO; MR_NO_MEMORY. Owns: the caller
 * frees *out. */
mr_status mr_artifact_load(const char *path, const uint8_t key[MR_DIGEST_BYTES],
                           uint32_t frames_max, mr_artifact **out, mr_error *error);

/* Larger files are not read. */
#define MR_ARTIFACT_BYTES_MAX ((off_t)1 << 30)

/* mr_artifact_open opens a file to be read, unless it is a link, a pipe, or anything but a file, or
 * neither this user's nor root's, or others may write to it. Errors: -1 and errno; ELOOP for a
 * link, EINVAL for the others. */
int mr_artifact_open(const char *path);

/* mr_artifact_lines is the same for what is read line by line. Errors: NULL. Owns: fclose. */
FILE *mr_artifact_lines(const char *path);

/* mr_artifact_read appends the bytes of a file to *out. Errors: MR_NOT_FOUND; MR_CORRUPT it is no
 * file, or larger than any that is written; MR_IO; MR_NO_MEMORY. */
mr_status mr_artifact_read(const char *path, mr_buffer *out);

/* mr_artifact_write makes a file, of which there must be none, that all may read. errno tells why
 * it failed. Errors: MR_IO; MR_NO_SPACE. */
mr_status mr_artifact_write(const char *path, mr_span bytes);

/* mr_artifact_follow has `artifact` keep `before`, which calls in progress may still be in, and
 * free it when it is freed itself. */
void mr_artifact_follow(mr_artifact *artifact, mr_artifact *before);

#endif
