/* SPDX-License-Identifier: Apache-2.0 */
/* prims_sync.c - mutexes, semaphores, wait groups.
 * Threads: the owner of the process, inside its scheduler's epoch section. */
#include "sync.h"

#include "interp_int.h"
#include "prim_waitable.h"
#include "prims.h"

/* A handle to a new object, or what its making answered. */
static PrimStatus answer_new(PrimCall *c, Status status, void *object)
{
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    prim_charge(c, 2);
    return prim_handle(c, value_as_class(c->args[0]), object);
}

/* ---- mutexes -------------------------------------------------------------------------------- */

static PrimStatus no_mutex(PrimCall *c) { return prim_error(c, "the receiver is not a mutex"); }

PrimStatus prim_mutex_new(PrimCall *c)
{
    PrimStatus st;
    Mutex *m = NULL;
    if (!prim_can_make_handle(c, &st))
        return st;
    Status status = mutex_new(prim_actor(c), &m);
    return answer_new(c, status, m);
}

PrimStatus prim_mutex_lock(PrimCall *c)
{
    Mutex *m = mutex_of(c->args[0]);
    unsigned outcome;
    if (!m)
        return no_mutex(c);
    if (!prim_fetch(c))
        return PRIM_YIELD;
    if (!c->resume->a) {
        Status status = mutex_lock(prim_actor(c), c->process, m, &outcome);
        if (status == STATUS_OK)
            return prim_ok(c, value_bool(outcome == WAIT_OWNER_DIED));
        if (status == STATUS_EXISTS)
            return prim_plain_error(c, "this process holds the mutex already");
        if (status != STATUS_BUSY)
            return prim_status(c, status, 0);
    }
    WaitNode node;
    PrimStatus st =
        prim_wait_one(c, (Waitable *)(void *)m, WAIT_TAKE, NULL, PROCESS_WAIT_LOCK, &node);
    if (st != PRIM_OK)
        return st;
    mutex_locked(prim_actor(c), c->process, m);
    return prim_ok(c, value_bool(node.outcome == WAIT_OWNER_DIED));
}

PrimStatus prim_mutex_try_lock(PrimCall *c)
{
    Mutex *m = mutex_of(c->args[0]);
    unsigned outcome;
    if (!m)
        return no_mutex(c);
    Status status = mutex_lock(prim_actor(c), c->process, m, &outcome);
    if (status == STATUS_OK)
        return prim_ok(c, value_int(outcome == WAIT_OWNER_DIED ? 2 : 1));
    if (status == STATUS_BUSY || status == STATUS_EXISTS)
        return prim_ok(c, VALUE_FALSE);
    return prim_status(c, status, 0);
}

PrimStatus prim_mutex_unlock(PrimCall *c)
{
    Mutex *m = mutex_of(c->args[0]);
    if (!m)
        return no_mutex(c);
    Status status = mutex_unlock(prim_actor(c), c->process, m);
    if (status == STATUS_NOT_FOUND)
        return prim_error(c, "the mutex is not locked");
    if (status != STATUS_OK)
        return prim_error(c, "another process holds the mutex");
    return prim_self(c);
}

PrimStatus prim_mutex_owner(PrimCall *c)
{
    Mutex *m = mutex_of(c->args[0]);
    return m ? prim_ok(c, mutex_owner(m)) : no_mutex(c);
}

/* ---- semaphores ----------------------------------------------------------------------------- */

static PrimStatus no_semaphore(PrimCall *c)
{
    return prim_error(c, "the receiver is not a semaphore");
}

PrimStatus prim_semaphore_new(PrimCall *c)
{
    PrimStatus st;
    Semaphore *s = NULL;
    if (!value_is_int(c->args[1]))
        return prim_type_error(c, 1, "SmallInteger");
    if (!prim_can_make_handle(c, &st))
        return st;
    Status status = semaphore_new(prim_actor(c), value_as_int(c->args[1]), &s);
    return answer_new(c, status, s);
}

/* PRIM_OK: the process has a permit. */
static PrimStatus acquire(PrimCall *c, Semaphore *s)
{
    if (!s)
        return no_semaphore(c);
    if (!prim_fetch(c))
        return PRIM_YIELD;
    if (!c->resume->a && semaphore_try(s) == STATUS_OK)
        return PRIM_OK;
    WaitNode node;
    return prim_wait_one(c, (Waitable *)(void *)s, WAIT_TAKE, NULL, PROCESS_WAIT_SEMAPHORE, &node);
}

/* The permit just got goes back at the end of the process. */
static PrimStatus hold(PrimCall *c, Semaphore *s, Value answer)
{
    Status status = semaphore_hold(prim_actor(c), c->process, s);
    if (status == STATUS_OK)
        return prim_ok(c, answer);
    semaphore_release(prim_actor(c), s);
    return prim_status(c, status, 0);
}

PrimStatus prim_semaphore_acquire(PrimCall *c)
{
    PrimStatus st = acquire(c, semaphore_of(c->args[0]));
    return st == PRIM_OK ? prim_self(c) : st;
}

PrimStatus prim_semaphore_acquire_held(PrimCall *c)
{
    Semaphore *s = semaphore_of(c->args[0]);
    PrimStatus st = acquire(c, s);
    return st == PRIM_OK ? hold(c, s, c->args[0]) : st;
}

PrimStatus prim_semaphore_try_acquire(PrimCall *c)
{
    Semaphore *s = semaphore_of(c->args[0]);
    return s ? prim_ok(c, value_bool(semaphore_try(s) == STATUS_OK)) : no_semaphore(c);
}

PrimStatus prim_semaphore_try_acquire_held(PrimCall *c)
{
    Semaphore *s = semaphore_of(c->args[0]);
    if (!s)
        return no_semaphore(c);
    return semaphore_try(s) == STATUS_OK ? hold(c, s, VALUE_TRUE) : prim_ok(c, VALUE_FALSE);
}

PrimStatus prim_semaphore_release(PrimCall *c)
{
    Semaphore *s = semaphore_of(c->args[0]);
    if (!s)
        return no_semaphore(c);
    semaphore_release(prim_actor(c), s);
    return prim_self(c);
}

PrimStatus prim_semaphore_release_held(PrimCall *c)
{
    Semaphore *s = semaphore_of(c->args[0]);
    if (!s)
        return no_semaphore(c);
    if (semaphore_let_go(prim_actor(c), c->process, s) != STATUS_OK)
        return prim_error(c, "this process holds no such permit");
    return prim_self(c);
}

PrimStatus prim_semaphore_available(PrimCall *c)
{
    Semaphore *s = semaphore_of(c->args[0]);
    int64_t available, capacity;
    if (!s)
        return no_semaphore(c);
    semaphore_look(s, &available, &capacity);
    return prim_ok(c, value_int(available));
}

PrimStatus prim_semaphore_capacity(PrimCall *c)
{
    Semaphore *s = semaphore_of(c->args[0]);
    int64_t available, capacity;
    if (!s)
        return no_semaphore(c);
    semaphore_look(s, &available, &capacity);
    return prim_ok(c, value_int(capacity));
}

/* ---- wait groups ---------------------------------------------------------------------------- */

static PrimStatus no_group(PrimCall *c)
{
    return prim_error(c, "the receiver is not a wait group");
}

PrimStatus prim_wait_group_new(PrimCall *c)
{
    PrimStatus st;
    WaitGroup *g = NULL;
    if (!prim_can_make_handle(c, &st))
        return st;
    Status status = wait_group_new(prim_actor(c), &g);
    return answer_new(c, status, g);
}

static PrimStatus change(PrimCall *c, int64_t by)
{
    WaitGroup *g = wait_group_of(c->args[0]);
    if (!g)
        return no_group(c);
    if (wait_group_add(prim_actor(c), g, by) != STATUS_OK)
        return prim_error(c, "the count cannot be negative or beyond 2^47");
    return prim_self(c);
}

PrimStatus prim_wait_group_add(PrimCall *c)
{
    if (!value_is_int(c->args[1]))
        return prim_type_error(c, 1, "SmallInteger");
    return change(c, value_as_int(c->args[1]));
}

PrimStatus prim_wait_group_done(PrimCall *c) { return change(c, -1); }

PrimStatus prim_wait_group_wait(PrimCall *c)
{
    WaitGroup *g = wait_group_of(c->args[0]);
    WaitNode node;
    if (!g)
        return no_group(c);
    if (!prim_fetch(c))
        return PRIM_YIELD;
    if (!c->resume->a && wait_group_count(g) == 0)
        return prim_self(c);
    PrimStatus st =
        prim_wait_one(c, (Waitable *)(void *)g, WAIT_TAKE, NULL, PROCESS_WAIT_WAIT_GROUP, &node);
    return st == PRIM_OK ? prim_self(c) : st;
}

PrimStatus prim_wait_group_count(PrimCall *c)
{
    WaitGroup *g = wait_group_of(c->args[0]);
    return g ? prim_ok(c, value_int(wait_group_count(g))) : no_group(c);
}

/* The child stands on its list of holds before it can run, so that it is counted down whatever
 * becomes of it. */
static Status wrap(PrimCall *c, WaitGroup *g, Value block, Value *pid)
{
    VmLocal *l = prim_local(c);
    Process *child;
    STATUS_FORWARD(wait_group_add(&l->actor, g, 1));
    Status status = interp_make_child(l, c->process, block, 0, VALUE_NIL, c->process->domain,
                                      (TaskPrio)c->process->priority, &child);
    if (status == STATUS_OK) {
        status = wait_group_join(&l->actor, child, g);
        if (status != STATUS_OK)
            interp_drop_child(l, child);
    }
    if (status != STATUS_OK)
        return wait_group_add(&l->actor, g, -1) == STATUS_OK ? status : STATUS_INTERNAL;
    *pid = child->pid;
    process_start(&l->actor, child, false);
    return STATUS_OK;
}

PrimStatus prim_wait_group_wrap(PrimCall *c)
{
    WaitGroup *g = wait_group_of(c->args[0]);
    Value block = c->args[1], pid;
    if (!g)
        return no_group(c);
    if (!value_is_kind(block, OBJ_CLOSURE))
        return prim_type_error(c, 1, "Block");
    if (((const Code *)closure_code(obj_of(block)))->nargs > 0)
        return prim_error(c, "the block needs more arguments");
    prim_copy_begin(c);
    Status status = wrap(c, g, block, &pid);
    prim_copy_end(c);
    if (status != STATUS_OK)
        return prim_copy_failed(c, status);
    prim_charge_copy(c);
    prim_charge(c, 8);
    return prim_ok(c, pid);
}
