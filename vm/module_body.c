/* SPDX-License-Identifier: Apache-2.0 */
/* Function bodies: locals and instructions, decoded without recursion. */
#include "vm/module.h"

#include <inttypes.h>

#include "vm/module_ops.h"

typedef struct body_reader {
    mr_reader *reader;
    mr_module *module;
    const mr_module_rules *rules;
    uint32_t index; /* of the function, imports counted */
    mr_function *function;
    uint32_t depth; /* of module->open */
} body_reader;

/* Starts a message with where the trouble is. */
static mr_status in_function(const body_reader *body, mr_status status)
{
    char where[MR_WHERE_BYTES];
    if (status == MR_OK)
        return status;
    return mr_error_prefix(body->reader->error, status,
                           "%s: ", mr_module_where(body->module, body->index, where));
}

static mr_status read_locals(body_reader *body)
{
    mr_function *function = body->function;
    MR_TRY(mr_read_count(body->reader, "the number of local runs", 2, &function->runs_count));
    mr_local_run *runs = mr_module_alloc(body->module, function->runs_count, sizeof *runs);
    if (runs == NULL)
        return MR_FAIL(body->reader->error, MR_NO_MEMORY, "out of memory for a module");
    uint64_t total = 0;
    for (uint32_t i = 0; i < function->runs_count; i++) {
        MR_TRY(mr_read_u32(body->reader, "a run of locals", &runs[i].count));
        MR_TRY(mr_read_type(body->reader, "a local", &runs[i].type));
        total += runs[i].count;
        if (total > body->rules->locals_max)
            return MR_FAIL(body->reader->error, MR_MODULE,
                           "%" PRIu64 " locals and more, more than the limit of %u", total,
                           body->rules->locals_max);
    }
    function->runs = runs;
    function->locals_count = (uint32_t)total;
    return MR_OK;
}

static mr_status refuse_op(const body_reader *body, uint8_t op)
{
    const char *what = "is unknown";
    size_t offset = mr_reader_offset(body->reader) - 1;
    switch (op) {
    case 0x12:
    case 0x13:
        what = "is a tail call, which is not allowed";
        break;
    case 0x1c:
    case 0x25:
    case 0x26:
    case 0xd0:
    case 0xd1:
    case 0xd2:
        what = "belongs to reference types, which are not allowed";
        break;
    case 0x06:
    case 0x07:
    case 0x08:
    case 0x09:
    case 0x18:
    case 0x19:
        what = "belongs to exceptions, which are not allowed";
        break;
    case 0xfc:
        what = "belongs to bulk memory or saturating conversions, which are not allowed: compile "
               "with -mcpu=mvp";
        break;
    case 0xfd:
        what = "belongs to SIMD, which is not allowed: compile with -mcpu=mvp";
        break;
    case 0xfe:
        what = "belongs to threads, which are not allowed";
        break;
    }
    return MR_FAIL(body->reader->error, MR_MODULE, "instruction 0x%02x at byte %zu %s", op, offset,
                   what);
}

static mr_status read_block_type(mr_reader *reader, mr_instr *instr)
{
    uint8_t type = 0;
    if (mr_reader_left(reader) > 0 && *reader->at == MR_TYPE_NONE) {
        reader->at++;
        type = MR_TYPE_NONE;
    } else {
        MR_TRY(mr_read_type(reader, "a block type", &type));
    }
    instr->a = type;
    return MR_OK;
}

static mr_status read_br_table(body_reader *body, mr_instr *instr)
{
    mr_module *module = body->module;
    uint32_t count = 0;
    MR_TRY(mr_read_count(body->reader, "the number of br_table targets", 1, &count));
    if (count > body->rules->br_table_targets_max)
        return MR_FAIL(body->reader->error, MR_MODULE,
                       "br_table at byte %zu has %u targets, more than the limit of %u",
                       mr_reader_offset(body->reader), count, body->rules->br_table_targets_max);
    instr->a = module->targets_count;
    instr->b = count;
    for (uint32_t i = 0; i <= count; i++) {
        uint32_t *target = &module->targets[module->targets_count++];
        MR_TRY(mr_read_u32(body->reader, "a br_table target", target));
        if (*target > body->depth)
            return MR_FAIL(body->reader->error, MR_MODULE,
                           "br_table at byte %zu leaves more blocks than there are",
                           mr_reader_offset(body->reader));
    }
    return MR_OK;
}

static mr_status read_index(body_reader *body, mr_instr *instr, uint32_t limit)
{
    MR_TRY(mr_read_u32(body->reader, mr_op_table[instr->op].name, &instr->a));
    if (instr->a >= limit)
        return MR_FAIL(body->reader->error, MR_MODULE, "%s at byte %zu names %u of %u",
                       mr_op_table[instr->op].name, mr_reader_offset(body->reader), instr->a,
                       limit);
    return MR_OK;
}

static mr_status read_zero(body_reader *body, mr_instr *instr)
{
    uint8_t zero = 0;
    MR_TRY(mr_read_byte(body->reader, mr_op_table[instr->op].name, &zero));
    if (zero != 0)
        return MR_FAIL(body->reader->error, MR_MODULE,
                       "%s at byte %zu is of a second table or memory", mr_op_table[instr->op].name,
                       mr_reader_offset(body->reader) - 1);
    return MR_OK;
}

static mr_status read_immediates(body_reader *body, mr_instr *instr)
{
    mr_module *module = body->module;
    mr_reader *reader = body->reader;
    const char *name = mr_op_table[instr->op].name;
    switch (mr_op_table[instr->op].form) {
    case MR_FORM_PLAIN:
        return MR_OK;
    case MR_FORM_BLOCK:
        return read_block_type(reader, instr);
    case MR_FORM_LABEL:
        return read_index(body, instr, body->depth + 1);
    case MR_FORM_TABLE:
        return read_br_table(body, instr);
    case MR_FORM_CALL:
        return read_index(body, instr, module->imports_count + module->functions_count);
    case MR_FORM_TYPE:
        MR_TRY(read_index(body, instr, module->types_count));
        return read_zero(body, instr);
    case MR_FORM_LOCAL:
        return read_index(body, instr,
                          module->types[body->function->type].params_count +
                              body->function->locals_count);
    case MR_FORM_GLOBAL:
        return read_index(body, instr, module->globals_count);
    case MR_FORM_MEMORY: {
        uint32_t align = 0;
        MR_TRY(mr_read_u32(reader, name, &align));
        if (align > 3)
            return MR_FAIL(reader->error, MR_MODULE, "%s at byte %zu has malformed alignment", name,
                           mr_reader_offset(reader));
        instr->b = align;
        return mr_read_u32(reader, name, &instr->a);
    }
    case MR_FORM_ZERO:
        if (instr->op == MR_OP_MEMORY_GROW)
            return MR_FAIL(reader->error, MR_MODULE,
                           "memory.grow at byte %zu is not allowed: call alloc instead",
                           mr_reader_offset(reader) - 1);
        return read_zero(body, instr);
    case MR_FORM_I32: {
        uint32_t value = 0;
        MR_TRY(mr_read_s32(reader, name, &value));
        instr->b = value;
        return MR_OK;
    }
    case MR_FORM_I64:
        return mr_read_s64(reader, name, &instr->b);
    case MR_FORM_FLOAT:
        return MR_FAIL(reader->error, MR_MODULE, "%s at byte %zu: floats are not allowed", name,
                       mr_reader_offset(reader) - 1);
    default:
        return refuse_op(body, instr->op);
    }
}

static mr_status open_one(body_reader *body, uint32_t at)
{
    if (body->depth == MR_CODE_NESTING_MAX)
        return MR_FAIL(body->reader->error, MR_MODULE,
                       "blocks are nested deeper than the limit of %u at byte %zu",
                       MR_CODE_NESTING_MAX, mr_reader_offset(body->reader));
    body->module->open[body->depth++] = (mr_open_block){.begin = at};
    return MR_OK;
}

static mr_status add_else(body_reader *body, uint32_t at)
{
    mr_instr *instrs = body->function->body;
    mr_open_block *open = body->depth == 0 ? NULL : &body->module->open[body->depth - 1];
    if (open == NULL || instrs[open->begin].op != MR_OP_IF || open->other != 0)
        return MR_FAIL(body->reader->error, MR_MODULE, "else at byte %zu belongs to no if",
                       mr_reader_offset(body->reader) - 1);
    open->other = at;
    return MR_OK;
}

static void close_one(body_reader *body, uint32_t at)
{
    mr_instr *instrs = body->function->body;
    mr_open_block open = body->module->open[--body->depth];
    instrs[open.begin].b = (uint64_t)open.other << 32 | at;
    if (open.other != 0)
        instrs[open.other].b = at;
}

/* Instructions up to the end that closes the function, which must be the body's last byte. */
static mr_status read_instructions(body_reader *body)
{
    mr_function *function = body->function;
    for (;;) {
        uint32_t at = function->body_count;
        mr_instr instr = {0};
        MR_TRY(mr_read_byte(body->reader, "an instruction", &instr.op));
        MR_TRY(read_immediates(body, &instr));
        function->body[function->body_count++] = instr;
        switch (instr.op) {
        case MR_OP_BLOCK:
        case MR_OP_LOOP:
        case MR_OP_IF:
            MR_TRY(open_one(body, at));
            break;
        case MR_OP_ELSE:
            MR_TRY(add_else(body, at));
            break;
        case MR_OP_END:
            if (body->depth == 0)
                return MR_OK;
            close_one(body, at);
            break;
        }
    }
}

mr_status mr_read_body(mr_reader *reader, mr_module *module, const mr_module_rules *rules,
                       uint32_t number)
{
    body_reader body = {.reader = reader,
                        .module = module,
                        .rules = rules,
                        .index = module->imports_count + number,
                        .function = &module->functions[number]};
    MR_TRY(in_function(&body, read_locals(&body)));
    /* An instruction takes at least a byte, a br_table target too. */
    size_t left = mr_reader_left(reader);
    body.function->body = mr_module_alloc(module, left, sizeof *body.function->body);
    if (body.function->body == NULL)
        return MR_FAIL(reader->error, MR_NO_MEMORY, "out of memory for a module");
    MR_TRY(in_function(&body, read_instructions(&body)));
    if (reader->at != reader->end)
        return in_function(&body, MR_FAIL(reader->error, MR_MODULE, "%zu bytes after the last end",
                                          mr_reader_left(reader)));
    body.function->end = mr_reader_offset(reader);
    return MR_OK;
}

void mr_read_names(mr_reader reader, mr_module *module)
{
    uint32_t functions = module->imports_count + module->functions_count;
    mr_error ignored;
    reader.error = &ignored;
    mr_span *names = mr_module_alloc(module, functions, sizeof *names);
    if (names == NULL)
        return;
    while (reader.at != reader.end) {
        uint8_t kind = 0;
        mr_span payload = {0};
        uint32_t count = 0;
        if (mr_read_byte(&reader, "names", &kind) != MR_OK ||
            mr_read_span(&reader, "names", &payload) != MR_OK)
            return;
        if (kind != 1) /* function names */
            continue;
        mr_reader inner = reader;
        inner.at = payload.data;
        inner.end = payload.data + payload.size;
        if (mr_read_count(&inner, "names", 2, &count) != MR_OK)
            return;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t index = 0;
            mr_span name = {0};
            if (mr_read_u32(&inner, "a name", &index) != MR_OK ||
                mr_read_span(&inner, "a name", &name) != MR_OK || index >= functions)
                return;
            names[index] = name;
        }
    }
    module->names = names;
}
