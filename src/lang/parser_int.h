/* SPDX-License-Identifier: Apache-2.0 */
/* parser_int.h - what parser.c and the parse_*.c files share; not for other folders.
 *
 * Error handling: a function that fails reports once, sets panic and answers NULL or false; its
 * callers return at once. Whoever recovers clears panic. While panic is set nothing is reported.
 * stop (out of memory, too many errors) makes every further token EOF, so all loops end.
 *
 * Lists are gathered on one scratch stack (elements of any type, strictly nested) and copied to
 * the arena when their length is known. */
#ifndef LANG_PARSER_INT_H
#define LANG_PARSER_INT_H

#include "parser.h"

enum { PARSER_LOOKAHEAD = 3 };

/* A token and the lexer as it was directly behind it. */
typedef struct ParserToken {
    Token token;
    Lexer after;
} ParserToken;

typedef struct Parser {
    LangParse *out;
    LangArena *arena;
    DiagList *diags;
    Lexer start;                         /* lexer before the first token */
    ParserToken now;                     /* the current token */
    ParserToken ahead[PARSER_LOOKAHEAD]; /* tokens read but not current yet */
    uint32_t ahead_count;
    LangSpan last;    /* span of the token before the current one */
    int64_t brackets; /* opened minus closed since the statement or method began */
    bool in_file;     /* parsing a file: definitions may follow a statement */
    uint32_t depth;   /* nesting of the construct being parsed */
    uint32_t nesting_max;
    bool no_script;
    bool script_temps;
    bool panic;
    bool stop;
    AstDoc pending_doc; /* the last docstring that nothing has taken yet */
    char *scratch;
    size_t scratch_len, scratch_room;
} Parser;

/* A place to return to. */
typedef struct ParserMark {
    ParserToken now;
    LangSpan last;
    int64_t brackets;
} ParserMark;

/* -- tokens (parser.c) -- */
static inline TokenKind tok(const Parser *p) { return p->now.token.kind; }
static inline bool at_text(const Parser *p, TokenKind kind, const char *text)
{
    return tok(p) == kind && lang_text_is(p->now.token.text, text);
}
void parser_advance(Parser *p);
Token parser_peek(Parser *p, uint32_t ahead); /* ahead 1..PARSER_LOOKAHEAD */
bool parser_peek_is(Parser *p, uint32_t ahead, TokenKind kind, const char *text);
void parser_split(Parser *p); /* the current BINARY becomes its first character */
ParserMark parser_mark(const Parser *p);
void parser_return_to(Parser *p, ParserMark mark);
bool parser_accept(Parser *p, TokenKind kind);

/* -- errors (parser.c) -- */
void parser_error_at(Parser *p, LangSpan span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void parser_warn_at(Parser *p, LangSpan span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "expected WHAT, found TOKEN", or what is wrong with an ERROR token. */
void parser_expected(Parser *p, const char *what);
/* The current token for a message: `identifier 'x'`. */
enum { PARSER_DESCRIBE_MAX = 160 };
const char *parser_describe(Token t, char out[PARSER_DESCRIBE_MAX]);
void parser_out_of_memory(Parser *p);
bool parser_enter(Parser *p, LangSpan at); /* one nesting level deeper; false: too deep */
static inline void parser_leave(Parser *p) { p->depth--; }

/* -- memory (parser.c) -- */
void *parser_alloc(Parser *p, size_t bytes);
AstNode *parser_node(Parser *p, AstKind kind, LangSpan span);
bool parser_push(Parser *p, const void *element, size_t size);
/* Moves what was pushed since mark to the arena; NULL when empty or out of memory (then stop). */
void *parser_pop_list(Parser *p, size_t mark, size_t size, uint32_t *count);

/* -- shared pieces -- */
bool parser_at_type(const Parser *p);
bool parse_type(Parser *p, AstType *out);
/* A plain, unreserved name; a type too when typed. */
bool parse_var(Parser *p, const char *what, bool typed, AstVar *out);
bool parse_temps(Parser *p, AstVarList *out); /* at the opening bar */
/* Reports names that occur twice in both lists together: `duplicate WHAT name "x"WHERE`, WHAT being
 * what, or "variable" for an entry of temps. Either list may be NULL. */
void check_duplicates(Parser *p, const AstVarList *params, const char *what,
                      const AstVarList *temps, const char *where);
LangText parser_string_value(Parser *p, Token t); /* decoded STRING */
LangText parser_symbol_value(Parser *p, Token t); /* decoded SYMBOL, without # */
/* Reports a missing closer; names the place of the opening token. */
void parser_expected_close(Parser *p, LangSpan open, const char *closer, bool statements);
bool parser_starts_definition(Parser *p);  /* IDENT before subclass:, trait or protocol */
bool parser_at_next_definition(Parser *p); /* the same, where a statement could go on */
bool parser_starts_expression(TokenKind kind);

/* Functions that recurse, kept apart so that their locals do not lie on the C stack of others. */
#define NOINLINE __attribute__((noinline))

/* -- parse_literal.c -- */
AstNode *parse_simple_literal(Parser *p); /* one token; NULL when the current one is no literal */
AstNode *parse_word(Parser *p, AstKind kind); /* the current token as a node without contents */
AstNode *parse_literal_array(Parser *p);      /* at `#(`, or at `(` inside a literal array */

/* -- parse_expr.c -- */
AstNode *parse_expression(Parser *p);
AstNode *parse_statement(Parser *p);
/* Statements up to closer (RBRACKET or EOF), which is left as the current token. */
bool parse_statements(Parser *p, TokenKind closer, AstNodeList *out);
/* Statements at the top of a doit or script come one by one, with recovery between them. A doit
 * passes in_file false. */
void recover_statement(Parser *p);
/* After a statement at the top: over its period, or an error when something else follows. */
bool finish_statement(Parser *p);
/* Warns when something follows a `^` in the list that is gathered above mark. */
void warn_unreachable(Parser *p, size_t mark, const AstNode *next);

/* -- parse_method.c -- */
/* Adds one element to a list in the arena, which doubles when its count is 0 or a power of two;
 * so nothing else may shorten such a list. items_pointer is the address of the list's pointer. */
bool parser_grow(Parser *p, void *items_pointer, uint32_t *count, const void *element, size_t size);
bool parser_add_name(Parser *p, AstNameList *list, AstName name);
bool parser_add_var(Parser *p, AstVarList *list, AstVar var);

void take_docstring(Parser *p);    /* the current token becomes pending_doc */
void drop_docstring(Parser *p);    /* pending_doc is not wanted */
AstDoc claim_docstring(Parser *p); /* answers pending_doc and empties it */

typedef enum BodyItem {
    BODY_NONE,
    BODY_METHOD,
    BODY_CLASS_METHOD,
    BODY_INSTANCE_VARS,
    BODY_CLASS_VARS,
    BODY_INCLUDE,
    BODY_REQUIRES
} BodyItem;

BodyItem body_keyword(Token t);
bool at_class_method_pair(Parser *p); /* `class method:` */
bool at_method_wrapper(Parser *p);    /* `method:`, `classMethod:` or the pair */

AstName parser_name_here(const Parser *p);
bool parse_name(Parser *p, const char *what, AstName *out);
bool at_effects(const Parser *p);
bool parse_effects(Parser *p, AstNameList *out);
AstMethod *parse_method_item(Parser *p); /* at_method_wrapper holds */
AstMethod *parse_bare_method(Parser *p);

/* -- parse_protocol.c -- */
AstNode *parse_protocol(Parser *p);

/* -- parse_file.c -- */
/* Clears panic and whatever the broken construct has left behind. */
void parser_begin_recovery(Parser *p);
/* The KEYWORD here does not belong into the body of this sort of definition: why not. */
void wrong_item(Parser *p, const char *sort, LangText name, const char *why);
AstFile *parse_file(Parser *p);

#endif
