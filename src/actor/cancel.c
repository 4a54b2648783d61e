/* SPDX-License-Identifier: Apache-2.0 */
/* cancel.c - cancellation contexts; see cancel.h.
 *
 * The flag of a context is set under its lock and never taken back. Whoever sets it stops the
 * context's timer, serves the done channel, wakes waiters (who wake the next ones, context_relay)
 * and goes on with the children. A list of children belongs to the parent's lock; a child leaves it
 * when it is cancelled from above, or destroyed. One lock at a time is held.
 * Threads: any. */
#include "cancel.h"

#include <stdio.h>

#include "actor_int.h"
#include "timer.h"

/* Contexts cancelled in one go, and levels of a tree that are walked without a task. */
#define SPREAD_PIECE 256
#define SPREAD_DEPTH 32

struct Context {
    Waitable w;
    struct Context *parent; /* counted */
    struct Context *child;  /* first; under the lock, like the next two of each child */
    struct Context *next;
    struct Context **prev; /* NULL: not on the parent's list */
    Channel *done;         /* under the lock; not counted, it counts us */
    bool served;           /* under the lock: somebody has taken on to serve `done` */
    Channel *closing;      /* counted: its receivers have not all been woken; the canceller's */
    ActorNode *node;
    uint64_t deadline_ns; /* UINT64_MAX: none */
    uint64_t wall_ns;
    Timer timer;
    Task task; /* cancels what is below, when that is much */
    uint32_t depth;
    uint8_t cancelled; /* atomic */
    bool forever;
    bool timed; /* the timer was started */
};

static Waitable *waitable(CancelContext *c) { return &c->w; }

/* A count of an object that may be on its way out. Under a lock that its destroy takes. */
static bool try_retain(OffHeap *object)
{
    uint32_t refs = atom_load_rlx(&object->refs); /* relaxed: the CAS decides */
    while (refs > 0)
        if (atom_cas_weak(&object->refs, &refs, refs + 1))
            return true;
    return false;
}

static bool flag(const CancelContext *c)
{
    return atom_load_acq(&c->cancelled) != 0; /* acquire: pairs with mark */
}

bool context_is_cancelled(const CancelContext *context)
{
    /* The timer may be a moment late; nobody shall see that. */
    if (context->deadline_ns != UINT64_MAX &&
        context->deadline_ns <= env_now_ns(context->node->config.env))
        return true;
    for (; context; context = context->parent)
        if (flag(context))
            return true;
    return false;
}

CancelContext *context_parent(const CancelContext *context) { return context->parent; }

bool context_deadline(const CancelContext *context, uint64_t *monotonic_ns, uint64_t *wall_ns)
{
    *monotonic_ns = context->deadline_ns;
    *wall_ns = context->wall_ns;
    return context->deadline_ns != UINT64_MAX;
}

/* ---- cancelling ----------------------------------------------------------------------------- */

/* Wakes a piece of those who wait; each of them does the same. */
static void context_relay(ActorCtx *cx, Waitable *w)
{
    WaitWakes wakes;
    wakes.n = 0;
    lock_acquire(&w->lock);
    if (flag((const CancelContext *)(const void *)w))
        (void)waitable_claim_all(w, WAIT_TAKE, WAIT_DONE, &wakes);
    lock_release(&w->lock);
    wakes_run(cx, &wakes, false);
}

/* One `true`, then it is closed. True: not all receivers have been woken. */
static bool serve_done(ActorCtx *cx, Channel *done)
{
    Fragment *item;
    /* Without memory it is only closed, which says the same to whoever asks isClosed. */
    if (channel_item(cx, NULL, VALUE_TRUE, &item, NULL) == STATUS_OK &&
        channel_send(cx, done, item) != STATUS_OK)
        fragment_free(&cx->heap, item);
    return channel_close_some(cx, done);
}

/* Sets the flag of one context and does what belongs to that. False: it was set already. */
static bool mark(ActorCtx *cx, CancelContext *c)
{
    Channel *done = NULL;
    lock_acquire(&c->w.lock);
    bool first = !c->cancelled && !c->forever;
    if (first) {
        /* release: pairs with flag; under the lock, so that nobody queues behind it */
        atom_store_rel(&c->cancelled, (uint8_t)1);
        if (c->done && !c->served && try_retain((OffHeap *)(void *)c->done)) {
            done = c->done;
            c->served = true;
        }
    }
    bool timed = c->timed;
    lock_release(&c->w.lock);
    if (!first)
        return false;
    if (timed)
        (void)timer_cancel(cx->sched, &c->timer);
    if (done && serve_done(cx, done))
        c->closing = done;
    else if (done)
        offheap_release(cx->heap.env, (OffHeap *)(void *)done);
    context_relay(cx, &c->w);
    return true;
}

static void list_remove(CancelContext *c)
{
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->prev = NULL;
}

/* A child, off the list, with a count; NULL: none is left. */
static CancelContext *take_child(CancelContext *c)
{
    lock_acquire(&c->w.lock);
    CancelContext *child;
    while ((child = c->child) != NULL) {
        list_remove(child);
        if (try_retain(&child->w.head))
            break;
    }
    lock_release(&c->w.lock);
    return child;
}

static void spread(ActorCtx *cx, CancelContext *top);

static TaskVerdict spread_task(Task *task, Sched *sched)
{
    CancelContext *c = (CancelContext *)(void *)((char *)task - offsetof(CancelContext, task));
    ActorCtx *cx = c->node->config.ctx_of(sched);
    sched->reds -= SPREAD_PIECE;
    if (c->closing) {
        if (channel_close_some(cx, c->closing))
            return TASK_YIELD;
        offheap_release(cx->heap.env, (OffHeap *)(void *)c->closing);
        c->closing = NULL;
    }
    spread(cx, c);
    return TASK_PARKED;
}

/* The rest below c by a task of its own (takes a count). Only who has marked c comes here. */
static void spread_later(ActorCtx *cx, CancelContext *c)
{
    task_init(&c->task, spread_task, TASK_PRIO_NORMAL, (uint32_t)c->w.number);
    sched_ready(cx->sched, cx->group, &c->task);
}

/* Cancels what is below a context that has been marked (takes a count). */
static void spread(ActorCtx *cx, CancelContext *top)
{
    CancelContext *path[SPREAD_DEPTH] = {top};
    unsigned depth = 1;
    for (int left = SPREAD_PIECE; depth > 0; left--) {
        CancelContext *c = path[depth - 1];
        if (left <= 0 || c->closing) {
            depth--;
            spread_later(cx, c);
            continue;
        }
        CancelContext *child = take_child(c);
        if (!child) {
            depth--;
            offheap_release(cx->heap.env, &c->w.head);
        } else if (!mark(cx, child)) {
            offheap_release(cx->heap.env, &child->w.head);
        } else if (depth == SPREAD_DEPTH) {
            spread_later(cx, child);
        } else {
            path[depth++] = child;
        }
    }
}

void context_cancel(ActorCtx *cx, CancelContext *context)
{
    if (!mark(cx, context))
        return;
    offheap_retain(&context->w.head);
    spread(cx, context);
}

/* ---- time ----------------------------------------------------------------------------------- */

static void context_free(HeapEnv *henv, CancelContext *c, Sched *self);

static void deadline_passed(Timer *timer, Sched *sched)
{
    CancelContext *c = (CancelContext *)(void *)((char *)timer - offsetof(CancelContext, timer));
    /* Its destroy waits in timer_cancel until we return, so the memory is there. */
    if (!try_retain(&c->w.head))
        return;
    ActorCtx *cx = c->node->config.ctx_of(sched);
    context_cancel(cx, c);
    if (atom_sub(&c->w.head.refs, 1u) == 1)
        context_free(cx->heap.env, c, sched); /* from within the timer's own call */
}

/* ---- as a Waitable -------------------------------------------------------------------------- */

static bool context_serve(ActorCtx *cx, Waitable *w, WaitNode *node, WaitWakes *wakes)
{
    (void)cx;
    (void)wakes;
    node->outcome = WAIT_DONE;
    /* An ancestor that is cancelled later comes to us as to every child. */
    return context_is_cancelled((const CancelContext *)(const void *)w);
}

static void context_give_back(ActorCtx *cx, Waitable *w, WaitNode *node)
{
    (void)cx;
    (void)w;
    (void)node; /* there is nothing to give back */
}

static size_t context_describe(const Waitable *w, char *out, size_t n)
{
    const CancelContext *c = (const CancelContext *)(const void *)w;
    int m = snprintf(out, n, "CancellationContext #%llu%s", (unsigned long long)w->number,
                     c->forever ? " (never cancelled)" : "");
    return m < 0 ? 0 : (size_t)m < n ? (size_t)m : n;
}

/* Frees a context and those above that only it kept. */
static void context_free(HeapEnv *henv, CancelContext *c, Sched *self)
{
    for (;;) {
        CancelContext *parent = c->parent;
        if (parent) {
            lock_acquire(&parent->w.lock);
            if (c->prev)
                list_remove(c);
            lock_release(&parent->w.lock);
        }
        /* At the end of the node the wheels are gone before the heaps. */
        if (c->timed && henv->buried_hook)
            (void)timer_cancel(self, &c->timer);
        env_free(henv->env, c, sizeof *c);
        if (!parent || atom_sub(&parent->w.head.refs, 1u) != 1)
            return;
        c = parent;
    }
}

static void context_destroy(HeapEnv *henv, OffHeap *object)
{
    context_free(henv, (CancelContext *)(void *)object, NULL);
}

const WaitableType context_type = {
    .offheap = {.name = "cancellation context", .destroy = context_destroy, .waitable = true},
    .serve = context_serve,
    .give_back = context_give_back,
    .relay = context_relay,
    .describe = context_describe,
};

/* ---- making --------------------------------------------------------------------------------- */

/* Before anybody else sees it. */
static void set_deadline(ActorCtx *cx, CancelContext *c, const CancelContext *parent, uint64_t ns)
{
    const Env *env = cx->node->config.env;
    uint64_t now = env_now_ns(env), wall = env_wall_ns(env);
    c->deadline_ns = ns == CONTEXT_NO_LIMIT || ns > UINT64_MAX - 1 - now ? UINT64_MAX : now + ns;
    c->wall_ns = ns > UINT64_MAX - wall ? UINT64_MAX : wall + ns;
    if (parent && parent->deadline_ns <= c->deadline_ns) {
        c->deadline_ns = parent->deadline_ns; /* which will cancel us */
        c->wall_ns = parent->wall_ns;
    }
    c->cancelled = ns == 0;
}

/* When the deadline is its own. The parent may be cancelling it by now. */
static void start_timer(ActorCtx *cx, CancelContext *c)
{
    if (c->deadline_ns == UINT64_MAX || (c->parent && c->parent->deadline_ns == c->deadline_ns) ||
        !cx->sched)
        return;
    lock_acquire(&c->w.lock);
    if (!c->cancelled) {
        timer_init(&c->timer, deadline_passed, NULL);
        c->timed = true;
        timer_start(cx->sched, &c->timer, c->deadline_ns);
    }
    lock_release(&c->w.lock);
}

static void join_parent(CancelContext *c, CancelContext *parent)
{
    offheap_retain(&parent->w.head);
    c->parent = parent;
    c->depth = parent->depth + 1;
    lock_acquire(&parent->w.lock);
    /* A parent that is cancelled already has no use for a list; we ask it. */
    if (!parent->cancelled) {
        c->next = parent->child;
        c->prev = &parent->child;
        if (c->next)
            c->next->prev = &c->next;
        parent->child = c;
    }
    lock_release(&parent->w.lock);
}

Status context_new(ActorCtx *cx, CancelContext *parent, uint64_t ns, bool forever,
                   CancelContext **out)
{
    if (parent && parent->depth >= CONTEXT_DEPTH_MAX)
        return STATUS_TOO_DEEP;
    CancelContext *c = env_calloc(cx->heap.env->env, sizeof *c);
    if (!c)
        return STATUS_NO_MEMORY;
    waitable_init(cx, waitable(c), &context_type);
    c->node = cx->node;
    c->forever = forever;
    actor_start_digging(cx);
    set_deadline(cx, c, parent, ns);
    if (parent)
        join_parent(c, parent);
    start_timer(cx, c);
    *out = c;
    return STATUS_OK;
}

static void done_gone(OffHeap *keeper, Channel *ch)
{
    CancelContext *c = (CancelContext *)(void *)keeper;
    lock_acquire(&c->w.lock);
    if (c->done == ch)
        c->done = NULL;
    lock_release(&c->w.lock);
}

Status context_done_channel(ActorCtx *cx, CancelContext *context, Channel **out)
{
    Channel *made;
    STATUS_FORWARD(channel_new(cx, 1, &made));
    lock_acquire(&context->w.lock);
    bool shared = context->done && try_retain((OffHeap *)(void *)context->done);
    bool serve = false;
    *out = shared ? context->done : made;
    if (!shared) {
        offheap_retain(&context->w.head);
        channel_set_keeper(made, &context->w.head, done_gone);
        context->done = made;
        context->served = serve = context_is_cancelled(context);
    }
    lock_release(&context->w.lock);
    if (shared)
        offheap_release(cx->heap.env, (OffHeap *)(void *)made);
    if (serve)
        (void)serve_done(cx, made); /* hardly anybody waits for it yet */
    return STATUS_OK;
}
