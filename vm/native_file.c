/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/native_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "vm/native_artifact.h"
#include "vm/native_stack.h"
#include "vm/native_text.h"

enum {
    HEX_BYTES = 2 * MR_DIGEST_BYTES + 1,
    STACK_BYTES_MAX = 256 << 20,
    MODULE_SECONDS = 10,            /* of a compiler's processor time, at most, */
    MODULE_BYTES_A_SECOND = 4 << 10 /* and more for a large one: gcc takes 0.1 for so much */
};

#define BUILD_PREFIX "build-" /* of directories that compilers work in */

struct mr_native_files {
    const mr_module_rules *rules;
    mr_code_prices prices;
    bool frames;
    bool is_writable;
    char *directory;
    mr_compiler compilers[MR_GRADES];
};

/* ---- The directory ---- */

/* Makes a directory and those above it, for this user only. */
static bool make_directories(char *path)
{
    for (char *at = path + 1; *at != 0; at++) {
        if (*at != '/')
            continue;
        *at = 0;
        const bool made = mkdir(path, 0700) == 0 || errno == EEXIST;
        *at = '/';
        if (!made)
            return false;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static bool may(const char *path, int what)
{
    return faccessat(AT_FDCWD, path, what, AT_EACCESS) == 0;
}

/* Nobody but this user, whoever is in a group of the user's own, and root may change what is in it.
 */
static bool is_private(const struct stat *facts)
{
    const bool is_own_group = facts->st_uid == geteuid() && facts->st_gid == getegid();
    return (facts->st_uid == geteuid() || facts->st_uid == 0) && (facts->st_mode & S_IWOTH) == 0 &&
           ((facts->st_mode & S_IWGRP) == 0 || is_own_group);
}

/* Whoever can put files into a directory can have them run; and whoever can put another directory
 * in the place of one above it, where the sticky bit does not forbid that. `path` has no links, and
 * is cut off on the way. */
static bool is_safe(char *path)
{
    struct stat facts;
    if (stat(path, &facts) != 0 || !is_private(&facts))
        return false;
    for (char *slash; (slash = strrchr(path, '/')) != NULL && path[1] != 0;) {
        slash[slash == path] = 0;
        if (stat(path, &facts) != 0 ||
            (!is_private(&facts) &&
             !((facts.st_mode & S_ISVTX) != 0 && (facts.st_uid == 0 || facts.st_uid == geteuid()))))
            return false;
    }
    return true;
}

static mr_status find_directory(mr_native_files *files, const char *asked, mr_error *error)
{
    char path[PATH_MAX];
    const char *caches = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int size;
    if (asked != NULL)
        size = snprintf(path, sizeof path, "%s", asked);
    else if (caches != NULL && caches[0] == '/')
        size = snprintf(path, sizeof path, "%s/millrace", caches);
    else if (home != NULL && home[0] == '/')
        size = snprintf(path, sizeof path, "%s/.cache/millrace", home);
    else
        return MR_FAIL(error, MR_IO,
                       "no directory for compiled programs is named, and there is "
                       "neither $XDG_CACHE_HOME nor $HOME");
    if (size <= 0 || size >= PATH_MAX - 2 * HEX_BYTES)
        return MR_FAIL(error, MR_IO, "the directory for compiled programs has too long a name");
    if (!make_directories(path) || !may(path, R_OK | X_OK))
        return MR_FAIL(error, MR_IO, "cannot use the directory %s for compiled programs: %s", path,
                       strerror(errno));
    files->is_writable = may(path, W_OK);
    files->directory = realpath(path, NULL);
    if (files->directory == NULL)
        return MR_NO_MEMORY;
    (void)snprintf(path, sizeof path, "%s", files->directory);
    if (!is_safe(path))
        return MR_FAIL(error, MR_IO,
                       "others may change what is in the directory %s for compiled programs; it "
                       "and those above it must be yours or root's, and nobody else may write to "
                       "them",
                       files->directory);
    return MR_OK;
}

/* With whatever a compiler that was ended has left in it. */
static void remove_directory(const char *directory)
{
    const int at = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *files = at < 0 ? NULL : fdopendir(at);
    if (files == NULL) {
        if (at >= 0)
            (void)close(at);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(files)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(files), entry->d_name, 0);
    }
    (void)closedir(files);
    (void)rmdir(directory);
}

/* A process that is killed leaves the directory it compiles in. No compiler takes a day. */
static void remove_abandoned(const char *directory)
{
    enum { ABANDONED_SECONDS = 24 * 60 * 60 };
    DIR *files = opendir(directory);
    if (files == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(files)) != NULL;) {
        struct stat found;
        char path[PATH_MAX];
        if (strncmp(entry->d_name, BUILD_PREFIX, strlen(BUILD_PREFIX)) == 0 &&
            fstatat(dirfd(files), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
            found.st_uid == geteuid() && found.st_mtime < time(NULL) - ABANDONED_SECONDS &&
            (size_t)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) < sizeof path)
            remove_directory(path);
    }
    (void)closedir(files);
}

mr_status mr_native_files_new(const mr_native_options *options, const mr_module_rules *rules,
                              const mr_code_prices *prices, mr_native_files **out, mr_error *error)
{
    mr_native_files *files = calloc(1, sizeof *files);
    if (files == NULL)
        return MR_NO_MEMORY;
    files->rules = rules;
    files->prices = *prices;
    files->frames = options->frames;
    mr_status status = mr_compilers_find(options, prices, files->compilers, error);
    if (status == MR_OK)
        status = find_directory(files, options->directory, error);
    if (status != MR_OK) {
        mr_native_files_free(files);
        return status;
    }
    if (files->is_writable)
        remove_abandoned(files->directory);
    *out = files;
    return MR_OK;
}

void mr_native_files_free(mr_native_files *files)
{
    if (files == NULL)
        return;
    mr_compilers_fini(files->compilers);
    free(files->directory);
    free(files);
}

bool mr_native_files_has(const mr_native_files *files, mr_grade grade)
{
    return files->compilers[grade].path != NULL;
}

static bool name_of(const mr_native_files *files, const mr_compiler *by, const mr_code *code,
                    uint8_t key[MR_DIGEST_BYTES], char path[PATH_MAX])
{
    const mr_span module = mr_code_rewritten(code);
    mr_digest d = mr_digest_begin();
    mr_digest_add(&d, by->identity, sizeof by->identity);
    mr_digest_add(&d, module.data, module.size);
    if (!mr_digest_end(&d, key))
        return false;
    char hex[HEX_BYTES];
    for (size_t i = 0; i < MR_DIGEST_BYTES; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", key[i]);
    (void)snprintf(path, PATH_MAX, "%s/%s.so", files->directory, hex);
    return true;
}

static uint32_t frames_max(const mr_native_files *files)
{
    return files->frames ? mr_code_frames_max(&files->prices) + 1 : 0;
}

/* ---- Making ---- */

/* Readers find the whole file or none. It is not synced: what a crash spoils is seen by its digest.
 */
static mr_status publish(const char *directory, const char *path, mr_span bytes)
{
    char made[PATH_MAX + 16];
    (void)snprintf(made, sizeof made, "%s/m.new", directory);
    MR_TRY(mr_artifact_write(made, bytes));
    return rename(made, path) == 0 ? MR_OK : MR_IO;
}

static mr_status build_object(const mr_native_files *files, const mr_compiler *by,
                              const char *directory, const mr_native_text *text,
                              const _Atomic bool *stop, mr_buffer *object, uint64_t *stack_bytes,
                              mr_error *error)
{
    char made[PATH_MAX + 16];
    MR_TRY(mr_build_run(&by->build, directory, mr_buffer_span(&text->c), stop, error));
    (void)snprintf(made, sizeof made, "%s/m.so", directory);
    mr_status status = mr_artifact_read(made, object);
    if (status != MR_OK)
        return MR_FAIL(error, status == MR_NOT_FOUND ? MR_MODULE : status,
                       "what %s made cannot be read", by->path);
    const mr_stack_facts facts = {
        .text = text,
        .prices = &files->prices,
        .directory = directory,
        .object = mr_buffer_span(object),
        .is_tcc = by->is_tcc,
    };
    status = mr_native_stack(&facts, stack_bytes);
    if (status != MR_OK)
        return MR_FAIL(error, status, "%s does not tell what code takes of the stack", by->path);
    if (*stack_bytes > STACK_BYTES_MAX)
        return MR_FAIL(error, MR_MODULE, "compiled by %s it might take %llu MiB of stack", by->path,
                       (unsigned long long)(*stack_bytes >> 20));
    return MR_OK;
}

static mr_status make_in(const mr_native_files *files, const mr_compiler *by, const char *directory,
                         mr_code *code, const uint8_t key[MR_DIGEST_BYTES], const char *path,
                         const _Atomic bool *stop, mr_error *error)
{
    mr_native_text text = {0};
    mr_buffer object = {0};
    uint64_t stack_bytes = 0;
    mr_status status = mr_native_write(files->rules, code, files->frames, &text, error);
    if (status == MR_OK)
        status = build_object(files, by, directory, &text, stop, &object, &stack_bytes, error);
    mr_native_text_fini(&text);
    if (status == MR_OK) {
        status = mr_artifact_seal(&object, key, stack_bytes);
        if (status == MR_OK)
            status = publish(directory, path, mr_buffer_span(&object));
        if (status != MR_OK)
            status = MR_FAIL(error, status, "cannot write %s: %s", path, strerror(errno));
    }
    mr_buffer_fini(&object);
    return status;
}

static mr_status make(const mr_native_files *files, const mr_compiler *by, mr_code *code,
                      const uint8_t key[MR_DIGEST_BYTES], const char *path,
                      const _Atomic bool *stop, mr_error *error)
{
    char directory[PATH_MAX];
    if (!files->is_writable)
        return MR_FAIL(error, MR_IO, "it is not in %s, to which nothing can be written",
                       files->directory);
    if ((size_t)snprintf(directory, sizeof directory, "%s/" BUILD_PREFIX "XXXXXX",
                         files->directory) >= sizeof directory ||
        mkdtemp(directory) == NULL)
        return MR_FAIL(error, MR_IO, "cannot make a directory in %s: %s", files->directory,
                       strerror(errno));
    mr_status status = make_in(files, by, directory, code, key, path, stop, error);
    remove_directory(directory);
    return status;
}

/* What cannot be overwritten, a directory, goes where it will be taken for an abandoned one. */
static void put_aside(const mr_native_files *files, const char *path)
{
    char aside[PATH_MAX + 16];
    if (rmdir(path) == 0 || (errno != ENOTEMPTY && errno != EEXIST))
        return;
    (void)snprintf(aside, sizeof aside, "%s/" BUILD_PREFIX "XXXXXX", files->directory);
    if (mkdtemp(aside) != NULL)
        (void)rename(path, aside);
}

bool mr_native_files_find(const mr_native_files *files, mr_grade grade, mr_code *code,
                          mr_artifact **out)
{
    uint8_t key[MR_DIGEST_BYTES];
    char path[PATH_MAX];
    mr_error error;
    return name_of(files, &files->compilers[grade], code, key, path) &&
           mr_artifact_load(path, key, frames_max(files), out, &error) == MR_OK;
}

mr_status mr_native_files_get(const mr_native_files *files, mr_grade grade, bool is_urgent,
                              mr_code *code, const _Atomic bool *stop, mr_artifact **out,
                              mr_error *error)
{
    mr_compiler by = files->compilers[grade];
    by.build.is_urgent |= is_urgent;
    const uint32_t seconds =
        MODULE_SECONDS + (uint32_t)(mr_code_rewritten(code).size / MODULE_BYTES_A_SECOND);
    if (by.build.seconds_max > seconds)
        by.build.seconds_max = seconds;
    uint8_t key[MR_DIGEST_BYTES];
    char path[PATH_MAX];
    if (!name_of(files, &by, code, key, path))
        return MR_FAIL(error, MR_NO_MEMORY, "no memory to compile a program");
    mr_status status = mr_artifact_load(path, key, frames_max(files), out, error);
    if (status == MR_OK)
        return MR_OK;
    if (files->is_writable && (status == MR_CORRUPT || status == MR_MODULE))
        mr_log(MR_LOG_WARNING, "%s is damaged or not ours; it is made anew", path);
    if (status == MR_CORRUPT)
        put_aside(files, path);
    MR_TRY(make(files, &by, code, key, path, stop, error));
    status = mr_artifact_load(path, key, frames_max(files), out, error);
    if (status == MR_OK)
        return MR_OK;
    (void)unlink(path);
    return status == MR_MODULE ? status : MR_FAIL(error, status, "%s cannot be read back", path);
}
