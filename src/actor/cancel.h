/* SPDX-License-Identifier: Apache-2.0 */
/* cancel.h - cancellation contexts: a tree of flags that are set once, by hand or by a deadline.
 *
 * A context is an off-heap object that processes may ask, wait for, or receive from (its done
 * channel). To cancel one cancels all below it: those of a small tree before context_cancel
 * returns, the rest in pieces by tasks; but context_is_cancelled, which looks at the ancestors too,
 * says so at once everywhere.
 *
 * What keeps what alive: a context its parent, a done channel its context. A parent only knows its
 * children, a context its done channel, and a timer its context: none of these keeps a thing that
 * nobody else can see.
 *
 * Threads: any, inside an epoch section; context_new on a scheduler when there is a time. */
#ifndef MAGGIE_CANCEL_H
#define MAGGIE_CANCEL_H

#include "channel.h"

typedef struct Context CancelContext;
extern const WaitableType context_type;

/* A tree may be so deep. */
#define CONTEXT_DEPTH_MAX 1000u
#define CONTEXT_NO_LIMIT UINT64_MAX

static inline CancelContext *context_of(Value v)
{
    return (CancelContext *)(void *)waitable_of(v, &context_type);
}

/* One count, the caller's. parent may be NULL; its deadline holds for the child too. `ns` from now
 * on; 0: cancelled from the beginning; CONTEXT_NO_LIMIT: none of its own. forever: can never be
 * cancelled. STATUS_TOO_DEEP, STATUS_NO_MEMORY. */
MUST_CHECK Status context_new(ActorCtx *cx, CancelContext *parent, uint64_t ns, bool forever,
                              CancelContext **out);
void context_cancel(ActorCtx *cx, CancelContext *context);
bool context_is_cancelled(const CancelContext *context);
/* Borrowed; NULL: none. */
CancelContext *context_parent(const CancelContext *context);
/* Monotonic and since 1970; false when it has none. */
bool context_deadline(const CancelContext *context, uint64_t *monotonic_ns, uint64_t *wall_ns);
/* The channel that gets one `true` and is closed when the context is cancelled; the same one as
 * long as somebody has it. A count for the caller. */
MUST_CHECK Status context_done_channel(ActorCtx *cx, CancelContext *context, Channel **out);
#endif
