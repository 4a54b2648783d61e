/* SPDX-License-Identifier: Apache-2.0 */
/* runq.c - run queues: one ring per level and scheduler, lists for what overflows, a stack for what
 * comes from outside, and stealing.
 * Threads: the owner pushes and takes; thieves take from rings by compare-and-swap on the head;
 * the global lists have a lock; any thread injects.
 * Invariant: a task is in at most one queue, and each taker of an index range of a ring is the one
 * whose compare-and-swap moved the head over it. */
#include <assert.h>

#include "sched_int.h"

_Static_assert((RING_SIZE & RING_MASK) == 0, "ring indices wrap by masking");
_Static_assert(LEVEL_COUNT * sizeof(RingEnds) <= CACHE_LINE, "a thief reads one line per victim");

/* --- rings ------------------------------------------------------------------------------------ */

static Task *slot_load(const SchedImpl *s, uint32_t level, uint32_t index)
{
    /* Relaxed: the acquire of `tail` (thief) or program order (owner) orders the content; a value
     * that was overwritten meanwhile is thrown away because the head has moved then. */
    return atom_load_rlx(&s->ring[level][index & RING_MASK]);
}

static void slot_store(SchedImpl *s, uint32_t level, uint32_t index, Task *task)
{
    /* Relaxed: published by the release of `tail`. */
    atom_store_rlx(&s->ring[level][index & RING_MASK], task);
}

static uint32_t ring_length(const SchedImpl *s, uint32_t level)
{
    /* Relaxed: a snapshot for heuristics and statistics. Head first: it only grows towards tail, so
     * a stale head gives too much, never a negative length. */
    uint32_t head = atom_load_rlx(&s->ends[level].head);
    uint32_t tail = atom_load_rlx(&s->ends[level].tail);
    return tail - head > RING_SIZE ? 0 : tail - head;
}

uint32_t runq_length(const SchedImpl *s)
{
    uint32_t n = 0;
    for (uint32_t level = 0; level < LEVEL_COUNT; level++)
        n += ring_length(s, level);
    /* Relaxed: a snapshot. */
    return n + (atom_load_rlx(&s->next_task) != NULL);
}

uint32_t runq_head_sum(const SchedImpl *s)
{
    uint32_t sum = 0;
    for (uint32_t level = 0; level < LEVEL_COUNT; level++)
        sum += atom_load_rlx(&s->ends[level].head); /* relaxed: compared with itself later */
    return sum;
}

Task *runq_pop(SchedImpl *s, uint32_t level)
{
    RingEnds *ends = &s->ends[level];
    uint32_t tail = atom_load_rlx(&ends->tail); /* relaxed: ours */
    /* Acquire pairs with a thief's compare-and-swap; only equality with tail matters. */
    uint32_t head = atom_load_acq(&ends->head);
    while (head != tail) {
        Task *task = slot_load(s, level, head);
        /* Claims the index; pairs with the thieves' claims. */
        if (atom_cas(&ends->head, &head, head + 1))
            return task;
    }
    s->nonempty &= ~(1u << level);
    return NULL;
}

/* Takes `n` entries from `head` on into `out`; false if somebody else moved the head. */
static bool ring_claim(SchedImpl *v, uint32_t level, uint32_t head, uint32_t n, Task **out)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = slot_load(v, level, head + i);
#ifdef MAGGIE_MUTANT_SCHED_STEAL_DUP
    return true;
#else
    /* Claims the range; pairs with the acquire of head in ring_push, which may then reuse it. */
    return atom_cas(&v->ends[level].head, &head, head + n);
#endif
}

static bool ring_push(SchedImpl *s, uint32_t level, Task *task)
{
    RingEnds *ends = &s->ends[level];
    uint32_t tail = atom_load_rlx(&ends->tail); /* relaxed: ours */
    /* Acquire: a thief that moved the head has read the slots below it. */
    if (tail - atom_load_acq(&ends->head) == RING_SIZE)
        return false;
    slot_store(s, level, tail, task);
    /* Publishes the slot, and the task itself, to thieves (acquire of tail in steal_ring). */
    atom_store_rel(&ends->tail, tail + 1);
    s->nonempty |= 1u << level;
    return true;
}

/* --- global lists ----------------------------------------------------------------------------- */

static void list_append(TaskList *list, Task *task)
{
    task->next = NULL;
    if (list->last)
        list->last->next = task;
    else
        list->first = task;
    list->last = task;
}

static Task *list_take(TaskList *list)
{
    Task *task = list->first;
    list->first = task->next;
    if (!list->first)
        list->last = NULL;
    return task;
}

/* --- batches of fresh tasks ------------------------------------------------------------------- */

/* Tasks that have not run yet and overflow at normal level are kept apart, in batches, and the
 * newest batch is taken first: a program that forks a tree of processes is then worked off depth
 * first, so that thousands of its processes live at once and not millions (skynet 1,000,000: 1.2 s
 * in order of creation). Nobody has talked to a fresh task yet, so order among them promises
 * nothing; every FRESH_OLDEST_TURN-th time the oldest batch is taken, so none waits for ever.
 *
 * The batches stand in a ring of the group. When it cannot grow, tasks go to the ordinary list. */
#define FRESH_OLDEST_TURN 8u
#define FRESH_LISTS_TURN 8u /* while fresh tasks wait, the lists come first this often */
#define FRESH_CAP_MIN 64u

static bool fresh_grow(SchedGroup *group)
{
    uint32_t cap = group->fresh_cap ? group->fresh_cap * 2 : FRESH_CAP_MIN;
    TaskList *bigger = env_alloc(group->env, cap * sizeof *bigger);
    if (!bigger)
        return false;
    for (uint32_t i = group->fresh_oldest; i != group->fresh_end; i++)
        bigger[i & (cap - 1)] = group->fresh[i & (group->fresh_cap - 1)];
    env_free(group->env, group->fresh, group->fresh_cap * sizeof *bigger);
    group->fresh = bigger;
    group->fresh_cap = cap;
    return true;
}

static bool fresh_push(SchedGroup *group, TaskList batch)
{
    if (group->fresh_end - group->fresh_oldest == group->fresh_cap && !fresh_grow(group))
        return false;
    group->fresh[group->fresh_end++ & (group->fresh_cap - 1)] = batch;
    return true;
}

static bool fresh_take(SchedGroup *group, TaskList *batch)
{
    if (group->fresh_end == group->fresh_oldest)
        return false;
    bool oldest = ++group->fresh_turn % FRESH_OLDEST_TURN == 0;
    uint32_t at = oldest ? group->fresh_oldest++ : --group->fresh_end;
    *batch = group->fresh[at & (group->fresh_cap - 1)];
    return true;
}

/* The ring is full: half of it and the new task go to the global lists, oldest first. */
static void ring_overflow(SchedImpl *s, uint32_t level, Task *task)
{
    SchedGroup *group = s->pub.group;
    Task *half[RING_SIZE / 2];
    /* Acquire as in runq_pop. */
    uint32_t head = atom_load_acq(&s->ends[level].head);
    uint32_t tail = atom_load_rlx(&s->ends[level].tail); /* relaxed: ours */
    uint32_t n = RING_SIZE / 2;
    if (tail - head < RING_SIZE || !ring_claim(s, level, head, n, half)) {
        /* Thieves made room meanwhile. */
        bool pushed = ring_push(s, level, task);
        assert(pushed);
        (void)pushed;
        return;
    }
    TaskList fresh = {NULL, NULL};
    lock_acquire(&group->global_lock);
    for (uint32_t i = 0; i < n; i++) {
        bool apart = half[i]->fresh && level == LEVEL_NORMAL;
        list_append(apart ? &fresh : &group->global[level], half[i]);
    }
    list_append(&group->global[level], task);
    if (fresh.first && !fresh_push(group, fresh)) {
        while (fresh.first)
            list_append(&group->global[level], list_take(&fresh));
    }
    /* Relaxed: a hint; the lock orders the lists. */
    atom_store_rlx(&group->global_count, group->global_count + n + 1);
    lock_release(&group->global_lock);
    STAT_ADD(s, overflows, 1);
}

/* First list to look at: the highest, but every eighth time the lowest, so that no level waits for
 * ever behind an endless higher one. */
static uint32_t global_level(SchedImpl *s, const SchedGroup *group)
{
    bool lowest = ++s->global_turn % 8 == 0;
    uint32_t found = LEVEL_COUNT;
    for (uint32_t level = 0; level < LEVEL_COUNT; level++) {
        if (group->global[level].first && (found == LEVEL_COUNT || lowest))
            found = level;
    }
    return found;
}

Task *runq_take_global(SchedImpl *s)
{
    SchedGroup *group = s->pub.group;
    /* Relaxed: a hint. What is added after this look is seen at the next pick or before
     * sleeping. */
    if (atom_load_rlx(&group->global_count) == 0)
        return NULL;
    lock_acquire(&group->global_lock);
    Task *task = NULL;
    uint32_t level = global_level(s, group);
    /* fresh tasks are of normal level: what is higher goes first, what is lower now and then */
    bool lists_first =
        level < LEVEL_NORMAL || (level < LEVEL_COUNT && s->global_turn % FRESH_LISTS_TURN == 0);
    bool room_for_batch = ring_length(s, LEVEL_NORMAL) < RING_SIZE / 2;
    TaskList batch;
    if (!lists_first && room_for_batch && fresh_take(group, &batch)) {
        uint32_t taken = 1;
        task = list_take(&batch);
        while (batch.first) {
            bool pushed = ring_push(s, LEVEL_NORMAL, list_take(&batch));
            assert(pushed);
            (void)pushed;
            taken++;
        }
        atom_store_rlx(&group->global_count, group->global_count - taken); /* relaxed: a hint */
    } else if (level < LEVEL_COUNT) {
        uint32_t share = group->global_count / group->count + 1;
        if (share > RING_SIZE / 2)
            share = RING_SIZE / 2;
        uint32_t taken = 1;
        task = list_take(&group->global[level]);
        while (taken < share && group->global[level].first &&
               ring_length(s, level) < RING_SIZE / 2) {
            bool pushed = ring_push(s, level, list_take(&group->global[level]));
            assert(pushed);
            (void)pushed;
            taken++;
        }
        atom_store_rlx(&group->global_count, group->global_count - taken); /* relaxed: a hint */
    }
    lock_release(&group->global_lock);
    return task;
}

/* --- pushing ---------------------------------------------------------------------------------- */

void runq_push(SchedImpl *s, Task *task, uint32_t level)
{
    bool overflow = !ring_push(s, level, task);
    if (overflow)
        ring_overflow(s, level, task);
    /* A short queue wakes nobody: it is usually gone before a sleeper could be there (a wake-up
     * costs 20 us). If it is not, the end of the slice notices (idle_slice_check). */
    if (s->pub.group->count == 1)
        return;
    if (overflow)
        idle_wake_if_needed(s->pub.group, s->pub.id);
    else if (ring_length(s, level) >= STEAL_MIN)
        idle_wake_for_queue(s);
}

/* A task whose slice is used up goes behind everybody: when tasks have overflowed into the global
 * list, that is the list's end. In its ring it would come round again before them, and a task that
 * keeps making others ready would starve most of what it makes. */
void runq_push_yielded(SchedImpl *s, Task *task, uint32_t level)
{
    SchedGroup *group = s->pub.group;
    /* Relaxed: a hint; missing an overflow once only means one more turn in the ring. */
    if (atom_load_rlx(&group->global_count) == 0) {
        runq_push(s, task, level);
        return;
    }
    lock_acquire(&group->global_lock);
    list_append(&group->global[level], task);
    atom_store_rlx(&group->global_count, group->global_count + 1); /* relaxed: a hint */
    lock_release(&group->global_lock);
}

void runq_inject(SchedGroup *group, Task *task)
{
    /* Relaxed: the compare-and-swap below checks it. */
    Task *top = atom_load_rlx(&group->inject);
    do {
        task->next = top;
        /* Publishes the task; pairs with the exchange in runq_take_injected. Taking is always of
         * the whole stack, so there is no ABA problem. */
    } while (!atom_cas_weak(&group->inject, &top, task));
    idle_wake_if_needed(group, 0);
}

bool runq_take_injected(SchedImpl *s)
{
    SchedGroup *group = s->pub.group;
    /* Relaxed: a hint; what comes later is seen at the next slice or before sleeping. */
    if (!atom_load_rlx(&group->inject))
        return false;
    /* Acquire pairs with runq_inject. */
    Task *task = atom_xchg(&group->inject, (Task *)NULL);
    Task *oldest = NULL;
    while (task) {
        Task *below = task->next;
        task->next = oldest;
        oldest = task;
        task = below;
    }
    bool any = oldest != NULL;
    while (oldest) {
        Task *next = oldest->next;
        runq_push(s, oldest, LEVEL_OF_PRIO(oldest->prio));
        oldest = next;
    }
    return any;
}

/* --- stealing --------------------------------------------------------------------------------- */

/* What s remembers of v; a new acquaintance starts with now. */
static Seen *seen_of(SchedImpl *s, const SchedImpl *v, uint64_t now_ns)
{
    Seen *seen = &s->seen[v->pub.id % s->seen_count];
    if (seen->victim != v->pub.id + 1) {
        seen->victim = v->pub.id + 1;
        for (uint32_t level = 0; level < LEVEL_COUNT; level++) {
            seen->head[level] = atom_load_rlx(&v->ends[level].head); /* relaxed: a heuristic */
            seen->head_ns[level] = now_ns;
        }
        seen->switches = atom_load_rlx(&v->switches); /* relaxed: a heuristic */
        seen->switches_ns = now_ns;
    }
    return seen;
}

uint64_t runq_unmoved_ns(SchedImpl *s, const SchedImpl *v, uint64_t now_ns)
{
    Seen *seen = seen_of(s, v, now_ns);
    /* Relaxed: a heuristic; taking the slot itself is by exchange. */
    uint64_t switches = atom_load_rlx(&v->switches);
    if (seen->switches != switches) {
        seen->switches = switches;
        seen->switches_ns = now_ns;
    }
    return now_ns - seen->switches_ns;
}

/* For how long this head has been the head, as far as s has seen. */
static uint64_t head_age_ns(Seen *seen, uint32_t level, uint32_t head, uint64_t now_ns)
{
    if (seen->head[level] != head) {
        seen->head[level] = head;
        seen->head_ns[level] = now_ns;
    }
    return now_ns - seen->head_ns[level];
}

/* Steals half of one ring: answers the oldest task, the others go to the own ring of that level. */
static Task *steal_ring(SchedImpl *s, SchedImpl *v, Seen *seen, uint32_t level, uint64_t now_ns)
{
    /* Acquire twice: head before tail, so the length is not negative; tail publishes the slots. */
    uint32_t head = atom_load_acq(&v->ends[level].head);
    uint32_t tail = atom_load_acq(&v->ends[level].tail);
    uint32_t n = tail - head;
    if (n == 0 || n > RING_SIZE)
        return NULL;
    uint64_t age_ns = head_age_ns(seen, level, head, now_ns);
    if (n < STEAL_MIN && age_ns < STEAL_AGE_NS)
        return NULL;
    Task *got[RING_SIZE / 2];
    n -= n / 2;
    if (!ring_claim(v, level, head, n, got))
        return NULL;
    for (uint32_t i = 1; i < n; i++) {
        /* An idle thief's ring is empty, and it pushes at most half a ring. */
        bool pushed = ring_push(s, level, got[i]);
        assert(pushed);
        (void)pushed;
    }
    STAT_ADD(s, steals, 1);
    STAT_ADD(s, stolen, n);
    sim_event(s->pub.group, SIM_EVENT_STEAL, s->pub.id, (uint64_t)v->pub.id << 32 | n);
    return got[0];
}

static Task *steal_next(SchedImpl *s, SchedImpl *v, uint64_t now_ns)
{
    if (runq_unmoved_ns(s, v, now_ns) < STUCK_NEXT_NS)
        return NULL;
    /* Relaxed: a hint; the exchange decides. */
    if (!atom_load_rlx(&v->next_task))
        return NULL;
    /* Acquire pairs with the release that put it there. */
    Task *task = atom_xchg(&v->next_task, (Task *)NULL);
    if (task) {
        STAT_ADD(s, steals, 1);
        STAT_ADD(s, stolen, 1);
        sim_event(s->pub.group, SIM_EVENT_STEAL, s->pub.id, (uint64_t)v->pub.id << 32);
    }
    return task;
}

Task *runq_steal(SchedImpl *s, uint64_t now_ns)
{
    SchedGroup *group = s->pub.group;
    for (uint32_t k = 0; k < group->count; k++) {
        SchedImpl *v = group_sched(group, (s->steal_from + k) % group->count);
        if (v == s)
            continue;
        Seen *seen = seen_of(s, v, now_ns);
        Task *task = NULL;
        for (uint32_t level = 0; level < LEVEL_COUNT && !task; level++)
            task = steal_ring(s, v, seen, level, now_ns);
        if (!task)
            task = steal_next(s, v, now_ns);
        if (task) {
            s->steal_from = v->pub.id; /* where there was something there may be more */
            return task;
        }
    }
    assert(group->count > 0);
    s->steal_from = (s->steal_from + 1) % group->count;
    return NULL;
}
