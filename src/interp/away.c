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
            (void)epoch_poll(a->actor.epoch);
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

/* A message, or the heap of a process to be. */
typedef struct AwayCopy {
    Vm *vm;
    Process *from;
    Status status;
    Value culprit;
    Fragment *message; /* taken by whoever sends it */
    ForkCopy fork;     /* heap.lo NULL: there is none */
    Value root;
    unsigned argc;
    Value arg;
} AwayCopy;

static AwayCopy *copy_new(VmLocal *l, Process *p)
{
    AwayCopy *copy = env_calloc(l->vm->env, sizeof *copy);
    if (copy) {
        copy->vm = l->vm;
        copy->from = p;
        copy->culprit = VALUE_NIL;
    }
    return copy;
}

static void copy_message_run(void *state)
{
    AwayCopy *copy = state;
    AwayLocal *a = away_take(copy->vm);
    copy->status = fragment_copy_out(&copy->from->heap, &a->actor.heap, copy->root,
                                     SIGNAL_MESSAGE_EXTRA, &copy->message, &copy->culprit);
    size_t words = 0;
    if (copy->status == STATUS_OK) {
        process_detach(copy->message);
        copy->message->info = SIGNAL_MESSAGE_DETACHED;
        words = copy->message->words;
    }
    away_put(copy->vm, a);
    away_count(copy->vm, AWAY_COPY, words);
}

static void copy_fork_run(void *state)
{
    AwayCopy *copy = state;
    AwayLocal *a = away_take(copy->vm);
    copy->status = interp_fork_copy(&a->actor, &copy->from->heap, copy->root, copy->argc, copy->arg,
                                    0, &copy->fork);
    size_t words = copy->status == STATUS_OK ? a->actor.copied_words : 0;
    away_put(copy->vm, a);
    away_count(copy->vm, AWAY_COPY, words);
}

/* Nobody wants it any more. */
static void copy_drop(void *state)
{
    AwayCopy *copy = state;
    Vm *vm = copy->vm;
    if (copy->message)
        away_free_fragment(vm, copy->message);
    if (copy->fork.heap.lo) {
        lock_acquire(&vm->outside_lock);
        heap_destroy(&copy->fork.heap, &vm->outside->actor.heap);
        lock_release(&vm->outside_lock);
    }
    env_free(vm->env, copy, sizeof *copy);
}

static PrimStatus copy_leave(VmLocal *l, AwayCopy *copy, void (*run)(void *))
{
    PrimCall *c = &l->call;
    c->dirty_run = run;
    c->dirty_free = copy_drop;
    c->dirty_state = copy;
    c->dirty_wait = PROCESS_WAIT_COPY;
    return PRIM_DIRTY;
}

PrimStatus away_copy_message(PrimCall *c, Value message)
{
    AwayCopy *copy = copy_new(prim_local(c), c->process);
    if (!copy)
        return prim_status(c, STATUS_NO_MEMORY, 0);
    copy->root = message;
    return copy_leave(prim_local(c), copy, copy_message_run);
}

PrimStatus away_copy_fork(PrimCall *c, Value block, unsigned argc, Value arg)
{
    AwayCopy *copy = copy_new(prim_local(c), c->process);
    if (!copy)
        return prim_status(c, STATUS_NO_MEMORY, 0);
    copy->root = block;
    copy->argc = argc;
    copy->arg = arg;
    return copy_leave(prim_local(c), copy, copy_fork_run);
}

/* The finished copy, which the primitive takes. */
static AwayCopy *copy_take(PrimCall *c)
{
    AwayCopy *copy = c->dirty_state;
    c->dirty_state = NULL;
    return copy;
}

Status away_take_message(PrimCall *c, Fragment **message, Value *culprit)
{
    AwayCopy *copy = copy_take(c);
    Status status = copy->status;
    *message = copy->message;
    *culprit = copy->culprit;
    env_free(copy->vm->env, copy, sizeof *copy);
    return status;
}

Status away_take_fork(PrimCall *c, ForkCopy *fork)
{
    AwayCopy *copy = copy_take(c);
    Status status = copy->status;
    *fork = copy->fork;
    env_free(copy->vm->env, copy, sizeof *copy);
    return status;
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
    process_stop_timer(&l->actor, p); /* it is in this scheduler's wheel */
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
    AwayJob *j = job_new(vm, NULL, free_run, free_done);
    if (j)
        j->fragment = f;
    if (!j || !job_submit(j))
        free_here(vm, f);
}
