/* SPDX-License-Identifier: Apache-2.0 */
/* life.c - starting, waiting for time, extension and roots of a process. Its end: death.c.
 * Threads: the owner. */
#include "actor_int.h"
#include "trace.h"

#include <string.h>

const char *process_wait_name(unsigned wait)
{
    static const char *const names[] = {
#define WAIT_NAME(id, name) name,
        PROCESS_WAITS(WAIT_NAME)
#undef WAIT_NAME
    };
    return wait < sizeof names / sizeof *names ? names[wait] : "unknown";
}

/* ---- spawning ------------------------------------------------------------------------------- */

void process_start(ActorCtx *cx, Process *p, bool next)
{
    p->task.prio = p->priority;
    if (__builtin_expect(atom_load_rlx(&cx->node->tracing) != 0, 0)) /* relaxed: see trace.h */
        trace_started(cx, p);
    actor_count(cx, 1);
    /* release: publishes the process to actor_list_pids and process_is_alive */
    atom_store_rel(&p->state, (uint8_t)PROCESS_LIVE);
    if (next && cx->sched)
        sched_ready_next(cx->sched, &p->task);
    else
        sched_ready(cx->sched, cx->group, &p->task);
}

Status process_ext(ActorCtx *cx, Process *p, ProcessExt **out)
{
    ProcessExt *ext = p->ext;
    if (!ext) {
        ext = pool_alloc(cx->heap.pool, pool_class_of(sizeof *ext));
        if (!ext)
            return STATUS_NO_MEMORY;
        memset(ext, 0, sizeof *ext);
        ext->dictionary = ext->bindings = ext->finalizers = ext->exit_origin = VALUE_NIL;
        p->ext = ext;
    }
    *out = ext;
    return STATUS_OK;
}

void process_visit_roots(Process *p, HeapVisit visit, void *arg)
{
    visit(arg, &p->exit_reason, 1);
    visit(arg, &p->exit_result, 1);
    visit(arg, &p->resume.root, 1);
    ProcessExt *ext = p->ext;
    if (!ext)
        return;
    visit(arg, &ext->dictionary, 1);
    visit(arg, &ext->bindings, 1);
    visit(arg, &ext->finalizers, 1);
    if (ext->inbox)
        inbox_visit_roots(p, visit, arg);
    if (ext->nresults > 0 && ext->results_refer)
        visit(arg, &ext->results->pid, 4 * (size_t)ext->results_cap);
}
_Static_assert(sizeof(ProcessResult) == 4 * sizeof(Value), "a table of results is a run of Values");

/* ---- waiting for time ----------------------------------------------------------------------- */

static void timer_expired(Timer *timer, Sched *sched)
{
    Process *p = (Process *)(void *)((char *)timer - offsetof(Process, timer));
    /* release: with the read-modify-write of the mailbox tail in process_unpark_in, the owner
     * either sees this when it looks, or is kept from parking; pairs with process_timer_fired */
    atom_store_rel(&p->timer_fired, (uint8_t)1);
    process_unpark_in(sched, sched->group, p);
}

void process_start_timer(ActorCtx *cx, Process *p, uint64_t delay_ns)
{
    if (p->flags & PROCESS_F_TIMER)
        process_stop_timer(cx, p);
    atom_store_rlx(&p->timer_fired, (uint8_t)0);        /* relaxed: the timer does not run */
    timer_init(&p->timer, timer_expired, p->timer.arg); /* arg: see process_reductions */
    p->flags |= PROCESS_F_TIMER;
    timer_start_in(cx->sched, &p->timer, delay_ns);
}

bool process_timer_fired(const Process *p)
{
    return atom_load_acq(&p->timer_fired) != 0; /* acquire: pairs with timer_expired */
}

void process_stop_timer(ActorCtx *cx, Process *p)
{
    if (!(p->flags & PROCESS_F_TIMER))
        return;
    /* Whatever it answers, timer_expired is not running and will not run. */
    (void)timer_cancel(cx->sched, &p->timer);
    p->flags &= (uint8_t)~PROCESS_F_TIMER;
}
