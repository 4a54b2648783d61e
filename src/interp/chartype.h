/* SPDX-License-Identifier: Apache-2.0 */
/* chartype.h - what kind of character a code point is, after Unicode; ASCII without a table.
 * Threads: pure functions. */
#ifndef MAGGIE_CHARTYPE_H
#define MAGGIE_CHARTYPE_H

#include <stdbool.h>
#include <stdint.h>
#include <utf8proc.h>

static inline utf8proc_category_t char_category(uint32_t cp)
{
    return utf8proc_category((utf8proc_int32_t)cp);
}

static inline bool char_is_ascii_letter(uint32_t cp) { return (cp | 0x20) - 'a' < 26; }
static inline bool char_is_ascii_digit(uint32_t cp) { return cp - '0' < 10; }

/* General categories L*. */
static inline bool char_is_letter(uint32_t cp)
{
    if (cp < 0x80)
        return char_is_ascii_letter(cp);
    utf8proc_category_t kind = char_category(cp);
    return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

/* General category Nd. */
static inline bool char_is_digit(uint32_t cp)
{
    return cp < 0x80 ? char_is_ascii_digit(cp) : char_category(cp) == UTF8PROC_CATEGORY_ND;
}

static inline bool char_is_upper(uint32_t cp)
{
    return cp < 0x80 ? cp - 'A' < 26 : char_category(cp) == UTF8PROC_CATEGORY_LU;
}

static inline bool char_is_lower(uint32_t cp)
{
    return cp < 0x80 ? cp - 'a' < 26 : char_category(cp) == UTF8PROC_CATEGORY_LL;
}

/* Property White_Space. */
static inline bool char_is_space(uint32_t cp)
{
    if (cp < 0x80)
        return cp == ' ' || (cp >= 9 && cp <= 13);
    return cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) ||
           cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

/* Simple case mappings: one code point to one. */
static inline uint32_t char_to_upper(uint32_t cp)
{
    if (cp < 0x80)
        return cp - 'a' < 26 ? cp - 32 : cp;
    if (cp == 0xDF) /* Unicode has no simple upper case of the sharp s; utf8proc makes one up */
        return cp;
    return (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp);
}

static inline uint32_t char_to_lower(uint32_t cp)
{
    if (cp < 0x80)
        return cp - 'A' < 26 ? cp + 32 : cp;
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
}

/* What UTF-8 can hold. */
static inline bool char_is_valid(int64_t cp)
{
    return cp >= 0 && cp <= 0x10FFFF && (cp < 0xD800 || cp > 0xDFFF);
}

#endif
