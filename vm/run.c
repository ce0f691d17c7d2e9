/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/run.h"

#include "base/clock.h"
#include "vm/mark.h"
#include "vm/memory_heap.h"
#include "vm/watch.h"

/* A run that touched more gives the memory of its list back. */
enum { TOUCHED_KEEP = 1 << 16 };

/* ---- Begin ---- */

static mr_run *new_run(mr_vm_worker *worker)
{
    mr_run *run = mr_heap_zalloc(sizeof *run);
    if (run == NULL)
        return NULL;
    run->worker = worker;
    run->marks = mr_heap_map(MR_MARKS_BYTES);
    run->touched = mr_heap_map(MR_UNITS_MAX * sizeof *run->touched);
    if (run->marks != NULL && run->touched != NULL)
        return run;
    mr_heap_unmap(run->marks, MR_MARKS_BYTES);
    mr_heap_unmap(run->touched, MR_UNITS_MAX * sizeof *run->touched);
    mr_heap_free(run);
    return NULL;
}

static mr_run *take_run(mr_vm_worker *worker)
{
    mr_run *run = worker->idle_runs;
    if (run != NULL)
        worker->idle_runs = run->next_idle;
    else
        run = new_run(worker);
    return run;
}

static mr_live *make_live(mr_vm_worker *worker, mr_image *image)
{
    mr_live *live = mr_live_claim(image);
    if (live != NULL) {
        mr_live_used(&worker->nursery, live);
        return live;
    }
    live = mr_live_take(worker->vm->lives, &worker->nursery, image);
    worker->counters.memories_made_live += live != NULL;
    return live;
}

mr_status mr_run_begin(mr_vm_worker *worker, mr_memory *memory, mr_run **out, mr_error *error)
{
    mr_image *image = mr_image_of(memory);
    mr_ready *ready;
    MR_TRY(mr_ready_take(worker, image->code, &ready, error));
    mr_run *run = take_run(worker);
    mr_live *live = run != NULL ? make_live(worker, image) : NULL;
    if (live == NULL) {
        if (run != NULL) {
            run->next_idle = worker->idle_runs;
            worker->idle_runs = run;
        }
        mr_ready_give(worker, ready);
        return MR_FAIL(error, MR_NO_MEMORY, "no memory to run a program");
    }
    run->image = image;
    run->live = live;
    run->ready = ready;
    run->pages = image->pages;
    run->trim = UINT32_MAX;
    run->stack_units = mr_image_stack_units(image);
    run->called = false;
    run->calling = false;
    run->has_backtrace = false;
    worker->runs_open++;
    *out = run;
    return MR_OK;
}

/* ---- Call ---- */

static mr_tier_memory tier_memory(const mr_run *run)
{
    return (mr_tier_memory){.bytes = run->live->bytes, .marks = run->marks, .pages = run->pages};
}

static mr_vm_outcome outcome_of(mr_tier_end end)
{
    switch (end) {
    case MR_TIER_RETURNED:
        return MR_VM_DONE;
    case MR_TIER_STOPPED:
        return MR_VM_STOPPED;
    case MR_TIER_BREAK_GAS:
        return MR_VM_OUT_OF_GAS;
    case MR_TIER_BREAK_STACK:
        return MR_VM_STACK_LIMIT;
    case MR_TIER_UNREACHABLE:
        return MR_VM_UNREACHABLE;
    case MR_TIER_OUT_OF_BOUNDS:
        return MR_VM_OUT_OF_BOUNDS;
    case MR_TIER_DIVIDE_BY_ZERO:
    case MR_TIER_OVERFLOW:
        return MR_VM_INTEGER;
    case MR_TIER_NO_ELEMENT:
    case MR_TIER_EMPTY_ELEMENT:
    case MR_TIER_ELEMENT_TYPE:
        return MR_VM_INDIRECT;
    case MR_TIER_NO_MEMORY:
        return MR_VM_NO_MEMORY;
    }
    return MR_VM_NO_MEMORY;
}

/* Of ends other than MR_TIER_RETURNED and MR_TIER_NO_MEMORY. */
static mr_trap trap_of(mr_tier_end end)
{
    static const mr_trap traps[] = {
        [MR_TIER_STOPPED] = MR_TRAP_HOST,
        [MR_TIER_BREAK_GAS] = MR_TRAP_GAS,
        [MR_TIER_BREAK_STACK] = MR_TRAP_STACK,
        [MR_TIER_UNREACHABLE] = MR_TRAP_UNREACHABLE,
        [MR_TIER_OUT_OF_BOUNDS] = MR_TRAP_OUT_OF_BOUNDS,
        [MR_TIER_DIVIDE_BY_ZERO] = MR_TRAP_DIVIDE_BY_ZERO,
        [MR_TIER_OVERFLOW] = MR_TRAP_OVERFLOW,
        [MR_TIER_NO_ELEMENT] = MR_TRAP_NO_ELEMENT,
        [MR_TIER_EMPTY_ELEMENT] = MR_TRAP_EMPTY_ELEMENT,
        [MR_TIER_ELEMENT_TYPE] = MR_TRAP_ELEMENT_TYPE,
    };
    return traps[end];
}

/* Gas is looked at when functions begin, when loops repeat and around host functions, so it may be
 * found to have run out only when the entry has returned: then the entry is all there is to see. */
static void keep_backtrace(mr_run *run, mr_tier_end end, mr_vm_outcome outcome, uint32_t entry,
                           const mr_tier_frames *frames)
{
    const mr_code *code = run->image->code;
    mr_backtrace *kept = &run->backtrace;
    run->has_backtrace = outcome != MR_VM_DONE && outcome != MR_VM_NO_MEMORY;
    if (!run->has_backtrace)
        return;
    kept->trap = outcome == MR_VM_OUT_OF_GAS ? MR_TRAP_GAS : trap_of(end);
    kept->frames_count = frames->count;
    kept->left_out = frames->left_out;
    for (uint32_t i = 0; i < frames->count; i++)
        kept->frames[i] = mr_code_uploaded(code, frames->functions[i]);
    if (end == MR_TIER_RETURNED)
        kept->frames[kept->frames_count++] = mr_code_entry_function(code, entry);
    MR_ASSERT(kept->frames_count > 0);
}

const mr_backtrace *mr_run_backtrace(const mr_run *run)
{
    return run->has_backtrace ? &run->backtrace : NULL;
}

static mr_vm_outcome judge(const mr_run *run, mr_tier_end end, uint64_t *gas_left)
{
    int64_t left = *run->ready->instance->gas;
    *gas_left = 0;
    if (end == MR_TIER_NO_MEMORY)
        return MR_VM_NO_MEMORY;
    if (left < 0 || end == MR_TIER_BREAK_GAS)
        return MR_VM_OUT_OF_GAS;
    *gas_left = (uint64_t)left + run->gas_aside;
    return outcome_of(end);
}

/* Stores within a unit's size of each other share marks, which are made after the first of them
 * (vm/rewrite_marks.c). If another of them is out of bounds, so may its mark be. The interpreter
 * then ends the call at that mark, and none may yet tell of the first store, which was in the last
 * unit of memory; compiled code makes the mark, of the unit behind memory or of the last one that
 * an address can be in, and ends at the store. */
static void mend_marks(mr_run *run)
{
    const uint32_t end = run->pages * MR_PAGE_UNITS;
    static_assert(MR_UNITS_MAX < MR_MARKS_BYTES - 1, "there is a mark behind the largest memory");
    run->marks[end] = 0;
    run->marks[MR_MARKS_BYTES - 1] = 0;
    if (end > 0)
        run->marks[end - 1] = 1;
}

mr_vm_outcome mr_run_call(mr_run *run, uint32_t entry, uint64_t gas, void *context,
                          uint64_t *gas_left)
{
    mr_vm_worker *worker = run->worker;
    MR_ASSERT(!run->called && mr_code_has_entry(run->image->code, entry));
    run->called = true;
    run->calling = true;
    run->gas_aside = gas > INT64_MAX ? gas - INT64_MAX : 0;
    run->set_aside = 0;
    mr_tier_frames frames;
    frames.count = frames.left_out = 0;
    mr_tier_call call = {.run = run,
                         .context = context,
                         .functions = worker->vm->options.functions,
                         .memory = tier_memory(run),
                         .entry = entry,
                         .gas = (int64_t)(gas - run->gas_aside),
                         .frames = worker->keeps_backtraces ? &frames : NULL};
    mr_watch watch;
    if (worker->profile != NULL &&
        mr_watch_begin(&watch, worker->profile, run, run->image->code, gas))
        call.watch = &watch;
    uint64_t start = worker->timing ? mr_clock_ns() : 0;
    mr_tier_end end = run->ready->tier->call(run->ready->instance, &call);
    if (worker->timing)
        worker->counters.call_ns += mr_clock_ns() - start;
    worker->counters.calls++;
    run->calling = false;
    if (end == MR_TIER_OUT_OF_BOUNDS)
        mend_marks(run);
    if (call.watch != NULL)
        mr_watch_end(&watch);
    mr_vm_outcome outcome = judge(run, end, gas_left);
    if (call.frames != NULL)
        keep_backtrace(run, end, outcome, entry, &frames);
    return outcome;
}

/* ---- End ---- */

/* What a run left on the stack is cleared in any case, and the last bytes before, where a store may
 * have begun. */
static void clean_stack(mr_run *run, uint32_t unit)
{
    uint8_t *bytes = mr_live_unit(run->live, unit);
    mr_live_wrote(run->live, unit);
    memset(bytes, 0, MR_UNIT_BYTES);
    if (unit > 0)
        memset(bytes - MR_STRADDLE_BYTES, 0, MR_STRADDLE_BYTES);
}

/* Lists the marked units of state, ascending, cleans the stack and clears the marks. */
static size_t collect(mr_run *run)
{
    uint32_t end = run->pages * MR_PAGE_UNITS;
    uint32_t marked[MR_MARK_STEP];
    mr_touched *to = run->touched;
    for (uint32_t first = 0; (first = mr_marks_find(run->marks, first, end)) < end;
         first += MR_MARK_STEP) {
        const uint32_t *marked_end = mr_marks_take(run->marks, first, marked);
        for (const uint32_t *at = marked; at < marked_end; at++) {
            if (*at < run->stack_units)
                clean_stack(run, *at);
            else
                (to++)->unit = *at;
        }
    }
    return (size_t)(to - run->touched);
}

/* Finds the entries of the listed units, and of the unit before each one where a store may have
 * begun. Neighbours are often neighbours in the table, too. */
static void look_up(mr_run *run, size_t count)
{
    const mr_entry *table_end = mr_image_places_end(run->image);
    mr_entry *entry = NULL;
    uint32_t last = MR_NO_UNIT;
    for (size_t i = 0; i < count; i++) {
        mr_touched *at = &run->touched[i];
        if (entry != NULL && entry + 1 < table_end && entry[1].unit == at->unit)
            entry++;
        else
            entry = mr_image_find(run->image, at->unit);
        at->entry = entry;
        at->look_before = at->unit > run->stack_units && at->unit - 1 != last;
        at->before = at->look_before ? mr_image_find(run->image, at->unit - 1) : NULL;
        last = at->unit;
    }
}

static const uint8_t *content_of(const mr_run *run, const mr_entry *entry, uint32_t unit)
{
    return entry != NULL && entry->bytes != NULL ? entry->bytes : mr_image_base(run->image, unit);
}

/* Did a store that ended in a listed unit begin in the one before? Then its last bytes differ. */
static bool tail_changed(const mr_run *run, const mr_touched *at)
{
    const size_t tail = MR_UNIT_BYTES - MR_STRADDLE_BYTES;
    const uint8_t *content = content_of(run, at->before, at->unit - 1);
    uint64_t now = mr_load_le64(mr_live_unit(run->live, at->unit) - MR_STRADDLE_BYTES);
    return now != (content != NULL ? mr_load_le64(content + tail) : 0);
}

/* Adds to the list the units in which a store began that ended in a listed one; their place is
 * after all others. */
static size_t add_straddled(mr_run *run, size_t count)
{
    size_t all = count;
    for (size_t i = 0; i < count; i++) {
        const mr_touched *at = &run->touched[i];
        if (at->look_before && tail_changed(run, at))
            run->touched[all++] = (mr_touched){.unit = at->unit - 1, .entry = at->before};
    }
    if (run->stack_units > 0 && count > 0 && run->touched[0].unit == run->stack_units)
        memset(mr_live_unit(run->live, run->stack_units) - MR_STRADDLE_BYTES, 0, MR_STRADDLE_BYTES);
    return all;
}

static size_t list_touched(mr_run *run)
{
    size_t count = collect(run);
    look_up(run, count);
    return add_straddled(run, count);
}

static void end(mr_run *run, size_t count)
{
    mr_vm_worker *worker = run->worker;
    if (count > TOUCHED_KEEP)
        mr_heap_drop(run->touched, MR_UNITS_MAX * sizeof *run->touched);
    if (mr_live_count(run->live))
        mr_lives_trim(worker->vm->lives, &worker->nursery);
    mr_live_release(run->image, run->live);
    mr_ready_give(worker, run->ready);
    run->image = NULL;
    run->next_idle = worker->idle_runs;
    worker->idle_runs = run;
    worker->runs_open--;
}

static void roll_back(mr_run *run, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const mr_touched *at = &run->touched[i];
        mr_live_wrote(run->live, at->unit);
        mr_live_copy(mr_live_unit(run->live, at->unit), content_of(run, at->entry, at->unit));
    }
    run->worker->counters.units_rolled_back += count;
    end(run, count);
}

/* Makes sure that settling cannot fail. */
static mr_status reserve(mr_run *run, size_t count)
{
    mr_image *image = run->image;
    uint32_t entries = 0;
    uint32_t slots = 0;
    for (size_t i = 0; i < count; i++) {
        const mr_entry *entry = run->touched[i].entry;
        entries += entry == NULL;
        slots += mr_entry_needs_slot(entry);
    }
    if (slots > mr_unit_pool_ready(run->worker->pool))
        MR_TRY(mr_unit_pool_reserve(run->worker->pool, slots));
    if (entries <= mr_image_room(image))
        return MR_OK;
    MR_TRY(mr_image_reserve(image, entries));
    for (size_t i = 0; i < count; i++)
        run->touched[i].entry = mr_image_find(image, run->touched[i].unit);
    return MR_OK;
}

mr_status mr_run_commit(mr_run *run)
{
    MR_ASSERT(run->image != NULL && !run->calling);
    mr_image *image = run->image;
    size_t count = list_touched(run);
    mr_status status = reserve(run, count);
    if (status != MR_OK) {
        roll_back(run, count);
        return status;
    }
    if (count > 0)
        image->normal = false;
    for (size_t i = 0; i < count; i++) {
        const mr_touched *at = &run->touched[i];
        if (!mr_entry_needs_slot(at->entry)) {
            mr_live_copy(at->entry->bytes, mr_live_unit(run->live, at->unit));
            continue;
        }
        /* A unit with a version of its own is known to differ since it became live. */
        if (at->entry == NULL || at->entry->bytes == NULL)
            mr_live_differs(run->live, at->unit);
        mr_image_settle(image, run->worker->pool, at->unit, at->entry,
                        mr_live_unit(run->live, at->unit));
    }
    image->pages = run->trim < run->pages ? run->trim : run->pages;
    run->worker->counters.units_committed += count;
    end(run, count);
    return MR_OK;
}

void mr_run_rollback(mr_run *run)
{
    MR_ASSERT(run->image != NULL && !run->calling);
    roll_back(run, list_touched(run));
}

/* ---- For host functions ---- */

uint64_t mr_run_gas(const mr_run *run)
{
    int64_t left = *run->ready->instance->gas;
    return left < 0 ? 0 : (uint64_t)left + run->gas_aside;
}

void mr_run_refund(mr_run *run, uint64_t amount)
{
    int64_t *gas = run->ready->instance->gas;
    MR_ASSERT(*gas >= 0 && amount <= run->set_aside);
    run->set_aside -= amount;
    const uint64_t room = (uint64_t)(INT64_MAX - *gas);
    const uint64_t fits = amount < room ? amount : room;
    *gas += (int64_t)fits;
    run->gas_aside += amount - fits;
}

bool mr_run_charge(mr_run *run, uint64_t amount)
{
    int64_t *gas = run->ready->instance->gas;
    if (*gas >= 0 && amount <= (uint64_t)*gas) {
        *gas -= (int64_t)amount;
        return true;
    }
    if (*gas >= 0 && amount - (uint64_t)*gas <= run->gas_aside) {
        run->gas_aside -= amount - (uint64_t)*gas;
        *gas = 0;
        return true;
    }
    *gas = -1;
    run->gas_aside = 0;
    return false;
}

bool mr_run_set_aside(mr_run *run, uint64_t amount)
{
    if (!mr_run_charge(run, amount))
        return false;
    run->set_aside += amount;
    return true;
}

static bool inside(const mr_run *run, uint32_t address, uint32_t size)
{
    return (uint64_t)address + size <= (uint64_t)run->pages * MR_PAGE_BYTES;
}

const uint8_t *mr_run_bytes(const mr_run *run, uint32_t address, uint32_t size)
{
    return inside(run, address, size) ? run->live->bytes + address : NULL;
}

bool mr_run_write(mr_run *run, uint32_t address, const void *bytes, uint32_t size)
{
    if (!inside(run, address, size))
        return false;
    if (size == 0)
        return true;
    memcpy(run->live->bytes + address, bytes, size);
    uint32_t first = address >> MR_UNIT_SHIFT;
    uint32_t last = (uint32_t)(((uint64_t)address + size - 1) >> MR_UNIT_SHIFT);
    memset(run->marks + first, 1, last - first + 1);
    return true;
}

uint32_t mr_run_pages(const mr_run *run)
{
    return run->pages;
}

uint32_t mr_run_static_pages(const mr_run *run)
{
    return mr_code_static_pages(run->image->code);
}

void mr_run_trim(mr_run *run, uint32_t pages)
{
    MR_ASSERT(pages >= mr_run_static_pages(run));
    run->trim = pages;
}

mr_status mr_run_grow(mr_run *run, uint32_t pages)
{
    if (pages > MR_PAGES_MAX - run->pages)
        return MR_LIMIT;
    if (run->pages + pages > mr_live_pages_max(run->live)) {
        mr_live *live = mr_live_move(run->image, run->live, &run->worker->nursery,
                                     run->pages + pages, run->marks, run->pages);
        if (live == NULL)
            return MR_NO_MEMORY;
        run->live = live;
    }
    run->pages += pages;
    if (run->calling) {
        mr_tier_memory memory = tier_memory(run);
        run->ready->tier->rebind(run->ready->instance, &memory);
    }
    return MR_OK;
}

void mr_run_clear(mr_run *run, uint32_t first_page, uint32_t pages)
{
    MR_ASSERT(first_page <= run->pages && pages <= run->pages - first_page);
    mr_live_clear(run->live, run->marks, first_page * MR_PAGE_UNITS, pages * MR_PAGE_UNITS);
}
