/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.c - cores and memory that the operating system grants, containers included.
 * Threads: any; reads a few small files. */
#define _GNU_SOURCE
#include "cpu.h"

#include <ctype.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CGROUP_FILE_MAX 4096
#define CGROUP_PATH_MAX 1024

/* Reads a small file as text; false when there is none. */
static bool read_text(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, out, size - 1);
    close(fd);
    if (n < 0)
        return false;
    out[n] = '\0';
    return true;
}

/* Parses a decimal number and steps over it and white space; false when there is none. */
static bool parse_number(const char **cursor, uint64_t *number)
{
    const char *p = *cursor;
    if (!isdigit((unsigned char)*p))
        return false;
    char *end;
    *number = strtoull(p, &end, 10);
    while (isspace((unsigned char)*end))
        end++;
    *cursor = end;
    return true;
}

static uint32_t quota_to_cores(uint64_t quota, uint64_t period)
{
    if (quota == 0 || period == 0)
        return 0;
    uint64_t cores = quota / period + (quota % period != 0);
    return cores > CPU_USABLE_MAX ? CPU_USABLE_MAX : (uint32_t)cores;
}

uint32_t cpu_parse_max(const char *text)
{
    const char *cursor = text;
    uint64_t quota;
    uint64_t period;
    if (!parse_number(&cursor, &quota) || !parse_number(&cursor, &period))
        return 0;
    return quota_to_cores(quota, period);
}

/* Path of our group in the hierarchy whose line in /proc/self/cgroup has `controller` in its list
 * (v2: an empty list). Lines read "id:controllers:/path". */
static bool cgroup_path(const char *controller, char *out, size_t size)
{
    char text[CGROUP_FILE_MAX];
    if (!read_text("/proc/self/cgroup", text, sizeof text))
        return false;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *list = strchr(line, ':');
        char *path = list ? strchr(list + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        list++;
        char *save2 = NULL;
        bool match = *controller == '\0' && *list == '\0';
        for (char *name = strtok_r(list, ",", &save2); name; name = strtok_r(NULL, ",", &save2))
            match = match || strcmp(name, controller) == 0;
        if (match) {
            int n = snprintf(out, size, "%s", path);
            return n >= 0 && (size_t)n < size;
        }
    }
    return false;
}

/* Smallest value that `parse` finds in the file `name` of the group and its ancestors below
 * `mount`; 0 when nobody sets one. In a container the path may not exist below the mount: the
 * mount's own file then is the group's. */
static uint64_t cgroup_min(const char *mount, const char *group, const char *name,
                           uint64_t (*parse)(const char *dir, const char *name))
{
    char path[CGROUP_PATH_MAX];
    snprintf(path, sizeof path, "%s", group);
    uint64_t best = 0;
    for (;;) {
        char dir[2 * CGROUP_PATH_MAX];
        snprintf(dir, sizeof dir, "%s%s", mount, path);
        uint64_t found = parse(dir, name);
        if (found != 0 && (best == 0 || found < best))
            best = found;
        char *slash = strrchr(path, '/');
        if (!slash)
            return best;
        *slash = '\0';
    }
}

static bool read_in(const char *dir, const char *name, char *out, size_t size)
{
    char path[3 * CGROUP_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return read_text(path, out, size);
}

static uint64_t parse_cpu_v2(const char *dir, const char *name)
{
    char text[128];
    return read_in(dir, name, text, sizeof text) ? cpu_parse_max(text) : 0;
}

static uint64_t parse_cpu_v1(const char *dir, const char *name)
{
    char quota_text[64];
    char period_text[64];
    uint64_t quota;
    uint64_t period;
    if (!read_in(dir, name, quota_text, sizeof quota_text) ||
        !read_in(dir, "cpu.cfs_period_us", period_text, sizeof period_text))
        return 0;
    const char *quota_cursor = quota_text; /* "-1" means no bound and is no number here */
    const char *period_cursor = period_text;
    if (!parse_number(&quota_cursor, &quota) || !parse_number(&period_cursor, &period))
        return 0;
    return quota_to_cores(quota, period);
}

static uint64_t parse_bytes(const char *dir, const char *name)
{
    char text[64];
    uint64_t bytes;
    if (!read_in(dir, name, text, sizeof text))
        return 0;
    const char *cursor = text;
    return parse_number(&cursor, &bytes) ? bytes : 0;
}

static uint64_t cgroup_limit(const char *controller, const char *v2_name, const char *v1_name,
                             uint64_t (*parse_v2)(const char *, const char *),
                             uint64_t (*parse_v1)(const char *, const char *))
{
    char group[CGROUP_PATH_MAX];
    uint64_t best = 0;
    if (cgroup_path("", group, sizeof group))
        best = cgroup_min("/sys/fs/cgroup", group, v2_name, parse_v2);
    if (cgroup_path(controller, group, sizeof group)) {
        char mount[64];
        snprintf(mount, sizeof mount, "/sys/fs/cgroup/%s", controller);
        uint64_t v1 = cgroup_min(mount, group, v1_name, parse_v1);
        if (v1 != 0 && (best == 0 || v1 < best))
            best = v1;
    }
    return best;
}

static uint32_t affinity_cores(void)
{
    /* A machine with more cores than a cpu_set_t holds makes the call fail; it has enough. */
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (uint32_t)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1u : (uint32_t)online;
}

uint32_t cpu_usable(void)
{
    uint64_t cores = affinity_cores();
    uint64_t quota = cgroup_limit("cpu", "cpu.max", "cpu.cfs_quota_us", parse_cpu_v2, parse_cpu_v1);
    if (quota != 0 && quota < cores)
        cores = quota;
    if (cores > CPU_USABLE_MAX)
        cores = CPU_USABLE_MAX;
    return cores < 1 ? 1u : (uint32_t)cores;
}

uint64_t cpu_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    uint64_t bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : (uint64_t)1 << 30;
    uint64_t limit =
        cgroup_limit("memory", "memory.max", "memory.limit_in_bytes", parse_bytes, parse_bytes);
    return limit != 0 && limit < bytes ? limit : bytes;
}
