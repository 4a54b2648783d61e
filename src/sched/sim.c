/* SPDX-License-Identifier: Apache-2.0 */
/* sim.c - the simulator's driver: N schedulers in one thread, from a seed, under virtual time.
 *
 * It plays the same functions as the threads do, one small step of one scheduler at a time: run a
 * task, look for work, register as a sleeper, look again, fall asleep. The seed picks who steps
 * next, how long slices are, when a dirty job runs, so the places between those steps are where
 * schedulers overtake each other. A task counts as a microsecond plus ten nanoseconds per
 * reduction, shared by all schedulers; when all sleep, time jumps to the next timer.
 * Everything that happens is folded into a hash: equal seeds and inputs, equal hashes.
 *
 * Threads: one. */
#include <assert.h>
#include <string.h>

#include "hash.h"
#include "sched_int.h"

#define SIM_TASK_NS 1000u
#define SIM_REDUCTION_NS 10u
#define SIM_DIRTY_ONE_IN 16u

Status sim_create(SchedGroup *group, const SchedConfig *config)
{
    Sim *sim = env_calloc(group->env, sizeof *sim);
    if (!sim)
        return STATUS_NO_MEMORY;
    sim->env = config->sim;
    sim->fixed_slices = config->sim_fixed_slices;
    sim->hash = hash_fold64(0, config->count);
    rng_init(&sim->rng, config->sim_seed);
    group->sim = sim;
    return STATUS_OK;
}

void sim_destroy(SchedGroup *group)
{
    for (uint32_t i = 0; i < group->count && group->scheds; i++) {
        SchedImpl *s = group_sched(group, i);
        if (s->in_slice && group->hooks.slice_end)
            group->hooks.slice_end(group->hook_ctx, &s->pub);
    }
    /* A thread that stops may wait until all have left their slices. */
    for (uint32_t i = 0; i < group->count && group->scheds; i++) {
        SchedImpl *s = group_sched(group, i);
        if (s->sim_started && group->hooks.thread_stop)
            group->hooks.thread_stop(group->hook_ctx, &s->pub);
    }
    env_free(group->env, group->sim, sizeof *group->sim);
    group->sim = NULL;
}

/* --- trace ------------------------------------------------------------------------------------ */

void sim_fold(SchedGroup *group, uint32_t kind, uint32_t sched, uint64_t what)
{
    Sim *sim = group->sim;
    uint64_t head = (uint64_t)kind << 32 | sched;
    sim->hash = hash_fold64(hash_fold64(hash_fold64(sim->hash, head), what), sim->env->now_ns);
}

uint64_t sched_sim_hash(const SchedGroup *group)
{
    assert(group->sim);
    return group->sim->hash;
}

void sched_sim_trace(SchedGroup *group, uint64_t event)
{
    if (group->sim)
        sim_fold(group, SIM_EVENT_UPPER, 0, event);
}

uint32_t sched_sim_choose(SchedGroup *group, uint32_t n)
{
    assert(group->sim && n > 0);
    return rng_below(&group->sim->rng, n);
}

/* --- steps of one scheduler ------------------------------------------------------------------- */

static void pass_time(SchedGroup *group, int64_t reductions)
{
    Sim *sim = group->sim;
    uint64_t used = reductions > 0 ? (uint64_t)reductions : 0;
    uint64_t ns = (SIM_TASK_NS + used * SIM_REDUCTION_NS) / group->count;
    env_sim_advance_to(sim->env, sim->env->now_ns + ns);
}

static void step_task(SchedImpl *s, Task *task)
{
    if (!s->in_slice)
        sched_slice_begin(s);
    int64_t before = s->slice_work;
    bool enough = sched_run_task(s, task);
    pass_time(s->pub.group, s->slice_work - before);
    if (enough)
        sched_slice_end(s);
}

/* One task of the queues, else on to idleness. */
static void step_run(SchedImpl *s)
{
    Task *task = sched_pick(s);
    if (task) {
        step_task(s, task);
        return;
    }
    if (s->in_slice) {
        sched_slice_end(s); /* takes in timers and what was injected */
        return;
    }
    s->pub.now_ns = sched_clock(&s->pub);
    if (sched_take_in(s))
        return;
    s->sim_spins = 1 + sched_sim_choose(s->pub.group, 3);
    s->phase = idle_try_spin(s) ? SIM_SPIN : SIM_REGISTER;
}

/* The last look and the end of spinning are two steps: what comes between them must not be lost. */
static void step_spin(SchedImpl *s)
{
    s->pub.now_ns = sched_clock(&s->pub);
    if (s->sim_spins == 0) {
        idle_end_spin(s, false);
        s->phase = SIM_REGISTER;
        return;
    }
    Task *task = idle_look(s);
    if (task) {
        idle_end_spin(s, true);
        s->phase = SIM_RUN;
        step_task(s, task);
        return;
    }
    s->sim_spins--;
    pass_time(s->pub.group, SPIN_NS / SIM_REDUCTION_NS / 3);
}

static void step_register(SchedImpl *s)
{
    if (!idle_chores(s)) {
        s->phase = SIM_RUN;
        return;
    }
    idle_register(s);
    s->phase = SIM_RECHECK;
}

static void step_recheck(SchedImpl *s)
{
    if (idle_recheck(s)) {
        idle_unregister(s);
        s->phase = SIM_RUN;
        return;
    }
    s->phase = SIM_ASLEEP;
    STAT_ADD(s, sleeps, 1);
    idle_left(s);
}

static void wake_up(SchedImpl *s)
{
    idle_back(s);
    idle_unregister(s);
    s->phase = SIM_RUN;
    s->pub.now_ns = sched_clock(&s->pub);
}

static void step(SchedImpl *s)
{
    switch (s->phase) {
    case SIM_RUN: step_run(s); break;
    case SIM_SPIN: step_spin(s); break;
    case SIM_REGISTER: step_register(s); break;
    case SIM_RECHECK: step_recheck(s); break;
    case SIM_ASLEEP: wake_up(s); break;
    }
}

/* --- the world around them -------------------------------------------------------------------- */

/* The next timer, or when the idle hook wants to be called again. */
static uint64_t due_ns(const SchedImpl *s)
{
    uint64_t timer_ns = wheel_next_ns(&s->wheel);
    return s->phase == SIM_ASLEEP && s->recall_ns < timer_ns ? s->recall_ns : timer_ns;
}

/* Asleep, and neither woken, nor anything due, nor work put there by the quiescent hook. */
static bool sleeps_on(const SchedImpl *s)
{
    return s->phase == SIM_ASLEEP && s->sleep_state == SLEEP_ASLEEP && runq_length(s) == 0 &&
           due_ns(s) > env_now_ns(s->pub.group->env);
}

static uint32_t find_candidates(SchedGroup *group)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        if (!sleeps_on(group_sched(group, i)))
            group->sim->candidates[n++] = i;
    }
    return n;
}

static bool step_dirty(SchedGroup *group)
{
    DirtyJob *job = dirty_take(group, sched_sim_choose(group, 1u << 16));
    if (!job)
        return false;
    sim_fold(group, SIM_EVENT_DIRTY, 0, 0);
    /* A job may wait until all have left the slices they are in, which on a thread of its own they
     * would do meanwhile. */
    for (uint32_t i = 0; i < group->count; i++) {
        SchedImpl *s = group_sched(group, i);
        if (s->in_slice)
            sched_slice_end(s);
    }
    dirty_run(group, job);
    return true;
}

/* Jumps to what is due next; false if there is nothing. */
static bool jump_clock(SchedGroup *group)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < group->count; i++) {
        uint64_t ns = due_ns(group_sched(group, i));
        if (ns < next_ns)
            next_ns = ns;
    }
    if (next_ns == UINT64_MAX)
        return false;
    env_sim_advance_to(group->sim->env, next_ns);
    sim_fold(group, SIM_EVENT_CLOCK, 0, next_ns);
    return true;
}

static Status start_all(SchedGroup *group)
{
    if (group->sim->started)
        return STATUS_OK;
    group->sim->started = true;
    for (uint32_t i = 0; i < group->count; i++) {
        SchedImpl *s = group_sched(group, i);
        if (group->hooks.thread_start)
            STATUS_FORWARD(group->hooks.thread_start(group->hook_ctx, &s->pub));
        s->sim_started = true;
    }
    return STATUS_OK;
}

SchedSimEnd sched_sim_run(SchedGroup *group, uint64_t max_steps, Status *status)
{
    assert(group->sim);
    Status started = start_all(group);
    if (status)
        *status = started;
    if (started != STATUS_OK)
        return SCHED_SIM_STOPPED;
    for (uint64_t i = 0; i < max_steps; i++) {
        if (sched_stopping(group))
            return SCHED_SIM_STOPPED;
        uint32_t n = find_candidates(group);
        bool dirty_turn = n == 0 || sched_sim_choose(group, SIM_DIRTY_ONE_IN) == 0;
        if (dirty_turn && step_dirty(group))
            continue;
        if (n > 0)
            step(group_sched(group, group->sim->candidates[sched_sim_choose(group, n)]));
        else if (!jump_clock(group))
            return group->alive > 0 ? SCHED_SIM_WAITING : SCHED_SIM_QUIESCENT;
    }
    return SCHED_SIM_STEPS;
}
