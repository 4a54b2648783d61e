/* SPDX-License-Identifier: Apache-2.0 */
/* heap_trace.c - the collector: moving, marking and settling in three modes, and become: by
 * substitution. When to do which, and with what sizes, is in heap_collect.c.
 *
 * One engine in three modes, chosen at compile time of its inner functions:
 *   SMALL  everything unfrozen moves into a new block; also turns a generational heap back
 *   MINOR  young objects move into old space (promotion at first survival), stack and block stay
 *   MAJOR  young and old objects move into one new chunk
 * The work list is threaded through the old copies: word 0 is the forwarding address, word 1 links
 * the next object to scan, last in, first out; so lists are copied along their links, and nothing
 * depends on the direction of allocation. Objects without Values are never listed and keep word 1
 * intact. Large objects have a mark and a link of their own.
 *
 * Space for the worst case is reserved first, so nothing can fail once objects start to move.
 *
 * Threads: the owner of the heap (or whoever has claimed it).
 * Invariant: between collections no header is forwarded and no MARK is set. */
#include "gc_int.h"

typedef enum GcMode { GC_SMALL, GC_MINOR, GC_MAJOR } GcMode;

#define GC_CODES 16

typedef struct Gc {
    Heap *heap;
    HeapCtx *cx;
    Heap from; /* the heap's fields from before */
    OldSpace *old;
    Value *to; /* SMALL: downwards, else upwards */
    Value *to_end;
    OldChunk *chunk; /* MAJOR: the new one */
    Object *work;
    LargeObject *large_work;
    Object *weak;         /* reached WEAK objects, linked by word 1 */
    const Region *marked; /* last region marked */
    bool keep_holds;      /* a derived region could not be noted: release none this time */
    size_t copied;
    size_t scanned;
    const void *codes[GC_CODES]; /* of closures met: its region is marked; direct-mapped */
    GcBecome *become;
} Gc;

/* ---- where objects go --------------------------------------------------------------------- */

/* The current chunk cannot take the next object: the spare one, reserved for this, can. */
static void to_next_chunk(Gc *gc)
{
    OldSpace *old = gc->old;
    OldChunk *spare = old->spare;
    assert(spare);
    if (old->chunks) {
        old->chunks->top = gc->to;
        old->retired += (size_t)(gc->to - old->chunks->body);
    }
    spare->next = old->chunks;
    old->chunks = spare;
    old->spare = NULL;
    gc->to = spare->body;
    gc->to_end = spare->end;
}

static inline __attribute__((always_inline)) Value *to_alloc(Gc *gc, size_t words, GcMode mode)
{
    if (mode == GC_SMALL)
        return gc->to -= words;
    if (__builtin_expect((size_t)(gc->to_end - gc->to) < words, 0)) {
        assert(mode == GC_MINOR);
        to_next_chunk(gc);
        assert((size_t)(gc->to_end - gc->to) >= words);
    }
    Value *p = gc->to;
    gc->to += words;
    return p;
}

/* ---- moving and marking ------------------------------------------------------------------- */

static inline void gc_push_large(Gc *gc, LargeObject *large)
{
    large->object.header |= OBJ_F_MARK;
    if (kind_has_values(obj_kind(&large->object))) {
        large->work = gc->large_work;
        gc->large_work = large;
    }
}

/* A big object of an adopted fragment gets a block of its own. NULL: no memory for that, copy it
 * into the reserved space like any other. */
static Value gc_move_to_large(Gc *gc, Object *o, uint64_t h, size_t words, bool hashed,
                              uint32_t hash)
{
    OldSpace *old = gc->old;
    LargeObject *large = large_new(old, &gc->from, h, words);
    if (!large)
        return VALUE_NONE;
    Object *copy = &large->object;
    Value *slots = obj_slots(copy);
    memcpy(slots, obj_slots(o), words * GC_WORD);
    if (hashed)
        slots[words] = hash;
    copy->header &= ~(OBJ_F_OLD | OBJ_F_GUARD);
    large->next = old->large_young;
    old->large_young = large;
    old->large_young_words += words;
    gc->copied += words;
    gc_push_large(gc, large);
    o->header = value_ptr(copy);
    return value_ptr(copy);
}

/* Puts a moved object on the list it needs. */
static inline __attribute__((always_inline)) void gc_moved(Gc *gc, Object *o, Value *to, uint64_t h,
                                                           size_t words)
{
    ObjKind kind = (ObjKind)(h >> 48 & 0x1F);
    o->header = value_ptr(to);
    if (kind_has_values(kind)) {
        if (words > 0) {
            o->words[0] = value_ptr(gc->work);
            gc->work = o;
        }
    } else if (__builtin_expect(kind == OBJ_WEAK, 0)) {
        to[2] = value_ptr(gc->weak);
        gc->weak = (Object *)to;
    }
}

static inline uint64_t gc_header_after(uint64_t h, GcMode mode)
{
    h &= ~(OBJ_F_OLD | OBJ_F_GUARD | OBJ_F_MARK);
    return mode == GC_SMALL ? h : h | OBJ_F_OLD | OBJ_F_GUARD;
}

/* Objects whose hash was asked for (it is stored from now on), and big ones. */
static __attribute__((noinline)) Value gc_move_slow(Gc *gc, Object *o, uint64_t h, GcMode mode)
{
    size_t words = obj_words(o);
    size_t total = obj_total_words(o);
    bool add_hash = (h & OBJ_F_HASHED) != 0;
    uint32_t hash = 0;
    if (add_hash) {
        hash = heap_address_hash(&gc->from, o);
#ifdef MAGGIE_MUTANT_GC_HASH
        add_hash = false;
        h &= ~OBJ_F_HASHED;
#else
        h = (h & ~OBJ_F_HASHED) | OBJ_F_HASH_STORED;
#endif
    } else if (h & OBJ_F_HASH_STORED) {
        hash = (uint32_t)obj_slots(o)[words];
    }
    if (words > HEAP_LARGE_WORDS && mode != GC_SMALL) {
        Value large = gc_move_to_large(gc, o, h, words, (h & OBJ_F_HASH_STORED) != 0, hash);
        if (large)
            return large;
    }
    Value *to = to_alloc(gc, total + add_hash, mode);
    memcpy(to, o, total * GC_WORD);
    if (add_hash)
        to[total] = hash;
    to[0] = gc_header_after(h, mode);
    gc->copied += total;
    gc_moved(gc, o, to, h, words);
    return value_ptr(to);
}

static inline __attribute__((always_inline)) Value gc_move(Gc *gc, Object *o, uint64_t h,
                                                           GcMode mode)
{
    size_t words = (size_t)(h >> 32 & 0xFFFF);
    if (__builtin_expect(words > HEAP_LARGE_WORDS || (h & OBJ_F_HASHED), 0))
        return gc_move_slow(gc, o, h, mode);
    size_t total = 1 + words + (size_t)(h >> 56 & 1); /* OBJ_F_HASH_STORED */
    Value *to = to_alloc(gc, total, mode);
    to[0] = gc_header_after(h, mode);
    const Value *from = &o->header;
    switch (total) {
    case 4: to[3] = from[3]; /* fall through */
    case 3: to[2] = from[2]; /* fall through */
    case 2: to[1] = from[1]; /* fall through */
    case 1: break;
    default: memcpy(to + 1, from + 1, (total - 1) * GC_WORD);
    }
    gc->copied += total;
    gc_moved(gc, o, to, h, words);
    return value_ptr(to);
}
_Static_assert(OBJ_F_HASH_STORED == UINT64_C(1) << 56, "gc_move reads it as a number");

/* A frozen object was reached: the heap keeps holding its region. A region that is not in the set
 * was reached through another one, which holds it and is itself held until the end of this
 * collection. */
static void gc_mark_region(Gc *gc, const Object *o)
{
    Region *region = region_of(o);
    if (region == gc->marked)
        return;
    gc->marked = region;
    HeapExt *ext = gc->heap->ext;
    if (!ext || region_is_immortal(region))
        return;
    uintptr_t *entry = holds_find(&ext->holds, region);
    if (!entry) {
        if (holds_add(gc->cx->env->env, &ext->holds, region) != STATUS_OK) {
            gc->keep_holds = true;
            gc->marked = NULL;
            return;
        }
        region_retain(region);
        entry = holds_find(&ext->holds, region);
    }
    *entry |= HOLD_MARK;
}

/* What an object that does not move (frozen, large) becomes. */
static __attribute__((noinline)) Value gc_stay(Gc *gc, Object *o, uint64_t h)
{
    if (h & OBJ_F_FROZEN) {
        gc_mark_region(gc, o);
        return value_ptr(o);
    }
    assert(h & OBJ_F_LARGE);
    if (gc->become) {
        GcBecome *b = gc->become;
        if (o == b->a)
            return b->new_of_b;
        if (o == b->b && !b->one_way)
            return b->new_of_a;
    }
    if (!(h & OBJ_F_MARK))
        gc_push_large(gc, large_of(o));
    return value_ptr(o);
}

static inline __attribute__((always_inline)) void gc_slot(Gc *gc, Value *slot, GcMode mode)
{
    Value v = *slot;
    if (!value_is_ptr(v))
        return;
    Object *o = obj_of(v);
    uint64_t h = o->header;
    if (h >> 48 == 0) { /* forwarded */
        *slot = h;
        return;
    }
    if (mode == GC_MINOR) {
        if (h & (OBJ_F_OLD | OBJ_F_FROZEN))
            return;
        if (__builtin_expect(h & OBJ_F_LARGE, 0)) {
            if (!(h & OBJ_F_MARK))
                gc_push_large(gc, large_of(o));
            return;
        }
    } else if (__builtin_expect((h & (OBJ_F_FROZEN | OBJ_F_LARGE)) != 0, 0)) {
        *slot = gc_stay(gc, o, h);
        return;
    }
    *slot = gc_move(gc, o, h, mode);
}

/* ---- scanning ----------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void gc_range(Gc *gc, Value *first, size_t n,
                                                           GcMode mode)
{
    for (size_t i = 0; i < n; i++)
        gc_slot(gc, first + i, mode);
}

static void gc_note_code(Gc *gc, const Object *closure)
{
    void *code = closure_code(closure);
    size_t i = (size_t)((uintptr_t)code >> 4) % GC_CODES;
    if (gc->codes[i] == code)
        return;
    gc->codes[i] = code;
    const Object *handle = gc_code_handle(gc->cx->env, closure);
#ifndef MAGGIE_MUTANT_GC_CODE
    if (handle)
        gc_mark_region(gc, handle);
#else
    (void)handle;
#endif
}

static inline __attribute__((always_inline)) void gc_drain(Gc *gc, GcMode mode)
{
    for (;;) {
        Object *o = gc->work;
        if (o) {
            Object *copy = obj_of(o->header);
            gc->work = obj_of(o->words[0]);
            if (mode != GC_MINOR && obj_kind(copy) == OBJ_CLOSURE)
                gc_note_code(gc, copy);
            gc_range(gc, obj_slots(copy), obj_words(copy), mode);
            continue;
        }
        LargeObject *large = gc->large_work;
        if (!large)
            return;
        gc->large_work = large->work;
        gc->scanned += obj_words(&large->object);
        gc_range(gc, obj_slots(&large->object), obj_words(&large->object), mode);
    }
}

static void gc_drain_mode(Gc *gc, GcMode mode)
{
    if (mode == GC_SMALL)
        gc_drain(gc, GC_SMALL);
    else if (mode == GC_MINOR)
        gc_drain(gc, GC_MINOR);
    else
        gc_drain(gc, GC_MAJOR);
}

/* Root runs may overlap, so a root may already lead to a copy. Old copies of MINOR are recognised
 * by their flag, the others by address: only roots need that. */
static inline __attribute__((always_inline)) void
gc_roots(Gc *gc, Value *first, size_t n, const Value *to_lo, const Value *to_hi, GcMode mode)
{
#ifdef MAGGIE_MUTANT_GC_ROOT
    n -= n > 2;
#endif
    for (size_t i = 0; i < n; i++) {
        Value v = first[i];
        if (v >= value_ptr(to_lo) && v < value_ptr(to_hi))
            continue;
        gc_slot(gc, first + i, mode);
    }
}

/* become: substituting twice would undo it, so a visited root bears a tag until all are visited. */
#define GC_ROOT_TAG ((Value)1)

static void gc_roots_become(Gc *gc, Value *first, size_t n, GcMode mode)
{
    for (size_t i = 0; i < n; i++) {
        if (!value_is_ptr(first[i]) || (first[i] & GC_ROOT_TAG))
            continue;
        if (mode == GC_SMALL)
            gc_slot(gc, first + i, GC_SMALL);
        else
            gc_slot(gc, first + i, GC_MAJOR);
        first[i] |= GC_ROOT_TAG;
    }
}

static void gc_visit_untag(void *arg, Value *first, size_t n)
{
    (void)arg;
    for (size_t i = 0; i < n; i++) {
        if (value_is_ptr(first[i]))
            first[i] &= ~GC_ROOT_TAG;
    }
}

static void gc_visit_small(void *arg, Value *first, size_t n)
{
    Gc *gc = arg;
    if (gc->become)
        gc_roots_become(gc, first, n, GC_SMALL);
    else
        gc_roots(gc, first, n, gc->to, gc->to_end, GC_SMALL);
}

static void gc_visit_minor(void *arg, Value *first, size_t n) { gc_range(arg, first, n, GC_MINOR); }

static void gc_visit_major(void *arg, Value *first, size_t n)
{
    Gc *gc = arg;
    if (gc->become)
        gc_roots_become(gc, first, n, GC_MAJOR);
    else
        gc_roots(gc, first, n, gc->chunk->body, gc->to, GC_MAJOR);
}

/* ---- remembered objects (MINOR) ----------------------------------------------------------- */

static void gc_scan_old_object(Gc *gc, Object *o)
{
    ObjKind kind = obj_kind(o);
    gc->scanned += obj_words(o);
    if (kind_has_values(kind)) {
        gc_range(gc, obj_slots(o), obj_words(o), GC_MINOR);
    } else if (kind == OBJ_WEAK) {
        o->words[1] = value_ptr(gc->weak);
        gc->weak = o;
    }
}

/* The remembered set lost something: every old object may hold a young pointer. The chunks are
 * walked up to where they ended when the collection began. */
static void gc_scan_all_old(Gc *gc, OldChunk *first, const Value *first_top)
{
    for (OldChunk *c = first; c; c = c->next) {
        const Value *top = c == first ? first_top : c->top;
        for (Value *p = c->body; p < top;) {
            Object *o = (Object *)p;
            p += obj_total_words(o);
            o->header |= OBJ_F_GUARD;
            gc_scan_old_object(gc, o);
        }
    }
}

static void gc_scan_remembered(Gc *gc)
{
    Remembered *set = &gc->old->remembered;
    if (set->overflow) {
        gc_scan_all_old(gc, gc->old->chunks, gc->old->top);
    } else {
        for (size_t i = 0; i < set->count; i++) {
            set->at[i]->header |= OBJ_F_GUARD;
            gc_scan_old_object(gc, set->at[i]);
        }
    }
    set->count = 0;
    set->overflow = false;
}

static void gc_scan_cards(Gc *gc, LargeObject *large)
{
    Value *slots = obj_slots(&large->object);
    size_t words = obj_words(&large->object);
    for (size_t card = 0; card < large->ncards; card++) {
        if (!large->cards[card])
            continue;
        large->cards[card] = 0;
        size_t first = card * GC_CARD_WORDS;
        size_t n = words - first < GC_CARD_WORDS ? words - first : GC_CARD_WORDS;
        gc->scanned += n;
        gc_range(gc, slots + first, n, GC_MINOR);
    }
}

static void gc_scan_dirty(Gc *gc)
{
    for (LargeObject *large = gc->old->dirty; large; large = large->next_dirty) {
        large->is_dirty = false;
        gc_scan_cards(gc, large);
    }
    gc->old->dirty = NULL;
    gc->old->dirty_cards = 0;
}

/* A major collection sees everything: what was remembered does not matter. */
static void gc_forget_remembered(OldSpace *old)
{
    old->remembered.count = 0;
    old->remembered.overflow = false;
    for (LargeObject *large = old->dirty; large; large = large->next_dirty) {
        large->is_dirty = false;
        memset(large->cards, 0, large->ncards);
    }
    old->dirty = NULL;
    old->dirty_cards = 0;
}

/* ---- after tracing ------------------------------------------------------------------------ */

/* The value of a weak reference after the collection: nil when nothing else reached its target. */
static Value gc_weak_target(Gc *gc, Value v, GcMode mode)
{
    if (!value_is_ptr(v))
        return v;
    Object *o = obj_of(v);
    uint64_t h = o->header;
    if (h >> 48 == 0)
        return h;
    if (h & OBJ_F_FROZEN) {
        Region *region = region_of(o);
        if (mode == GC_MINOR || region_is_immortal(region))
            return v;
        uintptr_t *entry = holds_find(&gc->heap->ext->holds, region);
        return entry && (*entry & HOLD_MARK) ? v : VALUE_NIL;
    }
    if (mode == GC_MINOR && (h & OBJ_F_OLD))
        return v;
    if (h & OBJ_F_LARGE) {
        Value now = gc->become ? gc_stay(gc, o, h | OBJ_F_MARK) : v;
        return obj_of(now)->header & OBJ_F_MARK || now != v ? now : VALUE_NIL;
    }
    return VALUE_NIL;
}

static void gc_weaken(Gc *gc, GcMode mode)
{
    for (Object *weak = gc->weak; weak;) {
        Object *next = obj_of(weak->words[1]);
#ifdef MAGGIE_MUTANT_GC_WEAK
        gc_slot(gc, &weak->words[0], mode);
        gc_drain_mode(gc, mode);
#else
        weak->words[0] = gc_weak_target(gc, weak->words[0], mode);
#endif
        weak->words[1] = VALUE_NONE;
        weak = next;
    }
    gc->weak = NULL;
}

/* Where a handle object of the old lists went; NULL when it died. */
static Object *gc_handle_now(const Gc *gc, Object *o)
{
    if (!obj_is_forwarded(o))
        return NULL;
    if (gc->become && o == gc->become->a)
        return obj_of(gc->become->new_of_a);
    if (gc->become && o == gc->become->b)
        return obj_of(gc->become->new_of_b);
    return obj_of(o->header);
}

/* Links the survivors of `list` in front of *to and releases the others; answers the survivors'
 * off-heap bytes. */
static size_t gc_sweep_handles(Gc *gc, Value list, Value *to)
{
    size_t bytes = 0;
    while (list) {
        Object *o = obj_of(list);
        Object *now = gc_handle_now(gc, o);
        Value *link = handle_link(now ? now : o);
        list = *link; /* the copy was made with the link in it */
        if (now) {
            *link = *to;
            *to = value_ptr(now);
            bytes += handle_charge(now);
        } else {
#ifndef MAGGIE_MUTANT_GC_HANDLE
            handle_release(gc->cx->env, o);
#endif
        }
    }
    return bytes;
}

/* Reached young large objects become old, the others go. */
static void gc_sweep_large(Gc *gc, bool full)
{
    OldSpace *old = gc->old;
    LargeObject *lists[2] = {old->large_young, full ? old->large_old : NULL};
    if (full) {
        old->large_old = NULL;
        old->large_old_words = 0;
    }
    old->large_young = NULL;
    old->large_young_words = 0;
    for (int i = 0; i < 2; i++) {
        for (LargeObject *large = lists[i]; large;) {
            LargeObject *next = large->next;
            if (large->object.header & OBJ_F_MARK) {
                large->object.header &= ~OBJ_F_MARK;
                large->object.header |= OBJ_F_OLD | OBJ_F_GUARD;
                large->next = old->large_old;
                old->large_old = large;
                old->large_old_words += obj_words(&large->object);
            } else {
                large_free(old, large);
            }
            large = next;
        }
    }
}

static void gc_free_fragments(Gc *gc)
{
    for (Fragment *f = gc->from.fragments; f;) {
        Fragment *next = f->next;
        fragment_free_shell(gc->cx, f);
        f = next;
    }
}

/* ---- reserve ------------------------------------------------------------------------------ */

size_t gc_young_worst(const Heap *heap)
{
    size_t words = (size_t)(heap->hi - heap->hp) + fragments_words(heap);
    return words + (heap->hashed == HEAP_HASHED_MANY ? words : heap->hashed);
}

/* Makes room in the heap's set for the regions its fragments hold, and for the charge of
 * handles. */
static Status gc_reserve_holds(Heap *heap, HeapCtx *cx)
{
    size_t n = 0;
    if (heap->handles)
        STATUS_FORWARD(heap_need_ext(heap, cx));
    for (Fragment *f = heap->fragments; f; f = f->next)
        n += f->held ? holds_count(fragment_holds(f)) : 0;
    if (!n)
        return STATUS_OK;
    STATUS_FORWARD(heap_need_ext(heap, cx));
    return holds_reserve(cx->env->env, &heap->ext->holds, n);
}

static void gc_take_holds(Gc *gc)
{
    for (Fragment *f = gc->from.fragments; f; f = f->next) {
        if (f->held)
            holds_merge(gc->cx, &gc->heap->ext->holds, fragment_holds(f));
    }
}

/* Everything is reserved: from here on nothing fails. */
static void gc_begin(Gc *gc)
{
    Heap *heap = gc->heap;
    HeapCounters *counters = &gc->cx->counters;
    gc->from = *heap;
    counters->words_allocated += (size_t)(heap->hi - heap->hp) + fragments_words(heap);
    gc_take_holds(gc);
    heap->fragments = NULL;
    heap->handles = VALUE_NONE;
    heap->hashed = 0;
    heap->salt = heap->salt * 747796405u + 2891336453u;
    if (heap->streak % HEAP_STREAK_GROW < HEAP_STREAK_GROW - 1)
        heap->streak++;
}

static void gc_end(Gc *gc)
{
    gc_free_fragments(gc);
    gc->cx->counters.words_copied += gc->copied;
    gc->cx->counters.words_scanned += gc->scanned;
    if (gc->old && gc->old->pressure == GC_PRESSURE_COLLECTED)
        gc->old->pressure = GC_PRESSURE_NONE;
}

/* Every region that was reached stays held, the others are released. */
static void gc_sweep_holds(Gc *gc)
{
    HeapExt *ext = gc->heap->ext;
    if (!ext || !ext->holds)
        return;
    if (gc->keep_holds)
        holds_clear_marks(&ext->holds);
    else
        holds_sweep(gc->cx, &ext->holds);
    ext->last_hold = NULL;
    ext->swept_holds = holds_count(&ext->holds);
    ext->asked = atom_load_rlx(&gc->cx->env->ask); /* relaxed: an older one is asked again */
}

/* ---- become ------------------------------------------------------------------------------- */

/* Moves one of the two and takes it off the work list again: that list finds a copy by its old
 * header, which is about to lead to the other one. */
static Value gc_become_move(Gc *gc, Object *o, GcMode mode)
{
    if (o->header & OBJ_F_LARGE) {
        gc_push_large(gc, large_of(o));
        return value_ptr(o);
    }
    Object *work = gc->work;
    Value copy = mode == GC_SMALL ? gc_move(gc, o, o->header, GC_SMALL)
                                  : gc_move(gc, o, o->header, GC_MAJOR);
    gc->work = work;
    return copy;
}

static void gc_become_scan(Gc *gc, Value v, GcMode mode)
{
    Object *o = obj_of(v);
    if (o->header & OBJ_F_LARGE || !kind_has_values(obj_kind(o)))
        return;
    if (obj_kind(o) == OBJ_CLOSURE)
        gc_note_code(gc, o);
    if (mode == GC_SMALL)
        gc_range(gc, obj_slots(o), obj_words(o), GC_SMALL);
    else
        gc_range(gc, obj_slots(o), obj_words(o), GC_MAJOR);
}

/* Both move first, then their old copies forward crosswise, so that tracing substitutes. One way, a
 * moves too unless it is large: it is garbage, but its handle must be found in the sweep. */
static void gc_become_start(Gc *gc, GcMode mode)
{
    GcBecome *b = gc->become;
    bool a_large = (b->a->header & OBJ_F_LARGE) != 0;
    bool b_large = (b->b->header & OBJ_F_LARGE) != 0;
    b->new_of_b = gc_become_move(gc, b->b, mode);
    b->new_of_a = b->one_way && a_large ? VALUE_NONE : gc_become_move(gc, b->a, mode);
    if (!b->one_way) { /* a hash table that holds either finds it as before */
        heap_set_identity_hash(obj_of(b->new_of_a), b->hash_b);
        heap_set_identity_hash(obj_of(b->new_of_b), b->hash_a);
    }
    if (!a_large)
        b->a->header = b->new_of_b;
    if (!b->one_way && !b_large)
        b->b->header = b->new_of_a;
    gc_become_scan(gc, b->new_of_b, mode);
    if (b->new_of_a)
        gc_become_scan(gc, b->new_of_a, mode);
}

/* ---- the three collections ---------------------------------------------------------------- */

/* Traces from the roots and settles weak references and handles; answers off-heap bytes of the
 * survivors among the handles looked at. */
static void gc_trace(Gc *gc, const HeapRoots *roots, GcMode mode)
{
    static const HeapVisit visits[] = {gc_visit_small, gc_visit_minor, gc_visit_major};
    if (gc->become)
        gc_become_start(gc, mode);
    roots->each(roots->ctx, visits[mode], gc);
    if (gc->become)
        roots->each(roots->ctx, gc_visit_untag, gc);
    gc_drain_mode(gc, mode);
    gc_weaken(gc, mode);
}

/* Off-heap bytes of a collection that looked at all handles. */
static void gc_set_offheap(Gc *gc, size_t bytes)
{
    HeapExt *ext = gc->heap->ext;
    if (ext) {
        ext->offheap_old = bytes;
        ext->offheap_young = 0;
    }
}

Status gc_small(Heap *heap, HeapCtx *cx, const HeapRoots *roots, size_t stack_used,
                size_t block_words, GcBecome *become, size_t *copied)
{
    STATUS_FORWARD(gc_reserve_holds(heap, cx));
    uint8_t block_class;
    size_t words;
    Value *block = gc_block_alloc(cx, block_words, &block_class, &words);
    if (!block)
        return STATUS_NO_MEMORY;
    Gc gc = {.heap = heap, .cx = cx, .old = heap_old(heap), .become = become};
    gc_begin(&gc);
    memcpy(block, heap->lo, stack_used * GC_WORD);
    heap->lo = block;
    heap->hi = block + words;
    heap->block_class = block_class;
    gc.to = gc.to_end = heap->hi;
    gc_trace(&gc, roots, GC_SMALL);
    heap->hp = gc.to;
    size_t bytes = gc_sweep_handles(&gc, gc.from.handles, &heap->handles);
    if (gc.old) {
        bytes += gc_sweep_handles(&gc, gc.old->handles, &heap->handles);
        gc.old->handles = VALUE_NONE;
    }
    gc_set_offheap(&gc, bytes);
    gc_sweep_holds(&gc);
    gc_end(&gc);
    gc_block_free(cx, gc.from.lo, gc.from.block_class, (size_t)(gc.from.hi - gc.from.lo));
    if (gc.old)
        heap_drop_old(heap, cx);
    cx->counters.small_collections++;
    *copied += gc.copied;
    return STATUS_OK;
}

/* Room for `worst` more words of promoted objects. */
static Status gc_reserve_old(OldSpace *old, const Heap *heap, size_t worst)
{
    if (old->chunks && (size_t)(old->end - old->top) >= worst)
        return STATUS_OK;
    if (old->spare && (size_t)(old->spare->end - old->spare->body) >= worst)
        return STATUS_OK;
    size_t words = old_used_words(old) / 4;
    if (words < GC_CHUNK_MIN)
        words = GC_CHUNK_MIN;
    if (words < worst)
        words = worst;
    OldChunk *chunk = old_chunk_new(old, heap, words);
    if (!chunk)
        return STATUS_NO_MEMORY;
    if (old->spare)
        old_chunk_free(old, old->spare);
    old->spare = chunk;
    return STATUS_OK;
}

Status gc_minor(Heap *heap, HeapCtx *cx, const HeapRoots *roots, size_t stack_used, size_t *copied)
{
    OldSpace *old = heap->ext->old;
    STATUS_FORWARD(gc_reserve_holds(heap, cx));
    STATUS_FORWARD(gc_reserve_old(old, heap, gc_young_worst(heap)));
    Gc gc = {.heap = heap, .cx = cx, .old = old, .to = old->top, .to_end = old->end};
    if (!old->chunks)
        to_next_chunk(&gc);
    old->top = gc.to; /* where a walk over all old objects ends */
    gc_begin(&gc);
    gc_scan_remembered(&gc);
    gc_scan_dirty(&gc);
    gc_trace(&gc, roots, GC_MINOR);
    old->top = gc.to;
    old->end = gc.to_end;
    heap->ext->offheap_old += gc_sweep_handles(&gc, gc.from.handles, &old->handles);
    heap->ext->offheap_young = 0;
    gc_sweep_large(&gc, false);
    gc_end(&gc);
    heap->hp = heap->hi;
    Value *stack_end = heap->lo + stack_used;
    gc_scribble(stack_end, (size_t)(heap->hi - stack_end));
    cx->counters.minor_collections++;
    *copied += gc.copied;
    return STATUS_OK;
}

size_t gc_old_total(const Heap *heap)
{
    const OldSpace *old = heap->ext->old;
    return old_used_words(old) + old->large_old_words + heap->ext->offheap_old / GC_WORD;
}

static void gc_replace_chunks(Gc *gc)
{
    OldSpace *old = gc->old;
    if (old->chunks)
        old->chunks->top = old->top;
    for (OldChunk *c = old->chunks; c;) {
        OldChunk *next = c->next;
        old_chunk_free(old, c);
        c = next;
    }
    if (old->spare)
        old_chunk_free(old, old->spare);
    old->spare = NULL;
    old->chunks = gc->chunk;
    old->top = gc->to;
    old->end = gc->to_end;
    old->retired = 0;
    old->hashed = 0;
}

Status gc_major(Heap *heap, HeapCtx *cx, const HeapRoots *roots, size_t stack_used,
                GcBecome *become, size_t *copied)
{
    OldSpace *old = heap->ext->old;
    STATUS_FORWARD(gc_reserve_holds(heap, cx));
    size_t worst = old_used_words(old) + old->hashed + gc_young_worst(heap);
    OldChunk *chunk = old_chunk_new(old, heap, worst < GC_CHUNK_MIN ? GC_CHUNK_MIN : worst);
    if (!chunk)
        return STATUS_NO_MEMORY;
    Gc gc = {.heap = heap,
             .cx = cx,
             .old = old,
             .to = chunk->body,
             .to_end = chunk->end,
             .chunk = chunk,
             .become = become};
    gc_begin(&gc);
    gc_forget_remembered(old);
    gc_trace(&gc, roots, GC_MAJOR);
    Value old_handles = old->handles;
    old->handles = VALUE_NONE;
    size_t bytes = gc_sweep_handles(&gc, gc.from.handles, &old->handles);
    bytes += gc_sweep_handles(&gc, old_handles, &old->handles);
    gc_set_offheap(&gc, bytes);
    gc_sweep_large(&gc, true);
    gc_sweep_holds(&gc);
    gc_end(&gc);
    gc_replace_chunks(&gc);
    if (old->pressure == GC_PRESSURE_REFUSED)
        old->pressure = GC_PRESSURE_COLLECTED;
    size_t live = gc_old_total(heap);
    old->threshold = live + (live > GC_MAJOR_MIN ? live : GC_MAJOR_MIN);
    heap->hp = heap->hi;
    Value *stack_end = heap->lo + stack_used;
    gc_scribble(stack_end, (size_t)(heap->hi - stack_end));
    cx->counters.major_collections++;
    *copied += gc.copied;
    return STATUS_OK;
}
