/* SPDX-License-Identifier: Apache-2.0 */
/* sched_int.h - the structs behind scheduler.h and the functions its files share.
 *
 * sched.c   life of a group, choice of the next task, the loop of a scheduler
 * runq.c    rings, overflow, global lists, injection, stealing
 * idle.c    spinning, sleeping, waking, falling silent, standing in for a stuck scheduler
 * wheel.c   timers        dirty.c  dirty threads        sim.c  the simulator's driver
 *
 * Threads: each field names its writers. "Owner" is the thread of that scheduler; under the
 * simulator there is one thread and it plays every part. */
#ifndef MAGGIE_SCHED_INT_H
#define MAGGIE_SCHED_INT_H

#include <pthread.h>

#include "atomics.h"
#include "dirty.h"
#include "lock.h"
#include "rng.h"
#include "scheduler.h"
#include "timer.h"

/* Levels of choice: tasks made ready by expiring timers go before all priorities (D21). */
typedef enum Level {
    LEVEL_EXPIRED,
    LEVEL_PRIO_FIRST,
    LEVEL_COUNT = LEVEL_PRIO_FIRST + TASK_PRIO_COUNT
} Level;

#define LEVEL_OF_PRIO(prio) (LEVEL_PRIO_FIRST + (uint32_t)(prio))
#define LEVEL_NORMAL LEVEL_OF_PRIO(TASK_PRIO_NORMAL)
#define LEVEL_LOW LEVEL_OF_PRIO(TASK_PRIO_LOW)

#define RING_SIZE 256u /* a power of two */
#define RING_MASK (RING_SIZE - 1)

#define HANDOVER_MAX 16u      /* run-next switches in a row before the queues get their turn */
#define GLOBAL_POLL_PICKS 61u /* the global list is looked at every so many picks */
#define LOW_TURN 8u           /* low runs once for so many picks of normal */
#define SKIP_MAX 60u          /* a waiting level is passed over less often than 64 times in a row */
#define SLICE_TASKS_MAX 32u   /* tasks between two looks at the clock */
#define STEAL_MIN 8u          /* entries that make a queue worth stealing from at once */
#define STEAL_AGE_NS 20000u   /* a head that waits longer may be stolen whatever the length */
#define STUCK_NEXT_NS 100000u /* no switch for so long: the run-next slot may be taken */
#define STUCK_TIMER_NS 1000000u /* no switch for so long: its timers are run by others */
#define SPIN_NS 30000u          /* how long an idle scheduler spins before it sleeps */
#define WATCH_NS_MIN 2000000u   /* first and longest nap of the idle scheduler that keeps watch */
#define WATCH_NS_MAX 16000000u
#define WATCH_SLICES 64u /* a busy scheduler sees to it every so many slices that one watches */
#define SEEN_MAX 64u     /* victims a thief remembers */

/* --- timer wheel ------------------------------------------------------------------------------ */

#define WHEEL_TICK_SHIFT 16 /* a tick is 65.536 us */
#define WHEEL_LEVELS 4u
#define WHEEL_SLOTS 256u
#define WHEEL_WORDS (WHEEL_SLOTS / 64)
#define WHEEL_NEVER UINT64_MAX
#define WHEEL_EXPIRE_MAX 256u   /* timers expired per poll */
#define WHEEL_CASCADE_MAX 1024u /* timers moved to a finer level per poll */

typedef struct Wheel {
    Lock lock; /* level 2 */
    /* Tick at which the wheel wants to be polled next, WHEEL_NEVER if empty. Written under the
     * lock; read without it (relaxed: a late look is made up for by the next slice). Never later
     * than the first timer; may be earlier. */
    uint64_t next_tick;
    uint32_t count; /* pending; under the lock; also read without it, as a statistic */
    uint64_t tick;  /* everything up to here has been moved to slot tick & 255 of level 0 */
    TimerLink slots[WHEEL_LEVELS][WHEEL_SLOTS];
    uint64_t used[WHEEL_LEVELS][WHEEL_WORDS]; /* bit set: slot may be non-empty */
    TimerLink cascade[WHEEL_LEVELS]; /* detached slots that are being moved down, piece by piece */
    Timer *running;                  /* its fn is being called, without the lock */
    Sched *expirer;                  /* who is inside wheel_poll; NULL if nobody */
} Wheel;

void wheel_init(Wheel *wheel);

/* Expires what is due at `now_ns` in the name of `self`, a bounded number; true if anything ran.
 * Runs the functions without the lock. */
bool wheel_poll(Wheel *wheel, Sched *self, uint64_t now_ns);

/* When the wheel wants to be polled; UINT64_MAX if never. */
static inline uint64_t wheel_next_ns(const Wheel *wheel)
{
    /* Relaxed: see next_tick. */
    uint64_t tick = atom_load_rlx(&wheel->next_tick);
    return tick > UINT64_MAX >> WHEEL_TICK_SHIFT ? UINT64_MAX : tick << WHEEL_TICK_SHIFT;
}

/* --- scheduler -------------------------------------------------------------------------------- */

/* The ends of one ring. Owner pushes at tail; owner and thieves take at head by
 * compare-and-swap. */
typedef struct RingEnds {
    uint32_t head;
    uint32_t tail;
} RingEnds;

/* SLEEP_ASLEEP is set by the owner, taken back by whoever wins the compare-and-swap. */
typedef enum SleepState { SLEEP_AWAKE, SLEEP_ASLEEP } SleepState;

/* What a thief remembers of a victim, to measure how long something has not moved. */
typedef struct Seen {
    uint32_t victim; /* id + 1; 0 nothing yet */
    uint32_t head[LEVEL_COUNT];
    uint64_t head_ns[LEVEL_COUNT];
    uint64_t switches;
    uint64_t switches_ns;
} Seen;

/* Where a simulated scheduler is; the thread driver has the same phases as its program counter. */
typedef enum SimPhase { SIM_RUN, SIM_SPIN, SIM_REGISTER, SIM_RECHECK, SIM_ASLEEP } SimPhase;

typedef struct SchedImpl {
    Sched pub; /* first, so that a Sched is its SchedImpl */

    /* Owner only. */
    uint32_t
        nonempty; /* bit per level: its ring may hold something (thieves may have emptied it) */
    uint32_t handovers; /* run-next switches since the last pick from a queue */
    uint32_t picks;
    uint32_t low_turn;
    uint32_t global_turn;
    bool in_expiry; /* timers are being expired: what they ready goes to LEVEL_EXPIRED */
    bool in_slice;  /* between slice_begin and slice_end */
    uint32_t skipped[LEVEL_COUNT]; /* picks that passed over this waiting level */
    uint32_t slice_tasks;
    int64_t slice_work;   /* reductions used in this slice */
    uint32_t slice_heads; /* sum of ring heads when the slice began */
    uint64_t slice_start_ns;
    uint64_t watch_ns; /* length of the next nap on watch */
    uint64_t idle_since_ns;
    uint32_t steal_from; /* victim to begin with */
    bool spinning;       /* holds the spinner's role */
    bool watching;       /* holds the watch */
    bool napped;         /* the last sleep was a nap on watch, or the idle hook has more to do */
    uint64_t recall_ns;  /* when the idle hook wants to be called again; UINT64_MAX: it does not */
    Seen *seen;
    uint32_t seen_count;

    /* Run-next slot. Put by the owner, taken by the owner or, from a stuck owner, by a thief. */
    Task *next_task __attribute__((aligned(CACHE_LINE)));
    /* Bumped by the owner at every switch; thieves watch it to see whether it is stuck. */
    uint64_t switches;

    RingEnds ends[LEVEL_COUNT] __attribute__((aligned(CACHE_LINE)));

    uint32_t sleep_state __attribute__((aligned(CACHE_LINE))); /* SleepState, and the futex */

    SchedStats stats
        __attribute__((aligned(CACHE_LINE))); /* owner writes, anybody reads, relaxed */

    Task *ring[LEVEL_COUNT][RING_SIZE]; /* slots; relaxed, ordered by the ends */
    Wheel wheel;
    pthread_t thread;

    /* Simulator. */
    SimPhase phase;
    uint32_t sim_spins;
    bool sim_started;
} SchedImpl;

/* --- group ------------------------------------------------------------------------------------ */

/* The idle word: sleepers in the upper half, the one spinner in the lower. A waker may count a
 * sleeper off before it has counted itself on: the upper half then wraps for a moment, which only
 * makes somebody look for a sleeper in vain. */
#define IDLE_SPINNER 1u
#define IDLE_SPINNER_MASK 0xFFFFu
#define IDLE_SLEEPER 0x10000u

typedef struct TaskList {
    Task *first;
    Task *last;
} TaskList;

typedef struct DirtyPool {
    SchedGroup *group;
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* a job, or the end */
    pthread_cond_t gone; /* a thread ended */
    DirtyJob *first;     /* all below under mutex */
    DirtyJob *last;
    uint32_t queued;
    uint32_t threads;
    uint32_t idle;
    uint32_t max;
    bool closed;
} DirtyPool;

typedef struct Sim {
    EnvSim *env;
    Rng rng;
    uint64_t hash;
    bool fixed_slices;
    bool started;
    uint32_t candidates[SCHED_COUNT_MAX];
} Sim;

struct SchedGroup {
    const Env *env;
    SchedHooks hooks;
    void *hook_ctx;
    uint32_t count;
    size_t stack_bytes;
    char name[9];
    Sim *sim; /* NULL with threads */
    SchedImpl *scheds;
    uint32_t threads_made; /* by sched_start */
    bool joined;

    uint32_t idle __attribute__((aligned(CACHE_LINE))); /* see IDLE_*; everybody */
    uint32_t watcher; /* 1 while some idle scheduler keeps watch; everybody */

    Task *inject __attribute__((aligned(CACHE_LINE))); /* stack of tasks from outside; everybody */

    /* Schedulers that are not asleep, dirty jobs under way, holds: who might still make a task
     * ready. Changed by each for itself. */
    uint32_t alive __attribute__((aligned(CACHE_LINE)));
    uint32_t silence_told; /* 1: the quiescent hook was called and nothing has run since */
    uint32_t stopping;
    uint32_t started; /* schedulers whose thread_start has returned; the futex of sched_start */
    uint32_t start_status; /* first failure of a thread_start */

    Lock global_lock __attribute__((aligned(CACHE_LINE))); /* level 1 */
    uint32_t global_count; /* under the lock; read without it as a hint */
    TaskList global[LEVEL_COUNT];
    TaskList *fresh; /* batches of fresh tasks, a ring of fresh_cap (power of two), see runq.c */
    uint32_t fresh_cap;
    uint32_t fresh_oldest; /* running number of the oldest batch */
    uint32_t fresh_end;    /* one past the newest */
    uint32_t fresh_turn;

    DirtyPool dirty; /* for what blocks */
    DirtyPool work;  /* for what computes */
};

static inline SchedImpl *impl_of(Sched *sched) { return (SchedImpl *)(void *)sched; }

static inline SchedImpl *group_sched(const SchedGroup *group, uint32_t id)
{
    return &group->scheds[id];
}

/* A statistic with one writer; relaxed, since nothing is read because of it. */
#define STAT_ADD(s, field, n) atom_bump_owned(&(s)->stats.field, (uint64_t)(n))

/* --- runq.c ----------------------------------------------------------------------------------- */

/* Puts a task behind its level and sees to it that somebody awake knows. Owner. */
void runq_push(SchedImpl *s, Task *task, uint32_t level);
/* The same for a task that has used up its slice. */
void runq_push_yielded(SchedImpl *s, Task *task, uint32_t level);

/* Takes the oldest task of a level, or NULL (and then clears its bit). Owner. */
Task *runq_pop(SchedImpl *s, uint32_t level);

/* Takes a share of the global lists: answers one task, the others go to the own rings. Owner. */
Task *runq_take_global(SchedImpl *s);

/* Moves everything injected to the own rings; true if there was any. Owner. */
bool runq_take_injected(SchedImpl *s);

/* From outside: any thread. */
void runq_inject(SchedGroup *group, Task *task);

/* Takes half of somebody's queue, as the rules allow: answers one task or NULL. Owner. */
Task *runq_steal(SchedImpl *s, uint64_t now_ns);

/* Entries in the rings and the run-next slot of a scheduler, a snapshot. Any thread. */
uint32_t runq_length(const SchedImpl *s);

/* Sum of the heads: changes with every take. Owner. */
uint32_t runq_head_sum(const SchedImpl *s);

/* Notes what `v` shows at `now_ns` and answers for how long it has not switched. Owner of s. */
uint64_t runq_unmoved_ns(SchedImpl *s, const SchedImpl *v, uint64_t now_ns);

/* --- idle.c ----------------------------------------------------------------------------------- */

/* Wakes one sleeper, if there is one and nobody spins. Called after work was made visible; includes
 * the full fence. Any thread; `from` is the scheduler to begin behind (any number). */
void idle_wake_if_needed(SchedGroup *group, uint32_t from);

/* The same for a long queue of a running scheduler, without the fence: a sleeper that is missed is
 * found by the next push or at the end of the slice (idle_slice_check). Owner. */
void idle_wake_for_queue(SchedImpl *s);

/* Wakes one sleeper whatever spins. True if one was woken. Any thread. */
bool idle_wake_one(SchedGroup *group, uint32_t from);
void idle_wake_all(SchedGroup *group);

/* The steps of going idle, in this order; the simulator takes them one at a time. */
bool idle_try_spin(SchedImpl *s); /* takes the spinner's role: one scheduler at a time */
Task *idle_look(SchedImpl *s);    /* looks once for work anywhere: a task, or NULL */
void idle_end_spin(SchedImpl *s, bool found);
/* The hook for what is done when there is nothing to run; false: it has more to do now. */
bool idle_chores(SchedImpl *s);
void idle_register(SchedImpl *s);   /* counts itself among the sleepers */
bool idle_recheck(SchedImpl *s);    /* work that a waker may not have told us about? */
void idle_unregister(SchedImpl *s); /* awake again, however it came */
void idle_left(SchedImpl *s);       /* no longer alive; may find that the group fell silent */
void idle_back(SchedImpl *s);       /* alive again */

/* Goes idle until there may be work; answers a task found on the way, or NULL. Threads only. */
Task *idle_wait(SchedImpl *s);

/* One less that may make tasks ready; called by those that are no scheduler. */
void idle_source_gone(SchedGroup *group);

/* At the end of a slice: wakes a thief for a queue that had to wait, and a watcher. Owner. */
void idle_slice_check(SchedImpl *s);

/* --- sched.c ---------------------------------------------------------------------------------- */

/* Next task from slot or queues, with its budget set in pub.reds; NULL if there is none. Owner. */
Task *sched_pick(SchedImpl *s);

/* A new budget for a task that does not inherit one. Owner. */
void sched_fresh_budget(SchedImpl *s);

void sched_slice_begin(SchedImpl *s);
void sched_slice_end(SchedImpl *s); /* reads the clock, polls timers and injection */

/* Takes in what came from timers and from outside; true if there was anything. Owner. */
bool sched_take_in(SchedImpl *s);

/* Polls a wheel (the own one, or that of a stuck scheduler) within a slice of its own. Owner. */
bool sched_expire(SchedImpl *s, Wheel *wheel, uint64_t now_ns);

/* Runs one task inside a slice; true if the slice should end. Owner. */
bool sched_run_task(SchedImpl *s, Task *task);

/* --- dirty.c ---------------------------------------------------------------------------------- */

MUST_CHECK Status dirty_init(SchedGroup *group, uint32_t max);
void dirty_close(SchedGroup *group); /* ends the threads, cancels what is queued */
void dirty_destroy(SchedGroup *group);

/* Simulator: takes a queued job, the one with this number modulo their count; NULL if none. */
DirtyJob *dirty_take(SchedGroup *group, uint32_t which);
void dirty_run(SchedGroup *group, DirtyJob *job);

/* --- sim.c ------------------------------------------------------------------------------------ */

/* Folds an event into the trace hash; nothing with threads. */
static inline void sim_event(SchedGroup *group, uint32_t kind, uint32_t sched, uint64_t what);

enum {
    SIM_EVENT_RUN = 1,
    SIM_EVENT_TIMER,
    SIM_EVENT_DIRTY,
    SIM_EVENT_WAKE,
    SIM_EVENT_CLOCK,
    SIM_EVENT_STEAL,
    SIM_EVENT_UPPER
};

void sim_fold(SchedGroup *group, uint32_t kind, uint32_t sched, uint64_t what);

static inline void sim_event(SchedGroup *group, uint32_t kind, uint32_t sched, uint64_t what)
{
    if (__builtin_expect(group->sim != NULL, 0))
        sim_fold(group, kind, sched, what);
}

MUST_CHECK Status sim_create(SchedGroup *group, const SchedConfig *config);
void sim_destroy(SchedGroup *group);

#endif
