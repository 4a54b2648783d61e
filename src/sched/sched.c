/* SPDX-License-Identifier: Apache-2.0 */
/* sched.c - life of a group of schedulers, choice of the next task, the loop of one scheduler.
 *
 * A scheduler takes a task from the run-next slot or from its rings, runs it for a budget of
 * reductions, and after about one budget's worth of work (one long task or up to 32 short ones)
 * ends the slice: it leaves the epoch section (hooks), reads the clock, polls timers and the
 * injection stack. Short tasks share that cost, so a switch costs a few nanoseconds.
 *
 * Choice. Levels in order: expired, max, high, normal, low. Low gets one turn for eight of normal,
 * and no waiting level is passed over 64 times in a row. The run-next slot comes before the rings
 * but not before a higher level, at most 16 times in a row, and only within the slice it inherits.
 *
 * Threads: sched_start, sched_join, create and destroy by the owner of the group; sched_stop,
 * sched_ready with NULL, holds and statistics by any; the rest by the scheduler's own thread. */
#define _GNU_SOURCE
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "sched_int.h"

#define STACK_BYTES_DEFAULT ((size_t)1 << 20)

/* --- making tasks ready ----------------------------------------------------------------------- */

static void mark_queued(Task *task)
{
    /* Two parties believed to hold the right to make this task ready. */
    assert(!task->queued);
    assert(task->prio < TASK_PRIO_COUNT);
    task->queued = 1;
}

static uint32_t ready_level(const SchedImpl *s, const Task *task)
{
    return s->in_expiry ? LEVEL_EXPIRED : LEVEL_OF_PRIO(task->prio);
}

void sched_ready(Sched *self, SchedGroup *group, Task *task)
{
    mark_queued(task);
    if (self) {
        SchedImpl *s = impl_of(self);
        assert(self->group == group);
        runq_push(s, task, ready_level(s, task));
    } else {
        runq_inject(group, task);
    }
}

void sched_ready_next(Sched *self, Task *task)
{
    SchedImpl *s = impl_of(self);
    mark_queued(task);
    if (s->in_expiry) {
        runq_push(s, task, LEVEL_EXPIRED);
        return;
    }
    /* Relaxed: only we put, so NULL stays NULL; a thief may take what we see. */
    Task *old = atom_load_rlx(&s->next_task);
    if (!old) {
        /* Publishes the task to a thief; pairs with steal_next. */
        atom_store_rel(&s->next_task, task);
        return;
    }
    /* As above; NULL if a thief was faster. */
    old = atom_xchg(&s->next_task, task);
    if (old)
        runq_push(s, old, LEVEL_OF_PRIO(old->prio));
}

/* --- choosing --------------------------------------------------------------------------------- */

void sched_fresh_budget(SchedImpl *s)
{
    Sim *sim = s->pub.group->sim;
    s->handovers = 0;
    if (__builtin_expect(sim == NULL, 1) || sim->fixed_slices) {
        s->pub.reds = SCHED_REDUCTIONS;
        return;
    }
    /* A quarter of the slices is very short, to cut operations in unusual places. */
    uint32_t longest = rng_below(&sim->rng, 4) == 0 ? 16 : SCHED_REDUCTIONS;
    s->pub.reds = 1 + (int32_t)rng_below(&sim->rng, longest);
}

/* Empties the run-next slot. */
static Task *take_next(SchedImpl *s)
{
    /* Relaxed: a thief can only make it NULL; the exchange decides. */
    if (!atom_load_rlx(&s->next_task))
        return NULL;
    /* Our own release put it there; pairs with a thief's exchange. */
    return atom_xchg(&s->next_task, (Task *)NULL);
}

static bool handover_allowed(const SchedImpl *s)
{
#ifdef MAGGIE_MUTANT_SCHED_NO_CAP
    (void)s;
    return true;
#else
    return s->handovers < HANDOVER_MAX;
#endif
}

/* The task in the slot, if it may run now; else it goes to its queue. */
static Task *pick_next(SchedImpl *s)
{
    Task *task = take_next(s);
    if (!task)
        return NULL;
    uint32_t higher = (1u << LEVEL_OF_PRIO(task->prio)) - 1;
    if (s->pub.reds > 0 && handover_allowed(s) && (s->nonempty & higher) == 0) {
        s->handovers++;
        STAT_ADD(s, handovers, 1);
        return task;
    }
    runq_push(s, task, LEVEL_OF_PRIO(task->prio));
    return NULL;
}

/* Counts whom the choice of `level` passes over, and gives the turn to one that has waited
 * enough. */
static uint32_t fair_level(SchedImpl *s, uint32_t level)
{
#ifdef MAGGIE_MUTANT_SCHED_NO_LOW
    return level;
#endif
    uint32_t below = s->nonempty & ~((2u << level) - 1);
    if (level == LEVEL_NORMAL && (below & 1u << LEVEL_LOW) && ++s->low_turn >= LOW_TURN)
        level = LEVEL_LOW;
    for (uint32_t waiting = below; waiting != 0; waiting &= waiting - 1) {
        uint32_t lower = (uint32_t)__builtin_ctz(waiting);
        if (++s->skipped[lower] >= SKIP_MAX)
            level = lower;
    }
    s->skipped[level] = 0;
    if (level == LEVEL_LOW)
        s->low_turn = 0;
    return level;
}

static Task *pick_queued(SchedImpl *s)
{
    while (s->nonempty != 0) {
        uint32_t level = (uint32_t)__builtin_ctz(s->nonempty);
        if (s->nonempty & (s->nonempty - 1)) /* more than one level waits */
            level = fair_level(s, level);
        Task *task = runq_pop(s, level);
        if (task)
            return task;
    }
    return NULL;
}

Task *sched_pick(SchedImpl *s)
{
    Task *task = pick_next(s);
    if (task)
        return task;
    if (++s->picks % GLOBAL_POLL_PICKS == 0)
        task = runq_take_global(s);
    if (!task)
        task = pick_queued(s);
    if (!task)
        task = runq_take_global(s);
    if (task)
        sched_fresh_budget(s);
    return task;
}

/* --- a slice ---------------------------------------------------------------------------------- */

static void hook_slice(SchedImpl *s, void (*hook)(void *, Sched *))
{
    if (hook)
        hook(s->pub.group->hook_ctx, &s->pub);
}

void sched_slice_begin(SchedImpl *s)
{
    SchedGroup *group = s->pub.group;
    s->in_slice = true;
    s->slice_tasks = 0;
    s->slice_work = 0;
    s->slice_heads = runq_head_sum(s);
    s->slice_start_ns = s->pub.now_ns;
    if (group->sim)
        s->pub.slice_seed = (uint32_t)rng_next(&group->sim->rng);
    /* Relaxed: a missed look only delays the next report of silence by one slice. */
    if (atom_load_rlx(&group->silence_told))
        atom_store_rlx(&group->silence_told, 0u);
    hook_slice(s, group->hooks.slice_begin);
}

bool sched_expire(SchedImpl *s, Wheel *wheel, uint64_t now_ns)
{
    hook_slice(s, s->pub.group->hooks.slice_begin);
    s->in_expiry = true;
    bool ran = wheel_poll(wheel, &s->pub, now_ns);
    s->in_expiry = false;
    hook_slice(s, s->pub.group->hooks.slice_end);
    return ran;
}

bool sched_take_in(SchedImpl *s)
{
    bool any = false;
    if (wheel_next_ns(&s->wheel) <= s->pub.now_ns)
        any = sched_expire(s, &s->wheel, s->pub.now_ns);
    return runq_take_injected(s) || any;
}

void sched_slice_end(SchedImpl *s)
{
    hook_slice(s, s->pub.group->hooks.slice_end);
    s->in_slice = false;
    STAT_ADD(s, slices, 1);
    s->pub.now_ns = sched_clock(&s->pub);
    STAT_ADD(s, busy_ns, s->pub.now_ns - s->slice_start_ns);
    if (s->pub.group->count > 1)
        idle_slice_check(s);
    (void)sched_take_in(s);
}

bool sched_run_task(SchedImpl *s, Task *task)
{
    int32_t before = s->pub.reds;
    s->pub.forfeited = 0;
    uint32_t trace_id = task->trace_id;
    task->queued = 0;
    task->fresh = 0;
    /* Relaxed: thieves compare it with itself. */
    atom_bump_owned(&s->switches, 1u);
    TaskVerdict verdict = task->run(task, &s->pub);
    /* Unless it yielded, the task is no longer ours to look at. */
    if (verdict == TASK_YIELD) {
        mark_queued(task);
        runq_push_yielded(s, task, LEVEL_OF_PRIO(task->prio));
    }
    sim_event(s->pub.group, SIM_EVENT_RUN, s->pub.id, (uint64_t)trace_id << 8 | (uint64_t)verdict);
    int32_t used = before - s->pub.reds;
    s->slice_work += used > s->pub.forfeited ? used - s->pub.forfeited : 0;
    return ++s->slice_tasks >= SLICE_TASKS_MAX || s->slice_work >= SCHED_REDUCTIONS;
}

static void run_slice(SchedImpl *s, Task *task)
{
    sched_slice_begin(s);
    while (!sched_run_task(s, task)) {
        task = sched_pick(s);
        if (!task)
            break;
    }
    sched_slice_end(s);
}

static void run_loop(SchedImpl *s)
{
    s->pub.now_ns = sched_clock(&s->pub);
    while (!sched_stopping(s->pub.group)) {
        Task *task = sched_pick(s);
        if (!task) {
            s->pub.now_ns = sched_clock(&s->pub);
            (void)sched_take_in(s);
            task = sched_pick(s);
        }
        if (!task)
            task = idle_wait(s);
        if (task)
            run_slice(s, task);
    }
}

/* --- threads ---------------------------------------------------------------------------------- */

static void report_started(SchedGroup *group, Status status)
{
    uint32_t expected = STATUS_OK;
    if (status != STATUS_OK)
        (void)atom_cas(&group->start_status, &expected, (uint32_t)status);
    /* Publishes the status to sched_start. */
    (void)atom_add_seq(&group->started, 1u);
    futex_wake(&group->started, 1);
}

static void *scheduler_main(void *arg)
{
    SchedImpl *s = arg;
    SchedGroup *group = s->pub.group;
    Status status = STATUS_OK;
    if (group->hooks.thread_start)
        status = group->hooks.thread_start(group->hook_ctx, &s->pub);
    report_started(group, status);
    if (status != STATUS_OK)
        return NULL;
    run_loop(s);
    if (group->hooks.thread_stop)
        group->hooks.thread_stop(group->hook_ctx, &s->pub);
    return NULL;
}

static Status thread_create(SchedGroup *group, SchedImpl *s)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0)
        return STATUS_SYSTEM;
    /* A refused size leaves the system's default, which is larger. */
    (void)pthread_attr_setstacksize(&attr, group->stack_bytes);
    int error = pthread_create(&s->thread, &attr, scheduler_main, s);
    pthread_attr_destroy(&attr);
    if (error != 0)
        return STATUS_SYSTEM;
    char name[16];
    snprintf(name, sizeof name, "%s-%u", group->name, (unsigned)s->pub.id);
    (void)pthread_setname_np(s->thread, name); /* for debuggers only */
    return STATUS_OK;
}

/* Waits until `n` schedulers have reported. */
static void await_started(SchedGroup *group, uint32_t n)
{
    for (;;) {
        /* Acquire pairs with report_started. */
        uint32_t seen = atom_load_acq(&group->started);
        if (seen >= n)
            return;
        futex_wait(&group->started, seen, UINT64_MAX);
    }
}

Status sched_start(SchedGroup *group)
{
    assert(!group->sim && group->threads_made == 0);
    /* Signals are for the program's own thread: ours inherit a full mask. */
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    Status status = STATUS_OK;
    for (uint32_t i = 0; i < group->count && status == STATUS_OK; i++) {
        status = thread_create(group, group_sched(group, i));
        if (status == STATUS_OK)
            group->threads_made++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    await_started(group, group->threads_made);
    if (status == STATUS_OK)
        status = (Status)atom_load_acq(&group->start_status); /* pairs with report_started */
    if (status != STATUS_OK) {
        sched_stop(group);
        sched_join(group);
    }
    return status;
}

void sched_stop(SchedGroup *group)
{
    /* Published by the fence in idle_wake_all. */
    atom_store_rel(&group->stopping, 1u);
    idle_wake_all(group);
}

bool sched_stopping(const SchedGroup *group)
{
    /* Relaxed: looked at again and again; sleepers are woken after it was set. */
    return atom_load_rlx(&group->stopping) != 0;
}

void sched_join(SchedGroup *group)
{
    if (group->joined)
        return;
    for (uint32_t i = 0; i < group->threads_made; i++)
        pthread_join(group_sched(group, i)->thread, NULL);
    dirty_close(group);
    group->joined = true;
}

/* --- group ------------------------------------------------------------------------------------ */

static size_t scheds_size(uint32_t count)
{
    size_t size = count * sizeof(SchedImpl);
    return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static Status sched_init(SchedGroup *group, SchedImpl *s, uint32_t id)
{
    memset(s, 0, sizeof *s);
    s->pub.id = id;
    s->pub.group = group;
    s->pub.now_ns = env_now_ns(group->env);
    s->steal_from = id;
    s->watch_ns = WATCH_NS_MIN;
    s->recall_ns = UINT64_MAX;
    wheel_init(&s->wheel);
    s->seen_count = group->count < SEEN_MAX ? group->count : SEEN_MAX;
    s->seen = env_calloc(group->env, s->seen_count * sizeof *s->seen);
    return s->seen ? STATUS_OK : STATUS_NO_MEMORY;
}

static Status group_fill(SchedGroup *group, const SchedConfig *config)
{
    const Env *env = config->env;
    group->scheds = env->alloc_aligned(env->ctx, scheds_size(config->count), CACHE_LINE);
    if (!group->scheds)
        return STATUS_NO_MEMORY;
    memset(group->scheds, 0, scheds_size(config->count));
    for (uint32_t i = 0; i < config->count; i++)
        STATUS_FORWARD(sched_init(group, group_sched(group, i), i));
    if (config->sim)
        STATUS_FORWARD(sim_create(group, config));
    return dirty_init(group, config->dirty_max ? config->dirty_max : SCHED_DIRTY_DEFAULT);
}

static void group_free(SchedGroup *group)
{
    const Env *env = group->env;
    if (group->sim)
        sim_destroy(group);
    for (uint32_t i = 0; group->scheds && i < group->count; i++)
        env_free(env, group_sched(group, i)->seen,
                 group_sched(group, i)->seen_count * sizeof(Seen));
    env_free(env, group->fresh, group->fresh_cap * sizeof *group->fresh);
    env_free(env, group->scheds, scheds_size(group->count));
    env_free(env, group, sizeof *group);
}

Status sched_group_create(const SchedConfig *config, SchedGroup **out)
{
    *out = NULL;
    if (config->count < 1 || config->count > SCHED_COUNT_MAX)
        return STATUS_BAD_ARGUMENT;
    const Env *env = config->env;
    _Static_assert(sizeof(SchedGroup) % CACHE_LINE == 0, "its alignment divides its size");
    SchedGroup *group = env->alloc_aligned(env->ctx, sizeof *group, CACHE_LINE);
    if (!group)
        return STATUS_NO_MEMORY;
    memset(group, 0, sizeof *group);
    group->env = env;
    group->hooks = config->hooks;
    group->hook_ctx = config->hook_ctx;
    group->count = config->count;
    group->alive = config->count;
    group->stack_bytes = config->stack_bytes ? config->stack_bytes : STACK_BYTES_DEFAULT;
    snprintf(group->name, sizeof group->name, "%s", config->name ? config->name : "sched");
    Status status = group_fill(group, config);
    if (status != STATUS_OK) {
        group_free(group);
        return status;
    }
    *out = group;
    return STATUS_OK;
}

void sched_group_destroy(SchedGroup *group)
{
    assert(group->threads_made == 0 || group->joined);
    dirty_close(group);
    dirty_destroy(group);
    group_free(group);
}

/* --- small questions -------------------------------------------------------------------------- */

uint32_t sched_count(const SchedGroup *group) { return group->count; }

Sched *sched_at(SchedGroup *group, uint32_t id)
{
    assert(id < group->count);
    return &group_sched(group, id)->pub;
}

uint64_t sched_clock(const Sched *sched) { return env_now_ns(sched->group->env); }

bool sched_should_yield(const Sched *sched, TaskPrio prio)
{
    const SchedImpl *s = (const SchedImpl *)(const void *)sched;
    return (s->nonempty & ((1u << LEVEL_OF_PRIO(prio)) - 1)) != 0;
}

void sched_hold(SchedGroup *group)
{
    /* Relaxed: what follows the hold is a new silence; it is told by whoever ends the hold. */
    atom_store_rlx(&group->silence_told, 0u);
    (void)atom_add_seq(&group->alive, 1u);
}

void sched_release(SchedGroup *group) { idle_source_gone(group); }

bool sched_is_sim(const SchedGroup *group) { return group->sim != NULL; }

void sched_stats(const SchedGroup *group, uint32_t id, SchedStats *stats)
{
    assert(id < group->count);
    const SchedImpl *s = group_sched(group, id);
    const uint64_t *from = (const uint64_t *)(const void *)&s->stats;
    uint64_t *to = (uint64_t *)(void *)stats;
    for (size_t i = 0; i < sizeof *stats / sizeof *to; i++)
        to[i] = atom_load_rlx(&from[i]); /* relaxed: a snapshot of counters */
    stats->switches = atom_load_rlx(&s->switches);
}

uint32_t sched_queue_length(const SchedGroup *group, uint32_t id)
{
    /* Relaxed: a snapshot. */
    if (id == group->count)
        return atom_load_rlx(&group->global_count) + (atom_load_rlx(&group->inject) != NULL);
    assert(id < group->count);
    return runq_length(group_sched(group, id));
}

uint32_t sched_timer_count(const SchedGroup *group, uint32_t id)
{
    assert(id < group->count);
    /* Relaxed: a snapshot. */
    return atom_load_rlx(&group_sched(group, id)->wheel.count);
}
