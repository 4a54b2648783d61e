/* SPDX-License-Identifier: Apache-2.0 */
/* life.c - starting, waiting for time, extension, roots, and the end of a process.
 *
 * Order of an end (M10): state EXITING; reports to forker and waiters; mailbox CLOSED; what was
 * still in it refused (a WAIT gets the same report); timer and dirty job let go; memory freed; new
 * pid; slot to the epoch. A long queue is freed in pieces by the process's own task.
 *
 * Threads: the owner. */
#include "actor_int.h"

#include <string.h>

#include "strbuf.h"

/* Signals freed in one go at the end of a process. */
#define REAP_PIECE 1024

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
        ext->dictionary = ext->bindings = ext->finalizers = VALUE_NIL;
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
    if (ext->nresults > 0)
        visit(arg, &ext->results->pid, 3 * (size_t)ext->results_cap);
}
_Static_assert(sizeof(ProcessResult) == 3 * sizeof(Value), "a table of results is a run of Values");

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
    atom_store_rlx(&p->timer_fired, (uint8_t)0); /* relaxed: the timer does not run */
    timer_init(&p->timer, timer_expired, NULL);
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

/* ---- the crash report ----------------------------------------------------------------------- */

static size_t reason_text(ActorCtx *cx, Process *p, char *out, size_t n)
{
    const ActorConfig *config = &cx->node->config;
    Value reason = p->exit_reason;
    const char *bytes = "an object";
    size_t len = 9;
    if (value_is_symbol(reason)) {
        SymtabName name = symtab_name(config->symtab, value_as_symbol(reason));
        bytes = name.bytes;
        len = name.len;
    } else if (value_is_string(reason)) {
        StrView view = str_view(reason);
        bytes = (const char *)view.data;
        len = view.bytes;
    } else if (config->describe) {
        return config->describe(config->ctx, p, reason, out, n);
    }
    len = len < n ? len : n;
    memcpy(out, bytes, len);
    return len;
}

/* One line, whatever the reason holds. Main processes are the embedder's to report; who was asked
 * to end has not crashed. */
static void crash_report(ActorCtx *cx, Process *p)
{
    const ActorNode *node = cx->node;
    Value reason = p->exit_reason;
    if (reason == node->sym_normal || reason == node->sym_shutdown || reason == node->sym_killed)
        return;
    if (p->flags & (PROCESS_F_MAIN | PROCESS_F_ASKED))
        return;
    char pid[PROCESS_PID_TEXT], parent[PROCESS_PID_TEXT] = "none", text[512];
    process_pid_text(p->pid, pid);
    if (value_is_pid(p->parent))
        process_pid_text(p->parent, parent);
    size_t len = reason_text(cx, p, text, sizeof text);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 127)
            text[i] = ' ';
    env_log(node->config.env, LOG_LEVEL_ERROR, "process crashed pid=%s parent=%s reason=%.*s", pid,
            parent, (int)len, text);
}

/* ---- the end -------------------------------------------------------------------------------- */

/* Frees up to `max` of the chain; answers what is left. */
static Fragment *free_signals(ActorCtx *cx, Fragment *f, size_t max)
{
    while (f && max-- > 0) {
        Fragment *next = f->next;
        fragment_free(&cx->heap, f);
        f = next;
    }
    return f;
}

/* Answers the WAITs of a chain; what is left of it is linked before `rest`. */
static Fragment *refuse_signals(ActorCtx *cx, Process *p, Fragment *f, Fragment *rest)
{
    while (f) {
        Fragment *next = f->next;
        if (f->kind == SIGNAL_WAIT) {
            ProcessExt *ext;
            if (process_ext(cx, p, &ext) == STATUS_OK) {
                f->next = ext->waiters;
                ext->waiters = f;
            } else {
                results_answer(cx, p, f, NULL);
            }
        } else {
            f->next = rest;
            rest = f;
        }
        f = next;
    }
    return rest;
}

static void free_memory(ActorCtx *cx, Process *p)
{
    if (p->heap.lo)
        heap_destroy(&p->heap, &cx->heap);
    p->heap.lo = NULL;
    ProcessExt *ext = p->ext;
    if (!ext)
        return;
    results_free(cx->node->config.env, ext);
    free_signals(cx, ext->waiters, SIZE_MAX);
    pool_free(cx->heap.pool, ext, pool_class_of(sizeof *ext));
    p->ext = NULL;
}

/* The rest of a long queue, as a task of its own. resume.a holds the node. */
static TaskVerdict reap(Task *task, Sched *sched)
{
    Process *p = process_of_task(task);
    const ActorNode *node = (const ActorNode *)(uintptr_t)p->resume.a;
    ActorCtx *cx = node->config.ctx_of(sched);
    sched->reds -= REAP_PIECE;
    p->msg_first = free_signals(cx, p->msg_first, REAP_PIECE);
    if (p->msg_first)
        return TASK_YIELD;
    slot_release(cx, p);
    return TASK_DONE;
}

void process_exit(ActorCtx *cx, Process *p)
{
    ActorNode *node = cx->node;
    bool normal = p->exit_reason == node->sym_normal;
    atom_store_rlx(&p->abnormal, (uint8_t)!normal); /* relaxed: published with the slot's new pid */
    /* release: before any report, see process_is_alive */
#ifndef MAGGIE_MUTANT_EXIT_ORDER
    atom_store_rel(&p->state, (uint8_t)PROCESS_EXITING);
#endif
    results_report(cx, p, true);
    Fragment *left = refuse_signals(cx, p, mailbox_close(p), p->msg_first);
    results_report(cx, p, false);
    process_stop_timer(cx, p);
    if (p->ext && p->ext->dirty)
        node->config.abandon_dirty(node->config.ctx, p);
    crash_report(cx, p);
    if ((p->flags & PROCESS_F_MAIN) && node->config.main_ended)
        node->config.main_ended(node->config.ctx, p);
    free_memory(cx, p);
    actor_count(cx, -1);
    atom_store_rel(&p->state, (uint8_t)PROCESS_DEAD); /* release: as above */
    p->msg_first = free_signals(cx, left, REAP_PIECE);
    if (p->msg_first && node->config.ctx_of && cx->sched) {
        p->resume.a = (uint64_t)(uintptr_t)node;
        task_init(&p->task, reap, TASK_PRIO_NORMAL, p->task.trace_id);
        sched_ready(cx->sched, cx->group, &p->task);
        return;
    }
    p->msg_first = free_signals(cx, p->msg_first, SIZE_MAX);
    slot_release(cx, p);
}

void process_discard(ActorCtx *cx, Process *p)
{
    if (p->mbox_tail != MBOX_CLOSED)
        free_signals(cx, mailbox_close(p), SIZE_MAX);
    free_signals(cx, p->msg_first, SIZE_MAX);
    p->msg_first = NULL;
    if (p->ext && p->ext->dirty)
        cx->node->config.abandon_dirty(cx->node->config.ctx, p);
    free_memory(cx, p);
    atom_store_rlx(&p->state, (uint8_t)PROCESS_FREE); /* relaxed: nothing runs */
}
