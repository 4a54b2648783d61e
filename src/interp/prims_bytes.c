/* SPDX-License-Identifier: Apache-2.0 */
/* prims_bytes.c - primitives of ByteArray and WordArray.
 *
 * A ByteArray holds bytes 0 .. 255, a WordArray signed 64-bit integers; both are raw memory that
 * the collector does not look into. Long work is done in pieces (prims_bulk.h), or the library
 * asks for one piece after the other (texts).
 *
 * Threads: the owner of the process.
 */
#include "prims.h"
#include "prims_bulk.h"
#include "utf8.h"
#include "vm.h"

#define RAW_BYTES_MAX (INT64_C(1) << 30)
#define TEXT_PIECE ((size_t)16384) /* bytes turned into text by one call */

/* The receiver as raw object of this kind; NULL: *st says what to return. */
static Object *raw_self(PrimCall *c, ObjKind kind, PrimStatus *st)
{
    if (!value_is_kind(c->args[0], kind)) {
        *st = prim_type_error(c, 0, kind == OBJ_BYTES ? "ByteArray" : "WordArray");
        return NULL;
    }
    return obj_of(c->args[0]);
}

static int64_t raw_size(const Object *o)
{
    return (int64_t)(obj_kind(o) == OBJ_BYTES ? obj_byte_length(o) : obj_words(o));
}

static size_t raw_unit(const Object *o) { return obj_kind(o) == OBJ_BYTES ? 1 : 8; }

static bool int_arg(PrimCall *c, unsigned k, int64_t *out, PrimStatus *st)
{
    if (!value_is_int(c->args[k])) {
        *st = prim_type_error(c, k, "SmallInteger");
        return false;
    }
    *out = value_as_int(c->args[k]);
    return true;
}

/* ---- making ------------------------------------------------------------------------------- */

static PrimStatus raw_new(PrimCall *c, ObjKind kind, int64_t unit)
{
    int64_t n;
    PrimStatus st;
    if (!int_arg(c, 1, &n, &st)) {
        return st;
    }
    if (n < 0) {
        return prim_error(c, "size must be non-negative");
    }
    if (n > RAW_BYTES_MAX / unit) {
        return prim_error(c, "requested array size exceeds maximum");
    }
    size_t bytes = (size_t)(n * unit);
    size_t words = (bytes + 7) / 8;
    Object *o;
    st =
        bulk_new_raw(c, value_as_class(c->args[0]), kind, (unsigned)(words * 8 - bytes), words, &o);
    return st == PRIM_OK ? prim_ok(c, value_ptr(o)) : st;
}

PrimStatus prim_bytes_new(PrimCall *c) { return raw_new(c, OBJ_BYTES, 1); }
PrimStatus prim_words_new(PrimCall *c) { return raw_new(c, OBJ_WORDS, 8); }

/* ---- elements ------------------------------------------------------------------------------ */

static PrimStatus raw_size_prim(PrimCall *c, ObjKind kind)
{
    PrimStatus st;
    Object *o = raw_self(c, kind, &st);
    return o == NULL ? st : prim_ok(c, value_int(raw_size(o)));
}

PrimStatus prim_bytes_size(PrimCall *c) { return raw_size_prim(c, OBJ_BYTES); }
PrimStatus prim_words_size(PrimCall *c) { return raw_size_prim(c, OBJ_WORDS); }

/* The receiver, with argument 1 a valid index put in *i (0-based). */
static Object *raw_place(PrimCall *c, ObjKind kind, int64_t *i, PrimStatus *st)
{
    Object *o = raw_self(c, kind, st);
    if (o == NULL || !int_arg(c, 1, i, st)) {
        return NULL;
    }
    if (*i < 1 || *i > raw_size(o)) {
        *st = prim_bounds_error(c, *i, raw_size(o));
        return NULL;
    }
    --*i;
    return o;
}

PrimStatus prim_bytes_at(PrimCall *c)
{
    int64_t i;
    PrimStatus st;
    Object *o = raw_place(c, OBJ_BYTES, &i, &st);
    return o == NULL ? st : prim_ok(c, value_int(obj_bytes(o)[i]));
}

PrimStatus prim_bytes_at_put(PrimCall *c)
{
    int64_t i, v;
    PrimStatus st;
    Object *o = raw_place(c, OBJ_BYTES, &i, &st);
    if (o == NULL || !int_arg(c, 2, &v, &st)) {
        return st;
    }
    if (v < 0 || v > 255) {
        return prim_error(c, "a byte must be between 0 and 255");
    }
    if (obj_is_frozen(o)) {
        return prim_frozen_error(c);
    }
    obj_bytes(o)[i] = (uint8_t)v;
    return prim_ok(c, c->args[2]);
}

PrimStatus prim_words_at(PrimCall *c)
{
    int64_t i;
    PrimStatus st;
    Object *o = raw_place(c, OBJ_WORDS, &i, &st);
    return o == NULL ? st : prim_answer_int64(c, (int64_t)obj_slots(o)[i]);
}

/* A SmallInteger, or a BigInteger that fits 64 bits with its sign. */
static bool word_value(Value v, uint64_t *out)
{
    if (value_is_int(v)) {
        *out = (uint64_t)value_as_int(v);
        return true;
    }
    if (!value_is_kind(v, OBJ_BIG_INT) || obj_words(obj_of(v)) != 1) {
        return false;
    }
    uint64_t magnitude = obj_slots(obj_of(v))[0];
    bool negative = (obj_pad(obj_of(v)) & OBJ_BIGINT_NEGATIVE_PAD) != 0;
    *out = negative ? 0 - magnitude : magnitude;
    return magnitude <= (uint64_t)INT64_MAX + negative;
}

PrimStatus prim_words_at_put(PrimCall *c)
{
    int64_t i;
    PrimStatus st;
    Object *o = raw_place(c, OBJ_WORDS, &i, &st);
    if (o == NULL) {
        return st;
    }
    uint64_t word;
    if (!word_value(c->args[2], &word)) {
        return prim_error(c, "a word must be an integer of 64 bits");
    }
    if (obj_is_frozen(o)) {
        return prim_frozen_error(c);
    }
    obj_slots(o)[i] = word;
    return prim_ok(c, c->args[2]);
}

/* ---- ranges -------------------------------------------------------------------------------- */

/* copyFrom: a to: b; both ends are checked, b = a - 1 is the empty range. */
static PrimStatus raw_copy(PrimCall *c, ObjKind kind)
{
    int64_t from, to;
    PrimStatus st;
    Object *o = raw_self(c, kind, &st);
    if (o == NULL || !int_arg(c, 1, &from, &st) || !int_arg(c, 2, &to, &st)) {
        return st;
    }
    int64_t size = raw_size(o);
    if (to < from - 1) {
        return prim_error(c, "size must be non-negative");
    }
    if (from < 1 || from > size + 1 || to > size) {
        return prim_bounds_error(c, from < 1 || from > size + 1 ? from : to, size);
    }
    Object *made;
    size_t unit = raw_unit(o);
    uint32_t cls = kind == OBJ_BYTES ? CLASS_BYTE_ARRAY : CLASS_WORD_ARRAY;
    st = bulk_copy_raw(c, cls, kind, o, (size_t)(from - 1) * unit, (size_t)(to - from + 1) * unit,
                       &made);
    return st == PRIM_OK ? prim_ok(c, value_ptr(made)) : st;
}

PrimStatus prim_bytes_copy(PrimCall *c) { return raw_copy(c, OBJ_BYTES); }
PrimStatus prim_words_copy(PrimCall *c) { return raw_copy(c, OBJ_WORDS); }

/* Moves bytes in pieces with memmove semantics; progress in resume->a. */
static PrimStatus raw_move(PrimCall *c, uint8_t *to, const uint8_t *from, size_t n)
{
    while (c->resume->a < n) {
        size_t done = (size_t)c->resume->a;
        size_t left = n - done;
        size_t piece = left < BULK_PIECE_WORDS * 8 ? left : BULK_PIECE_WORDS * 8;
        size_t offset = to > from ? left - piece : done;
        memmove(to + offset, from + offset, piece);
        c->resume->a += piece;
        prim_charge(c, piece / 256);
        if (prim_out_of_time(c) && c->resume->a < n) {
            return PRIM_YIELD;
        }
    }
    return prim_self(c);
}

/* replaceFrom: a to: b with: source startingAt: s; the source is of the same kind. */
static PrimStatus raw_replace(PrimCall *c, ObjKind kind)
{
    int64_t from, to, start;
    PrimStatus st;
    Object *o = raw_self(c, kind, &st);
    if (o == NULL || !int_arg(c, 1, &from, &st) || !int_arg(c, 2, &to, &st) ||
        !int_arg(c, 4, &start, &st)) {
        return st;
    }
    if (!value_is_kind(c->args[3], kind)) {
        return PRIM_FALLBACK;
    }
    Object *src = obj_of(c->args[3]);
    if (to < from) {
        return prim_self(c);
    }
    if (from < 1 || to > raw_size(o)) {
        return prim_bounds_error(c, from < 1 ? from : to, raw_size(o));
    }
    if (start < 1 || start > raw_size(src) || to - from > raw_size(src) - start) {
        return prim_bounds_error(c, start < 1 ? start : start + (to - from), raw_size(src));
    }
    if (obj_is_frozen(o)) {
        return prim_frozen_error(c);
    }
    size_t unit = raw_unit(o);
    return raw_move(c, (uint8_t *)obj_slots(o) + (size_t)(from - 1) * unit,
                    (uint8_t *)obj_slots(src) + (size_t)(start - 1) * unit,
                    (size_t)(to - from + 1) * unit);
}

PrimStatus prim_bytes_replace(PrimCall *c) { return raw_replace(c, OBJ_BYTES); }
PrimStatus prim_words_replace(PrimCall *c) { return raw_replace(c, OBJ_WORDS); }

/* ---- texts --------------------------------------------------------------------------------- */

/* The largest n' <= n that does not cut a character, looking at byte n if there are more. */
static size_t whole_characters(const uint8_t *bytes, size_t n, size_t available)
{
    if (n == available) {
        return n;
    }
    size_t end = n;
    for (unsigned back = 0; back < 4 && end > 0; back++, end--) {
        if ((bytes[end] & 0xC0) != 0x80) {
            return end;
        }
    }
    return n; /* no valid UTF-8; the check will say so */
}

/* _textFrom: start. String of the bytes from start on, at most one piece of them. */
PrimStatus prim_bytes_text(PrimCall *c)
{
    int64_t i;
    PrimStatus st;
    Object *o = raw_place(c, OBJ_BYTES, &i, &st);
    if (o == NULL) {
        return st;
    }
    const uint8_t *bytes = obj_bytes(o) + i;
    size_t available = obj_byte_length(o) - (size_t)i;
    size_t n = whole_characters(bytes, available < TEXT_PIECE ? available : TEXT_PIECE, available);
    if (!utf8_check((const char *)bytes, n, NULL)) {
        return prim_error(c, "the bytes are not valid UTF-8");
    }
    prim_charge(c, n / 128);
    return prim_answer_string(c, bytes, n);
}

/* _hexFrom: start. String of two hexadecimal digits for each byte, at most one piece of them. */
PrimStatus prim_bytes_hex(PrimCall *c)
{
    static const char digits[16] = "0123456789abcdef";
    int64_t i;
    PrimStatus st;
    Object *o = raw_place(c, OBJ_BYTES, &i, &st);
    if (o == NULL) {
        return st;
    }
    char text[2048];
    size_t n = obj_byte_length(o) - (size_t)i;
    n = n < sizeof text / 2 ? n : sizeof text / 2;
    for (size_t k = 0; k < n; k++) {
        uint8_t byte = obj_bytes(o)[(size_t)i + k];
        text[2 * k] = digits[byte >> 4];
        text[2 * k + 1] = digits[byte & 15];
    }
    prim_charge(c, n / 32);
    return prim_answer_string(c, text, 2 * n);
}
