/* SPDX-License-Identifier: Apache-2.0 */
/* prims_string.c - primitives of String and Symbol that look: size, elements, comparison, search,
 * parts; and concatenation. Those that transform are in prims_string_make.c.
 * Threads: the owner of the process. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* memmem */
#endif
#include "prims_string.h"

#include "hash.h"
#include "numops.h"
#include "prims.h"

/* Longer arguments of `,` are appended in pieces by Maggie code. */
#define CONCAT_WHOLE ((size_t)512 * 1024)

/* ---- shared -------------------------------------------------------------------------------- */

bool text_argument(PrimCall *c, unsigned k, char room[4], StrView *out, PrimStatus *st)
{
    Value v = c->args[k];
    if (value_is_char(v)) {
        size_t n = utf8_encode(value_as_char(v), room);
        *out = (StrView){(const uint8_t *)room, n, 1};
        return true;
    }
    if (prim_text(c, v, out))
        return true;
    *st = prim_error(c, "argument must be a string");
    return false;
}

bool text_offset(PrimCall *c, const StrView *s, size_t index, StrPlace *at)
{
    Value v = c->args[0];
    if (text_is_ascii(s)) {
        *at = (StrPlace){index, index};
    } else if (index >= s->chars) {
        *at = (StrPlace){s->chars, s->bytes};
    } else if (!value_is_string(v)) { /* symbols are short */
        *at = (StrPlace){index, utf8_offset(text_at(s, 0), s->bytes, index)};
        text_charge_bytes(c, at->offset);
    } else {
        if (at->offset == 0)
            *at = str_nearest(v, index);
        do {
            text_charge_bytes(c, str_walk(v, at, index, TEXT_WHOLE));
        } while (at->index != index && !prim_out_of_time(c));
    }
    return at->index == index || at->offset == s->bytes;
}

/* Heap words a string of so many bytes takes at most; long ones live off-heap. */
static size_t words_for(size_t bytes)
{
    return STR_HANDLE_WORDS + 4 + (bytes <= STR_INLINE_MAX ? bytes / sizeof(Value) : 0);
}

PrimStatus text_answer_slice(PrimCall *c, Value v, const StrView *s, size_t from, size_t to,
                             size_t chars)
{
    if (from == 0 && to == s->bytes && value_is_string(v))
        return prim_ok(c, v);
    if (!value_is_string(v))
        return prim_answer_string(c, s->data + from, to - from);
    Value out;
    Status status = str_slice(c->heap, c->cx, c->stack_end, v, from, to - from, chars, &out);
    if (status != STATUS_OK)
        return prim_status(c, status, words_for(to - from));
    return prim_ok(c, out);
}

bool text_new(PrimCall *c, size_t bytes, size_t chars, uint8_t **data, Value *out, PrimStatus *st)
{
    Status status = str_new(c->heap, c->cx, c->stack_end, CLASS_STRING, bytes, chars, data, out);
    if (status == STATUS_OK)
        return true;
    *st = prim_status(c, status, words_for(bytes));
    return false;
}

PrimStatus text_done(PrimCall *c, Value v)
{
    *c->resume = (PrimResume){.root = VALUE_NIL};
    return prim_ok(c, v);
}

/* ---- size and elements --------------------------------------------------------------------- */

PrimStatus prim_string_size(PrimCall *c)
{
    return prim_ok(c, value_int((int64_t)text_receiver(c).chars));
}

PrimStatus prim_string_byte_size(PrimCall *c)
{
    return prim_ok(c, value_int((int64_t)text_receiver(c).bytes));
}

/* A 1-based index within size; false: *st is the error. */
static bool index_argument(PrimCall *c, size_t size, size_t *index, PrimStatus *st)
{
    if (!value_is_int(c->args[1])) {
        *st = prim_error(c, "index must be an integer");
        return false;
    }
    int64_t i = value_as_int(c->args[1]);
    if (i < 1 || (uint64_t)i > size) {
        *st = prim_bounds_error(c, i, (int64_t)size);
        return false;
    }
    *index = (size_t)i - 1;
    return true;
}

PrimStatus prim_string_at(PrimCall *c)
{
    StrView s = text_receiver(c);
    size_t index;
    PrimStatus st;
    if (!index_argument(c, s.chars, &index, &st))
        return st;
    if (text_is_ascii(&s))
        return prim_ok(c, value_char(s.data[index]));
    StrPlace at = {c->resume->a, c->resume->b};
    if (!text_offset(c, &s, index, &at)) {
        c->resume->a = at.index;
        c->resume->b = at.offset;
        return PRIM_YIELD;
    }
    const char *p = text_at(&s, at.offset);
    return text_done(c, value_char(utf8_next(&p)));
}

PrimStatus prim_string_byte_at(PrimCall *c)
{
    StrView s = text_receiver(c);
    size_t index;
    PrimStatus st;
    if (!index_argument(c, s.bytes, &index, &st))
        return st;
    return prim_ok(c, value_int(s.data[index]));
}

/* copyFrom:to: clamps both ends; an empty range is ''. */
PrimStatus prim_string_copy(PrimCall *c)
{
    StrView s = text_receiver(c);
    if (!value_is_int(c->args[1]) || !value_is_int(c->args[2]))
        return prim_error(c, "arguments must be integers");
    int64_t from = value_as_int(c->args[1]), to = value_as_int(c->args[2]);
    int64_t size = (int64_t)s.chars;
    from = from < 1 ? 1 : from;
    to = to > size ? size : to;
    if (from > to)
        return prim_answer_string(c, "", 0);
    /* resume: the place reached; c: the first offset + 1 once it is known */
    PrimResume *r = c->resume;
    StrPlace at = {r->a, r->b};
    bool there = r->c || text_offset(c, &s, (size_t)from - 1, &at);
    if (there && !r->c) {
        r->c = at.offset + 1;
    }
    there = there && text_offset(c, &s, (size_t)to, &at);
    r->a = at.index;
    r->b = at.offset;
    if (!there)
        return PRIM_YIELD;
    size_t first = (size_t)r->c - 1;
    text_charge(c, at.offset - first);
    PrimStatus st = text_answer_slice(c, c->args[0], &s, first, at.offset, (size_t)(to - from + 1));
    return st == PRIM_OK ? text_done(c, c->result) : st;
}

/* _pieceFrom: byteOffset. At most TEXT_WHOLE bytes of whole characters; '' at the end. */
PrimStatus prim_string_piece(PrimCall *c)
{
    StrView s = text_receiver(c);
    if (!value_is_int(c->args[1]))
        return prim_type_error(c, 1, "SmallInteger");
    int64_t offset = value_as_int(c->args[1]);
    size_t from = offset < 0 || (uint64_t)offset > s.bytes ? s.bytes : (size_t)offset;
    from = text_char_start(&s, from);
    size_t end = s.bytes - from > TEXT_WHOLE ? text_char_start(&s, from + TEXT_WHOLE) : s.bytes;
    text_charge_bytes(c, end - from);
    return text_answer_slice(c, c->args[0], &s, from, end, text_count(&s, from, end));
}

/* ---- concatenation ------------------------------------------------------------------------- */

/* A long receiver that must be copied. resume: root is the new string, a the bytes done, c 1. */
static PrimStatus concat_in_pieces(PrimCall *c, const StrView *a, const StrView *b)
{
    PrimResume *r = c->resume;
    uint8_t *data;
    if (!r->c) {
        Value out;
        Status status = str_new_growing(c->heap, c->cx, c->stack_end, a->bytes + b->bytes,
                                        a->chars + b->chars, &data, &out);
        if (status != STATUS_OK)
            return prim_status(c, status, words_for(a->bytes + b->bytes));
        *r = (PrimResume){0, 0, 1, out};
    }
    data = (uint8_t *)(uintptr_t)str_view(r->root).data; /* ours alone until it is answered */
    while (r->a < a->bytes) {
        size_t n = a->bytes - r->a < CONCAT_WHOLE ? a->bytes - r->a : CONCAT_WHOLE;
        memcpy(data + r->a, a->data + r->a, n);
        r->a += n;
        if (text_pause(c, n))
            return PRIM_YIELD;
    }
    memcpy(data + a->bytes, b->data, b->bytes);
    text_charge(c, b->bytes);
    return text_done(c, r->root);
}

PrimStatus prim_string_concat(PrimCall *c)
{
    char room[4];
    StrView a = text_receiver(c), b;
    PrimStatus st;
    if (!text_argument(c, 1, room, &b, &st))
        return st;
    if (b.bytes > CONCAT_WHOLE)
        return PRIM_FALLBACK;
    bool is_string = value_is_string(c->args[0]);
    if (c->resume->c || (a.bytes > CONCAT_WHOLE && !str_can_append(c->args[0], b.bytes)))
        return concat_in_pieces(c, &a, &b);
    if (b.bytes == 0 && is_string)
        return prim_self(c);
    if (a.bytes == 0 && value_is_string(c->args[1]))
        return prim_ok(c, c->args[1]);
    Value out;
    Status status =
        str_concat(c->heap, c->cx, c->stack_end, a, is_string ? c->args[0] : VALUE_NIL, b, &out);
    if (status != STATUS_OK)
        return prim_status(c, status, words_for(a.bytes + b.bytes));
    text_charge(c, b.bytes + (out == VALUE_NIL || str_view(out).data == a.data ? 0 : a.bytes));
    return prim_ok(c, out);
}

/* ---- comparison ---------------------------------------------------------------------------- */

/* = of a String: the same characters in a String, never a Symbol. */
PrimStatus prim_string_equal(PrimCall *c)
{
    Value other = c->args[1];
    StrView a = text_receiver(c), b;
    if (!value_is_string(other))
        return prim_ok(c, VALUE_FALSE);
    b = str_view(other);
    if (a.bytes != b.bytes)
        return prim_ok(c, VALUE_FALSE);
    if (a.data == b.data)
        return prim_ok(c, VALUE_TRUE);
    for (size_t at = c->resume->a; at < a.bytes; at += TEXT_PIECE) {
        size_t n = a.bytes - at < TEXT_PIECE ? a.bytes - at : TEXT_PIECE;
        text_charge(c, n);
        if (memcmp(a.data + at, b.data + at, n) != 0)
            return text_done(c, VALUE_FALSE);
        if (n == TEXT_PIECE && prim_out_of_time(c)) {
            c->resume->a = at + n;
            return PRIM_YIELD;
        }
    }
    return text_done(c, VALUE_TRUE);
}

/* Bytewise order, which is that of code points. False: *st says what to return. */
static bool compare_texts(PrimCall *c, int *order, PrimStatus *st)
{
    StrView a = text_receiver(c), b;
    if (!prim_text(c, c->args[1], &b)) {
        *st = prim_error(c, "argument must be a string");
        return false;
    }
    size_t shared = a.bytes < b.bytes ? a.bytes : b.bytes;
    for (size_t at = c->resume->a; at < shared; at += TEXT_PIECE) {
        size_t n = shared - at < TEXT_PIECE ? shared - at : TEXT_PIECE;
        text_charge(c, n);
        *order = memcmp(a.data + at, b.data + at, n);
        if (*order != 0)
            return true;
        if (n == TEXT_PIECE && prim_out_of_time(c)) {
            c->resume->a = at + n;
            *st = PRIM_YIELD;
            return false;
        }
    }
    *order = a.bytes < b.bytes ? -1 : a.bytes > b.bytes;
    return true;
}

PrimStatus prim_string_less(PrimCall *c)
{
    int order;
    PrimStatus st;
    return compare_texts(c, &order, &st) ? text_done(c, value_bool(order < 0)) : st;
}

PrimStatus prim_string_greater(PrimCall *c)
{
    int order;
    PrimStatus st;
    return compare_texts(c, &order, &st) ? text_done(c, value_bool(order > 0)) : st;
}

PrimStatus prim_string_less_eq(PrimCall *c)
{
    int order;
    PrimStatus st;
    return compare_texts(c, &order, &st) ? text_done(c, value_bool(order <= 0)) : st;
}

PrimStatus prim_string_greater_eq(PrimCall *c)
{
    int order;
    PrimStatus st;
    return compare_texts(c, &order, &st) ? text_done(c, value_bool(order >= 0)) : st;
}

/* compareTo: answers -1, 0 or 1. */
PrimStatus prim_string_compare(PrimCall *c)
{
    int order;
    PrimStatus st;
    if (!compare_texts(c, &order, &st))
        return st;
    return text_done(c, value_int(order < 0 ? -1 : order > 0));
}

/* FNV-1a of the bytes, 32 bits; agrees with value_hash_answer. */
PrimStatus prim_string_hash(PrimCall *c)
{
    StrView s = text_receiver(c);
    size_t at = c->resume->a;
    uint32_t hash = at ? (uint32_t)c->resume->b : HASH_FNV32_START;
    while (at < s.bytes) {
        size_t n = s.bytes - at < TEXT_PIECE ? s.bytes - at : TEXT_PIECE;
        hash = hash_fnv32_more(hash, s.data + at, n);
        at += n;
        text_charge_bytes(c, n);
        if (n == TEXT_PIECE && prim_out_of_time(c)) {
            c->resume->a = at;
            c->resume->b = hash;
            return PRIM_YIELD;
        }
    }
    return text_done(c, value_int(hash));
}

PrimStatus prim_symbol_hash(PrimCall *c)
{
    return prim_ok(c, value_int(value_as_symbol(c->args[0])));
}

PrimStatus prim_string_starts_with(PrimCall *c)
{
    char room[4];
    StrView s = text_receiver(c), affix;
    PrimStatus st;
    if (!text_argument(c, 1, room, &affix, &st))
        return st;
    bool yes = affix.bytes <= s.bytes && memcmp(s.data, affix.data, affix.bytes) == 0;
    text_charge(c, affix.bytes);
    return prim_ok(c, value_bool(yes));
}

PrimStatus prim_string_ends_with(PrimCall *c)
{
    char room[4];
    StrView s = text_receiver(c), affix;
    PrimStatus st;
    if (!text_argument(c, 1, room, &affix, &st))
        return st;
    bool yes = affix.bytes <= s.bytes &&
               memcmp(s.data + (s.bytes - affix.bytes), affix.data, affix.bytes) == 0;
    text_charge(c, affix.bytes);
    return prim_ok(c, value_bool(yes));
}

/* ---- search -------------------------------------------------------------------------------- */

typedef enum { FIND_INDEX, FIND_WHETHER } FindAnswer;

static PrimStatus find_answer(PrimCall *c, FindAnswer kind, size_t index)
{
    return text_done(c, kind == FIND_INDEX ? value_int((int64_t)index) : value_bool(index > 0));
}

/* Searches args[1] from the 0-based character `start` on. While it yields, resume->a is the byte
 * and resume->b the character reached, resume->c is 1. An empty text is nowhere. */
static PrimStatus find(PrimCall *c, size_t start, FindAnswer kind)
{
    char room[4];
    StrView s = text_receiver(c), wanted;
    PrimStatus st;
    if (!text_argument(c, 1, room, &wanted, &st))
        return st;
    if (wanted.bytes == 0 || start >= s.chars)
        return find_answer(c, kind, 0);
    PrimResume *r = c->resume;
    if (r->c == 0) { /* on the way to the start: a is the character, b the byte reached */
        StrPlace at = {r->a, r->b};
        bool there = text_offset(c, &s, start, &at);
        *r = there ? (PrimResume){at.offset, start, 1, VALUE_NIL}
                   : (PrimResume){at.index, at.offset, 0, VALUE_NIL};
        if (!there)
            return PRIM_YIELD;
    }
    for (;;) {
        size_t from = r->a;
        if (s.bytes - from < wanted.bytes)
            return find_answer(c, kind, 0);
        size_t room_left = s.bytes - from;
        size_t window = TEXT_PIECE + wanted.bytes - 1;
        window = window < room_left ? window : room_left;
        const uint8_t *hit = memmem(s.data + from, window, wanted.data, wanted.bytes);
        text_charge_bytes(c, wanted.bytes + (hit ? (size_t)(hit - s.data) - from : window));
        if (hit) {
            size_t at = (size_t)(hit - s.data);
            return find_answer(c, kind, r->b + text_count(&s, from, at) + 1);
        }
        if (window == room_left)
            return find_answer(c, kind, 0);
        r->a = text_char_start(&s, from + TEXT_PIECE);
        r->b += text_count(&s, from, r->a);
        if (prim_out_of_time(c))
            return PRIM_YIELD;
    }
}

PrimStatus prim_string_includes_text(PrimCall *c) { return find(c, 0, FIND_WHETHER); }

PrimStatus prim_string_index_of(PrimCall *c) { return find(c, 0, FIND_INDEX); }

/* indexOf: text startingAt: index. */
PrimStatus prim_string_index_from(PrimCall *c)
{
    if (!value_is_int(c->args[2]))
        return prim_type_error(c, 2, "SmallInteger");
    int64_t start = value_as_int(c->args[2]);
    return find(c, start < 1 ? 0 : (size_t)start - 1, FIND_INDEX);
}
