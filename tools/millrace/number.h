/* SPDX-License-Identifier: Apache-2.0 */
/* number: decimal and hexadecimal texts of up to 128 bits, and bytes as hex. */
#ifndef MR_TOOLS_NUMBER_H
#define MR_TOOLS_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "engine/millrace.h"

/* A number as read: its distance from 0, and on which side. */
typedef struct mr_number {
    mr_value magnitude;
    bool negative;
} mr_number;

/* mr_number_scan reads "-12", "1_000_000" or "0xff" and nothing around it. Minus zero is zero.
 * Errors: MR_INVALID not a number; MR_LIMIT it has more than 128 bits. */
mr_status mr_number_scan(const char *text, size_t text_bytes, mr_number *out);

/* mr_number_scan_u64 reads an unsigned one from `text` that lies in [min, max]. */
bool mr_number_scan_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* A value in decimal. */
typedef struct mr_value_text {
    char text[40];
} mr_value_text;
mr_value_text mr_value_print(mr_value value);

/* mr_hex_print writes 2 digits a byte and a NUL. */
void mr_hex_print(mr_span bytes, char *out);

/* mr_hex_scan reads strlen(text) / 2 bytes. False for an odd number of digits or other letters. */
bool mr_hex_scan(const char *text, uint8_t *out);

#endif
