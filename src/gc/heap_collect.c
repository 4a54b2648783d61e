/* SPDX-License-Identifier: Apache-2.0 */
/* heap_collect.c - when to collect which way, and how big blocks should be. The work is done in
 * heap_trace.c.
 *
 * Small heaps are copied whole into a block that fits. Generational ones have minor collections,
 * and a major one when old space (large objects and off-heap bytes included) has doubled since the
 * last. Threads: the owner of the heap (or whoever has claimed it). */
#include "gc_int.h"

#include <stdlib.h>

/* ---- sizes of blocks ---------------------------------------------------------------------- */

/* A process that collects often without ever waiting gets a block of at least this many words. */
static size_t gc_busy_words(const Heap *heap, size_t first, size_t most)
{
    unsigned doublings = heap->streak % HEAP_STREAK_GROW / 4u;
    size_t words = doublings > 12 ? most : first << doublings;
    return words < most ? words : most;
}

/* Collects a small heap; a second time when the block turned out to be far too big. */
static Status gc_collect_small(Heap *heap, HeapCtx *cx, const HeapRoots *roots,
                               const HeapGcRequest *r, size_t stack_need, GcBecome *become,
                               size_t *copied)
{
    size_t stack = r->stack_used_words + stack_need;
    size_t need = r->need_words > HEAP_NEED_MAX ? 0 : r->need_words;
    bool tight = r->kind == HEAP_GC_HIBERNATE;
    size_t floor = stack + need + 2 * HEAP_STACK_RED_ZONE;
    size_t words = floor + gc_young_worst(heap);
    size_t busy = tight ? 0 : gc_busy_words(heap, HEAP_FIRST_BLOCK_WORDS, GC_SMALL_MAX / 2);
    size_t now = (size_t)(heap->hi - heap->lo);
    if (!tight && (heap->streak & HEAP_STREAK_GROW) && words < now * 2)
        words = now * 2;
    if (words < busy)
        words = busy;
    STATUS_FORWARD(gc_small(heap, cx, roots, r->stack_used_words, words, become, copied));
    heap->streak &= HEAP_STREAK_GROW - 1;

    size_t live = (size_t)(heap->hi - heap->hp);
    size_t wanted = floor + live + (tight ? 0 : live + stack / 4);
    if (wanted < busy)
        wanted = busy;
    wanted = gc_block_words(wanted);
    size_t got = (size_t)(heap->hi - heap->lo);
    if (got < wanted)
        heap->streak |= HEAP_STREAK_GROW;
    if (got >= 4 * wanted || (tight && got > wanted)) {
        /* Costs as much as the little that is live; failing leaves the bigger block. */
        Status status = gc_small(heap, cx, roots, r->stack_used_words, wanted, NULL, copied);
        (void)status;
    }
    if (live > GC_OLD_FROM && !tight) {
        /* The next collection promotes; without memory for that it grows the block once more. */
        Status status = heap_need_old(heap, cx);
        (void)status;
    }
    return STATUS_OK;
}

static Status gc_replace_block(Heap *heap, HeapCtx *cx, size_t stack_used, size_t words)
{
    uint8_t block_class;
    size_t got;
    Value *block = gc_block_alloc(cx, words, &block_class, &got);
    if (!block)
        return STATUS_NO_MEMORY;
    memcpy(block, heap->lo, stack_used * GC_WORD);
    gc_block_free(cx, heap->lo, heap->block_class, (size_t)(heap->hi - heap->lo));
    heap->lo = block;
    heap->hi = heap->hp = block + got;
    heap->block_class = block_class;
    return STATUS_OK;
}

/* Gives a generational heap, whose nursery is empty, a block that suits stack and old space. */
static Status gc_fit_nursery(Heap *heap, HeapCtx *cx, const HeapGcRequest *r, size_t stack_need)
{
    size_t stack = r->stack_used_words + stack_need;
    size_t need = r->need_words > HEAP_NEED_MAX ? 0 : r->need_words;
    size_t floor = stack + need + 2 * HEAP_STACK_RED_ZONE;
    size_t nursery = gc_busy_words(heap, GC_NURSERY_MIN, GC_NURSERY_MAX);
    size_t old_used = old_used_words(heap->ext->old);
    if (nursery < old_used)
        nursery = old_used < GC_NURSERY_MAX ? old_used : GC_NURSERY_MAX;
    /* The stack is looked at by each minor collection: at least half as much is allocated between.
     * Not near its budget: it would grow into that room before anybody looks. */
    size_t soft = cx->env->stack_soft_bytes / GC_WORD;
    size_t share = stack / 2;
    if (soft && share + floor > soft)
        share = soft > floor ? soft - floor : 0;
    if (nursery < share)
        nursery = share;
    if (r->kind == HEAP_GC_HIBERNATE)
        nursery = 0;
    size_t wanted = floor + nursery;
    size_t now = (size_t)(heap->hi - heap->lo);
    bool keep = now >= wanted && now / 4 <= gc_block_words(wanted);
    if (soft && now > soft && gc_block_words(wanted) <= soft)
        keep = false; /* a deep stack is gone */
    if (r->kind == HEAP_GC_HIBERNATE)
        keep = now == gc_block_words(wanted);
    /* Moving the block each time finds stale addresses, and freeing it poisons them. */
    if (cx->env->verify || MAGGIE_ASAN)
        keep = false;
    if (keep)
        return STATUS_OK;
    Status status = gc_replace_block(heap, cx, r->stack_used_words, wanted);
    return now >= floor ? STATUS_OK : status;
}

/* A generational heap with little left becomes a small one again. */
static Status gc_demote(Heap *heap, HeapCtx *cx, const HeapRoots *roots, const HeapGcRequest *r,
                        size_t stack_need, size_t *copied)
{
    OldSpace *old = heap->ext->old;
    size_t live = old_used_words(old);
    size_t most = r->kind == HEAP_GC_HIBERNATE ? GC_SMALL_MAX : GC_OLD_FROM / 2;
    size_t stack = r->stack_used_words + stack_need;
    if (old->large_young || old->large_old || live > most || stack > GC_SMALL_STACK_MAX / 2 ||
        old->pressure != GC_PRESSURE_NONE)
        return gc_fit_nursery(heap, cx, r, stack_need);
    size_t need = r->need_words > HEAP_NEED_MAX ? 0 : r->need_words;
    size_t words = stack + need + live + 2 * HEAP_STACK_RED_ZONE;
    if (r->kind != HEAP_GC_HIBERNATE)
        words += live + stack / 4;
    Status status = gc_small(heap, cx, roots, r->stack_used_words, words, NULL, copied);
    return status == STATUS_OK ? STATUS_OK : gc_fit_nursery(heap, cx, r, stack_need);
}

/* ---- entry -------------------------------------------------------------------------------- */

static bool gc_should_be_generational(const Heap *heap, const HeapGcRequest *r, size_t stack_need)
{
    return gc_young_worst(heap) > GC_SMALL_MAX ||
           r->stack_used_words + stack_need > GC_SMALL_STACK_MAX;
}

static bool gc_many_holds(const Heap *heap)
{
    const HeapExt *ext = heap->ext;
    return ext->holds && holds_count(&ext->holds) > 2 * ext->swept_holds + GC_HOLDS_SLACK;
}

bool heap_wants_sweep(const Heap *heap, const HeapEnv *henv)
{
    const HeapExt *ext = heap->ext;
    /* relaxed: only a request; whoever wakes the process for it has synchronised */
    return ext && ext->holds && (ext->asked != atom_load_rlx(&henv->ask) || gc_many_holds(heap));
}

static bool gc_major_due(const Heap *heap)
{
    const OldSpace *old = heap->ext->old;
    return old->pressure == GC_PRESSURE_REFUSED || gc_old_total(heap) >= old->threshold ||
           gc_many_holds(heap);
}

static bool gc_over_cap(const Heap *heap, const HeapCtx *cx, const HeapGcRequest *r)
{
    size_t large = r->need_words > HEAP_NEED_MAX ? r->need_words : 0;
    size_t cap = heap_cap(heap, cx);
    return large > cap / GC_WORD || heap_bytes(heap) > cap - large * GC_WORD;
}

static Status gc_collect_generational(Heap *heap, HeapCtx *cx, const HeapRoots *roots,
                                      const HeapGcRequest *r, size_t stack_need, GcBecome *become,
                                      HeapGcResult *result)
{
    size_t stack_used = r->stack_used_words;
    bool major =
        become || r->kind >= HEAP_GC_MAJOR || (r->kind == HEAP_GC_AUTO && gc_major_due(heap));
    if (!major) {
        STATUS_FORWARD(gc_minor(heap, cx, roots, stack_used, &result->words_copied));
        if (!gc_over_cap(heap, cx, r))
            return gc_fit_nursery(heap, cx, r, stack_need);
    }
    result->major = true;
    STATUS_FORWARD(gc_major(heap, cx, roots, stack_used, become, &result->words_copied));
    OldSpace *old = heap->ext->old;
    size_t tail = (size_t)(old->end - old->top);
    if (r->kind == HEAP_GC_HIBERNATE && tail > old_used_words(old) / 4 + GC_CHUNK_MIN)
        STATUS_FORWARD(gc_major(heap, cx, roots, stack_used, NULL, &result->words_copied));
    return gc_demote(heap, cx, roots, r, stack_need, &result->words_copied);
}

static void gc_check(const Heap *heap, HeapCtx *cx, const HeapRoots *roots)
{
    Value where = VALUE_NONE;
    const char *wrong = heap_verify(heap, cx, roots, &where);
    if (!wrong)
        return;
    env_log(cx->env->env, LOG_LEVEL_ERROR, "heap check failed after a collection: %s (at %016llx)",
            wrong, (unsigned long long)where);
    abort();
}

static Status gc_collect(Heap *heap, HeapCtx *cx, const HeapRoots *roots, const HeapGcRequest *r,
                         GcBecome *become, HeapGcResult *result)
{
    assert(heap->lo + r->stack_used_words <= heap->hp);
    memset(result, 0, sizeof *result);
    const Value *lo = heap->lo;
    size_t stack_need = r->stack_need_words;
    size_t stack_cap = cx->env->stack_cap_bytes / GC_WORD;
    bool stack_limit =
        stack_cap && (stack_need > stack_cap || r->stack_used_words > stack_cap - stack_need);
    if (stack_limit)
        stack_need = 0;
    if (!heap_old(heap) && gc_should_be_generational(heap, r, stack_need))
        STATUS_FORWARD(heap_need_old(heap, cx));
    if (heap_old(heap)) {
        STATUS_FORWARD(gc_collect_generational(heap, cx, roots, r, stack_need, become, result));
    } else {
        result->major = true;
        STATUS_FORWARD(
            gc_collect_small(heap, cx, roots, r, stack_need, become, &result->words_copied));
    }
    if (r->kind == HEAP_GC_HIBERNATE)
        heap->streak = 0;
    result->block_moved = heap->lo != lo;
    heap->stress_armed = 0;
    if (cx->env->verify)
        gc_check(heap, cx, roots);
    if (gc_over_cap(heap, cx, r))
        return STATUS_HEAP_LIMIT;
    return stack_limit ? STATUS_STACK_LIMIT : STATUS_OK;
}

Status heap_collect(Heap *heap, HeapCtx *cx, const HeapRoots *roots, const HeapGcRequest *request,
                    HeapGcResult *result)
{
    return gc_collect(heap, cx, roots, request, NULL, result);
}

Status heap_become(Heap *heap, HeapCtx *cx, const HeapRoots *roots, const HeapGcRequest *request,
                   Value a, Value b, bool one_way, HeapGcResult *result)
{
    memset(result, 0, sizeof *result);
    if (!value_is_ptr(a) || !value_is_ptr(b))
        return STATUS_BAD_ARGUMENT;
    if (obj_is_frozen(obj_of(a)) || obj_is_frozen(obj_of(b)))
        return STATUS_FROZEN;
    if (a == b)
        return STATUS_OK;
    GcBecome become = {.a = obj_of(a), .b = obj_of(b), .one_way = one_way};
    if (!one_way) {
        /* Asked for now, both are stored (or belong to large objects) after the move. */
        become.hash_a = heap_identity_hash(heap, become.a);
        become.hash_b = heap_identity_hash(heap, become.b);
    }
    return gc_collect(heap, cx, roots, request, &become, result);
}

/* Words an old object that was stored to has, about. */
#define GC_REMEMBERED_WORDS 8

bool heap_collect_is_long(const Heap *heap, const HeapCtx *cx, const HeapGcRequest *r)
{
    /* What everything young costs if it lives; the stack is looked at whole. */
    size_t words = (size_t)(heap->hi - heap->hp) + fragments_words(heap) + r->stack_used_words;
    const OldSpace *old = heap_old(heap);
    if (old) {
        words += old->large_young_words;
        if (r->kind >= HEAP_GC_MAJOR || gc_major_due(heap) || old->remembered.overflow)
            words += old_used_words(old) + old->large_old_words;
        else
            words += old->remembered.count * GC_REMEMBERED_WORDS +
                     old->dirty_cards * GC_CARD_WORDS +
                     (old->dirty ? old->large_old_words / GC_CARD_WORDS : 0);
    }
    return words > cx->env->long_words;
}

bool heap_wants_collection(const Heap *heap)
{
    size_t limit = (size_t)(heap->hi - heap->lo);
    if (limit < 512)
        limit = 512;
    return fragments_words(heap) > limit || fragments_offheap(heap) > GC_OFFHEAP_ADOPTED ||
           fragments_count(heap) > GC_FRAGMENTS_MAX;
}
