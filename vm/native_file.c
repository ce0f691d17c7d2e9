/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/native_file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "vm/native_build.h"
#include "vm/native_runtime.h"
#include "vm/native_stack.h"
#include "vm/native_text.h"

enum { HASH_BYTES = 32, HEX_BYTES = 2 * HASH_BYTES + 1 };

/* What stands behind the shared object in its file. */
typedef struct trailer {
    uint8_t magic[8];
    uint8_t stack_bytes[8]; /* little endian: what a call may take of the stack */
    uint8_t key[HASH_BYTES];
    uint8_t digest[HASH_BYTES]; /* of all before */
} trailer;
static const uint8_t magic[8] = {'m', 'r', 'n', 'a', 't', 'i', 'v', '1'};

typedef struct compiler {
    char *path;
    bool is_tcc;
    mr_build build;
    uint8_t identity[HASH_BYTES]; /* of compiler, flags, machine and this layer */
} compiler;

struct mr_native_files {
    const mr_module_rules *rules;
    mr_code_prices prices;
    bool frames;
    char *directory;
    compiler compilers[MR_GRADES]; /* path NULL: there is none */
};

struct mr_artifact {
    mr_artifact *before;
    void *library;
    const mr_native_module *module;
    size_t stack_bytes;
    uint32_t frames_max;
};

enum { STACK_BYTES_MAX = 256 << 20 };

static const char *const flags[] = {
    "-O2",
    "-shared",
    "-fPIC",
    "-nostdlib",
    "-fvisibility=hidden",
    "-fwrapv",
    "-fno-stack-protector",
    "-fcf-protection=none",
    "-fstack-usage",
    "-w",
    "-pipe",
    NULL,
};

/* ---- Digests ---- */

typedef struct digest {
    EVP_MD_CTX *context;
    bool failed;
} digest;

static digest digest_begin(void)
{
    digest d = {.context = EVP_MD_CTX_new()};
    d.failed = d.context == NULL || EVP_DigestInit_ex(d.context, EVP_sha256(), NULL) != 1;
    return d;
}

static void digest_add(digest *d, const void *bytes, size_t size)
{
    d->failed = d->failed || EVP_DigestUpdate(d->context, bytes, size) != 1;
}

/* A text with its end, so that two of them are never taken for two others. */
static void digest_text(digest *d, const char *text)
{
    digest_add(d, text, strlen(text) + 1);
}

static bool digest_end(digest *d, uint8_t out[HASH_BYTES])
{
    d->failed = d->failed || EVP_DigestFinal_ex(d->context, out, NULL) != 1;
    EVP_MD_CTX_free(d->context);
    return !d->failed;
}

/* ---- Finding the compiler and the directory ---- */

static bool is_program(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISREG(facts.st_mode) && access(path, X_OK) == 0;
}

/* The program `name` in $PATH, or as it is when it has a slash. */
static char *find_program(const char *name)
{
    char path[PATH_MAX];
    if (strchr(name, '/') != NULL)
        return is_program(name) ? realpath(name, NULL) : NULL;
    const char *at = getenv("PATH");
    for (at = at != NULL ? at : "/usr/bin:/bin"; *at != 0;) {
        const size_t length = strcspn(at, ":");
        const int size = snprintf(path, sizeof path, "%.*s/%s", (int)length, at, name);
        if (size > 0 && (size_t)size < sizeof path && is_program(path))
            return realpath(path, NULL);
        at += length + (at[length] == ':');
    }
    return NULL;
}

static bool is_tcc(const char *path)
{
    const char *name = strrchr(path, '/');
    return strstr(name != NULL ? name + 1 : path, "tcc") != NULL;
}

static mr_status find_compilers(mr_native_files *files, const mr_native_options *options,
                                mr_error *error)
{
    static const char *const names[] = {"gcc", "clang", "cc"};
    compiler *good = &files->compilers[MR_GRADE_GOOD], *quick = &files->compilers[MR_GRADE_QUICK];
    quick->path = find_program(options->quick != NULL ? options->quick : "tcc");
    quick->is_tcc = true;
    if (options->compiler != NULL)
        good->path = find_program(options->compiler);
    for (size_t i = 0; options->compiler == NULL && i < sizeof names / sizeof names[0]; i++) {
        if (good->path == NULL)
            good->path = find_program(names[i]);
    }
    if (good->path == NULL && options->compiler != NULL)
        return MR_FAIL(error, MR_NOT_FOUND, "there is no C compiler %s", options->compiler);
    if (good->path == NULL)
        return MR_FAIL(error, MR_NOT_FOUND,
                       "there is no C compiler in $PATH: neither gcc, nor clang, nor cc");
    good->is_tcc = is_tcc(good->path);
    return MR_OK;
}

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
    if (!make_directories(path) || access(path, R_OK | W_OK | X_OK) != 0)
        return MR_FAIL(error, MR_IO, "cannot use the directory %s for compiled programs: %s", path,
                       strerror(errno));
    files->directory = realpath(path, NULL);
    return files->directory != NULL ? MR_OK : MR_NO_MEMORY;
}

/* What processors say they can do, so that files are not used on another machine. */
static void add_machine(digest *d)
{
    struct utsname names;
    if (uname(&names) == 0) {
        digest_text(d, names.sysname);
        digest_text(d, names.machine);
    }
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[4096];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "flags", 5) == 0 || strncmp(line, "Features", 8) == 0) {
            digest_text(d, line);
            break;
        }
    }
    if (file != NULL)
        (void)fclose(file);
}

static bool identify(const mr_native_files *files, compiler *of)
{
    const uint32_t versions[] = {MR_NATIVE_VERSION, MR_CODE_VERSION, files->frames};
    struct stat facts;
    digest d = digest_begin();
    digest_add(&d, magic, sizeof magic);
    digest_add(&d, versions, sizeof versions);
    digest_add(&d, &files->prices, sizeof files->prices);
    digest_add(&d, mr_native_runtime_text,
               (size_t)(mr_native_runtime_end - mr_native_runtime_text));
    digest_text(&d, of->path);
    if (stat(of->path, &facts) == 0) {
        digest_add(&d, &facts.st_size, sizeof facts.st_size);
        digest_add(&d, &facts.st_mtim, sizeof facts.st_mtim);
    }
    for (const char *const *flag = flags; *flag != NULL; flag++)
        digest_text(&d, *flag);
    add_machine(&d);
    return digest_end(&d, of->identity);
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
    mr_status status = find_compilers(files, options, error);
    if (status == MR_OK)
        status = find_directory(files, options->directory, error);
    for (uint32_t i = 0; i < MR_GRADES && status == MR_OK; i++) {
        compiler *one = &files->compilers[i];
        one->build = (mr_build){
            .compiler = one->path,
            .flags = flags,
            .seconds_max = options->seconds_max != 0 ? options->seconds_max : 120,
            .memory_bytes_max =
                options->memory_bytes_max != 0 ? options->memory_bytes_max : (uint64_t)2 << 30,
            .file_bytes_max =
                options->artifact_bytes_max != 0 ? options->artifact_bytes_max : 64 << 20,
        };
        if (one->path != NULL && !identify(files, one))
            status = MR_NO_MEMORY;
    }
    if (status != MR_OK) {
        mr_native_files_free(files);
        return status;
    }
    *out = files;
    return MR_OK;
}

void mr_native_files_free(mr_native_files *files)
{
    if (files == NULL)
        return;
    for (uint32_t i = 0; i < MR_GRADES; i++)
        free(files->compilers[i].path);
    free(files->directory);
    free(files);
}

bool mr_native_files_has(const mr_native_files *files, mr_grade grade)
{
    return files->compilers[grade].path != NULL;
}

/* ---- Loading ---- */

static bool name_of(const mr_native_files *files, const compiler *by, const mr_code *code,
                    uint8_t key[HASH_BYTES], char path[PATH_MAX])
{
    const mr_span module = mr_code_rewritten(code);
    digest d = digest_begin();
    digest_add(&d, by->identity, sizeof by->identity);
    digest_add(&d, module.data, module.size);
    if (!digest_end(&d, key))
        return false;
    char hex[HEX_BYTES];
    for (size_t i = 0; i < HASH_BYTES; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", key[i]);
    (void)snprintf(path, PATH_MAX, "%s/%s.so", files->directory, hex);
    return true;
}

static mr_status read_file(const char *path, mr_buffer *out)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    if (file < 0)
        return errno == ENOENT ? MR_NOT_FOUND : MR_IO;
    mr_status status = fstat(file, &facts) == 0 && S_ISREG(facts.st_mode)
                           ? mr_buffer_reserve(out, (size_t)facts.st_size)
                           : MR_IO;
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

static bool digest_of(mr_span bytes, uint8_t out[HASH_BYTES])
{
    digest d = digest_begin();
    digest_add(&d, bytes.data, bytes.size);
    return digest_end(&d, out);
}

/* Is the file what was written under this key? */
static mr_status check_file(const char *path, const uint8_t key[HASH_BYTES], trailer *out)
{
    mr_buffer bytes = {0};
    mr_status status = read_file(path, &bytes);
    uint8_t expected[HASH_BYTES];
    if (status == MR_OK && bytes.size < sizeof *out)
        status = MR_CORRUPT;
    if (status == MR_OK) {
        memcpy(out, bytes.data + bytes.size - sizeof *out, sizeof *out);
        if (!digest_of(mr_span_of(bytes.data, bytes.size - HASH_BYTES), expected))
            status = MR_NO_MEMORY;
        else if (memcmp(expected, out->digest, HASH_BYTES) != 0 ||
                 memcmp(magic, out->magic, sizeof magic) != 0 ||
                 memcmp(key, out->key, HASH_BYTES) != 0)
            status = MR_CORRUPT;
    }
    mr_buffer_fini(&bytes);
    return status;
}

static mr_status load(const mr_native_files *files, const char *path, const uint8_t key[HASH_BYTES],
                      mr_artifact **out, mr_error *error)
{
    trailer end;
    MR_TRY(check_file(path, key, &end));
    mr_artifact *artifact = calloc(1, sizeof *artifact);
    if (artifact == NULL)
        return MR_NO_MEMORY;
    artifact->stack_bytes = mr_load_le64(end.stack_bytes);
    artifact->frames_max = files->frames ? mr_code_frames_max(&files->prices) + 1 : 0;
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

/* ---- Making ---- */

/* Completes the bytes of a file. */
static mr_status add_trailer(mr_buffer *bytes, const uint8_t key[HASH_BYTES], uint64_t stack_bytes)
{
    trailer end;
    memcpy(end.magic, magic, sizeof magic);
    memcpy(end.key, key, HASH_BYTES);
    mr_store_le64(end.stack_bytes, stack_bytes);
    MR_TRY(mr_buffer_append(bytes, mr_span_of(&end, sizeof end - HASH_BYTES)));
    if (!digest_of(mr_buffer_span(bytes), end.digest))
        return MR_NO_MEMORY;
    return mr_buffer_append(bytes, mr_span_of(end.digest, HASH_BYTES));
}

/* Readers find the whole file or none. It is not synced: what a crash spoils is seen by its digest.
 */
static mr_status write_file(const char *directory, const char *path, mr_span bytes)
{
    char made[PATH_MAX + 16];
    (void)snprintf(made, sizeof made, "%s/m.new", directory);
    const int file = open(made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    if (file < 0)
        return errno == ENOSPC ? MR_NO_SPACE : MR_IO;
    mr_status status = MR_OK;
    for (size_t done = 0; done < bytes.size && status == MR_OK;) {
        const ssize_t wrote = write(file, bytes.data + done, bytes.size - done);
        if (wrote > 0)
            done += (size_t)wrote;
        else if (errno != EINTR)
            status = errno == ENOSPC ? MR_NO_SPACE : MR_IO;
    }
    if (close(file) != 0 && status == MR_OK)
        status = MR_IO;
    if (status == MR_OK && rename(made, path) != 0)
        status = MR_IO;
    return status;
}

static void remove_directory(const char *directory)
{
    static const char *const names[] = {"m.c", "m.so", "m.txt", "m.so-m.su", "m.su", "m.new"};
    char path[PATH_MAX + 16];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(directory);
}

static mr_status build_object(const mr_native_files *files, const compiler *by,
                              const char *directory, const mr_native_text *text,
                              const _Atomic bool *stop, mr_buffer *object, uint64_t *stack_bytes,
                              mr_error *error)
{
    char made[PATH_MAX + 16];
    MR_TRY(mr_build_run(&by->build, directory, mr_buffer_span(&text->c), stop, error));
    (void)snprintf(made, sizeof made, "%s/m.so", directory);
    mr_status status = read_file(made, object);
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

static mr_status make_in(const mr_native_files *files, const compiler *by, const char *directory,
                         mr_code *code, const uint8_t key[HASH_BYTES], const char *path,
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
        status = add_trailer(&object, key, stack_bytes);
        if (status == MR_OK)
            status = write_file(directory, path, mr_buffer_span(&object));
        if (status != MR_OK)
            status = MR_FAIL(error, status, "cannot write %s: %s", path, strerror(errno));
    }
    mr_buffer_fini(&object);
    return status;
}

static mr_status make(const mr_native_files *files, const compiler *by, mr_code *code,
                      const uint8_t key[HASH_BYTES], const char *path, const _Atomic bool *stop,
                      mr_error *error)
{
    char directory[PATH_MAX];
    if ((size_t)snprintf(directory, sizeof directory, "%s/build-XXXXXX", files->directory) >=
            sizeof directory ||
        mkdtemp(directory) == NULL)
        return MR_FAIL(error, MR_IO, "cannot make a directory in %s: %s", files->directory,
                       strerror(errno));
    mr_status status = make_in(files, by, directory, code, key, path, stop, error);
    remove_directory(directory);
    return status;
}

mr_status mr_native_files_get(const mr_native_files *files, mr_grade grade, mr_code *code,
                              const _Atomic bool *stop, mr_artifact **out, mr_error *error)
{
    const compiler *by = &files->compilers[grade];
    uint8_t key[HASH_BYTES];
    char path[PATH_MAX];
    if (!name_of(files, by, code, key, path))
        return MR_FAIL(error, MR_NO_MEMORY, "no memory to compile a program");
    mr_status status = load(files, path, key, out, error);
    if (status == MR_OK)
        return MR_OK;
    if (status == MR_CORRUPT || status == MR_MODULE)
        mr_log(MR_LOG_WARNING, "%s is damaged or not ours; it is made anew", path);
    MR_TRY(make(files, by, code, key, path, stop, error));
    status = load(files, path, key, out, error);
    if (status == MR_OK)
        return MR_OK;
    (void)unlink(path);
    return status == MR_MODULE ? status : MR_FAIL(error, status, "%s cannot be read back", path);
}
