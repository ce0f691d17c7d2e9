/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=600
 * Goal: what is on the disk is the state: an engine opened anew goes on as if nothing had been.
 * Method: histories over RocksDB, the database closed and opened after every block; some with other
 * candidates executed and discarded before each. Compared with the reference as in test_serial.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "tests/model/play.h"
#include "tests/model/random.h"

enum { CASES = 12 };

static void run_case(uint64_t seed, uint64_t index)
{
    static const uint32_t streams_counts[] = {1, 2, 3, 8};
    const mr_history_wishes wishes = {0};
    mr_history *history = mr_history_new(mr_random_part(seed, index), &wishes);
    char directory[256], path[300];
    mr_play_directory(directory, sizeof directory);
    (void)snprintf(path, sizeof path, "%s/db", directory);
    const mr_play play = {
        .streams = streams_counts[index % 4],
        .path = path,
        .discards = index % 3 == 1,
        .reopens = true,
        .replays = true,
        .live_bytes_max = index % 2 == 0 ? 1 << 20 : 0,
        .perturb = mr_play_perturb(mr_random_part(seed + 1, index)),
    };
    mr_difference difference;
    size_t block;
    const bool same = mr_play_history(history, &play, &block, &difference);
    if (!same) {
        printf("MR_SEED=%llu MR_CASE=%llu, %u streams, block %zu: %s\n", (unsigned long long)seed,
               (unsigned long long)index, play.streams, block + 1, difference.text);
        mr_play_shrink(history, &play, block);
    }
    mr_play_remove(directory);
    mr_history_free(history);
    assert_true(same);
}

static void a_database_opened_after_every_block_goes_on_as_before(void **state)
{
    (void)state;
    const uint64_t seed = mr_play_seed();
    const uint64_t cases = mr_play_number("MR_CASES", CASES);
    const uint64_t only = mr_play_number("MR_CASE", UINT64_MAX);
    printf("MR_SEED=%llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < cases; i++) {
        if (only == UINT64_MAX || only == i)
            run_case(seed, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_database_opened_after_every_block_goes_on_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
