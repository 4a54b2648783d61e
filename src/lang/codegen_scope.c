/* SPDX-License-Identifier: Apache-2.0 */
/* codegen_scope.c - first pass of the compiler: what every name means, which blocks are inlined,
 * what closures capture, which variables need a cell.
 *
 * The tree is walked in the order of evaluation. A closure copies what it captures when it is
 * created, so a captured variable needs a cell exactly when it may change after a capture (M9):
 * when it is assigned later in walking order, by a closure, or in a loop that also captures it.
 *
 * Threads: see codegen_int.h.
 * Invariant: name->var is the innermost variable of that name in the scopes that are open. */
#include "codegen_int.h"

#include "hash.h"

static void walk(Codegen *c, AstNode *node);
static void walk_statements(Codegen *c, AstNodeList list, Scope *scope);

/* -- names ------------------------------------------------------------------------------------ */

static void names_rehash(Codegen *c)
{
    uint32_t room = c->name_room ? c->name_room * 2 : 64;
    Name **table = cg_alloc(c, &c->scratch, room, sizeof *table);
    for (uint32_t i = 0; i < c->name_room; i++) {
        Name *name = c->names[i];
        if (!name)
            continue;
        uint32_t at = name->hash & (room - 1);
        while (table[at])
            at = (at + 1) & (room - 1);
        table[at] = name;
    }
    c->names = table;
    c->name_room = room;
}

static Name *name_intern(Codegen *c, LangText text)
{
    if (c->name_count * 2 >= c->name_room)
        names_rehash(c);
    uint32_t hash = (uint32_t)hash_mix64(hash_fnv32(text.ptr, text.len));
    uint32_t at = hash & (c->name_room - 1);
    for (; c->names[at]; at = (at + 1) & (c->name_room - 1))
        if (c->names[at]->hash == hash && lang_text_equal(c->names[at]->text, text))
            return c->names[at];
    Name *name = cg_alloc(c, &c->scratch, 1, sizeof *name);
    name->text = text;
    name->hash = hash;
    c->names[at] = name;
    c->name_count++;
    return name;
}

static Bytes name_bytes(const Name *name) { return (Bytes){name->text.ptr, name->text.len}; }

/* Asks the environment once what the name means outside of the unit. */
static void name_resolve(Codegen *c, Name *name)
{
    if (name->resolved)
        return;
    name->resolved = true;
    const CompileEnv *env = c->env;
    name->slot = -1; /* doits see no fields: their receiver may be of any class */
    if (env->instance_var && !c->top_level)
        name->slot = env->instance_var(env->ctx, name_bytes(name));
    if (name->slot >= 0) {
        name->kind = REF_FIELD;
        return;
    }
    Bytes owner = {"", 0};
    if (env->class_var)
        owner = env->class_var(env->ctx, name_bytes(name));
    if (owner.len) {
        name->kind = REF_CLASS_VAR;
        name->class_owner = cg_copy(c, cg_text(owner));
        return;
    }
    name->kind = REF_GLOBAL;
    Bytes key = name_bytes(name);
    if (env->global)
        key = env->global(env->ctx, key, &name->global_known);
    name->global_key = cg_copy(c, cg_text(key.len ? key : name_bytes(name)));
}

static bool name_is_capitalised(const Name *name)
{
    return name->text.len && name->text.ptr[0] >= 'A' && name->text.ptr[0] <= 'Z';
}

/* -- scopes ----------------------------------------------------------------------------------- */

Fn *scope_new_fn(Codegen *c, CodeKind kind, Fn *outer)
{
    Fn *fn = cg_alloc(c, &c->scratch, 1, sizeof *fn);
    fn->kind = kind;
    fn->outer = outer;
    fn->no_guards = outer && outer->no_guards;
    return fn;
}

static Scope *scope_new(Codegen *c, Fn *fn)
{
    Scope *scope = cg_alloc(c, &c->scratch, 1, sizeof *scope);
    scope->fn = fn;
    return scope;
}

static Var *declare(Codegen *c, Scope *scope, Name *name, LangSpan span, bool param)
{
    Var *var = cg_alloc(c, &c->scratch, 1, sizeof *var);
    var->name = name;
    var->span = span;
    var->fn = scope->fn;
    var->scope = scope;
    var->loop_depth = scope->fn->loop_depth;
    var->param = param;
    scope->fn->var_count++;
    *CG_PUSH(c, &c->scratch, scope->vars, scope->count, scope->room) = var;
    return var;
}

static void declare_list(Codegen *c, Scope *scope, AstVarList list, bool params)
{
    for (uint32_t i = 0; i < list.count; i++)
        declare(c, scope, name_intern(c, list.items[i].name), list.items[i].span, params);
}

static void bind_var(Var *var)
{
    var->shadowed = var->name->var;
    var->name->var = var;
}

void scope_bind(Scope *scope)
{
    for (uint32_t i = 0; i < scope->count; i++)
        bind_var(scope->vars[i]);
}

void scope_unbind(Scope *scope)
{
    for (uint32_t i = scope->count; i-- > 0;)
        scope->vars[i]->name->var = scope->vars[i]->shadowed;
}

/* -- captures --------------------------------------------------------------------------------- */

static uint32_t slot_hash(const Fn *fn, const Var *var)
{
    return (uint32_t)hash_fold64((uint64_t)(uintptr_t)fn, (uint64_t)(uintptr_t)var);
}

static CaptureSlot *slot_find(const Codegen *c, const Fn *fn, const Var *var)
{
    uint32_t mask = c->slot_room - 1;
    uint32_t at = slot_hash(fn, var) & mask;
    while (c->slots[at].fn && (c->slots[at].fn != fn || c->slots[at].var != var))
        at = (at + 1) & mask;
    return &c->slots[at];
}

static void slots_rehash(Codegen *c)
{
    CaptureSlot *old = c->slots;
    uint32_t old_room = c->slot_room;
    c->slot_room = old_room ? old_room * 2 : 64;
    c->slots = cg_alloc(c, &c->scratch, c->slot_room, sizeof *c->slots);
    for (uint32_t i = 0; i < old_room; i++)
        if (old[i].fn)
            *slot_find(c, old[i].fn, old[i].var) = old[i];
}

uint32_t scope_capture_index(const Codegen *c, const Fn *fn, const Var *var)
{
    return slot_find(c, fn, var)->index;
}

bool scope_is_cell(const Codegen *c, const Fn *fn, const Var *var)
{
    for (; fn != var->fn; fn = fn->outer)
        if (fn->captures[scope_capture_index(c, fn, var)].boxed)
            return true;
    return var->cell;
}

/* The owner creates a closure that captures var now. */
static void note_capture(Var *var)
{
    Fn *owner = var->fn;
    if (owner->analysed)
        return; /* decided; a fallback uses boxes */
    var->captured = true;
    if (owner->loop_depth > var->loop_depth && var->assign_count &&
        var->assigns[var->assign_count - 1] > owner->loop_starts[var->loop_depth])
        var->cell = true; /* the assignment comes round again */
}

/* Every function between the use and the owner captures var. */
static void capture(Codegen *c, Fn *fn, Var *var)
{
    for (; fn != var->fn; fn = fn->outer) {
        if (c->slot_count * 2 >= c->slot_room)
            slots_rehash(c);
        CaptureSlot *slot = slot_find(c, fn, var);
        if (fn->forked)
            var->fork_captured = true;
        if (slot->fn)
            continue;
        *slot = (CaptureSlot){fn, var, fn->ncaptures};
        c->slot_count++;
        Capture *entry = CG_PUSH(c, &c->scratch, fn->captures, fn->ncaptures, fn->captures_room);
        *entry = (Capture){var, false};
        if (fn->outer == var->fn)
            note_capture(var);
    }
}

static void mention(Codegen *c, Var *var)
{
    var->mentioned = true;
    if (var->fn != c->fn)
        capture(c, c->fn, var);
}

static bool crosses_fork(const Codegen *c, const Var *var)
{
    for (const Fn *fn = c->fn; fn != var->fn; fn = fn->outer)
        if (fn->forked)
            return true;
    return false;
}

/* D2: a forked block works on a copy. */
static void warn_about_fork(Codegen *c, Var *var, LangSpan span)
{
    if (!var->fork_captured || var->fork_warned)
        return;
    var->fork_warned = true;
    char quoted[DIAG_QUOTE_MAX];
    diag_quote(var->name->text, quoted);
    if (crosses_fork(c, var))
        cg_warn(c, span,
                "'%s' is assigned inside a forked block: the other process has a copy of "
                "its own, so the change is not seen outside",
                quoted);
    else
        cg_warn(c, span,
                "'%s' is assigned after a forked block captured it: the other process has "
                "a copy of its own and does not see the change",
                quoted);
}

/* A function that runs inside a closure assigns var. */
static void note_assignment_in_closure(Codegen *c, Var *var)
{
    if (!var->fn->analysed) {
        var->cell = true;
        return;
    }
    Fn *fn = c->fn;
    while (!fn->outer->analysed)
        fn = fn->outer;
    if (!scope_is_cell(c, fn, var))
        fn->captures[scope_capture_index(c, fn, var)].boxed = true;
}

/* var was assigned just now. */
static void note_assignment(Codegen *c, Var *var, LangSpan span)
{
    mention(c, var);
    c->seq++;
    if (var->fn != c->fn)
        note_assignment_in_closure(c, var);
    else if (var->captured)
        var->cell = true;
    if (!var->fn->analysed)
        *CG_PUSH(c, &c->scratch, var->assigns, var->assign_count, var->assign_room) = c->seq;
    warn_about_fork(c, var, span);
}

bool scope_assigned_between(const Var *var, uint32_t from, uint32_t to)
{
    uint32_t low = 0, high = var->assign_count;
    while (low < high) { /* the first assignment after `from` */
        uint32_t mid = low + (high - low) / 2;
        if (var->assigns[mid] > from)
            high = mid;
        else
            low = mid + 1;
    }
    return low < var->assign_count && var->assigns[low] <= to;
}

static void note_self(Codegen *c)
{
    for (Fn *fn = c->fn; fn && !fn->uses_self; fn = fn->outer)
        fn->uses_self = true;
}

static void note_return(Codegen *c)
{
    if (c->fn != c->root || c->fn->guarded_depth)
        c->root->needs_home = true;
    for (Fn *fn = c->fn; fn != c->root && !fn->has_nlr; fn = fn->outer)
        fn->has_nlr = true;
}

/* -- identifiers and assignments -------------------------------------------------------------- */

/* Declares a top-level variable that no declaration at the start of the text announces. */
static Var *declare_top(Codegen *c, TopName top, LangSpan span)
{
    Var *var = declare(c, c->root->scope, top.name, span, false);
    var->binding = c->mode == DOIT_SHELL || (c->mode == DOIT_EVALUATE && !top.declared);
    var->cell = var->binding;
    var->implicit = !top.declared;
    return var;
}

static Var *make_top_level(Codegen *c, Name *name, LangSpan span, bool declared)
{
    TopName top = {name, declared};
    Var *var = declare_top(c, top, span);
    bind_var(var); /* nothing is in scope under this name, so the order of scopes is kept */
    *CG_PUSH(c, &c->scratch, c->tops, c->top_count, c->top_room) = top;
    return var;
}

static bool is_existing_binding(const Codegen *c, const Name *name)
{
    const CompileEnv *env = c->env;
    return c->top_level && c->mode != DOIT_SCRIPT && env->binding &&
           env->binding(env->ctx, name_bytes(name));
}

static void warn_undefined(Codegen *c, Name *name, LangSpan span)
{
    if (name->global_known || name->warned)
        return;
    name->warned = true;
    char quoted[DIAG_QUOTE_MAX];
    diag_quote(name->text, quoted);
    if (c->env->strict)
        cg_error(c, span, "'%s' is not defined", quoted);
    else
        cg_warn(c, span, "'%s' is not defined and reads as nil", quoted);
}

static void walk_identifier(Codegen *c, AstNode *node)
{
    AstIdentifier *id = &node->as.name;
    Name *name = name_intern(c, id->text);
    Var *var = id->qualified ? NULL : name->var;
    if (!var) {
        name_resolve(c, name);
        if (name->kind == REF_GLOBAL && !id->qualified && is_existing_binding(c, name))
            var = make_top_level(c, name, node->span, false);
    }
    if (var) {
        mention(c, var);
        id->tag = REF_VAR;
        id->info = var;
        return;
    }
    id->tag = name->kind;
    id->info = name;
    if (name->kind == REF_FIELD)
        note_self(c);
    if (name->kind == REF_GLOBAL)
        warn_undefined(c, name, node->span);
}

static void refuse_assignment(Codegen *c, const Name *name, LangSpan span)
{
    char quoted[DIAG_QUOTE_MAX];
    diag_quote(name->text, quoted);
    if (name->global_known)
        cg_error(c, span, "cannot assign the global '%s' here: use Compiler setGlobal: #%s to: ...",
                 quoted, quoted);
    else
        cg_error(c, span,
                 "'%s' is not declared: declare it as a temporary (| %s |), as an instance "
                 "variable or as a class variable",
                 quoted, quoted);
}

static void warn_capitalised(Codegen *c, Name *name, LangSpan span)
{
    if (!name_is_capitalised(name) || name->warned)
        return;
    name->warned = true;
    char quoted[DIAG_QUOTE_MAX];
    cg_warn(c, span, "'%s' is capitalised but becomes a top-level variable%s",
            diag_quote(name->text, quoted), name->global_known ? " that hides the global" : "");
}

/* The variable an assignment goes to, or NULL when it is none (then the assignment's tag tells). */
static Var *assignment_target(Codegen *c, AstAssign *assign)
{
    LangText prefix;
    Name *name = name_intern(c, assign->target.text);
    ast_split_name(name->text, &prefix, NULL);
    bool qualified = prefix.len != 0;
    if (!qualified && name->var)
        return name->var;
    name_resolve(c, name);
    assign->tag = name->kind;
    assign->info = name;
    if (name->kind == REF_FIELD)
        note_self(c);
    if (name->kind != REF_GLOBAL)
        return NULL;
    if (c->top_level && !qualified) {
        assign->tag = REF_VAR;
        return make_top_level(c, name, assign->target.span, false);
    }
    refuse_assignment(c, name, assign->target.span);
    return NULL;
}

/* `scope` is the scope whose statement list the assignment stands in directly, or NULL. */
static void walk_assign(Codegen *c, AstNode *node, Scope *scope)
{
    AstAssign *assign = &node->as.assign;
    Var *var = assignment_target(c, assign);
    walk(c, assign->value);
    if (var) {
        assign->tag = REF_VAR;
        assign->info = var;
        var->lazy =
            var->lazy || (var->scope == scope && !var->mentioned && !var->param && !var->binding);
        note_assignment(c, var, assign->target.span);
        if (var->implicit)
            warn_capitalised(c, var->name, assign->target.span);
        if (var->binding && !is_existing_binding(c, var->name))
            var->creates = true;
    }
    node->tag = c->seq << CG_SEQ_SHIFT;
}

/* -- blocks ----------------------------------------------------------------------------------- */

static void walk_body(Codegen *c, Fn *fn)
{
    fn->scope = scope_new(c, fn);
    declare_list(c, fn->scope, fn->params, true);
    declare_list(c, fn->scope, fn->temps, false);
    scope_bind(fn->scope);
    Fn *outer = c->fn;
    c->fn = fn;
    walk_statements(c, fn->body, fn->scope);
    c->fn = outer;
    scope_unbind(fn->scope);
}

static Fn *block_fn(Codegen *c, AstBlock *block, LangSpan span)
{
    Fn *fn = scope_new_fn(c, CODE_BLOCK, c->fn);
    fn->params = block->params;
    fn->temps = block->temps;
    fn->body = block->statements;
    fn->selector = c->root->selector;
    fn->span = span;
    return fn;
}

static void walk_closure(Codegen *c, AstNode *node, bool forked)
{
    AstBlock *block = node->as.block;
    Fn *fn = block_fn(c, block, node->span);
    fn->forked = forked;
    walk_body(c, fn);
    block->tag = BLOCK_CLOSURE;
    block->info = fn;
    node->tag = c->seq << CG_SEQ_SHIFT;
}

static void walk_inlined(Codegen *c, AstNode *node)
{
    AstBlock *block = node->as.block;
    Scope *scope = scope_new(c, c->fn);
    declare_list(c, scope, block->params, true);
    declare_list(c, scope, block->temps, false);
    scope_bind(scope);
    walk_statements(c, block->statements, scope);
    scope_unbind(scope);
    block->tag = BLOCK_INLINED;
    block->info = scope;
    node->tag = c->seq << CG_SEQ_SHIFT;
}

static void loop_enter(Codegen *c)
{
    Fn *fn = c->fn;
    if (fn->loop_depth == 0)
        fn->constants = cg_alloc(c, &c->scratch, 1, sizeof *fn->constants);
    *CG_PUSH(c, &c->scratch, fn->loop_starts, fn->loop_depth, fn->loop_starts_room) = c->seq;
}

/* `block` is where code generation will find the constants of an outermost loop. */
static void loop_leave(Codegen *c, const AstNode *block)
{
    Fn *fn = c->fn;
    if (--fn->loop_depth)
        return;
    Scope *scope = block->as.block->info;
    if (fn->constants->count)
        scope->constants = fn->constants;
    fn->constants = NULL;
}

bool scope_same_constant(const AstNode *a, const AstNode *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case AST_INT: return a->as.integer.value == b->as.integer.value;
    case AST_FLOAT: return memcmp(&a->as.real.value, &b->as.real.value, sizeof(double)) == 0;
    case AST_CHAR: return a->as.character == b->as.character;
    default: return a->kind == AST_NIL || a->kind == AST_TRUE || a->kind == AST_FALSE;
    }
}

static void note_constant(Codegen *c, const AstNode *node)
{
    LoopConstants *constants = c->fn->constants;
    if (!scope_same_constant(node, node)) /* no constant, or one with an identity */
        return;
    for (uint32_t i = 0; i < constants->count; i++)
        if (scope_same_constant(constants->nodes[i], node))
            return;
    if (constants->count < CG_LOOP_CONSTANTS_MAX)
        constants->nodes[constants->count++] = node;
}

/* In a loop: operands that are constants are worth a register of their own. */
static void note_operands(Codegen *c, const AstNode *node)
{
    if (!c->fn->loop_depth || node->kind != AST_SEND || node->as.send.is_super)
        return;
    const AstSend *send = &node->as.send;
    const AstNodeList args = send->message.args;
    const Special *special = special_find(send->message.selector);
    if (!special || special->kind == SPECIAL_VALUE || special->kind == SPECIAL_UNARY)
        return;
    if (send->receiver->kind == AST_INT && args.items[0]->kind == AST_INT)
        return; /* may be folded */
    note_constant(c, send->receiver);
    for (uint32_t i = 0; i < args.count; i++)
        if (!special_takes_constant(special, args.items[i]))
            note_constant(c, args.items[i]);
}

static void walk_while(Codegen *c, AstNode *node)
{
    AstSend *send = &node->as.send;
    loop_enter(c);
    walk_inlined(c, send->receiver);
    if (send->message.args.count)
        walk_inlined(c, send->message.args.items[0]);
    loop_leave(c, send->receiver);
}

static void walk_counting_loop(Codegen *c, AstNode *node, InlineKind kind)
{
    AstNodeList args = node->as.send.message.args;
    uint32_t guarded = scope_loop_is_guarded(node, kind);
    for (uint32_t i = 0; i + 1 < args.count; i++)
        walk(c, args.items[i]);
    c->fn->guarded_depth += guarded;
    loop_enter(c);
    walk_inlined(c, args.items[args.count - 1]);
    loop_leave(c, args.items[args.count - 1]);
    c->fn->guarded_depth -= guarded;
}

/* -- sends ------------------------------------------------------------------------------------ */

static bool is_fork(LangText selector)
{
    return selector.len >= 4 && memcmp(selector.ptr, "fork", 4) == 0;
}

/* The node is the receiver of a send that will run it elsewhere. */
static bool is_forked(const AstNode *send)
{
    if (send->kind == AST_SEND)
        return is_fork(send->as.send.message.selector);
    return send->kind == AST_CASCADE && is_fork(send->as.cascade.messages[0].selector);
}

static void walk_args(Codegen *c, AstNodeList args)
{
    for (uint32_t i = 0; i < args.count; i++)
        walk(c, args.items[i]);
}

/* The part of a send behind its receiver, which has been walked (except for a while). */
static void walk_message(Codegen *c, AstNode *node)
{
    InlineKind kind = scope_kind(node);
    switch (kind) {
    case INLINE_NONE:
        if (node->kind == AST_CASCADE) {
            for (uint32_t i = 0; i < node->as.cascade.count; i++)
                walk_args(c, node->as.cascade.messages[i].args);
        } else {
            walk_args(c, node->as.send.message.args);
            note_operands(c, node);
        }
        break;
    case INLINE_WHILE_TRUE:
    case INLINE_WHILE_FALSE:
    case INLINE_REPEAT: walk_while(c, node); break;
    case INLINE_TO_DO:
    case INLINE_TO_BY_DO:
    case INLINE_TIMES: walk_counting_loop(c, node, kind); break;
    default:
        for (uint32_t i = 0; i < node->as.send.message.args.count; i++)
            walk_inlined(c, node->as.send.message.args.items[i]);
    }
    node->tag = (uint32_t)kind | c->seq << CG_SEQ_SHIFT;
}

static bool receiver_is_inlined(InlineKind kind)
{
    return kind == INLINE_WHILE_TRUE || kind == INLINE_WHILE_FALSE || kind == INLINE_REPEAT;
}

/* Receiver chains may be of any length: a loop over a stack, not recursion. */
static void walk_chain(Codegen *c, AstNode *node)
{
    uint32_t base = c->chain_len;
    AstNode *inner = node;
    for (; ast_receiver(inner); inner = ast_receiver(inner)) {
        InlineKind kind = scope_inline_kind(c->fn, inner);
        inner->tag = kind;
        *CG_PUSH(c, &c->scratch, c->chain, c->chain_len, c->chain_room) = inner;
        if (receiver_is_inlined(kind))
            break;
    }
    if (!ast_receiver(inner)) {
        if (inner->kind == AST_BLOCK && is_forked(c->chain[c->chain_len - 1]))
            walk_closure(c, inner, true);
        else
            walk(c, inner);
    }
    while (c->chain_len > base) {
        AstNode *send = c->chain[--c->chain_len];
        walk_message(c, send);
    }
}

/* -- the walk --------------------------------------------------------------------------------- */

static void walk_return(Codegen *c, AstNode *node)
{
    walk(c, node->as.value);
    note_return(c);
}

static void walk_super(Codegen *c, AstNode *node)
{
    note_self(c);
    if (c->top_level)
        cg_error(c, node->span, "super is only allowed in methods");
}

static void walk(Codegen *c, AstNode *node)
{
    switch (node->kind) {
    case AST_IDENTIFIER: walk_identifier(c, node); break;
    case AST_SELF:
    case AST_THIS_CONTEXT: note_self(c); break;
    case AST_SUPER: walk_super(c, node); break;
    case AST_ASSIGN: walk_assign(c, node, NULL); return;
    case AST_SEND:
    case AST_EVENTUAL:
    case AST_CASCADE: walk_chain(c, node); return;
    case AST_BLOCK: walk_closure(c, node, false); return;
    case AST_DYN_ARRAY: walk_args(c, node->as.list); break;
    case AST_DICTIONARY:
        for (uint32_t i = 0; i < node->as.dictionary.count; i++) {
            walk(c, node->as.dictionary.pairs[i].key);
            walk(c, node->as.dictionary.pairs[i].value);
        }
        break;
    case AST_RETURN: walk_return(c, node); break;
    default: break; /* literals */
    }
    node->tag = c->seq << CG_SEQ_SHIFT;
}

/* `| a b |` in the middle of a script: new variables, or old ones that become nil again. */
static void walk_temps(Codegen *c, AstVarList temps)
{
    for (uint32_t i = 0; i < temps.count; i++) {
        Name *name = name_intern(c, temps.items[i].name);
        Var *var = name->var;
        if (!var)
            var = make_top_level(c, name, temps.items[i].span, true);
        temps.items[i].info = var;
        temps.items[i].tag = var->mentioned;
        if (var->binding)
            var->creates = true;
        if (var->mentioned)
            note_assignment(c, var, temps.items[i].span);
    }
}

static void walk_statements(Codegen *c, AstNodeList list, Scope *scope)
{
    for (uint32_t i = 0; i < list.count; i++) {
        AstNode *node = list.items[i];
        if (node->kind == AST_TEMPS)
            walk_temps(c, node->as.temps);
        else if (node->kind == AST_ASSIGN)
            walk_assign(c, node, scope);
        else
            walk(c, node);
    }
}

/* Names found by an earlier analysis are in scope from the start. */
static void declare_top_level(Codegen *c)
{
    for (uint32_t i = 0; i < c->top_count; i++)
        declare_top(c, c->tops[i], c->root->span);
}

static void declare_root_temps(Codegen *c, Scope *scope, AstVarList temps)
{
    uint32_t first = scope->count;
    declare_list(c, scope, temps, false);
    if (!c->top_level || c->mode != DOIT_SHELL)
        return;
    for (uint32_t i = first; i < scope->count; i++) {
        Var *var = scope->vars[i];
        var->binding = var->cell = var->creates = true;
    }
}

void scope_forget_warnings(Codegen *c)
{
    for (uint32_t i = 0; i < c->name_room; i++)
        if (c->names[i])
            c->names[i]->warned = false;
}

void scope_analyse_root(Codegen *c, Fn *root)
{
    c->seq = 0;
    c->fn = c->root = root;
    root->scope = scope_new(c, root);
    declare_list(c, root->scope, root->params, true);
    declare_root_temps(c, root->scope, root->temps);
    declare_top_level(c);
    scope_bind(root->scope);
    walk_statements(c, root->body, root->scope);
    c->fn = NULL;
    scope_unbind(root->scope);
}

Fn *scope_analyse_fallback(Codegen *c, AstBlock *block)
{
    bool quiet = c->quiet;
    uint32_t seq = c->seq;
    c->quiet = true; /* every warning has been given for the inlined version */
    c->seq = 0;
    Fn *fn = block_fn(c, block, c->fn->span);
    fn->no_guards = true;
    walk_body(c, fn);
    c->seq = seq;
    c->quiet = quiet;
    return fn;
}
