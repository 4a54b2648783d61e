/* SPDX-License-Identifier: Apache-2.0 */
/* lang_test.h - what the tests of the front end share: parse a text, compare dump or first error.
 * Threads: one. */
#ifndef LANG_TEST_H
#define LANG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ast_dump.h"
#include "parser.h"

/* A text that grows. */
typedef struct Buffer {
    char *bytes; /* NUL-terminated once something was written */
    size_t len, room;
} Buffer;

static inline void buffer_write(void *ctx, const char *bytes, size_t len)
{
    Buffer *b = ctx;
    if (b->len + len + 1 > b->room) {
        b->room = (b->len + len + 1) * 2;
        b->bytes = realloc(b->bytes, b->room);
        assert_non_null(b->bytes);
    }
    memcpy(b->bytes + b->len, bytes, len);
    b->len += len;
    b->bytes[b->len] = 0;
}

static inline void buffer_put(Buffer *b, const char *z) { buffer_write(b, z, strlen(z)); }

static inline void buffer_repeat(Buffer *b, const char *z, size_t times)
{
    while (times-- > 0)
        buffer_put(b, z);
}

static inline LangSink buffer_sink(Buffer *b)
{
    LangSink s = {buffer_write, b};
    return s;
}

typedef enum Entry { FILE_ENTRY, DOIT_ENTRY, METHOD_ENTRY } Entry;

static inline bool parse_as(Entry entry, LangParse *p, const char *s, size_t len,
                            const LangOptions *o)
{
    switch (entry) {
    case FILE_ENTRY: return lang_parse_file(p, s, len, o);
    case DOIT_ENTRY: return lang_parse_doit(p, s, len, o);
    default: return lang_parse_method(p, s, len, o);
    }
}

static inline void dump_as(Entry entry, const LangParse *p, Buffer *out)
{
    LangAllocator a = lang_allocator_malloc();
    if (entry == FILE_ENTRY)
        assert_true(ast_dump_file(p->file, NULL, a, buffer_sink(out)));
    if (entry == DOIT_ENTRY)
        assert_true(ast_dump_doit(p->doit, NULL, a, buffer_sink(out)));
    if (entry == METHOD_ENTRY)
        assert_true(ast_dump_method(p->method, NULL, a, buffer_sink(out)));
}

/* The exact-size copy lets the address sanitizer see a read beyond the end. */
static inline char *exact_copy(const char *s, size_t len)
{
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, s, len);
    return copy;
}

static inline void expect_dump(Entry entry, const LangOptions *o, const char *source,
                               const char *expected)
{
    LangParse p;
    Buffer out = {0};
    size_t len = strlen(source);
    char *copy = exact_copy(source, len);
    buffer_put(&out, "");
    if (parse_as(entry, &p, copy, len, o))
        dump_as(entry, &p, &out);
    else
        diag_write(&p.diags, "test", lang_text(copy, len), buffer_sink(&out));
    assert_string_equal(out.bytes, expected);
    assert_false(p.incomplete);
    lang_parse_free(&p);
    free(copy);
    free(out.bytes);
}

/* `line:col: message` of every error, one per line, must be exactly this. */
static inline void expect_errors_in(Entry entry, const LangOptions *o, const char *source,
                                    size_t len, const char *expected)
{
    LangParse p;
    Buffer out = {0};
    char *copy = exact_copy(source, len);
    buffer_put(&out, "");
    bool ok = parse_as(entry, &p, copy, len, o);
    for (uint32_t i = 0; i < p.diags.count; i++) {
        char place[48];
        const Diag *d = &p.diags.items[i];
        if (d->severity != DIAG_ERROR)
            continue;
        snprintf(place, sizeof place, "%s%u:%u: ", out.len ? "\n" : "", d->span.line,
                 d->span.column);
        buffer_put(&out, place);
        buffer_write(&out, d->message.ptr, d->message.len);
        assert_true(d->span.start <= len && d->span.end <= len && d->span.start <= d->span.end);
    }
    assert_string_equal(out.bytes, expected);
    assert_false(ok);
    lang_parse_free(&p);
    free(copy);
    free(out.bytes);
}

static inline void expect_errors(Entry entry, const char *source, const char *expected)
{
    expect_errors_in(entry, NULL, source, strlen(source), expected);
}

/* Rejected, whatever the message says. */
static inline void expect_rejected(Entry entry, const char *source)
{
    LangParse p;
    char *copy = exact_copy(source, strlen(source));
    bool ok = parse_as(entry, &p, copy, strlen(source), NULL);
    if (ok)
        print_error("accepted: %s\n", source);
    assert_false(ok);
    lang_parse_free(&p);
    free(copy);
}

/* One expression or several statements, without the `(doit () ` around the dump. */
static inline void expect_doit(const char *source, const char *expected)
{
    Buffer whole = {0};
    buffer_put(&whole, "(doit () ");
    buffer_put(&whole, expected);
    buffer_put(&whole, ")");
    expect_dump(DOIT_ENTRY, NULL, source, whole.bytes);
    free(whole.bytes);
}

/* A file, without the `(file ` around the dump. */
static inline void expect_file(const char *source, const char *expected)
{
    Buffer whole = {0};
    buffer_put(&whole, "(file ");
    buffer_put(&whole, expected);
    buffer_put(&whole, ")");
    expect_dump(FILE_ENTRY, NULL, source, whole.bytes);
    free(whole.bytes);
}

/* The warnings of a text that is accepted, one per line. */
static inline void expect_warnings(Entry entry, const char *source, const char *expected)
{
    LangParse p;
    Buffer out = {0};
    size_t len = strlen(source);
    char *copy = exact_copy(source, len);
    buffer_put(&out, "");
    assert_true(parse_as(entry, &p, copy, len, NULL));
    for (uint32_t i = 0; i < p.diags.count; i++) {
        char place[48];
        const Diag *d = &p.diags.items[i];
        snprintf(place, sizeof place, "%s%u:%u: ", out.len ? "\n" : "", d->span.line,
                 d->span.column);
        buffer_put(&out, place);
        buffer_write(&out, d->message.ptr, d->message.len);
    }
    assert_string_equal(out.bytes, expected);
    lang_parse_free(&p);
    free(copy);
    free(out.bytes);
}

#endif
