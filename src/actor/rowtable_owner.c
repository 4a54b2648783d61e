/* SPDX-License-Identifier: Apache-2.0 */
/* rowtable_owner.c - who owns a table, how it passes on, and how it ends; see rowtable.h.
 *
 * Owner and table find each other through the anchor, which counts neither: the hold of a table
 * that is gone is stale, the anchor of an owner that is gone is empty. When ownership passes on, a
 * SIGNAL_TABLE goes to the new owner, which takes it into its list of holds and has it as a message
 * after that; where it does not arrive, the table ends. The signal for an heir is made when the
 * heir is named: an end needs no memory.
 * Threads: as rowtable.h; what is under owner_lock is said in rowtable_int.h. */
#include "rowtable_int.h"

#include "hash.h"

/* ---- the end -------------------------------------------------------------------------------- */

static bool dismantle(HeapCtx *cx, Grave *grave, size_t max)
{
    RowTable *t = (RowTable *)(void *)((char *)grave - offsetof(RowTable, grave));
    if (rowtable_clear_some(cx, t, &t->dismantled, max < UINT32_MAX ? (uint32_t)max : UINT32_MAX))
        return true;
    offheap_release(cx->env, &t->head);
    return false;
}

/* The table is not to be used any more; its rows are taken away in pieces. */
static void rowtable_end(HeapEnv *henv, RowTable *t)
{
    /* acq_rel: whoever comes to a stripe after the digger has emptied it finds this set */
    if (atom_xchg(&t->gone, 1u) != 0)
        return;
    offheap_retain(&t->head); /* the digger's */
    t->grave.piece = dismantle;
    heap_bury_grave(henv, &t->grave);
}

static void anchor_release(const Env *env, Anchor *a)
{
    /* acq_rel: the last one sees what the other did with it */
    if (atom_sub(&a->refs, 1u) == 1)
        env_free(env, a, sizeof *a);
}

void rowtable_cut_anchor(HeapEnv *henv, Anchor *a)
{
    if (!a)
        return;
    lock_acquire(&a->lock);
    a->table = NULL;
    lock_release(&a->lock);
    anchor_release(henv->env, a);
}

/* Where no rows are left. */
static void rows_free_cells(const Env *env, RowTable *t)
{
    WornCells worn[2];
    for (uint32_t i = 0; i < t->stripes; i++) {
        Stripe *s = &t->stripe[i];
        cell_make_flat(env, &s->one); /* an ordered table's */
        stripe_reset(s, worn);
        worn_free(env, &worn[0]);
        worn_free(env, &worn[1]);
    }
}

static Status rows_make_cells(const Env *env, RowTable *t)
{
    for (uint32_t i = 0; i < t->stripes; i++)
        t->stripe[i].cells = &t->stripe[i].one;
    return t->config.kind == ROWS_ORDERED ? cell_make_tall(env, &t->stripe[0].one) : STATUS_OK;
}

/* The last handle is gone, or the digger has done its work. */
static void rowtable_destroy(HeapEnv *henv, OffHeap *object)
{
    RowTable *t = (RowTable *)(void *)object;
    rowtable_cut_anchor(henv, t->anchor);
    t->anchor = NULL;
    if (!rowtable_is_gone(t) && atom_load_rlx(&t->rows) > 0) {
        /* relaxed: nobody else is left */
        atom_store_rlx(&t->head.refs, 1u);
        rowtable_end(henv, t);
        offheap_release(henv, object);
        return;
    }
    if (t->will)
        heap_bury(henv, t->will, t->will);
    rows_free_cells(henv->env, t);
    env_free(henv->env, t, rowtable_size(t->stripes));
}

const OffHeapType rowtable_type = {.name = "table", .destroy = rowtable_destroy};

/* ---- messages ------------------------------------------------------------------------------- */

enum { WILL_MESSAGE_WORDS = 1 + MESSAGE_SLOTS, WILL_HANDLE_WORDS = 3 };
#define WILL_WORDS (WILL_MESSAGE_WORDS + WILL_HANDLE_WORDS)
#define WILL_SELECTOR 0 /* body word in which the selector waits */

static Status will_new(ActorCtx *cx, Value selector, Fragment **out)
{
    STATUS_FORWARD(fragment_copy_out(NULL, &cx->heap, VALUE_NIL, WILL_WORDS, out, NULL));
    (*out)->body[WILL_SELECTOR] = selector;
    return STATUS_OK;
}

/* Makes it a message of `from` with a handle, and sends it. */
static void will_send(ActorCtx *cx, RowTable *t, Fragment *f, Value from, Value to)
{
    Value selector = f->body[WILL_SELECTOR];
    Object *message = (Object *)(void *)f->body;
    Object *handle = (Object *)(void *)(f->body + WILL_MESSAGE_WORDS);
    handle->header = obj_header(t->config.cls, 2, OBJ_HANDLE, 0);
    handle->words[0] = value_ptr(t);
    handle->words[1] = VALUE_NONE;
    offheap_retain(&t->head);
    message->header = obj_header(CLASS_MAILBOX_MESSAGE, MESSAGE_SLOTS, OBJ_SLOTS, 0);
    message->words[MESSAGE_SENDER] = from;
    message->words[MESSAGE_SELECTOR] = selector;
    message->words[MESSAGE_PAYLOAD] = value_ptr(handle);
    f->extra = 0;
    f->root = value_ptr(message);
    f->handles = value_ptr(handle);
    f->kind = SIGNAL_TABLE;
    signal_to(cx, to, f);
}

static RowTable *table_of_signal(const Fragment *f)
{
    return rowtable_of(obj_of(f->root)->words[MESSAGE_PAYLOAD]);
}

void rowtable_refused(ActorCtx *cx, Fragment *f)
{
    rowtable_end(cx->heap.env, table_of_signal(f));
    fragment_free(&cx->heap, f);
}

/* ---- owners --------------------------------------------------------------------------------- */

static bool retain_if_alive(OffHeap *object)
{
    uint32_t refs = atom_load_rlx(&object->refs); /* relaxed: the exchange decides */
    while (refs > 0)
        if (atom_cas_weak(&object->refs, &refs, refs + 1))
            return true;
    return false;
}

/* p ends, or has given the table away before that. */
static void owner_ended(ActorCtx *cx, Process *p, RowTable *t)
{
    lock_acquire(&t->owner_lock);
    bool ours = t->owner == p->pid;
    Fragment *will = ours ? t->will : NULL;
    Value heir = t->heir;
    if (ours) {
        t->will = NULL;
        t->heir = VALUE_NIL;
        /* release: who finds itself the owner finds what the last one did */
        atom_store_rel(&t->owner, will ? heir : VALUE_NIL);
    }
    lock_release(&t->owner_lock);
#ifdef MAGGIE_MUTANT_ROWS_OWNER
    ours = will != NULL;
#endif
    if (will)
        will_send(cx, t, will, p->pid, heir);
    else if (ours)
        rowtable_end(cx->heap.env, t);
}

static bool anchor_stale(const ProcessHold *hold)
{
    Anchor *a = (Anchor *)(uintptr_t)hold;
    lock_acquire(&a->lock);
    bool stale = a->table == NULL;
    lock_release(&a->lock);
    return stale;
}

static void anchor_ended(ActorCtx *cx, Process *p, ProcessHold *hold)
{
    Anchor *a = (Anchor *)(void *)hold;
    lock_acquire(&a->lock);
    RowTable *t = a->table;
    if (t && !retain_if_alive(&t->head))
        t = NULL;
    lock_release(&a->lock);
    if (t) {
        owner_ended(cx, p, t);
        offheap_release(cx->heap.env, &t->head);
    }
    anchor_release(cx->heap.env->env, a);
}

static const ProcessHoldType anchor_type = {.ended = anchor_ended, .stale = anchor_stale};

/* p owns it: the table's last anchor has been cut. */
static Status anchor_to(ActorCtx *cx, Process *p, RowTable *t)
{
    Anchor *a = env_calloc(cx->heap.env->env, sizeof *a);
    if (!a)
        return STATUS_NO_MEMORY;
    a->hold.type = &anchor_type;
    a->refs = 2;
    a->table = t;
    Status status = process_hold_add(cx, p, &a->hold);
    if (status != STATUS_OK) {
        env_free(cx->heap.env->env, a, sizeof *a);
        return status;
    }
    lock_acquire(&t->owner_lock);
    Anchor *before = t->anchor;
    t->anchor = a;
    lock_release(&t->owner_lock);
    rowtable_cut_anchor(cx->heap.env, before);
    return STATUS_OK;
}

void rowtable_handed(ActorCtx *cx, Process *p, Fragment *f)
{
    /* Without memory to note it nobody would hear of p's end: better now than never. */
    if (anchor_to(cx, p, table_of_signal(f)) != STATUS_OK)
        rowtable_end(cx->heap.env, table_of_signal(f));
    f->kind = SIGNAL_MESSAGE;
    inbox_append(cx, p, f);
}

Status rowtable_new(ActorCtx *cx, Process *p, const RowTableConfig *config, RowTable **out)
{
    const Env *env = cx->heap.env->env;
    uint32_t stripes = config->kind == ROWS_ORDERED ? 1 : ROW_STRIPES;
    RowTable *t = env->alloc_aligned(env->ctx, rowtable_size(stripes), 64);
    if (!t)
        return STATUS_NO_MEMORY;
    memset(t, 0, rowtable_size(stripes));
    t->head.refs = 1;
    t->head.type = &rowtable_type;
    t->head.hash = (uint32_t)(signal_number(cx) & 0x3FFFFFFFu);
    t->config = *config;
    t->dice = (uint64_t)t->head.hash << 32;
    t->owner = p->pid;
    t->heir = VALUE_NIL;
    t->stripes = stripes;
    Status status = rows_make_cells(env, t);
    if (status == STATUS_OK)
        status = anchor_to(cx, p, t);
    if (status != STATUS_OK) {
        rows_free_cells(env, t);
        env_free(env, t, rowtable_size(stripes));
        return status;
    }
    actor_start_digging(cx);
    *out = t;
    return STATUS_OK;
}

RowsKind rowtable_kind(const RowTable *t) { return t->config.kind; }

Status rowtable_allows(RowTable *t, Value pid, bool write)
{
    if (rowtable_is_gone(t))
        return STATUS_CLOSED;
    uint32_t access = atom_load_rlx(&t->access); /* relaxed: a question of a moment */
    if (access == ROWS_PUBLIC || (access == ROWS_PROTECTED && !write))
        return STATUS_OK;
    /* acquire: pairs with the stores of a new owner */
    return atom_load_acq(&t->owner) == pid ? STATUS_OK : STATUS_DENIED;
}

void rowtable_look(RowTable *t, RowTableInfo *info)
{
    lock_acquire(&t->owner_lock);
    /* access: relaxed, the owner may change it at any moment; nothing else hangs on it */
    *info = (RowTableInfo){.kind = t->config.kind,
                           .access = (RowsAccess)atom_load_rlx(&t->access),
                           .owner = t->owner,
                           .heir = t->heir,
                           .max_rows = t->config.max_rows,
                           .max_bytes = t->config.max_bytes,
                           .gone = rowtable_is_gone(t)};
    lock_release(&t->owner_lock);
    info->rows = atom_load_rlx(&t->rows); /* relaxed: figures of a moment */
    info->bytes = atom_load_rlx(&t->bytes);
}

static Status owned_by(const RowTable *t, Value pid)
{
    if (rowtable_is_gone(t))
        return STATUS_CLOSED;
    return atom_load_acq(&t->owner) == pid ? STATUS_OK : STATUS_DENIED; /* as in allows */
}

Status rowtable_set_access(RowTable *t, Value pid, RowsAccess access)
{
    STATUS_FORWARD(owned_by(t, pid));
    atom_store_rlx(&t->access, (uint32_t)access); /* relaxed: as in allows */
    return STATUS_OK;
}

Status rowtable_set_heir(ActorCtx *cx, Process *p, RowTable *t, Value heir, Value selector)
{
    STATUS_FORWARD(owned_by(t, p->pid));
    Fragment *will = NULL;
    if (heir != VALUE_NIL)
        STATUS_FORWARD(will_new(cx, selector, &will));
    lock_acquire(&t->owner_lock);
    Fragment *before = t->will;
    t->will = will;
    t->heir = heir;
    lock_release(&t->owner_lock);
    if (before)
        fragment_free(&cx->heap, before);
    return STATUS_OK;
}

Status rowtable_give(ActorCtx *cx, Process *p, RowTable *t, Value to, Value selector)
{
    Fragment *will;
    STATUS_FORWARD(owned_by(t, p->pid));
    if (!process_is_alive(cx->node, to))
        return STATUS_NO_PROCESS;
    STATUS_FORWARD(will_new(cx, selector, &will));
    lock_acquire(&t->owner_lock);
    Anchor *anchor = t->anchor;
    t->anchor = NULL;
    atom_store_rel(&t->owner, to); /* as in owner_ended */
    lock_release(&t->owner_lock);
    rowtable_cut_anchor(cx->heap.env, anchor); /* p's hold of it is stale */
    will_send(cx, t, will, p->pid, to);
    return STATUS_OK;
}

Status rowtable_delete(ActorCtx *cx, Process *p, RowTable *t)
{
    STATUS_FORWARD(owned_by(t, p->pid));
    rowtable_end(cx->heap.env, t);
    return STATUS_OK;
}
