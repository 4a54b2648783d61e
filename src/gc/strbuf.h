/* SPDX-License-Identifier: Apache-2.0 */
/* strbuf.h - off-heap counted string buffers, and one view over every kind of string.
 *
 * Strings above STR_INLINE_MAX bytes live in a StrBuf shared by slices in any number of heaps.
 * Bytes [0, used) are immutable once visible; only the owner that created the end may append in
 * place (claim by CAS on `used`), so repeated `s , t` is amortised linear.
 */
#ifndef MAGGIE_STRBUF_H
#define MAGGIE_STRBUF_H

#include "heap.h"

typedef struct StrBuf StrBuf;

/* Bytes of a String (inline or off-heap). Valid until the next safepoint. Symbols: symtab. */
typedef struct StrView {
    const uint8_t *data;
    size_t bytes;
    size_t chars;
} StrView;

static inline bool value_is_string(Value v)
{
    return value_is_ptr(v) &&
           (obj_kind(obj_of(v)) == OBJ_STRING || obj_kind(obj_of(v)) == OBJ_BIG_STRING);
}
/* v must satisfy value_is_string. */
StrView str_view(Value v);

/* New string object of `bytes` bytes; *data is where the caller writes them (valid UTF-8) before
 * the next safepoint. chars must be right. Class cls (CLASS_STRING or a subclass). */
Status str_new(Heap *heap, HeapCtx *cx, const Value *stack_end, uint32_t cls, size_t bytes,
               size_t chars, uint8_t **data, Value *out) MUST_CHECK;
/* a , b: appends in place when a is the last slice of a buffer with room. */
Status str_concat(Heap *heap, HeapCtx *cx, const Value *stack_end, StrView a, Value a_value,
                  StrView b, Value *out) MUST_CHECK;
/* Bytes [offset, offset + bytes) of a: shares the buffer when the slice is at least 1/8 of it and
 * longer than STR_INLINE_MAX, copies otherwise. */
Status str_slice(Heap *heap, HeapCtx *cx, const Value *stack_end, Value a, size_t offset,
                 size_t bytes, size_t chars, Value *out) MUST_CHECK;
/* Would str_concat append b of `more` bytes in place, copying only b? */
bool str_can_append(Value a, size_t more);
/* A long string with room to grow, to be filled by the caller (in pieces: nobody else sees it). */
Status str_new_growing(Heap *heap, HeapCtx *cx, const Value *stack_end, size_t bytes, size_t chars,
                       uint8_t **data, Value *out) MUST_CHECK;
/* Code point and byte of one place in a string that is not ASCII. */
typedef struct StrPlace {
    size_t index;
    size_t offset;
} StrPlace;
/* The nearest known place: start, end or the cursor left by the last walk. index <= chars. */
StrPlace str_nearest(Value v, size_t index);
/* Walks from *at towards `index`, at most `most` code points; answers how many. */
size_t str_walk(Value v, StrPlace *at, size_t index, size_t most);
/* Byte offset of code point `index` (0-based) of string v: constant time for ASCII, otherwise
 * stepping from the nearest of start, end and the cached cursor. */
size_t str_offset(Value v, size_t index);
/* Frozen string in a region (loader, image). */
Status str_new_frozen(struct Region *region, HeapCtx *cx, uint32_t cls, const uint8_t *data,
                      size_t bytes, Value *out) MUST_CHECK;

#endif
