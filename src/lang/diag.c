/* SPDX-License-Identifier: Apache-2.0 */
/* diag.c - the list of diagnostics and its printed form.
 * Threads: none of its own.
 * Invariant: whatever bytes a source holds, what is printed is valid UTF-8 on whole lines, and no
 * character of the source can move the cursor or reorder the text of the terminal. */
#include "diag.h"

#include <stdarg.h>
#include <utf8proc.h>

#include "utf8.h"

enum {
    DIAG_MESSAGE_MAX = 512, /* bytes of one message */
    DIAG_QUOTE_CHARS = 40,  /* characters diag_quote shows */
    DIAG_LINE_BEFORE = 70,  /* characters of the source line shown left of the caret */
    DIAG_LINE_AFTER = 50,   /* and from the caret on */
    DIAG_TAB = 4
};

void diag_init(DiagList *list, LangArena *arena)
{
    memset(list, 0, sizeof *list);
    list->arena = arena;
}

/* A full list gives up its last warning for an error. */
static Diag *diag_slot(DiagList *list, DiagSeverity severity)
{
    if (list->count < LANG_DIAG_MAX)
        return &list->items[list->count++];
    if (severity == DIAG_WARNING)
        return NULL;
    for (uint32_t i = list->count; i-- > 0;) {
        if (list->items[i].severity != DIAG_WARNING)
            continue;
        memmove(&list->items[i], &list->items[i + 1], (list->count - i - 1) * sizeof(Diag));
        return &list->items[list->count - 1];
    }
    return NULL;
}

void diag_add(DiagList *list, DiagSeverity severity, LangSpan span, const char *format, ...)
{
    if (severity == DIAG_ERROR)
        list->errors++;
    else
        list->warnings++;
    Diag *slot = diag_slot(list, severity);
    if (!slot)
        return;
    char buffer[DIAG_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof buffer ? (size_t)n : sizeof buffer - 1;
    slot->severity = severity;
    slot->span = span;
    slot->message = lang_arena_copy(list->arena, buffer, len);
    if (slot->message.len == 0)
        slot->message = lang_text("out of memory", 13);
}

/* -- safe text ---------------------------------------------------------------------------- */

/* Controls, line separators and the invisible characters that reorder or hide text. */
static bool is_unprintable(uint32_t cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_ZL ||
           c == UTF8PROC_CATEGORY_ZP || c == UTF8PROC_CATEGORY_CS || c == UTF8PROC_CATEGORY_CN ||
           c == UTF8PROC_CATEGORY_CO;
}

/* One character of source made harmless. */
typedef struct SafeChar {
    char text[16];
    uint32_t len;   /* bytes of text */
    uint32_t width; /* columns on a terminal */
    uint32_t used;  /* bytes of the source */
} SafeChar;

static SafeChar safe_char(const char *p, const char *end)
{
    SafeChar s = {.used = 1};
    uint32_t cp = 0;
    uint32_t n = (uint32_t)utf8_decode(p, (size_t)(end - p), &cp);
    if (n == 0) {
        s.len = (uint32_t)snprintf(s.text, sizeof s.text, "\\x%02X", (unsigned char)*p);
        s.width = s.len;
        return s;
    }
    s.used = n;
    if (is_unprintable(cp)) {
        s.len = (uint32_t)snprintf(s.text, sizeof s.text, cp < 0x80 ? "\\x%02X" : "\\u{%X}", cp);
        s.width = s.len;
        return s;
    }
    memcpy(s.text, p, n);
    s.len = n;
    int width = utf8proc_charwidth((utf8proc_int32_t)cp);
    s.width = width < 0 ? 0 : (uint32_t)width;
    return s;
}

const char *diag_quote(LangText text, char out[DIAG_QUOTE_MAX])
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    size_t used = 0;
    for (int shown = 0; p < end; shown++) {
        SafeChar s = safe_char(p, end);
        if (shown == DIAG_QUOTE_CHARS || used + s.len + 4 > DIAG_QUOTE_MAX) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        memcpy(out + used, s.text, s.len);
        used += s.len;
        p += s.used;
    }
    out[used] = 0;
    return out;
}

/* -- printing ----------------------------------------------------------------------------- */

static void put(LangSink sink, const char *z) { sink.write(sink.ctx, z, strlen(z)); }

static void put_repeated(LangSink sink, char c, uint32_t n)
{
    while (n-- > 0)
        sink.write(sink.ctx, &c, 1);
}

/* Walks back over one character; invalid bytes count one by one. */
static uint32_t step_back(LangText source, uint32_t pos)
{
    uint32_t start = pos;
    for (uint32_t n = 1; n <= 4 && n <= pos; n++) {
        uint32_t cp;
        if (utf8_decode(source.ptr + start - n, n, &cp) == n)
            return start - n;
    }
    return start - 1;
}

/* First byte to show of the line that holds pos: its beginning, or DIAG_LINE_BEFORE characters
 * before pos. Looks at no more than that, so a line of any length costs the same. */
static uint32_t window_start(LangText source, uint32_t pos, bool *clipped)
{
    uint32_t at = pos;
    for (int i = 0; i < DIAG_LINE_BEFORE; i++) {
        if (at == 0 || source.ptr[at - 1] == '\n') {
            *clipped = false;
            return at;
        }
        at = step_back(source, at);
    }
    *clipped = at > 0 && source.ptr[at - 1] != '\n';
    return at;
}

/* One character of the shown line; tabs become spaces up to the next stop. */
static uint32_t put_source_char(LangSink sink, LangText source, uint32_t pos, uint32_t *column)
{
    if (source.ptr[pos] == '\t') {
        uint32_t n = DIAG_TAB - *column % DIAG_TAB;
        put_repeated(sink, ' ', n);
        *column += n;
        return 1;
    }
    SafeChar s = safe_char(source.ptr + pos, source.ptr + source.len);
    sink.write(sink.ctx, s.text, s.len);
    *column += s.width;
    return s.used;
}

static bool at_line_end(LangText source, uint32_t pos)
{
    if (pos >= source.len || source.ptr[pos] == '\n')
        return true;
    return source.ptr[pos] == '\r' && (pos + 1 == source.len || source.ptr[pos + 1] == '\n');
}

/* The source line with `  ` before it, then the caret under the span. */
static void put_source_line(LangSink sink, LangText source, LangSpan span)
{
    uint32_t start = span.start < source.len ? span.start : source.len;
    bool clipped = false;
    uint32_t pos = window_start(source, start, &clipped);
    uint32_t column = 0;
    put(sink, clipped ? "  ..." : "  ");
    if (clipped)
        column += 3;
    while (pos < start)
        pos += put_source_char(sink, source, pos, &column);
    uint32_t caret = column, marked = column;
    for (int i = 0; i < DIAG_LINE_AFTER && !at_line_end(source, pos); i++) {
        pos += put_source_char(sink, source, pos, &column);
        if (pos <= span.end)
            marked = column;
    }
    put(sink, at_line_end(source, pos) ? "\n  " : "...\n  ");
    put_repeated(sink, ' ', caret);
    put(sink, "^");
    if (marked > caret)
        put_repeated(sink, '~', marked - caret - 1);
    put(sink, "\n");
}

static void put_diag(LangSink sink, const Diag *d, const char *file, LangText source)
{
    char place[48];
    put(sink, file);
    if (d->span.line) {
        snprintf(place, sizeof place, ":%u:%u", d->span.line, d->span.column);
        put(sink, place);
    }
    put(sink, d->severity == DIAG_ERROR ? ": error: " : ": warning: ");
    sink.write(sink.ctx, d->message.ptr, d->message.len);
    put(sink, "\n");
    if (d->span.line)
        put_source_line(sink, source, d->span);
}

/* Positions of entries, sorted by place; insertion sort: the list is short and nearly sorted. */
static void sorted_order(const DiagList *list, uint32_t order[LANG_DIAG_MAX])
{
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t k = i;
        while (k > 0 && list->items[order[k - 1]].span.start > list->items[i].span.start) {
            order[k] = order[k - 1];
            k--;
        }
        order[k] = i;
    }
}

void diag_write(const DiagList *list, const char *file, LangText source, LangSink sink)
{
    uint32_t order[LANG_DIAG_MAX];
    sorted_order(list, order);
    for (uint32_t i = 0; i < list->count; i++)
        put_diag(sink, &list->items[order[i]], file, source);
    uint32_t unseen = list->errors + list->warnings - list->count;
    if (unseen == 0)
        return;
    char text[64];
    snprintf(text, sizeof text, ": %u more diagnostics are not shown\n", unseen);
    put(sink, file);
    put(sink, text);
}

static void write_stream(void *ctx, const char *bytes, size_t len) { fwrite(bytes, 1, len, ctx); }

void diag_print(const DiagList *list, const char *file, LangText source, FILE *stream)
{
    LangSink sink = {write_stream, stream};
    diag_write(list, file, source, sink);
}

void diag_report(const DiagList *list, const char *headline, LangSink sink)
{
    uint32_t order[LANG_DIAG_MAX];
    if (list->errors == 0)
        return;
    sorted_order(list, order);
    put(sink, headline);
    put(sink, ":");
    for (uint32_t i = 0; i < list->count; i++) {
        const Diag *d = &list->items[order[i]];
        if (d->severity != DIAG_ERROR)
            continue;
        char place[64] = "";
        if (d->span.line)
            snprintf(place, sizeof place, "line %u, column %u: ", d->span.line, d->span.column);
        put(sink, list->errors == 1 ? " " : "\n  ");
        put(sink, place);
        sink.write(sink.ctx, d->message.ptr, d->message.len);
    }
}
