/* SPDX-License-Identifier: Apache-2.0 */
/* mempool.c - block pools: slabs, spans, per-scheduler free lists, batches between them.
 * A slab (2 MiB) is cut into spans (128 KiB); a span serves one class of one local and is never
 * linked in advance, so memory that nobody asked for is not touched. A freed block goes to the list
 * of whoever freed it; what is too much there moves in whole batches, linked through the free
 * blocks themselves, to the global stack of the class.
 * Threads: see mempool.h. Invariant: a block is in exactly one of: a user's hands, a local chain, a
 * global batch, the untouched rest of a span. */
#include "mempool.h"

#include <assert.h>
#include <string.h>

#if MAGGIE_ASAN
#include <sanitizer/asan_interface.h>
#define POOL_POISON(p, n) __asan_poison_memory_region((p), (n))
#define POOL_UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define POOL_POISON(p, n) ((void)(p), (void)(n))
#define POOL_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

/* Functions that read and write the links inside poisoned free blocks. */
#define TOUCHES_FREE_BLOCKS __attribute__((no_sanitize_address))

/* A batch should not hold back more than this many bytes of a big class. */
#define POOL_BATCH_BYTES ((size_t)128 << 10)

struct PoolGlobal {
    const Env *env;
    bool malloc_mode;
    Lock lock;                            /* level 4; protects everything below */
    PoolBlock *batches[POOL_CLASS_COUNT]; /* also read without the lock, as a hint */
    char *span_next;                      /* rest of the current slab */
    char *span_end;
    char **slabs;
    size_t slab_count;
    size_t slab_room;
    uint64_t slab_bytes_max;
    PoolLocal *locals;
    int64_t live_closed; /* live_bytes of locals that were closed */
    uint64_t batches_closed;
    uint64_t big_bytes; /* atomic, relaxed: a statistic */
};

_Static_assert(sizeof(PoolBlock) <= POOL_SIZE_MIN, "links fit into the smallest block");
_Static_assert(POOL_SLAB_SIZE % POOL_SPAN_SIZE == 0, "spans fill a slab");
_Static_assert(POOL_SIZE_MIN << (POOL_CLASS_COUNT - 1) == POOL_SIZE_MAX,
               "classes reach the maximum");

/* --- global ---------------------------------------------------------------------------------- */

PoolGlobal *pool_global_create(const Env *env, PoolMode mode, uint64_t slab_bytes_max)
{
    PoolGlobal *global = env_calloc(env, sizeof *global);
    if (!global)
        return NULL;
    global->env = env;
    global->malloc_mode = mode == POOL_MALLOC || (mode == POOL_DEFAULT && MAGGIE_ASAN);
    global->slab_bytes_max = slab_bytes_max;
    return global;
}

int64_t pool_global_destroy(PoolGlobal *global)
{
    PoolStats stats;
    pool_stats(global, &stats);
    assert(!global->locals);
    for (size_t i = 0; i < global->slab_count; i++) {
        POOL_UNPOISON(global->slabs[i], POOL_SLAB_SIZE);
        global->env->unmap(global->env->ctx, global->slabs[i], POOL_SLAB_SIZE);
    }
    env_free(global->env, global->slabs, global->slab_room * sizeof *global->slabs);
    env_free(global->env, global, sizeof *global);
    return stats.live_bytes;
}

/* Room for one more entry in the slab list. Under the lock. */
static bool slab_list_reserve(PoolGlobal *global)
{
    if (global->slab_count < global->slab_room)
        return true;
    size_t room = global->slab_room ? global->slab_room * 2 : 16;
    size_t old_size = global->slab_room * sizeof *global->slabs;
    size_t size = room * sizeof *global->slabs;
    char **slabs = global->slabs ? env_realloc(global->env, global->slabs, old_size, size)
                                 : env_alloc(global->env, size);
    if (!slabs)
        return false;
    global->slabs = slabs;
    global->slab_room = room;
    return true;
}

/* Maps one more slab; NULL when memory or the bound is used up. Under the lock. */
static char *slab_map(PoolGlobal *global)
{
    uint64_t mapped = global->slab_count * POOL_SLAB_SIZE;
    if (global->slab_bytes_max != 0 && mapped + POOL_SLAB_SIZE > global->slab_bytes_max)
        return NULL;
    if (!slab_list_reserve(global))
        return NULL;
    /* A small VM lives in the first slab: without huge pages it pays only for what it touches. */
    bool huge = global->slab_count > 0;
    char *slab = global->env->map(global->env->ctx, POOL_SLAB_SIZE, POOL_SLAB_SIZE, huge);
    if (slab)
        global->slabs[global->slab_count++] = slab;
    return slab;
}

void *pool_slab(PoolGlobal *global)
{
    lock_acquire(&global->lock);
    char *slab = slab_map(global);
    lock_release(&global->lock);
    return slab;
}

static char *span_take(PoolGlobal *global)
{
    lock_acquire(&global->lock);
    if (global->span_next == global->span_end) {
        char *slab = slab_map(global);
        if (slab) {
            global->span_next = slab;
            global->span_end = slab + POOL_SLAB_SIZE;
        }
    }
    char *span = NULL;
    if (global->span_next != global->span_end) {
        span = global->span_next;
        global->span_next += POOL_SPAN_SIZE;
    }
    lock_release(&global->lock);
    return span;
}

TOUCHES_FREE_BLOCKS
static void batch_push(PoolGlobal *global, uint32_t size_class, PoolBlock *head, uint32_t count)
{
    lock_acquire(&global->lock);
    head->batch_next = global->batches[size_class];
    head->batch_count = count;
    /* Relaxed: readers without the lock use it as a hint only (batch_pop). */
    atom_store_rlx(&global->batches[size_class], head);
    lock_release(&global->lock);
}

TOUCHES_FREE_BLOCKS
static PoolBlock *batch_pop(PoolGlobal *global, uint32_t size_class, uint32_t *count)
{
    /* Relaxed: an empty look may be stale; then a span is taken instead, which is never wrong. */
    if (!atom_load_rlx(&global->batches[size_class]))
        return NULL;
    lock_acquire(&global->lock);
    PoolBlock *head = global->batches[size_class];
    if (head) {
        /* Relaxed: as in batch_push. */
        atom_store_rlx(&global->batches[size_class], head->batch_next);
        *count = (uint32_t)head->batch_count;
    }
    lock_release(&global->lock);
    return head;
}

/* --- local ----------------------------------------------------------------------------------- */

static uint32_t batch_length(uint32_t size_class)
{
    size_t fit = POOL_BATCH_BYTES / pool_class_size(size_class);
    return fit > POOL_BATCH_MAX ? POOL_BATCH_MAX : (uint32_t)fit;
}

void pool_local_init(PoolLocal *local, PoolGlobal *global)
{
    memset(local, 0, sizeof *local);
    local->global = global;
    local->malloc_mode = global->malloc_mode;
    /* In malloc mode a batch of no blocks makes the fast paths give way to the slow ones. */
    for (uint32_t c = 0; c < POOL_CLASS_COUNT; c++)
        local->list[c].batch = global->malloc_mode ? 0 : batch_length(c);
    lock_acquire(&global->lock);
    local->next = global->locals;
    if (local->next)
        local->next->prev = local;
    global->locals = local;
    lock_release(&global->lock);
}

static void local_unlink(PoolLocal *local)
{
    PoolGlobal *global = local->global;
    lock_acquire(&global->lock);
    if (local->prev)
        local->prev->next = local->next;
    else
        global->locals = local->next;
    if (local->next)
        local->next->prev = local->prev;
    global->live_closed += local->live_bytes;
    global->batches_closed += local->batches;
    lock_release(&global->lock);
}

/* Turns the untouched rest of a span into free blocks, so that it is not lost with the local. */
TOUCHES_FREE_BLOCKS
static void span_return(PoolLocal *local, uint32_t size_class)
{
    PoolList *list = &local->list[size_class];
    size_t size = pool_class_size(size_class);
    PoolBlock *head = NULL;
    uint32_t count = 0;
    while (list->bump != list->bump_end) {
        PoolBlock *block = (PoolBlock *)list->bump;
        list->bump += size;
        block->next = head;
        head = block;
        count++;
        if (count == list->batch || list->bump == list->bump_end) {
            batch_push(local->global, size_class, head, count);
            head = NULL;
            count = 0;
        }
    }
}

void pool_local_close(PoolLocal *local)
{
    for (uint32_t c = 0; c < POOL_CLASS_COUNT; c++) {
        PoolList *list = &local->list[c];
        if (list->head)
            batch_push(local->global, c, list->head, list->count);
        if (list->spare)
            batch_push(local->global, c, list->spare, list->batch);
        span_return(local, c);
    }
    local_unlink(local);
}

static void account(PoolLocal *local, int64_t bytes)
{
    /* Relaxed: a statistic with one writer. */
    atom_bump_owned(&local->live_bytes, bytes);
}

/* Gets a chain into list->head, or answers false. */
static bool list_refill(PoolLocal *local, uint32_t size_class)
{
    PoolList *list = &local->list[size_class];
    if (list->spare) {
        list->head = list->spare;
        list->count = list->batch;
#ifndef MAGGIE_MUTANT_POOL_DOUBLE
        list->spare = NULL;
#endif
        return true;
    }
    uint32_t count = 0;
    PoolBlock *head = batch_pop(local->global, size_class, &count);
    if (!head)
        return false;
    list->head = head;
    list->count = count;
    /* Relaxed: a statistic with one writer. */
    atom_bump_owned(&local->batches, 1u);
    return true;
}

static void *bump_alloc(PoolLocal *local, uint32_t size_class)
{
    PoolList *list = &local->list[size_class];
    if (list->bump == list->bump_end) {
        list->bump = span_take(local->global);
        list->bump_end = list->bump ? list->bump + POOL_SPAN_SIZE : NULL;
        if (!list->bump)
            return NULL;
        POOL_POISON(list->bump, POOL_SPAN_SIZE);
    }
    void *block = list->bump;
    list->bump += pool_class_size(size_class);
    return block;
}

TOUCHES_FREE_BLOCKS
void *pool_alloc_slow(PoolLocal *local, uint32_t size_class)
{
    assert(size_class < POOL_CLASS_COUNT);
    PoolList *list = &local->list[size_class];
    size_t size = pool_class_size(size_class);
    void *block;
    if (local->malloc_mode) {
        const Env *env = local->global->env;
        block = env->alloc_aligned(env->ctx, size, size);
    } else if (list->head || list_refill(local, size_class)) {
        block = list->head;
        list->head = list->head->next;
        list->count--;
        POOL_UNPOISON(block, size);
    } else {
        block = bump_alloc(local, size_class);
        if (block)
            POOL_UNPOISON(block, size);
    }
    if (block)
        account(local, (int64_t)size);
    return block;
}

TOUCHES_FREE_BLOCKS
void pool_free_slow(PoolLocal *local, void *block, uint32_t size_class)
{
    assert(size_class < POOL_CLASS_COUNT);
    PoolList *list = &local->list[size_class];
    size_t size = pool_class_size(size_class);
    account(local, -(int64_t)size);
    if (local->malloc_mode) {
        env_free(local->global->env, block, size);
        return;
    }
    if (list->count == list->batch) {
        if (list->spare) {
            batch_push(local->global, size_class, list->spare, list->batch);
            /* Relaxed: a statistic with one writer. */
            atom_bump_owned(&local->batches, 1u);
        }
        list->spare = list->head;
        list->head = NULL;
        list->count = 0;
    }
    PoolBlock *free_block = block;
    free_block->next = list->head;
    list->head = free_block;
    list->count++;
    POOL_POISON(block, size);
}

/* --- any size -------------------------------------------------------------------------------- */

void *pool_alloc_bytes(PoolLocal *local, size_t n, size_t *size)
{
    if (n <= POOL_SIZE_MAX) {
        uint32_t size_class = pool_class_of(n);
        *size = pool_class_size(size_class);
        return pool_alloc(local, size_class);
    }
    void *block = env_alloc(local->global->env, n);
    *size = n;
    /* Relaxed: a statistic. */
    if (block)
        atom_add_rlx(&local->global->big_bytes, n);
    return block;
}

void pool_free_bytes(PoolLocal *local, void *block, size_t size)
{
    if (size <= POOL_SIZE_MAX) {
        pool_free(local, block, pool_class_of(size));
        return;
    }
    /* Relaxed: a statistic. */
    atom_sub_rlx(&local->global->big_bytes, size);
    env_free(local->global->env, block, size);
}

/* --- shared ---------------------------------------------------------------------------------- */

void pool_shared_init(PoolShared *shared, PoolGlobal *global)
{
    shared->lock = (Lock)LOCK_INIT;
    pool_local_init(&shared->local, global);
}

void pool_shared_close(PoolShared *shared) { pool_local_close(&shared->local); }

void *pool_shared_alloc(PoolShared *shared, uint32_t size_class)
{
    lock_acquire(&shared->lock);
    void *block = pool_alloc(&shared->local, size_class);
    lock_release(&shared->lock);
    return block;
}

void pool_shared_free(PoolShared *shared, void *block, uint32_t size_class)
{
    lock_acquire(&shared->lock);
    pool_free(&shared->local, block, size_class);
    lock_release(&shared->lock);
}

void *pool_shared_alloc_bytes(PoolShared *shared, size_t n, size_t *size)
{
    lock_acquire(&shared->lock);
    void *block = pool_alloc_bytes(&shared->local, n, size);
    lock_release(&shared->lock);
    return block;
}

void pool_shared_free_bytes(PoolShared *shared, void *block, size_t size)
{
    lock_acquire(&shared->lock);
    pool_free_bytes(&shared->local, block, size);
    lock_release(&shared->lock);
}

/* --- statistics ------------------------------------------------------------------------------ */

void pool_stats(PoolGlobal *global, PoolStats *stats)
{
    lock_acquire(&global->lock);
    stats->live_bytes = global->live_closed;
    stats->batches = global->batches_closed;
    for (PoolLocal *local = global->locals; local; local = local->next) {
        /* Relaxed: a snapshot; the owners go on counting. */
        stats->live_bytes += atom_load_rlx(&local->live_bytes);
        stats->batches += atom_load_rlx(&local->batches);
    }
    stats->slab_bytes = global->slab_count * POOL_SLAB_SIZE;
    stats->big_bytes = atom_load_rlx(&global->big_bytes);
    lock_release(&global->lock);
}
