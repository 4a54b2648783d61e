/* SPDX-License-Identifier: Apache-2.0 */
/* handle.c - counts of off-heap things: string buffers and runtime objects, each shared by the
 * handle objects of any number of heaps, fragments and regions; and what such an object leaves.
 * Threads: any; the counts are atomic. A list belongs to the heap, fragment or region it hangs
 * on. */
#include "strbuf_int.h"

void offheap_retain(OffHeap *object)
{
    /* Relaxed: the caller's own count keeps the object alive, nothing is read because of this. */
    uint32_t before = atom_add_rlx(&object->refs, 1u);
    assert(before > 0);
    (void)before;
}

void offheap_release(HeapEnv *henv, OffHeap *object)
{
    /* Releases our last use of the object; the one who drops the last count acquires all of
     * them. */
    if (atom_sub(&object->refs, 1u) == 1)
        object->type->destroy(henv, object);
}

void handle_retain(Object *o)
{
    if (obj_kind(o) == OBJ_BIG_STRING)
        strbuf_retain(((StrHandle *)(void *)o)->buf);
    else
        offheap_retain((OffHeap *)(uintptr_t)o->words[0]);
}

void handle_release(HeapEnv *henv, Object *o)
{
    if (obj_kind(o) == OBJ_BIG_STRING)
        strbuf_release(henv, ((StrHandle *)(void *)o)->buf);
    else
        offheap_release(henv, (OffHeap *)(uintptr_t)o->words[0]);
}

/* A runtime object's size is unknown here; this is what the handle itself keeps busy. */
#define HANDLE_CHARGE 64

size_t handle_charge(const Object *o)
{
    if (obj_kind(o) != OBJ_BIG_STRING)
        return HANDLE_CHARGE;
    const StrBuf *buf = ((const StrHandle *)(const void *)o)->buf;
    /* Relaxed: a fair share, recomputed at each sweep; over all holders it sums up to the
     * buffer. */
    uint32_t refs = atom_load_rlx(&buf->refs);
    return buf->capacity / (refs ? refs : 1) + 1;
}

void handle_list_release(HeapEnv *henv, Value list)
{
    while (list) {
        Object *o = obj_of(list);
        list = *handle_link(o);
        handle_release(henv, o);
    }
}

bool heap_each_handle(const Heap *heap, size_t max, void (*fn)(void *arg, OffHeap *object),
                      void *arg)
{
    Value lists[2] = {heap->handles, heap->ext && heap->ext->old ? heap->ext->old->handles : 0};
    for (int i = 0; i < 2; i++) {
        for (Value v = lists[i]; v; v = *handle_link(obj_of(v))) {
            if (max-- == 0)
                return false;
            if (obj_kind(obj_of(v)) == OBJ_HANDLE)
                fn(arg, (OffHeap *)(uintptr_t)obj_of(v)->words[0]);
        }
    }
    return true;
}

void heap_bury(HeapEnv *henv, Fragment *first, Fragment *last)
{
    lock_acquire(&henv->buried_lock);
    last->next = henv->buried;
    henv->buried = first;
    lock_release(&henv->buried_lock);
    if (henv->buried_hook)
        henv->buried_hook(henv->buried_ctx);
}

void heap_bury_grave(HeapEnv *henv, Grave *grave)
{
    lock_acquire(&henv->buried_lock);
    grave->next = henv->graves;
    henv->graves = grave;
    lock_release(&henv->buried_lock);
    if (henv->buried_hook)
        henv->buried_hook(henv->buried_ctx);
}

#define GRAVE_PIECE 64

/* One piece of the first grave; false: there is none. */
static bool dig_grave(HeapCtx *cx)
{
    HeapEnv *henv = cx->env;
    lock_acquire(&henv->buried_lock);
    Grave *grave = henv->graves;
    if (grave)
        henv->graves = grave->next;
    lock_release(&henv->buried_lock);
    if (!grave)
        return false;
    if (!grave->piece(cx, grave, GRAVE_PIECE))
        return true;
    lock_acquire(&henv->buried_lock);
    grave->next = henv->graves;
    henv->graves = grave;
    lock_release(&henv->buried_lock);
    return true;
}

size_t heap_dig(HeapCtx *cx, size_t max)
{
    HeapEnv *henv = cx->env;
    for (size_t n = 0; n < max;) {
        lock_acquire(&henv->buried_lock);
        Fragment *f = henv->buried;
        if (f)
            henv->buried = f->next;
        lock_release(&henv->buried_lock);
        if (f)
            fragment_free(cx, f); /* may bury more */
        else if (!dig_grave(cx))
            return n;
        n += f || max - n < GRAVE_PIECE ? 1 : GRAVE_PIECE;
    }
    return max;
}
