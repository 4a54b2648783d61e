/* SPDX-License-Identifier: Apache-2.0 */
/* frozen.h - deeply immutable data shared by all processes of a VM (D3, M1).
 *
 * A Region is one counted allocation holding a frozen object graph: the value of a global, the
 * literals of a method, the image. Each frozen object is preceded by one word, its Region, so a
 * pointer alone finds the count. A region that refers to other regions holds a count of each.
 *
 * Who holds counts: a cell its current region; a method version its literals; a fragment and a heap
 * each region they refer to, once (heap_hold). Immortal regions (image, boot) are not counted.
 *
 * A region may carry code (interp/code_life.h says whose): then the code lives as long as the
 * region, and a closure counts as a reference to it.
 *
 * Letting go: a heap that notes a region does not know for how long, so it sweeps: a collection
 * that is not minor keeps the holds it met. Heaps that note many sweep of their own accord
 * (heap_wants_sweep). Idle ones have to be asked: a region whose owner (cell, class) let it go is
 * retired, and when more than HeapEnv.ask_limit bytes are retired but alive, a round begins
 * (HeapEnv.ask grows); the VM wakes parked processes, and each sweeps once at its next switch-in.
 * The limit is then twice what is retired, so that what is really in use is not asked for again and
 * again, and comes down with it.
 *
 * Reading a cell: the region may lose its last count while the reader looks at it, so readers run
 * inside the scheduler's epoch section, and freeing is deferred by the epoch.
 */
#ifndef MAGGIE_FROZEN_H
#define MAGGIE_FROZEN_H

#include "epoch.h"
#include "heap.h"

typedef struct Region Region;

/* The region of a frozen object. */
static inline Region *region_of(const Object *o) { return ((Region *const *)(const void *)o)[-1]; }

/* Copies the graph reachable from v (owned by `source`, may be NULL if v holds only frozen parts)
 * into a new region with one count, given to the caller. Immediates: *region NULL. Already frozen
 * values: shared, its region retained. */
Status frozen_copy(Heap *source, HeapCtx *cx, Value v, Value *out, Region **region,
                   Value *culprit) MUST_CHECK;
/* An empty region builder for the loader: objects are appended with frozen_new, then sealed. */
Status region_new(HeapCtx *cx, size_t capacity_words, bool immortal, Region **out) MUST_CHECK;
/* STATUS_LIMIT when the capacity does not suffice (one object takes 1 + obj_alloc_words(payload)).
 * The caller fills the words, with frozen values of this region or of regions given to
 * region_hold. */
Status frozen_new(Region *region, uint32_t cls, ObjKind kind, unsigned pad, size_t payload_words,
                  Object **out) MUST_CHECK;

void region_retain(Region *region); /* caller already holds a count */
/* For a region seen in a cell inside an epoch section: false when it is already dying. */
bool region_try_retain(Region *region);
/* The memory goes through epoch_defer (at once when epoch is NULL: single-threaded use). */
/* cx may be NULL; otherwise deferred_bytes of it grows by what is deferred. */
void region_release(HeapCtx *cx, EpochRecord *epoch, Region *region);
/* region_release by the owner, who was what kept the region findable. True: a round begins, parked
 * processes should be woken. */
bool region_retire(HeapCtx *cx, EpochRecord *epoch, Region *region);
/* Makes the region, which nobody else has seen yet, carry `code`, which takes code_bytes of memory:
 * HeapEnv.code_dead is called when it dies. */
void region_carry_code(Region *region, void *code, size_t code_bytes);
/* Makes `region` hold the region of frozen value v until it dies; the caller holds v. */
Status region_hold(Region *region, HeapCtx *cx, Value v) MUST_CHECK;
bool region_is_immortal(const Region *region);
/* Teardown of a VM: frees an immortal region, when no heap and no other region refers to it. */
void region_free_immortal(HeapCtx *cx, Region *region);
size_t region_bytes(const Region *region);

/* Makes `heap` hold the region of frozen value v (no-op for immediates, immortals and regions it
 * holds). Must be called before a frozen value read from a cell is stored where it outlives the
 * instruction. False: the region is dying, read the cell again. When there is no memory to note the
 * hold, the region is kept for the life of the VM. */
bool heap_hold(Heap *heap, HeapCtx *cx, Value v);
/* Room for a fragment that is not on its way to note n more regions. It may be another one
 * afterwards. */
Status fragment_reserve_holds(Fragment **f, HeapCtx *cx, size_t n) MUST_CHECK;
/* Makes it hold the region of frozen value v, which the caller holds (no-op as in heap_hold). There
 * must be room. */
void fragment_hold(Fragment *f, HeapCtx *cx, Value v);
/* Room to note one more region. Without it heap_hold keeps a count that nobody gives back. */
Status heap_reserve_hold(Heap *heap, HeapCtx *cx) MUST_CHECK;

#endif
