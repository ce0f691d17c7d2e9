/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=300 */
/* Goal: a database whose files have been damaged is refused with a sentence that names it, or fails
 * when the damage is read, or is found after a whole number of changes; it never ends the process,
 * and never shows anything else. One exception is known, see docs/FORMATS.md: RocksDB takes a
 * MANIFEST that was cut short, or looks so, for an older one, and tables of different ages come
 * together.
 * Method: a database with every kind of file; copies of it with bits flipped at random places,
 * files cut short, filled up and taken away, each opened and read whole in a process of its own.
 *
 * MR_SEED=n replays the places. */
#include "changes.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { CHANGES = 60, VALUE_BYTES = 300, FLIPS = 10, CUTS = 4, FILES_MAX = 64 };

/* How a child ends. */
enum { WHOLE = 20, REFUSED, FAILED_READING, EMPTY, NOT_WHOLE };

static void shell(const char *format, const char *a, const char *b)
{
    char command[2 * PATH_MAX];
    int used = snprintf(command, sizeof command, format, a, b);
    assert_true(used > 0 && (size_t)used < sizeof command);
    assert_int_equal(system(command), 0);
}

/* Tables of two ages, and a log with the last third of the changes. */
_Noreturn static void making_child(const char *path)
{
    for (uint64_t n = 1; n <= CHANGES;) {
        mr_store *store = test_store_open(path);
        mr_batch *batches[2] = {mr_batch_new(store), mr_batch_new(store)};
        for (uint64_t end = n + CHANGES / 3; n < end; n++) {
            assert_int_equal(fill(batches, n, VALUE_BYTES), MR_OK);
            assert_int_equal(mr_store_submit(store, batches, 2, NULL), MR_OK);
        }
        mr_batch_free(batches[0]);
        mr_batch_free(batches[1]);
        mr_store_close(store);
    }
    _exit(WHOLE);
}

/* In a process of its own, so that the parent has no threads when it forks. */
static void make_database(const char *path)
{
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        making_child(path);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == WHOLE);
}

_Noreturn static void child(const char *path, bool create)
{
    mr_store_options options = {
        .path = path, .tables = test_tables(), .tables_count = TEST_TABLES, .create = create};
    mr_store *store;
    mr_error error = {0};
    mr_status status = mr_store_open(&options, &store, &error);
    if (status != MR_OK) {
        bool known = status == MR_CORRUPT || status == MR_IO || (!create && status == MR_NOT_FOUND);
        if (!known || strstr(error.text, path) == NULL)
            fprintf(stderr, "%s: %s\n", mr_status_name(status), error.text);
        _exit(known && strstr(error.text, path) != NULL ? REFUSED : 1);
    }
    uint64_t n;
    status = find_change(store, CHANGES, &n);
    mr_buffer value = {0};
    mr_status got = mr_store_get(store, 0, mr_span_text("g0/00"), &value);
    mr_store_close(store);
    if (status == MR_OK && got == (n == 0 ? MR_NOT_FOUND : MR_OK))
        _exit(n == 0 ? EMPTY : WHOLE);
    _exit(status == MR_CORRUPT || status == MR_IO ? FAILED_READING : NOT_WHOLE);
}

typedef struct harm {
    const char *name;
    uint32_t times;
    void (*inflict)(const char *path, off_t size, uint64_t *random);
} harm;

static void flip(const char *path, off_t size, uint64_t *random)
{
    int file = open(path, O_RDWR);
    off_t at = (off_t)(test_random(random) % (uint64_t)size);
    uint8_t byte;
    assert_int_equal(pread(file, &byte, 1, at), 1);
    byte ^= (uint8_t)(1u << test_below(random, 8));
    assert_int_equal(pwrite(file, &byte, 1, at), 1);
    (void)close(file);
}

static void cut(const char *path, off_t size, uint64_t *random)
{
    assert_int_equal(truncate(path, (off_t)(test_random(random) % (uint64_t)size)), 0);
}

static void fill_up(const char *path, off_t size, uint64_t *random)
{
    uint8_t noise[100];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)test_random(random);
    int file = open(path, O_RDWR);
    assert_int_equal(pwrite(file, noise, sizeof noise, size), sizeof noise);
    (void)close(file);
}

static void take_away(const char *path, off_t size, uint64_t *random)
{
    (void)size;
    (void)random;
    assert_int_equal(unlink(path), 0);
}

static const harm harms[] = {{"flipped", FLIPS, flip},
                             {"cut", CUTS, cut},
                             {"filled up", 1, fill_up},
                             {"gone", 1, take_away}};

static int open_harmed(const char *path, bool create)
{
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        child(path, create);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Harms one file in one way, again and again, each time in a fresh copy. */
static void harm_file(const char *good, const char *name, const harm *how, uint64_t *random)
{
    unsigned ends[NOT_WHOLE + 1] = {0};
    char copy[PATH_MAX], path[PATH_MAX];
    (void)snprintf(copy, sizeof copy, "%s-copy", good);
    int used = snprintf(path, sizeof path, "%s/%s", copy, name);
    assert_true(used > 0 && (size_t)used < sizeof path);
    for (uint32_t i = 0; i < how->times; i++) {
        uint64_t state = *random;
        shell("cp -r '%s' '%s'", good, copy);
        struct stat info;
        assert_int_equal(stat(path, &info), 0);
        if (info.st_size > 0 || how->inflict == take_away)
            how->inflict(path, info.st_size, random);
        int end = open_harmed(copy, i % 2 == 0);
        bool known =
            (how->inflict == cut || how->inflict == flip) && strncmp(name, "MANIFEST", 8) == 0;
        if (end < WHOLE || end == EMPTY || (end == NOT_WHOLE && !known))
            fail_msg("%s %s from state %llu: the child ended with %d", name, how->name,
                     (unsigned long long)state, end);
        ends[end]++;
        shell("rm -rf '%s'%s", copy, "");
    }
    printf("%-18s %-10s %2u whole, %2u refused, %2u not read, %2u mixed\n", name, how->name,
           ends[WHOLE], ends[REFUSED], ends[FAILED_READING], ends[NOT_WHOLE]);
}

static size_t list_files(const char *path, char (*names)[NAME_MAX + 1])
{
    size_t count = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        bool data = entry->d_name[0] != '.' && strncmp(entry->d_name, "LO", 2) != 0;
        if (data && count < FILES_MAX)
            (void)snprintf(names[count++], NAME_MAX + 1, "%s", entry->d_name);
    }
    (void)closedir(folder);
    return count;
}

static void damage_is_refused_or_leaves_whole_changes(void **state)
{
    (void)state;
    static char names[FILES_MAX][NAME_MAX + 1];
    uint64_t random = test_seed();
    char *directory = test_directory();
    char good[300];
    (void)snprintf(good, sizeof good, "%s/db", directory);
    make_database(good);
    size_t count = list_files(good, names);
    unsigned tables = 0, logs = 0;
    for (size_t i = 0; i < count; i++) {
        tables += strstr(names[i], ".sst") != NULL;
        logs += strstr(names[i], ".log") != NULL;
        for (size_t h = 0; h < sizeof harms / sizeof harms[0]; h++)
            harm_file(good, names[i], &harms[h], &random);
    }
    assert_true(tables >= 4 && logs >= 1);
    assert_int_equal(open_harmed(good, false), WHOLE);
    test_directory_remove(directory);
}

/* RocksDB alone would make a new database in its place. */
static void a_database_that_lost_CURRENT_is_left_as_it_is(void **state)
{
    (void)state;
    char *directory = test_directory();
    char good[300];
    (void)snprintf(good, sizeof good, "%s/db", directory);
    make_database(good);
    static char names[FILES_MAX][NAME_MAX + 1];
    size_t count = list_files(good, names);
    shell("mv '%s/CURRENT' '%s/kept'", good, directory);
    assert_int_equal(open_harmed(good, true), REFUSED);
    assert_int_equal(list_files(good, names), count - 1);
    shell("mv '%s/kept' '%s/CURRENT'", directory, good);
    assert_int_equal(open_harmed(good, true), WHOLE);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_is_refused_or_leaves_whole_changes),
        cmocka_unit_test(a_database_that_lost_CURRENT_is_left_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
