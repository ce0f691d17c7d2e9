/* SPDX-License-Identifier: Apache-2.0 */
/* admission_create: codes are uploaded, programs created. */
#include "engine/admission.h"

#include "engine/id.h"

/* Remembers the id that an upload or a creation yields. */
static mr_status yield_id(const mr_admitting *at, const mr_id *id)
{
    at->result->id = mr_arena_alloc(at->block->arena, sizeof *id);
    if (at->result->id == NULL)
        return MR_NO_MEMORY;
    *at->result->id = *id;
    return MR_OK;
}

mr_status mr_admission_upload(const mr_admitting *at)
{
    mr_engine *engine = at->engine;
    mr_block *block = at->block;
    const mr_span payload = at->transaction->payload;
    uint8_t *bytes = mr_arena_alloc(block->arena, payload.size);
    if (bytes == NULL)
        return MR_NO_MEMORY;
    MR_TRY(MR_GROW(block->uploaded_bytes, block->uploaded_bytes_capacity, block->uploaded_count));
    MR_TRY(MR_GROW(block->uploaded, block->uploaded_capacity, block->uploaded_count));
    bool paid;
    MR_TRY(mr_admission_pay(at, &paid));
    if (!paid)
        return MR_OK;
    /* Reading a module is work, which nobody gets who could not pay for it. */
    mr_module *module;
    mr_error why = {0};
    mr_status status = mr_codes_add(engine->codes, payload, &module, &why);
    if (status != MR_OK)
        MR_TRY(mr_admission_pay_back(at));
    if (status == MR_EXISTS || status == MR_MODULE) {
        mr_admission_refuse(at,
                            status == MR_EXISTS ? MR_ADMISSION_CODE_EXISTS : MR_ADMISSION_MODULE);
        size_t size = strlen(why.text);
        char *text = mr_arena_alloc(block->arena, size + 1);
        if (text == NULL)
            return MR_NO_MEMORY;
        memcpy(text, why.text, size + 1);
        at->result->text = text;
        return MR_OK;
    }
    MR_TRY(status);
    memcpy(bytes, payload.data, payload.size);
    block->uploaded_bytes[block->uploaded_count] = mr_span_of(bytes, payload.size);
    block->uploaded[block->uploaded_count++] = module;
    block->counters.codes_count++;
    return yield_id(at, &module->id);
}

/* Makes the program, uninitialized, and enters it. */
static mr_status create_program(const mr_admitting *at, const mr_id *id, mr_module *module,
                                mr_program **out)
{
    mr_block *block = at->block;
    mr_engine *engine = at->engine;
    MR_TRY(MR_GROW(block->created, block->created_capacity, block->created_count));
    MR_TRY(mr_index_reserve(&engine->index, block->counters.programs_count + 1));
    mr_program *program;
    MR_TRY(mr_program_new(id, module, &program));
    bool first;
    mr_status status = mr_program_touch(program, block->arena, &first);
    if (status != MR_OK) {
        mr_program_free(program, engine->pool);
        return status;
    }
    program->undo->created = true;
    program->epoch = engine->epoch;
    (void)mr_index_enter(&engine->index, program);
    block->created[block->created_count++] = program;
    block->counters.programs_count++;
    *out = program;
    return MR_OK;
}

mr_status mr_admission_create(const mr_admitting *at)
{
    const mr_transaction *transaction = at->transaction;
    mr_module *module;
    mr_status status = mr_codes_find(at->engine->codes, &transaction->to, &module);
    if (status == MR_NOT_FOUND) {
        mr_admission_refuse(at, MR_ADMISSION_NO_CODE);
        return MR_OK;
    }
    MR_TRY(status);
    const mr_id id = mr_id_of_program(&module->id, transaction->salt);
    mr_program *program;
    status = mr_engine_find_program(at->engine, &id, &program);
    if (status == MR_OK) {
        mr_admission_refuse(at, MR_ADMISSION_PROGRAM_EXISTS);
        return MR_OK;
    }
    if (status != MR_NOT_FOUND)
        return status;
    bool paid;
    MR_TRY(mr_admission_pay(at, &paid));
    if (!paid)
        return MR_OK;
    MR_TRY(create_program(at, &id, module, &program));
    MR_TRY(yield_id(at, &id));
    return mr_admission_post(at, program);
}
