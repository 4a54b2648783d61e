/* SPDX-License-Identifier: Apache-2.0 */
/* parser.h - outward header of the language front end: text to syntax tree and diagnostics.
 *
 * A LangParse holds everything one parse made. Declare one, call one of the three entry points,
 * look at the result, call lang_parse_free. Do not copy or move it in between.
 *
 *     LangParse parse;
 *     if (lang_parse_file(&parse, bytes, len, NULL))
 *         compile(parse.file);
 *     diag_print(&parse.diags, "name.mag", lang_text(bytes, len), stderr);   // also warnings
 *     lang_parse_free(&parse);
 *
 * Any bytes may be given: bad ones become diagnostics with a position. Several errors are found in
 * one run. After errors the tree may still be there for tools, with the bad parts left out.
 * Out of memory is a diagnostic like any other ("out of memory").
 *
 * C stack: bounded by the nesting limit; at the default limit below 1 MiB (4 MiB with ASan).
 * Threads: any; one LangParse belongs to one thread at a time. The source must outlive it. */
#ifndef LANG_PARSER_H
#define LANG_PARSER_H

#include "arena.h"
#include "ast.h"
#include "diag.h"
#include "lexer.h"

/* All zero means the defaults. */
typedef struct LangOptions {
    LangAllocator allocator; /* alloc NULL: malloc */
    size_t memory_max;       /* bytes the tree may take; 0: 2 GiB */
    uint32_t source_max;     /* bytes of source accepted; 0: LANG_SOURCE_MAX, never more */
    uint32_t nesting_max;    /* 0: LANG_NESTING_MAX */
    bool no_script;          /* files: statements outside of definitions are errors */
    bool script_temps;       /* doits: `| a b |` may stand before any statement, as in a script */
    bool keep_tokens;        /* fill LangParse.tokens, comments included */
} LangOptions;

typedef struct LangParse {
    LangArena arena;
    DiagList diags;
    AstFile *file;        /* lang_parse_file; may be NULL after errors, never without */
    AstDoit *doit;        /* lang_parse_doit; likewise */
    AstMethod *method;    /* lang_parse_method; NULL after errors */
    LangTokenList tokens; /* keep_tokens only */
    bool incomplete;      /* the first error was that the text ends too early */
} LangParse;

/* A source file: preamble, definitions, script statements. True without errors (warnings may be
 * there). options may be NULL. */
bool lang_parse_file(LangParse *out, const char *bytes, size_t len, const LangOptions *options);

/* Compiler evaluate:, one shell input, a doctest section: temporaries, statements. */
bool lang_parse_doit(LangParse *out, const char *bytes, size_t len, const LangOptions *options);

/* compileAndInstall:, shell definitions: a bare method, or the same with its wrapper
 * (`method: m [ ... ]`, `classMethod: m [ ... ]`: class_side tells). A docstring may lead. */
bool lang_parse_method(LangParse *out, const char *bytes, size_t len, const LangOptions *options);

/* True when the text is no complete doit yet but could become one by adding to its end: an open
 * bracket, string or comment, a missing operand. For a shell that reads several lines; pass the
 * text with the line ends that were typed. Every other error is complete: report it. */
bool lang_parse_doit_incomplete(const char *bytes, size_t len, const LangOptions *options);

/* Gives back everything the parse made. */
void lang_parse_free(LangParse *parse);

#endif
