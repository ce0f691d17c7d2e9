/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/native.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "vm/native_artifact.h"
#include "vm/native_file.h"

enum { BUILDERS_MAX = 64, BUILDER_STACK_BYTES = 16 << 20 };

/* A code waits for its artifact in this list, which holds a reference. */
typedef struct wanted {
    mr_code *code;
    mr_grade grade;     /* whose turn it is */
    bool is_awaited;    /* somebody does nothing until all has been built */
    mr_artifact *quick; /* not shown before that; or NULL */
    struct wanted *next;
} wanted;

struct mr_native {
    mr_native_files *files; /* NULL: nothing can be compiled */
    pthread_mutex_t lock;   /* guards what follows, and every change of a code's slot */
    pthread_cond_t changed; /* a slot, the list, or `ending` */
    wanted *first;
    wanted **end; /* of the list */
    pthread_t builders[BUILDERS_MAX];
    uint32_t builders_count;
    uint32_t builders_idle;
    uint32_t builders_max;
    cpu_set_t cores; /* that builders and compilers may use; none: not known */
    _Atomic bool ending;
};

/* A code's slot for its artifact holds NULL, one of these, or the artifact. */
static char failed_mark, wanted_mark;
#define FAILED ((void *)&failed_mark)
#define WANTED ((void *)&wanted_mark) /* on the list or being built, and there is none yet */

static bool is_artifact(const void *slot)
{
    return slot != NULL && slot != FAILED && slot != WANTED;
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
    native->end = &native->first;
    native->builders_max = builders_of(options);
    if (pthread_getaffinity_np(pthread_self(), sizeof native->cores, &native->cores) != 0)
        CPU_ZERO(&native->cores);
    (void)pthread_mutex_init(&native->lock, NULL);
    (void)pthread_cond_init(&native->changed, NULL);
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

void mr_native_free(mr_native *native)
{
    if (native == NULL)
        return;
    (void)pthread_mutex_lock(&native->lock);
    native->ending = true;
    (void)pthread_cond_broadcast(&native->changed);
    (void)pthread_mutex_unlock(&native->lock);
    for (uint32_t i = 0; i < native->builders_count; i++)
        (void)pthread_join(native->builders[i], NULL);
    while (native->first != NULL) {
        wanted *next = native->first->next;
        mr_code_put(native->first->code);
        mr_artifact_free(native->first->quick);
        free(native->first);
        native->first = next;
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

static wanted *take(mr_native *native)
{
    native->builders_idle++;
    while (!native->ending && native->first == NULL)
        (void)pthread_cond_wait(&native->changed, &native->lock);
    native->builders_idle--;
    if (native->ending)
        return NULL;
    wanted *taken = native->first;
    native->first = taken->next;
    if (native->first == NULL)
        native->end = &native->first;
    return taken;
}

/* Puts something at the end of the list. Under the lock. */
static void append(mr_native *native, wanted *one)
{
    one->next = NULL;
    *native->end = one;
    native->end = &one->next;
    (void)pthread_cond_broadcast(&native->changed);
}

static mr_artifact *build(const mr_native *native, const wanted *one)
{
    mr_artifact *artifact;
    mr_error error;
    mr_status status = mr_native_files_get(native->files, one->grade, one->is_awaited, one->code,
                                           &native->ending, &artifact, &error);
    if (status == MR_OK)
        return artifact;
    if (status != MR_BUSY && one->grade == MR_GRADE_GOOD)
        mr_log(MR_LOG_WARNING, "a program is not compiled: %s", error.text);
    return NULL;
}

/* Shows what was built, which may be nothing. Under the lock. */
static void publish(mr_native *native, const wanted *one, mr_artifact *artifact)
{
    _Atomic(void *) *slot = mr_code_artifact(one->code);
    void *before = atomic_load_explicit(slot, memory_order_relaxed);
    void *now = before;
    if (artifact != NULL) {
        mr_artifact_follow(artifact, is_artifact(before) ? before : NULL);
        now = artifact;
    } else if (!is_artifact(before) && one->grade == MR_GRADE_GOOD) {
        now = FAILED;
    }
    /* Release: pairs with mr_native_find. */
    atomic_store_explicit(slot, now, memory_order_release);
    (void)pthread_cond_broadcast(&native->changed);
}

/* A worker that made this thread may be tied to one core, and would leave it and its compilers what
 * it does not use of that.
 *
 * After a quick one comes its turn for a good one, when all others have had theirs for a quick one.
 */
static void *builder_main(void *arg)
{
    mr_native *native = arg;
    (void)pthread_setname_np(pthread_self(), "mr-builder");
    if (CPU_COUNT(&native->cores) > 0)
        (void)pthread_setaffinity_np(pthread_self(), sizeof native->cores, &native->cores);
    (void)pthread_mutex_lock(&native->lock);
    for (wanted *taken; (taken = take(native)) != NULL;) {
        (void)pthread_mutex_unlock(&native->lock);
        mr_artifact *artifact = build(native, taken);
        (void)pthread_mutex_lock(&native->lock);
        if (taken->grade == MR_GRADE_QUICK) {
            if (taken->is_awaited)
                taken->quick = artifact;
            else
                publish(native, taken, artifact);
            taken->grade = MR_GRADE_GOOD;
            append(native, taken);
            continue;
        }
        if (taken->quick != NULL)
            publish(native, taken, taken->quick);
        publish(native, taken, artifact);
        (void)pthread_mutex_unlock(&native->lock);
        mr_code_put(taken->code);
        free(taken);
        (void)pthread_mutex_lock(&native->lock);
    }
    (void)pthread_mutex_unlock(&native->lock);
    return NULL;
}

/* Makes one more builder if all are busy and there may be more. Under the lock. False when there is
 * none at all. They have stack for WABT's writer, which recurses as deep as blocks are nested. */
static bool have_builder(mr_native *native)
{
    pthread_attr_t how;
    sigset_t all, before;
    if (native->builders_idle > 0 || native->builders_count == native->builders_max ||
        pthread_attr_init(&how) != 0)
        return native->builders_count > 0;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_attr_setstacksize(&how, BUILDER_STACK_BYTES) == 0 &&
        pthread_create(&native->builders[native->builders_count], &how, builder_main, native) == 0)
        native->builders_count++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&how);
    return native->builders_count > 0;
}

static void want(mr_native *native, mr_code *code, mr_grade first, bool is_awaited)
{
    _Atomic(void *) *slot = mr_code_artifact(code);
    if (native->files == NULL || atomic_load_explicit(slot, memory_order_relaxed) != NULL)
        return;
    wanted *one = malloc(sizeof *one);
    (void)pthread_mutex_lock(&native->lock);
    if (one != NULL && atomic_load_explicit(slot, memory_order_relaxed) == NULL &&
        have_builder(native)) {
        *one = (wanted){.code = mr_code_get(code), .grade = first, .is_awaited = is_awaited};
        atomic_store_explicit(slot, WANTED, memory_order_relaxed);
        append(native, one);
        one = NULL;
    }
    (void)pthread_mutex_unlock(&native->lock);
    free(one);
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

static const mr_artifact *need(mr_native *native, mr_code *code, mr_grade first)
{
    _Atomic(void *) *slot = mr_code_artifact(code);
    want(native, code, first, true);
    if (atomic_load_explicit(slot, memory_order_relaxed) == WANTED) {
        (void)pthread_mutex_lock(&native->lock);
        while (atomic_load_explicit(slot, memory_order_relaxed) == WANTED)
            (void)pthread_cond_wait(&native->changed, &native->lock);
        (void)pthread_mutex_unlock(&native->lock);
    }
    return mr_native_find(code);
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
