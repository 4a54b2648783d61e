/* SPDX-License-Identifier: Apache-2.0 */
/* env_sim.c - virtual time, seeded numbers and allocations that fail on cue.
 * Threads: one (see env_sim.h). */
#include "env_sim.h"

#include <string.h>

static uint64_t sim_monotonic_ns(void *ctx) { return ((EnvSim *)ctx)->now_ns; }

static uint64_t sim_wall_ns(void *ctx)
{
    EnvSim *sim = ctx;
    return sim->now_ns + sim->wall_offset_ns;
}

static Status sim_random_fill(void *ctx, void *out, size_t n)
{
    EnvSim *sim = ctx;
    char *p = out;
    while (n > 0) {
        uint64_t word = rng_next(&sim->rng);
        size_t part = n < sizeof word ? n : sizeof word;
        memcpy(p, &word, part);
        p += part;
        n -= part;
    }
    return STATUS_OK;
}

/* Counts one allocation that adds `n` bytes and says whether it may happen. */
static bool sim_may_alloc(EnvSim *sim, size_t n)
{
    sim->alloc_count++;
    bool fail = (sim->alloc_fail_after != 0 && sim->alloc_count >= sim->alloc_fail_after) ||
                (sim->bytes_max != 0 && n > sim->bytes_max - sim->bytes_live);
    if (sim->alloc_fail_one_in != 0)
        fail = rng_below(&sim->rng, sim->alloc_fail_one_in) == 0 || fail;
    sim->alloc_failed += fail;
    return !fail;
}

static void *sim_alloc(void *ctx, size_t n)
{
    EnvSim *sim = ctx;
    if (!sim_may_alloc(sim, n))
        return NULL;
    void *block = env_alloc(&sim->below, n);
    if (block)
        sim->bytes_live += n;
    return block;
}

static void *sim_alloc_aligned(void *ctx, size_t n, size_t align)
{
    EnvSim *sim = ctx;
    if (!sim_may_alloc(sim, n))
        return NULL;
    void *block = sim->below.alloc_aligned(sim->below.ctx, n, align);
    if (block)
        sim->bytes_live += n;
    return block;
}

static void *sim_realloc(void *ctx, void *block, size_t old_n, size_t n)
{
    EnvSim *sim = ctx;
    if (n > old_n && !sim_may_alloc(sim, n - old_n))
        return NULL;
    void *moved = env_realloc(&sim->below, block, old_n, n);
    if (moved)
        sim->bytes_live += n - old_n;
    return moved;
}

static void sim_free(void *ctx, void *block, size_t n)
{
    EnvSim *sim = ctx;
    sim->bytes_live -= n;
    env_free(&sim->below, block, n);
}

static void *sim_map(void *ctx, size_t n, size_t align, bool huge)
{
    EnvSim *sim = ctx;
    if (!sim_may_alloc(sim, n))
        return NULL;
    void *block = sim->below.map(sim->below.ctx, n, align, huge);
    if (block)
        sim->bytes_live += n;
    return block;
}

static void sim_unmap(void *ctx, void *block, size_t n)
{
    EnvSim *sim = ctx;
    sim->bytes_live -= n;
    sim->below.unmap(sim->below.ctx, block, n);
}

static void sim_log(void *ctx, LogLevel level, const char *text, size_t len)
{
    EnvSim *sim = ctx;
    sim->log_count++;
    if (!sim->log_quiet)
        sim->below.log(sim->below.ctx, level, text, len);
}

void env_sim_init(EnvSim *sim, uint64_t seed)
{
    memset(sim, 0, sizeof *sim);
    env_system_init(&sim->below);
    rng_init(&sim->rng, seed);
    sim->now_ns = 1000000000u;
    sim->wall_offset_ns = 1700000000u * (uint64_t)1000000000u;
    sim->env = (Env){
        .ctx = sim,
        .log_level = LOG_LEVEL_WARNING,
        .monotonic_ns = sim_monotonic_ns,
        .wall_ns = sim_wall_ns,
        .random_fill = sim_random_fill,
        .alloc = sim_alloc,
        .alloc_aligned = sim_alloc_aligned,
        .realloc = sim_realloc,
        .free = sim_free,
        .map = sim_map,
        .unmap = sim_unmap,
        .log = sim_log,
    };
}

void env_sim_advance_to(EnvSim *sim, uint64_t now_ns)
{
    if (now_ns > sim->now_ns)
        sim->now_ns = now_ns;
}
