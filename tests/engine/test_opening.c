/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: whatever stands where a database is to be opened, and however it was made, opening it
 * works or says which file and why, and changes nothing of what is there.
 * Method: databases made with other options or changed behind the engine's back, and things that
 * are no databases. */
#include "tests/engine/fixture.h"

#include "storage/store.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const tables[] = {"meta",    "code",  "program", "unit", "queue",    "mailbox",
                                     "account", "block", "receipt", "tree", "waitlist", "task"};
enum { META = 0, TABLES = sizeof tables / sizeof tables[0] };

static char folder[] = "/tmp/millrace-opening-XXXXXX";

static int enter(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL || chdir(folder) != 0 || chmod(folder, 0755) != 0 ? -1 : 0;
}

static void remove_folder(const char *path)
{
    DIR *open = opendir(path);
    if (open == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(open)) != NULL;) {
        char name[PATH_MAX];
        (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlink(name) != 0)
            remove_folder(name);
    }
    (void)closedir(open);
    (void)rmdir(path);
}

static int leave(void **state)
{
    (void)state;
    remove_folder(folder);
    return chdir("/");
}

/* A database of one committed block; returns its root. */
static mr_id make(const char *path, const mr_engine_options *wanted)
{
    mr_engine_options options = wanted != NULL ? *wanted : (mr_engine_options){0};
    options.path = path;
    options.create = true;
    fixture f;
    fixture_open(&f, &options);
    (void)fixture_program(&f,
                          "(module (import \"env\" \"memory\" (memory 1))"
                          "(func (export \"handle\") (i32.store (i32.const 9) (i32.const 1))))");
    const mr_id root = fixture_info(&f).root;
    fixture_close(&f);
    return root;
}

/* Opening fails with the status and a sentence that names the path and has `part`. */
static void assert_refused(const mr_engine_options *options, mr_status status, const char *part)
{
    fixture f;
    mr_error error = {0};
    const mr_status found = fixture_try_open(&f, options, &error);
    if (found == MR_OK)
        fail_msg("%s opens", options->path);
    if (found != status || strstr(error.text, part) == NULL ||
        strstr(error.text, options->path) == NULL)
        fail_msg("%s: %s: not \"%s\"", mr_status_text(found), error.text, part);
}

static void assert_opens_with(const char *path, const mr_engine_options *wanted, mr_id root)
{
    mr_engine_options options = wanted != NULL ? *wanted : (mr_engine_options){0};
    options.path = path;
    fixture f;
    fixture_open(&f, &options);
    mr_engine_info info;
    mr_engine_info_get(f.engine, &info);
    assert_id_equal(info.root, root);
    assert_int_equal(info.height, 2);
    fixture_close(&f);
}

/* Adds to a byte of the configuration. */
static void change_configuration(const char *path, size_t at, int by)
{
    const mr_store_options options = {.path = path, .tables = tables, .tables_count = TABLES};
    mr_store *store;
    mr_error error = {0};
    if (mr_store_open(&options, &store, &error) != MR_OK)
        fail_msg("%s", error.text);
    mr_buffer record = {0};
    const mr_span key = mr_span_text("config");
    assert_int_equal(mr_store_get(store, META, key, &record), MR_OK);
    record.data[at] = (uint8_t)(record.data[at] + by);
    mr_batch *batch = mr_batch_new(store);
    assert_int_equal(mr_batch_put(batch, META, key, mr_buffer_span(&record)), MR_OK);
    assert_int_equal(mr_store_submit(store, &batch, 1, &error), MR_OK);
    mr_batch_free(batch);
    mr_store_close(store);
    mr_buffer_fini(&record);
}

static void a_database_of_another_version_is_refused(void **state)
{
    (void)state;
    enum { FORMAT_AT = 0, CODE_VERSION_AT = 2 };
    const mr_id root = make("version", NULL);
    const mr_engine_options options = {.path = "version", .create = true};
    change_configuration("version", FORMAT_AT, 1);
    assert_refused(&options, MR_VERSION, "has format 3, this engine reads format 2");
    change_configuration("version", FORMAT_AT, -1);
    change_configuration("version", CODE_VERSION_AT, 1);
    assert_refused(&options, MR_VERSION, "metered by rules of version");
    change_configuration("version", CODE_VERSION_AT, -1);
    assert_opens_with("version", NULL, root);
}

static void a_database_made_with_other_prices_is_refused_by_price(void **state)
{
    (void)state;
    const mr_id root = make("prices", NULL);
    mr_schedule schedule = mr_schedule_default();
    schedule.send_byte++;
    const mr_engine_options options = {.path = "prices", .create = true, .schedule = &schedule};
    assert_refused(&options, MR_SCHEDULE,
                   "the database was made with send_byte = 20, this engine has 21");
    assert_opens_with("prices", NULL, root);
    const mr_id other = make("dear", &(mr_engine_options){.schedule = &schedule});
    assert_refused(&(mr_engine_options){.path = "dear"}, MR_SCHEDULE, "send_byte = 21");
    assert_opens_with("dear", &(mr_engine_options){.schedule = &schedule}, other);
}

static void accounts_cannot_be_turned_on_later(void **state)
{
    (void)state;
    const mr_id root = make("free", NULL);
    assert_refused(&(mr_engine_options){.path = "free", .accounts = true}, MR_STATE,
                   "made without accounts");
    assert_opens_with("free", NULL, root);
}

static void what_is_no_database_is_named(void **state)
{
    (void)state;
    FILE *file = fopen("file", "w");
    assert_non_null(file);
    (void)fputs("a letter to the miller\n", file);
    (void)fclose(file);
    assert_int_equal(mkdir("empty", 0777), 0);
    assert_refused(&(mr_engine_options){.path = "nowhere"}, MR_NOT_FOUND, "nowhere");
    assert_refused(&(mr_engine_options){.path = "nowhere", .read_only = true}, MR_NOT_FOUND,
                   "nowhere");
    assert_refused(&(mr_engine_options){.path = "empty"}, MR_NOT_FOUND, "empty");
    assert_refused(&(mr_engine_options){.path = "empty", .read_only = true}, MR_NOT_FOUND, "empty");
    assert_refused(&(mr_engine_options){.path = "file"}, MR_IO, "a directory");
    assert_refused(&(mr_engine_options){.path = "file", .create = true}, MR_IO, "a directory");
    assert_refused(&(mr_engine_options){.path = "file/db", .create = true}, MR_IO, "file/db");
    assert_int_equal(access("nowhere", F_OK), -1);
    char text[64] = "";
    file = fopen("file", "r");
    assert_non_null(fgets(text, sizeof text, file));
    (void)fclose(file);
    assert_string_equal(text, "a letter to the miller\n");
}

/* What this program does when started with AS_NOBODY. */
#define AS_NOBODY "--as-nobody"

static int open_as_nobody(void)
{
    enum { NOBODY = 65534 };
    static const char *const paths[] = {"closed/db", "closed", "theirs"};
    if (geteuid() == 0 && setuid(NOBODY) != 0)
        return 9;
    for (int i = 0; i < 3; i++) {
        const mr_engine_options options = {
            .path = paths[i], .create = true, .streams = 1, .no_pin = true};
        mr_engine *engine;
        mr_error error = {0};
        const mr_status status = mr_engine_open(&options, &engine, &error);
        if (status != MR_IO || strstr(error.text, paths[i]) == NULL)
            return 1 + i;
    }
    return 0;
}

/* In a process of its own, for whoever may do everything gives that up first. */
static void a_directory_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    assert_int_equal(mkdir("closed", 0555), 0);
    const mr_id root = make("theirs", NULL);
    assert_int_equal(chmod("theirs", 0555), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)execl("/proc/self/exe", "opening", AS_NOBODY, (char *)NULL);
        _exit(8);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(chmod("theirs", 0755), 0);
    assert_opens_with("theirs", NULL, root);
}

static void a_database_in_use_is_busy_for_writers(void **state)
{
    (void)state;
    const mr_id root = make("busy", NULL);
    fixture f;
    fixture_open(&f, &(mr_engine_options){.path = "busy"});
    assert_refused(&(mr_engine_options){.path = "busy"}, MR_BUSY, "busy");
    fixture_run(&f, NULL, 0); /* and the first goes on */
    assert_int_equal(fixture_info(&f).height, 3);
    fixture_close(&f);
    fixture_open(&f, &(mr_engine_options){.path = "busy"});
    mr_engine_info info;
    mr_engine_info_get(f.engine, &info);
    assert_id_equal(info.root, root); /* an empty block changes nothing */
    fixture_close(&f);
}

static void who_opens_for_reading_reads_and_changes_nothing(void **state)
{
    (void)state;
    const mr_id root = make("read", NULL);
    const mr_engine_options options = {.path = "read", .read_only = true};
    fixture first, second;
    fixture_open(&first, &options);
    fixture_open(&second, &options); /* readers do not exclude each other */
    mr_engine_info info;
    mr_engine_info_get(second.engine, &info);
    assert_id_equal(info.root, root);
    mr_stored_block *stored;
    mr_error error = {0};
    assert_int_equal(mr_engine_block(second.engine, 2, &stored, &error), MR_OK);
    mr_stored_block_free(stored);
    assert_int_equal(mr_engine_block(second.engine, 3, &stored, &error), MR_NOT_FOUND);
    assert_string_equal(error.text, "there is no block 3: the last one is 2");
    mr_block *block;
    assert_int_equal(mr_block_execute(first.engine, &first.params, NULL, 0, &block, &error),
                     MR_STATE);
    assert_true(strlen(error.text) > 10);
    fixture_close(&first);
    fixture_close(&second);
    assert_opens_with("read", NULL, root);
    assert_refused(&(mr_engine_options){.path = "read", .accounts = true, .read_only = true},
                   MR_STATE, "made without accounts");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], AS_NOBODY) == 0)
        return open_as_nobody();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_database_of_another_version_is_refused),
        cmocka_unit_test(a_database_made_with_other_prices_is_refused_by_price),
        cmocka_unit_test(accounts_cannot_be_turned_on_later),
        cmocka_unit_test(what_is_no_database_is_named),
        cmocka_unit_test(a_directory_that_cannot_be_written_is_named),
        cmocka_unit_test(a_database_in_use_is_busy_for_writers),
        cmocka_unit_test(who_opens_for_reading_reads_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
