/* SPDX-License-Identifier: Apache-2.0 */
/* heap_copy.c - structure-preserving copies out of a heap (D1): into fragments, first blocks of new
 * processes, and frozen regions. One copier for all three.
 *
 * One pass, Cheney style: objects are copied upwards into one contiguous buffer, whose unscanned
 * part still holds addresses of the source; each copied source object's header holds the copy's
 * address until the end, when a log puts the headers back (M2: only the sender's private heap is
 * written, and the sender is the one who runs). A buffer that is too small is replaced by one
 * twice the size and everything in it relocated.
 *
 * Threads: the owner of the source heap.
 * Invariant: on return, whatever the outcome, the source is as it was. */
#include "gc_int.h"

#define COPY_LOG_LOCAL 24
/* Copies up to this many words are made on the C stack when their final place depends on their
 * size. */
#define COPY_SCRATCH 96
/* A big fragment's block begins with its size and a spare word, a pool block with the fragment. */
#define FRAGMENT_BIG_HEAD 2
#define COPY_RARE (GC_KIND_BIT(OBJ_WEAK) | GC_KIND_BIT(OBJ_CLOSURE))
/* Objects of at most so many words, header included, with slots and without an identity hash, are
 * copied where the reference to them is found. */
#define COPY_PLAIN_WORDS 9
#define COPY_NOT_PLAIN                                                                             \
    ((UINT64_C(0x1F) << 48) | OBJ_F_FROZEN | OBJ_F_LARGE | OBJ_F_HASHED | OBJ_F_HASH_STORED)
#define FRAGMENT_HEAD (sizeof(Fragment) / GC_WORD)

typedef struct CopyLog {
    Object *object;
    uint64_t header; /* as it was */
} CopyLog;

/* Where copies go: the words after the first `head` ones of a block. */
typedef struct CopyBuffer {
    Value *block;
    size_t words;        /* of the block */
    size_t front;        /* words in front for a Fragment with its extra words, or 0 */
    size_t head;         /* front, and FRAGMENT_BIG_HEAD for a big fragment */
    uint8_t block_class; /* see gc_block_alloc */
    bool borrowed;       /* the caller's, not to be freed */
} CopyBuffer;

typedef struct Copier {
    HeapCtx *cx;
    const Heap *source;
    CopyBuffer buffer;
    Value *base; /* buffer.block + buffer.head */
    Value *top;
    Value *end;
    size_t budget;   /* words */
    Status beyond;   /* what to answer when they do not suffice */
    uint64_t flags;  /* OBJ_F_FROZEN or 0 */
    unsigned prefix; /* words in front of each object: 1 for the region of frozen ones */
    CopyLog *log;
    size_t logged;
    size_t log_capacity;
    RegionHold *holds;
    const Region *held; /* last region found held */
    Value handles;      /* list of copied handle objects */
    Object *culprit;
    bool closures; /* one was copied */
    bool grown;
    CopyLog local_log[COPY_LOG_LOCAL];
} Copier;

/* ---- relocation --------------------------------------------------------------------------- */

static inline void relocate_slots(const Relocation *r, Value *slots, size_t n)
{
    for (size_t i = 0; i < n; i++)
        slots[i] = relocate_value(r, slots[i]);
}

void relocate_objects(const Relocation *r, Value *first, const Value *top)
{
    for (Value *p = first; p < top;) {
        if (r->region)
            *p = value_ptr(r->region);
        Object *o = (Object *)(p + r->prefix);
        if (kind_has_values(obj_kind(o)))
            relocate_slots(r, obj_slots(o), obj_words(o));
        else if (kind_has_link(obj_kind(o)))
            relocate_slots(r, handle_link(o), 1);
        p += r->prefix + obj_total_words(o);
    }
}

/* ---- the buffer --------------------------------------------------------------------------- */

static void copy_buffer_free(HeapCtx *cx, CopyBuffer *b)
{
    if (b->block && !b->borrowed)
        gc_block_free(cx, b->block, b->block_class, b->words);
    b->block = NULL;
}

static Status copy_buffer_new(HeapCtx *cx, CopyBuffer *b, size_t front, size_t words)
{
    b->front = b->head = front;
    b->borrowed = false;
    if (front && (front + words) * GC_WORD > POOL_SIZE_MAX)
        b->head += FRAGMENT_BIG_HEAD;
    b->block = gc_block_alloc(cx, b->head + words, &b->block_class, &b->words);
    return b->block ? STATUS_OK : STATUS_NO_MEMORY;
}

/* The end of the buffer or of the budget. */
static void copier_set_end(Copier *c)
{
    c->end = c->buffer.block + c->buffer.words;
    if ((size_t)(c->end - c->base) > c->budget)
        c->end = c->base + c->budget;
}

/* A buffer with room for `more` further words; everything moves there. */
static __attribute__((noinline)) Status copier_grow(Copier *c, size_t more)
{
    size_t used = (size_t)(c->top - c->base);
    if (used + more > c->budget)
        return c->beyond;
    CopyBuffer bigger;
    size_t words = 2 * (used + more) < c->budget ? 2 * (used + more) : c->budget;
    STATUS_FORWARD(copy_buffer_new(c->cx, &bigger, c->buffer.front, words));
    c->grown = true;
    Value *base = bigger.block + bigger.head;
    memcpy(base, c->base, used * GC_WORD);
    Relocation r = {.from = (uintptr_t)c->base,
                    .bytes = used * GC_WORD,
                    .delta = (uintptr_t)base - (uintptr_t)c->base,
                    .prefix = c->prefix};
    relocate_objects(&r, base, base + used);
    c->handles = relocate_value(&r, c->handles);
    for (size_t i = 0; i < c->logged; i++)
        c->log[i].object->header += r.delta;
    copy_buffer_free(c->cx, &c->buffer);
    c->buffer = bigger;
    c->base = base;
    c->top = base + used;
    copier_set_end(c);
    return STATUS_OK;
}

/* ---- the log ------------------------------------------------------------------------------ */

static __attribute__((noinline)) Status copier_grow_log(Copier *c)
{
    const Env *env = c->cx->env->env;
    size_t old_bytes = c->log_capacity * sizeof(CopyLog);
    bool local = c->log == c->local_log;
    CopyLog *log =
        local ? env_alloc(env, 2 * old_bytes) : env_realloc(env, c->log, old_bytes, 2 * old_bytes);
    if (!log)
        return STATUS_NO_MEMORY;
    if (local)
        memcpy(log, c->local_log, old_bytes);
    c->log = log;
    c->log_capacity *= 2;
    return STATUS_OK;
}

static void copier_undo(Copier *c)
{
    size_t n = c->logged;
#ifdef MAGGIE_MUTANT_COPY_UNDO
    n -= n > 1;
#endif
    for (size_t i = 0; i < n; i++)
        c->log[i].object->header = c->log[i].header;
    if (c->log != c->local_log)
        env_free(c->cx->env->env, c->log, c->log_capacity * sizeof(CopyLog));
    c->log = c->local_log;
    c->logged = 0;
}

/* ---- copying ------------------------------------------------------------------------------ */

/* The copy refers to a frozen object: it holds its region. The source holds it too, so the count is
 * not zero. */
static Status copier_hold(Copier *c, const Object *o)
{
    Region *region = region_of(o);
    if (region == c->held || region_is_immortal(region))
        return STATUS_OK;
    if (!holds_find(&c->holds, region)) {
        STATUS_FORWARD(holds_add(c->cx->env->env, &c->holds, region));
#ifndef MAGGIE_MUTANT_COPY_HOLD
        region_retain(region);
#endif
    }
    c->held = region;
    return STATUS_OK;
}

static __attribute__((noinline)) void copier_handle(Copier *c, Object *copy)
{
    handle_retain(copy);
    *handle_link(copy) = c->handles;
    c->handles = value_ptr(copy);
}

/* The copy's identity hash is the original's, so that a copied hash table finds copied keys. Large
 * objects always carry it: whether theirs was asked for is not known. */
static __attribute__((noinline)) void copier_keep_hash(const Copier *c, const Object *o, Value *to,
                                                       size_t total)
{
    bool stored = (o->header & OBJ_F_HASH_STORED) != 0;
    to[total] =
        stored ? obj_slots((Object *)(uintptr_t)o)[obj_words(o)] : heap_address_hash(c->source, o);
    to[0] |= OBJ_F_HASH_STORED;
}

/* Copies the unfrozen object o and logs it; its copy in *out. */
static inline __attribute__((always_inline)) Status copier_copy(Copier *c, Object *o, Value *out)
{
    uint64_t h = o->header;
    size_t words = (size_t)(h >> 32 & 0xFFFF);
    size_t total = 1 + words;
    if (__builtin_expect(words == OBJ_SIZE_BIG, 0))
        total = 2 + (size_t)o->words[0];
    ObjKind kind = (ObjKind)(h >> 48 & 0x1F);
    if (__builtin_expect((GC_KIND_BIT(kind) & COPY_RARE) != 0, 0)) {
        if (kind == OBJ_WEAK) {
            c->culprit = o; /* what it means elsewhere to be the last reference is not defined */
            return STATUS_NOT_SENDABLE;
        }
        c->closures = true;
    }
    if (__builtin_expect(c->logged == c->log_capacity, 0))
        STATUS_FORWARD(copier_grow_log(c));
    bool hashed = (h & (OBJ_F_HASHED | OBJ_F_HASH_STORED | OBJ_F_LARGE)) != 0;
    size_t room = total + hashed;
    if (__builtin_expect((size_t)(c->end - c->top) < room + c->prefix, 0))
        STATUS_FORWARD(copier_grow(c, room + c->prefix));
    Value *to = c->top + c->prefix;
    if (total <= 4) {
        for (size_t i = 1; i < total; i++)
            to[i] = o->words[i - 1];
    } else {
        memcpy(to + 1, o->words, (total - 1) * GC_WORD);
    }
    to[0] = (h & ~(UINT64_C(0xFF) << 56)) | OBJ_F_ALIVE | c->flags;
    if (__builtin_expect(hashed, 0))
        copier_keep_hash(c, o, to, total);
    if (__builtin_expect(!kind_has_values(kind), 0) && kind_has_link(kind))
        copier_handle(c, (Object *)to);
    c->top = to + room;
    c->log[c->logged++] = (CopyLog){o, h};
    o->header = value_ptr(to);
    *out = value_ptr(to);
    return STATUS_OK;
}

/* What v becomes in the copy. */
static inline __attribute__((always_inline)) Status copier_value(Copier *c, Value v, Value *out)
{
    Object *o = obj_of(v);
    uint64_t h = o->header;
    if (h >> 48 == 0) {
        *out = h;
        return STATUS_OK;
    }
    if (__builtin_expect((h & OBJ_F_FROZEN) != 0, 0)) {
        *out = v;
        return copier_hold(c, o);
    }
    return copier_copy(c, o, out);
}

/* What lies in *slot of a copied object is no plain object, or there is no room. */
static __attribute__((noinline)) Status copier_slot(Copier *c, Value *slot)
{
    size_t at = (size_t)(slot - c->base); /* the buffer may move */
    Value copy;
    STATUS_FORWARD(copier_value(c, *slot, &copy));
    c->base[at] = copy;
    return STATUS_OK;
}

/* Copies what the object at `at` (an offset, the buffer may move) refers to; answers its end. The
 * copier's positions are in registers while plain objects are copied. */
static Status copier_scan(Copier *c, size_t at, size_t *next)
{
    Object *o = (Object *)(c->base + at + c->prefix);
    size_t words = obj_words(o);
    *next = at + c->prefix + obj_total_words(o);
    if (!kind_has_values(obj_kind(o)))
        return STATUS_OK;
    if (obj_kind(o) == OBJ_CLOSURE) {
        const Object *handle = gc_code_handle(c->cx->env, o);
        if (handle)
            STATUS_FORWARD(copier_hold(c, handle));
    }
    Value *slot = obj_slots(o), *last = slot + words, *top = c->top;
    CopyLog *log = c->log + c->logged, *log_end = c->log + c->log_capacity;
    const unsigned prefix = c->prefix;
    const uint64_t flags = c->flags | OBJ_F_ALIVE;
    for (; slot < last; slot++) {
        if (!value_is_ptr(*slot))
            continue;
        Object *from = obj_of(*slot);
        uint64_t h = from->header;
        if (h >> 48 == 0) {
            *slot = h;
            continue;
        }
        size_t total = 1 + (size_t)(h >> 32 & 0xFFFF);
        if (__builtin_expect(!(h & COPY_NOT_PLAIN) && total <= COPY_PLAIN_WORDS &&
                                 (size_t)(c->end - top) >= total + prefix && log < log_end,
                             1)) {
            Value *to = top + prefix;
            to[0] = (h & ~(UINT64_C(0xFF) << 56)) | flags;
            for (size_t i = 1; i < total; i++)
                to[i] = from->words[i - 1];
            top = to + total;
            *log++ = (CopyLog){from, h};
            from->header = value_ptr(to);
            *slot = value_ptr(to);
            continue;
        }
        c->top = top;
        c->logged = (size_t)(log - c->log);
        size_t offset = (size_t)(slot - c->base), left = (size_t)(last - slot);
        STATUS_FORWARD(copier_slot(c, slot));
        slot = c->base + offset;
        last = slot + left;
        top = c->top;
        log = c->log + c->logged;
        log_end = c->log + c->log_capacity;
    }
    c->top = top;
    c->logged = (size_t)(log - c->log);
    return STATUS_OK;
}

static void copier_init(Copier *c, HeapCtx *cx, const Heap *source)
{
    c->cx = cx;
    c->source = source;
    c->buffer.block = NULL;
    c->budget = cx->env->copy_cap_words ? cx->env->copy_cap_words : HEAP_COPY_CAP_WORDS;
    if (c->budget > UINT32_MAX / 2)
        c->budget = UINT32_MAX / 2; /* Fragment.words */
    c->beyond = STATUS_COPY_TOO_BIG;
    if (cx->copy_words && cx->copy_words < c->budget) {
        c->budget = cx->copy_words;
        c->beyond = STATUS_COPY_LONG;
    }
    c->flags = 0;
    c->prefix = 0;
    c->log = c->local_log;
    c->logged = 0;
    c->log_capacity = COPY_LOG_LOCAL;
    c->holds = NULL;
    c->held = NULL;
    c->handles = VALUE_NONE;
    c->culprit = NULL;
    c->closures = c->grown = false;
}

static void copier_use(Copier *c, const CopyBuffer *buffer)
{
    c->buffer = *buffer;
    c->base = c->top = buffer->block + buffer->head;
    copier_set_end(c);
}

static bool copy_needed(Value v) { return value_is_ptr(v) && !obj_is_frozen(obj_of(v)); }

/* Moves the finished copy to its final place, which the caller has allocated. */
static void copier_place(Copier *c, Value *to, Region *region)
{
    size_t words = (size_t)(c->top - c->base);
    memcpy(to, c->base, words * GC_WORD);
    Relocation r = {.from = (uintptr_t)c->base,
                    .bytes = words * GC_WORD,
                    .delta = (uintptr_t)to - (uintptr_t)c->base,
                    .prefix = c->prefix,
                    .region = region};
    relocate_objects(&r, to, to + words);
    c->handles = relocate_value(&r, c->handles);
    copy_buffer_free(c->cx, &c->buffer);
    c->base = to;
    c->top = to + words;
}

/* Gives back what a copy that will not be used has taken. */
static void copier_drop(Copier *c)
{
    handle_list_release(c->cx->env, c->handles);
    holds_release_all(c->cx, c->holds);
    copy_buffer_free(c->cx, &c->buffer);
}

/* Copies everything reachable from root, which must be an unfrozen object, and puts the source's
 * headers back. The copy of root comes first. On failure everything taken is given back. */
static Status copier_run(Copier *c, Value root, Value *culprit)
{
    Value ignored;
    Status status = copier_copy(c, obj_of(root), &ignored);
    size_t at = 0;
    while (status == STATUS_OK && at < (size_t)(c->top - c->base))
        status = copier_scan(c, at, &at);
    copier_undo(c);
    c->cx->counters.words_copied_out += (size_t)(c->top - c->base);
    if (status != STATUS_OK)
        copier_drop(c);
    if (culprit)
        *culprit = c->culprit ? value_ptr(c->culprit) : VALUE_NIL;
    return status;
}

/* ---- copies made elsewhere ------------------------------------------------------------------ */

bool heap_copy_is_made(const HeapCtx *cx, CopyKind kind, Value root, unsigned extra)
{
    const CopyWish *wish = cx->made ? &cx->made->wish : NULL;
    return wish && wish->kind == (uint8_t)kind && wish->root == root && wish->extra == extra;
}

/* Takes it; answers its outcome. */
static Status made_take(HeapCtx *cx, Value *culprit)
{
    cx->made->wish.kind = COPY_NOTHING;
    if (culprit)
        *culprit = cx->made->culprit;
    return cx->made->status;
}

/* The answer of a copy that did not work. */
static Status copy_failed(HeapCtx *cx, Status status, CopyKind kind, Value root, size_t extra)
{
    if (status == STATUS_COPY_LONG)
        cx->wish = (CopyWish){
            .root = root, .arg = VALUE_NIL, .kind = (uint8_t)kind, .extra = (uint8_t)extra};
    return status;
}

void heap_copy_make(Heap *source, HeapCtx *cx, CopyMade *made)
{
    const CopyWish *wish = &made->wish;
    Value frozen;
    made->fragment = NULL;
    made->region = NULL;
    if (wish->kind == COPY_REGION)
        made->status = frozen_copy(source, cx, wish->root, &frozen, &made->region, &made->culprit);
    else if (wish->kind == COPY_FRAGMENT)
        made->status =
            fragment_copy_out(source, cx, wish->root, wish->extra, &made->fragment, &made->culprit);
    else
        made->status =
            fragment_duplicate((const Fragment *)(uintptr_t)wish->root, cx, &made->fragment);
}

/* ---- fragments ---------------------------------------------------------------------------- */

/* What a copy took that grew on the way is remembered by class and size of its root: programs send
 * the same kind of thing again and again, and each time it grows all of it is moved. */
static CopyMemory *copy_memory(HeapCtx *cx, const Object *root)
{
    uint32_t key = (uint32_t)(root->header * 0x9E3779B1u) ^ (uint32_t)(root->header >> 32 & 0xFFFF);
    return &cx->copies[key % HEAP_COPY_MEMORIES];
}

static inline uint64_t copy_key(const Object *root)
{
    return root->header & UINT64_C(0x0000FFFFFFFFFFFF); /* class and size */
}

/* The words to guess for a copy of `root`: small messages fit the first time. */
static size_t copy_guess(HeapCtx *cx, const Object *root)
{
    const CopyMemory *memory = copy_memory(cx, root);
    if (memory->key == copy_key(root))
        return memory->words;
    size_t words = obj_total_words(root);
    return words + (words < 64 ? words : 64);
}

/* The copy of root took so many words, and so many had been guessed. */
static void copy_learn(HeapCtx *cx, const Object *root, size_t words, size_t guess, bool grown)
{
    CopyMemory *memory = copy_memory(cx, root);
    if (grown)
        *memory = (CopyMemory){copy_key(root), words};
    else if (memory->key == copy_key(root) && words < guess / 2)
        memory->key = 0; /* another like it would waste as much */
}

/* The fragment in front of a buffer with `used` words of objects. */
static Fragment *fragment_in(const CopyBuffer *b, size_t extra, size_t used)
{
    size_t at = b->head - b->front;
    Fragment *f = (Fragment *)(void *)(b->block + at);
    memset(f, 0, sizeof *f + extra * GC_WORD);
    if (at)
        b->block[0] = b->words;
    f->pool_class = b->block_class & 15u;
    f->extra = extra & 15u;
    f->words = (uint32_t)(extra + used);
    return f;
}

/* Gives it this set, for which there is room. */
static void fragment_set_holds(Fragment *f, RegionHold *holds)
{
    f->held = holds != NULL;
    if (holds)
        *fragment_holds(f) = holds;
}

static Status fragment_of_immediate(HeapCtx *cx, Value root, size_t extra, Fragment **out)
{
    CopyBuffer buffer;
    bool held = value_is_ptr(root) && !region_is_immortal(region_of(obj_of(root)));
    cx->copied_closures = false;
    STATUS_FORWARD(copy_buffer_new(cx, &buffer, FRAGMENT_HEAD + extra, held));
    Fragment *f = fragment_in(&buffer, extra, 0);
    f->root = root;
    if (held) {
        RegionHold *holds = NULL;
        Status status = holds_add(cx->env->env, &holds, region_of(obj_of(root)));
        assert(status == STATUS_OK); /* one hold takes no memory */
        (void)status;
        region_retain(region_of(obj_of(root)));
        fragment_set_holds(f, holds);
    }
    *out = f;
    return STATUS_OK;
}

/* The finished copy gets a word behind it, if it must be in another block. When that fails,
 * everything is given back. */
static __attribute__((noinline)) Status copier_room_for_holds(Copier *c)
{
    if (c->top < c->buffer.block + c->buffer.words)
        return STATUS_OK;
    c->budget = (size_t)(c->top - c->base) + 1; /* it was kept: this word is no part of the copy */
    Status status = copier_grow(c, 1);
    if (status != STATUS_OK)
        copier_drop(c);
    return status;
}

Status fragment_copy_out(Heap *source, HeapCtx *cx, Value root, size_t extra_words, Fragment **out,
                         Value *culprit)
{
    assert(extra_words <= FRAGMENT_EXTRA_MAX);
    if (culprit)
        *culprit = VALUE_NIL;
    if (!copy_needed(root))
        return fragment_of_immediate(cx, root, extra_words, out);
    if (__builtin_expect(cx->made != NULL, 0) &&
        heap_copy_is_made(cx, COPY_FRAGMENT, root, (unsigned)extra_words)) {
        *out = cx->made->fragment;
        cx->copied_closures = false; /* who made it has detached them */
        return made_take(cx, culprit);
    }
    Copier c;
    copier_init(&c, cx, source);
    size_t guess = copy_guess(cx, obj_of(root));
    if (obj_total_words(obj_of(root)) / 2 > c.budget)
        return copy_failed(cx, c.beyond, COPY_FRAGMENT, root, extra_words);
    if (guess > c.budget)
        guess = c.budget;
    CopyBuffer buffer;
    STATUS_FORWARD(copy_buffer_new(cx, &buffer, FRAGMENT_HEAD + extra_words, guess));
    copier_use(&c, &buffer);
    Status status = copier_run(&c, root, culprit);
    if (__builtin_expect(status != STATUS_OK, 0))
        return copy_failed(cx, status, COPY_FRAGMENT, root, extra_words);
    copy_learn(cx, obj_of(root), (size_t)(c.top - c.base), guess, c.grown);
    if (c.holds)
        STATUS_FORWARD(copier_room_for_holds(&c));
    cx->copied_closures = c.closures;
    Fragment *f = fragment_in(&c.buffer, extra_words, (size_t)(c.top - c.base));
    f->root = value_ptr(c.base);
    f->handles = c.handles;
    fragment_set_holds(f, c.holds);
    *out = f;
    return STATUS_OK;
}

/* The same contents in another fragment behind `extra` words; `held`: with a word for a set of
 * regions in any case. */
static Status duplicate(const Fragment *f, HeapCtx *cx, size_t extra, bool held, Fragment **out)
{
    RegionHold *holds;
    CopyBuffer buffer;
    const Value *from = f->body + f->extra;
    size_t used = f->words - f->extra;
    assert(extra <= FRAGMENT_EXTRA_MAX);
    STATUS_FORWARD(copy_buffer_new(cx, &buffer, FRAGMENT_HEAD + extra, used + held));
    RegionHold *own = f->held ? *fragment_holds((Fragment *)(uintptr_t)f) : NULL;
    Status status = holds_duplicate(cx->env->env, own, &holds);
    if (status != STATUS_OK) {
        copy_buffer_free(cx, &buffer);
        return status;
    }
    Fragment *copy = fragment_in(&buffer, extra, used);
    Value *to = copy->body + extra;
    memcpy(to, from, used * GC_WORD);
    Relocation r = {
        .from = (uintptr_t)from, .bytes = used * GC_WORD, .delta = (uintptr_t)to - (uintptr_t)from};
    relocate_objects(&r, to, to + used);
    copy->root = relocate_value(&r, f->root);
    copy->handles = relocate_value(&r, f->handles);
    fragment_set_holds(copy, holds);
    copy->kind = f->kind;
    copy->info = f->info;
    for (Value v = copy->handles; v; v = *handle_link(obj_of(v)))
        handle_retain(obj_of(v));
    *out = copy;
    return STATUS_OK;
}

static Status duplicate_all(const Fragment *f, HeapCtx *cx, bool held, Fragment **out)
{
    STATUS_FORWARD(duplicate(f, cx, f->extra, held, out));
    memcpy((*out)->body, f->body, f->extra * GC_WORD);
    return STATUS_OK;
}

Status fragment_duplicate_behind(const Fragment *f, HeapCtx *cx, size_t extra_words, Fragment **out)
{
    return duplicate(f, cx, extra_words, f->held, out);
}

Status fragment_duplicate(const Fragment *f, HeapCtx *cx, Fragment **out)
{
    size_t used = f->words - f->extra;
    Value self = (Value)(uintptr_t)f;
    if (__builtin_expect(cx->made != NULL, 0) && heap_copy_is_made(cx, COPY_DUPLICATE, self, 0)) {
        *out = cx->made->fragment;
        return made_take(cx, NULL);
    }
    if (cx->copy_words && used > cx->copy_words)
        return copy_failed(cx, STATUS_COPY_LONG, COPY_DUPLICATE, self, 0);
    return duplicate_all(f, cx, f->held, out);
}

/* Words of its block behind those in use. */
static size_t fragment_spare_words(const Fragment *f)
{
    size_t block =
        f->pool_class != HEAP_BLOCK_BIG
            ? pool_class_size(f->pool_class) / GC_WORD
            : (size_t)((const Value *)(const void *)f)[-FRAGMENT_BIG_HEAD] - FRAGMENT_BIG_HEAD;
    return block - FRAGMENT_HEAD - f->words;
}

Status fragment_reserve_holds(Fragment **f, HeapCtx *cx, size_t n)
{
    if (!(*f)->held && fragment_spare_words(*f) == 0) {
        Fragment *bigger;
        STATUS_FORWARD(duplicate_all(*f, cx, true, &bigger));
        fragment_free(cx, *f);
        *f = bigger;
    }
    if (!(*f)->held) {
        *fragment_holds(*f) = NULL;
        (*f)->held = 1;
    }
    return holds_reserve(cx->env->env, fragment_holds(*f), n);
}

void fragment_free_shell(HeapCtx *cx, Fragment *f)
{
    if (f->pool_class != HEAP_BLOCK_BIG) {
        gc_scribble(f->body, f->words);
        pool_free(cx->pool, f, f->pool_class);
        return;
    }
    Value *block = (Value *)(void *)f - FRAGMENT_BIG_HEAD;
    gc_block_free(cx, block, HEAP_BLOCK_BIG, (size_t)block[0]);
}

void fragment_free(HeapCtx *cx, Fragment *f)
{
    handle_list_release(cx->env, f->handles);
    if (__builtin_expect(f->held, 0))
        holds_release_all(cx, *fragment_holds(f));
    fragment_free_shell(cx, f);
}

size_t fragment_bytes_handles(const Fragment *f)
{
    size_t bytes = 0;
    for (Value v = f->handles; v; v = *handle_link(obj_of(v)))
        bytes += handle_charge(obj_of(v));
    return bytes;
}

/* ---- adoption ----------------------------------------------------------------------------- */

/* Puts the fragment's handles in front of the heap's; answers their off-heap bytes. */
static size_t adopt_handles(Heap *heap, const Fragment *f)
{
    size_t bytes = 0;
    for (Value v = f->handles; v;) {
        Value *link = handle_link(obj_of(v));
        bytes += handle_charge(obj_of(v));
        v = *link;
        if (!v) {
            *link = heap->handles;
            heap->handles = f->handles;
        }
    }
    return bytes;
}

Value heap_adopt(Heap *heap, Fragment *f)
{
#ifdef MAGGIE_DEBUG
    Value where;
    assert(fragment_verify(f, &where) == NULL);
#endif
    Value root = f->root;
    size_t offheap = fragments_offheap(heap) + adopt_handles(heap, f) + 1023;
    size_t kib = offheap >> 10 > UINT32_MAX ? UINT32_MAX : offheap >> 10;
    size_t words = fragments_words(heap) + f->words;
    unsigned count = fragments_count(heap);
    f->root = words;
    f->handles = (uint32_t)hash_mix64((uint64_t)heap->salt << 32 ^ words) | (uint64_t)kib << 32;
    f->info = (uint16_t)(count < UINT16_MAX ? count + 1 : count);
    f->next = heap->fragments;
    heap->fragments = f;
    return root;
}

Value heap_copy_in(Heap *heap, const Value *stack_end, const Fragment *f)
{
    size_t skip = f->extra;
    size_t words = f->words - skip;
    Object *at = heap_try_alloc(heap, stack_end, words);
    if (!at)
        return VALUE_NONE;
    Value *to = (Value *)(void *)at;
    memcpy(to, f->body + skip, words * GC_WORD);
    Relocation r = {.from = (uintptr_t)(f->body + skip),
                    .bytes = words * GC_WORD,
                    .delta = (uintptr_t)to - (uintptr_t)(f->body + skip)};
    relocate_objects(&r, to, to + words);
    return relocate_value(&r, f->root);
}

Value heap_absorb(Heap *heap, HeapCtx *cx, const Value *stack_end, Fragment *f)
{
    Value root = heap_copy_in(heap, stack_end, f);
    if (root != VALUE_NONE)
        fragment_free_shell(cx, f);
    return root;
}

Object *heap_new_apart(Heap *heap, HeapCtx *cx, size_t total)
{
    CopyBuffer buffer;
    if (copy_buffer_new(cx, &buffer, FRAGMENT_HEAD, total) != STATUS_OK)
        return NULL;
    Fragment *f = fragment_in(&buffer, 0, total);
    Object *o = (Object *)f->body;
    o->header = obj_header(CLASS_ARRAY, (unsigned)total - 1, OBJ_SLOTS, 0);
    for (size_t i = 1; i < total; i++)
        o->words[i - 1] = VALUE_NIL;
    f->root = value_ptr(o);
    return obj_of(heap_adopt(heap, f));
}

size_t heap_adopted_words(const Heap *heap)
{
    return fragments_words(heap) + fragments_offheap(heap) / GC_WORD;
}

/* ---- the first block of a process --------------------------------------------------------- */

/* The heap takes the handles and holds of the copy. */
static Status heap_take_copied(Heap *heap, Copier *c)
{
    if (!c->handles && !c->holds)
        return STATUS_OK;
    STATUS_FORWARD(heap_need_ext(heap, c->cx));
    for (Value v = c->handles; v; v = *handle_link(obj_of(v)))
        heap->ext->offheap_young += handle_charge(obj_of(v));
    heap->handles = c->handles;
    heap->ext->holds = c->holds;
    c->handles = VALUE_NONE;
    c->holds = NULL;
    return STATUS_OK;
}

static Status heap_init_placed(Heap *heap, Copier *c, size_t stack_words, uint32_t salt)
{
    size_t used = (size_t)(c->top - c->base);
    STATUS_FORWARD(heap_init(heap, c->cx, stack_words + used + HEAP_STACK_RED_ZONE, salt));
    copier_place(c, heap->hi - used, NULL);
    heap->hp = heap->hi - used;
    return heap_take_copied(heap, c);
}

Status heap_init_with_copy(Heap *heap, HeapCtx *cx, Heap *source, Value root, size_t stack_words,
                           uint32_t salt, Value *out)
{
    memset(heap, 0, sizeof *heap);
    *out = root;
    Copier c;
    copier_init(&c, cx, source);
    Value scratch[COPY_SCRATCH];
    CopyBuffer buffer = {.block = scratch, .words = COPY_SCRATCH, .borrowed = true};
    copier_use(&c, &buffer);
    if (copy_needed(root))
        STATUS_FORWARD(copier_run(&c, root, NULL));
    else if (value_is_ptr(root))
        STATUS_FORWARD(copier_hold(&c, obj_of(root)));
    Status status = heap_init_placed(heap, &c, stack_words, salt);
    if (status != STATUS_OK) {
        copier_drop(&c);
        heap_destroy(heap, cx);
        return status;
    }
    if (copy_needed(root))
        *out = value_ptr(c.base);
    return STATUS_OK;
}

/* ---- frozen copies ------------------------------------------------------------------------ */

/* The new region's salt: not from an address, and seldom the same for two regions of a heap. */
static uint32_t frozen_salt(const Heap *source, size_t words)
{
    uint64_t salt = source ? source->salt : 0;
    return (uint32_t)hash_mix64(salt << 32 ^ words ^
                                (source ? (uint64_t)(source->hi - source->hp) << 16 : 0));
}

static Status frozen_place(Copier *c, const Heap *source, Region **region)
{
    size_t words = (size_t)(c->top - c->base);
    Status status = region_alloc(c->cx->env, words, false, region);
    if (status != STATUS_OK) {
        copier_drop(c);
        return status;
    }
    Region *r = *region;
    copier_place(c, r->body, r);
    r->top = c->top;
    r->salt = frozen_salt(source, words);
    r->handles = c->handles;
    r->holds = c->holds;
    return STATUS_OK;
}

Status frozen_copy(Heap *source, HeapCtx *cx, Value v, Value *out, Region **region, Value *culprit)
{
    *out = v;
    *region = NULL;
    if (culprit)
        *culprit = VALUE_NIL;
    if (!value_is_ptr(v))
        return STATUS_OK;
    if (!copy_needed(v)) {
        *region = region_of(obj_of(v));
        region_retain(*region);
        return STATUS_OK;
    }
    if (heap_copy_is_made(cx, COPY_REGION, v, 0)) {
        *region = cx->made->region;
        *out = *region ? value_ptr((*region)->body + 1) : v;
        return made_take(cx, culprit);
    }
    Copier c;
    copier_init(&c, cx, source);
    c.flags = OBJ_F_FROZEN;
    c.prefix = 1;
    Value scratch[COPY_SCRATCH];
    CopyBuffer buffer = {.block = scratch, .words = COPY_SCRATCH, .borrowed = true};
    copier_use(&c, &buffer);
    Status status = copier_run(&c, v, culprit);
    if (status != STATUS_OK)
        return copy_failed(cx, status, COPY_REGION, v, 0);
    STATUS_FORWARD(frozen_place(&c, source, region));
    *out = value_ptr((*region)->body + 1);
    return STATUS_OK;
}
