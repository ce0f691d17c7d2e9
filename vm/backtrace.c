/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/backtrace.h"

#include <inttypes.h>
#include <stdio.h>

const char *mr_trap_text(mr_trap trap)
{
    switch (trap) {
#define MR_TRAP_CASE(name, text)                                                                   \
    case MR_TRAP_##name:                                                                           \
        return text;
        MR_TRAP_MAP(MR_TRAP_CASE)
#undef MR_TRAP_CASE
    }
    return "unknown trap";
}

static mr_status print(mr_buffer *out, const char *before, const char *text)
{
    MR_TRY(mr_buffer_append(out, mr_span_text(before)));
    MR_TRY(mr_buffer_append(out, mr_span_text(text)));
    return mr_buffer_append(out, mr_span_text("\n"));
}

mr_status mr_backtrace_print(const mr_backtrace *backtrace, const mr_code *code, mr_buffer *out)
{
    char text[MR_FUNCTION_TEXT_BYTES];
    MR_TRY(print(out, "", mr_trap_text(backtrace->trap)));
    for (uint32_t i = 0; i < backtrace->frames_count; i++)
        MR_TRY(print(out, "    in ", mr_code_function_text(code, backtrace->frames[i], text)));
    if (backtrace->left_out == 0)
        return MR_OK;
    (void)snprintf(text, sizeof text, "%" PRIu32 " more", backtrace->left_out);
    return print(out, "    and ", text);
}
