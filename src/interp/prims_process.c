/* SPDX-License-Identifier: Apache-2.0 */
/* prims_process.c - forking, sending, receiving, waiting, ending.
 * How they wait stands in prim_wait.h.
 * Threads: the owner of the process, inside its scheduler's epoch section. */
#include "process.h"

#include "class.h"
#include "crowd.h"
#include "interp_int.h"
#include "mailbound.h"
#include "prim_wait.h"
#include "prim_waitable.h"
#include "prims.h"
#include "promise.h"
#include "vm.h"

/* ---- forking -------------------------------------------------------------------------------- */

static PrimStatus fork_block(PrimCall *c, unsigned argc, Value arg, Domain *domain,
                             int64_t priority)
{
    Value block = c->args[0], pid;
    if (!value_is_kind(block, OBJ_CLOSURE))
        return prim_error(c, "the receiver is not a block");
    const Code *code = closure_code(obj_of(block));
    if (code->nargs > argc)
        return prim_error(c, "the block needs more arguments");
    if (priority < TASK_PRIO_HIGH || priority > TASK_PRIO_LOW)
        return prim_error(c, "priority must be #high, #normal or #low");
    prim_copy_begin(c);
    Status status =
        interp_fork(prim_local(c), c->process, block, argc, arg, domain, (TaskPrio)priority, &pid);
    prim_copy_end(c);
    if (status != STATUS_OK)
        return prim_copy_failed(c, status);
    prim_charge_copy(c);
    prim_charge(c, 8);
    return prim_ok(c, pid);
}

PrimStatus prim_block_fork(PrimCall *c)
{
    return fork_block(c, 0, VALUE_NIL, c->process->domain, c->process->priority);
}

PrimStatus prim_block_fork_with(PrimCall *c)
{
    return fork_block(c, 1, c->args[1], c->process->domain, c->process->priority);
}

PrimStatus prim_block_fork_at(PrimCall *c)
{
    return fork_block(c, 0, VALUE_NIL, c->process->domain,
                      value_is_int(c->args[1]) ? value_as_int(c->args[1]) : -1);
}

PrimStatus prim_block_fork_with_at(PrimCall *c)
{
    return fork_block(c, 1, c->args[1], c->process->domain,
                      value_is_int(c->args[2]) ? value_as_int(c->args[2]) : -1);
}

/* _forkWith: arg bonds: aMask watching: aProcess. An Array of the process and the reference. */
PrimStatus prim_block_fork_bound(PrimCall *c)
{
    Value block = c->args[0], bonds = c->args[2], pid, reference;
    if (!value_is_kind(block, OBJ_CLOSURE))
        return prim_error(c, "the receiver is not a block");
    if (!value_is_int(bonds) || value_as_int(bonds) < 0 || value_as_int(bonds) > FORK_BONDS)
        return prim_type_error(c, 2, "SmallInteger");
    const Code *code = closure_code(obj_of(block));
    unsigned argc = value_as_int(bonds) & FORK_ARGUMENT ? 1 : 0;
    if (code->nargs > argc)
        return prim_error(c, "the block needs more arguments");
    if (value_as_int(bonds) & FORK_WATCHING && !value_is_pid(c->args[3]))
        return prim_type_error(c, 3, "Process");
    PrimStatus st;
    Object *both = prim_new_slots(c, CLASS_ARRAY, 2, &st);
    if (!both)
        return st;
    prim_copy_begin(c);
    Status status = interp_fork_bound(prim_local(c), c->process, block, argc, c->args[1],
                                      (unsigned)value_as_int(bonds), c->args[3], &pid, &reference);
    prim_copy_end(c);
    if (status != STATUS_OK)
        return prim_copy_failed(c, status);
    prim_charge_copy(c);
    prim_charge(c, 16);
    both->words[0] = pid;
    both->words[1] = reference;
    return prim_ok(c, value_ptr(both));
}

/* ---- restricted processes (D20) ------------------------------------------------------------- */

/* _forkRestricted: anArrayOfSymbols rights: aMask. */
PrimStatus prim_block_fork_narrow(PrimCall *c)
{
    Value names = c->args[1], mask = c->args[2];
    if (!value_is_kind(names, OBJ_SLOTS) || obj_class(obj_of(names)) != CLASS_ARRAY)
        return prim_type_error(c, 1, "Array");
    if (!value_is_int(mask))
        return prim_type_error(c, 2, "SmallInteger");
    size_t n = obj_words(obj_of(names));
    uint32_t symbols[DOMAIN_NAMES_MAX];
    if (n > DOMAIN_NAMES_MAX)
        return prim_error(c, "too many hidden names");
    for (size_t i = 0; i < n; i++) {
        Value name = obj_slots(obj_of(names))[i];
        if (!value_is_symbol(name))
            return prim_error(c, "the names must be Symbols");
        symbols[i] = value_as_symbol(name);
    }
    Domain *domain;
    Status status =
        domain_narrow(c->vm, c->process->domain, symbols, n, (uint32_t)value_as_int(mask), &domain);
    if (status == STATUS_LIMIT)
        return prim_error(c, "too many different restrictions");
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    prim_charge(c, n / 8);
    return fork_block(c, 0, VALUE_NIL, domain, c->process->priority);
}

PrimStatus prim_process_rights(PrimCall *c)
{
    return prim_ok(c, value_int(c->process->domain->rights));
}

PrimStatus prim_process_hidden(PrimCall *c)
{
    const Domain *domain = c->process->domain;
    PrimStatus st;
    Object *names = prim_new_slots(c, CLASS_ARRAY, domain->nhidden, &st);
    if (!names)
        return st;
    for (uint32_t i = 0; i < domain->nhidden; i++)
        obj_slots(names)[i] = value_symbol(domain->hidden[i]);
    return prim_ok(c, value_ptr(names));
}

/* ---- the running process -------------------------------------------------------------------- */

PrimStatus prim_process_current(PrimCall *c) { return prim_ok(c, c->process->pid); }

PrimStatus prim_process_yield(PrimCall *c)
{
    if (c->resume->a)
        return prim_finish(c, c->args[0]);
    c->resume->a = 1;
    return PRIM_YIELD;
}

PrimStatus prim_process_sleep(PrimCall *c)
{
    Process *p = c->process;
    uint64_t ns;
    if (!prim_delay_ns(c->args[1], &ns))
        return prim_type_error(c, 1, "Number");
    if (!prim_fetch(c))
        return PRIM_YIELD;
    if (!c->resume->a) {
        if (ns == 0)
            return prim_self(c);
        process_start_timer(prim_actor(c), p, ns);
        c->resume->a = 1;
    }
    if (!process_timer_fired(p))
        return prim_park(c, PROCESS_WAIT_SLEEP);
    process_stop_timer(prim_actor(c), p);
    return prim_finish(c, c->args[0]);
}

PrimStatus prim_process_exit_now(PrimCall *c)
{
    Process *p = c->process;
    /* the end of an exit signal that unwound; of anything else, there is no origin */
    if (p->exit_reason != c->args[1] || !(p->flags & PROCESS_F_TERMINATING))
        process_set_end(p, c->args[1], c->args[2]);
    p->exit_result = c->args[2];
    return PRIM_EXIT;
}

/* ---- process-local storage ------------------------------------------------------------------ */

PrimStatus prim_process_dictionary(PrimCall *c)
{
    ProcessExt *ext = c->process->ext;
    return prim_ok(c, ext ? ext->dictionary : VALUE_NIL);
}

PrimStatus prim_process_bindings(PrimCall *c)
{
    ProcessExt *ext = c->process->ext;
    return prim_ok(c, ext ? ext->bindings : VALUE_NIL);
}

PrimStatus prim_process_set_dictionary(PrimCall *c)
{
    ProcessExt *ext;
    Status status = process_ext(prim_actor(c), c->process, &ext);
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    ext->dictionary = c->args[1];
    return prim_self(c);
}

PrimStatus prim_process_set_bindings(PrimCall *c)
{
    ProcessExt *ext;
    Status status = process_ext(prim_actor(c), c->process, &ext);
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    ext->bindings = c->args[1];
    return prim_self(c);
}

/* ---- messages ------------------------------------------------------------------------------- */

/* A place in a bounded mailbox (NULL: it has ended), waited for if need be. PRIM_OK with *sent
 * false: the answer is there already. */
static PrimStatus take_place(PrimCall *c, MailBound *bound, bool *sent)
{
    WaitNode node;
    *sent = false;
    for (;;) {
        if (!c->resume->a) {
            bool own = c->args[0] == c->process->pid;
            MailVerdict verdict = bound ? mail_enter(prim_actor(c), bound, !own) : MAIL_REFUSED;
            *sent = verdict == MAIL_ENTERED;
            if (verdict == MAIL_DROPPED)
                return prim_ok(c, VALUE_TRUE);
            if (verdict != MAIL_MUST_WAIT)
                return prim_ok(c, VALUE_FALSE);
        }
        if (!prim_fetch(c))
            return PRIM_YIELD;
        PrimStatus st = prim_wait_one(c, bound ? &bound->w : NULL, WAIT_GIVE, NULL,
                                      PROCESS_WAIT_MAILBOX, &node);
        if (st != PRIM_OK)
            return st;
        *sent = node.outcome == WAIT_DONE;
        if (node.outcome != MAIL_ASK_AGAIN || !bound)
            return prim_ok(c, VALUE_FALSE);
    }
}

/* Takes reductions away for which no work was done. */
static void forfeit(PrimCall *c, int32_t cost)
{
    int64_t left = c->reductions > 0 ? c->reductions : 0;
    prim_actor(c)->sched->forfeited += left < cost ? (int32_t)left : cost;
    prim_charge(c, (size_t)cost);
}

static PrimStatus send(PrimCall *c, Value selector, Value payload)
{
    if (!value_is_pid(c->args[0]))
        return prim_error(c, "the receiver is not a process");
    if (crowd_holds(prim_actor(c), c->args[0], c->resume->b) && c->args[0] != c->process->pid) {
        c->resume->b++;
        forfeit(c, SCHED_REDUCTIONS);
        return PRIM_YIELD;
    }
    Value culprit = VALUE_NIL;
    Process *receiver = process_of_pid(prim_actor(c)->node, c->args[0]);
    MailBound *bound = receiver ? mail_bound(receiver) : NULL;
    Status status = STATUS_NO_PROCESS;
    if (__builtin_expect(bound != NULL || c->resume->a, 0)) {
        bool sent;
        PrimStatus st = take_place(c, bound, &sent);
        if (st != PRIM_OK || !sent)
            return st;
        if (bound && mail_presses(bound))
            prim_charge(c, SCHED_REDUCTIONS);
        prim_copy_begin(c);
        status = process_send_entered(prim_actor(c), c->process, c->args[0], selector, payload,
                                      &culprit);
        prim_copy_end(c);
    } else if (receiver) {
        prim_copy_begin(c);
        status = process_send_to(prim_actor(c), c->process, c->args[0], receiver, selector, payload,
                                 &culprit);
        prim_copy_end(c);
        if (__builtin_expect(prim_actor(c)->crowd_cost != 0, 0))
            forfeit(c, prim_actor(c)->crowd_cost);
    }
    if (status != STATUS_NO_PROCESS)
        prim_charge_copy(c);
    if (status == STATUS_OK || status == STATUS_NO_PROCESS || status == STATUS_LIMIT)
        return prim_ok(c, value_bool(status == STATUS_OK));
    return prim_copy_failed(c, status);
}

PrimStatus prim_process_send(PrimCall *c) { return send(c, VALUE_NIL, c->args[1]); }

PrimStatus prim_process_send_with(PrimCall *c)
{
    Value selector = c->args[1];
    StrView text;
    if (!value_is_symbol(selector)) {
        if (!prim_text(c, selector, &text))
            return prim_type_error(c, 1, "Symbol");
        uint32_t id;
        PrimStatus st = prim_intern(c, text.data, text.bytes, &id);
        if (st != PRIM_OK)
            return st;
        selector = value_symbol(id);
    }
    return send(c, selector, c->args[2]);
}

PrimStatus prim_process_ask(PrimCall *c)
{
    Value request = c->args[1], culprit = VALUE_NIL;
    Promise *promise = promise_of_request(request);
    if (!value_is_pid(c->args[0]))
        return prim_error(c, "the receiver is not a process");
    if (!promise)
        return prim_error(c, "the argument is not a request about a promise");
    Process *receiver = process_of_pid(prim_actor(c)->node, c->args[0]);
    MailBound *bound = receiver ? mail_bound(receiver) : NULL;
    bool reserved = bound != NULL || c->resume->a;
    if (reserved) {
        PrimStatus st = take_place(c, bound, &reserved);
        if (st != PRIM_OK)
            return st;
        if (!reserved) {
            promise_not_asked(prim_actor(c), promise, c->args[0]);
            return prim_self(c);
        }
        if (bound && mail_presses(bound))
            prim_charge(c, SCHED_REDUCTIONS);
    }
    prim_copy_begin(c);
    Status status =
        process_send_request(prim_actor(c), c->process, c->args[0], request, reserved, &culprit);
    prim_copy_end(c);
    prim_charge_copy(c);
    return status == STATUS_OK ? prim_self(c) : prim_copy_failed(c, status);
}

/* The oldest message; VALUE_NONE and *st when there is none or something else comes first. */
static Value take_message(PrimCall *c, PrimStatus *st)
{
    *st = PRIM_YIELD;
    if (!prim_fetch(c))
        return VALUE_NONE;
    /* Adopted messages are memory that only a collection gives back, and a loop that does nothing
     * but receive would never ask for one. Once per message, in case it does not help. */
    if (c->heap->fragments && !c->resume->b && heap_wants_collection(c->heap)) {
        c->resume->b = 1;
        *st = prim_gc(c, 0);
        return VALUE_NONE;
    }
    *st = PRIM_OK;
    size_t need;
    Value message = process_take_message_in(prim_actor(c), c->process, c->stack_end, &need);
    if (need)
        *st = prim_gc(c, need);
    return message;
}

PrimStatus prim_process_receive(PrimCall *c)
{
    PrimStatus st;
    Value message = take_message(c, &st);
    if (message != VALUE_NONE)
        return prim_finish(c, message);
    return st == PRIM_OK ? prim_park(c, PROCESS_WAIT_RECEIVE) : st;
}

PrimStatus prim_process_try_receive(PrimCall *c)
{
    PrimStatus st;
    Value message = take_message(c, &st);
    if (message != VALUE_NONE)
        return prim_finish(c, message);
    if (st != PRIM_OK)
        return st;
    /* Not all that has arrived may be sorted yet. */
    return process_has_signals(c->process) ? PRIM_YIELD : prim_finish(c, VALUE_NIL);
}

PrimStatus prim_process_receive_for(PrimCall *c)
{
    Process *p = c->process;
    uint64_t ns;
    if (!prim_delay_ns(c->args[1], &ns))
        return prim_type_error(c, 1, "Number");
    if (ns == 0)
        return prim_process_try_receive(c);
    PrimStatus st;
    Value message = take_message(c, &st);
    bool fired = c->resume->a && process_timer_fired(p);
    if (message != VALUE_NONE || (st == PRIM_OK && fired && !process_has_signals(p))) {
        process_stop_timer(prim_actor(c), p);
        return prim_finish(c, message != VALUE_NONE ? message : VALUE_NIL);
    }
    if (st != PRIM_OK)
        return st;
    if (!c->resume->a) {
        process_start_timer(prim_actor(c), p, ns);
        c->resume->a = 1;
    }
    return prim_park(c, PROCESS_WAIT_RECEIVE);
}

/* ---- ends of others ------------------------------------------------------------------------- */

/* Waits for the end of args[0], at most ns (UINT64_MAX: for ever). PRIM_OK: *reason and *result are
 * set, or *late; a reason of nil: it has left no word and its place is taken. */
static PrimStatus await_end(PrimCall *c, uint64_t ns, bool *late, Value *reason, Value *result)
{
    Process *p = c->process;
    Value pid = c->args[0];
    if (!value_is_pid(pid))
        return prim_error(c, "the receiver is not a process");
    if (pid == p->pid)
        return prim_plain_error(c, "a process cannot wait for its own end");
    bool gone = false;
    *result = VALUE_NIL;
    for (;;) {
        if (!prim_fetch(c))
            return PRIM_YIELD;
        *late = false;
        if (process_result(p, pid, reason, result))
            return PRIM_OK;
        if (process_has_signals(p))
            return prim_yield_waiting(c, PROCESS_WAIT_RESULT);
        if (gone) {
            *reason = process_gone_reason(prim_actor(c), p, pid);
            return PRIM_OK;
        }
        if (c->resume->a) {
            *late = ns != UINT64_MAX && process_timer_fired(p);
            return *late ? PRIM_OK : prim_park(c, PROCESS_WAIT_RESULT);
        }
        Status status = process_request_result(prim_actor(c), p, pid, &gone);
        if (status != STATUS_OK)
            return prim_status(c, status, 0);
        /* gone: what it reported before it went has arrived by now; look once more */
        c->resume->a = !gone;
        if (!gone && ns != UINT64_MAX)
            process_start_timer(prim_actor(c), p, ns);
    }
}

PrimStatus prim_process_wait(PrimCall *c)
{
    Value reason, result;
    bool late;
    PrimStatus st = await_end(c, UINT64_MAX, &late, &reason, &result);
    return st == PRIM_OK ? prim_finish(c, result) : st;
}

/* {reason. result. origin}, or nil when it is late. */
static PrimStatus await_all(PrimCall *c, uint64_t ns)
{
    Value reason, result;
    bool late;
    PrimStatus st = await_end(c, ns, &late, &reason, &result);
    if (st != PRIM_OK)
        return st;
    Object *end = NULL;
    if (!late) {
        /* When this needs a collection, the next call finds the same report again. */
        end = prim_new_slots(c, CLASS_ARRAY, 3, &st);
        if (!end)
            return st;
        const ProcessResult *known = process_result_entry(c->process, c->args[0]);
        end->words[0] = reason;
        end->words[1] = result;
        end->words[2] = known ? known->origin : VALUE_NIL;
    }
    process_stop_timer(prim_actor(c), c->process);
    return prim_finish(c, end ? value_ptr(end) : VALUE_NIL);
}

PrimStatus prim_process_await(PrimCall *c) { return await_all(c, UINT64_MAX); }

PrimStatus prim_process_await_for(PrimCall *c)
{
    uint64_t ns = UINT64_MAX;
    if (c->args[1] != VALUE_NIL && !prim_delay_ns(c->args[1], &ns))
        return prim_type_error(c, 1, "Number");
    return await_all(c, ns);
}

/* Has it ended? PRIM_OK with *ended. */
static PrimStatus look_at_end(PrimCall *c, bool *ended, Value *reason, Value *result)
{
    Process *p = c->process;
    Value pid = c->args[0];
    *result = VALUE_NIL;
    *ended = false;
    if (!value_is_pid(pid))
        return prim_error(c, "the receiver is not a process");
    bool alive = process_is_alive(prim_actor(c)->node, pid);
    if (!prim_fetch(c) || process_has_signals(p))
        return PRIM_YIELD;
    *ended = process_result(p, pid, reason, result);
    if (!*ended && !alive) {
        *ended = true;
        *reason = process_gone_reason(prim_actor(c), p, pid);
    }
    return PRIM_OK;
}

PrimStatus prim_process_result(PrimCall *c)
{
    bool ended;
    Value reason, result;
    PrimStatus st = look_at_end(c, &ended, &reason, &result);
    return st == PRIM_OK ? prim_ok(c, result) : st;
}

PrimStatus prim_process_exit_reason(PrimCall *c)
{
    bool ended;
    Value reason, result;
    PrimStatus st = look_at_end(c, &ended, &reason, &result);
    if (st != PRIM_OK)
        return st;
    if (ended && reason == VALUE_NIL)
        reason = value_symbol(SYM_NOPROC);
    return prim_ok(c, ended ? reason : VALUE_NIL);
}

/* The process whose end has ended it through links, when that is known. */
PrimStatus prim_process_exit_origin(PrimCall *c)
{
    bool ended;
    Value reason, result;
    PrimStatus st = look_at_end(c, &ended, &reason, &result);
    if (st != PRIM_OK)
        return st;
    const ProcessResult *known = process_result_entry(c->process, c->args[0]);
    return prim_ok(c, known ? known->origin : VALUE_NIL);
}

PrimStatus prim_process_is_alive(PrimCall *c)
{
    return prim_ok(c, value_bool(process_is_alive(prim_actor(c)->node, c->args[0])));
}

/* ---- ending others -------------------------------------------------------------------------- */

static PrimStatus send_exit(PrimCall *c, Value reason, bool kill)
{
    if (!value_is_pid(c->args[0]))
        return prim_error(c, "the receiver is not a process");
    if (reason == VALUE_NIL) /* which elsewhere means that nothing is known */
        return prim_error(c, "nil is no reason");
    /* Called again after the slice that delivered a signal to ourselves: unwound by then, unless a
     * handler holds it up, or our own exit was already on its way. */
    if (c->resume->a)
        return prim_finish(c, c->args[0]);
    prim_copy_begin(c);
    Status status = process_send_exit(prim_actor(c), c->process, c->args[0], reason, kill);
    prim_copy_end(c);
    if (status != STATUS_OK && status != STATUS_NO_PROCESS)
        return prim_copy_failed(c, status);
    prim_charge(c, 2);
    if (c->args[0] != c->process->pid)
        return prim_self(c);
    c->resume->a = 1;
    return PRIM_YIELD;
}

PrimStatus prim_process_exit_other(PrimCall *c) { return send_exit(c, c->args[1], false); }

PrimStatus prim_process_kill(PrimCall *c) { return send_exit(c, value_symbol(SYM_KILLED), true); }

/* ---- looking at processes ------------------------------------------------------------------- */

PrimStatus prim_process_priority(PrimCall *c)
{
    Process *p = process_of_pid(prim_actor(c)->node, c->args[0]);
    return prim_ok(c, p ? value_int(p->priority) : VALUE_NIL);
}

PrimStatus prim_process_pid_string(PrimCall *c)
{
    char text[PROCESS_PID_TEXT];
    if (!value_is_pid(c->args[0]))
        return prim_error(c, "the receiver is not a process");
    return prim_answer_string(c, text, process_pid_text(c->args[0], text));
}

PrimStatus prim_process_message_count(PrimCall *c)
{
    Process *p = process_of_pid(prim_actor(c)->node, c->args[0]);
    if (p == c->process && !prim_fetch(c))
        return PRIM_YIELD;
    /* relaxed: a statistic; of others, what they have sorted so far */
    return prim_ok(c, value_int(p ? (int64_t)__atomic_load_n(&p->nmessages, __ATOMIC_RELAXED) : 0));
}

PrimStatus prim_process_heap_bytes(PrimCall *c)
{
    if (c->args[0] != c->process->pid)
        return prim_ok(c, VALUE_NIL);
    return prim_ok(c, value_int((int64_t)heap_bytes(c->heap)));
}

PrimStatus prim_process_count(PrimCall *c)
{
    return prim_ok(c, value_int(actor_process_count(prim_actor(c)->node)));
}

#define LIST_PIECE 128
#define LIST_SPAN 4096

PrimStatus prim_process_list(PrimCall *c)
{
    Value pids[LIST_PIECE];
    if (!value_is_int(c->args[1]) || value_as_int(c->args[1]) < 0 ||
        value_as_int(c->args[1]) > UINT32_MAX)
        return prim_type_error(c, 1, "SmallInteger");
    PrimStatus st;
    Object *list = prim_new_slots(c, CLASS_ARRAY, LIST_PIECE + 1, &st);
    if (!list)
        return st;
    uint32_t cursor = (uint32_t)value_as_int(c->args[1]);
    uint32_t n = actor_list_pids(prim_actor(c)->node, &cursor, LIST_SPAN, pids, LIST_PIECE);
    prim_charge(c, LIST_SPAN / 16);
    list->words[0] = cursor == UINT32_MAX ? VALUE_NIL : value_int(cursor);
    memcpy(list->words + 1, pids, n * sizeof *pids);
    return prim_ok(c, value_ptr(list));
}
