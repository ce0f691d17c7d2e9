/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=240 tiers=own
 *
 * Goal: a program does the same compiled and interpreted, and what the module as uploaded does.
 * Method: random valid modules run by WABT alone as uploaded, every instruction counted by itself,
 * and through mr_vm by the interpreter, compiled by tcc, with frames kept and without, by the one
 * or the other as it is drawn for every run, and now and then by gcc. Host functions grow memory,
 * write it and read it in the middle of a call, and charge gas. How a call ends, every host call
 * and its arguments, memory, marks, gas, backtraces and what is committed must be the same; also
 * when gas ends at a random place, or the stack is small. Faults of the rewriting,
 * tests/vm/plant.h, must be found by the interpreter and by compiled code. MR_SEED replays,
 * MR_CASES sets how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/log.h"
#include "tests/vm/compare.h"
#include "tests/vm/number.h"
#include "tests/vm/plant.h"
#include "tests/vm/random_module.h"
#include "vm/run.h"

enum {
    COUNT_MAX = 20000, /* instructions of a run */
    GAS = 2 * COUNT_MAX,
    BATCH = 16,        /* modules compiled together */
    LIMITS = 3,        /* runs whose gas is too little, a module */
    PLANTED_MAX = 400, /* modules to plant a fault in, until */
    PLANTED_FOUND = 6, /* so many are found */
    BYTES_MAX = BARE_PAGES_MAX * MR_PAGE_BYTES,
    UNITS = BARE_PAGES_MAX * MR_PAGE_UNITS,
};

/* Ways to run a module. */
typedef enum way { INTERP, TCC, TCC_FRAMES, DRAWN, GCC, GCC_FRAMES, WAYS } way;
static const char *const way_names[] = {"interp",        "tcc", "tcc, frames kept",
                                        "tcc or interp", "gcc", "gcc, frames kept"};
static const uint32_t heights[] = {20000, 700, 250};
enum { HEIGHTS = sizeof heights / sizeof heights[0] };

static bool keeps_frames(way w)
{
    return w != TCC && w != GCC;
}

typedef struct machine {
    mr_vm *vm;
    mr_vm_worker *worker;
} machine;

static mr_code_prices prices[HEIGHTS];
static machine machines[HEIGHTS][WAYS];
static char folder[64];
static bool passed; /* else codes and runs are left over, and machines cannot be freed */

/* ---- Host functions, as tests/vm/bare.cc has them ---- */

typedef struct host {
    uint64_t notes;
} host;

static void note(host *h, const char *name)
{
    for (; *name != '\0'; name++)
        h->notes = bare_mix(h->notes, (uint8_t)*name);
}

static mr_host_action act(host *h, mr_run *run)
{
    const bare_act what = bare_act_of(h->notes);
    if (what.grows && mr_run_pages(run) < BARE_PAGES_MAX)
        assert_int_equal(mr_run_grow(run, 1), MR_OK);
    const uint8_t *bytes = mr_run_bytes(run, what.at, BARE_READ_BYTES);
    assert_non_null(bytes);
    for (uint32_t i = 0; i < BARE_READ_BYTES; i++)
        h->notes = bare_mix(h->notes, bytes[i]);
    uint8_t written[300];
    memset(written, what.value, sizeof written);
    assert_true(mr_run_write(run, what.at, written, what.write_bytes));
    return MR_HOST_CONTINUE;
}

static mr_host_action on_count(void *context, mr_run *run, const uint64_t *args, uint64_t *result)
{
    (void)context;
    (void)run;
    (void)args;
    (void)result;
    fail_msg("env.count was called");
    return MR_HOST_STOP;
}

static mr_host_action on_note(void *context, mr_run *run, const uint64_t *args, uint64_t *result)
{
    host *h = context;
    (void)result;
    note(h, "note");
    h->notes = bare_mix(h->notes, args[0]);
    const bool is_paid = mr_run_charge(run, BARE_NOTE_GAS);
    return is_paid || (h->notes & 1) == 0 ? MR_HOST_CONTINUE : MR_HOST_STOP; /* it ends anyway */
}

static mr_host_action on_ask(void *context, mr_run *run, const uint64_t *args, uint64_t *result)
{
    host *h = context;
    note(h, "ask");
    h->notes = bare_mix(bare_mix(h->notes, args[0]), args[1]);
    const mr_host_action action = act(h, run);
    *result = h->notes;
    return action;
}

static mr_host_action on_pick(void *context, mr_run *run, const uint64_t *args, uint64_t *result)
{
    host *h = context;
    (void)args;
    note(h, "pick");
    const mr_host_action action = act(h, run);
    *result = h->notes >> 7; /* more than an i32 has room for */
    return action;
}

static mr_host_action on_stop(void *context, mr_run *run, const uint64_t *args, uint64_t *result)
{
    (void)run;
    (void)args;
    (void)result;
    note(context, "stop");
    return MR_HOST_STOP;
}

static mr_host_action on_result(void *context, mr_run *run, const uint64_t *args, uint64_t *result)
{
    host *h = context;
    (void)run;
    (void)result;
    note(h, "result");
    h->notes = bare_mix(h->notes, args[0]);
    return MR_HOST_CONTINUE;
}

static mr_host_fn *const functions[] = {on_count, on_note, on_ask, on_pick, on_stop, on_result};

/* ---- One run ---- */

typedef struct report {
    bool is_compiled;
    mr_vm_outcome outcome;
    bool has_backtrace;
    mr_backtrace backtrace;
    uint64_t gas_left;
    uint64_t notes;
    uint32_t pages;
    uint8_t bytes[BYTES_MAX];
    uint8_t marks[UNITS];
} report;

static void run(const machine *on, way w, mr_memory *memory, uint64_t gas, bool keep, report *out)
{
    mr_run *run = NULL;
    mr_error error = {0};
    host h = {.notes = 1};
    if (mr_run_begin(on->worker, memory, &run, &error) != MR_OK)
        fail_msg("%s", error.text);
    out->is_compiled = run->ready->artifact != NULL;
    if (w != DRAWN && out->is_compiled != (w != INTERP))
        fail_msg("not run by %s: %s", way_names[w],
                 mr_native_find(mr_image_of(memory)->code) == NULL ? "not compiled" : "stack");
    out->outcome = mr_run_call(run, 1, gas, &h, &out->gas_left);
    out->notes = h.notes;
    out->pages = mr_run_pages(run);
    memcpy(out->bytes, mr_run_bytes(run, 0, 0), (size_t)out->pages * MR_PAGE_BYTES);
    memcpy(out->marks, run->marks, out->pages * MR_PAGE_UNITS);
    for (uint32_t i = 0; i < MR_MARK_STEP; i++) {
        if (run->marks[out->pages * MR_PAGE_UNITS + i] != 0)
            fail_msg("%s marked beyond the end of memory", way_names[w]);
    }
    out->has_backtrace = mr_run_backtrace(run) != NULL;
    if (out->has_backtrace)
        out->backtrace = *mr_run_backtrace(run);
    if (keep && out->outcome == MR_VM_DONE)
        assert_int_equal(mr_run_commit(run), MR_OK);
    else
        mr_run_rollback(run);
}

static bool same_backtraces(const report *a, const report *b)
{
    if (a->has_backtrace != b->has_backtrace)
        return false;
    return !a->has_backtrace ||
           (a->backtrace.trap == b->backtrace.trap &&
            a->backtrace.frames_count == b->backtrace.frames_count &&
            a->backtrace.left_out == b->backtrace.left_out &&
            memcmp(a->backtrace.frames, b->backtrace.frames,
                   a->backtrace.frames_count * sizeof a->backtrace.frames[0]) == 0);
}

static char sentence[512];
#define DIFFERS(...) (snprintf(sentence, sizeof sentence, __VA_ARGS__), sentence)

/* A store out of bounds may be found out some stores early, by a mark that it shares with them; so
 * memory and marks are the same then in what is compiled, and otherwise always. `ends_outside`
 * tells that the call does so when there is enough gas. */
static const char *compare(const report *a, const report *b, bool with_backtraces,
                           bool ends_outside)
{
    if (a->outcome != b->outcome)
        return DIFFERS("%s, not: %s", mr_vm_outcome_text(b->outcome),
                       mr_vm_outcome_text(a->outcome));
    if (a->gas_left != b->gas_left)
        return DIFFERS("gas left %llu, not %llu", (unsigned long long)b->gas_left,
                       (unsigned long long)a->gas_left);
    if (a->notes != b->notes)
        return "host calls differ";
    if (a->pages != b->pages)
        return DIFFERS("%u pages, not %u", b->pages, a->pages);
    if (with_backtraces && !same_backtraces(a, b))
        return "backtraces differ";
    if (a->outcome == MR_VM_OUT_OF_BOUNDS || (a->outcome == MR_VM_OUT_OF_GAS && ends_outside))
        return NULL;
    if (memcmp(a->bytes, b->bytes, (size_t)a->pages * MR_PAGE_BYTES) != 0)
        return "memory differs";
    if (memcmp(a->marks, b->marks, a->pages * MR_PAGE_UNITS) != 0)
        return "marks differ";
    return NULL;
}

static const char *compare_images(const mr_memory *a, const mr_memory *b)
{
    if (mr_memory_pages(a) != mr_memory_pages(b))
        return "committed sizes differ";
    for (uint32_t unit = 0; unit < mr_memory_pages(a) * MR_PAGE_UNITS; unit++) {
        const uint8_t *left = mr_memory_own_unit(a, unit), *right = mr_memory_own_unit(b, unit);
        if ((left == NULL) != (right == NULL) ||
            (left != NULL && memcmp(left, right, MR_UNIT_BYTES) != 0))
            return DIFFERS("committed unit %u differs", unit);
    }
    return NULL;
}

/* ---- One module ---- */

typedef struct module {
    mr_buffer bytes;
    uint64_t seed;
    uint32_t height; /* index into heights */
    bool by_gcc;
    bool ends_outside;    /* of memory, as far as is known */
    mr_code *codes[WAYS]; /* NULL: not run that way. A code has one place for what is compiled */
    mr_memory memories[WAYS];
} module;

static report reports[WAYS];
static uint32_t runs_drawn[2]; /* by the interpreter, compiled */

static mr_code *new_code(const module *m, mr_error *error)
{
    mr_code *code = NULL;
    return mr_code_new(&bare_rules, &prices[m->height], mr_buffer_span(&m->bytes), &code, error) ==
                   MR_OK
               ? code
               : NULL;
}

/* Makes the module and begins to compile it. */
static void begin(module *m, uint64_t seed)
{
    mr_error error = {0};
    *m = (module){.seed = seed, .height = (uint32_t)(seed % HEIGHTS), .by_gcc = seed % 16 == 0};
    random_module(seed, &m->bytes);
    for (uint32_t w = 0; w < WAYS; w++) {
        if (w >= GCC && !(m->by_gcc && (w == GCC) == (seed % 32 == 0)))
            continue;
        m->codes[w] = w == DRAWN ? mr_code_get(m->codes[TCC_FRAMES]) : new_code(m, &error);
        while (m->codes[w] == NULL && m->height > 0) { /* not deep enough for it */
            m->height--;
            m->codes[w] = new_code(m, &error);
        }
        if (m->codes[w] == NULL)
            fail_msg("MR_SEED=%llu: refused: %s", (unsigned long long)seed, error.text);
        mr_memory_init(&m->memories[w], m->codes[w]);
        if (w != INTERP)
            mr_native_want(machines[m->height][w].vm->native, m->codes[w]);
    }
}

static void end(module *m)
{
    for (uint32_t w = 0; w < WAYS; w++) {
        if (m->codes[w] == NULL)
            continue;
        mr_memory_fini(&m->memories[w], mr_vm_worker_pool(machines[m->height][w].worker));
        mr_code_put(m->codes[w]);
    }
    mr_buffer_fini(&m->bytes);
}

/* Runs the module in all ways, and compares. reports[INTERP] says how it went. */
static void run_all(module *m, uint64_t gas, bool keep, const char *what)
{
    const char *text = NULL;
    for (uint32_t w = 0; w < WAYS && text == NULL; w++) {
        if (m->codes[w] == NULL)
            continue;
        run(&machines[m->height][w], w, &m->memories[w], gas, keep, &reports[w]);
        mr_memory_check(&m->memories[w]);
        text = compare(&reports[INTERP], &reports[w], keeps_frames(w), m->ends_outside);
        const report *alike = &reports[reports[w].is_compiled ? TCC : INTERP];
        if (text == NULL && w > TCC && reports[w].outcome == MR_VM_OUT_OF_BOUNDS &&
            memcmp(reports[w].bytes, alike->bytes, reports[w].pages * MR_PAGE_BYTES) != 0)
            text = "memory differs from that of another who stops there";
        runs_drawn[reports[w].is_compiled] += w == DRAWN;
        if (text == NULL && keep)
            text = compare_images(&m->memories[INTERP], &m->memories[w]);
        if (text != NULL)
            fail_msg("MR_SEED=%llu, %s, by %s: %s", (unsigned long long)m->seed, what, way_names[w],
                     text);
    }
}

static mr_vm_outcome outcome_of(bare_end end)
{
    static const mr_vm_outcome outcomes[] = {
        [BARE_DONE] = MR_VM_DONE,
        [BARE_STOPPED] = MR_VM_STOPPED,
        [BARE_UNREACHABLE] = MR_VM_UNREACHABLE,
        [BARE_BOUNDS] = MR_VM_OUT_OF_BOUNDS,
        [BARE_INTEGER] = MR_VM_INTEGER,
        [BARE_INDIRECT] = MR_VM_INDIRECT,
    };
    return outcomes[end];
}

/* The first run against the module as uploaded: compiled code stops at the very store that is out
 * of bounds, gas is exact unless a trap cuts short what is paid for. */
static const char *compare_reference(bare *reference, bare_end end, const report *r)
{
    size_t size = 0;
    const uint8_t *bytes = bare_memory(reference, &size);
    const uint64_t burned = GAS - r->gas_left, counted = bare_count(reference);
    if (r->outcome != outcome_of(end))
        return DIFFERS("%s, not: %s", mr_vm_outcome_text(r->outcome),
                       mr_vm_outcome_text(outcome_of(end)));
    if (burned < counted || (end == BARE_DONE && burned != counted))
        return DIFFERS("%llu burned, %llu counted", (unsigned long long)burned,
                       (unsigned long long)counted);
    if (r->notes != bare_notes(reference))
        return "host calls differ";
    if (size != (size_t)r->pages * MR_PAGE_BYTES || memcmp(bytes, r->bytes, size) != 0)
        return "memory differs";
    return NULL;
}

static bare_end run_reference(const module *m, bare **out)
{
    mr_error error = {0};
    *out = bare_new_reference(mr_buffer_span(&m->bytes), &error);
    if (*out == NULL)
        fail_msg("MR_SEED=%llu: %s", (unsigned long long)m->seed, error.text);
    bare_let_act(*out);
    return bare_run(*out, "handle", 0, COUNT_MAX);
}

static void try_module(module *m, uint32_t *ends)
{
    bare *reference;
    const bare_end end = run_reference(m, &reference);
    run_all(m, GAS, true, "first run");
    m->ends_outside = reports[INTERP].outcome == MR_VM_OUT_OF_BOUNDS;
    const report *compiled = &reports[TCC];
    if (end != BARE_COUNT && end != BARE_DEPTH && compiled->outcome != MR_VM_STACK_LIMIT) {
        const char *text = compare_reference(reference, end, compiled);
        if (text != NULL)
            fail_msg("MR_SEED=%llu, against the module as uploaded: %s",
                     (unsigned long long)m->seed, text);
    }
    ends[compiled->outcome]++;
    bare_free(reference);

    run_all(m, GAS, false, "second run");
    const uint64_t burned = GAS - reports[INTERP].gas_left;
    uint64_t random = m->seed * 0x9e3779b97f4a7c15u + 1;
    for (uint32_t i = 0; i < LIMITS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        run_all(m, i == 0 ? burned - (burned > 0) : (random >> 20) % (burned + 1), false,
                "too little gas");
        ends[reports[INTERP].outcome]++;
    }
    run_all(m, burned, true, "third run");
    ends[reports[INTERP].outcome]++;
}

/* All of the ABI's: integers, sign extension, memory, calls, tables, locals and globals. */
static void assert_all_instructions_were_made(void)
{
    static const uint8_t ranges[][2] = {{0x00, 0x05}, {0x0b, 0x11}, {0x1a, 0x1b}, {0x20, 0x24},
                                        {0x28, 0x29}, {0x2c, 0x37}, {0x3a, 0x3f}, {0x41, 0x42},
                                        {0x45, 0x5a}, {0x67, 0x8a}, {0xa7, 0xa7}, {0xac, 0xad},
                                        {0xc0, 0xc4}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        for (uint32_t op = ranges[i][0]; op <= ranges[i][1]; op++) {
            if (rm_made[op] == 0)
                fail_msg("no module has instruction 0x%02x", op);
        }
    }
}

static void random_modules_do_the_same_in_every_tier(void **state)
{
    (void)state;
    const uint64_t seed = number_from("MR_SEED", 1), cases = number_from("MR_CASES", 600);
    static module modules[BATCH];
    uint32_t ends[MR_VM_NO_MEMORY + 1] = {0};
    for (uint64_t first = 0; first < cases; first += BATCH) {
        const uint64_t left = cases - first, count = left < BATCH ? left : BATCH;
        for (uint64_t i = 0; i < count; i++)
            begin(&modules[i], seed + first + i);
        for (uint64_t i = 0; i < count; i++) {
            try_module(&modules[i], ends);
            end(&modules[i]);
        }
    }
    print_message("MR_SEED=%llu: %llu modules\n", (unsigned long long)seed,
                  (unsigned long long)cases);
    for (uint32_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        print_message("%6u %s\n", ends[i], mr_vm_outcome_text(i));
        assert_true(cases < 500 || (ends[i] > 0) == (i != MR_VM_NO_MEMORY));
    }
    assert_true(cases < 500 || (runs_drawn[0] > 1000 && runs_drawn[1] > 1000));
    if (cases >= 500)
        assert_all_instructions_were_made();
    passed = true;
}

/* ---- Machines ---- */

static machine new_machine(uint32_t height, way w)
{
    mr_error error = {0};
    machine made = {0};
    const mr_native_options native = {.directory = folder,
                                      .compiler = w < GCC ? "tcc" : "gcc",
                                      .quick = "/nowhere",
                                      .wait_seconds_max = 1000,
                                      .frames = keeps_frames(w)};
    const mr_vm_options options = {.rules = &bare_rules,
                                   .functions = functions,
                                   .tier = w == INTERP ? MR_TIER_INTERP : MR_TIER_NATIVE,
                                   .prices = &prices[height],
                                   .native = &native,
                                   .follow = w == DRAWN ? machines[height][TCC_FRAMES].vm : NULL,
                                   .switch_seed = w == DRAWN ? 1 + height : 0,
                                   .instance_bytes_max = 1 << 20,
                                   .live_bytes_max = 16 << 20};
    if (mr_vm_new(&options, &made.vm, &error) != MR_OK ||
        mr_vm_worker_new(made.vm, &made.worker, &error) != MR_OK)
        fail_msg("%s", error.text);
    mr_vm_worker_set_backtrace(made.worker, keeps_frames(w));
    return made;
}

static void free_machine(machine *m)
{
    mr_vm_worker_free(m->worker);
    mr_vm_free(m->vm);
}

/* ---- Planted faults ---- */

/* What plain WABT did with the module as uploaded. */
typedef struct expectation {
    bare *reference;
    bare_end end;
    uint8_t before[BYTES_MAX];
    size_t size; /* of memory, before */
} expectation;

/* Runs the module with what is planted, on a machine of its own: marks that are missing make memory
 * useless for others. */
static const char *compare_planted(const expectation *e, mr_span bytes, way w)
{
    machine on = new_machine(0, w);
    mr_code *code = NULL;
    mr_error error = {0};
    mr_memory memory;
    report *r = &reports[w];
    if (mr_code_new(&bare_rules, &prices[0], bytes, &code, &error) != MR_OK)
        fail_msg("%s", error.text);
    mr_memory_init(&memory, code);
    if (w != INTERP)
        mr_native_want(on.vm->native, code);
    memset(r->marks, 0, sizeof r->marks);
    run(&on, w, &memory, GAS, false, r);
    const char *text = compare_reference(e->reference, e->end, r);
    if (text == NULL)
        text = compare_marks(e->before, r->bytes, e->size, r->marks);
    mr_memory_fini(&memory, mr_vm_worker_pool(on.worker));
    mr_code_put(code);
    free_machine(&on);
    return text;
}

/* Returns false when it runs too long, or traps where the interpreter stops some stores early. */
static bool expect(expectation *e, mr_span bytes)
{
    mr_error error = {0};
    e->reference = bare_new_reference(bytes, &error);
    assert_non_null(e->reference);
    bare_let_act(e->reference);
    memcpy(e->before, bare_memory(e->reference, &e->size), (size_t)RM_PAGES * MR_PAGE_BYTES);
    e->end = bare_run(e->reference, "handle", 0, COUNT_MAX);
    return e->end == BARE_DONE || e->end == BARE_STOPPED || e->end == BARE_UNREACHABLE;
}

/* Plants in modules until both have found it often enough; what the interpreter finds, tcc does. */
static void find_planted(plant_kind kind)
{
    static expectation e;
    uint32_t planted = 0, found = 0;
    for (uint64_t seed = 1; seed <= PLANTED_MAX && found < PLANTED_FOUND; seed++) {
        mr_buffer buffer = {0};
        random_module(seed, &buffer);
        const mr_span bytes = mr_buffer_span(&buffer);
        if (expect(&e, bytes)) {
            plant_next(PLANT_NOTHING, kind, true, seed);
            const char *none = compare_planted(&e, bytes, INTERP);
            if (none != NULL)
                fail_msg("MR_SEED=%llu, nothing planted: %s", (unsigned long long)seed, none);
            plant_next(PLANT_FAULT, kind, true, seed);
            const bool is_found = compare_planted(&e, bytes, INTERP) != NULL;
            planted += plant_places() > 0;
            found += is_found;
            if (is_found && compare_planted(&e, bytes, TCC) == NULL)
                fail_msg("MR_SEED=%llu, not found by %s: %s", (unsigned long long)seed,
                         way_names[TCC], plant_name(kind));
        }
        bare_free(e.reference);
        mr_buffer_fini(&buffer);
    }
    plant_next(PLANT_NOTHING, kind, false, 0);
    print_message("%u of %3u found by both tiers: %s\n", found, planted, plant_name(kind));
    assert_int_equal(found, PLANTED_FOUND);
}

/* Checks of gas and the height of the stack do not show here, but in vm.planted. */
static void planted_faults_are_found_in_both_tiers(void **state)
{
    (void)state;
    for (plant_kind kind = 0; kind < PLANT_KINDS; kind++) {
        if (kind != PLANT_CHECK_EARLY && kind != PLANT_HEIGHT_LEFT)
            find_planted(kind);
    }
}

static void tell(void *arg, mr_log_level level, const char *text)
{
    (void)arg;
    (void)level;
    (void)fprintf(stderr, "%s\n", text);
}

static int set_up(void **state)
{
    (void)state;
    mr_log_set_sink(tell, NULL);
    (void)snprintf(folder, sizeof folder, "/tmp/millrace-tiers-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    for (uint32_t height = 0; height < HEIGHTS; height++) {
        prices[height] = (mr_code_prices){.instruction = 1, .stack_height_max = heights[height]};
        for (uint32_t w = 0; w < WAYS; w++)
            machines[height][w] = new_machine(height, w);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (uint32_t height = 0; passed && height < HEIGHTS; height++) {
        for (uint32_t w = WAYS; w-- > 0;)
            free_machine(&machines[height][w]);
    }
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_faults_are_found_in_both_tiers),
        cmocka_unit_test(random_modules_do_the_same_in_every_tier),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
