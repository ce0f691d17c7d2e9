/* SPDX-License-Identifier: Apache-2.0 */
/* image: which units of a memory have a version of their own, in the current block and before it.
 *
 * Entries are found by unit number: the first one inside the struct, up to 8 in a small array that
 * is searched, more in a hash table with linear probing in which units of the same aligned group of
 * four are neighbours. The hash is salted once per process, so that no program can choose units
 * that collide. Order never depends on it: lists for the outside are sorted.
 *
 * Entry of a unit, by what happened to it since the last accept or reject:
 *
 *              bytes      old        in changed list
 *   settled    version    NULL       no
 *   changed    version    version    yes       had one before the block
 *   new        version    NULL       yes       had the code's content before the block
 *   restored   NULL       version    yes       has the code's content again
 */
#ifndef MR_VM_IMAGE_H
#define MR_VM_IMAGE_H

#include <assert.h>

#include "base/assert.h"
#include "vm/memory.h"
#include "vm/memory_pool.h"

typedef struct mr_entry {
    uint8_t *bytes;
    uint8_t *old;
    uint32_t unit; /* MR_NO_UNIT marks an unused place of the hash table */
    uint32_t next; /* unit after this one in the changed list */
} mr_entry;

#define MR_NO_UNIT     UINT32_MAX       /* ends the changed list */
#define MR_NOT_CHANGED (UINT32_MAX - 1) /* `next` of an entry outside the changed list */

typedef struct mr_live mr_live;

/* What mr_memory really is. */
typedef struct mr_image {
    mr_code *code;
    mr_live *live;           /* see live.h: may have been taken away meanwhile */
    mr_entry *table;         /* NULL while capacity is 1 */
    mr_unit_change *changes; /* made by mr_memory_changes; NULL when none */
    uint32_t pages;
    uint32_t pages_before; /* at the last accept or reject */
    uint32_t entries_count;
    uint32_t capacity;    /* 1, 4, 8, or a power of two from 16: a hash table */
    uint32_t units_count; /* entries with bytes */
    uint32_t changed_head;
    uint32_t changed_count;
    uint32_t changes_count;
    mr_entry first;
    uint32_t base_end; /* units from here on are zero in the code's content */
    bool normal;       /* what is in the changed list has changed, see normalise in memory.c */
} mr_image;

static_assert(sizeof(mr_image) <= sizeof(mr_memory), "an image must fit into mr_memory");

enum { MR_IMAGE_LINEAR_MAX = 8 };

static inline mr_image *mr_image_of(mr_memory *memory)
{
    return (mr_image *)memory;
}
static inline const mr_image *mr_image_of_const(const mr_memory *memory)
{
    return (const mr_image *)memory;
}

static inline mr_entry *mr_image_table(const mr_image *image)
{
    return image->table != NULL ? image->table : (mr_entry *)(uintptr_t)&image->first;
}

/* One past the last place of the table that may hold an entry; places behind it hold anything. */
static inline const mr_entry *mr_image_places_end(const mr_image *image)
{
    return mr_image_table(image) +
           (image->capacity <= MR_IMAGE_LINEAR_MAX ? image->entries_count : image->capacity);
}

/* Salt of the hash, set before main. Odd. */
extern uint32_t mr_image_salt[2];

static inline uint32_t mr_image_place(uint32_t unit, uint32_t capacity)
{
    uint32_t hash = (unit >> 2) * mr_image_salt[0];
    hash = (hash ^ (hash >> 15)) * mr_image_salt[1];
    return (((hash ^ (hash >> 14)) << 2) | (unit & 3)) & (capacity - 1);
}

/* mr_image_find returns the entry of `unit` or NULL. It moves when an entry is added or removed. */
static inline mr_entry *mr_image_find(const mr_image *image, uint32_t unit)
{
    mr_entry *table = mr_image_table(image);
    if (image->capacity <= MR_IMAGE_LINEAR_MAX) {
        for (uint32_t i = 0; i < image->entries_count; i++)
            if (table[i].unit == unit)
                return &table[i];
        return NULL;
    }
    uint32_t place = mr_image_place(unit, image->capacity);
    while (table[place].unit != unit) {
        if (table[place].unit == MR_NO_UNIT)
            return NULL;
        place = (place + 1) & (image->capacity - 1);
    }
    return &table[place];
}

/* How many more entries fit without mr_image_reserve. */
static inline uint32_t mr_image_room(const mr_image *image)
{
    uint32_t full =
        image->capacity <= MR_IMAGE_LINEAR_MAX ? image->capacity : image->capacity / 4 * 3;
    return full - image->entries_count;
}

/* The stack is not state, so what a data segment puts there is ignored. */
static inline uint32_t mr_image_stack_units(const mr_image *image)
{
    return mr_code_stack_end(image->code) >> MR_UNIT_SHIFT;
}

static inline const uint8_t *mr_image_base(const mr_image *image, uint32_t unit)
{
    if (unit >= image->base_end || unit < mr_image_stack_units(image))
        return NULL;
    return mr_code_base_unit(image->code, unit);
}

/* Content of a unit as of now: NULL when zero. */
static inline const uint8_t *mr_image_content(const mr_image *image, uint32_t unit)
{
    const mr_entry *entry = mr_image_find(image, unit);
    if (entry != NULL && entry->bytes != NULL)
        return entry->bytes;
    return mr_image_base(image, unit);
}

/* mr_image_equal tells whether `bytes` is what `content` (NULL: zero) says. */
bool mr_image_equal(const uint8_t *bytes, const uint8_t *content);

/* mr_image_reserve makes room for `more` entries. Errors: MR_NO_MEMORY, nothing changed. */
mr_status mr_image_reserve(mr_image *image, uint32_t more);

/* mr_image_shrink gives back most of a table that has become nearly empty. If there is no memory
 * for a smaller one, the large one stays. */
void mr_image_shrink(mr_image *image);

/* mr_image_add adds an entry for a unit that has none; room was reserved. `bytes` NULL, not
 * changed. */
mr_entry *mr_image_add(mr_image *image, uint32_t unit);
void mr_image_remove(mr_image *image, mr_entry *entry);

/* mr_entry_needs_slot is false for a version made in this block: nobody else can see it, and it is
 * overwritten in place. */
static inline bool mr_entry_needs_slot(const mr_entry *entry)
{
    return entry == NULL || entry->next == MR_NOT_CHANGED || entry->bytes == NULL;
}

/* mr_image_settle makes live bytes the unit's version in the current block if they differ from its
 * content, in a slot of their own. `entry` is the unit's, NULL when it has none. Room in image and
 * pool was reserved. No other entry moves. */
void mr_image_settle(mr_image *image, mr_unit_pool *pool, uint32_t unit, mr_entry *entry,
                     const uint8_t *bytes);

#endif
