/* SPDX-License-Identifier: Apache-2.0 */
/* support: a folder of its own for each test program, and texts as files in it. */
#ifndef MR_TESTS_TOOLS_SUPPORT_H
#define MR_TESTS_TOOLS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/millrace.h"
#include "tools/guest/embedded.h"
#include "tools/millrace/file.h"

static char test_folder[PATH_MAX];

static inline void write_bytes(const char *name, mr_span bytes)
{
    mr_error error = {0};
    if (mr_file_write(name, bytes, &error) != MR_OK)
        fail_msg("%s", error.text);
}

static inline void write_text(const char *name, const char *text)
{
    write_bytes(name, mr_span_text(text));
}

/* Makes the folder and goes there, so that messages name files without a path. */
static inline int enter_folder(void **state)
{
    (void)state;
    mr_error error = {0};
    if (mr_file_temporary_directory(test_folder, sizeof test_folder, &error) != MR_OK ||
        chdir(test_folder) != 0)
        return -1;
    for (size_t i = 0; i < mr_embedded_programs_count; i++) {
        const mr_embedded_program *program = &mr_embedded_programs[i];
        char name[64];
        (void)snprintf(name, sizeof name, "%s.wasm", program->name);
        write_bytes(name, mr_span_of(program->bytes, program->size));
    }
    return 0;
}

static inline int leave_folder(void **state)
{
    (void)state;
    mr_error error = {0};
    return chdir("/") == 0 && mr_file_remove_directory(test_folder, &error) == MR_OK ? 0 : -1;
}

/* What the last command printed, cut at the size. */
static char command_out[1 << 16], command_err[1 << 16];

static inline void read_text(const char *name, char *out, size_t out_bytes)
{
    mr_buffer bytes = {0};
    mr_error error = {0};
    if (mr_file_read(name, MR_FILE_BYTES_MAX, &bytes, &error) != MR_OK)
        fail_msg("%s", error.text);
    size_t size = bytes.size < out_bytes - 1 ? bytes.size : out_bytes - 1;
    if (size > 0)
        memcpy(out, bytes.data, size);
    out[size] = '\0';
    mr_buffer_fini(&bytes);
}

/* Commands that run programs get the options in $MR_TEST_ENGINE. Empty for others, or without. */
static inline const char *engine_options(const char *arguments)
{
    static const char *const commands[] = {"run ", "demo ", "bench ", "replay "};
    const char *options = getenv("MR_TEST_ENGINE");
    for (size_t i = 0; options != NULL && i < sizeof commands / sizeof commands[0]; i++) {
        if (strncmp(arguments, commands[i], strlen(commands[i])) == 0)
            return options;
    }
    return "";
}

/* Runs the millrace of this build with arguments as a shell takes them; returns its exit code. */
static inline int millrace(const char *format, ...)
{
    char command[8192];
    const char *binary = getenv("MR_MILLRACE");
    assert_non_null(binary); /* the path of the binary; ctest sets it */
    int used = snprintf(command, sizeof command, "exec %s ", binary);
    va_list args;
    va_start(args, format);
    used += vsnprintf(command + used, sizeof command - (size_t)used, format, args);
    va_end(args);
    used += snprintf(command + used, sizeof command - (size_t)used, " %s", engine_options(format));
    (void)snprintf(command + used, sizeof command - (size_t)used, " >out.txt 2>err.txt </dev/null");
    int status = system(command);
    read_text("out.txt", command_out, sizeof command_out);
    read_text("err.txt", command_err, sizeof command_err);
    if (!WIFEXITED(status))
        fail_msg("millrace ended by a signal (status %d): %s\n%s", status, command, command_err);
    return WEXITSTATUS(status);
}

/* The object that the last command printed, for the caller to free. */
static inline json_t *command_object(void)
{
    json_error_t error;
    json_t *object = json_loads(command_out, JSON_ALLOW_NUL, &error);
    if (object == NULL)
        fail_msg("no JSON (%s): %s%s", error.text, command_out, command_err);
    return object;
}

static inline const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL)
        fail_msg("%s is no text", key);
    return text;
}

static inline void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\"\nis not in\n%s", part, text);
}

/* A failure is told in one sentence that names the program. */
static inline void assert_fails(int exit_code, int expected, const char *sentence)
{
    if (exit_code != expected)
        fail_msg("exit code %d, expected %d: %s%s", exit_code, expected, command_out, command_err);
    assert_contains(command_err, sentence);
}

#endif
