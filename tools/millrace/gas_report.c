/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/gas_report.h"

#include <inttypes.h>
#include <string.h>

#include "tools/millrace/file.h"

enum { ROWS_SHOWN = 20, NAMES_SHOWN = 4 };

typedef struct gas_report {
    FILE *out;
    mr_engine *engine;
    const mr_names *names;
    mr_buffer owners; /* programs: pairs of mr_id, program and code */
    json_t *array;
    mr_buffer folded;
    mr_status status;
} gas_report;

static bool note_program(void *arg, const mr_program_info *info)
{
    gas_report *r = arg;
    const mr_id pair[2] = {info->id, info->code};
    r->status = mr_buffer_append(&r->owners, mr_span_of(pair, sizeof pair));
    return r->status == MR_OK;
}

static void report_fini(gas_report *r)
{
    mr_buffer_fini(&r->owners);
    mr_buffer_fini(&r->folded);
    json_decref(r->array);
}

static mr_status begin(gas_report *r)
{
    MR_TRY(mr_engine_programs(r->engine, note_program, r));
    return r->status;
}

static mr_status failed(mr_status status, mr_error *error)
{
    return MR_FAIL(error, status, "cannot read the gas profile: %s", mr_status_text(status));
}

/* The i-th program of a code, from 0; NULL when there is none. */
static const mr_id *owner(const gas_report *r, const mr_id *code, size_t i)
{
    const mr_id *pairs = (const mr_id *)(void *)r->owners.data;
    for (size_t at = 0; at < r->owners.size / sizeof *pairs; at += 2)
        if (memcmp(&pairs[at + 1], code, sizeof *code) == 0 && i-- == 0)
            return &pairs[at];
    return NULL;
}

/* "cap, till and 3 more": what people call the programs of a code. */
static void print_owners(const gas_report *r, const mr_id *code, char *out, size_t size)
{
    size_t at = 0, i = 0, more = 0;
    const mr_id *id;
    out[0] = '\0';
    for (; (id = owner(r, code, i)) != NULL; i++) {
        if (i < NAMES_SHOWN)
            at += (size_t)snprintf(out + at, size - at, "%s%s", i > 0 ? ", " : "",
                                   mr_names_brief(r->names, id).text);
        else
            more++;
    }
    if (i == 0)
        (void)snprintf(out, size, "code %s", mr_names_brief(r->names, code).text);
    else if (more > 0)
        (void)snprintf(out + at, size - at, " and %zu more", more);
}

enum { OWNERS_BYTES = NAMES_SHOWN * (MR_ID_TEXT_BYTES + 2) + 32 };

static double percent(uint64_t part, uint64_t all)
{
    return all > 0 ? 100.0 * (double)part / (double)all : 0;
}

static bool print_profile(void *arg, const mr_gas_profile *profile)
{
    const gas_report *r = arg;
    char owners[OWNERS_BYTES];
    print_owners(r, &profile->code, owners, sizeof owners);
    (void)fprintf(r->out, "\ngas of %s: %s in %s call%s of entries\n", owners,
                  mr_count_print(profile->gas).text, mr_count_print(profile->calls).text,
                  mr_plural(profile->calls));
    (void)fprintf(r->out, "%16s %6s %16s %16s %10s  %s\n", "self", "%", "with callees",
                  "in the engine", "calls", "function");
    uint64_t shown = 0;
    for (size_t i = 0; i < profile->rows_count && i < ROWS_SHOWN; i++) {
        const mr_gas_row *row = &profile->rows[i];
        shown += row->self_gas;
        (void)fprintf(r->out, "%16s %6.1f %16s %16s %10s  %s%s\n",
                      mr_count_print(row->self_gas).text, percent(row->self_gas, profile->gas),
                      mr_count_print(row->total_gas).text, mr_count_print(row->host_gas).text,
                      mr_count_print(row->calls).text, row->function,
                      row->is_host ? " (engine)" : "");
    }
    if (profile->rows_count > ROWS_SHOWN)
        (void)fprintf(r->out, "%16s %6.1f %45s  %zu more functions\n",
                      mr_count_print(profile->gas - shown).text,
                      percent(profile->gas - shown, profile->gas), "",
                      profile->rows_count - ROWS_SHOWN);
    (void)fprintf(r->out, "%16s %6.1f %45s  sum\n", mr_count_print(profile->gas).text,
                  profile->gas > 0 ? 100.0 : 0.0, "");
    return true;
}

mr_status mr_gas_report_print(FILE *out, mr_engine *engine, const mr_names *names, mr_error *error)
{
    __attribute__((cleanup(report_fini)))
    gas_report r = {.out = out, .engine = engine, .names = names};
    mr_status status = begin(&r);
    if (status == MR_OK)
        status = mr_engine_gas_profiles(engine, print_profile, &r);
    return status == MR_OK ? MR_OK : failed(status, error);
}

static json_t *row_object(const mr_gas_row *row)
{
    /* clang-format off */
    return json_pack("{s:s, s:b, s:o, s:o, s:o, s:o}",
                     "function", row->function,
                     "engine", (int)row->is_host,
                     "calls", mr_json_u64(row->calls),
                     "self", mr_json_u64(row->self_gas),
                     "host", mr_json_u64(row->host_gas),
                     "total", mr_json_u64(row->total_gas));
    /* clang-format on */
}

static bool add_profile(void *arg, const mr_gas_profile *profile)
{
    gas_report *r = arg;
    json_t *rows = json_array(), *programs = json_array();
    bool fine = rows != NULL && programs != NULL;
    const mr_id *id;
    for (size_t i = 0; fine && i < profile->rows_count; i++)
        fine = json_array_append_new(rows, row_object(&profile->rows[i])) == 0;
    for (size_t i = 0; fine && (id = owner(r, &profile->code, i)) != NULL; i++)
        fine = json_array_append_new(programs, mr_json_id(r->names, id)) == 0;
    json_t *entry =
        json_pack("{s:o, s:o, s:o, s:o, s:o}", "code", mr_json_id(r->names, &profile->code),
                  "programs", programs, "calls", mr_json_u64(profile->calls), "gas",
                  mr_json_u64(profile->gas), "functions", rows);
    fine = json_array_append_new(r->array, entry) == 0 && fine;
    r->status = fine ? MR_OK : MR_NO_MEMORY;
    return fine;
}

mr_status mr_gas_report_json(mr_engine *engine, const mr_names *names, json_t **out,
                             mr_error *error)
{
    __attribute__((cleanup(report_fini)))
    gas_report r = {.engine = engine, .names = names, .array = json_array()};
    mr_status status = r.array == NULL ? MR_NO_MEMORY : begin(&r);
    if (status == MR_OK)
        status = mr_engine_gas_profiles(engine, add_profile, &r);
    if (status == MR_OK)
        status = r.status;
    if (status != MR_OK)
        return failed(status, error);
    *out = json_incref(r.array);
    return MR_OK;
}

static bool add_line(void *arg, mr_span line)
{
    gas_report *r = arg;
    r->status = mr_buffer_append(&r->folded, line);
    if (r->status == MR_OK)
        r->status = mr_buffer_append(&r->folded, mr_span_of("\n", 1));
    return r->status == MR_OK;
}

static bool note_code(void *arg, const mr_gas_profile *profile)
{
    mr_buffer *codes = arg;
    return mr_buffer_append(codes, mr_span_of(&profile->code, sizeof profile->code)) == MR_OK;
}

static mr_status fold(gas_report *r)
{
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer codes = {0};
    MR_TRY(begin(r));
    MR_TRY(mr_engine_gas_profiles(r->engine, note_code, &codes));
    const mr_id *code = (const mr_id *)(void *)codes.data;
    for (size_t i = 0; i < codes.size / sizeof *code; i++) {
        char owners[OWNERS_BYTES];
        print_owners(r, &code[i], owners, sizeof owners);
        for (char *c = owners; *c != '\0'; c++)
            *c = *c == ';' || *c == '\n' ? ',' : *c;
        MR_TRY(mr_engine_gas_stacks(r->engine, &code[i], owners, add_line, r));
        MR_TRY(r->status);
    }
    return MR_OK;
}

mr_status mr_gas_report_fold(const char *path, mr_engine *engine, const mr_names *names,
                             mr_error *error)
{
    __attribute__((cleanup(report_fini))) gas_report r = {.engine = engine, .names = names};
    mr_status status = fold(&r);
    if (status != MR_OK)
        return failed(status, error);
    return mr_file_write(path, mr_buffer_span(&r.folded), error);
}
