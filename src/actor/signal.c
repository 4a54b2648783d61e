/* SPDX-License-Identifier: Apache-2.0 */
/* signal.c - making signals, sending them, and what each kind does to the process that gets it.
 *
 * A signal is a Fragment: what it carries was copied out of the sender's heap (D1) and belongs to
 * nobody until the receiver adopts it. Between two processes all kinds travel in one queue, so they
 * arrive in the order sent (I7).
 *
 * Threads: senders inside an epoch section; process_fetch_signals by the owner. */
#include "actor_int.h"
#include "crowd.h"
#include "mailbound.h"
#include "inbox.h"
#include "inspect.h"
#include "promise.h"
#include "rowtable.h"
#include "trace.h"

/* Signals sorted even when the slice is used up, so that each call makes progress. */
#define FETCH_MIN 64

Status signal_new(ActorCtx *cx, Heap *source, Value root, SignalKind kind, size_t extra,
                  Fragment **out, Value *culprit)
{
    STATUS_FORWARD(fragment_copy_out(source, &cx->heap, root, extra, out, culprit));
    (*out)->kind = (unsigned)kind & 127u;
    return STATUS_OK;
}

/* ---- home tokens ---------------------------------------------------------------------------- */

void process_map_home_tokens(Value *first, const Value *end, Value token)
{
    for (Value *w = first; w < end;) {
        Object *o = (Object *)w;
        w += obj_total_words(o);
        if (obj_kind(o) != OBJ_CLOSURE)
            continue;
        Value *slots = obj_slots(o);
        size_t n = obj_words(o);
        for (size_t i = CLOSURE_FIRST_CAPTURE; i < n; i++)
            if (value_tag(slots[i]) == VALUE_TAG_SPECIAL && slots[i] >= HOME_TOKEN_FORK)
                slots[i] = token;
    }
}

void process_detach(Fragment *f)
{
    if (f->words > f->extra)
        process_map_home_tokens(f->body + f->extra, f->body + f->words, HOME_TOKEN_DEAD);
}

/* ---- sending -------------------------------------------------------------------------------- */

/* Writes the MailboxMessage into the words in front of the payload, and makes it the root. */
static void message_finish(Fragment *f, Value sender, Value selector)
{
    Object *message = (Object *)f->body;
    message->header = obj_header(CLASS_MAILBOX_MESSAGE, 3, OBJ_SLOTS, 0);
    message->words[0] = sender;
    message->words[1] = selector;
    message->words[2] = f->root;
    f->root = value_ptr(message);
    f->extra = 0; /* the words are an object like the others now */
}

/* A place for a message of who cannot wait. False: the message goes no further. */
static bool enter(ActorCtx *cx, MailBound *bound, Fragment *f, Status *status)
{
    if (f->info & INBOX_RESERVED)
        return true;
    MailVerdict verdict = mail_enter(cx, bound, false);
    f->info |= INBOX_RESERVED;
    *status = verdict == MAIL_DROPPED ? STATUS_OK : STATUS_LIMIT;
    return verdict == MAIL_ENTERED;
}

/* f is a message for `receiver`, which was found by `to` in this section. */
static inline Status push_message(ActorCtx *cx, Value sender, Value to, Process *receiver,
                                  Fragment *f)
{
    MailBound *bound = mail_bound(receiver);
    Status refused;
    if (__builtin_expect(bound != NULL, 0) && !enter(cx, bound, f, &refused)) {
        fragment_free(&cx->heap, f);
        return refused;
    }
    if (sender != to)
        cx->crowd_cost = crowd_of_send(cx, receiver, to);
    /* A receiver that waits runs next: it has the message in the cache. */
    return process_push(cx, receiver, f, true) ? STATUS_OK : STATUS_NO_PROCESS;
}

Status process_send_fragment(ActorCtx *cx, Value sender, Value to, Value selector, Fragment *f)
{
    Process *receiver = process_of_pid(cx->node, to);
    if (!receiver) {
        fragment_free(&cx->heap, f);
        return STATUS_NO_PROCESS;
    }
    if (!(f->info & SIGNAL_MESSAGE_DETACHED))
        process_detach(f);
    f->info &= INBOX_RESERVED; /* the receiver's queue has other uses for the rest */
    message_finish(f, sender, selector);
    f->kind = SIGNAL_MESSAGE;
    return push_message(cx, sender, to, receiver, f);
}

static void give_place_back(ActorCtx *cx, Value to)
{
    const Process *p = process_of_pid(cx->node, to);
    MailBound *bound = p ? mail_bound(p) : NULL;
    if (bound)
        mail_leave(cx, bound);
}

Status process_send_entered(ActorCtx *cx, Process *from, Value to, Value selector, Value message,
                            Value *culprit)
{
    Fragment *f;
    cx->copied_words = 0;
    Status status =
        signal_new(cx, &from->heap, message, SIGNAL_MESSAGE, SIGNAL_MESSAGE_EXTRA, &f, culprit);
    if (status != STATUS_OK) {
        give_place_back(cx, to);
        return status;
    }
    cx->copied_words = f->words;
    process_trace_send(cx, from, to, selector, f, false);
    f->info |= INBOX_RESERVED;
    return process_send_fragment(cx, from->pid, to, selector, f);
}

/* A whole message about an immediate or a flat object of `flat` words. */
static inline Fragment *message_small(ActorCtx *cx, Value sender, Value selector, Value payload,
                                      size_t flat)
{
    size_t words = 1 + MESSAGE_SLOTS + flat;
    uint32_t pool_class = pool_class_of(sizeof(Fragment) + words * sizeof(Value));
    Fragment *f = pool_alloc(cx->heap.pool, pool_class);
    if (!f)
        return NULL;
    *f = (Fragment){.words = (uint32_t)words,
                    .pool_class = pool_class & 15u,
                    .kind = SIGNAL_MESSAGE,
                    .info = INBOX_FLAT,
                    .root = value_ptr(f->body)};
    Object *message = (Object *)f->body;
    message->header = obj_header(CLASS_MAILBOX_MESSAGE, MESSAGE_SLOTS, OBJ_SLOTS, 0);
    message->words[MESSAGE_SENDER] = sender;
    message->words[MESSAGE_SELECTOR] = selector;
    message->words[MESSAGE_PAYLOAD] = payload;
    if (flat) {
        const Object *from = obj_of(payload);
        Object *copy = (Object *)(f->body + INBOX_FLAT_AT);
        copy->header = obj_flat_header(from);
        for (size_t i = 0; i < flat - 1; i++)
            copy->words[i] = from->words[i];
        message->words[MESSAGE_PAYLOAD] = value_ptr(copy);
        cx->heap.counters.words_copied_out += flat;
    }
    return f;
}

Status process_send_to(ActorCtx *cx, Process *from, Value to, Process *receiver, Value selector,
                       Value message, Value *culprit)
{
    cx->copied_words = 0;
    cx->crowd_cost = 0;
    /* Before the copy: sending to the dead is cheap. acquire: as in process_is_alive */
    if (atom_load_acq(&receiver->state) != PROCESS_LIVE)
        return STATUS_NO_PROCESS;
    Value sender = from ? from->pid : VALUE_NIL;
    Fragment *f;
    size_t flat = value_is_ptr(message) ? obj_flat_words(obj_of(message)) : 0;
    if (flat || !value_is_ptr(message)) {
        f = message_small(cx, sender, selector, message, flat);
        if (!f)
            return STATUS_NO_MEMORY;
    } else {
        STATUS_FORWARD(signal_new(cx, from ? &from->heap : NULL, message, SIGNAL_MESSAGE,
                                  SIGNAL_MESSAGE_EXTRA, &f, culprit));
        if (cx->heap.copied_closures)
            process_detach(f);
        message_finish(f, sender, selector);
    }
    cx->copied_words = f->words;
    if (from)
        process_trace_send(cx, from, to, selector, f, true);
    return push_message(cx, sender, to, receiver, f);
}

Status process_send(ActorCtx *cx, Process *from, Value to, Value selector, Value message,
                    Value *culprit)
{
    cx->copied_words = 0;
    cx->crowd_cost = 0;
    Process *receiver = process_of_pid(cx->node, to);
    return receiver ? process_send_to(cx, from, to, receiver, selector, message, culprit)
                    : STATUS_NO_PROCESS;
}

Status process_send_request(ActorCtx *cx, Process *from, Value to, Value request, bool reserved,
                            Value *culprit)
{
    Fragment *f;
    cx->copied_words = 0;
    Status status = signal_new(cx, &from->heap, request, SIGNAL_ASK, 0, &f, culprit);
    if (status != STATUS_OK) {
        if (reserved)
            give_place_back(cx, to);
        return status;
    }
    cx->copied_words = f->words;
    process_detach(f);
    f->info = reserved ? INBOX_RESERVED : 0;
    process_trace_send(cx, from, to, obj_of(f->root)->words[MESSAGE_SELECTOR], f, true);
    promise_asked_of(f, to);
    Process *receiver = process_of_pid(cx->node, to);
    /* when it is refused, so is the promise */
    if (receiver)
        (void)process_push(cx, receiver, f, true);
    else
        signal_refuse(cx, f);
    return STATUS_OK;
}

Status process_send_exit(ActorCtx *cx, Process *from, Value to, Value reason, bool kill)
{
    Process *receiver = process_of_pid(cx->node, to);
    if (!receiver)
        return STATUS_NO_PROCESS;
    Fragment *f;
    Value culprit;
    STATUS_FORWARD(signal_new(cx, from ? &from->heap : NULL, kill ? cx->node->sym_killed : reason,
                              SIGNAL_EXIT, SIGNAL_END_EXTRA, &f, &culprit));
    process_detach(f);
    f->body[0] = from ? from->pid : VALUE_NIL;
    f->info = kill ? SIGNAL_EXIT_KILL : SIGNAL_EXIT_TRAPPABLE;
    return process_push(cx, receiver, f, false) ? STATUS_OK : STATUS_NO_PROCESS;
}

bool signal_to(ActorCtx *cx, Value to, Fragment *f)
{
    Process *p = process_of_pid(cx->node, to);
    if (p)
        return process_push(cx, p, f, false);
    signal_refuse(cx, f);
    return false;
}

/* ---- signals that nobody receives ----------------------------------------------------------- */

static void refuse_wait(ActorCtx *cx, Fragment *f)
{
    Value waiter = f->body[0];
    f->kind = SIGNAL_RESULT;
    f->body[0] = f->body[1]; /* the process that was asked for */
    f->body[1] = cx->node->sym_noproc;
    f->body[2] = VALUE_NIL;
    signal_to(cx, waiter, f);
}

/* The signal becomes the answer: its receiver is gone. */
static void refuse_bond(ActorCtx *cx, Fragment *f, SignalKind kind)
{
    Value other = f->body[0], reference = f->body[2];
    bool link = kind == SIGNAL_LINK_EXIT;
    signal_end_message(f, link ? CLASS_EXIT_MESSAGE : CLASS_DOWN_MESSAGE, f->body[1],
                       link ? cx->node->sym_exit : cx->node->sym_down, cx->node->sym_noproc,
                       VALUE_NIL);
    if (!link)
        obj_of(f->root)->words[END_REFERENCE] = reference;
    f->kind = (unsigned)kind & 127u;
    signal_to(cx, other, f);
}

static void refuse_unlink(ActorCtx *cx, Fragment *f)
{
    Value other = f->body[0];
    f->kind = SIGNAL_UNLINK_ACK;
    f->body[0] = f->body[1];
    f->body[1] = other;
    signal_to(cx, other, f);
}

static void refuse_request(ActorCtx *cx, Fragment *f)
{
    Value other = f->body[0];
    if (f->info != REQUEST_LINK) {
        fragment_free(&cx->heap, f);
        return;
    }
    /* D11: who should have been linked to the dead gets its exit, as from a link */
    f->kind = SIGNAL_EXIT;
    f->info = SIGNAL_EXIT_TRAPPABLE;
    f->root = cx->node->sym_noproc;
    f->body[0] = f->body[1];
    signal_to(cx, other, f);
}

/* Depth: what comes out of here is itself refused by being freed. */
void signal_refuse(ActorCtx *cx, Fragment *f)
{
    if (LINK_MUTANT(cx->node, NOPROC_MISSING) && f->kind != SIGNAL_NAME) {
        fragment_free(&cx->heap, f);
        return;
    }
    switch ((SignalKind)f->kind) {
    case SIGNAL_WAIT: refuse_wait(cx, f); return;
    case SIGNAL_LINK: refuse_bond(cx, f, SIGNAL_LINK_EXIT); return;
    case SIGNAL_MONITOR: refuse_bond(cx, f, SIGNAL_DOWN); return;
    case SIGNAL_UNLINK: refuse_unlink(cx, f); return;
    case SIGNAL_REQUEST: refuse_request(cx, f); return;
    case SIGNAL_NAME: names_refuse(cx, f); return;
    case SIGNAL_HOLD:
    case SIGNAL_ASK: promise_refused(cx, f); return;
    case SIGNAL_TABLE: rowtable_refused(cx, f); return;
    case SIGNAL_CALL: call_refuse(cx, f, cx->node->sym_noproc); return;
    case SIGNAL_INFO: inspect_refuse(cx, f); return;
    default: fragment_free(&cx->heap, f);
    }
}

/* ---- messages about an end ------------------------------------------------------------------ */

void signal_end_message(Fragment *f, uint32_t cls, Value sender, Value selector, Value reason,
                        Value origin)
{
    Object *message = (Object *)f->body;
    message->header = obj_header(cls, END_SLOTS, OBJ_SLOTS, 0);
    message->words[MESSAGE_SENDER] = sender;
    message->words[MESSAGE_SELECTOR] = selector;
    message->words[MESSAGE_PAYLOAD] = VALUE_NIL; /* the library computes it when it is asked for */
    message->words[END_REASON] = reason;
    message->words[END_RESULT] = VALUE_NIL;
    message->words[END_ORIGIN] = origin;
    message->words[END_REFERENCE] = VALUE_NIL;
    f->root = value_ptr(message);
    f->extra = 0; /* the words are an object like the others now */
}

Fragment *signal_of_end(ActorCtx *cx, Process *p, Fragment *own, uint32_t cls, Value selector,
                        int32_t *left)
{
    Value reason = p->exit_reason, result = p->exit_result;
    Fragment *f = report_take(cx, p, false, left);
    if (f) {
        /* as results_receive takes it apart */
        Object *both = f->body[1] == VALUE_NONE ? obj_of(f->root) : NULL;
        reason = both ? both->words[0] : f->body[1];
        result = both ? both->words[1] : f->root;
        fragment_free(&cx->heap, own);
    } else {
        f = own;
        reason = value_is_ptr(reason) ? cx->node->sym_error : reason;
        result = value_is_ptr(result) ? VALUE_NIL : result;
    }
    signal_end_message(f, cls, p->pid, selector, reason, process_exit_origin(p));
    obj_of(f->root)->words[END_RESULT] = result;
    return f;
}

uint64_t signal_number(ActorCtx *cx) { return (actor_new_reference(cx) & VALUE_PAYLOAD_MASK) + 1; }

/* ---- receiving ------------------------------------------------------------------------------ */

/* Its exit is due at the next safepoint. `f` (taken) holds the reason. */
static void end_by(ActorCtx *cx, Process *p, Value reason, Value origin, Fragment *f)
{
    p->flags |= (uint8_t)(PROCESS_F_ASKED | PROCESS_F_EXIT_PENDING);
    process_set_mode(p, PROCESS_MODE_ENDS, true);
    p->exit_result = VALUE_NIL;
    p->exit_reason = reason;
    if (p->ext)
        p->ext->exit_origin = origin;
    if (value_is_ptr(reason))
        (void)heap_adopt(&p->heap, f);
    else
        fragment_free(&cx->heap, f);
}

void signal_end_for(ActorCtx *cx, Process *p, Value reason)
{
    (void)cx;
    p->flags |= (uint8_t)(PROCESS_F_EXIT_PENDING | PROCESS_F_KILLED);
    process_set_mode(p, PROCESS_MODE_ENDS, true);
    p->exit_result = VALUE_NIL;
    p->exit_reason = reason;
    if (p->ext)
        p->ext->exit_origin = VALUE_NIL;
}

/* The first reason stays. */
static bool is_ending(const ActorNode *node, const Process *p)
{
    if (LINK_MUTANT(node, EXIT_LAST_WINS))
        return false;
    return (p->modes & PROCESS_MODE_ENDS) != 0 || (p->flags & PROCESS_F_TERMINATING) != 0;
}

void signal_out_of_memory(ActorCtx *cx, Process *p)
{
    if (p->flags & PROCESS_F_KILLED)
        return;
    p->flags |= (uint8_t)(PROCESS_F_EXIT_PENDING | PROCESS_F_KILLED);
    process_set_mode(p, PROCESS_MODE_ENDS, true);
    p->exit_result = VALUE_NIL;
    p->exit_reason = cx->node->sym_no_memory;
}

/* Nothing holds up a kill. */
static void receive_kill(ActorCtx *cx, Process *p, Fragment *f)
{
    p->flags |= PROCESS_F_KILLED;
    bool other = LINK_MUTANT(cx->node, KILL_REASON);
    end_by(cx, p, other ? cx->node->sym_error : cx->node->sym_killed, VALUE_NIL, f);
}

static void receive_exit(ActorCtx *cx, Process *p, Fragment *f)
{
    const ActorNode *node = cx->node;
    Value sender = f->body[0], reason = f->root;
    bool kill = f->info == SIGNAL_EXIT_KILL;
    if (LINK_MUTANT(node, KILL_TRAPPED) && (p->modes & PROCESS_MODE_TRAPS))
        kill = false;
    if (kill) {
        receive_kill(cx, p, f);
    } else if ((p->modes & PROCESS_MODE_TRAPS) && reason != node->sym_interrupt) {
        signal_end_message(f, CLASS_EXIT_MESSAGE, sender, node->sym_exit, reason, VALUE_NIL);
        f->kind = SIGNAL_MESSAGE;
        inbox_append(cx, p, f);
    } else if (is_ending(node, p) || (reason == node->sym_normal && sender != p->pid)) {
        /* As in Erlang: somebody else's normal end is no reason to end. */
        fragment_free(&cx->heap, f);
    } else {
        end_by(cx, p, reason, VALUE_NIL, f);
    }
}

void signal_exit_by_link(ActorCtx *cx, Process *p, Fragment *f)
{
    const Value *slots = obj_of(f->root)->words;
    Value reason = slots[END_REASON], origin = slots[END_ORIGIN];
    bool normal = reason == cx->node->sym_normal;
    bool traps = (p->modes & PROCESS_MODE_TRAPS) != 0 && !LINK_MUTANT(cx->node, TRAP_IGNORED);
    if (normal && LINK_MUTANT(cx->node, NORMAL_NOT_TOLD))
        traps = false;
    if (LINK_MUTANT(cx->node, NORMAL_KILLS))
        normal = false;
    if (LINK_MUTANT(cx->node, ORIGIN_LOST))
        origin = VALUE_NIL;
    if (LINK_MUTANT(cx->node, REASON_LOST))
        reason = cx->node->sym_killed;
    if (traps) {
        f->kind = SIGNAL_MESSAGE;
        inbox_append(cx, p, f);
    } else if (is_ending(cx->node, p) || normal) {
        fragment_free(&cx->heap, f);
    } else if (p->modes & PROCESS_MODE_RAISES) {
        Fragment **end = &p->ext->raises;
        while (*end)
            end = &(*end)->next;
        f->next = NULL;
        *end = f;
        p->flags |= PROCESS_F_EXIT_PENDING;
    } else {
        end_by(cx, p, reason, origin == VALUE_NIL ? slots[MESSAGE_SENDER] : origin, f);
    }
}

static void receive_wait(ActorCtx *cx, Process *p, Fragment *f)
{
    ProcessExt *ext;
    if (process_ext(cx, p, &ext) != STATUS_OK) {
        /* Without memory to note who waits, the answer is what a stranger would get later. */
        signal_refuse(cx, f);
        return;
    }
    if (f->body[0] == p->parent) {
        if (p->modes & PROCESS_MODE_PARENT_WAITS) { /* it has waited in vain before */
            fragment_free(&cx->heap, f);
            return;
        }
        process_set_mode(p, PROCESS_MODE_PARENT_WAITS, true);
    }
    f->next = ext->waiters;
    ext->waiters = f;
}

/* Answers further reductions it has cost, below 0: it cannot be received now. */
static inline int32_t receive_signal(ActorCtx *cx, Process *p, Fragment *f, bool at_rest)
{
    switch ((SignalKind)f->kind) {
    case SIGNAL_MESSAGE: inbox_append(cx, p, f); return 0;
    case SIGNAL_EXIT: receive_exit(cx, p, f); return 0;
    case SIGNAL_WAIT: receive_wait(cx, p, f); return 0;
    case SIGNAL_LINK: links_receive_link(cx, p, f); return 1;
    case SIGNAL_LINK_EXIT: links_receive_exit(cx, p, f); return 1;
    case SIGNAL_UNLINK: links_receive_unlink(cx, p, f); return 1;
    case SIGNAL_UNLINK_ACK: links_receive_ack(cx, p, f); return 1;
    case SIGNAL_MONITOR: monitors_receive(cx, p, f); return 1;
    case SIGNAL_DEMONITOR: monitors_receive_demonitor(cx, p, f); return 1;
    case SIGNAL_DOWN: monitors_receive_down(cx, p, f); return 1;
    case SIGNAL_REQUEST: links_receive_request(cx, p, f); return 2;
    case SIGNAL_NAME: names_receive(cx, p, f); return 1;
    case SIGNAL_INFO: return inspect_receive(cx, p, f, at_rest);
    case SIGNAL_RESULT: {
        size_t words = results_receive(cx, p, f) / 32;
        return words < SCHED_REDUCTIONS ? (int32_t)words : SCHED_REDUCTIONS;
    }
    case SIGNAL_HOLD: promise_handed(cx, p, f); return 0;
    case SIGNAL_ASK: promise_asked(cx, p, f); return 0;
    case SIGNAL_TABLE: rowtable_handed(cx, p, f); return 1;
    case SIGNAL_CALL: call_arrived(cx, p, f); return 0;
    case SIGNAL_REPLY: call_replied(cx, p, f); return 0;
    case SIGNAL_HANG_UP: call_hung_up(cx, p, f); return 0;
    case SIGNAL_TRACE:
#ifndef MAGGIE_MUTANT_TRACE_RESTLESS
        if (!at_rest)
            return -1;
#endif
        trace_receive(cx, p, f);
        return 4;
    default: break;
    }
    assert(f == NULL); /* a signal of unknown kind */
    return 0;
}

static inline void fetch(ActorCtx *cx, Process *p, int32_t *reductions, bool at_rest)
{
    Fragment *f;
    int n = 0;
    while ((n < FETCH_MIN || *reductions > 0) && (f = mailbox_next(p))) {
        Fragment *second;
        if (LINK_MUTANT(cx->node, PAIR_SWAPPED) && (second = mailbox_next(p)))
            receive_signal(cx, p, second, at_rest);
        int32_t cost = receive_signal(cx, p, f, at_rest);
        if (__builtin_expect(cost < 0, 0)) {
            mailbox_put_back(p, f);
            break;
        }
        n++;
        *reductions -= cost + (n & 1); /* two cost about as much as a send */
    }
    crowd_look(cx, p);
}

void process_fetch_signals(ActorCtx *cx, Process *p, int32_t *reductions)
{
    fetch(cx, p, reductions, false);
}

void process_fetch_at_rest(ActorCtx *cx, Process *p, int32_t *reductions)
{
    fetch(cx, p, reductions, true);
}
