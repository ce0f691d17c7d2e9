/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/native_compiler.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "vm/native_runtime.h"

/* The quick one does not give way to streams, which wait for what it makes. */
enum { QUICK_SECONDS_MAX = 10 };

static const char *const flags[] = {
    "-O2",
    "-shared",
    "-fPIC",
    "-nostdlib",
    "-fvisibility=hidden",
    "-fwrapv",
    "-fno-stack-protector",
    "-fcf-protection=none",
    "-fno-omit-frame-pointer", /* for call graphs of perf; costs about 1% */
    "-fstack-usage",
    "-w",
    "-pipe",
    NULL,
};

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

static mr_status find(const mr_native_options *options, mr_compiler out[MR_GRADES], mr_error *error)
{
    static const char *const names[] = {"gcc", "clang", "cc", "tcc"};
    mr_compiler *good = &out[MR_GRADE_GOOD], *quick = &out[MR_GRADE_QUICK];
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
                       "there is no C compiler in $PATH: neither gcc, nor clang, cc or tcc");
    good->is_tcc = is_tcc(good->path);
    if (options->compiler == NULL && good->is_tcc) {
        free(quick->path); /* the same */
        quick->path = NULL;
    }
    return MR_OK;
}

/* What processors say they can do, so that files are not used on another machine. */
static void add_machine(mr_digest *d)
{
    struct utsname names;
    if (uname(&names) == 0) {
        mr_digest_text(d, names.sysname);
        mr_digest_text(d, names.machine);
    }
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[4096];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "flags", 5) == 0 || strncmp(line, "Features", 8) == 0) {
            mr_digest_text(d, line);
            break;
        }
    }
    if (file != NULL)
        (void)fclose(file);
}

static bool identify(const mr_code_prices *prices, bool frames, mr_compiler *of)
{
    const uint32_t versions[] = {MR_NATIVE_VERSION, MR_CODE_VERSION, frames};
    struct stat facts;
    mr_digest d = mr_digest_begin();
    mr_digest_add(&d, versions, sizeof versions);
    mr_digest_text(&d, MR_NATIVE_WRITERS);
    mr_digest_add(&d, prices, sizeof *prices);
    mr_digest_text(&d, of->path);
    if (stat(of->path, &facts) == 0) {
        mr_digest_add(&d, &facts.st_size, sizeof facts.st_size);
        mr_digest_add(&d, &facts.st_mtim, sizeof facts.st_mtim);
    }
    for (const char *const *flag = flags; *flag != NULL; flag++)
        mr_digest_text(&d, *flag);
    add_machine(&d);
    return mr_digest_end(&d, of->identity);
}

mr_status mr_compilers_find(const mr_native_options *options, const mr_code_prices *prices,
                            mr_compiler out[MR_GRADES], mr_error *error)
{
    MR_TRY(find(options, out, error));
    for (uint32_t i = 0; i < MR_GRADES; i++) {
        mr_compiler *one = &out[i];
        one->build = (mr_build){
            .compiler = one->path,
            .flags = flags,
            .seconds_max = options->seconds_max != 0 ? options->seconds_max : 120,
            .memory_bytes_max =
                options->memory_bytes_max != 0 ? options->memory_bytes_max : (uint64_t)2 << 30,
            .file_bytes_max =
                options->artifact_bytes_max != 0 ? options->artifact_bytes_max : 64 << 20,
            .is_urgent = i == MR_GRADE_QUICK,
        };
        if (i == MR_GRADE_QUICK && one->build.seconds_max > QUICK_SECONDS_MAX)
            one->build.seconds_max = QUICK_SECONDS_MAX;
        if (one->path != NULL && !identify(prices, options->frames, one))
            return MR_FAIL(error, MR_NO_MEMORY, "no memory to look for a compiler");
    }
    return MR_OK;
}

void mr_compilers_fini(mr_compiler compilers[MR_GRADES])
{
    for (uint32_t i = 0; i < MR_GRADES; i++)
        free(compilers[i].path);
}
