/* SPDX-License-Identifier: Apache-2.0 */
/* prims_bulk.h - making, filling and copying objects of any size in pieces (I5).
 *
 * What fits the ordinary heap is done at once; larger objects are made in pieces that cost
 * reductions, and the primitive answers PRIM_YIELD between them. Progress lives in c->resume, so a
 * primitive may use one of these functions per call of itself, and must not use c->resume->root,
 * ->a and ->b for anything else.
 *
 * Threads: the owner of the process. Invariant: at each yield every word of the object holds a
 * Value or the zero that a large object begins with, so that it may be collected half made.
 */
#ifndef MAGGIE_PRIMS_BULK_H
#define MAGGIE_PRIMS_BULK_H

#include "prim.h"

/* Words moved between two looks at the clock. */
#define BULK_PIECE_WORDS 2048
/* Reductions for `words` words. */
#define BULK_COST(words) ((words) / 32 + 1)

/* Copies n Values into words [at, at + n) of dst, which may overlap src; remembers what the
 * collector must know. The caller has checked that dst is not frozen and the range inside. */
void bulk_store(PrimCall *c, Object *dst, size_t at, const Value *src, size_t n);

/* New SLOTS object with every word `fill`. PRIM_OK: in *out (unrooted). Otherwise return that. */
PrimStatus bulk_new_slots(PrimCall *c, uint32_t cls, size_t words, Value fill, Object **out);

/* New BYTES or WORDS object with all words zero; `pad` as obj_header. */
PrimStatus bulk_new_raw(PrimCall *c, uint32_t cls, ObjKind kind, unsigned pad, size_t words,
                        Object **out);

/* New SLOTS object of `words` words: n of them copied from word `from` of src to word `at`, the
 * others nil. src is read again at each piece, so it must be reached from args[]. */
PrimStatus bulk_copy_slots(PrimCall *c, uint32_t cls, size_t words, size_t at, Object *src,
                           size_t from, size_t n, Object **out);

/* New BYTES or WORDS object: n bytes from byte `from` of src (of the same kinds), in pieces. */
PrimStatus bulk_copy_raw(PrimCall *c, uint32_t cls, ObjKind kind, const Object *src, size_t from,
                         size_t bytes, Object **out);

/* Moves n Values inside or between objects in pieces; memmove semantics. Uses c->resume->a. */
PrimStatus bulk_move(PrimCall *c, Object *dst, size_t at, Object *src, size_t from, size_t n);

#endif
