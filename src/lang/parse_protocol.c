/* SPDX-License-Identifier: Apache-2.0 */
/* parse_protocol.c - protocol definitions: lists of selectors with types.
 * Threads: none of its own.
 * Invariant: every round of the body's loop consumes a token, also after an error. */
#include "parser_int.h"

/* One keyword of an entry while it is gathered. */
typedef struct EntryPart {
    LangText keyword;
    AstType type;
} EntryPart;

/* A type after a selector of a protocol, perhaps none. */
static bool parse_entry_type(Parser *p, AstType *out)
{
    memset(out, 0, sizeof *out);
    return !parser_at_type(p) || parse_type(p, out);
}

static bool parse_keyword_entry(Parser *p, AstProtocolEntry *e)
{
    size_t mark = p->scratch_len, len = 0;
    EntryPart part;
    while (tok(p) == TOKEN_KEYWORD) {
        part.keyword = p->now.token.text;
        parser_advance(p);
        if (!parse_entry_type(p, &part.type) || !parser_push(p, &part, sizeof part))
            return false;
        len += part.keyword.len;
    }
    EntryPart *parts = parser_pop_list(p, mark, sizeof part, &e->param_count);
    char *selector = parser_alloc(p, len);
    e->param_types = parser_alloc(p, e->param_count * sizeof(AstType));
    if (!parts || !selector || !e->param_types)
        return false;
    e->selector = lang_text(selector, len);
    for (uint32_t i = 0; i < e->param_count; i++) {
        memcpy(selector, parts[i].keyword.ptr, parts[i].keyword.len);
        selector += parts[i].keyword.len;
        e->param_types[i] = parts[i].type;
    }
    return true;
}

static bool parse_binary_entry(Parser *p, AstProtocolEntry *e)
{
    parser_advance(p);
    e->param_types = parser_alloc(p, sizeof(AstType));
    e->param_count = 1;
    return e->param_types && parse_entry_type(p, e->param_types);
}

/* `<` here begins a stray type and is not the selector `<`. */
static bool at_stray_type(Parser *p)
{
    if (!parser_at_type(p) || parser_peek(p, 1).kind != TOKEN_IDENTIFIER)
        return false;
    Token t = parser_peek(p, 2);
    return t.kind == TOKEN_BINARY && *t.text.ptr == '>';
}

/* Selector and parameter types. */
static bool parse_entry_selector(Parser *p, AstProtocolEntry *e)
{
    e->selector = p->now.token.text;
    if (tok(p) == TOKEN_KEYWORD) {
        e->kind = AST_KEYWORD;
        return parse_keyword_entry(p, e);
    }
    if (tok(p) != TOKEN_IDENTIFIER) {
        e->kind = AST_BINARY;
        return parse_binary_entry(p, e);
    }
    e->kind = AST_UNARY;
    parser_advance(p);
    return true;
}

static bool parse_entry(Parser *p, AstProtocol *protocol)
{
    AstProtocolEntry e;
    memset(&e, 0, sizeof e);
    e.span = p->now.token.span;
    if (!parse_entry_selector(p, &e))
        return false;
    if (parser_accept(p, TOKEN_CARET)) {
        e.has_return = true;
        if (parser_at_type(p) && !parse_type(p, &e.return_type))
            return false;
    }
    if (at_effects(p) && !parse_effects(p, &e.effects))
        return false;
    e.span = lang_span_join(e.span, p->last);
    parser_accept(p, TOKEN_PERIOD);
    return parser_grow(p, &protocol->entries, &protocol->entry_count, &e, sizeof e);
}

static bool parse_protocol_item(Parser *p, AstProtocol *protocol)
{
    AstName name;
    if (at_text(p, TOKEN_KEYWORD, "includes:")) {
        parser_advance(p);
        if (!parse_name(p, "the name of a protocol", &name))
            return false;
        parser_accept(p, TOKEN_PERIOD);
        return parser_add_name(p, &protocol->includes, name);
    }
    bool selector = (tok(p) == TOKEN_IDENTIFIER && !p->now.token.qualified) ||
                    tok(p) == TOKEN_KEYWORD || tok(p) == TOKEN_BINARY || tok(p) == TOKEN_BAR;
    if (selector && body_keyword(p->now.token) == BODY_NONE && !at_stray_type(p))
        return parse_entry(p, protocol);
    if (tok(p) == TOKEN_KEYWORD)
        wrong_item(p, "protocol", protocol->name.text, "a protocol only lists selectors");
    else if (tok(p) == TOKEN_PERIOD || tok(p) == TOKEN_ERROR || at_stray_type(p))
        parser_expected(p, "a selector in the protocol body");
    else
        parser_error_at(p, p->now.token.span,
                        "unexpected %s in protocol body; put statements before the protocol",
                        lex_kind_name(tok(p)));
    return false;
}

/* Behind the next period, or at a docstring or definition. */
static void recover_protocol(Parser *p, uint32_t start)
{
    parser_begin_recovery(p);
    if (p->now.token.span.start == start && !parser_accept(p, TOKEN_PERIOD))
        parser_advance(p);
    while (tok(p) != TOKEN_EOF && tok(p) != TOKEN_DOCSTRING && !parser_starts_definition(p))
        if (parser_accept(p, TOKEN_PERIOD))
            break;
        else
            parser_advance(p);
}

/* A docstring in the body is the protocol's own unless a definition follows it directly. */
static void settle_protocol_doc(Parser *p, AstProtocol *protocol)
{
    if (!p->pending_doc.present || parser_starts_definition(p))
        return;
    AstDoc doc = claim_docstring(p);
    if (!protocol->doc.present)
        protocol->doc = doc;
}

AstNode *parse_protocol(Parser *p)
{
    AstNode *node = parser_node(p, AST_PROTOCOL, p->now.token.span);
    AstProtocol *protocol = parser_alloc(p, sizeof *protocol);
    if (!node || !protocol)
        return NULL;
    node->as.protocol = protocol;
    protocol->doc = claim_docstring(p);
    protocol->name = parser_name_here(p);
    parser_advance(p);
    parser_advance(p);
    while (tok(p) != TOKEN_EOF && !parser_starts_definition(p)) {
        p->brackets = 0;
        uint32_t start = p->now.token.span.start;
        if (tok(p) == TOKEN_DOCSTRING) {
            take_docstring(p);
            settle_protocol_doc(p, protocol);
        } else if (!parse_protocol_item(p, protocol)) {
            recover_protocol(p, start);
        }
    }
    node->span = protocol->span = lang_span_join(node->span, p->last);
    return p->stop ? NULL : node;
}
