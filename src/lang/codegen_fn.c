/* SPDX-License-Identifier: Apache-2.0 */
/* codegen_fn.c - functions, closures, and the places of variables.
 *
 * A variable of the function is a register or, when there are too many of them (M16), an element
 * of the spill Array; a captured one is a register or an element of the Array of captures. Either
 * holds the value or a cell.
 *
 * Threads: see codegen_int.h. */
#include "codegen_int.h"

typedef struct Place {
    bool in_array;
    uint32_t reg; /* of the variable or of the Array */
    uint32_t index;
} Place;

bool fn_captures_are_packed(const Fn *fn) { return fn->ncaptures > CG_CAPTURES_MAX; }

static Place place_of(const Codegen *c, const Var *var)
{
    const Fn *fn = c->fn;
    if (var->fn == fn) {
        if (var->in_array)
            return (Place){true, fn->spill_reg, var->index};
        return (Place){false, var->reg, 0};
    }
    uint32_t index = scope_capture_index(c, fn, var);
    if (fn_captures_are_packed(fn))
        return (Place){true, fn->pack_reg, index};
    return (Place){false, fn->captures_reg + index, 0};
}

/* -- reading and writing ---------------------------------------------------------------------- */

uint32_t fn_self(const Codegen *c) { return c->fn->self_reg; }

uint32_t fn_var_register(const Codegen *c, const Var *var)
{
    Place place = place_of(c, var);
    return place.in_array || scope_is_cell(c, c->fn, var) ? 0 : place.reg;
}

void fn_load_raw(Codegen *c, const Var *var, uint32_t dest)
{
    Place place = place_of(c, var);
    emit_reg(c, dest);
    if (place.in_array)
        emit(c, OP_GETI, dest, place.reg, scope_is_cell(c, c->fn, var), place.index);
    else if (place.reg != dest)
        emit(c, OP_MOVE, dest, place.reg, 0, 0);
}

void fn_load(Codegen *c, const Var *var, uint32_t dest)
{
    Place place = place_of(c, var);
    if (!scope_is_cell(c, c->fn, var)) {
        fn_load_raw(c, var, dest);
        return;
    }
    if (place.in_array) {
        fn_load_raw(c, var, dest);
        place.reg = dest;
    }
    emit(c, OP_GETCELL, emit_reg(c, dest), place.reg, 0, 0);
}

void fn_store(Codegen *c, const Var *var, uint32_t value)
{
    Place place = place_of(c, var);
    if (!scope_is_cell(c, c->fn, var)) {
        if (place.in_array)
            emit(c, OP_PUTI, place.reg, value, c->fn->top, place.index);
        else if (place.reg != value)
            emit(c, OP_MOVE, place.reg, value, 0, 0);
        return;
    }
    uint32_t saved = c->fn->top;
    if (place.in_array) {
        fn_load_raw(c, var, saved);
        place.reg = emit_push(c);
    }
    emit(c, OP_SETCELL, place.reg, value, c->fn->top, 0);
    c->fn->top = saved;
}

/* -- scopes ----------------------------------------------------------------------------------- */

static void name_register(Codegen *c, uint32_t reg, const Name *name)
{
    RegisterName *entry = CG_PUSH(c, &c->scratch, c->fn->names, c->fn->nnames, c->fn->names_room);
    *entry = (RegisterName){reg, cg_copy(c, name->text)};
}

/* Decides where a variable lives; a register is the next one. */
static void choose_place(Codegen *c, Var *var)
{
    Fn *fn = c->fn;
    var->defined = true;
    if (fn->spills && fn->reg_vars >= c->reg_vars_max) {
        var->in_array = true;
        var->index = fn->spill_top++;
        if (fn->spill_top > fn->spill_max)
            fn->spill_max = fn->spill_top;
        return;
    }
    fn->reg_vars++;
    var->reg = emit_reg(c, fn->top);
    name_register(c, var->reg, var->name);
}

static void box_register(Codegen *c, uint32_t reg) { emit(c, OP_MKCELL, reg, reg, c->fn->top, 0); }

/* The value in register top becomes the content of var's element. */
static void fill_element(Codegen *c, const Var *var)
{
    uint32_t value = emit_push(c);
    if (var->cell)
        box_register(c, value);
    emit(c, OP_PUTI, c->fn->spill_reg, value, c->fn->top, var->index);
    c->fn->top = value;
}

void fn_define(Codegen *c, Var *var)
{
    choose_place(c, var);
    if (var->in_array) {
        fill_element(c, var);
        return;
    }
    emit_push(c);
    if (var->cell)
        box_register(c, var->reg);
}

static bool needs_place_at_entry(const Var *var)
{
    return !var->param && !var->lazy && !var->binding && var->mentioned;
}

/* Temporaries start nil: those in registers by one instruction. */
static void define_temps(Codegen *c, Scope *scope)
{
    Fn *fn = c->fn;
    uint32_t first = fn->top;
    for (uint32_t i = 0; i < scope->count; i++) {
        Var *var = scope->vars[i];
        if (!needs_place_at_entry(var))
            continue;
        choose_place(c, var);
        if (!var->in_array)
            fn->top++;
    }
    if (fn->top == first + 1)
        emit(c, OP_LDNIL, first, 0, 0, 0);
    else if (fn->top > first)
        emit(c, OP_NILS, first, fn->top - 1, 0, 0);
    for (uint32_t i = 0; i < scope->count; i++) {
        Var *var = scope->vars[i];
        if (!needs_place_at_entry(var))
            continue;
        if (var->in_array) {
            emit(c, OP_LDNIL, emit_reg(c, fn->top), 0, 0, 0);
            fill_element(c, var);
        } else if (var->cell) {
            box_register(c, var->reg);
        }
    }
}

/* The parameter of a loop body is the counter itself unless somebody could tell the difference. */
static void define_loop_param(Codegen *c, Var *var, uint32_t counter)
{
    var->defined = true;
    name_register(c, counter, var->name);
    var->reg = counter;
    if (!var->cell && var->assign_count == 0)
        return;
    var->reg = emit_push(c);
    name_register(c, var->reg, var->name);
    emit(c, OP_MOVE, var->reg, counter, 0, 0);
    if (var->cell)
        box_register(c, var->reg);
}

void fn_enter_scope(Codegen *c, Scope *scope, uint32_t counter)
{
    Fn *fn = c->fn;
    scope_bind(scope);
    scope->saved_top = fn->top;
    scope->saved_spill = fn->spill_top;
    scope->saved_reg_vars = fn->reg_vars;
    if (scope->count && scope->vars[0]->param && scope != fn->scope)
        define_loop_param(c, scope->vars[0], counter);
    define_temps(c, scope);
}

void fn_leave_scope(Codegen *c, Scope *scope)
{
    Fn *fn = c->fn;
    fn->top = scope->saved_top;
    fn->spill_top = scope->saved_spill;
    fn->reg_vars = scope->saved_reg_vars;
    scope_unbind(scope);
}

/* -- functions -------------------------------------------------------------------------------- */

/* Registers 1..nargs: parameters, or the bindings of a doit. */
static void place_arguments(Codegen *c, Fn *fn)
{
    CodeUnit *unit = fn->unit;
    uint32_t nargs = 0;
    for (uint32_t i = 0; i < fn->scope->count; i++) {
        Var *var = fn->scope->vars[i];
        if (!var->param && !var->binding)
            continue;
        var->defined = true;
        var->reg = ++nargs;
        name_register(c, var->reg, var->name);
    }
    if (nargs > CODE_MAX_ARGS) {
        cg_error(c, fn->span,
                 fn->kind == CODE_DOIT ? "more than %d top-level variables in one piece of code"
                                       : "more than %d parameters",
                 CODE_MAX_ARGS);
        nargs = CODE_MAX_ARGS;
    }
    unit->nargs = (uint8_t)nargs;
    fn->top = nargs + 3;
    emit_reg(c, fn->top - 1);
    if (fn->kind == CODE_DOIT) {
        unit->bindings = cg_alloc(c, c->out, nargs, sizeof *unit->bindings);
        unit->new_bindings = cg_alloc(c, c->out, nargs, sizeof *unit->new_bindings);
        for (uint32_t i = 0; i < fn->scope->count; i++) {
            const Var *var = fn->scope->vars[i];
            if (!var->binding || var->reg > nargs)
                continue;
            unit->bindings[var->reg - 1] = cg_copy(c, var->name->text);
            unit->new_bindings[var->reg - 1] = var->creates;
        }
    }
}

/* The order is part of CodeUnit: self, home token, variables (or the Array of them). */
static void place_captures(Codegen *c, Fn *fn)
{
    uint32_t first = fn->top;
    if (fn->uses_self)
        fn->self_reg = emit_push(c);
    if (fn->has_nlr)
        fn->home_reg = emit_push(c);
    if (fn_captures_are_packed(fn)) {
        fn->pack_reg = emit_push(c);
    } else {
        fn->captures_reg = fn->top;
        for (uint32_t i = 0; i < fn->ncaptures; i++)
            name_register(c, emit_push(c), fn->captures[i].var->name);
    }
    fn->unit->ncaps = (uint8_t)(fn->top - first);
    fn->unit->uses_self = fn->uses_self;
    fn->unit->has_nlr = fn->has_nlr;
}

static void begin_body(Codegen *c, Fn *fn)
{
    if (fn->kind == CODE_BLOCK) {
        place_captures(c, fn);
    } else if (fn->needs_home) {
        fn->home_reg = fn->top;
        emit(c, OP_HOMETOKEN, emit_push(c), 0, 0, 0);
        fn->unit->home_reg = (uint8_t)fn->home_reg;
    }
    fn->spills = fn->var_count > c->reg_vars_max;
    if (fn->spills) {
        fn->spill_pc = emit(c, OP_NEWARR, fn->top, 0, fn->top, 0);
        fn->spill_reg = emit_push(c);
    }
    fn_enter_scope(c, fn->scope, 0);
    for (uint32_t i = 0; i < fn->scope->count; i++) {
        const Var *var = fn->scope->vars[i];
        if (var->param && var->cell)
            box_register(c, var->reg);
    }
}

static Bytes source_slice(const Codegen *c, LangSpan span)
{
    if (span.start < c->source_start || span.end < span.start ||
        span.end - c->source_start > c->source_copy.len)
        return (Bytes){"", 0};
    return (Bytes){c->source_copy.data + (span.start - c->source_start), span.end - span.start};
}

void fn_generate(Codegen *c, Fn *fn)
{
    Fn *outer = c->fn;
    LangSpan at = c->at;
    c->fn = fn;
    fn->analysed = true;
    emit_begin(c, fn);
    fn->unit->selector = outer ? c->root->unit->selector : cg_copy(c, fn->selector);
    emit_at(c, fn->span);
    place_arguments(c, fn);
    begin_body(c, fn);
    gen_statements(c, fn->body, fn->kind == CODE_METHOD ? want_effect() : want_return());
    emit(c, OP_RETSELF, 0, 0, 0, 0);
    fn_leave_scope(c, fn->scope);
    if (fn->spills && !c->too_long)
        fn->unit->instr[fn->spill_pc] |= (Instr)fn->spill_max << 32;
    fn->unit->source = source_slice(c, fn->span);
    emit_end(c, fn);
    c->fn = outer;
    c->at = at;
}

/* -- closures --------------------------------------------------------------------------------- */

uint32_t fn_pack_captures(Codegen *c, const Fn *fn)
{
    emit(c, OP_NEWARR, emit_reg(c, c->fn->top), 0, c->fn->top, fn->ncaptures);
    uint32_t array = emit_push(c);
    for (uint32_t i = 0; i < fn->ncaptures; i++) {
        uint32_t value = array + 1;
        fn_load_raw(c, fn->captures[i].var, value);
        emit_push(c);
        if (fn->captures[i].boxed)
            box_register(c, value);
        emit(c, OP_PUTI, array, value, c->fn->top, i);
        c->fn->top = value;
    }
    return array;
}

static uint32_t capture_register(Codegen *c, const Capture *capture, uint32_t box)
{
    if (capture->boxed)
        return box;
    Place place = place_of(c, capture->var);
    if (!place.in_array)
        return place.reg;
    fn_load_raw(c, capture->var, c->fn->top);
    return emit_push(c);
}

void fn_closure(Codegen *c, Fn *fn, const uint32_t *boxes, uint32_t dest)
{
    Fn *maker = c->fn;
    if (maker->dead)
        return;
    fn_generate(c, fn);
    CodeUnit *unit = fn->unit;
    uint32_t index = maker->unit->nblocks;
    *CG_PUSH(c, &c->scratch, maker->unit->blocks, maker->unit->nblocks, maker->blocks_room) = unit;
    emit_reg(c, dest);
    if (unit->ncaps == 0) {
        uint32_t literal = emit_literal(c, (Literal){.kind = LIT_BLOCK, .integer = index});
        emit(c, OP_LDLIT, dest, 0, 0, literal);
        return;
    }
    uint32_t saved = maker->top;
    uint32_t n = 0;
    unit->captures = cg_alloc(c, c->out, unit->ncaps, 1);
    if (fn->uses_self)
        unit->captures[n++] = (uint8_t)maker->self_reg;
    if (fn->has_nlr)
        unit->captures[n++] = (uint8_t)maker->home_reg;
    if (fn_captures_are_packed(fn)) {
        unit->captures[n++] = (uint8_t)(boxes ? boxes[0] : fn_pack_captures(c, fn));
    } else {
        for (uint32_t i = 0; i < fn->ncaptures; i++)
            unit->captures[n++] =
                (uint8_t)capture_register(c, &fn->captures[i], boxes ? boxes[i] : 0);
    }
    emit(c, OP_MKBLK, dest, 0, maker->top, index);
    maker->top = saved;
}
