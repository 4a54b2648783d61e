/* SPDX-License-Identifier: Apache-2.0 */
/* heap_verify.c - the debug check of I2 and of the heap's own rules, by address: where the
 * collector believes flags, this looks up to which block, chunk, fragment or region a pointer
 * really leads. Costs memory and time in proportion to the live data; used after collections when
 * HeapEnv.verify says so, and by tests.
 * Threads: the owner of the heap. */
#include "gc_int.h"

/* Addresses seen, open addressing, and those of them still to look into. */
typedef struct Seen {
    const Env *env;
    uintptr_t *slot;
    size_t capacity;
    size_t count;
    Object **todo;
    size_t ntodo;
    size_t todo_capacity;
    bool failed; /* no memory: the check is cut short */
} Seen;

typedef struct Verify {
    const Heap *heap;
    const HeapEnv *henv;
    Seen seen;
    Seen large;   /* the heap's large objects */
    Seen regions; /* regions it holds, and what those hold */
    const char *wrong;
    Value where;
} Verify;

static size_t seen_start(const Seen *s, uintptr_t p)
{
    return (size_t)hash_mix64(p) & (s->capacity - 1);
}

static bool seen_has(const Seen *s, uintptr_t p)
{
    if (!s->capacity)
        return false;
    for (size_t i = seen_start(s, p); s->slot[i]; i = (i + 1) & (s->capacity - 1)) {
        if (s->slot[i] == p)
            return true;
    }
    return false;
}

static bool seen_grow(Seen *s)
{
    Seen bigger = *s;
    bigger.capacity = s->capacity ? s->capacity * 2 : 256;
    bigger.slot = env_calloc(s->env, bigger.capacity * sizeof(uintptr_t));
    if (!bigger.slot) {
        s->failed = true;
        return false;
    }
    for (size_t i = 0; i < s->capacity; i++) {
        if (!s->slot[i])
            continue;
        size_t j = seen_start(&bigger, s->slot[i]);
        while (bigger.slot[j])
            j = (j + 1) & (bigger.capacity - 1);
        bigger.slot[j] = s->slot[i];
    }
    env_free(s->env, s->slot, s->capacity * sizeof(uintptr_t));
    *s = bigger;
    return true;
}

/* True when p is new. */
static bool seen_add(Seen *s, uintptr_t p)
{
    if (seen_has(s, p))
        return false;
    if (s->count >= s->capacity / 2 && !seen_grow(s))
        return false;
    size_t i = seen_start(s, p);
    while (s->slot[i])
        i = (i + 1) & (s->capacity - 1);
    s->slot[i] = p;
    s->count++;
    return true;
}

static void seen_push(Seen *s, Object *o)
{
    if (s->ntodo == s->todo_capacity) {
        size_t capacity = s->todo_capacity ? s->todo_capacity * 2 : 256;
        Object **todo =
            env_realloc(s->env, s->todo, s->todo_capacity * sizeof *todo, capacity * sizeof *todo);
        if (!todo) {
            s->failed = true;
            return;
        }
        s->todo = todo;
        s->todo_capacity = capacity;
    }
    s->todo[s->ntodo++] = o;
}

static void seen_free(Seen *s)
{
    env_free(s->env, s->slot, s->capacity * sizeof(uintptr_t));
    env_free(s->env, s->todo, s->todo_capacity * sizeof(Object *));
}

/* ---- pointers ----------------------------------------------------------------------------- */

static void verify_fail(Verify *v, const char *wrong, Value where)
{
    if (!v->wrong) {
        v->wrong = wrong;
        v->where = where;
    }
}

/* The end of the young or old run that p lies in, or NULL; *flags what its header must have. */
static const Value *verify_run(const Heap *heap, const Value *p, uint64_t *flags)
{
    *flags = 0;
    if (p >= heap->hp && p < heap->hi)
        return heap->hi;
    const OldSpace *old = heap_old(heap);
    for (const OldChunk *c = old ? old->chunks : NULL; c; c = c->next) {
        const Value *top = c == old->chunks ? old->top : c->top;
        if (p >= c->body && p < top) {
            *flags = OBJ_F_OLD;
            return top;
        }
    }
    for (const Fragment *f = heap->fragments; f; f = f->next) {
        if (p >= f->body + f->extra && p < f->body + f->words)
            return f->body + f->words;
    }
    return NULL;
}

static void verify_frozen(Verify *v, Object *o)
{
    if (seen_has(&v->regions, (uintptr_t)o))
        return; /* unreachable in practice: regions and objects have different addresses */
    if (!(o->header & OBJ_F_FROZEN)) {
        verify_fail(v, "pointer out of the heap", value_ptr(o));
        return;
    }
    Region *region = region_of(o);
    const Value *p = (const Value *)(const void *)o;
    if (!region || p < region->body || p >= region->top)
        verify_fail(v, "frozen object outside its region", value_ptr(o));
    else if (!region_is_immortal(region) && !region->pinned &&
             !seen_has(&v->regions, (uintptr_t)region))
        verify_fail(v, "frozen region not held", value_ptr(o));
}

static void verify_header(Verify *v, const Object *o, const Value *end, uint64_t flags)
{
    uint64_t h = o->header;
    if (!(h & OBJ_F_ALIVE)) {
        verify_fail(v, "header forwarded or overwritten", value_ptr(o));
        return;
    }
    if (obj_kind(o) >= OBJ_KIND_COUNT)
        verify_fail(v, "unknown kind", value_ptr(o));
    if ((h & OBJ_F_NOT_YOUNG) != flags)
        verify_fail(v, "flags do not fit the place", value_ptr(o));
    if (h & OBJ_F_MARK)
        verify_fail(v, "mark left over", value_ptr(o));
    if ((h & OBJ_F_HASHED) && (h & OBJ_F_HASH_STORED))
        verify_fail(v, "hash both stored and not", value_ptr(o));
    if (end && obj_total_words(o) > (size_t)(end - (const Value *)(const void *)o))
        verify_fail(v, "object crosses the end of its run", value_ptr(o));
    if (obj_kind(o) == OBJ_BIG_STRING && obj_words(o) != STR_HANDLE_WORDS)
        verify_fail(v, "string handle of a wrong size", value_ptr(o));
}

/* Checks one Value and notes what it leads to. */
static void verify_value(Verify *v, Value value)
{
    if (!value_is_ptr(value) || v->wrong)
        return;
    if (value & 7) {
        verify_fail(v, "misaligned pointer", value);
        return;
    }
    Object *o = obj_of(value);
    if (seen_has(&v->seen, value))
        return;
    uint64_t flags;
    const Value *end = verify_run(v->heap, (const Value *)(const void *)o, &flags);
    if (end) {
        verify_header(v, o, end, flags);
    } else if (seen_has(&v->large, value)) {
        verify_header(v, o, NULL, OBJ_F_LARGE | (o->header & OBJ_F_OLD));
    } else {
        verify_frozen(v, o);
        return;
    }
    if (!v->wrong && seen_add(&v->seen, value))
        seen_push(&v->seen, o);
}

static void verify_visit(void *arg, Value *first, size_t n)
{
    Verify *v = arg;
    for (size_t i = 0; i < n; i++)
        verify_value(v, first[i]);
}

/* ---- objects ------------------------------------------------------------------------------ */

static bool is_young_pointer(Value v)
{
    return value_is_ptr(v) && !(obj_of(v)->header & (OBJ_F_OLD | OBJ_F_FROZEN));
}

/* A young pointer in an old object must be known to the next minor collection. */
static void verify_remembered(Verify *v, Object *o, size_t slot)
{
    const OldSpace *old = heap_old(v->heap);
    if (!(o->header & OBJ_F_OLD) || old->remembered.overflow)
        return;
    if (o->header & OBJ_F_LARGE) {
        if (!large_of(o)->cards[slot / GC_CARD_WORDS] || !large_of(o)->is_dirty)
            verify_fail(v, "young pointer in a clean card", value_ptr(o));
    } else if (o->header & OBJ_F_GUARD) {
        verify_fail(v, "young pointer in an object not remembered", value_ptr(o));
    }
}

static void verify_object(Verify *v, Object *o)
{
    size_t words = obj_words(o);
    Value *slots = obj_slots(o);
    if (obj_kind(o) == OBJ_WEAK)
        words = 1;
    else if (!kind_has_values(obj_kind(o)))
        return;
    if (obj_kind(o) == OBJ_CLOSURE) {
        Object *handle = gc_code_handle(v->henv, o);
        if (handle)
            verify_frozen(v, handle);
    }
    for (size_t i = 0; i < words && !v->wrong; i++) {
        verify_value(v, slots[i]);
        if (!v->wrong && is_young_pointer(slots[i]))
            verify_remembered(v, o, i);
    }
}

static void verify_handles(Verify *v, Value list, bool old)
{
    size_t n = 0;
    for (; list && !v->wrong; list = *handle_link(obj_of(list))) {
        uint64_t flags;
        if (!verify_run(v->heap, (const Value *)(const void *)obj_of(list), &flags))
            verify_fail(v, "listed handle outside the heap", list);
        else if ((flags != 0) != old)
            verify_fail(v, "handle on the wrong list", list);
        else if (!kind_has_link(obj_kind(obj_of(list))))
            verify_fail(v, "listed handle of another kind", list);
        else if (++n > SIZE_MAX / 2)
            verify_fail(v, "handle list does not end", list);
    }
}

static void verify_note_holds(Verify *v, RegionHold *set)
{
    for (size_t i = 0; i < holds_span(&set); i++) {
        uintptr_t *entry = holds_at(&set, i);
        if (!entry)
            continue;
        Region *region = hold_region(*entry);
        if (*entry & HOLD_MARK)
            verify_fail(v, "region mark left over", value_ptr(region));
        if (!(atom_load_rlx(&region->refs))) /* relaxed: our own hold keeps it above zero */
            verify_fail(v, "held region without a count", value_ptr(region));
        if (seen_add(&v->regions, (uintptr_t)region))
            seen_push(&v->regions, (Object *)(void *)region);
    }
}

/* Regions held directly or by a held region. */
static void verify_collect_regions(Verify *v)
{
    if (v->heap->ext)
        verify_note_holds(v, v->heap->ext->holds);
    for (const Fragment *f = v->heap->fragments; f; f = f->next)
        if (f->held)
            verify_note_holds(v, *fragment_holds((Fragment *)(uintptr_t)f));
    while (v->regions.ntodo) {
        Region *region = (Region *)(void *)v->regions.todo[--v->regions.ntodo];
        verify_note_holds(v, region->holds);
    }
}

static void verify_collect_large(Verify *v)
{
    const OldSpace *old = heap_old(v->heap);
    const LargeObject *lists[2] = {old ? old->large_young : NULL, old ? old->large_old : NULL};
    for (int i = 0; i < 2; i++) {
        for (const LargeObject *large = lists[i]; large; large = large->next) {
            bool is_old = (large->object.header & OBJ_F_OLD) != 0;
            if (is_old != (i == 1))
                verify_fail(v, "large object on the wrong list", value_ptr(&large->object));
            seen_add(&v->large, value_ptr(&large->object));
        }
    }
}

const char *heap_verify(const Heap *heap, HeapCtx *cx, const HeapRoots *roots, Value *where)
{
    Verify v = {.heap = heap, .henv = cx->env};
    v.seen.env = v.large.env = v.regions.env = cx->env->env;
    if (heap->hp < heap->lo || heap->hp > heap->hi)
        verify_fail(&v, "allocation pointer outside the block", value_ptr(heap->hp));
    verify_collect_regions(&v);
    verify_collect_large(&v);
    verify_handles(&v, heap->handles, false);
    if (heap_old(heap))
        verify_handles(&v, heap_old(heap)->handles, true);
    if (!v.regions.failed && !v.large.failed) {
        roots->each(roots->ctx, verify_visit, &v);
        while (v.seen.ntodo && !v.wrong)
            verify_object(&v, v.seen.todo[--v.seen.ntodo]);
    }
    seen_free(&v.seen);
    seen_free(&v.large);
    seen_free(&v.regions);
    *where = v.where;
    return v.wrong;
}

/* ---- fragments ---------------------------------------------------------------------------- */

const char *fragment_verify(const Fragment *f, Value *where)
{
    const Value *first = f->body + f->extra;
    const Value *end = f->body + f->words;
    *where = VALUE_NONE;
    for (const Value *p = first; p < end;) {
        Object *o = (Object *)(uintptr_t)p;
        *where = value_ptr(o);
        if (!(o->header & OBJ_F_ALIVE) || (o->header & (OBJ_F_NOT_YOUNG | OBJ_F_MARK)))
            return "bad header in a fragment";
        if (obj_total_words(o) > (size_t)(end - p))
            return "object crosses the end of a fragment";
        p += obj_total_words(o);
        if (!kind_has_values(obj_kind(o)))
            continue;
        for (size_t i = 0; i < obj_words(o); i++) {
            Value v = obj_slots(o)[i];
            if (value_is_ptr(v) && !(v >= value_ptr(first) && v < value_ptr(end)) &&
                !obj_is_frozen(obj_of(v)))
                return "pointer out of a fragment";
        }
    }
    return NULL;
}
