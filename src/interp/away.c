/* SPDX-License-Identifier: Apache-2.0 */
/* away.c - what a big heap costs is done on a thread where it disturbs nobody (I5, M17): collecting
 * it, copying out of it, ending the process that has it.
 *
 * The process is taken from its scheduler with everything it owns and belongs to the job; it is not
 * parked, so no signal can make it ready: signals wait in the mailbox, kills included, until the
 * job is done. Then it is made ready like any other, on whatever scheduler. A process that ends
 * does not come back.
 *
 * A job brings an AwayLocal along, which is to it what a VmLocal is to a scheduler. There are as
 * many as threads that can run such jobs, made with the VM, so taking one cannot fail.
 *
 * Threads: away_collect, away_end by the owner of the process, on its scheduler; the rest as said.
 * Invariant: after a job was accepted the scheduler does not touch the process any more. */
#include "vm_int.h"

#include "dirty.h"
#include "interp_int.h"

struct AwayLocal {
    ActorCtx actor; /* without a scheduler */
    PoolLocal pool;
    AwayLocal *next; /* free ones; under Vm.away_lock */
};

/* ---- locals --------------------------------------------------------------------------------- */

static Status away_add(Vm *vm)
{
    AwayLocal *a = env_calloc(vm->env, sizeof *a);
    if (!a)
        return STATUS_NO_MEMORY;
    EpochRecord *epoch = epoch_register(vm->epochs);
    if (!epoch) {
        env_free(vm->env, a, sizeof *a);
        return STATUS_NO_MEMORY;
    }
    pool_local_init(&a->pool, vm->pools);
    a->actor = (ActorCtx){.node = vm->actors,
                          .group = vm->group,
                          .heap = {.env = &vm->heap_env, .pool = &a->pool, .epoch = epoch},
                          .epoch = epoch};
    a->next = vm->away;
    vm->away = a;
    return STATUS_OK;
}

Status away_create(Vm *vm)
{
    for (uint32_t i = 0; i < vm->nlocals; i++)
        STATUS_FORWARD(away_add(vm));
    return STATUS_OK;
}

void away_destroy(Vm *vm)
{
    while (vm->away) {
        AwayLocal *a = vm->away;
        vm->away = a->next;
        actor_ctx_close(&a->actor);
        epoch_unregister(a->actor.epoch);
        pool_local_close(&a->pool);
        env_free(vm->env, a, sizeof *a);
    }
}

static AwayLocal *away_take(Vm *vm)
{
    lock_acquire(&vm->away_lock);
    AwayLocal *a = vm->away;
    assert(a); /* as many as threads */
    vm->away = a->next;
    lock_release(&vm->away_lock);
    return a;
}

static void away_put(Vm *vm, AwayLocal *a)
{
    /* Regions and slots that it let go of would otherwise stay until its next job. In the simulator
     * the schedulers whose sections must end for that run on this very thread. */
    if (epoch_pending(a->actor.epoch) > 0) {
        if (sched_is_sim(vm->group))
            (void)epoch_settle(a->actor.epoch);
        else
            epoch_barrier(a->actor.epoch);
    }
    actor_ctx_trim(&a->actor);
    lock_acquire(&vm->away_lock);
    a->next = vm->away;
    vm->away = a;
    lock_release(&vm->away_lock);
}

static void away_count(Vm *vm, AwayKind kind, size_t words)
{
    lock_acquire(&vm->away_lock);
    vm->away_counters.jobs[kind]++;
    vm->away_counters.words += words;
    lock_release(&vm->away_lock);
}

/* ---- jobs ----------------------------------------------------------------------------------- */

typedef struct AwayJob {
    DirtyJob job;
    Vm *vm;
    Process *process;
    AwayLocal *local; /* from run to done */
    Collection collection;
    Fragment *fragment; /* of a job that only frees */
} AwayJob;

static AwayJob *job_new(Vm *vm, Process *p, void (*run)(DirtyJob *), void (*done)(DirtyJob *, bool))
{
    AwayJob *j = env_alloc(vm->env, sizeof *j);
    if (j) {
        *j = (AwayJob){.job = {.run = run, .done = done}, .vm = vm, .process = p};
        j->job.arg = j;
    }
    return j;
}

static void job_free(AwayJob *j) { env_free(j->vm->env, j, sizeof *j); }

/* False: not accepted, the job is gone. */
static bool job_submit(AwayJob *j)
{
    if (dirty_submit_work(j->vm->group, &j->job) == STATUS_OK)
        return true;
    job_free(j);
    return false;
}

/* ---- collecting ----------------------------------------------------------------------------- */

static void collect_run(DirtyJob *job)
{
    AwayJob *j = job->arg;
    Process *p = j->process;
    HeapGcResult result = {0};
    j->local = away_take(j->vm);
    interp_collect_whole(&j->local->actor.heap, p, &j->collection, &result);
    away_count(j->vm, AWAY_COLLECT, result.words_copied);
}

static void collect_done(DirtyJob *job, bool ran)
{
    AwayJob *j = job->arg;
    Vm *vm = j->vm;
    Process *p = j->process;
    AwayLocal *local = j->local;
    job_free(j);
    /* publishes the process with its new heap to the scheduler that takes the task */
    sched_ready(NULL, vm->group, &p->task);
    if (ran)
        away_put(vm, local);
}

bool away_collect(VmLocal *l, Process *p)
{
    AwayJob *j = job_new(l->vm, p, collect_run, collect_done);
    if (!j)
        return false;
    j->collection = l->collection;
    /* relaxed: for tools that look meanwhile */
    atom_store_rlx(&p->wait, (uint8_t)PROCESS_WAIT_COLLECT);
    return job_submit(j);
}

/* ---- copying -------------------------------------------------------------------------------- */

/* After so many copies for one call the next is made where the call runs: it wants several that are
 * long, and loses one while the other is made. */
#define AWAY_ROUNDS 2

/* Belongs to the process, ext->copied; while the job runs, to that. */
typedef struct AwayCopy {
    Vm *vm;
    Process *from;
    unsigned round; /* 1.. within one call of a primitive */
    CopyMade made;  /* of a heap only wish and status */
    ForkCopy fork;
} AwayCopy;

static AwayCopy *copy_of(const Process *p) { return p->ext ? p->ext->copied : NULL; }

static void copy_run(void *state)
{
    AwayCopy *copy = state;
    CopyMade *made = &copy->made;
    AwayLocal *a = away_take(copy->vm);
    size_t words = 0;
    if (made->wish.kind == COPY_HEAP) {
        made->status = interp_fork_copy(&a->actor, &copy->from->heap, made->wish.root,
                                        made->wish.extra, made->wish.arg, 0, &copy->fork);
        words = made->status == STATUS_OK ? a->actor.copied_words : 0;
    } else {
        heap_copy_make(&copy->from->heap, &a->actor.heap, made);
        if (made->wish.kind == COPY_FRAGMENT && made->fragment)
            process_detach(made->fragment);
        words = made->fragment ? made->fragment->words
                : made->region ? region_bytes(made->region) / sizeof(Value)
                               : 0;
    }
    away_put(copy->vm, a);
    away_count(copy->vm, AWAY_COPY, words);
}

/* The state of the job is the process's. */
static void copy_leave(void *state) { (void)state; }

void away_drop_copy(Process *p)
{
    AwayCopy *copy = copy_of(p);
    if (!copy)
        return;
    Vm *vm = copy->vm;
    bool unused = copy->made.status == STATUS_OK && copy->made.wish.kind != COPY_NOTHING;
    HeapCtx *cx = &vm->outside->actor.heap;
    p->ext->copied = NULL;
    if (unused && copy->made.fragment)
        away_free_fragment(vm, copy->made.fragment);
    lock_acquire(&vm->outside_lock);
    if (unused && copy->made.region)
        region_release(cx, vm->outside->actor.epoch, copy->made.region);
    if (unused && copy->fork.heap.lo)
        heap_destroy(&copy->fork.heap, cx);
    if (copy->made.wish.keep)
        copy->made.wish.drop(cx, copy->made.wish.keep);
    lock_release(&vm->outside_lock);
    env_free(vm->env, copy, sizeof *copy);
}

void away_copy_roots(Process *p, HeapVisit visit, void *arg)
{
    AwayCopy *copy = copy_of(p);
    if (!copy || copy->made.wish.kind == COPY_NOTHING || copy->made.wish.kind == COPY_DUPLICATE)
        return;
    visit(arg, &copy->made.wish.root, 1);
    visit(arg, &copy->made.wish.arg, 1);
    visit(arg, &copy->made.culprit, 1);
}

PrimStatus away_copy(PrimCall *c)
{
    VmLocal *l = prim_local(c);
    Process *p = c->process;
    unsigned round = copy_of(p) ? copy_of(p)->round + 1 : 1;
    away_drop_copy(p);
    ProcessExt *ext;
    AwayCopy *copy = env_calloc(l->vm->env, sizeof *copy);
    if (!copy || process_ext(&l->actor, p, &ext) != STATUS_OK) {
        CopyWish *wish = &l->actor.heap.wish;
        if (wish->keep)
            wish->drop(&l->actor.heap, wish->keep);
        env_free(l->vm->env, copy, sizeof *copy);
        return prim_status(c, STATUS_NO_MEMORY, 0);
    }
    copy->vm = l->vm;
    copy->from = p;
    copy->round = round;
    /* the status is of a job that is never run */
    copy->made =
        (CopyMade){.wish = l->actor.heap.wish, .status = STATUS_NO_MEMORY, .culprit = VALUE_NIL};
    ext->copied = copy;
    c->dirty_run = copy_run;
    c->dirty_free = copy_leave;
    c->dirty_state = copy;
    c->dirty_wait = PROCESS_WAIT_COPY;
    return PRIM_DIRTY;
}

size_t away_copy_words(const PrimCall *c)
{
    const AwayCopy *copy = copy_of(c->process);
    return copy && copy->round >= AWAY_ROUNDS ? 0 : c->cx->env->long_words / 2;
}

bool away_show_copy(VmLocal *l, Process *p)
{
    AwayCopy *copy = copy_of(p);
    l->actor.heap.made = copy ? &copy->made : NULL;
    return copy != NULL;
}

bool away_take_fork(VmLocal *l, const Process *p, Value block, unsigned argc, Value arg,
                    ForkCopy *copy, Status *status)
{
    AwayCopy *made = l->actor.heap.made ? copy_of(p) : NULL;
    if (!made || !heap_copy_is_made(&l->actor.heap, COPY_HEAP, block, argc) ||
        made->made.wish.arg != arg)
        return false;
    *copy = made->fork;
    *status = made->made.status;
    made->made.wish.kind = COPY_NOTHING;
    return true;
}

/* ---- ending --------------------------------------------------------------------------------- */

static void end_run(DirtyJob *job)
{
    AwayJob *j = job->arg;
    size_t words = heap_bytes(&j->process->heap) / sizeof(Value);
    j->local = away_take(j->vm);
    process_exit(&j->local->actor, j->process);
    away_count(j->vm, AWAY_END, words);
}

/* Of a process whose end was not begun the node's destruction frees what it holds. */
static void end_done(DirtyJob *job, bool ran)
{
    AwayJob *j = job->arg;
    if (ran)
        away_put(j->vm, j->local);
    job_free(j);
}

bool away_end(VmLocal *l, Process *p)
{
    /* a copy of the result alone may be as much work as collecting twice that */
    size_t bytes = 2 * heap_bytes(&p->heap);
    if (p->flags & PROCESS_F_MAIL_COUNTED)
        bytes += p->ext->mail_bytes;
    if (bytes / sizeof(Value) <= l->vm->heap_env.long_words)
        return false;
    AwayJob *j = job_new(l->vm, p, end_run, end_done);
    if (!j)
        return false;
    process_stop_timer(&l->actor, p);                    /* it is in this scheduler's wheel */
    atom_store_rlx(&p->wait, (uint8_t)PROCESS_WAIT_END); /* relaxed: as above */
    return job_submit(j);
}

/* ---- freeing -------------------------------------------------------------------------------- */

static void free_run(DirtyJob *job)
{
    AwayJob *j = job->arg;
    j->local = away_take(j->vm);
    fragment_free(&j->local->actor.heap, j->fragment);
    j->fragment = NULL;
}

static void free_here(Vm *vm, Fragment *f)
{
    lock_acquire(&vm->outside_lock);
    fragment_free(&vm->outside->actor.heap, f);
    lock_release(&vm->outside_lock);
}

static void free_done(DirtyJob *job, bool ran)
{
    AwayJob *j = job->arg;
    if (ran)
        away_put(j->vm, j->local);
    else
        free_here(j->vm, j->fragment);
    job_free(j);
}

void away_free_fragment(Vm *vm, Fragment *f)
{
    AwayJob *j = vm->group ? job_new(vm, NULL, free_run, free_done) : NULL;
    if (j)
        j->fragment = f;
    if (!j || !job_submit(j))
        free_here(vm, f);
}
