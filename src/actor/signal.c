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
    if (f->body[0] == p->parent)
        p->modes |= PROCESS_MODE_PARENT_WAITS;
    f->next = ext->waiters;
    ext->waiters = f;
}

/* Answers further reductions it has cost. */
static int32_t receive_signal(ActorCtx *cx, Process *p, Fragment *f)
{
    switch ((SignalKind)f->kind) {
    case SIGNAL_MESSAGE: inbox_append(cx, p, f); return 0;
    case SIGNAL_EXIT: receive_exit(cx, p, f); return 0;
    case SIGNAL_WAIT: receive_wait(cx, p, f); return 0;
    case SIGNAL_RESULT: {
        size_t words = results_receive(cx, p, f) / 32;
        return words < SCHED_REDUCTIONS ? (int32_t)words : SCHED_REDUCTIONS;
    }
    default: break;
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
