/* SPDX-License-Identifier: Apache-2.0 */
/* idle.c - what a scheduler does without work, and how it gets some again.
 *
 * An idle scheduler spins for a while if no other does (the spinner), then registers as a sleeper,
 * looks once more, and sleeps on its own futex until it is woken or a timer of its wheel is due.
 *
 * No wake-up is lost. The sleeper counts itself in `idle` (a read-modify-write) and then looks; a
 * waker makes its work visible, then fences on the same word, then reads it. One of the two comes
 * first in the order of that word: either the sleeper's look sees the work, or the waker sees the
 * sleeper. The same with the spinner's bit: who finds it set relies on the spinner, and the
 * spinner, after taking its bit back, looks (by registering) or has found work and checks for more.
 * That holds for what comes from outside and for what overflows to the global lists. The rings of a
 * running scheduler need less: their owner runs them anyway, so a late wake-up only costs time.
 * Nobody is woken for a short ring, and the sleeper's look ignores it too; for a long one the owner
 * looks for sleepers without a fence. What was missed is found by the next push, or at the end of
 * the slice, when something turns out to have waited (idle_slice_check), which comes again after
 * every slice and so may use stale looks.
 *
 * Threads: said per function. Invariant: `alive` counts every scheduler that is not asleep. */
#include <assert.h>

#include "sched_int.h"

/* --- waking ----------------------------------------------------------------------------------- */

/* Any thread: takes one scheduler out of its sleep; false if it was not asleep. */
static bool wake(SchedGroup *group, SchedImpl *s)
{
    uint32_t expected = SLEEP_ASLEEP;
    /* Relaxed look first: most are awake. The compare-and-swap decides between several wakers and
     * the sleeper itself; its release half publishes nothing that the queues do not. */
    if (atom_load_rlx(&s->sleep_state) != SLEEP_ASLEEP ||
        !atom_cas(&s->sleep_state, &expected, (uint32_t)SLEEP_AWAKE))
        return false;
    (void)atom_sub_seq(&group->idle, IDLE_SLEEPER);
    if (!group->sim)
        futex_wake(&s->sleep_state, 1);
    return true;
}

bool idle_wake_one(SchedGroup *group, uint32_t from)
{
    for (uint32_t k = 1; k <= group->count; k++) {
        SchedImpl *s = group_sched(group, (from + k) % group->count);
        if (wake(group, s)) {
            sim_event(group, SIM_EVENT_WAKE, s->pub.id, from);
            return true;
        }
    }
    return false;
}

static bool sleeper_wanted(const SchedGroup *group)
{
    /* Relaxed: the caller has fenced, or has a backstop. */
    uint32_t idle = atom_load_rlx(&group->idle);
    return idle >= IDLE_SLEEPER && (idle & IDLE_SPINNER_MASK) == 0;
}

void idle_wake_if_needed(SchedGroup *group, uint32_t from)
{
    /* Between making work visible and looking for sleepers; pairs with idle_register. */
    atom_fence_full(&group->idle);
    if (sleeper_wanted(group))
        (void)idle_wake_one(group, from);
}

void idle_wake_all(SchedGroup *group)
{
    /* The caller has made something visible; pairs with idle_register. */
    atom_fence_full(&group->idle);
    for (uint32_t i = 0; i < group->count; i++)
        (void)wake(group, group_sched(group, i));
}

/* Owner: wakes another and counts it. */
static void wake_other(SchedImpl *s)
{
    if (idle_wake_one(s->pub.group, s->pub.id))
        STAT_ADD(s, wakes, 1);
}

void idle_wake_for_queue(SchedImpl *s)
{
    if (sleeper_wanted(s->pub.group))
        wake_other(s);
}

/* --- looking ---------------------------------------------------------------------------------- */

static bool timers_due(const SchedImpl *s, uint64_t now_ns)
{
    return wheel_next_ns(&s->wheel) <= now_ns;
}

/* Work that anybody may take at once: what a sleeper must not sleep over. */
static bool surplus_anywhere(const SchedGroup *group)
{
    /* Relaxed: ordered by the read-modify-write of `idle` before. */
    if (atom_load_rlx(&group->inject) || atom_load_rlx(&group->global_count) > 0)
        return true;
    for (uint32_t i = 0; i < group->count; i++) {
        if (runq_length(group_sched(group, i)) >= STEAL_MIN)
            return true;
    }
    return false;
}

Task *idle_look(SchedImpl *s)
{
    if (runq_take_injected(s))
        return sched_pick(s);
    Task *task = runq_take_global(s);
    if (!task && s->pub.group->count > 1)
        task = runq_steal(s, s->pub.now_ns);
    if (task)
        sched_fresh_budget(s);
    return task;
}

/* Runs what is due on the wheel of a scheduler that has not switched for long. */
static bool stand_in(SchedImpl *s, SchedImpl *v, uint64_t now_ns)
{
    if (wheel_next_ns(&v->wheel) > now_ns - STUCK_TIMER_NS ||
        runq_unmoved_ns(s, v, now_ns) < STUCK_TIMER_NS)
        return false;
    bool ran = sched_expire(s, &v->wheel, now_ns);
    if (ran)
        STAT_ADD(s, stand_ins, 1);
    return ran;
}

static bool stand_in_for_stuck(SchedImpl *s, uint64_t now_ns)
{
    SchedGroup *group = s->pub.group;
    bool ran = false;
    for (uint32_t i = 0; i < group->count; i++) {
        SchedImpl *v = group_sched(group, i);
        if (v != s)
            ran = stand_in(s, v, now_ns) || ran;
    }
    return ran;
}

/* --- spinning --------------------------------------------------------------------------------- */

bool idle_try_spin(SchedImpl *s)
{
    SchedGroup *group = s->pub.group;
    if (group->count == 1)
        return false;
    /* Relaxed: the compare-and-swap below checks it. */
    uint32_t idle = atom_load_rlx(&group->idle);
    do {
        /* With all others asleep there is nobody to steal from, and who makes something ready from
         * outside wakes us: spinning after each tick of a timer would keep an idle node warm. */
        if ((idle & IDLE_SPINNER_MASK) || idle / IDLE_SLEEPER >= group->count - 1)
            return false;
    } while (!atom_cas_weak(&group->idle, &idle, idle + IDLE_SPINNER));
    s->spinning = true;
    STAT_ADD(s, spins, 1);
    return true;
}

void idle_end_spin(SchedImpl *s, bool found)
{
    SchedGroup *group = s->pub.group;
    s->spinning = false;
    /* From here on wakers do not rely on us; see the head of the file. */
    uint32_t before = atom_sub_seq(&group->idle, IDLE_SPINNER);
    if (found && before >= IDLE_SLEEPER && surplus_anywhere(group))
        wake_other(s);
}

static Task *spin(SchedImpl *s)
{
    SchedGroup *group = s->pub.group;
    uint64_t end_ns = s->pub.now_ns + SPIN_NS;
    Task *task = NULL;
    bool due = false;
    do {
        task = idle_look(s);
        for (int i = 0; i < 16; i++)
            atom_stall();
        s->pub.now_ns = sched_clock(&s->pub);
        due = timers_due(s, s->pub.now_ns);
    } while (!task && !due && !sched_stopping(group) && s->pub.now_ns < end_ns);
    idle_end_spin(s, task != NULL);
    return task;
}

/* --- sleeping --------------------------------------------------------------------------------- */

bool idle_chores(SchedImpl *s)
{
    SchedGroup *group = s->pub.group;
    uint64_t length_ns = UINT64_MAX;
    if (group->hooks.idle)
        length_ns = group->hooks.idle(group->hook_ctx, &s->pub);
    s->recall_ns = length_ns == UINT64_MAX ? UINT64_MAX : sched_clock(&s->pub) + length_ns;
    return length_ns > 0 && runq_length(s) == 0;
}

void idle_register(SchedImpl *s)
{
    SchedGroup *group = s->pub.group;
    /* Release: before the count, so that a waker who sees the count finds somebody to wake. */
    atom_store_rel(&s->sleep_state, (uint32_t)SLEEP_ASLEEP);
    /* Pairs with the fence in idle_wake_if_needed. */
    (void)atom_add_seq(&group->idle, IDLE_SLEEPER);
}

bool idle_recheck(SchedImpl *s)
{
#ifdef MAGGIE_MUTANT_SCHED_LOST_WAKEUP
    (void)s;
    return false;
#else
    SchedGroup *group = s->pub.group;
    if (sched_stopping(group))
        return true;
    /* Whoever holds the spinner's bit now looks after it has given it back, and then sees us. */
    if (atom_load_seq(&group->idle) & IDLE_SPINNER_MASK)
        return false;
    return surplus_anywhere(group);
#endif
}

void idle_unregister(SchedImpl *s)
{
    uint32_t expected = SLEEP_ASLEEP;
    /* Acquire; if a waker was first, it has counted us off. */
    if (atom_cas(&s->sleep_state, &expected, (uint32_t)SLEEP_AWAKE))
        (void)atom_sub_seq(&s->pub.group->idle, IDLE_SLEEPER);
}

/* --- silence (D15) ---------------------------------------------------------------------------- */

/* Nobody is alive: is there nothing either that will wake somebody? */
static bool nothing_left(const SchedGroup *group)
{
    /* Relaxed: all who could change these were counted in `alive`, whose last change we have
     * read. */
    if (atom_load_rlx(&group->inject) || atom_load_rlx(&group->global_count) > 0)
        return false;
    for (uint32_t i = 0; i < group->count; i++) {
        const SchedImpl *s = group_sched(group, i);
        if (runq_length(s) > 0 || atom_load_rlx(&s->wheel.count) > 0)
            return false;
    }
    return true;
}

void idle_left(SchedImpl *s)
{
    SchedGroup *group = s->pub.group;
    /* Everything this scheduler did happens before the look of whoever brings it to zero. */
    if (atom_sub_seq(&group->alive, 1u) != 1)
        return;
    if (sched_stopping(group) || !nothing_left(group))
        return;
    /* Told once per silence; idle_back of a scheduler that finds work, or a slice, ends it. */
    if (atom_xchg(&group->silence_told, 1u) == 0 && group->hooks.quiescent)
        group->hooks.quiescent(group->hook_ctx, &s->pub);
}

bool sched_is_silent(const SchedGroup *group)
{
    return atom_load_seq(&group->alive) == 0 && nothing_left(group);
}

void idle_back(SchedImpl *s) { (void)atom_add_seq(&s->pub.group->alive, 1u); }

void idle_source_gone(SchedGroup *group)
{
    /* Brought to zero by somebody who is no scheduler: one of them must wake and see the
     * silence. */
    if (atom_sub_seq(&group->alive, 1u) == 1)
        (void)idle_wake_one(group, 0);
}

/* --- the whole way, for threads
 * ---------------------------------------------------------------- */

/* At most one idle scheduler keeps watch while others run: it naps instead of sleeping. An idle
 * group has no watch, so it costs nothing. */
static bool take_watch(SchedImpl *s)
{
    SchedGroup *group = s->pub.group;
    /* Relaxed: heuristic; idle_slice_check asks again later. */
    if (atom_load_rlx(&group->idle) / IDLE_SLEEPER >= group->count)
        return false;
    uint32_t expected = 0;
    return atom_cas(&group->watcher, &expected, 1u);
}

static uint64_t sleep_length_ns(SchedImpl *s, uint64_t now_ns)
{
    uint64_t next_ns = wheel_next_ns(&s->wheel);
    uint64_t length_ns = UINT64_MAX;
    if (runq_length(s) > 0 || next_ns <= now_ns)
        length_ns = 0; /* the quiescent hook made work, or time has passed */
    else if (next_ns != UINT64_MAX)
        length_ns = next_ns - now_ns;
    if (s->watching && s->watch_ns < length_ns)
        length_ns = s->watch_ns;
    if (s->recall_ns != UINT64_MAX) {
        uint64_t left_ns = s->recall_ns > now_ns ? s->recall_ns - now_ns : 0;
        length_ns = left_ns < length_ns ? left_ns : length_ns;
    }
    return length_ns;
}

/* Registered and rechecked: sleeps until woken, a timer is due, or the nap on watch is over. */
static void sleep_until_needed(SchedImpl *s)
{
    SchedGroup *group = s->pub.group;
    idle_left(s);
    s->watching = take_watch(s);
    uint64_t length_ns = sleep_length_ns(s, sched_clock(&s->pub));
    if (length_ns > 0) {
        STAT_ADD(s, sleeps, 1);
        futex_wait(&s->sleep_state, SLEEP_ASLEEP, length_ns);
    }
    s->napped = s->watching || s->recall_ns != UINT64_MAX;
    if (s->watching) {
        s->watching = false;
        atom_store_rel(&group->watcher, 0u); /* the next idle one may take it */
        s->watch_ns = s->watch_ns * 2 > WATCH_NS_MAX ? WATCH_NS_MAX : s->watch_ns * 2;
    }
    idle_back(s);
    idle_unregister(s);
    s->pub.now_ns = sched_clock(&s->pub);
    if (group->count > 1 && stand_in_for_stuck(s, s->pub.now_ns))
        s->watch_ns = WATCH_NS_MIN;
}

static void sleep_unless_needed(SchedImpl *s)
{
    idle_register(s);
    if (idle_recheck(s))
        idle_unregister(s);
    else
        sleep_until_needed(s);
}

Task *idle_wait(SchedImpl *s)
{
    uint64_t start_ns = s->pub.now_ns = sched_clock(&s->pub);
    /* What the watcher came back for: a look at what has aged while it napped. */
    Task *task = idle_look(s);
    /* Spinning after each nap would turn the watch into a busy loop. */
    if (!task && !s->napped && idle_try_spin(s))
        task = spin(s);
    s->napped = false;
    if (!task && !timers_due(s, s->pub.now_ns)) {
        if (idle_chores(s))
            sleep_unless_needed(s);
        else
            s->napped = true;
    }
    if (task)
        s->watch_ns = WATCH_NS_MIN;
    s->pub.now_ns = sched_clock(&s->pub);
    STAT_ADD(s, idle_ns, s->pub.now_ns - start_ns);
    return task;
}

/* --- at the end of a slice
 * ---------------------------------------------------------------------- */

/* Something waited through the whole slice while nobody took from any queue. */
static bool queue_waited(const SchedImpl *s)
{
    return runq_head_sum(s) == s->slice_heads && runq_length(s) > 0 &&
           s->pub.now_ns - s->slice_start_ns >= STEAL_AGE_NS;
}

void idle_slice_check(SchedImpl *s)
{
    SchedGroup *group = s->pub.group;
    if (!sleeper_wanted(group)) /* after every slice, so a stale look only delays */
        return;
    bool unwatched = s->stats.slices % WATCH_SLICES == 0 && atom_load_rlx(&group->watcher) == 0;
    if (unwatched || queue_waited(s))
        wake_other(s);
}
