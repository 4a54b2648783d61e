/* SPDX-License-Identifier: Apache-2.0 */
/* prims_cancel.c - cancellation contexts.
 * Threads: the owner of the process, inside its scheduler's epoch section. */
#include "cancel.h"

#include "interp_int.h"
#include "prim_waitable.h"
#include "prims.h"

static PrimStatus no_context(PrimCall *c)
{
    return prim_error(c, "the receiver is not a cancellation context");
}

/* Milliseconds, or nil for none. */
static bool time_argument(Value v, uint64_t *ns)
{
    *ns = CONTEXT_NO_LIMIT;
    return v == VALUE_NIL || prim_delay_ns(v, ns);
}

/* A handle of class `cls`, which has room. */
static PrimStatus answer_new(PrimCall *c, uint32_t cls, CancelContext *parent, uint64_t ns,
                             bool forever)
{
    CancelContext *context;
    Status status = context_new(prim_actor(c), parent, ns, forever, &context);
    if (status == STATUS_TOO_DEEP)
        return prim_error(c, "contexts can be nested 1000 deep");
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    prim_charge(c, 3);
    return prim_handle(c, cls, (OffHeap *)(void *)context);
}

PrimStatus prim_context_forever(PrimCall *c)
{
    PrimStatus st;
    if (!prim_can_make_handle(c, &st))
        return st;
    return answer_new(c, value_as_class(c->args[0]), NULL, CONTEXT_NO_LIMIT, true);
}

PrimStatus prim_context_new(PrimCall *c)
{
    PrimStatus st;
    uint64_t ns;
    if (!time_argument(c->args[1], &ns))
        return prim_type_error(c, 1, "Number");
    if (!prim_can_make_handle(c, &st))
        return st;
    return answer_new(c, value_as_class(c->args[0]), NULL, ns, false);
}

PrimStatus prim_context_child(PrimCall *c)
{
    CancelContext *parent = context_of(c->args[0]);
    uint64_t ns;
    if (!parent)
        return no_context(c);
    if (!time_argument(c->args[1], &ns))
        return prim_type_error(c, 1, "Number");
    if (!heap_has_room(c->heap, c->stack_end, 3))
        return prim_gc(c, 3);
    return answer_new(c, obj_class(obj_of(c->args[0])), parent, ns, false);
}

PrimStatus prim_context_cancel(PrimCall *c)
{
    CancelContext *context = context_of(c->args[0]);
    if (!context)
        return no_context(c);
    prim_charge(c, 16);
    context_cancel(prim_actor(c), context);
    return prim_self(c);
}

PrimStatus prim_context_is_cancelled(PrimCall *c)
{
    const CancelContext *context = context_of(c->args[0]);
    return context ? prim_ok(c, value_bool(context_is_cancelled(context))) : no_context(c);
}

PrimStatus prim_context_deadline(PrimCall *c)
{
    const CancelContext *context = context_of(c->args[0]);
    uint64_t ns, wall;
    if (!context)
        return no_context(c);
    bool has = context_deadline(context, &ns, &wall);
    return has ? prim_answer_int64(c, (int64_t)(wall / 1000000)) : prim_ok(c, VALUE_NIL);
}

PrimStatus prim_context_remaining(PrimCall *c)
{
    const CancelContext *context = context_of(c->args[0]);
    uint64_t ns, wall;
    if (!context)
        return no_context(c);
    if (!context_deadline(context, &ns, &wall))
        return prim_ok(c, VALUE_NIL);
    uint64_t now = env_now_ns(c->vm->env);
    bool over = context_is_cancelled(context) || ns <= now;
    return prim_answer_int64(c, over ? 0 : (int64_t)((ns - now + 999999) / 1000000));
}

PrimStatus prim_context_wait(PrimCall *c)
{
    CancelContext *context = context_of(c->args[0]);
    WaitNode node;
    if (!context)
        return no_context(c);
    if (!prim_fetch(c))
        return PRIM_YIELD;
    PrimStatus st = prim_wait_one(c, (Waitable *)(void *)context, WAIT_TAKE, NULL,
                                  PROCESS_WAIT_CANCELLATION, &node);
    return st == PRIM_OK ? prim_self(c) : st;
}

PrimStatus prim_context_parent(PrimCall *c)
{
    const CancelContext *context = context_of(c->args[0]);
    if (!context)
        return no_context(c);
    CancelContext *parent = context_parent(context);
    if (!parent)
        return prim_ok(c, VALUE_NIL);
    if (!heap_has_room(c->heap, c->stack_end, 3))
        return prim_gc(c, 3);
    offheap_retain((OffHeap *)(void *)parent);
    return prim_handle(c, obj_class(obj_of(c->args[0])), (OffHeap *)(void *)parent);
}

/* The argument is the class of channels. */
PrimStatus prim_context_done_channel(PrimCall *c)
{
    CancelContext *context = context_of(c->args[0]);
    Channel *ch;
    if (!context)
        return no_context(c);
    if (!value_is_class(c->args[1]) || vm_class(c->vm, value_as_class(c->args[1]))->nslots > 0)
        return prim_type_error(c, 1, "Class");
    if (!heap_has_room(c->heap, c->stack_end, 3))
        return prim_gc(c, 3);
    Status status = context_done_channel(prim_actor(c), context, &ch);
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    return prim_handle(c, value_as_class(c->args[1]), (OffHeap *)(void *)ch);
}
