/* SPDX-License-Identifier: Apache-2.0 */
/* bench_compute: how much slower is a compiled and metered program than native C of the same
 * source?
 *
 * Sketch: a step of `compute` is 43 instructions in C. Metered there are a charge, a few
 * comparisons and the marks of what it writes, 55 in all, in a chain from load to load that is
 * hardly longer: 1.1 to 1.4 times the time.
 *
 * tools/guest/examples/compute.c runs twice: as the program of the engine, compiled to WebAssembly,
 * rewritten and compiled again (tier `native`, one stream), and compiled by our own compiler with
 * -O2, its host functions being those below. Both get the same messages, of FEW steps each or of
 * MANY, in turn. What is compared is the time of a step: of a message with MANY less that of one
 * with FEW, so that queue, hashing, binding and commit drop out of the one, and the call out of the
 * other. Times are the best of the turns, so that other work on the machine shows least. In the end
 * both must have the same state. One JSON line.
 *
 * Usage: bench_compute [MESSAGES]; of a block, 200 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "perf/harness.h"
#include "tools/guest/embedded.h"
#include "tools/guest/gear.h"

enum { TURNS = 41, FEW = 200, MANY = 10200, REPLY_BYTES = 32 };
#define GAS (UINT64_C(1) << 40) /* of MANY steps */

/* ---- The same source, natively: its entries, and the host functions that they call ---- */

GEAR_INIT;
GEAR_HANDLE;

static mr_span native_payload;
static uint8_t native_reply[REPLY_BYTES];

void gr_size(uint32_t *bytes)
{
    *bytes = (uint32_t)native_payload.size;
}

void gr_read(uint32_t at, uint32_t size, void *buffer, uint32_t *error)
{
    memcpy(buffer, native_payload.data + at, size);
    *error = GEAR_OK;
}

void gr_reply(const void *payload, uint32_t size, const gear_value *value,
              gr_error_with_hash *result)
{
    (void)value;
    memcpy(native_reply, payload, size < REPLY_BYTES ? size : REPLY_BYTES);
    result->error = GEAR_OK;
}

uint32_t alloc(uint32_t pages)
{
    const size_t bytes = (size_t)pages * GEAR_PAGE_BYTES;
    void *memory = aligned_alloc(GEAR_PAGE_BYTES, bytes);
    if (memory == NULL)
        mr_harness_check(MR_NO_MEMORY, NULL);
    memset(memory, 0, bytes);
    return (uint32_t)((uintptr_t)memory / GEAR_PAGE_BYTES);
}

_Noreturn void gr_panic(const void *text, uint32_t size)
{
    (void)fprintf(stderr, "bench_compute: %.*s\n", (int)size, (const char *)text);
    exit(1);
}

_Noreturn void gr_oom_panic(void)
{
    mr_harness_check(MR_NO_MEMORY, NULL);
    abort();
}

static uint64_t native_run(const mr_transaction *messages, size_t count)
{
    const uint64_t begin_ns = mr_clock_ns();
    for (size_t i = 0; i < count; i++) {
        native_payload = messages[i].payload;
        handle();
    }
    return mr_clock_ns() - begin_ns;
}

/* ---- */

/* Runs one more message on both, whose replies must be the same: they are most of the state. */
static void compare(mr_engine *engine, const mr_transaction *message)
{
    const mr_block_params params = {0};
    mr_error error = {0};
    mr_block *block;
    mr_user_message reply = {0};
    mr_harness_check(mr_block_execute(engine, &params, message, 1, &block, &error), &error);
    (void)native_run(message, 1);
    if (!mr_block_user_message(block, 0, &reply) || reply.payload.size != REPLY_BYTES ||
        memcmp(reply.payload.data, native_reply, REPLY_BYTES) != 0) {
        (void)fprintf(stderr, "bench_compute: the program's state is not that of native C\n");
        exit(1);
    }
    mr_block_discard(block);
}

int main(int argc, char **argv)
{
    const size_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 200;
    if (count == 0) {
        (void)fprintf(stderr, "usage: bench_compute [MESSAGES]\n");
        return 2;
    }
    const mr_engine_options options = {.streams = 1, .tier = MR_ENGINE_NATIVE};
    static const uint32_t steps[] = {FEW, MANY};
    mr_transaction *messages[2];
    uint64_t best_ns[2] = {UINT64_MAX, UINT64_MAX}, native_best_ns[2] = {UINT64_MAX, UINT64_MAX};
    mr_error error = {0};
    mr_engine *engine;
    mr_harness_check(mr_engine_open(&options, &engine, &error), &error);
    mr_harness_deploy(engine, "compute", 1);
    init();
    for (size_t k = 0; k < 2; k++) {
        messages[k] = mr_harness_messages("compute", 1, count);
        for (size_t i = 0; i < count; i++) {
            messages[k][i].payload = mr_span_of(&steps[k], sizeof steps[k]);
            messages[k][i].gas_limit = GAS;
        }
        /* Once before anything is measured. */
        (void)mr_harness_run(engine, messages[k], count, MR_COMMIT_PIPELINED);
        (void)native_run(messages[k], count);
    }
    for (size_t turn = 0; turn < TURNS; turn++) {
        for (size_t k = 0; k < 2; k++) {
            const uint64_t ns = mr_harness_run(engine, messages[k], count, MR_COMMIT_PIPELINED);
            const uint64_t native_ns = native_run(messages[k], count);
            best_ns[k] = ns < best_ns[k] ? ns : best_ns[k];
            native_best_ns[k] = native_ns < native_best_ns[k] ? native_ns : native_best_ns[k];
        }
    }
    const double steps_each = (double)count * (MANY - FEW);
    const double step_ns = ((double)best_ns[1] - (double)best_ns[0]) / steps_each;
    const double native_step_ns =
        ((double)native_best_ns[1] - (double)native_best_ns[0]) / steps_each;
    compare(engine, &messages[0][0]);
    (void)printf("{\"question\": \"compute\", \"messages\": %zu, \"step_ns\": %.3f, "
                 "\"native_step_ns\": %.3f, \"ratio\": %.3f}\n",
                 count, step_ns, native_step_ns, step_ns / native_step_ns);
    for (size_t k = 0; k < 2; k++)
        free(messages[k]);
    mr_harness_check(mr_engine_close(engine, &error), &error);
    return 0;
}
