/* SPDX-License-Identifier: Apache-2.0 */
/* bench_store: what does a durable change cost its caller and the committer, what does reading cost
 * while it is in flight and after, and what do snapshots cost themselves and others?
 *
 * Expected: putting a record into a batch costs copying it, 20 ns and 10 GB/s; a submit 30 ns a
 * record, whatever its size; the committer 1 to 2 us a record of 36 + 256 bytes, most of it
 * RocksDB's sorted memory tables; a get from the layer two cache misses, 200 ns, from the backend
 * 1 to 5 us; opening a cursor over one program 2 to 5 us. A snapshot
 * 0.1 us in memory, 0.2 us of RocksDB, whatever the store holds; reading it as reading the store; a
 * change costs no more beside one that moves on with each change, and in memory up to a half more
 * while one is held for long, since what became of its keys is freed apart.
 *
 * usage: bench_store [directory [units]]    (default: below TMPDIR, 100,000 and 2,000,000;
 *                                            directory - leaves RocksDB out) */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "storage/store.h"

enum {
    ID_BYTES = 32,
    KEY_BYTES = 36,
    UNIT_BYTES = 256,
    UNITS = 8,
    LARGE_UNITS = 2000, /* of a large program; one in LARGE_SPACING changes */
    LARGE_SPACING = 10,
    CHANGED = 100000,
    ROUNDS = 9,
    READS = 20000
};

static uint64_t random_state = 1;
static uint64_t units_each = UNITS; /* of a program */

static uint64_t mix(uint64_t bits)
{
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

static uint64_t next_random(void)
{
    return mix(random_state += 0x9e3779b97f4a7c15u);
}

static void need(mr_status status, const mr_error *error)
{
    if (status == MR_OK)
        return;
    fprintf(stderr, "bench_store: %s %s\n", mr_status_text(status),
            error != NULL ? error->text : "");
    exit(1);
}

/* The key of unit `number` % units_each of program `number` / units_each. */
static mr_span key_of(uint64_t number, uint8_t *key)
{
    for (size_t i = 0; i < ID_BYTES; i += 8)
        mr_store_le64(key + i, mix((number / units_each + 1) * 0x9e3779b97f4a7c15u + i));
    mr_store_be32(key + ID_BYTES, (uint32_t)(number % units_each));
    return mr_span_of(key, KEY_BYTES);
}

/* Half of a value is noise, as digests are, and half of it is clear, as most memory is. */
static void fill_value(uint8_t *value, size_t size)
{
    memset(value, 0, size);
    for (size_t i = 0; i + 8 <= size / 2; i += 8)
        mr_store_le64(value + i, next_random());
}

static int by_number(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The best and the middle of the samples: on a machine that does other things as well the first
 * tells more. */
static void report(const char *what, double *samples)
{
    qsort(samples, ROUNDS, sizeof *samples, by_number);
    printf(", \"%s\": %.0f, \"%s_median\": %.0f", what, samples[0], what, samples[ROUNDS / 2]);
}

static mr_store *open_store(const char *path)
{
    static const char *const tables[] = {"unit", "chunk"};
    const mr_store_options options = {
        .path = path, .tables = tables, .tables_count = 2, .create = true};
    mr_store *store;
    mr_error error = {0};
    need(mr_store_open(&options, &store, &error), &error);
    return store;
}

/* A random choice of `count` of 0 .. units - 1 without repetition, as long as there are enough: a
 * stride that shares no factor with the usual counts. */
static void choose(uint64_t *out, size_t count, uint64_t units)
{
    uint64_t start = next_random();
    for (size_t i = 0; i < count; i++)
        out[i] = (start % units + i * 7919) % units;
}

/* The same of large programs: random units of each, in order, as a block leaves them. */
static void choose_of_large(uint64_t *out, size_t count, uint64_t units)
{
    const uint64_t programs = units / LARGE_UNITS, each = LARGE_UNITS / LARGE_SPACING;
    const uint64_t start = next_random() % programs;
    for (size_t i = 0; i < count; i++)
        out[i] = (start + i / each * 7919) % programs * LARGE_UNITS + i % each * LARGE_SPACING +
                 next_random() % LARGE_SPACING;
}

/* Of all threads of this process. */
static uint64_t processor_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void submit(mr_store *store, mr_batch *batch)
{
    mr_error error = {0};
    need(mr_store_submit(store, &batch, 1, &error), &error);
}

static void wait(mr_store *store)
{
    mr_error error = {0};
    need(mr_store_wait(store, &error), &error);
}

/* Puts `units` units that nothing else touches, in changes of 100,000. */
static void load(mr_store *store, mr_batch *batch, uint64_t units)
{
    uint8_t key[KEY_BYTES], value[UNIT_BYTES];
    for (uint64_t i = 0; i < units; i++) {
        fill_value(value, sizeof value);
        need(mr_batch_put(batch, 0, key_of(i, key), mr_span_of(value, sizeof value)), NULL);
        if (i % CHANGED == CHANGED - 1 || i + 1 == units)
            submit(store, batch);
    }
    wait(store);
}

static double read_all(mr_store *store, const uint64_t *numbers, mr_status expected)
{
    uint8_t key[KEY_BYTES];
    mr_buffer found = {0};
    uint64_t start = mr_clock_ns();
    for (size_t i = 0; i < READS; i++) {
        found.size = 0;
        if (mr_store_get(store, 0, key_of(numbers[i], key), &found) != expected)
            need(MR_CORRUPT, NULL);
    }
    double ns = (double)(mr_clock_ns() - start) / READS;
    mr_buffer_fini(&found);
    return ns;
}

/* Walks the units of `count` programs. */
static double walk(mr_store *store, const uint64_t *numbers, size_t count)
{
    uint8_t key_bytes[KEY_BYTES];
    uint64_t start = mr_clock_ns();
    for (size_t i = 0; i < count; i++) {
        mr_span id = key_of(numbers[i], key_bytes);
        id.size = ID_BYTES;
        mr_cursor *cursor;
        need(mr_cursor_open(store, 0, id, (mr_span){0}, &cursor), NULL);
        mr_span key, value;
        size_t found = 0;
        while (mr_cursor_next(cursor, &key, &value) == MR_OK)
            found++;
        mr_cursor_close(cursor);
        if (found != UNITS)
            need(MR_CORRUPT, NULL);
    }
    return (double)(mr_clock_ns() - start) / (double)count;
}

/* Changes of `records` values of `value_bytes` bytes each, in a store of `units` units. */
static void bench_changes(mr_store *store, const char *kind, uint64_t units, size_t records,
                          size_t value_bytes)
{
    double put[ROUNDS], submitted[ROUNDS], durable[ROUNDS], processor[ROUNDS];
    mr_batch *batch = mr_batch_new(store);
    uint8_t key[KEY_BYTES];
    uint8_t *value = malloc(value_bytes);
    fill_value(value, value_bytes);
    static uint64_t numbers[CHANGED];
    for (size_t round = 0; round < ROUNDS; round++) {
        if (units_each == UNITS)
            choose(numbers, records, units);
        else
            choose_of_large(numbers, records, units);
        uint64_t t0 = mr_clock_ns();
        for (size_t i = 0; i < records; i++)
            need(mr_batch_put(batch, value_bytes > UNIT_BYTES, key_of(numbers[i], key),
                              mr_span_of(value, value_bytes)),
                 NULL);
        uint64_t t1 = mr_clock_ns();
        submit(store, batch);
        uint64_t t2 = mr_clock_ns(), used = processor_ns();
        wait(store);
        uint64_t t3 = mr_clock_ns();
        processor[round] = (double)(processor_ns() - used) / (double)records;
        put[round] = (double)(t1 - t0) / (double)records;
        submitted[round] = (double)(t2 - t1) / (double)records;
        durable[round] = (double)(t3 - t2) / (double)records;
    }
    printf("{\"bench\": \"store_change\", \"store\": \"%s\", \"units\": %llu, "
           "\"units_of_a_program\": %llu, \"records\": %zu, \"value_bytes\": %zu",
           kind, (unsigned long long)units, (unsigned long long)units_each, records, value_bytes);
    report("put_ns", put);
    report("submit_ns", submitted);
    report("durable_ns", durable);
    report("durable_processor_ns", processor);
    printf("}\n");
    free(value);
    mr_batch_free(batch);
}

static void bench_reads(mr_store *store, const char *kind, uint64_t units)
{
    static uint64_t changed[CHANGED], there[READS], absent[READS];
    double layer[ROUNDS], backend[ROUNDS], none[ROUNDS];
    double sorting[ROUNDS], walk_layer[ROUNDS], walk_backend[ROUNDS];
    mr_batch *batch = mr_batch_new(store);
    uint8_t key[KEY_BYTES], value[UNIT_BYTES] = {0};
    for (size_t round = 0; round < ROUNDS; round++) {
        choose(changed, CHANGED, units);
        for (size_t i = 0; i < CHANGED; i++)
            need(mr_batch_put(batch, 0, key_of(changed[i], key), mr_span_of(value, sizeof value)),
                 NULL);
        for (size_t i = 0; i < READS; i++) {
            there[i] = next_random() % units;
            absent[i] = units + next_random() % units;
        }
        submit(store, batch);
        layer[round] = read_all(store, changed, MR_OK);
        sorting[round] = walk(store, changed, 1);
        walk_layer[round] = walk(store, changed, READS / 10);
        wait(store);
        backend[round] = read_all(store, there, MR_OK);
        none[round] = read_all(store, absent, MR_NOT_FOUND);
        walk_backend[round] = walk(store, there, READS / 10);
    }
    printf("{\"bench\": \"store_read\", \"store\": \"%s\", \"units\": %llu", kind,
           (unsigned long long)units);
    report("get_in_flight_ns", layer);
    report("get_ns", backend);
    report("get_absent_ns", none);
    report("first_cursor_in_flight_ns", sorting);
    report("cursor_in_flight_ns", walk_layer);
    report("cursor_ns", walk_backend);
    printf("}\n");
    mr_batch_free(batch);
}

static mr_snapshot *snapshot_of(mr_store *store)
{
    mr_snapshot *snapshot = NULL;
    need(mr_store_snapshot(store, &snapshot), NULL);
    return snapshot;
}

/* A change of CHANGED units, until it is durable. */
static double change_all(mr_store *store, mr_batch *batch, uint64_t units)
{
    static uint64_t numbers[CHANGED];
    uint8_t key[KEY_BYTES], value[UNIT_BYTES] = {0};
    choose(numbers, CHANGED, units);
    for (size_t i = 0; i < CHANGED; i++)
        need(mr_batch_put(batch, 0, key_of(numbers[i], key), mr_span_of(value, sizeof value)),
             NULL);
    uint64_t start = mr_clock_ns();
    submit(store, batch);
    wait(store);
    return (double)(mr_clock_ns() - start) / CHANGED;
}

/* One snapshot is held from the beginning, another one moves on with each change. */
static void bench_snapshots(mr_store *store, const char *kind, uint64_t units)
{
    static uint64_t there[READS];
    double take[ROUNDS], view[ROUNDS], get[ROUNDS], walked[ROUNDS];
    double alone[ROUNDS], moving[ROUNDS], held[ROUNDS];
    mr_batch *batch = mr_batch_new(store);
    for (size_t round = 0; round < ROUNDS; round++)
        alone[round] = change_all(store, batch, units);
    mr_snapshot *first = snapshot_of(store);
    mr_store *old, *moved;
    need(mr_store_open_view(first, &old), NULL);
    need(mr_store_open_view(first, &moved), NULL);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < READS; i++)
            there[i] = next_random() % units;
        uint64_t t0 = mr_clock_ns();
        for (size_t i = 0; i < READS; i++)
            mr_snapshot_put(snapshot_of(store));
        uint64_t t1 = mr_clock_ns();
        for (size_t i = 0; i < READS; i++) {
            mr_store *opened;
            need(mr_store_open_view(first, &opened), NULL);
            mr_store_close(opened);
        }
        take[round] = (double)(t1 - t0) / READS;
        view[round] = (double)(mr_clock_ns() - t1) / READS;
        get[round] = read_all(old, there, MR_OK);
        walked[round] = walk(old, there, READS / 10);
        held[round] = change_all(store, batch, units);
        mr_snapshot *next = snapshot_of(store);
        mr_store_view_move(moved, next);
        mr_snapshot_put(next);
    }
    mr_store_close(old);
    mr_snapshot_put(first);
    for (size_t round = 0; round < ROUNDS; round++) {
        moving[round] = change_all(store, batch, units);
        mr_snapshot *next = snapshot_of(store);
        mr_store_view_move(moved, next);
        mr_snapshot_put(next);
    }
    mr_store_close(moved);
    printf("{\"bench\": \"store_snapshot\", \"store\": \"%s\", \"units\": %llu", kind,
           (unsigned long long)units);
    report("take_ns", take);
    report("view_ns", view);
    report("get_ns", get);
    report("cursor_ns", walked);
    report("change_alone_ns", alone);
    report("change_beside_one_that_moves_ns", moving);
    report("change_beside_one_held_for_long_ns", held);
    printf("}\n");
    mr_batch_free(batch);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

/* A block's change of large programs, in a store that has nothing else. */
static void bench_large(const char *path, const char *kind, uint64_t units)
{
    if (units < LARGE_UNITS)
        return;
    units_each = LARGE_UNITS;
    mr_store *store = open_store(path);
    mr_batch *batch = mr_batch_new(store);
    load(store, batch, units / LARGE_UNITS * LARGE_UNITS);
    mr_batch_free(batch);
    bench_changes(store, kind, units, CHANGED, UNIT_BYTES);
    mr_store_close(store);
    units_each = UNITS;
    if (path != NULL)
        (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void bench_store(const char *path, const char *kind, uint64_t units)
{
    mr_store *store = open_store(path);
    mr_batch *batch = mr_batch_new(store);
    uint64_t start = mr_clock_ns();
    load(store, batch, units);
    printf("{\"bench\": \"store_load\", \"store\": \"%s\", \"units\": %llu, \"unit_ns\": %.0f}\n",
           kind, (unsigned long long)units, (double)(mr_clock_ns() - start) / (double)units);
    mr_batch_free(batch);
    bench_changes(store, kind, units, 1, UNIT_BYTES);
    bench_changes(store, kind, units, 1000, UNIT_BYTES);
    bench_changes(store, kind, units, 100000, UNIT_BYTES);
    bench_changes(store, kind, units, 100000, 32);
    bench_changes(store, kind, units, 100, 100000);
    bench_reads(store, kind, units);
    bench_snapshots(store, kind, units);
    start = mr_clock_ns();
    mr_store_close(store);
    if (path == NULL)
        return;
    uint64_t closed = mr_clock_ns();
    mr_store_close(open_store(path));
    printf("{\"bench\": \"store_open\", \"units\": %llu, \"close_ms\": %.1f, \"open_ms\": %.1f}\n",
           (unsigned long long)units, (double)(closed - start) / 1e6,
           (double)(mr_clock_ns() - closed) / 1e6);
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int main(int argc, char **argv)
{
    const char *parent = argc > 1 ? argv[1] : getenv("TMPDIR");
    char path[4096];
    int used =
        snprintf(path, sizeof path, "%s/bench_store-XXXXXX", parent != NULL ? parent : "/tmp");
    uint64_t sizes[] = {100000, 2000000};
    size_t sizes_count = argc > 2 ? 1 : 2;
    if (argc > 2)
        sizes[0] = strtoull(argv[2], NULL, 10);
    for (size_t i = 0; i < sizes_count; i++) {
        bench_large(NULL, "memory", sizes[i]);
        bench_store(NULL, "memory", sizes[i]);
        if (parent != NULL && strcmp(parent, "-") == 0)
            continue;
        (void)snprintf(path + used - 6, 7, "XXXXXX");
        if (mkdtemp(path) == NULL) {
            perror(path);
            return 1;
        }
        bench_large(path, "rocksdb", sizes[i]);
        bench_store(path, "rocksdb", sizes[i]);
    }
    return 0;
}
