/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/vm/compare.h"

#include <stdio.h>
#include <stdlib.h>

#include "vm/mark.h"

static char sentence[1024];

#define DIFFERS(...) (snprintf(sentence, sizeof sentence, __VA_ARGS__), sentence)

const char *compare_marks(const uint8_t *before, const uint8_t *after, size_t size,
                          const uint8_t *marks)
{
    for (size_t i = 0; i < size; i++) {
        if (before[i] == after[i])
            continue;
        if (marks[i >> MR_UNIT_SHIFT] == 0 && marks[(i + MR_STRADDLE_BYTES) >> MR_UNIT_SHIFT] == 0)
            return DIFFERS("byte %zu changed, its unit %zu has no mark", i, i >> MR_UNIT_SHIFT);
    }
    return NULL;
}

/* A trap stops in the middle of a stretch that is paid for, so more may be paid than was counted,
 * but never less. */
static const char *compare_gas(const bare *reference, const bare *rewritten, bare_end end,
                               int64_t gas)
{
    int64_t burned = gas - bare_gas_left(rewritten), counted = (int64_t)bare_count(reference);
    if (end == BARE_DONE && burned != counted)
        return DIFFERS("%lld instructions ran, %lld were charged", (long long)counted,
                       (long long)burned);
    if (burned < counted)
        return DIFFERS("%lld instructions ran up to the trap, %lld were charged",
                       (long long)counted, (long long)burned);
    return NULL;
}

/* A store out of bounds may be found out some stores early, by a mark that it shares with them:
 * memory, which a trap gives up, is not the same then. */
static const char *compare_run(bare *reference, bare *rewritten, uint64_t count_max, bare_end *end)
{
    size_t size = 0, marks_size = 0;
    const int64_t gas = INT64_MAX / 2;
    uint8_t *marks = bare_marks(rewritten, &marks_size);
    const uint8_t *memory = bare_memory(rewritten, &size);
    uint8_t *before = malloc(size);
    if (before == NULL)
        abort();
    memcpy(before, memory, size);
    memset(marks, 0, marks_size);
    *end = bare_run(reference, "handle", 0, count_max);
    const char *text = NULL;
    if (*end != BARE_COUNT && *end != BARE_DEPTH) {
        bare_end other = bare_run(rewritten, "handle", gas, 0);
        if (other == BARE_STACK || other == BARE_DEPTH)
            *end = BARE_DEPTH; /* the limits are not the same */
        else if (other == BARE_COUNT)
            *end = BARE_COUNT; /* it calls env.count itself, as a mutation may */
        else if (other != *end)
            text = DIFFERS("ended with %d, rewritten with %d", *end, other);
        else if (bare_notes(reference) != bare_notes(rewritten))
            text = DIFFERS("host calls differ");
        else if (*end != BARE_BOUNDS && memcmp(bare_memory(reference, &size), memory, size) != 0)
            text = DIFFERS("memory differs");
        else if (*end == BARE_DONE && bare_height(rewritten) != 0)
            text = DIFFERS("the height is %d at the end", bare_height(rewritten));
        else
            text = compare_gas(reference, rewritten, *end, gas);
        if (text == NULL)
            text = compare_marks(before, memory, size, marks);
    }
    free(before);
    return text;
}

/* Given what it burned, a run burns it again; given less, it does not end well. */
static const char *compare_limits(const mr_code *code, uint64_t burned)
{
    mr_error error;
    bare *exact = bare_new_rewritten(code, &error), *less = bare_new_rewritten(code, &error);
    const char *text = NULL;
    if (exact == NULL || less == NULL)
        text = DIFFERS("cannot be instantiated again");
    else if (bare_run(exact, "handle", (int64_t)burned, 0) != BARE_DONE ||
             bare_gas_left(exact) != 0)
        text = DIFFERS("does not run on the gas it burned");
    else if (bare_run(less, "handle", (int64_t)burned - 1, 0) != BARE_OUT_OF_GAS)
        text = DIFFERS("runs on less than the gas it burned");
    bare_free(exact);
    bare_free(less);
    return text;
}

const char *compare_module(mr_span original, const mr_code *code, uint64_t count_max, bare_end *end)
{
    mr_error error = {0};
    bare *reference = bare_new_reference(original, &error);
    bare *rewritten = bare_new_rewritten(code, &error);
    const char *text = NULL;
    if (reference == NULL || rewritten == NULL)
        text = DIFFERS("cannot be instantiated: %s", error.text);
    if (text == NULL)
        text = compare_run(reference, rewritten, count_max, end);
    if (text == NULL && *end == BARE_DONE) {
        text = compare_limits(code, bare_count(reference));
        bare_end second;
        if (text == NULL)
            text = compare_run(reference, rewritten, count_max, &second);
    }
    bare_free(reference);
    bare_free(rewritten);
    return text;
}
