/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=race timeout=120
 * Views beside blocks, on threads of their own.
 *
 * Goal: whatever the engine does meanwhile, a view shows one committed block whole, never what is
 * being executed, discarded, dropped from memory or written; and nothing of views shows in the
 * blocks.
 * Method: an engine makes blocks, and discards every second candidate first; readers refresh, look,
 * try messages out, estimate, and execute blocks on views of their own. Once the messages go to
 * counters, of which a view must show all with one count that never goes back; once they wait, make
 * programs that exit, and reserve, with nothing kept loaded, and the blocks must be those of an
 * engine that nobody looks at. Made for the thread sanitizer. */
#include "tests/engine/actor.h"

#include <pthread.h>
#include <stdatomic.h>

enum { COUNTERS = 8, READERS = 3, COUNTED_BLOCKS = 60, BUSY_BLOCKS = 40, LOADED_BYTES = 20000 };

struct race;

typedef struct reader {
    struct race *r;
    unsigned number;
    pthread_t thread;
} reader;

typedef struct race {
    fixture f;
    mr_id counters[COUNTERS];
    mr_id code, actor;
    reader readers[READERS];
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

static void start(race *r, void *(*read_on)(void *))
{
    for (unsigned i = 0; i < READERS; i++) {
        reader *self = &r->readers[i];
        self->r = r;
        self->number = i;
        assert_int_equal(pthread_create(&self->thread, NULL, read_on, self), 0);
    }
}

static void stop(race *r)
{
    atomic_store(&r->over, true);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(r->readers[i].thread, NULL), 0);
    assert_int_equal(atomic_load(&r->wrong), 0);
}

/* The view of a reader; without one it cannot go on. */
static mr_engine *open_view(race *r, mr_view_kind kind)
{
    mr_engine *view;
    mr_error error = {0};
    if (mr_view_open(r->f.engine, kind, &view, &error) == MR_OK)
        return view;
    (void)fprintf(stderr, "a view cannot be opened: %s\n", error.text);
    abort();
}

/* ---- Counters ---- */

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

static void *read_counters(void *arg)
{
    const reader *self = arg;
    race *r = self->r;
    mr_error error = {0};
    const mr_view_kind kind = self->number == 0 ? MR_VIEW_WHOLE : MR_VIEW_ALONE;
    mr_engine *view = open_view(r, kind);
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

static void run_counted(race *r)
{
    mr_transaction sends[COUNTERS];
    for (size_t i = 0; i < COUNTERS; i++)
        sends[i] = fixture_send_of(&r->f, &r->counters[i], (mr_span){0});
    for (unsigned b = 0; b < COUNTED_BLOCKS; b++) {
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
    start(&r, read_counters);
    run_counted(&r);
    stop(&r);
    mr_engine *view;
    assert_int_equal(mr_view_open(r.f.engine, MR_VIEW_ALONE, &view, NULL), MR_OK);
    assert_int_equal(count_of(&r, view, 0), COUNTED_BLOCKS);
    assert_int_equal(mr_engine_close(view, NULL), MR_OK);
    fixture_close(&r.f);
}

/* ---- Busy blocks ---- */

enum { COUNT = 0x2000, TWICE = 0x2008 };

/* Counts twice, makes a program that exits when it is told so, and waits for a block. */
static script busy_script(const race *r)
{
    script s = script_new(), leave = script_new();
    const mr_id heir = mr_id_of_name("bob");
    STEP(&leave, "gr_wait_for", 2);
    STEP(&leave, "gr_exit", script_data(&leave, &heir, 32));
    STEP(&s, "count", COUNT);
    STEP(&s, "count", TWICE);
    STEP(&s, "gr_create_program_wgas", script_to(&s, &r->code, 0), 0, 0, script_script(&s, &leave),
         script_span(&leave).size, 300000000, 0, 0x1000);
    STEP(&s, "gr_reserve_gas", 1000000, 2, 0x1100);
    STEP(&s, "gr_wait_for", 1);
    return s;
}

/* Both counters are written by the same dispatch. */
static void look(race *r, mr_engine *view, mr_view_kind kind, unsigned n)
{
    uint64_t counts[2] = {0};
    mr_error error = {0};
    EXPECT(mr_engine_memory(view, &r->actor, COUNT, counts, sizeof counts) == MR_OK);
    EXPECT(counts[0] == counts[1]);
    const script s = busy_script(r);
    const mr_block_params params = {.timestamp_ms = 1000};
    const mr_transaction send = {.kind = MR_TRANSACTION_SEND,
                                 .from = mr_id_of_name("alice"),
                                 .to = r->actor,
                                 .payload = script_span(&s),
                                 .gas_limit = PLENTY};
    if (kind == MR_VIEW_WHOLE) {
        mr_block *block;
        EXPECT(mr_block_execute(view, &params, &send, 1, &block, &error) == MR_OK);
        mr_block_discard(block);
    } else if (n % 8 == 0) {
        mr_estimate out;
        EXPECT(mr_view_estimate(view, &params, &send, PLENTY, 2, &out, &error) == MR_OK);
    }
}

static void *read_busy(void *arg)
{
    const reader *self = arg;
    race *r = self->r;
    mr_error error = {0};
    const mr_view_kind kind = self->number % 2 == 0 ? MR_VIEW_WHOLE : MR_VIEW_ALONE;
    for (unsigned n = self->number; !atomic_load(&r->over);) {
        mr_engine *view = open_view(r, kind);
        for (unsigned i = 0; i < 20 && !atomic_load(&r->over); i++, n++) {
            look(r, view, kind, n);
            EXPECT(mr_view_refresh(view, &error) == MR_OK);
            (void)atomic_fetch_add(&r->rounds, 1);
        }
        EXPECT(mr_engine_close(view, NULL) == MR_OK);
    }
    return NULL;
}

static void open_busy(race *r, uint32_t streams)
{
    *r = (race){0};
    const mr_engine_options options = {
        .streams = streams, .loaded_bytes_max = 1, .live_bytes_max = 1};
    fixture_open(&r->f, &options);
    r->code = actor_upload(&r->f, ACTOR_ENTRIES);
    r->actor = fixture_create(&r->f, &r->code, (mr_span){0});
}

static mr_block_info run_busy(race *r, bool discarding)
{
    const script s = busy_script(r);
    for (unsigned b = 0; b < BUSY_BLOCKS; b++) {
        const mr_transaction sends[] = {fixture_send_of(&r->f, &r->actor, script_span(&s)),
                                        fixture_send_of(&r->f, &r->actor, script_span(&s))};
        if (discarding && b % 2 == 0)
            mr_block_discard(fixture_execute(&r->f, sends, 2));
        fixture_run(&r->f, sends, 2);
    }
    return fixture_info(&r->f);
}

static void views_on_other_threads_change_no_block(void **unused)
{
    (void)unused;
    static race plain, seen;
    open_busy(&plain, 1);
    const mr_block_info expected = run_busy(&plain, false);
    fixture_close(&plain.f);
    open_busy(&seen, 3);
    start(&seen, read_busy);
    const mr_block_info info = run_busy(&seen, true);
    stop(&seen);
    assert_true(atomic_load(&seen.rounds) > 0);
    assert_memory_equal(&info, &expected, sizeof info);
    fixture_close(&seen.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_show_whole_blocks_whatever_runs_beside_them),
        cmocka_unit_test(views_on_other_threads_change_no_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
