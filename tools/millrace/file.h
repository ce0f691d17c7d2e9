/* SPDX-License-Identifier: Apache-2.0 */
/* file: whole files in and out of memory, through libuv's file-system calls. */
#ifndef MR_TOOLS_FILE_H
#define MR_TOOLS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"

/* No file that the tools read is larger: modules are limited to 512 KiB, scenarios are texts. */
enum { MR_FILE_BYTES_MAX = 16 * 1024 * 1024 };

/* mr_file_read appends the contents of `path` to *out.
 * Errors:  MR_NOT_FOUND, MR_IO, MR_LIMIT (over `bytes_max`), MR_INVALID (a directory, a device),
 *          MR_NO_MEMORY; the text names the file. */
mr_status mr_file_read(const char *path, size_t bytes_max, mr_buffer *out, mr_error *error);

/* mr_file_write replaces `path` by `bytes`: readers see the old file or the new one, whole.
 * Errors:  MR_IO, MR_NO_SPACE; the text names the file, and nothing is left behind. */
mr_status mr_file_write(const char *path, mr_span bytes, mr_error *error);

/* mr_file_temporary_directory makes a fresh directory below $TMPDIR or /tmp and writes its path
 * to `out`. */
mr_status mr_file_temporary_directory(char *out, size_t out_bytes, mr_error *error);

/* mr_file_remove_directory removes `path` and the files in it, directories below included. */
mr_status mr_file_remove_directory(const char *path, mr_error *error);

/* mr_file_is_wat tells whether the name ends in ".wat". */
bool mr_file_is_wat(const char *path);

#endif
