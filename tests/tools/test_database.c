/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=e2e timeout=600
 * Goal: a database that is damaged, in use or changed behind the engine's back gives a sentence,
 * never a crash; and replay finds a block that comes out differently. Method: makes small databases
 * with the binary, harms them, and runs the binary again. */
#include "support.h"

#include <dirent.h>
#include <sys/stat.h>

#include "storage/store.h"
#include "tools/millrace/names.h"

/* Of docs/FORMATS.md. */
static const char *const tables[] = {"meta",    "code",  "program", "unit", "queue",    "mailbox",
                                     "account", "block", "receipt", "tree", "waitlist", "task"};
enum { TABLE_META = 0, TABLE_BLOCK = 7, TABLES_COUNT = sizeof tables / sizeof tables[0] };

static void make_database(const char *name)
{
    int exit_code = millrace("bench counter -p 10 -m 1000 -b 200 --no-pin --db %s", name);
    if (exit_code != 0)
        fail_msg("%s", command_err);
}

static void remove_database(const char *name)
{
    mr_error error = {0};
    if (mr_file_remove_directory(name, &error) != MR_OK)
        fail_msg("%s", error.text);
}

/* Changes one byte of the value of the first key of a table that begins with `prefix`. */
static void change_value(const char *database, uint32_t table, mr_span prefix, size_t at)
{
    mr_error error = {0};
    mr_store_options options = {.path = database, .tables = tables, .tables_count = TABLES_COUNT};
    mr_store *store;
    if (mr_store_open(&options, &store, &error) != MR_OK)
        fail_msg("%s", error.text);
    mr_cursor *cursor;
    mr_span key, value;
    assert_int_equal(mr_cursor_open(store, table, prefix, (mr_span){0}, &cursor), MR_OK);
    assert_int_equal(mr_cursor_next(cursor, &key, &value), MR_OK);
    mr_buffer changed = {0};
    assert_int_equal(mr_buffer_append(&changed, value), MR_OK);
    assert_true(at < changed.size);
    changed.data[at] ^= 1;
    mr_batch *batch = mr_batch_new(store);
    assert_non_null(batch);
    assert_int_equal(mr_batch_put(batch, table, key, mr_buffer_span(&changed)), MR_OK);
    mr_cursor_close(cursor);
    assert_int_equal(mr_store_submit(store, &batch, 1, &error), MR_OK);
    mr_batch_free(batch);
    mr_store_close(store);
    mr_buffer_fini(&changed);
}

/* Where a root of 64 hex digits stands in a block's record. */
static size_t find_root(const char *database, uint64_t height, const char *root_text)
{
    mr_id root;
    assert_true(mr_id_scan(root_text, &root));
    mr_error error = {0};
    mr_store_options options = {
        .path = database, .tables = tables, .tables_count = TABLES_COUNT, .read_only = true};
    mr_store *store;
    if (mr_store_open(&options, &store, &error) != MR_OK)
        fail_msg("%s", error.text);
    uint8_t key[8];
    mr_store_be64(key, height);
    mr_buffer value = {0};
    assert_int_equal(mr_store_get(store, TABLE_BLOCK, mr_span_of(key, sizeof key), &value), MR_OK);
    const uint8_t *at = memmem(value.data, value.size, root.bytes, sizeof root.bytes);
    assert_non_null(at);
    size_t offset = (size_t)(at - value.data);
    mr_buffer_fini(&value);
    mr_store_close(store);
    return offset;
}

static void replay_names_the_first_block_that_comes_out_differently(void **state)
{
    (void)state;
    make_database("tampered");
    assert_int_equal(millrace("replay tampered"), 0);
    assert_int_equal(millrace("inspect tampered blocks"), 0);
    char *line = strstr(command_out, "       3  0x");
    assert_non_null(line);
    char root[67];
    (void)snprintf(root, sizeof root, "%.66s", line + 10);
    uint8_t key[8];
    mr_store_be64(key, 3);
    change_value("tampered", TABLE_BLOCK, mr_span_of(key, sizeof key),
                 find_root("tampered", 3, root));
    assert_fails(millrace("replay tampered"), 1,
                 "millrace: tampered: block 3 comes out differently: its root is stored as 0x");
    assert_contains(command_err, root);
    assert_fails(millrace("replay tampered --from 2 --to 3"), 1, "block 3 comes out differently");
    assert_int_equal(millrace("replay tampered --from 4"), 0);
    assert_int_equal(millrace("replay tampered --to 2"), 0);
    remove_database("tampered");
}

static void a_database_that_is_being_written_cannot_be_opened_twice(void **state)
{
    (void)state;
    char command[8192];
    const char *binary = getenv("MR_MILLRACE");
    /* The first holds the database until the second has been refused. */
    (void)snprintf(
        command, sizeof command,
        "%s bench counter -p 10 -m 100000000 -b 100 --no-pin --db held >held.txt 2>&1 & "
        "p=$!; until [ -e held/CURRENT ]; do :; done; "
        "until %s bench counter -m 10 --no-pin --db held 2>err.txt; grep -q 'use' err.txt; "
        "do kill -0 $p || exit 3; done; kill -TERM $p; wait $p; exit 0",
        binary, binary);
    int status = system(command);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    read_text("err.txt", command_err, sizeof command_err);
    assert_contains(command_err, "held");
    assert_int_equal(millrace("replay held --to 1"), 0);
    remove_database("held");
}

typedef void harm_file(const char *path, mr_buffer *bytes);

static void cut_short(const char *path, mr_buffer *bytes)
{
    bytes->size /= 2;
    write_bytes(path, mr_buffer_span(bytes));
}

static void change_bytes(const char *path, mr_buffer *bytes)
{
    for (size_t i = 7; i < bytes->size; i += 61)
        bytes->data[i] ^= 0x5a;
    write_bytes(path, mr_buffer_span(bytes));
}

static void take_away(const char *path, mr_buffer *bytes)
{
    (void)bytes;
    assert_int_equal(unlink(path), 0);
}

/* Whatever is done to one of its files, the commands end by themselves: with a sentence, or well
 * when the file did not matter to them. */
static void harm_one(const char *file, harm_file *harm)
{
    char path[PATH_MAX];
    int used = snprintf(path, sizeof path, "harmed/%s", file);
    assert_true(used > 0 && (size_t)used < sizeof path);
    mr_buffer bytes = {0};
    mr_error error = {0};
    if (mr_file_read(path, MR_FILE_BYTES_MAX, &bytes, &error) != MR_OK)
        fail_msg("%s", error.text);
    harm(path, &bytes);
    static const char *const commands[] = {"inspect harmed", "inspect harmed programs",
                                           "inspect harmed blocks", "replay harmed"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        int exit_code = millrace("%s", commands[i]);
        if (exit_code != 0 && exit_code != 1)
            fail_msg("%s with %s harmed: exit code %d", commands[i], file, exit_code);
        if (exit_code == 1)
            assert_contains(command_err, "millrace: ");
    }
    mr_buffer_fini(&bytes);
}

static void damage_gives_a_sentence_and_never_a_crash(void **state)
{
    (void)state;
    static harm_file *const harms[] = {cut_short, change_bytes, take_away};
    char names[32][256];
    size_t count = 0;
    make_database("harmed");
    DIR *folder = opendir("harmed");
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL && count < 32;)
        if (entry->d_name[0] != '.' && strncmp(entry->d_name, "LOG", 3) != 0 &&
            strcmp(entry->d_name, "LOCK") != 0)
            (void)snprintf(names[count++], sizeof names[0], "%s", entry->d_name);
    (void)closedir(folder);
    assert_true(count >= 3); /* CURRENT, MANIFEST-..., and data */
    remove_database("harmed");
    for (size_t i = 0; i < count; i++)
        for (size_t h = 0; h < sizeof harms / sizeof harms[0]; h++) {
            make_database("harmed");
            char path[300];
            (void)snprintf(path, sizeof path, "harmed/%.255s", names[i]);
            if (access(path, F_OK) == 0) /* numbers of files may differ between two runs */
                harm_one(names[i], harms[h]);
            remove_database("harmed");
        }
}

static void records_of_another_meaning_give_a_sentence(void **state)
{
    (void)state;
    for (size_t at = 0; at < 40; at += 3) {
        make_database("meant");
        change_value("meant", TABLE_META, (mr_span){0}, at % 16);
        change_value("meant", TABLE_BLOCK, (mr_span){0}, at);
        int exit_code = millrace("replay meant");
        if (exit_code != 0 && exit_code != 1)
            fail_msg("exit code %d with byte %zu changed", exit_code, at);
        if (exit_code == 1)
            assert_contains(command_err, "millrace: ");
        remove_database("meant");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replay_names_the_first_block_that_comes_out_differently),
        cmocka_unit_test(a_database_that_is_being_written_cannot_be_opened_twice),
        cmocka_unit_test(damage_gives_a_sentence_and_never_a_crash),
        cmocka_unit_test(records_of_another_meaning_give_a_sentence),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
