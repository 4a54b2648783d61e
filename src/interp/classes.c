/* SPDX-License-Identifier: Apache-2.0 */
/* classes.c - the class table, method dictionaries and what an installation invalidates.
 *
 * Published structures: a class pointer appears in its chunk before `nclasses` covers it; a
 * dictionary grows by copy (release), takes new entries in place (code word, then selector with
 * release) and replaces a method by one store of its code word. Old dictionaries and inline-cache
 * tables may still be read by schedulers inside their slice, so they go through the epoch.
 * Threads: writers under code_lock, readers anywhere inside an epoch section. */
#include <stdarg.h>
#include <stdio.h>

#include "code_life.h"
#include "vm_int.h"

void vm_fail(char *error, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (size) {
        vsnprintf(error, size, format, args);
    }
    va_end(args);
}

/* ---- memory ------------------------------------------------------------------------------- */

void *vm_alloc(Vm *vm, size_t bytes)
{
    struct CodeMem *m = vm->memory;
    bytes = (bytes + 15) & ~(size_t)15;
    lock_acquire(&m->lock);
    if ((size_t)(m->end - m->at) < bytes) {
        size_t size = bytes + sizeof(MemChunk) > 65536 ? bytes + sizeof(MemChunk) : 65536;
        MemChunk *chunk = env_calloc(vm->env, size);
        if (!chunk) {
            lock_release(&m->lock);
            return NULL;
        }
        chunk->next = m->chunks;
        chunk->bytes = size;
        m->chunks = chunk;
        m->at = (char *)(chunk + 1);
        m->end = (char *)chunk + size;
        m->total += size;
    }
    void *p = m->at;
    m->at += bytes;
    lock_release(&m->lock);
    return p;
}

Bytes vm_copy_bytes(Vm *vm, Bytes b)
{
    char *copy = vm_alloc(vm, b.len + 1);
    if (!copy) {
        return (Bytes){NULL, 0};
    }
    if (b.len) {
        memcpy(copy, b.data, b.len);
    }
    return (Bytes){copy, b.len};
}

Status vm_intern(Vm *vm, Bytes b, uint32_t *symbol)
{
    return symtab_intern(vm->symtab, b.data ? b.data : "", b.len, symbol);
}

/* ---- symbols' uses ------------------------------------------------------------------------ */

SymbolUse *symbol_use(const Vm *vm, uint32_t symbol)
{
    /* acquire: pairs with the release in symbol_use_make, publishes the zeroed chunk */
    SymbolUse *chunk = atom_load_acq(&vm->cells->chunks[symbol / SYMBOL_CHUNK]);
    return chunk ? chunk + symbol % SYMBOL_CHUNK : NULL;
}

SymbolUse *symbol_use_make(Vm *vm, uint32_t symbol)
{
    if (symbol / SYMBOL_CHUNK >= SYMBOL_CHUNKS) {
        return NULL;
    }
    SymbolUse **slot = &vm->cells->chunks[symbol / SYMBOL_CHUNK];
    if (!*slot) {
        SymbolUse *chunk = vm_alloc(vm, SYMBOL_CHUNK * sizeof(SymbolUse));
        if (!chunk) {
            return NULL;
        }
        /* release: publishes the zeroed chunk to symbol_use */
        atom_store_rel(slot, chunk);
    }
    return *slot + symbol % SYMBOL_CHUNK;
}

uint32_t class_find_symbol(const Vm *vm, uint32_t name)
{
    SymbolUse *use = symbol_use(vm, name);
    /* acquire: pairs with the release in class_add, publishes the class */
    uint32_t plus = use ? atom_load_acq(&use->class_plus) : 0;
    return plus ? plus - 1 : CLASS_NONE;
}

uint32_t class_find(const Vm *vm, Bytes name)
{
    uint32_t symbol = symtab_lookup(vm->symtab, name.data, name.len);
    return symbol ? class_find_symbol(vm, symbol) : CLASS_NONE;
}

/* ---- defining ----------------------------------------------------------------------------- */

bool class_inherits(const Vm *vm, uint32_t cls, uint32_t ancestor)
{
    while (cls != CLASS_NONE) {
        if (cls == ancestor) {
            return true;
        }
        cls = vm_class(vm, cls)->super;
    }
    return false;
}

int class_slot_index(const Vm *vm, uint32_t cls, Bytes name)
{
    uint32_t symbol = symtab_lookup(vm->symtab, name.data, name.len);
    while (symbol && cls != CLASS_NONE) {
        const Class *c = vm_class(vm, cls);
        for (uint32_t i = c->nown; i-- > 0;) {
            if (c->slot_names[i] == symbol) {
                return (int)(c->nslots - c->nown + i);
            }
        }
        cls = c->super;
    }
    return -1;
}

Cell *class_var_find(const Vm *vm, uint32_t cls, Bytes name, uint32_t *owner)
{
    uint32_t symbol = symtab_lookup(vm->symtab, name.data, name.len);
    while (symbol && cls != CLASS_NONE) {
        const Class *c = vm_class(vm, cls & ~1u);
        for (uint32_t i = 0; i < c->nclass_vars; i++) {
            if (c->class_vars[i]->name == symbol) {
                *owner = c->index;
                return c->class_vars[i];
            }
        }
        cls = c->super;
    }
    return NULL;
}

Code *class_own_method(const Vm *vm, uint32_t cls, uint32_t selector)
{
    /* acquire: pairs with the publication of a changed dictionary */
    return dict_find(atom_load_acq(&vm_class(vm, cls)->methods), selector);
}

static Class *class_slot_make(Vm *vm, uint32_t index)
{
    Class ***chunk = &vm->class_chunks[index / VM_CLASS_CHUNK];
    if (index / VM_CLASS_CHUNK >= VM_CLASS_CHUNKS) {
        return NULL;
    }
    if (!*chunk) {
        Class **memory = vm_alloc(vm, VM_CLASS_CHUNK * sizeof(Class *));
        if (!memory) {
            return NULL;
        }
        /* release: publishes the zeroed chunk. Readers load it plainly: they were given an index
         * of it behind the release of nclasses or of the class's cell */
        atom_store_rel(chunk, memory);
    }
    return vm_alloc(vm, sizeof(Class));
}

/* The symbol behind the last :: of a qualified name. */
static Status short_name(Vm *vm, Bytes name, uint32_t *symbol)
{
    size_t start = name.len;
    while (start > 0 && name.data[start - 1] != ':') {
        start--;
    }
    return vm_intern(vm, (Bytes){name.data + start, name.len - start}, symbol);
}

/* Adds class and metaclass at the end of the table. Under code_lock. */
static Status class_add(Vm *vm, Bytes name, uint32_t super, Class **out)
{
    uint32_t index = vm->nclasses;
    uint32_t symbol, brief, meta_symbol;
    char meta_name[300];
    STATUS_FORWARD(vm_intern(vm, name, &symbol));
    STATUS_FORWARD(short_name(vm, name, &brief));
    Bytes text = vm_symbol_text(vm, brief);
    int n = snprintf(meta_name, sizeof meta_name, "%.*s class",
                     (int)(text.len < 256 ? text.len : 256), text.data);
    STATUS_FORWARD(vm_intern(vm, (Bytes){meta_name, (size_t)n}, &meta_symbol));
    Class *c = class_slot_make(vm, index);
    Class *meta = c ? class_slot_make(vm, index + 1) : NULL;
    SymbolUse *use = symbol_use_make(vm, symbol);
    Cell *cell = use ? (use->cell ? use->cell : vm_alloc(vm, sizeof *cell)) : NULL;
    if (!c || !meta || !cell) {
        return STATUS_NO_MEMORY;
    }
    *c = (Class){.index = index, .super = super, .name = symbol, .short_name = brief};
    *meta = (Class){.index = index + 1, .name = symbol, .short_name = meta_symbol};
    meta->super = super == CLASS_NONE ? CLASS_CLASS : super | 1u;
    if (super != CLASS_NONE) {
        c->nslots = vm_class(vm, super)->nslots;
        c->shape = vm_class(vm, super)->shape;
    }
    vm->class_chunks[index / VM_CLASS_CHUNK][index % VM_CLASS_CHUNK] = c;
    vm->class_chunks[(index + 1) / VM_CLASS_CHUNK][(index + 1) % VM_CLASS_CHUNK] = meta;
    /* release: the classes are complete before anybody can know their index */
    atom_store_rel(&vm->nclasses, index + 2);
    cell->name = symbol;
    cell->owner = CLASS_NONE;
    cell->defined = true;
    /* release: publishes the class to readers of the cell (GETGLOBAL acquires) */
    atom_store_rel(&cell->value, value_class(index));
    /* release: publishes the cell's fields; pairs with the acquire in cell_find */
    atom_store_rel(&use->cell, cell);
    /* release: publishes the class; pairs with the acquire in class_find_symbol */
    atom_store_rel(&use->class_plus, index + 1);
    *out = c;
    return STATUS_OK;
}

static Status add_slots(Vm *vm, Class *c, const ClassSpec *spec, uint32_t fresh)
{
    uint32_t *names = vm_alloc(vm, (c->nown + fresh) * sizeof *names);
    if (!names) {
        return STATUS_NO_MEMORY;
    }
    if (c->nown) {
        memcpy(names, c->slot_names, c->nown * sizeof *names);
    }
    uint32_t n = c->nown;
    for (uint32_t i = 0; i < spec->nslots; i++) {
        uint32_t symbol;
        STATUS_FORWARD(vm_intern(vm, spec->slots[i], &symbol));
        bool present = false;
        for (uint32_t k = 0; k < n; k++) {
            present |= names[k] == symbol;
        }
        if (!present) {
            names[n++] = symbol;
        }
    }
    c->nslots = (uint16_t)(c->nslots + (n - c->nown));
    c->slot_names = names;
    c->nown = n;
    return STATUS_OK;
}

static uint32_t count_fresh_slots(Vm *vm, const Class *c, const ClassSpec *spec)
{
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < spec->nslots; i++) {
        uint32_t symbol = symtab_lookup(vm->symtab, spec->slots[i].data, spec->slots[i].len);
        bool present = false;
        for (uint32_t k = 0; k < c->nown; k++) {
            present |= symbol && c->slot_names[k] == symbol;
        }
        fresh += !present;
    }
    return fresh;
}

/* Q10: variables can be added while neither the class nor a subclass has instances, and while no
 * subclass has variables of its own (its methods address slots by number). */
static bool may_add_slots(Vm *vm, const Class *c)
{
    /* relaxed, here and below: flags that only grow, and nothing is read because of them */
    if (atom_load_rlx(&c->instantiated)) {
        return false;
    }
    for (uint32_t i = 0; i < vm->nclasses; i += 2) {
        Class *sub = vm_class(vm, i);
        if (sub != c && class_inherits(vm, i, c->index) &&
            (sub->nown || atom_load_rlx(&sub->instantiated))) {
            return false;
        }
    }
    return true;
}

static void refresh_subclasses(Vm *vm, const Class *c)
{
    for (uint32_t i = 0; i < vm->nclasses; i += 2) {
        Class *sub = vm_class(vm, i);
        if (sub != c && class_inherits(vm, i, c->index)) {
            sub->nslots = c->nslots;
            sub->shape = sub->index < CLASS_FIRST_FREE ? sub->shape : c->shape;
        }
    }
}

static Status add_class_vars(Vm *vm, Class *c, const ClassSpec *spec)
{
    if (!spec->nclass_vars) {
        return STATUS_OK;
    }
    Cell **cells = vm_alloc(vm, (c->nclass_vars + spec->nclass_vars) * sizeof *cells);
    if (!cells) {
        return STATUS_NO_MEMORY;
    }
    uint32_t n = 0;
    for (; n < c->nclass_vars; n++) {
        cells[n] = c->class_vars[n];
    }
    for (uint32_t i = 0; i < spec->nclass_vars; i++) {
        uint32_t symbol;
        STATUS_FORWARD(vm_intern(vm, spec->class_vars[i], &symbol));
        bool present = false;
        for (uint32_t k = 0; k < n; k++) {
            present |= cells[k]->name == symbol;
        }
        if (present) {
            continue;
        }
        Cell *cell = vm_alloc(vm, sizeof *cell);
        if (!cell) {
            return STATUS_NO_MEMORY;
        }
        *cell = (Cell){.value = VALUE_NIL, .name = symbol, .owner = c->index, .defined = true};
        cells[n++] = cell;
    }
    c->class_vars = cells;
    c->nclass_vars = n;
    return STATUS_OK;
}

static Status class_reopen(Vm *vm, Class *c, const ClassSpec *spec, uint32_t super, char *error,
                           size_t size)
{
    Bytes name = spec->name;
    if (super != CLASS_NONE && c->super == CLASS_OBJECT && super != CLASS_OBJECT &&
        c->index >= CLASS_FIRST_FREE) {
        if (vm_class(vm, super)->nslots && !may_add_slots(vm, c)) {
            vm_fail(error, size, "class %.*s: cannot change its superclass: it has instances",
                    (int)name.len, name.data);
            return STATUS_BAD_ARGUMENT;
        }
        if (vm_class(vm, super)->nslots && c->nown && c->methods && c->methods->count) {
            vm_fail(
                error, size,
                "class %.*s: cannot change its superclass: its methods know where its variables "
                "are",
                (int)name.len, name.data);
            return STATUS_BAD_ARGUMENT;
        }
        if (class_inherits(vm, super, c->index)) {
            vm_fail(error, size, "class %.*s: its superclass would inherit from it", (int)name.len,
                    name.data);
            return STATUS_BAD_ARGUMENT;
        }
        uint32_t own = c->nown;
#ifndef MAGGIE_MUTANT_CLASSES_REPARENT
        vm->reparented = true;
#endif
        /* relaxed: followed by a bump of code_version by the installation of the batch */
        atom_store_rlx(&c->super, super);
        atom_store_rlx(&vm_class(vm, c->index + 1)->super, super | 1u);
        c->nslots = (uint16_t)(vm_class(vm, super)->nslots + own);
        c->shape = vm_class(vm, super)->shape;
    }
    uint32_t fresh = count_fresh_slots(vm, c, spec);
    if (fresh && !may_add_slots(vm, c)) {
        vm_fail(error, size,
                "class %.*s: cannot add instance variables: it or a subclass has instances or "
                "variables of its own",
                (int)name.len, name.data);
        return STATUS_BAD_ARGUMENT;
    }
    if (fresh && c->shape == SHAPE_SPECIAL) {
        vm_fail(error, size, "class %.*s: its instances cannot have variables", (int)name.len,
                name.data);
        return STATUS_BAD_ARGUMENT;
    }
    if (fresh) {
        STATUS_FORWARD(add_slots(vm, c, spec, fresh));
        refresh_subclasses(vm, c);
    }
    return STATUS_OK;
}

Status class_define(Vm *vm, const ClassSpec *spec, uint32_t *index, char *error, size_t size)
{
    if (size) {
        error[0] = 0;
    }
    lock_acquire(&vm->code_lock);
    uint32_t found = class_find(vm, spec->name);
    uint32_t super = spec->super.len ? class_find(vm, spec->super) : CLASS_NONE;
    Class *c = NULL;
    Status status = STATUS_OK;
    if (spec->super.len && super == CLASS_NONE) {
        vm_fail(error, size, "class %.*s: superclass %.*s not found", (int)spec->name.len,
                spec->name.data, (int)spec->super.len, spec->super.data);
        status = STATUS_NOT_FOUND;
    } else if (found != CLASS_NONE) {
        c = vm_class(vm, found);
        status = class_reopen(vm, c, spec, super, error, size);
    } else if (super == CLASS_NONE) {
        vm_fail(error, size,
                "class %.*s: superclass nil: a new class needs a superclass, write Object",
                (int)spec->name.len, spec->name.data);
        status = STATUS_BAD_ARGUMENT;
    } else if (spec->nslots && vm_class(vm, super)->shape == SHAPE_SPECIAL) {
        vm_fail(error, size, "class %.*s: subclasses of %.*s cannot have instance variables",
                (int)spec->name.len, spec->name.data, (int)spec->super.len, spec->super.data);
        status = STATUS_BAD_ARGUMENT;
    } else if (spec->nslots + (uint32_t)vm_class(vm, super)->nslots > 60000) {
        vm_fail(error, size, "class %.*s: more than 60000 instance variables", (int)spec->name.len,
                spec->name.data);
        status = STATUS_LIMIT;
    } else {
        status = class_add(vm, spec->name, super, &c);
        if (status == STATUS_OK && spec->nslots) {
            status = add_slots(vm, c, spec, spec->nslots);
        }
    }
    if (status == STATUS_OK) {
        status = add_class_vars(vm, c, spec);
    }
    if (status == STATUS_OK) {
        if (!c->doc.len && spec->doc.len) {
            c->doc = vm_copy_bytes(vm, spec->doc);
        }
        if (!c->file && spec->file.len) {
            c->file = vm_copy_bytes(vm, spec->file).data;
            c->line = spec->line;
        }
        *index = c->index;
    } else if (size && !error[0]) {
        vm_fail(error, size, "class %.*s: %s", (int)spec->name.len, spec->name.data,
                status_text(status));
    }
    lock_release(&vm->code_lock);
    return status;
}

/* ---- core classes ------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t super;
} core_classes[] = {
#define CORE_CLASS(id, name, super) {name, CLASS_##super},
    VALUE_CORE_CLASSES(CORE_CLASS)
#undef CORE_CLASS
};

static ClassShape core_shape(uint32_t index)
{
    switch (index) {
    case CLASS_ARRAY: return SHAPE_INDEXED;
    case CLASS_BYTE_ARRAY: return SHAPE_BYTES;
    case CLASS_WORD_ARRAY: return SHAPE_WORDS;
    case CLASS_UNDEFINED_OBJECT:
    case CLASS_TRUE:
    case CLASS_FALSE:
    case CLASS_BOOLEAN:
    case CLASS_SMALL_INTEGER:
    case CLASS_BIG_INTEGER:
    case CLASS_FLOAT:
    case CLASS_CHARACTER:
    case CLASS_STRING:
    case CLASS_SYMBOL:
    case CLASS_BLOCK:
    case CLASS_COMPILED_METHOD:
    case CLASS_CLASS:
    case CLASS_METACLASS:
    case CLASS_CELL:
    case CLASS_WEAK_REFERENCE:
    case CLASS_PROCESS:
    case CLASS_REFERENCE:
    case CLASS_TIMER: return SHAPE_SPECIAL;
    default: return SHAPE_SLOTS;
    }
}

Status vm_make_core_classes(Vm *vm)
{
    for (uint32_t i = 0; i < sizeof core_classes / sizeof *core_classes; i++) {
        Class *c;
        Bytes name = {core_classes[i].name, strlen(core_classes[i].name)};
        STATUS_FORWARD(class_add(vm, name, core_classes[i].super, &c));
        assert(c->index == 2 * i);
        c->shape = (uint8_t)core_shape(c->index);
    }
    return STATUS_OK;
}

/* ---- method dictionaries ------------------------------------------------------------------ */

static void free_dict(EpochEntry *entry, void *arg)
{
    MethodDict *dict = (MethodDict *)(void *)((char *)entry - offsetof(MethodDict, epoch));
    env_free(((Vm *)arg)->env, dict, sizeof *dict + dict->capacity * sizeof dict->entries[0]);
}

/* In place; there is room. Answers what it replaced, or NULL. */
static Code *dict_insert(MethodDict *dict, uint32_t selector, Code *code)
{
    uint32_t mask = dict->capacity - 1;
    uint32_t i = dict_slot(selector, mask);
    while (dict->entries[i].selector && dict->entries[i].selector != selector) {
        i = (i + 1) & mask;
    }
    Code *replaced = dict->entries[i].code;
    /* release: publishes the code to dict_find (a replacement is this one word) */
    atom_store_rel(&dict->entries[i].code, code);
    if (!dict->entries[i].selector) {
        dict->count++;
        /* release: after the code word, so a reader that finds the selector finds its code */
        atom_store_rel(&dict->entries[i].selector, selector);
    }
    return replaced;
}

static Status dict_put(Vm *vm, VmLocal *l, Class *c, uint32_t selector, Code *code, Code **replaced)
{
    MethodDict *dict = c->methods;
    if (!dict || (dict->count + 1) * 4 > dict->capacity * 3) {
        uint32_t capacity = dict ? dict->capacity * 2 : 8;
        MethodDict *bigger =
            env_calloc(vm->env, sizeof *bigger + capacity * sizeof bigger->entries[0]);
        if (!bigger) {
            return STATUS_NO_MEMORY;
        }
        bigger->capacity = capacity;
        for (uint32_t i = 0; dict && i < dict->capacity; i++) {
            if (dict->entries[i].selector) {
                (void)dict_insert(bigger, dict->entries[i].selector, dict->entries[i].code);
            }
        }
        /* release: publishes the copy; pairs with the acquire in vm_lookup */
        atom_store_rel(&c->methods, bigger);
        if (dict) {
            epoch_defer(l->actor.epoch, &dict->epoch, free_dict, vm);
        }
        dict = bigger;
    }
    *replaced = dict_insert(dict, selector, code);
    return STATUS_OK;
}

/* ---- invalidation ------------------------------------------------------------------------- */

static const uint32_t special_selectors[] = {
    SYM_PLUS,    SYM_MINUS,     SYM_TIMES,      SYM_DIVIDE, SYM_IDIVIDE,   SYM_MODULO,  SYM_LESS,
    SYM_GREATER, SYM_LESS_EQ,   SYM_GREATER_EQ, SYM_EQUAL,  SYM_NOT_EQUAL, SYM_BIT_AND, SYM_BIT_OR,
    SYM_BIT_XOR, SYM_BIT_SHIFT, SYM_AT,         SYM_AT_PUT, SYM_IS_NIL,    SYM_NOT_NIL, SYM_NOT,
    SYM_SIZE,    SYM_VALUE,     SYM_VALUE1,     SYM_VALUE2, SYM_VALUE3,    SYM_VALUE4};

bool vm_selector_is_special(uint32_t symbol)
{
    for (size_t i = 0; i < sizeof special_selectors / sizeof *special_selectors; i++) {
        if (special_selectors[i] == symbol) {
            return true;
        }
    }
    return false;
}

/* Would the inline fast paths of the loop now miss this method? */
static bool breaks_fast_paths(const Vm *vm, const Code *code)
{
    if (!vm_selector_is_special(code->selector)) {
        return false;
    }
    if (code->selector == SYM_IS_NIL || code->selector == SYM_NOT_NIL) {
        return vm->boot_done ||
               (code->owner != CLASS_OBJECT && code->owner != CLASS_UNDEFINED_OBJECT);
    }
    return vm->boot_done && code->owner < CLASS_FIRST_FREE;
}

typedef struct IcTable {
    EpochEntry epoch;
    struct IcTable *next; /* tables in the making for one installation */
    Code *code;
    uint32_t n;
    InlineCache entries[] __attribute__((aligned(32)));
} IcTable;

static IcTable *ic_table_of(const Code *code)
{
    return (IcTable *)(void *)((char *)code->ics - offsetof(IcTable, entries));
}

static void free_ics(EpochEntry *entry, void *arg)
{
    IcTable *t = (IcTable *)(void *)((char *)entry - offsetof(IcTable, epoch));
    env_free(((Vm *)arg)->env, t, sizeof *t + t->n * sizeof(InlineCache));
}

/* An empty table; `selectors` NULL takes those of the present one. NULL when memory is out. */
static IcTable *ic_table_new(Vm *vm, Code *code, const uint32_t *selectors)
{
    IcTable *t = env_alloc(vm->env, sizeof *t + code->nics * sizeof(InlineCache));
    if (!t) {
        return NULL;
    }
    t->n = code->nics;
    t->code = code;
    for (uint32_t i = 0; i < code->nics; i++) {
        t->entries[i] = (InlineCache){.cls0 = IC_FREE,
                                      .cls1 = IC_FREE,
                                      .selector = selectors ? selectors[i] : code->ics[i].selector};
    }
    return t;
}

Status code_new_caches(Vm *vm, Code *code, const uint32_t *selectors)
{
    if (!code->nics) {
        code->ics = NULL;
        return STATUS_OK;
    }
    IcTable *t = ic_table_new(vm, code, selectors);
    if (!t) {
        return STATUS_NO_MEMORY;
    }
    /* release: publishes the empty table; pairs with the acquire in code_ics */
    atom_store_rel(&code->ics, t->entries);
    return STATUS_OK;
}

void code_free_caches(Vm *vm, Code *code)
{
    if (code->ics) {
        free_ics(&ic_table_of(code)->epoch, vm);
        code->ics = NULL;
    }
}

/* Has the code a cache for one of the selectors? While nothing runs (boot), one that is used. */
static bool caches_any(const Vm *vm, const Code *code, const uint64_t *filter)
{
    for (uint32_t i = 0; i < code->nics; i++) {
        const InlineCache *ic = &code->ics[i];
        uint32_t bit = ic->selector & 1023;
        /* relaxed: no other thread runs code yet. Later even a free entry must go: a scheduler may
         * have looked up the old method and fill it in after this look. */
        if ((filter[bit / 64] >> (bit % 64) & 1) &&
            (vm->boot_done || atom_load_rlx(&ic->cls0) != IC_FREE)) {
            return true;
        }
    }
    return false;
}

static void drop_tables(Vm *vm, IcTable *t)
{
    while (t) {
        IcTable *next = t->next;
        free_ics(&t->epoch, vm);
        t = next;
    }
}

/* Empty tables for all code that may have cached one of the selectors in the filter. */
static Status make_tables(Vm *vm, const uint64_t *filter, IcTable **out)
{
    IcTable *list = NULL;
    for (Code *code = vm->all_code; code; code = code->next) {
        if (code->nics && caches_any(vm, code, filter)) {
            IcTable *t = ic_table_new(vm, code, NULL);
            if (!t) {
                drop_tables(vm, list);
                return STATUS_NO_MEMORY;
            }
            t->next = list;
            list = t;
        }
    }
    *out = list;
    return STATUS_OK;
}

static void replace_tables(Vm *vm, VmLocal *l, IcTable *t)
{
#ifdef MAGGIE_MUTANT_CLASSES_STALE_IC
    drop_tables(vm, t);
    return;
#endif
    for (; t; t = t->next) {
        IcTable *old = ic_table_of(t->code);
        /* release: publishes the empty table, after the new code_version; pairs with code_ics */
        atom_store_rel(&t->code->ics, t->entries);
        epoch_defer(l->actor.epoch, &old->epoch, free_ics, vm);
    }
}

/* Those that will not be installed. */
static void release_codes(VmLocal *l, Code *const *codes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        code_release(l, codes[i]);
    }
}

/* Order: dictionaries, then the version, then the empty tables. A scheduler that fills an entry has
 * compared the version after it got the table (send_miss): with a new table it looks the method up
 * anew, with an old one it fills what is thrown away. Replaced versions are retired last: who finds
 * one later than that was in a section before. */
Status methods_install(Vm *vm, VmLocal *l, Code *const *codes, uint32_t n)
{
    uint64_t filter[16] = {0};
    bool slow = false;
    IcTable *tables;
    lock_acquire(&vm->code_lock);
    if (vm->reparented) {
        memset(filter, 0xFF, sizeof filter); /* anything may now be inherited from elsewhere */
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bit = codes[i]->selector & 1023;
        filter[bit / 64] |= UINT64_C(1) << (bit % 64);
        slow |= breaks_fast_paths(vm, codes[i]);
    }
    Status status = make_tables(vm, filter, &tables);
    if (status != STATUS_OK) {
        lock_release(&vm->code_lock);
        release_codes(l, codes, n);
        return status;
    }
    vm->reparented = false;
    Code *replaced = NULL, *old;
    uint32_t done = 0;
    for (; done < n; done++) {
        Code *code = codes[done];
        status = dict_put(vm, l, vm_class(vm, code->owner), code->selector, code, &old);
        if (status != STATUS_OK) {
            break;
        }
        if (old && code_is_counted(old)) {
            old->version->next = replaced;
            replaced = old;
        }
    }
    if (slow) {
        atom_store_rlx(&vm->nonpristine, 1u); /* relaxed: published with code_version below */
    }
    /* release: who sees the version sees dictionaries and nonpristine */
    atom_store_rel(&vm->code_version, vm->code_version + 1);
    replace_tables(vm, l, tables);
    for (; replaced; replaced = old) {
        old = replaced->version->next;
        code_retire(l, replaced);
    }
    lock_release(&vm->code_lock);
    release_codes(l, codes + done, n - done);
    vm_local_check_version(l);
    return status;
}

Status method_install(Vm *vm, VmLocal *l, Code *code) { return methods_install(vm, l, &code, 1); }

void vm_free_dicts(Vm *vm)
{
    for (uint32_t i = 0; i < vm->nclasses; i++) {
        MethodDict *dict = vm_class(vm, i)->methods;
        if (dict) {
            free_dict(&dict->epoch, vm);
        }
    }
}
