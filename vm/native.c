/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/native.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "vm/native_artifact.h"
#include "vm/native_file.h"

enum { BUILDERS_MAX = 64, BUILDER_STACK_BYTES = 16 << 20, WAIT_SECONDS_MAX = 30 };

/* A code waits for its artifact in a list, which holds a reference. */
typedef struct wanted {
    mr_code *code;
    bool is_awaited;    /* somebody does nothing until all has been built */
    mr_artifact *quick; /* not shown before that; or NULL */
    struct wanted *next;
} wanted;

/* Those who use one of the compilers: a good one that takes long keeps nobody from a quick one. */
typedef struct builders {
    struct mr_native *native;
    mr_grade grade;
    wanted *first;
    uint32_t length; /* of the list */
    uint32_t count;
    uint32_t idle; /* or about to take one from the list */
    pthread_t threads[BUILDERS_MAX];
} builders;

struct mr_native {
    mr_native_files *files; /* NULL: nothing can be compiled */
    pthread_mutex_t lock;   /* guards what follows, and every change of a code's slot */
    pthread_cond_t changed; /* a slot, a list, or `ending` */
    builders builders[MR_GRADES];
    uint32_t builders_max; /* of each grade */
    uint32_t late_count;   /* codes that are LATE */
    uint32_t wait_seconds_max;
    cpu_set_t cores; /* that builders and compilers may use; none: not known */
    _Atomic bool ending;
};

/* A code's slot for its artifact holds NULL, one of these, or the artifact. */
static char failed_mark, wanted_mark, late_mark;
#define FAILED ((void *)&failed_mark)
#define WANTED ((void *)&wanted_mark) /* in a list or being built, and there is none yet */
#define LATE   ((void *)&late_mark)   /* the same, and nobody waits any more */

static bool is_artifact(const void *slot)
{
    return slot != NULL && slot != FAILED && slot != WANTED && slot != LATE;
}

static uint32_t builders_of(const mr_native_options *options)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const uint32_t asked =
        options->builders_max != 0 ? options->builders_max : (uint32_t)(cores < 4 ? 1 : cores / 4);
    return asked < BUILDERS_MAX ? asked : BUILDERS_MAX;
}

mr_status mr_native_new(const mr_native_options *options, const mr_module_rules *rules,
                        const mr_code_prices *prices, mr_native **out, mr_error *error)
{
    mr_native *native = calloc(1, sizeof *native);
    if (native == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "no memory for the native tier");
    native->builders_max = builders_of(options);
    native->wait_seconds_max =
        options->wait_seconds_max != 0 ? options->wait_seconds_max : WAIT_SECONDS_MAX;
    for (uint32_t i = 0; i < MR_GRADES; i++)
        native->builders[i] = (builders){.native = native, .grade = (mr_grade)i};
    if (pthread_getaffinity_np(pthread_self(), sizeof native->cores, &native->cores) != 0)
        CPU_ZERO(&native->cores);
    (void)pthread_mutex_init(&native->lock, NULL);
    pthread_condattr_t clock;
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&native->changed, &clock);
    (void)pthread_condattr_destroy(&clock);
    mr_error why;
    mr_status status = mr_native_files_new(options, rules, prices, &native->files, &why);
    if (status == MR_NO_MEMORY) {
        mr_native_free(native);
        return MR_FAIL(error, MR_NO_MEMORY, "no memory for the native tier");
    }
    if (status != MR_OK)
        mr_log(MR_LOG_WARNING, "programs are interpreted, none is compiled: %s", why.text);
    *out = native;
    return MR_OK;
}

static void free_wanted(wanted *one)
{
    mr_artifact_free(one->quick);
    mr_code_put(one->code);
    free(one);
}

void mr_native_free(mr_native *native)
{
    if (native == NULL)
        return;
    (void)pthread_mutex_lock(&native->lock);
    native->ending = true;
    (void)pthread_cond_broadcast(&native->changed);
    (void)pthread_mutex_unlock(&native->lock);
    /* Quick ones first: they may still hand something on. */
    for (uint32_t i = MR_GRADES; i-- > 0;) {
        builders *all = &native->builders[i];
        for (uint32_t thread = 0; thread < all->count; thread++)
            (void)pthread_join(all->threads[thread], NULL);
    }
    for (uint32_t i = 0; i < MR_GRADES; i++) {
        while (native->builders[i].first != NULL) {
            wanted *one = native->builders[i].first;
            native->builders[i].first = one->next;
            free_wanted(one);
        }
    }
    (void)pthread_cond_destroy(&native->changed);
    (void)pthread_mutex_destroy(&native->lock);
    mr_native_files_free(native->files);
    free(native);
}

const mr_artifact *mr_native_find(const mr_code *code)
{
    void *slot = atomic_load_explicit(mr_code_artifact((mr_code *)code), memory_order_acquire);
    return is_artifact(slot) ? slot : NULL;
}

/* ---- Builders ---- */

static wanted *take(builders *from)
{
    mr_native *native = from->native;
    from->idle++;
    while (!native->ending && from->first == NULL)
        (void)pthread_cond_wait(&native->changed, &native->lock);
    from->idle--;
    if (native->ending)
        return NULL;
    wanted *taken = from->first;
    from->first = taken->next;
    from->length--;
    return taken;
}

static void *builder_main(void *arg);

/* Makes one more builder if all are busy and there may be more. Under the lock. False when there is
 * none at all. They have stack for WABT's writer, which recurses as deep as blocks are nested. */
static bool have_builder(builders *of)
{
    pthread_attr_t how;
    sigset_t all, before;
    if (of->idle > of->length || of->count == of->native->builders_max ||
        pthread_attr_init(&how) != 0)
        return of->count > 0;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_attr_setstacksize(&how, BUILDER_STACK_BYTES) == 0 &&
        pthread_create(&of->threads[of->count], &how, builder_main, of) == 0)
        of->count++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&how);
    return of->count > 0;
}

/* Puts something behind all that is no larger: who uploads a large module makes others wait for one
 * at most. Under the lock. False when there is nobody to build it. */
static bool append(builders *to, wanted *one)
{
    const size_t size = mr_code_rewritten(one->code).size;
    wanted **at = &to->first;
    if (!have_builder(to))
        return false;
    while (*at != NULL && mr_code_rewritten((*at)->code).size <= size)
        at = &(*at)->next;
    one->next = *at;
    *at = one;
    to->length++;
    (void)pthread_cond_broadcast(&to->native->changed);
    return true;
}

static mr_artifact *build(const builders *by, const wanted *one)
{
    mr_native *native = by->native;
    mr_artifact *artifact;
    mr_error error;
    mr_status status = mr_native_files_get(native->files, by->grade, one->is_awaited, one->code,
                                           &native->ending, &artifact, &error);
    if (status == MR_OK)
        return artifact;
    if (status != MR_BUSY && by->grade == MR_GRADE_GOOD)
        mr_log(MR_LOG_WARNING, "a program is not compiled: %s", error.text);
    return NULL;
}

/* Shows what was built, which may be nothing. Under the lock. */
static void publish(mr_native *native, mr_code *code, mr_grade grade, mr_artifact *artifact)
{
    _Atomic(void *) *slot = mr_code_artifact(code);
    void *before = atomic_load_explicit(slot, memory_order_relaxed);
    void *now = before;
    if (artifact != NULL) {
        mr_artifact_follow(artifact, is_artifact(before) ? before : NULL);
        now = artifact;
    } else if (!is_artifact(before) && grade == MR_GRADE_GOOD) {
        now = FAILED;
    }
    native->late_count -= before == LATE && now != LATE;
    /* Release: pairs with mr_native_find. */
    atomic_store_explicit(slot, now, memory_order_release);
    (void)pthread_cond_broadcast(&native->changed);
}

/* Shows what the good compiler made, after what the quick one did if that is still kept. Under the
 * lock. */
static void finish(mr_native *native, wanted *one, mr_artifact *good)
{
    if (one->quick != NULL)
        publish(native, one->code, MR_GRADE_QUICK, one->quick);
    one->quick = NULL;
    publish(native, one->code, MR_GRADE_GOOD, good);
}

/* Has the code wait for a builder, or shows what is there already. Under the lock, which it leaves.
 * False when the code does not wait. */
static bool hand_on(mr_native *native, wanted *one, mr_grade grade, bool is_there,
                    mr_artifact *good)
{
    const bool waits = !is_there && append(&native->builders[grade], one);
    if (!waits)
        finish(native, one, good);
    (void)pthread_mutex_unlock(&native->lock);
    if (!waits && !is_there)
        mr_log(MR_LOG_WARNING, "a program is not compiled: there can be no thread for it");
    return waits;
}

/* The good one's turn comes after the quick one's, unless it has had it at another time. True when
 * the code waits for it. */
static bool build_quick(builders *by, wanted *one)
{
    mr_native *native = by->native;
    mr_artifact *good = NULL;
    const bool is_there =
        !one->is_awaited && mr_native_files_find(native->files, MR_GRADE_GOOD, one->code, &good);
    mr_artifact *quick = is_there ? NULL : build(by, one);
    (void)pthread_mutex_lock(&native->lock);
    if (one->is_awaited)
        one->quick = quick;
    else if (quick != NULL)
        publish(native, one->code, MR_GRADE_QUICK, quick);
    return hand_on(native, one, MR_GRADE_GOOD, is_there, good);
}

static void build_good(const builders *by, wanted *one)
{
    mr_artifact *good = build(by, one);
    (void)pthread_mutex_lock(&by->native->lock);
    finish(by->native, one, good);
    (void)pthread_mutex_unlock(&by->native->lock);
}

/* A worker that made this thread may be tied to one core, and would leave it and its compilers what
 * it does not use of that. */
static void *builder_main(void *arg)
{
    builders *of = arg;
    mr_native *native = of->native;
    (void)pthread_setname_np(pthread_self(), "mr-builder");
    if (CPU_COUNT(&native->cores) > 0)
        (void)pthread_setaffinity_np(pthread_self(), sizeof native->cores, &native->cores);
    for (;;) {
        (void)pthread_mutex_lock(&native->lock);
        wanted *one = take(of);
        (void)pthread_mutex_unlock(&native->lock);
        if (one == NULL)
            return NULL;
        if (of->grade == MR_GRADE_QUICK && build_quick(of, one))
            continue;
        if (of->grade == MR_GRADE_GOOD)
            build_good(of, one);
        free_wanted(one);
    }
}

/* Begins to build a code that this thread has made WANTED. Whoever waits for it loads what is
 * there, so that it is not behind what others have built. False when it is there, or nobody can
 * build it. */
static bool begin(mr_native *native, wanted *one, mr_grade first)
{
    mr_artifact *good = NULL;
    const bool is_there = one->is_awaited && first == MR_GRADE_GOOD &&
                          mr_native_files_find(native->files, MR_GRADE_GOOD, one->code, &good);
    (void)pthread_mutex_lock(&native->lock);
    return hand_on(native, one, first, is_there, good);
}

static void want(mr_native *native, mr_code *code, mr_grade first, bool is_awaited)
{
    _Atomic(void *) *slot = mr_code_artifact(code);
    if (native->files == NULL || atomic_load_explicit(slot, memory_order_relaxed) != NULL)
        return;
    wanted *one = calloc(1, sizeof *one);
    if (one == NULL)
        return;
    one->code = mr_code_get(code);
    one->is_awaited = is_awaited;
    (void)pthread_mutex_lock(&native->lock);
    const bool is_first = atomic_load_explicit(slot, memory_order_relaxed) == NULL;
    if (is_first)
        atomic_store_explicit(slot, WANTED, memory_order_relaxed);
    (void)pthread_mutex_unlock(&native->lock);
    if (!is_first || !begin(native, one, first))
        free_wanted(one);
}

static mr_grade quickest(const mr_native *native)
{
    return native->files != NULL && mr_native_files_has(native->files, MR_GRADE_QUICK)
               ? MR_GRADE_QUICK
               : MR_GRADE_GOOD;
}

void mr_native_want(mr_native *native, mr_code *code)
{
    want(native, code, quickest(native), false);
}

/* Waits until the code is no longer in the making, but `ns` at most. Under the lock. True when it
 * is not. */
static bool await(mr_native *native, _Atomic(void *) *slot, uint64_t ns)
{
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    ns += (uint64_t)end.tv_nsec;
    end.tv_sec += (time_t)(ns / 1000000000);
    end.tv_nsec = (long)(ns % 1000000000);
    int number = 0;
    for (;;) {
        const void *now = atomic_load_explicit(slot, memory_order_relaxed);
        if (now != WANTED && now != LATE)
            return true;
        if (number == ETIMEDOUT)
            return false;
        number = pthread_cond_timedwait(&native->changed, &native->lock, &end);
    }
}

/* The first who has waited too long says so, and nobody waits for it after that. While one is late,
 * the others are not waited for so long: they may be behind it. */
static void await_or_give_up(mr_native *native, _Atomic(void *) *slot)
{
    (void)pthread_mutex_lock(&native->lock);
    const uint32_t seconds = native->late_count == 0 ? native->wait_seconds_max : 1;
    const bool is_late = atomic_load_explicit(slot, memory_order_relaxed) == WANTED &&
                         !await(native, slot, seconds * UINT64_C(1000000000)) &&
                         atomic_exchange_explicit(slot, LATE, memory_order_relaxed) == WANTED;
    native->late_count += is_late;
    (void)pthread_mutex_unlock(&native->lock);
    if (is_late)
        mr_log(MR_LOG_WARNING,
               "a program takes more than %u second%s to compile and is interpreted meanwhile",
               seconds, seconds == 1 ? "" : "s");
}

static const mr_artifact *need(mr_native *native, mr_code *code, mr_grade first)
{
    _Atomic(void *) *slot = mr_code_artifact(code);
    want(native, code, first, true);
    if (atomic_load_explicit(slot, memory_order_relaxed) == WANTED)
        await_or_give_up(native, slot);
    return mr_native_find(code);
}

mr_status mr_native_make(mr_native *native, mr_code *code, uint64_t ns)
{
    _Atomic(void *) *slot = mr_code_artifact(code);
    want(native, code, MR_GRADE_GOOD, true);
    (void)pthread_mutex_lock(&native->lock);
    const bool is_ready = await(native, slot, ns);
    (void)pthread_mutex_unlock(&native->lock);
    if (!is_ready)
        return MR_BUSY;
    return mr_native_find(code) != NULL ? MR_OK : MR_UNSUPPORTED;
}

const mr_artifact *mr_native_need(mr_native *native, mr_code *code)
{
    return need(native, code, MR_GRADE_GOOD);
}

const mr_artifact *mr_native_need_all(mr_native *native, mr_code *code)
{
    return need(native, code, quickest(native));
}

void mr_native_forget(void *slot)
{
    if (is_artifact(slot))
        mr_artifact_free(slot);
}
