/* SPDX-License-Identifier: Apache-2.0 */
/* promise.h - promises: a value or a reason that will be known once, outside all heaps.
 *
 * A promise is PENDING until it is settled: RESOLVED with a value or REJECTED with a reason, for
 * good. The value is a fragment copied in by whoever settles it; each that waits copies it out. An
 * immediate value needs no fragment.
 *
 * Who computes it holds it (promise_hold, promise_hand): when a process ends that holds a promise
 * which is still pending, the promise is rejected with the reason of that end. So nobody waits for
 * the dead. A process may hold many promises, and a promise may be held by several processes: then
 * the first that ends without having settled it rejects it. Holds of settled promises are dropped
 * from time to time.
 *
 * A request (process_send_request) hands its promise over together with the message, in one signal:
 * whoever gets the message owes the promise, and nobody else does.
 *
 * Waiting is waitable.h's, way TAKE. Settling makes a bounded number of waiters ready, and each of
 * them, or the code that gives up for it, makes further ones ready (promise_pass_on): no end of a
 * process takes longer because many wait for its promise.
 *
 * A rejection that nobody has looked at when the last handle goes is reported to the log, once; not
 * one by the end of a process, whose crash is reported anyway.
 *
 * Threads: any, inside an epoch section, unless said otherwise; the lock guards everything but
 * `state`, which is published with release when the value stands. */
#ifndef MAGGIE_PROMISE_H
#define MAGGIE_PROMISE_H

#include "waitable.h"

typedef struct Promise Promise;
extern const WaitableType promise_type;

typedef enum { PROMISE_PENDING, PROMISE_RESOLVED, PROMISE_REJECTED } PromiseState;

/* One count, the caller's. */
MUST_CHECK Status promise_new(ActorCtx *cx, Promise **out);
static inline Promise *promise_of(Value v)
{
    return (Promise *)(void *)waitable_of(v, &promise_type);
}
static inline Waitable *promise_waitable(Promise *promise) { return (Waitable *)(void *)promise; }

PromiseState promise_state(const Promise *promise);

/* Somebody has said what the promise will be (another promise's outcome, say): from now on only
 * promise_settle with `bound` settles it. False: that was said before, or it is settled. */
bool promise_bind(Promise *promise);

/* Settles it with the fragment's root (takes f), or with v, an immediate, when f is NULL. False
 * when it was settled before, or bound and the caller is not the one it is bound to. */
bool promise_settle(ActorCtx *cx, Promise *promise, PromiseState how, bool bound, Value v,
                    Fragment *f);
/* What the report of an unhandled rejection shall say of it (at most 200 bytes are kept; copied);
 * before the promise is settled. Without it the reason is named if it is a Symbol or a String.
 * Without memory for it, likewise. */
void promise_describe_rejection(ActorCtx *cx, Promise *promise, const char *text, size_t n);

/* Somebody knows of a rejection: it needs no report. */
void promise_look(Promise *promise);
/* Of a settled promise: its value or reason, an immediate (*copy NULL) or the root of *copy, which
 * is then the caller's. Counts as a look at a rejection. */
MUST_CHECK Status promise_value(ActorCtx *cx, Promise *promise, Value *v, Fragment **copy);

/* After a wait for it was served: makes further waiters ready. */
void promise_pass_on(ActorCtx *cx, Promise *promise);

/* Owner of p: p holds the promise from now on. */
MUST_CHECK Status promise_hold(ActorCtx *cx, Process *p, Promise *promise);
/* How the end of the process that holds a promise settles it, if that is pending then. */
typedef enum {
    PROMISE_OWED,     /* the end rejects it unless it is bound to something else */
    PROMISE_RESULT,   /* the same, but a normal end resolves it with the process's result */
    PROMISE_FOLLOWER, /* that process is what it is bound to: its end rejects it */
    /* as RESULT; when the process is gone the promise stays pending: STATUS_NO_PROCESS */
    PROMISE_ASKED
} PromiseDebt;
/* Makes another process hold it, by a signal. A process that is about to end settles it by that
 * end; one that is gone rejects it with #noproc, unless ASKED: STATUS_NO_PROCESS in both cases.
 * `handle` is the promise's handle in from's heap. */
MUST_CHECK Status promise_hand(ActorCtx *cx, Process *from, Value to, Value handle,
                               PromiseDebt debt);
/* What the receiver of that signal does, and what is done when nobody receives it (takes f). */
void promise_handed(ActorCtx *cx, Process *p, Fragment *f);
void promise_refused(ActorCtx *cx, Fragment *f);
/* p, which has closed its mailbox, finds one, or a request, in it (takes f). */
void promise_handed_late(ActorCtx *cx, Process *p, Fragment *f);

/* The promise that a PromisedRequest is about, its fourth slot; NULL: v is nothing like that. */
Promise *promise_of_request(Value v);
/* A request is about to be sent to this process. */
void promise_asked_of(const Fragment *f, Value to);
/* What the receiver of a request does (takes f); promise_refused is for those nobody receives. */
void promise_asked(ActorCtx *cx, Process *p, Fragment *f);
/* A request was dropped from the mailbox (takes f). */
void promise_dropped(ActorCtx *cx, Fragment *f);
/* `to` had no place for a request about the promise, or is gone. */
void promise_not_asked(ActorCtx *cx, Promise *promise, Value to);

#endif
