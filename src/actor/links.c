/* SPDX-License-Identifier: Apache-2.0 */
/* links.c - links between processes, and requests to make or change them.
 *
 * Each end has an entry for the other, and in it the signal that will tell the other of its own
 * end. Making a link: our entry first, then LINK. Both ends may do that at the same time.
 *
 * Unlinking: the entry stays, marked with a number, until the other end has acknowledged UNLINK
 * with that number. Meanwhile its exit is ignored, and so is a LINK from it: that one was sent
 * before our UNLINK arrived, and is taken back by it. To link again takes the mark away and sends a
 * new LINK; the acknowledgement of the old UNLINK then means nothing.
 *
 * Threads: the owner. */
#include "actor_int.h"
#include "groups.h"
#include "trace.h"

static Status link_signal(ActorCtx *cx, SignalKind kind, Value sender, Value to, size_t extra,
                          Fragment **out)
{
    STATUS_FORWARD(signal_new(cx, NULL, VALUE_NIL, kind, extra, out, NULL));
    (*out)->body[0] = sender;
    (*out)->body[1] = to;
    return STATUS_OK;
}

/* An entry for `other` with the signal that will tell it of p's end. */
static Status link_add(ActorCtx *cx, Process *p, Value other)
{
    ProcessExt *ext;
    Fragment *own;
    STATUS_FORWARD(process_ext(cx, p, &ext));
    STATUS_FORWARD(link_signal(cx, SIGNAL_LINK_EXIT, p->pid, other, SIGNAL_END_EXTRA, &own));
    Bond *b = bonds_add(cx, &ext->links, other);
    if (!b) {
        fragment_free(&cx->heap, own);
        return STATUS_NO_MEMORY;
    }
    b->signal = own;
    return STATUS_OK;
}

static void link_remove(ActorCtx *cx, Process *p, Bond *b)
{
    fragment_free(&cx->heap, b->signal);
    bonds_remove(cx, &p->ext->links, b);
}

static inline void note(ActorCtx *cx, Process *p, TraceKind kind, Value other)
{
    if (__builtin_expect(p->mail & MAIL_F_TRACE_LIFE, 0))
        trace_bond(cx, p, kind, other);
}

static Bond *link_find(const Process *p, Value other)
{
    return p->ext ? bonds_find(&p->ext->links, other) : NULL;
}

Status process_link(ActorCtx *cx, Process *p, Value other)
{
    Bond *b = link_find(p, other);
    if (other == p->pid || (b && b->word == 0))
        return STATUS_OK;
    Fragment *f;
    STATUS_FORWARD(link_signal(cx, SIGNAL_LINK, p->pid, other, SIGNAL_END_EXTRA, &f));
    Status status = b ? STATUS_OK : link_add(cx, p, other);
    if (status != STATUS_OK) {
        fragment_free(&cx->heap, f);
        return status;
    }
    if (b && !LINK_MUTANT(cx->node, RELINK_FORGOTTEN))
        b->word = 0;
    note(cx, p, TRACE_LINKED, other);
    signal_to(cx, other, f);
    return STATUS_OK;
}

Status process_unlink(ActorCtx *cx, Process *p, Value other)
{
    Bond *b = link_find(p, other);
    if (!b || b->word != 0)
        return STATUS_OK;
    Fragment *f;
    STATUS_FORWARD(link_signal(cx, SIGNAL_UNLINK, p->pid, other, 3, &f));
    b->word = f->body[2] = signal_number(cx);
    note(cx, p, TRACE_UNLINKED, other);
    signal_to(cx, other, f);
    return STATUS_OK;
}

bool process_is_linked(const Process *p, Value other)
{
    const Bond *b = link_find(p, other);
    return b && b->word == 0;
}

Status process_link_child(ActorCtx *cx, Process *p, Process *child)
{
    STATUS_FORWARD(link_add(cx, p, child->pid));
    Status status = link_add(cx, child, p->pid);
    if (status != STATUS_OK)
        link_remove(cx, p, link_find(p, child->pid));
    else
        note(cx, p, TRACE_LINKED, child->pid);
    return status;
}

/* ---- receiving ------------------------------------------------------------------------------ */

void links_receive_link(ActorCtx *cx, Process *p, Fragment *f)
{
    Value other = f->body[0];
    ProcessExt *ext;
    Bond *old = link_find(p, other);
    if (old && LINK_MUTANT(cx->node, LINK_TAKEN_BACK))
        old->word = 0;
    if (old || LINK_MUTANT(cx->node, LINK_ONE_SIDE)) {
        fragment_free(&cx->heap, f);
        return;
    }
    Bond *b = NULL;
    if (process_ext(cx, p, &ext) == STATUS_OK)
        b = bonds_add(cx, &ext->links, other);
    if (b) {
        b->signal = f; /* what has asked for the link will tell of our end */
        note(cx, p, TRACE_GOT_LINKED, other);
        return;
    }
    signal_refuse(cx, f);
    signal_out_of_memory(cx, p);
}

void links_receive_exit(ActorCtx *cx, Process *p, Fragment *f)
{
    Bond *b = link_find(p, obj_of(f->root)->words[MESSAGE_SENDER]);
    bool active = (b && b->word == 0) || LINK_MUTANT(cx->node, EXIT_UNLINKED);
    if (b && !LINK_MUTANT(cx->node, EXIT_DOUBLE))
        link_remove(cx, p, b); /* also while unlinking: who has ended sends no LINK any more */
    if (active)
        signal_exit_by_link(cx, p, f);
    else
        fragment_free(&cx->heap, f);
}

void links_receive_unlink(ActorCtx *cx, Process *p, Fragment *f)
{
    Value other = f->body[0];
    Bond *b = link_find(p, other);
    /* Our own unlinking goes on until it is acknowledged: a LINK may still come before that. */
    if (b && b->word == 0 && !LINK_MUTANT(cx->node, UNLINK_ONE_SIDE)) {
        link_remove(cx, p, b);
        note(cx, p, TRACE_GOT_UNLINKED, other);
    }
    if (LINK_MUTANT(cx->node, UNLINK_NO_ACK)) {
        fragment_free(&cx->heap, f);
        return;
    }
    f->kind = SIGNAL_UNLINK_ACK;
    f->body[0] = p->pid;
    f->body[1] = other;
    signal_to(cx, other, f);
}

void links_receive_ack(ActorCtx *cx, Process *p, Fragment *f)
{
    Bond *b = link_find(p, f->body[0]);
    if (b && (b->word == f->body[2] || LINK_MUTANT(cx->node, ACK_OF_OTHER)))
        link_remove(cx, p, b);
    fragment_free(&cx->heap, f);
}

/* ---- requests ------------------------------------------------------------------------------- */

Status process_request(ActorCtx *cx, Value to, ProcessRequest what, Value argument, Value reference)
{
    Fragment *f;
    STATUS_FORWARD(link_signal(cx, SIGNAL_REQUEST, argument, to, SIGNAL_END_EXTRA, &f));
    f->info = (uint16_t)what;
    f->body[2] = reference;
    signal_to(cx, to, f);
    return STATUS_OK;
}

void links_receive_request(ActorCtx *cx, Process *p, Fragment *f)
{
    Value argument = f->body[0], reference = f->body[2];
    Status status = STATUS_OK;
    ProcessExt *ext;
    bool done;
    if (LINK_MUTANT(cx->node, REQUEST_LOST))
        f->info = REQUEST_UNREGISTER;
    switch ((ProcessRequest)f->info) {
    case REQUEST_LINK: status = process_link(cx, p, argument); break;
    case REQUEST_UNLINK: status = process_unlink(cx, p, argument); break;
    case REQUEST_MONITOR: status = process_monitor(cx, p, argument, reference); break;
    case REQUEST_DEMONITOR: (void)process_demonitor(cx, p, reference); break;
    case REQUEST_TRAP: process_set_mode(p, PROCESS_MODE_TRAPS, argument == VALUE_TRUE); break;
    case REQUEST_RAISE:
        /* signal_exit_by_link needs the extension */
        status = process_ext(cx, p, &ext);
        if (status == STATUS_OK)
            process_set_mode(p, PROCESS_MODE_RAISES, argument == VALUE_TRUE);
        break;
    case REQUEST_JOIN: status = group_join(cx, p, argument, &done); break;
    case REQUEST_LEAVE: (void)group_leave(cx, p, argument); break;
    case REQUEST_UNREGISTER: process_unregister(cx, p, argument); break;
    }
    fragment_free(&cx->heap, f);
    if (status != STATUS_OK)
        signal_out_of_memory(cx, p);
}

/* ---- the end -------------------------------------------------------------------------------- */

bool links_end(ActorCtx *cx, Process *p, int32_t *left)
{
    ProcessExt *ext = p->ext;
    if (!ext)
        return true;
    for (;;) {
        if (*left <= 0)
            return false;
        Bond *b = bonds_next(&ext->links, &ext->walk);
        if (!b)
            break;
        --*left;
        Fragment *f = b->signal;
        b->signal = NULL;
        if (b->word != 0) { /* unlinked: the other end must not hear of us */
            fragment_free(&cx->heap, f);
            continue;
        }
        f = signal_of_end(cx, p, f, CLASS_EXIT_MESSAGE, cx->node->sym_exit, left);
        f->kind = SIGNAL_LINK_EXIT;
        Fragment *twice;
        if (LINK_MUTANT(cx->node, EXIT_DOUBLE) &&
            fragment_duplicate(f, &cx->heap, &twice) == STATUS_OK)
            signal_to(cx, b->key, twice);
        signal_to(cx, b->key, f);
    }
    ext->walk = 0;
    return true;
}
