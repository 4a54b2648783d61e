/* SPDX-License-Identifier: Apache-2.0 */
/* prim_wait.h - what primitives that send, wait and time out have in common.
 *
 * A primitive that waits returns PRIM_PARK and is called again after every wake-up, whatever the
 * reason was; c->resume remembers what it has already started. It clears resume before it answers.
 * Before it parks it looks whether an exit signal came with the last signals: then it yields, and
 * the interpreter delivers that.
 * Threads: the owner of the process, inside its scheduler's epoch section. */
#ifndef MAGGIE_PRIM_WAIT_H
#define MAGGIE_PRIM_WAIT_H

#include "interp_int.h"
#include "prim.h"
#include "process.h"

static inline ActorCtx *prim_actor(PrimCall *c) { return &prim_local(c)->actor; }

/* The answer of a primitive that kept something in resume. */
static inline PrimStatus prim_finish(PrimCall *c, Value answer)
{
    c->resume->a = c->resume->b = c->resume->c = 0;
    c->resume->root = VALUE_NIL;
    return prim_ok(c, answer);
}

/* Sorts what has arrived. False: an exit signal waits to be delivered, yield. */
static inline bool prim_fetch(PrimCall *c)
{
    Process *p = c->process;
    if (process_has_signals(p)) {
        int32_t left = c->reductions > 0 ? (int32_t)c->reductions : 0;
        int32_t before = left;
        process_fetch_signals(prim_actor(c), p, &left);
        c->reductions -= before - left;
        /* What the senders knew of new code, this process knows too (M11). */
        vm_local_check_version(prim_local(c));
    }
    return !(p->flags & PROCESS_F_EXIT_PENDING);
}

/* Waits, but must look at signals before it can park. Who asks meanwhile (SIGNAL_INFO) is told what
 * it waits for. */
static inline PrimStatus prim_yield_waiting(PrimCall *c, ProcessWait why)
{
    c->process->wait = (uint8_t)why;
    return PRIM_YIELD;
}

static inline PrimStatus prim_park(PrimCall *c, ProcessWait why)
{
    /* Signals are left when the slice was used up by sorting, when a question must be answered
     * between slices, or when a sender has not linked one yet: then there is no use in parking. */
    if (process_has_signals(c->process))
        return prim_yield_waiting(c, why);
    c->process->wait = (uint8_t)why;
    return PRIM_PARK;
}

/* Around whatever copies out of the process's heap and knows what to do when that fails: a copy of
 * more words than this is made elsewhere (away.c). Half as many as a collection may look at:
 * what has been copied by then is copied again. */
static inline void prim_copy_begin(PrimCall *c)
{
    c->cx->copy_words =
        __builtin_expect(c->back, 0) ? away_copy_words(c) : c->cx->env->long_words / 2;
}
static inline void prim_copy_end(PrimCall *c) { c->cx->copy_words = 0; }

/* Pays for the last copy that left the heap. */
static inline void prim_charge_copy(PrimCall *c)
{
    prim_charge(c, prim_actor(c)->copied_words / 8 + 1);
}

/* A copy that did not work, or that is too long: then the call starts over when it has been
 * made. */
static inline PrimStatus prim_copy_failed(PrimCall *c, Status status)
{
    if (status == STATUS_COPY_LONG)
        return away_copy(c);
    if (status == STATUS_NOT_SENDABLE)
        return prim_error(c, "a weak reference cannot leave its process");
    if (status == STATUS_COPY_TOO_BIG || status == STATUS_PROCESS_LIMIT)
        return prim_error(c, status_text(status));
    return prim_status(c, status, 0);
}

/* A time in milliseconds as nanoseconds; negative ones and a NaN are 0, endless ones the end of
 * time. False: not a number. */
static inline bool prim_delay_ns(Value ms, uint64_t *ns)
{
    if (value_is_int(ms)) {
        int64_t n = value_as_int(ms);
        uint64_t most = UINT64_MAX / 1000000;
        *ns = n <= 0 ? 0 : (uint64_t)n > most ? UINT64_MAX : (uint64_t)n * 1000000;
        return true;
    }
    if (value_is_kind(ms, OBJ_BIG_INT)) {
        *ns = obj_pad(obj_of(ms)) & OBJ_BIGINT_NEGATIVE_PAD ? 0 : UINT64_MAX;
        return true;
    }
    if (!value_is_float(ms))
        return false;
    double d = value_as_float(ms) * 1e6;
    *ns = !(d > 0) ? 0 : d >= 1.8e19 ? UINT64_MAX : (uint64_t)d;
    return true;
}

#endif
