/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/memory.h"

#include <stdlib.h>
#include <string.h>

#include "vm/image.h"
#include "vm/live.h"
#include "vm/memory_heap.h"

enum { CHANGES_IN_SLOT = MR_UNIT_BYTES / sizeof(mr_unit_change) };

void mr_memory_init(mr_memory *memory, mr_code *code)
{
    mr_image *image = mr_image_of(memory);
    uint32_t pages = mr_code_static_pages(code);
    uint32_t bases_count;
    const uint32_t *bases = mr_code_base_units(code, &bases_count);
    *memory = (mr_memory){0};
    *image = (mr_image){.code = mr_code_get(code),
                        .pages = pages,
                        .pages_before = pages,
                        .capacity = 1,
                        .changed_head = MR_NO_UNIT,
                        .base_end = bases_count > 0 ? bases[bases_count - 1] + 1 : 0};
}

/* A version that an accepted block had. */
static void retire(mr_unit_pool *pool, uint8_t *bytes)
{
    if (bytes == NULL)
        return;
    if (pool->retire.retire != NULL)
        pool->retire.retire(pool->retire.self, pool, bytes);
    else
        mr_unit_pool_give(pool, bytes);
}

static void drop_changes(mr_image *image, mr_unit_pool *pool)
{
    if (image->changes == NULL)
        return;
    if (image->changes_count <= CHANGES_IN_SLOT)
        mr_unit_pool_give(pool, (uint8_t *)image->changes);
    else
        mr_heap_free(image->changes);
    image->changes = NULL;
    image->changes_count = 0;
}

void mr_memory_fini(mr_memory *memory, mr_unit_pool *pool)
{
    mr_image *image = mr_image_of(memory);
    if (image->code == NULL)
        return;
    mr_memory_drop_live(memory);
    drop_changes(image, pool);
    const mr_entry *end = mr_image_places_end(image);
    for (mr_entry *entry = mr_image_table(image); entry < end; entry++) {
        if (entry->unit == MR_NO_UNIT)
            continue;
        if (entry->next == MR_NOT_CHANGED) {
            retire(pool, entry->bytes);
            continue;
        }
        retire(pool, entry->old);
        if (entry->bytes != NULL)
            mr_unit_pool_give(pool, entry->bytes);
    }
    mr_heap_free(image->table);
    mr_code_put(image->code);
    *memory = (mr_memory){0};
}

uint32_t mr_memory_pages(const mr_memory *memory)
{
    return mr_image_of_const(memory)->pages;
}

bool mr_memory_is_live(const mr_memory *memory)
{
    return mr_live_is_of(mr_image_of_const(memory));
}

size_t mr_memory_live_bytes(const mr_memory *memory)
{
    const mr_image *image = mr_image_of_const(memory);
    return mr_live_is_of(image) ? mr_live_resident(image->live) : 0;
}

size_t mr_memory_image_bytes(const mr_memory *memory)
{
    const mr_image *image = mr_image_of_const(memory);
    return image->table == NULL ? 0 : image->capacity * sizeof(mr_entry);
}

uint32_t mr_memory_units_count(const mr_memory *memory)
{
    return mr_image_of_const(memory)->units_count;
}

mr_status mr_memory_load_pages(mr_memory *memory, uint32_t pages)
{
    mr_image *image = mr_image_of(memory);
    MR_ASSERT(!mr_live_is_of(image));
    MR_ASSERT(image->changed_count == 0);
    if (pages < mr_code_static_pages(image->code) || pages > MR_PAGES_MAX)
        return MR_CORRUPT;
    image->pages = pages;
    image->pages_before = pages;
    return MR_OK;
}

mr_status mr_memory_load_unit(mr_memory *memory, mr_unit_pool *pool, uint32_t unit,
                              const uint8_t *bytes)
{
    mr_image *image = mr_image_of(memory);
    MR_ASSERT(!mr_live_is_of(image));
    MR_ASSERT(image->changed_count == 0);
    if (unit >= (uint64_t)image->pages * MR_PAGE_UNITS || unit < mr_image_stack_units(image))
        return MR_CORRUPT;
    mr_entry *entry = mr_image_find(image, unit);
    if (mr_image_equal(bytes, mr_image_base(image, unit))) {
        if (entry != NULL) {
            retire(pool, entry->bytes);
            mr_image_remove(image, entry);
            image->units_count--;
        }
        return MR_OK;
    }
    if (entry == NULL) {
        MR_TRY(mr_unit_pool_reserve(pool, 1));
        MR_TRY(mr_image_reserve(image, 1));
        entry = mr_image_add(image, unit);
        entry->bytes = mr_unit_pool_take(pool);
        image->units_count++;
    }
    memcpy(entry->bytes, bytes, MR_UNIT_BYTES);
    return MR_OK;
}

mr_status mr_memory_read(const mr_memory *memory, uint64_t address, void *out, size_t size)
{
    const mr_image *image = mr_image_of_const(memory);
    uint64_t end = (uint64_t)image->pages * MR_PAGE_BYTES;
    if (address > end || size > end - address)
        return MR_LIMIT;
    uint8_t *to = out;
    while (size > 0) {
        uint32_t unit = (uint32_t)(address >> MR_UNIT_SHIFT);
        size_t offset = address & (MR_UNIT_BYTES - 1);
        size_t part = MR_UNIT_BYTES - offset < size ? MR_UNIT_BYTES - offset : size;
        const uint8_t *content = mr_image_content(image, unit);
        if (content != NULL)
            memcpy(to, content + offset, part);
        else
            memset(to, 0, part);
        to += part;
        address += part;
        size -= part;
    }
    return MR_OK;
}

const uint8_t *mr_memory_unit(const mr_memory *memory, uint32_t unit)
{
    return mr_image_content(mr_image_of_const(memory), unit);
}

const uint8_t *mr_memory_own_unit(const mr_memory *memory, uint32_t unit)
{
    const mr_entry *entry = mr_image_find(mr_image_of_const(memory), unit);
    return entry == NULL ? NULL : entry->bytes;
}

static void prefetch(const void *at, size_t size)
{
    for (size_t i = 0; i < size; i += 64)
        __builtin_prefetch((const char *)at + i);
}

/* Only tables of few entries: programs with many units have live memory of their own. */
static void prefetch_entries(const mr_image *image)
{
    if (image->live != NULL)
        prefetch(image->live, sizeof *image->live);
    if (image->table == NULL && image->units_count == 1)
        prefetch(image->first.bytes, MR_UNIT_BYTES);
    else if (image->table != NULL)
        prefetch(image->table, MR_IMAGE_LINEAR_MAX * sizeof *image->table);
}

static void prefetch_units(const mr_image *image)
{
    if (image->table == NULL || image->capacity > MR_IMAGE_LINEAR_MAX)
        return;
    for (uint32_t i = 0; i < image->entries_count; i++)
        if (image->table[i].bytes != NULL)
            prefetch(image->table[i].bytes, MR_UNIT_BYTES);
}

void mr_memory_prefetch(const mr_memory *memory, uint32_t distance)
{
    const mr_image *image = mr_image_of_const(memory);
    if (distance >= 3)
        prefetch(image, sizeof *memory);
    else if (distance == 2)
        prefetch_entries(image);
    else
        prefetch_units(image);
}

void mr_memory_drop_live(mr_memory *memory)
{
    mr_image *image = mr_image_of(memory);
    mr_live *live = mr_live_claim(image);
    if (live != NULL)
        mr_live_drop(image, live);
}

/* Ends the entry's place in the changed list, which the caller takes apart. */
static void settle_entry(mr_image *image, mr_entry *entry)
{
    entry->old = NULL;
    entry->next = MR_NOT_CHANGED;
    if (entry->bytes == NULL)
        mr_image_remove(image, entry);
}

static void set_bytes(mr_image *image, mr_unit_pool *pool, mr_entry *entry, uint8_t *bytes)
{
    image->units_count += bytes != NULL;
    image->units_count -= entry->bytes != NULL;
    if (entry->bytes != NULL)
        mr_unit_pool_give(pool, entry->bytes);
    entry->bytes = bytes;
}

void mr_memory_clear(mr_memory *memory, mr_unit_pool *pool)
{
    mr_image *image = mr_image_of(memory);
    mr_memory_drop_live(memory);
    drop_changes(image, pool);
    image->normal = false;
    const mr_entry *end = mr_image_places_end(image);
    for (mr_entry *entry = mr_image_table(image); entry < end; entry++) {
        if (entry->unit == MR_NO_UNIT)
            continue;
        if (entry->next != MR_NOT_CHANGED) {
            set_bytes(image, pool, entry, NULL);
            continue;
        }
        entry->old = entry->bytes;
        entry->bytes = NULL;
        image->units_count--;
        entry->next = image->changed_head;
        image->changed_head = entry->unit;
        image->changed_count++;
    }
    image->pages = mr_code_static_pages(image->code);
}

/* The image is a function of content: a version equal to the code's content goes, and a unit that
 * is again what it was before the block has not changed. False when it has not changed. */
static bool normalise(mr_image *image, mr_unit_pool *pool, mr_entry *entry)
{
    const uint8_t *base = mr_image_base(image, entry->unit);
    if (entry->bytes != NULL && mr_image_equal(entry->bytes, base))
        set_bytes(image, pool, entry, NULL);
    if (entry->old == NULL)
        return entry->bytes != NULL;
    if (entry->bytes == NULL || memcmp(entry->bytes, entry->old, MR_UNIT_BYTES) != 0)
        return true;
    set_bytes(image, pool, entry, entry->old);
    return false;
}

static int by_unit(const void *a, const void *b)
{
    uint32_t left = ((const mr_unit_change *)a)->unit;
    uint32_t right = ((const mr_unit_change *)b)->unit;
    return (left > right) - (left < right);
}

static void sort(mr_unit_change *changes, uint32_t count)
{
    if (count > 16) {
        qsort(changes, count, sizeof *changes, by_unit);
        return;
    }
    for (uint32_t i = 1; i < count; i++) {
        mr_unit_change change = changes[i];
        uint32_t at = i;
        for (; at > 0 && changes[at - 1].unit > change.unit; at--)
            changes[at] = changes[at - 1];
        changes[at] = change;
    }
}

static mr_status make_changes(mr_image *image, mr_unit_pool *pool)
{
    if (image->changed_count <= CHANGES_IN_SLOT) {
        MR_TRY(mr_unit_pool_reserve(pool, 1));
        image->changes = (mr_unit_change *)(void *)mr_unit_pool_take(pool);
    } else {
        image->changes = mr_heap_alloc(image->changed_count * sizeof *image->changes);
        if (image->changes == NULL)
            return MR_NO_MEMORY;
    }
    image->changes_count = image->changed_count;
    return MR_OK;
}

mr_status mr_memory_changes(mr_memory *memory, mr_unit_pool *pool, const mr_unit_change **changes,
                            size_t *count)
{
    mr_image *image = mr_image_of(memory);
    drop_changes(image, pool);
    *changes = NULL;
    *count = 0;
    if (image->changed_count == 0)
        return MR_OK;
    MR_TRY(make_changes(image, pool));
    uint32_t used = 0;
    uint32_t next = image->changed_head;
    image->changed_head = MR_NO_UNIT;
    image->changed_count = 0;
    while (next != MR_NO_UNIT) {
        mr_entry *entry = mr_image_find(image, next);
        uint32_t unit = next;
        next = entry->next;
        if (!normalise(image, pool, entry)) {
            settle_entry(image, entry);
            continue;
        }
        entry->next = image->changed_head;
        image->changed_head = unit;
        image->changed_count++;
        image->changes[used++] =
            (mr_unit_change){.unit = unit, .present = entry->bytes != NULL, .bytes = entry->bytes};
    }
    image->normal = true;
    sort(image->changes, used);
    *changes = image->changes;
    *count = used;
    return MR_OK;
}

void mr_memory_accept(mr_memory *memory, mr_unit_pool *pool)
{
    mr_image *image = mr_image_of(memory);
    drop_changes(image, pool);
    uint32_t next = image->changed_head;
    while (next != MR_NO_UNIT) {
        mr_entry *entry = mr_image_find(image, next);
        next = entry->next;
        if (image->normal || normalise(image, pool, entry))
            retire(pool, entry->old);
        settle_entry(image, entry);
    }
    image->changed_head = MR_NO_UNIT;
    image->changed_count = 0;
    image->normal = false;
    image->pages_before = image->pages;
    mr_image_shrink(image);
}

void mr_memory_reject(mr_memory *memory, mr_unit_pool *pool)
{
    mr_image *image = mr_image_of(memory);
    drop_changes(image, pool);
    mr_live *live = mr_live_claim(image);
    uint32_t next = image->changed_head;
    while (next != MR_NO_UNIT) {
        mr_entry *entry = mr_image_find(image, next);
        uint32_t unit = next;
        next = entry->next;
        set_bytes(image, pool, entry, entry->old);
        settle_entry(image, entry);
        if (live != NULL)
            mr_live_restore(image, live, unit);
    }
    image->changed_head = MR_NO_UNIT;
    image->changed_count = 0;
    image->normal = false;
    image->pages = image->pages_before;
    if (live != NULL)
        mr_live_release(image, live);
    mr_image_shrink(image);
}

/* Counts entries and follows the changed list. */
static void check_entries(const mr_image *image)
{
    const mr_entry *end = mr_image_places_end(image);
    uint32_t entries = 0;
    uint32_t units = 0;
    uint32_t changed = 0;
    for (const mr_entry *entry = mr_image_table(image); entry < end; entry++) {
        if (entry->unit == MR_NO_UNIT)
            continue;
        MR_ASSERT(mr_image_find(image, entry->unit) == entry);
        MR_ASSERT(entry->unit >= mr_image_stack_units(image));
        MR_ASSERT(entry->bytes != NULL || entry->next != MR_NOT_CHANGED);
        MR_ASSERT(entry->old == NULL || entry->next != MR_NOT_CHANGED);
        /* Memory that was trimmed in this block may have left zero versions behind its end. */
        MR_ASSERT(entry->bytes == NULL || entry->unit < image->pages * MR_PAGE_UNITS ||
                  (entry->next != MR_NOT_CHANGED && mr_image_equal(entry->bytes, NULL)));
        entries++;
        units += entry->bytes != NULL;
        changed += entry->next != MR_NOT_CHANGED;
    }
    MR_ASSERT(entries == image->entries_count && units == image->units_count);
    MR_ASSERT(changed == image->changed_count);
    for (uint32_t next = image->changed_head; next != MR_NO_UNIT; changed--) {
        MR_ASSERT(changed > 0);
        next = mr_image_find(image, next)->next;
    }
    MR_ASSERT(changed == 0);
}

void mr_memory_check(const mr_memory *memory)
{
    const mr_image *image = mr_image_of_const(memory);
    check_entries(image);
    MR_ASSERT(image->pages >= mr_code_static_pages(image->code) && image->pages <= MR_PAGES_MAX);
    /* Claiming only keeps others from taking the live bytes away meanwhile. */
    mr_image *claimant = (mr_image *)(uintptr_t)image;
    mr_live *live = mr_live_claim(claimant);
    if (live == NULL)
        return;
    for (uint32_t unit = 0; unit < image->pages * MR_PAGE_UNITS; unit++)
        MR_ASSERT(mr_image_equal(live->bytes + (size_t)unit * MR_UNIT_BYTES,
                                 mr_image_content(image, unit)));
    mr_live_release(claimant, live);
}
