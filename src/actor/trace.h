/* SPDX-License-Identifier: Apache-2.0 */
/* trace.h - tracing sessions: one process is told what others do.
 *
 * A session (Trace) belongs to the process that made it. It says which kinds of events it wants;
 * processes are then traced one by one, with their children, or as they are started. Events go into
 * the session's channel. What a traced process pays is bounded and it never waits: an event for
 * which the channel has no room, or which comes too soon after others, is dropped and counted; the
 * next one that is delivered tells how many were dropped before it. A session ends when it is
 * stopped, after its total of events, and with its owner; its channel is closed then, and what is
 * in it can still be read. An event that was recorded before the stop is not lost. Whoever has the
 * channel can close it: the session ends at the next event, which counts as dropped.
 *
 * Bounds. A process has at most TRACE_OWNED_MAX sessions that run, and is traced by at most
 * TRACE_HOOKS_MAX: what a further one misses is told to it as one event that was dropped. So the
 * price of an event is bounded too.
 *
 * Who owns, which thread. A traced process has a hook for each session (ProcessExt.traces), with a
 * count of the session; hooks belong to the owner of the process, which alone makes and removes
 * them: to trace a process is to send it a signal (SIGNAL_TRACE), so what is sent to it after that
 * is traced. It is handled at rest, between slices, because the dispatch loop chooses its table
 * when a slice begins. The owner's end reaches the session by a ProcessHold. A session that has
 * ended is not taken off its processes: each finds that out at its next event, and removes the
 * hook. So ending is quick however many are traced, and who is never active keeps 64 bytes.
 *
 * What it costs when nobody traces. Nothing is asked that was not asked before: hooks set bits of
 * Process.mail, and arrivals test that byte anyway (inbox_append); a send tests it in a line that
 * it writes; calls are seen by another dispatch table, which is chosen once per slice; a start
 * tests ActorNode.tracing, the number of sessions, beside what it reads to make the process.
 *
 * Memory order. `stopped` and `tracing` are relaxed where processes look: nothing is read because
 * of them; one event too many finds the channel closed. Limits and counts change under the
 * session's lock, the list of those that want new processes under the node's trace_lock; neither is
 * held while another is taken, or while a channel is used. A process that is being started by
 * another scheduler at the moment when trace_new_processes begins may be missed.
 *
 * Failure. Without memory for a hook or an event, an event is counted as dropped. A session's owner
 * is not traced by it: reading events would make new ones.
 *
 * Order. Events of one process come in the order in which they happened; a message is sent before
 * it is received, a process is spawned before it starts. Otherwise events of different processes
 * are in the order in which they reached the channel.
 *
 * Threads: any, inside an epoch section; "owner" as in process.h. */
#ifndef MAGGIE_TRACE_H
#define MAGGIE_TRACE_H

#include "channel.h"

typedef struct Trace Trace;
extern const OffHeapType trace_type;

/* What a session wants, and what a hook traces. */
enum {
    TRACE_SENDS = 1,
    TRACE_RECEIVES = 2, /* messages that join the mailbox */
    TRACE_CALLS = 4,    /* of methods */
    TRACE_SPAWNS = 8,
    TRACE_EXITS = 16,
    TRACE_LINKS = 32,
    TRACE_ALL = 63,
    TRACE_CHILDREN = 64 /* of a hook: processes that it starts get the same */
};

/* An event is an Array of these. */
enum {
    TRACE_EVENT_KIND, /* TraceKind */
    TRACE_EVENT_TIME, /* microseconds since the session began */
    TRACE_EVENT_PROCESS,
    TRACE_EVENT_OTHER,    /* the other process; CALLED: the class of the method */
    TRACE_EVENT_SELECTOR, /* of a message or method; EXITED: the reason */
    TRACE_EVENT_PAYLOAD,  /* of a message; CALLED: an Array of the first arguments */
    TRACE_EVENT_WHOLE,    /* payload, arguments, reason as they are; else classes in their place */
    TRACE_EVENT_LOST,     /* events dropped since the last one that was delivered */
    TRACE_EVENT_SLOTS
};

/* SPAWNED, STARTED: parent and child tell of the same. GOT_*: the other end did it. */
typedef enum {
    TRACE_SENT,
    TRACE_RECEIVED,
    TRACE_CALLED,
    TRACE_SPAWNED,
    TRACE_STARTED,
    TRACE_EXITED,
    TRACE_LINKED,
    TRACE_GOT_LINKED,
    TRACE_UNLINKED,
    TRACE_GOT_UNLINKED
} TraceKind;

/* Arguments of a call that are told; objects among them as their classes. */
#define TRACE_ARGUMENTS 4u
/* A payload with more words, or with handles, is told as its class. */
#define TRACE_PAYLOAD_WORDS 256u

/* Calls that are wanted; a class stands for its instance and class side. */
typedef struct TraceFilter {
    uint32_t cls;      /* even index; CLASS_NONE: any */
    uint32_t selector; /* UINT32_MAX: any */
} TraceFilter;
#define TRACE_FILTERS 16u

typedef struct TraceConfig {
    unsigned what;       /* TRACE_* */
    uint64_t per_second; /* at most; 1 or more, like the next two */
    uint64_t total;
    uint64_t capacity; /* of the channel */
    uint32_t nfilters; /* 0: all calls */
    TraceFilter filters[TRACE_FILTERS];
} TraceConfig;

typedef struct TraceInfo {
    bool running;
    Value owner;
    uint64_t delivered; /* put into the channel */
    uint64_t dropped;
} TraceInfo;

#define TRACE_OWNED_MAX 64u
#define TRACE_HOOKS_MAX 64u

/* A session of p. One count, the caller's. STATUS_LIMIT (capacity), STATUS_BUSY (p has as many
 * sessions as it may have), STATUS_NO_MEMORY. */
MUST_CHECK Status trace_new(ActorCtx *cx, Process *p, const TraceConfig *config, Trace **out);
static inline Trace *trace_of(Value v)
{
    if (!value_is_kind(v, OBJ_HANDLE))
        return NULL;
    OffHeap *head = (OffHeap *)(uintptr_t)obj_of(v)->words[0];
    return head->type == &trace_type ? (Trace *)(void *)head : NULL;
}
/* Ends it; once more does nothing. `p` is the caller. */
void trace_stop(ActorCtx *cx, Process *p, Trace *t);
void trace_look(Trace *t, TraceInfo *info);
/* Borrowed: lives as long as the session. */
Channel *trace_events(Trace *t);
unsigned trace_wants(const Trace *t);

/* Owner of p, whose heap holds `handle` of a session: from now on `to` is traced by it, with
 * `children` those that it starts too; not `on`: no more. STATUS_NO_PROCESS, STATUS_DENIED (its own
 * owner), STATUS_CLOSED (it has ended), STATUS_NO_MEMORY. */
MUST_CHECK Status trace_process(ActorCtx *cx, Process *p, Value handle, Value to, bool on,
                                bool children);
/* From now on every process that is started, or no more. STATUS_CLOSED; STATUS_LIMIT: as many
 * sessions as there may be do that. */
MUST_CHECK Status trace_new_processes(ActorCtx *cx, Trace *t, bool on);
#define TRACE_NEW_MAX 16u

/* ---- for the other files of this folder, and the interpreter -------------------------------- */

/* Owner: SIGNAL_TRACE (taken). */
void trace_receive(ActorCtx *cx, Process *p, Fragment *f);
/* Owner, each under its bit of Process.mail. */
void trace_sent(ActorCtx *cx, Process *p, Value to, Value selector, const Fragment *f,
                bool is_message);
/* Before it is sent: its root is the message, or yet only the payload. */
static inline void process_trace_send(ActorCtx *cx, Process *from, Value to, Value selector,
                                      const Fragment *f, bool is_message)
{
    if (__builtin_expect(from->mail & MAIL_F_TRACE_SENDS, 0))
        trace_sent(cx, from, to, selector, f, is_message);
}
void trace_received(ActorCtx *cx, Process *p, const Fragment *f);
void trace_bond(ActorCtx *cx, Process *p, TraceKind kind, Value other);
void trace_exited(ActorCtx *cx, Process *p);
/* A method of class `cls` (CLASS_NONE: none) is entered with a receiver of class `of`. */
void trace_called(ActorCtx *cx, Process *p, uint32_t cls, uint32_t of, uint32_t selector,
                  const Value *args, unsigned argc);
/* Sessions run, and p is about to start: by the owner of its parent. */
void trace_started(ActorCtx *cx, Process *p);
/* p has ended. */
void trace_free(ActorCtx *cx, ProcessExt *ext);

#endif
