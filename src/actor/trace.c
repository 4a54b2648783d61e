/* SPDX-License-Identifier: Apache-2.0 */
/* trace.c - tracing sessions; see trace.h.
 * Threads: hooks by the owner of the process; a session's counts under its lock. */
#include "trace.h"

#include "actor_int.h"

typedef struct TraceHook {
    struct TraceHook *next;
    Trace *trace; /* counted */
    unsigned what;
} TraceHook;

struct Trace {
    OffHeap head;     /* first */
    uint32_t stopped; /* atomic */
    ActorNode *node;
    Value owner;
    ProcessHold hold; /* on the owner's list, which then has a count */
    Trace *sibling;   /* its owner's, like ProcessExt.sessions */
    Grave grave;      /* of a closing that takes long; holds a count */
    Channel *events;  /* counted */
    TraceConfig config;
    uint64_t start_ns;
    bool listed; /* under the node's trace_lock, like the next two */
    Trace *next;
    Trace *prev;
    Lock lock; /* guards what follows */
    uint64_t second, in_second;
    uint64_t taken; /* events let through */
    uint64_t dropped;
    uint64_t told; /* of those dropped, in an event */
};

static bool trace_has_ended(const Trace *t)
{
    return atom_load_rlx(&t->stopped) != 0; /* relaxed: see trace.h */
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Under the node's trace_lock. */
static void new_list_remove(Trace *t)
{
    ActorNode *node = t->node;
    if (!t->listed)
        return;
    if (t->next)
        t->next->prev = t->prev;
    if (t->prev)
        t->prev->next = t->next;
    else
        node->traces_new = t->next;
    t->listed = false;
    node->ntraces_new--;
}

/* Under the node's trace_lock. */
static Status new_list_add(Trace *t)
{
    ActorNode *node = t->node;
    if (t->listed)
        return STATUS_OK;
    if (node->ntraces_new == TRACE_NEW_MAX)
        return STATUS_LIMIT;
    node->ntraces_new++;
    t->listed = true;
    t->prev = NULL;
    t->next = node->traces_new;
    if (t->next)
        t->next->prev = t;
    node->traces_new = t;
    return STATUS_OK;
}

/* Wakes a piece of those who wait for an event; whoever digs has an ActorCtx (dig.c). */
static bool close_piece(HeapCtx *heap, Grave *grave, size_t max)
{
    ActorCtx *cx = (ActorCtx *)(void *)((char *)heap - offsetof(ActorCtx, heap));
    Trace *t = (Trace *)(void *)((char *)grave - offsetof(Trace, grave));
    for (size_t woken = 0; woken < max; woken += WAIT_WAKES) {
        if (!channel_close_some(cx, t->events)) {
            offheap_release(heap->env, &t->head);
            return false;
        }
    }
    return true;
}

static void trace_end(ActorCtx *cx, Trace *t)
{
    /* acq_rel; only the number matters: the first one ends it */
    if (atom_xchg(&t->stopped, 1u) != 0)
        return;
    lock_acquire(&t->node->trace_lock);
    new_list_remove(t);
    lock_release(&t->node->trace_lock);
    (void)atom_sub_rlx(&t->node->tracing, 1u); /* relaxed: see trace.h */
#ifdef MAGGIE_MUTANT_TRACE_LOST_AT_STOP
    Fragment *f;
    while (channel_receive(cx, t->events, &f) == STATUS_OK)
        fragment_free(&cx->heap, f);
#endif
    /* Closed at once; as many pieces as processes wait for an event, the first one here. */
    if (channel_close_some(cx, t->events)) {
        offheap_retain(&t->head);
        t->grave.piece = close_piece;
        heap_bury_grave(cx->heap.env, &t->grave);
    }
}

/* Others may close the channel: that ends the session too. */
static bool trace_is_over(ActorCtx *cx, Trace *t)
{
    ChannelInfo info;
    channel_look(t->events, &info);
    if (info.closed)
        trace_end(cx, t);
    return trace_has_ended(t);
}

static Trace *trace_of_hold(ProcessHold *hold)
{
    return (Trace *)(void *)((char *)hold - offsetof(Trace, hold));
}

/* Owner: off the list of its sessions. */
static void disown(Process *p, const Trace *t)
{
    Trace **link = &p->ext->sessions;
    while (*link && *link != t)
        link = &(*link)->sibling;
    if (*link)
        *link = t->sibling;
}

/* Owner: gives up those of its sessions that have ended; answers how many there still are. */
static unsigned sessions_left(ActorCtx *cx, Process *p)
{
    unsigned n = 0;
    for (Trace *t = p->ext ? p->ext->sessions : NULL, *next; t; t = next) {
        next = t->sibling;
        if (!trace_is_over(cx, t)) {
            n++;
            continue;
        }
        disown(p, t);
        process_hold_remove(p, &t->hold);
        offheap_release(cx->heap.env, &t->head);
    }
    return n;
}

static void owner_ended(ActorCtx *cx, Process *p, ProcessHold *hold)
{
    Trace *t = trace_of_hold(hold);
    disown(p, t);
#ifndef MAGGIE_MUTANT_TRACE_OUTLIVES
    trace_end(cx, t);
#endif
    offheap_release(cx->heap.env, &t->head);
}

static bool hold_is_stale(const ProcessHold *hold)
{
    const Trace *t = (const Trace *)(const void *)((const char *)hold - offsetof(Trace, hold));
    return trace_has_ended(t);
}

static const ProcessHoldType hold_type = {.ended = owner_ended, .stale = hold_is_stale};

static void trace_destroy(HeapEnv *henv, OffHeap *object)
{
    Trace *t = (Trace *)(void *)object;
    offheap_release(henv, (OffHeap *)(void *)t->events);
    env_free(henv->env, t, sizeof *t);
}

const OffHeapType trace_type = {.name = "trace session", .destroy = trace_destroy};

Status trace_new(ActorCtx *cx, Process *p, const TraceConfig *config, Trace **out)
{
    const Env *env = cx->heap.env->env;
    if (sessions_left(cx, p) >= TRACE_OWNED_MAX)
        return STATUS_BUSY;
    Trace *t = env_calloc(env, sizeof *t);
    if (!t)
        return STATUS_NO_MEMORY;
    Status status = channel_new(cx, config->capacity, &t->events);
    if (status != STATUS_OK) {
        env_free(env, t, sizeof *t);
        return status;
    }
    t->head.refs = 1;
    t->head.type = &trace_type;
    t->node = cx->node;
    t->owner = p->pid;
    t->config = *config;
    t->start_ns = env_now_ns(cx->node->config.env);
    t->hold.type = &hold_type;
    status = process_hold_add(cx, p, &t->hold);
    if (status != STATUS_OK) {
        trace_destroy(cx->heap.env, &t->head);
        return status;
    }
    offheap_retain(&t->head);
    t->sibling = p->ext->sessions;
    p->ext->sessions = t;
    (void)atom_add_rlx(&cx->node->tracing, 1u); /* relaxed: see trace.h */
    *out = t;
    return STATUS_OK;
}

void trace_stop(ActorCtx *cx, Process *p, Trace *t)
{
    trace_end(cx, t);
    if (t->owner != p->pid || !t->hold.prev)
        return; /* of another owner: dropped as a stale hold, or at its end */
    disown(p, t);
    process_hold_remove(p, &t->hold);
    offheap_release(cx->heap.env, &t->head);
}

void trace_look(Trace *t, TraceInfo *info)
{
    ChannelInfo events;
    channel_look(t->events, &events);
    info->running = !trace_has_ended(t) && !events.closed;
    info->owner = t->owner;
    lock_acquire(&t->lock);
    info->delivered = t->taken;
    info->dropped = t->dropped;
    lock_release(&t->lock);
}

Channel *trace_events(Trace *t) { return t->events; }
unsigned trace_wants(const Trace *t) { return t->config.what; }

/* ---- hooks ---------------------------------------------------------------------------------- */

#define MAIL_F_TRACED                                                                              \
    (MAIL_F_TRACE_MAIL | MAIL_F_TRACE_SENDS | MAIL_F_TRACE_CALLS | MAIL_F_TRACE_LIFE)

static void refresh(Process *p)
{
    unsigned bits = 0;
    for (const TraceHook *h = p->ext->traces; h; h = h->next) {
        bits |= h->what & TRACE_RECEIVES ? MAIL_F_TRACE_MAIL : 0;
        bits |= h->what & TRACE_SENDS ? MAIL_F_TRACE_SENDS : 0;
        bits |= h->what & TRACE_CALLS ? MAIL_F_TRACE_CALLS : 0;
        bits |= h->what & (TRACE_SPAWNS | TRACE_EXITS | TRACE_LINKS | TRACE_CHILDREN)
                    ? MAIL_F_TRACE_LIFE
                    : 0;
    }
    p->mail = (uint8_t)((p->mail & ~(unsigned)MAIL_F_TRACED) | bits);
}

static void hook_free(ActorCtx *cx, TraceHook *h)
{
    offheap_release(cx->heap.env, &h->trace->head);
    pool_free(cx->heap.pool, h, pool_class_of(sizeof *h));
}

/* Removes the hook of t (NULL: of every session that has ended). */
static void unhook(ActorCtx *cx, Process *p, const Trace *t)
{
    if (!p->ext)
        return;
    for (TraceHook **link = &p->ext->traces; *link;) {
        TraceHook *h = *link;
        if (t ? h->trace != t : !trace_has_ended(h->trace)) {
            link = &h->next;
            continue;
        }
        *link = h->next;
        hook_free(cx, h);
    }
    refresh(p);
}

static void count_dropped(Trace *t)
{
    lock_acquire(&t->lock);
    t->dropped++;
    lock_release(&t->lock);
}

/* Without memory, or room for one more, the session is told that something is missing. */
static void hook(ActorCtx *cx, Process *p, Trace *t, unsigned what)
{
    ProcessExt *ext;
    unhook(cx, p, NULL);
    if (trace_has_ended(t) || t->owner == p->pid)
        return;
    if (process_ext(cx, p, &ext) != STATUS_OK) {
        count_dropped(t);
        return;
    }
    TraceHook *h = ext->traces;
    unsigned n = 0;
    for (; h && h->trace != t; h = h->next)
        n++;
    if (!h) {
        if (n < TRACE_HOOKS_MAX)
            h = pool_alloc(cx->heap.pool, pool_class_of(sizeof *h));
        if (!h) {
            count_dropped(t);
            return;
        }
        offheap_retain(&t->head);
        *h = (TraceHook){.next = ext->traces, .trace = t};
        ext->traces = h;
    }
    h->what = what;
    refresh(p);
}

void trace_free(ActorCtx *cx, ProcessExt *ext)
{
    while (ext->traces) {
        TraceHook *h = ext->traces;
        ext->traces = h->next;
        hook_free(cx, h);
    }
}

void trace_receive(ActorCtx *cx, Process *p, Fragment *f)
{
    Trace *t = trace_of(f->root);
    unsigned what = (unsigned)value_as_int(f->body[0]);
    if (what)
        hook(cx, p, t, what);
    else
        unhook(cx, p, t);
    fragment_free(&cx->heap, f);
}

Status trace_process(ActorCtx *cx, Process *p, Value handle, Value to, bool on, bool children)
{
    Trace *t = trace_of(handle);
    Fragment *f;
    if (t->owner == to)
        return STATUS_DENIED;
    if (trace_is_over(cx, t))
        return STATUS_CLOSED;
    if (!process_is_alive(cx->node, to))
        return STATUS_NO_PROCESS;
    STATUS_FORWARD(signal_new(cx, &p->heap, handle, SIGNAL_TRACE, 1, &f, NULL));
    unsigned what = t->config.what | (children ? TRACE_CHILDREN : 0u);
    f->body[0] = value_int(on ? what : 0);
    return signal_to(cx, to, f) ? STATUS_OK : STATUS_NO_PROCESS;
}

Status trace_new_processes(ActorCtx *cx, Trace *t, bool on)
{
    ActorNode *node = cx->node;
    Status status = STATUS_OK;
    bool over = trace_is_over(cx, t);
    lock_acquire(&node->trace_lock);
    if (!on)
        new_list_remove(t);
    else if (over || trace_has_ended(t)) /* if it ends from now on, it will be found on the list */
        status = STATUS_CLOSED;
    else
        status = new_list_add(t);
    lock_release(&node->trace_lock);
    return status;
}

/* ---- events --------------------------------------------------------------------------------- */

/* An event on its way. */
typedef struct Event {
    TraceKind kind;
    Value process;
    Value other;
    Value selector;
    Value payload;
    const Fragment *message; /* with the payload, to be copied; or NULL */
    bool is_message;         /* its root is a message object, else the payload */
    const Value *args;       /* of a call */
    unsigned argc;
    bool whole;
} Event;

static Value summary(Value v, bool *whole)
{
    if (!value_is_ptr(v))
        return v;
    *whole = false;
    return value_class(obj_class(obj_of(v)));
}

/* May another event be delivered? *lost is how many were not, since the last one. *last: it is the
 * end of the session. One that finds the channel closed by others (`stopped` is set before the
 * session closes it, and its lock orders the two) is dropped. */
static bool admit(Trace *t, uint64_t now, uint64_t *lost, bool *last)
{
    ChannelInfo room;
    channel_look(t->events, &room);
    uint64_t second = now / UINT64_C(1000000000);
    lock_acquire(&t->lock);
    if (t->second != second) {
        t->second = second;
        t->in_second = 0;
    }
    bool admitted =
        room.would_take && t->in_second < t->config.per_second && t->taken < t->config.total;
    if (admitted) {
        t->in_second++;
        *last = ++t->taken == t->config.total;
        *lost = t->dropped - t->told;
        t->told = t->dropped;
    } else if (!trace_has_ended(t) && t->taken < t->config.total) {
        *last = room.closed;
#ifndef MAGGIE_MUTANT_TRACE_DROPS_UNCOUNTED
        t->dropped++;
#endif
    }
    lock_release(&t->lock);
    return admitted;
}

/* It could not be delivered after all. */
static void take_back(Trace *t, uint64_t lost, bool closed)
{
    lock_acquire(&t->lock);
    t->taken--;
    t->told -= lost;
    t->dropped += !closed;
    lock_release(&t->lock);
}

#define EVENT_WORDS (1 + TRACE_EVENT_SLOTS)
_Static_assert(EVENT_WORDS + 1 + TRACE_ARGUMENTS <= FRAGMENT_EXTRA_MAX, "fits before a payload");

/* The message with room for the event in front, or a fragment with nothing but that. */
static Status event_fragment(ActorCtx *cx, const Event *e, Fragment **out)
{
    size_t extra = EVENT_WORDS + (e->args ? 1 + e->argc : 0);
    if (!e->message)
        return signal_new(cx, NULL, VALUE_NIL, SIGNAL_MESSAGE, extra, out, NULL);
    STATUS_FORWARD(fragment_duplicate_behind(e->message, &cx->heap, extra, out));
    (*out)->info = 0;
    process_map_home_tokens((*out)->body + extra, (*out)->body + (*out)->words, HOME_TOKEN_DEAD);
    return STATUS_OK;
}

static Value message_payload(Value root);

static void event_arguments(const Event *e, Object *array, bool *whole)
{
    array->header = obj_header(CLASS_ARRAY, e->argc, OBJ_SLOTS, 0);
    for (unsigned i = 0; i < e->argc; i++)
        array->words[i] = summary(e->args[i], whole);
}

static Fragment *event_make(ActorCtx *cx, const Event *e, const Trace *t, uint64_t now,
                            uint64_t lost)
{
    Fragment *f;
    if (event_fragment(cx, e, &f) != STATUS_OK)
        return NULL;
    Object *event = (Object *)f->body;
    bool whole = e->whole;
    Value payload = e->payload;
    if (e->message)
        payload = e->is_message ? message_payload(f->root) : f->root;
    if (e->args) {
        event_arguments(e, (Object *)(f->body + EVENT_WORDS), &whole);
        payload = value_ptr(f->body + EVENT_WORDS);
    }
    uint64_t micros = (now - t->start_ns) / 1000;
    event->header = obj_header(CLASS_ARRAY, TRACE_EVENT_SLOTS, OBJ_SLOTS, 0);
    event->words[TRACE_EVENT_KIND] = value_int(e->kind);
    event->words[TRACE_EVENT_TIME] = value_int((int64_t)(micros & (uint64_t)VALUE_INT_MAX));
    event->words[TRACE_EVENT_PROCESS] = e->process;
    event->words[TRACE_EVENT_OTHER] = e->other;
    event->words[TRACE_EVENT_SELECTOR] = e->selector;
    event->words[TRACE_EVENT_PAYLOAD] = payload;
    event->words[TRACE_EVENT_WHOLE] = value_bool(whole);
    event->words[TRACE_EVENT_LOST] = value_int((int64_t)(lost & (uint64_t)VALUE_INT_MAX));
    f->root = value_ptr(event);
    f->extra = 0; /* the words are objects like the others now */
    f->kind = SIGNAL_MESSAGE;
    return f;
}

static void deliver(ActorCtx *cx, Trace *t, const Event *e)
{
    uint64_t now = env_now_ns(cx->node->config.env), lost = 0;
    bool last = false;
    if (!admit(t, now, &lost, &last)) {
        if (last)
            trace_end(cx, t);
        return;
    }
    Fragment *f = event_make(cx, e, t, now, lost);
    Status status = f ? channel_send(cx, t->events, f) : STATUS_NO_MEMORY;
    if (status != STATUS_OK) {
        take_back(t, lost, trace_has_ended(t));
        if (f)
            fragment_free(&cx->heap, f);
    } else if (last) {
        trace_end(cx, t);
    }
}

static bool is_wanted(const Trace *t, uint32_t cls, uint32_t of, uint32_t selector)
{
    const TraceConfig *c = &t->config;
    bool wanted = c->nfilters == 0;
    for (uint32_t i = 0; i < c->nfilters && !wanted; i++) {
        const TraceFilter *f = &c->filters[i];
        bool same = f->cls == CLASS_NONE || f->cls == (cls & ~1u) || f->cls == (of & ~1u);
        wanted = same && (f->selector == UINT32_MAX || f->selector == selector);
    }
    return wanted;
}

/* Delivers to each session that wants events of `what`. */
static void emit(ActorCtx *cx, Process *p, unsigned what, const Event *e)
{
    bool ended = false;
    for (const TraceHook *h = p->ext->traces; h; h = h->next) {
        if (trace_has_ended(h->trace))
            ended = true;
        else if (h->what & what)
            deliver(cx, h->trace, e);
    }
    if (ended)
        unhook(cx, p, NULL);
}

/* ---- what happens --------------------------------------------------------------------------- */

static bool is_copied(const Fragment *f) { return f->words <= TRACE_PAYLOAD_WORDS && !f->handles; }

/* What a message of any class tells. */
static Value message_payload(Value root)
{
    uint32_t cls = obj_class(obj_of(root));
    bool end = cls == CLASS_EXIT_MESSAGE || cls == CLASS_DOWN_MESSAGE;
    return obj_of(root)->words[end ? END_REASON : MESSAGE_PAYLOAD];
}

void trace_sent(ActorCtx *cx, Process *p, Value to, Value selector, const Fragment *f,
                bool is_message)
{
    Event e = {.kind = TRACE_SENT,
               .process = p->pid,
               .other = to,
               .selector = selector,
               .is_message = is_message,
               .whole = true};
    Value payload = is_message ? message_payload(f->root) : f->root;
    if (value_is_ptr(payload) && is_copied(f))
        e.message = f;
    else
        e.payload = summary(payload, &e.whole);
    emit(cx, p, TRACE_SENDS, &e);
}

void trace_received(ActorCtx *cx, Process *p, const Fragment *f)
{
    const Value *slots = obj_of(f->root)->words;
    Event e = {.kind = TRACE_RECEIVED,
               .process = p->pid,
               .other = slots[MESSAGE_SENDER],
               .selector = slots[MESSAGE_SELECTOR],
               .is_message = true,
               .whole = true};
    Value payload = message_payload(f->root);
    if (value_is_ptr(payload) && is_copied(f))
        e.message = f;
    else
        e.payload = summary(payload, &e.whole);
    emit(cx, p, TRACE_RECEIVES, &e);
}

void trace_bond(ActorCtx *cx, Process *p, TraceKind kind, Value other)
{
    Event e = {.kind = kind,
               .process = p->pid,
               .other = other,
               .selector = VALUE_NIL,
               .payload = VALUE_NIL,
               .whole = true};
    emit(cx, p, TRACE_LINKS, &e);
}

void trace_exited(ActorCtx *cx, Process *p)
{
    Event e = {.kind = TRACE_EXITED,
               .process = p->pid,
               .other = process_exit_origin(p),
               .payload = VALUE_NIL,
               .whole = true};
    e.selector = summary(p->exit_reason, &e.whole);
    emit(cx, p, TRACE_EXITS, &e);
}

void trace_called(ActorCtx *cx, Process *p, uint32_t cls, uint32_t of, uint32_t selector,
                  const Value *args, unsigned argc)
{
    Event e = {.kind = TRACE_CALLED,
               .process = p->pid,
               .other = cls == CLASS_NONE ? VALUE_NIL : value_class(cls),
               .selector = value_symbol(selector),
               .payload = VALUE_NIL,
               .args = args,
               .argc = argc < TRACE_ARGUMENTS ? argc : TRACE_ARGUMENTS,
               .whole = argc <= TRACE_ARGUMENTS};
    bool ended = false;
    for (const TraceHook *h = p->ext ? p->ext->traces : NULL; h; h = h->next) {
        if (trace_has_ended(h->trace))
            ended = true;
        else if (h->what & TRACE_CALLS && is_wanted(h->trace, cls, of, selector))
            deliver(cx, h->trace, &e);
    }
    if (ended)
        unhook(cx, p, NULL);
}

static void inherit(ActorCtx *cx, Process *parent, Process *p)
{
    Event e = {.kind = TRACE_SPAWNED,
               .process = parent->pid,
               .other = p->pid,
               .selector = VALUE_NIL,
               .payload = VALUE_NIL,
               .whole = true};
    emit(cx, parent, TRACE_SPAWNS, &e);
    for (const TraceHook *h = parent->ext->traces; h; h = h->next)
        if (h->what & TRACE_CHILDREN)
            hook(cx, p, h->trace, h->what);
}

static bool is_hooked(const Process *p, const Trace *t)
{
    const TraceHook *h = p->ext ? p->ext->traces : NULL;
    while (h && h->trace != t)
        h = h->next;
    return h != NULL;
}

/* For the sessions that want every new process. */
static void hook_new(ActorCtx *cx, Process *p)
{
    ActorNode *node = cx->node;
    Trace *all[TRACE_NEW_MAX];
    uint32_t n = 0;
    lock_acquire(&node->trace_lock);
    for (Trace *t = node->traces_new; t; t = t->next) {
        offheap_retain(&t->head);
        all[n++] = t;
    }
    lock_release(&node->trace_lock);
    for (uint32_t i = 0; i < n; i++) {
        if (!is_hooked(p, all[i]))
            hook(cx, p, all[i], all[i]->config.what);
        offheap_release(cx->heap.env, &all[i]->head);
    }
}

void trace_started(ActorCtx *cx, Process *p)
{
    ActorNode *node = cx->node;
    Process *parent = process_of_pid(node, p->parent);
    if (parent && parent->mail & MAIL_F_TRACE_LIFE)
        inherit(cx, parent, p);
    hook_new(cx, p);
    if (!(p->mail & MAIL_F_TRACE_LIFE))
        return;
    Event e = {.kind = TRACE_STARTED,
               .process = p->pid,
               .other = p->parent,
               .selector = VALUE_NIL,
               .payload = VALUE_NIL,
               .whole = true};
    emit(cx, p, TRACE_SPAWNS, &e);
}
