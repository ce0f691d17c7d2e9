/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: timeout=300
 * Goal: no record of what waits, of letters, tasks, reservations and of woken messages in the
 * queue, whatever bytes it has, stops the engine: it is refused with a sentence or does no harm,
 * and with the record put back all is as it was. Method: a database in which each such thing is
 * due, or is used, in the next block. Bytes of each record are changed, cut off, added, or the
 * record is taken away or moved, and the block is run. MR_BYTES says how many bytes
 * of each record. */
#include "tests/engine/damage.h"

#include "engine/codec.h"
#include "engine/id.h"

enum {
    OUT = 0x800,
    RUNS = 0x2000,
    SYSTEM_GAS = 100000,
    RESERVED_GAS = 200000,
    RESERVATIONS_MAX = 2,
};

/* Each trial opens a database: so many bytes of a record, and its first ones, are tried. */
#ifdef MR_SANITIZED
enum { BYTES_TRIED = 3, HEAD_TRIED = 3 };
#else
enum { BYTES_TRIED = 10, HEAD_TRIED = 6 };
#endif
static size_t bytes_tried = BYTES_TRIED, head_tried = HEAD_TRIED;

static mr_id code, a, b, c, alice, bob;
static mr_id woken_by_hand, letters[3], reservations[2], expected_root;

static const mr_engine_options plain = {.path = path, .streams = 1, .loaded_bytes_max = 1};

static mr_schedule prices(void)
{
    mr_schedule schedule = mr_schedule_default();
    schedule.rent = 1000; /* 4000 gas are four blocks */
    schedule.reservations_max = RESERVATIONS_MAX;
    return schedule;
}

static mr_id send(fixture *f, const mr_id *to, const script *s)
{
    f->gas = 5000000;
    (void)script_run(f, to, s);
    return fixture_result(f, 0).id;
}

static script waiting(const char *how, uint64_t blocks)
{
    script s = script_new();
    STEP(&s, "gr_system_reserve_gas", SYSTEM_GAS, OUT);
    STEP(&s, "count", RUNS);
    STEP(&s, "unless", RUNS, 1, 2);
    STEP(&s, "gr_create_program_wgas", script_to(&s, &bob, 0), 0, 0, 0, 0, 0, 0, OUT);
    STEP(&s, "gr_send_wgas", script_to(&s, &bob, 0), 0, 0, 900000, 0, OUT);
    STEP(&s, how, blocks);
    return s;
}

/* Everything that has a due height gets that of the block after the last one. */
static void fill(fixture *f)
{
    const script wait = waiting("gr_wait_for", 50);
    woken_by_hand = send(f, &a, &wait);
    for (unsigned i = 0; i < 2; i++) { /* to be used, and to expire */
        script s = script_new();
        STEP(&s, "gr_reserve_gas", RESERVED_GAS, i == 0 ? 60 : 8, OUT);
        (void)send(f, &a, &s);
        reservations[i] = fixture_id(f, &a, OUT + 4);
    }
    script flushed = script_new();
    STEP(&flushed, "gr_reserve_gas", RESERVED_GAS, 60, OUT);
    STEP(&flushed, "gr_wait_for", 70);
    (void)send(f, &c, &flushed);
    for (unsigned i = 0; i < 3; i++) { /* claimed, answered, expiring */
        script s = script_new();
        STEP(&s, "gr_send_wgas", script_to(&s, &bob, 2), script_text(&s, "hello"), 5,
             i == 2 ? 4000 : 300000, 0, OUT);
        STEP(&s, "gr_reply_deposit", OUT + 4, 400000, OUT + 64);
        f->value = 2;
        (void)send(f, &a, &s);
        letters[i] = fixture_message(f, 0).id;
    }
    const script ends = waiting("gr_wait_for", 3);
    (void)send(f, &b, &ends);
    script later = script_new();
    STEP(&later, "gr_send_wgas", script_to(&later, &b, 1), 0, 4, 500000, 1, OUT);
    STEP(&later, "gr_reply_deposit", OUT + 4, 100000, OUT + 64);
    STEP(&later, "gr_send_wgas", script_to(&later, &bob, 1), 0, 4, 600000, 1, OUT);
    STEP(&later, "gr_create_program_wgas", script_to(&later, &code, 0), 0, 0, 0, 0, 900000, 1, OUT);
    /* The last block: a woken message stays in the queue, behind one that does not fit. */
    script hand = script_new();
    const script again = waiting("gr_wait_for", 50);
    f->gas = 5000000;
    const mr_transaction first = fixture_send_of(f, &b, script_span(&again));
    fixture_run(f, &first, 1);
    const mr_id queued = fixture_result(f, 0).id;
    STEP(&hand, "gr_wake", script_data(&hand, &queued, 32), 0, OUT);
    STEP(&hand, "gr_wake", ACTOR_SCRIPT, 1, OUT);
    f->params.gas_limit = 12000000;
    f->value = 2;
    mr_transaction last[] = {fixture_send_of(f, &b, script_span(&hand)),
                             fixture_send_of(f, &a, script_span(&later)),
                             fixture_send_of(f, &b, (mr_span){0})};
    last[2].gas_limit = f->params.gas_limit;
    fixture_run(f, last, 3);
    fixture_accepted(f);
    f->params.gas_limit = 0;
    f->value = 0;
}

static int make_database(void **state)
{
    (void)state;
    make_path();
    alice = mr_id_of_name("alice");
    bob = mr_id_of_name("bob");
    const mr_balance genesis[] = {{alice, (mr_value)1 << 90}, {bob, (mr_value)1 << 70}};
    const mr_schedule schedule = prices();
    mr_engine_options options = plain;
    options.create = options.accounts = true;
    options.genesis = genesis;
    options.genesis_count = 2;
    options.schedule = &schedule;
    fixture f;
    fixture_open(&f, &options);
    code = actor_upload(&f, ACTOR_ENTRIES);
    f.gas = 5000000;
    a = fixture_create(&f, &code, (mr_span){0});
    b = fixture_create(&f, &code, (mr_span){0});
    c = fixture_create(&f, &code, (mr_span){0});
    fill(&f);
    fixture_close(&f);
    gather_all();
    return 0;
}

/* A block in which everything that is kept is due or used, and discards it. */
static mr_status run_a_block(mr_engine *engine, finding *found, mr_block_info *info)
{
    script use = script_new(), exit = script_new();
    STEP(&use, "gr_wake", script_data(&use, &woken_by_hand, 32), 0, OUT);
    const uint32_t from = script_data(&use, &reservations[0], 32);
    (void)script_to(&use, &b, 0);
    STEP(&use, "gr_reservation_send", from, 0, 0, 0, OUT + 64);
    STEP(&exit, "gr_exit", script_data(&exit, &bob, 32));
    const mr_transaction transactions[] = {
        {.kind = MR_TRANSACTION_SEND,
         .from = alice,
         .to = a,
         .payload = script_span(&use),
         .gas_limit = 5000000},
        {.kind = MR_TRANSACTION_SEND,
         .from = alice,
         .to = c,
         .payload = script_span(&exit),
         .gas_limit = 5000000},
        {.kind = MR_TRANSACTION_CLAIM, .from = bob, .to = letters[0]},
        {.kind = MR_TRANSACTION_REPLY, .from = bob, .to = letters[1], .gas_limit = 3000000},
    };
    const mr_block_params params = {.timestamp_ms = 2000};
    mr_block *block = NULL;
    mr_error error = {0};
    const mr_status status = mr_block_execute(engine, &params, transactions, 4, &block, &error);
    note(found, status, error.text);
    if (status == MR_OK) {
        if (info != NULL)
            mr_block_info_get(block, info);
        mr_block_discard(block);
    }
    return status;
}

/* Twice: what the first left in memory must be as good as the database. */
static finding look(mr_block_info *info)
{
    finding found = {0};
    mr_engine_options options = plain;
    options.no_pin = true;
    const mr_schedule schedule = prices();
    options.schedule = &schedule;
    mr_engine *engine;
    mr_error error = {0};
    const mr_status status = mr_engine_open(&options, &engine, &error);
    note(&found, status, error.text);
    if (status != MR_OK)
        return found;
    mr_block_info first = {0}, second = {0};
    const mr_status once = run_a_block(engine, &found, &first);
    assert_int_equal(run_a_block(engine, &found, &second), once);
    assert_memory_equal(&first, &second, sizeof first);
    if (info != NULL)
        *info = first;
    assert_int_equal(mr_engine_close(engine, NULL), MR_OK);
    return found;
}

static unsigned trials, detected;

static void try_bytes(const record *of, const uint8_t *bytes, size_t size, const char *what,
                      size_t at)
{
    replace(of, bytes, size);
    const finding found = look(NULL);
    trials++;
    detected += found.status != MR_OK;
    if (found.status == MR_OK)
        return;
    if (found.status != MR_CORRUPT && found.status != MR_VERSION)
        fail_msg("%s: %s %zu of a record of %zu bytes: %s: %s", tables[of->table], what, at,
                 of->value_bytes, mr_status_text(found.status), found.text);
    assert_true(strlen(found.text) > 10);
}

static void try_record(const record *of)
{
    static uint8_t bytes[1 << 16];
    const size_t size = of->value_bytes;
    assert_true(size < sizeof bytes);
    /* The head of a record byte by byte, the rest, payloads above all, here and there. */
    for (size_t at = 0; at < size; at += at < head_tried ? 1 : 1 + size / bytes_tried) {
        memcpy(bytes, of->value, size);
        bytes[at] ^= at % 3 == 0 ? 0xff : at % 3 == 1 ? 0x01 : 0x80;
        try_bytes(of, bytes, size, "byte", at);
    }
    memcpy(bytes, of->value, size);
    bytes[size] = 1;
    try_bytes(of, of->value, size / 2, "cut to", size / 2);
    try_bytes(of, bytes, size + 1, "longer than", size);
    try_bytes(of, NULL, 0, "taken away", 0);
}

static void try_table(uint32_t table)
{
    trials = detected = 0;
    unsigned tried = 0;
    for (size_t i = 0; i < records_count; i++) {
        if (records[i].table != table)
            continue;
        try_record(&records[i]);
        tried++;
    }
    print_message("%s: %u records, %u of %u changes found\n", tables[table], tried, detected,
                  trials);
    assert_true(tried > 0 && detected > 0);
}

static void the_block_uses_everything(void **state)
{
    (void)state;
    mr_block_info info = {0};
    const finding found = look(&info);
    if (found.status != MR_OK)
        fail_msg("%s", found.text);
    expected_root = info.root;
    assert_int_equal(info.transactions_accepted, 4);
    print_message("%llu tasks, %llu receipts\n", (unsigned long long)info.tasks_count,
                  (unsigned long long)info.receipts_count);
    assert_int_equal(info.tasks_count, 7);
}

static void damage_to_what_waits_stops_nothing(void **state)
{
    (void)state;
    try_table(WAITLIST);
}

static void damage_to_tasks_stops_nothing(void **state)
{
    (void)state;
    try_table(TASK);
}

static void damage_to_letters_stops_nothing(void **state)
{
    (void)state;
    try_table(MAILBOX);
}

static void damage_to_queued_messages_stops_nothing(void **state)
{
    (void)state;
    try_table(QUEUE);
}

/* Reservations, numbers of waiting messages. */
static void damage_to_programs_stops_nothing(void **state)
{
    (void)state;
    try_table(PROGRAM);
}

/* Records that are whole and say what no engine writes. */
static void messages_that_cannot_be_are_refused(void **state)
{
    (void)state;
    enum {
        WHAT = 1,
        TASK_FLAGS = 3,
        QUEUE_KIND = 1,
        QUEUE_FLAGS = 2,
        SEND = 2,
        WAITED = 32,
        VALUE = 4
    };
    static uint8_t bytes[1 << 16];
    unsigned tasks = 0, queued = 0;
    for (size_t i = 0; i < records_count; i++) {
        const record *of = &records[i];
        size_t size = of->value_bytes;
        memcpy(bytes, of->value, size);
        if (of->table == TASK && bytes[WHAT] == SEND) {
            bytes[TASK_FLAGS] |= WAITED; /* it has waited: an empty context */
            memset(bytes + size, 0, 4);
            size += 4;
            tasks++;
        } else if (of->table == QUEUE && (bytes[QUEUE_FLAGS] & WAITED) != 0) {
            bytes[QUEUE_KIND] = VALUE; /* one that runs nothing */
            queued++;
        } else {
            continue;
        }
        replace(of, bytes, size);
        assert_int_equal(look(NULL).status, MR_CORRUPT);
    }
    assert_true(tasks > 0 && queued > 0);
}

/* So that the gas of a message can be added up. */
static void a_system_reservation_that_cannot_be_is_refused(void **state)
{
    (void)state;
    static const uint64_t amounts[] = {(uint64_t)1 << 62, ((uint64_t)1 << 62) + 1, UINT64_MAX};
    static uint8_t bytes[1 << 16];
    uint8_t before[MR_LEB_BYTES_MAX];
    const size_t before_bytes = (size_t)(mr_put_leb(before, SYSTEM_GAS) - before);
    unsigned tried = 0;
    for (size_t i = 0; i < records_count; i++) {
        const record *of = &records[i];
        const uint8_t *found = memmem(of->value, of->value_bytes, before, before_bytes);
        if (of->table != QUEUE || found == NULL)
            continue;
        const size_t at = (size_t)(found - of->value);
        const mr_span rest = mr_span_of(found + before_bytes, of->value_bytes - at - before_bytes);
        for (size_t k = 0; k < sizeof amounts / sizeof amounts[0]; k++) {
            memcpy(bytes, of->value, at);
            uint8_t *end = mr_put_leb(bytes + at, amounts[k]);
            memcpy(end, rest.data, rest.size);
            replace(of, bytes, (size_t)(end - bytes) + rest.size);
            assert_int_equal(look(NULL).status, k == 0 ? MR_OK : MR_CORRUPT);
        }
        tried++;
    }
    assert_true(tried > 0);
}

/* Where the two reservations stand in the record of a program, or NULL. */
static const uint8_t *find_reservations(const record *of)
{
    const uint8_t *one = memmem(of->value, of->value_bytes, &reservations[0], sizeof(mr_id));
    const uint8_t *two = memmem(of->value, of->value_bytes, &reservations[1], sizeof(mr_id));
    if (one == NULL || two == NULL)
        return NULL;
    return one < two ? one : two;
}

/* A third one behind the two, or the second has the id of the first. */
static size_t add_reservation(const record *of, const uint8_t *first, bool twice, uint8_t *bytes)
{
    enum { PAYER = 32, REST = 4 + 4 + 8 };
    uint8_t amount[MR_LEB_BYTES_MAX];
    const size_t entry_bytes =
        sizeof(mr_id) + PAYER + (size_t)(mr_put_leb(amount, RESERVED_GAS) - amount) + REST;
    const size_t at = (size_t)(first - of->value), end = at + 2 * entry_bytes;
    memcpy(bytes, of->value, of->value_bytes);
    if (twice) {
        memcpy(bytes + at + entry_bytes, first, sizeof(mr_id));
        return of->value_bytes;
    }
    assert_true(first[-1] == RESERVATIONS_MAX && end < of->value_bytes);
    bytes[at - 1]++;
    memcpy(bytes + end, first, entry_bytes);
    memset(bytes + end, 0xff, sizeof(mr_id));
    memcpy(bytes + end + entry_bytes, of->value + end, of->value_bytes - end);
    return of->value_bytes + entry_bytes;
}

/* The program is named. */
static void reservations_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 16];
    unsigned tried = 0;
    for (size_t i = 0; i < records_count; i++) {
        const record *of = &records[i];
        const uint8_t *first = of->table == PROGRAM ? find_reservations(of) : NULL;
        if (first == NULL)
            continue;
        char name[2 * sizeof(mr_id) + 1];
        for (size_t k = 0; k < sizeof(mr_id); k++)
            (void)snprintf(name + 2 * k, 3, "%02x", of->key[k]);
        for (unsigned twice = 0; twice < 2; twice++) {
            replace(of, bytes, add_reservation(of, first, twice != 0, bytes));
            const finding found = look(NULL);
            assert_int_equal(found.status, MR_CORRUPT);
            assert_non_null(strstr(found.text, name));
        }
        tried++;
    }
    assert_int_equal(tried, 1);
}

/* A record under the key of another of its table: two things of one name. */
static void records_that_stand_elsewhere_stop_nothing(void **state)
{
    (void)state;
    static const uint32_t moved[] = {WAITLIST, TASK, MAILBOX, QUEUE};
    for (size_t t = 0; t < 4; t++) {
        for (size_t i = 0; i < records_count; i++) {
            for (size_t k = i + 1; k <= i + 2 && k < records_count; k++) {
                if (records[i].table == moved[t] && records[k].table == moved[t])
                    try_bytes(&records[i], records[k].value, records[k].value_bytes, "other", k);
            }
        }
    }
}

static void with_every_record_put_back_all_is_as_it_was(void **state)
{
    (void)state;
    replace(NULL, NULL, 0);
    mr_block_info info = {0};
    const finding found = look(&info);
    if (found.status != MR_OK)
        fail_msg("%s", found.text);
    assert_id_equal(info.root, expected_root);
}

int main(void)
{
    const char *given = getenv("MR_BYTES");
    if (given != NULL && atoi(given) > 0)
        bytes_tried = head_tried = (size_t)atoi(given);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_block_uses_everything),
        cmocka_unit_test(messages_that_cannot_be_are_refused),
        cmocka_unit_test(a_system_reservation_that_cannot_be_is_refused),
        cmocka_unit_test(reservations_that_cannot_be_are_refused),
        cmocka_unit_test(damage_to_what_waits_stops_nothing),
        cmocka_unit_test(damage_to_tasks_stops_nothing),
        cmocka_unit_test(damage_to_letters_stops_nothing),
        cmocka_unit_test(damage_to_queued_messages_stops_nothing),
        cmocka_unit_test(damage_to_programs_stops_nothing),
        cmocka_unit_test(records_that_stand_elsewhere_stop_nothing),
        cmocka_unit_test(with_every_record_put_back_all_is_as_it_was),
    };
    return cmocka_run_group_tests(tests, make_database, remove_database);
}
