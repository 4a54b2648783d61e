/* SPDX-License-Identifier: Apache-2.0 */
/* parse_expr.c - statements, expressions, brackets.
 *
 * Recursive descent, one C level per bracket or assignment (parser_enter counts them). Chains of
 * sends, cascades, keyword parts and statements are loops.
 * Threads: none of its own.
 * Invariant: a function that answers NULL or false has reported why, or stop is set. */
#include "parser_int.h"

static AstNode *parse_unary_expr(Parser *p);
static AstNode *parse_binary_expr(Parser *p);

/* -- brackets ----------------------------------------------------------------------------- */

static NOINLINE AstNode *parse_parenthesis(Parser *p)
{
    LangSpan open = p->now.token.span;
    if (!parser_enter(p, open))
        return NULL;
    parser_advance(p);
    AstNode *inside = parse_expression(p);
    parser_leave(p);
    if (!inside)
        return NULL;
    if (tok(p) == TOKEN_PERIOD) {
        parser_error_at(p, p->now.token.span,
                        "expected ')', found '.': parentheses hold one expression, not statements");
        return NULL;
    }
    if (tok(p) != TOKEN_RPAREN) {
        parser_expected_close(p, open, ")", false);
        return NULL;
    }
    parser_advance(p);
    inside->parenthesised = true;
    return inside;
}

/* `:a :b |`, perhaps nothing. */
static NOINLINE bool parse_block_params(Parser *p, AstVarList *out)
{
    size_t mark = p->scratch_len;
    if (tok(p) != TOKEN_COLON)
        return true;
    while (parser_accept(p, TOKEN_COLON)) {
        AstVar var;
        if (!parse_var(p, "a block parameter name after ':'", false, &var))
            return false;
        if (!parser_push(p, &var, sizeof var))
            return false;
    }
    if (parser_at_type(p)) {
        parser_error_at(p, p->now.token.span,
                        "expected '|' after the block parameters, found '<': block parameters "
                        "take no type");
        return false;
    }
    if (!parser_accept(p, TOKEN_BAR)) {
        parser_expected(p, "'|' after the block parameters");
        return false;
    }
    out->items = parser_pop_list(p, mark, sizeof(AstVar), &out->count);
    return !p->stop;
}

static bool parse_block_inside(Parser *p, AstBlock *block)
{
    if (!parse_block_params(p, &block->params))
        return false;
    if (tok(p) == TOKEN_BAR && !parse_temps(p, &block->temps))
        return false;
    check_duplicates(p, &block->params, "block parameter", &block->temps, "");
    return parse_statements(p, TOKEN_RBRACKET, &block->statements);
}

static NOINLINE AstNode *parse_block(Parser *p)
{
    LangSpan open = p->now.token.span;
    AstNode *node = parser_node(p, AST_BLOCK, open);
    if (!node || !parser_enter(p, open))
        return NULL;
    node->as.block = parser_alloc(p, sizeof(AstBlock));
    parser_advance(p);
    bool ok = node->as.block && parse_block_inside(p, node->as.block);
    parser_leave(p);
    if (!ok)
        return NULL;
    if (tok(p) != TOKEN_RBRACKET) {
        parser_expected_close(p, open, "]", true);
        return NULL;
    }
    parser_advance(p);
    node->span = lang_span_join(open, p->last);
    return node;
}

static NOINLINE AstNode *parse_dyn_array(Parser *p)
{
    LangSpan open = p->now.token.span;
    size_t mark = p->scratch_len;
    AstNode *node = parser_node(p, AST_DYN_ARRAY, open);
    if (!node || !parser_enter(p, open))
        return NULL;
    parser_advance(p);
    while (tok(p) != TOKEN_RBRACE) {
        AstNode *element = parse_expression(p);
        if (!element || !parser_push(p, &element, sizeof element))
            break;
        if (!parser_accept(p, TOKEN_PERIOD))
            break;
    }
    parser_leave(p);
    if (p->panic)
        return NULL;
    if (tok(p) != TOKEN_RBRACE) {
        if (parser_starts_expression(tok(p)))
            parser_expected(p, "'.' between the elements of '{ }'");
        else
            parser_expected_close(p, open, "}", false);
        return NULL;
    }
    parser_advance(p);
    node->as.list.items = parser_pop_list(p, mark, sizeof(AstNode *), &node->as.list.count);
    node->span = lang_span_join(open, p->last);
    return node;
}

static AstNode *parse_primary(Parser *p);

static bool parse_pair(Parser *p, AstPair *pair)
{
    pair->key = parse_primary(p);
    if (!pair->key)
        return false;
    if (!at_text(p, TOKEN_BINARY, "->")) {
        parser_expected(p, "'->' after the key (a key of more than one word needs parentheses)");
        return false;
    }
    parser_advance(p);
    pair->value = parse_expression(p);
    if (!pair->value)
        return false;
    parser_accept(p, TOKEN_PERIOD);
    return true;
}

static NOINLINE AstNode *parse_dictionary(Parser *p)
{
    LangSpan open = p->now.token.span;
    size_t mark = p->scratch_len;
    AstNode *node = parser_node(p, AST_DICTIONARY, open);
    if (!node || !parser_enter(p, open))
        return NULL;
    parser_advance(p);
    while (parser_starts_expression(tok(p))) {
        AstPair pair;
        if (!parse_pair(p, &pair) || !parser_push(p, &pair, sizeof pair))
            break;
    }
    parser_leave(p);
    if (p->panic)
        return NULL;
    if (tok(p) != TOKEN_RBRACE) {
        parser_expected_close(p, open, "}", false);
        return NULL;
    }
    parser_advance(p);
    AstDictionary *d = &node->as.dictionary;
    d->pairs = parser_pop_list(p, mark, sizeof(AstPair), &d->count);
    node->span = lang_span_join(open, p->last);
    return node;
}

/* -- primaries ---------------------------------------------------------------------------- */

static NOINLINE AstNode *parse_assignment(Parser *p)
{
    AstNode *node = parser_node(p, AST_ASSIGN, p->now.token.span);
    if (!node || !parser_enter(p, node->span))
        return NULL;
    node->as.assign.target.text = p->now.token.text;
    node->as.assign.target.span = node->span;
    parser_advance(p);
    parser_advance(p);
    node->as.assign.value = parse_expression(p);
    parser_leave(p);
    if (!node->as.assign.value)
        return NULL;
    node->span = lang_span_join(node->span, p->last);
    return node;
}

static AstNode *parse_identifier(Parser *p)
{
    if (parser_peek(p, 1).kind == TOKEN_ASSIGN)
        return parse_assignment(p);
    AstNode *node = parser_node(p, AST_IDENTIFIER, p->now.token.span);
    if (!node)
        return NULL;
    node->as.name.text = p->now.token.text;
    node->as.name.qualified = p->now.token.qualified;
    parser_advance(p);
    return node;
}

/* self, super, nil ...; a following := deserves its own message. */
static NOINLINE AstNode *parse_reserved(Parser *p)
{
    char text[PARSER_DESCRIBE_MAX];
    Token word = p->now.token;
    AstNode *node;
    switch (word.kind) {
    case TOKEN_SELF: node = parse_word(p, AST_SELF); break;
    case TOKEN_SUPER: node = parse_word(p, AST_SUPER); break;
    case TOKEN_THIS_CONTEXT: node = parse_word(p, AST_THIS_CONTEXT); break;
    default: node = parse_simple_literal(p); break;
    }
    if (node && tok(p) == TOKEN_ASSIGN) {
        parser_error_at(p, word.span, "%s is a reserved word and cannot be assigned to",
                        parser_describe(word, text));
        return NULL;
    }
    return node;
}

/* No expression can start here: say why as well as possible. */
static NOINLINE AstNode *no_primary(Parser *p)
{
    const Token *t = &p->now.token;
    if (t->kind == TOKEN_BINARY && lang_text_is(t->text, "-")) {
        parser_error_at(p, t->span,
                        "expected an expression, found operator '-': there is no unary "
                        "minus; write 'x negated' or '0 - x'");
    } else if (at_text(p, TOKEN_BINARY, "<") && (parser_peek(p, 1).kind == TOKEN_IDENTIFIER ||
                                                 parser_peek(p, 1).kind == TOKEN_KEYWORD)) {
        parser_error_at(p, t->span,
                        "expected an expression, found operator '<': the only pragma "
                        "is a whole body '[ <primitive> ]'");
    } else if (t->kind == TOKEN_BAR && t->span.start > 0 && t->text.ptr[-1] == '|') {
        parser_error_at(p, t->span,
                        "expected an expression, found '|': there is no operator '||'; "
                        "write 'a | b' or 'a or: [ b ]'");
    } else {
        parser_expected(p, "an expression");
    }
    return NULL;
}

static AstNode *parse_primary(Parser *p)
{
    switch (tok(p)) {
    case TOKEN_IDENTIFIER: return parse_identifier(p);
    case TOKEN_SELF:
    case TOKEN_SUPER:
    case TOKEN_THIS_CONTEXT:
    case TOKEN_NIL:
    case TOKEN_TRUE:
    case TOKEN_FALSE: return parse_reserved(p);
    case TOKEN_INTEGER:
    case TOKEN_FLOAT:
    case TOKEN_STRING:
    case TOKEN_SYMBOL:
    case TOKEN_CHARACTER: return parse_simple_literal(p);
    case TOKEN_LPAREN: return parse_parenthesis(p);
    case TOKEN_LBRACKET: return parse_block(p);
    case TOKEN_LBRACE: return parse_dyn_array(p);
    case TOKEN_HASH_BRACE: return parse_dictionary(p);
    case TOKEN_HASH_PAREN: return parse_literal_array(p);
    default: return no_primary(p);
    }
}

/* -- messages ----------------------------------------------------------------------------- */

static AstNode *send_node(Parser *p, AstNode *receiver, const AstMessage *message)
{
    AstNode *node = parser_node(p, AST_SEND, lang_span_join(receiver->span, message->span));
    if (!node)
        return NULL;
    node->as.send.receiver = receiver;
    node->as.send.message = *message;
    node->as.send.is_super = receiver->kind == AST_SUPER && !receiver->parenthesised;
    return node;
}

/* IDENT as a selector. */
static bool parse_unary_message(Parser *p, AstMessage *out)
{
    Token t = p->now.token;
    if (t.qualified) {
        char quoted[DIAG_QUOTE_MAX];
        parser_error_at(p, t.span,
                        "expected a message, found the qualified name '%s' (is a period "
                        "missing before it?)",
                        diag_quote(t.text, quoted));
        return false;
    }
    memset(out, 0, sizeof *out);
    out->kind = AST_UNARY;
    out->selector = t.text;
    out->selector_span = out->span = t.span;
    parser_advance(p);
    return true;
}

/* An operator and its argument. */
static bool parse_binary_message(Parser *p, AstMessage *out)
{
    Token t = p->now.token;
    memset(out, 0, sizeof *out);
    out->kind = AST_BINARY;
    out->selector = t.text;
    out->selector_span = t.span;
    parser_advance(p);
    AstNode *argument = parse_unary_expr(p);
    if (!argument)
        return false;
    out->args.items = parser_alloc(p, sizeof(AstNode *));
    if (!out->args.items)
        return false;
    out->args.items[0] = argument;
    out->args.count = 1;
    out->span = lang_span_join(t.span, p->last);
    return true;
}

/* One part of a keyword message while it is gathered. */
typedef struct KeywordPart {
    LangText text;
    AstNode *argument;
} KeywordPart;

/* Joins the parts that lie on the scratch stack into selector and arguments. */
static bool join_keyword_parts(Parser *p, size_t mark, AstMessage *out)
{
    const KeywordPart *parts = (const KeywordPart *)(const void *)(p->scratch + mark);
    size_t count = (p->scratch_len - mark) / sizeof *parts, len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].text.len;
    out->args.items = parser_alloc(p, count * sizeof(AstNode *));
    char *selector = count == 1 ? NULL : parser_alloc(p, len);
    if (!out->args.items || (count > 1 && !selector))
        return false;
    out->args.count = (uint32_t)count;
    out->selector = count == 1 ? parts[0].text : lang_text(selector, len);
    for (size_t i = 0; i < count; i++) {
        out->args.items[i] = parts[i].argument;
        if (count == 1)
            break;
        memcpy(selector, parts[i].text.ptr, parts[i].text.len);
        selector += parts[i].text.len;
    }
    p->scratch_len = mark;
    return true;
}

static bool parse_keyword_message(Parser *p, AstMessage *out)
{
    size_t mark = p->scratch_len;
    LangSpan start = p->now.token.span;
    memset(out, 0, sizeof *out);
    while (tok(p) == TOKEN_KEYWORD) {
        KeywordPart part = {p->now.token.text, NULL};
        parser_advance(p);
        part.argument = parse_binary_expr(p);
        if (!part.argument || !parser_push(p, &part, sizeof part))
            return false;
    }
    if (!join_keyword_parts(p, mark, out))
        return false;
    out->kind = AST_KEYWORD;
    out->selector_span = start;
    out->span = lang_span_join(start, p->last);
    return true;
}

/* One message behind `;` or `~>`. */
static NOINLINE bool parse_one_message(Parser *p, const char *after, AstMessage *out)
{
    char text[64];
    switch (tok(p)) {
    case TOKEN_IDENTIFIER: return parse_unary_message(p, out);
    case TOKEN_BINARY: return parse_binary_message(p, out);
    case TOKEN_KEYWORD: return parse_keyword_message(p, out);
    default:
        snprintf(text, sizeof text, "a message after '%s'", after);
        parser_expected(p, text);
        return false;
    }
}

/* -- expressions -------------------------------------------------------------------------- */

/* The current IDENT continues a chain of unary sends. */
static bool at_unary_selector(Parser *p)
{
    if (tok(p) != TOKEN_IDENTIFIER || parser_at_next_definition(p))
        return false;
    TokenKind next = parser_peek(p, 1).kind;
    return next != TOKEN_ASSIGN && next != TOKEN_COLON;
}

/* One message sent to node. These three are functions of their own, not inlined, so that their
 * locals do not lie on the C stack of every nesting level. */
static NOINLINE AstNode *parse_unary_tail(Parser *p, AstNode *node)
{
    AstMessage message;
    return parse_unary_message(p, &message) ? send_node(p, node, &message) : NULL;
}

static NOINLINE AstNode *parse_binary_tail(Parser *p, AstNode *node)
{
    AstMessage message;
    return parse_binary_message(p, &message) ? send_node(p, node, &message) : NULL;
}

static NOINLINE AstNode *parse_keyword_tail(Parser *p, AstNode *node)
{
    AstMessage message;
    return parse_keyword_message(p, &message) ? send_node(p, node, &message) : NULL;
}

static AstNode *parse_unary_expr(Parser *p)
{
    AstNode *node = parse_primary(p);
    while (node && at_unary_selector(p))
        node = parse_unary_tail(p, node);
    return node;
}

static AstNode *parse_binary_expr(Parser *p)
{
    AstNode *node = parse_unary_expr(p);
    while (node && (tok(p) == TOKEN_BINARY || tok(p) == TOKEN_BAR))
        node = parse_binary_tail(p, node);
    return node;
}

/* Splits the send first into receiver and first message and adds the others. */
static NOINLINE AstNode *parse_cascade(Parser *p, AstNode *first)
{
    size_t mark = p->scratch_len;
    if (first->kind != AST_SEND || first->parenthesised) {
        parser_error_at(p, p->now.token.span, "cascade requires a message send before the ';'");
        return NULL;
    }
    AstNode *node = parser_node(p, AST_CASCADE, first->span);
    if (!node || !parser_push(p, &first->as.send.message, sizeof(AstMessage)))
        return NULL;
    while (parser_accept(p, TOKEN_SEMICOLON)) {
        AstMessage message;
        if (!parse_one_message(p, ";", &message))
            return NULL;
        if (!parser_push(p, &message, sizeof message))
            return NULL;
    }
    AstCascade *c = &node->as.cascade;
    c->receiver = first->as.send.receiver;
    c->is_super = first->as.send.is_super;
    c->messages = parser_pop_list(p, mark, sizeof(AstMessage), &c->count);
    node->span = lang_span_join(node->span, p->last);
    return node;
}

/* `~>` takes exactly one message; what would have been a second one is most likely a mistake. */
static bool check_after_eventual(Parser *p)
{
    TokenKind kind = tok(p);
    if (kind == TOKEN_SEMICOLON) {
        parser_error_at(p, p->now.token.span,
                        "a cascade cannot follow '~>'; repeat the receiver "
                        "and '~>' for each message");
        return false;
    }
    if ((kind == TOKEN_IDENTIFIER && at_unary_selector(p)) || kind == TOKEN_KEYWORD ||
        kind == TOKEN_BINARY || kind == TOKEN_BAR) {
        parser_error_at(p, p->now.token.span,
                        "only one message may follow '~>'; use '~>' again, "
                        "or parentheses around what comes before");
        return false;
    }
    return true;
}

static NOINLINE AstNode *parse_eventual(Parser *p, AstNode *receiver)
{
    if (receiver->kind == AST_SUPER && !receiver->parenthesised) {
        parser_error_at(p, receiver->span, "'super' cannot receive an eventual send; use 'self'");
        return NULL;
    }
    AstNode *node = parser_node(p, AST_EVENTUAL, receiver->span);
    if (!node)
        return NULL;
    parser_advance(p);
    node->as.send.receiver = receiver;
    if (!parse_one_message(p, "~>", &node->as.send.message))
        return NULL;
    node->span = lang_span_join(receiver->span, p->last);
    return check_after_eventual(p) ? node : NULL;
}

AstNode *parse_expression(Parser *p)
{
    AstNode *node = parse_binary_expr(p);
    if (node && tok(p) == TOKEN_KEYWORD)
        node = parse_keyword_tail(p, node);
    if (node && tok(p) == TOKEN_SEMICOLON)
        node = parse_cascade(p, node);
    while (node && tok(p) == TOKEN_EVENTUAL)
        node = parse_eventual(p, node);
    return node;
}

/* -- statements --------------------------------------------------------------------------- */

AstNode *parse_statement(Parser *p)
{
    LangSpan start = p->now.token.span;
    if (tok(p) == TOKEN_PERIOD) {
        parser_error_at(p, start,
                        "expected a statement, found '.': periods only stand between "
                        "statements");
        return NULL;
    }
    if (!parser_accept(p, TOKEN_CARET))
        return parse_expression(p);
    AstNode *node = parser_node(p, AST_RETURN, start);
    if (!node)
        return NULL;
    node->as.value = parse_expression(p);
    if (!node->as.value)
        return NULL;
    node->span = lang_span_join(start, p->last);
    return node;
}

void warn_unreachable(Parser *p, size_t mark, const AstNode *next)
{
    AstNode *before;
    if (p->scratch_len < mark + sizeof before)
        return;
    memcpy(&before, p->scratch + p->scratch_len - sizeof before, sizeof before);
    if (before->kind == AST_RETURN)
        parser_warn_at(p, next->span, "unreachable code after return");
}

bool parse_statements(Parser *p, TokenKind closer, AstNodeList *out)
{
    size_t mark = p->scratch_len;
    while (tok(p) != closer && tok(p) != TOKEN_EOF) {
        AstNode *node = parse_statement(p);
        if (!node)
            return false;
        warn_unreachable(p, mark, node);
        if (!parser_push(p, &node, sizeof node))
            return false;
        if (!parser_accept(p, TOKEN_PERIOD))
            break;
    }
    out->items = parser_pop_list(p, mark, sizeof(AstNode *), &out->count);
    return !p->stop;
}

bool finish_statement(Parser *p)
{
    char text[PARSER_DESCRIBE_MAX];
    const Token *t = &p->now.token;
    if (parser_accept(p, TOKEN_PERIOD) || t->kind == TOKEN_EOF)
        return !p->panic;
    if (p->in_file && (t->kind == TOKEN_DOCSTRING || parser_at_next_definition(p)))
        return true;
    if (p->in_file && t->kind == TOKEN_LBRACKET)
        parser_error_at(p, t->span,
                        "expected '.' between statements, found '[' (a method "
                        "definition begins with 'method:' or 'classMethod:')");
    else if (parser_starts_expression(t->kind) || t->kind == TOKEN_CARET || t->kind == TOKEN_ERROR)
        parser_expected(p, "'.' between statements");
    else
        parser_error_at(p, t->span, "unexpected trailing token: %s", parser_describe(*t, text));
    return false;
}

void recover_statement(Parser *p)
{
    p->depth = 0;
    p->panic = p->stop;
    p->now.after.array_depth = 0;
    p->ahead_count = 0;
    for (;; parser_advance(p)) {
        if (tok(p) == TOKEN_EOF)
            return;
        if (p->brackets < 0)
            p->brackets = 0;
        if (tok(p) == TOKEN_PERIOD && p->brackets == 0)
            break;
        if (!p->in_file)
            continue;
        if (tok(p) == TOKEN_DOCSTRING)
            return;
        if (p->now.token.first_on_line && parser_starts_definition(p))
            return;
    }
    parser_advance(p);
}
