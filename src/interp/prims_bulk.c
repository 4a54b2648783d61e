/* SPDX-License-Identifier: Apache-2.0 */
/* prims_bulk.c - see prims_bulk.h.
 *
 * c->resume->root is the object being made, ->b its phase, ->a the words done in that phase.
 * Threads: the owner of the process.
 */
#include "prims_bulk.h"

enum { PHASE_CLEAR = 1, PHASE_FILL = 2 };

static bool has_pointer(const Value *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (value_is_ptr(src[i])) {
            return true;
        }
    }
    return false;
}

/* One Value; the frozen case was excluded by the caller. */
static inline void store_one(PrimCall *c, Object *dst, Value *slot, Value v)
{
    if (value_is_ptr(v)) {
        (void)heap_store(c->heap, dst, slot, v);
    } else {
        *slot = v;
    }
}

void bulk_store(PrimCall *c, Object *dst, size_t at, const Value *src, size_t n)
{
    Value *to = obj_slots(dst) + at;
    if ((dst->header & OBJ_F_GUARD_MASK) == 0 || !has_pointer(src, n)) {
        memmove(to, src, n * sizeof *to);
    } else if (to <= src) {
        for (size_t i = 0; i < n; i++) {
            store_one(c, dst, to + i, src[i]);
        }
    } else {
        for (size_t i = n; i > 0; i--) {
            store_one(c, dst, to + i - 1, src[i - 1]);
        }
    }
}

static void fill_words(Value *words, size_t n, Value v)
{
    for (size_t i = 0; i < n; i++) {
        words[i] = v;
    }
}

/* Clears the words of a large object in pieces, from c->resume->a on. */
static PrimStatus clear_pieces(PrimCall *c, Object *o, size_t words, Value v)
{
    while (c->resume->a < words) {
        size_t left = words - (size_t)c->resume->a;
        size_t n = left < BULK_PIECE_WORDS ? left : BULK_PIECE_WORDS;
        fill_words(obj_slots(o) + c->resume->a, n, v);
        c->resume->a += n;
        prim_charge(c, BULK_COST(n));
        if (prim_out_of_time(c) && c->resume->a < words) {
            return PRIM_YIELD;
        }
    }
    return PRIM_OK;
}

/* Begins a large object. Its words are zero, which the collector takes for no values. */
static PrimStatus large_begin(PrimCall *c, uint32_t cls, ObjKind kind, unsigned pad, size_t words)
{
    PrimStatus st;
    Object *o = prim_new(c, cls, kind, pad, words, &st);
    if (o == NULL) {
        return st;
    }
    c->resume->root = value_ptr(o);
    c->resume->a = 0;
    c->resume->b = PHASE_CLEAR;
    return PRIM_OK;
}

/* Brings the object of this call to PHASE_FILL, with every word nil if `clear`. */
static PrimStatus large_slots(PrimCall *c, uint32_t cls, size_t words, bool clear)
{
    PrimStatus st = PRIM_OK;
    if (c->resume->b == 0) {
        st = large_begin(c, cls, OBJ_SLOTS, 0, words);
    }
    if (st == PRIM_OK && c->resume->b == PHASE_CLEAR) {
        Object *o = obj_of(c->resume->root);
        st = clear ? clear_pieces(c, o, words, VALUE_NIL) : PRIM_OK;
        if (st == PRIM_OK) {
            c->resume->a = 0;
            c->resume->b = PHASE_FILL;
        }
    }
    return st;
}

PrimStatus bulk_new_slots(PrimCall *c, uint32_t cls, size_t words, Value fill, Object **out)
{
    PrimStatus st;
    if (words <= HEAP_LARGE_WORDS) {
        Object *o = prim_new(c, cls, OBJ_SLOTS, 0, words, &st);
        if (o == NULL) {
            return st;
        }
        fill_words(obj_slots(o), words, fill);
        prim_charge(c, words / 32);
        *out = o;
        return PRIM_OK;
    }
    st = large_slots(c, cls, words, fill == VALUE_NIL);
    if (st != PRIM_OK) {
        return st;
    }
    Object *o = obj_of(c->resume->root);
    while (fill != VALUE_NIL && c->resume->a < words) {
        size_t left = words - (size_t)c->resume->a;
        size_t n = left < BULK_PIECE_WORDS ? left : BULK_PIECE_WORDS;
        for (size_t i = 0; i < n; i++) {
            store_one(c, o, obj_slots(o) + c->resume->a + i, fill);
        }
        c->resume->a += n;
        prim_charge(c, BULK_COST(n));
        if (prim_out_of_time(c) && c->resume->a < words) {
            return PRIM_YIELD;
        }
    }
    *out = o;
    return PRIM_OK;
}

PrimStatus bulk_new_raw(PrimCall *c, uint32_t cls, ObjKind kind, unsigned pad, size_t words,
                        Object **out)
{
    PrimStatus st = PRIM_OK;
    if (c->resume->b == 0) {
        st = large_begin(c, cls, kind, pad, words);
    }
    if (st == PRIM_OK) {
        st = clear_pieces(c, obj_of(c->resume->root), words, 0);
    }
    *out = st == PRIM_OK ? obj_of(c->resume->root) : NULL;
    return st;
}

PrimStatus bulk_copy_slots(PrimCall *c, uint32_t cls, size_t words, size_t at, Object *src,
                           size_t from, size_t n, Object **out)
{
    PrimStatus st;
    if (words <= HEAP_LARGE_WORDS) {
        Object *o = prim_new(c, cls, OBJ_SLOTS, 0, words, &st);
        if (o == NULL) {
            return st;
        }
        Value *to = obj_slots(o);
        fill_words(to, at, VALUE_NIL);
        memcpy(to + at, obj_slots(src) + from, n * sizeof *to);
        fill_words(to + at + n, words - at - n, VALUE_NIL);
        prim_charge(c, words / 32);
        *out = o;
        return PRIM_OK;
    }
    st = large_slots(c, cls, words, n < words);
    if (st != PRIM_OK) {
        return st;
    }
    Object *o = obj_of(c->resume->root);
    st = bulk_move(c, o, at, src, from, n);
    *out = o;
    return st;
}

PrimStatus bulk_copy_raw(PrimCall *c, uint32_t cls, ObjKind kind, const Object *src, size_t from,
                         size_t bytes, Object **out)
{
    size_t words = (bytes + 7) / 8;
    unsigned pad = (unsigned)(words * 8 - bytes);
    PrimStatus st = PRIM_OK;
    if (c->resume->b == 0) {
        st = large_begin(c, cls, kind, pad, words);
    }
    if (st != PRIM_OK) {
        return st;
    }
    Object *o = obj_of(c->resume->root);
    uint8_t *to = (uint8_t *)obj_slots(o);
    const uint8_t *source = (const uint8_t *)(src->words + (obj_is_big(src) ? 1 : 0)) + from;
    while (c->resume->a < bytes) {
        size_t left = bytes - (size_t)c->resume->a;
        size_t n = left < BULK_PIECE_WORDS * 8 ? left : BULK_PIECE_WORDS * 8;
        memcpy(to + c->resume->a, source + c->resume->a, n);
        c->resume->a += n;
        prim_charge(c, n / 256);
        if (prim_out_of_time(c) && c->resume->a < bytes) {
            return PRIM_YIELD;
        }
    }
    memset(to + bytes, 0, pad); /* equal contents are equal words */
    *out = o;
    return PRIM_OK;
}

PrimStatus bulk_move(PrimCall *c, Object *dst, size_t at, Object *src, size_t from, size_t n)
{
    bool backwards = dst == src && at > from;
    while (c->resume->a < n) {
        size_t done = (size_t)c->resume->a;
        size_t piece = n - done < BULK_PIECE_WORDS ? n - done : BULK_PIECE_WORDS;
        size_t offset = backwards ? n - done - piece : done;
        bulk_store(c, dst, at + offset, obj_slots(src) + from + offset, piece);
        c->resume->a += piece;
        prim_charge(c, piece / 32);
        if (prim_out_of_time(c) && c->resume->a < n) {
            return PRIM_YIELD;
        }
    }
    return PRIM_OK;
}
