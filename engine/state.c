/* SPDX-License-Identifier: Apache-2.0 */
/* state: keys of the state tree, the configuration and head records, opening and making a
 * database. */
#include "engine/engine_internal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/codec.h"
#include "engine/id.h"

mr_hash mr_state_key(mr_table table, mr_span key)
{
    uint8_t bytes[1 + 64];
    bytes[0] = (uint8_t)table;
    if (key.size > sizeof bytes - 1)
        return mr_hash_spans((const mr_span[]){mr_span_of(bytes, 1), key}, 2);
    memcpy(bytes + 1, key.data, key.size);
    return mr_hash_bytes(mr_span_of(bytes, 1 + key.size));
}

/* What decides results beside state and transactions, and never changes in a database. */
static void write_rules(mr_writer *writer, const mr_engine *engine)
{
    const mr_schedule *schedule = &engine->schedule;
    mr_write_u8(writer, engine->accounts_on);
    mr_write_leb(writer, MR_CODE_VERSION);
#define WRITE_PRICE(field, value, text)                                                            \
    mr_write_span(writer, mr_span_text(#field));                                                   \
    mr_write_leb(writer, schedule->field);
    MR_SCHEDULE_MAP(WRITE_PRICE)
#undef WRITE_PRICE
}

static void write_counters(mr_writer *writer, const mr_counters *counters)
{
    mr_write_value(writer, counters->issued);
    mr_write_value(writer, counters->burned);
    mr_write_u64(writer, counters->queue_tail);
    mr_write_u64(writer, counters->task_tail);
    mr_write_u64(writer, counters->programs_count);
    mr_write_u64(writer, counters->codes_count);
    mr_write_u64(writer, counters->accounts_count);
    mr_write_u64(writer, counters->waiting_count);
    mr_write_u64(writer, counters->letters_count);
    mr_write_u64(writer, counters->tasks_count);
    mr_write_u64(writer, counters->gas_held);
}

static mr_counters read_counters(mr_reader *reader)
{
    mr_counters counters;
    counters.issued = mr_read_value(reader);
    counters.burned = mr_read_value(reader);
    counters.queue_tail = mr_read_u64(reader);
    counters.task_tail = mr_read_u64(reader);
    counters.programs_count = mr_read_u64(reader);
    counters.codes_count = mr_read_u64(reader);
    counters.accounts_count = mr_read_u64(reader);
    counters.waiting_count = mr_read_u64(reader);
    counters.letters_count = mr_read_u64(reader);
    counters.tasks_count = mr_read_u64(reader);
    counters.gas_held = mr_read_u64(reader);
    return counters;
}

mr_status mr_state_counters_leaf(const mr_engine *engine, const mr_counters *counters, mr_hash *out)
{
    mr_buffer record = {0};
    mr_writer writer = {.buffer = &record};
    write_rules(&writer, engine);
    write_counters(&writer, counters);
    if (!writer.failed)
        *out = mr_hash_bytes(mr_buffer_span(&record));
    mr_buffer_fini(&record);
    return writer.failed ? MR_NO_MEMORY : MR_OK;
}

mr_status mr_engine_find_program(mr_engine *engine, const mr_id *id, mr_program **out)
{
    mr_program *program = mr_index_find(&engine->index, id);
    if (program != NULL && program->epoch == engine->epoch) {
        *out = program;
        return MR_OK;
    }
    if (engine->of != NULL && engine->broken != MR_OK)
        return engine->broken; /* a view that could not move */
    mr_buffer record = {0};
    mr_status status = mr_store_get(engine->store, MR_TABLE_PROGRAM, mr_id_span(id), &record);
    if (program != NULL) {
        if (status == MR_OK && mr_program_renew(program, mr_buffer_span(&record))) {
            mr_buffer_fini(&record);
            program->epoch = engine->epoch;
            *out = program;
            return MR_OK;
        }
        mr_engine_drop(engine, program); /* a view has one stream: nobody looks */
    }
    if (status == MR_OK) {
        status = mr_program_decode(id, mr_buffer_span(&record), engine->schedule.reservations_max,
                                   engine->codes, &program);
        if (status == MR_NOT_FOUND)
            status = MR_CORRUPT; /* a program without its code */
        if (status == MR_CORRUPT && !atomic_exchange(&engine->damage_found, true))
            engine->damaged = *id;
    }
    mr_buffer_fini(&record);
    MR_TRY(status);
    program->epoch = engine->epoch;
    *out = mr_index_enter(&engine->index, program);
    if (*out != program) {
        mr_program_free(program, NULL); /* another worker was first */
        return MR_OK;
    }
    program->loaded_bytes = mr_program_bytes(program);
    program->used_in = engine->executions;
    atomic_fetch_add_explicit(&engine->loaded_bytes, program->loaded_bytes, memory_order_relaxed);
    return MR_OK;
}

mr_status mr_engine_tell_damage(const mr_engine *engine, mr_status status, mr_error *error)
{
    if (status != MR_CORRUPT || !atomic_load(&engine->damage_found))
        return status;
    char id[2 * sizeof engine->damaged.bytes + 1];
    for (size_t i = 0; i < sizeof engine->damaged.bytes; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", engine->damaged.bytes[i]);
    return MR_FAIL(error, status,
                   "program 0x%s is damaged: its record makes no sense, or its code is missing",
                   id);
}

mr_status mr_state_write_head(mr_batch *batch, uint64_t height, const mr_hash *root,
                              const mr_counters *counters)
{
    mr_buffer record = {0};
    mr_writer writer = {.buffer = &record};
    mr_write_u8(&writer, MR_META_VERSION);
    mr_write_u64(&writer, height);
    mr_write_bytes(&writer, root->bytes, sizeof root->bytes);
    write_counters(&writer, counters);
    mr_status status = writer.failed ? MR_NO_MEMORY
                                     : mr_batch_put(batch, MR_TABLE_META, mr_span_text("head"),
                                                    mr_buffer_span(&record));
    mr_buffer_fini(&record);
    return status;
}

static mr_status write_config(mr_batch *batch, const mr_engine *engine,
                              const mr_engine_options *options)
{
    mr_buffer record = {0};
    mr_writer writer = {.buffer = &record};
    mr_write_u8(&writer, MR_META_VERSION);
    write_rules(&writer, engine);
    mr_status status = writer.failed ? MR_NO_MEMORY
                                     : mr_batch_put(batch, MR_TABLE_META, mr_span_text("config"),
                                                    mr_buffer_span(&record));
    record.size = 0;
    mr_write_u8(&writer, MR_META_VERSION);
    mr_write_leb(&writer, options->genesis_count);
    for (size_t i = 0; i < options->genesis_count; i++) {
        mr_write_id(&writer, &options->genesis[i].account);
        mr_write_value(&writer, options->genesis[i].balance);
    }
    if (status == MR_OK)
        status = writer.failed ? MR_NO_MEMORY
                               : mr_batch_put(batch, MR_TABLE_META, mr_span_text("genesis"),
                                              mr_buffer_span(&record));
    mr_buffer_fini(&record);
    return status;
}

/* Genesis balances become accounts; their tree changes and batch entries are made here. */
static mr_status write_genesis(mr_engine *engine, const mr_engine_options *options,
                               mr_tree_change *changes, size_t *changes_count)
{
    for (size_t i = 0; i < options->genesis_count; i++) {
        mr_account *account;
        MR_TRY(mr_accounts_take(engine->accounts, &options->genesis[i].account, &account));
        account->balance += options->genesis[i].balance;
        engine->counters.issued += options->genesis[i].balance;
    }
    for (const mr_account *account = mr_accounts_dirty(engine->accounts); account != NULL;
         account = account->dirty_next) {
        if (account->balance == 0)
            continue;
        uint8_t record[MR_ACCOUNT_RECORD_BYTES];
        mr_accounts_encode(account->balance, record);
        MR_TRY(mr_batch_put(engine->batch, MR_TABLE_ACCOUNT, mr_id_span(&account->id),
                            mr_span_of(record, sizeof record)));
        changes[(*changes_count)++] = (mr_tree_change){
            .key = mr_state_key(MR_TABLE_ACCOUNT, mr_id_span(&account->id)),
            .leaf = mr_hash_bytes(mr_span_of(record, sizeof record)),
            .present = true,
        };
        engine->counters.accounts_count++;
    }
    mr_accounts_accept(engine->accounts);
    return MR_OK;
}

mr_status mr_state_create(mr_engine *engine, const mr_engine_options *options, mr_error *error)
{
    mr_tree_change *changes = calloc(options->genesis_count + 1, sizeof *changes);
    size_t count = 0;
    mr_status status =
        changes == NULL ? MR_NO_MEMORY : write_genesis(engine, options, changes, &count);
    if (status == MR_OK) {
        mr_tree_change *counters = &changes[count++];
        counters->key = mr_state_key(MR_TABLE_META, mr_span_text("counters"));
        counters->present = true;
        status = mr_state_counters_leaf(engine, &engine->counters, &counters->leaf);
    }
    if (status == MR_OK) {
        status = mr_tree_update(engine->tree, changes, count, &engine->parallel, error);
    }
    free(changes);
    engine->root = mr_tree_root(engine->tree);
    if (status == MR_OK)
        status = write_config(engine->batch, engine, options);
    if (status == MR_OK)
        status = mr_state_write_head(engine->batch, 0, &engine->root, &engine->counters);
    if (status == MR_OK)
        status = mr_tree_write(engine->tree, engine->batch);
    if (status != MR_OK)
        return MR_FAIL(error, status, "the database could not be set up: %s",
                       mr_status_text(status));
    MR_TRY(mr_store_submit(engine->store, &engine->batch, 1, error));
    return mr_store_wait(engine->store, error);
}

/* The stored schedule must be the engine's, price by price. */
static mr_status check_schedule(mr_reader *reader, const mr_schedule *schedule, mr_error *error)
{
#define CHECK_PRICE(field, value, text)                                                            \
    {                                                                                              \
        mr_span name = mr_read_span(reader);                                                       \
        uint64_t price = mr_read_leb(reader);                                                      \
        if (reader->failed || !mr_span_equal(name, mr_span_text(#field)))                          \
            return MR_FAIL(error, MR_SCHEDULE,                                                     \
                           "the database's gas schedule has no price '" #field                     \
                           "': it was made by another version");                                   \
        if (price != schedule->field)                                                              \
            return MR_FAIL(error, MR_SCHEDULE,                                                     \
                           "the database was made with " #field                                    \
                           " = %llu, this engine has %llu: open it with its own gas schedule",     \
                           (unsigned long long)price, (unsigned long long)schedule->field);        \
    }
    MR_SCHEDULE_MAP(CHECK_PRICE)
#undef CHECK_PRICE
    return MR_OK;
}

/* A store without a configuration is one that was never set up, if it has no head either: else
 * setting it up would overwrite what is there. Returns MR_NOT_FOUND for the former. */
static mr_status check_is_empty(mr_engine *engine, mr_error *error)
{
    mr_buffer head = {0};
    mr_status status = mr_store_get(engine->store, MR_TABLE_META, mr_span_text("head"), &head);
    mr_buffer_fini(&head);
    if (status == MR_NOT_FOUND)
        return MR_FAIL(error, MR_NOT_FOUND, "there is no state in the database");
    return MR_FAIL(error, status == MR_OK ? MR_CORRUPT : status,
                   "the database's configuration is missing");
}

static mr_status read_config(mr_engine *engine, const mr_engine_options *options, mr_error *error)
{
    mr_buffer record = {0};
    mr_status status = mr_store_get(engine->store, MR_TABLE_META, mr_span_text("config"), &record);
    if (status != MR_OK) {
        mr_buffer_fini(&record);
        if (status == MR_NOT_FOUND)
            return check_is_empty(engine, error);
        return MR_FAIL(error, status, "the database's configuration cannot be read: %s",
                       mr_status_text(status));
    }
    mr_reader reader = mr_reader_of(mr_buffer_span(&record));
    uint8_t version = mr_read_u8(&reader);
    if (version != MR_META_VERSION) {
        status =
            MR_FAIL(error, MR_VERSION, "the database has format %u, this engine reads format %u",
                    version, MR_META_VERSION);
    } else {
        engine->accounts_on = mr_read_u8(&reader) != 0;
        const uint64_t code_version = mr_read_leb(&reader);
        if (code_version != MR_CODE_VERSION)
            status = MR_FAIL(error, MR_VERSION,
                             "the database's programs are metered by rules of version %llu, this "
                             "engine has version %u: the same message could burn other gas",
                             (unsigned long long)code_version, MR_CODE_VERSION);
        if (status == MR_OK)
            status = check_schedule(&reader, &engine->schedule, error);
        if (status == MR_OK && !mr_reader_done(&reader))
            status = MR_FAIL(error, MR_CORRUPT, "the database's configuration is damaged");
        if (status == MR_OK && options->accounts && !engine->accounts_on)
            status = MR_FAIL(error, MR_STATE,
                             "the database was made without accounts; they cannot be turned on");
    }
    mr_buffer_fini(&record);
    return status;
}

/* Configuration and counters are what the state tree commits to: then no number in them can make
 * the engine allocate or compute what it should not. */
static mr_status check_counters(mr_engine *engine, mr_error *error)
{
    const mr_hash key = mr_state_key(MR_TABLE_META, mr_span_text("counters"));
    mr_hash leaf;
    mr_tree_proof proof;
    MR_TRY(mr_state_counters_leaf(engine, &engine->counters, &leaf));
    MR_TRY(mr_tree_prove(engine->tree, &key, &proof, error));
    if (!proof.present || !mr_hash_equal(&proof.found_leaf, &leaf))
        return MR_FAIL(error, MR_CORRUPT,
                       "the configuration or the counters of block %llu are not those of the state "
                       "tree: the database is damaged",
                       (unsigned long long)engine->height);
    return MR_OK;
}

/* The last block stored is the head's. */
static mr_status check_height(mr_engine *engine, mr_error *error)
{
    mr_hash root = engine->root;
    mr_status status = MR_OK;
    if (engine->height > 0)
        status = mr_stored_root(engine, engine->height, &root);
    if (status == MR_OK && !mr_hash_equal(&root, &engine->root))
        status = MR_CORRUPT;
    mr_hash beyond;
    if (status == MR_OK && mr_stored_root(engine, engine->height + 1, &beyond) != MR_NOT_FOUND)
        status = MR_CORRUPT;
    if (status == MR_OK)
        return MR_OK;
    return MR_FAIL(error, status == MR_NOT_FOUND ? MR_CORRUPT : status,
                   "block %llu is not the last one stored, or not with the root of the state: the "
                   "database is damaged",
                   (unsigned long long)engine->height);
}

static mr_status read_head(mr_engine *engine, mr_error *error)
{
    mr_buffer record = {0};
    mr_status status = mr_store_get(engine->store, MR_TABLE_META, mr_span_text("head"), &record);
    if (status == MR_OK) {
        mr_reader reader = mr_reader_of(mr_buffer_span(&record));
        uint8_t version = mr_read_u8(&reader);
        engine->height = mr_read_u64(&reader);
        mr_read_bytes(&reader, engine->root.bytes, sizeof engine->root.bytes);
        engine->counters = read_counters(&reader);
        if (version != MR_META_VERSION || !mr_reader_done(&reader))
            status = MR_CORRUPT;
    }
    mr_buffer_fini(&record);
    if (status == MR_NOT_FOUND || status == MR_CORRUPT)
        return MR_FAIL(error, MR_CORRUPT, "the database's head record is missing or damaged");
    if (status != MR_OK)
        return MR_FAIL(error, status, "the database's head record cannot be read: %s",
                       mr_status_text(status));
    return MR_OK;
}

/* What the head says is what the tree says. */
static mr_status check_head(mr_engine *engine, mr_error *error)
{
    const mr_hash root = mr_tree_root(engine->tree);
    if (!mr_hash_equal(&root, &engine->root))
        return MR_FAIL(error, MR_CORRUPT,
                       "the state tree's root is not that of block %llu: the database is damaged",
                       (unsigned long long)engine->height);
    MR_TRY(check_counters(engine, error));
    return check_height(engine, error);
}

/* A message that has waited and was woken is known to its program. */
static mr_status restore_waited(mr_engine *engine, mr_queued *queued)
{
    mr_program *program = queued->dispatch.program;
    mr_arena arena = {0};
    const mr_wait_source from = {
        .store = engine->store,
        .arena = &arena,
        .rent = engine->schedule.rent,
        .height = (uint32_t)engine->height + 1,
    };
    mr_dispatch *there;
    mr_status status = mr_waitlist_find(program, &from, &queued->dispatch.message.id, &there);
    if (status == MR_OK && there != NULL)
        status = MR_CORRUPT; /* it cannot wait, too, nor stand in the queue twice */
    mr_arena_fini(&arena);
    return status == MR_OK ? mr_waitlist_restore(program, queued) : status;
}

static mr_status load_dispatch(mr_engine *engine, mr_span key, mr_span value)
{
    if (key.size != 8)
        return MR_CORRUPT;
    mr_queued *queued;
    mr_id destination;
    MR_TRY(mr_queued_decode(value, &queued, &destination));
    queued->sequence = mr_load_be64(key.data);
    mr_dispatch *dispatch = &queued->dispatch;
    mr_status status = mr_engine_find_program(engine, &destination, &dispatch->program);
    if (status == MR_OK && dispatch->from_program)
        status = mr_engine_find_program(engine, dispatch->message.source, &dispatch->sender);
    if (status == MR_OK && dispatch->extra != NULL && dispatch->extra->waited)
        status = restore_waited(engine, queued);
    if (status == MR_OK)
        status = MR_GROW(engine->queue, engine->queue_capacity, engine->queue_count);
    if (status != MR_OK) {
        mr_queued_free(queued);
        return status == MR_NOT_FOUND ? MR_CORRUPT : status;
    }
    engine->queue[engine->queue_count++] = queued;
    return MR_OK;
}

static mr_status load_queue(mr_engine *engine, mr_error *error)
{
    mr_cursor *cursor;
    mr_status status =
        mr_cursor_open(engine->store, MR_TABLE_QUEUE, (mr_span){0}, (mr_span){0}, &cursor);
    if (status == MR_OK) {
        do {
            mr_span key, value;
            status = mr_cursor_next(cursor, &key, &value);
            if (status == MR_OK)
                status = load_dispatch(engine, key, value);
        } while (status == MR_OK);
        mr_cursor_close(cursor);
    }
    if (status == MR_NOT_FOUND)
        return MR_OK;
    (void)MR_FAIL(error, status, "the database's message queue cannot be read: %s",
                  mr_status_text(status));
    return mr_engine_tell_damage(engine, status, error);
}

mr_status mr_state_load(mr_engine *engine, const mr_engine_options *options, mr_error *error)
{
    MR_TRY(read_config(engine, options, error));
    MR_TRY(read_head(engine, error));
    MR_TRY(check_head(engine, error));
    mr_status status = mr_index_reserve(&engine->index, engine->counters.programs_count);
    if (status != MR_OK)
        return MR_FAIL(error, status, "not enough memory for an index of %llu programs",
                       (unsigned long long)engine->counters.programs_count);
    return load_queue(engine, error);
}

mr_status mr_state_reload(mr_engine *engine, mr_error *error)
{
    MR_TRY(read_head(engine, error));
    mr_status status = mr_index_reserve(&engine->index, engine->counters.programs_count);
    if (status != MR_OK)
        return MR_FAIL(error, status, "not enough memory for an index of %llu programs",
                       (unsigned long long)engine->counters.programs_count);
    if (engine->alone)
        return MR_OK;
    return load_queue(engine, error);
}
