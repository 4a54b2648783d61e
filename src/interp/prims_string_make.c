/* SPDX-License-Identifier: Apache-2.0 */
/* prims_string_make.c - primitives of String and Symbol that make a new string: case, order,
 * replacement, printing, bytes; and the buffer of a WriteStream.
 * Each first computes the size of the result, then fills a string of exactly that size.
 * Threads: the owner of the process. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* memmem */
#endif
#include "prims_string.h"

#include "chartype.h"
#include "prims.h"
#include "prims_bulk.h"

/* ---- case ---------------------------------------------------------------------------------- */

typedef uint32_t (*CharMap)(uint32_t cp);

static size_t mapped_size(const StrView *s, CharMap map)
{
    if (text_is_ascii(s))
        return s->bytes; /* both maps leave ASCII in ASCII */
    size_t bytes = 0;
    char room[4];
    const char *p = text_at(s, 0), *end = text_at(s, s->bytes);
    while (p < end)
        bytes += utf8_encode(map(utf8_next(&p)), room);
    return bytes;
}

static PrimStatus map_characters(PrimCall *c, CharMap map)
{
    StrView s = text_receiver(c);
    if (s.bytes > TEXT_WHOLE)
        return PRIM_FALLBACK;
    uint8_t *to;
    Value out;
    PrimStatus st;
    if (!text_new(c, mapped_size(&s, map), s.chars, &to, &out, &st))
        return st;
    const char *p = text_at(&s, 0), *end = text_at(&s, s.bytes);
    while (p < end)
        to += utf8_encode(map(utf8_next(&p)), (char *)to);
    text_charge(c, 8 * s.bytes);
    return prim_ok(c, out);
}

PrimStatus prim_string_upper(PrimCall *c) { return map_characters(c, char_to_upper); }
PrimStatus prim_string_lower(PrimCall *c) { return map_characters(c, char_to_lower); }

PrimStatus prim_string_reversed(PrimCall *c)
{
    StrView s = text_receiver(c);
    if (s.bytes > TEXT_WHOLE)
        return PRIM_FALLBACK;
    uint8_t *data;
    Value out;
    PrimStatus st;
    if (!text_new(c, s.bytes, s.chars, &data, &out, &st))
        return st;
    uint8_t *to = data + s.bytes;
    for (size_t at = 0; at < s.bytes;) {
        size_t width = utf8_width((char)s.data[at]);
        to -= width;
        memcpy(to, s.data + at, width);
        at += width;
    }
    text_charge(c, 4 * s.bytes);
    return prim_ok(c, out);
}

/* ---- repetition and replacement ------------------------------------------------------------ */

PrimStatus prim_string_repeat(PrimCall *c)
{
    StrView s = text_receiver(c);
    if (!value_is_int(c->args[1]))
        return prim_type_error(c, 1, "SmallInteger");
    int64_t times = value_as_int(c->args[1]);
    size_t n = times < 0 ? 0 : (size_t)times, bytes;
    if (__builtin_mul_overflow(n, s.bytes, &bytes) || bytes > TEXT_PIECE)
        return PRIM_FALLBACK;
    uint8_t *data;
    Value out;
    PrimStatus st;
    if (!text_new(c, bytes, n * s.chars, &data, &out, &st))
        return st;
    size_t copies = s.bytes ? n : 0;
    if (s.bytes == 1) {
        memset(data, s.data[0], bytes);
    } else {
        for (size_t i = 0; i < copies; i++)
            memcpy(data + i * s.bytes, s.data, s.bytes);
    }
    text_charge(c, bytes + copies);
    return prim_ok(c, out);
}

static const uint8_t *next_occurrence(const StrView *s, const uint8_t *from, const StrView *old)
{
    return memmem(from, (size_t)(s->data + s->bytes - from), old->data, old->bytes);
}

static size_t count_occurrences(const StrView *s, const StrView *old)
{
    size_t n = 0;
    const uint8_t *hit = s->data;
    while ((hit = next_occurrence(s, hit, old)) != NULL) {
        hit += old->bytes;
        n++;
    }
    return n;
}

static void fill_replaced(const StrView *s, const StrView *old, const StrView *with, uint8_t *to)
{
    const uint8_t *from = s->data, *hit;
    while ((hit = next_occurrence(s, from, old)) != NULL) {
        to = mempcpy(to, from, (size_t)(hit - from));
        to = mempcpy(to, with->data, with->bytes);
        from = hit + old->bytes;
    }
    memcpy(to, from, (size_t)(s->data + s->bytes - from));
}

/* replaceAll: old with: new. Left to right, not overlapping; an empty old changes nothing. */
PrimStatus prim_string_replace(PrimCall *c)
{
    char old_room[4], new_room[4];
    StrView s = text_receiver(c), old, with;
    PrimStatus st;
    if (!text_argument(c, 1, old_room, &old, &st) || !text_argument(c, 2, new_room, &with, &st))
        return st;
    if (s.bytes > TEXT_WHOLE)
        return PRIM_FALLBACK;
    size_t n = old.bytes ? count_occurrences(&s, &old) : 0;
    text_charge_bytes(c, s.bytes);
    if (n == 0)
        return text_answer_slice(c, c->args[0], &s, 0, s.bytes, s.chars);
    size_t bytes = s.bytes - n * old.bytes + n * with.bytes;
    if (with.bytes > TEXT_PIECE || bytes > 4 * TEXT_PIECE)
        return PRIM_FALLBACK;
    uint8_t *data;
    Value out;
    if (!text_new(c, bytes, s.chars - n * old.chars + n * with.chars, &data, &out, &st))
        return st;
    fill_replaced(&s, &old, &with, data);
    text_charge(c, s.bytes + bytes + 8 * n);
    return prim_ok(c, out);
}

/* ---- printing ------------------------------------------------------------------------------ */

static size_t count_quotes(const StrView *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->bytes; i++)
        n += s->data[i] == '\'';
    return n;
}

/* The text between quotes, with `prefix` bytes of '#' in front. */
static PrimStatus answer_quoted(PrimCall *c, const StrView *s, size_t prefix)
{
    size_t more = count_quotes(s) + 2 + prefix;
    uint8_t *to;
    Value out;
    PrimStatus st;
    if (!text_new(c, s->bytes + more, s->chars + more, &to, &out, &st))
        return st;
    if (prefix)
        *to++ = '#';
    *to++ = '\'';
    for (size_t i = 0; i < s->bytes; i++) {
        if (s->data[i] == '\'')
            *to++ = '\'';
        *to++ = s->data[i];
    }
    *to = '\'';
    text_charge(c, 2 * s->bytes);
    return prim_ok(c, out);
}

PrimStatus prim_string_print(PrimCall *c)
{
    StrView s = text_receiver(c);
    return s.bytes > TEXT_WHOLE ? PRIM_FALLBACK : answer_quoted(c, &s, 0);
}

static bool is_operator_character(uint8_t byte)
{
    return byte != 0 && strchr("+-*/\\~<>=@%|&?!,", byte) != NULL;
}

static bool is_operator(const StrView *s)
{
    for (size_t i = 0; i < s->bytes; i++) {
        if (!is_operator_character(s->data[i]))
            return false;
    }
    return s->bytes > 0;
}

/* name { ":" name } [ ":" ]: what # may stand before without quotes. */
static bool is_bare_name(const StrView *s)
{
    bool start = true; /* at the start of a name */
    const char *p = text_at(s, 0), *end = text_at(s, s->bytes);
    while (p < end) {
        uint32_t cp = utf8_next(&p);
        bool letter = cp == '_' || char_is_letter(cp);
        if (cp == ':' && !start)
            start = true;
        else if (letter || (char_is_ascii_digit(cp) && !start))
            start = false;
        else
            return false;
    }
    return s->bytes > 0;
}

PrimStatus prim_symbol_print(PrimCall *c)
{
    StrView s = text_receiver(c);
    if (!is_operator(&s) && !is_bare_name(&s))
        return answer_quoted(c, &s, 1);
    uint8_t *data;
    Value out;
    PrimStatus st;
    if (!text_new(c, s.bytes + 1, s.chars + 1, &data, &out, &st))
        return st;
    data[0] = '#';
    memcpy(data + 1, s.data, s.bytes);
    return prim_ok(c, out);
}

PrimStatus prim_symbol_as_string(PrimCall *c)
{
    StrView s = text_receiver(c);
    return prim_answer_string(c, s.data, s.bytes);
}

PrimStatus prim_symbol_num_args(PrimCall *c)
{
    StrView s = text_receiver(c);
    if (is_operator(&s))
        return prim_ok(c, value_int(1));
    int64_t colons = 0;
    for (size_t i = 0; i < s.bytes; i++)
        colons += s.data[i] == ':' && (i + 1 == s.bytes || s.data[i + 1] != ':') &&
                  (i == 0 || s.data[i - 1] != ':');
    return prim_ok(c, value_int(colons));
}

/* ---- bytes --------------------------------------------------------------------------------- */

PrimStatus prim_string_as_hex(PrimCall *c)
{
    StrView s = text_receiver(c);
    if (s.bytes > TEXT_WHOLE)
        return PRIM_FALLBACK;
    uint8_t *data;
    Value out;
    PrimStatus st;
    if (!text_new(c, 2 * s.bytes, 2 * s.bytes, &data, &out, &st))
        return st;
    for (size_t i = 0; i < s.bytes; i++) {
        data[2 * i] = (uint8_t) "0123456789abcdef"[s.data[i] >> 4];
        data[2 * i + 1] = (uint8_t) "0123456789abcdef"[s.data[i] & 15];
    }
    text_charge(c, 4 * s.bytes);
    return prim_ok(c, out);
}

static int hex_digit(uint8_t byte)
{
    if (char_is_ascii_digit(byte))
        return byte - '0';
    uint8_t lower = byte | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* False when there is something else than pairs of digits. */
static bool decode_hex(const StrView *s, uint8_t *to)
{
    for (size_t i = 0; i + 1 < s->bytes; i += 2) {
        int high = hex_digit(s->data[i]), low = hex_digit(s->data[i + 1]);
        if (high < 0 || low < 0)
            return false;
        *to++ = (uint8_t)(high << 4 | low);
    }
    return s->bytes % 2 == 0;
}

/* _fromHex. nil when the digits are not pairs, or the bytes not UTF-8. */
PrimStatus prim_string_from_hex(PrimCall *c)
{
    StrView s = text_receiver(c);
    if (s.bytes == 0)
        return prim_answer_string(c, "", 0);
    if (s.bytes > 4 * TEXT_PIECE)
        return prim_error(c, "text too long");
    const Env *env = c->cx->env->env;
    uint8_t *bytes = env_alloc(env, s.bytes);
    if (!bytes)
        return prim_status(c, STATUS_NO_MEMORY, 0);
    PrimStatus st;
    if (decode_hex(&s, bytes) && utf8_check((const char *)bytes, s.bytes / 2, NULL))
        st = prim_answer_string(c, bytes, s.bytes / 2);
    else
        st = prim_ok(c, VALUE_NIL);
    env_free(env, bytes, s.bytes);
    text_charge(c, 4 * s.bytes);
    return st;
}

/* utf8: a new ByteArray, made and filled in pieces. resume->c is 1 once it exists. */
PrimStatus prim_string_utf8(PrimCall *c)
{
    StrView s = text_receiver(c);
    PrimResume *r = c->resume;
    if (!r->c) {
        size_t words = (s.bytes + 7) / 8;
        Object *o;
        PrimStatus st = bulk_new_raw(c, CLASS_BYTE_ARRAY, OBJ_BYTES,
                                     (unsigned)(words * 8 - s.bytes), words, &o);
        if (st != PRIM_OK)
            return st;
        *r = (PrimResume){0, 0, 1, value_ptr(o)};
    }
    while (r->a < s.bytes) {
        size_t n = s.bytes - r->a < TEXT_PIECE ? s.bytes - r->a : TEXT_PIECE;
        memcpy(obj_bytes(obj_of(r->root)) + r->a, s.data + r->a, n);
        r->a += n;
        if (n == TEXT_PIECE && text_pause(c, n))
            return PRIM_YIELD;
    }
    return text_done(c, r->root);
}

/* _fromUtf8: aByteArray from: offset (0-based). A String of at most TEXT_WHOLE bytes from there on,
 * '' at the end, nil when they are not valid. */
PrimStatus prim_string_from_utf8(PrimCall *c)
{
    if (!value_is_kind(c->args[1], OBJ_BYTES))
        return prim_type_error(c, 1, "ByteArray");
    if (!value_is_int(c->args[2]) || value_as_int(c->args[2]) < 0)
        return prim_type_error(c, 2, "SmallInteger");
    Object *o = obj_of(c->args[1]);
    size_t size = obj_byte_length(o);
    size_t from = (size_t)value_as_int(c->args[2]);
    if (from >= size)
        return prim_answer_string(c, "", 0);
    const uint8_t *p = obj_bytes(o) + from;
    size_t n = size - from;
    if (n > TEXT_WHOLE) { /* end before a character that is cut */
        n = TEXT_WHOLE;
        for (int back = 0; back < 3 && (p[n] & 0xC0) == 0x80; back++)
            n--;
    }
    if (!utf8_check((const char *)p, n, NULL))
        return prim_ok(c, VALUE_NIL);
    text_charge(c, 2 * n);
    return prim_answer_string(c, p, n);
}

/* ---- WriteStream --------------------------------------------------------------------------- */

/* Instance variables of a WriteStream: what is finished; a ByteArray, and how full it is. */
enum { STREAM_TEXT, STREAM_BUFFER, STREAM_FILL, STREAM_SLOTS };

typedef struct Stream {
    Object *object;
    Object *buffer;
    size_t fill;
} Stream;

/* False unless the receiver has a buffer it may change. */
static bool stream_view(const PrimCall *c, Stream *out)
{
    Value self = c->args[0];
    if (!value_is_kind(self, OBJ_SLOTS) || obj_words(obj_of(self)) < STREAM_SLOTS)
        return false;
    out->object = obj_of(self);
    const Value *slots = obj_slots(out->object);
    if (!value_is_kind(slots[STREAM_BUFFER], OBJ_BYTES) || !value_is_int(slots[STREAM_FILL]))
        return false;
    out->buffer = obj_of(slots[STREAM_BUFFER]);
    int64_t fill = value_as_int(slots[STREAM_FILL]);
    out->fill = (size_t)fill;
    return fill >= 0 && (uint64_t)fill <= obj_byte_length(out->buffer) &&
           !obj_is_frozen(out->buffer) && !obj_is_frozen(out->object);
}

static void set_fill(PrimCall *c, const Stream *s, size_t fill)
{
    /* The object is not frozen, so this cannot fail. */
    (void)heap_store(c->heap, s->object, &obj_slots(s->object)[STREAM_FILL],
                     value_int((int64_t)fill));
}

/* nextPutAll: and nextPut:. Falls back when there is no buffer or it has no room. */
PrimStatus prim_stream_put(PrimCall *c)
{
    char room[4];
    StrView text;
    Stream s;
    PrimStatus st;
    if (!stream_view(c, &s))
        return PRIM_FALLBACK;
    if (!text_argument(c, 1, room, &text, &st))
        return st;
    if (text.bytes > obj_byte_length(s.buffer) - s.fill)
        return PRIM_FALLBACK;
    memcpy(obj_bytes(s.buffer) + s.fill, text.data, text.bytes);
    text_charge(c, text.bytes);
    set_fill(c, &s, s.fill + text.bytes);
    return prim_ok(c, c->args[1]);
}

PrimStatus prim_stream_take(PrimCall *c)
{
    Stream s;
    if (!stream_view(c, &s))
        return prim_answer_string(c, "", 0);
    text_charge_bytes(c, s.fill);
    const uint8_t *bytes = obj_bytes(s.buffer);
    if (!utf8_check((const char *)bytes, s.fill, NULL))
        return prim_error(c, "the buffer holds something else than text");
    PrimStatus st = prim_answer_string(c, bytes, s.fill);
    if (st == PRIM_OK)
        set_fill(c, &s, 0);
    return st;
}
