/* SPDX-License-Identifier: Apache-2.0 */
/* unit: the grain of copy-on-write, of storage and of the memory commitment. A store into a
 * program's memory marks the unit of its last byte; see vm/mark.h for stores that straddle two.
 *
 * 256 bytes, not a 4 KiB page: what a small handler changes is a few words, and settling costs the
 * bytes of the units it touched (docs/PERFORMANCE.md has both sizes measured). */
#ifndef MR_VM_UNIT_H
#define MR_VM_UNIT_H

/* A build may choose another size to measure it: -DMR_UNIT_SHIFT=12. */
#ifndef MR_UNIT_SHIFT
#define MR_UNIT_SHIFT 8
#endif

enum {
    MR_PAGE_BYTES = 65536, /* a WebAssembly page: the grain of allocation */
    MR_UNIT_BYTES = 1 << MR_UNIT_SHIFT,
    MR_PAGE_UNITS = MR_PAGE_BYTES / MR_UNIT_BYTES,
    MR_PAGES_MAX = 32768, /* 2 GiB, the Gear limit on static pages and heap together */
};

#endif
