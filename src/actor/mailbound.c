/* SPDX-License-Identifier: Apache-2.0 */
/* mailbound.c - mailboxes with a limit; see mailbound.h.
 * Threads: as there. */
#include "mailbound.h"

#include <stdio.h>

#include "actor_int.h"

static MailBound *bound_of(Waitable *w) { return (MailBound *)(void *)w; }

/* ---- places --------------------------------------------------------------------------------- */

/* Tells the watcher of the first drop, and of each that doubles their number. A report takes a
 * place whether there is one or not. */
static void report_drop(ActorCtx *cx, const MailBound *b, Value watcher, uint64_t dropped)
{
    Fragment *f;
    Process *p = value_is_pid(watcher) ? process_of_pid(cx->node, watcher) : NULL;
    if (!p || (dropped & (dropped - 1)) != 0 || mail_bound(p) == b)
        return;
    /* The count stays, so a report that finds no memory is made up for by the next. */
    if (signal_new(cx, NULL, value_int((int64_t)dropped), SIGNAL_MESSAGE, SIGNAL_MESSAGE_EXTRA, &f,
                   NULL) != STATUS_OK)
        return;
    MailBound *his = mail_bound(p);
    if (his) {
        lock_acquire(&his->w.lock);
        his->count++;
        lock_release(&his->w.lock);
        f->info |= INBOX_RESERVED;
    }
    /* a watcher that has ended is none */
    (void)!process_send_fragment(cx, b->owner, watcher, cx->node->sym_dropped, f);
}

MailVerdict mail_enter(ActorCtx *cx, MailBound *b, bool may_wait)
{
    MailVerdict verdict = MAIL_ENTERED;
    lock_acquire(&b->w.lock);
    if (!b->closed && b->count >= b->limit) {
        if (b->policy == MAIL_POLICY_SUSPEND && may_wait)
            verdict = MAIL_MUST_WAIT;
        else if (b->policy == MAIL_POLICY_REJECT)
            verdict = MAIL_REFUSED;
        else if (b->policy == MAIL_POLICY_DROP_NEWEST)
            verdict = MAIL_DROPPED;
    }
    b->count += verdict == MAIL_ENTERED;
    b->refused += verdict == MAIL_REFUSED;
    uint64_t dropped = b->dropped += verdict == MAIL_DROPPED;
    Value watcher = b->watcher;
    lock_release(&b->w.lock);
    if (verdict == MAIL_DROPPED)
        report_drop(cx, b, watcher, dropped);
    return verdict;
}

/* What an owner trims in a fraction of a millisecond. */
#define MAIL_FAR_OVER 1024

bool mail_presses(MailBound *b)
{
#ifdef MAGGIE_MUTANT_MAIL_NO_PRESSURE
    return false;
#endif
    lock_acquire(&b->w.lock);
    bool far = b->policy == MAIL_POLICY_DROP_OLDEST && b->count > b->limit &&
               b->count - b->limit > MAIL_FAR_OVER;
    lock_release(&b->w.lock);
    return far;
}

void mail_leave(ActorCtx *cx, MailBound *b)
{
    WaitWakes wakes = {.n = 0};
    Fragment *taken;
    lock_acquire(&b->w.lock);
    Process *next =
        b->count <= b->limit ? waitable_claim(&b->w, WAIT_GIVE, NULL, WAIT_DONE, &taken) : NULL;
    if (next) {
#ifndef MAGGIE_MUTANT_MAIL_NO_WAKE
        wakes_add(&wakes, next); /* the place is its own now */
#endif
    } else if (b->count > 0) {
        b->count--;
    }
    lock_release(&b->w.lock);
    wakes_run(cx, &wakes, false);
}

/* ---- as a Waitable -------------------------------------------------------------------------- */

static bool mail_serve(ActorCtx *cx, Waitable *w, WaitNode *node, WaitWakes *wakes)
{
    MailBound *b = bound_of(w);
    (void)cx;
    (void)wakes;
    node->outcome = b->closed                          ? WAIT_CLOSED
                    : b->policy != MAIL_POLICY_SUSPEND ? MAIL_ASK_AGAIN
                                                       : WAIT_DONE;
    if (node->outcome != WAIT_DONE)
        return true;
    if (b->count >= b->limit)
        return false;
    b->count++;
    return true;
}

static void mail_give_back(ActorCtx *cx, Waitable *w, WaitNode *node)
{
    if (node->outcome == WAIT_DONE)
        mail_leave(cx, bound_of(w));
}

static size_t mail_describe(const Waitable *w, char *out, size_t n)
{
    const MailBound *b = (const MailBound *)(const void *)w;
    char pid[PROCESS_PID_TEXT];
    process_pid_text(b->owner, pid);
    int m = snprintf(out, n, "the mailbox of %s (%llu of %llu)", pid, (unsigned long long)b->count,
                     (unsigned long long)b->limit);
    return m < 0 ? 0 : (size_t)m < n ? (size_t)m : n;
}

/* Who does not receive keeps its senders waiting. */
static Value mail_owner(const Waitable *w)
{
    const MailBound *b = (const MailBound *)(const void *)w;
    return b->closed ? VALUE_NIL : b->owner;
}

static void mail_destroy(HeapEnv *henv, OffHeap *object)
{
    env_free(henv->env, object, sizeof(MailBound));
}

static const WaitableType mailbound_type = {
    .offheap = {.name = "mailbox", .destroy = mail_destroy, .waitable = true},
    .serve = mail_serve,
    .give_back = mail_give_back,
    .describe = mail_describe,
    .owner = mail_owner,
};

/* ---- the owner ------------------------------------------------------------------------------ */

/* Wakes who may go on now; pieces until all have been. */
static void wake_senders(ActorCtx *cx, MailBound *b, unsigned outcome)
{
    bool more = true;
    while (more) {
        WaitWakes wakes = {.n = 0};
        lock_acquire(&b->w.lock);
        more = waitable_claim_all(&b->w, WAIT_GIVE, outcome, &wakes);
        lock_release(&b->w.lock);
        wakes_run(cx, &wakes, false);
    }
}

/* Messages that are there already take a place each. */
static uint64_t reserve_old(Process *p)
{
    for (Fragment *f = p->msg_first; f; f = f->next)
        f->info |= INBOX_RESERVED;
    return p->nmessages;
}

Status mail_limit(ActorCtx *cx, Process *p, uint64_t limit, MailPolicy policy, Value watcher)
{
    MailBound *b = p->bound;
    if (!b) {
        b = env_calloc(cx->node->config.env, sizeof *b);
        if (!b)
            return STATUS_NO_MEMORY;
        waitable_init(cx, &b->w, &mailbound_type);
        b->owner = p->pid;
        b->count = reserve_old(p);
    }
    lock_acquire(&b->w.lock);
    b->limit = limit;
    b->policy = (uint8_t)policy;
    b->watcher = watcher;
    lock_release(&b->w.lock);
    p->mail |= MAIL_F_BOUNDED;
    /* release: publishes it to mail_bound */
    atom_store_rel(&p->bound, b);
    wake_senders(cx, b, MAIL_ASK_AGAIN);
    return STATUS_OK;
}

/* The oldest message that has a place. */
static Fragment **oldest_reserved(Process *p)
{
    Fragment **link = &p->msg_first;
    while (*link && !((*link)->info & INBOX_RESERVED))
        link = &(*link)->next;
    return *link ? link : NULL;
}

void mail_trim(ActorCtx *cx, Process *p)
{
    MailBound *b = p->bound;
    for (;;) {
        lock_acquire(&b->w.lock);
        bool over = b->count > b->limit;
        unsigned policy = b->policy;
        lock_release(&b->w.lock);
        if (!over)
            return;
        if (policy == MAIL_POLICY_KILL)
            signal_end_for(cx, p, cx->node->sym_mailbox_limit);
        Fragment **link = policy == MAIL_POLICY_DROP_OLDEST ? oldest_reserved(p) : NULL;
        if (!link)
            return;
        inbox_discard(cx, p, link);
        lock_acquire(&b->w.lock);
        uint64_t dropped = ++b->dropped;
        Value watcher = b->watcher;
        lock_release(&b->w.lock);
        report_drop(cx, b, watcher, dropped);
    }
}

static void bound_epoch_done(EpochEntry *entry, void *arg)
{
    MailBound *b = (MailBound *)(void *)((char *)entry - offsetof(MailBound, epoch));
    const ActorCtx *cx = arg;
    offheap_release(cx->heap.env, &b->w.head);
}

bool mail_close(ActorCtx *cx, Process *p, int32_t *left)
{
    MailBound *b = p->bound;
    while (b) {
        WaitWakes wakes = {.n = 0};
        lock_acquire(&b->w.lock);
        b->closed = true;
        bool more = waitable_claim_all(&b->w, WAIT_GIVE, WAIT_CLOSED, &wakes);
        lock_release(&b->w.lock);
        *left -= (int32_t)wakes.n;
        wakes_run(cx, &wakes, false);
        if (!more)
            break;
        if (*left <= 0)
            return false;
    }
    if (b) {
        atom_store_rel(&p->bound, (MailBound *)NULL); /* release: nothing new is published */
        epoch_defer(cx->epoch, &b->epoch, bound_epoch_done, cx);
    }
    return true;
}
