/* SPDX-License-Identifier: Apache-2.0 */
/* slice.c - a process's turn on a scheduler: what comes before and after the dispatch loop.
 *
 * First what has arrived is sorted and exits are delivered, then interp_loop runs until the slice
 * is used up, the process waits, wants a collection that is too long for a scheduler, or ends.
 * Threads: runs on the scheduler that owns the process. */
#include "interp.h"

#include "interp_int.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

static TaskVerdict end_process(VmLocal *l, Process *p)
{
    interp_abandon_dirty(p);
    if (!away_end(l, p)) {
        process_exit(&l->actor, p);
    }
    return TASK_DONE;
}

/* Leaves for l->collection. False: it was made at once, because no thread could be had. */
static bool leave_to_collect(VmLocal *l, Process *p)
{
    if (away_collect(l, p)) {
        return true;
    }
    HeapGcResult result;
    interp_collect_whole(&l->actor.heap, p, &l->collection, &result);
    l->counters.words_copied += result.words_copied;
    p->wait = PROCESS_WAIT_COLLECT;
    return false;
}

/* Back from it. False: the process ends. */
static bool back_from_collection(VmLocal *l, Process *p)
{
    l->counters.collections++;
    p->wait = PROCESS_WAIT_NOTHING;
    if (p->modes & PROCESS_MODE_COLLECT_FAILED) {
        return false; /* for that, or for what a signal has told it since */
    }
    if (UNLIKELY(p->modes & PROCESS_MODE_SHRINK)) {
        /* The block has just been fitted. A process whose slices all end like this one may not
         * yield before it is deep in the reserve, where a second overflow ends it. */
        (void)interp_shrink(l, p);
    }
    if (p->ext && p->ext->finalizers != VALUE_NIL) {
        (void)interp_run_finalizers(l, p);
    }
    return true;
}

/* At a switch-in: whether frozen regions should be let go. Stress builds collect each time, because
 * a primitive that continues must find its way without addresses. */
static bool sweep_due(const VmLocal *l, const Process *p)
{
#ifdef MAGGIE_GC_STRESS
    (void)l;
    (void)p;
    return true;
#else
    return p->heap.ext && heap_wants_sweep(&p->heap, &l->vm->heap_env);
#endif
}

/* In the simulator nothing arrives while a slice lasts, so no two signals would cross: there, what
 * has come to a process that was interrupted between two calls may still be on its way. */
static bool is_late(const Process *p, Sched *sched)
{
    return p->pending && p->wait == PROCESS_WAIT_NOTHING && !p->resume.a &&
           sched_sim_choose(sched->group, 4) != 0;
}

TaskVerdict interp_run(Task *task, Sched *sched)
{
    Process *p = (Process *)(void *)((char *)task - offsetof(Process, task));
    VmLocal *l = sched->user;
    bool swept = false; /* once per turn: a second would find the same, or it would never end */
    bool late = l->vm->sim && is_late(p, sched);
    for (;; late = false) {
        if (process_has_signals(p) && !late) {
            process_fetch_at_rest(&l->actor, p, &sched->reds);
            if (UNLIKELY(process_mail_over(&l->actor, p))) {
                interp_end_for(p, STATUS_HEAP_LIMIT);
                return end_process(l, p);
            }
        }
        vm_local_check_version(l); /* after the fetch: what it brought may tell of new code */
        if (UNLIKELY(p->wait == PROCESS_WAIT_COLLECT)) {
            swept = true;
            if (!back_from_collection(l, p)) {
                return end_process(l, p);
            }
        }
        if (UNLIKELY(p->flags & PROCESS_F_EXIT_PENDING)) {
            switch (interp_deliver_exit(l, p)) {
            case EXIT_DELIVERED: break;
            case EXIT_NOW: return end_process(l, p);
            case EXIT_COLLECT:
                if (leave_to_collect(l, p)) {
                    return TASK_PARKED;
                }
                continue;
            }
        }
        if (UNLIKELY(p->wait == PROCESS_WAIT_DIRTY) && interp_dirty_pending(p)) {
            if (process_park(p, PROCESS_WAIT_DIRTY)) {
                return TASK_PARKED;
            }
            if (!interp_dirty_pending(p) || process_has_signals(p)) {
                continue;
            }
            return TASK_YIELD; /* a signal is half linked: look again later */
        }
        p->wait = PROCESS_WAIT_NOTHING;
        if (UNLIKELY(!swept && sweep_due(l, p))) {
            swept = true;
            if (interp_sweep_is_long(l, p)) {
                if (leave_to_collect(l, p)) {
                    return TASK_PARKED;
                }
                continue;
            }
            if (!interp_sweep(l, p, &sched->reds)) {
                return end_process(l, p);
            }
        }
        int32_t before = sched->reds;
        LoopEnd end = interp_loop(l, p, sched);
        l->unpaid += before - sched->reds;
        if (UNLIKELY(l->unpaid >= SCHED_REDUCTIONS)) {
            process_charge(p, SCHED_REDUCTIONS);
            l->unpaid -= SCHED_REDUCTIONS;
        }
        switch (end) {
        case LOOP_YIELD:
            if (UNLIKELY(p->modes & PROCESS_MODE_SHRINK) && interp_shrink(l, p) &&
                leave_to_collect(l, p)) {
                return TASK_PARKED;
            }
            return TASK_YIELD;
        case LOOP_DONE: return end_process(l, p);
        case LOOP_COLLECT:
            if (leave_to_collect(l, p)) {
                return TASK_PARKED;
            }
            continue;
        case LOOP_PARK:
            if (l->call.dirty_run) {
                bool owned = l->call.dirty_wait != 0;
                if (interp_start_dirty(l, p) != STATUS_OK) {
                    return end_process(l, p);
                }
#ifdef MAGGIE_MUTANT_AWAY_PARKED
                owned = owned && !process_park(p, PROCESS_WAIT_COPY); /* so that signals wake it */
                return TASK_PARKED;
#endif
                if (owned) {
                    return TASK_PARKED; /* made ready by the job, nobody else */
                }
                continue;
            }
            if (process_park(p, (ProcessWait)p->wait)) {
                return TASK_PARKED;
            }
            if (sched->reds <= 0) {
                return TASK_YIELD;
            }
            sched->reds--; /* a walk that waits for a producer must not spin for ever */
            continue;
        }
    }
}
