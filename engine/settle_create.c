/* SPDX-License-Identifier: Apache-2.0 */
/* settle_create: programs that a dispatch creates. */
#include "engine/settle_gas.h"

mr_program *mr_settle_create(mr_settling *at, const mr_draft *draft)
{
    mr_stream *stream = at->stream;
    mr_module *module;
    mr_status status = mr_codes_find(stream->engine->codes, &draft->extra->code, &module);
    if (status == MR_NOT_FOUND)
        return NULL;
    mr_program *program = NULL;
    if (status == MR_OK)
        status = MR_GROW(stream->created, stream->created_capacity, stream->created_count);
    if (status == MR_OK)
        status = mr_program_new(&draft->to, module, &program);
    bool first;
    if (status == MR_OK)
        status = mr_program_touch(program, stream->block_arena, &first);
    if (status != MR_OK) {
        mr_program_free(program, stream->pool);
        mr_settle_fail(stream, status);
        return NULL;
    }
    program->undo->created = true;
    program->made_in = stream->engine->executions;
    program->made_for = at->dispatch->generation + 1;
    stream->created[stream->created_count++] = program;
    return program;
}

void mr_settle_not_created(mr_settling *at, const mr_draft *draft, uint64_t gas)
{
    static const uint8_t not_created[4] = {1, 2, 3, 0};
    mr_stream *stream = at->stream;
    mr_dispatch *reply = mr_arena_alloc(stream->block_arena, sizeof *reply);
    mr_extra *extra = mr_arena_alloc(stream->block_arena, sizeof *extra);
    mr_id *ids = mr_arena_alloc(stream->block_arena, 2 * sizeof *ids);
    if (reply == NULL || extra == NULL || ids == NULL)
        return mr_settle_fail(stream, MR_NO_MEMORY);
    ids[0] = draft->to;
    ids[1] = draft->id;
    *reply = (mr_dispatch){
        .message =
            {
                .id = mr_id_of_reply(&draft->id),
                .source = &ids[0],
                .reply_to = &ids[1],
                .value = draft->value,
                .gas_limit = mr_settle_limit(at, at->dispatch->payer, gas + draft->extra->deposit),
                .kind = MR_KIND_REPLY,
            },
        .program = at->program,
        .from_program = false,
        .payer = at->dispatch->payer,
        .parent = at->dispatch,
        .generation = at->dispatch->generation + 1,
    };
    memcpy(reply->message.code, not_created, sizeof not_created);
    if (at->dispatch->outcome == MR_OUTCOME_WAITING) {
        *extra = (mr_extra){.origin = &at->dispatch->message.id};
        reply->extra = extra;
    }
    at->dispatch->sent++;
    mr_trace_sent(at->stream, &reply->message.id);
    at->gas_sent += reply->message.gas_limit;
    mr_settle_emit(at, reply);
}
