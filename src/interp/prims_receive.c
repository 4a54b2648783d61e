/* SPDX-License-Identifier: Apache-2.0 */
/* prims_receive.c - references and selective receive.
 *
 * A search goes through the private queue in order of arrival and tries all alternatives on each
 * message. Selectors, classes and references are compared here, where the message lies; a guard is
 * a block, which Receive runs before it goes on with the search. How far it has come is kept in
 * a cursor (inbox.h), so parking and time-outs lose nothing; each message costs a reduction.
 *
 * Threads: the owner of the process. */
#include "inbox.h"

#include "class.h"
#include "prim_wait.h"
#include "prims.h"

/* Slots of a Receive. */
enum { RECEIVE_KEYS, RECEIVE_GUARDS, RECEIVE_HANDLERS, RECEIVE_MESSAGE, RECEIVE_SLOTS };

/* What a primitive keeps in resume while it waits. */
#define RESUME_TIMER(c) ((c)->resume->a)  /* the process's timer has been started */
#define RESUME_SEARCH(c) ((c)->resume->b) /* number of the search */
#define RESUME_GC(c) ((c)->resume->c)     /* a collection was asked for */

PrimStatus prim_reference_new(PrimCall *c)
{
    Value reference = actor_new_reference(prim_actor(c));
    inbox_mark(prim_actor(c), c->process, reference);
    return prim_ok(c, reference);
}

PrimStatus prim_reference_number(PrimCall *c)
{
    if (!value_is_reference(c->args[0]))
        return prim_error(c, "the receiver is not a reference");
    return prim_answer_int64(c, (int64_t)(c->args[0] & VALUE_PAYLOAD_MASK));
}

/* ---- deadlines ------------------------------------------------------------------------------ */

PrimStatus prim_receive_deadline(PrimCall *c)
{
    uint64_t ns;
    if (c->args[1] == VALUE_NIL)
        return prim_ok(c, VALUE_NIL);
    if (!prim_delay_ns(c->args[1], &ns))
        return prim_type_error(c, 1, "Number");
    if (ns == 0)
        return prim_ok(c, value_int(0));
    uint64_t now = sched_clock(prim_actor(c)->sched);
    uint64_t us = ns > UINT64_MAX - now - 999 ? UINT64_MAX : (now + ns + 999) / 1000;
    return prim_ok(c, us > (uint64_t)VALUE_INT_MAX ? VALUE_NIL : value_int((int64_t)us));
}

/* Nothing that has arrived is wanted: PRIM_OK at the deadline, else what the primitive returns. */
static PrimStatus wait_until(PrimCall *c, Value deadline)
{
    Process *p = c->process;
    /* Not all that has arrived may be sorted yet. */
    if (process_has_signals(p))
        return PRIM_YIELD;
    if (!value_is_int(deadline))
        return prim_park(c, PROCESS_WAIT_RECEIVE);
    if (RESUME_TIMER(c)) {
        if (!process_timer_fired(p))
            return prim_park(c, PROCESS_WAIT_RECEIVE);
        process_stop_timer(prim_actor(c), p);
        return PRIM_OK;
    }
    int64_t us = value_as_int(deadline);
    uint64_t at = us > 0 ? (uint64_t)us * 1000 : 0;
    uint64_t now = at ? sched_clock(prim_actor(c)->sched) : 0;
    if (at <= now)
        return PRIM_OK;
    process_start_timer(prim_actor(c), p, at - now);
    RESUME_TIMER(c) = 1;
    return prim_park(c, PROCESS_WAIT_RECEIVE);
}

static PrimStatus found(PrimCall *c, Value answer)
{
    if (RESUME_TIMER(c))
        process_stop_timer(prim_actor(c), c->process);
    return prim_finish(c, answer);
}

/* ---- alternatives --------------------------------------------------------------------------- */

/* Is the payload the reference, or an Array that begins with it? */
static bool carries(Value payload, Value reference)
{
    if (payload == reference)
        return true;
    if (!value_is_kind(payload, OBJ_SLOTS) || obj_class(obj_of(payload)) != CLASS_ARRAY)
        return false;
    Object *array = obj_of(payload);
    return obj_words(array) > 0 && obj_slots(array)[0] == reference;
}

/* A Symbol: the selector; a class: the payload's, or an ancestor; nil: any message; another
 * immediate: the payload carries it, or it is the reference of a DownMessage. */
static bool is_wanted(const Vm *vm, Value key, const Object *message)
{
    if (value_is_symbol(key))
        return message->words[MESSAGE_SELECTOR] == key;
    Value payload = message->words[MESSAGE_PAYLOAD];
    if (value_is_class(key))
        return class_inherits(vm, value_class_of(payload), value_as_class(key));
    if (obj_class(message) == CLASS_DOWN_MESSAGE && message->words[END_REFERENCE] == key)
        return true;
    return key == VALUE_NIL || carries(payload, key);
}

typedef struct Search {
    uint64_t cursor;     /* its key */
    const Value *keys;   /* alternatives */
    const Value *guards; /* blocks or nil; NULL: none has a guard */
    size_t n;
    size_t first;  /* alternatives of the first message that have been tried */
    size_t chosen; /* the alternative that fits */
    bool guarded;  /* its guard must be asked: the message is still in the queue */
} Search;

/* Puts the chosen message into the heap. */
static PrimStatus fetch_chosen(PrimCall *c, Search *s, InboxCursor *cursor, Value *message)
{
    ActorCtx *cx = prim_actor(c);
    /* As with every receive: adopted messages are memory that only a collection gives back. Once
     * per message, in case it does not help. */
    if (c->heap->fragments && !RESUME_GC(c) && heap_wants_collection(c->heap)) {
        RESUME_GC(c) = 1;
        return prim_gc(c, 0);
    }
    size_t need;
    s->guarded = s->guards && s->guards[s->chosen] != VALUE_NIL;
    if (s->guarded) {
        Status status = inbox_look(cx, c->process, cursor, c->stack_end, message, &need);
        return status == STATUS_OK ? PRIM_OK : prim_status(c, status, need);
    }
    *message = inbox_take(cx, c->process, cursor->at, c->stack_end, &need);
    return *message != VALUE_NONE ? PRIM_OK : prim_gc(c, need);
}

/* PRIM_OK with a *message, or with VALUE_NONE: nothing fits. */
static PrimStatus search(PrimCall *c, Search *s, Value *message)
{
    InboxCursor *cursor;
    *message = VALUE_NONE;
    if (!prim_fetch(c))
        return PRIM_YIELD;
    Status status = inbox_cursor(prim_actor(c), c->process, s->cursor, &cursor);
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
#ifdef MAGGIE_MUTANT_RECEIVE_POSITION
    cursor->at = &c->process->msg_first;
#endif
    size_t first = cursor->looking ? s->first : 0;
    Fragment *f;
    while ((f = inbox_peek(cursor))) {
        for (s->chosen = first; s->chosen < s->n; s->chosen++)
            if (is_wanted(c->vm, s->keys[s->chosen], obj_of(f->root)))
                return fetch_chosen(c, s, cursor, message);
        first = 0;
        inbox_skip(cursor);
        prim_charge(c, 1 + s->n / 4);
        if (prim_out_of_time(c))
            return PRIM_YIELD;
    }
    return PRIM_OK;
}

/* ---- one alternative without a guard -------------------------------------------------------- */

static PrimStatus receive_key(PrimCall *c, Value key, Value deadline)
{
    if (value_is_reference(key)) {
        RESUME_SEARCH(c) = key;
    } else if (!RESUME_SEARCH(c)) {
        Status status = inbox_new_search(prim_actor(c), c->process, &RESUME_SEARCH(c));
        if (status != STATUS_OK)
            return prim_status(c, status, 0);
    }
    Search s = {.cursor = RESUME_SEARCH(c), .keys = &c->args[1], .n = 1};
    Value message;
    PrimStatus st = search(c, &s, &message);
    if (st == PRIM_OK && message == VALUE_NONE)
        st = wait_until(c, deadline);
    if (st != PRIM_OK)
        return st;
    if (!value_is_reference(key))
        inbox_end_search(c->process, s.cursor);
    return found(c, message != VALUE_NONE ? message : VALUE_NIL);
}

PrimStatus prim_receive_key(PrimCall *c)
{
    if (value_is_ptr(c->args[1]))
        return prim_type_error(c, 1, "Symbol, Class or Reference");
    return receive_key(c, c->args[1], c->args[2]);
}

PrimStatus prim_receive_reference(PrimCall *c)
{
    if (!value_is_reference(c->args[1]))
        return prim_type_error(c, 1, "Reference");
    return receive_key(c, c->args[1], VALUE_NIL);
}

/* ---- several, with guards ------------------------------------------------------------------- */

/* The arguments of a search's primitives. */
static bool receive_args(PrimCall *c, Search *s)
{
    if (!value_is_kind(c->args[0], OBJ_SLOTS) || obj_words(obj_of(c->args[0])) < RECEIVE_SLOTS)
        return false;
    if (!value_is_int(c->args[1]) || value_as_int(c->args[1]) <= 0)
        return false;
    s->cursor = (uint64_t)value_as_int(c->args[1]);
    return true;
}

static bool receive_alternatives(PrimCall *c, Search *s)
{
    Value *slots = obj_slots(obj_of(c->args[0]));
    Value keys = slots[RECEIVE_KEYS], guards = slots[RECEIVE_GUARDS];
    if (!value_is_kind(keys, OBJ_SLOTS) || !value_is_kind(guards, OBJ_SLOTS) ||
        obj_words(obj_of(keys)) != obj_words(obj_of(guards)))
        return false;
    s->keys = obj_slots(obj_of(keys));
    s->guards = obj_slots(obj_of(guards));
    s->n = obj_words(obj_of(keys));
    int64_t first = value_is_int(c->args[2]) ? value_as_int(c->args[2]) : -1;
    s->first = (size_t)first;
    return first >= 0 && s->first <= s->n;
}

PrimStatus prim_receive_search(PrimCall *c)
{
    uint64_t number;
    Status status = inbox_new_search(prim_actor(c), c->process, &number);
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    return prim_ok(c, value_int((int64_t)number));
}

PrimStatus prim_receive_next(PrimCall *c)
{
    Search s = {0};
    if (!receive_args(c, &s) || !receive_alternatives(c, &s))
        return prim_error(c, "not a search");
    if (obj_is_frozen(obj_of(c->args[0])))
        return prim_frozen_error(c);
    Value message;
    PrimStatus st = search(c, &s, &message);
    if (st == PRIM_OK && message == VALUE_NONE)
        st = wait_until(c, c->args[3]);
    if (st != PRIM_OK)
        return st;
    if (message == VALUE_NONE || !s.guarded)
        inbox_end_search(c->process, s.cursor);
    if (message == VALUE_NONE)
        return found(c, VALUE_NIL);
    Object *receive = obj_of(c->args[0]);
    bool stored = heap_store(c->heap, receive, &obj_slots(receive)[RECEIVE_MESSAGE], message);
    assert(stored);
    (void)stored;
    int64_t number = (int64_t)s.chosen + 1;
    return found(c, value_int(s.guarded ? -number : number));
}

PrimStatus prim_receive_take(PrimCall *c)
{
    Search s = {0};
    InboxCursor *cursor;
    if (!receive_args(c, &s))
        return prim_error(c, "not a search");
    Status status = inbox_cursor(prim_actor(c), c->process, s.cursor, &cursor);
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    if (!cursor->looking)
        return prim_ok(c, VALUE_FALSE);
    inbox_drop(prim_actor(c), c->process, cursor);
    inbox_end_search(c->process, s.cursor);
    return prim_ok(c, VALUE_TRUE);
}

PrimStatus prim_receive_end(PrimCall *c)
{
    Search s = {0};
    if (!receive_args(c, &s))
        return prim_error(c, "not a search");
    inbox_end_search(c->process, s.cursor);
    return prim_self(c);
}
