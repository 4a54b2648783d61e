/* SPDX-License-Identifier: Apache-2.0 */
/* prims_string.h - what the primitives of String and Symbol share.
 *
 * The receiver of each is a String, an instance of a subclass, or a Symbol; results are Strings.
 * Positions in Maggie are code points from 1 on; in C they are bytes from 0 on. Work on long texts
 * goes in pieces of TEXT_PIECE bytes (I5): searches and comparisons answer PRIM_YIELD in between,
 * what makes a new string leaves texts above TEXT_WHOLE bytes to Maggie code (PRIM_FALLBACK) that
 * cuts them with _pieces.
 *
 * Threads: the owner of the process. Views are unrooted: valid until the primitive returns.
 */
#ifndef MAGGIE_PRIMS_STRING_H
#define MAGGIE_PRIMS_STRING_H

#include <string.h>

#include "prim.h"
#include "utf8.h"

#define TEXT_PIECE ((size_t)64 * 1024)
#define TEXT_WHOLE ((size_t)16 * 1024)
/* Bytes a memory-speed loop does for one reduction. */
#define TEXT_BYTES_PER_REDUCTION 100

static inline bool text_is_ascii(const StrView *s) { return s->bytes == s->chars; }

static inline const char *text_at(const StrView *s, size_t offset)
{
    return (const char *)s->data + offset;
}

/* View of the receiver. */
static inline StrView text_receiver(const PrimCall *c)
{
    if (__builtin_expect(value_is_string(c->args[0]), 1))
        return str_view(c->args[0]);
    StrView s = {0};
    (void)prim_text((PrimCall *)(uintptr_t)c, c->args[0], &s);
    return s;
}

/* Code points in bytes [from, to), which are whole characters. */
static inline size_t text_count(const StrView *s, size_t from, size_t to)
{
    return text_is_ascii(s) ? to - from : utf8_count(text_at(s, from), to - from);
}

/* The greatest start of a character that is <= offset. */
static inline size_t text_char_start(const StrView *s, size_t offset)
{
    while (offset > 0 && offset < s->bytes && (s->data[offset] & 0xC0) == 0x80)
        offset--;
    return offset;
}

static inline void text_charge(PrimCall *c, size_t bytes)
{
    prim_charge(c, bytes / TEXT_BYTES_PER_REDUCTION);
}

/* For loops that look at each byte: four times slower. */
static inline void text_charge_bytes(PrimCall *c, size_t bytes) { text_charge(c, 4 * bytes); }

/* Text of a String, Symbol or Character argument (which uses `room`); false: *st is the error. */
bool text_argument(PrimCall *c, unsigned k, char room[4], StrView *out, PrimStatus *st);
/* Byte offset of a 0-based character of args[0], whose view is s, from *at on; {0, 0} there means
 * the nearest known place. False: the slice is used up; return PRIM_YIELD and call with *at
 * again. */
bool text_offset(PrimCall *c, const StrView *s, size_t index, StrPlace *at);
/* Answers bytes [from, to), `chars` characters of v, whose view is s, sharing a long buffer. */
PrimStatus text_answer_slice(PrimCall *c, Value v, const StrView *s, size_t from, size_t to,
                             size_t chars);
/* New String to be filled at *data; *out is it. False: *st says what to return. */
bool text_new(PrimCall *c, size_t bytes, size_t chars, uint8_t **data, Value *out, PrimStatus *st);
/* Leaves the state of a primitive that may have yielded, and answers v. */
PrimStatus text_done(PrimCall *c, Value v);
/* After `bytes` of work: true when the primitive must return PRIM_YIELD. */
static inline bool text_pause(PrimCall *c, size_t bytes)
{
    text_charge(c, bytes);
    return prim_out_of_time(c);
}

#endif
