/* SPDX-License-Identifier: Apache-2.0 */
/* heap.c - life of a process's heap: blocks, old space, large objects, stores, identity hashes.
 * Collection is in heap_collect.c, copying in heap_copy.c.
 * Threads: the owner of the heap.
 * Invariant: every pointer reachable from the process leads into its block, an adopted fragment,
 * its old chunks, its large objects or a frozen region it holds (I2). */
#include "gc_int.h"

_Static_assert(sizeof(Heap) == 56, "a Heap and one pointer fill a cache line of the process");
_Static_assert(sizeof(HeapExt) <= 64, "the extension fits the smallest pool class");
_Static_assert(sizeof(Fragment) == 4 * GC_WORD, "the smallest messages fit a cache line");
_Static_assert(POOL_CLASS_COUNT <= HEAP_BLOCK_BIG, "pool classes fit Fragment.pool_class");

/* ---- memory ------------------------------------------------------------------------------- */

size_t gc_block_words(size_t words)
{
    size_t bytes = words * GC_WORD;
    if (bytes <= POOL_SIZE_MAX)
        return pool_class_size(pool_class_of(bytes)) / GC_WORD;
    size_t page = 4096 / GC_WORD;
    return (words + page - 1) / page * page;
}

Value *gc_block_alloc(HeapCtx *cx, size_t words, uint8_t *block_class, size_t *got_words)
{
    size_t bytes = words * GC_WORD;
    *got_words = gc_block_words(words);
    if (bytes <= POOL_SIZE_MAX) {
        uint32_t size_class = pool_class_of(bytes);
        *block_class = (uint8_t)size_class;
        return pool_alloc(cx->pool, size_class);
    }
    *block_class = HEAP_BLOCK_BIG;
    return env_alloc(cx->env->env, *got_words * GC_WORD);
}

void gc_block_free(HeapCtx *cx, Value *block, uint8_t block_class, size_t words)
{
    gc_scribble(block, words);
    if (block_class == HEAP_BLOCK_BIG)
        env_free(cx->env->env, block, words * GC_WORD);
    else
        pool_free(cx->pool, block, block_class);
}

void *gc_big_alloc(const Env *env, size_t *bytes, bool zero, bool *mapped)
{
    *mapped = *bytes >= GC_MAP_MIN && zero;
    if (*mapped) {
        *bytes = (*bytes + 4095) & ~(size_t)4095;
        /* Huge pages only where rounding to their size wastes little. */
        bool huge = *bytes >= 4 * GC_MAP_ALIGN;
        if (huge)
            *bytes = (*bytes + GC_MAP_ALIGN - 1) & ~(GC_MAP_ALIGN - 1);
        return env->map(env->ctx, *bytes, huge ? GC_MAP_ALIGN : 4096, huge);
    }
    return zero ? env_calloc(env, *bytes) : env_alloc(env, *bytes);
}

void gc_big_free(const Env *env, void *block, size_t bytes, bool mapped)
{
    if (mapped)
        env->unmap(env->ctx, block, bytes);
    else
        env_free(env, block, bytes);
}

/* ---- old space ---------------------------------------------------------------------------- */

/* The next salt of a chunk or large object: the same in every run of a seed. */
static uint32_t old_next_salt(OldSpace *old, const Heap *heap)
{
    return (uint32_t)hash_mix64((uint64_t)heap->salt << 32 | ++old->serial);
}

OldChunk *old_chunk_new(OldSpace *old, const Heap *heap, size_t words)
{
    size_t bytes = sizeof(OldChunk) + words * GC_WORD;
    bool mapped;
    OldChunk *chunk = gc_big_alloc(old->env, &bytes, bytes >= 8 * GC_MAP_ALIGN, &mapped);
    if (!chunk)
        return NULL;
    chunk->next = NULL;
    chunk->top = chunk->body;
    chunk->end = chunk->body + (bytes - sizeof(OldChunk)) / GC_WORD;
    chunk->bytes = bytes;
    chunk->salt = old_next_salt(old, heap);
    chunk->mapped = mapped;
    return chunk;
}

void old_chunk_free(OldSpace *old, OldChunk *chunk)
{
    gc_scribble(chunk->body, (size_t)(chunk->top - chunk->body));
    gc_big_free(old->env, chunk, chunk->bytes, chunk->mapped);
}

LargeObject *large_new(OldSpace *old, const Heap *heap, uint64_t header, size_t payload_words)
{
    bool values = kind_has_values((ObjKind)(header >> 48 & 0x1F));
    size_t ncards = values ? (payload_words + GC_CARD_WORDS - 1) / GC_CARD_WORDS : 0;
    size_t object_words = obj_alloc_words(payload_words) + 1; /* one for a stored hash */
    size_t cards_at = offsetof(LargeObject, object) + object_words * GC_WORD;
    size_t bytes = cards_at + ncards;
    bool mapped;
    /* Zero words are no values: the object may be scanned before it is filled. */
    LargeObject *large = gc_big_alloc(old->env, &bytes, true, &mapped);
    if (!large)
        return NULL;
    large->cards = (uint8_t *)large + cards_at;
    large->ncards = ncards;
    large->bytes = bytes;
    large->mapped = mapped;
    large->salt = old_next_salt(old, heap);
    large->object.header = header | OBJ_F_LARGE;
    if (payload_words >= OBJ_SIZE_BIG)
        large->object.words[0] = payload_words;
    return large;
}

void large_free(OldSpace *old, LargeObject *large)
{
    gc_big_free(old->env, large, large->bytes, large->mapped);
}

static void large_free_list(OldSpace *old, LargeObject *list)
{
    while (list) {
        LargeObject *next = list->next;
        large_free(old, list);
        list = next;
    }
}

size_t old_used_words(const OldSpace *old)
{
    return old->retired + (old->chunks ? (size_t)(old->top - old->chunks->body) : 0);
}

static void old_free_chunks(OldSpace *old)
{
    if (old->chunks)
        old->chunks->top = old->top;
    for (OldChunk *c = old->chunks; c;) {
        OldChunk *next = c->next;
        old_chunk_free(old, c);
        c = next;
    }
    old->chunks = NULL;
    if (old->spare)
        old_chunk_free(old, old->spare);
    old->spare = NULL;
}

static void old_destroy(OldSpace *old, HeapCtx *cx)
{
    handle_list_release(cx->env, old->handles);
    old_free_chunks(old);
    large_free_list(old, old->large_young);
    large_free_list(old, old->large_old);
    env_free(old->env, old->remembered.at, old->remembered.capacity * sizeof(Object *));
    pool_free(cx->pool, old, pool_class_of(sizeof *old));
}

void heap_drop_old(Heap *heap, HeapCtx *cx)
{
    OldSpace *old = heap->ext->old;
    assert(!old->handles && !old->large_young && !old->large_old);
    old_destroy(old, cx);
    heap->ext->old = NULL;
}

Status heap_need_ext(Heap *heap, HeapCtx *cx)
{
    if (heap->ext)
        return STATUS_OK;
    HeapExt *ext = pool_alloc(cx->pool, pool_class_of(sizeof *ext));
    if (!ext)
        return STATUS_NO_MEMORY;
    memset(ext, 0, sizeof *ext);
    ext->asked = atom_load_rlx(&cx->env->ask); /* relaxed: nothing to let go of yet */
    heap->ext = ext;
    return STATUS_OK;
}

Status heap_need_old(Heap *heap, HeapCtx *cx)
{
    STATUS_FORWARD(heap_need_ext(heap, cx));
    if (heap->ext->old)
        return STATUS_OK;
    OldSpace *old = pool_alloc(cx->pool, pool_class_of(sizeof *old));
    if (!old)
        return STATUS_NO_MEMORY;
    memset(old, 0, sizeof *old);
    old->env = cx->env->env;
    old->threshold = GC_MAJOR_MIN;
    heap->ext->old = old;
    return STATUS_OK;
}

/* ---- life --------------------------------------------------------------------------------- */

void heap_env_init(HeapEnv *henv, Env *env, PoolGlobal *pools)
{
    memset(henv, 0, sizeof *henv);
    henv->env = env;
    henv->pools = pools;
    henv->stack_cap_bytes = HEAP_STACK_CAP_BYTES;
    henv->copy_cap_words = HEAP_COPY_CAP_WORDS;
    henv->long_words = HEAP_LONG_WORDS;
#ifdef MAGGIE_GC_STRESS
    henv->verify = true;
#endif
}

Status heap_init(Heap *heap, HeapCtx *cx, size_t block_words, uint32_t salt)
{
    memset(heap, 0, sizeof *heap);
    size_t words;
    uint8_t block_class;
    if (block_words < HEAP_FIRST_BLOCK_WORDS)
        block_words = HEAP_FIRST_BLOCK_WORDS;
    Value *block = gc_block_alloc(cx, block_words, &block_class, &words);
    if (!block)
        return STATUS_NO_MEMORY;
    heap->lo = block;
    heap->hi = heap->hp = block + words;
    heap->block_class = block_class;
    heap->salt = salt;
    return STATUS_OK;
}

void heap_destroy(Heap *heap, HeapCtx *cx)
{
    handle_list_release(cx->env, heap->handles);
    HeapExt *ext = heap->ext;
    if (ext) {
        if (ext->old)
            old_destroy(ext->old, cx);
        holds_release_all(cx, ext->holds);
        pool_free(cx->pool, ext, pool_class_of(sizeof *ext));
    }
    while (heap->fragments) {
        Fragment *f = heap->fragments;
        heap->fragments = f->next;
        if (f->held)
            holds_release_all(cx, *fragment_holds(f));
        fragment_free_shell(cx, f);
    }
    if (heap->lo)
        gc_block_free(cx, heap->lo, heap->block_class, (size_t)(heap->hi - heap->lo));
    memset(heap, 0, sizeof *heap);
}

Status heap_set_cap(Heap *heap, HeapCtx *cx, size_t bytes)
{
    STATUS_FORWARD(heap_need_ext(heap, cx));
    heap->ext->cap_bytes = bytes;
    return STATUS_OK;
}

size_t heap_cap(const Heap *heap, const HeapCtx *cx)
{
    size_t cap = heap->ext ? heap->ext->cap_bytes : 0;
    if (!cap)
        cap = cx->env->default_cap_bytes;
    return cap ? cap : SIZE_MAX;
}

size_t heap_bytes(const Heap *heap)
{
    size_t words = (size_t)(heap->hi - heap->lo) + fragments_words(heap);
    size_t bytes = fragments_offheap(heap);
    if (heap->ext) {
        const OldSpace *old = heap->ext->old;
        bytes += heap->ext->offheap_young + heap->ext->offheap_old;
        if (old)
            words += old_used_words(old) + old->large_young_words + old->large_old_words;
    }
    return bytes + words * GC_WORD;
}

bool heap_over_cap(const Heap *heap, const HeapCtx *cx, size_t bytes)
{
    size_t cap = heap_cap(heap, cx);
    return bytes > cap || heap_bytes(heap) > cap - bytes;
}

/* ---- allocation --------------------------------------------------------------------------- */

Status heap_cap_refused(Heap *heap, HeapCtx *cx)
{
    STATUS_FORWARD(heap_need_old(heap, cx));
    OldSpace *old = heap->ext->old;
    if (old->pressure == GC_PRESSURE_COLLECTED) {
        old->pressure = GC_PRESSURE_NONE;
        return STATUS_HEAP_LIMIT;
    }
    old->pressure = GC_PRESSURE_REFUSED;
    return STATUS_HEAP_FULL;
}

static void heap_cap_granted(Heap *heap)
{
    if (heap->ext->old)
        heap->ext->old->pressure = GC_PRESSURE_NONE;
}

Status heap_charge_offheap(Heap *heap, HeapCtx *cx, size_t bytes)
{
    STATUS_FORWARD(heap_need_ext(heap, cx));
    HeapExt *ext = heap->ext;
    size_t cap = heap_cap(heap, cx);
    if (bytes > cap)
        return STATUS_HEAP_LIMIT;
    size_t soft = GC_LARGE_YOUNG_MIN * GC_WORD;
    if (soft < ext->offheap_old)
        soft = ext->offheap_old;
    if (ext->offheap_young && ext->offheap_young + bytes > soft)
        return STATUS_HEAP_FULL;
    if (heap_bytes(heap) + bytes > cap)
        return heap_cap_refused(heap, cx);
    heap_cap_granted(heap);
    ext->offheap_young += bytes;
    return STATUS_OK;
}

static Status heap_new_large(Heap *heap, HeapCtx *cx, uint64_t header, size_t payload_words,
                             Object **out)
{
    size_t cap = heap_cap(heap, cx);
    if (payload_words > GC_OBJECT_MAX || payload_words * GC_WORD > cap)
        return STATUS_HEAP_LIMIT;
    STATUS_FORWARD(heap_need_old(heap, cx));
    OldSpace *old = heap->ext->old;
    if (heap_bytes(heap) + payload_words * GC_WORD > cap)
        return heap_cap_refused(heap, cx);
    size_t soft = old_used_words(old) + old->large_old_words;
    if (soft < GC_LARGE_YOUNG_MIN)
        soft = GC_LARGE_YOUNG_MIN;
    if (old->large_young_words && old->large_young_words + payload_words > soft)
        return STATUS_HEAP_FULL;
    LargeObject *large = large_new(old, heap, header, payload_words);
    if (!large)
        return STATUS_NO_MEMORY;
    heap_cap_granted(heap);
    large->next = old->large_young;
    old->large_young = large;
    old->large_young_words += payload_words;
    *out = &large->object;
    return STATUS_OK;
}

Status heap_try_new(Heap *heap, HeapCtx *cx, const Value *stack_end, uint32_t cls, ObjKind kind,
                    unsigned pad, size_t payload_words, Object **out)
{
    unsigned size_field = payload_words < OBJ_SIZE_BIG ? (unsigned)payload_words : OBJ_SIZE_BIG;
    uint64_t header = obj_header(cls, size_field, kind, pad);
    if (payload_words > HEAP_LARGE_WORDS)
        return heap_new_large(heap, cx, header, payload_words, out);
    Object *o = heap_try_alloc(heap, stack_end, 1 + payload_words);
    if (!o)
        return STATUS_HEAP_FULL;
    o->header = header;
    *out = o;
    return STATUS_OK;
}

Status heap_new_handle(Heap *heap, HeapCtx *cx, const Value *stack_end, uint32_t cls,
                       OffHeap *object, Value *out)
{
    Object *o;
    STATUS_FORWARD(heap_try_new(heap, cx, stack_end, cls, OBJ_HANDLE, 0, 2, &o));
    offheap_retain(object);
    o->words[0] = value_ptr(object);
    o->words[1] = heap->handles;
    heap->handles = value_ptr(o);
    *out = value_ptr(o);
    return STATUS_OK;
}

/* ---- stores ------------------------------------------------------------------------------- */

static bool remembered_push(const Env *env, Remembered *set, Object *o)
{
    if (set->count == set->capacity) {
        size_t capacity = set->capacity ? set->capacity * 2 : 64;
        Object **at = env_realloc(env, set->at, set->capacity * sizeof *at, capacity * sizeof *at);
        if (!at) {
            set->overflow = true;
            return false;
        }
        set->at = at;
        set->capacity = capacity;
    }
    set->at[set->count++] = o;
    return true;
}

bool heap_store_slow(Heap *heap, Object *o, Value *slot, Value v)
{
#ifndef MAGGIE_MUTANT_GC_FROZEN_STORE
    if (o->header & OBJ_F_FROZEN)
        return false;
#endif
    *slot = v;
    OldSpace *old = heap->ext ? heap->ext->old : NULL;
    if (!old)
        return true;
    if (o->header & OBJ_F_LARGE) {
        if (!value_is_ptr(v) || (obj_of(v)->header & (OBJ_F_OLD | OBJ_F_FROZEN)))
            return true;
#ifndef MAGGIE_MUTANT_GC_CARD
        LargeObject *large = large_of(o);
        uint8_t *card = &large->cards[(size_t)(slot - obj_slots(o)) / GC_CARD_WORDS];
        old->dirty_cards += !*card;
        *card = 1;
        if (!large->is_dirty) {
            large->is_dirty = true;
            large->next_dirty = old->dirty;
            old->dirty = large;
        }
#endif
        return true;
    }
#ifndef MAGGIE_MUTANT_GC_REMEMBER
    /* Whatever v is: an object stored to once is likely stored to again, and then inline. */
    if (remembered_push(old->env, &old->remembered, o))
#endif
        o->header &= ~OBJ_F_GUARD;
    return true;
}

/* ---- identity hash ------------------------------------------------------------------------ */

static uint32_t hash_place(uint32_t salt, size_t offset)
{
    return (uint32_t)(hash_mix64((uint64_t)salt << 32 ^ offset * 0x9E3779B97F4A7C15u) >> 34);
}

static bool hash_in_old(const OldSpace *old, const Value *p, uint32_t *hash)
{
    for (const OldChunk *c = old->chunks; c; c = c->next) {
        if (p >= c->body && p < c->end) {
            *hash = hash_place(c->salt, (size_t)(p - c->body));
            return true;
        }
    }
    return false;
}

uint32_t heap_address_hash(const Heap *heap, const Object *o)
{
    const Value *p = (const Value *)(const void *)o;
    uint32_t hash = 0;
    if (o->header & OBJ_F_FROZEN) {
        const Region *region = region_of(o);
        return hash_place(region->salt, (size_t)(p - region->body));
    }
    if (o->header & OBJ_F_LARGE)
        return large_of((Object *)(uintptr_t)o)->salt >> LARGE_HASH_SHIFT;
    if (p >= heap->lo && p < heap->hi)
        return hash_place(heap->salt, (size_t)(heap->hi - p));
    if (heap_old(heap) && hash_in_old(heap_old(heap), p, &hash))
        return hash;
    /* Bounded by GC_FRAGMENTS_MAX; the newest, most likely one comes first. */
    for (const Fragment *f = heap->fragments; f; f = f->next) {
        if (p >= f->body && p < f->body + f->words)
            return hash_place((uint32_t)f->handles, (size_t)(p - f->body));
    }
    assert(false && "object of another heap");
    return hash;
}

uint32_t heap_identity_hash(Heap *heap, Object *o)
{
    if (o->header & OBJ_F_HASH_STORED)
        return (uint32_t)obj_slots(o)[obj_words(o)];
    if (!(o->header & (OBJ_F_HASHED | OBJ_F_FROZEN | OBJ_F_LARGE))) {
        /* It grows by a word when it moves; the reserve of a collection counts these. */
        o->header |= OBJ_F_HASHED;
        if (o->header & OBJ_F_OLD)
            heap->ext->old->hashed++;
        else if (heap->hashed != HEAP_HASHED_MANY)
            heap->hashed++;
    }
    return heap_address_hash(heap, o);
}

void heap_set_identity_hash(Object *o, uint32_t hash)
{
    if (o->header & OBJ_F_HASH_STORED) {
        obj_slots(o)[obj_words(o)] = hash;
        return;
    }
    assert(o->header & OBJ_F_LARGE);
    large_of(o)->salt = hash << LARGE_HASH_SHIFT;
}
