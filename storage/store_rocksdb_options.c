/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/store_rocksdb_options.h"

#include <stddef.h>

enum { MIB = 1 << 20 };

/* RocksDB's own log is written at opening only. On a full disk it would be told of the failed write
 * first, fail itself, and at its next line run into an assertion that ends the process. */
enum { LOG_LEVEL_HEADER = 5 };

/* What the functions of C do not offer. */
static const char *const OPTIONS_BY_NAME =
    /* The manifest knows the synced sizes of older logs, so that opening finds one that is missing
     * or cut short, instead of taking its end for that of the last change. */
    "track_and_verify_wals_in_manifest=true;"
    /* After a failed write RocksDB would try to go on by itself, in threads of its own. The store
     * has refused further changes by then, and is to be as the failure left it. */
    "max_bgerror_resume_count=0;"
    /* A change comes in the order of its keys, so where one key went is near where the next one
     * goes. RocksDB looks there first, for each first byte of a key. */
    "memtable_insert_with_hint_prefix_extractor=rocksdb.CappedPrefix.1;";

/* Memory and log. */
static void set_memory(rocksdb_options_t *options)
{
    /* A memory table takes some changes before it is written out, in which a key that changes with
     * every block is written once. Larger ones cost more cache misses a key. */
    rocksdb_options_set_write_buffer_size(options, 64 * (size_t)MIB);
    /* While one is being written out, three more may fill: a burst does not wait for the disk. */
    rocksdb_options_set_max_write_buffer_number(options, 4);
    /* All tables together; the bound on RocksDB's memory beside the block cache. */
    rocksdb_options_set_db_write_buffer_size(options, 512 * (size_t)MIB);
    /* Tables with few changes would keep old logs alive: without this bound opening read gigabytes
     * of log (5.9 s after 5 million records). */
    rocksdb_options_set_max_total_wal_size(options, 256 * (uint64_t)MIB);
    /* A filter on each memory table: a get of a key that is not in it, most often, costs one cache
     * miss instead of a walk down its skip list. */
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, 0.02);
    rocksdb_options_set_memtable_whole_key_filtering(options, 1);
}

/* Files in the background. */
static void set_files(rocksdb_options_t *options)
{
    /* Two write out memory tables and merge files while the workers compute; more would take cores
     * from them, fewer would fall behind a writer of 30 MB/s. */
    rocksdb_options_set_max_background_jobs(options, 3);
    /* Merging begins at 8 files of level 0, not at 4 as by default: as it writes level 1 anew, it
     * is to be done half as often. A writer is slowed down and stopped only far later than by
     * default (20, 36), so that bulk changes do not stall. Filters keep gets cheap meanwhile. */
    rocksdb_options_set_level0_file_num_compaction_trigger(options, 8);
    rocksdb_options_set_level0_slowdown_writes_trigger(options, 40);
    rocksdb_options_set_level0_stop_writes_trigger(options, 60);
    /* Level 1 as large as what is merged into it at once. */
    rocksdb_options_set_max_bytes_for_level_base(options, 512 * (uint64_t)MIB);
    /* What is written in the background goes to the disk steadily, or a change's sync would wait
     * for hundreds of megabytes that are none of its business. */
    rocksdb_options_set_bytes_per_sync(options, MIB);
    /* Levels 0 and 1 are soon written again, and their keys and digests do not shrink: no
     * compression. The rest, most of the bytes, is packed by the cheapest there is. */
    const int levels[] = {rocksdb_no_compression,  rocksdb_no_compression,  rocksdb_lz4_compression,
                          rocksdb_lz4_compression, rocksdb_lz4_compression, rocksdb_lz4_compression,
                          rocksdb_lz4_compression};
    rocksdb_options_set_compression_per_level(options, levels, sizeof levels / sizeof levels[0]);
}

/* Reading. */
static void set_tables(rocksdb_options_t *options)
{
    rocksdb_block_based_table_options_t *tables = rocksdb_block_based_options_create();
    /* Blocks that were read; memory for what programs' own caches do not hold. */
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(256 * (size_t)MIB);
    rocksdb_block_based_options_set_block_cache(tables, cache);
    /* Filters know the beginnings of keys, too: a walk over keys that begin with one digest leaves
     * out the files and memory tables that have none. */
    rocksdb_options_set_prefix_extractor(
        options, rocksdb_slicetransform_create_fixed_prefix(MR_ROCKSDB_PREFIX_BYTES));
    /* 10 bits a key: 1 in 100 files that do not have a key are looked into all the same. */
    rocksdb_block_based_options_set_filter_policy(tables,
                                                  rocksdb_filterpolicy_create_bloom_full(10));
    /* A get of a random key unpacks and searches one block, so blocks are small; a walk over one
     * program's units reads few. */
    rocksdb_block_based_options_set_block_size(tables, 4096);
    /* Within a block a get finds its key by hash. */
    rocksdb_block_based_options_set_data_block_index_type(
        tables, rocksdb_block_based_table_data_block_index_type_binary_search_and_hash);
    rocksdb_options_set_block_based_table_factory(options, tables);
    rocksdb_block_based_options_destroy(tables);
    rocksdb_cache_destroy(cache);
}

/* Opening and failing. */
static void set_recovery(rocksdb_options_t *options)
{
    /* See docs/FORMATS.md: after a power failure the end of the log may be anything, so it is read
     * up to the first change that is not whole. */
    rocksdb_options_set_wal_recovery_mode(options, rocksdb_point_in_time_recovery);
    rocksdb_options_set_info_log_level(options, LOG_LEVEL_HEADER);
    /* No statistics: nobody reads them, and they go to the log. */
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    /* Opening does not look into every file for statistics that choose what to merge. */
    rocksdb_options_set_skip_stats_update_on_db_open(options, 1);
}

rocksdb_options_t *mr_rocksdb_options_new(char **text)
{
    rocksdb_options_t *base = rocksdb_options_create();
    rocksdb_options_t *options = rocksdb_options_create();
    set_memory(base);
    set_files(base);
    set_tables(base);
    set_recovery(base);
    rocksdb_get_options_from_string(base, OPTIONS_BY_NAME, options, text);
    rocksdb_options_destroy(base);
    if (*text == NULL)
        return options;
    rocksdb_options_destroy(options);
    return NULL;
}
