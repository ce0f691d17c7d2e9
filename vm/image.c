/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/image.h"

#include <string.h>
#include <sys/auxv.h>

#include "vm/memory_heap.h"

uint32_t mr_image_salt[2];

/* The kernel gives every process 16 random bytes; using them costs no call that can fail. */
__attribute__((constructor)) static void choose_salt(void)
{
    const void *random = (const void *)getauxval(AT_RANDOM);
    if (random != NULL)
        memcpy(mr_image_salt, random, sizeof mr_image_salt);
    mr_image_salt[0] |= 1;
    mr_image_salt[1] |= 1;
}

bool mr_image_equal(const uint8_t *bytes, const uint8_t *content)
{
    static const uint8_t zero[MR_UNIT_BYTES];
    return memcmp(bytes, content != NULL ? content : zero, MR_UNIT_BYTES) == 0;
}

static mr_entry *place_for(mr_entry *table, uint32_t capacity, uint32_t unit)
{
    uint32_t place = mr_image_place(unit, capacity);
    while (table[place].unit != MR_NO_UNIT)
        place = (place + 1) & (capacity - 1);
    return &table[place];
}

static mr_status rebuild(mr_image *image, uint32_t capacity)
{
    mr_entry *table = mr_heap_alloc(capacity * sizeof *table);
    if (table == NULL)
        return MR_NO_MEMORY;
    bool hashed = capacity > MR_IMAGE_LINEAR_MAX;
    if (hashed)
        memset(table, 0xff, capacity * sizeof *table); /* every unit is MR_NO_UNIT */
    const mr_entry *end = mr_image_places_end(image);
    uint32_t count = 0;
    for (const mr_entry *from = mr_image_table(image); from < end; from++) {
        if (from->unit == MR_NO_UNIT)
            continue;
        mr_entry *to = hashed ? place_for(table, capacity, from->unit) : &table[count];
        *to = *from;
        count++;
    }
    MR_ASSERT(count == image->entries_count);
    mr_heap_free(image->table);
    image->table = table;
    image->capacity = capacity;
    return MR_OK;
}

mr_status mr_image_reserve(mr_image *image, uint32_t more)
{
    if (more <= mr_image_room(image))
        return MR_OK;
    uint32_t wanted = image->entries_count + more;
    uint32_t capacity = image->capacity;
    while (capacity <= MR_IMAGE_LINEAR_MAX ? capacity < wanted : capacity / 4 * 3 < wanted)
        capacity = capacity == 1 ? 4 : capacity * 2;
    return rebuild(image, capacity);
}

void mr_image_shrink(mr_image *image)
{
    uint32_t capacity = image->capacity;
    while (capacity > 16 && image->entries_count < capacity / 8)
        capacity /= 2;
    if (capacity == image->capacity || rebuild(image, capacity) == MR_OK)
        return; /* without memory for a smaller table the large one stays */
}

mr_entry *mr_image_add(mr_image *image, uint32_t unit)
{
    MR_ASSERT(mr_image_room(image) > 0);
    mr_entry *table = mr_image_table(image);
    mr_entry *entry = image->capacity <= MR_IMAGE_LINEAR_MAX
                          ? &table[image->entries_count]
                          : place_for(table, image->capacity, unit);
    image->entries_count++;
    *entry = (mr_entry){.unit = unit, .next = MR_NOT_CHANGED};
    return entry;
}

void mr_image_remove(mr_image *image, mr_entry *entry)
{
    mr_entry *table = mr_image_table(image);
    image->entries_count--;
    if (image->capacity <= MR_IMAGE_LINEAR_MAX) {
        *entry = table[image->entries_count];
        return;
    }
    /* Move back whatever would no longer be found past the gap. */
    uint32_t mask = image->capacity - 1;
    uint32_t gap = (uint32_t)(entry - table);
    for (uint32_t at = (gap + 1) & mask; table[at].unit != MR_NO_UNIT; at = (at + 1) & mask) {
        uint32_t home = mr_image_place(table[at].unit, image->capacity);
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            table[gap] = table[at];
            gap = at;
        }
    }
    table[gap].unit = MR_NO_UNIT;
}

void mr_image_settle(mr_image *image, mr_unit_pool *pool, uint32_t unit, mr_entry *entry,
                     const uint8_t *bytes)
{
    const uint8_t *before =
        entry != NULL && entry->bytes != NULL ? entry->bytes : mr_image_base(image, unit);
    if (mr_image_equal(bytes, before))
        return;
    uint8_t *version = mr_unit_pool_take(pool);
    memcpy(version, bytes, MR_UNIT_BYTES);
    if (entry == NULL)
        entry = mr_image_add(image, unit);
    image->units_count += entry->bytes == NULL;
    if (entry->next == MR_NOT_CHANGED) {
        entry->old = entry->bytes;
        entry->next = image->changed_head;
        image->changed_head = unit;
        image->changed_count++;
    }
    entry->bytes = version;
}
