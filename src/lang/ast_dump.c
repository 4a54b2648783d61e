/* SPDX-License-Identifier: Apache-2.0 */
/* ast_dump.c - syntax trees as s-expressions.
 * Threads: reads the tree only.
 * Invariant: recursion follows only directions that the nesting limit of the parser bounds; the
 * receiver chain, which it does not bound, is walked with a list (dump_chain). */
#include "ast_dump.h"

#include <stdio.h>

#include "lexer.h"

typedef struct Dump {
    LangSink sink;
    LangAllocator allocator;
    bool positions;
    bool failed;
} Dump;

static void dump_node(Dump *d, const AstNode *node);

static void put(Dump *d, const char *z) { d->sink.write(d->sink.ctx, z, strlen(z)); }

static void put_text(Dump *d, LangText t) { d->sink.write(d->sink.ctx, t.ptr, t.len); }

/* Quoted, with '' for ' and \xNN for control bytes so that a dump stays on one line. */
static void put_quoted(Dump *d, LangText t)
{
    put(d, "'");
    for (uint32_t i = 0; i < t.len; i++) {
        char hex[8];
        unsigned char c = (unsigned char)t.ptr[i];
        snprintf(hex, sizeof hex, "\\x%02X", c);
        if (c == '\'')
            put(d, "''");
        else if (c < 0x20 || c == 0x7F)
            put(d, hex);
        else
            d->sink.write(d->sink.ctx, t.ptr + i, 1);
    }
    put(d, "'");
}

static void put_symbol(Dump *d, LangText t)
{
    put(d, "#");
    if (lex_is_plain_symbol(t))
        put_text(d, t);
    else
        put_quoted(d, t);
}

static void put_position(Dump *d, LangSpan span)
{
    char text[32];
    if (!d->positions)
        return;
    snprintf(text, sizeof text, "@%u:%u", span.line, span.column);
    put(d, text);
}

static void put_type(Dump *d, const AstType *type)
{
    if (type->name.len == 0)
        return;
    put(d, "<");
    put_text(d, type->name);
    put(d, ">");
}

static void put_vars(Dump *d, const char *head, const AstVarList *vars)
{
    put(d, "(");
    put(d, head);
    for (uint32_t i = 0; i < vars->count; i++) {
        if (i || *head)
            put(d, " ");
        put_text(d, vars->items[i].name);
        put_type(d, &vars->items[i].type);
    }
    put(d, ")");
}

static void put_names(Dump *d, const char *head, const AstNameList *names)
{
    if (names->count == 0)
        return;
    put(d, " (");
    put(d, head);
    for (uint32_t i = 0; i < names->count; i++) {
        put(d, " ");
        put_text(d, names->items[i].text);
    }
    put(d, ")");
}

static void dump_list(Dump *d, const AstNodeList *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        put(d, " ");
        dump_node(d, list->items[i]);
    }
}

/* -- chains ------------------------------------------------------------------------------- */

/* What stands before the receiver. */
static void open_send(Dump *d, const AstNode *node)
{
    const char *head = node->kind == AST_EVENTUAL ? "(eventual"
                       : node->kind == AST_CASCADE
                           ? (node->as.cascade.is_super ? "(super-cascade" : "(cascade")
                       : node->as.send.is_super ? "(super-send"
                                                : "(send";
    put(d, head);
    put_position(d, node->span);
    put(d, " ");
    if (node->kind == AST_CASCADE)
        return;
    put_text(d, node->as.send.message.selector);
    put(d, " ");
}

/* What stands behind it. */
static void close_send(Dump *d, const AstNode *node)
{
    if (node->kind != AST_CASCADE) {
        dump_list(d, &node->as.send.message.args);
        put(d, ")");
        return;
    }
    for (uint32_t i = 0; i < node->as.cascade.count; i++) {
        const AstMessage *m = &node->as.cascade.messages[i];
        put(d, " (");
        put_text(d, m->selector);
        dump_list(d, &m->args);
        put(d, ")");
    }
    put(d, ")");
}

/* A send with its receivers, outermost first; then back through the list for the arguments. */
static void dump_chain(Dump *d, const AstNode *node)
{
    size_t n = 0;
    const AstNode *base = node;
    for (; ast_receiver(base); base = ast_receiver(base))
        n++;
    const AstNode **chain = d->allocator.alloc(d->allocator.ctx, n * sizeof *chain);
    if (!chain) {
        d->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++, node = ast_receiver(node)) {
        chain[i] = node;
        open_send(d, node);
    }
    dump_node(d, base);
    while (n-- > 0)
        close_send(d, chain[n]);
    d->allocator.free(d->allocator.ctx, chain);
}

/* -- nodes -------------------------------------------------------------------------------- */

static void dump_bigint(Dump *d, const AstInteger *n)
{
    char radix[32];
    snprintf(radix, sizeof radix, "(bigint %u ", n->radix);
    put(d, radix);
    put_text(d, n->digits);
    put(d, n->negative ? " -)" : ")");
}

static void dump_literal(Dump *d, const AstNode *node)
{
    char text[48] = "";
    switch (node->kind) {
    case AST_INT: snprintf(text, sizeof text, "%lld", (long long)node->as.integer.value); break;
    case AST_FLOAT: snprintf(text, sizeof text, "(float %.17g)", node->as.real.value); break;
    case AST_CHAR: snprintf(text, sizeof text, "(char %u)", node->as.character); break;
    case AST_BIGINT: dump_bigint(d, &node->as.integer); break;
    case AST_STRING: put_quoted(d, node->as.text); break;
    case AST_SYMBOL: put_symbol(d, node->as.text); break;
    default: put(d, ast_kind_name(node->kind)); break;
    }
    put(d, text);
    put_position(d, node->span);
}

static void dump_wrapped(Dump *d, const char *head, const AstNode *node, const AstNodeList *list)
{
    put(d, "(");
    put(d, head);
    put_position(d, node->span);
    dump_list(d, list);
    put(d, ")");
}

static void dump_block(Dump *d, const AstNode *node)
{
    const AstBlock *b = node->as.block;
    put(d, "(block");
    put_position(d, node->span);
    put(d, " ");
    put_vars(d, "", &b->params);
    put(d, " ");
    put_vars(d, "", &b->temps);
    dump_list(d, &b->statements);
    put(d, ")");
}

static void dump_dictionary(Dump *d, const AstNode *node)
{
    put(d, "(dictionary");
    put_position(d, node->span);
    for (uint32_t i = 0; i < node->as.dictionary.count; i++) {
        put(d, " (");
        dump_node(d, node->as.dictionary.pairs[i].key);
        put(d, " ");
        dump_node(d, node->as.dictionary.pairs[i].value);
        put(d, ")");
    }
    put(d, ")");
}

static void dump_one(Dump *d, const char *head, const AstNode *node, const AstNode *value)
{
    put(d, "(");
    put(d, head);
    put_position(d, node->span);
    put(d, " ");
    if (node->kind == AST_ASSIGN) {
        put_text(d, node->as.assign.target.text);
        put(d, " ");
    }
    dump_node(d, value);
    put(d, ")");
}

/* -- definitions -------------------------------------------------------------------------- */

static void put_doc(Dump *d, const AstDoc *doc)
{
    if (!doc->present)
        return;
    put(d, " (doc ");
    put_quoted(d, doc->text);
    put(d, ")");
}

static void dump_method(Dump *d, const AstMethod *m)
{
    put(d, m->class_side ? "(class-method " : "(method ");
    put_text(d, m->selector);
    put(d, " ");
    put_vars(d, "", &m->params);
    if (m->return_type.name.len) {
        put(d, " ^");
        put_type(d, &m->return_type);
    }
    put_names(d, "effects", &m->effects);
    put_doc(d, &m->doc);
    if (m->is_primitive_stub) {
        put(d, " primitive)");
        return;
    }
    put(d, " ");
    put_vars(d, "", &m->temps);
    dump_list(d, &m->statements);
    put(d, ")");
}

static void dump_methods(Dump *d, const AstMethodList *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        put(d, " ");
        dump_method(d, list->items[i]);
    }
}

static void dump_class(Dump *d, const AstClass *c)
{
    put(d, "(class ");
    put_text(d, c->name.text);
    put(d, " ");
    put_text(d, c->superclass.text);
    put_doc(d, &c->doc);
    if (c->instance_vars.count) {
        put(d, " ");
        put_vars(d, "vars", &c->instance_vars);
    }
    if (c->class_vars.count) {
        put(d, " ");
        put_vars(d, "class-vars", &c->class_vars);
    }
    put_names(d, "includes", &c->includes);
    dump_methods(d, &c->methods);
    dump_methods(d, &c->class_methods);
    put(d, ")");
}

static void dump_trait(Dump *d, const AstTrait *t)
{
    put(d, "(trait ");
    put_text(d, t->name.text);
    put_doc(d, &t->doc);
    put_names(d, "requires", &t->required);
    dump_methods(d, &t->methods);
    put(d, ")");
}

static void dump_entry(Dump *d, const AstProtocolEntry *e)
{
    put(d, " (");
    put_text(d, e->selector);
    for (uint32_t i = 0; i < e->param_count; i++) {
        put(d, e->param_types[i].name.len ? " " : " _");
        put_type(d, &e->param_types[i]);
    }
    if (e->has_return)
        put(d, " ^");
    put_type(d, &e->return_type);
    put_names(d, "effects", &e->effects);
    put(d, ")");
}

static void dump_protocol(Dump *d, const AstProtocol *p)
{
    put(d, "(protocol ");
    put_text(d, p->name.text);
    put_doc(d, &p->doc);
    put_names(d, "includes", &p->includes);
    for (uint32_t i = 0; i < p->entry_count; i++)
        dump_entry(d, &p->entries[i]);
    put(d, ")");
}

static void dump_node(Dump *d, const AstNode *node)
{
    switch (node->kind) {
    case AST_SEND:
    case AST_EVENTUAL:
    case AST_CASCADE: dump_chain(d, node); return;
    case AST_IDENTIFIER:
        put_text(d, node->as.name.text);
        put_position(d, node->span);
        return;
    case AST_LITERAL_ARRAY: dump_wrapped(d, "literal-array", node, &node->as.list); return;
    case AST_DYN_ARRAY: dump_wrapped(d, "array", node, &node->as.list); return;
    case AST_DICTIONARY: dump_dictionary(d, node); return;
    case AST_BLOCK: dump_block(d, node); return;
    case AST_RETURN: dump_one(d, "return", node, node->as.value); return;
    case AST_ASSIGN: dump_one(d, "assign", node, node->as.assign.value); return;
    case AST_TEMPS: put_vars(d, "temps", &node->as.temps); return;
    case AST_CLASS: dump_class(d, node->as.klass); return;
    case AST_TRAIT: dump_trait(d, node->as.trait); return;
    case AST_PROTOCOL: dump_protocol(d, node->as.protocol); return;
    default: dump_literal(d, node); return;
    }
}

/* -- outward ------------------------------------------------------------------------------ */

static Dump dump_start(const AstDumpOptions *options, LangAllocator allocator, LangSink sink)
{
    Dump d = {sink, allocator, options && options->positions, false};
    return d;
}

bool ast_dump_node(const AstNode *node, const AstDumpOptions *options, LangAllocator allocator,
                   LangSink sink)
{
    Dump d = dump_start(options, allocator, sink);
    dump_node(&d, node);
    return !d.failed;
}

bool ast_dump_method(const AstMethod *method, const AstDumpOptions *options,
                     LangAllocator allocator, LangSink sink)
{
    Dump d = dump_start(options, allocator, sink);
    dump_method(&d, method);
    return !d.failed;
}

bool ast_dump_doit(const AstDoit *doit, const AstDumpOptions *options, LangAllocator allocator,
                   LangSink sink)
{
    Dump d = dump_start(options, allocator, sink);
    put(&d, "(doit ");
    put_vars(&d, "", &doit->temps);
    dump_list(&d, &doit->statements);
    put(&d, ")");
    return !d.failed;
}

bool ast_dump_file(const AstFile *file, const AstDumpOptions *options, LangAllocator allocator,
                   LangSink sink)
{
    Dump d = dump_start(options, allocator, sink);
    put(&d, "(file");
    if (file->has_namespace) {
        put(&d, " (namespace ");
        put_quoted(&d, file->namespace_name.text);
        put(&d, ")");
    }
    put_names(&d, "imports", &file->imports);
    dump_list(&d, &file->items);
    put(&d, ")");
    return !d.failed;
}
