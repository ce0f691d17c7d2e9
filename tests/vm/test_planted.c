/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model
 *
 * Goal: what compares rewritten modules with uploaded ones finds faults of the rewriting.
 * Method: tests/vm/plant.h changes what the rewriting of random modules wrote, at one place drawn
 * from the seed or at all that are alike. A fault counts as reached when a trap in its stead is
 * noticed; then tests/vm/compare.h must find it often enough, and never anything where nothing is
 * planted. It cannot always: half of the marks are of units that have another or did not change,
 * unit 0 is the same with any shift, a trap comes before a charge matters, gas seldom ends just
 * before a check. MR_SEED replays, MR_CASES sets how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/vm/compare.h"
#include "tests/vm/number.h"
#include "tests/vm/plant.h"
#include "tests/vm/random_module.h"

enum { CASES = 300, COUNT_MAX = 20000 };

/* In how many of CASES modules it is reached at least, and how much of that is found, in percent.
 * Tables' elements are too seldom called for one of them to be counted on. */
typedef struct quota {
    uint32_t reached_at_one, found_at_one;
    uint32_t reached_everywhere, found_everywhere;
} quota;

static const quota quotas[PLANT_KINDS] = {
    [PLANT_MARK_SHIFT] = {20, 3, 80, 40},     [PLANT_MARK_MISSING] = {25, 25, 80, 60},
    [PLANT_MARK_MEMORY] = {25, 80, 80, 90},   [PLANT_CHARGE_MORE] = {30, 50, 200, 60},
    [PLANT_CHARGE_LESS] = {30, 50, 200, 65},  [PLANT_CHARGE_NONE] = {30, 65, 200, 90},
    [PLANT_CHARGE_MOVED] = {40, 30, 200, 80}, [PLANT_CHECK_EARLY] = {60, 10, 200, 20},
    [PLANT_HEIGHT_LEFT] = {8, 40, 15, 60},    [PLANT_ELEMENT] = {0, 0, 2, 50},
};

/* What compare.h has to say about the module, rewritten with that planted; NULL: nothing. */
static const char *compare_planted(plant_what what, plant_kind kind, bool everywhere, uint64_t seed,
                                   mr_span module, bare_end *end)
{
    const mr_code_prices prices = {.instruction = 1, .stack_height_max = 20000};
    mr_code *code = NULL;
    mr_error error = {0};
    plant_next(what, kind, everywhere, seed);
    if (mr_code_new(&bare_rules, &prices, module, &code, &error) != MR_OK)
        fail_msg("MR_SEED=%llu, %s: %s", (unsigned long long)seed, plant_name(kind), error.text);
    const bool is_unchanged = what != PLANT_NOTHING && plant_places() == 0;
    const char *text = is_unchanged ? NULL : compare_module(module, code, COUNT_MAX, end);
    mr_code_put(code);
    return text;
}

typedef struct tally {
    uint32_t reached, found;
    char said[64];
} tally;

static void try_fault(plant_kind kind, bool everywhere, uint64_t seed, mr_span module, tally *t)
{
    bare_end ignored;
    if (compare_planted(PLANT_TRAP, kind, everywhere, seed, module, &ignored) == NULL)
        return;
    t->reached++;
    const char *text = compare_planted(PLANT_FAULT, kind, everywhere, seed, module, &ignored);
    if (text == NULL)
        return;
    t->found++;
    (void)snprintf(t->said, sizeof t->said, "%s", text);
}

static void planted_faults_are_found(void **state)
{
    (void)state;
    const uint64_t seed = number_from("MR_SEED", 1), cases = number_from("MR_CASES", CASES);
    tally tallies[PLANT_KINDS][2] = {0};
    for (uint64_t i = seed; i < seed + cases; i++) {
        mr_buffer buffer = {0};
        bare_end end = BARE_OTHER;
        random_module(i, &buffer);
        const mr_span module = mr_buffer_span(&buffer);
        const char *text = compare_planted(PLANT_NOTHING, 0, false, i, module, &end);
        if (text != NULL)
            fail_msg("MR_SEED=%llu: nothing was planted, but %s", (unsigned long long)i, text);
        const bool is_compared = end != BARE_COUNT && end != BARE_DEPTH;
        for (plant_kind kind = 0; kind < PLANT_KINDS && is_compared; kind++) {
            try_fault(kind, false, i, module, &tallies[kind][0]);
            try_fault(kind, true, i, module, &tallies[kind][1]);
        }
        mr_buffer_fini(&buffer);
    }
    print_message("MR_SEED=%llu: %llu modules; found at one place, everywhere\n",
                  (unsigned long long)seed, (unsigned long long)cases);
    for (plant_kind kind = 0; kind < PLANT_KINDS; kind++) {
        const tally *one = &tallies[kind][0], *all = &tallies[kind][1];
        print_message("%4u of %3u, %3u of %3u: %s; %s\n", one->found, one->reached, all->found,
                      all->reached, plant_name(kind), one->said);
    }
    for (plant_kind kind = 0; kind < PLANT_KINDS && cases >= CASES; kind++) {
        const tally *one = &tallies[kind][0], *all = &tallies[kind][1];
        const quota *q = &quotas[kind];
        if (one->reached < q->reached_at_one || all->reached < q->reached_everywhere ||
            one->found * 100 < q->found_at_one * one->reached ||
            all->found * 100 < q->found_everywhere * all->reached)
            fail_msg("found too seldom: %s", plant_name(kind));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_faults_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
