/* SPDX-License-Identifier: Apache-2.0 */
/* bytes: payloads and texts of programs, for a person to read.
 *
 * What is UTF-8 and can be printed is text in quotes; a backslash and the breaks that text has in
 * it, tabs and ends of lines, stand behind a backslash. All else is 0x and hex: programs say what
 * they like, and must not get at the terminal, nor pass numbers off as breaks. */
#ifndef MR_TOOLS_BYTES_H
#define MR_TOOLS_BYTES_H

#include <stdio.h>

#include "base/bytes.h"

/* mr_bytes_print fits a line: it cuts, and says how many bytes there are. */
typedef struct mr_bytes_text {
    char text[168];
} mr_bytes_text;
mr_bytes_text mr_bytes_print(mr_span bytes);

/* mr_bytes_write writes them, cut when they would take more than `room` characters. */
void mr_bytes_write(FILE *out, mr_span bytes, size_t room);

/* mr_bytes_begin returns at most `size` bytes from the beginning, and no half of a character. */
mr_span mr_bytes_begin(mr_span bytes, size_t size);

#endif
