/* SPDX-License-Identifier: Apache-2.0 */
/* parse_file.c - source files: preamble, classes, traits, protocols, methods, script statements.
 *
 * A body has no closing bracket: it ends where a definition starts, where a script statement
 * starts, or at the end of the text. Layout has no meaning, with one exception that only gives
 * sense to text which would else be an error: a name list like `instanceVars: a b` followed by a
 * statement is cut at the last name that begins a line (see parse_name_run).
 * Threads: none of its own.
 * Invariant: every loop over items consumes a token per round, also after an error. */
#include "parser_int.h"

/* -- lists ------------------------------------------------------------------------------- */

static bool add_node(Parser *p, AstNodeList *list, AstNode *node)
{
    return parser_grow(p, &list->items, &list->count, &node, sizeof node);
}

static bool add_method(Parser *p, AstMethodList *list, AstMethod *method)
{
    return parser_grow(p, &list->items, &list->count, &method, sizeof method);
}

static void warn_orphan_docstring(Parser *p)
{
    char quoted[DIAG_QUOTE_MAX];
    if (!p->pending_doc.present)
        return;
    parser_warn_at(p, p->pending_doc.span, "orphan docstring: no definition follows \"%s\"",
                   diag_quote(p->pending_doc.text, quoted));
    drop_docstring(p);
}

/* -- where things begin ------------------------------------------------------------------- */

/* Keys of other dialects: never the start of a statement's message in a class body. */
static bool is_foreign_key(Token t)
{
    static const char *const keys[] = {"category:",
                                       "classInstanceVars:",
                                       "classInstanceVariables:",
                                       "poolDictionaries:",
                                       "instanceVariableNames:",
                                       "classVariableNames:",
                                       "package:",
                                       "comment:"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (t.kind == TOKEN_KEYWORD && lang_text_is(t.text, keys[i]))
            return true;
    return false;
}

static bool at_body_item(Parser *p)
{
    return body_keyword(p->now.token) != BODY_NONE || at_class_method_pair(p);
}

static bool at_preamble(const Parser *p)
{
    return at_text(p, TOKEN_KEYWORD, "namespace:") || at_text(p, TOKEN_KEYWORD, "import:");
}

/* A script statement starts here, so a class or trait body ends. */
static bool at_script_statement(Parser *p)
{
    TokenKind kind = tok(p);
    if (p->no_script)
        return false;
    if (kind == TOKEN_CARET || kind == TOKEN_BAR)
        return true;
    if (!parser_starts_expression(kind))
        return false;
    Token next = parser_peek(p, 1);
    return body_keyword(next) == BODY_NONE && !is_foreign_key(next);
}

/* -- recovery ----------------------------------------------------------------------------- */

void parser_begin_recovery(Parser *p)
{
    p->depth = 0;
    p->panic = p->stop;
    p->scratch_len = 0;
    p->now.after.array_depth = 0; /* a '-' is an operator again */
    p->ahead_count = 0;
}

/* The docstring here stands before an item or definition, not inside a method by mistake. */
static bool docstring_before_item(Parser *p)
{
    Token next = parser_peek(p, 1), second = parser_peek(p, 2);
    if (next.kind != TOKEN_IDENTIFIER)
        return body_keyword(next) != BODY_NONE;
    if (second.kind == TOKEN_KEYWORD)
        return lang_text_is(second.text, "subclass:") || lang_text_is(second.text, "method:");
    return second.kind == TOKEN_IDENTIFIER &&
           (lang_text_is(second.text, "trait") || lang_text_is(second.text, "protocol"));
}

/* The current token is a place to go on from, seen from inside a broken method. Words that are
 * also ordinary messages count only outside of its brackets or at the start of a line. */
static bool at_body_sync(Parser *p)
{
    bool outside = p->brackets <= 0 || p->now.token.first_on_line;
    BodyItem item = body_keyword(p->now.token);
    if (tok(p) == TOKEN_EOF)
        return true;
    if (tok(p) == TOKEN_DOCSTRING)
        return p->brackets <= 0 || docstring_before_item(p);
    if (item == BODY_INCLUDE || item == BODY_REQUIRES)
        return outside;
    if (item != BODY_NONE || at_class_method_pair(p))
        return true;
    return outside && parser_starts_definition(p);
}

#define NO_ITEM UINT32_MAX /* nothing was begun: what stands here may be a good item */

/* Goes on at the next item of a body. start: where the broken item began. */
static void recover_body(Parser *p, uint32_t start)
{
    parser_begin_recovery(p);
    if (p->now.token.span.start == start)
        parser_advance(p);
    while (!at_body_sync(p))
        parser_advance(p);
    p->brackets = 0;
}

/* -- names ------------------------------------------------------------------------------- */

/* STRING or IDENT of a preamble item. */
static bool parse_name_or_string(Parser *p, const char *what, AstName *out)
{
    if (tok(p) != TOKEN_STRING)
        return parse_name(p, what, out);
    out->text = parser_string_value(p, p->now.token);
    out->span = p->now.token.span;
    parser_advance(p);
    return !p->stop;
}

/* True when text is name{::name}. */
static bool is_qualified_name(LangText t)
{
    uint32_t start = 0;
    for (uint32_t i = 0; i < t.len; i++) {
        if (t.ptr[i] != ':')
            continue;
        if (i + 1 >= t.len || t.ptr[i + 1] != ':')
            return false;
        if (!lex_is_plain_name(lang_text(t.ptr + start, i - start)))
            return false;
        i++;
        start = i + 1;
    }
    return lex_is_plain_name(lang_text(t.ptr + start, t.len - start));
}

/* -- variable and selector lists ---------------------------------------------------------- */

/* 'a b c': names in a string, split at white space. */
static bool parse_string_vars(Parser *p, AstVarList *out)
{
    Token t = p->now.token;
    char quoted[DIAG_QUOTE_MAX];
    uint32_t end = t.text.len - 1;
    for (uint32_t i = 1; i < end;) {
        uint32_t from = i;
        while (i < end && !lex_is_space(t.text.ptr[i]))
            i++;
        LangText word = lang_text(t.text.ptr + from, i - from);
        if (word.len && !lex_is_plain_name(word)) {
            parser_error_at(p, t.span, "expected variable names in the string, found \"%s\"",
                            diag_quote(word, quoted));
            return false;
        }
        AstVar var = {.name = word, .span = t.span};
        if (word.len && !parser_add_var(p, out, var))
            return false;
        i++;
    }
    parser_advance(p);
    return true;
}

/* One element of a name run; must consume at least its name. */
typedef bool (*RunElement)(Parser *p, void *list);

/* True when what stands here may follow a name list in a body. */
static bool at_run_end(Parser *p)
{
    TokenKind kind = tok(p);
    return kind == TOKEN_EOF || kind == TOKEN_DOCSTRING || at_body_item(p) ||
           parser_starts_definition(p);
}

/* A name here belongs to the list: it is not the start of the next definition or item. */
static bool at_run_name(Parser *p)
{
    return tok(p) == TOKEN_IDENTIFIER && !parser_starts_definition(p) && !at_class_method_pair(p) &&
           parser_peek(p, 1).kind != TOKEN_ASSIGN;
}

/* Reads elements while accept says so. When the run ends at something that cannot follow it
 * (`a b` LF `x foo.`), the names from the last one that begins a line on start a script
 * statement: goes back there and cuts the list. */
static bool parse_name_run(Parser *p, bool (*accept)(Parser *), RunElement element, void *list,
                           uint32_t *count)
{
    ParserMark cut = parser_mark(p);
    uint32_t cut_count = UINT32_MAX;
    uint32_t first = p->now.token.span.start;
    while (accept(p)) {
        if (tok(p) == TOKEN_IDENTIFIER && p->now.token.first_on_line &&
            p->now.token.span.start != first) {
            cut = parser_mark(p);
            cut_count = *count;
        }
        if (!element(p, list))
            return false;
    }
    if (at_run_end(p) || p->no_script || cut_count == UINT32_MAX)
        return true;
    if (tok(p) == TOKEN_ERROR || is_foreign_key(p->now.token) || tok(p) == TOKEN_IDENTIFIER)
        return true;
    parser_return_to(p, cut);
    *count = cut_count;
    return true;
}

static bool instance_var_element(Parser *p, void *list)
{
    AstVar var;
    return parse_var(p, "an instance variable name", true, &var) && parser_add_var(p, list, var);
}

static bool class_var_element(Parser *p, void *list)
{
    AstVar var;
    if (!parse_var(p, "a class variable name", false, &var))
        return false;
    if (parser_at_type(p)) {
        parser_error_at(p, p->now.token.span, "class variables take no type");
        return false;
    }
    return parser_add_var(p, list, var);
}

/* Behind instanceVars: or classVars:. The run has a list of its own because it may be cut, and a
 * list that was cut must not grow again (parser_grow knows a full list by its count). */
static bool parse_var_list(Parser *p, AstVarList *list, RunElement element)
{
    AstVarList run = {NULL, 0};
    if (tok(p) == TOKEN_STRING)
        return parse_string_vars(p, list);
    if (!parse_name_run(p, at_run_name, element, &run, &run.count))
        return false;
    for (uint32_t i = 0; i < run.count; i++)
        if (!parser_add_var(p, list, run.items[i]))
            return false;
    return true;
}

static bool at_required_selector(Parser *p)
{
    TokenKind kind = tok(p);
    return kind == TOKEN_SYMBOL || kind == TOKEN_BINARY || at_run_name(p);
}

static bool required_element(Parser *p, void *list)
{
    AstName name = parser_name_here(p);
    if (tok(p) == TOKEN_SYMBOL)
        name.text = parser_symbol_value(p, p->now.token);
    parser_advance(p);
    return parser_add_name(p, list, name);
}

/* Behind requires:. */
static bool parse_required(Parser *p, AstNameList *list)
{
    char quoted[DIAG_QUOTE_MAX];
    AstNameList run = {NULL, 0};
    if (!parse_name_run(p, at_required_selector, required_element, &run, &run.count))
        return false;
    for (uint32_t i = 0; i < run.count; i++)
        if (!parser_add_name(p, list, run.items[i]))
            return false;
    if (tok(p) == TOKEN_KEYWORD && body_keyword(p->now.token) == BODY_NONE) {
        parser_error_at(p, p->now.token.span,
                        "expected a selector, found keyword '%s'; a keyword selector is written "
                        "as a symbol, like #at:put:",
                        diag_quote(p->now.token.text, quoted));
        return false;
    }
    return true;
}

/* -- bodies ------------------------------------------------------------------------------- */

/* `unexpected KEYWORD "category:" in class X body` with a remedy where one is known. */
static void unexpected_in_body(Parser *p, const char *sort, LangText name)
{
    char quoted[DIAG_QUOTE_MAX], owner[DIAG_QUOTE_MAX];
    const Token *t = &p->now.token;
    const char *hint = "";
    if (t->kind == TOKEN_ERROR) {
        parser_expected(p, "an item of the body");
        return;
    }
    if (is_foreign_key(*t) || is_foreign_key(parser_peek(p, 1)))
        hint = "; this key does not exist here, leave it out";
    else if (at_preamble(p))
        hint = "; it must come before the first definition of the file";
    else if (t->kind == TOKEN_KEYWORD)
        hint = "; a method definition begins with 'method:' or 'classMethod:'";
    else if (t->kind == TOKEN_PERIOD)
        hint = "; no period stands between the items of a body";
    parser_error_at(p, t->span, "unexpected %s \"%s\" in %s %s body%s", lex_kind_name(t->kind),
                    diag_quote(t->text, quoted), sort, diag_quote(name, owner), hint);
}

void wrong_item(Parser *p, const char *sort, LangText name, const char *why)
{
    char quoted[DIAG_QUOTE_MAX], owner[DIAG_QUOTE_MAX];
    parser_error_at(p, p->now.token.span, "unexpected KEYWORD \"%s\" in %s %s body; %s",
                    diag_quote(p->now.token.text, quoted), sort, diag_quote(name, owner), why);
}

static bool parse_include(Parser *p, AstNameList *list)
{
    AstName name;
    return parse_name(p, "the name of a trait", &name) && parser_add_name(p, list, name);
}

static bool parse_class_method_into(Parser *p, AstClass *c)
{
    AstMethod *m = parse_method_item(p);
    return m && add_method(p, m->class_side ? &c->class_methods : &c->methods, m);
}

/* One item of a class body; false: it was reported. */
static bool parse_class_item(Parser *p, AstClass *c)
{
    BodyItem item = body_keyword(p->now.token);
    if (at_method_wrapper(p))
        return parse_class_method_into(p, c);
    if (item == BODY_REQUIRES) {
        wrong_item(p, "class", c->name.text, "only a trait can require methods");
        return false;
    }
    if (item == BODY_NONE) {
        unexpected_in_body(p, "class", c->name.text);
        return false;
    }
    drop_docstring(p);
    parser_advance(p);
    switch (item) {
    case BODY_INSTANCE_VARS: return parse_var_list(p, &c->instance_vars, instance_var_element);
    case BODY_CLASS_VARS: return parse_var_list(p, &c->class_vars, class_var_element);
    default: return parse_include(p, &c->includes);
    }
}

static bool parse_trait_item(Parser *p, AstTrait *t)
{
    BodyItem item = body_keyword(p->now.token);
    if (item == BODY_METHOD) {
        AstMethod *m = parse_method_item(p);
        if (m && m->is_primitive_stub)
            parser_warn_at(p, m->span, "a primitive stub in a trait makes an empty method");
        return m && add_method(p, &t->methods, m);
    }
    if (item == BODY_REQUIRES) {
        drop_docstring(p);
        parser_advance(p);
        return parse_required(p, &t->required);
    }
    if (item == BODY_CLASS_METHOD || at_class_method_pair(p))
        wrong_item(p, "trait", t->name.text, "a trait has no class methods");
    else if (item == BODY_INCLUDE)
        wrong_item(p, "trait", t->name.text, "a trait cannot include traits");
    else if (item != BODY_NONE)
        wrong_item(p, "trait", t->name.text, "a trait has no variables");
    else
        unexpected_in_body(p, "trait", t->name.text);
    return false;
}

typedef bool (*ParseItem)(Parser *p, void *definition);

static bool class_item(Parser *p, void *c) { return parse_class_item(p, c); }

static bool trait_item(Parser *p, void *t) { return parse_trait_item(p, t); }

/* Items up to the next definition, script statement or the end. */
static void parse_body(Parser *p, ParseItem item, void *definition)
{
    while (tok(p) != TOKEN_EOF) {
        p->brackets = 0;
        uint32_t start = p->now.token.span.start;
        if (tok(p) == TOKEN_DOCSTRING) {
            take_docstring(p);
            continue;
        }
        if (parser_starts_definition(p))
            return;
        if (!at_body_item(p) && at_script_statement(p))
            return;
        if (!item(p, definition)) {
            drop_docstring(p);
            recover_body(p, start);
        }
    }
}

static void warn_duplicate_vars(Parser *p, const AstVarList *list, const char *what)
{
    char quoted[DIAG_QUOTE_MAX];
    enum { CHECKED_MAX = 256 }; /* a warning is not worth more than this many comparisons squared */
    for (uint32_t i = 1; i < list->count && i < CHECKED_MAX; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (!lang_text_equal(list->items[i].name, list->items[k].name))
                continue;
            parser_warn_at(p, list->items[i].span, "%s variable \"%s\" is declared twice", what,
                           diag_quote(list->items[i].name, quoted));
            break;
        }
    }
}

/* -- definitions -------------------------------------------------------------------------- */

static bool parse_superclass(Parser *p, AstClass *c)
{
    c->superclass = parser_name_here(p);
    if (tok(p) == TOKEN_IDENTIFIER || tok(p) == TOKEN_NIL) {
        c->superclass_is_nil = tok(p) == TOKEN_NIL;
        parser_advance(p);
        return true;
    }
    if (tok(p) == TOKEN_SYMBOL)
        parser_error_at(p, p->now.token.span,
                        "expected a superclass name, found a symbol; a class is written 'Name "
                        "subclass: Super', with the new class first");
    else
        parser_expected(p, "a superclass name or nil after 'subclass:'");
    return false;
}

static AstNode *parse_class(Parser *p)
{
    AstNode *node = parser_node(p, AST_CLASS, p->now.token.span);
    AstClass *c = parser_alloc(p, sizeof *c);
    if (!node || !c)
        return NULL;
    node->as.klass = c;
    c->doc = claim_docstring(p);
    c->name = parser_name_here(p);
    parser_advance(p);
    parser_advance(p);
    if (!parse_superclass(p, c))
        recover_body(p, NO_ITEM);
    parse_body(p, class_item, c);
    warn_duplicate_vars(p, &c->instance_vars, "instance");
    warn_duplicate_vars(p, &c->class_vars, "class");
    node->span = c->span = lang_span_join(node->span, p->last);
    return p->stop ? NULL : node;
}

static AstNode *parse_trait(Parser *p)
{
    AstNode *node = parser_node(p, AST_TRAIT, p->now.token.span);
    AstTrait *t = parser_alloc(p, sizeof *t);
    if (!node || !t)
        return NULL;
    node->as.trait = t;
    t->doc = claim_docstring(p);
    t->name = parser_name_here(p);
    parser_advance(p);
    parser_advance(p);
    parse_body(p, trait_item, t);
    node->span = t->span = lang_span_join(node->span, p->last);
    return p->stop ? NULL : node;
}

/* -- the next definition ------------------------------------------------------------------ */

static AstNode *parse_definition(Parser *p)
{
    p->brackets = 0;
    if (parser_peek(p, 1).kind == TOKEN_KEYWORD)
        return parse_class(p);
    return parser_peek_is(p, 1, TOKEN_IDENTIFIER, "trait") ? parse_trait(p) : parse_protocol(p);
}

/* -- the file ----------------------------------------------------------------------------- */

static bool parse_preamble_item(Parser *p, AstFile *file)
{
    char quoted[DIAG_QUOTE_MAX];
    AstName name;
    bool is_namespace = at_text(p, TOKEN_KEYWORD, "namespace:");
    LangText keyword = p->now.token.text;
    drop_docstring(p);
    if (file->items.count > 0) {
        parser_error_at(p, p->now.token.span,
                        "'%.*s' must come before the first definition and "
                        "statement of the file",
                        (int)keyword.len, keyword.ptr);
        return false;
    }
    parser_advance(p);
    if (!parse_name_or_string(p, "a namespace name or string", &name))
        return false;
    if (!is_qualified_name(name.text) && !(is_namespace && name.text.len == 0)) {
        parser_error_at(p, name.span, "'%s' is no namespace name (expected Name or Outer::Inner)",
                        diag_quote(name.text, quoted));
        return false;
    }
    if (tok(p) == TOKEN_PERIOD) {
        parser_error_at(p, p->now.token.span, "no period may follow '%.*s'", (int)keyword.len,
                        keyword.ptr);
        return false;
    }
    if (!is_namespace)
        return parser_add_name(p, &file->imports, name);
    file->has_namespace = true;
    file->namespace_name = name;
    return true;
}

static bool add_item(Parser *p, AstFile *file, AstNodeList *list, AstNode *node)
{
    return add_node(p, list, node) && add_node(p, &file->items, node);
}

static bool parse_script_temps(Parser *p, AstFile *file)
{
    AstNode *node = parser_node(p, AST_TEMPS, p->now.token.span);
    if (!node || !parse_temps(p, &node->as.temps))
        return false;
    node->span = lang_span_join(node->span, p->last);
    check_duplicates(p, NULL, "", &node->as.temps, "");
    return add_item(p, file, &file->script, node);
}

static bool parse_script_item(Parser *p, AstFile *file)
{
    p->brackets = 0;
    warn_orphan_docstring(p);
    if (tok(p) == TOKEN_BAR)
        return parse_script_temps(p, file);
    AstNode *node = parse_statement(p);
    if (!node || !finish_statement(p))
        return false;
    uint32_t n = file->script.count;
    if (n > 0 && file->script.items[n - 1]->kind == AST_RETURN)
        parser_warn_at(p, node->span, "unreachable code after return");
    return add_item(p, file, &file->script, node);
}

/* Nothing that a file may hold starts here. */
static void unexpected_at_top(Parser *p)
{
    char quoted[DIAG_QUOTE_MAX];
    const Token *t = &p->now.token;
    if (t->kind == TOKEN_ERROR)
        parser_expected(p, "a definition");
    else if (t->kind == TOKEN_IDENTIFIER)
        parser_error_at(p, t->span,
                        "expected 'subclass:', 'trait', or 'protocol' after class/trait name %s",
                        diag_quote(t->text, quoted));
    else if (body_keyword(*t) != BODY_NONE)
        parser_error_at(p, t->span,
                        "unexpected KEYWORD \"%s\" in top-level: no class or trait "
                        "definition stands before it",
                        diag_quote(t->text, quoted));
    else
        parser_error_at(p, t->span,
                        "unexpected %s \"%s\" in top-level (expected a class, trait, or protocol "
                        "definition%s)",
                        lex_kind_name(t->kind), diag_quote(t->text, quoted),
                        p->no_script ? "" : ", or a statement");
}

/* Without statements the file goes on at the next definition; a `method:` there would only give
 * a second error for the same mistake. */
static void recover_top(Parser *p, uint32_t start)
{
    p->scratch_len = 0;
    if (!p->no_script) {
        bool stuck = p->now.token.span.start == start && tok(p) != TOKEN_PERIOD;
        if (stuck && !parser_starts_definition(p))
            parser_advance(p);
        recover_statement(p);
        return;
    }
    parser_begin_recovery(p);
    if (p->now.token.span.start == start)
        parser_advance(p);
    while (tok(p) != TOKEN_EOF && tok(p) != TOKEN_DOCSTRING && !parser_starts_definition(p))
        parser_advance(p);
    p->brackets = 0;
}

/* One item of the file; false: it was reported. */
static bool parse_file_item(Parser *p, AstFile *file)
{
    if (at_preamble(p))
        return parse_preamble_item(p, file);
    if (parser_starts_definition(p)) {
        AstNode *node = parse_definition(p);
        return node && add_item(p, file, &file->definitions, node);
    }
    bool statement = parser_starts_expression(tok(p)) || tok(p) == TOKEN_CARET ||
                     tok(p) == TOKEN_BAR || tok(p) == TOKEN_PERIOD || at_text(p, TOKEN_BINARY, "-");
    if (!p->no_script && statement)
        return parse_script_item(p, file);
    unexpected_at_top(p);
    return false;
}

AstFile *parse_file(Parser *p)
{
    AstFile *file = parser_alloc(p, sizeof *file);
    if (!file)
        return NULL;
    file->span = p->now.token.span;
    while (tok(p) != TOKEN_EOF) {
        uint32_t start = p->now.token.span.start;
        if (tok(p) == TOKEN_DOCSTRING)
            take_docstring(p);
        else if (!parse_file_item(p, file))
            recover_top(p, start);
    }
    warn_orphan_docstring(p);
    file->span = lang_span_join(file->span, p->last);
    return file;
}
