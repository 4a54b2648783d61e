/* SPDX-License-Identifier: Apache-2.0 */
/* signal.c - making signals, sending them, and what each kind does to the process that gets it.
 *
 * A signal is a Fragment: what it carries was copied out of the sender's heap (D1) and belongs to
 * nobody until the receiver adopts it. Between two processes all kinds travel in one queue, so they
 * arrive in the order sent (I7).
 *
 * Threads: senders inside an epoch section; process_fetch_signals by the owner. */
#include "actor_int.h"

/* Signals sorted even when the slice is used up, so that each call makes progress. */
#define FETCH_MIN 64

/* Fewer messages than this, all lighter than that, are not counted against the heap cap. */
#define MAIL_COUNT_FROM 256
#define MAIL_HEAVY_WORDS 1024

Status signal_new(ActorCtx *cx, Heap *source, Value root, SignalKind kind, size_t extra,
                  Fragment **out, Value *culprit)
{
    STATUS_FORWARD(fragment_copy_out(source, &cx->heap, root, extra, out, culprit));
    (*out)->kind = (uint8_t)kind;
    return STATUS_OK;
}

/* ---- home tokens ---------------------------------------------------------------------------- */

void process_map_home_tokens(Value *first, const Value *end, Value token)
{
    for (Value *w = first; w < end;) {
        Object *o = (Object *)w;
        w += obj_total_words(o);
        if (obj_kind(o) != OBJ_CLOSURE)
            continue;
        Value *slots = obj_slots(o);
        size_t n = obj_words(o);
        for (size_t i = CLOSURE_FIRST_CAPTURE; i < n; i++)
            if (value_tag(slots[i]) == VALUE_TAG_SPECIAL && slots[i] >= HOME_TOKEN_FORK)
                slots[i] = token;
    }
}

/* In a message: ^ cannot return. */
static void detach_closures(Fragment *f)
{
    if (f->words > f->extra)
        process_map_home_tokens(f->body + f->extra, f->body + f->words, HOME_TOKEN_DEAD);
}

/* ---- sending -------------------------------------------------------------------------------- */

/* Writes the MailboxMessage into the words in front of the payload, and makes it the root. */
static void message_finish(Fragment *f, Value sender, Value selector)
{
    Object *message = (Object *)f->body;
    message->header = obj_header(CLASS_MAILBOX_MESSAGE, 3, OBJ_SLOTS, 0);
    message->words[0] = sender;
    message->words[1] = selector;
    message->words[2] = f->root;
    f->root = value_ptr(message);
    f->extra = 0; /* the words are an object like the others now */
}

Status process_send_fragment(ActorCtx *cx, Value sender, Value to, Value selector, Fragment *f)
{
    Process *receiver = process_of_pid(cx->node, to);
    if (!receiver) {
        fragment_free(&cx->heap, f);
        return STATUS_NO_PROCESS;
    }
    detach_closures(f);
    message_finish(f, sender, selector);
    f->kind = SIGNAL_MESSAGE;
    /* A receiver that waits runs next: it has the message in the cache. */
    return process_push(cx, receiver, f, true) ? STATUS_OK : STATUS_NO_PROCESS;
}

Status process_send(ActorCtx *cx, Process *from, Value to, Value selector, Value message,
                    Value *culprit)
{
    cx->copied_words = 0;
    /* Before the copy: sending to the dead is cheap. */
    if (!process_is_alive(cx->node, to))
        return STATUS_NO_PROCESS;
    Fragment *f;
    STATUS_FORWARD(signal_new(cx, from ? &from->heap : NULL, message, SIGNAL_MESSAGE,
                              SIGNAL_MESSAGE_EXTRA, &f, culprit));
    cx->copied_words = f->words;
    return process_send_fragment(cx, from ? from->pid : VALUE_NIL, to, selector, f);
}

Status process_send_exit(ActorCtx *cx, Process *from, Value to, Value reason, bool kill)
{
    Process *receiver = process_of_pid(cx->node, to);
    if (!receiver)
        return STATUS_NO_PROCESS;
    Fragment *f;
    Value culprit;
    STATUS_FORWARD(signal_new(cx, from ? &from->heap : NULL, kill ? cx->node->sym_killed : reason,
                              SIGNAL_EXIT, 1, &f, &culprit));
    detach_closures(f);
    f->body[0] = from ? from->pid : VALUE_NIL;
    f->info = kill ? SIGNAL_EXIT_KILL : SIGNAL_EXIT_TRAPPABLE;
    return process_push(cx, receiver, f, false) ? STATUS_OK : STATUS_NO_PROCESS;
}

void signal_refuse(ActorCtx *cx, Fragment *f)
{
    if (f->kind != SIGNAL_WAIT) {
        fragment_free(&cx->heap, f);
        return;
    }
    Value waiter = f->body[0];
    f->kind = SIGNAL_RESULT;
    f->body[0] = f->body[1]; /* the process that was asked for */
    f->body[1] = cx->node->sym_noproc;
    Process *p = process_of_pid(cx->node, waiter);
    /* Depth: a RESULT that is refused is freed. */
    if (p)
        process_push(cx, p, f, false);
    else
        fragment_free(&cx->heap, f);
}

/* ---- receiving ------------------------------------------------------------------------------ */

static size_t count_mail(const Process *p)
{
    size_t bytes = 0;
    for (const Fragment *f = p->msg_first; f; f = f->next)
        bytes += fragment_bytes(f);
    return bytes;
}

/* A queue that is long or heavy is counted from now on, until it is empty. Without memory for that,
 * at the next message. */
static void start_counting_mail(ActorCtx *cx, Process *p)
{
    ProcessExt *ext;
    if (process_ext(cx, p, &ext) != STATUS_OK)
        return;
    ext->mail_bytes = count_mail(p);
    p->flags |= PROCESS_F_MAIL_COUNTED;
}

static void receive_message(ActorCtx *cx, Process *p, Fragment *f)
{
    f->next = NULL;
    *p->msg_end = f;
    p->msg_end = &f->next;
    /* relaxed: a statistic with one writer */
    atom_store_rlx(&p->nmessages, p->nmessages + 1);
    if (__builtin_expect((p->flags & PROCESS_F_MAIL_COUNTED) != 0, 0))
        p->ext->mail_bytes += fragment_bytes(f);
    else if (__builtin_expect(
                 p->nmessages >= MAIL_COUNT_FROM || f->words >= MAIL_HEAVY_WORDS || f->handles, 0))
        start_counting_mail(cx, p);
}

bool process_mail_over(ActorCtx *cx, Process *p)
{
    if (!(p->flags & PROCESS_F_MAIL_COUNTED))
        return false;
    if (!heap_over_cap(&p->heap, &cx->heap, p->ext->mail_bytes))
        return false;
    /* Shares of off-heap buffers have changed since they were added: what counts is now. */
    p->ext->mail_bytes = count_mail(p);
    return heap_over_cap(&p->heap, &cx->heap, p->ext->mail_bytes);
}

/* The first reason stays, but nothing holds up a kill. */
static void receive_exit(ActorCtx *cx, Process *p, Fragment *f)
{
    bool kill = f->info == SIGNAL_EXIT_KILL;
    bool pending = (p->flags & (PROCESS_F_EXIT_PENDING | PROCESS_F_TERMINATING)) != 0;
    /* As in Erlang: somebody else's normal end is no reason to end. */
    bool normal = f->root == cx->node->sym_normal && f->body[0] != p->pid;
    if (!kill && (pending || normal)) {
        fragment_free(&cx->heap, f);
        return;
    }
    p->flags |= (uint8_t)(PROCESS_F_ASKED | PROCESS_F_EXIT_PENDING | (kill ? PROCESS_F_KILLED : 0));
    p->exit_result = VALUE_NIL;
    p->exit_reason = f->root;
    if (value_is_ptr(f->root))
        p->exit_reason = heap_adopt(&p->heap, f);
    else
        fragment_free(&cx->heap, f);
}

static void receive_wait(ActorCtx *cx, Process *p, Fragment *f)
{
    ProcessExt *ext;
    if (process_ext(cx, p, &ext) != STATUS_OK) {
        /* Without memory to note who waits, the answer is what a stranger would get later. */
        signal_refuse(cx, f);
        return;
    }
    f->next = ext->waiters;
    ext->waiters = f;
}

/* Answers further reductions it has cost. */
static int32_t receive_signal(ActorCtx *cx, Process *p, Fragment *f)
{
    switch ((SignalKind)f->kind) {
    case SIGNAL_MESSAGE: receive_message(cx, p, f); return 0;
    case SIGNAL_EXIT: receive_exit(cx, p, f); return 0;
    case SIGNAL_WAIT: receive_wait(cx, p, f); return 0;
    case SIGNAL_RESULT: {
        size_t words = results_receive(cx, p, f) / 32;
        return words < SCHED_REDUCTIONS ? (int32_t)words : SCHED_REDUCTIONS;
    }
    }
    assert(f == NULL); /* a signal of unknown kind */
    return 0;
}

void process_fetch_signals(ActorCtx *cx, Process *p, int32_t *reductions)
{
    Fragment *f;
    int n = 0;
    while ((n < FETCH_MIN || *reductions > 0) && (f = mailbox_next(p))) {
        n++;
        *reductions -= receive_signal(cx, p, f) + (n & 1); /* two cost about as much as a send */
    }
}

/* `bytes`: of the first message, 0 when the queue is not counted. */
static void unlink_first_message(Process *p, Fragment *next, size_t bytes)
{
    p->msg_first = next;
    if (!next)
        p->msg_end = &p->msg_first;
    atom_store_rlx(&p->nmessages, p->nmessages - 1); /* relaxed: as above */
    if (__builtin_expect(!(p->flags & PROCESS_F_MAIL_COUNTED), 1))
        return;
    size_t *mail = &p->ext->mail_bytes;
    *mail = *mail > bytes ? *mail - bytes : 0;
    if (!next)
        p->flags &= (uint8_t)~PROCESS_F_MAIL_COUNTED;
}

static inline size_t counted_bytes(const Process *p, const Fragment *f)
{
    return p->flags & PROCESS_F_MAIL_COUNTED ? fragment_bytes(f) : 0;
}

Value process_take_message(Process *p)
{
    Fragment *f = p->msg_first;
    if (!f)
        return VALUE_NONE;
    unlink_first_message(p, f->next, counted_bytes(p, f));
    return heap_adopt(&p->heap, f);
}

Value process_take_message_in(ActorCtx *cx, Process *p, const Value *stack_end, size_t *need_words)
{
    Fragment *f = p->msg_first;
    *need_words = 0;
    if (!f || !heap_can_absorb(f))
        return process_take_message(p);
    Fragment *next = f->next; /* f is gone once absorbed */
    size_t words = f->words;
    size_t bytes = counted_bytes(p, f);
    Value root = heap_absorb(&p->heap, &cx->heap, stack_end, f);
    if (root == VALUE_NONE) {
        *need_words = words;
        return VALUE_NONE;
    }
    unlink_first_message(p, next, bytes);
    return root;
}

