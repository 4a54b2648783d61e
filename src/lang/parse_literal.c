/* SPDX-License-Identifier: Apache-2.0 */
/* parse_literal.c - numbers, texts, literal arrays.
 * Threads: none of its own.
 * Invariant: a function that answers NULL has reported why, or stop is set. */
#define _GNU_SOURCE /* strtod_l */
#include "parser_int.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "utf8.h"

/* -- numbers ------------------------------------------------------------------------------ */

enum { SMALL_INTEGER_BITS = 48 };

static uint32_t digit_of(char c)
{
    if (c <= '9')
        return (uint32_t)(c - '0');
    return (uint32_t)((c | 0x20) - 'a') + 10;
}

static AstNode *parse_integer(Parser *p)
{
    Token t = p->now.token;
    AstNode *node = parser_node(p, AST_INT, t.span);
    if (!node)
        return NULL;
    AstInteger *n = &node->as.integer;
    n->source = t.text;
    n->negative = *t.text.ptr == '-';
    n->digits = lang_text(t.text.ptr + n->negative, t.text.len - n->negative);
    n->radix = 10;
    const char *r = memchr(n->digits.ptr, 'r', n->digits.len);
    uint32_t prefix = r ? (uint32_t)(r - n->digits.ptr) : 0;
    if (r && prefix <= 9) { /* the lexer has checked that it is 2..36; leading zeros may be many */
        n->radix = 0;
        for (uint32_t i = 0; i < prefix; i++)
            n->radix = n->radix * 10 + digit_of(n->digits.ptr[i]);
    } else if (r) {
        n->radix = digit_of(r[-1]) + 10 * digit_of(r[-2]);
    }
    if (r)
        n->digits = lang_text(r + 1, n->digits.len - prefix - 1);
    const uint64_t limit = ((uint64_t)1 << (SMALL_INTEGER_BITS - 1)) - !n->negative;
    uint64_t value = 0;
    for (uint32_t i = 0; i < n->digits.len && value <= limit; i++)
        value = value * n->radix + digit_of(n->digits.ptr[i]);
    if (value > limit)
        node->kind = AST_BIGINT;
    else
        n->value = n->negative ? -(int64_t)value : (int64_t)value;
    parser_advance(p);
    return node;
}

/* strtod of the C locale, whatever locale the embedding program has set. glibc answers its static
 * C locale here without allocating. */
static double c_strtod(const char *z)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c)
        return strtod(z, NULL);
    double value = strtod_l(z, NULL, c);
    freelocale(c);
    return value;
}

static AstNode *parse_float(Parser *p)
{
    Token t = p->now.token;
    char small[64];
    const char *z = small;
    if (t.text.len < sizeof small) {
        memcpy(small, t.text.ptr, t.text.len);
        small[t.text.len] = 0;
    } else {
        LangText copy = lang_arena_copy(p->arena, t.text.ptr, t.text.len);
        if (p->arena->failed)
            parser_out_of_memory(p);
        z = copy.ptr;
    }
    AstNode *node = parser_node(p, AST_FLOAT, t.span);
    if (!node)
        return NULL;
    node->as.real.source = t.text;
    node->as.real.value = c_strtod(z);
    if (isinf(node->as.real.value)) {
        char quoted[DIAG_QUOTE_MAX];
        parser_error_at(p, t.span, "invalid float: '%s' is too large for a Float",
                        diag_quote(t.text, quoted));
        return NULL;
    }
    parser_advance(p);
    return node;
}

/* -- other literals ----------------------------------------------------------------------- */

static AstNode *take_text(Parser *p, AstKind kind, LangText text)
{
    AstNode *node = parser_node(p, kind, p->now.token.span);
    if (!node)
        return NULL;
    node->as.text = text;
    parser_advance(p);
    return node;
}

AstNode *parse_word(Parser *p, AstKind kind)
{
    AstNode *node = parser_node(p, kind, p->now.token.span);
    if (node)
        parser_advance(p);
    return node;
}

static AstNode *parse_character(Parser *p)
{
    LangText t = p->now.token.text;
    AstNode *node = parser_node(p, AST_CHAR, p->now.token.span);
    if (!node)
        return NULL;
    utf8_decode(t.ptr + 1, t.len - 1, &node->as.character);
    parser_advance(p);
    return node;
}

/* A literal that is one token; NULL without an error when the current token is none. */
NOINLINE AstNode *parse_simple_literal(Parser *p)
{
    switch (tok(p)) {
    case TOKEN_INTEGER: return parse_integer(p);
    case TOKEN_FLOAT: return parse_float(p);
    case TOKEN_STRING: return take_text(p, AST_STRING, parser_string_value(p, p->now.token));
    case TOKEN_SYMBOL: return take_text(p, AST_SYMBOL, parser_symbol_value(p, p->now.token));
    case TOKEN_CHARACTER: return parse_character(p);
    case TOKEN_NIL: return parse_word(p, AST_NIL);
    case TOKEN_TRUE: return parse_word(p, AST_TRUE);
    case TOKEN_FALSE: return parse_word(p, AST_FALSE);
    default: return NULL;
    }
}

/* `at:put:` in a literal array: keyword tokens that touch are one symbol. */
static AstNode *parse_keyword_element(Parser *p)
{
    AstNode *node = take_text(p, AST_SYMBOL, p->now.token.text);
    while (node && tok(p) == TOKEN_KEYWORD && p->now.token.span.start == node->span.end) {
        node->as.text.len += p->now.token.text.len;
        node->span.end = p->now.token.span.end;
        parser_advance(p);
    }
    return node;
}

static AstNode *parse_array_element(Parser *p, LangSpan open)
{
    switch (tok(p)) {
    case TOKEN_LPAREN:
    case TOKEN_HASH_PAREN: return parse_literal_array(p);
    case TOKEN_IDENTIFIER:
    case TOKEN_BINARY:
    case TOKEN_BAR:
    case TOKEN_EVENTUAL: return take_text(p, AST_SYMBOL, p->now.token.text);
    case TOKEN_KEYWORD: return parse_keyword_element(p);
    case TOKEN_INTEGER:
    case TOKEN_FLOAT:
    case TOKEN_STRING:
    case TOKEN_SYMBOL:
    case TOKEN_CHARACTER:
    case TOKEN_NIL:
    case TOKEN_TRUE:
    case TOKEN_FALSE: return parse_simple_literal(p);
    case TOKEN_EOF:
    case TOKEN_ERROR: parser_expected_close(p, open, ")", false); return NULL;
    default:
        parser_expected(p, "a literal or ')' in a literal array (use { } for computed elements)");
        return NULL;
    }
}

/* At `#(`, or at `(` inside a literal array. */
NOINLINE AstNode *parse_literal_array(Parser *p)
{
    LangSpan open = p->now.token.span;
    size_t mark = p->scratch_len;
    AstNode *node = parser_node(p, AST_LITERAL_ARRAY, open);
    if (!node || !parser_enter(p, open))
        return NULL;
    parser_advance(p);
    while (tok(p) != TOKEN_RPAREN) {
        AstNode *element = parse_array_element(p, open);
        if (!element || !parser_push(p, &element, sizeof element)) {
            parser_leave(p);
            return NULL;
        }
    }
    parser_advance(p);
    parser_leave(p);
    node->as.list.items = parser_pop_list(p, mark, sizeof(AstNode *), &node->as.list.count);
    node->span = lang_span_join(open, p->last);
    return node;
}
