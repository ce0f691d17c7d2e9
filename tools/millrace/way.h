/* SPDX-License-Identifier: Apache-2.0 */
/* way: lines that lead somewhere, as several messages may share them. The middle of a long one is
 * left out, and counted. */
#ifndef MR_TOOLS_WAY_H
#define MR_TOOLS_WAY_H

#include "base/bytes.h"

enum { MR_WAY_HALF = 12 /* lines kept of either end */ };

/* All zero is an empty one in the caller's memory. */
typedef struct mr_way {
    uint32_t users; /* of one on the heap */
    uint32_t first_count, last_count;
    uint64_t left_out;     /* lines, between the two ends */
    mr_buffer first, last; /* lines, each ended */
} mr_way;

void mr_way_fini(mr_way *way);

/* mr_way_put ends one use of a way on the heap, and with the last the way. It may be NULL. */
void mr_way_put(mr_way *way);

/* mr_way_add_line appends a line, which is ended; mr_way_add all of another way, which may be NULL;
 * mr_way_print the lines to `out`, with one more where some are left out. Errors: MR_NO_MEMORY. */
mr_status mr_way_add_line(mr_way *way, mr_span line);
mr_status mr_way_add(mr_way *way, const mr_way *from);
mr_status mr_way_print(const mr_way *way, mr_buffer *out);

#endif
