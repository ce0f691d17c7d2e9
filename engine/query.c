/* SPDX-License-Identifier: Apache-2.0 */
/* query: looking into the last committed block. */
#include "engine/engine_internal.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "engine/codec.h"
#include "engine/id.h"

void mr_engine_info_get(const mr_engine *engine, mr_engine_info *out)
{
    *out = (mr_engine_info){
        .height = engine->height,
        .queue_count = engine->queue_count,
        .programs_count = engine->counters.programs_count,
        .codes_count = engine->counters.codes_count,
        .accounts_count = engine->counters.accounts_count,
        .waiting_count = engine->counters.waiting_count,
        .letters_count = engine->counters.letters_count,
        .tasks_count = engine->counters.tasks_count,
        .gas_held = engine->counters.gas_held,
        .streams = engine->streams_count,
        .accounts = engine->accounts_on,
        .schedule = engine->schedule,
        .issued = engine->counters.issued,
        .burned = engine->counters.burned,
    };
    memcpy(out->root.bytes, engine->root.bytes, sizeof out->root.bytes);
}

void mr_engine_describe(const mr_engine *engine, char *text, size_t text_bytes)
{
    mr_scheduler_describe(engine->scheduler, text, text_bytes);
}

static mr_status find_loaded(mr_engine *engine, const mr_id *id, mr_program **out)
{
    if (engine->candidate != NULL)
        return MR_STATE;
    MR_TRY(mr_engine_find_program(engine, id, out));
    if ((*out)->memory_loaded)
        return MR_OK;
    return mr_program_load_memory(*out, engine->store, MR_TABLE_UNIT, engine->pool);
}

static mr_program_info describe(const mr_program *program)
{
    mr_program_info info = {
        .id = program->id,
        .code = program->module->id,
        .status = program->status,
        .balance = program->balance,
        .pages = mr_memory_pages(&program->memory),
        .units = mr_memory_units_count(&program->memory),
        .reservations = program->reservations_count,
        .waiting = program->waiting,
    };
    if (program->inheritor != NULL)
        info.inheritor = *program->inheritor;
    memcpy(info.memory_root.bytes, program->memory_root.bytes, sizeof info.memory_root.bytes);
    return info;
}

mr_status mr_engine_program(mr_engine *engine, const mr_id *id, mr_program_info *out)
{
    mr_program *program;
    MR_TRY(find_loaded(engine, id, &program));
    *out = describe(program);
    return MR_OK;
}

mr_status mr_engine_memory(mr_engine *engine, const mr_id *program_id, uint64_t address, void *out,
                           size_t size)
{
    mr_program *program;
    MR_TRY(find_loaded(engine, program_id, &program));
    return mr_memory_read(&program->memory, address, out, size);
}

mr_status mr_engine_account(mr_engine *engine, const mr_id *id, mr_value *balance)
{
    if (engine->candidate != NULL)
        return MR_STATE;
    mr_value found;
    MR_TRY(mr_accounts_balance(engine->accounts, id, &found));
    if (found == 0)
        return MR_NOT_FOUND;
    *balance = found;
    return MR_OK;
}

mr_status mr_engine_queue(mr_engine *engine, mr_visit_message *visit, void *arg)
{
    if (engine->candidate != NULL)
        return MR_STATE;
    for (size_t i = 0; i < engine->queue_count; i++) {
        const mr_dispatch *dispatch = &engine->queue[i]->dispatch;
        const mr_queued_message message = {
            .sequence = engine->queue[i]->sequence,
            .id = dispatch->message.id,
            .source = *dispatch->message.source,
            .program = dispatch->program->id,
            .kind = dispatch->message.kind,
            .gas_limit = dispatch->message.gas_limit,
            .value = dispatch->message.value,
            .payload = dispatch->message.payload,
        };
        if (!visit(arg, &message))
            break;
    }
    return MR_OK;
}

mr_status mr_engine_genesis(mr_engine *engine, mr_balance **out, size_t *count)
{
    mr_buffer record = {0};
    MR_TRY(mr_store_get(engine->store, MR_TABLE_META, mr_span_text("genesis"), &record));
    mr_reader reader = mr_reader_of(mr_buffer_span(&record));
    const uint8_t version = mr_read_u8(&reader);
    uint64_t total = mr_read_leb(&reader);
    mr_status status = version != MR_META_VERSION || total > record.size ? MR_CORRUPT : MR_OK;
    mr_balance *balances = status == MR_OK ? calloc(total + 1, sizeof *balances) : NULL;
    if (status == MR_OK && balances == NULL)
        status = MR_NO_MEMORY;
    for (uint64_t i = 0; i < total && status == MR_OK; i++) {
        balances[i].account = mr_read_id(&reader);
        balances[i].balance = mr_read_value(&reader);
    }
    if (status == MR_OK && !mr_reader_done(&reader))
        status = MR_CORRUPT;
    mr_buffer_fini(&record);
    if (status != MR_OK) {
        free(balances);
        return status;
    }
    *out = balances;
    *count = total;
    return MR_OK;
}

void mr_engine_statistics(const mr_engine *engine, mr_statistics *out)
{
    *out = engine->statistics;
    mr_scheduler_times times;
    mr_scheduler_times_get(engine->scheduler, &times);
    out->partition_ns = times.partition_ns + times.deal_ns + times.next_ns;
    out->run_ns = times.run_ns;
    out->merge_ns = times.merge_ns;
    out->serial_ns = times.serial_ns;
    out->rounds = times.rounds;
    out->lanes_stolen = times.lanes_stolen;
    out->bytes_written = mr_store_bytes_written(engine->store);
    out->programs_loaded = atomic_load_explicit(&engine->index.count, memory_order_relaxed);
    out->loaded_bytes = atomic_load_explicit(&engine->loaded_bytes, memory_order_relaxed) +
                        engine->index.capacity * sizeof *engine->index.slots;
    for (uint32_t s = 0; s < engine->streams_count; s++) {
        mr_vm_counters counters;
        mr_vm_worker_counters(engine->streams[s].vm, &counters);
        out->call_ns += counters.call_ns;
        out->units_committed += counters.units_committed;
        out->units_rolled_back += counters.units_rolled_back;
        out->memories_live += counters.memories_made_live;
        out->dispatches += engine->streams[s].dispatches;
    }
}

void mr_engine_set_timing(mr_engine *engine, bool on)
{
    for (uint32_t s = 0; s < engine->streams_count; s++)
        mr_vm_worker_set_timing(engine->streams[s].vm, on);
}

mr_status mr_engine_compile(mr_engine *engine, const mr_id *code, mr_error *error)
{
    mr_module *module;
    mr_status status = mr_codes_find(engine->codes, code, &module);
    if (status == MR_OK)
        status = mr_vm_compile(engine->vm, module->code);
    switch (status) {
    case MR_OK:
        return MR_OK;
    case MR_NOT_FOUND:
        return MR_FAIL(error, status, "there is no such code");
    case MR_STATE:
        return MR_FAIL(error, status, "the engine was opened to interpret programs");
    case MR_BUSY:
        return MR_FAIL(error, status, "it is being compiled");
    case MR_UNSUPPORTED:
        return MR_FAIL(error, status, "it could not be compiled; the log says why");
    default:
        return MR_FAIL(error, status, "the code cannot be read: %s", mr_status_text(status));
    }
}
