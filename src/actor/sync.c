/* SPDX-License-Identifier: Apache-2.0 */
/* sync.c - mutexes, semaphores, wait groups; see sync.h.
 *
 * What a process holds stands on its list of holds (links.h), and each such hold counts the object.
 * A mutex embeds its hold, having one owner at most; between the moment in which it was handed to a
 * waiter and that waiter's next step the waiter's set takes the place of the hold (give_back).
 * Threads: as sync.h; fields under the object's lock, links of a hold by its process's owner. */
#include "sync.h"

#include <stdio.h>

#include "actor_int.h"
#include "links.h"

static size_t text_length(int m, size_t n) { return m < 0 ? 0 : (size_t)m < n ? (size_t)m : n; }

static void *object_new(ActorCtx *cx, size_t size, const WaitableType *type)
{
    Waitable *w = env_calloc(cx->heap.env->env, size);
    if (w)
        waitable_init(cx, w, type);
    return w;
}

/* ---- mutexes -------------------------------------------------------------------------------- */

struct Mutex {
    Waitable w;
    Value owner; /* pid, or VALUE_NIL; written under the lock, atomic */
    bool died;   /* the last owner ended while it held it */
    ProcessHold hold;
};

static Mutex *mutex_of_hold(ProcessHold *hold)
{
    return (Mutex *)(void *)((char *)hold - offsetof(Mutex, hold));
}

/* Under the lock, when it is free. */
static unsigned mutex_take(Mutex *m, Value pid)
{
    unsigned outcome = m->died ? WAIT_OWNER_DIED : WAIT_DONE;
    atom_store_rlx(&m->owner, pid); /* relaxed: others look under the lock */
    m->died = false;
    return outcome;
}

/* Hands it to the next in line. A waiter cannot end before its pid has been noted: its end takes
 * this lock (give_back, or the hold's ended). */
static void mutex_pass(ActorCtx *cx, Mutex *m, bool died)
{
    WaitWakes wakes;
    wakes.n = 0;
    lock_acquire(&m->w.lock);
    Process *next =
        waitable_claim(&m->w, WAIT_TAKE, NULL, died ? WAIT_OWNER_DIED : WAIT_DONE, NULL);
    atom_store_rlx(&m->owner, next ? next->pid : VALUE_NIL); /* relaxed: as in mutex_take */
    m->died = !next && died;
    if (next)
        wakes_add(&wakes, next);
    lock_release(&m->w.lock);
    wakes_run(cx, &wakes, true);
}

static void mutex_owner_ended(ActorCtx *cx, Process *p, ProcessHold *hold)
{
    (void)p;
    Mutex *m = mutex_of_hold(hold);
#ifndef MAGGIE_MUTANT_SYNC_OWNER_KEPT
    mutex_pass(cx, m, true);
#endif
    offheap_release(cx->heap.env, &m->w.head);
}

static const ProcessHoldType mutex_hold_type = {.ended = mutex_owner_ended};

void mutex_locked(ActorCtx *cx, Process *p, Mutex *m)
{
    offheap_retain(&m->w.head);
    m->hold.type = &mutex_hold_type;
    Status status = process_hold_add(cx, p, &m->hold);
    assert(status == STATUS_OK); /* p has its extension */
    (void)status;
}

Status mutex_lock(ActorCtx *cx, Process *p, Mutex *m, unsigned *outcome)
{
    ProcessExt *ext;
    STATUS_FORWARD(process_ext(cx, p, &ext));
    lock_acquire(&m->w.lock);
    Value owner = m->owner;
    if (owner == VALUE_NIL)
        *outcome = mutex_take(m, p->pid);
    lock_release(&m->w.lock);
    if (owner != VALUE_NIL)
        return owner == p->pid ? STATUS_EXISTS : STATUS_BUSY;
    mutex_locked(cx, p, m);
    return STATUS_OK;
}

Status mutex_unlock(ActorCtx *cx, Process *p, Mutex *m)
{
    /* relaxed: p is the owner exactly if it reads its own pid here, for it was p that wrote it, or
     * who handed it over, whom p has met since */
    Value owner = atom_load_rlx(&m->owner);
    if (owner == VALUE_NIL)
        return STATUS_NOT_FOUND;
    if (owner != p->pid)
        return STATUS_DENIED;
    process_hold_remove(p, &m->hold);
    mutex_pass(cx, m, false);
    offheap_release(cx->heap.env, &m->w.head);
    return STATUS_OK;
}

Value mutex_owner(Mutex *m)
{
    lock_acquire(&m->w.lock);
    Value owner = m->owner;
    lock_release(&m->w.lock);
    return owner;
}

static bool mutex_serve(ActorCtx *cx, Waitable *w, WaitNode *node, WaitWakes *wakes)
{
    (void)cx;
    (void)wakes;
    Mutex *m = (Mutex *)(void *)w;
    if (m->owner != VALUE_NIL)
        return false;
    node->outcome = (uint16_t)mutex_take(m, wait_process(node)->pid);
    return true;
}

static void mutex_give_back(ActorCtx *cx, Waitable *w, WaitNode *node)
{
    /* It did nothing under the lock; what it would have been told, the next is told. */
    mutex_pass(cx, (Mutex *)(void *)w, node->outcome == WAIT_OWNER_DIED);
}

static size_t mutex_describe(const Waitable *w, char *out, size_t n)
{
    const Mutex *m = (const Mutex *)(const void *)w;
    char pid[PROCESS_PID_TEXT] = "nobody";
    if (m->owner != VALUE_NIL)
        process_pid_text(m->owner, pid);
    return text_length(
        snprintf(out, n, "Mutex #%llu (held by %s)", (unsigned long long)w->number, pid), n);
}

static void mutex_destroy(HeapEnv *henv, OffHeap *object)
{
    env_free(henv->env, object, sizeof(Mutex));
}

static Value mutex_owner_locked(const Waitable *w)
{
    return ((const Mutex *)(const void *)w)->owner;
}

const WaitableType mutex_type = {
    /* Not for select: its owner must be noted. */
    .offheap = {.name = "mutex", .destroy = mutex_destroy, .waitable = false},
    .serve = mutex_serve,
    .give_back = mutex_give_back,
    .describe = mutex_describe,
    .owner = mutex_owner_locked,
};

Status mutex_new(ActorCtx *cx, Mutex **out)
{
    Mutex *m = object_new(cx, sizeof *m, &mutex_type);
    if (!m)
        return STATUS_NO_MEMORY;
    m->owner = VALUE_NIL;
    *out = m;
    return STATUS_OK;
}

/* ---- holds that are blocks of their own ----------------------------------------------------- */

typedef struct CountedHold {
    ProcessHold hold; /* first */
    Waitable *on;     /* counted */
} CountedHold;

static Status counted_hold_add(ActorCtx *cx, Process *p, Waitable *w, const ProcessHoldType *type)
{
    CountedHold *h = pool_alloc(cx->heap.pool, pool_class_of(sizeof *h));
    if (!h)
        return STATUS_NO_MEMORY;
    *h = (CountedHold){.hold = {.type = type}, .on = w};
    offheap_retain(&w->head);
    Status status = process_hold_add(cx, p, &h->hold);
    if (status == STATUS_OK)
        return STATUS_OK;
    offheap_release(cx->heap.env, &w->head);
    pool_free(cx->heap.pool, h, pool_class_of(sizeof *h));
    return status;
}

static void counted_hold_free(ActorCtx *cx, CountedHold *h)
{
    offheap_release(cx->heap.env, &h->on->head);
    pool_free(cx->heap.pool, h, pool_class_of(sizeof *h));
}

/* ---- semaphores ----------------------------------------------------------------------------- */

struct Semaphore {
    Waitable w;
    int64_t available;
    int64_t capacity;
};

Status semaphore_try(Semaphore *s)
{
    lock_acquire(&s->w.lock);
    bool free = s->available > 0;
    s->available -= free;
    lock_release(&s->w.lock);
    return free ? STATUS_OK : STATUS_BUSY;
}

void semaphore_release(ActorCtx *cx, Semaphore *s)
{
    WaitWakes wakes;
    wakes.n = 0;
    lock_acquire(&s->w.lock);
    Process *next = waitable_claim(&s->w, WAIT_TAKE, NULL, WAIT_DONE, NULL);
    if (next)
        wakes_add(&wakes, next);
    else if (s->available < s->capacity)
        s->available++;
    lock_release(&s->w.lock);
    wakes_run(cx, &wakes, true);
}

static void permit_holder_ended(ActorCtx *cx, Process *p, ProcessHold *hold)
{
    (void)p;
    CountedHold *h = (CountedHold *)(void *)hold;
#ifndef MAGGIE_MUTANT_SYNC_PERMIT_KEPT
    semaphore_release(cx, (Semaphore *)(void *)h->on);
#endif
    counted_hold_free(cx, h);
}

static const ProcessHoldType permit_hold_type = {.ended = permit_holder_ended};

Status semaphore_hold(ActorCtx *cx, Process *p, Semaphore *s)
{
    return counted_hold_add(cx, p, &s->w, &permit_hold_type);
}

Status semaphore_let_go(ActorCtx *cx, Process *p, Semaphore *s)
{
    /* The newest come first, and critical sections are nested: it stands near the front. */
    for (ProcessHold *hold = p->ext ? p->ext->holds : NULL; hold; hold = hold->next) {
        CountedHold *h = (CountedHold *)(void *)hold;
        if (hold->type != &permit_hold_type || h->on != &s->w)
            continue;
        process_hold_remove(p, hold);
        semaphore_release(cx, s);
        counted_hold_free(cx, h);
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}

void semaphore_look(Semaphore *s, int64_t *available, int64_t *capacity)
{
    lock_acquire(&s->w.lock);
    *available = s->available;
    *capacity = s->capacity;
    lock_release(&s->w.lock);
}

static bool semaphore_serve(ActorCtx *cx, Waitable *w, WaitNode *node, WaitWakes *wakes)
{
    (void)cx;
    (void)wakes;
    Semaphore *s = (Semaphore *)(void *)w;
    if (s->available == 0)
        return false;
    s->available--;
    node->outcome = WAIT_DONE;
    return true;
}

static void semaphore_give_back(ActorCtx *cx, Waitable *w, WaitNode *node)
{
    (void)node;
    semaphore_release(cx, (Semaphore *)(void *)w);
}

static size_t semaphore_describe(const Waitable *w, char *out, size_t n)
{
    const Semaphore *s = (const Semaphore *)(const void *)w;
    return text_length(snprintf(out, n, "Semaphore #%llu (%lld of %lld available)",
                                (unsigned long long)w->number, (long long)s->available,
                                (long long)s->capacity),
                       n);
}

static void semaphore_destroy(HeapEnv *henv, OffHeap *object)
{
    env_free(henv->env, object, sizeof(Semaphore));
}

const WaitableType semaphore_type = {
    .offheap = {.name = "semaphore", .destroy = semaphore_destroy, .waitable = true},
    .serve = semaphore_serve,
    .give_back = semaphore_give_back,
    .describe = semaphore_describe,
    .counted = true,
};

Status semaphore_new(ActorCtx *cx, int64_t permits, Semaphore **out)
{
    Semaphore *s = object_new(cx, sizeof *s, &semaphore_type);
    if (!s)
        return STATUS_NO_MEMORY;
    s->available = s->capacity = permits > 0 ? permits : 1;
    *out = s;
    return STATUS_OK;
}

/* ---- wait groups ---------------------------------------------------------------------------- */

/* Waiters stand in the queue `way`. When the count comes to zero that queue is the one to be
 * released, and who comes later stands in the other: so a count that rises again at once holds up
 * nobody who was there before. */
struct WaitGroup {
    Waitable w;
    int64_t count;
    uint8_t way;
};

static void group_release_some(WaitGroup *g, WaitWakes *wakes)
{
    (void)waitable_claim_all(&g->w, g->way == WAIT_TAKE ? WAIT_GIVE : WAIT_TAKE, WAIT_DONE, wakes);
}

/* Under the lock: the count is zero. */
static void group_zero(ActorCtx *cx, WaitGroup *g, WaitWakes *wakes)
{
    /* Rare: those released at the zero before this one have not all been woken. Now they are. */
    for (;;) {
        group_release_some(g, wakes);
        if (!wakes_full(wakes))
            break;
        wakes_run(cx, wakes, false);
        wakes->n = 0;
    }
    g->way = g->way == WAIT_TAKE ? WAIT_GIVE : WAIT_TAKE;
    group_release_some(g, wakes);
}

Status wait_group_add(ActorCtx *cx, WaitGroup *g, int64_t change)
{
    WaitWakes wakes;
    wakes.n = 0;
    lock_acquire(&g->w.lock);
    int64_t count = g->count + change;
    bool fits = count >= 0 && count <= VALUE_INT_MAX;
    if (fits) {
        bool zero = g->count > 0 && count == 0;
        g->count = count;
        if (zero)
            group_zero(cx, g, &wakes);
    }
    lock_release(&g->w.lock);
    wakes_run(cx, &wakes, false);
    return fits ? STATUS_OK : STATUS_OUT_OF_RANGE;
}

/* The next piece of those whose wait is over. */
static void group_relay(ActorCtx *cx, Waitable *w)
{
    WaitWakes wakes;
    wakes.n = 0;
    lock_acquire(&w->lock);
    group_release_some((WaitGroup *)(void *)w, &wakes);
    lock_release(&w->lock);
    wakes_run(cx, &wakes, false);
}

static void member_ended(ActorCtx *cx, Process *p, ProcessHold *hold)
{
    (void)p;
    CountedHold *h = (CountedHold *)(void *)hold;
    /* Out of range only when somebody has said done for it. */
    Status status = wait_group_add(cx, (WaitGroup *)(void *)h->on, -1);
    (void)status;
    counted_hold_free(cx, h);
}

static const ProcessHoldType member_hold_type = {.ended = member_ended};

Status wait_group_join(ActorCtx *cx, Process *p, WaitGroup *g)
{
    return counted_hold_add(cx, p, &g->w, &member_hold_type);
}

int64_t wait_group_count(WaitGroup *g)
{
    lock_acquire(&g->w.lock);
    int64_t count = g->count;
    lock_release(&g->w.lock);
    return count;
}

static bool group_serve(ActorCtx *cx, Waitable *w, WaitNode *node, WaitWakes *wakes)
{
    (void)cx;
    (void)wakes;
    const WaitGroup *g = (const WaitGroup *)(const void *)w;
#ifndef MAGGIE_MUTANT_SYNC_ONE_WAY
    node->way = g->way; /* where it is queued when it must wait */
#endif
    node->outcome = WAIT_DONE;
    return g->count == 0;
}

static void group_give_back(ActorCtx *cx, Waitable *w, WaitNode *node)
{
    (void)cx;
    (void)w;
    (void)node; /* there is nothing to give back */
}

static size_t group_describe(const Waitable *w, char *out, size_t n)
{
    const WaitGroup *g = (const WaitGroup *)(const void *)w;
    return text_length(snprintf(out, n, "WaitGroup #%llu (count %lld)",
                                (unsigned long long)w->number, (long long)g->count),
                       n);
}

static void group_destroy(HeapEnv *henv, OffHeap *object)
{
    env_free(henv->env, object, sizeof(WaitGroup));
}

const WaitableType wait_group_type = {
    .offheap = {.name = "wait group", .destroy = group_destroy, .waitable = true},
    .serve = group_serve,
    .give_back = group_give_back,
    .relay = group_relay,
    .describe = group_describe,
    .counted = true,
};

Status wait_group_new(ActorCtx *cx, WaitGroup **out)
{
    WaitGroup *g = object_new(cx, sizeof *g, &wait_group_type);
    if (!g)
        return STATUS_NO_MEMORY;
    *out = g;
    return STATUS_OK;
}
