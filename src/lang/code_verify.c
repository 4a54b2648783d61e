/* SPDX-License-Identifier: Apache-2.0 */
/* code_verify.c - checks a unit before it may run: the tables, the operands of every instruction,
 * and by data flow that every register below the live height of a safepoint holds a value (M8).
 *
 * The data flow keeps a set of defined registers and the subset that holds cells, at every jump
 * target and at the start; it follows all paths, joining by intersection, until nothing changes.
 * A safepoint makes everything from its height on undefined. What GETI and PUTI find in Arrays that
 * the compiler makes for itself is not followed: the interpreter looks (array, index, cell or not).
 *
 * A loop must contain a LOOP or FORLOOP, so that it can be preempted (I5).
 * Nested units are checked from a work list, not by recursion (I4).
 *
 * Threads: pure, but for memory from malloc. */
#include <stdlib.h>
#include <string.h>

#include "code.h"

enum { VERIFY_ARRAY_DEPTH_MAX = 2000, NO_STATE = UINT32_MAX };

typedef struct RegSet {
    uint64_t bits[4];
} RegSet;

typedef struct State {
    RegSet defined, cells;
} State;

typedef struct Entry { /* a unit to be checked, and which of its captures are cells */
    const CodeUnit *unit;
    RegSet cells;
} Entry;

typedef struct Verifier {
    const CodeUnit *unit;
    uint32_t *state_of; /* per instruction: index of the state there, or NO_STATE */
    State *states;      /* of jump targets, joined over all ways to get there */
    bool *reached;      /* per state */
    uint32_t nstates;
    uint32_t *work; /* states to be followed again */
    uint32_t nwork;
    bool *queued;
    RegSet *block_cells; /* per block: captures that are cells at every place it is made */
    bool *block_made;
    State now;
    uint32_t pc;
    const char *error;
    Entry *entries; /* work list of units */
    size_t nentries, entries_room;
} Verifier;

/* -- sets ------------------------------------------------------------------------------------- */

static bool set_has(const RegSet *s, unsigned r) { return s->bits[r >> 6] >> (r & 63) & 1; }
static void set_add(RegSet *s, unsigned r) { s->bits[r >> 6] |= UINT64_C(1) << (r & 63); }
static void set_remove(RegSet *s, unsigned r) { s->bits[r >> 6] &= ~(UINT64_C(1) << (r & 63)); }

static void set_cut(RegSet *s, unsigned height) /* removes everything from height on */
{
    for (unsigned i = 0; i < 4; i++) {
        if (height <= i * 64)
            s->bits[i] = 0;
        else if (height < (i + 1) * 64)
            s->bits[i] &= (UINT64_C(1) << (height - i * 64)) - 1;
    }
}

/* Intersects; true when something was lost. */
static bool set_meet(RegSet *s, const RegSet *other)
{
    bool lost = false;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t bits = s->bits[i] & other->bits[i];
        lost |= bits != s->bits[i];
        s->bits[i] = bits;
    }
    return lost;
}

/* -- tables ----------------------------------------------------------------------------------- */

/* Number of arguments a selector takes. */
static unsigned selector_arity(Bytes s)
{
    unsigned colons = 0;
    if (!s.len)
        return 0;
    unsigned char first = (unsigned char)s.data[0];
    bool word = first == '_' || first >= 0x80 || (first | 32u) - 'a' < 26u;
    if (!word)
        return 1;
    for (size_t i = 0; i < s.len; i++)
        colons += s.data[i] == ':';
    return colons;
}

static const char *check_literal(const CodeUnit *unit, const Literal *lit, unsigned depth)
{
    if (depth > VERIFY_ARRAY_DEPTH_MAX)
        return "literal array nested too deeply";
    switch (lit->kind) {
    case LIT_BLOCK:
        if (depth)
            return "block inside a literal array";
        if (lit->integer < 0 || (uint64_t)lit->integer >= unit->nblocks)
            return "literal names a block that is not there";
        return unit->blocks[lit->integer]->ncaps ? "literal block with captures" : NULL;
    case LIT_ARRAY:
        for (size_t i = 0; i < lit->count; i++) {
            const char *error = check_literal(unit, &lit->elements[i], depth + 1);
            if (error)
                return error;
        }
        return NULL;
    case LIT_CHAR:
        return lit->integer < 0 || lit->integer > 0x10FFFF ? "bad character literal" : NULL;
    case LIT_BIG_INT: return lit->radix < 2 || lit->radix > 36 ? "bad radix" : NULL;
    case LIT_INT:
        return lit->integer < -(INT64_C(1) << 47) || lit->integer >= INT64_C(1) << 47
                   ? "integer literal out of range"
                   : NULL;
    default: return (unsigned)lit->kind > LIT_BLOCK ? "unknown literal kind" : NULL;
    }
}

static const char *check_shape(const CodeUnit *unit)
{
    unsigned first_local = unit->nargs + 3u;
    if ((unsigned)unit->kind > CODE_DOIT)
        return "unknown kind of code";
    if (unit->nargs > CODE_MAX_ARGS)
        return "too many arguments";
    if (unit->nregs > CODE_MAX_REGISTERS || unit->nregs < first_local + unit->ncaps)
        return "bad window size";
    if (unit->kind != CODE_BLOCK && (unit->ncaps || unit->uses_self || unit->has_nlr))
        return "captures outside of a block";
    if (unit->ncaps < (unsigned)unit->uses_self + unit->has_nlr)
        return "missing captures";
    if (unit->ncaps && !unit->captures)
        return "missing capture list";
    if (unit->home_reg && (unit->kind == CODE_BLOCK || unit->home_reg != first_local))
        return "bad home register";
    if (unit->kind == CODE_METHOD && selector_arity(unit->selector) != unit->nargs)
        return "argument count does not fit the selector";
    if (unit->is_primitive)
        return unit->kind == CODE_METHOD ? NULL : "primitive is not a method";
    return unit->ninstr ? NULL : "no instructions";
}

static const char *check_tables(const CodeUnit *unit)
{
    for (uint32_t i = 0; i < unit->nblocks; i++)
        if (!unit->blocks[i] || unit->blocks[i]->kind != CODE_BLOCK)
            return "block is not a block";
    for (uint32_t i = 0; i < unit->nliterals; i++) {
        const char *error = check_literal(unit, &unit->literals[i], 0);
        if (error)
            return error;
    }
    for (uint32_t i = 0; i < unit->nics; i++)
        if (!unit->ic_selectors[i].len)
            return "empty selector";
    for (uint32_t i = 0; i < unit->nglobals; i++)
        if ((unsigned)unit->globals[i].kind > GLOBAL_CLASS_VAR || !unit->globals[i].name.len)
            return "bad global";
    for (uint32_t i = 0; i < unit->nlines; i++)
        if (unit->lines[i].pc >= unit->ninstr || (i && unit->lines[i].pc <= unit->lines[i - 1].pc))
            return "bad line table";
    return NULL;
}

/* -- operands --------------------------------------------------------------------------------- */

static void fail(Verifier *v, const char *error)
{
    if (!v->error)
        v->error = error;
}

static void check(Verifier *v, bool ok, const char *error)
{
    if (!ok)
        fail(v, error);
}

static bool is_register(const Verifier *v, unsigned r)
{
    unsigned record = v->unit->nargs + 1u;
    return r < v->unit->nregs && r != record && r != record + 1;
}

/* Reads r; at a safepoint it must lie below the height, where the collector sees it. */
static void reads(Verifier *v, unsigned r, unsigned height)
{
    if (!is_register(v, r))
        fail(v, "operand is no register of the window");
    else if (!set_has(&v->now.defined, r))
        fail(v, "operand may be undefined");
    else if (height && r >= height)
        fail(v, "operand above the live height");
}

static void reads_cell(Verifier *v, unsigned r, unsigned height)
{
    reads(v, r, height);
    if (r < v->unit->nregs)
        check(v, set_has(&v->now.cells, r), "operand may be no cell");
}

static void writes(Verifier *v, unsigned r, bool cell)
{
    if (!is_register(v, r)) {
        fail(v, "result is no register of the window");
        return;
    }
    if (v->unit->home_reg && r == v->unit->home_reg)
        check(v, v->pc == 0, "home token overwritten");
    set_add(&v->now.defined, r);
    if (cell)
        set_add(&v->now.cells, r);
    else
        set_remove(&v->now.cells, r);
}

/* Everything below the height is defined but the frame record; everything above dies. */
static void safepoint(Verifier *v, unsigned height)
{
    unsigned record = v->unit->nargs + 1u;
    if (height < record + 2 || height + 3 > v->unit->nregs) {
        fail(v, "live height outside of the window");
        return;
    }
    for (unsigned r = 0; r < height; r++)
        if (!set_has(&v->now.defined, r) && r != record && r != record + 1) {
            fail(v, "register below the live height may be undefined");
            return;
        }
    set_cut(&v->now.defined, height);
    set_cut(&v->now.cells, height);
}

static void check_ic(Verifier *v, uint32_t ic, unsigned argc)
{
    if (ic >= v->unit->nics)
        fail(v, "inline cache out of range");
    else
        check(v, selector_arity(v->unit->ic_selectors[ic]) == argc,
              "argument count does not fit the selector");
}

/* The register of self in this code, or -1 when it has none. */
static int self_register(const CodeUnit *unit)
{
    if (unit->kind != CODE_BLOCK)
        return 0;
    return unit->uses_self ? unit->nargs + 3 : -1;
}

/* Slots are only reached through self, whose class the loader knows. */
static void check_field_owner(Verifier *v, unsigned r)
{
    bool is_self = v->unit->kind != CODE_DOIT && (int)r == self_register(v->unit);
    check(v, is_self, "field of no self");
}

static const Literal *literal_at(Verifier *v, uint32_t index)
{
    if (index < v->unit->nliterals)
        return &v->unit->literals[index];
    fail(v, "literal out of range");
    return NULL;
}

/* -- instructions by form --------------------------------------------------------------------- */

static void step_load(Verifier *v, Instr i, Opcode op)
{
    unsigned a = instr_a(i), b = instr_b(i);
    switch (op) {
    case OP_MOVE: {
        reads(v, b, 0);
        writes(v, a, set_has(&v->now.cells, b));
        break;
    }
    case OP_NILS:
        check(v, a <= b, "empty range");
        for (unsigned r = a; r <= b && !v->error; r++)
            writes(v, r, false);
        break;
    case OP_GETCELL:
        reads_cell(v, b, 0);
        writes(v, a, false);
        break;
    case OP_LDLIT:
    case OP_LITARR: {
        const Literal *lit = literal_at(v, instr_d(i));
        if (lit)
            check(v, (lit->kind == LIT_ARRAY) == (op == OP_LITARR), "literal of the wrong kind");
        if (op == OP_LITARR)
            safepoint(v, instr_c(i));
        writes(v, a, false);
        break;
    }
    case OP_HOMETOKEN:
        check(v, v->pc == 0 && a == v->unit->home_reg, "misplaced home token");
        writes(v, a, false);
        break;
    case OP_GETGLOBAL:
        check(v, instr_d(i) < v->unit->nglobals, "global out of range");
        safepoint(v, instr_c(i));
        writes(v, a, false);
        break;
    case OP_SETGLOBAL:
        check(v, instr_d(i) < v->unit->nglobals, "global out of range");
        reads(v, a, instr_c(i));
        safepoint(v, instr_c(i));
        break;
    default: writes(v, a, false); /* LDI, LDNIL, LDTRUE, LDFALSE */
    }
}

static void step_object(Verifier *v, Instr i, Opcode op)
{
    unsigned a = instr_a(i), b = instr_b(i), h = instr_c(i);
    switch (op) {
    case OP_GETF:
        check_field_owner(v, b);
        reads(v, b, 0);
        writes(v, a, false);
        break;
    case OP_SETF:
        check_field_owner(v, a);
        reads(v, a, h);
        reads(v, b, h);
        safepoint(v, h);
        break;
    case OP_GETI:
        reads(v, b, 0);
        check(v, h <= 1, "element is cell or not");
        writes(v, a, h == 1);
        break;
    case OP_PUTI:
    case OP_SETCELL:
        if (op == OP_SETCELL)
            reads_cell(v, a, h);
        else
            reads(v, a, h);
        reads(v, b, h);
        safepoint(v, h);
        break;
    case OP_MKCELL:
        reads(v, b, h);
        safepoint(v, h);
        writes(v, a, true);
        break;
    default: break;
    }
}

static void step_window(Verifier *v, Instr i, Opcode op)
{
    bool reg_form = op_info[op].form == FORM_SENDREG;
    unsigned b = instr_b(i), argc = reg_form ? instr_argc(i) : instr_c(i);
    bool has_receiver = !reg_form && op != OP_SENDSELF && op != OP_TAILSELF;
    if (op == OP_SENDSELF || op == OP_TAILSELF)
        check(v, v->unit->kind == CODE_METHOD, "send to self outside of a method");
    if (reg_form)
        reads(v, instr_c(i), b);
    if (has_receiver)
        reads(v, b, 0);
    for (unsigned k = 1; k <= argc && !v->error; k++)
        reads(v, b + k, 0);
    check_ic(v, reg_form ? instr_ic(i) : instr_d(i), argc);
    check(v, b > v->unit->nargs + 2u, "window below the locals");
    if (v->error)
        return;
    if (op == OP_TAILSELF) {
        check(v, argc == v->unit->nargs, "argument count does not fit the method");
        Instr next = v->pc + 1 < v->unit->ninstr ? v->unit->instr[v->pc + 1] : 0;
        check(v, instr_op(next) == OP_SENDSELF && instr_b(next) == b && instr_c(next) == argc,
              "tail call without its send");
        return; /* what follows sends, or the method starts again */
    }
    writes(v, b, false);
    safepoint(v, b + argc + 1);
    set_cut(&v->now.defined, b); /* the callee's window begins there */
    set_cut(&v->now.cells, b);
    writes(v, instr_a(i), false);
}

static void step_arith(Verifier *v, Instr i, Opcode op)
{
    OpForm form = op_info[op].form;
    unsigned h = instr_h(i);
    reads(v, instr_b(i), h);
    if (form == FORM_ARITH || form == FORM_PUTAT)
        reads(v, instr_c(i), h);
    if (form == FORM_PUTAT)
        reads(v, instr_put_value(i), h);
    if (form == FORM_PUTAT)
        check_ic(v, instr_put_ic(i), 2);
    else
        check_ic(v, instr_ic(i), form != FORM_UNARY);
    safepoint(v, h);
    writes(v, instr_a(i), false);
}

static void step_array(Verifier *v, Instr i, Opcode op)
{
    if (op == OP_NEWARR) {
        safepoint(v, instr_c(i));
    } else {
        uint32_t h = instr_d(i);
        check(v, h < CODE_MAX_REGISTERS, "live height outside of the window");
        for (unsigned k = 0; k < instr_c(i) && !v->error; k++)
            reads(v, instr_b(i) + k, h);
        if (!v->error)
            safepoint(v, h);
    }
    writes(v, instr_a(i), false);
}

static void step_block(Verifier *v, Instr i)
{
    uint32_t index = instr_d(i);
    if (index >= v->unit->nblocks) {
        fail(v, "block out of range");
        return;
    }
    const CodeUnit *block = v->unit->blocks[index];
    if (block->ncaps && !block->captures) {
        fail(v, "missing capture list");
        return;
    }
    RegSet cells = {0};
    for (unsigned k = 0; k < block->ncaps; k++) {
        reads(v, block->captures[k], instr_c(i));
        if (!v->error && set_has(&v->now.cells, block->captures[k]))
            set_add(&cells, k);
    }
    if (block->uses_self && block->ncaps)
        check(v, block->captures[0] == self_register(v->unit), "captured self is not self");
    if (v->block_made[index])
        set_meet(&v->block_cells[index], &cells);
    else
        v->block_cells[index] = cells;
    v->block_made[index] = true;
    safepoint(v, instr_c(i));
    writes(v, instr_a(i), false);
}

/* -- flow ------------------------------------------------------------------------------------- */

/* Joins the present state into the one at a jump target. */
static void flow_to(Verifier *v, uint32_t target)
{
    if (v->error)
        return;
    uint32_t s = v->state_of[target];
    bool changed;
    if (!v->reached[s]) {
        v->states[s] = v->now;
        v->reached[s] = changed = true;
    } else {
        bool a = set_meet(&v->states[s].defined, &v->now.defined);
        bool b = set_meet(&v->states[s].cells, &v->now.cells);
        changed = a || b;
    }
    if (changed && !v->queued[s]) {
        v->queued[s] = true;
        v->work[v->nwork++] = target;
    }
}

static bool has_jump(Opcode op)
{
    OpForm form = op_info[op].form;
    return form == FORM_J || form == FORM_JH || form == FORM_AJH || form == FORM_ABJ ||
           form == FORM_FOR;
}

static bool is_fused(Opcode op) { return op >= OP_LTJ; }
_Static_assert(OP_LTJ + 15 == OP_QUICK_FIRST, "fused comparisons are the last instructions");

static bool ends_path(Opcode op)
{
    return op == OP_JMP || op == OP_LOOP || op == OP_RET || op == OP_RETSELF || op == OP_NLR;
}

static uint32_t jump_target(const CodeUnit *unit, uint32_t pc)
{
    return pc + 1 + instr_d(unit->instr[pc]);
}

static void step_jump(Verifier *v, Instr i, Opcode op)
{
    unsigned a = instr_a(i);
    switch (op) {
    case OP_LOOP: safepoint(v, instr_c(i)); break;
    case OP_JMPT:
    case OP_JMPF:
    case OP_JINT:
        reads(v, a, instr_c(i));
        safepoint(v, instr_c(i));
        break;
    case OP_JINT2:
        reads(v, a, 0);
        reads(v, instr_b(i), 0);
        break;
    case OP_FORLOOP:
        check(v, instr_ck(i) != 0, "loop without a step");
        reads(v, a, instr_b(i));
        reads(v, a + 1, instr_b(i));
        safepoint(v, instr_b(i));
        writes(v, a, false);
        break;
    default: break;
    }
    if (!v->error)
        flow_to(v, jump_target(v->unit, v->pc));
}

/* The comparison jumps itself: to the target and behind the JMPF, with its result not written. */
static void step_fused(Verifier *v, Instr i, Opcode op)
{
    State before = v->now;
    if (op_info[op].form == FORM_ABC) {
        reads(v, instr_b(i), 0);
        reads(v, instr_c(i), 0);
        if (!is_register(v, instr_a(i)))
            fail(v, "result is no register of the window");
    } else {
        step_arith(v, i, op);
    }
    if (v->error)
        return;
    State slow = v->now;
    v->now = before;
    if (op_info[op].form != FORM_ABC) { /* nothing above the height is needed any more */
        set_cut(&v->now.defined, instr_h(i));
        set_cut(&v->now.cells, instr_h(i));
    }
    flow_to(v, jump_target(v->unit, v->pc + 1));
    flow_to(v, v->pc + 2);
    v->now = slow;
    if (op_info[op].form == FORM_ABC)
        writes(v, instr_a(i), false); /* never run: be consistent */
}

static void step_return(Verifier *v, Instr i, Opcode op)
{
    switch (op) {
    case OP_RETSELF:
        check(v, v->unit->kind == CODE_METHOD, "return of self outside of a method");
        break;
    case OP_NLR:
        check(v, v->unit->has_nlr && instr_b(i) == v->unit->nargs + 3u + v->unit->uses_self,
              "non-local return without a home");
        reads(v, instr_a(i), instr_c(i));
        reads(v, instr_b(i), instr_c(i));
        safepoint(v, instr_c(i));
        break;
    default: reads(v, instr_a(i), 0);
    }
}

static void step(Verifier *v, Instr i)
{
    Opcode op = instr_op(i);
    if (is_fused(op)) {
        step_fused(v, i, op);
        return;
    }
    if (op == OP_RET || op == OP_RETSELF || op == OP_NLR) {
        step_return(v, i, op);
        return;
    }
    switch (op_info[op].form) {
    case FORM_J:
    case FORM_JH:
    case FORM_AJH:
    case FORM_ABJ:
    case FORM_FOR: step_jump(v, i, op); break;
    case FORM_ABF:
    case FORM_ABD:
    case FORM_ABH: step_object(v, i, op); break;
    case FORM_SEND:
    case FORM_SENDREG: step_window(v, i, op); break;
    case FORM_ARITH:
    case FORM_ARITHK:
    case FORM_UNARY:
    case FORM_PUTAT: step_arith(v, i, op); break;
    case FORM_ARR:
    case FORM_NEWARR: step_array(v, i, op); break;
    case FORM_ABLK: step_block(v, i); break;
    case FORM_ABC:
        reads(v, instr_b(i), 0);
        reads(v, instr_c(i), 0);
        writes(v, instr_a(i), false);
        break;
    default: step_load(v, i, op);
    }
}

/* -- structure -------------------------------------------------------------------------------- */

static const char *check_structure(const CodeUnit *unit, uint32_t *pc)
{
    for (uint32_t at = 0; at < unit->ninstr; at++) {
        Opcode op = instr_op(unit->instr[at]);
        *pc = at;
        if (op >= OP_QUICK_FIRST)
            return "unknown instruction";
        if (has_jump(op)) {
            int64_t target = (int64_t)at + 1 + instr_jump(unit->instr[at]);
            if (target < 0 || target >= unit->ninstr)
                return "jump out of the code";
        }
        if (is_fused(op)) {
            Instr next = at + 1 < unit->ninstr ? unit->instr[at + 1] : 0;
            if (instr_op(next) != OP_JMPF || instr_a(next) != instr_a(unit->instr[at]))
                return "comparison without its JMPF";
            if (at + 2 >= unit->ninstr)
                return "control runs off the end";
        }
        if (at + 1 == unit->ninstr && !ends_path(op))
            return "control runs off the end";
    }
    *pc = 0;
    bool token = instr_op(unit->instr[0]) == OP_HOMETOKEN;
    return unit->home_reg && !token ? "home token missing" : NULL;
}

/* Successors other than along LOOP and FORLOOP. */
static unsigned plain_successors(const CodeUnit *unit, uint32_t at, uint32_t out[2])
{
    Opcode op = instr_op(unit->instr[at]);
    unsigned n = 0;
    if (has_jump(op) && op != OP_LOOP && op != OP_FORLOOP)
        out[n++] = jump_target(unit, at);
    if (!ends_path(op))
        out[n++] = at + 1;
    return n;
}

/* Topological order exists, or else there is a loop that cannot be preempted. */
static const char *check_loops(const CodeUnit *unit, uint32_t *scratch, uint32_t *pc)
{
    uint32_t n = unit->ninstr, *incoming = scratch, *queue = scratch + n, queued = 0, done = 0;
    uint32_t next[2];
    memset(incoming, 0, n * sizeof *incoming);
    for (uint32_t at = 0; at < n; at++)
        for (unsigned k = plain_successors(unit, at, next); k-- > 0;)
            incoming[next[k]]++;
    for (uint32_t at = 0; at < n; at++)
        if (!incoming[at])
            queue[queued++] = at;
    for (; done < queued; done++)
        for (unsigned k = plain_successors(unit, queue[done], next); k-- > 0;)
            if (--incoming[next[k]] == 0)
                queue[queued++] = next[k];
    if (done == n)
        return NULL;
    for (*pc = 0; !incoming[*pc]; ++*pc) {
    }
    return "loop without a safepoint";
}

static void mark_target(Verifier *v, uint32_t at)
{
    if (v->state_of[at] == NO_STATE)
        v->state_of[at] = v->nstates++;
}

static void find_targets(Verifier *v)
{
    const CodeUnit *unit = v->unit;
    memset(v->state_of, 0xFF, unit->ninstr * sizeof *v->state_of);
    mark_target(v, 0);
    for (uint32_t at = 0; at < unit->ninstr; at++) {
        Opcode op = instr_op(unit->instr[at]);
        if (has_jump(op))
            mark_target(v, jump_target(unit, at));
        if (is_fused(op)) {
            mark_target(v, jump_target(unit, at + 1));
            mark_target(v, at + 2);
        }
    }
}

static State entry_state(const CodeUnit *unit, const RegSet *cells)
{
    State s = {0};
    unsigned first = unit->nargs + 3u;
    for (unsigned r = 0; r <= unit->nargs; r++) {
        set_add(&s.defined, r);
        if (r && unit->kind == CODE_DOIT)
            set_add(&s.cells, r);
    }
    for (unsigned k = 0; k < unit->ncaps; k++) {
        set_add(&s.defined, first + k);
        if (set_has(cells, k))
            set_add(&s.cells, first + k);
    }
    return s;
}

/* Follows one path from a target until it ends or joins another target. */
static void follow_path(Verifier *v, uint32_t at)
{
    const CodeUnit *unit = v->unit;
    uint32_t s = v->state_of[at];
    v->queued[s] = false;
    v->now = v->states[s];
    for (;;) {
        v->pc = at;
        step(v, unit->instr[at]);
        if (v->error || ends_path(instr_op(unit->instr[at])))
            return;
        at++;
        if (v->state_of[at] != NO_STATE) {
            flow_to(v, at);
            return;
        }
    }
}

static const char *run_flow(Verifier *v, const RegSet *cells)
{
    v->now = entry_state(v->unit, cells);
    flow_to(v, 0);
    while (v->nwork && !v->error)
        follow_path(v, v->work[--v->nwork]);
    return v->error;
}

/* -- units ------------------------------------------------------------------------------------ */

static bool push_unit(Verifier *v, const CodeUnit *unit, RegSet cells)
{
    if (v->nentries == v->entries_room) {
        size_t room = v->entries_room ? v->entries_room * 2 : 16;
        Entry *grown = realloc(v->entries, room * sizeof *grown);
        if (!grown)
            return false;
        v->entries = grown;
        v->entries_room = room;
    }
    v->entries[v->nentries++] = (Entry){unit, cells};
    return true;
}

static const char *check_flow(Verifier *v, const RegSet *cells)
{
    const CodeUnit *unit = v->unit;
    static const char no_memory[] = "out of memory";
    uint32_t *scratch = malloc((size_t)unit->ninstr * 2 * sizeof *scratch);
    if (!scratch)
        return no_memory;
    const char *error = check_loops(unit, scratch, &v->pc);
    v->state_of = scratch;
    v->nstates = v->nwork = 0;
    if (!error)
        find_targets(v);
    size_t n = v->nstates, blocks = unit->nblocks;
    v->states = calloc(n ? n : 1, sizeof *v->states);
    v->reached = calloc(n ? n : 1, 2); /* reached and queued */
    v->queued = v->reached + n;
    v->work = calloc(n ? n : 1, sizeof *v->work);
    v->block_cells = calloc(blocks ? blocks : 1, sizeof *v->block_cells);
    v->block_made = calloc(blocks ? blocks : 1, 1);
    if (!v->states || !v->reached || !v->work || !v->block_cells || !v->block_made)
        error = error ? error : no_memory;
    if (!error)
        error = run_flow(v, cells);
    for (uint32_t i = 0; i < unit->nblocks && !error; i++)
        if (!push_unit(v, unit->blocks[i], v->block_cells[i]))
            error = no_memory;
    free(scratch);
    free(v->states);
    free(v->reached);
    free(v->work);
    free(v->block_cells);
    free(v->block_made);
    return error;
}

static const char *check_unit(Verifier *v, const Entry *entry)
{
    const CodeUnit *unit = entry->unit;
    v->unit = unit;
    v->pc = 0;
    const char *error = check_shape(unit);
    if (!error && unit->is_primitive)
        return NULL;
    if (!error)
        error = check_tables(unit);
    if (!error)
        error = check_structure(unit, &v->pc);
    if (!error)
        error = check_flow(v, &entry->cells);
    return error;
}

const char *code_verify(const CodeUnit *unit, uint32_t *pc)
{
    Verifier v = {0};
    const char *error = push_unit(&v, unit, (RegSet){0}) ? NULL : "out of memory";
    if (!error && unit->kind == CODE_BLOCK)
        error = "a block stands alone";
    while (!error && v.nentries) {
        Entry entry = v.entries[--v.nentries];
        error = check_unit(&v, &entry);
    }
    free(v.entries);
    *pc = v.pc;
    return error;
}
