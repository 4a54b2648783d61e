/* SPDX-License-Identifier: Apache-2.0 */
/* frozen.c - regions of frozen objects: counts, death through the epoch, loading, holding.
 * Copying into a region is in heap_copy.c.
 *
 * A dead region releases the regions it holds only when its own memory goes, and each of those goes
 * through the epoch again: a reader may have found it elsewhere. Chains of any length therefore die
 * one link per grace period, without recursion.
 *
 * Threads: retain and release by any; loading by the loader; heap_hold by the owner of the heap. */
#include "gc_int.h"

Status region_alloc(HeapEnv *henv, size_t words, bool immortal, Region **out)
{
    if (words > GC_OBJECT_MAX)
        return STATUS_LIMIT;
    size_t bytes = sizeof(Region) + words * GC_WORD;
    bool mapped;
    Region *region = gc_big_alloc(henv->env, &bytes, false, &mapped);
    if (!region)
        return STATUS_NO_MEMORY;
    memset(region, 0, sizeof *region);
    region->refs = immortal ? REGION_IMMORTAL : 1;
    region->henv = henv;
    if (!immortal)
        (void)atom_add_rlx(&henv->frozen_bytes, bytes); /* relaxed: a figure */
    region->bytes = bytes;
    region->mapped = mapped;
    region->top = region->body;
    region->end = region->body + words;
    *out = region;
    return STATUS_OK;
}

Status region_new(HeapCtx *cx, size_t capacity_words, bool immortal, Region **out)
{
    return region_alloc(cx->env, capacity_words, immortal, out);
}

Status frozen_new(Region *region, uint32_t cls, ObjKind kind, unsigned pad, size_t payload_words,
                  Object **out)
{
    if (payload_words > GC_OBJECT_MAX)
        return STATUS_LIMIT;
    size_t total = 1 + obj_alloc_words(payload_words);
    if ((size_t)(region->end - region->top) < total)
        return STATUS_LIMIT;
    unsigned size_field = payload_words < OBJ_SIZE_BIG ? (unsigned)payload_words : OBJ_SIZE_BIG;
    region->top[0] = value_ptr(region);
    Object *o = (Object *)(region->top + 1);
    o->header = obj_header(cls, size_field, kind, pad) | OBJ_F_FROZEN;
    if (size_field == OBJ_SIZE_BIG)
        o->words[0] = payload_words;
    region->top += total;
    *out = o;
    return STATUS_OK;
}

bool region_is_immortal(const Region *region)
{
    /* Relaxed: the bit is set before the region is published and never changes. */
    return (atom_load_rlx(&region->refs) & REGION_IMMORTAL) != 0;
}

size_t region_bytes(const Region *region) { return region->bytes; }

void region_retain(Region *region)
{
    if (region_is_immortal(region))
        return;
    /* Relaxed: the caller's count keeps the region alive, nothing is read because of this. */
    uint32_t before = atom_add_rlx(&region->refs, 1u);
    assert(before > 0);
    (void)before;
}

bool region_try_retain(Region *region)
{
    /* Relaxed: the compare-and-swap decides. */
    uint32_t refs = atom_load_rlx(&region->refs);
    do {
        if (refs & REGION_IMMORTAL)
            return true;
        if (refs == 0)
            return false; /* its memory stays until our epoch section ends, but it is dead */
        /* Acquire on success: pairs with the release of the cell that showed us the region. */
    } while (!atom_cas_weak(&region->refs, &refs, refs + 1));
    return true;
}

static void region_reclaim(EpochEntry *entry, void *arg);

/* Drops a count; a region that dies is deferred, or, without an epoch, put on *dead. True: it was
 * deferred. */
static bool region_drop(EpochRecord *epoch, Region *region, Region **dead)
{
    if (region_is_immortal(region))
        return false;
    /* Releases our use of the region's objects; whoever drops the last count acquires all
     * others'. */
    if (atom_sub(&region->refs, 1u) != 1)
        return false;
    region->record = epoch;
#ifdef MAGGIE_MUTANT_REGION_EARLY
    epoch = NULL;
#endif
    if (epoch) {
        epoch_defer(epoch, &region->epoch_entry, region_reclaim, NULL);
        return true;
    }
    region->epoch_entry.link[0] = *dead;
    *dead = region;
    return false;
}

/* Frees one region, passing on the counts it held. */
static void region_free(Region *region, Region **dead)
{
    HeapEnv *henv = region->henv;
    if (!region_is_immortal(region)) {
        size_t bytes = region->bytes + region->code_bytes;
        (void)atom_sub_rlx(&henv->frozen_bytes, bytes); /* relaxed: figures */
        if (region->retired)
            (void)atom_sub_rlx(&henv->retired_bytes, bytes);
    }
    if (region->code)
        henv->code_dead(henv, region->record, region->code);
    for (size_t i = 0; i < holds_span(&region->holds); i++) {
        uintptr_t *entry = holds_at(&region->holds, i);
        if (entry)
            (void)region_drop(region->record, hold_region(*entry), dead);
    }
    holds_free(henv->env, region->holds);
    handle_list_release(henv, region->handles);
    gc_scribble(region->body, (size_t)(region->top - region->body));
    gc_big_free(henv->env, region, region->bytes, region->mapped);
}

static void region_free_all(Region *dead)
{
    while (dead) {
        Region *region = dead;
        dead = region->epoch_entry.link[0];
        region_free(region, &dead);
    }
}

static void region_reclaim(EpochEntry *entry, void *arg)
{
    (void)arg;
    Region *region = (Region *)(void *)((char *)entry - offsetof(Region, epoch_entry));
    Region *dead = NULL;
    region_free(region, &dead);
    region_free_all(dead);
}

void region_release(HeapCtx *cx, EpochRecord *epoch, Region *region)
{
    Region *dead = NULL;
    size_t bytes = region->bytes; /* it may be gone as soon as the count is */
    if (region_drop(epoch, region, &dead) && cx)
        cx->deferred_bytes += bytes;
    region_free_all(dead);
}

void region_carry_code(Region *region, void *code, size_t code_bytes)
{
    region->code = code;
    region->code_bytes = code_bytes;
    (void)atom_add_rlx(&region->henv->frozen_bytes, code_bytes); /* relaxed: a figure */
}

/* Begins a round when enough is retired. Several threads may come here at once: one of them moves
 * the limit. */
static bool region_ask(HeapEnv *henv)
{
    /* relaxed: figures, and a limit that any order of changes keeps useful */
    size_t retired = atom_load_rlx(&henv->retired_bytes);
    size_t limit = atom_load_rlx(&henv->ask_limit);
    size_t next = 2 * retired > GC_ASK_MIN ? 2 * retired : GC_ASK_MIN;
    bool over = retired > (limit > GC_ASK_MIN ? limit : GC_ASK_MIN);
    if (!over && limit / 2 < next)
        return false; /* else the limit comes down: what was retired is gone */
    if (!atom_cas(&henv->ask_limit, &limit, next) || !over)
        return false;
    /* relaxed: heaps compare for difference only; the wake-up synchronises */
    (void)atom_add_rlx(&henv->ask, 1u);
    return true;
}

bool region_retire(HeapCtx *cx, EpochRecord *epoch, Region *region)
{
    HeapEnv *henv = region->henv;
    bool ask = false;
    /* two owners (cells that share it) may come, one is enough; the counts they give back order
     * this before the death, so nothing hangs on the exchange's own order */
    if (!region_is_immortal(region) && !atom_xchg(&region->retired, (uint8_t)1)) {
        (void)atom_add_rlx(&henv->retired_bytes, region->bytes + region->code_bytes);
        ask = region_ask(henv);
    }
    region_release(cx, epoch, region);
    return ask;
}

void region_free_immortal(HeapCtx *cx, Region *region)
{
    assert(region_is_immortal(region));
    Region *dead = NULL;
    region->record = cx->epoch;
    region_free(region, &dead);
    region_free_all(dead);
}

Status region_hold(Region *region, HeapCtx *cx, Value v)
{
    if (!value_is_ptr(v))
        return STATUS_OK;
    assert(obj_is_frozen(obj_of(v)));
    Region *other = region_of(obj_of(v));
    if (other == region || region_is_immortal(other) || holds_find(&region->holds, other))
        return STATUS_OK;
    STATUS_FORWARD(holds_add(cx->env->env, &region->holds, other));
    region_retain(other);
    if (region_is_immortal(region))
        other->pinned = true;
    return STATUS_OK;
}

static bool hold_slow(Heap *heap, HeapCtx *cx, Region *region)
{
    HeapExt *ext = heap->ext;
    if (ext && holds_find(&ext->holds, region)) {
        ext->last_hold = region;
        return true;
    }
    if (!region_try_retain(region))
        return false;
    if (heap_need_ext(heap, cx) != STATUS_OK ||
        holds_add(cx->env->env, &heap->ext->holds, region) != STATUS_OK)
        return true; /* no memory to note it: the count just taken is never given back */
    heap->ext->last_hold = region;
    return true;
}

Status heap_reserve_hold(Heap *heap, HeapCtx *cx)
{
    STATUS_FORWARD(heap_need_ext(heap, cx));
    return holds_reserve(cx->env->env, &heap->ext->holds, 1);
}

bool heap_hold(Heap *heap, HeapCtx *cx, Value v)
{
    if (!value_is_ptr(v) || !obj_is_frozen(obj_of(v)))
        return true;
    Region *region = region_of(obj_of(v));
    if ((heap->ext && heap->ext->last_hold == region) || region_is_immortal(region))
        return true;
    return hold_slow(heap, cx, region);
}

void fragment_hold(Fragment *f, HeapCtx *cx, Value v)
{
    if (!value_is_ptr(v) || !obj_is_frozen(obj_of(v)))
        return;
    Region *region = region_of(obj_of(v));
    if (region_is_immortal(region))
        return;
    assert(f->held);
    if (holds_find(fragment_holds(f), region))
        return;
    Status status = holds_add(cx->env->env, fragment_holds(f), region);
    assert(status == STATUS_OK); /* the caller reserved */
    (void)status;
    region_retain(region);
}
