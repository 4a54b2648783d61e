/* SPDX-License-Identifier: Apache-2.0 */
/* sync.h - mutexes, semaphores and wait groups: off-heap objects that processes wait for (D9).
 *
 * Each has an owner's side that ends with the owner: a mutex is released when the process that
 * holds it ends in any way, and the next holder is told (WAIT_OWNER_DIED); a permit or a membership
 * that was taken in the name of a process goes back at its end. Waiters are served in order of
 * arrival.
 *
 * Threads: `p` is the calling process, by its owner inside an epoch section; the objects are
 * shared, each has its lock. */
#ifndef MAGGIE_SYNC_H
#define MAGGIE_SYNC_H

#include "waitable.h"

/* ---- mutexes -------------------------------------------------------------------------------- */

typedef struct Mutex Mutex;
extern const WaitableType mutex_type;

MUST_CHECK Status mutex_new(ActorCtx *cx, Mutex **out);
static inline Mutex *mutex_of(Value v) { return (Mutex *)(void *)waitable_of(v, &mutex_type); }
/* STATUS_OK: held, *outcome is WAIT_DONE or WAIT_OWNER_DIED. STATUS_BUSY: another holds it.
 * STATUS_EXISTS: p holds it already. STATUS_NO_MEMORY. */
MUST_CHECK Status mutex_lock(ActorCtx *cx, Process *p, Mutex *m, unsigned *outcome);
/* p was served by a wait: notes that it holds the mutex. */
void mutex_locked(ActorCtx *cx, Process *p, Mutex *m);
/* STATUS_NOT_FOUND: nobody holds it. STATUS_DENIED: another does. */
MUST_CHECK Status mutex_unlock(ActorCtx *cx, Process *p, Mutex *m);
/* The pid of who holds it, or VALUE_NIL. A snapshot. */
Value mutex_owner(Mutex *m);

/* ---- semaphores ----------------------------------------------------------------------------- */

typedef struct Semaphore Semaphore;
extern const WaitableType semaphore_type;

MUST_CHECK Status semaphore_new(ActorCtx *cx, int64_t permits, Semaphore **out);
static inline Semaphore *semaphore_of(Value v)
{
    return (Semaphore *)(void *)waitable_of(v, &semaphore_type);
}
/* STATUS_BUSY: no permit is free. */
MUST_CHECK Status semaphore_try(Semaphore *s);
void semaphore_release(ActorCtx *cx, Semaphore *s);
/* A permit that p has now goes back when p ends, unless semaphore_let_go comes first. */
MUST_CHECK Status semaphore_hold(ActorCtx *cx, Process *p, Semaphore *s);
/* Releases the permit held last. STATUS_NOT_FOUND: p holds none. */
MUST_CHECK Status semaphore_let_go(ActorCtx *cx, Process *p, Semaphore *s);
void semaphore_look(Semaphore *s, int64_t *available, int64_t *capacity);

/* ---- wait groups ---------------------------------------------------------------------------- */

typedef struct WaitGroup WaitGroup;
extern const WaitableType wait_group_type;

MUST_CHECK Status wait_group_new(ActorCtx *cx, WaitGroup **out);
static inline WaitGroup *wait_group_of(Value v)
{
    return (WaitGroup *)(void *)waitable_of(v, &wait_group_type);
}
/* Changes the count. STATUS_OUT_OF_RANGE, nothing done: it would be negative or too big. */
MUST_CHECK Status wait_group_add(ActorCtx *cx, WaitGroup *g, int64_t change);
/* p counts as one, until it ends: the caller has added 1 for it. p may be a process that has not
 * been started. */
MUST_CHECK Status wait_group_join(ActorCtx *cx, Process *p, WaitGroup *g);
int64_t wait_group_count(WaitGroup *g);

#endif
