/* SPDX-License-Identifier: Apache-2.0 */
/* report: receipts, messages and blocks, for people and as JSON.
 *
 * In JSON an id is "0x" and 64 digits unless a name is known for it; value is a decimal string,
 * because it may have 128 bits; gas is a number, or a decimal string from 2^63 on. */
#ifndef MR_TOOLS_REPORT_H
#define MR_TOOLS_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "engine/millrace.h"
#include "tools/millrace/bytes.h"
#include "tools/millrace/names.h"

/* "1,234,567" */
typedef struct mr_count_text {
    char text[28];
} mr_count_text;
mr_count_text mr_count_print(uint64_t count);

/* mr_plural returns the ending of a noun that is counted: "" for one, else "s". */
static inline const char *mr_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* Where the receipts and messages of a block come from: a candidate or a stored one. */
typedef struct mr_block_view {
    mr_block_info info;
    const mr_block *block; /* one of these two */
    const mr_stored_block *stored;
    const mr_names *names; /* may be NULL */
} mr_block_view;

bool mr_view_receipt(const mr_block_view *view, uint64_t i, mr_receipt *out);
bool mr_view_user_message(const mr_block_view *view, uint64_t i, mr_user_message *out);

/* mr_report_head prints what there is to say of the block as a whole; mr_report_lists at most
 * `lines_max` of its receipts and as many of its messages. */
void mr_report_head(FILE *out, const mr_block_view *view, const char *note);
void mr_report_lists(FILE *out, const mr_block_view *view, uint64_t lines_max);

/* mr_json_block returns both, of all receipts and messages, as an object with height, root,
 * gas_burned, rounds, queue, transactions, refused, receipts, messages. NULL when out of memory. */
json_t *mr_json_block(const mr_block_view *view);

json_t *mr_json_u64(uint64_t value);
json_t *mr_json_value(mr_value value);
json_t *mr_json_id(const mr_names *names, const mr_id *id);
json_t *mr_json_bytes(mr_span bytes); /* hex digits without "0x" */
json_t *mr_json_text(mr_span text);   /* null unless it is UTF-8 */

/* mr_json_print writes the object and a newline to standard output; takes `object`.
 * Errors: MR_NO_MEMORY when it is NULL; MR_IO. */
mr_status mr_json_print(json_t *object, mr_error *error);

#endif
