/* SPDX-License-Identifier: Apache-2.0 */
/* mempool.h - blocks of eleven sizes (64 bytes to 64 KiB) out of 2 MiB slabs.
 *
 * PoolGlobal, one per VM: slabs and the stacks of returned batches, under one lock that is taken
 * once per batch (64 blocks, fewer of the big sizes). Slabs go back only at destroy.
 * PoolLocal, one per scheduler: LIFO free lists without any atomic operation. A block may be freed
 * into another local than it came from; full batches flow back through the global pool.
 * PoolShared: a PoolLocal behind a lock, for threads that are no scheduler.
 *
 * A block of a class is aligned to the size of the class. Content is undefined after alloc.
 * With AddressSanitizer the blocks come from malloc one by one (POOL_MALLOC), so leaks, overruns
 * and uses after free show with their stacks; with POOL_SLABS free blocks are poisoned instead.
 * Threads: PoolLocal by its owner only; pool_global_*, pool_shared_*, pool_stats by any. */
#ifndef MAGGIE_MEMPOOL_H
#define MAGGIE_MEMPOOL_H

#include "env.h"
#include "lock.h"

#define POOL_CLASS_COUNT 11
#define POOL_SIZE_MIN ((size_t)64)
#define POOL_SIZE_MAX ((size_t)65536)
#define POOL_SLAB_SIZE ((size_t)2 << 20)
#define POOL_SPAN_SIZE ((size_t)128 << 10) /* what a local takes from a slab at a time */
#define POOL_BATCH_MAX 64

typedef struct PoolBlock PoolBlock; /* a free block, seen by the pool only */
typedef struct PoolGlobal PoolGlobal;

typedef enum PoolMode {
    POOL_DEFAULT, /* POOL_MALLOC in AddressSanitizer builds, else POOL_SLABS */
    POOL_SLABS,
    POOL_MALLOC,
} PoolMode;

/* Per class: two chains of at most one batch each, so that a run of frees followed by a run of
 * allocs around the batch border does not go to the global pool each time. */
typedef struct PoolList {
    PoolBlock *head;  /* LIFO, `count` blocks */
    PoolBlock *spare; /* empty or exactly one full batch */
    char *bump;       /* untouched rest of the current span */
    char *bump_end;
    uint32_t count;
    uint32_t batch; /* blocks in a full batch of this class */
} PoolList;

typedef struct PoolLocal PoolLocal;

struct PoolLocal {
    PoolList list[POOL_CLASS_COUNT];
    PoolGlobal *global;
    int64_t live_bytes; /* handed out minus taken back by this local; negative when it only frees.
                           Writer: owner. Readers: pool_stats, relaxed (a statistic). */
    uint64_t batches;   /* trips to the global pool; same rule */
    bool malloc_mode;
    PoolLocal *next; /* in the global's list; under its lock */
    PoolLocal *prev;
};

typedef struct PoolShared {
    Lock lock;
    PoolLocal local; /* under lock */
} PoolShared;

typedef struct PoolStats {
    int64_t live_bytes;  /* in the hands of users */
    uint64_t slab_bytes; /* mapped */
    uint64_t big_bytes;  /* blocks above POOL_SIZE_MAX */
    uint64_t batches;    /* trips to the global pool */
} PoolStats;

/* The class for `n` bytes (0 < n <= POOL_SIZE_MAX). */
static inline uint32_t pool_class_of(size_t n)
{
    return n <= POOL_SIZE_MIN ? 0 : (uint32_t)(64 - __builtin_clzll((n - 1) >> 6));
}

static inline size_t pool_class_size(uint32_t size_class) { return POOL_SIZE_MIN << size_class; }

/* Returns new, or NULL. `slab_bytes_max` bounds the mapped slabs (0: no bound). */
PoolGlobal *pool_global_create(const Env *env, PoolMode mode, uint64_t slab_bytes_max);

/* Unmaps all slabs; every local must have been closed. Blocks still in use are gone with them in
 * slab mode and leak in malloc mode; answers their bytes, so that callers can assert zero. */
int64_t pool_global_destroy(PoolGlobal *global);

void pool_local_init(PoolLocal *local, PoolGlobal *global);

/* Returns all free blocks to the global pool. */
void pool_local_close(PoolLocal *local);

/* Slow halves; use pool_alloc and pool_free. */
void *pool_alloc_slow(PoolLocal *local, uint32_t size_class);
void pool_free_slow(PoolLocal *local, void *block, uint32_t size_class);

/* A free block as the pool links it. The other words are undefined. */
struct PoolBlock {
    PoolBlock *next;       /* in its chain */
    PoolBlock *batch_next; /* first block of a batch in the global stack: the batch below */
    uint64_t batch_count;  /* first block of a batch in the global stack: its length */
};

/* Returns new (free with pool_free of the same class, from any local) or NULL when memory is
 * out. */
static inline void *pool_alloc(PoolLocal *local, uint32_t size_class)
{
#if !MAGGIE_ASAN
    PoolList *list = &local->list[size_class];
    PoolBlock *block = list->head;
    if (__builtin_expect(block != NULL, 1)) {
        list->head = block->next;
        list->count--;
        /* Relaxed: a statistic with one writer. */
        atom_bump_owned(&local->live_bytes, (int64_t)pool_class_size(size_class));
        return block;
    }
#endif
    return pool_alloc_slow(local, size_class);
}

/* Takes `block`, which came from any local of the same PoolGlobal with this class. */
static inline void pool_free(PoolLocal *local, void *block, uint32_t size_class)
{
#if !MAGGIE_ASAN
    PoolList *list = &local->list[size_class];
    if (__builtin_expect(list->count < list->batch, 1)) {
        PoolBlock *free_block = block;
        free_block->next = list->head;
        list->head = free_block;
        list->count++;
        /* Relaxed: a statistic with one writer. */
        atom_bump_owned(&local->live_bytes, -(int64_t)pool_class_size(size_class));
        return;
    }
#endif
    pool_free_slow(local, block, size_class);
}

/* Any size: a class block up to POOL_SIZE_MAX, else from the Env. *size is what was got (>= n) and
 * must be given to pool_free_bytes. Returns new or NULL. */
void *pool_alloc_bytes(PoolLocal *local, size_t n, size_t *size);
void pool_free_bytes(PoolLocal *local, void *block, size_t size);

void pool_shared_init(PoolShared *shared, PoolGlobal *global);
void pool_shared_close(PoolShared *shared);
void *pool_shared_alloc(PoolShared *shared, uint32_t size_class);
void pool_shared_free(PoolShared *shared, void *block, uint32_t size_class);
void *pool_shared_alloc_bytes(PoolShared *shared, size_t n, size_t *size);
void pool_shared_free_bytes(PoolShared *shared, void *block, size_t size);

/* A whole zeroed slab (POOL_SLAB_SIZE bytes, so aligned, huge pages) that stays mapped until the
 * pool is destroyed: for type-stable tables. NULL when memory is out. Any thread. */
void *pool_slab(PoolGlobal *global);

/* Sums over all locals. Exact when nothing runs, else a snapshot. Any thread. */
void pool_stats(PoolGlobal *global, PoolStats *stats);

#endif
