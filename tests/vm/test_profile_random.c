/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=240
 *
 * Goal: calls that are watched are what they are when nobody watches, and their sums are exact.
 * Method: random modules (tests/vm/random_module.h) run with and without, on gas that often does
 * not suffice. Sums are made again from the folded call paths. MR_SEED replays, MR_CASES sets how
 * many. */
#include "tests/vm/number.h"
#include "tests/vm/profile.h"

/* ---- Random modules ---- */

typedef struct result {
    mr_vm_outcome outcome;
    uint64_t left;
    uint64_t aside;
    uint64_t notes;
    uint8_t bytes[RM_PAGES * MR_PAGE_BYTES];
} result;

static void run_once(machine *m, mr_memory *memory, uint64_t gas, result *out)
{
    context c = {.notes = 1, .worker = m->worker};
    mr_run *run = fixture_begin(m->worker, memory);
    out->outcome = mr_run_call(run, ENTRY_HANDLE, gas, &c, &out->left);
    out->aside = c.aside;
    out->notes = c.notes;
    if (out->outcome == MR_VM_DONE)
        assert_int_equal(mr_run_commit(run), MR_OK);
    else
        mr_run_rollback(run);
    assert_int_equal(mr_memory_read(memory, 0, out->bytes, sizeof out->bytes), MR_OK);
}

/* Functions of modules without names are called "function 12", so lines can be read again. */
static uint32_t function_in(const char *name, size_t size)
{
    static const char *const imported[] = {"count", "note", "ask", "pick", "stop", "result"};
    if (size > 9 && memcmp(name, "function ", 9) == 0)
        return (uint32_t)strtoul(name + 9, NULL, 10);
    for (uint32_t i = 0; i < OWN; i++) {
        if (size == strlen(imported[i]) && memcmp(name, imported[i], size) == 0)
            return i;
    }
    fail_msg("what function is %.*s?", (int)size, name);
    return 0;
}

typedef struct sums {
    uint64_t self[OWN + RM_FUNCTIONS_MAX];
    uint64_t host[OWN + RM_FUNCTIONS_MAX];
    uint64_t total[OWN + RM_FUNCTIONS_MAX];
    uint64_t all;
    bool is_cut; /* some path was too long */
} sums;

/* A line's gas is that of its last function, and of every function on the way once. */
static mr_status sum_line(void *ctx, mr_span line)
{
    sums *s = ctx;
    char text[40 * MR_PROFILE_DEPTH_MAX];
    bool seen[OWN + RM_FUNCTIONS_MAX] = {0};
    uint32_t function = UINT32_MAX, caller = UINT32_MAX;
    assert_true(line.size < sizeof text);
    memcpy(text, line.data, line.size);
    text[line.size] = '\0';
    char *space = strrchr(text, ' ');
    uint64_t gas = strtoull(space + 1, NULL, 10);
    *space = '\0';
    s->all += gas;
    for (const char *at = text; at != NULL;) {
        const char *end = strchr(at, ';');
        size_t size = end != NULL ? (size_t)(end - at) : strlen(at);
        if (strcmp(at, "[deeper]") == 0) {
            s->is_cut = true;
            return MR_OK;
        }
        caller = function;
        function = function_in(at, size);
        s->total[function] += seen[function] ? 0 : gas;
        seen[function] = true;
        at = end != NULL ? end + 1 : NULL;
    }
    s->self[function] += gas;
    if (function < OWN)
        s->host[caller] += gas;
    return MR_OK;
}

static const char *compare(const mr_profile_code *found, const sums *s, uint32_t functions_count)
{
    uint64_t sum = 0;
    uint32_t listed = 0;
    for (uint32_t i = 0; i < found->rows_count; i++) {
        const mr_profile_row *row = &found->rows[i];
        sum += row->self_gas;
        listed++;
        if (row->function >= functions_count || row->is_host != (row->function < OWN))
            return "a row is of no function";
        if (i > 0 && row->self_gas > row[-1].self_gas)
            return "rows are not in order";
        if (s->is_cut)
            continue;
        if (row->self_gas != s->self[row->function])
            return "self gas is not that of the paths";
        if (row->total_gas != s->total[row->function])
            return "total gas is not that of the paths";
        if (row->host_gas != s->host[row->function])
            return "gas of host functions is not that of the paths";
        if (row->function == OWN && row->total_gas != found->gas)
            return "the entry's total is not all";
    }
    if (sum != found->gas)
        return "the sum over functions is not what was burned";
    if (s->all != found->gas)
        return "the sum over paths is not what was burned";
    return listed == 0 ? "nothing was called" : NULL;
}

/* Twice, as the second call finds what the first one left. */
static const char *try_module(machine *watched, machine *plain, mr_code *code, uint64_t gas,
                              uint32_t *outcomes, bool *was_cut)
{
    static result one, other;
    const char *text = NULL;
    mr_memory watched_memory, plain_memory;
    mr_memory_init(&watched_memory, code);
    mr_memory_init(&plain_memory, code);
    for (int round = 0; round < 2 && text == NULL; round++) {
        mr_profile *profile = mr_profile_new();
        assert_non_null(profile);
        mr_vm_worker_set_profile(watched->worker, profile);
        run_once(watched, &watched_memory, gas, &one);
        run_once(plain, &plain_memory, gas, &other);
        if (one.outcome != other.outcome || one.left != other.left)
            text = "outcome or gas differ when watched";
        else if (one.notes != other.notes)
            text = "host calls differ when watched";
        else if (memcmp(one.bytes, other.bytes, sizeof one.bytes) != 0)
            text = "memory differs when watched";
        size_t count;
        const mr_profile_code *list = mr_profile_list(profile, &count);
        assert_int_equal(count, 1);
        sums s = {0};
        assert_int_equal(mr_profile_fold(profile, code, NULL, sum_line, &s), MR_OK);
        if (text == NULL)
            text = compare(&list[0], &s, mr_code_functions_count(code));
        if (text == NULL && list[0].gas != gas - one.left - one.aside)
            text = "what was burned is not what is gone";
        assert_true(mr_profile_is_complete(profile));
        *was_cut |= s.is_cut;
        outcomes[one.outcome]++;
        mr_vm_worker_set_profile(watched->worker, NULL);
        mr_profile_free(profile);
    }
    mr_memory_fini(&watched_memory, mr_vm_worker_pool(watched->worker));
    mr_memory_fini(&plain_memory, mr_vm_worker_pool(plain->worker));
    return text;
}

static void random_modules_do_the_same_when_watched_and_sums_are_exact(void **state)
{
    (void)state;
    static const uint64_t amounts[] = {300000, 300000, 300000, 20000, 1000, 100};
    uint64_t seed = number_from("MR_SEED", 1), cases = number_from("MR_CASES", 1500);
    uint32_t outcomes[MR_VM_NO_MEMORY + 1] = {0}, cut = 0;
    machine watched = machine_new(), plain = machine_new();
    mr_vm_worker_set_profile(plain.worker, NULL);
    for (uint64_t i = 0; i < cases; i++) {
        mr_buffer module = {0};
        bool was_cut = false;
        uint64_t gas = amounts[(seed + i) % 6];
        random_module(seed + i, &module);
        mr_code *code = code_of_module(mr_buffer_span(&module));
        const char *text = try_module(&watched, &plain, code, gas, outcomes, &was_cut);
        if (text != NULL)
            fail_msg("MR_SEED=%llu: %s", (unsigned long long)(seed + i), text);
        cut += was_cut;
        mr_code_put(code);
        mr_buffer_fini(&module);
    }
    print_message("MR_SEED=%llu: %llu modules; with paths cut %u;", (unsigned long long)seed,
                  (unsigned long long)cases, cut);
    for (uint32_t i = 0; i <= MR_VM_NO_MEMORY; i++) {
        print_message(" %s %u;", mr_vm_outcome_text((mr_vm_outcome)i), outcomes[i]);
        assert_true(cases < 1000 || (outcomes[i] > 0) == (i != MR_VM_NO_MEMORY));
    }
    print_message("\n");
    machine_free(&watched);
    machine_free(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_modules_do_the_same_when_watched_and_sums_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
