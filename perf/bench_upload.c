/* SPDX-License-Identifier: Apache-2.0 */
/* How long after its upload does a module of some 50 KB run, and how long until it runs compiled?
 *
 * Sketch: checking and rewriting 50 KB takes WABT a few milliseconds, once, at the upload; the
 * first message then binds a fresh memory and interprets: well below 2 ms. A quick compiler needs
 * some 20 ns a byte of C, so 50 ms; a good one two seconds, in the background.
 *
 * Of a fresh engine in memory, tier `auto`: upload; init and first message, each a block; then
 * messages one a block, until it is compiled. How far that is the folder of compiled code tells:
 * each new shared object is one compiler's work. FOLDER must be empty. One JSON line; five turns,
 * medians.
 *
 * Usage: bench_upload FOLDER [MODULE_NAME [SECONDS]]; `large`, 20 s to wait at most */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "perf/harness.h"
#include "tools/guest/embedded.h"

enum { TURNS = 5 };

typedef struct turn {
    double upload_ms, init_ms, first_ms;
    double quick_ms, good_ms; /* since the upload began; 0: not in the time there was */
} turn;

/* Objects get this name when they are whole. */
static unsigned count_objects(const char *folder)
{
    DIR *directory = opendir(folder);
    unsigned count = 0;
    for (const struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        const size_t size = strlen(entry->d_name);
        count += size > 3 && strcmp(entry->d_name + size - 3, ".so") == 0;
    }
    if (directory != NULL)
        (void)closedir(directory);
    return count;
}

static turn measure(const char *folder, const char *module, double seconds_max)
{
    const mr_engine_options options = {
        .streams = 1, .tier = MR_ENGINE_AUTO, .native_directory = folder};
    turn result = {0};
    mr_error error = {0};
    mr_engine *engine;
    mr_harness_check(mr_engine_open(&options, &engine, &error), &error);
    const mr_span bytes = mr_embedded_find(module);
    const mr_id code = mr_id_of_code(bytes);
    const uint64_t number = 0;
    const mr_transaction upload = {.kind = MR_TRANSACTION_UPLOAD, .payload = bytes};
    const mr_transaction create = {.kind = MR_TRANSACTION_CREATE,
                                   .to = code,
                                   .salt = mr_span_of(&number, sizeof number),
                                   .gas_limit = MR_HARNESS_GAS};
    const mr_transaction message = {.kind = MR_TRANSACTION_SEND,
                                    .to = mr_harness_program(&code, 0),
                                    .gas_limit = MR_HARNESS_GAS};
    const uint64_t begin_ns = mr_clock_ns();
    result.upload_ms = (double)mr_harness_run(engine, &upload, 1, MR_COMMIT_PIPELINED) / 1e6;
    result.init_ms = (double)mr_harness_run(engine, &create, 1, MR_COMMIT_PIPELINED) / 1e6;
    result.first_ms = (double)mr_harness_run(engine, &message, 1, MR_COMMIT_PIPELINED) / 1e6;
    while (result.good_ms == 0) {
        const double since_ms = (double)(mr_clock_ns() - begin_ns) / 1e6;
        const unsigned objects = count_objects(folder);
        if (objects >= 1 && result.quick_ms == 0)
            result.quick_ms = since_ms;
        if (objects >= 2)
            result.good_ms = since_ms;
        if (since_ms > seconds_max * 1000)
            break;
        (void)mr_harness_run(engine, &message, 1, MR_COMMIT_PIPELINED);
    }
    mr_harness_check(mr_engine_close(engine, &error), &error);
    return result;
}

static double median(const turn *turns, size_t offset)
{
    double values[TURNS];
    for (size_t i = 0; i < TURNS; i++)
        memcpy(&values[i], (const char *)&turns[i] + offset, sizeof values[i]);
    return mr_harness_percentile(values, TURNS, 0.5);
}

int main(int argc, char **argv)
{
    const char *module = argc > 2 ? argv[2] : "large";
    const double seconds_max = argc > 3 ? strtod(argv[3], NULL) : 20;
    if (argc < 2 || mr_embedded_find(module).size == 0) {
        (void)fprintf(stderr, "usage: bench_upload FOLDER [MODULE_NAME [SECONDS]]\n");
        return 2;
    }
    turn turns[TURNS];
    for (size_t i = 0; i < TURNS; i++) {
        char folder[4096];
        (void)snprintf(folder, sizeof folder, "%s/%zu", argv[1], i);
        if (count_objects(folder) > 0) {
            (void)fprintf(stderr, "bench_upload: %s is not empty\n", argv[1]);
            return 2;
        }
        turns[i] = measure(folder, module, seconds_max);
    }
    (void)printf("{\"question\": \"upload\", \"module\": \"%s\", \"bytes\": %zu, \"upload_ms\": "
                 "%.2f, \"init_ms\": %.2f, \"first_message_ms\": %.2f, \"compiled_ms\": %.0f, "
                 "\"compiled_well_ms\": %.0f}\n",
                 module, mr_embedded_find(module).size, median(turns, offsetof(turn, upload_ms)),
                 median(turns, offsetof(turn, init_ms)), median(turns, offsetof(turn, first_ms)),
                 median(turns, offsetof(turn, quick_ms)), median(turns, offsetof(turn, good_ms)));
    return 0;
}
