/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dictionary.h"

#include "engine/id.h"

/* Users choose their ids. Whoever makes them collide gets them written out, no more. */
enum { PROBES_MAX = 16 };

static_assert(MR_DICTIONARY_MAX <= UINT16_MAX, "a slot holds a number + 1");

/* Not secret, so that every machine writes the same bytes. */
static uint32_t place_of(const mr_id *id)
{
    const uint64_t bits = mr_load_le64(id->bytes) ^ mr_load_le64(id->bytes + 16);
    return (uint32_t)(bits * 0x9e3779b97f4a7c15u >> 32);
}

void mr_dictionary_clear(mr_dictionary *dictionary)
{
    memset(dictionary->slots, 0, sizeof dictionary->slots);
    dictionary->count = 0;
}

uint8_t *mr_dictionary_put(mr_dictionary *dictionary, uint8_t *at, const mr_id *id)
{
    uint16_t unused = 0, *slot = &unused;
    uint32_t place = place_of(id);
    for (int probe = 0; probe < PROBES_MAX; probe++, place++) {
        uint16_t *at_place = &dictionary->slots[place & (MR_DICTIONARY_SLOTS - 1)];
        if (*at_place == 0) {
            slot = at_place;
            break;
        }
        const mr_id *known = dictionary->ids[*at_place - 1];
        if (known == id || mr_id_equal(known, id))
            return mr_put_leb(at, *at_place);
    }
    /* The reader numbers all it reads in full, whether found again here or not. */
    if (dictionary->count < MR_DICTIONARY_MAX) {
        dictionary->ids[dictionary->count++] = id;
        *slot = (uint16_t)dictionary->count;
    }
    *at = 0;
    memcpy(at + 1, id->bytes, sizeof id->bytes);
    return at + MR_DICTIONARY_ID_BYTES_MAX;
}

mr_id mr_dictionary_read(mr_dictionary_reader *dictionary, mr_reader *from)
{
    const uint64_t number = mr_read_leb(from);
    if (number > dictionary->count) {
        from->failed = true;
        return (mr_id){0};
    }
    if (number > 0)
        return dictionary->ids[number - 1];
    const mr_id id = mr_read_id(from);
    if (dictionary->count < MR_DICTIONARY_MAX)
        dictionary->ids[dictionary->count++] = id;
    return id;
}
