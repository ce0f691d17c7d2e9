/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=race timeout=120
 * Views beside blocks, on threads of their own.
 *
 * Goal: whatever the engine does meanwhile, a view shows one block whole. Method: every block sends
 * one message to each of some counters, and every second candidate is discarded first; readers
 * refresh, ask all counters and compare: they must agree with each other, and never go back. Some
 * try messages out and estimate as well, which must show their own view and no other. Made for the
 * thread sanitizer. */
#include "tests/engine/fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { COUNTERS = 8, READERS = 3, BLOCKS = 60, LOADED_BYTES = 20000 };

/* Counts; a message of one byte waits a block first; state tells the count. */
static const char counter[] =
    "(module (import \"env\" \"memory\" (memory 1))\n"
    "(import \"env\" \"gr_size\" (func $size (param i32)))\n"
    "(import \"env\" \"gr_reply\" (func $reply (param i32 i32 i32 i32)))\n"
    "(import \"env\" \"gr_wait_for\" (func $wait (param i32)))\n"
    "(func (export \"handle\") (call $size (i32.const 16))\n"
    "(if (i32.and (i32.load (i32.const 16)) (i32.eqz (i32.load (i32.const 8))))\n"
    "(then (i32.store (i32.const 8) (i32.const 1)) (call $wait (i32.const 1))))\n"
    "(if (i32.load (i32.const 16)) (then (i32.store (i32.const 8) (i32.const 0)) (return)))\n"
    "(i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))\n"
    "(call $reply (i32.const 0) (i32.const 4) (i32.const -1) (i32.const 48)))\n"
    "(func (export \"state\")\n"
    "(call $reply (i32.const 0) (i32.const 4) (i32.const -1) (i32.const 48))))\n";

typedef struct race {
    fixture f;
    mr_id counters[COUNTERS];
    _Atomic bool over;
    _Atomic unsigned rounds; /* of readers, all together */
    _Atomic unsigned wrong;
} race;

/* Asserting is for the main thread: here what is wrong is counted. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                  \
            atomic_fetch_add(&r->wrong, 1);                                                        \
        }                                                                                          \
    } while (0)

static uint32_t count_of(race *r, mr_engine *view, size_t i)
{
    const mr_reading reading = {.program = r->counters[i], .entry = "state", .gas_limit = PLENTY};
    mr_answer answer = {0};
    mr_error error = {0};
    EXPECT(mr_engine_read(view, &reading, &answer, &error) == MR_OK);
    EXPECT(answer.outcome == MR_OUTCOME_OK && answer.payload.size == 4);
    return answer.payload.size == 4 ? mr_load_le32(answer.payload.data) : 0;
}

/* A message tried out on the view is told the view's count and one more. */
static void try_out(race *r, mr_engine *view, uint32_t count)
{
    const mr_transaction send = fixture_send_of(&r->f, &r->counters[0], (mr_span){0});
    const mr_block_params params = {.timestamp_ms = 1};
    mr_error error = {0};
    mr_block *block;
    EXPECT(mr_block_execute(view, &params, &send, 1, &block, &error) == MR_OK);
    mr_user_message told = {0};
    EXPECT(mr_block_user_message(block, 0, &told) && told.payload.size == 4);
    EXPECT(told.payload.size == 4 && mr_load_le32(told.payload.data) == count + 1);
    mr_block_discard(block);
}

static void estimate(race *r, mr_engine *view)
{
    const uint8_t waits = 1;
    const mr_transaction send =
        fixture_send_of(&r->f, &r->counters[1], mr_span_of(&waits, sizeof waits));
    const mr_block_params params = {.timestamp_ms = 1};
    mr_error error = {0};
    mr_estimate found = {0};
    EXPECT(mr_view_estimate(view, &params, &send, 0, 0, &found, &error) == MR_OK);
    EXPECT(found.succeeds && found.blocks == 2);
}

typedef struct reader {
    race *r;
    unsigned number;
} reader;

static void *read_on(void *arg)
{
    const reader *self = arg;
    race *r = self->r;
    mr_error error = {0};
    mr_engine *view = NULL;
    const mr_view_kind kind = self->number == 0 ? MR_VIEW_WHOLE : MR_VIEW_ALONE;
    EXPECT(mr_view_open(r->f.engine, kind, &view, &error) == MR_OK);
    uint32_t last = 0;
    for (unsigned turn = 0; !atomic_load(&r->over); turn++) {
        EXPECT(mr_view_refresh(view, &error) == MR_OK);
        const uint32_t count = count_of(r, view, 0);
        EXPECT(count >= last);
        for (size_t i = 1; i < COUNTERS; i++)
            EXPECT(count_of(r, view, i) == count);
        if (kind == MR_VIEW_ALONE && turn % 4 == 0)
            try_out(r, view, count);
        if (kind == MR_VIEW_ALONE && turn % 16 == 1)
            estimate(r, view);
        EXPECT(count_of(r, view, 0) == count);
        last = count;
        atomic_fetch_add(&r->rounds, 1);
    }
    EXPECT(mr_engine_close(view, NULL) == MR_OK);
    return NULL;
}

static void run_blocks(race *r)
{
    mr_transaction sends[COUNTERS];
    for (size_t i = 0; i < COUNTERS; i++)
        sends[i] = fixture_send_of(&r->f, &r->counters[i], (mr_span){0});
    for (unsigned b = 0; b < BLOCKS; b++) {
        if (b % 2 == 1)
            mr_block_discard(fixture_execute(&r->f, sends, COUNTERS / 2));
        fixture_run(&r->f, sends, COUNTERS);
        const unsigned seen = atomic_load(&r->rounds);
        while (atomic_load(&r->rounds) < seen + 1 && atomic_load(&r->wrong) == 0)
            (void)sched_yield();
    }
}

static void views_show_whole_blocks_whatever_runs_beside_them(void **unused)
{
    (void)unused;
    static race r;
    const mr_engine_options options = {.streams = 3, .loaded_bytes_max = LOADED_BYTES};
    fixture_open(&r.f, &options);
    const mr_id code = fixture_upload(&r.f, counter);
    for (size_t i = 0; i < COUNTERS; i++)
        r.counters[i] = fixture_create(&r.f, &code, (mr_span){0});
    pthread_t threads[READERS];
    reader readers[READERS];
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (reader){&r, i};
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    run_blocks(&r);
    atomic_store(&r.over, true);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&r.wrong), 0);
    mr_engine *view;
    assert_int_equal(mr_view_open(r.f.engine, MR_VIEW_ALONE, &view, NULL), MR_OK);
    assert_int_equal(count_of(&r, view, 0), BLOCKS);
    assert_int_equal(mr_engine_close(view, NULL), MR_OK);
    fixture_close(&r.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_show_whole_blocks_whatever_runs_beside_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
