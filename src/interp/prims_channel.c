/* SPDX-License-Identifier: Apache-2.0 */
/* prims_channel.c - sending to and receiving from channels, and select over several cases.
 *
 * What a primitive does at once takes effect before it allocates nothing more: items are adopted,
 * which cannot fail, and select writes its answer into the array it was given.
 * Threads: the owner of the process, inside its scheduler's epoch section. */
#include "channel.h"

#include "interp_int.h"
#include "prim_waitable.h"
#include "prims.h"

static Channel *self_channel(PrimCall *c) { return channel_of(c->args[0]); }

static PrimStatus no_channel(PrimCall *c) { return prim_error(c, "the receiver is not a channel"); }

PrimStatus prim_channel_new(PrimCall *c)
{
    PrimStatus st;
    Channel *ch;
    if (!value_is_int(c->args[1]) || value_as_int(c->args[1]) < 0)
        return prim_type_error(c, 1, "a capacity of 0 or more");
    if (!prim_can_make_handle(c, &st))
        return st;
    Status status = channel_new(prim_actor(c), (uint64_t)value_as_int(c->args[1]), &ch);
    if (status == STATUS_LIMIT)
        return prim_error(c, "a channel holds at most 134217728 items");
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    prim_charge(c, 2);
    return prim_handle(c, value_as_class(c->args[0]), (OffHeap *)(void *)ch);
}

/* ---- sending -------------------------------------------------------------------------------- */

/* PRIM_OK: *item is a copy of the argument, paid for. */
static PrimStatus copy_item(PrimCall *c, Value v, Fragment **item)
{
    prim_copy_begin(c);
    Status status = channel_item(prim_actor(c), c->heap, v, item, NULL);
    prim_copy_end(c);
    if (status != STATUS_OK)
        return prim_copy_failed(c, status);
    prim_charge_copy(c);
    return PRIM_OK;
}

PrimStatus prim_channel_send(PrimCall *c)
{
    Channel *ch = self_channel(c);
    Fragment *item = NULL;
    if (!ch)
        return no_channel(c);
    if (!prim_fetch(c))
        return PRIM_YIELD;
    if (!c->resume->a) {
        PrimStatus st = copy_item(c, c->args[1], &item);
        if (st != PRIM_OK)
            return st;
        if (channel_send(prim_actor(c), ch, item) == STATUS_OK)
            return prim_self(c);
    }
    WaitNode node;
    PrimStatus st =
        prim_wait_one(c, channel_waitable(ch), WAIT_GIVE, item, PROCESS_WAIT_CHANNEL_SEND, &node);
    if (st != PRIM_OK)
        return st;
    if (node.outcome == WAIT_DONE)
        return prim_self(c);
    fragment_free(c->cx, node.item);
    return PRIM_FALLBACK;
}

PrimStatus prim_channel_try_send(PrimCall *c)
{
    Channel *ch = self_channel(c);
    Fragment *item;
    ChannelInfo info;
    if (!ch)
        return no_channel(c);
    channel_look(ch, &info); /* before the copy: to be refused is cheap */
    if (!info.would_take)
        return prim_ok(c, VALUE_FALSE);
    PrimStatus st = copy_item(c, c->args[1], &item);
    if (st != PRIM_OK)
        return st;
    bool sent = channel_send(prim_actor(c), ch, item) == STATUS_OK;
    if (!sent)
        fragment_free(c->cx, item);
    return prim_ok(c, value_bool(sent));
}

/* ---- receiving ------------------------------------------------------------------------------ */

/* PRIM_OK: *item, or NULL when the channel is closed and empty. */
static PrimStatus receive(PrimCall *c, Fragment **item)
{
    Channel *ch = self_channel(c);
    *item = NULL;
    if (!ch)
        return no_channel(c);
    if (!prim_fetch(c))
        return PRIM_YIELD;
    if (prim_wants_collection(c))
        return PRIM_GC;
    if (!c->resume->a) {
        Status status = channel_receive(prim_actor(c), ch, item);
        if (status != STATUS_BUSY)
            return PRIM_OK;
    }
    WaitNode node;
    PrimStatus st = prim_wait_one(c, channel_waitable(ch), WAIT_TAKE, NULL,
                                  PROCESS_WAIT_CHANNEL_RECEIVE, &node);
    if (st == PRIM_OK)
        *item = node.item;
    return st;
}

PrimStatus prim_channel_receive(PrimCall *c)
{
    Fragment *item;
    PrimStatus st = receive(c, &item);
    if (st != PRIM_OK)
        return st;
    return prim_finish(c, item ? prim_take_fragment(c, item) : VALUE_NIL);
}

PrimStatus prim_channel_receive_if_closed(PrimCall *c)
{
    Fragment *item;
    PrimStatus st = receive(c, &item);
    if (st != PRIM_OK)
        return st;
    return item ? prim_finish(c, prim_take_fragment(c, item)) : PRIM_FALLBACK;
}

/* NULL when there is nothing. */
static PrimStatus try_receive(PrimCall *c, Fragment **item)
{
    Channel *ch = self_channel(c);
    *item = NULL;
    if (!ch)
        return no_channel(c);
    if (prim_wants_collection(c))
        return PRIM_GC;
    if (channel_receive(prim_actor(c), ch, item) != STATUS_OK)
        *item = NULL;
    return PRIM_OK;
}

PrimStatus prim_channel_try_receive(PrimCall *c)
{
    Fragment *item;
    PrimStatus st = try_receive(c, &item);
    if (st != PRIM_OK)
        return st;
    return prim_finish(c, item ? prim_take_fragment(c, item) : VALUE_NIL);
}

PrimStatus prim_channel_try_receive_if_empty(PrimCall *c)
{
    Fragment *item;
    PrimStatus st = try_receive(c, &item);
    if (st != PRIM_OK)
        return st;
    return item ? prim_finish(c, prim_take_fragment(c, item)) : PRIM_FALLBACK;
}

/* ---- the rest ------------------------------------------------------------------------------- */

PrimStatus prim_channel_close(PrimCall *c)
{
    Channel *ch = self_channel(c);
    if (!ch)
        return no_channel(c);
    while (channel_close_some(prim_actor(c), ch)) {
        prim_charge(c, WAIT_WAKES);
        if (prim_out_of_time(c))
            return PRIM_YIELD; /* to close again does no harm */
    }
    return prim_self(c);
}

PrimStatus prim_channel_is_closed(PrimCall *c)
{
    Channel *ch = self_channel(c);
    ChannelInfo info;
    if (!ch)
        return no_channel(c);
    channel_look(ch, &info);
    return prim_ok(c, value_bool(info.closed));
}

PrimStatus prim_channel_size(PrimCall *c)
{
    Channel *ch = self_channel(c);
    ChannelInfo info;
    if (!ch)
        return no_channel(c);
    channel_look(ch, &info);
    return prim_ok(c, value_int((int64_t)info.size));
}

PrimStatus prim_channel_capacity(PrimCall *c)
{
    Channel *ch = self_channel(c);
    ChannelInfo info;
    if (!ch)
        return no_channel(c);
    channel_look(ch, &info);
    return prim_ok(c, value_int((int64_t)info.capacity));
}

/* ---- select --------------------------------------------------------------------------------- */

/* _select: specs wait: aBoolean. The array holds three words per case: kind, target, value. Answers
 * the number of the case that was served (1..), or 0; the value that came with it is in the third
 * word then and the outcome in the first. */
enum { CASE_NONE, CASE_TAKE, CASE_GIVE, CASE_MAILBOX, CASE_TIME };

typedef struct Select {
    Object *specs;
    unsigned count;
    unsigned mailbox; /* a case that wants a message; count: none */
    unsigned timeout; /* the case that ends first by time; count: none */
    uint64_t ns;
} Select;

static Value spec(const Select *s, unsigned i, unsigned word)
{
    return obj_slots(s->specs)[3 * i + word];
}

static int64_t spec_kind(const Select *s, unsigned i)
{
    Value kind = spec(s, i, 0);
    return value_is_int(kind) ? value_as_int(kind) : CASE_NONE;
}

static void spec_put(PrimCall *c, const Select *s, unsigned i, unsigned word, Value v)
{
    bool stored = heap_store(c->heap, s->specs, obj_slots(s->specs) + 3 * i + word, v);
    assert(stored); /* made by select: just before */
    (void)stored;
}

/* PRIM_OK, or what is wrong with the specs. */
static PrimStatus select_read(PrimCall *c, Select *s)
{
    Value specs = c->args[1];
    if (!value_is_kind(specs, OBJ_SLOTS) || obj_class(obj_of(specs)) != CLASS_ARRAY ||
        obj_is_frozen(obj_of(specs)))
        return prim_type_error(c, 1, "Array");
    s->specs = obj_of(specs);
    size_t n = obj_words(s->specs) / 3;
    if (n > WAIT_CASES_MAX)
        return prim_error(c, "select: has at most 1024 cases");
    s->count = s->mailbox = s->timeout = (unsigned)n;
    s->ns = UINT64_MAX;
    for (unsigned i = 0; i < s->count; i++) {
        int64_t kind = spec_kind(s, i);
        uint64_t ns;
        if (kind == CASE_MAILBOX)
            s->mailbox = i;
        if (kind != CASE_TIME)
            continue;
        if (!prim_delay_ns(spec(s, i, 2), &ns))
            return prim_error(c, "the time of a case is not a number");
        if (s->timeout == s->count || ns < s->ns) {
            s->timeout = i;
            s->ns = ns;
        }
    }
    return PRIM_OK;
}

/* The object of a case, NULL for the process's own; VALUE_NONE kinds are refused before. */
static bool case_object(const Select *s, unsigned i, Waitable **w)
{
    int64_t kind = spec_kind(s, i);
    *w = NULL;
    if (kind == CASE_TAKE)
        *w = waitable_any(spec(s, i, 1));
    else if (kind == CASE_GIVE)
        *w = (Waitable *)(void *)channel_of(spec(s, i, 1));
    else
        return true;
    return *w != NULL;
}

/* A send to a channel that is closed will never be served. */
static bool case_is_disabled(const Select *s, unsigned i, Waitable *w)
{
    ChannelInfo info;
    if (spec_kind(s, i) != CASE_GIVE)
        return spec_kind(s, i) == CASE_NONE;
    channel_look((Channel *)(void *)w, &info);
    return info.closed;
}

/* Fills the set's cases. *alive: how many can ever be served. */
static PrimStatus select_fill(PrimCall *c, const Select *s, WaitSet *set, unsigned *alive)
{
    *alive = 0;
    for (unsigned i = 0; i < s->count; i++) {
        Waitable *w;
        Fragment *item = NULL;
        if (!case_object(s, i, &w))
            return prim_error(c, "a case of select: is for something that cannot be waited for");
        if (case_is_disabled(s, i, w)) {
            spec_put(c, s, i, 0, value_int(CASE_NONE));
            continue; /* an own case that is never ready */
        }
        ++*alive;
        bool give = spec_kind(s, i) == CASE_GIVE;
        PrimStatus st = give ? copy_item(c, spec(s, i, 2), &item) : PRIM_OK;
        if (st != PRIM_OK)
            return st;
        wait_case(set, i, w, give ? WAIT_GIVE : WAIT_TAKE, item);
    }
    return PRIM_OK;
}

static void select_end(PrimCall *c, WaitSet *set)
{
    process_stop_timer(prim_actor(c), c->process);
    wait_end(prim_actor(c), set);
    (void)prim_finish(c, VALUE_NIL);
}

/* Case i was served, by an object or by itself. False: it was a send and the channel has been
 * closed meanwhile; the set is gone, the case disabled. */
static bool select_served(PrimCall *c, const Select *s, WaitSet *set, unsigned i)
{
    WaitNode node = *wait_node(set, i);
    wait_node(set, i)->item = NULL;
    select_end(c, set);
    if (spec_kind(s, i) == CASE_GIVE && node.outcome != WAIT_DONE) {
        fragment_free(c->cx, node.item);
        spec_put(c, s, i, 0, value_int(CASE_NONE));
        return false;
    }
    Value v = VALUE_NIL;
    if (spec_kind(s, i) == CASE_MAILBOX) {
        size_t need;
        v = process_take_message_in(prim_actor(c), c->process, c->stack_end, &need);
        if (need)
            v = process_take_message(c->process);
    } else if (node.item) {
        v = prim_take_fragment(c, node.item);
    }
    spec_put(c, s, i, 2, v);
    spec_put(c, s, i, 0, value_int(node.outcome));
    return true;
}

/* A new set, tried once and queued when it shall stay. *served as wait_begin. PRIM_OK with *set
 * NULL: no case can ever be served. */
static PrimStatus select_begin(PrimCall *c, const Select *s, bool stay, WaitSet **set,
                               uint32_t *served)
{
    unsigned alive;
    *set = NULL;
    if (s->count == 0)
        return PRIM_OK;
    Status status = wait_new(prim_actor(c), c->process, s->count, set);
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    PrimStatus st = select_fill(c, s, *set, &alive);
    if (st != PRIM_OK || alive == 0) {
        wait_end(prim_actor(c), *set);
        *set = NULL;
        return st;
    }
    if (s->mailbox < s->count && c->process->msg_first)
        wait_ready(*set, s->mailbox);
    if (s->timeout < s->count && s->ns == 0)
        wait_ready(*set, s->timeout);
    prim_charge(c, s->count / 4);
    *served = wait_begin(prim_actor(c), *set, stay);
    if (*served == WAIT_NONE && stay && s->timeout < s->count)
        process_start_timer(prim_actor(c), c->process, s->ns);
    return PRIM_OK;
}

/* What woke the process: an object, a message, the time, nothing. */
static uint32_t select_look(PrimCall *c, const Select *s, WaitSet *set)
{
    uint32_t served = wait_served(set);
    if (served != WAIT_NONE)
        return served;
    uint32_t own = WAIT_NONE;
    if (s->mailbox < s->count && c->process->msg_first)
        own = s->mailbox;
    else if (s->timeout < s->count && process_timer_fired(c->process))
        own = s->timeout;
    if (own == WAIT_NONE || wait_cancel(set))
        return own;
    return wait_served(set); /* an object was faster */
}

PrimStatus prim_channel_select(PrimCall *c)
{
    Select s = {0};
    PrimStatus st = select_read(c, &s);
    bool stay = c->args[2] == VALUE_TRUE;
    if (st != PRIM_OK)
        return st;
    assert(s.specs);
    if (!prim_fetch(c))
        return PRIM_YIELD;
    if (prim_wants_collection(c))
        return PRIM_GC;
    WaitSet *set = (WaitSet *)(uintptr_t)c->resume->a;
    uint32_t served = set ? select_look(c, &s, set) : WAIT_NONE;
    for (;;) {
        if (!set) {
            st = select_begin(c, &s, stay, &set, &served);
            if (st != PRIM_OK)
                return st;
            if (!set)
                return prim_finish(c, value_int(0));
            c->resume->a = (uint64_t)(uintptr_t)set;
        }
        if (served == WAIT_NONE) {
            if (stay)
                return prim_park(c, PROCESS_WAIT_SELECT);
            select_end(c, set);
            return prim_finish(c, value_int(0));
        }
        if (select_served(c, &s, set, served))
            return prim_finish(c, value_int((int64_t)served + 1));
        set = NULL;
    }
}
