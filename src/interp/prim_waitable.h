/* SPDX-License-Identifier: Apache-2.0 */
/* prim_waitable.h - what primitives on channels, locks and promises have in common: handles to
 * them, and waiting for one of them. A primitive that waits keeps its WaitSet in c->resume->a.
 * Threads: the owner of the process, inside its scheduler's epoch section. */
#ifndef MAGGIE_PRIM_WAITABLE_H
#define MAGGIE_PRIM_WAITABLE_H

#include "prim_wait.h"
#include "vm.h"
#include "waitable.h"

/* A handle has no instance variables: its class must have none, and get none later. False: return
 * what *st says. To be asked before the object is made; then prim_handle does not fail. */
static inline bool prim_can_make_handle(PrimCall *c, PrimStatus *st)
{
    Class *k = vm_class(c->vm, value_as_class(c->args[0]));
    if (k->nslots > 0) {
        *st = prim_plain_error(c, "an object outside the heaps has no instance variables");
        return false;
    }
    if (!heap_has_room(c->heap, c->stack_end, 3)) {
        *st = prim_gc(c, 3);
        return false;
    }
    if (!atom_load_rlx(&k->instantiated))
        atom_store_rlx(&k->instantiated, true); /* relaxed: a flag that only grows */
    return true;
}

/* A new handle of class `cls` to the object, whose count it takes. */
static inline PrimStatus prim_handle(PrimCall *c, uint32_t cls, OffHeap *object)
{
    Value handle;
    Status status = heap_new_handle(c->heap, c->cx, c->stack_end, cls, object, &handle);
    offheap_release(c->cx->env, object);
    return status == STATUS_OK ? prim_ok(c, handle) : prim_status(c, status, 3);
}

/* The value of a fragment (taken), now of this heap. */
static inline Value prim_take_fragment(PrimCall *c, Fragment *f)
{
    Value root = f->root;
    if (!value_is_ptr(root)) {
        fragment_free(c->cx, f);
        return root;
    }
    prim_charge(c, f->words / 16);
    if (heap_can_absorb(f)) {
        root = heap_absorb(c->heap, c->cx, c->stack_end, f);
        if (root != VALUE_NONE)
            return root;
    }
    return heap_adopt(c->heap, f);
}

/* Adopted fragments are memory that only a collection gives back, and a loop that does nothing but
 * receive would never ask for one. True: return PRIM_GC, once per call in case it does not help. */
static inline bool prim_wants_collection(PrimCall *c)
{
    if (c->resume->a || c->resume->b || !heap_wants_collection(c->heap))
        return false;
    c->resume->b = 1;
    (void)prim_gc(c, 0);
    return true;
}

/* Waits for one object; `offer` (taken, may be NULL) at the first call only. PRIM_OK: served, *node
 * tells how, its item is the caller's, resume is clear. Otherwise: return it. */
static inline PrimStatus prim_wait_one(PrimCall *c, Waitable *w, WaitWay way, Fragment *offer,
                                       ProcessWait why, WaitNode *node)
{
    WaitSet *set = (WaitSet *)(uintptr_t)c->resume->a;
    uint32_t served;
    if (!set) {
        Status status = wait_new(prim_actor(c), c->process, 1, &set);
        if (status != STATUS_OK) {
            if (offer)
                fragment_free(c->cx, offer);
            return prim_status(c, status, 0);
        }
        wait_case(set, 0, w, way, offer);
        served = wait_begin(prim_actor(c), set, true);
        c->resume->a = (uint64_t)(uintptr_t)set;
    } else {
        served = wait_served(set);
    }
    if (served == WAIT_NONE)
        return prim_park(c, why);
    *node = *wait_node(set, 0);
    wait_node(set, 0)->item = NULL;
    wait_end(prim_actor(c), set);
    (void)prim_finish(c, VALUE_NIL);
    return PRIM_OK;
}

#endif
