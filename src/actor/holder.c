/* SPDX-License-Identifier: Apache-2.0 */
/* holder.c - values that are read and replaced by many; see holder.h.
 * Threads: any. Under the lock only pointers and counts change. */
#include "holder.h"

#include "actor_int.h"

/* An immutable value. The fragment is read by several at a time, never changed. */
typedef struct Held {
    uint32_t refs; /* atomic: the holder's and one for each reader that copies */
    Fragment *fragment;
} Held;

struct Holder {
    OffHeap head; /* first */
    Lock lock;
    uint64_t version;
    Value immediate; /* the value when `held` is NULL */
    Held *held;
};

static void held_release(HeapEnv *henv, Held *held)
{
    /* acq_rel: whoever drops the last count has seen the others' last reads */
    if (!held || atom_sub(&held->refs, 1u) != 1)
        return;
    heap_bury(henv, held->fragment, held->fragment);
    env_free(henv->env, held, sizeof *held);
}

static void held_drop(HeapCtx *cx, void *held) { held_release(cx->env, held); }

Status holder_read(ActorCtx *cx, Holder *holder, Value *v, Fragment **copy, uint64_t *version)
{
    *copy = NULL;
    lock_acquire(&holder->lock);
    Held *held = holder->held;
    *v = holder->immediate;
    *version = holder->version;
    if (held)
        (void)atom_add_rlx(&held->refs, 1u); /* relaxed: the holder's own count keeps it alive */
    lock_release(&holder->lock);
    if (!held)
        return STATUS_OK;
    Status status = fragment_duplicate(held->fragment, &cx->heap, copy);
    if (status == STATUS_COPY_LONG) { /* what is replaced meanwhile stays for it */
        cx->heap.wish.keep = held;
        cx->heap.wish.drop = held_drop;
        return status;
    }
    held_release(cx->heap.env, held);
    if (status == STATUS_OK)
        *v = (*copy)->root;
    return status;
}

/* v as something to hold; NULL for an immediate. */
static Status held_new(ActorCtx *cx, Heap *source, Value v, Held **out, Value *culprit)
{
    *out = NULL;
    if (!value_is_ptr(v))
        return STATUS_OK;
    const Env *env = cx->heap.env->env;
    Held *held = env_alloc(env, sizeof *held);
    if (!held)
        return STATUS_NO_MEMORY;
    held->refs = 1;
    Status status = fragment_copy_out(source, &cx->heap, v, 0, &held->fragment, culprit);
    if (status != STATUS_OK) {
        env_free(env, held, sizeof *held);
        return status;
    }
    Fragment *f = held->fragment;
    cx->copied_words = f->words;
    process_map_home_tokens(f->body, f->body + f->words, HOME_TOKEN_DEAD);
    *out = held;
    return STATUS_OK;
}

Status holder_replace(ActorCtx *cx, Holder *holder, Heap *source, uint64_t version, Value v,
                      bool *replaced, Value *culprit)
{
    Held *held;
    *replaced = false;
    STATUS_FORWARD(held_new(cx, source, v, &held, culprit));
    lock_acquire(&holder->lock);
    *replaced = version == HOLDER_ANY || version == holder->version;
#ifdef MAGGIE_MUTANT_HOLDER_VERSION
    *replaced = true;
#endif
    Held *old = held;
    if (*replaced) {
        old = holder->held;
        holder->held = held;
        holder->immediate = held ? VALUE_NIL : v;
        holder->version++;
    }
    lock_release(&holder->lock);
    held_release(cx->heap.env, old);
    return STATUS_OK;
}

static void holder_destroy(HeapEnv *henv, OffHeap *object)
{
    Holder *holder = (Holder *)(void *)object;
    held_release(henv, holder->held);
    env_free(henv->env, holder, sizeof *holder);
}

const OffHeapType holder_type = {.name = "holder", .destroy = holder_destroy};

Status holder_new(ActorCtx *cx, Holder **out)
{
    Holder *holder = env_calloc(cx->heap.env->env, sizeof *holder);
    if (!holder)
        return STATUS_NO_MEMORY;
    holder->head.refs = 1;
    holder->head.type = &holder_type;
    holder->immediate = VALUE_NIL;
    actor_start_digging(cx);
    *out = holder;
    return STATUS_OK;
}
