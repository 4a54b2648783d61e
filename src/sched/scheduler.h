/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler.h - N schedulers that run Tasks: queues, stealing, sleeping, timers, dirty threads.
 * Knows nothing of Maggie. The same code runs under two drivers: threads, and a simulator that
 * plays N schedulers in one thread from a seed under virtual time.
 *
 * Life: sched_group_create -> sched_start -> ... -> sched_stop (any thread) -> sched_join ->
 * sched_group_destroy. Under the simulator sched_sim_run takes the place of start, and no join is
 * needed.
 * (Not sched.h: that name belongs to the C library.)
 * Threads: "own" means the thread of the given Sched; everything else is said at the function. */
#ifndef MAGGIE_SCHEDULER_H
#define MAGGIE_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>

#include "env.h"
#include "env_sim.h"
#include "task.h"

#define SCHED_REDUCTIONS 4000 /* budget of a slice */
#define SCHED_COUNT_MAX 1024u
#define SCHED_DIRTY_DEFAULT 10u

/* The public head of a scheduler. Only its own thread touches it, except `id` and `group`, which
 * never change, and `user`, which never changes after the thread_start hook. */
struct Sched {
    int32_t reds;      /* reductions left; the running task counts it down (it may go below 0) */
    int32_t forfeited; /* of those used in this run: taken away, no work was done for them */
    uint32_t id;       /* 0 .. count-1 */
    SchedGroup *group;
    void *user;      /* whatever the thread_start hook puts here: per-scheduler state of the VM */
    uint64_t now_ns; /* monotonic clock at the start of the slice: see sched_now */
    uint32_t slice_seed; /* simulator: a number drawn per slice; threads: 0. For choices of the VM
                            that should differ between seeds */
};

/* Upcalls. Each may be NULL. `ctx` is SchedConfig.hook_ctx. */
typedef struct SchedHooks {
    /* First and last thing on each scheduler's thread. A failing start fails sched_start; then
     * thread_stop is not called for that scheduler. */
    Status (*thread_start)(void *ctx, Sched *sched);
    void (*thread_stop)(void *ctx, Sched *sched);
    /* Around every slice (one or several tasks, about 4000 reductions): epoch sections go here. A
     * scheduler that spins or sleeps is outside. slice_end runs before timers are polled; timers
     * run inside a slice of their own. */
    void (*slice_begin)(void *ctx, Sched *sched);
    void (*slice_end)(void *ctx, Sched *sched);
    /* Found nothing to run and is about to sleep; outside a slice. May make tasks ready. Answers in
     * how many ns it wants to be called again if nothing else happens: 0: it has more to do now,
     * UINT64_MAX: never. */
    uint64_t (*idle)(void *ctx, Sched *sched);
    /* D15: nothing runnable, no timer pending, no dirty job, no hold: nothing can ever run again by
     * itself. On a scheduler thread, outside a slice, while all other schedulers are asleep. May
     * make tasks ready or call sched_stop. Called once per time the group falls silent. */
    void (*quiescent)(void *ctx, Sched *sched);
} SchedHooks;

typedef struct SchedConfig {
    const Env *env;     /* borrowed until destroy. Simulator: &sim->env */
    uint32_t count;     /* schedulers, 1 .. SCHED_COUNT_MAX */
    uint32_t dirty_max; /* dirty threads; 0 means SCHED_DIRTY_DEFAULT */
    SchedHooks hooks;
    void *hook_ctx;
    const char *name;   /* prefix of thread names, at most 8 bytes; NULL means "sched" */
    size_t stack_bytes; /* of a scheduler thread; 0 means 1 MiB */
    EnvSim *sim;        /* not NULL: simulator, and no threads are ever made */
    uint64_t sim_seed;
    bool
        sim_fixed_slices; /* simulator: every slice is of SCHED_REDUCTIONS, not of a drawn length */
} SchedConfig;

/* Returns new. */
MUST_CHECK Status sched_group_create(const SchedConfig *config, SchedGroup **out);

/* Frees; the threads have been joined (or never started). Tasks still queued are forgotten: their
 * owner knows them; timers still pending too. */
void sched_group_destroy(SchedGroup *group);

/* Makes the threads. When it fails nothing runs and destroy is all that is left to do. */
MUST_CHECK Status sched_start(SchedGroup *group);

/* Asks all schedulers to end after their current slice. Any thread, also a task or a hook, any
 * number of times. Returns at once. */
void sched_stop(SchedGroup *group);
bool sched_stopping(const SchedGroup *group);

/* Waits until all threads have ended; queued dirty jobs get done(job, false), running ones are
 * waited for. Not from a scheduler or dirty thread. */
void sched_join(SchedGroup *group);

uint32_t sched_count(const SchedGroup *group);

/* The scheduler with this number; its head is for its own thread. */
Sched *sched_at(SchedGroup *group, uint32_t id);

/* Makes a task ready that the caller has the right to make ready. `self` is the calling scheduler,
 * or NULL from any other thread (then it goes through the injection queue). Takes the task. */
void sched_ready(Sched *self, SchedGroup *group, Task *task);

/* The same from a running task whose partner should run next: into the run-next slot, where it runs
 * as soon as the current task stops and inherits the rest of its slice, unless higher work waits.
 * What was in the slot goes to its queue. Own thread. */
void sched_ready_next(Sched *self, Task *task);

/* The clock as read at the start of this slice: free, up to a slice old. Own thread. Do not compute
 * deadlines from it (early!): use timer_start_in or sched_clock. */
static inline uint64_t sched_now(const Sched *sched) { return sched->now_ns; }

/* A fresh reading (about 22 ns). */
uint64_t sched_clock(const Sched *sched);

/* True when work of a higher level than `prio` waits on this scheduler: a long primitive may then
 * yield early. Own thread; two loads. */
bool sched_should_yield(const Sched *sched, TaskPrio prio);

/* An outside source that may yet make tasks ready (a main thread that waits for a result, a poll
 * thread): while any is held the group is not quiescent. Any thread. */
void sched_hold(SchedGroup *group);
void sched_release(SchedGroup *group);

/* For the quiescent hook: is it still so? True only when nothing was fed before the caller's lock,
 * under which all feeding is done with a hold. */
bool sched_is_silent(const SchedGroup *group);

/* What a scheduler has done; counters only grow. */
typedef struct SchedStats {
    uint64_t slices;
    uint64_t switches;  /* tasks switched in */
    uint64_t handovers; /* of those, through the run-next slot within a slice */
    uint64_t steals;    /* successful */
    uint64_t stolen;    /* tasks got by them */
    uint64_t wakes;     /* other schedulers woken */
    uint64_t sleeps;
    uint64_t spins;     /* spells of spinning */
    uint64_t overflows; /* half rings moved to the global list */
    uint64_t timers;    /* expired */
    uint64_t stand_ins; /* wheels of stuck schedulers expired for them */
    uint64_t busy_ns;
    uint64_t idle_ns; /* asleep or spinning */
} SchedStats;

/* A snapshot. Any thread. */
void sched_stats(const SchedGroup *group, uint32_t id, SchedStats *stats);

/* Tasks waiting in the queues of a scheduler (id) or of the global lists (id == sched_count), a
 * snapshot; and timers pending on it. Any thread. */
uint32_t sched_queue_length(const SchedGroup *group, uint32_t id);
uint32_t sched_timer_count(const SchedGroup *group, uint32_t id);

/* --- simulator ------------------------------------------------------------------------------- */

typedef enum SchedSimEnd {
    SCHED_SIM_STOPPED,   /* sched_stop was called */
    SCHED_SIM_QUIESCENT, /* nothing can run; the quiescent hook was called and readied nothing */
    SCHED_SIM_WAITING,   /* nothing can run, but a hold is out: the caller must act and run again */
    SCHED_SIM_STEPS,     /* max_steps used up */
} SchedSimEnd;

/* Plays up to `max_steps` steps (task runs, wake-ups, dirty jobs, jumps of the clock). May be
 * called again; between calls the same thread may make tasks ready with self NULL. The
 * thread_start hooks run in the first call (a failure ends it as SCHED_SIM_STOPPED with *status
 * set), thread_stop in sched_group_destroy. */
SchedSimEnd sched_sim_run(SchedGroup *group, uint64_t max_steps, Status *status);

/* Hash over everything that happened: equal seeds and equal inputs give equal hashes. Also folded
 * by sched_sim_trace, so that upper layers can add what they do. */
uint64_t sched_sim_hash(const SchedGroup *group);
void sched_sim_trace(SchedGroup *group, uint64_t event);

/* True when the group is simulated. */
bool sched_is_sim(const SchedGroup *group);

/* A choice in [0, n) from the group's seed (simulator only), n > 0. */
uint32_t sched_sim_choose(SchedGroup *group, uint32_t n);

#endif
