/* SPDX-License-Identifier: Apache-2.0 */
/* call.c - requests and replies; see call.h.
 *
 * Threads: the owner. */
#include "call.h"

#include <string.h>

#include "actor_int.h"
#include "hash.h"
#include "mailbound.h"
#include "trace.h"

#define CALLS_MIN 8

/* ---- the table of open calls ---------------------------------------------------------------- */

static uint32_t call_slot(Value reference, uint32_t cap)
{
    return (uint32_t)hash_mix64(reference) & (cap - 1);
}

static OpenCall *calls_find(const Inbox *inbox, Value reference)
{
    if (inbox->ncalls == 0)
        return NULL;
    uint32_t mask = inbox->calls_cap - 1;
    /* ends: at most three quarters are used */
    for (uint32_t i = call_slot(reference, inbox->calls_cap);; i = (i + 1) & mask) {
        OpenCall *call = &inbox->calls[i];
        if (call->reference == reference)
            return call;
        if (call->reference == VALUE_NONE)
            return NULL;
    }
}

static OpenCall *calls_place(Inbox *inbox, Value reference)
{
    uint32_t i = call_slot(reference, inbox->calls_cap);
    while (inbox->calls[i].reference != VALUE_NONE)
        i = (i + 1) & (inbox->calls_cap - 1);
    inbox->calls[i] = (OpenCall){.reference = reference};
    inbox->ncalls++;
    return &inbox->calls[i];
}

static bool calls_make_room(const Env *env, Inbox *inbox)
{
    if ((uint64_t)(inbox->ncalls + 1) * 4 <= (uint64_t)inbox->calls_cap * 3)
        return true;
    if (inbox->calls_cap >= UINT32_C(1) << 30)
        return false;
    uint32_t cap = inbox->calls_cap ? inbox->calls_cap * 2 : CALLS_MIN;
    OpenCall *table = env_calloc(env, cap * sizeof *table);
    if (!table)
        return false;
    OpenCall *old = inbox->calls;
    uint32_t old_cap = inbox->calls_cap;
    inbox->calls = table;
    inbox->calls_cap = cap;
    inbox->ncalls = 0;
    for (uint32_t i = 0; i < old_cap; i++)
        if (old[i].reference != VALUE_NONE)
            *calls_place(inbox, old[i].reference) = old[i];
    env_free(env, old, old_cap * sizeof *old);
    return true;
}

/* Removes an entry and closes the gap, so that no search ends too early. Answers its signal. */
static Fragment *calls_remove(Inbox *inbox, OpenCall *call)
{
    uint32_t mask = inbox->calls_cap - 1, i = (uint32_t)(call - inbox->calls);
    Fragment *signal = call->signal;
    inbox->ncalls--;
    for (uint32_t j = (i + 1) & mask; inbox->calls[j].reference != VALUE_NONE; j = (j + 1) & mask) {
        uint32_t home = call_slot(inbox->calls[j].reference, inbox->calls_cap);
        /* j's entry may move to the gap unless its home lies behind the gap (cyclically) */
        if (((j - home) & mask) >= ((j - i) & mask)) {
            inbox->calls[i] = inbox->calls[j];
            i = j;
        }
    }
    inbox->calls[i] = (OpenCall){.reference = VALUE_NONE};
    return signal;
}

static inline Inbox *inbox_of(const Process *p) { return p->ext ? p->ext->inbox : NULL; }

/* Pushes a finished signal (takes f). */
static void deliver(ActorCtx *cx, Value to, Fragment *f, bool next)
{
    Process *receiver = process_of_pid(cx->node, to);
    if (receiver)
        (void)process_push(cx, receiver, f, next);
    else
        fragment_free(&cx->heap, f);
}

/* ---- who is called -------------------------------------------------------------------------- */

void call_refuse(ActorCtx *cx, Fragment *f, Value reason)
{
    Value caller = f->body[CALL_CALLER];
    f->kind = SIGNAL_REPLY;
    f->info = CALL_ENDED;
    f->root = reason;
    f->body[CALL_CALLER] = VALUE_NIL;
    /* Depth: a REPLY that is refused is freed. */
    deliver(cx, caller, f, false);
}

void call_arrived(ActorCtx *cx, Process *p, Fragment *f)
{
    Inbox *inbox;
    if (inbox_need(cx, p, &inbox) != STATUS_OK || !calls_make_room(cx->node->config.env, inbox)) {
        call_refuse(cx, f, cx->node->sym_error);
        return;
    }
    (void)calls_place(inbox, f->body[CALL_REFERENCE]);
    inbox_append(cx, p, f);
}

void call_received(ActorCtx *cx, Process *p, Fragment *f)
{
    OpenCall *call = calls_find(p->ext->inbox, f->body[CALL_REFERENCE]);
    if (!call) { /* the caller has hung up */
        fragment_free(&cx->heap, f);
        return;
    }
    f->root = VALUE_NIL;
    call->caller = f->body[CALL_CALLER];
    call->signal = f;
}

void call_adopted(ActorCtx *cx, Process *p, Value caller, Value reference)
{
    OpenCall *call = calls_find(p->ext->inbox, reference);
    Fragment *f;
    if (!call)
        return;
    call->caller = caller;
    /* Without memory end_call will try again. */
    if (signal_new(cx, NULL, VALUE_NIL, SIGNAL_CALL, CALL_WORDS, &f, NULL) != STATUS_OK)
        return;
    f->body[CALL_CALLER] = caller;
    f->body[CALL_REFERENCE] = reference;
    call->signal = f;
}

void call_hung_up(ActorCtx *cx, Process *p, Fragment *f)
{
    Inbox *inbox = inbox_of(p);
    OpenCall *call = inbox ? calls_find(inbox, f->body[0]) : NULL;
    fragment_free(&cx->heap, f);
    Fragment *signal = call ? calls_remove(inbox, call) : NULL;
    if (signal)
        fragment_free(&cx->heap, signal);
}

void call_dropped(ActorCtx *cx, Process *p, Fragment *f)
{
    OpenCall *call = calls_find(p->ext->inbox, f->body[CALL_REFERENCE]);
    if (call)
        (void)calls_remove(p->ext->inbox, call); /* it had no signal: it was in the queue */
    call_refuse(cx, f, cx->node->sym_mailbox_limit);
}

Status call_answer(ActorCtx *cx, Process *p, Value caller, Value reference, int how, Value value,
                   Value *culprit)
{
    Inbox *inbox = inbox_of(p);
    OpenCall *call = inbox ? calls_find(inbox, reference) : NULL;
    Fragment *f = NULL;
    cx->copied_words = 0;
    if (value_is_ptr(value) || !call || !call->signal) {
        STATUS_FORWARD(signal_new(cx, &p->heap, value, SIGNAL_REPLY, CALL_WORDS, &f, culprit));
        cx->copied_words = f->words;
        process_map_home_tokens(f->body + f->extra, f->body + f->words, HOME_TOKEN_DEAD);
    }
    Fragment *kept = call ? calls_remove(inbox, call) : NULL;
    if (!f) {
        f = kept; /* an immediate needs no other */
        f->root = value;
    } else if (kept) {
        fragment_free(&cx->heap, kept);
    }
    f->kind = SIGNAL_REPLY;
    f->info = (uint16_t)how;
    f->body[CALL_CALLER] = p->pid;
    f->body[CALL_REFERENCE] = reference;
    deliver(cx, caller, f, true);
    return STATUS_OK;
}

/* The reply to who called a process that has ended; `kept` may be NULL. */
static void end_call(ActorCtx *cx, Process *p, Fragment *kept, Value caller, Value reference)
{
    Fragment *f = NULL;
    Value reason = p->exit_reason, culprit;
    if ((value_is_ptr(reason) || !kept) &&
        signal_new(cx, &p->heap, reason, SIGNAL_REPLY, CALL_WORDS, &f, &culprit) == STATUS_OK) {
        process_map_home_tokens(f->body + f->extra, f->body + f->words, HOME_TOKEN_DEAD);
        if (kept)
            fragment_free(&cx->heap, kept);
    } else if (kept) {
        f = kept;
        f->root = value_is_ptr(reason) ? cx->node->sym_error : reason;
    }
    if (!f)
        return;
    f->kind = SIGNAL_REPLY;
    f->info = CALL_ENDED;
    f->body[CALL_CALLER] = VALUE_NIL;
    f->body[CALL_REFERENCE] = reference;
    deliver(cx, caller, f, false);
}

bool calls_end(ActorCtx *cx, Process *p, int32_t *left)
{
    Inbox *inbox = inbox_of(p);
    if (!inbox)
        return true;
    call_give_up(cx, p);
    for (; inbox->calls_ended < inbox->calls_cap; inbox->calls_ended++) {
        if (*left <= 0)
            return false;
        OpenCall *call = &inbox->calls[inbox->calls_ended];
        Fragment *kept = call->signal;
        call->signal = NULL; /* the entry stays: nothing is looked up any more */
        if (call->caller == VALUE_NONE)
            continue; /* not received: the message in the queue tells the caller */
        *left -= 2;
        end_call(cx, p, kept, call->caller, call->reference);
    }
    return true;
}

void calls_free(ActorCtx *cx, Inbox *inbox)
{
    for (uint32_t i = 0; i < inbox->calls_cap; i++)
        if (inbox->calls[i].signal)
            fragment_free(&cx->heap, inbox->calls[i].signal);
    if (inbox->calls)
        env_free(cx->node->config.env, inbox->calls, inbox->calls_cap * sizeof *inbox->calls);
    if (inbox->reply)
        fragment_free(&cx->heap, inbox->reply);
}

/* ---- who calls ------------------------------------------------------------------------------ */

static void hang_up(ActorCtx *cx, Value called, Value reference)
{
    Fragment *f;
    /* Without memory who was called keeps an entry that nobody will ask for. */
    if (!process_of_pid(cx->node, called) ||
        signal_new(cx, NULL, VALUE_NIL, SIGNAL_HANG_UP, 1, &f, NULL) != STATUS_OK)
        return;
    f->body[0] = reference;
    deliver(cx, called, f, false);
}

void call_give_up(ActorCtx *cx, Process *p)
{
    Inbox *inbox = inbox_of(p);
    if (!inbox || inbox->call == VALUE_NONE)
        return;
    if (inbox->reply)
        fragment_free(&cx->heap, inbox->reply);
    else
        hang_up(cx, inbox->called, inbox->call);
    inbox->reply = NULL;
    inbox->call = VALUE_NONE;
}

Status call_start(ActorCtx *cx, Process *p, Value to, Value selector, Value payload, Value *culprit)
{
    Inbox *inbox;
    Process *receiver = process_of_pid(cx->node, to);
    cx->copied_words = 0;
    call_give_up(cx, p);
    if (!receiver || !process_is_alive(cx->node, to))
        return STATUS_NO_PROCESS;
    STATUS_FORWARD(inbox_need(cx, p, &inbox));
    Fragment *f;
    STATUS_FORWARD(signal_new(cx, &p->heap, payload, SIGNAL_CALL, CALL_WORDS, &f, culprit));
    cx->copied_words = f->words;
    process_map_home_tokens(f->body + f->extra, f->body + f->words, HOME_TOKEN_DEAD);
    Object *request = (Object *)f->body;
    request->header = obj_header(CLASS_MAILBOX_REQUEST, CALL_WORDS - 1, OBJ_SLOTS, 0);
    f->body[CALL_CALLER] = p->pid;
    request->words[1] = selector;
    request->words[2] = f->root;
    f->body[CALL_REFERENCE] = actor_new_reference(cx);
    f->root = value_ptr(request);
    f->extra = 0; /* the words are an object like the others now */
    inbox->call = f->body[CALL_REFERENCE];
    inbox->called = to;
    p->ext->waits++;
    inbox->reply = NULL;
    process_trace_send(cx, p, to, selector, f, true);
    MailBound *bound = mail_bound(receiver);
    if (bound && mail_enter(cx, bound, false) != MAIL_ENTERED) {
        call_refuse(cx, f, cx->node->sym_mailbox_limit);
        return STATUS_OK;
    }
    f->info |= bound ? INBOX_RESERVED : 0;
    /* When it is just closing, the reply is that it is gone. */
    (void)process_push(cx, receiver, f, true);
    return STATUS_OK;
}

void call_replied(ActorCtx *cx, Process *p, Fragment *f)
{
    Inbox *inbox = inbox_of(p);
#ifdef MAGGIE_MUTANT_CALL_LATE
    bool wanted = inbox && inbox->call != VALUE_NONE && !inbox->reply;
#else
    bool wanted = inbox && inbox->call == f->body[CALL_REFERENCE] && !inbox->reply;
#endif
    if (!wanted) {
        fragment_free(&cx->heap, f);
        return;
    }
    inbox->reply = f;
}

Fragment *call_reply(const Process *p)
{
    const Inbox *inbox = inbox_of(p);
    return inbox && inbox->call != VALUE_NONE ? inbox->reply : NULL;
}

Fragment *call_take_reply(ActorCtx *cx, Process *p)
{
    Inbox *inbox = inbox_of(p);
    Fragment *f = inbox->reply;
    /* by a deputy: who was called still has it on its list */
    if (f->info != CALL_ENDED && f->body[CALL_CALLER] != inbox->called)
        hang_up(cx, inbox->called, inbox->call);
    inbox->reply = NULL;
    inbox->call = VALUE_NONE;
    return f;
}

Value call_awaited(const Process *p)
{
    const Inbox *inbox = inbox_of(p);
    return inbox && inbox->call != VALUE_NONE && !inbox->reply ? inbox->called : VALUE_NIL;
}
