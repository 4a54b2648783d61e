/* SPDX-License-Identifier: Apache-2.0 */
/* fastops.h - what the dispatch loop does with integers, Arrays and Strings without a send.
 *
 * Each answers that it cannot (0, VALUE_NONE, false) where only the full primitive knows what to
 * do.
 * Threads: the owner of the process, in the loop. */
#ifndef MAGGIE_FASTOPS_H
#define MAGGIE_FASTOPS_H

#include "strbuf.h"
#include "value.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

static inline bool words_equal(Value a, Value b)
{
    if (value_is_float(a) && value_is_float(b)) {
        return value_as_float(a) == value_as_float(b);
    }
    return a == b;
}

static inline Value int_multiply(Value a, Value b)
{
    int64_t r;
    if (__builtin_mul_overflow(value_as_int(a), value_as_int(b), &r) || !value_int_fits(r)) {
        return 0;
    }
    return value_int(r);
}
/* The following answer 0 (not an integer word) where only the full primitive knows what to do. */
static inline Value int_divide(int64_t a, int64_t b)
{
    return b == 0 || b == -1 ? 0 : value_int(a / b);
}
static inline Value int_floor_divide(int64_t a, int64_t b)
{
    if (b == 0 || b == -1) {
        return 0;
    }
    int64_t q = a / b;
    return value_int(q - (a % b != 0 && (a < 0) != (b < 0)));
}
static inline Value int_remainder(int64_t a, int64_t b)
{
    return b == 0 ? 0 : value_int(b == -1 ? 0 : a % b);
}
static inline Value int_shift(int64_t a, int64_t n)
{
    if (n < 0) {
        return value_int(n < -63 ? (a < 0 ? -1 : 0) : a >> -n);
    }
    if (n > 47) {
        return a == 0 ? value_int(0) : 0;
    }
    int64_t r;
    if (__builtin_mul_overflow(a, INT64_C(1) << n, &r) || !value_int_fits(r)) {
        return 0;
    }
    return value_int(r);
}

/* Element of an exact Array, or of an ASCII short string; VALUE_NONE when it takes a send. */
static inline Value fast_at(Value a, Value b)
{
    if (UNLIKELY(a >> VALUE_TAG_SHIFT != 0 || !value_is_int(b))) {
        return VALUE_NONE;
    }
    Object *o = obj_of(a);
    uint64_t index = (uint64_t)(b - VALUE_INT_BIAS) - 1;
    if (LIKELY(obj_class(o) == CLASS_ARRAY)) {
        unsigned n = obj_size_field(o);
        if (LIKELY(n != OBJ_SIZE_BIG)) {
            return index < n ? o->words[index] : VALUE_NONE;
        }
        return index < o->words[0] ? o->words[1 + index] : VALUE_NONE;
    }
    if (obj_class(o) == CLASS_STRING && obj_kind(o) == OBJ_STRING) {
        uint32_t bytes = str_inline_bytes(o);
        if (bytes == str_inline_chars(o) && index < bytes) {
            return value_char(str_inline_data(o)[index]);
        }
    }
    return VALUE_NONE;
}

/* array at: index put: v, on an exact Array that may be written inline. */
static inline bool fast_at_put(Heap *heap, Value array, Value at, Value v)
{
    if (UNLIKELY(array >> VALUE_TAG_SHIFT != 0 || !value_is_int(at))) {
        return false;
    }
    Object *o = obj_of(array);
    if (UNLIKELY(obj_class(o) != CLASS_ARRAY)) {
        return false;
    }
    uint64_t index = (uint64_t)(at - VALUE_INT_BIAS) - 1;
    unsigned n = obj_size_field(o);
    if (LIKELY(n != OBJ_SIZE_BIG)) {
        return LIKELY(index < n) && heap_store(heap, o, o->words + index, v);
    }
    return index < o->words[0] && heap_store(heap, o, o->words + 1 + index, v);
}

static inline Value fast_size(Value a)
{
    if (UNLIKELY(a >> VALUE_TAG_SHIFT != 0)) {
        return VALUE_NONE;
    }
    Object *o = obj_of(a);
    if (obj_class(o) == CLASS_ARRAY) {
        return value_int((int64_t)obj_words(o));
    }
    if (obj_class(o) == CLASS_STRING && obj_kind(o) == OBJ_STRING) {
        return value_int((int64_t)str_inline_chars(o));
    }
    return VALUE_NONE;
}

#endif
