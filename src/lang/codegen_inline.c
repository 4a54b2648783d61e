/* SPDX-License-Identifier: Apache-2.0 */
/* codegen_inline.c - which sends the compiler turns into control flow of its own, and which have an
 * instruction of their own.
 *
 * Beyond the conditionals and loops that programs may rely on, loops over SmallIntegers are inlined
 * behind a guard (M6). Each guarded loop has a second version of its body for the other case; in
 * that version no guards are used, and guarded loops nest only so deep, so code size stays linear.
 *
 * Threads: pure functions. */
#include "codegen_int.h"

static bool is_int_literal(const AstNode *node) { return node->kind == AST_INT; }

bool scope_loop_is_guarded(const AstNode *node, InlineKind kind)
{
    const AstSend *send = &node->as.send;
    if (kind == INLINE_TIMES)
        return !is_int_literal(send->receiver);
    if (kind == INLINE_TO_DO || kind == INLINE_TO_BY_DO)
        return !is_int_literal(send->receiver) || !is_int_literal(send->message.args.items[0]);
    return false;
}

static bool is_block(const AstNode *node, uint32_t params_max)
{
    return node->kind == AST_BLOCK && node->as.block->params.count <= params_max;
}

static bool all_blocks(const AstNodeList args)
{
    for (uint32_t i = 0; i < args.count; i++)
        if (!is_block(args.items[i], 0))
            return false;
    return true;
}

static const struct {
    const char *selector;
    InlineKind kind;
} branch_selectors[] = {
    {"ifTrue:", INLINE_IF_TRUE},
    {"ifFalse:", INLINE_IF_FALSE},
    {"ifTrue:ifFalse:", INLINE_IF_TRUE_FALSE},
    {"ifFalse:ifTrue:", INLINE_IF_FALSE_TRUE},
    {"and:", INLINE_AND},
    {"or:", INLINE_OR},
};

static const struct {
    const char *selector;
    InlineKind kind;
} while_selectors[] = {
    {"whileTrue:", INLINE_WHILE_TRUE},
    {"whileFalse:", INLINE_WHILE_FALSE},
    {"whileTrue", INLINE_WHILE_TRUE},
    {"whileFalse", INLINE_WHILE_FALSE},
};

static InlineKind counting_loop(const AstSend *send)
{
    const AstNodeList args = send->message.args;
    const LangText selector = send->message.selector;
    if (lang_text_is(selector, "to:do:") && is_block(args.items[1], 1))
        return INLINE_TO_DO;
    if (lang_text_is(selector, "timesRepeat:") && is_block(args.items[0], 0))
        return INLINE_TIMES;
    if (lang_text_is(selector, "to:by:do:") && is_block(args.items[2], 1) &&
        is_int_literal(args.items[1]) && args.items[1]->as.integer.value != 0)
        return INLINE_TO_BY_DO;
    return INLINE_NONE;
}

static InlineKind inline_keyword(const Fn *fn, const AstNode *node)
{
    const AstSend *send = &node->as.send;
    const LangText selector = send->message.selector;
    for (size_t i = 0; i < sizeof branch_selectors / sizeof *branch_selectors; i++)
        if (lang_text_is(selector, branch_selectors[i].selector))
            return all_blocks(send->message.args) ? branch_selectors[i].kind : INLINE_NONE;
    InlineKind kind = counting_loop(send);
    if (kind && scope_loop_is_guarded(node, kind) &&
        (fn->no_guards || fn->guarded_depth >= CG_GUARDED_LOOPS_MAX))
        return INLINE_NONE;
    return kind;
}

/* The receiver is a block without parameters. */
static InlineKind inline_while(const AstSend *send)
{
    const LangText selector = send->message.selector;
    if (lang_text_is(selector, "repeat"))
        return INLINE_REPEAT;
    if (send->receiver->as.block->statements.count == 0)
        return INLINE_NONE;
    for (size_t i = 0; i < sizeof while_selectors / sizeof *while_selectors; i++)
        if (lang_text_is(selector, while_selectors[i].selector))
            return all_blocks(send->message.args) ? while_selectors[i].kind : INLINE_NONE;
    return INLINE_NONE;
}

InlineKind scope_inline_kind(const Fn *fn, const AstNode *node)
{
    if (node->kind != AST_SEND || node->as.send.is_super)
        return INLINE_NONE;
    const AstSend *send = &node->as.send;
    if (is_block(send->receiver, 0)) {
        InlineKind kind = inline_while(send);
        if (kind)
            return kind;
    }
    return send->message.kind == AST_KEYWORD ? inline_keyword(fn, node) : INLINE_NONE;
}

/* -- selectors with instructions of their own ------------------------------------------------- */

#define NO OP_COUNT
#define SPECIAL(text, kind, ...)                                                                   \
    {                                                                                              \
        text, sizeof text - 1, SPECIAL_##kind, __VA_ARGS__                                         \
    }
static const Special specials[] = {
    SPECIAL("+", ARITH, OP_ADD, OP_ADDK, NO, NO),
    SPECIAL("-", ARITH, OP_SUB, OP_SUBK, NO, NO),
    SPECIAL("*", ARITH, OP_MUL, OP_MULK, NO, NO),
    SPECIAL("/", ARITH, OP_DIV, NO, NO, NO),
    SPECIAL("//", ARITH, OP_IDIV, OP_IDIVK, NO, NO),
    SPECIAL("\\\\", ARITH, OP_MOD, OP_MODK, NO, NO),
    SPECIAL("<", ARITH, OP_LT, OP_LTK, OP_LTJ, OP_LTKJ),
    SPECIAL(">", ARITH, OP_GT, OP_GTK, OP_GTJ, OP_GTKJ),
    SPECIAL("<=", ARITH, OP_LE, OP_LEK, OP_LEJ, OP_LEKJ),
    SPECIAL(">=", ARITH, OP_GE, OP_GEK, OP_GEJ, OP_GEKJ),
    SPECIAL("=", ARITH, OP_EQ, OP_EQK, OP_EQJ, OP_EQKJ),
    SPECIAL("~=", ARITH, OP_NE, OP_NEK, OP_NEJ, OP_NEKJ),
    SPECIAL("==", SAME, OP_SAME, NO, OP_SAMEJ, NO),
    SPECIAL("~~", SAME, OP_NOTSAME, NO, NO, NO),
    SPECIAL("at:", ARITH, OP_AT, NO, NO, NO),
    SPECIAL("at:put:", PUT, OP_PUTAT, NO, NO, NO),
    SPECIAL("value", VALUE, OP_SENDVALUE, NO, NO, NO),
    SPECIAL("value:", VALUE, OP_SENDVALUE, NO, NO, NO),
    SPECIAL("value:value:", VALUE, OP_SENDVALUE, NO, NO, NO),
    SPECIAL("value:value:value:", VALUE, OP_SENDVALUE, NO, NO, NO),
    SPECIAL("value:value:value:value:", VALUE, OP_SENDVALUE, NO, NO, NO),
    SPECIAL("size", UNARY, OP_SIZE, NO, NO, NO),
    SPECIAL("isNil", UNARY, OP_ISNIL, NO, OP_ISNILJ, NO),
    SPECIAL("notNil", UNARY, OP_NOTNIL, NO, OP_NOTNILJ, NO),
    SPECIAL("not", UNARY, OP_NOT, NO, NO, NO),
    SPECIAL("bitAnd:", ARITH, OP_BITAND, OP_BITANDK, NO, NO),
    SPECIAL("bitOr:", ARITH, OP_BITOR, NO, NO, NO),
    SPECIAL("bitXor:", ARITH, OP_BITXOR, NO, NO, NO),
    SPECIAL("bitShift:", ARITH, OP_BITSHIFT, NO, NO, NO),
};
#undef SPECIAL
#undef NO

const Special *special_find(LangText selector)
{
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (specials[i].length == selector.len &&
            memcmp(specials[i].selector, selector.ptr, selector.len) == 0)
            return &specials[i];
    return NULL;
}

bool special_takes_constant(const Special *special, const AstNode *arg)
{
    return special->with_constant != OP_COUNT && arg->kind == AST_INT &&
           arg->as.integer.value >= -128 && arg->as.integer.value <= 127;
}
