/* SPDX-License-Identifier: Apache-2.0 */
/* ledger: an engine with accounts and with prices so plain that all gas can be followed by hand: a
 * dispatch that runs costs 1000, a block of rent 10, and nothing else anything; a unit of gas is a
 * unit of value.
 *
 * LEDGER_TEST(name) { ... } is a test over `fixture *f` and the actors of `world`, done once as it
 * is, once with each block executed, discarded and executed again, once with all that no block used
 * dropped from memory, and once with the database closed and opened before each block. */
#ifndef MR_TESTS_ENGINE_LEDGER_H
#define MR_TESTS_ENGINE_LEDGER_H

#include "tests/engine/actor.h"

#include <dirent.h>
#include <limits.h>
#include <unistd.h>

enum {
    RUN = 1000,   /* gas of a dispatch that runs */
    RENT = 10,    /* of a block */
    FLOOR = 100,  /* the mailbox threshold */
    OUT = 0x1000, /* where answers go */
};

#define WEALTH ((mr_value)1 << 80)

typedef struct ledger_world {
    mr_id code;    /* of the actors */
    mr_id a, b, c; /* actors with every entry */
    mr_id quiet;   /* a program that takes anything without running */
    mr_id bob, carol;
} ledger_world;

static ledger_world world;
static char ledger_path[64];

static inline mr_schedule ledger_schedule(void)
{
    mr_schedule schedule = mr_schedule_default();
    schedule.instruction = schedule.page_alloc = schedule.page_load = schedule.host_call = 0;
    schedule.host_byte = schedule.send = schedule.send_byte = schedule.reply = 0;
    schedule.create = schedule.wait = schedule.wake = schedule.reserve = schedule.hash = 0;
    schedule.page_free = schedule.post = schedule.post_byte = schedule.upload_byte = 0;
    schedule.dispatch = RUN;
    schedule.rent = RENT;
    schedule.mailbox_threshold = FLOOR;
    schedule.value_per_gas = 1;
    return schedule;
}

static inline void ledger_make(fixture *f, const mr_schedule *schedule, mr_engine_options options)
{
    const mr_balance genesis[] = {
        {mr_id_of_name("alice"), WEALTH},
        {mr_id_of_name("bob"), WEALTH},
        {mr_id_of_name("carol"), WEALTH},
    };
    options.accounts = true;
    options.genesis = genesis;
    options.genesis_count = 3;
    options.schedule = schedule;
    fixture_open(f, &options);
    f->gas = 100000;
    world.code = actor_upload(f, ACTOR_ENTRIES);
    world.a = fixture_create(f, &world.code, (mr_span){0});
    world.b = fixture_create(f, &world.code, (mr_span){0});
    world.c = fixture_create(f, &world.code, (mr_span){0});
    const mr_id quiet = actor_upload(f, "init");
    world.quiet = fixture_create(f, &quiet, (mr_span){0});
    world.bob = mr_id_of_name("bob");
    world.carol = mr_id_of_name("carol");
}

static inline void ledger_remove(void)
{
    DIR *folder = opendir(ledger_path);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[PATH_MAX];
        (void)snprintf(name, sizeof name, "%s/%s", ledger_path, entry->d_name);
        (void)unlink(name);
    }
    (void)closedir(folder);
    (void)rmdir(ledger_path);
}

static inline void ledger_in_all_ways(void (*body)(fixture *f), const mr_schedule *schedule)
{
    fixture f;
    ledger_make(&f, schedule, (mr_engine_options){0});
    body(&f);
    fixture_close(&f);
    ledger_make(&f, schedule, (mr_engine_options){.streams = 1});
    f.again = true;
    body(&f);
    fixture_close(&f);
    ledger_make(&f, schedule, (mr_engine_options){.loaded_bytes_max = 1, .streams = 3});
    body(&f);
    fixture_close(&f);
    (void)snprintf(ledger_path, sizeof ledger_path, "%s/millrace-ledger-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(ledger_path));
    mr_engine_options stored = {.path = ledger_path, .create = true, .streams = 1};
    ledger_make(&f, schedule, stored);
    stored.schedule = schedule;
    f.reopens = &stored;
    body(&f);
    fixture_close(&f);
    ledger_remove();
}

#define LEDGER_TEST_WITH(name, prices)                                                             \
    static void name##_body(fixture *f);                                                           \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        const mr_schedule schedule = prices;                                                       \
        ledger_in_all_ways(name##_body, &schedule);                                                \
    }                                                                                              \
    static void name##_body(fixture *f)
#define LEDGER_TEST(name) LEDGER_TEST_WITH(name, ledger_schedule())

/* ---- Looking ---- */

static inline mr_value account(const fixture *f, const char *name)
{
    const mr_id id = mr_id_of_name(name);
    mr_value value = 0;
    const mr_status status = mr_engine_account(f->engine, &id, &value);
    assert_true(status == MR_OK || status == MR_NOT_FOUND);
    return value;
}

static inline mr_engine_info ledger_info(const fixture *f)
{
    mr_engine_info info;
    mr_engine_info_get(f->engine, &info);
    return info;
}

static inline uint32_t height_of(const fixture *f)
{
    return (uint32_t)ledger_info(f).height;
}

/* Gas held, and messages that wait, letters and tasks. */
static inline void assert_held_at(const fixture *f, uint64_t gas, uint64_t waiting,
                                  uint64_t letters, uint64_t tasks, int line)
{
    const mr_engine_info info = ledger_info(f);
    if (info.gas_held != gas || info.waiting_count != waiting || info.letters_count != letters ||
        info.tasks_count != tasks)
        fail_msg("line %d: %llu gas, %llu waiting, %llu letters, %llu tasks", line,
                 (unsigned long long)info.gas_held, (unsigned long long)info.waiting_count,
                 (unsigned long long)info.letters_count, (unsigned long long)info.tasks_count);
}
#define assert_held(f, gas, waiting, letters, tasks)                                               \
    assert_held_at(f, gas, waiting, letters, tasks, __LINE__)

static inline void assert_ran_at(const fixture *f, uint64_t i, const mr_id *program, mr_kind kind,
                                 mr_outcome outcome, uint64_t limit, uint64_t burned, int line)
{
    const mr_receipt r = fixture_receipt(f, i);
    if (memcmp(&r.program, program, sizeof *program) != 0 || r.kind != kind ||
        r.outcome != outcome || r.gas_limit != limit || r.gas_burned != burned)
        fail_msg("line %d, receipt %u: %s %s, limit %llu, burned %llu: %.*s", line, (unsigned)i,
                 mr_kind_name(r.kind), mr_outcome_name(r.outcome), (unsigned long long)r.gas_limit,
                 (unsigned long long)r.gas_burned, (int)r.text.size, (const char *)r.text.data);
}
#define assert_ran(f, i, program, kind, outcome, limit, burned)                                    \
    assert_ran_at(f, i, program, MR_KIND_##kind, MR_OUTCOME_##outcome, limit, burned, __LINE__)

/* What the block did: receipts, messages to users. */
#define assert_block(f, receipts, users)                                                           \
    do {                                                                                           \
        assert_int_equal(fixture_info(f).receipts_count, receipts);                                \
        assert_int_equal(fixture_info(f).user_messages_count, users);                              \
    } while (0)

static inline void blocks(fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        fixture_run(f, NULL, 0);
}

/* Sends a script in a block of its own and returns the message's id. */
static inline mr_id ledger_send(fixture *f, const mr_id *to, const script *s, uint64_t gas)
{
    f->gas = gas;
    (void)script_run(f, to, s);
    return fixture_result(f, 0).id;
}

/* What alice has paid since she had `before`. */
#define assert_paid(f, before, gas) assert_value_equal((before)-account(f, "alice"), gas)

#define GO_ON(s, counter) STEP(s, "count", counter) /* counts the runs of a message */

#endif
