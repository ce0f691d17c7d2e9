/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "tools/millrace/bench.h"
#include "tools/millrace/report.h"

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static double part(uint64_t of, uint64_t whole)
{
    return whole == 0 ? 0 : (double)of / (double)whole;
}

double mr_bench_rate(const mr_bench_result *result)
{
    return result->seconds_ns == 0 ? 0 : (double)result->messages / seconds(result->seconds_ns);
}

double mr_bench_ns(const mr_bench_result *result)
{
    return part(result->seconds_ns * result->streams, result->messages);
}

static void print_size(const char *label, uint64_t bytes, const char *what)
{
    (void)printf("%-9s %.1f MiB %s\n", label, (double)bytes / (1024 * 1024), what);
}

void mr_bench_print(const mr_bench_result *result)
{
    const mr_statistics *s = &result->statistics;
    (void)printf("workload  %s: %s\n", result->options->workload->name,
                 result->options->workload->text);
    (void)printf("streams   %u; %s\n", result->streams, result->description);
    (void)printf("messages  %s handled by %s program%s in %s block%s",
                 mr_count_print(result->messages).text, mr_count_print(result->programs).text,
                 mr_plural(result->programs), mr_count_print(result->blocks).text,
                 mr_plural(result->blocks));
    if (result->replies > 0)
        (void)printf(", and %s repl%s between programs", mr_count_print(result->replies).text,
                     result->replies == 1 ? "y" : "ies");
    (void)printf("%s\n", result->stopped ? "; stopped before the end" : "");
    (void)printf("time      %.3f s: %s messages/s, %.0f ns per message and stream\n",
                 seconds(result->seconds_ns), mr_count_print((uint64_t)mr_bench_rate(result)).text,
                 mr_bench_ns(result));
    (void)printf("phases    admit %.3f s, partition %.3f s, run %.3f s, merge %.3f s, "
                 "commit %.3f s (root %.3f s, waiting for the store %.3f s)\n",
                 seconds(s->admit_ns), seconds(s->partition_ns), seconds(s->run_ns),
                 seconds(s->merge_ns), seconds(s->commit_ns), seconds(s->seal_ns),
                 seconds(s->wait_ns));
    (void)printf("rounds    %s, %.2f%% of their time on one worker alone\n",
                 mr_count_print(s->rounds).text, 100 * part(s->serial_ns, s->rounds_ns));
    if (s->call_ns > 0)
        (void)printf("calls     %.3f s inside programs, all streams together\n",
                     seconds(s->call_ns));
    (void)printf("gas       %s burned\n", mr_count_print(result->gas_burned).text);
    print_size("memory", result->rss_bytes, "resident");
    print_size("written", s->bytes_written,
               result->options->db != NULL ? "to the database" : "to a store in memory");
    (void)printf("root      %s\n", mr_id_print(&result->root).text);
}

json_t *mr_bench_json(const mr_bench_result *result)
{
    const mr_statistics *s = &result->statistics;
    /* clang-format off */
    return json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:f, s:f, s:o, s:s, s:o, s:o, s:b,"
        " s:{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}}",
        "workload", result->options->workload->name,
        "tier", mr_tier_name(result->options->engine.tier),
        "streams", mr_json_u64(result->streams),
        "programs", mr_json_u64(result->programs),
        "messages", mr_json_u64(result->messages),
        "replies", mr_json_u64(result->replies),
        "blocks", mr_json_u64(result->blocks),
        "block", mr_json_u64(result->options->block),
        "hottest_share", result->hottest,
        "seconds", seconds(result->seconds_ns),
        "messages_per_second", mr_bench_rate(result),
        "ns_per_message_per_stream", mr_bench_ns(result),
        "gas_burned", mr_json_u64(result->gas_burned),
        "root", mr_id_print(&result->root).text,
        "bytes_written", mr_json_u64(s->bytes_written),
        "rss_bytes", mr_json_u64(result->rss_bytes),
        "stopped", result->stopped,
        "phases",
        "admit", seconds(s->admit_ns),
        "partition", seconds(s->partition_ns),
        "run", seconds(s->run_ns),
        "merge", seconds(s->merge_ns),
        "commit", seconds(s->commit_ns),
        "root", seconds(s->seal_ns),
        "wait", seconds(s->wait_ns),
        "calls", seconds(s->call_ns),
        "rounds", seconds(s->rounds_ns),
        "serial", seconds(s->serial_ns),
        "serial_fraction", part(s->serial_ns, s->rounds_ns));
    /* clang-format on */
}
