/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=race timeout=120
 * Goal: views on other threads see whole committed blocks, never what is being executed, discarded,
 * dropped from memory or written, and nothing of them shows in the blocks.
 * Method: an engine that keeps nothing loaded makes blocks in which messages wait and programs are
 * made and exit, and discards every other one first; meanwhile threads read, estimate, and run
 * blocks on views of their own. The blocks are those of an engine that nobody looks at. */
#include "tests/engine/actor.h"

#include <pthread.h>
#include <stdatomic.h>

enum { BLOCKS = 40, READERS = 3, COUNT = 0x2000, TWICE = 0x2008 };

typedef struct world {
    fixture f;
    mr_id code, actor;
    _Atomic bool done;
    _Atomic uint64_t looks;
} world;

/* Counts twice, makes a program that exits when it is told so, and waits for a block. */
static script busy_script(const world *w)
{
    script s = script_new(), leave = script_new();
    const mr_id heir = mr_id_of_name("bob");
    STEP(&leave, "gr_wait_for", 2);
    STEP(&leave, "gr_exit", script_data(&leave, &heir, 32));
    STEP(&s, "count", COUNT);
    STEP(&s, "count", TWICE);
    STEP(&s, "gr_create_program_wgas", script_to(&s, &w->code, 0), 0, 0, script_script(&s, &leave),
         script_span(&leave).size, 300000000, 0, 0x1000);
    STEP(&s, "gr_reserve_gas", 1000000, 2, 0x1100);
    STEP(&s, "gr_wait_for", 1);
    return s;
}

/* Asserts off the main thread, where the test cannot be left. */
static void must(bool holds, const mr_error *error)
{
    if (holds)
        return;
    (void)fprintf(stderr, "a view is not what it should be: %s\n", error->text);
    abort();
}

/* Both counters are written by the same dispatch. */
static void look(world *w, mr_engine *view, mr_view_kind kind, unsigned n)
{
    uint64_t counts[2];
    mr_error error = {0};
    must(mr_engine_memory(view, &w->actor, COUNT, counts, sizeof counts) == MR_OK, &error);
    must(counts[0] == counts[1], &error);
    const script s = busy_script(w);
    const mr_block_params params = {.timestamp_ms = 1000};
    const mr_transaction send = {.kind = MR_TRANSACTION_SEND,
                                 .from = mr_id_of_name("alice"),
                                 .to = w->actor,
                                 .payload = script_span(&s),
                                 .gas_limit = PLENTY};
    if (kind == MR_VIEW_WHOLE) {
        mr_block *block;
        must(mr_block_execute(view, &params, &send, 1, &block, &error) == MR_OK, &error);
        mr_block_discard(block);
    } else if (n % 8 == 0) {
        mr_estimate out;
        must(mr_view_estimate(view, &params, &send, PLENTY, 2, &out, &error) == MR_OK, &error);
    }
}

static void *read_on(void *arg)
{
    world *w = arg;
    mr_error error = {0};
    unsigned n = (unsigned)atomic_fetch_add(&w->looks, 1);
    while (!atomic_load(&w->done)) {
        const mr_view_kind kind = n % 2 == 0 ? MR_VIEW_WHOLE : MR_VIEW_ALONE;
        mr_engine *view;
        must(mr_view_open(w->f.engine, kind, &view, &error) == MR_OK, &error);
        for (unsigned i = 0; i < 20 && !atomic_load(&w->done); i++, n++) {
            look(w, view, kind, n);
            must(mr_view_refresh(view, &error) == MR_OK, &error);
            (void)atomic_fetch_add(&w->looks, 1);
        }
        must(mr_engine_close(view, NULL) == MR_OK, &error);
    }
    return NULL;
}

static void open_world(world *w, uint32_t streams)
{
    *w = (world){0};
    const mr_engine_options options = {
        .streams = streams, .loaded_bytes_max = 1, .live_bytes_max = 1};
    fixture_open(&w->f, &options);
    w->code = actor_upload(&w->f, ACTOR_ENTRIES);
    w->actor = fixture_create(&w->f, &w->code, (mr_span){0});
}

static mr_block_info run_blocks(world *w, bool discarding)
{
    const script s = busy_script(w);
    for (unsigned b = 0; b < BLOCKS; b++) {
        const mr_transaction sends[] = {fixture_send_of(&w->f, &w->actor, script_span(&s)),
                                        fixture_send_of(&w->f, &w->actor, script_span(&s))};
        if (discarding && b % 2 == 0)
            mr_block_discard(fixture_execute(&w->f, sends, 2));
        fixture_run(&w->f, sends, 2);
    }
    return fixture_info(&w->f);
}

static void views_on_other_threads_see_whole_blocks_and_change_none(void **unused)
{
    (void)unused;
    world plain, seen;
    open_world(&plain, 1);
    const mr_block_info expected = run_blocks(&plain, false);
    fixture_close(&plain.f);
    open_world(&seen, 3);
    pthread_t readers[READERS];
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &seen), 0);
    const mr_block_info info = run_blocks(&seen, true);
    atomic_store(&seen.done, true);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    assert_true(atomic_load(&seen.looks) > READERS);
    assert_memory_equal(&info, &expected, sizeof info);
    fixture_close(&seen.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_on_other_threads_see_whole_blocks_and_change_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
