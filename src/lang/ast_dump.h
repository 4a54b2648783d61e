/* SPDX-License-Identifier: Apache-2.0 */
/* ast_dump.h - syntax trees as s-expressions, for tests and for people who debug the front end.
 * Threads: reads the tree only.
 *
 * Expressions: x, 3, 'text', #symbol, $a, self, (send at:put: receiver args ...),
 * (super-send ...), (cascade receiver (selector args ...) ...), (eventual selector receiver args),
 * (assign x value), (return value), (block (params) (temps) statements ...), (array ...),
 * (literal-array ...), (dictionary (key value) ...), (temps a b), (bigint 16 FF -), (float 1.5).
 * A variable with a type is x<Type>. Output is on one line. */
#ifndef LANG_AST_DUMP_H
#define LANG_AST_DUMP_H

#include "ast.h"

typedef struct AstDumpOptions {
    bool positions; /* every node of an expression is followed by @line:column */
} AstDumpOptions;

/* Out of memory ends the output early and answers false (the chain of receivers of a long send
 * chain is kept in memory taken from allocator). options may be NULL. */
bool ast_dump_node(const AstNode *node, const AstDumpOptions *options, LangAllocator allocator,
                   LangSink sink);
bool ast_dump_method(const AstMethod *method, const AstDumpOptions *options,
                     LangAllocator allocator, LangSink sink);
bool ast_dump_doit(const AstDoit *doit, const AstDumpOptions *options, LangAllocator allocator,
                   LangSink sink);
bool ast_dump_file(const AstFile *file, const AstDumpOptions *options, LangAllocator allocator,
                   LangSink sink);

#endif
