/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/module.h"

static mr_status cut_short(mr_reader *reader, const char *what)
{
    return MR_FAIL(reader->error, MR_MODULE, "the module is cut short at byte %zu, in %s",
                   mr_reader_offset(reader), what);
}

mr_status mr_read_byte(mr_reader *reader, const char *what, uint8_t *out)
{
    if (reader->at == reader->end)
        return cut_short(reader, what);
    *out = *reader->at++;
    return MR_OK;
}

/* LEB128 of `bits` bits. Padding up to the longest form is allowed, bits beyond `bits` are not. */
static mr_status read_leb(mr_reader *reader, const char *what, unsigned bits, bool is_signed,
                          uint64_t *out)
{
    uint64_t value = 0;
    unsigned shift = 0;
    for (;;) {
        uint8_t byte = 0;
        MR_TRY(mr_read_byte(reader, what, &byte));
        value |= (uint64_t)(byte & 0x7f) << shift;
        unsigned used = bits - shift; /* bits of this byte that count */
        if (used < 7) {
            uint8_t spare = (uint8_t)((byte & 0x7f) >> (is_signed ? used - 1 : used));
            uint8_t ones = (uint8_t)(0x7f >> (is_signed ? used - 1 : used));
            if ((byte & 0x80) != 0 || (spare != 0 && !(is_signed && spare == ones)))
                return MR_FAIL(reader->error, MR_MODULE, "%s at byte %zu is too large a number",
                               what, mr_reader_offset(reader) - 1);
        }
        shift += 7;
        if ((byte & 0x80) == 0) {
            if (is_signed && shift < 64 && (byte & 0x40) != 0)
                value |= ~(uint64_t)0 << shift;
            break;
        }
    }
    *out = value;
    return MR_OK;
}

mr_status mr_read_u32(mr_reader *reader, const char *what, uint32_t *out)
{
    uint64_t value = 0;
    MR_TRY(read_leb(reader, what, 32, false, &value));
    *out = (uint32_t)value;
    return MR_OK;
}

mr_status mr_read_s32(mr_reader *reader, const char *what, uint32_t *out)
{
    uint64_t value = 0;
    MR_TRY(read_leb(reader, what, 32, true, &value));
    *out = (uint32_t)value;
    return MR_OK;
}

mr_status mr_read_s64(mr_reader *reader, const char *what, uint64_t *out)
{
    return read_leb(reader, what, 64, true, out);
}

mr_status mr_read_span(mr_reader *reader, const char *what, mr_span *out)
{
    uint32_t size = 0;
    MR_TRY(mr_read_u32(reader, what, &size));
    if (size > mr_reader_left(reader))
        return cut_short(reader, what);
    *out = mr_span_of(reader->at, size);
    reader->at += size;
    return MR_OK;
}

mr_status mr_read_count(mr_reader *reader, const char *what, size_t item_bytes, uint32_t *out)
{
    MR_TRY(mr_read_u32(reader, what, out));
    if (*out > mr_reader_left(reader) / item_bytes)
        return MR_FAIL(reader->error, MR_MODULE, "%s at byte %zu claims %u, more than can follow",
                       what, mr_reader_offset(reader), *out);
    return MR_OK;
}

mr_status mr_read_type(mr_reader *reader, const char *what, uint8_t *out)
{
    MR_TRY(mr_read_byte(reader, what, out));
    const char *refused = "an unknown type";
    switch (*out) {
    case MR_TYPE_I32:
    case MR_TYPE_I64:
        return MR_OK;
    case 0x7d:
    case 0x7c:
        refused = "a float";
        break;
    case 0x7b:
        refused = "a vector";
        break;
    case 0x70:
    case 0x6f:
        refused = "a reference";
        break;
    }
    return MR_FAIL(reader->error, MR_MODULE, "%s at byte %zu is %s: only i32 and i64 are allowed",
                   what, mr_reader_offset(reader) - 1, refused);
}
