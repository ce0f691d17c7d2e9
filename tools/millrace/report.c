/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/report.h"

#include <string.h>

#include "tools/millrace/number.h"

mr_count_text mr_count_print(uint64_t count)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    mr_count_text out;
    size_t at = 0;
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            out.text[at++] = ',';
        out.text[at++] = digits[i];
    }
    out.text[at] = '\0';
    return out;
}

bool mr_view_receipt(const mr_block_view *view, uint64_t i, mr_receipt *out)
{
    return view->block != NULL ? mr_block_receipt(view->block, i, out)
                               : mr_stored_block_receipt(view->stored, i, out);
}

bool mr_view_user_message(const mr_block_view *view, uint64_t i, mr_user_message *out)
{
    return view->block != NULL ? mr_block_user_message(view->block, i, out)
                               : mr_stored_block_user_message(view->stored, i, out);
}

static void print_receipts(FILE *out, const mr_block_view *view, uint64_t lines_max)
{
    mr_receipt receipt;
    for (uint64_t i = 0; i < lines_max && mr_view_receipt(view, i, &receipt); i++) {
        (void)fprintf(out, "  %-6s %s -> %s: %s, gas %s", mr_kind_name(receipt.kind),
                      mr_names_print(view->names, &receipt.source).text,
                      mr_names_print(view->names, &receipt.program).text,
                      mr_outcome_name(receipt.outcome), mr_count_print(receipt.gas_burned).text);
        if (receipt.sent > 0)
            (void)fprintf(out, ", sent %u", receipt.sent);
        if (receipt.text.size > 0)
            (void)fprintf(out, ", %s", mr_bytes_print(receipt.text).text);
        (void)fputc('\n', out);
    }
    if (view->info.receipts_count > lines_max)
        (void)fprintf(out, "  ... and %s more receipt%s\n",
                      mr_count_print(view->info.receipts_count - lines_max).text,
                      mr_plural(view->info.receipts_count - lines_max));
}

static void print_messages(FILE *out, const mr_block_view *view, uint64_t lines_max)
{
    mr_user_message message;
    for (uint64_t i = 0; i < lines_max && mr_view_user_message(view, i, &message); i++) {
        (void)fprintf(out, "  %s to %s: %s", mr_names_print(view->names, &message.from).text,
                      mr_names_print(view->names, &message.to).text,
                      mr_bytes_print(message.payload).text);
        if (message.is_reply) {
            char code[9];
            mr_hex_print(mr_span_of(message.code, sizeof message.code), code);
            (void)fprintf(out, ", reply %s", code);
        }
        if (message.value > 0)
            (void)fprintf(out, ", value %s", mr_value_print(message.value).text);
        (void)fputc('\n', out);
    }
    if (view->info.user_messages_count > lines_max)
        (void)fprintf(out, "  ... and %s more message%s to users\n",
                      mr_count_print(view->info.user_messages_count - lines_max).text,
                      mr_plural(view->info.user_messages_count - lines_max));
}

void mr_report_head(FILE *out, const mr_block_view *view, const char *note)
{
    const mr_block_info *info = &view->info;
    (void)fprintf(out, "block %llu%s%s%s: %s message%s run, gas %s, %s left in the queue\n",
                  (unsigned long long)info->height, note[0] != '\0' ? " (" : "", note,
                  note[0] != '\0' ? ")" : "", mr_count_print(info->receipts_count).text,
                  mr_plural(info->receipts_count), mr_count_print(info->gas_burned).text,
                  mr_count_print(info->queue_count).text);
    (void)fprintf(out, "  root %s\n", mr_id_print(&info->root).text);
}

void mr_report_lists(FILE *out, const mr_block_view *view, uint64_t lines_max)
{
    print_receipts(out, view, lines_max);
    print_messages(out, view, lines_max);
}
