/* SPDX-License-Identifier: Apache-2.0 */
/* ast.c - small questions about syntax trees.
 * Threads: reads only. */
#include "ast.h"

static const char *const kind_names[AST_KIND_COUNT] = {
#define AST_KIND_NAME(name, text) text,
    AST_KINDS(AST_KIND_NAME)
#undef AST_KIND_NAME
};

const char *ast_kind_name(AstKind kind) { return kind_names[kind]; }

bool ast_is_literal(const AstNode *node) { return node->kind <= AST_LITERAL_ARRAY; }

AstNode *ast_receiver(const AstNode *node)
{
    switch (node->kind) {
    case AST_SEND:
    case AST_EVENTUAL: return node->as.send.receiver;
    case AST_CASCADE: return node->as.cascade.receiver;
    default: return NULL;
    }
}

bool ast_is_plain_block(const AstNode *node)
{
    return node->kind == AST_BLOCK && node->as.block->params.count == 0 &&
           node->as.block->temps.count == 0;
}

void ast_split_name(LangText name, LangText *prefix, LangText *last)
{
    uint32_t start = name.len;
    while (start > 0 && name.ptr[start - 1] != ':')
        start--;
    if (last)
        *last = lang_text(name.ptr + start, name.len - start);
    if (prefix)
        *prefix = lang_text(name.ptr, start >= 2 ? start - 2 : 0);
}
