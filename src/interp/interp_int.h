/* SPDX-License-Identifier: Apache-2.0 */
/* interp_int.h - what the files of the interpreter share: the out-of-line halves of the loop.
 * Threads: by the owner of the process, between safepoints. */
#ifndef MAGGIE_INTERP_INT_H
#define MAGGIE_INTERP_INT_H

#include "atomics.h"
#include "interp.h"

/* PRIM_FRAME with this send_argc: return c->result from the frame the process now names. */
#define INTERP_FRAME_RETURN 1
#define INTERP_FRAME_CONTINUE 0
/* The primitive has moved the stack but answers as usual: c->result is the call's answer. */
#define INTERP_FRAME_RESULT 2

/* The scheduler's state around a primitive call. */
static inline VmLocal *prim_local(PrimCall *c)
{
    return (VmLocal *)(void *)((char *)c - offsetof(VmLocal, call));
}

static inline InlineCache *code_ics(const Code *code)
{
    /* acquire: pairs with the release in code_reset_caches, publishes the empty table */
    return atom_load_acq(&code->ics);
}

#ifdef MAGGIE_COUNT_WORK
/* M20: supplied by the test that measures primitives; calls m->prim(c). */
PrimStatus interp_count_work(const Code *m, PrimCall *c);
#endif

/* ---- caches (lookup.c) ---- */
void ic_fill(InlineCache *ic, uint32_t cls, Code *target);
Code *dict_find(const MethodDict *dict, uint32_t selector);
static inline uint32_t dict_slot(uint32_t selector, uint32_t mask)
{
    return (selector * 2654435769u >> 7) & mask;
}

/* ---- the loop (interp.c) ---- */
/* What it ended with. COLLECT: wants l->collection made elsewhere. */
typedef enum { LOOP_YIELD, LOOP_PARK, LOOP_COLLECT, LOOP_DONE } LoopEnd;
LoopEnd interp_loop(VmLocal *l, Process *p, Sched *sched);

/* ---- calls of traced processes (calltrace.c) ---- */
/* The dispatch table: `plain`, but the sends lead to `stub`. */
const void *const *interp_trace_table(VmLocal *l, const void *const *plain, const void *stub);
/* Tells of the call that a send is about to make, one of those in the table. */
void interp_trace_send(VmLocal *l, Process *p, const Value *R, const Code *code,
                       const InlineCache *ics, Instr ins, int32_t reds);
/* The same for a send whose window stands. */
void interp_trace_window(VmLocal *l, Process *p, const Value *nb, unsigned argc, uint32_t selector);
/* The same for a method that was found (NULL: none was). */
void interp_trace_code(VmLocal *l, Process *p, const Code *m, Value receiver, const Value *args,
                       unsigned argc);

/* ---- memory (support.c) ---- */
/* Collects at the committed frame with `live` registers of the top window live. False: the process
 * ends (exit_reason set). Charges reductions. */
bool interp_collect(VmLocal *l, Process *p, size_t need_words, size_t live, size_t stack_words,
                    int32_t *reds);
/* Between slices, when the process should look which frozen regions it needs: a collection that is
 * not minor. As interp_collect and interp_collect_is_long. */
bool interp_sweep(VmLocal *l, Process *p, int32_t *reds);
bool interp_sweep_is_long(VmLocal *l, Process *p);
/* Would that be too long for a scheduler? Then the caller commits what is to be done afterwards and
 * leaves the loop for l->collection, which describes it. */
bool interp_collect_is_long(VmLocal *l, Process *p, size_t need_words, size_t live,
                            size_t stack_words);
/* The work itself, by whoever owns the process. */
Status interp_collect_for(HeapCtx *cx, Process *p, const Collection *c,
                          HeapGcResult *result) MUST_CHECK;
/* The same; a failure is noted in the process, which ends when it goes on. */
void interp_collect_whole(HeapCtx *cx, Process *p, const Collection *c, HeapGcResult *result);
/* The AWAY ones: the same after the collection in l->collection, which is long. */
typedef enum {
    STACK_GROWN,
    STACK_GROWN_AWAY,
    STACK_OVERFLOW,
    STACK_OVERFLOW_AWAY,
    STACK_EXHAUSTED
} StackGrowth;
/* Room for a callee window of nregs above `live` registers of the top window. */
StackGrowth interp_grow_stack(VmLocal *l, Process *p, size_t live, unsigned nregs, int32_t *reds);
/* Is the top window beyond the stack budget, with StackOverflow not yet signalled? */
static inline bool interp_over_budget(const VmLocal *l, const Process *p)
{
    size_t budget = l->vm->heap_env.stack_soft_bytes;
    return p->window * sizeof(Value) > budget && budget != 0 && !(p->flags & PROCESS_F_RESERVE);
}
/* After frames were dropped while PROCESS_F_RESERVE was set: when the stack is shallow again the
 * flag is cleared and the block shrinks, so that the next overflow is noticed in time. The top
 * frame is about to start or to return *answer. False: the process ends. */
bool interp_leave_reserve(VmLocal *l, Process *p, Value *answer, int32_t *reds);
/* At a yield: a block that leave_reserve found too long to shrink. True: by l->collection. */
bool interp_shrink(VmLocal *l, Process *p);
static inline bool interp_makes_frame(const Code *m)
{
    return m->kind == CODE_BLOCK || m->entry == ENTRY_BYTECODE || m->entry == ENTRY_COUNTED;
}
/* A method that was looked up in this slice will be called, perhaps after a collection elsewhere,
 * and may be replaced meanwhile: the process holds it. False: the process ends. */
bool interp_hold_callee(VmLocal *l, Process *p, const Code *method);
/* The process ends for lack of memory: sets exit_reason (I8). */
void interp_end_for(Process *p, Status status);
/* Mutable deep copy of a frozen literal array; words needed when there is no room now, else 0. */
size_t interp_copy_literal(VmLocal *l, Process *p, Value literal, const Value *stack_end,
                           Value *out);
/* `memory` has 4 + argc words: a Message and its arguments array. */
void interp_fill_message(Object *memory, uint32_t selector, const Value *window, unsigned argc);

/* ---- forking (fork.c) ---- */
/* Starts a process of `p` that runs a copy of a block, whose argument count the caller has checked,
 * with argc (0 or 1) arguments. l->actor.copied_words is what the copy took. */
Status interp_fork(VmLocal *l, Process *p, Value block, unsigned argc, Value arg, Domain *domain,
                   TaskPrio priority, Value *pid) MUST_CHECK;
/* The same, not yet started: process_start or interp_drop_child comes next. */
Status interp_make_child(VmLocal *l, Process *p, Value block, unsigned argc, Value arg,
                         Domain *domain, TaskPrio priority, Process **child) MUST_CHECK;
void interp_drop_child(VmLocal *l, Process *child);
/* The same at the forker's priority and domain, with what is in `bonds` before it runs; *reference
 * is that of FORK_MONITOR. */
enum {
    FORK_LINK = 1,      /* linked with the forker */
    FORK_MONITOR = 2,   /* monitored by it */
    FORK_QUIET = 4,     /* no crash report */
    FORK_WATCHING = 8,  /* it monitors the process `watched` */
    FORK_ARGUMENT = 16, /* there is an argument (for the primitive) */
    FORK_BONDS = 31
};
Status interp_fork_bound(VmLocal *l, Process *p, Value block, unsigned argc, Value arg,
                         unsigned bonds, Value watched, Value *pid, Value *reference) MUST_CHECK;
/* The two halves of it: a heap with the copy, and the process that gets it. */
typedef struct ForkCopy {
    Heap heap;
    Value block;
    Value arg;
} ForkCopy;
Status interp_fork_copy(ActorCtx *cx, Heap *source, Value block, unsigned argc, Value arg,
                        uint32_t salt, ForkCopy *copy) MUST_CHECK;

/* ---- long work (away.c) ---- */
/* Makes l->collection on another thread. True: the process must not be touched any more. False: it
 * could not be started. */
bool away_collect(VmLocal *l, Process *p);
/* Ends the process there if its memory is much; answers as above. */
bool away_end(VmLocal *l, Process *p);
/* Frees a big fragment there. Any thread. */
void away_free_fragment(Vm *vm, Fragment *f);
/* For a primitive whose copy was too long (STATUS_COPY_LONG), and which has undone what it did:
 * what it answers. It is called again, from its beginning, and what copies then finds the copy made
 * (HeapCtx.made; a fork: away_take_fork). */
PrimStatus away_copy(PrimCall *c);
/* Of a call that goes on: HeapCtx.copy_words. */
size_t away_copy_words(const PrimCall *c);
/* True: *status is the outcome and *copy the copy, the caller's. */
bool away_take_fork(VmLocal *l, const Process *p, Value block, unsigned argc, Value arg,
                    ForkCopy *copy, Status *status);
/* Shows the copy made for p, if there is one, to the call that goes on; whether. */
bool away_show_copy(VmLocal *l, Process *p);
/* Frees it. */
void away_drop_copy(Process *p);
void away_copy_roots(Process *p, HeapVisit visit, void *arg);

/* ---- weak references (prims_weak.c) ---- */
/* After a collection: forks the finalizers of objects that are gone. Answers the reductions it is
 * worth. */
size_t interp_run_finalizers(VmLocal *l, Process *p);

/* ---- errors (support.c): fill window nb[0..4] for a send of #_raise:with:with:selector: ---- */
void interp_raise(VmLocal *l, Value *nb, const Code *primitive);
void interp_raise_authority(VmLocal *l, const Process *p, Value *nb, const Code *primitive);
void interp_raise_status(VmLocal *l, Value *nb, Status status, Value culprit, uint32_t name);
void interp_clear_resume(Process *p);

/* ---- frames (frames.c) ---- */
typedef enum { HOME_FOUND, HOME_UNWIND, HOME_GONE } HomeSearch;
HomeSearch interp_find_home(Process *p, Value token, size_t *window);
/* Code of the frame at a window offset known to be one. */
Code *interp_code_at(Process *p, size_t window);

/* ---- exits, dirty jobs (exits.c) ---- */
/* Delivers a pending exit signal: pushes a call that unwinds and ends the process. EXIT_NOW: the
 * process ends at once (killed). EXIT_COLLECT: first the collection in l->collection. */
typedef enum { EXIT_DELIVERED, EXIT_NOW, EXIT_COLLECT } ExitDelivery;
ExitDelivery interp_deliver_exit(VmLocal *l, Process *p);
/* Starts the dirty job described by l->call for p and parks it. STATUS_OK: parked or running, the
 * process must not be touched. Otherwise the call goes on with an error. */
Status interp_start_dirty(VmLocal *l, Process *p);
/* Hands the finished job's state, if there is one, to the primitive call that continues; and copies
 * made elsewhere. */
void interp_take_dirty(VmLocal *l, Process *p);
/* That call has answered. */
void interp_end_back(VmLocal *l, Process *p, PrimStatus answer);
/* Frees such a state when the process ends before the primitive could. */
void interp_drop_dirty(VmLocal *l);
/* The process waits for a job that has not finished. */
bool interp_dirty_pending(const Process *p);
/* The process no longer wants its job; its state is freed when the job ends. */
void interp_abandon_dirty(Process *p);
/* Puts such a state back for the call that will start over after leaving for a collection. False:
 * no memory. */
bool interp_keep_dirty(VmLocal *l, Process *p);
/* Makes a parked process runnable from a thread that is no scheduler; nothing if it has died. */
void vm_unpark(Vm *vm, Value pid);

#endif
