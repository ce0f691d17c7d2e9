/* SPDX-License-Identifier: Apache-2.0 */
/* store_rocksdb_options: how RocksDB is set up, and why. Private to storage/.
 *
 * What it is set up for: one writer, a change of 10 to 30 MB every second or so, in keys of random
 * bytes; reads of single keys by all workers, of which most are there and some are not; walks over
 * the few keys with one prefix. */
#ifndef MR_STORAGE_STORE_ROCKSDB_OPTIONS_H
#define MR_STORAGE_STORE_ROCKSDB_OPTIONS_H

#include <rocksdb/c.h>

/* Iterators over keys that begin alike in this many bytes need not be in total order. */
enum { MR_ROCKSDB_PREFIX_BYTES = 32 };

/* mr_rocksdb_options_new makes the options of a database and of each of its families. On failure it
 * returns NULL and *text is RocksDB's sentence, which the caller frees with rocksdb_free. */
rocksdb_options_t *mr_rocksdb_options_new(char **text);

#endif
