/* SPDX-License-Identifier: Apache-2.0 */
/* prims_call.c - requests to processes and their replies.
 * Threads: the owner of the process, inside its scheduler's epoch section. */
#include "call.h"

#include "class.h"
#include "prim_wait.h"
#include "prims.h"

/* What a call without a time-out of its own waits: as Erlang's gen_server:call. */
#define CALL_DEFAULT_NS UINT64_C(5000000000)

/* What a call keeps in resume. */
#define RESUME_SENT(c) ((c)->resume->a)
#define RESUME_GC(c) ((c)->resume->c) /* a collection was asked for */

/* Slots of a MailboxRequest and of a ReplyAddress. */
enum { REQUEST_SENDER = 0, REQUEST_REFERENCE = 3, REQUEST_SLOTS };
enum { ADDRESS_PROCESS, ADDRESS_REFERENCE, ADDRESS_SLOTS };

/* ---- calling -------------------------------------------------------------------------------- */

/* Goes on in Maggie code: self `selector` argument. */
static PrimStatus tell(PrimCall *c, uint32_t selector, Value argument)
{
    process_stop_timer(prim_actor(c), c->process);
    c->args[1] = argument;
    c->send_selector = selector;
    c->send_argc = 1;
    return PRIM_SEND;
}

static PrimStatus send_request(PrimCall *c, Value selector, Value payload, uint64_t ns)
{
    Process *p = c->process;
    Value culprit;
    prim_copy_begin(c);
    Status status = call_start(prim_actor(c), p, c->args[0], selector, payload, &culprit);
    prim_copy_end(c);
    if (status == STATUS_NO_PROCESS)
        return tell(c, SYM_CALL_ENDED, value_symbol(SYM_NOPROC));
    if (status != STATUS_OK)
        return prim_copy_failed(c, status);
    prim_charge_copy(c);
    RESUME_SENT(c) = 1;
    if (ns != UINT64_MAX)
        process_start_timer(prim_actor(c), p, ns);
    return PRIM_OK;
}

/* The reply has come. */
static PrimStatus take_reply(PrimCall *c, Fragment *f)
{
    ActorCtx *cx = prim_actor(c);
    bool is_object = value_is_ptr(f->root);
    bool absorb = is_object && heap_can_absorb(f);
    if (is_object && heap_wants_collection(c->heap) && !RESUME_GC(c)) {
        RESUME_GC(c) = 1; /* as with every receive; once, in case it does not help */
        return prim_gc(c, 0);
    }
    if (absorb && !heap_has_room(c->heap, c->stack_end, f->words))
        return prim_gc(c, f->words);
    unsigned how = f->info;
    f = call_take_reply(cx, c->process);
    Value value = f->root;
    if (absorb)
        value = heap_absorb(c->heap, &cx->heap, c->stack_end, f);
    else if (is_object)
        value = heap_adopt(c->heap, f);
    else
        fragment_free(&cx->heap, f);
    if (how != CALL_ANSWERED)
        return tell(c, how == CALL_ENDED ? SYM_CALL_ENDED : SYM_CALL_REJECTED, value);
    process_stop_timer(cx, c->process);
    return prim_finish(c, value);
}

/* *late: nothing has come in time. */
static PrimStatus call(PrimCall *c, Value selector, Value payload, uint64_t ns, bool *late)
{
    Process *p = c->process;
    *late = false;
    if (!value_is_pid(c->args[0]))
        return prim_error(c, "the receiver is not a process");
    if (c->args[0] == p->pid)
        return prim_plain_error(c, "a process cannot call itself");
    if (!prim_fetch(c))
        return PRIM_YIELD;
    if (!RESUME_SENT(c)) {
        PrimStatus st = send_request(c, selector, payload, ns);
        if (st != PRIM_OK)
            return st;
    }
    Fragment *reply = call_reply(p);
    if (reply)
        return take_reply(c, reply);
    if (process_has_signals(p))
        return prim_yield_waiting(c, PROCESS_WAIT_CALL);
    if (ns == UINT64_MAX || !process_timer_fired(p))
        return prim_park(c, PROCESS_WAIT_CALL);
    process_stop_timer(prim_actor(c), p);
    call_give_up(prim_actor(c), p);
    *late = true;
    return PRIM_OK;
}

/* With args[1] as selector and args[2] as payload. */
static PrimStatus call_selector(PrimCall *c, uint64_t ns, bool *late)
{
    Value selector = c->args[1];
    StrView text;
    *late = false;
    if (!value_is_symbol(selector)) {
        uint32_t id;
        if (!prim_text(c, selector, &text))
            return prim_type_error(c, 1, "Symbol");
        PrimStatus st = prim_intern(c, text.data, text.bytes, &id);
        if (st != PRIM_OK)
            return st;
        selector = value_symbol(id);
    }
    return call(c, selector, c->args[2], ns, late);
}

static bool limit_of(Value ms, uint64_t *ns)
{
    *ns = UINT64_MAX;
    return ms == VALUE_NIL || prim_delay_ns(ms, ns);
}

PrimStatus prim_call(PrimCall *c)
{
    bool late;
    PrimStatus st = call(c, VALUE_NIL, c->args[1], CALL_DEFAULT_NS, &late);
    return late ? tell(c, SYM_CALL_TIMED_OUT, value_int(CALL_DEFAULT_NS / 1000000)) : st;
}

PrimStatus prim_call_with(PrimCall *c)
{
    bool late;
    PrimStatus st = call_selector(c, CALL_DEFAULT_NS, &late);
    return late ? tell(c, SYM_CALL_TIMED_OUT, value_int(CALL_DEFAULT_NS / 1000000)) : st;
}

PrimStatus prim_call_timeout(PrimCall *c)
{
    bool late;
    uint64_t ns;
    if (!limit_of(c->args[3], &ns))
        return prim_type_error(c, 3, "Number");
    PrimStatus st = call_selector(c, ns, &late);
    return late ? tell(c, SYM_CALL_TIMED_OUT, c->args[3]) : st;
}

PrimStatus prim_call_timeout_do(PrimCall *c)
{
    bool late;
    uint64_t ns;
    if (!limit_of(c->args[3], &ns))
        return prim_type_error(c, 3, "Number");
    PrimStatus st = call_selector(c, ns, &late);
    if (!late)
        return st;
    c->args[0] = c->args[4];
    c->send_selector = SYM_VALUE;
    c->send_argc = 0;
    return PRIM_SEND;
}

/* ---- replying ------------------------------------------------------------------------------- */

static PrimStatus reply(PrimCall *c, size_t slots, size_t process, size_t reference, bool rejects)
{
    Value self = c->args[0], culprit;
    if (!value_is_kind(self, OBJ_SLOTS) || obj_words(obj_of(self)) < slots)
        return prim_error(c, "the receiver is not a request");
    Value *words = obj_slots(obj_of(self));
    if (!value_is_pid(words[process]) || !value_is_reference(words[reference]))
        return prim_error(c, "the receiver is not a request");
    prim_copy_begin(c);
    Status status = call_answer(prim_actor(c), c->process, words[process], words[reference],
                                rejects ? CALL_REJECTED : CALL_ANSWERED, c->args[1], &culprit);
    prim_copy_end(c);
    prim_charge_copy(c);
    return status == STATUS_OK ? prim_ok(c, c->args[1]) : prim_copy_failed(c, status);
}

PrimStatus prim_call_reply(PrimCall *c)
{
    return reply(c, REQUEST_SLOTS, REQUEST_SENDER, REQUEST_REFERENCE, false);
}

PrimStatus prim_call_reject(PrimCall *c)
{
    return reply(c, REQUEST_SLOTS, REQUEST_SENDER, REQUEST_REFERENCE, true);
}

PrimStatus prim_call_reply_to(PrimCall *c)
{
    return reply(c, ADDRESS_SLOTS, ADDRESS_PROCESS, ADDRESS_REFERENCE, false);
}

PrimStatus prim_call_reject_to(PrimCall *c)
{
    return reply(c, ADDRESS_SLOTS, ADDRESS_PROCESS, ADDRESS_REFERENCE, true);
}
