/* SPDX-License-Identifier: Apache-2.0 */
/* actor_int.h - what the files of this folder share. Not for other folders.
 * Threads: as process.h; the node's lock guards what its comment says. */
#ifndef MAGGIE_ACTOR_INT_H
#define MAGGIE_ACTOR_INT_H

#include <assert.h>
#include <stddef.h>

#include "atomics.h"
#include "link_mutants.h"
#include "inbox.h"
#include "lock.h"
#include "links.h"

/* A table index is slab << SLOT_BITS | slot: a slab holds fewer than 2^SLOT_BITS processes, the
 * numbers in between are not used. */
#define SLOT_BITS 13
#define SLOTS_PER_SLAB ((uint32_t)(POOL_SLAB_SIZE / sizeof(Process)))
_Static_assert(POOL_SLAB_SIZE / sizeof(Process) <= 1u << SLOT_BITS, "a slab's slots have numbers");
#define SLOT_NONE UINT32_MAX
#define SLOT_BATCH 32u /* between a context's cache and the node's list */
#define GENERATION_MAX ((1u << VALUE_PID_GENERATION_BITS) - 1)

struct ActorNode {
    ActorConfig config;
    Process **slabs; /* published with release; entries never change */
    uint32_t nslabs_max;
    uint32_t nslabs; /* published with release after its slab */
    Value sym_normal, sym_shutdown, sym_killed, sym_noproc, sym_error, sym_no_memory;
    Value sym_exit, sym_down, sym_interrupt, sym_joined, sym_left;
    Value sym_crash_logger, sym_crash_report;
    uint64_t crash_second, crash_dropped; /* crashes.c; atomic, like the next two */
    uint32_t crash_count;
    uint8_t crash_quiet;
    struct Groups *groups; /* NULL: none yet */
    Lock group_lock;       /* level 0; groups.c */
    Value sym_dropped, sym_mailbox_limit;
    uint32_t tracing;         /* sessions that run; atomic */
    uint32_t ntraces_new;     /* under trace_lock, like the next */
    struct Trace *traces_new; /* those that want every new process */
    Lock trace_lock;          /* level 0; nothing else is locked under it; trace.c */
    uint64_t references;      /* numbers given to contexts; atomic */
    void **alarm_slabs; /* NULL until the first alarm; published with release, like its entries */

    SchedGroup *group; /* atomic; set by the first channel or its like: see dig.c */
    uint32_t digging;  /* atomic: 1 while `digger` is queued or runs */
    Task digger;
    uint64_t numbers; /* of off-heap objects: handed out so far; atomic */
    Lock lock;        /* level 1; guards what follows */
    uint32_t fresh;   /* slots never used so far: next slab and slot */
    uint32_t fresh_slot;
    uint32_t nmade;     /* slots handed out for the first time */
    uint32_t nretired;  /* generation used up */
    uint32_t free_head; /* linked by Process.next_free; SLOT_NONE */
    uint32_t nfree;     /* in that list */
    uint32_t scarce;    /* atomic: few slots are left, contexts keep none; written under the lock */
    ActorCtx *contexts;
    struct Alarm *alarm_free; /* slots of alarms that no context has in its cache */
    uint32_t alarms_made;     /* slots handed out for the first time */
    int64_t closed_live;      /* sum of `live` of closed contexts */
};

static inline Process *process_of_task(Task *task)
{
    return (Process *)(void *)((char *)task - offsetof(Process, task));
}

/* ---- dig.c ---------------------------------------------------------------------------------- */
/* What off-heap objects leave behind is from now on freed by a task of this node. */
void actor_open_digging(ActorNode *node);
/* The node's group is known: before the first object of the kind is made. */
void actor_start_digging(ActorCtx *cx);
/* Nothing runs any more. */
void actor_close_digging(ActorCtx *cx);

static inline Value process_exit_origin(const Process *p)
{
    return p->ext ? p->ext->exit_origin : VALUE_NIL;
}

/* ---- table.c -------------------------------------------------------------------------------- */
static inline Process *slot_at(const ActorNode *node, uint32_t index)
{
    /* acquire: pairs with the release in table_add_slab, publishes the zeroed slab */
    Process *slab = atom_load_acq(&node->slabs[index >> SLOT_BITS]);
    return slab + (index & ((1u << SLOT_BITS) - 1));
}
/* Counts a start or an end for actor_process_count. */
void actor_count(ActorCtx *cx, int change);
/* A dead process's slot: new pid, then through the epoch back to the table. */
void slot_release(ActorCtx *cx, Process *p);
/* Calls fn for every slot that was ever handed out. */
void table_each(ActorNode *node, void (*fn)(void *arg, Process *p), void *arg);

/* ---- mailbox.c ------------------------------------------------------------------------------ */
void mailbox_open(Process *p);
/* Closes; what was still in it can be drained then. Once more: nothing. */
void mailbox_shut(Process *p);
/* After that: the next of those signals, or NULL. Takes no notice of reductions. */
Fragment *mailbox_drain(Process *p);
/* Both; answers the first of the signals (linked up to NULL). */
Fragment *mailbox_close(Process *p);
/* The caller has displaced CLOSED with `first`: puts it back and refuses what came in between. */
void mailbox_reclose(ActorCtx *cx, Process *p, Fragment *first);
/* The next signal in order of arrival, or NULL when there is none (or its link is not there yet:
 * then process_has_signals stays true). */
Fragment *mailbox_next(Process *p);
/* What mailbox_next has just answered is the next one again. */
void mailbox_put_back(Process *p, Fragment *f);

/* Fragment.info of a message in the private queue. */
#define INBOX_RESERVED 0x4000u /* has a place in the bounded mailbox */
#define INBOX_LOOKED 0x8000u   /* root is in the heap; the body links such nodes */
#define INBOX_FLAT 0x2000u     /* one reference in it at most: the payload, to INBOX_FLAT_AT */
#define INBOX_FLAT_AT (1 + MESSAGE_SLOTS)

/* ---- inbox.c -------------------------------------------------------------------------------- */
/* Fewer messages than this, all lighter than that, are not counted against the heap cap. */
#define MAIL_COUNT_FROM 256
#define MAIL_HEAVY_WORDS 1024

/* What only processes that receive selectively, call or are called need. */
#define CURSORS_REFERENCE 4
#define CURSORS_SEARCH 4
#define CURSORS (CURSORS_REFERENCE + CURSORS_SEARCH)
typedef struct Inbox {
    InboxCursor cursors[CURSORS]; /* of references, then of searches */
    Fragment *looked;             /* nodes for messages that are in the heap */
    uint64_t searches;            /* numbers handed out */
    uint8_t turn[2];              /* which cursor is pushed out next, by kind */
    uint32_t ncalls;
    struct OpenCall *calls; /* open addressing by reference; call.c */
    uint32_t calls_cap;     /* 0 or a power of two */
    uint32_t calls_ended;   /* entries that calls_end has dealt with */
    /* the call that the process waits for */
    Value call;      /* its reference; VALUE_NONE: none */
    Value called;    /* whom */
    Fragment *reply; /* NULL: not yet */
} Inbox;
MUST_CHECK Status inbox_need(ActorCtx *cx, Process *p, Inbox **out);

/* f is in the queue: counts what it holds, or begins to count. */
void inbox_count(ActorCtx *cx, Process *p, const Fragment *f);

/* Drops *link unread; a call is told. */
void inbox_discard(ActorCtx *cx, Process *p, Fragment **link);

/* Puts a message behind the others (takes f). */
static inline void inbox_append(ActorCtx *cx, Process *p, Fragment *f)
{
    f->next = NULL;
    *p->msg_end = f;
    p->msg_end = &f->next;
    /* relaxed: a statistic with one writer */
    atom_store_rlx(&p->nmessages, p->nmessages + 1);
    if (__builtin_expect((p->flags & PROCESS_F_MAIL_COUNTED) != 0 ||
                             p->nmessages >= MAIL_COUNT_FROM || f->words >= MAIL_HEAVY_WORDS ||
                             f->handles || p->mail & (MAIL_F_BOUNDED | MAIL_F_TRACE_MAIL),
                         0))
        inbox_count(cx, p, f);
}

void inbox_visit_roots(Process *p, HeapVisit visit, void *arg);
/* The process has ended. */
void inbox_free(ActorCtx *cx, ProcessExt *ext);

/* ---- alarm.c -------------------------------------------------------------------------------- */
/* Nothing runs any more: frees the messages of all alarms. */
void alarms_destroy(ActorNode *node, ActorCtx *cx);

/* ---- bonds.c -------------------------------------------------------------------------------- */
#define BONDS_LINEAR 10
Bond *bonds_find(const BondTable *t, Value key);
/* The entry of a key that is not in the table; NULL when memory is out. Moves the others. */
Bond *bonds_add(ActorCtx *cx, BondTable *t, Value key);
/* Takes b out of the table; its signal is the caller's. Moves others. */
void bonds_remove(ActorCtx *cx, BondTable *t, Bond *b);
/* The next entry from position *at on, or NULL; nothing may be added or removed in between. */
Bond *bonds_next(const BondTable *t, uint32_t *at);
/* Frees the table, and the signals that are still in it. */
void bonds_free(ActorCtx *cx, BondTable *t);

/* ---- links.c -------------------------------------------------------------------------------- */
void links_receive_link(ActorCtx *cx, Process *p, Fragment *f);
void links_receive_exit(ActorCtx *cx, Process *p, Fragment *f);
void links_receive_unlink(ActorCtx *cx, Process *p, Fragment *f);
void links_receive_ack(ActorCtx *cx, Process *p, Fragment *f);
void links_receive_request(ActorCtx *cx, Process *p, Fragment *f);
/* p ends: tells the other ends. False when *left was used up before. */
bool links_end(ActorCtx *cx, Process *p, int32_t *left);

/* ---- monitors.c ----------------------------------------------------------------------------- */
void monitors_receive(ActorCtx *cx, Process *p, Fragment *f);
void monitors_receive_demonitor(ActorCtx *cx, Process *p, Fragment *f);
void monitors_receive_down(ActorCtx *cx, Process *p, Fragment *f);
/* p ends: gives up the monitors it holds. False when *left was used up before. */
bool monitors_end_watching(ActorCtx *cx, Process *p, int32_t *left);
/* p ends: tells its watchers. */
bool monitors_end_watched(ActorCtx *cx, Process *p, int32_t *left);
/* Answers (takes) a MONITOR signal of a process that ends. */
void monitors_answer(ActorCtx *cx, Process *p, Fragment *f, int32_t *left);

/* ---- names.c -------------------------------------------------------------------------------- */
void names_receive(ActorCtx *cx, Process *p, Fragment *f);
/* Gives back the name of a NAME signal (taken). */
void names_refuse(ActorCtx *cx, Fragment *f);
/* p ends: gives back its names. False when *left was used up before. */
bool names_end(ActorCtx *cx, Process *p, int32_t *left);

/* ---- mailbound.c ---------------------------------------------------------------------------- */
/* Owner, after a message was put into the queue: does what the policy says when there are too many.
 */
void mail_trim(ActorCtx *cx, Process *p);
/* p ends: lets suspended senders go. False: the slice was used up. */
bool mail_close(ActorCtx *cx, Process *p, int32_t *left);
/* signal.c: p ends with `reason` (a symbol), whatever it does. */
void signal_end_for(ActorCtx *cx, Process *p, Value reason);

/* ---- call.c --------------------------------------------------------------------------------- */
/* SIGNAL_CALL, SIGNAL_REPLY and what is kept of a call have these words in front. */
#define CALL_CALLER 1    /* CALL: who calls; REPLY: who replies */
#define CALL_REFERENCE 4 /* the call */
#define CALL_WORDS 5     /* a MailboxRequest */

/* A call that has arrived and was not replied to. */
typedef struct OpenCall {
    Value reference;
    Value caller;     /* VALUE_NONE while the request is in the queue */
    Fragment *signal; /* for the reply; NULL while the request is in the queue, or without memory */
} OpenCall;

/* Each takes the signal. */
void call_arrived(ActorCtx *cx, Process *p, Fragment *f);
void call_replied(ActorCtx *cx, Process *p, Fragment *f);
void call_hung_up(ActorCtx *cx, Process *p, Fragment *f);
/* A request was dropped from the queue: the caller is told. */
void call_dropped(ActorCtx *cx, Process *p, Fragment *f);
/* The request has been received; what carried it is kept for the reply (takes f, which holds
 * nothing else any more). */
void call_received(ActorCtx *cx, Process *p, Fragment *f);
/* The same when the heap has adopted the request: a new signal is made. */
void call_adopted(ActorCtx *cx, Process *p, Value caller, Value reference);
/* Answers a CALL that will not be received (takes f). `reason`: an immediate. */
void call_refuse(ActorCtx *cx, Fragment *f, Value reason);
/* p ends: tells who has called it, and whom it calls. False: the slice was used up. */
bool calls_end(ActorCtx *cx, Process *p, int32_t *left);
/* Frees what p keeps of calls. */
void calls_free(ActorCtx *cx, struct Inbox *inbox);

/* ---- crashes.c ------------------------------------------------------------------------------ */
/* p has begun to end: reports it when that is a crash. */
void crash_report(ActorCtx *cx, Process *p);

/* ---- groups.c ------------------------------------------------------------------------------- */
/* All processes are gone. */
void groups_close(ActorNode *node);

/* ---- signal.c ------------------------------------------------------------------------------- */
/* What happens to a signal that nobody will receive: freed, a WAIT is answered. */
void signal_refuse(ActorCtx *cx, Fragment *f);
/* Pushes to a pid; refused when there is no such process. */
bool signal_to(ActorCtx *cx, Value to, Fragment *f);
/* Makes f, which has SIGNAL_END_EXTRA words in front, an ExitMessage or DownMessage. */
void signal_end_message(Fragment *f, uint32_t cls, Value sender, Value selector, Value reason,
                        Value origin);
/* An ExitMessage from the other end of a link that was active. */
void signal_exit_by_link(ActorCtx *cx, Process *p, Fragment *f);
/* p is to end for lack of memory. */
void signal_out_of_memory(ActorCtx *cx, Process *p);
/* A signal of p, which ends: a message of class `cls` about that, made from `own` (taken). The
 * caller sets kind and reference and sends it. */
Fragment *signal_of_end(ActorCtx *cx, Process *p, Fragment *own, uint32_t cls, Value selector,
                        int32_t *left);
/* A number that no other process of this VM has got: above 0. */
uint64_t signal_number(ActorCtx *cx);
#define SIGNAL_RESULT_EXTRA 3
MUST_CHECK Status signal_new(ActorCtx *cx, Heap *source, Value root, SignalKind kind, size_t extra,
                             Fragment **out, Value *culprit);

/* ---- death.c -------------------------------------------------------------------------------- */
/* Frees what a process holds, without reports: for the end of the node. */
void process_discard(ActorCtx *cx, Process *p);

/* ---- results.c ------------------------------------------------------------------------------ */
/* Notes a reported end (takes f). Answers the words it had to look at to make room. */
size_t results_receive(ActorCtx *cx, Process *p, Fragment *f);
void results_free(const Env *env, ProcessExt *ext);
/* p ends: tells everybody who waits, and its forker. False when *left was used up before. */
bool results_report(ActorCtx *cx, Process *p, int32_t *left);
/* Answers (takes) a WAIT signal of a process that ends. */
void results_answer(ActorCtx *cx, Process *p, Fragment *wait, int32_t *left);
/* One report to send away. While p ends, resume.c keeps one to copy; `last`: it need not stay. NULL
 * when reason and result are immediates (then none is needed), or for lack of memory. */
Fragment *report_take(ActorCtx *cx, Process *p, bool last, int32_t *left);
/* Frees what results_report keeps for later answers (Process.resume.c, while p ends). */
void results_drop_report(ActorCtx *cx, Process *p);

/* ---- holds.c -------------------------------------------------------------------------------- */
/* p ends: tells its holds. False when *left was used up before. */
bool holds_end(ActorCtx *cx, Process *p, int32_t *left);

#endif
