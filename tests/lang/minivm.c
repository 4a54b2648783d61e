/* SPDX-License-Identifier: Apache-2.0 */
/* minivm.c - see minivm.h.
 * Threads: one. */
#include "minivm.h"

enum { STACK_WORDS = 1 << 16, CALL_DEPTH_MAX = 60 };

struct Closure {
    /* code */
    const CodeUnit *unit;
    Val *captured;
    /* tree */
    const AstBlock *block;
    struct Frame *frame;
    uint64_t home;
};

/* -- values ----------------------------------------------------------------------------------- */

static Val nil_val(void) { return (Val){.tag = T_NIL}; }
static Val bool_val(bool b) { return (Val){.tag = T_BOOL, .i = b}; }
static bool is_number(Val v) { return v.tag == T_INT || v.tag == T_BIG; }

static Val int_val(int64_t i)
{
    int64_t half = INT64_C(1) << 46; /* wrap: everything stays a SmallInteger */
    uint64_t wrapped = (uint64_t)(i + half) & (uint64_t)(2 * half - 1);
    return (Val){.tag = T_INT, .i = (int64_t)wrapped - half};
}

static void *world_alloc(World *w, size_t n)
{
    void *p = lang_arena_alloc(&w->arena, n ? n : 1);
    assert_non_null(p);
    return p;
}

static Val make_array(World *w, size_t n)
{
    Val *items = world_alloc(w, n * sizeof *items);
    for (size_t i = 0; i < n; i++)
        items[i] = nil_val();
    return (Val){.tag = T_ARRAY, .i = (int64_t)n, .p = items};
}

void minivm_print(Buffer *out, Val v, int depth)
{
    char text[32];
    switch (v.tag) {
    case T_NIL: buffer_put(out, "nil"); break;
    case T_BOOL: buffer_put(out, v.i ? "true" : "false"); break;
    case T_INT:
    case T_BIG:
        snprintf(text, sizeof text, "%s%lld", v.tag == T_BIG ? "B" : "", (long long)v.i);
        buffer_put(out, text);
        break;
    case T_CLOSURE: buffer_put(out, "[]"); break;
    case T_ARRAY:
        buffer_put(out, "{");
        for (int64_t i = 0; i < v.i && depth < 3; i++) {
            minivm_print(out, ((Val *)v.p)[i], depth + 1);
            buffer_put(out, " ");
        }
        buffer_put(out, "}");
        break;
    case T_SELF: buffer_put(out, "self"); break;
    case T_CLASS: buffer_put(out, "class"); break;
    default: buffer_put(out, "?"); break;
    }
}

static bool same(Val a, Val b) { return a.tag == b.tag && a.i == b.i && a.p == b.p; }

void minivm_init(World *w)
{
    memset(w, 0, sizeof *w);
    lang_arena_init(&w->arena, lang_allocator_malloc(), 0);
    buffer_put(&w->trace, "");
    for (int i = 0; i < 4; i++)
        w->fields[i] = nil_val();
    w->fuel = 4000;
    w->stack_max = STACK_WORDS;
    w->stack = calloc(w->stack_max, sizeof *w->stack);
    assert_non_null(w->stack);
}

void minivm_free(World *w)
{
    lang_arena_free(&w->arena);
    free(w->trace.bytes);
    free(w->active);
    free(w->stack);
}

static bool unwinding(const World *w) { return w->stopped || w->returning || w->broken; }

static bool burn(World *w)
{
    if (--w->fuel < 0)
        w->stopped = true;
    return !unwinding(w);
}

static uint64_t activate(World *w)
{
    if (w->nactive == w->active_room) {
        w->active_room = w->active_room ? w->active_room * 2 : 16;
        w->active = realloc(w->active, w->active_room * sizeof *w->active);
        assert_non_null(w->active);
    }
    w->active[w->nactive++] = ++w->serial;
    return w->serial;
}

static bool is_active(const World *w, uint64_t home)
{
    for (uint32_t i = 0; i < w->nactive; i++)
        if (w->active[i] == home)
            return true;
    return false;
}

/* A ^ from a block. A dead home: the value goes to the caller of the block, as 99. */
static Val return_from(World *w, uint64_t home, Val v)
{
    if (!is_active(w, home))
        return int_val(99);
    w->returning = true;
    w->home = home;
    w->result = v;
    return v;
}

/* -- operations both sides share -------------------------------------------------------------- */

static Val call_closure(World *w, Val closure, const Val *args, uint32_t argc);

static Val arith(char op, Val a, Val b)
{
    if (!is_number(a) || !is_number(b))
        return int_val(7);
    int64_t result;
    switch (op) {
    case '+': result = a.i + b.i; break;
    case '-': result = a.i - b.i; break;
    case '*':
        if (__builtin_mul_overflow(a.i, b.i, &result))
            result = 11;
        break;
    default: result = b.i ? a.i % b.i : 7; break;
    }
    return int_val(result);
}

static Val compare(const char *op, Val a, Val b)
{
    int64_t x = a.i, y = b.i;
    if (!is_number(a) || !is_number(b))
        return bool_val(false);
    if (op[0] == '<')
        return bool_val(op[1] == '=' ? x <= y : x < y);
    if (op[0] == '>')
        return bool_val(op[1] == '=' ? x >= y : x > y);
    return bool_val(op[0] == '~' ? x != y : x == y);
}

static Val element(Val array, Val index, const Val *put)
{
    if (array.tag != T_ARRAY || !is_number(index) || array.i == 0)
        return int_val(7);
    Val *place = (Val *)array.p + (uint64_t)index.i % (uint64_t)array.i;
    if (put)
        *place = *put;
    return *place;
}

static Val counting_loop(World *w, Val from, Val to, int64_t step, Val block, bool pass)
{
    if (!is_number(from) || !is_number(to))
        return int_val(7);
    for (int64_t i = from.i; step > 0 ? i <= to.i : i >= to.i; i += step) {
        Val arg = int_val(i);
        if (!burn(w))
            return nil_val();
        call_closure(w, block, &arg, pass);
        if (unwinding(w))
            return nil_val();
    }
    return from;
}

static Val self_send(World *w, Bytes s, const Val *args)
{
    if (s.len == 4 && !memcmp(s.data, "log:", 4)) {
        minivm_print(&w->trace, args[0], 0);
        buffer_put(&w->trace, ";");
        return args[0];
    }
    if (s.len == 4 && !memcmp(s.data, "big:", 4))
        return is_number(args[0]) ? (Val){.tag = T_BIG, .i = args[0].i} : args[0];
    if (s.len == 7 && !memcmp(s.data, "add:to:", 7))
        return arith('+', args[0], args[1]);
    if (s.len == 7 && !memcmp(s.data, "m:with:", 7)) {
        if (w->nactive > CALL_DEPTH_MAX)
            w->stopped = true;
        return unwinding(w) ? nil_val() : w->method(w, args[0], args[1]);
    }
    return int_val(7);
}

static bool is(Bytes s, const char *z) { return s.len == strlen(z) && !memcmp(s.data, z, s.len); }

/* Any message, with its real meaning. */
static Val perform(World *w, Val r, Bytes s, const Val *args, uint32_t argc)
{
    if (!burn(w))
        return nil_val();
    if (argc == 1 && s.len == 1 && strchr("+-*", s.data[0]))
        return arith(s.data[0], r, args[0]);
    if (is(s, "\\\\"))
        return arith('%', r, args[0]);
    if (is(s, "=="))
        return bool_val(same(r, args[0]));
    if (is(s, "~~"))
        return bool_val(!same(r, args[0]));
    if (argc == 1 && s.len <= 2 && strchr("<>=~", s.data[0])) {
        char op[3] = {s.data[0], s.len > 1 ? s.data[1] : '\0', '\0'};
        return compare(op, r, args[0]);
    }
    if (is(s, "at:"))
        return element(r, args[0], NULL);
    if (is(s, "at:put:"))
        return element(r, args[0], &args[1]);
    if (is(s, "isNil"))
        return bool_val(r.tag == T_NIL);
    if (is(s, "notNil"))
        return bool_val(r.tag != T_NIL);
    if (is(s, "not"))
        return r.tag == T_BOOL ? bool_val(!r.i) : int_val(7);
    if (is(s, "size"))
        return int_val(r.tag == T_ARRAY ? r.i : 7);
    if (s.len >= 5 && !memcmp(s.data, "value", 5))
        return r.tag == T_CLOSURE ? call_closure(w, r, args, argc) : int_val(7);
    if (is(s, "to:do:"))
        return counting_loop(w, r, args[0], 1, args[1], true);
    if (is(s, "to:by:do:"))
        return counting_loop(w, r, args[0], args[1].i, args[2], true);
    if (is(s, "timesRepeat:")) {
        counting_loop(w, int_val(1), r, 1, args[0], false);
        return is_number(r) ? r : int_val(7);
    }
    return r.tag == T_SELF ? self_send(w, s, args) : int_val(7);
}

/* -- the tree --------------------------------------------------------------------------------- */

typedef struct Frame {
    struct Frame *outer;
    LangText *names;
    Val *values;
    uint32_t count;
    uint64_t home;
} Frame;

static Val eval(World *w, Frame *f, const AstNode *node);

static Frame *new_frame(World *w, Frame *outer, AstVarList params, AstVarList temps, uint32_t extra)
{
    Frame *f = world_alloc(w, sizeof *f);
    f->outer = outer;
    f->count = params.count + temps.count;
    f->names = world_alloc(w, (f->count + extra) * sizeof *f->names);
    f->values = world_alloc(w, (f->count + extra) * sizeof *f->values);
    for (uint32_t i = 0; i < f->count; i++) {
        const AstVar *v = i < params.count ? &params.items[i] : &temps.items[i - params.count];
        f->names[i] = v->name;
        f->values[i] = nil_val();
    }
    return f;
}

/* The variable, or in a script a new one in the outermost frame (which has room for 64). */
static Val *find_var(World *w, Frame *f, LangText name)
{
    for (;; f = f->outer) {
        for (uint32_t i = 0; i < f->count; i++)
            if (lang_text_equal(f->names[i], name))
                return &f->values[i];
        if (!f->outer)
            break;
    }
    if (name.len == 1 && name.ptr[0] >= 'p' && name.ptr[0] <= 's')
        return &w->fields[name.ptr[0] - 'p'];
    f->names[f->count] = name;
    f->values[f->count] = nil_val();
    return &f->values[f->count++];
}

static Val eval_statements(World *w, Frame *f, AstNodeList list, Val none)
{
    Val v = none;
    for (uint32_t i = 0; i < list.count && !unwinding(w); i++) {
        const AstNode *node = list.items[i];
        v = eval(w, f, node->kind == AST_RETURN ? node->as.value : node);
        if (node->kind != AST_RETURN || unwinding(w))
            continue;
        return return_from(w, f->home, v);
    }
    return v;
}

static Val call_block(World *w, const Closure *c, const Val *args, uint32_t argc)
{
    AstVarList params = c->block->params;
    Frame *f = new_frame(w, c->frame, params, c->block->temps, 0);
    f->home = c->home;
    for (uint32_t i = 0; i < params.count && i < argc; i++)
        f->values[i] = args[i];
    return eval_statements(w, f, c->block->statements, nil_val());
}

static Val eval_closure(World *w, Frame *f, const AstNode *node)
{
    Closure *c = world_alloc(w, sizeof *c);
    c->block = node->as.block;
    c->frame = f;
    c->home = f->home;
    return (Val){.tag = T_CLOSURE, .p = c};
}

/* Conditionals and while loops, given closures. */
static bool eval_control(World *w, Val r, Bytes s, const Val *args, Val *out)
{
    *out = nil_val();
    if (is(s, "ifTrue:ifFalse:") || is(s, "ifFalse:ifTrue:")) {
        bool first = (r.i != 0) == is(s, "ifTrue:ifFalse:");
        *out = call_closure(w, args[!first], NULL, 0);
        return true;
    }
    if (is(s, "ifTrue:") || is(s, "ifFalse:")) {
        if ((r.i != 0) == is(s, "ifTrue:"))
            *out = call_closure(w, args[0], NULL, 0);
        return true;
    }
    if (is(s, "and:") || is(s, "or:")) {
        *out = (r.i != 0) == is(s, "and:") ? call_closure(w, args[0], NULL, 0) : r;
        return true;
    }
    if (!is(s, "whileTrue:") && !is(s, "whileFalse:"))
        return false;
    while (burn(w)) {
        Val go = call_closure(w, r, NULL, 0);
        if (unwinding(w) || (go.i != 0) != is(s, "whileTrue:"))
            break;
        call_closure(w, args[0], NULL, 0);
    }
    return true;
}

static Val eval_message(World *w, Frame *f, Val r, const AstMessage *m)
{
    Val args[8];
    for (uint32_t i = 0; i < m->args.count; i++) {
        args[i] = eval(w, f, m->args.items[i]);
        if (unwinding(w))
            return nil_val();
    }
    Bytes s = {m->selector.ptr, m->selector.len};
    Val out;
    if (eval_control(w, r, s, args, &out))
        return out;
    return perform(w, r, s, args, m->args.count);
}

static Val eval_array(World *w, Frame *f, AstNodeList list)
{
    Val a = make_array(w, list.count);
    for (uint32_t i = 0; i < list.count && !unwinding(w); i++)
        ((Val *)a.p)[i] = eval(w, f, list.items[i]);
    return a;
}

static Val eval(World *w, Frame *f, const AstNode *node)
{
    Val v = nil_val();
    if (unwinding(w))
        return v;
    switch (node->kind) {
    case AST_INT: return int_val(node->as.integer.value);
    case AST_TRUE:
    case AST_FALSE: return bool_val(node->kind == AST_TRUE);
    case AST_SELF: return (Val){.tag = T_SELF};
    case AST_IDENTIFIER: return *find_var(w, f, node->as.name.text);
    case AST_ASSIGN:
        v = eval(w, f, node->as.assign.value);
        if (!unwinding(w))
            *find_var(w, f, node->as.assign.target.text) = v;
        return v;
    case AST_SEND:
        v = eval(w, f, node->as.send.receiver);
        return unwinding(w) ? v : eval_message(w, f, v, &node->as.send.message);
    case AST_CASCADE: {
        Val r = eval(w, f, node->as.cascade.receiver);
        for (uint32_t i = 0; i < node->as.cascade.count && !unwinding(w); i++)
            v = eval_message(w, f, r, &node->as.cascade.messages[i]);
        return v;
    }
    case AST_BLOCK: return eval_closure(w, f, node);
    case AST_DYN_ARRAY: return eval_array(w, f, node->as.list);
    default: return v;
    }
}

Val minivm_eval(World *w, AstVarList params, AstVarList temps, AstNodeList body, Val a, Val b)
{
    Frame *f = new_frame(w, NULL, params, temps, 64);
    f->home = activate(w);
    if (params.count == 2) {
        f->values[0] = a;
        f->values[1] = b;
    }
    Val v = eval_statements(w, f, body, nil_val());
    w->nactive--;
    if (w->returning && w->home == f->home) {
        w->returning = false;
        return w->result;
    }
    return params.count ? (Val){.tag = T_SELF} : v;
}

/* -- the code --------------------------------------------------------------------------------- */

typedef struct Run {
    World *w;
    const CodeUnit *unit;
    Val *r; /* the window */
    uint32_t pc;
    bool done;
    Val value;
} Run;

static void broken(Run *run, const char *what)
{
    if (!unwinding(run->w))
        run->w->broken = what; /* a run that is given up proves nothing */
}

static Val reg(Run *run, unsigned i)
{
    if (run->r[i].tag == T_POISON)
        broken(run, "a dead register was read");
    return run->r[i];
}

static void destroy_from(Run *run, unsigned height)
{
    for (unsigned i = height; i < run->unit->nregs; i++)
        run->r[i].tag = T_POISON;
}

static void check_height(Run *run, unsigned height)
{
    unsigned record = run->unit->nargs + 1u;
    for (unsigned i = 0; i < height; i++)
        if (i != record && i != record + 1 && run->r[i].tag == T_POISON)
            broken(run, "a register below the live height is dead");
}

/* A message whose window begins at `base`; everything from there on is gone afterwards. */
static Val send_window(Run *run, unsigned base, unsigned argc, Bytes selector)
{
    Val receiver = reg(run, base), args[8];
    for (unsigned i = 0; i < argc && i < 8; i++)
        args[i] = reg(run, base + 1 + i);
    check_height(run, base + argc + 1);
    size_t used = run->w->stack_used;
    run->w->stack_used = (size_t)(run->r - run->w->stack) + base;
    Val v = run->w->broken ? nil_val() : perform(run->w, receiver, selector, args, argc);
    run->w->stack_used = used;
    destroy_from(run, base);
    return v;
}

/* The slow path of an operation: always taken for every second one. */
static Val operate(Run *run, Instr i, Bytes selector, Val a, Val b, Val c, unsigned argc)
{
    unsigned h = instr_h(i);
    check_height(run, h);
    if (run->w->fuel & 1) { /* the inline way destroys nothing */
        Val args[2] = {b, c};
        return perform(run->w, a, selector, args, argc);
    }
    run->r[h] = a;
    run->r[h + 1] = b;
    run->r[h + 2] = c;
    return send_window(run, h, argc, selector);
}

static Val run_unit(World *w, const CodeUnit *unit, Val self, const Val *args, uint32_t argc,
                    const Closure *closure);

static void step_send(Run *run, Instr i, Opcode op)
{
    bool reg_form = op_info[op].form == FORM_SENDREG;
    unsigned b = instr_b(i), argc = reg_form ? instr_argc(i) : instr_c(i);
    if (reg_form)
        run->r[b] = reg(run, instr_c(i));
    if (op == OP_SENDSELF)
        run->r[b] = run->r[0];
    Bytes selector = run->unit->ic_selectors[reg_form ? instr_ic(i) : instr_d(i)];
    Val v = send_window(run, b, argc, selector);
    run->r[instr_a(i)] = v;
}

static void step_tail(Run *run, Instr i)
{
    for (unsigned k = 1; k <= instr_c(i); k++)
        run->r[k] = reg(run, instr_b(i) + k);
    run->pc = 0;
    burn(run->w);
    destroy_from(run, run->unit->nargs + 3u);
    run->w->active[run->w->nactive - 1] = ++run->w->serial;
}

static void step_block(Run *run, Instr i)
{
    const CodeUnit *unit = run->unit->blocks[instr_d(i)];
    Closure *c = world_alloc(run->w, sizeof *c);
    c->unit = unit;
    c->captured = world_alloc(run->w, unit->ncaps * sizeof *c->captured);
    for (unsigned k = 0; k < unit->ncaps; k++)
        c->captured[k] = reg(run, unit->captures[k]);
    check_height(run, instr_c(i));
    destroy_from(run, instr_c(i));
    run->r[instr_a(i)] = (Val){.tag = T_CLOSURE, .p = c};
}

static Val literal_value(Run *run, uint32_t index)
{
    const Literal *lit = &run->unit->literals[index];
    if (lit->kind == LIT_INT)
        return int_val(lit->integer);
    if (lit->kind != LIT_BLOCK)
        return (Val){.tag = T_CLASS};
    Closure *c = world_alloc(run->w, sizeof *c);
    c->unit = run->unit->blocks[lit->integer];
    return (Val){.tag = T_CLOSURE, .p = c};
}

/* Comparisons fused with a JMPF, and the plain instructions they stand for. */
static Val comparison(Run *run, Instr i, Opcode op)
{
    OpForm form = op_info[op].form;
    Val a = reg(run, instr_b(i)), b = nil_val();
    if (form == FORM_ABC) {
        bool equal = same(a, reg(run, instr_c(i)));
        return bool_val(op == OP_NOTSAME ? !equal : equal);
    }
    if (form == FORM_ARITH)
        b = reg(run, instr_c(i));
    if (form == FORM_ARITHK)
        b = int_val(instr_ck(i));
    return operate(run, i, run->unit->ic_selectors[instr_ic(i)], a, b, nil_val(),
                   form != FORM_UNARY);
}

static void step_arith(Run *run, Instr i, Opcode op)
{
    if (op == OP_PUTAT) {
        Val a = reg(run, instr_b(i)), b = reg(run, instr_c(i)), c = reg(run, instr_put_value(i));
        Val v = operate(run, i, run->unit->ic_selectors[instr_put_ic(i)], a, b, c, 2);
        run->r[instr_a(i)] = v;
        return;
    }
    Val v = comparison(run, i, op);
    if (op < OP_LTJ) {
        run->r[instr_a(i)] = v;
        return;
    }
    if (v.tag != T_BOOL)
        broken(run, "no Boolean from a comparison");
    uint32_t jmpf = run->pc;
    run->pc = jmpf + 1 + (v.i ? 0 : instr_d(run->unit->instr[jmpf]));
}

static bool step_memory(Run *run, Instr i, Opcode op)
{
    World *w = run->w;
    unsigned a = instr_a(i), b = instr_b(i);
    uint32_t d = instr_d(i);
    Val *r = run->r;
    switch (op) {
    case OP_MOVE: r[a] = reg(run, b); return true;
    case OP_LDI: r[a] = int_val((int32_t)d); return true;
    case OP_LDNIL: r[a] = nil_val(); return true;
    case OP_LDTRUE:
    case OP_LDFALSE: r[a] = bool_val(op == OP_LDTRUE); return true;
    case OP_NILS:
        for (unsigned k = a; k <= b; k++)
            r[k] = nil_val();
        return true;
    case OP_LDLIT: r[a] = literal_value(run, d); return true;
    case OP_GETF: r[a] = w->fields[d]; return true;
    case OP_SETF:
        check_height(run, instr_c(i));
        w->fields[d] = reg(run, b);
        destroy_from(run, instr_c(i));
        return true;
    case OP_MKCELL: {
        Val *cell = world_alloc(w, sizeof *cell);
        *cell = reg(run, b);
        check_height(run, instr_c(i));
        destroy_from(run, instr_c(i));
        r[a] = (Val){.tag = T_CELL, .p = cell};
        return true;
    }
    case OP_GETCELL:
    case OP_SETCELL: {
        unsigned at = op == OP_GETCELL ? b : a;
        if (reg(run, at).tag != T_CELL) {
            broken(run, "no cell");
            return true;
        }
        Val *cell = r[at].p;
        if (op == OP_GETCELL) {
            r[a] = *cell;
        } else {
            check_height(run, instr_c(i));
            *cell = reg(run, b);
            destroy_from(run, instr_c(i));
        }
        return true;
    }
    case OP_GETI: r[a] = ((Val *)reg(run, b).p)[d]; return true;
    case OP_PUTI:
        check_height(run, instr_c(i));
        ((Val *)reg(run, a).p)[d] = reg(run, b);
        destroy_from(run, instr_c(i));
        return true;
    case OP_NEWARR:
        check_height(run, instr_c(i));
        destroy_from(run, instr_c(i));
        r[a] = make_array(w, d);
        return true;
    case OP_MKARR: {
        Val array = make_array(w, instr_c(i));
        for (unsigned k = 0; k < instr_c(i); k++)
            ((Val *)array.p)[k] = reg(run, b + k);
        check_height(run, d);
        destroy_from(run, d);
        r[a] = array;
        return true;
    }
    case OP_HOMETOKEN:
        r[a] = (Val){.tag = T_TOKEN, .i = (int64_t)w->active[w->nactive - 1]};
        return true;
    default: return false;
    }
}

static void jump(Run *run, Instr i) { run->pc += instr_d(i); }

static void step_flow(Run *run, Instr i, Opcode op)
{
    World *w = run->w;
    unsigned a = instr_a(i);
    switch (op) {
    case OP_JMP: jump(run, i); break;
    case OP_LOOP:
        check_height(run, instr_c(i));
        destroy_from(run, instr_c(i));
        burn(w);
        jump(run, i);
        break;
    case OP_JMPT:
    case OP_JMPF: {
        Val v = reg(run, a);
        check_height(run, instr_c(i));
        if (v.tag != T_BOOL)
            broken(run, "no Boolean in a condition");
        if ((v.i != 0) == (op == OP_JMPT))
            jump(run, i);
        break;
    }
    case OP_JINT2:
        if (reg(run, a).tag != T_INT || reg(run, instr_b(i)).tag != T_INT)
            jump(run, i);
        break;
    case OP_JINT:
        if (reg(run, a).tag != T_INT)
            jump(run, i);
        break;
    case OP_FORLOOP: {
        int step = instr_ck(i);
        int64_t next = reg(run, a).i + step, limit = reg(run, a + 1).i;
        run->r[a].i = next;
        check_height(run, instr_b(i));
        destroy_from(run, instr_b(i));
        if (burn(w) && (step > 0 ? next <= limit : next >= limit))
            jump(run, i);
        break;
    }
    case OP_RET:
    case OP_RETSELF:
        run->value = op == OP_RET ? reg(run, a) : run->r[0];
        run->done = true;
        break;
    case OP_NLR:
        check_height(run, instr_c(i));
        run->value = return_from(w, (uint64_t)reg(run, instr_b(i)).i, reg(run, a));
        run->done = true;
        break;
    default: broken(run, "unexpected instruction"); break;
    }
}

static void step(Run *run)
{
    Instr i = run->unit->instr[run->pc++];
    Opcode op = instr_op(i);
    switch (op_info[op].form) {
    case FORM_SEND:
    case FORM_SENDREG:
        if (op == OP_TAILSELF)
            step_tail(run, i);
        else
            step_send(run, i, op);
        break;
    case FORM_ARITH:
    case FORM_ARITHK:
    case FORM_UNARY:
    case FORM_PUTAT:
    case FORM_ABC: step_arith(run, i, op); break;
    case FORM_ABLK: step_block(run, i); break;
    default:
        if (!step_memory(run, i, op))
            step_flow(run, i, op);
    }
}

static Val run_unit(World *w, const CodeUnit *unit, Val self, const Val *args, uint32_t argc,
                    const Closure *closure)
{
    Run run = {.w = w, .unit = unit, .r = w->stack + w->stack_used};
    if (w->stack_used + 2 * CODE_MAX_REGISTERS > w->stack_max) {
        w->stopped = true;
        return nil_val();
    }
    size_t used = w->stack_used;
    destroy_from(&run, 0);
    run.r[0] = self;
    for (unsigned k = 0; k < unit->nargs; k++)
        run.r[1 + k] = k < argc ? args[k] : nil_val();
    for (unsigned k = 0; k < unit->ncaps; k++)
        run.r[unit->nargs + 3 + k] = closure->captured[k];
    w->stack_used += unit->nregs;
    while (!run.done && !unwinding(w))
        step(&run);
    w->stack_used = used;
    return run.value;
}

Val minivm_exec(World *w, const CodeUnit *unit, Val a, Val b)
{
    Val args[2] = {a, b};
    activate(w);
    Val v = run_unit(w, unit, (Val){.tag = T_SELF}, args, 2, NULL);
    uint64_t home = w->active[--w->nactive];
    if (!w->returning || w->home != home)
        return v;
    w->returning = false;
    return w->result;
}

static Val call_closure(World *w, Val closure, const Val *args, uint32_t argc)
{
    if (closure.tag != T_CLOSURE)
        return int_val(7);
    const Closure *c = closure.p;
    if (!burn(w))
        return nil_val();
    return c->unit ? run_unit(w, c->unit, closure, args, argc, c) : call_block(w, c, args, argc);
}
