/* SPDX-License-Identifier: Apache-2.0 */
/* millrace check, pack and schedule: what authors of programs need beside a compiler. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/millrace/command.h"
#include "tools/millrace/file.h"
#include "tools/millrace/report.h"

typedef struct arguments {
    const char *file[2];
    unsigned files_count, files_wanted;
    bool json;
} arguments;

static error_t parse(int key, char *argument, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case 'j':
        a->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->files_count == a->files_wanted)
            return ARGP_ERR_UNKNOWN;
        a->file[a->files_count++] = argument;
        return 0;
    case ARGP_KEY_END:
        if (a->files_count < a->files_wanted)
            argp_error(state, a->files_count == 0 ? "which file?" : "which file to write?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

mr_status mr_module_file_read(const char *path, mr_buffer *out, mr_error *error)
{
    if (!mr_file_is_wat(path))
        return mr_file_read(path, MR_FILE_BYTES_MAX, out, error);
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer text = {0};
    MR_TRY(mr_file_read(path, MR_FILE_BYTES_MAX, &text, error));
    return mr_module_from_text(mr_buffer_span(&text), path, out, error);
}

static const struct argp_option json_option[] = {
    {"json", 'j', NULL, 0, "print one JSON object", 0},
    {0},
};

/* What keeps this from being printed is less than what `error` says. */
static void print_refused(const char *path, const mr_error *error)
{
    mr_error other = {0};
    (void)mr_json_print(json_pack("{s:o, s:b, s:o}", "file", mr_json_text(mr_span_text(path)),
                                  "accepted", 0, "reason", mr_json_text(mr_span_text(error->text))),
                        &other);
}

static mr_status check(const arguments *a, mr_error *error)
{
    const char *path = a->file[0];
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer module = {0};
    MR_TRY(mr_module_file_read(path, &module, error));
    mr_schedule schedule = mr_schedule_default();
    mr_status status = mr_module_check(&schedule, mr_buffer_span(&module), error);
    if (status != MR_OK) {
        if (a->json)
            print_refused(path, error);
        return mr_error_prefix(error, status, "%s: ", path);
    }
    const mr_id code = mr_id_of_code(mr_buffer_span(&module));
    if (a->json)
        return mr_json_print(json_pack("{s:o, s:b, s:o, s:s}", "file",
                                       mr_json_text(mr_span_text(path)), "accepted", 1, "bytes",
                                       mr_json_u64(module.size), "code", mr_id_print(&code).text),
                             error);
    (void)printf("%s: accepted, %zu bytes, code %s\n", path, module.size, mr_id_print(&code).text);
    return mr_stdout_flush(error);
}

int mr_command_check(int argc, char **argv)
{
    static const struct argp argp = {
        .options = json_option,
        .parser = parse,
        .args_doc = "FILE.wasm|FILE.wat",
        .doc = "Tells whether a module would be accepted as a program, and under which code id."};
    arguments a = {.files_wanted = 1};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &a);
    mr_error error = {0};
    return check(&a, &error) == MR_OK ? MR_EXIT_OK : mr_command_failed(&error);
}

static mr_status pack(const arguments *a, mr_error *error)
{
    const char *in = a->file[0], *out = a->file[1];
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer module = {0};
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer packed = {0};
    MR_TRY(mr_module_file_read(in, &module, error));
    mr_status status = mr_module_pack(mr_buffer_span(&module), &packed, error);
    if (status != MR_OK)
        return mr_error_prefix(error, status, "%s: ", in);
    MR_TRY(mr_file_write(out, mr_buffer_span(&packed), error));
    if (!a->json)
        return MR_OK;
    const mr_id code = mr_id_of_code(mr_buffer_span(&packed));
    return mr_json_print(
        json_pack("{s:o, s:o, s:o, s:o, s:s}", "from", mr_json_text(mr_span_text(in)), "file",
                  mr_json_text(mr_span_text(out)), "bytes_before", mr_json_u64(module.size),
                  "bytes", mr_json_u64(packed.size), "code", mr_id_print(&code).text),
        error);
}

int mr_command_pack(int argc, char **argv)
{
    static const struct argp argp = {
        .options = json_option,
        .parser = parse,
        .args_doc = "IN.wasm OUT.wasm",
        .doc = "Turns a module as the linker made it into the form in which it is uploaded: marks "
               "the end of the stack, moves mutable globals into memory, where state is kept, and "
               "drops what is not needed."};
    arguments a = {.files_wanted = 2};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &a);
    mr_error error = {0};
    return pack(&a, &error) == MR_OK ? MR_EXIT_OK : mr_command_failed(&error);
}

typedef struct price {
    const char *name, *text;
    uint64_t value;
} price;

int mr_command_schedule(int argc, char **argv)
{
    static const struct argp argp = {
        .options = json_option,
        .parser = parse,
        .doc = "Prints the default gas schedule: prices in gas, and limits that decide results."};
    arguments a = {0};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &a);
    const mr_schedule schedule = mr_schedule_default();
    const price prices[] = {
#define PRICE(field, value, text) {#field, text, schedule.field},
        MR_SCHEDULE_MAP(PRICE)
#undef PRICE
    };
    mr_error error = {0};
    json_t *object = a.json ? json_object() : NULL;
    for (size_t i = 0; i < sizeof prices / sizeof prices[0]; i++) {
        if (a.json)
            (void)json_object_set_new(object, prices[i].name, mr_json_u64(prices[i].value));
        else
            (void)printf("%-20s %12s  %s\n", prices[i].name, mr_count_print(prices[i].value).text,
                         prices[i].text);
    }
    mr_status status = a.json ? mr_json_print(object, &error) : mr_stdout_flush(&error);
    return status == MR_OK ? MR_EXIT_OK : mr_command_failed(&error);
}
