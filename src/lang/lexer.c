/* SPDX-License-Identifier: Apache-2.0 */
/* lexer.c - source text to tokens.
 * Threads: none of its own.
 * Invariant: pos <= len; line, line_start and continuation always describe pos. */
#include "lexer.h"

#include <stdio.h>
#include <utf8proc.h>

#include "diag.h"
#include "symtab.h"
#include "utf8.h"

static const char *const kind_names[TOKEN_KIND_COUNT] = {
#define LANG_TOKEN_NAME(name, text) text,
    LANG_TOKENS(LANG_TOKEN_NAME)
#undef LANG_TOKEN_NAME
};

const char *lex_kind_name(TokenKind kind) { return kind_names[kind]; }

/* -- characters --------------------------------------------------------------------------- */

static bool is_digit(int c) { return c >= '0' && c <= '9'; }

static bool is_ascii_letter(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static bool is_binary_char(int c)
{
    switch (c) {
    case '+':
    case '-':
    case '*':
    case '/':
    case '\\':
    case '~':
    case '<':
    case '>':
    case '=':
    case '@':
    case '%':
    case '|':
    case '&':
    case '?':
    case '!':
    case ',': return true;
    default: return false;
    }
}

static bool is_letter(uint32_t cp)
{
    if (cp < 0x80)
        return is_ascii_letter((int)cp) || cp == '_';
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

/* The byte `ahead` bytes on, or -1 behind the end. */
static int peek(const Lexer *lx, uint32_t ahead)
{
    return ahead < lx->len - lx->pos ? (unsigned char)lx->source[lx->pos + ahead] : -1;
}

static const char *here(const Lexer *lx) { return lx->source + lx->pos; }

/* Length of the letter at pos, 0 when there is none. */
static uint32_t letter_length(const Lexer *lx)
{
    uint32_t cp = 0;
    if (lx->pos == lx->len)
        return 0;
    uint32_t n = (uint32_t)utf8_decode(here(lx), lx->len - lx->pos, &cp);
    return n && is_letter(cp) ? n : 0;
}

/* -- moving ------------------------------------------------------------------------------- */

static void skip_ascii(Lexer *lx, uint32_t bytes) { lx->pos += bytes; }

static void skip_newline(Lexer *lx)
{
    lx->pos++;
    lx->line++;
    lx->line_start = lx->pos;
    lx->continuation = 0;
}

/* One character of any kind. Answers LEX_OK, or why it may not stand anywhere in a source; then
 * one byte was skipped. */
static LexError skip_char(Lexer *lx)
{
    unsigned char c = (unsigned char)*here(lx);
    uint32_t cp = 0;
    if (c == '\n') {
        skip_newline(lx);
        return LEX_OK;
    }
    if (c < 0x80) {
        lx->pos++;
        return c ? LEX_OK : LEX_NUL;
    }
    uint32_t n = (uint32_t)utf8_decode(here(lx), lx->len - lx->pos, &cp);
    if (n == 0) {
        lx->pos++;
        return LEX_INVALID_UTF8;
    }
    lx->pos += n;
    lx->continuation += n - 1;
    return LEX_OK;
}

static void skip_digits(Lexer *lx)
{
    while (is_digit(peek(lx, 0)))
        lx->pos++;
}

static bool skip_name(Lexer *lx)
{
    uint32_t n = letter_length(lx);
    if (n == 0)
        return false;
    while (n > 0) {
        lx->pos += n;
        lx->continuation += n - 1;
        skip_digits(lx);
        n = letter_length(lx);
    }
    return true;
}

static LangSpan span_here(const Lexer *lx)
{
    LangSpan s = {lx->pos, lx->pos, lx->line, lx->pos - lx->line_start - lx->continuation + 1};
    return s;
}

/* -- tokens ------------------------------------------------------------------------------- */

static Token finish(const Lexer *lx, TokenKind kind, LangSpan start)
{
    Token t = {.kind = kind, .span = start};
    t.span.end = lx->pos;
    t.text = lang_text(lx->source + start.start, lx->pos - start.start);
    t.first_on_line = start.line != lx->last_line;
    return t;
}

static Token fail(const Lexer *lx, LexError error, LangSpan start)
{
    Token t = finish(lx, TOKEN_ERROR, start);
    t.error = error;
    return t;
}

/* One bad byte or character at `at`, found inside a longer text that ends at pos. */
static Token fail_at(const Lexer *lx, LexError error, LangSpan at)
{
    Token t = fail(lx, error, at);
    t.span.end = at.start + 1;
    t.text.len = 1;
    return t;
}

/* Remembers the first illegal character of a comment or string. */
typedef struct FirstBad {
    LexError error;
    LangSpan at;
} FirstBad;

static void skip_checked(Lexer *lx, FirstBad *bad)
{
    LangSpan at = span_here(lx);
    LexError error = skip_char(lx);
    if (error && !bad->error) {
        bad->error = error;
        bad->at = at;
    }
}

/* Up to and over the closing quote, which doubled stands for itself. */
static Token read_quoted(Lexer *lx, TokenKind kind, LexError unterminated, LangSpan start)
{
    FirstBad bad = {LEX_OK, start};
    for (;;) {
        if (lx->pos == lx->len)
            return fail(lx, unterminated, start);
        if (*here(lx) != '\'') {
            skip_checked(lx, &bad);
        } else if (peek(lx, 1) == '\'') {
            skip_ascii(lx, 2);
        } else {
            skip_ascii(lx, 1);
            break;
        }
    }
    return bad.error ? fail_at(lx, bad.error, bad.at) : finish(lx, kind, start);
}

static Token read_docstring(Lexer *lx, LangSpan start)
{
    FirstBad bad = {LEX_OK, start};
    skip_ascii(lx, 3);
    for (;;) {
        if (lx->pos == lx->len)
            return fail(lx, LEX_UNTERMINATED_DOCSTRING, start);
        if (peek(lx, 0) == '"' && peek(lx, 1) == '"' && peek(lx, 2) == '"')
            break;
        skip_checked(lx, &bad);
    }
    skip_ascii(lx, 3);
    return bad.error ? fail_at(lx, bad.error, bad.at) : finish(lx, TOKEN_DOCSTRING, start);
}

static Token read_quote_comment(Lexer *lx, LangSpan start)
{
    FirstBad bad = {LEX_OK, start};
    skip_ascii(lx, 1);
    for (;;) {
        if (lx->pos == lx->len)
            return fail(lx, LEX_UNTERMINATED_COMMENT, start);
        if (*here(lx) == '"')
            break;
        skip_checked(lx, &bad);
    }
    skip_ascii(lx, 1);
    return bad.error ? fail_at(lx, bad.error, bad.at) : finish(lx, TOKEN_COMMENT, start);
}

/* A # comment or the shebang line: to LF, which is not part of it. */
static Token read_line_comment(Lexer *lx, TokenKind kind, LangSpan start)
{
    FirstBad bad = {LEX_OK, start};
    while (lx->pos < lx->len && *here(lx) != '\n')
        skip_checked(lx, &bad);
    return bad.error ? fail_at(lx, bad.error, bad.at) : finish(lx, kind, start);
}

static Token read_character(Lexer *lx, LangSpan start)
{
    skip_ascii(lx, 1);
    if (lx->pos == lx->len)
        return fail(lx, LEX_CHARACTER_AT_END, start);
    LangSpan at = span_here(lx);
    LexError error = skip_char(lx);
    return error ? fail_at(lx, error, at) : finish(lx, TOKEN_CHARACTER, start);
}

/* -- names -------------------------------------------------------------------------------- */

static TokenKind reserved_kind(LangText t)
{
    if (lang_text_is(t, "self"))
        return TOKEN_SELF;
    if (lang_text_is(t, "super"))
        return TOKEN_SUPER;
    if (lang_text_is(t, "nil"))
        return TOKEN_NIL;
    if (lang_text_is(t, "true"))
        return TOKEN_TRUE;
    if (lang_text_is(t, "false"))
        return TOKEN_FALSE;
    if (lang_text_is(t, "thisContext"))
        return TOKEN_THIS_CONTEXT;
    return TOKEN_IDENTIFIER;
}

static bool skip_qualifier(Lexer *lx)
{
    if (peek(lx, 0) != ':' || peek(lx, 1) != ':')
        return false;
    Lexer saved = *lx;
    skip_ascii(lx, 2);
    if (skip_name(lx))
        return true;
    *lx = saved;
    return false;
}

static Token read_name(Lexer *lx, LangSpan start)
{
    bool qualified = false;
    skip_name(lx);
    while (skip_qualifier(lx))
        qualified = true;
    if (!qualified && peek(lx, 0) == ':' && peek(lx, 1) != '=') {
        skip_ascii(lx, 1);
        return finish(lx, TOKEN_KEYWORD, start);
    }
    Token t = finish(lx, TOKEN_IDENTIFIER, start);
    t.qualified = qualified;
    if (!qualified)
        t.kind = reserved_kind(t.text);
    return t;
}

/* -- symbols and everything else behind # -------------------------------------------------- */

static Token read_name_symbol(Lexer *lx, LangSpan start)
{
    skip_name(lx);
    while (peek(lx, 0) == ':') {
        skip_ascii(lx, 1);
        if (peek(lx, 0) == ':') {
            Lexer saved = *lx;
            skip_ascii(lx, 1);
            if (skip_name(lx))
                return fail(lx, LEX_QUALIFIED_SYMBOL, start);
            *lx = saved;
        }
        if (!skip_name(lx))
            break;
    }
    return finish(lx, TOKEN_SYMBOL, start);
}

static Token read_hash(Lexer *lx, LangSpan start)
{
    skip_ascii(lx, 1);
    int c = peek(lx, 0);
    if (c == '(') {
        skip_ascii(lx, 1);
        lx->array_depth++;
        return finish(lx, TOKEN_HASH_PAREN, start);
    }
    if (c == '{') {
        skip_ascii(lx, 1);
        return finish(lx, TOKEN_HASH_BRACE, start);
    }
    if (c == '\'') {
        skip_ascii(lx, 1);
        return read_quoted(lx, TOKEN_SYMBOL, LEX_UNTERMINATED_SYMBOL, start);
    }
    if (is_binary_char(c)) {
        while (is_binary_char(peek(lx, 0)))
            skip_ascii(lx, 1);
        return finish(lx, TOKEN_SYMBOL, start);
    }
    if (letter_length(lx))
        return read_name_symbol(lx, start);
    return fail(lx, c == '[' ? LEX_BYTE_ARRAY : LEX_STRAY_HASH, start);
}

/* -- numbers ------------------------------------------------------------------------------ */

static uint32_t digit_value(int c)
{
    if (is_digit(c))
        return (uint32_t)(c - '0');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 10;
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A') + 10;
    return UINT32_MAX;
}

/* Behind the r. The radix digits are those of text before it. */
static Token read_radix_digits(Lexer *lx, LangText radix_digits, LangSpan start)
{
    uint32_t radix = 0, count = 0;
    bool digits_ok = true;
    for (uint32_t i = 0; i < radix_digits.len && radix <= 36; i++)
        radix = radix * 10 + digit_value(radix_digits.ptr[i]);
    for (; digit_value(peek(lx, 0)) != UINT32_MAX; count++) {
        digits_ok = digits_ok && digit_value(peek(lx, 0)) < radix;
        skip_ascii(lx, 1);
    }
    if (radix < 2 || radix > 36)
        return fail(lx, LEX_INVALID_RADIX, start);
    if (count == 0)
        return fail(lx, LEX_INVALID_INTEGER, start);
    if (!digits_ok)
        return fail(lx, LEX_INVALID_DIGIT, start);
    return finish(lx, TOKEN_INTEGER, start);
}

/* e or E is at pos. */
static Token read_exponent(Lexer *lx, LangSpan start)
{
    skip_ascii(lx, 1);
    if (peek(lx, 0) == '+' || peek(lx, 0) == '-')
        skip_ascii(lx, 1);
    if (!is_digit(peek(lx, 0)))
        return fail(lx, LEX_INVALID_FLOAT, start);
    skip_digits(lx);
    return finish(lx, TOKEN_FLOAT, start);
}

static Token read_number(Lexer *lx, LangSpan start)
{
    if (peek(lx, 0) == '-')
        skip_ascii(lx, 1);
    const char *digits = here(lx);
    skip_digits(lx);
    LangText whole = lang_text(digits, (size_t)(here(lx) - digits));
    int c = peek(lx, 0);
    if (c == 'r') {
        skip_ascii(lx, 1);
        return read_radix_digits(lx, whole, start);
    }
    if (c == '.' && is_digit(peek(lx, 1))) {
        skip_ascii(lx, 1);
        skip_digits(lx);
        c = peek(lx, 0);
        return c == 'e' || c == 'E' ? read_exponent(lx, start) : finish(lx, TOKEN_FLOAT, start);
    }
    if (c == 'e' || c == 'E')
        return read_exponent(lx, start);
    return finish(lx, TOKEN_INTEGER, start);
}

/* -- operators ---------------------------------------------------------------------------- */

/* '-' before a digit is a sign, unless it directly follows an operand (n-1); inside a literal
 * array it is always a sign. */
static bool minus_is_sign(const Lexer *lx)
{
    if (!is_digit(peek(lx, 1)))
        return false;
    return lx->array_depth > 0 || lx->operand_end != lx->pos;
}

static Token read_binary(Lexer *lx, LangSpan start)
{
    uint32_t n = 1;
    while (is_binary_char(peek(lx, n)))
        n++;
    /* 4+-1 is 4 + -1: the last minus of a longer run is the sign of the number behind it. */
    if (n > 1 && peek(lx, n - 1) == '-' && is_digit(peek(lx, n)))
        n--;
    skip_ascii(lx, n);
    Token t = finish(lx, TOKEN_BINARY, start);
    if (lang_text_is(t.text, "~>"))
        t.kind = TOKEN_EVENTUAL;
    return t;
}

static Token read_punctuation(Lexer *lx, LangSpan start)
{
    static const struct {
        char c;
        TokenKind kind;
    } table[] = {{'(', TOKEN_LPAREN},   {')', TOKEN_RPAREN}, {'[', TOKEN_LBRACKET},
                 {']', TOKEN_RBRACKET}, {'{', TOKEN_LBRACE}, {'}', TOKEN_RBRACE},
                 {'^', TOKEN_CARET},    {'.', TOKEN_PERIOD}, {';', TOKEN_SEMICOLON},
                 {':', TOKEN_COLON},    {'|', TOKEN_BAR}};
    char c = *here(lx);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].c != c)
            continue;
        skip_ascii(lx, 1);
        if (c == ':' && peek(lx, 0) == '=') {
            skip_ascii(lx, 1);
            return finish(lx, TOKEN_ASSIGN, start);
        }
        if (c == '(' && lx->array_depth)
            lx->array_depth++;
        if (c == ')' && lx->array_depth)
            lx->array_depth--;
        return finish(lx, table[i].kind, start);
    }
    uint32_t cp = 0;
    utf8_decode(here(lx), lx->len - lx->pos, &cp);
    LexError error = skip_char(lx);
    if (!error)
        error = cp == 0xFEFF ? LEX_BYTE_ORDER_MARK : LEX_UNEXPECTED_CHARACTER;
    return fail(lx, error, start);
}

/* -- the next token ----------------------------------------------------------------------- */

static bool at_docstring(const Lexer *lx)
{
    return peek(lx, 0) == '"' && peek(lx, 1) == '"' && peek(lx, 2) == '"';
}

static bool at_hash_comment(const Lexer *lx)
{
    int c = peek(lx, 1);
    return peek(lx, 0) == '#' && (c == -1 || lex_is_space((char)c));
}

/* Skips white space; with a comment behind it answers true and the comment (or what is wrong
 * with it) in *comment. */
static bool next_comment(Lexer *lx, Token *comment)
{
    while (lx->pos < lx->len && lex_is_space(*here(lx)))
        skip_char(lx);
    LangSpan start = span_here(lx);
    if (peek(lx, 0) == '"' && !at_docstring(lx))
        *comment = read_quote_comment(lx, start);
    else if (at_hash_comment(lx))
        *comment = read_line_comment(lx, TOKEN_COMMENT, start);
    else
        return false;
    return true;
}

static Token read_token(Lexer *lx)
{
    LangSpan start = span_here(lx);
    int c = peek(lx, 0);
    if (c == -1)
        return finish(lx, TOKEN_EOF, start);
    if (is_digit(c) || (c == '-' && minus_is_sign(lx)))
        return read_number(lx, start);
    if (c == '"')
        return read_docstring(lx, start);
    if (c == '\'') {
        skip_ascii(lx, 1);
        return read_quoted(lx, TOKEN_STRING, LEX_UNTERMINATED_STRING, start);
    }
    if (c == '$')
        return read_character(lx, start);
    if (c == '#')
        return read_hash(lx, start);
    if (c != '|' && is_binary_char(c))
        return read_binary(lx, start);
    if (letter_length(lx))
        return read_name(lx, start);
    return read_punctuation(lx, start);
}

static bool ends_operand(TokenKind kind)
{
    switch (kind) {
    case TOKEN_INTEGER:
    case TOKEN_FLOAT:
    case TOKEN_STRING:
    case TOKEN_SYMBOL:
    case TOKEN_CHARACTER:
    case TOKEN_IDENTIFIER:
    case TOKEN_SELF:
    case TOKEN_SUPER:
    case TOKEN_NIL:
    case TOKEN_TRUE:
    case TOKEN_FALSE:
    case TOKEN_THIS_CONTEXT:
    case TOKEN_RPAREN:
    case TOKEN_RBRACKET:
    case TOKEN_RBRACE: return true;
    default: return false;
    }
}

static bool becomes_symbol(TokenKind kind)
{
    return kind == TOKEN_IDENTIFIER || kind == TOKEN_KEYWORD || kind == TOKEN_SYMBOL ||
           kind == TOKEN_BINARY;
}

/* Bytes of the name that a token stands for, without # and quotes and with doubled quotes as one;
 * only exact when it may be too long. */
static size_t name_bytes(const Token *t)
{
    size_t n = t->text.len;
    if (t->kind != TOKEN_SYMBOL || n <= SYMTAB_NAME_MAX)
        return n;
    n--;
    if (t->text.ptr[1] != '\'')
        return n;
    n -= 2;
    for (size_t i = 2; i + 2 < t->text.len; i++) {
        if (t->text.ptr[i] == '\'') {
            n--;
            i++;
        }
    }
    return n;
}

Token lex_next(Lexer *lx)
{
    Token t;
    while (next_comment(lx, &t)) {
        if (t.kind == TOKEN_ERROR || lx->keep_comments) {
            lx->last_line = lx->line;
            return t;
        }
    }
    t = read_token(lx);
    if (becomes_symbol(t.kind) && name_bytes(&t) > SYMTAB_NAME_MAX) {
        t.kind = TOKEN_ERROR;
        t.error = LEX_NAME_TOO_LONG;
    }
    lx->last_line = lx->line;
    lx->operand_end = ends_operand(t.kind) ? lx->pos : UINT32_MAX;
    return t;
}

Token lex_split(Lexer *before, Token whole)
{
    /* Operator characters are ASCII on one line, so only pos has to move back. */
    before->pos = whole.span.start + 1;
    before->operand_end = UINT32_MAX;
    whole.span.end = before->pos;
    whole.text.len = 1;
    return whole;
}

void lex_init(Lexer *lx, const char *source, size_t len)
{
    memset(lx, 0, sizeof *lx);
    lx->source = source ? source : "";
    lx->len = (uint32_t)len;
    lx->line = 1;
    lx->operand_end = UINT32_MAX;
}

static bool at_shebang(const Lexer *lx)
{
    return lx->pos == 0 && peek(lx, 0) == '#' && peek(lx, 1) == '!';
}

bool lex_skip_shebang(Lexer *lx)
{
    if (!at_shebang(lx))
        return false;
    while (lx->pos < lx->len && *here(lx) != '\n')
        skip_char(lx);
    return true;
}

/* -- tools -------------------------------------------------------------------------------- */

bool lex_error_is_unfinished(LexError error)
{
    return error == LEX_UNTERMINATED_COMMENT || error == LEX_UNTERMINATED_DOCSTRING ||
           error == LEX_UNTERMINATED_STRING || error == LEX_UNTERMINATED_SYMBOL;
}

const char *lex_error_message(Token token, char out[256])
{
    char quoted[DIAG_QUOTE_MAX];
    const char *format = "%s";
    switch (token.error) {
    case LEX_OK: format = "no error: %s"; break;
    case LEX_UNEXPECTED_CHARACTER: format = "unexpected character: '%s'"; break;
    case LEX_INVALID_UTF8: format = "invalid UTF-8 byte %s; sources must be UTF-8 text"; break;
    case LEX_NUL: format = "unexpected character: '%s' (NUL); is this a text file?"; break;
    case LEX_BYTE_ORDER_MARK:
        format = "unexpected character: '%s' (byte order mark); save the file without it";
        break;
    case LEX_UNTERMINATED_COMMENT: format = "unterminated comment: no closing '\"' follows"; break;
    case LEX_UNTERMINATED_DOCSTRING:
        format = "unterminated docstring: no closing '\"\"\"' follows";
        break;
    case LEX_UNTERMINATED_STRING: format = "unterminated string: no closing quote follows"; break;
    case LEX_UNTERMINATED_SYMBOL:
        format = "unterminated quoted symbol: no closing quote follows";
        break;
    case LEX_CHARACTER_AT_END: format = "expected a character after '$', found end of input"; break;
    case LEX_NAME_TOO_LONG: format = "a name longer than 65535 bytes: '%s'"; break;
    case LEX_STRAY_HASH:
        format = "stray '#': expected a symbol, '#(', '#{', or a space to begin a comment";
        break;
    case LEX_BYTE_ARRAY:
        format = "stray '#': there are no byte array literals; build a ByteArray from an Array";
        break;
    case LEX_QUALIFIED_SYMBOL:
        format = "a symbol with '::' needs quotes: #'A::B' instead of %s";
        break;
    case LEX_INVALID_INTEGER: format = "invalid integer: '%s' has no digits after the 'r'"; break;
    case LEX_INVALID_RADIX: format = "invalid integer: '%s': the radix must be 2 to 36"; break;
    case LEX_INVALID_DIGIT: format = "invalid integer: '%s' has a digit beyond its radix"; break;
    case LEX_INVALID_FLOAT: format = "invalid float: '%s' has no digits in its exponent"; break;
    }
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"")
        _Pragma("GCC diagnostic ignored \"-Wformat-extra-args\"")
            snprintf(out, 256, format, diag_quote(token.text, quoted));
    _Pragma("GCC diagnostic pop") return out;
}

bool lex_is_plain_name(LangText text)
{
    Lexer lx;
    lex_init(&lx, text.ptr, text.len);
    return skip_name(&lx) && lx.pos == lx.len && reserved_kind(text) == TOKEN_IDENTIFIER;
}

bool lex_is_plain_symbol(LangText text)
{
    Lexer lx;
    lex_init(&lx, text.ptr, text.len);
    if (text.len == 0)
        return false;
    if (is_binary_char(peek(&lx, 0))) {
        while (is_binary_char(peek(&lx, 0)))
            skip_ascii(&lx, 1);
        return lx.pos == lx.len;
    }
    while (skip_name(&lx)) {
        if (peek(&lx, 0) != ':')
            break;
        skip_ascii(&lx, 1);
    }
    return lx.pos == lx.len;
}

static bool keep_token(LangArena *arena, LangTokenList *list, uint32_t *room, Token t)
{
    if (list->count == *room) {
        uint32_t more = *room ? *room * 2 : 256;
        Token *items = lang_arena_array(arena, more, sizeof(Token));
        if (!items)
            return false;
        if (list->count)
            memcpy(items, list->items, list->count * sizeof(Token));
        list->items = items;
        *room = more;
    }
    list->items[list->count++] = t;
    return true;
}

bool lex_all(LangArena *arena, const char *source, size_t len, LangTokenList *out)
{
    uint32_t room = 0;
    Lexer lx;
    Token t;
    memset(out, 0, sizeof *out);
    lex_init(&lx, source, len);
    lx.keep_comments = true;
    if (at_shebang(&lx)) {
        t = read_line_comment(&lx, TOKEN_SHEBANG, span_here(&lx));
        if (!keep_token(arena, out, &room, t))
            return false;
    }
    do {
        t = lex_next(&lx);
        if (!keep_token(arena, out, &room, t))
            return false;
    } while (t.kind != TOKEN_EOF);
    return true;
}
