/* SPDX-License-Identifier: Apache-2.0 */
/* test_codegen_run.c - random programs: their tree and their code must behave alike (minivm.h).
 * A failing program is printed; its seed is its number.
 * Threads: one. */
#include "minivm.h"

/* -- programs --------------------------------------------------------------------------------- */

enum { NAMES_MAX = 40, PROGRAMS = 2500 };

typedef struct Gen {
    uint64_t seed;
    Buffer out;
    const char *names[NAMES_MAX]; /* in scope */
    int count;
    int depth;    /* nesting of what is being written */
    int budget;   /* expressions left */
    int counters; /* while counters used */
    bool script;
    bool returns; /* ^ may stand in closures; otherwise tail calls are made */
    bool in_closure;
} Gen;

static uint32_t pick(Gen *g, uint32_t n)
{
    g->seed ^= g->seed << 13;
    g->seed ^= g->seed >> 7;
    g->seed ^= g->seed << 17;
    return (uint32_t)(g->seed >> 11) % n;
}

static void say(Gen *g, const char *text) { buffer_put(&g->out, text); }

static void say_number(Gen *g, int n)
{
    char text[16];
    snprintf(text, sizeof text, "%d", n);
    say(g, text);
}

static void gen_expr(Gen *g);
static void gen_body(Gen *g, int most);

static const char *const pool[] = {"x", "y", "z", "t", "u", "v"};

static void gen_name(Gen *g) { say(g, g->names[pick(g, (uint32_t)g->count)]); }

/* Declares up to n names that differ from each other; they may hide others. */
static void gen_names(Gen *g, int n, const char *before, const char *after)
{
    uint32_t first = pick(g, 6);
    for (int i = 0; i < n && g->count < NAMES_MAX; i++) {
        const char *name = pool[(first + (uint32_t)i) % 6];
        say(g, before);
        say(g, name);
        say(g, after);
        g->names[g->count++] = name;
    }
}

static void gen_condition(Gen *g)
{
    static const char *const ops[] = {" < ", " > ", " <= ", " >= ", " = ", " ~= ", " == ", " ~~ "};
    if (g->budget < 0 || g->depth > 4 || pick(g, 3)) {
        say(g, "(");
        gen_expr(g);
        say(g, ops[pick(g, 8)]);
        if (pick(g, 2))
            say_number(g, (int)pick(g, 9));
        else
            gen_expr(g);
        say(g, pick(g, 4) ? ")" : ") not");
        return;
    }
    g->depth++;
    say(g, "(");
    switch (pick(g, 4)) {
    case 0:
        gen_expr(g);
        say(g, " isNil");
        break;
    case 1:
        gen_expr(g);
        say(g, " notNil");
        break;
    default:
        gen_condition(g);
        say(g, pick(g, 2) ? " and: [" : " or: [");
        gen_condition(g);
        say(g, "]");
    }
    say(g, ")");
    g->depth--;
}

static void gen_block(Gen *g, int params, bool closure)
{
    int count = g->count;
    bool in_closure = g->in_closure;
    g->in_closure |= closure;
    g->depth++;
    say(g, "[");
    if (params) {
        gen_names(g, params, ":", " ");
        say(g, "| ");
    }
    if (pick(g, 3) == 0) {
        /* not the names of the parameters again */
        const char *name = params ? "w" : pool[pick(g, 6)];
        say(g, "| ");
        say(g, name);
        say(g, " | ");
        if (g->count < NAMES_MAX)
            g->names[g->count++] = name;
    }
    gen_body(g, 3);
    say(g, "]");
    g->depth--;
    g->count = count;
    g->in_closure = in_closure;
}

static void gen_bound(Gen *g)
{
    switch (pick(g, 5)) {
    case 0:
        say(g, "(self big: ");
        say_number(g, (int)pick(g, 4));
        say(g, ")");
        break;
    case 1:
        say(g, "(");
        gen_expr(g);
        say(g, " \\\\ 4)");
        break;
    default: say_number(g, (int)pick(g, 5));
    }
}

static void gen_loop(Gen *g)
{
    static const char *const steps[] = {"2", "-1", "300", "-3"};
    g->depth++;
    say(g, "(");
    gen_bound(g);
    switch (pick(g, 4)) {
    case 0:
        say(g, " timesRepeat: ");
        gen_block(g, 0, false);
        break;
    case 1:
        say(g, " to: ");
        gen_bound(g);
        say(g, " by: ");
        say(g, steps[pick(g, 4)]);
        say(g, " do: ");
        gen_block(g, 1, false);
        break;
    default:
        say(g, " to: ");
        gen_bound(g);
        say(g, " do: ");
        gen_block(g, (int)pick(g, 3) ? 1 : 0, false);
    }
    say(g, ")");
    g->depth--;
}

static void gen_while(Gen *g)
{
    char name[16];
    if (g->counters >= 6) {
        say(g, "nil");
        return;
    }
    snprintf(name, sizeof name, "k%d", g->counters++);
    say(g, name);
    say(g, " := 0. ");
    bool sense = pick(g, 2);
    say(g, "[");
    if (pick(g, 3) == 0) {
        gen_expr(g);
        say(g, ". ");
    }
    say(g, name);
    say(g, sense ? " < " : " >= ");
    say_number(g, (int)pick(g, 4));
    say(g, sense ? "] whileTrue: [" : "] whileFalse: [");
    say(g, name);
    say(g, " := ");
    say(g, name);
    say(g, " + 1. ");
    g->depth++;
    gen_body(g, 3);
    g->depth--;
    say(g, "]");
}

static void gen_if(Gen *g)
{
    static const char *const first[] = {" ifTrue: ", " ifFalse: "};
    static const char *const second[] = {" ifFalse: ", " ifTrue: "};
    uint32_t which = pick(g, 2);
    say(g, "(");
    gen_condition(g);
    say(g, first[which]);
    gen_block(g, 0, false);
    if (pick(g, 3)) {
        say(g, second[which]);
        gen_block(g, 0, false);
    }
    say(g, ")");
}

static void gen_send(Gen *g)
{
    switch (pick(g, 9)) {
    case 0:
        say(g, "(self log: ");
        gen_expr(g);
        say(g, ")");
        break;
    case 1:
        say(g, "(self add: ");
        gen_expr(g);
        say(g, " to: ");
        gen_expr(g);
        say(g, ")");
        break;
    case 2:
        gen_block(g, 0, true);
        say(g, " value");
        break;
    case 3:
        say(g, "(");
        gen_block(g, 1, true);
        say(g, pick(g, 3) ? " value: " : " value: 3 value: ");
        gen_expr(g);
        say(g, ")");
        break;
    case 4:
        gen_name(g);
        say(g, " value");
        break;
    case 5:
        say(g, "(");
        gen_name(g);
        say(g, " value: ");
        gen_expr(g);
        say(g, ")");
        break;
    case 6:
        say(g, "(self log: ");
        gen_expr(g);
        say(g, "; add: ");
        gen_expr(g);
        say(g, " to: ");
        gen_expr(g);
        say(g, "; + ");
        gen_name(g);
        say(g, ")");
        break;
    case 7:
        say(g, "(");
        gen_name(g);
        say(g, " foo; at: ");
        gen_expr(g);
        say(g, " put: ");
        gen_expr(g);
        say(g, "; at: 1)");
        break;
    default: gen_name(g); say(g, pick(g, 2) ? " foo bar" : " size");
    }
}

static void gen_array(Gen *g)
{
    say(g, "({");
    gen_expr(g);
    say(g, ". ");
    gen_expr(g);
    say(g, pick(g, 2) ? "} at: " : ". 3} at: ");
    gen_expr(g);
    if (pick(g, 2)) {
        say(g, " put: ");
        gen_expr(g);
    }
    say(g, ")");
}

static void gen_expr(Gen *g)
{
    if (--g->budget < 0 || g->depth > 7) {
        gen_name(g);
        return;
    }
    g->depth++;
    switch (pick(g, 16)) {
    case 0:
    case 1: say_number(g, (int)pick(g, 20)); break;
    case 2:
    case 3:
    case 4: gen_name(g); break;
    case 5:
    case 6:
        say(g, "(");
        gen_name(g);
        say(g, " := ");
        gen_expr(g);
        say(g, ")");
        break;
    case 7:
    case 8:
    case 9: {
        static const char *const ops[] = {" + ", " - ", " * ", " + "};
        say(g, "(");
        gen_expr(g);
        for (uint32_t n = 1 + pick(g, 3); n > 0; n--) {
            say(g, ops[pick(g, 4)]);
            if (pick(g, 3))
                gen_expr(g);
            else
                say_number(g, (int)pick(g, 200));
        }
        say(g, ")");
        break;
    }
    case 10: gen_if(g); break;
    case 11: gen_array(g); break;
    case 12: gen_block(g, (int)pick(g, 2), true); break;
    case 13:
        if (pick(g, 3) == 0) {
            gen_loop(g);
            break;
        }
        gen_condition(g);
        break;
    default: gen_send(g);
    }
    g->depth--;
}

/* A closure that outlives its round of a loop, so that rounds can tell each other's variables. */
static void gen_keeper(Gen *g)
{
    const char *shared = g->names[pick(g, (uint32_t)g->count)];
    const char *keeper = g->names[pick(g, (uint32_t)g->count)];
    if (pick(g, 2)) {
        say(g, shared);
        say(g, " := ");
        gen_expr(g);
        say(g, ". ");
    }
    say(g, "self log: ");
    say(g, keeper);
    say(g, " value. ");
    say(g, keeper);
    say(g, " := [");
    say(g, shared);
    say(g, pick(g, 4) ? "]" : " := 77]");
}

static void gen_statement(Gen *g)
{
    if (--g->budget < 0 || g->depth > 7) {
        gen_name(g);
        return;
    }
    switch (pick(g, 8)) {
    case 0:
    case 1:
    case 2:
        gen_name(g);
        say(g, " := ");
        gen_expr(g);
        break;
    case 3: gen_loop(g); break;
    case 4: gen_if(g); break;
    case 5:
        if (g->depth < 5) {
            gen_while(g);
            break;
        }
        gen_expr(g);
        break;
    case 6: gen_keeper(g); break;
    default: gen_expr(g);
    }
}

/* Statements, the last one perhaps a return. */
static void gen_body(Gen *g, int most)
{
    int n = (int)pick(g, (uint32_t)most + 1);
    for (int i = 0; i < n; i++) {
        if (i)
            say(g, ". ");
        gen_statement(g);
    }
    if (pick(g, 8) || (g->in_closure && !g->returns))
        return;
    if (n)
        say(g, ". ");
    if (!g->script && !g->returns && !g->in_closure && pick(g, 2)) {
        say(g, "a > 0 ifTrue: [^self m: a - 1 with: ");
        gen_expr(g);
        say(g, "]. ^3");
        return;
    }
    say(g, "^");
    gen_expr(g);
}

/* A method m: a with: b, or a script. Some have more variables than registers. */
static void gen_program(Gen *g)
{
    static const char *const locals[] = {"x", "y", "z", "k0", "k1", "k2", "k3", "k4", "k5"};
    bool crowd = pick(g, 12) == 0;
    g->script = pick(g, 4) == 0;
    g->returns = pick(g, 2);
    if (!g->script) {
        say(g, "m: a with: b | x y z k0 k1 k2 k3 k4 k5 ");
        for (int i = 0; crowd && i < 250; i++) {
            say(g, "d");
            say_number(g, i);
            say(g, " ");
        }
        say(g, "| ");
        g->names[g->count++] = "a";
        g->names[g->count++] = "b";
        g->names[g->count++] = "p";
    } else {
        for (int i = 0; i < 9; i++) {
            if (i < 3 && pick(g, 2))
                continue; /* others come into being later, or are nil */
            say(g, locals[i]);
            say(g, " := 0. ");
        }
    }
    for (int i = 0; i < 3; i++)
        g->names[g->count++] = locals[i];
    for (int i = 0; crowd && !g->script && i < 250; i++) {
        say(g, "d");
        say_number(g, i);
        say(g, pick(g, 2) ? " foo. " : " := a. ");
    }
    for (int n = 2 + (int)pick(g, 5); n > 0; n--) {
        gen_statement(g);
        say(g, ". ");
    }
    if (g->script)
        say(g, "x := x. y := y. z := z. ");
    say(g, pick(g, 2) ? "^{x. y. z}" : "x");
}

/* -- comparison ------------------------------------------------------------------------------- */

typedef struct Tree {
    AstVarList params, temps;
    AstNodeList body;
} Tree;

static Val again_in_tree(World *w, Val a, Val b)
{
    const Tree *t = w->code;
    return minivm_eval(w, t->params, t->temps, t->body, a, b);
}

static Val again_in_code(World *w, Val a, Val b) { return minivm_exec(w, w->code, a, b); }

static void finish(World *w, Val v)
{
    buffer_put(&w->trace, " -> ");
    minivm_print(&w->trace, v, 0);
}

static Val first_arg(Gen *g) { return (Val){.tag = T_INT, .i = pick(g, 4)}; }

/* True when both came to an end and were compared. */
static bool compare_runs(const Gen *g, LangParse *parse, const CodeUnit *unit, Val a, Val b)
{
    World tree, code;
    Tree t = {.body = g->script ? parse->file->script : parse->method->statements};
    if (!g->script) {
        t.params = parse->method->params;
        t.temps = parse->method->temps;
    }
    minivm_init(&tree);
    minivm_init(&code);
    tree.method = again_in_tree;
    tree.code = &t;
    code.method = again_in_code;
    code.code = unit;
    finish(&tree, again_in_tree(&tree, a, b));
    finish(&code, again_in_code(&code, a, b));
    bool ended = !tree.stopped && !code.stopped;
    if (code.broken || (ended && strcmp(tree.trace.bytes, code.trace.bytes) != 0)) {
        Buffer text = {0};
        disasm_unit(unit, buffer_sink(&text));
        fprintf(stderr, "%s\n%s\ntree: %s\ncode: %s\n%s\n", g->out.bytes, text.bytes,
                tree.trace.bytes, code.trace.bytes, code.broken ? code.broken : "");
        fail_msg("tree and code differ");
    }
    minivm_free(&tree);
    minivm_free(&code);
    return ended;
}

static bool check_program(uint64_t number)
{
    Gen g = {.seed = number * 0x9E3779B97F4A7C15u + 1, .budget = 10 + (int)(number % 50)};
    LangParse parse;
    for (int i = 0; i < 8; i++)
        pick(&g, 2);
    gen_program(&g);
    CodeUnit *unit = compile_text(g.script ? AS_SCRIPT : AS_METHOD, &parse, g.out.bytes, g.out.len);
    if (!unit) {
        diag_print(&parse.diags, "generated", lang_text(g.out.bytes, g.out.len), stderr);
        fail_msg("program %llu is refused", (unsigned long long)number);
    }
    expect_verified(unit, g.out.bytes);
    Val a = first_arg(&g), b = {.tag = pick(&g, 2) ? T_NIL : T_INT, .i = 5};
    bool ended = compare_runs(&g, &parse, unit, a, b);
    lang_parse_free(&parse);
    code_unit_free(unit);
    free(g.out.bytes);
    return ended;
}

static void random_programs_behave_like_their_trees(void **state)
{
    (void)state;
    const char *chosen = getenv("CODEGEN_SEED"), *many = getenv("CODEGEN_PROGRAMS");
    uint64_t first = chosen ? strtoull(chosen, NULL, 10) : 1;
    uint64_t count = many ? strtoull(many, NULL, 10) : PROGRAMS, ended = 0;
    for (uint64_t n = first; n < first + count; n++) {
        /* shown when the test fails: CODEGEN_SEED repeats it */
        if (n % 1000 == 0)
            print_message("programs up to %llu\n", (unsigned long long)n);
        ended += check_program(n);
    }
    assert_true(count < 1000 || ended > count / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_programs_behave_like_their_trees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
