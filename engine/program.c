/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/program.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/assert.h"
#include "engine/codec.h"
#include "engine/id.h"
#include "engine/waitlist.h"

enum { RECORD_VERSION = 2 };

mr_status mr_program_new(const mr_id *id, mr_module *module, mr_program **out)
{
    mr_program *program = calloc(1, sizeof *program);
    if (program == NULL)
        return MR_NO_MEMORY;
    program->units = mr_unit_tree_new();
    if (program->units == NULL) {
        free(program);
        return MR_NO_MEMORY;
    }
    program->id = *id;
    program->lane.key = mr_id_bucket(id);
    program->module = module;
    program->status = MR_PROGRAM_UNINITIALIZED;
    program->memory_loaded = true;
    mr_memory_init(&program->memory, module->code);
    *out = program;
    return MR_OK;
}

void mr_program_free(mr_program *program, mr_unit_pool *pool)
{
    if (program == NULL)
        return;
    mr_memory_fini(&program->memory, pool);
    mr_unit_tree_free(program->units);
    mr_pages_fini(&program->heap);
    free(program->inheritor);
    free(program->reservations);
    mr_waitlist_free(program->waitlist);
    free(program);
}

uint64_t mr_program_bytes(const mr_program *program)
{
    return sizeof *program + mr_memory_image_bytes(&program->memory) +
           (uint64_t)mr_memory_units_count(&program->memory) * MR_UNIT_BYTES +
           mr_unit_tree_bytes(program->units) + mr_waitlist_bytes(program) +
           program->reservations_count * sizeof *program->reservations;
}

mr_status mr_program_touch(mr_program *program, mr_arena *arena, bool *first)
{
    *first = program->undo == NULL;
    if (!*first)
        return MR_OK;
    mr_program_undo *undo = mr_arena_alloc(arena, sizeof *undo);
    if (undo == NULL)
        return MR_NO_MEMORY;
    *undo = (mr_program_undo){
        .id = program->id,
        .balance = program->balance,
        .memory_root = program->memory_root,
        .waiting = program->waiting,
        .status = program->status,
    };
    program->undo = undo;
    return MR_OK;
}

mr_status mr_program_set_heap(mr_program *program, const mr_pages *heap)
{
    MR_ASSERT(program->undo != NULL);
    if (program->undo->heap_saved)
        return mr_pages_copy(&program->heap, heap);
    mr_pages copy = {0};
    MR_TRY(mr_pages_copy(&copy, heap));
    program->undo->heap = program->heap;
    program->undo->heap_saved = true;
    program->heap = copy;
    return MR_OK;
}

static int by_id(const void *a, const void *b)
{
    return mr_id_order(&((const mr_reservation *)a)->id, &((const mr_reservation *)b)->id);
}

mr_status mr_program_set_reservations(mr_program *program, const mr_reservation *reservations,
                                      uint32_t count)
{
    mr_program_undo *undo = program->undo;
    MR_ASSERT(undo != NULL);
    mr_reservation *kept = NULL;
    uint32_t kept_count = 0;
    if (count > 0) {
        kept = malloc(count * sizeof *kept);
        if (kept == NULL)
            return MR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!reservations[i].ended)
            kept[kept_count++] = reservations[i];
    }
    if (kept_count > 1)
        qsort(kept, kept_count, sizeof *kept, by_id);
    if (undo->reservations_saved) {
        free(program->reservations);
    } else {
        undo->reservations = program->reservations;
        undo->reservations_count = program->reservations_count;
        undo->reservations_saved = true;
    }
    program->reservations = kept;
    program->reservations_count = kept_count;
    return MR_OK;
}

mr_status mr_program_clear(mr_program *program, mr_unit_pool *pool)
{
    static const mr_pages none;
    MR_TRY(mr_program_set_heap(program, &none));
    MR_TRY(mr_program_set_reservations(program, NULL, 0));
    mr_memory_clear(&program->memory, pool);
    return MR_OK;
}

void mr_program_accept(mr_program *program, mr_unit_pool *pool, mr_queued **gone)
{
    MR_ASSERT(program->undo != NULL);
    if (program->undo->heap_saved)
        mr_pages_fini(&program->undo->heap);
    if (program->undo->reservations_saved)
        free(program->undo->reservations);
    program->undo = NULL;
    mr_waitlist_accept(program, gone);
    mr_memory_accept(&program->memory, pool);
}

/* Memory and commitment become what they were before the block. */
static mr_status restore_units(mr_program *program, mr_unit_pool *pool)
{
    const mr_unit_change *changes;
    size_t count;
    MR_TRY(mr_memory_changes(&program->memory, pool, &changes, &count));
    uint32_t *units = malloc((count + 1) * sizeof *units);
    if (units == NULL)
        return MR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        units[i] = changes[i].unit;
    mr_memory_reject(&program->memory, pool);
    mr_status status = MR_OK;
    for (size_t i = 0; i < count && status == MR_OK; i++) {
        const uint8_t *bytes = mr_memory_own_unit(&program->memory, units[i]);
        mr_hash hash;
        if (bytes != NULL)
            hash = mr_unit_hash(bytes);
        status = mr_unit_tree_set(program->units, units[i], bytes == NULL ? NULL : &hash);
    }
    free(units);
    return status;
}

/* The store has them, too: they are read again when the program is run. Takes no memory. */
static void forget_units(mr_program *program, mr_unit_pool *pool)
{
    mr_memory_reject(&program->memory, pool);
    const uint32_t pages = mr_memory_pages(&program->memory);
    mr_memory_fini(&program->memory, pool);
    mr_memory_init(&program->memory, program->module->code);
    mr_status status = mr_memory_load_pages(&program->memory, pages);
    MR_ASSERT(status == MR_OK);
    mr_unit_tree_clear(program->units);
    program->memory_loaded = false;
}

void mr_program_reject(mr_program *program, mr_unit_pool *pool)
{
    const mr_program_undo *undo = program->undo;
    MR_ASSERT(undo != NULL && !undo->created);
    if (restore_units(program, pool) != MR_OK)
        forget_units(program, pool);
    if (program->undo->heap_saved) {
        mr_pages_fini(&program->heap);
        program->heap = undo->heap;
    }
    if (undo->status != MR_PROGRAM_EXITED) {
        free(program->inheritor);
        program->inheritor = NULL;
    }
    if (undo->reservations_saved) {
        free(program->reservations);
        program->reservations = undo->reservations;
        program->reservations_count = undo->reservations_count;
    }
    mr_waitlist_reject(program);
    program->waiting = undo->waiting;
    program->balance = undo->balance;
    program->status = undo->status;
    program->memory_root = undo->memory_root;
    program->undo = NULL;
}

/* Enters changed units into the commitment, their digests computed side by side. */
static mr_status commit_units(mr_unit_tree *tree, const mr_unit_change *changes, size_t count)
{
    enum { AT_ONCE = 32 };
    mr_hash hashes[AT_ONCE];
    const uint8_t *bytes[AT_ONCE];
    for (size_t first = 0; first < count; first += AT_ONCE) {
        const size_t end = count - first < AT_ONCE ? count : first + AT_ONCE;
        size_t present = 0;
        for (size_t i = first; i < end; i++) {
            if (changes[i].present)
                bytes[present++] = changes[i].bytes;
        }
        mr_hash_runs(bytes, MR_UNIT_BYTES, hashes, present);
        present = 0;
        for (size_t i = first; i < end; i++)
            MR_TRY(mr_unit_tree_set(tree, changes[i].unit,
                                    changes[i].present ? &hashes[present++] : NULL));
    }
    return MR_OK;
}

mr_status mr_program_seal(mr_program *program, mr_unit_pool *pool, const mr_unit_change **changes,
                          size_t *changes_count)
{
    *changes = NULL;
    *changes_count = 0;
    if (!program->memory_loaded)
        return MR_OK; /* touched, but never run: its memory is what it was */
    MR_TRY(mr_memory_changes(&program->memory, pool, changes, changes_count));
    MR_TRY(commit_units(program->units, *changes, *changes_count));
    if (*changes_count > 0)
        program->memory_root = mr_unit_tree_root(program->units);
    return MR_OK;
}

static void write_reservation(mr_writer *writer, const mr_reservation *reservation)
{
    mr_write_id(writer, &reservation->id);
    mr_write_id(writer, &reservation->payer);
    mr_write_leb(writer, reservation->amount);
    mr_write_u32(writer, reservation->start);
    mr_write_u32(writer, reservation->finish);
    mr_write_u64(writer, reservation->sequence);
}

mr_status mr_program_encode(const mr_program *program, mr_buffer *out)
{
    mr_writer writer = {.buffer = out};
    mr_write_u8(&writer, RECORD_VERSION);
    mr_write_u8(&writer, (uint8_t)program->status);
    mr_write_id(&writer, &program->module->id);
    mr_write_value(&writer, program->balance);
    mr_write_leb(&writer, mr_memory_pages(&program->memory));
    mr_write_leb(&writer, program->heap.count);
    for (uint32_t i = 0; i < program->heap.count; i++) {
        mr_write_leb(&writer, program->heap.ranges[i].first);
        mr_write_leb(&writer, program->heap.ranges[i].end);
    }
    mr_write_leb(&writer, program->waiting);
    mr_write_leb(&writer, program->reservations_count);
    for (uint32_t i = 0; i < program->reservations_count; i++)
        write_reservation(&writer, &program->reservations[i]);
    if (program->status == MR_PROGRAM_EXITED)
        mr_write_id(&writer, program->inheritor);
    mr_write_bytes(&writer, program->memory_root.bytes, sizeof program->memory_root.bytes);
    return writer.failed ? MR_NO_MEMORY : MR_OK;
}

static mr_reservation read_reservation(mr_reader *reader)
{
    mr_reservation reservation = {.id = mr_read_id(reader), .payer = mr_read_id(reader)};
    reservation.amount = mr_read_leb(reader);
    reservation.start = mr_read_u32(reader);
    reservation.finish = mr_read_u32(reader);
    reservation.sequence = mr_read_u64(reader);
    return reservation;
}

/* Each once: ascending by id, as they are kept. `most` is what the schedule allows. */
static mr_status decode_reservations(mr_reader *reader, uint64_t most, mr_reservation **out,
                                     uint32_t *out_count)
{
    enum { BYTES_MIN = 32 + 32 + 1 + 4 + 4 + 8 };
    const uint64_t count = mr_read_leb(reader);
    *out = NULL;
    *out_count = 0;
    if (count > most || count > (size_t)(reader->end - reader->at) / BYTES_MIN)
        return MR_CORRUPT;
    if (count == 0)
        return MR_OK;
    mr_reservation *all = malloc(count * sizeof *all);
    if (all == NULL)
        return MR_NO_MEMORY;
    for (uint64_t i = 0; i < count; i++) {
        all[i] = read_reservation(reader);
        if (all[i].start >= all[i].finish || all[i].amount > MR_GAS_MAX ||
            (i > 0 && by_id(&all[i - 1], &all[i]) >= 0)) {
            free(all);
            return MR_CORRUPT;
        }
    }
    *out = all;
    *out_count = (uint32_t)count;
    return MR_OK;
}

/* The heap lies behind the static pages, and memory ends with the last page of either. */
static mr_status decode_heap(mr_reader *reader, uint32_t static_pages, uint32_t pages,
                             mr_pages *heap)
{
    uint64_t count = mr_read_leb(reader);
    for (uint64_t i = 0; i < count && !reader->failed; i++) {
        uint64_t first = mr_read_leb(reader), end = mr_read_leb(reader);
        if (first >= end || end > pages || first < static_pages || first < mr_pages_end(heap))
            return MR_CORRUPT;
        MR_TRY(mr_pages_add(heap, (uint32_t)first, (uint32_t)end));
    }
    const bool ends_well =
        mr_pages_end(heap) == pages || (heap->count == 0 && pages == static_pages);
    return reader->failed || !ends_well ? MR_CORRUPT : MR_OK;
}

/* Fills the program from what follows the code id. */
static mr_status decode_rest(mr_program *program, uint64_t reservations_max, mr_reader *reader)
{
    program->balance = mr_read_value(reader);
    uint64_t pages = mr_read_leb(reader);
    const uint32_t static_pages = mr_code_static_pages(program->module->code);
    if (pages < static_pages || pages > MR_PAGES_MAX)
        return MR_CORRUPT;
    MR_TRY(mr_memory_load_pages(&program->memory, (uint32_t)pages));
    MR_TRY(decode_heap(reader, static_pages, (uint32_t)pages, &program->heap));
    program->waiting = program->waiting_stored = mr_read_leb(reader);
    MR_TRY(decode_reservations(reader, reservations_max, &program->reservations,
                               &program->reservations_count));
    if (program->status == MR_PROGRAM_EXITED) {
        program->inheritor = malloc(sizeof *program->inheritor);
        if (program->inheritor == NULL)
            return MR_NO_MEMORY;
        *program->inheritor = mr_read_id(reader);
    }
    mr_read_bytes(reader, program->memory_root.bytes, sizeof program->memory_root.bytes);
    return mr_reader_done(reader) ? MR_OK : MR_CORRUPT;
}

mr_status mr_program_decode(const mr_id *id, mr_span record, uint64_t reservations_max,
                            mr_codes *codes, mr_program **out)
{
    mr_reader reader = mr_reader_of(record);
    if (mr_read_u8(&reader) != RECORD_VERSION)
        return MR_CORRUPT;
    uint8_t status_byte = mr_read_u8(&reader);
    const mr_id code = mr_read_id(&reader);
    if (reader.failed || status_byte > MR_PROGRAM_TERMINATED)
        return MR_CORRUPT;
    mr_module *module;
    MR_TRY(mr_codes_find(codes, &code, &module));
    mr_program *program;
    MR_TRY(mr_program_new(id, module, &program));
    program->status = (mr_program_status)status_byte;
    program->memory_loaded = false;
    mr_status status = decode_rest(program, reservations_max, &reader);
    if (status != MR_OK) {
        mr_program_free(program, NULL);
        return status;
    }
    *out = program;
    return MR_OK;
}

mr_status mr_program_decode_reservations(mr_span record, uint64_t reservations_max,
                                         mr_reservation **out, uint32_t *count)
{
    mr_reader reader = mr_reader_of(record);
    if (mr_read_u8(&reader) != RECORD_VERSION)
        return MR_CORRUPT;
    (void)mr_read_u8(&reader);
    (void)mr_read_id(&reader);
    (void)mr_read_value(&reader);
    (void)mr_read_leb(&reader);
    for (uint64_t left = mr_read_leb(&reader); left > 0 && !reader.failed; left--) {
        (void)mr_read_leb(&reader);
        (void)mr_read_leb(&reader);
    }
    (void)mr_read_leb(&reader);
    return reader.failed ? MR_CORRUPT : decode_reservations(&reader, reservations_max, out, count);
}

bool mr_program_renew(mr_program *program, mr_span record)
{
    MR_ASSERT(program->undo == NULL);
    mr_buffer now = {0};
    const bool same =
        mr_program_encode(program, &now) == MR_OK && mr_span_equal(mr_buffer_span(&now), record);
    mr_buffer_fini(&now);
    if (!same)
        return false;
    mr_waitlist_free(program->waitlist);
    program->waitlist = NULL;
    program->waiting_stored = program->waiting;
    return true;
}

static mr_status load_unit(mr_program *program, mr_span key, mr_span value, mr_unit_pool *pool)
{
    if (key.size != MR_UNIT_KEY_BYTES || value.size != MR_UNIT_BYTES)
        return MR_CORRUPT;
    const uint32_t unit = mr_load_be32(key.data + sizeof(mr_id));
    MR_TRY(mr_memory_load_unit(&program->memory, pool, unit, value.data));
    const mr_hash hash = mr_unit_hash(value.data);
    return mr_unit_tree_set(program->units, unit, &hash);
}

mr_status mr_program_load_memory(mr_program *program, mr_store *store, uint32_t table,
                                 mr_unit_pool *pool)
{
    MR_ASSERT(!program->memory_loaded);
    mr_cursor *cursor;
    MR_TRY(mr_cursor_open(store, table, mr_id_span(&program->id), (mr_span){0}, &cursor));
    mr_status status;
    do {
        mr_span key, value;
        status = mr_cursor_next(cursor, &key, &value);
        if (status == MR_OK)
            status = load_unit(program, key, value, pool);
    } while (status == MR_OK);
    mr_cursor_close(cursor);
    if (status != MR_NOT_FOUND)
        return status;
    const mr_hash root = mr_unit_tree_root(program->units);
    if (!mr_hash_equal(&root, &program->memory_root))
        return MR_CORRUPT;
    program->memory_loaded = true;
    return MR_OK;
}
