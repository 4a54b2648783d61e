/* SPDX-License-Identifier: Apache-2.0 */
/* inbox.h - the private queue of a process, for selective receive.
 *
 * Messages stay fragments, in order of arrival, until they are received. Whoever wants a certain
 * one reads their selector, payload and reference where they lie, and takes the one it wants.
 *
 * A cursor remembers how far that has come. It survives parking and time-outs, so that no receive
 * examines a message twice, and it stays right when other messages are taken meanwhile. Cursors of
 * references begin where the queue ended when the reference was made: no message before that can
 * carry it, so a reply to it is found in constant time however full the mailbox is. There is room
 * for a few cursors; when one is pushed out by newer ones its search begins anew at the first
 * message, which is slower and not wrong.
 *
 * What no C code can decide is looked at by Maggie code: a short message is copied for that, a long
 * one becomes part of the heap once, and its place in the queue is kept by a small node.
 *
 * Threads: the owner. */
#ifndef MAGGIE_INBOX_H
#define MAGGIE_INBOX_H

#include "process.h"

/* How far a receive has come. */
typedef struct InboxCursor {
    uint64_t key;  /* a reference, or the number of a search; VALUE_NONE: free */
    Fragment **at; /* where the first message not examined is, or will be, linked */
    bool looking;  /* that message has been given to Maggie code, which has not decided yet */
} InboxCursor;

/* A reference that no other process of the node has or will have. */
Value actor_new_reference(ActorCtx *cx);
/* Notes that nothing which is now in the queue can carry the fresh reference. Without memory for
 * that a receive looks at everything. */
void inbox_mark(ActorCtx *cx, Process *p, Value reference);

/* A number for a new search. */
MUST_CHECK Status inbox_new_search(ActorCtx *cx, Process *p, uint64_t *key);
/* The cursor of a reference or a search; at the first message when it is new or was pushed out.
 * Valid until the next call for another key. */
MUST_CHECK Status inbox_cursor(ActorCtx *cx, Process *p, uint64_t key, InboxCursor **out);
/* The search is over. A reference keeps its cursor. */
void inbox_end_search(Process *p, uint64_t key);

/* The message under the cursor: its MailboxMessage object is f->root, to be read only. NULL: no
 * more. */
static inline Fragment *inbox_peek(const InboxCursor *cursor) { return *cursor->at; }
/* That one is not wanted. */
static inline void inbox_skip(InboxCursor *cursor)
{
    cursor->at = &(*cursor->at)->next;
    cursor->looking = false;
}

/* Takes a message out of the queue: its MailboxMessage, now in the heap. VALUE_NONE and *need_words
 * > 0 when that takes a collection first. */
Value inbox_take(ActorCtx *cx, Process *p, Fragment **link, const Value *stack_end,
                 size_t *need_words);
/* The message under the cursor in the heap, still in the queue too. STATUS_HEAP_FULL with
 * *need_words: collect first. */
MUST_CHECK Status inbox_look(ActorCtx *cx, Process *p, InboxCursor *cursor, const Value *stack_end,
                             Value *message, size_t *need_words);
/* Removes the message under the cursor, which has been looked at. */
void inbox_drop(ActorCtx *cx, Process *p, InboxCursor *cursor);

#endif
