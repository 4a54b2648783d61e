/* SPDX-License-Identifier: Apache-2.0 */
/* interp.h - running Maggie code: the dispatch loop and what prepares and inspects its frames.
 * Threads: everything by the owner of the process. */
#ifndef MAGGIE_INTERP_H
#define MAGGIE_INTERP_H

#include "frame.h"
#include "vm.h"

/* Beyond the stack budget StackOverflow is signalled, and its handlers have at least one of these
 * (M7). The overflow is noticed when the block is full, up to a nursery, that is two of them, too
 * late. The fourth is for the last growth. */
#define INTERP_STACK_RESERVE_BYTES ((size_t)256 * 1024)
#define INTERP_STACK_RESERVES 4

/* The Task function of every process. */
TaskVerdict interp_run(Task *task, Sched *sched);

/* Sets up the base frame of a new process: `closure` with `argc` arguments (0 or 1, `arg`). The
 * heap must have room for the window (interp_base_words). */
size_t interp_base_words(const Code *block);
void interp_setup_block(Process *p, Value closure, unsigned argc, Value arg);
/* The same for a method or doit: receiver and arguments. */
void interp_setup_code(Process *p, Code *code, Value receiver, unsigned argc, const Value *args);

/* Live ranges of the stack and the process struct, for HeapRoots. */
void interp_roots(void *process, HeapVisit visit, void *arg);

/* Walking frames from the top; offsets name frames (frame.h). */
typedef struct FrameWalk {
    Process *p;
    Code *code;
    size_t window;   /* offset in words */
    const Instr *pc; /* where the frame will continue */
    bool more;
} FrameWalk;
FrameWalk frame_top(Process *p);
/* To the caller; false at the base frame. */
bool frame_up(FrameWalk *w);
static inline Value *frame_regs(const FrameWalk *w) { return w->p->heap.lo + w->window; }
/* Source line and column of the instruction before `pc`; 0 when unknown. */
uint32_t code_line_at(const Code *code, const Instr *pc, uint32_t *column);

/* Lookup (vm_lookup.c). NULL: not understood. */
Code *vm_lookup(const Vm *vm, uint32_t cls, uint32_t selector);
Code *vm_lookup_cached(VmLocal *l, uint32_t cls, uint32_t selector);
/* Drops the scheduler's cache when code changed since it was filled. */
void vm_local_check_version(VmLocal *l);

#endif
