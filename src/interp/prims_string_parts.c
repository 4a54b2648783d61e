/* SPDX-License-Identifier: Apache-2.0 */
/* prims_string_parts.c - primitives of String and Symbol that take text apart: splitting, trimming,
 * tests of all characters, conversion to numbers and symbols.
 * Threads: the owner of the process. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* memmem */
#endif
#include "prims_string.h"

#include "chartype.h"
#include "floattext.h"
#include "numops.h"
#include "prims.h"

/* Parts made by one call. */
#define PARTS_MAX 512

typedef enum { SPLIT_TEXT, SPLIT_LINES, SPLIT_WORDS } SplitKind;

typedef struct Splitter {
    SplitKind kind;
    StrView s;
    StrView separator; /* SPLIT_TEXT, not empty */
    size_t at;         /* where the next part starts */
    size_t scanned;    /* no end of that part before this byte */
    bool ended;
} Splitter;

typedef struct Parts {
    size_t count;
    size_t from[PARTS_MAX];
    size_t to[PARTS_MAX];
} Parts;

/* ---- finding parts ------------------------------------------------------------------------- */

static size_t space_at(const StrView *s, size_t at)
{
    const char *p = text_at(s, at), *start = p;
    return char_is_space(utf8_next(&p)) ? (size_t)(p - start) : 0;
}

/* The first separator in [from, stop), or behind it if it starts there: its place, its length in
 * *length; `stop` when there is none. */
static size_t find_separator(const Splitter *p, size_t from, size_t stop, size_t *length)
{
    if (p->kind == SPLIT_WORDS) {
        while (from < stop && (*length = space_at(&p->s, from)) == 0)
            from += utf8_width((char)p->s.data[from]);
        return from < stop ? from : stop;
    }
    StrView line_end = {(const uint8_t *)"\n", 1, 1};
    StrView wanted = p->kind == SPLIT_TEXT ? p->separator : line_end;
    size_t end = stop + wanted.bytes - 1 < p->s.bytes ? stop + wanted.bytes - 1 : p->s.bytes;
    *length = wanted.bytes;
    if (from >= end)
        return stop;
    const uint8_t *hit = memmem(p->s.data + from, end - from, wanted.data, wanted.bytes);
    return hit ? (size_t)(hit - p->s.data) : stop;
}

/* Appends [at, end) as that kind of split wants it. */
static void add_part(const Splitter *p, Parts *parts, size_t end, bool at_separator)
{
    if (p->kind == SPLIT_WORDS && end == p->at)
        return;
    if (p->kind == SPLIT_LINES && at_separator && end > p->at && p->s.data[end - 1] == '\r')
        end--;
    parts->from[parts->count] = p->at;
    parts->to[parts->count++] = end;
}

/* Finds parts until the text, the table or `budget` bytes are used up. */
static void gather(Splitter *p, Parts *parts, size_t budget)
{
    size_t limit = p->s.bytes - p->scanned > budget ? p->scanned + budget : p->s.bytes;
    limit = text_char_start(&p->s, limit);
    while (!p->ended && parts->count < PARTS_MAX) {
        size_t length = 0;
        size_t hit = p->scanned < limit ? find_separator(p, p->scanned, limit, &length) : limit;
        if (hit < limit) {
            add_part(p, parts, hit, true);
            p->at = p->scanned = hit + length;
            if (p->scanned > limit)
                limit = p->scanned;
            continue;
        }
        p->scanned = limit;
        if (limit < p->s.bytes)
            return;
        if (p->kind == SPLIT_TEXT || p->at < p->s.bytes)
            add_part(p, parts, p->s.bytes, false);
        p->at = p->s.bytes;
        p->ended = true;
    }
}

/* ---- answering them ------------------------------------------------------------------------ */

static size_t words_for_parts(const Parts *parts)
{
    size_t words = parts->count + 3;
    for (size_t i = 0; i < parts->count; i++) {
        size_t bytes = parts->to[i] - parts->from[i];
        words += 3 + (bytes > STR_INLINE_MAX ? STR_HANDLE_WORDS : bytes / 8);
    }
    return words;
}

/* An Array of the parts; when `more` is not VALUE_NONE it is the last element. */
static PrimStatus answer_parts(PrimCall *c, const Splitter *p, const Parts *parts, Value more)
{
    PrimStatus st;
    size_t size = parts->count + (more != VALUE_NONE);
    Object *array = prim_new_slots(c, CLASS_ARRAY, size, &st);
    for (size_t i = 0; array && i < parts->count; i++) {
        st = text_answer_slice(c, c->args[0], &p->s, parts->from[i], parts->to[i],
                               text_count(&p->s, parts->from[i], parts->to[i]));
        if (st != PRIM_OK)
            array = NULL;
        else
            obj_slots(array)[i] = c->result; /* young: PARTS_MAX is far below a large object */
    }
    if (!array)
        return st == PRIM_GC ? prim_gc(c, words_for_parts(parts)) : st;
    if (more != VALUE_NONE)
        obj_slots(array)[parts->count] = more;
    prim_charge(c, parts->count);
    return text_done(c, value_ptr(array));
}

static PrimStatus split_whole(PrimCall *c, Splitter *p)
{
    if (p->s.bytes > TEXT_WHOLE)
        return PRIM_FALLBACK;
    Parts parts;
    parts.count = 0;
    gather(p, &parts, TEXT_WHOLE);
    if (!p->ended)
        return PRIM_FALLBACK;
    text_charge(c, (p->kind == SPLIT_WORDS ? 16 : 4) * p->s.bytes);
    return answer_parts(c, p, &parts, VALUE_NONE);
}

/* split: separator. An empty one is left to the fallback. */
PrimStatus prim_string_split(PrimCall *c)
{
    char room[4];
    PrimStatus st;
    Splitter p = {.kind = SPLIT_TEXT, .s = text_receiver(c)};
    if (!text_argument(c, 1, room, &p.separator, &st))
        return st;
    return p.separator.bytes == 0 ? PRIM_FALLBACK : split_whole(c, &p);
}

PrimStatus prim_string_lines(PrimCall *c)
{
    Splitter p = {.kind = SPLIT_LINES, .s = text_receiver(c)};
    return split_whole(c, &p);
}

PrimStatus prim_string_words(PrimCall *c)
{
    Splitter p = {.kind = SPLIT_WORDS, .s = text_receiver(c)};
    return split_whole(c, &p);
}

/* _parts: separator from: offset. The separator is a text, true for lines, nil for white space. The
 * answer's last element is the offset to go on from, or nil at the end. A part longer than the
 * budget is scanned over several slices; resume->a is then how far that went. */
PrimStatus prim_string_some_parts(PrimCall *c)
{
    char room[4];
    PrimStatus st;
    Splitter p = {.kind = SPLIT_WORDS, .s = text_receiver(c)};
    if (c->args[1] == VALUE_TRUE)
        p.kind = SPLIT_LINES;
    else if (c->args[1] != VALUE_NIL) {
        p.kind = SPLIT_TEXT;
        if (!text_argument(c, 1, room, &p.separator, &st))
            return st;
        if (p.separator.bytes == 0)
            return prim_error(c, "the separator must not be empty");
    }
    int64_t from = value_is_int(c->args[2]) ? value_as_int(c->args[2]) : -1;
    if (from < 0 || (uint64_t)from > p.s.bytes)
        return prim_bounds_error(c, from, (int64_t)p.s.bytes);
    p.at = text_char_start(&p.s, (size_t)from);
    p.scanned = c->resume->a > p.at ? (size_t)c->resume->a : p.at;
    Parts parts;
    parts.count = 0;
    do {
        size_t before = p.scanned;
        gather(&p, &parts, p.kind == SPLIT_WORDS ? TEXT_WHOLE : TEXT_PIECE);
        text_charge(c, (p.kind == SPLIT_WORDS ? 16 : 4) * (p.scanned - before));
        if (!p.ended && parts.count == 0 && prim_out_of_time(c)) {
            c->resume->a = p.scanned;
            return PRIM_YIELD;
        }
    } while (!p.ended && parts.count == 0);
    return answer_parts(c, &p, &parts, p.ended ? VALUE_NIL : value_int((int64_t)p.at));
}

/* ---- trimming and tests -------------------------------------------------------------------- */

enum { TRIM_START = 1, TRIM_END = 2 };

/* Skips white space at the start from resume->a on; true when the slice is used up. */
static bool skip_start(PrimCall *c, const StrView *s)
{
    size_t at = c->resume->a, width, paused = at;
    while (at < s->bytes && (width = space_at(s, at)) > 0) {
        at += width;
        if (at - paused > TEXT_PIECE) {
            paused = at;
            c->resume->a = at;
            if (text_pause(c, 2 * TEXT_PIECE))
                return true;
        }
    }
    c->resume->a = at;
    return false;
}

/* Skips white space at the end, of which resume->b bytes are known; stops at resume->a. */
static bool skip_end(PrimCall *c, const StrView *s)
{
    size_t end = s->bytes - c->resume->b, paused = end;
    while (end > c->resume->a) {
        size_t start = text_char_start(s, end - 1);
        if (space_at(s, start) == 0)
            break;
        end = start;
        if (paused - end > TEXT_PIECE) {
            paused = end;
            c->resume->b = s->bytes - end;
            if (text_pause(c, 2 * TEXT_PIECE))
                return true;
        }
    }
    c->resume->b = s->bytes - end;
    return false;
}

/* Characters of [from, to): all but those cut off, each of which is white space. */
static size_t trimmed_chars(PrimCall *c, const StrView *s, size_t from, size_t to)
{
    text_charge_bytes(c, from + (s->bytes - to));
    return s->chars - text_count(s, 0, from) - text_count(s, to, s->bytes);
}

/* _trim: TRIM_START + TRIM_END. */
PrimStatus prim_string_trim(PrimCall *c)
{
    StrView s = text_receiver(c);
    int64_t sides = value_is_int(c->args[1]) ? value_as_int(c->args[1]) : 0;
    if ((sides & TRIM_START) && skip_start(c, &s))
        return PRIM_YIELD;
    if ((sides & TRIM_END) && skip_end(c, &s))
        return PRIM_YIELD;
    size_t from = c->resume->a, to = s.bytes - c->resume->b;
    PrimStatus st = text_answer_slice(c, c->args[0], &s, from, to, trimmed_chars(c, &s, from, to));
    return st == PRIM_OK ? text_done(c, c->result) : st;
}

static bool is_of_kind(uint8_t byte, int64_t kind)
{
    switch (kind) {
    case 1: return char_is_ascii_digit(byte);
    case 2: return char_is_ascii_letter(byte);
    default: return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
    }
}

/* _all: kind. 1: digits, 2: letters, 3: blanks; of ASCII. False for an empty text. */
PrimStatus prim_string_all(PrimCall *c)
{
    StrView s = text_receiver(c);
    int64_t kind = value_is_int(c->args[1]) ? value_as_int(c->args[1]) : 0;
    for (size_t at = c->resume->a; at < s.bytes; at++) {
        if (!is_of_kind(s.data[at], kind)) {
            text_charge_bytes(c, at % TEXT_PIECE);
            return text_done(c, VALUE_FALSE);
        }
        if ((at + 1) % TEXT_PIECE == 0 && text_pause(c, 4 * TEXT_PIECE)) {
            c->resume->a = at + 1;
            return PRIM_YIELD;
        }
    }
    text_charge_bytes(c, s.bytes % TEXT_PIECE);
    return text_done(c, value_bool(s.bytes > 0));
}

/* ---- numbers and symbols ------------------------------------------------------------------- */

static bool is_digit_of(uint8_t byte, int64_t base)
{
    int64_t digit = char_is_ascii_digit(byte)    ? byte - '0'
                    : char_is_ascii_letter(byte) ? (byte | 0x20) - 'a' + 10
                                                 : 36;
    return digit < base;
}

/* So many digits of any base fit 64 bits. */
#define SHORT_DIGITS 11

static PrimStatus short_integer(PrimCall *c, const BigJob *job)
{
    int64_t n = 0;
    for (size_t i = 0; i < job->text_len; i++) {
        uint8_t byte = job->text[i];
        n = n * job->count + (char_is_ascii_digit(byte) ? byte - '0' : (byte | 0x20) - 'a' + 10);
    }
    return prim_answer_int64(c, job->negative ? -n : n);
}

/* Optional sign and digits; nil for anything else. */
static PrimStatus parse_integer(PrimCall *c, int64_t base)
{
    if (c->dirty_done)
        return num_finish(c);
    StrView s = text_receiver(c);
    BigJob job = {.op = BIG_PARSE, .count = base, .text = s.data, .text_len = s.bytes};
    if (s.bytes > 0 && (s.data[0] == '-' || s.data[0] == '+')) {
        job.negative = s.data[0] == '-';
        job.text++;
        job.text_len--;
    }
    if (job.text_len == 0)
        return prim_ok(c, VALUE_NIL);
    for (size_t at = c->resume->a; at < job.text_len; at++) {
        if (!is_digit_of(job.text[at], base)) {
            text_charge_bytes(c, at % TEXT_PIECE);
            return text_done(c, VALUE_NIL);
        }
        if ((at + 1) % TEXT_PIECE == 0 && text_pause(c, 4 * TEXT_PIECE)) {
            c->resume->a = at + 1;
            return PRIM_YIELD;
        }
    }
    text_charge_bytes(c, job.text_len % TEXT_PIECE);
    *c->resume = (PrimResume){.root = VALUE_NIL};
    return job.text_len <= SHORT_DIGITS ? short_integer(c, &job) : num_run(c, &job);
}

PrimStatus prim_string_as_integer(PrimCall *c) { return parse_integer(c, 10); }

PrimStatus prim_string_as_integer_base(PrimCall *c)
{
    if (!value_is_int(c->args[1]))
        return prim_type_error(c, 1, "SmallInteger");
    int64_t base = value_as_int(c->args[1]);
    if (base < 2 || base > 36)
        return prim_error(c, "base must be between 2 and 36");
    return parse_integer(c, base);
}

/* nil for what is no number, or longer than any number needs to be. */
PrimStatus prim_string_as_float(PrimCall *c)
{
    StrView s = text_receiver(c);
    double d;
    if (s.bytes > TEXT_WHOLE)
        return prim_ok(c, VALUE_NIL);
    text_charge(c, 8 * s.bytes);
    if (!float_parse(text_at(&s, 0), s.bytes, &d))
        return prim_ok(c, VALUE_NIL);
    return prim_ok(c, value_float(d));
}

PrimStatus prim_string_as_symbol(PrimCall *c)
{
    if (value_is_symbol(c->args[0]))
        return prim_self(c);
    StrView s = text_receiver(c);
    uint32_t id;
    PrimStatus st = prim_intern(c, s.data, s.bytes, &id);
    return st == PRIM_OK ? prim_ok(c, value_symbol(id)) : st;
}
