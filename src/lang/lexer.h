/* SPDX-License-Identifier: Apache-2.0 */
/* lexer.h - source text to tokens, one at a time.
 *
 * A Lexer is a plain value: copy it to remember a place, assign it back to return there. It never
 * allocates and reports nothing itself; what is wrong with a text comes as a TOKEN_ERROR token.
 * Threads: any; it only reads the source, which must outlive the tokens.
 * Invariant: every call of lex_next before the end of the source consumes at least one byte. */
#ifndef LANG_LEXER_H
#define LANG_LEXER_H

#include "arena.h"
#include "lang_source.h"

/* Name, and how a message calls it. */
#define LANG_TOKENS(X)                                                                             \
    X(EOF, "end of input")                                                                         \
    X(ERROR, "ERROR")                                                                              \
    X(INTEGER, "INTEGER")                                                                          \
    X(FLOAT, "FLOAT")                                                                              \
    X(STRING, "STRING")                                                                            \
    X(DOCSTRING, "DOCSTRING")                                                                      \
    X(SYMBOL, "SYMBOL")                                                                            \
    X(CHARACTER, "CHARACTER")                                                                      \
    X(IDENTIFIER, "IDENTIFIER")                                                                    \
    X(KEYWORD, "KEYWORD")                                                                          \
    X(BINARY, "BINARY")                                                                            \
    X(BAR, "'|'")                                                                                  \
    X(EVENTUAL, "'~>'")                                                                            \
    X(SELF, "self")                                                                                \
    X(SUPER, "super")                                                                              \
    X(NIL, "nil")                                                                                  \
    X(TRUE, "true")                                                                                \
    X(FALSE, "false")                                                                              \
    X(THIS_CONTEXT, "thisContext")                                                                 \
    X(LPAREN, "'('")                                                                               \
    X(RPAREN, "')'")                                                                               \
    X(LBRACKET, "'['")                                                                             \
    X(RBRACKET, "']'")                                                                             \
    X(LBRACE, "'{'")                                                                               \
    X(RBRACE, "'}'")                                                                               \
    X(HASH_PAREN, "'#('")                                                                          \
    X(HASH_BRACE, "'#{'")                                                                          \
    X(CARET, "'^'")                                                                                \
    X(PERIOD, "'.'")                                                                               \
    X(SEMICOLON, "';'")                                                                            \
    X(ASSIGN, "':='")                                                                              \
    X(COLON, "':'")                                                                                \
    X(COMMENT, "COMMENT")                                                                          \
    X(SHEBANG, "SHEBANG")

typedef enum TokenKind {
#define LANG_TOKEN_ENUM(name, text) TOKEN_##name,
    LANG_TOKENS(LANG_TOKEN_ENUM)
#undef LANG_TOKEN_ENUM
        TOKEN_KIND_COUNT
} TokenKind;

/* What a TOKEN_ERROR is about. */
typedef enum LexError {
    LEX_OK,
    LEX_UNEXPECTED_CHARACTER,
    LEX_INVALID_UTF8,
    LEX_NUL,
    LEX_BYTE_ORDER_MARK,
    LEX_UNTERMINATED_COMMENT,
    LEX_UNTERMINATED_DOCSTRING,
    LEX_UNTERMINATED_STRING,
    LEX_UNTERMINATED_SYMBOL,
    LEX_CHARACTER_AT_END,
    LEX_NAME_TOO_LONG,
    LEX_STRAY_HASH,
    LEX_BYTE_ARRAY,
    LEX_QUALIFIED_SYMBOL,
    LEX_INVALID_INTEGER,
    LEX_INVALID_RADIX,
    LEX_INVALID_DIGIT,
    LEX_INVALID_FLOAT
} LexError;

typedef struct Token {
    TokenKind kind;
    LexError error;     /* TOKEN_ERROR only */
    bool qualified;     /* TOKEN_IDENTIFIER with :: */
    bool first_on_line; /* no token stands before it on the line where it begins */
    LangText text;      /* as written; with an ERROR the bytes concerned */
    LangSpan span;
} Token;

typedef struct Lexer {
    const char *source;
    uint32_t len;
    uint32_t pos;
    uint32_t line;
    uint32_t line_start;   /* byte offset of the first byte of the line */
    uint32_t continuation; /* UTF-8 continuation bytes since line_start: offsets to columns */
    uint32_t operand_end;  /* offset behind a token that can end an operand; UINT32_MAX: none */
    uint32_t last_line;    /* line on which the last token ended */
    uint32_t array_depth;  /* parentheses open inside a literal array: '-' is a sign there */
    bool keep_comments;    /* comments and the shebang line come as tokens */
} Lexer;

/* source is borrowed; len at most LANG_SOURCE_MAX. */
void lex_init(Lexer *lexer, const char *source, size_t len);

/* Skips a first line that starts with #!. True when there was one. */
bool lex_skip_shebang(Lexer *lexer);

/* The next token; TOKEN_EOF at the end, again and again. */
Token lex_next(Lexer *lexer);

/* Goes on directly behind the first byte of a BINARY token and answers that first byte as a token.
 * before must be the lexer as it was when it had just read whole. */
Token lex_split(Lexer *before, Token whole);

/* "IDENTIFIER", "'('" ... */
const char *lex_kind_name(TokenKind kind);

/* What is wrong with an ERROR token, as a C string in out. */
const char *lex_error_message(Token token, char out[256]);

/* True for errors that more text at the end could repair. */
bool lex_error_is_unfinished(LexError error);

/* White space as the language defines it. */
static inline bool lex_is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* True when text is one plain name (no ::, no reserved word). */
bool lex_is_plain_name(LangText text);

/* True when text can follow # without quotes. */
bool lex_is_plain_symbol(LangText text);

typedef struct LangTokenList {
    Token *items; /* in the arena; comments included; ends with EOF */
    uint32_t count;
} LangTokenList;

/* All tokens with comments and shebang line, for tools that must keep them. False: out of memory.
 * `>` that closes a type may come fused with what follows (">|"), as the text has it. */
bool lex_all(LangArena *arena, const char *source, size_t len, LangTokenList *out);

#endif
