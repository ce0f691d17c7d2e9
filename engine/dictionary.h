/* SPDX-License-Identifier: Apache-2.0 */
/* dictionary: ids that recur in a stored chunk are written once and then named by number. */
#ifndef MR_ENGINE_DICTIONARY_H
#define MR_ENGINE_DICTIONARY_H

#include "engine/codec.h"

enum {
    MR_DICTIONARY_SLOTS = 1 << 14,
    MR_DICTIONARY_MAX =
        MR_DICTIONARY_SLOTS / 2,         /* ids remembered; later new ones are written out */
    MR_DICTIONARY_ID_BYTES_MAX = 1 + 32, /* of an id as written */
};

/* The writing side: ids written in this chunk, borrowed until the next clear. */
typedef struct mr_dictionary {
    const mr_id *ids[MR_DICTIONARY_MAX];
    uint16_t slots[MR_DICTIONARY_SLOTS]; /* number + 1; 0 is empty */
    uint32_t count;
} mr_dictionary;

/* mr_dictionary_clear forgets all ids: a new chunk begins. */
void mr_dictionary_clear(mr_dictionary *dictionary);

/* mr_dictionary_put writes `id`, which must stay where it is, and returns the end of what it wrote,
 * at most MR_DICTIONARY_ID_BYTES_MAX bytes further. */
uint8_t *mr_dictionary_put(mr_dictionary *dictionary, uint8_t *at, const mr_id *id);

/* The reading side; all zero at the beginning of a chunk. */
typedef struct mr_dictionary_reader {
    uint32_t count;
    mr_id ids[MR_DICTIONARY_MAX];
} mr_dictionary_reader;

/* mr_dictionary_read reads an id; the reader has failed when it names one that is not there. */
mr_id mr_dictionary_read(mr_dictionary_reader *dictionary, mr_reader *from);

#endif
