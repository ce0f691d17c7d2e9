/* SPDX-License-Identifier: Apache-2.0 */
/* gas_profile: gas by function, counted by every stream and read put together. */
#include <stdlib.h>

#include "engine/engine_internal.h"

static mr_status start(mr_engine *engine)
{
    for (uint32_t s = 0; s < engine->streams_count; s++) {
        mr_stream *stream = &engine->streams[s];
        mr_profile *profile = mr_profile_new();
        if (profile == NULL)
            return MR_NO_MEMORY;
        mr_profile_free(stream->profile);
        stream->profile = profile;
        mr_vm_worker_set_profile(stream->vm, profile);
    }
    return MR_OK;
}

static void stop(mr_engine *engine)
{
    for (uint32_t s = 0; s < engine->streams_count; s++)
        mr_vm_worker_set_profile(engine->streams[s].vm, NULL);
}

mr_status mr_engine_set_gas_profile(mr_engine *engine, bool on)
{
    stop(engine);
    if (!on)
        return MR_OK;
    mr_status status = start(engine);
    if (status != MR_OK)
        stop(engine);
    return status;
}

static void free_profile(mr_profile **profile)
{
    mr_profile_free(*profile);
}

/* What all streams have counted; NULL when that was never asked for. */
static mr_status merge(const mr_engine *engine, mr_profile **out)
{
    __attribute__((cleanup(free_profile))) mr_profile *all = mr_profile_new();
    if (all == NULL)
        return MR_NO_MEMORY;
    for (uint32_t s = 0; s < engine->streams_count; s++) {
        const mr_profile *profile = engine->streams[s].profile;
        if (profile == NULL)
            continue;
        if (!mr_profile_is_complete(profile))
            return MR_NO_MEMORY;
        MR_TRY(mr_profile_merge(all, profile));
    }
    *out = all;
    all = NULL;
    return MR_OK;
}

typedef char function_text[MR_FUNCTION_TEXT_BYTES];

static mr_status show(mr_engine *engine, const mr_profile_code *code, mr_visit_gas_profile *visit,
                      void *arg)
{
    mr_gas_profile profile = {
        .calls = code->calls, .gas = code->gas, .rows_count = code->rows_count};
    if (!mr_codes_id(engine->codes, code->code, &profile.code))
        return MR_OK; /* its upload was taken back */
    mr_gas_row *rows = calloc(code->rows_count + 1, sizeof *rows);
    function_text *texts = calloc(code->rows_count + 1, sizeof *texts);
    mr_status status = rows == NULL || texts == NULL ? MR_NO_MEMORY : MR_OK;
    for (uint32_t i = 0; i < code->rows_count && status == MR_OK; i++) {
        const mr_profile_row *row = &code->rows[i];
        rows[i] = (mr_gas_row){
            .function = mr_code_function_text(code->code, row->function, texts[i]),
            .is_host = row->is_host,
            .calls = row->calls,
            .self_gas = row->self_gas,
            .host_gas = row->host_gas,
            .total_gas = row->total_gas,
        };
    }
    profile.rows = rows;
    if (status == MR_OK && !visit(arg, &profile))
        status = MR_NOT_FOUND;
    free(rows);
    free(texts);
    return status;
}

mr_status mr_engine_gas_profiles(mr_engine *engine, mr_visit_gas_profile *visit, void *arg)
{
    __attribute__((cleanup(free_profile))) mr_profile *all = NULL;
    MR_TRY(merge(engine, &all));
    size_t count;
    const mr_profile_code *codes = mr_profile_list(all, &count);
    for (size_t i = 0; i < count; i++) {
        mr_status status = show(engine, &codes[i], visit, arg);
        if (status != MR_OK)
            return status == MR_NOT_FOUND ? MR_OK : status;
    }
    return MR_OK;
}

typedef struct line_walk {
    mr_visit_line *visit;
    void *arg;
} line_walk;

static mr_status visit_line(void *context, mr_span line)
{
    const line_walk *to = context;
    return to->visit(to->arg, line) ? MR_OK : MR_NOT_FOUND;
}

mr_status mr_engine_gas_stacks(mr_engine *engine, const mr_id *code, const char *root,
                               mr_visit_line *visit, void *arg)
{
    __attribute__((cleanup(free_profile))) mr_profile *all = NULL;
    MR_TRY(merge(engine, &all));
    size_t count;
    const mr_profile_code *codes = mr_profile_list(all, &count);
    line_walk to = {.visit = visit, .arg = arg};
    for (size_t i = 0; i < count; i++) {
        mr_id id;
        if (!mr_codes_id(engine->codes, codes[i].code, &id) || !mr_id_equal(&id, code))
            continue;
        mr_status status = mr_profile_fold(all, codes[i].code, root, visit_line, &to);
        return status == MR_NOT_FOUND ? MR_OK : status;
    }
    return MR_NOT_FOUND;
}
