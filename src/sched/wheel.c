/* SPDX-License-Identifier: Apache-2.0 */
/* wheel.c - timers: a hierarchical wheel of four levels of 256 slots per scheduler.
 *
 * A timer's tick is its deadline rounded up to 65.536 us, so it is never early. A timer less than
 * 256 ticks ahead of the wheel sits in level 0 in the slot of its tick; one less than 256^(l+1)
 * ticks ahead sits in level l, and moves to a finer level when the wheel reaches its slot. Beyond
 * 256^4 ticks (78 hours) it sits in the last slot of level 3 and is placed anew from there.
 * The wheel does not step through empty ticks: bitmaps tell the next tick at which a slot of any
 * level has to be dealt with. A poll does a bounded amount of work: whole slots are detached by one
 * pointer and then moved or expired piece by piece, poll after poll.
 *
 * Threads: `lock` protects all of a wheel. The owner starts and polls; any thread cancels; an idle
 * scheduler polls the wheel of a stuck one. fn is called without the lock; `running` and `expirer`
 * say who calls what, which is what a canceller waits for.
 * Invariant: slot tick & 255 of level 0 holds only timers that are due (tick <= wheel->tick). */
#include <assert.h>
#include <sched.h>
#include <string.h>

#include "sched_int.h"

#define SLOT_MASK (WHEEL_SLOTS - 1)
#define TICK_NS ((uint64_t)1 << WHEEL_TICK_SHIFT)

static uint64_t tick_of_now(uint64_t now_ns) { return now_ns >> WHEEL_TICK_SHIFT; }

static uint64_t tick_of_deadline(uint64_t deadline_ns)
{
#ifdef MAGGIE_MUTANT_TIMER_EARLY
    return deadline_ns >> WHEEL_TICK_SHIFT;
#else
    uint64_t tick = deadline_ns >> WHEEL_TICK_SHIFT;
    return tick + ((deadline_ns & (TICK_NS - 1)) != 0);
#endif
}

/* --- lists and bitmaps, under the lock -------------------------------------------------------- */

/* Lists are rings through a head that is no timer, so that they keep the order of starting, and
 * whole lists move in constant time. */
static void list_init(TimerLink *head)
{
    head->next = head;
    head->prev = head;
}

static bool list_empty(const TimerLink *head) { return head->next == head; }

static void list_append(TimerLink *head, Timer *timer)
{
    TimerLink *link = &timer->link;
    link->next = head;
    link->prev = head->prev;
    head->prev->next = link;
    head->prev = link;
}

static void list_remove(Timer *timer)
{
    TimerLink *link = &timer->link;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = NULL;
    link->prev = NULL;
}

static Timer *list_first(TimerLink *head)
{
    return (Timer *)(void *)head->next; /* the link is the first field */
}

/* Moves all of `from` behind the end of the empty list `to`. */
static void list_move(TimerLink *from, TimerLink *to)
{
    if (list_empty(from))
        return;
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    list_init(from);
}

void wheel_init(Wheel *wheel)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->next_tick = WHEEL_NEVER;
    for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
        list_init(&wheel->cascade[level]);
        for (uint32_t slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
    }
}

/* Distance 1..256 from `slot` round the level to the next marked slot; 0 if none is marked. */
static uint32_t next_marked(const uint64_t *used, uint32_t slot)
{
    for (uint32_t i = 0; i <= WHEEL_WORDS; i++) {
        uint32_t start = (slot + 1) & SLOT_MASK;
        uint32_t word = (start / 64 + i) % WHEEL_WORDS;
        uint64_t bits = used[word];
        if (i == 0)
            bits &= ~(uint64_t)0 << (start % 64);
        else if (i == WHEEL_WORDS)
            bits &= ~(~(uint64_t)0 << (start % 64));
        if (bits != 0) {
            uint32_t found = word * 64 + (uint32_t)__builtin_ctzll(bits);
            return ((found - slot - 1) & SLOT_MASK) + 1;
        }
    }
    return 0;
}

static void mark(Wheel *wheel, uint32_t level, uint32_t slot)
{
    wheel->used[level][slot / 64] |= (uint64_t)1 << (slot % 64);
}

static void unmark(Wheel *wheel, uint32_t level, uint32_t slot)
{
    wheel->used[level][slot / 64] &= ~((uint64_t)1 << (slot % 64));
}

/* Puts a timer into the slot of its deadline, relative to wheel->tick. Answers the tick at which
 * the wheel must look at that slot. */
static uint64_t place(Wheel *wheel, Timer *timer)
{
    uint64_t tick = tick_of_deadline(timer->deadline_ns);
    uint64_t ahead = tick <= wheel->tick ? 0 : tick - wheel->tick;
    uint64_t top = (uint64_t)1 << (8 * WHEEL_LEVELS);
    if (ahead >= top)
        ahead = top - 1;
    tick = wheel->tick + ahead;
    uint32_t level = 0;
    while (ahead >> (8 * (level + 1)) != 0)
        level++;
    uint32_t slot = (uint32_t)(tick >> (8 * level)) & SLOT_MASK;
    list_append(&wheel->slots[level][slot], timer);
    mark(wheel, level, slot);
    return tick >> (8 * level) << (8 * level);
}

/* First tick after wheel->tick at which a marked slot must be dealt with. */
static uint64_t next_event(const Wheel *wheel)
{
    uint64_t next = WHEEL_NEVER;
    for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t turn = wheel->tick >> (8 * level);
        uint32_t distance = next_marked(wheel->used[level], (uint32_t)turn & SLOT_MASK);
        if (distance == 0)
            continue;
        uint64_t tick = (turn + distance) << (8 * level);
        if (tick < next)
            next = tick;
    }
    return next;
}

static void publish_next(Wheel *wheel, uint64_t tick)
{
    /* Relaxed: see Wheel.next_tick. */
    atom_store_rlx(&wheel->next_tick, tick);
}

static void count_add(Wheel *wheel, uint32_t n)
{
    /* Relaxed: under the lock for writers, a statistic for others. */
    atom_store_rlx(&wheel->count, wheel->count + n);
}

/* An empty wheel may still have marks of timers that were cancelled. */
static void forget_marks(Wheel *wheel)
{
    memset(wheel->used, 0, sizeof wheel->used);
    publish_next(wheel, WHEEL_NEVER);
}

/* --- moving on -------------------------------------------------------------------------------- */

/* Moves the wheel to `tick` and detaches the coarse slots that begin there. */
static void step_to(Wheel *wheel, uint64_t tick)
{
    wheel->tick = tick;
    for (uint32_t level = 1; level < WHEEL_LEVELS; level++) {
        if ((tick & (((uint64_t)1 << (8 * level)) - 1)) != 0)
            break;
        uint32_t slot = (uint32_t)(tick >> (8 * level)) & SLOT_MASK;
        assert(list_empty(&wheel->cascade[level]));
        list_move(&wheel->slots[level][slot], &wheel->cascade[level]);
        unmark(wheel, level, slot);
    }
}

/* Places detached timers anew, up to *budget of them; true when none is left. */
static bool cascade(Wheel *wheel, uint32_t *budget)
{
    for (uint32_t level = WHEEL_LEVELS - 1; level > 0; level--) {
        while (!list_empty(&wheel->cascade[level])) {
            if (*budget == 0)
                return false;
            --*budget;
            Timer *timer = list_first(&wheel->cascade[level]);
            list_remove(timer);
            (void)place(wheel, timer);
        }
    }
    return true;
}

/* Calls fn without the lock. */
static void expire_one(Wheel *wheel, Timer *timer, Sched *self)
{
    list_remove(timer);
    count_add(wheel, (uint32_t)-1);
    wheel->running = timer;
    lock_release(&wheel->lock);
    timer->fn(timer, self);
    /* The timer may be gone, or started again. */
    lock_acquire(&wheel->lock);
    wheel->running = NULL;
    STAT_ADD(impl_of(self), timers, 1);
}

/* Expires the current slot, up to *budget timers; true when it is empty. */
static bool expire_slot(Wheel *wheel, Sched *self, uint32_t *budget)
{
    uint32_t slot = (uint32_t)wheel->tick & SLOT_MASK;
    while (!list_empty(&wheel->slots[0][slot])) {
        if (*budget == 0)
            return false;
        --*budget;
        Timer *timer = list_first(&wheel->slots[0][slot]);
        sim_event(self->group, SIM_EVENT_TIMER, self->id, timer->deadline_ns);
        expire_one(wheel, timer, self);
    }
    unmark(wheel, 0, slot);
    return true;
}

bool wheel_poll(Wheel *wheel, Sched *self, uint64_t now_ns)
{
    uint64_t target = tick_of_now(now_ns);
    uint32_t expiries = WHEEL_EXPIRE_MAX;
    uint32_t moves = WHEEL_CASCADE_MAX;
    lock_acquire(&wheel->lock);
    if (wheel->expirer) {
        /* Somebody stands in for the owner, or the owner just came back: they will finish. */
        lock_release(&wheel->lock);
        return false;
    }
    wheel->expirer = self;
    for (;;) {
        if (!cascade(wheel, &moves) || !expire_slot(wheel, self, &expiries)) {
            publish_next(wheel, wheel->tick); /* more to do at once */
            break;
        }
        if (wheel->count == 0)
            forget_marks(wheel);
        uint64_t next = next_event(wheel);
        if (next > target) {
            if (wheel->tick < target)
                wheel->tick = target;
            publish_next(wheel, next);
            break;
        }
        step_to(wheel, next);
    }
    wheel->expirer = NULL;
    lock_release(&wheel->lock);
    return expiries < WHEEL_EXPIRE_MAX;
}

/* --- the users' side -------------------------------------------------------------------------- */

void timer_start(Sched *sched, Timer *timer, uint64_t deadline_ns)
{
    Wheel *wheel = &impl_of(sched)->wheel;
    lock_acquire(&wheel->lock);
    assert(!timer->link.next);
    timer->owner = sched;
    timer->deadline_ns = deadline_ns;
    /* An empty wheel has stood still; start from now, so that the timer gets a fine slot. Not in
     * the midst of a poll, which has its own idea of the current slot. */
    uint64_t now_tick = tick_of_now(sched->now_ns);
    if (wheel->count == 0 && !wheel->expirer && wheel->tick < now_tick) {
        forget_marks(wheel);
        wheel->tick = now_tick;
    }
    uint64_t look = place(wheel, timer);
    count_add(wheel, 1);
    if (look < wheel->next_tick)
        publish_next(wheel, look);
    lock_release(&wheel->lock);
}

void timer_start_in(Sched *sched, Timer *timer, uint64_t delay_ns)
{
    uint64_t now_ns = sched_clock(sched);
    timer_start(sched, timer, delay_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + delay_ns);
}

bool timer_cancel(Sched *self, Timer *timer)
{
    if (!timer->owner)
        return false;
    Wheel *wheel = &impl_of(timer->owner)->wheel;
    for (;;) {
        lock_acquire(&wheel->lock);
        bool pending = timer->link.next != NULL;
        bool running = wheel->running == timer && wheel->expirer != self;
#ifdef MAGGIE_MUTANT_TIMER_CANCEL
        if (pending) {
            lock_release(&wheel->lock);
            return true;
        }
#endif
        if (pending) {
            list_remove(timer);
            count_add(wheel, (uint32_t)-1);
            if (wheel->count == 0)
                publish_next(wheel, WHEEL_NEVER); /* a poll under way publishes its own */
        }
        lock_release(&wheel->lock);
        if (pending || !running)
            return pending;
        /* Another thread is inside fn, which is short. */
        sched_yield();
    }
}

bool timer_pending(const Timer *timer)
{
    if (!timer->owner)
        return false;
    Wheel *wheel = &impl_of(timer->owner)->wheel;
    lock_acquire(&wheel->lock);
    bool pending = timer->link.next != NULL;
    lock_release(&wheel->lock);
    return pending;
}
