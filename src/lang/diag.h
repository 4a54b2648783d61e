/* SPDX-License-Identifier: Apache-2.0 */
/* diag.h - diagnostics of lexer, parser and compiler, and how a person gets to see them.
 * Threads: a list belongs to one thread at a time.
 * Invariant: at most LANG_DIAG_MAX entries; an error never gives way to a warning.
 * Out of memory: an entry whose text cannot be stored keeps its place with a constant text. */
#ifndef LANG_DIAG_H
#define LANG_DIAG_H

#include <stdio.h>

#include "arena.h"
#include "lang_source.h"

typedef enum DiagSeverity { DIAG_ERROR, DIAG_WARNING } DiagSeverity;

typedef struct Diag {
    DiagSeverity severity;
    LangSpan span;    /* line 0: concerns the whole source, no line is shown */
    LangText message; /* one line of printable text, in the arena */
} Diag;

typedef struct DiagList {
    LangArena *arena; /* borrowed: where messages live */
    Diag items[LANG_DIAG_MAX];
    uint32_t count;
    uint32_t errors;   /* reported, also those not kept */
    uint32_t warnings; /* likewise */
} DiagList;

enum { DIAG_QUOTE_MAX = 96 }; /* bytes of a buffer for diag_quote */

void diag_init(DiagList *list, LangArena *arena);

/* Appends one entry; the format is printf's. Control bytes in the result are the caller's fault:
 * pass foreign text through diag_quote. */
void diag_add(DiagList *list, DiagSeverity severity, LangSpan span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Makes foreign text fit for a message: at most 40 characters, then "..."; control and invalid
 * bytes escaped. Writes a C string into out and answers out. */
const char *diag_quote(LangText text, char out[DIAG_QUOTE_MAX]);

/* For every entry, in order of position: `file:line:col: error: message`, the source line
 * (clipped around the column when it is long) and a line with a caret. source must be the text
 * that was parsed. */
void diag_write(const DiagList *list, const char *file, LangText source, LangSink sink);

/* diag_write to a stream. */
void diag_print(const DiagList *list, const char *file, LangText source, FILE *stream);

/* The errors (no warnings) as exception text: `headline: line L, column C: message`, or with
 * several errors `headline:` and one indented line each. Writes nothing without errors. */
void diag_report(const DiagList *list, const char *headline, LangSink sink);

#endif
