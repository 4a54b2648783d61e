/* SPDX-License-Identifier: Apache-2.0 */
/* waitable.c - queues of waiting processes on off-heap objects, and sets of cases; see waitable.h.
 *
 * The claim word of a set is 0 while it is open, 1 when its owner cancelled it, 2 + i when case i
 * was served. Only the change away from 0 is contended.
 *
 * Who unlinks a node: a completer that takes it from the queue, whether it then wins the claim or
 * not, or its owner in wait_end; both under the object's lock. The node that was claimed has been
 * unlinked before the claim, so its owner needs no lock to look at it.
 * Threads: as the header says. */
#include "waitable.h"

#include <stdio.h>
#include <string.h>

#include "actor_int.h"
#include "hash.h"
#include "rng.h"

enum { CLAIM_OPEN, CLAIM_CANCELLED, CLAIM_FIRST_CASE };

enum {
    WAIT_NODE_QUEUED = 1,
    WAIT_NODE_LOCKED = 2, /* wait_begin holds the object's lock for this node */
    WAIT_NODE_READY = 4   /* an own case that is ready */
};

struct WaitSet {
    uint32_t claim; /* atomic: CLAIM_* */
    uint16_t count;
    bool queued; /* the owner's: nodes may stand in queues */
    Process *process;
    WaitNode nodes[]; /* then, when count > 1, uint16_t order[count] */
};
_Static_assert(sizeof(WaitSet) + sizeof(WaitNode) <= 64, "a wait for one object is a small block");

static WaitSet *set_of(WaitNode *node)
{
    return (WaitSet *)(void *)((char *)(node - node->index) - offsetof(WaitSet, nodes));
}

static size_t set_bytes(unsigned count)
{
    return sizeof(WaitSet) + count * sizeof(WaitNode) + (count > 1 ? count * sizeof(uint16_t) : 0);
}

static uint16_t *set_order(WaitSet *set) { return (uint16_t *)(void *)&set->nodes[set->count]; }

/* ---- choices -------------------------------------------------------------------------------- */

uint32_t actor_choose(ActorCtx *cx, uint32_t n)
{
    if (n <= 1)
        return 0;
    if (sched_is_sim(cx->group))
        return sched_sim_choose(cx->group, n);
    if (__builtin_expect(cx->choices == 0, 0))
        cx->choices = env_random_u64(cx->node->config.env) | 1;
    Rng rng = {cx->choices};
    uint32_t choice = rng_below(&rng, n);
    cx->choices = rng.state;
    return choice;
}

/* ---- objects -------------------------------------------------------------------------------- */

/* Numbers a context takes at a time. */
#define NUMBER_BATCH 64u

static uint64_t next_number(ActorCtx *cx)
{
    if (cx->number == cx->number_end) {
        /* relaxed: only the numbers matter */
        cx->number = atom_add_rlx(&cx->node->numbers, (uint64_t)NUMBER_BATCH);
        cx->number_end = cx->number + NUMBER_BATCH;
    }
    return ++cx->number;
}

void waitable_init(ActorCtx *cx, Waitable *w, const WaitableType *type)
{
    memset(w, 0, sizeof *w);
    w->head.refs = 1;
    w->head.type = &type->offheap;
    w->number = next_number(cx);
    w->head.hash = (uint32_t)(hash_mix64(w->number) >> 34);
}

/* ---- queues, under the object's lock -------------------------------------------------------- */

static void queue_put(Waitable *w, WaitNode *node)
{
    WaitQueue *q = &w->queue[node->way];
    node->next = NULL;
    node->prev = q->last;
    if (q->last)
        q->last->next = node;
    else
        q->first = node;
    q->last = node;
    node->flags |= WAIT_NODE_QUEUED;
}

static void queue_remove(Waitable *w, WaitNode *node)
{
    WaitQueue *q = &w->queue[node->way];
    if (node->prev)
        node->prev->next = node->next;
    else
        q->first = node->next;
    if (node->next)
        node->next->prev = node->prev;
    else
        q->last = node->prev;
    node->flags &= (uint8_t)~WAIT_NODE_QUEUED;
}

/* The node is in no queue any more. True: its set is ours to serve by this case. */
static bool node_claim(WaitNode *node)
{
    uint32_t open = CLAIM_OPEN;
#ifdef MAGGIE_MUTANT_WAIT_CLAIM
    atom_store_rel(&set_of(node)->claim, (uint32_t)CLAIM_FIRST_CASE + node->index);
    return true;
#endif
    /* acq_rel: publishes item and outcome to the owner, whose acquire in wait_served (or in the
     * failing wait_cancel) finds the case */
    return atom_cas(&set_of(node)->claim, &open, (uint32_t)CLAIM_FIRST_CASE + node->index);
}

Process *waitable_claim(Waitable *w, WaitWay way, Fragment *item, unsigned outcome,
                        Fragment **taken)
{
    WaitNode *node;
    while ((node = w->queue[way].first) != NULL) {
        queue_remove(w, node);
        Process *p = set_of(node)->process;
        Fragment *own = node->item;
        node->outcome = (uint16_t)outcome;
        if (item)
            node->item = item;
        else if (taken)
            node->item = NULL;
        if (node_claim(node)) {
            if (taken)
                *taken = own;
            return p;
        }
        /* It has gone on by another way: its owner comes for what the node owns, under the lock. */
#ifdef MAGGIE_MUTANT_WAIT_ITEM_TWICE
        if (taken) {
            *taken = own;
            return p;
        }
#endif
        node->item = own;
    }
    return NULL;
}

bool waitable_claim_all(Waitable *w, WaitWay way, unsigned outcome, WaitWakes *wakes)
{
    while (!wakes_full(wakes)) {
        Process *p = waitable_claim(w, way, NULL, outcome, NULL);
        if (!p)
            return false;
        wakes_add(wakes, p);
    }
    return waitable_has(w, way);
}

void wakes_run(ActorCtx *cx, const WaitWakes *wakes, bool next)
{
#ifdef MAGGIE_MUTANT_WAIT_LOST_WAKEUP
    return;
#endif
    for (uint32_t i = 0; i < wakes->n; i++)
        process_unpark_next(cx, wakes->process[i], next && i == 0);
}

/* ---- sets ----------------------------------------------------------------------------------- */

Status wait_new(ActorCtx *cx, Process *p, unsigned count, WaitSet **out)
{
    if (count < 1 || count > WAIT_CASES_MAX)
        return STATUS_LIMIT;
    ProcessExt *ext;
    STATUS_FORWARD(process_ext(cx, p, &ext));
    assert(!ext->waiting);
    WaitSet *set = pool_alloc(cx->heap.pool, pool_class_of(set_bytes(count)));
    if (!set)
        return STATUS_NO_MEMORY;
    memset(set, 0, set_bytes(count));
    set->count = (uint16_t)count;
    set->process = p;
    for (unsigned i = 0; i < count; i++)
        set->nodes[i].index = (uint16_t)i;
    ext->waiting = set;
    ext->waits++;
    *out = set;
    return STATUS_OK;
}
_Static_assert(sizeof(WaitSet) + WAIT_CASES_MAX * (sizeof(WaitNode) + 2) <= POOL_SIZE_MAX,
               "a set is a pool block");

void wait_case(WaitSet *set, unsigned i, Waitable *on, WaitWay way, Fragment *item)
{
    WaitNode *node = &set->nodes[i];
    if (on)
        offheap_retain(&on->head);
    node->on = on;
    node->way = (uint8_t)way;
    node->item = item;
}

void wait_ready(WaitSet *set, unsigned i) { set->nodes[i].flags |= WAIT_NODE_READY; }

WaitNode *wait_node(WaitSet *set, unsigned i) { return &set->nodes[i]; }

Process *wait_process(WaitNode *node) { return set_of(node)->process; }

unsigned wait_count(const WaitSet *set) { return set->count; }

/* Moves order[at] down a heap of the first n, greatest address on top. */
static void sift(const WaitSet *set, uint16_t *order, unsigned at, unsigned n)
{
    for (;;) {
        unsigned child = 2 * at + 1;
        if (child >= n)
            return;
        if (child + 1 < n &&
            (uintptr_t)set->nodes[order[child]].on < (uintptr_t)set->nodes[order[child + 1]].on)
            child++;
        if ((uintptr_t)set->nodes[order[at]].on >= (uintptr_t)set->nodes[order[child]].on)
            return;
        uint16_t top = order[at];
        order[at] = order[child];
        order[child] = top;
        at = child;
    }
}

/* Heap sort: no recursion, no memory, no bad case. */
static void sort_by_address(WaitSet *set)
{
    uint16_t *order = set_order(set);
    unsigned n = set->count;
    for (unsigned i = 0; i < n; i++)
        order[i] = (uint16_t)i;
    for (unsigned i = n / 2; i-- > 0;)
        sift(set, order, i, n);
    while (n-- > 1) {
        uint16_t top = order[0];
        order[0] = order[n];
        order[n] = top;
        sift(set, order, 0, n);
    }
}

/* Each object once, in the order of addresses. */
static void lock_all(WaitSet *set)
{
    sort_by_address(set);
    const uint16_t *order = set_order(set);
    const Waitable *last = NULL;
    for (unsigned i = 0; i < set->count; i++) {
        WaitNode *node = &set->nodes[order[i]];
        if (node->on == last)
            continue;
        last = node->on;
        lock_acquire(&node->on->lock);
        node->flags |= WAIT_NODE_LOCKED;
    }
}

static void unlock_all(WaitSet *set)
{
    for (unsigned i = 0; i < set->count; i++) {
        WaitNode *node = &set->nodes[i];
        if (!(node->flags & WAIT_NODE_LOCKED))
            continue;
        node->flags &= (uint8_t)~WAIT_NODE_LOCKED;
        lock_release(&node->on->lock);
    }
}

/* Under the locks: tries the cases in random order, so that of those that can be served each is as
 * likely as the others. */
static uint32_t serve_any(ActorCtx *cx, WaitSet *set, WaitWakes *wakes)
{
    uint16_t *order = set_order(set);
    /* From the cases' own order: that of the addresses differs between runs of one seed. */
    for (unsigned i = 0; i < set->count; i++)
        order[i] = (uint16_t)i;
    for (unsigned left = set->count; left > 0; left--) {
        unsigned at = actor_choose(cx, left);
#ifdef MAGGIE_MUTANT_WAIT_FIRST_READY
        at = 0;
#endif
        unsigned i = order[at];
        order[at] = order[left - 1];
        WaitNode *node = &set->nodes[i];
        if (node->on ? waitable_type(node->on)->serve(cx, node->on, node, wakes)
                     : (node->flags & WAIT_NODE_READY) != 0)
            return i;
    }
    return WAIT_NONE;
}

static uint32_t begin_one(ActorCtx *cx, WaitSet *set, bool stay, WaitWakes *wakes)
{
    WaitNode *node = &set->nodes[0];
    if (!node->on)
        return node->flags & WAIT_NODE_READY ? 0 : WAIT_NONE;
    lock_acquire(&node->on->lock);
    bool served = waitable_type(node->on)->serve(cx, node->on, node, wakes);
    if (!served && stay) {
        set->queued = true;
        queue_put(node->on, node);
    }
    lock_release(&node->on->lock);
    return served ? 0 : WAIT_NONE;
}

static uint32_t begin_many(ActorCtx *cx, WaitSet *set, bool stay, WaitWakes *wakes)
{
    lock_all(set);
    uint32_t served = serve_any(cx, set, wakes);
    if (served == WAIT_NONE && stay) {
        set->queued = true;
        for (unsigned i = 0; i < set->count; i++)
            if (set->nodes[i].on)
                queue_put(set->nodes[i].on, &set->nodes[i]);
    }
    unlock_all(set);
    return served;
}

uint32_t wait_begin(ActorCtx *cx, WaitSet *set, bool stay)
{
    WaitWakes wakes = {.n = 0};
    uint32_t served =
        set->count == 1 ? begin_one(cx, set, stay, &wakes) : begin_many(cx, set, stay, &wakes);
    if (served != WAIT_NONE)
        atom_store_rlx(&set->claim, CLAIM_FIRST_CASE + served); /* relaxed: it is queued nowhere */
    wakes_run(cx, &wakes, true);
    return served;
}

uint32_t wait_served(const WaitSet *set)
{
    uint32_t claim = atom_load_acq(&set->claim); /* acquire: pairs with node_claim */
    return claim >= CLAIM_FIRST_CASE ? claim - CLAIM_FIRST_CASE : WAIT_NONE;
}

bool wait_cancel(WaitSet *set)
{
    uint32_t open = CLAIM_OPEN;
    /* acq_rel: a completer's failing claim knows that we have gone on; ours, failing, sees what
     * the completer wrote */
    return atom_cas(&set->claim, &open, (uint32_t)CLAIM_CANCELLED) || open == CLAIM_CANCELLED;
}

static void node_leave(WaitNode *node)
{
    lock_acquire(&node->on->lock);
    if (node->flags & WAIT_NODE_QUEUED)
        queue_remove(node->on, node);
    lock_release(&node->on->lock);
}

void wait_end(ActorCtx *cx, WaitSet *set)
{
    uint32_t served = wait_served(set);
    for (unsigned i = 0; i < set->count; i++) {
        WaitNode *node = &set->nodes[i];
        if (node->on) {
#ifndef MAGGIE_MUTANT_WAIT_NOT_LEFT
            if (set->queued && i != served)
                node_leave(node);
#endif
            if (i == served && waitable_type(node->on)->relay)
                waitable_type(node->on)->relay(cx, node->on);
            offheap_release(cx->heap.env, &node->on->head);
        }
#ifndef MAGGIE_MUTANT_WAIT_ITEM_KEPT
        if (node->item)
            fragment_free(&cx->heap, node->item);
#endif
    }
    set->process->ext->waiting = NULL;
    pool_free(cx->heap.pool, set, pool_class_of(set_bytes(set->count)));
}

void wait_abandon(ActorCtx *cx, WaitSet *set)
{
    if (!wait_cancel(set)) {
        WaitNode *node = &set->nodes[wait_served(set)];
        if (node->on)
            waitable_type(node->on)->give_back(cx, node->on, node);
        node->item = NULL;
    }
    wait_end(cx, set);
}

void process_stop_waiting(ActorCtx *cx, Process *p)
{
    if (p->ext && p->ext->waiting)
        wait_abandon(cx, p->ext->waiting);
}

Value wait_blocker(const Process *p)
{
    WaitSet *set = p->ext ? p->ext->waiting : NULL;
    if (!set || set->count != 1 || !set->nodes[0].on || wait_served(set) != WAIT_NONE)
        return VALUE_NIL;
    Waitable *w = set->nodes[0].on;
    if (!waitable_type(w)->owner)
        return VALUE_NIL;
    lock_acquire(&w->lock);
    Value owner = waitable_type(w)->owner(w);
    lock_release(&w->lock);
    return owner;
}

unsigned wait_objects(const Process *p, WaitObject *out, unsigned max)
{
    const WaitSet *set = p->ext ? p->ext->waiting : NULL;
    if (!set || set->count > max || wait_served(set) != WAIT_NONE)
        return 0;
    for (unsigned i = 0; i < set->count; i++) {
        const Waitable *w = set->nodes[i].on;
        if (!w || !waitable_type(w)->counted || w->served_uncounted)
            return 0;
        /* relaxed: compared with what others tell, who stand still (System class>>deadlocks) */
        out[i] = (WaitObject){w->number, atom_load_rlx(&w->head.refs)};
#ifdef MAGGIE_MUTANT_INFO_REFS
        out[i].refs--; /* one that somebody else has */
#endif
    }
    return set->count;
}

/* Handles of a heap that are looked at: some tens of microseconds. */
#define WAIT_HANDLES_LOOK 4096u

typedef struct OwnCounts {
    const uint64_t *numbers;
    uint32_t *counts;
    unsigned n;
    uint32_t seen;
} OwnCounts;

static void own_count(OwnCounts *own, const Waitable *w)
{
    for (unsigned i = 0; i < own->n; i++)
        own->counts[i] += w->number == own->numbers[i];
}

static void own_handle(void *arg, OffHeap *head)
{
    ((OwnCounts *)arg)->seen++;
    if (head->type->waitable)
        own_count(arg, (const Waitable *)(const void *)head);
}

bool wait_own_counts(const Process *p, const uint64_t *numbers, uint32_t *counts, unsigned n,
                     uint32_t *seen)
{
    OwnCounts own = {numbers, counts, n, 0};
    const WaitSet *set = p->ext ? p->ext->waiting : NULL;
    memset(counts, 0, n * sizeof *counts);
    for (unsigned i = 0; set && i < set->count; i++, own.seen++)
        if (set->nodes[i].on)
            own_count(&own, set->nodes[i].on);
    bool all = heap_each_handle(&p->heap, WAIT_HANDLES_LOOK, own_handle, &own);
    *seen = own.seen;
    return all;
}

/* ---- for people ----------------------------------------------------------------------------- */

/* Cases named in a report. */
#define DESCRIBE_CASES 8u

size_t wait_describe(const Process *p, char *out, size_t n)
{
    WaitSet *set = p->ext ? p->ext->waiting : NULL;
    size_t at = 0;
    unsigned count = !set ? 0 : set->count < DESCRIBE_CASES ? set->count : DESCRIBE_CASES;
    for (unsigned i = 0; i < count && at < n; i++) {
        const WaitNode *node = &set->nodes[i];
        if (!node->on)
            continue;
        const char *lead = set->count == 1 ? "" : node->way == WAIT_GIVE ? "to " : "from ";
        int m = snprintf(out + at, n - at, "%s%s", at ? ", " : "", lead);
        at += m > 0 && (size_t)m < n - at ? (size_t)m : 0;
        lock_acquire(&node->on->lock);
        at += waitable_type(node->on)->describe(node->on, out + at, n - at);
        lock_release(&node->on->lock);
    }
    return at;
}
