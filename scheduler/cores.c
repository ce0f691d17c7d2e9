/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/cores.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <hwloc.h>

struct mr_cores {
    hwloc_topology_t topology; /* NULL: not shown to us */
    hwloc_cpuset_t *places;    /* hardware threads, in the order they are given out */
    uint32_t cores_count;
    uint32_t threads_count;
    uint32_t quota; /* cores' worth of time; 0 is unlimited */
};

/* Gives out the nth allowed hardware thread of every core; returns how many cores have one. */
static uint32_t place_nth_of_every_core(mr_cores *cores, hwloc_const_cpuset_t allowed, int nth)
{
    uint32_t found = 0;
    int count = hwloc_get_nbobjs_by_type(cores->topology, HWLOC_OBJ_CORE);
    for (int i = 0; i < count; i++) {
        hwloc_obj_t core = hwloc_get_obj_by_type(cores->topology, HWLOC_OBJ_CORE, (unsigned)i);
        int left = nth;
        for (int thread = hwloc_bitmap_first(core->cpuset); thread >= 0;
             thread = hwloc_bitmap_next(core->cpuset, thread)) {
            if (!hwloc_bitmap_isset(allowed, (unsigned)thread) || left-- != 0)
                continue;
            hwloc_cpuset_t place = hwloc_bitmap_alloc();
            if (place == NULL)
                return found;
            (void)hwloc_bitmap_only(place, (unsigned)thread);
            cores->places[cores->threads_count++] = place;
            found++;
            break;
        }
    }
    return found;
}

static void read_topology(mr_cores *cores)
{
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) != 0)
        return;
    cores->topology = topology;
    /* Cores and hardware threads are all that is asked for; the rest is slow to find. */
    (void)hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    (void)hwloc_topology_set_type_filter(topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_cpuset_t allowed = hwloc_bitmap_alloc();
    if (allowed == NULL || hwloc_topology_load(topology) != 0 ||
        hwloc_get_cpubind(topology, allowed, HWLOC_CPUBIND_PROCESS) != 0) {
        hwloc_bitmap_free(allowed);
        return;
    }
    int threads = hwloc_bitmap_weight(allowed);
    cores->places = threads > 0 ? calloc((size_t)threads, sizeof *cores->places) : NULL;
    if (cores->places != NULL) {
        for (int nth = 0; cores->threads_count < (uint32_t)threads; nth++) {
            uint32_t found = place_nth_of_every_core(cores, allowed, nth);
            if (nth == 0)
                cores->cores_count = found;
            if (found == 0)
                break;
        }
    }
    hwloc_bitmap_free(allowed);
}

uint32_t mr_cores_quota(const char *cpu_max)
{
    unsigned long long quota_us, period_us;
    if (sscanf(cpu_max, "%llu %llu", &quota_us, &period_us) != 2 || period_us == 0)
        return 0;
    unsigned long long cores = quota_us / period_us + (quota_us % period_us != 0);
    return cores < UINT32_MAX ? (uint32_t)cores : 0;
}

/* A container shows its own control group at the root. */
static uint32_t read_quota(void)
{
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (file == NULL)
        return 0;
    char text[64] = "";
    uint32_t quota = fgets(text, sizeof text, file) != NULL ? mr_cores_quota(text) : 0;
    (void)fclose(file);
    return quota;
}

mr_status mr_cores_new(mr_cores **out)
{
    mr_cores *cores = calloc(1, sizeof *cores);
    if (cores == NULL)
        return MR_NO_MEMORY;
    read_topology(cores);
    cores->quota = read_quota();
    *out = cores;
    return MR_OK;
}

void mr_cores_free(mr_cores *cores)
{
    if (cores == NULL)
        return;
    for (uint32_t i = 0; i < cores->threads_count; i++)
        hwloc_bitmap_free(cores->places[i]);
    free(cores->places);
    if (cores->topology != NULL)
        hwloc_topology_destroy(cores->topology);
    free(cores);
}

static uint32_t processors_online(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (uint32_t)count : 1;
}

static uint32_t at_most_quota(const mr_cores *cores, uint32_t count)
{
    return cores->quota != 0 && cores->quota < count ? cores->quota : count;
}

uint32_t mr_cores_count(const mr_cores *cores)
{
    return at_most_quota(cores, cores->cores_count > 0 ? cores->cores_count : processors_online());
}

uint32_t mr_cores_threads(const mr_cores *cores)
{
    return at_most_quota(cores,
                         cores->threads_count > 0 ? cores->threads_count : processors_online());
}

int mr_cores_bind(const mr_cores *cores, uint32_t index)
{
    if (index >= cores->threads_count)
        return ENOSYS;
    errno = 0;
    if (hwloc_set_cpubind(cores->topology, cores->places[index], HWLOC_CPUBIND_THREAD) == 0)
        return 0;
    return errno != 0 ? errno : EINVAL;
}
