/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/profile.h"

#include <stdlib.h>

#include "base/assert.h"
#include "vm/memory_heap.h"
#include "vm/profile_internal.h"

enum { BUCKETS = 256 };

struct mr_profile {
    mr_profiled *buckets[BUCKETS];
    size_t count;
    mr_profile_code *list; /* room for `count` */
    bool is_incomplete;
};

mr_profile *mr_profile_new(void)
{
    return mr_heap_zalloc(sizeof(mr_profile));
}

static void profiled_free(mr_profiled *profiled)
{
    mr_code_put(profiled->code);
    mr_heap_free(profiled->rows);
    mr_heap_free(profiled->sorted);
    mr_paths_fini(&profiled->paths);
    mr_heap_free(profiled);
}

void mr_profile_free(mr_profile *profile)
{
    if (profile == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (profile->buckets[i] != NULL) {
            mr_profiled *profiled = profile->buckets[i];
            profile->buckets[i] = profiled->next;
            profiled_free(profiled);
        }
    }
    mr_heap_free(profile->list);
    mr_heap_free(profile);
}

bool mr_profile_is_complete(const mr_profile *profile)
{
    return !profile->is_incomplete;
}

void mr_profile_set_incomplete(mr_profile *profile)
{
    profile->is_incomplete = true;
}

/* ---- Codes ---- */

static mr_profiled **bucket_of(mr_profile *profile, const mr_code *code)
{
    uint64_t mix = ((uint64_t)(uintptr_t)code >> 4) * 0x9e3779b97f4a7c15u;
    return &profile->buckets[mix >> 56];
}
static_assert(BUCKETS == 1 << (64 - 56), "a bucket is chosen by the top bits");

static const mr_profiled *find(const mr_profile *profile, const mr_code *code)
{
    const mr_profiled *profiled = *bucket_of((mr_profile *)profile, code);
    while (profiled != NULL && profiled->code != code)
        profiled = profiled->next;
    return profiled;
}

static mr_profiled *profiled_new(const mr_code *code)
{
    uint32_t functions = mr_code_functions_count(code);
    mr_profiled *profiled = mr_heap_zalloc(sizeof *profiled);
    if (profiled == NULL)
        return NULL;
    profiled->code = mr_code_get((mr_code *)code);
    profiled->rows = mr_heap_zalloc(functions * sizeof *profiled->rows);
    profiled->sorted = mr_heap_alloc(functions * sizeof *profiled->sorted);
    if (profiled->rows == NULL || profiled->sorted == NULL ||
        mr_paths_init(&profiled->paths) != MR_OK) {
        profiled_free(profiled);
        return NULL;
    }
    for (uint32_t i = 0; i < functions; i++) {
        profiled->rows[i].function = i;
        profiled->rows[i].is_host = mr_code_import_name(code, i) != NULL;
    }
    return profiled;
}

mr_profiled *mr_profile_find(mr_profile *profile, const mr_code *code)
{
    mr_profiled *profiled = (mr_profiled *)find(profile, code);
    if (profiled != NULL)
        return profiled;
    mr_profile_code *list = mr_heap_alloc((profile->count + 1) * sizeof *list);
    profiled = list != NULL ? profiled_new(code) : NULL;
    if (profiled == NULL) {
        mr_heap_free(list);
        return NULL;
    }
    mr_heap_free(profile->list);
    profile->list = list;
    profile->count++;
    mr_profiled **bucket = bucket_of(profile, code);
    profiled->next = *bucket;
    *bucket = profiled;
    return profiled;
}

/* ---- Merge ---- */

static mr_status merge_one(mr_profile *into, const mr_profiled *from)
{
    mr_profiled *to = mr_profile_find(into, from->code);
    if (to == NULL)
        return MR_NO_MEMORY;
    MR_TRY(mr_paths_merge(&to->paths, &from->paths));
    to->calls += from->calls;
    to->gas += from->gas;
    for (uint32_t i = 0; i < mr_code_functions_count(from->code); i++) {
        to->rows[i].calls += from->rows[i].calls;
        to->rows[i].self_gas += from->rows[i].self_gas;
        to->rows[i].host_gas += from->rows[i].host_gas;
        to->rows[i].total_gas += from->rows[i].total_gas;
    }
    return MR_OK;
}

mr_status mr_profile_merge(mr_profile *into, const mr_profile *from)
{
    MR_ASSERT(into != from);
    into->is_incomplete |= from->is_incomplete;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (const mr_profiled *one = from->buckets[i]; one != NULL; one = one->next)
            MR_TRY(merge_one(into, one));
    }
    return MR_OK;
}

/* ---- List ---- */

static int descending(uint64_t a, uint64_t b)
{
    return a > b ? -1 : a < b;
}

static int compare_rows(const void *a, const void *b)
{
    const mr_profile_row *left = a, *right = b;
    int order = descending(left->self_gas, right->self_gas);
    if (order == 0)
        order = descending(left->total_gas, right->total_gas);
    return order != 0 ? order : descending(right->function, left->function);
}

static mr_profile_code sort_rows(mr_profiled *profiled)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < mr_code_functions_count(profiled->code); i++) {
        if (profiled->rows[i].calls > 0)
            profiled->sorted[count++] = profiled->rows[i];
    }
    qsort(profiled->sorted, count, sizeof *profiled->sorted, compare_rows);
    return (mr_profile_code){.code = profiled->code,
                             .calls = profiled->calls,
                             .gas = profiled->gas,
                             .rows = profiled->sorted,
                             .rows_count = count};
}

/* What is the same in all else is told apart by its bytes, which are the same on every machine. */
static int compare_codes(const void *a, const void *b)
{
    const mr_profile_code *left = a, *right = b;
    int order = descending(left->gas, right->gas);
    if (order == 0)
        order = descending(left->calls, right->calls);
    if (order != 0)
        return order;
    mr_span one = mr_code_rewritten(left->code), other = mr_code_rewritten(right->code);
    order = descending(other.size, one.size);
    return order != 0 ? order : memcmp(one.data, other.data, one.size);
}

const mr_profile_code *mr_profile_list(mr_profile *profile, size_t *count)
{
    size_t listed = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (mr_profiled *one = profile->buckets[i]; one != NULL; one = one->next)
            profile->list[listed++] = sort_rows(one);
    }
    if (listed > 0)
        qsort(profile->list, listed, sizeof *profile->list, compare_codes);
    *count = listed;
    return profile->list;
}

mr_status mr_profile_fold(const mr_profile *profile, const mr_code *code, const char *root,
                          mr_profile_line_fn *each, void *context)
{
    const mr_profiled *profiled = find(profile, code);
    if (profiled == NULL)
        return MR_OK;
    return mr_paths_fold(&profiled->paths, code, root, each, context);
}
