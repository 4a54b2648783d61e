/* SPDX-License-Identifier: Apache-2.0 */
/* prims_object.c - primitives every object understands: identity, hashing, shallow copies, raw
 * access to instance variables.
 * Threads: the owner of the process. */
#include "interp.h"
#include "prims.h"
#include "prims_bulk.h"
#include "valueops.h"
#include "vm.h"

PrimStatus prim_object_same(PrimCall *c)
{
    return prim_ok(c, value_bool(value_same(c->args[0], c->args[1])));
}

PrimStatus prim_object_not_same(PrimCall *c)
{
    return prim_ok(c, value_bool(!value_same(c->args[0], c->args[1])));
}

/* By identity: the value itself for immediates, a number of its own for each object; handles have
 * that of what they stand for. */
PrimStatus prim_object_identity_hash(PrimCall *c)
{
    Value v = c->args[0];
    if (value_is_kind(v, OBJ_HANDLE)) {
        const OffHeap *object = (const OffHeap *)(uintptr_t)obj_of(v)->words[0];
        return prim_ok(c, value_int(object->hash));
    }
    if (value_is_ptr(v)) {
        return prim_ok(c, value_int(heap_identity_hash(c->heap, obj_of(v))));
    }
    uint64_t hash;
    if (!value_hash_answer(v, &hash)) {
        hash = v & (VALUE_PAYLOAD_MASK >> 1);
    }
    return prim_ok(c, value_int((int64_t)hash));
}

PrimStatus prim_object_is_frozen(PrimCall *c)
{
    Value v = c->args[0];
    return prim_ok(c, value_bool(!value_is_ptr(v) || obj_is_frozen(obj_of(v))));
}

/* A new object of the same class with the same words; immutable kinds answer themselves. */
PrimStatus prim_object_shallow_copy(PrimCall *c)
{
    Value self = c->args[0];
    if (!value_is_ptr(self)) {
        return prim_self(c);
    }
    Object *o = obj_of(self);
    Object *copy = NULL;
    PrimStatus st = PRIM_OK;
    switch (obj_kind(o)) {
    case OBJ_SLOTS:
        st = bulk_copy_slots(c, obj_class(o), obj_words(o), 0, o, 0, obj_words(o), &copy);
        break;
    case OBJ_BYTES:
        st = bulk_copy_raw(c, obj_class(o), OBJ_BYTES, o, 0, obj_byte_length(o), &copy);
        break;
    case OBJ_WORDS:
        st = bulk_copy_raw(c, obj_class(o), OBJ_WORDS, o, 0, obj_words(o) * 8, &copy);
        break;
    case OBJ_CELL:
        copy = prim_new(c, obj_class(o), OBJ_CELL, 0, 1, &st);
        if (copy != NULL) {
            obj_slots(copy)[0] = obj_slots(o)[0];
            st = PRIM_OK;
        }
        break;
    default: /* strings, numbers, blocks, handles: nothing in them can change */
        return prim_self(c);
    }
    return st == PRIM_OK ? prim_ok(c, value_ptr(copy)) : st;
}

/* ---- instance variables ------------------------------------------------------------------- */

/* Number of named variables; 0 for what is no plain object. */
static size_t named_slots(const PrimCall *c, Value v)
{
    if (!value_is_kind(v, OBJ_SLOTS)) {
        return 0;
    }
    size_t named = vm_class(c->vm, obj_class(obj_of(v)))->nslots;
    size_t words = obj_words(obj_of(v));
    return named < words ? named : words;
}

/* The variable with the 0-based index in argument 1, or NULL. */
static Value *named_slot(const PrimCall *c)
{
    Value index = c->args[1];
    if (!value_is_int(index) || value_as_int(index) < 0 ||
        (size_t)value_as_int(index) >= named_slots(c, c->args[0])) {
        return NULL;
    }
    return obj_slots(obj_of(c->args[0])) + value_as_int(index);
}

PrimStatus prim_object_inst_var_size(PrimCall *c)
{
    return prim_ok(c, value_int((int64_t)named_slots(c, c->args[0])));
}

PrimStatus prim_object_inst_var_at(PrimCall *c)
{
    const Value *slot = named_slot(c);
    return prim_ok(c, slot == NULL ? VALUE_NIL : *slot);
}

/* An index outside is ignored, as programs rely on. */
PrimStatus prim_object_inst_var_at_put(PrimCall *c)
{
    Value *slot = named_slot(c);
    if (slot != NULL && !heap_store(c->heap, obj_of(c->args[0]), slot, c->args[2])) {
        return prim_frozen_error(c);
    }
    return prim_self(c);
}

/* _overrides: selector. Whether the receiver's class has a method of its own for a selector that
 * Object defines; breaks the circle of printString and printOn:, which are each other's default. */
PrimStatus prim_object_overrides(PrimCall *c)
{
    if (!value_is_symbol(c->args[1])) {
        return prim_type_error(c, 1, "Symbol");
    }
    uint32_t cls = value_class_of(c->args[0]);
    const Code *code = vm_lookup(c->vm, cls, value_as_symbol(c->args[1]));
    return prim_ok(c, value_bool(code != NULL && code->owner != CLASS_OBJECT));
}
