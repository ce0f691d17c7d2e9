/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/millrace/number.h"

int mr_command_failed(const mr_error *error)
{
    const char *text = error->text[0] != '\0' ? error->text : mr_status_text(error->status);
    (void)fflush(stdout);
    (void)fprintf(stderr, "millrace: %s\n", text);
    return MR_EXIT_FAILED;
}

uint64_t mr_argp_u64(struct argp_state *state, const char *option, const char *text, uint64_t min,
                     uint64_t max)
{
    uint64_t value = 0;
    if (mr_number_scan_u64(text, min, max, &value))
        return value;
    if (max == UINT64_MAX)
        argp_error(state, "%s takes a number from %llu to 2^64 - 1, not '%.40s'", option,
                   (unsigned long long)min, text);
    else
        argp_error(state, "%s takes a number from %llu to %llu, not '%.40s'", option,
                   (unsigned long long)min, (unsigned long long)max, text);
    return value;
}

const char *mr_argp_db(struct argp_state *state, const char *text)
{
    if (text[0] == '\0')
        argp_error(state, "--db needs a directory");
    return text;
}

mr_status mr_stdout_flush(mr_error *error)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return MR_OK;
    const int code = errno != 0 ? errno : EIO; /* it failed before, and that reason has gone */
    return MR_FAIL(error, code == ENOSPC ? MR_NO_SPACE : MR_IO,
                   "cannot write to standard output: %s", strerror(code));
}

static const char *const tiers[] = {
    [MR_ENGINE_INTERP] = "interp",
    [MR_ENGINE_NATIVE] = "native",
    [MR_ENGINE_AUTO] = "auto",
};
enum { TIERS_COUNT = sizeof tiers / sizeof tiers[0] };

const char *mr_tier_name(mr_engine_tier tier)
{
    return (unsigned)tier < TIERS_COUNT ? tiers[tier] : "unknown";
}

static mr_engine_tier tier_of(const struct argp_state *state, const char *name)
{
    unsigned tier = 0;
    while (tier < TIERS_COUNT && strcmp(name, tiers[tier]) != 0)
        tier++;
    if (tier == TIERS_COUNT)
        argp_error(state, "there is no tier '%.40s'; there are interp, native and auto", name);
    return (mr_engine_tier)tier;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    mr_engine_flags *flags = state->input;
    switch (key) {
    case 's':
        flags->streams =
            (uint32_t)mr_argp_u64(state, "--streams", argument, 0, MR_ENGINE_STREAMS_MAX);
        return 0;
    case 't':
        flags->tier = tier_of(state, argument);
        return 0;
    case 'P':
        flags->no_pin = true;
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = flags;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"streams", 's', "N", 0, "worker threads; 0, the default, is one per core", 1},
    {"tier", 't', "TIER", 0, "how programs run: interp (the default), native or auto", 1},
    {"no-pin", 'P', NULL, 0, "do not pin worker threads to cores", 1},
    {0},
};

static error_t parse_native(int key, char *argument, struct argp_state *state)
{
    mr_engine_flags *flags = state->input;
    switch (key) {
    case 'C':
        flags->compiler = argument;
        return 0;
    case 'N':
        flags->native_directory = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option native_options[] = {
    {"compiler", 'C', "PROGRAM", 0,
     "the C compiler of --tier native and auto; gcc, clang, cc or tcc, whichever is there, unless given",
     2},
    {"native-dir", 'N', "DIR", 0,
     "where compiled programs are kept; millrace in the user's folder for caches unless given", 2},
    {0},
};

const struct argp mr_native_argp = {.options = native_options, .parser = parse_native};

static const struct argp_child children[] = {{&mr_native_argp, 0, NULL, 0}, {0}};
const struct argp mr_engine_argp = {.options = options, .parser = parse, .children = children};
