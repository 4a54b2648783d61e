/* SPDX-License-Identifier: Apache-2.0 */
/* crowd.h - senders that outrun a receiver pay for it with their turns.
 *
 * Mailboxes are unbounded unless somebody bounds them (mailbound.h), and a hundred senders get a
 * hundred turns for each one of their receiver. Without more the queue takes all that they ever
 * send, and each message goes through memory instead of the cache. So a message costs its sender
 * reductions while the receiver's queue is long, the longer the more of them.
 *
 * On another scheduler that would not do: it may run nothing but such senders and feed the queue as
 * fast as it is emptied, each message moving from core to core. There a sender gives up its turn
 * while the last message to that process from there is younger than CROWD_HOLD_NS; the context
 * remembers that, so the receiver's cache line is left alone. Turns given up are counted and the
 * time is short, so each message is sent, whatever the receiver does. Nothing is dropped or
 * reordered; who sends little, or to itself, does not notice.
 *
 * Process.task.crowded is how long the queue is, roughly: 0, or a level and the scheduler on which
 * its owner has found that. The owner sets and clears it when it sorts its signals or takes from a
 * long queue. It cannot before its turn comes; so a context that sends a long stream of messages to
 * one process sets the first level itself, and the owner's next look puts that right. The byte
 * stands in the line that a send writes anyway.
 *
 * Threads: crowd_holds and crowd_of_send by senders, crowd_look by the owner. */
#ifndef MAGGIE_CROWD_H
#define MAGGIE_CROWD_H

#include "atomics.h"
#include "process.h"

#define CROWD_FROM 512u      /* messages in the private queue that raise the level to 1 */
#define CROWD_UNTIL 128u     /* so few, and it is 0 again */
#define CROWD_STREAM 256u    /* messages in a row from one context that raise level 0 */
#define CROWD_LEVEL 3u       /* bits of the level; above them where the receiver was last seen */
#define CROWD_HOLD_NS 50000u /* between two messages to a crowded process elsewhere */
#define CROWD_TURNS 512u     /* a process that has given up so many turns sends all the same */

/* The mark of a context's scheduler: 0 where there is only one. */
static inline unsigned crowd_home(const ActorCtx *cx)
{
    if (!cx->sched || sched_count(cx->group) == 1)
        return 0;
    return (cx->sched->id % 63 + 1) << 2;
}

/* Owner, after a change: the level for the length of the queue. */
static inline void crowd_look(const ActorCtx *cx, Process *p)
{
    /* relaxed, both: a hint to senders, nothing is published with it */
    unsigned before = atom_load_rlx(&p->task.crowded), level = 0;
    if (__builtin_expect(p->nmessages < CROWD_FROM && !(before & CROWD_LEVEL), 1))
        return;
    if (p->nmessages >= 32 * CROWD_FROM)
        level = 3;
    else if (p->nmessages >= 8 * CROWD_FROM)
        level = 2;
    else if (p->nmessages >= (before & CROWD_LEVEL ? CROWD_UNTIL : CROWD_FROM))
        level = 1;
    level |= cx ? crowd_home(cx) : before & ~CROWD_LEVEL; /* also for the next stream */
    if (level != before)
        atom_store_rlx(&p->task.crowded, (uint8_t)level);
}

/* Should who wants to send to this pid give up its turn first? It has done so `already` times. Does
 * not look at the receiver: its line is wanted by those who may send. */
static inline bool crowd_holds(const ActorCtx *cx, Value pid, uint64_t already)
{
    return __builtin_expect(cx->held == pid, 0) && already < CROWD_TURNS &&
           sched_now(cx->sched) < cx->held_until_ns;
}

/* What a message of another process to p, which has this pid, costs beyond the work, in
 * reductions. */
static inline int32_t crowd_of_send(ActorCtx *cx, Process *p, Value pid)
{
    static const int16_t cost[CROWD_LEVEL + 1] = {0, SCHED_REDUCTIONS / 8, SCHED_REDUCTIONS / 2,
                                                  SCHED_REDUCTIONS};
    /* relaxed, both: as above */
    unsigned crowded = atom_load_rlx(&p->task.crowded);
    if (cx->stream != pid) {
        cx->stream = pid;
        cx->stream_length = 0;
    } else if (__builtin_expect(++cx->stream_length >= CROWD_STREAM, 0)) {
        cx->stream_length = 0;
        if (!(crowded & CROWD_LEVEL))
            atom_store_rlx(&p->task.crowded, (uint8_t)(crowded + 1));
    }
    if (__builtin_expect((crowded & CROWD_LEVEL) != 0, 0) && crowded > CROWD_LEVEL &&
        crowd_home(cx) != 0 && (crowded & ~CROWD_LEVEL) != crowd_home(cx)) {
        cx->held = pid;
        cx->held_until_ns = sched_now(cx->sched) + CROWD_HOLD_NS;
    }
    return cost[crowded & CROWD_LEVEL];
}

#endif
