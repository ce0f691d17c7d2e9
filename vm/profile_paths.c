/* SPDX-License-Identifier: Apache-2.0 */
/* Call paths: a tree of bounded size. Its nodes are found by a hash of parent and function. */
#include "vm/profile_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "vm/memory_heap.h"

enum { CAPACITY_MIN = 64 };

static uint32_t *slot_of(const mr_paths *paths, uint32_t parent, uint32_t function)
{
    uint32_t mask = 2 * paths->capacity - 1; /* capacities are powers of two */
    uint64_t mix = ((uint64_t)parent << 32 | function) * 0x9e3779b97f4a7c15u;
    uint32_t at = (uint32_t)(mix >> 32) & mask;
    for (;; at = (at + 1) & mask) {
        uint32_t found = paths->slots[at];
        if (found == MR_PATH_ROOT ||
            (paths->paths[found].parent == parent && paths->paths[found].function == function))
            return &paths->slots[at];
    }
}

static mr_status grow(mr_paths *paths, uint32_t capacity)
{
    mr_paths grown = {.paths = mr_heap_alloc(capacity * sizeof *grown.paths),
                      .count = paths->count,
                      .capacity = capacity,
                      .slots = mr_heap_zalloc(2 * (size_t)capacity * sizeof *grown.slots)};
    if (grown.paths == NULL || grown.slots == NULL) {
        mr_paths_fini(&grown);
        return MR_NO_MEMORY;
    }
    if (paths->count > 0)
        memcpy(grown.paths, paths->paths, paths->count * sizeof *grown.paths);
    for (uint32_t i = 1; i < paths->count; i++)
        *slot_of(&grown, grown.paths[i].parent, grown.paths[i].function) = i;
    mr_paths_fini(paths);
    *paths = grown;
    return MR_OK;
}

mr_status mr_paths_init(mr_paths *paths)
{
    *paths = (mr_paths){0};
    MR_TRY(grow(paths, CAPACITY_MIN));
    paths->paths[paths->count++] = (mr_path){.parent = MR_PATH_NONE};
    return MR_OK;
}

void mr_paths_fini(mr_paths *paths)
{
    mr_heap_free(paths->paths);
    mr_heap_free(paths->slots);
}

uint32_t mr_paths_step(mr_paths *paths, uint32_t parent, uint32_t function)
{
    uint32_t *slot = slot_of(paths, parent, function);
    if (*slot != MR_PATH_ROOT)
        return *slot;
    uint32_t depth = paths->paths[parent].depth + 1;
    if (paths->count >= MR_PROFILE_PATHS_MAX || depth > MR_PROFILE_DEPTH_MAX)
        return MR_PATH_NONE;
    if (paths->count == paths->capacity) {
        if (grow(paths, 2 * paths->capacity) != MR_OK)
            return MR_PATH_NONE;
        slot = slot_of(paths, parent, function);
    }
    *slot = paths->count;
    paths->paths[paths->count] = (mr_path){.parent = parent, .function = function, .depth = depth};
    return paths->count++;
}

mr_status mr_paths_merge(mr_paths *into, const mr_paths *from)
{
    uint32_t *to = mr_heap_alloc(from->count * sizeof *to); /* paths in `into`, or the last on the
                                                             * way that has one */
    bool *is_beyond = mr_heap_zalloc(from->count * sizeof *is_beyond);
    if (to == NULL || is_beyond == NULL) {
        mr_heap_free(to);
        mr_heap_free(is_beyond);
        return MR_NO_MEMORY;
    }
    to[MR_PATH_ROOT] = MR_PATH_ROOT;
    into->paths[MR_PATH_ROOT].beyond_gas += from->paths[MR_PATH_ROOT].beyond_gas;
    for (uint32_t i = 1; i < from->count; i++) {
        const mr_path *path = &from->paths[i];
        uint32_t parent = to[path->parent], step = MR_PATH_NONE;
        if (!is_beyond[path->parent])
            step = mr_paths_step(into, parent, path->function);
        is_beyond[i] = step == MR_PATH_NONE;
        to[i] = is_beyond[i] ? parent : step;
        mr_path *target = &into->paths[to[i]];
        *(is_beyond[i] ? &target->beyond_gas : &target->gas) += path->gas;
        target->beyond_gas += path->beyond_gas;
    }
    mr_heap_free(to);
    mr_heap_free(is_beyond);
    return MR_OK;
}

/* ---- Fold ---- */

typedef struct folder {
    const mr_paths *paths;
    const mr_code *code;
    mr_profile_line_fn *each;
    void *context;
    uint32_t *order; /* paths by parent, then by function */
    uint32_t *first; /* by path: its first child's place in `order`, and the end of the last's */
    mr_buffer line;
    size_t line_bytes[MR_PROFILE_DEPTH_MAX + 1]; /* of the line up to each depth */
} folder;

static int compare_paths(const void *a, const void *b, void *arg)
{
    const mr_path *paths = arg;
    const mr_path *left = &paths[*(const uint32_t *)a], *right = &paths[*(const uint32_t *)b];
    if (left->parent != right->parent)
        return left->parent < right->parent ? -1 : 1;
    return left->function < right->function ? -1 : left->function > right->function;
}

/* The root has no place in the order: it is nobody's child. */
static mr_status sort_paths(folder *f)
{
    uint32_t count = f->paths->count;
    f->order = mr_heap_alloc(count * sizeof *f->order);
    f->first = mr_heap_zalloc(((size_t)count + 1) * sizeof *f->first);
    if (f->order == NULL || f->first == NULL)
        return MR_NO_MEMORY;
    for (uint32_t i = 1; i < count; i++) {
        f->order[i - 1] = i;
        f->first[f->paths->paths[i].parent + 1]++;
    }
    qsort_r(f->order, count - 1, sizeof *f->order, compare_paths, f->paths->paths);
    for (uint32_t i = 0; i < count; i++)
        f->first[i + 1] += f->first[i];
    return MR_OK;
}

static mr_status add_name(mr_buffer *line, const char *name)
{
    if (line->size > 0)
        MR_TRY(mr_buffer_append(line, mr_span_text(";")));
    size_t start = line->size;
    MR_TRY(mr_buffer_append(line, mr_span_text(name)));
    for (size_t i = start; i < line->size; i++) {
        if (line->data[i] == ';')
            line->data[i] = ',';
    }
    return MR_OK;
}

static mr_status tell(folder *f, uint64_t gas)
{
    char number[24];
    if (gas == 0)
        return MR_OK;
    (void)snprintf(number, sizeof number, " %" PRIu64, gas);
    MR_TRY(mr_buffer_append(&f->line, mr_span_text(number)));
    return f->each(f->context, mr_buffer_span(&f->line));
}

/* Leaves the line as it is up to the end of this path. */
static mr_status tell_path(folder *f, const mr_path *path)
{
    MR_TRY(tell(f, path->gas));
    f->line.size = f->line_bytes[path->depth];
    if (path->beyond_gas > 0)
        MR_TRY(add_name(&f->line, "[deeper]"));
    MR_TRY(tell(f, path->beyond_gas));
    f->line.size = f->line_bytes[path->depth];
    return MR_OK;
}

static mr_status walk(folder *f)
{
    uint32_t next[MR_PROFILE_DEPTH_MAX + 2], end[MR_PROFILE_DEPTH_MAX + 2];
    uint32_t depth = 0;
    f->line_bytes[0] = f->line.size;
    MR_TRY(tell_path(f, &f->paths->paths[MR_PATH_ROOT]));
    next[0] = f->first[MR_PATH_ROOT];
    end[0] = f->first[MR_PATH_ROOT + 1];
    for (;;) {
        if (next[depth] == end[depth]) {
            if (depth-- == 0)
                return MR_OK;
            continue;
        }
        char name[MR_FUNCTION_TEXT_BYTES];
        uint32_t at = f->order[next[depth]++];
        const mr_path *path = &f->paths->paths[at];
        f->line.size = f->line_bytes[depth++];
        MR_ASSERT(depth == path->depth);
        MR_TRY(add_name(&f->line, mr_code_function_text(f->code, path->function, name)));
        f->line_bytes[depth] = f->line.size;
        MR_TRY(tell_path(f, path));
        next[depth] = f->first[at];
        end[depth] = f->first[at + 1];
    }
}

mr_status mr_paths_fold(const mr_paths *paths, const mr_code *code, const char *root,
                        mr_profile_line_fn *each, void *context)
{
    folder f = {.paths = paths, .code = code, .each = each, .context = context};
    mr_status status = sort_paths(&f);
    if (status == MR_OK && root != NULL)
        status = add_name(&f.line, root);
    if (status == MR_OK)
        status = walk(&f);
    mr_heap_free(f.order);
    mr_heap_free(f.first);
    mr_buffer_fini(&f.line);
    return status;
}
