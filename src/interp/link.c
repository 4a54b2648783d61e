/* SPDX-License-Identifier: Apache-2.0 */
/* link.c - from compiled units to run-time code: literals become one frozen region, names become
 * symbols and cells, stubs are bound to the primitive table.
 * Memory comes from the VM (lives as long as it); the region is immortal for the same reason.
 * Threads: any thread with a HeapCtx of its own. */
#include <gmp.h>

#include "vm_int.h"

/* ---- sizes of literals -------------------------------------------------------------------- */

static size_t string_words(size_t bytes) {
    return bytes <= STR_INLINE_MAX ? 2 + (bytes + 7) / 8 + 1 : STR_HANDLE_WORDS + 2;
}

static size_t big_words(const Literal *lit) {
    /* digits * log2(radix) bits, generously 6 per digit (radix <= 36) */
    return (lit->text.len * 6) / 64 + 4;
}

static size_t literal_words(const Literal *lit) {
    switch (lit->kind) {
    case LIT_STRING:
        return string_words(lit->text.len);
    case LIT_BIG_INT:
        return big_words(lit);
    case LIT_BLOCK:
        return 3;
    case LIT_ARRAY: {
        size_t total = 1 + obj_alloc_words(lit->count);
        for (size_t i = 0; i < lit->count; i++) {
            total += literal_words(&lit->elements[i]);
        }
        return total;
    }
    default:
        return 0;
    }
}

/* ---- building ----------------------------------------------------------------------------- */

typedef struct Linker {
    Vm *vm;
    HeapCtx *cx;
    Region *region;
    Code *code;
} Linker;

static Status build_big(Linker *k, const Literal *lit, Value *out) {
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

static Status build_literal(Linker *k, const Literal *lit, Value *out) {
    uint32_t symbol;
    switch (lit->kind) {
    case LIT_NIL:
        *out = VALUE_NIL;
        return STATUS_OK;
    case LIT_TRUE:
        *out = VALUE_TRUE;
        return STATUS_OK;
    case LIT_FALSE:
        *out = VALUE_FALSE;
        return STATUS_OK;
    case LIT_INT:
        *out = value_int(lit->integer);
        return value_int_fits(lit->integer) ? STATUS_OK : STATUS_BAD_CODE;
    case LIT_FLOAT:
        *out = value_float(lit->number);
        return STATUS_OK;
    case LIT_CHAR:
        *out = value_char((uint32_t)lit->integer);
        return STATUS_OK;
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
    case LIT_BIG_INT:
        return build_big(k, lit, out);
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

static Status link_literals(Linker *k, const CodeUnit *unit) {
    Code *code = k->code;
    size_t words = 0;
    for (uint32_t i = 0; i < unit->nliterals; i++) {
        words += literal_words(&unit->literals[i]);
    }
    if (unit->kind == CODE_DOIT) {
        words += 3;
    }
    if (words) {
        STATUS_FORWARD(region_new(k->cx, words, true, &k->region));
        code->region = k->region;
    }
    for (uint32_t i = 0; i < unit->nliterals; i++) {
        STATUS_FORWARD(build_literal(k, &unit->literals[i], &code->literals[i]));
    }
    if (unit->kind == CODE_DOIT) {
        Object *o;
        STATUS_FORWARD(frozen_new(k->region, CLASS_COMPILED_METHOD, OBJ_CLOSURE, 0, 1, &o));
        o->words[CLOSURE_CODE] = value_raw(code);
        code->handle = value_ptr(o);
    }
    return STATUS_OK;
}

static Status link_globals(Vm *vm, Code *code, const CodeUnit *unit) {
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

static Status link_caches(Vm *vm, Code *code, const CodeUnit *unit) {
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

static void *copy_memory(Vm *vm, const void *from, size_t bytes, bool *failed) {
    if (!bytes) {
        return NULL;
    }
    void *to = vm_alloc(vm, bytes);
    if (!to) {
        *failed = true;
        return NULL;
    }
    return memcpy(to, from, bytes);
}

static Bytes *copy_names(Vm *vm, const Bytes *names, uint32_t n, bool *failed) {
    if (!n || !names) {
        return NULL;
    }
    Bytes *copy = vm_alloc(vm, n * sizeof *copy);
    for (uint32_t i = 0; copy && i < n; i++) {
        copy[i] = names[i].len ? vm_copy_bytes(vm, names[i]) : (Bytes){"", 0};
        *failed |= !copy[i].data;
    }
    *failed |= !copy;
    return copy;
}

/* A new Code with its number; visible to tools, not yet to sends. */
static Status register_code(Vm *vm, Code *code) {
    lock_acquire(&vm->code_lock);
    if (vm->ncodes == vm->codes_cap) {
        uint32_t cap = vm->codes_cap ? vm->codes_cap * 2 : 1024;
        Code **bigger = vm_alloc(vm, cap * sizeof *bigger);
        if (!bigger) {
            lock_release(&vm->code_lock);
            return STATUS_NO_MEMORY;
        }
        if (vm->ncodes) {
            memcpy(bigger, vm->codes, vm->ncodes * sizeof *bigger);
        }
        atom_store_rel(&vm->codes, bigger); /* publishes the copy to code_by_id */
        vm->codes_cap = cap;
    }
    code->id = vm->ncodes;
    vm->codes[vm->ncodes] = code;
    atom_store_rel(&vm->ncodes, vm->ncodes + 1); /* publishes the entry */
    code->next = vm->all_code;
    vm->all_code = code;
    lock_release(&vm->code_lock);
    return STATUS_OK;
}

static Status bind_primitive(Vm *vm, Code *code, const LinkInfo *info, const CodeUnit *unit) {
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

static CodeMark mark_of(Vm *vm, const Code *code) {
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

/* What may fail once the code has its blocks; its region, if there is one, is the caller's then. */
static Status link_parts(Vm *vm, HeapCtx *cx, const CodeUnit *unit, const LinkInfo *info,
                         Code *code)
{
    Linker k = {.vm = vm, .cx = cx, .code = code};
    STATUS_FORWARD(link_literals(&k, unit));
    STATUS_FORWARD(link_globals(vm, code, unit));
    STATUS_FORWARD(link_caches(vm, code, unit));
    if (unit->is_primitive) {
        STATUS_FORWARD(bind_primitive(vm, code, info, unit));
    } else if (unit->kind == CODE_METHOD && unit->getter_slot >= 0 && !(info->owner & 1)) {
        code->entry = ENTRY_GETTER;
    }
    if (unit->kind == CODE_METHOD) {
        code->mark = (uint8_t)mark_of(vm, code);
    }
    return register_code(vm, code);
}

static Status link_unit(Vm *vm, HeapCtx *cx, const CodeUnit *unit, const LinkInfo *info,
                        Code *method, Code **out) {
    bool failed = false;
    Code *code = vm_alloc(vm, sizeof *code);
    if (!code) {
        return STATUS_NO_MEMORY;
    }
    *code = (Code){.nargs = unit->nargs,
                   .nregs = unit->nregs,
                   .ncaps = unit->ncaps,
                   .home_reg = unit->home_reg,
                   .kind = (uint8_t)unit->kind,
                   .flags = (uint8_t)((unit->has_nlr ? CODE_F_NLR : 0) |
                                      (unit->uses_self ? CODE_F_USES_SELF : 0) |
                                      (vm->boot_done ? 0 : CODE_F_LIBRARY)),
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
                   .method = method};
    if (!method) {
        code->method = code;
    }
    STATUS_FORWARD(vm_intern(vm, unit->selector, &code->selector));
    code->instr = copy_memory(vm, unit->instr, unit->ninstr * sizeof(Instr), &failed);
    code->captures = copy_memory(vm, unit->captures, unit->ncaps, &failed);
    code->lines = copy_memory(vm, unit->lines, unit->nlines * sizeof(LineEntry), &failed);
    code->literals = vm_alloc(vm, unit->nliterals * sizeof(Value) + 8);
    code->globals = vm_alloc(vm, unit->nglobals * sizeof(Cell *) + 8);
    code->blocks = vm_alloc(vm, unit->nblocks * sizeof(Code *) + 8);
    code->temp_names = copy_names(vm, unit->temp_names, unit->nregs, &failed);
    if (unit->kind == CODE_DOIT) {
        code->bindings = copy_names(vm, unit->bindings, unit->nargs, &failed);
        code->new_bindings = copy_memory(vm, unit->new_bindings, unit->nargs, &failed);
    }
    if (!method) {
        code->source = vm_copy_bytes(vm, unit->source);
        code->doc = vm_copy_bytes(vm, unit->docstring);
        failed |= !code->source.data || !code->doc.data;
    }
    if (failed || !code->literals || !code->globals || !code->blocks) {
        return STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < unit->nblocks; i++) {
        STATUS_FORWARD(link_unit(vm, cx, unit->blocks[i], info, code->method, &code->blocks[i]));
    }
    Status status = link_parts(vm, cx, unit, info, code);
    if (status != STATUS_OK) {
        if (code->region) {
            region_free_immortal(cx, code->region); /* nobody has seen it */
        }
        return status;
    }
    *out = code;
    return STATUS_OK;
}

Status code_link(Vm *vm, HeapCtx *cx, const CodeUnit *unit, const LinkInfo *info, Code **out) {
    LinkInfo kept = *info;
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
    return link_unit(vm, cx, unit, &kept, NULL, out);
}
