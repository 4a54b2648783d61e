/* SPDX-License-Identifier: Apache-2.0 */
/* inbox.c - the private queue: messages that have arrived and are not yet received.
 *
 * Messages stay fragments, in order of arrival, until they are received. A long or heavy queue is
 * counted against the heap cap.
 *
 * Threads: the owner. */
#include "actor_int.h"

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
    if (p->flags & PROCESS_F_MAIL_COUNTED)
        p->ext->mail_bytes += fragment_bytes(f);
    else
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

