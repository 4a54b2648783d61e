/* SPDX-License-Identifier: Apache-2.0 */
/* prims_timer.c - messages that are sent at a time to come.
 * Threads: the owner of the process, inside its scheduler's epoch section. */
#include "alarm.h"
#include "prim_wait.h"
#include "prims.h"

/* `ms`: which argument is the time. */
static PrimStatus start(PrimCall *c, Value selector, Value message, unsigned ms, bool repeat)
{
    AlarmSpec spec = {.to = c->args[0], .selector = selector, .message = message};
    if (!value_is_pid(c->args[0]))
        return prim_error(c, "the receiver is not a process");
    if (!prim_delay_ns(c->args[ms], &spec.delay_ns))
        return prim_type_error(c, ms, "Number");
    if (repeat && spec.delay_ns == 0)
        return prim_error(c, "the time must be positive");
    spec.period_ns = repeat ? spec.delay_ns : 0;
    Value timer, culprit;
    prim_copy_begin(c);
    Status status = alarm_start(prim_actor(c), c->process, &spec, &timer, &culprit);
    prim_copy_end(c);
    if (status == STATUS_LIMIT)
        return prim_error(c, "too many timers");
    if (status != STATUS_OK)
        return prim_copy_failed(c, status);
    prim_charge_copy(c);
    return prim_ok(c, timer);
}

PrimStatus prim_timer_start(PrimCall *c)
{
    return start(c, value_symbol(SYM_TIMEOUT), VALUE_NONE, 1, false);
}

PrimStatus prim_timer_send(PrimCall *c) { return start(c, VALUE_NIL, c->args[1], 2, false); }

/* The library has checked the selector. */
PrimStatus prim_timer_send_with(PrimCall *c)
{
    if (!value_is_symbol(c->args[1]))
        return prim_type_error(c, 1, "Symbol");
    return start(c, c->args[1], c->args[2], 3, false);
}

PrimStatus prim_timer_send_every(PrimCall *c)
{
    Value selector = c->args[1];
    if (selector != VALUE_NIL && !value_is_symbol(selector))
        return prim_type_error(c, 1, "Symbol");
    return start(c, selector, c->args[2], 3, true);
}

/* Rounded up: what has not passed is not 0. */
static Value milliseconds(uint64_t ns)
{
    uint64_t ms = ns / 1000000 + (ns % 1000000 != 0);
    return value_int(ms > (uint64_t)VALUE_INT_MAX ? VALUE_INT_MAX : (int64_t)ms);
}

PrimStatus prim_timer_cancel(PrimCall *c)
{
    uint64_t left = 0;
    bool was_pending = alarm_cancel(prim_actor(c), c->args[0], &left);
    return prim_ok(c, was_pending ? milliseconds(left) : VALUE_NIL);
}

PrimStatus prim_timer_remaining(PrimCall *c)
{
    uint64_t left = 0;
    bool pending = alarm_left(prim_actor(c), c->args[0], &left);
    return prim_ok(c, pending ? milliseconds(left) : VALUE_NIL);
}

PrimStatus prim_timer_number(PrimCall *c)
{
    return prim_answer_int64(c, (int64_t)(c->args[0] & VALUE_PAYLOAD_MASK));
}
