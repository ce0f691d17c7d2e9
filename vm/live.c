/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/live.h"

#include <pthread.h>
#include <string.h>

#include "vm/mark.h"
#include "vm/memory_heap.h"

enum {
    CLASSES = 16, /* 1 to MR_PAGES_MAX pages */
    SLAB_LIVES = 256,
    SLABS_MAX = 1 << 16,
    REGION_BYTES = 64 << 20,
    /* Slots of a power of two would all start in the same set of the TLB. */
    SLOT_SHIFT_BYTES = 7 * 4096,
    FREE_LOOKS = 16,   /* how far to look for a free slot of the same code */
    EVICT_STEPS = 256, /* how many live memories to look at before giving up */
    TRIM_BYTES = 1 << 20,
    EVICT_TRIES = 4,   /* how many to take away for one of the right class */
    NURSERY_TRIES = 8, /* how many used ones to pass over in a nursery */
};

static_assert(1 << (CLASSES - 1) == MR_PAGES_MAX, "the largest class is the largest memory");

typedef struct region {
    struct region *next;
    uint8_t *bytes;
    size_t size;
    size_t used;
} region;

struct mr_lives {
    uint64_t bytes_max;
    _Atomic uint64_t bytes; /* written when a live memory grows or goes, read when one is made */
    /* Live structs, never moved nor freed before the end: slabs[i / SLAB_LIVES][i % SLAB_LIVES]. */
    mr_live **slabs;
    _Atomic uint32_t count;
    pthread_mutex_t lock; /* guards what follows; not taken for warm programs */
    mr_live *free[CLASSES];
    region *regions[CLASSES];
};

static mr_live *live_at(const mr_lives *lives, uint32_t i)
{
    return &lives->slabs[i / SLAB_LIVES][i % SLAB_LIVES];
}

mr_lives *mr_lives_new(uint64_t bytes_max)
{
    mr_lives *lives = mr_heap_zalloc(sizeof *lives);
    if (lives == NULL)
        return NULL;
    lives->bytes_max = bytes_max;
    lives->slabs = mr_heap_map(SLABS_MAX * sizeof *lives->slabs);
    if (lives->slabs == NULL) {
        mr_heap_free(lives);
        return NULL;
    }
    pthread_mutex_init(&lives->lock, NULL);
    return lives;
}

void mr_lives_free(mr_lives *lives)
{
    if (lives == NULL)
        return;
    uint32_t count = atomic_load_explicit(&lives->count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        mr_live *live = live_at(lives, i);
        MR_ASSERT(atomic_load_explicit(&live->owner, memory_order_acquire) == 0);
        if (live->code != NULL)
            mr_code_put(live->code);
        mr_heap_free(live->differs);
    }
    for (uint32_t i = 0; i < count; i += SLAB_LIVES)
        mr_heap_free(lives->slabs[i / SLAB_LIVES]);
    for (int class = 0; class < CLASSES; class ++) {
        while (lives->regions[class] != NULL) {
            region *at = lives->regions[class];
            lives->regions[class] = at->next;
            mr_heap_unmap(at->bytes, at->size);
            mr_heap_free(at);
        }
    }
    mr_heap_unmap(lives->slabs, SLABS_MAX * sizeof *lives->slabs);
    pthread_mutex_destroy(&lives->lock);
    mr_heap_free(lives);
}

uint64_t mr_lives_bytes(const mr_lives *lives)
{
    return atomic_load_explicit(&lives->bytes, memory_order_relaxed);
}

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static uint8_t class_of(uint32_t pages)
{
    return pages <= 1 ? 0 : (uint8_t)(32 - __builtin_clz(pages - 1));
}

static size_t class_bytes(uint8_t class)
{
    return (size_t)MR_PAGE_BYTES << class;
}

bool mr_live_count(mr_live *live)
{
    if (live->counted_kpages == live->resident_kpages)
        return false;
    int64_t more = (int64_t)live->resident_kpages - (int64_t)live->counted_kpages;
    more += (live->resident_kpages != 0) - (live->counted_kpages != 0); /* page table */
    live->counted_kpages = live->resident_kpages;
    uint64_t sum = atomic_fetch_add_explicit(&live->lives->bytes, (uint64_t)(more * 4096),
                                             memory_order_relaxed) +
                   (uint64_t)(more * 4096);
    return sum > live->lives->bytes_max;
}

/* ---- Content ---- */

static uint32_t stack_units(const mr_code *code)
{
    return mr_code_stack_end(code) >> MR_UNIT_SHIFT;
}

/* Calls `visit` for each differing unit, and forgets that it differs. */
static inline void each_differing(mr_live *live, void (*visit)(mr_live *live, uint32_t unit))
{
    uint32_t groups = (uint32_t)((class_bytes(live->class_log2) >> MR_UNIT_SHIFT) + 4095) >> 12;
    for (uint32_t g = 0; g < groups; g++) {
        for (uint64_t group = live->groups[g]; group != 0; group &= group - 1) {
            uint32_t w = g * 64 + (uint32_t)__builtin_ctzll(group);
            for (uint64_t word = live->differs[w]; word != 0; word &= word - 1)
                visit(live, w * 64 + (uint32_t)__builtin_ctzll(word));
            live->differs[w] = 0;
        }
        live->groups[g] = 0;
    }
    atomic_store_explicit(&live->differs_count, 0, memory_order_relaxed);
}

/* Words of `written`: a bit for each 4 KiB. */
static size_t written_words(uint8_t class_log2)
{
    return (class_bytes(class_log2) >> 12) / 64 + 1;
}

static void reset_unit(mr_live *live, uint32_t unit)
{
    const uint8_t *base =
        unit < stack_units(live->code) ? NULL : mr_code_base_unit(live->code, unit);
    mr_live_copy(mr_live_unit(live, unit), base);
}

static void forget_unit(mr_live *live, uint32_t unit)
{
    (void)live;
    (void)unit;
}

/* Makes the bytes zero by giving their memory back. */
static void purge(mr_live *live)
{
    mr_heap_drop(live->bytes, class_bytes(live->class_log2));
    each_differing(live, forget_unit);
    memset(live->written, 0, written_words(live->class_log2) * sizeof *live->written);
    live->resident_kpages = 0;
    (void)mr_live_count(live);
    if (live->code != NULL)
        mr_code_put(live->code);
    live->code = NULL;
}

/* Changes whose content the bytes hold; nothing differs. */
static void set_code(mr_live *live, mr_code *code)
{
    if (live->code == code)
        return;
    uint32_t count = 0;
    const uint32_t *units;
    if (live->code != NULL) {
        units = mr_code_base_units(live->code, &count);
        for (uint32_t i = 0; i < count; i++)
            if (units[i] >= stack_units(live->code))
                mr_live_copy(mr_live_unit(live, units[i]), NULL);
        mr_code_put(live->code);
    }
    live->code = mr_code_get(code);
    units = mr_code_base_units(code, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (units[i] < stack_units(code))
            continue;
        mr_live_copy(mr_live_unit(live, units[i]), mr_code_base_unit(code, units[i]));
        mr_live_wrote(live, units[i]);
    }
}

static void load_image(mr_live *live, const mr_image *image)
{
    const mr_entry *end = mr_image_places_end(image);
    for (const mr_entry *entry = mr_image_table(image); entry < end; entry++) {
        if (entry->unit == MR_NO_UNIT || entry->bytes == NULL)
            continue;
        memcpy(mr_live_unit(live, entry->unit), entry->bytes, MR_UNIT_BYTES);
        mr_live_differs(live, entry->unit);
    }
}

/* ---- Slots ---- */

static mr_live *pop_free(mr_lives *lives, uint8_t class, const mr_code *code)
{
    pthread_mutex_lock(&lives->lock);
    mr_live **best = &lives->free[class];
    mr_live **at = best;
    for (int i = 0; i < FREE_LOOKS && *at != NULL; i++, at = &(*at)->next_free) {
        if ((*at)->code == code) {
            best = at;
            break;
        }
    }
    mr_live *live = *best;
    if (live != NULL)
        *best = live->next_free;
    pthread_mutex_unlock(&lives->lock);
    return live;
}

static void push_free(mr_live *live)
{
    mr_lives *lives = live->lives;
    pthread_mutex_lock(&lives->lock);
    live->next_free = lives->free[live->class_log2];
    lives->free[live->class_log2] = live;
    pthread_mutex_unlock(&lives->lock);
}

/* Passing a slot on keeps its pages, giving them back costs system calls and faults. So the budget
 * is kept by passing on, and only what is far beyond it is given back. */
static uint64_t bytes_far(const mr_lives *lives)
{
    uint64_t far = lives->bytes_max + lives->bytes_max / 8 + TRIM_BYTES;
    return far < lives->bytes_max ? UINT64_MAX : far;
}

/* A slot in nobody's hands is made all the program's content, or given back when memory is short.
 */
static void put_away(mr_live *live)
{
    if (mr_lives_bytes(live->lives) > bytes_far(live->lives))
        purge(live);
    else
        each_differing(live, reset_unit);
    push_free(live);
}

static uint8_t *cut_slot(mr_lives *lives, uint8_t class)
{
    size_t slot = class_bytes(class) + SLOT_SHIFT_BYTES;
    region *at = lives->regions[class];
    if (at == NULL || at->size - at->used < slot) {
        at = mr_heap_zalloc(sizeof *at);
        if (at == NULL)
            return NULL;
        at->size = slot > REGION_BYTES ? slot : REGION_BYTES;
        at->bytes = mr_heap_map(at->size);
        if (at->bytes == NULL) {
            mr_heap_free(at);
            return NULL;
        }
        at->next = lives->regions[class];
        lives->regions[class] = at;
    }
    uint8_t *bytes = at->bytes + at->used;
    at->used += slot;
    return bytes;
}

static mr_live *new_live_locked(mr_lives *lives, uint8_t class)
{
    uint32_t i = atomic_load_explicit(&lives->count, memory_order_relaxed);
    if (i == (uint32_t)SLABS_MAX * SLAB_LIVES)
        return NULL;
    mr_live **slab = &lives->slabs[i / SLAB_LIVES];
    if (*slab == NULL)
        *slab = mr_heap_zalloc(SLAB_LIVES * sizeof **slab);
    if (*slab == NULL)
        return NULL;
    size_t units = class_bytes(class) >> MR_UNIT_SHIFT;
    size_t differs = (units + 63) / 64;
    size_t groups = (differs + 63) / 64;
    size_t written = written_words(class);
    uint64_t *bits = mr_heap_zalloc((differs + groups + written) * 8);
    if (bits == NULL)
        return NULL;
    uint8_t *bytes = cut_slot(lives, class);
    if (bytes == NULL) {
        mr_heap_free(bits);
        return NULL;
    }
    mr_live *live = &(*slab)[i % SLAB_LIVES];
    live->bytes = bytes;
    live->differs = bits;
    live->groups = bits + differs;
    live->written = bits + differs + groups;
    live->lives = lives;
    live->class_log2 = class;
    /* Pairs with the acquire of evictors, which then see the struct filled in. */
    atomic_store_explicit(&lives->count, i + 1, memory_order_release);
    return live;
}

/* Takes away an idle live memory, unless it is in use. */
static bool take_away(mr_live *live)
{
    uintptr_t owner = atomic_load_explicit(&live->owner, memory_order_relaxed);
    return owner != 0 && (owner & 1) == 0 &&
           atomic_compare_exchange_strong_explicit(&live->owner, &owner, 0, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* Has it run since it was last looked at? Forgets one of the times it has. */
static bool spare(mr_live *live)
{
    uint8_t used = atomic_load_explicit(&live->used, memory_order_relaxed);
    if (used == 0)
        return false;
    atomic_store_explicit(&live->used, (uint8_t)(used - 1), memory_order_relaxed);
    return true;
}

/* Takes away an idle live memory that did not run lately. Looking starts anywhere, not where the
 * last look ended: programs that run in the same order every round would otherwise always lose
 * their live memory just before their turn. */
static mr_live *evict(mr_lives *lives, mr_nursery *nursery)
{
    uint32_t count = atomic_load_explicit(&lives->count, memory_order_acquire);
    if (count == 0)
        return NULL;
    uint32_t at = (uint32_t)(next_random(&nursery->random) % count);
    for (uint32_t i = 0; i < EVICT_STEPS; i++, at = at + 1 == count ? 0 : at + 1) {
        mr_live *live = live_at(lives, at);
        if ((atomic_load_explicit(&live->owner, memory_order_relaxed) & 1) == 0 && !spare(live) &&
            take_away(live))
            return live;
    }
    return NULL;
}

void mr_lives_trim(mr_lives *lives, mr_nursery *nursery)
{
    if (mr_lives_bytes(lives) <= bytes_far(lives))
        return;
    mr_live *live = evict(lives, nursery);
    if (live == NULL)
        return;
    purge(live);
    push_free(live);
}

/* ---- Nursery ---- */

static bool is_small(const mr_live *live)
{
    return live->differs_count <= MR_NURSERY_UNITS_MAX;
}

static mr_live *pop_oldest(mr_nursery *nursery)
{
    mr_live *live = nursery->ring[nursery->oldest];
    nursery->oldest = (nursery->oldest + 1) % MR_NURSERY_LIVES;
    nursery->count--;
    return live;
}

static void push_newest(mr_nursery *nursery, mr_live *live)
{
    MR_ASSERT(nursery->count < MR_NURSERY_LIVES);
    nursery->ring[(nursery->oldest + nursery->count) % MR_NURSERY_LIVES] = live;
    nursery->count++;
}

/* Makes room in a full ring, and returns the live memory taken away for it, if any. Those that are
 * no longer small, in use, or in another worker's ring, leave the ring and stay live. */
static mr_live *pass_on(mr_nursery *nursery)
{
    for (int i = 0; nursery->count == MR_NURSERY_LIVES; i++) {
        mr_live *live = pop_oldest(nursery);
        if (atomic_load_explicit(&live->home, memory_order_relaxed) != nursery)
            continue;
        if (i < NURSERY_TRIES && spare(live)) {
            push_newest(nursery, live);
            continue;
        }
        atomic_store_explicit(&live->home, NULL, memory_order_relaxed);
        if (is_small(live) && take_away(live))
            return live;
    }
    return NULL;
}

static void adopt(mr_nursery *nursery, mr_live *live)
{
    if (atomic_load_explicit(&live->home, memory_order_relaxed) == nursery)
        return; /* still in the ring from another time */
    if (nursery->count == MR_NURSERY_LIVES)
        return;
    atomic_store_explicit(&live->home, nursery, memory_order_relaxed);
    push_newest(nursery, live);
}

void mr_nursery_fini(mr_nursery *nursery)
{
    while (nursery->count > 0) {
        mr_live *live = pop_oldest(nursery);
        if (atomic_load_explicit(&live->home, memory_order_relaxed) == nursery)
            atomic_store_explicit(&live->home, NULL, memory_order_relaxed);
    }
}

/* ---- Take ---- */

/* Is giving the slot to a program of `code` cheaper than finding another slot? */
static bool suits(const mr_live *live, uint8_t class, const mr_code *code)
{
    if (live->class_log2 != class)
        return false;
    if (live->code == code)
        return true;
    uint32_t bases = 0;
    uint32_t others = 0;
    (void)mr_code_base_units(code, &bases);
    if (live->code != NULL)
        (void)mr_code_base_units(live->code, &others);
    return bases + others <= MR_NURSERY_UNITS_MAX;
}

/* A slot of the class that nobody has, what differs in it reset. */
static mr_live *find_slot(mr_lives *lives, mr_nursery *nursery, uint8_t class, const mr_code *code)
{
    mr_live *live = pass_on(nursery);
    if (live != NULL) {
        if (suits(live, class, code)) {
            each_differing(live, reset_unit);
            return live;
        }
        put_away(live);
    }
    for (int i = 0; i < EVICT_TRIES && mr_lives_bytes(lives) >= lives->bytes_max; i++) {
        live = evict(lives, nursery);
        if (live == NULL)
            break;
        if (live->class_log2 == class) {
            each_differing(live, reset_unit);
            return live;
        }
        purge(live);
        push_free(live);
    }
    live = pop_free(lives, class, code);
    if (live != NULL)
        return live;
    pthread_mutex_lock(&lives->lock);
    live = new_live_locked(lives, class);
    pthread_mutex_unlock(&lives->lock);
    return live;
}

/* Gives a slot to an image; the content is the caller's. */
static void hand_over(mr_live *live, mr_nursery *nursery, mr_image *image)
{
    atomic_store_explicit(&live->used, 0, memory_order_relaxed);
    atomic_store_explicit(&live->owner, (uintptr_t)image | 1, memory_order_relaxed);
    image->live = live;
    nursery->last = live;
    if (is_small(live))
        adopt(nursery, live);
    if (mr_live_count(live))
        mr_lives_trim(live->lives, nursery);
}

mr_live *mr_live_take(mr_lives *lives, mr_nursery *nursery, mr_image *image)
{
    mr_live *live = find_slot(lives, nursery, class_of(image->pages), image->code);
    if (live == NULL)
        return NULL;
    set_code(live, image->code);
    load_image(live, image);
    hand_over(live, nursery, image);
    return live;
}

static void copy_differing(mr_live *to, const mr_live *from)
{
    uint32_t groups = (uint32_t)((class_bytes(from->class_log2) >> MR_UNIT_SHIFT) + 4095) >> 12;
    for (uint32_t g = 0; g < groups; g++) {
        for (uint64_t group = from->groups[g]; group != 0; group &= group - 1) {
            uint32_t w = g * 64 + (uint32_t)__builtin_ctzll(group);
            for (uint64_t word = from->differs[w]; word != 0; word &= word - 1) {
                uint32_t unit = w * 64 + (uint32_t)__builtin_ctzll(word);
                mr_live_differs(to, unit);
                memcpy(mr_live_unit(to, unit), mr_live_unit(from, unit), MR_UNIT_BYTES);
            }
        }
    }
}

/* A marked unit's store may have begun in the unit before. */
static void copy_marked(mr_live *to, const mr_live *from, const uint8_t *marks, uint32_t units)
{
    for (uint32_t unit = 0; unit < units; unit++) {
        if (marks[unit] == 0)
            continue;
        uint32_t first = unit == 0 ? 0 : unit - 1;
        for (uint32_t u = first; u <= unit; u++) {
            mr_live_differs(to, u);
            memcpy(mr_live_unit(to, u), mr_live_unit(from, u), MR_UNIT_BYTES);
        }
    }
}

mr_live *mr_live_move(mr_image *image, mr_live *live, mr_nursery *nursery, uint32_t pages,
                      const uint8_t *marks, uint32_t marks_pages)
{
    mr_live *to = find_slot(live->lives, nursery, class_of(pages), image->code);
    if (to == NULL)
        return NULL;
    set_code(to, image->code);
    copy_differing(to, live);
    copy_marked(to, live, marks, marks_pages * MR_PAGE_UNITS);
    /* What the run wrote to the old slot and has not settled is not known to differ yet. */
    for (uint32_t unit = 0; unit < marks_pages * MR_PAGE_UNITS; unit++) {
        if (marks[unit] == 0)
            continue;
        mr_live_differs(live, unit);
        if (unit > 0)
            mr_live_differs(live, unit - 1);
    }
    hand_over(to, nursery, image);
    atomic_store_explicit(&live->owner, 0, memory_order_relaxed);
    put_away(live);
    return to;
}

static void clear_unit(mr_live *live, uint8_t *marks, uint32_t unit)
{
    memset(mr_live_unit(live, unit), 0, MR_UNIT_BYTES);
    mr_live_wrote(live, unit);
    marks[unit] = 1;
}

void mr_live_clear(mr_live *live, uint8_t *marks, uint32_t first, uint32_t count)
{
    uint32_t end = first + count;
    for (uint32_t unit = first; unit < end; unit++) {
        /* The mark of the next unit may stand for a store that began in this one. */
        bool differs = (live->differs[unit >> 6] >> (unit & 63) & 1) != 0;
        if (differs || marks[unit] != 0 || (unit + 1 < MR_UNITS_MAX && marks[unit + 1] != 0))
            clear_unit(live, marks, unit);
    }
    uint32_t bases_count;
    const uint32_t *bases = mr_code_base_units(live->code, &bases_count);
    for (uint32_t i = 0; i < bases_count; i++)
        if (bases[i] >= first && bases[i] < end)
            clear_unit(live, marks, bases[i]);
}

void mr_live_drop(mr_image *image, mr_live *live)
{
    MR_ASSERT(image->live == live);
    image->live = NULL;
    atomic_store_explicit(&live->owner, 0, memory_order_relaxed);
    put_away(live);
}
