/* SPDX-License-Identifier: Apache-2.0 */
/* exits.c - delivering exit signals to running code, and primitives that left for a dirty thread.
 *
 * An exit is delivered at a safepoint by pushing, above everything live, a call of
 * `Process class>>_terminate: reason`, which runs the pending ensure: blocks (for a bounded time)
 * and ends the process. kill skips that.
 * Threads: by the owner of the process; dirty_done on a dirty thread. */
#include "class.h"
#include "dirty.h"
#include "interp_int.h"
#include "timer.h"
#include "vm_int.h"
#include "waitable.h"

/* ---- the limit on unwind blocks ------------------------------------------------------------ */

/* Time the ensure: blocks of a terminating process may take altogether. */
#define EXIT_ENSURE_NS UINT64_C(5000000000)

/* Kills a process that is still unwinding when it expires. Lives on its own: the process may be
 * long dead by then. Linked in Vm.exit_timers (under outside_lock) so that a VM that stops first
 * frees it. */
typedef struct ExitTimer {
    Timer timer;
    Vm *vm;
    Value pid;
    struct ExitTimer *next, **link;
} ExitTimer;

static void exit_timer_free(ExitTimer *t)
{
    Vm *vm = t->vm;
    lock_acquire(&vm->outside_lock);
    *t->link = t->next;
    if (t->next) {
        t->next->link = t->link;
    }
    lock_release(&vm->outside_lock);
    env_free(vm->env, t, sizeof *t);
}

static void exit_timer_fired(Timer *timer, Sched *sched)
{
    ExitTimer *t = timer->arg;
    VmLocal *l = sched->user;
    /* a failure means that it is gone, which is all that is wanted */
    Status status = process_send_exit(&l->actor, NULL, t->pid, value_symbol(SYM_KILLED), true);
    (void)status;
    exit_timer_free(t);
}

/* Without memory for the timer the blocks are not run at all. */
static bool exit_timer_start(VmLocal *l, Process *p)
{
    Vm *vm = l->vm;
    ExitTimer *t = env_alloc(vm->env, sizeof *t);
    if (!t) {
        return false;
    }
    timer_init(&t->timer, exit_timer_fired, t);
    t->vm = vm;
    t->pid = p->pid;
    lock_acquire(&vm->outside_lock);
    t->next = vm->exit_timers;
    t->link = (ExitTimer **)(void *)&vm->exit_timers;
    if (t->next) {
        t->next->link = &t->next;
    }
    vm->exit_timers = t;
    lock_release(&vm->outside_lock);
    timer_start_in(l->actor.sched, &t->timer, EXIT_ENSURE_NS);
    return true;
}

void vm_free_exit_timers(Vm *vm)
{
    while (vm->exit_timers) {
        exit_timer_free(vm->exit_timers);
    }
}

/* Does anything on the stack want to run when the process unwinds? */
static bool has_unwind_frames(Process *p)
{
    FrameWalk w = frame_top(p);
    do {
        if (w.code->mark == CODE_MARK_ENSURE || w.code->mark == CODE_MARK_CURTAILED) {
            return true;
        }
    } while (frame_up(&w));
    return false;
}

/* For the call of a method with one argument, above the top window. */
#define EXIT_STACK_WORDS 16

static bool exit_has_room(const Process *p)
{
    size_t top = p->code->nregs > p->live ? p->code->nregs : p->live;
    size_t used = p->window + top + EXIT_STACK_WORDS + HEAP_STACK_RED_ZONE + PRIM_EXTRA_ARGS;
    return (size_t)(p->heap.hp - p->heap.lo) >= used;
}

/* Pushes a call of a class method of Process above everything live; an interrupted call is
 * abandoned, its arguments stay below. False: the process ends for lack of memory. */
static bool push_call(VmLocal *l, Process *p, Code *method, Value argument)
{
    int32_t reds = 0;
    size_t live = p->live;
    p->resume.root = argument; /* a root while the heap may be collected */
    p->pending = method;       /* as well */
    if (!interp_hold_callee(l, p, method)) {
        return false;
    }
    /* a long collection has been made before, see interp_deliver_exit */
    if (!interp_collect_is_long(l, p, 0, live, EXIT_STACK_WORDS) &&
        !interp_collect(l, p, 0, live, EXIT_STACK_WORDS, &reds)) {
        return false;
    }
    Value *nb = p->heap.lo + p->window + live;
    nb[0] = value_class(CLASS_PROCESS);
    nb[1] = p->resume.root;
    p->resume.root = VALUE_NIL;
    p->live = (uint32_t)(live + 1 + method->nargs);
    p->pending_base = (uint16_t)live;
    p->pending_argc = method->nargs;
    return true;
}

/* What the process was about to do is given up. */
static void abandon_call(VmLocal *l, Process *p)
{
    interp_abandon_dirty(p);
    process_stop_waiting(&l->actor, p);
    p->pending = NULL;
    interp_clear_resume(p);
}

/* A shell's Ctrl-C is no end: it becomes an exception where the process stands. */
static bool deliver_interrupt(VmLocal *l, Process *p)
{
    Code *method = vm_lookup_cached(l, CLASS_META_PROCESS, SYM_INTERRUPT);
    if (!method) {
        return false;
    }
    process_set_mode(p, PROCESS_MODE_ENDS, false);
    p->exit_reason = VALUE_NIL;
    abandon_call(l, p);
    return push_call(l, p, method, VALUE_NIL);
}

/* Exits of linked processes, for one that asked for exceptions: one now, the others at the next
 * safepoints. */
static bool deliver_raise(VmLocal *l, Process *p)
{
    Fragment *f = p->ext ? p->ext->raises : NULL;
    Code *method = vm_lookup_cached(l, CLASS_META_PROCESS, SYM_RAISE_EXIT);
    if (!f || !method) {
        return true;
    }
    p->ext->raises = f->next;
    if (p->ext->raises) {
        p->flags |= PROCESS_F_EXIT_PENDING;
    }
    abandon_call(l, p);
    return push_call(l, p, method, heap_adopt(&p->heap, f));
}

ExitDelivery interp_deliver_exit(VmLocal *l, Process *p)
{
#ifdef MAGGIE_MUTANT_EXITS_LOST
    if (p->wait == PROCESS_WAIT_RECEIVE) {
        p->flags &= (uint8_t)~PROCESS_F_EXIT_PENDING;
        return EXIT_DELIVERED;
    }
#endif
    p->flags &= (uint8_t)~PROCESS_F_EXIT_PENDING;
    if (p->flags & PROCESS_F_KILLED) {
        return EXIT_NOW;
    }
    if (p->flags & PROCESS_F_TERMINATING) {
        return EXIT_DELIVERED; /* already on its way; the first reason stays */
    }
    if (interp_collect_is_long(l, p, 0, p->live, EXIT_STACK_WORDS) && !exit_has_room(p)) {
        p->flags |= PROCESS_F_EXIT_PENDING;
        return EXIT_COLLECT;
    }
    if (!(p->modes & PROCESS_MODE_ENDS)) {
        return deliver_raise(l, p) ? EXIT_DELIVERED : EXIT_NOW;
    }
    if (p->exit_reason == value_symbol(SYM_INTERRUPT) && deliver_interrupt(l, p)) {
        return EXIT_DELIVERED;
    }
    Code *terminate = vm_lookup_cached(l, CLASS_META_PROCESS, SYM_TERMINATE);
    if (!terminate || !has_unwind_frames(p) || !exit_timer_start(l, p)) {
        return EXIT_NOW;
    }
    abandon_call(l, p);
    if (!push_call(l, p, terminate, p->exit_reason)) {
        return EXIT_NOW;
    }
    p->flags |= PROCESS_F_TERMINATING;
    return EXIT_DELIVERED;
}

/* ---- dirty jobs --------------------------------------------------------------------------- */

/* Who frees a DirtyCall: whoever comes second of the process (abandon or take) and the dirty thread
 * (done). One exchange of `state` decides. */
enum { DIRTY_RUNNING, DIRTY_FINISHED, DIRTY_ABANDONED };

typedef struct DirtyCall {
    DirtyJob job;
    Vm *vm;
    Value pid;
    Process *owned; /* the process whose memory the job works on, or NULL */
    void (*run)(void *state);
    void (*free)(void *state);
    void *data;
    uint32_t state; /* DIRTY_*; process and dirty thread */
    bool ran;       /* false: the node stopped before the job's turn */
} DirtyCall;

static void dirty_run(DirtyJob *job)
{
    DirtyCall *d = job->arg;
    d->run(d->data);
}

static void dirty_free(DirtyCall *d)
{
    d->free(d->data);
    env_free(d->vm->env, d, sizeof *d);
}

/* On the dirty thread. */
static void dirty_done(DirtyJob *job, bool ran)
{
    DirtyCall *d = job->arg;
    Vm *vm = d->vm;
    Value pid = d->pid;
    d->ran = ran;
    if (d->owned) {
        Process *p = d->owned;
        /* relaxed: sched_ready publishes it with all else that is the process's */
        atom_store_rlx(&d->state, (uint32_t)DIRTY_FINISHED);
        sched_ready(NULL, vm->group, &p->task);
        return;
    }
    /* acq_rel: publishes the job's results to interp_dirty_pending's acquire, or sees that the
     * process has gone (pairs with interp_abandon_dirty) */
    if (atom_xchg(&d->state, DIRTY_FINISHED) == DIRTY_ABANDONED) {
        dirty_free(d);
        return;
    }
    vm_unpark(vm, pid); /* d belongs to the process now */
}

Status interp_start_dirty(VmLocal *l, Process *p)
{
    PrimCall *c = &l->call;
    uint8_t owned = c->dirty_wait;
    c->dirty_wait = 0;
    ProcessExt *ext;
    DirtyCall *d = env_alloc(l->vm->env, sizeof *d);
    Status status = d ? process_ext(&l->actor, p, &ext) : STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        *d = (DirtyCall){.job = {.run = dirty_run, .done = dirty_done},
                         .vm = l->vm,
                         .pid = p->pid,
                         .run = c->dirty_run,
                         .free = c->dirty_free,
                         .data = c->dirty_state,
                         .state = DIRTY_RUNNING};
        d->job.arg = d;
        d->owned = owned ? p : NULL;
        ext->dirty = d;
        /* relaxed: for tools that look meanwhile */
        atom_store_rlx(&p->wait, owned ? owned : (uint8_t)PROCESS_WAIT_DIRTY);
        c->dirty_run = NULL;
        status =
            owned ? dirty_submit_work(l->vm->group, &d->job) : dirty_submit(l->vm->group, &d->job);
        if (status == STATUS_OK) {
            return STATUS_OK;
        }
        ext->dirty = NULL;
    }
    c->dirty_free(c->dirty_state);
    c->dirty_run = NULL;
    env_free(l->vm->env, d, sizeof *d);
    interp_end_for(p, STATUS_NO_MEMORY);
    return status;
}

bool interp_dirty_pending(const Process *p)
{
    const DirtyCall *d = p->ext ? p->ext->dirty : NULL;
    /* acquire: pairs with the exchange in dirty_done, publishes the job's results */
    return d && atom_load_acq(&d->state) == DIRTY_RUNNING;
}

void interp_take_dirty(VmLocal *l, Process *p)
{
    DirtyCall *d = p->ext ? p->ext->dirty : NULL;
    l->call.back = away_show_copy(l, p);
    if (!d) {
        return;
    }
    if (d->data != p->ext->copied) {
        l->call.back = true;
        l->call.dirty_done = true;
        l->call.dirty_state = d->data;
        l->call.dirty_free = d->free;
    }
    p->ext->dirty = NULL;
    env_free(d->vm->env, d, sizeof *d);
}

static void show_nothing(VmLocal *l)
{
    l->call.dirty_done = false;
    l->call.back = false;
    l->actor.heap.made = NULL;
}

void interp_end_back(VmLocal *l, Process *p, PrimStatus answer)
{
    PrimCall *c = &l->call;
    switch (answer) {
    case PRIM_GC: /* it is called again at once, or interp_keep_dirty */
        c->dirty_done = c->dirty_done && c->dirty_state;
        return;
    case PRIM_YIELD:
    case PRIM_PARK:
    case PRIM_COLLECT:
    case PRIM_DIRTY: /* it will be shown again */ break;
    default: away_drop_copy(p);
    }
    show_nothing(l);
}

bool interp_keep_dirty(VmLocal *l, Process *p)
{
    PrimCall *c = &l->call;
    if (!c->dirty_done || !c->dirty_state) {
        show_nothing(l);
        return true;
    }
    ProcessExt *ext;
    DirtyCall *d = env_alloc(l->vm->env, sizeof *d);
    if (!d || process_ext(&l->actor, p, &ext) != STATUS_OK) {
        env_free(l->vm->env, d, sizeof *d);
        return false;
    }
    *d = (DirtyCall){.vm = l->vm,
                     .pid = p->pid,
                     .free = c->dirty_free,
                     .data = c->dirty_state,
                     .state = DIRTY_FINISHED};
    ext->dirty = d;
    show_nothing(l);
    return true;
}

void interp_drop_dirty(VmLocal *l)
{
    if (l->call.dirty_done && l->call.dirty_state) {
        l->call.dirty_free(l->call.dirty_state);
    }
    show_nothing(l);
}

void interp_abandon_dirty(Process *p)
{
    DirtyCall *d = p->ext ? p->ext->dirty : NULL;
    if (d) {
        p->ext->dirty = NULL;
        /* acq_rel: the dirty thread sees that nobody waits, or we see that it has finished */
        if (atom_xchg(&d->state, DIRTY_ABANDONED) == DIRTY_FINISHED) {
            dirty_free(d);
        }
    }
    away_drop_copy(p);
}
