/* SPDX-License-Identifier: Apache-2.0 */
/* store: keeps every record it is given, and grows its memory for them.
 *
 *   handle  u8 kind, then
 *     0 append  the record: 0 .. 1048576 bytes     replies its index, u32, from 0
 *     1 read    u32 index                          replies the record
 *     2 count                                      replies the number of records, u32
 *
 * Records lie one behind the other in the heap, read there straight from the message. The index of
 * records is a list of blocks of 1024, because a single array would have to be moved to grow.
 *
 * Panics: "store: malformed message", "store: no such record", "store: full" after 4194304
 * records; and for want of memory. */
#include "gear.h"

enum { APPEND, READ, COUNT };
enum { RECORD_BYTES_MAX = 1 << 20, BLOCK_RECORDS = 1024, BLOCKS_MAX = 4096 };

typedef struct record {
    uint8_t *bytes;
    uint32_t size;
} record;

static record **blocks; /* BLOCKS_MAX of them, in the heap from the first record on */
static uint32_t records_count;

static record *find(uint32_t index)
{
    return &blocks[index / BLOCK_RECORDS][index % BLOCK_RECORDS];
}

static uint32_t append(uint32_t size)
{
    gear_require(size <= RECORD_BYTES_MAX, "store: malformed message");
    gear_require(records_count < BLOCKS_MAX * BLOCK_RECORDS, "store: full");
    if (blocks == NULL)
        blocks = gear_allocate(BLOCKS_MAX * (uint32_t)sizeof *blocks);
    if (records_count % BLOCK_RECORDS == 0)
        blocks[records_count / BLOCK_RECORDS] =
            gear_allocate(BLOCK_RECORDS * (uint32_t)sizeof(record));

    record *added = find(records_count);
    added->bytes = gear_allocate(size);
    added->size = size;
    if (size > 0)
        gear_read(1, added->bytes, size);
    return records_count++;
}

GEAR_HANDLE
{
    uint32_t size = gear_size();
    gear_require(size >= 1, "store: malformed message");
    uint8_t kind;
    gear_read(0, &kind, sizeof kind);

    if (kind == APPEND) {
        uint32_t index = append(size - 1);
        gear_reply(&index, sizeof index);
    } else if (kind == READ && size == 1 + sizeof(uint32_t)) {
        uint32_t index;
        gear_read(1, &index, sizeof index);
        gear_require(index < records_count, "store: no such record");
        const record *found = find(index);
        gear_reply(found->bytes, found->size);
    } else if (kind == COUNT && size == 1) {
        gear_reply(&records_count, sizeof records_count);
    } else {
        gear_panic("store: malformed message");
    }
}
