/* SPDX-License-Identifier: Apache-2.0 */
/* lang_source.h - byte slices and source positions shared by everything in this folder.
 * Threads: plain values; no state.
 * Invariant: a LangText is never NUL-terminated by contract and may hold any byte. */
#ifndef LANG_SOURCE_H
#define LANG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Limits of the front end. Each is checked before the memory it would need is allocated. */
enum {
    LANG_SOURCE_MAX = 256 * 1024 * 1024, /* bytes of one source text */
    LANG_NESTING_MAX = 1000,             /* default depth of brackets, assignments, arrays */
    LANG_DIAG_MAX = 100                  /* diagnostics kept of one run; the rest are counted */
};

/* A borrowed run of bytes: points into the source text or into the arena of the parse. */
typedef struct LangText {
    const char *ptr; /* never NULL after lang_text(); not NUL-terminated */
    uint32_t len;    /* bytes */
} LangText;

/* A place in the source. line and column belong to start. */
typedef struct LangSpan {
    uint32_t start;  /* byte offset of the first byte */
    uint32_t end;    /* byte offset just behind the last byte */
    uint32_t line;   /* 1-based; lines end at LF */
    uint32_t column; /* 1-based, counted in code points */
} LangSpan;

static inline LangText lang_text(const char *ptr, size_t len)
{
    LangText t = {ptr ? ptr : "", (uint32_t)len};
    return t;
}

static inline bool lang_text_equal(LangText a, LangText b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Compares with a C string. */
static inline bool lang_text_is(LangText a, const char *z)
{
    size_t n = strlen(z);
    return a.len == n && memcmp(a.ptr, z, n) == 0;
}

/* From the start of a to the end of b. */
static inline LangSpan lang_span_join(LangSpan a, LangSpan b)
{
    LangSpan s = {a.start, b.end > a.end ? b.end : a.end, a.line, a.column};
    return s;
}

/* Where printed text goes. write must not fail visibly; a full disk is the sink's own business. */
typedef struct LangSink {
    void (*write)(void *ctx, const char *bytes, size_t len);
    void *ctx;
} LangSink;

#endif
