/* SPDX-License-Identifier: Apache-2.0 */
/* process.h - the process: control block, identity, spawning, signals, waiting and death.
 *
 * A Process is a slot of the process table: type-stable memory, so a pid (26-bit index, 22-bit
 * generation) is resolved with two loads and a comparison. It embeds its Task, Heap and mailbox.
 * The interpreter's state is opaque here: a code pointer, a pc and a window offset (M15).
 *
 * Who touches what: line 1 (mailbox tail, pid) is for senders; everything else belongs to the
 * owner, that is the scheduler now running the process, or whoever has claimed it by taking the
 * PARKED tag from the mailbox, or a job that has been handed the process with all it owns (the
 * waits from COLLECT on).
 *
 * Reclamation: a dead slot goes back through the epoch, so a sender that has resolved a pid inside
 * its section may push to the (closed) mailbox safely. The slot's pid is replaced before that, so
 * no later section finds it under the old one. A slot whose generation is used up is retired (M13).
 *
 * States: FREE -> LIVE -> EXITING -> DEAD -> FREE. EXITING is set before any exit report is sent
 * and CLOSED (the mailbox tail) after all of them, so that no #noproc overtakes a report (M10).
 *
 * Files: table.c (slots, pids, node), mailbox.c (push, take, park), signal.c (what signals mean),
 * inbox.c (messages not yet received), results.c (ends of others), holds.c (what hears of the
 * end), life.c (spawn, timer), death.c (exit). Channels and their like: waitable.h.
 */
#ifndef MAGGIE_PROCESS_H
#define MAGGIE_PROCESS_H

#include "epoch.h"
#include "heap.h"
#include "scheduler.h"
#include "symtab.h"
#include "timer.h"
#include "value.h"

struct Code;   /* interp */
struct Domain; /* interp */

typedef enum {
    PROCESS_FREE, /* or made by process_new and not started */
    PROCESS_LIVE,
    PROCESS_EXITING, /* sends its reports */
    PROCESS_DEAD     /* closed; memory is being given back */
} ProcessState;

/* What a live process waits for; shown by tools and by the deadlock report (D15). From COLLECT on
 * it waits for no signal: its heap is in the hands of another thread, and only that one makes it
 * ready. */
#define PROCESS_WAITS(X)                                                                           \
    X(NOTHING, "running")                                                                          \
    X(RECEIVE, "receive")                                                                          \
    X(SLEEP, "sleep:")                                                                             \
    X(RESULT, "wait")                                                                              \
    X(DIRTY, "blocking call")                                                                      \
    X(OUTPUT, "output")                                                                            \
    X(CHANNEL_SEND, "channel send")                                                                \
    X(CHANNEL_RECEIVE, "channel receive")                                                          \
    X(SELECT, "select")                                                                            \
    X(LOCK, "lock")                                                                                \
    X(SEMAPHORE, "semaphore")                                                                      \
    X(WAIT_GROUP, "wait group")                                                                    \
    X(CANCELLATION, "cancellation")                                                                \
    X(PROMISE, "promise")                                                                          \
    X(CALL, "call")                                                                                \
    X(INFO, "info")                                                                                \
    X(COLLECT, "collecting")                                                                       \
    X(COPY, "copying")                                                                             \
    X(END, "ending")                                                                               \
    X(MAILBOX, "send")
typedef enum {
#define PROCESS_WAIT_ENUM(id, name) PROCESS_WAIT_##id,
    PROCESS_WAITS(PROCESS_WAIT_ENUM)
#undef PROCESS_WAIT_ENUM
} ProcessWait;
const char *process_wait_name(unsigned wait);

/* Kinds of signals; Fragment.kind. What each means, and in which order they arrive: links.h. Where
 * the receiver's own pid is given, it is for those who must refuse the signal in its place. */
typedef enum {
    SIGNAL_MESSAGE, /* root: the MailboxMessage object */
    SIGNAL_EXIT,    /* root: reason; body[0] = sender pid or nil; info = SIGNAL_EXIT_*; room for an
                       ExitMessage */
    SIGNAL_WAIT,    /* body[0] = pid of who waits for our result, body[1] = our pid */
    SIGNAL_RESULT,  /* body[0] = pid of a process that ended; body[1] = its reason and root its
                       result; when body[1] is 0, root is an Array {reason. result};
                       body[2] = origin */
    SIGNAL_LINK,    /* body[0] = the other end, body[1] = our pid; room for an ExitMessage */
    SIGNAL_LINK_EXIT,  /* root: an ExitMessage */
    SIGNAL_UNLINK,     /* body[0] = the other end, body[1] = our pid, body[2] = number */
    SIGNAL_UNLINK_ACK, /* the same, number of the UNLINK */
    SIGNAL_MONITOR,    /* body[0] = the watcher, body[1] = our pid, body[2] = reference; room for a
                          DownMessage */
    SIGNAL_DEMONITOR,  /* body[0] = reference */
    SIGNAL_DOWN,       /* root: a DownMessage */
    SIGNAL_REQUEST, /* body[0] = an argument, body[1] = our pid, body[2] = reference or nil; info =
                       REQUEST_* of links.h; room for an ExitMessage */
    SIGNAL_NAME,    /* body[0] = a Symbol that names us, body[1] = our pid */
    SIGNAL_INFO,    /* root: an Array to be filled; body[0] = pid of who asks, body[1] = its number
                       for the question; info = INSPECT_* of inspect.h */
    SIGNAL_HOLD,    /* root: a Promise the receiver is to hold; promise.h */
    SIGNAL_ASK,     /* root: a PromisedRequest; promise.h */
    SIGNAL_TABLE,   /* root: the MailboxMessage that tells of a table the receiver owns now */
    SIGNAL_CALL,    /* these three: call.h */
    SIGNAL_REPLY,
    SIGNAL_HANG_UP,
    SIGNAL_TRACE, /* root: a Trace; body[0] = what it is to trace; trace.h */
    SIGNAL_FREE   /* first number for other kinds: of the mailbox, timers, promises ... */
} SignalKind;

/* Slots of a MailboxMessage, and of an EndMessage (ExitMessage, DownMessage) behind them. */
enum { MESSAGE_SENDER, MESSAGE_SELECTOR, MESSAGE_PAYLOAD, MESSAGE_SLOTS };
enum { END_REASON = MESSAGE_SLOTS, END_RESULT, END_ORIGIN, END_REFERENCE, END_SLOTS };
#define SIGNAL_END_EXTRA (1 + END_SLOTS) /* room for one */

enum { SIGNAL_EXIT_TRAPPABLE = 0, SIGNAL_EXIT_KILL = 1 };

/* How another process ended. */
typedef struct ProcessResult {
    Value pid; /* VALUE_NIL: free entry */
    Value reason;
    Value result;
    Value origin; /* nil, or the process whose end went through links and ended this one */
} ProcessResult;

/* One link or monitor, seen from one end; bonds.c. */
typedef struct Bond {
    Value key;        /* link: pid of the other end; monitor: reference */
    uint64_t word;    /* link: number of the UNLINK that is not acknowledged, or 0; monitor: pid of
                         the other end */
    Fragment *signal; /* what will tell the other end of ours; monitors we hold ourselves: NULL */
} Bond;

/* At most BONDS_LINEAR entries stand one behind the other; more are hashed. */
typedef struct BondTable {
    uint32_t n;
    uint32_t cap;
    Bond *at;
} BondTable;

/* What only some processes need; allocated on first use. */
typedef struct ProcessExt {
    Value dictionary;       /* process-local storage: a Dictionary, or nil */
    Value bindings;         /* top-level variables of evaluated code (D3): Dictionary, or nil */
    Value finalizers;       /* of weak references: an Array as in prims_weak.c, or nil */
    ProcessResult *results; /* open addressing by pid; results.c */
    uint32_t nresults;
    uint32_t results_cap;   /* 0 or a power of two */
    uint32_t results_limit; /* more than these call for dropping the unreachable ones; 0: default */
    uint32_t walk;          /* while it ends: how far a table of bonds has been walked */
    bool results_refer;     /* some of them refer to objects: collections must look at them */
    Fragment *waiters;      /* SIGNAL_WAIT signals to be answered at death */
    struct ProcessHold *holds; /* told of the end, most recent first; links.h */
    uint32_t nholds;
    uint32_t holds_limit;        /* more than these call for dropping the stale ones */
    BondTable links;             /* by pid of the other end */
    BondTable watching;          /* monitors of others, by reference */
    BondTable watched;           /* monitors by others, by reference */
    Fragment *names;             /* SIGNAL_NAME signals, most recent first */
    Fragment *raises;            /* ExitMessages to be signalled as ProcessExit, oldest first */
    Value exit_origin;           /* goes with Process.exit_reason */
    uint64_t ensure_deadline_ns; /* limit for ensure: blocks while terminating */
    size_t mail_bytes;           /* of the private queue, under PROCESS_F_MAIL_COUNTED */
    void *dirty;                 /* job under way (interp) */
    void *copied;                /* a copy made elsewhere for the pending call (interp) */
    struct WaitSet *waiting;     /* for off-heap objects: waitable.h */
    struct ProcessLabel *label;  /* for people; NULL: none */
    Fragment *inspected;         /* the answer to the question of this number; inspect.h */
    uint64_t inspects;           /* questions asked */
    uint64_t waits;              /* sets made for `waiting`, calls: tells one wait from the next */
    struct TraceHook *traces;    /* sessions that trace it; trace.h */
    struct Trace *sessions;      /* its own, until it is found that they have ended */
    struct Inbox *inbox;         /* selective receive; inbox.h. NULL: never used */
    /* how far the unwinding whose loop runs in window `loop` has come towards `target`; interp */
    struct {
        uint32_t loop, target, window;
        struct Code *code; /* of the frame at `window`; NULL: no unwinding has begun */
    } unwind;
} ProcessExt;

typedef struct Process {
    /* line 0: the owner's, hot */
    Heap heap;
    struct Code *code; /* code of the top window */
    /* line 1: shared with senders; nothing that the owner writes per slice */
    uint64_t mbox_tail __attribute__((aligned(64))); /* Fragment* of the last signal, or &stub, with
                                                        MBOX_PARKED, MBOX_POKED; or MBOX_CLOSED */
    Fragment *mbox_stub_next; /* `next` of the stub node; written by the producer that follows it */
    Value pid;                /* immediate; changes only at death, read with acquire */
    Task task;
    Value exit_reason;       /* pending exit signal, or what the process ends with */
    struct MailBound *bound; /* limit of the mailbox, mailbound.h; NULL: none */
    /* line 2: the owner's */
    const uint64_t *pc __attribute__((aligned(64))); /* instruction to execute next (or again) */
    union {
        uint32_t window;    /* offset of the top window from heap.lo, in words */
        uint32_t next_free; /* slot of the table, while this one is free */
    };
    uint32_t live;       /* live height of the top window at the last safepoint */
    Fragment *mbox_walk; /* signals taken from the tail but not yet sorted: next one to look at */
    Fragment *mbox_walk_last;
    Fragment *msg_first;  /* messages in order of arrival, private */
    Fragment **msg_end;   /* where the next message is linked */
    uint64_t serial;      /* home tokens handed out */
    struct Code *pending; /* callee of an interrupted call: entered again at the next slice */
    /* line 3: the owner's */
    uint16_t pending_base; /* its window, relative to `window` */
    uint16_t pending_argc;
    uint32_t nmessages; /* in the private queue; written by the owner, read by tools (relaxed) */
    struct {
        uint64_t a, b, c;
        Value root;
    } resume;              /* PrimResume of a primitive that yielded */
    struct Domain *domain; /* authority (D20), shared, counted by the VM */
    ProcessExt *ext;
    uint8_t state;       /* ProcessState; written by the owner, atomic */
    uint8_t wait;        /* ProcessWait; written by the owner, read by tools (relaxed) */
    uint8_t flags;       /* PROCESS_F_* */
    uint8_t priority;    /* TaskPrio; fixed while the process lives */
    uint8_t timer_fired; /* set by the timer of the present wait; atomic */
    uint8_t abnormal;    /* how it ended: what a free slot remembers; atomic */
    uint8_t modes;       /* PROCESS_MODE_*; written by the owner, read by tools (relaxed) */
    uint8_t mail;        /* MAIL_F_*: what putting a message into the queue, and taking it out, must
                            look after */
    /* line 4 */
    Value parent; /* pid of who forked it, or nil; a free slot remembers it. Atomic */
    Value exit_result;
    union {
        Timer timer;      /* sleep:, receive: time-outs */
        EpochEntry epoch; /* of a dead slot on its way back to the table */
    };
} Process;

enum {
    PROCESS_F_TIMER = 1,         /* timer was started for the present wait */
    PROCESS_F_ASKED = 2,         /* an exit signal has come: its end is no crash */
    PROCESS_F_EXIT_PENDING = 4,  /* exit_reason holds a reason to deliver at the next safepoint */
    PROCESS_F_KILLED = 8,        /* untrappable */
    PROCESS_F_TERMINATING = 16,  /* ensure: blocks of a termination are running */
    PROCESS_F_MAIN = 32,         /* its end is reported to the VM (embedder waits for it) */
    PROCESS_F_RESERVE = 64,      /* StackOverflow was signalled, handlers run in the reserve (M7) */
    PROCESS_F_MAIL_COUNTED = 128 /* its queue is long or heavy: ext->mail_bytes is kept */
};

/* Process.modes */
enum {
    PROCESS_MODE_PARENT_WAITS = 1, /* its forker is among ext->waiters */
    PROCESS_MODE_TRAPS = 2,        /* exit signals become messages */
    PROCESS_MODE_RAISES = 4,       /* exits of linked processes become exceptions */
    PROCESS_MODE_ENDS = 8,   /* under PROCESS_F_EXIT_PENDING: exit_reason is what to end with */
    PROCESS_MODE_QUIET = 16, /* no crash report: somebody else takes care of that */
    /* was collected elsewhere, and what asked for that starts over; or that failed and it ends */
    PROCESS_MODE_COLLECTED = 32,
    PROCESS_MODE_COLLECT_FAILED = 64,
    PROCESS_MODE_SHRINK = 128 /* the block should shrink at the next yield */
};
/* Process.mail */
enum {
    MAIL_F_CURSORS = 1, /* positions in the private queue are remembered */
    MAIL_F_BOUNDED = 2, /* messages may have a place to give back */
    /* hooks that want the arrival of messages; or, because there is room here, others: trace.h */
    MAIL_F_TRACE_MAIL = 4,
    MAIL_F_TRACE_SENDS = 8,
    MAIL_F_TRACE_CALLS = 16,
    MAIL_F_TRACE_LIFE = 32
};

_Static_assert(sizeof(Process) == 320,
               "idle processes are counted in bytes: 320 and a first block");

/* Tags of mbox_tail. Fragments and the stub are 8-byte aligned. */
#define MBOX_PARKED UINT64_C(1) /* the owner sleeps; who takes this tag away makes it ready */
#define MBOX_CLOSED UINT64_C(2) /* the whole word: the process is dead */
#define MBOX_POKED UINT64_C(4)  /* something without a signal happened: the owner must not park */
#define MBOX_TAGS UINT64_C(7)

/* Process table and process-wide services of one VM. */
typedef struct ActorNode ActorNode;
typedef struct ActorCtx ActorCtx;

#define ACTOR_PROCESSES_DEFAULT (UINT32_C(1) << 22)

typedef struct ActorConfig {
    Env *env;
    HeapEnv *heap_env;
    PoolGlobal *pools;
    Symtab *symtab;         /* the symbols of exit reasons are interned at create */
    uint32_t max_processes; /* +P; 0: ACTOR_PROCESSES_DEFAULT; at most 2^25 */
    uint32_t reserved;      /* of these, for who is to mend things: see process_new */
    TaskRun run;            /* interp's process runner */
    uint64_t mail_limit;    /* of every mailbox, unless it is given one; 0: none */
    uint32_t mail_policy;   /* MailPolicy, mailbound.h */
    /* The context of the scheduler that calls. NULL: dying processes free their queues at once. */
    ActorCtx *(*ctx_of)(Sched *sched);
    /* A process with PROCESS_F_MAIN has ended and sent its reports; exit_reason and exit_result are
     * still readable. May be NULL. */
    void (*main_ended)(void *ctx, Process *p);
    bool no_crash_reports; /* at first; see actor_set_crash_reports */
    /* The process dies while ext->dirty or ext->copied is set: whoever made that must let go of the
     * process. Must be given when one of them is ever used. */
    void (*abandon_dirty)(void *ctx, Process *p);
    /* p was asked about itself: writes immediates, and at most INSPECT_HOLDS_MAX frozen values that
     * it makes the fragment hold, into the Array that is the fragment's root. The owner, state
     * committed. Must be given when process_inspect is ever called. Answers the reductions it
     * has cost beyond those of a small process. */
    int32_t (*info)(void *ctx, ActorCtx *cx, Process *p, Fragment *form);
    /* Writes text for an exit reason that is no Symbol, String or number into out (at most n
     * bytes), answers its length. May be NULL. */
    size_t (*describe)(void *ctx, Process *p, Value reason, char *out, size_t n);
    void *ctx;
#ifdef MAGGIE_LINK_MUTANTS
    unsigned link_mutant; /* link_mutants.h */
#endif
} ActorConfig;

/* What a running scheduler (or an outside thread, with its own) brings along. Its maker sets node
 * to epoch and zeroes the rest; it stays where it is until actor_ctx_close. */
struct ActorCtx {
    ActorNode *node;
    SchedGroup *group;
    Sched *sched; /* NULL: outside thread */
    HeapCtx heap;
    EpochRecord *epoch;
    size_t copied_words;    /* of the last process_send or spawn: charge 1 reduction per 16 */
    int32_t crowd_cost;     /* of the last process_send: reductions to take away, see crowd.h */
    uint32_t stream_length; /* messages sent from here one after the other to `stream` */
    Value stream;
    Value held;              /* who sends to this process gives up its turns until then: crowd.h */
    uint64_t held_until_ns;  /* by sched_now */
    uint32_t free_slots[64]; /* cached free slots of the table */
    uint32_t nfree;
    uint64_t reference; /* next number for a Reference, and the end of the numbers taken */
    uint64_t reference_end;
    uint64_t fork_limit;  /* bound of the mailbox of the process made next here; 0: the node's */
    uint32_t fork_policy; /* MailPolicy */
    struct Alarm *alarms; /* cached free slots of alarms */
    uint32_t nalarms;
    uint32_t ndeferred; /* slots that wait for the epoch */
    int64_t live;       /* processes started minus ended here; written by the owner, read relaxed */
    uint64_t locked;    /* acquisitions of the node's lock by this context (M20) */
    bool listed;        /* in the node's list */
    ActorCtx *next;     /* there; under the node's lock */
    ActorCtx *prev;
    uint64_t number, number_end; /* of off-heap objects: taken from the node, not yet used */
    uint64_t choices;            /* state of the generator of actor_choose; 0: not seeded */
};

MUST_CHECK Status actor_node_create(const ActorConfig *config, ActorNode **out);
/* Nothing runs any more, every other context is closed: frees every process, closes cx, frees the
 * table. The table's slabs stay mapped until the pool is destroyed. */
void actor_node_destroy(ActorNode *node, ActorCtx *cx);

/* Waits until the slots this context deferred are free (epoch_barrier; other entries of its record
 * do not know the context, the record's next holder runs them), gives its slots back. Outside a
 * section, before the epoch record is unregistered. After actor_node_destroy it does no harm. */
void actor_ctx_close(ActorCtx *cx);
/* Gives the free slots that this context keeps for itself back to the node. */
void actor_ctx_trim(ActorCtx *cx);

/* Are crashes reported (to the log, and to the process registered as #crashLogger)? Any thread. */
void actor_set_crash_reports(ActorNode *node, bool on);
bool actor_crash_reports(const ActorNode *node);
/* Any thread; a snapshot while processes run. */
uint32_t actor_process_count(ActorNode *node);
/* The most processes there may be, how many of these are kept for supervisors, and the bytes of the
 * table. Any thread. */
typedef struct ActorTableInfo {
    uint32_t limit, reserved;
    size_t bytes;
} ActorTableInfo;
void actor_table_info(const ActorNode *node, ActorTableInfo *info);
/* Calls fn for every live process; only while nothing runs or from a quiescent hook. */
void actor_each_process(ActorNode *node, void (*fn)(void *ctx, Process *p), void *ctx);
/* Pids of live processes with a table index >= *cursor, at most n; advances *cursor and answers how
 * many. Looks at no more than `span` slots; *cursor is UINT32_MAX at the end. Inside a section. */
uint32_t actor_list_pids(ActorNode *node, uint32_t *cursor, uint32_t span, Value *pids, uint32_t n);

/* Owner: sets or clears bits of Process.modes. PROCESS_MODE_RAISES needs p->ext. */
static inline void process_set_mode(Process *p, unsigned mode, bool on)
{
    uint8_t modes = (uint8_t)(on ? p->modes | mode : p->modes & ~mode);
    __atomic_store_n(&p->modes, modes, __ATOMIC_RELAXED); /* relaxed: shown to others */
}
/* Any thread. */
static inline uint8_t process_modes(const Process *p)
{
    return __atomic_load_n(&p->modes, __ATOMIC_RELAXED); /* relaxed: as above */
}

/* ---- spawning ------------------------------------------------------------------------------- */

/* A slot with pid, mailbox and default fields (normal priority), no heap yet; not visible to
 * anybody until process_start. PROCESS_LIMIT when the table is full: the last ActorConfig.reserved
 * slots are for children of processes that trap exits (supervisors), and for processes without a
 * parent (the shell, the embedder). */
MUST_CHECK Status process_new(ActorCtx *cx, Value parent, Process **out);
/* Gives back a slot that was not started and whose heap was never made (or has been destroyed). */
void process_abandon(ActorCtx *cx, Process *p);
/* The same for one with heap and extension, which are freed. Nobody is told of an end. */
void process_discard_new(ActorCtx *cx, Process *p);
/* Makes it runnable: by run-next when `next`, at p->priority. The caller runs its parent, if that
 * is a process. */
void process_start(ActorCtx *cx, Process *p, bool next);
/* Salt for the heap of a process: differs from process to process, the same in every run of a seed.
 * */
uint32_t process_salt(const Process *p);
/* Home tokens: special immediates that no Maggie expression can hold. A token names one activation
 * of a method with blocks that contain ^, in one process; in a copy it must not name one of the
 * receiver. process_send does that itself. */
#define HOME_TOKEN_FORK                                                                            \
    VALUE_MAKE(VALUE_TAG_SPECIAL, 14) /* in a forked closure: ^ ends the process */
#define HOME_TOKEN_DEAD VALUE_MAKE(VALUE_TAG_SPECIAL, 15) /* in a message: ^ cannot return */
#define HOME_TOKEN_FIRST VALUE_MAKE(VALUE_TAG_SPECIAL, 16)
/* Replaces every home token in the closures of a run of objects (a fragment's body, a first block).
 * */
void process_map_home_tokens(Value *first, const Value *end, Value token);

/* ---- pids ----------------------------------------------------------------------------------- */

/* The process of a pid, or NULL when it is gone. Inside an epoch section; the answer may close its
 * mailbox at any moment but its memory stays a Process until the section ends. */
Process *process_of_pid(ActorNode *node, Value pid);
/* False from the moment the process began to exit. Inside a section. */
bool process_is_alive(ActorNode *node, Value pid);
/* "<0.INDEX.GENERATION>"; at most PROCESS_PID_TEXT bytes with the NUL. Answers the length. */
#define PROCESS_PID_TEXT 32
size_t process_pid_text(Value pid, char out[PROCESS_PID_TEXT]);

/* ---- signals -------------------------------------------------------------------------------- */

/* Pushes a signal (takes it). False when the mailbox is closed: the signal has been freed (and,
 * for WAIT, answered with #noproc). Any thread inside an epoch section. `next`: the receiver may
 * take the run-next slot of the calling scheduler. */
bool process_push(ActorCtx *cx, Process *to, Fragment *signal, bool next);

/* D1 copy of `message` (an object of `from`'s heap) in a MailboxMessage with `selector` (a Symbol
 * or nil), and push. `from` may be NULL for outside threads: then sender is nil and the message
 * must be an immediate or frozen. STATUS_NO_PROCESS when the receiver is gone; STATUS_NOT_SENDABLE
 * with the *culprit; STATUS_COPY_TOO_BIG, STATUS_NO_MEMORY. Sets cx->copied_words. */
/* STATUS_LIMIT: refused by the receiver's bound; a message that its bound drops was sent. */
MUST_CHECK Status process_send(ActorCtx *cx, Process *from, Value to, Value selector, Value message,
                               Value *culprit);
/* The same to `receiver`, as process_of_pid has answered it for `to` in this section. */
MUST_CHECK Status process_send_to(ActorCtx *cx, Process *from, Value to, Process *receiver,
                                  Value selector, Value message, Value *culprit);
/* A message whose payload has been copied out already with SIGNAL_MESSAGE_EXTRA words (takes f);
 * with this info its closures have been detached too, by process_detach. */
#define SIGNAL_MESSAGE_DETACHED 1
#define SIGNAL_MESSAGE_EXTRA 4
MUST_CHECK Status process_send_fragment(ActorCtx *cx, Value sender, Value to, Value selector,
                                        Fragment *f);
/* ^ in the copied closures of a message cannot return. Any thread. */
void process_detach(Fragment *f);
/* As process_send by a process that has taken a place in the receiver's bounded mailbox; when it is
 * not sent, the place is given back. */
MUST_CHECK Status process_send_entered(ActorCtx *cx, Process *from, Value to, Value selector,
                                       Value message, Value *culprit);
/* A PromisedRequest, which has a handle of a promise: it joins the mailbox, and from then on the
 * receiver owes the promise. When it reaches nobody the promise is rejected with #noproc.
 * With `reserved` `from` has taken a place in the receiver's bounded mailbox; when it is not sent,
 * that is given back. Statuses of fragment_copy_out. */
MUST_CHECK Status process_send_request(ActorCtx *cx, Process *from, Value to, Value request,
                                       bool reserved, Value *culprit);
/* Exit signal with a reason. kill: untrappable. `from` NULL: as in process_send. */
MUST_CHECK Status process_send_exit(ActorCtx *cx, Process *from, Value to, Value reason, bool kill);

/* Owner: sorts arrived signals: messages to the private queue, exits to exit_reason, results and
 * waiters to ext. Cheap when nothing arrived. Charges *reductions, and stops when they are used up
 * (process_has_signals stays true). */
void process_fetch_signals(ActorCtx *cx, Process *p, int32_t *reductions);
/* The same where p's state is committed: between slices. Elsewhere a question about p (SIGNAL_INFO)
 * stays in front of what is behind it, and process_has_signals true. */
void process_fetch_at_rest(ActorCtx *cx, Process *p, int32_t *reductions);
static inline bool process_has_signals(const Process *p)
{
    /* relaxed: only a hint; process_fetch_signals acquires, and process_park decides */
    return __atomic_load_n(&p->mbox_tail, __ATOMIC_RELAXED) !=
               (uint64_t)(uintptr_t)&p->mbox_stub_next ||
           p->mbox_walk != NULL;
}
/* Owner: do heap and waiting messages exceed the cap (I8)? */
bool process_mail_over(ActorCtx *cx, Process *p);
/* Owner: the oldest message, adopted into the heap: its MailboxMessage; VALUE_NONE when none. */
Value process_take_message(Process *p);
/* The same with a short message copied into the block; VALUE_NONE and *need_words > 0 when that
 * takes a collection first. */
Value process_take_message_in(ActorCtx *cx, Process *p, const Value *stack_end, size_t *need_words);

/* ---- waiting -------------------------------------------------------------------------------- */

/* Owner, last action of the slice: publishes PARKED unless a signal or a poke arrived meanwhile or
 * an exit is pending. True: the process is parked (do not touch it any more), answer TASK_PARKED.
 * False: fetch signals and look again. */
bool process_park(Process *p, ProcessWait why);
/* Makes a parked process ready; the next attempt of a running one to park fails, so that what the
 * caller published before is seen either way. Nothing happens to a dead one. Any thread; the caller
 * need not know whether p is still the same process: a wake-up too many does no harm. */
void process_unpark(ActorCtx *cx, Process *p);
/* The same; `next`: p may take the run-next slot of the calling scheduler. */
void process_unpark_next(ActorCtx *cx, Process *p, bool next);
/* The same for threads without a context. `self` is the calling scheduler or NULL. */
void process_unpark_in(Sched *self, SchedGroup *group, Process *p);
/* Starts the process's timer for the present wait; one that still runs is stopped first. */
void process_start_timer(ActorCtx *cx, Process *p, uint64_t delay_ns);
/* The started timer has expired. */
bool process_timer_fired(const Process *p);
void process_stop_timer(ActorCtx *cx, Process *p);

/* ---- reductions used ------------------------------------------------------------------------ */

/* A sample: of every SCHED_REDUCTIONS used on a scheduler, all are charged to the process that used
 * the last of them. Short slices so cost nothing, and sums are right in the long run. The number
 * takes the place of an argument the timer does not need. Owner. */
static inline uint64_t process_reductions(const Process *p)
{
    return (uint64_t)(uintptr_t)p->timer.arg;
}
static inline void process_charge(Process *p, uint64_t reductions)
{
    p->timer.arg = (void *)(uintptr_t)(process_reductions(p) + reductions);
}

/* ---- ends of others (D5) -------------------------------------------------------------------- */

/* How `pid` ended, when that was reported to p. */
bool process_result(const Process *p, Value pid, Value *reason, Value *result);
/* The entry itself, or NULL. Valid until signals are fetched. */
const ProcessResult *process_result_entry(const Process *p, Value pid);
/* Asks `pid` to report its end to p. *gone: it is not there any more and will not report (look for
 * a report once more after fetching signals). */
MUST_CHECK Status process_request_result(ActorCtx *cx, Process *p, Value pid, bool *gone);
void process_forget_result(Process *p, Value pid);
/* What is known about a process that is gone and left p no report: #normal when p forked it and it
 * ended normally (a forker gets no report of a normal end with nil); #noproc when p did not fork
 * it, or it ended abnormally; nil when its slot has been taken by another process since. */
Value process_gone_reason(ActorCtx *cx, Process *p, Value pid);
/* Drops reports about pids for which is_live answers false. */
void process_prune_results(Process *p, bool (*is_live)(void *arg, Value pid), void *arg);

/* Owner: what it will end with, and that no other process is the origin of that. */
static inline void process_set_end(Process *p, Value reason, Value result)
{
    p->exit_reason = reason;
    p->exit_result = result;
    if (p->ext)
        p->ext->exit_origin = VALUE_NIL;
}

/* ---- death ---------------------------------------------------------------------------------- */

/* Owner: ends the process with p->exit_reason and p->exit_result: reports, closes, frees. The
 * process must not be touched afterwards. */
void process_exit(ActorCtx *cx, Process *p);

/* The extension, made when missing. */
MUST_CHECK Status process_ext(ActorCtx *cx, Process *p, ProcessExt **out);
/* Root ranges the process struct itself holds (not the stack). */
void process_visit_roots(Process *p, HeapVisit visit, void *arg);

#endif
