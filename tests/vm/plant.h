/* SPDX-License-Identifier: Apache-2.0 */
/* plant: faults in what the rewriting writes, to see who finds them.
 *
 * A test linked with -Wl,--wrap=mr_rewrite that includes this has a few bytes of each rewritten
 * module changed, as if one step of the rewriting had made a mistake. The module stays valid. Only
 * for modules of random_module.h, whose table, globals and imports are known. */
#ifndef MR_TESTS_VM_PLANT_H
#define MR_TESTS_VM_PLANT_H

#include <stdbool.h>
#include <stdint.h>

typedef enum plant_kind {
    PLANT_MARK_SHIFT,
    PLANT_MARK_MISSING,
    PLANT_MARK_MEMORY,
    PLANT_CHARGE_MORE,
    PLANT_CHARGE_LESS,
    PLANT_CHARGE_NONE,
    PLANT_CHARGE_MOVED,
    PLANT_CHECK_EARLY,
    PLANT_HEIGHT_LEFT,
    PLANT_ELEMENT,
    PLANT_KINDS,
} plant_kind;

typedef enum plant_what {
    PLANT_NOTHING,
    PLANT_TRAP, /* where the fault would be: who does not notice that does not get there */
    PLANT_FAULT,
} plant_what;

/* In modules rewritten from now on, at one place drawn from `seed`, or at all of that kind. */
void plant_next(plant_what what, plant_kind kind, bool everywhere, uint64_t seed);

/* plant_places returns in how many places of the last module something was planted. */
uint32_t plant_places(void);

/* plant_name returns what the rewriting seems to do, in words. */
const char *plant_name(plant_kind kind);

#endif
