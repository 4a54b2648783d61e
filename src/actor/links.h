/* SPDX-License-Identifier: Apache-2.0 */
/* links.h - the signal layer: what processes tell each other besides messages, and its order.
 *
 * Order (I7). Every signal from process A to process B goes through B's one queue, so B handles
 * A's signals of all kinds in the order in which A sent them. Signals of different senders are not
 * ordered among each other. A signal is handled when B next looks into its queue: when it is
 * switched in, when it receives or waits, never in the middle of anything else. Handling costs
 * reductions; what the budget of a slice does not cover waits for the next.
 *
 *   kind        sender            what it does to the receiver
 *   MESSAGE     any process       joins the mailbox
 *   EXIT        any process       ends it, or joins the mailbox as an ExitMessage when it traps;
 *                                 kill ends it in any case
 *   LINK        the other end     makes a link
 *   LINK_EXIT   the other end,    as EXIT, if (and only if) a link with the sender is active,
 *               at its end        which is gone then; #normal has no effect on who does not trap
 *   UNLINK      the other end     removes the link, answers UNLINK_ACK
 *   UNLINK_ACK  the other end     ends the time in which a LINK_EXIT from there is ignored
 *   MONITOR     the watcher       notes that it wants to be told of the end
 *   DEMONITOR   the watcher       forgets that
 *   DOWN        the watched       joins the mailbox as a DownMessage if the watcher still wants it;
 *                                 exactly one for each MONITOR
 *   WAIT        any process       notes that it wants to be told of the end and the result
 *   RESULT      the ended         is noted for wait, result, exitReason; no message
 *   REQUEST     any process       links, unlinks, monitors ... something on its own, because the
 *                                 sender asked it to (aProcess link: other, from a third process)
 *   CALL        any process       joins the mailbox as a MailboxRequest
 *   ASK         any process       the same; the receiver owes the promise that comes with it
 *   HOLD        any process       the receiver owes a promise
 *   REPLY       who was called,   ends the call it belongs to if the caller still waits for that;
 *               or a deputy       in place of who ended first: with the reason of the end
 *   HANG_UP     the caller        forgets the call: nobody waits for its reply any more
 *   TRACE       any process       begins or ends its being traced (trace.h), between slices as INFO
 *   NAME        who registered it notes a name of its own, to be released at its end
 *   INFO        any process       a question is answered between slices (inspect.h); what came
 *                                 behind it waits that long; an answer is noted, no message
 *
 * What one may rely on:
 *   - no message and no request of a process comes behind its LINK_EXIT or DOWN;
 *   - who has been told of an end in any way (LINK_EXIT, DOWN, RESULT, a #noproc) finds the process
 *     not alive, its names free, its group memberships and other holds gone;
 *   - DOWN is queued no later than the RESULT, so after `wait` it is in the mailbox;
 *   - after unlink: no exit from that end is delivered that was sent over the old link, though an
 *     ExitMessage that already is in the mailbox stays there (the flushing form removes it);
 *     after demonitor: likewise no DownMessage of that reference;
 *   - LINK, MONITOR, WAIT that reach nobody are answered by LINK_EXIT, DOWN, RESULT with #noproc,
 *     in place of the dead process and in the same order as if it had answered.
 *
 * Reasons travel unchanged from end to end. With each goes the origin: nil, or the pid of the
 * process whose end, through a chain of links, has ended the sender.
 *
 * Death needs no memory (M10): who links or monitors allocates the signal that will report the end.
 * Only a reason or a result that is an object must be copied then; without memory for that, #error
 * and nil take its place.
 *
 * Threads: "owner" as in process.h; inside an epoch section. */
#ifndef MAGGIE_LINKS_H
#define MAGGIE_LINKS_H

#include "process.h"

/* ---- links and monitors --------------------------------------------------------------------- */

/* Owner: links p with another process (as if that one had done it). With the dead: p gets the exit
 * #noproc. With itself, or when they are linked: nothing. NO_MEMORY: nothing done. */
MUST_CHECK Status process_link(ActorCtx *cx, Process *p, Value other);
MUST_CHECK Status process_unlink(ActorCtx *cx, Process *p, Value other);
/* Owner: is there a link that has not been unlinked? */
bool process_is_linked(const Process *p, Value other);

/* A number for a monitor: a SmallInteger that differs from every other of this VM. */
Value process_new_reference(ActorCtx *cx);
/* Owner: p will get one DownMessage with this reference, when target ends or because it has. */
MUST_CHECK Status process_monitor(ActorCtx *cx, Process *p, Value target, Value reference);
/* Owner: no DownMessage with this reference joins the mailbox from now on. False: there is no such
 * monitor, or its message is in the mailbox already. */
bool process_demonitor(ActorCtx *cx, Process *p, Value reference);

/* Owner of p, which makes `child` and has not started it. NO_MEMORY: nothing done (but the child
 * may have got its extension). */
MUST_CHECK Status process_link_child(ActorCtx *cx, Process *p, Process *child);
MUST_CHECK Status process_monitor_child(ActorCtx *cx, Process *p, Process *child, Value reference);

typedef enum ProcessRequest {
    REQUEST_LINK,      /* argument: the other process */
    REQUEST_UNLINK,    /* the same */
    REQUEST_MONITOR,   /* argument: the process to watch; reference */
    REQUEST_DEMONITOR, /* reference */
    REQUEST_TRAP,      /* argument: true or false */
    REQUEST_RAISE,     /* argument: true or false: PROCESS_MODE_RAISES */
    REQUEST_JOIN,      /* argument: name of a group */
    REQUEST_LEAVE,     /* the same */
    REQUEST_UNREGISTER /* argument: a name, or nil for the most recent one */
} ProcessRequest;
/* Asks another process to do that itself. Arguments are immediates. When it is dead: nothing, but
 * for REQUEST_LINK the other process gets the exit #noproc. */
MUST_CHECK Status process_request(ActorCtx *cx, Value to, ProcessRequest what, Value argument,
                                  Value reference);

/* ---- names ---------------------------------------------------------------------------------- */

/* Any process: registers the process `pid` under a Symbol. *done: it has that name now (also when
 * it had it before). Not done: it is dead, or a live process has the name. */
MUST_CHECK Status process_register(ActorCtx *cx, Value pid, Value name, bool *done);
/* The live process with that name, or nil. Any thread inside a section. */
Value process_named(ActorNode *node, Value name);
/* Any process: takes a name away from `pid`; false when that does not have it. */
bool process_release_name(ActorCtx *cx, Value pid, Value name);
/* Owner: gives up a name; nil: the most recent one. */
void process_unregister(ActorCtx *cx, Process *p, Value name);
/* Owner: names it was registered under and has not given up itself, most recent first, at most n.
 * (Others may have taken some away: ask process_named.) Answers how many. */
uint32_t process_names(const Process *p, Value *names, uint32_t n);
/* All names, as actor_list_pids: *cursor begins with 0 and is UINT32_MAX at the end. */
uint32_t actor_list_names(ActorNode *node, uint32_t *cursor, uint32_t span, Value *names,
                          Value *pids, uint32_t n);

/* ---- holds: what must hear of a process's end ---------------------------------------------- */

struct ProcessHoldType;
/* Embedded in an off-heap object; the list belongs to the owner of the process. */
typedef struct ProcessHold {
    struct ProcessHold *next;
    struct ProcessHold **prev; /* NULL: not on a list */
    const struct ProcessHoldType *type;
} ProcessHold;

typedef struct ProcessHoldType {
    /* The process ends (or the hold is stale): release what it means. It is off the list. Called by
     * the owner; after the state has become EXITING and before anybody is told of the end. */
    void (*ended)(ActorCtx *cx, Process *p, ProcessHold *hold);
    /* It may be dropped before the end; may be NULL. */
    bool (*stale)(const ProcessHold *hold);
} ProcessHoldType;

/* Owner: puts hold, with its type set, on the list. When the number of holds has doubled, stale
 * ones are dropped by calling `ended` (never this one). At the end all are told, the most recent
 * first, in pieces bounded by reductions. Fails for lack of memory. */
MUST_CHECK Status process_hold_add(ActorCtx *cx, Process *p, ProcessHold *hold);
/* Owner: takes it off the list; nothing happens when it is on none. */
void process_hold_remove(Process *p, ProcessHold *hold);

#endif
