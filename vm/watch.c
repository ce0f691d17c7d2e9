/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/watch.h"

#include "base/assert.h"
#include "vm/memory_heap.h"
#include "vm/profile_internal.h"
#include "vm/run.h"

enum { FRAMES_MIN = 64 };

/* Never falls: a call that ran out of gas burned all it had. */
static uint64_t burned(const mr_watch *watch)
{
    return watch->gas - mr_run_gas(watch->run) - watch->run->set_aside;
}

static mr_watch_frame *top_of(mr_watch *watch)
{
    return &watch->frames[watch->frames_count - 1];
}

/* Gives what was burned lately to the innermost function. */
static void settle(mr_watch *watch)
{
    uint64_t now = burned(watch), gas = now - watch->burned;
    MR_ASSERT(now >= watch->burned);
    watch->burned = now;
    if (watch->frames_count == 0 || gas == 0)
        return;
    const mr_watch_frame *top = top_of(watch);
    mr_profile_row *rows = watch->to->rows;
    mr_path *path = &watch->to->paths.paths[top->path];
    rows[top->function].self_gas += gas;
    if (rows[top->function].is_host)
        rows[top[-1].function].host_gas += gas;
    *(top->is_beyond ? &path->beyond_gas : &path->gas) += gas;
}

static bool make_room(mr_watch *watch)
{
    if (watch->frames_count < watch->frames_capacity)
        return true;
    uint32_t capacity = 2 * watch->frames_capacity;
    mr_watch_frame *frames = mr_heap_alloc(capacity * sizeof *frames);
    if (frames == NULL) {
        watch->is_lost = true;
        mr_profile_set_incomplete(watch->profile);
        return false;
    }
    memcpy(frames, watch->frames, watch->frames_count * sizeof *frames);
    mr_heap_free(watch->frames);
    watch->frames = frames;
    watch->frames_capacity = capacity;
    return true;
}

bool mr_watch_begin(mr_watch *watch, mr_profile *profile, const mr_run *run, const mr_code *code,
                    uint64_t gas)
{
    *watch =
        (mr_watch){.profile = profile,
                   .to = mr_profile_find(profile, code),
                   .run = run,
                   .gas = gas,
                   .frames = mr_heap_alloc(FRAMES_MIN * sizeof *watch->frames),
                   .frames_capacity = FRAMES_MIN,
                   .active = mr_heap_zalloc(mr_code_functions_count(code) * sizeof *watch->active)};
    if (watch->to != NULL && watch->frames != NULL && watch->active != NULL)
        return true;
    mr_profile_set_incomplete(profile);
    mr_heap_free(watch->frames);
    mr_heap_free(watch->active);
    return false;
}

void mr_watch_enter(mr_watch *watch, uint32_t function)
{
    if (watch->is_lost)
        return;
    settle(watch);
    if (!make_room(watch))
        return;
    mr_paths *paths = &watch->to->paths;
    mr_watch_frame frame = {.function = mr_code_uploaded(watch->to->code, function),
                            .path = MR_PATH_ROOT,
                            .before = watch->burned};
    if (watch->frames_count > 0) {
        frame.path = top_of(watch)->path;
        frame.is_beyond = top_of(watch)->is_beyond;
    }
    if (!frame.is_beyond) {
        uint32_t step = mr_paths_step(paths, frame.path, frame.function);
        frame.is_beyond = step == MR_PATH_NONE;
        frame.path = frame.is_beyond ? frame.path : step;
    }
    watch->to->rows[frame.function].calls++;
    watch->active[frame.function]++;
    watch->frames[watch->frames_count++] = frame;
}

/* Gas of a recursion is counted once, by the outermost call. */
static void pop(mr_watch *watch)
{
    MR_ASSERT(watch->frames_count > 0);
    const mr_watch_frame *top = top_of(watch);
    if (--watch->active[top->function] == 0)
        watch->to->rows[top->function].total_gas += watch->burned - top->before;
    watch->frames_count--;
}

void mr_watch_leave(mr_watch *watch)
{
    if (watch->is_lost)
        return;
    settle(watch);
    pop(watch);
}

void mr_watch_end(mr_watch *watch)
{
    if (!watch->is_lost && watch->frames_count > 0)
        settle(watch);
    while (watch->frames_count > 0)
        pop(watch);
    watch->to->calls++;
    watch->to->gas += watch->burned;
    mr_heap_free(watch->frames);
    mr_heap_free(watch->active);
}
