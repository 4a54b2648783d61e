/* SPDX-License-Identifier: Apache-2.0 */
/* timer.h - timers of a scheduler: a hierarchical wheel with 128 us ticks (D21).
 *
 * A Timer is embedded by its user and belongs to the wheel it was started on until it ran or was
 * cancelled. Never early: fn runs at the end of a slice once the clock has passed deadline_ns.
 * Tasks that fn makes ready run ahead of ordinary work.
 *
 * Every wheel has a lock, free in the normal case since only its owner comes (about 5 ns). It lets
 * any thread cancel directly, and lets an idle scheduler expire the wheel of one that is stuck in C
 * code. fn itself runs without the lock; the wheel remembers which timer is running, and a cancel
 * from another thread waits until that call has returned. So after timer_cancel returned - with
 * either answer - fn is not running and will not run (unless started again), and the memory of the
 * Timer is the caller's. The one exception is a cancel from within fn itself: it answers false.
 *
 * Threads: timer_start and timer_start_in on the scheduler's own thread; timer_cancel by any; two
 * threads must not start or cancel the same Timer at the same time. */
#ifndef MAGGIE_TIMER_H
#define MAGGIE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "task.h"

typedef struct Timer Timer;

/* Called on the scheduler thread `sched` (the wheel's owner, or the one that stands in for it). The
 * timer is no longer pending: fn may start it again or free its memory. Must be short: make a task
 * ready, push a message. */
typedef void (*TimerFn)(Timer *timer, Sched *sched);

typedef struct TimerLink {
    struct TimerLink *next; /* NULL when not pending */
    struct TimerLink *prev;
} TimerLink;

struct Timer {
    TimerLink link; /* in its slot; under the wheel's lock; first */
    uint64_t deadline_ns;
    TimerFn fn;
    void *arg;    /* the user's */
    Sched *owner; /* whose wheel holds it, or held it last; NULL if never started */
};

static inline void timer_init(Timer *timer, TimerFn fn, void *arg)
{
    timer->link.next = 0;
    timer->link.prev = 0;
    timer->deadline_ns = 0;
    timer->fn = fn;
    timer->arg = arg;
    timer->owner = 0;
}

/* Starts a timer that is not pending for a point of the monotonic clock. A deadline that has passed
 * expires at the end of this slice. O(1). `sched` is the caller's own scheduler. */
void timer_start(Sched *sched, Timer *timer, uint64_t deadline_ns);

/* The same, `delay_ns` from now by a fresh reading of the clock (sched_now may be a slice old,
 * which would be early). A delay beyond the end of time is clamped. */
void timer_start_in(Sched *sched, Timer *timer, uint64_t delay_ns);

/* True when the timer was pending and now is not: fn will not run for that start. False when it was
 * not pending. O(1). `self` is the calling scheduler or NULL for any other thread. */
bool timer_cancel(Sched *self, Timer *timer);

/* True while started and not yet expired. For the party that starts and cancels it; by others a
 * hint only. */
bool timer_pending(const Timer *timer);

#endif
