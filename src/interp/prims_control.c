/* SPDX-License-Identifier: Apache-2.0 */
/* prims_control.c - primitives that run blocks and walk or cut frames: the C half of exceptions.
 *
 * Exceptions work as in standard Smalltalk (L1): the handler runs on top of the frame that signals,
 * nothing is unwound before it ends. Frames are named by their offset from the stack's start, which
 * stays valid while the frame exists; every primitive checks that an offset is a frame and of the
 * right kind. What is searched, in frames.c's order from the top:
 *
 *   Block>>on:do:               a handler; R[1] class, R[2] block
 *   Exception>>_dispatch        a handler runs above it: the search goes on outside the on:do:
 * frame
 *                               in its exception's `handlerFrame`
 *   Exception class>>_unwindFrom:value:   an unwind block runs above it: the search goes on outside
 *                               the frame in R[1], whose part of the stack counts as left
 *   Block>>ensure: ifCurtailed: R[1] is the unwind block, nil once it has been taken
 *
 * Threads: by the owner of the process, state committed (CONTROL entries). */
#include <stdio.h>

#include "buf.h"
#include "class.h"
#include "code_life.h"
#include "interp_int.h"

/* ---- blocks ------------------------------------------------------------------------------- */

PrimStatus prim_block_value(PrimCall *c)
{
    if (!value_is_kind(c->args[0], OBJ_CLOSURE)) {
        return prim_error(c, "the receiver is not a block");
    }
    c->send_argc = c->argc;
    return PRIM_VALUE;
}

PrimStatus prim_block_value_with(PrimCall *c)
{
    Value array = c->args[1];
    if (!value_is_kind(c->args[0], OBJ_CLOSURE)) {
        return prim_error(c, "the receiver is not a block");
    }
    if (!value_is_kind(array, OBJ_SLOTS) ||
        !class_inherits(c->vm, obj_class(obj_of(array)), CLASS_ARRAY)) {
        return prim_type_error(c, 1, "Array");
    }
    Object *o = obj_of(array);
    const Code *code = closure_code(obj_of(c->args[0]));
    size_t n = obj_words(o) < code->nargs ? obj_words(o) : code->nargs;
    if (n > PRIM_EXTRA_ARGS + 1) {
        return PRIM_FALLBACK;
    }
    memmove(c->args + 1, obj_slots(o), n * sizeof(Value));
    c->send_argc = (unsigned)n;
    return PRIM_VALUE;
}

PrimStatus prim_block_num_args(PrimCall *c)
{
    const Code *code = closure_code(obj_of(c->args[0]));
    return prim_ok(c, value_int(code->nargs));
}

/* ---- searching ---------------------------------------------------------------------------- */

/* Slots of Exception, in the order of its declaration in the library. */
enum { EXC_TEXT, EXC_SIGNAL_FRAME, EXC_HANDLER_FRAME, EXC_TRACE, EXC_TAG, EXC_SLOTS };

/* Moves the walk to the frame at `window`. False when there is none. */
static bool walk_to(FrameWalk *w, size_t window)
{
    while (w->window > window) {
        if (!frame_up(w)) {
            return false;
        }
    }
    return w->window == window;
}

/* The frame an offset names, checked. */
static bool frame_at(PrimCall *c, Value offset, FrameWalk *w)
{
    if (!value_is_int(offset) || value_as_int(offset) < 0) {
        return false;
    }
    *w = frame_top(c->process);
    size_t from = w->window;
    bool found = walk_to(w, (size_t)value_as_int(offset));
    prim_charge(c, (from - w->window) / 64); /* some ten words a frame */
    return found;
}

static Value exception_slot(Value exception, unsigned slot)
{
    return obj_slots(obj_of(exception))[slot];
}

/* Does a handler class cover an exception of class cls? */
static bool class_matches(PrimCall *c, Value handler, uint32_t cls)
{
    if (value_is_class(handler)) {
        return class_inherits(c->vm, cls, value_as_class(handler));
    }
    if (value_is_symbol(handler)) {
        uint32_t named = class_find_symbol(c->vm, value_as_symbol(handler));
        return named != CLASS_NONE && class_inherits(c->vm, cls, named);
    }
    return false;
}

static bool handler_matches(PrimCall *c, Value handler, uint32_t cls)
{
    if (!value_is_kind(handler, OBJ_SLOTS)) {
        return class_matches(c, handler, cls);
    }
    /* an ExceptionSet: one slot with an Array of classes */
    Object *set = obj_of(handler);
    if (obj_words(set) == 0 || !value_is_kind(obj_slots(set)[0], OBJ_SLOTS)) {
        return false;
    }
    Object *classes = obj_of(obj_slots(set)[0]);
    for (size_t i = 0; i < obj_words(classes); i++) {
        if (class_matches(c, obj_slots(classes)[i], cls)) {
            return true;
        }
    }
    return false;
}

/* One step outwards, past frames whose part of the stack is already left. */
static bool step_out(FrameWalk *w)
{
    Value skip = VALUE_NIL;
    Value *regs = frame_regs(w);
    if (w->code->mark == CODE_MARK_SIGNAL) {
        skip = exception_slot(regs[0], EXC_HANDLER_FRAME);
    } else if (w->code->mark == CODE_MARK_UNWIND) {
        skip = regs[1];
    }
    if (value_is_int(skip)) {
        FrameWalk target = *w;
        if (walk_to(&target, (size_t)value_as_int(skip))) {
            *w = target;
        }
    }
    return frame_up(w);
}

PrimStatus prim_exception_next_handler(PrimCall *c)
{
    Object *exception = obj_of(c->args[0]);
    uint32_t cls = obj_class(exception);
    FrameWalk w = frame_top(c->process);
    unsigned steps = 0;
    while (step_out(&w)) {
        steps++;
        if (w.code->mark != CODE_MARK_ON_DO) {
            continue;
        }
        Value *regs = frame_regs(&w);
        if (value_is_kind(regs[2], OBJ_CLOSURE) && handler_matches(c, regs[1], cls)) {
            Value *slots = obj_slots(exception);
            if (!heap_store(c->heap, exception, slots + EXC_HANDLER_FRAME,
                            value_int((int64_t)w.window))) {
                return prim_frozen_error(c);
            }
            prim_charge(c, steps / 8);
            return prim_ok(c, regs[2]);
        }
    }
    prim_charge(c, steps / 8);
    return prim_ok(c, VALUE_NIL);
}

PrimStatus prim_exception_is_active(PrimCall *c)
{
    FrameWalk w;
    bool active = frame_at(c, exception_slot(c->args[0], EXC_SIGNAL_FRAME), &w) &&
                  w.code->mark == CODE_MARK_SIGNAL && frame_regs(&w)[0] == c->args[0];
    return prim_ok(c, value_bool(active));
}

/* ---- unwinding ---------------------------------------------------------------------------- */

PrimStatus prim_exception_own_frame(PrimCall *c)
{
    return prim_ok(c, value_int(c->process->window));
}

PrimStatus prim_exception_base_frame(PrimCall *c)
{
    FrameWalk w = frame_top(c->process);
    prim_charge(c, w.window / 64);
    while (frame_up(&w)) {
    }
    return prim_ok(c, value_int((int64_t)w.window));
}

/* Only the loop of Exception class>>_unwind: may go on from the place noted in the process: it is
 * above all frames it walks, so they stand as they stood, and it always begins with `first`. */
static bool called_by_unwind_loop(PrimCall *c)
{
    const Code *code = c->process->code;
    if (code->owner != CLASS_META_EXCEPTION || code->kind != CODE_METHOD) {
        return false;
    }
    Bytes selector = vm_symbol_text(c->vm, code->selector);
    return selector.len == 8 && !memcmp(selector.data, "_unwind:", 8);
}

PrimStatus prim_exception_take_unwind(PrimCall *c)
{
    Process *p = c->process;
    ProcessExt *ext;
    if (!value_is_int(c->args[1])) {
        return prim_type_error(c, 1, "SmallInteger");
    }
    if (!called_by_unwind_loop(c)) {
        return prim_error(c, "part of unwinding, not for programs");
    }
    Status status = process_ext(&prim_local(c)->actor, p, &ext);
    if (status != STATUS_OK) {
        return prim_status(c, status, 0);
    }
    size_t target = (size_t)value_as_int(c->args[1]);
    FrameWalk w = frame_top(p);
    bool goes_on = c->args[2] == VALUE_FALSE && ext->unwind.code && ext->unwind.loop == p->window &&
                   ext->unwind.target == target;
    if (goes_on) {
        w.window = ext->unwind.window;
        w.code = ext->unwind.code;
    }
    PrimStatus st;
    size_t steps = 0;
    while (frame_up(&w) && w.window >= target) {
        steps++;
        if (w.code->mark != CODE_MARK_ENSURE && w.code->mark != CODE_MARK_CURTAILED) {
            continue;
        }
        Value *regs = frame_regs(&w);
        if (regs[1] == VALUE_NIL || (w.window == target && target != 0)) {
            continue;
        }
        Object *pair = prim_new(c, CLASS_ARRAY, OBJ_SLOTS, 0, 2, &st);
        if (!pair) {
            return st;
        }
        pair->words[0] = regs[1];
        pair->words[1] = value_int((int64_t)w.window);
        regs[1] = VALUE_NIL; /* taken: never run twice */
        ext->unwind.loop = p->window;
        ext->unwind.target = (uint32_t)target;
        ext->unwind.window = (uint32_t)w.window;
        ext->unwind.code = w.code;
        prim_charge(c, steps / 8);
        return prim_ok(c, value_ptr(pair));
    }
    ext->unwind.code = NULL;
    prim_charge(c, steps / 8);
    return prim_ok(c, VALUE_NIL);
}

/* Makes the frame the process's top frame. */
static void cut_to(PrimCall *c, const FrameWalk *w)
{
    Process *p = c->process;
    p->window = (uint32_t)w->window;
    p->code = w->code;
    p->pc = w->code->instr;
}

PrimStatus prim_exception_cut_return(PrimCall *c)
{
    FrameWalk w;
    if (!frame_at(c, c->args[1], &w)) {
        return prim_plain_error(c, "the context to return from no longer exists");
    }
    c->result = c->args[2];
    cut_to(c, &w);
    c->send_argc = INTERP_FRAME_RETURN;
    return PRIM_FRAME;
}

static PrimStatus restart(PrimCall *c, bool replace)
{
    FrameWalk w;
    if (!frame_at(c, c->args[1], &w) || w.code->kind != CODE_METHOD) {
        return prim_plain_error(c, "the context to restart no longer exists");
    }
    if (replace) {
        Value *regs = frame_regs(&w);
        Value receiver = c->args[2];
        regs[0] = receiver;
        regs[1] = VALUE_NIL; /* matches no exception */
    }
    cut_to(c, &w);
    c->send_argc = INTERP_FRAME_CONTINUE;
    return PRIM_FRAME;
}

PrimStatus prim_exception_restart(PrimCall *c) { return restart(c, false); }
PrimStatus prim_exception_restart_with(PrimCall *c) { return restart(c, true); }

/* ---- traces ------------------------------------------------------------------------------- */

#define TRACE_FRAMES_MAX 256
/* A frame in a trace: code number << 24 | pc index. Behind the frames, what makes whoever has the
 * trace hold counted code: the versions' handles. */
#define TRACE_PC_BITS 24

/* NULL: no such code (the Array was made by somebody else). */
static const Code *trace_code(const Vm *vm, Value frame)
{
    if (!value_is_int(frame)) {
        return NULL;
    }
    return code_by_number(vm, (uint64_t)value_as_int(frame) >> TRACE_PC_BITS);
}

/* How many of the frames tell of the program: not the innermost one of Embedding, which ran the
 * program's text for somebody outside, nor what is below it, nor the evaluation it called. */
static size_t trace_story(const Vm *vm, const Value *frames, size_t n)
{
    uint32_t embedding = class_find(vm, (Bytes){"Embedding", 9});
    if (vm->full_traces || embedding == CLASS_NONE) {
        return n;
    }
    const Code *above = NULL;
    for (size_t i = 0; i < n; i++) {
        const Code *code = trace_code(vm, frames[i]);
        if (code && code->owner != CLASS_NONE && (code->owner & ~1u) == embedding) {
            Bytes name = vm_symbol_text(vm, above ? above->method->selector : 0);
            bool evaluation = name.len == 13 && !memcmp(name.data, "_evaluate:in:", 13);
            return evaluation ? i - 1 : i;
        }
        above = code;
    }
    return n;
}

PrimStatus prim_exception_capture_trace(PrimCall *c)
{
    uint64_t found[TRACE_FRAMES_MAX];
    Value handles[TRACE_FRAMES_MAX];
    size_t n = 0, nhandles = 0;
    FrameWalk w = frame_top(c->process);
    /* frames of Exception's own signalling methods are not part of the story */
    do {
        uint64_t index = (uint64_t)(w.pc - w.code->instr) & ((1u << TRACE_PC_BITS) - 1);
        bool own = n == 0 && w.code->owner != CLASS_NONE && w.code->kind == CODE_METHOD &&
                   class_inherits(c->vm, w.code->owner & ~1u, CLASS_EXCEPTION);
        if (!own) {
            found[n++] = (uint64_t)w.code->id << TRACE_PC_BITS | index;
            Value handle = code_counted_handle(w.code);
            if (handle != VALUE_NIL && (nhandles == 0 || handles[nhandles - 1] != handle)) {
                handles[nhandles++] = handle;
            }
        }
    } while (n < TRACE_FRAMES_MAX && frame_up(&w));
    PrimStatus st;
    Object *array = prim_new(c, CLASS_ARRAY, OBJ_SLOTS, 0, n + nhandles, &st);
    if (!array) {
        return st;
    }
    for (size_t i = 0; i < n; i++) {
        array->words[i] = value_int((int64_t)(found[i] & (((uint64_t)1 << 46) - 1)));
    }
    /* as long as somebody has the trace, the numbers mean this code */
    memcpy(array->words + n, handles, nhandles * sizeof *handles);
    prim_charge(c, n / 4);
    return prim_ok(c, value_ptr(array));
}

static void put_frame(Buf *buf, const Vm *vm, size_t number, Value frame)
{
    const Code *code = trace_code(vm, frame);
    if (!code) {
        return;
    }
    const Instr *pc = code->instr + (value_as_int(frame) & ((1 << TRACE_PC_BITS) - 1));
    uint32_t column, line = code_line_at(code, pc, &column);
    Bytes cls = {"<unknown>", 9};
    if (code->owner != CLASS_NONE) {
        cls = vm_symbol_text(vm, vm_class(vm, code->owner & ~1u)->short_name);
    }
    Bytes selector = vm_symbol_text(vm, code->method->selector);
    if (code->kind == CODE_BLOCK) {
        buf_putf(buf, "  [%zu] <block> in %.*s", number, (int)cls.len, cls.data);
        if (code->method->kind == CODE_METHOD) {
            buf_putf(buf, ">>%.*s", (int)selector.len, selector.data);
        }
    } else {
        buf_putf(buf, "  [%zu] %.*s>>%.*s", number, (int)cls.len, cls.data, (int)selector.len,
                 selector.data);
    }
    buf_putf(buf, " at line %u, column %u", line, column);
    if (code->file && code->file[0]) {
        buf_putf(buf, " (%s:%u)", code->file, line);
    }
    buf_put_byte(buf, '\n');
}

PrimStatus prim_exception_trace_text(PrimCall *c)
{
    if (!value_is_kind(c->args[1], OBJ_SLOTS)) {
        return prim_answer_string(c, "  (no captured stack)", 21);
    }
    Object *frames = obj_of(c->args[1]);
    Buf buf;
    buf_init(&buf, c->vm->env, 1 << 20);
    size_t n = obj_words(frames) < TRACE_FRAMES_MAX ? obj_words(frames) : TRACE_FRAMES_MAX;
    n = trace_story(c->vm, obj_slots(frames), n);
    for (size_t i = 0; i < n; i++) {
        put_frame(&buf, c->vm, i, obj_slots(frames)[i]);
    }
    if (buf.len && buf.data[buf.len - 1] == '\n') {
        buf.len--;
    }
    PrimStatus st = prim_answer_string(c, buf.data ? buf.data : "", buf.len);
    prim_charge(c, 4 * n + buf.len / 16);
    buf_free(&buf);
    return st;
}

/* ---- thisContext -------------------------------------------------------------------------- */

/* {receiver. selector or nil. arguments. temporaries. pc. isBlock. class name. frame offset} */
PrimStatus prim_context_snapshot(PrimCall *c)
{
    if (!value_is_int(c->args[1]) || value_as_int(c->args[1]) < 0) {
        return prim_type_error(c, 1, "SmallInteger");
    }
    FrameWalk w = frame_top(c->process);
    size_t height = c->process->live;
    for (int64_t n = value_as_int(c->args[1]); n > 0; n--) {
        size_t above = w.window;
        if (!frame_up(&w)) {
            return prim_ok(c, VALUE_NIL);
        }
        height = above - w.window;
    }
    const Code *code = w.code;
    Value *regs = frame_regs(&w);
    size_t first = (size_t)code->nargs + 1 + FRAME_RECORD_WORDS + code->ncaps;
    size_t ntemps = 0;
    while (code->temp_names && first + ntemps < code->nregs && first + ntemps < height &&
           code->temp_names[first + ntemps].len) {
        ntemps++;
    }
    PrimStatus st;
    Object *result = prim_new_slots(c, CLASS_ARRAY, 8, &st);
    Object *args = result ? prim_new(c, CLASS_ARRAY, OBJ_SLOTS, 0, code->nargs, &st) : NULL;
    Object *temps = args ? prim_new(c, CLASS_ARRAY, OBJ_SLOTS, 0, ntemps, &st) : NULL;
    if (!temps) {
        return st;
    }
    bool block = code->kind == CODE_BLOCK;
    for (unsigned i = 0; i < code->nargs; i++) {
        args->words[i] =
            value_is_kind(regs[1 + i], OBJ_CELL) ? obj_of(regs[1 + i])->words[0] : regs[1 + i];
    }
    for (size_t i = 0; i < ntemps; i++) {
        Value v = regs[first + i];
        temps->words[i] = value_is_kind(v, OBJ_CELL) ? obj_of(v)->words[0] : v;
    }
    Value receiver = regs[0];
    if (block) {
        receiver = code->flags & CODE_F_USES_SELF ? obj_of(regs[0])->words[CLOSURE_FIRST_CAPTURE]
                                                  : VALUE_NIL;
    }
    result->words[0] = receiver;
    result->words[1] = block ? VALUE_NIL : value_symbol(code->selector);
    result->words[2] = value_ptr(args);
    result->words[3] = value_ptr(temps);
    result->words[4] = value_int(w.pc - code->instr);
    result->words[5] = value_bool(block);
    result->words[6] = code->owner == CLASS_NONE
                           ? VALUE_NIL
                           : value_symbol(vm_class(c->vm, code->owner & ~1u)->short_name);
    result->words[7] = value_int((int64_t)w.window);
    return prim_ok(c, value_ptr(result));
}
