/* SPDX-License-Identifier: Apache-2.0 */
/* codegen_emit.c - the instruction stream of one function: instructions, registers, jumps, tables,
 * line numbers, and the last pass over the finished code.
 *
 * Where no path leads (fn->dead) nothing is emitted, so finished code has no unreachable parts
 * except what the last pass cuts off.
 *
 * Threads: see codegen_int.h. */
#include "codegen_int.h"

void emit_begin(Codegen *c, Fn *fn)
{
    CodeUnit *unit = cg_alloc(c, c->out, 1, sizeof *unit);
    unit->kind = fn->kind;
    unit->getter_slot = -1;
    fn->unit = unit;
    fn->max = fn->top;
}

/* -- registers -------------------------------------------------------------------------------- */

uint32_t emit_reg(Codegen *c, uint32_t reg)
{
    Fn *fn = c->fn;
    if (reg >= fn->max)
        fn->max = reg + 1;
    if (reg >= CG_REGISTERS && !c->overflow) {
        c->overflow = true;
        c->overflow_at = c->at;
    }
    return reg;
}

uint32_t emit_push(Codegen *c) { return emit_reg(c, c->fn->top++); }

/* -- instructions ----------------------------------------------------------------------------- */

void emit_at(Codegen *c, LangSpan span) { c->at = span; }

static void note_line(Codegen *c)
{
    CodeUnit *unit = c->fn->unit;
    if (c->at.line == 0)
        return;
    if (unit->nlines) {
        const LineEntry *last = &unit->lines[unit->nlines - 1];
        if (last->line == c->at.line && last->column == c->at.column)
            return;
    }
    LineEntry *entry = CG_PUSH(c, &c->scratch, unit->lines, unit->nlines, c->fn->lines_room);
    *entry = (LineEntry){unit->ninstr, c->at.line, c->at.column};
}

uint32_t emit(Codegen *c, Opcode op, unsigned a, unsigned b, unsigned cc, uint32_t d)
{
    Fn *fn = c->fn;
    CodeUnit *unit = fn->unit;
    if (fn->dead)
        return 0;
    if (unit->ninstr >= INT32_MAX / 2) {
        c->too_long = true;
        return 0;
    }
    Instr instr = instr_make(op, a, b, cc, d);
    if (instr_live_height(instr))
        note_line(c);
    *CG_PUSH(c, &c->scratch, unit->instr, unit->ninstr, fn->instr_room) = instr;
    return unit->ninstr - 1;
}

static void patch(CodeUnit *unit, uint32_t at, uint32_t d)
{
    unit->instr[at] = (unit->instr[at] & UINT32_MAX) | (Instr)d << 32;
}

/* -- jumps ------------------------------------------------------------------------------------ */

uint32_t emit_here(Codegen *c) { return c->fn->unit->ninstr; }

void emit_jump(Codegen *c, Opcode op, unsigned a, unsigned b, Label *label)
{
    if (c->fn->dead)
        return;
    bool has_height = op == OP_JMPT || op == OP_JMPF || op == OP_JINT;
    unsigned height = has_height ? c->fn->top : 0;
    if (has_height && a >= height)
        height = a + 1;
    uint32_t at = emit(c, op, a, b, height, label->last);
    label->last = at + 1;
    if (op == OP_JMP)
        c->fn->dead = true;
}

void emit_label(Codegen *c, Label *label)
{
    CodeUnit *unit = c->fn->unit;
    uint32_t link = label->last;
    if (!link || c->too_long)
        return;
    c->fn->dead = false;
    while (link) {
        uint32_t at = link - 1;
        link = instr_d(unit->instr[at]);
        patch(unit, at, unit->ninstr - (at + 1));
    }
    label->last = 0;
}

void emit_back(Codegen *c, Opcode op, unsigned a, unsigned b, unsigned cc, uint32_t target)
{
    uint32_t at = c->fn->unit->ninstr;
    emit(c, op, a, b, cc, target - (at + 1));
}

void emit_branch(Codegen *c, unsigned reg, Want want)
{
    emit_jump(c, want.jump_if ? OP_JMPT : OP_JMPF, reg, 0, want.label);
}

void emit_move_out(Codegen *c, uint32_t from, uint32_t guard)
{
    Fn *fn = c->fn;
    CodeUnit *unit = fn->unit;
    if (c->too_long)
        return;
    uint32_t first_line = unit->nlines;
    while (first_line && unit->lines[first_line - 1].pc >= from)
        first_line--;
    Snippet *s = CG_PUSH(c, &c->scratch, fn->snippets, fn->nsnippets, fn->snippets_room);
    s->count = unit->ninstr - from;
    s->nlines = unit->nlines - first_line;
    s->instr = cg_alloc(c, &c->scratch, s->count, sizeof *s->instr);
    s->lines = cg_alloc(c, &c->scratch, s->nlines, sizeof *s->lines);
    memcpy(s->instr, unit->instr + from, s->count * sizeof *s->instr);
    for (uint32_t i = 0; i < s->nlines; i++) {
        s->lines[i] = unit->lines[first_line + i];
        s->lines[i].pc -= from;
    }
    s->guard = guard;
    s->resume = from;
    s->line = c->at.line;
    s->column = c->at.column;
    unit->ninstr = from;
    unit->nlines = first_line;
    fn->dead = false; /* the snippet comes back here */
}

static void place_snippets(Codegen *c, Fn *fn)
{
    CodeUnit *unit = fn->unit;
    for (uint32_t i = 0; i < fn->nsnippets; i++) {
        Snippet *s = &fn->snippets[i];
        uint32_t start = unit->ninstr;
        patch(unit, s->guard, start - (s->guard + 1));
        LineEntry *first = CG_PUSH(c, &c->scratch, unit->lines, unit->nlines, fn->lines_room);
        *first = (LineEntry){start, s->line, s->column};
        for (uint32_t k = 0; k < s->nlines; k++) {
            if (s->lines[k].pc == 0)
                continue;
            LineEntry *e = CG_PUSH(c, &c->scratch, unit->lines, unit->nlines, fn->lines_room);
            *e = s->lines[k];
            e->pc += start;
        }
        for (uint32_t k = 0; k < s->count; k++)
            *CG_PUSH(c, &c->scratch, unit->instr, unit->ninstr, fn->instr_room) = s->instr[k];
        uint32_t at = unit->ninstr;
        *CG_PUSH(c, &c->scratch, unit->instr, unit->ninstr, fn->instr_room) =
            instr_make(OP_JMP, 0, 0, 0, s->resume - (at + 1));
    }
}

/* -- tables ----------------------------------------------------------------------------------- */

uint32_t emit_ic(Codegen *c, LangText selector)
{
    Fn *fn = c->fn;
    CodeUnit *unit = fn->unit;
    if (fn->dead)
        return 0;
    Bytes *ic = CG_PUSH(c, &c->scratch, unit->ic_selectors, unit->nics, fn->ics_room);
    *ic = cg_copy(c, selector);
    return unit->nics - 1;
}

uint32_t emit_literal(Codegen *c, Literal literal)
{
    Fn *fn = c->fn;
    CodeUnit *unit = fn->unit;
    if (fn->dead)
        return 0;
    *CG_PUSH(c, &c->scratch, unit->literals, unit->nliterals, fn->literals_room) = literal;
    return unit->nliterals - 1;
}

static bool bytes_equal(Bytes a, Bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

uint32_t emit_global(Codegen *c, GlobalKind kind, Bytes owner, Bytes name)
{
    enum { LOOK_BACK = 64 }; /* a longer search would make big scripts quadratic */
    Fn *fn = c->fn;
    CodeUnit *unit = fn->unit;
    if (fn->dead)
        return 0;
    uint32_t stop = unit->nglobals > LOOK_BACK ? unit->nglobals - LOOK_BACK : 0;
    for (uint32_t i = unit->nglobals; i-- > stop;) {
        const GlobalRef *g = &unit->globals[i];
        if (g->kind == kind && bytes_equal(g->name, name) && bytes_equal(g->owner, owner))
            return i;
    }
    GlobalRef *ref = CG_PUSH(c, &c->scratch, unit->globals, unit->nglobals, fn->globals_room);
    *ref = (GlobalRef){kind, owner, name};
    return unit->nglobals - 1;
}

void emit_int(Codegen *c, uint32_t dest, int64_t value)
{
    emit_reg(c, dest);
    if (value >= INT32_MIN && value <= INT32_MAX) {
        emit(c, OP_LDI, dest, 0, 0, (uint32_t)(int32_t)value);
        return;
    }
    uint32_t literal = emit_literal(c, (Literal){.kind = LIT_INT, .integer = value});
    emit(c, OP_LDLIT, dest, 0, 0, literal);
}

/* -- the last pass ---------------------------------------------------------------------------- */

static uint32_t target_of(const CodeUnit *unit, uint32_t at)
{
    return at + 1 + instr_d(unit->instr[at]);
}

/* Where a jump to `at` really ends: plain jumps are followed, a bounded number of them. */
static uint32_t follow(const CodeUnit *unit, uint32_t at)
{
    for (int hops = 0; hops < 16 && instr_op(unit->instr[at]) == OP_JMP; hops++) {
        uint32_t next = target_of(unit, at);
        if (next <= at)
            break; /* backward plain jumps only lead out of snippets */
        at = next;
    }
    return at;
}

/* Jumps to jumps go straight on; a jump to a short end becomes that end. */
static void thread_jump(CodeUnit *unit, uint32_t at)
{
    Opcode op = instr_op(unit->instr[at]);
    if (op != OP_JMP && op != OP_JMPT && op != OP_JMPF)
        return;
    uint32_t target = follow(unit, target_of(unit, at));
    patch(unit, at, target - (at + 1));
    if (op != OP_JMP)
        return;
    Instr end = unit->instr[target];
    switch (instr_op(end)) {
    case OP_RET:
    case OP_RETSELF: unit->instr[at] = end; break;
    case OP_LOOP:
        unit->instr[at] = end;
        patch(unit, at, target_of(unit, target) - (at + 1));
        break;
    default: break;
    }
}

static void *own_table(Codegen *c, const void *items, size_t count, size_t size)
{
    void *copy = cg_alloc(c, c->out, count, size);
    if (count)
        memcpy(copy, items, count * size);
    return copy;
}

static void name_registers(Codegen *c, Fn *fn)
{
    CodeUnit *unit = fn->unit;
    unit->temp_names = cg_alloc(c, c->out, unit->nregs, sizeof(Bytes));
    for (uint32_t i = 0; i < fn->nnames; i++) {
        const RegisterName *n = &fn->names[i];
        if (n->reg < unit->nregs && !unit->temp_names[n->reg].len)
            unit->temp_names[n->reg] = n->name;
    }
}

void emit_end(Codegen *c, Fn *fn)
{
    CodeUnit *unit = fn->unit;
    if (c->overflow || c->too_long)
        return;
    place_snippets(c, fn);
    for (uint32_t at = 0; at < unit->ninstr; at++)
        thread_jump(unit, at);
    unit->nregs = (uint8_t)(fn->max + 3);
    unit->instr = own_table(c, unit->instr, unit->ninstr, sizeof *unit->instr);
    unit->literals = own_table(c, unit->literals, unit->nliterals, sizeof *unit->literals);
    unit->ic_selectors = own_table(c, unit->ic_selectors, unit->nics, sizeof *unit->ic_selectors);
    unit->globals = own_table(c, unit->globals, unit->nglobals, sizeof *unit->globals);
    unit->blocks = own_table(c, unit->blocks, unit->nblocks, sizeof *unit->blocks);
    unit->lines = own_table(c, unit->lines, unit->nlines, sizeof *unit->lines);
    name_registers(c, fn);
}
