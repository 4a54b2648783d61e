/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.h - how many cores this process may use.
 * Threads: any; reads /proc and /sys, so call it at start-up only. */
#ifndef MAGGIE_CPU_H
#define MAGGIE_CPU_H

#include <stdint.h>

#define CPU_USABLE_MAX 1024u

/* The smaller of the affinity mask and the cgroup (v2 or v1) CPU quota rounded up; at least 1. */
uint32_t cpu_usable(void);

/* Memory the operating system grants: the smaller of physical memory and the cgroup limit,
 * bytes. */
uint64_t cpu_memory_bytes(void);

/* Parses the text of a cgroup v2 cpu.max ("max 100000", "150000 100000"): cores rounded up, or 0
 * for no bound or text that is not understood. Exposed for its test. */
uint32_t cpu_parse_max(const char *text);

#endif
