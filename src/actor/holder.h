/* SPDX-License-Identifier: Apache-2.0 */
/* holder.h - a value outside all heaps that processes read and replace: what an Atom is.
 *
 * The value is an immutable fragment with a count of its own and a version. A reader takes a count
 * under the lock and copies after it; a writer copies first and replaces under the lock, so the
 * lock is held for a few instructions whatever the size. To change a value depending on the old
 * one, read it with its version, compute, and replace if the version is still that one: nobody
 * holds anything meanwhile, so nobody's death keeps others from going on, and of those that collide
 * one always succeeds.
 *
 * Threads: any, inside an epoch section. */
#ifndef MAGGIE_HOLDER_H
#define MAGGIE_HOLDER_H

#include "process.h"

typedef struct Holder Holder;
extern const OffHeapType holder_type;

/* With nil, version 0. One count, the caller's. */
MUST_CHECK Status holder_new(ActorCtx *cx, Holder **out);
static inline Holder *holder_of(Value v)
{
    if (!value_is_kind(v, OBJ_HANDLE))
        return NULL;
    OffHeap *head = (OffHeap *)(uintptr_t)obj_of(v)->words[0];
    return head->type == &holder_type ? (Holder *)(void *)head : NULL;
}

/* The value: an immediate (*copy NULL) or the root of *copy, the caller's; and its version. */
MUST_CHECK Status holder_read(ActorCtx *cx, Holder *holder, Value *v, Fragment **copy,
                              uint64_t *version);

/* Any version. */
#define HOLDER_ANY UINT64_MAX
/* Puts v, a value of source's heap, in place of the value with that version. *replaced: false when
 * it has another one by now. Statuses of fragment_copy_out. */
MUST_CHECK Status holder_replace(ActorCtx *cx, Holder *holder, Heap *source, uint64_t version,
                                 Value v, bool *replaced, Value *culprit);

#endif
