/* SPDX-License-Identifier: Apache-2.0 */
/* alarm.c - messages that are sent at a time to come; see alarm.h.
 *
 * Free slots are cached in each context; batches of ALARM_BATCH go to and come from a list under
 * the node's lock, so a scheduler that fires what another has started does not keep the memory.
 * Starting, firing and cancelling take no lock but the wheel's.
 *
 * Threads: as in alarm.h. */
#include "alarm.h"

#include <string.h>

#include "actor_int.h"

#define ALARM_INDEX_BITS 26
#define ALARM_GENERATION_MAX ((UINT32_C(1) << 22) - 1)
#define ALARM_SLAB_BITS 14
#define ALARM_SLABS (UINT32_C(1) << (ALARM_INDEX_BITS - ALARM_SLAB_BITS))
#define ALARM_BATCH 64u
/* A message for which there was no memory is tried again after this time. */
#define ALARM_RETRY_NS UINT64_C(10000000)

/* Alarm.state: generation << 8 | ALARM_PERIODIC | one of these. */
enum { ALARM_FREE, ALARM_PENDING, ALARM_CLAIMED, ALARM_FIRING, ALARM_CANCELLED, ALARM_MISSED };
#define ALARM_STATE_MASK UINT64_C(0x0F)
#define ALARM_PERIODIC UINT64_C(0x10)
#define ALARM_WORD_MASK UINT64_C(0xFF)

typedef struct Alarm {
    Timer timer; /* first; arg: the node; of a free slot: the next free one */
    uint64_t state;
    uint64_t deadline_ns; /* relaxed: a hint for alarm_left */
    uint64_t period_ns;
    Value sender;
    Value to;
    Value selector;
    union {
        Value payload;     /* an immediate, when object is false */
        Fragment *message; /* not finished: SIGNAL_MESSAGE_EXTRA words in front */
    };
    uint32_t index;
    uint32_t object; /* message, not payload */
} Alarm;
_Static_assert(sizeof(Alarm) <= POOL_SLAB_SIZE >> ALARM_SLAB_BITS, "a slab holds its slots");
_Static_assert(offsetof(Alarm, timer) == 0, "a Timer is its Alarm");

static inline Value timer_value(const Alarm *a)
{
    return VALUE_MAKE(VALUE_TAG_TIMER, (a->state >> 8) << ALARM_INDEX_BITS | (uint64_t)a->index);
}

static Alarm *slab_slot(void *slab, uint32_t index)
{
    size_t bytes = POOL_SLAB_SIZE >> ALARM_SLAB_BITS;
    return (Alarm *)(void *)((char *)slab + (index & ((1u << ALARM_SLAB_BITS) - 1)) * bytes);
}

/* ---- slots ---------------------------------------------------------------------------------- */

/* NULL: never made. */
static Alarm *alarm_at(const ActorNode *node, uint32_t index)
{
    /* acquire, twice: pairs with the releases in alarms_make */
    void **slabs = atom_load_acq(&node->alarm_slabs);
    void *slab = slabs ? atom_load_acq(&slabs[index >> ALARM_SLAB_BITS]) : NULL;
    return slab ? slab_slot(slab, index) : NULL;
}

/* Under the lock: a slot that has never been used. */
static Alarm *alarm_make(ActorNode *node)
{
    uint32_t index = node->alarms_made;
    if (index == (UINT32_C(1) << ALARM_INDEX_BITS))
        return NULL;
    if (!node->alarm_slabs) {
        void **slabs = env_calloc(node->config.env, ALARM_SLABS * sizeof *slabs);
        if (!slabs)
            return NULL;
        atom_store_rel(&node->alarm_slabs, slabs); /* release: the zeroes, to alarm_at */
    }
    void **slab = &node->alarm_slabs[index >> ALARM_SLAB_BITS];
    if (!*slab) {
        void *fresh = pool_slab(node->config.pools);
        if (!fresh)
            return NULL;
        atom_store_rel(slab, fresh); /* release: the zeroed slots, to alarm_at */
    }
    node->alarms_made++;
    Alarm *a = slab_slot(*slab, index);
    a->index = index;
    return a;
}

static void alarms_refill(ActorCtx *cx)
{
    ActorNode *node = cx->node;
    cx->locked++;
    lock_acquire(&node->lock);
    while (cx->nalarms < ALARM_BATCH) {
        Alarm *a;
        if (node->alarm_free) {
            a = node->alarm_free;
            node->alarm_free = a->timer.arg;
        } else {
            a = alarm_make(node);
        }
        if (!a)
            break;
        a->timer.arg = cx->alarms;
        cx->alarms = a;
        cx->nalarms++;
    }
    lock_release(&node->lock);
}

static void alarms_return(ActorCtx *cx, uint32_t n)
{
    ActorNode *node = cx->node;
    cx->locked++;
    lock_acquire(&node->lock);
    while (n-- > 0) {
        Alarm *a = cx->alarms;
        cx->alarms = a->timer.arg;
        cx->nalarms--;
        a->timer.arg = node->alarm_free;
        node->alarm_free = a;
    }
    lock_release(&node->lock);
}

static Alarm *alarm_new(ActorCtx *cx)
{
    if (cx->nalarms == 0)
        alarms_refill(cx);
    Alarm *a = cx->alarms;
    if (a) {
        cx->alarms = a->timer.arg;
        cx->nalarms--;
    }
    return a;
}

/* The caller has it for itself, and the wheel does not have it. */
static void alarm_free(ActorCtx *cx, Alarm *a)
{
    if (a->object)
        fragment_free(&cx->heap, a->message);
    a->object = 0;
    uint64_t generation = (atom_load_rlx(&a->state) >> 8) + 1; /* relaxed: nobody else's */
    /* release: whoever still holds the Timer finds that it is over; pairs with alarm_cancel */
    atom_store_rel(&a->state, generation << 8 | ALARM_FREE);
    if (generation > ALARM_GENERATION_MAX)
        return; /* its values are used up */
    a->timer.arg = cx->alarms;
    cx->alarms = a;
    if (++cx->nalarms > 2 * ALARM_BATCH)
        alarms_return(cx, ALARM_BATCH);
}

void alarms_destroy(ActorNode *node, ActorCtx *cx)
{
    for (uint32_t i = 0; i < node->alarms_made; i++) {
        Alarm *a = alarm_at(node, i);
        if (a->object)
            fragment_free(&cx->heap, a->message);
        a->object = 0;
    }
    if (node->alarm_slabs)
        env_free(node->config.env, node->alarm_slabs, ALARM_SLABS * sizeof *node->alarm_slabs);
    node->alarm_slabs = NULL;
}

/* ---- firing --------------------------------------------------------------------------------- */

/* STATUS_NO_MEMORY: not sent. */
static Status alarm_send(ActorCtx *cx, Alarm *a)
{
    Fragment *f = a->message;
    if (!process_is_alive(cx->node, a->to))
        return STATUS_NO_PROCESS;
    if (!a->object)
        STATUS_FORWARD(
            signal_new(cx, NULL, a->payload, SIGNAL_MESSAGE, SIGNAL_MESSAGE_EXTRA, &f, NULL));
    else if (a->period_ns)
        STATUS_FORWARD(fragment_duplicate(a->message, &cx->heap, &f));
    else
        a->object = 0; /* the message is the receiver's now */
    return process_send_fragment(cx, a->sender, a->to, a->selector, f);
}

/* When it must fire next; the wheel gets it again. Times that have passed are left out. */
static void alarm_restart(Alarm *a, Sched *sched, uint64_t wait_ns)
{
    uint64_t next = atom_load_rlx(&a->deadline_ns) + wait_ns; /* relaxed: written here only */
    uint64_t now = sched_clock(sched);
    if (next <= now)
        next += ((now - next) / wait_ns + 1) * wait_ns;
    atom_store_rlx(&a->deadline_ns, next); /* relaxed: a hint for others */
    timer_start(sched, &a->timer, next);
}

static void alarm_fired(Timer *timer, Sched *sched)
{
    Alarm *a = (Alarm *)(void *)timer;
    const ActorNode *node = timer->arg;
    ActorCtx *cx = node->config.ctx_of(sched);
    uint64_t word = atom_load_rlx(&a->state); /* relaxed: the exchanges decide */
    uint64_t kept = word & ~ALARM_STATE_MASK;
    uint64_t pending = kept | ALARM_PENDING, firing = kept | ALARM_FIRING;
    word = pending;
    /* acq_rel: a cancel has it, or finds that it is too late */
    if (!atom_cas(&a->state, &word, firing)) {
        word = firing;
        /* whoever is about to leave alarm_fired sends once more; or a cancel has it */
        (void)atom_cas(&a->state, &word, kept | ALARM_MISSED);
        return;
    }
    for (;;) {
        Status status = alarm_send(cx, a);
        if (status != STATUS_NO_MEMORY && (status != STATUS_OK || !a->period_ns)) {
            alarm_free(cx, a);
            return;
        }
        alarm_restart(a, sched, status == STATUS_OK ? a->period_ns : ALARM_RETRY_NS);
        word = firing;
        /* acq_rel: publishes the timer's new place to a cancel */
        if (atom_cas(&a->state, &word, pending))
            return;
        if (word == (kept | ALARM_CANCELLED) || !atom_cas(&a->state, &word, firing)) {
            (void)timer_cancel(sched, &a->timer);
            alarm_free(cx, a);
            return;
        }
    }
}

/* ---- the users' side ------------------------------------------------------------------------ */

Status alarm_start(ActorCtx *cx, Process *from, const AlarmSpec *spec, Value *timer, Value *culprit)
{
    Fragment *f = NULL;
    cx->copied_words = 0;
    if (value_is_ptr(spec->message)) {
        STATUS_FORWARD(signal_new(cx, &from->heap, spec->message, SIGNAL_MESSAGE,
                                  SIGNAL_MESSAGE_EXTRA, &f, culprit));
        cx->copied_words = f->words;
    }
    Alarm *a = alarm_new(cx);
    if (!a) {
        if (f)
            fragment_free(&cx->heap, f);
        return STATUS_LIMIT;
    }
    timer_init(&a->timer, alarm_fired, cx->node);
    a->sender = from->pid;
    a->to = spec->to;
    a->selector = spec->selector;
    a->period_ns = spec->period_ns;
    *timer = timer_value(a);
    a->object = f != NULL;
    if (f)
        a->message = f;
    else
        a->payload = spec->message == VALUE_NONE ? *timer : spec->message;
    uint64_t now = sched_clock(cx->sched), delay = spec->delay_ns;
#ifdef MAGGIE_MUTANT_ALARM_EARLY
    delay -= delay / 8;
#endif
    uint64_t deadline = delay > UINT64_MAX - now ? UINT64_MAX : now + delay;
    atom_store_rlx(&a->deadline_ns, deadline); /* relaxed: published with the state */
    uint64_t generation = a->state & ~ALARM_WORD_MASK;
    /* release: publishes the slot to a cancel by another thread, to which the Timer comes later;
     * to the wheel the lock does */
    atom_store_rel(&a->state, generation | ALARM_PENDING | (spec->period_ns ? ALARM_PERIODIC : 0));
    timer_start(cx->sched, &a->timer, deadline);
    return STATUS_OK;
}

/* The slot of a Timer and its state; NULL when it is over. */
static Alarm *alarm_of(const ActorNode *node, Value timer, uint64_t *word)
{
    if (value_tag(timer) != VALUE_TAG_TIMER)
        return NULL;
    uint64_t bits = timer & VALUE_PAYLOAD_MASK;
    Alarm *a = alarm_at(node, (uint32_t)(bits & ((UINT32_C(1) << ALARM_INDEX_BITS) - 1)));
    if (!a)
        return NULL;
    *word = atom_load_acq(&a->state); /* acquire: pairs with the releases of the states */
    return *word >> 8 == bits >> ALARM_INDEX_BITS ? a : NULL;
}

static uint64_t time_left(const Alarm *a, uint64_t now)
{
    uint64_t deadline = atom_load_rlx(&a->deadline_ns); /* relaxed: a hint */
    return deadline > now ? deadline - now : 0;
}

bool alarm_cancel(ActorCtx *cx, Value timer, uint64_t *left_ns)
{
    uint64_t word;
    Alarm *a = alarm_of(cx->node, timer, &word);
    if (!a)
        return false;
    uint64_t kept = word & ~ALARM_STATE_MASK;
    for (;;) {
        uint64_t state = word & ALARM_STATE_MASK;
        bool pending = state == ALARM_PENDING;
        if ((!pending && state != ALARM_FIRING && state != ALARM_MISSED) ||
            (word & ~ALARM_STATE_MASK) != kept)
            return false;
        *left_ns = pending ? time_left(a, sched_now(cx->sched)) : 0;
#ifdef MAGGIE_MUTANT_ALARM_CANCEL
        return true;
#endif
        /* acq_rel: from here it is ours, or alarm_fired's to free; pairs with alarm_fired */
        if (!atom_cas(&a->state, &word, kept | (pending ? ALARM_CLAIMED : ALARM_CANCELLED)))
            continue;
        if (!pending)
            return (word & ALARM_PERIODIC) != 0;
        /* Whatever it answers: alarm_fired has not sent and will not. */
        (void)timer_cancel(cx->sched, &a->timer);
        alarm_free(cx, a);
        return true;
    }
}

bool alarm_left(ActorCtx *cx, Value timer, uint64_t *left_ns)
{
    uint64_t word;
    Alarm *a = alarm_of(cx->node, timer, &word);
    if (!a)
        return false;
    uint64_t state = word & ALARM_STATE_MASK;
    if ((state != ALARM_PENDING && !(word & ALARM_PERIODIC)))
        return false;
    if (state == ALARM_CLAIMED || state == ALARM_CANCELLED)
        return false;
    *left_ns = time_left(a, sched_clock(cx->sched));
    return true;
}
