/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/native_artifact.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vm/native_runtime.h"

/* What stands behind the shared object in its file. */
typedef struct trailer {
    uint8_t magic[8];
    uint8_t stack_bytes[8]; /* little endian: what a call may take of the stack */
    uint8_t key[MR_DIGEST_BYTES];
    uint8_t digest[MR_DIGEST_BYTES]; /* of all before */
} trailer;
static const uint8_t magic[8] = {'m', 'r', 'n', 'a', 't', 'i', 'v', '1'};

struct mr_artifact {
    mr_artifact *before;
    void *library;
    const mr_native_module *module;
    size_t stack_bytes;
    uint32_t frames_max;
};

int mr_artifact_open(const char *path)
{
    /* Opening a pipe would wait for somebody to write to it. */
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    struct stat facts;
    if (file < 0 || (fstat(file, &facts) == 0 && S_ISREG(facts.st_mode) &&
                     (facts.st_uid == geteuid() || facts.st_uid == 0) &&
                     (facts.st_mode & (S_IWGRP | S_IWOTH)) == 0))
        return file;
    (void)close(file);
    errno = EINVAL;
    return -1;
}

FILE *mr_artifact_lines(const char *path)
{
    const int file = mr_artifact_open(path);
    FILE *lines = file < 0 ? NULL : fdopen(file, "r");
    if (file >= 0 && lines == NULL)
        (void)close(file);
    return lines;
}

mr_status mr_artifact_read(const char *path, mr_buffer *out)
{
    const int file = mr_artifact_open(path);
    struct stat facts;
    if (file < 0)
        return errno == ENOENT                     ? MR_NOT_FOUND
               : errno == ELOOP || errno == EINVAL ? MR_CORRUPT
                                                   : MR_IO;
    mr_status status = fstat(file, &facts) != 0                ? MR_IO
                       : facts.st_size > MR_ARTIFACT_BYTES_MAX ? MR_CORRUPT
                                                               : MR_OK;
    if (status == MR_OK)
        status = mr_buffer_reserve(out, (size_t)facts.st_size);
    while (status == MR_OK && out->size < (size_t)facts.st_size) {
        const ssize_t got = read(file, out->data + out->size, (size_t)facts.st_size - out->size);
        if (got > 0)
            out->size += (size_t)got;
        else if (got == 0 || errno != EINTR)
            status = MR_IO;
    }
    (void)close(file);
    return status;
}

mr_status mr_artifact_write(const char *path, mr_span bytes)
{
    const int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    bool well = file >= 0;
    for (size_t done = 0; well && done < bytes.size;) {
        const ssize_t wrote = write(file, bytes.data + done, bytes.size - done);
        if (wrote > 0)
            done += (size_t)wrote;
        else
            well = errno == EINTR;
    }
    const int number = errno;
    if (file >= 0 && close(file) == 0)
        errno = number;
    else
        well = false;
    if (well)
        return MR_OK;
    return errno == ENOSPC || errno == EDQUOT ? MR_NO_SPACE : MR_IO;
}

static bool digest_of(mr_span bytes, uint8_t out[MR_DIGEST_BYTES])
{
    mr_digest d = mr_digest_begin();
    mr_digest_add(&d, bytes.data, bytes.size);
    return mr_digest_end(&d, out);
}

/* Is the file what was written under this key? */
static mr_status check_file(const char *path, const uint8_t key[MR_DIGEST_BYTES], trailer *out)
{
    mr_buffer bytes = {0};
    mr_status status = mr_artifact_read(path, &bytes);
    uint8_t expected[MR_DIGEST_BYTES];
    if (status == MR_OK && bytes.size < sizeof *out)
        status = MR_CORRUPT;
    if (status == MR_OK) {
        memcpy(out, bytes.data + bytes.size - sizeof *out, sizeof *out);
        if (!digest_of(mr_span_of(bytes.data, bytes.size - MR_DIGEST_BYTES), expected))
            status = MR_NO_MEMORY;
        else if (memcmp(expected, out->digest, MR_DIGEST_BYTES) != 0 ||
                 memcmp(magic, out->magic, sizeof magic) != 0 ||
                 memcmp(key, out->key, MR_DIGEST_BYTES) != 0)
            status = MR_CORRUPT;
    }
    mr_buffer_fini(&bytes);
    return status;
}

mr_status mr_artifact_load(const char *path, const uint8_t key[MR_DIGEST_BYTES],
                           uint32_t frames_max, mr_artifact **out, mr_error *error)
{
    trailer end;
    MR_TRY(check_file(path, key, &end));
    mr_artifact *artifact = calloc(1, sizeof *artifact);
    if (artifact == NULL)
        return MR_NO_MEMORY;
    artifact->stack_bytes = mr_load_le64(end.stack_bytes);
    artifact->frames_max = frames_max;
    artifact->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (artifact->library == NULL) {
        mr_artifact_free(artifact);
        return MR_FAIL(error, MR_MODULE, "cannot load %s: %s", path, dlerror());
    }
    artifact->module = dlsym(artifact->library, "mr_module");
    if (artifact->module == NULL || artifact->module->version != MR_NATIVE_VERSION) {
        mr_artifact_free(artifact);
        return MR_FAIL(error, MR_MODULE, "%s has nothing in it that can be run", path);
    }
    *out = artifact;
    return MR_OK;
}

void mr_artifact_free(mr_artifact *artifact)
{
    while (artifact != NULL) {
        mr_artifact *before = artifact->before;
        if (artifact->library != NULL)
            (void)dlclose(artifact->library);
        free(artifact);
        artifact = before;
    }
}

void mr_artifact_follow(mr_artifact *artifact, mr_artifact *before)
{
    artifact->before = before;
}

const mr_artifact *mr_artifact_before(const mr_artifact *artifact)
{
    return artifact->before;
}

uint32_t mr_artifact_frames_max(const mr_artifact *artifact)
{
    return artifact->frames_max;
}

const mr_native_module *mr_artifact_module(const mr_artifact *artifact)
{
    return artifact->module;
}

bool mr_artifact_fits(const mr_artifact *artifact)
{
    static __thread uintptr_t lowest; /* of the stack; 0: not known yet */
    if (lowest == 0) {
        pthread_attr_t facts;
        void *bottom = NULL;
        size_t size = 0;
        lowest = UINTPTR_MAX;
        if (pthread_getattr_np(pthread_self(), &facts) == 0) {
            if (pthread_attr_getstack(&facts, &bottom, &size) == 0)
                lowest = (uintptr_t)bottom;
            (void)pthread_attr_destroy(&facts);
        }
    }
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return here > lowest && here - lowest > artifact->stack_bytes;
}

mr_status mr_artifact_seal(mr_buffer *bytes, const uint8_t key[MR_DIGEST_BYTES],
                           uint64_t stack_bytes)
{
    trailer end;
    memcpy(end.magic, magic, sizeof magic);
    memcpy(end.key, key, MR_DIGEST_BYTES);
    mr_store_le64(end.stack_bytes, stack_bytes);
    MR_TRY(mr_buffer_append(bytes, mr_span_of(&end, sizeof end - MR_DIGEST_BYTES)));
    if (!digest_of(mr_buffer_span(bytes), end.digest))
        return MR_NO_MEMORY;
    return mr_buffer_append(bytes, mr_span_of(end.digest, MR_DIGEST_BYTES));
}
