/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/watch.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "base/clock.h"

enum { TICK_MS = 100, QUIET_MS = 1000, BAR_WIDTH = 30 };

struct mr_watch {
    /* Written by the work, read by the loop. */
    _Alignas(64) _Atomic uint64_t done;
    /* Written by the loop, read by the work. */
    _Alignas(64) _Atomic bool stopped;
    /* The loop's own. */
    _Alignas(64) uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t interrupt, terminate, hang_up;
    uv_async_t end;
    uv_thread_t thread;
    const char *what, *unit;
    uint64_t total, begin_ns;
    bool terminal, drawn;
};

static void draw(uv_timer_t *timer)
{
    mr_watch *watch = timer->data;
    uint64_t done = atomic_load_explicit(&watch->done, memory_order_relaxed);
    double part = watch->total == 0 ? 1 : (double)done / (double)watch->total;
    if (part > 1)
        part = 1;
    char bar[BAR_WIDTH + 1];
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < (int)(part * BAR_WIDTH) ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    double seconds = (double)(mr_clock_ns() - watch->begin_ns) / 1e9;
    (void)fprintf(stderr, "\r%s [%s] %3.0f%%  %llu %s  %.0f/s \033[K", watch->what, bar, part * 100,
                  (unsigned long long)done, watch->unit, (double)done / seconds);
    (void)fflush(stderr);
    watch->drawn = true;
}

/* A second signal meets the system's default again: somebody is impatient. Not so when a terminal
 * goes: shell and system both tell of that, and what follows the work is to be done all the same.
 */
static void interrupted(uv_signal_t *handle, int number)
{
    mr_watch *watch = handle->data;
    atomic_store_explicit(&watch->stopped, true, memory_order_relaxed);
    (void)uv_signal_stop(handle);
    if (number == SIGHUP)
        (void)signal(SIGHUP, SIG_IGN);
}

static void close_one(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void ended(uv_async_t *end)
{
    mr_watch *watch = end->data;
    uv_walk(&watch->loop, close_one, NULL);
}

static void loop_thread(void *arg)
{
    mr_watch *watch = arg;
    (void)uv_run(&watch->loop, UV_RUN_DEFAULT);
}

/* What has been set up is closed by running the loop once more. */
static mr_status give_up(mr_watch *watch, int code, mr_error *error)
{
    uv_walk(&watch->loop, close_one, NULL);
    (void)uv_run(&watch->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&watch->loop);
    free(watch);
    return MR_FAIL(error, MR_IO, "cannot watch for signals: %s", uv_strerror(code));
}

/* nohup has the signal ignored, and that stays so. */
static bool survives_hang_up(void)
{
    struct sigaction action;
    return sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static int set_up(mr_watch *watch)
{
    int code = uv_timer_init(&watch->loop, &watch->timer);
    if (code == 0)
        code = uv_signal_init(&watch->loop, &watch->interrupt);
    if (code == 0)
        code = uv_signal_init(&watch->loop, &watch->terminate);
    if (code == 0)
        code = uv_signal_init(&watch->loop, &watch->hang_up);
    if (code == 0)
        code = uv_async_init(&watch->loop, &watch->end, ended);
    watch->timer.data = watch->end.data = watch;
    watch->interrupt.data = watch->terminate.data = watch->hang_up.data = watch;
    if (code == 0)
        code = uv_signal_start(&watch->interrupt, interrupted, SIGINT);
    if (code == 0)
        code = uv_signal_start(&watch->terminate, interrupted, SIGTERM);
    if (code == 0 && !survives_hang_up())
        code = uv_signal_start(&watch->hang_up, interrupted, SIGHUP);
    if (code == 0 && watch->terminal)
        code = uv_timer_start(&watch->timer, draw, QUIET_MS, TICK_MS);
    return code;
}

mr_status mr_watch_start(const char *what, const char *unit, uint64_t total, mr_watch **out,
                         mr_error *error)
{
    mr_watch *watch = aligned_alloc(_Alignof(mr_watch), sizeof *watch);
    if (watch == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory");
    *watch = (mr_watch){.what = what,
                        .unit = unit,
                        .total = total,
                        .begin_ns = mr_clock_ns(),
                        .terminal = uv_guess_handle(fileno(stderr)) == UV_TTY};
    int code = uv_loop_init(&watch->loop);
    if (code != 0) {
        free(watch);
        return MR_FAIL(error, MR_IO, "cannot start an event loop: %s", uv_strerror(code));
    }
    code = set_up(watch);
    if (code == 0)
        code = uv_thread_create(&watch->thread, loop_thread, watch);
    if (code != 0)
        return give_up(watch, code, error);
    *out = watch;
    return MR_OK;
}

void mr_watch_add(mr_watch *watch, uint64_t done)
{
    atomic_fetch_add_explicit(&watch->done, done, memory_order_relaxed);
}

bool mr_watch_stopped(const mr_watch *watch)
{
    return atomic_load_explicit(&watch->stopped, memory_order_relaxed);
}

void mr_watch_stop(mr_watch *watch)
{
    if (watch == NULL)
        return;
    (void)uv_async_send(&watch->end);
    (void)uv_thread_join(&watch->thread);
    (void)uv_loop_close(&watch->loop);
    if (watch->drawn)
        (void)fprintf(stderr, "\r\033[K");
    free(watch);
}
