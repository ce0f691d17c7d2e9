/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: timeout=180
 * Goal: no record of the engine's tables, whatever bytes it has, crashes the engine or makes it
 * lose another: what cannot be right is MR_CORRUPT or MR_VERSION with a sentence, and with the
 * record put back all is as it was.
 * Method: a small database with records in every table; bytes of each are changed, cut off, added,
 * or the record is taken away; then the database is opened, looked through and run for a block. */
#include "tests/engine/damage.h"

enum { OUT = 0x800 };

static mr_id relay, store_of, letter, root;
static uint64_t height;

/* ---- The database ---- */

static const mr_engine_options plain = {.path = path, .streams = 1, .loaded_bytes_max = 1};

static void send_two_that_do_not_fit(fixture *f)
{
    script s = script_new();
    STEP(&s, "gr_send", script_to(&s, &store_of, 7), 0, 40, 0, OUT);
    f->gas = 5000000;
    f->value = 100;
    const mr_transaction sends[] = {fixture_send_of(f, &relay, script_span(&s)),
                                    fixture_send_of(f, &store_of, mr_span_text("later"))};
    f->params.gas_limit = 5000000;
    fixture_run(f, sends, 2);
    fixture_accepted(f);
    assert_int_equal(fixture_info(f).queue_count, 2); /* one of a user, one of a program */
}

static int make_database(void **state)
{
    (void)state;
    make_path();
    const mr_balance genesis[] = {
        {mr_id_of_name("alice"), (mr_value)1 << 90},
        {mr_id_of_name("bob"), (mr_value)1 << 70},
        {mr_id_of_name("carol"), 5},
    };
    mr_engine_options options = plain;
    options.create = options.accounts = true;
    options.genesis = genesis;
    options.genesis_count = 3;
    fixture f;
    fixture_open(&f, &options);
    const mr_id code = actor_upload(&f, "init handle handle_reply"), bob = mr_id_of_name("bob");
    relay = fixture_create(&f, &code, (mr_span){0});
    store_of = fixture_create(&f, &code, (mr_span){0});
    const mr_id gone = fixture_create(&f, &code, (mr_span){0});
    script s = script_new();
    STEP_FOR(&s, OUT, "alloc", 3);
    STEP_FOR(&s, OUT, "free", 5);
    STEP(&s, "store", 6 * PAGE, 77);
    STEP(&s, "gr_send_wgas", script_to(&s, &bob, 3), 0, 5, 3000, 0, OUT);
    STEP(&s, "gr_debug", script_text(&s, "x"), 1);
    f.value = 50;
    script_run_ok(&f, &store_of, &s);
    letter = fixture_message(&f, 0).id;
    script exit = script_new();
    STEP(&exit, "gr_exit", script_data(&exit, &bob, 32));
    assert_int_equal(script_run(&f, &gone, &exit).outcome, MR_OUTCOME_EXITED);
    script trap = script_new();
    STEP(&trap, "unreachable");
    assert_int_equal(script_run(&f, &relay, &trap).outcome, MR_OUTCOME_TRAP);
    send_two_that_do_not_fit(&f);
    height = fixture_info(&f).height;
    root = fixture_info(&f).root;
    fixture_close(&f);
    gather_all();
    return 0;
}

/* ---- Looking at everything ---- */

static bool visit_program(void *arg, const mr_program_info *program)
{
    (void)program;
    (*(unsigned *)arg)++;
    return true;
}

static bool visit_account(void *arg, const mr_id *account, mr_value balance)
{
    (void)account, (void)balance;
    (*(unsigned *)arg)++;
    return true;
}

static bool visit_message(void *arg, const mr_queued_message *message)
{
    (void)message;
    (*(unsigned *)arg)++;
    return true;
}

static bool visit_code(void *arg, const mr_id *code, mr_span module)
{
    (void)code, (void)module;
    (*(unsigned *)arg)++;
    return true;
}

static void look_at_block(mr_engine *engine, uint64_t at, finding *found)
{
    mr_stored_block *block;
    mr_error error = {0};
    const mr_status status = mr_engine_block(engine, at, &block, &error);
    note(found, status, error.text);
    if (status != MR_OK)
        return;
    mr_receipt receipt;
    mr_user_message message;
    for (uint64_t i = 0; mr_stored_block_receipt(block, i, &receipt); i++)
        assert_non_null(mr_outcome_name(receipt.outcome));
    for (uint64_t i = 0; mr_stored_block_user_message(block, i, &message); i++)
        assert_true(message.payload.size <= 1 << 20);
    mr_stored_block_free(block);
}

static void look_at_state(mr_engine *engine, finding *found)
{
    static const char text[] = "a query failed";
    unsigned count = 0;
    note(found, mr_engine_programs(engine, visit_program, &count), text);
    note(found, mr_engine_accounts(engine, visit_account, &count), text);
    note(found, mr_engine_queue(engine, visit_message, &count), text);
    note(found, mr_engine_codes(engine, visit_code, &count), text);
    const mr_id ids[] = {relay, store_of};
    uint8_t bytes[64];
    for (size_t i = 0; i < 2; i++)
        note(found, mr_engine_memory(engine, &ids[i], OUT, bytes, sizeof bytes), text);
    mr_balance *genesis;
    size_t genesis_count;
    const mr_status status = mr_engine_genesis(engine, &genesis, &genesis_count);
    note(found, status, text);
    if (status == MR_OK)
        free(genesis);
}

/* Runs a block that touches everything there is, and discards it. */
static void run_a_block(mr_engine *engine, finding *found)
{
    script s = script_new();
    STEP_FOR(&s, OUT, "alloc", 1);
    STEP_FOR(&s, OUT, "free_range", ACTOR_PAGES, 32767);
    STEP(&s, "gr_send", script_to(&s, &relay, 1), 0, 5, 0, OUT);
    const mr_id alice = mr_id_of_name("alice"), bob = mr_id_of_name("bob");
    const mr_transaction transactions[] = {
        {.kind = MR_TRANSACTION_SEND,
         .from = alice,
         .to = store_of,
         .payload = script_span(&s),
         .gas_limit = PLENTY,
         .value = 5},
        {.kind = MR_TRANSACTION_REPLY, .from = bob, .to = letter, .gas_limit = PLENTY},
        {.kind = MR_TRANSACTION_TRANSFER, .from = bob, .to = alice, .value = 1},
    };
    const mr_block_params params = {.timestamp_ms = 2000};
    mr_block *block = NULL;
    mr_error error = {0};
    const mr_status status = mr_block_execute(engine, &params, transactions, 3, &block, &error);
    note(found, status, error.text);
    if (status == MR_OK)
        mr_block_discard(block);
}

static finding look(void)
{
    finding found = {0};
    mr_engine_options options = plain;
    options.no_pin = true;
    mr_engine *engine;
    mr_error error = {0};
    const mr_status status = mr_engine_open(&options, &engine, &error);
    note(&found, status, error.text);
    if (status != MR_OK) {
        assert_non_null(strstr(error.text, path)); /* the sentence names the database */
        return found;
    }
    look_at_state(engine, &found);
    for (uint64_t at = 1; at <= height; at++)
        look_at_block(engine, at, &found);
    run_a_block(engine, &found);
    assert_int_equal(mr_engine_close(engine, NULL), MR_OK);
    return found;
}

/* ---- Trials ---- */

/* Tables in which any change is found. In the others a record may say something else that makes
 * sense, such as another balance; the database's own checksums are against chance. */
static bool is_any_change_found(const record *of)
{
    const bool is_genesis = of->table == META && of->key_bytes == 7;
    return (of->table == META && !is_genesis) || of->table == CODE || of->table == UNIT;
}

static unsigned trials, detected;

static void try_bytes(const record *of, const uint8_t *bytes, size_t size, bool must_find,
                      const char *what, size_t at)
{
    replace(of, bytes, size);
    const finding found = look();
    trials++;
    detected += found.status != MR_OK;
    switch (found.status) {
    case MR_OK:
        if (must_find)
            fail_msg("%s: %s %zu of a record of %zu bytes is not found", tables[of->table], what,
                     at, of->value_bytes);
        break;
    case MR_CORRUPT:
    case MR_VERSION:
    case MR_SCHEDULE:
        assert_true(strlen(found.text) > 10);
        break;
    case MR_NOT_FOUND: /* a record that was taken away */
        if (bytes == NULL)
            break;
        /* fall through */
    default:
        fail_msg("%s: %s %zu of a record of %zu bytes: %s: %s", tables[of->table], what, at,
                 of->value_bytes, mr_status_text(found.status), found.text);
    }
}

static void try_record(const record *of, size_t flips)
{
    uint8_t *bytes = malloc(of->value_bytes + 1);
    assert_non_null(bytes);
    const size_t size = of->value_bytes;
    const size_t step = size > flips ? size / flips : 1;
    for (size_t at = 0; at < size; at += step) {
        memcpy(bytes, of->value, size);
        bytes[at] ^= at % 3 == 0 ? 0xff : at % 3 == 1 ? 0x01 : 0x80;
        try_bytes(of, bytes, size, is_any_change_found(of) || (at == 0 && of->table != MAILBOX),
                  "byte", at);
    }
    const size_t cuts[] = {0, 1, size / 2, size - 1};
    for (size_t i = 0; i < 4; i++) {
        if (cuts[i] < size)
            try_bytes(of, of->value, cuts[i], of->table != TREE, "cut to", cuts[i]);
    }
    memcpy(bytes, of->value, size);
    bytes[size] = 1;
    try_bytes(of, bytes, size + 1, of->table != TREE, "longer than", size);
    try_bytes(of, NULL, 0, is_any_change_found(of) || of->table == BLOCK || of->table == RECEIPT,
              "taken away", 0);
    free(bytes);
}

/* The first and the last record of a table, all of META. */
static void try_table(uint32_t table, size_t flips)
{
    size_t first = RECORDS_MAX, last = 0;
    for (size_t i = 0; i < records_count; i++) {
        if (records[i].table != table)
            continue;
        first = first == RECORDS_MAX ? i : first;
        last = i;
    }
    assert_true(first < RECORDS_MAX);
    trials = detected = 0;
    for (size_t i = first; i <= last; i++) {
        if (i == first || i == last || table == META)
            try_record(&records[i], flips);
    }
    print_message("%s: %u of %u changes found\n", tables[table], detected, trials);
}

static void damage_to_configuration_and_head_is_found(void **state)
{
    (void)state;
    try_table(META, 20);
}

static void damage_to_a_module_is_found(void **state)
{
    (void)state;
    try_table(CODE, 8);
}

/* Pages and heap of the program that has one: ranges that fit the memory they are ranges of. */
static void a_heap_that_does_not_fit_its_memory_is_found(void **state)
{
    (void)state;
    enum { PAGES_AT = 2 + 32 + 16, HEAP_BYTES = 2 + 2 * 2 };
    for (size_t i = 0; i < records_count; i++) {
        const record *of = &records[i];
        if (of->table != PROGRAM || memcmp(of->key, store_of.bytes, 32) != 0)
            continue;
        assert_int_equal(of->value[PAGES_AT + 1], 2); /* ranges: a page was freed between two */
        for (size_t at = PAGES_AT; at < PAGES_AT + HEAP_BYTES; at++) {
            for (unsigned bit = 0; bit < 2; bit++) {
                uint8_t bytes[256];
                assert_true(of->value_bytes <= sizeof bytes);
                memcpy(bytes, of->value, of->value_bytes);
                bytes[at] ^= bit == 0 ? 0x01 : 0x40;
                try_bytes(of, bytes, of->value_bytes, true, "byte", at);
            }
        }
        return;
    }
    fail_msg("the program is not there");
}

static void damage_to_programs_and_units_is_found(void **state)
{
    (void)state;
    try_table(PROGRAM, 20);
    try_table(UNIT, 4);
}

static void damage_to_queue_and_mailbox_harms_nothing_else(void **state)
{
    (void)state;
    try_table(QUEUE, 16);
    try_table(MAILBOX, 4);
}

static void damage_to_accounts_harms_nothing_else(void **state)
{
    (void)state;
    try_table(ACCOUNT, 6);
}

static void damage_to_blocks_and_receipts_harms_nothing_else(void **state)
{
    (void)state;
    try_table(BLOCK, 16);
    try_table(RECEIPT, 16);
}

static void damage_to_the_tree_harms_nothing_else(void **state)
{
    (void)state;
    try_table(TREE, 6);
}

/* Keys that no record of the table can have. */
static void keys_out_of_place_are_found_or_ignored(void **state)
{
    (void)state;
    for (uint32_t table = CODE; table < TREE; table++) {
        static const size_t sizes[] = {1, 33, 99};
        for (size_t i = 0; i < 3; i++) {
            record stray = {.table = table, .key_bytes = sizes[i], .value_bytes = 4};
            uint8_t value[4] = {1, 2, 3, 4};
            memset(stray.key, 0, sizeof stray.key);
            memcpy(stray.key, store_of.bytes, sizes[i] < 32 ? sizes[i] : 32);
            replace(&stray, value, sizeof value);
            const finding found = look();
            replace(NULL, NULL, 0); /* its value is none: it is taken away */
            if (found.status != MR_OK && found.status != MR_CORRUPT)
                fail_msg("%s, key of %zu bytes: %s", tables[table], sizes[i], found.text);
            if (table == PROGRAM || table == QUEUE || table == ACCOUNT)
                assert_int_equal(found.status, MR_CORRUPT);
        }
    }
}

/* After all of this, and with every record put back, nothing is lost. */
static void with_every_record_put_back_all_is_as_it_was(void **state)
{
    (void)state;
    replace(NULL, NULL, 0);
    const finding found = look();
    if (found.status != MR_OK)
        fail_msg("%s", found.text);
    fixture f;
    fixture_open(&f, &plain);
    mr_engine_info info;
    mr_engine_info_get(f.engine, &info);
    assert_int_equal(info.height, height);
    assert_id_equal(info.root, root);
    assert_int_equal(info.queue_count, 2);
    fixture_run(&f, NULL, 0);
    assert_int_equal(fixture_info(&f).queue_count, 0);
    assert_true(fixture_info(&f).receipts_count >= 2);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_to_configuration_and_head_is_found),
        cmocka_unit_test(damage_to_a_module_is_found),
        cmocka_unit_test(a_heap_that_does_not_fit_its_memory_is_found),
        cmocka_unit_test(damage_to_programs_and_units_is_found),
        cmocka_unit_test(damage_to_queue_and_mailbox_harms_nothing_else),
        cmocka_unit_test(damage_to_accounts_harms_nothing_else),
        cmocka_unit_test(damage_to_blocks_and_receipts_harms_nothing_else),
        cmocka_unit_test(damage_to_the_tree_harms_nothing_else),
        cmocka_unit_test(keys_out_of_place_are_found_or_ignored),
        cmocka_unit_test(with_every_record_put_back_all_is_as_it_was),
    };
    return cmocka_run_group_tests(tests, make_database, remove_database);
}
