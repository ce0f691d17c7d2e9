/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a machine that refuses to pin threads is a machine like any other, and says so.
 * Method: the kernel itself refuses, through a filter on the system call. The filter stays until
 * the process ends, so the test that sets it is the last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "scheduler/cores.h"
#include "scheduler/scheduler.h"

static void there_is_at_least_one_core_and_a_thread_for_each(void **state)
{
    (void)state;
    mr_cores *cores = NULL;
    assert_int_equal(mr_cores_new(&cores), MR_OK);
    assert_true(mr_cores_count(cores) >= 1);
    assert_true(mr_cores_threads(cores) >= mr_cores_count(cores));
    mr_cores_free(cores);
    mr_cores_free(NULL);
}

static void a_quota_of_time_counts_as_cores(void **state)
{
    (void)state;
    assert_int_equal(mr_cores_quota("max 100000\n"), 0);
    assert_int_equal(mr_cores_quota("200000 100000\n"), 2);
    assert_int_equal(mr_cores_quota("150000 100000\n"), 2);
    assert_int_equal(mr_cores_quota("1000 100000\n"), 1);
    assert_int_equal(mr_cores_quota("1000 0\n"), 0);
    assert_int_equal(mr_cores_quota(""), 0);
    assert_int_equal(mr_cores_quota("18446744073709551615 1"), 0);
}

static void a_process_bound_to_one_core_has_one(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
            break;
        }
    }
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        skip();
    mr_cores *cores = NULL;
    assert_int_equal(mr_cores_new(&cores), MR_OK);
    assert_int_equal(mr_cores_count(cores), 1);
    assert_int_equal(mr_cores_threads(cores), 1);
    assert_int_equal(mr_cores_bind(cores, 0), 0);
    assert_int_not_equal(mr_cores_bind(cores, 1), 0);
    mr_cores_free(cores);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

typedef struct scene {
    mr_lane lane;
    mr_item item;
    int rounds;
    int runs;
} scene;

static size_t next(void *ctx, mr_round *round, const mr_item **items)
{
    scene *s = ctx;
    (void)round;
    *items = &s->item;
    return s->rounds-- > 0 ? 1 : 0;
}

static void run(void *ctx, mr_round *round, uint32_t stream, mr_lane *lane, const mr_work *work)
{
    scene *s = ctx;
    (void)round, (void)stream, (void)lane, (void)work;
    s->runs++;
}

static void threads_that_cannot_be_started_are_reported(void **state)
{
    (void)state;
#ifdef MR_SANITIZED
    skip(); /* sanitizers need more addresses than the limit leaves */
#else
    struct rlimit before, little = {.rlim_cur = (rlim_t)1 << 31, .rlim_max = RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    little.rlim_max = before.rlim_max;
    if (setrlimit(RLIMIT_AS, &little) != 0)
        skip();
    mr_scheduler_options options = {.streams = 1024, .channels = 1};
    mr_scheduler *scheduler = NULL;
    mr_error error = {0};
    mr_status status = mr_scheduler_new(&options, &scheduler, &error);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(status, MR_IO);
    assert_non_null(strstr(error.text, "1024 threads"));
    assert_null(scheduler);
#endif
}

static bool refuse_affinity(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setaffinity, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void where_pinning_is_refused_it_works_and_says_so(void **state)
{
    (void)state;
    mr_scheduler_options options = {.pin = true, .channels = 1};
    mr_scheduler *scheduler = NULL;
    char text[200];
    assert_int_equal(mr_scheduler_new(&options, &scheduler, NULL), MR_OK);
    mr_scheduler_describe(scheduler, text, sizeof text);
    assert_non_null(strstr(text, "each pinned to one"));
    mr_scheduler_free(scheduler);

    if (!refuse_affinity())
        skip();
    assert_int_equal(mr_scheduler_new(&options, &scheduler, NULL), MR_OK);
    mr_scheduler_describe(scheduler, text, sizeof text);
    assert_non_null(strstr(text, "not pinned, the system refuses it (errno 1)"));
    const mr_round_ops ops = {.next = next, .run = run};
    scene s = {.rounds = 10};
    s.item.lane = &s.lane;
    assert_int_equal(mr_scheduler_run(scheduler, &ops, &s), MR_OK);
    assert_int_equal(s.runs, 10);
    mr_scheduler_free(scheduler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_at_least_one_core_and_a_thread_for_each),
        cmocka_unit_test(a_quota_of_time_counts_as_cores),
        cmocka_unit_test(a_process_bound_to_one_core_has_one),
        cmocka_unit_test(threads_that_cannot_be_started_are_reported),
        cmocka_unit_test(where_pinning_is_refused_it_works_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
