/* SPDX-License-Identifier: Apache-2.0 */
/* mailbox.c - the signal queue of a process: any thread pushes, the owner takes, parks and closes.
 *
 * mbox_tail names the last signal, or the stub node, whose `next` is mbox_stub_next:
 *
 *   empty      tail = stub
 *   waiting    tail = stub | PARKED          the owner sleeps
 *   poked      tail = last or stub | POKED   something happened that is no signal
 *   filled     stub -> f1 -> f2 ... fn, tail = fn
 *   closed     tail = CLOSED, for good (until the slot is a new process)
 *
 * A producer exchanges tail for its node and then links the previous one to it; between the two the
 * chain is broken, which the owner must take for "not empty". The owner takes everything by
 * exchanging tail for the stub, and then walks a private chain.
 *
 * A producer that finds CLOSED owns the chain that grows behind its node until it exchanges CLOSED
 * back; it frees that chain. Several producers may in turn find CLOSED; their chains are disjoint.
 *
 * Orderings. Every change of tail is a read-modify-write with acquire and release, so each sees all
 * that was published by those before it in tail's modification order. `next` of a node is stored
 * with release by the producer behind it and loaded with acquire by whoever walks.
 *
 * Threads: process_push and process_unpark by any, everything else by the owner.
 * Invariant: the tags PARKED and CLOSED stand only where no unsorted signal is before them, and the
 * right to make a parked process ready belongs to whoever removed PARKED. */
#include "actor_int.h"

#include <sched.h>

#define LINK_SPINS 100

static inline uint64_t stub_word(const Process *p)
{
    return (uint64_t)(uintptr_t)&p->mbox_stub_next;
}

/* The `next` word of what a tail word names: a Fragment's first field, or the stub. */
static inline Fragment **tail_link(uint64_t tail)
{
    return (Fragment **)(uintptr_t)(tail & ~MBOX_TAGS);
}

/* The node behind, once its producer has linked it; NULL when that takes long (the producer has
 * been preempted between its two steps). */
static Fragment *link_wait(Fragment **link)
{
    for (int i = 0; i < LINK_SPINS; i++) {
        /* acquire: pairs with the release in push_node, publishes the node's contents */
        Fragment *next = atom_load_acq(link);
        if (next)
            return next;
        atom_stall();
    }
    return NULL;
}

/* The same for chains that must be finished now: lets other threads run until the link is there.
 * Bounded by the producer's two instructions. */
static Fragment *link_wait_long(Fragment **link)
{
    Fragment *next;
    while (!(next = link_wait(link)))
        sched_yield();
    return next;
}

/* Both steps of a push; answers the tail from before. */
static inline uint64_t push_node(Process *p, Fragment *f)
{
    /* relaxed: published by the exchange */
    atom_store_rlx(&f->next, NULL);
    /* acq_rel: publishes f's contents to the owner (who acquires through tail or through the link)
     * and, when PARKED is taken, sees all that the parked owner did (pairs with process_park) */
    uint64_t before = atom_xchg(&p->mbox_tail, (uint64_t)(uintptr_t)f);
    if (before != MBOX_CLOSED) {
        /* release: pairs with the acquire in link_wait */
        atom_store_rel(tail_link(before), f);
    }
    return before;
}

void mailbox_reclose(ActorCtx *cx, Process *p, Fragment *first)
{
#ifdef MAGGIE_MUTANT_MBOX_CLOSED
    signal_refuse(cx, first); /* as if nobody could have pushed meanwhile */
    atom_store_rel(&p->mbox_tail, MBOX_CLOSED);
    return;
#endif
    /* acq_rel: the chain up to here is ours; its links come by link_wait */
    uint64_t last = atom_xchg(&p->mbox_tail, MBOX_CLOSED);
    for (Fragment *f = first; f;) {
        bool end = &f->next == tail_link(last);
        Fragment *next = end ? NULL : link_wait_long(&f->next);
        signal_refuse(cx, f);
        f = next;
    }
}

/* The process was parked and the caller removed the tag. */
static inline void make_ready(Sched *self, SchedGroup *group, Process *p, bool next)
{
    if (next && self)
        sched_ready_next(self, &p->task);
    else
        sched_ready(self, group, &p->task);
}

bool process_push(ActorCtx *cx, Process *to, Fragment *signal, bool next)
{
#ifdef MAGGIE_LINK_MUTANTS
    uint8_t kind = signal->kind;
#endif
    uint64_t before = push_node(to, signal);
    if (__builtin_expect(before == MBOX_CLOSED, 0)) {
        mailbox_reclose(cx, to, signal);
        return false;
    }
#ifdef MAGGIE_LINK_MUTANTS
    if (LINK_MUTANT(cx->node, WAKEUP_LOST) && kind == SIGNAL_LINK_EXIT)
        return true;
#endif
    if (before & MBOX_PARKED)
        make_ready(cx->sched, cx->group, to, next);
    return true;
}

static void unpark(Sched *self, SchedGroup *group, Process *p, bool next)
{
    /* relaxed: the compare-and-swap below decides */
    uint64_t tail = atom_load_rlx(&p->mbox_tail);
    uint64_t want;
    do {
        if (tail == MBOX_CLOSED)
            return;
        want = tail & MBOX_PARKED ? tail & ~MBOX_PARKED : tail | MBOX_POKED;
        /* acq_rel, also when POKED is set already: what the caller published before (a timer that
         * fired, a job that ended) is seen by the owner's next read-modify-write of tail, which is
         * the one that takes POKED away or fails to park because of it. A plain look at tail would
         * not do: it could be older than the owner's look at the published word. */
    } while (!atom_cas_weak(&p->mbox_tail, &tail, want));
    if (tail & MBOX_PARKED)
        make_ready(self, group, p, next);
}

void process_unpark_in(Sched *self, SchedGroup *group, Process *p)
{
    unpark(self, group, p, false);
}

void process_unpark_next(ActorCtx *cx, Process *p, bool next)
{
    unpark(cx->sched, cx->group, p, next);
}

void process_unpark(ActorCtx *cx, Process *p) { process_unpark_in(cx->sched, cx->group, p); }

bool process_park(Process *p, ProcessWait why)
{
    if (p->mbox_walk || (p->flags & PROCESS_F_EXIT_PENDING))
        return false;
    heap_note_wait(&p->heap);
    /* relaxed: for tools that look while the process may run; exact once it is parked */
    atom_store_rlx(&p->wait, (uint8_t)why);
#ifdef MAGGIE_MUTANT_MBOX_LOST_WAKEUP
    (void)atom_and(&p->mbox_tail, ~MBOX_POKED);
#endif
    uint64_t empty = stub_word(p);
    /* acq_rel: publishes the process to whoever removes the tag (push_node, process_unpark_in);
     * fails when anything arrived or poked since the owner last emptied the mailbox */
    return atom_cas(&p->mbox_tail, &empty, empty | MBOX_PARKED);
}

/* Moves all that has arrived to the private chain. False when nothing has, or its first link is not
 * there yet. */
static bool take_all(Process *p)
{
    uint64_t stub = stub_word(p);
    /* relaxed: the exchange below acquires */
    uint64_t tail = atom_load_rlx(&p->mbox_tail);
    while ((tail & ~MBOX_TAGS) == stub) {
        /* acq_rel: takes a poke together with what was published before it */
        if (tail == stub || atom_cas(&p->mbox_tail, &tail, stub))
            return false;
    }
    Fragment *first = link_wait(&p->mbox_stub_next);
    if (!first)
        return false;
    /* relaxed: only the producer that follows the stub writes this word, the last one has done so,
     * and the next one comes after the exchange, which publishes it */
    atom_store_rlx(&p->mbox_stub_next, NULL);
    /* acq_rel: see push_node; also takes a poke */
    uint64_t last = atom_xchg(&p->mbox_tail, stub);
    p->mbox_walk = first;
    p->mbox_walk_last = (Fragment *)(void *)tail_link(last);
    return true;
}

Fragment *mailbox_next(Process *p)
{
    if (!p->mbox_walk && !take_all(p))
        return NULL;
    Fragment *f = p->mbox_walk;
    if (f == p->mbox_walk_last) {
        p->mbox_walk = p->mbox_walk_last = NULL;
        return f;
    }
    Fragment *next = link_wait(&f->next);
    if (!next)
        return NULL;
    /* a long chain is not in the cache: both lines of a small signal, while f is handled */
    __builtin_prefetch(next);
    __builtin_prefetch((const char *)next + 64);
    p->mbox_walk = next;
    return f;
}

void mailbox_put_back(Process *p, Fragment *f)
{
    if (!p->mbox_walk)
        p->mbox_walk_last = f; /* it was the last of them; otherwise it still is linked */
    p->mbox_walk = f;
}

void mailbox_open(Process *p)
{
    p->mbox_walk = p->mbox_walk_last = NULL;
    p->msg_first = NULL;
    p->msg_end = &p->msg_first;
    p->mail = 0;
    /* relaxed, these three: published with the tail below */
    atom_store_rlx(&p->nmessages, 0);
    atom_store_rlx(&p->task.crowded, (uint8_t)0);
    atom_store_rlx(&p->mbox_stub_next, NULL);
    /* release: a late process_unpark of the slot's former owner may look at any time; senders get
     * here only by the new pid */
    atom_store_rel(&p->mbox_tail, stub_word(p));
}

void mailbox_shut(Process *p)
{
    /* acq_rel: later pushes find CLOSED; what came before is ours */
    uint64_t last = atom_xchg(&p->mbox_tail, MBOX_CLOSED);
    if (last == MBOX_CLOSED || (last & ~MBOX_TAGS) == stub_word(p))
        return;
    Fragment *rest = link_wait_long(&p->mbox_stub_next);
    if (p->mbox_walk)
        /* relaxed: that chain is private */
        atom_store_rlx(&p->mbox_walk_last->next, rest);
    else
        p->mbox_walk = rest;
    p->mbox_walk_last = (Fragment *)(void *)tail_link(last);
}

Fragment *mailbox_drain(Process *p)
{
    Fragment *f = p->mbox_walk;
    if (f == p->mbox_walk_last)
        p->mbox_walk = p->mbox_walk_last = NULL;
    else
        p->mbox_walk = link_wait_long(&f->next);
    return f;
}

Fragment *mailbox_close(Process *p)
{
    mailbox_shut(p);
    Fragment *first = p->mbox_walk;
    while (mailbox_drain(p))
        ; /* until every link is there */
    return first;
}
