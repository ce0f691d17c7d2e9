/* SPDX-License-Identifier: Apache-2.0 */
/* module_write: the binary format, written. Numbers take their shortest form. Private to vm. */
#ifndef MR_VM_MODULE_WRITE_H
#define MR_VM_MODULE_WRITE_H

#include "vm/module.h"

/* Bytes being written. The first failure sticks, so that writers need no checks. */
typedef struct mr_writer {
    mr_buffer buffer;
    bool failed;
} mr_writer;

void mr_write_byte(mr_writer *writer, uint8_t byte);
void mr_write_bytes(mr_writer *writer, mr_span bytes);
void mr_write_u32(mr_writer *writer, uint32_t value);
void mr_write_s32(mr_writer *writer, uint32_t value);
void mr_write_s64(mr_writer *writer, uint64_t value);
void mr_write_span(mr_writer *writer, mr_span bytes);    /* with its size in front */
void mr_write_text(mr_writer *writer, const char *text); /* likewise */

/* mr_write_instr writes an instruction of `module` as it was read. */
void mr_write_instr(mr_writer *writer, const mr_module *module, const mr_instr *instr);

#endif
