/* SPDX-License-Identifier: Apache-2.0 */
/* schedkit.h - a group under either driver, for the tests of src/sched.
 * Threads: as scheduler.h; the Kit belongs to the test's thread. */
#ifndef MAGGIE_SCHEDKIT_H
#define MAGGIE_SCHEDKIT_H

#include "testkit.h"

#include "dirty.h"
#include "rng.h"
#include "scheduler.h"
#include "timer.h"

#define KIT_STEPS 50000000u

typedef struct Kit {
    Env env;
    EnvSim sim;
    SchedConfig config;
    SchedGroup *group;
    SchedSimEnd end; /* simulator: how the run ended */
} Kit;

/* A configuration to be changed before kit_open. `count` schedulers; with a seed: simulated. */
static inline void kit_prepare(Kit *kit, uint32_t count, bool simulated, uint64_t seed)
{
    memset(kit, 0, sizeof *kit);
    env_system_init(&kit->env);
    kit->config.env = &kit->env;
    kit->config.count = count;
    if (simulated) {
        env_sim_init(&kit->sim, seed);
        kit->config.env = &kit->sim.env;
        kit->config.sim = &kit->sim;
        kit->config.sim_seed = seed;
    }
}

static inline void kit_open(Kit *kit) { assert_ok(sched_group_create(&kit->config, &kit->group)); }

/* Runs until the group is stopped (threads), or until nothing moves any more (simulator). */
static inline void kit_run(Kit *kit)
{
    if (!kit->config.sim) {
        assert_ok(sched_start(kit->group));
        sched_join(kit->group);
        return;
    }
    Status status;
    kit->end = sched_sim_run(kit->group, KIT_STEPS, &status);
    assert_ok(status);
}

static inline void kit_close(Kit *kit)
{
    sched_group_destroy(kit->group);
    if (kit->config.sim)
        assert_int_equal(kit->sim.bytes_live, 0);
}

static inline SchedStats kit_total(const Kit *kit)
{
    SchedStats total = {0};
    for (uint32_t i = 0; i < sched_count(kit->group); i++) {
        SchedStats one;
        sched_stats(kit->group, i, &one);
        const uint64_t *from = (const uint64_t *)(const void *)&one;
        uint64_t *to = (uint64_t *)(void *)&total;
        for (size_t k = 0; k < sizeof one / sizeof *from; k++)
            to[k] += from[k];
    }
    return total;
}

/* For the quiescent hook. */
static inline void kit_stop_when_quiet(void *ctx, Sched *sched)
{
    (void)ctx;
    sched_stop(sched->group);
}

#endif
