/* SPDX-License-Identifier: Apache-2.0 */
/* call.h - a request and the wait for its reply.
 *
 * The caller makes a reference and sends a CALL: a message that joins the mailbox of who is called.
 * The REPLY is no message. It reaches the caller only while that waits for this reference, and is
 * dropped otherwise: replies that come late, or twice, leave nothing behind. Who is called keeps
 * the signal that carried the request until it replies; if it ends first, that signal is the reply
 * and carries the reason (M10). A caller that has given up, or was replied to by somebody else,
 * tells it to forget the call.
 *
 * Threads: the owner of the process, inside its scheduler's epoch section. */
#ifndef MAGGIE_CALL_H
#define MAGGIE_CALL_H

#include "process.h"

/* How a call ended; Fragment.info of a REPLY. REJECTED: by a reply that is to be signalled. */
enum { CALL_ANSWERED, CALL_REJECTED, CALL_ENDED };

/* Sends the request (a D1 copy of payload) and begins to wait; a call that was abandoned before is
 * given up. STATUS_NO_PROCESS: there is nobody; else as process_send. */
MUST_CHECK Status call_start(ActorCtx *cx, Process *p, Value to, Value selector, Value payload,
                             Value *culprit);
/* The reply, still p's: root is the answer or the reason. NULL: not yet. */
Fragment *call_reply(const Process *p);
/* The wait is over: with the reply, which is the caller's now, or without. */
Fragment *call_take_reply(ActorCtx *cx, Process *p);
void call_give_up(ActorCtx *cx, Process *p);

/* Replies to a call (made to p, or to somebody who has told p about it) with a copy of value; how:
 * ANSWERED or REJECTED. Nothing happens when it was replied to already. */
MUST_CHECK Status call_answer(ActorCtx *cx, Process *p, Value caller, Value reference, int how,
                              Value value, Value *culprit);
/* Whom p, which waits in a call, has called. VALUE_NIL: the reply is there, or nobody. */
Value call_awaited(const Process *p);

#endif
