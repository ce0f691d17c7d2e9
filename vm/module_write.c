/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/module_write.h"

#include "vm/module_ops.h"

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

void mr_write_instr(mr_writer *writer, const mr_module *module, const mr_instr *instr)
{
    mr_write_byte(writer, instr->op);
    switch (mr_op_table[instr->op].form) {
    case MR_FORM_BLOCK:
        mr_write_byte(writer, (uint8_t)instr->a);
        break;
    case MR_FORM_TABLE:
        mr_write_u32(writer, (uint32_t)instr->b);
        for (uint64_t i = 0; i <= instr->b; i++)
            mr_write_u32(writer, module->targets[instr->a + i]);
        break;
    case MR_FORM_TYPE:
        mr_write_u32(writer, instr->a);
        mr_write_byte(writer, 0);
        break;
    case MR_FORM_CALL:
    case MR_FORM_LABEL:
    case MR_FORM_LOCAL:
    case MR_FORM_GLOBAL:
        mr_write_u32(writer, instr->a);
        break;
    case MR_FORM_MEMORY:
        mr_write_u32(writer, (uint32_t)instr->b);
        mr_write_u32(writer, instr->a);
        break;
    case MR_FORM_ZERO:
        mr_write_byte(writer, 0);
        break;
    case MR_FORM_I32:
        mr_write_s32(writer, (uint32_t)instr->b);
        break;
    case MR_FORM_I64:
        mr_write_s64(writer, instr->b);
        break;
    }
}
