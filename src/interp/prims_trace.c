/* SPDX-License-Identifier: Apache-2.0 */
/* prims_trace.c - tracing sessions.
 *
 * To make a session and to point it at processes takes the right #reflection; to read what one has
 * delivered takes its handle, which whoever made it may have given away.
 * Threads: the owner of the process, inside its scheduler's epoch section. */
#include "trace.h"

#include "prim_waitable.h"
#include "prims.h"

static PrimStatus no_session(PrimCall *c)
{
    return prim_error(c, "the receiver is not a tracing session");
}

/* A positive SmallInteger. */
static bool count_arg(Value v, uint64_t *n)
{
    if (!value_is_int(v) || value_as_int(v) < 1)
        return false;
    *n = (uint64_t)value_as_int(v);
    return true;
}

/* An Array {class or nil. selector or nil. class ...}. */
static bool filters_arg(Value v, TraceConfig *config)
{
    if (!value_is_kind(v, OBJ_SLOTS) || obj_class(obj_of(v)) != CLASS_ARRAY)
        return false;
    const Value *slots = obj_slots(obj_of(v));
    size_t n = obj_words(obj_of(v));
    if (n % 2 != 0 || n / 2 > TRACE_FILTERS)
        return false;
    for (size_t i = 0; i < n; i += 2) {
        Value cls = slots[i], selector = slots[i + 1];
        if ((cls != VALUE_NIL && !value_is_class(cls)) ||
            (selector != VALUE_NIL && !value_is_symbol(selector)))
            return false;
        config->filters[i / 2] = (TraceFilter){
            .cls = cls == VALUE_NIL ? (uint32_t)CLASS_NONE : value_as_class(cls) & ~1u,
            .selector = selector == VALUE_NIL ? UINT32_MAX : value_as_symbol(selector)};
    }
    config->nfilters = (uint32_t)(n / 2);
    return true;
}

PrimStatus prim_trace_new(PrimCall *c)
{
    TraceConfig config = {0};
    PrimStatus st;
    Trace *t;
    uint64_t what;
    if (!count_arg(c->args[1], &what) || what > TRACE_ALL)
        return prim_type_error(c, 1, "kinds of events");
    if (!filters_arg(c->args[2], &config))
        return prim_type_error(c, 2, "Array of at most 16 classes and selectors");
    if (!count_arg(c->args[3], &config.per_second))
        return prim_type_error(c, 3, "positive SmallInteger");
    if (!count_arg(c->args[4], &config.total))
        return prim_type_error(c, 4, "positive SmallInteger");
    if (!count_arg(c->args[5], &config.capacity))
        return prim_type_error(c, 5, "positive SmallInteger");
    if (!prim_can_make_handle(c, &st))
        return st;
    config.what = (unsigned)what;
    Status status = trace_new(prim_actor(c), c->process, &config, &t);
    if (status == STATUS_BUSY)
        return prim_error(c, "the process has 64 sessions that run already");
    if (status == STATUS_LIMIT)
        return prim_error(c, "a channel holds at most 134217728 items");
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    prim_charge(c, 8);
    return prim_handle(c, value_as_class(c->args[0]), (OffHeap *)(void *)t);
}

static PrimStatus answer_status(PrimCall *c, Status status)
{
    switch (status) {
    case STATUS_OK: return prim_ok(c, VALUE_TRUE);
    case STATUS_NO_PROCESS:
    case STATUS_CLOSED: return prim_ok(c, VALUE_FALSE);
    case STATUS_DENIED: return prim_error(c, "a session does not trace its owner");
    case STATUS_LIMIT: return prim_error(c, "16 sessions trace new processes already");
    default: return prim_status(c, status, 0);
    }
}

/* False: the process, or the session, has ended. */
PrimStatus prim_trace_process(PrimCall *c)
{
    if (!trace_of(c->args[0]))
        return no_session(c);
    if (!value_is_pid(c->args[1]))
        return prim_type_error(c, 1, "Process");
    if (!value_is_int(c->args[2]) || (uint64_t)value_as_int(c->args[2]) > 2)
        return prim_type_error(c, 2, "0, 1 or 2");
    int64_t how = value_as_int(c->args[2]);
    prim_charge(c, 4);
    return answer_status(
        c, trace_process(prim_actor(c), c->process, c->args[0], c->args[1], how != 0, how == 2));
}

/* False: the session has ended. */
PrimStatus prim_trace_new_processes(PrimCall *c)
{
    Trace *t = trace_of(c->args[0]);
    if (!t)
        return no_session(c);
    if (!value_is_bool(c->args[1]))
        return prim_type_error(c, 1, "Boolean");
    return answer_status(c, trace_new_processes(prim_actor(c), t, c->args[1] == VALUE_TRUE));
}

/* The argument is the class of channels. */
PrimStatus prim_trace_events(PrimCall *c)
{
    Trace *t = trace_of(c->args[0]);
    if (!t)
        return no_session(c);
    if (!value_is_class(c->args[1]) || vm_class(c->vm, value_as_class(c->args[1]))->nslots > 0)
        return prim_type_error(c, 1, "Class");
    if (!heap_has_room(c->heap, c->stack_end, 3))
        return prim_gc(c, 3);
    OffHeap *channel = (OffHeap *)(void *)trace_events(t);
    offheap_retain(channel);
    return prim_handle(c, value_as_class(c->args[1]), channel);
}

PrimStatus prim_trace_figures(PrimCall *c)
{
    enum { FIGURE_RUNNING, FIGURE_OWNER, FIGURE_DELIVERED, FIGURE_DROPPED, FIGURES };
    Trace *t = trace_of(c->args[0]);
    TraceInfo info;
    PrimStatus st;
    if (!t)
        return no_session(c);
    Object *figures = prim_new_slots(c, CLASS_ARRAY, FIGURES, &st);
    if (!figures)
        return st;
    trace_look(t, &info);
    figures->words[FIGURE_RUNNING] = value_bool(info.running);
    figures->words[FIGURE_OWNER] = info.owner;
    figures->words[FIGURE_DELIVERED] =
        value_int((int64_t)(info.delivered & (uint64_t)VALUE_INT_MAX));
    figures->words[FIGURE_DROPPED] = value_int((int64_t)(info.dropped & (uint64_t)VALUE_INT_MAX));
    return prim_ok(c, value_ptr(figures));
}

PrimStatus prim_trace_stop(PrimCall *c)
{
    Trace *t = trace_of(c->args[0]);
    if (!t)
        return no_session(c);
    prim_charge(c, 16);
    trace_stop(prim_actor(c), c->process, t);
    return prim_self(c);
}
