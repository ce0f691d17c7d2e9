/* SPDX-License-Identifier: Apache-2.0 */
/* module_ops: the instructions of WebAssembly 1.0 and sign extension, as one table. Private to vm.
 *
 * Instructions with floats are in the table so that a refusal can name them. */
#ifndef MR_VM_MODULE_OPS_H
#define MR_VM_MODULE_OPS_H

#include <stdbool.h>
#include <stdint.h>

enum mr_op {
    MR_OP_UNREACHABLE = 0x00,
    MR_OP_NOP = 0x01,
    MR_OP_BLOCK = 0x02,
    MR_OP_LOOP = 0x03,
    MR_OP_IF = 0x04,
    MR_OP_ELSE = 0x05,
    MR_OP_END = 0x0b,
    MR_OP_BR = 0x0c,
    MR_OP_BR_IF = 0x0d,
    MR_OP_BR_TABLE = 0x0e,
    MR_OP_RETURN = 0x0f,
    MR_OP_CALL = 0x10,
    MR_OP_CALL_INDIRECT = 0x11,
    MR_OP_DROP = 0x1a,
    MR_OP_SELECT = 0x1b,
    MR_OP_LOCAL_GET = 0x20,
    MR_OP_LOCAL_SET = 0x21,
    MR_OP_LOCAL_TEE = 0x22,
    MR_OP_GLOBAL_GET = 0x23,
    MR_OP_GLOBAL_SET = 0x24,
    MR_OP_I32_LOAD = 0x28,
    MR_OP_I64_LOAD = 0x29,
    MR_OP_I32_STORE = 0x36,
    MR_OP_I64_STORE = 0x37,
    MR_OP_I32_STORE8 = 0x3a,
    MR_OP_I32_STORE16 = 0x3b,
    MR_OP_I64_STORE8 = 0x3c,
    MR_OP_I64_STORE16 = 0x3d,
    MR_OP_I64_STORE32 = 0x3e,
    MR_OP_MEMORY_SIZE = 0x3f,
    MR_OP_MEMORY_GROW = 0x40,
    MR_OP_I32_CONST = 0x41,
    MR_OP_I64_CONST = 0x42,
    MR_OP_I32_GT_U = 0x4b,
    MR_OP_I64_LT_S = 0x53,
    MR_OP_I32_ADD = 0x6a,
    MR_OP_I32_SUB = 0x6b,
    MR_OP_I32_DIV_S = 0x6d,
    MR_OP_I32_REM_U = 0x70,
    MR_OP_I32_SHR_U = 0x76,
    MR_OP_I64_SUB = 0x7d,
    MR_OP_I64_DIV_S = 0x7f,
    MR_OP_I64_REM_U = 0x82,
};

/* What follows the opcode. */
enum mr_op_form {
    MR_FORM_NONE = 0, /* an opcode that does not exist */
    MR_FORM_PLAIN,
    MR_FORM_BLOCK,  /* block type */
    MR_FORM_LABEL,  /* label depth */
    MR_FORM_TABLE,  /* label depths, default last */
    MR_FORM_CALL,   /* function */
    MR_FORM_TYPE,   /* type, table */
    MR_FORM_LOCAL,  /* local */
    MR_FORM_GLOBAL, /* global */
    MR_FORM_MEMORY, /* alignment, offset */
    MR_FORM_ZERO,   /* memory number, 0 */
    MR_FORM_I32,
    MR_FORM_I64,
    MR_FORM_FLOAT, /* refused */
};

typedef struct mr_op_info {
    uint8_t form;        /* enum mr_op_form */
    int8_t pops;         /* operands; -1 when it depends on types */
    int8_t pushes;       /* results, 0 or 1; unspecified when pops is -1 */
    uint8_t store_bytes; /* width of a store, else 0 */
    const char *name;
} mr_op_info;

extern const mr_op_info mr_op_table[256];

/* mr_op_is_charged tells whether executing `op` costs gas. */
static inline bool mr_op_is_charged(uint8_t op)
{
    switch (op) {
    case MR_OP_NOP:
    case MR_OP_BLOCK:
    case MR_OP_LOOP:
    case MR_OP_ELSE:
    case MR_OP_END:
    case MR_OP_DROP:
        return false;
    default:
        return true;
    }
}

/* mr_op_ends_path tells whether nothing after `op` in its block is reached from it. */
static inline bool mr_op_ends_path(uint8_t op)
{
    return op == MR_OP_UNREACHABLE || op == MR_OP_BR || op == MR_OP_BR_TABLE || op == MR_OP_RETURN;
}

#endif
