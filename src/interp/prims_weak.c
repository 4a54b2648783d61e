/* SPDX-License-Identifier: Apache-2.0 */
/* prims_weak.c - weak references, and finalizers of what they referred to.
 *
 * The collector sets a WEAK object's first word to nil when nothing else refers to its target.
 * What shall happen then stands in the process's table of finalizers (ProcessExt.finalizers), an
 * Array of
 *
 *     number of slots used (this one included), reference, block, reference, block, ... nil
 *
 * which keeps the reference alive. After each collection the blocks of references that have become
 * empty are forked: each runs in a process of its own, as a child of the process. The block in the
 * table is a copy from the time of the registration, so that nothing it captured keeps the target
 * alive, and nothing can be put into it later that could not leave the process.
 * Threads: the owner of the process. */
#include "interp_int.h"
#include "prims.h"

#include <stddef.h>

/* Slots of a new table. */
#define FINALIZERS_FIRST 15
/* Forked, and words copied for them, after one collection; what is left waits for the next. */
#define FINALIZERS_AT_ONCE 64
#define FINALIZER_WORDS_AT_ONCE 32768

static VmLocal *local_of(PrimCall *c)
{
    return (VmLocal *)(void *)((char *)c - offsetof(VmLocal, call));
}

static Object *weak_self(PrimCall *c)
{
    Value v = c->args[0];
    return value_is_kind(v, OBJ_WEAK) ? obj_of(v) : NULL;
}

static bool weak_is_empty(Value weak) { return obj_of(weak)->words[0] == VALUE_NIL; }

PrimStatus prim_weak_on(PrimCall *c)
{
    uint32_t cls = value_as_class(c->args[0]);
    if (vm_class(c->vm, cls)->nslots > 0)
        return prim_plain_error(c, "a weak reference has no instance variables");
    PrimStatus st;
    Object *weak = prim_new(c, cls, OBJ_WEAK, 0, 2, &st);
    if (!weak)
        return st;
    weak->words[0] = c->args[1];
    weak->words[1] = VALUE_NONE;
    return prim_ok(c, value_ptr(weak));
}

PrimStatus prim_weak_get(PrimCall *c)
{
    const Object *weak = weak_self(c);
    return weak ? prim_ok(c, weak->words[0]) : prim_error(c, "the receiver is no weak reference");
}

/* ---- the table of finalizers ---------------------------------------------------------------- */

static Object *finalizers(const Process *p)
{
    Value table = p->ext ? p->ext->finalizers : VALUE_NIL;
    return table == VALUE_NIL ? NULL : obj_of(table);
}

static size_t table_used(Object *table) { return (size_t)value_as_int(obj_slots(table)[0]); }

/* Tables are neither literals nor globals: never frozen. */
static void table_put(Heap *heap, Object *table, size_t at, Value v)
{
    bool stored = heap_store(heap, table, obj_slots(table) + at, v);
    assert(stored);
    (void)stored;
}

/* Keeps the entries that `keep` wants. */
static void table_filter(Heap *heap, Object *table,
                         bool (*keep)(void *arg, Value weak, Value block), void *arg)
{
    size_t used = table_used(table), kept = 1;
    Value *slots = obj_slots(table);
    for (size_t i = 1; i < used; i += 2) {
        if (!keep(arg, slots[i], slots[i + 1]))
            continue;
        if (kept != i) {
            table_put(heap, table, kept, slots[i]);
            table_put(heap, table, kept + 1, slots[i + 1]);
        }
        kept += 2;
    }
    for (size_t i = kept; i < used; i++)
        slots[i] = VALUE_NIL; /* an immediate needs no barrier */
    slots[0] = value_int((int64_t)kept);
}

static bool is_other(void *arg, Value weak, Value block)
{
    (void)block;
    return weak != *(const Value *)arg;
}

PrimStatus prim_weak_clear(PrimCall *c)
{
    Object *weak = weak_self(c), *table = finalizers(c->process);
    if (!weak)
        return prim_error(c, "the receiver is no weak reference");
    weak->words[0] = VALUE_NIL;
    if (table) {
        prim_charge(c, table_used(table) / 32);
        table_filter(c->heap, table, is_other, &c->args[0]);
    }
    return prim_self(c);
}

/* A table with room for another entry, not yet the process's; or NULL. */
static Object *table_with_room(PrimCall *c, PrimStatus *st)
{
    Object *table = finalizers(c->process);
    size_t used = table ? table_used(table) : 1;
    if (table && used + 2 <= obj_words(table))
        return table;
    size_t size = table ? 2 * obj_words(table) - 1 : FINALIZERS_FIRST;
    Object *grown = prim_new_slots(c, CLASS_ARRAY, size, st);
    if (!grown)
        return NULL;
    table_put(c->heap, grown, 0, value_int((int64_t)used));
    for (size_t i = 1; i < used; i++)
        table_put(c->heap, grown, i, obj_slots(table)[i]);
    prim_charge(c, used / 32);
    return grown;
}

/* A copy of the block in the same heap that shares nothing unfrozen with it. */
static PrimStatus seal_block(PrimCall *c, Value *block)
{
    Fragment *f;
    Status status = fragment_copy_out(c->heap, c->cx, *block, 0, &f, NULL);
    if (status == STATUS_NOT_SENDABLE)
        return prim_error(c, "the block holds a weak reference, which cannot leave its process");
    if (status == STATUS_COPY_TOO_BIG)
        return prim_error(c, status_text(status));
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    prim_charge(c, f->words / 16);
    *block = heap_adopt(c->heap, f);
    return PRIM_OK;
}

PrimStatus prim_weak_on_finalize(PrimCall *c)
{
    Value block = c->args[1];
    ProcessExt *ext;
    PrimStatus st;
    if (!weak_self(c))
        return prim_error(c, "the receiver is no weak reference");
    if (!value_is_kind(block, OBJ_CLOSURE))
        return prim_type_error(c, 1, "Block");
    if (((const Code *)closure_code(obj_of(block)))->nargs > 1)
        return prim_error(c, "the block needs more than one argument");
    Status status = process_ext(&local_of(c)->actor, c->process, &ext);
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    Object *table = table_with_room(c, &st);
    if (!table)
        return st;
    if ((st = seal_block(c, &block)) != PRIM_OK)
        return st;
    size_t used = table_used(table);
    table_put(c->heap, table, used, c->args[0]);
    table_put(c->heap, table, used + 1, block);
    table_put(c->heap, table, 0, value_int((int64_t)used + 2));
    ext->finalizers = value_ptr(table);
    if (weak_is_empty(c->args[0]))
        prim_charge(c, interp_run_finalizers(local_of(c), c->process));
    return prim_self(c);
}

/* ---- after a collection --------------------------------------------------------------------- */

typedef struct Finalizing {
    VmLocal *l;
    Process *p;
    unsigned forked;
    size_t words;
} Finalizing;

/* An entry that cannot be forked now (processes or memory are out) stays for the next time. */
static bool still_waits(void *arg, Value weak, Value block)
{
    Finalizing *f = arg;
    Value pid;
    if (!weak_is_empty(weak) || f->forked == FINALIZERS_AT_ONCE ||
        f->words > FINALIZER_WORDS_AT_ONCE)
        return true;
    if (interp_fork(f->l, f->p, block, 1, VALUE_NIL, f->p->domain, (TaskPrio)f->p->priority,
                    &pid) != STATUS_OK)
        return true;
    f->forked++;
    f->words += f->l->actor.copied_words;
    return false;
}

size_t interp_run_finalizers(VmLocal *l, Process *p)
{
    Object *table = finalizers(p);
    Finalizing f = {.l = l, .p = p};
    if (!table)
        return 0;
    size_t used = table_used(table);
    for (size_t i = 1; i < used; i += 2) {
        if (weak_is_empty(obj_slots(table)[i])) {
            table_filter(&p->heap, table, still_waits, &f);
            break;
        }
    }
    return used / 32 + f.words / 16 + 8 * (size_t)f.forked;
}

/* ---- collecting on demand ------------------------------------------------------------------- */

PrimStatus prim_process_collect(PrimCall *c)
{
    Process *p = c->process;
    if (c->resume->a)
        return prim_self(c); /* it has been made elsewhere */
    Collection collection = {
        .request = {.kind = HEAP_GC_MAJOR,
                    .stack_used_words = p->window + p->live,
                    .stack_need_words = p->code->nregs + HEAP_STACK_RED_ZONE + PRIM_EXTRA_ARGS}};
    if (heap_collect_is_long(c->heap, c->cx, &collection.request)) {
        local_of(c)->collection = collection;
        c->resume->a = 1;
        return PRIM_COLLECT;
    }
    HeapGcResult result = {0};
    size_t window = (size_t)(c->args - p->heap.lo);
    Status status = interp_collect_for(c->cx, p, &collection, &result);
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    prim_charge(c, result.words_copied / 32);
    prim_charge(c, interp_run_finalizers(local_of(c), p));
    c->result = p->heap.lo[window];
    c->send_argc = INTERP_FRAME_RESULT;
    return PRIM_FRAME;
}
