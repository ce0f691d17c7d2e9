/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tools/millrace/command.h"
#include "tools/millrace/number.h"
#include "tools/millrace/report.h"

json_t *mr_json_u64(uint64_t value)
{
    return value <= INT64_MAX ? json_integer((json_int_t)value) : mr_json_value(value);
}

json_t *mr_json_value(mr_value value)
{
    return json_string(mr_value_print(value).text);
}

json_t *mr_json_id(const mr_names *names, const mr_id *id)
{
    return json_string(mr_names_print(names, id).text);
}

json_t *mr_json_bytes(mr_span bytes)
{
    char *hex = malloc(2 * bytes.size + 1);
    if (hex == NULL)
        return NULL;
    mr_hex_print(bytes, hex);
    json_t *out = json_string(hex);
    free(hex);
    return out;
}

json_t *mr_json_text(mr_span text)
{
    json_t *out = json_stringn((const char *)text.data, text.size);
    return out != NULL ? out : json_null();
}

/* "o" takes a reference, and json_pack gives NULL when one of them is NULL. */
static json_t *receipt_object(const mr_names *names, const mr_receipt *receipt)
{
    /* clang-format off */
    return json_pack("{s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o}",
                     "message", mr_json_id(NULL, &receipt->message),
                     "from", mr_json_id(names, &receipt->source),
                     "to", mr_json_id(names, &receipt->program),
                     "kind", mr_kind_name(receipt->kind),
                     "outcome", mr_outcome_name(receipt->outcome),
                     "gas_limit", mr_json_u64(receipt->gas_limit),
                     "gas_burned", mr_json_u64(receipt->gas_burned),
                     "sent", mr_json_u64(receipt->sent),
                     "text", mr_json_text(receipt->text));
    /* clang-format on */
}

static json_t *message_object(const mr_names *names, const mr_user_message *message)
{
    /* clang-format off */
    json_t *object = json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:o}",
                               "id", mr_json_id(NULL, &message->id),
                               "from", mr_json_id(names, &message->from),
                               "to", mr_json_id(names, &message->to),
                               "kind", message->is_reply ? "reply" : "send",
                               "value", mr_json_value(message->value),
                               "payload", mr_json_bytes(message->payload),
                               "text", mr_json_text(message->payload));
    /* clang-format on */
    if (object != NULL && message->is_reply) {
        json_t *code = mr_json_bytes(mr_span_of(message->code, sizeof message->code));
        if (json_object_set_new(object, "code", code) != 0 ||
            json_object_set_new(object, "reply_to", mr_json_id(NULL, &message->reply_to)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *receipts_array(const mr_block_view *view)
{
    json_t *array = json_array();
    mr_receipt receipt;
    for (uint64_t i = 0; array != NULL && mr_view_receipt(view, i, &receipt); i++)
        if (json_array_append_new(array, receipt_object(view->names, &receipt)) != 0) {
            json_decref(array);
            array = NULL;
        }
    return array;
}

static json_t *messages_array(const mr_block_view *view)
{
    json_t *array = json_array();
    mr_user_message message;
    for (uint64_t i = 0; array != NULL && mr_view_user_message(view, i, &message); i++)
        if (json_array_append_new(array, message_object(view->names, &message)) != 0) {
            json_decref(array);
            array = NULL;
        }
    return array;
}

json_t *mr_json_block(const mr_block_view *view)
{
    const mr_block_info *info = &view->info;
    /* clang-format off */
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "height", mr_json_u64(info->height),
                     "root", mr_json_id(NULL, &info->root),
                     "gas_burned", mr_json_u64(info->gas_burned),
                     "rounds", mr_json_u64(info->rounds),
                     "queue", mr_json_u64(info->queue_count),
                     "transactions", mr_json_u64(info->transactions_count),
                     "refused", mr_json_u64(info->transactions_count -
                                            info->transactions_accepted),
                     "receipts", receipts_array(view),
                     "messages", messages_array(view));
    /* clang-format on */
}

mr_status mr_json_print(json_t *object, mr_error *error)
{
    if (object == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory printing JSON");
    int failed = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(object);
    if (failed == 0)
        (void)fputc('\n', stdout);
    return mr_stdout_flush(error);
}
