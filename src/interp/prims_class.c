/* SPDX-License-Identifier: Apache-2.0 */
/* prims_class.c - classes as values: making instances, asking about methods, reflective sends,
 * become:.
 * Threads: by the owner of the process. */
#include "class.h"
#include "interp_int.h"
#include "prims.h"

/* The class a value names when it is used as a class argument: a class, or a Symbol naming one. */
static uint32_t class_argument(PrimCall *c, Value v)
{
    if (value_is_class(v)) {
        return value_as_class(v);
    }
    return value_is_symbol(v) ? class_find_symbol(c->vm, value_as_symbol(v)) : CLASS_NONE;
}

/* The symbol a Symbol or String stands for; 0 when no such symbol exists. */
static uint32_t selector_argument(PrimCall *c, Value v)
{
    if (value_is_symbol(v)) {
        return value_as_symbol(v);
    }
    StrView text;
    if (!prim_text(c, v, &text)) {
        return 0;
    }
    prim_charge(c, text.bytes / 32);
    return symtab_lookup(c->vm->symtab, (const char *)text.data, text.bytes);
}

PrimStatus prim_object_class(PrimCall *c)
{
    return prim_ok(c, value_class(value_class_of(c->args[0])));
}

PrimStatus prim_object_is_kind_of(PrimCall *c)
{
    uint32_t cls = class_argument(c, c->args[1]);
    return prim_ok(
        c, value_bool(cls != CLASS_NONE && class_inherits(c->vm, value_class_of(c->args[0]), cls)));
}

PrimStatus prim_object_responds_to(PrimCall *c)
{
    uint32_t selector = selector_argument(c, c->args[1]);
    return prim_ok(c,
                   value_bool(selector && vm_lookup(c->vm, value_class_of(c->args[0]), selector)));
}

/* ---- perform: ----------------------------------------------------------------------------- */

static unsigned selector_arity(const Vm *vm, uint32_t selector)
{
    SymtabName name = symtab_name(vm->symtab, selector);
    unsigned colons = 0;
    for (uint32_t i = 0; i < name.len; i++) {
        colons += name.bytes[i] == ':';
    }
    if (colons) {
        return colons;
    }
    unsigned char first = name.len ? (unsigned char)name.bytes[0] : 'a';
    bool letter = first == '_' || (unsigned)(first | 32) - 'a' < 26u || first >= 0x80;
    return letter ? 0 : 1;
}

static PrimStatus perform(PrimCall *c, uint32_t selector, unsigned argc)
{
    if (selector_arity(c->vm, selector) != argc) {
        return prim_error(c, "wrong number of arguments for the selector");
    }
    c->send_selector = selector;
    c->send_argc = argc;
    return PRIM_SEND;
}

PrimStatus prim_object_perform(PrimCall *c)
{
    uint32_t selector;
    StrView text;
    if (!prim_text(c, c->args[1], &text)) {
        return prim_type_error(c, 1, "Symbol");
    }
    PrimStatus st = prim_intern(c, text.data, text.bytes, &selector);
    if (st != PRIM_OK) {
        return st;
    }
    unsigned argc = c->argc - 1;
    if (selector_arity(c->vm, selector) != argc) {
        return prim_error(c, "wrong number of arguments for the selector");
    }
    memmove(c->args + 1, c->args + 2, argc * sizeof(Value));
    return perform(c, selector, argc);
}

PrimStatus prim_object_perform_with(PrimCall *c)
{
    uint32_t selector;
    StrView text;
    if (!prim_text(c, c->args[1], &text)) {
        return prim_type_error(c, 1, "Symbol");
    }
    if (!value_is_kind(c->args[2], OBJ_SLOTS)) {
        return PRIM_FALLBACK;
    }
    PrimStatus st = prim_intern(c, text.data, text.bytes, &selector);
    if (st != PRIM_OK) {
        return st;
    }
    Object *array = obj_of(c->args[2]);
    if (!class_inherits(c->vm, obj_class(array), CLASS_ARRAY)) {
        return PRIM_FALLBACK;
    }
    size_t n = obj_words(array);
    if (n > 2 + PRIM_EXTRA_ARGS) {
        return prim_error(c, "more than 7 arguments");
    }
    if (selector_arity(c->vm, selector) != n) {
        return prim_error(c, "wrong number of arguments for the selector");
    }
    memcpy(c->args + 1, obj_slots(array), n * sizeof(Value));
    return perform(c, selector, (unsigned)n);
}

/* ---- become: ------------------------------------------------------------------------------ */

static PrimStatus become(PrimCall *c, bool one_way)
{
    Value a = c->args[0], b = c->args[1];
    if (c->resume->a) {
        return prim_self(c); /* it has been done elsewhere */
    }
    if (!value_is_ptr(a) || (!value_is_ptr(b) && !one_way) || a == b) {
        return prim_self(c);
    }
    ObjKind kind = obj_kind(obj_of(a));
    if (kind != OBJ_SLOTS || (value_is_ptr(b) && obj_kind(obj_of(b)) != OBJ_SLOTS)) {
        return prim_self(c); /* 10.5: nothing happens for other kinds */
    }
    if (obj_is_frozen(obj_of(a)) || (value_is_ptr(b) && obj_is_frozen(obj_of(b)))) {
        return prim_frozen_error(c);
    }
    if (!value_is_ptr(b)) {
        return prim_self(c);
    }
    Process *p = c->process;
    Collection collection = {
        .request = {.kind = HEAP_GC_MAJOR,
                    .stack_used_words = p->window + p->live,
                    .stack_need_words = p->code->nregs + HEAP_STACK_RED_ZONE + PRIM_EXTRA_ARGS},
        .a = a,
        .b = b,
        .one_way = one_way};
    if (heap_collect_is_long(c->heap, c->cx, &collection.request)) {
        prim_local(c)->collection = collection;
        c->resume->a = 1;
        return PRIM_COLLECT;
    }
    HeapGcResult result = {0};
    size_t window = (size_t)(c->args - p->heap.lo);
    Status status = interp_collect_for(c->cx, p, &collection, &result);
    if (status != STATUS_OK) {
        return prim_status(c, status, 0);
    }
    prim_charge(c, result.words_copied / 32);
    c->result = p->heap.lo[window];
    c->send_argc = INTERP_FRAME_RESULT;
    return PRIM_FRAME;
}

PrimStatus prim_object_become(PrimCall *c) { return become(c, false); }
PrimStatus prim_object_become_forward(PrimCall *c) { return become(c, true); }

/* ---- instances ---------------------------------------------------------------------------- */

static PrimStatus refuse_new(PrimCall *c, uint32_t cls)
{
    if (class_inherits(c->vm, cls, CLASS_STRING) && !class_inherits(c->vm, cls, CLASS_SYMBOL)) {
        uint8_t *data;
        Value v;
        Status status = str_new(c->heap, c->cx, c->stack_end, cls, 0, 0, &data, &v);
        return status == STATUS_OK ? prim_ok(c, v) : prim_status(c, status, 8);
    }
    return prim_plain_error(c, "instances of this class are not made with new");
}

static PrimStatus new_instance(PrimCall *c, uint32_t cls, size_t indexed)
{
    Class *k = vm_class(c->vm, cls);
    PrimStatus st;
    Object *o;
    switch (k->shape) {
    case SHAPE_SLOTS:
    case SHAPE_INDEXED: o = prim_new_slots(c, cls, k->nslots + indexed, &st); break;
    case SHAPE_BYTES: {
        size_t words = (indexed + 7) / 8;
        o = prim_new(c, cls, OBJ_BYTES, (unsigned)(words * 8 - indexed), words, &st);
        if (o) {
            memset(obj_slots(o), 0, words * 8);
            prim_charge(c, words / 32);
        }
        break;
    }
    case SHAPE_WORDS:
        o = prim_new(c, cls, OBJ_WORDS, 0, indexed, &st);
        if (o) {
            memset(obj_slots(o), 0, indexed * 8);
            prim_charge(c, indexed / 32);
        }
        break;
    default: return refuse_new(c, cls);
    }
    if (!o) {
        return st;
    }
    if (!atom_load_rlx(&k->instantiated)) {
        atom_store_rlx(&k->instantiated, true); /* a flag that only grows; see may_add_slots */
    }
    return prim_ok(c, value_ptr(o));
}

PrimStatus prim_class_new(PrimCall *c)
{
    if (!value_is_class(c->args[0]) || VALUE_CLASS_IS_META(value_as_class(c->args[0]))) {
        return prim_plain_error(c, "metaclasses have no further instances");
    }
    return new_instance(c, value_as_class(c->args[0]), 0);
}

#define NEW_SIZE_MAX 134217728

PrimStatus prim_class_new_sized(PrimCall *c)
{
    if (!value_is_class(c->args[0]) || VALUE_CLASS_IS_META(value_as_class(c->args[0]))) {
        return prim_plain_error(c, "metaclasses have no further instances");
    }
    if (!value_is_int(c->args[1])) {
        return prim_type_error(c, 1, "SmallInteger");
    }
    int64_t n = value_as_int(c->args[1]);
    uint32_t cls = value_as_class(c->args[0]);
    if (n < 0) {
        return prim_error(c, "size must be non-negative");
    }
    if (n > NEW_SIZE_MAX) {
        return prim_error(c, "requested array size exceeds maximum");
    }
    if (vm_class(c->vm, cls)->shape == SHAPE_SLOTS && n > 0) {
        return prim_plain_error(c, "instances of this class have no indexed elements");
    }
    return new_instance(c, cls, (size_t)n);
}

/* ---- asking ------------------------------------------------------------------------------- */

static const Class *receiver_class(PrimCall *c)
{
    return vm_class(c->vm, value_as_class(c->args[0]));
}

PrimStatus prim_class_name(PrimCall *c)
{
    return prim_ok(c, value_symbol(receiver_class(c)->short_name));
}

PrimStatus prim_class_full_name(PrimCall *c)
{
    return prim_ok(c, value_symbol(receiver_class(c)->name));
}

PrimStatus prim_class_superclass(PrimCall *c)
{
    uint32_t super = receiver_class(c)->super;
    return prim_ok(c, super == CLASS_NONE ? VALUE_NIL : value_class(super));
}

PrimStatus prim_class_inherits_from(PrimCall *c)
{
    uint32_t cls = class_argument(c, c->args[1]), super = receiver_class(c)->super;
    return prim_ok(c, value_bool(cls != CLASS_NONE && super != CLASS_NONE &&
                                 class_inherits(c->vm, super, cls)));
}

PrimStatus prim_class_includes_selector(PrimCall *c)
{
    uint32_t selector = selector_argument(c, c->args[1]);
    return prim_ok(
        c, value_bool(selector && class_own_method(c->vm, value_as_class(c->args[0]), selector)));
}

PrimStatus prim_class_can_understand(PrimCall *c)
{
    uint32_t selector = selector_argument(c, c->args[1]);
    return prim_ok(c,
                   value_bool(selector && vm_lookup(c->vm, value_as_class(c->args[0]), selector)));
}

static PrimStatus answer_symbols(PrimCall *c, const uint32_t *symbols, uint32_t n)
{
    PrimStatus st;
    Object *array = prim_new(c, CLASS_ARRAY, OBJ_SLOTS, 0, n, &st);
    if (!array) {
        return st;
    }
    Value *slots = obj_slots(array);
    for (uint32_t i = 0; i < n; i++) {
        slots[i] = value_symbol(symbols[i]);
    }
    prim_charge(c, n / 32);
    return prim_ok(c, value_ptr(array));
}

PrimStatus prim_class_selectors(PrimCall *c)
{
    /* acquire: pairs with the release in methods_install */
    const MethodDict *dict = atom_load_acq(&receiver_class(c)->methods);
    uint32_t n = 0, cap = dict ? dict->capacity : 0;
    PrimStatus st;
    /* acquire, here and below: an entry is whole once its selector stands */
    for (uint32_t i = 0; i < cap; i++) {
        n += atom_load_acq(&dict->entries[i].selector) != 0;
    }
    Object *array = prim_new_slots(c, CLASS_ARRAY, n, &st);
    if (!array) {
        return st;
    }
    uint32_t k = 0;
    for (uint32_t i = 0; i < cap && k < n; i++) {
        uint32_t selector = atom_load_acq(&dict->entries[i].selector);
        if (selector) {
            obj_slots(array)[k++] = value_symbol(selector);
        }
    }
    return prim_ok(c, value_ptr(array));
}

PrimStatus prim_class_slot_names(PrimCall *c)
{
    const Class *k = receiver_class(c);
    return answer_symbols(c, k->slot_names, k->nown);
}

PrimStatus prim_class_var_names(PrimCall *c)
{
    const Class *k = vm_class(c->vm, value_as_class(c->args[0]) & ~1u);
    uint32_t names[64];
    uint32_t n = k->nclass_vars < 64 ? k->nclass_vars : 64;
    for (uint32_t i = 0; i < n; i++) {
        names[i] = k->class_vars[i]->name;
    }
    return answer_symbols(c, names, n);
}

PrimStatus prim_class_doc(PrimCall *c)
{
    Bytes doc = vm_class(c->vm, value_as_class(c->args[0]) & ~1u)->doc;
    return doc.len ? prim_answer_string(c, doc.data, doc.len) : prim_ok(c, VALUE_NIL);
}

PrimStatus prim_class_method_part(PrimCall *c)
{
    uint32_t selector = selector_argument(c, c->args[1]);
    const Code *code =
        selector ? class_own_method(c->vm, value_as_class(c->args[0]), selector) : NULL;
    if (!code) {
        return prim_ok(c, VALUE_NIL);
    }
    switch (value_is_int(c->args[2]) ? value_as_int(c->args[2]) : 0) {
    case 1: return prim_answer_string(c, code->source.data, code->source.len);
    case 2:
        return code->doc.len ? prim_answer_string(c, code->doc.data, code->doc.len)
                             : prim_ok(c, VALUE_NIL);
    case 3: return prim_answer_string(c, code->file, strlen(code->file));
    case 4: return prim_ok(c, value_int(code->line));
    case 5: return prim_ok(c, value_int(code->nargs));
    case 6: return prim_ok(c, value_bool(code->prim != NULL));
    case 7: return prim_ok(c, value_int((int64_t)code->ninstr * (int64_t)sizeof(Instr)));
    case 8: return prim_ok(c, value_int(code->nliterals));
    default: return prim_type_error(c, 2, "SmallInteger from 1 to 8");
    }
}

PrimStatus prim_class_all(PrimCall *c)
{
    uint32_t n = atom_load_acq(&c->vm->nclasses) / 2; /* pairs with class_add */
    PrimStatus st;
    Object *array = prim_new(c, CLASS_ARRAY, OBJ_SLOTS, 0, n, &st);
    if (!array) {
        return st;
    }
    uint32_t k = 0;
    const Domain *domain = c->process->domain;
    for (uint32_t i = 0; i < n; i++) {
        bool hidden = domain->nhidden && domain_hides(domain, vm_class(c->vm, 2 * i)->name);
        obj_slots(array)[k++] = hidden ? VALUE_NIL : value_class(2 * i);
    }
    prim_charge(c, n / 32);
    return prim_ok(c, value_ptr(array));
}

PrimStatus prim_class_named(PrimCall *c)
{
    uint32_t symbol = selector_argument(c, c->args[1]);
    uint32_t cls = symbol ? class_find_symbol(c->vm, symbol) : CLASS_NONE;
    if (cls == CLASS_NONE ||
        (c->process->domain->nhidden && domain_hides(c->process->domain, symbol))) {
        return prim_ok(c, VALUE_NIL);
    }
    return prim_ok(c, value_class(cls));
}
