/* SPDX-License-Identifier: Apache-2.0 */
/* native: what tests of compilers and of what these make share: a folder of the test's own, what
 * the log was told, machines that compile, scripts in a compiler's place. */
#ifndef MR_TESTS_VM_NATIVE_H
#define MR_TESTS_VM_NATIVE_H

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/vm/fixture.h"

static char folder[64]; /* of this run of the test */

/* The path of `name`, which stays where it is. Not inlined, as gcc then thinks it may be as long as
 * all paths together. */
__attribute__((noinline)) static const char *in_folder(const char *name)
{
    static char paths[64][128];
    static size_t count;
    char path[sizeof paths[0]];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    size_t i = 0;
    while (i < count && strcmp(paths[i], path) != 0)
        i++;
    assert_true(i < sizeof paths / sizeof paths[0]);
    if (i == count)
        memcpy(paths[count++], path, sizeof path);
    return paths[i];
}

static inline const char *compiler(void)
{
    const char *named = getenv("MR_TEST_COMPILER");
    return named != NULL ? named : "gcc";
}

/* ---- What the log was told ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char told[4096];
static unsigned told_count;

static inline void listen(void *arg, mr_log_level level, const char *text)
{
    (void)arg;
    (void)level;
    (void)pthread_mutex_lock(&lock);
    told_count++;
    (void)snprintf(told, sizeof told, "%s", text);
    (void)pthread_mutex_unlock(&lock);
}

/* How often the log was told something since this was asked last; the last of it is in `text`. */
static inline unsigned take_told(char text[sizeof told])
{
    (void)pthread_mutex_lock(&lock);
    const unsigned count = told_count;
    memcpy(text, told, sizeof told);
    told_count = 0;
    (void)pthread_mutex_unlock(&lock);
    return count;
}

static inline void assert_told_once(const char *what)
{
    char text[sizeof told];
    const unsigned count = take_told(text);
    if (count != 1 || strstr(text, what) == NULL)
        fail_msg("told %u times, last: %s; not once: %s", count, text, what);
}

static inline void assert_told_nothing(void)
{
    char text[sizeof told];
    if (take_told(text) != 0)
        fail_msg("told: %s", text);
}

/* ---- Machines ---- */

static inline fixture machine_of(mr_tier tier, const mr_native_options *native, uint64_t seed)
{
    return fixture_open(&(mr_vm_options){.rules = &fixture_rules,
                                         .functions = fixture_functions,
                                         .tier = tier,
                                         .prices = &fixture_prices,
                                         .native = native,
                                         .switch_seed = seed,
                                         .instance_bytes_max = 16 << 20,
                                         .live_bytes_max = UINT64_MAX});
}

static inline fixture machine(mr_tier tier, const mr_native_options *native)
{
    return machine_of(tier, native, 0);
}

/* Draws for each run who has it. */
static inline fixture machine_that_draws(const mr_native_options *native, uint64_t seed)
{
    return machine_of(MR_TIER_NATIVE, native, seed);
}

/* A program of its own for every number. */
static inline mr_code *code_number(unsigned number)
{
    char more[64];
    (void)snprintf(more, sizeof more, "(func (result i32) (i32.const %u))", number);
    return fixture_code(3, MR_PAGE_BYTES, more);
}

static inline void run_once(fixture *f, mr_code *code)
{
    mr_memory memory;
    mr_memory_init(&memory, code);
    const step steps[] = {{STEP_STORE32, 2 * MR_PAGE_BYTES, 0x01020304, 0}, {0}};
    assert_int_equal(fixture_run(f->worker, &memory, steps), MR_VM_DONE);
    uint32_t stored = 0;
    assert_int_equal(mr_memory_read(&memory, 2 * MR_PAGE_BYTES, &stored, sizeof stored), MR_OK);
    assert_int_equal(stored, 0x01020304);
    mr_memory_fini(&memory, f->pool);
}

/* Runs a code on a machine of its own. Tells whether it was compiled. */
static inline bool is_compiled(const mr_native_options *native, unsigned number)
{
    fixture f = machine(MR_TIER_NATIVE, native);
    mr_code *code = code_number(number);
    run_once(&f, code);
    const bool compiled = mr_native_find(code) != NULL;
    fixture_free(&f);
    mr_code_put(code);
    return compiled;
}

/* ---- Files ---- */

/* The only compiled program of a directory. */
static inline void find_artifact(const char *directory, char path[512])
{
    DIR *open = opendir(directory);
    assert_non_null(open);
    unsigned found = 0;
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        found++;
        (void)snprintf(path, 512, "%s/%s", directory, entry->d_name);
    }
    (void)closedir(open);
    if (found != 1)
        fail_msg("%s has %u files, not 1", directory, found);
}

static inline void assert_empty(const char *directory)
{
    DIR *open = opendir(directory);
    assert_non_null(open);
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        if (entry->d_name[0] != '.')
            fail_msg("%s has %s", directory, entry->d_name);
    }
    (void)closedir(open);
}

static inline size_t read_bytes(const char *path, uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t got = fread(bytes, 1, size, file);
    (void)fclose(file);
    return got;
}

static inline void write_bytes(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline const char *write_script(const char *name, const char *text)
{
    const char *path = in_folder(name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "#!/bin/sh\n%s\n", text);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0700), 0);
    return path;
}

static inline int native_set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/millrace-native-XXXXXX");
    mr_log_set_sink(listen, NULL);
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static inline int native_tear_down(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

#endif
