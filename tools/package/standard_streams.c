/* SPDX-License-Identifier: Apache-2.0 */
/* Debian's libwabt.a is compiled for executables: it refers to stdin, stdout and stderr as data
 * within a fixed distance, which a shared library cannot promise of what is the C library's. The
 * linker's
 * --wrap turns these references into ones to the variables here. */
#include <stdio.h>

/* The C library's, as --wrap names them. */
extern FILE *__real_stdin, *__real_stdout, *__real_stderr;

__attribute__((visibility("hidden"))) FILE *__wrap_stdin, *__wrap_stdout, *__wrap_stderr;

__attribute__((constructor(101))) static void take_streams(void)
{
    __wrap_stdin = __real_stdin;
    __wrap_stdout = __real_stdout;
    __wrap_stderr = __real_stderr;
}
