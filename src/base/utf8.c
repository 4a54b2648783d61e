/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.c - checking, counting, stepping and encoding of UTF-8.
 * Threads: pure functions. */
#include "utf8.h"

#include <string.h>

#define HIGH_BITS 0x8080808080808080u

static uint64_t load8(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static bool is_tail(unsigned char byte) { return (byte & 0xC0) == 0x80; }

/* Length of the leading run of ASCII, at eight bytes a step. */
static size_t ascii_run(const char *bytes, size_t n)
{
    size_t i = 0;
    while (n - i >= 8 && (load8(bytes + i) & HIGH_BITS) == 0)
        i += 8;
    while (i < n && (unsigned char)bytes[i] < 0x80)
        i++;
    return i;
}

bool utf8_is_ascii(const char *bytes, size_t n) { return ascii_run(bytes, n) == n; }

/* Lowest allowed second byte rules out overlong forms, highest rules out surrogates and what lies
 * beyond U+10FFFF (Unicode standard, table 3-7). */
static bool second_ok(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xE0: return second >= 0xA0 && second <= 0xBF;
    case 0xED: return second >= 0x80 && second <= 0x9F;
    case 0xF0: return second >= 0x90 && second <= 0xBF;
    case 0xF4: return second >= 0x80 && second <= 0x8F;
    default: return is_tail(second);
    }
}

size_t utf8_decode(const char *bytes, size_t n, uint32_t *codepoint)
{
    const unsigned char *p = (const unsigned char *)bytes;
    if (n == 0)
        return 0;
    if (p[0] < 0x80) {
        *codepoint = p[0];
        return 1;
    }
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    size_t width = utf8_width(bytes[0]);
    if (width > n || !second_ok(p[0], p[1]))
        return 0;
    for (size_t i = 2; i < width; i++) {
        if (!is_tail(p[i]))
            return 0;
    }
    const char *cursor = bytes;
    *codepoint = utf8_next(&cursor);
    return width;
}

bool utf8_check(const char *bytes, size_t n, size_t *chars)
{
    size_t count = 0;
    size_t i = 0;
    bool ok = true;
    while (i < n) {
        size_t run = ascii_run(bytes + i, n - i);
        i += run;
        count += run;
        if (i == n)
            break;
        uint32_t codepoint;
        size_t width = utf8_decode(bytes + i, n - i, &codepoint);
        if (width == 0) {
            ok = false;
            break;
        }
        i += width;
        count++;
    }
    if (chars)
        *chars = ok ? count : i;
    return ok;
}

/* Code points in eight bytes: those that are no tail bytes. A tail byte is 10xxxxxx. */
static unsigned starts_in_word(uint64_t word)
{
    uint64_t tails = (word & ~(word << 1)) & HIGH_BITS;
    return 8 - (unsigned)__builtin_popcountll(tails);
}

size_t utf8_count(const char *bytes, size_t n)
{
    size_t count = 0;
    size_t i = 0;
    for (; n - i >= 8; i += 8)
        count += starts_in_word(load8(bytes + i));
    for (; i < n; i++)
        count += !is_tail((unsigned char)bytes[i]);
    return count;
}

size_t utf8_offset(const char *bytes, size_t n, size_t index)
{
    size_t i = 0;
    /* Whole words first; what a word starts belongs to it even when its tail lies in the next. */
    while (n - i >= 8) {
        size_t starts = starts_in_word(load8(bytes + i));
        if (starts > index)
            break;
        index -= starts;
        i += 8;
    }
    for (; i < n; i++) {
        if (is_tail((unsigned char)bytes[i]))
            continue;
        if (index == 0)
            return i;
        index--;
    }
    return n;
}

size_t utf8_encode(uint32_t codepoint, char *out)
{
    if (codepoint < 0x80) {
        out[0] = (char)codepoint;
        return 1;
    }
    if (codepoint < 0x800) {
        out[0] = (char)(0xC0 | codepoint >> 6);
        out[1] = (char)(0x80 | (codepoint & 0x3F));
        return 2;
    }
    if (codepoint >= 0xD800 && codepoint <= 0xDFFF)
        return 0;
    if (codepoint < 0x10000) {
        out[0] = (char)(0xE0 | codepoint >> 12);
        out[1] = (char)(0x80 | (codepoint >> 6 & 0x3F));
        out[2] = (char)(0x80 | (codepoint & 0x3F));
        return 3;
    }
    if (codepoint > UTF8_CODEPOINT_MAX)
        return 0;
    out[0] = (char)(0xF0 | codepoint >> 18);
    out[1] = (char)(0x80 | (codepoint >> 12 & 0x3F));
    out[2] = (char)(0x80 | (codepoint >> 6 & 0x3F));
    out[3] = (char)(0x80 | (codepoint & 0x3F));
    return 4;
}
