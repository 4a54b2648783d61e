/* SPDX-License-Identifier: Apache-2.0 */
/* prims_promise.c - promises as Maggie's library sees them: make, hold, settle, look, wait.
 * Threads: the owner of the process, inside its scheduler's epoch section. */
#include "promise.h"

#include "prim_wait.h"
#include "prims.h"

static Promise *self_promise(PrimCall *c) { return promise_of(c->args[0]); }

static PrimStatus not_a_promise(PrimCall *c)
{
    return prim_error(c, "the receiver is not a promise");
}

PrimStatus prim_promise_new(PrimCall *c)
{
    uint32_t cls = value_as_class(c->args[0]);
    if (vm_class(c->vm, cls)->nslots > 0)
        return prim_plain_error(c, "a promise has no instance variables");
    Promise *promise;
    Status status = promise_new(prim_actor(c), &promise);
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    OffHeap *head = (OffHeap *)(void *)promise_waitable(promise);
    Value handle;
    status = heap_new_handle(c->heap, c->cx, c->stack_end, cls, head, &handle);
    offheap_release(c->cx->env, head);
    return status == STATUS_OK ? prim_ok(c, handle) : prim_status(c, status, 4);
}

PrimStatus prim_promise_hold(PrimCall *c)
{
    Promise *promise = self_promise(c);
    if (!promise)
        return not_a_promise(c);
    if (promise_state(promise) != PROMISE_PENDING)
        return prim_self(c);
    Status status = promise_hold(prim_actor(c), c->process, promise);
    return status == STATUS_OK ? prim_self(c) : prim_status(c, status, 0);
}

PrimStatus prim_promise_hand(PrimCall *c)
{
    if (!self_promise(c))
        return not_a_promise(c);
    if (!value_is_pid(c->args[1]))
        return prim_type_error(c, 1, "Process");
    int64_t debt = value_is_int(c->args[2]) ? value_as_int(c->args[2]) : -1;
    if (debt < PROMISE_OWED || debt > PROMISE_ASKED)
        return prim_error(c, "a debt is 0, 1, 2 or 3");
    Status status =
        promise_hand(prim_actor(c), c->process, c->args[1], c->args[0], (PromiseDebt)debt);
    prim_charge(c, 2);
    if (status != STATUS_OK && status != STATUS_NO_PROCESS)
        return prim_copy_failed(c, status);
    return prim_ok(c, value_bool(status == STATUS_OK));
}

PrimStatus prim_promise_bind(PrimCall *c)
{
    Promise *promise = self_promise(c);
    return promise ? prim_ok(c, value_bool(promise_bind(promise))) : not_a_promise(c);
}

PrimStatus prim_promise_settle(PrimCall *c)
{
    Promise *promise = self_promise(c);
    if (!promise)
        return not_a_promise(c);
    Value how = c->args[1], v = c->args[2];
    if (how != value_int(PROMISE_RESOLVED) && how != value_int(PROMISE_REJECTED))
        return prim_error(c, "a promise is settled as 1 or 2");
    if (promise_state(promise) != PROMISE_PENDING)
        return prim_ok(c, VALUE_FALSE);
    Fragment *f = NULL;
    if (value_is_ptr(v)) {
        Value culprit;
        prim_copy_begin(c);
        Status status = fragment_copy_out(c->heap, c->cx, v, 0, &f, &culprit);
        prim_copy_end(c);
        if (status != STATUS_OK)
            return prim_copy_failed(c, status);
        prim_charge(c, f->words / 16 + 1);
        process_map_home_tokens(f->body, f->body + f->words, HOME_TOKEN_DEAD);
        v = VALUE_NIL;
    }
    prim_charge(c, 2);
    bool first = promise_settle(prim_actor(c), promise, (PromiseState)value_as_int(how),
                                c->args[3] == VALUE_TRUE, v, f);
    return prim_ok(c, value_bool(first));
}

PrimStatus prim_promise_describe(PrimCall *c)
{
    Promise *promise = self_promise(c);
    StrView text;
    if (!promise)
        return not_a_promise(c);
    if (!prim_text(c, c->args[1], &text))
        return prim_type_error(c, 1, "String");
    promise_describe_rejection(prim_actor(c), promise, (const char *)text.data, text.bytes);
    return prim_self(c);
}

PrimStatus prim_promise_state(PrimCall *c)
{
    Promise *promise = self_promise(c);
    if (!promise)
        return not_a_promise(c);
    PromiseState state = promise_state(promise);
    if (state == PROMISE_REJECTED)
        promise_look(promise);
    return prim_ok(c, value_int((int)state));
}

PrimStatus prim_promise_value(PrimCall *c)
{
    Promise *promise = self_promise(c);
    if (!promise)
        return not_a_promise(c);
    if (promise_state(promise) == PROMISE_PENDING)
        return prim_ok(c, VALUE_NIL);
    Value v;
    Fragment *copy;
    prim_copy_begin(c); /* its value stays while this process has the promise */
    Status status = promise_value(prim_actor(c), promise, &v, &copy);
    prim_copy_end(c);
    if (status != STATUS_OK)
        return prim_copy_failed(c, status);
    if (!copy)
        return prim_ok(c, v);
    prim_charge(c, copy->words / 32 + 1);
    return prim_ok(c, heap_adopt(c->heap, copy));
}

/* ---- waiting -------------------------------------------------------------------------------- */

/* The wait is over, by case `index` or, WAIT_NONE, for want of time. */
static PrimStatus waited(PrimCall *c, WaitSet *set, uint32_t index, Value answer)
{
    if (index != WAIT_NONE) {
        Promise *promise = (Promise *)(void *)wait_node(set, index)->on;
        promise_pass_on(prim_actor(c), promise);
    }
    process_stop_timer(prim_actor(c), c->process);
    prim_charge(c, wait_count(set) / 4);
    wait_end(prim_actor(c), set);
    return prim_finish(c, answer);
}

/* Waits for the promises in v[0..n-1] (handles) at most ns, UINT64_MAX: for ever. The answer of
 * case i is value_int(i + 1) when `indexed`, else true; late, when the time is over. */
static PrimStatus wait_for(PrimCall *c, const Value *v, unsigned n, uint64_t ns, bool indexed,
                           Value late)
{
    ActorCtx *cx = prim_actor(c);
    Process *p = c->process;
    if (!prim_fetch(c))
        return PRIM_YIELD;
    uint32_t served;
    WaitSet *set;
    if (!c->resume->a) {
        Status status = wait_new(cx, p, n, &set);
        if (status != STATUS_OK)
            return prim_status(c, status, 0);
        for (unsigned i = 0; i < n; i++)
            wait_case(set, i, promise_waitable(promise_of(v[i])), WAIT_TAKE, NULL);
        served = wait_begin(cx, set, ns > 0);
        if (served == WAIT_NONE && ns == 0)
            return waited(c, set, WAIT_NONE, late);
        if (ns != UINT64_MAX && served == WAIT_NONE)
            process_start_timer(cx, p, ns);
        c->resume->a = 1;
    } else {
        set = p->ext->waiting;
        served = wait_served(set);
        if (served == WAIT_NONE && ns != UINT64_MAX && process_timer_fired(p)) {
            if (wait_cancel(set))
                return waited(c, set, WAIT_NONE, late);
            served = wait_served(set);
        }
    }
    if (served == WAIT_NONE)
        return prim_park(c, PROCESS_WAIT_PROMISE);
    return waited(c, set, served, indexed ? value_int((int64_t)served + 1) : VALUE_TRUE);
}

static bool time_limit(Value ms, uint64_t *ns)
{
    if (ms != VALUE_NIL)
        return prim_delay_ns(ms, ns);
    *ns = UINT64_MAX;
    return true;
}

PrimStatus prim_promise_await(PrimCall *c)
{
    const Promise *promise = self_promise(c);
    uint64_t ns;
    if (!promise)
        return not_a_promise(c);
    if (!time_limit(c->args[1], &ns))
        return prim_type_error(c, 1, "Number");
    if (!c->resume->a && promise_state(promise) != PROMISE_PENDING)
        return prim_ok(c, VALUE_TRUE);
    return wait_for(c, c->args, 1, ns, false, VALUE_FALSE);
}

PrimStatus prim_promise_any_of(PrimCall *c)
{
    Value array = c->args[1];
    uint64_t ns;
    if (!value_is_kind(array, OBJ_SLOTS) || obj_class(obj_of(array)) != CLASS_ARRAY)
        return prim_type_error(c, 1, "Array");
    if (!time_limit(c->args[2], &ns))
        return prim_type_error(c, 2, "Number");
    size_t n = obj_words(obj_of(array));
    const Value *v = obj_slots(obj_of(array));
    if (n < 1 || n > WAIT_CASES_MAX)
        return prim_error(c, "between 1 and 1024 promises can be waited for at once");
    for (size_t i = 0; i < n; i++)
        if (!promise_of(v[i]))
            return prim_error(c, "an element is not a promise");
    prim_charge(c, n / 4);
    return wait_for(c, v, (unsigned)n, ns, true, VALUE_NIL);
}
