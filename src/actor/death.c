/* SPDX-License-Identifier: Apache-2.0 */
/* death.c - the end of a process.
 *
 * Order (M10): state EXITING; queues of channels and locks left; crash reported; holds told; names
 * given back; links and monitors; reports to forker and waiters; calls refused; mailbox CLOSED;
 * what was still in it refused (MONITOR and WAIT get the same report); timer and dirty job let go;
 * memory freed; messages freed; new pid; slot to the epoch. Each of these steps may be long (a
 * hundred thousand links, a million messages), so each is done in pieces: when the slice is used
 * up the process's own task, which now runs `reap`, goes on in the next. The interpreter's state
 * is gone by then; the fields of Process.resume remember where the work stands.
 *
 * Threads: the owner; of a process with a big heap that is a thread which is no scheduler (its
 * context has none) and not for ever in an epoch section, so the end is made in one go there, and
 * the stages that look at other processes are in sections of their own.
 */
#include "actor_int.h"
#include "inspect.h"

#include <string.h>

#include "call.h"
#include "promise.h"
#include "strbuf.h"
#include "trace.h"
#include "waitable.h"

/* What an end may cost at least in one go, so that an ordinary one is done at once. */
#define DEATH_MIN 256

/* ---- the end -------------------------------------------------------------------------------- */

typedef enum DeathStage {
    DEATH_HOLDS,
    DEATH_NAMES,
    DEATH_WATCHING, /* its monitors of others */
    DEATH_LINKS,
    DEATH_WATCHED, /* others' monitors of it */
    DEATH_RESULTS, /* waiters, forker */
    DEATH_CALLS,   /* received and not replied to */
    DEATH_CLOSE,   /* the mailbox */
    DEATH_REFUSE,  /* what was in it */
    DEATH_BOUND,   /* who waits to send */
    DEATH_MEMORY,
    DEATH_MESSAGES, /* received and never taken */
    DEATH_DONE
} DeathStage;

/* Frees up to *left of the chain; answers what remains. */
static Fragment *free_signals(ActorCtx *cx, Fragment *f, int32_t *left)
{
    while (f && *left > 0) {
        Fragment *next = f->next;
        --*left;
        fragment_free(&cx->heap, f);
        f = next;
    }
    return f;
}

static void free_memory(ActorCtx *cx, Process *p)
{
    if (p->heap.lo)
        heap_destroy(&p->heap, &cx->heap);
    p->heap.lo = NULL;
    ProcessExt *ext = p->ext;
    if (!ext)
        return;
    int32_t all = INT32_MAX;
    results_free(cx->node->config.env, ext);
    (void)free_signals(cx, ext->waiters, &all);
    inbox_free(cx, ext);
    inspect_free(cx, ext);
    trace_free(cx, ext);
    (void)free_signals(cx, ext->names, &all);
    (void)free_signals(cx, ext->raises, &all);
    bonds_free(cx, &ext->links);
    bonds_free(cx, &ext->watching);
    bonds_free(cx, &ext->watched);
    pool_free(cx->heap.pool, ext, pool_class_of(sizeof *ext));
    p->ext = NULL;
}

static void let_go(ActorCtx *cx, Process *p)
{
    const ActorConfig *config = &cx->node->config;
    results_drop_report(cx, p);
    process_stop_timer(cx, p);
    if (p->ext && (p->ext->dirty || p->ext->copied))
        config->abandon_dirty(config->ctx, p);
    if ((p->flags & PROCESS_F_MAIN) && config->main_ended)
        config->main_ended(config->ctx, p);
    free_memory(cx, p);
    actor_count(cx, -1);
    atom_store_rel(&p->state, (uint8_t)PROCESS_DEAD); /* release: as in process_exit */
}

/* The reason, without its details when it is an object: for who has not been received. */
static Value end_symbol(const ActorCtx *cx, const Process *p)
{
    return value_is_ptr(p->exit_reason) ? cx->node->sym_error : p->exit_reason;
}

/* Messages that were never received; who called is told. */
static bool free_messages(ActorCtx *cx, Process *p, int32_t *left)
{
    Fragment *f;
    while (*left > 0 && (f = p->msg_first)) {
        --*left;
        p->msg_first = f->next;
        if (f->kind == SIGNAL_CALL)
            call_refuse(cx, f, end_symbol(cx, p));
        else
            fragment_free(&cx->heap, f); /* the promise of an ASK was among the holds */
    }
    return !p->msg_first;
}

/* A signal that came too late: who asks for the end is told of it. */
static bool refuse_signals(ActorCtx *cx, Process *p, int32_t *left)
{
    Fragment *f;
    while (*left > 0 && (f = mailbox_drain(p))) {
        --*left;
        if (f->kind == SIGNAL_WAIT)
            results_answer(cx, p, f, left);
        else if (f->kind == SIGNAL_MONITOR)
            monitors_answer(cx, p, f, left);
        else if (f->kind == SIGNAL_CALL)
            call_refuse(cx, f, end_symbol(cx, p));
#ifndef MAGGIE_MUTANT_HOLD_LATE
        else if (f->kind == SIGNAL_HOLD || f->kind == SIGNAL_ASK)
            promise_handed_late(cx, p, f);
#endif
        else
            signal_refuse(cx, f);
    }
    return !p->mbox_walk;
}

/* A mutant's order of the stages. */
static DeathStage stage_of(const ActorNode *node, DeathStage stage)
{
    if (LINK_MUTANT(node, NAME_LATE) && stage >= DEATH_NAMES && stage <= DEATH_RESULTS)
        return stage == DEATH_RESULTS ? DEATH_NAMES : (DeathStage)(stage + 1);
    if (LINK_MUTANT(node, DOWN_AFTER_RESULT) && stage >= DEATH_WATCHED && stage <= DEATH_RESULTS)
        return stage == DEATH_RESULTS ? DEATH_WATCHED : DEATH_RESULTS;
    return stage;
}

/* Does what belongs to a stage; false when the slice was used up before its end. */
static bool death_stage(ActorCtx *cx, Process *p, DeathStage stage, int32_t *left)
{
    switch (stage_of(cx->node, stage)) {
    case DEATH_HOLDS: return holds_end(cx, p, left);
    case DEATH_NAMES: return names_end(cx, p, left);
    case DEATH_WATCHING: return monitors_end_watching(cx, p, left);
    case DEATH_LINKS: return links_end(cx, p, left);
    case DEATH_WATCHED: return monitors_end_watched(cx, p, left);
    case DEATH_RESULTS: return results_report(cx, p, left);
    case DEATH_CALLS: return calls_end(cx, p, left);
    case DEATH_CLOSE: mailbox_shut(p); return true;
    case DEATH_REFUSE: return refuse_signals(cx, p, left);
    case DEATH_BOUND: return mail_close(cx, p, left);
    case DEATH_MEMORY: let_go(cx, p); return true;
    case DEATH_MESSAGES: return free_messages(cx, p, left);
    case DEATH_DONE: break;
    }
    return true;
}

/* resume.a: the node; resume.b: the stage. True: all is done, the slot is given back. */
static bool death_go_on(ActorCtx *cx, Process *p, int32_t *left)
{
    while (p->resume.b < DEATH_DONE) {
        DeathStage stage = (DeathStage)p->resume.b;
        /* a scheduler is in one anyway; results are long and open their own */
        bool section = !cx->sched && (stage < DEATH_RESULTS || stage == DEATH_REFUSE);
        if (section)
            epoch_begin(cx->epoch);
        bool done = death_stage(cx, p, stage, left);
        if (section)
            epoch_end(cx->epoch);
        if (!done)
            return false;
        p->resume.b++;
    }
    slot_release(cx, p);
    return true;
}

static TaskVerdict reap(Task *task, Sched *sched)
{
    Process *p = process_of_task(task);
    const ActorNode *node = (const ActorNode *)(uintptr_t)p->resume.a;
    return death_go_on(node->config.ctx_of(sched), p, &sched->reds) ? TASK_DONE : TASK_YIELD;
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
    epoch_begin(cx->epoch);
    process_stop_waiting(cx, p);
    p->resume.c = 0;
    crash_report(cx, p);
    if (p->mail & MAIL_F_TRACE_LIFE)
        trace_exited(cx, p);
    epoch_end(cx->epoch);
    p->resume.a = (uint64_t)(uintptr_t)node;
    p->resume.b = DEATH_HOLDS;
    bool pieces = node->config.ctx_of && cx->sched;
    int32_t left = INT32_MAX;
    if (pieces)
        left = cx->sched->reds > DEATH_MIN ? cx->sched->reds : DEATH_MIN;
    int32_t had = left;
    bool done = death_go_on(cx, p, &left);
    if (pieces)
        cx->sched->reds -= had - left;
    if (done)
        return;
    task_init(&p->task, reap, TASK_PRIO_NORMAL, p->task.trace_id);
    sched_ready(cx->sched, cx->group, &p->task);
}

void process_discard(ActorCtx *cx, Process *p)
{
    int32_t all = INT32_MAX;
    Fragment *f;
    process_stop_waiting(cx, p);
    (void)mail_close(cx, p, &all);
    (void)holds_end(cx, p, &all);
    while ((f = mailbox_drain(p)))
        fragment_free(&cx->heap, f);
    p->msg_first = free_signals(cx, p->msg_first, &all);
    results_drop_report(cx, p);
    if (p->ext && (p->ext->dirty || p->ext->copied))
        cx->node->config.abandon_dirty(cx->node->config.ctx, p);
    free_memory(cx, p);
    atom_store_rlx(&p->state, (uint8_t)PROCESS_FREE); /* relaxed: nothing runs */
}

void process_discard_new(ActorCtx *cx, Process *p)
{
    for (Fragment *f = mailbox_close(p); f;) {
        Fragment *next = f->next;
        fragment_free(&cx->heap, f);
        f = next;
    }
    free_memory(cx, p);
    slot_release(cx, p);
}
