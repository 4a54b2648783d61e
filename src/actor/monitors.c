/* SPDX-License-Identifier: Apache-2.0 */
/* monitors.c - being told once of another process's end.
 *
 * The watcher has an entry by reference, naming the process it watches; that process has one,
 * naming the watcher and holding the signal that will tell it. A DOWN whose reference the watcher
 * has no entry for any more (demonitored meanwhile) is dropped when it arrives.
 *
 * Threads: the owner. */
#include "actor_int.h"

static Status monitor_signal(ActorCtx *cx, Value watcher, Value target, Value reference,
                             Fragment **out)
{
    STATUS_FORWARD(signal_new(cx, NULL, VALUE_NIL, SIGNAL_MONITOR, SIGNAL_END_EXTRA, out, NULL));
    (*out)->body[0] = watcher;
    (*out)->body[1] = target;
    (*out)->body[2] = reference;
    return STATUS_OK;
}

Value process_new_reference(ActorCtx *cx) { return value_int((int64_t)signal_number(cx)); }

/* The watcher's entry, and the signal for the other. */
static Status monitor_begin(ActorCtx *cx, Process *p, Value target, Value reference, Fragment **out)
{
    ProcessExt *ext;
    STATUS_FORWARD(process_ext(cx, p, &ext));
    STATUS_FORWARD(monitor_signal(cx, p->pid, target, reference, out));
    Bond *b = bonds_add(cx, &ext->watching, reference);
    if (!b) {
        fragment_free(&cx->heap, *out);
        return STATUS_NO_MEMORY;
    }
    b->word = target;
    return STATUS_OK;
}

Status process_monitor(ActorCtx *cx, Process *p, Value target, Value reference)
{
    if (target == p->pid)
        return STATUS_OK; /* nobody hears of its own end */
    Fragment *f;
    STATUS_FORWARD(monitor_begin(cx, p, target, reference, &f));
    signal_to(cx, target, f);
    return STATUS_OK;
}

/* Puts a MONITOR signal among p's watchers. */
static bool watcher_add(ActorCtx *cx, Process *p, Fragment *f)
{
    ProcessExt *ext;
    if (process_ext(cx, p, &ext) != STATUS_OK)
        return false;
    Bond *b = bonds_add(cx, &ext->watched, f->body[2]);
    if (!b)
        return false;
    b->word = f->body[0];
    b->signal = f;
    return true;
}

Status process_monitor_child(ActorCtx *cx, Process *p, Process *child, Value reference)
{
    Fragment *f;
    STATUS_FORWARD(monitor_begin(cx, p, child->pid, reference, &f));
    if (watcher_add(cx, child, f))
        return STATUS_OK;
    fragment_free(&cx->heap, f);
    bonds_remove(cx, &p->ext->watching, bonds_find(&p->ext->watching, reference));
    return STATUS_NO_MEMORY;
}

/* Tells the process that was watched; without memory it keeps an entry that does no harm. */
static void send_demonitor(ActorCtx *cx, Value target, Value reference)
{
    Fragment *f;
    if (signal_new(cx, NULL, VALUE_NIL, SIGNAL_DEMONITOR, 1, &f, NULL) != STATUS_OK)
        return;
    f->body[0] = reference;
    signal_to(cx, target, f);
}

bool process_demonitor(ActorCtx *cx, Process *p, Value reference)
{
    Bond *b = p->ext ? bonds_find(&p->ext->watching, reference) : NULL;
    if (!b)
        return false;
    Value target = b->word;
    bonds_remove(cx, &p->ext->watching, b);
    send_demonitor(cx, target, reference);
    return true;
}

/* ---- receiving ------------------------------------------------------------------------------ */

void monitors_receive(ActorCtx *cx, Process *p, Fragment *f)
{
    if (watcher_add(cx, p, f))
        return;
    signal_refuse(cx, f);
    signal_out_of_memory(cx, p);
}

void monitors_receive_demonitor(ActorCtx *cx, Process *p, Fragment *f)
{
    Bond *b = p->ext ? bonds_find(&p->ext->watched, f->body[0]) : NULL;
    if (b && !LINK_MUTANT(cx->node, DEMONITOR_LOST)) {
        fragment_free(&cx->heap, b->signal);
        bonds_remove(cx, &p->ext->watched, b);
    }
    fragment_free(&cx->heap, f);
}

void monitors_receive_down(ActorCtx *cx, Process *p, Fragment *f)
{
    Value reference = obj_of(f->root)->words[END_REFERENCE];
    Bond *b = p->ext ? bonds_find(&p->ext->watching, reference) : NULL;
    if (!b && !LINK_MUTANT(cx->node, DOWN_AFTER_DEMONITOR)) {
        fragment_free(&cx->heap, f);
        return;
    }
    if (b && !LINK_MUTANT(cx->node, DOWN_DOUBLE))
        bonds_remove(cx, &p->ext->watching, b);
    f->kind = SIGNAL_MESSAGE;
    inbox_append(cx, p, f);
}

/* ---- the end -------------------------------------------------------------------------------- */

bool monitors_end_watching(ActorCtx *cx, Process *p, int32_t *left)
{
    ProcessExt *ext = p->ext;
    if (!ext)
        return true;
    for (;;) {
        if (*left <= 0)
            return false;
        const Bond *b = bonds_next(&ext->watching, &ext->walk);
        if (!b)
            break;
        --*left;
        send_demonitor(cx, b->word, b->key);
    }
    ext->walk = 0;
    return true;
}

/* Tells the watcher that sent MONITOR signal f (taken). */
void monitors_answer(ActorCtx *cx, Process *p, Fragment *f, int32_t *left)
{
    Value watcher = f->body[0], reference = f->body[2];
    if (LINK_MUTANT(cx->node, DOWN_DROPPED)) {
        fragment_free(&cx->heap, f);
        return;
    }
    f = signal_of_end(cx, p, f, CLASS_DOWN_MESSAGE, cx->node->sym_down, left);
    obj_of(f->root)->words[END_REFERENCE] = reference;
    if (LINK_MUTANT(cx->node, DOWN_RESULT_LOST))
        obj_of(f->root)->words[END_RESULT] = VALUE_NIL;
    f->kind = SIGNAL_DOWN;
    Fragment *twice;
    if (LINK_MUTANT(cx->node, DOWN_DOUBLE) && fragment_duplicate(f, &cx->heap, &twice) == STATUS_OK)
        signal_to(cx, watcher, twice);
    signal_to(cx, watcher, f);
}

bool monitors_end_watched(ActorCtx *cx, Process *p, int32_t *left)
{
    ProcessExt *ext = p->ext;
    if (!ext)
        return true;
    for (;;) {
        if (*left <= 0)
            return false;
        Bond *b = bonds_next(&ext->watched, &ext->walk);
        if (!b)
            break;
        --*left;
        Fragment *f = b->signal;
        b->signal = NULL;
        monitors_answer(cx, p, f, left);
    }
    ext->walk = 0;
    return true;
}
