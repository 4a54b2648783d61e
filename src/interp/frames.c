/* SPDX-License-Identifier: Apache-2.0 */
/* frames.c - walking a process's frames: homes of blocks, lines, base frames.
 * Threads: by the owner of the process, state committed. */
#include "interp_int.h"

FrameWalk frame_top(Process *p)
{
    return (FrameWalk){
        .p = p, .code = p->code, .window = p->window, .pc = (const Instr *)p->pc, .more = true};
}

bool frame_up(FrameWalk *w)
{
    const Value *record = frame_regs(w) + w->code->nargs + 1;
    Code *caller = frame_caller_code(record[0]);
    if (!caller) {
        w->more = false;
        return false;
    }
    w->pc = (const Instr *)(uintptr_t)record[1];
    w->window -= frame_delta(record[0]);
    w->code = caller;
    return true;
}

Code *interp_code_at(Process *p, size_t window)
{
    FrameWalk w = frame_top(p);
    while (w.window > window) {
        if (!frame_up(&w)) {
            break;
        }
    }
    return w.code;
}

HomeSearch interp_find_home(Process *p, Value token, size_t *window)
{
    FrameWalk w = frame_top(p);
    HomeSearch found = HOME_FOUND;
    if (token == HOME_TOKEN_DEAD) {
        return HOME_GONE;
    }
    for (;;) {
        bool is_base = !frame_up(&w);
        if (is_base) {
            if (token != HOME_TOKEN_FORK) {
                return HOME_GONE;
            }
            *window = w.window; /* D2: ^ in a forked block ends the process with the value */
            return found;
        }
        if (w.code->mark == CODE_MARK_ENSURE || w.code->mark == CODE_MARK_CURTAILED) {
            found = HOME_UNWIND;
        }
        if (w.code->home_reg && w.code->kind != CODE_BLOCK &&
            frame_regs(&w)[w.code->home_reg] == token) {
            *window = w.window;
            return found;
        }
    }
}

uint32_t code_line_at(const Code *code, const Instr *pc, uint32_t *column)
{
    uint32_t at = pc > code->instr ? (uint32_t)(pc - code->instr) - 1 : 0;
    uint32_t low = 0, high = code->nlines;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (code->lines[middle].pc <= at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        if (column) {
            *column = 0;
        }
        return code->line;
    }
    if (column) {
        *column = code->lines[low - 1].column;
    }
    return code->lines[low - 1].line;
}

size_t interp_base_words(const Code *block)
{
    return (size_t)block->nregs + HEAP_STACK_RED_ZONE + PRIM_EXTRA_ARGS;
}

/* Base record: no caller. */
static void base_record(Process *p, Code *code, Value *regs)
{
    regs[code->nargs + 1] = frame_link(NULL, 0);
    regs[code->nargs + 2] = 0;
    p->window = (uint32_t)(regs - p->heap.lo);
    p->code = code;
    p->pc = code->instr;
    p->pending = NULL;
    p->live = (uint32_t)code->nargs + 1 + FRAME_RECORD_WORDS + code->ncaps;
}

void interp_setup_block(Process *p, Value closure, unsigned argc, Value arg)
{
    Object *block = obj_of(closure);
    Code *code = closure_code(block);
    Value *regs = p->heap.lo;
    regs[0] = closure;
    for (unsigned i = 0; i < code->nargs; i++) {
        regs[1 + i] = i < argc ? arg : VALUE_NIL;
    }
    base_record(p, code, regs);
    memcpy(regs + code->nargs + 1 + FRAME_RECORD_WORDS, block->words + CLOSURE_FIRST_CAPTURE,
           code->ncaps * sizeof(Value));
}

void interp_setup_code(Process *p, Code *code, Value receiver, unsigned argc, const Value *args)
{
    Value *regs = p->heap.lo;
    regs[0] = receiver;
    for (unsigned i = 0; i < code->nargs; i++) {
        regs[1 + i] = i < argc ? args[i] : VALUE_NIL;
    }
    base_record(p, code, regs);
}
