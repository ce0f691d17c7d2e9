/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <uv.h>

static mr_status fail(mr_error *error, int code, const char *what, const char *path)
{
    mr_status status = code == UV_ENOENT   ? MR_NOT_FOUND
                       : code == UV_ENOSPC ? MR_NO_SPACE
                       : code == UV_ENOMEM ? MR_NO_MEMORY
                       : code == UV_EISDIR ? MR_INVALID
                                           : MR_IO;
    return MR_FAIL(error, status, "cannot %s %s: %s", what, path, uv_strerror(code));
}

static void close_file(uv_file *file)
{
    if (*file < 0)
        return;
    uv_fs_t fs;
    (void)uv_fs_close(NULL, &fs, *file, NULL);
    uv_fs_req_cleanup(&fs);
}

/* Opens without blocking, so that a pipe with nobody at its other end is reported, not waited for.
 */
static int open_file(const char *path, int flags, uv_file *out)
{
    uv_fs_t fs;
    int result = uv_fs_open(NULL, &fs, path, flags | O_CLOEXEC, 0666, NULL);
    uv_fs_req_cleanup(&fs);
    if (result < 0)
        return result;
    *out = result;
    return 0;
}

static mr_status check_regular(uv_file file, const char *path, size_t bytes_max, mr_error *error)
{
    uv_fs_t fs;
    int result = uv_fs_fstat(NULL, &fs, file, NULL);
    uint64_t mode = fs.statbuf.st_mode, size = fs.statbuf.st_size;
    uv_fs_req_cleanup(&fs);
    if (result < 0)
        return fail(error, result, "look at", path);
    if (S_ISDIR(mode))
        return MR_FAIL(error, MR_INVALID, "cannot read %s: it is a directory", path);
    if (!S_ISREG(mode))
        return MR_FAIL(error, MR_INVALID, "cannot read %s: it is not a regular file", path);
    if (size > bytes_max)
        return MR_FAIL(error, MR_LIMIT, "%s has %llu bytes, at most %zu are read", path,
                       (unsigned long long)size, bytes_max);
    return MR_OK;
}

mr_status mr_file_read(const char *path, size_t bytes_max, mr_buffer *out, mr_error *error)
{
    __attribute__((cleanup(close_file))) uv_file file = -1;
    int result = open_file(path, O_RDONLY | O_NONBLOCK, &file);
    if (result < 0)
        return fail(error, result, "open", path);
    MR_TRY(check_regular(file, path, bytes_max, error));

    size_t start = out->size;
    for (;;) {
        /* One byte more than allowed, so that a file that grows meanwhile is noticed. */
        size_t room = bytes_max + 1 - (out->size - start);
        if (room > 65536)
            room = 65536;
        if (mr_buffer_reserve(out, room) != MR_OK)
            return MR_FAIL(error, MR_NO_MEMORY, "out of memory reading %s", path);
        uv_fs_t fs;
        uv_buf_t chunk = uv_buf_init((char *)out->data + out->size, (unsigned)room);
        int got = uv_fs_read(NULL, &fs, file, &chunk, 1, -1, NULL);
        uv_fs_req_cleanup(&fs);
        if (got < 0)
            return fail(error, got, "read", path);
        if (got == 0)
            return MR_OK;
        out->size += (size_t)got;
        if (out->size - start > bytes_max)
            return MR_FAIL(error, MR_LIMIT, "%s has more than the %zu bytes that are read", path,
                           bytes_max);
    }
}

static int write_all(uv_file file, mr_span bytes)
{
    size_t done = 0;
    while (done < bytes.size) {
        size_t size = bytes.size - done < 1u << 20 ? bytes.size - done : 1u << 20;
        uv_fs_t fs;
        /* libuv's buffers are not const; writing leaves them alone. */
        uv_buf_t chunk = uv_buf_init((char *)(uintptr_t)(bytes.data + done), (unsigned)size);
        int put = uv_fs_write(NULL, &fs, file, &chunk, 1, -1, NULL);
        uv_fs_req_cleanup(&fs);
        if (put < 0)
            return put;
        done += (size_t)put;
    }
    return 0;
}

static int write_new(const char *path, mr_span bytes)
{
    __attribute__((cleanup(close_file))) uv_file file = -1;
    int result = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, &file);
    return result < 0 ? result : write_all(file, bytes);
}

mr_status mr_file_write(const char *path, mr_span bytes, mr_error *error)
{
    char temporary[PATH_MAX];
    int used = snprintf(temporary, sizeof temporary, "%s.new", path);
    if (used < 0 || (size_t)used >= sizeof temporary)
        return MR_FAIL(error, MR_INVALID, "the file name %.60s... is too long", path);
    int result = write_new(temporary, bytes);
    uv_fs_t fs;
    if (result == 0) {
        result = uv_fs_rename(NULL, &fs, temporary, path, NULL);
        uv_fs_req_cleanup(&fs);
    }
    if (result < 0) {
        (void)uv_fs_unlink(NULL, &fs, temporary, NULL);
        uv_fs_req_cleanup(&fs);
        return fail(error, result, "write", path);
    }
    return MR_OK;
}

mr_status mr_file_temporary_directory(char *out, size_t out_bytes, mr_error *error)
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] == '\0')
        parent = "/tmp";
    char pattern[PATH_MAX];
    int used = snprintf(pattern, sizeof pattern, "%s/millrace-XXXXXX", parent);
    if (used < 0 || (size_t)used >= sizeof pattern || (size_t)used >= out_bytes)
        return MR_FAIL(error, MR_INVALID, "TMPDIR is too long");
    uv_fs_t fs;
    int result = uv_fs_mkdtemp(NULL, &fs, pattern, NULL);
    mr_status status = MR_OK;
    if (result < 0)
        status = fail(error, result, "make a directory in", parent);
    else
        memcpy(out, fs.path, (size_t)used + 1);
    uv_fs_req_cleanup(&fs);
    return status;
}

static int remove_entry(const char *path, uv_dirent_type_t type, unsigned depth);

static int remove_tree(const char *path, unsigned depth)
{
    if (depth == 0)
        return UV_ELOOP;
    uv_fs_t fs;
    int result = uv_fs_scandir(NULL, &fs, path, 0, NULL);
    uv_dirent_t entry;
    while (result >= 0 && uv_fs_scandir_next(&fs, &entry) != UV_EOF) {
        char below[PATH_MAX];
        int used = snprintf(below, sizeof below, "%s/%s", path, entry.name);
        result = used < 0 || (size_t)used >= sizeof below ? UV_ENAMETOOLONG
                                                          : remove_entry(below, entry.type, depth);
    }
    uv_fs_req_cleanup(&fs);
    if (result < 0)
        return result;
    result = uv_fs_rmdir(NULL, &fs, path, NULL);
    uv_fs_req_cleanup(&fs);
    return result;
}

static int remove_entry(const char *path, uv_dirent_type_t type, unsigned depth)
{
    if (type == UV_DIRENT_DIR)
        return remove_tree(path, depth - 1);
    uv_fs_t fs;
    int result = uv_fs_unlink(NULL, &fs, path, NULL);
    uv_fs_req_cleanup(&fs);
    return result;
}

mr_status mr_file_remove_directory(const char *path, mr_error *error)
{
    int result = remove_tree(path, 16);
    return result < 0 ? fail(error, result, "remove", path) : MR_OK;
}

bool mr_file_is_wat(const char *path)
{
    size_t size = strlen(path);
    return size > 4 && strcmp(path + size - 4, ".wat") == 0;
}
