/* SPDX-License-Identifier: Apache-2.0 */
/* parser.c - tokens, errors, memory and small shared pieces of the parser; the entry points.
 * Threads: none of its own.
 * Invariant: after `stop` every token is EOF, so that every loop of the parser ends. */
#include "parser_int.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

enum { PARSER_MESSAGE_MAX = 400 };
#define LANG_MEMORY_MAX_DEFAULT ((size_t)2 << 30)

/* -- tokens ------------------------------------------------------------------------------- */

static int bracket_change(TokenKind kind)
{
    switch (kind) {
    case TOKEN_LPAREN:
    case TOKEN_LBRACKET:
    case TOKEN_LBRACE:
    case TOKEN_HASH_PAREN:
    case TOKEN_HASH_BRACE: return 1;
    case TOKEN_RPAREN:
    case TOKEN_RBRACKET:
    case TOKEN_RBRACE: return -1;
    default: return 0;
    }
}

static ParserToken read_from(Lexer lexer)
{
    ParserToken t;
    t.token = lex_next(&lexer);
    t.after = lexer;
    return t;
}

void parser_advance(Parser *p)
{
    if (p->stop) {
        p->now.token.kind = TOKEN_EOF;
        return;
    }
    p->brackets += bracket_change(tok(p));
    p->last = p->now.token.span;
    if (p->ahead_count == 0) {
        p->now = read_from(p->now.after);
        return;
    }
    p->now = p->ahead[0];
    p->ahead_count--;
    for (uint32_t i = 0; i < p->ahead_count; i++)
        p->ahead[i] = p->ahead[i + 1];
}

Token parser_peek(Parser *p, uint32_t ahead)
{
    while (p->ahead_count < ahead) {
        const ParserToken *newest = p->ahead_count ? &p->ahead[p->ahead_count - 1] : &p->now;
        p->ahead[p->ahead_count] = read_from(newest->after);
        p->ahead_count++;
    }
    return p->ahead[ahead - 1].token;
}

bool parser_peek_is(Parser *p, uint32_t ahead, TokenKind kind, const char *text)
{
    Token t = parser_peek(p, ahead);
    return t.kind == kind && (!text || lang_text_is(t.text, text));
}

void parser_split(Parser *p)
{
    p->now.token = lex_split(&p->now.after, p->now.token);
    p->ahead_count = 0;
}

ParserMark parser_mark(const Parser *p)
{
    ParserMark m = {p->now, p->last, p->brackets};
    return m;
}

void parser_return_to(Parser *p, ParserMark mark)
{
    p->now = mark.now;
    p->last = mark.last;
    p->brackets = mark.brackets;
    p->ahead_count = 0;
}

bool parser_accept(Parser *p, TokenKind kind)
{
    if (tok(p) != kind)
        return false;
    parser_advance(p);
    return true;
}

bool parser_starts_definition(Parser *p)
{
    if (tok(p) != TOKEN_IDENTIFIER)
        return false;
    Token next = parser_peek(p, 1);
    if (next.kind == TOKEN_KEYWORD)
        return lang_text_is(next.text, "subclass:");
    return next.kind == TOKEN_IDENTIFIER &&
           (lang_text_is(next.text, "trait") || lang_text_is(next.text, "protocol"));
}

/* `x foo` LF `Bar subclass: ...`: the definition ends the statement although no period does. Only
 * on a new line and with a capital, because `x class protocol` is an expression. */
bool parser_at_next_definition(Parser *p)
{
    if (!p->in_file || p->brackets != 0 || !p->now.token.first_on_line)
        return false;
    char c = *p->now.token.text.ptr;
    return !(c >= 'a' && c <= 'z') && parser_starts_definition(p);
}

bool parser_starts_expression(TokenKind kind)
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
    case TOKEN_LPAREN:
    case TOKEN_LBRACKET:
    case TOKEN_LBRACE:
    case TOKEN_HASH_PAREN:
    case TOKEN_HASH_BRACE: return true;
    default: return false;
    }
}

/* -- errors ------------------------------------------------------------------------------- */

static void halt(Parser *p)
{
    p->stop = true;
    p->panic = true;
    p->now.token.kind = TOKEN_EOF;
    p->ahead_count = 0;
}

static void report(Parser *p, DiagSeverity severity, LangSpan span, const char *message)
{
    diag_add(p->diags, severity, span, "%s", message);
    if (p->diags->errors >= LANG_DIAG_MAX)
        halt(p);
    if (p->arena->failed)
        parser_out_of_memory(p);
}

void parser_error_at(Parser *p, LangSpan span, const char *format, ...)
{
    char message[PARSER_MESSAGE_MAX];
    va_list args;
    if (p->panic)
        return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    p->panic = true;
    report(p, DIAG_ERROR, span, message);
}

void parser_warn_at(Parser *p, LangSpan span, const char *format, ...)
{
    char message[PARSER_MESSAGE_MAX];
    va_list args;
    if (p->stop)
        return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    report(p, DIAG_WARNING, span, message);
}

void parser_out_of_memory(Parser *p)
{
    bool again = p->stop;
    LangSpan nowhere = {0, 0, 0, 0};
    halt(p);
    if (again)
        return;
    diag_add(p->diags, DIAG_ERROR, nowhere, "out of memory: the syntax tree does not fit");
}

const char *parser_describe(Token t, char out[PARSER_DESCRIBE_MAX])
{
    char quoted[DIAG_QUOTE_MAX];
    const char *kind = NULL;
    diag_quote(t.text, quoted);
    switch (t.kind) {
    case TOKEN_INTEGER:
    case TOKEN_FLOAT: kind = "number "; break;
    case TOKEN_STRING: kind = "string "; break;
    case TOKEN_SYMBOL: kind = "symbol "; break;
    case TOKEN_CHARACTER: kind = "character "; break;
    case TOKEN_IDENTIFIER: snprintf(out, PARSER_DESCRIBE_MAX, "identifier '%s'", quoted); break;
    case TOKEN_KEYWORD: snprintf(out, PARSER_DESCRIBE_MAX, "keyword '%s'", quoted); break;
    case TOKEN_BINARY: snprintf(out, PARSER_DESCRIBE_MAX, "operator '%s'", quoted); break;
    case TOKEN_DOCSTRING: snprintf(out, PARSER_DESCRIBE_MAX, "a docstring"); break;
    case TOKEN_SELF:
    case TOKEN_SUPER:
    case TOKEN_NIL:
    case TOKEN_TRUE:
    case TOKEN_FALSE:
    case TOKEN_THIS_CONTEXT: snprintf(out, PARSER_DESCRIBE_MAX, "'%s'", quoted); break;
    default: snprintf(out, PARSER_DESCRIBE_MAX, "%s", lex_kind_name(t.kind)); break;
    }
    if (kind)
        snprintf(out, PARSER_DESCRIBE_MAX, "%s%s", kind, quoted);
    return out;
}

/* The text may merely end too early: then a shell can ask for more. */
static void note_unfinished(Parser *p)
{
    const Token *t = &p->now.token;
    if (p->panic || p->diags->errors > 0)
        return;
    if (t->kind == TOKEN_EOF || (t->kind == TOKEN_ERROR && lex_error_is_unfinished(t->error)))
        p->out->incomplete = true;
}

/* What to add to a message because of the token that was found. */
static const char *remedy(const Token *t)
{
    switch (t->kind) {
    case TOKEN_INTEGER:
    case TOKEN_FLOAT:
        return *t->text.ptr == '-' ? "; to subtract, put a space behind the minus" : "";
    case TOKEN_DOCSTRING:
        return "; a docstring stands before a definition or 'method:', never inside a body";
    case TOKEN_BAR: return "; temporaries are declared once, at the start of a body";
    case TOKEN_CARET: return "; '^' may only begin a statement (is a period missing before it?)";
    case TOKEN_ASSIGN: return "; only a single name can be assigned to";
    default: return "";
    }
}

void parser_expected(Parser *p, const char *what)
{
    char text[256];
    const Token *t = &p->now.token;
    if (p->panic)
        return;
    note_unfinished(p);
    if (t->kind == TOKEN_ERROR)
        parser_error_at(p, t->span, "%s", lex_error_message(*t, text));
    else
        parser_error_at(p, t->span, "expected %s, found %s%s", what, parser_describe(*t, text),
                        remedy(t));
}

void parser_expected_close(Parser *p, LangSpan open, const char *closer, bool statements)
{
    char text[128];
    TokenKind kind = tok(p);
    const char *or_period = statements && parser_starts_expression(kind)
                                ? "'.' between statements or "
                            : statements && kind == TOKEN_CARET ? "'.' or "
                                                                : "";
    snprintf(text, sizeof text, "%s'%s' to close the '%.*s' of line %u, column %u", or_period,
             closer, (int)(open.end - open.start), p->start.source + open.start, open.line,
             open.column);
    parser_expected(p, text);
}

bool parser_enter(Parser *p, LangSpan at)
{
    if (p->depth < p->nesting_max) {
        p->depth++;
        return true;
    }
    parser_error_at(p, at, "nesting deeper than %u levels", p->nesting_max);
    return false;
}

/* -- memory ------------------------------------------------------------------------------- */

void *parser_alloc(Parser *p, size_t bytes)
{
    void *memory = lang_arena_alloc(p->arena, bytes);
    if (!memory)
        parser_out_of_memory(p);
    return memory;
}

AstNode *parser_node(Parser *p, AstKind kind, LangSpan span)
{
    AstNode *node = parser_alloc(p, sizeof *node);
    if (!node)
        return NULL;
    node->kind = kind;
    node->span = span;
    return node;
}

static bool scratch_grow(Parser *p, size_t needed)
{
    LangAllocator a = p->arena->allocator;
    size_t room = p->scratch_room ? p->scratch_room * 2 : 4096;
    while (room < needed)
        room *= 2;
    bool allowed = p->arena->bytes_max == 0 || room <= p->arena->bytes_max;
    char *bigger = allowed ? a.alloc(a.ctx, room) : NULL;
    if (!bigger) {
        parser_out_of_memory(p);
        return false;
    }
    if (p->scratch_len)
        memcpy(bigger, p->scratch, p->scratch_len);
    a.free(a.ctx, p->scratch);
    p->scratch = bigger;
    p->scratch_room = room;
    return true;
}

/* Elements are read where they lie, so each must leave the next one aligned. */
_Static_assert(sizeof(AstVar) % 8 == 0 && sizeof(AstName) % 8 == 0 && sizeof(AstType) % 8 == 0 &&
                   sizeof(AstMessage) % 8 == 0 && sizeof(AstPair) % 8 == 0 &&
                   sizeof(AstProtocolEntry) % 8 == 0,
               "elements of the scratch stack must keep it aligned");

bool parser_push(Parser *p, const void *element, size_t size)
{
    assert(size % 8 == 0);
    if (p->scratch_len + size > p->scratch_room && !scratch_grow(p, p->scratch_len + size))
        return false;
    memcpy(p->scratch + p->scratch_len, element, size);
    p->scratch_len += size;
    return true;
}

void *parser_pop_list(Parser *p, size_t mark, size_t size, uint32_t *count)
{
    size_t bytes = p->scratch_len - mark;
    *count = 0;
    p->scratch_len = mark;
    if (bytes == 0)
        return NULL;
    void *items = parser_alloc(p, bytes);
    if (!items)
        return NULL;
    memcpy(items, p->scratch + mark, bytes);
    *count = (uint32_t)(bytes / size);
    return items;
}

/* -- decoded texts ------------------------------------------------------------------------ */

/* Without the quotes around it; '' inside becomes '. */
static LangText unquote(Parser *p, LangText quoted)
{
    LangText inner = lang_text(quoted.ptr + 1, quoted.len - 2);
    if (inner.len == 0 || !memchr(inner.ptr, '\'', inner.len))
        return inner;
    char *out = parser_alloc(p, inner.len);
    if (!out)
        return lang_text("", 0);
    uint32_t n = 0;
    for (uint32_t i = 0; i < inner.len; i++) {
        out[n++] = inner.ptr[i];
        if (inner.ptr[i] == '\'')
            i++;
    }
    return lang_text(out, n);
}

LangText parser_string_value(Parser *p, Token t) { return unquote(p, t.text); }

LangText parser_symbol_value(Parser *p, Token t)
{
    LangText inner = lang_text(t.text.ptr + 1, t.text.len - 1);
    return *inner.ptr == '\'' ? unquote(p, inner) : inner;
}

/* -- types and variables ------------------------------------------------------------------ */

bool parser_at_type(const Parser *p) { return at_text(p, TOKEN_BINARY, "<"); }

bool parse_type(Parser *p, AstType *out)
{
    LangSpan start = p->now.token.span;
    parser_advance(p);
    if (tok(p) != TOKEN_IDENTIFIER) {
        parser_expected(p, "a type name after '<'");
        return false;
    }
    out->name = p->now.token.text;
    parser_advance(p);
    if (tok(p) != TOKEN_BINARY || *p->now.token.text.ptr != '>') {
        parser_expected(p, "'>' after the type name");
        return false;
    }
    if (p->now.token.text.len > 1)
        parser_split(p);
    parser_advance(p);
    out->span = lang_span_join(start, p->last);
    return true;
}

static bool is_reserved(TokenKind kind) { return kind >= TOKEN_SELF && kind <= TOKEN_THIS_CONTEXT; }

bool parse_var(Parser *p, const char *what, bool typed, AstVar *out)
{
    char text[PARSER_DESCRIBE_MAX];
    const Token *t = &p->now.token;
    memset(out, 0, sizeof *out);
    if (is_reserved(t->kind)) {
        parser_error_at(p, t->span, "expected %s, found %s, which is a reserved word", what,
                        parser_describe(*t, text));
        return false;
    }
    if (t->kind != TOKEN_IDENTIFIER) {
        parser_expected(p, what);
        return false;
    }
    if (t->qualified) {
        parser_error_at(p, t->span, "expected %s, found the qualified name '%s'", what,
                        diag_quote(t->text, text));
        return false;
    }
    out->name = t->text;
    out->span = t->span;
    parser_advance(p);
    return !typed || !parser_at_type(p) || parse_type(p, &out->type);
}

bool parse_temps(Parser *p, AstVarList *out)
{
    size_t mark = p->scratch_len;
    LangSpan open = p->now.token.span;
    parser_advance(p);
    while (tok(p) != TOKEN_BAR) {
        AstVar var;
        if (tok(p) == TOKEN_EOF || tok(p) == TOKEN_ERROR) {
            parser_expected_close(p, open, "|", false);
            return false;
        }
        if (!parse_var(p, "the name of a temporary or '|'", true, &var))
            return false;
        if (!parser_push(p, &var, sizeof var))
            return false;
    }
    parser_advance(p);
    out->items = parser_pop_list(p, mark, sizeof(AstVar), &out->count);
    return !p->stop;
}

/* -- duplicate names ---------------------------------------------------------------------- */

static int by_name_and_place(const void *a, const void *b)
{
    const AstVar *x = *(const AstVar *const *)a, *y = *(const AstVar *const *)b;
    uint32_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
    int order = memcmp(x->name.ptr, y->name.ptr, n);
    if (order)
        return order;
    if (x->name.len != y->name.len)
        return x->name.len < y->name.len ? -1 : 1;
    return x->span.start < y->span.start ? -1 : 1;
}

/* Sorting keeps the check cheap whatever names a hostile source holds. */
void check_duplicates(Parser *p, const AstVarList *params, const char *what,
                      const AstVarList *temps, const char *where)
{
    size_t first = params ? params->count : 0, n = first + (temps ? temps->count : 0);
    LangAllocator a = p->arena->allocator;
    if (n < 2 || p->panic)
        return;
    const AstVar **vars = a.alloc(a.ctx, n * sizeof *vars);
    if (!vars) {
        parser_out_of_memory(p);
        return;
    }
    for (size_t i = 0; i < n; i++)
        vars[i] = i < first ? &params->items[i] : &temps->items[i - first];
    qsort(vars, n, sizeof *vars, by_name_and_place);
    for (size_t i = 1; i < n && !p->stop; i++) {
        char quoted[DIAG_QUOTE_MAX];
        const AstVar *var = vars[i];
        if (!lang_text_equal(vars[i - 1]->name, var->name))
            continue;
        bool is_param = first && var >= params->items && var < params->items + first;
        parser_error_at(p, var->span, "duplicate %s name \"%s\"%s", is_param ? what : "variable",
                        diag_quote(var->name, quoted), where);
        p->panic = p->stop; /* a report, not a reason to give up the construct */
    }
    a.free(a.ctx, vars);
}

/* -- entry points ------------------------------------------------------------------------- */

static bool source_fits(Parser *p, size_t len, const LangOptions *o)
{
    size_t max =
        o->source_max && o->source_max < LANG_SOURCE_MAX ? o->source_max : (size_t)LANG_SOURCE_MAX;
    LangSpan nowhere = {0, 0, 0, 0};
    if (len <= max)
        return true;
    parser_error_at(p, nowhere, "the source has %zu bytes; the limit is %zu", len, max);
    return false;
}

/* Readies parser and result; false when the source is refused. */
static bool parser_begin(Parser *p, LangParse *out, const char *bytes, size_t len,
                         const LangOptions *options)
{
    static const LangOptions defaults = {0};
    const LangOptions *o = options ? options : &defaults;
    LangAllocator a = o->allocator.alloc ? o->allocator : lang_allocator_malloc();
    memset(out, 0, sizeof *out);
    memset(p, 0, sizeof *p);
    lang_arena_init(&out->arena, a, o->memory_max ? o->memory_max : LANG_MEMORY_MAX_DEFAULT);
    diag_init(&out->diags, &out->arena);
    p->out = out;
    p->arena = &out->arena;
    p->diags = &out->diags;
    p->nesting_max = o->nesting_max ? o->nesting_max : LANG_NESTING_MAX;
    p->no_script = o->no_script;
    p->script_temps = o->script_temps;
    if (!source_fits(p, len, o))
        return false;
    lex_init(&p->start, bytes, len);
    if (o->keep_tokens && !lex_all(p->arena, bytes, len, &out->tokens)) {
        parser_out_of_memory(p);
        return false;
    }
    return true;
}

static void parser_first_token(Parser *p) { p->now = read_from(p->start); }

static bool parser_end(Parser *p)
{
    LangAllocator a = p->arena->allocator;
    a.free(a.ctx, p->scratch);
    return p->diags->errors == 0;
}

bool lang_parse_file(LangParse *out, const char *bytes, size_t len, const LangOptions *options)
{
    Parser p;
    if (parser_begin(&p, out, bytes, len, options)) {
        bool shebang = lex_skip_shebang(&p.start);
        parser_first_token(&p);
        p.in_file = true;
        out->file = parse_file(&p);
        if (out->file)
            out->file->has_shebang = shebang;
    }
    return parser_end(&p);
}

/* One statement or declaration of a doit; false: nothing more can be read. */
static bool parse_doit_item(Parser *p, size_t mark)
{
    AstNode *node;
    p->brackets = 0;
    if (tok(p) == TOKEN_BAR && p->script_temps) {
        node = parser_node(p, AST_TEMPS, p->now.token.span);
        if (!node || !parse_temps(p, &node->as.temps))
            return false;
        node->span = lang_span_join(node->span, p->last);
        check_duplicates(p, NULL, "", &node->as.temps, "");
        return parser_push(p, &node, sizeof node);
    }
    node = parse_statement(p);
    if (!node || !finish_statement(p))
        return false;
    warn_unreachable(p, mark, node);
    return parser_push(p, &node, sizeof node);
}

static AstDoit *parse_doit(Parser *p)
{
    AstDoit *doit = parser_alloc(p, sizeof *doit);
    size_t mark = p->scratch_len;
    if (!doit)
        return NULL;
    doit->span = p->now.token.span;
    if (tok(p) == TOKEN_BAR && parse_temps(p, &doit->temps))
        check_duplicates(p, NULL, "", &doit->temps, "");
    if (p->panic) {
        p->scratch_len = mark; /* the names read before the error */
        recover_statement(p);
    }
    while (tok(p) != TOKEN_EOF) {
        size_t kept = p->scratch_len;
        if (parse_doit_item(p, mark))
            continue;
        p->scratch_len = kept;
        recover_statement(p);
    }
    doit->span = lang_span_join(doit->span, p->last);
    doit->statements.items = parser_pop_list(p, mark, sizeof(AstNode *), &doit->statements.count);
    return doit;
}

bool lang_parse_doit(LangParse *out, const char *bytes, size_t len, const LangOptions *options)
{
    Parser p;
    if (parser_begin(&p, out, bytes, len, options)) {
        parser_first_token(&p);
        out->doit = parse_doit(&p);
    }
    return parser_end(&p);
}

bool lang_parse_method(LangParse *out, const char *bytes, size_t len, const LangOptions *options)
{
    Parser p;
    if (parser_begin(&p, out, bytes, len, options)) {
        parser_first_token(&p);
        AstMethod *method = parse_bare_method(&p);
        out->method = out->diags.errors ? NULL : method;
    }
    return parser_end(&p);
}

bool lang_parse_doit_incomplete(const char *bytes, size_t len, const LangOptions *options)
{
    LangParse parse;
    lang_parse_doit(&parse, bytes, len, options);
    bool incomplete = parse.incomplete;
    lang_parse_free(&parse);
    return incomplete;
}

void lang_parse_free(LangParse *parse)
{
    lang_arena_free(&parse->arena);
    parse->file = NULL;
    parse->doit = NULL;
    parse->method = NULL;
    memset(&parse->tokens, 0, sizeof parse->tokens);
}
