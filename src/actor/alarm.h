/* SPDX-License-Identifier: Apache-2.0 */
/* alarm.h - messages that are sent at a time to come, once or again and again.
 *
 * A Timer value is an immediate, like a pid: 26-bit index of a slot and 22-bit generation, so it
 * can be held, sent and compared without cost, and names the same alarm for ever. Slots are
 * type-stable memory; one whose generations are used up is retired.
 *
 * Who owns a slot is decided by one word, `state`:
 *
 *     FREE -> PENDING            start: by its maker, then the wheel has it
 *     PENDING -> CLAIMED         a cancel has won: it takes the timer off the wheel and frees
 *     PENDING -> FIRING          its time has come: sends; then FREE, or PENDING for the next time
 *     FIRING -> CANCELLED        a cancel in between: who fires frees
 *     FIRING -> MISSED           the next time came, on another thread, before the first was done
 *
 * A message to a process that has ended ends its alarm.
 *
 * Threads: alarm_start on a scheduler, alarm_cancel and alarm_left by any scheduler. */
#ifndef MAGGIE_ALARM_H
#define MAGGIE_ALARM_H

#include "process.h"

typedef struct AlarmSpec {
    Value to;       /* pid */
    Value selector; /* Symbol or nil */
    Value message;  /* of the starting process's heap; VALUE_NONE: the Timer itself */
    uint64_t delay_ns;
    uint64_t period_ns; /* 0: once */
} AlarmSpec;

/* Sends a copy of spec->message (made now) from `from` when delay_ns have passed, never earlier,
 * and then every period_ns. *timer is the Timer. STATUS_LIMIT: too many; else as process_send. Sets
 * cx->copied_words. */
MUST_CHECK Status alarm_start(ActorCtx *cx, Process *from, const AlarmSpec *spec, Value *timer,
                              Value *culprit);
/* True: it was pending and sends nothing any more; *left_ns to its time by the clock of the slice.
 * False: it has fired or been cancelled. */
bool alarm_cancel(ActorCtx *cx, Value timer, uint64_t *left_ns);
/* True: it is pending; *left_ns to its time. */
bool alarm_left(ActorCtx *cx, Value timer, uint64_t *left_ns);

#endif
