/* SPDX-License-Identifier: Apache-2.0 */
/* link.c - from compiled units to run-time code: literals become one frozen region, names become
 * symbols and cells, stubs are bound to the primitive table.
 * Memory of pinned versions comes from the VM (lives as long as it), and their region is immortal
 * for the same reason; counted ones have their own (code_life.h says which are which).
 * Threads: any thread with a HeapCtx of its own. */
#include <gmp.h>

#include "code_life.h"
#include "vm_int.h"

/* ---- sizes of literals -------------------------------------------------------------------- */

static size_t string_words(size_t bytes)
{
    return bytes <= STR_INLINE_MAX ? 2 + (bytes + 7) / 8 + 1 : STR_HANDLE_WORDS + 2;
}

static size_t big_words(const Literal *lit)
{
    /* digits * log2(radix) bits, generously 6 per digit (radix <= 36) */
    return (lit->text.len * 6) / 64 + 4;
}

static size_t literal_words(const Literal *lit)
{
    switch (lit->kind) {
    case LIT_STRING: return string_words(lit->text.len);
    case LIT_BIG_INT: return big_words(lit);
    case LIT_BLOCK: return 3;
    case LIT_ARRAY: {
        size_t total = 1 + obj_alloc_words(lit->count);
        for (size_t i = 0; i < lit->count; i++) {
            total += literal_words(&lit->elements[i]);
        }
        return total;
    }
    default: return 0;
    }
}

/* ---- building ----------------------------------------------------------------------------- */

typedef struct Linker {
    Vm *vm;
    HeapCtx *cx;
    const LinkInfo *info;
    CodeVersion *version; /* NULL: pinned */
    Region *region;       /* of the whole version */
    Code *code;           /* whose literals are being built */
    Code *codes;          /* by peer, outermost first, the others in any order */
    bool failed;          /* no memory */
} Linker;

static Status build_big(Linker *k, const Literal *lit, Value *out)
{
    Bytes text = lit->text;
    bool negative = text.len && text.data[0] == '-';
    size_t skip = negative ? 1 : 0, n = text.len - skip;
    size_t words = big_words(lit), bytes = words * sizeof(mp_limb_t) + n + 1;
    mp_limb_t *limbs = env_alloc(k->vm->env, bytes);
    if (!limbs) {
        return STATUS_NO_MEMORY;
    }
    unsigned char *digits = (unsigned char *)(limbs + words);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text.data[skip + i];
        unsigned char digit = (unsigned char)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
        if (used || digit) {
            digits[used++] = digit;
        }
    }
    mp_size_t size = used ? mpn_set_str(limbs, digits, used, lit->radix) : 0;
    Status status = size ? STATUS_OK : STATUS_BAD_CODE;
    Object *o;
    if (status == STATUS_OK) {
        status = frozen_new(k->region, CLASS_BIG_INTEGER, OBJ_BIG_INT,
                            negative ? OBJ_BIGINT_NEGATIVE_PAD : 0, (size_t)size, &o);
    }
    if (status == STATUS_OK) {
        memcpy(obj_slots(o), limbs, (size_t)size * sizeof *limbs);
        *out = value_ptr(o);
    }
    env_free(k->vm->env, limbs, bytes);
    return status;
}

static Status build_literal(Linker *k, const Literal *lit, Value *out)
{
    uint32_t symbol;
    switch (lit->kind) {
    case LIT_NIL: *out = VALUE_NIL; return STATUS_OK;
    case LIT_TRUE: *out = VALUE_TRUE; return STATUS_OK;
    case LIT_FALSE: *out = VALUE_FALSE; return STATUS_OK;
    case LIT_INT:
        *out = value_int(lit->integer);
        return value_int_fits(lit->integer) ? STATUS_OK : STATUS_BAD_CODE;
    case LIT_FLOAT: *out = value_float(lit->number); return STATUS_OK;
    case LIT_CHAR: *out = value_char((uint32_t)lit->integer); return STATUS_OK;
    case LIT_SYMBOL:
        STATUS_FORWARD(vm_intern(k->vm, lit->text, &symbol));
        *out = value_symbol(symbol);
        return STATUS_OK;
    case LIT_CLASS: {
        uint32_t cls = class_find(k->vm, lit->text);
        *out = value_class(cls);
        return cls == CLASS_NONE ? STATUS_BAD_CODE : STATUS_OK;
    }
    case LIT_STRING:
        return str_new_frozen(k->region, k->cx, CLASS_STRING, (const uint8_t *)lit->text.data,
                              lit->text.len, out);
    case LIT_BIG_INT: return build_big(k, lit, out);
    case LIT_BLOCK: {
        Object *o;
        STATUS_FORWARD(frozen_new(k->region, CLASS_BLOCK, OBJ_CLOSURE, 0, 1, &o));
        o->words[CLOSURE_CODE] = value_raw(k->code->blocks[lit->integer]);
        *out = value_ptr(o);
        return STATUS_OK;
    }
    case LIT_ARRAY: {
        Object *o;
        STATUS_FORWARD(frozen_new(k->region, CLASS_ARRAY, OBJ_SLOTS, 0, lit->count, &o));
        Value *slots = obj_slots(o);
        for (size_t i = 0; i < lit->count; i++) {
            slots[i] = VALUE_NIL;
        }
        for (size_t i = 0; i < lit->count; i++) {
            STATUS_FORWARD(build_literal(k, &lit->elements[i], slots + i));
        }
        *out = value_ptr(o);
        return STATUS_OK;
    }
    }
    return STATUS_BAD_CODE;
}

/* Words of the literals of a unit and of all blocks in it. Depth is bounded by the parser. */
static size_t unit_words(const CodeUnit *unit)
{
    size_t words = 0;
    for (uint32_t i = 0; i < unit->nliterals; i++) {
        words += literal_words(&unit->literals[i]);
    }
    for (uint32_t i = 0; i < unit->nblocks; i++) {
        words += unit_words(unit->blocks[i]);
    }
    return words;
}

static Status link_region(Linker *k, const CodeUnit *unit)
{
    size_t words = unit_words(unit);
    if (unit->kind == CODE_DOIT || k->version) {
        words += 3; /* the handle */
    }
    return words ? region_new(k->cx, words, !k->version, &k->region) : STATUS_OK;
}

static Status link_literals(Linker *k, Code *code, const CodeUnit *unit)
{
    k->code = code;
    for (uint32_t i = 0; i < unit->nliterals; i++) {
        STATUS_FORWARD(build_literal(k, &unit->literals[i], &code->literals[i]));
    }
    if (code->method == code && (unit->kind == CODE_DOIT || k->version)) {
        Object *o;
        STATUS_FORWARD(frozen_new(k->region, CLASS_COMPILED_METHOD, OBJ_CLOSURE, 0, 1, &o));
        o->words[CLOSURE_CODE] = value_raw(code);
        code->handle = value_ptr(o);
    }
    return STATUS_OK;
}

static Status link_globals(Vm *vm, Code *code, const CodeUnit *unit)
{
    for (uint32_t i = 0; i < unit->nglobals; i++) {
        const GlobalRef *g = &unit->globals[i];
        if (g->kind == GLOBAL_CLASS_VAR) {
            uint32_t owner, cls = class_find(vm, g->owner);
            code->globals[i] = cls == CLASS_NONE ? NULL : class_var_find(vm, cls, g->name, &owner);
        } else {
            uint32_t symbol;
            STATUS_FORWARD(vm_intern(vm, g->name, &symbol));
            code->globals[i] = cell_find(vm, symbol, true);
        }
        if (!code->globals[i]) {
            return STATUS_NOT_FOUND;
        }
    }
    return STATUS_OK;
}

static Status link_caches(Vm *vm, Code *code, const CodeUnit *unit)
{
    uint32_t stack_buffer[256];
    uint32_t *selectors = stack_buffer;
    if (unit->nics > 256) {
        selectors = env_alloc(vm->env, unit->nics * sizeof *selectors);
        if (!selectors) {
            return STATUS_NO_MEMORY;
        }
    }
    Status status = STATUS_OK;
    for (uint32_t i = 0; i < unit->nics && status == STATUS_OK; i++) {
        status = vm_intern(vm, unit->ic_selectors[i], &selectors[i]);
    }
    if (status == STATUS_OK) {
        status = code_new_caches(vm, code, selectors);
    }
    if (selectors != stack_buffer) {
        env_free(vm->env, selectors, unit->nics * sizeof *selectors);
    }
    return status;
}

static void *link_alloc(Linker *k, size_t bytes)
{
    void *p = version_alloc(k->vm, k->version, bytes);
    k->failed |= !p;
    return p;
}

static void *copy_memory(Linker *k, const void *from, size_t bytes)
{
    void *to = bytes ? link_alloc(k, bytes) : NULL;
    return to ? memcpy(to, from, bytes) : NULL;
}

static Bytes copy_bytes(Linker *k, Bytes b)
{
    char *copy = link_alloc(k, b.len + 1); /* zeroed */
    if (copy && b.len) {
        memcpy(copy, b.data, b.len);
    }
    return (Bytes){copy, copy ? b.len : 0};
}

static Bytes *copy_names(Linker *k, const Bytes *names, uint32_t n)
{
    Bytes *copy = n && names ? link_alloc(k, n * sizeof *copy) : NULL;
    for (uint32_t i = 0; copy && i < n; i++) {
        copy[i] = names[i].len ? copy_bytes(k, names[i]) : (Bytes){"", 0};
    }
    return copy;
}

static Status bind_primitive(Vm *vm, Code *code, const LinkInfo *info, const CodeUnit *unit)
{
    const Class *c = vm_class(vm, info->owner & ~1u);
    const PrimEntry *e = prim_find(vm_symbol_text(vm, c->name), info->owner & 1, unit->selector);
    if (!e) {
        return STATUS_NOT_FOUND;
    }
    code->entry = ENTRY_PRIMITIVE;
    code->prim = e->fn;
    code->authority = e->authority;
    code->prim_help = e->help;
    code->flags |= e->frame ? CODE_F_FRAME : 0;
    if (e->fallback) {
        return vm_intern(vm, (Bytes){e->fallback, strlen(e->fallback)}, &code->fallback);
    }
    return STATUS_OK;
}

static CodeMark mark_of(Vm *vm, const Code *code)
{
    static const struct {
        const char *cls, *selector;
        CodeMark mark;
    } marks[] = {{"Block", "on:do:", CODE_MARK_ON_DO},
                 {"Block", "ensure:", CODE_MARK_ENSURE},
                 {"Block", "ifCurtailed:", CODE_MARK_CURTAILED},
                 {"Exception", "_dispatch", CODE_MARK_SIGNAL},
                 {"Exception class", "_unwindFrom:value:", CODE_MARK_UNWIND}};
    if (code->owner == CLASS_NONE || vm->boot_done) {
        return CODE_MARK_NONE;
    }
    Bytes cls = vm_symbol_text(vm, vm_class(vm, code->owner)->short_name);
    Bytes selector = vm_symbol_text(vm, code->selector);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (strlen(marks[i].cls) == cls.len && strlen(marks[i].selector) == selector.len &&
            !memcmp(marks[i].cls, cls.data, cls.len) &&
            !memcmp(marks[i].selector, selector.data, selector.len)) {
            return marks[i].mark;
        }
    }
    return CODE_MARK_NONE;
}

/* The parts that are copied. k->failed tells whether there was memory. */
static void copy_unit(Linker *k, Code *code, const CodeUnit *unit)
{
    code->instr = copy_memory(k, unit->instr, unit->ninstr * sizeof(Instr));
    code->captures = copy_memory(k, unit->captures, unit->ncaps);
    code->lines = copy_memory(k, unit->lines, unit->nlines * sizeof(LineEntry));
    code->literals = link_alloc(k, unit->nliterals * sizeof(Value) + 8);
    code->globals = link_alloc(k, unit->nglobals * sizeof(Cell *) + 8);
    code->blocks = link_alloc(k, unit->nblocks * sizeof(Code *) + 8);
    code->temp_names = copy_names(k, unit->temp_names, unit->nregs);
    if (unit->kind == CODE_DOIT) {
        code->bindings = copy_names(k, unit->bindings, unit->nargs);
        code->new_bindings = copy_memory(k, unit->new_bindings, unit->nargs);
    }
    if (code->method == code) {
        code->source = copy_bytes(k, unit->source);
        code->doc = copy_bytes(k, unit->docstring);
    }
}

static Status link_unit(Linker *k, const CodeUnit *unit, Code *method, Code **out)
{
    Vm *vm = k->vm;
    const LinkInfo *info = k->info;
    Code *code = link_alloc(k, sizeof *code);
    if (!code) {
        return STATUS_NO_MEMORY;
    }
    *code = (Code){
        .nargs = unit->nargs,
        .nregs = unit->nregs,
        .ncaps = unit->ncaps,
        .home_reg = unit->home_reg,
        .kind = (uint8_t)unit->kind,
        .flags =
            (uint8_t)((unit->has_nlr ? CODE_F_NLR : 0) | (unit->uses_self ? CODE_F_USES_SELF : 0) |
                      (vm->boot_done ? 0 : CODE_F_LIBRARY) | (k->version ? CODE_F_COUNTED : 0)),
        .getter_slot = unit->getter_slot,
        .owner = info->owner,
        .ninstr = unit->ninstr,
        .nics = unit->nics,
        .nliterals = unit->nliterals,
        .nglobals = unit->nglobals,
        .nblocks = unit->nblocks,
        .nlines = unit->nlines,
        .file = info->file.len ? info->file.data : "",
        .line = info->line,
        .method = method ? method : code,
        .version = k->version};
    if (method) {
        code->peer = method->peer;
        method->peer = code;
    } else {
        k->codes = code;
        code->region = k->region;
    }
    STATUS_FORWARD(vm_intern(vm, unit->selector, &code->selector));
    copy_unit(k, code, unit);
    if (k->failed) {
        return STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < unit->nblocks; i++) {
        STATUS_FORWARD(link_unit(k, unit->blocks[i], code->method, &code->blocks[i]));
    }
    STATUS_FORWARD(link_literals(k, code, unit));
    STATUS_FORWARD(link_globals(vm, code, unit));
    STATUS_FORWARD(link_caches(vm, code, unit));
    if (unit->is_primitive) {
        STATUS_FORWARD(bind_primitive(vm, code, info, unit));
    } else if (unit->kind == CODE_METHOD && unit->getter_slot >= 0 && !(info->owner & 1)) {
        code->entry = ENTRY_GETTER;
    } else if (unit->kind == CODE_METHOD && k->version) {
        code->entry = ENTRY_COUNTED;
    }
    if (unit->kind == CODE_METHOD) {
        code->mark = (uint8_t)mark_of(vm, code);
    }
    *out = code;
    return STATUS_OK;
}

/* Doits, and methods that replace one of their class (code_life.h). */
static bool link_counted(Vm *vm, const CodeUnit *unit, const LinkInfo *info)
{
    if (!vm->boot_done || unit->is_primitive) {
        return false;
    }
    if (unit->kind == CODE_DOIT) {
        return true;
    }
    uint32_t symbol = symtab_lookup(vm->symtab, unit->selector.data, unit->selector.len);
    lock_acquire(&vm->code_lock); /* no section is open here: the dictionary must not go */
    bool replaces = symbol && class_own_method(vm, info->owner, symbol);
    lock_release(&vm->code_lock);
    return replaces;
}

/* Whatever a version that could not be finished has taken. */
static void link_undo(Linker *k)
{
    for (Code *c = k->codes; c; c = c->peer) {
        code_free_caches(k->vm, c);
    }
    if (k->region && k->version) {
        region_release(k->cx, NULL, k->region);
    } else if (k->region) {
        region_free_immortal(k->cx, k->region);
    }
    if (k->version) {
        version_drop(k->vm, k->version);
    }
}

Status code_link(Vm *vm, HeapCtx *cx, const CodeUnit *unit, const LinkInfo *info, Code **out)
{
    LinkInfo kept = *info;
    Linker k = {.vm = vm, .cx = cx, .info = &kept};
    *out = NULL;
    if (unit->is_primitive) {
        const Class *c = vm_class(vm, info->owner & ~1u);
        if (!prim_find(vm_symbol_text(vm, c->name), info->owner & 1, unit->selector)) {
            uint32_t symbol = symtab_lookup(vm->symtab, unit->selector.data, unit->selector.len);
            Code *inherited = symbol ? vm_lookup(vm, info->owner, symbol) : NULL;
            return inherited ? STATUS_OK : STATUS_NOT_FOUND;
        }
    }
    if (info->file.len) {
        STATUS_FORWARD(vm_intern_file(vm, info->file, &kept.file));
    }
    if (link_counted(vm, unit, info) && !(k.version = version_new(vm))) {
        return STATUS_NO_MEMORY;
    }
    Code *code = NULL;
    Status status = link_region(&k, unit);
    if (status == STATUS_OK) {
        status = link_unit(&k, unit, NULL, &code);
    }
    if (status == STATUS_OK) {
        status = version_register(vm, code);
    }
    if (status != STATUS_OK) {
        link_undo(&k);
        return status;
    }
    *out = code;
    return STATUS_OK;
}
