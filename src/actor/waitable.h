/* SPDX-License-Identifier: Apache-2.0 */
/* waitable.h - waiting for off-heap objects: channels, locks, promises, any number of them at once.
 *
 * A Waitable is the head of an object that lives outside all heaps and is shared by handles
 * (OffHeap). It has a lock and two queues of WaitNodes, one for each way of waiting: TAKE (receive,
 * acquire, await) and GIVE (send). What else the object is, its type knows.
 *
 * A process that waits has one WaitSet with a WaitNode per case. The set has one claim word:
 *
 *     OPEN -> CLAIMED(case)     by whoever completes that case, under the lock of its object
 *     OPEN -> CANCELLED         by the owner, under no lock
 *
 * so exactly one case takes effect, or none. To begin, the owner locks all objects of the set in
 * the order of their addresses, asks the types in random order whether one can be served at once,
 * and otherwise queues a node at each before it unlocks any. Hence two sets that wait for each
 * other never both go to sleep: the later of the two finds the earlier one's node.
 *
 * Who completes a wait (a sender that finds a receiver, a lock that is released) holds the lock of
 * the object and calls waitable_claim, which takes the nodes of one queue in order of arrival and
 * answers the first whose set it could claim. Everything the completer writes into a node
 * (item, outcome) is written before the claim; after it the node and its set are the owner's again
 * and must not be touched. After unlocking it makes the process ready.
 *
 * Life of a set, by its owner (a primitive that parks):
 *
 *     wait_new, wait_case ...         once
 *     wait_begin                      served at once: the case; or WAIT_NONE: queued everywhere
 *     park; after every wake-up:      wait_served: the case, or WAIT_NONE: park again
 *     wait_cancel                     the owner has a better reason to go on (a message, a
 *                                     time-out): false means a case was served before that
 *     wait_end                        always: leaves all queues, frees
 *
 * The set hangs on the process (ProcessExt.waiting, one at most). When the process ends in any
 * state, or an exit signal unwinds the waiting call, wait_abandon does what is right: what had been
 * given to it already and nobody has looked at is given back (WaitableType.give_back), so that
 * nothing is lost with a dead process: items go to the next receiver, locks to the next owner.
 *
 * To make a new kind of object waitable (a promise, say):
 *   - embed a Waitable first, make it with waitable_init, free it in its type's destroy;
 *   - `serve`: can this node's case be served right now? It then sets node->item (a fragment the
 *     node owns) and node->outcome and answers true. For a promise: resolved? duplicate the result.
 *     No memory for that: outcome WAIT_NO_MEMORY;
 *   - to complete waiters: lock, change the state, waitable_claim, unlock, wake. For all of them,
 *     who may be many: waitable_claim_all does a bounded piece; `relay`, called whenever a served
 *     waiter comes to its wait_end, does the next, so that all are woken and nobody works long;
 *   - `give_back`: a served node whose process will not look at it: free node->item or hand it on.
 *
 * Lock order: level 0, below all locks of the base folder; several only by wait_begin, by address.
 * Under it only: pool and list operations, fragments are made before and freed after.
 * Threads: each function says whose. Queues and a queued node's item and outcome: the holder of the
 * object's lock. The claim word: see above.
 * Invariants: a node is queued only while its set is not freed; the object of each case is counted
 * by the set. */
#ifndef MAGGIE_WAITABLE_H
#define MAGGIE_WAITABLE_H

#include "lock.h"
#include "process.h"

typedef struct Waitable Waitable;
typedef struct WaitSet WaitSet;
typedef struct WaitNode WaitNode;
typedef struct WaitableType WaitableType;

/* The most cases of one set. */
#define WAIT_CASES_MAX 1024u
/* No case. */
#define WAIT_NONE UINT32_MAX

typedef enum { WAIT_TAKE, WAIT_GIVE, WAIT_WAYS } WaitWay;

/* WaitNode.outcome: how a case was served. Types may use numbers from WAIT_OUTCOME_OWN on. */
enum { WAIT_DONE, WAIT_CLOSED, WAIT_OWNER_DIED, WAIT_NO_MEMORY, WAIT_OUTCOME_OWN = 16 };

/* A case of a set that waits. */
struct WaitNode {
    WaitNode *next; /* in the object's queue; under its lock */
    WaitNode *prev;
    Waitable *on;   /* counted; NULL: a case of the owner's own (mailbox, time) */
    Fragment *item; /* GIVE: what is offered, until taken; TAKE: what was got. The node owns it */
    uint16_t index; /* of the case in its set */
    uint8_t way;    /* WaitWay */
    uint8_t flags;  /* WAIT_NODE_*; under the object's lock */
    uint16_t outcome;
    uint16_t spare;
};

typedef struct WaitQueue {
    WaitNode *first;
    WaitNode *last;
} WaitQueue;

struct Waitable {
    OffHeap head; /* head.type is the WaitableType's first field */
    Lock lock;
    /* Somebody without a count may serve a wait for it, whatever its type's `counted` says. Set
     * before the object is shared, never changed. */
    bool served_uncounted;
    uint64_t number; /* unique in its node, never reused: hash, and name for people */
    WaitQueue queue[WAIT_WAYS];
};

/* Processes to be made ready once the lock is released. */
#define WAIT_WAKES 16u
typedef struct WaitWakes {
    uint32_t n;
    Process *process[WAIT_WAKES];
} WaitWakes;

struct WaitableType {
    OffHeapType offheap; /* first; destroy frees the object; `waitable`: select may wait for it */
    /* Under the lock, by the owner of the node, which is not queued: serves its case if that is
     * possible now. True: item and outcome are set (a GIVE's item is taken: NULL). Partners it
     * completed are added to *wakes, at most WAIT_WAKES in all. */
    bool (*serve)(ActorCtx *cx, Waitable *w, WaitNode *node, WaitWakes *wakes);
    /* No lock held, node not queued: its case was served, but its process will not look at it.
     * Takes node->item. */
    void (*give_back)(ActorCtx *cx, Waitable *w, WaitNode *node);
    /* No lock held: a case of this object was served and its process is done with it, in whatever
     * way. May be NULL. */
    void (*relay)(ActorCtx *cx, Waitable *w);
    /* What it is, for the deadlock report and for people: writes at most n bytes, answers how many.
     * Under the lock. */
    size_t (*describe)(const Waitable *w, char *out, size_t n);
    /* The one process without which nobody who waits for it goes on, or VALUE_NIL. Under the lock.
     * May be NULL. */
    Value (*owner)(const Waitable *w);
    /* Nothing serves a wait for it but what counts it: no timer, no end of a process without a
     * hold of it. But see Waitable.served_uncounted. */
    bool counted;
};

static inline const WaitableType *waitable_type(const Waitable *w)
{
    return (const WaitableType *)(const void *)w->head.type;
}

/* ---- objects -------------------------------------------------------------------------------- */

/* The rest of the object is the caller's to fill. One count, the caller's. */
void waitable_init(ActorCtx *cx, Waitable *w, const WaitableType *type);
/* The Waitable of a handle value with this type, or NULL. */
static inline Waitable *waitable_of(Value v, const WaitableType *type)
{
    if (!value_is_kind(v, OBJ_HANDLE))
        return NULL;
    OffHeap *head = (OffHeap *)(uintptr_t)obj_of(v)->words[0];
    return head->type == &type->offheap ? (Waitable *)(void *)head : NULL;
}

/* The Waitable of a handle value, of whatever type that may be a case of a select, or NULL. */
static inline Waitable *waitable_any(Value v)
{
    if (!value_is_kind(v, OBJ_HANDLE))
        return NULL;
    OffHeap *head = (OffHeap *)(uintptr_t)obj_of(v)->words[0];
    return head->type->waitable ? (Waitable *)(void *)head : NULL;
}

/* Under the lock: takes nodes of a queue in order of arrival until one's set could be claimed.
 * `item` and `outcome` are written into it before (a NULL item leaves the node's own: for GIVE,
 * *taken is what it offered and no longer the node's). NULL: nobody waits. Answers the process to
 * wake once the lock is released. */
Process *waitable_claim(Waitable *w, WaitWay way, Fragment *item, unsigned outcome,
                        Fragment **taken);
/* Under the lock: claims up to WAIT_WAKES waiters of a queue with an outcome and no item. True:
 * there may be more. */
bool waitable_claim_all(Waitable *w, WaitWay way, unsigned outcome, WaitWakes *wakes);
/* Under the lock: does anybody wait this way? May say yes when all of them have gone on by another
 * case. */
static inline bool waitable_has(const Waitable *w, WaitWay way) { return w->queue[way].first; }

static inline void wakes_add(WaitWakes *wakes, Process *p) { wakes->process[wakes->n++] = p; }
static inline bool wakes_full(const WaitWakes *wakes) { return wakes->n == WAIT_WAKES; }
/* After the lock is released: makes them ready, the first as the one that runs next when `next`.
 * Inside an epoch section or not: a process slot stays one for good, a wake-up too many does no
 * harm. */
void wakes_run(ActorCtx *cx, const WaitWakes *wakes, bool next);

/* ---- sets: by the owner, a process that runs ------------------------------------------------ */

/* A set of `count` cases (1 .. WAIT_CASES_MAX), each of which must be given with wait_case; hangs
 * on p, which must have none. STATUS_LIMIT, STATUS_NO_MEMORY. */
MUST_CHECK Status wait_new(ActorCtx *cx, Process *p, unsigned count, WaitSet **out);
/* Case i: an object (counted by the set), or NULL for a case of the owner's own. Takes item. */
void wait_case(WaitSet *set, unsigned i, Waitable *on, WaitWay way, Fragment *item);
/* An own case that is ready now: wait_begin may choose it. */
void wait_ready(WaitSet *set, unsigned i);
/* One attempt: the case that was served (chosen at random among those that can be), or WAIT_NONE.
 * With `stay` the set is queued at all objects when none could be served. Makes partners ready. */
uint32_t wait_begin(ActorCtx *cx, WaitSet *set, bool stay);
/* The case that was served since, or WAIT_NONE. */
uint32_t wait_served(const WaitSet *set);
/* True: no object has served the set and none will. False: wait_served says which one has. */
bool wait_cancel(WaitSet *set);
/* The node of a case; after it was served item and outcome are the owner's. The owner sets item to
 * NULL when it takes it. */
WaitNode *wait_node(WaitSet *set, unsigned i);
unsigned wait_count(const WaitSet *set);
/* Whose set a node belongs to. */
Process *wait_process(WaitNode *node);
/* Leaves all queues, frees the set with the items still in it. */
void wait_end(ActorCtx *cx, WaitSet *set);
/* The same for a process that will not look at what it was given: it is given back. */
void wait_abandon(ActorCtx *cx, WaitSet *set);
/* The process's set if it has one: abandons it. For the end of a process and of a waiting call. */
void process_stop_waiting(ActorCtx *cx, Process *p);

/* For the deadlock report, when nothing runs: what p waits for, e.g. "receive from a Channel #3
 * (capacity 0, 0 items)". 0 when it has no set. */
size_t wait_describe(const Process *p, char *out, size_t n);
/* Owner of p, or when nothing runs: the one process whose doing p's wait for objects needs to end,
 * unless p is interrupted; VALUE_NIL when there is none or it is not certain. */
Value wait_blocker(const Process *p);

/* An object that somebody waits for, and how many counts it has in all. */
typedef struct WaitObject {
    uint64_t number;
    uint32_t refs;
} WaitObject;
/* By those two: what p waits for, each of which only those who count it can serve; 0 when it may go
 * on otherwise, or there are more than max. An object may stand there twice. */
unsigned wait_objects(const Process *p, WaitObject *out, unsigned max);
/* By those two: how many counts of these objects, by their numbers, p has itself: handles in its
 * heap and cases of its wait. False: it has too many handles to look at. *seen: how many handles
 * and cases were compared. */
bool wait_own_counts(const Process *p, const uint64_t *numbers, uint32_t *counts, unsigned n,
                     uint32_t *seen);

/* ---- choices -------------------------------------------------------------------------------- */

/* A number in [0, n), n > 0: from the group's seed in the simulator. */
uint32_t actor_choose(ActorCtx *cx, uint32_t n);

#endif
