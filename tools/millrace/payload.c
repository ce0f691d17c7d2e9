/* SPDX-License-Identifier: Apache-2.0 */
/* payload: bytes written as text, hex, integers, ids, or a list of these. */
#include <string.h>

#include "tools/millrace/number.h"
#include "tools/millrace/reader.h"

#define FORMS "text hex u8 i8 u16 i16 u32 i32 u64 i64 u128 i128 id"

static mr_status make_room(mr_reader *reader, const mr_tree *node, size_t size, mr_buffer *out)
{
    if (size > MR_SCENARIO_PAYLOAD_BYTES_MAX - out->size)
        return MR_READER_FAIL(reader, node, "the payload has more than %d bytes",
                              MR_SCENARIO_PAYLOAD_BYTES_MAX);
    return mr_buffer_reserve(out, size) == MR_OK ? MR_OK : mr_reader_no_memory(reader);
}

static mr_status append(mr_reader *reader, const mr_tree *node, const void *data, size_t size,
                        mr_buffer *out)
{
    MR_TRY(make_room(reader, node, size, out));
    return mr_buffer_append(out, mr_span_of(data, size));
}

static mr_status read_hex(mr_reader *reader, const mr_tree *node, mr_buffer *out)
{
    const char *text = node->text;
    size_t size = node->text_bytes;
    if (size >= 2 && memcmp(text, "0x", 2) == 0) {
        text += 2;
        size -= 2;
    }
    if (size % 2 != 0)
        return MR_READER_FAIL(reader, node, "hex has an odd number of digits: %s",
                              mr_tree_quote(node).text);
    MR_TRY(make_room(reader, node, size / 2, out));
    if (strlen(text) != size || !mr_hex_scan(text, out->data + out->size))
        return MR_READER_FAIL(reader, node, "hex holds something else than hex digits: %s",
                              mr_tree_quote(node).text);
    out->size += size / 2;
    return MR_OK;
}

/* `form` is a letter, u or i, and the number of bits. */
static mr_status read_integer(mr_reader *reader, const mr_tree *node, const char *form,
                              mr_buffer *out)
{
    unsigned bits = 0;
    for (const char *c = form + 1; *c != '\0'; c++)
        bits = bits * 10 + (unsigned)(*c - '0');
    mr_number number = {0};
    mr_status status = mr_number_scan(node->text, node->text_bytes, &number);
    if (status == MR_INVALID)
        return MR_READER_FAIL(reader, node, "%s must be a whole number, not %s", form,
                              mr_tree_quote(node).text);
    mr_value max = (mr_value)-1 >> (128 - bits);
    bool fits = form[0] == 'u'    ? !number.negative && number.magnitude <= max
                : number.negative ? number.magnitude <= max / 2 + 1
                                  : number.magnitude <= max / 2;
    if (status != MR_OK || !fits)
        return MR_READER_FAIL(reader, node, "%s does not fit %s", mr_tree_quote(node).text, form);
    mr_value value = number.negative ? -number.magnitude : number.magnitude;
    return append(reader, node, &value, bits / 8, out);
}

static mr_status read_form(mr_reader *reader, const mr_tree *node, mr_buffer *out)
{
    MR_TRY(mr_reader_keys(reader, node, "a payload", FORMS));
    if (node->items_count != 2)
        return MR_READER_FAIL(reader, node,
                              "a payload has one key of %s; for several in a row "
                              "write a list",
                              FORMS);
    const char *form = node->items[0]->text;
    const mr_tree *value = node->items[1];
    if (value->kind != MR_TREE_SCALAR)
        return MR_READER_FAIL(reader, value, "%s must be a value, not %s", form,
                              mr_tree_kind_name(value->kind));
    if (strcmp(form, "text") == 0)
        return append(reader, value, value->text, value->text_bytes, out);
    if (strcmp(form, "hex") == 0)
        return read_hex(reader, value, out);
    if (strcmp(form, "id") == 0) {
        mr_id id;
        MR_TRY(mr_reader_any(reader, value, "id", &id));
        return append(reader, value, id.bytes, sizeof id.bytes, out);
    }
    return read_integer(reader, value, form, out);
}

/* Lists in lists are as deep as the tree allows. */
static mr_status read_parts(mr_reader *reader, const mr_tree *node, mr_buffer *out)
{
    if (node->kind != MR_TREE_LIST)
        return read_form(reader, node, out);
    for (size_t i = 0; i < node->items_count; i++)
        MR_TRY(read_parts(reader, node->items[i], out));
    return MR_OK;
}

mr_status mr_payload_read(mr_reader *reader, const mr_tree *node, mr_span *out)
{
    if (node == NULL)
        return MR_OK;
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer bytes = {0};
    MR_TRY(read_parts(reader, node, &bytes));
    MR_TRY(mr_reader_count(reader, node, bytes.size));
    const uint8_t *copy;
    MR_TRY(mr_reader_keep(reader, &bytes, &copy));
    *out = mr_span_of(copy, bytes.size);
    return MR_OK;
}
