/* SPDX-License-Identifier: Apache-2.0 */
/* codegen_expr.c - code for expressions: literals, variables, sends, closures, arrays.
 *
 * Receiver chains of any length are handled by a loop (gen_chain): every inner send leaves its
 * value in the same scratch register, where the next one finds it as its receiver.
 *
 * Threads: see codegen_int.h. */
#include "codegen_int.h"

#include "value.h"

enum { IC_LIMIT = 1 << 24, PUT_IC_LIMIT = 1 << 16 }; /* what fits the instruction forms */

/* -- wanting ---------------------------------------------------------------------------------- */

uint32_t gen_dest(Codegen *c, Want want)
{
    return emit_reg(c, want.kind == WANT_INTO ? want.dest : c->fn->top);
}

void gen_done(Codegen *c, uint32_t reg, Want want)
{
    Fn *fn = c->fn;
    switch (want.kind) {
    case WANT_EFFECT: break;
    case WANT_INTO:
        if (reg != want.dest)
            emit(c, OP_MOVE, emit_reg(c, want.dest), reg, 0, 0);
        break;
    case WANT_RETURN:
        if (reg == 0 && fn->kind == CODE_METHOD)
            emit(c, OP_RETSELF, 0, 0, 0, 0);
        else
            emit(c, OP_RET, reg, 0, 0, 0);
        fn->dead = true;
        break;
    case WANT_BRANCH: emit_branch(c, reg, want); break;
    }
}

void gen_nil(Codegen *c, Want want)
{
    if (want.kind == WANT_EFFECT)
        return;
    uint32_t dest = gen_dest(c, want);
    emit(c, OP_LDNIL, dest, 0, 0, 0);
    gen_done(c, dest, want);
}

uint32_t gen_push(Codegen *c, AstNode *node)
{
    uint32_t reg = c->fn->top;
    gen(c, node, want_into(reg));
    return emit_push(c);
}

/* -- literals --------------------------------------------------------------------------------- */

static Literal big_literal(Codegen *c, const AstInteger *integer)
{
    Literal lit = {.kind = LIT_BIG_INT, .radix = (int)integer->radix};
    uint32_t sign = integer->negative;
    char *text = cg_alloc(c, c->out, integer->digits.len + 1, 1);
    if (sign)
        text[0] = '-';
    memcpy(text + sign, integer->digits.ptr, integer->digits.len);
    lit.text = (Bytes){text, integer->digits.len + sign};
    return lit;
}

static Literal make_literal(Codegen *c, const AstNode *node)
{
    Literal lit = {.kind = LIT_NIL};
    switch (node->kind) {
    case AST_INT:
        lit.kind = LIT_INT;
        lit.integer = node->as.integer.value;
        break;
    case AST_BIGINT: return big_literal(c, &node->as.integer);
    case AST_FLOAT:
        lit.kind = LIT_FLOAT;
        lit.number = node->as.real.value;
        break;
    case AST_CHAR:
        lit.kind = LIT_CHAR;
        lit.integer = node->as.character;
        break;
    case AST_STRING:
    case AST_SYMBOL:
        lit.kind = node->kind == AST_STRING ? LIT_STRING : LIT_SYMBOL;
        lit.text = cg_copy(c, node->as.text);
        break;
    case AST_TRUE: lit.kind = LIT_TRUE; break;
    case AST_FALSE: lit.kind = LIT_FALSE; break;
    case AST_LITERAL_ARRAY:
        lit.kind = LIT_ARRAY;
        lit.count = node->as.list.count;
        lit.elements = cg_alloc(c, c->out, lit.count, sizeof *lit.elements);
        for (size_t i = 0; i < lit.count; i++)
            lit.elements[i] = make_literal(c, node->as.list.items[i]);
        break;
    default: break;
    }
    return lit;
}

void gen_constant(Codegen *c, const AstNode *node, uint32_t dest)
{
    if (c->fn->dead)
        return;
    switch (node->kind) {
    case AST_INT: emit_int(c, dest, node->as.integer.value); break;
    case AST_NIL: emit(c, OP_LDNIL, dest, 0, 0, 0); break;
    case AST_TRUE: emit(c, OP_LDTRUE, dest, 0, 0, 0); break;
    case AST_FALSE: emit(c, OP_LDFALSE, dest, 0, 0, 0); break;
    case AST_LITERAL_ARRAY:
        emit_at(c, node->span);
        emit(c, OP_LITARR, dest, 0, c->fn->top, emit_literal(c, make_literal(c, node)));
        break;
    default: emit(c, OP_LDLIT, dest, 0, 0, emit_literal(c, make_literal(c, node)));
    }
}

static void gen_literal(Codegen *c, const AstNode *node, Want want)
{
    if (want.kind == WANT_EFFECT)
        return;
    if (want.kind == WANT_BRANCH && (node->kind == AST_TRUE || node->kind == AST_FALSE)) {
        if ((node->kind == AST_TRUE) == want.jump_if)
            emit_jump(c, OP_JMP, 0, 0, want.label);
        return;
    }
    uint32_t dest = gen_dest(c, want);
    gen_constant(c, node, dest);
    gen_done(c, dest, want);
}

static void load_named(Codegen *c, LiteralKind kind, LangText text, uint32_t dest)
{
    if (c->fn->dead)
        return;
    uint32_t index = emit_literal(c, (Literal){.kind = kind, .text = cg_copy(c, text)});
    emit(c, OP_LDLIT, emit_reg(c, dest), 0, 0, index);
}

static LangText ztext(const char *z) { return lang_text(z, strlen(z)); }

/* -- variables -------------------------------------------------------------------------------- */

static void gen_var(Codegen *c, const Var *var, Want want)
{
    if (want.kind == WANT_EFFECT)
        return;
    uint32_t reg = fn_var_register(c, var);
    if (!reg) {
        reg = gen_dest(c, want);
        fn_load(c, var, reg);
    }
    gen_done(c, reg, want);
}

static uint32_t global_index(Codegen *c, RefKind tag, const Name *name)
{
    if (tag == REF_CLASS_VAR)
        return emit_global(c, GLOBAL_CLASS_VAR, name->class_owner, cg_copy(c, name->text));
    return emit_global(c, GLOBAL_NAME, (Bytes){"", 0}, name->global_key);
}

static void gen_identifier(Codegen *c, const AstNode *node, Want want)
{
    const AstIdentifier *id = &node->as.name;
    if (id->tag == REF_VAR) {
        gen_var(c, id->info, want);
        return;
    }
    if (want.kind == WANT_EFFECT)
        return;
    const Name *name = id->info;
    uint32_t dest = gen_dest(c, want);
    if (id->tag == REF_FIELD) {
        emit(c, OP_GETF, dest, fn_self(c), 0, (uint32_t)name->slot);
    } else {
        emit_at(c, node->span);
        emit(c, OP_GETGLOBAL, dest, 0, c->fn->top, global_index(c, id->tag, name));
    }
    gen_done(c, dest, want);
}

static void assign_var(Codegen *c, Var *var, AstNode *value, Want want)
{
    if (var->lazy && !var->defined) {
        gen(c, value, want_into(c->fn->top));
        if (c->fn->dead)
            return;
        fn_define(c, var);
        gen_var(c, var, want);
        return;
    }
    uint32_t reg = fn_var_register(c, var);
    if (reg) {
        gen(c, value, want_into(reg));
        gen_done(c, reg, want);
        return;
    }
    uint32_t saved = c->fn->top;
    reg = gen_operand(c, value, 0);
    fn_store(c, var, reg);
    gen_done(c, reg, want);
    c->fn->top = saved;
}

static void gen_assign(Codegen *c, AstNode *node, Want want)
{
    AstAssign *assign = &node->as.assign;
    if (assign->tag == REF_VAR) {
        assign_var(c, assign->info, assign->value, want);
        return;
    }
    const Name *name = assign->info;
    uint32_t saved = c->fn->top;
    uint32_t reg = gen_operand(c, assign->value, 0);
    emit_at(c, assign->target.span);
    if (assign->tag == REF_FIELD)
        emit(c, OP_SETF, fn_self(c), reg, c->fn->top, (uint32_t)name->slot);
    else
        emit(c, OP_SETGLOBAL, reg, 0, c->fn->top, global_index(c, assign->tag, name));
    gen_done(c, reg, want);
    c->fn->top = saved;
}

/* -- operands --------------------------------------------------------------------------------- */

/* The variable whose register an operand can be taken from, after doing what must be done first. */
static Var *operand_var(Codegen *c, AstNode *node)
{
    Var *var = NULL;
    if (node->kind == AST_IDENTIFIER && node->as.name.tag == REF_VAR)
        var = node->as.name.info;
    if (node->kind == AST_ASSIGN && node->as.assign.tag == REF_VAR)
        var = node->as.assign.info;
    if (!var || (var->lazy && !var->defined) || !fn_var_register(c, var))
        return NULL;
    if (node->kind == AST_ASSIGN)
        gen(c, node, want_effect());
    return var;
}

static uint32_t copy_to_top(Codegen *c, uint32_t reg)
{
    emit(c, OP_MOVE, emit_reg(c, c->fn->top), reg, 0, 0);
    return emit_push(c);
}

uint32_t gen_loaded(const Codegen *c, const AstNode *node)
{
    const LoopConstants *loaded = c->fn->loaded;
    for (uint32_t i = 0; loaded && i < loaded->count; i++)
        if (scope_same_constant(loaded->nodes[i], node))
            return c->fn->loaded_reg + i;
    return 0;
}

uint32_t gen_operand(Codegen *c, AstNode *node, uint32_t until)
{
    if (node->kind == AST_SELF || node->kind == AST_SUPER)
        return fn_self(c);
    Var *var = operand_var(c, node);
    uint32_t loaded = gen_loaded(c, node);
    if (loaded)
        return loaded;
    if (!var)
        return gen_push(c, node);
    uint32_t reg = fn_var_register(c, var);
    if (until && scope_assigned_between(var, scope_seq(node), until))
        return copy_to_top(c, reg);
    return reg;
}

/* -- receivers -------------------------------------------------------------------------------- */

static Recv gen_recv(Codegen *c, AstNode *node)
{
    if (node->kind == AST_SUPER)
        return (Recv){.kind = RECV_SUPER};
    if (node->kind == AST_SELF)
        return (Recv){.kind = RECV_REG, .reg = fn_self(c)};
    if (node->kind == AST_INT)
        return (Recv){
            .kind = RECV_INT, .value = node->as.integer.value, .reg = gen_loaded(c, node)};
    uint32_t loaded = gen_loaded(c, node);
    if (loaded)
        return (Recv){.kind = RECV_REG, .reg = loaded};
    Var *var = operand_var(c, node);
    if (var)
        return (Recv){
            .kind = RECV_REG, .reg = fn_var_register(c, var), .var = var, .seq = scope_seq(node)};
    return (Recv){.kind = RECV_TOP, .reg = gen_push(c, node)};
}

/* Loads a constant, and copies a variable that is assigned before the send happens. */
static void settle_recv(Codegen *c, Recv *recv, uint32_t until)
{
    if (recv->kind == RECV_INT && recv->reg) {
        *recv = (Recv){.kind = RECV_REG, .reg = recv->reg};
    } else if (recv->kind == RECV_INT) {
        emit_int(c, c->fn->top, recv->value);
        *recv = (Recv){.kind = RECV_TOP, .reg = emit_push(c)};
    } else if (recv->kind == RECV_REG && recv->var &&
               scope_assigned_between(recv->var, recv->seq, until)) {
        *recv = (Recv){.kind = RECV_TOP, .reg = copy_to_top(c, recv->reg)};
    }
}

/* -- sends through a window ------------------------------------------------------------------- */

/* Code for it needs no scratch register and contains no safepoint. */
static bool is_trivial(const AstNode *node)
{
    switch (node->kind) {
    case AST_IDENTIFIER: return node->as.name.tag == REF_VAR || node->as.name.tag == REF_FIELD;
    case AST_BLOCK: {
        const Fn *fn = node->as.block->info;
        return !fn->uses_self && !fn->has_nlr && fn->ncaptures == 0;
    }
    case AST_SELF:
    case AST_SUPER: return true;
    default: return ast_is_literal(node) && node->kind != AST_LITERAL_ARRAY;
    }
}

/* The receiver may be moved into the window by the send itself: until then its place there holds
 * nothing, so no safepoint may come behind the first argument. */
static bool can_defer(const AstNodeList args)
{
    for (uint32_t i = 1; i < args.count; i++)
        if (!is_trivial(args.items[i]))
            return false;
    return true;
}

/* Evaluates arguments behind a receiver that is not there yet. */
static void args_deferred(Codegen *c, const AstNodeList args)
{
    Fn *fn = c->fn;
    uint32_t base = fn->top;
    for (uint32_t i = 0; i < args.count; i++) {
        gen(c, args.items[i], want_into(base + 1 + i));
        fn->top = base + 2 + i;
        emit_reg(c, base + 1 + i);
    }
    fn->top = base;
    emit_reg(c, base);
}

static void args_pushed(Codegen *c, const AstNodeList args)
{
    for (uint32_t i = 0; i < args.count; i++)
        gen_push(c, args.items[i]);
}

/* The receiver is in the window already; arguments follow it. */
static void send_in_place(Codegen *c, Opcode op, uint32_t base, const AstMessage *message,
                          Want want)
{
    args_pushed(c, message->args);
    uint32_t result = want.kind == WANT_INTO ? emit_reg(c, want.dest) : base;
    emit_at(c, message->selector_span);
    emit(c, op, result, base, message->args.count, emit_ic(c, message->selector));
    c->fn->top = base;
    gen_done(c, result, want);
}

static void send_deferred(Codegen *c, bool is_value, uint32_t recv, const AstMessage *message,
                          Want want)
{
    Fn *fn = c->fn;
    uint32_t base = fn->top;
    uint32_t count = message->args.count;
    uint32_t ic = emit_ic(c, message->selector); /* before those of the arguments: it fits */
    args_deferred(c, message->args);
    uint32_t result = want.kind == WANT_INTO ? emit_reg(c, want.dest) : base;
    emit_at(c, message->selector_span);
    if (recv == 0 && fn->kind == CODE_METHOD && !is_value)
        emit(c, OP_SENDSELF, result, base, count, ic);
    else
        emit(c, is_value ? OP_VALUEREG : OP_SENDREG, result, base, recv, ic | count << 24);
    gen_done(c, result, want);
}

static void gen_send(Codegen *c, Recv recv, bool is_value, const AstMessage *message, Want want)
{
    Opcode op = is_value ? OP_SENDVALUE : OP_SEND;
    if (message->args.count > CODE_MAX_ARGS) {
        cg_error(c, message->selector_span, "more than %d arguments", CODE_MAX_ARGS);
        return;
    }
    if (recv.kind == RECV_REG) {
        if (can_defer(message->args) && c->fn->unit->nics < IC_LIMIT) {
            send_deferred(c, is_value, recv.reg, message, want);
            return;
        }
        recv.reg = copy_to_top(c, recv.reg);
    }
    send_in_place(c, op, recv.reg, message, want);
}

static void gen_super_send(Codegen *c, const AstMessage *message, Want want)
{
    if (message->args.count > CODE_MAX_ARGS) {
        cg_error(c, message->selector_span, "more than %d arguments", CODE_MAX_ARGS);
        return;
    }
    send_in_place(c, OP_SENDSUPER, copy_to_top(c, fn_self(c)), message, want);
}

/* A block given along that returns from this very activation keeps it alive. */
static bool hands_on_a_return(const AstNodeList args)
{
    for (uint32_t i = 0; i < args.count; i++) {
        const AstNode *arg = args.items[i];
        if (arg->kind == AST_BLOCK && ((const Fn *)arg->as.block->info)->has_nlr)
            return true;
    }
    return false;
}

/* `^self sel: args` with the selector of the method itself: the activation is reused. */
static bool is_tail_call(const Codegen *c, Recv recv, const AstMessage *message, Want want)
{
    return want.kind == WANT_RETURN && c->fn->kind == CODE_METHOD && recv.kind == RECV_REG &&
           recv.reg == 0 && message->kind != AST_BINARY &&
           message->args.count == c->fn->params.count &&
           lang_text_equal(message->selector, c->fn->selector) && !hands_on_a_return(message->args);
}

static void gen_tail_call(Codegen *c, const AstMessage *message)
{
    Fn *fn = c->fn;
    uint32_t base = fn->top;
    if (can_defer(message->args)) {
        args_deferred(c, message->args);
    } else {
        copy_to_top(c, 0);
        args_pushed(c, message->args);
        fn->top = base;
    }
    emit_reg(c, base);
    emit_at(c, message->selector_span);
    uint32_t ic = emit_ic(c, message->selector);
    emit(c, OP_TAILSELF, base, base, message->args.count, ic);
    emit(c, OP_SENDSELF, base, base, message->args.count, ic);
    gen_done(c, base, want_return());
}

/* -- instructions instead of sends ------------------------------------------------------------- */

/* A fused comparison has been emitted: the JMPF it belongs to, and the other sense around it. */
static void finish_fused(Codegen *c, uint32_t reg, Want want)
{
    if (!want.jump_if) {
        emit_jump(c, OP_JMPF, reg, 0, want.label);
        return;
    }
    Label skip = {0};
    emit_jump(c, OP_JMPF, reg, 0, &skip);
    emit_jump(c, OP_JMP, 0, 0, want.label);
    emit_label(c, &skip);
}

/* Instructions that read their operands anywhere and, but for ==, fall back to a send. `bottom` is
 * the scratch register everything above may be dropped to. */
static void gen_operation(Codegen *c, const Special *special, Recv recv, uint32_t bottom,
                          const AstMessage *message, Want want)
{
    bool constant = false;
    uint32_t operand = 0, d = 0;
    if (special->kind != SPECIAL_SAME)
        d = emit_ic(c, message->selector); /* before those of the operand: it fits */
    if (message->args.count) {
        AstNode *arg = message->args.items[0];
        constant = special_takes_constant(special, arg);
        operand = constant ? (uint8_t)arg->as.integer.value : gen_operand(c, arg, 0);
    }
    Opcode plain = constant ? special->with_constant : special->op;
    Opcode fused = constant ? special->constant_jump : special->with_jump;
    bool branch = want.kind == WANT_BRANCH && fused != OP_COUNT;
    uint32_t dest = emit_reg(c, want.kind == WANT_INTO ? want.dest : bottom);
    if (special->kind != SPECIAL_SAME) {
        emit_at(c, message->selector_span);
        d |= c->fn->top << 24;
    }
    emit(c, branch ? fused : plain, dest, recv.reg, operand, d);
    c->fn->top = bottom;
    if (branch)
        finish_fused(c, dest, want);
    else
        gen_done(c, dest, want);
}

static void gen_put(Codegen *c, Recv recv, uint32_t bottom, AstNode *key, AstNode *value,
                    LangSpan span, Want want)
{
    uint32_t ic = emit_ic(c, ztext("at:put:")); /* before those of the operands: it fits */
    uint32_t index = gen_operand(c, key, scope_seq(value));
    uint32_t reg = gen_operand(c, value, 0);
    uint32_t dest = emit_reg(c, want.kind == WANT_INTO ? want.dest : bottom);
    emit_at(c, span);
    emit(c, OP_PUTAT, dest, recv.reg, index, ic | reg << 16 | c->fn->top << 24);
    c->fn->top = bottom;
    gen_done(c, dest, want);
}

/* -- messages --------------------------------------------------------------------------------- */

/* Replaces the constant in recv by the result of sending it the message, if that is exact. */
static bool fold(const Codegen *c, Recv *recv, const AstMessage *message)
{
    if (c->env->no_folding || recv->kind != RECV_INT || message->kind != AST_BINARY ||
        message->selector.len != 1)
        return false;
    const AstNode *arg = message->args.items[0];
    if (arg->kind != AST_INT)
        return false;
    int64_t a = recv->value, b = arg->as.integer.value, result;
    switch (message->selector.ptr[0]) {
    case '+': result = a + b; break;
    case '-': result = a - b; break;
    case '*':
        if (__builtin_mul_overflow(a, b, &result))
            return false;
        break;
    default: return false;
    }
    if (!value_int_fits(result))
        return false;
    recv->value = result;
    recv->reg = 0;
    return true;
}

/* Sends one message to a receiver that has been evaluated; `until` is the position behind the
 * arguments. */
static void gen_message(Codegen *c, Recv recv, const AstMessage *message, uint32_t until, Want want)
{
    Fn *fn = c->fn;
    if (recv.kind == RECV_SUPER) {
        gen_super_send(c, message, want);
        return;
    }
    uint32_t bottom = recv.kind == RECV_TOP ? recv.reg : fn->top;
    settle_recv(c, &recv, until);
    if (is_tail_call(c, recv, message, want)) {
        gen_tail_call(c, message);
        return;
    }
    const Special *special = special_find(message->selector);
    bool fits = fn->unit->nics < IC_LIMIT;
    if (special && special->kind == SPECIAL_PUT)
        fits = fn->unit->nics < PUT_IC_LIMIT;
    if (special && fits && special->kind == SPECIAL_PUT) {
        gen_put(c, recv, bottom, message->args.items[0], message->args.items[1],
                message->selector_span, want);
    } else if (special && fits && special->kind != SPECIAL_VALUE && special->kind != SPECIAL_PUT) {
        gen_operation(c, special, recv, bottom, message, want);
    } else {
        gen_send(c, recv, special && special->kind == SPECIAL_VALUE, message, want);
    }
}

static void gen_array(Codegen *c, AstNodeList list, LangSpan span, Want want);

/* `a ~> sel: x` sends eventualSend:with: with the selector and an Array of the arguments. */
static void gen_eventual(Codegen *c, Recv recv, const AstMessage *message, uint32_t until,
                         Want want)
{
    Fn *fn = c->fn;
    settle_recv(c, &recv, until);
    uint32_t base = recv.kind == RECV_TOP ? recv.reg : copy_to_top(c, recv.reg);
    load_named(c, LIT_SYMBOL, message->selector, fn->top);
    emit_push(c);
    gen_array(c, message->args, message->span, want_into(fn->top));
    emit_push(c);
    uint32_t result = want.kind == WANT_INTO ? emit_reg(c, want.dest) : base;
    emit_at(c, message->selector_span);
    emit(c, OP_SEND, result, base, 2, emit_ic(c, ztext("eventualSend:with:")));
    fn->top = base;
    gen_done(c, result, want);
}

static bool is_link(const AstNode *node)
{
    return node->kind == AST_EVENTUAL || (node->kind == AST_SEND && !scope_kind(node));
}

static void gen_chain(Codegen *c, AstNode *node, Want want)
{
    Fn *fn = c->fn;
    uint32_t base = c->chain_len;
    uint32_t bottom = fn->top;
    AstNode *inner = node;
    for (; is_link(inner); inner = inner->as.send.receiver)
        *CG_PUSH(c, &c->scratch, c->chain, c->chain_len, c->chain_room) = inner;
    Recv recv = gen_recv(c, inner);
    while (c->chain_len > base) {
        AstNode *link = c->chain[--c->chain_len];
        const AstMessage *message = &link->as.send.message;
        bool last = c->chain_len == base;
        if (link->kind == AST_SEND && fold(c, &recv, message))
            continue;
        Want step = last ? want : want_into(bottom);
        if (link->kind == AST_EVENTUAL)
            gen_eventual(c, recv, message, scope_seq(link), step);
        else
            gen_message(c, recv, message, scope_seq(link), step);
        fn->top = bottom;
        if (!last)
            recv = (Recv){.kind = RECV_TOP, .reg = emit_push(c)};
        else
            return;
    }
    if (want.kind == WANT_EFFECT)
        return; /* everything was folded */
    uint32_t dest = gen_dest(c, want);
    emit_int(c, dest, recv.value);
    gen_done(c, dest, want);
}

static void gen_cascade(Codegen *c, AstNode *node, Want want)
{
    const AstCascade *cascade = &node->as.cascade;
    Fn *fn = c->fn;
    uint32_t bottom = fn->top;
    Recv recv = gen_recv(c, cascade->receiver);
    settle_recv(c, &recv, scope_seq(node));
    if (recv.kind == RECV_TOP)
        recv = (Recv){.kind = RECV_REG, .reg = recv.reg};
    for (uint32_t i = 0; i < cascade->count; i++) {
        uint32_t top = fn->top;
        bool last = i + 1 == cascade->count;
        gen_message(c, recv, &cascade->messages[i], scope_seq(node), last ? want : want_effect());
        fn->top = top;
    }
    fn->top = bottom;
}

/* -- conditions ------------------------------------------------------------------------------- */

/* The value is surely a Boolean (as far as the selector tells). */
static bool is_boolean(const AstNode *node)
{
    if (node->kind == AST_TRUE || node->kind == AST_FALSE)
        return true;
    if (node->kind != AST_SEND || node->as.send.is_super)
        return false;
    InlineKind kind = scope_kind(node);
    if (kind == INLINE_AND || kind == INLINE_OR) {
        AstNodeList body = node->as.send.message.args.items[0]->as.block->statements;
        return body.count && is_boolean(body.items[body.count - 1]);
    }
    const Special *special = special_find(node->as.send.message.selector);
    return special && (special->with_jump != OP_COUNT || special->op == OP_NOTSAME);
}

/* `x not` in a condition only turns the jump round. */
static bool gen_not_branch(Codegen *c, AstNode *node, Want want)
{
    AstNode *inner = node;
    while (inner->kind == AST_SEND && !scope_kind(inner) && !inner->as.send.is_super &&
           lang_text_is(inner->as.send.message.selector, "not")) {
        inner = inner->as.send.receiver;
        want.jump_if = !want.jump_if;
    }
    if (inner == node || !is_boolean(inner))
        return false;
    gen(c, inner, want);
    return true;
}

/* -- construction ----------------------------------------------------------------------------- */

static void gen_long_array(Codegen *c, AstNodeList list, LangSpan span, Want want)
{
    Fn *fn = c->fn;
    emit_at(c, span);
    emit(c, OP_NEWARR, emit_reg(c, fn->top), 0, fn->top, list.count);
    uint32_t array = emit_push(c);
    for (uint32_t i = 0; i < list.count; i++) {
        uint32_t value = gen_operand(c, list.items[i], 0);
        emit(c, OP_PUTI, array, value, fn->top, i);
        fn->top = array + 1;
    }
    fn->top = array;
    gen_done(c, array, want);
}

static void gen_array(Codegen *c, AstNodeList list, LangSpan span, Want want)
{
    Fn *fn = c->fn;
    bool scarce = c->reg_vars_max != UINT32_MAX;
    if (list.count > (scarce ? 1 : CG_MKARR_MAX)) {
        gen_long_array(c, list, span, want);
        return;
    }
    uint32_t first = fn->top;
    args_pushed(c, list);
    uint32_t dest = emit_reg(c, want.kind == WANT_INTO ? want.dest : first);
    emit_at(c, span);
    emit(c, OP_MKARR, dest, list.count ? first : 0, list.count, fn->top);
    fn->top = first;
    gen_done(c, dest, want);
}

/* A class literal receives one unary message; the value goes to register top. */
static void send_to_class(Codegen *c, const char *class_name, const char *selector, LangSpan span)
{
    uint32_t base = c->fn->top;
    load_named(c, LIT_CLASS, ztext(class_name), base);
    emit_at(c, span);
    emit(c, OP_SEND, base, base, 0, emit_ic(c, ztext(selector)));
}

static void gen_this_context(Codegen *c, AstNode *node, Want want)
{
    if (want.kind == WANT_EFFECT)
        return;
    send_to_class(c, "Context", "current", node->span);
    gen_done(c, c->fn->top, want);
}

static void gen_dictionary(Codegen *c, AstNode *node, Want want)
{
    Fn *fn = c->fn;
    send_to_class(c, "Dictionary", "new", node->span);
    uint32_t dictionary = emit_push(c);
    for (uint32_t i = 0; i < node->as.dictionary.count; i++) {
        AstPair pair = node->as.dictionary.pairs[i];
        Recv recv = {.kind = RECV_REG, .reg = dictionary};
        if (fn->unit->nics < PUT_IC_LIMIT) {
            gen_put(c, recv, fn->top, pair.key, pair.value, pair.key->span, want_effect());
            continue;
        }
        AstNode *items[2] = {pair.key, pair.value};
        AstMessage message = {.kind = AST_KEYWORD,
                              .selector = ztext("at:put:"),
                              .selector_span = pair.key->span,
                              .span = pair.key->span,
                              .args = {items, 2}};
        gen_send(c, recv, false, &message, want_effect());
        fn->top = dictionary + 1;
    }
    fn->top = dictionary;
    gen_done(c, dictionary, want);
}

static void gen_block(Codegen *c, AstNode *node, Want want)
{
    if (want.kind == WANT_EFFECT)
        return;
    uint32_t dest = gen_dest(c, want);
    emit_at(c, node->span);
    fn_closure(c, node->as.block->info, NULL, dest);
    gen_done(c, dest, want);
}

static void gen_list_for_effect(Codegen *c, AstNodeList list)
{
    for (uint32_t i = 0; i < list.count; i++)
        gen(c, list.items[i], want_effect());
}

/* -- dispatch --------------------------------------------------------------------------------- */

static void gen_send_node(Codegen *c, AstNode *node, Want want)
{
    if (scope_kind(node))
        gen_inlined(c, node, want);
    else if (want.kind != WANT_BRANCH || !gen_not_branch(c, node, want))
        gen_chain(c, node, want);
}

void gen(Codegen *c, AstNode *node, Want want)
{
    if (c->fn->dead)
        return;
    switch (node->kind) {
    case AST_IDENTIFIER: gen_identifier(c, node, want); break;
    case AST_SELF:
    case AST_SUPER: gen_done(c, fn_self(c), want); break;
    case AST_THIS_CONTEXT: gen_this_context(c, node, want); break;
    case AST_ASSIGN: gen_assign(c, node, want); break;
    case AST_SEND: gen_send_node(c, node, want); break;
    case AST_EVENTUAL: gen_chain(c, node, want); break;
    case AST_CASCADE: gen_cascade(c, node, want); break;
    case AST_BLOCK: gen_block(c, node, want); break;
    case AST_DYN_ARRAY:
        if (want.kind == WANT_EFFECT)
            gen_list_for_effect(c, node->as.list);
        else
            gen_array(c, node->as.list, node->span, want);
        break;
    case AST_DICTIONARY: gen_dictionary(c, node, want); break;
    default: gen_literal(c, node, want);
    }
}
