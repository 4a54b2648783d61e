/* SPDX-License-Identifier: Apache-2.0 */
/* prims_atom.c - Atoms: values shared by processes.
 * Threads: the owner of the process, inside its scheduler's epoch section. */
#include "holder.h"

#include "prim_wait.h"
#include "prims.h"

static PrimStatus not_an_atom(PrimCall *c) { return prim_error(c, "the receiver is not an Atom"); }

PrimStatus prim_atom_new(PrimCall *c)
{
    uint32_t cls = value_as_class(c->args[0]);
    if (vm_class(c->vm, cls)->nslots > 0)
        return prim_plain_error(c, "an Atom has no instance variables");
    Holder *holder;
    Status status = holder_new(prim_actor(c), &holder);
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    OffHeap *head = (OffHeap *)(void *)holder;
    Value handle;
    status = heap_new_handle(c->heap, c->cx, c->stack_end, cls, head, &handle);
    offheap_release(c->cx->env, head);
    return status == STATUS_OK ? prim_ok(c, handle) : prim_status(c, status, 4);
}

/* PRIM_OK: *v is in the heap, by adoption when it is an object. */
static PrimStatus read_value(PrimCall *c, Value *v, uint64_t *version)
{
    Holder *holder = holder_of(c->args[0]);
    if (!holder)
        return not_an_atom(c);
    Fragment *copy;
    prim_copy_begin(c);
    Status status = holder_read(prim_actor(c), holder, v, &copy, version);
    prim_copy_end(c);
    if (status != STATUS_OK)
        return prim_copy_failed(c, status);
    if (copy) {
        prim_charge(c, copy->words / 32 + 1);
        *v = heap_adopt(c->heap, copy);
    }
    return PRIM_OK;
}

/* A loop that only reads never allocates: what it adopts must be collected all the same. */
static bool must_collect(PrimCall *c)
{
    if (!heap_wants_collection(c->heap) || c->resume->b)
        return false;
    c->resume->b = 1;
    return true;
}

PrimStatus prim_atom_value(PrimCall *c)
{
    Value v;
    uint64_t version;
    if (must_collect(c))
        return prim_gc(c, 0);
    PrimStatus st = read_value(c, &v, &version);
    return st == PRIM_OK ? prim_finish(c, v) : st;
}

PrimStatus prim_atom_versioned(PrimCall *c)
{
    PrimStatus st;
    if (must_collect(c))
        return prim_gc(c, 0);
    Object *pair = prim_new_slots(c, CLASS_ARRAY, 2, &st);
    if (!pair)
        return st;
    Value v;
    uint64_t version;
    st = read_value(c, &v, &version);
    if (st != PRIM_OK)
        return st;
    pair->words[0] = value_int((int64_t)version);
    (void)heap_store(c->heap, pair, &pair->words[1], v);
    return prim_finish(c, value_ptr(pair));
}

PrimStatus prim_atom_replace(PrimCall *c)
{
    Holder *holder = holder_of(c->args[0]);
    if (!holder)
        return not_an_atom(c);
    uint64_t version = HOLDER_ANY;
    if (c->args[1] != VALUE_NIL) {
        if (!value_is_int(c->args[1]) || value_as_int(c->args[1]) < 0)
            return prim_type_error(c, 1, "SmallInteger");
        version = (uint64_t)value_as_int(c->args[1]);
    }
    bool replaced;
    Value culprit;
    prim_actor(c)->copied_words = 0;
    prim_copy_begin(c);
    Status status =
        holder_replace(prim_actor(c), holder, c->heap, version, c->args[2], &replaced, &culprit);
    prim_copy_end(c);
    if (status != STATUS_OK)
        return prim_copy_failed(c, status);
    prim_charge_copy(c);
    return prim_ok(c, value_bool(replaced));
}
