/* SPDX-License-Identifier: Apache-2.0 */
/* env_sim.h - the simulated world: virtual time, seeded numbers, allocations that fail on cue.
 * Threads: one. Everything that uses the Env of an EnvSim lives in the thread that drives it. */
#ifndef MAGGIE_ENV_SIM_H
#define MAGGIE_ENV_SIM_H

#include "env.h"
#include "rng.h"

typedef struct EnvSim {
    Env env;         /* hand &sim.env around */
    Env below;       /* the world that really supplies memory and takes the log */
    uint64_t now_ns; /* virtual monotonic time; only env_sim_advance_to moves it */
    uint64_t wall_offset_ns;
    Rng rng;        /* source of random_fill; separate from the scheduler's choices */
    bool log_quiet; /* drop log texts (they are counted all the same) */
    uint64_t log_count;

    uint64_t alloc_count;       /* allocations asked for so far (alloc, growing realloc, map) */
    uint64_t alloc_fail_after;  /* the allocation with this number and later ones fail; 0 = never */
    uint32_t alloc_fail_one_in; /* each allocation fails with chance 1/n; 0 = never */
    uint64_t alloc_failed;      /* failures given so far */
    size_t bytes_live;          /* bytes now held through this Env */
    size_t bytes_max;           /* allocations beyond this total fail; 0 = no bound */
} EnvSim;

/* Starts at virtual time 1 s with all faults off. Nothing needs to be undone. */
void env_sim_init(EnvSim *sim, uint64_t seed);

/* Moves virtual time forward to `now_ns`; an earlier time is ignored (monotonic). */
void env_sim_advance_to(EnvSim *sim, uint64_t now_ns);

#endif
