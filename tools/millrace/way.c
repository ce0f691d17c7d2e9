/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/way.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mr_way_fini(mr_way *w)
{
    mr_buffer_fini(&w->first);
    mr_buffer_fini(&w->last);
}

void mr_way_put(mr_way *w)
{
    if (w == NULL || --w->users > 0)
        return;
    mr_way_fini(w);
    free(w);
}

mr_status mr_way_add_line(mr_way *w, mr_span line)
{
    if (w->first_count < MR_WAY_HALF) {
        w->first_count++;
        return mr_buffer_append(&w->first, line);
    }
    if (w->last_count < MR_WAY_HALF) {
        w->last_count++;
        return mr_buffer_append(&w->last, line);
    }
    const uint8_t *end = memchr(w->last.data, '\n', w->last.size);
    const size_t oldest = (size_t)(end - w->last.data) + 1;
    memmove(w->last.data, w->last.data + oldest, w->last.size - oldest);
    w->last.size -= oldest;
    w->left_out++;
    return mr_buffer_append(&w->last, line);
}

static mr_status add_lines(mr_way *w, mr_span lines)
{
    while (lines.size > 0) {
        const uint8_t *end = memchr(lines.data, '\n', lines.size);
        const size_t size = (size_t)(end - lines.data) + 1;
        MR_TRY(mr_way_add_line(w, mr_span_of(lines.data, size)));
        lines = mr_span_of(lines.data + size, lines.size - size);
    }
    return MR_OK;
}

/* Where lines are left out, MR_WAY_HALF others have come before and MR_WAY_HALF will come after. */
mr_status mr_way_add(mr_way *w, const mr_way *from)
{
    if (from == NULL)
        return MR_OK;
    MR_TRY(add_lines(w, mr_buffer_span(&from->first)));
    w->left_out += from->left_out;
    return add_lines(w, mr_buffer_span(&from->last));
}

mr_status mr_way_print(const mr_way *w, mr_buffer *out)
{
    MR_TRY(mr_buffer_append(out, mr_buffer_span(&w->first)));
    if (w->left_out > 0) {
        char text[48];
        (void)snprintf(text, sizeof text, "... %" PRIu64 " more\n", w->left_out);
        MR_TRY(mr_buffer_append(out, mr_span_text(text)));
    }
    return mr_buffer_append(out, mr_buffer_span(&w->last));
}
