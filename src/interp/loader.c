/* SPDX-License-Identifier: Apache-2.0 */
/* loader.c - loading batches of source files (language.md 3.1-3.4 in docs).
 *
 * Steps of a batch: 1 parse every file; 2 name all classes and define them, superclasses first;
 * 3 compile traits, then methods class by class, then scripts; 4 check what traits require; 5 link;
 * 6 install everything with one invalidation. An error in 1-4 ends the batch before 5.
 * Threads: see loader.h. */
#include "loader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "code_life.h"
#include "vm_int.h"

typedef struct TraitEntry {
    struct TraitEntry *next;
    uint32_t name;
    CodeUnit **units;
    uint32_t nunits;
    uint32_t *required;
    uint32_t nrequired;
} TraitEntry;

struct TraitTable {
    TraitEntry *first;
};

typedef struct File {
    char *path;
    char *text;
    size_t text_len;
    char space[256]; /* namespace of the file */
    LangParse parse;
    bool parsed; /* parse must be freed */
    CodeUnit *script_unit;
    Code *script;
} File;

/* A class-def of the batch. */
typedef struct Def {
    File *file;
    const AstClass *ast;
    char *name; /* qualified */
    uint32_t index;
    bool defined;
} Def;

typedef struct Unit {
    CodeUnit *unit;
    uint32_t owner;
    File *file;
    uint32_t line;
    bool shared; /* belongs to a trait, which keeps it */
} Unit;

struct Loader {
    Vm *vm;
    VmLocal *l;
    LoaderOptions options;
    File **files;
    uint32_t nfiles, files_cap;
    Def *defs;
    uint32_t ndefs;
    Unit *units;
    uint32_t nunits, units_cap;
    uint32_t errors;
    uint32_t methods;
};

/* Loader memory is the C library's: batches are bounded by the size of their sources. */
static void *grow(void *array, uint32_t *cap, uint32_t need, size_t size)
{
    if (need <= *cap) {
        return array;
    }
    uint32_t bigger = *cap ? *cap * 2 : 16;
    while (bigger < need) {
        bigger *= 2;
    }
    void *p = realloc(array, bigger * size);
    if (p) {
        *cap = bigger;
    }
    return p;
}

static Bytes bytes_of(LangText t) { return (Bytes){t.ptr, t.len}; }
static LangText text_of(Bytes b) { return lang_text(b.data, b.len); }

/* ---- life ---- */

Loader *loader_new(Vm *vm, VmLocal *l, const LoaderOptions *options)
{
    Loader *loader = calloc(1, sizeof *loader);
    if (loader) {
        loader->vm = vm;
        loader->l = l;
        loader->options = *options;
    }
    return loader;
}

void loader_free(Loader *loader)
{
    for (uint32_t i = 0; i < loader->nunits; i++) {
        if (!loader->units[i].shared) {
            code_unit_free(loader->units[i].unit);
        }
    }
    for (uint32_t i = 0; i < loader->ndefs; i++) {
        free(loader->defs[i].name);
    }
    for (uint32_t i = 0; i < loader->nfiles; i++) {
        File *f = loader->files[i];
        if (f->parsed) {
            lang_parse_free(&f->parse);
        }
        if (f->script_unit) {
            code_unit_free(f->script_unit);
        }
        code_release(loader->l, f->script);
        free(f->path);
        free(f->text);
        free(f);
    }
    free(loader->files);
    free(loader->defs);
    free(loader->units);
    free(loader);
}

static void say(Loader *loader, const char *format, ...)
{
    char line[1200];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (loader->options.sink.write) {
        size_t len = n < (int)sizeof line ? (size_t)n : sizeof line - 1;
        loader->options.sink.write(loader->options.sink.ctx, line, len);
    }
}

static void write_diags(Loader *loader, File *f)
{
    DiagList *d = &f->parse.diags;
    if (loader->options.no_warnings && d->errors == 0) {
        return;
    }
    if (d->count && loader->options.sink.write) {
        diag_write(d, f->path, lang_text(f->text, f->text_len), loader->options.sink);
    }
}

Status loader_add(Loader *loader, Bytes path, Bytes text, Bytes space)
{
    File *f = calloc(1, sizeof *f);
    void *files =
        grow(loader->files, &loader->files_cap, loader->nfiles + 1, sizeof *loader->files);
    if (!f || !files) {
        free(f);
        return STATUS_NO_MEMORY;
    }
    loader->files = files;
    loader->files[loader->nfiles++] = f;
    f->path = strndup(path.data, path.len);
    f->text = malloc(text.len + 1);
    if (!f->path || !f->text) {
        return STATUS_NO_MEMORY;
    }
    memcpy(f->text, text.data, text.len);
    f->text[text.len] = 0;
    f->text_len = text.len;
    f->parsed = true;
    if (!lang_parse_file(&f->parse, f->text, f->text_len, NULL)) {
        loader->errors += f->parse.diags.errors ? f->parse.diags.errors : 1;
        write_diags(loader, f);
        return STATUS_SYNTAX;
    }
    const AstFile *ast = f->parse.file;
    LangText own = ast->namespace_name.text;
    Bytes chosen = ast->has_namespace ? bytes_of(own) : space;
    snprintf(f->space, sizeof f->space, "%.*s", (int)chosen.len, chosen.data ? chosen.data : "");
    return STATUS_OK;
}

Status loader_add_file(Loader *loader, const char *path, Bytes space)
{
    FILE *in = fopen(path, "rb");
    Buf buf;
    if (!in) {
        say(loader, "%s: error: cannot read the file: %s\n", path, strerror(errno));
        loader->errors++;
        return STATUS_NOT_FOUND;
    }
    buf_init(&buf, loader->vm->env, LANG_SOURCE_MAX);
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0 && buf_put(&buf, chunk, n) == STATUS_OK) {
    }
    bool failed = ferror(in) != 0;
    int error = errno;
    fclose(in);
    Status status = buf.status;
    if (failed) {
        say(loader, "%s: error: cannot read the file: %s\n", path, strerror(error));
        status = STATUS_IO;
    } else if (status != STATUS_OK) {
        say(loader, "%s: error: the file is too big (limit %d MiB)\n", path, LANG_SOURCE_MAX >> 20);
    }
    if (status == STATUS_OK) {
        Bytes text = {buf.data ? buf.data : "", buf.len};
        status = loader_add(loader, (Bytes){path, strlen(path)}, text, space);
    } else {
        loader->errors++;
    }
    buf_free(&buf);
    return status;
}

/* ---- names ---- */

static bool is_qualified(Bytes name)
{
    for (size_t i = 0; i + 1 < name.len; i++) {
        if (name.data[i] == ':' && name.data[i + 1] == ':') {
            return true;
        }
    }
    return false;
}

/* "A::B" + "::" + name in out; the name alone when space is empty. Length, 0 when too long. */
static size_t join(char *out, size_t size, const char *space, size_t space_len, Bytes name)
{
    int n = space_len
                ? snprintf(out, size, "%.*s::%.*s", (int)space_len, space, (int)name.len, name.data)
                : snprintf(out, size, "%.*s", (int)name.len, name.data);
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

typedef bool (*Exists)(void *ctx, Bytes key);

/* 3.3: current namespace, imports in order, root. Writes the key into out; false: none exists. */
static bool resolve(const File *f, Bytes name, Exists exists, void *ctx, char *out, size_t size)
{
    size_t n;
    if (f && f->space[0] && (n = join(out, size, f->space, strlen(f->space), name)) &&
        exists(ctx, (Bytes){out, n})) {
        return true;
    }
    const AstNameList *imports = f ? &f->parse.file->imports : NULL;
    for (uint32_t i = 0; imports && i < imports->count; i++) {
        LangText t = imports->items[i].text;
        if ((n = join(out, size, t.ptr, t.len, name)) && exists(ctx, (Bytes){out, n})) {
            return true;
        }
    }
    n = join(out, size, "", 0, name);
    return n && exists(ctx, (Bytes){out, n});
}

static bool class_exists(void *ctx, Bytes key)
{
    Loader *loader = ctx;
    if (class_find(loader->vm, key) != CLASS_NONE) {
        return true;
    }
    for (uint32_t i = 0; i < loader->ndefs; i++) {
        if (strlen(loader->defs[i].name) == key.len &&
            !memcmp(loader->defs[i].name, key.data, key.len)) {
            return true;
        }
    }
    return false;
}

static bool global_exists(void *ctx, Bytes key)
{
    Vm *vm = ctx;
    uint32_t symbol = symtab_lookup(vm->symtab, key.data, key.len);
    Cell *cell = symbol ? cell_find(vm, symbol, false) : NULL;
    return cell && cell->defined;
}

/* ---- defining ---- */

static void def_error(Loader *loader, const Def *def, const char *text)
{
    diag_add(&def->file->parse.diags, DIAG_ERROR, def->ast->name.span, "%s", text);
    loader->errors++;
}

static Status collect_defs(Loader *loader)
{
    uint32_t cap = 0, total = 0;
    for (uint32_t i = 0; i < loader->nfiles; i++) {
        total += loader->files[i]->parse.file->definitions.count;
    }
    loader->defs = grow(NULL, &cap, total + 1, sizeof *loader->defs);
    if (!loader->defs) {
        return STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < loader->nfiles; i++) {
        File *f = loader->files[i];
        for (uint32_t k = 0; k < f->parse.file->definitions.count; k++) {
            AstNode *node = f->parse.file->definitions.items[k];
            if (node->kind != AST_CLASS) {
                continue;
            }
            char name[600];
            Bytes written = bytes_of(node->as.klass->name.text);
            size_t n = is_qualified(written)
                           ? join(name, sizeof name, "", 0, written)
                           : join(name, sizeof name, f->space, strlen(f->space), written);
            Def *def = &loader->defs[loader->ndefs];
            *def = (Def){.file = f, .ast = node->as.klass, .index = CLASS_NONE};
            def->name = strndup(name, n ? n : 0);
            if (!def->name) {
                return STATUS_NO_MEMORY;
            }
            loader->ndefs++;
            if (!n) {
                def_error(loader, def, "the class name is too long");
            }
        }
    }
    return STATUS_OK;
}

static Status names_of(const AstVarList *vars, Bytes **out)
{
    *out = malloc((vars->count + 1) * sizeof **out);
    for (uint32_t i = 0; *out && i < vars->count; i++) {
        (*out)[i] = bytes_of(vars->items[i].name);
    }
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

static Status define_one(Loader *loader, Def *def, Bytes super)
{
    const AstClass *ast = def->ast;
    Bytes *slots, *vars;
    char error[700];
    STATUS_FORWARD(names_of(&ast->instance_vars, &slots));
    Status status = names_of(&ast->class_vars, &vars);
    if (status != STATUS_OK) {
        free(slots);
        return status;
    }
    ClassSpec spec = {.name = {def->name, strlen(def->name)},
                      .super = super,
                      .slots = slots,
                      .nslots = ast->instance_vars.count,
                      .class_vars = vars,
                      .nclass_vars = ast->class_vars.count,
                      .doc = ast->doc.present ? bytes_of(ast->doc.text) : (Bytes){"", 0},
                      .file = {def->file->path, strlen(def->file->path)},
                      .line = ast->name.span.line};
    if (super.len == spec.name.len && !memcmp(super.data, spec.name.data, super.len)) {
        spec.super.len = super.len = 0; /* `Object subclass: Object` reopens the root */
    }
    uint32_t before = class_find(loader->vm, spec.name);
    if (loader->options.boot && before != CLASS_NONE && super.len &&
        vm_class(loader->vm, before)->super != class_find(loader->vm, super)) {
        snprintf(error, sizeof error, "class %s: the superclass is not %.*s", def->name,
                 (int)super.len, super.data);
        status = STATUS_BAD_ARGUMENT;
    } else {
        status = class_define(loader->vm, &spec, &def->index, error, sizeof error);
    }
    if (status != STATUS_OK) {
        def_error(loader, def, error);
    } else if (loader->options.tap && loader->options.tap->define) {
        loader->options.tap->define(loader->options.tap->ctx, &spec);
    }
    def->defined = true;
    free(slots);
    free(vars);
    return STATUS_OK;
}

/* Superclasses first, whatever the order of files: rounds until nothing changes. */
static Status define_all(Loader *loader)
{
    bool progress = true;
    while (progress) {
        progress = false;
        for (uint32_t i = 0; i < loader->ndefs; i++) {
            Def *def = &loader->defs[i];
            char key[600] = "";
            if (def->defined) {
                continue;
            }
            if (!def->ast->superclass_is_nil) {
                if (!resolve(def->file, bytes_of(def->ast->superclass.text), class_exists, loader,
                             key, sizeof key) ||
                    class_find(loader->vm, (Bytes){key, strlen(key)}) == CLASS_NONE) {
                    continue;
                }
            }
            STATUS_FORWARD(define_one(loader, def, (Bytes){key, strlen(key)}));
            progress = true;
        }
    }
    for (uint32_t i = 0; i < loader->ndefs; i++) {
        Def *def = &loader->defs[i];
        if (!def->defined) {
            char text[800];
            LangText super = def->ast->superclass.text;
            snprintf(
                text, sizeof text,
                "class %s: superclass %.*s not found (searched: namespace '%s', %u imports, root)",
                def->name, (int)super.len, super.ptr, def->file->space,
                def->file->parse.file->imports.count);
            def_error(loader, def, text);
        }
    }
    return STATUS_OK;
}

/* ---- compiling ---- */

typedef struct Scope {
    Loader *loader; /* NULL: single methods and doits */
    Vm *vm;
    const File *file;
    uint32_t cls; /* CLASS_NONE: doits, traits */
    char key[600];
    bool (*binding)(void *ctx, Bytes name);
    void *binding_ctx;
} Scope;

static int scope_instance_var(void *ctx, Bytes name)
{
    Scope *s = ctx;
    return s->cls == CLASS_NONE || (s->cls & 1) ? -1 : class_slot_index(s->vm, s->cls, name);
}
static Bytes scope_class_var(void *ctx, Bytes name)
{
    Scope *s = ctx;
    uint32_t owner;
    if (s->cls == CLASS_NONE || !class_var_find(s->vm, s->cls & ~1u, name, &owner)) {
        return (Bytes){"", 0};
    }
    return vm_symbol_text(s->vm, vm_class(s->vm, owner)->name);
}
static Bytes scope_global(void *ctx, Bytes name, bool *known)
{
    Scope *s = ctx;
    *known = resolve(s->file, name, global_exists, s->vm, s->key, sizeof s->key);
    if (!*known) {
        return name;
    }
    /* the symbol's own text: the compiler keeps what it is given until the unit is done */
    return vm_symbol_text(s->vm, symtab_lookup(s->vm->symtab, s->key, strlen(s->key)));
}
static bool scope_binding(void *ctx, Bytes name)
{
    Scope *s = ctx;
    return s->binding && s->binding(s->binding_ctx, name);
}
static CompileEnv scope_env(Scope *s, bool strict)
{
    return (CompileEnv){.ctx = s,
                        .instance_var = scope_instance_var,
                        .class_var = scope_class_var,
                        .global = scope_global,
                        .binding = scope_binding,
                        .strict = strict,
                        /* relaxed: whoever must see it has synchronised, as for run_loop */
                        .no_folding = atom_load_rlx(&s->vm->nonpristine) != 0,
                        .class_side = s->cls != CLASS_NONE && (s->cls & 1)};
}

static Status add_unit(Loader *loader, CodeUnit *unit, uint32_t owner, File *f, uint32_t line,
                       bool shared)
{
    void *units =
        grow(loader->units, &loader->units_cap, loader->nunits + 1, sizeof *loader->units);
    if (!units) {
        return STATUS_NO_MEMORY;
    }
    loader->units = units;
    loader->units[loader->nunits++] =
        (Unit){.unit = unit, .owner = owner, .file = f, .line = line, .shared = shared};
    return STATUS_OK;
}

static CodeUnit *compile_one(Loader *loader, File *f, const AstMethod *m, uint32_t cls)
{
    Scope scope = {.loader = loader, .vm = loader->vm, .file = f, .cls = cls};
    CompileEnv env = scope_env(&scope, loader->options.strict);
    uint32_t before = f->parse.diags.errors;
    CodeUnit *unit = compile_method(m, &env, &f->parse.diags);
    if (!unit) {
        loader->errors += f->parse.diags.errors > before ? f->parse.diags.errors - before : 1;
    } else if (unit->is_primitive && !loader->options.boot && cls == CLASS_NONE) {
        code_unit_free(unit); /* a stub in a trait of user code: an empty method would surprise */
        unit = NULL;
    }
    return unit;
}

static TraitEntry *trait_find(const Vm *vm, uint32_t name)
{
    for (TraitEntry *t = vm->traits ? vm->traits->first : NULL; t; t = t->next) {
        if (t->name == name) {
            return t;
        }
    }
    return NULL;
}

Status trait_define(Vm *vm, Bytes name, CodeUnit **units, uint32_t nunits, const Bytes *required,
                    uint32_t nrequired)
{
    uint32_t symbol;
    STATUS_FORWARD(vm_intern(vm, name, &symbol));
    if (!vm->traits && !(vm->traits = vm_alloc(vm, sizeof *vm->traits))) {
        return STATUS_NO_MEMORY;
    }
    TraitEntry *t = trait_find(vm, symbol);
    if (!t) {
        t = vm_alloc(vm, sizeof *t);
        if (!t) {
            return STATUS_NO_MEMORY;
        }
        t->name = symbol;
        t->next = vm->traits->first;
        vm->traits->first = t;
    } else {
        for (uint32_t i = 0; i < t->nunits; i++) {
            code_unit_free(t->units[i]);
        }
        t->nunits = 0;
    }
    t->units = vm_alloc(vm, (nunits + 1) * sizeof *t->units);
    t->required = vm_alloc(vm, (nrequired + 1) * sizeof *t->required);
    if (!t->units || !t->required) {
        return STATUS_NO_MEMORY;
    }
    memcpy(t->units, units, nunits * sizeof *units);
    t->nunits = nunits;
    t->nrequired = 0;
    for (uint32_t i = 0; i < nrequired; i++) {
        STATUS_FORWARD(vm_intern(vm, required[i], &t->required[t->nrequired++]));
    }
    return STATUS_OK;
}

void traits_free(Vm *vm)
{
    for (TraitEntry *t = vm->traits ? vm->traits->first : NULL; t; t = t->next) {
        for (uint32_t i = 0; i < t->nunits; i++) {
            code_unit_free(t->units[i]);
        }
        t->nunits = 0;
    }
}

static Status compile_trait(Loader *loader, File *f, const AstTrait *ast)
{
    char name[600];
    Bytes written = bytes_of(ast->name.text);
    size_t n = is_qualified(written) ? join(name, sizeof name, "", 0, written)
                                     : join(name, sizeof name, f->space, strlen(f->space), written);
    CodeUnit **units = calloc(ast->methods.count + 1, sizeof *units);
    Bytes *required = calloc(ast->required.count + 1, sizeof *required);
    Status status = units && required ? STATUS_OK : STATUS_NO_MEMORY;
    uint32_t count = 0;
    for (uint32_t i = 0; status == STATUS_OK && i < ast->methods.count; i++) {
        CodeUnit *unit = compile_one(loader, f, ast->methods.items[i], CLASS_NONE);
        if (unit) {
            units[count++] = unit;
        }
    }
    for (uint32_t i = 0; status == STATUS_OK && i < ast->required.count; i++) {
        required[i] = bytes_of(ast->required.items[i].text);
    }
    if (status == STATUS_OK && loader->options.tap && loader->options.tap->trait) {
        loader->options.tap->trait(loader->options.tap->ctx, (Bytes){name, n}, units, count,
                                   required, ast->required.count);
    }
    if (status == STATUS_OK) {
        status =
            trait_define(loader->vm, (Bytes){name, n}, units, count, required, ast->required.count);
    }
    free(units);
    free(required);
    return status;
}

static bool trait_exists(void *ctx, Bytes key)
{
    Vm *vm = ctx;
    uint32_t symbol = symtab_lookup(vm->symtab, key.data, key.len);
    return symbol && trait_find(vm, symbol);
}

/* What the batch has compiled for a selector of a class, or NULL. */
static const Unit *unit_of(const Loader *loader, uint32_t owner, Bytes selector)
{
    for (uint32_t i = 0; i < loader->nunits; i++) {
        const Unit *u = &loader->units[i];
        if (u->owner == owner && u->unit->selector.len == selector.len &&
            !memcmp(u->unit->selector.data, selector.data, selector.len)) {
            return u;
        }
    }
    return NULL;
}

/* 10.4, L3: class beats trait beats inherited; of two traits the first wins, with a warning. */
static Status apply_traits(Loader *loader, Def *def)
{
    for (uint32_t i = 0; i < def->ast->includes.count; i++) {
        const AstName *name = &def->ast->includes.items[i];
        char key[600];
        if (!resolve(def->file, bytes_of(name->text), trait_exists, loader->vm, key, sizeof key)) {
            diag_add(&def->file->parse.diags, DIAG_ERROR, name->span, "unknown trait: %.*s",
                     (int)name->text.len, name->text.ptr);
            loader->errors++;
            continue;
        }
        TraitEntry *t = trait_find(loader->vm, symtab_lookup(loader->vm->symtab, key, strlen(key)));
        for (uint32_t k = 0; k < t->nunits; k++) {
            const Unit *present = unit_of(loader, def->index, t->units[k]->selector);
            if (!present) {
                STATUS_FORWARD(add_unit(loader, t->units[k], def->index, def->file,
                                        def->ast->name.span.line, true));
            } else if (present->shared) {
                diag_add(&def->file->parse.diags, DIAG_WARNING, name->span,
                         "class %s: %.*s comes from an earlier trait; that of trait %s is not used",
                         def->name, (int)t->units[k]->selector.len, t->units[k]->selector.data,
                         key);
            }
        }
    }
    return STATUS_OK;
}

static Status compile_class(Loader *loader, Def *def)
{
    const AstMethodList *sides[2] = {&def->ast->methods, &def->ast->class_methods};
    for (unsigned side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < sides[side]->count; i++) {
            const AstMethod *m = sides[side]->items[i];
            uint32_t owner = def->index + side;
            CodeUnit *unit = compile_one(loader, def->file, m, owner);
            if (unit) {
                Status status =
                    add_unit(loader, unit, owner, def->file, m->selector_span.line, false);
                if (status != STATUS_OK) {
                    code_unit_free(unit);
                    return status;
                }
            }
        }
    }
    return STATUS_OK;
}

static Status compile_all(Loader *loader)
{
    for (uint32_t i = 0; i < loader->nfiles; i++) {
        File *f = loader->files[i];
        for (uint32_t k = 0; k < f->parse.file->definitions.count; k++) {
            AstNode *node = f->parse.file->definitions.items[k];
            if (node->kind == AST_TRAIT) {
                STATUS_FORWARD(compile_trait(loader, f, node->as.trait));
            }
        }
    }
    for (uint32_t i = 0; i < loader->ndefs; i++) {
        if (loader->defs[i].index != CLASS_NONE) {
            STATUS_FORWARD(compile_class(loader, &loader->defs[i]));
        }
    }
    for (uint32_t i = 0; i < loader->ndefs; i++) {
        if (loader->defs[i].index != CLASS_NONE) {
            STATUS_FORWARD(apply_traits(loader, &loader->defs[i]));
        }
    }
    for (uint32_t i = 0; i < loader->nfiles; i++) {
        File *f = loader->files[i];
        if (!f->parse.file->script.count) {
            continue;
        }
        Scope scope = {.loader = loader, .vm = loader->vm, .file = f, .cls = CLASS_NONE};
        CompileEnv env = scope_env(&scope, loader->options.strict);
        f->script_unit =
            compile_script(f->parse.file, lang_text(f->text, f->text_len), &env, &f->parse.diags);
        loader->errors += f->script_unit ? 0 : 1;
    }
    return STATUS_OK;
}

/* ---- requirements of traits (10.4) ---- */

/* Will instances of the class understand the selector, by what is in the batch or was there before?
 * A stub of a primitive counts where it makes a method: while the library is compiled. */
static bool provides(const Loader *loader, uint32_t cls, uint32_t selector)
{
    if (vm_lookup(loader->vm, cls, selector)) {
        return true;
    }
    Bytes text = vm_symbol_text(loader->vm, selector);
    for (; cls != CLASS_NONE; cls = atom_load_rlx(&vm_class(loader->vm, cls)->super)) {
        /* relaxed: the batch, which holds load_lock, has set it */
        const Unit *u = unit_of(loader, cls, text);
        if (u && (loader->options.boot || !u->unit->is_primitive)) {
            return true;
        }
    }
    return false;
}

static void check_requirements(Loader *loader)
{
    for (uint32_t i = 0; i < loader->ndefs; i++) {
        Def *def = &loader->defs[i];
        for (uint32_t k = 0; k < def->ast->includes.count; k++) {
            char key[600];
            const AstName *name = &def->ast->includes.items[k];
            if (!resolve(def->file, bytes_of(name->text), trait_exists, loader->vm, key,
                         sizeof key)) {
                continue;
            }
            TraitEntry *t =
                trait_find(loader->vm, symtab_lookup(loader->vm->symtab, key, strlen(key)));
            for (uint32_t r = 0; r < t->nrequired; r++) {
                if (!provides(loader, def->index, t->required[r])) {
                    Bytes selector = vm_symbol_text(loader->vm, t->required[r]);
                    diag_add(&def->file->parse.diags, DIAG_ERROR, name->span,
                             "class %s does not provide required method %.*s for trait %s",
                             def->name, (int)selector.len, selector.data, key);
                    loader->errors++;
                }
            }
        }
    }
}

/* ---- installing ---- */

static Status link_one(Loader *loader, const Unit *u, Code **out)
{
    LinkInfo info = {
        .owner = u->owner, .file = {u->file->path, strlen(u->file->path)}, .line = u->line};
    Status status = code_link(loader->vm, &loader->l->actor.heap, u->unit, &info, out);
    if (status == STATUS_NOT_FOUND && u->unit->is_primitive) {
        if (!loader->options.boot) {
            *out = NULL; /* 3.2: the stub has no effect */
            return STATUS_OK;
        }
        Bytes cls = vm_symbol_text(loader->vm, vm_class(loader->vm, u->owner)->short_name);
        say(loader, "%s:%u:1: error: no primitive %.*s>>%.*s\n", u->file->path, u->line,
            (int)cls.len, cls.data, (int)u->unit->selector.len, u->unit->selector.data);
        loader->errors++;
        *out = NULL;
        return STATUS_OK;
    }
    return status;
}

static Status install_all(Loader *loader)
{
    Code **codes = calloc(loader->nunits + 1, sizeof *codes);
    if (!codes) {
        return STATUS_NO_MEMORY;
    }
    uint32_t n = 0;
    Status status = STATUS_OK;
    for (uint32_t i = 0; i < loader->nunits && status == STATUS_OK; i++) {
        Unit *u = &loader->units[i];
        status = link_one(loader, u, &codes[n]);
        if (status == STATUS_OK && codes[n]) {
            n++;
        }
        const LoaderTap *tap = loader->options.tap;
        if (status == STATUS_OK && tap && tap->method) {
            tap->method(
                tap->ctx, vm_symbol_text(loader->vm, vm_class(loader->vm, u->owner & ~1u)->name),
                u->owner & 1, u->unit, (Bytes){u->file->path, strlen(u->file->path)}, u->line);
        }
    }
    for (uint32_t i = 0; i < loader->nfiles && status == STATUS_OK; i++) {
        File *f = loader->files[i];
        if (f->script_unit) {
            LinkInfo info = {.owner = CLASS_NONE, .file = {f->path, strlen(f->path)}, .line = 1};
            status =
                code_link(loader->vm, &loader->l->actor.heap, f->script_unit, &info, &f->script);
        }
    }
    if (status == STATUS_OK && !loader->errors) {
        status = methods_install(loader->vm, loader->l, codes, n);
        loader->methods = n;
    } else {
        for (uint32_t i = 0; i < n; i++) {
            code_release(loader->l, codes[i]);
        }
    }
    free(codes);
    return status;
}

Status loader_run(Loader *loader)
{
    if (loader->errors) {
        return STATUS_SYNTAX;
    }
    Status status = collect_defs(loader);
    if (status == STATUS_OK) {
        status = define_all(loader);
    }
    if (status == STATUS_OK && !loader->errors) {
        status = compile_all(loader);
    }
    if (status == STATUS_OK && !loader->errors) {
        check_requirements(loader);
    }
    if (status == STATUS_OK && !loader->errors && !loader->options.check_only) {
        status = install_all(loader);
    }
    if (loader->vm->reparented) {
        /* the batch failed after it had defined its classes: those stay, and caches must follow */
        Status reset = methods_install(loader->vm, loader->l, NULL, 0);
        status = status == STATUS_OK ? reset : status;
    }
    for (uint32_t i = 0; i < loader->nfiles; i++) {
        write_diags(loader, loader->files[i]);
    }
    if (status != STATUS_OK) {
        say(loader, "error: %s\n", status_text(status));
        loader->errors++;
        return status;
    }
    return loader->errors ? STATUS_SYNTAX : STATUS_OK;
}

uint32_t loader_script_count(const Loader *loader) { return loader->nfiles; }
const CodeUnit *loader_script_unit(const Loader *loader, uint32_t i)
{
    return loader->files[i]->script_unit;
}
Code *loader_take_script(Loader *loader, uint32_t i)
{
    Code *script = loader->files[i]->script;
    loader->files[i]->script = NULL;
    return script;
}
uint32_t loader_method_count(const Loader *loader) { return loader->methods; }
uint32_t loader_error_count(const Loader *loader) { return loader->errors; }

/* ---- single methods and doits ---- */

static void sink_to_buf(void *ctx, const char *bytes, size_t len)
{
    (void)buf_put(ctx, bytes, len);
}

Status loader_compile_unit(Vm *vm, uint32_t cls, Bytes source, CodeUnit **out, bool *class_side,
                           Buf *report)
{
    LangParse parse;
    *out = NULL;
    if (lang_parse_method(&parse, source.data, source.len, NULL)) {
        *class_side = parse.method->class_side || (cls & 1);
        Scope scope = {.vm = vm, .cls = *class_side ? cls | 1u : cls};
        CompileEnv env = scope_env(&scope, false);
        *out = compile_method(parse.method, &env, &parse.diags);
    }
    if (!*out) {
        diag_report(&parse.diags, "compile error", (LangSink){sink_to_buf, report});
    }
    lang_parse_free(&parse);
    return *out ? STATUS_OK : STATUS_SYNTAX;
}

Status loader_compile_method(VmLocal *l, uint32_t cls, Bytes source, uint32_t *selector,
                             Buf *report)
{
    CodeUnit *unit;
    Code *code = NULL;
    bool class_side;
    *selector = 0;
    STATUS_FORWARD(loader_compile_unit(l->vm, cls, source, &unit, &class_side, report));
    LinkInfo info = {.owner = class_side ? cls | 1u : cls, .line = 1};
    Status status = code_link(l->vm, &l->actor.heap, unit, &info, &code);
    if (status == STATUS_NOT_FOUND && unit->is_primitive) {
        (void)buf_puts(report, "compile error: there is no such primitive");
        status = STATUS_SYNTAX;
    }
    code_unit_free(unit);
    if (status == STATUS_OK && code) {
        *selector = code->selector;
        status = method_install(l->vm, l, code);
    }
    return status;
}

Status loader_compile_doit(VmLocal *l, const DoitRequest *request, Code **out, Buf *report)
{
    LangParse parse;
    LangSink sink = {sink_to_buf, report};
    Status status = STATUS_SYNTAX;
    LangOptions options = {.script_temps = request->mode == DOIT_SHELL};
    if (lang_parse_doit(&parse, request->source.data, request->source.len, &options)) {
        Scope scope = {.vm = l->vm,
                       .cls = CLASS_NONE,
                       .binding = request->binding,
                       .binding_ctx = request->binding_ctx};
        CompileEnv env = scope_env(&scope, request->strict);
        CodeUnit *unit =
            compile_doit(parse.doit, request->mode, text_of(request->source), &env, &parse.diags);
        if (unit) {
            LinkInfo info = {.owner = CLASS_NONE, .file = request->file, .line = 1};
            status = code_link(l->vm, &l->actor.heap, unit, &info, out);
            code_unit_free(unit);
        }
    }
    if (status == STATUS_SYNTAX) {
        diag_report(&parse.diags, "parse errors", sink);
    }
    lang_parse_free(&parse);
    return status;
}

/* ---- namespaces by directory ---- */

void loader_space_of_path(const char *relative, char *out, size_t size)
{
    size_t n = 0;
    const char *last = strrchr(relative, '/');
    bool upper = true;
    for (const char *c = relative; last && c < last && n + 4 < size; c++) {
        if (*c == '/') {
            out[n++] = ':';
            out[n++] = ':';
            upper = true;
        } else if (*c == '-' || *c == '_') {
            upper = true;
        } else {
            bool boundary = c > relative && c[-1] >= 'a' && c[-1] <= 'z' && *c >= 'A' && *c <= 'Z';
            bool is_lower = *c >= 'a' && *c <= 'z', is_upper = *c >= 'A' && *c <= 'Z';
            if (upper || boundary) {
                out[n++] = is_lower ? (char)(*c - 32) : *c;
            } else {
                out[n++] = is_upper ? (char)(*c + 32) : *c;
            }
            upper = false;
        }
    }
    out[n] = 0;
}
