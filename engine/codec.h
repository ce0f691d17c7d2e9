/* SPDX-License-Identifier: Apache-2.0 */
/* codec: records as bytes. Integers are little endian, or LEB128 where small values prevail. A
 * writer that ran out of memory swallows what follows and says so at the end; a reader that ran out
 * of bytes yields zeros and says so at the end, so that callers check once. */
#ifndef MR_ENGINE_CODEC_H
#define MR_ENGINE_CODEC_H

#include "base/bytes.h"
#include "engine/millrace.h"

typedef struct mr_writer {
    mr_buffer *buffer; /* borrowed; appended to */
    bool failed;       /* memory ran out */
} mr_writer;

static inline void mr_write_bytes(mr_writer *writer, const void *bytes, size_t size)
{
    if (mr_buffer_append(writer->buffer, mr_span_of(bytes, size)) != MR_OK)
        writer->failed = true;
}

static inline void mr_write_u8(mr_writer *writer, uint8_t value)
{
    mr_write_bytes(writer, &value, 1);
}

static inline void mr_write_u32(mr_writer *writer, uint32_t value)
{
    mr_write_bytes(writer, &value, 4);
}

static inline void mr_write_u64(mr_writer *writer, uint64_t value)
{
    mr_write_bytes(writer, &value, 8);
}

static inline void mr_write_value(mr_writer *writer, mr_value value)
{
    mr_write_u64(writer, (uint64_t)value);
    mr_write_u64(writer, (uint64_t)(value >> 64));
}

static inline void mr_write_id(mr_writer *writer, const mr_id *id)
{
    mr_write_bytes(writer, id->bytes, sizeof id->bytes);
}

enum { MR_LEB_BYTES_MAX = 10 };

/* mr_put_leb writes to memory that has room, and returns the end of what it wrote. */
static inline uint8_t *mr_put_leb(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static inline void mr_write_leb(mr_writer *writer, uint64_t value)
{
    uint8_t bytes[MR_LEB_BYTES_MAX];
    mr_write_bytes(writer, bytes, (size_t)(mr_put_leb(bytes, value) - bytes));
}

/* mr_writer_room makes room for `size` more bytes and returns where they begin; mr_writer_fill ends
 * what was written there. NULL when memory runs out, or has run out before. */
static inline uint8_t *mr_writer_room(mr_writer *writer, size_t size)
{
    if (!writer->failed && mr_buffer_reserve(writer->buffer, size) != MR_OK)
        writer->failed = true;
    return writer->failed ? NULL : writer->buffer->data + writer->buffer->size;
}

static inline void mr_writer_fill(mr_writer *writer, const uint8_t *end)
{
    writer->buffer->size = (size_t)(end - writer->buffer->data);
}

static inline void mr_write_span(mr_writer *writer, mr_span span)
{
    mr_write_leb(writer, span.size);
    mr_write_bytes(writer, span.data, span.size);
}

typedef struct mr_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed; /* bytes ran out, or did not make sense */
} mr_reader;

static inline mr_reader mr_reader_of(mr_span span)
{
    return (mr_reader){.at = span.data, .end = span.data + span.size};
}

static inline mr_span mr_read_raw(mr_reader *reader, size_t size)
{
    if (reader->failed || size > (size_t)(reader->end - reader->at)) {
        reader->failed = true;
        return (mr_span){0};
    }
    mr_span span = mr_span_of(reader->at, size);
    reader->at += size;
    return span;
}

static inline void mr_read_bytes(mr_reader *reader, void *out, size_t size)
{
    mr_span span = mr_read_raw(reader, size);
    if (span.size == size && size > 0)
        memcpy(out, span.data, size);
    else
        memset(out, 0, size);
}

static inline uint8_t mr_read_u8(mr_reader *reader)
{
    uint8_t value;
    mr_read_bytes(reader, &value, 1);
    return value;
}

static inline uint32_t mr_read_u32(mr_reader *reader)
{
    uint32_t value;
    mr_read_bytes(reader, &value, 4);
    return value;
}

static inline uint64_t mr_read_u64(mr_reader *reader)
{
    uint64_t value;
    mr_read_bytes(reader, &value, 8);
    return value;
}

static inline mr_value mr_read_value(mr_reader *reader)
{
    mr_value low = mr_read_u64(reader);
    mr_value high = mr_read_u64(reader);
    return low | high << 64;
}

static inline mr_id mr_read_id(mr_reader *reader)
{
    mr_id id;
    mr_read_bytes(reader, id.bytes, sizeof id.bytes);
    return id;
}

static inline uint64_t mr_read_leb(mr_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = mr_read_u8(reader);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return value;
    }
    reader->failed = true;
    return 0;
}

static inline mr_span mr_read_span(mr_reader *reader)
{
    uint64_t size = mr_read_leb(reader);
    return mr_read_raw(reader, size);
}

/* mr_reader_done tells whether everything was read and made sense. */
static inline bool mr_reader_done(const mr_reader *reader)
{
    return !reader->failed && reader->at == reader->end;
}

#endif
