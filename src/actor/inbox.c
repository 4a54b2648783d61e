/* SPDX-License-Identifier: Apache-2.0 */
/* inbox.c - the private queue: messages that have arrived and are not yet received; see inbox.h.
 *
 * A long or heavy queue is counted against the heap cap. What Maggie code has looked at without
 * taking it is counted there already, if it was long: then only its node is mail.
 *
 * Threads: the owner. */
#include "inbox.h"

#include <string.h>

#include "actor_int.h"
#include "crowd.h"
#include "mailbound.h"
#include "promise.h"
#include "trace.h"

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

void inbox_count(ActorCtx *cx, Process *p, const Fragment *f)
{
    bool many = p->nmessages >= MAIL_COUNT_FROM || f->words >= MAIL_HEAVY_WORDS || f->handles;
    if (p->flags & PROCESS_F_MAIL_COUNTED)
        p->ext->mail_bytes += fragment_bytes(f);
    else if (many)
        start_counting_mail(cx, p);
    if (p->mail & MAIL_F_TRACE_MAIL)
        trace_received(cx, p, f);
    if (p->mail & MAIL_F_BOUNDED)
        mail_trim(cx, p);
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

/* ---- cursors -------------------------------------------------------------------------------- */

#define REFERENCE_BATCH 4096u

Status inbox_need(ActorCtx *cx, Process *p, Inbox **out)
{
    ProcessExt *ext;
    STATUS_FORWARD(process_ext(cx, p, &ext));
    if (!ext->inbox) {
        Inbox *inbox = pool_alloc(cx->heap.pool, pool_class_of(sizeof *inbox));
        if (!inbox)
            return STATUS_NO_MEMORY;
        memset(inbox, 0, sizeof *inbox);
        ext->inbox = inbox;
    }
    *out = ext->inbox;
    return STATUS_OK;
}

void inbox_free(ActorCtx *cx, ProcessExt *ext)
{
    /* looked nodes are freed with the queue */
    if (!ext->inbox)
        return;
    calls_free(cx, ext->inbox);
    pool_free(cx->heap.pool, ext->inbox, pool_class_of(sizeof *ext->inbox));
    ext->inbox = NULL;
}

Value actor_new_reference(ActorCtx *cx)
{
    if (cx->reference == cx->reference_end) {
        /* relaxed: only the numbers matter, nothing is published with them */
        cx->reference = atom_add_rlx(&cx->node->references, (uint64_t)REFERENCE_BATCH);
        cx->reference_end = cx->reference + REFERENCE_BATCH;
    }
    return value_reference(cx->reference++);
}

static InboxCursor *cursor_find(Inbox *inbox, uint64_t key)
{
    unsigned first = value_is_reference(key) ? 0 : CURSORS_REFERENCE;
    unsigned end = first == 0 ? CURSORS_REFERENCE : CURSORS;
    for (unsigned i = first; i < end; i++)
        if (inbox->cursors[i].key == key)
            return &inbox->cursors[i];
    return NULL;
}

static InboxCursor *cursor_make(Process *p, Inbox *inbox, uint64_t key, Fragment **at)
{
    bool search = !value_is_reference(key);
    InboxCursor *cursor = cursor_find(inbox, key); /* of a search: never */
    if (!cursor && search)
        for (unsigned i = CURSORS_REFERENCE; i < CURSORS && !cursor; i++)
            if (inbox->cursors[i].key == VALUE_NONE)
                cursor = &inbox->cursors[i];
    if (!cursor) {
        unsigned n = search ? CURSORS_SEARCH : CURSORS_REFERENCE;
        cursor = &inbox->cursors[(search ? CURSORS_REFERENCE : 0) + inbox->turn[search]++ % n];
    }
    *cursor = (InboxCursor){.key = key, .at = at};
    p->mail |= MAIL_F_CURSORS;
    return cursor;
}

void inbox_mark(ActorCtx *cx, Process *p, Value reference)
{
    Inbox *inbox;
    if (inbox_need(cx, p, &inbox) == STATUS_OK)
        (void)cursor_make(p, inbox, reference, p->msg_end);
}

Status inbox_new_search(ActorCtx *cx, Process *p, uint64_t *key)
{
    Inbox *inbox;
    STATUS_FORWARD(inbox_need(cx, p, &inbox));
    *key = ++inbox->searches;
    return STATUS_OK;
}

Status inbox_cursor(ActorCtx *cx, Process *p, uint64_t key, InboxCursor **out)
{
    Inbox *inbox;
    STATUS_FORWARD(inbox_need(cx, p, &inbox));
    *out = cursor_find(inbox, key);
    if (!*out)
        *out = cursor_make(p, inbox, key, &p->msg_first);
    return STATUS_OK;
}

void inbox_end_search(Process *p, uint64_t key)
{
    InboxCursor *cursor = p->ext && p->ext->inbox ? cursor_find(p->ext->inbox, key) : NULL;
    if (cursor && !value_is_reference(key))
        cursor->key = VALUE_NONE;
}

/* The link in `from` is not there any more; what stood behind it stands behind `to`. */
static void cursors_move(const Process *p, Fragment **from, Fragment **to)
{
#ifdef MAGGIE_MUTANT_INBOX_MARKER
    return;
#endif
    Inbox *inbox = p->ext->inbox;
    for (unsigned i = 0; i < CURSORS; i++)
        if (inbox->cursors[i].at == from)
            inbox->cursors[i].at = to;
}

/* f, which was linked in `link`, is gone. */
static void cursors_unlinked(const Process *p, Fragment **link, Fragment *f)
{
    Inbox *inbox = p->ext->inbox;
    for (unsigned i = 0; i < CURSORS; i++)
        if (inbox->cursors[i].at == link)
            inbox->cursors[i].looking = false;
    cursors_move(p, &f->next, link);
}

/* ---- messages that are in the heap already -------------------------------------------------- */

/* Words of a node's body; those of a call stay where they are. */
#define NODE_NEXT 2
#define NODE_PREV 3
#define NODE_WORDS CALL_WORDS

static inline bool is_node(const Fragment *f) { return (f->info & INBOX_LOOKED) != 0; }
static inline Fragment *node_at(const Fragment *f, int which)
{
    return (Fragment *)(uintptr_t)f->body[which];
}

static void node_link(Inbox *inbox, Fragment *node)
{
    node->body[NODE_NEXT] = (uintptr_t)inbox->looked;
    node->body[NODE_PREV] = 0;
    if (inbox->looked)
        inbox->looked->body[NODE_PREV] = (uintptr_t)node;
    inbox->looked = node;
}

static void node_unlink(Inbox *inbox, Fragment *node)
{
    Fragment *next = node_at(node, NODE_NEXT), *prev = node_at(node, NODE_PREV);
    if (next)
        next->body[NODE_PREV] = (uintptr_t)prev;
    if (prev)
        prev->body[NODE_NEXT] = (uintptr_t)next;
    else
        inbox->looked = next;
}

void inbox_visit_roots(Process *p, HeapVisit visit, void *arg)
{
    for (Fragment *f = p->ext->inbox->looked; f; f = node_at(f, NODE_NEXT))
        visit(arg, &f->root, 1);
}

/* Adopts *link; a node takes its place. */
static Status node_replace(ActorCtx *cx, Process *p, Fragment **link)
{
    Fragment *f = *link, *node;
    STATUS_FORWARD(signal_new(cx, NULL, VALUE_NIL, (SignalKind)f->kind, NODE_WORDS, &node, NULL));
    node->info = f->info | INBOX_LOOKED;
    node->next = f->next;
    if (f->kind == SIGNAL_CALL) {
        node->body[CALL_CALLER] = f->body[CALL_CALLER];
        node->body[CALL_REFERENCE] = f->body[CALL_REFERENCE];
    }
    if (p->flags & PROCESS_F_MAIL_COUNTED) {
        size_t *mail = &p->ext->mail_bytes, bytes = fragment_bytes(f);
        *mail = (*mail > bytes ? *mail - bytes : 0) + fragment_bytes(node);
    }
    if (p->msg_end == &f->next)
        p->msg_end = &node->next;
    cursors_move(p, &f->next, &node->next);
    *link = node;
    node->root = heap_adopt(&p->heap, f);
    node_link(p->ext->inbox, node);
    return STATUS_OK;
}

/* ---- taking --------------------------------------------------------------------------------- */

/* What the flags of the process say must be looked after. */
static void unlink_account(ActorCtx *cx, Process *p, Fragment **link, Fragment *f)
{
#ifndef MAGGIE_MUTANT_MAIL_LEAK
    if (f->info & INBOX_RESERVED && p->bound)
        mail_leave(cx, p->bound);
#endif

    if (p->flags & PROCESS_F_MAIL_COUNTED) {
        size_t *mail = &p->ext->mail_bytes, bytes = fragment_bytes(f);
        *mail = *mail > bytes ? *mail - bytes : 0;
        if (!p->msg_first)
            p->flags &= (uint8_t)~PROCESS_F_MAIL_COUNTED;
        if (p->nmessages == CROWD_UNTIL - 1)
            crowd_look(cx, p);
    }
    if (p->mail & MAIL_F_CURSORS)
        cursors_unlinked(p, link, f);
}

/* Takes *link out of the queue; the fragment is the caller's. */
static inline Fragment *inbox_unlink(ActorCtx *cx, Process *p, Fragment **link)
{
    Fragment *f = *link;
    *link = f->next;
    if (!f->next)
        p->msg_end = link;
    atom_store_rlx(&p->nmessages, p->nmessages - 1); /* relaxed: a statistic with one writer */
    if (__builtin_expect((p->flags & PROCESS_F_MAIL_COUNTED) | p->mail, 0))
        unlink_account(cx, p, link, f);
    return f;
}

/* Done with a message that has been copied or adopted. */
static void shell_done(ActorCtx *cx, Process *p, Fragment *f)
{
    if (f->kind == SIGNAL_CALL)
        call_received(cx, p, f);
    else
        fragment_free(&cx->heap, f);
}

static Value take_long(ActorCtx *cx, Process *p, Fragment **link)
{
    Fragment *f = inbox_unlink(cx, p, link);
    if (f->kind == SIGNAL_CALL)
        call_adopted(cx, p, f->body[CALL_CALLER], f->body[CALL_REFERENCE]);
    return heap_adopt(&p->heap, f);
}

/* There is room for it. */
static inline Value take_flat(ActorCtx *cx, Process *p, const Value *stack_end, Fragment *f)
{
    Object *message = heap_try_alloc(&p->heap, stack_end, f->words);
    Value *to = (Value *)(void *)message;
    for (size_t i = 0; i < f->words; i++)
        to[i] = f->body[i];
    if (f->words > INBOX_FLAT_AT)
        message->words[MESSAGE_PAYLOAD] = value_ptr(to + INBOX_FLAT_AT);
    fragment_free_shell(&cx->heap, f);
    return value_ptr(message);
}

Value inbox_take(ActorCtx *cx, Process *p, Fragment **link, const Value *stack_end,
                 size_t *need_words)
{
    Fragment *f = *link;
    *need_words = 0;
    if (__builtin_expect(is_node(f), 0)) {
        Value root = f->root;
        node_unlink(p->ext->inbox, inbox_unlink(cx, p, link));
        shell_done(cx, p, f);
        return root;
    }
    if (!heap_can_absorb(f))
        return take_long(cx, p, link);
    if (!heap_has_room(&p->heap, stack_end, f->words)) {
        *need_words = f->words;
        return VALUE_NONE;
    }
    inbox_unlink(cx, p, link);
    __builtin_prefetch(*link); /* who receives one receives the next: a long queue is not cached */
    __builtin_prefetch((const char *)*link + 64);
    if (__builtin_expect(f->kind == SIGNAL_CALL, 0)) {
        Value root = heap_copy_in(&p->heap, stack_end, f);
        call_received(cx, p, f);
        return root;
    }
    if (f->info & INBOX_FLAT)
        return take_flat(cx, p, stack_end, f);
    return heap_absorb(&p->heap, &cx->heap, stack_end, f);
}

Status inbox_look(ActorCtx *cx, Process *p, InboxCursor *cursor, const Value *stack_end,
                  Value *message, size_t *need_words)
{
    Fragment *f = *cursor->at;
    *need_words = 0;
    if (heap_can_absorb(f) && !is_node(f)) {
        *message = heap_copy_in(&p->heap, stack_end, f);
        if (*message == VALUE_NONE) {
            *need_words = f->words;
            return STATUS_HEAP_FULL;
        }
    } else {
        if (!is_node(f))
            STATUS_FORWARD(node_replace(cx, p, cursor->at));
        *message = (*cursor->at)->root;
    }
    cursor->looking = true;
    return STATUS_OK;
}

void inbox_discard(ActorCtx *cx, Process *p, Fragment **link)
{
    Fragment *f = inbox_unlink(cx, p, link);
    if (is_node(f))
        node_unlink(p->ext->inbox, f);
    if (f->kind == SIGNAL_CALL)
        call_dropped(cx, p, f);
    else if (f->kind == SIGNAL_ASK)
        promise_dropped(cx, f);
    else
        fragment_free(&cx->heap, f);
}

void inbox_drop(ActorCtx *cx, Process *p, InboxCursor *cursor)
{
    Fragment *f = inbox_unlink(cx, p, cursor->at);
    if (is_node(f))
        node_unlink(p->ext->inbox, f);
    shell_done(cx, p, f);
}

Value process_take_message(Process *p)
{
    Fragment *f = p->msg_first;
    if (!f)
        return VALUE_NONE;
    assert(!is_node(f));
    assert(!(p->mail & MAIL_F_BOUNDED)); /* it would have a place to give back */
    return heap_adopt(&p->heap, inbox_unlink(NULL, p, &p->msg_first));
}

Value process_take_message_in(ActorCtx *cx, Process *p, const Value *stack_end, size_t *need_words)
{
    *need_words = 0;
    return p->msg_first ? inbox_take(cx, p, &p->msg_first, stack_end, need_words) : VALUE_NONE;
}
