/* SPDX-License-Identifier: Apache-2.0 */
/* mailbound.h - mailboxes with a limit (D6).
 *
 * A bounded mailbox counts by reservation: a sender takes a place before it pushes, and the owner
 * gives it back when the message leaves the mailbox, received or dropped. So what is on its way
 * counts. Signals other than messages and requests take no place. When there is none:
 *
 *     SUSPEND      a process that sends waits, in order of arrival, and is woken when a place is
 *                  given to it, or the receiver ends. Who cannot wait (a timer, a thread outside, a
 *                  call, which waits for its reply anyway, the owner itself) goes over the limit
 *     REJECT       the send answers false, a call ends with #mailboxLimit
 *     DROP_NEWEST  the message is dropped, and counted; a call as above
 *     DROP_OLDEST  it goes over the limit; the owner drops its oldest messages when it next looks.
 *                  Who finds it far over the limit gives up its slice (mail_presses), for else
 *                  two senders were faster than one owner, and its other signals waited behind
 *     KILL         it goes over the limit; the owner ends with #mailboxLimit when it next looks
 *
 * A watcher is sent #messagesDropped, with the number so far, at the 1st, 2nd, 4th, 8th ... drop.
 *
 * The object is a Waitable: suspended senders stand in its GIVE queue, so they can be killed, are
 * seen by the deadlock report, and hand a place on that they were given and cannot use. The
 * process's pointer to it is read by senders inside an epoch section; it goes back through the
 * epoch.
 * Threads: each function says whose. Counts: under the lock. */
#ifndef MAGGIE_MAILBOUND_H
#define MAGGIE_MAILBOUND_H

#include "waitable.h"

typedef enum {
    MAIL_POLICY_SUSPEND,
    MAIL_POLICY_REJECT,
    MAIL_POLICY_DROP_NEWEST,
    MAIL_POLICY_DROP_OLDEST,
    MAIL_POLICY_KILL,
    MAIL_POLICY_COUNT
} MailPolicy;

typedef struct MailBound {
    Waitable w;
    uint64_t limit; /* UINT64_MAX: none any more */
    uint64_t count; /* places taken */
    uint64_t dropped;
    uint64_t refused;
    Value owner;   /* its pid */
    Value watcher; /* pid or nil */
    uint8_t policy;
    bool closed;
    EpochEntry epoch;
} MailBound;

typedef enum { MAIL_ENTERED, MAIL_MUST_WAIT, MAIL_REFUSED, MAIL_DROPPED } MailVerdict;

/* A sender asks for a place. ENTERED: taken (or not needed any more); the message must carry
 * INBOX_RESERVED, or mail_leave be called. Any thread inside an epoch section. */
MailVerdict mail_enter(ActorCtx *cx, MailBound *b, bool may_wait);
/* After ENTERED: is the mailbox so far over its limit that the sender should let the owner run? */
bool mail_presses(MailBound *b);
/* Gives a place back, or to who waits for one. */
void mail_leave(ActorCtx *cx, MailBound *b);
/* Outcome of a wait in place of WAIT_DONE: the policy has changed, ask again. */
#define MAIL_ASK_AGAIN WAIT_OUTCOME_OWN

/* The bound of a process, for senders: NULL when it has none. */
static inline MailBound *mail_bound(const Process *p)
{
    /* acquire: pairs with the release in mail_limit */
    return __atomic_load_n(&p->bound, __ATOMIC_ACQUIRE);
}

/* Owner (or maker, before the start): limit (UINT64_MAX: none), policy and watcher (pid or nil). */
MUST_CHECK Status mail_limit(ActorCtx *cx, Process *p, uint64_t limit, MailPolicy policy,
                             Value watcher);

#endif
