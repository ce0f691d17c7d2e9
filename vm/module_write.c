/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/module_write.h"

void mr_write_bytes(mr_writer *writer, mr_span bytes)
{
    if (!writer->failed && mr_buffer_append(&writer->buffer, bytes) != MR_OK)
        writer->failed = true;
}

void mr_write_byte(mr_writer *writer, uint8_t byte)
{
    mr_buffer *buffer = &writer->buffer;
    if (buffer->size < buffer->capacity)
        buffer->data[buffer->size++] = byte;
    else
        mr_write_bytes(writer, mr_span_of(&byte, 1));
}

void mr_write_u32(mr_writer *writer, uint32_t value)
{
    while (value >= 0x80) {
        mr_write_byte(writer, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    mr_write_byte(writer, (uint8_t)value);
}

void mr_write_s64(mr_writer *writer, uint64_t value)
{
    int64_t left = (int64_t)value;
    while (left < -0x40 || left >= 0x40) {
        mr_write_byte(writer, (uint8_t)(0x80 | (left & 0x7f)));
        left >>= 7;
    }
    mr_write_byte(writer, (uint8_t)(left & 0x7f));
}

void mr_write_s32(mr_writer *writer, uint32_t value)
{
    mr_write_s64(writer, (uint64_t)(int64_t)(int32_t)value);
}

void mr_write_span(mr_writer *writer, mr_span bytes)
{
    mr_write_u32(writer, (uint32_t)bytes.size);
    mr_write_bytes(writer, bytes);
}

void mr_write_text(mr_writer *writer, const char *text)
{
    mr_write_span(writer, mr_span_text(text));
}
