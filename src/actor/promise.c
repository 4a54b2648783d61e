/* SPDX-License-Identifier: Apache-2.0 */
/* promise.c - promises; see promise.h.
 * Threads: as there. Fragments are made before and freed after the lock. */
#include "promise.h"

#include <stdio.h>
#include <string.h>

#include "actor_int.h"
#include "links.h"
#include "strbuf.h"

/* Of an unhandled rejection's text. */
#define REPORT_BYTES 200

typedef struct RejectionText {
    size_t n;
    char bytes[REPORT_BYTES];
} RejectionText;

struct Promise {
    Waitable w;
    Value value;         /* the value or reason when it is an immediate */
    Value debtor;        /* the process that was asked to settle it, or nil; under the lock */
    Fragment *fragment;  /* owned; its root is the value */
    uint8_t state;       /* PromiseState; atomic */
    bool bound;          /* under the lock */
    uint8_t seen;        /* somebody has looked at the outcome; atomic */
    RejectionText *text; /* under the lock; NULL: none */
};

/* A process's hold of a promise: a pool block. */
typedef struct PromiseHold {
    ProcessHold hold; /* first */
    Promise *promise; /* counted */
    PromiseDebt debt;
} PromiseHold;

PromiseState promise_state(const Promise *promise)
{
    /* acquire: pairs with settle, publishes value and fragment */
    return (PromiseState)atom_load_acq(&promise->state);
}

/* ---- settling ------------------------------------------------------------------------------- */

bool promise_bind(Promise *promise)
{
    lock_acquire(&promise->w.lock);
    bool first = !promise->bound && promise_state(promise) == PROMISE_PENDING;
    promise->bound = true;
    lock_release(&promise->w.lock);
    return first;
}

void promise_describe_rejection(ActorCtx *cx, Promise *promise, const char *bytes, size_t n)
{
    const Env *env = cx->heap.env->env;
    RejectionText *text = env_alloc(env, sizeof *text);
    if (!text)
        return;
    text->n = n < REPORT_BYTES ? n : REPORT_BYTES;
    for (size_t i = 0; i < text->n; i++)
        text->bytes[i] = (unsigned char)bytes[i] < ' ' || bytes[i] == 127 ? ' ' : bytes[i];
    lock_acquire(&promise->w.lock);
    bool first = !promise->text && promise_state(promise) == PROMISE_PENDING;
    if (first)
        promise->text = text;
    lock_release(&promise->w.lock);
    if (!first)
        env_free(env, text, sizeof *text);
}

/* A Symbol or a String says it itself. */
static void describe_reason(ActorCtx *cx, Promise *promise, Value reason)
{
    if (value_is_symbol(reason)) {
        SymtabName name = symtab_name(cx->node->config.symtab, value_as_symbol(reason));
        promise_describe_rejection(cx, promise, name.bytes, name.len);
    } else if (value_is_string(reason)) {
        StrView view = str_view(reason);
        promise_describe_rejection(cx, promise, (const char *)view.data, view.bytes);
    }
}

void promise_pass_on(ActorCtx *cx, Promise *promise)
{
    WaitWakes wakes;
    wakes.n = 0;
#ifdef MAGGIE_MUTANT_PROMISE_PASS_ON
    if (promise_state(promise) != PROMISE_PENDING && promise->bound && promise->seen++)
        return; /* only the first waiters are told */
#endif
    lock_acquire(&promise->w.lock);
    (void)waitable_claim_all(&promise->w, WAIT_TAKE, WAIT_DONE, &wakes);
    lock_release(&promise->w.lock);
    wakes_run(cx, &wakes, true);
}

bool promise_settle(ActorCtx *cx, Promise *promise, PromiseState how, bool bound, Value v,
                    Fragment *f)
{
    if (how == PROMISE_REJECTED)
        describe_reason(cx, promise, f ? f->root : v);
    lock_acquire(&promise->w.lock);
    bool first = promise_state(promise) == PROMISE_PENDING && (bound || !promise->bound);
#ifdef MAGGIE_MUTANT_PROMISE_UNBOUND
    first = promise_state(promise) == PROMISE_PENDING;
#endif
    if (first) {
        promise->value = v;
        promise->fragment = f;
        promise->bound = true;
        /* release: pairs with promise_state */
        atom_store_rel(&promise->state, (uint8_t)how);
    }
    lock_release(&promise->w.lock);
    if (first)
        promise_pass_on(cx, promise);
    else if (f)
        fragment_free(&cx->heap, f);
    return first;
}

void promise_look(Promise *promise)
{
    /* relaxed: only the last count's holder reads it, after acquiring all others' releases */
    atom_store_rlx(&promise->seen, (uint8_t)1);
}

Status promise_value(ActorCtx *cx, Promise *promise, Value *v, Fragment **copy)
{
    *copy = NULL;
    *v = promise->value;
    promise_look(promise);
    if (!promise->fragment)
        return STATUS_OK;
    STATUS_FORWARD(fragment_duplicate(promise->fragment, &cx->heap, copy));
    *v = (*copy)->root;
    return STATUS_OK;
}

/* ---- holds ---------------------------------------------------------------------------------- */

static PromiseHold *promise_hold_of(const ProcessHold *hold)
{
    return (PromiseHold *)(uintptr_t)hold;
}

static bool promise_hold_stale(const ProcessHold *hold)
{
    return promise_state(promise_hold_of(hold)->promise) != PROMISE_PENDING;
}

/* *v, an object of p's heap, as a fragment; NULL for an immediate, which *v then is: #error, and
 * *how says so, when it cannot be copied. */
static Fragment *end_fragment(ActorCtx *cx, Process *p, PromiseState *how, Value *v)
{
    Fragment *f = NULL;
    Value culprit;
    if (!value_is_ptr(*v))
        return NULL;
    if (fragment_copy_out(&p->heap, &cx->heap, *v, 0, &f, &culprit) != STATUS_OK) {
        *how = PROMISE_REJECTED;
        *v = cx->node->sym_error;
        return NULL;
    }
    process_map_home_tokens(f->body, f->body + f->words, HOME_TOKEN_DEAD);
    return f;
}

static void settle_by_end(ActorCtx *cx, Process *p, Promise *promise, PromiseDebt debt)
{
    bool result =
        (debt == PROMISE_RESULT || debt == PROMISE_ASKED) && p->exit_reason == cx->node->sym_normal;
    PromiseState how = result ? PROMISE_RESOLVED : PROMISE_REJECTED;
    Value v = result ? p->exit_result : p->exit_reason;
    Fragment *f = end_fragment(cx, p, &how, &v);
    promise_look(promise); /* if the end was a crash, that is reported */
    (void)promise_settle(cx, promise, how, debt == PROMISE_FOLLOWER, f ? VALUE_NIL : v, f);
}

static void promise_hold_ended(ActorCtx *cx, Process *p, ProcessHold *hold)
{
    PromiseHold *held = promise_hold_of(hold);
    Promise *promise = held->promise;
    PromiseDebt debt = held->debt;
    pool_free(cx->heap.pool, held, pool_class_of(sizeof *held));
#ifndef MAGGIE_MUTANT_PROMISE_ORPHAN
    if (promise_state(promise) == PROMISE_PENDING)
        settle_by_end(cx, p, promise, debt);
#endif
    offheap_release(cx->heap.env, &promise->w.head);
}

static const ProcessHoldType promise_hold_type = {promise_hold_ended, promise_hold_stale};

static Status hold(ActorCtx *cx, Process *p, Promise *promise, PromiseDebt debt)
{
    PromiseHold *held = pool_alloc(cx->heap.pool, pool_class_of(sizeof *held));
    if (!held)
        return STATUS_NO_MEMORY;
    *held = (PromiseHold){{.type = &promise_hold_type}, promise, debt};
    Status status = process_hold_add(cx, p, &held->hold);
    if (status != STATUS_OK) {
        pool_free(cx->heap.pool, held, pool_class_of(sizeof *held));
        return status;
    }
    offheap_retain(&promise->w.head);
    return STATUS_OK;
}

Status promise_hold(ActorCtx *cx, Process *p, Promise *promise)
{
    return hold(cx, p, promise, PROMISE_OWED);
}

/* Whom those who wait for it wait for, as far as anybody can tell. */
static void set_debtor(Promise *promise, Value pid)
{
    lock_acquire(&promise->w.lock);
    promise->debtor = pid;
    lock_release(&promise->w.lock);
}

Status promise_hand(ActorCtx *cx, Process *from, Value to, Value handle, PromiseDebt debt)
{
    Fragment *f;
    Value culprit;
    STATUS_FORWARD(signal_new(cx, &from->heap, handle, SIGNAL_HOLD, 0, &f, &culprit));
    f->info = (uint16_t)debt;
    if (debt != PROMISE_OWED)
        set_debtor(promise_of(f->root), to);
    Process *receiver = process_of_pid(cx->node, to);
    /* refused: promise_refused */
    if (receiver && process_push(cx, receiver, f, false))
        return STATUS_OK;
    if (!receiver)
        promise_refused(cx, f);
    return STATUS_NO_PROCESS;
}

void promise_handed(ActorCtx *cx, Process *p, Fragment *f)
{
    Promise *promise = promise_of(f->root);
    /* Without memory to note it, nobody would hear of p's end: better now than never. */
    if (promise_state(promise) == PROMISE_PENDING &&
        hold(cx, p, promise, (PromiseDebt)f->info) != STATUS_OK)
        (void)promise_settle(cx, promise, PROMISE_REJECTED, true, cx->node->sym_error, NULL);
    fragment_free(&cx->heap, f);
}

/* Of a HOLD or ASK. */
static Promise *promise_carried(const Fragment *f)
{
    return f->kind == SIGNAL_ASK ? promise_of_request(f->root) : promise_of(f->root);
}

void promise_handed_late(ActorCtx *cx, Process *p, Fragment *f)
{
    Promise *promise = promise_carried(f);
    PromiseDebt debt = f->kind == SIGNAL_ASK ? PROMISE_OWED : (PromiseDebt)f->info;
    if (promise_state(promise) == PROMISE_PENDING)
        settle_by_end(cx, p, promise, debt);
    fragment_free(&cx->heap, f);
}

void promise_refused(ActorCtx *cx, Fragment *f)
{
    if (f->kind == SIGNAL_ASK || f->info != PROMISE_ASKED)
        (void)promise_settle(cx, promise_carried(f), PROMISE_REJECTED, f->kind == SIGNAL_HOLD,
                             cx->node->sym_noproc, NULL);
    fragment_free(&cx->heap, f);
}

/* ---- requests ------------------------------------------------------------------------------- */

/* Slots of a PromisedRequest. */
enum { REQUEST_REFERENCE = MESSAGE_SLOTS, REQUEST_SLOTS };

Promise *promise_of_request(Value v)
{
    if (!value_is_kind(v, OBJ_SLOTS) || obj_words(obj_of(v)) < REQUEST_SLOTS)
        return NULL;
    return promise_of(obj_slots(obj_of(v))[REQUEST_REFERENCE]);
}

void promise_asked_of(const Fragment *f, Value to) { set_debtor(promise_of_request(f->root), to); }

void promise_asked(ActorCtx *cx, Process *p, Fragment *f)
{
    Promise *promise = promise_of_request(f->root);
#ifndef MAGGIE_MUTANT_ASK_ORPHAN
    /* without memory for the hold: as promise_handed */
    if (promise_state(promise) == PROMISE_PENDING &&
        hold(cx, p, promise, PROMISE_OWED) != STATUS_OK)
        (void)promise_settle(cx, promise, PROMISE_REJECTED, false, cx->node->sym_error, NULL);
#endif
    inbox_append(cx, p, f);
}

/* Mailboxes with a limit count what they drop: no report for each. */
static void refuse_for_room(ActorCtx *cx, Promise *promise)
{
    promise_look(promise);
    (void)promise_settle(cx, promise, PROMISE_REJECTED, false, cx->node->sym_mailbox_limit, NULL);
}

void promise_dropped(ActorCtx *cx, Fragment *f)
{
    refuse_for_room(cx, promise_of_request(f->root));
    fragment_free(&cx->heap, f);
}

void promise_not_asked(ActorCtx *cx, Promise *promise, Value to)
{
    if (process_is_alive(cx->node, to))
        refuse_for_room(cx, promise);
    else
        (void)promise_settle(cx, promise, PROMISE_REJECTED, false, cx->node->sym_noproc, NULL);
}

/* ---- as a Waitable -------------------------------------------------------------------------- */

static bool promise_serve(ActorCtx *cx, Waitable *w, WaitNode *node, WaitWakes *wakes)
{
    (void)cx;
    (void)wakes;
    node->outcome = WAIT_DONE;
    return promise_state((Promise *)(void *)w) != PROMISE_PENDING;
}

static void promise_give_back(ActorCtx *cx, Waitable *w, WaitNode *node)
{
    (void)node;
    promise_pass_on(cx, (Promise *)(void *)w);
}

/* A select that was served passes it on by this. */
static void promise_relay(ActorCtx *cx, Waitable *w) { promise_pass_on(cx, (Promise *)(void *)w); }

static const char *state_text(const Promise *promise)
{
    switch (promise_state(promise)) {
    case PROMISE_RESOLVED: return "resolved";
    case PROMISE_REJECTED: return "rejected";
    default: return "pending";
    }
}

static size_t promise_describe(const Waitable *w, char *out, size_t n)
{
    const Promise *promise = (const Promise *)(const void *)w;
    char pid[PROCESS_PID_TEXT];
    bool asked = promise_state(promise) == PROMISE_PENDING && value_is_pid(promise->debtor);
    if (asked)
        process_pid_text(promise->debtor, pid);
    int m = snprintf(out, n, "Promise #%llu (%s%s%s)", (unsigned long long)w->number,
                     state_text(promise), asked ? ", owed by " : "", asked ? pid : "");
    return m < 0 ? 0 : (size_t)m < n ? (size_t)m : n;
}

static Value promise_owner(const Waitable *w)
{
    const Promise *promise = (const Promise *)(const void *)w;
    return promise_state(promise) == PROMISE_PENDING ? promise->debtor : VALUE_NIL;
}

/* ---- the end -------------------------------------------------------------------------------- */

static void report_unseen(const HeapEnv *henv, const Promise *promise)
{
    env_log(henv->env, LOG_LEVEL_WARNING, "unhandled rejection promise=%llu reason=%.*s",
            (unsigned long long)promise->w.number, promise->text ? (int)promise->text->n : 9,
            promise->text ? promise->text->bytes : "an object");
}

static void promise_destroy(HeapEnv *henv, OffHeap *object)
{
    Promise *promise = (Promise *)(void *)object;
    if (promise_state(promise) == PROMISE_REJECTED && !promise->seen)
        report_unseen(henv, promise);
    if (promise->fragment)
        heap_bury(henv, promise->fragment, promise->fragment);
    env_free(henv->env, promise->text, sizeof *promise->text);
    env_free(henv->env, promise, sizeof *promise);
}

const WaitableType promise_type = {
    .offheap = {.name = "promise", .destroy = promise_destroy, .waitable = true},
    .serve = promise_serve,
    .give_back = promise_give_back,
    .relay = promise_relay,
    .describe = promise_describe,
    .owner = promise_owner,
};

Status promise_new(ActorCtx *cx, Promise **out)
{
    Promise *promise = env_calloc(cx->heap.env->env, sizeof *promise);
    if (!promise)
        return STATUS_NO_MEMORY;
    waitable_init(cx, &promise->w, &promise_type);
    promise->value = promise->debtor = VALUE_NIL;
    actor_start_digging(cx);
    *out = promise;
    return STATUS_OK;
}
