/* SPDX-License-Identifier: Apache-2.0 */
/* parse_method.c - methods: patterns, types, effects, bodies, docstrings; bare methods.
 * Threads: none of its own.
 * Invariant: a function that answers NULL or false has reported why, or stop is set. */
#include "parser_int.h"

/* -- lists that grow in the arena ---------------------------------------------------------- */

/* Class bodies gather several lists at once, which the scratch stack cannot; these double. */
bool parser_grow(Parser *p, void *items_pointer, uint32_t *count, const void *element, size_t size)
{
    void *items;
    memcpy(&items, items_pointer, sizeof items);
    if ((*count & (*count - 1)) == 0) { /* 0 or a power of two: full */
        void *bigger = parser_alloc(p, size * (*count ? (size_t)*count * 2 : 1));
        if (!bigger)
            return false;
        if (*count)
            memcpy(bigger, items, *count * size);
        memcpy(items_pointer, &bigger, sizeof bigger);
        items = bigger;
    }
    memcpy((char *)items + *count * size, element, size);
    (*count)++;
    return true;
}

bool parser_add_name(Parser *p, AstNameList *list, AstName name)
{
    return parser_grow(p, &list->items, &list->count, &name, sizeof name);
}

bool parser_add_var(Parser *p, AstVarList *list, AstVar var)
{
    return parser_grow(p, &list->items, &list->count, &var, sizeof var);
}

/* -- docstrings --------------------------------------------------------------------------- */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static uint32_t line_end(LangText t, uint32_t pos)
{
    while (pos < t.len && t.ptr[pos] != '\n')
        pos++;
    return pos;
}

static uint32_t indent_at(LangText t, uint32_t pos)
{
    uint32_t n = 0;
    while (pos + n < t.len && is_blank(t.ptr[pos + n]))
        n++;
    return n;
}

static bool blank_line(LangText t, uint32_t from, uint32_t to)
{
    while (from < to && lex_is_space(t.ptr[from]))
        from++;
    return from == to;
}

/* Smallest indentation of the non-blank lines behind the first. */
static uint32_t common_indent(LangText t)
{
    uint32_t smallest = UINT32_MAX;
    for (uint32_t pos = line_end(t, 0); pos < t.len; pos = line_end(t, pos)) {
        pos++;
        if (blank_line(t, pos, line_end(t, pos)))
            continue;
        uint32_t n = indent_at(t, pos);
        if (n < smallest)
            smallest = n;
    }
    return smallest == UINT32_MAX ? 0 : smallest;
}

static LangText trimmed(LangText t)
{
    uint32_t from = 0, to = t.len;
    while (from < to && lex_is_space(t.ptr[from]))
        from++;
    while (to > from && lex_is_space(t.ptr[to - 1]))
        to--;
    return lang_text(t.ptr + from, to - from);
}

static LangText dedent(Parser *p, LangText t)
{
    uint32_t indent = common_indent(t), used = 0, pos = 0;
    if (indent == 0)
        return trimmed(t);
    char *out = parser_alloc(p, t.len);
    if (!out)
        return lang_text("", 0);
    while (pos < t.len) {
        uint32_t end = line_end(t, pos);
        if (end < t.len)
            end++;
        bool shorter = indent_at(t, pos) < indent; /* only blank lines can be */
        uint32_t skip = pos == 0 || shorter ? 0 : indent;
        memcpy(out + used, t.ptr + pos + skip, end - pos - skip);
        used += end - pos - skip;
        pos = end;
    }
    return trimmed(lang_text(out, used));
}

/* Keeps the docstring for whatever follows; the last of several wins. */
void take_docstring(Parser *p)
{
    const Token *t = &p->now.token;
    p->pending_doc.present = true;
    p->pending_doc.span = t->span;
    p->pending_doc.text = dedent(p, lang_text(t->text.ptr + 3, t->text.len - 6));
    parser_advance(p);
}

void drop_docstring(Parser *p) { memset(&p->pending_doc, 0, sizeof p->pending_doc); }

AstDoc claim_docstring(Parser *p)
{
    AstDoc doc = p->pending_doc;
    drop_docstring(p);
    return doc;
}

/* -- words of a body   ------------------------------------------------------------------- */

static const struct {
    const char *keyword;
    BodyItem item;
} body_keywords[] = {
    {"method:", BODY_METHOD},
    {"classMethod:", BODY_CLASS_METHOD},
    {"instanceVars:", BODY_INSTANCE_VARS},
    {"instanceVariables:", BODY_INSTANCE_VARS},
    {"classVars:", BODY_CLASS_VARS},
    {"classVariables:", BODY_CLASS_VARS},
    {"include:", BODY_INCLUDE},
    {"uses:", BODY_INCLUDE},
    {"requires:", BODY_REQUIRES},
};

BodyItem body_keyword(Token t)
{
    if (t.kind != TOKEN_KEYWORD)
        return BODY_NONE;
    for (size_t i = 0; i < sizeof body_keywords / sizeof *body_keywords; i++)
        if (lang_text_is(t.text, body_keywords[i].keyword))
            return body_keywords[i].item;
    return BODY_NONE;
}

bool at_class_method_pair(Parser *p)
{
    return at_text(p, TOKEN_IDENTIFIER, "class") && parser_peek_is(p, 1, TOKEN_KEYWORD, "method:");
}

/* -- names -------------------------------------------------------------------------------- */

AstName parser_name_here(const Parser *p)
{
    AstName n = {p->now.token.text, p->now.token.span};
    return n;
}

bool parse_name(Parser *p, const char *what, AstName *out)
{
    if (tok(p) != TOKEN_IDENTIFIER) {
        parser_expected(p, what);
        return false;
    }
    *out = parser_name_here(p);
    parser_advance(p);
    return true;
}

/* -- methods ------------------------------------------------------------------------------ */

/* `< IO, Network >` behind the `!`; that may be fused with the `<`. */
bool parse_effects(Parser *p, AstNameList *out)
{
    if (p->now.token.text.len > 1)
        parser_split(p);
    parser_advance(p);
    if (!parser_at_type(p)) {
        parser_expected(p, "'<' after '!'");
        return false;
    }
    do {
        AstName name;
        parser_advance(p);
        if (!parse_name(p, "the name of an effect", &name))
            return false;
        if (!parser_add_name(p, out, name))
            return false;
    } while (at_text(p, TOKEN_BINARY, ","));
    if (tok(p) != TOKEN_BINARY || *p->now.token.text.ptr != '>') {
        parser_expected(p, "',' or '>' after the name of an effect");
        return false;
    }
    if (p->now.token.text.len > 1)
        parser_split(p);
    parser_advance(p);
    return true;
}

bool at_effects(const Parser *p)
{
    return at_text(p, TOKEN_BINARY, "!") || at_text(p, TOKEN_BINARY, "!<");
}

static bool parse_binary_pattern(Parser *p, AstMethod *m)
{
    AstVar var;
    m->kind = AST_BINARY;
    m->selector = p->now.token.text;
    parser_advance(p);
    if (!parse_var(p, "a parameter name after the operator", true, &var))
        return false;
    return parser_add_var(p, &m->params, var);
}

/* One part of a keyword pattern. */
typedef struct PatternPart {
    LangText keyword;
    AstVar var;
} PatternPart;

static bool parse_keyword_pattern(Parser *p, AstMethod *m)
{
    size_t mark = p->scratch_len, len = 0;
    PatternPart part;
    while (tok(p) == TOKEN_KEYWORD) {
        part.keyword = p->now.token.text;
        parser_advance(p);
        if (!parse_var(p, "a parameter name after the keyword", true, &part.var))
            return false;
        if (!parser_push(p, &part, sizeof part))
            return false;
        len += part.keyword.len;
    }
    uint32_t count;
    PatternPart *parts = parser_pop_list(p, mark, sizeof part, &count);
    char *selector = parser_alloc(p, len);
    m->kind = AST_KEYWORD;
    m->params.items = parser_alloc(p, count * sizeof(AstVar));
    if (!parts || !selector || !m->params.items)
        return false;
    m->selector = lang_text(selector, len);
    m->params.count = count;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(selector, parts[i].keyword.ptr, parts[i].keyword.len);
        selector += parts[i].keyword.len;
        m->params.items[i] = parts[i].var;
    }
    return true;
}

static bool parse_unary_pattern(Parser *p, AstMethod *m)
{
    char quoted[DIAG_QUOTE_MAX];
    const Token *t = &p->now.token;
    if (t->qualified) {
        parser_error_at(p, t->span, "expected a method name, found the qualified name '%s'",
                        diag_quote(t->text, quoted));
        return false;
    }
    m->kind = AST_UNARY;
    m->selector = t->text;
    parser_advance(p);
    if (!parser_at_type(p))
        return true;
    parser_error_at(p, p->now.token.span,
                    "a unary pattern takes no type; a result type is written ^<Type>");
    return false;
}

static bool parse_pattern(Parser *p, AstMethod *m)
{
    char text[PARSER_DESCRIBE_MAX];
    const Token *t = &p->now.token;
    m->selector_span = t->span;
    switch (t->kind) {
    case TOKEN_IDENTIFIER: return parse_unary_pattern(p, m);
    case TOKEN_BINARY:
    case TOKEN_BAR: return parse_binary_pattern(p, m);
    case TOKEN_KEYWORD: return parse_keyword_pattern(p, m);
    case TOKEN_EVENTUAL:
        parser_error_at(p, t->span, "'~>' is the eventual send and cannot be a method name");
        return false;
    case TOKEN_SELF:
    case TOKEN_SUPER:
    case TOKEN_NIL:
    case TOKEN_TRUE:
    case TOKEN_FALSE:
    case TOKEN_THIS_CONTEXT:
        parser_error_at(p, t->span, "%s is a reserved word and cannot be a method name",
                        parser_describe(*t, text));
        return false;
    default:
        parser_expected(p, "a method pattern (a name, an operator with a parameter, or keywords "
                           "with parameters)");
        return false;
    }
}

/* `[ <primitive> ]`, exactly. The current token is behind the `[`. */
static bool at_primitive_stub(Parser *p)
{
    return parser_at_type(p) && parser_peek_is(p, 1, TOKEN_IDENTIFIER, "primitive") &&
           parser_peek_is(p, 2, TOKEN_BINARY, ">") && parser_peek(p, 3).kind == TOKEN_RBRACKET;
}

static bool parse_method_inside(Parser *p, AstMethod *m, TokenKind closer)
{
    char where[DIAG_QUOTE_MAX + 16], quoted[DIAG_QUOTE_MAX];
    if (tok(p) == TOKEN_BAR && !parse_temps(p, &m->temps))
        return false;
    snprintf(where, sizeof where, " in method %s", diag_quote(m->selector, quoted));
    check_duplicates(p, &m->params, "parameter", &m->temps, where);
    return parse_statements(p, closer, &m->statements);
}

static bool parse_method_body(Parser *p, AstMethod *m)
{
    LangSpan open = p->now.token.span;
    if (!parser_accept(p, TOKEN_LBRACKET)) {
        parser_expected(p, "'[' after method signature");
        return false;
    }
    if (at_primitive_stub(p)) {
        m->is_primitive_stub = true;
        for (int i = 0; i < 3; i++)
            parser_advance(p);
    } else if (!parse_method_inside(p, m, TOKEN_RBRACKET)) {
        return false;
    }
    if (tok(p) != TOKEN_RBRACKET) {
        parser_expected_close(p, open, "]", true);
        return false;
    }
    parser_advance(p);
    return true;
}

/* `^<T>`; a bare `^` belongs to the body of a bare method. */
static bool parse_result_type(Parser *p, AstMethod *m)
{
    if (tok(p) != TOKEN_CARET)
        return true;
    if (!parser_peek_is(p, 1, TOKEN_BINARY, "<")) {
        if (m->is_bare)
            return true;
        parser_advance(p);
        parser_expected(p, "a type <T> after '^' in the method signature");
        return false;
    }
    parser_advance(p);
    return parse_type(p, &m->return_type);
}

static bool parse_signature(Parser *p, AstMethod *m)
{
    return parse_pattern(p, m) && parse_result_type(p, m) &&
           (!at_effects(p) || parse_effects(p, &m->effects));
}

static void close_method(Parser *p, AstMethod *m, LangSpan start)
{
    uint32_t from = m->selector_span.start;
    m->span = lang_span_join(start, p->last);
    m->source = lang_text(p->start.source + from, m->span.end - from);
}

/* From the pattern on; start is the span of `method:`. */
static AstMethod *parse_method(Parser *p, LangSpan start, bool class_side)
{
    AstMethod *m = parser_alloc(p, sizeof *m);
    if (!m)
        return NULL;
    m->doc = claim_docstring(p);
    m->class_side = class_side;
    if (!parse_signature(p, m) || !parse_method_body(p, m))
        return NULL;
    close_method(p, m, start);
    return p->stop ? NULL : m;
}

/* At `method:`, `classMethod:` or `class method:`. */
AstMethod *parse_method_item(Parser *p)
{
    LangSpan start = p->now.token.span;
    bool class_side = !at_text(p, TOKEN_KEYWORD, "method:");
    if (tok(p) == TOKEN_IDENTIFIER)
        parser_advance(p);
    parser_advance(p);
    p->brackets = 0;
    return parse_method(p, start, class_side);
}

/* Text that was meant for a class body, given as a bare method. */
static bool is_wrapper_selector(LangText selector)
{
    static const char *const words[] = {
        "method:",  "classMethod:", "instanceVars:", "instanceVariables:",
        "include:", "trait",        "protocol"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        bool keyword = words[i][n - 1] == ':';
        if (keyword ? selector.len >= n && memcmp(selector.ptr, words[i], n) == 0
                    : lang_text_is(selector, words[i]))
            return true;
    }
    return false;
}

static bool parse_bare_inside(Parser *p, AstMethod *m)
{
    char quoted[DIAG_QUOTE_MAX], text[PARSER_DESCRIBE_MAX];
    m->is_bare = true;
    if (!parse_signature(p, m))
        return false;
    if (is_wrapper_selector(m->selector)) {
        parser_error_at(p, m->selector_span,
                        "'%s' belongs into a class body; give only the method itself, without the "
                        "wrapper",
                        diag_quote(m->selector, quoted));
        return false;
    }
    if (!parse_method_inside(p, m, TOKEN_EOF))
        return false;
    if (tok(p) == TOKEN_EOF)
        return true;
    if (parser_starts_expression(tok(p)) || tok(p) == TOKEN_CARET || tok(p) == TOKEN_ERROR)
        parser_expected(p, "'.' between statements");
    else
        parser_error_at(p, p->now.token.span, "unexpected trailing token: %s",
                        parser_describe(p->now.token, text));
    return false;
}

bool at_method_wrapper(Parser *p)
{
    BodyItem item = body_keyword(p->now.token);
    return item == BODY_METHOD || item == BODY_CLASS_METHOD || at_class_method_pair(p);
}

AstMethod *parse_bare_method(Parser *p)
{
    char text[PARSER_DESCRIBE_MAX];
    while (tok(p) == TOKEN_DOCSTRING)
        take_docstring(p);
    if (at_method_wrapper(p)) {
        AstMethod *m = parse_method_item(p);
        if (m && tok(p) != TOKEN_EOF)
            parser_error_at(p, p->now.token.span, "unexpected trailing token: %s",
                            parser_describe(p->now.token, text));
        return m;
    }
    AstMethod *m = parser_alloc(p, sizeof *m);
    if (!m)
        return NULL;
    LangSpan start = p->now.token.span;
    m->doc = claim_docstring(p);
    if (!parse_bare_inside(p, m))
        return NULL;
    close_method(p, m, start);
    return m;
}
