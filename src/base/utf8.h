/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.h - UTF-8: checking, counting, stepping, encoding. Strict: no overlong forms, no
 * surrogates, nothing above U+10FFFF. Runs of ASCII go eight bytes at a time.
 * Threads: pure functions. */
#ifndef MAGGIE_UTF8_H
#define MAGGIE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_CODEPOINT_MAX 0x10FFFFu

/* True when the bytes are valid UTF-8; then *chars (may be NULL) is the number of code points.
 * Otherwise *chars is the offset of the first bad byte. chars == n means pure ASCII. */
bool utf8_check(const char *bytes, size_t n, size_t *chars);

/* Code points in valid UTF-8. */
size_t utf8_count(const char *bytes, size_t n);

bool utf8_is_ascii(const char *bytes, size_t n);

/* Decodes one code point of untrusted bytes, n >= 1: answers its length 1..4, or 0 when they do
 * not start with a valid one. */
size_t utf8_decode(const char *bytes, size_t n, uint32_t *codepoint);

/* Writes the code point to `out` (room for 4): answers its length, or 0 for what cannot be
 * encoded. */
size_t utf8_encode(uint32_t codepoint, char *out);

/* Byte offset of the code point with this 0-based index in valid UTF-8; n when there are fewer. */
size_t utf8_offset(const char *bytes, size_t n, size_t index);

/* Length of the sequence that starts with this byte of valid UTF-8. */
static inline size_t utf8_width(char first)
{
    unsigned char b = (unsigned char)first;
    return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

/* Decodes from valid UTF-8 and steps over it. */
static inline uint32_t utf8_next(const char **cursor)
{
    const unsigned char *p = (const unsigned char *)*cursor;
    size_t width = utf8_width((char)p[0]);
    *cursor += width;
    switch (width) {
    case 1: return p[0];
    case 2: return (uint32_t)(p[0] & 0x1F) << 6 | (p[1] & 0x3Fu);
    case 3: return (uint32_t)(p[0] & 0x0F) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    default:
        return (uint32_t)(p[0] & 0x07) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 |
               (p[3] & 0x3Fu);
    }
}

#endif
