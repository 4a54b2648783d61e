/* SPDX-License-Identifier: Apache-2.0 */
/* codegen.c - entry points of the compiler: one run of analysis and code generation, repeated with
 * spilled variables when a window would need too many registers (M16).
 *
 * Threads: see codegen_int.h. */
#include "codegen_int.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

/* -- memory ----------------------------------------------------------------------------------- */

void *cg_alloc(Codegen *c, LangArena *arena, size_t count, size_t size)
{
    void *memory = lang_arena_array(arena, count, size);
    if (!memory)
        longjmp(c->no_memory, 1);
    return memory;
}

void *cg_grow(Codegen *c, LangArena *arena, void *items, uint32_t count, uint32_t *room,
              size_t size)
{
    if (count < *room)
        return items;
    if (*room > UINT32_MAX / 2)
        longjmp(c->no_memory, 1);
    uint32_t new_room = *room ? *room * 2 : 8;
    void *grown = cg_alloc(c, arena, new_room, size);
    if (count)
        memcpy(grown, items, count * size);
    *room = new_room;
    return grown;
}

Bytes cg_copy(Codegen *c, LangText text)
{
    char *copy = cg_alloc(c, c->out, (size_t)text.len + 1, 1);
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    return (Bytes){copy, text.len};
}

/* -- diagnostics ------------------------------------------------------------------------------ */

static void report(Codegen *c, DiagSeverity severity, LangSpan span, const char *format,
                   va_list args)
{
    char text[512];
    if (c->quiet)
        return;
    vsnprintf(text, sizeof text, format, args);
    diag_add(c->diags, severity, span, "%s", text);
}

void cg_error(Codegen *c, LangSpan span, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!c->quiet)
        c->failed = true;
    report(c, DIAG_ERROR, span, format, args);
    va_end(args);
}

void cg_warn(Codegen *c, LangSpan span, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(c, DIAG_WARNING, span, format, args);
    va_end(args);
}

/* -- one run ---------------------------------------------------------------------------------- */

/* What is compiled: the parts of a method or a doit. */
typedef struct Job {
    CodeKind kind;
    DoitMode mode;
    LangText selector;
    LangSpan span;
    AstVarList params, temps;
    AstNodeList body;
    LangText source;
    uint32_t source_start;
    LangText doc;
    const CompileEnv *env;
    DiagList *diags;
} Job;

static Fn *job_fn(Codegen *c, const Job *job)
{
    Fn *fn = scope_new_fn(c, job->kind, NULL);
    fn->params = job->params;
    fn->temps = job->temps;
    fn->body = job->body;
    fn->selector = job->selector;
    fn->span = job->span;
    return fn;
}

/* Top-level variables may be used before the text that makes them: a first analysis finds them. */
static Fn *analyse(Codegen *c, const Job *job)
{
    if (c->top_level) {
        bool quiet = c->quiet;
        c->quiet = true;
        scope_analyse_root(c, job_fn(c, job));
        scope_forget_warnings(c);
        c->quiet = quiet;
    }
    Fn *fn = job_fn(c, job);
    scope_analyse_root(c, fn);
    return fn;
}

/* Slot of a method that is exactly `^field`, or -1. */
static int32_t getter_slot(const Job *job)
{
    if (job->kind != CODE_METHOD || job->params.count || job->body.count != 1)
        return -1;
    const AstNode *node = job->body.items[0];
    if (node->kind != AST_RETURN || node->as.value->kind != AST_IDENTIFIER)
        return -1;
    const AstIdentifier *id = &node->as.value->as.name;
    return id->tag == REF_FIELD ? ((const Name *)id->info)->slot : -1;
}

static CodeUnit *build(Codegen *c, const Job *job)
{
    c->source_copy = cg_copy(c, job->source);
    Fn *fn = analyse(c, job);
    if (c->failed)
        return NULL;
    fn_generate(c, fn);
    if (c->failed || c->overflow || c->too_long)
        return NULL;
    CodeUnit *unit = fn->unit;
    unit->source = c->source_copy;
    unit->docstring = cg_copy(c, job->doc);
    unit->getter_slot = getter_slot(job);
    unit->arena = c->out;
    return unit;
}

/* setjmp has a frame of its own, so that no local variable is touched by it. */
static CodeUnit *run_guarded(Codegen *c, const Job *job, bool *no_memory)
{
    if (setjmp(c->no_memory)) {
        *no_memory = true;
        return NULL;
    }
    return build(c, job);
}

/* The arena of a unit is itself a piece of memory; code_unit_free knows. NULL without memory. */
static LangArena *new_arena(LangAllocator allocator)
{
    LangArena *arena = allocator.alloc(allocator.ctx, sizeof *arena);
    if (arena)
        lang_arena_init(arena, allocator, 0);
    return arena;
}

static void free_arena(LangArena *arena)
{
    LangAllocator allocator = arena->allocator;
    lang_arena_free(arena);
    allocator.free(allocator.ctx, arena);
}

typedef enum Outcome { RUN_DONE, RUN_FAILED, RUN_OVERFLOW, RUN_TOO_LONG, RUN_NO_MEMORY } Outcome;

static Outcome run(const Job *job, uint32_t reg_vars_max, CodeUnit **unit, LangSpan *place)
{
    LangAllocator allocator = job->diags->arena->allocator;
    LangArena *out = new_arena(allocator);
    if (!out)
        return RUN_NO_MEMORY;
    Codegen c = {.out = out,
                 .env = job->env,
                 .diags = job->diags,
                 .quiet = reg_vars_max != UINT32_MAX,
                 .reg_vars_max = reg_vars_max,
                 .mode = job->mode,
                 .top_level = job->kind == CODE_DOIT,
                 .source_start = job->source_start};
    lang_arena_init(&c.scratch, allocator, 0);
    bool no_memory = false;
    *unit = run_guarded(&c, job, &no_memory);
    lang_arena_free(&c.scratch);
    if (*unit)
        return RUN_DONE;
    free_arena(out);
    *place = c.overflow_at;
    if (no_memory)
        return RUN_NO_MEMORY;
    if (c.failed)
        return RUN_FAILED;
    return c.overflow ? RUN_OVERFLOW : RUN_TOO_LONG;
}

static CodeUnit *compile(const Job *job)
{
    static const uint32_t reg_vars_max[] = {UINT32_MAX, 100, 4};
    CodeUnit *unit = NULL;
    LangSpan place = job->span;
    Outcome outcome = RUN_OVERFLOW;
    for (size_t i = 0; i < sizeof reg_vars_max / sizeof *reg_vars_max && outcome == RUN_OVERFLOW;
         i++)
        outcome = run(job, reg_vars_max[i], &unit, &place);
    switch (outcome) {
    case RUN_DONE: break;
    case RUN_FAILED: break; /* reported */
    case RUN_OVERFLOW:
        diag_add(job->diags, DIAG_ERROR, place,
                 "expression too complex: split it up with "
                 "temporaries");
        break;
    case RUN_TOO_LONG: diag_add(job->diags, DIAG_ERROR, job->span, "code too long"); break;
    case RUN_NO_MEMORY: diag_add(job->diags, DIAG_ERROR, job->span, "out of memory"); break;
    }
    assert(!unit || !code_verify(unit, &(uint32_t){0}));
    return unit;
}

/* -- entry points ----------------------------------------------------------------------------- */

static CodeUnit *primitive_unit(const Job *job)
{
    Codegen c = {.out = new_arena(job->diags->arena->allocator), .diags = job->diags};
    if (!c.out)
        goto no_memory;
    if (setjmp(c.no_memory)) {
        free_arena(c.out);
        goto no_memory;
    }
    CodeUnit *unit = cg_alloc(&c, c.out, 1, sizeof *unit);
    unit->kind = CODE_METHOD;
    unit->selector = cg_copy(&c, job->selector);
    unit->nargs = (uint8_t)job->params.count;
    unit->nregs = (uint8_t)(unit->nargs + 6);
    unit->source = cg_copy(&c, job->source);
    unit->docstring = cg_copy(&c, job->doc);
    unit->is_primitive = true;
    unit->getter_slot = -1;
    unit->arena = c.out;
    return unit;
no_memory:
    diag_add(job->diags, DIAG_ERROR, job->span, "out of memory");
    return NULL;
}

/* The text with its `method:` or `classMethod:`, so that it can be compiled again as it is. */
static LangText with_frame(const AstMethod *method)
{
    if (method->is_bare)
        return method->source;
    uint32_t before = method->selector_span.start - method->span.start;
    return lang_text(method->source.ptr - before, (size_t)method->source.len + before);
}

CodeUnit *compile_method(const AstMethod *method, const CompileEnv *env, DiagList *diags)
{
    Job job = {.kind = CODE_METHOD,
               .selector = method->selector,
               .span = method->selector_span,
               .params = method->params,
               .temps = method->temps,
               .body = method->statements,
               .source = with_frame(method),
               .source_start = method->is_bare ? method->selector_span.start : method->span.start,
               .env = env,
               .diags = diags};
    if (method->doc.present)
        job.doc = method->doc.text;
    if (method->params.count > CODE_MAX_ARGS) {
        diag_add(diags, DIAG_ERROR, job.span, "more than %d parameters", CODE_MAX_ARGS);
        return NULL;
    }
    return method->is_primitive_stub ? primitive_unit(&job) : compile(&job);
}

static CodeUnit *compile_statements(DoitMode mode, AstVarList temps, AstNodeList body,
                                    LangSpan span, LangText source, const CompileEnv *env,
                                    DiagList *diags)
{
    Job job = {.kind = CODE_DOIT,
               .mode = mode,
               .selector = lang_text("doIt", 4),
               .span = span,
               .temps = temps,
               .body = body,
               .source = source,
               .env = env,
               .diags = diags};
    return compile(&job);
}

CodeUnit *compile_doit(const AstDoit *doit, DoitMode mode, LangText source, const CompileEnv *env,
                       DiagList *diags)
{
    return compile_statements(mode, doit->temps, doit->statements, doit->span, source, env, diags);
}

CodeUnit *compile_script(const AstFile *file, LangText source, const CompileEnv *env,
                         DiagList *diags)
{
    AstVarList none = {0};
    return compile_statements(DOIT_SCRIPT, none, file->script, file->span, source, env, diags);
}
