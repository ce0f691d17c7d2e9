/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: timeout=120
 * Goal: what is wanted in the background is compiled once and taken up, first as the quick compiler
 * made it; what is waited for is compiled at once. Method: shell scripts in the compilers' place
 * that tell of themselves, and threads that want the same. */
#include <sched.h>
#include <sys/resource.h>

#include "tests/vm/native.h"
#include "vm/run.h"

static void in_the_background_a_code_is_compiled_once_and_taken_up(void **state)
{
    (void)state;
    char text[512];
    (void)snprintf(text, sizeof text, "echo >>%s; exec %s \"$@\"", in_folder("background-calls"),
                   compiler());
    const mr_native_options native = {.directory = in_folder("background"),
                                      .compiler = write_script("background-gcc", text),
                                      .quick = "/nowhere"};
    fixture f = machine(MR_TIER_AUTO, &native);
    mr_code *code = code_number(11);
    mr_vm_counters counters;
    run_once(&f, code);
    while (mr_native_find(code) == NULL)
        run_once(&f, code);
    run_once(&f, code);
    run_once(&f, code);
    mr_vm_worker_counters(f.worker, &counters);
    assert_int_equal(counters.instances_made, 2); /* one of each kind */
    uint8_t calls[16];
    assert_int_equal(read_bytes(in_folder("background-calls"), calls, sizeof calls), 1);
    fixture_free(&f);
    mr_code_put(code);
    assert_told_nothing();
}

static void a_quick_one_comes_first_and_a_good_one_takes_its_place(void **state)
{
    (void)state;
    /* The good compiler waits until a program has run as the quick one left it. */
    char text[512];
    (void)snprintf(text, sizeof text, "until [ -e %s ]; do sleep 0.01; done; exec %s \"$@\"",
                   in_folder("go"), compiler());
    const mr_native_options native = {.directory = in_folder("quick"),
                                      .compiler = write_script("late-gcc", text),
                                      .quick = "tcc"};
    fixture f = machine(MR_TIER_AUTO, &native);
    mr_code *code = code_number(12);
    while (mr_native_find(code) == NULL)
        run_once(&f, code);
    const mr_artifact *quick = mr_native_find(code);
    run_once(&f, code);
    write_bytes(in_folder("go"), (const uint8_t *)"", 0);
    while (mr_native_find(code) == quick)
        run_once(&f, code);
    run_once(&f, code);
    mr_vm_counters counters;
    mr_vm_worker_counters(f.worker, &counters);
    assert_int_equal(counters.instances_made, 3);
    fixture_free(&f);
    mr_code_put(code);
    assert_told_nothing();
}

static long read_number(const char *name)
{
    char text[32] = {0};
    (void)read_bytes(in_folder(name), (uint8_t *)text, sizeof text - 1);
    return strtol(text, NULL, 10);
}

/* Whoever asks may be tied to one core, and be busy there. The quick one is as important. */
static void compilers_may_use_every_core(void **state)
{
    (void)state;
    char good[512], quick[512], own[256], found[256] = {0};
    (void)snprintf(
        good, sizeof good,
        "nice >%s; grep Cpus_allowed_list /proc/self/status >%s; echo >%s; exec %s \"$@\"",
        in_folder("nice-good"), in_folder("cores-good"), in_folder("cores-told"), compiler());
    (void)snprintf(quick, sizeof quick, "nice >%s; exec tcc \"$@\"", in_folder("nice-quick"));
    const mr_native_options native = {.directory = in_folder("cores"),
                                      .compiler = write_script("core-gcc", good),
                                      .quick = write_script("core-tcc", quick)};
    cpu_set_t all, first;
    CPU_ZERO(&first);
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    for (size_t core = CPU_SETSIZE; core-- > 0;) {
        if (CPU_ISSET(core, &all)) {
            CPU_ZERO(&first);
            CPU_SET(core, &first);
        }
    }
    (void)snprintf(own, sizeof own, "grep Cpus_allowed_list /proc/self/status >%s",
                   in_folder("cores-own"));
    assert_int_equal(system(own), 0);
    fixture f = machine(MR_TIER_AUTO, &native);
    mr_code *code = code_number(13);
    assert_int_equal(sched_setaffinity(0, sizeof first, &first), 0);
    while (access(in_folder("cores-told"), F_OK) != 0)
        run_once(&f, code);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    fixture_free(&f);
    mr_code_put(code);
    memset(own, 0, sizeof own);
    (void)read_bytes(in_folder("cores-own"), (uint8_t *)own, sizeof own);
    (void)read_bytes(in_folder("cores-good"), (uint8_t *)found, sizeof found);
    assert_string_equal(found, own);
    const int nice = getpriority(PRIO_PROCESS, 0);
    assert_int_equal(read_number("nice-good"), nice + 19 < 19 ? nice + 19 : 19);
    assert_int_equal(read_number("nice-quick"), nice);
}

/* Both compilers' code is there when the first run begins. What one waits for is as important as
 * oneself, by whichever compiler. */
static void when_runs_are_drawn_both_compilers_are_waited_for(void **state)
{
    (void)state;
    char good[512];
    (void)snprintf(good, sizeof good, "nice >%s; exec %s \"$@\"", in_folder("nice-awaited"),
                   compiler());
    const mr_native_options native = {.directory = in_folder("drawn"),
                                      .compiler = write_script("drawn-gcc", good),
                                      .quick = "tcc"};
    fixture f = machine_that_draws(&native, 5);
    mr_code *code = code_number(14);
    run_once(&f, code);
    const mr_artifact *artifact = mr_native_find(code);
    assert_non_null(artifact);
    assert_non_null(mr_artifact_before(artifact));
    assert_null(mr_artifact_before(mr_artifact_before(artifact)));
    for (unsigned i = 0; i < 40; i++)
        run_once(&f, code);
    mr_vm_counters counters;
    mr_vm_worker_counters(f.worker, &counters);
    assert_int_equal(counters.instances_made, 3); /* the interpreter's, too */
    fixture_free(&f);
    mr_code_put(code);
    assert_int_equal(read_number("nice-awaited"), getpriority(PRIO_PROCESS, 0));
    assert_told_nothing();
}

/* One that only the quick compiler can do is run as that made it. */
static void when_runs_are_drawn_one_compiler_is_enough(void **state)
{
    (void)state;
    const mr_native_options native = {.directory = in_folder("drawn-one"),
                                      .compiler = write_script("no-gcc", "exit 1"),
                                      .quick = "tcc"};
    fixture f = machine_that_draws(&native, 6);
    mr_code *code = code_number(15);
    run_once(&f, code);
    assert_non_null(mr_native_find(code));
    assert_null(mr_artifact_before(mr_native_find(code)));
    for (unsigned i = 0; i < 40; i++)
        run_once(&f, code);
    mr_vm_counters counters;
    mr_vm_worker_counters(f.worker, &counters);
    assert_int_equal(counters.instances_made, 2);
    fixture_free(&f);
    mr_code_put(code);
    assert_told_once("no-gcc failed");
}

/* ---- Who waits for whom ---- */

/* A compiler that waits until `go` is there, and writes how large what it is given is. */
static const char *waiting_compiler(const char *name, const char *go, const char *sizes)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "until [ -e %s ]; do sleep 0.01; done; wc -c <m.c >>%s; exec %s \"$@\"",
                   in_folder(go), in_folder(sizes), compiler());
    return write_script(name, text);
}

static mr_code *large_code(unsigned number)
{
    char more[32768] = "";
    size_t used = 0;
    for (unsigned i = 0; i < 200; i++)
        used += (size_t)snprintf(more + used, sizeof more - used,
                                 "(func (param i32) (result i32) (i32.add (local.get 0)"
                                 " (i32.const %u)))",
                                 number + i);
    return fixture_code(3, MR_PAGE_BYTES, more);
}

static void run_until_compiled(fixture *f, mr_code *code)
{
    while (mr_native_find(code) == NULL)
        run_once(f, code);
}

/* One that takes long keeps nobody from a quick one; then the small ones have their turn. */
static void a_large_one_is_waited_for_by_none(void **state)
{
    (void)state;
    const mr_native_options native = {.directory = in_folder("order"),
                                      .compiler =
                                          waiting_compiler("order-gcc", "order-go", "order-sizes"),
                                      .quick = "tcc",
                                      .builders_max = 1};
    fixture f = machine(MR_TIER_AUTO, &native);
    mr_code *codes[] = {large_code(1), large_code(2), code_number(30)};
    for (size_t i = 0; i < 3; i++)
        run_until_compiled(&f, codes[i]); /* quickly, while the first waits in good hands */
    const mr_artifact *quick[] = {mr_native_find(codes[0]), mr_native_find(codes[1]),
                                  mr_native_find(codes[2])};
    write_bytes(in_folder("order-go"), (const uint8_t *)"", 0);
    for (size_t i = 0; i < 3; i++) {
        while (mr_native_find(codes[i]) == quick[i])
            run_once(&f, codes[i]);
    }
    unsigned sizes[3] = {0};
    char text[128] = {0};
    (void)read_bytes(in_folder("order-sizes"), (uint8_t *)text, sizeof text - 1);
    assert_int_equal(sscanf(text, "%u %u %u", &sizes[0], &sizes[1], &sizes[2]), 3);
    assert_true(sizes[1] < sizes[0] && sizes[1] < sizes[2]);
    fixture_free(&f);
    for (size_t i = 0; i < 3; i++)
        mr_code_put(codes[i]);
    assert_told_nothing();
}

/* Not even those who want it compiled first wait for ever, nor twice. */
static void one_that_takes_too_long_is_interpreted_meanwhile(void **state)
{
    (void)state;
    const mr_native_options native = {
        .directory = in_folder("late"),
        .compiler = waiting_compiler("very-late-gcc", "late-go", "late-sizes"),
        .quick = "/nowhere",
        .builders_max = 1,
        .wait_seconds_max = 1};
    write_bytes(in_folder("late-go"), (const uint8_t *)"", 0);
    assert_true(is_compiled(&native, 33));
    assert_int_equal(unlink(in_folder("late-go")), 0);
    fixture f = machine(MR_TIER_NATIVE, &native);
    mr_code *code = code_number(31), *there = code_number(33);
    run_once(&f, code);
    assert_told_once("more than 1 second to compile and is interpreted meanwhile");
    assert_null(mr_native_find(code));
    run_once(&f, code);
    run_once(&f, there); /* is not behind it */
    assert_non_null(mr_native_find(there));
    assert_told_nothing();
    assert_int_equal(mr_native_make(f.vm->native, code, 1000), MR_BUSY);
    write_bytes(in_folder("late-go"), (const uint8_t *)"", 0);
    run_until_compiled(&f, code);
    assert_int_equal(mr_native_make(f.vm->native, code, 1000), MR_OK);
    run_once(&f, code);
    fixture_free(&f);
    mr_code_put(code);
    mr_code_put(there);
    assert_told_nothing();
}

/* What the good compiler made at another time is as quick as can be. */
static void what_is_there_needs_no_quick_compiler(void **state)
{
    (void)state;
    const mr_native_options first = {.directory = in_folder("there"), .compiler = compiler()};
    assert_true(is_compiled(&first, 32));
    char text[256];
    (void)snprintf(text, sizeof text, "echo >>%s; exec tcc \"$@\"", in_folder("there-calls"));
    const mr_native_options native = {.directory = in_folder("there"),
                                      .compiler = compiler(),
                                      .quick = write_script("there-tcc", text)};
    fixture f = machine(MR_TIER_AUTO, &native);
    mr_code *code = code_number(32);
    run_until_compiled(&f, code);
    assert_null(mr_artifact_before(mr_native_find(code)));
    fixture_free(&f);
    mr_code_put(code);
    assert_int_not_equal(access(in_folder("there-calls"), F_OK), 0);
    assert_told_nothing();
}

enum { THREADS = 4, CODES = 6 };

typedef struct shared {
    mr_vm *vm;
    mr_code *codes[CODES];
} shared;

static void *run_all(void *arg)
{
    const shared *with = arg;
    mr_error error = {0};
    fixture f = {.vm = with->vm};
    if (mr_vm_worker_new(f.vm, &f.worker, &error) != MR_OK)
        fail_msg("%s", error.text);
    f.pool = mr_vm_worker_pool(f.worker);
    for (unsigned i = 0; i < 3 * CODES; i++)
        run_once(&f, with->codes[i % CODES]);
    mr_vm_worker_free(f.worker);
    return NULL;
}

static void many_threads_may_want_the_same_codes(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        const mr_native_options native = {.directory = in_folder("threads"),
                                          .compiler = compiler()};
        fixture f = machine(round == 0 ? MR_TIER_NATIVE : MR_TIER_AUTO, &native);
        shared with = {.vm = f.vm};
        pthread_t threads[THREADS];
        for (unsigned i = 0; i < CODES; i++)
            with.codes[i] = code_number(20 + round * CODES + i);
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, run_all, &with), 0);
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        fixture_free(&f);
        for (unsigned i = 0; i < CODES; i++)
            mr_code_put(with.codes[i]);
    }
    assert_told_nothing();
}

static void *recurse(void *arg)
{
    fixture *f = arg;
    mr_code *code = code_number(40);
    mr_memory memory;
    mr_memory_init(&memory, code);
    const step steps[] = {{STEP_RECURSE, 0, 0, 0}, {0}};
    assert_int_equal(fixture_run(f->worker, &memory, steps), MR_VM_STACK_LIMIT);
    mr_memory_fini(&memory, f->pool);
    mr_code_put(code);
    return NULL;
}

/* A thread whose stack is too small for the worst case runs the interpreter, and comes to the same
 * end. */
static void a_small_stack_is_enough(void **state)
{
    (void)state;
    const mr_native_options native = {.directory = in_folder("stack"), .compiler = compiler()};
    static const size_t stacks[] = {256 << 10, 64 << 20};
    for (size_t i = 0; i < 2; i++) {
        fixture f = machine(MR_TIER_NATIVE, &native);
        pthread_attr_t how;
        pthread_t thread;
        assert_int_equal(pthread_attr_init(&how), 0);
        assert_int_equal(pthread_attr_setstacksize(&how, stacks[i]), 0);
        assert_int_equal(pthread_create(&thread, &how, recurse, &f), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        (void)pthread_attr_destroy(&how);
        fixture_free(&f);
    }
    assert_told_nothing();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_background_a_code_is_compiled_once_and_taken_up),
        cmocka_unit_test(a_quick_one_comes_first_and_a_good_one_takes_its_place),
        cmocka_unit_test(compilers_may_use_every_core),
        cmocka_unit_test(when_runs_are_drawn_both_compilers_are_waited_for),
        cmocka_unit_test(when_runs_are_drawn_one_compiler_is_enough),
        cmocka_unit_test(a_large_one_is_waited_for_by_none),
        cmocka_unit_test(one_that_takes_too_long_is_interpreted_meanwhile),
        cmocka_unit_test(what_is_there_needs_no_quick_compiler),
        cmocka_unit_test(many_threads_may_want_the_same_codes),
        cmocka_unit_test(a_small_stack_is_enough),
    };
    return cmocka_run_group_tests(tests, native_set_up, native_tear_down);
}
