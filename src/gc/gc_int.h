/* SPDX-License-Identifier: Apache-2.0 */
/* gc_int.h - what the files of this folder share: the parts of a heap behind Heap.ext, sets of
 * held regions, blocks, relocation. Not for other folders.
 * Threads: as heap.h. */
#ifndef MAGGIE_GC_INT_H
#define MAGGIE_GC_INT_H

#include "atomics.h"
#include "frozen.h"
#include "hash.h"
#include "heap.h"
#include "strbuf.h"

#if MAGGIE_ASAN
#include <sanitizer/asan_interface.h>
#endif

/* ---- sizes, in words unless said otherwise ------------------------------------------------ */

#define GC_WORD sizeof(Value)
/* A small heap whose young objects may be more than this becomes a generational one. */
#define GC_SMALL_MAX 4096
/* ... and so does one that has this many live words after a collection (8 KiB), */
#define GC_OLD_FROM 1024
/* or whose stack, which every collection of a small heap would copy, is longer than this. */
#define GC_SMALL_STACK_MAX 4096
/* The nursery of a generational heap grows between these. */
#define GC_NURSERY_MIN 4096
#define GC_NURSERY_MAX 65536
/* Old space may grow by this much before the first major collection. */
#define GC_MAJOR_MIN 16384
#define GC_CHUNK_MIN 4096
/* Young large objects and off-heap bytes (as words) that call for a collection. */
#define GC_LARGE_YOUNG_MIN 131072
/* One byte of a large object's card table covers this many words. */
#define GC_CARD_WORDS 256
/* Zeroed blocks from here on (bytes) come from env->map, which clears them on first touch. */
#define GC_MAP_MIN ((size_t)1 << 20)
#define GC_MAP_ALIGN ((size_t)2 << 20)
/* Adopted fragments with shares of so many off-heap bytes call for a collection: a few strings that
 * are passed on must not cost one each. */
#define GC_OFFHEAP_ADOPTED ((size_t)256 << 10)
/* More adopted fragments than this call for a collection: their list is walked for hashes. */
#define GC_FRAGMENTS_MAX 1024
/* Objects above this many words do not exist: sizes stay far from overflow. */
#define GC_OBJECT_MAX ((size_t)1 << 40)

/* ---- old space ------------------------------------------------------------------------------ */

/* A run of old objects, allocated upwards. [body, top) can be walked object by object. */
typedef struct OldChunk {
    struct OldChunk *next; /* older ones */
    Value *top;            /* end of the objects; for the current chunk OldSpace.top is newer */
    Value *end;
    size_t bytes;  /* of the allocation */
    uint32_t salt; /* identity hashes: offset in body mixed with this */
    bool mapped;
    Value body[];
} OldChunk;

/* An object in a block of its own. Marked, never moved. */
typedef struct LargeObject {
    struct LargeObject *next;       /* young or old list of its heap */
    struct LargeObject *work;       /* to be scanned in this collection */
    struct LargeObject *next_dirty; /* OldSpace.dirty */
    uint8_t
        *cards; /* a byte per GC_CARD_WORDS: 1 when a young pointer may have been stored there */
    size_t ncards;
    size_t bytes;  /* of the allocation */
    uint32_t salt; /* the identity hash in its upper bits, see LARGE_HASH_SHIFT */
    bool mapped;
    bool is_dirty;
    Object object;
} LargeObject;

/* Identity hashes have 30 bits; a large object's is its salt without the lowest bits. */
#define LARGE_HASH_SHIFT 2

/* A growing list of old objects to look at in the next minor collection. */
typedef struct Remembered {
    Object **at;
    size_t count;
    size_t capacity;
    bool overflow; /* could not grow: look at all of old space */
} Remembered;

/* The cap refused something: first a major collection is tried, then the limit is real. */
typedef enum GcPressure { GC_PRESSURE_NONE, GC_PRESSURE_REFUSED, GC_PRESSURE_COLLECTED } GcPressure;

typedef struct OldSpace {
    Value *top; /* allocation in chunks->body */
    Value *end;
    OldChunk *chunks;
    OldChunk *spare;  /* reserved before a collection so that promotion cannot fail */
    size_t retired;   /* words in the chunks behind the current one */
    size_t threshold; /* old words (large and off-heap ones included) that call for a major */
    size_t hashed;    /* old objects that grow by a hash word when they move */
    LargeObject *large_young;
    LargeObject *large_old;
    LargeObject *dirty;
    size_t large_young_words;
    size_t large_old_words;
    size_t dirty_cards; /* marked since the last collection */
    Value handles;      /* of old objects */
    Remembered remembered;
    const Env *env;   /* for the remembered set, which grows where no HeapCtx is at hand */
    uint32_t serial;  /* of chunks and large objects: their salts */
    uint8_t pressure; /* GcPressure */
} OldSpace;

/* What only some processes need. */
typedef struct HeapExt {
    OldSpace *old;            /* NULL: a small heap */
    struct RegionHold *holds; /* frozen regions this heap holds a count of */
    struct Region *last_hold; /* found there last, or NULL */
    size_t cap_bytes;         /* 0: the VM's default */
    size_t offheap_young;     /* off-heap bytes charged since the last collection */
    size_t offheap_old;       /* and those still held then */
    size_t swept_holds;       /* how many the last sweep left */
    uint32_t asked;           /* HeapEnv.ask at that time */
} HeapExt;

static inline OldSpace *heap_old(const Heap *heap) { return heap->ext ? heap->ext->old : NULL; }
static inline LargeObject *large_of(Object *o)
{
    return (LargeObject *)(void *)((char *)o - offsetof(LargeObject, object));
}

/* Kinds whose words the collector and the copier look at. */
#define GC_KIND_BIT(kind) (1u << (kind))
static inline bool kind_has_values(ObjKind kind)
{
    return (GC_KIND_BIT(kind) &
            (GC_KIND_BIT(OBJ_SLOTS) | GC_KIND_BIT(OBJ_CLOSURE) | GC_KIND_BIT(OBJ_CELL))) != 0;
}
static inline bool kind_has_link(ObjKind kind)
{
    return kind == OBJ_BIG_STRING || kind == OBJ_HANDLE;
}
/* The link word of a handle object: the next one in its heap's, fragment's or region's list. */
static inline Value *handle_link(Object *o)
{
    return obj_kind(o) == OBJ_BIG_STRING ? &((StrHandle *)(void *)o)->link : &o->words[1];
}
/* Counts of what the handle object points to. */
void handle_retain(Object *o);
void handle_release(HeapEnv *henv, Object *o);
/* Off-heap bytes to charge a heap for this handle: the fair share of a shared buffer. */
size_t handle_charge(const Object *o);
void handle_list_release(HeapEnv *henv, Value list);

/* ---- memory ------------------------------------------------------------------------------- */

/* Freed or abandoned words of ours: readable in debug builds, as what no value looks like. */
static inline void gc_scribble(Value *first, size_t words)
{
#ifdef MAGGIE_DEBUG
    memset(first, 0xDB, words * GC_WORD);
#else
    (void)first;
    (void)words;
#endif
}

/* A block of at least `words` words: pool class, or HEAP_BLOCK_BIG from the Env. */
Value *gc_block_alloc(HeapCtx *cx, size_t words, uint8_t *block_class, size_t *got_words);
void gc_block_free(HeapCtx *cx, Value *block, uint8_t block_class, size_t words);
/* The size gc_block_alloc would give. */
size_t gc_block_words(size_t words);
/* Env memory; *mapped says how it came. `zero` clears it. */
void *gc_big_alloc(const Env *env, size_t *bytes, bool zero, bool *mapped);
void gc_big_free(const Env *env, void *block, size_t bytes, bool mapped);

/* ---- heap.c ------------------------------------------------------------------------------- */

Status heap_need_ext(Heap *heap, HeapCtx *cx) MUST_CHECK;
Status heap_need_old(Heap *heap, HeapCtx *cx) MUST_CHECK;
/* Frees an old space that holds nothing any more. */
void heap_drop_old(Heap *heap, HeapCtx *cx);
/* New chunk of at least `words`; not yet in any list. */
OldChunk *old_chunk_new(OldSpace *old, const Heap *heap, size_t words);
void old_chunk_free(OldSpace *old, OldChunk *chunk);
LargeObject *large_new(OldSpace *old, const Heap *heap, uint64_t header, size_t payload_words);
void large_free(OldSpace *old, LargeObject *large);
size_t old_used_words(const OldSpace *old);
size_t heap_cap(const Heap *heap, const HeapCtx *cx);
/* Hash of an unhashed object by where it stands. `heap` may be a copy of a heap's fields from
 * before its block was replaced. */
uint32_t heap_address_hash(const Heap *heap, const Object *o);
/* Notes that the cap refused something and answers what to tell the caller. */
Status heap_cap_refused(Heap *heap, HeapCtx *cx) MUST_CHECK;
/* Charges `bytes` of a new off-heap buffer; STATUS_HEAP_FULL when a collection should come
 * first. */
Status heap_charge_offheap(Heap *heap, HeapCtx *cx, size_t bytes) MUST_CHECK;
size_t fragment_alloc_words(const Fragment *f);
/* heap_adopt's bookkeeping in fields that an adopted fragment does not need any more; the sums are
 * over it and all adopted before it:  root = words,  handles = hash salt | off-heap KiB << 32,
 * info = number of fragments, saturating. */
static inline size_t fragments_words(const Heap *heap)
{
    return heap->fragments ? (size_t)heap->fragments->root : 0;
}
static inline size_t fragments_offheap(const Heap *heap)
{
    return heap->fragments ? (size_t)(heap->fragments->handles >> 32) << 10 : 0;
}
static inline unsigned fragments_count(const Heap *heap)
{
    return heap->fragments ? heap->fragments->info : 0;
}

/* Gives an object that stores its identity hash, or is large, another one. */
void heap_set_identity_hash(Object *o, uint32_t hash);

/* ---- heap_trace.c ------------------------------------------------------------------------- */

/* become: two objects of the heap. References to a become new_of_b, and, unless one_way, those to b
 * become new_of_a. */
typedef struct GcBecome {
    Object *a;
    Object *b;
    Value new_of_a; /* where a itself went */
    Value new_of_b;
    uint32_t hash_a; /* identity hashes, which stay with the references; not used one way */
    uint32_t hash_b;
    bool one_way;
} GcBecome;

/* Words that the young objects take at most after moving. */
size_t gc_young_worst(const Heap *heap);
/* Words of old space, large objects and off-heap bytes (as words) included. */
size_t gc_old_total(const Heap *heap);
/* All of the heap, which has no large object, moves into a new block of `block_words` (at least
 * stack and worst case); a generational heap becomes a small one. `become` may be NULL. Adds to
 * *copied. */
Status gc_small(Heap *heap, HeapCtx *cx, const HeapRoots *roots, size_t stack_used,
                size_t block_words, GcBecome *become, size_t *copied) MUST_CHECK;
/* Generational: young objects are promoted; the nursery is empty afterwards. */
Status gc_minor(Heap *heap, HeapCtx *cx, const HeapRoots *roots, size_t stack_used,
                size_t *copied) MUST_CHECK;
/* Generational: young and old objects move into one new chunk; the nursery is empty afterwards. */
Status gc_major(Heap *heap, HeapCtx *cx, const HeapRoots *roots, size_t stack_used,
                GcBecome *become, size_t *copied) MUST_CHECK;

/* ---- regions held ------------------------------------------------------------------------- */

/* A set of regions as a tagged word: 0 none, Region * | 1 exactly one, else a RegionHold table.
 * Bit 1 of an entry is the collector's mark. */
typedef struct RegionHold {
    size_t count;
    size_t capacity; /* a power of two; at most three quarters used */
    uintptr_t entry[];
} RegionHold;

#define HOLD_SINGLE ((uintptr_t)1)
#define HOLD_MARK ((uintptr_t)2)
#define HOLD_BITS ((uintptr_t)3)

/* The set of a fragment that has one (Fragment.held). */
static inline RegionHold **fragment_holds(Fragment *f)
{
    return (RegionHold **)(void *)&f->body[f->words];
}

/* The entry of region, or NULL. */
uintptr_t *holds_find(RegionHold **set, const struct Region *region);
/* Room for `more` further regions without memory. */
Status holds_reserve(const Env *env, RegionHold **set, size_t more) MUST_CHECK;
/* Adds a region that is not in the set. Counts are the caller's business. */
Status holds_add(const Env *env, RegionHold **set, struct Region *region) MUST_CHECK;
size_t holds_count(RegionHold *const *set);
/* Iteration: the i-th entry (0 .. holds_span - 1) or NULL for an empty one. */
size_t holds_span(RegionHold *const *set);
uintptr_t *holds_at(RegionHold **set, size_t i);
static inline struct Region *hold_region(uintptr_t entry)
{
    return (struct Region *)(entry & ~HOLD_BITS);
}
void holds_free(const Env *env, RegionHold *set);
/* Moves all of *from (freed, counts included) into *to, which has room. */
void holds_merge(HeapCtx *cx, RegionHold **to, RegionHold **from);
/* Releases the unmarked regions and clears the marks of the others. */
void holds_sweep(HeapCtx *cx, RegionHold **set);
void holds_clear_marks(RegionHold **set);
void holds_release_all(HeapCtx *cx, RegionHold *set);
/* Retains each region of the set once more (for a copy of it). */
Status holds_duplicate(const Env *env, RegionHold *set, RegionHold **out) MUST_CHECK;

struct Region {
    uint32_t refs; /* atomic; REGION_IMMORTAL: not counted */
    uint32_t salt; /* identity hashes */
    EpochEntry epoch_entry;
    EpochRecord *record; /* whose epoch_poll frees us; set when the last count goes */
    HeapEnv *henv;
    size_t bytes; /* of the allocation */
    bool mapped;
    Value *top;
    Value *end;
    Value handles;
    RegionHold *holds; /* regions our objects refer to */
    bool pinned;       /* an immortal region holds us; written while loading only */
    uint8_t retired;   /* atomic: its owner has let it go */
    void *code;        /* carried: HeapEnv.code_dead gets it; or NULL */
    size_t code_bytes; /* what that takes; 0: none */
    Value body[] __attribute__((aligned(16)));
};
#define REGION_IMMORTAL UINT32_C(0x80000000)
/* Holds that a heap may note beyond twice what its last sweep left. */
#define GC_HOLDS_SLACK 64
/* Retired bytes below which nobody is asked. */
#define GC_ASK_MIN ((size_t)4 << 20)
Status region_alloc(HeapEnv *henv, size_t words, bool immortal, Region **out) MUST_CHECK;

/* Frozen object that a closure's code makes whoever has the closure hold; NULL: none. */
static inline Object *gc_code_handle(const HeapEnv *henv, const Object *closure)
{
    Value handle = henv->code_handle ? henv->code_handle(closure_code(closure)) : VALUE_NIL;
    return value_is_ptr(handle) ? obj_of(handle) : NULL;
}

/* ---- relocation --------------------------------------------------------------------------- */

/* A contiguous run of objects that moved by `delta` bytes. */
typedef struct Relocation {
    uintptr_t from; /* old address of the run */
    size_t bytes;
    uintptr_t delta;       /* new - old, wrapping */
    unsigned prefix;       /* words in front of each object */
    struct Region *region; /* not NULL: what to set those words to */
} Relocation;

static inline Value relocate_value(const Relocation *r, Value v)
{
    return v - r->from < r->bytes ? v + r->delta : v;
}
/* Adjusts all pointers inside the objects of [first, top), which already stand at their new
 * place. */
void relocate_objects(const Relocation *r, Value *first, const Value *top);

/* ---- verification ------------------------------------------------------------------------- */

/* Every pointer of the fragment stays inside it or is frozen. NULL or what is wrong. */
const char *fragment_verify(const Fragment *f, Value *where);

#endif
