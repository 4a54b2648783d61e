/* SPDX-License-Identifier: Apache-2.0 */
/* prims_compiler.c - source text at run time: compiling, loading, running statements; variables of
 * the node's table.
 *
 * Compiling runs on a dirty thread with a VmLocal of its own, one at a time under vm->load_lock
 * (D7, I5). Statements become a CompiledMethod: a frozen closure over code of kind CODE_DOIT, whose
 * arguments are the Cells of the top-level variables it uses.
 * Threads: primitives by the owner of the process; *_job functions on a dirty thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "code_life.h"
#include "file_tree.h"
#include "interp_int.h"
#include "loader.h"
#include "prim_wait.h"
#include "prims.h"

static VmLocal *local_of(PrimCall *c)
{
    return (VmLocal *)(void *)((char *)c - offsetof(VmLocal, call));
}

#define REPORT_MAX ((size_t)1 << 20)

/* ---- jobs ---- */

typedef enum { JOB_DOIT, JOB_METHOD, JOB_INSTALL, JOB_LOAD } JobKind;

typedef struct Job {
    Vm *vm;
    JobKind kind;
    Bytes source; /* text, or path of what to load */
    char *file;   /* doits: name for traces */
    DoitMode mode;
    uint32_t *names; /* symbols that are variables */
    uint32_t nnames;
    uint32_t cls;
    bool recursive;
    /* results */
    Status status;
    Buf report;
    Code *code; /* doits: with a count, when it is counted */
    uint32_t selector, nargs, ninstr, nliterals, methods;
} Job;

static void job_free(void *state)
{
    Job *j = state;
    code_release_outside(j->vm, j->code);
    free((char *)(uintptr_t)j->source.data);
    free(j->file);
    free(j->names);
    buf_free(&j->report);
    free(j);
}

static Job *job_new(PrimCall *c, JobKind kind, StrView source)
{
    Job *j = calloc(1, sizeof *j);
    char *copy = malloc(source.bytes + 1);
    if (!j || !copy) {
        free(j);
        free(copy);
        return NULL;
    }
    memcpy(copy, source.data, source.bytes);
    copy[source.bytes] = 0;
    j->vm = c->vm;
    j->kind = kind;
    j->source = (Bytes){copy, source.bytes};
    buf_init(&j->report, c->vm->env, REPORT_MAX);
    return j;
}

static void to_report(void *ctx, const char *bytes, size_t len) { (void)buf_put(ctx, bytes, len); }

static bool is_name(void *ctx, Bytes name)
{
    Job *j = ctx;
    uint32_t symbol = symtab_lookup(j->vm->symtab, name.data, name.len);
    for (uint32_t i = 0; symbol && i < j->nnames; i++) {
        if (j->names[i] == symbol) {
            return true;
        }
    }
    return false;
}

static void compile_doit_job(Job *j, VmLocal *l)
{
    DoitRequest request = {.source = j->source,
                           .file = {j->file, strlen(j->file)},
                           .mode = j->mode,
                           .binding = is_name,
                           .binding_ctx = j};
    j->status = loader_compile_doit(l, &request, &j->code, &j->report);
}

static void compile_method_job(Job *j, VmLocal *l)
{
    CodeUnit *unit;
    bool class_side;
    j->status = loader_compile_unit(l->vm, j->cls, j->source, &unit, &class_side, &j->report);
    if (j->status == STATUS_OK) {
        j->status = vm_intern(l->vm, unit->selector, &j->selector);
        j->nargs = unit->nargs;
        j->ninstr = unit->ninstr;
        j->nliterals = unit->nliterals;
        code_unit_free(unit);
    }
}

static void install_job(Job *j, VmLocal *l)
{
    j->status = loader_compile_method(l, j->cls, j->source, &j->selector, &j->report);
}

static Status add_path(void *ctx, const char *path, Bytes space)
{
    Status status = loader_add_file(ctx, path, space);
    return status == STATUS_SYNTAX ? STATUS_OK : status; /* reported; loader_run answers it */
}

static void load_job(Job *j, VmLocal *l)
{
    LoaderOptions options = {.no_warnings = true, .sink = {to_report, &j->report}};
    Loader *loader = loader_new(l->vm, l, &options);
    if (!loader) {
        j->status = STATUS_NO_MEMORY;
        return;
    }
    if (j->recursive) {
        j->status = file_tree_each(j->source.data, add_path, loader);
        if (j->status != STATUS_OK && !j->report.len) {
            (void)buf_putf(&j->report, "%s: cannot read the directory", j->source.data);
        }
    } else {
        j->status = loader_add_file(loader, j->source.data, (Bytes){"", 0});
    }
    if (j->status == STATUS_OK) {
        j->status = loader_run(loader);
        j->methods = loader_method_count(loader);
    }
    loader_free(loader);
}

static void job_run(void *state)
{
    Job *j = state;
    VmLocal *l;
    lock_acquire(&j->vm->load_lock);
    j->status = vm_local_open(j->vm, &l);
    if (j->status == STATUS_OK) {
        switch (j->kind) {
        case JOB_DOIT: compile_doit_job(j, l); break;
        case JOB_METHOD: compile_method_job(j, l); break;
        case JOB_INSTALL: install_job(j, l); break;
        case JOB_LOAD: load_job(j, l); break;
        }
        vm_local_close(l);
    }
    lock_release(&j->vm->load_lock);
}

static PrimStatus start(PrimCall *c, Job *j)
{
    c->dirty_run = job_run;
    c->dirty_free = job_free;
    c->dirty_state = j;
    return PRIM_DIRTY;
}

static PrimStatus out_of_memory(PrimCall *c) { return prim_status(c, STATUS_NO_MEMORY, 0); }

/* Frees the job unless the answer needs a collection first: then the primitive is called again. */
static PrimStatus finish(PrimCall *c, Job *j, PrimStatus st)
{
    if (st != PRIM_GC) {
        job_free(j);
        c->dirty_state = NULL;
    }
    return st;
}

/* The report of a job that failed: a String. */
static PrimStatus answer_report(PrimCall *c, Job *j)
{
    if (j->status == STATUS_SYMBOL_LIMIT) {
        return finish(c, j, prim_symbol_limit(c)); /* nothing is wrong with the text */
    }
    if (j->report.len == 0) {
        (void)buf_puts(&j->report, status_text(j->status));
    }
    size_t n = j->report.len;
    while (n && j->report.data[n - 1] == '\n') {
        n--;
    }
    return finish(c, j, prim_answer_string(c, n ? j->report.data : "", n));
}

/* ---- compiling ---- */

static bool take_names(Job *j, Value array)
{
    if (!value_is_kind(array, OBJ_SLOTS)) {
        return true;
    }
    size_t n = obj_words(obj_of(array));
    const Value *slots = obj_slots(obj_of(array));
    j->names = malloc((n + 1) * sizeof *j->names);
    for (size_t i = 0; j->names && i < n; i++) {
        if (value_is_symbol(slots[i])) {
            j->names[j->nnames++] = value_as_symbol(slots[i]);
        }
    }
    return j->names != NULL;
}

PrimStatus prim_compiler_compile(PrimCall *c)
{
    if (c->dirty_done) {
        Job *j = c->dirty_state;
        if (j->status != STATUS_OK) {
            return answer_report(c, j);
        }
        Value handle = j->code->handle;
        if (code_hold(c->cx, c->heap, j->code) != STATUS_OK) {
            return finish(c, j, out_of_memory(c));
        }
        code_release(local_of(c), j->code);
        j->code = NULL;
        return finish(c, j, prim_ok(c, handle));
    }
    StrView source, file;
    if (!prim_text(c, c->args[1], &source)) {
        return prim_type_error(c, 1, "String");
    }
    if (!value_is_int(c->args[2]) || !prim_text(c, c->args[4], &file)) {
        return prim_type_error(c, 2, "SmallInteger");
    }
    Job *j = job_new(c, JOB_DOIT, source);
    if (!j) {
        return out_of_memory(c);
    }
    j->mode = value_as_int(c->args[2]) == 2 ? DOIT_SHELL : DOIT_EVALUATE;
    j->file = strndup((const char *)file.data, file.bytes);
    if (!j->file || !take_names(j, c->args[3])) {
        job_free(j);
        return out_of_memory(c);
    }
    return start(c, j);
}

PrimStatus prim_compiler_method(PrimCall *c)
{
    StrView source;
    Job *j = c->dirty_state;
    if (!c->dirty_done) {
        if (!prim_text(c, c->args[1], &source)) {
            return prim_type_error(c, 1, "String");
        }
        j = job_new(c, JOB_METHOD, source);
        return j ? start(c, j) : out_of_memory(c);
    }
    if (j->status != STATUS_OK) {
        return answer_report(c, j);
    }
    PrimStatus st;
    Object *array = prim_new_slots(c, CLASS_ARRAY, 4, &st);
    if (!array) {
        return finish(c, j, st);
    }
    Value *slots = obj_slots(array);
    slots[0] = value_symbol(j->selector);
    slots[1] = value_int(j->nargs);
    slots[2] = value_int((int64_t)(j->ninstr * sizeof(Instr)));
    slots[3] = value_int(j->nliterals);
    return finish(c, j, prim_ok(c, value_ptr(array)));
}

PrimStatus prim_class_install(PrimCall *c)
{
    StrView source;
    Job *j = c->dirty_state;
    if (!c->dirty_done) {
        if (!value_is_class(c->args[0]) || !prim_text(c, c->args[1], &source)) {
            return prim_type_error(c, 1, "String");
        }
        j = job_new(c, JOB_INSTALL, source);
        if (!j) {
            return out_of_memory(c);
        }
        j->cls = value_as_class(c->args[0]);
        return start(c, j);
    }
    return j->status == STATUS_OK ? finish(c, j, prim_ok(c, value_symbol(j->selector)))
                                  : answer_report(c, j);
}

PrimStatus prim_compiler_load(PrimCall *c)
{
    StrView path;
    Job *j = c->dirty_state;
    if (!c->dirty_done) {
        if (!prim_text(c, c->args[1], &path) || memchr(path.data, 0, path.bytes)) {
            return prim_type_error(c, 1, "String");
        }
        j = job_new(c, JOB_LOAD, path);
        if (!j) {
            return out_of_memory(c);
        }
        j->recursive = c->args[2] == VALUE_TRUE;
        return start(c, j);
    }
    return j->status == STATUS_OK ? finish(c, j, prim_ok(c, value_int(j->methods)))
                                  : answer_report(c, j);
}

/* ---- running ---- */

static Code *compiled(Value v)
{
    bool fits = value_is_kind(v, OBJ_CLOSURE) && obj_class(obj_of(v)) == CLASS_COMPILED_METHOD;
    Code *code = fits ? closure_code(obj_of(v)) : NULL;
    /* a trace holds handles of methods too, which must not run on any receiver */
    return code && code->kind == CODE_DOIT ? code : NULL;
}

PrimStatus prim_compiler_run(PrimCall *c)
{
    Code *code = compiled(c->args[1]);
    if (!code) {
        return prim_type_error(c, 1, "CompiledMethod");
    }
    unsigned n = code->nargs;
    if (!value_is_kind(c->args[3], OBJ_SLOTS) || obj_words(obj_of(c->args[3])) != n) {
        return prim_type_error(c, 3, "Array of Cells");
    }
    if (c->args + 1 + n + HEAP_STACK_RED_ZONE > c->heap->hp) {
        return prim_gc(c, (size_t)n + 16);
    }
    const Value *cells = obj_slots(obj_of(c->args[3]));
    for (unsigned i = 0; i < n; i++) {
        if (!value_is_kind(cells[i], OBJ_CELL)) {
            return prim_type_error(c, 3, "Array of Cells");
        }
    }
    c->args[0] = c->args[2];
    memcpy(c->args + 1, cells, n * sizeof *cells);
    c->send_code = code;
    c->send_argc = n;
    return PRIM_CALL;
}

PrimStatus prim_compiler_cell(PrimCall *c)
{
    PrimStatus st;
    Object *cell = prim_new(c, CLASS_CELL, OBJ_CELL, 0, 1, &st);
    if (!cell) {
        return st;
    }
    obj_slots(cell)[0] = c->args[1];
    return prim_ok(c, value_ptr(cell));
}

PrimStatus prim_compiler_cell_value(PrimCall *c)
{
    if (!value_is_kind(c->args[1], OBJ_CELL)) {
        return prim_type_error(c, 1, "Cell");
    }
    return prim_ok(c, obj_slots(obj_of(c->args[1]))[0]);
}

PrimStatus prim_compiled_binding_names(PrimCall *c)
{
    const Code *code = compiled(c->args[0]);
    uint32_t symbol;
    PrimStatus st;
    if (!code) {
        return prim_error(c, "not a compiled doit");
    }
    Object *array = prim_new_slots(c, CLASS_ARRAY, code->nargs, &st);
    if (!array) {
        return st;
    }
    for (unsigned i = 0; i < code->nargs; i++) {
        st = prim_intern_name(c, code->bindings[i].data, code->bindings[i].len, &symbol);
        if (st != PRIM_OK) {
            return st;
        }
        obj_slots(array)[i] = value_symbol(symbol);
    }
    return prim_ok(c, value_ptr(array));
}

PrimStatus prim_compiled_binding_is_new(PrimCall *c)
{
    const Code *code = compiled(c->args[0]);
    int64_t i = value_is_int(c->args[1]) ? value_as_int(c->args[1]) : 0;
    if (!code || i < 1 || i > code->nargs) {
        return prim_error(c, "no such variable");
    }
    return prim_ok(c, value_bool(code->new_bindings[i - 1]));
}

PrimStatus prim_compiled_part(PrimCall *c)
{
    const Code *code = compiled(c->args[0]);
    if (!code) {
        return prim_error(c, "not a compiled doit");
    }
    switch (value_is_int(c->args[1]) ? value_as_int(c->args[1]) : 0) {
    case 1: return prim_answer_string(c, code->source.data, code->source.len);
    case 2: return prim_answer_string(c, code->file, strlen(code->file));
    case 3: return prim_ok(c, value_int((int64_t)(code->ninstr * sizeof(Instr))));
    case 4: return prim_ok(c, value_int(code->nliterals));
    default: return prim_type_error(c, 1, "SmallInteger from 1 to 4");
    }
}

/* ---- globals ---- */

/* A hidden name in args[1]: signals RestrictedGlobal. Reading one is no error here, it is not
 * there. */
static PrimStatus refuse_write(PrimCall *c)
{
    c->args[0] = value_class(CLASS_EXCEPTION);
    c->args[2] = VALUE_TRUE;
    c->send_selector = SYM_RESTRICTED;
    c->send_argc = 2;
    return PRIM_SEND;
}

/* The cell of the global named by args[1]; NULL: *st is the answer. */
static Cell *global_to_write(PrimCall *c, PrimStatus *st)
{
    if (!value_is_symbol(c->args[1])) {
        *st = prim_type_error(c, 1, "Symbol");
        return NULL;
    }
    uint32_t symbol = value_as_symbol(c->args[1]);
    if (domain_hides(c->process->domain, symbol)) {
        *st = refuse_write(c);
        return NULL;
    }
    if (class_find_symbol(c->vm, symbol) != CLASS_NONE) {
        *st = prim_error(c, "a class cannot be replaced");
        return NULL;
    }
    Cell *cell = cell_find(c->vm, symbol, true);
    if (!cell) {
        *st = prim_status(c, STATUS_NO_MEMORY, 0);
    }
    return cell;
}

static PrimStatus finish_write(PrimCall *c, Status status, Value answer)
{
    if (status == STATUS_NOT_SENDABLE) {
        return prim_error(c, "the value holds something that cannot leave its process");
    }
    prim_charge(c, local_of(c)->actor.copied_words / 8);
    return status == STATUS_OK ? prim_ok(c, answer) : prim_copy_failed(c, status);
}

static PrimStatus write(PrimCall *c, Cell *cell, Value v)
{
    Value culprit;
    prim_copy_begin(c);
    Status status = cell_set(local_of(c), c->heap, cell, v, &culprit);
    prim_copy_end(c);
    return finish_write(c, status, v);
}

PrimStatus prim_compiler_set_global(PrimCall *c)
{
    PrimStatus st = PRIM_OK;
    Cell *cell = global_to_write(c, &st);
    return cell ? write(c, cell, c->args[2]) : st;
}

/* Goes on with a SETGLOBAL whose value takes long to copy: which one says the sender's frame, so
 * that nobody can ask for more than the instruction may. */
PrimStatus prim_process_assign(PrimCall *c)
{
    const Process *p = c->process;
    Instr ins = atom_load_rlx(&p->pc[-1]); /* relaxed: this instruction never changes */
    return instr_op(ins) == OP_SETGLOBAL ? write(c, p->code->globals[instr_d(ins)], c->args[1])
                                         : prim_error(c, "only assignments use this");
}

/* Puts args[3] into the cell if it holds args[2], the very value: whether it did. */
static PrimStatus replace(PrimCall *c, Cell *cell)
{
    Value culprit;
    prim_copy_begin(c);
    Status status = cell_replace(local_of(c), c->heap, cell, c->args[2], c->args[3], &culprit);
    prim_copy_end(c);
    bool late = status == STATUS_BUSY;
    return finish_write(c, late ? STATUS_OK : status, value_bool(!late));
}

PrimStatus prim_compiler_replace_global(PrimCall *c)
{
    PrimStatus st = PRIM_OK;
    Cell *cell = global_to_write(c, &st);
    return cell ? replace(c, cell) : st;
}

static PrimStatus answer_cell(PrimCall *c, Cell *cell)
{
    Value v = cell_read(local_of(c), c->process, cell);
    return v == VALUE_NONE ? prim_status(c, STATUS_NO_MEMORY, 0) : prim_ok(c, v);
}

/* The cell of the class variable args[1] of the class args[0] or one above it, or NULL. */
static Cell *class_variable(PrimCall *c)
{
    uint32_t owner;
    return value_is_symbol(c->args[1])
               ? class_var_find(c->vm, value_as_class(c->args[0]) & ~1u,
                                vm_symbol_text(c->vm, value_as_symbol(c->args[1])), &owner)
               : NULL;
}

PrimStatus prim_class_variable(PrimCall *c)
{
    Cell *cell = class_variable(c);
    return cell ? answer_cell(c, cell) : prim_error(c, "there is no such class variable");
}

PrimStatus prim_class_replace_variable(PrimCall *c)
{
    Cell *cell = class_variable(c);
    return cell ? replace(c, cell) : prim_error(c, "there is no such class variable");
}

PrimStatus prim_compiler_get_global(PrimCall *c)
{
    if (!value_is_symbol(c->args[1])) {
        return prim_type_error(c, 1, "Symbol");
    }
    uint32_t symbol = value_as_symbol(c->args[1]);
    if (domain_hides(c->process->domain, symbol)) {
        return prim_ok(c, VALUE_NIL); /* as if it were not there */
    }
    uint32_t cls = class_find_symbol(c->vm, symbol);
    if (cls != CLASS_NONE) {
        return prim_ok(c, value_class(cls));
    }
    Cell *cell = cell_find(c->vm, symbol, false);
    return cell ? answer_cell(c, cell) : prim_ok(c, VALUE_NIL);
}

/* ---- the embedding program ---- */

PrimStatus prim_compiler_deliver(PrimCall *c)
{
    if (c->vm->on_result && value_is_int(c->args[2])) {
        c->vm->on_result(c->vm->embedder, c->process, value_as_int(c->args[2]), c->args[1]);
    }
    return prim_self(c);
}
