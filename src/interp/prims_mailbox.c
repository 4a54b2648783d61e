/* SPDX-License-Identifier: Apache-2.0 */
/* prims_mailbox.c - limits of mailboxes.
 * Threads: the owner of the process, inside its scheduler's epoch section. */
#include "class.h"
#include "mailbound.h"
#include "prim_wait.h"
#include "prims.h"

/* args[i], args[i + 1]: limit and policy. PRIM_OK, or what must be returned. */
static PrimStatus limit_args(PrimCall *c, unsigned i, uint64_t *limit, MailPolicy *policy)
{
    Value n = c->args[i], number = c->args[i + 1];
    if (n != VALUE_NIL && !value_is_int(n))
        return prim_type_error(c, i, "SmallInteger");
    if (n != VALUE_NIL && value_as_int(n) < 1)
        return prim_error(c, "the limit must be positive");
    if (!value_is_int(number) || (uint64_t)value_as_int(number) >= MAIL_POLICY_COUNT)
        return prim_error(c, "no such policy");
    *limit = n == VALUE_NIL ? UINT64_MAX : (uint64_t)value_as_int(n);
    *policy = (MailPolicy)value_as_int(number);
    return PRIM_OK;
}

PrimStatus prim_mailbox_limit(PrimCall *c)
{
    uint64_t limit = UINT64_MAX;
    MailPolicy policy = MAIL_POLICY_SUSPEND;
    PrimStatus st = limit_args(c, 1, &limit, &policy);
    if (st != PRIM_OK)
        return st;
    Value watcher = c->args[3];
    if (watcher != VALUE_NIL && !value_is_pid(watcher))
        return prim_type_error(c, 3, "Process");
    /* What is on its way must be there, so that it gets a place. */
    if (!prim_fetch(c) || process_has_signals(c->process))
        return PRIM_YIELD;
    prim_charge(c, c->process->nmessages / 8);
    Status status = mail_limit(prim_actor(c), c->process, limit, policy, watcher);
    return status == STATUS_OK ? prim_self(c) : prim_status(c, status, 0);
}

PrimStatus prim_mailbox_state(PrimCall *c)
{
    if (!value_is_pid(c->args[0]))
        return prim_error(c, "the receiver is not a process");
    PrimStatus st;
    Object *state = prim_new_slots(c, CLASS_ARRAY, 5, &st);
    if (!state)
        return st;
    Process *p = process_of_pid(prim_actor(c)->node, c->args[0]);
    MailBound *b = p ? mail_bound(p) : NULL;
    if (!b)
        return prim_ok(c, VALUE_NIL);
    lock_acquire(&b->w.lock);
    state->words[0] = b->limit == UINT64_MAX ? VALUE_NIL : value_int((int64_t)b->limit);
    state->words[1] = value_int(b->policy);
    state->words[2] = value_int((int64_t)b->count);
    state->words[3] = value_int((int64_t)b->dropped);
    state->words[4] = value_int((int64_t)b->refused);
    lock_release(&b->w.lock);
    return prim_ok(c, value_ptr(state));
}

PrimStatus prim_mailbox_watch(PrimCall *c)
{
    Value watcher = c->args[1];
    if (!value_is_pid(c->args[0]))
        return prim_error(c, "the receiver is not a process");
    if (watcher != VALUE_NIL && !value_is_pid(watcher))
        return prim_type_error(c, 1, "Process");
    Process *p = process_of_pid(prim_actor(c)->node, c->args[0]);
    MailBound *b = p ? mail_bound(p) : NULL;
    if (b) {
        lock_acquire(&b->w.lock);
        b->watcher = watcher;
        lock_release(&b->w.lock);
    }
    return prim_ok(c, value_bool(b != NULL));
}

PrimStatus prim_block_fork_bounded(PrimCall *c)
{
    uint64_t limit = UINT64_MAX;
    MailPolicy policy = MAIL_POLICY_SUSPEND;
    PrimStatus st = limit_args(c, 1, &limit, &policy);
    if (st != PRIM_OK)
        return st;
    ActorCtx *cx = prim_actor(c);
    cx->fork_limit = limit;
    cx->fork_policy = policy;
    st = prim_block_fork(c);
    cx->fork_limit = 0;
    return st;
}
