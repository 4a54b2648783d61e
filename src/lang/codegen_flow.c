/* SPDX-License-Identifier: Apache-2.0 */
/* codegen_flow.c - code for statements, returns and inlined control flow.
 *
 * Conditions are compiled as jumps (WANT_BRANCH); a Boolean is only made where its value is wanted.
 *
 * Threads: see codegen_int.h. */
#include <assert.h>

#include "codegen_int.h"

/* -- statements ------------------------------------------------------------------------------- */

static void gen_return(Codegen *c, AstNode *node)
{
    Fn *fn = c->fn;
    if (fn->kind != CODE_BLOCK) {
        gen(c, node->as.value, want_return());
        return;
    }
    uint32_t saved = fn->top;
    uint32_t value = gen_operand(c, node->as.value, 0);
    emit_at(c, node->span);
    emit(c, OP_NLR, value, fn->home_reg, fn->top, 0);
    fn->top = saved;
    fn->dead = true;
}

/* Variables that are declared a second time become nil again. */
static void gen_temps(Codegen *c, AstVarList temps)
{
    for (uint32_t i = 0; i < temps.count; i++) {
        const Var *var = temps.items[i].info;
        if (!temps.items[i].tag || !var->defined)
            continue;
        uint32_t saved = c->fn->top;
        emit(c, OP_LDNIL, emit_reg(c, saved), 0, 0, 0);
        fn_store(c, var, emit_push(c));
        c->fn->top = saved;
    }
}

void gen_statements(Codegen *c, AstNodeList list, Want want)
{
    for (uint32_t i = 0; i < list.count && !c->fn->dead; i++) {
        AstNode *node = list.items[i];
        bool last = i + 1 == list.count;
        if (node->kind == AST_RETURN) {
            gen_return(c, node);
        } else if (node->kind == AST_TEMPS) {
            gen_temps(c, node->as.temps);
            if (last)
                gen_nil(c, want);
        } else {
            gen(c, node, last ? want : want_effect());
        }
    }
    if (list.count == 0)
        gen_nil(c, want);
}

/* The body of an inlined block. */
static void gen_body(Codegen *c, AstNode *node, Want want)
{
    if (c->fn->dead)
        return;
    assert(node); /* who has only one of two branches asks for one body */
    Scope *scope = node->as.block->info;
    fn_enter_scope(c, scope, 0);
    gen_statements(c, node->as.block->statements, want);
    fn_leave_scope(c, scope);
}

/* -- conditionals ----------------------------------------------------------------------------- */

/* `otherwise` NULL: the value is nil when the branch is not taken. */
static void gen_if(Codegen *c, AstNode *condition, bool sense, AstNode *then, AstNode *otherwise,
                   Want want)
{
    Label to_else = {0}, to_end = {0};
    gen(c, condition, want_branch(!sense, &to_else));
    gen_body(c, then, want);
    if (!to_else.last)
        return; /* a constant condition: the other way is never taken */
    if (otherwise || want.kind != WANT_EFFECT) {
        emit_jump(c, OP_JMP, 0, 0, &to_end);
        emit_label(c, &to_else);
        if (otherwise)
            gen_body(c, otherwise, want);
        else
            gen_nil(c, want);
    }
    emit_label(c, &to_else);
    emit_label(c, &to_end);
}

/* and: (stop false), or: (stop true). The receiver decides, or the value is that of the block. */
static void gen_and_or(Codegen *c, AstNode *receiver, bool stop, AstNode *block, Want want)
{
    Label stopped = {0}, end = {0};
    bool leaves = want.kind == WANT_BRANCH && stop == want.jump_if;
    gen(c, receiver, want_branch(stop, leaves ? want.label : &stopped));
    gen_body(c, block, want);
    if (!stopped.last)
        return;
    if (want.kind == WANT_INTO || want.kind == WANT_RETURN) {
        emit_jump(c, OP_JMP, 0, 0, &end);
        emit_label(c, &stopped);
        uint32_t dest = gen_dest(c, want);
        emit(c, stop ? OP_LDTRUE : OP_LDFALSE, dest, 0, 0, 0);
        gen_done(c, dest, want);
    }
    emit_label(c, &stopped);
    emit_label(c, &end);
}

/* -- constants of loops ----------------------------------------------------------------------- */

/* At the entry of an outermost loop its constants go to registers. */
static bool load_constants(Codegen *c, const AstNode *block)
{
    Fn *fn = c->fn;
    const LoopConstants *constants = ((const Scope *)block->as.block->info)->constants;
    if (!constants || fn->spills || fn->dead)
        return false;
    uint32_t first = fn->top;
    for (uint32_t i = 0; i < constants->count; i++) {
        gen_constant(c, constants->nodes[i], emit_reg(c, fn->top));
        emit_push(c);
    }
    fn->loaded = constants;
    fn->loaded_reg = first;
    return true;
}

static void leave_constants(Codegen *c, bool loaded, uint32_t top)
{
    if (loaded)
        c->fn->loaded = NULL;
    c->fn->top = top;
}

/* -- conditional loops ------------------------------------------------------------------------ */

static void loop_back(Codegen *c, uint32_t start)
{
    emit_back(c, OP_LOOP, 0, 0, c->fn->top, start);
    c->fn->dead = true;
}

/* body NULL: the condition is all there is. */
static void gen_while(Codegen *c, AstNode *condition, bool sense, AstNode *body, Want want)
{
    Label end = {0};
    uint32_t saved = c->fn->top;
    bool loaded = load_constants(c, condition);
    uint32_t start = emit_here(c);
    gen_body(c, condition, want_branch(!sense, &end));
    if (body)
        gen_body(c, body, want_effect());
    loop_back(c, start);
    emit_label(c, &end);
    leave_constants(c, loaded, saved);
    if (!c->fn->dead)
        gen_nil(c, want);
}

static void gen_repeat(Codegen *c, AstNode *body)
{
    uint32_t saved = c->fn->top;
    bool loaded = load_constants(c, body);
    uint32_t start = emit_here(c);
    gen_body(c, body, want_effect());
    loop_back(c, start);
    leave_constants(c, loaded, saved);
}

/* -- counting loops --------------------------------------------------------------------------- */

/* to:do:, to:by:do: and timesRepeat:. The counter is in register `counter`, the limit in the next
 * one; both are SmallIntegers while the inlined loop runs. */
typedef struct Loop {
    AstNode *node;
    InlineKind kind;
    AstBlock *block;
    int64_t step;
    uint32_t counter;
    uint32_t result; /* register of the receiver, the value of the whole; 0: not wanted */
    bool guarded;
    uint32_t guard; /* its instruction */
} Loop;

static void loop_begin(Codegen *c, Loop *loop, bool value_wanted)
{
    Fn *fn = c->fn;
    AstSend *send = &loop->node->as.send;
    AstNodeList args = send->message.args;
    if (loop->kind == INLINE_TIMES) {
        loop->counter = fn->top;
        emit_int(c, loop->counter, 1);
        emit_push(c);
        loop->result = gen_push(c, send->receiver);
        return;
    }
    if (value_wanted)
        loop->result = gen_push(c, send->receiver);
    loop->counter = fn->top;
    if (value_wanted) {
        emit(c, OP_MOVE, emit_reg(c, loop->counter), loop->result, 0, 0);
        emit_push(c);
    } else {
        gen_push(c, send->receiver);
    }
    gen_push(c, args.items[0]);
}

static void loop_guard(Codegen *c, Loop *loop)
{
    emit_at(c, loop->node->as.send.message.selector_span);
    if (!loop->guarded)
        return;
    if (loop->kind == INLINE_TIMES)
        loop->guard = emit(c, OP_JINT, loop->counter + 1, 0, c->fn->top, 0);
    else
        loop->guard = emit(c, OP_JINT2, loop->counter, loop->counter + 1, 0, 0);
}

/* Both bounds are literals: known whether there is a first round. */
static bool bounds_known(const Loop *loop, bool *runs)
{
    const AstSend *send = &loop->node->as.send;
    if (loop->guarded)
        return false;
    int64_t limit = loop->kind == INLINE_TIMES ? send->receiver->as.integer.value
                                               : send->message.args.items[0]->as.integer.value;
    int64_t start = loop->kind == INLINE_TIMES ? 1 : send->receiver->as.integer.value;
    *runs = loop->step > 0 ? start <= limit : start >= limit;
    return true;
}

/* Leaves for `end` when the counter has passed the limit. */
static void loop_test(Codegen *c, const Loop *loop, Label *end)
{
    Fn *fn = c->fn;
    bool up = loop->step > 0;
    uint32_t flag = emit_reg(c, fn->top);
    uint32_t ic = emit_ic(c, lang_text(up ? "<=" : ">=", 2));
    if (ic >= 1u << 24)
        c->too_long = true;
    emit(c, up ? OP_LEJ : OP_GEJ, flag, loop->counter, loop->counter + 1, ic | fn->top << 24);
    emit_jump(c, OP_JMPF, flag, 0, end);
}

static void loop_body(Codegen *c, const Loop *loop)
{
    if (c->fn->dead)
        return;
    Scope *scope = loop->block->info;
    fn_enter_scope(c, scope, loop->counter);
    gen_statements(c, loop->block->statements, want_effect());
    fn_leave_scope(c, scope);
}

/* A step that fits FORLOOP: test once before the loop, then one instruction per round. */
static void short_step_loop(Codegen *c, const Loop *loop, Label *end)
{
    bool runs;
    if (!bounds_known(loop, &runs))
        loop_test(c, loop, end);
    else if (!runs)
        return;
    uint32_t start = emit_here(c);
    loop_body(c, loop);
    emit_back(c, OP_FORLOOP, loop->counter, c->fn->top, (uint8_t)loop->step, start);
}

static void long_step_loop(Codegen *c, const Loop *loop, Label *end)
{
    Fn *fn = c->fn;
    uint32_t start = emit_here(c);
    loop_test(c, loop, end);
    loop_body(c, loop);
    uint32_t top = fn->top;
    emit_int(c, top, loop->step);
    emit_push(c);
    emit_at(c, loop->node->as.send.message.selector_span);
    uint32_t ic = emit_ic(c, lang_text("+", 1));
    emit(c, OP_ADD, loop->counter, loop->counter, top, ic | fn->top << 24);
    fn->top = top;
    loop_back(c, start);
}

/* Cells for the variables of this function that the closure assigns. */
static uint32_t *make_boxes(Codegen *c, const Fn *closure)
{
    uint32_t *boxes = cg_alloc(c, &c->scratch, closure->ncaptures, sizeof *boxes);
    if (fn_captures_are_packed(closure)) {
        boxes[0] = fn_pack_captures(c, closure);
        return boxes;
    }
    for (uint32_t i = 0; i < closure->ncaptures; i++) {
        if (!closure->captures[i].boxed)
            continue;
        fn_load_raw(c, closure->captures[i].var, c->fn->top);
        boxes[i] = emit_push(c);
        emit(c, OP_MKCELL, boxes[i], boxes[i], c->fn->top, 0);
    }
    return boxes;
}

/* The content of a box becomes the value of its variable. */
static void read_box(Codegen *c, const Var *var, uint32_t box)
{
    Fn *fn = c->fn;
    uint32_t reg = fn_var_register(c, var);
    uint32_t value = reg ? reg : emit_reg(c, fn->top);
    emit(c, OP_GETCELL, value, box, 0, 0);
    if (reg)
        return;
    emit_push(c);
    fn_store(c, var, value);
    fn->top = value;
}

static void read_boxes_back(Codegen *c, const Fn *closure, const uint32_t *boxes)
{
    Fn *fn = c->fn;
    bool packed = fn_captures_are_packed(closure);
    for (uint32_t i = 0; i < closure->ncaptures; i++) {
        if (!closure->captures[i].boxed)
            continue;
        uint32_t top = fn->top;
        uint32_t box = boxes[packed ? 0 : i];
        if (packed) {
            emit(c, OP_GETI, emit_reg(c, top), box, 1, i);
            box = emit_push(c);
        }
        read_box(c, closure->captures[i].var, box);
        fn->top = top;
    }
}

/* Receiver, arguments and closure for the real message; answers the window's base. */
static uint32_t fallback_window(Codegen *c, const Loop *loop, Fn *closure, const uint32_t *boxes)
{
    Fn *fn = c->fn;
    uint32_t base = fn->top;
    bool times = loop->kind == INLINE_TIMES;
    emit(c, OP_MOVE, emit_reg(c, base), times ? loop->result : loop->counter, 0, 0);
    emit_push(c);
    if (!times) {
        emit(c, OP_MOVE, emit_reg(c, fn->top), loop->counter + 1, 0, 0);
        emit_push(c);
    }
    if (loop->kind == INLINE_TO_BY_DO) {
        emit_int(c, fn->top, loop->step);
        emit_push(c);
    }
    fn_closure(c, closure, boxes, fn->top);
    emit_push(c);
    return base;
}

/* What runs when the guard finds something other than SmallIntegers. */
static void loop_fallback(Codegen *c, const Loop *loop)
{
    Fn *fn = c->fn;
    const AstMessage *message = &loop->node->as.send.message;
    uint32_t top = fn->top;
    uint32_t from = emit_here(c);
    fn->dead = false;
    Fn *closure = scope_analyse_fallback(c, loop->block);
    emit_at(c, message->selector_span);
    uint32_t *boxes = make_boxes(c, closure);
    uint32_t base = fallback_window(c, loop, closure, boxes);
    emit_at(c, message->selector_span);
    emit(c, OP_SEND, loop->result ? loop->result : base, base, message->args.count,
         emit_ic(c, message->selector));
    fn->top = base;
    read_boxes_back(c, closure, boxes);
    fn->top = top;
    emit_move_out(c, from, loop->guard);
}

static void gen_counting_loop(Codegen *c, AstNode *node, InlineKind kind, Want want)
{
    Fn *fn = c->fn;
    AstNodeList args = node->as.send.message.args;
    uint32_t saved = fn->top;
    Loop loop = {.node = node, .kind = kind, .step = 1};
    loop.block = args.items[args.count - 1]->as.block;
    loop.guarded = scope_loop_is_guarded(node, kind);
    if (kind == INLINE_TO_BY_DO)
        loop.step = args.items[1]->as.integer.value;
    Label end = {0};
    bool loaded = load_constants(c, args.items[args.count - 1]);
    loop_begin(c, &loop, want.kind != WANT_EFFECT);
    if (!fn->dead) {
        loop_guard(c, &loop);
        if (loop.step >= -128 && loop.step <= 127)
            short_step_loop(c, &loop, &end);
        else
            long_step_loop(c, &loop, &end);
        if (loop.guarded)
            loop_fallback(c, &loop);
        emit_label(c, &end);
    }
    if (!fn->dead)
        gen_done(c, loop.result, want);
    leave_constants(c, loaded, saved);
}

/* -- dispatch --------------------------------------------------------------------------------- */

void gen_inlined(Codegen *c, AstNode *node, Want want)
{
    AstNode *receiver = node->as.send.receiver;
    AstNodeList args = node->as.send.message.args;
    AstNode *first = args.count ? args.items[0] : NULL;
    AstNode *second = args.count > 1 ? args.items[1] : NULL;
    InlineKind kind = scope_kind(node);
    switch (kind) {
    case INLINE_NONE: break;
    case INLINE_IF_TRUE:
    case INLINE_IF_TRUE_FALSE: gen_if(c, receiver, true, first, second, want); break;
    case INLINE_IF_FALSE:
    case INLINE_IF_FALSE_TRUE: gen_if(c, receiver, false, first, second, want); break;
    case INLINE_AND: gen_and_or(c, receiver, false, first, want); break;
    case INLINE_OR: gen_and_or(c, receiver, true, first, want); break;
    case INLINE_WHILE_TRUE: gen_while(c, receiver, true, first, want); break;
    case INLINE_WHILE_FALSE: gen_while(c, receiver, false, first, want); break;
    case INLINE_REPEAT: gen_repeat(c, receiver); break;
    case INLINE_TO_DO:
    case INLINE_TO_BY_DO:
    case INLINE_TIMES: gen_counting_loop(c, node, kind, want); break;
    }
}
