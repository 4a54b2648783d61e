/* SPDX-License-Identifier: Apache-2.0 */
/* crowd.h - senders that outrun a receiver pay for it with their turns.
 *
 * Mailboxes are unbounded unless somebody bounds them (mailbound.h), and a hundred senders get a
 * hundred turns for each one of their receiver. Without more the queue takes all that they ever
 * send, and each message goes through memory instead of the cache. So a sent message costs
 * reductions while the receiver's queue is long: the longer, the fewer of them in a turn. Nobody
 * waits and nothing is dropped or reordered; who sends little, or to itself, does not notice.
 *
 * Process.task.crowded is how long the queue is, roughly: 0, or a level. The owner sets and clears
 * it when it sorts its signals or takes from a long queue. It cannot before its turn comes; so a
 * context that has sent a long stream of messages to one process sets the first level itself, and
 * the owner's next look puts that right. The byte stands in the line that a send writes anyway.
 *
 * Threads: crowd_of_send by senders, crowd_look by the owner. */
#ifndef MAGGIE_CROWD_H
#define MAGGIE_CROWD_H

#include "atomics.h"
#include "process.h"

#define CROWD_FROM 512u   /* messages in the private queue that raise the level to 1 */
#define CROWD_UNTIL 128u  /* so few, and it is 0 again */
#define CROWD_STREAM 256u /* messages in a row from one context */
#define CROWD_LEVELS 4u

/* Owner, after a change: the level for the length of the queue. */
static inline void crowd_look(Process *p)
{
    /* relaxed, both: a hint to senders, nothing is published with it */
    unsigned before = atom_load_rlx(&p->task.crowded), level = 0;
    if (__builtin_expect(p->nmessages < CROWD_FROM && before == 0, 1))
        return;
    if (p->nmessages >= 32 * CROWD_FROM)
        level = 3;
    else if (p->nmessages >= 8 * CROWD_FROM)
        level = 2;
    else if (p->nmessages >= (before ? CROWD_UNTIL : CROWD_FROM))
        level = 1;
    if (level != before)
        atom_store_rlx(&p->task.crowded, (uint8_t)level);
}

/* What a message of another process to p, which has this pid, costs beyond the work, in
 * reductions. */
static inline int32_t crowd_of_send(ActorCtx *cx, Process *p, Value pid)
{
    static const int16_t cost[CROWD_LEVELS] = {0, SCHED_REDUCTIONS / 8, SCHED_REDUCTIONS / 2,
                                               SCHED_REDUCTIONS};
    /* relaxed, both: as above */
    unsigned level = atom_load_rlx(&p->task.crowded);
    if (cx->stream != pid) {
        cx->stream = pid;
        cx->stream_length = 0;
    } else if (__builtin_expect(++cx->stream_length >= CROWD_STREAM, 0)) {
        cx->stream_length = 0;
        if (level == 0)
            atom_store_rlx(&p->task.crowded, (uint8_t)1);
    }
    return cost[level];
}

#endif
