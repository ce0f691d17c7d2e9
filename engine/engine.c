/* SPDX-License-Identifier: Apache-2.0 */
/* engine: opening and closing. */
#include "engine/engine_internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { MEMORY_SHARE = 4 /* of the machine's memory, by default, for each budget: one in this */ };
static const uint64_t instance_bytes_max = (uint64_t)256 << 20;

static_assert((int)MR_ENGINE_STREAMS_MAX == (int)MR_STREAMS_MAX,
              "the public limit is the scheduler's");

static uint64_t default_budget(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || size <= 0)
        return (uint64_t)1 << 30;
    return (uint64_t)pages * (uint64_t)size / MEMORY_SHARE;
}

/* Threads that help to apply a block's changes in memory: one for four cores, up to four; with
 * fewer than eight cores the workers need them all. */
static uint32_t store_helpers(void)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 8 ? 0 : cores < 16 ? (uint32_t)cores / 4 : 4;
}

static mr_status open_store(mr_engine *engine, const mr_engine_options *options, mr_error *error)
{
    static const char *const tables[MR_TABLES_COUNT] = {
#define TABLE(name, text) text,
        MR_TABLE_MAP(TABLE)
#undef TABLE
    };
    const mr_store_options store_options = {
        .path = options->path,
        .tables = tables,
        .tables_count = MR_TABLES_COUNT,
        .create = options->create || options->path == NULL,
        .read_only = options->read_only,
        .helpers_count = store_helpers(),
    };
    return mr_store_open(&store_options, &engine->store, error);
}

static mr_status open_tables(mr_engine *engine, mr_error *error)
{
    MR_TRY(mr_tree_open(engine->store, MR_TABLE_TREE, &engine->tree, error));
    mr_status status =
        mr_codes_new(engine->store, MR_TABLE_CODE, &engine->rules, &engine->prices, &engine->codes);
    if (status == MR_OK)
        status = mr_accounts_new(engine->store, MR_TABLE_ACCOUNT, &engine->accounts);
    engine->batch = mr_batch_new(engine->store);
    engine->pool = mr_unit_pool_new();
    if (status != MR_OK || engine->batch == NULL || engine->pool == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory opening the database");
    return MR_OK;
}

static mr_status start_stream(mr_engine *engine, uint32_t s, mr_error *error)
{
    mr_stream *stream = &engine->streams[s];
    stream->engine = engine;
    stream->number = s;
    stream->execution.arena = &stream->scratch_arena;
    MR_TRY(mr_vm_worker_new(engine->vm, &stream->vm, error));
    mr_vm_worker_set_backtrace(stream->vm, engine->keep_traces);
    stream->pool = mr_vm_worker_pool(stream->vm);
    stream->batch = mr_batch_new(engine->store);
    stream->dictionary = malloc(sizeof *stream->dictionary);
    if (stream->batch == NULL || stream->dictionary == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory starting stream %u", s);
    return MR_OK;
}

mr_status mr_engine_start(mr_engine *engine, const mr_engine_options *options, mr_error *error)
{
    const mr_scheduler_options scheduler_options = {
        .streams = options->streams,
        .pin = !options->no_pin,
        .channels = MR_CHANNELS_COUNT,
    };
    MR_TRY(mr_scheduler_new(&scheduler_options, &engine->scheduler, error));
    engine->parallel = mr_scheduler_parallel(engine->scheduler);
    static const mr_tier tiers[] = {[MR_ENGINE_INTERP] = MR_TIER_INTERP,
                                    [MR_ENGINE_NATIVE] = MR_TIER_NATIVE,
                                    [MR_ENGINE_AUTO] = MR_TIER_AUTO};
    const mr_native_options native = {
        .directory = options->native_directory,
        .compiler = options->compiler,
        .frames = options->keep_traces,
    };
    const mr_vm_options vm_options = {
        .rules = &engine->rules,
        .functions = mr_abi_functions(),
        .tier = tiers[options->tier],
        .prices = &engine->prices,
        .native = &native,
        .follow = engine->of != NULL ? engine->of->vm : NULL,
        .instance_bytes_max = instance_bytes_max,
        .live_bytes_max = options->live_bytes_max != 0 ? options->live_bytes_max : default_budget(),
    };
    MR_TRY(mr_vm_new(&vm_options, &engine->vm, error));
    const uint32_t count = mr_scheduler_streams(engine->scheduler);
    engine->streams = aligned_alloc(_Alignof(mr_stream), count * sizeof(mr_stream));
    if (engine->streams == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory starting %u streams", count);
    memset(engine->streams, 0, count * sizeof(mr_stream));
    engine->streams_count = count;
    for (uint32_t s = 0; s < count; s++)
        MR_TRY(start_stream(engine, s, error));
    return MR_OK;
}

mr_status mr_schedule_check(const mr_schedule *schedule, mr_error *error)
{
    mr_schedule most;
#define MOST(field, value, text) most.field = (uint64_t)1 << 40;
    MR_SCHEDULE_MAP(MOST)
#undef MOST
    most.instruction = UINT32_MAX;
    most.stack_height_max = UINT32_MAX;
    most.outgoing_max = UINT32_MAX;
    most.payload_bytes_max = UINT32_MAX / 2;
    most.code_bytes_max = UINT32_MAX;
    most.pages_max = MR_PAGES_MAX;
    most.reservations_max = UINT32_MAX;
    most.rent = UINT32_MAX;
    most.existential_deposit = UINT64_MAX; /* is only told */
#define CHECK(field, value, text)                                                                  \
    if (schedule->field > most.field)                                                              \
        return MR_FAIL(error, MR_INVALID,                                                          \
                       "the gas schedule has " #field " = %llu, more than %llu",                   \
                       (unsigned long long)schedule->field, (unsigned long long)most.field);
    MR_SCHEDULE_MAP(CHECK)
#undef CHECK
    return MR_OK;
}

static mr_status check_options(const mr_engine_options *options, mr_error *error)
{
    if ((unsigned)options->tier > MR_ENGINE_AUTO)
        return MR_FAIL(error, MR_INVALID, "there is no tier %d", (int)options->tier);
    if (options->genesis_count > 0 && !options->accounts)
        return MR_FAIL(error, MR_INVALID, "initial balances need accounts to be on");
    if (options->path == NULL && options->read_only)
        return MR_FAIL(error, MR_INVALID, "a state in memory cannot be opened for reading only");
    if (options->schedule != NULL)
        MR_TRY(mr_schedule_check(options->schedule, error));
    mr_value sum = 0;
    for (size_t i = 0; i < options->genesis_count; i++) {
        if (__builtin_add_overflow(sum, options->genesis[i].balance, &sum))
            return MR_FAIL(error, MR_INVALID, "the initial balances together exceed 128 bits");
    }
    return MR_OK;
}

/* Names the database in a sentence about what is in it; those of the store itself do already. */
static mr_status name_database(const mr_engine_options *options, mr_status status, mr_error *error)
{
    if (status == MR_OK || options->path == NULL)
        return status;
    return mr_error_prefix(error, status, "%s: ", options->path);
}

static mr_status open_all(mr_engine *engine, const mr_engine_options *options, mr_error *error)
{
    MR_TRY(check_options(options, error));
    engine->schedule = options->schedule != NULL ? *options->schedule : mr_schedule_default();
    engine->accounts_on = options->accounts;
    engine->read_only = options->read_only;
    engine->keep_debug = options->keep_debug;
    engine->keep_traces = options->keep_traces;
    engine->check = options->check;
    engine->loaded_bytes_max =
        options->loaded_bytes_max != 0 ? options->loaded_bytes_max : default_budget();
    mr_abi_rules(&engine->schedule, &engine->rules);
    mr_abi_prices(&engine->schedule, &engine->prices);
    MR_TRY(open_store(engine, options, error));
    MR_TRY(name_database(options, open_tables(engine, error), error));
    MR_TRY(mr_engine_start(engine, options, error));
    mr_status status = mr_state_load(engine, options, error);
    if (status == MR_NOT_FOUND && !options->read_only)
        return mr_state_create(engine, options, error);
    return name_database(options, status, error);
}

mr_status mr_engine_open(const mr_engine_options *options, mr_engine **out, mr_error *error)
{
    mr_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory");
    pthread_mutex_init(&engine->readers, NULL);
    mr_status status = open_all(engine, options, error);
    if (status != MR_OK) {
        (void)mr_engine_close(engine, NULL);
        return status;
    }
    *out = engine;
    return MR_OK;
}

void mr_engine_forget(mr_engine *engine)
{
    for (size_t i = 0; i < engine->index.capacity; i++) {
        mr_program *program = mr_index_at(&engine->index, i);
        if (program != NULL)
            mr_program_free(program, engine->pool);
    }
    mr_index_fini(&engine->index);
    atomic_store_explicit(&engine->loaded_bytes, 0, memory_order_relaxed);
    engine->sweep_at = 0;
    for (size_t i = 0; i < engine->queue_count; i++)
        mr_queued_free(engine->queue[i]);
    engine->queue_count = 0;
}

static void free_state(mr_engine *engine)
{
    mr_engine_forget(engine);
    free(engine->queue);
}

static void free_stream(mr_stream *stream)
{
    mr_execution_fini(&stream->execution);
    mr_arena_fini(&stream->scratch_arena);
    mr_arena_fini(&stream->round_arena[0]);
    mr_arena_fini(&stream->round_arena[1]);
    free(stream->dirty);
    free(stream->credits);
    free(stream->created);
    free(stream->records);
    mr_buffer_fini(&stream->scratch);
    mr_buffer_fini(&stream->traced);
    free(stream->dictionary);
    mr_batch_free(stream->batch);
    mr_vm_worker_free(stream->vm);
    mr_profile_free(stream->profile);
}

mr_status mr_engine_close(mr_engine *engine, mr_error *error)
{
    if (engine == NULL)
        return MR_OK;
    if (engine->candidate != NULL)
        mr_block_discard(engine->candidate);
    mr_status status = MR_OK;
    if (engine->store != NULL && !engine->read_only)
        status = mr_store_wait(engine->store, error);
    free_state(engine);
    for (uint32_t s = 0; s < engine->streams_count; s++)
        free_stream(&engine->streams[s]);
    free(engine->streams);
    mr_vm_free(engine->vm);
    mr_scheduler_free(engine->scheduler);
    mr_block_destroy(engine->spare, engine->streams_count);
    mr_accounts_free(engine->accounts);
    mr_codes_free(engine->codes);
    mr_tree_free(engine->tree);
    mr_batch_free(engine->batch);
    mr_store_close(engine->store);
    mr_unit_pool_free(engine->pool);
    pthread_mutex_destroy(&engine->readers);
    mr_buffer_fini(&engine->told);
    mr_buffer_fini(&engine->made);
    free(engine);
    return status;
}

mr_status mr_module_check(const mr_schedule *schedule, mr_span module, mr_error *error)
{
    mr_module_rules rules;
    mr_code_prices prices;
    mr_abi_rules(schedule, &rules);
    mr_abi_prices(schedule, &prices);
    mr_code *code;
    MR_TRY(mr_code_new(&rules, &prices, module, &code, error));
    mr_code_put(code);
    return MR_OK;
}

mr_status mr_module_from_text(mr_span text, const char *file_name, mr_buffer *out, mr_error *error)
{
    return mr_code_from_text(text, file_name, out, error);
}

mr_status mr_module_pack(mr_span module, mr_buffer *out, mr_error *error)
{
    const mr_schedule schedule = mr_schedule_default();
    mr_module_rules rules;
    mr_abi_rules(&schedule, &rules);
    return mr_code_pack(&rules, module, out, error);
}
