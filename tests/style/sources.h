/* SPDX-License-Identifier: Apache-2.0 */
/* sources: walks the source tree for the checks of style, and makes small trees with planted faults
 * to show that each check can fail. */
#ifndef MR_TESTS_STYLE_SOURCES_H
#define MR_TESTS_STYLE_SOURCES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a check found. Paths are relative to the root of the tree, which is the current folder. */
typedef struct findings {
    unsigned files_count, count;
    char text[8192]; /* one line each, as many as fit */
} findings;

__attribute__((format(printf, 2, 3))) static inline void found(findings *f, const char *format, ...)
{
    size_t used = strlen(f->text);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(f->text + used, sizeof f->text - used, format, args);
    va_end(args);
    f->count++;
}

typedef void check_file(findings *f, const char *path);

static inline bool ends_in(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

static inline bool begins_with(const char *text, const char *begin)
{
    return strncmp(text, begin, strlen(begin)) == 0;
}

static inline void join(char *out, const char *folder, const char *name)
{
    int used = snprintf(out, PATH_MAX, "%s%s%s", folder, folder[0] == '\0' ? "" : "/", name);
    assert_true(used > 0 && used < PATH_MAX);
}

static inline void walk(findings *f, const char *folder, check_file *check)
{
    DIR *open = opendir(folder[0] == '\0' ? "." : folder);
    assert_non_null(open);
    for (const struct dirent *entry; (entry = readdir(open)) != NULL;) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "build") == 0)
            continue;
        char path[PATH_MAX];
        join(path, folder, entry->d_name);
        struct stat info;
        if (lstat(path, &info) != 0)
            continue;
        if (S_ISDIR(info.st_mode)) {
            walk(f, path, check);
        } else if (S_ISREG(info.st_mode)) {
            f->files_count++;
            check(f, path);
        }
    }
    (void)closedir(open);
}

static inline FILE *open_source(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    return file;
}

/* The tree this test was built from. */
static inline void assert_tree_is_clean(check_file *check, unsigned files_least)
{
    findings f = {0};
    assert_int_equal(chdir(MR_SOURCE_DIR), 0);
    walk(&f, "", check);
    if (f.count > 0)
        fail_msg("%u findings:\n%s", f.count, f.text);
    assert_true(f.files_count >= files_least);
}

/* A tree of one file with `text`, in which the check must find what contains `finding`; NULL:
 * nothing. */
static inline void assert_found(check_file *check, const char *path, const char *text,
                                const char *finding)
{
    char root[] = "/tmp/millrace-style-XXXXXX", below[PATH_MAX];
    assert_non_null(mkdtemp(root));
    assert_int_equal(chdir(root), 0);
    join(below, "", path);
    for (char *slash = below; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        assert_int_equal(mkdir(below, 0777), 0);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
    findings f = {0};
    walk(&f, "", check);
    (void)unlink(path);
    for (char *slash; (slash = strrchr(below, '/')) != NULL;) {
        *slash = '\0';
        (void)rmdir(below);
    }
    assert_int_equal(chdir("/"), 0);
    (void)rmdir(root);
    if (finding == NULL && f.count > 0)
        fail_msg("found in %s: %s", path, f.text);
    if (finding != NULL && strstr(f.text, finding) == NULL)
        fail_msg("not found in %s: %s\nbut: %s", path, finding, f.text);
}

#endif
