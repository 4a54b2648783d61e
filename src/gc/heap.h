/* SPDX-License-Identifier: Apache-2.0 */
/* heap.h - a process's private heap: allocation, collection, copying in and out.
 *
 * One block holds the stack (growing up from `lo`) and the young objects (growing down from `hi`):
 *
 *   lo [ stack windows ->        free        <- young objects ] hi
 *                       ^ stack end        ^ hp
 *
 * A small process has nothing else; each collection copies the live objects (and moves the stack)
 * into a block of fitting size (256 B, 512 B, 1 KiB ...). A process with more live data gets an old
 * space (chunks, allocated upwards): minor collections promote young survivors into it and leave
 * stack and block in place; major ones copy old space. Objects above HEAP_LARGE_WORDS live in
 * blocks of their own (LARGE) and are marked, not moved. Adopted message fragments are young
 * memory too.
 *
 * Nobody collects behind the caller's back: heap_try_alloc answers NULL when there is no room and
 * the caller, at a safepoint, calls heap_collect and starts over. Hence between two safepoints no
 * object and no stack word moves, and C code may hold raw Values and Object pointers there.
 *
 * Threads: a Heap belongs to whoever runs (or has claimed) its process; no locking. Regions, string
 * buffers and fragments in flight are shared and counted; see frozen.h, strbuf.h.
 * Memory failure: STATUS_NO_MEMORY or STATUS_HEAP_LIMIT, nothing changed; the caller ends the
 * process.
 */
#ifndef MAGGIE_HEAP_H
#define MAGGIE_HEAP_H

#include "env.h"
#include "epoch.h"
#include "mempool.h"
#include "object.h"
#include "status.h"

/* Payloads with more words get a block of their own. */
#define HEAP_LARGE_WORDS 2048
/* First block of a process, in words (256 bytes). */
#define HEAP_FIRST_BLOCK_WORDS 32
/* Words always kept free above the top window so that a frame can be pushed for signal delivery. */
#define HEAP_STACK_RED_ZONE 8

/* Blocks and fragments that came from the Env instead of a pool class. */
#define HEAP_BLOCK_BIG 15

struct HeapExt;
struct Region;
struct HeapEnv;
struct HeapCtx;
struct Fragment;

/* What a HANDLE object's word 0 points to: a runtime object shared by any number of heaps. Embed it
 * first. Each HANDLE object owns one count. */
typedef struct OffHeap {
    uint32_t refs; /* atomic */
    uint32_t hash; /* of its handles; below 2^30 */
    const struct OffHeapType *type;
} OffHeap;
typedef struct OffHeapType {
    const char *name;
    /* The last count is gone. Any thread. */
    void (*destroy)(struct HeapEnv *env, OffHeap *object);
    bool waitable; /* the actor folder's: a WaitableType that select may wait for */
} OffHeapType;

void offheap_retain(OffHeap *object);
void offheap_release(struct HeapEnv *env, OffHeap *object);

/* Fragments that an off-heap object holds when its last count goes cannot be freed by its destroy:
 * they may hold the last counts of further such objects, and so on without end. It buries them (a
 * chain from `first` to `last`, taken); they are freed later, in pieces. Any thread. */
void heap_bury(struct HeapEnv *henv, struct Fragment *first, struct Fragment *last);
/* Frees up to `max` buried fragments and parts of what lies in graves; answers how many, about:
 * fewer than `max` when nothing is left. */
size_t heap_dig(struct HeapCtx *cx, size_t max);

/* Something that is taken apart in pieces by whoever digs: embedded in it, buried once. `piece`
 * takes away about `max` parts and answers whether there are more; when there are not, the grave is
 * not looked at again. */
typedef struct Grave {
    struct Grave *next;
    bool (*piece)(struct HeapCtx *cx, struct Grave *grave, size_t max);
} Grave;
/* Any thread. */
void heap_bury_grave(struct HeapEnv *henv, Grave *grave);

/* A block of objects outside any heap: a message, an exit reason, a channel item. Starts every
 * signal (actor folder), so `next` is also the mailbox link. Relocatable (M2): internal pointers
 * only, plus frozen and off-heap references it owns counts of. */
typedef struct Fragment {
    struct Fragment *next;  /* mailbox link; atomically accessed while in a mailbox */
    uint32_t words;         /* used words of body, the extra words in front included */
    uint8_t pool_class : 4; /* size class for mempool, HEAP_BLOCK_BIG when allocated from env */
    uint8_t extra : 4;      /* words at the front of body that are free for the actor folder */
    uint8_t kind : 7;       /* signal kind, owned by the actor folder */
    uint8_t held : 1;       /* behind the words: counts of frozen regions they refer to */
    uint16_t info;          /* free for the actor folder */
    Value root;             /* the value carried */
    Value handles;          /* list of off-heap handles (BIG_STRING, HANDLE) in the body */
    Value body[];           /* once adopted, root, handles and info are the heap's */
} Fragment;

/* VM-wide settings shared by all heaps of a VM. */
typedef struct HeapEnv {
    Env *env;
    PoolGlobal *pools;
    size_t default_cap_bytes; /* I8: heap cap of a process unless it sets one; 0: none */
    size_t stack_cap_bytes;   /* M7: stack budget, default 64 MiB; 0: none */
    /* beyond this a deep stack makes blocks no bigger than it needs; 0: none */
    size_t stack_soft_bytes;
    size_t copy_cap_words;   /* largest copy between heaps; 0: HEAP_COPY_CAP_WORDS */
    size_t long_words;       /* more words of work than this are too much for a scheduler (I5) */
    bool verify;             /* check I2 and every root after every collection */
    Lock buried_lock;        /* level 3 */
    struct Fragment *buried; /* under the lock: see heap_bury */
    Grave *graves;           /* under the lock: see heap_bury_grave */
    void (*buried_hook)(void *ctx); /* something was buried; any thread. May be NULL */
    void *buried_ctx;
    /* The frozen object that stands for the code of a closure: who has the closure holds its
     * region. VALUE_NIL: code that lives as long as the VM. NULL: all code does. */
    Value (*code_handle)(const void *code);
    /* A region that carries code (region_carry_code) has died; `epoch` as in region_release. */
    void (*code_dead)(struct HeapEnv *henv, EpochRecord *epoch, void *code);
    /* M20, relaxed: figures that nothing is decided by but when to ask (frozen.h). */
    /* regions that are counted, code they carry included; on a line of its own, the above is read
     * all the time */
    size_t frozen_bytes __attribute__((aligned(64)));
    size_t string_bytes;  /* of string buffers; a statistic, relaxed like the others */
    size_t retired_bytes; /* the part of those that only heaps, fragments and regions hold */
    size_t ask_limit;     /* more retired bytes than this call for the next round */
    uint32_t ask;         /* rounds so far: heaps that swept in an earlier one are asked to */
} HeapEnv;

#define HEAP_COPY_CAP_WORDS ((size_t)1 << 27)
#define HEAP_STACK_CAP_BYTES ((size_t)64 << 20)
/* M17: under a millisecond of collection. */
#define HEAP_LONG_WORDS ((size_t)1 << 17)

/* M20: what the collector and the copier did, for the tests that keep them honest. */
typedef struct HeapCounters {
    uint64_t small_collections; /* whole heap into a new block */
    uint64_t minor_collections;
    uint64_t major_collections;
    uint64_t words_allocated;  /* young words seen at collections: allocated or adopted */
    uint64_t words_copied;     /* by collections */
    uint64_t words_scanned;    /* words of old and large objects looked at by minor collections */
    uint64_t words_copied_out; /* into fragments, regions and first blocks */
} HeapCounters;

/* A copy between heaps: what it is to be. */
typedef enum CopyKind {
    COPY_NOTHING,
    COPY_FRAGMENT,
    COPY_REGION,
    COPY_HEAP,
    COPY_DUPLICATE, /* of a fragment */
} CopyKind;
typedef struct CopyWish {
    Value root;    /* of a duplicate: the fragment's address */
    Value arg;     /* of a heap: goes along with the root; else nil */
    uint8_t kind;  /* a CopyKind */
    uint8_t extra; /* of a fragment: words in front; of a heap: number of arguments */
    /* Of a duplicate, from whoever looked at the fragment: keeps it where it is until drop. NULL:
     * the process does. */
    void *keep;
    void (*drop)(struct HeapCtx *cx, void *keep);
} CopyWish;

/* A copy that was too long for a scheduler, made elsewhere: the next call for the same wish takes
 * it. The values in it are roots of the process, which may collect in between. */
typedef struct CopyMade {
    CopyWish wish; /* COPY_NOTHING: it was taken */
    Status status; /* its outcome, which that call answers */
    Value culprit;
    Fragment *fragment;
    struct Region *region;
} CopyMade;

/* heap_copy.c: how much a copy took whose root had this class and size. */
#define HEAP_COPY_MEMORIES 16
typedef struct CopyMemory {
    uint64_t key; /* 0: none */
    size_t words;
} CopyMemory;

/* What the running thread brings along; one per scheduler. */
typedef struct HeapCtx {
    HeapEnv *env;
    PoolLocal *pool;
    EpochRecord *epoch;    /* frozen regions die through it; NULL only where a single thread runs */
    size_t copy_words;     /* copies of more words answer STATUS_COPY_LONG; 0: no such limit */
    CopyWish wish;         /* of the last such copy */
    CopyMade *made;        /* what became of an earlier one, or NULL; borrowed */
    size_t deferred_bytes; /* of regions that wait for it; whoever polls sets it back */
    bool copied_closures;  /* by the last fragment_copy_out, and not looked at yet */
    CopyMemory copies[HEAP_COPY_MEMORIES];
    HeapCounters counters; /* owner only */
} HeapCtx;

/* Defaults of the VM-wide settings. Set the others afterwards. */
void heap_env_init(HeapEnv *henv, Env *env, PoolGlobal *pools);

typedef struct Heap {
    Value *lo;            /* block start = stack base */
    Value *hp;            /* lowest allocated young object */
    Value *hi;            /* block end */
    Fragment *fragments;  /* adopted, not yet evacuated */
    Value handles;        /* young off-heap handles */
    struct HeapExt *ext;  /* old space, large objects, remembered set, regions held, cap; or NULL */
    uint32_t salt;        /* identity hashes: block offset mixed with this (section 8) */
    uint8_t block_class;  /* pool class of the block, HEAP_BLOCK_BIG when from env */
    uint8_t stress_armed; /* stress mode: allocations fail until the next collection */
    uint8_t streak;       /* collections since the process waited, and HEAP_STREAK_GROW */
    uint8_t hashed; /* young objects whose hash was asked for; HEAP_HASHED_MANY: not counted */
} Heap;

#define HEAP_STREAK_GROW 0x80
#define HEAP_HASHED_MANY 0xFF

/* Calls fn for the object of each off-heap handle in the heap, big strings left out. False: there
 * are more than max handles, not all were looked at. */
bool heap_each_handle(const Heap *heap, size_t max, void (*fn)(void *arg, OffHeap *object),
                      void *arg);

/* ---- roots ------------------------------------------------------------------------------- */

/* Calls visit(arg, first, n) for each contiguous run of live Values of the process: windows of
 * every frame without the frame records, and whatever the process struct holds. Called again after
 * the stack has moved, so it must derive addresses from heap->lo at each call. Runs may overlap. */
typedef void (*HeapVisit)(void *arg, Value *first, size_t n);
typedef struct HeapRoots {
    void (*each)(void *ctx, HeapVisit visit, void *arg);
    void *ctx;
} HeapRoots;

/* ---- life -------------------------------------------------------------------------------- */

/* Gives `heap` its first block of at least `block_words` words (rounded to a pool class). */
Status heap_init(Heap *heap, HeapCtx *cx, size_t block_words, uint32_t salt) MUST_CHECK;
/* M12: first block plus a structure-preserving copy of `root` (from `source`, whose owner calls)
 * placed straight into it; the copied root in *out. Leaves room for `stack_words` of stack. */
Status heap_init_with_copy(Heap *heap, HeapCtx *cx, Heap *source, Value root, size_t stack_words,
                           uint32_t salt, Value *out) MUST_CHECK;
/* Frees everything the heap holds, fragments and counts included. */
void heap_destroy(Heap *heap, HeapCtx *cx);
/* Heap cap in bytes (old space, block, large objects, fragments and owned off-heap bytes); 0 =
 * default. */
Status heap_set_cap(Heap *heap, HeapCtx *cx, size_t bytes) MUST_CHECK;

/* ---- allocation -------------------------------------------------------------------------- */

/* Would heap_try_alloc succeed? */
static inline bool heap_has_room(const Heap *heap, const Value *stack_end, size_t total)
{
#ifdef MAGGIE_GC_STRESS
    /* Armed by the interpreter before each operation that may allocate, disarmed by heap_collect:
     * so each operation fails once and then succeeds when it is started over. */
    if (heap->stress_armed) {
        return false;
    }
#endif
    return __builtin_expect(
        (size_t)(heap->hp - stack_end) >= total + HEAP_STACK_RED_ZONE && heap->hp >= stack_end, 1);
}

/* `total` words (header included) below hp, or NULL when the block has no room above `stack_end`.
 * `total` must be <= HEAP_LARGE_WORDS + 3. Contents undefined: the caller fills every word. */
static inline Object *heap_try_alloc(Heap *heap, const Value *stack_end, size_t total)
{
    if (!heap_has_room(heap, stack_end, total)) {
        return NULL;
    }
    heap->hp -= total;
    return (Object *)heap->hp;
}

/* A few words beside the block, for who needs memory where it cannot leave for a collection. NULL
 * when memory is out. They hold nils. Do not make a habit of it. */
Object *heap_new_apart(Heap *heap, HeapCtx *cx, size_t total);

/* Any size: small ones as above, large ones in their own block. Header and size word are written;
 * the contents of small ones are undefined, those of large ones are zero words, so that they may be
 * filled in pieces, with safepoints between. kind/pad/class as obj_header. Answers STATUS_HEAP_FULL
 * when a collection is needed, STATUS_HEAP_LIMIT when the cap forbids it for good. */
Status heap_try_new(Heap *heap, HeapCtx *cx, const Value *stack_end, uint32_t cls, ObjKind kind,
                    unsigned pad, size_t payload_words, Object **out) MUST_CHECK;

/* New HANDLE object for `object`, whose count it raises (the caller keeps its own). */
Status heap_new_handle(Heap *heap, HeapCtx *cx, const Value *stack_end, uint32_t cls,
                       OffHeap *object, Value *out) MUST_CHECK;

/* ---- stores (M4) ------------------------------------------------------------------------- */

/* Out-of-line half of heap_store: remembers old objects and cards of large ones; false when
 * frozen. */
bool heap_store_slow(Heap *heap, Object *o, Value *slot, Value v);
/* Stores v into *slot of o. False (nothing stored) when o is frozen. Never fails otherwise: when
 * the remembered set cannot grow, the next collection looks at all of old space. */
static inline bool heap_store(Heap *heap, Object *o, Value *slot, Value v)
{
    if (__builtin_expect((o->header & OBJ_F_GUARD_MASK) != 0, 0)) {
        return heap_store_slow(heap, o, slot, v);
    }
    *slot = v;
    return true;
}

/* ---- collection -------------------------------------------------------------------------- */

typedef enum { HEAP_GC_AUTO, HEAP_GC_MINOR, HEAP_GC_MAJOR, HEAP_GC_HIBERNATE } HeapGcKind;

typedef struct HeapGcRequest {
    HeapGcKind kind;
    size_t need_words;       /* free words wanted for objects afterwards; more than
                                HEAP_NEED_MAX: for a large object, checked against the cap only */
    size_t stack_used_words; /* live stack from lo: moved along when the block is replaced */
    size_t stack_need_words; /* stack words wanted beyond stack_used_words */
} HeapGcRequest;

#define HEAP_NEED_MAX 16384

typedef struct HeapGcResult {
    size_t words_copied; /* charge reductions: 1 per 32 words */
    bool major;
    bool block_moved; /* heap->lo changed: recompute window pointers */
} HeapGcResult;

/* Collects at a safepoint. STATUS_HEAP_LIMIT: the live data exceeds the cap. STATUS_STACK_LIMIT:
 * the stack budget (M7) would be exceeded; the heap was collected all the same. */
Status heap_collect(Heap *heap, HeapCtx *cx, const HeapRoots *roots, const HeapGcRequest *request,
                    HeapGcResult *result) MUST_CHECK;
/* Bytes held; for statistics and the cap. */
size_t heap_bytes(const Heap *heap);
/* Would the heap be over its cap (I8) with so many bytes more? */
bool heap_over_cap(const Heap *heap, const HeapCtx *cx, size_t bytes);
/* Enough was adopted since the last collection (messages, their off-heap bytes) that a process
 * which itself allocates little should collect at its next safepoint. */
bool heap_wants_collection(const Heap *heap);
/* It should let go of frozen regions, by a collection that is not minor, at its next safepoint: it
 * noted many since it last looked which it needs, or all heaps are asked to look (frozen.h). */
bool heap_wants_sweep(const Heap *heap, const HeapEnv *henv);
/* The process is about to wait: blocks that grew because it collected often may shrink again. */
static inline void heap_note_wait(Heap *heap) { heap->streak = 0; }
/* May this collection be more work than HeapEnv.long_words? Then a scheduler should leave it to a
 * thread where it disturbs nobody (M17). */
bool heap_collect_is_long(const Heap *heap, const HeapCtx *cx, const HeapGcRequest *request);

/* ---- identity hash ----------------------------------------------------------------------- */

/* 0 .. 2^30-1, stable for the object's life, the same in every run of a seed. */
uint32_t heap_identity_hash(Heap *heap, Object *o);

/* ---- copying between heaps (D1) ---------------------------------------------------------- */

#define FRAGMENT_EXTRA_MAX 15

/* A plain object of a few words that refers to nothing: its words with the header, else 0. To copy
 * one, copy the words, with obj_flat_header as the first. */
#define HEAP_FLAT_WORDS 9
static inline size_t obj_flat_words(const Object *o)
{
    uint64_t h = o->header;
    size_t total = 1 + obj_size_field(o);
    if ((h & ((UINT64_C(0x1F) << 48) | OBJ_F_FROZEN | OBJ_F_LARGE | OBJ_F_HASHED |
              OBJ_F_HASH_STORED)) ||
        total > HEAP_FLAT_WORDS)
        return 0;
    for (size_t i = 1; i < total; i++)
        if (value_is_ptr(o->words[i - 1]))
            return 0;
    return total;
}
static inline uint64_t obj_flat_header(const Object *o)
{
    return (o->header & ~(UINT64_C(0xFF) << 56)) | OBJ_F_ALIVE;
}

/* Structure-preserving copy of everything young/old/large reachable from root into a new fragment
 * with `extra_words` (at most FRAGMENT_EXTRA_MAX) left free at the front of the body. Frozen parts,
 * symbols, classes and string buffers are shared and counted. Iterative; forwarding through the
 * source's headers, undone before returning (M2). `source` may be NULL when root holds frozen parts
 * and immediates only. kind, info and next are zero. STATUS_COPY_TOO_BIG above the VM's limit,
 * STATUS_COPY_LONG above that of cx: nothing has happened, cx->wish is what may be made elsewhere.
 * STATUS_NOT_SENDABLE when an object refuses (weak references, ...): *culprit (may be NULL) is it.
 * Cost: (*out)->words, at about 1 reduction per 16. */
Status fragment_copy_out(Heap *source, HeapCtx *cx, Value root, size_t extra_words, Fragment **out,
                         Value *culprit) MUST_CHECK;
/* Makes the fragment, region or duplicate of made->wish, whatever its length; the outcome is in
 * *made. */
void heap_copy_make(Heap *source, HeapCtx *cx, CopyMade *made);
/* Was this made already? Then the caller takes it. */
bool heap_copy_is_made(const HeapCtx *cx, CopyKind kind, Value root, unsigned extra);
/* A second fragment with the same contents: block copy and relocation. Not of an adopted one.
 * STATUS_COPY_LONG as above: the caller, which keeps f in place, says in cx->wish how. */
Status fragment_duplicate(const Fragment *f, HeapCtx *cx, Fragment **out) MUST_CHECK;
/* The same, but with other extra words in front, which are zero; for short ones, at once whatever
 * their length. */
Status fragment_duplicate_behind(const Fragment *f, HeapCtx *cx, size_t extra_words,
                                 Fragment **out) MUST_CHECK;
/* Small fragments without handles and holds are better copied into the block than kept until the
 * next collection: a process that only receives would spread over as many pool blocks as
 * messages. */
#define HEAP_ABSORB_WORDS 32
static inline bool heap_can_absorb(const Fragment *f)
{
    return f->words <= HEAP_ABSORB_WORDS && !f->handles && !f->held;
}
/* Copies the objects of such a fragment into the block, frees it (takes f) and answers its root;
 * VALUE_NONE, nothing done, when there is no room: collect for f->words and try again. */
Value heap_absorb(Heap *heap, HeapCtx *cx, const Value *stack_end, Fragment *f);
/* The same, but f stays as it is: a copy to look at. */
Value heap_copy_in(Heap *heap, const Value *stack_end, const Fragment *f);
/* Makes the fragment's objects part of the heap (takes f) and answers its root. The extra words
 * stay readable until the next collection. */
Value heap_adopt(Heap *heap, Fragment *f);
/* Bytes that an unadopted fragment holds, its share of off-heap buffers included. */
size_t fragment_bytes_handles(const Fragment *f);
static inline size_t fragment_bytes(const Fragment *f)
{
    size_t bytes = sizeof *f + f->words * sizeof(Value);
    return __builtin_expect(f->handles != 0, 0) ? bytes + fragment_bytes_handles(f) : bytes;
}
/* Frees a fragment nobody adopted, with the counts it owns. */
void fragment_free(HeapCtx *cx, Fragment *f);
/* Frees one whose objects are elsewhere now, or that has none; what it owned too. */
void fragment_free_shell(HeapCtx *cx, Fragment *f);
/* Words that heap_adopt added since the last collection, off-heap bytes included. */
size_t heap_adopted_words(const Heap *heap);

/* Calls fn for runs of words that together contain every word of every object of the heap, and the
 * stack; also stale ones, and bytes that are no Values. For conservative questions ("could this
 * immediate still be referred to?"). */
void heap_each_run(const Heap *heap, void (*fn)(void *arg, const Value *first, size_t n),
                   void *arg);

/* ---- become ------------------------------------------------------------------------------ */

/* Swaps (or, one_way, forwards a to b) all references to two unfrozen objects of this heap, by a
 * full collection with substitution (D17). STATUS_FROZEN when either is frozen,
 * STATUS_BAD_ARGUMENT when either is an immediate. Pointers the caller holds are dead
 * afterwards. */
Status heap_become(Heap *heap, HeapCtx *cx, const HeapRoots *roots, const HeapGcRequest *request,
                   Value a, Value b, bool one_way, HeapGcResult *result) MUST_CHECK;

/* ---- verification ------------------------------------------------------------------------ */

/* I2 and heap consistency: every reachable pointer lies in this heap, an adopted fragment or a
 * frozen region held by it; headers sane; remembered set complete. Answers NULL or a static text
 * naming the violation; *where the offending word. */
const char *heap_verify(const Heap *heap, HeapCtx *cx, const HeapRoots *roots, Value *where);

#endif
